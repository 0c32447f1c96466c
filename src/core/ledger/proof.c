/*
 * proof.c
 *	  Checks of inclusion and consistency proofs: RFC 9162, 2.1.3.2 and 2.1.4.2,
 *	  word for word.
 *
 * fn and sn are its names: the place of the node in hand, and of the last node,
 * on the level that has been reached.
 */
#include "core/ledger/ledger_internal.h"

#include <string.h>

static bool
same(const EpsHash *a, const EpsHash *b)
{
	return memcmp(a->b, b->b, EPS_HASH_LEN) == 0;
}

/* Up to the level where the node in hand is a right child, or the only one. */
static void
climb(uint64_t *fn, uint64_t *sn)
{
	while (*fn != 0 && (*fn & 1) == 0)
	{
		*fn >>= 1;
		*sn >>= 1;
	}
}

EpsStatus
eps_ledger_check_inclusion(const EpsHash *leaf, uint64_t index, uint64_t size,
						   const EpsHash *proof, size_t n, const EpsHash *root)
{
	uint64_t	fn = index;
	uint64_t	sn = size - 1;
	EpsHash		hash = *leaf;

	if (index >= size || size > EPS_TREE_MAX)
		return EPS_E_AUTH;
	for (size_t i = 0; i < n; i++)
	{
		if (sn == 0)
			return EPS_E_AUTH;
		if ((fn & 1) != 0 || fn == sn)
		{
			eps_ledger_node_hash(&hash, &proof[i], &hash);
			climb(&fn, &sn);
		}
		else
			eps_ledger_node_hash(&hash, &hash, &proof[i]);
		fn >>= 1;
		sn >>= 1;
	}
	return sn == 0 && same(&hash, root) ? EPS_OK : EPS_E_AUTH;
}

/* The steps of 2.1.4.2 after the first hash, which old and new hold. */
static bool
walk_consistency(EpsHash *old, EpsHash *new, uint64_t fn, uint64_t sn, const EpsHash *proof, size_t n)
{
	for (size_t i = 0; i < n; i++)
	{
		if (sn == 0)
			return false;
		if ((fn & 1) != 0 || fn == sn)
		{
			eps_ledger_node_hash(old, &proof[i], old);
			eps_ledger_node_hash(new, &proof[i], new);
			climb(&fn, &sn);
		}
		else
			eps_ledger_node_hash(new, new, &proof[i]);
		fn >>= 1;
		sn >>= 1;
	}
	return sn == 0;
}

EpsStatus
eps_ledger_check_consistency(uint64_t from, uint64_t to, const EpsHash *proof, size_t n,
							 const EpsHash *from_root, const EpsHash *to_root)
{
	uint64_t	fn = from - 1;
	uint64_t	sn = to - 1;
	EpsHash		old;
	EpsHash		new;

	if (from == 0 || from > to || to > EPS_TREE_MAX)
		return EPS_E_AUTH;
	if (from == to)
		return n == 0 && same(from_root, to_root) ? EPS_OK : EPS_E_AUTH;

	for (; (fn & 1) != 0; fn >>= 1)
		sn >>= 1;

	/* Of an old tree that is complete the proof leaves out the root, which is known. */
	if (fn == 0)
		old = *from_root;
	else if (n == 0)
		return EPS_E_AUTH;
	else
	{
		old = proof[0];
		proof++;
		n--;
	}
	new = old;
	if (!walk_consistency(&old, &new, fn, sn, proof, n))
		return EPS_E_AUTH;
	return same(&old, from_root) && same(&new, to_root) ? EPS_OK : EPS_E_AUTH;
}
