/*
 * owner.c
 *	  Step 2 for one owner: at most R rows and L0 groups by the owner's own
 *	  coins (rule 5), sums in exact integers, rounded to the grid, and charged.
 *
 * Everything here is a function of this owner's rows, this owner's coins and the
 * price: that is what makes the charge sound (docs/privacy.md, Theorem 1).
 */
#include "postgres.h"

#include "pg/exec/exec_internal.h"

#include "utils/memutils.h"

#define FIRST_ROOM 1024

/* What a coordinate adds up, read off the plan once. */
typedef struct BoundCoord
{
	EpsCoordKind kind;
	int			column;			/* -1: every row */
	int32		shift;
	const EpsCharge *charge;
} BoundCoord;

/* Where a group stands among the owner's groups, if it was met for this owner. */
typedef struct Stamp
{
	uint32		epoch;
	uint32		at;
} Stamp;

struct EpsBounder
{
	EpsRun	   *run;
	MemoryContext context;
	int			ncoords;
	BoundCoord *coords;
	uint32		rows_per_owner;
	uint32		groups_per_owner;
	Stamp	   *stamps;			/* by group */
	uint32		epoch;
	uint32		room;			/* groups of an owner that these arrays hold */
	uint32	   *gids;
	int64	   *sums;			/* by group, then coordinate */
	int64	   *grid;			/* by coordinate, then kept group */
	uint32		choice_room;
	uint32	   *choice;
	const char **chosen;		/* rows that were chosen */
	EpsLookup  *lookup;
};

/* --- arrays --------------------------------------------------------------------- */

static void
make_room(EpsBounder *b, uint32 groups)
{
	Size		coords = (Size) Max(b->ncoords, 1);

	if (groups <= b->room)
		return;
	b->room = Max(groups, b->room * 2);
	b->gids = repalloc_huge(b->gids, sizeof(uint32) * (Size) b->room);
	b->sums = repalloc_huge(b->sums, sizeof(int64) * coords * b->room);
	b->grid = repalloc_huge(b->grid, sizeof(int64) * coords * b->room);
}

static void
make_choice_room(EpsBounder *b, uint32 n)
{
	if (n <= b->choice_room)
		return;
	b->choice_room = Max(n, b->choice_room * 2);
	b->choice = repalloc_huge(b->choice, sizeof(uint32) * (Size) b->choice_room);
	b->chosen = repalloc_huge(b->chosen, sizeof(char *) * (Size) b->choice_room);
}

EpsBounder *
eps_exec_bounder_create(EpsRun *run, EpsLookup *lookup)
{
	const EpsReleasePrice *price = run->price;
	EpsBounder *b = MemoryContextAllocZero(run->context, sizeof(EpsBounder));
	Size		coords = (Size) Max(price->ncoords, 1);

	b->run = run;
	b->lookup = lookup;
	b->context = run->context;
	b->ncoords = price->ncoords;
	b->coords = MemoryContextAllocZero(b->context, sizeof(BoundCoord) * coords);
	for (int j = 0; j < price->ncoords; j++)
	{
		BoundCoord *c = &b->coords[j];

		/* a coordinate beyond the plan's is the price's own count of owners */
		c->kind = j < run->plan->ncoords ? run->plan->coords[j].kind : EPS_COORD_OWNERS;
		c->column = j < run->plan->ncoords ? run->plan->coords[j].column : -1;
		c->shift = price->coords[j].shift;
		c->charge = &price->charges[j];
	}
	b->rows_per_owner = (uint32) Min(price->rows_per_owner, PG_UINT32_MAX);
	b->groups_per_owner = (uint32) price->groups_per_owner;
	b->stamps = MemoryContextAllocExtended(b->context, sizeof(Stamp) * (Size) run->groups->ngroups,
										   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	b->room = b->choice_room = FIRST_ROOM;
	b->gids = MemoryContextAlloc(b->context, sizeof(uint32) * b->room);
	b->sums = MemoryContextAllocHuge(b->context, sizeof(int64) * coords * b->room);
	b->grid = MemoryContextAllocHuge(b->context, sizeof(int64) * coords * b->room);
	b->choice = MemoryContextAlloc(b->context, sizeof(uint32) * b->choice_room);
	b->chosen = MemoryContextAlloc(b->context, sizeof(char *) * b->choice_room);
	return b;
}

/* --- rows and groups ---------------------------------------------------------------- */

/* A uniform choice of k of 0..n-1, in choice[0..k-1]: of these records, or of the
 * owner's groups where that is NULL. */
static void
choose(EpsBounder *b, uint32 k, uint32 n, const char *const *records)
{
	make_choice_room(b, n);
	for (uint32 i = 0; i < n; i++)
		b->choice[i] = i;
	EPS_TEST(eps_exec_test_order(b->run, b->choice, n, records, b->gids));
	eps_common_check(eps_noise_choose(b->choice, k, n, &b->run->entropy), "owner's coins");
}

static inline int64
record_value(const char *values, int column, bool wide)
{
	int64		value;
	int32		narrow;

	if (wide)
	{
		memcpy(&value, values + column * sizeof(int64), sizeof(int64));
		return value;
	}
	memcpy(&narrow, values + column * sizeof(int32), sizeof(int32));
	return narrow == EPS_NARROW_NULL ? EPS_VALUE_NULL : narrow;
}

/* What a row adds to a coordinate. */
static inline int64
row_value(const BoundCoord *c, const char *values, bool wide)
{
	int64		value;

	if (c->column < 0)
		return 1;
	value = record_value(values, c->column, wide);
	if (value == EPS_VALUE_NULL)
		return 0;
	return c->kind == EPS_COORD_SUM ? value : 1;
}

/* The first row of a group is stored, not added to zeros: wide stores of zeros
 * that are read back at once stall the processor. */
static inline void
first_row(const EpsBounder *b, int64 *sums, const char *values, bool wide)
{
	for (int j = 0; j < b->ncoords; j++)
		sums[j] = row_value(&b->coords[j], values, wide);
}

/* At most R V < 2^62 in size, so nothing overflows. */
static inline void
add_row(const EpsBounder *b, int64 *sums, const char *values, bool wide)
{
	for (int j = 0; j < b->ncoords; j++)
	{
		int64		value = row_value(&b->coords[j], values, wide);

		if (b->coords[j].kind == EPS_COORD_OWNERS)
			sums[j] |= value;
		else
			sums[j] += value;
	}
}

/* Adds up an owner's rows by group; returns the number of groups. */
static inline uint32
add_up_rows(EpsBounder *b, const char *const *records, uint32 n, bool wide)
{
	int			skip = b->run->shape.key_bytes;
	uint32		groups = 0;

	b->epoch++;
	for (uint32 i = 0; i < n; i++)
	{
		const char *at = records[i] + skip;
		uint32		gid;
		Stamp	   *stamp;

		memcpy(&gid, at, sizeof(gid));
		stamp = &b->stamps[gid];
		if (stamp->epoch != b->epoch)
		{
			stamp->epoch = b->epoch;
			stamp->at = groups;
			b->gids[groups] = gid;
			first_row(b, b->sums + (Size) groups * b->ncoords, at + sizeof(gid), wide);
			groups++;
		}
		else
			add_row(b, b->sums + (Size) stamp->at * b->ncoords, at + sizeof(gid), wide);
	}
	return groups;
}

static const char *const *
choose_rows(EpsBounder *b, const char *const *records, uint32 *n)
{
	if (*n <= b->rows_per_owner)
		return records;
	choose(b, b->rows_per_owner, *n, records);
	*n = b->rows_per_owner;
	for (uint32 i = 0; i < *n; i++)
		b->chosen[i] = records[b->choice[i]];
	return b->chosen;
}

/* Keeps at most L0 groups: choice[0..kept-1] are their places. */
static uint32
choose_groups(EpsBounder *b, uint32 groups)
{
	if (groups > b->groups_per_owner)
	{
		choose(b, b->groups_per_owner, groups, NULL);
		return b->groups_per_owner;
	}
	make_choice_room(b, groups);
	for (uint32 i = 0; i < groups; i++)
		b->choice[i] = i;
	return groups;
}

/* What the owner's values in the kept groups come to, in the place of their number of rows. */
static void
offer_values(EpsBounder *b, const char *const *records, uint32 n, uint32 groups, uint32 kept)
{
	EpsDistinct *distinct = b->run->distinct;

	for (uint32 i = 0; i < groups; i++)
		b->stamps[b->gids[i]].epoch = 0;
	for (uint32 i = 0; i < kept; i++)
	{
		Stamp	   *stamp = &b->stamps[b->gids[b->choice[i]]];

		stamp->epoch = b->epoch;
		stamp->at = i;
	}
	eps_exec_distinct_begin(distinct, n);
	for (uint32 i = 0; i < n; i++)
	{
		uint32		gid;

		memcpy(&gid, records[i] + b->run->shape.key_bytes, sizeof(gid));
		if (b->stamps[gid].epoch == b->epoch)
			eps_exec_distinct_meet(distinct, records[i], b->stamps[gid].at);
	}
	eps_exec_distinct_offer(distinct, b->sums, b->choice, b->gids, kept);
}

/* --- grid and charge ------------------------------------------------------------------ */

/* Rounds the kept groups' sums to the grid: b->grid, by coordinate, then group. */
static inline void
round_to_grid(EpsBounder *b, uint32 kept)
{
	for (int j = 0; j < b->ncoords; j++)
	{
		int64	   *z = b->grid + (Size) j * kept;

		for (uint32 i = 0; i < kept; i++)
			z[i] = eps_mechanism_to_grid(b->sums[(Size) b->choice[i] * b->ncoords + j], b->coords[j].shift);
	}
}

/* The charge of b->grid, as a level of the ladder. */
static uint16
charge_level(const EpsBounder *b, uint32 kept)
{
	uint64		units = 0;
	unsigned	level = 0;

	for (int j = 0; j < b->ncoords; j++)
		units = eps_base_add_sat_u64(units, eps_accountant_charge(b->coords[j].charge, b->grid + (Size) j * kept, kept));
	eps_common_check(eps_accountant_ladder_up(&level, units), "level of a charge");
	EPS_ENSURE(level <= b->run->price->worst_level, "a charge is above the worst case");
	return (uint16) level;
}

static inline void
write_entry(char *at, const EpsBounder *b, uint32 gid, uint32 i, uint32 kept, bool wide)
{
	memcpy(at, &gid, sizeof(uint32));
	at += sizeof(uint32);
	for (int j = 0; j < b->ncoords; j++)
	{
		int64		z = b->grid[(Size) j * kept + i];
		int32		narrow = (int32) z;

		if (wide)
			memcpy(at + j * sizeof(int64), &z, sizeof(int64));
		else
		{
			EPS_ENSURE(narrow == z, "a contribution is above its bound");
			memcpy(at + j * sizeof(int32), &narrow, sizeof(int32));
		}
	}
}

/* --- owners ----------------------------------------------------------------------------- */

uint16
eps_exec_bound_values(EpsBounder *b, const char *values, int64 *grid)
{
	b->choice[0] = 0;
	first_row(b, b->sums, values, b->run->shape.wide_value);
	round_to_grid(b, 1);
	memcpy(grid, b->grid, sizeof(int64) * b->ncoords);
	return charge_level(b, 1);
}

void
eps_exec_bound_owner(EpsBounder *b, EpsKey key, const char *const *records, uint32 n)
{
	EpsRun	   *run = b->run;
	bool		wide_entry = run->entries->wide;
	uint32		groups;
	uint32		kept;
	uint16		level;

	if (eps_exec_is_beyond_capacity(b->lookup, key))
		return;
	EPS_TEST(eps_exec_test_owner(run, key));
	records = choose_rows(b, records, &n);
	make_room(b, n);
	if (run->shape.wide_value)
		groups = add_up_rows(b, records, n, true);
	else
		groups = add_up_rows(b, records, n, false);
	kept = choose_groups(b, groups);
	if (unlikely(run->distinct != NULL))
		offer_values(b, records, n, groups, kept);
	round_to_grid(b, kept);
	level = charge_level(b, kept);
	for (uint32 i = 0; i < kept; i++)
		write_entry(eps_exec_entries_add(run->entries), b, b->gids[b->choice[i]], i, kept, wide_entry);
	eps_exec_candidate_add(b->lookup, key, level, run->price->delta_levels[kept]);
	run->nentries[run->candidates.n - 1] = kept;
}
