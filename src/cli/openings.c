/*
 * openings.c
 *	  Reads openings, one at a time: memory is that of the largest one.
 */
#include "cli/cli_internal.h"

#include <string.h>
#include <sys/stat.h>

void
eps_cli_openings_close(EpsCliOpenings *o)
{
	if (o->file != NULL)
		(void) fclose(o->file);
	o->file = NULL;
}

/* Opens the file that holds seq, at its beginning. */
static EpsCliOpened
start(EpsCliOpenings *o, uint64_t seq)
{
	char		path[EPS_CLI_PATH];
	char		full[4096];
	struct stat st;
	uint64_t	n = (seq - 1) / EPS_CLI_BUNDLE;

	eps_cli_openings_close(o);
	eps_cli_openings_path(path, n, o->size);
	if (snprintf(full, sizeof(full), "%s/%s", o->dir, path) >= (int) sizeof(full) ||
		(o->file = fopen(full, "rb")) == NULL || fstat(fileno(o->file), &st) != 0 || !S_ISREG(st.st_mode))
	{
		eps_cli_openings_close(o);
		return EPS_CLI_NO_FILE;
	}
	o->bundle = n;
	o->next = n * EPS_CLI_BUNDLE + 1;
	o->left = (uint64_t) st.st_size;
	return EPS_CLI_OPENED;
}

static bool
read_length(EpsCliOpenings *o, uint32_t *len)
{
	uint8_t		bytes[4];

	if (o->left < sizeof(bytes) || fread(bytes, sizeof(bytes), 1, o->file) != 1)
		return false;
	o->left -= sizeof(bytes);
	*len = (uint32_t) bytes[0] << 24 | (uint32_t) bytes[1] << 16 | (uint32_t) bytes[2] << 8 | bytes[3];
	return *len <= o->left;
}

/* Moves to seq, which is in the open file and not before next. */
static bool
skip_to(EpsCliOpenings *o, uint64_t seq)
{
	for (; o->next < seq; o->next++)
	{
		uint32_t	len;

		if (!read_length(o, &len) || fseeko(o->file, (off_t) len, SEEK_CUR) != 0)
			return false;
		o->left -= len;
	}
	return true;
}

static bool
read_one(EpsCliOpenings *o)
{
	uint32_t	len;

	if (!read_length(o, &len))
		return false;
	eps_cli_reserve(&o->buffer, (size_t) len + 1);
	o->buffer.len = len;
	if (len > 0 && fread(o->buffer.bytes, len, 1, o->file) != 1)
		return false;
	o->left -= len;
	o->next++;
	return eps_ledger_opening_read(o->r, o->field, o->buffer.bytes, len) == EPS_OK;
}

EpsCliOpened
eps_cli_open_entry(EpsCliOpenings *o, const EpsEntry *entry)
{
	EpsHash		root;

	if (o->file == NULL || o->next > entry->seq || o->bundle != (entry->seq - 1) / EPS_CLI_BUNDLE)
	{
		EpsCliOpened opened = start(o, entry->seq);

		if (opened != EPS_CLI_OPENED)
			return opened;
	}
	if (!skip_to(o, entry->seq) || !read_one(o))
	{
		eps_cli_openings_close(o);
		return EPS_CLI_MALFORMED;
	}
	eps_ledger_fields_root(&root, o->r, o->field);
	return memcmp(&root, &entry->fields, sizeof(root)) == 0 ? EPS_CLI_OPENED : EPS_CLI_ANOTHER;
}

bool
eps_cli_openings_ended(const EpsCliOpenings *o)
{
	return o->file == NULL || o->left == 0;
}
