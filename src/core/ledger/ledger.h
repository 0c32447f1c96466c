/*
 * ledger.h
 *	  The log: canonical entries, RFC 6962 trees and proofs, signed checkpoints,
 *	  tiles, commitments to fields, balance and consent maps.  Byte layouts:
 *	  docs/design/ledger.md.
 *
 * Promises: bytes in, bytes out; no allocation, no clock, no input or output;
 * foreign bytes are read strictly: EPS_E_FORMAT for what is not canonical,
 * EPS_E_AUTH for what does not verify.
 */
#ifndef EPS_CORE_LEDGER_H
#define EPS_CORE_LEDGER_H

#include "core/base/base.h"
#include "core/crypto/crypto.h"

#define EPS_HASH_LEN EPS_SHA256_LEN

typedef struct EpsHash
{
	uint8_t		b[EPS_HASH_LEN];
} EpsHash;

/* --- entries ----------------------------------------------------------------- */

#define EPS_ENTRY_LEN 256
#define EPS_ENTRY_BODY_LEN 160
#define EPS_ENTRY_FIELDS 8
#define EPS_LEDGER_ID_LEN 16

typedef enum EpsEntryKind
{
	EPS_ENTRY_BOOT = 1,
	EPS_ENTRY_KEY,
	EPS_ENTRY_POLICY,
	EPS_ENTRY_RELEASE,
	EPS_ENTRY_REPEAT,
	EPS_ENTRY_LEFT_OUT,
	EPS_ENTRY_ANSWERS,
	EPS_ENTRY_OWNERS,
	EPS_ENTRY_RECOVERY,
	EPS_ENTRY_ATTESTATION
} EpsEntryKind;

typedef struct EpsEntry
{
	EpsEntryKind kind;
	uint32_t	dataset;
	uint64_t	seq;			/* from 1; leaf index + 1 */
	uint64_t	at;				/* microseconds since 1970 */
	uint64_t	epoch;			/* from 1 */
	EpsU128		total_units;	/* worst case of all releases of the data set */
	EpsU128		total_delta_units;
	EpsHash		fields;			/* root of the commitments */
	uint8_t		body[EPS_ENTRY_BODY_LEN];
} EpsEntry;

/* _read takes only what _write of the same entry gives, byte by byte, with a body of its kind. */
extern void eps_ledger_entry_write(uint8_t out[EPS_ENTRY_LEN], const EpsEntry *entry);
extern EPS_MUST_USE EpsStatus eps_ledger_entry_read(EpsEntry *out, const uint8_t in[EPS_ENTRY_LEN]);

/* "release", "left out", ...; NULL for no kind */
extern const char *eps_ledger_kind_name(int kind);

/* The bodies that are not zero. Any 160 bytes are a key's. */
typedef struct EpsKeyBody
{
	uint8_t		key[EPS_SIGN_PUBLIC_LEN];
	uint8_t		by_new[EPS_SIGN_LEN];
	uint8_t		by_old[EPS_SIGN_LEN];
} EpsKeyBody;

typedef struct EpsAnswersBody
{
	EpsHash		root;
	uint64_t	first;			/* seq of the entries whose answers it may hold */
	uint64_t	last;
} EpsAnswersBody;

typedef struct EpsOwnersBody
{
	EpsHash		balance;
	EpsHash		consent;
	uint8_t		depth;			/* 1 .. EPS_MAP_MAX_DEPTH */
	uint64_t	first;			/* seconds of the epoch, since 1970 */
	uint64_t	last;			/* not before first */
	uint64_t	as_of;			/* seq of the entry as of which the maps stand, 0: none */
} EpsOwnersBody;

extern void eps_ledger_key_write(uint8_t body[EPS_ENTRY_BODY_LEN], const EpsKeyBody *in);
extern void eps_ledger_key_read(EpsKeyBody *out, const uint8_t body[EPS_ENTRY_BODY_LEN]);
extern void eps_ledger_answers_write(uint8_t body[EPS_ENTRY_BODY_LEN], const EpsAnswersBody *in);
extern EPS_MUST_USE EpsStatus eps_ledger_answers_read(EpsAnswersBody *out, const uint8_t body[EPS_ENTRY_BODY_LEN]);
extern void eps_ledger_owners_write(uint8_t body[EPS_ENTRY_BODY_LEN], const EpsOwnersBody *in);
extern EPS_MUST_USE EpsStatus eps_ledger_owners_read(EpsOwnersBody *out, const uint8_t body[EPS_ENTRY_BODY_LEN]);

/* What both keys sign in a key entry. */
#define EPS_KEY_STATEMENT_LEN (18 + 16 + 8 + 32)
extern void eps_ledger_key_statement(uint8_t out[EPS_KEY_STATEMENT_LEN], const uint8_t id[EPS_LEDGER_ID_LEN],
									 uint64_t seq, const uint8_t key[EPS_SIGN_PUBLIC_LEN]);

typedef struct EpsField
{
	const uint8_t *bytes;
	size_t		len;
} EpsField;

/* Key of one field's commitment, the commitment, and the root over all eight. */
extern void eps_ledger_field_key(uint8_t key[32], const uint8_t r[32], int field);
extern void eps_ledger_field_commit(EpsHash *out, const uint8_t key[32], EpsField field);
extern void eps_ledger_fields_root(EpsHash *out, const uint8_t r[32], const EpsField field[EPS_ENTRY_FIELDS]);

/* An opening's bytes: r, then length and bytes of each field, all shorter than
 * 2^32. The fields read point into the input. */
extern size_t eps_ledger_opening_len(const EpsField field[EPS_ENTRY_FIELDS]);
extern void eps_ledger_opening_write(uint8_t *out, const uint8_t r[32], const EpsField field[EPS_ENTRY_FIELDS]);
extern EPS_MUST_USE EpsStatus eps_ledger_opening_read(uint8_t r[32], EpsField field[EPS_ENTRY_FIELDS],
													  const uint8_t *in, size_t len);

/* Commitment to an answer in a slot of an `answers` entry; seq 0: an unused slot. */
extern void eps_ledger_slot_commit(EpsHash *out, const uint8_t salt[32], uint64_t seq,
								   const uint8_t *answer, size_t len);
/* The same from SHA-256(answer). */
extern void eps_ledger_slot_commit_digest(EpsHash *out, const uint8_t salt[32], uint64_t seq,
										  const uint8_t digest[EPS_SHA256_LEN]);

/* --- trees (RFC 9162, section 2.1) --------------------------------------------- */

#define EPS_TREE_MAX ((uint64_t) INT64_MAX)	/* leaves */

extern void eps_ledger_leaf_hash(EpsHash *out, const uint8_t *bytes, size_t len);
extern void eps_ledger_node_hash(EpsHash *out, const EpsHash *left, const EpsHash *right);

/* The growing tree: one hash a set bit of size, largest first. */
typedef struct EpsFrontier
{
	uint64_t	size;
	EpsHash		node[64];
} EpsFrontier;

extern void eps_ledger_frontier_init(EpsFrontier *tree);
extern void eps_ledger_frontier_add(EpsFrontier *tree, const EpsHash *leaf);
extern void eps_ledger_frontier_root(EpsHash *out, const EpsFrontier *tree);

/*
 * Proofs over a tree whose hashes the caller keeps.  fetch gives the hash of the
 * complete subtree of height `level` that begins at leaf index << level; it is
 * asked only for complete subtrees within size.  EPS_E_RANGE: index not below
 * size, from 0 or above to, size above EPS_TREE_MAX.
 */
typedef EpsStatus (*EpsFetchHash) (void *context, EpsHash *out, unsigned level, uint64_t index);

#define EPS_PROOF_MAX 64

extern EPS_MUST_USE EpsStatus eps_ledger_root(EpsHash *out, uint64_t size, EpsFetchHash fetch, void *context);
extern EPS_MUST_USE EpsStatus eps_ledger_inclusion(EpsHash proof[EPS_PROOF_MAX], size_t *n, uint64_t index, uint64_t size,
												   EpsFetchHash fetch, void *context);
extern EPS_MUST_USE EpsStatus eps_ledger_consistency(EpsHash proof[EPS_PROOF_MAX], size_t *n, uint64_t from, uint64_t to,
													 EpsFetchHash fetch, void *context);

/* EPS_E_AUTH for all that does not verify: a consistency from size 0, too, which proves nothing. */
extern EPS_MUST_USE EpsStatus eps_ledger_check_inclusion(const EpsHash *leaf, uint64_t index, uint64_t size,
														 const EpsHash *proof, size_t n, const EpsHash *root);
extern EPS_MUST_USE EpsStatus eps_ledger_check_consistency(uint64_t from, uint64_t to, const EpsHash *proof, size_t n,
														   const EpsHash *from_root, const EpsHash *to_root);

/*
 * Path of a tile in a log's export: "tile/0/x001/067", and ".p/5" after it where
 * width is below EPS_TILE_WIDTH.  level: of hashes from 0, or one of these.
 */
#define EPS_TILE_WIDTH 256
#define EPS_TILE_ENTRIES (-1)
#define EPS_TILE_OPENINGS (-2)

extern void eps_ledger_tile_path(char out[128], int level, uint64_t n, unsigned width);

/* --- checkpoints (C2SP signed-note, tlog-checkpoint) ------------------------------ */

#define EPS_NOTE_MAX ((size_t) 64 * 1024)	/* bytes of a checkpoint, foreign ones too */
#define EPS_CHECKPOINT_MAX ((size_t) 8 * 1024)	/* bytes of one of ours, with its signature */
#define EPS_CHECKPOINT_TOTALS 64

typedef struct EpsCheckpointTotal
{
	uint32_t	dataset;		/* from 1, ascending */
	EpsU128		units;
	EpsU128		delta_units;
} EpsCheckpointTotal;

typedef struct EpsCheckpoint
{
	char		origin[128];	/* and name of the key: no white space, no plus */
	uint64_t	size;			/* at most EPS_TREE_MAX */
	EpsHash		root;
	unsigned	ntotals;
	EpsCheckpointTotal total[EPS_CHECKPOINT_TOTALS];
} EpsCheckpoint;

/* "pg_epsilon/<32 hex digits>" */
extern void eps_ledger_origin(char out[128], const uint8_t id[EPS_LEDGER_ID_LEN]);
/* "name+hash+base64", NUL-terminated. EPS_E_RANGE: no name, or one above 127 bytes. */
extern EPS_MUST_USE EpsStatus eps_ledger_vkey_write(char out[256], const char *name, const uint8_t key[EPS_SIGN_PUBLIC_LEN]);
extern EPS_MUST_USE EpsStatus eps_ledger_vkey_read(char name[128], uint8_t key[EPS_SIGN_PUBLIC_LEN],
												   const char *in, size_t len);

/*
 * The text that is signed, without signatures, and the whole note; *n bytes, no
 * NUL.  EPS_E_SPACE; EPS_E_RANGE for an origin, size or order of totals that
 * cannot be read back.
 */
extern EPS_MUST_USE EpsStatus eps_ledger_checkpoint_text(char *out, size_t room, size_t *n, const EpsCheckpoint *checkpoint);
extern EPS_MUST_USE EpsStatus eps_ledger_checkpoint_sign(char *out, size_t room, size_t *n, const EpsCheckpoint *checkpoint,
														 const uint8_t secret[EPS_SIGN_SECRET_LEN]);
/*
 * Reads a note strictly, with ours and any other signature lines, and checks the
 * one by (name, key); EPS_E_AUTH if there is none or it is wrong, or the origin
 * is not that name.
 */
extern EPS_MUST_USE EpsStatus eps_ledger_checkpoint_read(EpsCheckpoint *out, const char *note, size_t len,
														 const char *name, const uint8_t key[EPS_SIGN_PUBLIC_LEN]);

/* The signature of a note that is no checkpoint; the first *text_len bytes are what it signs. */
extern EPS_MUST_USE EpsStatus eps_ledger_note_check(size_t *text_len, const char *note, size_t len,
													const char *name, const uint8_t key[EPS_SIGN_PUBLIC_LEN]);

/*
 * Cosignatures of witnesses (C2SP tlog-cosignature), with the time in seconds
 * since 1970 at which the witness saw the checkpoint.  _cosign gives the line to
 * append to a note that was read before; _cosign_check checks the one by (name,
 * key) as _read does, and the caller reads the checkpoint itself.  Witnesses'
 * keys have a type, and so a verifier key, of their own.
 */
#define EPS_COSIGNATURE_MAX 256

extern EPS_MUST_USE EpsStatus eps_ledger_cosign(char out[EPS_COSIGNATURE_MAX], size_t *n, const char *note, size_t len,
												const char *name, const uint8_t secret[EPS_SIGN_SECRET_LEN],
												uint64_t seconds);
extern EPS_MUST_USE EpsStatus eps_ledger_cosign_check(uint64_t *seconds, const char *note, size_t len,
													  const char *name, const uint8_t key[EPS_SIGN_PUBLIC_LEN]);
extern EPS_MUST_USE EpsStatus eps_ledger_cosigner_vkey_write(char out[256], const char *name,
															 const uint8_t key[EPS_SIGN_PUBLIC_LEN]);
extern EPS_MUST_USE EpsStatus eps_ledger_cosigner_vkey_read(char name[128], uint8_t key[EPS_SIGN_PUBLIC_LEN],
															const char *in, size_t len);

/* --- charges --------------------------------------------------------------------- */

/*
 * Ranges of a portable roaring bitmap, ascending.  EPS_E_FORMAT, possibly after
 * some calls, unless the bytes are what _write gives of a set, not empty, whose
 * members are all below limit.  visit may be NULL for a pass that only checks.
 */
typedef void (*EpsBitmapVisit) (void *context, uint32_t first, uint32_t last);

extern EPS_MUST_USE EpsStatus eps_ledger_bitmap_read(const uint8_t *bytes, size_t len, uint32_t limit,
													 EpsBitmapVisit visit, void *context);

/* The one form of a set of n >= 1 account numbers, strictly ascending; _write puts out _len bytes. */
extern size_t eps_ledger_bitmap_len(const uint32_t *account, uint32_t n);
extern void eps_ledger_bitmap_write(uint8_t *out, const uint32_t *account, uint32_t n);

/* Reads the next charge of field 5; false at the end. */
typedef struct EpsLedgerCharge
{
	uint16_t	level;
	uint16_t	delta_level;
	const uint8_t *bitmap;
	size_t		len;
} EpsLedgerCharge;

extern EPS_MUST_USE EpsStatus eps_ledger_charge_next(EpsLedgerCharge *out, bool *found, EpsCursor *c);

/* --- balance and consent maps -------------------------------------------------------- */

typedef struct EpsMapAccount
{
	uint64_t	spent;
	uint64_t	spent_delta;
	uint64_t	limit;
	uint32_t	consent_set;
	uint32_t	consent;
	bool		merged;
} EpsMapAccount;

typedef EpsStatus (*EpsMapFetch) (void *context, EpsMapAccount *out, uint32_t account);

#define EPS_MAP_MAX_DEPTH 28

/* Bytes of working memory for a map of a depth. */
extern size_t eps_ledger_map_room(unsigned depth);
extern unsigned eps_ledger_map_depth(uint32_t capacity);

/* Both roots. room: eps_ledger_map_room(depth) bytes, aligned to 8. */
extern EPS_MUST_USE EpsStatus eps_ledger_map_roots(EpsHash *balance, EpsHash *consent, unsigned depth,
												   const uint8_t key[32], uint32_t naccounts,
												   EpsMapFetch fetch, void *context, void *room);

#define EPS_MAP_BALANCE_LEN (4 + 8 + 8 + 8 + 1)
#define EPS_MAP_CONSENT_LEN (4 + 4 + 4)

typedef struct EpsMapProof
{
	uint32_t	slot;
	uint8_t		leaf_key[32];
	unsigned	depth;
	EpsHash		path[EPS_MAP_MAX_DEPTH];	/* siblings, leaf's first */
} EpsMapProof;

/* The proofs of one account, for both maps. */
extern EPS_MUST_USE EpsStatus eps_ledger_map_prove(EpsMapProof *balance, EpsMapProof *consent, unsigned depth,
												   const uint8_t key[32], uint32_t naccounts, uint32_t account,
												   EpsMapFetch fetch, void *context, void *room);
extern void eps_ledger_map_balance(uint8_t out[EPS_MAP_BALANCE_LEN], uint32_t account, const EpsMapAccount *state);
extern void eps_ledger_map_consent(uint8_t out[EPS_MAP_CONSENT_LEN], uint32_t account, const EpsMapAccount *state);
extern EPS_MUST_USE EpsStatus eps_ledger_map_check(const EpsMapProof *proof, const uint8_t *message, size_t len,
												   const EpsHash *root);

#endif							/* EPS_CORE_LEDGER_H */
