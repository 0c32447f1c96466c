/*
 * tree.c
 *	  Recomputes the tree while entries come in, and compares each tile of the
 *	  export with it.
 */
#include "cli/cli_internal.h"

#include <inttypes.h>
#include <string.h>

/* First entry below hash i of tile n of a level. */
static uint64_t
first_seq(int level, uint64_t n, unsigned i)
{
	return ((n * EPS_CLI_BUNDLE + i) << (8 * level)) + 1;
}

/* Where entries are altered and the tiles are not (or the other way round), the
 * first difference names the entry; levels above the leaves only a range. */
static void
compare_tile(EpsCliVerifier *v, int level, uint64_t n, unsigned width)
{
	char		path[EPS_CLI_PATH];
	EpsCliRead	result;

	eps_cli_tile_path(path, level, n, v->verdict->checkpoint.size);
	result = eps_cli_read(&v->tile, v->dir, path, sizeof(EpsHash) * EPS_CLI_BUNDLE);
	if (result != EPS_CLI_READ || v->tile.len != sizeof(EpsHash) * width)
	{
		eps_cli_fail(v, EPS_CLI_FILES, 0, "%s is %s", path,
					 result == EPS_CLI_MISSING ? "missing" : result == EPS_CLI_UNREADABLE ? "unreadable" : "of a wrong length");
		return;
	}
	if (memcmp(v->tile.bytes, v->node[level], v->tile.len) == 0)
		return;
	for (unsigned i = 0; i < width; i++)
	{
		uint64_t	seq = first_seq(level, n, i);

		if (memcmp(v->tile.bytes + sizeof(EpsHash) * i, &v->node[level][i], sizeof(EpsHash)) == 0)
			continue;
		if (v->tile_seq == 0 || level < v->tile_level || (level == v->tile_level && seq < v->tile_seq))
		{
			v->tile_seq = seq;
			v->tile_level = level;
			memcpy(v->tile_path, path, sizeof(path));
		}
		return;
	}
}

static void
add(EpsCliVerifier *v, int level, const EpsHash *hash)
{
	EpsHash		above;
	uint64_t	at = v->count[level]++;

	v->node[level][at % EPS_CLI_BUNDLE] = *hash;
	if (v->count[level] % EPS_CLI_BUNDLE != 0)
		return;
	compare_tile(v, level, at / EPS_CLI_BUNDLE, EPS_CLI_BUNDLE);
	eps_cli_subtree(&above, v->node[level], 8);
	if (level + 1 < EPS_CLI_LEVELS)
		add(v, level + 1, &above);
}

/* Asked for what hangs at the right edge only. */
static EpsStatus
fetch(void *context, EpsHash *out, unsigned level, uint64_t index)
{
	const EpsCliVerifier *v = context;
	unsigned	tile_level = level / 8;
	uint64_t	first = index << (level % 8);

	if (tile_level >= EPS_CLI_LEVELS || first / EPS_CLI_BUNDLE != v->count[tile_level] / EPS_CLI_BUNDLE)
		return EPS_E_INTERNAL;
	eps_cli_subtree(out, &v->node[tile_level][first % EPS_CLI_BUNDLE], level % 8);
	return EPS_OK;
}

/* The earlier checkpoint must stand for the first entries of this log. */
static void
compare_since(EpsCliVerifier *v)
{
	EpsHash		root;

	v->verdict->result[EPS_CLI_HISTORY].checked++;
	if (eps_ledger_root(&root, v->since.size, fetch, v) != EPS_OK ||
		memcmp(&root, &v->since.root, sizeof(root)) != 0)
		eps_cli_fail(v, EPS_CLI_HISTORY, 0, "this log is not the one of the earlier checkpoint: "
					 "they differ in one of the entries 1 to %" PRIu64, v->since.size);
}

void
eps_cli_tree_add(EpsCliVerifier *v, const EpsHash *leaf)
{
	add(v, 0, leaf);
	if (v->since_given && v->count[0] == v->since.size)
		compare_since(v);
}

/* Whether entries or tiles are wrong shows at the root. */
static void
judge(EpsCliVerifier *v, bool root_good)
{
	uint64_t	seq = v->tile_seq;
	uint64_t	last = seq - 1 + ((uint64_t) 1 << (8 * v->tile_level));

	if (seq != 0 && root_good)
		eps_cli_fail(v, EPS_CLI_TREE, seq, "%s is wrong where entry %" PRIu64 " begins; the entries are as signed",
					 v->tile_path, seq);
	else if (seq != 0 && v->tile_level == 0)
		eps_cli_fail(v, EPS_CLI_TREE, seq, "entry %" PRIu64 " is not the one in %s, and the root is not the signed one",
					 seq, v->tile_path);
	else if (seq != 0)
		eps_cli_fail(v, EPS_CLI_TREE, 0, "entries %" PRIu64 " to %" PRIu64 " are not those in %s, and the root is not the signed one",
					 seq, last, v->tile_path);
	else if (!root_good)
		eps_cli_fail(v, EPS_CLI_TREE, 0, "the root of entries 1 to %" PRIu64 " is not the signed one; entries and tiles agree",
					 v->verdict->checkpoint.size);
}

void
eps_cli_tree_end(EpsCliVerifier *v)
{
	EpsHash		root;
	uint64_t	size = v->verdict->checkpoint.size;
	bool		root_good;

	for (int level = 0; level < EPS_CLI_LEVELS; level++)
	{
		unsigned	width = (unsigned) (v->count[level] % EPS_CLI_BUNDLE);

		if (width > 0)
			compare_tile(v, level, v->count[level] / EPS_CLI_BUNDLE, width);
	}
	root_good = v->count[0] == size && eps_ledger_root(&root, size, fetch, v) == EPS_OK &&
		memcmp(&root, &v->verdict->checkpoint.root, sizeof(root)) == 0;
	v->verdict->result[EPS_CLI_TREE].checked = v->count[0];
	judge(v, root_good);
}
