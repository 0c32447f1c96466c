/*
 * log_boot.c
 *	  The boot entry: which server, which library and which settings the answers
 *	  that follow came from; and the recovery entry where the database is no
 *	  longer the one of the boot before: restored, promoted or cloned (rule 39).
 */
#include "postgres.h"

#include <elf.h>
#include <link.h>

#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

#include "core/crypto/crypto.h"
#include "pg/budget/log_internal.h"

/* What makes it this database: at the head of a boot entry, in this order. */
#define NIDENTITY 3

static const char *const identity_names[NIDENTITY] = {"system_identifier", "timeline", "database_oid"};

/* Settings that protection stands on, as they are in force for the writer. */
static const char *const settings[] = {
	"allow_system_table_mods", "data_checksums", "dp.max_answers", "dp.max_owners", "fsync", "full_page_writes",
	"local_preload_libraries", "log_statement", "password_encryption", "session_preload_libraries",
	"shared_preload_libraries", "ssl", "synchronous_commit", "synchronous_standby_names", "track_functions",
	"wal_level", "zero_damaged_pages"
};

/* --- the build ---------------------------------------------------------------------- */

typedef struct BuildId
{
	uintptr_t	here;			/* an address of this library */
	StringInfo	out;
} BuildId;

static void
read_notes(StringInfo out, const char *at, Size len)
{
	while (len >= sizeof(ElfW(Nhdr)))
	{
		const ElfW(Nhdr) *note = (const void *) at;
		Size		name = TYPEALIGN(4, (Size) note->n_namesz);
		Size		whole = sizeof(*note) + name + TYPEALIGN(4, (Size) note->n_descsz);

		if (whole > len)
			return;
		if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4 && memcmp(at + sizeof(*note), "GNU", 4) == 0)
			for (Size i = 0; i < note->n_descsz; i++)
				appendStringInfo(out, "%02x", (uint8) at[sizeof(*note) + name + i]);
		at += whole;
		len -= whole;
	}
}

static int
look_at_object(struct dl_phdr_info *object, size_t size, void *context)
{
	BuildId    *id = context;
	bool		ours = false;

	for (int i = 0; i < object->dlpi_phnum; i++)
	{
		const ElfW(Phdr) *p = &object->dlpi_phdr[i];

		ours |= p->p_type == PT_LOAD && id->here - (object->dlpi_addr + p->p_vaddr) < p->p_memsz;
	}
	for (int i = 0; ours && i < object->dlpi_phnum; i++)
		if (object->dlpi_phdr[i].p_type == PT_NOTE)
			read_notes(id->out, (const char *) (object->dlpi_addr + object->dlpi_phdr[i].p_vaddr),
					   object->dlpi_phdr[i].p_memsz);
	return ours;
}

/* What the linker says this library was made from; empty if it says nothing. */
static void
append_build_id(StringInfo out)
{
	BuildId		id = {(uintptr_t) &identity_names, out};

	dl_iterate_phdr(look_at_object, &id);
}

/* --- the text ------------------------------------------------------------------------- */

/* One line a setting, whatever it holds. */
static void
append_line(StringInfo out, const char *name, const char *value)
{
	appendStringInfo(out, "%s=", name);
	for (const char *c = value; *c != '\0'; c++)
		appendStringInfoChar(out, *c == '\n' || *c == '\r' ? ' ' : *c);
	appendStringInfoChar(out, '\n');
}

static void
read_identity(char *value[NIDENTITY])
{
	value[0] = psprintf(UINT64_FORMAT, GetSystemIdentifier());
	value[1] = psprintf("%u", GetWALInsertionTimeLine());
	value[2] = psprintf("%u", MyDatabaseId);
}

static char *
boot_text(char *const identity[NIDENTITY])
{
	StringInfoData out;

	initStringInfo(&out);
	for (int i = 0; i < NIDENTITY; i++)
		append_line(&out, identity_names[i], identity[i]);
	append_line(&out, "library", EPS_VERSION);
	appendStringInfoString(&out, "build=");
	append_build_id(&out);
	appendStringInfoChar(&out, '\n');
	append_line(&out, "server", GetConfigOption("server_version", false, false));
	for (int i = 0; i < (int) lengthof(settings); i++)
	{
		const char *value = GetConfigOption(settings[i], true, false);

		append_line(&out, settings[i], value == NULL ? "" : value);
	}
	return out.data;
}

/* The value of a name in the text of a boot entry, or NULL. */
char *
eps_budget_boot_value(const char *boot, const char *name)
{
	Size		len = strlen(name);

	for (const char *line = boot; line != NULL && *line != '\0'; line = strchr(line, '\n') + 1)
	{
		const char *end = strchr(line, '\n');

		if (end == NULL)
			return NULL;
		if (strncmp(line, name, len) == 0 && line[len] == '=')
			return pnstrdup(line + len + 1, (Size) (end - line) - len - 1);
	}
	return NULL;
}

/* What the recovery entry after a boot must say, or NULL where none is due. */
char *
eps_budget_recovery_text(const char *before, const char *now)
{
	StringInfoData out;

	initStringInfo(&out);
	for (int i = 0; i < NIDENTITY; i++)
	{
		char	   *was = eps_budget_boot_value(before, identity_names[i]);
		char	   *is = eps_budget_boot_value(now, identity_names[i]);

		if (was != NULL && is != NULL && strcmp(was, is) == 0)
			continue;
		append_line(&out, psprintf("%s_before", identity_names[i]), was == NULL ? "" : was);
		append_line(&out, identity_names[i], is == NULL ? "" : is);
	}
	return out.len == 0 ? NULL : out.data;
}

/* --- the entries ---------------------------------------------------------------------- */

static char *
last_boot(void)
{
	char	   *text = NULL;
	int			rc;

	rc = SPI_execute("SELECT detail FROM dp_book.log WHERE detail IS NOT NULL "
					 "AND get_byte(entry, 1) OPERATOR(pg_catalog.=) 1 ORDER BY seq DESC LIMIT 1", true, 1);
	EPS_ENSURE(rc == SPI_OK_SELECT, "a query on the book failed");
	if (SPI_processed > 0)
		text = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	SPI_freetuptable(SPI_tuptable);
	return text;
}

static void
make_id(EpsLog *log)
{
	Oid			types[2] = {BYTEAOID, TIMESTAMPTZOID};
	Datum		values[2];
	bytea	   *id = palloc(VARHDRSZ + EPS_LEDGER_ID_LEN);

	eps_common_check(eps_crypto_random(log->id, EPS_LEDGER_ID_LEN), "naming the ledger");
	SET_VARSIZE(id, VARHDRSZ + EPS_LEDGER_ID_LEN);
	memcpy(VARDATA(id), log->id, EPS_LEDGER_ID_LEN);
	values[0] = PointerGetDatum(id);
	values[1] = TimestampTzGetDatum(GetCurrentTimestamp());
	EPS_ENSURE(SPI_execute_with_args("INSERT INTO dp_book.ledger (id, made_at) VALUES ($1, $2)",
									 2, types, values, NULL, false, 0) == SPI_OK_INSERT, "the ledger cannot be named");
	log->has_id = true;
}

static void
append_text(EpsLog *log, EpsEntryKind kind, const char *text)
{
	EpsLogEntry entry = {.kind = kind,.at = GetCurrentTimestamp(),.detail = text};

	entry.field[EPS_FIELD_TEXT] = eps_budget_text_field(text);
	eps_budget_log_append(log, &entry);
}

void
eps_budget_log_boot(EpsLog *log)
{
	char	   *identity[NIDENTITY];
	char	   *before = last_boot();
	char	   *recovery = NULL;
	char	   *now;

	if (!log->has_id)
		make_id(log);
	read_identity(identity);
	now = boot_text(identity);
	append_text(log, EPS_ENTRY_BOOT, now);
	if (before != NULL)
		recovery = eps_budget_recovery_text(before, now);
	if (recovery != NULL)
		append_text(log, EPS_ENTRY_RECOVERY, recovery);
	eps_budget_log_first_key(log);
}
