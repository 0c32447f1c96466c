/*
 * files.c
 *	  Files of an export: reading, writing, which ones there must be.
 */
#include "cli/cli_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- reading ------------------------------------------------------------------ */

static EpsCliRead
read_all(EpsCliBuffer *out, int fd, size_t max)
{
	out->len = 0;
	for (;;)
	{
		ssize_t		n;

		eps_cli_reserve(out, out->len + 4096);
		n = read(fd, out->bytes + out->len, out->room - out->len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return EPS_CLI_UNREADABLE;
		if (n == 0)
			return EPS_CLI_READ;
		out->len += (size_t) n;
		if (out->len > max)
			return EPS_CLI_TOO_LONG;
	}
}

EpsCliRead
eps_cli_read_path(EpsCliBuffer *out, const char *path, size_t max)
{
	int			fd = open(path, O_RDONLY | O_CLOEXEC);
	EpsCliRead	result;

	out->len = 0;
	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? EPS_CLI_MISSING : EPS_CLI_UNREADABLE;
	result = read_all(out, fd, max);
	(void) close(fd);
	return result;
}

EpsCliRead
eps_cli_read(EpsCliBuffer *out, const char *dir, const char *path, size_t max)
{
	char		full[4096];

	out->len = 0;
	if (snprintf(full, sizeof(full), "%s/%s", dir, path) >= (int) sizeof(full))
	{
		errno = ENAMETOOLONG;
		return EPS_CLI_UNREADABLE;
	}
	return eps_cli_read_path(out, full, max);
}

bool
eps_cli_exists(const char *dir, const char *path)
{
	char		full[4096];
	struct stat st;

	return snprintf(full, sizeof(full), "%s/%s", dir, path) < (int) sizeof(full) && lstat(full, &st) == 0;
}

/* --- writing ------------------------------------------------------------------ */

static bool
write_all(int fd, const uint8_t *bytes, size_t len)
{
	while (len > 0)
	{
		ssize_t		n = write(fd, bytes, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		bytes += n;
		len -= (size_t) n;
	}
	return true;
}

/* Closes and keeps the reason of an earlier failure. */
static bool
close_after(int fd, bool good)
{
	int			reason = errno;

	if (close(fd) != 0 && good)
		return false;
	errno = reason;
	return good;
}

bool
eps_cli_write(const char *dir, const char *path, const void *bytes, size_t len, int mode)
{
	char		full[4096];
	int			fd;

	if (snprintf(full, sizeof(full), "%s/%s", dir, path) >= (int) sizeof(full))
	{
		errno = ENAMETOOLONG;
		return false;
	}
	for (char *at = full + strlen(dir) + 1; (at = strchr(at, '/')) != NULL; at++)
	{
		*at = '\0';
		if (mkdir(full, 0777) != 0 && errno != EEXIST)
			return false;
		*at = '/';
	}
	fd = open(full, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	return fd >= 0 && close_after(fd, write_all(fd, bytes, len));
}

static bool
sync_folder_of(const char *path)
{
	char		folder[4096];
	char	   *slash;
	int			fd;

	if (snprintf(folder, sizeof(folder), "%s", path) >= (int) sizeof(folder))
		return false;
	slash = strrchr(folder, '/');
	if (slash == NULL)
		strcpy(folder, ".");
	else
		slash[slash == folder ? 1 : 0] = '\0';
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd >= 0 && close_after(fd, fsync(fd) == 0);
}

bool
eps_cli_replace(const char *path, const void *bytes, size_t len, int mode)
{
	char		fresh[4096];
	int			fd;

	if (snprintf(fresh, sizeof(fresh), "%s.new", path) >= (int) sizeof(fresh))
	{
		errno = ENAMETOOLONG;
		return false;
	}
	fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	return fd >= 0 && close_after(fd, write_all(fd, bytes, len) && fsync(fd) == 0) &&
		rename(fresh, path) == 0 && sync_folder_of(path);
}

/* --- names -------------------------------------------------------------------- */

/* How many hashes (level 0 and bundles: entries) tile n of a level holds. */
unsigned
eps_cli_tile_width(int level, uint64_t n, uint64_t size)
{
	uint64_t	hashes = size;

	for (int i = 0; i < level; i++)
		hashes /= EPS_CLI_BUNDLE;
	if (n > hashes / EPS_CLI_BUNDLE)
		return 0;
	return n < hashes / EPS_CLI_BUNDLE ? EPS_CLI_BUNDLE : (unsigned) (hashes % EPS_CLI_BUNDLE);
}

void
eps_cli_tile_path(char out[EPS_CLI_PATH], int level, uint64_t n, uint64_t size)
{
	eps_ledger_tile_path(out, level, n, eps_cli_tile_width(level < 0 ? 0 : level, n, size));
}

void
eps_cli_openings_path(char out[EPS_CLI_PATH], uint64_t n, uint64_t size)
{
	eps_ledger_tile_path(out, EPS_TILE_OPENINGS, n, eps_cli_tile_width(0, n, size));
}

/* The number in "x001/067" or "x001/067.p/5"; false if it is none. */
static bool
tile_number(uint64_t *n, const char *at)
{
	*n = 0;
	for (;;)
	{
		bool		more = *at == 'x';

		at += more;
		for (int i = 0; i < 3; i++, at++)
		{
			if (*at < '0' || *at > '9' || *n > UINT64_MAX / 10 - 1)
				return false;
			*n = *n * 10 + (uint64_t) (*at - '0');
		}
		if (!more)
			return *at == '\0' || strncmp(at, ".p/", 3) == 0;
		if (*at++ != '/')
			return false;
	}
}

bool
eps_cli_is_expected(const char *path, uint64_t size, bool openings)
{
	char		wanted[EPS_CLI_PATH];
	uint64_t	n;
	int			level = 0;

	if (strcmp(path, "checkpoint") == 0 || strcmp(path, "key") == 0)
		return true;
	if (strncmp(path, "auditor/openings/", 17) == 0)
	{
		if (!openings || !tile_number(&n, path + 17) || eps_cli_tile_width(0, n, size) == 0)
			return false;
		eps_cli_openings_path(wanted, n, size);
		return strcmp(path, wanted) == 0;
	}
	if (strncmp(path, "tile/entries/", 13) == 0)
	{
		level = -1;
		path += 13;
	}
	else if (strncmp(path, "tile/", 5) == 0 && path[5] >= '0' && path[5] < '0' + EPS_CLI_LEVELS && path[6] == '/')
	{
		level = path[5] - '0';
		path += 7;
	}
	else
		return false;
	if (!tile_number(&n, path) || eps_cli_tile_width(level < 0 ? 0 : level, n, size) == 0)
		return false;
	eps_cli_tile_path(wanted, level, n, size);
	return strcmp(path, wanted + (level < 0 ? 13 : 7)) == 0;
}

/* --- walking ------------------------------------------------------------------ */

typedef struct Walk
{
	const char *dir;
	bool		(*visit) (void *context, const char *path);
	void	   *context;
	char	   *bad;
	bool		done;
} Walk;

/* Deeper than any export goes: then it is none. */
#define MAX_DEPTH 12

static bool walk(Walk *w, const char *path, int depth);

static bool
walk_one(Walk *w, const char *path, int depth)
{
	char		full[4096];
	struct stat st;

	(void) snprintf(w->bad, EPS_CLI_PATH, "%s", path);
	if (snprintf(full, sizeof(full), "%s/%s", w->dir, path) >= (int) sizeof(full) || lstat(full, &st) != 0)
		return false;
	if (S_ISDIR(st.st_mode))
		return depth < MAX_DEPTH && walk(w, path, depth + 1);
	if (!S_ISREG(st.st_mode))
		return false;
	w->done = !w->visit(w->context, path);
	return true;
}

static bool
walk(Walk *w, const char *path, int depth)
{
	char		full[4096];
	char		below[EPS_CLI_PATH];
	DIR		   *folder;
	struct dirent *one;
	bool		good = true;

	if (snprintf(full, sizeof(full), "%s/%s", w->dir, path) >= (int) sizeof(full) ||
		(folder = opendir(full)) == NULL)
		return false;
	while (good && !w->done && (one = readdir(folder)) != NULL)
	{
		if (strcmp(one->d_name, ".") == 0 || strcmp(one->d_name, "..") == 0)
			continue;
		good = snprintf(below, sizeof(below), "%s%s%s", path, *path ? "/" : "", one->d_name) < (int) sizeof(below) &&
			walk_one(w, below, depth);
	}
	(void) closedir(folder);
	return good;
}

bool
eps_cli_each_file(const char *dir, bool (*visit) (void *context, const char *path),
				  void *context, char path[EPS_CLI_PATH])
{
	Walk		w = {.dir = dir,.visit = visit,.context = context,.bad = path};

	path[0] = '\0';
	return walk(&w, "", 0);
}

/* Folders become empty from the innermost on; what does not go stays. */
void
eps_cli_remove_tree(const char *dir)
{
	DIR		   *folder = opendir(dir);
	struct dirent *one;

	while (folder != NULL && (one = readdir(folder)) != NULL)
	{
		char		full[4096];
		struct stat st;

		if (strcmp(one->d_name, ".") == 0 || strcmp(one->d_name, "..") == 0 ||
			snprintf(full, sizeof(full), "%s/%s", dir, one->d_name) >= (int) sizeof(full) ||
			lstat(full, &st) != 0)
			continue;
		if (S_ISDIR(st.st_mode))
			eps_cli_remove_tree(full);
		else
			(void) unlink(full);
	}
	if (folder != NULL)
		(void) closedir(folder);
	(void) rmdir(dir);
}
