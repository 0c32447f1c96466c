/*
 * budget.h
 *	  The book of accounts in shared memory, reservation of an answer's charge,
 *	  and the ledger writer, the one process that writes ledger tables.
 *
 * Promises (MUST NOT form):
 * - an admission MUST NOT return before its charge is on disk;
 * - an owner's spent rho and delta MUST NOT exceed their limit, however many
 *   sessions run;
 * - from the first reservation until the writer's answer the caller MUST NOT be
 *   interrupted: every reservation becomes an entry or the server restarts;
 * - nothing of this room MUST ever give budget back.
 *
 * Locks, in order: the data set's admission lock, the book lock, a queue lock.
 * No allocation, input or output, or ereport under a spinlock.
 */
#ifndef EPS_PG_BUDGET_H
#define EPS_PG_BUDGET_H

#include "pg/common/common.h"
#include "pg/policy/policy.h"

#include "datatype/timestamp.h"
#include "port/atomics.h"
#include "utils/snapshot.h"

extern void eps_budget_init(void);	/* settings, shared memory, hooks; from _PG_init */

/* Checks that charges can be made durable here at all: not a standby, fsync and
 * full_page_writes on. ERROR PV006 otherwise. */
extern void eps_budget_check_durable(void);

/* An open book of one data set, valid in this backend until transaction end. */
typedef struct EpsBook EpsBook;

/*
 * Opens a data set's book: starts the ledger writer of this database if none
 * runs, waits until the book is loaded.  ERROR PV006, PV012.
 */
extern EpsBook *eps_budget_open(int32 dataset_id);

/* Account key of an owner: SipHash-128 of canonical bytes under the data set's secret. */
typedef struct EpsOwnerKey
{
	uint64		lo;
	uint64		hi;
} EpsOwnerKey;

extern void eps_budget_owner_key(EpsOwnerKey *out, const EpsBook *book, const uint8 *bytes, Size len);

#define EPS_ACCOUNT_NONE ((uint32) 0xFFFFFFFF)

/* Account numbers of keys; EPS_ACCOUNT_NONE for owners not enrolled yet. No lock
 * needed: the directory only grows. Prefetches in batches. */
extern void eps_budget_lookup(const EpsBook *book, uint32 *account, const EpsOwnerKey *key, int n);

/*
 * A cache of look-ups for integer keys, in the order of an unkeyed 64-bit hash of
 * the caller's (a bijection of the key): no keyed hash, and a caller who goes by
 * the hash reads memory in order.
 */
#define EPS_KNOWN_WAYS 5
#define EPS_KNOWN_STEPS 16

typedef struct EpsKnownLine
{
	uint64		hash[EPS_KNOWN_WAYS];
	uint32		next_account[EPS_KNOWN_WAYS];	/* account + 1; 0: free, and so are those behind */
	uint32		unused;
} EpsKnownLine;

typedef struct EpsKnown
{
	EpsKnownLine *lines;
	uint64		n;				/* where walks begin; EPS_KNOWN_STEPS more follow */
} EpsKnown;

extern void eps_budget_known(EpsKnown *out, const EpsBook *book);
extern void eps_budget_known_add(const EpsBook *book, const uint64 *hash, const uint32 *account, int n);

static inline uint64
eps_budget_known_at(const EpsKnown *known, uint64 hash)
{
	return (uint64) (((EpsU128) hash * known->n) >> 64);
}

/* An entry's account + 1 if it is that of the hash, else 0, without a branch: which
 * entry of a line it is cannot be predicted. */
static inline uint32
eps_budget_known_match(const EpsKnownLine *line, int way, uint32 next_account, uint64 hash)
{
	return next_account & -(uint32) (line->hash[way] == hash);
}

/* EPS_ACCOUNT_NONE if the cache does not know it. */
static inline uint32
eps_budget_known_find(const EpsKnown *known, uint64 hash)
{
	const EpsKnownLine *line = known->lines + eps_budget_known_at(known, hash);

	for (int i = 0; i < EPS_KNOWN_STEPS; i++, line++)
	{
		const volatile uint32 *next = line->next_account;
		uint32		next0 = next[0];
		uint32		next1 = next[1];
		uint32		next2 = next[2];
		uint32		next3 = next[3];
		uint32		next4 = next[4];
		uint32		found;

		pg_read_barrier();
		found = eps_budget_known_match(line, 0, next0, hash)
			| eps_budget_known_match(line, 1, next1, hash)
			| eps_budget_known_match(line, 2, next2, hash)
			| eps_budget_known_match(line, 3, next3, hash)
			| eps_budget_known_match(line, 4, next4, hash);
		if (found != 0)
			return found - 1;
		if (next4 == 0)
			break;
	}
	return EPS_ACCOUNT_NONE;
}

/* Number of accounts that a book may hold (public) */
extern uint32 eps_budget_capacity(const EpsBook *book);

/*
 * Keys that were merged (rule 18).  Where a book has any, whoever puts rows in
 * order by owner must do it by the canonical account key: the key of the account
 * that all keys of one person share.  A key merged after it was looked up takes
 * no part in that answer: its own account admits nothing any more.
 */
extern bool eps_budget_has_merged(const EpsBook *book);
extern void eps_budget_canonical_key(const EpsBook *book, EpsOwnerKey *key);

/* ERROR PV012 where rows are to be read as they stood before owners were
 * renumbered: their keys no longer mean the accounts of this book. */
extern void eps_budget_check_snapshot(const EpsBook *book, Snapshot snapshot);

/* --- quota (rule 20) ----------------------------------------------------- */

typedef struct EpsQuotaClaim
{
	int32		dataset_id;
	Oid			role;			/* EpsGrant.role */
	uint64		quota_units;	/* EpsGrant.quota_units */
	uint64		quota_delta_units;	/* the role's part of the owners' delta */
	uint64		units;			/* worst case of the release */
	uint64		delta_units;
	uint64		least_units;	/* if not 0, units may become less, down to this */
	bool		side;			/* paid from what is set aside (rule 23), not from owners' limits */
} EpsQuotaClaim;

/*
 * Books all claims of a statement, or none: ERROR PV003. Never returned.  A claim
 * with least_units takes what is left up to its units, earlier claims first, and
 * its units become what was booked.
 */
extern void eps_budget_take_quota(EpsQuotaClaim *claims, int n);

/* Worst-case units that a role has used, and of all releases of a data set. */
extern uint64 eps_budget_quota_used(int32 dataset_id, Oid role);

/* --- admission ----------------------------------------------------------- */

/* One owner who takes part. Every owner appears once. */
typedef struct EpsCandidate
{
	uint32		account;		/* or EPS_ACCOUNT_NONE: then enrolled here */
	uint16		level;			/* ladder level of the charge; 0 = nothing */
	uint16		delta_level;
} EpsCandidate;

/* Candidates in order, and their keys, which are read only where the account is
 * EPS_ACCOUNT_NONE. */
typedef struct EpsCandidates
{
	EpsCandidate *one;
	EpsOwnerKey *key;
	uint64		n;
} EpsCandidates;

typedef struct EpsAdmission
{
	Oid			role;			/* analyst */
	int			purpose;		/* 0..31, or -1 */
	uint16		worst_level;
	uint16		worst_delta_level;
	const char *purpose_name;	/* NULL if none */
	const char *statement;		/* for auditors: the text of the query */
	const char *mechanism;		/* for auditors */
	const uint8 *answer_key;	/* EPS_ANSWER_KEY_LEN bytes, or NULL where it cannot be repeated */
} EpsAdmission;

/*
 * Admits an answer: under the admission lock decides for each candidate, in
 * order, whether its consent stands and its charge fits, charges it, and sets
 * bit i of admitted (caller's, (n + 7) / 8 bytes, zeroed) if it takes part; then
 * waits until the writer has the charge on disk.  A candidate that does not fit,
 * or for whom the book has no room, is left out silently.
 *
 * Everything that can fail is done before the first reservation.  Returns the
 * entry's sequence number.  ERROR PV006 when the commit failed: then the charge
 * stays booked and nothing may be answered.
 */
/*
 * The same in two steps, so that sums can be formed while the writer writes.
 * After reserve interrupts are held; an error before await leaves the charge to
 * the writer, who books it all the same.  Nothing that depends on the rows MUST
 * leave, and no noise be drawn, before await has returned.
 */
extern void eps_budget_reserve(EpsBook *book, const EpsAdmission *admission,
							   const EpsCandidates *candidates, uint8 *admitted);
extern int64 eps_budget_await(EpsBook *book);

extern int64 eps_budget_admit(EpsBook *book, const EpsAdmission *admission,
							  const EpsCandidates *candidates, uint8 *admitted);

/* --- answers given again (rule 26) ----------------------------------------- */

/*
 * A stored answer is what a release once gave: to give it again is
 * post-processing.  It lies sealed in dp_book.answer, under its key, written by
 * the ledger writer after the charge of its release is on disk; that it is lost
 * costs nothing but another charge.
 */
#define EPS_ANSWER_KEY_LEN 32

/* The longest answer that is stored.  Its length is a function of what was
 * released. */
#define EPS_ANSWER_MAX_BYTES ((Size) 512 * 1024)

typedef struct EpsStoredAnswer
{
	int64		seq;			/* entry of the release that gave it */
	TimestampTz at;				/* when */
	uint8	   *bytes;
	Size		len;
} EpsStoredAnswer;

/*
 * The key of a canonical description: a keyed hash, so that a dump does not tell
 * what was asked.  ERROR PV012 without a wrapping key.
 */
extern void eps_budget_answer_key(uint8 key[EPS_ANSWER_KEY_LEN], const void *bytes, Size len);

/*
 * The newest answer stored under a key, given at not_before or later, in the
 * current context.  Every answer that left before the call is found, whoever got
 * it.  False where there is none, or it does not open under our wrapping key.
 */
extern bool eps_budget_find_answer(EpsStoredAnswer *out, int32 dataset_id,
								   const uint8 key[EPS_ANSWER_KEY_LEN], TimestampTz not_before);

/*
 * Hands an answer to the writer, in place of an older one; does not wait until it
 * is on disk.  The release's own charge MUST be.  Longer answers are not stored.
 */
extern void eps_budget_store_answer(EpsBook *book, const uint8 key[EPS_ANSWER_KEY_LEN], int64 seq,
									const uint8 *bytes, Size len);

/*
 * Writes the ledger entry of an answer that is given again, at no cost, and
 * returns its number when it is on disk.  ERROR PV006: then nothing may be given.
 * Levels and statement are those of the admission; its answer_key is needed.
 */
extern int64 eps_budget_repeat(EpsBook *book, const EpsAdmission *admission, int64 repeat_of);

/* Answers given again to a role. */
extern uint64 eps_budget_repeats(int32 dataset_id, Oid role);

/* --- owners who were left out (rule 23) ------------------------------------ */

/* The worst cases of all answers, against what a standard owner may spend: all
 * public. */
typedef struct EpsPublicTotals
{
	uint64		units;
	uint64		delta_units;
	uint64		standard_units;
	uint64		standard_delta_units;
	uint64		side_units;		/* spent of what is set aside */
	uint64		side_limit;
} EpsPublicTotals;

extern void eps_budget_public_totals(EpsPublicTotals *out, int32 dataset_id);

typedef struct EpsLeftOut
{
	uint64		fits;			/* owners whose budget would bear such an answer */
	uint64		left_out;		/* owners whose budget would not */
} EpsLeftOut;

/*
 * Counts consenting owners by whether a charge of `question` units would fit,
 * and books the admission's worst level against what is set aside.  Returns when
 * that is on disk; nothing of the counts MUST leave but with noise of that price.
 * ERROR PV003 when what is set aside is used up.
 */
extern void eps_budget_count_left_out(EpsLeftOut *out, EpsBook *book, const EpsAdmission *admission,
									  uint64 question);

#endif							/* EPS_PG_BUDGET_H */
