/*
 * noise.h
 *	  Exact samplers: entropy in, integers out.
 *
 * Promises: every sampler returns exactly its stated distribution, up to the
 * stated truncation, or an error; it uses integers only, and fails when entropy
 * fails.  Must not: use floating point, allocate, keep state.
 *
 * Source: Canonne, Kamath, Steinke, "The Discrete Gaussian for Differential
 * Privacy", 2020 (arXiv 2004.00010), Algorithms 1 to 3.
 */
#ifndef EPS_CORE_NOISE_H
#define EPS_CORE_NOISE_H

#include "core/base/base.h"

/* Largest variance parameter of the discrete Gaussian: sigma = 2^24 grid steps. */
#define EPS_NOISE_MAX_VARIANCE ((uint64_t) 1 << 48)

/* Uniform on [0, bound), bound >= 1. */
extern EPS_MUST_USE EpsStatus eps_noise_uniform(uint64_t *out, uint64_t bound, EpsEntropy *entropy);

/* True with probability num/den exactly; num <= den, den >= 1. */
extern EPS_MUST_USE EpsStatus eps_noise_bernoulli(bool *out, EpsU128 num, EpsU128 den, EpsEntropy *entropy);

/* True with probability exp(-num/den) exactly; den >= 1. */
extern EPS_MUST_USE EpsStatus eps_noise_bernoulli_exp(bool *out, EpsU128 num, EpsU128 den, EpsEntropy *entropy);

/*
 * Discrete Laplace: Pr[x] proportional to exp(-|x| den / num), scale num/den.
 * 1 <= num < 2^40, 1 <= den < 2^20.  |x| saturates at 2^62, which has
 * probability below 2^-128 for every legal scale; it never redraws (a redraw
 * would cost delta).
 */
extern EPS_MUST_USE EpsStatus eps_noise_laplace(int64_t *out, uint64_t num, uint64_t den, EpsEntropy *entropy);

/*
 * Discrete Gaussian: Pr[x] proportional to exp(-x^2 / (2 variance)),
 * 1 <= variance <= EPS_NOISE_MAX_VARIANCE.
 */
extern EPS_MUST_USE EpsStatus eps_noise_gaussian(int64_t *out, uint64_t variance, EpsEntropy *entropy);

/*
 * A uniform random subset of k out of n positions (partial Fisher-Yates):
 * permutes the first k elements of index[0..n-1] in place. k <= n < 2^32.
 */
extern EPS_MUST_USE EpsStatus eps_noise_choose(uint32_t *index, uint32_t k, uint32_t n, EpsEntropy *entropy);

#endif							/* EPS_CORE_NOISE_H */
