/*
 * pilot.c
 *	  What a pilot release has answered, for the analyst to see (rule 8): a notice
 *	  when it leaves, and dp.pilot() until the session's next release.
 *
 * Everything here is the pilot's answer, or follows from it.
 */
#include "postgres.h"

#include <math.h>

#include "pg/exec/exec_internal.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"

extern PGDLLEXPORT Datum eps_exec_sql_pilot(PG_FUNCTION_ARGS);

#define COLUMNS 16

/* A notice names this many answers, and keys up to this many bytes. */
#define NOTICE_ANSWERS 6
#define NOTICE_KEY 40

/* dp.pilot() shows this many answers of a statement. */
#define MOST_LINES 10000

/* One answer of a pilot. */
typedef struct Line
{
	int			release;
	char	   *title;
	int			nkeys;
	char	  **keys;			/* NULL: NULL */
	int			output;
	char	   *aggregate;		/* NULL: no group was shown */
	double		value;			/* NaN: NULL */
	double		low;
	double		high;
	double		confidence;
	const struct Follow *follow;
} Line;

/* What the pilot cost, and what follows it. */
typedef struct Follow
{
	bool		pure;
	bool		repeat;
	bool		reached;
	double		rho;			/* epsilon, if pure */
	double		epsilon;
	double		delta;
	double		next_rho;
	double		next_epsilon;
} Follow;

/* The pilots of the session's latest statement with a release: emptied by the next
 * one, and shown to the role that asked only. */
static MemoryContext kept = NULL;
static List *lines = NIL;
static int	nreleases = 0;
static Oid	kept_for = InvalidOid;

void
eps_exec_pilot_forget(void)
{
	lines = NIL;
	nreleases = 0;
	if (kept != NULL)
		MemoryContextReset(kept);
}

/* --- from the answer to lines -------------------------------------------------------------- */

static double
units_of(unsigned level)
{
	return ldexp((double) eps_accountant_ladder_units(level), -EPS_UNIT_BITS);
}

static double
epsilon_of(const EpsDataset *dataset, double units)
{
	double		epsilon = units;

	if (!dataset->pure && eps_mechanism_zcdp_epsilon(&epsilon, units, dataset->conversion_delta) != EPS_OK)
		return NAN;
	return epsilon;
}

static Follow *
follow_of(const EpsScanState *node)
{
	const EpsAccuracy *a = node->accuracy;
	Follow	   *f = palloc0(sizeof(Follow));
	unsigned	level = a->asked.repeat ? 0 : a->price->worst_level;
	unsigned	next = node->asked.repeat ? 0 : node->price->worst_level;

	f->pure = a->price->dataset->pure;
	f->repeat = a->asked.repeat;
	f->reached = a->reached;
	f->rho = units_of(level);
	f->epsilon = epsilon_of(a->price->dataset, f->rho);
	f->delta = a->asked.repeat ? 0 : units_of(a->price->worst_delta_level);
	f->next_rho = units_of(next);
	f->next_epsilon = epsilon_of(a->price->dataset, f->next_rho);
	return f;
}

static char **
key_texts(const EpsReleasePlan *plan, const EpsAnswerRows *rows, uint64 row)
{
	char	  **texts = palloc(sizeof(char *) * Max(plan->nkeys, 1));

	for (int k = 0; k < plan->nkeys; k++)
	{
		uint64		at = row * (uint64) rows->natts + k;
		Oid			output;
		bool		varlena;

		getTypeOutputInfo(plan->keys[k].type, &output, &varlena);
		texts[k] = rows->isnull[at] ? NULL : OidOutputFunctionCall(output, rows->values[at]);
	}
	return texts;
}

static double
value_at(const EpsReleasePlan *plan, const EpsAnswerRows *rows, uint64 row, int output)
{
	uint64		at = row * (uint64) rows->natts + plan->nkeys + output;

	return rows->isnull[at] ? NAN : DatumGetFloat8(rows->values[at]);
}

static void
add_line(const EpsScanState *node, const Follow *follow, const EpsAccuracyTarget *target, int number,
		 const EpsWidths *widths, uint64 row)
{
	const EpsAccuracy *a = node->accuracy;
	Line	   *line = palloc0(sizeof(Line));
	double		rows = target->rows >= 0 ? value_at(a->plan, &a->rows, row, target->rows) : 0;
	double		half;

	line->release = nreleases;
	line->title = pstrdup(node->plan->title);
	line->nkeys = a->plan->nkeys;
	line->keys = key_texts(a->plan, &a->rows, row);
	line->output = number + 1;
	line->aggregate = eps_release_output_text(&target->output);
	line->value = value_at(a->plan, &a->rows, row, target->value);
	half = isnan(line->value) ? NAN : eps_release_half_width(node->plan, target, widths, line->value, rows);
	line->low = line->value - half;
	line->high = line->value + half;
	line->confidence = target->output.confidence;
	line->follow = follow;
	lines = lappend(lines, line);
}

/* What it cost is to be seen also where nothing was shown. */
static void
add_empty_line(const EpsScanState *node, const Follow *follow)
{
	Line	   *line = palloc0(sizeof(Line));

	line->release = nreleases;
	line->title = pstrdup(node->plan->title);
	line->value = line->low = line->high = line->confidence = NAN;
	line->follow = follow;
	lines = lappend(lines, line);
}

/* Keeps the answer of one pilot in our own memory. */
static void
keep(const EpsScanState *node)
{
	const EpsAccuracy *a = node->accuracy;
	int			n;
	EpsAccuracyTarget *targets = eps_release_targets(node->plan, &n);
	EpsWidths  *widths = palloc(sizeof(EpsWidths) * Max(n, 1));
	Follow	   *follow;
	MemoryContext old;

	if (kept == NULL)
		kept = AllocSetContextCreate(TopMemoryContext, "pg_epsilon pilots", ALLOCSET_SMALL_SIZES);
	if (kept_for != GetOuterUserId())
		eps_exec_pilot_forget();
	kept_for = GetOuterUserId();
	for (int i = 0; i < n; i++)
		widths[i] = eps_release_widths(node->plan, a->price, &targets[i]);
	old = MemoryContextSwitchTo(kept);
	follow = follow_of(node);
	nreleases++;
	for (uint64 row = 0; row < a->rows.nrows; row++)
		for (int i = 0; i < n && list_length(lines) < MOST_LINES; i++)
			add_line(node, follow, &targets[i], i, &widths[i], row);
	if (a->rows.nrows == 0)
		add_empty_line(node, follow);
	MemoryContextSwitchTo(old);
}

/* --- notices ------------------------------------------------------------------------------------ */

static void
append_line(StringInfo out, const Line *line)
{
	if (line->aggregate == NULL)
	{
		appendStringInfoString(out, "no group");
		return;
	}
	for (int k = 0; k < line->nkeys; k++)
		appendStringInfo(out, "%s%.*s%s", k > 0 ? ", " : "",
						 line->keys[k] == NULL ? 4 : pg_mbcliplen(line->keys[k], (int) strlen(line->keys[k]), NOTICE_KEY),
						 line->keys[k] == NULL ? "NULL" : line->keys[k], k + 1 < line->nkeys ? "" : ": ");
	if (isnan(line->value))
		appendStringInfo(out, "%s NULL", line->aggregate);
	else if (isinf(line->high))
		appendStringInfo(out, "%s %.6g", line->aggregate, line->value);
	else
		appendStringInfo(out, "%s %.6g +- %.4g", line->aggregate, line->value, line->high - line->value);
}

static char *
answer_text(void)
{
	StringInfoData out;
	ListCell   *lc;
	int			all = 0;
	int			named = 0;

	initStringInfo(&out);
	foreach(lc, lines)
	{
		const Line *line = lfirst(lc);

		if (line->release != nreleases)
			continue;
		if (all++ >= NOTICE_ANSWERS)
			continue;
		appendStringInfoString(&out, named++ > 0 ? "; " : "");
		append_line(&out, line);
	}
	if (all > named)
		appendStringInfo(&out, "; and %d more", all - named);
	return out.data;
}

static char *
cost_text(const EpsReleasePrice *price, bool repeat)
{
	EpsReleasePrice actual = *price;

	if (repeat)
		return pstrdup("nothing (a repeat)");
	actual.booked_level = actual.worst_level;
	actual.pilot = NULL;
	return psprintf("at most %s an owner", eps_release_price_text(&actual));
}

static void
tell(const EpsScanState *node)
{
	const EpsAccuracy *a = node->accuracy;

	ereport(NOTICE,
			(errmsg("%s: %s", a->price->accuracy, answer_text()),
			 errdetail("The pilot cost %s. The answer after it costs %s.",
					   cost_text(a->price, a->asked.repeat), cost_text(node->price, node->asked.repeat)),
			 errhint("dp.pilot() shows all of it.")));
	if (!a->reached)
		ereport(WARNING,
				(errmsg("the accuracy cannot be reached by the highest price"),
				 errdetail("The answer comes at this price, with the error bars that it has."),
				 errhint("Set dp.epsilon or dp.rho to a higher price, raise dp.accuracy, or leave out what is close to 0.")));
}

void
eps_exec_pilot_show(EpsScanState *node)
{
	if (node->accuracy == NULL || !node->accuracy->decided || node->accuracy->shown || eps_exec_pad_is_active())
		return;
	node->accuracy->shown = true;
	keep(node);
	tell(node);
}

/* --- dp.pilot() ------------------------------------------------------------------------------------- */

static Datum
keys_datum(const Line *line)
{
	Datum	   *values = palloc(sizeof(Datum) * Max(line->nkeys, 1));
	bool	   *nulls = palloc(sizeof(bool) * Max(line->nkeys, 1));
	int			length = line->nkeys;
	int			lower = 1;

	for (int k = 0; k < line->nkeys; k++)
	{
		nulls[k] = line->keys[k] == NULL;
		values[k] = nulls[k] ? (Datum) 0 : CStringGetTextDatum(line->keys[k]);
	}
	return PointerGetDatum(construct_md_array(values, nulls, 1, &length, &lower, TEXTOID, -1, false, TYPALIGN_INT));
}

static void
put_line(ReturnSetInfo *rsinfo, const Line *line)
{
	const Follow *f = line->follow;
	const double numbers[] = {line->value, line->low, line->high, line->confidence, f->rho, f->epsilon, f->delta,
	f->next_rho, f->next_epsilon};
	Datum		values[COLUMNS] = {0};
	bool		nulls[COLUMNS] = {false};

	values[0] = Int32GetDatum(line->release);
	values[1] = CStringGetTextDatum(line->title);
	nulls[2] = line->nkeys == 0;
	if (!nulls[2])
		values[2] = keys_datum(line);
	nulls[3] = nulls[4] = line->aggregate == NULL;
	values[3] = Int32GetDatum(line->output);
	values[4] = nulls[4] ? (Datum) 0 : CStringGetTextDatum(line->aggregate);
	for (size_t i = 0; i < lengthof(numbers); i++)
	{
		values[5 + i] = Float8GetDatum(numbers[i]);
		nulls[5 + i] = isnan(numbers[i]);
	}
	nulls[9] = nulls[9] || f->pure;
	nulls[12] = nulls[12] || f->pure;
	values[14] = BoolGetDatum(f->repeat);
	values[15] = BoolGetDatum(f->reached);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

PG_FUNCTION_INFO_V1(eps_exec_sql_pilot);
Datum
eps_exec_sql_pilot(PG_FUNCTION_ARGS)
{
	ListCell   *lc;

	InitMaterializedSRF(fcinfo, 0);
	if (kept_for == GetOuterUserId())
		foreach(lc, lines)
			put_line((ReturnSetInfo *) fcinfo->resultinfo, lfirst(lc));
	PG_RETURN_VOID();
}
