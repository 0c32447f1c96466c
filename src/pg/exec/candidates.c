/*
 * candidates.c
 *	  The owners that a release may charge, and their accounts.
 */
#include "postgres.h"

#include "pg/exec/exec_internal.h"

#include "catalog/pg_type.h"
#include "utils/memutils.h"

#define FIRST_ROOM 1024

/* Keys are written for owners alone that have no account yet. */
void
eps_exec_candidates_create(EpsRun *run, uint64 n)
{
	run->room = Max(n, FIRST_ROOM);
	run->candidates.n = 0;
	run->candidates.one = MemoryContextAllocHuge(run->context, sizeof(EpsCandidate) * run->room);
	run->candidates.key = MemoryContextAllocHuge(run->context, sizeof(EpsOwnerKey) * run->room);
	run->nentries = MemoryContextAllocHuge(run->context, sizeof(uint32) * run->room);
	eps_exec_advise_huge_pages(run->candidates.one, sizeof(EpsCandidate) * run->room);
}

void
eps_exec_candidates_grow(EpsRun *run)
{
	run->room *= 2;
	run->candidates.one = repalloc_huge(run->candidates.one, sizeof(EpsCandidate) * run->room);
	run->candidates.key = repalloc_huge(run->candidates.key, sizeof(EpsOwnerKey) * run->room);
	run->nentries = repalloc_huge(run->nentries, sizeof(uint32) * run->room);
	eps_exec_advise_huge_pages(run->candidates.one, sizeof(EpsCandidate) * run->room);
}

/* --- accounts ----------------------------------------------------------------------- */

EpsLookup *
eps_exec_lookup_create(EpsRun *run)
{
	EpsLookup  *lookup = MemoryContextAllocZero(run->context, sizeof(EpsLookup));

	lookup->run = run;
	if (run->plan->family == EPS_KEY_INT && !run->shape.account_key)
		eps_budget_known(&lookup->known, run->node->book);
	return lookup;
}

static EpsOwnerKey
account_key(const EpsRun *run, EpsKey key)
{
	EpsOwnerKey out;
	const uint8 *bytes;
	uint8		buffer[16];
	Size		len;

	if (run->shape.account_key)
		return (EpsOwnerKey) {.lo = key.lo,.hi = key.hi};	/* hashed when it was read */
	switch (run->plan->family)
	{
		case EPS_KEY_UUID:
			eps_budget_owner_key(&out, run->node->book, (const uint8 *) &key, sizeof(key));
			return out;
		default:
			len = eps_policy_owner_bytes(&bytes, buffer, EPS_KEY_INT, INT8OID, Int64GetDatum((int64) key.lo));
			eps_budget_owner_key(&out, run->node->book, bytes, len);
			return out;
	}
}

/* The accounts that are in the cache; returns how many are not, and lists them. */
static uint32
take_known(const EpsLookup *lookup, EpsCandidate *first, uint32 *unknown)
{
	uint32		n = 0;

	for (uint32 i = 0; i < lookup->n; i++)
	{
		if (lookup->known.lines != NULL)
			first[i].account = eps_budget_known_find(&lookup->known, lookup->hash[i]);
		if (first[i].account == EPS_ACCOUNT_NONE)
			unknown[n++] = i;
	}
	return n;
}

/* The others', from the directory. */
static void
look_up(EpsLookup *lookup, EpsCandidate *first, EpsOwnerKey *first_key, const uint32 *unknown, uint32 n)
{
	EpsBook    *book = lookup->run->node->book;
	EpsOwnerKey key[EPS_LOOKUP_BATCH];
	uint64		hash[EPS_LOOKUP_BATCH];
	uint32		account[EPS_LOOKUP_BATCH];

	for (uint32 i = 0; i < n; i++)
	{
		key[i] = account_key(lookup->run, lookup->key[unknown[i]]);
		hash[i] = lookup->hash[unknown[i]];
	}
	eps_budget_lookup(book, account, key, (int) n);
	for (uint32 i = 0; i < n; i++)
	{
		lookup->nstrangers += account[i] == EPS_ACCOUNT_NONE;
		first[unknown[i]].account = account[i];
		first_key[unknown[i]] = key[i];
	}
	if (lookup->known.lines != NULL)
		eps_budget_known_add(book, hash, account, (int) n);
}

void
eps_exec_lookup_finish(EpsLookup *lookup)
{
	EpsCandidates *c = &lookup->run->candidates;
	uint64		first = c->n - lookup->n;
	uint32		unknown[EPS_LOOKUP_BATCH];
	uint32		n = take_known(lookup, c->one + first, unknown);

	if (n > 0)
		look_up(lookup, c->one + first, c->key + first, unknown, n);
	lookup->n = 0;
}

bool
eps_exec_is_beyond_capacity(const EpsLookup *lookup, EpsKey key)
{
	EpsBook    *book = lookup->run->node->book;
	EpsOwnerKey owner;
	uint32		account;

	if (likely(lookup->nstrangers < eps_budget_capacity(book)))
		return false;
	owner = account_key(lookup->run, key);
	eps_budget_lookup(book, &account, &owner, 1);
	return account == EPS_ACCOUNT_NONE;
}
