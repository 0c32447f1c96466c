/*
 * common.h
 *	  Version shims, SQLSTATEs, status to ereport, and memory context helpers
 *	  for every server-side room.
 *
 * Must not: know about policy, plans or budgets.
 */
#ifndef EPS_PG_COMMON_H
#define EPS_PG_COMMON_H

#include "postgres.h"

#include "core/base/base.h"

#if PG_VERSION_NUM < 150000 || PG_VERSION_NUM >= 190000
#error "pg_epsilon supports PostgreSQL 15 to 18"
#endif

/*
 * SQLSTATEs, class PV: one for each thing a client would branch on.  The table
 * in docs/analyst.md lists the same codes; a test compares them.
 */
#define EPS_ERRCODE_REFUSED			MAKE_SQLSTATE('P','V','0','0','1')	/* query refused by analysis */
#define EPS_ERRCODE_UNBOUNDED		MAKE_SQLSTATE('P','V','0','0','2')	/* bounds or rows per owner unknown */
#define EPS_ERRCODE_QUOTA			MAKE_SQLSTATE('P','V','0','0','3')	/* analyst's quota used up */
#define EPS_ERRCODE_PURPOSE			MAKE_SQLSTATE('P','V','0','0','4')	/* purpose missing, unknown or not granted */
#define EPS_ERRCODE_PRICE			MAKE_SQLSTATE('P','V','0','0','5')	/* price out of the analyst's range */
#define EPS_ERRCODE_WRITER			MAKE_SQLSTATE('P','V','0','0','6')	/* ledger writer down or not durable */
#define EPS_ERRCODE_SIDE_DOOR		MAKE_SQLSTATE('P','V','0','0','7')	/* a side door is open */
#define EPS_ERRCODE_NOT_ATTESTED	MAKE_SQLSTATE('P','V','0','0','8')	/* not attested */
#define EPS_ERRCODE_BEHIND_CHAIN	MAKE_SQLSTATE('P','V','0','0','9')	/* behind the chain */
#define EPS_ERRCODE_POLICY			MAKE_SQLSTATE('P','V','0','1','0')	/* steward's call contradicts policy */
#define EPS_ERRCODE_GROUPS			MAKE_SQLSTATE('P','V','0','1','1')	/* group keys: no public domain, or too many groups */
#define EPS_ERRCODE_BOOK			MAKE_SQLSTATE('P','V','0','1','2')	/* book full, or its wrapping key missing */
#define EPS_ERRCODE_NOT_ANALYST		MAKE_SQLSTATE('P','V','0','1','3')	/* no grant on the data set */
#define EPS_ERRCODE_WITHHELD		MAKE_SQLSTATE('P','V','0','1','4')	/* answer not ready by the deadline of dp.pad */

/*
 * A check that stays in release builds, for what cannot happen.  The message is
 * a constant: it must never contain a value.
 */
#define EPS_ENSURE(condition, text) \
	do { \
		if (unlikely(!(condition))) \
			ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), \
							errmsg_internal("pg_epsilon: %s", text))); \
	} while (0)

/* Of libpq/libpq.h, which needs the headers of everything the server was built with. */
extern bool pq_check_connection(void);

/* Raises ERROR unless status is EPS_OK. `what` is a constant phrase. */
extern void eps_common_check(EpsStatus status, const char *what);

#endif							/* EPS_PG_COMMON_H */
