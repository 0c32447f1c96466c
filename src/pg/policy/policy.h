/*
 * policy.h
 *	  Which relations are protected, in which data set, through which owner
 *	  column; which are public; which analysts may ask, at which price; which
 *	  facts about columns are public.  Rows with history in schema dp_book, and
 *	  a cache of them in each backend.
 *
 * Promises: a look-up for a role that is no analyst costs one cached test; the
 * cache follows every committed change of policy, of role membership and of the
 * relations named; what cannot be understood is reported as `broken`, and a
 * broken relation is refused to analysts.  Must not: plan, charge, read
 * protected rows.
 */
#ifndef EPS_PG_POLICY_H
#define EPS_PG_POLICY_H

#include "pg/common/common.h"

#include "access/attnum.h"
#include "nodes/pg_list.h"

#define EPS_SCHEMA_BOOK "dp_book"
#define EPS_SCHEMA_API "dp"
#define EPS_ROLE_STEWARD "dp_steward"
#define EPS_ROLE_ANALYST "dp_analyst"
#define EPS_ROLE_AUDITOR "dp_auditor"
#define EPS_ROLE_MONITOR "dp_monitor"	/* keeps what dp.harden takes from PUBLIC */

/* Roles that a session acts under at once, at most. */
#define EPS_POLICY_MAX_ROLES 4

/* Families of owner keys (rule 17). One family a data set. */
typedef enum EpsKeyFamily
{
	EPS_KEY_NONE = 0,			/* no relation protected yet */
	EPS_KEY_INT = 'i',			/* int2, int4, int8: canonical int8, big-endian */
	EPS_KEY_UUID = 'u',			/* 16 bytes */
	EPS_KEY_TEXT = 't'			/* text, varchar under a deterministic collation: its bytes */
} EpsKeyFamily;

typedef struct EpsDataset
{
	int32		id;
	char	   *name;
	bool		pure;			/* accountant 'pure': units are epsilon, delta is 0 */
	double		epsilon;		/* the promise */
	double		delta;
	double		conversion_delta;	/* epsilon <-> rho (0 if pure) */
	uint64		cap_units;		/* main limit at epsilon, after the side reserve (rule 23) */
	uint64		standard_units; /* limit of an owner without an own limit, <= cap_units */
	uint64		delta_units;	/* limit of selection delta, per owner */
	int32		capacity;		/* accounts */
	EpsKeyFamily family;
	int64		rows_per_owner; /* default for its relations; 0 = none */
	int64		largest_rows_per_owner; /* of its relations, as declared; 0 = none */
	int32		pad_quantum_ms; /* answers leave at its multiples (rule 34); 0 = not declared */
	int32		pad_moments;	/* quanta up to the deadline */
	bool		worst_case_start;	/* new owners begin at the worst case of all answers (rule 18) */
	bool		requires_purpose;	/* it has purposes: an analyst must name one */
	bool		closed;
} EpsDataset;

/* One step of an owner path: relation.attno = next_relation.next_attno. */
typedef struct EpsOwnerStep
{
	AttrNumber	attno;			/* in the relation before */
	Oid			next_relation;
	AttrNumber	next_attno;		/* unique in next_relation */
} EpsOwnerStep;

/* Public facts of one column. */
typedef struct EpsColumnFact
{
	bool		has_bounds;
	bool		enforced;		/* from a valid CHECK constraint: no row violates them */
	double		lower;			/* rounded outward */
	double		upper;
	bool		has_domain;
	int			ndomain;
	Datum	   *domain;			/* distinct non-null values of the column's type, in type order */
	bool		not_null;		/* attnotnull */
} EpsColumnFact;

typedef struct EpsProtected
{
	Oid			relid;
	int32		dataset_id;
	bool		closed;			/* refused to every analyst (rule 13) */
	bool		broken;			/* its columns no longer match: refused until repaired */
	int			nsteps;			/* 0: the owner column is in the relation itself */
	EpsOwnerStep *steps;
	AttrNumber	owner_attno;	/* in the last relation of the path */
	Oid			owner_type;
	int64		rows_per_owner; /* declared, or 1 by a unique index (rule 6); 0 = unknown */
	bool		owner_unique;	/* valid immediate unique non-partial index on the owner column,
								 * no children, direct path */
	int64		groups_per_owner;	/* 0 = not declared */
	int			natts;
	EpsColumnFact *facts;		/* natts entries, by attno - 1 */
} EpsProtected;

/* What an analyst holds on a data set. */
typedef struct EpsGrant
{
	int32		dataset_id;
	Oid			role;			/* the role that was granted; the quota is counted under it */
	uint64		query_units;	/* highest price of one release */
	uint64		quota_units;	/* UINT64_MAX: none */
	List	   *purposes;		/* of char *: NIL = all of the data set's */
} EpsGrant;

extern void eps_policy_init(void);	/* settings, hooks and callbacks; from _PG_init */

/*
 * Is anybody an analyst here: the current user, the session user or the role set
 * by SET ROLE (rule 29)? False at once in a database without a book.  Superusers
 * are never analysts.
 */
extern bool eps_policy_is_analyst_session(void);

/*
 * Is the type one that an analyst of this session owns, or can become the owner of?
 * Such a type may be dropped between the making of a plan and its run.
 */
extern bool eps_policy_session_owns_type(Oid type);

/*
 * The roles of this session (current, outer, session, login) that are analysts:
 * fills role, returns how many.  A matter of membership alone, so it answers in
 * a database without a book as well.  Needs a transaction.
 */
extern int	eps_policy_analyst_roles(Oid role[EPS_POLICY_MAX_ROLES]);

/* NULL if the relation is not protected. Partitions and inheritance children of
 * a protected relation count as protected by it; a relation with a protected part
 * that is not protected itself, or with a foreign part, is broken. What this and
 * the functions below return lives until the transaction ends: copy what must
 * stay. */
extern const EpsProtected *eps_policy_protected(Oid relid);

/*
 * Declared public by a steward, and out of reach of the session's roles: they
 * neither own it nor may change it.  A relation that the analyst can write shows
 * him afterwards which of its pages and rows were read beside protected ones.
 */
extern bool eps_policy_is_public(Oid relid);

/* NULL if there is none. */
extern const EpsDataset *eps_policy_dataset(int32 dataset_id);
extern const EpsDataset *eps_policy_dataset_by_name(const char *name);
extern List *eps_policy_dataset_ids(void);	/* list of int: data sets of this database */

/*
 * The session's grant on a data set: the exact role first, then the oldest grant
 * of a role that one of the session's roles is a member of.  NULL if none.
 */
extern const EpsGrant *eps_policy_grant(int32 dataset_id);

/*
 * The number (0..31) of the purpose that dp.purpose names, checked against data
 * set and grant; -1 where the data set has no purposes.  ERROR PV004 otherwise.
 */
extern int	eps_policy_check_purpose(const EpsDataset *dataset, const EpsGrant *grant, const char *purpose);

/* Bits of the purposes that an owner grants unless they say otherwise. */
extern uint32 eps_policy_default_consent(int32 dataset_id);

/* Canonical bytes of an owner key for hashing (rule 17). Returns the length;
 * *bytes points into buffer or into the datum. */
extern Size eps_policy_owner_bytes(const uint8 **bytes, uint8 buffer[16], EpsKeyFamily family, Oid type, Datum key);

/* The family that a type belongs to, or EPS_KEY_NONE (refused). */
extern EpsKeyFamily eps_policy_key_family(Oid type, Oid collation);

/*
 * Names the policy by all changes ever made to what is protected, public or known
 * of columns, and to data sets and purposes; 0 without a book.  It survives
 * restarts, and does not come back: rows of the book are ended, not removed.
 * Grants of analysts do not count: they say who may ask, not what an answer means.
 */
extern uint64 eps_policy_version(void);

/* Changes with every invalidation: a plan made under another version is checked again. */
extern uint64 eps_policy_generation(void);

#endif							/* EPS_PG_POLICY_H */
