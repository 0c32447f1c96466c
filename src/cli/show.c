/*
 * show.c
 *	  pg_epsilon verify: the verdict for people and for programs.
 */
#include "cli/cli_internal.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <unistd.h>

static const char *const state_text[] = {
	[EPS_CLI_NOT_RUN] = "not run",
	[EPS_CLI_PASSED] = "ok",
	[EPS_CLI_FAILED] = "FAILED"
};

static const char *const state_name[] = {
	[EPS_CLI_NOT_RUN] = "not run",
	[EPS_CLI_PASSED] = "passed",
	[EPS_CLI_FAILED] = "failed"
};

/* --- for people ------------------------------------------------------------------ */

static void
show_checks(const EpsCliVerdict *verdict)
{
	for (int i = 0; i < EPS_CLI_NCHECKS; i++)
	{
		const EpsCliResult *result = &verdict->result[i];

		printf("%-8s %-11s %s", state_text[result->state], eps_cli_check_name(i), eps_cli_check_text(i));
		if (result->state == EPS_CLI_PASSED)
			printf(" (%" PRIu64 ")", result->checked);
		if (result->what[0] != '\0')
			printf("\n         %-11s %s", "", result->what);
		putchar('\n');
	}
}

static void
show_end(const EpsCliVerdict *verdict)
{
	uint64_t	bad = eps_cli_first_bad(verdict);

	if (eps_cli_is_good(verdict))
		puts(verdict->openings ? "all is well" : "all is well, as far as the public part shows");
	else if (bad != 0)
		printf("the ledger is not sound; the first bad entry is %" PRIu64 "\n", bad);
	else
		puts("the ledger is not sound; no single entry can be named");
}

static void
show_text(const EpsCliVerdict *verdict)
{
	char		root[2 * EPS_HASH_LEN + 1];
	char		first[32];
	char		last[32];

	eps_cli_hex(root, verdict->checkpoint.root.b, EPS_HASH_LEN);
	eps_cli_time(first, verdict->first_at);
	eps_cli_time(last, verdict->last_at);
	printf("ledger   %s\n", verdict->checkpoint.origin);
	printf("entries  %" PRIu64 ", %s to %s\n", verdict->checkpoint.size, first, last);
	printf("root     %s\n", root);
	show_checks(verdict);
	show_end(verdict);
}

/* --- for programs ------------------------------------------------------------------ */

static json_t *
seq_or_null(uint64_t seq)
{
	return seq == 0 ? json_null() : json_integer((json_int_t) seq);
}

static json_t *
checks_json(const EpsCliVerdict *verdict)
{
	json_t	   *out = json_array();

	for (int i = 0; i < EPS_CLI_NCHECKS; i++)
	{
		const EpsCliResult *result = &verdict->result[i];

		json_array_append_new(out, json_pack("{s:s, s:s, s:I, s:o, s:s}",
											 "check", eps_cli_check_name(i), "state", state_name[result->state],
											 "checked", (json_int_t) result->checked,
											 "first_bad", seq_or_null(result->bad_seq), "detail", result->what));
	}
	return out;
}

static json_t *
kinds_json(const EpsCliVerdict *verdict)
{
	json_t	   *out = json_object();

	for (int kind = EPS_ENTRY_BOOT; kind <= EPS_ENTRY_ATTESTATION; kind++)
		json_object_set_new(out, eps_ledger_kind_name(kind), json_integer((json_int_t) verdict->kind_count[kind]));
	return out;
}

static void
show_json(const EpsCliVerdict *verdict)
{
	char		root[2 * EPS_HASH_LEN + 1];
	json_t	   *out;

	eps_cli_hex(root, verdict->checkpoint.root.b, EPS_HASH_LEN);
	out = json_pack("{s:b, s:s, s:I, s:s, s:b, s:b, s:o, s:o, s:o}", "good", (int) eps_cli_is_good(verdict),
					"origin", verdict->checkpoint.origin, "size", (json_int_t) verdict->checkpoint.size, "root", root,
					"key_given", (int) verdict->key_given, "openings", (int) verdict->openings,
					"first_bad", seq_or_null(eps_cli_first_bad(verdict)), "kinds", kinds_json(verdict),
					"checks", checks_json(verdict));
	eps_cli_show_json(out);
}

void
eps_cli_show_json(json_t *value)
{
	if (value == NULL || json_dumpf(value, stdout, JSON_INDENT(1)) != 0)
	{
		eps_cli_say("the result cannot be shown as JSON");
		exit(EPS_CLI_TROUBLE);
	}
	putchar('\n');
	json_decref(value);
}

/* --- the command --------------------------------------------------------------------- */

EpsCliExit
eps_cli_command_verify(const EpsCliArgs *args)
{
	EpsCliVerifyOptions options = {.key = args->key,.since = args->since,.public_only = args->public_only,
	.progress = isatty(STDERR_FILENO) == 1};
	EpsCliSource source;
	EpsCliVerdict verdict;

	if (!eps_cli_source(&source, args))
		return EPS_CLI_TROUBLE;
	eps_cli_verify(&verdict, source.dir, &options);
	eps_cli_source_close(&source);
	if (!verdict.readable)
	{
		eps_cli_say("%s", verdict.why);
		return EPS_CLI_TROUBLE;
	}
	if (args->json)
		show_json(&verdict);
	else
		show_text(&verdict);
	return eps_cli_is_good(&verdict) ? EPS_CLI_GOOD : EPS_CLI_BAD;
}
