/*
 * release.h
 *	  The release plan: what analysis decided about one release, as immutable
 *	  data; and its price.  Rewrite, guard, exec, EXPLAIN and the ledger all read
 *	  this one, so sensitivity is decided in one place.
 *
 * Promises: a plan survives the planner (it is carried as a list of copyable
 * nodes); the price is a function of plan, policy and settings alone.
 * Must not: read protected rows.
 */
#ifndef EPS_PG_RELEASE_H
#define EPS_PG_RELEASE_H

#include "pg/common/common.h"
#include "pg/policy/policy.h"
#include "core/mechanism/mechanism.h"
#include "core/accountant/accountant.h"

#include "lib/stringinfo.h"
#include "nodes/pg_list.h"
#include "nodes/primnodes.h"

/*
 * The input of the release node, a row per joined row, in this order:
 * nkeys group keys, the owner key, ncolumns value columns.
 */

/* A value column. For a sum, value = trunc(clamp(x) / unit) - center, where
 * unit = 10^-scale10 (integers: scale10 = 0; numeric) or 2^scale2 (floats). */
typedef struct EpsPlanColumn
{
	Oid			type;
	bool		summed;			/* else only whether it is NULL matters, */
	bool		distinct;		/* or which value it is: of an EPS_COORD_VALUES alone */
	Oid			collation;		/* then: of its equality */
	int32		scale10;
	int32		scale2;			/* floats only */
	int64		lower;			/* in units, inclusive: every value is clamped to them */
	int64		upper;
	int64		center;			/* in units; 0 unless a count of the same column is released too */
} EpsPlanColumn;

typedef enum EpsCoordKind
{
	EPS_COORD_OWNERS,			/* owners with a row (whose column is not NULL) */
	EPS_COORD_ROWS,				/* rows (whose column is not NULL) */
	EPS_COORD_SUM,				/* sum of the column's values */
	EPS_COORD_VALUES			/* distinct values of the column that an owner offers to their union */
} EpsCoordKind;

typedef struct EpsPlanCoord
{
	EpsCoordKind kind;
	int			column;			/* index of a value column; -1: every row */
	int64		most;			/* VALUES: public number of values that there can be; 0 = unknown */
	double		weight;			/* share of the price */
} EpsPlanCoord;

/* Public domain of a key. */
typedef enum EpsDomainKind
{
	EPS_DOMAIN_NONE,			/* not public: the key's groups are thresholded */
	EPS_DOMAIN_VALUES,			/* listed */
	EPS_DOMAIN_RANGE			/* every integer of [lo, hi], of the key's type (int2, int4, int8, numeric) */
} EpsDomainKind;

typedef struct EpsPlanKey
{
	Oid			type;
	int32		typmod;
	Oid			collation;
	bool		nullable;		/* NULL is a member of the domain (rule 3) */
	EpsDomainKind domain;
	List	   *values;			/* of Const, distinct, not NULL */
	int64		lo;
	int64		hi;
} EpsPlanKey;

typedef enum EpsOutputKind
{
	EPS_OUTPUT_VALUE,
	EPS_OUTPUT_LOW,				/* dp.interval_low */
	EPS_OUTPUT_HIGH,			/* dp.interval_high */
	EPS_OUTPUT_STDDEV			/* dp.stddev_of_noise */
} EpsOutputKind;

typedef enum EpsAggKind
{
	EPS_AGG_COUNT,				/* num: ROWS, OWNERS or VALUES */
	EPS_AGG_SUM,				/* num: SUM; den: ROWS of the same column where the sum is centred, else -1 */
	EPS_AGG_AVG					/* num: SUM; den: ROWS of the same column */
} EpsAggKind;

typedef struct EpsPlanOutput
{
	EpsOutputKind kind;
	EpsAggKind	agg;
	int			num;			/* coordinate */
	int			den;			/* coordinate or -1 */
	Oid			type;			/* of the result */
	double		confidence;		/* of intervals */
} EpsPlanOutput;

typedef struct EpsReleasePlan
{
	int32		dataset_id;
	EpsKeyFamily family;
	Oid			owner_type;
	Oid			owner_collation;
	int64		rows_per_owner; /* bound of joined rows that count; 0 = unknown, the setting must give it */
	int64		groups_per_owner;	/* 0 = no other bound than rows and domain */
	bool		owner_unique;	/* an owner has at most one input row, by unique indexes */
	bool		has_groups;		/* GROUP BY is present: without, exactly one row comes out */
	int			nkeys;
	EpsPlanKey *keys;
	int			ncolumns;
	EpsPlanColumn *columns;
	int			ncoords;
	EpsPlanCoord *coords;
	int			owners_coord;	/* coordinate that counts every owner of the group; -1 if none.
								 * Always present where a key has no public domain (rule 4) */
	int			noutputs;
	EpsPlanOutput *outputs;
	List	   *relations;		/* of Oid: the protected relations read */
	char	   *fingerprint;	/* of the release's input as rewritten: equal plans with equal
								 * fingerprints are the same release (rules 1, 26) */
	List	   *inner;			/* of String: fingerprints of the releases that the input reads */
	List	   *publics;		/* of Oid: the declared public relations that the input reads */
	List	   *stable;			/* of Expr: parameters, clocks and role names in the input, whose
								 * values are known when it runs */
	bool		repeatable;		/* the four fields above say all that the input depends on but
								 * protected rows */
	char	   *title;			/* one line for EXPLAIN, preview and auditors */
} EpsReleasePlan;

/* Carried through the planner as a list of copyable, printable nodes. */
extern List *eps_release_plan_to_list(const EpsReleasePlan *plan);
extern EpsReleasePlan *eps_release_plan_from_list(const List *list);

/* --- settings ------------------------------------------------------------ */

extern void eps_release_init(void);		/* dp.epsilon, dp.rho, dp.delta, dp.accuracy, dp.noise, dp.groups,
										 * dp.groups_per_owner, dp.rows_per_owner, dp.purpose, dp.max_groups,
										 * dp.repeats, dp.repeat_max_age */

typedef enum EpsNoiseChoice
{
	EPS_CHOICE_AUTO,
	EPS_CHOICE_LAPLACE,
	EPS_CHOICE_GAUSSIAN
} EpsNoiseChoice;

typedef enum EpsGroupsChoice
{
	EPS_GROUPS_AUTO,
	EPS_GROUPS_ALL,
	EPS_GROUPS_SEEN
} EpsGroupsChoice;

/* What was set when execution began (rule 10). Zero: not set. */
typedef struct EpsSettings
{
	double		epsilon;
	double		rho;
	double		delta;
	double		accuracy;		/* half the width of every interval, or a share of every answer */
	bool		relative;		/* the share */
	EpsNoiseChoice noise;
	EpsGroupsChoice groups;
	int64		groups_per_owner;
	int64		rows_per_owner;
	int64		max_groups;
	const char *purpose;
	bool		repeats;		/* a stored answer will do */
	int64		repeat_max_age;	/* seconds */
} EpsSettings;

extern EpsSettings eps_release_settings(void);

/* --- price ---------------------------------------------------------------- */

typedef struct EpsReleasePrice
{
	const EpsDataset *dataset;	/* copied into the price's context */
	const EpsGrant *grant;		/* likewise */
	int			purpose;		/* 0..31, or -1 */
	EpsNoiseKind noise;
	int64		rows_per_owner; /* after tightening */
	int64		groups_per_owner;
	bool		thresholded;	/* groups show by threshold, else the whole public domain comes out */
	uint64		ngroups;		/* of the public domain; 0 if thresholded */
	int			ncoords;		/* the plan's, and one more where dp.groups = seen asks for a
								 * threshold that the plan has no owners coordinate for */
	int			owners_coord;	/* decides which groups show; -1 unless thresholded */
	EpsCoordinate *coords;		/* ncoords */
	EpsCharge  *charges;		/* ncoords */
	unsigned	worst_level;	/* ladder level of the exact worst case (rule 21) */
	unsigned	worst_delta_level;
	unsigned	booked_level;	/* of what the quota and the entry bear: worst_level, or what was booked
								 * when the price was not known yet (rule 8) */
	int64		tau;			/* threshold in grid steps of owners_coord */
	uint16	   *delta_levels;	/* ladder level by number of groups 0..groups_per_owner */
	const char *accuracy;		/* in words: what the price follows from; NULL if it was set */
	struct EpsReleasePrice *pilot;	/* of the release that comes first where the accuracy is relative;
									 * then this price is the highest that may follow it */
} EpsReleasePrice;

/*
 * Prices a release.  ERROR (PV002, PV004, PV005, PV011, PV013, PV001) when it
 * cannot be asked as set; never depends on rows.  Allocated in the current
 * context.
 */
extern EpsReleasePrice *eps_release_price(const EpsReleasePlan *plan, const EpsSettings *settings);

/* --- accuracy (rule 8) ------------------------------------------------------- */

/*
 * An absolute accuracy is a price that follows from public bounds.  For a
 * relative one the pilot comes first, a release of the same input: its plan has
 * the outputs of the targets below, as double precision.  The price of the release
 * that follows is a function of public bounds and of what the pilot has answered.
 */

/* An aggregate whose interval is to be exact enough. */
typedef struct EpsAccuracyTarget
{
	EpsPlanOutput output;		/* its value; confidence: of the query's own intervals */
	int			value;			/* output of the pilot */
	int			rows;			/* of an average: output of the pilot, its number of rows; else -1 */
} EpsAccuracyTarget;

extern EpsAccuracyTarget *eps_release_targets(const EpsReleasePlan *plan, int *n);
extern EpsReleasePlan *eps_release_pilot_plan(const EpsReleasePlan *plan);

/* What a release answered: outputs of the pilot, group by group; NaN for NULL. */
typedef struct EpsPilotAnswer
{
	const EpsReleasePrice *price;	/* of the pilot */
	uint64		ngroups;
	int			noutputs;
	const double *values;
} EpsPilotAnswer;

/*
 * The price of the release after its pilot: the lowest level of the ladder, up to
 * `highest`, at which every target is as exact as settings ask by what the pilot
 * answered; *reached says whether there is one, else it is `highest`.  The errors
 * of eps_release_price, but not for the price.
 */
extern EpsReleasePrice *eps_release_price_after(const EpsReleasePlan *plan, const EpsSettings *settings,
												const EpsPilotAnswer *pilot, unsigned highest, bool *reached);

/* Half the widths of the intervals of a target's coordinates, in units of the target. */
typedef struct EpsWidths
{
	double		num;
	double		den;			/* rows; 0 where they do not count */
} EpsWidths;

extern EpsWidths eps_release_widths(const EpsReleasePlan *plan, const EpsReleasePrice *price,
									const EpsAccuracyTarget *target);

/* Half the width of a target's interval; of an average one with this value over this
 * number of rows. INFINITY where there is no bound. */
extern double eps_release_half_width(const EpsReleasePlan *plan, const EpsAccuracyTarget *target,
									 const EpsWidths *widths, double value, double rows);

/* --- more about prices --------------------------------------------------------- */

/* Who would ask for which purpose at which price, without a query: data set,
 * grant, purpose and worst level only. The same errors. */
extern EpsReleasePrice *eps_release_price_asked(int32 dataset_id, const EpsSettings *settings);

/* For people: standard deviation of the noise of an output's coordinate in value
 * units of the output (NULL-able where it depends on the answer: AVG gives -1). */
extern double eps_release_output_stddev(const EpsReleasePlan *plan, const EpsReleasePrice *price, const EpsPlanOutput *output);

/* A coordinate's value unit times its grid step, as a double. */
extern double eps_release_grid_step(const EpsReleasePlan *plan, const EpsReleasePrice *price, int coord);

/* Mechanism in words, e.g. "discrete Gaussian, sigma 57.7, grid 1". */
extern char *eps_release_mechanism_text(const EpsReleasePlan *plan, const EpsReleasePrice *price, int coord);

/* Values that one owner may offer to a group of an EPS_COORD_VALUES: at least 1. */
extern int64 eps_release_most_values(const EpsReleasePrice *price, const EpsPlanCoord *coord);

/* A value column's bounds, e.g. "0 .. 500, centred at 250". */
extern char *eps_release_bounds_text(const EpsReleasePlan *plan, int column);

/* The worst case for one owner, pilot included, e.g. "rho 0.000148 (epsilon 0.087), delta 5e-12". */
extern char *eps_release_price_text(const EpsReleasePrice *price);

/* Which groups come out, e.g. "20 of a public domain" or "noisy count of owners >= 41.3 (delta 5e-12)". */
extern char *eps_release_groups_text(const EpsReleasePlan *plan, const EpsReleasePrice *price);

/* An output's kind in words, e.g. "avg", "interval_low(sum)". */
extern char *eps_release_output_text(const EpsPlanOutput *output);

/* --- canonical form --------------------------------------------------------- */

/* Text of a node tree without the places in the query's text. */
extern char *eps_release_node_text(const void *node);

/* Appends what plan and price say, equal for equal releases. */
extern void eps_release_canonical(StringInfo out, const EpsReleasePlan *plan, const EpsReleasePrice *price);

#endif							/* EPS_PG_RELEASE_H */
