/*
 * accountant.h
 *	  What a contribution costs, the ladder of charge levels, and whether a
 *	  charge may be admitted.
 *
 * Promises: integers only; every charge is rounded up, every limit down; a
 * charge at its coordinate's full sensitivity never exceeds the coordinate's
 * worst case.  Must not: use floating point where a contribution is involved,
 * allocate, keep state.
 *
 * Units: 2^-60 of rho (or of epsilon in a pure data set), 2^-60 of delta.
 * Source: docs/privacy.md, Theorem 1 (individual filter) and charge formulas;
 * privacy-and-ledger 1.6.
 */
#ifndef EPS_CORE_ACCOUNTANT_H
#define EPS_CORE_ACCOUNTANT_H

#include "core/base/base.h"
#include "core/mechanism/mechanism.h"

/* --- charges ------------------------------------------------------------ */

/* ceil(norm2 * 2^60 / (2 variance)): the rho of a Gaussian coordinate. Exact.
 * Saturates at UINT64_MAX. */
extern uint64_t eps_accountant_gaussian_units(EpsU128 norm2, uint64_t variance);

/*
 * A prepared charge function of one coordinate: made once per release from
 * public parameters (floating point allowed there), then evaluated per owner in
 * integers.
 *
 * Gaussian: charge of norm2 = sum over groups of z^2, exactly
 * eps_accountant_gaussian_units().
 * Laplace, zCDP: sum over groups of a rounded-up bound of
 * eps_mechanism_dlaplace_rho(z), read from a table of at most 1.5 % steps.
 * Laplace, pure: ceil(2^60 * sum |z| / b).
 */
typedef struct EpsCharge
{
	EpsNoiseKind kind;
	bool		pure;
	uint64_t	variance;
	uint64_t	scale_num;
	uint64_t	scale_den;
	EpsSensitivity bound;		/* of the coordinate, in grid steps */
	uint64_t	worst_units;	/* charge at the full sensitivity, rounded up */
	uint64_t	table[64 * 64];	/* Laplace, zCDP: by octave and 1/64 octave of |z| */
} EpsCharge;

extern EPS_MUST_USE EpsStatus eps_accountant_prepare(EpsCharge *out, const EpsCoordinate *c, bool pure);

/*
 * The charge of one owner's contribution to one coordinate: z[0..n-1] over the
 * owner's groups, already on the grid. Saturates.
 */
extern uint64_t eps_accountant_charge(const EpsCharge *charge, const int64_t *z, size_t n);

/* --- the ladder ---------------------------------------------------------- */

/*
 * Levels 0, 1, 2, ...: level 0 is no charge; level i >= 1 is
 * ceil(2^((i-1)/4)) made strictly increasing, up to the last level at or below
 * 2^63. Ratio of neighbours at most 2^(1/4) (rounded up) from 2^8 on.
 */
extern uint64_t eps_accountant_ladder_units(unsigned level);	/* 0 beyond the top: callers check eps_accountant_ladder_top */
extern unsigned eps_accountant_ladder_top(void);

/* Smallest level whose units are >= units. EPS_E_OVERFLOW above the top. */
extern EPS_MUST_USE EpsStatus eps_accountant_ladder_up(unsigned *level, uint64_t units);

/* Largest level whose units are <= units. */
extern unsigned eps_accountant_ladder_down(uint64_t units);

/* --- the filter ---------------------------------------------------------- */

/*
 * May an owner with these totals take part (privacy-and-ledger 1.1, skip
 * filter)? True iff neither sum exceeds its limit; never wraps.
 */
extern bool eps_accountant_fits(uint64_t spent_rho, uint64_t rho, uint64_t limit_rho,
								uint64_t spent_delta, uint64_t delta, uint64_t limit_delta);

/* Two keys of one person (rule 18): ceil((sqrt a + sqrt b)^2), or a + b if pure. Saturates. */
extern uint64_t eps_accountant_merge_rho(uint64_t a, uint64_t b, bool pure);

#endif							/* EPS_CORE_ACCOUNTANT_H */
