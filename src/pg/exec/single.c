/*
 * single.c
 *	  Steps 2 and 4 where an owner has one row: records in order are candidates in
 *	  order, and nothing else is kept of them.
 */
#include "postgres.h"

#include "pg/exec/exec_internal.h"

#include "utils/memutils.h"

#define FIRST_KEYS 4096

/*
 * Grid values and levels that were computed before, by the row's values: such rows
 * repeat, and all else follows from the values.
 */
#define MEMO_SLOTS 1024

struct EpsSingles
{
	EpsBounder *bounder;
	EpsLookup  *lookup;
	EpsRun	   *run;
	Size		value_bytes;	/* of a record, after its group */
	char	   *values;			/* by slot */
	int64	   *grid;			/* by slot, then coordinate */
	int16	   *level;			/* by slot; -1: free */
	const uint8 *admitted;		/* adding up */
	uint64		next;			/* candidate */
};

static EpsSingles *
make_singles(EpsRun *run, EpsLookup *lookup)
{
	EpsSingles *s = MemoryContextAllocZero(run->context, sizeof(EpsSingles));

	s->bounder = eps_exec_bounder_create(run, lookup);
	s->lookup = lookup;
	s->run = run;
	s->value_bytes = run->shape.size - run->shape.key_bytes - sizeof(uint32);
	s->values = MemoryContextAllocZero(run->context, Max(s->value_bytes, 1) * MEMO_SLOTS);
	s->grid = MemoryContextAlloc(run->context, sizeof(int64) * Max(run->price->ncoords, 1) * MEMO_SLOTS);
	s->level = MemoryContextAlloc(run->context, sizeof(int16) * MEMO_SLOTS);
	memset(s->level, 0xFF, sizeof(int16) * MEMO_SLOTS);
	return s;
}

/* --- the memo ----------------------------------------------------------------------- */

static inline uint32
memo_slot(const char *values, Size bytes)
{
	uint64		h = 0;

	for (Size i = 0; i < bytes; i += sizeof(uint32))
	{
		uint32		word;

		memcpy(&word, values + i, sizeof(word));
		h = (h ^ word) * UINT64CONST(0x9e3779b97f4a7c15);
	}
	return (uint32) (h >> 32) % MEMO_SLOTS;
}

static inline bool
same_values(const char *a, const char *b, Size bytes)
{
	uint32		differ = 0;

	for (Size i = 0; i < bytes; i += sizeof(uint32))
	{
		uint32		left;
		uint32		right;

		memcpy(&left, a + i, sizeof(left));
		memcpy(&right, b + i, sizeof(right));
		differ |= left ^ right;
	}
	return differ == 0;
}

static void
fill_memo(EpsSingles *s, uint32 slot, const char *values)
{
	int64	   *grid = s->grid + (Size) slot * s->run->price->ncoords;

	s->level[slot] = (int16) eps_exec_bound_values(s->bounder, values, grid);
	memcpy(s->values + slot * s->value_bytes, values, s->value_bytes);
}

/* The memo's slot of a record's values, filled. */
static inline uint32
single_slot(EpsSingles *s, const char *values)
{
	Size		bytes = s->value_bytes;
	uint32		slot = memo_slot(values, bytes);

	if (s->level[slot] < 0 || !same_values(s->values + slot * bytes, values, bytes))
		fill_memo(s, slot, values);
	return slot;
}

/* --- one row an owner ---------------------------------------------------------------- */

/*
 * Whether the owners of a release with one row an owner are distinct: by account
 * where they are enrolled, else by the first half of their key.  The unique
 * index says so; a charge must not depend on an index being right (rule 33).
 */
typedef struct Distinct
{
	EpsRun	   *run;
	uint8	   *accounts;		/* a bit an account */
	uint64	   *keys;			/* open addressing; 0 = free */
	uint64		nslots;
	uint64		nkeys;
	bool		broken;
} Distinct;

static uint64 *
key_slot(const Distinct *d, uint64 key)
{
	for (uint64 at = key;; at++)
	{
		uint64	   *slot = &d->keys[at & (d->nslots - 1)];

		if (*slot == 0 || *slot == key)
			return slot;
	}
}

static void
double_keys(Distinct *d)
{
	uint64	   *old = d->keys;
	uint64		nold = d->nslots;

	d->nslots *= 2;
	d->keys = MemoryContextAllocExtended(d->run->context, sizeof(uint64) * d->nslots,
										 MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (uint64 i = 0; i < nold; i++)
		if (old[i] != 0)
			*key_slot(d, old[i]) = old[i];
	pfree(old);
}

/* A key of 0 counts as met before: that costs time, not soundness. */
static bool
is_new_key(Distinct *d, uint64 key)
{
	uint64	   *slot = key_slot(d, key);

	if (key == 0 || *slot == key)
		return false;
	*slot = key;
	if (++d->nkeys > d->nslots / 2)
		double_keys(d);
	return true;
}

static bool
is_new_account(Distinct *d, uint32 account)
{
	uint8		bit = (uint8) (1 << (account % 8));
	bool		is_new = (d->accounts[account / 8] & bit) == 0;

	d->accounts[account / 8] |= bit;
	return is_new;
}

static void
check_distinct(Distinct *d)
{
	const EpsCandidates *c = &d->run->candidates;

	for (uint64 i = 0; i < c->n && !d->broken; i++)
	{
		if (c->one[i].account == EPS_ACCOUNT_NONE)
			d->broken = !is_new_key(d, c->key[i].lo);
		else
			d->broken = !is_new_account(d, c->one[i].account);
	}
}

static bool
are_distinct(EpsRun *run)
{
	Distinct	d = {.run = run,.nslots = FIRST_KEYS};

	d.accounts = MemoryContextAllocZero(run->context, eps_budget_capacity(run->node->book) / 8 + 1);
	d.keys = MemoryContextAllocZero(run->context, sizeof(uint64) * d.nslots);
	check_distinct(&d);
	pfree(d.accounts);
	pfree(d.keys);
	return !d.broken;
}

/* --- candidates --------------------------------------------------------------------- */

static void
visit_bound(void *context, const char *record, const char *end)
{
	EpsSingles *s = context;
	int			key_bytes = s->run->shape.key_bytes;
	Size		size = s->run->shape.size;
	uint16		delta_level = s->run->price->delta_levels[1];

	for (; record < end; record += size)
	{
		uint32		slot = single_slot(s, record + key_bytes + sizeof(uint32));

		eps_exec_candidate_add(s->lookup, eps_exec_record_key(record, key_bytes), (uint16) s->level[slot], delta_level);
	}
}

bool
eps_exec_bound_singles(EpsRun *run, EpsLookup *lookup)
{
	run->singles = make_singles(run, lookup);
	for (uint32 p = 0; p < run->records->n; p++)
		eps_exec_partition_scan(run->records, p, visit_bound, run->singles);
	eps_exec_lookup_finish(lookup);
	if (!are_distinct(run))
		run->singles = NULL;
	return run->singles != NULL;
}

/* --- sums --------------------------------------------------------------------------- */

static void
visit_add_up(void *context, const char *record, const char *end)
{
	EpsSingles *s = context;
	int			ncoords = s->run->price->ncoords;
	Size		size = s->run->shape.size;

	for (record += s->run->shape.key_bytes; record < end; record += size)
	{
		uint32		gid;
		EpsI128    *totals;
		const int64 *grid;

		if (!eps_exec_takes_part(s->admitted, s->next++))
			continue;
		memcpy(&gid, record, sizeof(gid));
		grid = s->grid + (Size) single_slot(s, record + sizeof(gid)) * ncoords;
		totals = s->run->totals + (Size) gid * ncoords;
		for (int j = 0; j < ncoords; j++)
			totals[j] += grid[j];
	}
}

void
eps_exec_add_up_singles(EpsRun *run, const uint8 *admitted)
{
	EpsSingles *s = run->singles;

	s->admitted = admitted;
	for (uint32 p = 0; p < run->records->n; p++)
		eps_exec_partition_scan(run->records, p, visit_add_up, s);
	EPS_ENSURE(s->next == run->candidates.n, "records and candidates differ in number");
}
