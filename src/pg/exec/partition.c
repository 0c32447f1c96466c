/*
 * partition.c
 *	  Records by owner, in chunks of one arena, spilled to a temporary file when
 *	  the arena is over its limit.
 *
 * One open-addressing table over (owner, group) would be simpler, and was
 * measured five times slower: every probe is a cache and TLB miss.  Radix
 * partitions touch memory in order: sixteen rows are staged while the tails that
 * they go to are fetched.
 */
#include "postgres.h"

#include <sys/mman.h>

#include "pg/exec/exec_internal.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#define SMALL_BLOCK ((Size) 64 * 1024)
#define LARGE_BLOCK ((Size) 16 * 1024 * 1024)
#define HUGE_PAGE ((Size) 2 * 1024 * 1024)

/* --- arena ------------------------------------------------------------------- */

static inline Size
chunk_size(const EpsArena *arena)
{
	return offsetof(EpsChunk, data) + arena->chunk_bytes;
}

EpsArena *
eps_exec_arena_create(MemoryContext context, Size chunk_bytes, Size limit, bool large)
{
	EpsArena   *arena = MemoryContextAllocZero(context, sizeof(EpsArena));

	arena->context = context;
	arena->chunk_bytes = MAXALIGN(chunk_bytes);
	arena->next_block = large ? Min(LARGE_BLOCK, limit) : SMALL_BLOCK;
	arena->limit = limit;
	return arena;
}

void
eps_exec_advise_huge_pages(void *block, Size size)
{
#ifdef MADV_HUGEPAGE
	uintptr_t	from = TYPEALIGN(HUGE_PAGE, (uintptr_t) block);
	uintptr_t	to = TYPEALIGN_DOWN(HUGE_PAGE, (uintptr_t) block + size);

	/* advice only: where it is not taken, pages are small */
	if (from < to)
		(void) madvise((void *) from, to - from, MADV_HUGEPAGE);
#endif
}

/* A block of huge pages throughout: what is not touched of it takes no memory. */
static char *
alloc_block(MemoryContext context, Size size)
{
	char	   *block;

	if (size < HUGE_PAGE)
		return MemoryContextAllocHuge(context, size);
	block = MemoryContextAllocHuge(context, size + HUGE_PAGE);
	eps_exec_advise_huge_pages(block, size + HUGE_PAGE);
	return (char *) TYPEALIGN(HUGE_PAGE, (uintptr_t) block);
}

static void
new_block(EpsArena *arena)
{
	Size		size = Max(arena->next_block, chunk_size(arena));

	arena->block = alloc_block(arena->context, size);
	arena->block_end = arena->block + size;
	arena->next_block = Min(arena->next_block * 2, LARGE_BLOCK);
}

EpsChunk *
eps_exec_chunk_take(EpsArena *arena)
{
	EpsChunk   *chunk = arena->free;

	if (chunk != NULL)
		arena->free = chunk->next;
	else
	{
		if (arena->block == NULL || (Size) (arena->block_end - arena->block) < chunk_size(arena))
			new_block(arena);
		chunk = (EpsChunk *) arena->block;
		arena->block += chunk_size(arena);
	}
	chunk->next = NULL;
	chunk->used = 0;
	arena->in_use += chunk_size(arena);
	return chunk;
}

void
eps_exec_chunks_give(EpsArena *arena, EpsChunk *chunks)
{
	while (chunks != NULL)
	{
		EpsChunk   *next = chunks->next;

		chunks->next = arena->free;
		arena->free = chunks;
		arena->in_use -= chunk_size(arena);
		chunks = next;
	}
}

/* --- a set of partitions --------------------------------------------------------- */

EpsPartitions *
eps_exec_partitions_create(MemoryContext context, EpsArena *arena, const EpsShape *shape,
						   unsigned skip, unsigned bits)
{
	MemoryContext own = AllocSetContextCreate(context, "pg_epsilon partitions", ALLOCSET_DEFAULT_SIZES);
	EpsPartitions *set = MemoryContextAllocZero(own, sizeof(EpsPartitions));
	uint32		n = 1U << bits;

	EPS_ENSURE(skip + bits <= 64, "partition bits are used up");
	set->context = own;
	set->arena = arena;
	set->shape = *shape;
	set->skip = skip;
	set->bits = bits;
	set->n = n;
	set->tail = MemoryContextAllocZero(own, sizeof(char *) * n);
	set->end = MemoryContextAllocZero(own, sizeof(char *) * n);
	set->chunks = MemoryContextAllocZero(own, sizeof(EpsChunk *) * n);
	set->extents = MemoryContextAllocZero(own, sizeof(EpsExtent *) * n);
	set->rows = MemoryContextAllocZero(own, sizeof(uint64) * n);
	set->stage = MemoryContextAlloc(own, shape->size * EPS_STAGE_ROWS);
	return set;
}

void
eps_exec_partitions_free(EpsPartitions *set)
{
	for (uint32 p = 0; p < set->n; p++)
		eps_exec_chunks_give(set->arena, set->chunks[p]);
	if (set->file != NULL)
		BufFileClose(set->file);
	MemoryContextDelete(set->context);
}

static void
close_chunk(EpsPartitions *set, uint32 part)
{
	if (set->chunks[part] != NULL)
		set->chunks[part]->used = (Size) (set->tail[part] - set->chunks[part]->data);
}

/* Writes a partition's chunks to the file as one extent. */
static void
spill_partition(EpsPartitions *set, uint32 part)
{
	EpsExtent  *extent;

	if (set->chunks[part] == NULL)
		return;
	close_chunk(set, part);
	extent = MemoryContextAllocZero(set->context, sizeof(EpsExtent));
	BufFileTell(set->file, &extent->fileno, &extent->offset);
	for (EpsChunk *c = set->chunks[part]; c != NULL; c = c->next)
	{
		BufFileWrite(set->file, c->data, c->used);
		extent->bytes += c->used;
	}
	extent->next = set->extents[part];
	set->extents[part] = extent;
	eps_exec_chunks_give(set->arena, set->chunks[part]);
	set->chunks[part] = NULL;
	set->tail[part] = set->end[part] = NULL;
}

static void
spill(EpsPartitions *set)
{
	MemoryContext old = MemoryContextSwitchTo(set->context);

	if (set->file == NULL)
		set->file = BufFileCreateTemp(false);
	for (uint32 p = 0; p < set->n; p++)
	{
		CHECK_FOR_INTERRUPTS();
		spill_partition(set, p);
	}
	MemoryContextSwitchTo(old);
}

static Size
usable_bytes(const EpsPartitions *set)
{
	return set->arena->chunk_bytes / set->shape.size * set->shape.size;
}

static void
next_chunk(EpsPartitions *set, uint32 part)
{
	EpsChunk   *chunk;

	close_chunk(set, part);
	if (set->arena->in_use + chunk_size(set->arena) > set->arena->limit)
		spill(set);
	chunk = eps_exec_chunk_take(set->arena);
	chunk->next = set->chunks[part];
	set->chunks[part] = chunk;
	set->tail[part] = chunk->data;
	set->end[part] = chunk->data + usable_bytes(set);
}

/* A record's size is a multiple of 4; a call of memcpy costs more than the copy. */
static inline void
copy_record(char *to, const char *from, Size size)
{
	for (Size i = 0; i < size; i += sizeof(uint32))
	{
		uint32		word;

		memcpy(&word, from + i, sizeof(word));
		memcpy(to + i, &word, sizeof(word));
	}
}

void
eps_exec_partitions_flush(EpsPartitions *set)
{
	const char *from = set->stage;
	Size		size = set->shape.size;

	for (uint32 i = 0; i < set->staged; i++, from += size)
	{
		uint32		part = set->stage_part[i];

		if (unlikely(set->tail[part] == set->end[part]))
			next_chunk(set, part);
		copy_record(set->tail[part], from, size);
		set->tail[part] += size;
		set->rows[part]++;
	}
	set->staged = 0;
}

void
eps_exec_partitions_close(EpsPartitions *set)
{
	eps_exec_partitions_flush(set);
	for (uint32 p = 0; p < set->n; p++)
		close_chunk(set, p);
}

uint64
eps_exec_partition_bytes(const EpsPartitions *set, uint32 part)
{
	return set->rows[part] * set->shape.size;
}

/* --- reading back -------------------------------------------------------------------- */

static void
read_file(BufFile *file, void *to, Size bytes)
{
#if PG_VERSION_NUM >= 160000
	BufFileReadExact(file, to, bytes);
#else
	if (BufFileRead(file, to, bytes) != bytes)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not read from temporary file")));
#endif
}

static void
seek_extent(EpsPartitions *set, const EpsExtent *extent)
{
	if (BufFileSeek(set->file, extent->fileno, extent->offset, SEEK_SET) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not seek in temporary file")));
}

EpsChunk *
eps_exec_partition_take(EpsPartitions *set, uint32 part)
{
	EpsChunk   *chunks = set->chunks[part];

	set->chunks[part] = NULL;
	for (const EpsExtent *e = set->extents[part]; e != NULL; e = e->next)
	{
		uint64		left = e->bytes;

		seek_extent(set, e);
		while (left > 0)
		{
			EpsChunk   *chunk = eps_exec_chunk_take(set->arena);

			chunk->used = Min(left, usable_bytes(set));
			chunk->next = chunks;
			chunks = chunk;
			read_file(set->file, chunk->data, chunk->used);
			left -= chunk->used;
		}
		CHECK_FOR_INTERRUPTS();
	}
	set->extents[part] = NULL;
	set->rows[part] = 0;
	return chunks;
}

static void
visit_chunk(const EpsChunk *chunk, EpsRecordsVisit visit, void *context)
{
	visit(context, chunk->data, chunk->data + chunk->used);
	CHECK_FOR_INTERRUPTS();
}

static void
visit_extents(EpsPartitions *set, uint32 part, EpsRecordsVisit visit, void *context)
{
	EpsChunk   *chunk;

	if (set->extents[part] == NULL)
		return;
	chunk = eps_exec_chunk_take(set->arena);
	for (const EpsExtent *e = set->extents[part]; e != NULL; e = e->next)
	{
		seek_extent(set, e);
		for (uint64 left = e->bytes; left > 0; left -= chunk->used)
		{
			chunk->used = Min(left, usable_bytes(set));
			read_file(set->file, chunk->data, chunk->used);
			visit_chunk(chunk, visit, context);
		}
	}
	eps_exec_chunks_give(set->arena, chunk);
}

void
eps_exec_partition_scan(EpsPartitions *set, uint32 part, EpsRecordsVisit visit, void *context)
{
	for (EpsChunk *c = set->chunks[part]; c != NULL; c = c->next)
		visit_chunk(c, visit, context);
	visit_extents(set, part, visit, context);
}

void
eps_exec_partition_drain(EpsPartitions *set, uint32 part, EpsRecordsVisit visit, void *context)
{
	EpsChunk   *next;

	for (EpsChunk *c = set->chunks[part]; c != NULL; c = next)
	{
		visit_chunk(c, visit, context);
		next = c->next;
		c->next = NULL;
		eps_exec_chunks_give(set->arena, c);
	}
	set->chunks[part] = NULL;
	visit_extents(set, part, visit, context);
	set->extents[part] = NULL;
	set->rows[part] = 0;
}
