/*
 * noise.c
 *	  Exact samplers of Canonne, Kamath and Steinke (2020), in integers.
 *
 * What takes how long depends on the value drawn (CKS are rejection samplers);
 * the release node hides that by drawing a fixed number of values at once.
 */
#include "core/noise/noise.h"

#include <string.h>

/* --- random bits ---------------------------------------------------------- */

#define BITS_WORDS 8

/*
 * The random bits of one call: fetched a few words at a time, more after the
 * first fetches were not enough, and wiped when the call ends.
 */
typedef struct Bits
{
	EpsEntropy *entropy;
	uint64_t	word;			/* bits not yet used, low end first */
	unsigned	word_left;
	unsigned	next;			/* next unused of words[] */
	unsigned	fetched;		/* words[] in the current fetch: 0, 2, 4 or 8 */
	uint64_t	words[BITS_WORDS];
} Bits;

static void
bits_begin(Bits *bits, EpsEntropy *entropy)
{
	bits->entropy = entropy;
	bits->word = 0;
	bits->word_left = 0;
	bits->next = 0;
	bits->fetched = 0;
}

static void
bits_end(Bits *bits)
{
	eps_base_wipe(bits->words, bits->fetched * sizeof(bits->words[0]));
	eps_base_wipe(&bits->word, sizeof(bits->word));
}

static EPS_MUST_USE EpsStatus
next_word(Bits *bits)
{
	if (bits->next == bits->fetched)
	{
		unsigned	want = bits->fetched == 0 ? 2 : bits->fetched * 2;

		if (want > BITS_WORDS)
			want = BITS_WORDS;
		bits->fetched = want;
		bits->next = 0;
		if (bits->entropy->fill(bits->entropy->ctx, (uint8_t *) bits->words,
								want * sizeof(bits->words[0])) != EPS_OK)
			return EPS_E_ENTROPY;
	}
	bits->word = bits->words[bits->next++];
	bits->word_left = 64;
	return EPS_OK;
}

static inline EPS_MUST_USE EpsStatus
take_bit(Bits *bits, unsigned *bit)
{
	if (bits->word_left == 0)
	{
		EpsStatus	status = next_word(bits);

		if (status != EPS_OK)
			return status;
	}
	*bit = (unsigned) (bits->word & 1);
	bits->word >>= 1;
	bits->word_left--;
	return EPS_OK;
}

/* count of 0 to 64 random bits */
static EPS_MUST_USE EpsStatus
take_bits(Bits *bits, unsigned count, uint64_t *out)
{
	uint64_t	value = 0;
	unsigned	have = 0;

	while (have < count)
	{
		unsigned	part = count - have;

		if (bits->word_left == 0)
		{
			EpsStatus	status = next_word(bits);

			if (status != EPS_OK)
				return status;
		}
		if (part > bits->word_left)
			part = bits->word_left;
		if (part == 64)
		{
			value = bits->word;
			bits->word = 0;
		}
		else
		{
			value |= (bits->word & (((uint64_t) 1 << part) - 1)) << have;
			bits->word >>= part;
		}
		bits->word_left -= part;
		have += part;
	}
	*out = value;
	return EPS_OK;
}

/* --- uniform and Bernoulli ------------------------------------------------ */

/*
 * Uniform on [0, bound): as many bits as bound - 1 has, drawn again while they
 * are not below bound (fewer than half of the draws).  A multiplication or a
 * remainder instead would be biased.
 */
static EPS_MUST_USE EpsStatus
uniform(Bits *bits, uint64_t bound, uint64_t *out)
{
	unsigned	width = bound > 1 ? 64 - (unsigned) __builtin_clzll(bound - 1) : 0;

	do
	{
		EpsStatus	status = take_bits(bits, width, out);

		if (status != EPS_OK)
			return status;
	} while (*out >= bound);
	return EPS_OK;
}

/*
 * Compares the binary expansion of num/den with one of random bits, from the
 * top; they part after two bits on average.  num < den throughout: den - num is
 * at least 1, and 2 num is formed only where it is below den, so nothing wraps
 * for any 128-bit den.
 */
static EPS_MUST_USE EpsStatus
bernoulli(Bits *bits, EpsU128 num, EpsU128 den, bool *out)
{
	if (num >= den)
	{
		*out = true;
		return EPS_OK;
	}
	while (num != 0)
	{
		unsigned	digit;
		unsigned	bit;
		EpsStatus	status = take_bit(bits, &bit);

		if (status != EPS_OK)
			return status;
		digit = num >= den - num;
		num = digit ? num - (den - num) : num + num;
		if (digit != bit)
		{
			*out = digit > bit;
			return EPS_OK;
		}
	}
	*out = false;				/* the expansion ended: the random number is not below it */
	return EPS_OK;
}

/*
 * exp(-num/den) for num <= den: CKS Algorithm 1, first part.  The trial with
 * probability num / (den k) is a trial with num/den and one with 1/k, so that
 * den k need not be formed.
 */
static EPS_MUST_USE EpsStatus
bernoulli_exp_unit(Bits *bits, EpsU128 num, EpsU128 den, bool *out)
{
	uint64_t	k = 0;
	bool		more;

	do
	{
		EpsStatus	status;

		k++;
		status = bernoulli(bits, 1, k, &more);
		if (status == EPS_OK && more)
			status = bernoulli(bits, num, den, &more);
		if (status != EPS_OK)
			return status;
	} while (more);
	*out = k % 2 == 1;
	return EPS_OK;
}

/*
 * exp(-num/den): CKS Algorithm 1.  Each turn of the loop ends the call with
 * probability 1 - 1/e, however large num/den is.
 */
static EPS_MUST_USE EpsStatus
bernoulli_exp(Bits *bits, EpsU128 num, EpsU128 den, bool *out)
{
	while (num > den)
	{
		EpsStatus	status = bernoulli_exp_unit(bits, 1, 1, out);

		if (status != EPS_OK || !*out)
			return status;
		num -= den;
	}
	return bernoulli_exp_unit(bits, num, den, out);
}

/* --- discrete Laplace ------------------------------------------------------ */

#define LAPLACE_MAX_NUM ((uint64_t) 1 << 40)
#define LAPLACE_MAX_DEN ((uint64_t) 1 << 20)
#define LAPLACE_SATURATED ((uint64_t) 1 << 62)

/*
 * |x| before the sign: floor((u + num v) / den) with u uniform on [0, num) and
 * kept with probability exp(-u/num), v geometric with ratio 1/e.
 *
 * num v < 2^40 2^64 fits 128 bits.  x >= 2^62 needs num v >= 2^62 - 2^40, so
 * v >= 2^21, which has probability exp(-2^21).
 */
static EPS_MUST_USE EpsStatus
laplace_magnitude(Bits *bits, uint64_t num, uint64_t den, uint64_t *out)
{
	uint64_t	u;
	uint64_t	v = 0;
	bool		more;
	EpsU128		x;
	EpsStatus	status;

	do
	{
		status = uniform(bits, num, &u);
		if (status == EPS_OK)
			status = bernoulli_exp_unit(bits, u, num, &more);
		if (status != EPS_OK)
			return status;
	} while (!more);

	for (;;)
	{
		status = bernoulli_exp_unit(bits, 1, 1, &more);
		if (status != EPS_OK)
			return status;
		if (!more)
			break;
		v++;
	}
	x = u + (EpsU128) num * v;
	if (den != 1)
		x /= den;
	*out = x < LAPLACE_SATURATED ? (uint64_t) x : LAPLACE_SATURATED;
	return EPS_OK;
}

/*
 * CKS Algorithm 2.  The loop draws again only for "minus zero", which belongs to
 * the algorithm and makes the law exact; a saturated value is returned as it is.
 */
static EPS_MUST_USE EpsStatus
laplace(Bits *bits, uint64_t num, uint64_t den, int64_t *out)
{
	for (;;)
	{
		uint64_t	magnitude;
		unsigned	negative;
		EpsStatus	status = laplace_magnitude(bits, num, den, &magnitude);

		if (status == EPS_OK)
			status = take_bit(bits, &negative);
		if (status != EPS_OK)
			return status;
		if (negative && magnitude == 0)
			continue;
		*out = negative ? -(int64_t) magnitude : (int64_t) magnitude;
		return EPS_OK;
	}
}

/* --- discrete Gaussian ------------------------------------------------------ */

/* |y| from here on is accepted with a probability below exp(-2^26): never. */
#define GAUSSIAN_MAX ((uint64_t) 1 << 38)

/*
 * CKS Algorithm 3, with s2 = variance and t = floor(sqrt s2) + 1: a discrete
 * Laplace y of scale t is kept with probability exp(-(|y| t - s2)^2 / (2 s2 t^2)).
 *
 * Ranges: s2 <= 2^48, so t <= 2^24 + 1; |y| < 2^38, so |y| t < 2^63 and the
 * square is below 2^126; 2 s2 t^2 < 2^99.
 */
static EPS_MUST_USE EpsStatus
gaussian(Bits *bits, uint64_t variance, int64_t *out)
{
	uint64_t	t = eps_base_isqrt_u128(variance) + 1;
	EpsU128		den = (EpsU128) 2 * variance * t * t;

	for (;;)
	{
		int64_t		y;
		uint64_t	magnitude;
		uint64_t	off;
		bool		keep;
		EpsStatus	status = laplace(bits, t, 1, &y);

		if (status != EPS_OK)
			return status;
		magnitude = y < 0 ? (uint64_t) -y : (uint64_t) y;
		if (magnitude >= GAUSSIAN_MAX)
			continue;
		off = magnitude * t;
		off = off > variance ? off - variance : variance - off;
		status = bernoulli_exp(bits, (EpsU128) off * off, den, &keep);
		if (status != EPS_OK)
			return status;
		if (keep)
		{
			*out = y;
			return EPS_OK;
		}
	}
}

/* --- the room's functions ---------------------------------------------------- */

EpsStatus
eps_noise_uniform(uint64_t *out, uint64_t bound, EpsEntropy *entropy)
{
	Bits		bits;
	uint64_t	value = 0;
	EpsStatus	status;

	if (bound == 0)
		return EPS_E_RANGE;
	bits_begin(&bits, entropy);
	status = uniform(&bits, bound, &value);
	bits_end(&bits);
	if (status == EPS_OK)
		*out = value;
	return status;
}

EpsStatus
eps_noise_bernoulli(bool *out, EpsU128 num, EpsU128 den, EpsEntropy *entropy)
{
	Bits		bits;
	bool		value = false;
	EpsStatus	status;

	if (den == 0 || num > den)
		return EPS_E_RANGE;
	bits_begin(&bits, entropy);
	status = bernoulli(&bits, num, den, &value);
	bits_end(&bits);
	if (status == EPS_OK)
		*out = value;
	return status;
}

EpsStatus
eps_noise_bernoulli_exp(bool *out, EpsU128 num, EpsU128 den, EpsEntropy *entropy)
{
	Bits		bits;
	bool		value = false;
	EpsStatus	status;

	if (den == 0)
		return EPS_E_RANGE;
	bits_begin(&bits, entropy);
	status = bernoulli_exp(&bits, num, den, &value);
	bits_end(&bits);
	if (status == EPS_OK)
		*out = value;
	return status;
}

EpsStatus
eps_noise_laplace(int64_t *out, uint64_t num, uint64_t den, EpsEntropy *entropy)
{
	Bits		bits;
	int64_t		value = 0;
	EpsStatus	status;

	if (num < 1 || num >= LAPLACE_MAX_NUM || den < 1 || den >= LAPLACE_MAX_DEN)
		return EPS_E_RANGE;
	bits_begin(&bits, entropy);
	status = laplace(&bits, num, den, &value);
	bits_end(&bits);
	if (status == EPS_OK)
		*out = value;
	eps_base_wipe(&value, sizeof(value));
	return status;
}

EpsStatus
eps_noise_gaussian(int64_t *out, uint64_t variance, EpsEntropy *entropy)
{
	Bits		bits;
	int64_t		value = 0;
	EpsStatus	status;

	if (variance < 1 || variance > EPS_NOISE_MAX_VARIANCE)
		return EPS_E_RANGE;
	bits_begin(&bits, entropy);
	status = gaussian(&bits, variance, &value);
	bits_end(&bits);
	if (status == EPS_OK)
		*out = value;
	eps_base_wipe(&value, sizeof(value));
	return status;
}

EpsStatus
eps_noise_choose(uint32_t *index, uint32_t k, uint32_t n, EpsEntropy *entropy)
{
	Bits		bits;
	EpsStatus	status = EPS_OK;

	if (k > n)
		return EPS_E_RANGE;
	bits_begin(&bits, entropy);
	for (uint32_t i = 0; i < k; i++)
	{
		uint64_t	at;
		uint32_t	swap;

		status = uniform(&bits, n - i, &at);
		if (status != EPS_OK)
			break;
		swap = index[i];
		index[i] = index[i + at];
		index[i + at] = swap;
	}
	bits_end(&bits);
	return status;
}
