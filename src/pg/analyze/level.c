/*
 * level.c
 *	  One query level: which of its clauses are accepted, and what it is.
 */
#include "pg/analyze/analyze_internal.h"

#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parsetree.h"

/* --- join alias Vars ---------------------------------------------------------- */

static void
flatten_join_tree(Query *query, Node *node)
{
	ListCell   *lc;

	if (node == NULL || IsA(node, RangeTblRef))
		return;
	if (IsA(node, FromExpr))
	{
		FromExpr   *from = (FromExpr *) node;

		foreach(lc, from->fromlist)
			flatten_join_tree(query, lfirst(lc));
		from->quals = flatten_join_alias_vars(query, from->quals);
	}
	else
	{
		JoinExpr   *join = castNode(JoinExpr, node);

		flatten_join_tree(query, join->larg);
		flatten_join_tree(query, join->rarg);
		join->quals = flatten_join_alias_vars(query, join->quals);
	}
}

static void
flatten_aliases(Query *query)
{
	ListCell   *lc;
	bool		has_join = false;

	foreach(lc, query->rtable)
		has_join = has_join || lfirst_node(RangeTblEntry, lc)->rtekind == RTE_JOIN;
	if (!has_join)
		return;
	query->targetList = (List *) flatten_join_alias_vars(query, (Node *) query->targetList);
	query->havingQual = flatten_join_alias_vars(query, query->havingQual);
	flatten_join_tree(query, (Node *) query->jointree);
}

/* --- clauses -------------------------------------------------------------------- */

/* Clauses that no level with protected rows may have, released or not. */
static void
check_owned_clauses(EpsScope *scope)
{
	Query	   *q = scope->query;

	if (q->commandType != CMD_SELECT)
		eps_analyze_refuse(-1, "only SELECT may read protected relations", NULL,
						   "Insert the result of an aggregating SELECT instead.");
	if (q->rowMarks != NIL)
		eps_analyze_refuse(-1, "FOR UPDATE and FOR SHARE are not allowed on protected relations", NULL, NULL);
	if (q->groupingSets != NIL)
		eps_analyze_refuse(-1, "GROUPING SETS, ROLLUP and CUBE are not supported over protected relations", NULL,
						   "Write one GROUP BY a statement.");
	if (q->setOperations != NULL)
		eps_analyze_refuse(-1, "UNION, INTERSECT and EXCEPT of protected rows are not supported",
						   NULL, "Aggregate each part first, then combine the answers.");
	if (q->hasTargetSRFs)
		eps_analyze_refuse(-1, "set-returning functions are not allowed beside protected rows", NULL, NULL);
	if (q->hasModifyingCTE || q->hasRecursive)
		eps_analyze_refuse(-1, "recursive and data-modifying WITH are not allowed beside protected rows", NULL, NULL);
	if (contain_vars_of_level((Node *) q, 1))
		eps_analyze_refuse(-1, "a subquery over protected rows must not refer to an outer query",
						   "A release takes no parameter from an outer row.",
						   "Write it as a join on the owner key, or use a statement parameter.");
}

/* Clauses that a level of rows, not of answers, may not have either. */
static void
check_row_clauses(EpsScope *scope)
{
	Query	   *q = scope->query;

	if (q->hasWindowFuncs || q->windowClause != NIL)
		eps_analyze_refuse(-1, "window functions over protected rows are not supported", NULL,
						   "Apply them to an aggregating subquery.");
	if (q->distinctClause != NIL)
		eps_analyze_refuse(-1, "DISTINCT over protected rows is not supported", NULL,
						   "Write GROUP BY with the same columns, or count(DISTINCT owner_key).");
	if (q->limitCount != NULL || q->limitOffset != NULL)
		eps_analyze_refuse(-1, "LIMIT and OFFSET over protected rows are not allowed",
						   "Which rows are kept would depend on the order in which they are met.",
						   "Apply LIMIT to the answer.");
}

/* --- total form ----------------------------------------------------------------- */

static void
total_qual(EpsScope *scope, Node *quals)
{
	EpsQual    *qual;
	EpsFact		ignored;

	if (quals == NULL)
		return;
	qual = palloc(sizeof(EpsQual));
	qual->source = quals;
	qual->total = eps_analyze_total(scope, quals, &ignored);
	scope->level->quals = lappend(scope->level->quals, qual);
}

static void
total_join_tree(EpsScope *scope, Node *node)
{
	ListCell   *lc;

	if (node == NULL || IsA(node, RangeTblRef))
		return;
	if (IsA(node, FromExpr))
	{
		foreach(lc, ((FromExpr *) node)->fromlist)
			total_join_tree(scope, lfirst(lc));
		total_qual(scope, ((FromExpr *) node)->quals);
	}
	else
	{
		JoinExpr   *join = castNode(JoinExpr, node);

		total_join_tree(scope, join->larg);
		total_join_tree(scope, join->rarg);
		total_qual(scope, join->quals);
	}
}

/* Row security of the base relations, and VALUES lists, stand beside the rows as well. */
static void
total_sources(EpsScope *scope)
{
	for (int i = 0; i < scope->nsources; i++)
	{
		EpsSource  *source = &scope->sources[i];
		ListCell   *lc;

		if (source->kind == EPS_SOURCE_NONE)
			continue;
		foreach(lc, source->rte->securityQuals)
		{
			EpsQual    *qual = palloc(sizeof(EpsQual));
			EpsFact		ignored;

			qual->source = lfirst(lc);
			qual->total = eps_analyze_total(scope, qual->source, &ignored);
			scope->level->security_quals = lappend(scope->level->security_quals, qual);
		}
		foreach(lc, source->rte->values_lists)
		{
			EpsQual    *row = palloc(sizeof(EpsQual));

			row->source = lfirst(lc);
			row->total = (Node *) eps_analyze_total_list(scope, lfirst_node(List, lc));
			scope->level->values = lappend(scope->level->values, row);
		}
	}
}

/* WHERE, ON and row security of a level, in total form. */
void
eps_analyze_total_clauses(EpsScope *scope)
{
	total_join_tree(scope, (Node *) scope->query->jointree);
	total_sources(scope);
}

/* The owner key of the nullable side names the owner only where it is not NULL. */
static Node *
total_target(EpsScope *scope, TargetEntry *entry)
{
	EpsFact    *fact = &scope->facts[entry->resno - 1];
	Node	   *total = eps_analyze_total(scope, (Node *) entry->expr, fact);

	if (IsA(entry->expr, Var) && scope->sources[((Var *) entry->expr)->varno - 1].nullable)
		fact->is_owner = false;
	return total;
}

static void
total_targets(EpsScope *scope)
{
	ListCell   *lc;

	scope->nfacts = eps_analyze_nvisible(scope->query);
	scope->facts = palloc0(sizeof(EpsFact) * Max(scope->nfacts, 1));
	foreach(lc, scope->query->targetList)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, lc);

		if (!entry->resjunk)
			scope->level->targets = lappend(scope->level->targets,
											total_target(scope, entry));
	}
}

/* --- kinds of level ---------------------------------------------------------------- */

static void
analyze_owned_level(EpsScope *scope)
{
	Query	   *q = scope->query;

	check_owned_clauses(scope);
	eps_analyze_joins(scope);
	eps_analyze_total_clauses(scope);
	scope->total = true;
	if (q->hasAggs || q->groupClause != NIL || q->havingQual != NULL)
		eps_analyze_release(scope);
	else
	{
		check_row_clauses(scope);
		total_targets(scope);
		scope->level->kind = EPS_LEVEL_OWNED;
	}
}

/*
 * A public level that will be read beside protected rows: its expressions must
 * be total and its sources public, for when they are evaluated may depend on the
 * rows beside them.
 */
void
eps_analyze_require_total(EpsScope *scope, int location)
{
	Query	   *q = scope->query;

	if (scope->total)
		return;
	if (q->hasAggs || q->groupClause != NIL || q->havingQual != NULL || q->setOperations != NULL ||
		q->hasTargetSRFs || q->hasRecursive || q->hasModifyingCTE || q->rowMarks != NIL ||
		q->hasWindowFuncs || q->windowClause != NIL || q->distinctClause != NIL ||
		q->limitCount != NULL || q->limitOffset != NULL)
		eps_analyze_refuse(location, "this public subquery is too complex beside protected rows",
						   "Only projection, filters and joins of public relations are accepted there.",
						   "Simplify it, or let a steward declare its result public.");
	if (contain_vars_of_level((Node *) q, 1))
		eps_analyze_refuse(location, "a correlated subquery is not allowed beside protected rows", NULL, NULL);
	for (int i = 0; i < scope->nsources; i++)
	{
		EpsSource  *source = &scope->sources[i];

		if (source->kind == EPS_SOURCE_NONE)
			continue;
		if (source->kind != EPS_SOURCE_PUBLIC)
			ereport(ERROR, (errcode(EPS_ERRCODE_REFUSED),
							errmsg("\"%s\" is neither protected nor public", source->rte->eref->aliasname),
							errhint("A steward can declare a relation public with dp.declare_public.")));
		if (source->scope != NULL)
			eps_analyze_require_total(source->scope, location);
	}
	scope->total = true;
	scope->level->beside_rows = true;
	eps_analyze_total_clauses(scope);
	scope->level->targets = NIL;
	total_targets(scope);
}

static void
analyze_ctes(EpsScope *scope)
{
	ListCell   *lc;

	foreach(lc, scope->query->cteList)
	{
		EpsCte	   *cte = palloc(sizeof(EpsCte));

		cte->cte = lfirst_node(CommonTableExpr, lc);
		if (cte->cte->cterecursive && eps_analyze_reaches_protected(castNode(Query, cte->cte->ctequery)))
			eps_analyze_refuse(cte->cte->location, "a recursive query over protected relations is not supported", NULL, NULL);
		if (!IsA(cte->cte->ctequery, Query))
			eps_analyze_refuse(cte->cte->location, "this form of WITH is not understood", NULL, NULL);
		cte->scope = eps_analyze_query(scope->cx, scope, castNode(Query, cte->cte->ctequery));
		cte->level = cte->scope->level;
		scope->ctes = lappend(scope->ctes, cte);
	}
}

EpsScope *
eps_analyze_query(EpsContext *cx, EpsScope *parent, Query *query)
{
	EpsScope   *scope;
	ListCell   *lc;

	foreach(lc, cx->scopes)
	{
		scope = lfirst(lc);
		if (scope->query == query)
			return scope;
	}
	scope = palloc0(sizeof(EpsScope));
	scope->cx = cx;
	scope->parent = parent;
	scope->query = query;
	scope->level = palloc0(sizeof(EpsLevel));
	scope->level->query = query;
	flatten_aliases(query);
	analyze_ctes(scope);
	eps_analyze_sources(scope);
	if (scope->owned)
		analyze_owned_level(scope);
	else
		eps_analyze_free_level(scope);
	cx->scopes = lappend(cx->scopes, scope);
	cx->verdict->levels = lappend(cx->verdict->levels, scope->level);
	return scope;
}
