/*
 * prove.c
 *	  pg_epsilon prove: one entry with all that it takes to check it offline.
 */
#include "cli/cli_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

const char *const eps_cli_field_names[EPS_ENTRY_FIELDS] = {
	"text", "who", "purpose", "mechanism", "price", "charges", "links", "owners"
};

typedef struct Prover
{
	const char *dir;
	EpsCliBuffer note;
	EpsCliTiles tiles;
	EpsCliBuffer bundle;
} Prover;

static bool
read_checkpoint(Prover *p)
{
	uint64_t	size = 0;
	const char *at;

	if (eps_cli_read(&p->note, p->dir, "checkpoint", EPS_NOTE_MAX) != EPS_CLI_READ)
		return false;
	eps_cli_append(&p->note, "", 1);
	p->note.len--;
	at = strchr((const char *) p->note.bytes, '\n');
	for (at = at == NULL ? "" : at + 1; *at >= '0' && *at <= '9' && size <= EPS_TREE_MAX / 16; at++)
		size = 10 * size + (uint64_t) (*at - '0');
	p->tiles.dir = p->dir;
	p->tiles.size = size;
	return *at == '\n' && size > 0;
}

static bool
read_bundle(Prover *p, const uint8_t *at[EPS_CLI_BUNDLE], uint64_t n)
{
	char		path[EPS_CLI_PATH];

	eps_cli_tile_path(path, EPS_TILE_ENTRIES, n, p->tiles.size);
	return eps_cli_read(&p->bundle, p->dir, path, EPS_CLI_BUNDLE_LEN) == EPS_CLI_READ &&
		eps_cli_bundle_read(at, eps_cli_tile_width(0, n, p->tiles.size), p->bundle.bytes, p->bundle.len) == EPS_OK;
}

/* An entry and its inclusion proof. NULL: the export is damaged. */
static json_t *
included(Prover *p, const uint8_t bytes[EPS_ENTRY_LEN], uint64_t seq)
{
	EpsHash		proof[EPS_PROOF_MAX];
	size_t		n;

	if (eps_ledger_inclusion(proof, &n, seq - 1, p->tiles.size, eps_cli_tiles_fetch, &p->tiles) != EPS_OK)
		return NULL;
	return json_pack("{s:o, s:o}", "entry", eps_cli_json_bytes(bytes, EPS_ENTRY_LEN),
					 "inclusion", eps_cli_json_hashes(proof, n));
}

/* All entries that bring keys. NULL: the export is damaged. */
static json_t *
keys_json(Prover *p)
{
	json_t	   *out = json_array();
	const uint8_t *at[EPS_CLI_BUNDLE];

	for (uint64_t n = 0; n * EPS_CLI_BUNDLE < p->tiles.size; n++)
	{
		bool		good = read_bundle(p, at, n);

		for (unsigned i = 0; good && i < eps_cli_tile_width(0, n, p->tiles.size); i++)
			if (at[i][1] == EPS_ENTRY_KEY)
				good = json_array_append_new(out, included(p, at[i], n * EPS_CLI_BUNDLE + i + 1)) == 0;
		if (good)
			continue;
		json_decref(out);
		return NULL;
	}
	return out;
}

/* --- fields ------------------------------------------------------------------------- */

static EpsStatus
fetch_commitment(void *context, EpsHash *out, unsigned level, uint64_t index)
{
	eps_cli_subtree(out, (const EpsHash *) context + (index << level), level);
	return EPS_OK;
}

/* One field with its key and the three hashes beside it. */
static json_t *
field_json(const EpsCliOpenings *o, int which)
{
	EpsHash		leaf[EPS_ENTRY_FIELDS];
	EpsHash		path[EPS_PROOF_MAX];
	uint8_t		key[32];
	size_t		n;

	for (int i = 0; i < EPS_ENTRY_FIELDS; i++)
	{
		EpsHash		commitment;

		eps_ledger_field_key(key, o->r, i);
		eps_ledger_field_commit(&commitment, key, o->field[i]);
		eps_ledger_leaf_hash(&leaf[i], commitment.b, sizeof(commitment.b));
	}
	eps_ledger_field_key(key, o->r, which);
	if (eps_ledger_inclusion(path, &n, (uint64_t) which, EPS_ENTRY_FIELDS, fetch_commitment, leaf) != EPS_OK)
		return NULL;
	return json_pack("{s:o, s:o, s:o}", "bytes", eps_cli_json_bytes(o->field[which].bytes, o->field[which].len),
					 "key", eps_cli_json_bytes(key, sizeof(key)), "path", eps_cli_json_hashes(path, n));
}

/* Is this field in a list like "text,who"? */
static bool
is_listed(const char *list, const char *name)
{
	size_t		len = strlen(name);

	for (const char *at = list; at != NULL; at = strchr(at, ',') == NULL ? NULL : strchr(at, ',') + 1)
		if (strncmp(at, name, len) == 0 && (at[len] == ',' || at[len] == '\0'))
			return true;
	return false;
}

static bool
list_is_known(const char *list)
{
	size_t		found = 0;
	size_t		commas = 0;

	for (int i = 0; i < EPS_ENTRY_FIELDS; i++)
		found += is_listed(list, eps_cli_field_names[i]);
	for (const char *at = list; *at != '\0'; at++)
		commas += *at == ',';
	return found == commas + 1;
}

static json_t *
fields_json(const Prover *p, const EpsEntry *entry, const char *list)
{
	EpsCliOpenings o = {.dir = p->dir,.size = p->tiles.size};
	json_t	   *out = json_object();
	EpsCliOpened opened = list == NULL ? EPS_CLI_OPENED : eps_cli_open_entry(&o, entry);

	for (int i = 0; i < EPS_ENTRY_FIELDS && list != NULL && opened == EPS_CLI_OPENED; i++)
		if (is_listed(list, eps_cli_field_names[i]))
			json_object_set_new(out, eps_cli_field_names[i], field_json(&o, i));
	eps_cli_openings_close(&o);
	eps_cli_free(&o.buffer);
	if (opened == EPS_CLI_OPENED)
		return out;
	eps_cli_say("entry %" PRIu64 " cannot be opened: its opening is %s", entry->seq,
				opened == EPS_CLI_NO_FILE ? "not in this export" : "damaged");
	json_decref(out);
	return NULL;
}

/* --- the command ------------------------------------------------------------------------ */

static json_t *
prove(Prover *p, const EpsCliArgs *args)
{
	const uint8_t *at[EPS_CLI_BUNDLE];
	uint64_t	n = (args->seq - 1) / EPS_CLI_BUNDLE;
	json_t	   *keys;
	json_t	   *fields;
	json_t	   *out;
	EpsEntry	entry;

	if (!read_checkpoint(p) || args->seq > p->tiles.size)
	{
		eps_cli_say("there is no entry %" PRIu64 " in this export", args->seq);
		return NULL;
	}
	keys = keys_json(p);
	out = keys != NULL && read_bundle(p, at, n) ? included(p, at[(args->seq - 1) % EPS_CLI_BUNDLE], args->seq) : NULL;
	if (out == NULL || eps_ledger_entry_read(&entry, at[(args->seq - 1) % EPS_CLI_BUNDLE]) != EPS_OK)
	{
		eps_cli_say("the export is damaged; pg_epsilon fsck says where");
		return NULL;
	}
	fields = fields_json(p, &entry, args->fields);
	if (fields == NULL)
		return NULL;
	json_object_set_new(out, "format", json_string(EPS_CLI_PROOF_FORMAT));
	json_object_set_new(out, "seq", json_integer((json_int_t) args->seq));
	json_object_set_new(out, "fields", fields);
	json_object_set_new(out, "checkpoint", json_stringn((const char *) p->note.bytes, p->note.len));
	json_object_set_new(out, "keys", keys);
	return out;
}

EpsCliExit
eps_cli_put_json(json_t *value, const char *path)
{
	char	   *text;
	bool		good;

	if (path == NULL)
	{
		eps_cli_show_json(value);
		return EPS_CLI_GOOD;
	}
	text = json_dumps(value, JSON_INDENT(1));
	good = text != NULL && eps_cli_replace(path, text, strlen(text), 0600);
	if (!good)
		eps_cli_say("%s cannot be written: %s", path, strerror(errno));
	free(text);
	json_decref(value);
	return good ? EPS_CLI_GOOD : EPS_CLI_TROUBLE;
}

EpsCliExit
eps_cli_command_prove(const EpsCliArgs *args)
{
	Prover		p = {.dir = NULL};
	EpsCliSource source;
	json_t	   *proof;

	if (args->seq == 0 || (args->fields != NULL && !list_is_known(args->fields)))
	{
		eps_cli_say("prove needs --seq=N, and fields of text,who,purpose,mechanism,price,charges,links,owners");
		return EPS_CLI_TROUBLE;
	}
	if (!eps_cli_source(&source, args))
		return EPS_CLI_TROUBLE;
	p.dir = source.dir;
	proof = prove(&p, args);
	eps_cli_free(&p.note);
	eps_cli_free(&p.bundle);
	eps_cli_source_close(&source);
	return proof == NULL ? EPS_CLI_TROUBLE : eps_cli_put_json(proof, args->output);
}
