/*
 * test_common.c
 *	  Reference vectors, deterministic entropy and chi-square for unit tests.
 */
#include "test_common.h"

#include <errno.h>
#include <gsl/gsl_cdf.h>
#include <math.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

/* --- reference vectors ------------------------------------------------------ */

static char *
read_file(const char *path)
{
	FILE	   *file = fopen(path, "rb");
	char	   *text = NULL;
	long		size;

	if (file == NULL)
		return NULL;
	if (fseek(file, 0, SEEK_END) == 0 && (size = ftell(file)) >= 0 && fseek(file, 0, SEEK_SET) == 0)
	{
		text = calloc((size_t) size + 1, 1);
		if (text != NULL && (fread(text, 1, (size_t) size, file) != (size_t) size ||
							 strlen(text) != (size_t) size))
		{
			free(text);
			text = NULL;
		}
	}
	fclose(file);
	return text;
}

static size_t
count_char(const char *text, char c)
{
	size_t		n = 0;

	for (; *text != '\0'; text++)
		n += *text == c;
	return n;
}

/* Cuts off and returns the line at *at, with its CR if any; NULL at the end or without a newline. */
static char *
next_line(char **at)
{
	char	   *line = *at;
	char	   *end = strchr(line, '\n');

	if (end == NULL)
		return NULL;
	*at = end + 1;
	*end = '\0';
	if (end > line && end[-1] == '\r')
		end[-1] = '\0';
	return line;
}

static bool
cut_fields(char **cell, char *line, size_t fields)
{
	if (count_char(line, ',') + 1 != fields)
		return false;
	for (size_t i = 0; i < fields; i++)
	{
		cell[i] = line;
		line = strchr(line, ',');
		if (line != NULL)
			*line++ = '\0';
		if (cell[i][0] == '\0')
			return false;
	}
	return true;
}

static bool
parse_vectors(TestVectors *out, const char *header, size_t min_rows)
{
	char	   *at = out->text;
	char	   *line = next_line(&at);

	if (line == NULL || strcmp(line, header) != 0)
		return false;
	out->fields = count_char(header, ',') + 1;
	out->rows = count_char(at, '\n');
	if (out->rows < min_rows)
		return false;
	out->cell = calloc(out->rows * out->fields + 1, sizeof(char *));
	if (out->cell == NULL)
		return false;
	for (size_t i = 0; i < out->rows; i++)
	{
		line = next_line(&at);
		if (line == NULL || !cut_fields(out->cell + i * out->fields, line, out->fields))
			return false;
	}
	return *at == '\0';
}

TestVectorsStatus
eps_test_vectors_read(TestVectors *out, const char *dir, const char *name,
					  const char *header, size_t min_rows)
{
	char		path[4096];
	struct stat st;

	memset(out, 0, sizeof(*out));
	if (stat(dir, &st) != 0)
		return TEST_VECTORS_ABSENT;
	if ((size_t) snprintf(path, sizeof(path), "%s/%s", dir, name) >= sizeof(path))
		return TEST_VECTORS_MALFORMED;
	out->text = read_file(path);
	if (out->text != NULL && parse_vectors(out, header, min_rows))
		return TEST_VECTORS_OK;
	eps_test_vectors_free(out);
	return TEST_VECTORS_MALFORMED;
}

void
eps_test_vectors_free(TestVectors *vectors)
{
	free(vectors->text);
	free(vectors->cell);
	memset(vectors, 0, sizeof(*vectors));
}

bool
eps_test_vectors_open(TestVectors *out, const char *name, const char *header, size_t min_rows)
{
	const char *dir = getenv("EPS_VECTORS");

	if (dir == NULL || dir[0] == '\0')
		dir = "../../../shared/vectors";
	switch (eps_test_vectors_read(out, dir, name, header, min_rows))
	{
		case TEST_VECTORS_OK:
			return true;
		case TEST_VECTORS_ABSENT:
			print_message("# skipped %s: no reference vectors in %s\n", name, dir);
			return false;
		default:
			fail_msg("%s/%s is missing or malformed", dir, name);
			return false;
	}
}

/* Path of a file of reference vectors; false: the folder is absent, said so. */
static bool
vectors_path(char path[4096], const char *name)
{
	const char *dir = getenv("EPS_VECTORS");
	struct stat st;

	if (dir == NULL || dir[0] == '\0')
		dir = "../../../shared/vectors";
	if (stat(dir, &st) != 0)
	{
		print_message("# skipped %s: no reference vectors in %s\n", name, dir);
		return false;
	}
	assert_true((size_t) snprintf(path, 4096, "%s/%s", dir, name) < 4096);
	return true;
}

char *
eps_test_text_open(const char *name)
{
	char		path[4096];
	gzFile		file;
	char	   *text = NULL;
	size_t		len = 0;
	int			got;

	if (!vectors_path(path, name))
		return NULL;
	file = gzopen(path, "rb");
	if (file == NULL)
		fail_msg("%s is missing", path);
	do
	{
		text = realloc(text, len + 65536 + 1);
		assert_non_null(text);
		got = gzread(file, text + len, 65536);
		if (got < 0)
			fail_msg("%s is malformed", path);
		len += (size_t) got;
	} while (got > 0);
	gzclose(file);
	text[len] = '\0';
	return text;
}

json_t *
eps_test_json_open(const char *name)
{
	char	   *text = eps_test_text_open(name);
	json_error_t error;
	json_t	   *json;

	if (text == NULL)
		return NULL;
	/* As reals: some numbers are above what jansson's integers hold. */
	json = json_loads(text, JSON_DECODE_INT_AS_REAL | JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
	free(text);
	if (json == NULL)
		fail_msg("%s: line %d: %s", name, error.line, error.text);
	return json;
}

static json_t *
member(const json_t *object, const char *key, bool right)
{
	json_t	   *value = json_object_get(object, key);

	if (value == NULL || !right)
		fail_msg("no member \"%s\" of the type wanted", key);
	return value;
}

const char *
eps_test_json_string(const json_t *object, const char *key)
{
	return json_string_value(member(object, key, json_is_string(json_object_get(object, key))));
}

uint64_t
eps_test_json_u64(const json_t *object, const char *key)
{
	double		value = json_real_value(member(object, key, json_is_real(json_object_get(object, key))));

	return value >= 0x1p64 ? UINT64_MAX : (uint64_t) value;
}

bool
eps_test_json_bool(const json_t *object, const char *key)
{
	return json_is_true(member(object, key, json_is_boolean(json_object_get(object, key))));
}

json_t *
eps_test_json_array(const json_t *object, const char *key)
{
	return member(object, key, json_is_array(json_object_get(object, key)));
}

size_t
eps_test_hex(uint8_t *out, size_t room, const char *text)
{
	size_t		n;

	if (sodium_hex2bin(out, room, text, strlen(text), NULL, &n, NULL) != 0)
		fail_msg("\"%.80s\" are no hexadecimal digits", text);
	return n;
}

size_t
eps_test_base64(uint8_t *out, size_t room, const char *text)
{
	size_t		n;

	if (sodium_base642bin(out, room, text, strlen(text), NULL, &n, NULL, sodium_base64_VARIANT_ORIGINAL) != 0)
		fail_msg("\"%.80s\" is no base64", text);
	return n;
}

double
eps_test_number(const char *text)
{
	char	   *end;
	double		value = strtod(text, &end);

	if (end == text || *end != '\0' || !isfinite(value))
		fail_msg("\"%s\" is not a number", text);
	return value;
}

uint64_t
eps_test_u64(const char *text)
{
	char	   *end;
	uint64_t	value;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0)
		fail_msg("\"%s\" is not a 64-bit number", text);
	return value;
}

double
eps_test_param(const char *params, const char *key)
{
	size_t		len = strlen(key);

	for (const char *at = params; at != NULL && *at != '\0'; at = strchr(at, ';'))
	{
		at += *at == ';';
		if (strncmp(at, key, len) == 0 && at[len] == '=')
		{
			char		text[64];
			size_t		size = strcspn(at + len + 1, ";");

			if (size >= sizeof(text))
				fail_msg("parameter %s of \"%s\" is too long", key, params);
			memcpy(text, at + len + 1, size);
			text[size] = '\0';
			return eps_test_number(text);
		}
	}
	fail_msg("no parameter %s in \"%s\"", key, params);
	return 0;
}

void
eps_test_close(const char *what, double value, double expected, double tolerance)
{
	if (!(fabs(value - expected) <= tolerance * fabs(expected)))
		fail_msg("%s: %.17g, expected %.17g", what, value, expected);
}

void
eps_test_upper(const char *what, double value, double expected, double tolerance)
{
	eps_test_close(what, value, expected, tolerance);
	if (value < expected * (1 - 1e-14))
		fail_msg("%s: %.17g is below %.17g", what, value, expected);
}

void
eps_test_lower(const char *what, double value, double expected, double tolerance)
{
	eps_test_close(what, value, expected, tolerance);
	if (value > expected * (1 + 1e-14))
		fail_msg("%s: %.17g is above %.17g", what, value, expected);
}

/* --- entropy ------------------------------------------------------------------ */

static EpsStatus
fill(void *ctx, uint8_t *buf, size_t len)
{
	static const uint8_t nonce[crypto_stream_chacha20_NONCEBYTES] = {0};
	TestStream *stream = ctx;

	stream->calls++;
	if (stream->fail_at != 0 && stream->calls >= stream->fail_at)
		return EPS_E_ENTROPY;
	stream->bytes += len;
	for (size_t i = 0; i < len; i++)
	{
		if (stream->used == sizeof(stream->buffer))
		{
			memset(stream->buffer, 0, sizeof(stream->buffer));
			crypto_stream_chacha20_xor_ic(stream->buffer, stream->buffer, sizeof(stream->buffer),
										  nonce, stream->block, stream->key);
			stream->block += sizeof(stream->buffer) / 64;
			stream->used = 0;
		}
		buf[i] = stream->buffer[stream->used++];
	}
	return EPS_OK;
}

EpsEntropy
eps_test_stream(TestStream *stream, uint64_t seed)
{
	EpsEntropy	entropy = {fill, stream};

	memset(stream, 0, sizeof(*stream));
	memcpy(stream->key, &seed, sizeof(seed));
	stream->used = sizeof(stream->buffer);
	return entropy;
}

uint64_t
eps_test_random(EpsEntropy *entropy, unsigned bits)
{
	uint64_t	value = 0;

	assert_int_equal(entropy->fill(entropy->ctx, (uint8_t *) &value, sizeof(value)), EPS_OK);
	return bits == 0 ? 0 : value >> (64 - bits);
}

uint64_t
eps_test_samples(void)
{
	const char *text = getenv("EPS_UNIT_SAMPLES");

	return text == NULL ? 400000 : eps_test_u64(text);
}

size_t
eps_test_step(void)
{
	return eps_test_samples() < 400000 ? 29 : 1;
}

void
eps_test_chi_square(const char *what, const uint64_t *count, const double *probability, size_t bins)
{
	double		total = 0;
	double		expected = 0;
	double		observed = 0;
	double		statistic = 0;
	double		left = 1;
	int			freedom = -1;
	double		p;

	for (size_t i = 0; i < bins; i++)
		total += (double) count[i];
	for (size_t i = 0; i < bins; i++)
	{
		expected += total * probability[i];
		observed += (double) count[i];
		left -= probability[i];
		if (i + 1 < bins && (expected < 10 || total * left < 10))
			continue;
		statistic += (observed - expected) * (observed - expected) / expected;
		freedom++;
		expected = observed = 0;
	}
	assert_true(fabs(left) < 1e-6);
	assert_true(freedom >= 1);
	p = gsl_cdf_chisq_Q(statistic, freedom);
	print_message("# %s: chi-square %.1f on %d, p = %.3g\n", what, statistic, freedom, p);
	if (!(p >= 1e-6))
		fail_msg("%s: p = %g", what, p);
}
