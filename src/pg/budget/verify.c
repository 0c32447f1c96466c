/*
 * verify.c
 *	  The check of one data set's book against the ledger's tables.
 *
 * The comparison is exact while others work: account totals and messages not
 * booked yet are copied under the admission lock, and the tables are read in a
 * snapshot taken under the same lock.  What that snapshot does not hold is
 * exactly the unresolved part.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

#include "core/accountant/accountant.h"
#include "pg/budget/epoch_internal.h"

typedef struct Copy
{
	uint32		naccounts;
	EpsAccount *accounts;		/* as in shared memory */
	EpsAccount *fold;			/* as in the tables */
	EpsFold		tables;			/* what else the fold found */
	uint32		stored;			/* accounts in the tables */
	uint64		side_units;
	EpsBook		ring;			/* a copy of the ring, to be read like one */
	uint64		from;
	uint64		to;
	Snapshot	snapshot;
	int64		last_seq;		/* newest entry of the snapshot */
	uint32		unresolved;
} Copy;

typedef struct Report
{
	const char *dataset;
	Tuplestorestate *out;
	TupleDesc	desc;
} Report;

static void
put_check(Report *report, const char *check, bool ok, const char *detail)
{
	Datum		values[3];
	bool		nulls[3] = {false, false, detail == NULL};

	values[0] = CStringGetTextDatum(psprintf("%s: %s", report->dataset, check));
	values[1] = BoolGetDatum(ok);
	values[2] = detail == NULL ? (Datum) 0 : CStringGetTextDatum(detail);
	tuplestore_putvalues(report->out, report->desc, values, nulls);
}

static bool
count_key(void *context, const EpsOwnerKey *key)
{
	return true;
}

/* Under the admission lock: nothing is reserved meanwhile. */
static void
copy_book(Copy *copy, const EpsBook *book)
{
	EpsRegion  *region = book->region;

	copy->accounts = palloc_extended((Size) book->capacity * sizeof(EpsAccount), MCXT_ALLOC_HUGE);
	copy->ring = *book;
	copy->ring.ring = palloc_extended((Size) book->ring_words * sizeof(uint64), MCXT_ALLOC_HUGE);

	LWLockAcquire(EPS_REGION_LOCK(region), LW_EXCLUSIVE);
	EPS_ENSURE(region->generation == book->generation, "the book was closed meanwhile");
	SpinLockAcquire(&book->writer->mutex);
	copy->from = region->tail;
	copy->to = region->head;
	SpinLockRelease(&book->writer->mutex);
	/* before the ring: what the snapshot holds has its number there */
	copy->snapshot = RegisterSnapshot(GetLatestSnapshot());
	for (uint64 at = copy->from; at != copy->to; at++)
		copy->ring.ring[at % book->ring_words] = book->ring[at % book->ring_words];
	copy->naccounts = pg_atomic_read_u32(&region->naccounts);
	copy->side_units = region->side_units;
	memcpy(copy->accounts, book->accounts, (Size) copy->naccounts * sizeof(EpsAccount));
	LWLockRelease(EPS_REGION_LOCK(region));
	copy->fold = palloc_extended((Size) Max(copy->naccounts, 1) * sizeof(EpsAccount),
								 MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
}

static void
take_back_charges(Copy *copy, const EpsMessage *message, uint64 at)
{
	for (uint32 i = 0; i < message->ncharges; i++)
	{
		uint64		charge = copy->ring.ring[(at + i) % copy->ring.ring_words];
		EpsAccount *a = &copy->accounts[charge >> 32];
		unsigned	level = (uint16) (charge >> 16);
		unsigned	delta_level = (uint16) charge;

		a->spent -= level == 0 ? 0 : eps_accountant_ladder_units(level);
		a->spent_delta -= delta_level == 0 ? 0 : eps_accountant_ladder_units(delta_level);
	}
}

static void
take_back_merge(Copy *copy, const EpsMessage *message)
{
	EpsAccount *to = &copy->accounts[message->to_account];

	for (uint32 i = 0; i < copy->tables.nmerges; i++)
		if (copy->tables.merges[i].from_account == message->from_account)
			return;
	to->spent -= message->units;
	to->spent_delta -= message->delta_units;
}

/* What owners began with who are not stored yet. */
static void
take_back_starts(Copy *copy, const EpsMessage *message, uint32 *known)
{
	for (; *known < message->naccounts; (*known)++)
	{
		copy->accounts[*known].spent -= message->start_units;
		copy->accounts[*known].spent_delta -= message->start_delta_units;
	}
}

/* Takes what is unresolved out of the copy; what is left must equal the fold. */
static void
take_back_unresolved(Copy *copy)
{
	uint32		known = copy->stored;
	EpsMessage	message;

	for (uint64 at = copy->from; at != copy->to; at += message.words)
	{
		eps_budget_ring_get(&copy->ring, at, &message, sizeof(message));
		take_back_starts(copy, &message, &known);
		if (message.kind == EPS_MESSAGE_MERGE)
			take_back_merge(copy, &message);
		if (!eps_budget_is_entry(message.kind) || (message.seq != 0 && message.seq <= copy->last_seq))
			continue;
		if (message.kind == EPS_MESSAGE_LEFT_OUT)
			copy->side_units -= eps_accountant_ladder_units(message.level);
		if (message.kind != EPS_MESSAGE_RELEASE)
			continue;
		take_back_charges(copy, &message, eps_budget_ring_charges(&message, at));
		copy->unresolved++;
	}
}

/* Whoever has taken over another key's spending may be above the promise: until
 * the merge it was made to each key. */
static void
forgive_merged(Copy *copy)
{
	for (uint32 i = 0; i < copy->tables.nmerges; i++)
		memset(&copy->fold[copy->tables.merges[i].to_account], 0, sizeof(EpsAccount));
}

/* Nor is it broken to whoever began above it: they take part in nothing. */
static bool
forgive_started(void *context, HeapTuple row, TupleDesc desc)
{
	Copy	   *copy = context;
	int32		first = DatumGetInt32(eps_budget_column(row, desc, 1));
	int32		n = DatumGetInt32(eps_budget_column(row, desc, 2));

	memset(&copy->fold[first], 0, (Size) n * sizeof(EpsAccount));
	return true;
}

static void
check_totals(Report *report, Copy *copy)
{
	uint32		below = 0;
	uint32		above = 0;

	for (uint32 i = 0; i < copy->naccounts; i++)
	{
		const EpsAccount *a = &copy->accounts[i];
		const EpsAccount *f = &copy->fold[i];

		below += a->spent < f->spent || a->spent_delta < f->spent_delta;
		above += a->spent > f->spent || a->spent_delta > f->spent_delta;
	}
	put_check(report, "book is not below the fold of its charges", below == 0,
			  below == 0 ? NULL : psprintf("%u accounts are below", below));
	put_check(report, "book equals the fold but for unresolved charges", above == 0,
			  above > 0 ? psprintf("%u accounts are above", above) :
			  psprintf("%u answers unresolved", copy->unresolved));
	put_check(report, "merged owners have taken over what was spent", copy->tables.short_merges == 0,
			  copy->tables.short_merges == 0 ? NULL :
			  psprintf("%u merges added too little", copy->tables.short_merges));
}

static void
check_promise(Report *report, Copy *copy, const EpsDataset *dataset)
{
	Oid			types[3] = {INT4OID, INT8OID, INT8OID};
	Datum		values[3] = {Int32GetDatum(dataset->id), Int64GetDatum((int64) dataset->cap_units),
		Int64GetDatum((int64) dataset->delta_units)};
	uint32		over = 0;

	forgive_merged(copy);
	eps_budget_each_row("SELECT first_account, length(keys) / 16 FROM dp_book.account_chunk "
						"WHERE dataset_id OPERATOR(pg_catalog.=) $1 AND (start_units OPERATOR(pg_catalog.>) $2 "
						"OR start_delta_units OPERATOR(pg_catalog.>) $3)",
						3, types, values, forgive_started, copy);
	for (uint32 i = 0; i < copy->naccounts; i++)
		over += copy->fold[i].spent > dataset->cap_units || copy->fold[i].spent_delta > dataset->delta_units;
	put_check(report, "no owner has spent more than the promise", over == 0,
			  over == 0 ? NULL : psprintf("%u accounts are above it", over));
}

static void
check_accounts(Report *report, const Copy *copy)
{
	uint32		stored = copy->stored;

	put_check(report, "list of accounts is complete",
			  stored != EPS_CHUNKS_BAD && (copy->unresolved > 0 || copy->from != copy->to || stored == copy->naccounts),
			  stored == EPS_CHUNKS_BAD ? "an account chunk is missing or malformed" : NULL);
}

static void
check_entries(Report *report, int32 dataset_id)
{
	Oid			types[1] = {INT4OID};
	Datum		values[1] = {Int32GetDatum(dataset_id)};
	int64		above;

	above = eps_budget_query_int64("SELECT count(*) FROM dp_book.entry e JOIN dp_book.charge c "
								   "ON c.seq OPERATOR(pg_catalog.=) e.seq "
								   "WHERE e.dataset_id OPERATOR(pg_catalog.=) $1 "
								   "AND (c.level OPERATOR(pg_catalog.>) e.level OR "
								   "c.delta_level OPERATOR(pg_catalog.>) e.delta_level)",
								   1, types, values, 0);
	put_check(report, "no charge exceeds its worst case", above == 0,
			  above == 0 ? NULL : psprintf("%lld charges exceed it", (long long) above));
}

/* What the statement counts of a data set is wrong. */
static void
check_none(Report *report, const char *check, const char *what, int32 dataset_id, const char *sql)
{
	Oid			types[1] = {INT4OID};
	Datum		values[1] = {Int32GetDatum(dataset_id)};
	int64		wrong = eps_budget_query_int64(sql, 1, types, values, 0);

	put_check(report, check, wrong == 0, wrong == 0 ? NULL : psprintf("%lld %s", (long long) wrong, what));
}

/* Rule 26: an answer is given again for nothing only where its release was charged before. */
static void
check_repeats(Report *report, int32 dataset_id)
{
	check_none(report, "each repeat gives the answer of a release under its key", "repeats do not", dataset_id,
			   "SELECT count(*) FROM dp_book.entry r LEFT JOIN dp_book.entry e ON e.seq OPERATOR(pg_catalog.=) r.repeat_of "
			   "AND e.seq OPERATOR(pg_catalog.<) r.seq AND e.kind OPERATOR(pg_catalog.=) 'release' "
			   "AND e.dataset_id OPERATOR(pg_catalog.=) r.dataset_id AND e.answer_key OPERATOR(pg_catalog.=) r.answer_key "
			   "WHERE r.dataset_id OPERATOR(pg_catalog.=) $1 AND r.kind OPERATOR(pg_catalog.=) 'repeat' AND e.seq IS NULL");
	check_none(report, "no repeat has a price", "repeats have one", dataset_id,
			   "SELECT count(*) FROM dp_book.entry r WHERE r.dataset_id OPERATOR(pg_catalog.=) $1 "
			   "AND r.kind OPERATOR(pg_catalog.=) 'repeat' AND (r.level OPERATOR(pg_catalog.<>) 0 "
			   "OR r.delta_level OPERATOR(pg_catalog.<>) 0 "
			   "OR EXISTS (SELECT FROM dp_book.charge c WHERE c.seq OPERATOR(pg_catalog.=) r.seq))");
	check_none(report, "each stored answer belongs to a release under its key", "answers do not", dataset_id,
			   "SELECT count(*) FROM dp_book.answer a LEFT JOIN dp_book.entry e ON e.seq OPERATOR(pg_catalog.=) a.seq "
			   "AND e.kind OPERATOR(pg_catalog.=) 'release' AND e.dataset_id OPERATOR(pg_catalog.=) a.dataset_id "
			   "AND e.answer_key OPERATOR(pg_catalog.=) a.answer_key "
			   "WHERE a.dataset_id OPERATOR(pg_catalog.=) $1 AND e.seq IS NULL");
}

static bool
add_side(void *context, HeapTuple row, TupleDesc desc)
{
	unsigned	level = (unsigned) DatumGetInt16(eps_budget_column(row, desc, 1));

	*(uint64 *) context += eps_accountant_ladder_units(level);
	return true;
}

/* What answers about owners who were left out have cost (rule 23). */
static void
check_side(Report *report, const Copy *copy, const EpsDataset *dataset)
{
	Oid			types[1] = {INT4OID};
	Datum		values[1] = {Int32GetDatum(dataset->id)};
	uint64		spent = 0;

	eps_budget_each_row("SELECT level FROM dp_book.entry WHERE dataset_id OPERATOR(pg_catalog.=) $1 "
						"AND kind OPERATOR(pg_catalog.=) 'left out'", 1, types, values, add_side, &spent);
	put_check(report, "what is set aside is not overdrawn",
			  spent == copy->side_units && spent <= dataset->standard_units / EPS_SIDE_SHARE, NULL);
}

static void
check_epochs(Report *report, int32 dataset_id)
{
	int64		gap = eps_budget_epoch_gap(dataset_id);
	int64		wrong = eps_budget_wrong_epoch(dataset_id);

	put_check(report, "epochs follow one another", gap == 0,
			  gap == 0 ? NULL : psprintf("epoch %lld does not begin where the one before ended", (long long) gap));
	put_check(report, "kept balances and consents have the roots of their epochs", wrong == 0,
			  wrong == 0 ? NULL : psprintf("the accounts of epoch %lld are not those of its maps", (long long) wrong));
}

/* Puts out one row a check: name, whether all is well, detail. */
void
eps_budget_verify(int32 dataset_id, Tuplestorestate *out, TupleDesc desc)
{
	EpsBook    *book = eps_budget_open(dataset_id);
	EpsDataset	dataset = *eps_policy_dataset(dataset_id);
	Report		report = {pstrdup(dataset.name), out, desc};
	Copy		copy = {0};
	bool		readable;

	eps_budget_spi_begin(false);
	eps_budget_check_tables();
	put_check(&report, "ledger tables are permanent and the server is durable", true, NULL);
	copy_book(&copy, book);
	PushActiveSnapshot(copy.snapshot);
	copy.last_seq = eps_budget_query_int64("SELECT max(seq) FROM dp_book.log", 0, NULL, NULL, 0);
	readable = eps_budget_fold(&copy.tables, dataset_id, dataset.pure, copy.fold, copy.naccounts);
	copy.stored = eps_budget_read_chunks(dataset_id, book->capacity, count_key, NULL);
	take_back_unresolved(&copy);
	put_check(&report, "charges are well formed", readable,
			  readable ? NULL : psprintf("the charge of entry %lld is malformed", (long long) copy.tables.bad_seq));
	if (readable)
	{
		check_totals(&report, &copy);
		check_promise(&report, &copy, &dataset);
	}
	check_side(&report, &copy, &dataset);
	check_accounts(&report, &copy);
	check_entries(&report, dataset_id);
	check_repeats(&report, dataset_id);
	check_epochs(&report, dataset_id);
	PopActiveSnapshot();
	UnregisterSnapshot(copy.snapshot);
	eps_budget_spi_end(false);
}
