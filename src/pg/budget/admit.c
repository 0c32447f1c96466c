/*
 * admit.c
 *	  Opening a book, and the admission of an answer.
 *
 * Between the first reservation and the publication of the message nothing can
 * fail: no allocation, no ereport, interrupts held.  After it every error leaves
 * the charge booked.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "core/accountant/accountant.h"
#include "pg/budget/budget_internal.h"

#define AHEAD 24				/* candidates between prefetch and use */

/* --- open ------------------------------------------------------------------------ */

static void
raise_load_failure(const EpsDataset *dataset, EpsLoadFailure failure, int64 seq)
{
	switch (failure)
	{
		case EPS_LOAD_NO_ROOM:
			ereport(ERROR,
					(errcode(EPS_ERRCODE_BOOK),
					 errmsg("there is no room for the book of data set \"%s\"", dataset->name),
					 errdetail("Its capacity of %d accounts does not fit beside the books already open; dp.max_owners is %d.",
							   dataset->capacity, eps_budget_max_owners),
					 errhint("Raise dp.max_owners and restart the server.")));
			break;
		case EPS_LOAD_NO_SECRET:
		case EPS_LOAD_WRONG_KEY:
			ereport(ERROR,
					(errcode(EPS_ERRCODE_BOOK),
					 errmsg("the secret of data set \"%s\" cannot be opened", dataset->name),
					 errdetail("It was sealed under another wrapping key, or altered."),
					 errhint("Start the server with the wrapping key under which the data set was created.")));
			break;
		case EPS_LOAD_BAD_ACCOUNTS:
			ereport(ERROR,
					(errcode(EPS_ERRCODE_BOOK),
					 errmsg("the book of data set \"%s\" is damaged", dataset->name),
					 errdetail("Its list of accounts is not complete.")));
			break;
		case EPS_LOAD_BAD_ENTRY:
			ereport(ERROR,
					(errcode(EPS_ERRCODE_BOOK),
					 errmsg("the book of data set \"%s\" is damaged", dataset->name),
					 errdetail("The charge of entry %lld is malformed.", (long long) seq)));
			break;
		default:
			ereport(ERROR,
					(errcode(EPS_ERRCODE_WRITER),
					 errmsg("the book of data set \"%s\" could not be loaded", dataset->name),
					 errhint("The server log says why.")));
	}
}

typedef enum OpenState
{
	OPEN_READY,
	OPEN_MISSING,
	OPEN_FAILED
} OpenState;

static OpenState
try_open(EpsBook *book, int32 dataset_id, EpsWriter *writer, EpsLoadFailure *failure, int64 *seq)
{
	Oid			schema = get_namespace_oid(EPS_SCHEMA_BOOK, true);
	OpenState	state = OPEN_MISSING;
	EpsRegion  *r;

	LWLockAcquire(EPS_BOOK_LOCK, LW_SHARED);
	r = eps_budget_region_find(MyDatabaseId, dataset_id);
	if (r != NULL && r->state == EPS_REGION_READY && writer->book == schema)
	{
		eps_budget_view(book, r, writer);
		state = OPEN_READY;
	}
	else if (r != NULL && r->state == EPS_REGION_FAILED)
	{
		*failure = r->failure;
		*seq = r->failed_seq;
		state = OPEN_FAILED;
	}
	LWLockRelease(EPS_BOOK_LOCK);
	return state;
}

EpsBook *
eps_budget_open(int32 dataset_id)
{
	const EpsDataset *dataset = eps_policy_dataset(dataset_id);
	EpsLoadFailure failure = EPS_LOAD_ERROR;
	int64		seq = 0;
	OpenState	state;
	EpsWriter  *writer;
	EpsBook    *book;

	EPS_ENSURE(eps_budget_control != NULL, "no shared memory");
	EPS_ENSURE(dataset != NULL, "no such data set");
	eps_budget_check_durable();
	eps_budget_key_check();
	book = MemoryContextAllocZero(TopTransactionContext, sizeof(EpsBook));
	writer = eps_budget_writer_slot(MyDatabaseId, true);
	state = try_open(book, dataset_id, writer, &failure, &seq);
	if (state != OPEN_READY)
	{
		bool		attended = eps_budget_writer_attend(writer);

		state = try_open(book, dataset_id, writer, &failure, &seq);
		if (state == OPEN_MISSING && !attended)
			state = OPEN_FAILED;
		dataset = eps_policy_dataset(dataset_id);
		EPS_ENSURE(dataset != NULL, "no such data set");
	}
	if (state == OPEN_FAILED)
		raise_load_failure(dataset, failure, seq);
	if (state == OPEN_MISSING)
		ereport(ERROR,
				(errcode(EPS_ERRCODE_BOOK),
				 errmsg("data set \"%s\" has no book yet", dataset->name),
				 errhint("Commit the transaction that creates it first.")));
	book->worst_case_start = dataset->worst_case_start;
	eps_budget_writer_ensure(writer);
	return book;
}

/* --- admit ----------------------------------------------------------------------- */

/* What a level costs, looked up once. */
typedef struct Ladder
{
	unsigned	top;			/* highest level of this answer */
	unsigned	delta_top;
	uint64		units[1024];
} Ladder;

static void
fill_ladder(Ladder *ladder, const EpsAdmission *admission)
{
	unsigned	last = Max(admission->worst_level, admission->worst_delta_level);

	EPS_ENSURE(last <= eps_accountant_ladder_top() && last < lengthof(ladder->units),
			   "level above the ladder");
	ladder->top = admission->worst_level;
	ladder->delta_top = admission->worst_delta_level;
	for (unsigned level = 0; level <= last; level++)
		ladder->units[level] = level == 0 ? 0 : eps_accountant_ladder_units(level);
}

/* No charge may exceed the quoted worst case (rule 21). */
static void
check_candidates(const EpsBook *book, const Ladder *ladder, const EpsCandidates *candidates)
{
	const EpsCandidate *candidate = candidates->one;
	uint32		naccounts = pg_atomic_read_u32(&book->region->naccounts);
	bool		good = true;

	for (uint64 i = 0; i < candidates->n; i++)
		good &= (candidate[i].level <= ladder->top)
			& (candidate[i].delta_level <= ladder->delta_top)
			& ((candidate[i].account < naccounts) | (candidate[i].account == EPS_ACCOUNT_NONE));
	EPS_ENSURE(good, "candidate outside the quoted worst case");
}

/* Always inlined: a compiler may take a function of prefetches for one without
 * effect, and drop the call. */
static pg_attribute_always_inline void
prefetch_candidate(const EpsBook *book, const EpsCandidates *candidates, uint64 i)
{
	uint32		account = candidates->one[i].account;

	if (account != EPS_ACCOUNT_NONE)
		__builtin_prefetch(&book->accounts[account], 1);
	else
		__builtin_prefetch(&book->slots[candidates->key[i].lo & book->slot_mask], 1);
}

/* Does the owner let this purpose be? consent_mask is 0 without purposes. */
static inline bool
has_consent(const EpsAccount *a, uint32 purpose_bit, uint32 default_consent)
{
	uint32		effective = (a->consent_set & a->consent) | (~a->consent_set & default_consent);

	return (effective & purpose_bit) == purpose_bit;
}

/*
 * Decides and charges, in order; writes the charges behind head of the ring.
 * Returns how many words it wrote.  Admission lock held; cannot fail.
 */
static uint32
charge_candidates(const EpsBook *book, const Ladder *ladder, uint32 purpose_bit, uint32 default_consent,
				  uint64 charges_at, const EpsCandidates *candidates, uint8 *admitted)
{
	uint64		index = eps_budget_ring_index(book, charges_at);
	uint64		delta_limit = book->region->delta_units;
	uint64		cap = book->region->cap_units;
	uint32		ncharges = 0;

	for (uint64 i = 0; i < candidates->n; i++)
	{
		const EpsCandidate *c = &candidates->one[i];
		uint32		account = c->account;
		uint64		rho = ladder->units[c->level];
		uint64		delta = ladder->units[c->delta_level];
		EpsAccount *a;

		if (i + AHEAD < candidates->n)
			prefetch_candidate(book, candidates, i + AHEAD);
		if (account == EPS_ACCOUNT_NONE)
			account = eps_budget_enrol(book, &candidates->key[i]);
		if (account == EPS_ACCOUNT_NONE)
			continue;
		a = &book->accounts[account];
		if (!has_consent(a, purpose_bit, default_consent))
			continue;
		if (!eps_accountant_fits(a->spent, rho, Min(a->limit, cap), a->spent_delta, delta, delta_limit))
			continue;
		admitted[i / 8] |= (uint8) (1 << (i % 8));
		if ((c->level | c->delta_level) == 0)
			continue;
		a->spent += rho;
		a->spent_delta += delta;
		book->ring[index] = (uint64) account << 32 | (uint64) c->level << 16 | c->delta_level;
		index = index + 1 == book->ring_words ? 0 : index + 1;
		ncharges++;
	}
	return ncharges;
}

void
eps_budget_reserve(EpsBook *book, const EpsAdmission *admission,
				   const EpsCandidates *candidates, uint8 *admitted)
{
	EpsMessage	message = {.kind = EPS_MESSAGE_RELEASE, .role = admission->role,
		.level = admission->worst_level, .delta_level = admission->worst_delta_level};
	const char *const text[EPS_NTEXTS] = {
		[EPS_TEXT_STATEMENT] = admission->statement,
		[EPS_TEXT_MECHANISM] = admission->mechanism,
		[EPS_TEXT_PURPOSE] = admission->purpose_name,
		[EPS_TEXT_ROLE] = GetUserNameFromId(admission->role, true)
	};
	uint32		purpose_bit = admission->purpose < 0 ? 0 : (uint32) 1 << admission->purpose;
	uint32		default_consent;
	uint64		head_words;
	Ladder		ladder;

	EPS_ENSURE(admission->purpose <= 31, "purpose number out of range");
	message.at = GetCurrentStatementStartTimestamp();
	if (admission->answer_key != NULL)
	{
		message.has_answer_key = 1;
		memcpy(message.answer_key, admission->answer_key, EPS_ANSWER_KEY_LEN);
	}
	head_words = eps_budget_text_words(&message, text);
	default_consent = eps_policy_default_consent(book->dataset_id);
	book->worst_case_start = eps_policy_dataset(book->dataset_id)->worst_case_start;
	fill_ladder(&ladder, admission);
	check_candidates(book, &ladder, candidates);

	eps_budget_enter(book, head_words + Min(candidates->n, (uint64) book->capacity));
	message.ncharges = charge_candidates(book, &ladder, purpose_bit, default_consent,
										 book->region->head + head_words, candidates, admitted);
	eps_budget_publish(book, &message, text);
	LWLockRelease(EPS_REGION_LOCK(book->region));
	book->reserved = message;
	eps_budget_writer_wake(book->writer);
}

int64
eps_budget_await(EpsBook *book)
{
	book->reserved.seq = eps_budget_wait_booked(book, &book->reserved);
	RESUME_INTERRUPTS();
	return book->reserved.seq;
}

int64
eps_budget_admit(EpsBook *book, const EpsAdmission *admission,
				 const EpsCandidates *candidates, uint8 *admitted)
{
	eps_budget_reserve(book, admission, candidates, admitted);
	return eps_budget_await(book);
}
