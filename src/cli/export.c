/*
 * export.c
 *	  Takes an export from a server: rows (path, content) of dp.export_ledger become
 *	  files.  Nothing that the server says is believed; verify reads the files.
 */
#include "cli/cli_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define QUERY "SELECT path, content FROM dp.export_ledger($1)"

typedef struct Writing
{
	const char *dir;
	char		path[EPS_CLI_PATH];
	FILE	   *file;
} Writing;

/* Lower-case letters, digits, points and slashes, and no way out of the folder. */
static bool
is_safe(const char *path)
{
	size_t		len = strlen(path);

	if (len == 0 || len >= EPS_CLI_PATH || path[0] == '/' || path[0] == '.' || path[len - 1] == '/')
		return false;
	return strspn(path, "abcdefghijklmnopqrstuvwxyz0123456789./") == len &&
		strstr(path, "//") == NULL && strstr(path, "..") == NULL && strstr(path, "/.") == NULL;
}

static bool
close_file(Writing *w)
{
	bool		good = w->file == NULL || fclose(w->file) == 0;

	w->file = NULL;
	return good;
}

/* Rows of one path that follow each other are pieces of one file. */
static bool
write_piece(Writing *w, const char *path, const char *bytes, size_t len)
{
	char		full[4096];

	if (w->file == NULL || strcmp(path, w->path) != 0)
	{
		if (!is_safe(path))
		{
			eps_cli_say("the server names a file that no export has");
			return false;
		}
		if (!close_file(w) || !eps_cli_write(w->dir, path, "", 0, path[0] == 'a' ? 0600 : 0644) ||
			snprintf(full, sizeof(full), "%s/%s", w->dir, path) >= (int) sizeof(full) ||
			(w->file = fopen(full, "wb")) == NULL)
		{
			eps_cli_say("%s/%s cannot be written: %s", w->dir, path, strerror(errno));
			return false;
		}
		(void) snprintf(w->path, sizeof(w->path), "%s", path);
	}
	if (len == 0 || fwrite(bytes, len, 1, w->file) == 1)
		return true;
	eps_cli_say("%s/%s cannot be written: %s", w->dir, path, strerror(errno));
	return false;
}

static bool
write_row(Writing *w, const PGresult *row)
{
	if (PQnfields(row) != 2 || PQgetisnull(row, 0, 0) || PQgetisnull(row, 0, 1) ||
		strlen(PQgetvalue(row, 0, 0)) != (size_t) PQgetlength(row, 0, 0))
	{
		eps_cli_say("the server sends rows of another form");
		return false;
	}
	return write_piece(w, PQgetvalue(row, 0, 0), PQgetvalue(row, 0, 1), (size_t) PQgetlength(row, 0, 1));
}

static bool
fetch_rows(PGconn *connection, Writing *w)
{
	PGresult   *row;
	bool		good = true;

	while ((row = PQgetResult(connection)) != NULL)
	{
		if (PQresultStatus(row) == PGRES_SINGLE_TUPLE)
			good = good && write_row(w, row);
		else if (PQresultStatus(row) != PGRES_TUPLES_OK)
		{
			if (good)
				eps_cli_say("%s", PQresultErrorMessage(row));
			good = false;
		}
		PQclear(row);
	}
	return close_file(w) && good;
}

static bool
fetch_part(PGconn *connection, const char *dir, const char *part)
{
	const char *const values[1] = {part};
	Writing		w = {.dir = dir};

	if (PQsendQueryParams(connection, QUERY, 1, NULL, values, NULL, NULL, 1) != 1 || PQsetSingleRowMode(connection) != 1)
	{
		eps_cli_say("%s", PQerrorMessage(connection));
		return false;
	}
	return fetch_rows(connection, &w);
}

bool
eps_cli_run(PGconn *connection, const char *sql)
{
	PGresult   *result = PQexec(connection, sql);
	bool		good = PQresultStatus(result) == PGRES_COMMAND_OK;

	if (!good)
		eps_cli_say("%s", PQerrorMessage(connection));
	PQclear(result);
	return good;
}

static void
ignore_notice(void *context, const PGresult *result)
{
	(void) context;
	(void) result;
}

/* NULL where there is no connection; says why. */
PGconn *
eps_cli_connect(const char *conninfo)
{
	PGconn	   *connection = PQconnectdb(conninfo);

	if (PQstatus(connection) == CONNECTION_OK)
	{
		PQsetNoticeReceiver(connection, ignore_notice, NULL);
		return connection;
	}
	eps_cli_say("%s", PQerrorMessage(connection));
	PQfinish(connection);
	return NULL;
}

/* All of one snapshot, so that checkpoint, tiles and openings belong together. */
bool
eps_cli_export(const char *conninfo, const char *dir, bool public_only)
{
	PGconn	   *connection = eps_cli_connect(conninfo);
	bool		good;

	if (connection == NULL)
		return false;
	good = eps_cli_run(connection, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY") &&
		fetch_part(connection, dir, "public") && (public_only || fetch_part(connection, dir, "auditor")) &&
		eps_cli_run(connection, "COMMIT");
	PQfinish(connection);
	return good;
}

/* --- exports that are there only while the program runs -------------------------------- */

bool
eps_cli_source(EpsCliSource *out, const EpsCliArgs *args)
{
	const char *tmp = getenv("TMPDIR");

	out->dir = args->npositional > 0 ? args->positional[0] : NULL;
	out->made[0] = '\0';
	if ((out->dir == NULL) == (args->dbname == NULL))
	{
		eps_cli_say("name the folder of an export, or a server with --dbname");
		return false;
	}
	if (args->dbname == NULL)
		return true;
	(void) snprintf(out->made, sizeof(out->made), "%s/pg_epsilon.XXXXXX", tmp != NULL && *tmp != '\0' ? tmp : "/tmp");
	if (mkdtemp(out->made) == NULL)
	{
		eps_cli_say("no folder for the export can be made in %s: %s", tmp != NULL ? tmp : "/tmp", strerror(errno));
		out->made[0] = '\0';
		return false;
	}
	out->dir = out->made;
	if (eps_cli_export(args->dbname, out->dir, args->public_only))
		return true;
	eps_cli_source_close(out);
	return false;
}

void
eps_cli_source_close(EpsCliSource *source)
{
	if (source->made[0] != '\0')
		eps_cli_remove_tree(source->made);
	source->made[0] = '\0';
}

EpsCliExit
eps_cli_command_export(const EpsCliArgs *args)
{
	if (args->dbname == NULL || args->output == NULL || args->npositional > 0)
	{
		eps_cli_say("export needs --dbname and --output");
		return EPS_CLI_TROUBLE;
	}
	if (mkdir(args->output, 0700) != 0)
	{
		eps_cli_say("the folder %s cannot be made: %s", args->output, strerror(errno));
		return EPS_CLI_TROUBLE;
	}
	if (!eps_cli_export(args->dbname, args->output, args->public_only))
	{
		eps_cli_remove_tree(args->output);
		return EPS_CLI_TROUBLE;
	}
	return EPS_CLI_GOOD;
}
