/*
 * ledger_internal.h
 *	  What the files of core/ledger share: text forms of numbers and bytes.
 */
#ifndef EPS_CORE_LEDGER_INTERNAL_H
#define EPS_CORE_LEDGER_INTERNAL_H

#include "core/ledger/ledger.h"

/* A part of a text, not NUL-terminated. */
typedef struct EpsSpan
{
	const char *at;
	size_t		len;
} EpsSpan;

/*
 * Numbers in decimal, one form each: digits without leading zeros.  _write puts
 * out at most 39 digits and returns how many; _read wants the whole span.
 */
#define EPS_DECIMAL_MAX 39

extern size_t eps_ledger_decimal_write(char *out, EpsU128 value);
extern EPS_MUST_USE EpsStatus eps_ledger_decimal_read(EpsU128 *out, EpsSpan in, EpsU128 max);

/*
 * Base64 of RFC 4648, one form each: padded, unused bits zero.  _write puts out
 * EPS_BASE64_LEN(len) characters.  _read reads all of it, keeps the first room
 * bytes and says in *n how many there are.
 */
#define EPS_BASE64_LEN(len) (((len) + 2) / 3 * 4)

extern void eps_ledger_base64_write(char *out, const uint8_t *bytes, size_t len);
extern EPS_MUST_USE EpsStatus eps_ledger_base64_read(uint8_t *out, size_t room, size_t *n, EpsSpan in);

/* Appends to a buffer; once something did not fit, full stays set. */
typedef struct EpsText
{
	char	   *at;
	size_t		left;
	bool		full;
} EpsText;

extern void eps_ledger_text_add(EpsText *text, const char *bytes, size_t len);
extern void eps_ledger_text_add_string(EpsText *text, const char *string);
extern void eps_ledger_text_add_decimal(EpsText *text, EpsU128 value);

/* Cuts the part before the next separator off rest, and the separator; false where there is none. */
extern bool eps_ledger_text_cut(EpsSpan *part, EpsSpan *rest, char separator);
extern bool eps_ledger_span_is(EpsSpan span, const char *string);

/* UTF-8 without control characters, newline aside. */
extern bool eps_ledger_is_text(EpsSpan text);
/* Such text, not empty, without newline, white space or plus: the name of a key. */
extern bool eps_ledger_is_name(EpsSpan text);

/* --- bitmaps (RoaringFormatSpec) --------------------------------------------------- */

#define EPS_BITMAP_COOKIE_PLAIN	12346
#define EPS_BITMAP_COOKIE_RUNS	12347
#define EPS_BITMAP_NO_OFFSETS_BELOW 4	/* with run containers: fewer have no offset table */
#define EPS_BITMAP_ARRAY_MAX	4096
#define EPS_BITMAP_BITSET_LEN	8192

/*
 * Which form a container of card members in nruns runs has: runs where these
 * take less room than the array, with 2 bytes for its length, or the bitset.
 */
static inline bool
eps_ledger_bitmap_is_run(uint32_t card, uint32_t nruns)
{
	return 2 + nruns * 4 < (card > EPS_BITMAP_ARRAY_MAX ? EPS_BITMAP_BITSET_LEN : 2 + card * 2);
}

/* --- notes ------------------------------------------------------------------------- */

/* Types of signatures and keys of signed notes. */
#define EPS_NOTE_ED25519 0x01
#define EPS_NOTE_COSIGNATURE 0x04

/* What a line of a signature holds: key id, then what the type says. */
#define EPS_NOTE_ID_LEN 4
#define EPS_NOTE_SIGNATURE_MAX (EPS_NOTE_ID_LEN + 8 + EPS_SIGN_LEN)

/* Appends a signature line: name, and the id of the key before payload. */
extern void eps_ledger_note_add(EpsText *out, const char *name, uint8_t type,
								const uint8_t key[EPS_SIGN_PUBLIC_LEN], const uint8_t *payload, size_t len);

/* The text of a note, with its last newline; its signatures are left unread. */
extern EPS_MUST_USE EpsStatus eps_ledger_note_split(EpsSpan *text, EpsSpan note);

/*
 * Reads a note strictly: its text with the last newline, and what the line by
 * (name, type, key) holds after the key's id, len bytes of it.  EPS_E_FORMAT for
 * what is no note, EPS_E_AUTH where there is no such line of that length.
 */
extern EPS_MUST_USE EpsStatus eps_ledger_note_read(EpsSpan *text, uint8_t *payload, size_t len, EpsSpan note,
												   const char *name, uint8_t type,
												   const uint8_t key[EPS_SIGN_PUBLIC_LEN]);

#endif							/* EPS_CORE_LEDGER_INTERNAL_H */
