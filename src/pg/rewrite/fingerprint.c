/*
 * fingerprint.c
 *	  What the input of a release is, as rewritten: its fingerprint, and whatever
 *	  else it depends on but protected rows.  Two releases of one statement with
 *	  equal plans share an answer (rule 1), and so does a release that was answered
 *	  before (rule 26).
 *
 * The text is that of the node tree after rewriting: relations by oid, columns by
 * number, constants by their bytes, row security and owner paths included, names
 * that the query gives to its columns and relations not.  HAVING, ORDER BY and
 * LIMIT are no part of it: they are applied to the answer.
 */
#include "pg/rewrite/rewrite_internal.h"

#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/value.h"
#include "utils/builtins.h"

#include "core/crypto/crypto.h"

typedef struct Input
{
	EpsReleasePlan *plan;
	const EpsFunctions *functions;
	List	   *names;			/* of String: CTEs that are referred to */
} Input;

/* --- names and places out ------------------------------------------------------------ */

static void
anonymous_entry(RangeTblEntry *rte)
{
	rte->alias = NULL;
	rte->eref = makeAlias("", NIL);
#if PG_VERSION_NUM < 160000
	rte->selectedCols = NULL;	/* whoever asks may read: that was checked */
#endif
}

static void
anonymous_query(Query *query)
{
	ListCell   *lc;

	query->stmt_location = -1;
	query->stmt_len = 0;
#if PG_VERSION_NUM >= 160000
	foreach(lc, query->rteperminfos)
		lfirst_node(RTEPermissionInfo, lc)->selectedCols = NULL;
#endif
	foreach(lc, query->targetList)
		lfirst_node(TargetEntry, lc)->resname = NULL;
}

/*
 * A release inside: in place of its plan, which carries the token of this
 * planning, its fingerprint.
 */
static void
note_inner(Aggref *release, Input *input)
{
	char	   *text = eps_rewrite_carried_text(release);
	EpsReleasePlan *plan;
	TargetEntry *entry;

	EPS_ENSURE(text != NULL, "a release without a plan");
	plan = eps_release_plan_from_list(castNode(List, stringToNode(text)));
	entry = linitial_node(TargetEntry, release->args);
	entry->expr = (Expr *) makeConst(TEXTOID, -1, DEFAULT_COLLATION_OID, -1,
									 CStringGetTextDatum(plan->fingerprint), false, false);
	input->plan->inner = lappend(input->plan->inner, makeString(pstrdup(plan->fingerprint)));
}

/* --- what else it depends on ------------------------------------------------------------ */

static bool
is_step_of(const EpsProtected *relation, Oid relid)
{
	for (int s = 0; relation != NULL && s < relation->nsteps; s++)
	{
		if (relation->steps[s].next_relation == relid)
			return true;
	}
	return false;
}

static void
note_relation(Oid relid, Input *input)
{
	ListCell   *lc;

	if (eps_policy_protected(relid) != NULL)
		return;
	foreach(lc, input->plan->relations)
	{
		if (is_step_of(eps_policy_protected(lfirst_oid(lc)), relid))
			return;
	}
	if (eps_policy_is_public(relid))
		input->plan->publics = list_append_unique_oid(input->plan->publics, relid);
	else
		input->plan->repeatable = false;
}

static void
note_stable(Node *node, Input *input)
{
	input->plan->stable = lappend(input->plan->stable, copyObject(node));
}

static void
note_entry(RangeTblEntry *rte, Input *input)
{
	if (rte->rtekind == RTE_RELATION)
		note_relation(rte->relid, input);
	else if (rte->rtekind == RTE_CTE)
		input->names = list_append_unique(input->names, makeString(pstrdup(rte->ctename)));
	anonymous_entry(rte);
}

static bool
input_walker(Node *node, Input *input)
{
	if (node == NULL)
		return false;
	switch (nodeTag(node))
	{
		case T_RangeTblEntry:
			note_entry((RangeTblEntry *) node, input);
			return false;
		case T_Query:
			anonymous_query((Query *) node);
			return query_tree_walker((Query *) node, input_walker, input, QTW_EXAMINE_RTES_BEFORE);
		case T_SQLValueFunction:
			note_stable(node, input);
			return false;
		case T_Param:
			if (((Param *) node)->paramkind == PARAM_EXTERN)
				note_stable(node, input);
			return false;
		case T_FuncExpr:
			if (eps_analyze_is_safe_stable(((FuncExpr *) node)->funcid))
				note_stable(node, input);
			break;
		case T_Aggref:
			if (((Aggref *) node)->aggfnoid == input->functions->release)
				note_inner((Aggref *) node, input);
			break;
		default:
			break;
	}
	return expression_tree_walker(node, input_walker, input);
}

/* --- the whole --------------------------------------------------------------------------- */

static void
append_node(StringInfo text, void *node, Input *input)
{
	node = copyObject(node);
	(void) input_walker(node, input);
	appendStringInfo(text, "%s\n", eps_release_node_text(node));
}

/*
 * CTEs stand above, and are referred to by name: those that are referred to, by
 * others as well, belong to the input.  Where two in sight have one name, both do.
 */
static void
append_ctes(StringInfo text, const EpsLevel *level, Input *input)
{
	for (int done = 0; done < list_length(input->names); done++)
	{
		const char *name = strVal(list_nth(input->names, done));
		ListCell   *lists;
		ListCell   *lc;

		foreach(lists, level->cte_lists)
		{
			foreach(lc, (List *) lfirst(lists))
			{
				CommonTableExpr *cte = lfirst_node(CommonTableExpr, lc);

				if (strcmp(cte->ctename, name) != 0)
					continue;
				appendStringInfo(text, "%d %s\n", foreach_current_index(lists), name);
				append_node(text, cte->ctequery, input);
			}
		}
	}
}

/* lower: the level's input, without its placeholders. */
void
eps_rewrite_fingerprint(EpsLevel *level, Query *lower, const EpsFunctions *functions)
{
	Input		input = {.plan = level->plan,.functions = functions};
	uint8		hash[EPS_SHA256_LEN];
	char		hex[2 * EPS_SHA256_LEN + 1];
	StringInfoData text;

	level->plan->repeatable = true;
	initStringInfo(&text);
	append_node(&text, lower, &input);
	append_node(&text, list_make3(level->keys, level->owner, level->columns), &input);
	append_ctes(&text, level, &input);
	eps_crypto_sha256(hash, (const uint8 *) text.data, (size_t) text.len);
	for (int i = 0; i < EPS_SHA256_LEN; i++)
		snprintf(hex + 2 * i, 3, "%02x", hash[i]);
	level->plan->fingerprint = pstrdup(hex);
}
