/*
 * ladder.c
 *	  What levels cost, and what a promise is in epsilon: from core/accountant and
 *	  core/mechanism, which nothing else here needs.
 */
#include "cli/cli_internal.h"

#include "core/accountant/accountant.h"
#include "core/mechanism/mechanism.h"

bool
eps_cli_level_units(uint64_t *units, unsigned level)
{
	*units = 0;
	if (level > eps_accountant_ladder_top())
		return false;
	if (level > 0)
		*units = eps_accountant_ladder_units(level);
	return true;
}

uint64_t
eps_cli_merged_units(uint64_t a, uint64_t b, bool pure)
{
	return eps_accountant_merge_rho(a, b, pure);
}

double
eps_cli_epsilon(double rho, double conversion_delta)
{
	double		epsilon;

	if (rho <= 0)
		return 0;
	return eps_mechanism_zcdp_epsilon(&epsilon, rho, conversion_delta) == EPS_OK ? epsilon : -1;
}
