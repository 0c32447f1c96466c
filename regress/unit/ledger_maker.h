/*
 * ledger_maker.h
 *	  Makes exports of a ledger that are sound in every respect, from a seed: for
 *	  tests that then spoil them, and for measuring.  It keeps accounts by itself
 *	  and shares only core/ledger with the verifier.
 */
#ifndef LEDGER_MAKER_H
#define LEDGER_MAKER_H

#include <stdbool.h>
#include <stdint.h>

/* What a server might do that signs what it likes. */
typedef enum LedgerCheat
{
	LEDGER_HONEST,
	LEDGER_CHARGES_ABOVE_LIMIT,
	LEDGER_CHARGES_ABOVE_WORST,
	LEDGER_CHARGES_TWICE,
	LEDGER_CHARGES_STRANGER,
	LEDGER_FORGETS_PRICE,		/* the total does not grow */
	LEDGER_PRICE_BETWEEN_LEVELS,
	LEDGER_LETS_BEGIN_AT_ZERO,	/* where new owners must begin at the worst case */
	LEDGER_FORGETS_CHARGE,		/* in the map of balances */
	LEDGER_FORGETS_CONSENT,		/* in the map of consents */
	LEDGER_MERGES_CHEAPLY,
	LEDGER_SKIPS_EPOCH,
	LEDGER_MOVES_SILENTLY,		/* another timeline, no recovery entry */
	LEDGER_LEAVES_ANSWER_OUT,
	LEDGER_ANSWERS_TWICE,
	LEDGER_REPEATS_NOTHING,
	LEDGER_RAISES_PROMISE,
	LEDGER_SPENDS_SET_ASIDE,
	LEDGER_BENDS_KEY,			/* a second key that the first did not sign */
	LEDGER_NCHEATS
} LedgerCheat;

typedef struct LedgerPlan
{
	uint64_t	seed;
	uint64_t	entries;		/* about so many */
	uint32_t	owners;			/* capacity of the first data set */
	uint32_t	per_release;	/* owners that a release charges, at most */
	uint64_t	per_epoch;		/* entries an epoch */
	uint64_t	fork_at;		/* from this entry on everything is otherwise; 0: never */
	bool		rotate;			/* a second key half way */
	LedgerCheat cheat;
	uint64_t	cheat_at;		/* from this entry on, once */
	uint64_t	stop_at;		/* after the epoch of this entry, as if more were to come; 0: at the end */
	const char *statement;		/* a file for what the last maps prove of account 0, or NULL */
	const char *early;			/* a file for the checkpoint of cheat_at or later, or NULL */

	uint64_t	cheated;		/* out: the entry that is not sound; 0: none */
} LedgerPlan;

/* Makes the folder, which must not exist. Verifier key of the first key in vkey. */
extern bool ledger_make(const char *dir, LedgerPlan *plan, char vkey[256]);

/* Signing keys of the ledger of a seed: the first and the second. */
extern void ledger_secret(uint8_t secret[64], const LedgerPlan *plan, unsigned n);

#endif
