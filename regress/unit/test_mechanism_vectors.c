/*
 * test_mechanism_vectors.c
 *	  core/mechanism against the other files of reference vectors: each value to
 *	  its tolerance, and on the safe side.
 */
#include "test_common.h"

#include <math.h>
#include <stdio.h>

#include "core/mechanism/mechanism.h"

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

/* Whichever bound is sound: not above the standard one, nor below the best. */
static void
test_zcdp_to_epsilon(void **state)
{
	TestVectors v;

	(void) state;
	if (!eps_test_vectors_open(&v, "dp/zcdp_to_epsilon.csv",
							   "rho,delta,epsilon_optimal_alpha,epsilon_standard_bound,epsilon_ibm_cdp_eps", 60))
		return;
	for (size_t i = 0; i < v.rows; i++)
	{
		double		x;

		assert_int_equal(eps_mechanism_zcdp_epsilon(&x, eps_test_number(test_cell(&v, i, 0)),
													eps_test_number(test_cell(&v, i, 1))), EPS_OK);
		eps_test_upper("zcdp_to_epsilon", x, eps_test_number(test_cell(&v, i, 2)), 1e-9);
		assert_true(x < eps_test_number(test_cell(&v, i, 3)));
		eps_test_close("zcdp_to_epsilon, IBM", x, eps_test_number(test_cell(&v, i, 4)), 1e-9);
	}
	eps_test_vectors_free(&v);
}

static void
test_epsilon_to_zcdp_rho(void **state)
{
	TestVectors v;

	(void) state;
	if (!eps_test_vectors_open(&v, "dp/epsilon_to_zcdp_rho.csv", "epsilon,delta,rho_ibm_cdp_rho", 24))
		return;
	for (size_t i = 0; i < v.rows; i++)
	{
		double		epsilon = eps_test_number(test_cell(&v, i, 0));
		double		delta = eps_test_number(test_cell(&v, i, 1));
		double		rho;
		double		back;

		assert_int_equal(eps_mechanism_zcdp_rho(&rho, epsilon, delta), EPS_OK);
		eps_test_close("epsilon_to_zcdp_rho", rho, eps_test_number(test_cell(&v, i, 2)), 1e-9);
		assert_int_equal(eps_mechanism_zcdp_delta(&back, rho, epsilon), EPS_OK);
		eps_test_close("delta of that rho", back, delta, 1e-9);
	}
	eps_test_vectors_free(&v);
}

static void
test_gaussian_sigma(void **state)
{
	TestVectors v;

	(void) state;
	if (!eps_test_vectors_open(&v, "dp/gaussian_sigma.csv",
							   "epsilon,delta,sigma_analytic_l2sens1,sigma_classic_formula", 35))
		return;
	for (size_t i = 0; i < v.rows; i++)
	{
		double		epsilon = eps_test_number(test_cell(&v, i, 0));
		double		delta = eps_test_number(test_cell(&v, i, 1));
		double		expected = eps_test_number(test_cell(&v, i, 2));
		double		sigma;

		assert_int_equal(eps_mechanism_gaussian_sigma(&sigma, epsilon, delta, 1), EPS_OK);
		eps_test_upper("gaussian_sigma", sigma, expected, 1e-9);
		assert_int_equal(eps_mechanism_gaussian_sigma(&sigma, epsilon, delta, 7), EPS_OK);
		eps_test_upper("gaussian_sigma, l2 = 7", sigma, 7 * expected, 1e-9);
	}
	eps_test_vectors_free(&v);
}

/* Below 1e-290 only the direction counts: the bounds add a tiny constant. */
static void
check_delta(const char *what, double delta, double expected)
{
	if (expected > 1e-290)
		eps_test_upper(what, delta, expected, 1e-9);
	else
		assert_true(delta >= expected && delta < 1e-285);
}

static void
test_gaussian_delta_exact(void **state)
{
	TestVectors v;

	(void) state;
	if (!eps_test_vectors_open(&v, "dp/gaussian_delta_exact.csv",
							   "sigma2,sensitivity,epsilon,delta_discrete_gaussian,delta_continuous_gaussian", 147))
		return;
	for (size_t i = 0; i < v.rows; i++)
	{
		double		sigma2 = eps_test_number(test_cell(&v, i, 0));
		double		shift = eps_test_number(test_cell(&v, i, 1));
		double		epsilon = eps_test_number(test_cell(&v, i, 2));
		EpsCoordinate c = gaussian_noise((uint64_t) sigma2);
		double		at = epsilon * sigma2 / shift;
		double		expected = eps_test_number(test_cell(&v, i, 3));
		double		first = tail(&c, (int64_t) floor(at - shift / 2) + 1);
		double		second = tail(&c, (int64_t) floor(at + shift / 2) + 1);
		double		delta;

		assert_int_equal(eps_mechanism_gdp_delta(&delta, shift / sqrt(sigma2), epsilon), EPS_OK);
		check_delta("gaussian_delta_exact", delta, eps_test_number(test_cell(&v, i, 4)));
		if (fabs(first - exp(epsilon) * second - expected) > 1e-11 * first + 1e-290)
			fail_msg("discrete delta at sigma2 %g, shift %g, epsilon %g", sigma2, shift, epsilon);
	}
	eps_test_vectors_free(&v);
}

static void
test_discrete_gaussian(void **state)
{
	TestVectors v;
	unsigned	checked = 0;

	(void) state;
	if (!eps_test_vectors_open(&v, "dp/discrete_gaussian.csv",
							   "sigma2,x,pmf,prob_X_ge_x,normalizing_constant,variance", 108))
		return;
	for (size_t i = 0; i < v.rows; i++)
	{
		double		sigma2 = eps_test_number(test_cell(&v, i, 0));
		EpsCoordinate c = gaussian_noise((uint64_t) sigma2);

		if (sigma2 != floor(sigma2))
			continue;
		eps_test_upper("discrete_gaussian", tail(&c, (int64_t) eps_test_number(test_cell(&v, i, 1))),
					   eps_test_number(test_cell(&v, i, 3)), 1e-9);
		eps_test_upper("variance", eps_mechanism_stddev(&c) * eps_mechanism_stddev(&c),
					   eps_test_number(test_cell(&v, i, 5)), 1e-6);
		checked++;
	}
	assert_true(checked >= 60);
	eps_test_vectors_free(&v);
}

static void
test_discrete_laplace(void **state)
{
	TestVectors v;

	(void) state;
	if (!eps_test_vectors_open(&v, "dp/discrete_laplace.csv", "scale,x,pmf,prob_X_ge_x,variance", 63))
		return;
	for (size_t i = 0; i < v.rows; i++)
	{
		EpsCoordinate c = laplace_noise(1, 1);
		unsigned	num;
		unsigned	den = 1;

		assert_true(sscanf(test_cell(&v, i, 0), "%u/%u", &num, &den) >= 1);
		c.scale_num = num;
		c.scale_den = den;
		eps_test_upper("discrete_laplace", tail(&c, (int64_t) eps_test_number(test_cell(&v, i, 1))),
					   eps_test_number(test_cell(&v, i, 3)), 1e-12);
		eps_test_close("variance", eps_mechanism_stddev(&c) * eps_mechanism_stddev(&c),
					   eps_test_number(test_cell(&v, i, 4)), 1e-12);
	}
	eps_test_vectors_free(&v);
}

static void
test_keep_probability(void **state)
{
	TestVectors v;
	unsigned	checked = 0;

	(void) state;
	if (!eps_test_vectors_open(&v, "dp/ntg_keep_probability.csv",
							   "epsilon,delta,max_partitions,users,keep_probability,strategy", 589))
		return;
	for (size_t i = 0; i < v.rows; i++)
	{
		double		pi;

		if (eps_test_u64(test_cell(&v, i, 2)) != 1)
			continue;
		assert_int_equal(eps_mechanism_optimal_keep(&pi, eps_test_u64(test_cell(&v, i, 3)),
													eps_test_number(test_cell(&v, i, 0)),
													eps_test_number(test_cell(&v, i, 1))), EPS_OK);
		eps_test_close("keep probability", pi, eps_test_number(test_cell(&v, i, 4)), 1e-10);
		checked++;
	}
	assert_true(checked >= 100);
	eps_test_vectors_free(&v);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_zcdp_to_epsilon),
		cmocka_unit_test(test_epsilon_to_zcdp_rho),
		cmocka_unit_test(test_gaussian_sigma),
		cmocka_unit_test(test_gaussian_delta_exact),
		cmocka_unit_test(test_discrete_gaussian),
		cmocka_unit_test(test_discrete_laplace),
		cmocka_unit_test(test_keep_probability),
	};

	return cmocka_run_group_tests_name("core/mechanism, vectors", tests, NULL, NULL);
}
