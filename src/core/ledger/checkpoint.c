/*
 * checkpoint.c
 *	  Checkpoints of a log and the cosignatures of its witnesses (C2SP
 *	  tlog-checkpoint, tlog-cosignature).
 */
#include "core/ledger/ledger_internal.h"

#include <string.h>

void
eps_ledger_origin(char out[128], const uint8_t id[EPS_LEDGER_ID_LEN])
{
	static const char hex[] = "0123456789abcdef";
	static const char product[] = "pg_epsilon/";
	char	   *at = out;

	memcpy(at, product, sizeof(product) - 1);
	at += sizeof(product) - 1;
	for (int i = 0; i < EPS_LEDGER_ID_LEN; i++)
	{
		*at++ = hex[id[i] >> 4];
		*at++ = hex[id[i] & 15];
	}
	*at = '\0';
}

/* --- writing ------------------------------------------------------------------------- */

static bool
is_writable(const EpsCheckpoint *checkpoint)
{
	uint32_t	before = 0;
	const char *end = memchr(checkpoint->origin, '\0', sizeof(checkpoint->origin));

	if (end == NULL || !eps_ledger_is_name((EpsSpan) {checkpoint->origin, (size_t) (end - checkpoint->origin)}) ||
		checkpoint->size > EPS_TREE_MAX || checkpoint->ntotals > EPS_CHECKPOINT_TOTALS)
		return false;
	for (unsigned i = 0; i < checkpoint->ntotals; i++)
	{
		if (checkpoint->total[i].dataset <= before)
			return false;
		before = checkpoint->total[i].dataset;
	}
	return true;
}

static void
add_text(EpsText *text, const EpsCheckpoint *checkpoint)
{
	char		root[EPS_BASE64_LEN(EPS_HASH_LEN)];

	eps_ledger_base64_write(root, checkpoint->root.b, EPS_HASH_LEN);
	eps_ledger_text_add_string(text, checkpoint->origin);
	eps_ledger_text_add(text, "\n", 1);
	eps_ledger_text_add_decimal(text, checkpoint->size);
	eps_ledger_text_add(text, "\n", 1);
	eps_ledger_text_add(text, root, sizeof(root));
	eps_ledger_text_add(text, "\n", 1);
	for (unsigned i = 0; i < checkpoint->ntotals; i++)
	{
		eps_ledger_text_add_string(text, "rho ");
		eps_ledger_text_add_decimal(text, checkpoint->total[i].dataset);
		eps_ledger_text_add(text, " ", 1);
		eps_ledger_text_add_decimal(text, checkpoint->total[i].units);
		eps_ledger_text_add(text, " ", 1);
		eps_ledger_text_add_decimal(text, checkpoint->total[i].delta_units);
		eps_ledger_text_add(text, "\n", 1);
	}
}

EpsStatus
eps_ledger_checkpoint_text(char *out, size_t room, size_t *n, const EpsCheckpoint *checkpoint)
{
	EpsText		text = {out, room, false};

	if (!is_writable(checkpoint))
		return EPS_E_RANGE;
	add_text(&text, checkpoint);
	if (text.full)
		return EPS_E_SPACE;
	*n = (size_t) (text.at - out);
	return EPS_OK;
}

EpsStatus
eps_ledger_checkpoint_sign(char *out, size_t room, size_t *n, const EpsCheckpoint *checkpoint,
						   const uint8_t secret[EPS_SIGN_SECRET_LEN])
{
	EpsText		text;
	uint8_t		signature[EPS_SIGN_LEN];
	size_t		signed_len;
	EpsStatus	status = eps_ledger_checkpoint_text(out, room, &signed_len, checkpoint);

	if (status != EPS_OK)
		return status;
	eps_crypto_sign(signature, (const uint8_t *) out, signed_len, secret);
	text = (EpsText) {out + signed_len, room - signed_len, false};
	eps_ledger_text_add(&text, "\n", 1);
	eps_ledger_note_add(&text, checkpoint->origin, EPS_NOTE_ED25519, secret + EPS_SIGN_SEED_LEN,
						signature, sizeof(signature));
	if (text.full)
		return EPS_E_SPACE;
	*n = (size_t) (text.at - out);
	return EPS_OK;
}

/* --- reading ------------------------------------------------------------------------- */

static bool
read_root(EpsHash *out, EpsSpan line)
{
	size_t		n;

	return eps_ledger_base64_read(out->b, EPS_HASH_LEN, &n, line) == EPS_OK && n == EPS_HASH_LEN;
}

/* "rho <data set> <units> <delta units>" */
static bool
read_total(EpsCheckpointTotal *out, EpsSpan line, uint32_t before)
{
	const EpsU128 most = ~(EpsU128) 0;
	EpsSpan		part;
	EpsU128		dataset;

	if (!eps_ledger_text_cut(&part, &line, ' ') || !eps_ledger_span_is(part, "rho") ||
		!eps_ledger_text_cut(&part, &line, ' ') ||
		eps_ledger_decimal_read(&dataset, part, UINT32_MAX) != EPS_OK || dataset <= before ||
		!eps_ledger_text_cut(&part, &line, ' ') ||
		eps_ledger_decimal_read(&out->units, part, most) != EPS_OK ||
		eps_ledger_decimal_read(&out->delta_units, line, most) != EPS_OK)
		return false;
	out->dataset = (uint32_t) dataset;
	return true;
}

static bool
read_text(EpsCheckpoint *out, EpsSpan text, const char *origin)
{
	EpsSpan		line;
	EpsU128		size;

	memset(out, 0, sizeof(*out));
	if (!eps_ledger_text_cut(&line, &text, '\n') || !eps_ledger_span_is(line, origin) ||
		line.len >= sizeof(out->origin))
		return false;
	memcpy(out->origin, line.at, line.len);
	if (!eps_ledger_text_cut(&line, &text, '\n') ||
		eps_ledger_decimal_read(&size, line, EPS_TREE_MAX) != EPS_OK ||
		!eps_ledger_text_cut(&line, &text, '\n') || !read_root(&out->root, line))
		return false;
	out->size = (uint64_t) size;
	while (eps_ledger_text_cut(&line, &text, '\n'))
	{
		uint32_t	before = out->ntotals == 0 ? 0 : out->total[out->ntotals - 1].dataset;

		if (out->ntotals == EPS_CHECKPOINT_TOTALS || !read_total(&out->total[out->ntotals], line, before))
			return false;
		out->ntotals++;
	}
	return text.len == 0;
}

/* The signature first: what nobody signed is not worth a word on its form. */
EpsStatus
eps_ledger_checkpoint_read(EpsCheckpoint *out, const char *note, size_t len,
						   const char *name, const uint8_t key[EPS_SIGN_PUBLIC_LEN])
{
	size_t		text_len;
	EpsStatus	status = eps_ledger_note_check(&text_len, note, len, name, key);

	if (status != EPS_OK)
		return status;
	return read_text(out, (EpsSpan) {note, text_len}, name) ? EPS_OK : EPS_E_FORMAT;
}

/* --- cosignatures ---------------------------------------------------------------------- */

/* What a witness signs: a line of its own, the time, and the text of the note. */
static EPS_MUST_USE EpsStatus
cosigned_text(char *out, size_t room, size_t *n, uint64_t seconds, EpsSpan note_text)
{
	EpsText		text = {out, room, false};

	eps_ledger_text_add_string(&text, "cosignature/v1\ntime ");
	eps_ledger_text_add_decimal(&text, seconds);
	eps_ledger_text_add(&text, "\n", 1);
	eps_ledger_text_add(&text, note_text.at, note_text.len);
	*n = (size_t) (text.at - out);
	return text.full ? EPS_E_SPACE : EPS_OK;
}

EpsStatus
eps_ledger_cosign(char out[EPS_COSIGNATURE_MAX], size_t *n, const char *note, size_t len,
				  const char *name, const uint8_t secret[EPS_SIGN_SECRET_LEN], uint64_t seconds)
{
	EpsText		line = {out, EPS_COSIGNATURE_MAX, false};
	char		message[EPS_CHECKPOINT_MAX];
	uint8_t		payload[8 + EPS_SIGN_LEN];
	uint8_t    *at = payload;
	EpsSpan		text;
	size_t		message_len;
	EpsStatus	status = eps_ledger_note_split(&text, (EpsSpan) {note, len});

	if (status == EPS_OK)
		status = cosigned_text(message, sizeof(message), &message_len, seconds, text);
	if (status != EPS_OK)
		return status;
	if (!eps_ledger_is_name((EpsSpan) {name, strlen(name)}))
		return EPS_E_RANGE;
	eps_base_write_u64(&at, seconds);
	eps_crypto_sign(at, (const uint8_t *) message, message_len, secret);
	eps_ledger_note_add(&line, name, EPS_NOTE_COSIGNATURE, secret + EPS_SIGN_SEED_LEN, payload, sizeof(payload));
	*n = (size_t) (line.at - out);
	return line.full ? EPS_E_SPACE : EPS_OK;
}

EpsStatus
eps_ledger_cosign_check(uint64_t *seconds, const char *note, size_t len,
						const char *name, const uint8_t key[EPS_SIGN_PUBLIC_LEN])
{
	char		message[EPS_CHECKPOINT_MAX];
	uint8_t		payload[8 + EPS_SIGN_LEN];
	EpsCursor	c = {payload, payload + sizeof(payload)};
	EpsSpan		text;
	size_t		message_len;
	uint64_t	when;
	EpsStatus	status = eps_ledger_note_read(&text, payload, sizeof(payload), (EpsSpan) {note, len},
											  name, EPS_NOTE_COSIGNATURE, key);

	if (status == EPS_OK)
		status = eps_base_read_u64(&when, &c);
	if (status == EPS_OK)
		status = cosigned_text(message, sizeof(message), &message_len, when, text);
	if (status == EPS_OK)
		status = eps_crypto_sign_check(c.at, (const uint8_t *) message, message_len, key);
	if (status == EPS_OK)
		*seconds = when;
	return status;
}
