/*
 * epoch_change.c
 *	  What owners changed (limits, consents, merges, renumberings), in the order in
 *	  which it happened and as the next `owners` entry commits it.
 *
 * Written in the transaction that makes the change.  An owner for whom the book
 * has no room takes part in nothing, and has no changes.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "pg/budget/epoch_internal.h"

#define CHANGE_MAX 64

typedef enum ChangeKind
{
	CHANGE_LIMIT = 1,
	CHANGE_CONSENT,
	CHANGE_MERGE,
	CHANGE_RENUMBERING
} ChangeKind;

typedef struct Change
{
	uint8		bytes[CHANGE_MAX];
	Size		len;
} Change;

static void
put(Change *change, uint64 value, int len)
{
	for (int i = len - 1; i >= 0; i--)
		change->bytes[change->len++] = (uint8) (value >> (8 * i));
}

/* Microseconds since 1970; 0 for a time that never comes. */
static uint64
unix_time(TimestampTz at)
{
	if (TIMESTAMP_NOT_FINITE(at))
		return 0;
	return (uint64) (at + (int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY);
}

static void
begin(Change *change, ChangeKind kind, const EpsMessage *message)
{
	change->len = 0;
	put(change, kind, 1);
	put(change, (uint64) message->after_seq, 8);
	put(change, unix_time(message->at), 8);
}

/* Whom the change enrolled, and what they begin with. */
static void
put_enrolled(Change *change, const EpsMessage *message)
{
	put(change, message->naccounts, 4);
	put(change, message->start_units, 8);
	put(change, message->start_delta_units, 8);
}

static void
store(const EpsBook *book, const Change *change)
{
	Oid			types[2] = {INT4OID, BYTEAOID};
	bytea	   *bytes = palloc(VARHDRSZ + change->len);
	Datum		values[2] = {Int32GetDatum(book->dataset_id), PointerGetDatum(bytes)};

	SET_VARSIZE(bytes, VARHDRSZ + change->len);
	memcpy(VARDATA(bytes), change->bytes, change->len);
	EPS_ENSURE(SPI_execute_with_args("INSERT INTO dp_book.owner_change (dataset_id, change_no, change) "
									 "SELECT $1, coalesce(max(change_no), 0) OPERATOR(pg_catalog.+) 1, $2 FROM dp_book.owner_change "
									 "WHERE dataset_id OPERATOR(pg_catalog.=) $1",
									 2, types, values, NULL, false, 0) == SPI_OK_INSERT,
			   "an owner's change could not be stored");
	pfree(bytes);
}

void
eps_budget_change_limit(const EpsBook *book, const EpsMessage *message, const EpsOwnerKey *key, uint64 units)
{
	uint32		account = eps_budget_find_account(book, key);
	Change		change;

	if (account == EPS_ACCOUNT_NONE)
		return;
	begin(&change, CHANGE_LIMIT, message);
	put(&change, account, 4);
	put(&change, units, 8);
	put_enrolled(&change, message);
	store(book, &change);
}

static void
change_consent(const EpsBook *book, const EpsMessage *message, uint32 account, int purpose, bool granted, TimestampTz until)
{
	Change		change;

	begin(&change, CHANGE_CONSENT, message);
	put(&change, account, 4);
	put(&change, (uint64) purpose, 1);
	put(&change, granted ? 1 : 0, 1);
	put(&change, unix_time(until), 8);
	put_enrolled(&change, message);
	store(book, &change);
}

void
eps_budget_change_consent(const EpsBook *book, const EpsMessage *message)
{
	uint32		account = eps_budget_find_account(book, &message->key);

	if (account != EPS_ACCOUNT_NONE)
		change_consent(book, message, account, message->purpose, message->granted != 0, message->until);
}

/* --- merges: what the second account has from then on is a change of its own ---------- */

typedef struct Merged
{
	const EpsBook *book;
	const EpsMessage *message;
	uint32		account;
	int			n;
	struct
	{
		int			purpose;
		bool		granted;
		TimestampTz until;
	}			wish[32];
} Merged;

static bool
read_wish(void *context, HeapTuple row, TupleDesc desc)
{
	Merged	   *m = context;

	if (m->n == lengthof(m->wish))
		return false;
	m->wish[m->n].purpose = DatumGetInt16(eps_budget_column(row, desc, 1));
	m->wish[m->n].granted = DatumGetBool(eps_budget_column(row, desc, 2));
	m->wish[m->n].until = DatumGetTimestampTz(eps_budget_column(row, desc, 3));
	m->n++;
	return true;
}

static Datum
key_datum(const EpsOwnerKey *key)
{
	bytea	   *out = palloc(VARHDRSZ + sizeof(*key));

	SET_VARSIZE(out, VARHDRSZ + sizeof(*key));
	memcpy(VARDATA(out), key, sizeof(*key));
	return PointerGetDatum(out);
}

void
eps_budget_change_merge(const EpsBook *book, const EpsMessage *message, const EpsOwnerKey *to)
{
	Oid			types[2] = {INT4OID, BYTEAOID};
	Datum		values[2] = {Int32GetDatum(book->dataset_id), key_datum(to)};
	Merged		m = {.book = book,.message = message,.account = message->to_account};
	Change		change;
	int64		limit;

	begin(&change, CHANGE_MERGE, message);
	put(&change, message->from_account, 4);
	put(&change, message->to_account, 4);
	put(&change, message->units, 8);
	put(&change, message->delta_units, 8);
	put_enrolled(&change, message);
	store(book, &change);
	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
	UpdateActiveSnapshotCommandId();
	limit = eps_budget_query_int64("SELECT units FROM dp_book.owner_limit WHERE dataset_id OPERATOR(pg_catalog.=) $1 "
								   "AND owner_key OPERATOR(pg_catalog.=) $2 AND valid_to IS NULL",
								   2, types, values, -1);
	EPS_ENSURE(eps_budget_each_row("SELECT purpose_no, granted, coalesce(until, 'infinity') FROM dp_book.consent "
								   "WHERE dataset_id OPERATOR(pg_catalog.=) $1 AND owner_key OPERATOR(pg_catalog.=) $2 "
								   "AND valid_to IS NULL ORDER BY purpose_no",
								   2, types, values, read_wish, &m), "more consents than purposes");
	PopActiveSnapshot();
	if (limit >= 0)
		eps_budget_change_limit(book, message, &book->keys[m.account], (uint64) limit);
	for (int i = 0; i < m.n; i++)
		change_consent(book, message, m.account, m.wish[i].purpose, m.wish[i].granted, m.wish[i].until);
}

void
eps_budget_change_renumbering(const EpsBook *book, const EpsMessage *message, uint64 carried, uint64 merged)
{
	Change		change;

	begin(&change, CHANGE_RENUMBERING, message);
	put(&change, carried, 8);
	put(&change, merged, 8);
	store(book, &change);
}
