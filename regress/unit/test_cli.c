/*
 * test_cli.c
 *	  pg_epsilon verify against exports that are sound, that somebody spoiled who
 *	  has no key, and that a server signed which cheats.
 */
#include "test_common.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "ledger_maker.h"

#define MAX_FILES 64
#define MAX_ENTRIES 1024

/* Small, so that ten thousand changes take seconds; two bundles, both data sets. */
static const LedgerPlan small = {.seed = 5,.entries = 300,.owners = 12,.per_release = 6,.per_epoch = 60,.rotate = true};
static const LedgerPlan usual = {.seed = 1,.entries = 900,.owners = 60,.per_release = 12,.per_epoch = 90,.rotate = true};

static char folder[64];			/* of this run */

/* --- helpers ------------------------------------------------------------------------ */

typedef struct TestFile
{
	char		path[256];
	uint8_t    *bytes;
	size_t		len;
} TestFile;

typedef struct TestExport
{
	char		dir[128];
	char		vkey[256];
	size_t		nfiles;
	size_t		total;
	TestFile	file[MAX_FILES];
} TestExport;

static void
write_file(const char *path, const void *bytes, size_t len)
{
	FILE	   *f = fopen(path, "wb");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

static void
read_file(TestFile *out)
{
	FILE	   *f = fopen(out->path, "rb");
	struct stat st;

	assert_non_null(f);
	assert_int_equal(fstat(fileno(f), &st), 0);
	out->len = (size_t) st.st_size;
	out->bytes = malloc(out->len + 1);
	assert_int_equal(fread(out->bytes, 1, out->len, f), out->len);
	(void) fclose(f);
}

static void
read_files(TestExport *e, const char *dir)
{
	DIR		   *d = opendir(dir);
	struct dirent *one;

	assert_non_null(d);
	while ((one = readdir(d)) != NULL)
	{
		char		path[256];
		struct stat st;

		if (one->d_name[0] == '.')
			continue;
		assert_true(snprintf(path, sizeof(path), "%s/%s", dir, one->d_name) < (int) sizeof(path));
		assert_int_equal(lstat(path, &st), 0);
		if (S_ISDIR(st.st_mode))
		{
			read_files(e, path);
			continue;
		}
		assert_true(e->nfiles < MAX_FILES);
		memcpy(e->file[e->nfiles].path, path, sizeof(path));
		read_file(&e->file[e->nfiles]);
		e->total += e->file[e->nfiles++].len;
	}
	(void) closedir(d);
}

static void
make(TestExport *e, LedgerPlan *plan)
{
	static int	number;

	memset(e, 0, sizeof(*e));
	(void) snprintf(e->dir, sizeof(e->dir), "%s/%d", folder, number++);
	assert_true(ledger_make(e->dir, plan, e->vkey));
	read_files(e, e->dir);
}

static void
restore(const TestExport *e)
{
	for (size_t i = 0; i < e->nfiles; i++)
		write_file(e->file[i].path, e->file[i].bytes, e->file[i].len);
}

static void
drop(TestExport *e)
{
	for (size_t i = 0; i < e->nfiles; i++)
		free(e->file[i].bytes);
}

static TestFile *
find(TestExport *e, const char *path)
{
	for (size_t i = 0; i < e->nfiles; i++)
		if (strcmp(e->file[i].path + strlen(e->dir) + 1, path) == 0)
			return &e->file[i];
	fail_msg("no file %s", path);
	return NULL;
}

static void
verify(EpsCliVerdict *out, const TestExport *e, const char *since)
{
	EpsCliVerifyOptions options = {.key = e->vkey,.since = since};

	eps_cli_verify(out, e->dir, &options);
}

/* Not good, this check failed, and it names this entry (0: none). */
static void
assert_found(const char *what, const EpsCliVerdict *v, EpsCliCheck check, uint64_t seq)
{
	if (eps_cli_is_good(v) || v->result[check].state != EPS_CLI_FAILED || v->result[check].bad_seq != seq ||
		(seq != 0 && eps_cli_first_bad(v) != seq))
	{
		for (int i = 0; i < EPS_CLI_NCHECKS; i++)
			print_message("%s: state %d, entry %" PRIu64 ", %s\n", eps_cli_check_name(i), v->result[i].state,
						  v->result[i].bad_seq, v->result[i].what);
		fail_msg("%s: check %s should name entry %" PRIu64, what, eps_cli_check_name(check), seq);
	}
}

/* --- sound ones ------------------------------------------------------------------------ */

static void
test_sound(void **state)
{
	(void) state;
	for (uint64_t seed = 1; seed <= 12; seed++)
	{
		LedgerPlan	plan = usual;
		TestExport	e;
		EpsCliVerdict v;

		plan.seed = seed;
		plan.rotate = seed % 2 == 0;
		plan.owners = 5 + (uint32_t) seed * 17;
		make(&e, &plan);
		verify(&v, &e, NULL);
		for (int i = 0; i < EPS_CLI_NCHECKS; i++)
			if (i != EPS_CLI_HISTORY && v.result[i].state != EPS_CLI_PASSED)
				fail_msg("seed %" PRIu64 ", %s: %s", seed, eps_cli_check_name(i), v.result[i].what);
		assert_true(eps_cli_is_good(&v));
		assert_true(v.kind_count[EPS_ENTRY_RELEASE] > 400 && v.kind_count[EPS_ENTRY_OWNERS] > 10 &&
					v.kind_count[EPS_ENTRY_ANSWERS] > 5 && v.kind_count[EPS_ENTRY_REPEAT] > 5 &&
					v.kind_count[EPS_ENTRY_LEFT_OUT] > 0 && v.kind_count[EPS_ENTRY_RECOVERY] == 1);
		drop(&e);
	}
}

static void
test_without_openings(void **state)
{
	LedgerPlan	plan = usual;
	TestExport	e;
	EpsCliVerdict v;
	char		command[256];

	(void) state;
	make(&e, &plan);
	(void) snprintf(command, sizeof(command), "rm -r %s/auditor", e.dir);
	assert_int_equal(system(command), 0);
	verify(&v, &e, NULL);
	assert_true(eps_cli_is_good(&v));
	assert_false(v.openings);
	for (int i = EPS_CLI_OPENINGS; i < EPS_CLI_NCHECKS; i++)
	{
		assert_int_equal(v.result[i].state, EPS_CLI_NOT_RUN);
		assert_true(v.result[i].what[0] != '\0');
	}
	drop(&e);
}

/* --- servers that cheat ------------------------------------------------------------------- */

static const EpsCliCheck cheat_check[LEDGER_NCHEATS] = {
	[LEDGER_CHARGES_ABOVE_LIMIT] = EPS_CLI_LIMITS,
	[LEDGER_CHARGES_ABOVE_WORST] = EPS_CLI_CHARGES,
	[LEDGER_CHARGES_TWICE] = EPS_CLI_CHARGES,
	[LEDGER_CHARGES_STRANGER] = EPS_CLI_CHARGES,
	[LEDGER_FORGETS_PRICE] = EPS_CLI_CHARGES,
	[LEDGER_PRICE_BETWEEN_LEVELS] = EPS_CLI_CHARGES,
	[LEDGER_LETS_BEGIN_AT_ZERO] = EPS_CLI_CHARGES,
	[LEDGER_FORGETS_CHARGE] = EPS_CLI_MAPS,
	[LEDGER_FORGETS_CONSENT] = EPS_CLI_MAPS,
	[LEDGER_MERGES_CHEAPLY] = EPS_CLI_EPOCHS,
	[LEDGER_SKIPS_EPOCH] = EPS_CLI_EPOCHS,
	[LEDGER_MOVES_SILENTLY] = EPS_CLI_BOOTS,
	[LEDGER_LEAVES_ANSWER_OUT] = EPS_CLI_ANSWERS,
	[LEDGER_ANSWERS_TWICE] = EPS_CLI_ANSWERS,
	[LEDGER_REPEATS_NOTHING] = EPS_CLI_CHARGES,
	[LEDGER_RAISES_PROMISE] = EPS_CLI_POLICY,
	[LEDGER_SPENDS_SET_ASIDE] = EPS_CLI_CHARGES,
	[LEDGER_BENDS_KEY] = EPS_CLI_KEYS
};

static void
test_cheats(void **state)
{
	(void) state;
	for (LedgerCheat cheat = LEDGER_HONEST + 1; cheat < LEDGER_NCHEATS; cheat++)
	{
		LedgerPlan	plan = usual;
		TestExport	e;
		EpsCliVerdict v;
		char		what[32];

		plan.cheat = cheat;
		plan.cheat_at = 200;
		make(&e, &plan);
		(void) snprintf(what, sizeof(what), "cheat %d", cheat);
		assert_true(plan.cheated != 0);
		verify(&v, &e, NULL);
		assert_found(what, &v, cheat_check[cheat], plan.cheated);
		drop(&e);
	}
}

/* --- spoiled by somebody without a key ------------------------------------------------------ */

/* Files of entries, with hashes rebuilt or not; n entries, of which the last ones
 * may be missing. */
typedef struct TestLog
{
	size_t		n;
	uint8_t		entry[MAX_ENTRIES][EPS_ENTRY_LEN];
} TestLog;

static void
read_log(TestLog *log, TestExport *e)
{
	log->n = 0;
	for (unsigned bundle = 0;; bundle++)
	{
		char		path[128];
		size_t		at = strlen(e->dir) + 1;

		eps_ledger_tile_path(path, EPS_TILE_ENTRIES, bundle, 256);
		for (size_t i = 0; i < e->nfiles; i++)
		{
			const TestFile *f = &e->file[i];

			if (strncmp(f->path + at, path, strlen(path)) != 0)
				continue;
			for (size_t j = 0; j * (2 + EPS_ENTRY_LEN) < f->len; j++)
				memcpy(log->entry[log->n++], f->bytes + j * (2 + EPS_ENTRY_LEN) + 2, EPS_ENTRY_LEN);
		}
		if (log->n != (bundle + 1) * 256)
			return;
	}
}

static void
write_below(const TestExport *e, const char *path, const void *bytes, size_t len)
{
	char		full[512];

	(void) snprintf(full, sizeof(full), "%s/%s", e->dir, path);
	write_file(full, bytes, len);
}

/* As many bundles as the export had; where entries are missing, the last one is repeated. */
static void
write_log(const TestExport *e, const TestLog *log, size_t size, bool tiles)
{
	static EpsHash hash[MAX_ENTRIES];
	static EpsHash above[MAX_ENTRIES / 256 + 1];
	size_t		nabove = 0;
	char		path[128];

	for (size_t first = 0; first < size; first += 256)
	{
		size_t		width = size - first < 256 ? size - first : 256;
		uint8_t		bundle[256 * (2 + EPS_ENTRY_LEN)];

		for (size_t i = 0; i < width; i++)
		{
			const uint8_t *entry = log->entry[first + i < log->n ? first + i : log->n - 1];

			bundle[i * (2 + EPS_ENTRY_LEN)] = EPS_ENTRY_LEN >> 8;
			bundle[i * (2 + EPS_ENTRY_LEN) + 1] = EPS_ENTRY_LEN & 255;
			memcpy(bundle + i * (2 + EPS_ENTRY_LEN) + 2, entry, EPS_ENTRY_LEN);
			eps_ledger_leaf_hash(&hash[first + i], entry, EPS_ENTRY_LEN);
		}
		eps_ledger_tile_path(path, EPS_TILE_ENTRIES, first / 256, (unsigned) width);
		write_below(e, path, bundle, width * (2 + EPS_ENTRY_LEN));
		if (!tiles)
			continue;
		eps_ledger_tile_path(path, 0, first / 256, (unsigned) width);
		write_below(e, path, &hash[first], width * sizeof(EpsHash));
		if (width == 256)
		{
			EpsFrontier tree;

			eps_ledger_frontier_init(&tree);
			for (size_t i = 0; i < 256; i++)
				eps_ledger_frontier_add(&tree, &hash[first + i]);
			eps_ledger_frontier_root(&above[nabove++], &tree);
		}
	}
	if (tiles && nabove > 0)
	{
		eps_ledger_tile_path(path, 1, 0, (unsigned) nabove);
		write_below(e, path, above, nabove * sizeof(EpsHash));
	}
}

typedef enum Spoil
{
	SPOIL_ALTER,
	SPOIL_REMOVE,
	SPOIL_INSERT,
	SPOIL_SWAP,
	NSPOILS
} Spoil;

static void
spoil(TestLog *log, Spoil how, size_t i)
{
	uint8_t		kept[EPS_ENTRY_LEN];

	switch (how)
	{
		case SPOIL_ALTER:
			log->entry[i][70] ^= 4;	/* what it commits to */
			break;
		case SPOIL_REMOVE:
			memmove(log->entry[i], log->entry[i + 1], (log->n - i - 1) * EPS_ENTRY_LEN);
			log->n--;
			break;
		case SPOIL_INSERT:
			memmove(log->entry[i + 1], log->entry[i], (log->n - i - 1) * EPS_ENTRY_LEN);
			break;
		default:
			memcpy(kept, log->entry[i], EPS_ENTRY_LEN);
			memcpy(log->entry[i], log->entry[i + 1], EPS_ENTRY_LEN);
			memcpy(log->entry[i + 1], kept, EPS_ENTRY_LEN);
	}
}

static void
test_entries_spoiled(void **state)
{
	static const size_t places[] = {20, 255, 256, 511, 600};
	static TestLog log;
	LedgerPlan	plan = usual;
	TestExport	e;

	(void) state;
	make(&e, &plan);
	for (Spoil how = 0; how < NSPOILS; how++)
		for (size_t p = 0; p < sizeof(places) / sizeof(places[0]); p++)
			for (int tiles = 0; tiles < 2; tiles++)
			{
				/* Inserted before: the copy of entry i stands at i + 1 */
				uint64_t	seq = places[p] + (how == SPOIL_INSERT ? 2 : 1);
				EpsCliVerdict v;
				char		what[64];
				size_t		size;

				read_log(&log, &e);
				size = log.n;
				spoil(&log, how, places[p]);
				write_log(&e, &log, size, tiles == 1);
				verify(&v, &e, NULL);
				(void) snprintf(what, sizeof(what), "spoil %d at %zu, tiles %d", how, places[p], tiles);
				assert_found(what, &v, how == SPOIL_ALTER ? EPS_CLI_OPENINGS : EPS_CLI_ENTRIES, seq);
				if (tiles == 0)
					assert_found(what, &v, EPS_CLI_TREE, seq);
				restore(&e);
			}
	drop(&e);
}

/* The bytes of a field of an entry's opening, in the export's files. */
static uint8_t *
find_field(TestExport *e, uint64_t seq, int field, TestFile **file, size_t *len)
{
	char		path[128];
	EpsCursor	c;
	const uint8_t *bytes;
	uint32_t	n = 0;

	eps_ledger_tile_path(path, EPS_TILE_OPENINGS, (seq - 1) / 256, 256);
	*file = find(e, path);
	c = (EpsCursor) {(*file)->bytes, (*file)->bytes + (*file)->len};
	for (uint64_t i = (seq - 1) / 256 * 256 + 1; i < seq; i++)
		assert_true(eps_base_read_u32(&n, &c) == EPS_OK && eps_base_read_bytes(&bytes, &c, n) == EPS_OK);
	assert_true(eps_base_read_u32(&n, &c) == EPS_OK && eps_base_read_bytes(&bytes, &c, 32) == EPS_OK);
	for (int i = 0; i <= field; i++)
		assert_true(eps_base_read_u32(&n, &c) == EPS_OK && eps_base_read_bytes(&bytes, &c, n) == EPS_OK);
	*len = n;
	return (*file)->bytes + (bytes - (*file)->bytes);
}

static uint64_t
first_of_kind(TestExport *e, EpsEntryKind kind, uint64_t from)
{
	static TestLog log;

	read_log(&log, e);
	for (size_t i = from; i < log.n; i++)
		if (log.entry[i][1] == kind)
			return i + 1;
	fail_msg("no entry of kind %d", kind);
	return 0;
}

static void
alter_field(TestExport *e, EpsEntryKind kind, int field, const char *what)
{
	uint64_t	seq = first_of_kind(e, kind, 100);
	TestFile   *file;
	size_t		len;
	uint8_t    *bytes = find_field(e, seq, field, &file, &len);
	EpsCliVerdict v;

	assert_true(len > 0);
	bytes[len - 1] ^= 1;
	write_file(file->path, file->bytes, file->len);
	bytes[len - 1] ^= 1;
	verify(&v, e, NULL);
	assert_found(what, &v, EPS_CLI_OPENINGS, seq);
	restore(e);
}

static void
test_openings_spoiled(void **state)
{
	LedgerPlan	plan = usual;
	TestExport	e;

	(void) state;
	make(&e, &plan);
	alter_field(&e, EPS_ENTRY_RELEASE, 5, "charges");
	alter_field(&e, EPS_ENTRY_RELEASE, 0, "statement");
	alter_field(&e, EPS_ENTRY_RELEASE, 4, "price");
	alter_field(&e, EPS_ENTRY_OWNERS, 6, "map opening");
	alter_field(&e, EPS_ENTRY_ANSWERS, 6, "slots");
	drop(&e);
}

/* --- checkpoints ------------------------------------------------------------------------------- */

static void
sign_again(TestExport *e, const LedgerPlan *plan, unsigned nkey, const uint8_t secret[64])
{
	EpsCheckpoint checkpoint;
	uint8_t		own[64];
	char		note[EPS_CHECKPOINT_MAX];
	TestFile   *file = find(e, "checkpoint");
	char		name[128];
	uint8_t		key[32];
	size_t		n;

	assert_int_equal(eps_ledger_vkey_read(name, key, e->vkey, strlen(e->vkey)), EPS_OK);
	ledger_secret(own, plan, nkey);
	assert_int_equal(eps_ledger_checkpoint_read(&checkpoint, (const char *) file->bytes, file->len, name, own + 32), EPS_OK);
	assert_int_equal(eps_ledger_checkpoint_sign(note, sizeof(note), &n, &checkpoint, secret), EPS_OK);
	write_file(file->path, note, n);
}

static void
test_signed_again(void **state)
{
	LedgerPlan	plan = usual;
	LedgerPlan	other = {.seed = 99};
	TestExport	e;
	EpsCliVerdict v;
	uint8_t		secret[64];
	char		keys[512];
	char		name[128];
	uint8_t		key[32];

	(void) state;
	plan.rotate = false;
	make(&e, &plan);
	ledger_secret(secret, &other, 0);
	sign_again(&e, &plan, 0, secret);
	verify(&v, &e, NULL);
	assert_found("signed again", &v, EPS_CLI_CHECKPOINT, 0);

	/* and the new key put in the place of the old one */
	assert_int_equal(eps_ledger_vkey_read(name, key, e.vkey, strlen(e.vkey)), EPS_OK);
	assert_int_equal(eps_ledger_vkey_write(keys, name, secret + 32), EPS_OK);
	strcat(keys, "\n");
	write_below(&e, "key", keys, strlen(keys));
	verify(&v, &e, NULL);
	assert_found("signed again, key replaced", &v, EPS_CLI_KEYS, first_of_kind(&e, EPS_ENTRY_KEY, 0));
	restore(&e);

	/* a key that somebody trusts, but of another log */
	memcpy(e.vkey, keys, strlen(keys));
	e.vkey[strlen(keys) - 1] = '\0';
	verify(&v, &e, NULL);
	assert_found("another trusted key", &v, EPS_CLI_KEYS, 2);
	drop(&e);

	/* the key before the newest */
	plan.rotate = true;
	make(&e, &plan);
	ledger_secret(secret, &plan, 0);
	sign_again(&e, &plan, 1, secret);
	verify(&v, &e, NULL);
	assert_found("signed with an older key", &v, EPS_CLI_CHECKPOINT, 0);
	drop(&e);
}

/* --- history ------------------------------------------------------------------------------------- */

static void
test_truncated(void **state)
{
	LedgerPlan	plan = usual;
	LedgerPlan	shorter = usual;
	TestExport	e;
	TestExport	old;
	EpsCliVerdict v;
	char		path[256];
	char		early[128];

	(void) state;
	(void) snprintf(early, sizeof(early), "%s/early", folder);
	plan.cheat_at = 300;
	plan.early = early;
	make(&e, &plan);
	verify(&v, &e, early);
	assert_true(eps_cli_is_good(&v));
	assert_int_equal(v.result[EPS_CLI_HISTORY].state, EPS_CLI_PASSED);

	/* entries are gone, the checkpoint is not */
	(void) snprintf(path, sizeof(path), "%s/tile/entries/001", e.dir);
	assert_int_equal(unlink(path), 0);
	verify(&v, &e, NULL);
	assert_found("a bundle is gone", &v, EPS_CLI_FILES, 257);
	restore(&e);

	/* a whole export of an earlier time */
	shorter.entries = 500;
	make(&old, &shorter);
	(void) snprintf(path, sizeof(path), "%s/checkpoint", e.dir);
	verify(&v, &old, path);
	assert_false(eps_cli_is_good(&v));
	assert_int_equal(v.result[EPS_CLI_HISTORY].state, EPS_CLI_FAILED);
	assert_true(v.result[EPS_CLI_HISTORY].bad_seq == v.checkpoint.size + 1);
	drop(&old);
	drop(&e);
}

static void
test_forked(void **state)
{
	LedgerPlan	plan = usual;
	LedgerPlan	fork = usual;
	TestExport	e;
	TestExport	other;
	EpsCliVerdict v;
	char		early[128];

	(void) state;
	(void) snprintf(early, sizeof(early), "%s/early", folder);
	plan.cheat_at = 300;
	plan.early = early;
	make(&e, &plan);
	fork.fork_at = 250;
	make(&other, &fork);
	verify(&v, &other, NULL);
	assert_true(eps_cli_is_good(&v));
	verify(&v, &other, early);
	assert_found("forked", &v, EPS_CLI_HISTORY, 0);
	drop(&e);
	drop(&other);

	fork.fork_at = 800;
	make(&other, &fork);
	verify(&v, &other, early);
	assert_true(eps_cli_is_good(&v));
	drop(&other);
}

/* --- any byte --------------------------------------------------------------------------------------- */

static void
test_any_byte(void **state)
{
	LedgerPlan	plan = small;
	TestExport	e;
	TestStream	stream;
	EpsEntropy	entropy = eps_test_stream(&stream, 20260131);
	uint64_t	samples = eps_test_samples();
#ifdef __SANITIZE_ADDRESS__
	uint64_t	changes = samples / 400;
#else
	uint64_t	changes = samples / 40;
#endif
	uint64_t	per_file[MAX_FILES] = {0};

	(void) state;
	make(&e, &plan);
	for (uint64_t i = 0; i < changes; i++)
	{
		/* half by bytes, half by files, so that small files have their share */
		size_t		at = (size_t) (eps_test_random(&entropy, 62) % e.total);
		size_t		which = (size_t) (eps_test_random(&entropy, 62) % e.nfiles);
		uint8_t		change = (uint8_t) (1 + eps_test_random(&entropy, 62) % 255);
		EpsCliVerdict v;
		TestFile   *f;

		if (i % 2 == 0)
			for (which = 0; at >= e.file[which].len; which++)
				at -= e.file[which].len;
		f = &e.file[which];
		at %= f->len;
		f->bytes[at] ^= change;
		write_file(f->path, f->bytes, f->len);
		verify(&v, &e, NULL);
		if (eps_cli_is_good(&v))
			fail_msg("byte %zu of %s changed by %02x is not found", at, f->path, change);
		f->bytes[at] ^= change;
		write_file(f->path, f->bytes, f->len);
		per_file[which]++;
	}
	print_message("%" PRIu64 " changes of %zu bytes in %zu files, all found\n", changes, e.total, e.nfiles);
	for (size_t i = 0; i < e.nfiles; i++)
		assert_true(per_file[i] > changes / 100);
	drop(&e);
}

static void
test_other_files(void **state)
{
	LedgerPlan	plan = small;
	TestExport	e;
	EpsCliVerdict v;
	char		path[256];

	(void) state;
	make(&e, &plan);
	write_below(&e, "tile/0/001", "", 0);
	verify(&v, &e, NULL);
	assert_found("another file", &v, EPS_CLI_FILES, 0);
	(void) snprintf(path, sizeof(path), "%s/tile/0/001", e.dir);
	assert_int_equal(unlink(path), 0);
	for (size_t i = 0; i < e.nfiles; i++)
	{
		assert_int_equal(unlink(e.file[i].path), 0);
		verify(&v, &e, NULL);
		if (eps_cli_is_good(&v))
			fail_msg("%s is gone, and that is not found", e.file[i].path);
		write_file(e.file[i].path, e.file[i].bytes, e.file[i].len - 1);
		verify(&v, &e, NULL);
		if (eps_cli_is_good(&v))
			fail_msg("%s is shorter, and that is not found", e.file[i].path);
		restore(&e);
	}
	verify(&v, &e, NULL);
	assert_true(eps_cli_is_good(&v));
	drop(&e);
}

static int
make_folder(void **state)
{
	(void) state;
	(void) snprintf(folder, sizeof(folder), "/tmp/pg_epsilon_cli.XXXXXX");
	return mkdtemp(folder) == NULL ? -1 : 0;
}

static int
remove_folder(void **state)
{
	char		command[128];

	(void) state;
	(void) snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sound),
		cmocka_unit_test(test_without_openings),
		cmocka_unit_test(test_cheats),
		cmocka_unit_test(test_entries_spoiled),
		cmocka_unit_test(test_openings_spoiled),
		cmocka_unit_test(test_signed_again),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_forked),
		cmocka_unit_test(test_other_files),
		cmocka_unit_test(test_any_byte)
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
