/*
 * start.c
 *	  The backend's side of the ledger writer: starting it when it is needed,
 *	  waking it, and making it leave a database that somebody else needs.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "pg/budget/budget_internal.h"

#define START_TIMEOUT_MS	60000
#define START_STALE_MS		10000	/* whoever was starting one has given up */
#define SLOT_MS				300	/* a writer that was asked to leave has left */
#define POLL_MS				50

void
eps_budget_writer_wake(EpsWriter *writer)
{
	Latch	   *latch;

	SpinLockAcquire(&writer->mutex);
	latch = writer->pid != 0 ? writer->latch : NULL;
	SpinLockRelease(&writer->mutex);
	if (latch != NULL)
		SetLatch(latch);
}

static bool
is_running(EpsWriter *writer, uint64 *incarnation)
{
	bool		running;

	SpinLockAcquire(&writer->mutex);
	running = writer->pid != 0;
	*incarnation = writer->incarnation;
	SpinLockRelease(&writer->mutex);
	return running;
}

/* Is it up to us to start one? Then others wait for us, for a while. */
static bool
claim_start(EpsWriter *writer)
{
	TimestampTz now = GetCurrentTimestamp();
	bool		mine;

	SpinLockAcquire(&writer->mutex);
	mine = writer->pid == 0 &&
		(writer->starting_since == 0 ||
		 now >= TimestampTzPlusMilliseconds(writer->starting_since, START_STALE_MS));
	if (mine)
	{
		writer->starting_since = now;
		writer->leave = false;
	}
	SpinLockRelease(&writer->mutex);
	return mine;
}

static void
unclaim_start(EpsWriter *writer)
{
	SpinLockAcquire(&writer->mutex);
	writer->starting_since = 0;
	SpinLockRelease(&writer->mutex);
	ConditionVariableBroadcast(&writer->answered);
}

static BackgroundWorkerHandle *
register_writer(EpsWriter *writer)
{
	BackgroundWorker worker;
	BackgroundWorkerHandle *handle;

	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	worker.bgw_main_arg = ObjectIdGetDatum(writer->database);
	worker.bgw_notify_pid = MyProcPid;
	strlcpy(worker.bgw_library_name, "pg_epsilon", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "eps_budget_writer_main", BGW_MAXLEN);
	snprintf(worker.bgw_name, BGW_MAXLEN, "pg_epsilon ledger writer");
	strlcpy(worker.bgw_type, "pg_epsilon ledger writer", BGW_MAXLEN);
	return RegisterDynamicBackgroundWorker(&worker, &handle) ? handle : NULL;
}

/* Of the writers of other databases, the one that has had nothing to do for longest;
 * one that was asked to leave already comes first. */
static EpsWriter *
longest_idle(const EpsWriter *writer)
{
	EpsWriter  *best = NULL;
	TimestampTz best_since = DT_NOEND;

	for (int i = 0; i < EPS_BOOK_MAX_REGIONS; i++)
	{
		EpsWriter  *other = &eps_budget_control->writer[i];
		TimestampTz since = DT_NOEND;

		if (other == writer)
			continue;
		SpinLockAcquire(&other->mutex);
		if (other->pid != 0)
			since = other->wanted ? DT_NOBEGIN : other->idle_since;
		SpinLockRelease(&other->mutex);
		if (since < best_since)
		{
			best = other;
			best_since = since;
		}
	}
	return best;
}

static void
raise_no_slot(void)
{
	ConditionVariableCancelSleep();
	ereport(ERROR,
			(errcode(EPS_ERRCODE_WRITER),
			 errmsg("ledger writer cannot be started: no background worker slot is free"),
			 errhint("Raise max_worker_processes and restart the server.")));
}

static void
want_slot(EpsWriter *writer)
{
	if (writer == NULL)
		return;
	SpinLockAcquire(&writer->mutex);
	writer->wanted = writer->pid != 0;
	SpinLockRelease(&writer->mutex);
	eps_budget_writer_wake(writer);
}

/*
 * Every slot of max_worker_processes is taken: a writer of another database that
 * idles gives up its own, and one that works does when it is done.  *asked_at is
 * when one was asked last; the postmaster needs a moment to free its slot.
 */
static void
ask_for_slot(EpsWriter *writer, TimestampTz *asked_at)
{
	TimestampTz now = GetCurrentTimestamp();
	EpsWriter  *other = longest_idle(writer);

	unclaim_start(writer);
	if (*asked_at != 0 && now < TimestampTzPlusMilliseconds(*asked_at, SLOT_MS))
		return;
	if (other == NULL && *asked_at != 0)
		raise_no_slot();
	*asked_at = now;
	want_slot(other);
}

/* For a worker that is no writer: the writer that has idled for longest gives up its slot. */
void
eps_budget_free_slot(void)
{
	want_slot(longest_idle(NULL));
}

static void
start_failed(EpsWriter *writer)
{
	ConditionVariableCancelSleep();
	unclaim_start(writer);
	ereport(ERROR,
			(errcode(EPS_ERRCODE_WRITER),
			 errmsg("ledger writer could not be started"),
			 errhint("The server log says why.")));
}

/* Did the worker that we registered end without ever becoming the writer? */
static bool
start_has_failed(EpsWriter *writer, BackgroundWorkerHandle *handle, uint64 incarnation)
{
	pid_t		pid;
	uint64		now;

	return handle != NULL
		&& GetBackgroundWorkerPid(handle, &pid) == BGWH_STOPPED
		&& !is_running(writer, &now)
		&& now == incarnation;
}

/*
 * Returns when a writer runs; starts one if none does.  ERROR PV006.  May be
 * called with interrupts held: then it ends by the time-out at the latest.
 */
void
eps_budget_writer_ensure(EpsWriter *writer)
{
	BackgroundWorkerHandle *handle = NULL;
	uint64		incarnation;
	TimestampTz asked_at = 0;
	TimestampTz deadline;

	if (is_running(writer, &incarnation))
		return;
	deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), START_TIMEOUT_MS);
	ConditionVariablePrepareToSleep(&writer->answered);
	for (;;)
	{
		uint64		seen = incarnation;

		if (is_running(writer, &incarnation))
			break;
		if (seen != incarnation)
			handle = NULL;		/* one ran and has left again */
		if (claim_start(writer) && (handle = register_writer(writer)) == NULL)
			ask_for_slot(writer, &asked_at);
		if (start_has_failed(writer, handle, incarnation) || GetCurrentTimestamp() > deadline)
			start_failed(writer);
		ConditionVariableTimedSleep(&writer->answered, POLL_MS, PG_WAIT_EXTENSION);
	}
	ConditionVariableCancelSleep();
}

/*
 * Asks the writer to look after the books (load, expiry, what is not booked yet)
 * and waits until it has.  False if it met a failure meanwhile.  Interruptible:
 * nothing may be reserved.
 */
bool
eps_budget_writer_attend(EpsWriter *writer)
{
	uint64		mine;
	uint64		failures;

	SpinLockAcquire(&writer->mutex);
	mine = ++writer->asked;
	failures = writer->failures;
	SpinLockRelease(&writer->mutex);

	for (;;)
	{
		bool		served;
		bool		failed;

		eps_budget_writer_ensure(writer);
		eps_budget_writer_wake(writer);
		ConditionVariablePrepareToSleep(&writer->answered);
		SpinLockAcquire(&writer->mutex);
		served = writer->served >= mine;
		failed = writer->failures != failures;
		SpinLockRelease(&writer->mutex);
		if (!served)
			ConditionVariableTimedSleep(&writer->answered, 1000, PG_WAIT_EXTENSION);
		ConditionVariableCancelSleep();
		if (served)
			return !failed;
		CHECK_FOR_INTERRUPTS();
	}
}

/* Makes the writer of a database leave, and waits until it has. */
void
eps_budget_writer_leave(Oid database)
{
	EpsWriter  *writer = eps_budget_writer_slot(database, false);
	uint64		incarnation;

	if (writer == NULL)
		return;
	SpinLockAcquire(&writer->mutex);
	writer->leave = true;
	SpinLockRelease(&writer->mutex);
	ConditionVariablePrepareToSleep(&writer->answered);
	while (is_running(writer, &incarnation))
	{
		eps_budget_writer_wake(writer);
		ConditionVariableTimedSleep(&writer->answered, 1000, PG_WAIT_EXTENSION);
		CHECK_FOR_INTERRUPTS();
	}
	ConditionVariableCancelSleep();
}
