/*
 * canonical.c
 *	  A release in words that are equal for equal releases: the answer store's key
 *	  is made of them (rule 26).
 */
#include "postgres.h"

#include "pg/release/release_internal.h"

#include "nodes/nodes.h"

char *
eps_release_node_text(const void *node)
{
	char	   *text = nodeToString(node);
	char	   *in = text;
	char	   *out = text;

	while (*in != '\0')
	{
		/* blanks within a string are escaped there: only a field's name is met */
		if (strncmp(in, ":location ", 10) == 0)
		{
			for (in += 10; *in == '-' || (*in >= '0' && *in <= '9');)
				in++;
			continue;
		}
		*out++ = *in++;
	}
	*out = '\0';
	return text;
}

static void
append_coordinate(StringInfo out, const EpsCoordinate *c)
{
	appendStringInfo(out, "; %d %d " UINT64_FORMAT " " UINT64_FORMAT " " UINT64_FORMAT,
					 (int) c->kind, c->shift, c->variance, c->scale_num, c->scale_den);
}

/*
 * Everything of the price that decides what is answered and what it may cost.
 * delta_levels follow from it.
 */
static void
append_price(StringInfo out, const EpsReleasePrice *price)
{
	appendStringInfo(out, "price %d %d %d " INT64_FORMAT " " INT64_FORMAT " %d " UINT64_FORMAT " %d %u %u " INT64_FORMAT,
					 price->dataset->id, price->purpose, (int) price->noise,
					 price->rows_per_owner, price->groups_per_owner, price->thresholded,
					 price->ngroups, price->owners_coord, price->worst_level, price->worst_delta_level, price->tau);
	for (int j = 0; j < price->ncoords; j++)
		append_coordinate(out, &price->coords[j]);
	appendStringInfoChar(out, '\n');
}

/* The title names relations, which may be renamed. */
void
eps_release_canonical(StringInfo out, const EpsReleasePlan *plan, const EpsReleasePrice *price)
{
	EpsReleasePlan untitled = *plan;

	untitled.title = NULL;
	appendStringInfo(out, "plan %s\n", eps_release_node_text(eps_release_plan_to_list(&untitled)));
	append_price(out, price);
}
