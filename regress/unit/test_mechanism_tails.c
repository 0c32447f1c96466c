/*
 * test_mechanism_tails.c
 *	  Properties of tails, quantiles, thresholds and partition selection of
 *	  core/mechanism, against sums and recursions in long double.
 */
#include "test_common.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/mechanism/mechanism.h"
#include "core/noise/noise.h"

/* --- tails, quantiles, thresholds -------------------------------------------------------- */

static EpsCoordinate
gaussian_noise(uint64_t variance)
{
	EpsCoordinate c = {.kind = EPS_NOISE_GAUSSIAN, .variance = variance, .bound = {1, 1, 1}};

	return c;
}

static EpsCoordinate
laplace_noise(uint64_t num, uint64_t den)
{
	EpsCoordinate c = {.kind = EPS_NOISE_LAPLACE, .scale_num = num, .scale_den = den, .bound = {1, 1, 1}};

	return c;
}

static double
tail(const EpsCoordinate *c, int64_t x)
{
	double		p;

	assert_int_equal(eps_mechanism_tail(&p, c, x), EPS_OK);
	return p;
}

/* Both sums by the definition. */
static long double
exact_tail(uint64_t variance, int64_t x)
{
	int64_t		reach = (int64_t) (40 * sqrt((double) variance)) + 2;
	long double above = 0;
	long double all = 0;

	for (int64_t k = reach; k >= -reach; k--)
	{
		long double f = expl(-(long double) k * k / (2 * (long double) variance));

		all += f;
		if (k >= x)
			above += f;
	}
	return above / all;
}

/* On both sides of the variance where summation ends, and of sigma. */
static void
test_gaussian_tail(void **state)
{
	const uint64_t variance[] = {1, 2, 3, 100, 1 << 16, 1 << 20, (1 << 20) + (1 << 13), 1 << 21};
	const double at[] = {-3, -1, -0.2, 0, 0.3, 0.9, 1.1, 2, 4, 7, 12};

	(void) state;
	for (size_t i = 0; i < sizeof(variance) / sizeof(variance[0]); i++)
	{
		EpsCoordinate c = gaussian_noise(variance[i]);

		for (size_t j = 0; j < sizeof(at) / sizeof(at[0]); j++)
		{
			int64_t		x = (int64_t) floor(at[j] * sqrt((double) variance[i]));
			double		exact = (double) exact_tail(variance[i], x);

			assert_true(tail(&c, x) >= exact * (1 - 1e-15));
			assert_true(tail(&c, x) <= exact * (variance[i] <= 1 << 20 ? 1 + 1e-10 : 1 + 2e-3));
		}
	}
}

static void
check_tail_shape(const EpsCoordinate *c)
{
	double		sd = eps_mechanism_stddev(c);
	double		before = 1;

	for (double at = -30; at < 45; at += 0.37)
	{
		int64_t		x = (int64_t) floor(at * sd);
		double		p = tail(c, x);

		assert_true(p > 0 && p <= 1 && p <= before * (1 + 1e-13));
		assert_true(p + tail(c, 1 - x) >= 1 - 1e-15);
		assert_true(p + tail(c, 1 - x) <= 1 + 1e-3);
		before = p;
	}
	assert_true(tail(c, INT64_MIN) == 1);
	assert_true(tail(c, INT64_MAX) > 0 && tail(c, INT64_MAX) < 1e-200);
}

static void
test_tail_shape(void **state)
{
	const uint64_t variance[] = {1, 5, 100, 1 << 20, (1 << 20) + 4096, (uint64_t) 1 << 40, (uint64_t) 1 << 48};
	EpsCoordinate c;
	double		p;

	(void) state;
	for (size_t i = 0; i < sizeof(variance) / sizeof(variance[0]); i++)
	{
		c = gaussian_noise(variance[i]);
		check_tail_shape(&c);
	}
	c = laplace_noise(1, 2);
	check_tail_shape(&c);
	c = laplace_noise(733249, 32768);
	check_tail_shape(&c);
	c = laplace_noise(((uint64_t) 1 << 40) - 1, 1);
	check_tail_shape(&c);

	c = gaussian_noise(0);
	assert_int_equal(eps_mechanism_tail(&p, &c, 1), EPS_E_RANGE);
	c = gaussian_noise(EPS_NOISE_MAX_VARIANCE + 1);
	assert_int_equal(eps_mechanism_tail(&p, &c, 1), EPS_E_RANGE);
	c = laplace_noise(1, 0);
	assert_int_equal(eps_mechanism_tail(&p, &c, 1), EPS_E_RANGE);
}

static void
test_quantile(void **state)
{
	const double confidence[] = {1e-9, 0.05, 0.5, 0.9, 0.95, 0.99, 0.999, 0.999999999};
	const EpsCoordinate noise[] = {
		gaussian_noise(1), gaussian_noise(256), gaussian_noise(10048),
		gaussian_noise((uint64_t) 129 << 20), gaussian_noise((uint64_t) 1 << 48),
		laplace_noise(1, 3), laplace_noise(733249, 32768), laplace_noise((uint64_t) 1 << 39, 1),
	};

	(void) state;
	for (size_t i = 0; i < sizeof(noise) / sizeof(noise[0]); i++)
	{
		int64_t		before = 0;

		for (size_t j = 0; j < sizeof(confidence) / sizeof(confidence[0]); j++)
		{
			int64_t		q;

			assert_int_equal(eps_mechanism_quantile(&q, &noise[i], confidence[j]), EPS_OK);
			assert_true(q >= before);
			assert_true(2 * tail(&noise[i], q + 1) <= 1 - confidence[j]);
			if (q > 0)
				assert_true(2 * tail(&noise[i], q) > (1 - confidence[j]) * (1 - 1e-9));
			before = q;
		}
	}
}

/* The normal quantile, where the grid is fine. */
static void
test_quantile_known(void **state)
{
	EpsCoordinate c = gaussian_noise((uint64_t) 1 << 40);
	int64_t		q;

	(void) state;
	assert_int_equal(eps_mechanism_quantile(&q, &c, 0.95), EPS_OK);
	eps_test_close("95 %", (double) q, 1.959963984540054 * 0x1p20, 1e-6);
	c = laplace_noise(1000000, 1);
	assert_int_equal(eps_mechanism_quantile(&q, &c, 0.95), EPS_OK);
	eps_test_close("95 %", (double) q, 1e6 * log(20), 1e-6);
	assert_int_equal(eps_mechanism_quantile(&q, &c, 0), EPS_E_RANGE);
	assert_int_equal(eps_mechanism_quantile(&q, &c, 1), EPS_E_RANGE);
	assert_int_equal(eps_mechanism_quantile(&q, &c, NAN), EPS_E_RANGE);
	c.scale_num = 0;
	assert_int_equal(eps_mechanism_quantile(&q, &c, 0.5), EPS_E_RANGE);
}

static void
check_threshold(const EpsCoordinate *c, int64_t step, uint64_t groups, double delta)
{
	int64_t		tau;
	double		p;

	assert_int_equal(eps_mechanism_threshold(&tau, &p, c, step, groups, delta), EPS_OK);
	assert_true(p == tail(c, tau - step));
	assert_true(-expm1((double) groups * log1p(-p)) <= delta * (1 + 1e-13));
	p = tail(c, tau - step - 1);
	assert_true(p >= 1 || -expm1((double) groups * log1p(-p)) > delta * (1 - 1e-9));
}

static void
test_threshold(void **state)
{
	const double delta[] = {0.3, 1e-3, 1e-9, 1e-12, 1e-18};
	const uint64_t groups[] = {1, 3, 20, 1000000};
	EpsCoordinate c;
	int64_t		tau;
	double		p;

	(void) state;
	for (size_t i = 0; i < sizeof(delta) / sizeof(delta[0]); i++)
		for (size_t j = 0; j < sizeof(groups) / sizeof(groups[0]); j++)
		{
			c = gaussian_noise(10048);
			check_threshold(&c, 1, groups[j], delta[i]);
			c = gaussian_noise((uint64_t) 255 << 30);
			check_threshold(&c, 16, groups[j], delta[i]);
			c = laplace_noise(733249, 32768);
			check_threshold(&c, 1 << 20, groups[j], delta[i]);
		}
	assert_int_equal(eps_mechanism_threshold(&tau, &p, &c, 0, 1, 1e-9), EPS_E_RANGE);
	assert_int_equal(eps_mechanism_threshold(&tau, &p, &c, INT64_MAX, 1, 1e-9), EPS_E_RANGE);
	assert_int_equal(eps_mechanism_threshold(&tau, &p, &c, 1, 0, 1e-9), EPS_E_RANGE);
	assert_int_equal(eps_mechanism_threshold(&tau, &p, &c, 1, 1, 0), EPS_E_RANGE);
	assert_int_equal(eps_mechanism_threshold(&tau, &p, &c, 1, 1, 1), EPS_E_RANGE);
	assert_int_equal(eps_mechanism_threshold(&tau, &p, &c, 1, 1, 1e-305), EPS_E_RANGE);
	c.scale_den = 0;
	assert_int_equal(eps_mechanism_threshold(&tau, &p, &c, 1, 1, 1e-9), EPS_E_RANGE);
}

/* --- optimal partition selection ---------------------------------------------------------- */

/* DVGM's recursion itself. */
static void
test_optimal_keep(void **state)
{
	const double epsilon[] = {0, 1e-9, 0.01, 0.1, 1, 5, 40, 800};
	const double delta[] = {1e-12, 1e-5, 0.01, 0.6};
	double		pi;

	(void) state;
	for (size_t i = 0; i < sizeof(epsilon) / sizeof(epsilon[0]); i++)
		for (size_t j = 0; j < sizeof(delta) / sizeof(delta[0]); j++)
		{
			long double expected = 0;

			for (uint64_t n = 0; n < 3000; n++)
			{
				long double grown;
				long double shrunk;

				assert_int_equal(eps_mechanism_optimal_keep(&pi, n, epsilon[i], delta[j]), EPS_OK);
				eps_test_close("keep", pi, (double) expected, 1e-10);
				grown = expected > 0 ? expl(epsilon[i]) * expected : 0;
				shrunk = -expm1l(-(long double) epsilon[i]) +
					expl(-(long double) epsilon[i]) * (expected + delta[j]);
				expected = fminl(fminl(grown + delta[j], shrunk), 1);
			}
		}
	assert_int_equal(eps_mechanism_optimal_keep(&pi, UINT64_MAX, 1e-6, 1e-12), EPS_OK);
	assert_true(pi == 1);
	assert_int_equal(eps_mechanism_optimal_keep(&pi, 1, -1, 1e-12), EPS_E_RANGE);
	assert_int_equal(eps_mechanism_optimal_keep(&pi, 1, 1, 0), EPS_E_RANGE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gaussian_tail),
		cmocka_unit_test(test_tail_shape),
		cmocka_unit_test(test_quantile),
		cmocka_unit_test(test_quantile_known),
		cmocka_unit_test(test_threshold),
		cmocka_unit_test(test_optimal_keep),
	};

	return cmocka_run_group_tests_name("core/mechanism, tails", tests, NULL, NULL);
}
