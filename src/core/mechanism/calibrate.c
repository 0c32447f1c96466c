/*
 * calibrate.c
 *	  The noise of one coordinate: grid, scale, and what it costs at most.
 *
 * The final scale is checked against the price by the same computation that
 * the accountant charges by, in integers for Gaussian noise.
 */
#include "core/mechanism/mechanism_internal.h"

#include <math.h>

#define LIMIT_L2 ((EpsU128) 1 << 124)
#define LIMIT_L1 ((uint64_t) 1 << 62)

#define MIN_VARIANCE ((uint64_t) 1 << 8)	/* scale 16 */

/* Laplace scales have a denominator of 2^15: 16 to 2^24 is 2^19 to 2^39. */
#define SCALE_DEN ((uint64_t) 1 << 15)
#define MIN_NUM ((uint64_t) 16 * SCALE_DEN)
#define MAX_NUM (((uint64_t) 1 << 24) * SCALE_DEN)

#define VARIANCE_BITS 8

/* --- the sensitivity on a grid --------------------------------------------- */

/*
 * The bound of z = Z / 2^shift rounded toward zero: |z| <= |Z| / 2^shift in each
 * group, so the norms and the square of the Euclidean norm divide too, and the
 * sums of integers may be rounded down.  A bound of 0 means that nobody's data
 * would reach the grid at all.
 */
static EPS_MUST_USE EpsStatus
coarser(EpsSensitivity *out, const EpsSensitivity *bound, unsigned shift)
{
	if (shift > 61)
		return EPS_E_RANGE;
	out->l2_squared = bound->l2_squared >> (2 * shift);
	out->l1 = bound->l1 >> shift;
	out->linf = bound->linf >> shift;
	if (out->l2_squared == 0 || out->l1 == 0 || out->linf == 0)
		return EPS_E_RANGE;
	return EPS_OK;
}

/* The bound of z = Z * 2^shift, exact; refused where it would not fit. */
static EPS_MUST_USE EpsStatus
finer(EpsSensitivity *out, const EpsSensitivity *bound, unsigned shift)
{
	if (shift > 61 ||
		bound->l2_squared > (LIMIT_L2 - 1) >> (2 * shift) ||
		bound->l1 > (LIMIT_L1 - 1) >> shift ||
		bound->linf > (LIMIT_L1 - 1) >> shift)
		return EPS_E_OVERFLOW;
	out->l2_squared = bound->l2_squared << (2 * shift);
	out->l1 = bound->l1 << shift;
	out->linf = bound->linf << shift;
	return EPS_OK;
}

static EPS_MUST_USE EpsStatus
set_shift(EpsCoordinate *c, const EpsSensitivity *bound, int32_t shift)
{
	c->shift = shift;
	if (shift >= 0)
		return coarser(&c->bound, bound, (unsigned) shift);
	return finer(&c->bound, bound, (unsigned) -shift);
}

static bool
is_legal_sensitivity(const EpsSensitivity *bound)
{
	return bound->l2_squared >= 1 && bound->l2_squared < LIMIT_L2 &&
		bound->l1 >= 1 && bound->l1 < LIMIT_L1 &&
		bound->linf >= 1 && bound->linf < LIMIT_L1;
}

/* --- the worst case ----------------------------------------------------------- */

/* ceil(l2^2 2^59 / variance); l2^2 < 2^69 or it does not fit. */
static EPS_MUST_USE EpsStatus
gaussian_worst(uint64_t *units, const EpsCoordinate *c)
{
	EpsU128		quotient;

	if (c->bound.l2_squared >> 69 != 0)
		return EPS_E_OVERFLOW;
	quotient = c->bound.l2_squared << (EPS_UNIT_BITS - 1);
	quotient = quotient / c->variance + (quotient % c->variance != 0);
	if (quotient > UINT64_MAX)
		return EPS_E_OVERFLOW;
	*units = (uint64_t) quotient;
	return EPS_OK;
}

/* ceil(l1 2^60 den / num); l1 < 2^48 with a legal den, or it does not fit. */
static EPS_MUST_USE EpsStatus
pure_worst(uint64_t *units, const EpsCoordinate *c)
{
	EpsU128		quotient = (EpsU128) c->bound.l1 * c->scale_den;

	if (quotient >> 68 != 0)
		return EPS_E_OVERFLOW;
	quotient = (quotient << EPS_UNIT_BITS);
	quotient = quotient / c->scale_num + (quotient % c->scale_num != 0);
	if (quotient > UINT64_MAX)
		return EPS_E_OVERFLOW;
	*units = (uint64_t) quotient;
	return EPS_OK;
}

/*
 * The loss of a shift is convex in it and 0 at 0, so over all ways to spread l1
 * over groups of at most linf it is largest where as many groups as possible
 * take linf and one takes what is left.
 */
static EPS_MUST_USE EpsStatus
laplace_worst(uint64_t *units, const EpsCoordinate *c)
{
	double		inverse = (double) c->scale_den / (double) c->scale_num * (1 + EPS_MECHANISM_MARGIN);
	uint64_t	linf = c->bound.linf < c->bound.l1 ? c->bound.linf : c->bound.l1;
	double		loss = (double) (c->bound.l1 / linf) *
		eps_mechanism_dlaplace_rho_unchecked(inverse, linf);

	loss += eps_mechanism_dlaplace_rho_unchecked(inverse, c->bound.l1 % linf);
	loss *= 1 + EPS_MECHANISM_MARGIN;
	return isfinite(loss) ? eps_mechanism_units_up(units, loss) : EPS_E_OVERFLOW;
}

EpsStatus
eps_mechanism_worst_units(uint64_t *units, const EpsCoordinate *c, bool pure)
{
	if (!is_legal_sensitivity(&c->bound))
		return EPS_E_RANGE;
	if (c->kind == EPS_NOISE_GAUSSIAN)
	{
		if (pure || c->variance < 1 || c->variance > EPS_MECHANISM_MAX_VARIANCE)
			return EPS_E_RANGE;
		return gaussian_worst(units, c);
	}
	if (c->kind != EPS_NOISE_LAPLACE ||
		c->scale_num < 1 || c->scale_num >= EPS_MECHANISM_MAX_NUM ||
		c->scale_den < 1 || c->scale_den >= EPS_MECHANISM_MAX_DEN)
		return EPS_E_RANGE;
	return pure ? pure_worst(units, c) : laplace_worst(units, c);
}

static bool
fits_price(const EpsCoordinate *c, bool pure, uint64_t units)
{
	uint64_t	worst;

	return eps_mechanism_worst_units(&worst, c, pure) == EPS_OK && worst <= units;
}

/* --- the smallest scale that a price allows on a given grid -------------------- */

/* x with at most VARIANCE_BITS significant bits, rounded up. */
static EpsU128
round_up_variance(EpsU128 x)
{
	unsigned	shift = 0;

	while (x >> VARIANCE_BITS >> shift != 0)
		shift++;
	while ((x & (((EpsU128) 1 << shift) - 1)) != 0)
	{
		x = ((x >> shift) + 1) << shift;
		if (x >> VARIANCE_BITS >> shift != 0)
			shift++;
	}
	return x;
}

/*
 * The smallest variance with l2^2 2^59 <= units * variance, on the ladder.  0
 * where even the largest is too small, and also above the largest.
 */
static uint64_t
smallest_variance(const EpsCoordinate *c, uint64_t units)
{
	EpsU128		loss;
	EpsU128		variance;

	if (c->bound.l2_squared >> 69 != 0)
		return 0;
	loss = c->bound.l2_squared << (EPS_UNIT_BITS - 1);
	variance = loss / units + (loss % units != 0);
	if (variance > EPS_MECHANISM_MAX_VARIANCE)
		return 0;
	variance = round_up_variance(variance);
	return variance > EPS_MECHANISM_MAX_VARIANCE ? 0 : (uint64_t) variance;
}

/* The smallest numerator over SCALE_DEN up to MAX_NUM that fits; 0 if none does. */
static uint64_t
smallest_num(EpsCoordinate *c, bool pure, uint64_t units)
{
	uint64_t	low = 0;		/* too small */
	uint64_t	high = MAX_NUM;

	c->scale_den = SCALE_DEN;
	c->scale_num = high;
	if (!fits_price(c, pure, units))
		return 0;
	while (high - low > 1)
	{
		c->scale_num = low + (high - low) / 2;
		if (fits_price(c, pure, units))
			high = c->scale_num;
		else
			low = c->scale_num;
	}
	return high;
}

/* Whether the scale on a grid is one that samplers draw well, or which way to go. */
typedef enum Fit
{
	FIT_FINER,
	FIT_RIGHT,
	FIT_COARSER
} Fit;

/* Finds the scale on the grid that c->shift and c->bound describe. */
static Fit
fit_scale(EpsCoordinate *c, bool pure, uint64_t units)
{
	if (c->kind == EPS_NOISE_GAUSSIAN)
	{
		c->variance = smallest_variance(c, units);
		if (c->variance == 0)
			return FIT_COARSER;
		return c->variance < MIN_VARIANCE ? FIT_FINER : FIT_RIGHT;
	}
	c->scale_num = smallest_num(c, pure, units);
	if (c->scale_num == 0)
		return FIT_COARSER;
	return c->scale_num < MIN_NUM ? FIT_FINER : FIT_RIGHT;
}

/* num/den in lowest terms: den is a power of two. */
static void
reduce_scale(EpsCoordinate *c)
{
	while (c->scale_num % 2 == 0 && c->scale_den % 2 == 0)
	{
		c->scale_num /= 2;
		c->scale_den /= 2;
	}
}

/*
 * Walks from the value grid toward finer or coarser ones until the scale is
 * right.  A finer step after a coarser one cannot help: rounding toward zero
 * has made the bound smaller there, and what fits is kept.
 */
static EPS_MUST_USE EpsStatus
find_grid(EpsCoordinate *c, const EpsSensitivity *bound, bool pure, uint64_t units)
{
	EpsStatus	status = set_shift(c, bound, 0);
	Fit			fit;

	if (status != EPS_OK)
		return status;
	fit = fit_scale(c, pure, units);
	while (fit == FIT_FINER && status == EPS_OK)
	{
		status = set_shift(c, bound, c->shift - 1);
		if (status == EPS_OK)
			fit = fit_scale(c, pure, units);
	}
	while (fit == FIT_COARSER && status == EPS_OK)
	{
		status = set_shift(c, bound, c->shift + 1);
		if (status == EPS_OK)
			fit = fit_scale(c, pure, units);
	}
	return status;
}

EpsStatus
eps_mechanism_calibrate(EpsCoordinate *out, const EpsSensitivity *bound,
						EpsNoiseKind kind, bool pure, uint64_t units)
{
	EpsCoordinate c = {.kind = kind};
	EpsStatus	status;

	if (units == 0 || !is_legal_sensitivity(bound) || (kind == EPS_NOISE_GAUSSIAN && pure))
		return EPS_E_RANGE;
	if (kind != EPS_NOISE_GAUSSIAN && kind != EPS_NOISE_LAPLACE)
		return EPS_E_RANGE;
	status = find_grid(&c, bound, pure, units);
	if (status != EPS_OK)
		return status;
	if (kind == EPS_NOISE_LAPLACE)
		reduce_scale(&c);
	if (!fits_price(&c, pure, units))
		return EPS_E_INTERNAL;
	*out = c;
	return EPS_OK;
}
