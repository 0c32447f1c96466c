/*
 * explain.c
 *	  What EXPLAIN says of a release: mechanism, bounds, price.  All of it is
 *	  public, and to an analyst nothing is printed below the node (rule 32): plans
 *	  of protected rows come from statistics.
 */
#include "postgres.h"

#include "pg/exec/exec_internal.h"

#include "commands/explain.h"

static void
explain_output(const EpsReleasePlan *plan, const EpsReleasePrice *price, int i, ExplainState *es)
{
	const EpsPlanOutput *o = &plan->outputs[i];
	const EpsPlanCoord *num = &plan->coords[o->num];
	char	   *label = psprintf("Output %d", i + 1);
	char	   *text = psprintf("%s: %s", eps_release_output_text(o), eps_release_mechanism_text(plan, price, o->num));

	if (o->den >= 0)
		text = psprintf("%s; rows: %s", text, eps_release_mechanism_text(plan, price, o->den));
	if (num->kind == EPS_COORD_VALUES)
		text = psprintf("%s; distinct values, at most " INT64_FORMAT " of an owner and group", text,
						eps_release_most_values(price, num));
	if (num->kind == EPS_COORD_SUM)
		text = psprintf("%s; bounds %s", text, eps_release_bounds_text(plan, num->column));
	ExplainPropertyText(label, text, es);
}

/* The price that was paid, or the one that the settings would give now. */
static const EpsReleasePrice *
price_of(const EpsScanState *node)
{
	EpsSettings settings;

	if (node->same_as != NULL)
		node = node->same_as;
	if (node->price != NULL)
		return node->price;
	settings = eps_release_settings();
	return eps_release_price(node->plan, &settings);
}

static void
explain_price(const EpsScanState *node, ExplainState *es)
{
	const EpsReleasePlan *plan = node->plan;
	const EpsReleasePrice *price = price_of(node);
	int64		quantum_ms;
	int			moments;

	ExplainPropertyText("Data Set", price->dataset->name, es);
	if (price->accuracy != NULL)
		ExplainPropertyText("Price", price->accuracy, es);
	if (price->pilot != NULL)
		ExplainPropertyText("Worst Case of the Pilot", eps_release_price_text(price->pilot), es);
	ExplainPropertyText("Worst Case per Owner", eps_release_price_text(price), es);
	ExplainPropertyInteger("Rows per Owner", NULL, price->rows_per_owner, es);
	ExplainPropertyInteger("Groups per Owner", NULL, price->groups_per_owner, es);
	ExplainPropertyText("Groups", eps_release_groups_text(plan, price), es);
	if (eps_exec_pad_of(price->dataset, &quantum_ms, &moments))
		ExplainPropertyText("Answers Leave", psprintf("every %lld ms, up to %lld ms", (long long) quantum_ms,
													  (long long) (quantum_ms * moments)), es);
	for (int i = 0; i < plan->noutputs; i++)
		explain_output(plan, price, i, es);
}

void
eps_exec_explain(CustomScanState *css, List *ancestors, ExplainState *es)
{
	EpsScanState *node = (EpsScanState *) css;

	if (node->plan->title[0] != '\0')
		ExplainPropertyText("Release", node->plan->title, es);
	explain_price(node, es);
	/* children are printed after this; the node keeps its own pointer to them */
	if (eps_policy_is_analyst_session())
		css->custom_ps = NIL;
}
