/*
 * fuzz_cli_export.c
 *	  Exports as pg_epsilon verify reads them: the first byte of an input names a
 *	  file of a small sound export, the rest takes its place.  Only what was there
 *	  before is sound.
 */
#include "fuzz.h"

#include <unistd.h>

#include "cli/cli.h"
#include "ledger_maker.h"

#define NFILES 9

static const char *const paths[NFILES] = {
	"checkpoint", "key", "tile/0/000", "tile/0/001.p/44", "tile/1/000.p/1", "tile/entries/000", "tile/entries/001.p/44",
	"auditor/openings/000", "auditor/openings/001.p/44"
};

static char dir[64];
static char vkey[256];
static uint8_t *content[NFILES];
static size_t length[NFILES];

static void
full_path(char out[256], int file)
{
	(void) snprintf(out, 256, "%s/%s", dir, paths[file]);
}

static void
write_file(int file, const uint8_t *bytes, size_t len)
{
	char		path[256];
	FILE	   *f;

	full_path(path, file);
	f = fopen(path, "wb");
	FUZZ_CHECK(f != NULL && fwrite(bytes, 1, len, f) == len && fclose(f) == 0);
}

static void
read_file(int file)
{
	char		path[256];
	FILE	   *f;

	full_path(path, file);
	f = fopen(path, "rb");
	FUZZ_CHECK(f != NULL && fseek(f, 0, SEEK_END) == 0);
	length[file] = (size_t) ftell(f);
	rewind(f);
	content[file] = malloc(length[file]);
	FUZZ_CHECK(fread(content[file], 1, length[file], f) == length[file] && fclose(f) == 0);
}

static void
clean(void)
{
	char		command[128];

	(void) snprintf(command, sizeof(command), "rm -rf %s", dir);
	(void) system(command);
}

static bool
is_sound(void)
{
	EpsCliVerifyOptions options = {.key = vkey};
	EpsCliVerdict verdict;

	eps_cli_verify(&verdict, dir, &options);
	return eps_cli_is_good(&verdict);
}

static void
make(void)
{
	LedgerPlan	plan = {.seed = 5,.entries = 300,.owners = 12,.per_release = 6,.per_epoch = 60,.rotate = true};
	char		log[80];

	(void) snprintf(dir, sizeof(dir), "/tmp/pg_epsilon_fuzz.XXXXXX");
	FUZZ_CHECK(mkdtemp(dir) != NULL && rmdir(dir) == 0);
	(void) snprintf(log, sizeof(log), "%s", dir);
	FUZZ_CHECK(ledger_make(log, &plan, vkey));
	(void) atexit(clean);
	for (int i = 0; i < NFILES; i++)
		read_file(i);
	FUZZ_CHECK(is_sound());
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int			file;
	bool		same;

	if (dir[0] == '\0')
		make();
	if (size == 0)
		return 0;
	file = data[0] % NFILES;
	same = size - 1 == length[file] && memcmp(data + 1, content[file], length[file]) == 0;
	write_file(file, data + 1, size - 1);
	FUZZ_CHECK(is_sound() == same);
	write_file(file, content[file], length[file]);
	return 0;
}
