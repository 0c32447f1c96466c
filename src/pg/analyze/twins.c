/*
 * twins.c
 *	  Total twins: functions that return NULL, or the nearest value, where the
 *	  server's own would raise.  dp.clamp is for analysts too; the others are put in
 *	  by analysis.  And the functions that only mark a place in a query.
 */
#include "pg/analyze/analyze.h"

#include <math.h>

#include "access/detoast.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#define EPS_SQL_FUNCTION(name) \
	PGDLLEXPORT Datum name(PG_FUNCTION_ARGS); \
	PG_FUNCTION_INFO_V1(name)

EPS_SQL_FUNCTION(eps_analyze_sql_clamp_int4);
EPS_SQL_FUNCTION(eps_analyze_sql_clamp_int8);
EPS_SQL_FUNCTION(eps_analyze_sql_clamp_numeric);
EPS_SQL_FUNCTION(eps_analyze_sql_clamp_float8);
EPS_SQL_FUNCTION(eps_analyze_sql_float8_mul);
EPS_SQL_FUNCTION(eps_analyze_sql_float8_div);
EPS_SQL_FUNCTION(eps_analyze_sql_date_trunc_timestamp);
EPS_SQL_FUNCTION(eps_analyze_sql_date_trunc_timestamptz);
EPS_SQL_FUNCTION(eps_analyze_sql_width_bucket_float8);
EPS_SQL_FUNCTION(eps_analyze_sql_width_bucket_numeric);
EPS_SQL_FUNCTION(eps_analyze_sql_timestamp);
EPS_SQL_FUNCTION(eps_analyze_sql_timestamptz);
EPS_SQL_FUNCTION(eps_analyze_sql_date_from_timestamptz);
EPS_SQL_FUNCTION(eps_analyze_sql_timestamp_from_timestamptz);
EPS_SQL_FUNCTION(eps_analyze_sql_timestamptz_from_timestamp);
EPS_SQL_FUNCTION(eps_analyze_sql_shift_timestamp);
EPS_SQL_FUNCTION(eps_analyze_sql_shift_timestamptz);
EPS_SQL_FUNCTION(eps_analyze_sql_float8_from_numeric);
EPS_SQL_FUNCTION(eps_analyze_sql_date_minus);
EPS_SQL_FUNCTION(eps_analyze_sql_date_plus);
EPS_SQL_FUNCTION(eps_analyze_sql_short);
EPS_SQL_FUNCTION(eps_analyze_sql_at_least_zero);
EPS_SQL_FUNCTION(eps_analyze_sql_positive);
EPS_SQL_FUNCTION(eps_analyze_sql_fraction);
EPS_SQL_FUNCTION(eps_analyze_sql_summable_float8);
EPS_SQL_FUNCTION(eps_analyze_sql_summable_float4);
EPS_SQL_FUNCTION(eps_analyze_sql_error_bar);
EPS_SQL_FUNCTION(eps_analyze_sql_placeholder);
EPS_SQL_FUNCTION(eps_analyze_sql_needs_parameters);

/* --- clamping ---------------------------------------------------------------------- */

Datum
eps_analyze_sql_clamp_int4(PG_FUNCTION_ARGS)
{
	int32		x = PG_GETARG_INT32(0);

	PG_RETURN_INT32(Min(Max(x, PG_GETARG_INT32(1)), PG_GETARG_INT32(2)));
}

Datum
eps_analyze_sql_clamp_int8(PG_FUNCTION_ARGS)
{
	int64		x = PG_GETARG_INT64(0);

	PG_RETURN_INT64(Min(Max(x, PG_GETARG_INT64(1)), PG_GETARG_INT64(2)));
}

Datum
eps_analyze_sql_clamp_float8(PG_FUNCTION_ARGS)
{
	float8		x = PG_GETARG_FLOAT8(0);

	if (isnan(x))
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(Min(Max(x, PG_GETARG_FLOAT8(1)), PG_GETARG_FLOAT8(2)));
}

Datum
eps_analyze_sql_clamp_numeric(PG_FUNCTION_ARGS)
{
	Numeric		x = PG_GETARG_NUMERIC(0);

	if (numeric_is_nan(x))
		PG_RETURN_NULL();
	if (DatumGetBool(DirectFunctionCall2(numeric_lt, PG_GETARG_DATUM(0), PG_GETARG_DATUM(1))))
		PG_RETURN_DATUM(PG_GETARG_DATUM(1));
	if (DatumGetBool(DirectFunctionCall2(numeric_gt, PG_GETARG_DATUM(0), PG_GETARG_DATUM(2))))
		PG_RETURN_DATUM(PG_GETARG_DATUM(2));
	PG_RETURN_DATUM(PG_GETARG_DATUM(0));
}

/* --- beside protected rows ------------------------------------------------------------ */

/* The server's own raise on overflow and on underflow to zero. */
Datum
eps_analyze_sql_float8_mul(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(PG_GETARG_FLOAT8(0) * PG_GETARG_FLOAT8(1));
}

Datum
eps_analyze_sql_float8_div(PG_FUNCTION_ARGS)
{
	if (PG_GETARG_FLOAT8(1) == 0)
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(PG_GETARG_FLOAT8(0) / PG_GETARG_FLOAT8(1));
}

/*
 * Near the ends of the type a change of time zone could leave it: such an instant
 * counts as infinite.  POSIX-style zones are up to 168 hours off, and a change of
 * daylight saving can count that twice; hence the margin.
 */
#define EPS_ZONE_MARGIN (16 * USECS_PER_DAY)

static bool
is_near_end(Timestamp t, Timestamp *infinity)
{
	if (TIMESTAMP_NOT_FINITE(t))
		return false;
	if (t < MIN_TIMESTAMP + EPS_ZONE_MARGIN)
		TIMESTAMP_NOBEGIN(*infinity);
	else if (t > END_TIMESTAMP - EPS_ZONE_MARGIN)
		TIMESTAMP_NOEND(*infinity);
	else
		return false;
	return true;
}

/* Years before 3000 BC truncate to instants that the type cannot hold. */
static bool
too_early_to_truncate(Timestamp t)
{
	static const int64 first_day = (int64) -4999 * 366;	/* before 2000-01-01, at most */

	return !TIMESTAMP_NOT_FINITE(t) && t / USECS_PER_DAY < first_day;
}

Datum
eps_analyze_sql_date_trunc_timestamp(PG_FUNCTION_ARGS)
{
	if (too_early_to_truncate(PG_GETARG_TIMESTAMP(1)))
		PG_RETURN_NULL();
	return DirectFunctionCall2(timestamp_trunc, PG_GETARG_DATUM(0), PG_GETARG_DATUM(1));
}

Datum
eps_analyze_sql_date_trunc_timestamptz(PG_FUNCTION_ARGS)
{
	Timestamp	infinity;

	if (too_early_to_truncate(PG_GETARG_TIMESTAMPTZ(1)) || is_near_end(PG_GETARG_TIMESTAMPTZ(1), &infinity))
		PG_RETURN_NULL();
	return DirectFunctionCall2(timestamptz_trunc, PG_GETARG_DATUM(0), PG_GETARG_DATUM(1));
}

/* Limits and count are constants that analysis has checked. */
Datum
eps_analyze_sql_width_bucket_float8(PG_FUNCTION_ARGS)
{
	if (isnan(PG_GETARG_FLOAT8(0)))
		PG_RETURN_NULL();
	return DirectFunctionCall4(width_bucket_float8, PG_GETARG_DATUM(0), PG_GETARG_DATUM(1),
							   PG_GETARG_DATUM(2), PG_GETARG_DATUM(3));
}

Datum
eps_analyze_sql_width_bucket_numeric(PG_FUNCTION_ARGS)
{
	if (numeric_is_nan(PG_GETARG_NUMERIC(0)))
		PG_RETURN_NULL();
	return DirectFunctionCall4(width_bucket_numeric, PG_GETARG_DATUM(0), PG_GETARG_DATUM(1),
							   PG_GETARG_DATUM(2), PG_GETARG_DATUM(3));
}

/* A date beyond the range of timestamps becomes infinity. */
Datum
eps_analyze_sql_timestamp(PG_FUNCTION_ARGS)
{
	int			overflow;

	PG_RETURN_TIMESTAMP(date2timestamp_opt_overflow(PG_GETARG_DATEADT(0), &overflow));
}

Datum
eps_analyze_sql_timestamptz(PG_FUNCTION_ARGS)
{
	int			overflow;
	Timestamp	local = date2timestamp_opt_overflow(PG_GETARG_DATEADT(0), &overflow);
	Timestamp	infinity;

	if (overflow != 0 || TIMESTAMP_NOT_FINITE(local))
		PG_RETURN_TIMESTAMPTZ(local);
	if (is_near_end(local, &infinity))
		PG_RETURN_TIMESTAMPTZ(infinity);
	PG_RETURN_TIMESTAMPTZ(date2timestamptz_opt_overflow(PG_GETARG_DATEADT(0), &overflow));
}

Datum
eps_analyze_sql_date_from_timestamptz(PG_FUNCTION_ARGS)
{
	Timestamp	infinity;

	if (is_near_end(PG_GETARG_TIMESTAMPTZ(0), &infinity))
		return DirectFunctionCall1(timestamp_date, TimestampGetDatum(infinity));
	return DirectFunctionCall1(timestamptz_date, PG_GETARG_DATUM(0));
}

Datum
eps_analyze_sql_timestamp_from_timestamptz(PG_FUNCTION_ARGS)
{
	Timestamp	infinity;

	if (is_near_end(PG_GETARG_TIMESTAMPTZ(0), &infinity))
		PG_RETURN_TIMESTAMP(infinity);
	return DirectFunctionCall1(timestamptz_timestamp, PG_GETARG_DATUM(0));
}

Datum
eps_analyze_sql_timestamptz_from_timestamp(PG_FUNCTION_ARGS)
{
	Timestamp	infinity;

	if (is_near_end(PG_GETARG_TIMESTAMP(0), &infinity))
		PG_RETURN_TIMESTAMPTZ(infinity);
	return DirectFunctionCall1(timestamp_timestamptz, PG_GETARG_DATUM(0));
}

/*
 * t + span or t - span, NULL unless the result lies safely inside the type: a
 * month is taken as 32 days there, and a year of margin is left at both ends.
 */
static Datum
shift(PG_FUNCTION_ARGS, PGFunction plus)
{
	Timestamp	t = PG_GETARG_TIMESTAMP(0);
	Interval	span = *PG_GETARG_INTERVAL_P(1);
	bool		minus = PG_GETARG_BOOL(2);
	double		reach = fabs((double) span.month) * 32 * USECS_PER_DAY +
		fabs((double) span.day) * USECS_PER_DAY + fabs((double) span.time) + 366.0 * USECS_PER_DAY;

	if (TIMESTAMP_NOT_FINITE(t))
		PG_RETURN_TIMESTAMP(t);
	if ((double) t - reach < (double) MIN_TIMESTAMP || (double) t + reach > (double) END_TIMESTAMP)
		PG_RETURN_NULL();
	if (minus)
	{
		span.month = -span.month;
		span.day = -span.day;
		span.time = -span.time;
	}
	return DirectFunctionCall2(plus, TimestampGetDatum(t), IntervalPGetDatum(&span));
}

Datum
eps_analyze_sql_shift_timestamp(PG_FUNCTION_ARGS)
{
	return shift(fcinfo, timestamp_pl_interval);
}

Datum
eps_analyze_sql_shift_timestamptz(PG_FUNCTION_ARGS)
{
	return shift(fcinfo, timestamptz_pl_interval);
}

/* Without the server's errors: too large becomes infinite, too small zero. */
Datum
eps_analyze_sql_float8_from_numeric(PG_FUNCTION_ARGS)
{
	return DirectFunctionCall1(numeric_float8_no_overflow, PG_GETARG_DATUM(0));
}

Datum
eps_analyze_sql_date_minus(PG_FUNCTION_ARGS)
{
	DateADT		a = PG_GETARG_DATEADT(0);
	DateADT		b = PG_GETARG_DATEADT(1);

	if (DATE_NOT_FINITE(a) || DATE_NOT_FINITE(b))
		PG_RETURN_NULL();
	PG_RETURN_INT32((int32) ((int64) a - (int64) b));
}

Datum
eps_analyze_sql_date_plus(PG_FUNCTION_ARGS)
{
	DateADT		a = PG_GETARG_DATEADT(0);
	int64		sum = (int64) a + PG_GETARG_INT64(1);

	if (DATE_NOT_FINITE(a))
		PG_RETURN_DATEADT(a);
	if (sum < DATETIME_MIN_JULIAN - POSTGRES_EPOCH_JDATE)
		PG_RETURN_DATEADT(DATEVAL_NOBEGIN);
	if (sum >= DATE_END_JULIAN - POSTGRES_EPOCH_JDATE)
		PG_RETURN_DATEADT(DATEVAL_NOEND);
	PG_RETURN_DATEADT((DateADT) sum);
}

/* At most 64 MB, whatever form it is stored in. */
Datum
eps_analyze_sql_short(PG_FUNCTION_ARGS)
{
	if (toast_raw_datum_size(PG_GETARG_DATUM(0)) > ((Size) 64 << 20))
		PG_RETURN_NULL();
	PG_RETURN_DATUM(PG_GETARG_DATUM(0));
}

/* --- above a release: arguments that the place would not take --------------------------- */

/* Once for each place in the query. */
static void
warn_place(FmgrInfo *place, int code, const char *message)
{
	if (place->fn_extra != NULL)
		return;
	place->fn_extra = place;
	ereport(WARNING, (errcode(code), errmsg("%s", message)));
}

/* LIMIT, OFFSET and frames. */
Datum
eps_analyze_sql_at_least_zero(PG_FUNCTION_ARGS)
{
	if (PG_GETARG_INT64(0) < 0)
	{
		warn_place(fcinfo->flinfo, ERRCODE_INVALID_ROW_COUNT_IN_LIMIT_CLAUSE, "a negative number of rows counts as 0");
		PG_RETURN_INT64(0);
	}
	PG_RETURN_INT64(PG_GETARG_INT64(0));
}

/* ntile and nth_value. */
Datum
eps_analyze_sql_positive(PG_FUNCTION_ARGS)
{
	if (PG_GETARG_INT32(0) <= 0)
	{
		warn_place(fcinfo->flinfo, ERRCODE_INVALID_ARGUMENT_FOR_NTILE, "a window function of a number below 1 gives NULL");
		PG_RETURN_NULL();
	}
	PG_RETURN_INT32(PG_GETARG_INT32(0));
}

Datum
eps_analyze_sql_fraction(PG_FUNCTION_ARGS)
{
	if (!(PG_GETARG_FLOAT8(0) >= 0 && PG_GETARG_FLOAT8(0) <= 1))
	{
		warn_place(fcinfo->flinfo, ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, "a percentile outside 0 to 1 gives NULL");
		PG_RETURN_NULL();
	}
	PG_RETURN_FLOAT8(PG_GETARG_FLOAT8(0));
}

/* Sums, and sums of squares, of as many such values as a table can have stay finite. */
Datum
eps_analyze_sql_summable_float8(PG_FUNCTION_ARGS)
{
	if (isfinite(PG_GETARG_FLOAT8(0)) && fabs(PG_GETARG_FLOAT8(0)) > 1e130)
	{
		warn_place(fcinfo->flinfo, ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, "a value above 1e130 does not count in an aggregate");
		PG_RETURN_NULL();
	}
	PG_RETURN_FLOAT8(PG_GETARG_FLOAT8(0));
}

Datum
eps_analyze_sql_summable_float4(PG_FUNCTION_ARGS)
{
	if (isfinite(PG_GETARG_FLOAT4(0)) && fabsf(PG_GETARG_FLOAT4(0)) > 1e25f)
	{
		warn_place(fcinfo->flinfo, ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, "a value above 1e25 does not count in an aggregate");
		PG_RETURN_NULL();
	}
	PG_RETURN_FLOAT4(PG_GETARG_FLOAT4(0));
}

/* --- places in a query --------------------------------------------------------------------- */

Datum
eps_analyze_sql_error_bar(PG_FUNCTION_ARGS)
{
	ereport(ERROR,
			(errcode(EPS_ERRCODE_REFUSED),
			 errmsg("error bars exist for aggregates over protected relations only"),
			 errhint("Write, for example, dp.interval_low(count(*)) beside the aggregate, in the same query.")));
	PG_RETURN_NULL();
}

/* Reached only where a release was not made into its node: fail closed. */
Datum
eps_analyze_sql_placeholder(PG_FUNCTION_ARGS)
{
	ereport(ERROR,
			(errcode(EPS_ERRCODE_REFUSED),
			 errmsg("this function is internal to pg_epsilon")));
	PG_RETURN_NULL();
}

Datum
eps_analyze_sql_needs_parameters(PG_FUNCTION_ARGS)
{
	ereport(ERROR,
			(errcode(EPS_ERRCODE_REFUSED),
			 errmsg("this release needs the values of its parameters when it is planned"),
			 errdetail("A parameter decides a bound or a domain."),
			 errhint("SET plan_cache_mode = auto.")));
	PG_RETURN_NULL();
}
