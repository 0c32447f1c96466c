/*
 * make_ledger.c
 *	  Makes an export of a ledger for tests and measurements, and says the verifier
 *	  key of its first key:
 *
 *	  make_ledger FOLDER [seed=N] [entries=N] [owners=N] [per_release=N]
 *		  [per_epoch=N] [fork_at=N] [stop_at=N] [statement=FILE]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledger_maker.h"

static bool
take(LedgerPlan *plan, char *argument)
{
	char	   *value = strchr(argument, '=');
	uint64_t	number;

	if (value == NULL)
		return false;
	*value++ = '\0';
	number = strtoull(value, NULL, 10);
	if (strcmp(argument, "seed") == 0)
		plan->seed = number;
	else if (strcmp(argument, "entries") == 0)
		plan->entries = number;
	else if (strcmp(argument, "owners") == 0)
		plan->owners = (uint32_t) number;
	else if (strcmp(argument, "per_release") == 0)
		plan->per_release = (uint32_t) number;
	else if (strcmp(argument, "per_epoch") == 0)
		plan->per_epoch = number;
	else if (strcmp(argument, "fork_at") == 0)
		plan->fork_at = number;
	else if (strcmp(argument, "stop_at") == 0)
		plan->stop_at = number;
	else if (strcmp(argument, "statement") == 0)
		plan->statement = value;
	else
		return false;
	return true;
}

int
main(int argc, char **argv)
{
	LedgerPlan	plan = {.seed = 1,.entries = 900,.owners = 60,.per_release = 12,.per_epoch = 90,.rotate = true};
	char		vkey[256];

	for (int i = 2; i < argc; i++)
		if (!take(&plan, argv[i]))
			return 2;
	if (argc < 2 || !ledger_make(argv[1], &plan, vkey))
		return 1;
	puts(vkey);
	return 0;
}
