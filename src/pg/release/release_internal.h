/*
 * release_internal.h
 *	  What the files of this room share.
 */
#ifndef EPS_PG_RELEASE_INTERNAL_H
#define EPS_PG_RELEASE_INTERNAL_H

#include "pg/release/release.h"

/* The sensitivity of one coordinate under the price's bounds on rows and groups.
 * ERROR PV002 where it is too large to be counted exactly. */
extern EpsSensitivity eps_release_sensitivity(const EpsReleasePlan *plan, const EpsReleasePrice *price,
											  const EpsPlanCoord *coord);

/* Number of groups of the keys' public domain: 1 without keys, 0 where a key has
 * none, UINT64_MAX where the product does not fit. */
extern uint64 eps_release_domain_size(const EpsReleasePlan *plan);

/* Value units of a coordinate as a double. */
extern double eps_release_unit(const EpsReleasePlan *plan, const EpsPlanCoord *coord);

/* The plan's coordinate, or the one that the price has added. */
extern EpsPlanCoord eps_release_coord(const EpsReleasePlan *plan, int coord);

#endif							/* EPS_PG_RELEASE_INTERNAL_H */
