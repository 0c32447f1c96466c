/*
 * entries.c
 *	  What is left of the owners after bounding, between charge and sum.
 */
#include "postgres.h"

#include "pg/exec/exec_internal.h"

#include "miscadmin.h"

EpsEntries *
eps_exec_entries_create(MemoryContext context, EpsArena *arena, int ncoords, bool wide)
{
	EpsEntries *e = MemoryContextAllocZero(context, sizeof(EpsEntries));

	e->arena = arena;
	e->ncoords = ncoords;
	e->wide = wide;
	e->size = sizeof(uint32) + (Size) ncoords * (wide ? sizeof(int64) : sizeof(int32));
	EPS_ENSURE(e->size <= arena->chunk_bytes, "an entry does not fit a chunk");
	e->row = MemoryContextAlloc(context, e->size);
	return e;
}

static void
close_last(EpsEntries *e)
{
	if (e->last != NULL)
		e->last->used = (Size) (e->at - e->last->data);
}

void
eps_exec_entries_spill(EpsEntries *e)
{
	close_last(e);
	if (e->first == NULL)
		return;
	if (e->file == NULL)
		e->file = BufFileCreateTemp(false);
	for (EpsChunk *c = e->first; c != NULL; c = c->next)
	{
		CHECK_FOR_INTERRUPTS();
		BufFileWrite(e->file, c->data, c->used);
	}
	eps_exec_chunks_give(e->arena, e->first);
	e->first = e->last = NULL;
	e->at = e->end = NULL;
}

void
eps_exec_entries_spill_if_tight(EpsEntries *e)
{
	if (e->arena->in_use > e->arena->limit / 2)
		eps_exec_entries_spill(e);
}

/* Starts a chunk; what is written so far goes to the file if memory is short. */
char *
eps_exec_entries_add_slow(EpsEntries *e)
{
	EpsChunk   *chunk;
	char	   *at;

	close_last(e);
	if (e->arena->in_use > e->arena->limit)
		eps_exec_entries_spill(e);
	chunk = eps_exec_chunk_take(e->arena);
	if (e->last != NULL)
		e->last->next = chunk;
	else
		e->first = chunk;
	e->last = chunk;
	at = chunk->data;
	e->end = at + e->arena->chunk_bytes / e->size * e->size;
	e->at = at + e->size;
	return at;
}

void
eps_exec_entries_rewind(EpsEntries *e)
{
	close_last(e);
	e->in_file = e->file != NULL;
	if (e->in_file && BufFileSeek(e->file, 0, 0, SEEK_SET) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not seek in temporary file")));
	e->last = e->first;
	e->at = e->last ? e->last->data : NULL;
	e->end = e->last ? e->at + e->last->used : NULL;
}

/* The caller knows how many there are: it never reads beyond the last. */
const char *
eps_exec_entries_next(EpsEntries *e)
{
	const char *at;

	if (e->in_file)
	{
		if (BufFileRead(e->file, e->row, e->size) == e->size)
			return e->row;
		e->in_file = false;
	}
	if (e->at == e->end && e->last != NULL)
	{
		e->last = e->last->next;
		EPS_ENSURE(e->last != NULL, "entries are used up");
		e->at = e->last->data;
		e->end = e->at + e->last->used;
	}
	EPS_ENSURE(e->last != NULL, "entries are used up");
	at = e->at;
	e->at += e->size;
	return at;
}

void
eps_exec_entries_free(EpsEntries *e)
{
	eps_exec_chunks_give(e->arena, e->first);
	if (e->file != NULL)
		BufFileClose(e->file);
	pfree(e->row);
	pfree(e);
}
