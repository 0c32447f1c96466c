/*
 * path.c
 *	  The path of the release node, in place of every way of aggregating that the
 *	  planner found.
 */
#include "pg/rewrite/rewrite_internal.h"

#include "catalog/pg_type.h"
#include "nodes/extensible.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/pathnodes.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/plancat.h"
#include "optimizer/planner.h"
#include "optimizer/tlist.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"

#include "pg/exec/exec.h"
#include "pg/policy/policy.h"

static create_upper_paths_hook_type prev_create_upper_paths = NULL;
static get_attavgwidth_hook_type prev_attavgwidth = NULL;

/* Public cost and row count: nothing of them comes from statistics (rule 32). */
#define EPS_RELEASE_COST 10000.0
#define EPS_RELEASE_ROWS 100.0

static double
release_rows(const EpsReleasePlan *plan)
{
	double		rows = 1;

	if (!plan->has_groups)
		return 1;
	for (int i = 0; i < plan->nkeys; i++)
	{
		const EpsPlanKey *key = &plan->keys[i];

		if (key->domain == EPS_DOMAIN_NONE)
			return EPS_RELEASE_ROWS;
		rows *= (key->domain == EPS_DOMAIN_VALUES ? list_length(key->values) : (double) (key->hi - key->lo + 1)) +
			(key->nullable ? 1 : 0);
	}
	return Min(rows, 10000);
}

/* Arguments of dp._release without the plan: keys, owner, columns. */
static List *
input_exprs(const Aggref *release)
{
	List	   *exprs = NIL;
	ListCell   *lc;

	for_each_from(lc, release->args, 1)
		exprs = lappend(exprs, lfirst_node(TargetEntry, lc)->expr);
	return exprs;
}

static EpsReleasePlan *
carried_plan(const Aggref *release)
{
	char	   *text = eps_rewrite_carried_text(release);

	EPS_ENSURE(text != NULL, "a release without a plan");
	return eps_release_plan_from_list(castNode(List, stringToNode(text)));
}

/* --- plan ------------------------------------------------------------------------------ */

typedef struct EpsOutputs
{
	const EpsFunctions *functions;
	Aggref	  **aggrefs;
	int			n;
} EpsOutputs;

static bool
outputs_walker(Node *node, EpsOutputs *outputs)
{
	if (node == NULL)
		return false;
	if (IsA(node, Aggref) && ((Aggref *) node)->aggfnoid == outputs->functions->output)
	{
		int			j = eps_rewrite_output_number((Aggref *) node);

		EPS_ENSURE(j >= 0 && j < outputs->n, "a release has no such output");
		outputs->aggrefs[j] = (Aggref *) node;
		return false;
	}
	return expression_tree_walker(node, outputs_walker, outputs);
}

/* Keys, then outputs; an output that nobody reads is NULL there. */
static List *
scan_targets(CustomPath *path, List *tlist, const EpsReleasePlan *plan)
{
	EpsFunctions functions = eps_analyze_functions();
	EpsOutputs	outputs = {&functions, palloc0(sizeof(Aggref *) * Max(plan->noutputs, 1)), plan->noutputs};
	List	   *exprs = lsecond(path->custom_private);
	List	   *targets = NIL;

	outputs_walker((Node *) tlist, &outputs);
	for (int k = 0; k < plan->nkeys; k++)
		targets = lappend(targets, makeTargetEntry(copyObject(list_nth(exprs, k)), k + 1, NULL, false));
	for (int j = 0; j < plan->noutputs; j++)
	{
		Oid			type = plan->outputs[j].type;
		Expr	   *expr = outputs.aggrefs[j] != NULL ? (Expr *) copyObject(outputs.aggrefs[j]) :
			(Expr *) makeNullConst(type, -1, InvalidOid);

		targets = lappend(targets, makeTargetEntry(expr, plan->nkeys + j + 1, NULL, false));
	}
	return targets;
}

/*
 * A scan that is read for columns alone gives its relation's rows as they are: the
 * release node finds columns by position, and a copy of them costs as much as
 * reading them.
 */
static void
spare_projection(PlannerInfo *root, Plan *child)
{
	List	   *columns;
	ListCell   *lc;

	if (!IsA(child, SeqScan) && !IsA(child, IndexScan) && !IsA(child, BitmapHeapScan))
		return;
	/* NIL where a column was dropped */
	columns = build_physical_tlist(root, find_base_rel(root, ((Scan *) child)->scanrelid));
	foreach(lc, child->targetlist)
		if (tlist_member(((TargetEntry *) lfirst(lc))->expr, columns) == NULL)
			return;
	child->targetlist = columns;
}

static List *
child_positions(Plan *child, List *exprs)
{
	List	   *positions = NIL;
	ListCell   *lc;

	foreach(lc, exprs)
	{
		TargetEntry *entry = tlist_member(lfirst(lc), child->targetlist);

		EPS_ENSURE(entry != NULL, "an input of a release is missing below it");
		positions = lappend_int(positions, entry->resno);
	}
	return positions;
}

/*
 * Parameters are numbered as plans are made, and EXPLAIN shows the numbers of those
 * above a release, $0 and so on.  How many its input needs depends on how rows are
 * joined, so on statistics (rule 32): whatever comes next begins at a round number.
 */
#define EPS_PARAMS_OF_INPUT 1024

static void
skip_params_of_input(PlannerGlobal *glob)
{
	do
		glob->paramExecTypes = lappend_oid(glob->paramExecTypes, InvalidOid);
	while (list_length(glob->paramExecTypes) % EPS_PARAMS_OF_INPUT != 0);
}

static Plan *
plan_release(PlannerInfo *root, RelOptInfo *rel, CustomPath *path, List *tlist, List *clauses, List *custom_plans)
{
	CustomScan *scan = makeNode(CustomScan);
	List	   *plan_list = linitial(path->custom_private);
	EpsReleasePlan *plan = eps_release_plan_from_list(plan_list);

	EPS_ENSURE(clauses == NIL, "a release has clauses of its own");
	skip_params_of_input(root->glob);
	spare_projection(root, linitial(custom_plans));
	scan->scan.plan.targetlist = tlist;
	scan->scan.plan.qual = NIL;
	scan->scan.scanrelid = 0;
	scan->flags = path->flags;
	scan->methods = eps_exec_scan_methods();
	scan->custom_plans = custom_plans;
	scan->custom_scan_tlist = scan_targets(path, tlist, plan);
	scan->custom_private = list_make2(plan_list, child_positions(linitial(custom_plans), lsecond(path->custom_private)));
	return &scan->scan.plan;
}

static const CustomPathMethods path_methods = {
	.CustomName = "DP Aggregate",
	.PlanCustomPath = plan_release
};

/* --- path -------------------------------------------------------------------------------- */

static Path *
child_path(PlannerInfo *root, RelOptInfo *input_rel, List *exprs)
{
	PathTarget *target = create_empty_pathtarget();
	ListCell   *lc;

	foreach(lc, exprs)
		add_column_to_pathtarget(target, copyObject(lfirst(lc)), 0);
	set_pathtarget_cost_width(root, target);
	return (Path *) create_projection_path(root, input_rel, input_rel->cheapest_total_path, target);
}

static void
add_release_path(PlannerInfo *root, RelOptInfo *input_rel, RelOptInfo *output_rel, Aggref *release)
{
	CustomPath *path = makeNode(CustomPath);
	List	   *exprs = input_exprs(release);
	EpsReleasePlan *plan = carried_plan(release);

	path->path.pathtype = T_CustomScan;
	path->path.parent = output_rel;
	path->path.pathtarget = output_rel->reltarget;
	path->path.rows = release_rows(plan);
	path->path.startup_cost = EPS_RELEASE_COST;
	path->path.total_cost = EPS_RELEASE_COST + path->path.rows * cpu_tuple_cost;
	path->path.parallel_safe = false;
	path->flags = CUSTOMPATH_SUPPORT_PROJECTION;
	path->custom_paths = list_make1(child_path(root, input_rel, exprs));
	path->custom_private = list_make2(eps_release_plan_to_list(plan), exprs);
	path->methods = &path_methods;
	output_rel->pathlist = NIL;
	output_rel->partial_pathlist = NIL;
	output_rel->consider_parallel = false;
	add_path(output_rel, &path->path);
}

static void
create_upper_paths(PlannerInfo *root, UpperRelationKind stage, RelOptInfo *input_rel, RelOptInfo *output_rel, void *extra)
{
	if (prev_create_upper_paths)
		prev_create_upper_paths(root, stage, input_rel, output_rel, extra);
	/*
	 * Partitionwise aggregation calls this for child relations too.  A query that
	 * reaches a protected relation has passed analysis; a placeholder that an
	 * analyst wrote by hand elsewhere is left to fail as the aggregate it is.
	 */
	if (stage == UPPERREL_GROUP_AGG && output_rel->reloptkind == RELOPT_UPPER_REL &&
		root->parse->hasAggs && root->parse->havingQual != NULL && eps_policy_is_analyst_session() &&
		eps_analyze_reaches_protected(root->parse))
	{
		EpsFunctions functions = eps_analyze_functions();
		Aggref	   *release = eps_rewrite_find_release(root->parse->havingQual, &functions);

		if (release != NULL)
			add_release_path(root, input_rel, output_rel, release);
	}
}

/* EXPLAIN shows widths up to the top of the plan: an analyst sees that of the type,
 * not the average that ANALYZE found in protected rows (rule 32). */
static int32
attavgwidth(Oid relid, AttrNumber attno)
{
	if (eps_policy_is_analyst_session() && eps_policy_protected(relid) != NULL)
	{
		Oid			type;
		int32		typmod;
		Oid			collation;

		get_atttypetypmodcoll(relid, attno, &type, &typmod, &collation);
		return get_typavgwidth(type, typmod);
	}
	return prev_attavgwidth ? prev_attavgwidth(relid, attno) : 0;
}

void
eps_rewrite_init(void)
{
	prev_attavgwidth = get_attavgwidth_hook;
	get_attavgwidth_hook = attavgwidth;
	prev_create_upper_paths = create_upper_paths_hook;
	create_upper_paths_hook = create_upper_paths;
#ifdef EPS_TEST_BUILD
	DefineCustomBoolVariable("dp_test.total", "Test build only: off leaves conditions and VALUES as the query has them, for the guard to find.",
							 NULL, &eps_rewrite_test_total, true, PGC_USERSET, 0, NULL, NULL, NULL);
#endif
}
