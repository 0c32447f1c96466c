/*
 * test_ledger_vectors.c
 *	  Trees and notes of core/ledger against published vectors.
 */
#include "test_common.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/ledger/ledger.h"

/* --- probes of transparency-dev/merkle --------------------------------------------------- */

/*
 * No hash, and one that is too long, cannot be given to a check: that alone is
 * wrong.  Some probes have a short text for a root that no proof comes to: it is
 * filled with zeros.
 */
static bool
read_hash(EpsHash *out, const char *base64)
{
	uint8_t		bytes[200] = {0};
	size_t		n = eps_test_base64(bytes, sizeof(bytes), base64);

	memcpy(out->b, bytes, EPS_HASH_LEN);
	return n > 0 && n <= EPS_HASH_LEN;
}

static bool
read_proof(EpsHash proof[100], size_t *n, const json_t *probe)
{
	json_t	   *list = json_object_get(probe, "proof");
	size_t		i;
	json_t	   *item;

	*n = 0;
	if (json_is_null(list))
		return true;
	assert_true(json_is_array(list) && json_array_size(list) <= 100);
	json_array_foreach(list, i, item)
		if (!read_hash(&proof[(*n)++], json_string_value(item)))
			return false;
	return true;
}

static bool
inclusion_verifies(const json_t *probe)
{
	EpsHash		proof[100];
	EpsHash		leaf;
	EpsHash		root;
	size_t		n;

	return read_proof(proof, &n, probe) && read_hash(&leaf, eps_test_json_string(probe, "leafHash")) &&
		read_hash(&root, eps_test_json_string(probe, "root")) &&
		eps_ledger_check_inclusion(&leaf, eps_test_json_u64(probe, "leafIdx"), eps_test_json_u64(probe, "treeSize"),
								   proof, n, &root) == EPS_OK;
}

static bool
consistency_verifies(const json_t *probe)
{
	EpsHash		proof[100];
	EpsHash		from;
	EpsHash		to;
	size_t		n;

	return read_proof(proof, &n, probe) && read_hash(&from, eps_test_json_string(probe, "root1")) &&
		read_hash(&to, eps_test_json_string(probe, "root2")) &&
		eps_ledger_check_consistency(eps_test_json_u64(probe, "size1"), eps_test_json_u64(probe, "size2"),
									 proof, n, &from, &to) == EPS_OK;
}

/*
 * Of the probes of subtrees [start, end) those apply to us whose subtree is the
 * tree itself: its proofs are the tree's.
 */
static bool
subtree_inclusion_verifies(const json_t *probe)
{
	EpsHash		proof[100];
	EpsHash		leaf;
	EpsHash		root;
	size_t		n;

	return read_proof(proof, &n, probe) && read_hash(&leaf, eps_test_json_string(probe, "leafHash")) &&
		read_hash(&root, eps_test_json_string(probe, "root")) &&
		eps_ledger_check_inclusion(&leaf, eps_test_json_u64(probe, "leafIdx"), eps_test_json_u64(probe, "end"),
								   proof, n, &root) == EPS_OK;
}

static bool
subtree_consistency_verifies(const json_t *probe)
{
	EpsHash		proof[100];
	EpsHash		from;
	EpsHash		to;
	size_t		n;

	return read_proof(proof, &n, probe) && read_hash(&from, eps_test_json_string(probe, "root1")) &&
		read_hash(&to, eps_test_json_string(probe, "root2")) &&
		eps_ledger_check_consistency(eps_test_json_u64(probe, "end"), eps_test_json_u64(probe, "size"),
									 proof, n, &from, &to) == EPS_OK;
}

static bool
always(const json_t *probe)
{
	(void) probe;
	return true;
}

static bool
is_whole_tree(const json_t *probe)
{
	return eps_test_json_u64(probe, "start") == 0;
}

/* An empty subtree is the library's own convention: we take no proof from size 0. */
static bool
is_head_of_tree(const json_t *probe)
{
	return eps_test_json_u64(probe, "start") == 0 && eps_test_json_u64(probe, "end") > 0;
}

static void
check_probes(const char *name, size_t expected, bool (*verifies) (const json_t *), bool (*applies) (const json_t *))
{
	json_t	   *probes = eps_test_json_open(name);
	size_t		skipped = 0;
	size_t		i;
	json_t	   *probe;

	if (probes == NULL)
		return;
	assert_int_equal(json_array_size(probes), expected);
	json_array_foreach(probes, i, probe)
	{
		if (!applies(probe))
			skipped++;
		else if (verifies(probe) == eps_test_json_bool(probe, "wantErr"))
			fail_msg("%s: \"%s\"", eps_test_json_string(probe, "file"), eps_test_json_string(probe, "desc"));
	}
	print_message("# %s: %zu probes, %zu more skipped, of subtrees that are no trees of ours\n",
				  name, expected - skipped, skipped);
	assert_true(skipped < expected);
	json_decref(probes);
}

static void
test_probes_inclusion(void **state)
{
	(void) state;
	check_probes("merkle/probes_inclusion.json", 98, inclusion_verifies, always);
}

static void
test_probes_consistency(void **state)
{
	(void) state;
	check_probes("merkle/probes_consistency.json", 98, consistency_verifies, always);
}

static void
test_probes_subtree_inclusion(void **state)
{
	(void) state;
	check_probes("merkle/probes_subtreeinclusion.json", 204, subtree_inclusion_verifies, is_whole_tree);
}

static void
test_probes_subtree_consistency(void **state)
{
	(void) state;
	check_probes("merkle/probes_subtreeconsistency.json", 118, subtree_consistency_verifies, is_head_of_tree);
}

/* --- RFC 6962 -------------------------------------------------------------------------------- */

static void
assert_hash(const EpsHash *hash, const char *hex)
{
	uint8_t		expected[EPS_HASH_LEN];

	assert_int_equal(eps_test_hex(expected, sizeof(expected), hex), EPS_HASH_LEN);
	assert_memory_equal(hash->b, expected, EPS_HASH_LEN);
}

static const char *
text_at(const json_t *list, size_t i)
{
	const char *text = json_string_value(json_array_get(list, i));

	assert_non_null(text);
	return text;
}

static void
test_rfc6962(void **state)
{
	json_t	   *reference = eps_test_json_open("merkle/rfc6962_reference.json");
	json_t	   *inputs;
	json_t	   *roots;
	EpsFrontier tree;
	EpsHash		hash;

	(void) state;
	if (reference == NULL)
		return;
	inputs = eps_test_json_array(reference, "leaf_inputs_hex");
	roots = eps_test_json_array(reference, "root_by_size");
	assert_int_equal(json_array_size(inputs), 8);
	assert_int_equal(json_array_size(roots), 9);
	eps_ledger_frontier_init(&tree);
	for (size_t i = 0; i <= 8; i++)
	{
		uint8_t		bytes[64];

		eps_ledger_frontier_root(&hash, &tree);
		assert_hash(&hash, text_at(roots, i));
		if (i == 8)
			break;
		eps_ledger_leaf_hash(&hash, bytes, eps_test_hex(bytes, sizeof(bytes), text_at(inputs, i)));
		assert_hash(&hash, text_at(eps_test_json_array(reference, "leaf_hashes"), i));
		eps_ledger_frontier_add(&tree, &hash);
	}
	json_decref(reference);
}

static size_t
bytes_of(uint8_t *out, size_t room, const json_t *item, const char *key)
{
	return eps_test_hex(out, room, eps_test_json_string(item, key));
}

/* A node over two short texts, as the reference has it: we hash pairs of hashes only. */
static void
hash_pair(EpsHash *out, const json_t *item)
{
	uint8_t		bytes[1 + 64] = {0x01};
	size_t		n = bytes_of(bytes + 1, 32, item, "left_hex");

	n += bytes_of(bytes + 1 + n, 32, item, "right_hex");
	eps_crypto_sha256(out->b, bytes, 1 + n);
}

static void
test_rfc6962_hashes(void **state)
{
	json_t	   *reference = eps_test_json_open("merkle/rfc6962_reference.json");
	size_t		i;
	json_t	   *item;

	(void) state;
	if (reference == NULL)
		return;
	assert_int_equal(json_array_size(eps_test_json_array(reference, "hashes")), 4);
	json_array_foreach(eps_test_json_array(reference, "hashes"), i, item)
	{
		uint8_t		bytes[64];
		EpsHash		hash;

		if (json_object_get(item, "leaf_hex") != NULL)
			eps_ledger_leaf_hash(&hash, bytes, bytes_of(bytes, sizeof(bytes), item, "leaf_hex"));
		else if (json_object_get(item, "left_hex") != NULL)
			hash_pair(&hash, item);
		else
			assert_int_equal(eps_ledger_root(&hash, 0, NULL, NULL), EPS_OK);
		assert_hash(&hash, eps_test_json_string(item, "want"));
	}
	json_decref(reference);
}

/* --- a computed log ---------------------------------------------------------------------------- */

#define RECORDS 1000

static EpsHash record[RECORDS];

static EpsStatus
fetch_record(void *context, EpsHash *out, unsigned level, uint64_t index)
{
	EpsHash		right;

	if (level == 0)
	{
		*out = record[index];
		return EPS_OK;
	}
	assert_int_equal(fetch_record(context, out, level - 1, 2 * index), EPS_OK);
	assert_int_equal(fetch_record(context, &right, level - 1, 2 * index + 1), EPS_OK);
	eps_ledger_node_hash(out, out, &right);
	return EPS_OK;
}

static void
make_records(void)
{
	for (unsigned i = 0; i < RECORDS; i++)
	{
		char		text[32];
		int			len = snprintf(text, sizeof(text), "audit-record-%u", i);

		eps_ledger_leaf_hash(&record[i], (const uint8_t *) text, (size_t) len);
	}
}

/* Ours are exactly the proofs of the file, and they verify. */
static void
assert_proof(const json_t *item, const EpsHash *proof, size_t n)
{
	json_t	   *expected = eps_test_json_array(item, "proof");

	assert_int_equal(json_array_size(expected), n);
	for (size_t i = 0; i < n; i++)
		assert_hash(&proof[i], text_at(expected, i));
}

/* Not every size that has a proof has its root in the file. */
static EpsHash
computed_root(const json_t *log, uint64_t size)
{
	char		key[24];
	EpsHash		root;
	json_t	   *roots = json_object_get(log, "roots");

	snprintf(key, sizeof(key), "%u", (unsigned) size);
	assert_int_equal(eps_ledger_root(&root, size, fetch_record, NULL), EPS_OK);
	if (json_object_get(roots, key) != NULL)
		assert_hash(&root, eps_test_json_string(roots, key));
	return root;
}

static void
test_computed_roots(void **state)
{
	json_t	   *log = eps_test_json_open("merkle/computed_audit_log_tree.json");
	const char *key;
	json_t	   *value;
	size_t		n = 0;

	(void) state;
	if (log == NULL)
		return;
	json_object_foreach(json_object_get(log, "roots"), key, value)
	{
		(void) computed_root(log, eps_test_u64(key));
		n++;
	}
	assert_int_equal(n, 74);
	json_decref(log);
}

static void
test_computed_proofs(void **state)
{
	json_t	   *log = eps_test_json_open("merkle/computed_audit_log_tree.json");
	EpsHash		proof[EPS_PROOF_MAX];
	size_t		n;
	size_t		i;
	json_t	   *item;

	(void) state;
	if (log == NULL)
		return;
	assert_int_equal(json_array_size(eps_test_json_array(log, "inclusion")), 85);
	json_array_foreach(eps_test_json_array(log, "inclusion"), i, item)
	{
		uint64_t	index = eps_test_json_u64(item, "leaf_index");
		uint64_t	size = eps_test_json_u64(item, "tree_size");
		EpsHash		root = computed_root(log, size);

		assert_int_equal(eps_ledger_inclusion(proof, &n, index, size, fetch_record, NULL), EPS_OK);
		assert_proof(item, proof, n);
		assert_int_equal(eps_ledger_check_inclusion(&record[index], index, size, proof, n, &root), EPS_OK);
	}
	assert_int_equal(json_array_size(eps_test_json_array(log, "consistency")), 137);
	json_array_foreach(eps_test_json_array(log, "consistency"), i, item)
	{
		uint64_t	from = eps_test_json_u64(item, "size1");
		uint64_t	to = eps_test_json_u64(item, "size2");
		EpsHash		from_root = computed_root(log, from);
		EpsHash		to_root = computed_root(log, to);

		assert_int_equal(eps_ledger_consistency(proof, &n, from, to, fetch_record, NULL), EPS_OK);
		assert_proof(item, proof, n);
		assert_int_equal(eps_ledger_check_consistency(from, to, proof, n, &from_root, &to_root), EPS_OK);
	}
	json_decref(log);
}

/* --- signed notes --------------------------------------------------------------------------------- */

static void
test_signed_note(void **state)
{
	json_t	   *example = eps_test_json_open("merkle/signed_note_example.json");
	const char *vkey;
	const char *note;
	const char *text;
	char		name[128];
	uint8_t		key[32];
	char		again[256];
	size_t		text_len;

	(void) state;
	if (example == NULL)
		return;
	vkey = eps_test_json_string(example, "vkey");
	note = eps_test_json_string(example, "note");
	text = eps_test_json_string(example, "signed_text");
	assert_int_equal(eps_ledger_vkey_read(name, key, vkey, strlen(vkey)), EPS_OK);
	assert_int_equal(eps_ledger_vkey_write(again, name, key), EPS_OK);
	assert_string_equal(again, vkey);
	assert_int_equal(eps_ledger_note_check(&text_len, note, strlen(note), name, key), EPS_OK);
	assert_int_equal(text_len, strlen(text));
	assert_memory_equal(note, text, text_len);
	key[0] ^= 1;
	assert_int_equal(eps_ledger_note_check(&text_len, note, strlen(note), name, key), EPS_E_AUTH);
	json_decref(example);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_probes_inclusion),
		cmocka_unit_test(test_probes_consistency),
		cmocka_unit_test(test_probes_subtree_inclusion),
		cmocka_unit_test(test_probes_subtree_consistency),
		cmocka_unit_test(test_rfc6962),
		cmocka_unit_test(test_rfc6962_hashes),
		cmocka_unit_test(test_computed_roots),
		cmocka_unit_test(test_computed_proofs),
		cmocka_unit_test(test_signed_note),
	};

	if (eps_crypto_init() != EPS_OK)
		return 1;
	make_records();
	return cmocka_run_group_tests_name("core/ledger vectors", tests, NULL, NULL);
}
