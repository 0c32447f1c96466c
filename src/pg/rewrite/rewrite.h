/*
 * rewrite.h
 *	  Verdict to plan: the planner hook, the change of the Query, the path of the
 *	  release node; and dp.preview.
 *
 * Promises: a statement of an analyst that reaches a protected relation is
 * planned only after analysis accepted all of it, and rights to read are lent to
 * the range-table entries of releases alone; everything else goes to the next
 * planner untouched, but for sizes and row counts of the catalogues that the role
 * may not read.  Must not: decide what may be released, run anything.
 */
#ifndef EPS_PG_REWRITE_H
#define EPS_PG_REWRITE_H

#include "pg/common/common.h"

#include "nodes/params.h"
#include "nodes/parsenodes.h"
#include "nodes/plannodes.h"

extern void eps_rewrite_init(void); /* saves and sets create_upper_paths_hook, get_attavgwidth_hook; from _PG_init */

/*
 * One planning of an analyst's statement.  Placeholders of releases carry the
 * token of the planning that made them, and are believed during it alone: text
 * that somebody writes by hand, or brings in through a function that the planner
 * inlines, is not.  Enter returns what leave must be given, on every path.
 */
typedef struct EpsPlanning
{
	bool		active;
	uint8		token[16];
} EpsPlanning;

extern EpsPlanning eps_rewrite_enter(void);
extern void eps_rewrite_leave(const EpsPlanning *outer);

/*
 * To be called by the planner hook, between enter and leave.  If the statement is an analyst's and
 * reaches a protected relation, changes the query in place and returns true:
 * then the plan must be made, marked dependent on the role, and guarded.
 * *generic is set where no generic plan can be made: a parameter decides a bound.
 */
extern bool eps_rewrite_statement(Query *query, ParamListInfo params, bool *generic);

/*
 * Changes an analyst's statement in place: sizes and row counts that dp.harden
 * closed to the current user become NULL. True if there were any: the plan then
 * depends on the role.
 */
extern bool eps_rewrite_blank(Query *query);

/* A plan in place of a generic plan that cannot be made: so dear that the plan
 * cache never prefers it; raises when run. */
extern PlannedStmt *eps_rewrite_refuse_generic(Query *query);

#endif							/* EPS_PG_REWRITE_H */
