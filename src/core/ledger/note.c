/*
 * note.c
 *	  Signed notes and verifier keys (C2SP signed-note).
 *
 * Stricter than that specification where it leaves a choice: base64 in its one
 * form, at most SIGNATURES_MAX lines, no two of one key.  Lines of keys and types
 * that nobody asked for are read and left alone, as it demands.
 */
#include "core/ledger/ledger_internal.h"

#include <string.h>

#define DASH "\xE2\x80\x94 "	/* U+2014 and a space */
#define DASH_LEN (sizeof(DASH) - 1)
#define SIGNATURES_MAX 100
#define NAME_MAX 127

typedef struct Signature
{
	EpsSpan		name;
	uint8_t		bytes[EPS_NOTE_SIGNATURE_MAX];
	size_t		len;			/* may be more than bytes holds */
} Signature;

/* A key's id: the first bytes of SHA-256(name, newline, type, key). */
static void
key_id(uint8_t id[EPS_NOTE_ID_LEN], const char *name, uint8_t type, const uint8_t key[EPS_SIGN_PUBLIC_LEN])
{
	uint8_t		middle[2] = {'\n', type};
	uint8_t		out[EPS_SHA256_LEN];
	EpsSha256	hash;

	eps_crypto_sha256_begin(&hash);
	eps_crypto_sha256_add(&hash, (const uint8_t *) name, strlen(name));
	eps_crypto_sha256_add(&hash, middle, sizeof(middle));
	eps_crypto_sha256_add(&hash, key, EPS_SIGN_PUBLIC_LEN);
	eps_crypto_sha256_end(out, &hash);
	memcpy(id, out, EPS_NOTE_ID_LEN);
}

/* --- verifier keys ------------------------------------------------------------------ */

static bool
is_key_name(EpsSpan name)
{
	return name.len <= NAME_MAX && eps_ledger_is_name(name);
}

static EPS_MUST_USE EpsStatus
vkey_write(char out[256], const char *name, uint8_t type, const uint8_t key[EPS_SIGN_PUBLIC_LEN])
{
	static const char hex[] = "0123456789abcdef";
	EpsText		text = {out, 256, false};
	uint8_t		typed[1 + EPS_SIGN_PUBLIC_LEN];
	char		encoded[EPS_BASE64_LEN(sizeof(typed))];
	uint8_t		id[EPS_NOTE_ID_LEN];

	if (!is_key_name((EpsSpan) {name, strlen(name)}))
		return EPS_E_RANGE;
	key_id(id, name, type, key);
	typed[0] = type;
	memcpy(typed + 1, key, EPS_SIGN_PUBLIC_LEN);
	eps_ledger_base64_write(encoded, typed, sizeof(typed));

	eps_ledger_text_add_string(&text, name);
	eps_ledger_text_add(&text, "+", 1);
	for (int i = 0; i < EPS_NOTE_ID_LEN; i++)
	{
		eps_ledger_text_add(&text, &hex[id[i] >> 4], 1);
		eps_ledger_text_add(&text, &hex[id[i] & 15], 1);
	}
	eps_ledger_text_add(&text, "+", 1);
	eps_ledger_text_add(&text, encoded, sizeof(encoded));
	eps_ledger_text_add(&text, "", 1);
	return text.full ? EPS_E_SPACE : EPS_OK;
}

/* Reads name and key, and compares the whole with what would be written of them. */
static EPS_MUST_USE EpsStatus
vkey_read(char name[128], uint8_t key[EPS_SIGN_PUBLIC_LEN], uint8_t type, EpsSpan in)
{
	EpsSpan		rest = in;
	EpsSpan		part;
	uint8_t		typed[1 + EPS_SIGN_PUBLIC_LEN];
	char		again[256];
	char		found[128];
	size_t		n;

	if (!eps_ledger_text_cut(&part, &rest, '+') || !is_key_name(part))
		return EPS_E_FORMAT;
	memcpy(found, part.at, part.len);
	found[part.len] = '\0';
	if (!eps_ledger_text_cut(&part, &rest, '+') ||
		eps_ledger_base64_read(typed, sizeof(typed), &n, rest) != EPS_OK ||
		n != sizeof(typed) || typed[0] != type)
		return EPS_E_FORMAT;
	if (vkey_write(again, found, type, typed + 1) != EPS_OK || !eps_ledger_span_is(in, again))
		return EPS_E_FORMAT;
	memcpy(name, found, strlen(found) + 1);
	memcpy(key, typed + 1, EPS_SIGN_PUBLIC_LEN);
	return EPS_OK;
}

EpsStatus
eps_ledger_vkey_write(char out[256], const char *name, const uint8_t key[EPS_SIGN_PUBLIC_LEN])
{
	return vkey_write(out, name, EPS_NOTE_ED25519, key);
}

EpsStatus
eps_ledger_vkey_read(char name[128], uint8_t key[EPS_SIGN_PUBLIC_LEN], const char *in, size_t len)
{
	return vkey_read(name, key, EPS_NOTE_ED25519, (EpsSpan) {in, len});
}

EpsStatus
eps_ledger_cosigner_vkey_write(char out[256], const char *name, const uint8_t key[EPS_SIGN_PUBLIC_LEN])
{
	return vkey_write(out, name, EPS_NOTE_COSIGNATURE, key);
}

EpsStatus
eps_ledger_cosigner_vkey_read(char name[128], uint8_t key[EPS_SIGN_PUBLIC_LEN], const char *in, size_t len)
{
	return vkey_read(name, key, EPS_NOTE_COSIGNATURE, (EpsSpan) {in, len});
}

/* --- notes -------------------------------------------------------------------------- */

void
eps_ledger_note_add(EpsText *out, const char *name, uint8_t type, const uint8_t key[EPS_SIGN_PUBLIC_LEN],
					const uint8_t *payload, size_t len)
{
	uint8_t		bytes[EPS_NOTE_SIGNATURE_MAX];
	char		encoded[EPS_BASE64_LEN(EPS_NOTE_SIGNATURE_MAX)];

	key_id(bytes, name, type, key);
	memcpy(bytes + EPS_NOTE_ID_LEN, payload, len);
	eps_ledger_base64_write(encoded, bytes, EPS_NOTE_ID_LEN + len);
	eps_ledger_text_add_string(out, DASH);
	eps_ledger_text_add_string(out, name);
	eps_ledger_text_add(out, " ", 1);
	eps_ledger_text_add(out, encoded, EPS_BASE64_LEN(EPS_NOTE_ID_LEN + len));
	eps_ledger_text_add(out, "\n", 1);
}

/* The text is all up to the last empty line, what follows are signatures. */
static bool
split_note(EpsSpan *text, EpsSpan *signatures, EpsSpan note)
{
	if (note.len > EPS_NOTE_MAX || !eps_ledger_is_text(note))
		return false;
	for (size_t end = note.len; end >= 2; end--)
	{
		if (note.at[end - 1] != '\n' || note.at[end - 2] != '\n')
			continue;
		*text = (EpsSpan) {note.at, end - 1};
		*signatures = (EpsSpan) {note.at + end, note.len - end};
		return signatures->len > 0;
	}
	return false;
}

EpsStatus
eps_ledger_note_split(EpsSpan *text, EpsSpan note)
{
	EpsSpan		signatures;

	return split_note(text, &signatures, note) ? EPS_OK : EPS_E_FORMAT;
}

static bool
next_signature(Signature *out, EpsSpan *rest)
{
	EpsSpan		line;

	if (!eps_ledger_text_cut(&line, rest, '\n') || line.len < DASH_LEN || memcmp(line.at, DASH, DASH_LEN) != 0)
		return false;
	line.at += DASH_LEN;
	line.len -= DASH_LEN;
	return eps_ledger_text_cut(&out->name, &line, ' ') && eps_ledger_is_name(out->name) &&
		eps_ledger_base64_read(out->bytes, sizeof(out->bytes), &out->len, line) == EPS_OK &&
		out->len > EPS_NOTE_ID_LEN;
}

typedef struct Seen
{
	EpsSpan		name;
	uint8_t		id[EPS_NOTE_ID_LEN];
} Seen;

static bool
is_of(const Signature *signature, EpsSpan name, const uint8_t id[EPS_NOTE_ID_LEN])
{
	return signature->name.len == name.len && memcmp(signature->name.at, name.at, name.len) == 0 &&
		memcmp(signature->bytes, id, EPS_NOTE_ID_LEN) == 0;
}

/* Goes through all lines, also after the one wanted: none may be malformed. */
static EPS_MUST_USE EpsStatus
find_signature(Signature *out, EpsSpan rest, EpsSpan name, const uint8_t id[EPS_NOTE_ID_LEN])
{
	Seen		seen[SIGNATURES_MAX];
	unsigned	n = 0;
	bool		found = false;

	while (rest.len > 0)
	{
		Signature	signature;

		if (n == SIGNATURES_MAX || !next_signature(&signature, &rest))
			return EPS_E_FORMAT;
		for (unsigned i = 0; i < n; i++)
			if (is_of(&signature, seen[i].name, seen[i].id))
				return EPS_E_FORMAT;
		seen[n].name = signature.name;
		memcpy(seen[n++].id, signature.bytes, EPS_NOTE_ID_LEN);
		if (is_of(&signature, name, id))
		{
			*out = signature;
			found = true;
		}
	}
	return found ? EPS_OK : EPS_E_AUTH;
}

EpsStatus
eps_ledger_note_read(EpsSpan *text, uint8_t *payload, size_t len, EpsSpan note,
					 const char *name, uint8_t type, const uint8_t key[EPS_SIGN_PUBLIC_LEN])
{
	EpsSpan		signatures;
	Signature	signature;
	uint8_t		id[EPS_NOTE_ID_LEN];
	EpsStatus	status;

	if (!split_note(text, &signatures, note))
		return EPS_E_FORMAT;
	key_id(id, name, type, key);
	status = find_signature(&signature, signatures, (EpsSpan) {name, strlen(name)}, id);
	if (status != EPS_OK)
		return status;
	if (signature.len != EPS_NOTE_ID_LEN + len)
		return EPS_E_AUTH;
	memcpy(payload, signature.bytes + EPS_NOTE_ID_LEN, len);
	return EPS_OK;
}

EpsStatus
eps_ledger_note_check(size_t *text_len, const char *note, size_t len,
					  const char *name, const uint8_t key[EPS_SIGN_PUBLIC_LEN])
{
	uint8_t		signature[EPS_SIGN_LEN];
	EpsSpan		text;
	EpsStatus	status = eps_ledger_note_read(&text, signature, sizeof(signature), (EpsSpan) {note, len},
											  name, EPS_NOTE_ED25519, key);

	if (status == EPS_OK)
		status = eps_crypto_sign_check(signature, (const uint8_t *) text.at, text.len, key);
	if (status == EPS_OK)
		*text_len = text.len;
	return status;
}
