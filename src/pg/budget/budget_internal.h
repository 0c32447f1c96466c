/*
 * budget_internal.h
 *	  What the files of pg/budget share: the layout of the book in shared
 *	  memory, the ring of messages to the ledger writer, and their locks.
 *
 * Who may touch what:
 * - region table, writer table, arena: book lock;
 * - accounts, directory, cache of look-ups, merged keys, messages not yet published,
 *	 next_expiry, sums of worst cases: the region's admission lock (look-ups read
 *	 directory, cache and merged keys without it: they only grow);
 * - head and tail of a ring, orders, tickets, what is known of the log: the mutex
 *	 of the database's writer slot; numbers of entries in a ring are the writer's;
 * - quotas: quota lock.
 */
#ifndef EPS_PG_BUDGET_INTERNAL_H
#define EPS_PG_BUDGET_INTERNAL_H

#include "core/ledger/ledger.h"
#include "pg/budget/budget.h"

#include "access/htup.h"
#include "access/tupdesc.h"
#include "datatype/timestamp.h"
#include "fmgr.h"
#include "port/atomics.h"
#include "storage/condition_variable.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/s_lock.h"
#include "storage/spin.h"
#include "utils/tuplestore.h"

#define EPS_BOOK_MAX_REGIONS	64
#define EPS_BOOK_MAX_QUOTAS		1024
#define EPS_BOOK_MAX_TEXT		((Size) 256 * 1024) /* texts of one message, bytes */

/* --- accounts -------------------------------------------------------------- */

/*
 * State of an account.  32 bytes, so that none crosses a cache line.  The limit
 * is always filled in.  Purposes without a bit in consent_set follow the data
 * set's default.
 */
typedef struct EpsAccount
{
	uint64		spent;			/* 2^-60 rho (epsilon if pure) */
	uint64		spent_delta;	/* 2^-60 delta */
	uint64		limit;
	uint32		consent_set;	/* purposes on which the owner has spoken */
	uint32		consent;		/* what they said */
} EpsAccount;

typedef struct EpsQuota
{
	Oid			role;
	uint64		units;
	uint64		delta_units;
	uint64		repeats;		/* answers given again, for nothing */
} EpsQuota;

typedef enum EpsRegionState
{
	EPS_REGION_FREE = 0,
	EPS_REGION_LOADING,
	EPS_REGION_READY,
	EPS_REGION_FAILED
} EpsRegionState;

/* Why a book could not be loaded. */
typedef enum EpsLoadFailure
{
	EPS_LOAD_OK = 0,
	EPS_LOAD_NO_ROOM,			/* does not fit under dp.max_owners */
	EPS_LOAD_NO_SECRET,			/* no row in dp_book.secret */
	EPS_LOAD_WRONG_KEY,			/* the wrapping key does not open it */
	EPS_LOAD_BAD_ACCOUNTS,		/* account chunks have a hole, or an owner is missing */
	EPS_LOAD_BAD_ENTRY,			/* a charge is malformed; failed_seq names it */
	EPS_LOAD_ERROR				/* an error, told in the server log */
} EpsLoadFailure;

/* One data set's part of the book. */
typedef struct EpsRegion
{
	Oid			database;
	int32		dataset_id;
	EpsRegionState state;
	EpsLoadFailure failure;
	int64		failed_seq;
	uint64		generation;		/* a new one each time the region is made */
	Size		offset;			/* in the arena */
	Size		size;
	uint32		capacity;
	uint64		slot_mask;
	uint64		ring_words;
	uint64		cap_units;
	uint64		delta_units;
	uint64		standard_units;
	uint8		owner_secret[16];

	pg_atomic_uint32 naccounts;
	pg_atomic_uint32 nmerged;	/* accounts that were merged into others */
	pid_t		held_by;		/* who renumbers owners; 0: nobody */
	uint64		renumbered_by;	/* the transaction that last did, whole number; 0: none */
	uint64		admitted_units; /* worst cases of all releases that were published */
	uint64		admitted_delta_units;
	uint64		side_units;		/* spent of what is set aside (rule 23) */
	TimestampTz next_expiry;	/* of the consent that ends next */
	uint64		consent_version;	/* changes with every change of consent */

	uint64		head;			/* words ever published */
	uint64		tail;			/* words ever booked */
	uint64		answers_head;	/* head after the newest message with an answer to store */

	uint32		stored_accounts;	/* of which account_chunk rows are on disk; writer only */

	int			nquotas;
	uint64		total_units;	/* worst cases of all releases, those begun included */
	uint64		total_delta_units;
	EpsQuota	quota[EPS_BOOK_MAX_QUOTAS];
} EpsRegion;

/* --- the writer's slot, one a database -------------------------------------- */

typedef struct EpsWriter
{
	Oid			database;		/* InvalidOid: free */
	slock_t		mutex;
	ConditionVariable answered; /* broadcast whenever something below changed */
	pid_t		pid;			/* 0: none runs */
	Latch	   *latch;
	uint64		incarnation;	/* writers that ever ran */
	TimestampTz starting_since; /* 0: nobody is starting one */
	bool		leave;			/* its database is needed */
	bool		wanted;			/* its slot is needed: leaves as soon as it is idle */
	TimestampTz idle_since;		/* when it last had something to do */

	uint64		asked;			/* requests to look after loading, expiry, retry */
	uint64		served;
	uint64		failures;		/* batches and loads that failed */

	Oid			book;			/* schema dp_book that the regions stand for */
	int64		epoch;			/* the one at hand; 0: not known yet */
	int64		booked_seq;		/* entries of the log that are on disk */
	uint8		log_root[EPS_HASH_LEN]; /* of the tree over them; zero: not known */
	bool		booted;			/* its log says that this server has started */
	int64		verified_seq;	/* entries found good by the last full check */
	uint8		verified_root[EPS_HASH_LEN];
	uint64		next_order;
} EpsWriter;

typedef enum EpsTicketStatus
{
	EPS_TICKET_WAITING,
	EPS_TICKET_BOOKED,
	EPS_TICKET_FAILED
} EpsTicketStatus;

/* Where a backend waits for the answer to its message; by process number. */
typedef struct EpsTicket
{
	uint64		order;
	int64		seq;			/* of the entry, once it is booked */
	EpsTicketStatus status;
} EpsTicket;

typedef struct EpsBookControl
{
	LWLockPadded *locks;		/* book, quota, then one a region */
	char	   *arena;
	Size		arena_size;
	uint64		next_generation;
	pg_atomic_uint32 epoch_failures;	/* epoch workers that did not get to their end */
	EpsTicket  *tickets;
	EpsWriter	writer[EPS_BOOK_MAX_REGIONS];
	EpsRegion	region[EPS_BOOK_MAX_REGIONS];
} EpsBookControl;

extern EpsBookControl *eps_budget_control;	/* shared memory; NULL outside */

#define EPS_BOOK_LOCK	(&eps_budget_control->locks[0].lock)
#define EPS_QUOTA_LOCK	(&eps_budget_control->locks[1].lock)
#define EPS_REGION_LOCK(which) \
	(&eps_budget_control->locks[2 + ((which) - eps_budget_control->region)].lock)

#define EPS_BOOK_NLOCKS (2 + EPS_BOOK_MAX_REGIONS)

/* book.c */
extern Size eps_budget_shmem_size(void);
extern void eps_budget_shmem_attach(void);
extern void eps_budget_view(EpsBook *book, EpsRegion *region, EpsWriter *writer);
extern EpsRegion *eps_budget_region_find(Oid database, int32 dataset_id);
extern EpsRegion *eps_budget_region_make(Oid database, const EpsDataset *dataset);
extern void eps_budget_region_fail(EpsRegion *region, EpsLoadFailure failure, int64 seq);
extern void eps_budget_region_ready(EpsRegion *region);
extern void eps_budget_forget_regions(Oid database);
extern EpsWriter *eps_budget_writer_slot(Oid database, bool make);
extern void eps_budget_forget_database(Oid database);
extern uint32 eps_budget_find_account(const EpsBook *book, const EpsOwnerKey *key);
extern uint32 eps_budget_enrol(const EpsBook *book, const EpsOwnerKey *key);
extern uint32 eps_budget_account_of_owner(const EpsBook *book, uint32 account);

/* --- messages to the writer --------------------------------------------------- */

typedef enum EpsMessageKind
{
	EPS_MESSAGE_RELEASE = 1,
	EPS_MESSAGE_REPEAT,
	EPS_MESSAGE_ANSWER,
	EPS_MESSAGE_LIMIT,
	EPS_MESSAGE_CONSENT,
	EPS_MESSAGE_MERGE,
	EPS_MESSAGE_LEFT_OUT,		/* an answer about owners who were left out */
	EPS_MESSAGE_OWNERS,			/* an epoch's maps are ready for the log */
	EPS_MESSAGE_ANSWERS			/* commitments to answers are */
} EpsMessageKind;

#define EPS_NO_TEXT ((uint32) 0xFFFFFFFF)

enum
{
	EPS_TEXT_STATEMENT = 0,		/* releases and repeats */
	EPS_TEXT_MECHANISM,
	EPS_TEXT_PURPOSE,
	EPS_TEXT_ROLE,				/* the analyst; or who set a limit or consent */
	EPS_NTEXTS
};

/*
 * In the ring a message is this head, its texts, then one word a charge:
 * account << 32 | level << 16 | delta_level; or, of an answer, its sealed bytes.
 */
typedef struct EpsMessage
{
	uint64		words;			/* of the whole message */
	uint64		order;
	int64		seq;			/* number in the log, from the writer; 0: none yet, or no entry */
	int64		after_seq;		/* of a merge: newest entry before it, from the writer */
	TimestampTz at;
	int32		kind;
	int32		procno;			/* who waits */
	Oid			role;
	uint16		level;
	uint16		delta_level;
	uint32		naccounts;		/* in the book, after this message */
	uint32		ncharges;		/* words behind the texts */
	uint32		answer_len;		/* bytes of a sealed answer */
	int32		has_answer_key;
	uint32		text_len[EPS_NTEXTS];
	EpsOwnerKey key;			/* of limit and consent */
	uint64		units;			/* a limit; what a merge adds */
	uint64		delta_units;
	uint64		start_units;	/* what owners begin with who are enrolled by this message */
	uint64		start_delta_units;
	uint32		from_account;	/* of a merge */
	uint32		to_account;
	TimestampTz until;
	int32		purpose;
	int32		granted;
	int64		answer_seq;		/* of the release that gave the answer: repeat and answer */
	int64		epoch;			/* of an owners entry */
	uint8		answer_key[EPS_ANSWER_KEY_LEN];
	uint8		digest[32];		/* SHA-256 of an answer */
} EpsMessage;

/* --- an open book: pointers into a region ------------------------------------ */

struct EpsBook
{
	EpsRegion  *region;
	EpsWriter  *writer;
	uint64		generation;
	int32		dataset_id;
	uint32		capacity;
	bool		worst_case_start;	/* new owners begin at the worst case of all answers */
	uint64		slot_mask;
	uint64		ring_words;
	EpsOwnerKey *keys;
	EpsAccount *accounts;
	pg_atomic_uint32 *merged;	/* account + 1 that an account was merged into; 0 = none */
	pg_atomic_uint64 *slots;	/* tag << 32 | account + 1; 0 = empty */
	EpsKnownLine *known;
	uint64	   *ring;
	EpsMessage	reserved;		/* the reservation that is not answered yet */
};

/* Three fifths full at most, but for the last line. */
static inline uint64
eps_budget_known_lines(uint32 capacity)
{
	return (uint64) capacity / 3 + 1;
}

#define EPS_MESSAGE_WORDS (sizeof(EpsMessage) / sizeof(uint64))

StaticAssertDecl(sizeof(EpsMessage) % sizeof(uint64) == 0, "messages are whole words");

/* Has the message a number in the ledger? */
static inline bool
eps_budget_is_entry(int32 kind)
{
	return kind == EPS_MESSAGE_RELEASE || kind == EPS_MESSAGE_REPEAT || kind == EPS_MESSAGE_LEFT_OUT
		|| kind == EPS_MESSAGE_OWNERS || kind == EPS_MESSAGE_ANSWERS;
}

/* ring.c */
extern void eps_budget_ring_put(const EpsBook *book, uint64 at, const void *bytes, Size len);
extern uint64 eps_budget_text_words(EpsMessage *message, const char *const text[EPS_NTEXTS]);
extern uint64 eps_budget_ring_free(const EpsBook *book);
extern void eps_budget_ring_get(const EpsBook *book, uint64 at, void *out, Size len);
extern void eps_budget_ring_set_seq(const EpsBook *book, uint64 at, int64 seq);
extern void eps_budget_ring_text(const EpsBook *book, uint64 at, const EpsMessage *message, char *text[EPS_NTEXTS]);
extern uint64 eps_budget_ring_charges(const EpsMessage *message, uint64 at);
extern void eps_budget_publish(const EpsBook *book, EpsMessage *message, const char *const text[EPS_NTEXTS]);

static inline uint64
eps_budget_ring_index(const EpsBook *book, uint64 position)
{
	return position % book->ring_words;
}

/* wait.c */
extern void eps_budget_raise_held(void);
extern void eps_budget_enter(const EpsBook *book, uint64 words);
extern bool eps_budget_enter_unless_held(const EpsBook *book, uint64 words);
extern int64 eps_budget_wait_booked(const EpsBook *book, const EpsMessage *message);

/* start.c */
extern void eps_budget_writer_ensure(EpsWriter *writer);
extern bool eps_budget_writer_attend(EpsWriter *writer);
extern void eps_budget_writer_wake(EpsWriter *writer);
extern void eps_budget_writer_leave(Oid database);
extern void eps_budget_free_slot(void);

/* writer.c */
extern PGDLLEXPORT void eps_budget_writer_main(Datum arg);

/* load.c */
extern void eps_budget_load_all(EpsWriter *writer, MemoryContext turn);
extern void eps_budget_resume(EpsWriter *writer);
extern void eps_budget_refresh_consent(EpsWriter *writer, MemoryContext turn);

/* fold.c: SPI connected, a snapshot active */
typedef struct EpsConsentRow
{
	uint32		account;
	int			purpose;
	bool		granted;
	TimestampTz until;
} EpsConsentRow;

typedef struct EpsMerge
{
	int64		after_seq;
	uint32		from_account;
	uint32		to_account;
	uint64		units;
	uint64		delta_units;
} EpsMerge;

/* What a fold of the ledger's tables found beside the accounts' totals. */
typedef struct EpsFold
{
	int64		bad_seq;		/* a malformed charge's entry */
	uint32		nmerges;
	EpsMerge   *merges;			/* in order */
	uint32		short_merges;	/* that add less than rule 18 wants */
} EpsFold;

extern bool eps_budget_fold(EpsFold *fold, int32 dataset_id, bool pure, EpsAccount *accounts, uint32 naccounts);
extern uint64 eps_budget_level_units(unsigned level);
extern bool eps_budget_load_limits(const EpsBook *book);
extern bool eps_budget_load_quotas(const EpsBook *book);
extern bool eps_budget_read_consents(const EpsBook *book, bool only_ending, EpsConsentRow **rows, Size *nrows);
extern void eps_budget_apply_consents(const EpsBook *book, const EpsConsentRow *rows, Size nrows, TimestampTz now);
extern void eps_budget_set_consent(const EpsBook *book, uint32 account, int purpose, bool granted,
								   TimestampTz until, TimestampTz now);

/*
 * A charge's bitmap stands in pieces of at most so many bytes, a row each; a piece
 * fits in a page, two to one, and is never moved out of line.
 */
#define EPS_INLINE_BYTES ((Size) 3840)

typedef struct EpsPieces
{
	MemoryContext context;		/* where a bitmap is put together */
	int64		seq;			/* whose */
	int			next;			/* piece that must follow; 0: none is open */
	int			pieces;
	Size		len;
	Size		size;
	uint8	   *bytes;
} EpsPieces;

typedef enum EpsPieceState
{
	EPS_PIECE_WHOLE,			/* bytes and len are a bitmap, until the next call */
	EPS_PIECE_MORE,
	EPS_PIECE_BAD
} EpsPieceState;

extern EpsPieceState eps_budget_piece(EpsPieces *p, int64 seq, int piece, int pieces, const bytea *owners);

extern uint32 eps_budget_read_chunks(int32 dataset_id, uint32 capacity,
									 bool (*add) (void *context, const EpsOwnerKey *key), void *context);

#define EPS_CHUNKS_BAD ((uint32) 0xFFFFFFFF)

/* log.c: the writer's log; SPI connected */
typedef struct EpsLog EpsLog;

extern EpsLog *eps_budget_log_make(EpsWriter *writer);
extern void eps_budget_log_open(EpsLog *log);
extern void eps_budget_log_changes(EpsLog *log);
extern int64 eps_budget_log_next(EpsLog *log);
extern TimestampTz eps_budget_log_time_after(const EpsLog *log, TimestampTz at);
extern int64 eps_budget_log_size_now(const EpsLog *log);
extern bool eps_budget_log_has(const EpsLog *log, int64 seq);
extern bool eps_budget_log_has_appended(const EpsLog *log);
extern void eps_budget_log_committed(EpsLog *log);
extern void eps_budget_log_forget(EpsLog *log);

/* commit.c */
extern void eps_budget_store_message(const EpsBook *book, EpsLog *log, const EpsMessage *message, uint64 at);
extern void eps_budget_store_accounts(const EpsBook *book, uint32 from, uint32 to, const EpsMessage *by);
extern void eps_budget_store_merge(const EpsBook *book, const EpsMessage *message, const EpsOwnerKey *from,
								   const EpsOwnerKey *to, const char *set_by);

/* log_verify.c */
extern void eps_budget_verify_log(bool full, Tuplestorestate *out, TupleDesc desc);

/* merge.c */
extern void eps_budget_merge_units(EpsMessage *message, const EpsBook *book, const EpsAccount *from,
								   const EpsAccount *to, bool pure);
extern void eps_budget_retire(const EpsBook *book, uint32 from, uint32 to);

/* rekey.c */
extern void eps_budget_rekey_init(void);

/* bitmap.c */
extern bool eps_budget_bitmap_read(const uint8 *bytes, Size len, uint32 limit, EpsBitmapVisit visit, void *context);
extern bytea *eps_budget_bitmap_build(uint32 *accounts, uint32 n, uint32 limit);

/* key.c */
extern void eps_budget_key_load(void);
extern void eps_budget_key_check(void);
extern void eps_budget_answer_subkey(uint8 key[32], bool sealing);
extern bytea *eps_budget_seal_bytes(const uint8 *bytes, Size len, const char *purpose, int64 number, int32 dataset_id);
extern bool eps_budget_unseal_bytes(uint8 *out, Size len, const bytea *sealed, const char *purpose, int64 number, int32 dataset_id);

typedef enum EpsLedgerSubkey
{
	EPS_SUBKEY_OPENINGS = 1,
	EPS_SUBKEY_SIGNING
} EpsLedgerSubkey;

extern bool eps_budget_has_key(void);
extern void eps_budget_ledger_subkey(uint8 key[32], EpsLedgerSubkey which);
extern void eps_budget_secret_seal(bytea **wrapped, int32 dataset_id, const char *name);
extern bool eps_budget_secret_open(uint8 owner_secret[16], const bytea *wrapped,
								   int32 dataset_id, const char *name);

/* quota.c; quota lock held, or the region is still loading */
extern void eps_budget_quota_add(EpsRegion *region, Oid role, uint64 units, uint64 delta_units, bool side);
extern void eps_budget_quota_repeats(EpsRegion *region, Oid role, uint64 n);

/* What is set aside of a standard owner's limit for answers about owners who were left out: 5 of 95 parts. */
#define EPS_SIDE_SHARE 19

/* settings, init.c */
extern int	eps_budget_max_owners;
extern int	eps_budget_writer_idle;
extern int	eps_budget_max_answers;
extern char *eps_budget_key_file;
extern char *eps_budget_key_command;

/* sql_owner.c, for other SQL functions */
extern void eps_budget_finish_change(EpsBook *book, EpsMessage *message, const char *const text[EPS_NTEXTS]);
extern uint64 eps_budget_describe_change(EpsMessage *message, const char *text[EPS_NTEXTS], EpsMessageKind kind);
extern void eps_budget_check_not_null(FunctionCallInfo fcinfo, int nargs);
extern const EpsDataset *eps_budget_dataset_argument(const char *name);
extern void eps_budget_owner_argument(EpsOwnerKey *out, const EpsBook *book, EpsKeyFamily family,
									  Oid type, Datum owner);

/* verify.c */
extern void eps_budget_verify(int32 dataset_id, Tuplestorestate *out, TupleDesc desc);

/* query.c: small helpers over SPI */
typedef bool (*EpsRowVisit) (void *context, HeapTuple row, TupleDesc desc);

extern void eps_budget_spi_begin(bool new_transaction);
extern void eps_budget_spi_end(bool new_transaction);
extern bool eps_budget_has_tables(void);
extern void eps_budget_check_tables(void);
extern int64 eps_budget_query_int64(const char *sql, int nargs, const Oid *types, const Datum *values,
									int64 otherwise);
extern bool eps_budget_each_row(const char *sql, int nargs, const Oid *types, const Datum *values,
								EpsRowVisit visit, void *context);
extern bool eps_budget_each_large_row(const char *sql, int nargs, const Oid *types, const Datum *values,
								EpsRowVisit visit, void *context);
extern Datum eps_budget_column(HeapTuple row, TupleDesc desc, int column);

/*
 * Points at which a test build waits or fails; nothing in a shipped library.
 */
#ifdef EPS_TEST_BUILD
extern void eps_budget_test_point(const char *name);
extern void eps_budget_test_init(void);
#define EPS_TEST_POINT(name) eps_budget_test_point(name)
#else
#define EPS_TEST_POINT(name) ((void) 0)
#endif

#endif							/* EPS_PG_BUDGET_INTERNAL_H */
