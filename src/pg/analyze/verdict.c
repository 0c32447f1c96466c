/*
 * verdict.c
 *	  Entry of analysis: the statement as a whole, and how refusals are raised.
 */
#include "pg/analyze/analyze_internal.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_func.h"
#include "parser/parsetree.h"

void
eps_analyze_refuse(int location, const char *message, const char *detail, const char *hint)
{
	ereport(ERROR,
			(errcode(EPS_ERRCODE_REFUSED),
			 errmsg("%s", message),
			 detail ? errdetail("%s", detail) : 0,
			 hint ? errhint("%s", hint) : 0,
			 location >= 0 ? errposition(location + 1) : 0));
}

void
eps_analyze_unbounded(int location, const char *message, const char *detail, const char *hint)
{
	ereport(ERROR,
			(errcode(EPS_ERRCODE_UNBOUNDED),
			 errmsg("%s", message),
			 detail ? errdetail("%s", detail) : 0,
			 hint ? errhint("%s", hint) : 0,
			 location >= 0 ? errposition(location + 1) : 0));
}

/* --- functions of schema dp ------------------------------------------------------- */

static Oid
api_function(const char *name, int nargs, const Oid *types)
{
	List	   *qualified = list_make2(makeString(EPS_SCHEMA_API), makeString(pstrdup(name)));

	return LookupFuncName(qualified, nargs, types, false);
}

static Oid
same_args(const char *name, Oid type, int nargs)
{
	Oid			types[3] = {type, type, type};

	return api_function(name, nargs, types);
}

EpsFunctions
eps_analyze_functions(void)
{
	EpsFunctions f;
	Oid			interval_types[2] = {ANYELEMENTOID, FLOAT8OID};
	Oid			trunc_types[2] = {TEXTOID, TIMESTAMPOID};
	Oid			trunctz_types[2] = {TEXTOID, TIMESTAMPTZOID};
	Oid			bucket_types[4] = {FLOAT8OID, FLOAT8OID, FLOAT8OID, INT4OID};
	Oid			bucketn_types[4] = {NUMERICOID, NUMERICOID, NUMERICOID, INT4OID};
	Oid			shift_types[3] = {TIMESTAMPOID, INTERVALOID, BOOLOID};
	Oid			shifttz_types[3] = {TIMESTAMPTZOID, INTERVALOID, BOOLOID};
	Oid			plus_types[2] = {DATEOID, INT8OID};
	Oid			guarded_types[3] = {OIDOID, BOOLOID, ANYOID};
	Oid			release_types[1] = {ANYOID};

	f.clamp_int4 = same_args("clamp", INT4OID, 3);
	f.clamp_int8 = same_args("clamp", INT8OID, 3);
	f.clamp_numeric = same_args("clamp", NUMERICOID, 3);
	f.clamp_float8 = same_args("clamp", FLOAT8OID, 3);
	f.interval_low = api_function("interval_low", 2, interval_types);
	f.interval_high = api_function("interval_high", 2, interval_types);
	f.stddev_of_noise = same_args("stddev_of_noise", ANYELEMENTOID, 1);
	f.float8_mul = same_args("_float8_mul", FLOAT8OID, 2);
	f.float8_div = same_args("_float8_div", FLOAT8OID, 2);
	f.date_trunc_timestamp = api_function("_date_trunc", 2, trunc_types);
	f.date_trunc_timestamptz = api_function("_date_trunc", 2, trunctz_types);
	f.width_bucket_float8 = api_function("_width_bucket", 4, bucket_types);
	f.width_bucket_numeric = api_function("_width_bucket", 4, bucketn_types);
	f.timestamp_from_date = same_args("_timestamp", DATEOID, 1);
	f.timestamptz_from_date = same_args("_timestamptz", DATEOID, 1);
	f.date_from_timestamptz = same_args("_date", TIMESTAMPTZOID, 1);
	f.timestamp_from_timestamptz = same_args("_timestamp", TIMESTAMPTZOID, 1);
	f.timestamptz_from_timestamp = same_args("_timestamptz", TIMESTAMPOID, 1);
	f.shift_timestamp = api_function("_shift", 3, shift_types);
	f.shift_timestamptz = api_function("_shift", 3, shifttz_types);
	f.float8_from_numeric = same_args("_float8", NUMERICOID, 1);
	f.date_minus = same_args("_date_minus", DATEOID, 2);
	f.date_plus = api_function("_date_plus", 2, plus_types);
	f.short_text = same_args("_short", TEXTOID, 1);
	f.short_bpchar = same_args("_short", BPCHAROID, 1);
	f.guarded = api_function("_guarded", 3, guarded_types);
	f.guarded_apart = api_function("_guarded_apart", 3, guarded_types);
	f.guarded_cast = same_args("_guarded_cast", ANYOID, 1);
	f.guarded_cast_apart = same_args("_guarded_cast_apart", ANYOID, 1);
	f.at_least_zero = same_args("_at_least_zero", INT8OID, 1);
	f.positive = same_args("_positive", INT4OID, 1);
	f.fraction = same_args("_fraction", FLOAT8OID, 1);
	f.summable_float4 = same_args("_summable", FLOAT4OID, 1);
	f.summable_float8 = same_args("_summable", FLOAT8OID, 1);
	f.release = api_function("_release", 1, release_types);
	f.output = same_args("_output", INT4OID, 1);
	f.needs_parameters = same_args("_needs_parameters", INT4OID, 0);
	return f;
}

/* --- what a statement reaches -------------------------------------------------------- */

static bool
reaches_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, RangeTblEntry))
	{
		RangeTblEntry *rte = (RangeTblEntry *) node;

		return rte->rtekind == RTE_RELATION && eps_policy_protected(rte->relid) != NULL;
	}
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, reaches_walker, context, QTW_EXAMINE_RTES_BEFORE);
	return expression_tree_walker(node, reaches_walker, context);
}

bool
eps_analyze_reaches_protected(Query *query)
{
	return query_tree_walker(query, reaches_walker, NULL, QTW_EXAMINE_RTES_BEFORE);
}

EpsLevel *
eps_analyze_level(const EpsVerdict *verdict, const Query *query)
{
	ListCell   *lc;

	foreach(lc, verdict->levels)
	{
		EpsLevel   *level = lfirst(lc);

		if (level->query == query)
			return level;
	}
	return NULL;
}

static void
check_statement(Query *query)
{
	if (query->commandType == CMD_INSERT)
	{
		RangeTblEntry *target = rt_fetch(query->resultRelation, query->rtable);

		if (eps_policy_protected(target->relid) != NULL)
			eps_analyze_refuse(-1, "an analyst must not write to a protected relation", NULL, NULL);
	}
	else if (query->commandType != CMD_SELECT)
		eps_analyze_refuse(-1, "only SELECT and INSERT ... SELECT may reach protected relations",
						   "The number of rows that a statement changes would be an answer without noise.", NULL);
	if (query->hasModifyingCTE)
		eps_analyze_refuse(-1, "a data-modifying WITH is not allowed in a statement that reaches protected relations", NULL, NULL);
}

EpsVerdict *
eps_analyze_statement(Query *query, ParamListInfo params)
{
	EpsContext *cx = palloc0(sizeof(EpsContext));
	EpsScope   *scope;

	check_statement(query);
	cx->verdict = palloc0(sizeof(EpsVerdict));
	cx->params = params;
	cx->functions = eps_analyze_functions();
	scope = eps_analyze_query(cx, NULL, query);
	if (scope->level->kind == EPS_LEVEL_OWNED)
		eps_analyze_refuse(-1, "this query returns protected rows",
						   "Only aggregates over protected rows can be answered.",
						   "Aggregate with count, sum or avg, with or without GROUP BY.");
	return cx->verdict;
}
