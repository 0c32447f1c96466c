/*
 * epoch_proof.c
 *	  Where an owner stands in the maps of the newest epoch, with the proof.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/memutils.h"

#include "pg/budget/epoch_internal.h"

extern PGDLLEXPORT Datum eps_budget_sql_map_proof(PG_FUNCTION_ARGS);

#define PROOF_COLUMNS 13

typedef struct Newest
{
	int64		epoch;
	int64		seq;
	int64		as_of;
	int			depth;
	uint32		naccounts;
	bytea	   *map_key;
} Newest;

static bool
read_newest(void *context, HeapTuple row, TupleDesc desc)
{
	Newest	   *newest = context;
	bytea	   *map_key = DatumGetByteaPP(eps_budget_column(row, desc, 6));
	MemoryContext old;

	newest->epoch = DatumGetInt64(eps_budget_column(row, desc, 1));
	newest->seq = DatumGetInt64(eps_budget_column(row, desc, 2));
	newest->as_of = DatumGetInt64(eps_budget_column(row, desc, 3));
	newest->depth = DatumGetInt16(eps_budget_column(row, desc, 4));
	newest->naccounts = (uint32) DatumGetInt32(eps_budget_column(row, desc, 5));
	old = MemoryContextSwitchTo(CurTransactionContext);
	newest->map_key = (bytea *) DatumGetPointer(datumCopy(PointerGetDatum(map_key), false, -1));
	MemoryContextSwitchTo(old);
	return false;
}

static EpsStatus
fetch_account(void *context, EpsMapAccount *out, uint32 account)
{
	const EpsCut *cut = context;

	*out = cut->accounts[account];
	return EPS_OK;
}

static Datum
bytes_datum(const void *bytes, Size len)
{
	bytea	   *out = palloc(VARHDRSZ + len);

	SET_VARSIZE(out, VARHDRSZ + len);
	memcpy(VARDATA(out), bytes, len);
	return PointerGetDatum(out);
}

/* Slot, leaf key, message and path. */
static void
put_proof(Datum *values, const EpsMapProof *proof, const uint8 *message, Size len)
{
	Datum		path[EPS_MAP_MAX_DEPTH];

	for (unsigned i = 0; i < proof->depth; i++)
		path[i] = bytes_datum(&proof->path[i], sizeof(EpsHash));
	values[0] = Int64GetDatum(proof->slot);
	values[1] = bytes_datum(proof->leaf_key, sizeof(proof->leaf_key));
	values[2] = bytes_datum(message, len);
	values[3] = PointerGetDatum(construct_array(path, (int) proof->depth, BYTEAOID, -1, false, TYPALIGN_INT));
}

static void
prove(Datum *values, const Newest *newest, const EpsCut *cut, uint32 account, int32 dataset_id)
{
	EpsMapProof balance;
	EpsMapProof consent;
	uint8		map_key[32];
	uint8		message[EPS_MAP_BALANCE_LEN];
	void	   *room = palloc_extended(eps_ledger_map_room((unsigned) newest->depth), MCXT_ALLOC_HUGE);

	if (!eps_budget_unseal_bytes(map_key, sizeof(map_key), newest->map_key, "map", newest->epoch, dataset_id))
		ereport(ERROR,
				(errcode(EPS_ERRCODE_BOOK),
				 errmsg("the key of epoch %lld cannot be opened", (long long) newest->epoch),
				 errhint("Start the server with the wrapping key under which it was made.")));
	eps_common_check(eps_ledger_map_prove(&balance, &consent, (unsigned) newest->depth, map_key, cut->naccounts, account,
										  fetch_account, unconstify(EpsCut *, cut), room),
					 "proof from the balance and consent maps");
	eps_base_wipe(map_key, sizeof(map_key));
	eps_ledger_map_balance(message, account, &cut->accounts[account]);
	put_proof(&values[5], &balance, message, EPS_MAP_BALANCE_LEN);
	eps_ledger_map_consent(message, account, &cut->accounts[account]);
	put_proof(&values[9], &consent, message, EPS_MAP_CONSENT_LEN);
}

static void
check_has_epoch(const Newest *newest, uint32 account)
{
	if (newest->seq == 0)
		ereport(ERROR,
				(errcode(EPS_ERRCODE_BOOK),
				 errmsg("no epoch of this data set has ended yet"),
				 errhint("Epochs end at multiples of dp.epoch; ask again after the next end.")));
	if (account >= newest->naccounts)
		ereport(ERROR,
				(errcode(EPS_ERRCODE_BOOK),
				 errmsg("this owner had no account when the newest epoch ended"),
				 errhint("Ask again after the end of the epoch at hand.")));
}

PG_FUNCTION_INFO_V1(eps_budget_sql_map_proof);
Datum
eps_budget_sql_map_proof(PG_FUNCTION_ARGS)
{
	int32		id = eps_budget_dataset_argument(text_to_cstring(PG_GETARG_TEXT_PP(0)))->id;
	EpsBook    *book = eps_budget_open(id);
	Oid			types[1] = {INT4OID};
	Datum		args[1] = {Int32GetDatum(id)};
	Datum		values[PROOF_COLUMNS];
	bool		nulls[PROOF_COLUMNS] = {false};
	Newest		newest = {0};
	EpsOwnerKey key;
	uint32		account;
	TupleDesc	desc;
	EpsCut		cut;
	HeapTuple	tuple;

	EPS_ENSURE(get_call_result_type(fcinfo, NULL, &desc) == TYPEFUNC_COMPOSITE, "a proof is a row");
	eps_budget_owner_argument(&key, book, eps_policy_dataset(id)->family, TEXTOID, PG_GETARG_DATUM(1));
	account = eps_budget_account_of_owner(book, eps_budget_find_account(book, &key));
	eps_budget_spi_begin(false);
	(void) eps_budget_each_row("SELECT epoch, seq, as_of, depth, accounts, map_key FROM dp_book.epoch "
							   "WHERE dataset_id OPERATOR(pg_catalog.=) $1 AND seq IS NOT NULL ORDER BY epoch DESC LIMIT 1",
							   1, types, args, read_newest, &newest);
	check_has_epoch(&newest, account);
	if (!eps_budget_snapshot_read(&cut, id, newest.epoch, newest.naccounts))
		ereport(ERROR,
				(errcode(EPS_ERRCODE_BOOK),
				 errmsg("the snapshot of epoch %lld is damaged", (long long) newest.epoch),
				 errhint("dp.verify() says where.")));
	values[0] = Int64GetDatum(newest.epoch);
	values[1] = Int64GetDatum(newest.seq);
	values[2] = Int64GetDatum(account);
	values[3] = Int64GetDatum(newest.as_of);
	values[4] = Int32GetDatum(newest.depth);
	prove(values, &newest, &cut, account, id);
	tuple = SPI_copytuple(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
	eps_budget_spi_end(false);
	PG_RETURN_DATUM(HeapTupleGetDatum(tuple));
}
