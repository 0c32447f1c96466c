/*
 * base.h
 *	  What every room of the core stands on: status codes, checked arithmetic,
 *	  byte cursors, wiping, and the entropy interface.
 *
 * Promises: plain C11, no allocation, no input or output, no clock, no global
 * state.  Every function that can fail returns an EpsStatus that must be used.
 */
#ifndef EPS_CORE_BASE_H
#define EPS_CORE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EPS_MUST_USE __attribute__((warn_unused_result))

typedef enum EpsStatus
{
	EPS_OK = 0,
	EPS_E_RANGE,				/* an argument is outside its documented range */
	EPS_E_OVERFLOW,				/* the result does not fit its type */
	EPS_E_ENTROPY,				/* the entropy source failed */
	EPS_E_FORMAT,				/* foreign bytes are malformed */
	EPS_E_AUTH,					/* a tag or signature does not verify */
	EPS_E_SPACE,				/* the caller's buffer is too small */
	EPS_E_INTERNAL				/* cannot happen */
} EpsStatus;

/* Aligned as memory from any allocator is: the server's gives 8 bytes only, and
 * compilers use instructions that trap where a type's own alignment is missed. */
typedef unsigned __int128 EpsU128 __attribute__((aligned(8)));
typedef __int128 EpsI128 __attribute__((aligned(8)));

/* One unit of privacy loss: rho, delta and (in pure data sets) epsilon are
 * counted in integers of 2^-60. */
#define EPS_UNIT_BITS 60
#define EPS_UNITS_PER_ONE ((uint64_t) 1 << EPS_UNIT_BITS)

/*
 * A source of uniform random bytes.  fill() writes exactly len bytes or
 * returns EPS_E_ENTROPY; a caller never falls back to anything else.
 */
typedef struct EpsEntropy
{
	EpsStatus	(*fill) (void *ctx, uint8_t *buf, size_t len);
	void	   *ctx;
} EpsEntropy;

/* A fixed sentence for a status, for logs and tools. */
extern const char *eps_base_status_text(EpsStatus status);

/* Overwrites memory in a way that the compiler may not remove. */
extern void eps_base_wipe(void *buf, size_t len);

/* Checked arithmetic: EPS_E_OVERFLOW leaves *out untouched. */
extern EPS_MUST_USE EpsStatus eps_base_add_u64(uint64_t *out, uint64_t a, uint64_t b);
extern EPS_MUST_USE EpsStatus eps_base_mul_u64(uint64_t *out, uint64_t a, uint64_t b);
extern EPS_MUST_USE EpsStatus eps_base_mul_u128(EpsU128 *out, EpsU128 a, EpsU128 b);

/* Saturating addition, for running totals that must never wrap. */
extern uint64_t eps_base_add_sat_u64(uint64_t a, uint64_t b);

/* floor(sqrt(x)) */
extern uint64_t eps_base_isqrt_u128(EpsU128 x);

/* A reader over foreign bytes: reads are big-endian and bounds-checked. */
typedef struct EpsCursor
{
	const uint8_t *at;
	const uint8_t *end;
} EpsCursor;

extern EPS_MUST_USE EpsStatus eps_base_read_u8(uint8_t *out, EpsCursor *c);
extern EPS_MUST_USE EpsStatus eps_base_read_u16(uint16_t *out, EpsCursor *c);
extern EPS_MUST_USE EpsStatus eps_base_read_u32(uint32_t *out, EpsCursor *c);
extern EPS_MUST_USE EpsStatus eps_base_read_u64(uint64_t *out, EpsCursor *c);
extern EPS_MUST_USE EpsStatus eps_base_read_u128(EpsU128 *out, EpsCursor *c);
extern EPS_MUST_USE EpsStatus eps_base_read_bytes(const uint8_t **out, EpsCursor *c, size_t len);

/* Big-endian writes at *at, which moves past them; the caller has the room. */
extern void eps_base_write_u8(uint8_t **at, uint8_t value);
extern void eps_base_write_u16(uint8_t **at, uint16_t value);
extern void eps_base_write_u32(uint8_t **at, uint32_t value);
extern void eps_base_write_u64(uint8_t **at, uint64_t value);
extern void eps_base_write_u128(uint8_t **at, EpsU128 value);
extern void eps_base_write_bytes(uint8_t **at, const uint8_t *bytes, size_t len);

#endif							/* EPS_CORE_BASE_H */
