/*
 * accuracy.c
 *	  A release whose accuracy is relative: a pilot release of the same input, then
 *	  the release itself, whose price is a function of what the pilot has answered
 *	  (rule 8).
 *
 * Both are ordinary releases: each is charged and an entry of its own, each may be
 * a repeat.  What is booked against the quota at the start is the pilot and the
 * highest price of what follows; the entry of what follows bears that price too, so
 * that the quota is not given back when the book is loaded from the ledger.
 *
 * The price is decided from the rows that the pilot has put out, or that the answer
 * store gave, never from a total without noise: those are gone by then.
 */
#include "postgres.h"

#include <math.h>

#include "pg/exec/exec_internal.h"
#include "pg/exec/repeat_internal.h"

#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/snapmgr.h"

/* --- the price of what follows ------------------------------------------------------- */

static EpsPilotAnswer
read_answer(const EpsReleasePlan *plan, const EpsReleasePrice *price, const EpsAnswerRows *rows)
{
	double	   *values = palloc_extended(sizeof(double) * Max(rows->nrows * (uint64) plan->noutputs, 1), MCXT_ALLOC_HUGE);
	EpsPilotAnswer answer = {.price = price,.ngroups = rows->nrows,.noutputs = plan->noutputs,.values = values};

	for (uint64 r = 0; r < rows->nrows; r++)
		for (int j = 0; j < plan->noutputs; j++)
		{
			uint64		at = r * (uint64) rows->natts + plan->nkeys + j;

			*values++ = rows->isnull[at] ? NAN : DatumGetFloat8(rows->values[at]);
		}
	return answer;
}

static void
decide(EpsScanState *node, const List *statement)
{
	EpsAccuracy *a = node->accuracy;
	EState	   *estate = node->css.ss.ps.state;
	MemoryContext old = MemoryContextSwitchTo(estate->es_query_cxt);
	EpsPilotAnswer answer = read_answer(a->plan, a->price, &a->rows);

	node->price = eps_release_price_after(node->plan, &a->settings, &answer, a->highest, &a->reached);
	node->asked.price = node->price;
	eps_exec_ask(&node->asked, statement, &a->settings, estate->es_param_list_info, estate->es_snapshot);
	a->decided = true;
	MemoryContextSwitchTo(old);
}

/* --- before anything runs -------------------------------------------------------------- */

/* Where the pilot is a repeat, what follows has its price before anything is booked. */
void
eps_exec_accuracy_ask(EpsScanState *node, const List *statement, const EpsSettings *settings)
{
	EState	   *estate = node->css.ss.ps.state;
	EpsAccuracy *a = palloc0(sizeof(EpsAccuracy));

	node->accuracy = a;
	a->settings = *settings;
	a->plan = eps_release_pilot_plan(node->plan);
	a->price = node->price->pilot;
	a->highest = node->price->booked_level;
	a->asked.plan = a->plan;
	a->asked.price = a->price;
	eps_exec_ask(&a->asked, statement, settings, estate->es_param_list_info, estate->es_snapshot);
	if (!a->asked.repeat)
		return;
	a->rows = a->asked.rows;
	decide(node, statement);
	node->price->booked_level = node->price->worst_level;
}

void
eps_exec_accuracy_claim(const EpsScanState *node, EpsQuotaClaim *claim)
{
	const EpsAccuracy *a = node->accuracy;
	uint64		pilot = eps_accountant_ladder_units(a->price->booked_level);

	claim->least_units = pilot;
	if (a->decided)
		return;
	claim->units = pilot + eps_accountant_ladder_units(a->highest);
	claim->delta_units += eps_accountant_ladder_units(a->price->worst_delta_level);
	claim->least_units = 2 * pilot;
}

void
eps_exec_accuracy_booked(EpsScanState *node, uint64 units)
{
	EpsAccuracy *a = node->accuracy;

	if (!a->decided)
	{
		a->highest = eps_accountant_ladder_down(units - eps_accountant_ladder_units(a->price->booked_level));
		return;
	}
	if (units >= eps_accountant_ladder_units(node->price->booked_level))
		return;
	a->highest = eps_accountant_ladder_down(units);
	decide(node, node->statement);
}

/* --- the run ------------------------------------------------------------------------------ */

/* Puts the pilot in the place of the release, or back. */
static void
exchange(EpsScanState *node)
{
	EpsAccuracy *a = node->accuracy;
	EpsAccuracy own = {
		.plan = unconstify(EpsReleasePlan *, node->plan),
		.price = node->price,
		.asked = node->asked,
		.rows = node->rows,
		.keep_key = node->keep_key
	};

	node->plan = a->plan;
	node->price = a->price;
	node->asked = a->asked;
	node->rows = a->rows;
	node->keep_key = a->keep_key;
	a->plan = own.plan;
	a->price = own.price;
	a->asked = own.asked;
	a->rows = own.rows;
	a->keep_key = own.keep_key;
}

static void
run_one(EpsScanState *node)
{
	if (node->asked.repeat)
		eps_exec_repeat(node);
	else
		eps_exec_answer(node);
}

/* A cancel that comes in between ends the statement before the second begins: then
 * nothing of it is read or charged, and its quota stays booked. */
static void
pause_after_pilot(void)
{
	EPS_TEST(eps_exec_test_point("pilot"));
	eps_exec_pad_check();
	CHECK_FOR_INTERRUPTS();
}

void
eps_exec_accuracy_run(EpsScanState *node)
{
	EpsAccuracy *a = node->accuracy;
	bool		has_read = !a->asked.repeat;

	node->reads_again = true;
	exchange(node);
	run_one(node);
	exchange(node);
	node->reads_again = false;
	if (!a->decided)
		decide(node, node->statement);
	if (!eps_exec_pad_is_active())
		eps_exec_pilot_show(node);
	pause_after_pilot();
	if (has_read && !node->asked.repeat)
		ExecReScan(node->child);
	run_one(node);
}

void
eps_exec_accuracy_keep(EpsScanState *node)
{
	if (node->accuracy == NULL || node->accuracy->keep_key == NULL)
		return;
	exchange(node);
	eps_exec_keep(node, node->keep_key);
	node->keep_key = NULL;
	exchange(node);
}

/* --- for dp.preview ---------------------------------------------------------------------------- */

/* The highest level that an analyst's quota bears beside the pilot. */
static unsigned
highest_of_quota(const EpsReleasePrice *price)
{
	const EpsGrant *grant = price->grant;
	uint64		pilot = eps_accountant_ladder_units(price->pilot->booked_level);
	uint64		used;

	if (grant->quota_units == PG_UINT64_MAX)
		return price->booked_level;
	used = eps_budget_quota_used(price->dataset->id, grant->role);
	used = Min(eps_base_add_sat_u64(used, pilot), grant->quota_units);
	return Min(price->booked_level, Max(eps_accountant_ladder_down(grant->quota_units - used), price->pilot->booked_level));
}

static void
forecast_pilot(EpsForecast *forecast, EpsAsked *asked, EpsReleasePrice **price, const List *statement,
			   const EpsSettings *settings)
{
	EpsReleasePrice *pilot_price = (*price)->pilot;
	EpsAsked   *pilot = palloc0(sizeof(EpsAsked));
	EpsPilotAnswer answer;
	bool		reached;

	pilot->plan = forecast->pilot = eps_release_pilot_plan(asked->plan);
	pilot->price = pilot_price;
	eps_exec_ask(pilot, statement, settings, NULL, GetActiveSnapshot());
	forecast->pilot_repeat = pilot->repeat;
	forecast->pilot_at = pilot->at;
	(*price)->booked_level = highest_of_quota(*price);
	if (!pilot->repeat)
		return;
	answer = read_answer(pilot->plan, pilot_price, &pilot->rows);
	*price = eps_release_price_after(asked->plan, settings, &answer, (*price)->booked_level, &reached);
	(*price)->booked_level = (*price)->worst_level;
	(*price)->pilot = pilot_price;
	asked->price = *price;
}

EpsForecast *
eps_exec_forecast(const EpsReleasePlan *const *plans, EpsReleasePrice **prices, int n, const EpsSettings *settings)
{
	EpsForecast *forecast = palloc0(sizeof(EpsForecast) * Max(n, 1));
	List	   *statement = NIL;

	for (int i = 0; i < n; i++)
	{
		EpsAsked   *asked = palloc0(sizeof(EpsAsked));

		asked->plan = plans[i];
		asked->price = prices[i];
		statement = lappend(statement, asked);
		if (prices[i]->pilot != NULL)
			forecast_pilot(&forecast[i], asked, &prices[i], statement, settings);
		if (prices[i]->pilot == NULL || forecast[i].pilot_repeat)
			eps_exec_ask(asked, statement, settings, NULL, GetActiveSnapshot());
		forecast[i].repeat = asked->repeat;
		forecast[i].at = asked->at;
	}
	return forecast;
}
