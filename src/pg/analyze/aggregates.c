/*
 * aggregates.c
 *	  A level that aggregates protected rows without their owner key: its release
 *	  plan.
 */
#include "pg/analyze/analyze_internal.h"

#include "access/transam.h"
#include "catalog/pg_aggregate.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "optimizer/tlist.h"
#include "rewrite/rewriteManip.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

/* Aggregates that can be released. To widen, add a row. */
typedef struct EpsAggregateRow
{
	Oid			funcid;
	EpsAggKind	kind;
} EpsAggregateRow;

static const EpsAggregateRow aggregate_table[] = {
	{F_COUNT_, EPS_AGG_COUNT}, {F_COUNT_ANY, EPS_AGG_COUNT},
	{F_SUM_INT2, EPS_AGG_SUM}, {F_SUM_INT4, EPS_AGG_SUM}, {F_SUM_INT8, EPS_AGG_SUM},
	{F_SUM_NUMERIC, EPS_AGG_SUM}, {F_SUM_FLOAT4, EPS_AGG_SUM}, {F_SUM_FLOAT8, EPS_AGG_SUM},
	{F_AVG_INT2, EPS_AGG_AVG}, {F_AVG_INT4, EPS_AGG_AVG}, {F_AVG_INT8, EPS_AGG_AVG},
	{F_AVG_NUMERIC, EPS_AGG_AVG}, {F_AVG_FLOAT4, EPS_AGG_AVG}, {F_AVG_FLOAT8, EPS_AGG_AVG},
};

/* --- aggregates --------------------------------------------------------------------------- */

static Node *
filtered(EpsScope *scope, Aggref *agg, Node *value, EpsFact *fact)
{
	CaseExpr   *expr;
	CaseWhen   *when;
	EpsFact		ignored;

	if (agg->aggfilter == NULL)
		return value;
	when = makeNode(CaseWhen);
	when->expr = (Expr *) eps_analyze_total(scope, (Node *) agg->aggfilter, &ignored);
	when->result = (Expr *) value;
	when->location = -1;
	expr = makeNode(CaseExpr);
	expr->casetype = exprType(value);
	expr->casecollid = exprCollation(value);
	expr->args = list_make1(when);
	expr->defresult = (Expr *) makeNullConst(exprType(value), exprTypmod(value), exprCollation(value));
	expr->location = -1;
	fact->nullable = true;
	return (Node *) expr;
}

static Node *
single_argument(EpsBuild *build, Aggref *agg, EpsFact *fact)
{
	TargetEntry *entry = linitial_node(TargetEntry, agg->args);

	return eps_analyze_total(build->scope, (Node *) entry->expr, fact);
}

static int
count_rows(EpsBuild *build, Aggref *agg)
{
	Node	   *value;
	EpsFact		fact = eps_analyze_type_fact(BOOLOID, -1);

	fact.nullable = false;
	if (agg->args == NIL)
		value = makeBoolConst(true, false);
	else
		value = single_argument(build, agg, &fact);
	if (agg->aggfilter == NULL && !fact.nullable)
		return eps_analyze_add_coord(build, EPS_COORD_ROWS, -1, 1);
	value = filtered(build->scope, agg, value, &fact);
	return eps_analyze_add_coord(build, EPS_COORD_ROWS, eps_analyze_add_column(build, value, &fact), 1);
}

/* There a row counts for its owner only where this key is not NULL. */
static bool
is_on_nullable_side(EpsScope *scope, Node *key)
{
	while (IsA(key, RelabelType))
		key = (Node *) ((RelabelType *) key)->arg;
	return IsA(key, Var) && scope->sources[((Var *) key)->varno - 1].nullable;
}

static int
count_distinct(EpsBuild *build, Aggref *agg)
{
	EpsFact		fact;
	Node	   *value;

	value = single_argument(build, agg, &fact);
	if (!fact.is_owner)
	{
		value = filtered(build->scope, agg, value, &fact);
		return eps_analyze_count_values(build, agg, value, &fact);
	}
	if (is_on_nullable_side(build->scope, value))
		return eps_analyze_add_coord(build, EPS_COORD_OWNERS,
									 eps_analyze_add_column(build, filtered(build->scope, agg, value, &fact), &fact), 1);
	if (agg->aggfilter == NULL)
		return eps_analyze_add_coord(build, EPS_COORD_OWNERS, -1, 1);
	fact = eps_analyze_type_fact(BOOLOID, -1);
	value = filtered(build->scope, agg, makeBoolConst(true, false), &fact);
	return eps_analyze_add_coord(build, EPS_COORD_OWNERS, eps_analyze_add_column(build, value, &fact), 1);
}

static void
sum_or_average(EpsBuild *build, Aggref *agg, EpsPlanOutput *output)
{
	EpsFact		fact;
	Node	   *value = single_argument(build, agg, &fact);
	int			column;
	EpsPlanColumn *c;

	value = filtered(build->scope, agg, value, &fact);
	column = eps_analyze_add_column(build, value, &fact);
	c = list_nth(build->columns, column);
	if (!c->summed)
		eps_analyze_set_units(c, &fact, agg->location);
	/* 63.4 % to the sum, 36.6 % to the count: docs/privacy.md, average */
	output->num = eps_analyze_add_coord(build, EPS_COORD_SUM, column, output->agg == EPS_AGG_AVG ? 1.7320508075688772 : 1);
	if (output->agg == EPS_AGG_AVG)
		output->den = eps_analyze_add_coord(build, EPS_COORD_ROWS, eps_analyze_count_column(build, column), 1);
}

static bool
find_aggregate(Oid funcid, EpsAggKind *kind)
{
	for (size_t i = 0; i < lengthof(aggregate_table); i++)
	{
		if (aggregate_table[i].funcid == funcid)
		{
			*kind = aggregate_table[i].kind;
			return true;
		}
	}
	return false;
}

static void
check_aggregate(Aggref *agg, EpsAggKind *kind)
{
	if (!find_aggregate(agg->aggfnoid, kind))
		ereport(ERROR,
				(errcode(EPS_ERRCODE_REFUSED),
				 errmsg("aggregate %s over protected rows is not supported", quote_identifier(get_func_name(agg->aggfnoid))),
				 errhint("Use count, sum or avg."),
				 agg->location >= 0 ? errposition(agg->location + 1) : 0));
	if (agg->aggkind != AGGKIND_NORMAL || agg->aggorder != NIL || agg->aggvariadic || agg->agglevelsup != 0)
		eps_analyze_refuse(agg->location, "this form of aggregate is not supported over protected rows", NULL, NULL);
	if (agg->aggdistinct != NIL && *kind != EPS_AGG_COUNT)
		eps_analyze_refuse(agg->location, "DISTINCT is supported in count only",
						   "What one owner adds to a sum of distinct values depends on everybody else's.",
						   "Use count(DISTINCT x), or take the sum or average in an outer query over one that groups by x.");
}

static void
add_output(EpsBuild *build, Node *source, Aggref *agg, EpsOutputKind kind, double confidence)
{
	EpsPlanOutput *output = palloc0(sizeof(EpsPlanOutput));
	ListCell   *lc;

	foreach(lc, build->scope->level->outputs)
	{
		if (equal(lfirst(lc), source))
			return;
	}
	check_aggregate(agg, &output->agg);
	output->kind = kind;
	output->den = -1;
	output->type = exprType(source);
	output->confidence = confidence;
	if (output->agg != EPS_AGG_COUNT)
		sum_or_average(build, agg, output);
	else if (agg->aggdistinct != NIL)
		output->num = count_distinct(build, agg);
	else
		output->num = count_rows(build, agg);
	build->outputs = lappend(build->outputs, output);
	build->scope->level->outputs = lappend(build->scope->level->outputs, source);
}

/* --- the select list ------------------------------------------------------------------------ */

static bool
interval_kind(EpsContext *cx, Oid funcid, EpsOutputKind *kind)
{
	if (funcid == cx->functions.interval_low)
		*kind = EPS_OUTPUT_LOW;
	else if (funcid == cx->functions.interval_high)
		*kind = EPS_OUTPUT_HIGH;
	else if (funcid == cx->functions.stddev_of_noise)
		*kind = EPS_OUTPUT_STDDEV;
	else
		return false;
	return true;
}

static void
add_interval(EpsBuild *build, FuncExpr *func, EpsOutputKind kind)
{
	Node	   *arg = linitial(func->args);
	double		confidence = 0.95;
	Const	   *value;

	if (!IsA(arg, Aggref))
		eps_analyze_refuse(func->location, "error bars are taken of an aggregate itself", NULL,
						   "Write, for example, dp.interval_low(sum(cost)).");
	if (kind != EPS_OUTPUT_STDDEV && list_length(func->args) == 2)	/* a default is not filled in yet */
	{
		if (!eps_analyze_const_value(build->scope, lsecond(func->args), &value))
		{
			EpsFact		ignored;

			(void) eps_analyze_const_missing(build->scope, lsecond(func->args), func->location, &ignored);
		}
		else if (!eps_analyze_const_double(value, &confidence) || !(confidence > 0 && confidence < 1))
			eps_analyze_refuse(func->location, "the confidence must lie between 0 and 1", NULL, NULL);
	}
	add_output(build, (Node *) func, (Aggref *) arg, kind, confidence);
}

static bool
is_key(EpsBuild *build, Node *node)
{
	return list_member(build->scope->level->key_sources, node);
}

static bool
output_walker(Node *node, EpsBuild *build)
{
	EpsOutputKind kind;

	if (node == NULL || is_key(build, node))
		return false;
	switch (nodeTag(node))
	{
		case T_Aggref:
			add_output(build, node, (Aggref *) node, EPS_OUTPUT_VALUE, 0);
			return false;
		case T_FuncExpr:
			if (interval_kind(build->scope->cx, ((FuncExpr *) node)->funcid, &kind))
			{
				add_interval(build, (FuncExpr *) node, kind);
				return false;
			}
			break;
		case T_Var:
			eps_analyze_refuse(((Var *) node)->location, "this column is neither a group key nor inside an aggregate",
							   "Columns that depend on a grouped primary key are protected rows all the same.",
							   "Add it to GROUP BY, or aggregate it.");
		case T_GroupingFunc:
			eps_analyze_refuse(((GroupingFunc *) node)->location, "GROUPING is not supported over protected rows", NULL, NULL);
		case T_SubLink:
			{
				EpsScope   *sub = eps_analyze_query(build->scope->cx, build->scope,
													castNode(Query, ((SubLink *) node)->subselect));

				if (sub->level->kind == EPS_LEVEL_OWNED || contain_vars_of_level(((SubLink *) node)->subselect, 1))
					eps_analyze_refuse(((SubLink *) node)->location, "this subquery is not allowed beside an aggregate over protected rows",
									   "It must be uncorrelated and must not return protected rows.", NULL);
				eps_analyze_check_one_row(sub, (SubLink *) node);
				return output_walker(((SubLink *) node)->testexpr, build);
			}
		default:
			break;
	}
	return expression_tree_walker(node, output_walker, build);
}

/* --- keys --------------------------------------------------------------------------------------- */

/* Values that differ in their looks alone (1.0 and 1.00, 0 and -0, 'a' and 'a ')
 * are one group. */
static List *
distinct_values(List *values, Oid type, Oid collation)
{
	TypeCacheEntry *cache = lookup_type_cache(type, TYPECACHE_EQ_OPR_FINFO);
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, values)
	{
		Const	   *value = lfirst_node(Const, lc);
		bool		found = false;
		ListCell   *other;

		EPS_ENSURE(value->consttype == type, "a value of a domain has another type than its key");
		foreach(other, result)
			found = found || DatumGetBool(FunctionCall2Coll(&cache->eq_opr_finfo, collation, value->constvalue,
															lfirst_node(Const, other)->constvalue));
		if (!found)
			result = lappend(result, value);
	}
	return result;
}

static void
set_key_domain(EpsPlanKey *key, const EpsFact *fact)
{
	key->nullable = fact->nullable;
	key->domain = fact->domain;
	key->values = fact->domain == EPS_DOMAIN_VALUES ? distinct_values(fact->values, key->type, key->collation) : NIL;
	key->lo = fact->domain_lo;
	key->hi = fact->domain_hi;
	if (key->domain == EPS_DOMAIN_RANGE &&
		key->type != INT2OID && key->type != INT4OID && key->type != INT8OID && key->type != NUMERICOID)
		key->domain = EPS_DOMAIN_NONE;
}

static bool
param_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Param))
		return true;
	return expression_tree_walker(node, param_walker, context);
}

static void
add_key(EpsBuild *build, SortGroupClause *clause)
{
	EpsScope   *scope = build->scope;
	Node	   *source = get_sortgroupclause_expr(clause, scope->query->targetList);
	EpsPlanKey *key = &build->plan->keys[build->plan->nkeys];
	EpsFact		fact;
	Node	   *total;

	if (is_key(build, source))
		return;
	total = eps_analyze_total(scope, source, &fact);
	if (scope->cx->params == NULL && param_walker(total, NULL))
		scope->cx->verdict->needs_params = true;	/* it decides whether NULL is a group */
	if (fact.is_owner)
		eps_analyze_refuse(exprLocation(source), "GROUP BY the owner key would show owners",
						   "Levels with one row an owner are not supported.",
						   "Use count(DISTINCT owner_key), or group by a property of the owner.");
	key->type = exprType(total);
	key->typmod = exprTypmod(total);
	key->collation = exprCollation(total);
	if (!eps_analyze_key_type(key->type) || clause->eqop >= FirstGenbkiObjectId ||
		(OidIsValid(key->collation) && (key->collation >= FirstNormalObjectId || !get_collation_isdeterministic(key->collation))))
		eps_analyze_refuse(exprLocation(source), "GROUP BY of this type or collation is not supported over protected rows",
						   NULL, "Group by a builtin scalar type under a deterministic collation.");
	set_key_domain(key, &fact);
	build->plan->nkeys++;
	scope->level->keys = lappend(scope->level->keys, total);
	scope->level->key_sources = lappend(scope->level->key_sources, source);
}

static void
add_keys(EpsBuild *build)
{
	Query	   *q = build->scope->query;
	ListCell   *lc;

	build->plan->has_groups = q->groupClause != NIL;
	build->plan->keys = palloc0(sizeof(EpsPlanKey) * Max(list_length(q->groupClause), 1));
	foreach(lc, q->groupClause)
		add_key(build, lfirst_node(SortGroupClause, lc));
}

/* The size of the public domain of all keys, or 0 where a key has none. */
static double
domain_size(const EpsReleasePlan *plan)
{
	double		size = 1;

	for (int i = 0; i < plan->nkeys; i++)
	{
		const EpsPlanKey *key = &plan->keys[i];

		if (key->domain == EPS_DOMAIN_NONE)
			return 0;
		size *= (key->domain == EPS_DOMAIN_VALUES ? (double) list_length(key->values) :
				 (double) key->hi - (double) key->lo + 1) + (key->nullable ? 1 : 0);
	}
	return size;
}

static void
add_selection(EpsBuild *build)
{
	EpsSettings settings = eps_release_settings();
	double		size = domain_size(build->plan);

	if (build->plan->has_groups &&
		(size == 0 || size > settings.max_groups || settings.groups == EPS_GROUPS_SEEN))
		eps_analyze_add_coord(build, EPS_COORD_OWNERS, -1, 1);
	else if (build->coords == NIL)
		eps_analyze_add_coord(build, EPS_COORD_OWNERS, -1, 1);
}

/* --- finishing ------------------------------------------------------------------------------------- */

/*
 * A sum whose values are counted as well is centred: half the sensitivity for
 * nothing (docs/privacy.md, average).
 */
static void
center_sums(EpsBuild *build)
{
	ListCell   *lc;

	foreach(lc, build->outputs)
	{
		EpsPlanOutput *output = lfirst(lc);
		EpsPlanCoord *coord = list_nth(build->coords, output->num);
		EpsPlanColumn *column;
		int			den;

		if (output->agg == EPS_AGG_COUNT)
			continue;
		column = list_nth(build->columns, coord->column);
		den = eps_analyze_find_coord(build, EPS_COORD_ROWS, eps_analyze_count_column(build, coord->column));
		if (den < 0)
			den = eps_analyze_find_coord(build, EPS_COORD_ROWS, coord->column);
		if (den < 0)
			continue;
		output->den = den;
		column->center = column->lower + (column->upper - column->lower) / 2;
	}
}

static void
copy_lists(EpsBuild *build)
{
	EpsReleasePlan *plan = build->plan;
	ListCell   *lc;

	plan->ncolumns = list_length(build->columns);
	plan->columns = palloc0(sizeof(EpsPlanColumn) * Max(plan->ncolumns, 1));
	foreach(lc, build->columns)
		plan->columns[foreach_current_index(lc)] = *(EpsPlanColumn *) lfirst(lc);
	plan->ncoords = list_length(build->coords);
	plan->coords = palloc0(sizeof(EpsPlanCoord) * Max(plan->ncoords, 1));
	foreach(lc, build->coords)
		plan->coords[foreach_current_index(lc)] = *(EpsPlanCoord *) lfirst(lc);
	plan->noutputs = list_length(build->outputs);
	plan->outputs = palloc0(sizeof(EpsPlanOutput) * Max(plan->noutputs, 1));
	foreach(lc, build->outputs)
		plan->outputs[foreach_current_index(lc)] = *(EpsPlanOutput *) lfirst(lc);
}

static char *
title(EpsBuild *build)
{
	StringInfoData text;
	ListCell   *lc;

	initStringInfo(&text);
	foreach(lc, build->scope->relations)
		appendStringInfo(&text, "%s%s", text.len > 0 ? ", " : "", get_rel_name(lfirst_oid(lc)));
	appendStringInfo(&text, ": %d aggregate%s", build->plan->noutputs, build->plan->noutputs == 1 ? "" : "s");
	if (build->plan->nkeys > 0)
		appendStringInfo(&text, " by %d key%s", build->plan->nkeys, build->plan->nkeys == 1 ? "" : "s");
	return text.data;
}

static void
set_owner(EpsBuild *build)
{
	EpsReleasePlan *plan = build->plan;
	EpsScope   *scope = build->scope;

	plan->dataset_id = scope->cx->dataset_id;
	plan->family = scope->cx->dataset->family;
	plan->owner_type = exprType((Node *) scope->level->owner);
	plan->owner_collation = exprCollation((Node *) scope->level->owner);
	plan->rows_per_owner = scope->unique ? 1 : scope->rows;
	plan->owner_unique = scope->unique;
	plan->groups_per_owner = scope->groups;
	plan->relations = scope->relations;
}

void
eps_analyze_release(EpsScope *scope)
{
	EpsBuild	build = {.scope = scope};
	EpsReleasePlan *plan = palloc0(sizeof(EpsReleasePlan));
	ListCell   *lc;

	build.plan = plan;
	set_owner(&build);
	add_keys(&build);
	output_walker((Node *) scope->query->targetList, &build);
	output_walker(scope->query->havingQual, &build);
	if (checkExprHasSubLink(scope->query->limitCount) || checkExprHasSubLink(scope->query->limitOffset))
		eps_analyze_refuse(-1, "a subquery is not allowed in LIMIT of an aggregate over protected rows", NULL, NULL);
	add_selection(&build);
	center_sums(&build);
	copy_lists(&build);
	plan->owners_coord = eps_analyze_find_coord(&build, EPS_COORD_OWNERS, -1);
	plan->title = title(&build);
	for (const EpsScope *at = scope; at != NULL; at = at->parent)
		scope->level->cte_lists = lappend(scope->level->cte_lists, at->query->cteList);
	scope->level->plan = plan;
	scope->level->kind = EPS_LEVEL_RELEASED;
	scope->cx->verdict->nreleases++;
	scope->nfacts = eps_analyze_nvisible(scope->query);
	scope->facts = palloc0(sizeof(EpsFact) * Max(scope->nfacts, 1));
	foreach(lc, scope->query->targetList)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, lc);

		if (!entry->resjunk)
			scope->facts[entry->resno - 1] = eps_analyze_type_fact(exprType((Node *) entry->expr), exprTypmod((Node *) entry->expr));
	}
}
