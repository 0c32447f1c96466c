/*
 * bitmap.c
 *	  Owner sets of charges as roaring bitmaps in the portable format.
 *
 * Reading is by a strict parser of our own.  libroaring's safe deserialiser
 * proves lengths only; what it accepts may be unsorted, and then the same bytes
 * mean different sets to different readers.  The parser allocates nothing, so
 * an error on the way leaks nothing.
 *
 * Format: RoaringFormatSpec, little-endian.
 */
#include "postgres.h"

#include <roaring/roaring.h>

#include "port/pg_bitutils.h"
#include "pg/budget/budget_internal.h"

#define COOKIE_PLAIN	12346
#define COOKIE_RUNS		12347
#define NO_OFFSETS_BELOW 4		/* with run containers: fewer have no offset table */
#define ARRAY_MAX		4096
#define BITSET_BYTES	8192

typedef struct Reader
{
	const uint8 *bytes;
	Size		at;
	Size		len;
	uint32		limit;			/* members are below it */
	EpsBitmapVisit visit;
	void	   *context;
} Reader;

static bool
get16(Reader *r, uint32 *out)
{
	if (r->len - r->at < 2)
		return false;
	*out = (uint32) r->bytes[r->at] | (uint32) r->bytes[r->at + 1] << 8;
	r->at += 2;
	return true;
}

static bool
get32(Reader *r, uint32 *out)
{
	uint32		low;
	uint32		high;

	if (!get16(r, &low) || !get16(r, &high))
		return false;
	*out = low | high << 16;
	return true;
}

static bool
give(Reader *r, uint32 first, uint32 last)
{
	if (last >= r->limit)
		return false;
	if (r->visit != NULL)
		r->visit(r->context, first, last);
	return true;
}

static bool
read_array(Reader *r, uint32 base, uint32 card)
{
	int64		previous = -1;

	for (uint32 i = 0; i < card; i++)
	{
		uint32		low;

		if (!get16(r, &low) || (int64) low <= previous || !give(r, base + low, base + low))
			return false;
		previous = low;
	}
	return true;
}

static bool
read_bitset(Reader *r, uint32 base, uint32 card)
{
	const uint8 *bits = r->bytes + r->at;
	uint32		found = 0;

	if (r->len - r->at < BITSET_BYTES)
		return false;
	for (uint32 i = 0; i < BITSET_BYTES; i++)
	{
		for (uint32 rest = bits[i]; rest != 0; rest &= rest - 1)
		{
			uint32		member = base + i * 8 + (uint32) pg_rightmost_one_pos32(rest);

			if (!give(r, member, member))
				return false;
			found++;
		}
	}
	r->at += BITSET_BYTES;
	return found == card;
}

static bool
read_runs(Reader *r, uint32 base, uint32 card)
{
	uint32		nruns;
	uint64		found = 0;
	int64		previous = -2;	/* runs neither overlap nor touch */

	if (!get16(r, &nruns) || nruns == 0)
		return false;
	for (uint32 i = 0; i < nruns; i++)
	{
		uint32		low;
		uint32		more;

		if (!get16(r, &low) || !get16(r, &more))
			return false;
		if ((int64) low <= previous + 1 || low + more > 0xFFFF)
			return false;
		if (!give(r, base + low, base + low + more))
			return false;
		previous = (int64) low + more;
		found += (uint64) more + 1;
	}
	return found == card;
}

/* Reads the container that the i-th descriptor announces. */
static bool
read_container(Reader *r, const uint8 *descriptor, bool is_run)
{
	uint32		key = (uint32) descriptor[0] | (uint32) descriptor[1] << 8;
	uint32		card = ((uint32) descriptor[2] | (uint32) descriptor[3] << 8) + 1;

	if (is_run)
		return read_runs(r, key << 16, card);
	if (card > ARRAY_MAX)
		return read_bitset(r, key << 16, card);
	return read_array(r, key << 16, card);
}

static uint32
load_le32(const uint8 *b)
{
	return (uint32) b[0] | (uint32) b[1] << 8 | (uint32) b[2] << 16 | (uint32) b[3] << 24;
}

/* The head: number of containers, run flags (NULL if none), descriptors, offsets. */
static bool
read_head(Reader *r, uint32 *n, const uint8 **runs, const uint8 **descriptors, const uint8 **offsets)
{
	uint32		cookie;
	Size		flag_bytes;

	*runs = NULL;
	*offsets = NULL;
	if (!get32(r, &cookie))
		return false;
	if ((cookie & 0xFFFF) == COOKIE_RUNS)
	{
		*n = (cookie >> 16) + 1;
		flag_bytes = (*n + 7) / 8;
		if (r->len - r->at < flag_bytes)
			return false;
		*runs = r->bytes + r->at;
		r->at += flag_bytes;
		if (*n % 8 != 0 && (*runs)[flag_bytes - 1] >> (*n % 8) != 0)
			return false;
	}
	else if (cookie != COOKIE_PLAIN || !get32(r, n) || *n == 0 || *n > 65536)
		return false;

	if (r->len - r->at < (Size) *n * 4)
		return false;
	*descriptors = r->bytes + r->at;
	r->at += (Size) *n * 4;
	if (*runs == NULL || *n >= NO_OFFSETS_BELOW)
	{
		if (r->len - r->at < (Size) *n * 4)
			return false;
		*offsets = r->bytes + r->at;
		r->at += (Size) *n * 4;
	}
	return true;
}

/*
 * Calls visit for each range of members, ascending.  False, possibly after some
 * calls, unless the bytes are exactly one non-empty valid bitmap whose members
 * are all below limit.  visit must not raise on what it has not seen whole: it
 * may be NULL for a first pass that only checks.
 */
bool
eps_budget_bitmap_read(const uint8 *bytes, Size len, uint32 limit,
					   EpsBitmapVisit visit, void *context)
{
	Reader		r = {bytes, 0, len, limit, visit, context};
	const uint8 *runs;
	const uint8 *descriptors;
	const uint8 *offsets;
	uint32		n;

	if (!read_head(&r, &n, &runs, &descriptors, &offsets))
		return false;
	for (uint32 i = 0; i < n; i++)
	{
		const uint8 *d = descriptors + (Size) i * 4;
		uint32		key = (uint32) d[0] | (uint32) d[1] << 8;

		if (i > 0 && key <= ((uint32) d[-4] | (uint32) d[-3] << 8))
			return false;
		if (offsets != NULL && load_le32(offsets + (Size) i * 4) != r.at)
			return false;
		if (!read_container(&r, d, runs != NULL && (runs[i / 8] >> (i % 8) & 1) != 0))
			return false;
	}
	return r.at == len;
}

static int
compare_accounts(const void *a, const void *b)
{
	uint32		x = *(const uint32 *) a;
	uint32		y = *(const uint32 *) b;

	return x < y ? -1 : x > y;
}

/*
 * Sorts account numbers below limit.  Where they are many a pass through a
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
		return n;
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

static bytea *
serialise(const roaring_bitmap_t *bitmap)
{
	Size		len = roaring_bitmap_portable_size_in_bytes(bitmap);
	bytea	   *out = palloc(VARHDRSZ + len);

	SET_VARSIZE(out, VARHDRSZ + len);
	roaring_bitmap_portable_serialize(bitmap, VARDATA(out));
	return out;
}

/*
 * A bitmap of n >= 1 distinct account numbers, all below limit; sorts the array
 * in place.  libroaring allocates with malloc: it is freed on error too.
 */
bytea *
eps_budget_bitmap_build(uint32 *accounts, uint32 n, uint32 limit)
{
	uint32		distinct = sort_accounts(accounts, n, limit);
	roaring_bitmap_t *bitmap = roaring_bitmap_create();
	bytea	   *volatile out = NULL;

	if (bitmap == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	roaring_bitmap_add_many(bitmap, distinct, accounts);
	roaring_bitmap_run_optimize(bitmap);
	PG_TRY();
	{
		out = serialise(bitmap);
	}
	PG_FINALLY();
	{
		roaring_bitmap_free(bitmap);
	}
	PG_END_TRY();
	return out;
}
