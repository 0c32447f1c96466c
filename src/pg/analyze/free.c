/*
 * free.c
 *	  Levels that read no protected rows: public ones, and whatever is done with
 *	  released answers.  They are PostgreSQL's own business, but for the
 *	  subqueries inside their expressions; and subqueries inside expressions of
 *	  levels that do read protected rows.
 */
#include "pg/analyze/analyze_internal.h"

#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "utils/lsyscache.h"

/* --- subqueries that are a value ------------------------------------------------ */

static bool is_one_row(EpsScope *scope);

static bool
full_join_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, JoinExpr) && ((JoinExpr *) node)->jointype == JOIN_FULL)
		return true;
	return expression_tree_walker(node, full_join_walker, context);
}

static bool
is_limited_to_one(EpsScope *scope)
{
	Const	   *value;

	return scope->query->limitCount != NULL && scope->query->limitOption != LIMIT_OPTION_WITH_TIES &&
		eps_analyze_const_value(scope, scope->query->limitCount, &value) &&
		!value->constisnull && DatumGetInt64(value->constvalue) <= 1;
}

/* The column of this source that the condition says is equal to something else. */
static AttrNumber
equated_column(OpExpr *op, int rtindex)
{
	Bitmapset  *sides[2];

	if (!IsA(op, OpExpr) || list_length(op->args) != 2)
		return InvalidAttrNumber;
	set_opfuncid(op);
	if (!eps_analyze_is_equality(op->opfuncid) || (OidIsValid(op->inputcollid) && !get_collation_isdeterministic(op->inputcollid)))
		return InvalidAttrNumber;
	sides[0] = pull_varnos(NULL, linitial(op->args));
	sides[1] = pull_varnos(NULL, lsecond(op->args));
	for (int i = 0; i < 2; i++)
	{
		Var		   *var = list_nth(op->args, i);

		if (IsA(var, Var) && var->varlevelsup == 0 && (int) var->varno == rtindex && !bms_is_member(rtindex, sides[1 - i]))
			return var->varattno;
	}
	return InvalidAttrNumber;
}

/* A relation of which WHERE fixes the columns of a unique index, by values that are
 * the same for all its rows (the only source, so there are no others). */
static bool
is_found_by_key(EpsScope *scope, int rtindex)
{
	Bitmapset  *attnos = NULL;
	List	   *quals = make_ands_implicit((Expr *) scope->query->jointree->quals);
	ListCell   *lc;

	foreach(lc, quals)
	{
		AttrNumber	attno = equated_column(lfirst(lc), rtindex);

		if (attno > 0)
			attnos = bms_add_member(attnos, attno);
	}
	return attnos != NULL && eps_analyze_is_unique_on(scope->sources[rtindex - 1].rte->relid, attnos);
}

static bool
is_one_row_source(EpsScope *scope, int rtindex)
{
	EpsSource  *source = &scope->sources[rtindex - 1];

	if (source->kind == EPS_SOURCE_NONE || source->rte->rtekind == RTE_RESULT)
		return true;
	if (source->scope != NULL)
		return is_one_row(source->scope);
	if (source->rte->rtekind == RTE_VALUES)
		return list_length(source->rte->values_lists) == 1;
	return source->rte->rtekind == RTE_RELATION && source->rte->tablesample == NULL && is_found_by_key(scope, rtindex);
}

/* At most one row, whatever the data (rule 15). */
static bool
is_one_row(EpsScope *scope)
{
	Query	   *q = scope->query;

	if (q->commandType != CMD_SELECT || q->setOperations != NULL || q->groupingSets != NIL)
		return false;
	if (is_limited_to_one(scope))
		return true;
	if (q->hasTargetSRFs)
		return false;
	if (q->groupClause == NIL && (q->hasAggs || q->havingQual != NULL))
		return true;
	if (full_join_walker((Node *) q->jointree->fromlist, NULL))
		return false;
	for (int i = 0; i < scope->nsources; i++)
	{
		if (!is_one_row_source(scope, i + 1))
			return false;
	}
	return true;
}

void
eps_analyze_check_one_row(EpsScope *sub, const SubLink *sublink)
{
	if ((sublink->subLinkType == EXPR_SUBLINK || sublink->subLinkType == ROWCOMPARE_SUBLINK) && !is_one_row(sub))
		eps_analyze_refuse(sublink->location, "this subquery could return more than one row",
						   "That would raise an error after owners were charged.",
						   "Aggregate in it (max, for instance), add LIMIT 1, or compare a unique key.");
}

/* --- levels -------------------------------------------------------------------------- */

typedef struct EpsFreeWalk
{
	EpsScope   *scope;
	bool		released;
} EpsFreeWalk;

static bool
sublink_walker(Node *node, EpsFreeWalk *walk)
{
	if (node == NULL)
		return false;
	if (IsA(node, SubLink))
	{
		SubLink    *sublink = (SubLink *) node;
		EpsScope   *sub = eps_analyze_query(walk->scope->cx, walk->scope, castNode(Query, sublink->subselect));

		if (sub->level->kind == EPS_LEVEL_OWNED)
			eps_analyze_refuse(sublink->location, "a subquery returns protected rows",
							   "Only aggregates over protected rows can be answered.",
							   "Aggregate in the subquery.");
		eps_analyze_check_one_row(sub, sublink);
		if (sub->level->kind == EPS_LEVEL_RELEASED)
			walk->released = true;
		return sublink_walker(sublink->testexpr, walk);
	}
	if (IsA(node, Query))
		return false;			/* range-table subqueries are sources, analyzed as such */
	return expression_tree_walker(node, sublink_walker, walk);
}

/* Sublinks of a query's own expressions, not of its sources. */
static bool
walk_expressions(Query *query, EpsFreeWalk *walk)
{
	ListCell   *lc;

	sublink_walker((Node *) query->targetList, walk);
	sublink_walker((Node *) query->returningList, walk);
	sublink_walker((Node *) query->jointree, walk);
	sublink_walker(query->havingQual, walk);
	sublink_walker(query->limitOffset, walk);
	sublink_walker(query->limitCount, walk);
	sublink_walker((Node *) query->windowClause, walk);
	sublink_walker((Node *) query->withCheckOptions, walk);
	sublink_walker((Node *) query->onConflict, walk);
	sublink_walker((Node *) query->mergeActionList, walk);
	foreach(lc, query->rtable)
	{
		RangeTblEntry *rte = lfirst_node(RangeTblEntry, lc);

		sublink_walker((Node *) rte->functions, walk);
		sublink_walker((Node *) rte->tablefunc, walk);
		sublink_walker((Node *) rte->values_lists, walk);
		sublink_walker((Node *) rte->securityQuals, walk);
		sublink_walker((Node *) rte->tablesample, walk);
	}
	return walk->released;
}

static void
free_facts(EpsScope *scope)
{
	ListCell   *lc;

	scope->nfacts = eps_analyze_nvisible(scope->query);
	scope->facts = palloc0(sizeof(EpsFact) * Max(scope->nfacts, 1));
	foreach(lc, scope->query->targetList)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, lc);

		if (!entry->resjunk && entry->resno <= scope->nfacts)
			scope->facts[entry->resno - 1] = eps_analyze_type_fact(exprType((Node *) entry->expr),
																   exprTypmod((Node *) entry->expr));
	}
}

void
eps_analyze_free_level(EpsScope *scope)
{
	EpsFreeWalk walk = {.scope = scope,.released = false};

	for (int i = 0; i < scope->nsources; i++)
	{
		if (scope->sources[i].kind == EPS_SOURCE_RELEASED)
			walk.released = true;
	}
	walk_expressions(scope->query, &walk);
	free_facts(scope);
	scope->level->kind = walk.released ? EPS_LEVEL_RELEASED : EPS_LEVEL_PUBLIC;
}

/*
 * One released aggregate and nothing above it: the answer is there before any row
 * is read, but when its subquery is looked at depends on a row, so no expression
 * of the analyst's may be evaluated then.
 */
static bool
is_bare_aggregate(EpsScope *sub)
{
	Query	   *q = sub->query;

	return sub->level->plan != NULL && !sub->level->plan->has_groups && list_length(q->targetList) == 1 &&
		IsA(linitial_node(TargetEntry, q->targetList)->expr, Aggref) && q->havingQual == NULL &&
		q->sortClause == NIL && q->distinctClause == NIL && q->limitCount == NULL && q->limitOffset == NULL;
}

/*
 * A subquery in an expression that stands beside protected rows: the answer of a
 * release that yields one row, or a set of public values to compare with.
 */
void
eps_analyze_owned_sublink(EpsScope *scope, SubLink *sublink)
{
	Query	   *query = castNode(Query, sublink->subselect);
	EpsScope   *sub;

	if (contain_vars_of_level((Node *) query, 1))
		eps_analyze_refuse(sublink->location, "a correlated subquery is not allowed beside protected rows", NULL,
						   "Write it as a join on the owner key.");
	sub = eps_analyze_query(scope->cx, scope, query);
	if (sublink->subLinkType == EXPR_SUBLINK && is_bare_aggregate(sub))
		return;
	if (sublink->subLinkType == ANY_SUBLINK && sub->level->kind == EPS_LEVEL_PUBLIC)
	{
		eps_analyze_require_total(sub, sublink->location);
		return;
	}
	eps_analyze_refuse(sublink->location, "this subquery is not allowed beside protected rows",
					   "Accepted are a single released aggregate by itself, without GROUP BY and HAVING, and IN over public relations.",
					   "Write other subqueries as joins.");
}
