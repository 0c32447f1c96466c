/*
 * bound.c
 *	  Step 2: partition by partition, records are put together by owner and each
 *	  owner is bounded.
 *
 * A partition that is too large for memory or cache is split by further bits of
 * the hash.  Where that does not help, one owner has most of its rows: then a
 * reservoir keeps R rows of each owner, which is the choice that bounding would
 * make.
 */
#include "postgres.h"

#include "pg/exec/exec_internal.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#define SPLIT_ROWS 131072
#define SPLIT_BITS 6
#define LOCAL_NONE ((uint32) 0xFFFFFFFF)
#define FIRST_ROOM 4096

/* A table of the owners of one partition, and their records. */
typedef struct LocalOwners
{
	EpsRun	   *run;
	EpsBounder *bounder;
	uint32		nslots;			/* power of two */
	uint32	   *slots;			/* owner number or LOCAL_NONE */
	uint32		slots_room;
	uint32		nowners;
	uint32		owners_room;
	EpsKey	   *keys;
	uint32	   *counts;			/* records, later the end of the owner's part of sorted[] */
	uint32		records_room;
	uint32	   *owner_of;		/* by record */
	const char **sorted;
} LocalOwners;

/* --- the table -------------------------------------------------------------------- */

static void
reset_slots(LocalOwners *local, uint32 nslots)
{
	if (nslots > local->slots_room)
	{
		local->slots = repalloc_huge(local->slots, sizeof(uint32) * (Size) nslots);
		local->slots_room = nslots;
	}
	local->nslots = nslots;
	memset(local->slots, 0xFF, sizeof(uint32) * (Size) nslots);
}

static void
reset_owners(LocalOwners *local, uint64 nrecords)
{
	uint32		nslots = FIRST_ROOM;

	while (nslots < nrecords / 2)
		nslots *= 2;
	reset_slots(local, nslots);
	local->nowners = 0;
	EPS_ENSURE(nrecords < PG_UINT32_MAX, "a partition has too many rows");
	if (nrecords > local->records_room)
	{
		local->records_room = (uint32) nrecords;
		local->owner_of = repalloc_huge(local->owner_of, sizeof(uint32) * nrecords);
		local->sorted = repalloc_huge(local->sorted, sizeof(char *) * nrecords);
	}
}

static LocalOwners *
make_local_owners(EpsRun *run, EpsBounder *bounder)
{
	LocalOwners *local = palloc0(sizeof(LocalOwners));

	local->run = run;
	local->bounder = bounder;
	local->slots_room = local->owners_room = local->records_room = FIRST_ROOM;
	local->slots = palloc(sizeof(uint32) * FIRST_ROOM);
	local->keys = palloc(sizeof(EpsKey) * FIRST_ROOM);
	local->counts = palloc(sizeof(uint32) * FIRST_ROOM);
	local->owner_of = palloc(sizeof(uint32) * FIRST_ROOM);
	local->sorted = palloc(sizeof(char *) * FIRST_ROOM);
	return local;
}

static uint32 *
local_slot(const LocalOwners *local, EpsKey key, int key_bytes)
{
	/* the leading bits are equal in the whole partition: take the trailing ones */
	uint64		at = eps_exec_key_hash(key, key_bytes);

	for (;; at++)
	{
		uint32	   *slot = &local->slots[at & (local->nslots - 1)];

		if (*slot == LOCAL_NONE ||
			(local->keys[*slot].lo == key.lo && local->keys[*slot].hi == key.hi))
			return slot;
	}
}

static void
double_table(LocalOwners *local)
{
	int			key_bytes = local->run->shape.key_bytes;

	reset_slots(local, local->nslots * 2);
	for (uint32 i = 0; i < local->nowners; i++)
		*local_slot(local, local->keys[i], key_bytes) = i;
}

static uint32
new_owner(LocalOwners *local, EpsKey key)
{
	uint32		owner = local->nowners++;

	if (owner == local->owners_room)
	{
		local->owners_room *= 2;
		local->keys = repalloc_huge(local->keys, sizeof(EpsKey) * (Size) local->owners_room);
		local->counts = repalloc_huge(local->counts, sizeof(uint32) * (Size) local->owners_room);
	}
	local->keys[owner] = key;
	local->counts[owner] = 0;
	return owner;
}

static inline uint32
local_owner(LocalOwners *local, EpsKey key, int key_bytes)
{
	uint32	   *slot = local_slot(local, key, key_bytes);
	uint32		owner = *slot;

	if (owner == LOCAL_NONE)
	{
		owner = *slot = new_owner(local, key);
		if (local->nowners > local->nslots / 2)
			double_table(local);
	}
	return owner;
}

/* --- a partition in memory ------------------------------------------------------------ */

static inline void
number_owners(LocalOwners *local, const EpsChunk *chunks, int key_bytes)
{
	Size		size = local->run->shape.size;
	uint32		n = 0;

	for (const EpsChunk *c = chunks; c != NULL; c = c->next)
	{
		for (Size at = 0; at < c->used; at += size)
		{
			uint32		owner = local_owner(local, eps_exec_record_key(c->data + at, key_bytes), key_bytes);

			local->counts[owner]++;
			local->owner_of[n++] = owner;
		}
	}
}

/* Counting sort: afterwards counts[i] is the end of owner i's part. */
static void
sort_by_owner(LocalOwners *local, const EpsChunk *chunks)
{
	Size		size = local->run->shape.size;
	uint32		start = 0;
	uint32		n = 0;

	for (uint32 i = 0; i < local->nowners; i++)
	{
		uint32		count = local->counts[i];

		local->counts[i] = start;
		start += count;
	}
	for (const EpsChunk *c = chunks; c != NULL; c = c->next)
		for (Size at = 0; at < c->used; at += size)
			local->sorted[local->counts[local->owner_of[n++]]++] = c->data + at;
}

static void
bound_chunks(LocalOwners *local, const EpsChunk *chunks, uint64 nrecords)
{
	uint32		start = 0;

	reset_owners(local, nrecords);
	switch (local->run->shape.key_bytes)
	{
		case sizeof(int32):
			number_owners(local, chunks, sizeof(int32));
			break;
		case sizeof(int64):
			number_owners(local, chunks, sizeof(int64));
			break;
		default:
			number_owners(local, chunks, sizeof(EpsKey));
	}
	sort_by_owner(local, chunks);
	for (uint32 i = 0; i < local->nowners; i++)
	{
		if (i % 1024 == 0)
			CHECK_FOR_INTERRUPTS();
		eps_exec_bound_owner(local->bounder, local->keys[i], local->sorted + start, local->counts[i] - start);
		start = local->counts[i];
	}
}

/* --- an owner larger than memory --------------------------------------------------------- */

typedef struct Kept
{
	uint64		seen;
	uint32		n;
	uint32		room;
	char	   *records;
} Kept;

typedef struct Reservoir
{
	LocalOwners *local;
	uint32		most;			/* R */
	Kept	   *kept;			/* by local owner */
	uint32		kept_room;
} Reservoir;

static void
keep_new(Kept *k, const char *record, Size size)
{
	if (k->n == k->room)
	{
		k->room = Max(k->room * 2, 16);
		k->records = k->records == NULL ? palloc(size * k->room) : repalloc_huge(k->records, size * k->room);
	}
	memcpy(k->records + size * k->n++, record, size);
}

/* Algorithm R: each of the rows seen so far is kept with probability R / seen. */
static void
offer(Reservoir *r, const char *record)
{
	EpsRun	   *run = r->local->run;
	Size		size = run->shape.size;
	uint32		owner = local_owner(r->local, eps_exec_record_key(record, run->shape.key_bytes), run->shape.key_bytes);
	Kept	   *k;
	uint64		at;

	if (owner >= r->kept_room)
	{
		uint32		room = Max(r->kept_room * 2, owner + 1);

		r->kept = repalloc_huge(r->kept, sizeof(Kept) * (Size) room);
		memset(r->kept + r->kept_room, 0, sizeof(Kept) * (Size) (room - r->kept_room));
		r->kept_room = room;
	}
	k = &r->kept[owner];
	k->seen++;
	if (k->n < r->most)
	{
		keep_new(k, record, size);
		return;
	}
	eps_common_check(eps_noise_uniform(&at, k->seen, &run->entropy), "owner's coins");
	if (at < r->most)
		memcpy(k->records + size * at, record, size);
}

static void
visit_reservoir(void *context, const char *record, const char *end)
{
	Reservoir  *r = context;

	for (; record < end; record += r->local->run->shape.size)
		offer(r, record);
}

static void
bound_reservoir(LocalOwners *local, EpsPartitions *set, uint32 part)
{
	EpsRun	   *run = local->run;
	MemoryContext own = AllocSetContextCreate(run->context, "pg_epsilon reservoir", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(own);
	Reservoir	r = {.local = local};

	r.most = (uint32) Min(run->price->rows_per_owner, PG_INT32_MAX);
	r.kept_room = FIRST_ROOM;
	r.kept = palloc0(sizeof(Kept) * FIRST_ROOM);
	MemoryContextSwitchTo(run->context);
	reset_owners(local, 0);
	MemoryContextSwitchTo(own);
	eps_exec_partition_drain(set, part, visit_reservoir, &r);
	for (uint32 i = 0; i < local->nowners; i++)
	{
		const char **records = palloc_extended(sizeof(char *) * Max(r.kept[i].n, 1), MCXT_ALLOC_HUGE);

		for (uint32 k = 0; k < r.kept[i].n; k++)
			records[k] = r.kept[i].records + run->shape.size * k;
		eps_exec_bound_owner(local->bounder, local->keys[i], records, r.kept[i].n);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(own);
}

/* --- a set of partitions -------------------------------------------------------------------- */

static void bound_partitions(LocalOwners *local, EpsPartitions *set, uint64 rows);

static void
visit_split(void *context, const char *record, const char *end)
{
	EpsPartitions *set = context;

	for (; record < end; record += set->shape.size)
	{
		EpsKey		key = eps_exec_record_key(record, set->shape.key_bytes);

		memcpy(eps_exec_partitions_stage(set), record, set->shape.size);
		eps_exec_partitions_put(set, eps_exec_key_hash(key, set->shape.key_bytes));
	}
}

static void
bound_split(LocalOwners *local, EpsPartitions *set, uint32 part)
{
	EpsRun	   *run = local->run;
	uint64		rows = set->rows[part];
	EpsPartitions *pieces = eps_exec_partitions_create(run->context, run->arena, &set->shape,
													   set->skip + set->bits, SPLIT_BITS);

	eps_exec_entries_spill_if_tight(run->entries);
	eps_exec_partition_drain(set, part, visit_split, pieces);
	eps_exec_partitions_close(pieces);
	bound_partitions(local, pieces, rows);
	eps_exec_partitions_free(pieces);
}

static void
bound_partition(LocalOwners *local, EpsPartitions *set, uint32 part, bool stuck)
{
	EpsArena   *arena = local->run->arena;
	uint64		rows = set->rows[part];
	bool		fits = eps_exec_partition_bytes(set, part) <= arena->limit / 4;
	EpsChunk   *chunks;

	if (rows == 0)
		return;
	if (!stuck && (!fits || rows > SPLIT_ROWS) && set->skip + set->bits + SPLIT_BITS <= 64)
	{
		bound_split(local, set, part);
		return;
	}
	if (!fits)
	{
		bound_reservoir(local, set, part);
		return;
	}
	chunks = eps_exec_partition_take(set, part);
	bound_chunks(local, chunks, rows);
	eps_exec_chunks_give(arena, chunks);
}

/* rows: of the partition that the set was split from, if it was: a piece with most
 * of them is one owner's, and splitting it again does not help. */
static void
bound_partitions(LocalOwners *local, EpsPartitions *set, uint64 rows)
{
	for (uint32 p = 0; p < set->n; p++)
	{
		CHECK_FOR_INTERRUPTS();
		bound_partition(local, set, p, rows > 0 && set->rows[p] > rows / 10 * 9);
	}
}

/* --- the step ------------------------------------------------------------------------------------- */

static bool
needs_wide_entries(const EpsRun *run)
{
	for (int j = 0; j < run->price->ncoords; j++)
		if (run->price->coords[j].bound.linf > (uint64) PG_INT32_MAX)
			return true;
	return false;
}

/* Rows of an owner that the number of candidates is guessed by. */
#define GUESSED_ROWS_PER_OWNER 8

static uint64
nrecords(const EpsRun *run)
{
	uint64		n = 0;

	for (uint32 p = 0; p < run->records->n; p++)
		n += run->records->rows[p];
	return n;
}

void
eps_exec_bound(EpsRun *run)
{
	MemoryContext old = MemoryContextSwitchTo(run->context);
	uint64		most = 2 * (uint64) eps_budget_capacity(run->node->book);
	bool		single = run->plan->owner_unique && run->price->rows_per_owner == 1 &&
		run->distinct == NULL && nrecords(run) <= most;
	uint64		owners = single ? nrecords(run) : nrecords(run) / GUESSED_ROWS_PER_OWNER;
	EpsLookup  *lookup = eps_exec_lookup_create(run);

	/* at most so many, however many rows there are: see eps_exec_is_beyond_capacity() */
	eps_exec_candidates_create(run, Min(owners, most));
	if (!single || !eps_exec_bound_singles(run, lookup))
	{
		run->candidates.n = 0;
		lookup = eps_exec_lookup_create(run);
		run->entries = eps_exec_entries_create(run->context, run->arena, run->price->ncoords, needs_wide_entries(run));
		if (run->distinct != NULL)
			eps_exec_distinct_open(run->distinct, run->arena->limit / 2);
		bound_partitions(make_local_owners(run, eps_exec_bounder_create(run, lookup)), run->records, 0);
		eps_exec_lookup_finish(lookup);
		eps_exec_partitions_free(run->records);
		run->records = NULL;
	}
	MemoryContextSwitchTo(old);
}
