/*
 * test_base.c
 *	  Unit tests of core/base, and of the reader of reference vectors.
 */
#include "test_common.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void
test_status_text(void **state)
{
	(void) state;
	for (int i = EPS_OK; i <= EPS_E_INTERNAL; i++)
	{
		assert_non_null(eps_base_status_text((EpsStatus) i));
		for (int j = EPS_OK; j < i; j++)
			assert_string_not_equal(eps_base_status_text((EpsStatus) i),
									eps_base_status_text((EpsStatus) j));
	}
	assert_string_equal(eps_base_status_text((EpsStatus) 1000), "unknown status");
}

static void
test_wipe(void **state)
{
	uint8_t		bytes[64];
	uint8_t		zero[64] = {0};

	(void) state;
	memset(bytes, 0xa5, sizeof(bytes));
	eps_base_wipe(bytes + 1, sizeof(bytes) - 2);
	assert_int_equal(bytes[0], 0xa5);
	assert_int_equal(bytes[63], 0xa5);
	assert_memory_equal(bytes + 1, zero, 62);
	eps_base_wipe(NULL, 0);
}

static void
test_add(void **state)
{
	uint64_t	out = 7;

	(void) state;
	assert_int_equal(eps_base_add_u64(&out, UINT64_MAX - 1, 1), EPS_OK);
	assert_true(out == UINT64_MAX);
	out = 7;
	assert_int_equal(eps_base_add_u64(&out, UINT64_MAX, 1), EPS_E_OVERFLOW);
	assert_int_equal(out, 7);
	assert_true(eps_base_add_sat_u64(UINT64_MAX, 1) == UINT64_MAX);
	assert_true(eps_base_add_sat_u64(UINT64_MAX - 3, 2) == UINT64_MAX - 1);
	assert_true(eps_base_add_sat_u64(0, 0) == 0);
}

static void
test_multiply(void **state)
{
	const EpsU128 most = ~(EpsU128) 0;
	uint64_t	out = 7;
	EpsU128		wide = 7;

	(void) state;
	assert_int_equal(eps_base_mul_u64(&out, (uint64_t) 1 << 32, ((uint64_t) 1 << 32) - 1), EPS_OK);
	assert_true(out == ((uint64_t) 1 << 32) * (((uint64_t) 1 << 32) - 1));
	out = 7;
	assert_int_equal(eps_base_mul_u64(&out, (uint64_t) 1 << 32, (uint64_t) 1 << 32), EPS_E_OVERFLOW);
	assert_int_equal(out, 7);

	assert_int_equal(eps_base_mul_u128(&wide, 0, most), EPS_OK);
	assert_true(wide == 0);
	assert_int_equal(eps_base_mul_u128(&wide, most, 1), EPS_OK);
	assert_true(wide == most);
	assert_int_equal(eps_base_mul_u128(&wide, most / 3, 3), EPS_OK);
	assert_true(wide == most / 3 * 3);
	wide = 7;
	assert_int_equal(eps_base_mul_u128(&wide, most / 3 + 1, 3), EPS_E_OVERFLOW);
	assert_int_equal(eps_base_mul_u128(&wide, (EpsU128) 1 << 64, (EpsU128) 1 << 64), EPS_E_OVERFLOW);
	assert_true(wide == 7);
}

static void
check_root(EpsU128 x)
{
	EpsU128		root = eps_base_isqrt_u128(x);

	assert_true(root * root <= x);
	if (root != UINT64_MAX)
		assert_true((root + 1) * (root + 1) > x);
}

static void
test_square_root(void **state)
{
	TestStream	stream;
	EpsEntropy	entropy = eps_test_stream(&stream, 1);

	(void) state;
	for (unsigned x = 0; x < 5000; x++)
		check_root(x);
	for (unsigned bit = 0; bit < 128; bit++)
	{
		check_root((EpsU128) 1 << bit);
		check_root(((EpsU128) 1 << bit) - 1);
		check_root(((EpsU128) 1 << bit) + 1);
	}
	check_root(~(EpsU128) 0);
	assert_true(eps_base_isqrt_u128(~(EpsU128) 0) == UINT64_MAX);
	for (int i = 0; i < 20000; i++)
	{
		uint64_t	root = eps_test_random(&entropy, 64);
		EpsU128		square = (EpsU128) root * root;

		check_root(square);
		assert_true(eps_base_isqrt_u128(square) == root);
		if (square != 0)
			assert_true(eps_base_isqrt_u128(square - 1) == root - 1);
		check_root((EpsU128) root << 64 | eps_test_random(&entropy, 64));
	}
}

static void
test_cursor(void **state)
{
	static const uint8_t bytes[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17};
	EpsCursor	c = {bytes, bytes + sizeof(bytes)};
	uint8_t		u8 = 0;
	uint16_t	u16 = 0;
	uint32_t	u32 = 0;
	uint64_t	u64 = 0;
	const uint8_t *part = NULL;

	(void) state;
	assert_int_equal(eps_base_read_u8(&u8, &c), EPS_OK);
	assert_int_equal(eps_base_read_u16(&u16, &c), EPS_OK);
	assert_int_equal(eps_base_read_u32(&u32, &c), EPS_OK);
	assert_int_equal(eps_base_read_u64(&u64, &c), EPS_OK);
	assert_int_equal(u8, 0x01);
	assert_int_equal(u16, 0x0203);
	assert_int_equal(u32, 0x04050607);
	assert_true(u64 == UINT64_C(0x08090a0b0c0d0e0f));

	assert_int_equal(eps_base_read_u32(&u32, &c), EPS_E_FORMAT);
	assert_int_equal(u32, 0x04050607);
	assert_int_equal(eps_base_read_bytes(&part, &c, SIZE_MAX), EPS_E_FORMAT);
	assert_int_equal(eps_base_read_bytes(&part, &c, 2), EPS_OK);
	assert_ptr_equal(part, bytes + 15);
	assert_int_equal(eps_base_read_bytes(&part, &c, 0), EPS_OK);
	assert_int_equal(eps_base_read_u8(&u8, &c), EPS_E_FORMAT);
	assert_int_equal(eps_base_read_u16(&u16, &c), EPS_E_FORMAT);
	assert_int_equal(eps_base_read_u64(&u64, &c), EPS_E_FORMAT);
}

/* --- the reader of reference vectors ------------------------------------------- */

static TestVectorsStatus
read_text(const char *text)
{
	char		dir[] = "/tmp/eps_unit_XXXXXX";
	char		path[sizeof(dir) + 8];
	FILE	   *file;
	TestVectors vectors;
	TestVectorsStatus status;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/v.csv", dir);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	status = eps_test_vectors_read(&vectors, dir, "v.csv", "a,b", 2);
	eps_test_vectors_free(&vectors);
	unlink(path);
	rmdir(dir);
	return status;
}

static void
test_vectors_reader(void **state)
{
	TestVectors vectors;

	(void) state;
	assert_int_equal(read_text("a,b\n1,2\n3,4\n"), TEST_VECTORS_OK);
	assert_int_equal(read_text("a,b\r\n1,2\r\n3,4\r\n"), TEST_VECTORS_OK);
	assert_int_equal(read_text("a,b\r\n1,2\r\n3,\r\n"), TEST_VECTORS_MALFORMED);
	assert_int_equal(read_text(""), TEST_VECTORS_MALFORMED);
	assert_int_equal(read_text("a,c\n1,2\n3,4\n"), TEST_VECTORS_MALFORMED);
	assert_int_equal(read_text("a,b\n1,2\n"), TEST_VECTORS_MALFORMED);
	assert_int_equal(read_text("a,b\n1,2\n3,4"), TEST_VECTORS_MALFORMED);
	assert_int_equal(read_text("a,b\n1,2\n3\n"), TEST_VECTORS_MALFORMED);
	assert_int_equal(read_text("a,b\n1,2\n3,4,5\n"), TEST_VECTORS_MALFORMED);
	assert_int_equal(read_text("a,b\n1,2\n3,\n"), TEST_VECTORS_MALFORMED);
	assert_int_equal(eps_test_vectors_read(&vectors, "/nonexistent", "v.csv", "a,b", 2),
					 TEST_VECTORS_ABSENT);
	assert_int_equal(eps_test_vectors_read(&vectors, "/", "nonexistent.csv", "a,b", 2),
					 TEST_VECTORS_MALFORMED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_status_text),
		cmocka_unit_test(test_wipe),
		cmocka_unit_test(test_add),
		cmocka_unit_test(test_multiply),
		cmocka_unit_test(test_square_root),
		cmocka_unit_test(test_cursor),
		cmocka_unit_test(test_vectors_reader),
	};

	return cmocka_run_group_tests_name("core/base", tests, NULL, NULL);
}
