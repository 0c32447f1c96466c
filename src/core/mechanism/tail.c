/*
 * tail.c
 *	  Tails and quantiles of the noise, and the threshold of group selection.
 *
 * The discrete Gaussian has no closed form.  Write f(k) = exp(-k^2 / 2v), s =
 * sqrt v, and N for the sum of f over all integers; by Poisson summation N = s
 * sqrt(2 pi) (1 + 2 exp(-2 pi^2 v) + ...), all terms positive, and for v >= 1
 * those left out are below exp(-78) of it.
 *
 * Up to s = 2^10 tails are summed term by term.  Above, for m >= 1:
 *
 *	 sum over k >= m of f(k) <= integral of f from m - 1/2, for m - 1/2 >= s,
 *		where f is convex, so that its value in the middle of each unit interval
 *		is at most its mean there;
 *	 sum over k >= m of f(k) <= integral of f from m - 1, as f decreases;
 *	 sum over k >= m of f(k) >= integral of f from m, likewise.
 */
#include "core/mechanism/mechanism_internal.h"

#include <float.h>
#include <gsl/gsl_cdf.h>
#include <gsl/gsl_math.h>
#include <math.h>

#define SUM_MAX_VARIANCE ((uint64_t) 1 << 20)

/* Terms are summed until k^2 exceeds m^2 by this many times v: exp(-40) of the first. */
#define SUM_REACH 80.0

/* Relative error of a sum of some 10^4 terms, and of arguments up to 700. */
#define SUM_MARGIN 5e-12

/* Added to every upper bound: more than all that underflows on the way. */
#define TINY 1e-300

#define GRID_MAX ((int64_t) 1 << 62)

/* --- discrete Gaussian ---------------------------------------------------------- */

/* N, to a relative error below EPS_MECHANISM_MARGIN. */
static double
normalizer(double variance)
{
	return sqrt(2 * M_PI * variance) * (1 + 2 * exp(-2 * M_PI * M_PI * variance));
}

/*
 * Pr[noise >= m] for m >= 1 by summation, smallest terms first, relative to the
 * first so that nothing underflows before the last multiplication.  upper: adds
 * a geometric bound of what lies beyond, and rounds up; else rounds down.
 */
static double
gaussian_sum(uint64_t variance, int64_t m, bool upper)
{
	double		v = (double) variance;
	double		first = (double) m;
	double		last = ceil(sqrt(first * first + SUM_REACH * v));
	double		sum = 0;
	double		p;

	if (upper)
	{
		double		ratio = exp(-(2 * last + 3) / (2 * v));

		sum = exp(-(last + 1 - first) * (last + 1 + first) / (2 * v)) / (1 - ratio);
	}
	for (double k = last; k >= first; k--)
		sum += exp(-(k - first) * (k + first) / (2 * v));
	p = sum * exp(-first * first / (2 * v)) / normalizer(v);
	return upper ? p * (1 + SUM_MARGIN) : p * (1 - SUM_MARGIN);
}

/*
 * Q(z), up or down: a relative error of its argument counts z^2 times.
 */
static double
normal_tail(double z, bool upper)
{
	double		margin = 1e-13 + 4 * DBL_EPSILON * z * z;

	return gsl_cdf_ugaussian_Q(z) * (upper ? 1 + margin : 1 - margin);
}

/* Pr[noise >= m] for m >= 1, an upper or a lower bound. */
static double
gaussian_tail(uint64_t variance, int64_t m, bool upper)
{
	double		sigma = sqrt((double) variance);
	double		at = (double) m;

	if (at > 40 * sigma + 1)
		return 0;				/* below exp(-800), which TINY covers */
	if (variance <= SUM_MAX_VARIANCE)
		return gaussian_sum(variance, m, upper);
	if (!upper)
		return normal_tail(at / sigma, false);
	return normal_tail((at - 0.5 >= sigma ? at - 0.5 : at - 1) / sigma, true);
}

/* --- discrete Laplace ------------------------------------------------------------- */

/* Pr[noise >= m] = exp(-a m) / (1 + exp(-a)) for m >= 1, a the inverse scale. */
static double
laplace_tail(const EpsCoordinate *c, int64_t m, bool upper)
{
	double		a = (double) c->scale_den / (double) c->scale_num;
	double		x = a * (double) m;
	double		margin = EPS_MECHANISM_MARGIN + 4 * DBL_EPSILON * fmin(x, 800);
	double		p = exp(-x) / (1 + exp(-a));

	return p * (upper ? 1 + margin : 1 - margin);
}

/* --- both ---------------------------------------------------------------------------- */

static bool
is_legal_noise(const EpsCoordinate *c)
{
	if (c->kind == EPS_NOISE_GAUSSIAN)
		return c->variance >= 1 && c->variance <= EPS_MECHANISM_MAX_VARIANCE;
	return c->kind == EPS_NOISE_LAPLACE &&
		c->scale_num >= 1 && c->scale_num < EPS_MECHANISM_MAX_NUM &&
		c->scale_den >= 1 && c->scale_den < EPS_MECHANISM_MAX_DEN;
}

static double
positive_tail(const EpsCoordinate *c, int64_t m, bool upper)
{
	return c->kind == EPS_NOISE_GAUSSIAN ? gaussian_tail(c->variance, m, upper) : laplace_tail(c, m, upper);
}

/* The noise is symmetric: Pr[noise >= x] = 1 - Pr[noise >= 1 - x]. */
static double
tail_unchecked(const EpsCoordinate *c, int64_t x)
{
	if (x >= 1)
		return fmin(positive_tail(c, x, true) + TINY, 1);
	if (x <= -GRID_MAX)
		return 1;
	return fmin((1 - positive_tail(c, 1 - x, false)) * (1 + EPS_MECHANISM_MARGIN), 1);
}

double
eps_mechanism_stddev(const EpsCoordinate *c)
{
	double		half;

	if (c->kind == EPS_NOISE_GAUSSIAN)
		return sqrt((double) c->variance);
	half = (double) c->scale_den / (double) c->scale_num / 2;
	return 1 / (M_SQRT2 * sinh(half));
}

EpsStatus
eps_mechanism_tail(double *p, const EpsCoordinate *c, int64_t x)
{
	if (!is_legal_noise(c))
		return EPS_E_RANGE;
	*p = tail_unchecked(c, x);
	return EPS_OK;
}

/*
 * Where Pr[noise >= m] is about target: a first guess for the search.  For the
 * Laplace the tail is exp(-a m) / (1 + exp(-a)).
 */
static double
guess_position(const EpsCoordinate *c, double target)
{
	double		a;

	if (c->kind == EPS_NOISE_GAUSSIAN)
		return gsl_cdf_ugaussian_Qinv(target) * sqrt((double) c->variance) + 0.5;
	a = (double) c->scale_den / (double) c->scale_num;
	if (target <= 0.5)
		return -(log(target) + log1p(exp(-a))) / a;
	return (log1p(-target) + log1p(exp(-a))) / a;
}

/*
 * The smallest m with tail(m) <= target, 0 < target < 1: gallops from the guess
 * to a pair that encloses it, then halves.  No legal noise reaches 2^62.
 */
static EPS_MUST_USE EpsStatus
smallest_position(int64_t *m, const EpsCoordinate *c, double target)
{
	double		guess = ceil(fmin(fmax(guess_position(c, target), -0x1p60), 0x1p60));
	int64_t		high = (int64_t) guess;
	int64_t		low;
	int64_t		step = 1;

	while (tail_unchecked(c, high) > target)
	{
		if (high > GRID_MAX - step)
			return EPS_E_RANGE;
		high += step;
		step *= 2;
	}
	low = high - 1;
	for (step = 1; tail_unchecked(c, low) <= target; step *= 2)
	{
		if (low < -GRID_MAX + step)
			return EPS_E_RANGE;
		high = low;
		low -= step;
	}
	while (high - low > 1)
	{
		int64_t		mid = low + (high - low) / 2;

		if (tail_unchecked(c, mid) <= target)
			high = mid;
		else
			low = mid;
	}
	*m = high;
	return EPS_OK;
}

/*
 * Pr[|noise| <= q] >= confidence iff 2 Pr[noise >= q + 1] <= 1 - confidence.
 * The difference is exact for confidence >= 1/2 and rounded down otherwise.
 */
EpsStatus
eps_mechanism_quantile(int64_t *q, const EpsCoordinate *c, double confidence)
{
	int64_t		m;
	EpsStatus	status;

	if (!is_legal_noise(c) || !(confidence > 0 && confidence < 1))
		return EPS_E_RANGE;
	status = smallest_position(&m, c, (1 - confidence) / 2 * (1 - DBL_EPSILON));
	if (status != EPS_OK)
		return status;
	*q = m > 1 ? m - 1 : 0;
	return EPS_OK;
}

/*
 * 1 - (1 - p)^g <= delta iff p <= 1 - (1 - delta)^(1/g), written with log1p and
 * expm1 so that small numbers keep their digits.
 */
EpsStatus
eps_mechanism_threshold(int64_t *tau, double *p, const EpsCoordinate *c,
						int64_t step, uint64_t max_groups, double delta)
{
	double		target;
	int64_t		m;
	EpsStatus	status;

	if (!is_legal_noise(c) || step < 1 || step >= GRID_MAX || max_groups < 1 ||
		!(delta > 0 && delta < 1))
		return EPS_E_RANGE;
	target = -expm1(log1p(-delta) / (double) max_groups) * (1 - EPS_MECHANISM_MARGIN);
	if (target < 2 * TINY)
		return EPS_E_RANGE;
	status = smallest_position(&m, c, target);
	if (status != EPS_OK)
		return status;
	if (m > GRID_MAX - step)
		return EPS_E_OVERFLOW;
	*tau = m + step;
	*p = tail_unchecked(c, m);
	return EPS_OK;
}
