/*
 * epoch_answers.c
 *	  `answers` entries: commitments to the answers that were put out, 256 slots at
 *	  a time in an order drawn anew (rule 37), and an answer's place among them.
 *
 * The epoch worker draws up a draft; the ledger writer gives it its place.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "core/crypto/crypto.h"
#include "pg/budget/epoch_internal.h"

extern PGDLLEXPORT Datum eps_budget_sql_slot_proof(PG_FUNCTION_ARGS);

#define SLOTS 256
#define SALT_LEN 32
#define SLOT_LEN (8 + SALT_LEN)
#define SLOTS_DEPTH 8

/*
 * An answer that is on its way is waited for so long, or for an epoch if that is
 * shorter; then it counts as lost.  Which releases an entry covers depends on when
 * their statements began, and not on how long they took.
 */
#define WAIT_SECONDS 3600

/* --- slots -------------------------------------------------------------------------- */

typedef struct Slots
{
	int			n;				/* answers */
	int64		seq[SLOTS];
	uint8		digest[SLOTS][EPS_SHA256_LEN];
	uint8		opening[SLOTS * SLOT_LEN];
	EpsHash		root;
} Slots;

static bool
take_answer(void *context, HeapTuple row, TupleDesc desc)
{
	Slots	   *slots = context;
	bool		isnull;
	Datum		digest = SPI_getbinval(row, desc, 2, &isnull);

	slots->seq[slots->n] = DatumGetInt64(eps_budget_column(row, desc, 1));
	if (isnull || VARSIZE_ANY_EXHDR(DatumGetByteaPP(digest)) != EPS_SHA256_LEN)
		eps_crypto_sha256(slots->digest[slots->n], (const uint8 *) "", 0);
	else
		memcpy(slots->digest[slots->n], VARDATA_ANY(DatumGetByteaPP(digest)), EPS_SHA256_LEN);
	return ++slots->n < SLOTS;
}

/* A uniform number below n, by rejection. */
static uint32
below(EpsEntropy *entropy, uint32 n)
{
	uint32		limit = PG_UINT32_MAX - PG_UINT32_MAX % n;
	uint32		word;

	do
	{
		eps_common_check(entropy->fill(entropy->ctx, (uint8 *) &word, sizeof(word)), "order of answers");
	} while (word >= limit);
	return word % n;
}

static void
draw_order(int place[SLOTS], EpsEntropy *entropy)
{
	for (int i = 0; i < SLOTS; i++)
		place[i] = i;
	for (uint32 i = SLOTS - 1; i > 0; i--)
	{
		uint32		j = below(entropy, i + 1);
		int			other = place[j];

		place[j] = place[i];
		place[i] = other;
	}
}

static void
fill_slots(Slots *slots)
{
	EpsStream	stream;
	EpsEntropy	entropy;
	EpsFrontier tree;
	int			place[SLOTS];
	uint8	   *at = slots->opening;

	eps_common_check(eps_crypto_stream_open(&stream), "random stream");
	entropy = eps_crypto_stream_entropy(&stream);
	draw_order(place, &entropy);
	eps_ledger_frontier_init(&tree);
	for (int slot = 0; slot < SLOTS; slot++)
	{
		int			i = place[slot];
		uint64		seq = i < slots->n ? (uint64) slots->seq[i] : 0;
		uint8	   *salt = at + 8;
		EpsHash		commitment;
		EpsHash		leaf;

		eps_common_check(entropy.fill(entropy.ctx, salt, SALT_LEN), "salt of an answer");
		eps_base_write_u64(&at, seq);
		at += SALT_LEN;
		eps_ledger_slot_commit_digest(&commitment, salt, seq, slots->digest[i % SLOTS]);
		eps_ledger_leaf_hash(&leaf, commitment.b, sizeof(commitment));
		eps_ledger_frontier_add(&tree, &leaf);
	}
	eps_crypto_stream_close(&stream);
	eps_ledger_frontier_root(&slots->root, &tree);
}

/* --- drafts ---------------------------------------------------------------------------- */

static Datum
bytes_datum(const void *bytes, Size len)
{
	bytea	   *out = palloc(VARHDRSZ + len);

	SET_VARSIZE(out, VARHDRSZ + len);
	memcpy(VARDATA(out), bytes, len);
	return PointerGetDatum(out);
}

/*
 * Draws up the next entry of answers in the transaction at hand; 0 where there is
 * nothing to commit to.  SPI connected, a snapshot active.
 */
int64
eps_budget_draft_answers(TimestampTz at)
{
	Slots	   *slots = palloc0(sizeof(Slots));
	Oid			types[5] = {INT8OID, INT8OID, TIMESTAMPTZOID, BYTEAOID, BYTEAOID};
	Oid			query_types[2] = {INT8OID, TIMESTAMPTZOID};
	Datum		values[5];
	int64		first = eps_budget_query_int64("SELECT max(last_seq) FROM dp_book.answers WHERE seq IS NOT NULL", 0, NULL, NULL, 0) + 1;

	values[0] = Int64GetDatum(first);
	values[1] = TimestampTzGetDatum(at - (int64) Min(WAIT_SECONDS, eps_budget_epoch_seconds) * USECS_PER_SEC);
	(void) eps_budget_each_row("SELECT e.seq, d.digest "
							   "FROM dp_book.entry e LEFT JOIN dp_book.answer_digest d ON d.seq OPERATOR(pg_catalog.=) e.seq "
							   "WHERE e.seq OPERATOR(pg_catalog.>=) $1 AND e.kind OPERATOR(pg_catalog.=) 'release' "
							   "AND e.at OPERATOR(pg_catalog.<) $2 ORDER BY e.seq",
							   2, query_types, values, take_answer, slots);
	if (slots->n == 0)
		return 0;
	fill_slots(slots);
	values[1] = Int64GetDatum(slots->seq[slots->n - 1]);
	values[2] = TimestampTzGetDatum(at);
	values[3] = bytes_datum(&slots->root, sizeof(EpsHash));
	values[4] = PointerGetDatum(eps_budget_seal_bytes(slots->opening, sizeof(slots->opening), "answers", first, 0));
	eps_base_wipe(slots, sizeof(Slots));
	EPS_ENSURE(SPI_execute_with_args("DELETE FROM dp_book.answers WHERE seq IS NULL", 0, NULL, NULL, NULL, false, 0) == SPI_OK_DELETE
			   && SPI_execute_with_args("INSERT INTO dp_book.answers (first_seq, last_seq, at, root, slots) VALUES ($1, $2, $3, $4, $5)",
										5, types, values, NULL, false, 0) == SPI_OK_INSERT,
			   "an entry of answers could not be stored");
	return first;
}

/* --- what the entry says ------------------------------------------------------------------ */

enum
{
	ANSWERS_FIRST, ANSWERS_LAST, ANSWERS_AT, ANSWERS_ROOT, ANSWERS_SLOTS
};

/* Fills the entry from the columns EPS_ANSWERS_COLUMNS of a row. */
void
eps_budget_log_answers(EpsLogEntry *entry, HeapTuple row, TupleDesc desc, int first)
{
	bytea	   *root = DatumGetByteaPP(eps_budget_column(row, desc, first + ANSWERS_ROOT));
	bytea	   *sealed = DatumGetByteaPP(eps_budget_column(row, desc, first + ANSWERS_SLOTS));
	uint8	   *opening = palloc(SLOTS * SLOT_LEN);
	EpsAnswersBody body = {
		.first = (uint64) DatumGetInt64(eps_budget_column(row, desc, first + ANSWERS_FIRST)),
		.last = (uint64) DatumGetInt64(eps_budget_column(row, desc, first + ANSWERS_LAST))
	};

	memcpy(body.root.b, VARDATA_ANY(root), Min(VARSIZE_ANY_EXHDR(root), sizeof(EpsHash)));
	entry->kind = EPS_ENTRY_ANSWERS;
	entry->at = DatumGetTimestampTz(eps_budget_column(row, desc, first + ANSWERS_AT));
	eps_ledger_answers_write(entry->body, &body);
	if (eps_budget_unseal_bytes(opening, SLOTS * SLOT_LEN, sealed, "answers", (int64) body.first, 0))
		entry->field[EPS_FIELD_LINKS] = (EpsField) {opening, SLOTS * SLOT_LEN};
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

	eps_budget_log_answers(&entry, row, desc, 1);
	eps_budget_log_append(draft->log, &entry);
	draft->found = true;
	return false;
}

/* The writer's part; as of an epoch, charges must not wait for a draft that is gone. */
void
eps_budget_store_answers(EpsLog *log, const EpsMessage *message)
{
	Oid			types[2] = {INT8OID, INT8OID};
	Datum		values[2] = {Int64GetDatum(message->answer_seq), Int64GetDatum(message->seq)};
	Draft		draft = {log, false};

	(void) eps_budget_each_row("SELECT " EPS_ANSWERS_COLUMNS("a") " FROM dp_book.answers a "
							   "WHERE a.first_seq OPERATOR(pg_catalog.=) $1 AND a.seq IS NULL",
							   1, types, values, append_draft, &draft);
	if (!draft.found)
	{
		ereport(WARNING,
				(errcode(EPS_ERRCODE_BOOK),
				 errmsg("answers that were to be committed to have no row in the book")));
		return;
	}
	EPS_ENSURE(SPI_execute_with_args("UPDATE dp_book.answers SET seq = $2 WHERE first_seq OPERATOR(pg_catalog.=) $1 AND seq IS NULL",
									 2, types, values, NULL, false, 0) == SPI_OK_UPDATE && SPI_processed == 1,
			   "answers could not be given their place in the ledger");
}

/* --- an answer's place ----------------------------------------------------------------------- */

typedef struct Place
{
	uint64		seq;			/* of the release */
	int			slot;			/* -1: not among them */
	uint8		salt[SALT_LEN];
	EpsLogEntry entry;
	EpsHash		leaf[SLOTS];
} Place;

static bool
read_answers(void *context, HeapTuple row, TupleDesc desc)
{
	Place	   *place = context;
	EpsField   *opening = &place->entry.field[EPS_FIELD_LINKS];
	MemoryContext old;

	eps_budget_log_answers(&place->entry, row, desc, 1);
	old = MemoryContextSwitchTo(CurTransactionContext);
	opening->bytes = opening->len == 0 ? NULL : memcpy(palloc(opening->len), opening->bytes, opening->len);
	MemoryContextSwitchTo(old);
	return false;
}

static bool
read_digest(void *context, HeapTuple row, TupleDesc desc)
{
	bytea	   *digest = DatumGetByteaPP(eps_budget_column(row, desc, 1));

	memcpy(context, VARDATA_ANY(digest), Min(VARSIZE_ANY_EXHDR(digest), EPS_SHA256_LEN));
	return false;
}

static void
make_leaf(Place *place, int slot, const uint8 *salt, uint64 seq)
{
	uint8		digest[EPS_SHA256_LEN];
	Oid			types[1] = {INT8OID};
	Datum		values[1] = {Int64GetDatum((int64) seq)};
	EpsHash		commitment;

	eps_crypto_sha256(digest, (const uint8 *) "", 0);
	if (seq != 0)
		(void) eps_budget_each_row("SELECT digest FROM dp_book.answer_digest WHERE seq OPERATOR(pg_catalog.=) $1",
								   1, types, values, read_digest, digest);
	eps_ledger_slot_commit_digest(&commitment, salt, seq, digest);
	eps_ledger_leaf_hash(&place->leaf[slot], commitment.b, sizeof(commitment));
	if (seq != place->seq)
		return;
	place->slot = slot;
	memcpy(place->salt, salt, SALT_LEN);
}

static EpsStatus
fetch_leaf(void *context, EpsHash *out, unsigned level, uint64 index)
{
	const Place *place = context;

	if (level == 0)
	{
		*out = place->leaf[index];
		return EPS_OK;
	}
	eps_budget_tile_root(out, &place->leaf[index << level], 1U << level);
	return EPS_OK;
}

static void
find_place(Place *place, int64 answers_seq)
{
	Oid			types[1] = {INT8OID};
	Datum		values[1] = {Int64GetDatum(answers_seq)};
	EpsCursor	c;

	(void) eps_budget_each_row("SELECT " EPS_ANSWERS_COLUMNS("a") " FROM dp_book.answers a WHERE a.seq OPERATOR(pg_catalog.=) $1",
							   1, types, values, read_answers, place);
	c.at = place->entry.field[EPS_FIELD_LINKS].bytes;
	c.end = c.at + place->entry.field[EPS_FIELD_LINKS].len;
	for (int slot = 0; slot < SLOTS; slot++)
	{
		uint64		seq;
		const uint8 *salt;

		if (eps_base_read_u64(&seq, &c) != EPS_OK || eps_base_read_bytes(&salt, &c, SALT_LEN) != EPS_OK)
			ereport(ERROR,
					(errcode(EPS_ERRCODE_BOOK),
					 errmsg("the opening of entry %lld cannot be read", (long long) answers_seq),
					 errhint("dp.verify() says more; the wrapping key must be the one under which it was sealed.")));
		make_leaf(place, slot, salt, seq);
	}
	EPS_ENSURE(place->slot >= 0, "a release is not among the answers of its range");
}

/* (entry of answers, release): slot, salt, path */
PG_FUNCTION_INFO_V1(eps_budget_sql_slot_proof);
Datum
eps_budget_sql_slot_proof(PG_FUNCTION_ARGS)
{
	Place	   *place = palloc0(sizeof(Place));
	EpsHash		proof[EPS_PROOF_MAX];
	Datum		path[SLOTS_DEPTH];
	Datum		values[3];
	bool		nulls[3] = {false};
	size_t		n;
	TupleDesc	desc;

	EPS_ENSURE(get_call_result_type(fcinfo, NULL, &desc) == TYPEFUNC_COMPOSITE, "a proof is a row");
	place->seq = (uint64) PG_GETARG_INT64(1);
	place->slot = -1;
	eps_budget_spi_begin(false);
	find_place(place, PG_GETARG_INT64(0));
	eps_budget_spi_end(false);
	eps_common_check(eps_ledger_inclusion(proof, &n, (uint64) place->slot, SLOTS, fetch_leaf, place), "path of an answer's slot");
	EPS_ENSURE(n == SLOTS_DEPTH, "a path of another length");
	for (size_t i = 0; i < n; i++)
		path[i] = bytes_datum(&proof[i], sizeof(EpsHash));
	values[0] = Int32GetDatum(place->slot);
	values[1] = bytes_datum(place->salt, SALT_LEN);
	values[2] = PointerGetDatum(construct_array(path, SLOTS_DEPTH, BYTEAOID, -1, false, TYPALIGN_INT));
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
