/*
 * test_accountant.c
 *	  Unit tests of core/accountant: exact charges, sound tables, and the reference
 *	  vectors of the room.
 */
#include "test_common.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/accountant/accountant.h"

/* --- Gaussian charges ---------------------------------------------------------------- */

/* ceil(norm2 2^59 / variance) by long division, bit by bit, saturating. */
static uint64_t
slow_gaussian_units(EpsU128 norm2, uint64_t variance)
{
	EpsU128		quotient = norm2 / variance;
	EpsU128		rest = norm2 % variance;

	for (int i = 0; i < 59; i++)
	{
		if (quotient >> 100 != 0)
			return UINT64_MAX;
		rest *= 2;
		quotient = quotient * 2 + (rest >= variance);
		if (rest >= variance)
			rest -= variance;
	}
	quotient += rest != 0;
	return quotient > UINT64_MAX ? UINT64_MAX : (uint64_t) quotient;
}

static void
test_gaussian_units(void **state)
{
	TestStream	stream;
	EpsEntropy	entropy = eps_test_stream(&stream, 201);

	(void) state;
	for (int i = 0; i < 200000; i++)
	{
		EpsU128		norm2 = eps_test_random(&entropy, (unsigned) eps_test_random(&entropy, 6) + 1);
		uint64_t	variance = 1 + eps_test_random(&entropy, (unsigned) eps_test_random(&entropy, 6) % 49);

		if (i % 2 == 0)			/* as calibrated: 8 bits and zeros */
			variance = (1 + eps_test_random(&entropy, 8)) << eps_test_random(&entropy, 5);
		if (i % 3 == 0)
			norm2 = norm2 << 64 | eps_test_random(&entropy, 64);
		if (i % 3 == 1)			/* near where it saturates */
			norm2 = (EpsU128) variance * 32 - eps_test_random(&entropy, 3);
		assert_true(eps_accountant_gaussian_units(norm2, variance) == slow_gaussian_units(norm2, variance));
	}
	assert_true(eps_accountant_gaussian_units(0, 1) == 0);
	assert_true(eps_accountant_gaussian_units(1, 1) == (uint64_t) 1 << 59);
	assert_true(eps_accountant_gaussian_units(31, 1) == (uint64_t) 31 << 59);
	assert_true(eps_accountant_gaussian_units(32, 1) == UINT64_MAX);
	assert_true(eps_accountant_gaussian_units(~(EpsU128) 0, 1) == UINT64_MAX);
	assert_true(eps_accountant_gaussian_units(1, UINT64_MAX) == 1);
	assert_true(eps_accountant_gaussian_units(1, (uint64_t) 1 << 63) == 1);
	assert_true(eps_accountant_gaussian_units(1, 0) == UINT64_MAX);
}

static size_t
parse_vector(int64_t *z, size_t max, const char **at)
{
	size_t		n = 0;
	char	   *end;

	do
	{
		assert_true(n < max);
		z[n++] = strtoll(*at, &end, 10);
		assert_true(end != *at);
		*at = end + 1;
	} while (*end == '|');
	*at = end;
	return n;
}

static EpsCoordinate
gaussian_coordinate(uint64_t variance)
{
	EpsCoordinate c = {.kind = EPS_NOISE_GAUSSIAN, .variance = variance, .bound = {1, 1, 1}};

	return c;
}

static uint64_t
gaussian_charge(uint64_t variance, const int64_t *z, size_t n)
{
	static EpsCharge charge;
	EpsCoordinate c = gaussian_coordinate(variance);

	assert_int_equal(eps_accountant_prepare(&charge, &c, false), EPS_OK);
	return eps_accountant_charge(&charge, z, n);
}

/* z=3|4;sigma2_grid=100;...: M033 is beyond 64 bits and saturates. */
static void
check_charge_units(const TestVectors *v, size_t row)
{
	const char *params = test_cell(v, row, 2);
	const char *at = params + 2;
	const char *expected = test_cell(v, row, 3);
	int64_t		z[16];
	size_t		n = parse_vector(z, 16, &at);
	uint64_t	units = gaussian_charge((uint64_t) eps_test_param(params, "sigma2_grid"), z, n);

	if (strlen(expected) > 20)
		assert_true(units == UINT64_MAX);
	else
		assert_true(units == eps_test_u64(expected));
}

/* z1=(3|4)/s2=100 + z2=1/s2=100 */
static void
check_charge_multi(const TestVectors *v, size_t row)
{
	long long	a;
	long long	b;
	long long	c;
	unsigned	v1;
	unsigned	v2;
	int64_t		z1[2];
	int64_t		z2;

	assert_int_equal(sscanf(test_cell(v, row, 2), "z1=(%lld|%lld)/s2=%u + z2=%lld/s2=%u", &a, &b, &v1, &c, &v2), 5);
	z1[0] = a;
	z1[1] = b;
	z2 = c;
	assert_true(gaussian_charge(v1, z1, 2) + gaussian_charge(v2, &z2, 1) == eps_test_u64(test_cell(v, row, 3)));
}

/* A ladder that contains the powers of two never rounds above the next of them. */
static void
check_ceil_pow2(const TestVectors *v, size_t row)
{
	uint64_t	units = eps_test_u64(test_cell(v, row, 2) + 2);
	uint64_t	power = eps_test_u64(test_cell(v, row, 3));
	unsigned	level;

	assert_int_equal(eps_accountant_ladder_up(&level, units), EPS_OK);
	assert_true(eps_accountant_ladder_units(level) >= units);
	assert_true(eps_accountant_ladder_units(level) <= power);
	assert_int_equal(eps_accountant_ladder_up(&level, power), EPS_OK);
	assert_true(eps_accountant_ladder_units(level) == power);
}

/* limit=10;charges=4|4|4|2|1 -> 11010;spent=10 */
static void
check_skip_filter(const TestVectors *v, size_t row)
{
	const char *at = strstr(test_cell(v, row, 2), "charges=") + 8;
	const char *expected = test_cell(v, row, 3);
	uint64_t	limit = (uint64_t) eps_test_param(test_cell(v, row, 2), "limit");
	uint64_t	spent = 0;
	int64_t		charges[16];
	size_t		n = parse_vector(charges, 16, &at);

	for (size_t i = 0; i < n; i++)
	{
		bool		active = eps_accountant_fits(spent, (uint64_t) charges[i], limit, 0, 0, 0);

		assert_int_equal(expected[i], active ? '1' : '0');
		if (active)
			spent += (uint64_t) charges[i];
	}
	assert_int_equal(expected[n], ';');
	assert_true(eps_test_u64(expected + n + 7) == spent);
}

/* rho_lim=10;delta_lim=3;(rho|delta)=(4|1)(4|2)(2|1)(2|0) -> 1101;spent=(10|3) */
static void
check_approx_filter(const TestVectors *v, size_t row)
{
	const char *params = test_cell(v, row, 2);
	const char *at = strstr(params, ")=") + 2;
	uint64_t	limit[2] = {(uint64_t) eps_test_param(params, "rho_lim"),
	(uint64_t) eps_test_param(params, "delta_lim")};
	uint64_t	spent[2] = {0, 0};
	char		answer[64];
	size_t		n = 0;
	unsigned	rho;
	unsigned	delta;
	int			used;

	while (sscanf(at, "(%u|%u)%n", &rho, &delta, &used) == 2)
	{
		bool		active = eps_accountant_fits(spent[0], rho, limit[0], spent[1], delta, limit[1]);

		answer[n++] = active ? '1' : '0';
		if (active)
		{
			spent[0] += rho;
			spent[1] += delta;
		}
		at += used;
	}
	snprintf(answer + n, sizeof(answer) - n, ";spent=(%u|%u)", (unsigned) spent[0], (unsigned) spent[1]);
	assert_int_equal(n, 4);
	assert_string_equal(answer, test_cell(v, row, 3));
}

/* Two keys at once: (sqrt r1 + sqrt r2)^2. */
static void
check_two_keys(const TestVectors *v, size_t row)
{
	uint64_t	a;
	double		r1;
	double		r2;

	assert_int_equal(sscanf(test_cell(v, row, 2), "rho1=%lf;rho2=%lf", &r1, &r2), 2);
	assert_true(r1 == r2);
	assert_int_equal(eps_mechanism_units_up(&a, r1), EPS_OK);
	assert_true(eps_accountant_merge_rho(a, a, false) == 4 * a);
	eps_test_upper("two keys", ldexp(4 * (double) a, -60), eps_test_number(test_cell(v, row, 3)), 1e-12);
}

typedef struct Rule
{
	const char *function;
	unsigned	rows;
	void		(*check) (const TestVectors *v, size_t row);
} Rule;

static const Rule rules[] = {
	{"gauss_charge_units", 6, check_charge_units},
	{"gauss_charge_units_multi", 1, check_charge_multi},
	{"ceil_pow2", 10, check_ceil_pow2},
	{"skip_filter", 5, check_skip_filter},
	{"approx_filter", 1, check_approx_filter},
	{"group_two_keys_gauss", 1, check_two_keys},
};

static void
test_theory(void **state)
{
	TestVectors v;

	(void) state;
	if (!eps_test_vectors_open(&v, TEST_THEORY, TEST_THEORY_HEADER, TEST_THEORY_ROWS))
		return;
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
	{
		unsigned	seen = 0;

		for (size_t row = 0; row < v.rows; row++)
			if (strcmp(test_cell(&v, row, 1), rules[i].function) == 0)
			{
				rules[i].check(&v, row);
				seen++;
			}
		assert_int_equal(seen, rules[i].rows);
	}
	eps_test_vectors_free(&v);
}

static void
test_gaussian_charge(void **state)
{
	const int64_t extreme[5] = {INT64_MIN, INT64_MIN, INT64_MIN, INT64_MIN, INT64_MAX};
	const int64_t small[3] = {-3, 0, 4};

	(void) state;
	assert_true(gaussian_charge(100, small, 0) == 0);
	assert_true(gaussian_charge(100, small, 3) == eps_accountant_gaussian_units(25, 100));
	assert_true(gaussian_charge((uint64_t) 1 << 48, extreme, 5) == UINT64_MAX);
}

/* --- charges of calibrated coordinates ------------------------------------------------------ */

static EpsSensitivity
random_sensitivity(EpsEntropy *entropy, uint64_t *groups)
{
	uint64_t	linf = 1 + eps_test_random(entropy, (unsigned) eps_test_random(entropy, 6) % 36);
	EpsSensitivity bound;

	*groups = 1 + eps_test_random(entropy, (unsigned) eps_test_random(entropy, 2) + 1);
	bound.linf = linf;
	bound.l1 = linf * *groups;
	bound.l2_squared = (EpsU128) linf * linf * *groups;
	return bound;
}

/* Groups' totals within the bound: all full, or any sizes, or a few spread thin. */
static void
random_contribution(int64_t *z, uint64_t groups, const EpsCoordinate *c, uint64_t linf, EpsEntropy *entropy)
{
	uint64_t	how = eps_test_random(entropy, 2);

	for (uint64_t i = 0; i < groups; i++)
	{
		uint64_t	size = linf;

		if (how == 1)
			size = eps_test_random(entropy, 62) % (linf + 1);
		else if (how == 2)
			size = linf - linf / 100;
		z[i] = eps_mechanism_to_grid(eps_test_random(entropy, 1) ? (int64_t) size : -(int64_t) size, c->shift);
	}
}

/* The loss that no charge may be below; long double and the printed form. */
static long double
true_laplace_loss(const EpsCoordinate *c, const int64_t *z, uint64_t n, bool pure)
{
	long double a = (long double) c->scale_den / c->scale_num;
	long double p = expl(-a);
	long double sum = 0;

	for (uint64_t i = 0; i < n; i++)
	{
		long double m = fabsl((long double) z[i]);

		sum += pure ? a * m : a * (m - 2 * p * -expm1l(-a * m) / -expm1l(-2 * a));
	}
	return ldexpl(sum, 60);
}

static void
check_charge(const EpsCharge *charge, const EpsCoordinate *c, const int64_t *z, uint64_t n)
{
	uint64_t	units = eps_accountant_charge(charge, z, n);
	long double loss;

	assert_true(units <= charge->worst_units);
	if (c->kind == EPS_NOISE_GAUSSIAN)
		return;
	loss = true_laplace_loss(c, z, n, charge->pure);
	/* what the printed form's cancellation leaves uncertain: 10^-19 / a^2 */
	assert_true((long double) units >= loss * (1 - 1e-6L) - 1);
	assert_true((long double) units <= loss * 1.04L + 2 * (long double) n + 1);
}

/*
 * Within the bound a charge is at most the worst case, which is at most the
 * price; and at least the loss, and not far above it.
 */
static void
test_charges_are_sound(void **state)
{
	static EpsCharge charge;
	TestStream	stream;
	EpsEntropy	entropy = eps_test_stream(&stream, 202);
	unsigned	done = 0;

	(void) state;
	for (int i = 0; i < 3000; i++)
	{
		uint64_t	groups;
		EpsSensitivity bound = random_sensitivity(&entropy, &groups);
		uint64_t	units = 1 + eps_test_random(&entropy, 40 + (unsigned) eps_test_random(&entropy, 4));
		bool		pure = i % 3 == 2;
		EpsCoordinate c;
		int64_t		z[16];

		if (eps_mechanism_calibrate(&c, &bound, i % 3 == 0 ? EPS_NOISE_GAUSSIAN : EPS_NOISE_LAPLACE,
									pure, units) != EPS_OK)
			continue;
		assert_int_equal(eps_accountant_prepare(&charge, &c, pure), EPS_OK);
		assert_true(charge.worst_units <= units);
		for (int j = 0; j < 8; j++)
		{
			random_contribution(z, groups, &c, bound.linf, &entropy);
			check_charge(&charge, &c, z, groups);
		}
		done++;
	}
	assert_true(done > 2000);
}

/* At full sensitivity nothing is left over, but for rounding. */
static void
test_full_sensitivity(void **state)
{
	const EpsSensitivity bound = {4 * 1000 * 1000, 4000, 1000};
	static EpsCharge charge;

	(void) state;
	for (int i = 0; i < 3; i++)
	{
		const bool	pure = i == 2;
		const uint64_t units = EPS_UNITS_PER_ONE / 100;
		EpsCoordinate c;
		int64_t		z[5];

		assert_int_equal(eps_mechanism_calibrate(&c, &bound, i == 0 ? EPS_NOISE_GAUSSIAN : EPS_NOISE_LAPLACE,
												 pure, units), EPS_OK);
		assert_int_equal(eps_accountant_prepare(&charge, &c, pure), EPS_OK);
		for (int j = 0; j < 5; j++)
			z[j] = eps_mechanism_to_grid(1000, c.shift);
		assert_true(eps_accountant_charge(&charge, z, 4) == charge.worst_units);
		assert_true((double) charge.worst_units > (double) units * (i == 0 ? 0.99 : 0.9999));

		/* outside the bound, by a group or by a size, a charge is not cut at the worst case */
		assert_true(eps_accountant_charge(&charge, z, 5) > charge.worst_units);
		z[3] = z[3] * 2;
		assert_true(eps_accountant_charge(&charge, z, 4) > charge.worst_units);
	}
}

/* Each size alone, around every edge of the table: at least its loss, at most 3.2 % more. */
static void
test_laplace_table(void **state)
{
	static EpsCharge charge;
	const EpsCoordinate c = {.kind = EPS_NOISE_LAPLACE, .scale_num = 100, .scale_den = 1,
	.bound = {1, 1, 1}};
	uint64_t	before = 0;

	(void) state;
	assert_int_equal(eps_accountant_prepare(&charge, &c, false), EPS_OK);
	charge.worst_units = UINT64_MAX;
	for (uint64_t size = 0; size < 1 << 16; size++)
	{
		int64_t		z = size % 2 == 0 ? (int64_t) size : -(int64_t) size;
		uint64_t	units = eps_accountant_charge(&charge, &z, 1);
		double		rho;
		uint64_t	exact = UINT64_MAX;

		assert_int_equal(eps_mechanism_dlaplace_rho(&rho, 0.01, size), EPS_OK);
		if (rho < 16)
			assert_int_equal(eps_mechanism_units_up(&exact, rho), EPS_OK);
		assert_true(units >= exact - exact / 1000000000000);
		assert_true(units >= before);
		if (size < 128)
			assert_true(units - exact <= 2 + exact / 1000000000);
		else if (rho < 15)
			assert_true((double) units <= (double) exact * 1.032);
		before = units;
	}
}

static void
test_laplace_extremes(void **state)
{
	static EpsCharge charge;
	EpsCoordinate c = {.kind = EPS_NOISE_LAPLACE, .scale_num = ((uint64_t) 1 << 40) - 1, .scale_den = 1,
	.bound = {1, 1, 1}};
	const int64_t z[2] = {INT64_MIN, INT64_MAX};

	(void) state;
	for (int pure = 0; pure < 2; pure++)
	{
		assert_int_equal(eps_accountant_prepare(&charge, &c, pure), EPS_OK);
		for (int i = 0; i < 2; i++)
			assert_true(eps_accountant_charge(&charge, &z[i], 1) == UINT64_MAX);
		assert_true(eps_accountant_charge(&charge, z, 0) == 0);
		for (int64_t size = 1; size < (int64_t) 1 << 40; size *= 3)
			assert_true(eps_accountant_charge(&charge, &size, 1) >= 1);
	}
	c.scale_num = 1;
	c.scale_den = ((uint64_t) 1 << 20) - 1;
	c.bound.linf = c.bound.l1 = 1;
	assert_int_equal(eps_accountant_prepare(&charge, &c, true), EPS_E_OVERFLOW);
	assert_int_equal(eps_accountant_prepare(&charge, &c, false), EPS_E_OVERFLOW);
}

/* ceil(2^60 |z| den / num) by long division. */
static void
test_pure_charge(void **state)
{
	static EpsCharge charge;
	TestStream	stream;
	EpsEntropy	entropy = eps_test_stream(&stream, 203);

	(void) state;
	for (int i = 0; i < 20000; i++)
	{
		uint64_t	num = 1 + eps_test_random(&entropy, (unsigned) eps_test_random(&entropy, 6) % 40);
		uint64_t	den = 1 + eps_test_random(&entropy, (unsigned) eps_test_random(&entropy, 6) % 20);
		int64_t		z = -(int64_t) eps_test_random(&entropy, (unsigned) eps_test_random(&entropy, 6) % 44);
		EpsU128		loss = ((EpsU128) -z * den) << 60;
		EpsU128		exact = loss / num + (loss % num != 0);
		uint64_t	units;

		charge.kind = EPS_NOISE_LAPLACE;
		charge.pure = true;
		charge.scale_num = num;
		charge.scale_den = den;
		units = eps_accountant_charge(&charge, &z, 1);
		assert_true(units == (exact > UINT64_MAX ? UINT64_MAX : (uint64_t) exact));
	}
}

static void
test_prepare_ranges(void **state)
{
	static EpsCharge charge;
	EpsCoordinate c = gaussian_coordinate(0);

	(void) state;
	assert_int_equal(eps_accountant_prepare(&charge, &c, false), EPS_E_RANGE);
	c.variance = 100;
	assert_int_equal(eps_accountant_prepare(&charge, &c, true), EPS_E_RANGE);
	c.bound.l1 = 0;
	assert_int_equal(eps_accountant_prepare(&charge, &c, false), EPS_E_RANGE);
	c.bound.l1 = 1;
	c.bound.l2_squared = 4000;
	assert_int_equal(eps_accountant_prepare(&charge, &c, false), EPS_E_OVERFLOW);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gaussian_units),
		cmocka_unit_test(test_theory),
		cmocka_unit_test(test_gaussian_charge),
		cmocka_unit_test(test_charges_are_sound),
		cmocka_unit_test(test_full_sensitivity),
		cmocka_unit_test(test_laplace_table),
		cmocka_unit_test(test_laplace_extremes),
		cmocka_unit_test(test_pure_charge),
		cmocka_unit_test(test_prepare_ranges),
	};

	return cmocka_run_group_tests_name("core/accountant", tests, NULL, NULL);
}
