/*
 * text.c
 *	  Decimal numbers, base64 and UTF-8, each read in its one canonical form, and
 *	  the pieces of lines.
 */
#include "core/ledger/ledger_internal.h"

#include <string.h>

/* --- decimal ----------------------------------------------------------------------- */

size_t
eps_ledger_decimal_write(char *out, EpsU128 value)
{
	char		digit[EPS_DECIMAL_MAX];
	size_t		n = 0;

	do
	{
		digit[n++] = (char) ('0' + (int) (value % 10));
		value /= 10;
	} while (value != 0);
	for (size_t i = 0; i < n; i++)
		out[i] = digit[n - 1 - i];
	return n;
}

EpsStatus
eps_ledger_decimal_read(EpsU128 *out, EpsSpan in, EpsU128 max)
{
	EpsU128		value = 0;

	if (in.len == 0 || (in.len > 1 && in.at[0] == '0'))
		return EPS_E_FORMAT;
	for (size_t i = 0; i < in.len; i++)
	{
		unsigned	digit = (unsigned) (uint8_t) in.at[i] - '0';

		if (digit > 9 || digit > max || value > (max - digit) / 10)
			return EPS_E_FORMAT;
		value = value * 10 + digit;
	}
	*out = value;
	return EPS_OK;
}

/* --- base64 ------------------------------------------------------------------------ */

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void
eps_ledger_base64_write(char *out, const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i += 3)
	{
		uint32_t	group = (uint32_t) bytes[i] << 16;

		if (i + 1 < len)
			group |= (uint32_t) bytes[i + 1] << 8;
		if (i + 2 < len)
			group |= bytes[i + 2];
		*out++ = alphabet[group >> 18];
		*out++ = alphabet[group >> 12 & 63];
		*out++ = i + 1 < len ? alphabet[group >> 6 & 63] : '=';
		*out++ = i + 2 < len ? alphabet[group & 63] : '=';
	}
}

static int
value_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Four characters, of which the last `padding` are '='; false where bits are left over. */
static bool
read_group(uint32_t *group, const char *in, unsigned padding)
{
	uint32_t	bits = 0;

	for (unsigned i = 0; i < 4; i++)
	{
		int			value = i < 4 - padding ? value_of(in[i]) : 0;

		if (value < 0)
			return false;
		bits = bits << 6 | (uint32_t) value;
	}
	*group = bits;
	return (bits & (((uint32_t) 1 << (8 * padding)) - 1)) == 0;
}

EpsStatus
eps_ledger_base64_read(uint8_t *out, size_t room, size_t *n, EpsSpan in)
{
	unsigned	padding = 0;
	size_t		len;

	if (in.len % 4 != 0)
		return EPS_E_FORMAT;
	while (padding < 2 && padding < in.len && in.at[in.len - 1 - padding] == '=')
		padding++;
	len = in.len / 4 * 3 - padding;
	for (size_t i = 0; i < in.len / 4; i++)
	{
		bool		last = i + 1 == in.len / 4;
		uint32_t	group;

		if (!read_group(&group, in.at + 4 * i, last ? padding : 0))
			return EPS_E_FORMAT;
		for (size_t b = 0; b < 3 && 3 * i + b < len && 3 * i + b < room; b++)
			out[3 * i + b] = (uint8_t) (group >> (16 - 8 * b));
	}
	*n = len;
	return EPS_OK;
}

/* --- pieces ------------------------------------------------------------------------ */

void
eps_ledger_text_add(EpsText *text, const char *bytes, size_t len)
{
	if (text->full || len > text->left)
	{
		text->full = true;
		return;
	}
	memcpy(text->at, bytes, len);
	text->at += len;
	text->left -= len;
}

void
eps_ledger_text_add_string(EpsText *text, const char *string)
{
	eps_ledger_text_add(text, string, strlen(string));
}

void
eps_ledger_text_add_decimal(EpsText *text, EpsU128 value)
{
	char		digits[EPS_DECIMAL_MAX];

	eps_ledger_text_add(text, digits, eps_ledger_decimal_write(digits, value));
}

bool
eps_ledger_text_cut(EpsSpan *part, EpsSpan *rest, char separator)
{
	const char *end = rest->len == 0 ? NULL : memchr(rest->at, separator, rest->len);

	if (end == NULL)
		return false;
	part->at = rest->at;
	part->len = (size_t) (end - rest->at);
	rest->at = end + 1;
	rest->len -= part->len + 1;
	return true;
}

bool
eps_ledger_span_is(EpsSpan span, const char *string)
{
	return span.len == strlen(string) && memcmp(span.at, string, span.len) == 0;
}

/* --- UTF-8 ------------------------------------------------------------------------- */

/*
 * The next code point of well-formed UTF-8 (Unicode, table 3-7) and its length;
 * 0 for anything else.
 */
static size_t
next_code(uint32_t *code, EpsSpan text)
{
	uint8_t		first = (uint8_t) text.at[0];
	size_t		len = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
	static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};

	if ((first >= 0x80 && first < 0xC2) || first > 0xF4 || len > text.len)
		return 0;
	*code = len == 1 ? first : first & (0x7Fu >> len);
	for (size_t i = 1; i < len; i++)
	{
		if (((uint8_t) text.at[i] & 0xC0) != 0x80)
			return 0;
		*code = *code << 6 | ((uint8_t) text.at[i] & 0x3F);
	}
	if (*code < least[len] || *code > 0x10FFFF || (*code >= 0xD800 && *code <= 0xDFFF))
		return 0;
	return len;
}

bool
eps_ledger_is_text(EpsSpan text)
{
	while (text.len > 0)
	{
		uint32_t	code;
		size_t		len = next_code(&code, text);

		if (len == 0 || (code < 0x20 && code != '\n'))
			return false;
		text.at += len;
		text.len -= len;
	}
	return true;
}

/* White space as Unicode 15 has it (property White_Space). */
static bool
is_space(uint32_t code)
{
	return (code >= 0x09 && code <= 0x0D) || code == 0x20 || code == 0x85 || code == 0xA0 ||
		code == 0x1680 || (code >= 0x2000 && code <= 0x200A) || code == 0x2028 || code == 0x2029 ||
		code == 0x202F || code == 0x205F || code == 0x3000;
}

bool
eps_ledger_is_name(EpsSpan text)
{
	if (text.len == 0 || !eps_ledger_is_text(text))
		return false;
	while (text.len > 0)
	{
		uint32_t	code;
		size_t		len = next_code(&code, text);

		if (is_space(code) || code == '+')
			return false;
		text.at += len;
		text.len -= len;
	}
	return true;
}
