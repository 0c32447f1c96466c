/*
 * report.c
 *	  pg_epsilon report: verifies the ledger, gathers what people want to read, and
 *	  writes it as one HTML file.
 */
#include "cli/report.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MAX_ROWS 1000
#define MAX_TALLIES 2000

/* --- gathering ----------------------------------------------------------------------- */

static char *
copy_field(EpsField field)
{
	char	   *out = eps_cli_alloc(field.len + 1);

	if (field.len > 0)
		memcpy(out, field.bytes, field.len);
	for (size_t i = 0; i < field.len; i++)
		if (out[i] == '\0')
			out[i] = ' ';
	return out;
}

/* Takes over the cells. */
static void
add_row(EpsCliRows *rows, char *const cells[EPS_CLI_CELLS])
{
	if (rows->n >= MAX_ROWS)
	{
		rows->left_out++;
		for (int i = 0; i < EPS_CLI_CELLS; i++)
			free(cells[i]);
		return;
	}
	rows->one = eps_cli_grow(rows->one, (rows->n + 1) * sizeof(EpsCliRow));
	memcpy(rows->one[rows->n++].cell, cells, sizeof(rows->one[0].cell));
}

/* The newest ones are looked at first: days come in order. Beyond a bound the last
 * one is "others". */
static EpsCliTally *
find_tally(EpsCliTallies *tallies, uint32_t dataset, const char *key)
{
	EpsCliTally *fresh;

	for (size_t i = tallies->n; i-- > 0;)
		if (tallies->one[i].dataset == dataset && strcmp(tallies->one[i].key, key) == 0)
			return &tallies->one[i];
	if (tallies->n > MAX_TALLIES)
		return &tallies->one[MAX_TALLIES];
	tallies->one = eps_cli_grow(tallies->one, (tallies->n + 1) * sizeof(EpsCliTally));
	fresh = &tallies->one[tallies->n];
	memset(fresh, 0, sizeof(*fresh));
	fresh->dataset = tallies->n == MAX_TALLIES ? 0 : dataset;
	fresh->key = eps_cli_copy(tallies->n == MAX_TALLIES ? "others" : key);
	tallies->n++;
	return fresh;
}

static void
count(EpsCliTallies *tallies, const EpsEntry *entry, const char *key, const EpsCliPrice *price)
{
	EpsCliTally *t = find_tally(tallies, entry->dataset, key);

	t->releases += entry->kind != EPS_ENTRY_REPEAT;
	t->repeats += entry->kind == EPS_ENTRY_REPEAT;
	t->units += price->units;
	t->delta_units += price->delta_units;
}

static EpsCliCurve *
get_curve(EpsCliReport *r, uint32_t dataset)
{
	for (size_t i = 0; i < r->ncurves; i++)
		if (r->curves[i].dataset == dataset)
			return &r->curves[i];
	r->curves = eps_cli_grow(r->curves, (r->ncurves + 1) * sizeof(EpsCliCurve));
	memset(&r->curves[r->ncurves], 0, sizeof(EpsCliCurve));
	r->curves[r->ncurves].dataset = dataset;
	r->curves[r->ncurves].every = 1;
	return &r->curves[r->ncurves++];
}

const EpsCliCurve *
eps_cli_find_curve(const EpsCliReport *r, uint32_t dataset)
{
	for (size_t i = 0; i < r->ncurves; i++)
		if (r->curves[i].dataset == dataset)
			return &r->curves[i];
	return NULL;
}

/* Every other point goes when there is no room for one more. */
static void
add_point(EpsCliCurve *c, const EpsEntry *entry)
{
	c->last_at = entry->at;
	c->last = eps_cli_units(entry->total_units);
	c->last_delta = eps_cli_units(entry->total_delta_units);
	if (c->seen++ % c->every != 0)
		return;
	if (c->n == EPS_CLI_POINTS)
	{
		for (unsigned i = 0; i < EPS_CLI_POINTS / 2; i++)
		{
			c->at[i] = c->at[2 * i];
			c->total[i] = c->total[2 * i];
		}
		c->n = EPS_CLI_POINTS / 2;
		c->every *= 2;
	}
	c->at[c->n] = entry->at;
	c->total[c->n++] = c->last;
}

/* --- by kind ---------------------------------------------------------------------------- */

/* Mechanisms are counted without their parameters. */
static void
see_answer(EpsCliReport *r, const EpsEntry *entry, const EpsField *field, const char *day)
{
	EpsCliPrice price = {0};
	char	   *text;

	if (field == NULL)
	{
		count(&r->days, entry, day, &price);
		return;
	}
	if (!eps_cli_price_read(&price, field[4]))
		return;
	if (entry->kind == EPS_ENTRY_LEFT_OUT)
		price = (EpsCliPrice) {0};	/* from what is set aside */
	count(&r->days, entry, day, &price);
	text = copy_field(field[1]);
	count(&r->analysts, entry, text, &price);
	free(text);
	text = copy_field(field[2]);
	count(&r->purposes, entry, text[0] == '\0' ? "(none)" : text, &price);
	free(text);
	text = copy_field(field[3]);
	text[strcspn(text, ",")] = '\0';
	count(&r->mechanisms, entry, text, &price);
	free(text);
}

static void
see_policy(EpsCliReport *r, const EpsEntry *entry, const EpsField *field, const char *at)
{
	char	   *cells[EPS_CLI_CELLS] = {eps_cli_copy(at), copy_field(field[1]), copy_field(field[3]), copy_field(field[2]),
		copy_field(field[0])};
	json_error_t error;

	if (entry->dataset != 0 && strstr(cells[2], " dataset") != NULL)
	{
		EpsCliCurve *curve = get_curve(r, entry->dataset);

		json_decref(curve->promise);
		curve->promise = json_loads(cells[4], JSON_REJECT_DUPLICATES, &error);
	}
	add_row(&r->policies, cells);
}

/* The value of a line "name=value", or "". */
static char *
line_value(const char *text, const char *name)
{
	size_t		len = strlen(name);

	for (const char *at = text; *at != '\0'; at = strchr(at, '\n') + 1)
	{
		if (strncmp(at, name, len) == 0 && at[len] == '=')
		{
			size_t		n = strcspn(at + len + 1, "\n");
			char	   *out = eps_cli_alloc(n + 1);

			memcpy(out, at + len + 1, n);
			return out;
		}
		if (strchr(at, '\n') == NULL)
			break;
	}
	return eps_cli_copy("");
}

static void
see_boot(EpsCliReport *r, const EpsEntry *entry, const EpsField *field, const char *at)
{
	char		number[24];
	char	   *cells[EPS_CLI_CELLS] = {eps_cli_copy(at), eps_cli_copy(eps_ledger_kind_name(entry->kind))};

	(void) snprintf(number, sizeof(number), "%" PRIu64, entry->seq);
	cells[2] = eps_cli_copy(number);
	cells[3] = field == NULL ? eps_cli_copy("") : copy_field(field[0]);
	if (field != NULL && entry->kind == EPS_ENTRY_BOOT)
	{
		char	   *text = cells[3];
		char	   *build[EPS_CLI_CELLS] = {eps_cli_copy(at), line_value(text, "library"), line_value(text, "build"),
			line_value(text, "server"), eps_cli_copy("")};
		char	   *last[3] = {NULL};

		for (int i = 0; i < 3 && r->builds.n > 0; i++)
			last[i] = r->builds.one[r->builds.n - 1].cell[1 + i];
		if (r->builds.n > 0 && strcmp(last[0], build[1]) == 0 && strcmp(last[1], build[2]) == 0 && strcmp(last[2], build[3]) == 0)
			for (int i = 0; i < EPS_CLI_CELLS; i++)
				free(build[i]);
		else
			add_row(&r->builds, build);
		cells[3] = line_value(text, "timeline");
		free(text);
	}
	cells[4] = eps_cli_copy("");
	add_row(&r->boots, cells);
}

static void
see_entry(void *context, const EpsEntry *entry, const EpsField *field)
{
	EpsCliReport *r = context;
	char		at[32];
	char		day[16];

	eps_cli_time(at, entry->at);
	memcpy(day, at, 10);
	day[10] = '\0';
	switch (entry->kind)
	{
		case EPS_ENTRY_RELEASE:
			add_point(get_curve(r, entry->dataset), entry);
			see_answer(r, entry, field, day);
			break;
		case EPS_ENTRY_REPEAT:
		case EPS_ENTRY_LEFT_OUT:
			see_answer(r, entry, field, day);
			break;
		case EPS_ENTRY_POLICY:
			if (field != NULL)
				see_policy(r, entry, field, at);
			break;
		case EPS_ENTRY_BOOT:
		case EPS_ENTRY_RECOVERY:
		case EPS_ENTRY_KEY:
			see_boot(r, entry, field, at);
			break;
		default:
			break;
	}
}

/* --- promises ------------------------------------------------------------------------------- */

double
eps_cli_promise_number(const EpsCliCurve *curve, const char *name)
{
	return json_number_value(json_object_get(curve->promise, name));
}

const char *
eps_cli_promise_text(const EpsCliCurve *curve, const char *name)
{
	const char *text = json_string_value(json_object_get(curve->promise, name));

	return text == NULL ? "" : text;
}

bool
eps_cli_is_pure(const EpsCliCurve *curve)
{
	return strcmp(eps_cli_promise_text(curve, "accountant"), "pure") == 0;
}

/* --- the command ------------------------------------------------------------------------------ */

static void
free_rows(EpsCliRows *rows)
{
	for (size_t i = 0; i < rows->n; i++)
		for (int j = 0; j < EPS_CLI_CELLS; j++)
			free(rows->one[i].cell[j]);
	free(rows->one);
}

static void
free_tallies(EpsCliTallies *tallies)
{
	for (size_t i = 0; i < tallies->n; i++)
		free(tallies->one[i].key);
	free(tallies->one);
}

static void
free_report(EpsCliReport *r)
{
	for (size_t i = 0; i < r->ncurves; i++)
		json_decref(r->curves[i].promise);
	free(r->curves);
	free_tallies(&r->analysts);
	free_tallies(&r->purposes);
	free_tallies(&r->mechanisms);
	free_tallies(&r->days);
	free_rows(&r->policies);
	free_rows(&r->boots);
	free_rows(&r->builds);
}

static bool
write_report(EpsCliReport *r)
{
	bool		good;

	r->out = fopen(r->args->output, "w");
	if (r->out == NULL)
	{
		eps_cli_say("%s cannot be written: %s", r->args->output, strerror(errno));
		return false;
	}
	eps_cli_html_head(r);
	eps_cli_report_sections(r);
	eps_cli_report_words(r);
	eps_cli_html_foot(r);
	good = !ferror(r->out);
	if (fclose(r->out) == 0 && good)
		return true;
	eps_cli_say("%s cannot be written: %s", r->args->output, strerror(errno));
	return false;
}

EpsCliExit
eps_cli_command_report(const EpsCliArgs *args)
{
	EpsCliReport r = {.args = args};
	EpsCliVerifyOptions options = {.key = args->key,.public_only = args->public_only,
	.progress = isatty(STDERR_FILENO) == 1,.listener = {see_entry, &r}};
	EpsCliSource source;
	EpsCliExit	status;

	if (args->output == NULL)
	{
		eps_cli_say("report needs --output");
		return EPS_CLI_TROUBLE;
	}
	if (!eps_cli_source(&source, args))
		return EPS_CLI_TROUBLE;
	eps_cli_verify(&r.verdict, source.dir, &options);
	eps_cli_source_close(&source);
	if (!r.verdict.readable)
	{
		eps_cli_say("%s", r.verdict.why);
		return EPS_CLI_TROUBLE;
	}
	r.public_form = !r.verdict.openings;
	status = !write_report(&r) ? EPS_CLI_TROUBLE : eps_cli_is_good(&r.verdict) ? EPS_CLI_GOOD : EPS_CLI_BAD;
	if (status == EPS_CLI_BAD)
		eps_cli_say("the ledger is not sound; the report says so on its first page");
	free_report(&r);
	return status;
}
