/*
 * filter.c
 *	  Admission of a charge, and the total of two accounts that are one person's.
 */
#include "core/accountant/accountant.h"

static bool
fits(uint64_t spent, uint64_t charge, uint64_t limit)
{
	return spent <= limit && charge <= limit - spent;
}

bool
eps_accountant_fits(uint64_t spent_rho, uint64_t rho, uint64_t limit_rho,
					uint64_t spent_delta, uint64_t delta, uint64_t limit_delta)
{
	return fits(spent_rho, rho, limit_rho) && fits(spent_delta, delta, limit_delta);
}

/*
 * (sqrt a + sqrt b)^2 = a + b + sqrt(4ab).  a + b >= 2 sqrt(ab), so from ab =
 * 2^126 on it does not fit; below, 4ab fits 128 bits.
 */
uint64_t
eps_accountant_merge_rho(uint64_t a, uint64_t b, bool pure)
{
	EpsU128		product = (EpsU128) a * b;
	EpsU128		root;
	EpsU128		sum;

	if (pure)
		return eps_base_add_sat_u64(a, b);
	if (product >> 126 != 0)
		return UINT64_MAX;
	product *= 4;
	root = eps_base_isqrt_u128(product);
	if (root * root < product)
		root++;
	sum = (EpsU128) a + b + root;
	return sum > UINT64_MAX ? UINT64_MAX : (uint64_t) sum;
}
