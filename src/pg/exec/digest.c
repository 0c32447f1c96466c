/*
 * digest.c
 *	  SHA-256 of an answer in the form to which the ledger commits: the rows of the
 *	  release, keys before aggregates, one line a row, as comma-separated values.
 *
 * Values are written as their types write them with ISO dates in UTC, shortest
 * exact floats and hexadecimal bytes; NULL is empty, and a value that is empty or
 * holds a comma, a quote or a line end stands in quotes (RFC 4180).
 */
#include "postgres.h"

#include "pg/exec/repeat_internal.h"

#include "utils/guc.h"
#include "utils/lsyscache.h"

static void
fix_output(void)
{
	static const char *const fixed[][2] = {
		{"datestyle", "ISO, YMD"},
		{"intervalstyle", "iso_8601"},
		{"timezone", "UTC"},
		{"extra_float_digits", "1"},
		{"bytea_output", "hex"}
	};

	for (int i = 0; i < (int) lengthof(fixed); i++)
		(void) set_config_option(fixed[i][0], fixed[i][1], PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

static void
append_csv(StringInfo out, const char *value)
{
	if (value[0] != '\0' && strpbrk(value, ",\"\n\r") == NULL)
	{
		appendStringInfoString(out, value);
		return;
	}
	appendStringInfoChar(out, '"');
	for (const char *c = value; *c != '\0'; c++)
	{
		if (*c == '"')
			appendStringInfoChar(out, '"');
		appendStringInfoChar(out, *c);
	}
	appendStringInfoChar(out, '"');
}

static void
append_row(StringInfo out, const EpsAnswerRows *rows, uint64 r, FmgrInfo *output)
{
	for (int i = 0; i < rows->natts; i++)
	{
		Size		cell = (Size) r * (Size) rows->natts + (Size) i;

		if (i > 0)
			appendStringInfoChar(out, ',');
		if (!rows->isnull[cell])
			append_csv(out, OutputFunctionCall(&output[i], rows->values[cell]));
	}
	appendStringInfoChar(out, '\n');
}

void
eps_exec_answer_digest(uint8 digest[EPS_ANSWER_DIGEST_LEN], const EpsReleasePlan *plan, const EpsAnswerRows *rows)
{
	MemoryContext work = AllocSetContextCreate(CurrentMemoryContext, "pg_epsilon digest", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(work);
	FmgrInfo   *output = palloc0(sizeof(FmgrInfo) * Max(rows->natts, 1));
	int			level = NewGUCNestLevel();
	EpsSha256	sha;

	fix_output();
	for (int i = 0; i < rows->natts; i++)
	{
		Oid			function;
		bool		varlena;

		getTypeOutputInfo(i < plan->nkeys ? plan->keys[i].type : plan->outputs[i - plan->nkeys].type, &function, &varlena);
		fmgr_info(function, &output[i]);
	}
	eps_crypto_sha256_begin(&sha);
	for (uint64 r = 0; r < rows->nrows; r++)
	{
		StringInfoData line;

		initStringInfo(&line);
		append_row(&line, rows, r, output);
		eps_crypto_sha256_add(&sha, (const uint8 *) line.data, (size_t) line.len);
		pfree(line.data);
	}
	eps_crypto_sha256_end(digest, &sha);
	AtEOXact_GUC(true, level);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(work);
}
