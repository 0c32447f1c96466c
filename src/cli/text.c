/*
 * text.c
 *	  Hexadecimal, base64, numbers and times as text.
 */
#include "cli/cli_internal.h"

#include <math.h>
#include <string.h>
#include <time.h>

void
eps_cli_hex(char *out, const uint8_t *bytes, size_t len)
{
	static const char digit[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++)
	{
		*out++ = digit[bytes[i] >> 4];
		*out++ = digit[bytes[i] & 15];
	}
	*out = '\0';
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

bool
eps_cli_unhex(uint8_t *out, size_t len, const char *in)
{
	if (strlen(in) != 2 * len)
		return false;
	for (size_t i = 0; i < len; i++)
	{
		int			high = hex_value(in[2 * i]);
		int			low = hex_value(in[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		out[i] = (uint8_t) (high << 4 | low);
	}
	return true;
}

/* --- base64 (RFC 4648, section 4) --------------------------------------------- */

static const char base64_digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void
eps_cli_base64(char *out, const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i += 3)
	{
		size_t		n = len - i < 3 ? len - i : 3;
		uint32_t	group = (uint32_t) bytes[i] << 16;

		if (n > 1)
			group |= (uint32_t) bytes[i + 1] << 8;
		if (n > 2)
			group |= bytes[i + 2];
		*out++ = base64_digit[group >> 18];
		*out++ = base64_digit[group >> 12 & 63];
		*out++ = n > 1 ? base64_digit[group >> 6 & 63] : '=';
		*out++ = n > 2 ? base64_digit[group & 63] : '=';
	}
	*out = '\0';
}

static int
base64_value(char c)
{
	const char *at = c == '\0' ? NULL : strchr(base64_digit, c);

	return at == NULL ? -1 : (int) (at - base64_digit);
}

/* One text for each value: padding where it belongs, unused bits zero. */
bool
eps_cli_unbase64(uint8_t *out, size_t room, size_t *n, const char *in, size_t len)
{
	uint32_t	bits = 0;
	unsigned	nbits = 0;
	size_t		digits = len;

	while (digits > 0 && len - digits < 2 && in[digits - 1] == '=')
		digits--;
	if (len % 4 != 0 || digits % 4 == 1)
		return false;
	*n = 0;
	for (size_t i = 0; i < digits; i++)
	{
		int			value = base64_value(in[i]);

		if (value < 0)
			return false;
		bits = bits << 6 | (uint32_t) value;
		nbits += 6;
		if (nbits >= 8)
		{
			if (*n == room)
				return false;
			nbits -= 8;
			out[(*n)++] = (uint8_t) (bits >> nbits);
			bits &= ((uint32_t) 1 << nbits) - 1;
		}
	}
	return bits == 0;
}

/* --- numbers and times ---------------------------------------------------------- */

void
eps_cli_u128(char out[40], EpsU128 value)
{
	char		reversed[40];
	int			n = 0;

	do
	{
		reversed[n++] = (char) ('0' + (int) (value % 10));
		value /= 10;
	} while (value > 0);
	for (int i = 0; i < n; i++)
		out[i] = reversed[n - 1 - i];
	out[n] = '\0';
}

double
eps_cli_units(EpsU128 units)
{
	return ldexp((double) (uint64_t) (units >> 64), 64 - EPS_UNIT_BITS) +
		ldexp((double) (uint64_t) units, -EPS_UNIT_BITS);
}

void
eps_cli_time(char out[32], uint64_t microseconds)
{
	time_t		seconds = (time_t) (microseconds / 1000000);
	struct tm	parts;

	if (gmtime_r(&seconds, &parts) == NULL || strftime(out, 32, "%Y-%m-%d %H:%M:%S UTC", &parts) == 0)
		strcpy(out, "no time");
}
