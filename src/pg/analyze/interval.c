/*
 * interval.c
 *	  Arithmetic of public bounds, rounded outward, so that a bound that fits a
 *	  type shows that no value can overflow it.
 */
#include "pg/analyze/analyze_internal.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

/* Beyond this magnitude nothing is called bounded: far from overflow of float8 and numeric alike. */
#define EPS_BOUND_MAX 1e100

static bool
set_bounds(EpsFact *out, const EpsFact *a, const EpsFact *b, double lo, double hi)
{
	if (!isfinite(lo) || !isfinite(hi) || fabs(lo) > EPS_BOUND_MAX || fabs(hi) > EPS_BOUND_MAX)
		return false;
	out->bounded = true;
	out->enforced = true;
	out->natural = a->natural || b->natural;
	out->lo = lo;
	out->hi = hi;
	return true;
}

static double
down(double x)
{
	return x == rint(x) && fabs(x) < 9007199254740992.0 ? x : nextafter(x, -INFINITY);
}

static double
up(double x)
{
	return x == rint(x) && fabs(x) < 9007199254740992.0 ? x : nextafter(x, INFINITY);
}

bool
eps_analyze_bounds_add(EpsFact *out, const EpsFact *a, const EpsFact *b)
{
	return set_bounds(out, a, b, down(a->lo + b->lo), up(a->hi + b->hi));
}

bool
eps_analyze_bounds_sub(EpsFact *out, const EpsFact *a, const EpsFact *b)
{
	return set_bounds(out, a, b, down(a->lo - b->hi), up(a->hi - b->lo));
}

bool
eps_analyze_bounds_mul(EpsFact *out, const EpsFact *a, const EpsFact *b)
{
	double		p[4] = {a->lo * b->lo, a->lo * b->hi, a->hi * b->lo, a->hi * b->hi};
	double		lo = p[0];
	double		hi = p[0];

	for (int i = 1; i < 4; i++)
	{
		lo = Min(lo, p[i]);
		hi = Max(hi, p[i]);
	}
	return set_bounds(out, a, b, down(lo), up(hi));
}

/* Integers whose quotients, as doubles, lie on the right side of every integer. */
static bool
is_exact(const EpsFact *a)
{
	return fabs(a->lo) < 9007199254740992.0 && fabs(a->hi) < 9007199254740992.0;
}

/*
 * The divisor's bounds must exclude zero.  Those of an integer quotient may hold it
 * all the same: it is cut toward zero.
 */
bool
eps_analyze_bounds_div(EpsFact *out, const EpsFact *a, const EpsFact *b, bool integer)
{
	double		p[4];
	double		lo;
	double		hi;

	if (b->lo <= 0 && b->hi >= 0)
		return false;
	p[0] = a->lo / b->lo;
	p[1] = a->lo / b->hi;
	p[2] = a->hi / b->lo;
	p[3] = a->hi / b->hi;
	lo = p[0];
	hi = p[0];
	for (int i = 1; i < 4; i++)
	{
		lo = Min(lo, p[i]);
		hi = Max(hi, p[i]);
	}
	if (integer && is_exact(a) && is_exact(b))
		return set_bounds(out, a, b, trunc(lo), trunc(hi));
	lo = nextafter(lo, -INFINITY);
	hi = nextafter(hi, INFINITY);
	return integer ? set_bounds(out, a, b, trunc(lo), trunc(hi)) : set_bounds(out, a, b, lo, hi);
}

bool
eps_analyze_fits_type(const EpsFact *fact, Oid type)
{
	switch (type)
	{
		case INT2OID:
			return fact->lo >= PG_INT16_MIN && fact->hi <= PG_INT16_MAX;
		case INT4OID:
			return fact->lo >= PG_INT32_MIN && fact->hi <= PG_INT32_MAX;
		case INT8OID:
			/* 2^63 - 1024 is the largest double below 2^63 */
			return fact->lo >= -9223372036854774784.0 && fact->hi <= 9223372036854774784.0;
		case FLOAT4OID:
			return fact->lo >= -1e37 && fact->hi <= 1e37;
		case FLOAT8OID:
		case NUMERICOID:
			return fact->bounded;
		default:
			return false;
	}
}

/* Widens *out so that it also covers a; the first of a series starts it. */
void
eps_analyze_fact_union(EpsFact *out, const EpsFact *a, bool first)
{
	if (first)
	{
		*out = *a;
		out->is_owner = false;
		out->origin = InvalidOid;
		out->is_const = false;
		return;
	}
	out->nullable = out->nullable || a->nullable;
	out->enforced = out->enforced && a->enforced;
	out->natural = out->natural || a->natural;
	if (out->bounded && a->bounded)
	{
		out->lo = Min(out->lo, a->lo);
		out->hi = Max(out->hi, a->hi);
	}
	else
		out->bounded = false;
	out->scale = (out->scale < 0 || a->scale < 0) ? -1 : Max(out->scale, a->scale);
	if (out->domain == EPS_DOMAIN_VALUES && a->domain == EPS_DOMAIN_VALUES)
		out->values = list_union(out->values, a->values);
	else
	{
		out->domain = EPS_DOMAIN_NONE;
		out->values = NIL;
	}
}

bool
eps_analyze_const_double(const Const *c, double *value)
{
	if (c->constisnull)
		return false;
	switch (c->consttype)
	{
		case INT2OID:
			*value = DatumGetInt16(c->constvalue);
			return true;
		case INT4OID:
			*value = DatumGetInt32(c->constvalue);
			return true;
		case INT8OID:
			*value = (double) DatumGetInt64(c->constvalue);
			return true;
		case FLOAT4OID:
			*value = DatumGetFloat4(c->constvalue);
			return isfinite(*value);
		case FLOAT8OID:
			*value = DatumGetFloat8(c->constvalue);
			return isfinite(*value);
		case NUMERICOID:
			*value = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, c->constvalue));
			return isfinite(*value);
		default:
			return false;
	}
}
