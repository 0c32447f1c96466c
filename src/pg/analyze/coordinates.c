/*
 * coordinates.c
 *	  Value columns and coordinates of a release under construction, without
 *	  repetition, and the integer units in which a sum is kept.
 */
#include "pg/analyze/analyze_internal.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"

/* --- columns and coordinates ---------------------------------------------------------- */

/* What is added up and what is told apart are columns of their own: of the first
 * NaN is no value, of the second it is one. */
static int
add_column(EpsBuild *build, Node *expr, bool distinct, Oid collation, const EpsFact *fact)
{
	EpsLevel   *level = build->scope->level;
	EpsPlanColumn *column;
	EpsFact    *copy;
	ListCell   *lc;

	foreach(lc, level->columns)
	{
		column = list_nth(build->columns, foreach_current_index(lc));
		if (column->distinct == distinct && equal(lfirst(lc), expr))
			return foreach_current_index(lc);
	}
	column = palloc0(sizeof(EpsPlanColumn));
	column->type = exprType(expr);
	column->distinct = distinct;
	column->collation = collation;
	copy = palloc(sizeof(EpsFact));
	*copy = *fact;
	level->columns = lappend(level->columns, expr);
	build->columns = lappend(build->columns, column);
	build->facts = lappend(build->facts, copy);
	return list_length(level->columns) - 1;
}

int
eps_analyze_add_column(EpsBuild *build, Node *expr, const EpsFact *fact)
{
	return add_column(build, expr, false, InvalidOid, fact);
}

int
eps_analyze_add_distinct_column(EpsBuild *build, Node *expr, Oid collation, const EpsFact *fact)
{
	return add_column(build, expr, true, collation, fact);
}

int
eps_analyze_add_coord(EpsBuild *build, EpsCoordKind kind, int column, double weight)
{
	EpsPlanCoord *coord;
	ListCell   *lc;

	foreach(lc, build->coords)
	{
		coord = lfirst(lc);
		if (coord->kind == kind && coord->column == column)
		{
			coord->weight = Max(coord->weight, weight);
			return foreach_current_index(lc);
		}
	}
	coord = palloc0(sizeof(EpsPlanCoord));
	coord->kind = kind;
	coord->column = column;
	coord->weight = weight;
	build->coords = lappend(build->coords, coord);
	return list_length(build->coords) - 1;
}

int
eps_analyze_find_coord(EpsBuild *build, EpsCoordKind kind, int column)
{
	ListCell   *lc;

	foreach(lc, build->coords)
	{
		EpsPlanCoord *coord = lfirst(lc);

		if (coord->kind == kind && coord->column == column)
			return foreach_current_index(lc);
	}
	return -1;
}

/* Every row has a value of this column: then counting the rows counts the values.
 * (Of floats and numerics NaN counts as no value.) */
static bool
always_counted(const EpsFact *fact, Oid type)
{
	return !fact->nullable && (type == INT2OID || type == INT4OID || type == INT8OID);
}

int
eps_analyze_count_column(EpsBuild *build, int column)
{
	EpsPlanColumn *c = list_nth(build->columns, column);
	EpsFact    *fact = list_nth(build->facts, column);

	return always_counted(fact, c->type) ? -1 : column;
}

/* --- units of a sum --------------------------------------------------------------------- */

static int64
to_units(double bound, double per_one)
{
	return (int64) rint(bound * per_one);
}

void
eps_analyze_set_units(EpsPlanColumn *column, const EpsFact *fact, int location)
{
	double		magnitude = Max(fabs(fact->lo), fabs(fact->hi));
	double		per_one;

	if (!fact->bounded || fact->natural)
		eps_analyze_unbounded(location, "the bounds of this sum or average are not known",
							  "Noise is calibrated to public bounds, which must be known before any row is read.",
							  "Declare the column's bounds with dp.set_bounds, or write dp.clamp(expression, lower, upper).");
	column->summed = true;
	if (column->type == FLOAT4OID || column->type == FLOAT8OID)
	{
		column->scale2 = magnitude > 0 ? Max((int32) ceil(log2(magnitude)) - 30, -1000) : -30;
		per_one = ldexp(1.0, -column->scale2);
	}
	else
	{
		column->scale10 = fact->scale >= 0 ? fact->scale : 9;
		while (column->scale10 > 0 && magnitude * pow(10, column->scale10) > (fact->scale >= 0 ? 1e15 : 1e9))
			column->scale10--;
		per_one = pow(10, column->scale10);
	}
	if (magnitude * per_one > 1e18)
		eps_analyze_unbounded(location, "the bounds of this sum or average are too wide", NULL,
							  "Declare narrower bounds with dp.set_bounds, or write dp.clamp(expression, lower, upper).");
	column->lower = to_units(fact->lo, per_one);
	column->upper = to_units(fact->hi, per_one);
}
