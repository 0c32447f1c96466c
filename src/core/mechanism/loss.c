/*
 * loss.c
 *	  What a mechanism costs in zCDP, amounts in units of 2^-60, and the split
 *	  of a price over coordinates.
 */
#include "core/mechanism/mechanism_internal.h"

#include <math.h>

/*
 * x + exp(-x) - 1.  Below 1 by its alternating series x^2/2 - x^3/6 + ..., whose
 * terms fall fast; above, nothing cancels.
 */
static double
excess(double x)
{
	double		term = x * x / 2;
	double		sum = 0;

	if (x >= 1)
		return x + expm1(-x);
	for (int k = 3; k < 24; k++)
	{
		sum += term;
		term *= -x / k;
	}
	return sum;
}

/* 1 - x / sinh(x), by the series of sinh(x) - x below 1. */
static double
sinh_defect(double x)
{
	double		term = x * x * x / 6;
	double		sum = 0;

	if (x >= 1)
		return 1 - (x < 700 ? x / sinh(x) : 0);
	for (int k = 4; k < 24; k += 2)
	{
		sum += term;
		term *= x * x / (k * (k + 1));
	}
	return sum / sinh(x);
}

EpsStatus
eps_mechanism_laplace_rho(double *rho, double epsilon)
{
	if (!isfinite(epsilon) || epsilon < 0)
		return EPS_E_RANGE;
	*rho = excess(epsilon) * (1 + EPS_MECHANISM_MARGIN);
	return EPS_OK;
}

/*
 * With a the inverse scale, m the shift, x = a m and p = exp(-a), the loss
 * a (m - 2p (1 - p^m) / (1 - p^2)) equals
 *
 *	 (x + exp(-x) - 1) + (1 - a / sinh a) (1 - exp(-x)),
 *
 * a sum of two terms that are not negative, so nothing cancels.  It increases in
 * m and in a, and is convex in m.
 */
double
eps_mechanism_dlaplace_rho_unchecked(double inverse_scale, uint64_t shift)
{
	double		x = inverse_scale * (double) shift;

	return (excess(x) - sinh_defect(inverse_scale) * expm1(-x)) * (1 + EPS_MECHANISM_MARGIN);
}

EpsStatus
eps_mechanism_dlaplace_rho(double *rho, double inverse_scale, uint64_t shift)
{
	if (!isfinite(inverse_scale) || inverse_scale <= 0)
		return EPS_E_RANGE;
	*rho = eps_mechanism_dlaplace_rho_unchecked(inverse_scale, shift);
	return isfinite(*rho) ? EPS_OK : EPS_E_OVERFLOW;
}

/* epsilon tanh(epsilon / 2): randomised response is the worst. */
EpsStatus
eps_mechanism_pure_rho(double *rho, double epsilon)
{
	if (!isfinite(epsilon) || epsilon < 0)
		return EPS_E_RANGE;
	*rho = epsilon * tanh(epsilon / 2) * (1 + EPS_MECHANISM_MARGIN);
	return EPS_OK;
}

/* Scaling by 2^60 is exact, and below 16 the result is below 2^64. */
EpsStatus
eps_mechanism_units_down(uint64_t *units, double x)
{
	if (isnan(x) || x < 0)
		return EPS_E_RANGE;
	if (x >= 16)
		return EPS_E_OVERFLOW;
	*units = (uint64_t) floor(ldexp(x, EPS_UNIT_BITS));
	return EPS_OK;
}

EpsStatus
eps_mechanism_units_up(uint64_t *units, double x)
{
	if (isnan(x) || x < 0)
		return EPS_E_RANGE;
	if (x >= 16)
		return EPS_E_OVERFLOW;
	*units = (uint64_t) ceil(ldexp(x, EPS_UNIT_BITS));
	return EPS_OK;
}

/*
 * One unit for each, and the rest in proportion to integer weights: rounding
 * down in integers keeps the sum within the price, whatever the weights.
 * The largest weight becomes 2^53, so rest * weight is below 2^117.
 */
EpsStatus
eps_mechanism_split(uint64_t *out, const double *weight, size_t n, uint64_t units)
{
	double		largest = 0;
	EpsU128		total = 0;

	if (n == 0 || units < n)
		return EPS_E_RANGE;
	for (size_t i = 0; i < n; i++)
	{
		if (!isfinite(weight[i]) || weight[i] < 0)
			return EPS_E_RANGE;
		largest = fmax(largest, weight[i]);
	}
	if (largest <= 0)
		return EPS_E_RANGE;
	for (size_t i = 0; i < n; i++)
	{
		out[i] = (uint64_t) ldexp(weight[i] / largest, 53);
		total += out[i];
	}
	for (size_t i = 0; i < n; i++)
		out[i] = 1 + (uint64_t) ((EpsU128) (units - n) * out[i] / total);
	return EPS_OK;
}
