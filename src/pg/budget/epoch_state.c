/*
 * epoch_state.c
 *	  A cut of a data set's accounts behind one entry of the ledger, its snapshot
 *	  on disk, and the roots of the maps over it.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "pg/budget/epoch_internal.h"

#define DRAIN_MS		2000	/* admissions wait so long at most */
#define DRAIN_STEP_US	500
#define STATE_LEN		33		/* bytes of an account in a snapshot */
#define CHUNK_ACCOUNTS	116		/* of one row, which must fit a page: nothing of it may be toasted */

int			eps_budget_kept_snapshots = 2;

/* --- the cut ------------------------------------------------------------------------ */

/* Admission lock held: waits until everything published is in the tables. */
static bool
is_drained(const EpsBook *book)
{
	for (int waited = 0; waited < DRAIN_MS * 1000 / DRAIN_STEP_US; waited++)
	{
		if (eps_budget_ring_free(book) == book->ring_words)
			return true;
		eps_budget_writer_wake(book->writer);
		pg_usleep(DRAIN_STEP_US);
	}
	return false;
}

static void
copy_account(EpsMapAccount *out, const EpsBook *book, uint32 account)
{
	const EpsAccount *a = &book->accounts[account];

	*out = (EpsMapAccount) {
		.spent = a->spent,.spent_delta = a->spent_delta,.limit = a->limit,
		.merged = pg_atomic_read_u32(&book->merged[account]) != 0
	};
}

/* What owners said last of each purpose, past its end too. */
static bool
add_wishes(const EpsCut *cut, const EpsBook *book)
{
	EpsConsentRow *rows;
	Size		n;

	if (!eps_budget_read_consents(book, false, &rows, &n))
		return false;
	for (Size i = 0; i < n; i++)
	{
		EpsMapAccount *a;

		if (rows[i].account >= cut->naccounts)
			continue;
		a = &cut->accounts[rows[i].account];
		a->consent_set |= (uint32) 1 << rows[i].purpose;
		if (rows[i].granted)
			a->consent |= (uint32) 1 << rows[i].purpose;
	}
	return true;
}

/*
 * Accounts and tables as they stand at one moment: admissions wait for the commit
 * of what is under way, then for a copy in memory.  SPI connected, no snapshot
 * active; leaves one of that moment active.  False when the writer does not get
 * to commit: then nothing is active.
 */
bool
eps_budget_cut(EpsCut *out, const EpsBook *book)
{
	Oid			types[1] = {INT4OID};
	Datum		values[1] = {Int32GetDatum(book->dataset_id)};
	EpsMapAccount *accounts = palloc_extended(sizeof(EpsMapAccount) * (Size) book->capacity, MCXT_ALLOC_HUGE);
	bool		drained;

	eps_budget_enter(book, EPS_MESSAGE_WORDS);
	drained = is_drained(book);
	if (drained)
	{
		out->naccounts = pg_atomic_read_u32(&book->region->naccounts);
		for (uint32 i = 0; i < out->naccounts; i++)
			copy_account(&accounts[i], book, i);
		SpinLockAcquire(&book->writer->mutex);
		out->as_of = book->writer->booked_seq;
		SpinLockRelease(&book->writer->mutex);
		PushActiveSnapshot(GetLatestSnapshot());
	}
	LWLockRelease(EPS_REGION_LOCK(book->region));
	RESUME_INTERRUPTS();
	if (!drained)
		return false;
	out->accounts = accounts;
	EPS_ENSURE(add_wishes(out, book), "a consent of the book is malformed");
	out->last_change = eps_budget_query_int64("SELECT max(change_no) FROM dp_book.owner_change "
											  "WHERE dataset_id OPERATOR(pg_catalog.=) $1",
											  1, types, values, 0);
	return true;
}

/* --- roots -------------------------------------------------------------------------- */

static EpsStatus
fetch_account(void *context, EpsMapAccount *out, uint32 account)
{
	const EpsCut *cut = context;

	CHECK_FOR_INTERRUPTS();
	*out = cut->accounts[account];
	return EPS_OK;
}

void
eps_budget_cut_roots(EpsEpoch *epoch, const EpsCut *cut, const uint8 map_key[32])
{
	void	   *room = palloc_extended(eps_ledger_map_room(epoch->depth), MCXT_ALLOC_HUGE);

	eps_common_check(eps_ledger_map_roots(&epoch->balance, &epoch->consent, epoch->depth, map_key, cut->naccounts,
										  fetch_account, unconstify(EpsCut *, cut), room),
					 "roots of the balance and consent maps");
	pfree(room);
}

/* --- snapshots ----------------------------------------------------------------------- */

static uint8 *
put_units(uint8 *at, uint64 units, int len)
{
	for (int i = len - 1; i >= 0; i--, units >>= 8)
		at[i] = (uint8) units;
	return at + len;
}

static uint8 *
put_state(uint8 *at, const EpsMapAccount *a)
{
	at = put_units(at, a->spent, 8);
	at = put_units(at, a->spent_delta, 8);
	at = put_units(at, a->limit, 8);
	at = put_units(at, a->consent_set, 4);
	at = put_units(at, a->consent, 4);
	*at = a->merged ? 1 : 0;
	return at + 1;
}

static void
get_state(EpsMapAccount *a, const uint8 *at)
{
	EpsCursor	c = {at, at + STATE_LEN};
	uint8		merged = 2;
	EpsStatus	status = eps_base_read_u64(&a->spent, &c);

	if (status == EPS_OK)
		status = eps_base_read_u64(&a->spent_delta, &c);
	if (status == EPS_OK)
		status = eps_base_read_u64(&a->limit, &c);
	if (status == EPS_OK)
		status = eps_base_read_u32(&a->consent_set, &c);
	if (status == EPS_OK)
		status = eps_base_read_u32(&a->consent, &c);
	if (status == EPS_OK)
		status = eps_base_read_u8(&merged, &c);
	EPS_ENSURE(status == EPS_OK, "a state of an account is shorter than itself");
	a->merged = merged != 0;
}

static void
write_chunk(int32 dataset_id, int64 epoch, const EpsCut *cut, uint32 first)
{
	uint32		n = Min(cut->naccounts - first, CHUNK_ACCOUNTS);
	bytea	   *states = palloc(VARHDRSZ + (Size) n * STATE_LEN);
	uint8	   *at = (uint8 *) VARDATA(states);
	Oid			types[4] = {INT4OID, INT8OID, INT4OID, BYTEAOID};
	Datum		values[4] = {Int32GetDatum(dataset_id), Int64GetDatum(epoch), Int32GetDatum((int32) first),
		PointerGetDatum(states)};

	SET_VARSIZE(states, VARHDRSZ + (Size) n * STATE_LEN);
	for (uint32 i = 0; i < n; i++)
		at = put_state(at, &cut->accounts[first + i]);
	EPS_ENSURE(SPI_execute_with_args("INSERT INTO dp_book.snapshot (dataset_id, epoch, first_account, states) VALUES ($1, $2, $3, $4)",
									 4, types, values, NULL, false, 0) == SPI_OK_INSERT,
			   "a snapshot could not be stored");
	pfree(states);
}

/* In place of what an earlier attempt left; old epochs make room. */
void
eps_budget_snapshot_write(int32 dataset_id, int64 epoch, const EpsCut *cut)
{
	Oid			types[3] = {INT4OID, INT8OID, INT8OID};
	Datum		values[3] = {Int32GetDatum(dataset_id), Int64GetDatum(epoch), Int64GetDatum(epoch - eps_budget_kept_snapshots)};

	EPS_ENSURE(SPI_execute_with_args("DELETE FROM dp_book.snapshot WHERE dataset_id OPERATOR(pg_catalog.=) $1 "
									 "AND (epoch OPERATOR(pg_catalog.>=) $2 OR epoch OPERATOR(pg_catalog.<=) $3)",
									 3, types, values, NULL, false, 0) == SPI_OK_DELETE,
			   "old snapshots could not be removed");
	for (uint32 first = 0; first < cut->naccounts; first += CHUNK_ACCOUNTS)
		write_chunk(dataset_id, epoch, cut, first);
}

static bool
read_states(void *context, HeapTuple row, TupleDesc desc)
{
	EpsCut	   *cut = context;
	uint32		first = (uint32) DatumGetInt32(eps_budget_column(row, desc, 1));
	bytea	   *states = DatumGetByteaPP(eps_budget_column(row, desc, 2));
	Size		len = VARSIZE_ANY_EXHDR(states);
	uint32		n = (uint32) (len / STATE_LEN);

	if (first != cut->naccounts || len % STATE_LEN != 0 || n > (uint32) cut->last_change - first)
		return false;
	for (uint32 i = 0; i < n; i++)
		get_state(&cut->accounts[first + i], (const uint8 *) VARDATA_ANY(states) + (Size) i * STATE_LEN);
	cut->naccounts += n;
	return true;
}

/* The accounts of a kept epoch; false where its snapshot is not whole. SPI connected. */
bool
eps_budget_snapshot_read(EpsCut *out, int32 dataset_id, int64 epoch, uint32 naccounts)
{
	Oid			types[2] = {INT4OID, INT8OID};
	Datum		values[2] = {Int32GetDatum(dataset_id), Int64GetDatum(epoch)};

	*out = (EpsCut) {.accounts = palloc_extended(sizeof(EpsMapAccount) * (Size) Max(naccounts, 1), MCXT_ALLOC_HUGE)};
	out->last_change = naccounts;	/* room */
	return eps_budget_each_row("SELECT first_account, states FROM dp_book.snapshot "
							   "WHERE dataset_id OPERATOR(pg_catalog.=) $1 AND epoch OPERATOR(pg_catalog.=) $2 ORDER BY first_account",
							   2, types, values, read_states, out)
		&& out->naccounts == naccounts;
}
