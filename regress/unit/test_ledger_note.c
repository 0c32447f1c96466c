/*
 * test_ledger_note.c
 *	  Checkpoints, verifier keys and cosignatures of core/ledger: one form each.
 *	  What is signed rightly and written wrongly is refused all the same.
 */
#include "test_common.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/ledger/ledger_internal.h"

static uint8_t log_key[32];
static uint8_t log_secret[64];
static uint8_t witness_key[32];
static uint8_t witness_secret[64];
static char origin[128];

static void
make_keys(void)
{
	static const uint8_t id[EPS_LEDGER_ID_LEN] = {0x0f, 0xf0, 3};
	uint8_t		seed[32] = {1};

	eps_crypto_sign_seed(log_key, log_secret, seed);
	seed[0] = 2;
	eps_crypto_sign_seed(witness_key, witness_secret, seed);
	eps_ledger_origin(origin, id);
}

static EpsCheckpoint
some_checkpoint(unsigned ntotals)
{
	EpsCheckpoint out;

	memset(&out, 0, sizeof(out));
	strcpy(out.origin, origin);
	out.size = 123456;
	memset(out.root.b, 0x5a, sizeof(out.root.b));
	out.ntotals = ntotals;
	for (unsigned i = 0; i < ntotals; i++)
		out.total[i] = (EpsCheckpointTotal) {i * 3 + 1, (EpsU128) i << 100, i};
	return out;
}

typedef struct Note
{
	char		text[2 * EPS_NOTE_MAX];
	size_t		len;
} Note;

static Note note;

static void
sign(const EpsCheckpoint *checkpoint)
{
	assert_int_equal(eps_ledger_checkpoint_sign(note.text, sizeof(note.text), &note.len, checkpoint, log_secret), EPS_OK);
	note.text[note.len] = '\0';
}

static EpsStatus
read_note(void)
{
	EpsCheckpoint out;

	return eps_ledger_checkpoint_read(&out, note.text, note.len, origin, log_key);
}

/* --- checkpoints ------------------------------------------------------------------------ */

static void
test_origin(void **state)
{
	(void) state;
	assert_string_equal(origin, "pg_epsilon/0ff00300000000000000000000000000");
}

static void
test_round_trip(void **state)
{
	(void) state;
	for (unsigned n = 0; n <= EPS_CHECKPOINT_TOTALS; n++)
	{
		EpsCheckpoint in = some_checkpoint(n);
		EpsCheckpoint out;
		char		again[EPS_CHECKPOINT_MAX];
		size_t		len;

		sign(&in);
		assert_true(note.len <= EPS_CHECKPOINT_MAX);
		assert_int_equal(eps_ledger_checkpoint_read(&out, note.text, note.len, origin, log_key), EPS_OK);
		assert_memory_equal(&out, &in, sizeof(in));
		assert_int_equal(eps_ledger_checkpoint_sign(again, sizeof(again), &len, &out, log_secret), EPS_OK);
		assert_int_equal(len, note.len);
		assert_memory_equal(again, note.text, len);
	}
}

static void
test_text(void **state)
{
	EpsCheckpoint in = some_checkpoint(1);
	char		text[EPS_CHECKPOINT_MAX];
	size_t		len;

	(void) state;
	in.total[0] = (EpsCheckpointTotal) {4294967295u, ~(EpsU128) 0, 10};
	assert_int_equal(eps_ledger_checkpoint_text(text, sizeof(text), &len, &in), EPS_OK);
	text[len] = '\0';
	assert_string_equal(text,
						"pg_epsilon/0ff00300000000000000000000000000\n123456\n"
						"WlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlo=\n"
						"rho 4294967295 340282366920938463463374607431768211455 10\n");
}

static void
test_room(void **state)
{
	EpsCheckpoint in = some_checkpoint(2);
	char		text[EPS_CHECKPOINT_MAX];
	size_t		len;
	size_t		n;

	(void) state;
	sign(&in);
	len = note.len;
	for (size_t room = 0; room < len; room++)
		assert_int_equal(eps_ledger_checkpoint_sign(text, room, &n, &in, log_secret), EPS_E_SPACE);
	assert_int_equal(eps_ledger_checkpoint_sign(text, len, &n, &in, log_secret), EPS_OK);
}

static void
test_unwritable(void **state)
{
	EpsCheckpoint good = some_checkpoint(3);
	EpsCheckpoint bad = good;
	char		text[EPS_CHECKPOINT_MAX];
	size_t		n;

	(void) state;
	assert_int_equal(eps_ledger_checkpoint_text(text, sizeof(text), &n, &bad), EPS_OK);
	bad.total[1].dataset = bad.total[0].dataset;
	assert_int_equal(eps_ledger_checkpoint_text(text, sizeof(text), &n, &bad), EPS_E_RANGE);
	bad = good;
	bad.total[0].dataset = 0;
	assert_int_equal(eps_ledger_checkpoint_text(text, sizeof(text), &n, &bad), EPS_E_RANGE);
	bad = good;
	bad.size = EPS_TREE_MAX + 1;
	assert_int_equal(eps_ledger_checkpoint_text(text, sizeof(text), &n, &bad), EPS_E_RANGE);
	bad = good;
	bad.ntotals = EPS_CHECKPOINT_TOTALS + 1;
	assert_int_equal(eps_ledger_checkpoint_text(text, sizeof(text), &n, &bad), EPS_E_RANGE);
	bad = good;
	strcpy(bad.origin, "two\nlines");
	assert_int_equal(eps_ledger_checkpoint_text(text, sizeof(text), &n, &bad), EPS_E_RANGE);
	bad = good;
	memset(bad.origin, 'a', sizeof(bad.origin));
	assert_int_equal(eps_ledger_checkpoint_text(text, sizeof(text), &n, &bad), EPS_E_RANGE);
	bad.origin[0] = '\0';
	assert_int_equal(eps_ledger_checkpoint_text(text, sizeof(text), &n, &bad), EPS_E_RANGE);
}

/* --- signed rightly, written wrongly ------------------------------------------------------- */

/* A note over any text, signed by the log's key. */
static void
sign_text(const char *text)
{
	uint8_t		signature[64];
	EpsText		out = {note.text, sizeof(note.text), false};

	eps_crypto_sign(signature, (const uint8_t *) text, strlen(text), log_secret);
	eps_ledger_text_add_string(&out, text);
	eps_ledger_text_add_string(&out, "\n");
	eps_ledger_note_add(&out, origin, EPS_NOTE_ED25519, log_key, signature, sizeof(signature));
	assert_false(out.full);
	note.len = (size_t) (out.at - note.text);
	*out.at = '\0';
}

#define ORIGIN "pg_epsilon/0ff00300000000000000000000000000\n"
#define ROOT "WlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlo=\n"

static void
test_wrong_texts(void **state)
{
	static const char *const refused[] = {
		ORIGIN "5\n",
		ORIGIN "5\n" "\n",
		ORIGIN "05\n" ROOT,
		ORIGIN "+5\n" ROOT,
		ORIGIN "-5\n" ROOT,
		ORIGIN " 5\n" ROOT,
		ORIGIN "5 \n" ROOT,
		ORIGIN "\n" ROOT,
		ORIGIN "0x5\n" ROOT,
		ORIGIN "9223372036854775808\n" ROOT,
		ORIGIN "18446744073709551621\n" ROOT,
		ORIGIN "340282366920938463463374607431768211461\n" ROOT,
		ORIGIN "5\r\n" ROOT,
		"pg_epsilon/other\n" "5\n" ROOT,
		"\n" "5\n" ROOT,
		ORIGIN "5\n" "WlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlp=\n",
		ORIGIN "5\n" "WlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlo\n",
		ORIGIN "5\n" "WlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpa\n",
		ORIGIN "5\n" "WlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWg==\n",
		ORIGIN "5\n" "WlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpa_lo=\n",
		ORIGIN "5\n" "=lpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlo=\n",
		ORIGIN "5\n" ROOT "rho 1 2\n",
		ORIGIN "5\n" ROOT "rho 1 2 3 4\n",
		ORIGIN "5\n" ROOT "rho  1 2 3\n",
		ORIGIN "5\n" ROOT "rho 1 2 3 \n",
		ORIGIN "5\n" ROOT "rho 0 2 3\n",
		ORIGIN "5\n" ROOT "rho 01 2 3\n",
		ORIGIN "5\n" ROOT "rho 1 02 3\n",
		ORIGIN "5\n" ROOT "rho 4294967296 2 3\n",
		ORIGIN "5\n" ROOT "rho 1 340282366920938463463374607431768211456 3\n",
		ORIGIN "5\n" ROOT "rho 2 2 3\nrho 1 2 3\n",
		ORIGIN "5\n" ROOT "rho 2 2 3\nrho 2 2 3\n",
		ORIGIN "5\n" ROOT "Rho 2 2 3\n",
		ORIGIN "5\n" ROOT "other extension\n",
		ORIGIN "5\n" ROOT "\n" "rho 2 2 3\n"
	};

	(void) state;
	sign_text(ORIGIN "5\n" ROOT "rho 1 2 3\nrho 2 0 0\n");
	assert_int_equal(read_note(), EPS_OK);
	sign_text(ORIGIN "9223372036854775807\n" ROOT);
	assert_int_equal(read_note(), EPS_OK);
	sign_text(ORIGIN "0\n" ROOT);
	assert_int_equal(read_note(), EPS_OK);
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
	{
		sign_text(refused[i]);
		if (read_note() != EPS_E_FORMAT)
			fail_msg("\"%s\" was read", refused[i]);
	}
}

static void
test_too_many_totals(void **state)
{
	char		text[16384];
	int			len = snprintf(text, sizeof(text), ORIGIN "5\n" ROOT);

	(void) state;
	for (int i = 1; i <= EPS_CHECKPOINT_TOTALS; i++)
		len += snprintf(text + len, sizeof(text) - (size_t) len, "rho %d 0 0\n", i);
	sign_text(text);
	assert_int_equal(read_note(), EPS_OK);
	snprintf(text + len, sizeof(text) - (size_t) len, "rho 1000 0 0\n");
	sign_text(text);
	assert_int_equal(read_note(), EPS_E_FORMAT);
}

/* --- signature lines ------------------------------------------------------------------------- */

static void
append(const char *text)
{
	size_t		len = strlen(text);

	assert_true(note.len + len < sizeof(note.text));
	memcpy(note.text + note.len, text, len + 1);
	note.len += len;
}

static void
test_lines_of_others(void **state)
{
	EpsCheckpoint in = some_checkpoint(1);
	static const char *const fine[] = {
		"\xE2\x80\x94 example.com/witness AAAAAAA=\n",
		"\xE2\x80\x94 \xC3\xA9t\xC3\xA9 AAAAAAAA\n",
		"\xE2\x80\x94 pg_epsilon/0ff00300000000000000000000000000 AAAAAAAA\n"
	};
	static const char *const wrong[] = {
		"x",
		"\n",
		" ",
		"\xE2\x80\x94 name AAAAAAA=",
		"\xE2\x80\x94 name AAAAAAA=\r\n",
		"\xE2\x80\x94 name AAAAAAA= \n",
		"\xE2\x80\x94 name  AAAAAAA=\n",
		"\xE2\x80\x94  name AAAAAAA=\n",
		"\xE2\x80\x94 name AAAAAA==\n",
		"\xE2\x80\x94 name AAAAAAB=\n",
		"\xE2\x80\x94 name AAAAAAA\n",
		"\xE2\x80\x94 name AAAA\n",
		"\xE2\x80\x94 name \n",
		"\xE2\x80\x94 name\n",
		"\xE2\x80\x94 na+me AAAAAAA=\n",
		"\xE2\x80\x94 na\xC2\xA0me AAAAAAA=\n",
		"\xE2\x80\x94 na\xC3me AAAAAAA=\n",
		"\xE2\x80\x93 name AAAAAAA=\n",
		"- name AAAAAAA=\n",
		"\xE2\x80\x94 name AAAAAAA=\n\n",
		"\xE2\x80\x94 name AAAAAAA=\n\xE2\x80\x94 name AAAAAAE=\n"
	};

	(void) state;
	for (size_t i = 0; i < sizeof(fine) / sizeof(fine[0]); i++)
	{
		sign(&in);
		append(fine[i]);
		if (read_note() != EPS_OK)
			fail_msg("\"%s\" was refused", fine[i]);
	}
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
	{
		sign(&in);
		append(wrong[i]);
		if (read_note() != EPS_E_FORMAT)
			fail_msg("\"%s\" was read", wrong[i]);
	}
}

/* The same line twice, and the right one after a wrong one of the same key. */
static void
test_line_twice(void **state)
{
	EpsCheckpoint in = some_checkpoint(0);
	char		line[512];
	char	   *start;

	(void) state;
	sign(&in);
	start = strstr(note.text, "\n\n") + 2;
	strcpy(line, start);
	append(line);
	assert_int_equal(read_note(), EPS_E_FORMAT);

	sign(&in);
	note.text[note.len - 10] ^= 1;
	append(line);
	assert_int_equal(read_note(), EPS_E_FORMAT);
}

static void
test_number_of_lines(void **state)
{
	EpsCheckpoint in = some_checkpoint(0);
	char		line[64];

	(void) state;
	sign(&in);
	for (int i = 1; i < 100; i++)
	{
		snprintf(line, sizeof(line), "\xE2\x80\x94 name%d AAAAAAA=\n", i);
		append(line);
	}
	assert_int_equal(read_note(), EPS_OK);
	append("\xE2\x80\x94 last AAAAAAA=\n");
	assert_int_equal(read_note(), EPS_E_FORMAT);
}

static void
test_size(void **state)
{
	EpsCheckpoint in = some_checkpoint(0);
	char	   *line = calloc(EPS_NOTE_MAX + 16, 1);
	size_t		fill;

	(void) state;
	sign(&in);
	fill = (EPS_NOTE_MAX - note.len - strlen("\xE2\x80\x94 n \n")) / 4 * 4;
	strcpy(line, "\xE2\x80\x94 n ");
	memset(line + strlen(line), 'A', fill);
	strcat(line, "\n");
	append(line);
	assert_int_equal(read_note(), EPS_OK);
	sign(&in);
	line[strlen(line) - 1] = '\0';
	strcat(line, "AAAA\n");
	append(line);
	assert_int_equal(read_note(), EPS_E_FORMAT);
	free(line);
}

static void
test_truncated(void **state)
{
	EpsCheckpoint in = some_checkpoint(2);
	size_t		len;

	(void) state;
	sign(&in);
	len = note.len;
	for (note.len = 0; note.len < len; note.len++)
		assert_int_not_equal(read_note(), EPS_OK);
	assert_int_equal(read_note(), EPS_OK);
}

static void
test_every_bit(void **state)
{
	EpsCheckpoint in = some_checkpoint(2);

	(void) state;
	sign(&in);
	for (size_t bit = 0; bit < 8 * note.len; bit++)
	{
		note.text[bit / 8] ^= (char) (1 << bit % 8);
		assert_int_not_equal(read_note(), EPS_OK);
		note.text[bit / 8] ^= (char) (1 << bit % 8);
	}
	assert_int_equal(read_note(), EPS_OK);
}

static void
test_another_key(void **state)
{
	EpsCheckpoint in = some_checkpoint(0);
	EpsCheckpoint out;

	(void) state;
	sign(&in);
	assert_int_equal(eps_ledger_checkpoint_read(&out, note.text, note.len, origin, witness_key), EPS_E_AUTH);
	assert_int_equal(eps_ledger_checkpoint_read(&out, note.text, note.len, "other", log_key), EPS_E_AUTH);

	/* Signed by the wrong key under the right key's id. */
	assert_int_equal(eps_ledger_checkpoint_text(note.text, sizeof(note.text), &note.len, &in), EPS_OK);
	{
		uint8_t		signature[64];
		EpsText		text = {note.text + note.len, sizeof(note.text) - note.len, false};

		eps_crypto_sign(signature, (const uint8_t *) note.text, note.len, witness_secret);
		eps_ledger_text_add(&text, "\n", 1);
		eps_ledger_note_add(&text, origin, EPS_NOTE_ED25519, log_key, signature, sizeof(signature));
		note.len = (size_t) (text.at - note.text);
	}
	assert_int_equal(read_note(), EPS_E_AUTH);
}

/* A cosignature by the log's own key is no signature of the log. */
static void
test_types_apart(void **state)
{
	EpsCheckpoint in = some_checkpoint(0);
	char		line[EPS_COSIGNATURE_MAX];
	size_t		n;
	size_t		text_len;
	uint64_t	when;

	(void) state;
	sign(&in);
	text_len = (size_t) (strstr(note.text, "\n\n") - note.text) + 2;
	assert_int_equal(eps_ledger_cosign(line, &n, note.text, note.len, origin, log_secret, 7), EPS_OK);
	memcpy(note.text + text_len, line, n);
	note.len = text_len + n;
	assert_int_equal(read_note(), EPS_E_AUTH);
	assert_int_equal(eps_ledger_cosign_check(&when, note.text, note.len, origin, log_key), EPS_OK);
	assert_int_equal(when, 7);
}

/* --- witnesses --------------------------------------------------------------------------------- */

static void
test_cosignature(void **state)
{
	EpsCheckpoint in = some_checkpoint(EPS_CHECKPOINT_TOTALS);
	char		line[EPS_COSIGNATURE_MAX + 1];
	uint64_t	when;
	size_t		n;

	(void) state;
	sign(&in);
	assert_int_equal(eps_ledger_cosign_check(&when, note.text, note.len, "example.com/w", witness_key), EPS_E_AUTH);
	assert_int_equal(eps_ledger_cosign(line, &n, note.text, note.len, "example.com/w", witness_secret, 1679315147), EPS_OK);
	line[n] = '\0';
	append(line);
	assert_int_equal(read_note(), EPS_OK);
	assert_int_equal(eps_ledger_cosign_check(&when, note.text, note.len, "example.com/w", witness_key), EPS_OK);
	assert_int_equal(when, 1679315147);
	assert_int_equal(eps_ledger_cosign_check(&when, note.text, note.len, "example.com/w", log_key), EPS_E_AUTH);
	for (size_t bit = 0; bit < 8 * note.len; bit++)
	{
		size_t		own = note.len - n;
		size_t		text_end = (size_t) (strstr(note.text, "\n\n") - note.text) + 1;

		/* The log's line is not signed by the witness. */
		if (bit / 8 == text_end)
			bit = 8 * own;
		note.text[bit / 8] ^= (char) (1 << bit % 8);
		assert_int_not_equal(eps_ledger_cosign_check(&when, note.text, note.len, "example.com/w", witness_key), EPS_OK);
		note.text[bit / 8] ^= (char) (1 << bit % 8);
	}
	assert_int_equal(eps_ledger_cosign(line, &n, note.text, note.len, "two words", witness_secret, 1), EPS_E_RANGE);
	assert_int_equal(eps_ledger_cosign(line, &n, "no note", 7, "w", witness_secret, 1), EPS_E_FORMAT);
}

/* The message that C2SP tlog-cosignature shows, by libsodium alone. */
static void
test_cosigned_message(void **state)
{
	EpsCheckpoint in = some_checkpoint(0);
	char		message[1024];
	char		line[EPS_COSIGNATURE_MAX + 1];
	uint8_t		bytes[4 + 8 + 64];
	size_t		n;
	int			len;

	(void) state;
	sign(&in);
	assert_int_equal(eps_ledger_cosign(line, &n, note.text, note.len, "w", witness_secret, 1679315147), EPS_OK);
	line[n - 1] = '\0';
	assert_int_equal(eps_test_base64(bytes, sizeof(bytes), line + strlen("\xE2\x80\x94 w ")), sizeof(bytes));
	assert_memory_equal(bytes + 4, "\0\0\0\0\x64\x18\x50\xcb", 8);
	len = snprintf(message, sizeof(message), "cosignature/v1\ntime 1679315147\n%.*s",
				   (int) (strstr(note.text, "\n\n") - note.text) + 1, note.text);
	assert_int_equal(crypto_sign_verify_detached(bytes + 12, (const uint8_t *) message, (unsigned long long) len,
												 witness_key), 0);
}

/* --- verifier keys ------------------------------------------------------------------------------ */

static void
test_vkey(void **state)
{
	char		vkey[256];
	char		name[128];
	uint8_t		key[32];
	size_t		len;

	(void) state;
	assert_int_equal(eps_ledger_vkey_write(vkey, origin, log_key), EPS_OK);
	len = strlen(vkey);
	assert_int_equal(eps_ledger_vkey_read(name, key, vkey, len), EPS_OK);
	assert_string_equal(name, origin);
	assert_memory_equal(key, log_key, 32);
	assert_int_equal(eps_ledger_cosigner_vkey_read(name, key, vkey, len), EPS_E_FORMAT);
	for (size_t cut = 0; cut < len; cut++)
		assert_int_equal(eps_ledger_vkey_read(name, key, vkey, cut), EPS_E_FORMAT);
	for (size_t bit = 0; bit < 8 * len; bit++)
	{
		vkey[bit / 8] ^= (char) (1 << bit % 8);
		assert_int_equal(eps_ledger_vkey_read(name, key, vkey, len), EPS_E_FORMAT);
		vkey[bit / 8] ^= (char) (1 << bit % 8);
	}
	vkey[len] = '\n';
	assert_int_equal(eps_ledger_vkey_read(name, key, vkey, len + 1), EPS_E_FORMAT);
	assert_int_equal(eps_ledger_cosigner_vkey_write(vkey, origin, log_key), EPS_OK);
	assert_int_equal(eps_ledger_cosigner_vkey_read(name, key, vkey, strlen(vkey)), EPS_OK);
	assert_int_equal(eps_ledger_vkey_read(name, key, vkey, strlen(vkey)), EPS_E_FORMAT);
}

static void
test_vkey_names(void **state)
{
	char		vkey[256];
	char		name[128];
	char		longest[129];
	uint8_t		key[32];

	(void) state;
	memset(longest, 'n', 127);
	longest[127] = '\0';
	assert_int_equal(eps_ledger_vkey_write(vkey, longest, log_key), EPS_OK);
	assert_int_equal(eps_ledger_vkey_read(name, key, vkey, strlen(vkey)), EPS_OK);
	assert_string_equal(name, longest);
	strcat(longest, "n");
	assert_int_equal(eps_ledger_vkey_write(vkey, longest, log_key), EPS_E_RANGE);
	assert_int_equal(eps_ledger_vkey_write(vkey, "", log_key), EPS_E_RANGE);
	assert_int_equal(eps_ledger_vkey_write(vkey, "a b", log_key), EPS_E_RANGE);
	assert_int_equal(eps_ledger_vkey_write(vkey, "a+b", log_key), EPS_E_RANGE);
	assert_int_equal(eps_ledger_vkey_write(vkey, "a\nb", log_key), EPS_E_RANGE);
	assert_int_equal(eps_ledger_vkey_write(vkey, "a\xff", log_key), EPS_E_RANGE);
}

/* --- texts ----------------------------------------------------------------------------------------- */

static void
test_utf8(void **state)
{
	static const char *const good[] = {"", "a\n", "\x7f", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF",
		"\xEE\x80\x80", "\xEF\xBF\xBF", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"};
	static const char *const bad[] = {"\x01", "\t", "\r", "\x1f", "\x80", "\xBF", "\xC0\x80", "\xC1\xBF", "\xC2", "\xC2 ",
		"\xE0\x80\x80", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xED\xBF\xBF", "\xE2\x80", "\xF0\x8F\xBF\xBF",
		"\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF", "\xF0\x90\x80"};

	(void) state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (!eps_ledger_is_text((EpsSpan) {good[i], strlen(good[i])}))
			fail_msg("text %zu was refused", i);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (eps_ledger_is_text((EpsSpan) {bad[i], strlen(bad[i])}))
			fail_msg("text %zu was taken", i);
	assert_false(eps_ledger_is_text((EpsSpan) {"a\0b", 3}));
}

/* Beside libsodium's strict decoder, on random texts of the alphabet and beyond. */
static void
test_base64(void **state)
{
	static const char letters[] = "ABCDWXYZabcdwxyz0189+/=-_ \n";
	TestStream	stream;
	EpsEntropy	entropy = eps_test_stream(&stream, 8);
	unsigned	accepted = 0;

	(void) state;
	for (int round = 0; round < 200000; round++)
	{
		char		text[9] = "";
		uint8_t		ours[8];
		uint8_t		theirs[8];
		char		again[9] = "";
		size_t		n;
		size_t		their_n;
		size_t		len = (size_t) eps_test_random(&entropy, 8) % 9;
		size_t		spread = round % 2 == 0 ? 20 : sizeof(letters) - 1;
		bool		theirs_good;

		for (size_t i = 0; i < len; i++)
			text[i] = letters[eps_test_random(&entropy, 16) % spread];
		if (len > 0 && round % 3 == 0)
			text[len - 1] = '=';
		theirs_good = sodium_base642bin(theirs, sizeof(theirs), text, len, NULL, &their_n, NULL,
										sodium_base64_VARIANT_ORIGINAL) == 0;
		if (eps_ledger_base64_read(ours, sizeof(ours), &n, (EpsSpan) {text, len}) == EPS_OK)
		{
			assert_true(theirs_good && n == their_n);
			assert_memory_equal(ours, theirs, n);
			eps_ledger_base64_write(again, ours, n);
			assert_string_equal(again, text);
			accepted++;
		}
		else
			assert_false(theirs_good);
	}
	assert_true(accepted > 1000);
}

static void
test_decimal(void **state)
{
	static const EpsU128 values[] = {0, 1, 9, 10, 99, 100, UINT64_MAX, (EpsU128) UINT64_MAX + 1, ~(EpsU128) 0};

	(void) state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
	{
		char		text[EPS_DECIMAL_MAX];
		size_t		len = eps_ledger_decimal_write(text, values[i]);
		EpsU128		again;

		assert_int_equal(eps_ledger_decimal_read(&again, (EpsSpan) {text, len}, values[i]), EPS_OK);
		assert_true(again == values[i]);
		if (values[i] > 0)
			assert_int_equal(eps_ledger_decimal_read(&again, (EpsSpan) {text, len}, values[i] - 1), EPS_E_FORMAT);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_origin),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_room),
		cmocka_unit_test(test_unwritable),
		cmocka_unit_test(test_wrong_texts),
		cmocka_unit_test(test_too_many_totals),
		cmocka_unit_test(test_lines_of_others),
		cmocka_unit_test(test_line_twice),
		cmocka_unit_test(test_number_of_lines),
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_every_bit),
		cmocka_unit_test(test_another_key),
		cmocka_unit_test(test_types_apart),
		cmocka_unit_test(test_cosignature),
		cmocka_unit_test(test_cosigned_message),
		cmocka_unit_test(test_vkey),
		cmocka_unit_test(test_vkey_names),
		cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_base64),
		cmocka_unit_test(test_decimal),
	};

	if (eps_crypto_init() != EPS_OK)
		return 1;
	make_keys();
	return cmocka_run_group_tests_name("core/ledger notes", tests, NULL, NULL);
}
