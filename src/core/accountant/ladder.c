/*
 * ladder.c
 *	  The levels that charges are rounded up to.
 *
 * The levels are part of every stored charge, so they come from integers alone
 * and are the same on every machine.
 */
#include "core/accountant/accountant.h"

#define TOP_LEVEL 253			/* 2^63 */

/* Up to here a level's units are its number: 2^((i-1)/4) grows more slowly. */
#define LAST_IDENTITY 17

/* ceil(2^63 * 2^(f/4)) for f = 0..3 */
static const uint64_t quarter_powers[4] = {
	UINT64_C(0x8000000000000000),
	UINT64_C(0x9837F0518DB8A970),
	UINT64_C(0xB504F333F9DE6485),
	UINT64_C(0xD744FCCAD69D6AF5)
};

unsigned
eps_accountant_ladder_top(void)
{
	return TOP_LEVEL;
}

/* ceil(2^(e + f/4)) with 4e + f = level - 1: the table's number, e - 63 places up. */
uint64_t
eps_accountant_ladder_units(unsigned level)
{
	unsigned	shift;
	uint64_t	power;

	if (level > TOP_LEVEL)
		return 0;
	if (level <= LAST_IDENTITY)
		return level;
	power = quarter_powers[(level - 1) % 4];
	shift = 63 - (level - 1) / 4;
	if (shift == 0)
		return power;
	return (power >> shift) + ((power & (((uint64_t) 1 << shift) - 1)) != 0);
}

/* 1 + 4 floor(log2 units), which is at or below units from LAST_IDENTITY on. */
static unsigned
level_of_power(uint64_t units)
{
	return 1 + 4 * (63 - (unsigned) __builtin_clzll(units));
}

EpsStatus
eps_accountant_ladder_up(unsigned *level, uint64_t units)
{
	unsigned	up;

	if (units > eps_accountant_ladder_units(TOP_LEVEL))
		return EPS_E_OVERFLOW;
	up = units <= LAST_IDENTITY ? (unsigned) units : level_of_power(units);
	while (eps_accountant_ladder_units(up) < units)
		up++;
	*level = up;
	return EPS_OK;
}

unsigned
eps_accountant_ladder_down(uint64_t units)
{
	unsigned	down;

	if (units <= LAST_IDENTITY)
		return (unsigned) units;
	down = level_of_power(units);
	while (down < TOP_LEVEL && eps_accountant_ladder_units(down + 1) <= units)
		down++;
	return down;
}
