/*
 * program.c
 *	  Where the program begins; tests link the rest without it.
 */
#include "cli/cli.h"

int
main(int argc, char **argv)
{
	return eps_cli_main(argc, argv);
}
