/*
 * analyze.h
 *	  Reads a rewritten Query and says what each of its levels is: public, owned
 *	  (each row belongs to one owner) or released; or refuses with a reason.
 *
 * Promises: an allow-list.  Every field of Query, every kind of range-table
 * entry, every expression node, function and aggregate is handled by name, and
 * the default refuses.  A refusal is a function of query text, parameters and
 * policy, never of data.  The Query is not changed, but for join alias Vars,
 * which are flattened (that changes no meaning).  Must not: plan, charge, read
 * protected rows.
 */
#ifndef EPS_PG_ANALYZE_H
#define EPS_PG_ANALYZE_H

#include "pg/common/common.h"
#include "pg/policy/policy.h"
#include "pg/release/release.h"

#include "nodes/params.h"
#include "nodes/parsenodes.h"

typedef enum EpsLevelKind
{
	EPS_LEVEL_PUBLIC,			/* reads nothing protected */
	EPS_LEVEL_OWNED,			/* each row belongs to exactly one owner */
	EPS_LEVEL_RELEASED			/* came out of a release: public from here on */
} EpsLevelKind;

/*
 * One query level.  A level that is a release itself has kind RELEASED and
 * plan != NULL; a RELEASED level without plan merely reads one.
 */
typedef struct EpsLevel
{
	Query	   *query;
	EpsLevelKind kind;

	/* Owned levels and releases: expressions in total form, over the level's own
	 * Vars, that replace those of the query. */
	List	   *quals;			/* of EpsQual: jointree quals by identity of their old node */
	List	   *security_quals; /* of EpsQual, likewise */
	List	   *values;			/* of EpsQual: rows of VALUES, by identity of the old row */
	Expr	   *owner;			/* the owner key of a row */
	List	   *not_null;		/* of Expr: owner keys that must not be NULL, beneath everything */
	List	   *targets;		/* owned, or beside rows: total form of each non-junk target, in order */
	bool		beside_rows;	/* public, and read beside protected rows: all its expressions have a total form */

	/* Releases. */
	EpsReleasePlan *plan;
	List	   *keys;			/* of Expr, total form, as the plan's keys */
	List	   *key_sources;	/* of Node: the same keys as the query writes them */
	List	   *columns;		/* of Expr, total form, as the plan's columns */
	List	   *outputs;		/* of Node: the expression of the query that output j replaces */
	List	   *cte_lists;		/* of List: the WITH clauses in sight, the level's own first */
} EpsLevel;

/* A qualification list, an expression or a row of VALUES, and its total form. */
typedef struct EpsQual
{
	Node	   *source;
	Node	   *total;
} EpsQual;

typedef struct EpsVerdict
{
	List	   *levels;			/* of EpsLevel *: all levels, inner ones first */
	int			nreleases;
	bool		needs_params;	/* a generic plan cannot be made: a parameter decides a bound or a domain */
} EpsVerdict;

/*
 * Analyzes a statement of an analyst that reaches a protected relation.  params
 * may be NULL (a generic plan).  ERROR PV001, PV002, PV011 with position, detail
 * and hint when it is refused.
 */
extern EpsVerdict *eps_analyze_statement(Query *query, ParamListInfo params);

/* Does the statement name a protected relation, a closed one included, anywhere? */
extern bool eps_analyze_reaches_protected(Query *query);

/* The level of a query of the verdict, or NULL. */
extern EpsLevel *eps_analyze_level(const EpsVerdict *verdict, const Query *query);

/* Oids of functions of schema dp that analysis knows. */
typedef struct EpsFunctions
{
	Oid			clamp_int4;
	Oid			clamp_int8;
	Oid			clamp_numeric;
	Oid			clamp_float8;
	Oid			interval_low;
	Oid			interval_high;
	Oid			stddev_of_noise;
	Oid			float8_mul;		/* total twins */
	Oid			float8_div;
	Oid			date_trunc_timestamp;
	Oid			date_trunc_timestamptz;
	Oid			width_bucket_float8;
	Oid			width_bucket_numeric;
	Oid			timestamp_from_date;
	Oid			timestamptz_from_date;
	Oid			date_from_timestamptz;
	Oid			timestamp_from_timestamptz;
	Oid			timestamptz_from_timestamp;
	Oid			shift_timestamp;
	Oid			shift_timestamptz;
	Oid			float8_from_numeric;
	Oid			date_minus;
	Oid			date_plus;
	Oid			short_text;
	Oid			short_bpchar;
	Oid			guarded;		/* above a release: NULL and a warning instead of an error */
	Oid			guarded_apart;	/* the same in a subtransaction */
	Oid			guarded_cast;
	Oid			guarded_cast_apart;
	Oid			at_least_zero;
	Oid			positive;
	Oid			fraction;
	Oid			summable_float4;
	Oid			summable_float8;
	Oid			release;		/* placeholder aggregates of pg/rewrite */
	Oid			output;
	Oid			needs_parameters;
} EpsFunctions;

/* Builtin, immutable, from scalars to a scalar, and in C: an error that it raises
 * leaves nothing behind but memory. */
extern bool eps_analyze_is_plain_function(Oid funcid);
extern bool eps_analyze_is_plain_type(Oid type);

/* A row of the allow-list that raises for no argument whatever, without a twin. */
extern bool eps_analyze_cannot_raise(Oid funcid);

/* ERROR unless the current user may call the function. */
extern void eps_analyze_check_execute(Oid funcid);

/* Looked up by name in schema dp; ERROR if the extension is not installed. */
extern EpsFunctions eps_analyze_functions(void);

/*
 * May the executor call this function beside protected rows?  It cannot raise, or
 * analysis has shown that it does not where it left it in place; one that analysis
 * replaces by a twin may not.  For the last look at a plan (pg/guard).
 */
extern bool eps_analyze_may_run_beside_rows(const EpsFunctions *functions, Oid funcid);

/* A clock: not immutable, never raises, and accepted beside protected rows. */
extern bool eps_analyze_is_safe_stable(Oid funcid);

#endif							/* EPS_PG_ANALYZE_H */
