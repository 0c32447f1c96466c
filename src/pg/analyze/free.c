/*
 * free.c
 *	  Levels that read no protected rows: public ones, and whatever is done with
 *	  released answers.  They are PostgreSQL's own business, but for the
 *	  subqueries inside their expressions; and subqueries inside expressions of
 *	  levels that do read protected rows.
 */
#include "pg/analyze/analyze_internal.h"

#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"

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
