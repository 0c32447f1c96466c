/*
 * log_internal.h
 *	  What the files log_*.c share: the log inside the database.  Layout of
 *	  entries and tree: docs/design/ledger.md; tables: docs/design/book.md.
 *
 * The ledger writer alone appends, in the transaction of the charge; everybody
 * else reads tables, under one snapshot.
 */
#ifndef EPS_PG_BUDGET_LOG_INTERNAL_H
#define EPS_PG_BUDGET_LOG_INTERNAL_H

#include "pg/budget/budget_internal.h"

#include "core/crypto/crypto.h"
#include "core/ledger/ledger.h"
#include "nodes/pg_list.h"
#include "utils/snapshot.h"

#define EPS_TILE_HASHES EPS_TILE_WIDTH
#define EPS_TILE_LEVELS 8		/* of 8 bits of a size each */
#define EPS_TILE_BYTES (EPS_TILE_HASHES * EPS_HASH_LEN)

/* Worst cases of all answers of a data set. */
typedef struct EpsLogTotal
{
	int32		dataset_id;
	EpsU128		units;
	EpsU128		delta_units;
} EpsLogTotal;

/*
 * The log as the writer has it in memory: what it needs to append.  Valid from
 * a look at the tables on, until a transaction that appended fails.
 */
struct EpsLog
{
	EpsWriter  *writer;
	bool		valid;
	bool		started;		/* boot entry written since the server started */
	bool		appended;		/* in the transaction at hand */
	Oid			book;			/* schema that it was read from */
	uint64		booked;			/* entries that were there when the transaction began */
	uint64		at;				/* time of the newest entry */
	uint64		epoch;
	bool		has_id;
	uint8		id[EPS_LEDGER_ID_LEN];
	EpsFrontier tree;
	EpsHash		tail[EPS_TILE_LEVELS][EPS_TILE_HASHES]; /* the tile that grows, of each level */
	int			ntotals;
	int			totals_room;
	EpsLogTotal *total;
};

/* Which field says what; docs/design/ledger.md. */
enum
{
	EPS_FIELD_TEXT = 0,
	EPS_FIELD_WHO,
	EPS_FIELD_PURPOSE,
	EPS_FIELD_MECHANISM,
	EPS_FIELD_PRICE,
	EPS_FIELD_CHARGES,
	EPS_FIELD_LINKS,
	EPS_FIELD_OWNERS
};

#define EPS_PRICE_LEN (2 + 2 + 8 + 8)
#define EPS_OWNERS_LEN (4 + 8 + 8)

/* What an entry says: of one that is to be appended, or as the tables have it. */
typedef struct EpsLogEntry
{
	EpsEntryKind kind;
	int32		dataset_id;		/* 0: the whole database */
	TimestampTz at;
	uint64		units;			/* what it adds to the worst case */
	uint64		delta_units;
	EpsField	field[EPS_ENTRY_FIELDS];
	uint8		body[EPS_ENTRY_BODY_LEN];
	const char *detail;			/* of boots and recoveries: field 0, kept in the log's row */
	uint8		price[EPS_PRICE_LEN];	/* what fields point to */
	uint8		links[8];
	uint8		owners[EPS_OWNERS_LEN];
} EpsLogEntry;

static inline EpsField
eps_budget_text_field(const char *text)
{
	return (EpsField) {(const uint8 *) text, text == NULL ? 0 : strlen(text)};
}

/* Microseconds since 1970, as entries have them. */
static inline uint64
eps_budget_log_time(TimestampTz at)
{
	return (uint64) (at + (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY);
}

static inline TimestampTz
eps_budget_log_timestamp(uint64 at)
{
	return (TimestampTz) at - (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY;
}

/* log.c: the writer; SPI connected */
extern void eps_budget_log_append(EpsLog *log, const EpsLogEntry *entry);
extern void eps_budget_log_start(EpsLog *log);

/* log_boot.c */
extern void eps_budget_log_boot(EpsLog *log);
extern char *eps_budget_boot_value(const char *boot, const char *name);
extern char *eps_budget_recovery_text(const char *before, const char *now);

/* log_key.c */
typedef struct EpsSigningKey
{
	uint64		from_seq;		/* 0: not in force yet */
	uint8		public_key[EPS_SIGN_PUBLIC_LEN];
	bytea	   *sealed;
	char	   *set_by;			/* NULL: the writer */
} EpsSigningKey;

extern List *eps_budget_log_keys(void);
extern const EpsSigningKey *eps_budget_log_key_at(List *keys, uint64 size);
extern void eps_budget_log_key_open(uint8 secret[EPS_SIGN_SECRET_LEN], const uint8 id[EPS_LEDGER_ID_LEN],
									const EpsSigningKey *key);
extern void eps_budget_log_first_key(EpsLog *log);
extern void eps_budget_log_pending_keys(EpsLog *log);
extern bool eps_budget_log_id(uint8 id[EPS_LEDGER_ID_LEN]);
extern void eps_budget_log_r_seal(uint8 out[32 + EPS_SEAL_OVERHEAD], const uint8 r[32], const uint8 id[EPS_LEDGER_ID_LEN], uint64 seq);
extern bool eps_budget_log_r_open(uint8 r[32], const bytea *sealed, const uint8 id[EPS_LEDGER_ID_LEN], uint64 seq);

/* log_tree.c: the tree in the tables */
typedef struct EpsLogTree
{
	uint64		size;
	unsigned	level;			/* tile at hand; width 0: none */
	uint64		n;
	unsigned	width;
	EpsHash		tile[EPS_TILE_HASHES];
} EpsLogTree;

extern uint64 eps_budget_log_size(void);
extern void eps_budget_tile_root(EpsHash *out, const EpsHash *hashes, unsigned n);
extern unsigned eps_budget_tile_width(uint64 size, unsigned level, uint64 n);
extern EpsStatus eps_budget_tile_load(EpsLogTree *tree, unsigned level, uint64 n);
extern EpsStatus eps_budget_tree_fetch(void *context, EpsHash *out, unsigned level, uint64 index);

/* log_read.c: entries and what the tables say of them */
typedef struct EpsLogRow
{
	uint64		seq;
	bytea	   *public;			/* the log's row */
	bytea	   *sealed;
	bool		known;			/* its kind has a row elsewhere, which says: */
	EpsLogEntry said;
} EpsLogRow;

typedef bool (*EpsLogVisit) (void *context, const EpsLogRow *row);

extern bool eps_budget_log_each(uint64 first, uint64 last, EpsLogVisit visit, void *context);
extern void eps_budget_log_answer(EpsLogEntry *entry, EpsEntryKind kind, unsigned level, unsigned delta_level,
								  int64 repeat_of);
extern void eps_budget_log_enrolled(EpsLogEntry *entry, uint32 accounts, uint64 units, uint64 delta_units);
extern void eps_budget_log_policy(EpsLogEntry *entry, const char *action, const char *table, const char *relation,
								  const char *who, const char *row_text);

/* log_sql.c */
extern text *eps_budget_log_checkpoint(EpsLogTree *tree);
extern void eps_budget_log_begin_read(EpsLogTree *tree, Snapshot *snapshot);
extern void eps_budget_log_end_read(Snapshot snapshot);

#endif							/* EPS_PG_BUDGET_LOG_INTERNAL_H */
