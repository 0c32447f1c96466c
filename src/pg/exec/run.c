/*
 * run.c
 *	  All releases of a statement, once each, in an order fixed by the plan
 *	  (rule 1): the subplans by number, then the main tree, what is below before
 *	  what is above.
 *
 * All are priced, then booked against the quota in one piece, then run.  A
 * release whose input pulls one that comes later (through a parameter) runs that
 * one on the way: it is booked already.
 */
#include "postgres.h"

#include "pg/exec/exec_internal.h"
#include "pg/exec/repeat_internal.h"

#include <math.h>

#include "access/table.h"
#include "nodes/nodeFuncs.h"
#include "storage/lmgr.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/relcache.h"

/* --- which ------------------------------------------------------------------------ */

static bool
collect_scans(PlanState *state, List **scans)
{
	if (state == NULL)
		return false;
	(void) planstate_tree_walker(state, collect_scans, scans);
	if (eps_exec_is_scan_state(state))
		*scans = list_append_unique_ptr(*scans, state);
	return false;
}

static List *
scans_of_query(QueryDesc *query)
{
	List	   *scans = NIL;
	ListCell   *lc;

	foreach(lc, query->estate->es_subplanstates)
		(void) collect_scans((PlanState *) lfirst(lc), &scans);
	(void) collect_scans(query->planstate, &scans);
	return scans;
}

/* Equal text and equal plan, outputs included: one answer for both. */
static bool
is_same_release(const EpsScanState *a, const EpsScanState *b)
{
	const CustomScan *left = (const CustomScan *) a->css.ss.ps.plan;
	const CustomScan *right = (const CustomScan *) b->css.ss.ps.plan;

	return strcmp(a->plan->fingerprint, b->plan->fingerprint) == 0 &&
		equal(linitial(left->custom_private), linitial(right->custom_private));
}

static EpsScanState *
find_same(List *scans, const EpsScanState *node)
{
	ListCell   *lc;

	foreach(lc, scans)
	{
		EpsScanState *other = lfirst(lc);

		if (other == node)
			return NULL;
		if (other->same_as == NULL && other->phase != EPS_SCAN_NEW && is_same_release(other, node))
			return other;
	}
	return NULL;
}

/* --- price and quota --------------------------------------------------------------- */

/*
 * The role's part of the delta that choosing groups may cost an owner: what its
 * quota is of the data set's promise, in epsilon, to which the root of rho is
 * proportional.
 */
static uint64
delta_quota(const EpsReleasePrice *price)
{
	double		share = sqrt((double) price->grant->quota_units / (double) price->dataset->cap_units);

	return share >= 1 ? price->dataset->delta_units : (uint64) ((double) price->dataset->delta_units * share);
}

static EpsQuotaClaim
claim_of(const EpsScanState *node)
{
	const EpsReleasePrice *price = node->price;
	EpsQuotaClaim claim = {
		.dataset_id = price->dataset->id,
		.role = price->grant->role,
		.quota_units = price->grant->quota_units,
		.quota_delta_units = delta_quota(price),
		.units = eps_accountant_ladder_units(price->booked_level),
		.delta_units = eps_accountant_ladder_units(price->worst_delta_level)
	};

	if (node->accuracy != NULL)
		eps_exec_accuracy_claim(node, &claim);
	return claim;
}

/* Books claims against the quota; a release after a pilot may get less than the
 * highest price. */
static void
take_quota(List *nodes)
{
	int			n = list_length(nodes);
	EpsQuotaClaim *claims = palloc(sizeof(EpsQuotaClaim) * Max(n, 1));

	for (int i = 0; i < n; i++)
		claims[i] = claim_of(list_nth(nodes, i));
	if (n > 0)
		eps_budget_take_quota(claims, n);
	for (int i = 0; i < n; i++)
	{
		EpsScanState *node = list_nth(nodes, i);

		if (node->accuracy != NULL)
			eps_exec_accuracy_booked(node, claims[i].units);
	}
}

/* The ledger records the statement: one that is too long is refused before a row
 * is read. */
static void
check_text(const EpsScanState *node)
{
	const char *text = node->css.ss.ps.state->es_sourceText;

	if (text != NULL && strlen(text) > 128 * 1024)
		ereport(ERROR,
				(errcode(EPS_ERRCODE_REFUSED),
				 errmsg("the statement is too long to be recorded"),
				 errhint("Send at most 128 kB of text with a release.")));
}

/* What the release asks, added to what the statement asks. */
static List *
ask(EpsScanState *node, List *statement, const EpsSettings *settings)
{
	EState	   *estate = node->css.ss.ps.state;

	node->asked.plan = node->plan;
	node->asked.price = node->price;
	statement = lappend(statement, &node->asked);
	if (node->price->pilot != NULL)
		eps_exec_accuracy_ask(node, statement, settings);
	else
		eps_exec_ask(&node->asked, statement, settings, estate->es_param_list_info, estate->es_snapshot);
	return statement;
}

/*
 * Books the new releases among the statement's, all or none.  Books are opened
 * before: a quota is never given back.
 */
static void
book_releases(List *scans)
{
	EpsSettings settings = eps_release_settings();
	List	   *statement = NIL;
	List	   *charged = NIL;
	ListCell   *lc;

	eps_exec_pilot_forget();
	eps_budget_check_durable();
	check_text(linitial(scans));
	foreach(lc, scans)
	{
		EpsScanState *node = lfirst(lc);

		if (node->phase != EPS_SCAN_NEW)
			continue;
		node->phase = EPS_SCAN_BOOKED;
		node->same_as = find_same(scans, node);
		if (node->same_as != NULL)
			continue;
		node->price = eps_release_price(node->plan, &settings);
		node->purpose = settings.purpose;
		node->book = eps_budget_open(node->plan->dataset_id);
		node->statement = statement = ask(node, statement, &settings);
		if (node->asked.repeat)
			continue;			/* it costs nothing (rule 26) */
		eps_budget_check_snapshot(node->book, node->css.ss.ps.state->es_snapshot);
		charged = lappend(charged, node);
	}
	take_quota(charged);
}

/* --- run ------------------------------------------------------------------------------ */

static void
run_booked(EpsScanState *node)
{
	if (node->phase == EPS_SCAN_DONE)
		return;
	EPS_ENSURE(node->phase == EPS_SCAN_BOOKED, "a release depends on itself");
	node->phase = EPS_SCAN_RUNNING;
	if (node->same_as != NULL)
	{
		run_booked(node->same_as);
		node->rows = node->same_as->rows;
	}
	else if (node->accuracy != NULL)
		eps_exec_accuracy_run(node);
	else if (node->asked.repeat)
		eps_exec_repeat(node);
	else
		eps_exec_answer(node);
	node->phase = EPS_SCAN_DONE;
}

static void
run_all(List *scans)
{
	ListCell   *lc;

	foreach(lc, scans)
		run_booked(lfirst(lc));
}

/* What pilots have answered, where it did not leave at once. */
static void
show_pilots(List *scans)
{
	ListCell   *lc;

	foreach(lc, scans)
		eps_exec_pilot_show(lfirst(lc));
}

static bool
has_phase(List *scans, EpsScanPhase phase)
{
	ListCell   *lc;

	foreach(lc, scans)
		if (((EpsScanState *) lfirst(lc))->phase == phase)
			return true;
	return false;
}

static void
run_scans(EState *estate, List *scans)
{
	MemoryContext old = MemoryContextSwitchTo(estate->es_query_cxt);

	if (has_phase(scans, EPS_SCAN_NEW))
		book_releases(scans);
	if (has_phase(scans, EPS_SCAN_BOOKED))
		eps_exec_pad(scans, run_all);
	show_pilots(scans);
	MemoryContextSwitchTo(old);
}

/*
 * Takes the locks that reading a long value takes, until the transaction ends: of a
 * lock table that others have filled, whether such a value is met must not show.
 */
static void
lock_long_values(const EState *estate)
{
	ListCell   *lc;

	foreach(lc, estate->es_range_table)
	{
		const RangeTblEntry *rte = lfirst_node(RangeTblEntry, lc);
		Relation	relation;
		Relation	toast;
		ListCell   *index;

		if (rte->rtekind != RTE_RELATION)
			continue;
		relation = table_open(rte->relid, NoLock);
		if (OidIsValid(relation->rd_rel->reltoastrelid))
		{
			toast = table_open(relation->rd_rel->reltoastrelid, AccessShareLock);
			foreach(index, RelationGetIndexList(toast))
				LockRelationOid(lfirst_oid(index), AccessShareLock);
			table_close(toast, NoLock);
		}
		table_close(relation, NoLock);
	}
}

void
eps_exec_run_releases(QueryDesc *query)
{
	MemoryContext old = MemoryContextSwitchTo(query->estate->es_query_cxt);
	List	   *scans = scans_of_query(query);

	MemoryContextSwitchTo(old);
	if (scans == NIL)
		return;
	lock_long_values(query->estate);
	run_scans(query->estate, scans);
}

/* A node that is read before it has run: one that another release needs, or one
 * of a plan that nobody announced. */
void
eps_exec_run_node(EpsScanState *node)
{
	if (node->phase != EPS_SCAN_DONE)
		run_scans(node->css.ss.ps.state, list_make1(node));
}
