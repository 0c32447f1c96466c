/*
 * policy_internal.h
 *	  What the files of pg/policy share: the book as read, the cache, the
 *	  resolution of one relation.
 */
#ifndef EPS_PG_POLICY_INTERNAL_H
#define EPS_PG_POLICY_INTERNAL_H

#include "pg/policy/policy.h"

#include "datatype/timestamp.h"
#include "utils/array.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/relcache.h"

/* --- the book as it stands in its tables (book.c) ------------------------ */

/* Policy tables of dp_book, as indexes of EpsBookTables.oid. */
typedef enum EpsBookTable
{
	EPS_BOOK_DATASET,
	EPS_BOOK_PROTECTED,
	EPS_BOOK_PUBLIC,
	EPS_BOOK_FACT,
	EPS_BOOK_PURPOSE,
	EPS_BOOK_ANALYST,
	EPS_BOOK_PAD,
	EPS_BOOK_NTABLES
} EpsBookTable;

typedef struct EpsBookTables
{
	Oid			schema;			/* dp_book */
	Oid			api_schema;		/* dp */
	Oid			owner;			/* of the extension's schema, of dp_book and of every table in it */
	Oid			oid[EPS_BOOK_NTABLES];
} EpsBookTables;

/* A row of protected_relation that is in force. */
typedef struct EpsRule
{
	Oid			relid;
	int32		dataset_id;
	bool		closed;
	int64		rows_per_owner; /* 0 = not declared */
	int64		groups_per_owner;
	int			nsteps;
	Oid		   *relations;		/* nsteps */
	char	  **columns;		/* 2 * nsteps + 1: from, to, from, to, ..., owner column */
} EpsRule;

typedef struct EpsPurpose
{
	int32		dataset_id;
	int			number;			/* 0..31 */
	char	   *name;
	bool		default_consent;
} EpsPurpose;

typedef struct EpsBookGrant
{
	EpsGrant	grant;
	TimestampTz since;
} EpsBookGrant;

/* A row of column_fact that is in force, texts and numbers still as stored. */
typedef struct EpsFactRow
{
	char	   *column;
	Numeric		lower;			/* NULL if none; the same for upper */
	Numeric		upper;
	bool		has_domain;
	int			ndomain;
	char	  **domain;
} EpsFactRow;

typedef struct EpsPolicyBook
{
	EpsBookTables tables;
	List	   *datasets;		/* of EpsDataset * */
	List	   *purposes;		/* of EpsPurpose * */
	List	   *grants;			/* of EpsBookGrant *, oldest first */
	List	   *rules;			/* of EpsRule * */
	List	   *publics;		/* of Oid */
	uint64		version;		/* eps_policy_version */
} EpsPolicyBook;

/*
 * Finds the book's tables.  False where there is no book to trust: schema dp is
 * not a member of the extension, or dp_book or a table in it is missing or
 * belongs to somebody else.
 */
extern bool eps_policy_book_find(EpsBookTables *out);

/* Reads the rows in force into the current context, whatever the caller's
 * rights and snapshot: the newest committed policy, and one's own changes. */
extern EpsPolicyBook *eps_policy_book_read(const EpsBookTables *tables);

/* Facts about the columns of one relation: a list of EpsFactRow *. */
extern List *eps_policy_book_facts(const EpsBookTables *tables, Oid relid);

/* --- the cache (cache.c) -------------------------------------------------- */

extern void eps_policy_cache_init(void);

/* The book, or NULL if this database has none. Stays valid until transaction end. */
extern const EpsPolicyBook *eps_policy_cache_book(void);

/* True where it is known that this database has no book: one test of a flag. */
extern bool eps_policy_cache_is_absent(void);

/* Something that plans depend on has changed outside the book. */
extern void eps_policy_cache_bump(void);

/* Sends every backend, at commit, and this one now and if the transaction is
 * undone, word that the book has changed. */
extern void eps_policy_cache_invalidate_book(void);

/* The rule that stands for this very relation, or NULL. */
extern const EpsRule *eps_policy_cache_rule(Oid relid);

/* From now on a change of this relation's definition is a change of policy. */
extern void eps_policy_cache_watch(Oid relid);

/*
 * The rule of a relation whose rows a view or materialized view shows, through
 * other views too; NULL if there is none (derived.c).
 */
extern const EpsRule *eps_policy_rule_behind(Oid relid);

/* Relations that this one inherits from, directly or not. */
extern List *eps_policy_ancestors(Oid relid);

/* --- one relation (relation.c, facts.c, value.c) --------------------------- */

/*
 * Fills steps, owner column and type of *out (relid is set by the caller) from
 * a rule's columns.  Returns NULL, or why it cannot be done, as a sentence for a
 * steward.
 */
extern char *eps_policy_resolve_path(EpsProtected *out, const EpsRule *rule, EpsKeyFamily *family);

/* Everything about a relation that stands under a rule, in the current context. */
extern EpsProtected *eps_policy_resolve(Oid relid, const EpsRule *rule, const EpsPolicyBook *book);

/*
 * Public facts of a relation's columns: CHECK constraints, NOT NULL, and the
 * steward's rows, which speak of `source` (the relation itself or the parent
 * that is protected).  False if a listed value no longer belongs to its type.
 */
extern bool eps_policy_facts(EpsColumnFact *out, Relation relation, Oid source, const EpsPolicyBook *book);

/* The doubles next to a number, at or below and at or above it. */
extern void eps_policy_numeric_bounds(double *down, double *up, Numeric value);

/*
 * A listed value as a datum of a column's type.  Never raises; false where the
 * text is no value of the type, or the type cannot have a listed domain.
 */
extern bool eps_policy_parse_value(Datum *out, const char *text, Oid type, int32 typmod);
extern bool eps_policy_has_listed_domain(Oid type);

/* Parses, sorts in type order. Returns a constant sentence on failure, else NULL. */
extern const char *eps_policy_parse_domain(Datum **out, char *const *text, int n, Oid type, int32 typmod, Oid collation);

/* --- roles (session.c, reach.c) ------------------------------------------------------ */

extern void eps_policy_session_init(void);
extern bool eps_policy_session_can_act_as(Oid role);

/* reach.c: does an analyst of this session own the relation, a part of it, or a right to change it? */
extern bool eps_policy_session_can_write(Oid relid);

/* --- statements that hand out rights (opening.c) ---------------------------------- */

/* Can this statement give an analyst a right on protected rows that it did not have? */
extern bool eps_policy_may_open(const Node *statement);

/* --- following DDL (ddl.c) ---------------------------------------------------- */

extern void eps_policy_ddl_init(void);

#endif							/* EPS_PG_POLICY_INTERNAL_H */
