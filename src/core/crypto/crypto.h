/*
 * crypto.h
 *	  Hashes, keyed hashes, signatures, sealing under a wrapping key, and system
 *	  randomness.  The only room that names a crypto library: libsodium, and
 *	  OpenSSL for SHA-256.
 *
 * Promises: nothing here keeps a secret longer than its caller asks; every
 * failure is a status.  Must not: allocate, log, read settings.
 */
#ifndef EPS_CORE_CRYPTO_H
#define EPS_CORE_CRYPTO_H

#include "core/base/base.h"

/* Once per process, before anything else here. Safe to call again. */
extern EPS_MUST_USE EpsStatus eps_crypto_init(void);

/*
 * A ChaCha20 stream keyed by the kernel (getrandom).
 *
 * The stream belongs to one process: fill() compares the process id with the
 * one that opened it and re-keys from the kernel after a fork, so a parent and
 * a child never share noise.  Close wipes key and buffer.
 */
#define EPS_STREAM_BUFFER 4096

typedef struct EpsStream
{
	uint8_t		key[32];
	uint64_t	block;			/* next 64-byte block of the key stream */
	size_t		used;			/* bytes of buffer already given out */
	int64_t		pid;			/* the process that keyed it */
	uint8_t		buffer[EPS_STREAM_BUFFER];
} EpsStream;

extern EPS_MUST_USE EpsStatus eps_crypto_stream_open(EpsStream *stream);
extern void eps_crypto_stream_close(EpsStream *stream);
extern EpsEntropy eps_crypto_stream_entropy(EpsStream *stream);

/*
 * The same stream for one loop of many small draws: the process id is compared
 * here and not at each fill, which is a system call.  The result must not be
 * kept where a fork can come between; after close it fails.
 */
extern EPS_MUST_USE EpsStatus eps_crypto_stream_burst(EpsEntropy *out, EpsStream *stream);

/* System randomness for keys and nonces. */
extern EPS_MUST_USE EpsStatus eps_crypto_random(uint8_t *buf, size_t len);

/* SipHash-2-4 with 128-bit output: the account key of an owner. */
#define EPS_OWNER_KEY_LEN 16
#define EPS_OWNER_SECRET_LEN 16

extern void eps_crypto_owner_key(uint8_t out[EPS_OWNER_KEY_LEN],
								 const uint8_t *bytes, size_t len,
								 const uint8_t secret[EPS_OWNER_SECRET_LEN]);

/* SHA-256 and HMAC-SHA-256 (RFC 2104). */
#define EPS_SHA256_LEN 32

extern void eps_crypto_sha256(uint8_t out[EPS_SHA256_LEN], const uint8_t *bytes, size_t len);
extern void eps_crypto_hmac(uint8_t out[EPS_SHA256_LEN], const uint8_t key[32],
							const uint8_t *bytes, size_t len);

/* The same piece by piece; _end wipes the state. */
typedef struct EpsSha256
{
	uint64_t	opaque[14];
} EpsSha256;

typedef struct EpsHmac
{
	EpsSha256	inner;
	EpsSha256	outer;
} EpsHmac;

extern void eps_crypto_sha256_begin(EpsSha256 *hash);
extern void eps_crypto_sha256_add(EpsSha256 *hash, const uint8_t *bytes, size_t len);
extern void eps_crypto_sha256_end(uint8_t out[EPS_SHA256_LEN], EpsSha256 *hash);

extern void eps_crypto_hmac_begin(EpsHmac *mac, const uint8_t key[32]);
extern void eps_crypto_hmac_add(EpsHmac *mac, const uint8_t *bytes, size_t len);
extern void eps_crypto_hmac_end(uint8_t out[EPS_SHA256_LEN], EpsHmac *mac);

/*
 * Bytes of the ChaCha20 key stream (IETF form, nonce zero) from 64-byte block
 * number `block` on.  A key is for one purpose: no two callers share one.
 * EPS_E_RANGE past block 2^32 - 1.
 */
#define EPS_KEYSTREAM_BLOCK 64

extern EPS_MUST_USE EpsStatus eps_crypto_keystream(uint8_t *out, size_t len, uint64_t block,
												   const uint8_t key[32]);

/*
 * Ed25519 (RFC 8032).  A secret key is seed and public key, as libsodium has it.
 * _check is strict: nobody makes a second valid signature out of a first.
 */
#define EPS_SIGN_SEED_LEN 32
#define EPS_SIGN_PUBLIC_LEN 32
#define EPS_SIGN_SECRET_LEN 64
#define EPS_SIGN_LEN 64

extern EPS_MUST_USE EpsStatus eps_crypto_sign_new(uint8_t key[EPS_SIGN_PUBLIC_LEN],
												  uint8_t secret[EPS_SIGN_SECRET_LEN]);
extern void eps_crypto_sign_seed(uint8_t key[EPS_SIGN_PUBLIC_LEN], uint8_t secret[EPS_SIGN_SECRET_LEN],
								 const uint8_t seed[EPS_SIGN_SEED_LEN]);
extern void eps_crypto_sign(uint8_t out[EPS_SIGN_LEN], const uint8_t *bytes, size_t len,
							const uint8_t secret[EPS_SIGN_SECRET_LEN]);
extern EPS_MUST_USE EpsStatus eps_crypto_sign_check(const uint8_t signature[EPS_SIGN_LEN],
													const uint8_t *bytes, size_t len,
													const uint8_t key[EPS_SIGN_PUBLIC_LEN]);

/* A 32-byte subkey for a named purpose (BLAKE2b KDF; context of at most 8 bytes). */
extern EPS_MUST_USE EpsStatus eps_crypto_subkey(uint8_t out[32], const uint8_t key[32],
												uint64_t id, const char context[8]);

/*
 * XChaCha20-Poly1305 with a fresh random nonce, bound to associated data.
 * out holds EPS_SEAL_OVERHEAD + len bytes.  Opening checks the tag before it
 * writes anything: EPS_E_AUTH otherwise.
 */
#define EPS_SEAL_OVERHEAD (24 + 16)

extern EPS_MUST_USE EpsStatus eps_crypto_seal(uint8_t *out, const uint8_t *in, size_t len,
											  const uint8_t *ad, size_t ad_len,
											  const uint8_t key[32]);
extern EPS_MUST_USE EpsStatus eps_crypto_open(uint8_t *out, const uint8_t *sealed, size_t sealed_len,
											  const uint8_t *ad, size_t ad_len,
											  const uint8_t key[32]);

#endif							/* EPS_CORE_CRYPTO_H */
