/*
 * log_tree.c
 *	  The tree of the log as the tables have it, in the snapshot at hand: leaf
 *	  hashes from dp_book.log, complete groups of 256 hashes from dp_book.tile.
 *
 * A level of tiles stands eight levels of the tree above the one before it.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"

#include "pg/budget/log_internal.h"

/* Entries in the log. SPI connected. */
uint64
eps_budget_log_size(void)
{
	return (uint64) eps_budget_query_int64("SELECT max(seq) FROM dp_book.log", 0, NULL, NULL, 0);
}

/* Root over n hashes, a power of two of at most 256. */
void
eps_budget_tile_root(EpsHash *out, const EpsHash *hashes, unsigned n)
{
	EpsHash		node[EPS_TILE_HASHES];

	memcpy(node, hashes, n * sizeof(EpsHash));
	for (; n > 1; n /= 2)
		for (unsigned i = 0; i < n / 2; i++)
			eps_ledger_node_hash(&node[i], &node[2 * i], &node[2 * i + 1]);
	*out = node[0];
}

/* Hashes in tile n of a level. */
unsigned
eps_budget_tile_width(uint64 size, unsigned level, uint64 n)
{
	uint64		hashes = level >= EPS_TILE_LEVELS ? 0 : size >> (8 * level);

	if (n >= (hashes + EPS_TILE_HASHES - 1) / EPS_TILE_HASHES)
		return 0;
	return (unsigned) Min(hashes - n * EPS_TILE_HASHES, (uint64) EPS_TILE_HASHES);
}

typedef struct LeafReader
{
	EpsHash    *hashes;
	unsigned	n;
	uint64		next_seq;
} LeafReader;

static bool
read_leaf(void *context, HeapTuple row, TupleDesc desc)
{
	LeafReader *r = context;
	bytea	   *entry = DatumGetByteaPP(eps_budget_column(row, desc, 2));

	if ((uint64) DatumGetInt64(eps_budget_column(row, desc, 1)) != r->next_seq)
		return false;
	eps_ledger_leaf_hash(&r->hashes[r->n++], (const uint8 *) VARDATA_ANY(entry), VARSIZE_ANY_EXHDR(entry));
	r->next_seq++;
	return true;
}

/* Leaf hashes of the tile that grows. */
static bool
load_leaves(EpsHash *hashes, uint64 first, unsigned width)
{
	LeafReader	r = {.hashes = hashes,.next_seq = first + 1};
	Oid			types[2] = {INT8OID, INT8OID};
	Datum		values[2] = {Int64GetDatum((int64) first + 1), Int64GetDatum((int64) (first + width))};

	return eps_budget_each_row("SELECT seq, entry FROM dp_book.log WHERE seq OPERATOR(pg_catalog.>=) $1 "
							   "AND seq OPERATOR(pg_catalog.<=) $2 ORDER BY seq", 2, types, values, read_leaf, &r)
		&& r.n == width;
}

static bool
read_tile(void *context, HeapTuple row, TupleDesc desc)
{
	bytea	   *hashes = DatumGetByteaPP(eps_budget_column(row, desc, 1));

	if (VARSIZE_ANY_EXHDR(hashes) != EPS_TILE_BYTES)
		return false;
	memcpy(*(EpsHash **) context, VARDATA_ANY(hashes), EPS_TILE_BYTES);
	*(EpsHash **) context = NULL;
	return true;
}

static bool
load_complete(EpsHash *hashes, unsigned level, uint64 n)
{
	Oid			types[2] = {INT2OID, INT8OID};
	Datum		values[2] = {Int16GetDatum((int16) level), Int64GetDatum((int64) n)};
	EpsHash    *out = hashes;

	return eps_budget_each_row("SELECT hashes FROM dp_book.tile WHERE level OPERATOR(pg_catalog.=) $1 "
							   "AND n OPERATOR(pg_catalog.=) $2", 2, types, values, read_tile, &out)
		&& out == NULL;
}

/* Roots of the complete tiles below. */
static bool
load_roots(EpsHash *hashes, unsigned level, uint64 first, unsigned width)
{
	EpsHash    *below = palloc(EPS_TILE_BYTES);
	bool		good = true;

	for (unsigned i = 0; good && i < width; i++)
	{
		good = load_complete(below, level - 1, first + i);
		if (good)
			eps_budget_tile_root(&hashes[i], below, EPS_TILE_HASHES);
	}
	pfree(below);
	return good;
}

/* Makes tile n of a level the one at hand. EPS_E_FORMAT where the tables are not whole. */
EpsStatus
eps_budget_tile_load(EpsLogTree *tree, unsigned level, uint64 n)
{
	unsigned	width = eps_budget_tile_width(tree->size, level, n);
	bool		good;

	if (tree->width != 0 && tree->level == level && tree->n == n)
		return EPS_OK;
	if (width == 0)
		return EPS_E_RANGE;
	tree->width = 0;
	if (width == EPS_TILE_HASHES)
		good = load_complete(tree->tile, level, n);
	else if (level == 0)
		good = load_leaves(tree->tile, n * EPS_TILE_HASHES, width);
	else
		good = load_roots(tree->tile, level, n * EPS_TILE_HASHES, width);
	if (!good)
		return EPS_E_FORMAT;
	tree->level = level;
	tree->n = n;
	tree->width = width;
	return EPS_OK;
}

/* An EpsFetchHash over an EpsLogTree. SPI connected, a snapshot active. */
EpsStatus
eps_budget_tree_fetch(void *context, EpsHash *out, unsigned level, uint64 index)
{
	EpsLogTree *tree = context;
	unsigned	height = level % 8; /* above the tile's hashes */
	uint64		first = index << height;
	EpsStatus	status = eps_budget_tile_load(tree, level / 8, first / EPS_TILE_HASHES);

	if (status != EPS_OK)
		return status;
	if (first % EPS_TILE_HASHES + (1U << height) > tree->width)
		return EPS_E_RANGE;
	eps_budget_tile_root(out, &tree->tile[first % EPS_TILE_HASHES], 1U << height);
	return EPS_OK;
}
