/*
 * log_sql.c
 *	  The log as auditors and stewards ask for it: checkpoint, proofs, the public
 *	  side of its entries.  Everything is read under one snapshot that is taken
 *	  after the writer has logged what was pending.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "pg/budget/log_internal.h"

extern PGDLLEXPORT Datum eps_budget_sql_checkpoint(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum eps_budget_sql_inclusion_proof(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum eps_budget_sql_consistency_proof(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum eps_budget_sql_ledger(PG_FUNCTION_ARGS);

/* --- one view ----------------------------------------------------------------------- */

static void
check_book(void)
{
	eps_budget_key_check();
	if (!eps_budget_has_tables())
		ereport(ERROR,
				(errcode(EPS_ERRCODE_BOOK),
				 errmsg("there is no ledger yet"),
				 errhint("It begins with the first data set.")));
}

/*
 * Has the writer log what is pending, if it can, and begins a reading of the log
 * as it is on disk then; in a transaction of one snapshot, as it was on disk when
 * that was taken, so that several readings belong together.  SPI is connected and the snapshot active until end_read.
 */
void
eps_budget_log_begin_read(EpsLogTree *tree, Snapshot *snapshot)
{
	check_book();
	if (!RecoveryInProgress())
		(void) eps_budget_writer_attend(eps_budget_writer_slot(MyDatabaseId, true));
	eps_budget_spi_begin(false);
	*snapshot = RegisterSnapshot(IsolationUsesXactSnapshot() ? GetTransactionSnapshot() : GetLatestSnapshot());
	PushActiveSnapshot(*snapshot);
	memset(tree, 0, sizeof(*tree));
	tree->size = eps_budget_log_size();
}

void
eps_budget_log_end_read(Snapshot snapshot)
{
	PopActiveSnapshot();
	UnregisterSnapshot(snapshot);
	eps_budget_spi_end(false);
}

/* ERROR PV012 where the tables are not whole. */
static void
check_tree(EpsStatus status)
{
	if (status == EPS_E_FORMAT)
		ereport(ERROR,
				(errcode(EPS_ERRCODE_BOOK),
				 errmsg("the log is damaged"),
				 errhint("dp.verify() says where.")));
	eps_common_check(status, "reading the log");
}

static Datum
hash_datum(const EpsHash *hash)
{
	bytea	   *out = palloc(VARHDRSZ + EPS_HASH_LEN);

	SET_VARSIZE(out, VARHDRSZ + EPS_HASH_LEN);
	memcpy(VARDATA(out), hash->b, EPS_HASH_LEN);
	return PointerGetDatum(out);
}

static Datum
proof_datum(const EpsHash *proof, size_t n)
{
	Datum		hashes[EPS_PROOF_MAX];

	for (size_t i = 0; i < n; i++)
		hashes[i] = hash_datum(&proof[i]);
	return PointerGetDatum(construct_array(hashes, (int) n, BYTEAOID, -1, false, TYPALIGN_INT));
}

/* --- dp.checkpoint -------------------------------------------------------------------- */

static bool
add_total(void *context, HeapTuple row, TupleDesc desc)
{
	EpsCheckpoint *c = context;
	bytea	   *bytes = DatumGetByteaPP(eps_budget_column(row, desc, 1));
	EpsEntry	entry;

	EPS_ENSURE(c->ntotals < EPS_CHECKPOINT_TOTALS, "too many data sets have answers");
	if (VARSIZE_ANY_EXHDR(bytes) != EPS_ENTRY_LEN)
		check_tree(EPS_E_FORMAT);
	check_tree(eps_ledger_entry_read(&entry, (const uint8 *) VARDATA_ANY(bytes)));
	c->total[c->ntotals++] = (EpsCheckpointTotal) {.dataset = entry.dataset,.units = entry.total_units,
		.delta_units = entry.total_delta_units};
	return true;
}

/* In the caller's context; the log is not empty. */
text *
eps_budget_log_checkpoint(EpsLogTree *tree)
{
	EpsCheckpoint *c = palloc0(sizeof(EpsCheckpoint));
	char	   *note = palloc(EPS_CHECKPOINT_MAX);
	uint8		id[EPS_LEDGER_ID_LEN];
	uint8		secret[EPS_SIGN_SECRET_LEN];
	const EpsSigningKey *key = eps_budget_log_key_at(eps_budget_log_keys(), tree->size);
	EpsStatus	status;
	size_t		len;

	if (!eps_budget_log_id(id) || key == NULL)
		check_tree(EPS_E_FORMAT);
	eps_ledger_origin(c->origin, id);
	c->size = tree->size;
	check_tree(eps_ledger_root(&c->root, c->size, eps_budget_tree_fetch, tree));
	eps_budget_each_row("SELECT l.entry FROM (SELECT max(seq) AS seq FROM dp_book.entry GROUP BY dataset_id) e "
						"JOIN dp_book.log l ON l.seq OPERATOR(pg_catalog.=) e.seq "
						"ORDER BY substr(l.entry, 5, 4)", 0, NULL, NULL, add_total, c);
	eps_budget_log_key_open(secret, id, key);
	status = eps_ledger_checkpoint_sign(note, EPS_CHECKPOINT_MAX, &len, c, secret);
	eps_base_wipe(secret, sizeof(secret));
	eps_common_check(status, "signing a checkpoint");
	return cstring_to_text_with_len(note, (int) len);
}

PG_FUNCTION_INFO_V1(eps_budget_sql_checkpoint);
Datum
eps_budget_sql_checkpoint(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	EpsLogTree *tree = palloc0(sizeof(EpsLogTree));
	text	   *note = NULL;
	Snapshot	snapshot;

	eps_budget_log_begin_read(tree, &snapshot);
	if (tree->size > 0)
	{
		text	   *made = eps_budget_log_checkpoint(tree);

		note = MemoryContextAlloc(caller, VARSIZE(made));
		memcpy(note, made, VARSIZE(made));
	}
	eps_budget_log_end_read(snapshot);
	if (note == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(note);
}

/* --- proofs ------------------------------------------------------------------------------ */

static void
raise_size(const char *what, uint64 size)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s is outside the log", what),
			 errdetail("The log has " UINT64_FORMAT " entries.", size)));
}

static Datum
row_datum(FunctionCallInfo fcinfo, Datum *values)
{
	bool		nulls[4] = {false};
	TupleDesc	desc;

	EPS_ENSURE(get_call_result_type(fcinfo, NULL, &desc) == TYPEFUNC_COMPOSITE, "result is no row");
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}

PG_FUNCTION_INFO_V1(eps_budget_sql_inclusion_proof);
Datum
eps_budget_sql_inclusion_proof(PG_FUNCTION_ARGS)
{
	int64		seq = PG_GETARG_INT64(0);
	EpsLogTree *tree = palloc0(sizeof(EpsLogTree));
	EpsHash		proof[EPS_PROOF_MAX];
	EpsHash		leaf;
	EpsHash		root;
	Snapshot	snapshot;
	Datum		values[4];
	size_t		n;

	eps_budget_log_begin_read(tree, &snapshot);
	if (seq < 1 || (uint64) seq > tree->size)
		raise_size("the entry", tree->size);
	check_tree(eps_ledger_root(&root, tree->size, eps_budget_tree_fetch, tree));
	check_tree(eps_budget_tree_fetch(tree, &leaf, 0, (uint64) seq - 1));
	check_tree(eps_ledger_inclusion(proof, &n, (uint64) seq - 1, tree->size, eps_budget_tree_fetch, tree));
	values[0] = Int64GetDatum((int64) tree->size);
	eps_budget_log_end_read(snapshot);
	values[1] = hash_datum(&leaf);
	values[2] = hash_datum(&root);
	values[3] = proof_datum(proof, n);
	return row_datum(fcinfo, values);
}

PG_FUNCTION_INFO_V1(eps_budget_sql_consistency_proof);
Datum
eps_budget_sql_consistency_proof(PG_FUNCTION_ARGS)
{
	int64		from = PG_GETARG_INT64(0);
	int64		to = PG_GETARG_INT64(1);
	EpsLogTree *tree = palloc0(sizeof(EpsLogTree));
	EpsHash		proof[EPS_PROOF_MAX];
	EpsHash		from_root;
	EpsHash		to_root;
	Snapshot	snapshot;
	Datum		values[3];
	size_t		n;

	eps_budget_log_begin_read(tree, &snapshot);
	if (from < 1 || from > to || (uint64) to > tree->size)
		raise_size("a size", tree->size);
	check_tree(eps_ledger_root(&from_root, (uint64) from, eps_budget_tree_fetch, tree));
	check_tree(eps_ledger_root(&to_root, (uint64) to, eps_budget_tree_fetch, tree));
	check_tree(eps_ledger_consistency(proof, &n, (uint64) from, (uint64) to, eps_budget_tree_fetch, tree));
	eps_budget_log_end_read(snapshot);
	values[0] = hash_datum(&from_root);
	values[1] = hash_datum(&to_root);
	values[2] = proof_datum(proof, n);
	return row_datum(fcinfo, values);
}

/* --- dp.ledger --------------------------------------------------------------------------- */

#define LEDGER_COLUMNS 8

static double
units_as_double(EpsU128 units)
{
	return (double) units / (double) EPS_UNITS_PER_ONE;
}

static bool
put_entry(void *context, HeapTuple row, TupleDesc desc)
{
	ReturnSetInfo *rsinfo = context;
	Datum		bytes = eps_budget_column(row, desc, 2);
	bytea	   *public = DatumGetByteaPP(bytes);
	Datum		values[LEDGER_COLUMNS] = {eps_budget_column(row, desc, 1)};
	bool		nulls[LEDGER_COLUMNS] = {false, true, true, true, true, true, true, false};
	EpsEntry	entry;

	values[7] = bytes;
	if (VARSIZE_ANY_EXHDR(public) == EPS_ENTRY_LEN &&
		eps_ledger_entry_read(&entry, (const uint8 *) VARDATA_ANY(public)) == EPS_OK)
	{
		memset(nulls, 0, sizeof(nulls));
		values[1] = TimestampTzGetDatum(eps_budget_log_timestamp(entry.at));
		values[2] = CStringGetTextDatum(eps_ledger_kind_name(entry.kind));
		values[3] = Int32GetDatum((int32) entry.dataset);
		values[4] = Int64GetDatum((int64) entry.epoch);
		values[5] = Float8GetDatum(units_as_double(entry.total_units));
		values[6] = Float8GetDatum(units_as_double(entry.total_delta_units));
	}
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	return true;
}

/* An entry that cannot be read has its number and its bytes only. */
PG_FUNCTION_INFO_V1(eps_budget_sql_ledger);
Datum
eps_budget_sql_ledger(PG_FUNCTION_ARGS)
{
	EpsLogTree *tree = palloc0(sizeof(EpsLogTree));
	Snapshot	snapshot;

	InitMaterializedSRF(fcinfo, 0);
	if (!eps_budget_has_tables())
		return (Datum) 0;
	eps_budget_log_begin_read(tree, &snapshot);
	eps_budget_each_row("SELECT seq, entry FROM dp_book.log ORDER BY seq", 0, NULL, NULL, put_entry, fcinfo->resultinfo);
	eps_budget_log_end_read(snapshot);
	return (Datum) 0;
}
