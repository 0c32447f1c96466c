/*
 * guard_internal.h
 *	  Private to pg/guard.
 */
#ifndef EPS_PG_GUARD_INTERNAL_H
#define EPS_PG_GUARD_INTERNAL_H

#include "pg/analyze/analyze.h"
#include "pg/guard/guard.h"

/*
 * expression.c: ERROR PV001 if this node, which reads protected rows or is read
 * beside them, would evaluate anything that is not on the allow-list of functions;
 * its subplans included, its children not.
 */
extern void eps_guard_check_expressions(const PlannedStmt *stmt, const EpsFunctions *functions, const Plan *plan);

/* The same for the subqueries that hang on the release node itself. */
extern void eps_guard_check_subqueries(const PlannedStmt *stmt, const EpsFunctions *functions, const Plan *plan);

/* session.c: EXPLAIN of analysts */
extern void eps_guard_session_init(void);

#endif							/* EPS_PG_GUARD_INTERNAL_H */
