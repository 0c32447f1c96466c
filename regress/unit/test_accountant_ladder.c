/*
 * test_accountant_ladder.c
 *	  Unit tests of core/accountant: the ladder, the filter, merging.
 */
#include "test_common.h"

#include <math.h>

#include "core/accountant/accountant.h"

/* --- the ladder ------------------------------------------------------------------------------------ */

/* u^4 against 2^e, e < 256, in 256 bits: the square is split in halves. */
static bool
fourth_power_at_least(uint64_t u, unsigned e)
{
	EpsU128		square = (EpsU128) u * u;
	uint64_t	low = (uint64_t) square;
	uint64_t	high = (uint64_t) (square >> 64);
	EpsU128		middle = (EpsU128) low * high;
	EpsU128		bottom = (EpsU128) low * low;
	EpsU128		top = (EpsU128) high * high;

	/* square^2 = top 2^128 + 2 middle 2^64 + bottom */
	top += middle >> 63;
	middle <<= 65;
	bottom += middle;
	if (bottom < middle)
		top++;
	return e >= 128 ? top >> (e - 128) != 0 : top != 0 || bottom >> e != 0;
}

/* ceil(2^((i-1)/4)), made strictly increasing. */
static void
test_ladder_levels(void **state)
{
	const unsigned top = eps_accountant_ladder_top();

	(void) state;
	assert_int_equal(top, 253);
	assert_true(eps_accountant_ladder_units(0) == 0);
	assert_true(eps_accountant_ladder_units(top) == (uint64_t) 1 << 63);
	assert_true(eps_accountant_ladder_units(top + 1) == 0);
	assert_true(eps_accountant_ladder_units(UINT32_MAX) == 0);
	for (unsigned i = 1; i <= top; i++)
	{
		uint64_t	units = eps_accountant_ladder_units(i);
		uint64_t	before = eps_accountant_ladder_units(i - 1);

		assert_true(units > before);
		assert_true(fourth_power_at_least(units, i - 1));
		if (units > before + 1)
			assert_false(fourth_power_at_least(units - 1, i - 1));
		if (before >= 256)
			assert_true((double) units <= ceil((double) before * 1.1892071150027212));
	}
}

static void
check_up_and_down(uint64_t units)
{
	unsigned	up;
	unsigned	down = eps_accountant_ladder_down(units);

	assert_true(eps_accountant_ladder_units(down) <= units);
	if (down < eps_accountant_ladder_top())
		assert_true(eps_accountant_ladder_units(down + 1) > units);
	if (units > (uint64_t) 1 << 63)
	{
		up = 7;
		assert_int_equal(eps_accountant_ladder_up(&up, units), EPS_E_OVERFLOW);
		assert_int_equal(up, 7);
		return;
	}
	assert_int_equal(eps_accountant_ladder_up(&up, units), EPS_OK);
	assert_true(eps_accountant_ladder_units(up) >= units);
	if (up > 0)
		assert_true(eps_accountant_ladder_units(up - 1) < units);
}

static void
test_ladder_search(void **state)
{
	TestStream	stream;
	EpsEntropy	entropy = eps_test_stream(&stream, 204);

	(void) state;
	for (uint64_t units = 0; units < 5000; units++)
		check_up_and_down(units);
	for (unsigned i = 1; i <= eps_accountant_ladder_top(); i++)
	{
		check_up_and_down(eps_accountant_ladder_units(i) - 1);
		check_up_and_down(eps_accountant_ladder_units(i));
		check_up_and_down(eps_accountant_ladder_units(i) + 1);
	}
	for (int i = 0; i < 100000; i++)
		check_up_and_down(eps_test_random(&entropy, (unsigned) eps_test_random(&entropy, 6) + 1));
	check_up_and_down(UINT64_MAX);
}

/* --- filter and merge ---------------------------------------------------------------------------------- */

static void
test_fits(void **state)
{
	const uint64_t most = UINT64_MAX;

	(void) state;
	assert_true(eps_accountant_fits(0, 0, 0, 0, 0, 0));
	assert_true(eps_accountant_fits(3, 4, 7, 0, 0, 0));
	assert_false(eps_accountant_fits(3, 5, 7, 0, 0, 0));
	assert_false(eps_accountant_fits(0, 0, 0, 0, 1, 0));
	assert_true(eps_accountant_fits(0, 0, 0, 2, 1, 3));
	assert_false(eps_accountant_fits(8, 0, 7, 0, 0, 0));
	assert_false(eps_accountant_fits(0, 0, 7, 8, 0, 7));
	assert_true(eps_accountant_fits(most - 1, 1, most, most, 0, most));
	assert_false(eps_accountant_fits(most, 1, most, 0, 0, 0));
	assert_false(eps_accountant_fits(2, most, most, 0, 0, 0));
	assert_false(eps_accountant_fits(most, most, most - 1, most, most, most));
}

static void
test_merge(void **state)
{
	TestStream	stream;
	EpsEntropy	entropy = eps_test_stream(&stream, 205);

	(void) state;
	assert_true(eps_accountant_merge_rho(0, 0, false) == 0);
	assert_true(eps_accountant_merge_rho(0, 9, false) == 9);
	assert_true(eps_accountant_merge_rho(4, 9, false) == 25);
	assert_true(eps_accountant_merge_rho(1, 2, false) == 6);	/* 3 + 2.83 */
	assert_true(eps_accountant_merge_rho(4, 9, true) == 13);
	assert_true(eps_accountant_merge_rho(UINT64_MAX, 1, true) == UINT64_MAX);
	assert_true(eps_accountant_merge_rho(UINT64_MAX, 1, false) == UINT64_MAX);
	assert_true(eps_accountant_merge_rho((uint64_t) 1 << 62, (uint64_t) 1 << 62, false) == UINT64_MAX);
	assert_true(eps_accountant_merge_rho((uint64_t) 1 << 61, (uint64_t) 1 << 61, false) == (uint64_t) 1 << 63);
	for (int i = 0; i < 50000; i++)
	{
		uint64_t	a = eps_test_random(&entropy, (unsigned) eps_test_random(&entropy, 6) % 62);
		uint64_t	b = eps_test_random(&entropy, (unsigned) eps_test_random(&entropy, 6) % 62);
		EpsU128		product = (EpsU128) a * b * 4;
		uint64_t	merged = eps_accountant_merge_rho(a, b, false);
		EpsU128		cross = (EpsU128) merged - a - b;

		assert_true(merged == eps_accountant_merge_rho(b, a, false));
		assert_true(cross * cross >= product);
		assert_true(cross == 0 || (cross - 1) * (cross - 1) < product);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ladder_levels),
		cmocka_unit_test(test_ladder_search),
		cmocka_unit_test(test_fits),
		cmocka_unit_test(test_merge),
	};

	return cmocka_run_group_tests_name("core/accountant, ladder and filter", tests, NULL, NULL);
}
