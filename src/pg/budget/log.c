/*
 * log.c
 *	  The ledger writer's side of the log: every entry gets its number here, its
 *	  commitments, its row, and its place in the tree, in the transaction at hand.
 *
 * The tree stands in memory as its frontier and the tile that grows of each
 * level.  A transaction that fails leaves memory ahead of the tables: it is read
 * anew then.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "core/crypto/crypto.h"
#include "pg/budget/log_internal.h"

/* Of one writer; lives as long as it does. */
EpsLog *
eps_budget_log_make(EpsWriter *writer)
{
	EpsLog	   *log = MemoryContextAllocZero(TopMemoryContext, sizeof(EpsLog));

	log->writer = writer;
	log->totals_room = 16;
	log->total = MemoryContextAlloc(TopMemoryContext, (Size) log->totals_room * sizeof(EpsLogTotal));
	return log;
}

/* --- reading it anew --------------------------------------------------------------- */

/* An EpsFetchHash over the tiles that grow. */
static EpsStatus
fetch_tail(void *context, EpsHash *out, unsigned level, uint64 index)
{
	EpsLog	   *log = context;
	unsigned	height = level % 8;

	eps_budget_tile_root(out, &log->tail[level / 8][(index << height) % EPS_TILE_HASHES], 1U << height);
	return EPS_OK;
}

static void
load_tree(EpsLog *log, uint64 size)
{
	EpsLogTree *tree = palloc0(sizeof(EpsLogTree));
	unsigned	n = 0;

	tree->size = size;
	for (unsigned level = 0; level < EPS_TILE_LEVELS; level++)
	{
		uint64		hashes = size >> (8 * level);

		if (hashes % EPS_TILE_HASHES == 0)
			continue;
		eps_common_check(eps_budget_tile_load(tree, level, hashes / EPS_TILE_HASHES), "reading the tree of the log");
		memcpy(log->tail[level], tree->tile, tree->width * sizeof(EpsHash));
	}
	log->tree.size = size;
	for (int bit = 63; bit >= 0; bit--)
		if (size >> bit & 1)
			eps_common_check(fetch_tail(log, &log->tree.node[n++], (unsigned) bit, (size >> bit) - 1),
							 "reading the tree of the log");
	pfree(tree);
}

static EpsLogTotal *
find_total(EpsLog *log, int32 dataset_id)
{
	for (int i = 0; i < log->ntotals; i++)
		if (log->total[i].dataset_id == dataset_id)
			return &log->total[i];
	if (log->ntotals == log->totals_room)
	{
		log->totals_room *= 2;
		log->total = repalloc(log->total, (Size) log->totals_room * sizeof(EpsLogTotal));
	}
	log->total[log->ntotals] = (EpsLogTotal) {.dataset_id = dataset_id};
	return &log->total[log->ntotals++];
}

static void
read_entry(EpsEntry *out, Datum bytes)
{
	bytea	   *entry = DatumGetByteaPP(bytes);

	if (VARSIZE_ANY_EXHDR(entry) != EPS_ENTRY_LEN ||
		eps_ledger_entry_read(out, (const uint8 *) VARDATA_ANY(entry)) != EPS_OK)
		ereport(ERROR,
				(errcode(EPS_ERRCODE_BOOK),
				 errmsg("an entry of the log is malformed"),
				 errhint("dp.verify() says which.")));
}

static bool
load_total(void *context, HeapTuple row, TupleDesc desc)
{
	EpsLog	   *log = context;
	EpsLogTotal *total;
	EpsEntry	entry;

	read_entry(&entry, eps_budget_column(row, desc, 1));
	total = find_total(log, (int32) entry.dataset);
	total->units = entry.total_units;
	total->delta_units = entry.total_delta_units;
	return true;
}

static bool
load_newest(void *context, HeapTuple row, TupleDesc desc)
{
	EpsLog	   *log = context;
	EpsEntry	entry;

	read_entry(&entry, eps_budget_column(row, desc, 1));
	log->at = entry.at;
	log->epoch = entry.epoch;
	return true;
}

static void
load(EpsLog *log)
{
	uint64		size = eps_budget_log_size();

	log->valid = false;
	log->at = 0;
	log->epoch = 1;
	log->ntotals = 0;
	eps_budget_each_row("SELECT entry FROM dp_book.log ORDER BY seq DESC LIMIT 1", 0, NULL, NULL, load_newest, log);
	eps_budget_each_row("SELECT l.entry FROM (SELECT max(seq) AS seq FROM dp_book.entry GROUP BY dataset_id) e "
						"JOIN dp_book.log l ON l.seq OPERATOR(pg_catalog.=) e.seq", 0, NULL, NULL, load_total, log);
	load_tree(log, size);
	log->has_id = eps_budget_log_id(log->id);
	SpinLockAcquire(&log->writer->mutex);
	log->book = log->writer->book;
	log->started = log->writer->booted;
	log->writer->booked_seq = (int64) size;
	memset(log->writer->log_root, 0, EPS_HASH_LEN);
	SpinLockRelease(&log->writer->mutex);
	log->valid = true;
}

/* Takes back the numbers of this stretch of a ring that no entry on disk has. */
static void
take_back_numbers(const EpsBook *book, uint64 size, uint64 from, uint64 to)
{
	EpsMessage	message;

	for (uint64 at = from; at != to; at += message.words)
	{
		eps_budget_ring_get(book, at, &message, sizeof(message));
		if (message.seq != 0 && (uint64) message.seq > size)
			eps_budget_ring_set_seq(book, at, 0);
	}
}

/* Numbers that a transaction gave which failed mean nothing; an entry of another
 * kind may get them next. */
static void
take_back_all_numbers(const EpsLog *log)
{
	LWLockAcquire(EPS_BOOK_LOCK, LW_SHARED);
	for (int i = 0; i < EPS_BOOK_MAX_REGIONS; i++)
	{
		EpsRegion  *r = &eps_budget_control->region[i];
		EpsBook		book;
		uint64		from;
		uint64		to;

		if (r->state != EPS_REGION_READY || r->database != MyDatabaseId)
			continue;
		eps_budget_view(&book, r, log->writer);
		SpinLockAcquire(&log->writer->mutex);
		from = r->tail;
		to = r->head;
		SpinLockRelease(&log->writer->mutex);
		take_back_numbers(&book, log->tree.size, from, to);
	}
	LWLockRelease(EPS_BOOK_LOCK);
}

/* Begins a transaction's part of the log. SPI connected, its tables there. */
void
eps_budget_log_open(EpsLog *log)
{
	if (!log->valid || log->book != log->writer->book)
	{
		load(log);
		take_back_all_numbers(log);
	}
	log->booked = log->tree.size;
	log->appended = false;
}

/* After a transaction that failed. */
void
eps_budget_log_forget(EpsLog *log)
{
	log->valid = false;
}

/*
 * The time of the next entry, if what it tells of began at `at`: that, or the time
 * of the entry before where it is later, since statements end in another order
 * than they began.
 */
TimestampTz
eps_budget_log_time_after(const EpsLog *log, TimestampTz at)
{
	return Max(at, eps_budget_log_timestamp(log->at));
}

/* Has anything been appended since it was opened? */
bool
eps_budget_log_has_appended(const EpsLog *log)
{
	return log->appended;
}

/* Was this entry there already when it was opened? */
bool
eps_budget_log_has(const EpsLog *log, int64 seq)
{
	return seq != 0 && (uint64) seq <= log->booked;
}

/* After the commit: what the log holds now. */
void
eps_budget_log_committed(EpsLog *log)
{
	EpsWriter  *writer = log->writer;
	EpsHash		root;

	eps_ledger_frontier_root(&root, &log->tree);
	SpinLockAcquire(&writer->mutex);
	writer->booked_seq = (int64) log->tree.size;
	memcpy(writer->log_root, root.b, EPS_HASH_LEN);
	writer->booted = log->started;
	SpinLockRelease(&writer->mutex);
}

/* --- appending ------------------------------------------------------------------------ */

typedef enum Insert
{
	INSERT_LOG,
	INSERT_TILE,
	NINSERTS
} Insert;

static SPIPlanPtr plans[NINSERTS];

static void
insert(Insert which, Datum *values, const char *nulls)
{
	static const char *const sql[NINSERTS] = {
		[INSERT_LOG] = "INSERT INTO dp_book.log (seq, entry, sealed, detail) VALUES ($1, $2, $3, $4)",
		[INSERT_TILE] = "INSERT INTO dp_book.tile (level, n, hashes) VALUES ($1, $2, $3)"
	};
	static Oid	types[NINSERTS][4] = {
		[INSERT_LOG] = {INT8OID, BYTEAOID, BYTEAOID, TEXTOID},
		[INSERT_TILE] = {INT2OID, INT8OID, BYTEAOID}
	};

	if (plans[which] == NULL)
	{
		SPIPlanPtr	plan = SPI_prepare(sql[which], which == INSERT_LOG ? 4 : 3, types[which]);

		EPS_ENSURE(plan != NULL && SPI_keepplan(plan) == 0, "a statement of the writer cannot be prepared");
		plans[which] = plan;
	}
	EPS_ENSURE(SPI_execute_plan(plans[which], values, nulls, false, 0) == SPI_OK_INSERT,
			   "a statement of the writer failed");
}

static Datum
bytes_datum(const void *bytes, Size len)
{
	bytea	   *out = palloc(VARHDRSZ + len);

	SET_VARSIZE(out, VARHDRSZ + len);
	memcpy(VARDATA(out), bytes, len);
	return PointerGetDatum(out);
}

static void
add_hash(EpsLog *log, unsigned level, uint64 index, const EpsHash *hash)
{
	EpsHash		root;
	Datum		values[3];

	EPS_ENSURE(level < EPS_TILE_LEVELS, "the log is full");
	log->tail[level][index % EPS_TILE_HASHES] = *hash;
	if ((index + 1) % EPS_TILE_HASHES != 0)
		return;
	values[0] = Int16GetDatum((int16) level);
	values[1] = Int64GetDatum((int64) (index / EPS_TILE_HASHES));
	values[2] = bytes_datum(log->tail[level], EPS_TILE_BYTES);
	insert(INSERT_TILE, values, NULL);
	eps_budget_tile_root(&root, log->tail[level], EPS_TILE_HASHES);
	add_hash(log, level + 1, index / EPS_TILE_HASHES, &root);
}

static void
store(EpsLog *log, const EpsEntry *entry, const uint8 r[32], const char *detail)
{
	uint8		bytes[EPS_ENTRY_LEN];
	uint8		sealed[32 + EPS_SEAL_OVERHEAD];
	EpsHash		leaf;
	Datum		values[4];

	eps_ledger_entry_write(bytes, entry);
	eps_budget_log_r_seal(sealed, r, log->id, entry->seq);
	values[0] = Int64GetDatum((int64) entry->seq);
	values[1] = bytes_datum(bytes, sizeof(bytes));
	values[2] = bytes_datum(sealed, sizeof(sealed));
	values[3] = detail == NULL ? (Datum) 0 : CStringGetTextDatum(detail);
	insert(INSERT_LOG, values, detail == NULL ? "   n" : NULL);
	eps_ledger_leaf_hash(&leaf, bytes, sizeof(bytes));
	add_hash(log, 0, log->tree.size, &leaf);
	eps_ledger_frontier_add(&log->tree, &leaf);
}

/* The next entry, at eps_budget_log_time_after(). */
void
eps_budget_log_append(EpsLog *log, const EpsLogEntry *entry)
{
	EpsLogTotal none = {0};
	EpsLogTotal *total = entry->dataset_id == 0 ? &none : find_total(log, entry->dataset_id);
	EpsEntry	fresh = {.kind = entry->kind,.dataset = (uint32) entry->dataset_id,.seq = log->tree.size + 1};
	uint8		r[32];

	EPS_ENSURE(log->valid && log->started, "the log is not open");
	total->units += entry->units;
	total->delta_units += entry->delta_units;
	fresh.at = log->at = eps_budget_log_time(eps_budget_log_time_after(log, entry->at));
	fresh.epoch = log->epoch = Max(log->epoch, (uint64) log->writer->epoch);
	fresh.total_units = total->units;
	fresh.total_delta_units = total->delta_units;
	memcpy(fresh.body, entry->body, EPS_ENTRY_BODY_LEN);
	eps_common_check(eps_crypto_random(r, sizeof(r)), "drawing randomness for an entry");
	eps_ledger_fields_root(&fresh.fields, r, entry->field);
	store(log, &fresh, r, entry->detail);
	eps_base_wipe(r, sizeof(r));
	log->appended = true;
}

/* Before the first other entry since the server started. */
void
eps_budget_log_start(EpsLog *log)
{
	if (log->started)
		return;
	log->started = true;
	eps_budget_log_boot(log);
}

/* Entries so far, those of the transaction at hand included. */
int64
eps_budget_log_size_now(const EpsLog *log)
{
	return (int64) log->tree.size;
}

/* The number of the next entry. */
int64
eps_budget_log_next(EpsLog *log)
{
	eps_budget_log_start(log);
	return (int64) log->tree.size + 1;
}

/* --- what was changed since ------------------------------------------------------------- */

static void
log_event(EpsLog *log, HeapTuple row, TupleDesc desc)
{
	Oid			types[3] = {INT8OID, INT8OID, TIMESTAMPTZOID};
	Datum		values[3] = {eps_budget_column(row, desc, 1), Int64GetDatum(eps_budget_log_next(log))};
	EpsLogEntry entry = {.kind = EPS_ENTRY_POLICY,.dataset_id = DatumGetInt32(eps_budget_column(row, desc, 3)),
	.at = DatumGetTimestampTz(eps_budget_column(row, desc, 2))};

	eps_budget_log_policy(&entry, SPI_getvalue(row, desc, 4), SPI_getvalue(row, desc, 5), SPI_getvalue(row, desc, 6),
						  SPI_getvalue(row, desc, 7), SPI_getvalue(row, desc, 8));
	entry.at = eps_budget_log_time_after(log, entry.at);
	values[2] = TimestampTzGetDatum(entry.at);
	eps_budget_log_append(log, &entry);
	EPS_ENSURE(SPI_execute_with_args("UPDATE dp_book.policy_event SET seq = $2, at = $3 WHERE event_no OPERATOR(pg_catalog.=) $1 "
									 "AND seq IS NULL", 3, types, values, NULL, false, 0) == SPI_OK_UPDATE &&
			   SPI_processed == 1, "a change of policy could not be logged");
}

/*
 * Logs the changes of policy that have been committed and stand in no entry yet,
 * and keys that were made.  Called before the answers of a batch: whatever policy
 * an answer followed had been committed before, so its entry comes before.
 */
void
eps_budget_log_changes(EpsLog *log)
{
	static SPIPlanPtr plan = NULL;
	SPITupleTable *rows;
	uint64		n;

	if (plan == NULL)
	{
		plan = SPI_prepare("SELECT event_no, at, dataset_id, action, table_name, relation_name, who, row_text "
						   "FROM dp_book.policy_event WHERE seq IS NULL ORDER BY event_no", 0, NULL);
		EPS_ENSURE(plan != NULL && SPI_keepplan(plan) == 0, "a statement of the writer cannot be prepared");
	}
	EPS_ENSURE(SPI_execute_plan(plan, NULL, NULL, false, 0) == SPI_OK_SELECT, "a query on the book failed");
	rows = SPI_tuptable;
	n = SPI_processed;
	for (uint64 i = 0; i < n; i++)
		log_event(log, rows->vals[i], rows->tupdesc);
	SPI_freetuptable(rows);
	eps_budget_log_pending_keys(log);
}
