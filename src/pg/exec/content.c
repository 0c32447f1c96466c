/*
 * content.c
 *	  What a declared public relation shows, as a hash: an answer is given again
 *	  only where the public rows beside the protected ones are the same.
 *
 * PostgreSQL keeps no version of a table's content that could be trusted instead:
 * counters of modifications are lost and reset, file numbers change with rewrites
 * alone.  So the rows are read, under the statement's snapshot, up to a size which
 * is as public as the rows; an answer that read a larger relation is not kept.
 */
#include "postgres.h"

#include "pg/exec/repeat_internal.h"

#include "access/heaptoast.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"

#define MAX_BLOCKS 4096			/* 32 MB: about a tenth of a second */
#define PIECE_BYTES (256 * 1024)

/* Hash of all that came before and the piece at hand. */
typedef struct Chain
{
	uint8	   *hash;
	StringInfoData piece;
} Chain;

static void
fold_piece(Chain *chain)
{
	appendBinaryStringInfo(&chain->piece, (char *) chain->hash, EPS_SHA256_LEN);
	eps_crypto_sha256(chain->hash, (const uint8 *) chain->piece.data, (size_t) chain->piece.len);
	resetStringInfo(&chain->piece);
}

/* Of a row what its columns are, not who wrote it when. */
static void
add_tuple(Chain *chain, HeapTuple tuple, TupleDesc desc)
{
	HeapTuple	flat = HeapTupleHasExternal(tuple) ? toast_flatten_tuple(tuple, desc) : tuple;
	Size		skip = offsetof(HeapTupleHeaderData, t_bits);
	uint32		head[3] = {flat->t_len, HeapTupleHeaderGetNatts(flat->t_data), !HeapTupleNoNulls(flat)};

	appendBinaryStringInfo(&chain->piece, (char *) head, sizeof(head));
	appendBinaryStringInfo(&chain->piece, (char *) flat->t_data + skip, (int) (flat->t_len - skip));
	if (flat != tuple)
		heap_freetuple(flat);
	if (chain->piece.len >= PIECE_BYTES)
		fold_piece(chain);
}

static void
add_rows(Chain *chain, Relation relation, Snapshot snapshot)
{
	TupleTableSlot *slot = table_slot_create(relation, NULL);
	TableScanDesc scan = table_beginscan_strat(relation, snapshot, 0, NULL, true, false);

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		bool		should_free;
		HeapTuple	tuple = ExecFetchSlotHeapTuple(slot, false, &should_free);

		CHECK_FOR_INTERRUPTS();
		add_tuple(chain, tuple, RelationGetDescr(relation));
		if (should_free)
			heap_freetuple(tuple);
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
}

static bool
add_relation(Chain *chain, Oid relid, Snapshot snapshot, BlockNumber *blocks)
{
	Relation	relation = table_open(relid, NoLock);
	char		kind = relation->rd_rel->relkind;
	bool		readable = kind == RELKIND_PARTITIONED_TABLE;

	appendBinaryStringInfo(&chain->piece, (char *) &relid, sizeof(relid));
	if ((kind == RELKIND_RELATION || kind == RELKIND_MATVIEW) && relation->rd_rel->relam == HEAP_TABLE_AM_OID &&
		RelationGetNumberOfBlocks(relation) <= MAX_BLOCKS - *blocks)
	{
		*blocks += RelationGetNumberOfBlocks(relation);
		*blocks = Min(*blocks, MAX_BLOCKS);
		add_rows(chain, relation, snapshot);
		readable = true;
	}
	table_close(relation, NoLock);
	return readable;
}

bool
eps_exec_public_content(uint8 hash[EPS_SHA256_LEN], Oid relid, Snapshot snapshot)
{
	Chain		chain = {.hash = hash};
	BlockNumber blocks = 0;
	bool		readable = true;
	List	   *parts = find_all_inheritors(relid, AccessShareLock, NULL);
	ListCell   *lc;

	memset(hash, 0, EPS_SHA256_LEN);
	initStringInfo(&chain.piece);
	foreach(lc, parts)
		readable = readable && add_relation(&chain, lfirst_oid(lc), snapshot, &blocks);
	fold_piece(&chain);
	pfree(chain.piece.data);
	return readable;
}
