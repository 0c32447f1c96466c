/*
 * test_ledger_tree.c
 *	  Trees of core/ledger: every proof of every small size, and what is made
 *	  wrong in one; numbers of leaves that no log reaches; paths of tiles.
 */
#include "test_common.h"

#include <string.h>

#include "core/ledger/ledger.h"

#define LEAVES 130

/* --- a tree by the definition (RFC 9162, 2.1.1), to hold ours against --------------------- */

static EpsHash leaf[LEAVES];

static void
make_leaves(void)
{
	for (unsigned i = 0; i < LEAVES; i++)
	{
		uint8_t		bytes[EPS_ENTRY_LEN];

		memset(bytes, (int) i, sizeof(bytes));
		eps_ledger_leaf_hash(&leaf[i], bytes, sizeof(bytes));
	}
}

static EpsHash
root_of(uint64_t lo, uint64_t hi)
{
	EpsHash		left;
	EpsHash		right;
	uint64_t	k = 1;

	if (hi - lo == 1)
		return leaf[lo];
	while (k * 2 < hi - lo)
		k *= 2;
	left = root_of(lo, lo + k);
	right = root_of(lo + k, hi);
	eps_ledger_node_hash(&left, &left, &right);
	return left;
}

/* Gives complete subtrees of the first *size leaves, and fails the test where it is asked for others. */
static EpsStatus
fetch(void *context, EpsHash *out, unsigned level, uint64_t index)
{
	uint64_t	size = *(uint64_t *) context;

	assert_true(level < 8 && (index + 1) << level <= size);
	*out = root_of(index << level, (index + 1) << level);
	return EPS_OK;
}

static EpsHash roots[LEAVES + 1];

static bool
is_same(const EpsHash *a, const EpsHash *b)
{
	return memcmp(a->b, b->b, EPS_HASH_LEN) == 0;
}

static void
test_frontier(void **state)
{
	EpsFrontier tree;
	EpsHash		root;

	(void) state;
	eps_ledger_frontier_init(&tree);
	for (uint64_t size = 0; size <= LEAVES; size++)
	{
		EpsHash		again;

		eps_ledger_frontier_root(&root, &tree);
		assert_int_equal(eps_ledger_root(&again, size, fetch, &size), EPS_OK);
		assert_true(is_same(&root, &again));
		if (size > 0)
			assert_true(is_same(&root, &roots[size]));
		if (size < LEAVES)
			eps_ledger_frontier_add(&tree, &leaf[size]);
	}
	assert_int_equal(tree.size, LEAVES);
}

static void
test_inclusion(void **state)
{
	EpsHash		proof[EPS_PROOF_MAX];
	size_t		n;

	(void) state;
	for (uint64_t size = 1; size <= LEAVES; size++)
		for (uint64_t index = 0; index < size; index++)
		{
			assert_int_equal(eps_ledger_inclusion(proof, &n, index, size, fetch, &size), EPS_OK);
			assert_true(n <= 8);
			assert_int_equal(eps_ledger_check_inclusion(&leaf[index], index, size, proof, n, &roots[size]), EPS_OK);

			/* The same proof of no other leaf, place, size or root; not shorter, not longer. */
			assert_int_equal(eps_ledger_check_inclusion(&leaf[index], index + 1, size, proof, n, &roots[size]), EPS_E_AUTH);
			if (index > 0)
				assert_int_equal(eps_ledger_check_inclusion(&leaf[index], index - 1, size, proof, n, &roots[size]),
								 EPS_E_AUTH);
			assert_int_equal(eps_ledger_check_inclusion(&leaf[(index + 1) % LEAVES], index, size, proof, n, &roots[size]),
							 EPS_E_AUTH);
			assert_int_equal(eps_ledger_check_inclusion(&leaf[index], index, size, proof, n, &roots[size % LEAVES + 1]),
							 EPS_E_AUTH);
			if (n > 0)
				assert_int_equal(eps_ledger_check_inclusion(&leaf[index], index, size, proof, n - 1, &roots[size]),
								 EPS_E_AUTH);
			proof[n] = leaf[0];
			assert_int_equal(eps_ledger_check_inclusion(&leaf[index], index, size, proof, n + 1, &roots[size]), EPS_E_AUTH);
		}
}

static void
test_consistency(void **state)
{
	EpsHash		proof[EPS_PROOF_MAX];
	size_t		n;

	(void) state;
	for (uint64_t to = 1; to <= LEAVES; to++)
		for (uint64_t from = 1; from <= to; from++)
		{
			assert_int_equal(eps_ledger_consistency(proof, &n, from, to, fetch, &to), EPS_OK);
			assert_true(n <= 9);
			assert_int_equal(eps_ledger_check_consistency(from, to, proof, n, &roots[from], &roots[to]), EPS_OK);

			assert_int_equal(eps_ledger_check_consistency(from, to, proof, n, &leaf[1], &roots[to]), EPS_E_AUTH);
			assert_int_equal(eps_ledger_check_consistency(from, to, proof, n, &roots[from], &leaf[1]), EPS_E_AUTH);
			if (from != to)
				assert_int_equal(eps_ledger_check_consistency(from, to, proof, n, &roots[to], &roots[from]), EPS_E_AUTH);
			if (n > 0)
				assert_int_equal(eps_ledger_check_consistency(from, to, proof, n - 1, &roots[from], &roots[to]), EPS_E_AUTH);
			proof[n] = leaf[0];
			assert_int_equal(eps_ledger_check_consistency(from, to, proof, n + 1, &roots[from], &roots[to]), EPS_E_AUTH);
		}
}

/* --- every bit ------------------------------------------------------------------------------ */

static void
flip_inclusion(uint64_t index, uint64_t size)
{
	EpsHash		part[2 + EPS_PROOF_MAX];	/* leaf, root, proof */
	size_t		n;

	part[0] = leaf[index];
	part[1] = roots[size];
	assert_int_equal(eps_ledger_inclusion(part + 2, &n, index, size, fetch, &size), EPS_OK);
	for (size_t bit = 0; bit < (2 + n) * 256; bit++)
	{
		part[bit / 256].b[bit % 256 / 8] ^= (uint8_t) (1 << bit % 8);
		assert_int_equal(eps_ledger_check_inclusion(&part[0], index, size, part + 2, n, &part[1]), EPS_E_AUTH);
		part[bit / 256].b[bit % 256 / 8] ^= (uint8_t) (1 << bit % 8);
	}
	for (unsigned bit = 0; bit < 64; bit++)
	{
		assert_int_equal(eps_ledger_check_inclusion(&part[0], index ^ (uint64_t) 1 << bit, size, part + 2, n, &part[1]),
						 EPS_E_AUTH);
	}
}

static void
flip_consistency(uint64_t from, uint64_t to)
{
	EpsHash		part[2 + EPS_PROOF_MAX];	/* old root, new root, proof */
	size_t		n;

	part[0] = roots[from];
	part[1] = roots[to];
	assert_int_equal(eps_ledger_consistency(part + 2, &n, from, to, fetch, &to), EPS_OK);
	for (size_t bit = 0; bit < (2 + n) * 256; bit++)
	{
		part[bit / 256].b[bit % 256 / 8] ^= (uint8_t) (1 << bit % 8);
		assert_int_equal(eps_ledger_check_consistency(from, to, part + 2, n, &part[0], &part[1]), EPS_E_AUTH);
		part[bit / 256].b[bit % 256 / 8] ^= (uint8_t) (1 << bit % 8);
	}
}

/* All pairs of the sizes around the powers of two, some of the rest. */
static void
test_every_bit(void **state)
{
	static const uint64_t sizes[] = {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 33, 63, 64, 65, 100, 127, 128, 129, 130};
	const size_t nsizes = sizeof(sizes) / sizeof(sizes[0]);

	(void) state;
	for (size_t i = 0; i < nsizes; i++)
		for (size_t k = 0; k <= i; k++)
		{
			flip_inclusion(sizes[k] - 1, sizes[i]);
			flip_consistency(sizes[k], sizes[i]);
		}
}

/* --- outside the range ----------------------------------------------------------------------- */

static EpsStatus
fetch_anything(void *context, EpsHash *out, unsigned level, uint64_t index)
{
	const uint64_t size = *(uint64_t *) context;

	assert_true(level < 64 && index < size >> level);
	memset(out, (int) level, sizeof(*out));
	return EPS_OK;
}

static EpsStatus
fetch_fails(void *context, EpsHash *out, unsigned level, uint64_t index)
{
	(void) context;
	(void) out;
	(void) level;
	(void) index;
	return EPS_E_SPACE;
}

static void
test_range(void **state)
{
	EpsHash		proof[EPS_PROOF_MAX];
	uint64_t	size = 5;
	size_t		n;

	(void) state;
	assert_int_equal(eps_ledger_inclusion(proof, &n, 0, 0, fetch, &size), EPS_E_RANGE);
	assert_int_equal(eps_ledger_inclusion(proof, &n, 5, 5, fetch, &size), EPS_E_RANGE);
	assert_int_equal(eps_ledger_inclusion(proof, &n, 0, EPS_TREE_MAX + 1, fetch, &size), EPS_E_RANGE);
	assert_int_equal(eps_ledger_consistency(proof, &n, 0, 5, fetch, &size), EPS_E_RANGE);
	assert_int_equal(eps_ledger_consistency(proof, &n, 6, 5, fetch, &size), EPS_E_RANGE);
	assert_int_equal(eps_ledger_consistency(proof, &n, 1, EPS_TREE_MAX + 1, fetch, &size), EPS_E_RANGE);
	assert_int_equal(eps_ledger_root(proof, EPS_TREE_MAX + 1, fetch, &size), EPS_E_RANGE);
	assert_int_equal(eps_ledger_check_inclusion(&leaf[0], 0, 0, proof, 0, &leaf[0]), EPS_E_AUTH);
	assert_int_equal(eps_ledger_check_inclusion(&leaf[0], UINT64_MAX, UINT64_MAX, proof, 0, &leaf[0]), EPS_E_AUTH);
	assert_int_equal(eps_ledger_check_consistency(0, 0, proof, 0, &leaf[0], &leaf[0]), EPS_E_AUTH);
	assert_int_equal(eps_ledger_check_consistency(0, 5, proof, 0, &leaf[0], &roots[5]), EPS_E_AUTH);
	assert_int_equal(eps_ledger_check_consistency(5, 3, proof, 0, &roots[5], &roots[3]), EPS_E_AUTH);
}

static void
test_fetch_fails(void **state)
{
	EpsHash		proof[EPS_PROOF_MAX];
	size_t		n;

	(void) state;
	assert_int_equal(eps_ledger_root(proof, 5, fetch_fails, NULL), EPS_E_SPACE);
	assert_int_equal(eps_ledger_inclusion(proof, &n, 2, 5, fetch_fails, NULL), EPS_E_SPACE);
	assert_int_equal(eps_ledger_consistency(proof, &n, 2, 5, fetch_fails, NULL), EPS_E_SPACE);
}

/* The longest proofs there are stay within EPS_PROOF_MAX, and verify. */
static void
test_largest(void **state)
{
	static const uint64_t places[] = {0, 1, EPS_TREE_MAX / 2 - 1, EPS_TREE_MAX / 2, EPS_TREE_MAX / 2 + 1,
		EPS_TREE_MAX - 2, EPS_TREE_MAX - 1};
	EpsHash		proof[EPS_PROOF_MAX];
	uint64_t	size = EPS_TREE_MAX;
	EpsHash		hash;
	size_t		n;

	(void) state;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
	{
		assert_int_equal(eps_ledger_inclusion(proof, &n, places[i], size, fetch_anything, &size), EPS_OK);
		assert_true(n <= EPS_PROOF_MAX);
		assert_int_equal(eps_ledger_consistency(proof, &n, places[i] + 1, size, fetch_anything, &size), EPS_OK);
		assert_true(n <= EPS_PROOF_MAX);
		memset(&hash, 0, sizeof(hash));
		assert_int_equal(eps_ledger_check_inclusion(&hash, places[i], size, proof, n, &hash), EPS_E_AUTH);
	}
}

/* --- tiles ------------------------------------------------------------------------------------- */

static void
test_tile_path(void **state)
{
	char		path[128];

	(void) state;
	eps_ledger_tile_path(path, 0, 0, 256);
	assert_string_equal(path, "tile/0/000");
	eps_ledger_tile_path(path, 1, 999, 256);
	assert_string_equal(path, "tile/1/999");
	eps_ledger_tile_path(path, 0, 1000, 1);
	assert_string_equal(path, "tile/0/x001/000.p/1");
	eps_ledger_tile_path(path, 63, 1234067, 255);
	assert_string_equal(path, "tile/63/x001/x234/067.p/255");
	eps_ledger_tile_path(path, EPS_TILE_ENTRIES, 1234067, 256);
	assert_string_equal(path, "tile/entries/x001/x234/067");
	eps_ledger_tile_path(path, EPS_TILE_OPENINGS, UINT64_MAX, 17);
	assert_string_equal(path, "auditor/openings/x018/x446/x744/x073/x709/x551/615.p/17");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frontier),
		cmocka_unit_test(test_inclusion),
		cmocka_unit_test(test_consistency),
		cmocka_unit_test(test_every_bit),
		cmocka_unit_test(test_range),
		cmocka_unit_test(test_fetch_fails),
		cmocka_unit_test(test_largest),
		cmocka_unit_test(test_tile_path),
	};

	make_leaves();
	for (uint64_t size = 1; size <= LEAVES; size++)
		roots[size] = root_of(0, size);
	return cmocka_run_group_tests_name("core/ledger trees", tests, NULL, NULL);
}
