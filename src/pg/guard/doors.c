/*
 * doors.c
 *	  Functions that show how much the server has read or written (rule 31).
 *
 * An analyst who compares two readings of such a counter around a release has
 * the exact number of rows that it met.  dp.harden takes the right to execute
 * them away; a release is refused until that is done, and an analyst's call
 * raises in any case, also in a database where nobody has hardened anything.
 */
#include "pg/guard/guard_internal.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_language.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/regproc.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "pg/policy/policy.h"

extern PGDLLEXPORT Datum eps_guard_sql_is_counter(PG_FUNCTION_ARGS);

/* Builtin functions, by the beginning of their name: a later release of the
 * server may add to a family. */
static const char *const counters[] = {
	/* where the write-ahead log stands, which grows with the cohort */
	"pg_current_wal_", "pg_last_wal_", "pg_control_", "pg_get_replication_slots", "pg_stat_get_wal",
	"pg_logical_emit_message", "pg_switch_wal", "pg_create_restore_point", "pg_backup_st",
	"pg_stat_get_replication_slot", "pg_stat_get_recovery_prefetch",
	/* what this transaction, this session and the whole server have read */
	"pg_stat_get_xact_", "pg_stat_get_backend_", "pg_stat_get_activity", "pg_stat_get_progress_info",
	"pg_stat_get_db_", "pg_stat_get_io", "pg_stat_get_slru", "pg_stat_get_bgwriter_",
	"pg_stat_get_checkpointer_", "pg_stat_get_buf_", "pg_stat_get_archiver",
	"pg_lock_status",
	/* of databases and disks */
	"pg_database_size", "pg_tablespace_size"
};

/* Libraries of extensions that show pages, buffers, or what statements read. */
static const char *const libraries[] = {
	"pageinspect", "pgstattuple", "pg_buffercache", "pg_freespacemap", "pg_visibility", "pg_walinspect",
	"pg_stat_statements", "pg_stat_kcache", "pg_stat_monitor", "pg_qualstats", "pg_wait_sampling", "pgrowlocks",
	"pg_prewarm", "pg_store_plans", "pg_show_plans", "pg_query_state", "pgsentinel", "pg_proctab", "system_stats"
};

/* The builtin ones of this server: object ids below FirstGenbkiObjectId never change. */
static struct
{
	bool		valid;
	int			n;
	Oid			oid[256];
} builtin;

/* Which counter is open to a session's roles; a change of a function or a role ends it. */
static struct
{
	bool		valid;
	int			nroles;
	Oid			role[EPS_POLICY_MAX_ROLES];
	Oid			open;			/* InvalidOid: none */
} checked;

static object_access_hook_type next_object_access = NULL;

/* --- which functions ------------------------------------------------------------ */

static void
add_family(Relation procedures, const char *prefix)
{
	NameData	from;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	namestrcpy(&from, prefix);
	ScanKeyInit(&key, Anum_pg_proc_proname, BTGreaterEqualStrategyNumber, F_NAMEGE, NameGetDatum(&from));
	scan = systable_beginscan(procedures, ProcedureNameArgsNspIndexId, true, NULL, 1, &key);
	while ((tuple = systable_getnext(scan)) != NULL)
	{
		Form_pg_proc form = (Form_pg_proc) GETSTRUCT(tuple);

		/* in the order of names, unless system indexes are off */
		if (strncmp(NameStr(form->proname), prefix, strlen(prefix)) != 0)
		{
			if (IgnoreSystemIndexes)
				continue;
			break;
		}
		if (form->pronamespace != PG_CATALOG_NAMESPACE || form->oid >= FirstNormalObjectId)
			continue;
		EPS_ENSURE(builtin.n < (int) lengthof(builtin.oid), "too many counters");
		builtin.oid[builtin.n++] = form->oid;
	}
	systable_endscan(scan);
}

static int
compare_oids(const void *a, const void *b)
{
	Oid			x = *(const Oid *) a;
	Oid			y = *(const Oid *) b;

	return (x > y) - (x < y);
}

static void
list_builtin(void)
{
	Relation	procedures;

	if (builtin.valid)
		return;
	procedures = table_open(ProcedureRelationId, AccessShareLock);
	builtin.n = 0;
	for (size_t i = 0; i < lengthof(counters); i++)
		add_family(procedures, counters[i]);
	table_close(procedures, AccessShareLock);
	qsort(builtin.oid, builtin.n, sizeof(Oid), compare_oids);
	builtin.valid = true;
}

/* $libdir/pg_stat_statements, /usr/lib/.../pg_stat_statements.so */
static bool
is_library(const char *path)
{
	const char *base = strrchr(path, '/');
	size_t		length;

	base = base == NULL ? path : base + 1;
	length = strcspn(base, ".");
	for (size_t i = 0; i < lengthof(libraries); i++)
	{
		if (strlen(libraries[i]) == length && strncmp(base, libraries[i], length) == 0)
			return true;
	}
	return false;
}

static bool
is_of_library(Oid function)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	Datum		path;
	bool		isnull;
	bool		result = false;

	if (!HeapTupleIsValid(tuple))
		return false;
	if (((Form_pg_proc) GETSTRUCT(tuple))->prolang == ClanguageId)
	{
		path = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_probin, &isnull);
		result = !isnull && is_library(TextDatumGetCString(path));
	}
	ReleaseSysCache(tuple);
	return result;
}

static bool
is_counter(Oid function)
{
	if (function >= FirstNormalObjectId)
		return is_of_library(function);
	list_builtin();
	return bsearch(&function, builtin.oid, builtin.n, sizeof(Oid), compare_oids) != NULL;
}

PG_FUNCTION_INFO_V1(eps_guard_sql_is_counter);
Datum
eps_guard_sql_is_counter(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(is_counter(PG_GETARG_OID(0)));
}

/* --- is one open? ------------------------------------------------------------------ */

/* Membership counts, inherited or not: SET ROLE uses what is not inherited. */
static bool
reaches(Oid role, Oid grantee)
{
	return grantee == ACL_ID_PUBLIC || is_member_of_role_nosuper(role, grantee);
}

static bool
is_open_to(Oid function, Oid role)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	Datum		datum;
	bool		isnull;
	bool		result = false;
	Acl		   *acl;

	if (!HeapTupleIsValid(tuple))
		return false;
	datum = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_proacl, &isnull);
	acl = isnull ? acldefault(OBJECT_FUNCTION, ((Form_pg_proc) GETSTRUCT(tuple))->proowner) : DatumGetAclPCopy(datum);
	ReleaseSysCache(tuple);
	for (int i = 0; i < ACL_NUM(acl) && !result; i++)
	{
		const AclItem *item = &ACL_DAT(acl)[i];

		result = (ACLITEM_GET_PRIVS(*item) & ACL_EXECUTE) != 0 && reaches(role, item->ai_grantee);
	}
	pfree(acl);
	return result;
}

static Oid
find_open(const Oid *role, int nroles)
{
	list_builtin();
	for (int i = 0; i < builtin.n; i++)
	{
		for (int r = 0; r < nroles; r++)
		{
			if (is_open_to(builtin.oid[i], role[r]))
				return builtin.oid[i];
		}
	}
	return InvalidOid;
}

/* The flag is set before the look-ups: a change that arrives during them unsets it. */
static Oid
open_counter(const Oid *role, int nroles)
{
	if (checked.valid && checked.nroles == nroles && memcmp(checked.role, role, sizeof(Oid) * nroles) == 0)
		return checked.open;
	checked.valid = true;
	checked.nroles = nroles;
	memcpy(checked.role, role, sizeof(Oid) * nroles);
	PG_TRY();
	{
		checked.open = find_open(role, nroles);
	}
	PG_CATCH();
	{
		checked.valid = false;
		PG_RE_THROW();
	}
	PG_END_TRY();
	return checked.open;
}

void
eps_guard_check_doors(void)
{
	Oid			role[EPS_POLICY_MAX_ROLES];
	int			nroles = eps_policy_analyst_roles(role);
	Oid			open = nroles > 0 ? open_counter(role, nroles) : InvalidOid;

	if (OidIsValid(open))
		ereport(ERROR,
				(errcode(EPS_ERRCODE_SIDE_DOOR),
				 errmsg("a side door is open: analysts may execute %s", format_procedure(open)),
				 errdetail("It would show how much the server reads or writes for a release."),
				 errhint("A superuser closes it, and others, by SELECT dp.harden(apply => true) in this database; dp.doctor() lists what is open.")));
}

/* --- the call itself ------------------------------------------------------------------ */

static void
refuse_call(Oid function)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied for function %s", get_func_name(function)),
			 errdetail("It shows what the server reads or writes, which analysts must not see.")));
}

static void
guard_object_access(ObjectAccessType access, Oid class, Oid object, int sub, void *arg)
{
	Oid			role[EPS_POLICY_MAX_ROLES];

	if (next_object_access)
		next_object_access(access, class, object, sub, arg);
	if (access != OAT_FUNCTION_EXECUTE || !IsNormalProcessingMode() || !IsTransactionState() ||
		!OidIsValid(MyDatabaseId))
		return;
	if (eps_policy_analyst_roles(role) > 0 && is_counter(object))
		refuse_call(object);
}

static void
on_change(Datum arg, int cacheid, uint32 hashvalue)
{
	checked.valid = false;
}

void
eps_guard_init(void)
{
	CacheRegisterSyscacheCallback(PROCOID, on_change, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, on_change, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHOID, on_change, (Datum) 0);
	next_object_access = object_access_hook;
	object_access_hook = guard_object_access;
	eps_guard_session_init();
}
