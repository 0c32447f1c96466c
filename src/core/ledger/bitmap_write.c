/*
 * bitmap_write.c
 *	  Writes owner sets of charges: the one roaring bitmap that a set has here.
 *
 * Not by libroaring, whose choice between the forms of a container is a matter
 * of its version: the same set must be the same bytes wherever it is written,
 * or the reader could not refuse a second form of it.
 */
#include "core/ledger/ledger_internal.h"

#include <string.h>

/* The accounts of one container: those that share their high 16 bits. */
typedef struct Chunk
{
	const uint32_t *account;
	uint32_t	card;
	uint32_t	nruns;
} Chunk;

static Chunk
next_chunk(const uint32_t *account, uint32_t n)
{
	Chunk		chunk = {account, 1, 1};

	while (chunk.card < n && account[chunk.card] >> 16 == account[0] >> 16)
	{
		if (account[chunk.card] != account[chunk.card - 1] + 1)
			chunk.nruns++;
		chunk.card++;
	}
	return chunk;
}

static bool
is_run(const Chunk *chunk)
{
	return eps_ledger_bitmap_is_run(chunk->card, chunk->nruns);
}

static size_t
chunk_len(const Chunk *chunk)
{
	if (is_run(chunk))
		return 2 + (size_t) chunk->nruns * 4;
	return chunk->card > EPS_BITMAP_ARRAY_MAX ? EPS_BITMAP_BITSET_LEN : (size_t) chunk->card * 2;
}

/* What the head says of all containers, and how long they are together. */
typedef struct Shape
{
	uint32_t	nchunks;
	bool		runs;
	size_t		content;
} Shape;

static Shape
shape_of(const uint32_t *account, uint32_t n)
{
	Shape		shape = {0, false, 0};

	for (uint32_t at = 0; at < n;)
	{
		Chunk		chunk = next_chunk(account + at, n - at);

		shape.nchunks++;
		shape.runs = shape.runs || is_run(&chunk);
		shape.content += chunk_len(&chunk);
		at += chunk.card;
	}
	return shape;
}

static bool
has_offsets(const Shape *shape)
{
	return !shape->runs || shape->nchunks >= EPS_BITMAP_NO_OFFSETS_BELOW;
}

static size_t
head_len(const Shape *shape)
{
	size_t		start = shape->runs ? 4 + ((size_t) shape->nchunks + 7) / 8 : 8;

	return start + (size_t) shape->nchunks * (has_offsets(shape) ? 8 : 4);
}

size_t
eps_ledger_bitmap_len(const uint32_t *account, uint32_t n)
{
	Shape		shape = shape_of(account, n);

	return head_len(&shape) + shape.content;
}

/* --- bytes; little-endian, as the format is -------------------------------------------- */

static void
put16(uint8_t **at, uint32_t value)
{
	(*at)[0] = (uint8_t) value;
	(*at)[1] = (uint8_t) (value >> 8);
	*at += 2;
}

static void
put32(uint8_t **at, uint32_t value)
{
	put16(at, value & 0xFFFF);
	put16(at, value >> 16);
}

static void
put_runs(uint8_t **at, const Chunk *chunk)
{
	put16(at, chunk->nruns);
	for (uint32_t i = 0; i < chunk->card;)
	{
		uint32_t	first = i++;

		while (i < chunk->card && chunk->account[i] == chunk->account[i - 1] + 1)
			i++;
		put16(at, chunk->account[first] & 0xFFFF);
		put16(at, i - first - 1);
	}
}

static void
put_bitset(uint8_t **at, const Chunk *chunk)
{
	memset(*at, 0, EPS_BITMAP_BITSET_LEN);
	for (uint32_t i = 0; i < chunk->card; i++)
	{
		uint32_t	low = chunk->account[i] & 0xFFFF;

		(*at)[low / 8] |= (uint8_t) (1 << low % 8);
	}
	*at += EPS_BITMAP_BITSET_LEN;
}

static void
put_chunk(uint8_t **at, const Chunk *chunk)
{
	if (is_run(chunk))
		put_runs(at, chunk);
	else if (chunk->card > EPS_BITMAP_ARRAY_MAX)
		put_bitset(at, chunk);
	else
		for (uint32_t i = 0; i < chunk->card; i++)
			put16(at, chunk->account[i] & 0xFFFF);
}

void
eps_ledger_bitmap_write(uint8_t *out, const uint32_t *account, uint32_t n)
{
	Shape		shape = shape_of(account, n);
	uint8_t    *flags = out + 4;
	uint8_t    *descriptor = out;
	uint8_t    *offset;
	uint8_t    *content = out + head_len(&shape);

	if (shape.runs)
	{
		put32(&descriptor, EPS_BITMAP_COOKIE_RUNS | (shape.nchunks - 1) << 16);
		memset(descriptor, 0, (shape.nchunks + 7) / 8);
		descriptor += (shape.nchunks + 7) / 8;
	}
	else
	{
		put32(&descriptor, EPS_BITMAP_COOKIE_PLAIN);
		put32(&descriptor, shape.nchunks);
	}
	offset = descriptor + (size_t) shape.nchunks * 4;

	for (uint32_t at = 0, i = 0; at < n; i++)
	{
		Chunk		chunk = next_chunk(account + at, n - at);

		if (is_run(&chunk))
			flags[i / 8] |= (uint8_t) (1 << i % 8);
		put16(&descriptor, account[at] >> 16);
		put16(&descriptor, chunk.card - 1);
		if (has_offsets(&shape))
			put32(&offset, (uint32_t) (content - out));
		put_chunk(&content, &chunk);
		at += chunk.card;
	}
}
