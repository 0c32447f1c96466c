/*
 * clock.c
 *	  The clock: one process a server that starts an epoch worker in each database
 *	  when the server starts and whenever an epoch ends.
 *
 * Epochs end at multiples of dp.epoch, whether or not anybody asked or changed
 * anything: when one ends says nothing about owners (rule 36).
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "pg/budget/epoch_internal.h"

#define RETRY_SECONDS	60		/* after an epoch that could not be ended */
#define SLOT_ATTEMPTS	20		/* at a slot for a worker, which an idle ledger writer gives up */
#define SLOT_MS			300

int			eps_budget_epoch_seconds = 86400;

/* Databases in which a worker may run, in the current context. */
static List *
databases(void)
{
	MemoryContext caller = CurrentMemoryContext;
	List	   *result = NIL;
	Relation	relation;
	TableScanDesc scan;
	HeapTuple	tuple;

	StartTransactionCommand();
	(void) GetTransactionSnapshot();
	relation = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(relation, 0, NULL);
	while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		Form_pg_database database = (Form_pg_database) GETSTRUCT(tuple);
		MemoryContext old;

		if (!database->datallowconn || database->datistemplate)
			continue;
		old = MemoryContextSwitchTo(caller);
		result = lappend_oid(result, database->oid);
		MemoryContextSwitchTo(old);
	}
	table_endscan(scan);
	table_close(relation, AccessShareLock);
	CommitTransactionCommand();
	MemoryContextSwitchTo(caller);
	return result;
}

/* Ends the epochs of one database. False if no worker could be started. */
static bool
end_epochs(Oid database)
{
	BackgroundWorker worker;
	BackgroundWorkerHandle *handle;

	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	worker.bgw_main_arg = ObjectIdGetDatum(database);
	worker.bgw_notify_pid = MyProcPid;
	strlcpy(worker.bgw_library_name, "pg_epsilon", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "eps_budget_epoch_main", BGW_MAXLEN);
	strlcpy(worker.bgw_name, "pg_epsilon epoch worker", BGW_MAXLEN);
	strlcpy(worker.bgw_type, "pg_epsilon epoch worker", BGW_MAXLEN);
	for (int attempt = 0; !RegisterDynamicBackgroundWorker(&worker, &handle); attempt++)
	{
		if (attempt == SLOT_ATTEMPTS || ShutdownRequestPending)
			return false;
		eps_budget_free_slot();
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, SLOT_MS, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
	}
	return WaitForBackgroundWorkerShutdown(handle) == BGWH_STOPPED;
}

/* True if every epoch that is over was ended. */
static bool
end_all(void)
{
	List	   *oids = databases();
	ListCell   *cell;
	uint32		failures = pg_atomic_read_u32(&eps_budget_control->epoch_failures);
	bool		good = true;

	foreach(cell, oids)
	{
		if (ShutdownRequestPending)
			break;
		good = end_epochs(lfirst_oid(cell)) && good;
	}
	return good && pg_atomic_read_u32(&eps_budget_control->epoch_failures) == failures;
}

/* When the next epoch ends, or sooner where one could not be ended. */
static TimestampTz
next_turn(bool good)
{
	TimestampTz now = GetCurrentTimestamp();
	int64		period = (int64) eps_budget_epoch_seconds * USECS_PER_SEC;
	int64		since_1970 = now + (int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY;
	TimestampTz end = now + (period - since_1970 % period);

	return good ? end : Min(end, now + RETRY_SECONDS * USECS_PER_SEC);
}

/* The latch is set for many reasons; only the time counts. */
static void
wait_until(TimestampTz when)
{
	long		left;

	while (!ShutdownRequestPending && (left = (long) ((when - GetCurrentTimestamp() + 999) / 1000)) > 0)
	{
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, left, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

void
eps_budget_clock_main(Datum arg)
{
	MemoryContext turn;

	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
	if (RecoveryInProgress() || IsBinaryUpgrade)
		proc_exit(0);
	BackgroundWorkerInitializeConnectionByOid(InvalidOid, InvalidOid, 0);
	turn = AllocSetContextCreate(TopMemoryContext, "pg_epsilon clock", ALLOCSET_DEFAULT_SIZES);
	while (!ShutdownRequestPending)
	{
		TimestampTz when;

		MemoryContextReset(turn);
		MemoryContextSwitchTo(turn);
		when = next_turn(end_all());
		pgstat_report_activity(STATE_IDLE, NULL);
		wait_until(when);
	}
	proc_exit(0);
}

void
eps_budget_clock_init(void)
{
	BackgroundWorker worker;

	DefineCustomIntVariable("dp.epoch",
							"Length of an epoch of the ledger.",
							"Epochs end at multiples of it since 1970-01-01 00:00 UTC; then the ledger gets the roots of all balances and consents.",
							&eps_budget_epoch_seconds, 86400, 1, 31 * 86400,
							PGC_POSTMASTER, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable("dp.kept_snapshots",
							"Epochs whose balances are kept, so that owners can be given proofs.",
							NULL, &eps_budget_kept_snapshots, 2, 1, 1000,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = 5;
	strlcpy(worker.bgw_library_name, "pg_epsilon", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "eps_budget_clock_main", BGW_MAXLEN);
	strlcpy(worker.bgw_name, "pg_epsilon clock", BGW_MAXLEN);
	strlcpy(worker.bgw_type, "pg_epsilon clock", BGW_MAXLEN);
	RegisterBackgroundWorker(&worker);
}
