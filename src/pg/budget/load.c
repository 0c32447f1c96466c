/*
 * load.c
 *	  Loading books into shared memory; the writer does it, one data set a
 *	  transaction.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "pg/budget/budget_internal.h"

static const Oid int4_arg[1] = {INT4OID};

static bool
add_account(void *context, const EpsOwnerKey *key)
{
	const EpsBook *book = context;
	uint32		expected = pg_atomic_read_u32(&book->region->naccounts);

	return eps_budget_enrol(book, key) == expected; /* also: no key twice */
}

static EpsLoadFailure
load_secret(EpsRegion *region, const EpsDataset *dataset)
{
	Datum		values[1] = {Int32GetDatum(dataset->id)};
	EpsLoadFailure failure = EPS_LOAD_NO_SECRET;
	bool		isnull;
	int			rc;

	rc = SPI_execute_with_args("SELECT wrapped FROM dp_book.secret WHERE dataset_id OPERATOR(pg_catalog.=) $1",
							   1, (Oid *) int4_arg, values, NULL, true, 1);
	EPS_ENSURE(rc == SPI_OK_SELECT, "a query on the book failed");
	if (SPI_processed == 1)
	{
		Datum		wrapped = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);

		if (!isnull)
			failure = eps_budget_secret_open(region->owner_secret, DatumGetByteaPP(wrapped),
											 dataset->id, dataset->name) ? EPS_LOAD_OK : EPS_LOAD_WRONG_KEY;
	}
	SPI_freetuptable(SPI_tuptable);
	return failure;
}

/* Everything of one book but its secret. */
static EpsLoadFailure
load_tables(const EpsBook *book, bool pure, int64 *bad_seq)
{
	uint32		n = eps_budget_read_chunks(book->dataset_id, book->capacity, add_account,
										   unconstify(EpsBook *, book));
	EpsConsentRow *consents;
	Size		nconsents;
	EpsFold		fold;

	if (n == EPS_CHUNKS_BAD)
		return EPS_LOAD_BAD_ACCOUNTS;
	book->region->stored_accounts = n;
	if (!eps_budget_fold(&fold, book->dataset_id, pure, book->accounts, n))
	{
		*bad_seq = fold.bad_seq;
		return EPS_LOAD_BAD_ENTRY;
	}
	if (!eps_budget_load_limits(book) || !eps_budget_read_consents(book, false, &consents, &nconsents))
		return EPS_LOAD_BAD_ACCOUNTS;
	eps_budget_apply_consents(book, consents, nconsents, GetCurrentTimestamp());
	for (uint32 i = 0; i < fold.nmerges; i++)
		eps_budget_retire(book, fold.merges[i].from_account, fold.merges[i].to_account);
	return eps_budget_load_quotas(book) ? EPS_LOAD_OK : EPS_LOAD_BAD_ACCOUNTS;
}

/* Loads one data set, in the transaction at hand; nobody sees it yet. */
static EpsLoadFailure
load_region(EpsRegion *region, EpsWriter *writer, const EpsDataset *dataset, int64 *bad_seq)
{
	EpsLoadFailure failure;
	EpsBook		book;

	eps_budget_view(&book, region, writer);
	failure = load_secret(region, dataset);
	if (failure == EPS_LOAD_OK)
		failure = load_tables(&book, dataset->pure, bad_seq);
	return failure;
}

static bool
is_loaded(int32 dataset_id)
{
	EpsRegion  *region;
	bool		ready;

	LWLockAcquire(EPS_BOOK_LOCK, LW_SHARED);
	region = eps_budget_region_find(MyDatabaseId, dataset_id);
	ready = region != NULL && region->state == EPS_REGION_READY;
	LWLockRelease(EPS_BOOK_LOCK);
	return ready;
}

/* One data set, in a transaction of its own; an error fails this book alone. */
static void
load_dataset(EpsWriter *writer, int32 dataset_id, MemoryContext turn)
{
	EpsRegion  *volatile region = NULL;

	PG_TRY();
	{
		const EpsDataset *dataset;
		EpsLoadFailure failure = EPS_LOAD_NO_ROOM;
		int64		bad_seq = 0;

		eps_budget_spi_begin(true);
		dataset = eps_policy_dataset(dataset_id);
		if (dataset != NULL)
		{
			EpsDataset	copy = *dataset;

			copy.name = pstrdup(dataset->name);
			region = eps_budget_region_make(MyDatabaseId, &copy);
			if (region->state == EPS_REGION_LOADING)
				failure = load_region(region, writer, &copy, &bad_seq);
		}
		eps_budget_spi_end(true);
		if (region != NULL && failure == EPS_LOAD_OK)
			eps_budget_region_ready(region);
		else if (region != NULL)
			eps_budget_region_fail(region, failure, bad_seq);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(turn);
		EmitErrorReport();
		FlushErrorState();
		AbortCurrentTransaction();
		if (region != NULL)
			eps_budget_region_fail(region, EPS_LOAD_ERROR, 0);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(turn);
}

/* Takes notice of a book that was made, or made anew, since we last looked. */
static void
follow_schema(EpsWriter *writer, Oid schema)
{
	int64		last = 0;
	int64		epoch;

	if (writer->book != schema)
	{
		eps_budget_forget_regions(MyDatabaseId);
		LWLockAcquire(EPS_BOOK_LOCK, LW_EXCLUSIVE);
		SpinLockAcquire(&writer->mutex);
		writer->book = schema;
		writer->epoch = 0;
		writer->booted = false;
		writer->verified_seq = 0;
		memset(writer->log_root, 0, sizeof(writer->log_root));
		SpinLockRelease(&writer->mutex);
		LWLockRelease(EPS_BOOK_LOCK);
	}
	if (!OidIsValid(schema))
		return;
	last = eps_budget_query_int64("SELECT max(seq) FROM dp_book.log", 0, NULL, NULL, 0);
	epoch = eps_budget_query_int64("SELECT epoch FROM dp_book.epoch_clock", 0, NULL, NULL, 0);
	SpinLockAcquire(&writer->mutex);
	writer->epoch = epoch;
	writer->booked_seq = last;
	SpinLockRelease(&writer->mutex);
}

/* Loads what is not loaded yet. */
void
eps_budget_load_all(EpsWriter *writer, MemoryContext turn)
{
	List	   *ids = NIL;
	ListCell   *cell;
	bool		tables;

	eps_budget_spi_begin(true);
	tables = eps_budget_has_tables();
	follow_schema(writer, tables ? get_namespace_oid(EPS_SCHEMA_BOOK, true) : InvalidOid);
	if (tables)
	{
		MemoryContext old = MemoryContextSwitchTo(turn);

		ids = list_copy(eps_policy_dataset_ids());
		MemoryContextSwitchTo(old);
	}
	eps_budget_spi_end(true);
	MemoryContextSwitchTo(turn);
	foreach(cell, ids)
	{
		if (!is_loaded(lfirst_int(cell)))
			load_dataset(writer, lfirst_int(cell), turn);
	}
}

/* --- taking over from an earlier writer ------------------------------------------- */

static bool
count_account(void *context, const EpsOwnerKey *key)
{
	return true;
}

/*
 * A new writer finds books loaded and messages pending.  What its predecessor
 * had on disk when it ended is read from the tables, not from its memory.
 */
void
eps_budget_resume(EpsWriter *writer)
{
	if (!OidIsValid(writer->book))
		return;
	eps_budget_spi_begin(true);
	if (eps_budget_has_tables() && get_namespace_oid(EPS_SCHEMA_BOOK, true) == writer->book)
	{
		for (int i = 0; i < EPS_BOOK_MAX_REGIONS; i++)
		{
			EpsRegion  *r = &eps_budget_control->region[i];
			uint32		n;

			if (r->state != EPS_REGION_READY || r->database != MyDatabaseId)
				continue;
			n = eps_budget_read_chunks(r->dataset_id, r->capacity, count_account, NULL);
			EPS_ENSURE(n != EPS_CHUNKS_BAD, "the list of accounts on disk is not complete");
			r->stored_accounts = n;
		}
	}
	eps_budget_spi_end(true);
}

/* --- consents that have ended --------------------------------------------------------- */

/*
 * Is a consent of this region due, and is everything that was published on disk
 * (else the tables are behind)?  Gives the version that the tables then hold.
 */
static bool
is_expiry_due(EpsRegion *region, EpsWriter *writer, TimestampTz now, EpsBook *book, uint64 *version)
{
	bool		due;

	LWLockAcquire(EPS_REGION_LOCK(region), LW_SHARED);
	due = region->state == EPS_REGION_READY && region->database == MyDatabaseId
		&& region->next_expiry <= now;
	if (due)
	{
		eps_budget_view(book, region, writer);
		*version = region->consent_version;
		due = eps_budget_ring_free(book) == book->ring_words;
	}
	LWLockRelease(EPS_REGION_LOCK(region));
	return due;
}

static void
strike_ended(const EpsBook *book, uint64 version, TimestampTz now)
{
	EpsRegion  *region = book->region;
	EpsConsentRow *rows;
	Size		nrows;

	EPS_ENSURE(eps_budget_read_consents(book, true, &rows, &nrows), "a consent of the book is malformed");
	LWLockAcquire(EPS_REGION_LOCK(region), LW_EXCLUSIVE);
	if (region->generation == book->generation && region->consent_version == version)
		eps_budget_apply_consents(book, rows, nrows, now);
	LWLockRelease(EPS_REGION_LOCK(region));
}

/*
 * Strikes consents that have ended.  Where a consent changes meanwhile, it leaves
 * the work to the next turn: whoever waits asks again.
 */
void
eps_budget_refresh_consent(EpsWriter *writer, MemoryContext turn)
{
	TimestampTz now = GetCurrentTimestamp();

	for (int i = 0; i < EPS_BOOK_MAX_REGIONS; i++)
	{
		EpsBook		book;
		uint64		version;

		if (!is_expiry_due(&eps_budget_control->region[i], writer, now, &book, &version))
			continue;
		eps_budget_spi_begin(true);
		strike_ended(&book, version, now);
		eps_budget_spi_end(true);
		MemoryContextSwitchTo(turn);
	}
}
