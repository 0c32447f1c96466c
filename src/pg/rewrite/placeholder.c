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

#include "core/crypto/crypto.h"

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

/* --- the planning under way ------------------------------------------------- */

/* Of the innermost planning; nested ones save and restore it (eps_rewrite_leave). */
static EpsPlanning planning;

EpsPlanning
eps_rewrite_enter(void)
{
	EpsPlanning outer = planning;

	planning.active = false;
	return outer;
}

void
eps_rewrite_leave(const EpsPlanning *outer)
{
	planning = *outer;
}

/* Called when a statement was accepted: its placeholders are about to be made. */
void
eps_rewrite_authorize(void)
{
	eps_common_check(eps_crypto_random(planning.token, sizeof(planning.token)), "random token");
	planning.active = true;
}

#define EPS_TOKEN_TEXT (2 * sizeof(planning.token))

static char *
token_text(void)
{
	char	   *text = palloc(EPS_TOKEN_TEXT + 1);

	for (size_t i = 0; i < sizeof(planning.token); i++)
		sprintf(text + 2 * i, "%02x", planning.token[i]);
	return text;
}

/* The plan that a placeholder carries, or NULL where it was not made by this planning. */
char *
eps_rewrite_carried_text(const Aggref *release)
{
	TargetEntry *entry = release->args == NIL ? NULL : linitial(release->args);
	Const	   *value = entry == NULL ? NULL : (Const *) entry->expr;
	char	   *carried;

	if (!planning.active || value == NULL || !IsA(value, Const) || value->consttype != TEXTOID || value->constisnull)
		return NULL;
	carried = TextDatumGetCString(value->constvalue);
	if (strlen(carried) < EPS_TOKEN_TEXT || memcmp(carried, token_text(), EPS_TOKEN_TEXT) != 0)
		return NULL;
	return carried + EPS_TOKEN_TEXT;
}

static Const *
plan_const(const EpsReleasePlan *plan)
{
	char	   *text = psprintf("%s%s", token_text(), nodeToString(eps_release_plan_to_list(plan)));

	EPS_ENSURE(planning.active, "a release outside of a planning");
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
	if (having != NULL && IsA(having, Aggref) && ((Aggref *) having)->aggfnoid == functions->release &&
		eps_rewrite_carried_text((Aggref *) having) != NULL)
		return (Aggref *) having;
	return NULL;
}

int
eps_rewrite_output_number(const Aggref *aggref)
{
	TargetEntry *entry = linitial_node(TargetEntry, aggref->args);

	return DatumGetInt32(castNode(Const, entry->expr)->constvalue);
}
