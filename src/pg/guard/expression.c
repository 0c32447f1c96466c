/*
 * expression.c
 *	  A second look at every expression below a release node: it must call nothing
 *	  but functions of the allow-list.
 *
 * Analysis brings the expressions of a query to total form; this holds whatever
 * became of them: one that was missed on the way, one that the planner brought
 * in (the predicate of an index, a row-security policy, the body of a function).
 * Partition pruning needs no look: its expressions are parts of conditions that
 * stand in the plan as well.
 */
#include "pg/guard/guard_internal.h"

#include "miscadmin.h"
#include "nodes/nodeFuncs.h"

#include "pg/exec/exec.h"

typedef struct EpsExpressionWalk
{
	const PlannedStmt *stmt;
	const EpsFunctions *functions;
} EpsExpressionWalk;

static void check_tree(EpsExpressionWalk *walk, const Plan *plan);

static void pg_attribute_noreturn()
refuse(void)
{
	ereport(ERROR,
			(errcode(EPS_ERRCODE_REFUSED),
			 errmsg("the plan of this query would evaluate an expression beside protected rows that could fail on them"),
			 errdetail("The query was stopped by the last check before execution."),
			 errhint("Use the functions that docs/analyst.md lists.")));
}

static bool
is_function_refused(Oid funcid, void *context)
{
	return !eps_analyze_may_run_beside_rows(((EpsExpressionWalk *) context)->functions, funcid);
}

static const Plan *
subplan_of(const EpsExpressionWalk *walk, int plan_id)
{
	EPS_ENSURE(plan_id >= 1 && plan_id <= list_length(walk->stmt->subplans), "a plan has no such subplan");
	return list_nth(walk->stmt->subplans, plan_id - 1);
}

static bool
expression_walker(Node *node, void *context)
{
	EpsExpressionWalk *walk = context;

	if (node == NULL)
		return false;
	check_stack_depth();
	switch (nodeTag(node))
	{
		case T_List:
		case T_TargetEntry:
		case T_Var:
		case T_Const:
		case T_Param:
		case T_FuncExpr:
		case T_OpExpr:
		case T_DistinctExpr:
		case T_NullIfExpr:
		case T_ScalarArrayOpExpr:
		case T_BoolExpr:
		case T_CaseExpr:
		case T_CaseWhen:
		case T_CaseTestExpr:
		case T_CoalesceExpr:
		case T_MinMaxExpr:
		case T_NullTest:
		case T_BooleanTest:
		case T_RelabelType:
		case T_ArrayExpr:
		case T_SQLValueFunction:
			break;
		case T_SubPlan:
			check_tree(walk, subplan_of(walk, ((SubPlan *) node)->plan_id));
			break;
		default:
			refuse();
	}
	if (check_functions_in_node(node, is_function_refused, walk))
		refuse();
	return expression_tree_walker(node, expression_walker, walk);
}

static void
check(EpsExpressionWalk *walk, const void *expression)
{
	(void) expression_walker((Node *) expression, walk);
}

/* Expressions of a scan that are neither its targets nor its qual. */
static void
check_scan_expressions(EpsExpressionWalk *walk, const Plan *plan)
{
	switch (nodeTag(plan))
	{
		case T_IndexScan:
			check(walk, ((const IndexScan *) plan)->indexqual);
			check(walk, ((const IndexScan *) plan)->indexqualorig);
			check(walk, ((const IndexScan *) plan)->indexorderby);
			break;
		case T_IndexOnlyScan:
			check(walk, ((const IndexOnlyScan *) plan)->indexqual);
			check(walk, ((const IndexOnlyScan *) plan)->recheckqual);
			check(walk, ((const IndexOnlyScan *) plan)->indexorderby);
			break;
		case T_BitmapIndexScan:
			check(walk, ((const BitmapIndexScan *) plan)->indexqual);
			check(walk, ((const BitmapIndexScan *) plan)->indexqualorig);
			break;
		case T_BitmapHeapScan:
			check(walk, ((const BitmapHeapScan *) plan)->bitmapqualorig);
			break;
		case T_TidScan:
			check(walk, ((const TidScan *) plan)->tidquals);
			break;
		case T_TidRangeScan:
			check(walk, ((const TidRangeScan *) plan)->tidrangequals);
			break;
		case T_ValuesScan:
			check(walk, ((const ValuesScan *) plan)->values_lists);
			break;
		case T_CteScan:
			check_tree(walk, subplan_of(walk, ((const CteScan *) plan)->ctePlanId));
			break;
		case T_FunctionScan:
		case T_TableFuncScan:
		case T_WorkTableScan:
			refuse();
		default:
			break;
	}
}

static void
check_join_expressions(EpsExpressionWalk *walk, const Plan *plan)
{
	ListCell   *lc;

	switch (nodeTag(plan))
	{
		case T_NestLoop:
			check(walk, ((const NestLoop *) plan)->join.joinqual);
			foreach(lc, ((const NestLoop *) plan)->nestParams)
				check(walk, lfirst_node(NestLoopParam, lc)->paramval);
			break;
		case T_MergeJoin:
			check(walk, ((const MergeJoin *) plan)->join.joinqual);
			check(walk, ((const MergeJoin *) plan)->mergeclauses);
			break;
		case T_HashJoin:
			check(walk, ((const HashJoin *) plan)->join.joinqual);
			check(walk, ((const HashJoin *) plan)->hashclauses);
			check(walk, ((const HashJoin *) plan)->hashkeys);
			break;
		case T_Hash:
			check(walk, ((const Hash *) plan)->hashkeys);
			break;
		case T_Memoize:
			check(walk, ((const Memoize *) plan)->param_exprs);
			break;
		case T_Result:
			check(walk, ((const Result *) plan)->resconstantqual);
			break;
		case T_WindowAgg:
		case T_ProjectSet:
		case T_Limit:
		case T_SetOp:
		case T_RecursiveUnion:
			refuse();
		default:
			break;
	}
}

static void
check_node(EpsExpressionWalk *walk, const Plan *plan)
{
	check(walk, plan->targetlist);
	check(walk, plan->qual);
	check(walk, plan->initPlan);
	check_scan_expressions(walk, plan);
	check_join_expressions(walk, plan);
}

static void
check_trees(EpsExpressionWalk *walk, const List *plans)
{
	ListCell   *lc;

	foreach(lc, plans)
		check_tree(walk, lfirst(lc));
}

/*
 * A subplan that is run when a row is met.  A release ends the walk: it has run
 * before, and what is below it is looked at as the release's own.
 */
static void
check_tree(EpsExpressionWalk *walk, const Plan *plan)
{
	if (plan == NULL)
		return;
	check_stack_depth();
	check_node(walk, plan);
	check_tree(walk, plan->lefttree);
	check_tree(walk, plan->righttree);
	switch (nodeTag(plan))
	{
		case T_Append:
			check_trees(walk, ((const Append *) plan)->appendplans);
			break;
		case T_MergeAppend:
			check_trees(walk, ((const MergeAppend *) plan)->mergeplans);
			break;
		case T_BitmapAnd:
			check_trees(walk, ((const BitmapAnd *) plan)->bitmapplans);
			break;
		case T_BitmapOr:
			check_trees(walk, ((const BitmapOr *) plan)->bitmapplans);
			break;
		case T_SubqueryScan:
			check_tree(walk, ((const SubqueryScan *) plan)->subplan);
			break;
		case T_CustomScan:
			if (!eps_exec_is_release(plan))
				refuse();
			break;
		default:
			break;
	}
}

void
eps_guard_check_expressions(const PlannedStmt *stmt, const EpsFunctions *functions, const Plan *plan)
{
	EpsExpressionWalk walk = {stmt, functions};

	check_node(&walk, plan);
}

void
eps_guard_check_subqueries(const PlannedStmt *stmt, const EpsFunctions *functions, const Plan *plan)
{
	EpsExpressionWalk walk = {stmt, functions};

	check(&walk, plan->initPlan);
}
