/*
 * sql.c
 *	  What the functions of schema dp need from C.
 */
#include "pg/policy/policy_internal.h"

#include <math.h>

#include "core/mechanism/mechanism.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#define MAX_LISTED_VALUES 100000
/* Units are kept in bigint; the largest promise that leaves room above it. */
#define MAX_PROMISE 7.5

PGDLLEXPORT Datum eps_policy_sql_begin_change(PG_FUNCTION_ARGS);
PGDLLEXPORT Datum eps_policy_sql_book_exists(PG_FUNCTION_ARGS);
PGDLLEXPORT Datum eps_policy_sql_changed(PG_FUNCTION_ARGS);
PGDLLEXPORT Datum eps_policy_sql_units(PG_FUNCTION_ARGS);
PGDLLEXPORT Datum eps_policy_sql_delta_units(PG_FUNCTION_ARGS);
PGDLLEXPORT Datum eps_policy_sql_check_path(PG_FUNCTION_ARGS);
PGDLLEXPORT Datum eps_policy_sql_domain(PG_FUNCTION_ARGS);
PGDLLEXPORT Datum eps_policy_sql_describe(PG_FUNCTION_ARGS);

/* --- changing policy ---------------------------------------------------------- */

static void
check_steward(Oid caller)
{
	Oid			stewards = get_role_oid(EPS_ROLE_STEWARD, true);

	if (superuser_arg(caller))
		return;
	if (!OidIsValid(stewards) || !is_member_of_role_nosuper(caller, stewards))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to change privacy policy"),
				 errhint("Only members of role \"%s\" may.", EPS_ROLE_STEWARD)));
}

static void
check_relation_owner(Oid caller, Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", relid)));
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	if (!has_privs_of_role(caller, owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be owner of relation %s", get_rel_name(relid)),
				 errdetail("A steward sets policy only for relations whose owner they are a member of.")));
}

/*
 * Opens a change of policy: checks the caller, serialises changes until the end
 * of the transaction, and returns the caller's name for the history.
 *
 * The functions that call this are SECURITY DEFINER, so the caller is the role
 * outside all of them: GetOuterUserId(), not the current user.
 */
PG_FUNCTION_INFO_V1(eps_policy_sql_begin_change);
Datum
eps_policy_sql_begin_change(PG_FUNCTION_ARGS)
{
	Oid			caller = GetOuterUserId();

	check_steward(caller);
	if (!PG_ARGISNULL(0))
		check_relation_owner(caller, PG_GETARG_OID(0));

	/* Not an advisory lock: anybody may take those */
	LockDatabaseObject(ExtensionRelationId, get_extension_oid("pg_epsilon", false), 0, ShareRowExclusiveLock);
	eps_policy_cache_invalidate_book();
	PG_RETURN_TEXT_P(cstring_to_text(GetUserNameFromId(caller, false)));
}

PG_FUNCTION_INFO_V1(eps_policy_sql_book_exists);
Datum
eps_policy_sql_book_exists(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(eps_policy_cache_book() != NULL);
}

static void
invalidate_relation(Oid relid)
{
	if (SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relid)))
		CacheInvalidateRelcacheByRelid(relid);
}

static void
invalidate_tree(Oid relid)
{
	ListCell   *lc;

	if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relid)))
		return;
	foreach(lc, find_all_inheritors(relid, NoLock, NULL))
		invalidate_relation(lfirst_oid(lc));
}

/*
 * Tells every backend, at commit, that policy has changed: the book's caches, and
 * cached plans that read the relation, its parents or its children (of all
 * protected relations where none is named).
 */
PG_FUNCTION_INFO_V1(eps_policy_sql_changed);
Datum
eps_policy_sql_changed(PG_FUNCTION_ARGS)
{
	const EpsPolicyBook *book = eps_policy_cache_book();
	ListCell   *lc;

	if (book == NULL)
		PG_RETURN_VOID();
	eps_policy_cache_invalidate_book();
	if (!PG_ARGISNULL(0))
	{
		invalidate_tree(PG_GETARG_OID(0));
		foreach(lc, eps_policy_ancestors(PG_GETARG_OID(0)))
			invalidate_relation(lfirst_oid(lc));
		PG_RETURN_VOID();
	}
	foreach(lc, book->rules)
		invalidate_tree(((const EpsRule *) lfirst(lc))->relid);
	PG_RETURN_VOID();
}

/* --- units ------------------------------------------------------------------------ */

/* What a person calls epsilon, in units of the data set's accountant, rounded down
 * (rule 22). conversion_delta is 0 in a pure data set. */
PG_FUNCTION_INFO_V1(eps_policy_sql_units);
Datum
eps_policy_sql_units(PG_FUNCTION_ARGS)
{
	double		epsilon = PG_GETARG_FLOAT8(0);
	double		conversion_delta = PG_GETARG_FLOAT8(1);
	double		loss = epsilon;
	uint64		units;

	if (!isfinite(epsilon) || epsilon <= 0)
		ereport(ERROR,
				(errcode(EPS_ERRCODE_POLICY),
				 errmsg("epsilon must be a finite number above 0")));
	if (conversion_delta != 0)
		eps_common_check(eps_mechanism_zcdp_rho(&loss, epsilon, conversion_delta),
						 "conversion of epsilon to rho");
	if (loss >= MAX_PROMISE)
		ereport(ERROR,
				(errcode(EPS_ERRCODE_POLICY),
				 errmsg("epsilon is too large to be accounted for"),
				 errdetail("It must stay below %s %g.", conversion_delta != 0 ? "rho" : "epsilon", MAX_PROMISE)));
	eps_common_check(eps_mechanism_units_down(&units, loss), "conversion of a budget to units");
	PG_RETURN_INT64((int64) units);
}

PG_FUNCTION_INFO_V1(eps_policy_sql_delta_units);
Datum
eps_policy_sql_delta_units(PG_FUNCTION_ARGS)
{
	double		delta = PG_GETARG_FLOAT8(0);
	uint64		units;

	if (!(delta >= 0 && delta < 1))
		ereport(ERROR,
				(errcode(EPS_ERRCODE_POLICY),
				 errmsg("delta must be at least 0 and below 1")));
	eps_common_check(eps_mechanism_units_down(&units, delta), "conversion of delta to units");
	PG_RETURN_INT64((int64) units);
}

/* --- owner paths -------------------------------------------------------------------- */

static Datum *
array_elements(ArrayType *array, Oid type, int16 length, bool by_value, char align, int *n)
{
	Datum	   *elements;
	bool	   *nulls;

	deconstruct_array(array, type, length, by_value, align, &elements, &nulls, n);
	for (int i = 0; i < *n; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("a list must not have NULL members")));
	}
	return elements;
}

static void
rule_from_arguments(EpsRule *rule, ArrayType *relations, ArrayType *columns)
{
	Datum	   *elements = array_elements(relations, OIDOID, sizeof(Oid), true, TYPALIGN_INT, &rule->nsteps);
	int			n;

	rule->relations = palloc(sizeof(Oid) * Max(rule->nsteps, 1));
	for (int i = 0; i < rule->nsteps; i++)
		rule->relations[i] = DatumGetObjectId(elements[i]);
	elements = array_elements(columns, NAMEOID, NAMEDATALEN, false, TYPALIGN_CHAR, &n);
	EPS_ENSURE(n == 2 * rule->nsteps + 1, "an owner path has a wrong length");
	rule->columns = palloc(sizeof(char *) * n);
	for (int i = 0; i < n; i++)
		rule->columns[i] = NameStr(*DatumGetName(elements[i]));
}

/*
 * Checks an owner path exactly as the cache will read it, and returns the family
 * of its owner key, one character.
 */
PG_FUNCTION_INFO_V1(eps_policy_sql_check_path);
Datum
eps_policy_sql_check_path(PG_FUNCTION_ARGS)
{
	EpsProtected p = {.relid = PG_GETARG_OID(0),.dataset_id = PG_GETARG_INT32(1)};
	const EpsDataset *dataset = eps_policy_dataset(p.dataset_id);
	EpsRule		rule = {.relid = p.relid};
	EpsKeyFamily family = EPS_KEY_NONE;
	char		result[2] = {0, 0};
	char	   *problem;

	EPS_ENSURE(dataset != NULL, "the data set of an owner path does not exist");
	rule_from_arguments(&rule, PG_GETARG_ARRAYTYPE_P(2), PG_GETARG_ARRAYTYPE_P(3));
	problem = eps_policy_resolve_path(&p, &rule, &family);
	if (problem == NULL && p.closed)
		problem = "A relation on the owner path is closed.";
	if (problem == NULL && dataset->family != EPS_KEY_NONE && dataset->family != family)
		problem = "The owner keys of one data set must all be integers, all uuid, or all text.";
	if (problem != NULL)
		ereport(ERROR,
				(errcode(EPS_ERRCODE_POLICY),
				 errmsg("relation \"%s\" cannot be protected by this owner column", get_rel_name(p.relid)),
				 errdetail("%s", problem)));
	result[0] = (char) family;
	PG_RETURN_TEXT_P(cstring_to_text(result));
}

/* --- listed domains -------------------------------------------------------------------- */

static char **
domain_texts(ArrayType *array, int *n)
{
	Datum	   *elements = array_elements(array, TEXTOID, -1, false, TYPALIGN_INT, n);
	char	  **texts = palloc(sizeof(char *) * Max(*n, 1));

	if (*n < 1 || *n > MAX_LISTED_VALUES)
		ereport(ERROR,
				(errcode(EPS_ERRCODE_POLICY),
				 errmsg("a domain lists between 1 and %d values", MAX_LISTED_VALUES)));
	for (int i = 0; i < *n; i++)
		texts[i] = TextDatumGetCString(elements[i]);
	return texts;
}

/* The list in canonical text and type order; the caller has set DateStyle. */
static Datum
canonical_texts(const Datum *values, int n, Oid type)
{
	Datum	   *texts = palloc(sizeof(Datum) * n);
	Oid			output;
	bool		is_varlena;

	getTypeOutputInfo(type, &output, &is_varlena);
	for (int i = 0; i < n; i++)
		texts[i] = CStringGetTextDatum(OidOutputFunctionCall(output, values[i]));
	return PointerGetDatum(construct_array(texts, n, TEXTOID, -1, false, TYPALIGN_INT));
}

PG_FUNCTION_INFO_V1(eps_policy_sql_domain);
Datum
eps_policy_sql_domain(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	const char *column = NameStr(*PG_GETARG_NAME(1));
	AttrNumber	attno = get_attnum(relid, column);
	int			n;
	char	  **texts = domain_texts(PG_GETARG_ARRAYTYPE_P(2), &n);
	Datum	   *values;
	Oid			type,
				collation;
	int32		typmod;
	const char *problem;

	if (attno <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of relation \"%s\" does not exist", column, get_rel_name(relid))));
	get_atttypetypmodcoll(relid, attno, &type, &typmod, &collation);
	problem = eps_policy_parse_domain(&values, texts, n, type, typmod, collation);
	if (problem != NULL)
		ereport(ERROR,
				(errcode(EPS_ERRCODE_POLICY),
				 errmsg("the values cannot be the domain of column \"%s\"", column),
				 errdetail("%s", problem)));
	PG_RETURN_DATUM(canonical_texts(values, n, type));
}

/* --- dp.describe -------------------------------------------------------------------------- */

static bool
may_describe(const EpsProtected *p)
{
	Oid			user = GetUserId();

	if (p == NULL)
		return false;
	return superuser_arg(user) ||
		is_member_of_role_nosuper(user, get_role_oid(EPS_ROLE_STEWARD, false)) ||
		is_member_of_role_nosuper(user, get_role_oid(EPS_ROLE_AUDITOR, false)) ||
		eps_policy_grant(p->dataset_id) != NULL;
}

static int
domain_size(const EpsColumnFact *fact, Oid type)
{
	if (fact->has_domain)
		return fact->ndomain;
	return type == BOOLOID ? 2 : 0;
}

static const char *
owner_role_of(const EpsProtected *p, AttrNumber attno)
{
	if (p->nsteps == 0)
		return attno == p->owner_attno ? "owner key" : NULL;
	return attno == p->steps[0].attno ? "path to owner" : NULL;
}

#define DESCRIBE_COLUMNS 11

static void
describe_column(ReturnSetInfo *result, const EpsProtected *p, const EpsDataset *dataset,
				Form_pg_attribute attr)
{
	const EpsColumnFact *fact = &p->facts[attr->attnum - 1];
	const char *owner = owner_role_of(p, attr->attnum);
	int			size = domain_size(fact, attr->atttypid);
	Datum		values[DESCRIBE_COLUMNS] = {
		NameGetDatum(&attr->attname),
		CStringGetTextDatum(format_type_with_typemod(attr->atttypid, attr->atttypmod)),
		owner ? CStringGetTextDatum(owner) : (Datum) 0,
		BoolGetDatum(fact->not_null),
		Float8GetDatum(fact->lower),
		Float8GetDatum(fact->upper),
		BoolGetDatum(fact->enforced),
		Int32GetDatum(size),
		Int64GetDatum(p->rows_per_owner),
		Int64GetDatum(p->groups_per_owner),
		CStringGetTextDatum(dataset->name)
	};
	bool		nulls[DESCRIBE_COLUMNS] = {
		false, false, owner == NULL, false, !fact->has_bounds, !fact->has_bounds, !fact->has_bounds,
		size == 0, p->rows_per_owner == 0, p->groups_per_owner == 0, false
	};

	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

PG_FUNCTION_INFO_V1(eps_policy_sql_describe);
Datum
eps_policy_sql_describe(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	const EpsProtected *p = eps_policy_protected(relid);
	const EpsDataset *dataset;

	/* One message: which relations another data set has is no business of theirs */
	if (!may_describe(p))
		ereport(ERROR,
				(errcode(EPS_ERRCODE_NOT_ANALYST),
				 errmsg("relation is not protected, or in a data set that you have no grant on")));
	dataset = eps_policy_dataset(p->dataset_id);
	if (p->broken || dataset == NULL)
		ereport(ERROR,
				(errcode(EPS_ERRCODE_POLICY),
				 errmsg("the policy of relation \"%s\" no longer matches it", get_rel_name(relid)),
				 errhint("A steward can repair it by dp.protect, or by dp.set_domain where a listed value is gone.")));

	InitMaterializedSRF(fcinfo, 0);
	for (AttrNumber attno = 1; attno <= p->natts; attno++)
	{
		HeapTuple	tuple = SearchSysCache2(ATTNUM, ObjectIdGetDatum(relid), Int16GetDatum(attno));

		if (!HeapTupleIsValid(tuple))
			continue;
		if (!((Form_pg_attribute) GETSTRUCT(tuple))->attisdropped)
			describe_column((ReturnSetInfo *) fcinfo->resultinfo, p, dataset,
							(Form_pg_attribute) GETSTRUCT(tuple));
		ReleaseSysCache(tuple);
	}
	return (Datum) 0;
}
