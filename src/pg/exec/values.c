/*
 * values.c
 *	  A row's value as an integer in units: clamped, truncated toward zero,
 *	  centred.  Exact, and never an error, whatever the value is.
 */
#include "postgres.h"

#include <math.h>

#include "pg/exec/exec_internal.h"

#include "catalog/pg_type.h"
#include "utils/lsyscache.h"

/* Beyond this size every value is clamped: bounds are smaller (rule: R V < 2^62). */
#define SURELY_CLAMPED 4.611686018427387904e18	/* 2^62 */

void
eps_exec_value_reader(EpsValueReader *out, const EpsPlanColumn *column)
{
	out->type = getBaseType(column->type);
	out->summed = column->summed;
	out->width = 0;
	out->lower = column->lower;
	out->upper = column->upper;
	out->center = column->center;
	out->scale10 = column->scale10;
	out->scale2 = column->scale2;
	if (!column->summed)
		return;
	switch (out->type)
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
			EPS_ENSURE(out->scale10 == 0, "a sum of integers has a scale");
			out->width = out->type == INT2OID ? 2 : out->type == INT4OID ? 4 : 8;
			break;
		case NUMERICOID:
		case FLOAT4OID:
		case FLOAT8OID:
			break;
		default:
			EPS_ENSURE(false, "type of a sum is not known");
	}
}

static inline int64
clamped(const EpsValueReader *r, int64 units)
{
	if (units < r->lower)
		units = r->lower;
	if (units > r->upper)
		units = r->upper;
	return units - r->center;
}

/* Multiplication by a power of two is exact but for underflow, which is 0 units
 * either way, and overflow, which is clamped either way. */
static int64
read_float(const EpsValueReader *r, double x)
{
	double		units;

	if (isnan(x))
		return EPS_VALUE_NULL;
	units = ldexp(x, -r->scale2);
	if (units >= SURELY_CLAMPED)
		return r->upper - r->center;
	if (units <= -SURELY_CLAMPED)
		return r->lower - r->center;
	return clamped(r, (int64) units);
}

static const int64 powers_of_ten[] = {
	INT64CONST(1), INT64CONST(10), INT64CONST(100), INT64CONST(1000), INT64CONST(10000)
};

/*
 * trunc(|x| 10^scale10).  Digit i, base 10000, stands at 10^e with
 * e = 4 (weight - i) + scale10; what lies below 10^0 is cut off.  The caller has
 * seen to it that the result has at most 24 decimal digits.
 */
static EpsI128
digits_to_units(const EpsNumericView *v, int scale10)
{
	EpsI128		units = 0;
	int			e = 4 * v->weight + scale10;

	for (int i = 0; i < v->ndigits; i++, e -= 4)
	{
		int16		digit;

		memcpy(&digit, v->digits + i * sizeof(int16), sizeof(int16));
		if (e <= -4)
			return units;
		if (e < 0)
			return units * powers_of_ten[4 + e] + digit / powers_of_ten[-e];
		units = units * 10000 + digit;
	}
	/* e is 4 below the exponent of the last digit read */
	for (e += 4; e > 0; e--)
		units *= 10;
	return units;
}

static int64
read_numeric(const EpsValueReader *r, Datum value)
{
	EpsNumericView v;
	EpsI128		units;

	eps_exec_numeric_view(&v, (const struct varlena *) PG_DETOAST_DATUM_PACKED(value));
	if (v.is_nan)
		return EPS_VALUE_NULL;
	if (v.is_infinite || (v.ndigits > 0 && 4 * v.weight + r->scale10 >= 20))
		return (v.negative ? r->lower : r->upper) - r->center;
	if (v.ndigits == 0)
		return clamped(r, 0);
	units = digits_to_units(&v, r->scale10);
	if (v.negative)
		units = -units;
	if (units < r->lower)
		return r->lower - r->center;
	if (units > r->upper)
		return r->upper - r->center;
	return (int64) units - r->center;
}

int64
eps_exec_read_value_slow(const EpsValueReader *reader, Datum value)
{
	if (!reader->summed)
		return 0;
	switch (reader->type)
	{
		case FLOAT4OID:
			return read_float(reader, DatumGetFloat4(value));
		case FLOAT8OID:
			return read_float(reader, DatumGetFloat8(value));
		default:
			return read_numeric(reader, value);
	}
}
