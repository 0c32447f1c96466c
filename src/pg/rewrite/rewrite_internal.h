/*
 * rewrite_internal.h
 *	  Private to pg/rewrite.
 */
#ifndef EPS_PG_REWRITE_INTERNAL_H
#define EPS_PG_REWRITE_INTERNAL_H

#include "pg/rewrite/rewrite.h"
#include "pg/analyze/analyze.h"

/* transform.c */
extern void eps_rewrite_levels(const EpsVerdict *verdict);

#ifdef EPS_TEST_BUILD
extern bool eps_rewrite_test_total;	/* off: levels keep the expressions of the query */
#endif

/* fingerprint.c: says in the level's plan what its input depends on. */
extern void eps_rewrite_fingerprint(EpsLevel *level, Query *lower, const EpsFunctions *functions);

/* rights.c: replaces a protected relation that reaches its owner by a path with
 * the join along it, and lends the right to read. */
extern void eps_rewrite_relations(Query *query);

/* postprocess.c: above a release a division by zero gives NULL and a warning (rule 9). */
extern void eps_rewrite_postprocess(Query *query, const EpsFunctions *functions);

/* placeholder.c: the aggregates that stand for a release until its path is made */
extern Aggref *eps_rewrite_release_aggref(const EpsFunctions *functions, const EpsLevel *level);
extern Aggref *eps_rewrite_output_aggref(const EpsFunctions *functions, int output, Oid type);
extern void eps_rewrite_authorize(void);
extern char *eps_rewrite_carried_text(const Aggref *release);
extern Aggref *eps_rewrite_find_release(Node *having, const EpsFunctions *functions);
extern int	eps_rewrite_output_number(const Aggref *aggref);

#endif							/* EPS_PG_REWRITE_INTERNAL_H */
