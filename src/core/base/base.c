/*
 * base.c
 *	  Status texts, checked arithmetic, wiping, integer square root, reading and
 *	  writing of big-endian bytes.
 */
#include "core/base/base.h"

#include <string.h>

const char *
eps_base_status_text(EpsStatus status)
{
	switch (status)
	{
		case EPS_OK:
			return "ok";
		case EPS_E_RANGE:
			return "argument out of range";
		case EPS_E_OVERFLOW:
			return "result out of range";
		case EPS_E_ENTROPY:
			return "entropy source failed";
		case EPS_E_FORMAT:
			return "malformed bytes";
		case EPS_E_AUTH:
			return "authentication failed";
		case EPS_E_SPACE:
			return "buffer too small";
		case EPS_E_INTERNAL:
			return "internal error";
	}
	return "unknown status";
}

/*
 * The empty asm statement claims to read the bytes that buf points to, so the
 * stores before it are not dead, whatever the optimiser knows of the caller.
 */
void
eps_base_wipe(void *buf, size_t len)
{
	if (len == 0)
		return;
	memset(buf, 0, len);
	__asm__ __volatile__("" : : "r"(buf) : "memory");
}

EpsStatus
eps_base_add_u64(uint64_t *out, uint64_t a, uint64_t b)
{
	uint64_t	sum;

	if (__builtin_add_overflow(a, b, &sum))
		return EPS_E_OVERFLOW;
	*out = sum;
	return EPS_OK;
}

EpsStatus
eps_base_mul_u64(uint64_t *out, uint64_t a, uint64_t b)
{
	uint64_t	product;

	if (__builtin_mul_overflow(a, b, &product))
		return EPS_E_OVERFLOW;
	*out = product;
	return EPS_OK;
}

EpsStatus
eps_base_mul_u128(EpsU128 *out, EpsU128 a, EpsU128 b)
{
	if (a != 0 && b > ~(EpsU128) 0 / a)
		return EPS_E_OVERFLOW;
	*out = a * b;
	return EPS_OK;
}

uint64_t
eps_base_add_sat_u64(uint64_t a, uint64_t b)
{
	uint64_t	sum;

	return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

/*
 * Digit by digit in base 2: root is the part found, rest what is left of x
 * after subtracting its square, and bit the weight under trial.  root stays
 * below 2^127 and bit is at most 2^126, so nothing wraps for any x.
 */
uint64_t
eps_base_isqrt_u128(EpsU128 x)
{
	EpsU128		rest = x;
	EpsU128		root = 0;
	EpsU128		bit = (EpsU128) 1 << 126;

	while (bit > rest)
		bit >>= 2;
	for (; bit != 0; bit >>= 2)
	{
		if (rest >= root + bit)
		{
			rest -= root + bit;
			root = (root >> 1) + bit;
		}
		else
			root >>= 1;
	}
	return (uint64_t) root;
}

EpsStatus
eps_base_read_bytes(const uint8_t **out, EpsCursor *c, size_t len)
{
	if ((size_t) (c->end - c->at) < len)
		return EPS_E_FORMAT;
	*out = c->at;
	c->at += len;
	return EPS_OK;
}

/* The next width bytes, at most 8, as a big-endian number. */
static EPS_MUST_USE EpsStatus
read_big_endian(uint64_t *out, EpsCursor *c, size_t width)
{
	const uint8_t *bytes;
	uint64_t	value = 0;
	EpsStatus	status = eps_base_read_bytes(&bytes, c, width);

	if (status != EPS_OK)
		return status;
	for (size_t i = 0; i < width; i++)
		value = value << 8 | bytes[i];
	*out = value;
	return EPS_OK;
}

EpsStatus
eps_base_read_u8(uint8_t *out, EpsCursor *c)
{
	uint64_t	value;
	EpsStatus	status = read_big_endian(&value, c, sizeof(*out));

	if (status == EPS_OK)
		*out = (uint8_t) value;
	return status;
}

EpsStatus
eps_base_read_u16(uint16_t *out, EpsCursor *c)
{
	uint64_t	value;
	EpsStatus	status = read_big_endian(&value, c, sizeof(*out));

	if (status == EPS_OK)
		*out = (uint16_t) value;
	return status;
}

EpsStatus
eps_base_read_u32(uint32_t *out, EpsCursor *c)
{
	uint64_t	value;
	EpsStatus	status = read_big_endian(&value, c, sizeof(*out));

	if (status == EPS_OK)
		*out = (uint32_t) value;
	return status;
}

EpsStatus
eps_base_read_u64(uint64_t *out, EpsCursor *c)
{
	return read_big_endian(out, c, sizeof(*out));
}

EpsStatus
eps_base_read_u128(EpsU128 *out, EpsCursor *c)
{
	uint64_t	high;
	uint64_t	low;
	EpsStatus	status = eps_base_read_u64(&high, c);

	if (status == EPS_OK)
		status = eps_base_read_u64(&low, c);
	if (status == EPS_OK)
		*out = (EpsU128) high << 64 | low;
	return status;
}

/* The low width bytes of value, at most 8. */
static void
write_big_endian(uint8_t **at, uint64_t value, size_t width)
{
	for (size_t i = width; i-- > 0; value >>= 8)
		(*at)[i] = (uint8_t) value;
	*at += width;
}

void
eps_base_write_u8(uint8_t **at, uint8_t value)
{
	write_big_endian(at, value, sizeof(value));
}

void
eps_base_write_u16(uint8_t **at, uint16_t value)
{
	write_big_endian(at, value, sizeof(value));
}

void
eps_base_write_u32(uint8_t **at, uint32_t value)
{
	write_big_endian(at, value, sizeof(value));
}

void
eps_base_write_u64(uint8_t **at, uint64_t value)
{
	write_big_endian(at, value, sizeof(value));
}

void
eps_base_write_u128(uint8_t **at, EpsU128 value)
{
	eps_base_write_u64(at, (uint64_t) (value >> 64));
	eps_base_write_u64(at, (uint64_t) value);
}

void
eps_base_write_bytes(uint8_t **at, const uint8_t *bytes, size_t len)
{
	if (len > 0)
		memcpy(*at, bytes, len);
	*at += len;
}
