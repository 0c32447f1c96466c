/*
 * check.c
 *	  pg_epsilon check: a proof of one entry, from the file alone.
 */
#include "cli/cli_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MAX_PROOF ((size_t) 256 * 1024 * 1024)

/* Does this field stand in the entry's commitment? */
static bool
is_committed(const json_t *field, int which, const EpsEntry *entry)
{
	EpsHash		path[EPS_PROOF_MAX];
	EpsHash		commitment;
	EpsHash		leaf;
	uint8_t		key[32];
	uint8_t    *bytes;
	size_t		len;
	size_t		n;

	if (!eps_cli_json_fixed(key, sizeof(key), json_object_get(field, "key")) ||
		!eps_cli_json_proof(path, EPS_PROOF_MAX, &n, json_object_get(field, "path")) ||
		!eps_cli_json_any(&bytes, &len, json_object_get(field, "bytes")))
		return false;
	eps_ledger_field_commit(&commitment, key, (EpsField) {bytes, len});
	free(bytes);
	eps_ledger_leaf_hash(&leaf, commitment.b, sizeof(commitment.b));
	return eps_ledger_check_inclusion(&leaf, (uint64_t) which, EPS_ENTRY_FIELDS, path, n, &entry->fields) == EPS_OK;
}

static const char *
wrong_fields(const json_t *fields, const EpsEntry *entry)
{
	size_t		known = 0;

	if (!json_is_object(fields))
		return "is malformed";
	for (int i = 0; i < EPS_ENTRY_FIELDS; i++)
	{
		const json_t *field = json_object_get(fields, eps_cli_field_names[i]);

		if (field == NULL)
			continue;
		known++;
		if (!is_committed(field, i, entry))
			return "shows a field that the entry did not commit to";
	}
	return known == json_object_size(fields) ? NULL : "shows a field that no entry has";
}

static const char *
wrong_proof(EpsEntry *entry, EpsCheckpoint *checkpoint, const json_t *proof, const char *key, bool *believed)
{
	const char *format = json_string_value(json_object_get(proof, "format"));
	const char *wrong;
	uint64_t	seq;

	if (format == NULL || strcmp(format, EPS_CLI_PROOF_FORMAT) != 0)
		return "is no proof that this program knows";
	wrong = eps_cli_json_checkpoint(checkpoint, proof, key, believed);
	if (wrong == NULL)
		wrong = eps_cli_json_entry(entry, proof, checkpoint);
	if (wrong == NULL && (!eps_cli_json_number(&seq, json_object_get(proof, "seq")) || seq != entry->seq))
		wrong = "names another entry than it holds";
	return wrong != NULL ? wrong : wrong_fields(json_object_get(proof, "fields"), entry);
}

EpsCliExit
eps_cli_check_proof(const char *in, size_t len, const char *key, char why[256])
{
	json_error_t error;
	json_t	   *proof = json_loadb(in, len, JSON_REJECT_DUPLICATES, &error);
	EpsEntry	entry;
	EpsCheckpoint checkpoint;
	bool		believed;
	const char *wrong = proof == NULL ? "is no JSON" : wrong_proof(&entry, &checkpoint, proof, key, &believed);

	json_decref(proof);
	(void) snprintf(why, 256, "%s", wrong == NULL ? "" : wrong);
	return wrong == NULL ? EPS_CLI_GOOD : EPS_CLI_BAD;
}

/* --- showing it ------------------------------------------------------------------------- */

/* Text as text, other bytes in hexadecimal; no control character reaches a terminal. */
static void
show_field(const char *name, const json_t *field)
{
	uint8_t    *bytes;
	size_t		len;
	bool		is_text = true;

	if (!eps_cli_json_any(&bytes, &len, json_object_get(field, "bytes")))
		return;
	for (size_t i = 0; i < len; i++)
		is_text &= bytes[i] == '\n' || bytes[i] == '\t' || (bytes[i] >= ' ' && bytes[i] != 127);
	if (is_text)
		printf("%-11s %.*s\n", name, (int) len, (const char *) bytes);
	else
		printf("%-11s %s (hexadecimal)\n", name, json_string_value(json_object_get(field, "bytes")));
	free(bytes);
}

void
eps_cli_show_entry(const EpsEntry *entry, const EpsCheckpoint *checkpoint)
{
	char		at[32];

	eps_cli_time(at, entry->at);
	printf("ledger      %s\nentry       %" PRIu64 " of %" PRIu64 "\nkind        %s\n", checkpoint->origin, entry->seq,
		   checkpoint->size, eps_ledger_kind_name(entry->kind));
	if (entry->dataset != 0)
		printf("data set    %" PRIu32 "\ntotal       %.6g (delta %.6g) of all releases so far, worst case\n", entry->dataset,
			   eps_cli_units(entry->total_units), eps_cli_units(entry->total_delta_units));
	printf("time        %s\nepoch       %" PRIu64 "\n", at, entry->epoch);
}

static void
show_proof(const EpsEntry *entry, const EpsCheckpoint *checkpoint, const json_t *fields, bool believed)
{
	eps_cli_show_entry(entry, checkpoint);
	for (int i = 0; i < EPS_ENTRY_FIELDS; i++)
	{
		const json_t *field = json_object_get(fields, eps_cli_field_names[i]);

		if (field != NULL)
			show_field(eps_cli_field_names[i], field);
	}
	puts(believed ? "the proof is sound, if its key is this log's: name one that you trust with --key" : "the proof is sound");
}

static EpsCliExit
check(const json_t *proof, const EpsCliArgs *args)
{
	EpsEntry	entry;
	EpsCheckpoint checkpoint;
	bool		believed = false;
	const char *wrong = wrong_proof(&entry, &checkpoint, proof, args->key, &believed);

	if (args->json)
		eps_cli_show_json(json_pack("{s:b, s:s, s:b}", "good", wrong == NULL, "detail", wrong == NULL ? "" : wrong,
									"key_given", args->key != NULL));
	else if (wrong == NULL)
		show_proof(&entry, &checkpoint, json_object_get(proof, "fields"), believed);
	else
		printf("the proof %s\n", wrong);
	return wrong == NULL ? EPS_CLI_GOOD : EPS_CLI_BAD;
}

/* A file of JSON; says why not. */
json_t *
eps_cli_get_json(const char *path)
{
	EpsCliBuffer file = {0};
	json_error_t error;
	json_t	   *out = NULL;

	if (eps_cli_read_path(&file, path, MAX_PROOF) != EPS_CLI_READ)
		eps_cli_say("%s is missing, unreadable or too long", path);
	else if ((out = json_loadb((const char *) file.bytes, file.len, JSON_REJECT_DUPLICATES, &error)) == NULL)
		eps_cli_say("%s is no JSON: %s in line %d", path, error.text, error.line);
	eps_cli_free(&file);
	return out;
}

EpsCliExit
eps_cli_command_check(const EpsCliArgs *args)
{
	json_t	   *proof;
	EpsCliExit	status;

	if (args->npositional != 1)
	{
		eps_cli_say("name the file of a proof");
		return EPS_CLI_TROUBLE;
	}
	proof = eps_cli_get_json(args->positional[0]);
	if (proof == NULL)
		return EPS_CLI_TROUBLE;
	status = check(proof, args);
	json_decref(proof);
	return status;
}
