/*
 * fuzz_cli_json.c
 *	  Proofs and statements as pg_epsilon reads them: nothing that is made up is
 *	  sound, for there is no key under which it could be.
 */
#include "fuzz.h"

#include "cli/cli.h"

/* Of another log than those of the corpus. */
static const char trusted[] =
"pg_epsilon/405bcf27cb06eb7415a2a3d4bceadfac+cd33d217+AQ7y676pP80EonFxYNG/AtpZ5owOAFmkyPz9BWBWYrK1";

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char	   *copy = (char *) fuzz_copy(data, size);
	char		why[256];

	FUZZ_CHECK(eps_cli_check_proof(copy, size, trusted, why) != EPS_CLI_GOOD);
	(void) eps_cli_check_proof(copy, size, NULL, why);
	FUZZ_CHECK(eps_cli_check_statement(copy, size, trusted, why) != EPS_CLI_GOOD);
	(void) eps_cli_check_statement(copy, size, NULL, why);
	free(copy);
	return 0;
}
