/*
 * fsck.c
 *	  pg_epsilon fsck: which files of an export are damaged, and what can be rebuilt.
 *
 * Entries and tiles are two copies of the same hashes: whichever gives the signed
 * root is whole, and tells where the other is damaged.
 */
#include "cli/cli_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

typedef struct Fsck
{
	const char *dir;
	EpsCheckpoint checkpoint;
	bool		repair;
	bool		openings;
	bool		entries_good;	/* they give the signed root */
	bool		tiles_good;		/* the tiles of the leaves do */
	EpsCliBuffer file;
	EpsHash		node[EPS_CLI_LEVELS][EPS_CLI_BUNDLE];
	uint64_t	count[EPS_CLI_LEVELS];
	json_t	   *found;
	uint64_t	damaged;
	uint64_t	repaired;
} Fsck;

static void
report(Fsck *f, const char *path, const char *what, bool repaired)
{
	json_array_append_new(f->found, json_pack("{s:s, s:s, s:b}", "file", path, "damage", what, "repaired", (int) repaired));
	f->damaged++;
	f->repaired += repaired;
}

/* --- the two copies ------------------------------------------------------------------- */

/* Leaf hashes of bundle n from its entries. False: they cannot be read. */
static bool
hash_entries(Fsck *f, EpsHash leaf[EPS_CLI_BUNDLE], uint64_t n)
{
	const uint8_t *at[EPS_CLI_BUNDLE];
	char		path[EPS_CLI_PATH];
	unsigned	width = eps_cli_tile_width(0, n, f->checkpoint.size);

	eps_cli_tile_path(path, EPS_TILE_ENTRIES, n, f->checkpoint.size);
	if (eps_cli_read(&f->file, f->dir, path, EPS_CLI_BUNDLE_LEN) != EPS_CLI_READ ||
		eps_cli_bundle_read(at, width, f->file.bytes, f->file.len) != EPS_OK)
		return false;
	for (unsigned i = 0; i < width; i++)
		eps_ledger_leaf_hash(&leaf[i], at[i], EPS_ENTRY_LEN);
	return true;
}

/* The same from the tile. */
static bool
read_tile(Fsck *f, EpsHash leaf[EPS_CLI_BUNDLE], int level, uint64_t n)
{
	char		path[EPS_CLI_PATH];
	unsigned	width = eps_cli_tile_width(level, n, f->checkpoint.size);

	eps_cli_tile_path(path, level, n, f->checkpoint.size);
	if (eps_cli_read(&f->file, f->dir, path, sizeof(EpsHash) * EPS_CLI_BUNDLE) != EPS_CLI_READ ||
		f->file.len != sizeof(EpsHash) * width)
		return false;
	memcpy(leaf, f->file.bytes, f->file.len);
	return true;
}

static bool
gives_root(Fsck *f, bool entries)
{
	EpsFrontier tree;
	EpsHash		leaf[EPS_CLI_BUNDLE];
	EpsHash		root;

	eps_ledger_frontier_init(&tree);
	for (uint64_t n = 0; n * EPS_CLI_BUNDLE < f->checkpoint.size; n++)
	{
		if (entries ? !hash_entries(f, leaf, n) : !read_tile(f, leaf, 0, n))
			return false;
		for (unsigned i = 0; i < eps_cli_tile_width(0, n, f->checkpoint.size); i++)
			eps_ledger_frontier_add(&tree, &leaf[i]);
	}
	eps_ledger_frontier_root(&root, &tree);
	return memcmp(&root, &f->checkpoint.root, sizeof(root)) == 0;
}

/* --- tiles ------------------------------------------------------------------------------ */

static void
check_tile(Fsck *f, int level, uint64_t n, const EpsHash *wanted)
{
	EpsHash		there[EPS_CLI_BUNDLE];
	unsigned	width = eps_cli_tile_width(level, n, f->checkpoint.size);
	char		path[EPS_CLI_PATH];
	char		full[4096];
	bool		repaired = false;

	if (width == 0 || (read_tile(f, there, level, n) && memcmp(there, wanted, sizeof(EpsHash) * width) == 0))
		return;
	eps_cli_tile_path(path, level, n, f->checkpoint.size);
	if (f->repair && snprintf(full, sizeof(full), "%s/%s", f->dir, path) < (int) sizeof(full))
	{
		repaired = (eps_cli_exists(f->dir, path) || eps_cli_write(f->dir, path, "", 0, 0644)) &&
			eps_cli_replace(full, wanted, sizeof(EpsHash) * width, 0644);
		if (!repaired)
			eps_cli_say("%s cannot be written: %s", full, strerror(errno));
	}
	report(f, path, "the tile is not what the entries give", repaired);
}

static void
add_hash(Fsck *f, int level, const EpsHash *hash)
{
	uint64_t	at = f->count[level]++;
	EpsHash		above;

	f->node[level][at % EPS_CLI_BUNDLE] = *hash;
	if (f->count[level] % EPS_CLI_BUNDLE != 0)
		return;
	check_tile(f, level, at / EPS_CLI_BUNDLE, f->node[level]);
	eps_cli_subtree(&above, f->node[level], 8);
	if (level + 1 < EPS_CLI_LEVELS)
		add_hash(f, level + 1, &above);
}

/* All tiles against the copy that gives the signed root. */
static void
check_tiles(Fsck *f)
{
	EpsHash		leaf[EPS_CLI_BUNDLE];

	for (uint64_t n = 0; n * EPS_CLI_BUNDLE < f->checkpoint.size; n++)
	{
		if (f->entries_good ? !hash_entries(f, leaf, n) : !read_tile(f, leaf, 0, n))
			return;
		for (unsigned i = 0; i < eps_cli_tile_width(0, n, f->checkpoint.size); i++)
			add_hash(f, 0, &leaf[i]);
	}
	for (int level = 0; level < EPS_CLI_LEVELS; level++)
		if (f->count[level] % EPS_CLI_BUNDLE != 0)
			check_tile(f, level, f->count[level] / EPS_CLI_BUNDLE, f->node[level]);
}

/* --- entries and openings --------------------------------------------------------------- */

/* Entries whose hash is not that of the tile; where neither copy gives the root,
 * one of the two is wrong. */
static void
check_bundle(Fsck *f, uint64_t n)
{
	EpsHash		leaf[EPS_CLI_BUNDLE];
	EpsHash		tile[EPS_CLI_BUNDLE];
	unsigned	width = eps_cli_tile_width(0, n, f->checkpoint.size);
	char		path[EPS_CLI_PATH];
	char		what[128];

	eps_cli_tile_path(path, EPS_TILE_ENTRIES, n, f->checkpoint.size);
	if (!hash_entries(f, leaf, n))
	{
		report(f, path, "the bundle is missing or malformed", false);
		return;
	}
	if (!read_tile(f, tile, 0, n))
		return;
	for (unsigned i = 0; i < width; i++)
	{
		if (memcmp(&leaf[i], &tile[i], sizeof(EpsHash)) == 0)
			continue;
		(void) snprintf(what, sizeof(what), f->tiles_good ? "entry %" PRIu64 " is damaged" :
						"entry %" PRIu64 " or its hash in the tile is damaged", n * EPS_CLI_BUNDLE + i + 1);
		report(f, path, what, false);
		return;
	}
}

/* What is wrong with the openings of bundle n, whose entries are whole. */
static void
check_openings(Fsck *f, EpsCliOpenings *o, uint64_t n)
{
	const uint8_t *at[EPS_CLI_BUNDLE];
	unsigned	width = eps_cli_tile_width(0, n, f->checkpoint.size);
	char		path[EPS_CLI_PATH];
	char		what[128];

	eps_cli_tile_path(path, EPS_TILE_ENTRIES, n, f->checkpoint.size);
	if (eps_cli_read(&f->file, f->dir, path, EPS_CLI_BUNDLE_LEN) != EPS_CLI_READ ||
		eps_cli_bundle_read(at, width, f->file.bytes, f->file.len) != EPS_OK)
		return;
	eps_cli_openings_path(path, n, f->checkpoint.size);
	for (unsigned i = 0; i < width; i++)
	{
		EpsEntry	entry;
		EpsCliOpened opened;

		if (eps_ledger_entry_read(&entry, at[i]) != EPS_OK || entry.seq != n * EPS_CLI_BUNDLE + i + 1)
			return;
		opened = eps_cli_open_entry(o, &entry);
		if (opened == EPS_CLI_OPENED && (i + 1 < width || eps_cli_openings_ended(o)))
			continue;
		(void) snprintf(what, sizeof(what), opened == EPS_CLI_NO_FILE ? "the openings from entry %" PRIu64 " on are missing" :
						"the opening of entry %" PRIu64 " is damaged", entry.seq);
		report(f, path, what, false);
		return;
	}
}

static bool
visit_file(void *context, const char *path)
{
	Fsck	   *f = context;

	if (!eps_cli_is_expected(path, f->checkpoint.size, f->openings))
		report(f, path, "no export of this size has this file", false);
	return true;
}

/* --- the whole ----------------------------------------------------------------------------- */

static void
look(Fsck *f)
{
	char		path[EPS_CLI_PATH];
	EpsCliOpenings o = {.dir = f->dir,.size = f->checkpoint.size};

	f->entries_good = gives_root(f, true);
	f->tiles_good = gives_root(f, false);
	f->repair = f->repair && f->entries_good;
	if (f->entries_good || f->tiles_good)
		check_tiles(f);
	for (uint64_t n = 0; n * EPS_CLI_BUNDLE < f->checkpoint.size; n++)
	{
		if (!f->entries_good)
			check_bundle(f, n);
		if (f->openings)
			check_openings(f, &o, n);
	}
	eps_cli_openings_close(&o);
	eps_cli_free(&o.buffer);
	if (!eps_cli_each_file(f->dir, visit_file, f, path))
		report(f, path, "no plain file, or unreadable", false);
	if (!f->entries_good && !f->tiles_good && f->damaged == 0)
		report(f, "checkpoint", "entries and tiles agree, but not with the signed root", false);
}

/* Size and root, which everything else hangs on, from a checkpoint that the file
 * "key" vouches for. */
static bool
read_checkpoint(Fsck *f, EpsCliVerdict *verdict)
{
	EpsCliVerifier v = {.verdict = verdict,.dir = f->dir};

	memset(verdict, 0, sizeof(*verdict));
	if (!eps_cli_checkpoint_size(&v))
		return false;
	f->checkpoint = verdict->checkpoint;
	return !eps_cli_failed(&v, EPS_CLI_CHECKPOINT) && !eps_cli_failed(&v, EPS_CLI_KEYS) && !eps_cli_failed(&v, EPS_CLI_FILES);
}

static void
show(const Fsck *f)
{
	const json_t *one;
	size_t		i;

	json_array_foreach(f->found, i, one)
		printf("%-30s %s%s\n", json_string_value(json_object_get(one, "file")), json_string_value(json_object_get(one, "damage")),
			   json_is_true(json_object_get(one, "repaired")) ? "; rebuilt" :
			   f->entries_good && strncmp(json_string_value(json_object_get(one, "file")), "tile/", 5) == 0 ?
			   "; --repair rebuilds it" : "");
	if (f->damaged == 0)
		puts("no damage found");
	else
		printf("%" PRIu64 " damaged, %" PRIu64 " rebuilt; what is left must come from another copy\n", f->damaged, f->repaired);
}

EpsCliExit
eps_cli_command_fsck(const EpsCliArgs *args)
{
	Fsck	   *f;
	EpsCliVerdict verdict;
	EpsCliExit	status;

	if (args->npositional != 1)
	{
		eps_cli_say("name the folder of an export");
		return EPS_CLI_TROUBLE;
	}
	f = eps_cli_alloc(sizeof(Fsck));
	f->dir = args->positional[0];
	f->repair = args->repair;
	f->openings = eps_cli_exists(f->dir, "auditor");
	f->found = json_array();
	if (read_checkpoint(f, &verdict))
		look(f);
	else
		report(f, eps_cli_exists(f->dir, "key") ? "checkpoint" : "key", "checkpoint and key do not go together, or are damaged", false);
	if (args->json)
		eps_cli_show_json(json_pack("{s:b, s:I, s:I, s:O}", "good", f->damaged == f->repaired, "damaged", (json_int_t) f->damaged,
									"repaired", (json_int_t) f->repaired, "files", f->found));
	else
		show(f);
	status = f->damaged == f->repaired ? EPS_CLI_GOOD : EPS_CLI_BAD;
	json_decref(f->found);
	eps_cli_free(&f->file);
	free(f);
	return status;
}
