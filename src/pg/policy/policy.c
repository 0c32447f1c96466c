/*
 * policy.c
 *	  The room's entry.
 */
#include "pg/policy/policy_internal.h"

void
eps_policy_init(void)
{
	eps_policy_cache_init();
	eps_policy_session_init();
	eps_policy_ddl_init();
}
