/*
 * node.c
 *	  The CustomScan callbacks of the release node.
 *
 * The node emits stored rows: a rewind shows the same noisy answer again.
 */
#include "postgres.h"

#include "pg/exec/exec_internal.h"

#include "executor/executor.h"
#include "nodes/nodeFuncs.h"
#include "utils/memutils.h"

#define NODE_NAME "DP Aggregate"

static Node *create_state(CustomScan *scan);
static void begin_scan(CustomScanState *css, EState *estate, int eflags);
static TupleTableSlot *exec_scan(CustomScanState *css);
static void end_scan(CustomScanState *css);
static void rescan(CustomScanState *css);

static const CustomScanMethods scan_methods = {
	.CustomName = NODE_NAME,
	.CreateCustomScanState = create_state
};

static const CustomExecMethods exec_methods = {
	.CustomName = NODE_NAME,
	.BeginCustomScan = begin_scan,
	.ExecCustomScan = exec_scan,
	.EndCustomScan = end_scan,
	.ReScanCustomScan = rescan,
	.ExplainCustomScan = eps_exec_explain
};

/* --- life ------------------------------------------------------------------------- */

static Node *
create_state(CustomScan *scan)
{
	EpsScanState *node = (EpsScanState *) newNode(sizeof(EpsScanState), T_CustomScanState);

	node->css.methods = &exec_methods;
	return (Node *) node;
}

/* Positions of the child's columns, counted from 0. */
static void
read_positions(EpsScanState *node, List *positions)
{
	const EpsReleasePlan *plan = node->plan;
	int			width = list_length(node->child->plan->targetlist);
	int			at = 0;

	EPS_ENSURE(list_length(positions) == plan->nkeys + 1 + plan->ncolumns,
			   "release node has another number of input columns");
	for (int i = 0; i < list_length(positions); i++)
	{
		int			position = list_nth_int(positions, i);

		EPS_ENSURE(position >= 1 && position <= width, "release node has no such input column");
		node->last_at = Max(node->last_at, position - 1);
	}
	node->key_at = palloc(sizeof(int) * Max(plan->nkeys, 1));
	node->column_at = palloc(sizeof(int) * Max(plan->ncolumns, 1));
	for (int i = 0; i < plan->nkeys; i++)
		node->key_at[i] = list_nth_int(positions, at++) - 1;
	node->owner_at = list_nth_int(positions, at++) - 1;
	for (int i = 0; i < plan->ncolumns; i++)
		node->column_at[i] = list_nth_int(positions, at++) - 1;
}

static void
begin_scan(CustomScanState *css, EState *estate, int eflags)
{
	EpsScanState *node = (EpsScanState *) css;
	CustomScan *scan = (CustomScan *) css->ss.ps.plan;

	node->plan = eps_exec_release_plan(scan);
	EPS_ENSURE(list_length(scan->custom_plans) == 1, "release node has no child");
	EPS_ENSURE(list_length(scan->custom_scan_tlist) == node->plan->nkeys + node->plan->noutputs,
			   "release node has another number of outputs");
	for (int k = 0; k < node->plan->nkeys; k++)
	{
		EpsKeyForm	form;

		eps_exec_key_form(&form, &node->plan->keys[k]);
	}
	/* rows are read once, whatever the parent asks of ours */
	node->child = ExecInitNode(linitial(scan->custom_plans), estate,
							   eflags & ~(EXEC_FLAG_REWIND | EXEC_FLAG_BACKWARD | EXEC_FLAG_MARK));
	css->custom_ps = list_make1(node->child);
	read_positions(node, lsecond(scan->custom_private));
}

static void
end_scan(CustomScanState *css)
{
	/* not by custom_ps: EXPLAIN empties it */
	eps_exec_pad_end((EpsScanState *) css);
}

static void
rescan(CustomScanState *css)
{
	EpsScanState *node = (EpsScanState *) css;

	if (css->ss.ps.chgParam != NULL)
		ereport(ERROR,
				(errcode(EPS_ERRCODE_REFUSED),
				 errmsg("a private aggregate cannot depend on a row of an outer query"),
				 errhint("Group by the outer column and join the result instead.")));
	ExecScanReScan(&css->ss);
	node->next = 0;
}

/* --- rows --------------------------------------------------------------------------- */

static TupleTableSlot *
next_row(ScanState *ss)
{
	EpsScanState *node = (EpsScanState *) ss;
	TupleTableSlot *slot = ss->ss_ScanTupleSlot;
	Size		at = (Size) node->next * node->rows.natts;

	ExecClearTuple(slot);
	if (node->next >= node->rows.nrows)
		return slot;
	if (node->rows.natts > 0)
	{
		memcpy(slot->tts_values, node->rows.values + at, sizeof(Datum) * node->rows.natts);
		memcpy(slot->tts_isnull, node->rows.isnull + at, sizeof(bool) * node->rows.natts);
	}
	node->next++;
	return ExecStoreVirtualTuple(slot);
}

static bool
recheck_row(ScanState *ss, TupleTableSlot *slot)
{
	return true;
}

static TupleTableSlot *
exec_scan(CustomScanState *css)
{
	eps_exec_run_node((EpsScanState *) css);
	return ExecScan(&css->ss, next_row, recheck_row);
}

/* --- the room's face ----------------------------------------------------------------- */

const CustomScanMethods *
eps_exec_scan_methods(void)
{
	return &scan_methods;
}

bool
eps_exec_is_release(const Plan *plan)
{
	return plan != NULL && IsA(plan, CustomScan) &&
		((const CustomScan *) plan)->methods == &scan_methods;
}

bool
eps_exec_is_scan_state(PlanState *state)
{
	return IsA(state, CustomScanState) && ((CustomScanState *) state)->methods == &exec_methods;
}

const EpsReleasePlan *
eps_exec_release_plan(const CustomScan *scan)
{
	EPS_ENSURE(list_length(scan->custom_private) == 2, "release node has another private list");
	return eps_release_plan_from_list(linitial(scan->custom_private));
}

static bool has_release(const Plan *plan);

static bool
any_has_release(const List *plans)
{
	ListCell   *lc;

	foreach(lc, plans)
		if (has_release(lfirst(lc)))
			return true;
	return false;
}

static bool
has_release(const Plan *plan)
{
	if (plan == NULL)
		return false;
	if (eps_exec_is_release(plan) || has_release(plan->lefttree) || has_release(plan->righttree))
		return true;
	switch (nodeTag(plan))
	{
		case T_Append:
			return any_has_release(((const Append *) plan)->appendplans);
		case T_MergeAppend:
			return any_has_release(((const MergeAppend *) plan)->mergeplans);
		case T_BitmapAnd:
			return any_has_release(((const BitmapAnd *) plan)->bitmapplans);
		case T_BitmapOr:
			return any_has_release(((const BitmapOr *) plan)->bitmapplans);
		case T_SubqueryScan:
			return has_release(((const SubqueryScan *) plan)->subplan);
		case T_CustomScan:
			return any_has_release(((const CustomScan *) plan)->custom_plans);
		default:
			return false;
	}
}

bool
eps_exec_has_release(const PlannedStmt *stmt)
{
	return has_release(stmt->planTree) || any_has_release(stmt->subplans);
}

void
eps_exec_init(void)
{
	RegisterCustomScanMethods(&scan_methods);
	eps_exec_pad_init();
	eps_exec_groups_init();
	EPS_TEST(eps_exec_test_init());
}
