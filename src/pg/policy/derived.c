/*
 * derived.c
 *	  Materialized views that hold rows of protected relations (rule 12).
 */
#include "pg/policy/policy_internal.h"

#include "access/relation.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "nodes/parsenodes.h"
#include "rewrite/prs2lock.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

static const EpsRule *rule_behind_query(Relation view);

/* The rule of a relation that a query names, or of one behind a view it names. */
static bool
rule_walker(Node *node, const EpsRule **found)
{
	if (node == NULL || *found != NULL)
		return *found != NULL;
	if (IsA(node, RangeTblEntry))
	{
		RangeTblEntry *rte = (RangeTblEntry *) node;

		if (rte->rtekind == RTE_RELATION)
			*found = eps_policy_cache_rule(rte->relid);
		if (rte->rtekind == RTE_RELATION && *found == NULL)
			*found = eps_policy_rule_behind(rte->relid);
		return false;
	}
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, rule_walker, found, QTW_EXAMINE_RTES_BEFORE);
	return expression_tree_walker(node, rule_walker, found);
}

static const EpsRule *
rule_behind_query(Relation view)
{
	const EpsRule *found = NULL;

	for (int i = 0; view->rd_rules != NULL && i < view->rd_rules->numLocks; i++)
	{
		ListCell   *lc;

		foreach(lc, view->rd_rules->rules[i]->actions)
		{
			Query	   *query = lfirst_node(Query, lc);
			ListCell   *rte;

			foreach(rte, query->rtable)
			{
				/* the entries OLD and NEW name the view itself */
				if (lfirst_node(RangeTblEntry, rte)->relid != RelationGetRelid(view))
					(void) rule_walker(lfirst(rte), &found);
				if (lfirst_node(RangeTblEntry, rte)->rtekind == RTE_SUBQUERY)
					(void) rule_walker((Node *) lfirst_node(RangeTblEntry, rte)->subquery, &found);
			}
			(void) rule_walker((Node *) query->cteList, &found);
			(void) rule_walker((Node *) query->targetList, &found);
			(void) rule_walker((Node *) query->jointree, &found);
			(void) rule_walker(query->havingQual, &found);
		}
	}
	return found;
}

const EpsRule *
eps_policy_rule_behind(Oid relid)
{
	char		relkind = get_rel_relkind(relid);
	const EpsRule *found;
	Relation	view;

	if (relkind != RELKIND_MATVIEW && relkind != RELKIND_VIEW)
		return NULL;
	check_stack_depth();
	view = try_relation_open(relid, AccessShareLock);
	if (view == NULL)
		return NULL;
	eps_policy_cache_watch(relid);
	found = rule_behind_query(view);
	relation_close(view, NoLock);
	return found;
}
