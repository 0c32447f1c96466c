/*
 * source.c
 *	  What the range-table entries of a level are, and what is publicly known of
 *	  their columns.
 */
#include "pg/analyze/analyze_internal.h"

#include <math.h>

#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parsetree.h"
#include "utils/lsyscache.h"

int
eps_analyze_nvisible(const Query *query)
{
	int			n = 0;
	ListCell   *lc;

	foreach(lc, query->targetList)
	{
		if (!lfirst_node(TargetEntry, lc)->resjunk)
			n++;
	}
	return n;
}

/* --- owned sources -------------------------------------------------------- */

static void
use_dataset(EpsContext *cx, int32 dataset_id)
{
	if (cx->dataset_id == 0)
	{
		cx->dataset_id = dataset_id;
		cx->dataset = eps_policy_dataset(dataset_id);
		if (cx->dataset == NULL || cx->dataset->closed)
			eps_analyze_refuse(-1, "the data set is closed", NULL, NULL);
	}
	else if (cx->dataset_id != dataset_id)
		eps_analyze_refuse(-1, "a statement may reach one data set only",
						   "Each data set keeps its own budgets, and an owner may be in both.",
						   "Ask the data sets separately.");
}

static void
check_protected(EpsScope *scope, RangeTblEntry *rte, const EpsProtected *relation, Oid check_as)
{
	const char *name = rte->eref->aliasname;

	if (relation->closed)
		ereport(ERROR, (errcode(EPS_ERRCODE_REFUSED), errmsg("relation \"%s\" is closed", name),
						errdetail("A steward took it out of its data set.")));
	if (relation->broken && rte->relkind == RELKIND_MATVIEW)
		ereport(ERROR, (errcode(EPS_ERRCODE_REFUSED), errmsg("materialized view \"%s\" holds copies of protected rows", name),
						errdetail("Nobody has protected it."),
						errhint("Ask the protected relation itself, or let a steward protect the materialized view with dp.protect.")));
	if (relation->broken)
		ereport(ERROR, (errcode(EPS_ERRCODE_REFUSED), errmsg("the policy of relation \"%s\" no longer matches its columns", name),
						errhint("A steward must protect it again with dp.protect.")));
	if (rte->tablesample != NULL)
		eps_analyze_refuse(-1, "TABLESAMPLE is not allowed on a protected relation",
						   "Which rows a sample holds depends on where they are stored.", NULL);
	if (OidIsValid(check_as))
		ereport(ERROR, (errcode(EPS_ERRCODE_REFUSED),
						errmsg("protected relation \"%s\" is read through a view or rule that lends its owner's rights", name),
						errhint("Create the view WITH (security_invoker = true).")));
	use_dataset(scope->cx, relation->dataset_id);
}

static void
protected_source(EpsScope *scope, EpsSource *source, int rtindex, const EpsProtected *relation)
{
	Oid			type = relation->owner_type;
	AttrNumber	attno = relation->nsteps == 0 ? relation->owner_attno : relation->natts + 1;
	Oid			last = relation->nsteps == 0 ? relation->relid : relation->steps[relation->nsteps - 1].next_relation;
	Oid			vartype;
	int32		typmod;
	Oid			collation;

#if PG_VERSION_NUM >= 160000
	check_protected(scope, source->rte, relation, InvalidOid);
#else
	check_protected(scope, source->rte, relation, source->rte->checkAsUser);
#endif
	get_atttypetypmodcoll(last, relation->owner_attno, &vartype, &typmod, &collation);
	EPS_ENSURE(vartype == type, "the owner column changed its type");
	source->kind = EPS_SOURCE_OWNED;
	source->relation = relation;
	source->owner = (Expr *) makeVar(rtindex, attno, vartype, typmod, collation, 0);
	source->rows = relation->rows_per_owner > 0 ? relation->rows_per_owner : scope->cx->dataset->rows_per_owner;
	source->unique = relation->owner_unique;
	if (relation->groups_per_owner > 0 && (scope->groups == 0 || relation->groups_per_owner < scope->groups))
		scope->groups = relation->groups_per_owner;
	scope->relations = list_append_unique_oid(scope->relations, relation->relid);
}

static void
level_source(EpsScope *scope, EpsSource *source, int rtindex, EpsScope *sub)
{
	source->scope = sub;
	source->level = sub->level;
	switch (sub->level->kind)
	{
		case EPS_LEVEL_OWNED:
			source->kind = EPS_SOURCE_OWNED;
			source->owner = (Expr *) makeVar(rtindex, eps_analyze_nvisible(sub->query) + 1,
											 exprType((Node *) sub->level->owner),
											 exprTypmod((Node *) sub->level->owner),
											 exprCollation((Node *) sub->level->owner), 0);
			source->rows = sub->rows;
			source->unique = sub->unique;
			if (sub->groups > 0 && (scope->groups == 0 || sub->groups < scope->groups))
				scope->groups = sub->groups;
			scope->relations = list_concat_unique_oid(scope->relations, sub->relations);
			break;
		case EPS_LEVEL_RELEASED:
			source->kind = EPS_SOURCE_RELEASED;
			break;
		case EPS_LEVEL_PUBLIC:
			source->kind = EPS_SOURCE_PUBLIC;
			break;
	}
}

static void
relation_source(EpsScope *scope, EpsSource *source, int rtindex)
{
	RangeTblEntry *rte = source->rte;
	const EpsProtected *relation = eps_policy_protected(rte->relid);

	if (relation != NULL)
		protected_source(scope, source, rtindex, relation);
	else if (eps_policy_is_public(rte->relid) && rte->tablesample == NULL &&
			 (rte->relkind == RELKIND_RELATION || rte->relkind == RELKIND_MATVIEW ||
			  rte->relkind == RELKIND_PARTITIONED_TABLE))
		source->kind = EPS_SOURCE_PUBLIC;
	else
		source->kind = EPS_SOURCE_OTHER;
}

static void
cte_source(EpsScope *scope, EpsSource *source, int rtindex)
{
	EpsScope   *at = scope;
	ListCell   *lc;

	for (Index up = source->rte->ctelevelsup; up > 0 && at != NULL; up--)
		at = at->parent;
	EPS_ENSURE(at != NULL, "a CTE reference points nowhere");
	foreach(lc, at->ctes)
	{
		EpsCte	   *cte = lfirst(lc);

		if (strcmp(cte->cte->ctename, source->rte->ctename) == 0)
		{
			level_source(scope, source, rtindex, cte->scope);
			return;
		}
	}
	/* a recursive CTE refers to itself while it is being analyzed */
	source->kind = EPS_SOURCE_OTHER;
}

static void
build_source(EpsScope *scope, int rtindex)
{
	EpsSource  *source = &scope->sources[rtindex - 1];

	source->rte = rt_fetch(rtindex, scope->query->rtable);
	source->owner_class = rtindex;
	switch (source->rte->rtekind)
	{
		case RTE_RELATION:
			relation_source(scope, source, rtindex);
			break;
		case RTE_SUBQUERY:
			level_source(scope, source, rtindex, eps_analyze_query(scope->cx, scope, source->rte->subquery));
			break;
		case RTE_CTE:
			cte_source(scope, source, rtindex);
			break;
		case RTE_VALUES:
			source->kind = source->rte->lateral ? EPS_SOURCE_OTHER : EPS_SOURCE_PUBLIC;
			break;
		case RTE_RESULT:
			source->kind = EPS_SOURCE_PUBLIC;
			break;
		default:
			source->kind = EPS_SOURCE_OTHER;
			break;
	}
}

static bool
source_walker(Node *node, EpsScope *scope)
{
	if (node == NULL)
		return false;
	if (IsA(node, RangeTblRef))
		build_source(scope, ((RangeTblRef *) node)->rtindex);
	else if (IsA(node, FromExpr))
		return expression_tree_walker((Node *) ((FromExpr *) node)->fromlist, source_walker, scope);
	else if (IsA(node, JoinExpr))
	{
		source_walker(((JoinExpr *) node)->larg, scope);
		source_walker(((JoinExpr *) node)->rarg, scope);
	}
	else if (IsA(node, SetOperationStmt))
	{
		source_walker(((SetOperationStmt *) node)->larg, scope);
		source_walker(((SetOperationStmt *) node)->rarg, scope);
	}
	return false;
}

/* Sources of the join tree, in its order, or the arms of a set operation. */
void
eps_analyze_sources(EpsScope *scope)
{
	scope->nsources = list_length(scope->query->rtable);
	scope->sources = palloc0(sizeof(EpsSource) * Max(scope->nsources, 1));
	source_walker((Node *) scope->query->jointree, scope);
	source_walker(scope->query->setOperations, scope);
	for (int i = 0; i < scope->nsources; i++)
	{
		if (scope->sources[i].kind == EPS_SOURCE_OWNED)
			scope->owned = true;
	}
}

/* --- columns --------------------------------------------------------------- */

static bool
is_integer(Oid type)
{
	return type == INT2OID || type == INT4OID || type == INT8OID;
}

/* Of an integer column the integers between the bounds: 0.5 as a lower bound says 1. */
static void
apply_bounds(EpsFact *fact, const EpsColumnFact *public, Oid type)
{
	double		lo = is_integer(type) ? ceil(public->lower) : public->lower;
	double		hi = is_integer(type) ? floor(public->upper) : public->upper;

	if (lo > hi)
		return;
	fact->bounded = true;
	fact->natural = false;
	fact->enforced = public->enforced;
	fact->lo = lo;
	fact->hi = hi;
	if (is_integer(type))
	{
		fact->domain = EPS_DOMAIN_RANGE;
		fact->domain_lo = (int64) lo;
		fact->domain_hi = (int64) hi;
	}
}

static void
apply_policy_fact(EpsFact *fact, const EpsColumnFact *public, const Var *var)
{
	if (public->has_bounds)
		apply_bounds(fact, public, var->vartype);
	if (public->has_domain)
	{
		int16		length;
		bool		by_value;

		get_typlenbyval(var->vartype, &length, &by_value);
		fact->domain = EPS_DOMAIN_VALUES;
		fact->values = NIL;
		for (int i = 0; i < public->ndomain; i++)
			fact->values = lappend(fact->values, makeConst(var->vartype, var->vartypmod, var->varcollid,
														   length, public->domain[i], false, by_value));
	}
	if (public->not_null)
		fact->nullable = false;
}

EpsFact
eps_analyze_var_fact(EpsScope *scope, const Var *var)
{
	EpsSource  *source = &scope->sources[var->varno - 1];
	EpsFact		fact = eps_analyze_type_fact(var->vartype, var->vartypmod);

	if (var->varattno <= 0)
		eps_analyze_refuse(var->location, var->varattno == 0 ?
						   "a whole-row reference is not allowed beside protected rows" :
						   "a system column is not allowed beside protected rows",
						   NULL, "Name the columns.");
	if (source->scope != NULL)
	{
		EPS_ENSURE(var->varattno <= source->scope->nfacts, "a column of a subquery is unknown");
		fact = source->scope->facts[var->varattno - 1];
		fact.is_const = false;
	}
	else if (source->relation != NULL)
	{
		EPS_ENSURE(var->varattno <= source->relation->natts, "a column of a protected relation is unknown");
		apply_policy_fact(&fact, &source->relation->facts[var->varattno - 1], var);
		fact.is_owner = source->relation->nsteps == 0 && var->varattno == source->relation->owner_attno;
	}
	if (source->scope == NULL && source->rte != NULL && source->rte->rtekind == RTE_RELATION)
	{
		fact.origin = source->rte->relid;
		fact.origin_attno = var->varattno;
	}
	fact.nullable = fact.nullable || source->nullable;
	fact.is_owner = fact.is_owner && source->kind == EPS_SOURCE_OWNED;
	return fact;
}
