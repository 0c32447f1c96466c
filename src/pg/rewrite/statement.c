/*
 * statement.c
 *	  What becomes of a statement in the planner hook.
 */
#include "pg/rewrite/rewrite_internal.h"

#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "optimizer/planner.h"
#include "rewrite/rewriteManip.h"
#include "utils/lsyscache.h"

/* --- statically empty probes (rule 2) --------------------------------------------- */

static bool
is_zero_limit(Node *limit)
{
	Const	   *c;

	if (limit == NULL)
		return false;
	c = (Const *) eval_const_expressions(NULL, copyObject(limit));	/* 0 is still a cast there */
	return IsA(c, Const) && !c->constisnull && c->consttype == INT8OID && DatumGetInt64(c->constvalue) == 0;
}

/* Also 1 = 0, which BI tools write. */
static bool
is_false(Node *quals)
{
	Const	   *c;

	if (quals == NULL || checkExprHasSubLink(quals) || contain_var_clause(quals) || contain_volatile_functions(quals))
		return false;
	c = (Const *) eval_const_expressions(NULL, copyObject(quals));
	return IsA(c, Const) && !c->constisnull && !DatumGetBool(c->constvalue);
}

/*
 * LIMIT 0, or rows WHERE false: known to be empty from the text alone.  Drivers
 * and BI tools ask that way for the types of columns.  (An aggregate WHERE false
 * has a row: that is a release like any other.)
 */
static bool
is_empty_probe(const Query *query)
{
	if (query->commandType != CMD_SELECT || query->hasModifyingCTE || query->rowMarks != NIL)
		return false;
	return is_zero_limit(query->limitCount) ||
		(query->setOperations == NULL && is_false(query->jointree->quals) &&
		 !query->hasAggs && query->groupClause == NIL && query->havingQual == NULL);
}

/* A closed relation is refused in every query (rule 13). */
static bool
closed_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, RangeTblEntry))
	{
		RangeTblEntry *rte = (RangeTblEntry *) node;
		const EpsProtected *relation = rte->rtekind == RTE_RELATION ? eps_policy_protected(rte->relid) : NULL;

		if (relation != NULL && (relation->closed || relation->broken))
			ereport(ERROR, (errcode(EPS_ERRCODE_REFUSED),
							errmsg("relation \"%s\" is closed", rte->eref->aliasname)));
		return false;
	}
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, closed_walker, context, QTW_EXAMINE_RTES_BEFORE);
	return expression_tree_walker(node, closed_walker, context);
}

/* The same columns, from nothing: the statement no longer names a relation. */
static void
answer_probe(Query *query)
{
	List	   *targets = NIL;
	ListCell   *lc;

	foreach(lc, query->targetList)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, lc);
		Node	   *expr = (Node *) entry->expr;

		if (entry->resjunk)
			continue;
		expr = (Node *) makeNullConst(exprType(expr), exprTypmod(expr), exprCollation(expr));
		targets = lappend(targets, makeTargetEntry((Expr *) expr, entry->resno, entry->resname, false));
	}
	query->targetList = targets;
	query->rtable = NIL;
#if PG_VERSION_NUM >= 160000
	query->rteperminfos = NIL;
#endif
	query->jointree = makeFromExpr(NIL, makeBoolConst(false, false));
	query->cteList = NIL;
	query->groupClause = query->groupingSets = query->windowClause = NIL;
	query->distinctClause = query->sortClause = query->constraintDeps = NIL;
	query->havingQual = query->limitCount = query->limitOffset = query->setOperations = NULL;
	query->hasAggs = query->hasWindowFuncs = query->hasTargetSRFs = query->hasSubLinks = false;
	query->hasDistinctOn = query->hasRecursive = query->hasRowSecurity = query->groupDistinct = false;
}

bool
eps_rewrite_statement(Query *query, ParamListInfo params, bool *generic)
{
	EpsVerdict *verdict;

	*generic = false;
	if (!eps_policy_is_analyst_session() || !eps_analyze_reaches_protected(query))
		return false;
	if (is_empty_probe(query))
	{
		(void) closed_walker((Node *) query, NULL);
		answer_probe(query);
		return true;
	}
	verdict = eps_analyze_statement(query, params);
	if (verdict->needs_params)
	{
		*generic = true;
		return true;
	}
	eps_rewrite_authorize();
	eps_rewrite_levels(verdict);
	return true;
}

/*
 * The plan cache compares the cost of its generic plan with that of custom plans;
 * this one never wins.  Forced by plan_cache_mode it raises when it is run, by a
 * call of dp._needs_parameters() that no row comes before.
 */
PlannedStmt *
eps_rewrite_refuse_generic(Query *query)
{
	Query	   *stub = makeNode(Query);
	Oid			funcid = eps_analyze_functions().needs_parameters;
	PlannedStmt *result;
	ListCell   *lc;

	stub->commandType = CMD_SELECT;
	stub->querySource = query->querySource;
	stub->canSetTag = query->canSetTag;
	stub->stmt_location = query->stmt_location;
	stub->stmt_len = query->stmt_len;
	stub->jointree = makeFromExpr(NIL, (Node *) makeFuncExpr(funcid, BOOLOID, NIL, InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL));
	foreach(lc, query->targetList)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, lc);
		Node	   *value = (Node *) makeNullConst(exprType((Node *) entry->expr), exprTypmod((Node *) entry->expr),
												   exprCollation((Node *) entry->expr));

		if (!entry->resjunk)
			stub->targetList = lappend(stub->targetList, makeTargetEntry((Expr *) value, entry->resno, entry->resname, false));
	}
	result = standard_planner(stub, NULL, 0, NULL);
	result->planTree->startup_cost = result->planTree->total_cost = 1e15;
	return result;
}
