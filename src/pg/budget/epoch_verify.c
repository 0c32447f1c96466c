/*
 * epoch_verify.c
 *	  Checks of the epochs of a data set: that they follow one another, and that the
 *	  maps of those whose accounts are kept have the roots that the ledger tells.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/memutils.h"

#include "pg/budget/epoch_internal.h"

typedef struct Kept
{
	int64		epoch;
	int			depth;
	uint32		naccounts;
	EpsHash		balance;
	EpsHash		consent;
	bytea	   *map_key;
} Kept;

typedef struct KeptList
{
	MemoryContext context;
	List	   *list;
} KeptList;

static bool
take_hash(EpsHash *out, Datum datum)
{
	bytea	   *bytes = DatumGetByteaPP(datum);

	if (VARSIZE_ANY_EXHDR(bytes) != sizeof(EpsHash))
		return false;
	memcpy(out, VARDATA_ANY(bytes), sizeof(EpsHash));
	return true;
}

static bool
read_kept(void *context, HeapTuple row, TupleDesc desc)
{
	KeptList   *kept = context;
	MemoryContext old = MemoryContextSwitchTo(kept->context);
	Kept	   *k = palloc0(sizeof(Kept));
	bool		good = take_hash(&k->balance, eps_budget_column(row, desc, 4))
		&& take_hash(&k->consent, eps_budget_column(row, desc, 5));

	k->epoch = DatumGetInt64(eps_budget_column(row, desc, 1));
	k->depth = DatumGetInt16(eps_budget_column(row, desc, 2));
	k->naccounts = (uint32) DatumGetInt32(eps_budget_column(row, desc, 3));
	k->map_key = (bytea *) DatumGetPointer(datumCopy(PointerGetDatum(DatumGetByteaPP(eps_budget_column(row, desc, 6))), false, -1));
	kept->list = lappend(kept->list, k);
	MemoryContextSwitchTo(old);
	return good && k->depth >= 1 && k->depth <= EPS_MAP_MAX_DEPTH && (k->naccounts >> k->depth) <= 1;
}

/* Do the kept accounts have the roots that the entry tells? */
static bool
is_right(const Kept *k, int32 dataset_id)
{
	EpsEpoch	again = {.epoch = k->epoch,.depth = (unsigned) k->depth};
	uint8		map_key[32];
	EpsCut		cut;

	if (!eps_budget_unseal_bytes(map_key, sizeof(map_key), k->map_key, "map", k->epoch, dataset_id) ||
		!eps_budget_snapshot_read(&cut, dataset_id, k->epoch, k->naccounts))
		return false;
	eps_budget_cut_roots(&again, &cut, map_key);
	eps_base_wipe(map_key, sizeof(map_key));
	pfree(cut.accounts);
	return memcmp(&again.balance, &k->balance, sizeof(EpsHash)) == 0
		&& memcmp(&again.consent, &k->consent, sizeof(EpsHash)) == 0;
}

/*
 * The first kept epoch whose maps are not right, 0 if all are.  SPI connected, a
 * snapshot active.
 */
int64
eps_budget_wrong_epoch(int32 dataset_id)
{
	Oid			types[1] = {INT4OID};
	Datum		values[1] = {Int32GetDatum(dataset_id)};
	KeptList	kept = {CurrentMemoryContext, NIL};
	ListCell   *cell;

	if (!eps_budget_each_row("SELECT epoch, depth, accounts, balance, consent, map_key FROM dp_book.epoch e "
							 "WHERE dataset_id OPERATOR(pg_catalog.=) $1 AND seq IS NOT NULL AND (accounts OPERATOR(pg_catalog.=) 0 OR EXISTS "
							 "(SELECT FROM dp_book.snapshot s WHERE s.dataset_id OPERATOR(pg_catalog.=) e.dataset_id "
							 "AND s.epoch OPERATOR(pg_catalog.=) e.epoch)) ORDER BY epoch",
							 1, types, values, read_kept, &kept))
		return ((const Kept *) llast(kept.list))->epoch;
	foreach(cell, kept.list)
		if (!is_right(lfirst(cell), dataset_id))
			return ((const Kept *) lfirst(cell))->epoch;
	return 0;
}

typedef struct Row
{
	int64		epoch;
	int64		last_second;
	int64		last_change;
	int64		gap;
} Row;

/* Does the epoch begin where the one before, if any, ended? */
static bool
follow(void *context, HeapTuple row, TupleDesc desc)
{
	Row		   *before = context;
	Row			r = {
		.epoch = DatumGetInt64(eps_budget_column(row, desc, 1)),
		.last_second = DatumGetInt64(eps_budget_column(row, desc, 3)),
		.last_change = DatumGetInt64(eps_budget_column(row, desc, 5))
	};
	int64		first_second = DatumGetInt64(eps_budget_column(row, desc, 2));
	int64		first_change = DatumGetInt64(eps_budget_column(row, desc, 4));
	bool		good = first_change == before->last_change + 1 && r.last_change >= before->last_change
		&& r.last_second >= first_second
		&& (before->epoch == 0 || (r.epoch == before->epoch + 1 && first_second == before->last_second + 1));

	if (!good)
		r.gap = r.epoch;
	*before = r;
	return good;
}

/* The first epoch that does not begin where the one before ended, 0 if there is none. */
int64
eps_budget_epoch_gap(int32 dataset_id)
{
	Oid			types[1] = {INT4OID};
	Datum		values[1] = {Int32GetDatum(dataset_id)};
	Row			row = {0};

	(void) eps_budget_each_row("SELECT epoch, first_second, last_second, first_change, last_change FROM dp_book.epoch "
							   "WHERE dataset_id OPERATOR(pg_catalog.=) $1 AND seq IS NOT NULL ORDER BY epoch",
							   1, types, values, follow, &row);
	return row.gap;
}
