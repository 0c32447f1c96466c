/*
 * test_common.h
 *	  What the unit tests share: reference vectors, a deterministic entropy
 *	  source, chi-square.
 */
#ifndef EPS_TEST_COMMON_H
#define EPS_TEST_COMMON_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>

#include "core/base/base.h"

/* --- reference vectors ------------------------------------------------------ */

typedef enum TestVectorsStatus
{
	TEST_VECTORS_OK,
	TEST_VECTORS_ABSENT,		/* no such folder: the test is skipped */
	TEST_VECTORS_MALFORMED
} TestVectorsStatus;

typedef struct TestVectors
{
	char	   *text;			/* the file, cut into strings */
	size_t		rows;
	size_t		fields;
	char	 **cell;			/* rows * fields */
} TestVectors;

/*
 * Reads dir/name: its first line must be header, at least min_rows rows must
 * follow, each with as many fields as the header.
 */
extern TestVectorsStatus eps_test_vectors_read(TestVectors *out, const char *dir, const char *name,
											   const char *header, size_t min_rows);
extern void eps_test_vectors_free(TestVectors *vectors);

/*
 * The same from the folder of reference vectors ($EPS_VECTORS, else
 * ../../../shared/vectors).  False: absent, said so, the test returns.  Fails
 * the test where the file is malformed.
 */
extern bool eps_test_vectors_open(TestVectors *out, const char *name, const char *header, size_t min_rows);

/*
 * The same for a file of JSON and for any other file, which is unpacked where it
 * is gzipped; NULL: absent, said so.  The caller frees, by json_decref or free.
 */
extern json_t *eps_test_json_open(const char *name);
extern char *eps_test_text_open(const char *name);

/* Members of an object; fail the test where there is none of that type. Numbers above 2^64 - 1 are that. */
extern const char *eps_test_json_string(const json_t *object, const char *key);
extern uint64_t eps_test_json_u64(const json_t *object, const char *key);
extern bool eps_test_json_bool(const json_t *object, const char *key);
extern json_t *eps_test_json_array(const json_t *object, const char *key);

/* Bytes of a text in hexadecimal digits or base64; returns how many. Fails the test on any other text. */
extern size_t eps_test_hex(uint8_t *out, size_t room, const char *text);
extern size_t eps_test_base64(uint8_t *out, size_t room, const char *text);

#define TEST_THEORY "dp/theory_vectors.csv"
#define TEST_THEORY_HEADER "id,function,params,expected,tolerance,source"
#define TEST_THEORY_ROWS 212

static inline const char *
test_cell(const TestVectors *v, size_t row, size_t field)
{
	return v->cell[row * v->fields + field];
}

/* Whole-string numbers; fail the test on anything else. */
extern double eps_test_number(const char *text);
extern uint64_t eps_test_u64(const char *text);

/* The number after "key=" in "a=1;b=2"; fails the test if there is none. */
extern double eps_test_param(const char *params, const char *key);

/*
 * value is expected up to the relative tolerance.  _upper: and not below it,
 * _lower: not above it, but for the 1e-14 by which vectors themselves are
 * rounded.
 */
extern void eps_test_close(const char *what, double value, double expected, double tolerance);
extern void eps_test_upper(const char *what, double value, double expected, double tolerance);
extern void eps_test_lower(const char *what, double value, double expected, double tolerance);

/* --- entropy ------------------------------------------------------------------ */

/* A ChaCha20 stream of a fixed seed; fails from the call number fail_at on (0: never). */
typedef struct TestStream
{
	uint8_t		key[32];
	uint64_t	block;
	size_t		used;
	uint64_t	calls;
	uint64_t	bytes;
	uint64_t	fail_at;
	uint8_t		buffer[4096];
} TestStream;

extern EpsEntropy eps_test_stream(TestStream *stream, uint64_t seed);

/* A random number of up to bits bits, for property tests. */
extern uint64_t eps_test_random(EpsEntropy *entropy, unsigned bits);

/* Samples of a statistical test: $EPS_UNIT_SAMPLES, else 400000. */
extern uint64_t eps_test_samples(void);

/* Step of loops over every bit of something: 1, but a prime where fewer samples were asked for. */
extern size_t eps_test_step(void);

/*
 * Pearson's test of counts against probabilities that sum to 1; neighbouring
 * bins are joined until each expects 10.  Fails the test below a p of 1e-6.
 */
extern void eps_test_chi_square(const char *what, const uint64_t *count, const double *probability, size_t bins);

#endif							/* EPS_TEST_COMMON_H */
