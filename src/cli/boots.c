/*
 * boots.c
 *	  Boots: the database may become another one (restored, promoted, cloned) only
 *	  where a recovery entry says so, right after the boot.
 */
#include "cli/cli_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char *const identity[] = {"system_identifier=", "timeline=", "database_oid="};

/* The line of a text that begins so, with its newline; len 0 if there is none. */
static EpsField
find_line(EpsField text, const char *prefix)
{
	size_t		prefix_len = strlen(prefix);
	const uint8_t *at = text.bytes;
	const uint8_t *end = text.bytes + text.len;

	while (at < end)
	{
		const uint8_t *newline = memchr(at, '\n', (size_t) (end - at));
		size_t		len = newline == NULL ? (size_t) (end - at) : (size_t) (newline - at) + 1;

		if (len > prefix_len && memcmp(at, prefix, prefix_len) == 0)
			return (EpsField) {at, len};
		at += len;
	}
	return (EpsField) {at, 0};
}

static const char *
wrong_boot(EpsCliVerifier *v, EpsField text)
{
	EpsCliBuffer now = {0};

	for (size_t i = 0; i < sizeof(identity) / sizeof(identity[0]); i++)
	{
		EpsField	line = find_line(text, identity[i]);

		if (line.len == 0)
		{
			eps_cli_free(&now);
			return "does not say which database it is";
		}
		eps_cli_append(&now, line.bytes, line.len);
	}
	v->moved = v->boot.len > 0 &&
		(v->boot.len != now.len || memcmp(v->boot.bytes, now.bytes, now.len) != 0);
	eps_cli_free(&v->boot);
	v->boot = now;
	return NULL;
}

/* Called with every entry: what follows a boot of another database must tell of it. */
void
eps_cli_boot_entry(EpsCliVerifier *v, const EpsEntry *entry, const EpsField *field)
{
	const char *wrong = NULL;

	if (v->moved && entry->kind != EPS_ENTRY_RECOVERY)
		wrong = "follows a boot of another database (system, timeline or number), but is no recovery entry";
	else if (entry->kind == EPS_ENTRY_RECOVERY && !v->moved)
		wrong = "tells of a recovery, but the boot before it is of the same database";
	v->moved = false;
	if (wrong == NULL && entry->kind == EPS_ENTRY_BOOT)
		wrong = wrong_boot(v, field[0]);
	if (wrong == NULL && v->moved && entry->seq == v->verdict->checkpoint.size)
		wrong = "is the boot of another database (system, timeline or number), and no recovery entry follows";
	if (entry->kind == EPS_ENTRY_BOOT)
		v->verdict->result[EPS_CLI_BOOTS].checked++;
	if (wrong != NULL)
		eps_cli_fail(v, EPS_CLI_BOOTS, entry->seq, "entry %" PRIu64 " %s", entry->seq, wrong);
}
