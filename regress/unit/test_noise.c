/*
 * test_noise.c
 *	  Unit tests of core/noise: laws by chi-square on a fixed seed, and edges.
 */
#include "test_common.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/noise/noise.h"

static int64_t
draw_gaussian(uint64_t variance, EpsEntropy *entropy)
{
	int64_t		x;

	assert_int_equal(eps_noise_gaussian(&x, variance, entropy), EPS_OK);
	return x;
}

static int64_t
draw_laplace(uint64_t num, uint64_t den, EpsEntropy *entropy)
{
	int64_t		x;

	assert_int_equal(eps_noise_laplace(&x, num, den, entropy), EPS_OK);
	return x;
}

/* Fails where a frequency is more than five standard deviations off. */
static void
check_frequency(const char *what, uint64_t hits, uint64_t n, double p)
{
	double		deviation = fabs((double) hits - (double) n * p);

	if (deviation > 5 * sqrt((double) n * p * (1 - p)) + 1e-9)
		fail_msg("%s: %.0f of %.0f, expected a share of %g", what, (double) hits, (double) n, p);
}

/* --- uniform --------------------------------------------------------------------- */

static void
check_uniform(uint64_t bound, EpsEntropy *entropy)
{
	uint64_t	n = eps_test_samples() / 4;
	size_t		bins = bound < 16 ? (size_t) bound : 16;
	uint64_t	count[16] = {0};
	double		probability[16];
	char		what[64];

	for (size_t i = 0; i < bins; i++)
		probability[i] = 1.0 / (double) bins;
	for (uint64_t i = 0; i < n; i++)
	{
		uint64_t	x;

		assert_int_equal(eps_noise_uniform(&x, bound, entropy), EPS_OK);
		assert_true(x < bound);
		count[(size_t) ((EpsU128) x * bins / bound)]++;
	}
	snprintf(what, sizeof(what), "uniform %llu", (unsigned long long) bound);
	eps_test_chi_square(what, count, probability, bins);
}

/* 3 2^62 is where a draw of 64 bits reduced without rejection is off by a third. */
static void
test_uniform(void **state)
{
	TestStream	stream;
	EpsEntropy	entropy = eps_test_stream(&stream, 11);
	uint64_t	x = 5;

	(void) state;
	check_uniform(2, &entropy);
	check_uniform(3, &entropy);
	check_uniform(10, &entropy);
	check_uniform((uint64_t) 1 << 40, &entropy);
	check_uniform((uint64_t) 3 << 62, &entropy);
	check_uniform(UINT64_MAX, &entropy);

	assert_int_equal(eps_noise_uniform(&x, 0, &entropy), EPS_E_RANGE);
	assert_int_equal(x, 5);
	stream.calls = 0;
	assert_int_equal(eps_noise_uniform(&x, 1, &entropy), EPS_OK);
	assert_int_equal(x, 0);
	assert_int_equal(stream.calls, 0);
}

/* --- Bernoulli ----------------------------------------------------------------------- */

static void
check_bernoulli(EpsU128 num, EpsU128 den, EpsEntropy *entropy)
{
	uint64_t	n = eps_test_samples() / 4;
	uint64_t	hits = 0;

	for (uint64_t i = 0; i < n; i++)
	{
		bool		hit;

		assert_int_equal(eps_noise_bernoulli(&hit, num, den, entropy), EPS_OK);
		hits += hit;
	}
	check_frequency("bernoulli", hits, n, (double) num / (double) den);
}

static void
test_bernoulli(void **state)
{
	const EpsU128 most = ~(EpsU128) 0;
	TestStream	stream;
	EpsEntropy	entropy = eps_test_stream(&stream, 12);
	bool		hit = true;

	(void) state;
	check_bernoulli(0, 1, &entropy);
	check_bernoulli(1, 1, &entropy);
	check_bernoulli(1, 2, &entropy);
	check_bernoulli(1, 3, &entropy);
	check_bernoulli(999, 1000, &entropy);
	check_bernoulli(3, 4096, &entropy);
	check_bernoulli(most, most, &entropy);
	check_bernoulli(most - 1, most, &entropy);
	check_bernoulli(most / 3, most, &entropy);
	check_bernoulli(most / 2 + 1, most, &entropy);
	assert_int_equal(eps_noise_bernoulli(&hit, 1, 0, &entropy), EPS_E_RANGE);
	assert_int_equal(eps_noise_bernoulli(&hit, 3, 2, &entropy), EPS_E_RANGE);
	assert_true(hit);
}

/* Two bits on average: one fetch of 16 bytes is enough for nearly every call. */
static void
test_bernoulli_bits(void **state)
{
	TestStream	stream;
	EpsEntropy	entropy = eps_test_stream(&stream, 13);
	uint64_t	n = eps_test_samples() / 4;

	(void) state;
	stream.bytes = 0;
	for (uint64_t i = 0; i < n; i++)
	{
		bool		hit;

		assert_int_equal(eps_noise_bernoulli(&hit, 1, 3, &entropy), EPS_OK);
	}
	assert_true(stream.bytes <= n * 16 + 1024);
}

static void
check_bernoulli_exp(EpsU128 num, EpsU128 den, double expected, EpsEntropy *entropy)
{
	uint64_t	n = eps_test_samples();
	uint64_t	hits = 0;

	for (uint64_t i = 0; i < n; i++)
	{
		bool		hit;

		assert_int_equal(eps_noise_bernoulli_exp(&hit, num, den, entropy), EPS_OK);
		hits += hit;
	}
	check_frequency("bernoulli exp", hits, n, expected);
}

static void
test_bernoulli_exp(void **state)
{
	const EpsU128 most = ~(EpsU128) 0;
	TestStream	stream;
	EpsEntropy	entropy = eps_test_stream(&stream, 14);
	bool		hit = true;

	(void) state;
	check_bernoulli_exp(0, 1, 1, &entropy);
	check_bernoulli_exp(5, 2, exp(-2.5), &entropy);
	check_bernoulli_exp(most, most, exp(-1), &entropy);
	check_bernoulli_exp(most / 2, most, exp(-0.5), &entropy);
	check_bernoulli_exp(most, most / 3, exp(-3), &entropy);
	check_bernoulli_exp(1, most, 1, &entropy);
	check_bernoulli_exp(most, 1, 0, &entropy);
	assert_int_equal(eps_noise_bernoulli_exp(&hit, 1, 0, &entropy), EPS_E_RANGE);
	assert_true(hit);
}

static void
test_bernoulli_exp_vectors(void **state)
{
	TestStream	stream;
	EpsEntropy	entropy = eps_test_stream(&stream, 15);
	TestVectors v;
	unsigned	seen = 0;

	(void) state;
	if (!eps_test_vectors_open(&v, TEST_THEORY, TEST_THEORY_HEADER, TEST_THEORY_ROWS))
		return;
	for (size_t i = 0; i < v.rows; i++)
	{
		unsigned	num;
		unsigned	den;

		if (strcmp(test_cell(&v, i, 1), "bernoulli_exp_prob") != 0)
			continue;
		assert_int_equal(sscanf(test_cell(&v, i, 2), "gamma=%u/%u", &num, &den), 2);
		check_bernoulli_exp(num, den, eps_test_number(test_cell(&v, i, 3)), &entropy);
		seen++;
	}
	assert_int_equal(seen, 3);
	eps_test_vectors_free(&v);
}

/* --- discrete Gaussian ------------------------------------------------------------------ */

#define MAX_BINS 4096

typedef struct Histogram
{
	int64_t		low;			/* bin 0 is below, the last at or above the top */
	int64_t		width;
	size_t		bins;
	uint64_t	count[MAX_BINS];
	double		probability[MAX_BINS];
} Histogram;

static void
histogram_add(Histogram *h, int64_t x)
{
	int64_t		at = x < h->low ? 0 : (x - h->low) / h->width + 1;

	h->count[at < (int64_t) h->bins ? (size_t) at : h->bins - 1]++;
}

/*
 * Bins of about a sixteenth of sigma from -6 to 6 sigma.  Probabilities: up to
 * sigma = 1024 by adding the definition, above by the normal law between half
 * steps, which differs by less than 1e-11.
 */
static void
gaussian_bins(Histogram *h, uint64_t variance)
{
	double		sigma = sqrt((double) variance);
	int64_t		reach = (int64_t) ceil(6 * sigma);
	double		total = 0;

	memset(h, 0, sizeof(*h));
	h->width = sigma < 32 ? 1 : (int64_t) (sigma / 16);
	h->low = -reach;
	h->bins = (size_t) (2 * reach / h->width) + 2;
	assert_true(h->bins <= MAX_BINS);
	for (size_t i = 0; i < h->bins; i++)
	{
		double		from = i == 0 ? -40 * sigma : (double) (h->low + (int64_t) (i - 1) * h->width);
		double		to = i == h->bins - 1 ? 40 * sigma : (double) (h->low + (int64_t) i * h->width);

		if (variance > (uint64_t) 1 << 20)
			h->probability[i] = (erf((to - 0.5) / sigma / M_SQRT2) - erf((from - 0.5) / sigma / M_SQRT2)) / 2;
		else
			for (double x = ceil(from); x < to; x++)
				h->probability[i] += exp(-x * x / (2 * (double) variance));
		total += h->probability[i];
	}
	for (size_t i = 0; i < h->bins; i++)
		h->probability[i] /= total;
}

static void
check_gaussian(uint64_t variance, EpsEntropy *entropy)
{
	static Histogram h;
	uint64_t	n = eps_test_samples();
	char		what[64];

	gaussian_bins(&h, variance);
	for (uint64_t i = 0; i < n; i++)
		histogram_add(&h, draw_gaussian(variance, entropy));
	snprintf(what, sizeof(what), "gaussian %llu", (unsigned long long) variance);
	eps_test_chi_square(what, h.count, h.probability, h.bins);
}

static void
test_gaussian_law(void **state)
{
	const uint64_t variance[] = {1, 2, 9, 16, 100, 255 << 8, (uint64_t) 1 << 20,
	(uint64_t) 1 << 40, EPS_NOISE_MAX_VARIANCE};
	TestStream	stream;
	EpsEntropy	entropy = eps_test_stream(&stream, 21);

	(void) state;
	for (size_t i = 0; i < sizeof(variance) / sizeof(variance[0]); i++)
		check_gaussian(variance[i], &entropy);
}

/* The low bits of a wide Gaussian are uniform: a grid that shows through is not noise. */
static void
test_gaussian_low_bits(void **state)
{
	TestStream	stream;
	EpsEntropy	entropy = eps_test_stream(&stream, 22);
	uint64_t	count[16] = {0};
	double		probability[16];

	(void) state;
	for (size_t i = 0; i < 16; i++)
		probability[i] = 1.0 / 16;
	for (uint64_t i = 0; i < eps_test_samples() / 2; i++)
		count[(uint64_t) draw_gaussian((uint64_t) 1 << 40, &entropy) & 15]++;
	eps_test_chi_square("low bits of gaussian 2^40", count, probability, 16);
}

static void
test_gaussian_range(void **state)
{
	TestStream	stream;
	EpsEntropy	entropy = eps_test_stream(&stream, 23);
	int64_t		x = 77;

	(void) state;
	assert_int_equal(eps_noise_gaussian(&x, 0, &entropy), EPS_E_RANGE);
	assert_int_equal(eps_noise_gaussian(&x, EPS_NOISE_MAX_VARIANCE + 1, &entropy), EPS_E_RANGE);
	assert_int_equal(eps_noise_gaussian(&x, UINT64_MAX, &entropy), EPS_E_RANGE);
	assert_int_equal(x, 77);
	assert_int_equal(stream.calls, 0);
}

/* About 110 bits a draw at most (privacy-and-ledger 2.1), fetched 16 bytes at first. */
static void
test_gaussian_is_thrifty(void **state)
{
	TestStream	stream;
	EpsEntropy	entropy = eps_test_stream(&stream, 24);

	(void) state;
	for (int i = 0; i < 10000; i++)
		(void) draw_gaussian((uint64_t) 1 << 40, &entropy);
	assert_true(stream.bytes < 10000 * 48);
	assert_true(stream.calls < 10000 * 2);
}

/* --- discrete Laplace ---------------------------------------------------------------------- */

/* Pr[noise >= m] of scale num/den, by the closed form. */
static double
laplace_tail(int64_t m, double scale)
{
	if (m <= 0)
		return 1 - laplace_tail(1 - m, scale);
	return exp(-(double) m / scale) / (1 + exp(-1 / scale));
}

static void
check_laplace(uint64_t num, uint64_t den, EpsEntropy *entropy)
{
	static Histogram h;
	double		scale = (double) num / (double) den;
	int64_t		reach = (int64_t) ceil(12 * scale) + 1;
	uint64_t	n = eps_test_samples();
	char		what[64];

	memset(&h, 0, sizeof(h));
	h.width = scale < 32 ? 1 : (int64_t) (scale / 16);
	h.low = -reach;
	h.bins = (size_t) (2 * reach / h.width) + 2;
	assert_true(h.bins <= MAX_BINS);
	for (size_t i = 0; i < h.bins; i++)
	{
		double		from = i == 0 ? 1 : laplace_tail(h.low + (int64_t) (i - 1) * h.width, scale);
		double		to = i == h.bins - 1 ? 0 : laplace_tail(h.low + (int64_t) i * h.width, scale);

		h.probability[i] = from - to;
	}
	for (uint64_t i = 0; i < n; i++)
		histogram_add(&h, draw_laplace(num, den, entropy));
	snprintf(what, sizeof(what), "laplace %llu/%llu", (unsigned long long) num, (unsigned long long) den);
	eps_test_chi_square(what, h.count, h.probability, h.bins);
}

static void
test_laplace_law(void **state)
{
	TestStream	stream;
	EpsEntropy	entropy = eps_test_stream(&stream, 31);

	(void) state;
	check_laplace(1, 2, &entropy);
	check_laplace(1, 1, &entropy);
	check_laplace(7, 2, &entropy);
	check_laplace(10, 1, &entropy);
	check_laplace(1000, 1, &entropy);
	check_laplace(100, 3, &entropy);
	check_laplace(((uint64_t) 1 << 40) - 1, 1, &entropy);
	check_laplace(((uint64_t) 1 << 40) - 1, ((uint64_t) 1 << 20) - 1, &entropy);
}

static void
test_laplace_range(void **state)
{
	TestStream	stream;
	EpsEntropy	entropy = eps_test_stream(&stream, 32);
	int64_t		x = 77;

	(void) state;
	assert_int_equal(eps_noise_laplace(&x, 0, 1, &entropy), EPS_E_RANGE);
	assert_int_equal(eps_noise_laplace(&x, 1, 0, &entropy), EPS_E_RANGE);
	assert_int_equal(eps_noise_laplace(&x, (uint64_t) 1 << 40, 1, &entropy), EPS_E_RANGE);
	assert_int_equal(eps_noise_laplace(&x, 1, (uint64_t) 1 << 20, &entropy), EPS_E_RANGE);
	assert_int_equal(x, 77);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(draw_laplace(1, ((uint64_t) 1 << 20) - 1, &entropy), 0);
}

/* --- choosing ----------------------------------------------------------------------------------- */

/* All 60 ordered choices of 3 out of 5 are equally likely. */
static void
test_choose_law(void **state)
{
	TestStream	stream;
	EpsEntropy	entropy = eps_test_stream(&stream, 41);
	uint64_t	count[125] = {0};
	uint64_t	used[60];
	double		probability[60];
	size_t		n = 0;

	(void) state;
	for (uint64_t i = 0; i < eps_test_samples(); i++)
	{
		uint32_t	index[5] = {0, 1, 2, 3, 4};
		unsigned	seen = 0;

		assert_int_equal(eps_noise_choose(index, 3, 5, &entropy), EPS_OK);
		for (int j = 0; j < 5; j++)
			seen |= 1u << index[j];
		assert_int_equal(seen, 31);
		count[index[0] * 25 + index[1] * 5 + index[2]]++;
	}
	for (size_t i = 0; i < 125; i++)
	{
		size_t		a = i / 25;
		size_t		b = i / 5 % 5;
		size_t		c = i % 5;

		if (a == b || a == c || b == c)
			assert_int_equal(count[i], 0);
		else
		{
			probability[n] = 1.0 / 60;
			used[n++] = count[i];
		}
	}
	eps_test_chi_square("choose 3 of 5", used, probability, n);
}

static void
test_choose_edges(void **state)
{
	TestStream	stream;
	EpsEntropy	entropy = eps_test_stream(&stream, 42);
	uint32_t	index[300];
	bool		seen[300] = {false};

	(void) state;
	for (uint32_t i = 0; i < 300; i++)
		index[i] = i;
	assert_int_equal(eps_noise_choose(index, 0, 300, &entropy), EPS_OK);
	assert_int_equal(eps_noise_choose(NULL, 0, 0, &entropy), EPS_OK);
	assert_int_equal(stream.calls, 0);
	assert_int_equal(eps_noise_choose(index, 301, 300, &entropy), EPS_E_RANGE);
	for (uint32_t i = 0; i < 300; i++)
		assert_int_equal(index[i], i);
	assert_int_equal(eps_noise_choose(index, 300, 300, &entropy), EPS_OK);
	for (uint32_t i = 0; i < 300; i++)
	{
		assert_false(seen[index[i]]);
		seen[index[i]] = true;
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_uniform),
		cmocka_unit_test(test_bernoulli),
		cmocka_unit_test(test_bernoulli_bits),
		cmocka_unit_test(test_bernoulli_exp),
		cmocka_unit_test(test_bernoulli_exp_vectors),
		cmocka_unit_test(test_gaussian_law),
		cmocka_unit_test(test_gaussian_low_bits),
		cmocka_unit_test(test_gaussian_range),
		cmocka_unit_test(test_gaussian_is_thrifty),
		cmocka_unit_test(test_laplace_law),
		cmocka_unit_test(test_laplace_range),
		cmocka_unit_test(test_choose_law),
		cmocka_unit_test(test_choose_edges),
	};

	return cmocka_run_group_tests_name("core/noise", tests, NULL, NULL);
}
