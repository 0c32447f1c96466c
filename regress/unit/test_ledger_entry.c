/*
 * test_ledger_entry.c
 *	  Entries, bodies, commitments, openings and charges of core/ledger: what is
 *	  written is read back, and nothing else is read.
 */
#include "test_common.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "core/ledger/ledger.h"

static EpsEntropy entropy;
static TestStream stream;

static void
randomise(void *bytes, size_t len)
{
	assert_int_equal(entropy.fill(entropy.ctx, bytes, len), EPS_OK);
}

static EpsEntry
some_entry(EpsEntryKind kind)
{
	EpsEntry	entry;

	memset(&entry, 0, sizeof(entry));
	randomise(&entry.total_units, sizeof(entry.total_units));
	randomise(&entry.total_delta_units, sizeof(entry.total_delta_units));
	randomise(&entry.fields, sizeof(entry.fields));
	entry.kind = kind;
	entry.dataset = 1 + (uint32_t) eps_test_random(&entropy, 31);
	entry.seq = 1 + eps_test_random(&entropy, 62);
	entry.at = eps_test_random(&entropy, 64);
	entry.epoch = 1 + eps_test_random(&entropy, 63);
	return entry;
}

static EpsOwnersBody
some_owners(void)
{
	EpsOwnersBody owners = {.depth = (uint8_t) (1 + eps_test_random(&entropy, 4)), .first = 7};

	randomise(&owners.balance, sizeof(owners.balance));
	randomise(&owners.consent, sizeof(owners.consent));
	owners.last = owners.first + eps_test_random(&entropy, 40);
	owners.as_of = eps_test_random(&entropy, 62);
	return owners;
}

static void
fill_body(EpsEntry *entry)
{
	EpsAnswersBody answers = {.first = 3, .last = 9};
	EpsOwnersBody owners = some_owners();

	randomise(&answers.root, sizeof(answers.root));
	if (entry->kind == EPS_ENTRY_KEY)
		randomise(entry->body, sizeof(entry->body));
	else if (entry->kind == EPS_ENTRY_ANSWERS)
		eps_ledger_answers_write(entry->body, &answers);
	else if (entry->kind == EPS_ENTRY_OWNERS)
		eps_ledger_owners_write(entry->body, &owners);
}

static void
test_round_trip(void **state)
{
	(void) state;
	for (int kind = EPS_ENTRY_BOOT; kind <= EPS_ENTRY_ATTESTATION; kind++)
		for (int round = 0; round < 200; round++)
		{
			EpsEntry	entry = some_entry((EpsEntryKind) kind);
			EpsEntry	again;
			uint8_t		bytes[EPS_ENTRY_LEN];
			uint8_t		bytes_again[EPS_ENTRY_LEN];

			fill_body(&entry);
			eps_ledger_entry_write(bytes, &entry);
			memset(&again, 0, sizeof(again));
			assert_int_equal(eps_ledger_entry_read(&again, bytes), EPS_OK);
			assert_memory_equal(&again, &entry, sizeof(entry));
			eps_ledger_entry_write(bytes_again, &again);
			assert_memory_equal(bytes, bytes_again, sizeof(bytes));
		}
}

/* The layout of docs/design/ledger.md, byte by byte. */
static void
test_layout(void **state)
{
	static const uint8_t head[64] = {
		1, 4, 0, 0, 0x01, 0x02, 0x03, 0x04,
		0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18,
		0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28,
		0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38,
		0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0, 0, 0, 0, 0, 0, 0, 1,
		0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0, 0, 0, 0, 0, 0, 0, 2
	};
	EpsEntry	entry = {
		.kind = EPS_ENTRY_RELEASE, .dataset = 0x01020304, .seq = 0x1112131415161718, .at = 0x2122232425262728,
		.epoch = 0x3132333435363738, .total_units = (EpsU128) 0x4142434445464748 << 64 | 1,
		.total_delta_units = (EpsU128) 0x5152535455565758 << 64 | 2
	};
	uint8_t		bytes[EPS_ENTRY_LEN];

	(void) state;
	memset(entry.fields.b, 0xaa, sizeof(entry.fields.b));
	eps_ledger_entry_write(bytes, &entry);
	assert_memory_equal(bytes, head, sizeof(head));
	for (int i = 64; i < 256; i++)
		assert_int_equal(bytes[i], i < 96 ? 0xaa : 0);
}

/* A byte that says nothing is zero, each one alone. */
static void
refuse_where_not_zero(EpsEntryKind kind, size_t from, size_t to)
{
	EpsEntry	entry = some_entry(kind);
	uint8_t		bytes[EPS_ENTRY_LEN];

	fill_body(&entry);
	eps_ledger_entry_write(bytes, &entry);
	for (size_t at = from; at < to; at++)
		for (unsigned bit = 0; bit < 8; bit++)
		{
			bytes[at] = (uint8_t) (1 << bit);
			assert_int_equal(eps_ledger_entry_read(&entry, bytes), EPS_E_FORMAT);
			bytes[at] = 0;
		}
	assert_int_equal(eps_ledger_entry_read(&entry, bytes), EPS_OK);
}

static void
test_reserved(void **state)
{
	(void) state;
	for (int kind = EPS_ENTRY_BOOT; kind <= EPS_ENTRY_ATTESTATION; kind++)
	{
		refuse_where_not_zero((EpsEntryKind) kind, 2, 4);
		if (kind == EPS_ENTRY_ANSWERS)
			refuse_where_not_zero((EpsEntryKind) kind, 96 + 48, 256);
		else if (kind == EPS_ENTRY_OWNERS)
		{
			refuse_where_not_zero((EpsEntryKind) kind, 96 + 65, 96 + 72);
			refuse_where_not_zero((EpsEntryKind) kind, 96 + 96, 256);
		}
		else if (kind != EPS_ENTRY_KEY)
			refuse_where_not_zero((EpsEntryKind) kind, 96, 256);
	}
}

static void
assert_refused(const EpsEntry *entry)
{
	uint8_t		bytes[EPS_ENTRY_LEN];
	EpsEntry	out;

	eps_ledger_entry_write(bytes, entry);
	assert_int_equal(eps_ledger_entry_read(&out, bytes), EPS_E_FORMAT);
}

static void
test_head_refused(void **state)
{
	EpsEntry	good = some_entry(EPS_ENTRY_RELEASE);
	EpsEntry	entry;
	uint8_t		bytes[EPS_ENTRY_LEN];

	(void) state;
	eps_ledger_entry_write(bytes, &good);
	for (int version = 0; version < 256; version++)
	{
		bytes[0] = (uint8_t) version;
		assert_int_equal(eps_ledger_entry_read(&entry, bytes), version == 1 ? EPS_OK : EPS_E_FORMAT);
	}
	for (int kind = 0; kind < 256; kind++)
		if (kind < EPS_ENTRY_BOOT || kind > EPS_ENTRY_ATTESTATION)
		{
			entry = good;
			entry.kind = (EpsEntryKind) kind;
			assert_refused(&entry);
		}
	entry = good;
	entry.seq = 0;
	assert_refused(&entry);
	entry.seq = EPS_TREE_MAX + 1;
	assert_refused(&entry);
	entry = good;
	entry.epoch = 0;
	assert_refused(&entry);
}

/* What is of a data set, and what the whole database has not. */
static void
test_scope(void **state)
{
	static const EpsEntryKind of_dataset[] = {EPS_ENTRY_RELEASE, EPS_ENTRY_REPEAT, EPS_ENTRY_LEFT_OUT, EPS_ENTRY_OWNERS};
	EpsEntry	entry;
	EpsEntry	out;
	uint8_t		bytes[EPS_ENTRY_LEN];

	(void) state;
	for (size_t i = 0; i < sizeof(of_dataset) / sizeof(of_dataset[0]); i++)
	{
		entry = some_entry(of_dataset[i]);
		fill_body(&entry);
		entry.dataset = 0;
		entry.total_units = entry.total_delta_units = 0;
		assert_refused(&entry);
	}
	entry = some_entry(EPS_ENTRY_BOOT);
	entry.dataset = 0;
	entry.total_units = 1;
	entry.total_delta_units = 0;
	assert_refused(&entry);
	entry.total_units = 0;
	entry.total_delta_units = 1;
	assert_refused(&entry);
	entry.total_delta_units = 0;
	eps_ledger_entry_write(bytes, &entry);
	assert_int_equal(eps_ledger_entry_read(&out, bytes), EPS_OK);
}

static void
test_owners_body(void **state)
{
	EpsOwnersBody owners = some_owners();
	EpsOwnersBody again;
	uint8_t		body[EPS_ENTRY_BODY_LEN];

	(void) state;
	for (int depth = 0; depth < 256; depth++)
	{
		owners.depth = (uint8_t) depth;
		eps_ledger_owners_write(body, &owners);
		assert_int_equal(eps_ledger_owners_read(&again, body),
						 depth >= 1 && depth <= EPS_MAP_MAX_DEPTH ? EPS_OK : EPS_E_FORMAT);
	}
	owners.depth = 20;
	owners.first = owners.last + 1;
	eps_ledger_owners_write(body, &owners);
	assert_int_equal(eps_ledger_owners_read(&again, body), EPS_E_FORMAT);
}

static void
test_key_body(void **state)
{
	EpsKeyBody	key;
	EpsKeyBody	again;
	uint8_t		body[EPS_ENTRY_BODY_LEN];
	uint8_t		id[EPS_LEDGER_ID_LEN];
	uint8_t		statement[EPS_KEY_STATEMENT_LEN];

	(void) state;
	randomise(&key, sizeof(key));
	eps_ledger_key_write(body, &key);
	eps_ledger_key_read(&again, body);
	assert_memory_equal(&key, &again, sizeof(key));
	assert_memory_equal(body + 96, key.by_old, 64);

	memset(id, 0xee, sizeof(id));
	eps_ledger_key_statement(statement, id, 0x0102030405060708, key.key);
	assert_memory_equal(statement, "pg_epsilon key v1\n", 18);
	assert_memory_equal(statement + 18, id, sizeof(id));
	assert_memory_equal(statement + 34, "\1\2\3\4\5\6\7\10", 8);
	assert_memory_equal(statement + 42, key.key, 32);
}

static void
test_kind_names(void **state)
{
	(void) state;
	assert_null(eps_ledger_kind_name(-1));
	assert_null(eps_ledger_kind_name(0));
	assert_null(eps_ledger_kind_name(11));
	assert_string_equal(eps_ledger_kind_name(EPS_ENTRY_LEFT_OUT), "left out");
	for (int kind = EPS_ENTRY_BOOT; kind <= EPS_ENTRY_ATTESTATION; kind++)
		assert_non_null(eps_ledger_kind_name(kind));
}

/* --- fields ---------------------------------------------------------------------------- */

static void
some_fields(EpsField field[EPS_ENTRY_FIELDS], uint8_t bytes[EPS_ENTRY_FIELDS][100])
{
	randomise(bytes, EPS_ENTRY_FIELDS * sizeof(bytes[0]));
	for (int i = 0; i < EPS_ENTRY_FIELDS; i++)
		field[i] = (EpsField) {bytes[i], (size_t) (eps_test_random(&entropy, 7) % 101)};
	field[3] = (EpsField) {NULL, 0};
}

/* The commitment by libsodium's HMAC, the root by RFC 9162's definition. */
static void
test_fields_root(void **state)
{
	uint8_t		bytes[EPS_ENTRY_FIELDS][100];
	uint8_t		r[32];
	EpsField	field[EPS_ENTRY_FIELDS];
	EpsHash		node[EPS_ENTRY_FIELDS];
	EpsHash		root;

	(void) state;
	some_fields(field, bytes);
	randomise(r, sizeof(r));
	for (int i = 0; i < EPS_ENTRY_FIELDS; i++)
	{
		uint8_t		name[6] = "field";
		uint8_t		key[32];
		uint8_t		our_key[32];
		uint8_t		leaf[33] = {0x00};

		name[5] = (uint8_t) i;
		crypto_auth_hmacsha256(key, name, 6, r);
		eps_ledger_field_key(our_key, r, i);
		assert_memory_equal(key, our_key, 32);
		crypto_auth_hmacsha256(leaf + 1, field[i].bytes, field[i].len, key);
		eps_ledger_field_commit(&node[i], key, field[i]);
		assert_memory_equal(node[i].b, leaf + 1, 32);
		crypto_hash_sha256(node[i].b, leaf, sizeof(leaf));
	}
	for (int n = EPS_ENTRY_FIELDS; n > 1; n /= 2)
		for (int i = 0; i < n / 2; i++)
			eps_ledger_node_hash(&node[i], &node[2 * i], &node[2 * i + 1]);
	eps_ledger_fields_root(&root, r, field);
	assert_memory_equal(root.b, node[0].b, 32);
}

static void
test_opening(void **state)
{
	uint8_t		bytes[EPS_ENTRY_FIELDS][100];
	EpsField	field[EPS_ENTRY_FIELDS];
	uint8_t		r[32];

	(void) state;
	for (int round = 0; round < 100; round++)
	{
		EpsField	again[EPS_ENTRY_FIELDS];
		uint8_t		r_again[32];
		uint8_t    *out;
		size_t		len;

		some_fields(field, bytes);
		randomise(r, sizeof(r));
		len = eps_ledger_opening_len(field);
		out = malloc(len + 1);
		assert_non_null(out);
		eps_ledger_opening_write(out, r, field);
		assert_int_equal(eps_ledger_opening_read(r_again, again, out, len), EPS_OK);
		assert_memory_equal(r, r_again, 32);
		for (int i = 0; i < EPS_ENTRY_FIELDS; i++)
		{
			assert_int_equal(again[i].len, field[i].len);
			if (field[i].len > 0)
				assert_memory_equal(again[i].bytes, field[i].bytes, field[i].len);
		}
		out[len] = 0;
		assert_int_equal(eps_ledger_opening_read(r_again, again, out, len + 1), EPS_E_FORMAT);
		for (size_t shorter = 0; shorter < len; shorter++)
			assert_int_equal(eps_ledger_opening_read(r_again, again, out, shorter), EPS_E_FORMAT);
		free(out);
	}
}

/* A length above what is left must not wrap a pointer. */
static void
test_opening_length(void **state)
{
	uint8_t		in[32 + 8 * 4];
	uint8_t		r[32];
	EpsField	field[EPS_ENTRY_FIELDS];

	(void) state;
	memset(in, 0, sizeof(in));
	assert_int_equal(eps_ledger_opening_read(r, field, in, sizeof(in)), EPS_OK);
	memset(in + 32, 0xff, 4);
	assert_int_equal(eps_ledger_opening_read(r, field, in, sizeof(in)), EPS_E_FORMAT);
}

static void
test_slot(void **state)
{
	uint8_t		salt[32];
	uint8_t		message[40] = {0, 0, 0, 0, 0, 0, 1, 2};
	uint8_t		expected[32];
	EpsHash		slot;
	EpsHash		empty;

	(void) state;
	randomise(salt, sizeof(salt));
	crypto_hash_sha256(message + 8, (const uint8_t *) "answer", 6);
	crypto_auth_hmacsha256(expected, message, sizeof(message), salt);
	eps_ledger_slot_commit(&slot, salt, 258, (const uint8_t *) "answer", 6);
	assert_memory_equal(slot.b, expected, 32);
	crypto_auth_hmacsha256(expected, (const uint8_t *) "unused", 6, salt);
	eps_ledger_slot_commit(&slot, salt, 0, NULL, 0);
	assert_memory_equal(slot.b, expected, 32);
	eps_ledger_slot_commit(&empty, salt, 258, NULL, 0);
	assert_memory_not_equal(empty.b, slot.b, 32);
}

/* --- charges ----------------------------------------------------------------------------- */

typedef struct Bytes
{
	uint8_t		b[512];
	size_t		len;
} Bytes;

static void
add_charge(Bytes *out, uint16_t level, uint16_t delta_level, uint32_t len)
{
	uint8_t    *at = out->b + out->len;

	eps_base_write_u16(&at, level);
	eps_base_write_u16(&at, delta_level);
	eps_base_write_u32(&at, len);
	memset(at, (int) level, len);
	out->len = (size_t) (at - out->b) + len;
}

/* Number of charges, or -1 where one is refused. */
static int
count_charges(const Bytes *in)
{
	EpsCursor	c = {in->b, in->b + in->len};
	EpsLedgerCharge charge;
	bool		found;

	for (int n = 0;; n++)
	{
		if (eps_ledger_charge_next(&charge, &found, &c) != EPS_OK)
			return -1;
		if (!found)
			return n;
	}
}

static void
test_charges(void **state)
{
	Bytes		bytes = {.len = 0};
	EpsCursor	c;
	EpsLedgerCharge charge;
	bool		found;

	(void) state;
	assert_int_equal(count_charges(&bytes), 0);
	add_charge(&bytes, 1, 2, 3);
	add_charge(&bytes, 1, 3, 1);
	add_charge(&bytes, 2, 0, 5);
	assert_int_equal(count_charges(&bytes), 3);
	c = (EpsCursor) {bytes.b, bytes.b + bytes.len};
	assert_int_equal(eps_ledger_charge_next(&charge, &found, &c), EPS_OK);
	assert_true(found && charge.level == 1 && charge.delta_level == 2 && charge.len == 3);
	assert_ptr_equal(charge.bitmap, bytes.b + 8);
	for (size_t len = 1; len < bytes.len; len++)
	{
		Bytes		cut = bytes;

		cut.len = len;
		assert_int_equal(count_charges(&cut), len == 11 ? 1 : len == 20 ? 2 : -1);
	}
}

static void
test_charges_in_order(void **state)
{
	static const uint16_t pairs[][4] = {{2, 0, 1, 9}, {1, 3, 1, 2}, {1, 3, 1, 3}};

	(void) state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
	{
		Bytes		bytes = {.len = 0};

		add_charge(&bytes, pairs[i][0], pairs[i][1], 1);
		add_charge(&bytes, pairs[i][2], pairs[i][3], 1);
		assert_int_equal(count_charges(&bytes), -1);
	}
}

static void
test_charge_of_nobody(void **state)
{
	Bytes		bytes = {.len = 0};

	(void) state;
	add_charge(&bytes, 1, 0, 0);
	assert_int_equal(count_charges(&bytes), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_layout),
		cmocka_unit_test(test_reserved),
		cmocka_unit_test(test_head_refused),
		cmocka_unit_test(test_scope),
		cmocka_unit_test(test_owners_body),
		cmocka_unit_test(test_key_body),
		cmocka_unit_test(test_kind_names),
		cmocka_unit_test(test_fields_root),
		cmocka_unit_test(test_opening),
		cmocka_unit_test(test_opening_length),
		cmocka_unit_test(test_slot),
		cmocka_unit_test(test_charges),
		cmocka_unit_test(test_charges_in_order),
		cmocka_unit_test(test_charge_of_nobody),
	};

	entropy = eps_test_stream(&stream, 4);
	return cmocka_run_group_tests_name("core/ledger entries", tests, NULL, NULL);
}
