/*
 * stream.c
 *	  The ChaCha20 stream that noise is drawn from.
 *
 * Each refill makes EPS_STREAM_BUFFER bytes of key stream, and their first 32
 * replace the key ("fast key erasure"): together with wiping what was given
 * out, memory read later does not tell noise drawn earlier.
 */
#include "core/crypto/crypto.h"

#include <sodium.h>
#include <string.h>
#include <unistd.h>

#define BLOCK_LEN 64

_Static_assert(sizeof(((EpsStream *) 0)->key) == crypto_stream_chacha20_KEYBYTES, "ChaCha20 key");
_Static_assert(EPS_STREAM_BUFFER % BLOCK_LEN == 0, "the buffer is whole blocks");

static EPS_MUST_USE EpsStatus
key_stream(EpsStream *stream, int64_t pid)
{
	EpsStatus	status = eps_crypto_random(stream->key, sizeof(stream->key));

	if (status != EPS_OK)
		return status;
	eps_base_wipe(stream->buffer, sizeof(stream->buffer));
	stream->block = 0;
	stream->used = sizeof(stream->buffer);
	stream->pid = pid;
	return EPS_OK;
}

static EPS_MUST_USE EpsStatus
refill(EpsStream *stream)
{
	static const uint8_t nonce[crypto_stream_chacha20_NONCEBYTES] = {0};

	memset(stream->buffer, 0, sizeof(stream->buffer));
	if (crypto_stream_chacha20_xor_ic(stream->buffer, stream->buffer, sizeof(stream->buffer),
									  nonce, stream->block, stream->key) != 0)
		return EPS_E_ENTROPY;
	memcpy(stream->key, stream->buffer, sizeof(stream->key));
	eps_base_wipe(stream->buffer, sizeof(stream->key));
	stream->block += sizeof(stream->buffer) / BLOCK_LEN;
	stream->used = sizeof(stream->key);
	return EPS_OK;
}

/* pid 0: never keyed, or closed.  Its buffer must not pass for random bytes. */
static EpsStatus
fill_unchecked(void *ctx, uint8_t *buf, size_t len)
{
	EpsStream  *stream = ctx;

	if (stream->pid == 0)
		return EPS_E_ENTROPY;
	while (len > 0)
	{
		size_t		part;

		if (stream->used >= sizeof(stream->buffer) && refill(stream) != EPS_OK)
			return EPS_E_ENTROPY;
		part = sizeof(stream->buffer) - stream->used;
		if (part > len)
			part = len;
		memcpy(buf, stream->buffer + stream->used, part);
		eps_base_wipe(stream->buffer + stream->used, part);
		stream->used += part;
		buf += part;
		len -= part;
	}
	return EPS_OK;
}

/* A copy of the process must not give the same bytes as its parent. */
static EPS_MUST_USE EpsStatus
own_stream(EpsStream *stream)
{
	int64_t		pid = getpid();

	return stream->pid == pid ? EPS_OK : key_stream(stream, pid);
}

static EpsStatus
fill(void *ctx, uint8_t *buf, size_t len)
{
	if (own_stream(ctx) != EPS_OK)
		return EPS_E_ENTROPY;
	return fill_unchecked(ctx, buf, len);
}

EpsStatus
eps_crypto_stream_open(EpsStream *stream)
{
	memset(stream, 0, sizeof(*stream));
	return key_stream(stream, getpid());
}

void
eps_crypto_stream_close(EpsStream *stream)
{
	eps_base_wipe(stream, sizeof(*stream));
}

EpsEntropy
eps_crypto_stream_entropy(EpsStream *stream)
{
	EpsEntropy	entropy = {fill, stream};

	return entropy;
}

EpsStatus
eps_crypto_stream_burst(EpsEntropy *out, EpsStream *stream)
{
	EpsStatus	status = own_stream(stream);

	if (status != EPS_OK)
		return status;
	out->fill = fill_unchecked;
	out->ctx = stream;
	return EPS_OK;
}
