/*
 * epoch_log.c
 *	  The `owners` entry of an epoch: what it says, from the row of dp_book.epoch,
 *	  for the writer who commits to it and for whoever opens it.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/timestamp.h"

#include "pg/budget/epoch_internal.h"

#define MAP_KEY_LEN 32

enum
{
	OWNERS_DATASET, OWNERS_EPOCH, OWNERS_AS_OF, OWNERS_FIRST, OWNERS_LAST, OWNERS_DEPTH,
	OWNERS_BALANCE, OWNERS_CONSENT, OWNERS_MAP_KEY, OWNERS_ACCOUNTS, OWNERS_CHANGES
};

static void
take_hash(EpsHash *out, Datum datum)
{
	bytea	   *bytes = DatumGetByteaPP(datum);

	memset(out, 0, sizeof(*out));
	memcpy(out, VARDATA_ANY(bytes), Min(VARSIZE_ANY_EXHDR(bytes), sizeof(*out)));
}

/* Map key and number of accounts; empty where the key does not open, which no commitment fits. */
static EpsField
map_opening(HeapTuple row, TupleDesc desc, int first, int32 dataset_id)
{
	bytea	   *sealed = DatumGetByteaPP(eps_budget_column(row, desc, first + OWNERS_MAP_KEY));
	uint8	   *opening = palloc(MAP_KEY_LEN + 4);
	uint8	   *at = opening + MAP_KEY_LEN;

	if (!eps_budget_unseal_bytes(opening, MAP_KEY_LEN, sealed, "map",
								 DatumGetInt64(eps_budget_column(row, desc, first + OWNERS_EPOCH)), dataset_id))
		return (EpsField) {NULL, 0};
	eps_base_write_u32(&at, (uint32) DatumGetInt32(eps_budget_column(row, desc, first + OWNERS_ACCOUNTS)));
	return (EpsField) {opening, MAP_KEY_LEN + 4};
}

/*
 * Fills the entry from the columns EPS_OWNERS_COLUMNS of a row, which begin at
 * column `first`; fields point into the current context.
 */
void
eps_budget_log_owners(EpsLogEntry *entry, HeapTuple row, TupleDesc desc, int first)
{
	EpsOwnersBody body = {
		.depth = (uint8) DatumGetInt16(eps_budget_column(row, desc, first + OWNERS_DEPTH)),
		.first = (uint64) DatumGetInt64(eps_budget_column(row, desc, first + OWNERS_FIRST)),
		.last = (uint64) DatumGetInt64(eps_budget_column(row, desc, first + OWNERS_LAST)),
		.as_of = (uint64) DatumGetInt64(eps_budget_column(row, desc, first + OWNERS_AS_OF))
	};
	bool		isnull;
	Datum		changes = SPI_getbinval(row, desc, first + OWNERS_CHANGES, &isnull);

	take_hash(&body.balance, eps_budget_column(row, desc, first + OWNERS_BALANCE));
	take_hash(&body.consent, eps_budget_column(row, desc, first + OWNERS_CONSENT));
	entry->kind = EPS_ENTRY_OWNERS;
	entry->dataset_id = DatumGetInt32(eps_budget_column(row, desc, first + OWNERS_DATASET));
	entry->at = eps_budget_log_timestamp(body.last * USECS_PER_SEC);
	eps_ledger_owners_write(entry->body, &body);
	entry->field[EPS_FIELD_LINKS] = map_opening(row, desc, first, entry->dataset_id);
	if (!isnull)
	{
		bytea	   *bytes = DatumGetByteaPP(changes);

		entry->field[EPS_FIELD_OWNERS] = (EpsField) {(const uint8 *) VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes)};
	}
}

typedef struct Draft
{
	EpsLog	   *log;
	bool		found;
} Draft;

static bool
append_draft(void *context, HeapTuple row, TupleDesc desc)
{
	Draft	   *draft = context;
	EpsLogEntry entry = {0};

	eps_budget_log_owners(&entry, row, desc, 1);
	eps_budget_log_append(draft->log, &entry);
	draft->found = true;
	return false;
}

/*
 * The writer's part of an epoch's end: the draft gets its place in the log.
 * Without one, which somebody must have taken away, there is no entry, and the
 * epoch stays open: charges must not wait for it.
 */
void
eps_budget_store_owners(const EpsBook *book, EpsLog *log, const EpsMessage *message)
{
	Oid			types[3] = {INT4OID, INT8OID, INT8OID};
	Datum		values[3] = {Int32GetDatum(book->dataset_id), Int64GetDatum(message->epoch), Int64GetDatum(message->seq)};
	Draft		draft = {log, false};

	(void) eps_budget_each_row("SELECT " EPS_OWNERS_COLUMNS("o") " FROM dp_book.epoch o WHERE o.dataset_id OPERATOR(pg_catalog.=) $1 "
							   "AND o.epoch OPERATOR(pg_catalog.=) $2 AND o.seq IS NULL",
							   2, types, values, append_draft, &draft);
	if (!draft.found)
	{
		ereport(WARNING,
				(errcode(EPS_ERRCODE_BOOK),
				 errmsg("an epoch that was to be ended has no row in the book")));
		return;
	}
	EPS_ENSURE(SPI_execute_with_args("UPDATE dp_book.epoch SET seq = $3 WHERE dataset_id OPERATOR(pg_catalog.=) $1 "
									 "AND epoch OPERATOR(pg_catalog.=) $2 AND seq IS NULL",
									 3, types, values, NULL, false, 0) == SPI_OK_UPDATE && SPI_processed == 1,
			   "an epoch could not be given its place in the ledger");
}
