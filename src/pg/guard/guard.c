/*
 * guard.c
 *	  The last look at a finished plan.
 */
#include "pg/guard/guard_internal.h"

#include "nodes/extensible.h"
#include "miscadmin.h"
#include "parser/parsetree.h"

#include "pg/exec/exec.h"
#include "pg/policy/policy.h"

typedef struct EpsGuard
{
	const PlannedStmt *stmt;
	const EpsReleasePlan *release;	/* of the release node above, or NULL */
	bool		reaches;		/* the statement names a protected relation at all */
	EpsFunctions functions;		/* looked up if it does */
} EpsGuard;

static void check_plan(EpsGuard *guard, Plan *plan);

static void
guard_refuse(void)
{
	ereport(ERROR,
			(errcode(EPS_ERRCODE_REFUSED),
			 errmsg("the plan of this query would read protected rows outside a release"),
			 errdetail("The query was stopped by the last check before execution."),
			 errhint("Write a plain aggregate over the protected relation. A SQL function in FROM must be VOLATILE, so that it is planned on its own.")));
}

static const EpsProtected *
protected_entry(EpsGuard *guard, Index rtindex)
{
	RangeTblEntry *rte;

	if (rtindex == 0)
		return NULL;
	rte = rt_fetch(rtindex, guard->stmt->rtable);
	return rte->rtekind == RTE_RELATION ? eps_policy_protected(rte->relid) : NULL;
}

/* Does the release above name this relation, or lead a path to the owner through it? */
static bool
is_named(EpsGuard *guard, Oid relid)
{
	ListCell   *lc;

	foreach(lc, guard->release->relations)
	{
		const EpsProtected *relation;

		if (lfirst_oid(lc) == relid)
			return true;
		relation = eps_policy_protected(lfirst_oid(lc));
		for (int s = 0; relation != NULL && s < relation->nsteps; s++)
		{
			if (relation->steps[s].next_relation == relid)
				return true;
		}
	}
	return false;
}

/* The range-table entry that this one was expanded from, or 0. */
static Index
expanded_from(EpsGuard *guard, Index rtindex)
{
	ListCell   *lc;

	foreach(lc, guard->stmt->appendRelations)
	{
		AppendRelInfo *info = lfirst_node(AppendRelInfo, lc);

		if (info->child_relid == rtindex)
			return info->parent_relid;
	}
	return 0;
}

/* The relation that a release names covers its partitions and children. */
static void
check_scan(EpsGuard *guard, Index rtindex)
{
	const EpsProtected *relation = protected_entry(guard, rtindex);
	bool		named = false;

	if (relation == NULL)
		return;
	if (guard->release == NULL || relation->closed || relation->broken ||
		relation->dataset_id != guard->release->dataset_id)
		guard_refuse();
	for (; !named && rtindex != 0; rtindex = expanded_from(guard, rtindex))
		named = is_named(guard, rt_fetch(rtindex, guard->stmt->rtable)->relid);
	if (!named)
		guard_refuse();
}

static void
check_list(EpsGuard *guard, List *plans)
{
	ListCell   *lc;

	foreach(lc, plans)
		check_plan(guard, lfirst(lc));
}

static void
check_custom(EpsGuard *guard, CustomScan *scan)
{
	const EpsReleasePlan *outer = guard->release;

	if (eps_exec_is_release(&scan->scan.plan))
	{
		if (outer != NULL)
			guard_refuse();		/* a release below a release must be an InitPlan */
		guard->release = eps_exec_release_plan(scan);
		eps_guard_check_subqueries(guard->stmt, &guard->functions, &scan->scan.plan);
		check_list(guard, scan->custom_plans);
		guard->release = outer;
	}
	else
	{
		if (guard->reaches)
			guard_refuse();		/* somebody else's node: not known what it does */
		check_list(guard, scan->custom_plans);
	}
}

/* Nodes that may stand in a plan which reaches protected relations. */
static void
check_node(EpsGuard *guard, Plan *plan)
{
	switch (nodeTag(plan))
	{
		case T_SeqScan:
		case T_IndexScan:
		case T_IndexOnlyScan:
		case T_BitmapHeapScan:
		case T_BitmapIndexScan:
		case T_TidScan:
		case T_TidRangeScan:
			check_scan(guard, ((Scan *) plan)->scanrelid);
			break;
		case T_BitmapAnd:
			check_list(guard, ((BitmapAnd *) plan)->bitmapplans);
			break;
		case T_BitmapOr:
			check_list(guard, ((BitmapOr *) plan)->bitmapplans);
			break;
		case T_SubqueryScan:
			check_plan(guard, ((SubqueryScan *) plan)->subplan);
			break;
		case T_Append:
			check_list(guard, ((Append *) plan)->appendplans);
			break;
		case T_MergeAppend:
			check_list(guard, ((MergeAppend *) plan)->mergeplans);
			break;
		case T_CustomScan:
			check_custom(guard, (CustomScan *) plan);
			break;
		case T_Result:
		case T_ProjectSet:
		case T_NestLoop:
		case T_MergeJoin:
		case T_HashJoin:
		case T_Hash:
		case T_Material:
		case T_Memoize:
		case T_Sort:
		case T_IncrementalSort:
		case T_Group:
		case T_Agg:
		case T_WindowAgg:
		case T_Unique:
		case T_Gather:
		case T_GatherMerge:
		case T_SetOp:
		case T_Limit:
		case T_FunctionScan:
		case T_ValuesScan:
		case T_TableFuncScan:
		case T_CteScan:
		case T_RecursiveUnion:
		case T_WorkTableScan:
			break;
		default:
			if (!IsA(plan, ModifyTable) || ((ModifyTable *) plan)->operation != CMD_INSERT)
				guard_refuse();
	}
}

static void
check_plan(EpsGuard *guard, Plan *plan)
{
	if (plan == NULL)
		return;
	check_stack_depth();
	check_node(guard, plan);
	if (guard->release != NULL)
		eps_guard_check_expressions(guard->stmt, &guard->functions, plan);
	check_plan(guard, plan->lefttree);
	check_plan(guard, plan->righttree);
}

static bool
names_protected(EpsGuard *guard)
{
	for (int i = 1; i <= list_length(guard->stmt->rtable); i++)
	{
		if (protected_entry(guard, i) != NULL)
			return true;
	}
	return false;
}

void
eps_guard_check(const PlannedStmt *stmt)
{
	EpsGuard	guard = {.stmt = stmt};
	ListCell   *lc;

	if (stmt->commandType == CMD_UTILITY)
		return;
	guard.reaches = names_protected(&guard);
	if (!guard.reaches)
		return;
	guard.functions = eps_analyze_functions();
	foreach(lc, stmt->resultRelations)
	{
		if (protected_entry(&guard, lfirst_int(lc)) != NULL)
			guard_refuse();
	}
	foreach(lc, stmt->rowMarks)
	{
		if (protected_entry(&guard, lfirst_node(PlanRowMark, lc)->rti) != NULL)
			guard_refuse();
	}
	check_list(&guard, stmt->subplans);
	check_plan(&guard, stmt->planTree);
}
