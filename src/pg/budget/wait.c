/*
 * wait.c
 *	  The way into and out of an admission: everything that can fail before the
 *	  first reservation, and the wait for durability after it.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "miscadmin.h"
#include "storage/proc.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "pg/budget/budget_internal.h"

#define MAX_ATTEMPTS 20			/* at consents that go on ending while we ask */

void
eps_budget_check_durable(void)
{
	const char *why = NULL;

	if (RecoveryInProgress())
		why = "This server is a standby.";
	else if (IsBinaryUpgrade)
		why = "The server runs in binary upgrade mode.";
	else if (!enableFsync)
		why = "The setting \"fsync\" is off.";
	else if (!fullPageWrites)
		why = "The setting \"full_page_writes\" is off.";
	if (why != NULL)
		ereport(ERROR,
				(errcode(EPS_ERRCODE_WRITER),
				 errmsg("charges cannot be made durable on this server"),
				 errdetail_internal("%s", why),
				 errhint("Ask on a primary server with fsync and full_page_writes on.")));
}

typedef enum EntryState
{
	ENTRY_OPEN,
	ENTRY_GONE,					/* the book was closed */
	ENTRY_HELD,					/* owners are being renumbered */
	ENTRY_FULL,					/* the ring has no room yet */
	ENTRY_EXPIRED				/* a consent has ended and is not struck yet */
} EntryState;

/* Admission lock held. */
static EntryState
entry_state(const EpsBook *book, uint64 words, TimestampTz now)
{
	EpsRegion  *region = book->region;

	if (region->generation != book->generation || region->state != EPS_REGION_READY)
		return ENTRY_GONE;
	if (region->held_by != 0)
		return ENTRY_HELD;
	if (region->next_expiry <= now)
		return ENTRY_EXPIRED;
	if (eps_budget_ring_free(book) < words)
		return ENTRY_FULL;
	return ENTRY_OPEN;
}

void
eps_budget_raise_held(void)
{
	ereport(ERROR,
			(errcode(EPS_ERRCODE_BOOK),
			 errmsg("owners of this data set are being renumbered"),
			 errhint("Ask again when the transaction that does it has ended.")));
}

static void
raise_entry(EntryState state)
{
	if (state == ENTRY_GONE)
		ereport(ERROR,
				(errcode(EPS_ERRCODE_BOOK),
				 errmsg("the book of this data set was closed meanwhile"),
				 errhint("Ask again.")));
	if (state == ENTRY_HELD)
		eps_budget_raise_held();
	ereport(ERROR,
			(errcode(EPS_ERRCODE_WRITER),
			 errmsg("ledger writer cannot book charges at present"),
			 errhint("The server log says why.")));
}

/* As below; says why instead where the book was closed or is held. */
static EntryState
enter(const EpsBook *book, uint64 words)
{
	EPS_ENSURE(words <= book->ring_words, "message exceeds the ring");
	for (int attempt = 0;; attempt++)
	{
		TimestampTz now = GetCurrentTimestamp();
		EntryState	state;

		eps_budget_check_durable();
		eps_budget_writer_ensure(book->writer);
		HOLD_INTERRUPTS();
		LWLockAcquire(EPS_REGION_LOCK(book->region), LW_EXCLUSIVE);
		state = entry_state(book, words, now);
		if (state == ENTRY_OPEN)
			return state;
		LWLockRelease(EPS_REGION_LOCK(book->region));
		RESUME_INTERRUPTS();
		CHECK_FOR_INTERRUPTS();
		if (state == ENTRY_GONE || state == ENTRY_HELD)
			return state;
		if (!eps_budget_writer_attend(book->writer))
			raise_entry(state);
		if (state == ENTRY_EXPIRED && attempt >= MAX_ATTEMPTS)
			raise_entry(state);
	}
}

/*
 * Takes the admission lock with room for a message of so many words, consents up
 * to date and a writer running; interrupts are held from here on.  ERROR before
 * anything is reserved.
 */
void
eps_budget_enter(const EpsBook *book, uint64 words)
{
	EntryState	state = enter(book, words);

	if (state != ENTRY_OPEN)
		raise_entry(state);
}

/* The same for what may as well be lost: false, and nothing taken, while owners
 * are renumbered, and afterwards. */
bool
eps_budget_enter_unless_held(const EpsBook *book, uint64 words)
{
	return enter(book, words) == ENTRY_OPEN;
}

static EpsTicketStatus
ticket_status(const EpsBook *book, const EpsMessage *message, int64 *seq)
{
	EpsTicket  *ticket = &eps_budget_control->tickets[message->procno];
	EpsTicketStatus status;

	SpinLockAcquire(&book->writer->mutex);
	status = ticket->status;
	*seq = ticket->seq;
	SpinLockRelease(&book->writer->mutex);
	if (book->region->generation != book->generation)
		status = EPS_TICKET_FAILED; /* the whole book was dropped */
	return status;
}

/*
 * Waits until a published message is on disk, whatever interrupts arrive.
 * Returns the number of its entry, 0 if it is
 * none.  ERROR PV006 if it is not: it stays in the ring and is booked by the next
 * commit.
 */
int64
eps_budget_wait_booked(const EpsBook *book, const EpsMessage *message)
{
	EpsTicketStatus status;
	int64		seq;

	EPS_TEST_POINT("published");
	eps_budget_writer_wake(book->writer);
	for (;;)
	{
		ConditionVariablePrepareToSleep(&book->writer->answered);
		status = ticket_status(book, message, &seq);
		if (status == EPS_TICKET_WAITING)
			ConditionVariableTimedSleep(&book->writer->answered, 1000, PG_WAIT_EXTENSION);
		ConditionVariableCancelSleep();
		if (status != EPS_TICKET_WAITING)
			break;
		/* it may have left between our look and our message */
		eps_budget_writer_ensure(book->writer);
		eps_budget_writer_wake(book->writer);
	}
	if (status != EPS_TICKET_BOOKED)
		ereport(ERROR,
				(errcode(EPS_ERRCODE_WRITER),
				 errmsg("the ledger could not be written"),
				 errdetail("The charge stays booked, and there is no answer."),
				 errhint("The server log says why.")));
	EPS_TEST_POINT("booked");
	return seq;
}
