/*
 * make_log.c
 *	  Writes a log by core/ledger alone, as an export lays it out, for check.go:
 *
 *		make_log FOLDER ENTRIES
 *
 *	  and beside the export: cosigner (a witness's verifier key), proofs, paths.
 *	  All keys are of fixed seeds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/ledger/ledger.h"

#define LEVELS 40
#define WITNESS "example.com/witness"

static const char *folder;
static uint64_t size;
static EpsHash *hash[LEVELS];	/* complete subtrees of each height */

static void
check(bool condition, const char *what)
{
	if (!condition)
	{
		perror(what);
		exit(1);
	}
}

static FILE *
open_file(const char *path)
{
	char		full[512];
	FILE	   *file;

	check(snprintf(full, sizeof(full), "%s/%s", folder, path) < (int) sizeof(full), path);
	for (char *at = full + strlen(folder) + 1; (at = strchr(at, '/')) != NULL; at++)
	{
		*at = '\0';
		(void) mkdir(full, 0777);
		*at = '/';
	}
	file = fopen(full, "wb");
	check(file != NULL, full);
	return file;
}

static void
close_file(FILE *file)
{
	check(fclose(file) == 0, "close");
}

static void
put(FILE *file, const void *bytes, size_t len)
{
	check(fwrite(bytes, 1, len, file) == len, "write");
}

/* --- the tree -------------------------------------------------------------------------- */

static void
entry_bytes(uint8_t out[EPS_ENTRY_LEN], uint64_t index)
{
	EpsEntry	entry = {.kind = EPS_ENTRY_RELEASE, .dataset = 1 + (uint32_t) index % 3, .seq = index + 1,
		.at = 1700000000000000ull + index, .epoch = 1 + index / 1000, .total_units = index * 1000003};

	memset(entry.fields.b, (int) index, sizeof(entry.fields.b));
	eps_ledger_entry_write(out, &entry);
}

static void
make_tree(void)
{
	for (unsigned level = 0; level < LEVELS; level++)
	{
		uint64_t	n = size >> level;

		hash[level] = calloc(n + 1, sizeof(EpsHash));
		check(hash[level] != NULL, "memory");
		for (uint64_t i = 0; i < n; i++)
		{
			uint8_t		bytes[EPS_ENTRY_LEN];

			if (level > 0)
			{
				eps_ledger_node_hash(&hash[level][i], &hash[level - 1][2 * i], &hash[level - 1][2 * i + 1]);
				continue;
			}
			entry_bytes(bytes, i);
			eps_ledger_leaf_hash(&hash[0][i], bytes, sizeof(bytes));
		}
	}
}

static EpsStatus
fetch(void *context, EpsHash *out, unsigned level, uint64_t index)
{
	(void) context;
	check(level < LEVELS && index < size >> level, "subtree");
	*out = hash[level][index];
	return EPS_OK;
}

/* --- files ------------------------------------------------------------------------------- */

static void
put_tile(int level, uint64_t n, unsigned width)
{
	char		path[128];
	FILE	   *file;

	eps_ledger_tile_path(path, level, n, width);
	file = open_file(path);
	for (uint64_t i = n * EPS_TILE_WIDTH; i < n * EPS_TILE_WIDTH + width; i++)
	{
		uint8_t		bytes[2 + EPS_ENTRY_LEN] = {EPS_ENTRY_LEN >> 8, EPS_ENTRY_LEN & 255};

		entry_bytes(bytes + 2, i);
		if (level == EPS_TILE_ENTRIES)
			put(file, bytes, sizeof(bytes));
		else
			put(file, hash[8 * level][i].b, EPS_HASH_LEN);
	}
	close_file(file);
}

static void
put_tiles(int level)
{
	uint64_t	n = level == EPS_TILE_ENTRIES ? size : size >> (8 * level);

	for (uint64_t i = 0; i < n / EPS_TILE_WIDTH; i++)
		put_tile(level, i, EPS_TILE_WIDTH);
	if (n % EPS_TILE_WIDTH != 0)
		put_tile(level, n / EPS_TILE_WIDTH, (unsigned) (n % EPS_TILE_WIDTH));
}

static void
put_checkpoint(void)
{
	static const uint8_t id[EPS_LEDGER_ID_LEN] = {0x70, 0x67};
	static const uint8_t seed[2][EPS_SIGN_SEED_LEN] = {{1}, {2}};
	EpsCheckpoint checkpoint = {.size = size, .ntotals = 2, .total = {{1, 5, 6}, {9, ~(EpsU128) 0, 0}}};
	uint8_t		key[2][EPS_SIGN_PUBLIC_LEN];
	uint8_t		secret[2][EPS_SIGN_SECRET_LEN];
	char		vkey[256];
	char		note[EPS_CHECKPOINT_MAX];
	char		line[EPS_COSIGNATURE_MAX];
	size_t		n;
	size_t		line_len;
	FILE	   *file;

	for (int i = 0; i < 2; i++)
		eps_crypto_sign_seed(key[i], secret[i], seed[i]);
	eps_ledger_origin(checkpoint.origin, id);
	check(eps_ledger_root(&checkpoint.root, size, fetch, NULL) == EPS_OK, "root");
	check(eps_ledger_checkpoint_sign(note, sizeof(note), &n, &checkpoint, secret[0]) == EPS_OK, "checkpoint");
	check(eps_ledger_cosign(line, &line_len, note, n, WITNESS, secret[1], 1700000000) == EPS_OK, "cosignature");
	file = open_file("checkpoint");
	put(file, note, n);
	put(file, line, line_len);
	close_file(file);

	check(eps_ledger_vkey_write(vkey, checkpoint.origin, key[0]) == EPS_OK, "verifier key");
	file = open_file("key");
	fprintf(file, "%s\n", vkey);
	close_file(file);
	check(eps_ledger_cosigner_vkey_write(vkey, WITNESS, key[1]) == EPS_OK, "verifier key");
	file = open_file("cosigner");
	fprintf(file, "%s\n", vkey);
	close_file(file);
}

/* --- proofs -------------------------------------------------------------------------------- */

static void
put_hash(FILE *file, const EpsHash *h)
{
	fputc(' ', file);
	for (int i = 0; i < EPS_HASH_LEN; i++)
		fprintf(file, "%02x", h->b[i]);
}

static void
put_proof(FILE *file, const EpsHash *proof, size_t n)
{
	for (size_t i = 0; i < n; i++)
		put_hash(file, &proof[i]);
	fputc('\n', file);
}

static void
put_inclusion(FILE *file, uint64_t index, uint64_t of)
{
	EpsHash		proof[EPS_PROOF_MAX];
	EpsHash		root;
	size_t		n;

	check(eps_ledger_root(&root, of, fetch, NULL) == EPS_OK, "root");
	check(eps_ledger_inclusion(proof, &n, index, of, fetch, NULL) == EPS_OK, "inclusion");
	fprintf(file, "inclusion %llu %llu", (unsigned long long) index, (unsigned long long) of);
	put_hash(file, &root);
	put_hash(file, &hash[0][index]);
	put_proof(file, proof, n);
}

static void
put_consistency(FILE *file, uint64_t from, uint64_t to)
{
	EpsHash		proof[EPS_PROOF_MAX];
	EpsHash		from_root;
	EpsHash		to_root;
	size_t		n;

	check(eps_ledger_root(&from_root, from, fetch, NULL) == EPS_OK, "root");
	check(eps_ledger_root(&to_root, to, fetch, NULL) == EPS_OK, "root");
	check(eps_ledger_consistency(proof, &n, from, to, fetch, NULL) == EPS_OK, "consistency");
	fprintf(file, "consistency %llu %llu", (unsigned long long) from, (unsigned long long) to);
	put_hash(file, &from_root);
	put_hash(file, &to_root);
	put_proof(file, proof, n);
}

/* All of the small trees, some of the large one. */
static void
put_proofs(void)
{
	FILE	   *file = open_file("proofs");
	uint64_t	small = size < 70 ? size : 70;

	for (uint64_t of = 1; of <= small; of++)
		for (uint64_t i = 0; i < of; i++)
		{
			put_inclusion(file, i, of);
			put_consistency(file, i + 1, of);
		}
	for (uint64_t i = 0; i < size; i += 1 + size / 300)
	{
		put_inclusion(file, i, size);
		put_consistency(file, i + 1, size);
	}
	close_file(file);
}

static void
put_paths(void)
{
	static const uint64_t numbers[] = {0, 1, 255, 256, 999, 1000, 1067, 999999, 1000000, 1234067, 36028797018963967};
	FILE	   *file = open_file("paths");
	char		path[128];

	for (int level = 0; level < 8; level++)
		for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
			for (unsigned width = 1; width <= EPS_TILE_WIDTH; width += 51)
			{
				eps_ledger_tile_path(path, level, numbers[i], width);
				fprintf(file, "%d %llu %u %s\n", level, (unsigned long long) numbers[i], width, path);
			}
	close_file(file);
}

int
main(int argc, char **argv)
{
	if (argc != 3 || eps_crypto_init() != EPS_OK)
		return 2;
	folder = argv[1];
	size = strtoull(argv[2], NULL, 10);
	make_tree();
	put_checkpoint();
	put_tiles(EPS_TILE_ENTRIES);
	for (int level = 0; 8 * level < LEVELS && size >> (8 * level) > 0; level++)
		put_tiles(level);
	put_proofs();
	put_paths();
	for (unsigned level = 0; level < LEVELS; level++)
		free(hash[level]);
	return 0;
}
