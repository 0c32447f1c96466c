/*
 * guard.h
 *	  An independent look at the finished plan: no protected relation reaches the
 *	  output but through a release node.  And at what stands beside a release: the
 *	  session's settings, and the server's own counters.
 *
 * Promises: trusts neither analysis nor rewriting; an allow-list of plan nodes;
 * refuses what it does not know.  Must not: change a plan.
 */
#ifndef EPS_PG_GUARD_H
#define EPS_PG_GUARD_H

#include "pg/common/common.h"

#include "nodes/plannodes.h"

/*
 * ERROR PV001 if a scan of a protected relation in this plan is not below a
 * release node that names the relation, if a protected relation is locked or
 * written, or if an expression below a release calls a function that may not run
 * beside protected rows.  To be called for sessions of analysts, on the plan as made and again
 * when it starts.
 */
extern void eps_guard_check(const PlannedStmt *stmt);

/*
 * ERROR PV007 if a setting of the session would show what the server sees while
 * it reads protected rows (rule 32): messages below NOTICE to the client, printed
 * plans, traces and statistics of execution, predicate locks of a serializable
 * transaction.
 */
extern void eps_guard_check_session(void);

/*
 * ERROR unless the stack has room for whatever reading this plan's rows takes:
 * else an analyst who asks from deep inside a recursion chooses which row is the
 * first that the limit is hit at.
 */
extern void eps_guard_check_stack(const PlannedStmt *stmt);

/* Messages and traces of the session, while what read protected rows ends. */
typedef struct EpsTraces
{
	int			client_min_messages;
	bool		trace_sort;
} EpsTraces;

extern void eps_guard_silence(EpsTraces *out);
extern void eps_guard_unsilence(const EpsTraces *traces);

/*
 * ERROR PV007 if a role of this session that is an analyst may execute, by its
 * own right, through PUBLIC or as a role that it is a member of, a function that
 * shows how much a release reads or writes (rule 31).  Looks at rights, so it
 * holds whether or not the function is ever called; remembered until a function
 * or a membership changes.
 */
extern void eps_guard_check_doors(void);

/*
 * Installs the hook by which such a function raises in a session of an analyst,
 * in every database of the server: the counters are the server's, the rights on
 * functions each database's own.
 */
extern void eps_guard_init(void);

#endif							/* EPS_PG_GUARD_H */
