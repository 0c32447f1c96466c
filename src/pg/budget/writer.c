/*
 * writer.c
 *	  The ledger writer: one background process a database, and the only one that
 *	  writes ledger tables.
 *
 * Each turn takes everything that is pending and puts it on disk in one
 * transaction; then the rings move on and whoever waits is told.  A turn that
 * fails leaves the messages where they are: the next commit books them.
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "replication/syncrep.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "core/crypto/crypto.h"
#include "pg/budget/budget_internal.h"

#define RETRY_MS	5000		/* after a batch that failed */

/* Set while a commit may wait for a synchronous standby: only then may SIGTERM
 * end the wait, and then the batch counts as not confirmed. */
static volatile sig_atomic_t in_commit = false;

/* What a turn remembers of the one before. */
typedef struct Loop
{
	EpsWriter  *writer;
	EpsLog	   *log;
	MemoryContext turn;
	uint64		tried;			/* orders below it were tried */
	bool		failing;		/* the last batch failed */
	bool		resumed;
	TimestampTz active_at;
} Loop;

/* One region's share of a batch. */
typedef struct Stretch
{
	EpsBook		book;
	uint64		from;
	uint64		to;
	uint32		naccounts;		/* accounts that its messages need stored */
} Stretch;

typedef struct Batch
{
	int			n;
	uint64		end_order;		/* orders below it are in the batch */
	bool		lazy;			/* nothing of it need be on disk: it holds stored answers alone */
	Stretch		stretch[EPS_BOOK_MAX_REGIONS];
} Batch;

/* --- life ------------------------------------------------------------------------------ */

static void
handle_sigterm(SIGNAL_ARGS)
{
	int			save_errno = errno;

	ShutdownRequestPending = true;
	if (in_commit)
		ProcDiePending = true;	/* looked at by SyncRepWaitForLSN */
	SetLatch(MyLatch);
	errno = save_errno;
}

/* A cancel from outside is ignored; the lock time-out sends the same signal. */
static void
handle_sigint(SIGNAL_ARGS)
{
	int			save_errno = errno;

	if (get_timeout_indicator(LOCK_TIMEOUT, false))
	{
		QueryCancelPending = true;
		InterruptPending = true;
	}
	SetLatch(MyLatch);
	errno = save_errno;
}

static void
detach(int code, Datum arg)
{
	EpsWriter  *writer = (EpsWriter *) DatumGetPointer(arg);
	bool		mine;

	SpinLockAcquire(&writer->mutex);
	mine = writer->pid == MyProcPid;
	if (mine)
	{
		writer->pid = 0;
		writer->latch = NULL;
	}
	SpinLockRelease(&writer->mutex);
	if (mine)
		ConditionVariableBroadcast(&writer->answered);
}

/* Becomes the writer of a database unless there is one, or its database is needed. */
static bool
attach(EpsWriter *writer)
{
	TimestampTz now = GetCurrentTimestamp();
	bool		mine;

	SpinLockAcquire(&writer->mutex);
	mine = writer->pid == 0 && !writer->leave;
	if (mine)
	{
		writer->pid = MyProcPid;
		writer->latch = MyLatch;
		writer->incarnation++;
		writer->wanted = false;
		writer->idle_since = now;
	}
	writer->starting_since = 0;
	SpinLockRelease(&writer->mutex);
	ConditionVariableBroadcast(&writer->answered);
	return mine;
}

/*
 * Settings of a role or database must not reach the writer (rule 47).  A lock
 * that somebody holds on the book, perhaps the very session that waits for us,
 * makes a batch fail after a while: its charges stay, and nobody hangs.
 */
static void
fix_settings(void)
{
	static const char *const fixed[][2] = {
		{"search_path", "pg_catalog, pg_temp"},
		{"statement_timeout", "0"},
		{"idle_in_transaction_session_timeout", "0"},
		{"lock_timeout", "10s"},
		{"default_transaction_read_only", "off"},
		{"default_transaction_isolation", "read committed"},
		{"default_transaction_deferrable", "off"},
		{"session_replication_role", "origin"},
		{"row_security", "off"},
		{"jit", "off"},
		{"max_parallel_workers_per_gather", "0"}
	};

	/* of other modules, where they are loaded: how many rows we write is data */
	static const char *const silent[][2] = {
		{"pg_stat_statements.track", "none"},
		{"auto_explain.log_min_duration", "-1"}
	};

	for (int i = 0; i < (int) lengthof(fixed); i++)
		SetConfigOption(fixed[i][0], fixed[i][1], PGC_SUSET, PGC_S_SESSION);
	for (int i = 0; i < (int) lengthof(silent); i++)
		if (GetConfigOption(silent[i][0], true, false) != NULL)
			SetConfigOption(silent[i][0], silent[i][1], PGC_SUSET, PGC_S_SESSION);
	if (synchronous_commit < SYNCHRONOUS_COMMIT_REMOTE_FLUSH)
		SetConfigOption("synchronous_commit", "on", PGC_SUSET, PGC_S_SESSION);
}

/* --- a batch --------------------------------------------------------------------------- */

/* A consistent cut of everything published. */
static void
cut_batch(Batch *batch, EpsWriter *writer)
{
	batch->n = 0;
	batch->lazy = true;
	LWLockAcquire(EPS_BOOK_LOCK, LW_SHARED);
	SpinLockAcquire(&writer->mutex);
	batch->end_order = writer->next_order;
	for (int i = 0; i < EPS_BOOK_MAX_REGIONS; i++)
	{
		EpsRegion  *r = &eps_budget_control->region[i];
		Stretch    *s = &batch->stretch[batch->n];

		if (r->state != EPS_REGION_READY || r->database != MyDatabaseId || r->head == r->tail)
			continue;
		eps_budget_view(&s->book, r, writer);
		s->from = r->tail;
		s->to = r->head;
		s->naccounts = 0;
		batch->n++;
	}
	SpinLockRelease(&writer->mutex);
	LWLockRelease(EPS_BOOK_LOCK);
}

/* Gives an entry its number, here and in the ring, and stores it. */
static void
store_message(Stretch *s, EpsLog *log, EpsMessage *message, uint64 at)
{
	if (eps_budget_is_entry(message->kind))
	{
		if (eps_budget_log_has(log, message->seq))
			return;
		message->seq = eps_budget_log_next(log);
		message->at = eps_budget_log_time_after(log, message->at);
		eps_budget_ring_set_seq(&s->book, at, message->seq);
	}
	message->after_seq = eps_budget_log_size_now(log);
	eps_budget_store_message(&s->book, log, message, at);
}

/* Accounts that began alike are stored together. */
static void
store_stretch(Batch *batch, EpsLog *log, Stretch *s)
{
	uint32		stored = s->book.region->stored_accounts;
	EpsMessage	first = {0};
	EpsMessage	message;

	s->naccounts = stored;
	for (uint64 at = s->from; at != s->to; at += message.words)
	{
		eps_budget_ring_get(&s->book, at, &message, sizeof(message));
		if (message.naccounts > s->naccounts &&
			(message.start_units != first.start_units || message.start_delta_units != first.start_delta_units))
		{
			eps_budget_store_accounts(&s->book, stored, s->naccounts, &first);
			stored = s->naccounts;
			first = message;
		}
		store_message(s, log, &message, at);
		batch->lazy = batch->lazy && message.kind == EPS_MESSAGE_ANSWER;
		s->naccounts = Max(s->naccounts, message.naccounts);
	}
	batch->lazy = batch->lazy && s->naccounts <= s->book.region->stored_accounts;
	eps_budget_store_accounts(&s->book, stored, s->naccounts, &first);
}

/* Tells who waits. Mutex held. */
static void
settle_tickets(const Stretch *s, EpsTicketStatus status)
{
	EpsMessage	message;

	for (uint64 at = s->from; at != s->to; at += message.words)
	{
		EpsTicket  *ticket;

		eps_budget_ring_get(&s->book, at, &message, sizeof(message));
		ticket = &eps_budget_control->tickets[message.procno];
		if (ticket->order != message.order)
			continue;
		ticket->seq = message.seq;
		ticket->status = status;
	}
}

/* After the commit: the rings move on. */
static void
finish_batch(Batch *batch, EpsLog *log, EpsWriter *writer, EpsTicketStatus status)
{
	eps_budget_log_committed(log);
	SpinLockAcquire(&writer->mutex);
	for (int i = 0; i < batch->n; i++)
	{
		Stretch    *s = &batch->stretch[i];

		settle_tickets(s, status);
		s->book.region->tail = s->to;
		s->book.region->stored_accounts = Max(s->book.region->stored_accounts, s->naccounts);
	}
	SpinLockRelease(&writer->mutex);
	ConditionVariableBroadcast(&writer->answered);
}

static void
fail_batch(Batch *batch, EpsWriter *writer)
{
	SpinLockAcquire(&writer->mutex);
	for (int i = 0; i < batch->n; i++)
		settle_tickets(&batch->stretch[i], EPS_TICKET_FAILED);
	writer->failures++;
	SpinLockRelease(&writer->mutex);
	ConditionVariableBroadcast(&writer->answered);
}

/* True when the commit is on disk here and wherever a synchronous standby must have it. */
static bool
commit_batch(void)
{
	bool		confirmed;

	SPI_finish();
	PopActiveSnapshot();
	EPS_TEST_POINT("commit");
	in_commit = true;
	if (ShutdownRequestPending)
		ProcDiePending = true;
	CommitTransactionCommand();
	in_commit = false;
	confirmed = !(ProcDiePending && SyncRepStandbyNames != NULL && SyncRepStandbyNames[0] != '\0');
	ProcDiePending = false;
	return confirmed;
}

static void
write_batch(Batch *batch, EpsLog *log, EpsWriter *writer)
{
	bool		confirmed;

	eps_budget_check_durable();
	eps_budget_spi_begin(true);
	eps_budget_check_tables();
	eps_budget_log_open(log);
	eps_budget_log_changes(log);
	for (int i = 0; i < batch->n; i++)
		store_stretch(batch, log, &batch->stretch[i]);
	EPS_TEST_POINT("batch");
	if (batch->lazy && !eps_budget_log_has_appended(log))
		(void) set_config_option("synchronous_commit", "off", PGC_SUSET, PGC_S_SESSION,
								 GUC_ACTION_LOCAL, true, 0, false);
	confirmed = commit_batch();
	EPS_TEST_POINT("committed");
	finish_batch(batch, log, writer, confirmed ? EPS_TICKET_BOOKED : EPS_TICKET_FAILED);
	pgstat_report_stat(true);
}

/* --- turns ----------------------------------------------------------------------------- */

/* After an error: clean as PostgresMain does, and go on. */
static void
recover_from_error(Loop *loop)
{
	HOLD_INTERRUPTS();
	in_commit = false;
	ProcDiePending = false;
	eps_budget_log_forget(loop->log);
	EmitErrorReport();
	AbortCurrentTransaction();
	LWLockReleaseAll();
	FlushErrorState();
	MemoryContextSwitchTo(loop->turn);
	RESUME_INTERRUPTS();
}

static void
book_pending(Loop *loop, bool asked)
{
	EpsWriter  *writer = loop->writer;
	Batch	   *batch = palloc(sizeof(Batch));
	bool		fresh;

	cut_batch(batch, writer);
	fresh = batch->end_order != loop->tried;
	if (batch->n == 0)
		loop->failing = false;
	if (batch->n == 0 || (loop->failing && !fresh && !asked &&
						  GetCurrentTimestamp() < TimestampTzPlusMilliseconds(loop->active_at, RETRY_MS)))
		return;
	loop->tried = batch->end_order;
	loop->active_at = GetCurrentTimestamp();
	PG_TRY();
	{
		write_batch(batch, loop->log, writer);
		loop->failing = false;
	}
	PG_CATCH();
	{
		recover_from_error(loop);
		loop->failing = true;
		fail_batch(batch, writer);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(loop->turn);
}

/* Without knowing what is on disk nothing can be booked: nobody shall wait for it. */
static void
refuse_pending(Loop *loop)
{
	Batch	   *batch = palloc(sizeof(Batch));

	cut_batch(batch, loop->writer);
	if (batch->n > 0)
		fail_batch(batch, loop->writer);
	loop->failing = true;
}

/* Changes of policy that no answer has followed yet. */
static void
log_changes(Loop *loop)
{
	bool		found = false;

	eps_budget_check_durable();
	eps_budget_spi_begin(true);
	if (eps_budget_has_key() && eps_budget_has_tables())
	{
		eps_budget_check_tables();
		eps_budget_log_open(loop->log);
		eps_budget_log_changes(loop->log);
		found = eps_budget_log_has_appended(loop->log);
	}
	if (!found)
	{
		eps_budget_spi_end(true);
		return;
	}
	(void) commit_batch();
	eps_budget_log_committed(loop->log);
}

static void
look_after_books(Loop *loop)
{
	PG_TRY();
	{
		if (!loop->resumed)
			eps_budget_resume(loop->writer);
		loop->resumed = true;
		eps_budget_load_all(loop->writer, loop->turn);
		eps_budget_refresh_consent(loop->writer, loop->turn);
		log_changes(loop);
	}
	PG_CATCH();
	{
		recover_from_error(loop);
		SpinLockAcquire(&loop->writer->mutex);
		loop->writer->failures++;
		SpinLockRelease(&loop->writer->mutex);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(loop->turn);
}

static void
take_turn(Loop *loop)
{
	EpsWriter  *writer = loop->writer;
	uint64		asked;
	bool		due;

	SpinLockAcquire(&writer->mutex);
	asked = writer->asked;
	due = asked != writer->served;
	SpinLockRelease(&writer->mutex);
	if (!loop->resumed)
		look_after_books(loop);
	if (loop->resumed)
		book_pending(loop, due);
	else
		refuse_pending(loop);
	if (!due)
		return;
	look_after_books(loop);
	SpinLockAcquire(&writer->mutex);
	writer->served = asked;
	SpinLockRelease(&writer->mutex);
	ConditionVariableBroadcast(&writer->answered);
	loop->active_at = GetCurrentTimestamp();
}

/* Has it nothing to do, for long enough or because its slot or database is needed? */
static bool
may_leave(Loop *loop, bool must)
{
	EpsWriter  *writer = loop->writer;
	Batch	   *batch = palloc(sizeof(Batch));
	bool		idle;

	if (must)
		return true;
	cut_batch(batch, writer);
	if (batch->n > 0)
		return false;
	idle = GetCurrentTimestamp() >=
		TimestampTzPlusMilliseconds(loop->active_at, (int64) eps_budget_writer_idle * 1000);
	SpinLockAcquire(&writer->mutex);
	writer->idle_since = loop->active_at;
	idle = (idle || writer->wanted) && writer->asked == writer->served && writer->next_order == batch->end_order;
	if (idle)
		writer->pid = 0;		/* from here on others start a new one */
	SpinLockRelease(&writer->mutex);
	return idle;
}

static bool
must_leave(EpsWriter *writer)
{
	bool		leave;

	SpinLockAcquire(&writer->mutex);
	leave = writer->leave;
	SpinLockRelease(&writer->mutex);
	return leave || ShutdownRequestPending;
}

static void
wait_for_work(Loop *loop)
{
	long		timeout = loop->failing ? RETRY_MS : (long) eps_budget_writer_idle * 1000;

	pgstat_report_activity(STATE_IDLE, NULL);
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					 Max(timeout, 100), PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
		fix_settings();
	}
	pgstat_report_activity(STATE_RUNNING, "booking charges");
}

void
eps_budget_writer_main(Datum arg)
{
	Loop		loop = {.writer = eps_budget_writer_slot(DatumGetObjectId(arg), false)};

	pqsignal(SIGTERM, handle_sigterm);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGINT, handle_sigint);
	BackgroundWorkerUnblockSignals();

	if (loop.writer == NULL || RecoveryInProgress() || IsBinaryUpgrade)
		proc_exit(0);
	before_shmem_exit(detach, PointerGetDatum(loop.writer));
	BackgroundWorkerInitializeConnectionByOid(DatumGetObjectId(arg), InvalidOid, 0);
	fix_settings();
	eps_common_check(eps_crypto_init(), "initialising cryptography");
	loop.log = eps_budget_log_make(loop.writer);
	if (!attach(loop.writer))
		proc_exit(0);
	loop.turn = AllocSetContextCreate(TopMemoryContext, "pg_epsilon writer turn", ALLOCSET_DEFAULT_SIZES);
	loop.active_at = GetCurrentTimestamp();
	for (;;)
	{
		bool		must = must_leave(loop.writer);

		MemoryContextReset(loop.turn);
		MemoryContextSwitchTo(loop.turn);
		take_turn(&loop);
		if (may_leave(&loop, must))
			break;
		wait_for_work(&loop);
	}
	proc_exit(0);
}
