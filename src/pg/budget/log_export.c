/*
 * log_export.c
 *	  dp.export_ledger: the files of an export, as rows.  Layout:
 *	  docs/design/ledger.md.
 *
 * Memory stays bounded: rows go to a tuplestore, which spills to disk; a file of
 * openings, which may hold the bitmaps of 256 answers, leaves in pieces.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "pg/budget/log_internal.h"

extern PGDLLEXPORT Datum eps_budget_sql_export(PG_FUNCTION_ARGS);

#define PIECE_BYTES (1024 * 1024)

typedef struct Export
{
	ReturnSetInfo *rsinfo;
	EpsLogTree *tree;
	uint8		id[EPS_LEDGER_ID_LEN];
	bool		auditor;
	uint64		seq;			/* next entry expected */
	StringInfoData bundle;		/* what is read of the one at hand: entries or openings */
} Export;

static void
put_file(Export *e, const char *path, const void *bytes, Size len)
{
	bytea	   *content = palloc(VARHDRSZ + len);
	Datum		values[2] = {CStringGetTextDatum(path), PointerGetDatum(content)};
	bool		nulls[2] = {false, false};

	SET_VARSIZE(content, VARHDRSZ + len);
	memcpy(VARDATA(content), bytes, len);
	tuplestore_putvalues(e->rsinfo->setResult, e->rsinfo->setDesc, values, nulls);
	pfree(DatumGetPointer(values[0]));
	pfree(content);
}

static void
check_whole(EpsStatus status)
{
	if (status != EPS_OK)
		ereport(ERROR,
				(errcode(EPS_ERRCODE_BOOK),
				 errmsg("the log is damaged"),
				 errhint("dp.verify() says where.")));
}

static void
put_checkpoint(Export *e)
{
	text	   *note = eps_budget_log_checkpoint(e->tree);

	put_file(e, "checkpoint", VARDATA_ANY(note), VARSIZE_ANY_EXHDR(note));
}

static void
put_keys(Export *e)
{
	StringInfoData out;
	char		name[128];
	char		line[256];
	ListCell   *cell;
	List	   *keys = eps_budget_log_keys();

	initStringInfo(&out);
	eps_ledger_origin(name, e->id);
	foreach(cell, keys)
	{
		const EpsSigningKey *key = lfirst(cell);

		if (key->from_seq == 0 || key->from_seq > e->tree->size)
			continue;
		eps_common_check(eps_ledger_vkey_write(line, name, key->public_key), "writing a verifier key");
		appendStringInfo(&out, "%s\n", line);
	}
	put_file(e, "key", out.data, (Size) out.len);
}

/* Tiles from the one on that holds an entry. */
static void
put_tiles(Export *e, uint64 first_index)
{
	for (unsigned level = 0; level < EPS_TILE_LEVELS; level++)
	{
		uint64		n = first_index >> (8 * level) >> 8;
		unsigned	width;

		for (; (width = eps_budget_tile_width(e->tree->size, level, n)) > 0; n++)
		{
			char		path[128];

			check_whole(eps_budget_tile_load(e->tree, level, n));
			eps_ledger_tile_path(path, (int) level, n, width);
			put_file(e, path, e->tree->tile, width * sizeof(EpsHash));
			CHECK_FOR_INTERRUPTS();
		}
	}
}

/* --- entries and openings ----------------------------------------------------------------- */

/* What was read of the bundle that holds an entry. */
static void
flush(Export *e, uint64 seq)
{
	uint64		n = (seq - 1) / EPS_TILE_HASHES;
	char		path[128];

	if (e->bundle.len == 0)
		return;
	eps_ledger_tile_path(path, e->auditor ? EPS_TILE_OPENINGS : EPS_TILE_ENTRIES, n,
						 eps_budget_tile_width(e->tree->size, 0, n));
	put_file(e, path, e->bundle.data, (Size) e->bundle.len);
	resetStringInfo(&e->bundle);
}

static void
append_opening(Export *e, const EpsLogRow *row)
{
	Size		len = eps_ledger_opening_len(row->said.field);
	uint32		head = pg_hton32((uint32) len);
	uint8		r[32];

	if (!row->known || !eps_budget_log_r_open(r, row->sealed, e->id, row->seq))
		check_whole(EPS_E_AUTH);
	if ((Size) e->bundle.len + len + sizeof(head) > PIECE_BYTES)
		flush(e, row->seq);
	appendBinaryStringInfo(&e->bundle, (const char *) &head, sizeof(head));
	enlargeStringInfo(&e->bundle, (int) len);
	eps_ledger_opening_write((uint8 *) e->bundle.data + e->bundle.len, r, row->said.field);
	e->bundle.len += (int) len;
	eps_base_wipe(r, sizeof(r));
}

static void
append_entry(Export *e, const EpsLogRow *row)
{
	uint16		head = pg_hton16((uint16) EPS_ENTRY_LEN);

	appendBinaryStringInfo(&e->bundle, (const char *) &head, sizeof(head));
	appendBinaryStringInfo(&e->bundle, VARDATA_ANY(row->public), EPS_ENTRY_LEN);
}

static bool
put_row(void *context, const EpsLogRow *row)
{
	Export	   *e = context;

	if (row->seq != e->seq || VARSIZE_ANY_EXHDR(row->public) != EPS_ENTRY_LEN)
		check_whole(EPS_E_FORMAT);
	e->seq++;
	if (e->auditor)
		append_opening(e, row);
	else
		append_entry(e, row);
	if (row->seq % EPS_TILE_HASHES == 0 || row->seq == e->tree->size)
		flush(e, row->seq);
	return true;
}

/* Of the public part entries, of the auditor's their openings. */
static void
put_bundles(Export *e, uint64 first_index)
{
	e->seq = first_index / EPS_TILE_HASHES * EPS_TILE_HASHES + 1;
	initStringInfo(&e->bundle);
	eps_budget_log_each(e->seq, e->tree->size, put_row, e);
	if (e->seq != e->tree->size + 1)
		check_whole(EPS_E_FORMAT);
}

PG_FUNCTION_INFO_V1(eps_budget_sql_export);
Datum
eps_budget_sql_export(PG_FUNCTION_ARGS)
{
	char	   *part = text_to_cstring(PG_GETARG_TEXT_PP(0));
	int64		from = PG_GETARG_INT64(1);
	Export		e = {.rsinfo = (ReturnSetInfo *) fcinfo->resultinfo,.tree = palloc0(sizeof(EpsLogTree)),
	.auditor = strcmp(part, "auditor") == 0};
	Snapshot	snapshot;

	InitMaterializedSRF(fcinfo, 0);
	if (!e.auditor && strcmp(part, "public") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("an export has no part \"%s\"", part),
				 errhint("Ask for 'public' or 'auditor'.")));
	if (from < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("entries are numbered from 1")));
	eps_budget_log_begin_read(e.tree, &snapshot);
	if (e.tree->size > 0)
	{
		check_whole(eps_budget_log_id(e.id) ? EPS_OK : EPS_E_FORMAT);
		if (!e.auditor)
		{
			put_checkpoint(&e);
			put_keys(&e);
			put_tiles(&e, Min((uint64) from, e.tree->size) - 1);
		}
		put_bundles(&e, Min((uint64) from, e.tree->size) - 1);
	}
	eps_budget_log_end_read(snapshot);
	return (Datum) 0;
}
