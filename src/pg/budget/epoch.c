/*
 * epoch.c
 *	  The epoch worker: ends the epoch of each data set of one database.
 *
 * It cuts the accounts, computes the roots of the maps while admissions go on,
 * writes them and the snapshot to disk, and has the ledger writer put the
 * `owners` entry into the log.  When every data set has its entry, the next epoch
 * begins.  An attempt that fails leaves a draft, which the next one replaces.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "core/crypto/crypto.h"
#include "pg/budget/epoch_internal.h"

#define UNIX_SECOND(t) ((int64) (t) / USECS_PER_SEC + (int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY)

typedef struct Clock
{
	int64		epoch;			/* the one at hand */
	int64		began;			/* seconds since 1970 */
	int64		ends;			/* the newest end that has passed, or began */
} Clock;

/* --- one data set -------------------------------------------------------------------- */

static Datum
bytes_datum(const void *bytes, Size len)
{
	bytea	   *out = palloc(VARHDRSZ + len);

	SET_VARSIZE(out, VARHDRSZ + len);
	memcpy(VARDATA(out), bytes, len);
	return PointerGetDatum(out);
}

static void
write_draft(const EpsBook *book, const EpsEpoch *epoch, const EpsCut *cut, const bytea *sealed_key)
{
	Oid			types[12] = {INT4OID, INT8OID, INT8OID, INT8OID, INT8OID, INT2OID, BYTEAOID, BYTEAOID, BYTEAOID,
	INT4OID, INT8OID, INT8OID};
	Datum		values[12] = {Int32GetDatum(book->dataset_id), Int64GetDatum(epoch->epoch), Int64GetDatum(cut->as_of),
		Int64GetDatum(epoch->first_second), Int64GetDatum(epoch->last_second), Int16GetDatum((int16) epoch->depth),
		bytes_datum(&epoch->balance, sizeof(EpsHash)), bytes_datum(&epoch->consent, sizeof(EpsHash)),
		PointerGetDatum(sealed_key), Int32GetDatum((int32) cut->naccounts),
		Int64GetDatum(epoch->first_change), Int64GetDatum(cut->last_change)};

	EPS_ENSURE(SPI_execute_with_args("DELETE FROM dp_book.epoch WHERE dataset_id OPERATOR(pg_catalog.=) $1 AND seq IS NULL",
									 1, types, values, NULL, false, 0) == SPI_OK_DELETE
			   && SPI_execute_with_args("INSERT INTO dp_book.epoch (dataset_id, epoch, as_of, first_second, last_second, depth, "
										"balance, consent, map_key, accounts, first_change, last_change) "
										"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
										12, types, values, NULL, false, 0) == SPI_OK_INSERT,
			   "an epoch could not be stored");
}

/* Cut, roots, snapshot and draft, in one transaction. */
static void
prepare_epoch(EpsBook *book, EpsEpoch *epoch)
{
	uint8		map_key[32];
	bytea	   *sealed_key;
	EpsCut		cut;

	if (!eps_budget_cut(&cut, book))
		ereport(ERROR,
				(errcode(EPS_ERRCODE_WRITER),
				 errmsg("ledger writer cannot book charges at present"),
				 errhint("The server log says why.")));
	PopActiveSnapshot();
	epoch->depth = eps_ledger_map_depth(book->capacity);
	eps_common_check(eps_crypto_random(map_key, sizeof(map_key)), "key of the balance and consent maps");
	sealed_key = eps_budget_seal_bytes(map_key, sizeof(map_key), "map", epoch->epoch, book->dataset_id);
	eps_budget_cut_roots(epoch, &cut, map_key);
	eps_base_wipe(map_key, sizeof(map_key));
	PushActiveSnapshot(GetTransactionSnapshot());
	eps_budget_snapshot_write(book->dataset_id, epoch->epoch, &cut);
	write_draft(book, epoch, &cut, sealed_key);
	PopActiveSnapshot();
}

/* A second since 1970 as a time of the server. */
static TimestampTz
end_of(int64 second)
{
	return (second - (int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY) * USECS_PER_SEC;
}

/* Has the writer put the draft into the log, and waits until it is on disk. */
static void
enter_epoch(EpsBook *book, const EpsEpoch *epoch)
{
	const char *const text[EPS_NTEXTS] = {NULL};
	EpsMessage	message = {.kind = EPS_MESSAGE_OWNERS,.epoch = epoch->epoch};
	uint64		words = eps_budget_text_words(&message, text);

	message.at = end_of(epoch->last_second);
	eps_budget_enter(book, words);
	eps_budget_finish_change(book, &message, text);
}

typedef struct LastEpoch
{
	bool		done;			/* this epoch is in the log */
	int64		last_second;	/* of the epoch before */
	int64		last_change;
} LastEpoch;

static bool
read_last(void *context, HeapTuple row, TupleDesc desc)
{
	LastEpoch  *last = context;

	last->done = DatumGetBool(eps_budget_column(row, desc, 1));
	last->last_second = DatumGetInt64(eps_budget_column(row, desc, 2));
	last->last_change = DatumGetInt64(eps_budget_column(row, desc, 3));
	return false;
}

static void
end_epoch(int32 dataset_id, const Clock *clock)
{
	Oid			types[2] = {INT4OID, INT8OID};
	Datum		values[2] = {Int32GetDatum(dataset_id), Int64GetDatum(clock->epoch)};
	EpsEpoch	epoch = {.epoch = clock->epoch,.last_second = clock->ends};
	LastEpoch	last = {0};
	EpsBook    *book;

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	EPS_ENSURE(SPI_connect() == SPI_OK_CONNECT, "SPI_connect failed");
	last.last_second = clock->began - 1;
	(void) eps_budget_each_row("SELECT epoch OPERATOR(pg_catalog.>=) $2, last_second, last_change FROM dp_book.epoch "
							   "WHERE dataset_id OPERATOR(pg_catalog.=) $1 AND seq IS NOT NULL ORDER BY epoch DESC LIMIT 1",
							   2, types, values, read_last, &last);
	if (!last.done)
	{
		epoch.first_second = last.last_second + 1;
		epoch.first_change = last.last_change + 1;
		book = eps_budget_open(dataset_id);
		PopActiveSnapshot();
		prepare_epoch(book, &epoch);
	}
	else
		PopActiveSnapshot();
	EPS_ENSURE(SPI_finish() == SPI_OK_FINISH, "SPI_finish failed");
	CommitTransactionCommand();
	if (last.done)
		return;
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	enter_epoch(eps_budget_open(dataset_id), &epoch);
	PopActiveSnapshot();
	CommitTransactionCommand();
}

/* --- answers ----------------------------------------------------------------------------- */

/* Commits to the answers that were put out, 256 at a time, through the ring of
 * one of the data sets. */
static void
commit_answers(int32 dataset_id, const Clock *clock)
{
	const char *const text[EPS_NTEXTS] = {NULL};
	EpsMessage	message = {.kind = EPS_MESSAGE_ANSWERS,.at = end_of(clock->ends)};
	uint64		words = eps_budget_text_words(&message, text);

	for (;;)
	{
		EpsBook    *book;

		eps_budget_spi_begin(true);
		message.answer_seq = eps_budget_draft_answers(message.at);
		eps_budget_spi_end(true);
		if (message.answer_seq == 0)
			break;
		StartTransactionCommand();
		PushActiveSnapshot(GetTransactionSnapshot());
		book = eps_budget_open(dataset_id);
		eps_budget_enter(book, words);
		eps_budget_finish_change(book, &message, text);
		PopActiveSnapshot();
		CommitTransactionCommand();
	}
}

/* --- one database ---------------------------------------------------------------------- */

static bool
read_clock(void *context, HeapTuple row, TupleDesc desc)
{
	Clock	   *clock = context;

	clock->epoch = DatumGetInt64(eps_budget_column(row, desc, 1));
	clock->began = DatumGetInt64(eps_budget_column(row, desc, 2));
	return false;
}

/* The data sets of the database, in the caller's context, and its clock; false
 * where no epoch is over. */
static bool
is_over(Clock *clock, List **ids)
{
	MemoryContext caller = CurrentMemoryContext;
	int64		now = UNIX_SECOND(GetCurrentTimestamp());
	bool		over = false;

	eps_budget_spi_begin(true);
	if (eps_budget_has_tables())
	{
		(void) eps_budget_each_row("SELECT epoch, began FROM dp_book.epoch_clock", 0, NULL, NULL, read_clock, clock);
		EPS_ENSURE(clock->epoch > 0, "the book has no clock");
		clock->ends = now - now % eps_budget_epoch_seconds;
		over = clock->ends > clock->began;
		if (over)
		{
			MemoryContext old = MemoryContextSwitchTo(caller);

			*ids = list_copy(eps_policy_dataset_ids());
			MemoryContextSwitchTo(old);
		}
		/* a server that has a book writes that it was started, asked or not */
		if (!over)
			(void) eps_budget_writer_attend(eps_budget_writer_slot(MyDatabaseId, true));
	}
	eps_budget_spi_end(true);
	MemoryContextSwitchTo(caller);
	return over;
}

static void
begin_next(const Clock *clock)
{
	Oid			types[2] = {INT8OID, INT8OID};
	Datum		values[2] = {Int64GetDatum(clock->epoch + 1), Int64GetDatum(clock->ends)};
	EpsWriter  *writer = eps_budget_writer_slot(MyDatabaseId, true);

	eps_budget_spi_begin(true);
	EPS_ENSURE(SPI_execute_with_args("UPDATE dp_book.epoch_clock SET epoch = $1, began = $2", 2, types, values,
									 NULL, false, 0) == SPI_OK_UPDATE, "the clock of the book could not be set");
	eps_budget_spi_end(true);
	SpinLockAcquire(&writer->mutex);
	writer->epoch = clock->epoch + 1;
	SpinLockRelease(&writer->mutex);
}

static void
count_failure(int code, Datum good)
{
	if (!*(bool *) DatumGetPointer(good))
		pg_atomic_fetch_add_u32(&eps_budget_control->epoch_failures, 1);
}

static void
fix_settings(void)
{
	static const char *const fixed[][2] = {
		{"search_path", "pg_catalog, pg_temp"},
		{"statement_timeout", "0"},
		{"lock_timeout", "10s"},
		{"default_transaction_read_only", "off"},
		{"default_transaction_isolation", "read committed"},
		{"row_security", "off"},
		{"jit", "off"}
	};

	for (int i = 0; i < (int) lengthof(fixed); i++)
		SetConfigOption(fixed[i][0], fixed[i][1], PGC_SUSET, PGC_S_SESSION);
}

void
eps_budget_epoch_main(Datum arg)
{
	static bool good = false;
	Clock		clock = {0};
	List	   *ids = NIL;
	ListCell   *cell;

	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	if (RecoveryInProgress() || IsBinaryUpgrade)
		proc_exit(0);
	before_shmem_exit(count_failure, PointerGetDatum(&good));
	BackgroundWorkerInitializeConnectionByOid(DatumGetObjectId(arg), InvalidOid, 0);
	fix_settings();
	eps_common_check(eps_crypto_init(), "initialising cryptography");
	CurrentMemoryContext = AllocSetContextCreate(TopMemoryContext, "pg_epsilon epoch", ALLOCSET_DEFAULT_SIZES);
	pgstat_report_activity(STATE_RUNNING, "ending an epoch");
	if (is_over(&clock, &ids))
	{
		foreach(cell, ids)
			end_epoch(lfirst_int(cell), &clock);
		if (ids != NIL)
			commit_answers(linitial_int(ids), &clock);
		begin_next(&clock);
	}
	good = true;
	proc_exit(0);
}
