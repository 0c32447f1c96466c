/*
 * preview.c
 *	  dp.preview(query): what a query would spend and how exact it would be. Reads
 *	  no data, charges nothing.
 */
#include "pg/rewrite/rewrite_internal.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/planner.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "pg/exec/exec.h"

PGDLLEXPORT Datum eps_rewrite_sql_preview(PG_FUNCTION_ARGS);
PG_FUNCTION_INFO_V1(eps_rewrite_sql_preview);

#define EPS_PREVIEW_COLUMNS 14

static PlannedStmt *
plan_text(const char *sql)
{
	List	   *raw = pg_parse_query(sql);
	List	   *queries;

	if (list_length(raw) != 1)
		ereport(ERROR, (errcode(ERRCODE_SYNTAX_ERROR), errmsg("dp.preview takes one statement")));
	queries = pg_analyze_and_rewrite_fixedparams(linitial_node(RawStmt, raw), sql, NULL, 0, NULL);
	if (list_length(queries) != 1 || linitial_node(Query, queries)->commandType == CMD_UTILITY)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("dp.preview takes one SELECT"),
						errhint("Pass the text of the query, without EXPLAIN.")));
	return pg_plan_query(linitial_node(Query, queries), sql, CURSOR_OPT_PARALLEL_OK, NULL);
}

static const char *
output_name(const EpsPlanOutput *output)
{
	switch (output->agg)
	{
		case EPS_AGG_COUNT:
			return "count";
		case EPS_AGG_SUM:
			return "sum";
		default:
			return "avg";
	}
}

static char *
groups_text(const EpsReleasePlan *plan, const EpsReleasePrice *price)
{
	if (!plan->has_groups)
		return pstrdup("one row");
	if (price->thresholded)
		return pstrdup("groups of enough owners");
	return psprintf("all " UINT64_FORMAT " groups of the public domain", price->ngroups);
}

static void
put_output(ReturnSetInfo *rsinfo, int number, const EpsReleasePlan *plan, const EpsReleasePrice *price,
		   bool repeat, TimestampTz at, int j)
{
	const EpsPlanOutput *output = &plan->outputs[j];
	Datum		values[EPS_PREVIEW_COLUMNS] = {0};
	bool		nulls[EPS_PREVIEW_COLUMNS] = {0};
	double		stddev = eps_release_output_stddev(plan, price, output);
	double		units = (double) eps_accountant_ladder_units(price->booked_level) / (double) EPS_UNITS_PER_ONE;
	double		epsilon = units;

	if (!price->dataset->pure &&
		eps_mechanism_zcdp_epsilon(&epsilon, units, price->dataset->conversion_delta) != EPS_OK)
		nulls[8] = true;
	values[0] = Int32GetDatum(number);
	values[1] = CStringGetTextDatum(price->dataset->name);
	values[2] = CStringGetTextDatum(plan->title);
	values[3] = Int32GetDatum(j + 1);
	values[4] = CStringGetTextDatum(output_name(output));
	values[5] = CStringGetTextDatum(eps_release_mechanism_text(plan, price, output->num));
	values[6] = Float8GetDatum(stddev);
	nulls[6] = stddev < 0;
	values[7] = Float8GetDatum(units);
	nulls[7] = price->dataset->pure;
	values[8] = Float8GetDatum(epsilon);
	values[9] = Float8GetDatum((double) eps_accountant_ladder_units(price->worst_delta_level) / (double) EPS_UNITS_PER_ONE);
	values[10] = CStringGetTextDatum(groups_text(plan, price));
	values[11] = Int64GetDatum(price->rows_per_owner);
	values[12] = BoolGetDatum(repeat);
	values[13] = TimestampTzGetDatum(at);
	nulls[13] = !repeat;
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

static void
put_release(ReturnSetInfo *rsinfo, int number, const EpsReleasePlan *plan, const EpsReleasePrice *price,
			bool repeat, TimestampTz at)
{
	for (int j = 0; j < plan->noutputs; j++)
		if (plan->outputs[j].kind == EPS_OUTPUT_VALUE)
			put_output(rsinfo, number, plan, price, repeat, at, j);
}

typedef struct EpsCollect
{
	List	   *scans;
} EpsCollect;

static void
collect_scans(Plan *plan, EpsCollect *collect)
{
	ListCell   *lc;

	if (plan == NULL)
		return;
	if (eps_exec_is_release(plan))
	{
		collect->scans = lappend(collect->scans, plan);
		return;
	}
	collect_scans(plan->lefttree, collect);
	collect_scans(plan->righttree, collect);
	if (IsA(plan, SubqueryScan))
		collect_scans(((SubqueryScan *) plan)->subplan, collect);
	else if (IsA(plan, Append))
		foreach(lc, ((Append *) plan)->appendplans)
			collect_scans(lfirst(lc), collect);
	else if (IsA(plan, MergeAppend))
		foreach(lc, ((MergeAppend *) plan)->mergeplans)
			collect_scans(lfirst(lc), collect);
}

static void
put_releases(ReturnSetInfo *rsinfo, const List *scans)
{
	EpsSettings settings = eps_release_settings();
	int			n = list_length(scans);
	int			number = 0;
	const EpsReleasePlan **plans = palloc(sizeof(EpsReleasePlan *) * Max(n, 1));
	EpsReleasePrice **prices = palloc(sizeof(EpsReleasePrice *) * Max(n, 1));
	EpsForecast *forecast;

	for (int i = 0; i < n; i++)
	{
		plans[i] = eps_exec_release_plan(list_nth_node(CustomScan, scans, i));
		prices[i] = eps_release_price(plans[i], &settings);
	}
	forecast = eps_exec_forecast(plans, prices, n, &settings);
	for (int i = 0; i < n; i++)
	{
		if (forecast[i].pilot != NULL)
			put_release(rsinfo, ++number, forecast[i].pilot, prices[i]->pilot,
						forecast[i].pilot_repeat, forecast[i].pilot_at);
		put_release(rsinfo, ++number, plans[i], prices[i], forecast[i].repeat, forecast[i].at);
	}
}

Datum
eps_rewrite_sql_preview(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	PlannedStmt *stmt = plan_text(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	EpsCollect	collect = {NIL};
	ListCell   *lc;

	InitMaterializedSRF(fcinfo, 0);
	foreach(lc, stmt->subplans)
		collect_scans(lfirst(lc), &collect);
	collect_scans(stmt->planTree, &collect);
	put_releases(rsinfo, collect.scans);
	PG_RETURN_VOID();
}
