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

/* --- price.c: the steps of a price, for accuracy.c ---------------------------- */

/* Who asks, groups and bounds: all but the price itself.  units: what is set, or of
 * an accuracy the highest price that it may have. */
extern EpsReleasePrice *eps_release_price_begin(const EpsReleasePlan *plan, const EpsSettings *settings, uint64 *units);

/* The delta of choosing groups, in units; 0 where none are chosen. */
extern uint64 eps_release_delta_units(const EpsReleasePrice *price, const EpsSettings *settings);

/* Sets the noise that a level of the ladder buys; false where it buys none. */
extern bool eps_release_price_noise(EpsReleasePrice *price, const EpsReleasePlan *plan,
									const EpsSettings *settings, unsigned level);

/* Noise, worst case and threshold at a level. */
extern void eps_release_price_finish(EpsReleasePrice *price, const EpsReleasePlan *plan,
									 const EpsSettings *settings, unsigned level, uint64 delta_units);

/* --- accuracy.c: an accuracy in a setting --------------------------------------- */

/* Takes apart "100" or "5 %"; false if it is neither. An empty text is none: 0. */
extern bool eps_release_accuracy_parse(const char *text, double *accuracy, bool *relative);

/* The price of a release under an accuracy. */
extern EpsReleasePrice *eps_release_price_absolute(const EpsReleasePlan *plan, const EpsSettings *settings);
extern EpsReleasePrice *eps_release_price_relative(const EpsReleasePlan *plan, const EpsSettings *settings);

#endif							/* EPS_PG_RELEASE_INTERNAL_H */
