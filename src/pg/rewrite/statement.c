/*
 * statement.c
 *	  What becomes of a statement in the planner hook.
 */
#include "pg/rewrite/rewrite_internal.h"

#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/planner.h"
#include "utils/lsyscache.h"

bool
eps_rewrite_statement(Query *query, ParamListInfo params, bool *generic)
{
	EpsVerdict *verdict;

	*generic = false;
	if (!eps_policy_is_analyst_session() || !eps_analyze_reaches_protected(query))
		return false;
	verdict = eps_analyze_statement(query, params);
	if (verdict->needs_params)
	{
		*generic = true;
		return true;
	}
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
