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

/* Takes the next row of a charge, in order; what does not follow is malformed. */
EpsPieceState
eps_budget_piece(EpsPieces *p, int64 seq, int piece, int pieces, const bytea *owners)
{
	Size		len = VARSIZE_ANY_EXHDR(owners);

	if (piece != (p->next == 0 ? 1 : p->next) || pieces < piece ||
		(p->next != 0 && (seq != p->seq || pieces != p->pieces)))
		return EPS_PIECE_BAD;
	if (piece == 1)
		p->len = 0;
	if (p->len + len > p->size)
	{
		p->size = Max(2 * p->size, p->len + len);
		p->bytes = p->bytes == NULL ? MemoryContextAllocHuge(p->context, p->size) : repalloc_huge(p->bytes, p->size);
	}
	memcpy(p->bytes + p->len, VARDATA_ANY(owners), len);
	p->len += len;
	p->seq = seq;
	p->pieces = pieces;
	p->next = piece == pieces ? 0 : piece + 1;
	return p->next == 0 ? EPS_PIECE_WHOLE : EPS_PIECE_MORE;
}

typedef struct Folding
{
	EpsFold    *result;
	EpsPieces	pieces;
	EpsAccount *accounts;
	uint32		naccounts;
	bool		pure;
	uint64		rho;			/* of the charge at hand */
	uint64		delta;
	int64		seq;
	uint32		next_merge;
	uint32		merge_room;
} Folding;

static void
add_to_account(EpsAccount *a, uint64 units, uint64 delta_units)
{
	a->spent = eps_base_add_sat_u64(a->spent, units);
	a->spent_delta = eps_base_add_sat_u64(a->spent_delta, delta_units);
}

static void
fold_range(void *context, uint32 first, uint32 last)
{
	Folding    *f = context;

	for (uint32 account = first; account <= last; account++)
		add_to_account(&f->accounts[account], f->rho, f->delta);
}

static bool
level_units(uint64 *units, int16 level)
{
	if (level < 0 || (unsigned) level > eps_accountant_ladder_top())
		return false;
	*units = level == 0 ? 0 : eps_accountant_ladder_units((unsigned) level);
	return true;
}

/* Merges that happened before this entry: what they add is checked against the
 * totals of that time. */
static void
fold_merges(Folding *f, int64 before_seq)
{
	while (f->next_merge < f->result->nmerges && f->result->merges[f->next_merge].after_seq < before_seq)
	{
		const EpsMerge *m = &f->result->merges[f->next_merge++];
		const EpsAccount *from = &f->accounts[m->from_account];
		EpsAccount *to = &f->accounts[m->to_account];
		uint64		wanted = eps_accountant_merge_rho(from->spent, to->spent, f->pure);

		add_to_account(to, m->units, m->delta_units);
		if (to->spent < Min(wanted, (uint64) PG_INT64_MAX))
			f->result->short_merges++;
	}
}

static bool
fold_charge(void *context, HeapTuple row, TupleDesc desc)
{
	Folding    *f = context;
	EpsPieceState state;

	f->seq = DatumGetInt64(eps_budget_column(row, desc, 1));
	fold_merges(f, f->seq);
	if (!level_units(&f->rho, DatumGetInt16(eps_budget_column(row, desc, 2)))
		|| !level_units(&f->delta, DatumGetInt16(eps_budget_column(row, desc, 3))))
		return false;
	state = eps_budget_piece(&f->pieces, f->seq, DatumGetInt16(eps_budget_column(row, desc, 5)),
							 DatumGetInt16(eps_budget_column(row, desc, 6)),
							 DatumGetByteaPP(eps_budget_column(row, desc, 4)));
	if (state == EPS_PIECE_WHOLE)
		return eps_budget_bitmap_read(f->pieces.bytes, f->pieces.len, f->naccounts, fold_range, f);
	return state == EPS_PIECE_MORE;
}

/* What the owners of a chunk began with. */
static bool
fold_start(void *context, HeapTuple row, TupleDesc desc)
{
	Folding    *f = context;
	int64		first = DatumGetInt32(eps_budget_column(row, desc, 1));
	int64		n = DatumGetInt64(eps_budget_column(row, desc, 2));

	f->rho = (uint64) DatumGetInt64(eps_budget_column(row, desc, 3));
	f->delta = (uint64) DatumGetInt64(eps_budget_column(row, desc, 4));
	if (first < 0 || n < 1 || first + n > f->naccounts)
		return false;
	fold_range(f, (uint32) first, (uint32) (first + n - 1));
	return true;
}

static bool
read_merge(void *context, HeapTuple row, TupleDesc desc)
{
	Folding    *f = context;
	EpsMerge	m = {
		.after_seq = DatumGetInt64(eps_budget_column(row, desc, 1)),
		.from_account = (uint32) DatumGetInt32(eps_budget_column(row, desc, 2)),
		.to_account = (uint32) DatumGetInt32(eps_budget_column(row, desc, 3)),
		.units = (uint64) DatumGetInt64(eps_budget_column(row, desc, 4)),
		.delta_units = (uint64) DatumGetInt64(eps_budget_column(row, desc, 5))
	};

	if (m.from_account >= f->naccounts || m.to_account >= f->naccounts || m.from_account == m.to_account)
		return false;
	if (f->result->nmerges == f->merge_room)
	{
		f->merge_room *= 2;
		f->result->merges = repalloc_huge(f->result->merges, (Size) f->merge_room * sizeof(EpsMerge));
	}
	f->result->merges[f->result->nmerges++] = m;
	return true;
}

/*
 * Adds to accounts[] what owners began with, every charge of a data set, and what
 * merges added, in the order in which it happened.  False where a row is
 * malformed; a charge names its entry.
 */
bool
eps_budget_fold(EpsFold *fold, int32 dataset_id, bool pure, EpsAccount *accounts, uint32 naccounts)
{
	Folding		f = {.result = fold,.accounts = accounts,.naccounts = naccounts,.pure = pure,.merge_room = 64,
	.pieces.context = CurrentMemoryContext};
	Datum		values[1] = {Int32GetDatum(dataset_id)};
	bool		good;

	memset(fold, 0, sizeof(*fold));
	fold->merges = palloc(f.merge_room * sizeof(EpsMerge));
	good = eps_budget_each_row("SELECT first_account, length(keys)::int8 / 16, start_units, start_delta_units "
							   "FROM dp_book.account_chunk WHERE dataset_id OPERATOR(pg_catalog.=) $1",
							   1, int4_arg, values, fold_start, &f)
		&& eps_budget_each_row("SELECT after_seq, from_account, to_account, units, delta_units FROM dp_book.merge "
							   "WHERE dataset_id OPERATOR(pg_catalog.=) $1 ORDER BY merge_no",
							   1, int4_arg, values, read_merge, &f)
		&& eps_budget_each_row("SELECT c.seq, c.level, c.delta_level, c.owners, c.piece, c.pieces "
							   "FROM dp_book.entry e JOIN dp_book.charge c ON c.seq OPERATOR(pg_catalog.=) e.seq "
							   "WHERE e.dataset_id OPERATOR(pg_catalog.=) $1 "
							   "ORDER BY c.seq, c.level, c.delta_level, c.piece",
							   1, int4_arg, values, fold_charge, &f)
		&& f.pieces.next == 0;
	fold_merges(&f, PG_INT64_MAX);
	fold->bad_seq = f.seq;
	return good;
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
	bool		side = DatumGetBool(eps_budget_column(row, desc, 4));
	uint64		count = (uint64) DatumGetInt64(eps_budget_column(row, desc, 5));
	uint64		units;
	uint64		delta;

	if (!level_units(&units, DatumGetInt16(eps_budget_column(row, desc, 2)))
		|| !level_units(&delta, DatumGetInt16(eps_budget_column(row, desc, 3))))
		return false;
	if (eps_base_mul_u64(&units, units, count) != EPS_OK)
		units = PG_UINT64_MAX;
	if (eps_base_mul_u64(&delta, delta, count) != EPS_OK)
		delta = PG_UINT64_MAX;
	eps_budget_quota_add(book->region, role, units, delta, side);
	eps_budget_quota_repeats(book->region, role, (uint64) DatumGetInt64(eps_budget_column(row, desc, 6)));
	if (side)
		book->region->side_units = eps_base_add_sat_u64(book->region->side_units, units);
	return true;
}

bool
eps_budget_load_quotas(const EpsBook *book)
{
	Datum		values[1] = {Int32GetDatum(book->dataset_id)};
	EpsRegion  *region = book->region;
	bool		good;

	good = eps_budget_each_row("SELECT coalesce(role::oid, 0), level, delta_level, "
							   "kind OPERATOR(pg_catalog.=) 'left out', count(*), "
							   "count(*) FILTER (WHERE kind OPERATOR(pg_catalog.=) 'repeat') FROM dp_book.entry "
							   "WHERE dataset_id OPERATOR(pg_catalog.=) $1 GROUP BY 1, 2, 3, 4",
							   1, int4_arg, values, load_quota, unconstify(EpsBook *, book));
	region->admitted_units = region->total_units;
	region->admitted_delta_units = region->total_delta_units;
	return good;
}
