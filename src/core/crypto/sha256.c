/*
 * sha256.c
 *	  SHA-256 and HMAC-SHA-256 (FIPS 180-4, RFC 2104), from OpenSSL.
 *
 * libsodium's SHA-256 is portable C and several times slower.  OpenSSL's
 * low-level functions, which it calls deprecated, are used on purpose: they run
 * the same hardware code as EVP, but need no context from the heap, no provider
 * to be fetched, and cannot fail, so that a hash has no failure to report.  They
 * are part of every OpenSSL 3 of a distribution.
 */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "core/crypto/crypto.h"

#include <openssl/sha.h>
#include <string.h>

_Static_assert(EPS_SHA256_LEN == SHA256_DIGEST_LENGTH, "SHA-256 output");
_Static_assert(sizeof(((EpsSha256 *) 0)->opaque) >= sizeof(SHA256_CTX), "SHA-256 state");
_Static_assert(_Alignof(EpsSha256) >= _Alignof(SHA256_CTX), "SHA-256 state");

#define BLOCK_LEN SHA256_CBLOCK

static SHA256_CTX *
context(EpsSha256 *hash)
{
	return (SHA256_CTX *) (void *) hash->opaque;
}

void
eps_crypto_sha256_begin(EpsSha256 *hash)
{
	(void) SHA256_Init(context(hash));
}

void
eps_crypto_sha256_add(EpsSha256 *hash, const uint8_t *bytes, size_t len)
{
	if (len > 0)
		(void) SHA256_Update(context(hash), bytes, len);
}

/* OpenSSL wipes the block it buffered, and leaves the chaining value. */
void
eps_crypto_sha256_end(uint8_t out[EPS_SHA256_LEN], EpsSha256 *hash)
{
	(void) SHA256_Final(out, context(hash));
	eps_base_wipe(hash, sizeof(*hash));
}

void
eps_crypto_sha256(uint8_t out[EPS_SHA256_LEN], const uint8_t *bytes, size_t len)
{
	EpsSha256	hash;

	eps_crypto_sha256_begin(&hash);
	eps_crypto_sha256_add(&hash, bytes, len);
	eps_crypto_sha256_end(out, &hash);
}

void
eps_crypto_hmac_begin(EpsHmac *mac, const uint8_t key[32])
{
	uint8_t		block[BLOCK_LEN];

	memset(block, 0x36, sizeof(block));
	for (int i = 0; i < 32; i++)
		block[i] ^= key[i];
	eps_crypto_sha256_begin(&mac->inner);
	eps_crypto_sha256_add(&mac->inner, block, sizeof(block));
	for (size_t i = 0; i < sizeof(block); i++)
		block[i] ^= 0x36 ^ 0x5c;
	eps_crypto_sha256_begin(&mac->outer);
	eps_crypto_sha256_add(&mac->outer, block, sizeof(block));
	eps_base_wipe(block, sizeof(block));
}

void
eps_crypto_hmac_add(EpsHmac *mac, const uint8_t *bytes, size_t len)
{
	eps_crypto_sha256_add(&mac->inner, bytes, len);
}

void
eps_crypto_hmac_end(uint8_t out[EPS_SHA256_LEN], EpsHmac *mac)
{
	uint8_t		inner[EPS_SHA256_LEN];

	eps_crypto_sha256_end(inner, &mac->inner);
	eps_crypto_sha256_add(&mac->outer, inner, sizeof(inner));
	eps_crypto_sha256_end(out, &mac->outer);
	eps_base_wipe(inner, sizeof(inner));
}

void
eps_crypto_hmac(uint8_t out[EPS_SHA256_LEN], const uint8_t key[32],
				const uint8_t *bytes, size_t len)
{
	EpsHmac		mac;

	eps_crypto_hmac_begin(&mac, key);
	eps_crypto_hmac_add(&mac, bytes, len);
	eps_crypto_hmac_end(out, &mac);
}
