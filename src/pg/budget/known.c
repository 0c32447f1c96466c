/*
 * known.c
 *	  Accounts by a hash of the integer owner key, beside the directory.
 *
 * A look-up in the directory costs a keyed hash and two reads of shared memory
 * at random: with one row an owner, a third of a release.  This table stands in
 * the order of an unkeyed hash by which the release node partitions anyway, so a
 * partition meets one stretch of it.  It is a cache: whoever is not in it is
 * looked up in the directory.
 *
 * An entry is written once and never changes as long as the region lives, so
 * readers take no lock: whoever sees the account sees the hash.  Writers hold
 * the admission lock, where a region that was made anew is told by its
 * generation.
 */
#include "postgres.h"

#include "pg/budget/budget_internal.h"

#include "storage/lwlock.h"

StaticAssertDecl(sizeof(EpsKnownLine) == 64, "a cache line: most of the cost is memory read");

void
eps_budget_known(EpsKnown *out, const EpsBook *book)
{
	out->lines = book->known;
	out->n = eps_budget_known_lines(book->capacity);
}

static void
add_one(const EpsKnown *known, uint64 hash, uint32 account)
{
	EpsKnownLine *line = known->lines + eps_budget_known_at(known, hash);

	for (int i = 0; i < EPS_KNOWN_STEPS * EPS_KNOWN_WAYS; i++)
	{
		int			way = i % EPS_KNOWN_WAYS;

		if (line->next_account[way] == 0)
		{
			line->hash[way] = hash;
			pg_write_barrier();
			line->next_account[way] = account + 1;
			return;
		}
		if (line->hash[way] == hash)
			return;
		if (way == EPS_KNOWN_WAYS - 1)
			line++;
	}
}

/* While somebody admits, nothing is added: it would wait for the cache's sake. */
void
eps_budget_known_add(const EpsBook *book, const uint64 *hash, const uint32 *account, int n)
{
	EpsKnown	known;

	if (!LWLockConditionalAcquire(EPS_REGION_LOCK(book->region), LW_EXCLUSIVE))
		return;
	eps_budget_known(&known, book);
	if (book->region->generation == book->generation)
		for (int i = 0; i < n; i++)
			if (account[i] != EPS_ACCOUNT_NONE)
				add_one(&known, hash[i], account[i]);
	LWLockRelease(EPS_REGION_LOCK(book->region));
}
