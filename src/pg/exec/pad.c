/*
 * pad.c
 *	  Answers that leave at public times (rule 34).
 *
 * Time is cut into quanta, counted from the start of the client's statement.
 * What a padded statement does with protected rows shows at two points of a
 * quantum only: charges go to the ledger writer at three quarters of one (the
 * writer's transaction is seen by whoever watches transaction numbers), and
 * answers and errors leave at the end of one.  Reading stops half-way to the
 * deadline: whoever was read is charged in the other half, and the answer withheld.
 *
 * What happens meanwhile must not show either: interrupts are held, so a cancel or
 * the end of the session takes effect at the end of a quantum, never at a time that
 * depends on how far the work has come; other sessions see one and the same wait
 * event, and no parallel worker that comes and goes.
 */
#include "postgres.h"

#include "pg/exec/exec_internal.h"
#include "pg/exec/repeat_internal.h"

#include "access/xact.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "storage/procsignal.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"
#include "utils/wait_event.h"

/* Of a data set without a declared quantum: by rows that owners may have in all */
#define DERIVED_LEAST_MS	128
#define DERIVED_MOST_MS		(512 * 1024)
#define DERIVED_ROWS_PER_MS 2000
#define DERIVED_MOMENTS		4

#define USECS_PER_MS		INT64CONST(1000)
#define WASH_BYTES			((Size) 32 * 1024 * 1024)

/* The statement that is padded now: a session runs one at a time. */
typedef struct Pad
{
	bool		active;
	TimestampTz base;			/* moment k is base + k quanta */
	int64		quantum;		/* microseconds */
	int			moments;		/* the deadline is the last one */
	bool		cut;			/* reading was stopped */
	uint32		wait_event;		/* where waits are noted that nobody shall see */
} Pad;

static Pad	pad;
static bool setting_pad = false;
static bool registered = false;
static TimeoutId late_timeout;
static TimeoutId wake_timeout;

volatile sig_atomic_t eps_exec_pad_late = false;

/* --- quantum and deadline ----------------------------------------------------------- */

/* From public sizes alone: the capacity and the largest declared rows per owner. */
static int64
derived_quantum_ms(const EpsDataset *dataset)
{
	double		rows = (double) dataset->capacity * (double) Max(dataset->largest_rows_per_owner, 1);
	int64		quantum = DERIVED_LEAST_MS;

	while (quantum < DERIVED_MOST_MS && (double) quantum * DERIVED_ROWS_PER_MS < rows)
		quantum *= 2;
	return quantum;
}

bool
eps_exec_pad_of(const EpsDataset *dataset, int64 *quantum_ms, int *moments)
{
	if (dataset->pad_quantum_ms > 0)
	{
		*quantum_ms = dataset->pad_quantum_ms;
		*moments = dataset->pad_moments;
		return true;
	}
	*quantum_ms = derived_quantum_ms(dataset);
	*moments = DERIVED_MOMENTS;
	return setting_pad;
}

/* Answers that were given before: protected rows are not read. */
static bool
are_repeats(List *scans)
{
	ListCell   *lc;

	foreach(lc, scans)
	{
		const EpsScanState *node = lfirst(lc);

		if (node->same_as == NULL && node->phase != EPS_SCAN_DONE && !node->asked.repeat)
			return false;
	}
	return true;
}

/* A statement reaches one data set. */
static bool
pads(List *scans)
{
	const EpsScanState *node = linitial(scans);
	int64		quantum_ms;

	if (node->price == NULL)
		node = node->same_as;
	if (are_repeats(scans) || !eps_exec_pad_of(node->price->dataset, &quantum_ms, &pad.moments))
		return false;
	pad.quantum = quantum_ms * USECS_PER_MS;
	return true;
}

bool
eps_exec_pad_is_active(void)
{
	return pad.active;
}

static void on_transaction(XactEvent event, void *arg);

/* --- timers ------------------------------------------------------------------------------ */

static void
on_late(void)
{
	eps_exec_pad_late = true;
}

static void
on_wake(void)
{
	SetLatch(MyLatch);
}

static void
start_timers(void)
{
	if (!registered)
	{
		late_timeout = RegisterTimeout(USER_TIMEOUT, on_late);
		wake_timeout = RegisterTimeout(USER_TIMEOUT, on_wake);
		RegisterXactCallback(on_transaction, NULL);
		registered = true;
	}
	enable_timeout_at(late_timeout, pad.base + pad.moments * pad.quantum / 2);
}

/* --- waits ---------------------------------------------------------------------------------- */

static void
hide_waits(void)
{
	pgstat_set_wait_event_storage(&pad.wait_event);
	*(volatile uint32 *) &MyProc->wait_event_info = PG_WAIT_EXTENSION;
}

static void
show_waits(void)
{
	*(volatile uint32 *) &MyProc->wait_event_info = 0;
	pgstat_set_wait_event_storage(&MyProc->wait_event_info);
}

/*
 * Whatever arrives meanwhile is looked at afterwards.  A timer wakes us: WaitLatch
 * counts in milliseconds from when it is called, which depends on the work.
 */
static void
wait_until(TimestampTz until)
{
	enable_timeout_at(wake_timeout, until);
	while (GetCurrentTimestamp() < until)
	{
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, 1000L, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		if (ProcSignalBarrierPending)
			ProcessProcSignalBarrier();
	}
	disable_timeout(wake_timeout, false);
	SetLatch(MyLatch);
}

/* The number of the moment at which something that is ready now may leave. */
static int64
next_moment(void)
{
	int64		k = (GetCurrentTimestamp() - pad.base) / pad.quantum + 1;

	return pad.cut ? Max(k, pad.moments) : k;
}

void
eps_exec_pad_charge(void)
{
	int64		quarter;
	int64		quarters;

	if (!pad.active)
		return;
	quarter = pad.quantum / 4;
	quarters = (GetCurrentTimestamp() - pad.base) / quarter + 1;
	while (quarters % 4 != 3)
		quarters++;
	wait_until(pad.base + quarters * quarter);
}

static void
raise_withheld(void)
{
	ereport(ERROR,
			(errcode(EPS_ERRCODE_WITHHELD),
			 errmsg("the answer is withheld: it was not ready by the deadline"),
			 errdetail("It stays charged. Answers of this data set leave at the end of a quantum of %lld ms, up to %lld ms.",
					   (long long) (pad.quantum / USECS_PER_MS), (long long) (pad.moments * pad.quantum / USECS_PER_MS)),
			 errhint("Ask for less at once, or ask a steward for a longer quantum.")));
}

/* An interrupt is looked at when the error has left. */
void
eps_exec_pad_check(void)
{
	if (pad.active && (pad.cut || QueryCancelPending || ProcDiePending || ClientConnectionLost))
		raise_withheld();
}

void
eps_exec_pad_reading_ended(void)
{
	pad.cut = pad.cut || eps_exec_pad_late;
}

/* The timer stops first: it would cut the reading of another statement. */
static void
stop(void)
{
	disable_timeout(late_timeout, false);
	disable_timeout(wake_timeout, false);
	eps_exec_pad_late = false;
	show_waits();
	pad.active = false;
}

/*
 * Work leaves its traces in the processor's caches, and what follows the moment is
 * slower by them.  Memory of one size is written after all work, so that the traces
 * are those of this.
 */
static void
wash_caches(void)
{
	char	   *block = MemoryContextAllocExtended(TopMemoryContext, WASH_BYTES, MCXT_ALLOC_HUGE | MCXT_ALLOC_NO_OOM);

	if (block == NULL)
		return;
	eps_base_wipe(block, WASH_BYTES);
	pfree(block);
}

/* Waits for the next moment, then is padded no more; returns the moment's number. */
static int64
leave(void)
{
	int64		k;

	wash_caches();
	k = next_moment();
	wait_until(pad.base + k * pad.quantum);
	stop();
	return k;
}

/* For an error: locks of the lock manager stay until the transaction ends, those
 * of shared memory must not be kept for so long. */
void
eps_exec_pad_leave_in_error(void)
{
	if (!pad.active)
		return;
	LWLockReleaseAll();
	(void) leave();
}

/* --- the input ends before the answer leaves -------------------------------------------------- */

static bool
keep_table_of_cte(PlanState *state, EpsScanState *node)
{
	CteScanState *cte = (CteScanState *) state;
	CteScanState *leader;

	if (state == NULL)
		return false;
	if (IsA(state, CteScanState) && cte->leader == cte)
	{
		leader = palloc(sizeof(CteScanState));
		*leader = *cte;
		cte->leader = leader;
		node->cte_tables = lappend(node->cte_tables, cte->cte_table);
	}
	return planstate_tree_walker(state, keep_table_of_cte, node);
}

/*
 * Giving back what the input holds takes a time that depends on it, and clients
 * wait for that too: it is done before the answer leaves.  A CTE's rows stay: scans
 * elsewhere in the statement read them through the first scan's state.
 */
void
eps_exec_pad_end_input(EpsScanState *node)
{
	MemoryContext old;

	if (!pad.active || node->child == NULL || node->reads_again)
		return;
	old = MemoryContextSwitchTo(node->css.ss.ps.state->es_query_cxt);
	(void) keep_table_of_cte(node->child, node);
	ExecEndNode(node->child);
	node->child = NULL;
	node->css.custom_ps = NIL;
	MemoryContextSwitchTo(old);
}

void
eps_exec_pad_end(EpsScanState *node)
{
	ListCell   *lc;

	if (node->child != NULL)
		ExecEndNode(node->child);
	foreach(lc, node->cte_tables)
		tuplestore_end(lfirst(lc));
}

/* Nothing leaves eps_exec_pad() in another way; if it did, the next statement would
 * take itself for a part of this one. */
static void
on_transaction(XactEvent event, void *arg)
{
	if (pad.active && (event == XACT_EVENT_ABORT || event == XACT_EVENT_COMMIT || event == XACT_EVENT_PREPARE))
		stop();
}

/* --- answers that are kept -------------------------------------------------------------- */

/*
 * Whether one was kept shows when it is asked for again.  So an answer that was
 * withheld, or not waited for, is not kept: else it would show whether the work was
 * done before the cancel.
 */
bool
eps_exec_pad_keeps_later(EpsScanState *node, const uint8 key[EPS_ANSWER_KEY_LEN])
{
	if (!pad.active)
		return false;
	node->keep_key = MemoryContextAlloc(node->css.ss.ps.state->es_query_cxt, EPS_ANSWER_KEY_LEN);
	memcpy(node->keep_key, key, EPS_ANSWER_KEY_LEN);
	return true;
}

static void
keep_answers(List *scans)
{
	ListCell   *lc;

	foreach(lc, scans)
	{
		EpsScanState *node = lfirst(lc);

		eps_exec_accuracy_keep(node);
		if (node->keep_key != NULL)
			eps_exec_keep(node, node->keep_key);
		node->keep_key = NULL;
	}
}

/* --- a padded statement ------------------------------------------------------------------------ */

static void
enter(void)
{
	TimestampTz start = GetCurrentStatementStartTimestamp();
	int64		passed = Max(GetCurrentTimestamp() - start, 0) / pad.quantum;

	pad.base = start + passed * pad.quantum;
	pad.cut = false;
	eps_exec_pad_late = false;
	start_timers();
	hide_waits();
	pad.active = true;
}

/* What an error left of a release that had read its input. */
static void
abandon_runs(List *scans)
{
	ListCell   *lc;

	foreach(lc, scans)
		eps_exec_abandon(lfirst(lc));
}

void
eps_exec_pad(List *scans, EpsRunScans run)
{
	int64		moment;

	if (pad.active || !pads(scans))
	{
		run(scans);
		return;
	}
	enter();
	HOLD_INTERRUPTS();			/* an error ends the hold by itself */
	PG_TRY();
	{
		run(scans);
	}
	PG_CATCH();
	{
		abandon_runs(scans);
		eps_exec_pad_leave_in_error();
		/* whoever cancels must not learn what would have come */
		CHECK_FOR_INTERRUPTS();
		PG_RE_THROW();
	}
	PG_END_TRY();
	moment = leave();
	RESUME_INTERRUPTS();
	CHECK_FOR_INTERRUPTS();
	if (moment > pad.moments)
		raise_withheld();
	keep_answers(scans);
}

void
eps_exec_pad_init(void)
{
	DefineCustomBoolVariable("dp.pad",
							 "Lets answers and errors about protected rows leave at public times only, in every data set.",
							 "A data set for which dp.set_pad was called is padded in any case.",
							 &setting_pad, false, PGC_POSTMASTER, 0, NULL, NULL, NULL);
}
