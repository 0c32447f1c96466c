/*
 * accountant.c
 *	  Charges of contributions.
 *
 * The table of a Laplace coordinate in a zCDP data set is filled in floating
 * point from public parameters, rounded up; contributions meet integers only.
 */
#include "core/accountant/accountant.h"

#include <math.h>
#include <string.h>

#define STEPS 64				/* entries an octave */
#define STEP_BITS 6

/* --- Gaussian ----------------------------------------------------------------- */

/*
 * norm2 >= 32 variance costs at least 2^64 units.  Below, norm2 < 2^69, so the
 * numerator fits 128 bits and the quotient 64.
 *
 * The common case is a division of 64 bits: a calibrated variance is an odd
 * number of at most 8 bits times a power of two, which is divided out first.
 */
uint64_t
eps_accountant_gaussian_units(EpsU128 norm2, uint64_t variance)
{
	unsigned	twos;
	unsigned	shift = EPS_UNIT_BITS - 1;
	EpsU128		loss;
	uint64_t	quotient;
	bool		rest;

	if (norm2 == 0)
		return 0;
	if (norm2 >= (EpsU128) variance * 32)
		return UINT64_MAX;
	twos = (unsigned) __builtin_ctzll(variance);
	if (twos > shift)
		twos = shift;
	variance >>= twos;
	shift -= twos;

	loss = norm2 << shift;
	if (loss >> 64 == 0)
	{
		quotient = (uint64_t) loss / variance;
		rest = (uint64_t) loss % variance != 0;
	}
	else
	{
		quotient = (uint64_t) (loss / variance);
		rest = loss - (EpsU128) quotient * variance != 0;
	}
	return eps_base_add_sat_u64(quotient, rest);
}

static uint64_t
charge_gaussian(const EpsCharge *charge, const int64_t *z, size_t n)
{
	EpsU128		norm2 = 0;

	for (size_t i = 0; i < n; i++)
	{
		uint64_t	size = z[i] < 0 ? -(uint64_t) z[i] : (uint64_t) z[i];

		if (__builtin_add_overflow(norm2, (EpsU128) size * size, &norm2))
			return UINT64_MAX;
	}
	return eps_accountant_gaussian_units(norm2, charge->variance);
}

/* --- Laplace, pure --------------------------------------------------------------- */

/*
 * ceil(2^60 sum den / num).  sum >= 16 num costs at least 2^64 units, den being
 * at least 1.  Below, sum < 2^44 and sum den < 2^64; unless that reaches 16 num,
 * it is below 2^44 and the numerator below 2^104.
 */
static uint64_t
charge_pure(const EpsCharge *charge, const int64_t *z, size_t n)
{
	EpsU128		sum = 0;
	EpsU128		loss;
	EpsU128		quotient;

	for (size_t i = 0; i < n; i++)
		sum += z[i] < 0 ? -(uint64_t) z[i] : (uint64_t) z[i];
	if (sum >= (EpsU128) charge->scale_num * 16)
		return UINT64_MAX;
	loss = sum * charge->scale_den;
	if (loss >= (EpsU128) charge->scale_num * 16)
		return UINT64_MAX;
	loss <<= EPS_UNIT_BITS;
	quotient = loss / charge->scale_num;
	if (quotient * charge->scale_num != loss)
		quotient++;
	return quotient > UINT64_MAX ? UINT64_MAX : (uint64_t) quotient;
}

/* --- Laplace, zCDP ----------------------------------------------------------------- */

/*
 * Where the charge of a size stands in the table: sizes below 64 by themselves
 * (row 0); others by their octave and the six bits after the leading one, so
 * row r >= 1, column j holds the sizes from (64 + j) 2^(r-1) up to but not
 * (64 + j + 1) 2^(r-1).  Rows go to 58 for a size of 2^63.
 */
static inline unsigned
table_index(uint64_t size)
{
	unsigned	octave;

	if (size < STEPS)
		return (unsigned) size;
	octave = 63 - (unsigned) __builtin_clzll(size) - STEP_BITS;
	return (octave + 1) * STEPS + (unsigned) ((size >> octave) - STEPS);
}

/* The largest size that table_index() maps to this entry. */
static uint64_t
largest_of_entry(unsigned index)
{
	unsigned	row = index / STEPS;
	uint64_t	column = index % STEPS;

	if (row == 0)
		return column;
	return ((STEPS + column) << (row - 1)) + (((uint64_t) 1 << (row - 1)) - 1);
}

/*
 * Each entry is the loss of the largest size that it stands for, and the loss
 * increases with the size: so it bounds the loss of every size of the entry.
 * For sizes below 128 entry and size are one to one; above, sizes of an entry
 * differ by less than 1/64.
 */
static EPS_MUST_USE EpsStatus
fill_table(EpsCharge *charge)
{
	double		inverse = (double) charge->scale_den / (double) charge->scale_num * (1 + 1e-14);

	for (unsigned i = 0; i <= table_index((uint64_t) 1 << 63) + STEPS - 1; i++)
	{
		double		rho;
		EpsStatus	status = eps_mechanism_dlaplace_rho(&rho, inverse, largest_of_entry(i));

		if (status == EPS_OK)
			status = eps_mechanism_units_up(&charge->table[i], rho);
		if (status == EPS_E_OVERFLOW)
			charge->table[i] = UINT64_MAX;
		else if (status != EPS_OK)
			return status;
	}
	return EPS_OK;
}

/*
 * The table rounds each group's size up, the worst case does not: a contribution
 * within the bound of the coordinate never loses more than the worst case, so
 * its charge is cut there.  One outside the bound is not cut.
 */
static uint64_t
charge_zcdp_laplace(const EpsCharge *charge, const int64_t *z, size_t n)
{
	uint64_t	units = 0;
	uint64_t	sum = 0;
	uint64_t	largest = 0;

	for (size_t i = 0; i < n; i++)
	{
		uint64_t	size = z[i] < 0 ? -(uint64_t) z[i] : (uint64_t) z[i];

		units = eps_base_add_sat_u64(units, charge->table[table_index(size)]);
		sum = eps_base_add_sat_u64(sum, size);
		largest = size > largest ? size : largest;
	}
	if (units > charge->worst_units && sum <= charge->bound.l1 && largest <= charge->bound.linf)
		return charge->worst_units;
	return units;
}

/* --- the room's functions -------------------------------------------------------------- */

EpsStatus
eps_accountant_prepare(EpsCharge *out, const EpsCoordinate *c, bool pure)
{
	EpsStatus	status;

	memset(out, 0, sizeof(*out));
	status = eps_mechanism_worst_units(&out->worst_units, c, pure);
	if (status != EPS_OK)
		return status;
	out->kind = c->kind;
	out->pure = pure;
	out->variance = c->variance;
	out->scale_num = c->scale_num;
	out->scale_den = c->scale_den;
	out->bound = c->bound;
	if (c->kind == EPS_NOISE_LAPLACE && !pure)
		return fill_table(out);
	return EPS_OK;
}

uint64_t
eps_accountant_charge(const EpsCharge *charge, const int64_t *z, size_t n)
{
	if (charge->kind == EPS_NOISE_GAUSSIAN)
		return charge_gaussian(charge, z, n);
	return charge->pure ? charge_pure(charge, z, n) : charge_zcdp_laplace(charge, z, n);
}
