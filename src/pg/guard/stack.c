/*
 * stack.c
 *	  Whether the stack has room for reading the rows of a plan.
 *
 * The limit raises wherever it is hit.  From deep inside functions that call each
 * other, an analyst could place it where the first row of a join is met, and learn
 * whether there is one.  So what reading takes at most must be free before it
 * begins: whether it is depends on the statement and on calls alone, and not on the
 * shape of the plan.
 */
#include "pg/guard/guard.h"

#include "miscadmin.h"

/* Of the executor, of a pattern with 100 percent signs, of what else a row takes */
#define STACK_LEAST		((Size) 128 * 1024)
/* Of a range-table entry: at most eight nodes of the plan that call each other (scan,
 * subquery, projection, sort, hash, material, join, aggregate), each measured at less
 * than 500 bytes.  Which of them the planner took depends on statistics of protected
 * rows, and must not show. */
#define STACK_PER_ENTRY ((Size) 16 * 1024)

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
	if (!has_room(STACK_LEAST + (Size) list_length(stmt->rtable) * STACK_PER_ENTRY))
		ereport(ERROR,
				(errcode(ERRCODE_STATEMENT_TOO_COMPLEX),
				 errmsg("the stack has no room left for a release"),
				 errdetail("Whether rows are there must not decide whether the limit is hit."),
				 errhint("Ask from fewer functions inside each other, join fewer relations, or ask a database administrator to raise max_stack_depth.")));
}
