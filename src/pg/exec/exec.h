/*
 * exec.h
 *	  The release node ("DP Aggregate"): collect, bound, charge, add up, select,
 *	  noise, emit.
 *
 * Promises: reads its child once; nothing leaves before its charge is durable;
 * an owner's contribution is bounded as the release plan says whatever the rows
 * are; results do not depend on the order of rows beyond the owner's own coins;
 * memory for rows is bounded by work_mem * hash_mem_multiplier, beyond that it
 * spills; for owners by the capacity, for groups by dp.max_groups and
 * dp.group_memory; where a data set is padded, nothing leaves but at public times.
 * Must not: decide what may be released.
 */
#ifndef EPS_PG_EXEC_H
#define EPS_PG_EXEC_H

#include "pg/common/common.h"
#include "pg/release/release.h"

#include "datatype/timestamp.h"
#include "executor/execdesc.h"
#include "nodes/extensible.h"
#include "nodes/plannodes.h"

extern void eps_exec_init(void);	/* registers the node; from _PG_init */

/* The methods of the CustomScan that rewrite makes, and whether a plan node is one. */
extern const CustomScanMethods *eps_exec_scan_methods(void);
extern bool eps_exec_is_release(const Plan *plan);

/*
 * CustomScan layout: custom_private = list of (release plan list, IntList of
 * child positions, counted from 1 as resno: keys, owner, columns);
 * custom_scan_tlist = keys then outputs,
 * so scan tuple attribute k is key k, nkeys + j is output j; custom_plans = one
 * child.
 */
extern const EpsReleasePlan *eps_exec_release_plan(const CustomScan *scan);

/*
 * Runs every release of a started query, once, in plan order, after booking the
 * worst case of all of them against the quota in one piece (rule 1).  A second
 * call does nothing.  Called before the executor reads its first row.
 */
extern void eps_exec_run_releases(QueryDesc *query);

/* For dp.preview: the answer that a release would be given from the store. */
typedef struct EpsForecast
{
	bool		repeat;
	TimestampTz at;				/* when it was given first */
	const EpsReleasePlan *pilot;	/* what comes first (rule 8); NULL: nothing */
	bool		pilot_repeat;
	TimestampTz pilot_at;
} EpsForecast;

/* One for each of the n releases of a statement without parameters, in plan
 * order, under the active snapshot.  Reads declared public relations and the
 * answer store alone.  The price of a release after a pilot becomes the one that
 * it would have: where the pilot's answer is not known, the highest that the
 * analyst's quota bears. */
extern EpsForecast *eps_exec_forecast(const EpsReleasePlan *const *plans, EpsReleasePrice **prices, int n,
									  const EpsSettings *settings);

/* Does this plan tree hold a release? (cheap enough for every query of an analyst) */
extern bool eps_exec_has_release(const PlannedStmt *stmt);

#endif							/* EPS_PG_EXEC_H */
