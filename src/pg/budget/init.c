/*
 * init.c
 *	  Settings, shared memory and the utility hook of pg/budget.
 */
#include "postgres.h"

#include <limits.h>

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_database.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "storage/ipc.h"
#include "storage/shmem.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/guc.h"
#include "utils/syscache.h"

#include "core/crypto/crypto.h"
#include "pg/budget/epoch_internal.h"

#define MIN_WORKER_PROCESSES 18

int			eps_budget_max_owners = 2097152;
int			eps_budget_writer_idle = 30;
int			eps_budget_max_answers = 1000;
char	   *eps_budget_key_file = NULL;
char	   *eps_budget_key_command = NULL;

static shmem_request_hook_type prev_shmem_request_hook = NULL;
static shmem_startup_hook_type prev_shmem_startup_hook = NULL;
static ProcessUtility_hook_type prev_ProcessUtility_hook = NULL;

static void
define_settings(void)
{
	DefineCustomIntVariable("dp.max_owners",
							"Accounts of data owners that the server has room for, over all data sets.",
							"The book stands in shared memory of this size, about 115 bytes an account; untouched memory is not used.",
							&eps_budget_max_owners, 2097152, 1024, 1 << 30,
							PGC_POSTMASTER, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("dp.writer_idle",
							"Time after which a ledger writer with nothing to do leaves.",
							NULL, &eps_budget_writer_idle, 30, 1, 86400,
							PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable("dp.max_answers",
							"Answers of a data set that are kept to be given again.",
							"The oldest ones make room.",
							&eps_budget_max_answers, 1000, 1, 1000000,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("dp.key_file",
							   "File with the wrapping key of the data sets' secrets.",
							   "32 bytes or 64 hexadecimal digits, outside the data directory, closed to others.",
							   &eps_budget_key_file, "",
							   PGC_POSTMASTER, GUC_SUPERUSER_ONLY, NULL, NULL, NULL);
	DefineCustomStringVariable("dp.key_command",
							   "Command that prints the wrapping key of the data sets' secrets.",
							   NULL, &eps_budget_key_command, "",
							   PGC_POSTMASTER, GUC_SUPERUSER_ONLY, NULL, NULL, NULL);
}

/* The clock, its worker and a writer a database need slots; parallel workers share the default of 8. */
static void
raise_worker_processes(void)
{
	char		value[16];

	if (max_worker_processes >= MIN_WORKER_PROCESSES)
		return;
	snprintf(value, sizeof(value), "%d", MIN_WORKER_PROCESSES);
	SetConfigOption("max_worker_processes", value, PGC_POSTMASTER, PGC_S_OVERRIDE);
}

static void
request_shmem(void)
{
	if (prev_shmem_request_hook)
		prev_shmem_request_hook();
	RequestAddinShmemSpace(add_size(eps_budget_shmem_size(), PG_CACHE_LINE_SIZE));
	RequestNamedLWLockTranche("pg_epsilon", EPS_BOOK_NLOCKS);
}

static void
startup_shmem(void)
{
	if (prev_shmem_startup_hook)
		prev_shmem_startup_hook();
	eps_budget_shmem_attach();
}

/* --- commands that need a database for themselves ---------------------------------- */

/* The template of CREATE DATABASE. */
static const char *
template_name(const CreatedbStmt *stmt)
{
	ListCell   *cell;

	foreach(cell, stmt->options)
	{
		DefElem    *option = lfirst_node(DefElem, cell);

		if (strcmp(option->defname, "template") == 0 && option->arg != NULL)
			return defGetString(option);
	}
	return "template1";
}

static bool
moves_database(const AlterDatabaseStmt *stmt)
{
	ListCell   *cell;

	foreach(cell, stmt->options)
	{
		if (strcmp(lfirst_node(DefElem, cell)->defname, "tablespace") == 0)
			return true;
	}
	return false;
}

/* The database that a command needs without other users, or NULL. */
static const char *
needed_database(Node *parsetree)
{
	switch (nodeTag(parsetree))
	{
		case T_DropdbStmt:
			return ((DropdbStmt *) parsetree)->dbname;
		case T_CreatedbStmt:
			return template_name((CreatedbStmt *) parsetree);
		case T_AlterDatabaseStmt:
			return moves_database((AlterDatabaseStmt *) parsetree) ?
				((AlterDatabaseStmt *) parsetree)->dbname : NULL;
		case T_RenameStmt:
			return ((RenameStmt *) parsetree)->renameType == OBJECT_DATABASE ?
				((RenameStmt *) parsetree)->subname : NULL;
		default:
			return NULL;
	}
}

/* The server's own have_createdb_privilege is not exported in every minor release. */
static bool
may_create_databases(void)
{
	HeapTuple	tuple;
	bool		result;

	if (superuser())
		return true;
	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(GetUserId()));
	result = HeapTupleIsValid(tuple) && ((Form_pg_authid) GETSTRUCT(tuple))->rolcreatedb;
	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	return result;
}

/* Whoever may not do it shall not disturb the writer by trying. */
static bool
may_need_database(Oid database)
{
#if PG_VERSION_NUM >= 160000
	bool		owner = object_ownercheck(DatabaseRelationId, database, GetUserId());
#else
	bool		owner = pg_database_ownercheck(database, GetUserId());
#endif

	return owner || may_create_databases();
}

static void
process_utility(PlannedStmt *pstmt, const char *queryString, bool readOnlyTree,
				ProcessUtilityContext context, ParamListInfo params,
				QueryEnvironment *queryEnv, DestReceiver *dest, QueryCompletion *qc)
{
	const char *name = needed_database(pstmt->utilityStmt);
	Oid			database = InvalidOid;
	bool		dropped = IsA(pstmt->utilityStmt, DropdbStmt);

	if (name != NULL && IsTransactionState())
		database = get_database_oid(name, true);
	if (OidIsValid(database) && database != MyDatabaseId && may_need_database(database))
		eps_budget_writer_leave(database);

	if (prev_ProcessUtility_hook)
		prev_ProcessUtility_hook(pstmt, queryString, readOnlyTree, context, params, queryEnv, dest, qc);
	else
		standard_ProcessUtility(pstmt, queryString, readOnlyTree, context, params, queryEnv, dest, qc);

	if (dropped && OidIsValid(database))
		eps_budget_forget_database(database);
}

void
eps_budget_init(void)
{
	define_settings();
	raise_worker_processes();
	eps_common_check(eps_crypto_init(), "initialising cryptography");
	eps_budget_key_load();
	eps_budget_rekey_init();
	eps_budget_clock_init();

	prev_shmem_request_hook = shmem_request_hook;
	shmem_request_hook = request_shmem;
	prev_shmem_startup_hook = shmem_startup_hook;
	shmem_startup_hook = startup_shmem;
	prev_ProcessUtility_hook = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
#ifdef EPS_TEST_BUILD
	eps_budget_test_init();
#endif
}
