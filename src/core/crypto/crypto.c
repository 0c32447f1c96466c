/*
 * crypto.c
 *	  Account keys, subkeys, sealing and system randomness.
 */
#include "core/crypto/crypto.h"

#include <errno.h>
#include <limits.h>
#include <sodium.h>
#include <string.h>
#include <sys/random.h>

_Static_assert(EPS_OWNER_KEY_LEN == crypto_shorthash_siphashx24_BYTES, "SipHash output");
_Static_assert(EPS_OWNER_SECRET_LEN == crypto_shorthash_siphashx24_KEYBYTES, "SipHash key");
_Static_assert(crypto_kdf_KEYBYTES == 32 && crypto_kdf_CONTEXTBYTES == 8, "subkey sizes");
_Static_assert(EPS_SEAL_OVERHEAD == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES +
			   crypto_aead_xchacha20poly1305_ietf_ABYTES, "seal overhead");

#define NONCE_LEN crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG_LEN crypto_aead_xchacha20poly1305_ietf_ABYTES

/*
 * The kernel is asked here before libsodium is: sodium_init() ends the process
 * when there is no randomness, and this room returns a status instead.
 */
EpsStatus
eps_crypto_init(void)
{
	uint8_t		probe[1];
	EpsStatus	status = eps_crypto_random(probe, sizeof(probe));

	eps_base_wipe(probe, sizeof(probe));
	if (status != EPS_OK)
		return status;
	return sodium_init() < 0 ? EPS_E_INTERNAL : EPS_OK;
}

/*
 * getrandom() itself rather than randombytes_buf(), which aborts on failure.
 * Reads of at most 256 bytes are never cut short by a signal.
 */
EpsStatus
eps_crypto_random(uint8_t *buf, size_t len)
{
	while (len > 0)
	{
		size_t		want = len < 256 ? len : 256;
		ssize_t		got = getrandom(buf, want, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return EPS_E_ENTROPY;
		buf += got;
		len -= (size_t) got;
	}
	return EPS_OK;
}

void
eps_crypto_owner_key(uint8_t out[EPS_OWNER_KEY_LEN], const uint8_t *bytes, size_t len,
					 const uint8_t secret[EPS_OWNER_SECRET_LEN])
{
	(void) crypto_shorthash_siphashx24(out, bytes, len, secret);
}

EpsStatus
eps_crypto_subkey(uint8_t out[32], const uint8_t key[32], uint64_t id, const char context[8])
{
	if (crypto_kdf_derive_from_key(out, 32, id, context, key) != 0)
		return EPS_E_INTERNAL;
	return EPS_OK;
}

/* Layout: nonce, ciphertext, tag.  A random nonce of 24 bytes never repeats. */
EpsStatus
eps_crypto_seal(uint8_t *out, const uint8_t *in, size_t len,
				const uint8_t *ad, size_t ad_len, const uint8_t key[32])
{
	uint8_t		nonce[NONCE_LEN];
	EpsStatus	status;

	if (len > SIZE_MAX - EPS_SEAL_OVERHEAD)
		return EPS_E_OVERFLOW;
	status = eps_crypto_random(nonce, sizeof(nonce));
	if (status != EPS_OK)
		return status;
	if (crypto_aead_xchacha20poly1305_ietf_encrypt(out + NONCE_LEN, NULL, in, len, ad, ad_len,
												   NULL, nonce, key) != 0)
		return EPS_E_INTERNAL;
	memcpy(out, nonce, sizeof(nonce));
	return EPS_OK;
}

EpsStatus
eps_crypto_open(uint8_t *out, const uint8_t *sealed, size_t sealed_len,
				const uint8_t *ad, size_t ad_len, const uint8_t key[32])
{
	const uint8_t *text = sealed + NONCE_LEN;
	const uint8_t *tag;
	size_t		len;

	if (sealed_len < EPS_SEAL_OVERHEAD)
		return EPS_E_FORMAT;
	len = sealed_len - EPS_SEAL_OVERHEAD;
	tag = text + len;

	/* Checks the tag alone first: libsodium's one-call form zeroes out on failure. */
	if (crypto_aead_xchacha20poly1305_ietf_decrypt_detached(NULL, NULL, text, len, tag, ad, ad_len,
															sealed, key) != 0)
		return EPS_E_AUTH;
	if (crypto_aead_xchacha20poly1305_ietf_decrypt_detached(out, NULL, text, len, tag, ad, ad_len,
															sealed, key) != 0)
		return EPS_E_AUTH;
	return EPS_OK;
}

/* The IETF form counts blocks in 32 bits; past them libsodium ends the process. */
EpsStatus
eps_crypto_keystream(uint8_t *out, size_t len, uint64_t block, const uint8_t key[32])
{
	static const uint8_t nonce[crypto_stream_chacha20_ietf_NONCEBYTES] = {0};
	const uint64_t blocks = (uint64_t) 1 << 32;

	if (block >= blocks || len > (blocks - block) * EPS_KEYSTREAM_BLOCK)
		return EPS_E_RANGE;
	memset(out, 0, len);
	if (crypto_stream_chacha20_ietf_xor_ic(out, out, len, nonce, (uint32_t) block, key) != 0)
		return EPS_E_INTERNAL;
	return EPS_OK;
}
