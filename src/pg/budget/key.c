/*
 * key.c
 *	  The wrapping key, which is kept outside the database and its backups (rule
 *	  38), and the secrets of data sets that are sealed under it.
 *
 * The postmaster reads the key once, at start; other processes inherit it.  A
 * server without one starts, but opens no book.
 */
#include "postgres.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "miscadmin.h"
#include "storage/fd.h"

#include "core/crypto/crypto.h"
#include "pg/budget/budget_internal.h"

#define KEY_LEN 32
#define PLAIN_LEN (EPS_OWNER_SECRET_LEN + 32)	/* owner secret, commitment key */
#define READ_LEN 256

/* Filled by the postmaster before it forks, and constant from then on. */
static uint8 wrapping_key[KEY_LEN];
static bool have_key = false;

/* --- reading ----------------------------------------------------------------------- */

static int
hex_digit(uint8 c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* 32 bytes as they are, or 64 hexadecimal digits, perhaps with a line end. */
static bool
parse_key(uint8 key[KEY_LEN], const uint8 *bytes, Size len)
{
	if (len == KEY_LEN)
	{
		memcpy(key, bytes, KEY_LEN);
		return true;
	}
	while (len > 0 && (bytes[len - 1] == '\n' || bytes[len - 1] == '\r'))
		len--;
	if (len != 2 * KEY_LEN)
		return false;
	for (int i = 0; i < KEY_LEN; i++)
	{
		int			high = hex_digit(bytes[2 * i]);
		int			low = hex_digit(bytes[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		key[i] = (uint8) (high << 4 | low);
	}
	return true;
}

static void
take_key(const char *setting, uint8 *bytes, Size len)
{
	have_key = parse_key(wrapping_key, bytes, len);
	eps_base_wipe(bytes, READ_LEN);
	if (!have_key)
		ereport(FATAL,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("setting \"%s\" does not give a wrapping key", setting),
				 errdetail("A wrapping key is 32 bytes, or 64 hexadecimal digits.")));
}

/* A key beside the data would be in every backup of it. */
static void
check_outside_data(const char *path)
{
	char		file[PATH_MAX];
	char		data[PATH_MAX];
	Size		len;

	if (realpath(path, file) == NULL || realpath(DataDir, data) == NULL)
		ereport(FATAL,
				(errcode_for_file_access(),
				 errmsg("could not resolve wrapping key file \"%s\": %m", path)));
	len = strlen(data);
	if (strncmp(file, data, len) == 0 && file[len] == '/')
		ereport(FATAL,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("wrapping key file \"%s\" lies inside the data directory", path),
				 errhint("Keep it where backups of the database do not reach.")));
}

/* Ours and for nobody else; root's may be readable by our group. */
static void
check_mode(const char *path, const struct stat *st)
{
	mode_t		forbidden = st->st_uid == 0 && geteuid() != 0 ? 027 : 077;

	if (!S_ISREG(st->st_mode))
		ereport(FATAL,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("wrapping key file \"%s\" is not a regular file", path)));
	if ((st->st_mode & forbidden) != 0 || (st->st_uid != geteuid() && st->st_uid != 0))
		ereport(FATAL,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("wrapping key file \"%s\" is open to others", path),
				 errdetail("It must belong to the server's user with mode 0600, or to root with mode 0640 at most.")));
}

static void
read_key_file(const char *path)
{
	uint8		bytes[READ_LEN];
	struct stat st;
	ssize_t		len;
	int			fd;

	check_outside_data(path);
	fd = open(path, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0 || fstat(fd, &st) != 0)
		ereport(FATAL,
				(errcode_for_file_access(),
				 errmsg("could not open wrapping key file \"%s\": %m", path)));
	check_mode(path, &st);
	len = read(fd, bytes, sizeof(bytes));
	close(fd);
	if (len < 0)
		ereport(FATAL,
				(errcode_for_file_access(),
				 errmsg("could not read wrapping key file \"%s\": %m", path)));
	take_key("dp.key_file", bytes, (Size) len);
}

static void
read_key_command(const char *command)
{
	uint8		bytes[READ_LEN];
	Size		len;
	FILE	   *pipe = OpenPipeStream(command, "r");

	if (pipe == NULL)
		ereport(FATAL,
				(errcode_for_file_access(),
				 errmsg("could not run the command of \"dp.key_command\": %m")));
	len = fread(bytes, 1, sizeof(bytes), pipe);
	if (ClosePipeStream(pipe) != 0)
		ereport(FATAL,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("the command of \"dp.key_command\" failed")));
	take_key("dp.key_command", bytes, len);
}

/* Once, in the postmaster. FATAL when a key is set and cannot be read. */
void
eps_budget_key_load(void)
{
	bool		file = eps_budget_key_file != NULL && eps_budget_key_file[0] != '\0';
	bool		command = eps_budget_key_command != NULL && eps_budget_key_command[0] != '\0';

	if (file && command)
		ereport(FATAL,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("settings \"dp.key_file\" and \"dp.key_command\" are both given")));
	if (file)
		read_key_file(eps_budget_key_file);
	if (command)
		read_key_command(eps_budget_key_command);
}

void
eps_budget_key_check(void)
{
	if (!have_key)
		ereport(ERROR,
				(errcode(EPS_ERRCODE_BOOK),
				 errmsg("no wrapping key is set"),
				 errdetail("Secrets of data sets are stored only under a key that is kept outside the database."),
				 errhint("Make one by \"head -c 32 /dev/urandom > FILE; chmod 600 FILE\", outside the data directory, "
						 "as the server's user; set dp.key_file = 'FILE' in postgresql.conf and restart the server.")));
}

/* --- secrets of data sets ---------------------------------------------------------------- */

/* What a sealed secret is bound to: it opens for no other data set. */
static Size
associated_data(uint8 *out, Size size, int32 dataset_id, const char *name)
{
	int			len = snprintf((char *) out, size, "pg_epsilon secret 1:%d:%s", dataset_id, name);

	EPS_ENSURE(len > 0 && (Size) len < size, "name of a data set is too long");
	return (Size) len;
}

/* A fresh secret, sealed, in the current context. */
void
eps_budget_secret_seal(bytea **wrapped, int32 dataset_id, const char *name)
{
	uint8		plain[PLAIN_LEN];
	uint8		ad[1024];
	Size		ad_len = associated_data(ad, sizeof(ad), dataset_id, name);
	EpsStatus	status;

	eps_budget_key_check();
	eps_common_check(eps_crypto_init(), "initialising cryptography");
	*wrapped = palloc(VARHDRSZ + PLAIN_LEN + EPS_SEAL_OVERHEAD);
	SET_VARSIZE(*wrapped, VARHDRSZ + PLAIN_LEN + EPS_SEAL_OVERHEAD);
	status = eps_crypto_random(plain, sizeof(plain));
	if (status == EPS_OK)
		status = eps_crypto_seal((uint8 *) VARDATA(*wrapped), plain, sizeof(plain), ad, ad_len, wrapping_key);
	eps_base_wipe(plain, sizeof(plain));
	eps_common_check(status, "sealing a secret");
}

/* False when the bytes were not sealed under our key for this data set. */
bool
eps_budget_secret_open(uint8 owner_secret[EPS_OWNER_SECRET_LEN], const bytea *wrapped,
					   int32 dataset_id, const char *name)
{
	uint8		plain[PLAIN_LEN];
	uint8		ad[1024];
	Size		ad_len = associated_data(ad, sizeof(ad), dataset_id, name);
	bool		opened;

	if (!have_key || VARSIZE_ANY_EXHDR(wrapped) != PLAIN_LEN + EPS_SEAL_OVERHEAD)
		return false;
	opened = eps_crypto_open(plain, (const uint8 *) VARDATA_ANY(wrapped), VARSIZE_ANY_EXHDR(wrapped),
							 ad, ad_len, wrapping_key) == EPS_OK;
	if (opened)
		memcpy(owner_secret, plain, EPS_OWNER_SECRET_LEN);
	eps_base_wipe(plain, sizeof(plain));
	return opened;
}

/* --- answers ------------------------------------------------------------------------------- */

/* The key that answers are sealed under, or the one that their keys are hashed
 * with.  The caller wipes it. */
void
eps_budget_answer_subkey(uint8 key[KEY_LEN], bool sealing)
{
	eps_budget_key_check();
	eps_common_check(eps_crypto_init(), "initialising cryptography");
	eps_common_check(eps_crypto_subkey(key, wrapping_key, sealing ? 2 : 1, "dpanswer"), "deriving a key");
}

/* --- other secrets ------------------------------------------------------------------------- */

static Size
sealed_for(uint8 *ad, Size size, const char *purpose, int64 number, int32 dataset_id)
{
	int			len = snprintf((char *) ad, size, "pg_epsilon %s 1:%d:%lld", purpose, dataset_id, (long long) number);

	EPS_ENSURE(len > 0 && (Size) len < size, "purpose of a seal is too long");
	return (Size) len;
}

/* Sealed for one purpose, number and data set, in the current context. */
bytea *
eps_budget_seal_bytes(const uint8 *bytes, Size len, const char *purpose, int64 number, int32 dataset_id)
{
	bytea	   *out = palloc(VARHDRSZ + len + EPS_SEAL_OVERHEAD);
	uint8		ad[128];
	Size		ad_len = sealed_for(ad, sizeof(ad), purpose, number, dataset_id);

	eps_budget_key_check();
	SET_VARSIZE(out, VARHDRSZ + len + EPS_SEAL_OVERHEAD);
	eps_common_check(eps_crypto_seal((uint8 *) VARDATA(out), bytes, len, ad, ad_len, wrapping_key), "sealing a secret");
	return out;
}

/* len bytes; false when they were not sealed under our key for this. */
bool
eps_budget_unseal_bytes(uint8 *out, Size len, const bytea *sealed, const char *purpose, int64 number, int32 dataset_id)
{
	uint8		ad[128];
	Size		ad_len = sealed_for(ad, sizeof(ad), purpose, number, dataset_id);

	return have_key && VARSIZE_ANY_EXHDR(sealed) == len + EPS_SEAL_OVERHEAD
		&& eps_crypto_open(out, (const uint8 *) VARDATA_ANY(sealed), VARSIZE_ANY_EXHDR(sealed), ad, ad_len, wrapping_key) == EPS_OK;
}

/* --- the ledger ------------------------------------------------------------------------------ */

/* The key that openings or signing keys are sealed under. The caller wipes it. */
void
eps_budget_ledger_subkey(uint8 key[KEY_LEN], EpsLedgerSubkey which)
{
	eps_budget_key_check();
	eps_common_check(eps_crypto_init(), "initialising cryptography");
	eps_common_check(eps_crypto_subkey(key, wrapping_key, (uint64) which, "dpledger"), "deriving a key");
}

/* Is there a wrapping key at all? */
bool
eps_budget_has_key(void)
{
	return have_key;
}
