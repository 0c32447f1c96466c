/*
 * candidates.h
 *	  Owners that a release may charge, and the look-up of their accounts; a part of
 *	  exec_internal.h.
 */
#ifndef EPS_PG_EXEC_CANDIDATES_H
#define EPS_PG_EXEC_CANDIDATES_H

#define EPS_LOOKUP_BATCH 128

/* The run's newest candidates, whose accounts are looked up together. */
typedef struct EpsLookup
{
	EpsRun	   *run;
	EpsKnown	known;			/* lines NULL unless keys are integers */
	uint64		nstrangers;		/* candidates that have no account */
	uint32		n;				/* candidates at the end that wait for their account */
	EpsKey		key[EPS_LOOKUP_BATCH];
	uint64		hash[EPS_LOOKUP_BATCH]; /* where known is used */
} EpsLookup;

/* Empties the run's candidates and makes room for about n: more is made when it is needed. */
extern void eps_exec_candidates_create(EpsRun *run, uint64 n);
extern void eps_exec_candidates_grow(EpsRun *run);

extern EpsLookup *eps_exec_lookup_create(EpsRun *run);

/* Looks up what waits. */
extern void eps_exec_lookup_finish(EpsLookup *lookup);

/*
 * The book has room for `capacity` owners: of those without an account, more than
 * so many can get none, and take part in nothing.  They are left out, so that memory
 * for candidates is bounded by public numbers.
 */
extern bool eps_exec_is_beyond_capacity(const EpsLookup *lookup, EpsKey key);

static inline void
eps_exec_candidate_add(EpsLookup *lookup, EpsKey key, uint16 level, uint16 delta_level)
{
	EpsRun	   *run = lookup->run;
	EpsCandidate *c;

	if (unlikely(run->candidates.n == run->room))
		eps_exec_candidates_grow(run);
	EPS_TEST(eps_exec_test_candidate(run, key));
	c = &run->candidates.one[run->candidates.n++];
	c->account = EPS_ACCOUNT_NONE;
	c->level = level;
	c->delta_level = delta_level;
	if (lookup->known.lines != NULL)
	{
		uint64		hash = eps_exec_mix(key.lo);

		lookup->hash[lookup->n] = hash;
		__builtin_prefetch(lookup->known.lines + eps_budget_known_at(&lookup->known, hash));
	}
	lookup->key[lookup->n++] = key;
	if (lookup->n == EPS_LOOKUP_BATCH)
		eps_exec_lookup_finish(lookup);
}

/* single.c: owners with one row, where nothing is chosen. */

/*
 * Turns each record into a candidate, without entries: they are made from the
 * records again when they are added up.  False if an owner has two records after
 * all: then the candidates are of no use.
 */
extern bool eps_exec_bound_singles(EpsRun *run, EpsLookup *lookup);

/* Adds up the records whose candidates were admitted. */
extern void eps_exec_add_up_singles(EpsRun *run, const uint8 *admitted);

/* Was this candidate admitted? */
static inline bool
eps_exec_takes_part(const uint8 *admitted, uint64 i)
{
	return (admitted[i / 8] >> (i % 8)) & 1;
}

#endif							/* EPS_PG_EXEC_CANDIDATES_H */
