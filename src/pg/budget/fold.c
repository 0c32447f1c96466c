/*
 * fold.c
 *	  balance = fold(ledger): reading accounts, charges, limits and consents back
 *	  from the tables.  What is read is treated as foreign bytes.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "core/accountant/accountant.h"
#include "pg/budget/budget_internal.h"

static const Oid int4_arg[1] = {INT4OID};

/* --- accounts ------------------------------------------------------------------- */

typedef struct ChunkReader
{
	uint32		next;			/* account that the next chunk must begin with */
	uint32		capacity;
	bool		(*add) (void *context, const EpsOwnerKey *key);
	void	   *context;
} ChunkReader;

static bool
read_chunk(void *context, HeapTuple row, TupleDesc desc)
{
	ChunkReader *reader = context;
	uint32		first = (uint32) DatumGetInt32(eps_budget_column(row, desc, 1));
	bytea	   *keys = DatumGetByteaPP(eps_budget_column(row, desc, 2));
	Size		len = VARSIZE_ANY_EXHDR(keys);
	uint32		n = (uint32) (len / sizeof(EpsOwnerKey));

	if (first != reader->next || len == 0 || len % sizeof(EpsOwnerKey) != 0 || n > reader->capacity - first)
		return false;
	for (uint32 i = 0; i < n; i++)
	{
		EpsOwnerKey key;

		memcpy(&key, VARDATA_ANY(keys) + (Size) i * sizeof(key), sizeof(key));
		if (!reader->add(reader->context, &key))
			return false;
	}
	reader->next += n;
	return true;
}

/* Keys in account order. Returns how many, or EPS_CHUNKS_BAD. */
uint32
eps_budget_read_chunks(int32 dataset_id, uint32 capacity,
					   bool (*add) (void *context, const EpsOwnerKey *key), void *context)
{
	ChunkReader reader = {0, capacity, add, context};
	Datum		values[1] = {Int32GetDatum(dataset_id)};

	if (!eps_budget_each_row("SELECT first_account, keys FROM dp_book.account_chunk "
							 "WHERE dataset_id OPERATOR(pg_catalog.=) $1 ORDER BY first_account",
							 1, int4_arg, values, read_chunk, &reader))
		return EPS_CHUNKS_BAD;
	return reader.next;
}

/* --- charges -------------------------------------------------------------------- */

typedef struct Fold
{
	EpsAccount *accounts;
	uint32		naccounts;
	uint64		rho;			/* of the charge at hand */
	uint64		delta;
	int64		seq;
} Fold;

static void
fold_range(void *context, uint32 first, uint32 last)
{
	Fold	   *fold = context;

	for (uint32 account = first; account <= last; account++)
	{
		EpsAccount *a = &fold->accounts[account];

		a->spent = eps_base_add_sat_u64(a->spent, fold->rho);
		a->spent_delta = eps_base_add_sat_u64(a->spent_delta, fold->delta);
	}
}

static bool
level_units(uint64 *units, int16 level)
{
	if (level < 0 || (unsigned) level > eps_accountant_ladder_top())
		return false;
	*units = level == 0 ? 0 : eps_accountant_ladder_units((unsigned) level);
	return true;
}

static bool
fold_charge(void *context, HeapTuple row, TupleDesc desc)
{
	Fold	   *fold = context;
	bytea	   *owners = DatumGetByteaPP(eps_budget_column(row, desc, 4));

	fold->seq = DatumGetInt64(eps_budget_column(row, desc, 1));
	return level_units(&fold->rho, DatumGetInt16(eps_budget_column(row, desc, 2)))
		&& level_units(&fold->delta, DatumGetInt16(eps_budget_column(row, desc, 3)))
		&& eps_budget_bitmap_read((const uint8 *) VARDATA_ANY(owners), VARSIZE_ANY_EXHDR(owners),
								  fold->naccounts, fold_range, fold);
}

/* Adds every charge of a data set to accounts[]. False, with the entry's number,
 * where a charge is malformed. */
bool
eps_budget_fold(int32 dataset_id, EpsAccount *accounts, uint32 naccounts, int64 *bad_seq)
{
	Fold		fold = {.accounts = accounts,.naccounts = naccounts};
	Datum		values[1] = {Int32GetDatum(dataset_id)};

	if (eps_budget_each_row("SELECT c.seq, c.level, c.delta_level, c.owners "
							"FROM dp_book.entry e JOIN dp_book.charge c ON c.seq OPERATOR(pg_catalog.=) e.seq "
							"WHERE e.dataset_id OPERATOR(pg_catalog.=) $1",
							1, int4_arg, values, fold_charge, &fold))
		return true;
	*bad_seq = fold.seq;
	return false;
}

/*
 * --- limits and consents ---------------------------------------------------------
 *
 * A row whose key has no account was written when the book was full: its owner
 * takes part in nothing.
 */

/* The account of an owner_key column; NONE if the bytes are no known key. */
static uint32
account_of(const EpsBook *book, Datum owner_key)
{
	bytea	   *raw = DatumGetByteaPP(owner_key);
	EpsOwnerKey key;

	if (VARSIZE_ANY_EXHDR(raw) != sizeof(key))
		return EPS_ACCOUNT_NONE;
	memcpy(&key, VARDATA_ANY(raw), sizeof(key));
	return eps_budget_find_account(book, &key);
}

static bool
load_limit(void *context, HeapTuple row, TupleDesc desc)
{
	const EpsBook *book = context;
	uint32		account = account_of(book, eps_budget_column(row, desc, 1));
	int64		units = DatumGetInt64(eps_budget_column(row, desc, 2));

	if (units < 0)
		return false;
	if (account != EPS_ACCOUNT_NONE)
		book->accounts[account].limit = (uint64) units;
	return true;
}

bool
eps_budget_load_limits(const EpsBook *book)
{
	Datum		values[1] = {Int32GetDatum(book->dataset_id)};

	return eps_budget_each_row("SELECT owner_key, units FROM dp_book.owner_limit "
							   "WHERE dataset_id OPERATOR(pg_catalog.=) $1 AND valid_to IS NULL",
							   1, int4_arg, values, load_limit, unconstify(EpsBook *, book));
}

/*
 * What an owner said of a purpose.  A grant that has ended is a refusal; a
 * refusal that has ended is as if nothing had been said.
 */
void
eps_budget_set_consent(const EpsBook *book, uint32 account, int purpose, bool granted,
					   TimestampTz until, TimestampTz now)
{
	EpsAccount *a = &book->accounts[account];
	uint32		bit = (uint32) 1 << purpose;
	bool		ended = until <= now;

	a->consent_set |= bit;
	a->consent &= ~bit;
	if (granted && !ended)
		a->consent |= bit;
	if (!granted && ended)
		a->consent_set &= ~bit;
	if (!ended && until < book->region->next_expiry)
		book->region->next_expiry = until;
}

typedef struct ConsentReader
{
	const EpsBook *book;
	MemoryContext context;
	EpsConsentRow *rows;
	Size		nrows;
	Size		size;
} ConsentReader;

static bool
read_consent(void *context, HeapTuple row, TupleDesc desc)
{
	ConsentReader *reader = context;
	EpsConsentRow consent = {
		.account = account_of(reader->book, eps_budget_column(row, desc, 1)),
		.purpose = DatumGetInt16(eps_budget_column(row, desc, 2)),
		.granted = DatumGetBool(eps_budget_column(row, desc, 3)),
		.until = DatumGetTimestampTz(eps_budget_column(row, desc, 4))
	};

	if (consent.purpose < 0 || consent.purpose > 31)
		return false;
	if (consent.account == EPS_ACCOUNT_NONE)
		return true;
	if (reader->nrows == reader->size)
	{
		reader->size *= 2;
		reader->rows = repalloc_huge(reader->rows, reader->size * sizeof(EpsConsentRow));
	}
	reader->rows[reader->nrows++] = consent;
	return true;
}

/*
 * The consents in force, or only those that end some time, in the current
 * context.  False where one is malformed.
 */
bool
eps_budget_read_consents(const EpsBook *book, bool only_ending, EpsConsentRow **rows, Size *nrows)
{
	ConsentReader reader = {.book = book,.size = 64};
	Datum		values[2] = {Int32GetDatum(book->dataset_id), BoolGetDatum(only_ending)};
	const Oid	types[2] = {INT4OID, BOOLOID};
	bool		good;

	reader.rows = palloc(reader.size * sizeof(EpsConsentRow));
	good = eps_budget_each_row("SELECT owner_key, purpose_no, granted, coalesce(until, 'infinity') "
							   "FROM dp_book.consent WHERE dataset_id OPERATOR(pg_catalog.=) $1 "
							   "AND valid_to IS NULL AND (NOT $2 OR until IS NOT NULL)",
							   2, types, values, read_consent, &reader);
	*rows = reader.rows;
	*nrows = reader.nrows;
	return good;
}

/* Admission lock held, or the region is still loading. */
void
eps_budget_apply_consents(const EpsBook *book, const EpsConsentRow *rows, Size nrows, TimestampTz now)
{
	book->region->next_expiry = DT_NOEND;
	for (Size i = 0; i < nrows; i++)
		eps_budget_set_consent(book, rows[i].account, rows[i].purpose, rows[i].granted, rows[i].until, now);
}

/* --- quotas ------------------------------------------------------------------------- */

static bool
load_quota(void *context, HeapTuple row, TupleDesc desc)
{
	const EpsBook *book = context;
	Oid			role = DatumGetObjectId(eps_budget_column(row, desc, 1));
	uint64		count = (uint64) DatumGetInt64(eps_budget_column(row, desc, 4));
	uint64		units;
	uint64		delta;
	uint64		total;

	if (!level_units(&units, DatumGetInt16(eps_budget_column(row, desc, 2)))
		|| !level_units(&delta, DatumGetInt16(eps_budget_column(row, desc, 3))))
		return false;
	if (eps_base_mul_u64(&total, units, count) != EPS_OK)
		total = PG_UINT64_MAX;
	if (eps_base_mul_u64(&delta, delta, count) != EPS_OK)
		delta = PG_UINT64_MAX;
	eps_budget_quota_add(book->region, role, total, delta);
	eps_budget_quota_repeats(book->region, role, (uint64) DatumGetInt64(eps_budget_column(row, desc, 5)));
	return true;
}

bool
eps_budget_load_quotas(const EpsBook *book)
{
	Datum		values[1] = {Int32GetDatum(book->dataset_id)};

	return eps_budget_each_row("SELECT coalesce(role::oid, 0), level, delta_level, count(*), "
							   "count(*) FILTER (WHERE kind OPERATOR(pg_catalog.=) 'repeat') FROM dp_book.entry "
							   "WHERE dataset_id OPERATOR(pg_catalog.=) $1 GROUP BY 1, 2, 3",
							   1, int4_arg, values, load_quota, unconstify(EpsBook *, book));
}
