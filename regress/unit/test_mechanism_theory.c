/*
 * test_mechanism_theory.c
 *	  core/mechanism against theory_vectors.csv: each value to its tolerance, and
 *	  on the safe side.
 */
#include "test_common.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mechanism/mechanism.h"

static const char *
field_param(const TestVectors *v, size_t row)
{
	return test_cell(v, row, 2);
}

static double
expected_number(const TestVectors *v, size_t row)
{
	return eps_test_number(test_cell(v, row, 3));
}

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

/* --- theory_vectors.csv: a handler for each function -------------------------------- */

typedef void (*Handler) (const TestVectors *v, size_t row);

static void
check_zcdp_delta(const TestVectors *v, size_t row)
{
	double		x;

	assert_int_equal(eps_mechanism_zcdp_delta(&x, eps_test_param(field_param(v, row), "rho"),
											  eps_test_param(field_param(v, row), "eps")), EPS_OK);
	eps_test_upper(test_cell(v, row, 0), x, expected_number(v, row), 1e-9);
}

static void
check_zcdp_epsilon(const TestVectors *v, size_t row)
{
	double		x;

	assert_int_equal(eps_mechanism_zcdp_epsilon(&x, eps_test_param(field_param(v, row), "rho"),
												eps_test_param(field_param(v, row), "delta")), EPS_OK);
	eps_test_upper(test_cell(v, row, 0), x, expected_number(v, row), 1e-9);
}

static void
check_zcdp_rho(const TestVectors *v, size_t row)
{
	double		x;

	assert_int_equal(eps_mechanism_zcdp_rho(&x, eps_test_param(field_param(v, row), "eps"),
											eps_test_param(field_param(v, row), "delta")), EPS_OK);
	eps_test_lower(test_cell(v, row, 0), x, expected_number(v, row), 1e-9);
}

/* The simple bound is sound too, so ours may not give less. */
static void
check_zcdp_rho_simple(const TestVectors *v, size_t row)
{
	double		x;

	assert_int_equal(eps_mechanism_zcdp_rho(&x, eps_test_param(field_param(v, row), "eps"),
											eps_test_param(field_param(v, row), "delta")), EPS_OK);
	assert_true(x > expected_number(v, row) && x < 2 * expected_number(v, row));
}

static void
check_gdp_mu(const TestVectors *v, size_t row)
{
	double		x;

	assert_int_equal(eps_mechanism_gdp_mu(&x, eps_test_param(field_param(v, row), "eps"),
										  eps_test_param(field_param(v, row), "delta")), EPS_OK);
	eps_test_lower(test_cell(v, row, 0), x, expected_number(v, row), 1e-9);
}

static void
check_gdp_delta(const TestVectors *v, size_t row)
{
	double		x;

	assert_int_equal(eps_mechanism_gdp_delta(&x, eps_test_param(field_param(v, row), "mu"),
											 eps_test_param(field_param(v, row), "eps")), EPS_OK);
	eps_test_upper(test_cell(v, row, 0), x, expected_number(v, row), 1e-9);
}

static void
check_sigma(const TestVectors *v, size_t row)
{
	double		x;

	assert_int_equal(eps_mechanism_gaussian_sigma(&x, eps_test_param(field_param(v, row), "eps"),
												  eps_test_param(field_param(v, row), "delta"),
												  eps_test_param(field_param(v, row), "sens")), EPS_OK);
	eps_test_upper(test_cell(v, row, 0), x, expected_number(v, row), 1e-9);
}

static void
check_laplace_rho(const TestVectors *v, size_t row)
{
	double		x;

	assert_int_equal(eps_mechanism_laplace_rho(&x, eps_test_param(field_param(v, row), "eps")), EPS_OK);
	eps_test_upper(test_cell(v, row, 0), x, expected_number(v, row), 1e-12);
}

static void
check_dlaplace_rho(const TestVectors *v, size_t row)
{
	double		x;

	assert_int_equal(eps_mechanism_dlaplace_rho(&x, eps_test_param(field_param(v, row), "inv_scale"),
												(uint64_t) eps_test_param(field_param(v, row), "shift")), EPS_OK);
	eps_test_upper(test_cell(v, row, 0), x, expected_number(v, row), 1e-12);
}

static void
check_pure_rho(const TestVectors *v, size_t row)
{
	double		x;

	assert_int_equal(eps_mechanism_pure_rho(&x, eps_test_param(field_param(v, row), "eps")), EPS_OK);
	eps_test_upper(test_cell(v, row, 0), x, expected_number(v, row), 1e-12);
}

static void
check_laplace_multi(const TestVectors *v, size_t row)
{
	double		z[3];
	double		b;
	double		sum = 0;

	assert_int_equal(sscanf(field_param(v, row), "x=(%lf;%lf;%lf);b=%lf", &z[0], &z[1], &z[2], &b), 4);
	for (int i = 0; i < 3; i++)
	{
		double		x;

		assert_int_equal(eps_mechanism_laplace_rho(&x, z[i] / b), EPS_OK);
		sum += x;
	}
	eps_test_upper(test_cell(v, row, 0), sum, expected_number(v, row), 1e-12);
}

/* Tails are upper bounds, so differences are good to about their margin over the pmf. */
static void
check_gaussian_pmf(const TestVectors *v, size_t row)
{
	EpsCoordinate c = gaussian_noise((uint64_t) eps_test_param(field_param(v, row), "sigma2"));
	int64_t		k = (int64_t) eps_test_param(field_param(v, row), "k");

	eps_test_close(test_cell(v, row, 0), tail(&c, k) - tail(&c, k + 1), expected_number(v, row), 1e-9);
}

static void
check_gaussian_variance(const TestVectors *v, size_t row)
{
	double		sigma2 = eps_test_param(field_param(v, row), "sigma2");
	EpsCoordinate c = gaussian_noise((uint64_t) sigma2);
	double		variance = 0;

	if (sigma2 < 1)
		return;
	for (int64_t m = 1; m < 200; m++)
		variance += 2 * (2 * (double) m - 1) * tail(&c, m);
	eps_test_close(test_cell(v, row, 0), variance, expected_number(v, row), 1e-9);
	eps_test_upper(test_cell(v, row, 0), eps_mechanism_stddev(&c) * eps_mechanism_stddev(&c),
				   expected_number(v, row), 1e-6);
}

static void
check_laplace_pmf(const TestVectors *v, size_t row)
{
	EpsCoordinate c = laplace_noise((uint64_t) eps_test_param(field_param(v, row), "scale"), 1);
	int64_t		k = (int64_t) eps_test_param(field_param(v, row), "k");

	eps_test_close(test_cell(v, row, 0), tail(&c, k) - tail(&c, k + 1), expected_number(v, row), 1e-9);
}

/* CKS Theorem 7: Pr[Y > e s2/D - D/2] - e^epsilon Pr[Y > e s2/D + D/2]. */
static void
check_gaussian_delta(const TestVectors *v, size_t row)
{
	double		sigma2 = eps_test_param(field_param(v, row), "sigma2");
	double		epsilon = eps_test_param(field_param(v, row), "eps");
	double		shift = eps_test_param(field_param(v, row), "shift");
	EpsCoordinate c = gaussian_noise((uint64_t) sigma2);
	double		at = epsilon * sigma2 / shift;
	double		delta = tail(&c, (int64_t) floor(at - shift / 2) + 1) -
		exp(epsilon) * tail(&c, (int64_t) floor(at + shift / 2) + 1);

	eps_test_close(test_cell(v, row, 0), delta, expected_number(v, row), 1e-9);
}

static void
check_optimal_keep(const TestVectors *v, size_t row)
{
	double		x;

	assert_int_equal(eps_mechanism_optimal_keep(&x, (uint64_t) eps_test_param(field_param(v, row), "n"),
												eps_test_param(field_param(v, row), "eps"),
												eps_test_param(field_param(v, row), "delta")), EPS_OK);
	eps_test_close(test_cell(v, row, 0), x, expected_number(v, row), 1e-10);
}

/*
 * For the continuous Gaussian the threshold is real; the discrete one lies half
 * a step above it, rounded up: Pr[noise >= m] is about Q((m - 1/2) / sigma).
 */
static void
check_gaussian_threshold(const TestVectors *v, size_t row)
{
	double		sigma = eps_test_param(field_param(v, row), "sigma");
	EpsCoordinate c = gaussian_noise((uint64_t) (sigma * sigma));
	int64_t		tau;
	double		p;

	assert_int_equal(eps_mechanism_threshold(&tau, &p, &c,
											 (int64_t) eps_test_param(field_param(v, row), "Linf"),
											 (uint64_t) eps_test_param(field_param(v, row), "L0"),
											 eps_test_param(field_param(v, row), "delta")), EPS_OK);
	assert_true((double) tau >= expected_number(v, row));
	assert_true((double) tau <= expected_number(v, row) + 1.6);
}

static void
check_min_tau(const TestVectors *v, size_t row)
{
	EpsCoordinate c = gaussian_noise((uint64_t) eps_test_param(field_param(v, row), "sigma2"));
	double		delta = eps_test_param(field_param(v, row), "delta1");
	int64_t		tau;
	double		p;

	assert_int_equal(eps_mechanism_threshold(&tau, &p, &c, 1, 1, delta), EPS_OK);
	assert_int_equal(tau, eps_test_u64(test_cell(v, row, 3)));
	assert_true(p <= delta && p == tail(&c, tau - 1));
}

static void
check_delta_at_tau(const TestVectors *v, size_t row)
{
	EpsCoordinate c = gaussian_noise((uint64_t) eps_test_param(field_param(v, row), "sigma2"));

	eps_test_upper(test_cell(v, row, 0), tail(&c, (int64_t) eps_test_param(field_param(v, row), "tau") - 1),
				   expected_number(v, row), 1e-9);
}

static void
check_individual_delta(const TestVectors *v, size_t row)
{
	EpsCoordinate c = gaussian_noise((uint64_t) eps_test_param(field_param(v, row), "sigma2"));
	double		p = tail(&c, (int64_t) eps_test_param(field_param(v, row), "tau") - 1);
	double		groups = eps_test_param(field_param(v, row), "k_groups");

	eps_test_upper(test_cell(v, row, 0), -expm1(groups * log1p(-p)), expected_number(v, row), 1e-9);
}

static void
check_renewal(const TestVectors *v, size_t row)
{
	double		x;

	assert_int_equal(eps_mechanism_zcdp_epsilon(&x, eps_test_param(field_param(v, row), "rho_window") *
												eps_test_param(field_param(v, row), "windows"),
												eps_test_param(field_param(v, row), "delta")), EPS_OK);
	eps_test_close(test_cell(v, row, 0), x, expected_number(v, row), 1e-9);
}

static void
check_total_with_selection(const TestVectors *v, size_t row)
{
	double		x;

	assert_int_equal(eps_mechanism_zcdp_epsilon(&x, eps_test_param(field_param(v, row), "rho"),
												eps_test_param(field_param(v, row), "delta_conv")), EPS_OK);
	eps_test_close(test_cell(v, row, 0), x, strtod(test_cell(v, row, 3), NULL), 1e-6);
}

/* B001, B002: the weights are those of the reference, the split is ours. */
static void
check_split(const TestVectors *v, size_t row)
{
	bool		gaussian = strcmp(test_cell(v, row, 1), "split_rho") == 0;
	double		sens[2];
	double		w[2];
	double		expected[2];
	double		price = eps_test_param(field_param(v, row), gaussian ? "rho" : "eps");
	double		weight[2];
	uint64_t	share[2];
	uint64_t	units;

	assert_int_equal(sscanf(field_param(v, row), "delta_sens=(%lf;%lf);w=(%lf;%lf)",
							&sens[0], &sens[1], &w[0], &w[1]), 4);
	assert_int_equal(sscanf(test_cell(v, row, 3), "%lf|%lf", &expected[0], &expected[1]), 2);
	for (int i = 0; i < 2; i++)
		weight[i] = gaussian ? sens[i] * sqrt(w[i]) : cbrt(w[i] * sens[i] * sens[i]);
	assert_int_equal(eps_mechanism_units_down(&units, price), EPS_OK);
	assert_int_equal(eps_mechanism_split(share, weight, 2, units), EPS_OK);
	assert_true(share[0] + share[1] <= units);
	for (int i = 0; i < 2; i++)
		eps_test_close(test_cell(v, row, 0), ldexp((double) share[i], -EPS_UNIT_BITS), expected[i], 1e-12);
}

typedef struct Rule
{
	const char *function;
	Handler		check;			/* NULL: another room's, or not built */
} Rule;

static const Rule rules[] = {
	{"zcdp_delta", check_zcdp_delta},
	{"zcdp_eps", check_zcdp_epsilon},
	{"zcdp_rho", check_zcdp_rho},
	{"zcdp_rho_simple", check_zcdp_rho_simple},
	{"gdp_mu", check_gdp_mu},
	{"gdp_delta", check_gdp_delta},
	{"analytic_gaussian_sigma", check_sigma},
	{"laplace_rho", check_laplace_rho},
	{"dlaplace_rho", check_dlaplace_rho},
	{"pure_eps_to_zcdp_tight", check_pure_rho},
	{"laplace_multi_rho", check_laplace_multi},
	{"dgauss_pmf", check_gaussian_pmf},
	{"dgauss_variance", check_gaussian_variance},
	{"dlaplace_pmf", check_laplace_pmf},
	{"dgauss_delta", check_gaussian_delta},
	{"opt_partition_pi", check_optimal_keep},
	{"gauss_threshold_tau", check_gaussian_threshold},
	{"dgauss_min_tau", check_min_tau},
	{"dgauss_delta1_at_tau", check_delta_at_tau},
	{"indiv_delta", check_individual_delta},
	{"renewal_eps", check_renewal},
	{"eps_total_with_selection", check_total_with_selection},
	{"split_rho", check_split},
	{"split_eps_laplace", check_split},

	/* core/noise, core/crypto, core/accountant */
	{"bernoulli_exp_prob", NULL},
	{"hmac_sha256", NULL},
	{"gauss_charge_units", NULL},
	{"gauss_charge_units_multi", NULL},
	{"ceil_pow2", NULL},
	{"skip_filter", NULL},
	{"approx_filter", NULL},
	{"group_two_keys_gauss", NULL},

	/* mechanisms and tests that no room here has */
	{"bounded_range_rho_tight", NULL},
	{"bounded_range_rho_simple", NULL},
	{"rounded_gauss_pmf", NULL},
	{"correlated_count_noise", NULL},
	{"correlated_count_charge_rho", NULL},
	{"rfc6962_root", NULL},
	{"rfc6962_incl", NULL},
	{"rfc6962_cons", NULL},
	{"blake2b256_keyed", NULL},
	{"blake2b256_keyed_person", NULL},
	{"var_test_N", NULL},
	{"mean_test_N", NULL},
	{"gdp_audit_N_per_side", NULL},
	{"eps_audit_N_per_side", NULL},
	{"keep_test", NULL},
};

static const Rule *
find_rule(const char *function)
{
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (strcmp(rules[i].function, function) == 0)
			return &rules[i];
	fail_msg("no rule for vectors of \"%s\"", function);
	return NULL;
}

static void
test_theory(void **state)
{
	TestVectors v;
	unsigned	checked = 0;

	(void) state;
	if (!eps_test_vectors_open(&v, TEST_THEORY, TEST_THEORY_HEADER, TEST_THEORY_ROWS))
		return;
	for (size_t i = 0; i < v.rows; i++)
	{
		const Rule *rule = find_rule(test_cell(&v, i, 1));

		if (rule->check == NULL)
			continue;
		rule->check(&v, i);
		checked++;
	}
	print_message("# %u of %u theory vectors are of this room\n", checked, (unsigned) v.rows);
	assert_true(checked >= 120);
	eps_test_vectors_free(&v);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_theory),
	};

	return cmocka_run_group_tests_name("core/mechanism, theory vectors", tests, NULL, NULL);
}
