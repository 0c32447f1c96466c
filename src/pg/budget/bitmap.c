/*
 * bitmap.c
 *	  Owner sets of charges.  Their bytes are core/ledger's.
 */
#include "postgres.h"

#include "lib/qunique.h"
#include "port/pg_bitutils.h"
#include "pg/budget/budget_internal.h"

/* Whether it is one; visit sees part of it also where it is none (core/ledger). */
bool
eps_budget_bitmap_read(const uint8 *bytes, Size len, uint32 limit, EpsBitmapVisit visit, void *context)
{
	return eps_ledger_bitmap_read(bytes, len, limit, visit, context) == EPS_OK;
}

static int
compare_accounts(const void *a, const void *b)
{
	uint32		x = *(const uint32 *) a;
	uint32		y = *(const uint32 *) b;

	return x < y ? -1 : x > y;
}

/*
 * Sorts account numbers below limit, and says how many different ones there are.  Where they are many a pass through a
 * plain bitset is several times faster than comparing.
 */
static uint32
sort_accounts(uint32 *accounts, uint32 n, uint32 limit)
{
	Size		nwords = ((Size) limit + 63) / 64;
	uint64	   *bits;
	uint32		out = 0;

	if (n < 256 || n < limit / 256)
	{
		qsort(accounts, n, sizeof(uint32), compare_accounts);
		return (uint32) qunique(accounts, n, sizeof(uint32), compare_accounts);
	}
	bits = palloc_extended(nwords * sizeof(uint64), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (uint32 i = 0; i < n; i++)
		bits[accounts[i] / 64] |= UINT64CONST(1) << (accounts[i] % 64);
	for (Size w = 0; w < nwords; w++)
		for (uint64 rest = bits[w]; rest != 0; rest &= rest - 1)
			accounts[out++] = (uint32) (w * 64) + (uint32) pg_rightmost_one_pos64(rest);
	pfree(bits);
	return out;
}

/* A bitmap of n >= 1 account numbers, all below limit; sorts the array in place. */
bytea *
eps_budget_bitmap_build(uint32 *accounts, uint32 n, uint32 limit)
{
	uint32		distinct = sort_accounts(accounts, n, limit);
	Size		len = eps_ledger_bitmap_len(accounts, distinct);
	bytea	   *out = palloc(VARHDRSZ + len);

	SET_VARSIZE(out, VARHDRSZ + len);
	eps_ledger_bitmap_write((uint8 *) VARDATA(out), accounts, distinct);
	return out;
}
