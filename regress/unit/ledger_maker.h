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

typedef struct LedgerPlan
{
	uint64_t	seed;
	uint64_t	entries;		/* about so many */
	uint32_t	owners;			/* capacity of the first data set */
	uint32_t	per_release;	/* owners that a release charges, at most */
	uint64_t	per_epoch;		/* entries an epoch */
	uint64_t	fork_at;		/* from this entry on everything is otherwise; 0: never */
	bool		rotate;			/* a second key half way */
} LedgerPlan;

/* Makes the folder, which must not exist. Verifier key of the first key in vkey. */
extern bool ledger_make(const char *dir, const LedgerPlan *plan, char vkey[256]);

#endif
