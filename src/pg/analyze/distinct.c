/*
 * distinct.c
 *	  count(DISTINCT x) where x is not the owner key: a union of what owners offer
 *	  (docs/privacy.md, distinct values).
 */
#include "pg/analyze/analyze_internal.h"

#include "access/transam.h"
#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "utils/lsyscache.h"

/* As of keys of GROUP BY: equality is a builtin's own, and known to the byte. */
static void
check_equality(const Aggref *agg, Oid type, Oid collation)
{
	const SortGroupClause *clause = linitial_node(SortGroupClause, agg->aggdistinct);

	if (!eps_analyze_key_type(getBaseType(type)) || clause->eqop >= FirstGenbkiObjectId)
		eps_analyze_refuse(agg->location, "count(DISTINCT ...) of this type is not supported over protected rows", NULL,
						   "Count values of a builtin scalar type, for example cast to text.");
	if (OidIsValid(collation) && (collation >= FirstNormalObjectId || !get_collation_isdeterministic(collation)))
		eps_analyze_refuse(agg->location, "count(DISTINCT ...) under this collation is not supported over protected rows", NULL,
						   "Write COLLATE \"C\" behind the expression.");
}

/* How many values there can be, from public facts; 0 = unknown. */
static int64
domain_members(const EpsFact *fact, Oid type)
{
	if (fact->domain == EPS_DOMAIN_VALUES)
		return Max(list_length(fact->values), 1);
	if (fact->domain != EPS_DOMAIN_RANGE || fact->domain_hi < fact->domain_lo ||
		(uint64) fact->domain_hi - (uint64) fact->domain_lo >= (uint64) PG_INT32_MAX)
		return 0;
	switch (type)
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case NUMERICOID:
			return fact->domain_hi - fact->domain_lo + 1;
		default:
			return 0;
	}
}

int
eps_analyze_count_values(EpsBuild *build, const Aggref *agg, Node *value, const EpsFact *fact)
{
	Oid			type = exprType(value);
	Oid			collation = exprCollation(value);
	int			coord;
	EpsPlanCoord *made;

	check_equality(agg, type, collation);
	coord = eps_analyze_add_coord(build, EPS_COORD_VALUES,
								  eps_analyze_add_distinct_column(build, value, collation, fact), 1);
	made = list_nth(build->coords, coord);
	made->most = domain_members(fact, type);
	return coord;
}
