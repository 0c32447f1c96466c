/*
 * stored.c
 *	  An answer as bytes, for the answer store, and back.
 *
 * The bytes of a datum are this server's own: a key of the store never outlives
 * its version and database.  They come back authenticated; what is malformed all
 * the same counts as missing.
 */
#include "postgres.h"

#include "pg/exec/repeat_internal.h"

#include "utils/datum.h"
#include "utils/lsyscache.h"

#define STORED_VERSION 1

/* Type of an attribute: keys, then outputs. */
static void
type_of(const EpsReleasePlan *plan, int att, int16 *typlen, bool *typbyval)
{
	Oid			type = att < plan->nkeys ? plan->keys[att].type : plan->outputs[att - plan->nkeys].type;

	get_typlenbyval(type, typlen, typbyval);
}

/* A length, or -1 for NULL, then the bytes. */
void
eps_exec_append_datum(StringInfo out, Datum value, bool isnull, int16 typlen, bool typbyval)
{
	int32		len = -1;

	if (isnull)
		appendBinaryStringInfo(out, (char *) &len, sizeof(len));
	else if (typbyval)
	{
		len = sizeof(Datum);
		appendBinaryStringInfo(out, (char *) &len, sizeof(len));
		appendBinaryStringInfo(out, (char *) &value, len);
	}
	else
	{
		if (typlen == -1)
			value = PointerGetDatum(PG_DETOAST_DATUM(value));
		len = (int32) datumGetSize(value, false, typlen);
		appendBinaryStringInfo(out, (char *) &len, sizeof(len));
		appendBinaryStringInfo(out, DatumGetPointer(value), len);
	}
}

void
eps_exec_store_rows(StringInfo out, const EpsReleasePlan *plan, const EpsAnswerRows *rows)
{
	int32		head[2] = {STORED_VERSION, rows->natts};
	int16	   *typlen = palloc(sizeof(int16) * Max(rows->natts, 1));
	bool	   *typbyval = palloc(sizeof(bool) * Max(rows->natts, 1));

	for (int i = 0; i < rows->natts; i++)
		type_of(plan, i, &typlen[i], &typbyval[i]);
	appendBinaryStringInfo(out, (char *) head, sizeof(head));
	appendBinaryStringInfo(out, (const char *) &rows->nrows, sizeof(rows->nrows));
	for (uint64 r = 0; r < rows->nrows && (Size) out->len <= EPS_ANSWER_MAX_BYTES; r++)
	{
		for (int i = 0; i < rows->natts; i++)
			eps_exec_append_datum(out, rows->values[r * rows->natts + i], rows->isnull[r * rows->natts + i],
								  typlen[i], typbyval[i]);
	}
}

/* --- back ------------------------------------------------------------------------------ */

typedef struct Reader
{
	const uint8 *at;
	const uint8 *end;
} Reader;

static bool
take(Reader *reader, void *out, Size len)
{
	if ((Size) (reader->end - reader->at) < len)
		return false;
	memcpy(out, reader->at, len);
	reader->at += len;
	return true;
}

static bool
take_datum(Reader *reader, Datum *value, bool *isnull, int16 typlen, bool typbyval)
{
	int32		len;
	char	   *bytes;

	if (!take(reader, &len, sizeof(len)))
		return false;
	*isnull = len < 0;
	*value = (Datum) 0;
	if (*isnull)
		return true;
	if (typbyval)
		return len == sizeof(Datum) && take(reader, value, sizeof(Datum));
	if (len > reader->end - reader->at)
		return false;
	bytes = palloc0(len + 1);
	*value = PointerGetDatum(bytes);
	return take(reader, bytes, len) &&
		(typlen > 0 ? len == typlen : typlen == -1 ? len >= VARHDRSZ && VARSIZE_ANY(bytes) == (Size) len : true);
}

static bool
take_rows(Reader *reader, EpsAnswerRows *rows, const EpsReleasePlan *plan)
{
	Size		cells = (Size) rows->nrows * rows->natts;

	rows->values = palloc0(sizeof(Datum) * Max(cells, 1));
	rows->isnull = palloc0(sizeof(bool) * Max(cells, 1));
	for (Size cell = 0; cell < cells; cell++)
	{
		int16		typlen;
		bool		typbyval;

		type_of(plan, (int) (cell % rows->natts), &typlen, &typbyval);
		if (!take_datum(reader, &rows->values[cell], &rows->isnull[cell], typlen, typbyval))
			return false;
	}
	return reader->at == reader->end;
}

bool
eps_exec_restore_rows(EpsAnswerRows *out, const EpsReleasePlan *plan, const uint8 *bytes, Size len)
{
	Reader		reader = {bytes, bytes + len};
	int32		head[2];

	if (!take(&reader, head, sizeof(head)) || !take(&reader, &out->nrows, sizeof(out->nrows)))
		return false;
	out->natts = head[1];
	/* a cell takes four bytes at least; without columns there are no cells */
	if (head[0] != STORED_VERSION || out->natts != plan->nkeys + plan->noutputs ||
		out->nrows > (out->natts == 0 ? 1 : len / sizeof(int32) / out->natts))
		return false;
	return take_rows(&reader, out, plan);
}
