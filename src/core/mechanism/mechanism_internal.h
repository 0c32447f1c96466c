/*
 * mechanism_internal.h
 *	  What the files of core/mechanism share.
 *
 * Rounding: a value computed in doubles is moved to the safe side by a relative
 * margin of EPS_MECHANISM_MARGIN, or more where the computation itself is less
 * exact (the place says so).  It is some 90 units in the last place, more than
 * the few that the mathematical library and a handful of operations lose.
 */
#ifndef EPS_CORE_MECHANISM_INTERNAL_H
#define EPS_CORE_MECHANISM_INTERNAL_H

#include "core/mechanism/mechanism.h"

#define EPS_MECHANISM_MARGIN 1e-14

/* What samplers can draw; calibration keeps to it. */
#define EPS_MECHANISM_MAX_VARIANCE ((uint64_t) 1 << 48)
#define EPS_MECHANISM_MAX_NUM ((uint64_t) 1 << 40)
#define EPS_MECHANISM_MAX_DEN ((uint64_t) 1 << 20)

/* dlaplace_rho() without its checks: inverse_scale > 0. */
extern double eps_mechanism_dlaplace_rho_unchecked(double inverse_scale, uint64_t shift);

#endif							/* EPS_CORE_MECHANISM_INTERNAL_H */
