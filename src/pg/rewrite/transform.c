/*
 * transform.c
 *	  Changes each level of an accepted statement as its verdict says.
 *
 * An owned level gets one more column, its owner key.  A release is cut in two:
 * below, a subquery that holds FROM, WHERE and GROUP BY and nothing else; above,
 * in the place of the old level, HAVING (as WHERE), ORDER BY, LIMIT and the
 * expressions of the select list, over columns that are noisy answers.  The
 * subquery carries LIMIT ALL, which the planner takes as a fence: it neither
 * pulls the subquery up nor pushes conditions into it, so no expression of the
 * upper part is ever evaluated beside protected rows.
 */
#include "pg/rewrite/rewrite_internal.h"

#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_oper.h"
#include "rewrite/rewriteManip.h"
#include "utils/lsyscache.h"

#ifdef EPS_TEST_BUILD
bool		eps_rewrite_test_total = true;
#endif

static Node *
total_of(List *quals, Node *source)
{
	ListCell   *lc;

#ifdef EPS_TEST_BUILD
	if (!eps_rewrite_test_total)
		return source;
#endif
	foreach(lc, quals)
	{
		EpsQual    *qual = lfirst(lc);

		if (qual->source == source)
			return qual->total;
	}
	EPS_ENSURE(source == NULL, "a qualification has no total form");
	return NULL;
}

static void
install_quals(EpsLevel *level, Node *node)
{
	ListCell   *lc;

	if (node == NULL || IsA(node, RangeTblRef))
		return;
	if (IsA(node, FromExpr))
	{
		FromExpr   *from = (FromExpr *) node;

		foreach(lc, from->fromlist)
			install_quals(level, lfirst(lc));
		from->quals = total_of(level->quals, from->quals);
	}
	else
	{
		JoinExpr   *join = castNode(JoinExpr, node);

		install_quals(level, join->larg);
		install_quals(level, join->rarg);
		join->quals = total_of(level->quals, join->quals);
	}
}

static void
install_security_quals(EpsLevel *level)
{
	ListCell   *lc;
	ListCell   *qual;

	foreach(lc, level->query->rtable)
	{
		foreach(qual, lfirst_node(RangeTblEntry, lc)->securityQuals)
		{
			/* entries outside the join tree have none that is ever evaluated */
			ListCell   *known;

			foreach(known, level->security_quals)
			{
				if (((EpsQual *) lfirst(known))->source == lfirst(qual))
					lfirst(qual) = ((EpsQual *) lfirst(known))->total;
			}
		}
	}
}

/* A row of VALUES may be computed when the first protected row is met. */
static void
install_values(EpsLevel *level)
{
	ListCell   *lc;
	ListCell   *row;

	foreach(lc, level->query->rtable)
	{
		foreach(row, lfirst_node(RangeTblEntry, lc)->values_lists)
			lfirst(row) = total_of(level->values, lfirst(row));
	}
}

/* Rule 11: a row without owner belongs to nobody and never takes part. */
static void
require_owner(EpsLevel *level)
{
	List	   *quals = make_ands_implicit((Expr *) level->query->jointree->quals);
	ListCell   *lc;

	foreach(lc, level->not_null)
	{
		NullTest   *test = makeNode(NullTest);

		test->arg = copyObject(lfirst(lc));
		test->nulltesttype = IS_NOT_NULL;
		test->location = -1;
		quals = lappend(quals, test);
	}
	level->query->jointree->quals = (Node *) make_ands_explicit(quals);
}

static void
install_clauses(EpsLevel *level)
{
	install_quals(level, (Node *) level->query->jointree);
	install_security_quals(level);
	install_values(level);
	require_owner(level);
	eps_rewrite_relations(level->query);
}

static void
install_targets(EpsLevel *level)
{
	Query	   *query = level->query;
	List	   *targets = NIL;
	ListCell   *lc;
	int			i = 0;

	foreach(lc, query->targetList)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, lc);

		if (entry->resjunk)
			continue;			/* of an ORDER BY that means nothing below an aggregate */
		entry->expr = list_nth(level->targets, i++);
		entry->ressortgroupref = 0;
		targets = lappend(targets, entry);
	}
	query->targetList = targets;
	query->sortClause = NIL;
}

static void
rewrite_owned(EpsLevel *level)
{
	Query	   *query = level->query;

	install_targets(level);
	query->targetList = lappend(query->targetList,
								makeTargetEntry(copyObject(level->owner), list_length(query->targetList) + 1,
												pstrdup("dp_owner"), false));
	install_clauses(level);
}

/* --- releases ------------------------------------------------------------------------ */

/*
 * The lower query sits one level deeper than the old one, but the CTEs stay
 * above: references to them count one level more.  (Vars do not: a release has no
 * outer references.)
 */
static bool
deepen_cte_walker(Node *node, Index *depth)
{
	if (node == NULL)
		return false;
	if (IsA(node, RangeTblEntry))
	{
		RangeTblEntry *rte = (RangeTblEntry *) node;

		if (rte->rtekind == RTE_CTE && rte->ctelevelsup >= *depth)
			rte->ctelevelsup++;
		return false;
	}
	if (IsA(node, Query))
	{
		bool		result;

		(*depth)++;
		result = query_tree_walker((Query *) node, deepen_cte_walker, depth, QTW_EXAMINE_RTES_BEFORE);
		(*depth)--;
		return result;
	}
	return expression_tree_walker(node, deepen_cte_walker, depth);
}

static List *
lower_targets(EpsLevel *level, const EpsFunctions *functions, List **group_clause)
{
	List	   *targets = NIL;
	ListCell   *lc;

	foreach(lc, level->keys)
	{
		Node	   *key = copyObject(lfirst(lc));
		TargetEntry *entry = makeTargetEntry((Expr *) key, list_length(targets) + 1, psprintf("key%d", foreach_current_index(lc) + 1), false);
		SortGroupClause *clause = makeNode(SortGroupClause);

		get_sort_group_operators(exprType(key), false, true, false, &clause->sortop, &clause->eqop, NULL, &clause->hashable);
		entry->ressortgroupref = list_length(targets) + 1;
		clause->tleSortGroupRef = entry->ressortgroupref;
		targets = lappend(targets, entry);
		*group_clause = lappend(*group_clause, clause);
	}
	for (int j = 0; j < level->plan->noutputs; j++)
		targets = lappend(targets, makeTargetEntry((Expr *) eps_rewrite_output_aggref(functions, j, level->plan->outputs[j].type),
												   list_length(targets) + 1, psprintf("output%d", j + 1), false));
	return targets;
}

static Query *
make_lower(EpsLevel *level, const EpsFunctions *functions)
{
	Query	   *upper = level->query;
	Query	   *lower = makeNode(Query);
	Index		depth = 0;

	lower->commandType = CMD_SELECT;
	lower->querySource = upper->querySource;
	lower->canSetTag = true;
	lower->rtable = upper->rtable;
	lower->jointree = upper->jointree;
#if PG_VERSION_NUM >= 160000
	lower->rteperminfos = upper->rteperminfos;
#endif
	lower->hasAggs = true;
	lower->hasSubLinks = upper->hasSubLinks;
	lower->hasRowSecurity = upper->hasRowSecurity;
	eps_rewrite_fingerprint(level, lower, functions);
	lower->targetList = lower_targets(level, functions, &lower->groupClause);
	lower->havingQual = (Node *) eps_rewrite_release_aggref(functions, level);
	lower->limitCount = (Node *) makeNullConst(INT8OID, -1, InvalidOid);
	lower->stmt_location = -1;
	query_tree_walker(lower, deepen_cte_walker, &depth, QTW_EXAMINE_RTES_BEFORE);
	return lower;
}

typedef struct EpsReplace
{
	EpsLevel   *level;
} EpsReplace;

static Node *
replace_mutator(Node *node, EpsReplace *replace)
{
	EpsLevel   *level = replace->level;
	ListCell   *lc;

	if (node == NULL)
		return NULL;
	foreach(lc, level->key_sources)
	{
		if (equal(lfirst(lc), node))
		{
			int			k = foreach_current_index(lc);
			Node	   *key = list_nth(level->keys, k);

			return (Node *) makeVar(1, k + 1, exprType(key), exprTypmod(key), exprCollation(key), 0);
		}
	}
	foreach(lc, level->outputs)
	{
		if (equal(lfirst(lc), node))
		{
			int			j = foreach_current_index(lc);
			Oid			type = level->plan->outputs[j].type;

			return (Node *) makeVar(1, list_length(level->keys) + j + 1, type, -1, get_typcollation(type), 0);
		}
	}
	if (IsA(node, SubLink))
	{
		SubLink    *sublink = copyObject((SubLink *) node);

		/* uncorrelated, and a level of its own: the same Query goes on */
		sublink->subselect = ((SubLink *) node)->subselect;
		sublink->testexpr = replace_mutator(((SubLink *) node)->testexpr, replace);
		return (Node *) sublink;
	}
	EPS_ENSURE(!IsA(node, Aggref), "an aggregate was not released");
	return expression_tree_mutator(node, replace_mutator, replace);
}

static RangeTblEntry *
subquery_entry(Query *lower)
{
	RangeTblEntry *rte = makeNode(RangeTblEntry);
	ListCell   *lc;

	rte->rtekind = RTE_SUBQUERY;
	rte->subquery = lower;
	rte->eref = makeAlias("release", NIL);
	foreach(lc, lower->targetList)
		rte->eref->colnames = lappend(rte->eref->colnames, makeString(pstrdup(lfirst_node(TargetEntry, lc)->resname)));
	rte->inFromCl = true;
	return rte;
}

static void
rewrite_release(EpsLevel *level, const EpsFunctions *functions)
{
	Query	   *upper = level->query;
	EpsReplace	replace = {level};
	Query	   *lower;
	RangeTblRef *ref = makeNode(RangeTblRef);
	Node	   *having;

	install_clauses(level);
	lower = make_lower(level, functions);
	having = replace_mutator(upper->havingQual, &replace);
	upper->targetList = (List *) replace_mutator((Node *) upper->targetList, &replace);
	upper->rtable = list_make1(subquery_entry(lower));
#if PG_VERSION_NUM >= 160000
	upper->rteperminfos = NIL;
#endif
	ref->rtindex = 1;
	upper->jointree = makeFromExpr(list_make1(ref), having);
	upper->havingQual = NULL;
	upper->groupClause = NIL;
	upper->groupDistinct = false;
	upper->hasAggs = false;
	upper->constraintDeps = NIL;
}

/* --- references to levels ------------------------------------------------------------------ */

static void
extend_cte(CommonTableExpr *cte, const EpsLevel *level)
{
	cte->ctematerialized = CTEMaterializeNever; /* so that the guard sees one tree */
	cte->ctecolnames = lappend(cte->ctecolnames, makeString(pstrdup("dp_owner")));
	cte->ctecoltypes = lappend_oid(cte->ctecoltypes, exprType((Node *) level->owner));
	cte->ctecoltypmods = lappend_int(cte->ctecoltypmods, exprTypmod((Node *) level->owner));
	cte->ctecolcollations = lappend_oid(cte->ctecolcollations, exprCollation((Node *) level->owner));
}

static void
extend_references(Query *query, const EpsVerdict *verdict)
{
	ListCell   *lc;

	foreach(lc, query->cteList)
	{
		CommonTableExpr *cte = lfirst_node(CommonTableExpr, lc);
		EpsLevel   *level = eps_analyze_level(verdict, castNode(Query, cte->ctequery));

		if (level == NULL)
			continue;
		if (level->kind == EPS_LEVEL_OWNED)
			extend_cte(cte, level);
		else if (level->kind == EPS_LEVEL_RELEASED)
			cte->ctematerialized = CTEMaterializeAlways;	/* all references share one answer */
	}
	foreach(lc, query->rtable)
	{
		RangeTblEntry *rte = lfirst_node(RangeTblEntry, lc);
		EpsLevel   *level = rte->rtekind == RTE_SUBQUERY && rte->subquery != NULL ?
			eps_analyze_level(verdict, rte->subquery) : NULL;

		if (level != NULL && level->kind == EPS_LEVEL_OWNED)
			rte->eref->colnames = lappend(rte->eref->colnames, makeString(pstrdup("dp_owner")));
	}
}

typedef struct EpsCteWalk
{
	const EpsVerdict *verdict;
	List	   *stack;			/* of Query *, innermost first */
} EpsCteWalk;

/* RTE_CTE entries repeat the columns of their CTE. */
static bool
extend_cte_walker(Node *node, EpsCteWalk *walk)
{
	if (node == NULL)
		return false;
	if (IsA(node, RangeTblEntry))
	{
		RangeTblEntry *rte = (RangeTblEntry *) node;
		ListCell   *lc;

		if (rte->rtekind != RTE_CTE || rte->self_reference)
			return false;
		foreach(lc, ((Query *) list_nth(walk->stack, rte->ctelevelsup))->cteList)
		{
			CommonTableExpr *cte = lfirst_node(CommonTableExpr, lc);
			EpsLevel   *level = eps_analyze_level(walk->verdict, castNode(Query, cte->ctequery));

			if (strcmp(cte->ctename, rte->ctename) != 0 || level == NULL || level->kind != EPS_LEVEL_OWNED)
				continue;
			rte->eref->colnames = lappend(rte->eref->colnames, makeString(pstrdup("dp_owner")));
			rte->coltypes = lappend_oid(rte->coltypes, exprType((Node *) level->owner));
			rte->coltypmods = lappend_int(rte->coltypmods, exprTypmod((Node *) level->owner));
			rte->colcollations = lappend_oid(rte->colcollations, exprCollation((Node *) level->owner));
		}
		return false;
	}
	if (IsA(node, Query))
	{
		walk->stack = lcons(node, walk->stack);
		query_tree_walker((Query *) node, extend_cte_walker, walk, QTW_EXAMINE_RTES_BEFORE);
		walk->stack = list_delete_first(walk->stack);
		return false;
	}
	return expression_tree_walker(node, extend_cte_walker, walk);
}

static void
rewrite_public(EpsLevel *level)
{
	if (!level->beside_rows)
		return;
	install_targets(level);
	install_quals(level, (Node *) level->query->jointree);
	install_security_quals(level);
	install_values(level);
}

void
eps_rewrite_levels(const EpsVerdict *verdict)
{
	EpsFunctions functions = eps_analyze_functions();
	EpsCteWalk	walk = {verdict, NIL};
	ListCell   *lc;

	/* the outermost level comes last; its tree holds all others */
	extend_cte_walker((Node *) ((EpsLevel *) llast(verdict->levels))->query, &walk);
	foreach(lc, verdict->levels)
		extend_references(((EpsLevel *) lfirst(lc))->query, verdict);
	foreach(lc, verdict->levels)
	{
		EpsLevel   *level = lfirst(lc);

		if (level->plan != NULL)
			rewrite_release(level, &functions);
		else if (level->kind == EPS_LEVEL_OWNED)
			rewrite_owned(level);
		else if (level->kind == EPS_LEVEL_PUBLIC)
			rewrite_public(level);
		if (level->kind == EPS_LEVEL_RELEASED)
			eps_rewrite_postprocess(level->query, &functions);
	}
}
