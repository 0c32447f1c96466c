/*
 * keys.c
 *	  The log's keys, each signed by the one before, and the checkpoint that the
 *	  newest one signs.
 */
#include "cli/cli_internal.h"

#include "core/crypto/crypto.h"

#include <inttypes.h>
#include <string.h>

#define MAX_KEY_FILE ((size_t) 1024 * 1024)

/* --- key entries ----------------------------------------------------------------- */

static void
remember_key(EpsCliVerifier *v, const uint8_t *key)
{
	v->key = eps_cli_grow(v->key, (v->nkeys + 1) * sizeof(*v->key));
	memcpy(v->key[v->nkeys++], key, EPS_SIGN_PUBLIC_LEN);
}

/* False where the chain of keys breaks. */
bool
eps_cli_key_entry(EpsCliVerifier *v, const EpsEntry *entry)
{
	static const uint8_t none[EPS_SIGN_LEN] = {0};
	uint8_t		statement[EPS_KEY_STATEMENT_LEN];
	EpsKeyBody	body;
	bool		good;

	eps_ledger_key_read(&body, entry->body);
	eps_ledger_key_statement(statement, v->id, entry->seq, body.key);
	good = eps_crypto_sign_check(body.by_new, statement, sizeof(statement), body.key) == EPS_OK;
	if (v->nkeys == 0)
		good = good && memcmp(body.by_old, none, sizeof(none)) == 0;
	else
		good = good && eps_crypto_sign_check(body.by_old, statement, sizeof(statement), v->key[v->nkeys - 1]) == EPS_OK;
	v->verdict->result[EPS_CLI_KEYS].checked++;
	if (!good)
		eps_cli_fail(v, EPS_CLI_KEYS, entry->seq, "entry %" PRIu64 " brings a key that the key before it did not sign",
					 entry->seq);
	remember_key(v, body.key);
	return good;
}

/* --- the file of keys --------------------------------------------------------------- */

/* Takes the next line of at..end, without its newline. False at the end, or where
 * the last line has none. */
static bool
next_line(const char **at, const char *end, const char **line, size_t *len)
{
	const char *newline = *at < end ? memchr(*at, '\n', (size_t) (end - *at)) : NULL;

	if (newline == NULL)
		return false;
	*line = *at;
	*len = (size_t) (newline - *at);
	*at = newline + 1;
	return true;
}

static bool
read_key_file(EpsCliVerifier *v, EpsCliBuffer *file)
{
	EpsCliRead	result = eps_cli_read(file, v->dir, "key", MAX_KEY_FILE);

	if (result == EPS_CLI_READ && file->len > 0)
		return true;
	eps_cli_fail(v, EPS_CLI_FILES, 0, "key is %s", result == EPS_CLI_MISSING ? "missing" : "unreadable or empty");
	return false;
}

/* The name and the last key of the file. */
static bool
last_of_file(EpsCliVerifier *v, const EpsCliBuffer *file, uint8_t key[EPS_SIGN_PUBLIC_LEN])
{
	const char *at = (const char *) file->bytes;
	const char *end = at + file->len;
	const char *line;
	size_t		len;

	v->origin[0] = '\0';
	while (next_line(&at, end, &line, &len))
	{
		char		name[128];

		if (eps_ledger_vkey_read(name, key, line, len) != EPS_OK ||
			(v->origin[0] != '\0' && strcmp(name, v->origin) != 0))
			return false;
		memcpy(v->origin, name, sizeof(name));
	}
	return at == end;
}

/* The ledger id that an origin names. */
static bool
read_origin(EpsCliVerifier *v)
{
	static const char prefix[] = "pg_epsilon/";
	size_t		len = sizeof(prefix) - 1;

	return strncmp(v->origin, prefix, len) == 0 && eps_cli_unhex(v->id, sizeof(v->id), v->origin + len);
}

/* The file must hold exactly the keys of the entries, oldest first. */
static void
compare_key_file(EpsCliVerifier *v)
{
	EpsCliBuffer file = {0};
	EpsCliBuffer wanted = {0};

	for (unsigned i = 0; i < v->nkeys; i++)
	{
		char		line[256];

		if (eps_ledger_vkey_write(line, v->origin, v->key[i]) == EPS_OK)
			eps_cli_append(&wanted, line, strlen(line));
		eps_cli_append(&wanted, "\n", 1);
	}
	if (read_key_file(v, &file) && (file.len != wanted.len || memcmp(file.bytes, wanted.bytes, file.len) != 0))
		eps_cli_fail(v, EPS_CLI_KEYS, v->first_key_seq, "the file \"key\" does not hold the keys of the entries, oldest first");
	eps_cli_free(&file);
	eps_cli_free(&wanted);
}

static void
compare_given_key(EpsCliVerifier *v)
{
	char		name[128];
	uint8_t		key[EPS_SIGN_PUBLIC_LEN];
	const char *given = v->options->key;

	if (given == NULL)
		return;
	if (eps_ledger_vkey_read(name, key, given, strlen(given)) != EPS_OK)
	{
		eps_cli_fail(v, EPS_CLI_KEYS, 0, "the key given is no verifier key (name+hash+base64)");
		return;
	}
	for (unsigned i = 0; i < v->nkeys; i++)
		if (strcmp(name, v->origin) == 0 && memcmp(key, v->key[i], sizeof(key)) == 0)
			return;
	eps_cli_fail(v, EPS_CLI_KEYS, v->first_key_seq, "the key given is none of this log");
}

/* --- the checkpoint ------------------------------------------------------------------- */

/* Size and root of a checkpoint whose signature is wrong: the entries are looked at
 * all the same, so that a bad one is named. */
static bool
read_unsigned(EpsCheckpoint *out, const EpsCliBuffer *note)
{
	const char *at = (const char *) note->bytes;
	const char *end = at + note->len;
	const char *line[3];
	size_t		len[3];
	size_t		n;

	memset(out, 0, sizeof(*out));
	for (int i = 0; i < 3; i++)
		if (!next_line(&at, end, &line[i], &len[i]))
			return false;
	for (size_t i = 0; i < len[1]; i++)
	{
		if (line[1][i] < '0' || line[1][i] > '9' || out->size > UINT64_MAX / 100)
			return false;
		out->size = out->size * 10 + (uint64_t) (line[1][i] - '0');
	}
	return eps_cli_unbase64(out->root.b, sizeof(out->root.b), &n, line[2], len[2]) && n == sizeof(out->root.b);
}

static bool
read_checkpoint(EpsCliVerifier *v, const uint8_t key[EPS_SIGN_PUBLIC_LEN])
{
	EpsCliBuffer note = {0};
	EpsCheckpoint *checkpoint = &v->verdict->checkpoint;
	EpsCliRead	result = eps_cli_read(&note, v->dir, "checkpoint", EPS_NOTE_MAX);
	EpsStatus	status = EPS_E_FORMAT;
	bool		sized = false;

	v->verdict->result[EPS_CLI_CHECKPOINT].checked++;
	if (result == EPS_CLI_READ)
		status = eps_ledger_checkpoint_read(checkpoint, (const char *) note.bytes, note.len, v->origin, key);
	if (status == EPS_OK && strcmp(checkpoint->origin, v->origin) != 0)
		status = EPS_E_FORMAT;
	if (result == EPS_CLI_MISSING)
		eps_cli_fail(v, EPS_CLI_FILES, 0, "checkpoint is missing");
	else if (status == EPS_E_AUTH)
		eps_cli_fail(v, EPS_CLI_CHECKPOINT, 0, "the checkpoint is not signed by the newest key of the file \"key\"");
	else if (status != EPS_OK)
		eps_cli_fail(v, EPS_CLI_CHECKPOINT, 0, "the checkpoint is malformed");
	sized = status == EPS_OK || (result == EPS_CLI_READ && read_unsigned(checkpoint, &note));
	eps_cli_free(&note);
	return sized;
}

/* Reads what the rest hangs on. False: there is no size to go by. */
bool
eps_cli_checkpoint_size(EpsCliVerifier *v)
{
	EpsCliBuffer file = {0};
	uint8_t		key[EPS_SIGN_PUBLIC_LEN] = {0};
	bool		good;

	good = read_key_file(v, &file);
	if (good && (!last_of_file(v, &file, key) || !read_origin(v)))
		eps_cli_fail(v, EPS_CLI_KEYS, 0, "the file \"key\" is malformed");
	eps_cli_free(&file);
	return read_checkpoint(v, key);
}

/* An earlier checkpoint, signed by any key of the file: it is checked against the
 * entries later. */
bool
eps_cli_since_read(EpsCliVerifier *v, const EpsCliBuffer *note)
{
	EpsCliBuffer file = {0};
	const char *at;
	const char *end;
	const char *line;
	size_t		len;
	bool		good = false;

	if (read_key_file(v, &file))
	{
		at = (const char *) file.bytes;
		end = at + file.len;
		while (!good && next_line(&at, end, &line, &len))
		{
			char		name[128];
			uint8_t		key[EPS_SIGN_PUBLIC_LEN];

			good = eps_ledger_vkey_read(name, key, line, len) == EPS_OK &&
				eps_ledger_checkpoint_read(&v->since, (const char *) note->bytes, note->len, name, key) == EPS_OK &&
				strcmp(v->since.origin, v->origin) == 0 && v->since.size > 0;
		}
	}
	eps_cli_free(&file);
	return good;
}

/* The totals that the checkpoint names must be those of the entries. */
static void
compare_totals(EpsCliVerifier *v)
{
	const EpsCheckpoint *checkpoint = &v->verdict->checkpoint;
	unsigned	n = 0;

	for (unsigned i = 0; i < v->ndatasets; i++)
	{
		const EpsCliDataset *d = &v->datasets[i];
		bool		found = false;

		if (d->releases == 0)
			continue;
		n++;
		for (unsigned j = 0; j < checkpoint->ntotals; j++)
			found |= checkpoint->total[j].dataset == d->number && checkpoint->total[j].units == d->total &&
				checkpoint->total[j].delta_units == d->total_delta;
		if (!found)
			eps_cli_fail(v, EPS_CLI_CHECKPOINT, 0, "the checkpoint has another total than the entries for data set %" PRIu32,
						 d->number);
	}
	if (n != checkpoint->ntotals)
		eps_cli_fail(v, EPS_CLI_CHECKPOINT, 0, "the checkpoint names %u data sets with releases, the entries %u",
					 checkpoint->ntotals, n);
}

/* After the last entry. */
void
eps_cli_checkpoint_end(EpsCliVerifier *v)
{
	if (v->stopped)
		return;
	if (v->nkeys == 0)
	{
		eps_cli_fail(v, EPS_CLI_KEYS, 0, "no entry brings a key");
		return;
	}
	compare_key_file(v);
	compare_given_key(v);
	if (!eps_cli_failed(v, EPS_CLI_CHECKPOINT))
		compare_totals(v);
}
