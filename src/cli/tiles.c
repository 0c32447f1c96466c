/*
 * tiles.c
 *	  Hashes of complete subtrees, from the tiles of an export.
 */
#include "cli/cli_internal.h"

#include <string.h>

void
eps_cli_subtree(EpsHash *out, const EpsHash *node, unsigned height)
{
	EpsHash		half[EPS_CLI_BUNDLE / 2];
	unsigned	n = 1u << height;

	if (height == 0)
	{
		*out = *node;
		return;
	}
	for (unsigned i = 0; i < n / 2; i++)
		eps_ledger_node_hash(&half[i], &node[2 * i], &node[2 * i + 1]);
	for (n /= 2; n > 1; n /= 2)
		for (unsigned i = 0; i < n / 2; i++)
			eps_ledger_node_hash(&half[i], &half[2 * i], &half[2 * i + 1]);
	*out = half[0];
}

static bool
load(EpsCliTiles *tiles, int level, uint64_t n)
{
	char		path[EPS_CLI_PATH];
	EpsCliBuffer buffer = {0};
	unsigned	width = eps_cli_tile_width(level, n, tiles->size);
	bool		good;

	if (tiles->level[level].loaded && tiles->level[level].n == n)
		return true;
	if (width == 0)
		return false;
	eps_cli_tile_path(path, level, n, tiles->size);
	good = eps_cli_read(&buffer, tiles->dir, path, sizeof(EpsHash) * EPS_CLI_BUNDLE) == EPS_CLI_READ &&
		buffer.len == sizeof(EpsHash) * width;
	tiles->level[level].loaded = good;
	tiles->level[level].n = n;
	tiles->level[level].width = width;
	if (good)
		memcpy(tiles->level[level].hash, buffer.bytes, buffer.len);
	eps_cli_free(&buffer);
	return good;
}

EpsStatus
eps_cli_tiles_fetch(void *context, EpsHash *out, unsigned level, uint64_t index)
{
	EpsCliTiles *tiles = context;
	unsigned	tile_level = level / 8;
	unsigned	height = level % 8;
	uint64_t	first = index << height;

	if (tile_level >= EPS_CLI_LEVELS || !load(tiles, (int) tile_level, first / EPS_CLI_BUNDLE) ||
		first % EPS_CLI_BUNDLE + (1u << height) > tiles->level[tile_level].width)
		return EPS_E_FORMAT;
	eps_cli_subtree(out, &tiles->level[tile_level].hash[first % EPS_CLI_BUNDLE], height);
	return EPS_OK;
}
