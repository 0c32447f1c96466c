/*
 * conversion.c
 *	  Between zCDP, Gaussian DP and (epsilon, delta).
 *
 * Inverses are found by bisection between an argument that is known to keep the
 * promise and one that is known to break it, and the one that keeps it is
 * returned: so each result is on the safe side by construction, whatever the
 * rounding in between.
 */
#include "core/mechanism/mechanism_internal.h"

#include <float.h>
#include <gsl/gsl_cdf.h>
#include <math.h>

#define BISECTIONS 2200			/* more than doubles between the smallest and the largest */

/*
 * The exponent of CKS Corollary 13 with t = alpha - 1:
 *
 *	 log delta(t) = t ((1 + t) rho - epsilon) - t log(1 + 1/t) - log(1 + t)
 *
 * plus a bound of its rounding error.  Any t > 0 is a valid bound of delta.
 */
static double
log_delta_at(double t, double rho, double epsilon)
{
	double		gain = t * (1 + t) * rho;
	double		cost = t * epsilon;
	double		entropy = t * log1p(1 / t);
	double		rest = log1p(t);

	return gain - cost - entropy - rest + 8 * DBL_EPSILON * (gain + cost + entropy + rest);
}

/* Its derivative in t, which is increasing. */
static double
log_delta_slope(double t, double rho, double epsilon)
{
	return (1 + 2 * t) * rho - epsilon - log1p(1 / t);
}

/*
 * Upper bound of log delta.  The slope is negative at low, where log(1 + 1/t) >
 * 3 rho, and positive at high, where (1 + 2t) rho > epsilon + 1 and t > 1.  For
 * a rho so large that low would underflow the result is merely not the best.
 */
static double
log_delta(double rho, double epsilon)
{
	double		low = 1 / expm1(fmin(3 * rho + 1, 600));
	double		high = fmax(1, (epsilon + 1) / (2 * rho));

	for (int i = 0; i < BISECTIONS; i++)
	{
		double		mid = high > 4 * low ? sqrt(low) * sqrt(high) : low + (high - low) / 2;

		if (!(mid > low && mid < high) || high - low < 1e-9 * low)
			break;
		if (log_delta_slope(mid, rho, epsilon) < 0)
			low = mid;
		else
			high = mid;
	}
	return fmin(fmin(log_delta_at(low, rho, epsilon), log_delta_at(high, rho, epsilon)), 0);
}

/* exp(x) of an upper bound x <= 0, as an upper bound that is never 0. */
static double
exp_up(double x)
{
	return fmin(exp(x) * (1 + EPS_MECHANISM_MARGIN) + DBL_MIN, 1);
}

/* log(delta), rounded down. */
static double
log_down(double delta)
{
	return log(delta) * (1 + EPS_MECHANISM_MARGIN);
}

static bool
is_positive(double x)
{
	return isfinite(x) && x > 0;
}

static bool
is_probability(double x)
{
	return x > 0 && x < 1;
}

EpsStatus
eps_mechanism_zcdp_delta(double *delta, double rho, double epsilon)
{
	if (!is_positive(rho) || !isfinite(epsilon) || epsilon < 0)
		return EPS_E_RANGE;
	*delta = exp_up(log_delta(rho, epsilon));
	return EPS_OK;
}

/* A predicate of x that is true up to, or from, some point on. */
typedef bool (*Holds) (double x, const double *args);

/*
 * Bisects between good, where the predicate holds, and bad, where it does not;
 * both positive.  Stops where no double lies between, or within 1e-13.
 */
static double
bisect(double good, double bad, Holds holds, const double *args)
{
	for (int i = 0; i < BISECTIONS; i++)
	{
		double		low = fmin(good, bad);
		double		high = fmax(good, bad);
		double		mid = high > 4 * low ? sqrt(low) * sqrt(high) : low + (high - low) / 2;

		if (!(mid > low && mid < high) || high - low < 1e-13 * low)
			break;
		if (holds(mid, args))
			good = mid;
		else
			bad = mid;
	}
	return good;
}

/* args: rho, log delta */
static bool
epsilon_is_enough(double epsilon, const double *args)
{
	return log_delta(args[0], epsilon) <= args[1];
}

/* The upper end is the bound of Bun and Steinke, Proposition 1.3. */
EpsStatus
eps_mechanism_zcdp_epsilon(double *epsilon, double rho, double delta)
{
	double		args[2];
	double		high;

	if (!is_positive(rho) || !is_probability(delta))
		return EPS_E_RANGE;
	args[0] = rho;
	args[1] = log_down(delta);
	high = (rho + 2 * sqrt(-rho * args[1])) * (1 + 1e-9);
	if (epsilon_is_enough(0, args))
		*epsilon = 0;
	else if (!isfinite(high) || !epsilon_is_enough(high, args))
		return EPS_E_RANGE;
	else
		*epsilon = bisect(high, DBL_MIN, epsilon_is_enough, args);
	return EPS_OK;
}

/* args: epsilon, log delta */
static bool
rho_is_allowed(double rho, const double *args)
{
	return log_delta(rho, args[0]) <= args[1];
}

EpsStatus
eps_mechanism_zcdp_rho(double *rho, double epsilon, double delta)
{
	const double smallest = 1e-100;
	double		args[2];
	double		bad = 1;

	if (!isfinite(epsilon) || epsilon < 0 || !is_probability(delta))
		return EPS_E_RANGE;
	args[0] = epsilon;
	args[1] = log_down(delta);
	while (rho_is_allowed(bad, args))
	{
		bad *= 2;
		if (bad > 1e100)
			return EPS_E_RANGE;
	}
	if (!rho_is_allowed(smallest, args))
		return EPS_E_RANGE;
	*rho = bisect(smallest, bad, rho_is_allowed, args);
	return EPS_OK;
}

/*
 * DRS Corollary 2.13: Phi(mu/2 - epsilon/mu) - e^epsilon Phi(-mu/2 - epsilon/mu).
 *
 * Phi is exact to a few units in the last place, but an error of its argument a
 * grows by a^2; both enter the bound that is added, relative to the terms and
 * not to their difference.  Where e^epsilon overflows, the second term is left
 * out, which is an upper bound too.
 */
EpsStatus
eps_mechanism_gdp_delta(double *delta, double mu, double epsilon)
{
	double		plus;
	double		minus;
	double		above;
	double		below;
	double		error;

	if (!is_positive(mu) || !isfinite(epsilon) || epsilon < 0)
		return EPS_E_RANGE;
	plus = mu / 2 - epsilon / mu;
	minus = -mu / 2 - epsilon / mu;
	above = gsl_cdf_ugaussian_P(plus);
	below = epsilon < 700 ? exp(epsilon) * gsl_cdf_ugaussian_P(minus) : 0;
	error = DBL_EPSILON * (16 + 4 * minus * minus + 4 * epsilon) * (above + below);
	if (!isfinite(error))
		error = 0;				/* both terms are 0 there */
	*delta = fmin(fmax(above - below, 0) + error + DBL_MIN, 1);
	return EPS_OK;
}

/* args: epsilon, delta */
static bool
mu_is_allowed(double mu, const double *args)
{
	double		delta;

	return eps_mechanism_gdp_delta(&delta, mu, args[0]) == EPS_OK && delta <= args[1];
}

EpsStatus
eps_mechanism_gdp_mu(double *mu, double epsilon, double delta)
{
	const double smallest = 1e-100;
	double		args[2] = {epsilon, delta};
	double		bad = 1;

	if (!isfinite(epsilon) || epsilon < 0 || !is_probability(delta))
		return EPS_E_RANGE;
	while (mu_is_allowed(bad, args))
	{
		bad *= 2;
		if (bad > 1e100)
			return EPS_E_RANGE;
	}
	if (!mu_is_allowed(smallest, args))
		return EPS_E_RANGE;
	*mu = bisect(smallest, bad, mu_is_allowed, args);
	return EPS_OK;
}

/* BW: the noise multiplier is the inverse of mu = l2 / sigma. */
EpsStatus
eps_mechanism_gaussian_sigma(double *sigma, double epsilon, double delta, double l2)
{
	double		mu;
	EpsStatus	status;

	if (!is_positive(l2))
		return EPS_E_RANGE;
	status = eps_mechanism_gdp_mu(&mu, epsilon, delta);
	if (status != EPS_OK)
		return status;
	*sigma = l2 / mu * (1 + EPS_MECHANISM_MARGIN);
	return isfinite(*sigma) ? EPS_OK : EPS_E_OVERFLOW;
}
