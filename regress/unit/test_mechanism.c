/*
 * test_mechanism.c
 *	  Properties of core/mechanism: soundness on random inputs, edges, ranges.
 *	  What is checked against is computed another way, in long double.
 */
#include "test_common.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mechanism/mechanism.h"
#include "core/noise/noise.h"

static double
random_between(EpsEntropy *entropy, double low, double high)
{
	return low + (high - low) * ldexp((double) eps_test_random(entropy, 53), -53);
}

/* log-uniform */
static double
random_scale(EpsEntropy *entropy, double low, double high)
{
	return exp(random_between(entropy, log(low), log(high)));
}

/* --- conversions ----------------------------------------------------------------- */

static void
test_conversion_ranges(void **state)
{
	const double bad[] = {0, -1, NAN, INFINITY, -INFINITY};
	const double bad_delta[] = {0, -1, 1, 2, NAN};
	double		x = 77;

	(void) state;
	for (size_t i = 0; i < 5; i++)
	{
		assert_int_equal(eps_mechanism_zcdp_delta(&x, bad[i], 1), EPS_E_RANGE);
		assert_int_equal(eps_mechanism_zcdp_epsilon(&x, bad[i], 1e-9), EPS_E_RANGE);
		assert_int_equal(eps_mechanism_gdp_delta(&x, bad[i], 1), EPS_E_RANGE);
		assert_int_equal(eps_mechanism_gaussian_sigma(&x, 1, 1e-9, bad[i]), EPS_E_RANGE);
		assert_int_equal(eps_mechanism_zcdp_epsilon(&x, 0.1, bad_delta[i]), EPS_E_RANGE);
		assert_int_equal(eps_mechanism_zcdp_rho(&x, 1, bad_delta[i]), EPS_E_RANGE);
		assert_int_equal(eps_mechanism_gdp_mu(&x, 1, bad_delta[i]), EPS_E_RANGE);
		assert_int_equal(eps_mechanism_gaussian_sigma(&x, 1, bad_delta[i], 1), EPS_E_RANGE);
	}
	for (size_t i = 1; i < 5; i++)
	{
		assert_int_equal(eps_mechanism_zcdp_delta(&x, 1, bad[i]), EPS_E_RANGE);
		assert_int_equal(eps_mechanism_zcdp_rho(&x, bad[i], 1e-9), EPS_E_RANGE);
		assert_int_equal(eps_mechanism_gdp_delta(&x, 1, bad[i]), EPS_E_RANGE);
		assert_int_equal(eps_mechanism_gdp_mu(&x, bad[i], 1e-9), EPS_E_RANGE);
		assert_int_equal(eps_mechanism_laplace_rho(&x, bad[i]), EPS_E_RANGE);
		assert_int_equal(eps_mechanism_pure_rho(&x, bad[i]), EPS_E_RANGE);
		assert_int_equal(eps_mechanism_dlaplace_rho(&x, bad[i], 1), EPS_E_RANGE);
	}
	assert_int_equal(eps_mechanism_dlaplace_rho(&x, 0, 1), EPS_E_RANGE);
	assert_true(x == 77);
}

/* The exponent of CKS Corollary 13, straight from its printed form. */
static long double
log_delta_of_alpha(long double alpha, long double rho, long double epsilon)
{
	return (alpha - 1) * (alpha * rho - epsilon) - logl(alpha - 1) + alpha * log1pl(-1 / alpha);
}

/* Any alpha gives a valid bound, so none on a fine grid may beat the result. */
static void
test_zcdp_delta_is_best(void **state)
{
	TestStream	stream;
	EpsEntropy	entropy = eps_test_stream(&stream, 101);

	(void) state;
	for (int i = 0; i < 60; i++)
	{
		double		rho = random_scale(&entropy, 1e-4, 4);
		double		epsilon = random_scale(&entropy, 0.05, 12);
		long double best = 0;
		double		delta;

		for (int j = 1; j < 3000; j++)
			best = fminl(best, log_delta_of_alpha(1 + expl(j / 150.0L - 10), rho, epsilon));
		assert_int_equal(eps_mechanism_zcdp_delta(&delta, rho, epsilon), EPS_OK);
		if (best < -600)
			continue;
		assert_true(delta <= (double) (expl(best) * (1 + 1e-12L)));
		assert_true(delta >= (double) (expl(best) * 0.99L) * 0.99);
	}
}

static void
test_inverses_keep_the_promise(void **state)
{
	TestStream	stream;
	EpsEntropy	entropy = eps_test_stream(&stream, 102);

	(void) state;
	for (int i = 0; i < 300; i++)
	{
		double		epsilon = random_scale(&entropy, 1e-4, 40);
		double		delta = random_scale(&entropy, 1e-15, 0.5);
		double		rho;
		double		mu;
		double		back;

		assert_int_equal(eps_mechanism_zcdp_rho(&rho, epsilon, delta), EPS_OK);
		assert_int_equal(eps_mechanism_zcdp_delta(&back, rho, epsilon), EPS_OK);
		assert_true(back <= delta * (1 + 1e-12));
		assert_int_equal(eps_mechanism_zcdp_epsilon(&back, rho, delta), EPS_OK);
		assert_true(back <= epsilon * (1 + 1e-12));
		eps_test_close("epsilon of that rho", back, epsilon, 1e-8);

		assert_int_equal(eps_mechanism_gdp_mu(&mu, epsilon, delta), EPS_OK);
		assert_int_equal(eps_mechanism_gdp_delta(&back, mu, epsilon), EPS_OK);
		assert_true(back <= delta);
		assert_int_equal(eps_mechanism_gdp_delta(&back, mu * (1 + 1e-6), epsilon), EPS_OK);
		assert_true(back > delta);
	}
}

static void
test_conversion_extremes(void **state)
{
	double		x;

	(void) state;
	assert_int_equal(eps_mechanism_zcdp_delta(&x, 1e-12, 50), EPS_OK);
	assert_true(x > 0 && x < 1e-300);
	assert_int_equal(eps_mechanism_zcdp_delta(&x, 1e9, 0), EPS_OK);
	assert_true(x == 1);
	assert_int_equal(eps_mechanism_zcdp_delta(&x, DBL_MIN, 0), EPS_OK);
	assert_true(x > 0 && x < 1e-100);
	assert_int_equal(eps_mechanism_zcdp_epsilon(&x, 1e-9, 0.5), EPS_OK);
	assert_true(x == 0);
	assert_int_equal(eps_mechanism_zcdp_rho(&x, 0, 1e-6), EPS_OK);
	assert_true(x > 0 && x < 1e-10);
	assert_int_equal(eps_mechanism_gdp_delta(&x, 1e200, 1), EPS_OK);
	assert_true(x == 1);
	assert_int_equal(eps_mechanism_gdp_delta(&x, 1e-200, 1), EPS_OK);
	assert_true(x > 0 && x < 1e-300);
	assert_int_equal(eps_mechanism_gdp_delta(&x, 50, 1000), EPS_OK);
	assert_true(x > 0.5 && x <= 1);
}

/* --- losses ------------------------------------------------------------------------- */

/* The printed form; long double hides its cancellation for what is asked here. */
static long double
dlaplace_loss(long double a, long double m)
{
	long double p = expl(-a);

	return a * (m - 2 * p * -expm1l(-a * m) / (-expm1l(-2 * a)));
}

static void
test_laplace_losses(void **state)
{
	TestStream	stream;
	EpsEntropy	entropy = eps_test_stream(&stream, 103);
	double		rho;

	(void) state;
	for (int i = 0; i < 2000; i++)
	{
		double		a = random_scale(&entropy, 1e-3, 20);
		uint64_t	m = 1 + eps_test_random(&entropy, 1 + (unsigned) eps_test_random(&entropy, 4));

		assert_int_equal(eps_mechanism_dlaplace_rho(&rho, a, m), EPS_OK);
		eps_test_close("dlaplace", rho, (double) dlaplace_loss(a, m), 1e-11);
		if (a > 0.1)
			assert_true(rho >= (double) dlaplace_loss(a, m));
	}
	assert_int_equal(eps_mechanism_dlaplace_rho(&rho, 0.3, 0), EPS_OK);
	assert_true(rho == 0);

	/* far below where the printed form has digits left: about a^2 m^2 / 2 */
	assert_int_equal(eps_mechanism_dlaplace_rho(&rho, 1e-9, 1), EPS_OK);
	eps_test_close("tiny dlaplace", rho, 0.5e-18, 1e-8);
	assert_int_equal(eps_mechanism_laplace_rho(&rho, 1e-9), EPS_OK);
	eps_test_close("tiny laplace", rho, 0.5e-18, 1e-8);
	assert_int_equal(eps_mechanism_dlaplace_rho(&rho, 1e6, UINT64_MAX), EPS_OK);
	eps_test_upper("huge dlaplace", rho, 1e6 * 0x1p64, 1e-9);
	assert_int_equal(eps_mechanism_dlaplace_rho(&rho, 1e300, UINT64_MAX), EPS_E_OVERFLOW);
}

/* The loss grows with the shift and is convex in it: what worst cases rest on. */
static void
test_dlaplace_shape(void **state)
{
	const double inverse[] = {1e-7, 1e-3, 0.06, 0.5, 2, 16};

	(void) state;
	for (size_t i = 0; i < sizeof(inverse) / sizeof(inverse[0]); i++)
	{
		double		before = 0;
		double		step = 0;

		for (uint64_t m = 1; m < 400; m++)
		{
			double		rho;

			assert_int_equal(eps_mechanism_dlaplace_rho(&rho, inverse[i], m), EPS_OK);
			assert_true(rho > before);
			assert_true(rho - before >= step - rho * 1e-12);
			step = rho - before;
			before = rho;
		}
	}
}

static void
test_units(void **state)
{
	uint64_t	units = 77;

	(void) state;
	assert_int_equal(eps_mechanism_units_down(&units, -1e-300), EPS_E_RANGE);
	assert_int_equal(eps_mechanism_units_up(&units, NAN), EPS_E_RANGE);
	assert_int_equal(eps_mechanism_units_down(&units, NAN), EPS_E_RANGE);
	assert_int_equal(eps_mechanism_units_up(&units, 16), EPS_E_OVERFLOW);
	assert_int_equal(eps_mechanism_units_down(&units, INFINITY), EPS_E_OVERFLOW);
	assert_true(units == 77);
	assert_int_equal(eps_mechanism_units_down(&units, 0), EPS_OK);
	assert_true(units == 0);
	assert_int_equal(eps_mechanism_units_up(&units, 1e-300), EPS_OK);
	assert_true(units == 1);
	assert_int_equal(eps_mechanism_units_down(&units, 1e-300), EPS_OK);
	assert_true(units == 0);
	assert_int_equal(eps_mechanism_units_up(&units, 1), EPS_OK);
	assert_true(units == EPS_UNITS_PER_ONE);
	assert_int_equal(eps_mechanism_units_up(&units, nextafter(16, 0)), EPS_OK);
	assert_true(units == UINT64_MAX - 2047);
	assert_int_equal(eps_mechanism_units_down(&units, 3.5 * 0x1p-60), EPS_OK);
	assert_true(units == 3);
	assert_int_equal(eps_mechanism_units_up(&units, 3.5 * 0x1p-60), EPS_OK);
	assert_true(units == 4);
}

static void
test_split(void **state)
{
	TestStream	stream;
	EpsEntropy	entropy = eps_test_stream(&stream, 104);
	const double some[3] = {1, 0, 3};
	const double none[2] = {0, 0};
	const double bad[2] = {1, NAN};
	const double negative[2] = {1, -1};
	uint64_t	out[40];

	(void) state;
	assert_int_equal(eps_mechanism_split(out, some, 0, 100), EPS_E_RANGE);
	assert_int_equal(eps_mechanism_split(out, some, 3, 2), EPS_E_RANGE);
	assert_int_equal(eps_mechanism_split(out, none, 2, 100), EPS_E_RANGE);
	assert_int_equal(eps_mechanism_split(out, bad, 2, 100), EPS_E_RANGE);
	assert_int_equal(eps_mechanism_split(out, negative, 2, 100), EPS_E_RANGE);
	assert_int_equal(eps_mechanism_split(out, some, 3, 3), EPS_OK);
	assert_true(out[0] == 1 && out[1] == 1 && out[2] == 1);
	for (int i = 0; i < 2000; i++)
	{
		size_t		n = 1 + eps_test_random(&entropy, 5);
		uint64_t	units = n + eps_test_random(&entropy, 1 + (unsigned) eps_test_random(&entropy, 6) % 63);
		double		weight[40];
		double		total = 0;
		EpsU128		sum = 0;

		for (size_t j = 0; j < n; j++)
			total += weight[j] = random_scale(&entropy, 1e-6, 1e6);
		assert_int_equal(eps_mechanism_split(out, weight, n, units), EPS_OK);
		for (size_t j = 0; j < n; j++)
		{
			assert_true(out[j] >= 1);
			assert_true(fabs((double) out[j] - weight[j] / total * (double) units) <=
						(double) n + 2 + (double) units * 1e-14);
			sum += out[j];
		}
		assert_true(sum <= units && sum + n >= units);
	}
}

/* --- calibration ------------------------------------------------------------------------ */

/* A sensitivity that some contribution could have: groups of at most linf each. */
static EpsSensitivity
random_sensitivity(EpsEntropy *entropy)
{
	uint64_t	linf = 1 + eps_test_random(entropy, (unsigned) eps_test_random(entropy, 6) % 40);
	uint64_t	groups = 1 + eps_test_random(entropy, (unsigned) eps_test_random(entropy, 4));
	EpsSensitivity bound = {(EpsU128) linf * linf * groups, linf * groups, linf};

	if (eps_test_random(entropy, 2) == 0)	/* a last group that is not full */
	{
		uint64_t	rest = linf / 3;

		bound.l1 += rest;
		bound.l2_squared += (EpsU128) rest * rest;
	}
	return bound;
}

static void
check_grid_bound(const EpsCoordinate *c, const EpsSensitivity *bound)
{
	unsigned	by = (unsigned) abs(c->shift);

	if (c->shift >= 0)
	{
		assert_true(c->bound.l2_squared == bound->l2_squared >> (2 * by));
		assert_true(c->bound.l1 == bound->l1 >> by);
		assert_true(c->bound.linf == bound->linf >> by);
	}
	else
	{
		assert_true(c->bound.l2_squared >> (2 * by) == bound->l2_squared);
		assert_true(c->bound.l1 >> by == bound->l1);
		assert_true(c->bound.linf >> by == bound->linf);
	}
}

static void
check_gaussian_coordinate(const EpsCoordinate *c, uint64_t units)
{
	EpsU128		loss = c->bound.l2_squared << 59;
	uint64_t	odd = c->variance >> __builtin_ctzll(c->variance);

	assert_true(c->bound.l2_squared >> 69 == 0);
	assert_true(odd < 256);
	assert_true(c->variance <= EPS_NOISE_MAX_VARIANCE);
	assert_true(loss <= (EpsU128) units * c->variance);
	/* tight: the next lower step of the ladder would cost too much */
	assert_true(loss > (EpsU128) units * (c->variance - (c->variance >> 7) - 1));
}

static long double
laplace_worst(const EpsCoordinate *c, long double scale)
{
	uint64_t	full = c->bound.l1 / c->bound.linf;

	return full * dlaplace_loss(1 / scale, c->bound.linf) +
		dlaplace_loss(1 / scale, c->bound.l1 % c->bound.linf);
}

static void
check_laplace_coordinate(const EpsCoordinate *c, bool pure, uint64_t units)
{
	long double scale = (long double) c->scale_num / c->scale_den;
	long double price = ldexpl(units, -60);
	long double below = scale * (1 - 0x1p-18L);

	assert_true(c->scale_num < (uint64_t) 1 << 40 && c->scale_den < (uint64_t) 1 << 20);
	if (pure)
	{
		assert_true((EpsU128) c->bound.l1 * c->scale_den << 60 <= (EpsU128) units * c->scale_num);
		assert_true(c->bound.l1 / below > price || price > 15.9L);
		return;
	}
	/* The printed form loses 10^-19 / a^2 of its digits; prices here leave enough. */
	assert_true(laplace_worst(c, scale) <= price * (1 + 1e-6L) + 0x1p-60L);
	if (units > 1 << 24)
		assert_true(laplace_worst(c, below) * (1 + 1e-6L) > price - 0x1p-58L);
}

/* The shift rule: 0 where the scale is in [16, 2^24] value units. */
static void
check_shift(const EpsCoordinate *c)
{
	double		grid = c->kind == EPS_NOISE_GAUSSIAN ? sqrt((double) c->variance) :
		(double) c->scale_num / (double) c->scale_den;
	double		value = ldexp(grid, c->shift);

	assert_true(grid >= 16 && grid <= 0x1p24);
	if (c->shift < 0)
		assert_true(grid < 32.5 && value < 16.5);
	else if (c->shift > 0)
		assert_true(value > 0x1p23);
}

/*
 * The scale in value units, near enough where it is large: RANGE is right only
 * where scales up to 2^24 would need a grid coarser than anybody's data.
 */
static double
rough_scale(const EpsSensitivity *bound, bool pure, uint64_t units)
{
	double		price = ldexp((double) units, -EPS_UNIT_BITS);

	return pure ? (double) bound->l1 / price : sqrt((double) bound->l2_squared / (2 * price));
}

/*
 * Over random sensitivities and prices, each kind of noise: what is calibrated
 * costs at most its price, and not much less; RANGE only where it must be.
 */
static void
test_calibrate(void **state)
{
	TestStream	stream;
	EpsEntropy	entropy = eps_test_stream(&stream, 105);
	unsigned	done[3] = {0};

	(void) state;
	for (int i = 0; i < 9000; i++)
	{
		EpsNoiseKind kind = i % 3 == 0 ? EPS_NOISE_GAUSSIAN : EPS_NOISE_LAPLACE;
		bool		pure = i % 3 == 2;
		EpsSensitivity bound = random_sensitivity(&entropy);
		uint64_t	units = 1 + eps_test_random(&entropy, 20 + (unsigned) eps_test_random(&entropy, 6) % 43);
		EpsCoordinate c;
		EpsStatus	status = eps_mechanism_calibrate(&c, &bound, kind, pure, units);
		uint64_t	worst;

		if (status != EPS_OK)
		{
			assert_int_equal(status, EPS_E_RANGE);
			assert_true(rough_scale(&bound, pure, units) > 0x1p23 * 0.99 * (double) bound.linf);
			continue;
		}
		assert_int_equal(c.kind, kind);
		check_grid_bound(&c, &bound);
		check_shift(&c);
		assert_int_equal(eps_mechanism_worst_units(&worst, &c, pure), EPS_OK);
		assert_true(worst <= units);
		if (kind == EPS_NOISE_GAUSSIAN)
			check_gaussian_coordinate(&c, units);
		else
			check_laplace_coordinate(&c, pure, units);
		done[i % 3]++;
	}
	print_message("# calibrated %u gaussian, %u laplace, %u pure of 3000 each\n", done[0], done[1], done[2]);
	for (int i = 0; i < 3; i++)
		assert_true(done[i] > 600);
}

static void
test_calibrate_known(void **state)
{
	const EpsSensitivity one = {1, 1, 1};
	EpsCoordinate c;

	(void) state;
	/* sigma = 100: rho = 1/20000; 10000 has more than 8 bits, the next is 10048 */
	assert_int_equal(eps_mechanism_calibrate(&c, &one, EPS_NOISE_GAUSSIAN, false,
											 EPS_UNITS_PER_ONE / 20000), EPS_OK);
	assert_int_equal(c.shift, 0);
	assert_int_equal(c.variance, 10048);
	/* rho = 1/2: sigma = 1, so a grid of 1/16 */
	assert_int_equal(eps_mechanism_calibrate(&c, &one, EPS_NOISE_GAUSSIAN, false,
											 EPS_UNITS_PER_ONE / 2), EPS_OK);
	assert_int_equal(c.shift, -4);
	assert_int_equal(c.variance, 256);
	assert_true(c.bound.l2_squared == 256 && c.bound.l1 == 16 && c.bound.linf == 16);
	/* epsilon = 1/32 */
	assert_int_equal(eps_mechanism_calibrate(&c, &one, EPS_NOISE_LAPLACE, true,
											 EPS_UNITS_PER_ONE / 32), EPS_OK);
	assert_int_equal(c.shift, 0);
	assert_int_equal(c.scale_num, 32);
	assert_int_equal(c.scale_den, 1);
}

static void
test_calibrate_ranges(void **state)
{
	const EpsSensitivity one = {1, 1, 1};
	const EpsSensitivity bad[] = {
		{0, 1, 1}, {1, 0, 1}, {1, 1, 0},
		{(EpsU128) 1 << 124, 1, 1}, {1, (uint64_t) 1 << 62, 1}, {1, 1, (uint64_t) 1 << 62},
	};
	const EpsSensitivity wide = {((EpsU128) 1 << 124) - 1, ((uint64_t) 1 << 62) - 1, ((uint64_t) 1 << 62) - 1};
	EpsCoordinate c = {.shift = 77};
	uint64_t	worst;

	(void) state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
	{
		assert_int_equal(eps_mechanism_calibrate(&c, &bad[i], EPS_NOISE_GAUSSIAN, false, 1000000), EPS_E_RANGE);
		assert_int_equal(eps_mechanism_calibrate(&c, &bad[i], EPS_NOISE_LAPLACE, true, 1000000), EPS_E_RANGE);
	}
	assert_int_equal(eps_mechanism_calibrate(&c, &one, EPS_NOISE_GAUSSIAN, false, 0), EPS_E_RANGE);
	assert_int_equal(eps_mechanism_calibrate(&c, &one, EPS_NOISE_GAUSSIAN, true, 1000), EPS_E_RANGE);
	assert_int_equal(eps_mechanism_calibrate(&c, &one, (EpsNoiseKind) 9, false, 1000), EPS_E_RANGE);
	assert_int_equal(eps_mechanism_calibrate(&c, &one, EPS_NOISE_GAUSSIAN, false, 1), EPS_E_RANGE);
	assert_int_equal(eps_mechanism_calibrate(&c, &one, EPS_NOISE_LAPLACE, false, 1), EPS_E_RANGE);
	assert_int_equal(eps_mechanism_calibrate(&c, &one, EPS_NOISE_LAPLACE, true, 1), EPS_E_RANGE);
	assert_int_equal(c.shift, 77);

	assert_int_equal(eps_mechanism_calibrate(&c, &wide, EPS_NOISE_GAUSSIAN, false, EPS_UNITS_PER_ONE), EPS_OK);
	check_shift(&c);
	check_gaussian_coordinate(&c, EPS_UNITS_PER_ONE);
	assert_int_equal(eps_mechanism_calibrate(&c, &wide, EPS_NOISE_LAPLACE, false, EPS_UNITS_PER_ONE), EPS_OK);
	check_shift(&c);
	assert_int_equal(eps_mechanism_calibrate(&c, &wide, EPS_NOISE_LAPLACE, true, UINT64_MAX), EPS_OK);
	check_shift(&c);
	assert_int_equal(eps_mechanism_calibrate(&c, &one, EPS_NOISE_LAPLACE, true, UINT64_MAX), EPS_OK);
	check_shift(&c);

	c.scale_num = 0;
	assert_int_equal(eps_mechanism_worst_units(&worst, &c, true), EPS_E_RANGE);
	c.kind = EPS_NOISE_GAUSSIAN;
	c.variance = 0;
	assert_int_equal(eps_mechanism_worst_units(&worst, &c, false), EPS_E_RANGE);
}

static void
test_to_grid(void **state)
{
	TestStream	stream;
	EpsEntropy	entropy = eps_test_stream(&stream, 106);

	(void) state;
	for (int i = 0; i < 20000; i++)
	{
		int64_t		total = (int64_t) eps_test_random(&entropy, 62);
		int32_t		shift = (int32_t) eps_test_random(&entropy, 6) - 20;
		int64_t		z;

		if (shift > 61)
			shift = 61;
		if (shift < 0)
			total >>= -shift;
		if (eps_test_random(&entropy, 1))
			total = -total;
		z = eps_mechanism_to_grid(total, shift);
		if (shift <= 0)
			assert_true(z == total * ((int64_t) 1 << -shift));
		else
			assert_true(z == total / ((int64_t) 1 << shift));	/* C rounds toward zero */
		assert_true(eps_mechanism_to_grid(-total, shift) == -z);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_conversion_ranges),
		cmocka_unit_test(test_zcdp_delta_is_best),
		cmocka_unit_test(test_inverses_keep_the_promise),
		cmocka_unit_test(test_conversion_extremes),
		cmocka_unit_test(test_laplace_losses),
		cmocka_unit_test(test_dlaplace_shape),
		cmocka_unit_test(test_units),
		cmocka_unit_test(test_split),
		cmocka_unit_test(test_calibrate),
		cmocka_unit_test(test_calibrate_known),
		cmocka_unit_test(test_calibrate_ranges),
		cmocka_unit_test(test_to_grid),
	};

	return cmocka_run_group_tests_name("core/mechanism", tests, NULL, NULL);
}
