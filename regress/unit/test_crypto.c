/*
 * test_crypto.c
 *	  Unit tests of core/crypto.  getrandom() is wrapped by the linker so that a
 *	  kernel without randomness can be played.
 */
#include "test_common.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/crypto/crypto.h"

typedef enum Kernel
{
	KERNEL_FINE,
	KERNEL_INTERRUPTED,			/* every other call */
	KERNEL_WITHOUT_ENTROPY
} Kernel;

static Kernel kernel = KERNEL_FINE;
static unsigned kernel_calls;

extern ssize_t __real_getrandom(void *buf, size_t len, unsigned int flags);
extern ssize_t __wrap_getrandom(void *buf, size_t len, unsigned int flags);

ssize_t
__wrap_getrandom(void *buf, size_t len, unsigned int flags)
{
	kernel_calls++;
	if (kernel == KERNEL_WITHOUT_ENTROPY)
	{
		errno = ENOSYS;
		return -1;
	}
	if (kernel == KERNEL_INTERRUPTED && kernel_calls % 2 == 1)
	{
		errno = EINTR;
		return -1;
	}
	return __real_getrandom(buf, kernel == KERNEL_INTERRUPTED && len > 3 ? 3 : len, flags);
}

static uint8_t
hex_digit(char c)
{
	return (uint8_t) (c <= '9' ? c - '0' : c - 'a' + 10);
}

/* Returns the number of bytes. */
static size_t
from_hex(uint8_t *out, size_t size, const char *hex)
{
	size_t		len = strspn(hex, "0123456789abcdef") / 2;

	assert_true(len > 0 && len <= size);
	for (size_t i = 0; i < len; i++)
		out[i] = (uint8_t) (hex_digit(hex[2 * i]) << 4 | hex_digit(hex[2 * i + 1]));
	return len;
}

static void
assert_hex(const uint8_t *bytes, size_t len, const char *hex)
{
	uint8_t		expected[64];

	assert_int_equal(from_hex(expected, sizeof(expected), hex), len);
	assert_memory_equal(bytes, expected, len);
}

static void
counting_key(uint8_t key[32])
{
	for (int i = 0; i < 32; i++)
		key[i] = (uint8_t) i;
}

/* --- hashes ------------------------------------------------------------------- */

static void
test_sha256(void **state)
{
	uint8_t		out[EPS_SHA256_LEN];

	(void) state;
	eps_crypto_sha256(out, (const uint8_t *) "abc", 3);
	assert_hex(out, sizeof(out), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	eps_crypto_sha256(out, (const uint8_t *) "", 0);
	assert_hex(out, sizeof(out), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

/* The first of the published SipHash-2-4-128 vectors: key 00..0f, input 00..n-1. */
static void
test_owner_key(void **state)
{
	uint8_t		key[32];
	uint8_t		out[EPS_OWNER_KEY_LEN];
	const uint8_t input[2] = {0, 1};

	(void) state;
	counting_key(key);
	eps_crypto_owner_key(out, input, 0, key);
	assert_hex(out, sizeof(out), "a3817f04ba25a8e66df67214c7550293");
	eps_crypto_owner_key(out, input, 1, key);
	assert_hex(out, sizeof(out), "da87c1d86b99af44347659119b22fc45");
	eps_crypto_owner_key(out, input, 2, key);
	assert_hex(out, sizeof(out), "8177228da4a45dc7fca38bdef60affe4");
}

static void
test_hmac_vectors(void **state)
{
	TestVectors v;
	unsigned	seen = 0;

	(void) state;
	if (!eps_test_vectors_open(&v, TEST_THEORY, TEST_THEORY_HEADER, TEST_THEORY_ROWS))
		return;
	for (size_t i = 0; i < v.rows; i++)
	{
		uint8_t		key[32];
		uint8_t		msg[64];
		uint8_t		out[EPS_SHA256_LEN];
		const char *params = test_cell(&v, i, 2);
		const char *msg_hex = strstr(params, ";msg=");

		if (strcmp(test_cell(&v, i, 1), "hmac_sha256") != 0)
			continue;
		assert_non_null(msg_hex);
		assert_int_equal(from_hex(key, sizeof(key), params + 4), 32);
		eps_crypto_hmac(out, key, msg, from_hex(msg, sizeof(msg), msg_hex + 5));
		assert_hex(out, sizeof(out), test_cell(&v, i, 3));
		seen++;
	}
	assert_int_equal(seen, 1);
	eps_test_vectors_free(&v);
}

/* BLAKE2b-256 of nothing, keyed 00..1f, salt = id, person = context. */
static void
test_subkey(void **state)
{
	uint8_t		key[32];
	uint8_t		a[32];
	uint8_t		b[32];

	(void) state;
	counting_key(key);
	assert_int_equal(eps_crypto_subkey(a, key, 7, "epsbook1"), EPS_OK);
	assert_hex(a, sizeof(a), "3562926629e1d76dbd907c3903a08419a09389af03622403b97194de70664974");
	assert_int_equal(eps_crypto_subkey(b, key, 8, "epsbook1"), EPS_OK);
	assert_memory_not_equal(a, b, sizeof(a));
	assert_int_equal(eps_crypto_subkey(b, key, 7, "epsbook2"), EPS_OK);
	assert_memory_not_equal(a, b, sizeof(a));
}

/* --- sealing --------------------------------------------------------------------- */

#define TEXT_LEN 21

static void
test_seal_and_open(void **state)
{
	const uint8_t text[TEXT_LEN] = "secret of a data set";
	const uint8_t ad[4] = "book";
	uint8_t		key[32];
	uint8_t		sealed[TEXT_LEN + EPS_SEAL_OVERHEAD];
	uint8_t		again[TEXT_LEN + EPS_SEAL_OVERHEAD];
	uint8_t		out[TEXT_LEN];

	(void) state;
	counting_key(key);
	assert_int_equal(eps_crypto_seal(sealed, text, TEXT_LEN, ad, sizeof(ad), key), EPS_OK);
	assert_int_equal(eps_crypto_seal(again, text, TEXT_LEN, ad, sizeof(ad), key), EPS_OK);
	assert_memory_not_equal(sealed, again, sizeof(sealed));
	assert_int_equal(eps_crypto_open(out, sealed, sizeof(sealed), ad, sizeof(ad), key), EPS_OK);
	assert_memory_equal(out, text, TEXT_LEN);

	assert_int_equal(eps_crypto_seal(sealed, NULL, 0, NULL, 0, key), EPS_OK);
	assert_int_equal(eps_crypto_open(out, sealed, EPS_SEAL_OVERHEAD, NULL, 0, key), EPS_OK);
}

/* Every byte matters, and nothing is written before the tag is checked. */
static void
test_seal_tampered(void **state)
{
	const uint8_t text[TEXT_LEN] = "secret of a data set";
	const uint8_t ad[4] = "book";
	uint8_t		key[32];
	uint8_t		sealed[TEXT_LEN + EPS_SEAL_OVERHEAD];
	uint8_t		out[TEXT_LEN];
	uint8_t		untouched[TEXT_LEN];

	(void) state;
	counting_key(key);
	memset(out, 0x5a, sizeof(out));
	memset(untouched, 0x5a, sizeof(untouched));
	assert_int_equal(eps_crypto_seal(sealed, text, TEXT_LEN, ad, sizeof(ad), key), EPS_OK);
	for (size_t i = 0; i < sizeof(sealed); i++)
	{
		sealed[i] ^= 1;
		assert_int_equal(eps_crypto_open(out, sealed, sizeof(sealed), ad, sizeof(ad), key), EPS_E_AUTH);
		sealed[i] ^= 1;
	}
	assert_int_equal(eps_crypto_open(out, sealed, sizeof(sealed) - 1, ad, sizeof(ad), key), EPS_E_AUTH);
	assert_int_equal(eps_crypto_open(out, sealed, sizeof(sealed), ad, 3, key), EPS_E_AUTH);
	assert_int_equal(eps_crypto_open(out, sealed, EPS_SEAL_OVERHEAD - 1, ad, sizeof(ad), key), EPS_E_FORMAT);
	assert_int_equal(eps_crypto_open(out, sealed, 0, ad, sizeof(ad), key), EPS_E_FORMAT);
	key[0] ^= 1;
	assert_int_equal(eps_crypto_open(out, sealed, sizeof(sealed), ad, sizeof(ad), key), EPS_E_AUTH);
	assert_memory_equal(out, untouched, sizeof(out));
}

/* --- the stream -------------------------------------------------------------------- */

#define DRAW 32

static void
draw(uint8_t out[DRAW], EpsEntropy entropy)
{
	assert_int_equal(entropy.fill(entropy.ctx, out, DRAW), EPS_OK);
}

static bool
is_zero(const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (bytes[i] != 0)
			return false;
	return true;
}

static void
test_stream_gives_bytes(void **state)
{
	static uint8_t large[3 * EPS_STREAM_BUFFER + 5];
	EpsStream	a;
	EpsStream	b;
	EpsEntropy	entropy;
	uint64_t	ones = 0;
	uint8_t		out[2][DRAW];

	(void) state;
	assert_int_equal(eps_crypto_stream_open(&a), EPS_OK);
	assert_int_equal(eps_crypto_stream_open(&b), EPS_OK);
	draw(out[0], eps_crypto_stream_entropy(&a));
	draw(out[1], eps_crypto_stream_entropy(&b));
	assert_memory_not_equal(out[0], out[1], DRAW);

	entropy = eps_crypto_stream_entropy(&a);
	assert_int_equal(entropy.fill(entropy.ctx, large, sizeof(large)), EPS_OK);
	for (size_t i = 0; i < sizeof(large); i++)
		ones += (uint64_t) __builtin_popcount(large[i]);
	assert_in_range(ones, sizeof(large) * 4 - 1500, sizeof(large) * 4 + 1500);
	for (size_t i = DRAW; i + DRAW < sizeof(large); i += DRAW)
		assert_memory_not_equal(large, large + i, DRAW);
	eps_crypto_stream_close(&a);
	eps_crypto_stream_close(&b);
}

/* What was given out is nowhere in the stream, and the key is another after a refill. */
static void
test_stream_forgets(void **state)
{
	EpsStream	stream;
	uint8_t		out[DRAW];
	uint8_t		key[32];
	EpsEntropy	entropy;

	(void) state;
	assert_int_equal(eps_crypto_stream_open(&stream), EPS_OK);
	entropy = eps_crypto_stream_entropy(&stream);
	memcpy(key, stream.key, sizeof(key));
	draw(out, entropy);
	assert_memory_not_equal(key, stream.key, sizeof(key));
	assert_true(is_zero(stream.buffer, stream.used));
	for (size_t i = 0; i + DRAW <= sizeof(stream.buffer); i++)
	{
		assert_memory_not_equal(stream.buffer + i, out, DRAW);
		assert_memory_not_equal(stream.buffer + i, stream.key, sizeof(stream.key));
	}
	eps_crypto_stream_close(&stream);
	assert_true(is_zero((const uint8_t *) &stream, sizeof(stream)));
}

static void
draw_in_child(uint8_t out[DRAW], EpsStream *stream)
{
	int			pipe_fd[2];
	pid_t		child;
	int			wait_status;

	assert_int_equal(pipe(pipe_fd), 0);
	fflush(NULL);
	child = fork();
	assert_true(child >= 0);
	if (child == 0)
	{
		EpsEntropy	entropy = eps_crypto_stream_entropy(stream);
		uint8_t		bytes[DRAW];
		bool		done = entropy.fill(entropy.ctx, bytes, DRAW) == EPS_OK &&
			write(pipe_fd[1], bytes, DRAW) == DRAW;

		_exit(done ? 0 : 1);
	}
	assert_int_equal(read(pipe_fd[0], out, DRAW), DRAW);
	assert_int_equal(waitpid(child, &wait_status, 0), child);
	assert_int_equal(wait_status, 0);
	close(pipe_fd[0]);
	close(pipe_fd[1]);
}

/* A copied stream state is the same bytes in one process, and not across a fork. */
static void
test_stream_after_fork(void **state)
{
	EpsStream	stream;
	EpsStream	copy;
	uint8_t		first[DRAW];
	uint8_t		parent[DRAW];
	uint8_t		same[DRAW];
	uint8_t		children[2][DRAW];

	(void) state;
	assert_int_equal(eps_crypto_stream_open(&stream), EPS_OK);
	draw(first, eps_crypto_stream_entropy(&stream));
	draw_in_child(children[0], &stream);
	draw_in_child(children[1], &stream);
	copy = stream;
	draw(parent, eps_crypto_stream_entropy(&stream));
	draw(same, eps_crypto_stream_entropy(&copy));
	assert_memory_equal(parent, same, DRAW);
	assert_memory_not_equal(parent, children[0], DRAW);
	assert_memory_not_equal(parent, children[1], DRAW);
	assert_memory_not_equal(children[0], children[1], DRAW);
	eps_crypto_stream_close(&stream);
	eps_crypto_stream_close(&copy);
}

static void
test_stream_burst(void **state)
{
	EpsStream	stream;
	EpsStream	copy;
	EpsEntropy	burst;
	uint8_t		a[DRAW];
	uint8_t		b[DRAW];

	(void) state;
	assert_int_equal(eps_crypto_stream_open(&stream), EPS_OK);
	copy = stream;
	assert_int_equal(eps_crypto_stream_burst(&burst, &stream), EPS_OK);
	draw(a, burst);
	draw(b, eps_crypto_stream_entropy(&copy));
	assert_memory_equal(a, b, DRAW);

	stream.pid++;				/* as if copied from another process */
	assert_int_equal(eps_crypto_stream_burst(&burst, &stream), EPS_OK);
	draw(a, burst);
	draw(b, eps_crypto_stream_entropy(&copy));
	assert_memory_not_equal(a, b, DRAW);

	eps_crypto_stream_close(&stream);
	assert_int_equal(burst.fill(burst.ctx, a, DRAW), EPS_E_ENTROPY);
	draw(a, eps_crypto_stream_entropy(&stream));	/* keyed anew */
	eps_crypto_stream_close(&stream);
	eps_crypto_stream_close(&copy);
}

/* --- the kernel ----------------------------------------------------------------------- */

static void
test_kernel_interrupted(void **state)
{
	uint8_t		bytes[1000];
	unsigned	zero_runs = 0;

	(void) state;
	memset(bytes, 0, sizeof(bytes));
	kernel = KERNEL_INTERRUPTED;
	assert_int_equal(eps_crypto_random(bytes, sizeof(bytes)), EPS_OK);
	kernel = KERNEL_FINE;
	for (size_t i = 0; i + 5 <= sizeof(bytes); i++)
		zero_runs += is_zero(bytes + i, 5);
	assert_int_equal(zero_runs, 0);
}

static void
test_kernel_without_entropy(void **state)
{
	EpsStream	stream;
	EpsStream	other;
	EpsEntropy	entropy;
	EpsEntropy	burst;
	uint8_t		key[32];
	uint8_t		out[128];

	(void) state;
	counting_key(key);
	assert_int_equal(eps_crypto_stream_open(&other), EPS_OK);
	other.pid++;
	kernel = KERNEL_WITHOUT_ENTROPY;
	assert_int_equal(eps_crypto_init(), EPS_E_ENTROPY);
	assert_int_equal(eps_crypto_random(out, sizeof(out)), EPS_E_ENTROPY);
	assert_int_equal(eps_crypto_seal(out, key, sizeof(key), NULL, 0, key), EPS_E_ENTROPY);
	assert_int_equal(eps_crypto_stream_open(&stream), EPS_E_ENTROPY);
	entropy = eps_crypto_stream_entropy(&stream);
	assert_int_equal(entropy.fill(entropy.ctx, out, 1), EPS_E_ENTROPY);
	entropy = eps_crypto_stream_entropy(&other);
	assert_int_equal(entropy.fill(entropy.ctx, out, 1), EPS_E_ENTROPY);
	assert_int_equal(eps_crypto_stream_burst(&burst, &other), EPS_E_ENTROPY);
	kernel = KERNEL_FINE;
	eps_crypto_stream_close(&other);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sha256),
		cmocka_unit_test(test_owner_key),
		cmocka_unit_test(test_hmac_vectors),
		cmocka_unit_test(test_subkey),
		cmocka_unit_test(test_seal_and_open),
		cmocka_unit_test(test_seal_tampered),
		cmocka_unit_test(test_stream_gives_bytes),
		cmocka_unit_test(test_stream_forgets),
		cmocka_unit_test(test_stream_after_fork),
		cmocka_unit_test(test_stream_burst),
		cmocka_unit_test(test_kernel_interrupted),
		cmocka_unit_test(test_kernel_without_entropy),
	};

	if (eps_crypto_init() != EPS_OK || eps_crypto_init() != EPS_OK)
		return 1;
	return cmocka_run_group_tests_name("core/crypto", tests, NULL, NULL);
}
