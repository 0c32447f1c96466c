/*
 * bitmap.c
 *	  Owner sets of charges: roaring bitmaps in the portable format.
 *
 * Reading is by a strict parser of our own.  libroaring's safe deserialiser
 * proves lengths only; what it accepts may be unsorted, and then the same bytes
 * mean different sets to different readers.  And a set has one form here: each
 * container in the shortest, runs only where they are shorter.
 *
 * Format: RoaringFormatSpec, little-endian.
 */
#include "core/ledger/ledger_internal.h"

typedef struct Reader
{
	const uint8_t *bytes;
	size_t		at;
	size_t		len;
	uint32_t	limit;			/* members are below it */
	EpsBitmapVisit visit;
	void	   *context;
} Reader;

static bool
get16(Reader *r, uint32_t *out)
{
	if (r->len - r->at < 2)
		return false;
	*out = (uint32_t) r->bytes[r->at] | (uint32_t) r->bytes[r->at + 1] << 8;
	r->at += 2;
	return true;
}

static bool
get32(Reader *r, uint32_t *out)
{
	uint32_t	low;
	uint32_t	high;

	if (!get16(r, &low) || !get16(r, &high))
		return false;
	*out = low | high << 16;
	return true;
}

static bool
give(Reader *r, uint32_t first, uint32_t last)
{
	if (last >= r->limit)
		return false;
	if (r->visit != NULL)
		r->visit(r->context, first, last);
	return true;
}

static bool
read_array(Reader *r, uint32_t base, uint32_t card)
{
	int64_t		previous = -2;
	uint32_t	nruns = 0;

	for (uint32_t i = 0; i < card; i++)
	{
		uint32_t	low;

		if (!get16(r, &low) || (int64_t) low <= previous || !give(r, base + low, base + low))
			return false;
		nruns += low != previous + 1;
		previous = low;
	}
	return !eps_ledger_bitmap_is_run(card, nruns);
}

static bool
read_bitset(Reader *r, uint32_t base, uint32_t card)
{
	const uint8_t *bits = r->bytes + r->at;
	uint32_t	found = 0;
	uint32_t	nruns = 0;
	bool		before = false;

	if (r->len - r->at < EPS_BITMAP_BITSET_LEN)
		return false;
	for (uint32_t i = 0; i < EPS_BITMAP_BITSET_LEN; i++)
	{
		uint32_t	byte = bits[i];

		/* A run begins where a bit is set and the one before it is not. */
		nruns += (uint32_t) __builtin_popcount(byte & ~(byte << 1 | before));
		before = byte >> 7 != 0;
		for (uint32_t rest = byte; rest != 0; rest &= rest - 1)
		{
			uint32_t	member = base + i * 8 + (uint32_t) __builtin_ctz(rest);

			if (!give(r, member, member))
				return false;
			found++;
		}
	}
	r->at += EPS_BITMAP_BITSET_LEN;
	return found == card && !eps_ledger_bitmap_is_run(card, nruns);
}

static bool
read_runs(Reader *r, uint32_t base, uint32_t card)
{
	uint32_t	nruns;
	uint64_t	found = 0;
	int64_t		previous = -2;	/* runs neither overlap nor touch */

	if (!get16(r, &nruns) || nruns == 0)
		return false;
	for (uint32_t i = 0; i < nruns; i++)
	{
		uint32_t	low;
		uint32_t	more;

		if (!get16(r, &low) || !get16(r, &more))
			return false;
		if ((int64_t) low <= previous + 1 || low + more > 0xFFFF)
			return false;
		if (!give(r, base + low, base + low + more))
			return false;
		previous = (int64_t) low + more;
		found += (uint64_t) more + 1;
	}
	return found == card && eps_ledger_bitmap_is_run(card, nruns);
}

/* Reads the container that the i-th descriptor announces. */
static bool
read_container(Reader *r, const uint8_t *descriptor, bool is_run)
{
	uint32_t	key = (uint32_t) descriptor[0] | (uint32_t) descriptor[1] << 8;
	uint32_t	card = ((uint32_t) descriptor[2] | (uint32_t) descriptor[3] << 8) + 1;

	if (is_run)
		return read_runs(r, key << 16, card);
	if (card > EPS_BITMAP_ARRAY_MAX)
		return read_bitset(r, key << 16, card);
	return read_array(r, key << 16, card);
}

static uint32_t
load_le32(const uint8_t *b)
{
	return (uint32_t) b[0] | (uint32_t) b[1] << 8 | (uint32_t) b[2] << 16 | (uint32_t) b[3] << 24;
}

/* The head: number of containers, run flags (NULL if none), descriptors, offsets. */
static bool
read_head(Reader *r, uint32_t *n, const uint8_t **runs, const uint8_t **descriptors, const uint8_t **offsets)
{
	uint32_t	cookie;
	size_t		flag_bytes;

	*runs = NULL;
	*offsets = NULL;
	if (!get32(r, &cookie))
		return false;
	if ((cookie & 0xFFFF) == EPS_BITMAP_COOKIE_RUNS)
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
	else if (cookie != EPS_BITMAP_COOKIE_PLAIN || !get32(r, n) || *n == 0 || *n > 65536)
		return false;

	if (r->len - r->at < (size_t) *n * 4)
		return false;
	*descriptors = r->bytes + r->at;
	r->at += (size_t) *n * 4;
	if (*runs == NULL || *n >= EPS_BITMAP_NO_OFFSETS_BELOW)
	{
		if (r->len - r->at < (size_t) *n * 4)
			return false;
		*offsets = r->bytes + r->at;
		r->at += (size_t) *n * 4;
	}
	return true;
}

/*
 * The number of containers, then what the descriptors announce, container by
 * container, with nothing between or after.
 */
static bool
read_bitmap(Reader *r)
{
	const uint8_t *runs;
	const uint8_t *descriptors;
	const uint8_t *offsets;
	uint32_t	n;
	bool		has_runs = false;

	if (!read_head(r, &n, &runs, &descriptors, &offsets))
		return false;
	for (uint32_t i = 0; i < n; i++)
	{
		const uint8_t *d = descriptors + (size_t) i * 4;
		uint32_t	key = (uint32_t) d[0] | (uint32_t) d[1] << 8;
		bool		is_run = runs != NULL && (runs[i / 8] >> (i % 8) & 1) != 0;

		if (i > 0 && key <= ((uint32_t) d[-4] | (uint32_t) d[-3] << 8))
			return false;
		if (offsets != NULL && load_le32(offsets + (size_t) i * 4) != r->at)
			return false;
		if (!read_container(r, d, is_run))
			return false;
		has_runs = has_runs || is_run;
	}
	return r->at == r->len && has_runs == (runs != NULL);
}

EpsStatus
eps_ledger_bitmap_read(const uint8_t *bytes, size_t len, uint32_t limit, EpsBitmapVisit visit, void *context)
{
	Reader		r = {bytes, 0, len, limit, visit, context};

	return read_bitmap(&r) ? EPS_OK : EPS_E_FORMAT;
}
