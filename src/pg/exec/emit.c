/*
 * emit.c
 *	  Step 7: noisy totals to SQL values.
 *
 * Post-processing: everything here is a function of noisy integers and public
 * parameters.  It never raises: the charge is spent (rule 9).  What does not fit
 * a result type saturates; an average over fewer than one noisy row is NULL.
 */
#include "postgres.h"

#include <float.h>
#include <math.h>

#include "pg/exec/exec_internal.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

#define INT128_MAX ((EpsI128) (~(EpsU128) 0 >> 1))

/* One output, prepared once. */
typedef struct Emitter
{
	const EpsRun *run;
	const EpsPlanOutput *output;
	const EpsPlanColumn *column;	/* of a sum or average */
	EpsI128		half_width_num; /* of intervals, in grid steps */
	EpsI128		half_width_den;
	double		stddev;			/* of count and sum */
} Emitter;

/* --- integers ---------------------------------------------------------------------- */

static EpsI128
mul_sat(EpsI128 a, EpsI128 b)
{
	EpsI128		out;

	if (__builtin_mul_overflow(a, b, &out))
		return (a < 0) == (b < 0) ? INT128_MAX : -INT128_MAX;
	return out;
}

static EpsI128
add_sat(EpsI128 a, EpsI128 b)
{
	EpsI128		out;

	if (__builtin_add_overflow(a, b, &out))
		return a < 0 ? -INT128_MAX : INT128_MAX;
	return out;
}

/* x 2^shift, to the nearest integer, halves away from zero. */
static EpsI128
scale_rounded(EpsI128 x, int32 shift)
{
	EpsI128		step;

	if (shift >= 0)
		return mul_sat(x, (EpsI128) 1 << Min(shift, 120));
	step = (EpsI128) 1 << Min(-shift, 120);
	if (x >= 0)
		return add_sat(x, step / 2) / step;
	return -(add_sat(-x, step / 2) / step);
}

static EpsI128
total_of(const Emitter *e, uint32 gid, int coord)
{
	return e->run->totals[(Size) gid * e->run->price->ncoords + coord];
}

static int32
shift_of(const Emitter *e, int coord)
{
	return e->run->price->coords[coord].shift;
}

/* --- numeric ------------------------------------------------------------------------ */

/* 40 digits hold 128 bits. */
static char *
int128_text(EpsI128 x, char buffer[48])
{
	EpsU128		rest = x < 0 ? -(EpsU128) x : (EpsU128) x;
	char	   *at = buffer + 47;

	*at = '\0';
	do
	{
		*--at = (char) ('0' + (int) (rest % 10));
		rest /= 10;
	} while (rest != 0);
	if (x < 0)
		*--at = '-';
	return at;
}

/* x 10^-scale10 */
static Datum
numeric_of(EpsI128 x, int32 scale10)
{
	char		buffer[48];
	char	   *text = psprintf("%se%d", int128_text(x, buffer), -scale10);

	return DirectFunctionCall3(numeric_in, CStringGetDatum(text), ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
}

/* --- counts and sums ------------------------------------------------------------------ */

static EpsI128
count_units(const Emitter *e, uint32 gid)
{
	return scale_rounded(total_of(e, gid, e->output->num), shift_of(e, e->output->num));
}

/* A sum in value units: the centre was taken off every row, so it comes back
 * once a row. */
static EpsI128
sum_units(const Emitter *e, uint32 gid)
{
	const EpsPlanOutput *o = e->output;
	EpsI128		sum = scale_rounded(total_of(e, gid, o->num), shift_of(e, o->num));

	if (o->den < 0 || e->column->center == 0)
		return sum;
	return add_sat(sum, scale_rounded(mul_sat(total_of(e, gid, o->den), e->column->center),
									  shift_of(e, o->den)));
}

static double
unit_of(const Emitter *e)
{
	if (e->column == NULL)
		return 1.0;
	if (e->column->scale2 != 0)
		return ldexp(1.0, e->column->scale2);
	return pow(10.0, -e->column->scale10);
}

static double
in_double(const Emitter *e, EpsI128 total, int coord)
{
	return ldexp((double) total, shift_of(e, coord));
}

/* A sum as a double, in value units; steps move both coordinates away from what
 * was drawn (for intervals). */
static double
sum_double(const Emitter *e, uint32 gid, int direction)
{
	const EpsPlanOutput *o = e->output;
	double		sum = in_double(e, add_sat(total_of(e, gid, o->num), direction * e->half_width_num), o->num);
	double		center = e->column ? (double) e->column->center : 0;
	EpsI128		den;

	if (o->den < 0 || center == 0)
		return sum * unit_of(e);
	if (center < 0)
		direction = -direction;
	den = add_sat(total_of(e, gid, o->den), direction * e->half_width_den);
	return (sum + center * in_double(e, den, o->den)) * unit_of(e);
}

/* --- averages ---------------------------------------------------------------------------- */

/* Noisy number of rows; below 1 there is no average. */
static double
average_rows(const Emitter *e, uint32 gid)
{
	return in_double(e, total_of(e, gid, e->output->den), e->output->den);
}

static double
clamp_average(const Emitter *e, double units)
{
	return Max(Min(units, (double) e->column->upper), (double) e->column->lower) * unit_of(e);
}

static double
average_double(const Emitter *e, uint32 gid)
{
	double		sum = in_double(e, total_of(e, gid, e->output->num), e->output->num);

	return clamp_average(e, (double) e->column->center + sum / average_rows(e, gid));
}

/*
 * The extremes over the rectangle of both intervals.  A group with an average has
 * at least one row, so the rectangle is cut there.
 */
static double
average_bound(const Emitter *e, uint32 gid, int direction)
{
	const EpsPlanOutput *o = e->output;
	double		num[2];
	double		den[2];
	double		extreme = 0;

	for (int i = 0; i < 2; i++)
	{
		int			way = i == 0 ? -1 : 1;

		num[i] = in_double(e, add_sat(total_of(e, gid, o->num), way * e->half_width_num), o->num);
		den[i] = in_double(e, add_sat(total_of(e, gid, o->den), way * e->half_width_den), o->den);
		den[i] = Max(den[i], 1.0);
	}
	for (int i = 0; i < 4; i++)
	{
		double		corner = num[i / 2] / den[i % 2];

		if (i == 0 || corner * direction > extreme * direction)
			extreme = corner;
	}
	return clamp_average(e, (double) e->column->center + extreme);
}

/* Delta method at the noisy values. */
static double
average_stddev(const Emitter *e, uint32 gid)
{
	const EpsPlanOutput *o = e->output;
	double		rows = average_rows(e, gid);
	double		ratio = in_double(e, total_of(e, gid, o->num), o->num) / rows;
	double		num = ldexp(eps_mechanism_stddev(&e->run->price->coords[o->num]), shift_of(e, o->num));
	double		den = ldexp(eps_mechanism_stddev(&e->run->price->coords[o->den]), shift_of(e, o->den));

	return hypot(num, ratio * den) / rows * unit_of(e);
}

/*
 * center + num/den, exact to numeric's own division.  2^shift of both goes to
 * whichever side keeps it an integer.
 */
static Datum
average_numeric(const Emitter *e, uint32 gid)
{
	const EpsPlanOutput *o = e->output;
	int32		shift = shift_of(e, o->num) - shift_of(e, o->den);
	EpsI128		num = total_of(e, gid, o->num);
	EpsI128		den = total_of(e, gid, o->den);
	Datum		unit = numeric_of(1, e->column->scale10);
	Datum		x;

	num = shift > 0 ? mul_sat(num, (EpsI128) 1 << Min(shift, 120)) : num;
	den = shift < 0 ? mul_sat(den, (EpsI128) 1 << Min(-shift, 120)) : den;
	x = DirectFunctionCall2(numeric_div,
							DirectFunctionCall2(numeric_mul, numeric_of(num, 0), unit),
							numeric_of(den, 0));
	x = DirectFunctionCall2(numeric_add, x, numeric_of(e->column->center, e->column->scale10));
	x = DirectFunctionCall2(numeric_smaller, x, numeric_of(e->column->upper, e->column->scale10));
	return DirectFunctionCall2(numeric_larger, x, numeric_of(e->column->lower, e->column->scale10));
}

/* --- result types -------------------------------------------------------------------------- */

static Datum
float4_saturated(double x)
{
	return Float4GetDatum((float4) Max(Min(x, (double) FLT_MAX), -(double) FLT_MAX));
}

static Datum
int8_saturated(EpsI128 x)
{
	return Int64GetDatum((int64) Max(Min(x, (EpsI128) PG_INT64_MAX), (EpsI128) PG_INT64_MIN));
}

static double
finite_double(double x)
{
	return Max(Min(x, DBL_MAX), -DBL_MAX);
}

static Datum
whole_units(const Emitter *e, EpsI128 units)
{
	int32		scale10 = e->column ? e->column->scale10 : 0;

	switch (e->output->type)
	{
		case INT8OID:
			return int8_saturated(units);
		case NUMERICOID:
			return numeric_of(units, scale10);
		default:
			EPS_ENSURE(false, "an output is of another type");
			return (Datum) 0;
	}
}

static Datum
emit_average(const Emitter *e, uint32 gid)
{
	switch (e->output->type)
	{
		case NUMERICOID:
			return average_numeric(e, gid);
		case FLOAT4OID:
			return float4_saturated(average_double(e, gid));
		case FLOAT8OID:
			return Float8GetDatum(finite_double(average_double(e, gid)));
		default:
			EPS_ENSURE(false, "an output is of another type");
			return (Datum) 0;
	}
}

static Datum
emit_value(const Emitter *e, uint32 gid)
{
	if (e->output->agg == EPS_AGG_AVG)
		return emit_average(e, gid);
	if (e->output->type == FLOAT8OID)
		return Float8GetDatum(finite_double(sum_double(e, gid, 0)));
	if (e->output->type == FLOAT4OID)
		return float4_saturated(sum_double(e, gid, 0));
	return whole_units(e, e->output->agg == EPS_AGG_COUNT ? count_units(e, gid) : sum_units(e, gid));
}

static double
emit_error_bar(const Emitter *e, uint32 gid)
{
	bool		average = e->output->agg == EPS_AGG_AVG;

	switch (e->output->kind)
	{
		case EPS_OUTPUT_LOW:
			return average ? average_bound(e, gid, -1) : sum_double(e, gid, -1);
		case EPS_OUTPUT_HIGH:
			return average ? average_bound(e, gid, 1) : sum_double(e, gid, 1);
		default:
			return average ? average_stddev(e, gid) : e->stddev;
	}
}

static Datum
emit_output(const Emitter *e, uint32 gid, bool *isnull)
{
	*isnull = e->output->agg == EPS_AGG_AVG && average_rows(e, gid) < 1.0;
	if (*isnull)
		return (Datum) 0;
	if (e->output->kind == EPS_OUTPUT_VALUE)
		return emit_value(e, gid);
	return Float8GetDatum(finite_double(emit_error_bar(e, gid)));
}

/* --- rows ------------------------------------------------------------------------------------ */

static EpsI128
half_width(const EpsRun *run, int coord, double confidence)
{
	int64		q = 0;

	eps_common_check(eps_mechanism_quantile(&q, &run->price->coords[coord], confidence), "interval");
	return q;
}

/* Two coordinates each at (1 + c) / 2 hold together with probability c at least. */
static void
prepare(Emitter *e, const EpsRun *run, const EpsPlanOutput *output)
{
	const EpsPlanCoord *num = &run->plan->coords[output->num];
	bool		two = output->den >= 0;

	memset(e, 0, sizeof(*e));
	e->run = run;
	e->output = output;
	if (num->kind == EPS_COORD_SUM)
		e->column = &run->plan->columns[num->column];
	if (output->agg == EPS_AGG_SUM && e->column->center == 0)
		two = false;
	if (output->kind == EPS_OUTPUT_STDDEV)
		e->stddev = eps_release_output_stddev(run->plan, run->price, output);
	if (output->kind != EPS_OUTPUT_LOW && output->kind != EPS_OUTPUT_HIGH)
		return;
	e->half_width_num = half_width(run, output->num, two ? (1 + output->confidence) / 2 : output->confidence);
	if (two)
		e->half_width_den = half_width(run, output->den, (1 + output->confidence) / 2);
}

static void
emit_keys(const EpsRun *run, uint32 gid, Datum *values, bool *isnull)
{
	const EpsGroups *g = run->groups;

	for (int k = 0; k < g->nkeys; k++)
	{
		isnull[k] = g->isnull[(Size) gid * g->nkeys + k];
		values[k] = isnull[k] ? (Datum) 0 :
			datumCopy(g->values[(Size) gid * g->nkeys + k], g->forms[k].typbyval, g->forms[k].typlen);
	}
}

/* One row's outputs, computed in a context that the caller resets. */
static void
emit_outputs(const Emitter *emitters, int n, uint32 gid, Datum *values, bool *isnull,
			 MemoryContext scratch)
{
	for (int i = 0; i < n; i++)
	{
		MemoryContext keep = MemoryContextSwitchTo(scratch);
		Datum		value = emit_output(&emitters[i], gid, &isnull[i]);

		MemoryContextSwitchTo(keep);
		if (!isnull[i] && emitters[i].output->kind == EPS_OUTPUT_VALUE && emitters[i].output->type == NUMERICOID)
			value = datumCopy(value, false, -1);
		values[i] = value;
	}
	MemoryContextReset(scratch);
}

EpsAnswerRows
eps_exec_emit(const EpsRun *run)
{
	EpsAnswerRows rows = {.nrows = run->nshown};
	int			nkeys = run->plan->nkeys;
	int			noutputs = run->plan->noutputs;
	Emitter    *emitters = MemoryContextAlloc(run->context, sizeof(Emitter) * Max(noutputs, 1));
	MemoryContext scratch = AllocSetContextCreate(run->context, "pg_epsilon answer", ALLOCSET_DEFAULT_SIZES);
	Size		cells;

	for (int i = 0; i < noutputs; i++)
		prepare(&emitters[i], run, &run->plan->outputs[i]);
	rows.natts = nkeys + noutputs;
	cells = (Size) Max(rows.natts, 1) * Max(rows.nrows, 1);
	rows.values = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(Datum) * cells);
	rows.isnull = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(bool) * cells);
	for (uint64 r = 0; r < rows.nrows; r++)
	{
		Datum	   *values = rows.values + r * rows.natts;
		bool	   *isnull = rows.isnull + r * rows.natts;

		emit_keys(run, run->shown[r], values, isnull);
		emit_outputs(emitters, noutputs, run->shown[r], values + nkeys, isnull + nkeys, scratch);
	}
	return rows;
}
