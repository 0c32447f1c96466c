/*
 * pattern.c
 *	  Patterns of LIKE beside protected rows: constants that no row makes fail.
 */
#include "pg/analyze/analyze_internal.h"

#define EPS_MAX_WILDCARDS 100

/*
 * A pattern that ends in a lone escape character raises once a row is there; and
 * each % is a level of recursion where a row matches that far.
 */
void
eps_analyze_check_pattern(const char *spelled, int location)
{
	size_t		length = strlen(spelled);
	int			escapes = 0;
	int			wildcards = 0;

	for (size_t n = length; n > 0 && spelled[n - 1] == '\\'; n--)
		escapes++;
	if (escapes % 2 != 0)
		eps_analyze_refuse(location, "the LIKE pattern must not end with an escape character", NULL, NULL);
	for (size_t i = 0; i < length; i++)
		wildcards += spelled[i] == '%';
	if (wildcards > EPS_MAX_WILDCARDS)
		eps_analyze_refuse(location, "the LIKE pattern must not have more than 100 percent signs", NULL, NULL);
}
