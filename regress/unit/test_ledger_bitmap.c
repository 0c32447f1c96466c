/*
 * test_ledger_bitmap.c
 *	  Owner sets of core/ledger beside libroaring: it reads what we write as the
 *	  same set; of damaged bytes we read nothing, or exactly what it reads, in the
 *	  one form of that set.
 */
#include "test_common.h"

#include <roaring/roaring.h>
#include <stdlib.h>
#include <string.h>

#include "core/ledger/ledger.h"

#define LIMIT ((uint32_t) 1 << 20)

/* Room for every set of these tests: 16 bitsets and a head, or runs of every second member. */
#define ROOM ((size_t) 600 * 1024)

static EpsEntropy entropy;
static TestStream stream;

/* --- sets ---------------------------------------------------------------------------------- */

typedef struct Set
{
	uint32_t   *account;
	uint32_t	n;
} Set;

static Set
new_set(void)
{
	Set			set = {calloc(LIMIT, sizeof(uint32_t)), 0};

	assert_non_null(set.account);
	return set;
}

/* Members below LIMIT in ascending order: runs of up to `run`, gaps of up to `gap`. */
static void
fill_set(Set *set, uint32_t members, uint32_t run, uint32_t gap)
{
	uint32_t	at = (uint32_t) eps_test_random(&entropy, 16);

	set->n = 0;
	while (set->n < members && at < LIMIT)
	{
		uint32_t	more = 1 + (uint32_t) eps_test_random(&entropy, 32) % run;

		for (uint32_t i = 0; i < more && at < LIMIT && set->n < members; i++)
			set->account[set->n++] = at++;
		at += 1 + (uint32_t) eps_test_random(&entropy, 32) % gap;
	}
	assert_true(set->n > 0);
}

static void
visit_into_set(void *context, uint32_t first, uint32_t last)
{
	Set		   *set = context;

	assert_true(first <= last && last < LIMIT);
	assert_true(set->n == 0 || first > set->account[set->n - 1]);
	for (uint32_t member = first; member <= last; member++)
		set->account[set->n++] = member;
}

static bool
read_set(Set *out, const uint8_t *bytes, size_t len, uint32_t limit)
{
	out->n = 0;
	return eps_ledger_bitmap_read(bytes, len, limit, visit_into_set, out) == EPS_OK;
}

static void
assert_same(const Set *a, const Set *b)
{
	assert_int_equal(a->n, b->n);
	assert_memory_equal(a->account, b->account, a->n * sizeof(uint32_t));
}

static roaring_bitmap_t *
roaring_read(const uint8_t *bytes, size_t len)
{
	size_t		used = roaring_bitmap_portable_deserialize_size((const char *) bytes, len);
	roaring_bitmap_t *out = used != len ? NULL :
		roaring_bitmap_portable_deserialize_safe((const char *) bytes, len);

	return out;
}

/* --- writing ------------------------------------------------------------------------------- */

static const struct Kind
{
	uint32_t	members;
	uint32_t	run;
	uint32_t	gap;
}			kinds[] = {
	{1, 1, 1}, {5, 1, 5}, {5, 5, 100000}, {300, 1, 4000}, {4096, 1, 10}, {4097, 1, 10}, {5000, 1, 200},
	{4000, 200, 5}, {30000, 1, 1}, {60000, 4, 3}, {60000, 3, 4}, {200000, 5, 5}, {LIMIT, 3, 1}, {LIMIT, 70000, 2},
	{3, 3, 1}, {4, 2, 1}, {20, 2, 3}, {100000, 100000, 1}
};

static void
test_round_trip(void **state)
{
	uint8_t    *bytes = malloc(ROOM);
	Set			set = new_set();
	Set			again = new_set();

	(void) state;
	for (size_t k = 0; k < 5 * sizeof(kinds) / sizeof(kinds[0]); k++)
	{
		const struct Kind *kind = &kinds[k / 5];
		size_t		len;
		roaring_bitmap_t *theirs;

		fill_set(&set, kind->members, kind->run, kind->gap);
		len = eps_ledger_bitmap_len(set.account, set.n);
		assert_true(len < ROOM);
		bytes[len] = 0xa5;
		eps_ledger_bitmap_write(bytes, set.account, set.n);
		assert_int_equal(bytes[len], 0xa5);
		assert_true(read_set(&again, bytes, len, LIMIT));
		assert_same(&again, &set);
		assert_false(read_set(&again, bytes, len + 1, LIMIT));
		assert_false(read_set(&again, bytes, len, set.account[set.n - 1]));
		assert_true(read_set(&again, bytes, len, set.account[set.n - 1] + 1));

		theirs = roaring_read(bytes, len);
		assert_non_null(theirs);
		assert_int_equal(roaring_bitmap_get_cardinality(theirs), set.n);
		roaring_bitmap_to_uint32_array(theirs, again.account);
		assert_memory_equal(again.account, set.account, set.n * sizeof(uint32_t));
		roaring_bitmap_free(theirs);
	}
	free(bytes);
	free(set.account);
	free(again.account);
}

/* What libroaring writes without runs is what we write where no container is of runs. */
static void
test_as_libroaring(void **state)
{
	uint8_t    *bytes = malloc(ROOM);
	char	   *theirs = malloc(ROOM);
	Set			set = new_set();

	(void) state;
	for (uint32_t gap = 3; gap < 4000; gap *= 3)
	{
		roaring_bitmap_t *bitmap = roaring_bitmap_create();
		size_t		len;

		fill_set(&set, 20000, 1, gap);
		len = eps_ledger_bitmap_len(set.account, set.n);
		eps_ledger_bitmap_write(bytes, set.account, set.n);
		roaring_bitmap_add_many(bitmap, set.n, set.account);
		assert_int_equal(roaring_bitmap_portable_size_in_bytes(bitmap), len);
		roaring_bitmap_portable_serialize(bitmap, theirs);
		assert_memory_equal(theirs, bytes, len);
		roaring_bitmap_free(bitmap);
	}
	free(bytes);
	free(theirs);
	free(set.account);
}

static void
test_empty(void **state)
{
	static const uint8_t empty[8] = {0x3a, 0x30};

	(void) state;
	assert_int_equal(eps_ledger_bitmap_read(empty, sizeof(empty), LIMIT, NULL, NULL), EPS_E_FORMAT);
	assert_int_equal(eps_ledger_bitmap_read(empty, 0, LIMIT, NULL, NULL), EPS_E_FORMAT);
}

/* --- other forms of a set --------------------------------------------------------------------- */

static void
test_second_form(void **state)
{
	/* 1, 2, 3 as an array; they are shorter as a run. */
	static const uint8_t array[] = {0x3a, 0x30, 0, 0, 1, 0, 0, 0, 0, 0, 2, 0, 16, 0, 0, 0, 1, 0, 2, 0, 3, 0};
	static const uint8_t run[] = {0x3b, 0x30, 0, 0, 1, 0, 0, 2, 0, 1, 0, 1, 0, 2, 0};

	/* 1, 2 as a run; they are no longer as an array. */
	static const uint8_t short_run[] = {0x3b, 0x30, 0, 0, 1, 0, 0, 1, 0, 1, 0, 1, 0, 1, 0};
	static const uint8_t short_array[] = {0x3a, 0x30, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 16, 0, 0, 0, 1, 0, 2, 0};

	/* 1, 2 as an array under a head of runs. */
	static const uint8_t no_flag[] = {0x3b, 0x30, 0, 0, 0, 0, 0, 1, 0, 1, 0, 2, 0};

	(void) state;
	assert_int_equal(eps_ledger_bitmap_read(run, sizeof(run), LIMIT, NULL, NULL), EPS_OK);
	assert_int_equal(eps_ledger_bitmap_read(array, sizeof(array), LIMIT, NULL, NULL), EPS_E_FORMAT);
	assert_int_equal(eps_ledger_bitmap_read(short_array, sizeof(short_array), LIMIT, NULL, NULL), EPS_OK);
	assert_int_equal(eps_ledger_bitmap_read(short_run, sizeof(short_run), LIMIT, NULL, NULL), EPS_E_FORMAT);
	assert_int_equal(eps_ledger_bitmap_read(no_flag, sizeof(no_flag), LIMIT, NULL, NULL), EPS_E_FORMAT);
}

/* --- damage ------------------------------------------------------------------------------------- */

/* Refused, or read as libroaring reads it and written again as it was. */
static bool
check_damaged(const uint8_t *bytes, size_t len, Set *ours, Set *theirs, uint8_t *room)
{
	roaring_bitmap_t *bitmap;

	if (!read_set(ours, bytes, len, LIMIT))
		return false;
	bitmap = roaring_read(bytes, len);
	assert_non_null(bitmap);
	assert_int_equal(roaring_bitmap_get_cardinality(bitmap), ours->n);
	theirs->n = ours->n;
	roaring_bitmap_to_uint32_array(bitmap, theirs->account);
	assert_same(ours, theirs);
	roaring_bitmap_free(bitmap);
	assert_int_equal(eps_ledger_bitmap_len(ours->account, ours->n), len);
	eps_ledger_bitmap_write(room, ours->account, ours->n);
	assert_memory_equal(room, bytes, len);
	return true;
}

static void
test_bit_flips(void **state)
{
	const size_t nkinds = sizeof(kinds) / sizeof(kinds[0]);
	uint8_t    *bytes = malloc(ROOM);
	uint8_t    *room = malloc(ROOM);
	Set			ours = new_set();
	Set			theirs = new_set();
	size_t		len = 0;
	const unsigned flips = (unsigned) (eps_test_samples() / 40);
	unsigned	accepted = 0;

	(void) state;
	for (unsigned flip = 0; flip < flips; flip++)
	{
		const struct Kind *kind = &kinds[flip / 50 % nkinds];
		uint64_t	bit;

		/* A new set every 50 flips; large ones seldom, they take long. */
		if (flip % 50 == 0)
		{
			fill_set(&ours, kind->members, kind->run, kind->gap);
			len = eps_ledger_bitmap_len(ours.account, ours.n);
			eps_ledger_bitmap_write(bytes, ours.account, ours.n);
		}
		bit = eps_test_random(&entropy, 40) % (8 * (flip % 2 == 0 && len > 64 ? 64 : len));
		bytes[bit / 8] ^= (uint8_t) (1 << bit % 8);
		if (check_damaged(bytes, len, &ours, &theirs, room))
			accepted++;
		bytes[bit / 8] ^= (uint8_t) (1 << bit % 8);
	}
	print_message("# %u bit flips: %u refused, %u read as libroaring reads them\n", flips, flips - accepted, accepted);
	assert_true(accepted > flips / 100 && accepted < flips - flips / 100);
	free(bytes);
	free(room);
	free(ours.account);
	free(theirs.account);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_as_libroaring),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_second_form),
		cmocka_unit_test(test_bit_flips),
	};

	entropy = eps_test_stream(&stream, 6);
	return cmocka_run_group_tests_name("core/ledger bitmaps", tests, NULL, NULL);
}
