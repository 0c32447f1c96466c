/*
 * witness.c
 *	  pg_epsilon witness: remembers the last checkpoint of each log that it saw, and
 *	  cosigns a log while it only grows (C2SP tlog-witness, tlog-cosignature).
 *
 * What it saw is on disk before it answers, and one run at a time holds the state:
 * otherwise two runs could be told two stories.
 */
#include "cli/cli_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#define STATE_MAX ((size_t) 16 * 1024 * 1024)

/* What C2SP tlog-witness answers with. */
enum
{
	ANSWER_COSIGNED = 200,
	ANSWER_UNSIGNED = 403,		/* by no key of this log */
	ANSWER_CONFLICT = 409,		/* rollback, or another root at the same size */
	ANSWER_UNPROVEN = 422		/* the consistency proof is missing or wrong */
};

typedef struct Witness
{
	json_t	   *state;
	char		name[128];
	uint8_t		secret[EPS_SIGN_SECRET_LEN];
	const char *dir;
	EpsCliBuffer note;
	char		origin[128];
	uint8_t		id[EPS_LEDGER_ID_LEN];
	EpsCheckpoint now;
	uint8_t		key[EPS_SIGN_PUBLIC_LEN];	/* that signed it */
	bool		seen;
	EpsCheckpoint before;
	char		why[256];
} Witness;

/* --- state --------------------------------------------------------------------------- */

/* Holds the state alone until the program ends. -1: somebody else does. */
static int
lock_state(const char *path)
{
	char		lock[4096];
	int			fd;

	if (snprintf(lock, sizeof(lock), "%s.lock", path) >= (int) sizeof(lock))
		return -1;
	fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
		return fd;
	eps_cli_say("%s: %s", lock, fd < 0 ? strerror(errno) : "another witness is at work");
	if (fd >= 0)
		(void) close(fd);
	return -1;
}

static bool
save_state(const Witness *w, const char *path)
{
	char	   *text = json_dumps(w->state, JSON_INDENT(1));
	bool		good = text != NULL && eps_cli_replace(path, text, strlen(text), 0600);

	if (!good)
		eps_cli_say("%s cannot be written: %s", path, strerror(errno));
	if (text != NULL)
		eps_base_wipe(text, strlen(text));
	free(text);
	return good;
}

static bool
load_state(Witness *w, const char *path)
{
	const char *name;
	uint8_t		seed[EPS_SIGN_SEED_LEN];
	uint8_t		key[EPS_SIGN_PUBLIC_LEN];

	w->state = eps_cli_get_json(path);
	if (w->state == NULL)
		return false;
	name = json_string_value(json_object_get(w->state, "name"));
	if (name == NULL || strlen(name) >= sizeof(w->name) || !json_is_object(json_object_get(w->state, "logs")) ||
		!eps_cli_json_fixed(seed, sizeof(seed), json_object_get(w->state, "seed")))
	{
		eps_cli_say("%s is no state of a witness", path);
		return false;
	}
	strcpy(w->name, name);
	eps_crypto_sign_seed(key, w->secret, seed);
	eps_base_wipe(seed, sizeof(seed));
	return true;
}

static EpsCliExit
init(const EpsCliArgs *args)
{
	Witness		w = {.state = NULL};
	uint8_t		seed[EPS_SIGN_SEED_LEN];
	uint8_t		key[EPS_SIGN_PUBLIC_LEN];
	char		vkey[256];
	bool		good;

	if (args->name == NULL || args->npositional > 1)
	{
		eps_cli_say("witness init needs --state and --name");
		return EPS_CLI_TROUBLE;
	}
	if (eps_cli_exists(".", args->state) || access(args->state, F_OK) == 0)
	{
		eps_cli_say("%s exists", args->state);
		return EPS_CLI_TROUBLE;
	}
	if (eps_crypto_random(seed, sizeof(seed)) != EPS_OK)
		return EPS_CLI_TROUBLE;
	eps_crypto_sign_seed(key, w.secret, seed);
	if (eps_ledger_cosigner_vkey_write(vkey, args->name, key) != EPS_OK)
	{
		eps_cli_say("%s can be no witness's name: it must have no space and no plus", args->name);
		return EPS_CLI_TROUBLE;
	}
	w.state = json_pack("{s:s, s:s, s:o, s:{}}", "name", args->name, "key", vkey,
						"seed", eps_cli_json_bytes(seed, sizeof(seed)), "logs");
	eps_base_wipe(seed, sizeof(seed));
	good = save_state(&w, args->state);
	json_decref(w.state);
	if (good)
		puts(vkey);
	return good ? EPS_CLI_GOOD : EPS_CLI_TROUBLE;
}

/* --- the log's key -------------------------------------------------------------------- */

/* Follows the keys that came after the last checkpoint (or from the beginning, the
 * first time), each signed by the one before. */
typedef struct KeyWalk
{
	Witness    *w;
	EpsCliTiles tiles;
	bool		reached;		/* the trusted key */
	bool		unproven;		/* a key entry that does not stand in the log, or cannot be read */
} KeyWalk;

static bool
take_key(KeyWalk *walk, const EpsEntry *entry, const uint8_t *bytes)
{
	Witness    *w = walk->w;
	EpsKeyBody	body;
	uint8_t		statement[EPS_KEY_STATEMENT_LEN];
	EpsHash		proof[EPS_PROOF_MAX];
	EpsHash		leaf;
	size_t		n;

	eps_ledger_key_read(&body, entry->body);
	if (!walk->reached)
	{
		walk->reached = memcmp(body.key, w->key, sizeof(w->key)) == 0;
		return true;
	}
	eps_ledger_key_statement(statement, w->id, entry->seq, body.key);
	eps_ledger_leaf_hash(&leaf, bytes, EPS_ENTRY_LEN);
	if (eps_crypto_sign_check(body.by_new, statement, sizeof(statement), body.key) != EPS_OK ||
		eps_crypto_sign_check(body.by_old, statement, sizeof(statement), w->key) != EPS_OK)
		return false;
	walk->unproven = eps_ledger_inclusion(proof, &n, entry->seq - 1, w->now.size, eps_cli_tiles_fetch, &walk->tiles) != EPS_OK ||
		eps_ledger_check_inclusion(&leaf, entry->seq - 1, w->now.size, proof, n, &w->now.root) != EPS_OK;
	memcpy(w->key, body.key, sizeof(w->key));
	return !walk->unproven;
}

static bool
walk_keys(KeyWalk *walk, uint64_t from)
{
	EpsCliBuffer bundle = {0};
	const uint8_t *at[EPS_CLI_BUNDLE];
	uint64_t	size = walk->w->now.size;
	bool		good = true;

	for (uint64_t n = from / EPS_CLI_BUNDLE; good && n * EPS_CLI_BUNDLE < size; n++)
	{
		char		path[EPS_CLI_PATH];
		unsigned	width = eps_cli_tile_width(0, n, size);

		eps_cli_tile_path(path, EPS_TILE_ENTRIES, n, size);
		good = eps_cli_read(&bundle, walk->w->dir, path, EPS_CLI_BUNDLE_LEN) == EPS_CLI_READ &&
			eps_cli_bundle_read(at, width, bundle.bytes, bundle.len) == EPS_OK;
		walk->unproven = !good;
		for (unsigned i = 0; good && i < width; i++)
		{
			EpsEntry	entry;

			if (n * EPS_CLI_BUNDLE + i < from || at[i][1] != EPS_ENTRY_KEY)
				continue;
			good = eps_ledger_entry_read(&entry, at[i]) == EPS_OK && entry.seq == n * EPS_CLI_BUNDLE + i + 1 &&
				take_key(walk, &entry, at[i]);
		}
	}
	eps_cli_free(&bundle);
	return good;
}

/* The newest key that the log's own file names: believed only where the keys that
 * follow from the trusted one lead to it. */
static bool
read_newest(Witness *w, uint8_t key[EPS_SIGN_PUBLIC_LEN])
{
	EpsCliBuffer file = {0};
	const char *line = NULL;
	char		name[128];
	bool		good = false;

	if (eps_cli_read(&file, w->dir, "key", STATE_MAX) == EPS_CLI_READ && file.len > 1 && file.bytes[file.len - 1] == '\n')
	{
		file.bytes[file.len - 1] = '\0';
		line = strrchr((const char *) file.bytes, '\n');
		line = line == NULL ? (const char *) file.bytes : line + 1;
		good = eps_ledger_vkey_read(name, key, line, strlen(line)) == EPS_OK && strcmp(name, w->origin) == 0;
	}
	eps_cli_free(&file);
	return good;
}

/* The checkpoint under the trusted key, or one that follows from it. */
static int
read_signed(Witness *w, uint64_t from)
{
	KeyWalk		walk = {.w = w,.reached = w->seen};
	uint8_t		newest[EPS_SIGN_PUBLIC_LEN];
	const char *note = (const char *) w->note.bytes;

	if (eps_ledger_checkpoint_read(&w->now, note, w->note.len, w->origin, w->key) == EPS_OK)
		return ANSWER_COSIGNED;
	if (!read_newest(w, newest) ||
		eps_ledger_checkpoint_read(&w->now, note, w->note.len, w->origin, newest) != EPS_OK)
		return ANSWER_UNSIGNED;
	walk.tiles = (EpsCliTiles) {.dir = w->dir,.size = w->now.size};
	if (!walk_keys(&walk, from))
		return walk.unproven ? ANSWER_UNPROVEN : ANSWER_UNSIGNED;
	return walk.reached && memcmp(w->key, newest, sizeof(newest)) == 0 ? ANSWER_COSIGNED : ANSWER_UNSIGNED;
}

/* --- comparing --------------------------------------------------------------------------- */

/* What is remembered of this log; the first time --key says whom to believe. */
static bool
recall(Witness *w, const EpsCliArgs *args)
{
	const json_t *log = json_object_get(json_object_get(w->state, "logs"), w->origin);
	const char *vkey = log == NULL ? args->key : json_string_value(json_object_get(log, "key"));
	const char *note = json_string_value(json_object_get(log, "checkpoint"));
	char		name[128];

	if (vkey == NULL || eps_ledger_vkey_read(name, w->key, vkey, strlen(vkey)) != EPS_OK || strcmp(name, w->origin) != 0)
	{
		eps_cli_say(log == NULL ? "this log is new to the witness: name its verifier key with --key" : "the state is damaged");
		return false;
	}
	w->seen = log != NULL;
	if (!w->seen)
		return true;
	if (note != NULL && eps_ledger_checkpoint_read(&w->before, note, strlen(note), w->origin, w->key) == EPS_OK)
		return true;
	eps_cli_say("the state is damaged");
	return false;
}

static int
compare(Witness *w)
{
	EpsCliTiles tiles = {.dir = w->dir,.size = w->now.size};
	EpsHash		proof[EPS_PROOF_MAX];
	size_t		n;

	if (!w->seen)
		return ANSWER_COSIGNED;
	if (w->now.size < w->before.size)
	{
		(void) snprintf(w->why, sizeof(w->why), "the log has %" PRIu64 " entries, and had %" PRIu64 ": rollback", w->now.size,
						w->before.size);
		return ANSWER_CONFLICT;
	}
	if (w->now.size == w->before.size)
	{
		if (memcmp(&w->now.root, &w->before.root, sizeof(EpsHash)) == 0)
			return ANSWER_COSIGNED;
		(void) snprintf(w->why, sizeof(w->why), "the log has another root at the same size: fork");
		return ANSWER_CONFLICT;
	}
	if (eps_ledger_consistency(proof, &n, w->before.size, w->now.size, eps_cli_tiles_fetch, &tiles) != EPS_OK)
	{
		(void) snprintf(w->why, sizeof(w->why), "the tiles that prove it are missing or damaged");
		return ANSWER_UNPROVEN;
	}
	if (eps_ledger_check_consistency(w->before.size, w->now.size, proof, n, &w->before.root, &w->now.root) == EPS_OK)
		return ANSWER_COSIGNED;
	(void) snprintf(w->why, sizeof(w->why), "the log does not continue the one of entry %" PRIu64 ": fork, or damage", w->before.size);
	return ANSWER_UNPROVEN;
}

static bool
remember(Witness *w, const char *path)
{
	char		vkey[256];

	if (eps_ledger_vkey_write(vkey, w->origin, w->key) != EPS_OK)
		return false;
	json_object_set_new(json_object_get(w->state, "logs"), w->origin,
						json_pack("{s:s, s:s#}", "key", vkey, "checkpoint", (const char *) w->note.bytes, (int) w->note.len));
	return save_state(w, path);
}

/* --- answering --------------------------------------------------------------------------- */

static int
look(Witness *w)
{
	int			status = read_signed(w, w->seen ? w->before.size : 0);

	if (status == ANSWER_UNSIGNED)
		(void) snprintf(w->why, sizeof(w->why), "the checkpoint is not signed by a key that follows from the trusted one");
	else if (status == ANSWER_UNPROVEN)
		(void) snprintf(w->why, sizeof(w->why), "the entries or tiles that prove its key are missing or damaged");
	return status == ANSWER_COSIGNED ? compare(w) : status;
}

static EpsCliExit
answer(Witness *w, int status, const EpsCliArgs *args)
{
	char		line[EPS_COSIGNATURE_MAX];
	size_t		n = 0;

	if (status == ANSWER_COSIGNED &&
		(!remember(w, args->state) ||
		 eps_ledger_cosign(line, &n, (const char *) w->note.bytes, w->note.len, w->name, w->secret, (uint64_t) time(NULL)) != EPS_OK))
		return EPS_CLI_TROUBLE;
	if (args->json)
		eps_cli_show_json(json_pack("{s:i, s:s, s:I, s:I, s:s#, s:s}", "status", status, "origin", w->origin,
									"size", (json_int_t) w->now.size, "size_before", (json_int_t) (w->seen ? w->before.size : 0),
									"cosignature", line, (int) n, "detail", w->why));
	else if (status == ANSWER_COSIGNED)
		printf("%.*s%.*s", (int) w->note.len, (const char *) w->note.bytes, (int) n, line);
	else
		eps_cli_say("not cosigned: %s", w->why);
	switch (status)
	{
		case ANSWER_COSIGNED:
			return EPS_CLI_GOOD;
		case ANSWER_CONFLICT:
			return EPS_CLI_CONFLICT;
		case ANSWER_UNPROVEN:
			return EPS_CLI_UNPROVEN;
		default:
			return EPS_CLI_BAD;
	}
}

static EpsCliExit
witness(Witness *w, const EpsCliArgs *args)
{
	if (!load_state(w, args->state))
		return EPS_CLI_TROUBLE;
	if (eps_cli_read(&w->note, w->dir, "checkpoint", EPS_NOTE_MAX) != EPS_CLI_READ)
	{
		eps_cli_say("%s holds no checkpoint", w->dir);
		return EPS_CLI_TROUBLE;
	}
	eps_cli_append(&w->note, "", 1);
	w->note.len--;
	if (!eps_cli_origin_of(w->origin, w->id, (const char *) w->note.bytes))
	{
		eps_cli_say("%s is no log of this kind", w->dir);
		return EPS_CLI_TROUBLE;
	}
	return recall(w, args) ? answer(w, look(w), args) : EPS_CLI_TROUBLE;
}

EpsCliExit
eps_cli_command_witness(const EpsCliArgs *args)
{
	Witness		w = {.state = NULL};
	EpsCliArgs	own = *args;
	EpsCliSource source;
	EpsCliExit	status = EPS_CLI_TROUBLE;
	int			lock;

	if (args->state == NULL)
	{
		eps_cli_say("witness needs --state");
		return EPS_CLI_TROUBLE;
	}
	lock = lock_state(args->state);
	if (lock < 0)
		return EPS_CLI_TROUBLE;
	own.public_only = true;
	if (args->npositional > 0 && strcmp(args->positional[0], "init") == 0)
		status = init(args);
	else if (eps_cli_source(&source, &own))
	{
		w.dir = source.dir;
		status = witness(&w, args);
		eps_cli_source_close(&source);
	}
	eps_base_wipe(w.secret, sizeof(w.secret));
	eps_cli_free(&w.note);
	json_decref(w.state);
	(void) close(lock);
	return status;
}
