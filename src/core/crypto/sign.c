/*
 * sign.c
 *	  Ed25519 signatures (RFC 8032).
 *
 * libsodium verifies strictly: it refuses S not below the group's order, keys
 * and R of small order, and encodings of points that are not canonical, so that
 * nobody makes a second valid signature out of a first.
 */
#include "core/crypto/crypto.h"

#include <sodium.h>

_Static_assert(EPS_SIGN_PUBLIC_LEN == crypto_sign_PUBLICKEYBYTES, "Ed25519 public key");
_Static_assert(EPS_SIGN_SECRET_LEN == crypto_sign_SECRETKEYBYTES, "Ed25519 secret key");
_Static_assert(EPS_SIGN_SEED_LEN == crypto_sign_SEEDBYTES, "Ed25519 seed");
_Static_assert(EPS_SIGN_LEN == crypto_sign_BYTES, "Ed25519 signature");

void
eps_crypto_sign_seed(uint8_t key[EPS_SIGN_PUBLIC_LEN], uint8_t secret[EPS_SIGN_SECRET_LEN],
					 const uint8_t seed[EPS_SIGN_SEED_LEN])
{
	(void) crypto_sign_seed_keypair(key, secret, seed);
}

/* Not crypto_sign_keypair(), which ends the process where the kernel has no randomness. */
EpsStatus
eps_crypto_sign_new(uint8_t key[EPS_SIGN_PUBLIC_LEN], uint8_t secret[EPS_SIGN_SECRET_LEN])
{
	uint8_t		seed[EPS_SIGN_SEED_LEN];
	EpsStatus	status = eps_crypto_random(seed, sizeof(seed));

	if (status == EPS_OK)
		eps_crypto_sign_seed(key, secret, seed);
	eps_base_wipe(seed, sizeof(seed));
	return status;
}

void
eps_crypto_sign(uint8_t out[EPS_SIGN_LEN], const uint8_t *bytes, size_t len,
				const uint8_t secret[EPS_SIGN_SECRET_LEN])
{
	(void) crypto_sign_detached(out, NULL, bytes, len, secret);
}

EpsStatus
eps_crypto_sign_check(const uint8_t signature[EPS_SIGN_LEN], const uint8_t *bytes, size_t len,
					  const uint8_t key[EPS_SIGN_PUBLIC_LEN])
{
	return crypto_sign_verify_detached(signature, bytes, len, key) == 0 ? EPS_OK : EPS_E_AUTH;
}
