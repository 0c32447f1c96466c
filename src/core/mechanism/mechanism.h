/*
 * mechanism.h
 *	  Calibration: privacy parameters and sensitivity in, noise parameters out.
 *	  GSL is called from here only.
 *
 * Promises: every result is rounded to the safe side (noise up, budgets down,
 * losses up), and the direction is stated at each function.  Public inputs
 * only: nothing here may ever see an owner's data.
 *
 * Sources: Canonne, Kamath, Steinke 2020 (CKS); Bun, Steinke 2016 (BS);
 * Balle, Wang 2018 (BW); Dong, Roth, Su 2019 (DRS); Harrison, Manurangsi 2025
 * (HM); Desfontaines, Voss, Gipson, Mandayam 2022 (DVGM);
 * docs/privacy.md has the statements.
 */
#ifndef EPS_CORE_MECHANISM_H
#define EPS_CORE_MECHANISM_H

#include "core/base/base.h"

/* --- conversions ------------------------------------------------------- */

/* delta of rho-zCDP at epsilon, rounded up. CKS Cor. 13. rho > 0, epsilon >= 0. */
extern EPS_MUST_USE EpsStatus eps_mechanism_zcdp_delta(double *delta, double rho, double epsilon);

/* epsilon of rho-zCDP at delta, rounded up. */
extern EPS_MUST_USE EpsStatus eps_mechanism_zcdp_epsilon(double *epsilon, double rho, double delta);

/* Largest rho whose (epsilon, delta) promise holds, rounded down. 0 < delta < 1. */
extern EPS_MUST_USE EpsStatus eps_mechanism_zcdp_rho(double *rho, double epsilon, double delta);

/* delta of mu-GDP at epsilon, rounded up (DRS Cor. 2.13); its inverse in mu, rounded down. */
extern EPS_MUST_USE EpsStatus eps_mechanism_gdp_delta(double *delta, double mu, double epsilon);
extern EPS_MUST_USE EpsStatus eps_mechanism_gdp_mu(double *mu, double epsilon, double delta);

/* Smallest sigma of the analytic Gaussian mechanism (BW), rounded up. */
extern EPS_MUST_USE EpsStatus eps_mechanism_gaussian_sigma(double *sigma, double epsilon, double delta, double l2);

/* zCDP loss of Laplace noise at epsilon = l1 / b (HM), of discrete Laplace noise
 * with inverse scale and an integer shift, and of any epsilon-DP mechanism; rounded up. */
extern EPS_MUST_USE EpsStatus eps_mechanism_laplace_rho(double *rho, double epsilon);
extern EPS_MUST_USE EpsStatus eps_mechanism_dlaplace_rho(double *rho, double inverse_scale, uint64_t shift);
extern EPS_MUST_USE EpsStatus eps_mechanism_pure_rho(double *rho, double epsilon);

/* Units of 2^-60, rounded down or up; EPS_E_OVERFLOW from 2^4 on. */
extern EPS_MUST_USE EpsStatus eps_mechanism_units_down(uint64_t *units, double x);
extern EPS_MUST_USE EpsStatus eps_mechanism_units_up(uint64_t *units, double x);

/* --- one coordinate of a release --------------------------------------- */

typedef enum EpsNoiseKind
{
	EPS_NOISE_GAUSSIAN,
	EPS_NOISE_LAPLACE
} EpsNoiseKind;

/*
 * What one owner can do to a coordinate, in integer value units, over all
 * groups together: from public bounds, before any row is read.
 */
typedef struct EpsSensitivity
{
	EpsU128		l2_squared;		/* >= 1, < 2^124 */
	uint64_t	l1;				/* >= 1, < 2^62 */
	uint64_t	linf;			/* to a single group; >= 1, < 2^62 */
} EpsSensitivity;

/*
 * Noise of a coordinate on its public grid.  An owner's exact total Z in value
 * units becomes z = Z / 2^shift rounded toward zero (shift > 0) or
 * Z * 2^-shift (shift < 0); z is what is charged, added and noised.
 *
 * Gaussian: variance s^2 is an integer in grid steps squared, at most 8
 * significant bits (a ladder), so that |z|^2 / (2 s^2) is an exact rational.
 * Laplace: scale b = scale_num / scale_den in grid steps.
 */
typedef struct EpsCoordinate
{
	EpsNoiseKind kind;
	int32_t		shift;
	uint64_t	variance;		/* Gaussian */
	uint64_t	scale_num;		/* Laplace */
	uint64_t	scale_den;
	EpsSensitivity bound;		/* in grid steps, after rounding toward zero */
} EpsCoordinate;

/*
 * Calibrates a coordinate so that an owner at the full sensitivity loses at
 * most the given units: of rho (Gaussian, or Laplace in a zCDP data set), or of
 * epsilon (pure is true; Laplace only).  Noise is rounded up.
 *
 * The shift is 0 where the noise scale lies in [16, 2^24] value units; finer
 * below, coarser above.  EPS_E_RANGE when units is 0 or the scale is outside
 * what the sampler can draw.
 */
extern EPS_MUST_USE EpsStatus eps_mechanism_calibrate(EpsCoordinate *out, const EpsSensitivity *bound,
													  EpsNoiseKind kind, bool pure, uint64_t units);

/* What an owner at the coordinate's full bound loses, in units, rounded up:
 * the worst case of the coordinate, and at most the units it was calibrated for. */
extern EPS_MUST_USE EpsStatus eps_mechanism_worst_units(uint64_t *units, const EpsCoordinate *c, bool pure);

/* z of the exact total Z (see EpsCoordinate). */
static inline int64_t
eps_mechanism_to_grid(int64_t total, int32_t shift)
{
	if (shift <= 0)
		return (int64_t) ((uint64_t) total << -shift);
	return total >= 0 ? total >> shift : -((-total) >> shift);
}

/* Standard deviation of the noise, in grid steps. */
extern double eps_mechanism_stddev(const EpsCoordinate *c);

/* Smallest integer q with Pr[|noise| <= q] >= confidence, in grid steps,
 * rounded up. 0 < confidence < 1. */
extern EPS_MUST_USE EpsStatus eps_mechanism_quantile(int64_t *q, const EpsCoordinate *c, double confidence);

/* Upper bound of Pr[noise >= x], x in grid steps. */
extern EPS_MUST_USE EpsStatus eps_mechanism_tail(double *p, const EpsCoordinate *c, int64_t x);

/*
 * Group selection by a noisy count of owners (privacy-and-ledger 1.8): a group
 * shows iff n + noise >= tau, an owner adds `step` grid steps to each of at
 * most max_groups groups.  Finds the smallest tau with
 * 1 - (1 - p)^max_groups <= delta for p = Pr[step + noise >= tau], and returns
 * that p, rounded up.
 */
extern EPS_MUST_USE EpsStatus eps_mechanism_threshold(int64_t *tau, double *p, const EpsCoordinate *c,
													  int64_t step, uint64_t max_groups, double delta);

/* Optimal partition selection for one group an owner (DVGM Thm 1): the
 * probability of keeping a group of n owners. For reference and tests. */
extern EPS_MUST_USE EpsStatus eps_mechanism_optimal_keep(double *pi, uint64_t n, double epsilon, double delta);

/* Shares of a price: units is split over n coordinates in proportion to
 * weight[], sum of out[] <= units, each out[] >= 1. EPS_E_RANGE if it cannot. */
extern EPS_MUST_USE EpsStatus eps_mechanism_split(uint64_t *out, const double *weight, size_t n, uint64_t units);

#endif							/* EPS_CORE_MECHANISM_H */
