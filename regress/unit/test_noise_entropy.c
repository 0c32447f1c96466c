/*
 * test_noise_entropy.c
 *	  Unit tests of core/noise: a sampler whose entropy fails gives no number.
 */
#include "test_common.h"

#include "core/noise/noise.h"

typedef EpsStatus (*Draw) (int64_t *out, EpsEntropy *entropy);

static EpsStatus
fail_uniform(int64_t *out, EpsEntropy *entropy)
{
	uint64_t	x = 0;
	EpsStatus	status = EPS_OK;

	for (int i = 0; i < 20 && status == EPS_OK; i++)
		status = eps_noise_uniform(&x, ((uint64_t) 1 << 63) + 1, entropy);
	if (status == EPS_OK)
		*out = (int64_t) x;
	return status;
}

static EpsStatus
fail_bernoulli(int64_t *out, EpsEntropy *entropy)
{
	bool		x;
	EpsStatus	status = eps_noise_bernoulli(&x, 1, 3, entropy);

	if (status == EPS_OK)
		*out = x;
	return status;
}

static EpsStatus
fail_bernoulli_exp(int64_t *out, EpsEntropy *entropy)
{
	bool		x;
	EpsStatus	status = eps_noise_bernoulli_exp(&x, 7, 3, entropy);

	if (status == EPS_OK)
		*out = x;
	return status;
}

static EpsStatus
fail_laplace(int64_t *out, EpsEntropy *entropy)
{
	return eps_noise_laplace(out, ((uint64_t) 1 << 40) - 1, 3, entropy);
}

static EpsStatus
fail_gaussian(int64_t *out, EpsEntropy *entropy)
{
	return eps_noise_gaussian(out, EPS_NOISE_MAX_VARIANCE, entropy);
}

static EpsStatus
fail_choose(int64_t *out, EpsEntropy *entropy)
{
	uint32_t	index[200];
	EpsStatus	status;

	for (uint32_t i = 0; i < 200; i++)
		index[i] = i;
	status = eps_noise_choose(index, 200, 200, entropy);
	if (status == EPS_OK)
		*out = index[0];
	return status;
}

/*
 * A call that reads entropy k times fails for each of them that fails, and gives
 * no number; with all of them it succeeds.
 */
static void
test_failing_entropy(void **state)
{
	const Draw	draws[] = {fail_uniform, fail_bernoulli, fail_bernoulli_exp, fail_laplace,
	fail_gaussian, fail_choose};

	(void) state;
	for (size_t i = 0; i < sizeof(draws) / sizeof(draws[0]); i++)
	{
		for (uint64_t seed = 0; seed < 200; seed++)
		{
			TestStream	stream;
			EpsEntropy	entropy = eps_test_stream(&stream, seed);
			int64_t		x = -12345;
			uint64_t	calls;

			assert_int_equal(draws[i] (&x, &entropy), EPS_OK);
			calls = stream.calls;
			assert_true(calls >= 1);
			for (uint64_t k = 1; k <= calls; k++)
			{
				entropy = eps_test_stream(&stream, seed);
				stream.fail_at = k;
				x = -12345;
				assert_int_equal(draws[i] (&x, &entropy), EPS_E_ENTROPY);
				assert_int_equal(x, -12345);
			}
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_failing_entropy),
	};

	return cmocka_run_group_tests_name("core/noise, failing entropy", tests, NULL, NULL);
}
