/*
 * test_crypto_vectors.c
 *	  Hashes and signatures of core/crypto against published vectors, and against
 *	  libsodium's own implementations.
 */
#include "test_common.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "core/crypto/crypto.h"

/* --- SHA-256, HMAC, key stream ------------------------------------------------------- */

static void
test_sha256_any_length(void **state)
{
	uint8_t		bytes[300];
	TestStream	stream;
	EpsEntropy	entropy = eps_test_stream(&stream, 11);

	(void) state;
	assert_int_equal(entropy.fill(entropy.ctx, bytes, sizeof(bytes)), EPS_OK);
	for (size_t len = 0; len <= sizeof(bytes); len++)
	{
		uint8_t		ours[32];
		uint8_t		theirs[32];

		eps_crypto_sha256(ours, bytes, len);
		crypto_hash_sha256(theirs, bytes, len);
		assert_memory_equal(ours, theirs, 32);
		eps_crypto_hmac(ours, bytes + 1, bytes, len);
		crypto_auth_hmacsha256(theirs, bytes, len, bytes + 1);
		assert_memory_equal(ours, theirs, 32);
	}
}

static void
test_sha256_in_pieces(void **state)
{
	uint8_t		bytes[512];
	uint8_t		whole[32];
	uint8_t		whole_mac[32];
	TestStream	stream;
	EpsEntropy	entropy = eps_test_stream(&stream, 12);

	(void) state;
	assert_int_equal(entropy.fill(entropy.ctx, bytes, sizeof(bytes)), EPS_OK);
	eps_crypto_sha256(whole, bytes, sizeof(bytes));
	eps_crypto_hmac(whole_mac, bytes, bytes, sizeof(bytes));
	for (int round = 0; round < 200; round++)
	{
		EpsSha256	hash;
		EpsHmac		mac;
		uint8_t		out[32];

		eps_crypto_sha256_begin(&hash);
		eps_crypto_hmac_begin(&mac, bytes);
		for (size_t at = 0; at < sizeof(bytes);)
		{
			size_t		part = (size_t) eps_test_random(&entropy, 7);

			if (part > sizeof(bytes) - at)
				part = sizeof(bytes) - at;
			eps_crypto_sha256_add(&hash, bytes + at, part);
			eps_crypto_hmac_add(&mac, bytes + at, part);
			at += part;
		}
		eps_crypto_sha256_end(out, &hash);
		assert_memory_equal(out, whole, 32);
		eps_crypto_hmac_end(out, &mac);
		assert_memory_equal(out, whole_mac, 32);
		for (size_t i = 0; i < sizeof(mac); i++)
			assert_int_equal(((uint8_t *) &mac)[i], 0);
	}
}

static void
test_keystream(void **state)
{
	static const uint8_t nonce[12] = {0};
	uint8_t		key[32];
	uint8_t		whole[1000];
	uint8_t		part[100];

	(void) state;
	memset(key, 3, sizeof(key));
	crypto_stream_chacha20_ietf(whole, sizeof(whole), nonce, key);
	for (uint64_t block = 0; block * 64 + sizeof(part) <= sizeof(whole); block++)
	{
		assert_int_equal(eps_crypto_keystream(part, sizeof(part), block, key), EPS_OK);
		assert_memory_equal(part, whole + block * 64, sizeof(part));
	}
}

/* libsodium ends the process past the last block. */
static void
test_keystream_end(void **state)
{
	const uint64_t last = UINT32_MAX;
	uint8_t		key[32] = {0};
	uint8_t		out[129];

	(void) state;
	assert_int_equal(eps_crypto_keystream(out, 64, last, key), EPS_OK);
	assert_int_equal(eps_crypto_keystream(out, 128, last - 1, key), EPS_OK);
	assert_int_equal(eps_crypto_keystream(out, 65, last, key), EPS_E_RANGE);
	assert_int_equal(eps_crypto_keystream(out, 129, last - 1, key), EPS_E_RANGE);
	assert_int_equal(eps_crypto_keystream(out, 1, last + 1, key), EPS_E_RANGE);
	assert_int_equal(eps_crypto_keystream(out, 1, UINT64_MAX, key), EPS_E_RANGE);
}

/* --- Ed25519 ---------------------------------------------------------------------------- */

/* Cuts the next field off a line of the file; an empty one is a field. */
static const char *
next_field(char **line)
{
	char	   *field = strsep(line, ",");

	assert_non_null(field);
	return field;
}

static void
check_signature(char *line)
{
	uint8_t		seed[32];
	uint8_t		expected_key[32];
	uint8_t		message[1100];
	uint8_t		expected[64];
	uint8_t		key[32];
	uint8_t		secret[64];
	uint8_t		signature[64];
	size_t		len;

	assert_int_equal(eps_test_hex(seed, sizeof(seed), next_field(&line)), 32);
	assert_int_equal(eps_test_hex(expected_key, sizeof(expected_key), next_field(&line)), 32);
	len = eps_test_hex(message, sizeof(message), next_field(&line));
	assert_int_equal(eps_test_hex(expected, sizeof(expected), next_field(&line)), 64);
	eps_crypto_sign_seed(key, secret, seed);
	assert_memory_equal(key, expected_key, 32);
	eps_crypto_sign(signature, message, len, secret);
	assert_memory_equal(signature, expected, 64);
	assert_int_equal(eps_crypto_sign_check(signature, message, len, key), EPS_OK);
	signature[len % 64] ^= 1;
	assert_int_equal(eps_crypto_sign_check(signature, message, len, key), EPS_E_AUTH);
}

static void
test_sign_input(void **state)
{
	char	   *text = eps_test_text_open("merkle/ed25519_sign_input.csv.gz");
	char	   *rest = text;
	size_t		n = 0;

	(void) state;
	if (text == NULL)
		return;
	assert_string_equal(strsep(&rest, "\n"), "secret_seed_hex,public_key_hex,message_hex,signature_hex");
	while (rest != NULL && *rest != '\0')
	{
		check_signature(strsep(&rest, "\n"));
		n++;
	}
	assert_int_equal(n, 128);
	free(text);
}

/* A signature or key of another length never reaches the check: that alone is invalid. */
static bool
is_accepted(const json_t *test)
{
	uint8_t		key[200];
	uint8_t		message[1100];
	uint8_t		signature[200];
	size_t		len = eps_test_hex(message, sizeof(message), eps_test_json_string(test, "msg"));

	return eps_test_hex(key, sizeof(key), eps_test_json_string(test, "pk")) == EPS_SIGN_PUBLIC_LEN &&
		eps_test_hex(signature, sizeof(signature), eps_test_json_string(test, "sig")) == EPS_SIGN_LEN &&
		eps_crypto_sign_check(signature, message, len, key) == EPS_OK;
}

static void
test_wycheproof(void **state)
{
	json_t	   *tests = eps_test_json_open("merkle/ed25519_wycheproof.json");
	size_t		i;
	json_t	   *test;

	(void) state;
	if (tests == NULL)
		return;
	assert_int_equal(json_array_size(tests), 151);
	json_array_foreach(tests, i, test)
	{
		bool		valid = strcmp(eps_test_json_string(test, "result"), "valid") == 0;

		if (is_accepted(test) != valid)
			fail_msg("Wycheproof %u should be %s", (unsigned) eps_test_json_u64(test, "tcId"),
					 eps_test_json_string(test, "result"));
	}
	json_decref(tests);
}

/* S + L verifies the same equation: who takes it can be shown two signatures of one text. */
static void
test_malleable(void **state)
{
	static const uint8_t order[32] = {
		0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
		0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10
	};
	uint8_t		key[32];
	uint8_t		secret[64];
	uint8_t		signature[64];

	(void) state;
	assert_int_equal(eps_crypto_sign_new(key, secret), EPS_OK);
	eps_crypto_sign(signature, (const uint8_t *) "text", 4, secret);
	assert_int_equal(eps_crypto_sign_check(signature, (const uint8_t *) "text", 4, key), EPS_OK);
	sodium_add(signature + 32, order, 32);
	assert_int_equal(eps_crypto_sign_check(signature, (const uint8_t *) "text", 4, key), EPS_E_AUTH);
}

/* Under a key of small order the zero signature would fit any text. */
static void
test_small_order(void **state)
{
	uint8_t		key[32] = {1};
	uint8_t		signature[64] = {1};

	(void) state;
	assert_int_equal(eps_crypto_sign_check(signature, (const uint8_t *) "text", 4, key), EPS_E_AUTH);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sha256_any_length),
		cmocka_unit_test(test_sha256_in_pieces),
		cmocka_unit_test(test_keystream),
		cmocka_unit_test(test_keystream_end),
		cmocka_unit_test(test_sign_input),
		cmocka_unit_test(test_wycheproof),
		cmocka_unit_test(test_malleable),
		cmocka_unit_test(test_small_order),
	};

	if (eps_crypto_init() != EPS_OK)
		return 1;
	return cmocka_run_group_tests_name("core/crypto vectors", tests, NULL, NULL);
}
