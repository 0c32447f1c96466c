/*
 * text.c
 *	  Price and mechanism in words: for EXPLAIN, dp.preview and the ledger's
 *	  readers.  Public parameters only.
 */
#include "postgres.h"

#include <math.h>

#include "pg/release/release_internal.h"

char *
eps_release_mechanism_text(const EpsReleasePlan *plan, const EpsReleasePrice *price, int coord)
{
	const EpsCoordinate *c = &price->coords[coord];
	double		step = eps_release_grid_step(plan, price, coord);

	if (c->kind == EPS_NOISE_GAUSSIAN)
		return psprintf("discrete Gaussian, sigma %.4g, grid %.4g", sqrt((double) c->variance) * step, step);
	return psprintf("discrete Laplace, scale %.4g, grid %.4g",
					(double) c->scale_num / (double) c->scale_den * step, step);
}

char *
eps_release_bounds_text(const EpsReleasePlan *plan, int column)
{
	const EpsPlanColumn *c = &plan->columns[column];
	EpsPlanCoord sum = {.kind = EPS_COORD_SUM,.column = column};
	double		unit = eps_release_unit(plan, &sum);
	char	   *text = psprintf("%.15g .. %.15g", (double) c->lower * unit, (double) c->upper * unit);

	if (c->center == 0)
		return text;
	return psprintf("%s, centred at %.15g", text, (double) c->center * unit);
}

/* rho together with the epsilon that dp.epsilon would be set to. */
static char *
loss_text(const EpsDataset *dataset, double loss)
{
	double		epsilon;

	if (dataset->pure)
		return psprintf("epsilon %.4g", loss);
	if (loss <= 0 || eps_mechanism_zcdp_epsilon(&epsilon, loss, dataset->conversion_delta) != EPS_OK)
		return psprintf("rho %.4g", loss);
	return psprintf("rho %.4g (epsilon %.4g)", loss, epsilon);
}

/* A release and its pilot are one price to whoever asks. */
char *
eps_release_price_text(const EpsReleasePrice *price)
{
	uint64		units = eps_accountant_ladder_units(price->booked_level);
	uint64		delta_units = eps_accountant_ladder_units(price->worst_delta_level);
	char	   *text;

	if (price->pilot != NULL)
	{
		units += eps_accountant_ladder_units(price->pilot->booked_level);
		delta_units += eps_accountant_ladder_units(price->pilot->worst_delta_level);
	}
	text = loss_text(price->dataset, ldexp((double) units, -EPS_UNIT_BITS));
	if (delta_units == 0)
		return text;
	return psprintf("%s, delta %.4g", text, ldexp((double) delta_units, -EPS_UNIT_BITS));
}

char *
eps_release_groups_text(const EpsReleasePlan *plan, const EpsReleasePrice *price)
{
	if (!plan->has_groups)
		return pstrdup("one row");
	if (!price->thresholded)
		return psprintf(UINT64_FORMAT " of a public domain", price->ngroups);
	return psprintf("noisy count of owners >= %.4g (delta %.4g)",
					(double) price->tau * eps_release_grid_step(plan, price, price->owners_coord),
					ldexp((double) eps_accountant_ladder_units(price->worst_delta_level), -EPS_UNIT_BITS));
}

char *
eps_release_output_text(const EpsPlanOutput *output)
{
	static const char *const agg[] = {"count", "sum", "avg"};
	const char *name = agg[output->agg];

	switch (output->kind)
	{
		case EPS_OUTPUT_LOW:
			return psprintf("interval_low(%s, %g)", name, output->confidence);
		case EPS_OUTPUT_HIGH:
			return psprintf("interval_high(%s, %g)", name, output->confidence);
		case EPS_OUTPUT_STDDEV:
			return psprintf("stddev_of_noise(%s)", name);
		default:
			return pstrdup(name);
	}
}
