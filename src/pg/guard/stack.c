/*
 * stack.c
 *	  Whether the stack has room for reading the rows of a plan.
 *
 * The limit raises wherever it is hit.  From deep inside functions that call each
 * other, an analyst could place it where the first row of a join is met, and learn
 * whether there is one.  So what reading takes at most must be free before it
 * begins: whether it is depends on plan and calls alone.
 */
#include "pg/guard/guard.h"

#include "miscadmin.h"

/* Of the executor, of a pattern with 100 percent signs, of what else a row takes */
#define STACK_LEAST		((Size) 128 * 1024)
/* Of a node that calls the one below; measured: less than 500 bytes */
#define STACK_PER_LEVEL ((Size) 2 * 1024)

static Size levels_of(const Plan *plan);

static Size
most_levels(const List *plans)
{
	Size		most = 0;
	ListCell   *lc;

	foreach(lc, plans)
		most = Max(most, levels_of(lfirst(lc)));
	return most;
}

static Size
levels_of(const Plan *plan)
{
	Size		most;

	if (plan == NULL)
		return 0;
	check_stack_depth();
	most = Max(levels_of(plan->lefttree), levels_of(plan->righttree));
	switch (nodeTag(plan))
	{
		case T_Append:
			most = Max(most, most_levels(((const Append *) plan)->appendplans));
			break;
		case T_MergeAppend:
			most = Max(most, most_levels(((const MergeAppend *) plan)->mergeplans));
			break;
		case T_BitmapAnd:
			most = Max(most, most_levels(((const BitmapAnd *) plan)->bitmapplans));
			break;
		case T_BitmapOr:
			most = Max(most, most_levels(((const BitmapOr *) plan)->bitmapplans));
			break;
		case T_SubqueryScan:
			most = Max(most, levels_of(((const SubqueryScan *) plan)->subplan));
			break;
		case T_CustomScan:
			most = Max(most, most_levels(((const CustomScan *) plan)->custom_plans));
			break;
		default:
			break;
	}
	return most + 1;
}

/* As if so much were taken already. */
static bool
has_room(Size bytes)
{
	pg_stack_base_t base = set_stack_base();
	bool		too_deep;

	restore_stack_base(base + bytes);
	too_deep = stack_is_too_deep();
	restore_stack_base(base);
	return !too_deep;
}

void
eps_guard_check_stack(const PlannedStmt *stmt)
{
	Size		levels = levels_of(stmt->planTree);
	ListCell   *lc;

	/* a subplan runs inside the node that needs it */
	foreach(lc, stmt->subplans)
		levels += levels_of(lfirst(lc));
	if (!has_room(STACK_LEAST + levels * STACK_PER_LEVEL))
		ereport(ERROR,
				(errcode(ERRCODE_STATEMENT_TOO_COMPLEX),
				 errmsg("the stack has no room left for a release"),
				 errdetail("Whether rows are there must not decide whether the limit is hit."),
				 errhint("Ask from fewer functions inside each other, join fewer relations, or ask a database administrator to raise max_stack_depth.")));
}
