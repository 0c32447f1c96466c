/*
 * log_verify.c
 *	  The check of the log: its entries against each other, against the tree, and
 *	  against the tables that hold what they commit to.
 *
 * One pass over the entries in order; each check keeps the first entry that it
 * finds wrong.  A pass over everything that finds nothing is remembered until the
 * server stops: the next may begin behind it.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "pg/budget/log_internal.h"

typedef enum Check
{
	CHECK_NUMBERS,
	CHECK_FORM,
	CHECK_TREE,
	CHECK_TOLD,
	CHECK_CHARGES,
	CHECK_TOTALS,
	CHECK_KEYS,
	CHECK_BOOTS,
	CHECK_ROWS,
	CHECK_POLICY,
	NCHECKS
} Check;

static const char *const check_names[NCHECKS] = {
	[CHECK_NUMBERS] = "ledger: entries are numbered without a gap",
	[CHECK_FORM] = "ledger: entries are well formed and in order of time",
	[CHECK_TREE] = "ledger: the tree is that of the entries",
	[CHECK_TOLD] = "ledger: entries commit to what the tables hold",
	[CHECK_CHARGES] = "ledger: charges are within what their entry says",
	[CHECK_TOTALS] = "ledger: worst cases add up",
	[CHECK_KEYS] = "ledger: each key is signed by the key before",
	[CHECK_BOOTS] = "ledger: each start has its entry, each recovery says so",
	[CHECK_ROWS] = "ledger: every answer and every change of policy has its entry",
	[CHECK_POLICY] = "ledger: policy tables are the fold of their changes"
};

typedef struct Verify
{
	MemoryContext context;		/* of what lives longer than a row */
	EpsLogTree *tables;			/* the tree in the tables */
	uint8		id[EPS_LEDGER_ID_LEN];
	uint64		next_seq;		/* expected */
	uint64		at;
	uint64		epoch;
	EpsFrontier tree;			/* recomputed */
	EpsHash		tail[EPS_TILE_LEVELS][EPS_TILE_HASHES];
	uint64		memory_size;	/* of the writer, when the check began */
	EpsHash		memory_root;
	int			ntotals;
	EpsLogTotal total[EPS_CHECKPOINT_TOTALS];
	bool		has_key;
	uint8		key[EPS_SIGN_PUBLIC_LEN];
	char	   *boot;			/* text of the last one */
	char	   *recovery;		/* that the next entry must be, or NULL */
	uint64		bad[NCHECKS];	/* first entry that is wrong; 0: it is none */
	char	   *why[NCHECKS];	/* NULL: all is well */
} Verify;

static void
mark(Verify *v, Check check, uint64 seq, const char *why)
{
	if (v->why[check] != NULL)
		return;
	v->bad[check] = seq;
	v->why[check] = MemoryContextStrdup(v->context, why);
}

/* --- the tree ---------------------------------------------------------------------------- */

static void
compare_tile(Verify *v, unsigned level, uint64 n)
{
	const EpsHash *ours = v->tail[level];
	unsigned	i = 0;

	if (eps_budget_tile_load(v->tables, level, n) != EPS_OK)
	{
		mark(v, CHECK_TREE, (n << (8 * (level + 1))) + 1, "a tile of hashes is missing or malformed");
		return;
	}
	while (i < v->tables->width && memcmp(&ours[i], &v->tables->tile[i], sizeof(EpsHash)) == 0)
		i++;
	if (i < v->tables->width)
		mark(v, CHECK_TREE, ((n * EPS_TILE_HASHES + i) << (8 * level)) + 1, "its hash is another one in the tree");
}

static void
add_hash(Verify *v, unsigned level, uint64 index, const EpsHash *hash)
{
	EpsHash		root;

	v->tail[level][index % EPS_TILE_HASHES] = *hash;
	if ((index + 1) % EPS_TILE_HASHES != 0 || level + 1 >= EPS_TILE_LEVELS)
		return;
	compare_tile(v, level, index / EPS_TILE_HASHES);
	eps_budget_tile_root(&root, v->tail[level], EPS_TILE_HASHES);
	add_hash(v, level + 1, index / EPS_TILE_HASHES, &root);
}

static void
check_leaf(Verify *v, const EpsLogRow *row)
{
	EpsHash		leaf;
	EpsHash		root;

	eps_ledger_leaf_hash(&leaf, (const uint8 *) VARDATA_ANY(row->public), VARSIZE_ANY_EXHDR(row->public));
	add_hash(v, 0, v->tree.size, &leaf);
	eps_ledger_frontier_add(&v->tree, &leaf);
	if (v->tree.size != v->memory_size)
		return;
	eps_ledger_frontier_root(&root, &v->tree);
	if (memcmp(&root, &v->memory_root, sizeof(root)) != 0)
		mark(v, CHECK_TREE, row->seq, "up to here the log is not the one that was written");
}

/* --- one entry ------------------------------------------------------------------------------ */

static EpsLogTotal *
find_total(Verify *v, uint32 dataset)
{
	for (int i = 0; i < v->ntotals; i++)
		if (v->total[i].dataset_id == (int32) dataset)
			return &v->total[i];
	EPS_ENSURE(v->ntotals < EPS_CHECKPOINT_TOTALS, "too many data sets have answers");
	v->total[v->ntotals] = (EpsLogTotal) {.dataset_id = (int32) dataset};
	return &v->total[v->ntotals++];
}

static void
check_totals(Verify *v, const EpsLogRow *row, const EpsEntry *entry)
{
	EpsLogTotal none = {0};
	EpsLogTotal *total = entry->dataset == 0 ? &none : find_total(v, entry->dataset);

	total->units += row->said.units;
	total->delta_units += row->said.delta_units;
	if (total->units != entry->total_units || total->delta_units != entry->total_delta_units)
		mark(v, CHECK_TOTALS, row->seq, "its totals are not those of the entries so far");
}

static void
check_charges(Verify *v, const EpsLogRow *row)
{
	EpsField	field = row->said.field[EPS_FIELD_CHARGES];
	EpsCursor	all = {field.bytes, field.bytes + field.len};
	EpsCursor	price = {row->said.price, row->said.price + EPS_PRICE_LEN};
	EpsCursor	owners = {row->said.owners, row->said.owners + EPS_OWNERS_LEN};
	uint32		accounts = 0;
	uint16		level = 0;
	uint16		delta_level = 0;
	bool		found = field.len > 0;
	bool		good = eps_base_read_u16(&level, &price) == EPS_OK && eps_base_read_u16(&delta_level, &price) == EPS_OK
		&& eps_base_read_u32(&accounts, &owners) == EPS_OK;

	while (good && found)
	{
		EpsLedgerCharge charge;

		good = eps_ledger_charge_next(&charge, &found, &all) == EPS_OK;
		if (good && found)
			good = charge.level <= level && charge.delta_level <= delta_level &&
				eps_ledger_bitmap_read(charge.bitmap, charge.len, accounts, NULL, NULL) == EPS_OK;
	}
	if (!good)
		mark(v, CHECK_CHARGES, row->seq, "a charge is malformed, or above its worst case");
}

static void
check_key(Verify *v, const EpsLogRow *row, const EpsEntry *entry)
{
	uint8		statement[EPS_KEY_STATEMENT_LEN];
	EpsKeyBody	body;
	bool		good;

	eps_ledger_key_read(&body, entry->body);
	eps_ledger_key_statement(statement, v->id, row->seq, body.key);
	good = eps_crypto_sign_check(body.by_new, statement, sizeof(statement), body.key) == EPS_OK;
	if (v->has_key)
		good = good && eps_crypto_sign_check(body.by_old, statement, sizeof(statement), v->key) == EPS_OK;
	if (!good || (row->known && memcmp(row->said.body, body.key, EPS_SIGN_PUBLIC_LEN) != 0))
		mark(v, CHECK_KEYS, row->seq, "a signature of the key is wrong, or it is not the one in the table");
	memcpy(v->key, body.key, EPS_SIGN_PUBLIC_LEN);
	v->has_key = true;
}

static void
check_boot(Verify *v, const EpsLogRow *row, const EpsEntry *entry)
{
	const char *text = row->said.detail == NULL ? "" : row->said.detail;

	if (row->seq == 1 && entry->kind != EPS_ENTRY_BOOT)
		mark(v, CHECK_BOOTS, row->seq, "the log does not begin with a start");
	if ((v->recovery != NULL) != (entry->kind == EPS_ENTRY_RECOVERY) ||
		(v->recovery != NULL && strcmp(v->recovery, text) != 0))
		mark(v, CHECK_BOOTS, row->seq, "a recovery is not told, or told wrongly");
	v->recovery = NULL;
	if (entry->kind != EPS_ENTRY_BOOT)
		return;
	if (v->boot != NULL)
		v->recovery = eps_budget_recovery_text(v->boot, text);
	if (v->recovery != NULL)
		v->recovery = MemoryContextStrdup(v->context, v->recovery);
	v->boot = MemoryContextStrdup(v->context, text);
}

/* Does the entry commit to what the tables say? */
static void
check_told(Verify *v, const EpsLogRow *row, const EpsEntry *entry)
{
	bool		ends_epoch = entry->kind == EPS_ENTRY_OWNERS || entry->kind == EPS_ENTRY_ANSWERS;
	EpsHash		root;
	uint8		r[32];

	if (!row->known || row->said.kind != entry->kind || row->said.dataset_id != (int32) entry->dataset)
	{
		mark(v, CHECK_TOLD, row->seq, "the tables do not hold what it tells");
		return;
	}
	if (!eps_budget_log_r_open(r, row->sealed, v->id, row->seq))
	{
		mark(v, CHECK_TOLD, row->seq, "its opening does not open");
		return;
	}
	eps_ledger_fields_root(&root, r, row->said.field);
	eps_base_wipe(r, sizeof(r));
	if (memcmp(&root, &entry->fields, sizeof(root)) != 0)
		mark(v, CHECK_TOLD, row->seq, "the tables hold something else than it commits to");
	if (ends_epoch && memcmp(row->said.body, entry->body, EPS_ENTRY_BODY_LEN) != 0)
		mark(v, CHECK_TOLD, row->seq, "the tables hold something else than it tells");
	/* at the end of an epoch the tables hold when it ended, others when they were entered */
	if (row->said.at != 0 && (ends_epoch ? Max(v->at, eps_budget_log_time(row->said.at)) :
							  eps_budget_log_time(row->said.at)) != entry->at)
		mark(v, CHECK_TOLD, row->seq, "its time is not that of the tables");
}

static bool
check_entry(void *context, const EpsLogRow *row)
{
	Verify	   *v = context;
	EpsEntry	entry;

	if (row->seq != v->next_seq)
		mark(v, CHECK_NUMBERS, v->next_seq, "it is missing");
	v->next_seq = row->seq + 1;
	check_leaf(v, row);
	if (VARSIZE_ANY_EXHDR(row->public) != EPS_ENTRY_LEN ||
		eps_ledger_entry_read(&entry, (const uint8 *) VARDATA_ANY(row->public)) != EPS_OK || entry.seq != row->seq)
	{
		mark(v, CHECK_FORM, row->seq, "it is malformed");
		return true;
	}
	if (entry.at < v->at || entry.epoch < v->epoch)
		mark(v, CHECK_FORM, row->seq, "its time or epoch is before that of the entry before");
	check_told(v, row, &entry);
	check_totals(v, row, &entry);
	if (row->known)
		check_charges(v, row);
	if (entry.kind == EPS_ENTRY_KEY)
		check_key(v, row, &entry);
	check_boot(v, row, &entry);
	v->at = entry.at;
	v->epoch = entry.epoch;
	return true;
}

/* --- rows without an entry ------------------------------------------------------------------ */

static bool
orphan(void *context, HeapTuple row, TupleDesc desc)
{
	mark(context, CHECK_ROWS, (uint64) DatumGetInt64(eps_budget_column(row, desc, 1)),
		 "the log has no such entry for a row of the tables");
	return false;
}

/* What the log tells was held against the tables; now the other way round. */
static void
check_rows(Verify *v)
{
	eps_budget_each_row("SELECT x.seq FROM (SELECT seq, CASE kind WHEN 'release' THEN 4 WHEN 'repeat' THEN 5 "
						"WHEN 'left out' THEN 6 ELSE 0 END AS kind FROM dp_book.entry "
						"UNION ALL SELECT seq, 3 FROM dp_book.policy_event WHERE seq IS NOT NULL "
						"UNION ALL SELECT seq, 7 FROM dp_book.answers WHERE seq IS NOT NULL "
						"UNION ALL SELECT seq, 8 FROM dp_book.epoch WHERE seq IS NOT NULL "
						"UNION ALL SELECT from_seq, 2 FROM dp_book.signing_key WHERE from_seq IS NOT NULL) x "
						"LEFT JOIN dp_book.log l ON l.seq OPERATOR(pg_catalog.=) x.seq "
						"WHERE l.seq IS NULL OR length(l.entry) OPERATOR(pg_catalog.<) 2 "
						"OR get_byte(l.entry, 1) OPERATOR(pg_catalog.<>) x.kind "
						"ORDER BY x.seq LIMIT 1", 0, NULL, NULL, orphan, v);
}

static bool
differ(void *context, HeapTuple row, TupleDesc desc)
{
	bool		isnull;
	int64		seq = DatumGetInt64(SPI_getbinval(row, desc, 2, &isnull));

	mark(context, CHECK_POLICY, isnull ? 0 : (uint64) seq,
		 psprintf("table \"%s.%s\" was changed past its record", EPS_SCHEMA_BOOK, SPI_getvalue(row, desc, 1)));
	return false;
}

static void
check_policy(Verify *v)
{
	eps_budget_each_row("SELECT table_name::text, seq FROM dp._policy_difference()", 0, NULL, NULL, differ, v);
}

/* --- beginning behind what was checked before -------------------------------------------------- */

static bool
resume_totals(void *context, HeapTuple row, TupleDesc desc)
{
	Verify	   *v = context;
	bytea	   *bytes = DatumGetByteaPP(eps_budget_column(row, desc, 1));
	EpsLogTotal *total;
	EpsEntry	entry;

	if (VARSIZE_ANY_EXHDR(bytes) != EPS_ENTRY_LEN ||
		eps_ledger_entry_read(&entry, (const uint8 *) VARDATA_ANY(bytes)) != EPS_OK)
		return true;
	v->at = Max(v->at, entry.at);
	v->epoch = Max(v->epoch, entry.epoch);
	if (entry.dataset == 0)
		return true;
	total = find_total(v, entry.dataset);
	total->units = entry.total_units;
	total->delta_units = entry.total_delta_units;
	return true;
}

static bool
resume_boot(void *context, HeapTuple row, TupleDesc desc)
{
	Verify	   *v = context;

	v->boot = MemoryContextStrdup(v->context, SPI_getvalue(row, desc, 1));
	return false;
}

/* The tree of the first seq entries, as the tables have it, in memory. */
static bool
resume_tree(Verify *v, uint64 seq, const EpsHash *root)
{
	EpsLogTree *tree = palloc0(sizeof(EpsLogTree));
	EpsHash		found;
	unsigned	n = 0;

	tree->size = seq;
	for (unsigned level = 0; level < EPS_TILE_LEVELS; level++)
	{
		if ((seq >> (8 * level)) % EPS_TILE_HASHES == 0)
			continue;
		if (eps_budget_tile_load(tree, level, seq >> (8 * level) >> 8) != EPS_OK)
			return false;
		memcpy(v->tail[level], tree->tile, tree->width * sizeof(EpsHash));
	}
	v->tree.size = seq;
	for (int bit = 63; bit >= 0; bit--)
		if (seq >> bit & 1 &&
			eps_budget_tree_fetch(tree, &v->tree.node[n++], (unsigned) bit, (seq >> bit) - 1) != EPS_OK)
			return false;
	eps_ledger_frontier_root(&found, &v->tree);
	return memcmp(&found, root, sizeof(found)) == 0;
}

static void
resume(Verify *v, uint64 seq, const EpsHash *root)
{
	Oid			types[1] = {INT8OID};
	Datum		values[1] = {Int64GetDatum((int64) seq)};
	const EpsSigningKey *key = eps_budget_log_key_at(eps_budget_log_keys(), seq);

	if (seq > v->tables->size || !resume_tree(v, seq, root))
		mark(v, CHECK_TREE, seq, "up to here the log is not the one that was checked");
	v->next_seq = seq + 1;
	eps_budget_each_row("SELECT l.entry FROM dp_book.log l WHERE l.seq OPERATOR(pg_catalog.=) $1 OR l.seq IN "
						"(SELECT max(e.seq) FROM dp_book.entry e WHERE e.seq OPERATOR(pg_catalog.<=) $1 GROUP BY e.dataset_id)",
						1, types, values, resume_totals, v);
	eps_budget_each_row("SELECT detail FROM dp_book.log WHERE detail IS NOT NULL AND seq OPERATOR(pg_catalog.<=) $1 "
						"AND get_byte(entry, 1) OPERATOR(pg_catalog.=) 1 ORDER BY seq DESC LIMIT 1",
						1, types, values, resume_boot, v);
	v->has_key = key != NULL;
	if (key != NULL)
		memcpy(v->key, key->public_key, EPS_SIGN_PUBLIC_LEN);
}

/* --- the whole --------------------------------------------------------------------------------- */

static bool
put_checks(const Verify *v, Tuplestorestate *out, TupleDesc desc)
{
	bool		good = true;

	for (int i = 0; i < NCHECKS; i++)
	{
		bool		ok = v->why[i] == NULL;
		Datum		values[3] = {CStringGetTextDatum(check_names[i]), BoolGetDatum(ok)};
		bool		nulls[3] = {false, false, ok};

		if (!ok)
			values[2] = CStringGetTextDatum(v->bad[i] == 0 ? v->why[i] :
											psprintf("entry " UINT64_FORMAT ": %s", v->bad[i], v->why[i]));
		tuplestore_putvalues(out, desc, values, nulls);
		good &= ok;
	}
	return good;
}

/* What the server itself knows of the log. */
static void
look_at_memory(Verify *v, EpsWriter *writer, uint64 *verified, EpsHash *verified_root)
{
	static const EpsHash none = {{0}};

	SpinLockAcquire(&writer->mutex);
	v->memory_size = (uint64) writer->booked_seq;
	memcpy(v->memory_root.b, writer->log_root, EPS_HASH_LEN);
	*verified = (uint64) writer->verified_seq;
	memcpy(verified_root->b, writer->verified_root, EPS_HASH_LEN);
	SpinLockRelease(&writer->mutex);
	if (memcmp(&v->memory_root, &none, sizeof(none)) == 0)
		v->memory_size = 0;
}

static void
remember(const Verify *v, EpsWriter *writer)
{
	EpsHash		root;

	eps_ledger_frontier_root(&root, &v->tree);
	SpinLockAcquire(&writer->mutex);
	writer->verified_seq = (int64) v->tree.size;
	memcpy(writer->verified_root, root.b, EPS_HASH_LEN);
	SpinLockRelease(&writer->mutex);
}

/* Puts out one row a check. Not full: only of entries since the last full check that was good. */
void
eps_budget_verify_log(bool full, Tuplestorestate *out, TupleDesc desc)
{
	Verify	   *v = palloc0(sizeof(Verify));
	EpsWriter  *writer = eps_budget_writer_slot(MyDatabaseId, true);
	uint64		verified;
	EpsHash		verified_root;
	Snapshot	snapshot;

	v->context = CurrentMemoryContext;
	v->tables = palloc0(sizeof(EpsLogTree));
	v->next_seq = 1;
	(void) eps_budget_writer_attend(writer);
	look_at_memory(v, writer, &verified, &verified_root);
	eps_budget_log_begin_read(v->tables, &snapshot);
	if (v->tables->size > 0 && !eps_budget_log_id(v->id))
		mark(v, CHECK_KEYS, 0, "the ledger has no name");
	if (!full && verified > 0)
		resume(v, verified, &verified_root);
	eps_budget_log_each(v->next_seq, v->tables->size, check_entry, v);
	if (v->recovery != NULL)
		mark(v, CHECK_BOOTS, v->tables->size, "a recovery is not told");
	if (v->memory_size > v->tree.size)
		mark(v, CHECK_NUMBERS, v->tree.size + 1, "it was written, and is missing");
	check_rows(v);
	check_policy(v);
	eps_budget_log_end_read(snapshot);
	if (put_checks(v, out, desc) && full)
		remember(v, writer);
}
