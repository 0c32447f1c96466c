/*
 * fuzz_checkpoint.c
 *	  Notes, checkpoints and cosignatures.
 *
 * Nobody finds a signature by trying.  So the input is taken once as a note as it
 * is, and once as the text of a note that is signed here, with lines of other
 * keys after it: text, NUL, lines.
 */
#include "fuzz.h"

#define NAME "pg_epsilon/00000000000000000000000000000000"

static uint8_t key[32];
static uint8_t secret[64];

/* The payload of a line is found only where the line is there in its one form. */
static void
check_found(EpsSpan note, EpsSpan text, uint8_t type, const uint8_t *payload, size_t len)
{
	char		line[512];
	EpsText		out = {line, sizeof(line), false};
	size_t		n;
	bool		found = false;

	eps_ledger_note_add(&out, NAME, type, key, payload, len);
	n = (size_t) (out.at - line);
	FUZZ_CHECK(!out.full && text.at == note.at && text.len < note.len && text.at[text.len - 1] == '\n');
	for (size_t at = text.len; at + n <= note.len; at++)
		found = found || (note.at[at - 1] == '\n' && memcmp(note.at + at, line, n) == 0);
	FUZZ_CHECK(found);
}

static void
check_raw(EpsSpan note)
{
	uint8_t		payload[8 + EPS_SIGN_LEN];
	EpsSpan		text;

	if (eps_ledger_note_read(&text, payload, EPS_SIGN_LEN, note, NAME, EPS_NOTE_ED25519, key) == EPS_OK)
		check_found(note, text, EPS_NOTE_ED25519, payload, EPS_SIGN_LEN);
	if (eps_ledger_note_read(&text, payload, sizeof(payload), note, NAME, EPS_NOTE_COSIGNATURE, key) == EPS_OK)
		check_found(note, text, EPS_NOTE_COSIGNATURE, payload, sizeof(payload));
}

/* What is read of a checkpoint is written as the text that was signed. */
static void
check_read(EpsSpan note, size_t text_len)
{
	EpsCheckpoint checkpoint;
	char	   *again = malloc(EPS_CHECKPOINT_MAX);
	size_t		n;

	FUZZ_CHECK(again != NULL);
	if (eps_ledger_checkpoint_read(&checkpoint, note.at, note.len, NAME, key) == EPS_OK)
	{
		FUZZ_CHECK(eps_ledger_checkpoint_text(again, EPS_CHECKPOINT_MAX, &n, &checkpoint) == EPS_OK);
		FUZZ_CHECK(n == text_len && memcmp(again, note.at, n) == 0);
	}
	free(again);
}

static void
check_cosigned(EpsSpan note)
{
	char		line[EPS_COSIGNATURE_MAX];
	char	   *both;
	uint64_t	seconds = 0;
	size_t		n;

	if (eps_ledger_cosign(line, &n, note.at, note.len, NAME, secret, note.len) != EPS_OK)
		return;
	both = malloc(note.len + n);
	FUZZ_CHECK(both != NULL);
	memcpy(both, note.at, note.len);
	memcpy(both + note.len, line, n);
	if (eps_ledger_cosign_check(&seconds, both, note.len + n, NAME, key) == EPS_OK)
		FUZZ_CHECK(seconds == note.len);
	free(both);
}

static void
check_signed(EpsSpan text, EpsSpan lines)
{
	size_t		room = text.len + lines.len + 512;
	char	   *bytes = malloc(room);
	EpsText		out = {bytes, room, false};
	uint8_t		signature[EPS_SIGN_LEN];
	EpsSpan		note;
	char	   *exact;

	FUZZ_CHECK(bytes != NULL);
	eps_crypto_sign(signature, (const uint8_t *) text.at, text.len, secret);
	eps_ledger_text_add(&out, text.at, text.len);
	eps_ledger_text_add(&out, "\n", 1);
	eps_ledger_note_add(&out, NAME, EPS_NOTE_ED25519, key, signature, sizeof(signature));
	eps_ledger_text_add(&out, lines.at, lines.len);
	FUZZ_CHECK(!out.full);
	note.len = (size_t) (out.at - bytes);
	exact = (char *) fuzz_copy((const uint8_t *) bytes, note.len);
	note.at = exact;
	check_read(note, text.len);
	check_cosigned(note);
	free(exact);
	free(bytes);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t seed[32] = {1};
	uint8_t    *copy = fuzz_copy(data, size);
	EpsSpan		note = {(const char *) copy, size};
	EpsSpan		lines = note;
	EpsSpan		text;

	eps_crypto_sign_seed(key, secret, seed);
	check_raw(note);
	if (eps_ledger_text_cut(&text, &lines, '\0'))
		check_signed(text, lines);
	else
		check_signed(note, (EpsSpan) {(const char *) copy, 0});
	free(copy);
	return 0;
}
