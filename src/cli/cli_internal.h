/*
 * cli_internal.h
 *	  Private to room cli.
 */
#ifndef EPS_CLI_INTERNAL_H
#define EPS_CLI_INTERNAL_H

#include "cli/cli.h"

#include <jansson.h>
#include <libpq-fe.h>
#include <stdio.h>

#define EPS_CLI_BUNDLE 256		/* entries a bundle, hashes a tile */
#define EPS_CLI_BUNDLE_LEN ((size_t) EPS_CLI_BUNDLE * (2 + EPS_ENTRY_LEN))
#define EPS_CLI_LEVELS 8		/* tile levels: 256^8 entries */
#define EPS_CLI_PATH 160

/* --- memory and messages (util.c): the program ends where memory does ------------ */

extern void *eps_cli_alloc(size_t len);
extern void *eps_cli_grow(void *old, size_t len);
extern char *eps_cli_copy(const char *text);
extern void eps_cli_say(const char *format, ...) __attribute__((format(printf, 1, 2)));	/* to standard error */

/* A growing buffer. */
typedef struct EpsCliBuffer
{
	uint8_t    *bytes;
	size_t		len;
	size_t		room;
} EpsCliBuffer;

extern void eps_cli_reserve(EpsCliBuffer *buffer, size_t room);
extern void eps_cli_append(EpsCliBuffer *buffer, const void *bytes, size_t len);
extern void eps_cli_free(EpsCliBuffer *buffer);

/* --- commands (main.c) --------------------------------------------------------------- */

typedef struct EpsCliArgs
{
	const char *dbname;
	const char *output;
	const char *key;
	const char *since;
	const char *state;
	const char *name;
	const char *fields;
	const char *dataset;
	const char *owner;
	const char *check;
	const char *title;
	uint64_t	seq;
	bool		json;
	bool		public_only;
	bool		repair;
	int			npositional;
	char	  **positional;
} EpsCliArgs;

extern EpsCliExit eps_cli_command_export(const EpsCliArgs *args);
extern EpsCliExit eps_cli_command_verify(const EpsCliArgs *args);
extern EpsCliExit eps_cli_command_fsck(const EpsCliArgs *args);
extern EpsCliExit eps_cli_command_prove(const EpsCliArgs *args);
extern EpsCliExit eps_cli_command_check(const EpsCliArgs *args);
extern EpsCliExit eps_cli_command_statement(const EpsCliArgs *args);
extern EpsCliExit eps_cli_command_witness(const EpsCliArgs *args);
extern EpsCliExit eps_cli_command_report(const EpsCliArgs *args);

/* To standard output, and no longer there. */
extern void eps_cli_show_json(json_t *value);

/* --- proofs as JSON (bytes.c, prove.c, check.c): what is wrong, or NULL ------------------- */

#define EPS_CLI_PROOF_FORMAT "pg_epsilon proof v1"

extern const char *const eps_cli_field_names[EPS_ENTRY_FIELDS];

extern json_t *eps_cli_json_bytes(const uint8_t *bytes, size_t len);
extern json_t *eps_cli_json_hashes(const EpsHash *hash, size_t n);
extern bool eps_cli_json_fixed(uint8_t *out, size_t len, const json_t *value);
extern bool eps_cli_json_any(uint8_t **out, size_t *len, const json_t *value);
extern bool eps_cli_json_proof(EpsHash *out, size_t max, size_t *n, const json_t *value);
extern bool eps_cli_json_number(uint64_t *out, const json_t *value);
extern const char *eps_cli_json_checkpoint(EpsCheckpoint *out, const json_t *bundle, const char *trusted, bool *believed);
extern const char *eps_cli_json_entry(EpsEntry *out, const json_t *bundle, const EpsCheckpoint *checkpoint);
extern bool eps_cli_origin_of(char name[128], uint8_t id[EPS_LEDGER_ID_LEN], const char *note);
extern void eps_cli_show_entry(const EpsEntry *entry, const EpsCheckpoint *checkpoint);
extern json_t *eps_cli_get_json(const char *path);	/* NULL: says why */
extern EpsCliExit eps_cli_put_json(json_t *value, const char *path);	/* NULL path: standard output */

/* --- a server (export.c): all say what failed ------------------------------------------- */

extern PGconn *eps_cli_connect(const char *conninfo);
extern bool eps_cli_run(PGconn *connection, const char *sql);
extern bool eps_cli_export(const char *conninfo, const char *dir, bool public_only);

/* The folder that the arguments name, or one made from a server for the time being. */
typedef struct EpsCliSource
{
	const char *dir;
	char		made[4096];
} EpsCliSource;

extern bool eps_cli_source(EpsCliSource *out, const EpsCliArgs *args);
extern void eps_cli_source_close(EpsCliSource *source);

/* --- text (text.c) ------------------------------------------------------------------ */

extern void eps_cli_hex(char *out, const uint8_t *bytes, size_t len);	/* 2 len + 1 characters */
extern bool eps_cli_unhex(uint8_t *out, size_t len, const char *in);	/* exactly, lower case */
extern void eps_cli_base64(char *out, const uint8_t *bytes, size_t len);
extern bool eps_cli_unbase64(uint8_t *out, size_t room, size_t *n, const char *in, size_t len);	/* canonical only */
extern void eps_cli_u128(char out[40], EpsU128 value);
extern double eps_cli_units(EpsU128 units);	/* 1.0 is 2^60 */
extern void eps_cli_time(char out[32], uint64_t microseconds);	/* "2026-01-31 12:00:00 UTC" */

/* --- files (files.c) ------------------------------------------------------------------ */

typedef enum EpsCliRead
{
	EPS_CLI_READ,
	EPS_CLI_MISSING,
	EPS_CLI_TOO_LONG,
	EPS_CLI_UNREADABLE			/* errno says why */
} EpsCliRead;

/* The whole of a file below dir, at most max bytes. */
extern EpsCliRead eps_cli_read(EpsCliBuffer *out, const char *dir, const char *path, size_t max);

extern EpsCliRead eps_cli_read_path(EpsCliBuffer *out, const char *path, size_t max);

extern bool eps_cli_exists(const char *dir, const char *path);

/* Writes a file below dir with its folders. False: errno says why. */
extern bool eps_cli_write(const char *dir, const char *path, const void *bytes, size_t len, int mode);

/* Replaces a file: on disk, whole, under its name, before it returns. */
extern bool eps_cli_replace(const char *path, const void *bytes, size_t len, int mode);

/* "tile/0/x001/067.p/5" and the like for tile or bundle n of a log of this size. */
extern void eps_cli_tile_path(char out[EPS_CLI_PATH], int level, uint64_t n, uint64_t size);
extern void eps_cli_openings_path(char out[EPS_CLI_PATH], uint64_t n, uint64_t size);
extern unsigned eps_cli_tile_width(int level, uint64_t n, uint64_t size);

/* Does a log of this size have this file? */
extern bool eps_cli_is_expected(const char *path, uint64_t size, bool openings);

/* Calls visit for each file below dir, with its path from there, until it says
 * false.  False: something is unreadable or no plain file; path says what. */
extern bool eps_cli_each_file(const char *dir, bool (*visit) (void *context, const char *path),
							  void *context, char path[EPS_CLI_PATH]);
extern void eps_cli_remove_tree(const char *dir);

/* --- openings (openings.c) --------------------------------------------------------------- */

/* Reads openings one after the other, or by number. */
typedef struct EpsCliOpenings
{
	const char *dir;
	uint64_t	size;
	FILE	   *file;
	uint64_t	bundle;			/* number of the open file */
	uint64_t	next;			/* seq that comes next in it */
	uint64_t	left;			/* bytes */
	EpsCliBuffer buffer;
	uint8_t		r[32];
	EpsField	field[EPS_ENTRY_FIELDS];
} EpsCliOpenings;

typedef enum EpsCliOpened
{
	EPS_CLI_OPENED,
	EPS_CLI_NO_FILE,
	EPS_CLI_MALFORMED,
	EPS_CLI_ANOTHER				/* it does not open this entry */
} EpsCliOpened;

/* The opening of an entry, checked against it; fields point into the buffer. */
extern EpsCliOpened eps_cli_open_entry(EpsCliOpenings *openings, const EpsEntry *entry);
/* Is the file that was read last at its very end? */
extern bool eps_cli_openings_ended(const EpsCliOpenings *openings);
extern void eps_cli_openings_close(EpsCliOpenings *openings);

/* --- tiles (tiles.c) ---------------------------------------------------------------------- */

/* Hashes of a log's export, for proofs: one tile a level is kept. */
typedef struct EpsCliTiles
{
	const char *dir;
	uint64_t	size;
	struct
	{
		bool		loaded;
		uint64_t	n;
		unsigned	width;
		EpsHash		hash[EPS_CLI_BUNDLE];
	}			level[EPS_CLI_LEVELS];
} EpsCliTiles;

/* An EpsFetchHash over EpsCliTiles. */
extern EpsStatus eps_cli_tiles_fetch(void *context, EpsHash *out, unsigned level, uint64_t index);

/* Root of the 2^height hashes at node. */
extern void eps_cli_subtree(EpsHash *out, const EpsHash *node, unsigned height);

/* --- the verifier -------------------------------------------------------------------------- */

typedef struct EpsCliAccount
{
	uint64_t	spent;
	uint64_t	spent_delta;
	uint64_t	limit;
	uint32_t	consent_set;
	uint32_t	consent;
	uint32_t	stamp;			/* of the entry that charged it last */
	bool		merged;
} EpsCliAccount;

/* An entry of owners, read before the entries among which its changes were made. */
typedef struct EpsCliEpoch
{
	bool		loaded;
	bool		usable;			/* its opening opens it and is well-formed */
	EpsEntry	entry;
	EpsOwnersBody body;
	uint8_t		map_key[32];
	uint32_t	naccounts;
	EpsCliBuffer changes;
	EpsCursor	rest;			/* those not applied yet */
	uint64_t	before;			/* after which entry the last one was made */
} EpsCliEpoch;

typedef struct EpsCliDataset
{
	uint32_t	number;
	EpsU128		total;			/* as the entries say */
	EpsU128		total_delta;
	uint64_t	releases;

	/* auditor's part: what was promised, from policy entries */
	bool		known;
	bool		pure;
	bool		worst_case;		/* new owners begin at the worst case ... */
	bool		tightened;		/* ... but not from the beginning */
	uint64_t	cap;
	uint64_t	standard;
	uint64_t	side;
	uint64_t	side_spent;
	uint64_t	delta_limit;
	uint32_t	capacity;

	EpsU128		fold;			/* sum of the prices of releases */
	EpsU128		fold_delta;
	EpsCliAccount *accounts;
	uint32_t	naccounts;
	uint32_t	room;
	uint32_t	stamp;

	uint64_t	nowners;
	uint64_t	owners_as_of;	/* entry for which the last maps stand */
	size_t		next_owners;	/* where to look for the next entry of owners */
	uint64_t	owners_last;	/* last second of the last epoch */
	EpsCliEpoch epoch;			/* the one that is under way */
	bool		tail;			/* no owners entry follows: changes are not known yet */
} EpsCliDataset;

typedef struct EpsCliOwnersAt
{
	EpsEntry	entry;
	EpsOwnersBody body;
} EpsCliOwnersAt;

#define EPS_CLI_MAX_DATASETS 65536

typedef struct EpsCliVerifier
{
	EpsCliVerdict *verdict;
	const EpsCliVerifyOptions *options;
	const char *dir;
	uint8_t		id[EPS_LEDGER_ID_LEN];
	char		origin[128];
	bool		openings;

	/* log */
	EpsCliBuffer bundle;
	EpsCliBuffer tile;
	EpsHash		node[EPS_CLI_LEVELS][EPS_CLI_BUNDLE];	/* of the tiles that are not full */
	uint64_t	count[EPS_CLI_LEVELS];	/* hashes of each level so far */
	uint64_t	last_at;
	uint64_t	last_epoch;
	uint64_t	tile_seq;		/* where the tiles differ first; 0: nowhere */
	int			tile_level;		/* the lowest where they do */
	char		tile_path[EPS_CLI_PATH];
	bool		since_given;
	EpsCheckpoint since;
	bool		stopped;		/* what follows a bad entry cannot be judged */

	/* keys */
	unsigned	nkeys;
	uint8_t	  (*key)[EPS_SIGN_PUBLIC_LEN];
	uint64_t	first_key_seq;

	/* auditor's part */
	EpsCliOpenings sequential;
	EpsCliOpenings ahead;
	EpsCliOwnersAt *owners;
	size_t		nowners;
	EpsCliDataset *datasets;
	unsigned	ndatasets;
	bool		folding;		/* false after the first entry that the fold cannot take */

	/* boots */
	EpsCliBuffer boot;			/* what the last boot said of which database it is */
	bool		moved;			/* which was another one */

	/* answers: a bit a release: listed in an answers entry */
	uint8_t    *is_release;
	uint8_t    *is_answered;
	uint64_t	answered_to;
} EpsCliVerifier;

/* Records a failure; the first of each check stays, unless this one is of an earlier entry. */
extern void eps_cli_fail(EpsCliVerifier *v, EpsCliCheck check, uint64_t seq, const char *format, ...)
			__attribute__((format(printf, 4, 5)));
extern bool eps_cli_failed(const EpsCliVerifier *v, EpsCliCheck check);
extern void eps_cli_note(EpsCliVerifier *v, EpsCliCheck check, const char *format, ...)
			__attribute__((format(printf, 3, 4)));

extern EpsCliDataset *eps_cli_dataset(EpsCliVerifier *v, uint32_t number);	/* NULL: too many */

/* tree.c */
extern void eps_cli_tree_add(EpsCliVerifier *v, const EpsHash *leaf);
extern void eps_cli_tree_end(EpsCliVerifier *v);

/* keys.c */
extern bool eps_cli_key_entry(EpsCliVerifier *v, const EpsEntry *entry);
extern bool eps_cli_checkpoint_size(EpsCliVerifier *v);
extern void eps_cli_checkpoint_end(EpsCliVerifier *v);
extern bool eps_cli_since_read(EpsCliVerifier *v, const EpsCliBuffer *note);

/* audit.c */
extern void eps_cli_audit_begin(EpsCliVerifier *v);
extern void eps_cli_audit_entry(EpsCliVerifier *v, const EpsEntry *entry);
extern void eps_cli_audit_end(EpsCliVerifier *v);

/* policy.c */
extern void eps_cli_policy_entry(EpsCliVerifier *v, const EpsEntry *entry, const EpsField field[EPS_ENTRY_FIELDS]);

/* fold.c */
typedef struct EpsCliPrice
{
	uint16_t	level;
	uint16_t	delta_level;
	uint64_t	units;
	uint64_t	delta_units;
} EpsCliPrice;

extern bool eps_cli_price_read(EpsCliPrice *out, EpsField field);
extern bool eps_cli_start_fits(const EpsCliDataset *d, EpsU128 units, EpsU128 delta_units,
							   EpsU128 before, EpsU128 before_delta);
extern bool eps_cli_enrol(EpsCliDataset *d, uint32_t naccounts, uint64_t units, uint64_t delta_units);
extern void eps_cli_fold_entry(EpsCliVerifier *v, EpsCliDataset *d, const EpsEntry *entry, const EpsField *field);

/* epochs.c */
extern void eps_cli_epochs_index(EpsCliVerifier *v);
extern void eps_cli_epoch_before(EpsCliVerifier *v, EpsCliDataset *d, uint64_t seq);
extern void eps_cli_epoch_entry(EpsCliVerifier *v, EpsCliDataset *d, const EpsEntry *entry);
extern void eps_cli_epochs_after(EpsCliVerifier *v, uint64_t seq);

/* boots.c, answers.c */
extern void eps_cli_boot_entry(EpsCliVerifier *v, const EpsEntry *entry, const EpsField *field);
extern void eps_cli_answers_entry(EpsCliVerifier *v, const EpsEntry *entry, const EpsField *field);

/* ladder.c: what a level costs (core/accountant) */
extern bool eps_cli_level_units(uint64_t *units, unsigned level);
extern uint64_t eps_cli_merged_units(uint64_t a, uint64_t b, bool pure);
extern double eps_cli_epsilon(double rho, double conversion_delta);	/* of rho-zCDP; negative: not defined */

#endif							/* EPS_CLI_INTERNAL_H */
