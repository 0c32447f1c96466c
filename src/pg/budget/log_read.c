/*
 * log_read.c
 *	  What the fields of entries hold: written once, for the writer who commits to
 *	  them and for whoever opens them from the tables.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"

#include "pg/budget/epoch_internal.h"

/* --- fields ---------------------------------------------------------------------------- */

/* Kind, price and links of an answer. Only releases add to the worst case of the
 * data set: what is set aside is counted apart. */
void
eps_budget_log_answer(EpsLogEntry *entry, EpsEntryKind kind, unsigned level, unsigned delta_level, int64 repeat_of)
{
	uint64		units = eps_budget_level_units(level);
	uint64		delta_units = eps_budget_level_units(delta_level);
	uint8	   *at = entry->price;

	entry->kind = kind;
	entry->units = kind == EPS_ENTRY_RELEASE ? units : 0;
	entry->delta_units = kind == EPS_ENTRY_RELEASE ? delta_units : 0;
	eps_base_write_u16(&at, (uint16) level);
	eps_base_write_u16(&at, (uint16) delta_level);
	eps_base_write_u64(&at, units);
	eps_base_write_u64(&at, delta_units);
	entry->field[EPS_FIELD_PRICE] = (EpsField) {entry->price, EPS_PRICE_LEN};
	if (kind != EPS_ENTRY_REPEAT)
		return;
	at = entry->links;
	eps_base_write_u64(&at, (uint64) repeat_of);
	entry->field[EPS_FIELD_LINKS] = (EpsField) {entry->links, sizeof(entry->links)};
}

/* Accounts after the entry, and what those began with whom it enrolled. */
void
eps_budget_log_enrolled(EpsLogEntry *entry, uint32 accounts, uint64 units, uint64 delta_units)
{
	uint8	   *at = entry->owners;

	eps_base_write_u32(&at, accounts);
	eps_base_write_u64(&at, units);
	eps_base_write_u64(&at, delta_units);
	entry->field[EPS_FIELD_OWNERS] = (EpsField) {entry->owners, EPS_OWNERS_LEN};
}

void
eps_budget_log_policy(EpsLogEntry *entry, const char *action, const char *table, const char *relation,
					  const char *who, const char *row_text)
{
	entry->field[EPS_FIELD_TEXT] = eps_budget_text_field(row_text);
	entry->field[EPS_FIELD_WHO] = eps_budget_text_field(who);
	entry->field[EPS_FIELD_PURPOSE] = eps_budget_text_field(relation);
	entry->field[EPS_FIELD_MECHANISM] = eps_budget_text_field(psprintf("%s %s", action, table));
}

/* --- rows -------------------------------------------------------------------------------- */

enum
{
	ROW_SEQ = 1, ROW_ENTRY, ROW_SEALED, ROW_DETAIL,
	ROW_ANSWER_KIND, ROW_DATASET, ROW_AT, ROW_STATEMENT, ROW_ANALYST, ROW_PURPOSE, ROW_MECHANISM,
	ROW_LEVEL, ROW_DELTA_LEVEL, ROW_REPEAT_OF, ROW_ACCOUNTS, ROW_START, ROW_START_DELTA, ROW_CHARGES,
	ROW_ACTION, ROW_POLICY_DATASET, ROW_POLICY_AT, ROW_TABLE, ROW_RELATION, ROW_WHO, ROW_TEXT,
	ROW_KEY, ROW_KEY_BY, ROW_OWNERS, ROW_ANSWERS = ROW_OWNERS + EPS_OWNERS_NCOLUMNS
};

static const char *const rows_sql =
"SELECT l.seq, l.entry, l.sealed, l.detail, "
"e.kind, e.dataset_id, e.at, e.statement, e.analyst, e.purpose, e.mechanism, "
"e.level, e.delta_level, e.repeat_of, e.accounts, e.start_units, e.start_delta_units, "
"(SELECT string_agg(int2send(g.level) OPERATOR(pg_catalog.||) int2send(g.delta_level) OPERATOR(pg_catalog.||) "
"int4send(length(g.owners)) OPERATOR(pg_catalog.||) g.owners, ''::bytea ORDER BY g.level, g.delta_level) "
"FROM (SELECT c.level, c.delta_level, string_agg(c.owners, ''::bytea ORDER BY c.piece) AS owners FROM dp_book.charge c "
"WHERE c.seq OPERATOR(pg_catalog.=) l.seq GROUP BY c.level, c.delta_level) g), "
"p.action, p.dataset_id, p.at, p.table_name::text, p.relation_name, p.who, p.row_text, k.public_key, k.set_by, "
EPS_OWNERS_COLUMNS("o") ", " EPS_ANSWERS_COLUMNS("s") " "
"FROM dp_book.log l LEFT JOIN dp_book.entry e ON e.seq OPERATOR(pg_catalog.=) l.seq "
"LEFT JOIN dp_book.policy_event p ON p.seq OPERATOR(pg_catalog.=) l.seq "
"LEFT JOIN dp_book.signing_key k ON k.from_seq OPERATOR(pg_catalog.=) l.seq "
"LEFT JOIN dp_book.epoch o ON o.seq OPERATOR(pg_catalog.=) l.seq "
"LEFT JOIN dp_book.answers s ON s.seq OPERATOR(pg_catalog.=) l.seq "
"WHERE l.seq OPERATOR(pg_catalog.>=) $1 AND l.seq OPERATOR(pg_catalog.<=) $2 ORDER BY l.seq";

typedef struct RowReader
{
	EpsLogVisit visit;
	void	   *context;
} RowReader;

/* A column that may be NULL, or 0. */
static int64
number(HeapTuple row, TupleDesc desc, int column)
{
	bool		isnull;
	Datum		datum = SPI_getbinval(row, desc, column, &isnull);

	if (isnull)
		return 0;
	switch (SPI_gettypeid(desc, column))
	{
		case INT2OID:
			return DatumGetInt16(datum);
		case INT4OID:
			return DatumGetInt32(datum);
		default:
			return DatumGetInt64(datum);
	}
}

static EpsField
text_field(HeapTuple row, TupleDesc desc, int column)
{
	return eps_budget_text_field(SPI_getvalue(row, desc, column));
}

static bool
is_null(HeapTuple row, TupleDesc desc, int column)
{
	bool		isnull;

	(void) SPI_getbinval(row, desc, column, &isnull);
	return isnull;
}

static EpsEntryKind
kind_of(const char *text)
{
	for (int kind = EPS_ENTRY_RELEASE; kind <= EPS_ENTRY_LEFT_OUT; kind++)
		if (strcmp(text, eps_ledger_kind_name(kind)) == 0)
			return (EpsEntryKind) kind;
	return (EpsEntryKind) 0;
}

static void
read_answer(EpsLogEntry *e, HeapTuple row, TupleDesc desc)
{
	bool		isnull;
	Datum		charges = SPI_getbinval(row, desc, ROW_CHARGES, &isnull);

	eps_budget_log_answer(e, kind_of(SPI_getvalue(row, desc, ROW_ANSWER_KIND)),
						  (unsigned) number(row, desc, ROW_LEVEL), (unsigned) number(row, desc, ROW_DELTA_LEVEL),
						  number(row, desc, ROW_REPEAT_OF));
	e->dataset_id = (int32) number(row, desc, ROW_DATASET);
	e->at = number(row, desc, ROW_AT);
	e->field[EPS_FIELD_TEXT] = text_field(row, desc, ROW_STATEMENT);
	e->field[EPS_FIELD_WHO] = text_field(row, desc, ROW_ANALYST);
	e->field[EPS_FIELD_PURPOSE] = text_field(row, desc, ROW_PURPOSE);
	e->field[EPS_FIELD_MECHANISM] = text_field(row, desc, ROW_MECHANISM);
	if (!isnull)
	{
		bytea	   *bytes = DatumGetByteaPP(charges);

		e->field[EPS_FIELD_CHARGES] = (EpsField) {(const uint8 *) VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes)};
	}
	eps_budget_log_enrolled(e, (uint32) number(row, desc, ROW_ACCOUNTS), (uint64) number(row, desc, ROW_START),
							(uint64) number(row, desc, ROW_START_DELTA));
}

static void
read_change(EpsLogEntry *e, HeapTuple row, TupleDesc desc)
{
	e->kind = EPS_ENTRY_POLICY;
	e->dataset_id = (int32) number(row, desc, ROW_POLICY_DATASET);
	e->at = number(row, desc, ROW_POLICY_AT);
	eps_budget_log_policy(e, SPI_getvalue(row, desc, ROW_ACTION), SPI_getvalue(row, desc, ROW_TABLE),
						  SPI_getvalue(row, desc, ROW_RELATION), SPI_getvalue(row, desc, ROW_WHO),
						  SPI_getvalue(row, desc, ROW_TEXT));
}

/* Of boots and recoveries the text, of keys whose wish it was: the kind is the log's own. */
static void
read_rest(EpsLogRow *out, HeapTuple row, TupleDesc desc)
{
	EpsLogEntry *e = &out->said;

	if (!is_null(row, desc, ROW_KEY))
	{
		bytea	   *key = DatumGetByteaPP(eps_budget_column(row, desc, ROW_KEY));

		e->kind = EPS_ENTRY_KEY;
		memcpy(e->body, VARDATA_ANY(key), Min(VARSIZE_ANY_EXHDR(key), EPS_SIGN_PUBLIC_LEN));
		e->field[EPS_FIELD_WHO] = text_field(row, desc, ROW_KEY_BY);
	}
	else if (!is_null(row, desc, ROW_DETAIL))
	{
		e->kind = VARSIZE_ANY_EXHDR(out->public) > 1 && VARDATA_ANY(out->public)[1] == EPS_ENTRY_RECOVERY ?
			EPS_ENTRY_RECOVERY : EPS_ENTRY_BOOT;
		e->detail = SPI_getvalue(row, desc, ROW_DETAIL);
		e->field[EPS_FIELD_TEXT] = eps_budget_text_field(e->detail);
	}
}

static bool
read_row(void *context, HeapTuple row, TupleDesc desc)
{
	RowReader  *reader = context;
	EpsLogRow	out = {.seq = (uint64) number(row, desc, ROW_SEQ)};

	out.public = DatumGetByteaPP(eps_budget_column(row, desc, ROW_ENTRY));
	out.sealed = DatumGetByteaPP(eps_budget_column(row, desc, ROW_SEALED));
	if (!is_null(row, desc, ROW_ANSWER_KIND))
		read_answer(&out.said, row, desc);
	else if (!is_null(row, desc, ROW_ACTION))
		read_change(&out.said, row, desc);
	else if (!is_null(row, desc, ROW_OWNERS))
		eps_budget_log_owners(&out.said, row, desc, ROW_OWNERS);
	else if (!is_null(row, desc, ROW_ANSWERS))
		eps_budget_log_answers(&out.said, row, desc, ROW_ANSWERS);
	else
		read_rest(&out, row, desc);
	out.known = out.said.kind != 0;
	return reader->visit(reader->context, &out);
}

/* Entries first..last in order, until visit says false; false if it did. What
 * visit is given lives until it returns. */
bool
eps_budget_log_each(uint64 first, uint64 last, EpsLogVisit visit, void *context)
{
	RowReader	reader = {visit, context};
	Oid			types[2] = {INT8OID, INT8OID};
	Datum		values[2] = {Int64GetDatum((int64) first), Int64GetDatum((int64) last)};

	return eps_budget_each_large_row(rows_sql, 2, types, values, read_row, &reader);
}
