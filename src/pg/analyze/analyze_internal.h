/*
 * analyze_internal.h
 *	  Private to pg/analyze.
 */
#ifndef EPS_PG_ANALYZE_INTERNAL_H
#define EPS_PG_ANALYZE_INTERNAL_H

#include "pg/analyze/analyze.h"

#include "nodes/bitmapset.h"

/*
 * What is publicly known of an expression's values.
 *
 * bounded: every non-NULL value lies in [lo, hi], if enforced; if not enforced
 * that is a declaration which the data may break, so arithmetic clamps first.
 * natural: the bounds are those of the type alone, good enough to show that
 * arithmetic cannot fail, too wide to calibrate a sum by.
 */
typedef struct EpsFact
{
	bool		bounded;
	bool		enforced;
	bool		natural;
	double		lo;
	double		hi;
	bool		nullable;
	int			scale;			/* decimal digits after the point; -1 unknown */
	EpsDomainKind domain;
	List	   *values;			/* of Const, for EPS_DOMAIN_VALUES */
	int64		domain_lo;
	int64		domain_hi;
	bool		is_owner;		/* the value is the owner key of its source */
	Oid			origin;			/* base relation whose column this is, unchanged, or InvalidOid */
	AttrNumber	origin_attno;
	bool		is_const;		/* known at planning */
	Const	   *value;			/* then */
} EpsFact;

typedef enum EpsSourceKind
{
	EPS_SOURCE_NONE,			/* not in the join tree */
	EPS_SOURCE_OWNED,
	EPS_SOURCE_PUBLIC,			/* declared public and out of the analyst's reach, or constants */
	EPS_SOURCE_RELEASED,
	EPS_SOURCE_OTHER			/* ordinary relation: not beside protected rows */
} EpsSourceKind;

/* One range-table entry of a level. */
typedef struct EpsSource
{
	EpsSourceKind kind;
	RangeTblEntry *rte;
	const EpsProtected *relation;	/* protected base relation, or NULL */
	EpsLevel   *level;			/* subquery or CTE, or NULL */
	struct EpsScope *scope;		/* its scope, if any */
	Expr	   *owner;			/* owned: the owner key as Var of this level */
	int64		rows;			/* owned: rows an owner may have; 0 unknown */
	bool		unique;			/* owned: at most one row an owner, by unique indexes */
	bool		nullable;		/* on the nullable side of an outer join */
	int			owner_class;	/* index of the source that stands for the class of equal owners */
} EpsSource;

/* Analysis of one level: what its Vars refer to. */
typedef struct EpsScope
{
	struct EpsContext *cx;
	struct EpsScope *parent;
	Query	   *query;
	EpsLevel   *level;
	int			nsources;
	EpsSource  *sources;		/* by rtindex - 1 */
	bool		owned;			/* protected rows are read at this very level */
	bool		total;			/* its expressions were brought to total form */
	List	   *case_facts;		/* stack of EpsFact * for CaseTestExpr */
	EpsFact    *facts;			/* of the non-junk targets */
	int			nfacts;
	int64		rows;			/* owned: bound of rows an owner */
	bool		unique;
	int64		fanout;			/* owned: product of matches in public relations, 0 = 1 */
	int64		groups;			/* owned: smallest declared groups_per_owner; 0 = none */
	List	   *relations;		/* of Oid: protected relations read beneath */
	List	   *ctes;			/* of EpsCte *, of query->cteList */
} EpsScope;

typedef struct EpsCte
{
	CommonTableExpr *cte;
	EpsLevel   *level;
	EpsScope   *scope;
} EpsCte;

typedef struct EpsContext
{
	EpsVerdict *verdict;
	ParamListInfo params;
	EpsFunctions functions;
	int32		dataset_id;		/* the one data set of this statement; 0 = none yet */
	const EpsDataset *dataset;
	List	   *scopes;			/* of EpsScope *: every level analyzed so far */
} EpsContext;

/* errors.c: all refusals go through here. `location` is a parse location or -1. */
extern void eps_analyze_refuse(int location, const char *message, const char *detail, const char *hint) pg_attribute_noreturn();
extern void eps_analyze_unbounded(int location, const char *message, const char *detail, const char *hint) pg_attribute_noreturn();

/* level.c */
extern EpsScope *eps_analyze_query(EpsContext *cx, EpsScope *parent, Query *query);
extern void eps_analyze_require_total(EpsScope *scope, int location);
extern void eps_analyze_total_clauses(EpsScope *scope);

/* source.c */
extern void eps_analyze_sources(EpsScope *scope);
extern EpsFact eps_analyze_var_fact(EpsScope *scope, const Var *var);
extern int	eps_analyze_nvisible(const Query *query);

/* joins.c */
extern void eps_analyze_joins(EpsScope *scope);

/* fanout.c: matches that a row of the rest may find in a public source, by the
 * columns equated; refuses above 100 (rule 16). */
extern int64 eps_analyze_fanout(EpsScope *scope, int rtindex, Bitmapset *attnos);
extern bool eps_analyze_is_unique_on(Oid relid, Bitmapset *attnos);

/* expr.c */
extern Node *eps_analyze_total(EpsScope *scope, Node *node, EpsFact *fact);
extern Node *eps_analyze_operand(EpsScope *scope, Node *node, EpsFact *fact);
extern List *eps_analyze_total_list(EpsScope *scope, List *list);

/* facts.c */
extern EpsFact eps_analyze_const_fact(const Const *c);
extern EpsFact eps_analyze_type_fact(Oid type, int32 typmod);
extern Node *eps_analyze_clamped(EpsScope *scope, Node *node, EpsFact *fact, int location);
extern bool eps_analyze_const_value(EpsScope *scope, Node *node, Const **value);
extern bool eps_analyze_awaits_params(EpsScope *scope, Node *node, EpsFact *fact);
extern Node *eps_analyze_const_missing(EpsScope *scope, Node *node, int location, EpsFact *fact);
extern bool eps_analyze_key_type(Oid type);
extern void eps_analyze_check_collation(Oid collation, List *args, int location);

/* calls.c: functions and operators by the table of functions.c */
extern Node *eps_analyze_call(EpsScope *scope, Expr *call, Oid funcid, List *args, Oid result, int32 typmod, int location, EpsFact *fact);

/* pattern.c */
extern void eps_analyze_check_pattern(const char *spelled, int location);

/* functions.c: the allow-list */
typedef enum EpsRule
{
	EPS_RULE_TOTAL,				/* cannot fail; nothing known of the result but its type */
	EPS_RULE_ADD,
	EPS_RULE_SUB,
	EPS_RULE_MUL,
	EPS_RULE_DIV,
	EPS_RULE_MOD,
	EPS_RULE_NEG,
	EPS_RULE_ABS,
	EPS_RULE_SAME,				/* one argument, value unchanged (widening casts) */
	EPS_RULE_NARROW,			/* one argument, value rounded to an integer type if it fits */
	EPS_RULE_ROUND,				/* floor, ceil, round, trunc of a numeric or float */
	EPS_RULE_BOOL_TO_INT,
	EPS_RULE_LIKE,
	EPS_RULE_FOLD,				/* lower and upper: four bytes a character are allocated at once */
	EPS_RULE_EXTRACT,
	EPS_RULE_DATE_TRUNC,
	EPS_RULE_WIDTH_BUCKET,
	EPS_RULE_LENGTH,
	EPS_RULE_SUBSTR,
	EPS_RULE_DATE_TO_TIMESTAMP,
	EPS_RULE_TIME,				/* time zone conversions, timestamp +- interval */
	EPS_RULE_DATE_DIFF,			/* date - date, date + days, date - days */
	EPS_RULE_CLAMP
} EpsRule;

extern bool eps_analyze_rule(EpsContext *cx, Oid funcid, EpsRule *rule);
extern bool eps_analyze_is_equality(Oid funcid);

/* interval.c: bounds, rounded outward; false where the result is unbounded */
extern bool eps_analyze_bounds_add(EpsFact *out, const EpsFact *a, const EpsFact *b);
extern bool eps_analyze_bounds_sub(EpsFact *out, const EpsFact *a, const EpsFact *b);
extern bool eps_analyze_bounds_mul(EpsFact *out, const EpsFact *a, const EpsFact *b);
extern bool eps_analyze_bounds_div(EpsFact *out, const EpsFact *a, const EpsFact *b, bool integer);
extern bool eps_analyze_fits_type(const EpsFact *fact, Oid type);
extern void eps_analyze_fact_union(EpsFact *out, const EpsFact *a, bool first);
extern bool eps_analyze_const_double(const Const *c, double *value);

/* coordinates.c */
/* The release under construction. */
typedef struct EpsBuild
{
	EpsScope   *scope;
	EpsReleasePlan *plan;
	List	   *facts;			/* of EpsFact *, by column */
	List	   *outputs;		/* of EpsPlanOutput * */
	List	   *coords;			/* of EpsPlanCoord * */
	List	   *columns;		/* of EpsPlanColumn * */
} EpsBuild;

extern int	eps_analyze_add_column(EpsBuild *build, Node *expr, const EpsFact *fact);
/* The same for a column whose values are told apart; `collation` is that of their equality. */
extern int	eps_analyze_add_distinct_column(EpsBuild *build, Node *expr, Oid collation, const EpsFact *fact);
extern int	eps_analyze_add_coord(EpsBuild *build, EpsCoordKind kind, int column, double weight);
extern int	eps_analyze_find_coord(EpsBuild *build, EpsCoordKind kind, int column);
extern int	eps_analyze_count_column(EpsBuild *build, int column);
extern void eps_analyze_set_units(EpsPlanColumn *column, const EpsFact *fact, int location);

/* aggregates.c */
extern void eps_analyze_release(EpsScope *scope);

/* distinct.c: count(DISTINCT value), value already filtered; returns the coordinate. */
extern int	eps_analyze_count_values(EpsBuild *build, const Aggref *agg, Node *value, const EpsFact *fact);

/* free.c */
extern void eps_analyze_free_level(EpsScope *scope);
extern void eps_analyze_owned_sublink(EpsScope *scope, SubLink *sublink);
extern void eps_analyze_check_one_row(EpsScope *sub, const SubLink *sublink);

#endif							/* EPS_PG_ANALYZE_INTERNAL_H */
