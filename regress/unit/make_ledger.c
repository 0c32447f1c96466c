/*
 * make_ledger.c
 *	  Makes an export of a ledger for tests and measurements:
 *	  make_ledger FOLDER SEED ENTRIES OWNERS PER_RELEASE PER_EPOCH FORK_AT
 *	  and says the verifier key of its first key.
 */
#include <stdio.h>
#include <stdlib.h>

#include "ledger_maker.h"

int
main(int argc, char **argv)
{
	LedgerPlan	plan = {.rotate = true};
	char		vkey[256];

	if (argc != 8)
		return 2;
	plan.seed = strtoull(argv[2], NULL, 10);
	plan.entries = strtoull(argv[3], NULL, 10);
	plan.owners = (uint32_t) strtoul(argv[4], NULL, 10);
	plan.per_release = (uint32_t) strtoul(argv[5], NULL, 10);
	plan.per_epoch = strtoull(argv[6], NULL, 10);
	plan.fork_at = strtoull(argv[7], NULL, 10);
	if (!ledger_make(argv[1], &plan, vkey))
		return 1;
	puts(vkey);
	return 0;
}
