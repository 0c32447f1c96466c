/*
 * verify.c
 *	  Goes through an export once, in the order of the entries, and hands each to
 *	  the checks.
 */
#include "cli/cli_internal.h"

#include "core/crypto/crypto.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const struct
{
	const char *name;
	const char *text;
}			checks[EPS_CLI_NCHECKS] = {
	[EPS_CLI_FILES] = {"files", "every file of the export is there, whole, and no other"},
	[EPS_CLI_CHECKPOINT] = {"checkpoint", "form, origin, totals and signature of the checkpoint"},
	[EPS_CLI_KEYS] = {"keys", "each key of the log is signed by the key before it"},
	[EPS_CLI_ENTRIES] = {"entries", "form and order of the entries; numbers, times, epochs and totals never fall"},
	[EPS_CLI_TREE] = {"tree", "the entries give the signed root, and each tile"},
	[EPS_CLI_HISTORY] = {"history", "the log continues the earlier checkpoint"},
	[EPS_CLI_OPENINGS] = {"openings", "each opening is what its entry committed to"},
	[EPS_CLI_POLICY] = {"policy", "what was promised is written in well-formed entries"},
	[EPS_CLI_CHARGES] = {"charges", "prices add up to the totals; charges within the worst case, of enrolled owners, none twice"},
	[EPS_CLI_LIMITS] = {"limits", "no owner was charged above the limit of that time"},
	[EPS_CLI_MAPS] = {"maps", "the balance and consent maps of each epoch are those that the charges give"},
	[EPS_CLI_EPOCHS] = {"epochs", "one entry of owners a data set and epoch, without gaps"},
	[EPS_CLI_BOOTS] = {"boots", "another system or timeline only after a recovery entry"},
	[EPS_CLI_ANSWERS] = {"answers", "each release stands in exactly one later entry of answers, once that exists"},
};

const char *
eps_cli_check_name(EpsCliCheck check)
{
	return checks[check].name;
}

const char *
eps_cli_check_text(EpsCliCheck check)
{
	return checks[check].text;
}

/* --- results --------------------------------------------------------------------- */

void
eps_cli_fail(EpsCliVerifier *v, EpsCliCheck check, uint64_t seq, const char *format, ...)
{
	EpsCliResult *result = &v->verdict->result[check];
	va_list		args;

	if (result->state == EPS_CLI_FAILED && (seq == 0 || (result->bad_seq != 0 && result->bad_seq <= seq)))
		return;
	result->state = EPS_CLI_FAILED;
	result->bad_seq = seq;
	va_start(args, format);
	(void) vsnprintf(result->what, sizeof(result->what), format, args);
	va_end(args);
}

bool
eps_cli_failed(const EpsCliVerifier *v, EpsCliCheck check)
{
	return v->verdict->result[check].state == EPS_CLI_FAILED;
}

void
eps_cli_note(EpsCliVerifier *v, EpsCliCheck check, const char *format, ...)
{
	EpsCliResult *result = &v->verdict->result[check];
	va_list		args;

	if (result->state == EPS_CLI_FAILED)
		return;
	va_start(args, format);
	(void) vsnprintf(result->what, sizeof(result->what), format, args);
	va_end(args);
}

bool
eps_cli_is_good(const EpsCliVerdict *verdict)
{
	if (!verdict->readable)
		return false;
	for (int i = 0; i < EPS_CLI_NCHECKS; i++)
		if (verdict->result[i].state == EPS_CLI_FAILED)
			return false;
	return verdict->result[EPS_CLI_CHECKPOINT].state == EPS_CLI_PASSED &&
		verdict->result[EPS_CLI_TREE].state == EPS_CLI_PASSED;
}

uint64_t
eps_cli_first_bad(const EpsCliVerdict *verdict)
{
	uint64_t	first = 0;

	for (int i = 0; i < EPS_CLI_NCHECKS; i++)
	{
		uint64_t	seq = verdict->result[i].bad_seq;

		if (verdict->result[i].state == EPS_CLI_FAILED && seq != 0 && (first == 0 || seq < first))
			first = seq;
	}
	return first;
}

/* --- data sets --------------------------------------------------------------------- */

EpsCliDataset *
eps_cli_dataset(EpsCliVerifier *v, uint32_t number)
{
	for (unsigned i = 0; i < v->ndatasets; i++)
		if (v->datasets[i].number == number)
			return &v->datasets[i];
	if (v->ndatasets == EPS_CLI_MAX_DATASETS)
		return NULL;
	v->datasets = eps_cli_grow(v->datasets, (v->ndatasets + 1) * sizeof(EpsCliDataset));
	memset(&v->datasets[v->ndatasets], 0, sizeof(EpsCliDataset));
	v->datasets[v->ndatasets].number = number;
	return &v->datasets[v->ndatasets++];
}

/* --- what the public part shows of an entry ------------------------------------------- */

static const char *
wrong_order(const EpsCliVerifier *v, const EpsEntry *entry, uint64_t seq)
{
	if (entry->seq != seq)
		return "carries another number";
	if (entry->at < v->last_at)
		return "is older than the one before it";
	if (entry->epoch < v->last_epoch || entry->epoch == 0)
		return "belongs to an earlier epoch than the one before it";
	return NULL;
}

/* Totals grow with releases only. */
static const char *
wrong_total(EpsCliVerifier *v, const EpsEntry *entry)
{
	EpsCliDataset *d;
	bool		same;

	if (entry->dataset == 0)
		return NULL;
	d = eps_cli_dataset(v, entry->dataset);
	if (d == NULL)
		return "is of one data set too many";
	same = entry->total_units == d->total && entry->total_delta_units == d->total_delta;
	if (entry->total_units < d->total || entry->total_delta_units < d->total_delta)
		return "has a lower total than the entry before it";
	if (!same && entry->kind != EPS_ENTRY_RELEASE)
		return "changes the total, but is no release";
	d->total = entry->total_units;
	d->total_delta = entry->total_delta_units;
	d->releases += entry->kind == EPS_ENTRY_RELEASE;
	return NULL;
}

static void
check_entry(EpsCliVerifier *v, const uint8_t *bytes, uint64_t seq)
{
	EpsEntry	entry;
	const char *wrong = "is malformed";

	if (eps_ledger_entry_read(&entry, bytes) == EPS_OK)
	{
		wrong = wrong_order(v, &entry, seq);
		if (wrong == NULL)
			wrong = wrong_total(v, &entry);
	}
	if (wrong != NULL)
	{
		eps_cli_fail(v, EPS_CLI_ENTRIES, seq, "entry %" PRIu64 " %s", seq, wrong);
		v->stopped = true;
		return;
	}
	v->last_at = entry.at;
	v->last_epoch = entry.epoch;
	v->verdict->result[EPS_CLI_ENTRIES].checked++;
	v->verdict->kind_count[entry.kind]++;
	if (seq == 1)
		v->verdict->first_at = entry.at;
	v->verdict->last_at = entry.at;
	if (entry.kind == EPS_ENTRY_KEY)
	{
		if (v->first_key_seq == 0)
			v->first_key_seq = seq;
		(void) eps_cli_key_entry(v, &entry);
	}
	if (v->openings)
		eps_cli_audit_entry(v, &entry);
	else if (v->options->listener.entry != NULL)
		v->options->listener.entry(v->options->listener.context, &entry, NULL);
}

/* --- the way through ---------------------------------------------------------------------- */

/* False: entries from this bundle on are missing or cannot be told apart. */
static bool
read_bundle(EpsCliVerifier *v, const uint8_t *at[EPS_CLI_BUNDLE], uint64_t n)
{
	char		path[EPS_CLI_PATH];
	unsigned	width = eps_cli_tile_width(0, n, v->verdict->checkpoint.size);
	EpsCliRead	result;

	eps_cli_tile_path(path, EPS_TILE_ENTRIES, n, v->verdict->checkpoint.size);
	result = eps_cli_read(&v->bundle, v->dir, path, EPS_CLI_BUNDLE_LEN);
	if (result != EPS_CLI_READ)
	{
		eps_cli_fail(v, EPS_CLI_FILES, n * EPS_CLI_BUNDLE + 1, "%s is %s", path,
					 result == EPS_CLI_MISSING ? "missing" : result == EPS_CLI_TOO_LONG ? "too long" : "unreadable");
		return false;
	}
	if (eps_cli_bundle_read(at, width, v->bundle.bytes, v->bundle.len) == EPS_OK)
		return true;
	eps_cli_fail(v, EPS_CLI_FILES, n * EPS_CLI_BUNDLE + 1, "%s does not hold %u entries of %d bytes each", path, width,
				 EPS_ENTRY_LEN);
	return false;
}

static void
show_progress(const EpsCliVerifier *v, uint64_t seq)
{
	if (v->options->progress && seq % 65536 == 0)
		fprintf(stderr, "\r%" PRIu64 " of %" PRIu64 " entries", seq, v->verdict->checkpoint.size);
}

static void
check_bundle(EpsCliVerifier *v, const uint8_t *at[EPS_CLI_BUNDLE], uint64_t n, unsigned width)
{
	for (unsigned i = 0; i < width; i++)
	{
		uint64_t	seq = n * EPS_CLI_BUNDLE + i + 1;
		EpsHash		leaf;

		eps_ledger_leaf_hash(&leaf, at[i], EPS_ENTRY_LEN);
		eps_cli_tree_add(v, &leaf);
		if (!v->stopped)
			check_entry(v, at[i], seq);
		show_progress(v, seq);
	}
}

static void
check_entries(EpsCliVerifier *v)
{
	uint64_t	size = v->verdict->checkpoint.size;
	const uint8_t *at[EPS_CLI_BUNDLE];

	for (uint64_t n = 0; n * EPS_CLI_BUNDLE < size; n++)
	{
		if (!read_bundle(v, at, n))
		{
			v->stopped = true;
			return;
		}
		check_bundle(v, at, n, eps_cli_tile_width(0, n, size));
	}
	eps_cli_tree_end(v);
}

static bool
visit_file(void *context, const char *path)
{
	EpsCliVerifier *v = context;

	v->verdict->result[EPS_CLI_FILES].checked++;
	if (eps_cli_is_expected(path, v->verdict->checkpoint.size, true))
		return true;
	eps_cli_fail(v, EPS_CLI_FILES, 0, "%s is no file of an export of this size", path);
	return false;
}

static void
check_files(EpsCliVerifier *v)
{
	char		path[EPS_CLI_PATH];

	if (!eps_cli_each_file(v->dir, visit_file, v, path))
		eps_cli_fail(v, EPS_CLI_FILES, 0, "%s is no plain file of an export, or unreadable", path);
}

/* --- begin and end ------------------------------------------------------------------------ */

/* A checkpoint that was kept: it needs no folder of its own. */
static void
read_since(EpsCliVerifier *v)
{
	EpsCliBuffer note = {0};

	if (v->options->since == NULL)
		return;
	v->since_given = eps_cli_read_path(&note, v->options->since, EPS_NOTE_MAX) == EPS_CLI_READ &&
		eps_cli_since_read(v, &note);
	eps_cli_free(&note);
	if (!v->since_given)
		eps_cli_fail(v, EPS_CLI_HISTORY, 0, "the earlier checkpoint is unreadable, or not signed by a key of this log");
	else if (v->since.size > v->verdict->checkpoint.size)
		eps_cli_fail(v, EPS_CLI_HISTORY, v->verdict->checkpoint.size + 1, "the log is shorter than the earlier checkpoint: "
					 "entries %" PRIu64 " to %" PRIu64 " are gone", v->verdict->checkpoint.size + 1, v->since.size);
}

/* What was not looked at is not called good. */
static void
settle(EpsCliVerifier *v)
{
	bool		whole = !v->stopped;

	for (int i = 0; i < EPS_CLI_NCHECKS; i++)
	{
		EpsCliResult *result = &v->verdict->result[i];
		bool		ran = i == EPS_CLI_HISTORY ? v->since_given : i < EPS_CLI_OPENINGS || v->openings;

		if (i >= EPS_CLI_POLICY)
			ran = ran && v->folding;
		if (result->state == EPS_CLI_FAILED)
			continue;
		if (ran && whole && i >= EPS_CLI_POLICY && result->checked == 0)
		{
			eps_cli_note(v, i, "this log holds nothing of it yet");
			continue;
		}
		result->state = ran && (whole || i == EPS_CLI_CHECKPOINT || i == EPS_CLI_FILES) ? EPS_CLI_PASSED : EPS_CLI_NOT_RUN;
		if (result->state == EPS_CLI_NOT_RUN && i == EPS_CLI_HISTORY)
			eps_cli_note(v, i, "no earlier checkpoint was given");
		else if (result->state == EPS_CLI_NOT_RUN && !v->openings && i >= EPS_CLI_OPENINGS)
			eps_cli_note(v, i, "needs the auditor's part of the export");
		else if (result->state == EPS_CLI_NOT_RUN)
			eps_cli_note(v, i, "cannot be judged after the first bad entry");
	}
	if (v->options->key == NULL)
		eps_cli_note(v, EPS_CLI_KEYS, "no trusted key was given: the first one was taken from the export itself");
}

static void
release_all(EpsCliVerifier *v)
{
	eps_cli_free(&v->bundle);
	eps_cli_free(&v->tile);
	eps_cli_free(&v->boot);
	for (unsigned i = 0; i < v->ndatasets; i++)
	{
		free(v->datasets[i].accounts);
		eps_cli_free(&v->datasets[i].epoch.changes);
	}
	free(v->datasets);
	free(v->owners);
	free(v->key);
	free(v->is_release);
	free(v->is_answered);
	eps_cli_openings_close(&v->sequential);
	eps_cli_openings_close(&v->ahead);
	eps_cli_free(&v->sequential.buffer);
	eps_cli_free(&v->ahead.buffer);
}

static void
run(EpsCliVerifier *v)
{
	EpsCliVerdict *verdict = v->verdict;

	if (!eps_cli_checkpoint_size(v))
	{
		v->stopped = true;
		return;
	}
	read_since(v);
	v->openings = verdict->openings = !v->options->public_only && eps_cli_exists(v->dir, "auditor");
	if (v->openings)
		eps_cli_audit_begin(v);
	check_entries(v);
	check_files(v);
	eps_cli_checkpoint_end(v);
	if (v->openings)
		eps_cli_audit_end(v);
}

void
eps_cli_verify(EpsCliVerdict *out, const char *dir, const EpsCliVerifyOptions *options)
{
	EpsCliVerifier v = {.verdict = out,.options = options,.dir = dir};

	memset(out, 0, sizeof(*out));
	if (eps_crypto_init() != EPS_OK)
	{
		(void) snprintf(out->why, sizeof(out->why), "the crypto library does not start");
		return;
	}
	if (!eps_cli_exists(dir, "checkpoint") && !eps_cli_exists(dir, "key"))
	{
		(void) snprintf(out->why, sizeof(out->why), "%s is no export: it has neither checkpoint nor key", dir);
		return;
	}
	out->readable = true;
	out->key_given = options->key != NULL;
	run(&v);
	settle(&v);
	out->datasets = v.ndatasets;
	if (options->progress && out->checkpoint.size >= 65536)
		fputs("\r\033[K", stderr);
	release_all(&v);
}
