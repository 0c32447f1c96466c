/*
 * commit.c
 *	  What the writer puts in the ledger's tables, in the transaction at hand.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "pg/budget/budget_internal.h"

#define CHUNK_ACCOUNTS (EPS_INLINE_BYTES / sizeof(EpsOwnerKey))	/* keys in one account_chunk row, at most */
#define GUESSES 1024

typedef enum Statement
{
	INSERT_ENTRY,
	INSERT_CHARGE,
	INSERT_CHUNK,
	END_LIMIT,
	INSERT_LIMIT,
	END_CONSENT,
	INSERT_CONSENT,
	INSERT_ANSWER,
	EVICT_ANSWERS,
	MERGE_LIMITS,
	MERGE_CONSENTS,
	INSERT_MERGE,
	NSTATEMENTS
} Statement;

typedef struct StatementText
{
	const char *sql;
	int			nargs;
	Oid			types[13];
} StatementText;

static const StatementText statements[NSTATEMENTS] = {
	[INSERT_ENTRY] = {
		"INSERT INTO dp_book.entry (seq, at, dataset_id, kind, role, analyst, purpose, statement, mechanism, level, delta_level, answer_key, repeat_of) "
		"VALUES ($1, $2, $3, $11, $4, $5, $6, $7, $8, $9, $10, $12, $13)",
		13, {INT8OID, TIMESTAMPTZOID, INT4OID, REGROLEOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, INT2OID, INT2OID,
		TEXTOID, BYTEAOID, INT8OID}
	},
	[INSERT_CHARGE] = {
		"INSERT INTO dp_book.charge (seq, level, delta_level, owners, piece, pieces) VALUES ($1, $2, $3, $4, $5, $6)",
		6, {INT8OID, INT2OID, INT2OID, BYTEAOID, INT2OID, INT2OID}
	},
	[INSERT_CHUNK] = {
		"INSERT INTO dp_book.account_chunk (dataset_id, first_account, keys, start_units, start_delta_units) "
		"VALUES ($1, $2, $3, $4, $5)",
		5, {INT4OID, INT4OID, BYTEAOID, INT8OID, INT8OID}
	},
	[END_LIMIT] = {
		"UPDATE dp_book.owner_limit SET valid_to = $3, ended_by = $4 "
		"WHERE dataset_id OPERATOR(pg_catalog.=) $1 AND owner_key OPERATOR(pg_catalog.=) $2 AND valid_to IS NULL",
		4, {INT4OID, BYTEAOID, TIMESTAMPTZOID, TEXTOID}
	},
	[INSERT_LIMIT] = {
		"INSERT INTO dp_book.owner_limit (dataset_id, owner_key, valid_from, set_by, units) VALUES ($1, $2, $3, $4, $5)",
		5, {INT4OID, BYTEAOID, TIMESTAMPTZOID, TEXTOID, INT8OID}
	},
	[END_CONSENT] = {
		"UPDATE dp_book.consent SET valid_to = $3, ended_by = $4 "
		"WHERE dataset_id OPERATOR(pg_catalog.=) $1 AND owner_key OPERATOR(pg_catalog.=) $2 "
		"AND purpose_no OPERATOR(pg_catalog.=) $5 AND valid_to IS NULL",
		5, {INT4OID, BYTEAOID, TIMESTAMPTZOID, TEXTOID, INT2OID}
	},
	[INSERT_CONSENT] = {
		"INSERT INTO dp_book.consent (dataset_id, owner_key, valid_from, set_by, purpose_no, granted, until) "
		"VALUES ($1, $2, $3, $4, $5, $6, $7)",
		7, {INT4OID, BYTEAOID, TIMESTAMPTZOID, TEXTOID, INT2OID, BOOLOID, TIMESTAMPTZOID}
	},
	/* Never without its charge; and nothing here may fail, or no charge would be booked */
	[INSERT_ANSWER] = {
		"INSERT INTO dp_book.answer AS a (answer_key, dataset_id, seq, at, sealed) "
		"SELECT $1, $2, $3, $4, $5 FROM dp_book.entry e "
		"WHERE e.seq OPERATOR(pg_catalog.=) $3 AND e.kind OPERATOR(pg_catalog.=) 'release' "
		"ON CONFLICT (answer_key) DO UPDATE SET seq = excluded.seq, at = excluded.at, sealed = excluded.sealed "
		"WHERE a.seq OPERATOR(pg_catalog.<) excluded.seq",
		5, {BYTEAOID, INT4OID, INT8OID, TIMESTAMPTZOID, BYTEAOID}
	},
	[EVICT_ANSWERS] = {
		"DELETE FROM dp_book.answer WHERE dataset_id OPERATOR(pg_catalog.=) $1 AND seq OPERATOR(pg_catalog.<=) "
		"(SELECT a.seq FROM dp_book.answer a WHERE a.dataset_id OPERATOR(pg_catalog.=) $1 "
		"ORDER BY a.seq DESC OFFSET $2 LIMIT 1)",
		2, {INT4OID, INT8OID}
	},

	/*
	 * Of two keys of one person, $2 and $5: the lower limit, and of a purpose on
	 * which both spoke, a refusal before a grant, the grant that ends first, the
	 * refusal that ends last.  A grant that has ended is a refusal; a refusal that
	 * has ended is as if nothing had been said.
	 */
	[MERGE_LIMITS] = {
		"WITH old AS (UPDATE dp_book.owner_limit SET valid_to = $3, ended_by = $4 "
		"WHERE dataset_id OPERATOR(pg_catalog.=) $1 AND (owner_key OPERATOR(pg_catalog.=) $2 "
		"OR owner_key OPERATOR(pg_catalog.=) $5) AND valid_to IS NULL RETURNING units) "
		"INSERT INTO dp_book.owner_limit (dataset_id, owner_key, valid_from, set_by, units) "
		"SELECT $1, $5, $3, $4, least(min(units), CASE WHEN count(*) OPERATOR(pg_catalog.<) 2 THEN "
		"(SELECT standard_units FROM dp_book.dataset WHERE dataset_id OPERATOR(pg_catalog.=) $1) END) FROM old HAVING count(*) OPERATOR(pg_catalog.>) 0",
		5, {INT4OID, BYTEAOID, TIMESTAMPTZOID, TEXTOID, BYTEAOID}
	},
	[MERGE_CONSENTS] = {
		"WITH old AS (UPDATE dp_book.consent SET valid_to = $3, ended_by = $4 "
		"WHERE dataset_id OPERATOR(pg_catalog.=) $1 AND (owner_key OPERATOR(pg_catalog.=) $2 "
		"OR owner_key OPERATOR(pg_catalog.=) $5) AND valid_to IS NULL "
		"RETURNING purpose_no, granted, coalesce(until, 'infinity') AS until), "
		"said AS (SELECT purpose_no, granted AND until OPERATOR(pg_catalog.>) $3 AS granted, "
		"CASE WHEN granted AND until OPERATOR(pg_catalog.<=) $3 THEN 'infinity' ELSE until END AS until FROM old "
		"WHERE granted OR until OPERATOR(pg_catalog.>) $3), "
		"both_said AS (SELECT purpose_no, bool_and(granted) AS granted, "
		"CASE WHEN bool_and(granted) THEN min(until) WHEN bool_or(granted) THEN 'infinity' ELSE max(until) END AS until "
		"FROM said GROUP BY purpose_no) "
		"INSERT INTO dp_book.consent (dataset_id, owner_key, valid_from, set_by, purpose_no, granted, until) "
		"SELECT $1, $5, $3, $4, purpose_no, granted, CASE WHEN isfinite(until) THEN until END FROM both_said",
		5, {INT4OID, BYTEAOID, TIMESTAMPTZOID, TEXTOID, BYTEAOID}
	},
	[INSERT_MERGE] = {
		"INSERT INTO dp_book.merge (dataset_id, merge_no, after_seq, from_account, to_account, units, delta_units, at, set_by) "
		"SELECT $1, coalesce(max(merge_no), 0) OPERATOR(pg_catalog.+) 1, $2, $3, $4, $5, $6, $7, $8 FROM dp_book.merge "
		"WHERE dataset_id OPERATOR(pg_catalog.=) $1 ON CONFLICT (dataset_id, from_account) DO NOTHING",
		8, {INT4OID, INT8OID, INT4OID, INT4OID, INT8OID, INT8OID, TIMESTAMPTZOID, TEXTOID}
	}
};

/* Plans of this process; the plan cache follows changes of the tables. */
static SPIPlanPtr plans[NSTATEMENTS];

static void
run(Statement statement, Datum *values, const char *nulls, int expected)
{
	const StatementText *text = &statements[statement];

	if (plans[statement] == NULL)
	{
		SPIPlanPtr	plan = SPI_prepare(text->sql, text->nargs, (Oid *) text->types);

		EPS_ENSURE(plan != NULL && SPI_keepplan(plan) == 0, "a statement of the writer cannot be prepared");
		plans[statement] = plan;
	}
	EPS_ENSURE(SPI_execute_plan(plans[statement], values, nulls, false, 0) == expected,
			   "a statement of the writer failed");
}

static Datum
text_datum(const char *text, char *null)
{
	*null = text == NULL ? 'n' : ' ';
	return text == NULL ? (Datum) 0 : CStringGetTextDatum(text);
}

static Datum
bytes_datum(const void *bytes, Size len)
{
	bytea	   *out = palloc(VARHDRSZ + len);

	SET_VARSIZE(out, VARHDRSZ + len);
	memcpy(VARDATA(out), bytes, len);
	return PointerGetDatum(out);
}

/* More than a bigint holds is more than anybody may spend. */
static Datum
units_datum(uint64 units)
{
	return Int64GetDatum((int64) Min(units, (uint64) PG_INT64_MAX));
}

/* --- accounts ------------------------------------------------------------------------ */

/* Keys of accounts [from, to), which began as the message says.  They were
 * published before. */
void
eps_budget_store_accounts(const EpsBook *book, uint32 from, uint32 to, const EpsMessage *by)
{
	while (from < to)
	{
		uint32		n = Min(to - from, CHUNK_ACCOUNTS);
		Datum		values[5] = {Int32GetDatum(book->dataset_id), Int32GetDatum((int32) from),
			bytes_datum(&book->keys[from], (Size) n * sizeof(EpsOwnerKey)),
			units_datum(by->start_units), units_datum(by->start_delta_units)};

		run(INSERT_CHUNK, values, NULL, SPI_OK_INSERT);
		pfree(DatumGetPointer(values[2]));
		from += n;
	}
}

/* --- a release ----------------------------------------------------------------------- */

static const char *
kind_text(const EpsMessage *message)
{
	switch ((EpsMessageKind) message->kind)
	{
		case EPS_MESSAGE_REPEAT:
			return "repeat";
		case EPS_MESSAGE_LEFT_OUT:
			return "left out";
		default:
			return "release";
	}
}

static void
store_entry(const EpsMessage *message, int32 dataset_id, char *const text[EPS_NTEXTS])
{
	bool		repeat = message->kind == EPS_MESSAGE_REPEAT;
	char		nulls[14] = "             ";
	Datum		values[13] = {
		Int64GetDatum(message->seq), TimestampTzGetDatum(message->at), Int32GetDatum(dataset_id),
		ObjectIdGetDatum(message->role),
		text_datum(text[EPS_TEXT_ROLE], &nulls[4]), text_datum(text[EPS_TEXT_PURPOSE], &nulls[5]),
		text_datum(text[EPS_TEXT_STATEMENT], &nulls[6]), text_datum(text[EPS_TEXT_MECHANISM], &nulls[7]),
		Int16GetDatum((int16) message->level), Int16GetDatum((int16) message->delta_level),
		CStringGetTextDatum(kind_text(message)),
		bytes_datum(message->answer_key, EPS_ANSWER_KEY_LEN), Int64GetDatum(message->answer_seq)
	};

	nulls[11] = message->has_answer_key ? ' ' : 'n';
	nulls[12] = repeat ? ' ' : 'n';
	run(INSERT_ENTRY, values, nulls, SPI_OK_INSERT);
}

/* Owners of one pair of levels. */
typedef struct LevelGroup
{
	uint32		pair;			/* level << 16 | delta level */
	uint32		n;
	uint32	   *accounts;		/* a stretch of one array for all groups */
} LevelGroup;

typedef struct Grouping
{
	int			ngroups;
	int			size;
	LevelGroup *groups;
	uint32	   *accounts;
	uint16		guess[GUESSES];	/* group last seen under a hash of its pair */
} Grouping;

static int
group_of(Grouping *g, uint32 pair)
{
	uint16	   *guess = &g->guess[(pair ^ pair >> 13) % GUESSES];

	if (g->groups[*guess].pair == pair)
		return *guess;
	for (int i = 0; i < g->ngroups; i++)
	{
		if (g->groups[i].pair == pair)
			return *guess = (uint16) i;
	}
	if (g->ngroups == g->size)
	{
		g->size *= 2;
		g->groups = repalloc(g->groups, (Size) g->size * sizeof(LevelGroup));
	}
	g->groups[g->ngroups] = (LevelGroup) {.pair = pair};
	return *guess = (uint16) g->ngroups++;
}

/* Counting sort of the charges by pair of levels. */
static void
group_charges(Grouping *g, const EpsBook *book, const EpsMessage *message, uint64 at)
{
	uint64		index = eps_budget_ring_index(book, at);
	uint32	   *next;
	uint16	   *group = palloc_extended((Size) message->ncharges * sizeof(uint16), MCXT_ALLOC_HUGE);

	g->size = 64;
	g->groups = palloc0((Size) g->size * sizeof(LevelGroup));
	g->accounts = palloc_extended((Size) message->ncharges * sizeof(uint32), MCXT_ALLOC_HUGE);
	for (uint32 i = 0; i < message->ncharges; i++)
	{
		group[i] = (uint16) group_of(g, (uint32) book->ring[index]);
		g->groups[group[i]].n++;
		index = index + 1 == book->ring_words ? 0 : index + 1;
	}
	next = g->accounts;
	for (int i = 0; i < g->ngroups; i++)
	{
		g->groups[i].accounts = next;
		next += g->groups[i].n;
		g->groups[i].n = 0;
	}
	index = eps_budget_ring_index(book, at);
	for (uint32 i = 0; i < message->ncharges; i++)
	{
		LevelGroup *to = &g->groups[group[i]];

		to->accounts[to->n++] = (uint32) (book->ring[index] >> 32);
		index = index + 1 == book->ring_words ? 0 : index + 1;
	}
	pfree(group);
}

/*
 * One pair of levels, in pieces that stay in the row: how many values of how many
 * bytes there are is data, and one moved out of line takes an object id, which
 * everybody can count.
 */
static void
store_charge(int64 seq, uint32 pair, const bytea *owners)
{
	Size		len = VARSIZE(owners) - VARHDRSZ;
	Size		pieces = (len + EPS_INLINE_BYTES - 1) / EPS_INLINE_BYTES;

	EPS_ENSURE(pieces <= PG_INT16_MAX, "a charge has too many pieces");
	for (Size i = 0; i < pieces; i++)
	{
		Size		at = i * EPS_INLINE_BYTES;
		Datum		values[6] = {Int64GetDatum(seq), Int16GetDatum((int16) (pair >> 16)), Int16GetDatum((int16) (pair & 0xFFFF)),
			bytes_datum(VARDATA(owners) + at, Min(len - at, EPS_INLINE_BYTES)),
			Int16GetDatum((int16) (i + 1)), Int16GetDatum((int16) pieces)};

		run(INSERT_CHARGE, values, NULL, SPI_OK_INSERT);
		pfree(DatumGetPointer(values[3]));
	}
}

static void
store_release(const EpsBook *book, const EpsMessage *message, uint64 at, char *const text[EPS_NTEXTS])
{
	Grouping	g = {0};

	store_entry(message, book->dataset_id, text);
	if (message->ncharges == 0)
		return;
	group_charges(&g, book, message, eps_budget_ring_charges(message, at));
	for (int i = 0; i < g.ngroups; i++)
		store_charge(message->seq, g.groups[i].pair,
					 eps_budget_bitmap_build(g.groups[i].accounts, g.groups[i].n, message->naccounts));
}

/* --- an owner's limit or consent -------------------------------------------------------- */

static void
store_limit(const EpsBook *book, const EpsMessage *message, const char *set_by)
{
	Datum		values[5] = {Int32GetDatum(book->dataset_id), bytes_datum(&message->key, sizeof(message->key)),
		TimestampTzGetDatum(message->at), CStringGetTextDatum(set_by), Int64GetDatum((int64) message->units)};

	run(END_LIMIT, values, NULL, SPI_OK_UPDATE);
	run(INSERT_LIMIT, values, NULL, SPI_OK_INSERT);
}

static void
store_consent(const EpsBook *book, const EpsMessage *message, const char *set_by)
{
	char		nulls[8] = "       ";
	Datum		values[7] = {Int32GetDatum(book->dataset_id), bytes_datum(&message->key, sizeof(message->key)),
		TimestampTzGetDatum(message->at), CStringGetTextDatum(set_by), Int16GetDatum((int16) message->purpose),
		BoolGetDatum(message->granted != 0), TimestampTzGetDatum(message->until)};

	if (message->until == DT_NOEND)
		nulls[6] = 'n';
	run(END_CONSENT, values, NULL, SPI_OK_UPDATE);
	run(INSERT_CONSENT, values, nulls, SPI_OK_INSERT);
}

/* --- an answer that may be given again --------------------------------------------------- */

/* The oldest answers make room. */
static void
store_answer(const EpsBook *book, const EpsMessage *message, uint64 at)
{
	bytea	   *sealed = palloc(VARHDRSZ + message->answer_len);
	Datum		values[5] = {bytes_datum(message->answer_key, EPS_ANSWER_KEY_LEN), Int32GetDatum(book->dataset_id),
		Int64GetDatum(message->answer_seq), TimestampTzGetDatum(message->at), PointerGetDatum(sealed)};
	Datum		room[2] = {Int32GetDatum(book->dataset_id), Int64GetDatum(eps_budget_max_answers)};

	SET_VARSIZE(sealed, VARHDRSZ + message->answer_len);
	eps_budget_ring_get(book, eps_budget_ring_charges(message, at), VARDATA(sealed), message->answer_len);
	run(INSERT_ANSWER, values, NULL, SPI_OK_INSERT);
	run(EVICT_ANSWERS, room, NULL, SPI_OK_DELETE);
}

/* One person's limits and consents under two keys become those of the second,
 * and what the first has spent is counted. */
void
eps_budget_store_merge(const EpsBook *book, const EpsMessage *message, const EpsOwnerKey *from,
					   const EpsOwnerKey *to, const char *set_by)
{
	Datum		both[5] = {Int32GetDatum(book->dataset_id), bytes_datum(from, sizeof(*from)),
		TimestampTzGetDatum(message->at), CStringGetTextDatum(set_by), bytes_datum(to, sizeof(*to))};
	Datum		values[8] = {Int32GetDatum(book->dataset_id), Int64GetDatum(message->after_seq),
		Int32GetDatum((int32) message->from_account), Int32GetDatum((int32) message->to_account),
		units_datum(message->units), units_datum(message->delta_units), both[2], both[3]};

	run(MERGE_LIMITS, both, NULL, SPI_OK_INSERT);
	run(MERGE_CONSENTS, both, NULL, SPI_OK_INSERT);
	run(INSERT_MERGE, values, NULL, SPI_OK_INSERT);
}

/* Stores the message that stands at `at` of the ring. SPI connected. */
void
eps_budget_store_message(const EpsBook *book, const EpsMessage *message, uint64 at)
{
	MemoryContext work = AllocSetContextCreate(CurrentMemoryContext, "pg_epsilon message", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(work);
	char	   *text[EPS_NTEXTS];

	eps_budget_ring_text(book, at, message, text);
	switch ((EpsMessageKind) message->kind)
	{
		case EPS_MESSAGE_RELEASE:
			store_release(book, message, at, text);
			break;
		case EPS_MESSAGE_REPEAT:
			store_entry(message, book->dataset_id, text);
			break;
		case EPS_MESSAGE_ANSWER:
			store_answer(book, message, at);
			break;
		case EPS_MESSAGE_LIMIT:
			store_limit(book, message, text[EPS_TEXT_ROLE]);
			break;
		case EPS_MESSAGE_CONSENT:
			store_consent(book, message, text[EPS_TEXT_ROLE]);
			break;
		case EPS_MESSAGE_MERGE:
			eps_budget_store_merge(book, message, &book->keys[message->from_account],
								   &book->keys[message->to_account], text[EPS_TEXT_ROLE]);
			break;
		case EPS_MESSAGE_LEFT_OUT:
			store_entry(message, book->dataset_id, text);
			break;
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(work);
}
