/*
 * placeholder.c
 *	  The aggregates that stand for a release between planner_hook and the making
 *	  of its path.
 *
 * dp._release(...) is the only clause of HAVING of a release's query level: no
 * planner step drops or moves it, so the level is recognised whatever becomes of
 * its target list.  Its arguments are the plan as text, the group keys, the owner
 * key and the value columns, so that the planner carries their columns up and
 * treats their expressions as it does all others.  dp._output(j) stands for
 * output j, with the result type that the query expects.  Run as aggregates, both
 * raise an error.
 */
#include "pg/rewrite/rewrite_internal.h"

#include "catalog/pg_aggregate.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

static Aggref *
make_placeholder(Oid funcid, List *exprs, Oid type)
{
	Aggref	   *agg = makeNode(Aggref);
	ListCell   *lc;

	foreach(lc, exprs)
	{
		Expr	   *expr = lfirst(lc);

		agg->args = lappend(agg->args, makeTargetEntry(expr, foreach_current_index(lc) + 1, NULL, false));
		agg->aggargtypes = lappend_oid(agg->aggargtypes, exprType((Node *) expr));
	}
	agg->aggfnoid = funcid;
	agg->aggtype = type;
	agg->aggkind = AGGKIND_NORMAL;
	agg->aggsplit = AGGSPLIT_SIMPLE;
	agg->aggcollid = get_typcollation(type);
	agg->aggno = -1;
	agg->aggtransno = -1;
	agg->location = -1;
	return agg;
}

static Const *
plan_const(const EpsReleasePlan *plan)
{
	char	   *text = nodeToString(eps_release_plan_to_list(plan));

	return makeConst(TEXTOID, -1, DEFAULT_COLLATION_OID, -1, CStringGetTextDatum(text), false, false);
}

Aggref *
eps_rewrite_release_aggref(const EpsFunctions *functions, const EpsLevel *level)
{
	List	   *args = list_make1(plan_const(level->plan));

	args = list_concat(args, copyObject(level->keys));
	args = lappend(args, copyObject(level->owner));
	args = list_concat(args, copyObject(level->columns));
	return make_placeholder(functions->release, args, BOOLOID);
}

Aggref *
eps_rewrite_output_aggref(const EpsFunctions *functions, int output, Oid type)
{
	Const	   *number = makeConst(INT4OID, -1, InvalidOid, 4, Int32GetDatum(output), false, true);

	return make_placeholder(functions->output, list_make1(number), type);
}

/* In HAVING as the planner holds it: an implicit AND list, or one expression. */
Aggref *
eps_rewrite_find_release(Node *having, const EpsFunctions *functions)
{
	if (having != NULL && IsA(having, List) && list_length((List *) having) == 1)
		having = linitial((List *) having);
	if (having != NULL && IsA(having, Aggref) && ((Aggref *) having)->aggfnoid == functions->release)
		return (Aggref *) having;
	return NULL;
}

int
eps_rewrite_output_number(const Aggref *aggref)
{
	TargetEntry *entry = linitial_node(TargetEntry, aggref->args);

	return DatumGetInt32(castNode(Const, entry->expr)->constvalue);
}
