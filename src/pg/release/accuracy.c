/*
 * accuracy.c
 *	  The price that follows from the accuracy wanted (rule 8).
 *
 * Absolute: the lowest level of the ladder at which every interval is narrow
 * enough, from public bounds.  Relative: how wide an interval may be follows from
 * the answer, so a pilot answers first, for a tenth of the highest price; the
 * price of the release that follows is a function of public bounds and of what the
 * pilot has answered, and pilot and release together cost at most the highest
 * price.  (That this is sound: docs/privacy.md, accuracy.)
 */
#include "postgres.h"

#include <math.h>

#include "pg/release/release_internal.h"

#include "catalog/pg_type.h"

/* Of intervals that the query does not ask for. */
#define DEFAULT_CONFIDENCE 0.95

/* The pilot's part of the highest price, and of the delta of choosing groups. */
#define PILOT_SHARE 10

/* --- the setting ---------------------------------------------------------------- */

bool
eps_release_accuracy_parse(const char *text, double *accuracy, bool *relative)
{
	size_t		number;
	char	   *end;

	*accuracy = 0;
	*relative = false;
	text += strspn(text, " \t");
	if (*text == '\0')
		return true;
	/* strtod takes "inf", "nan" and hexadecimal digits as well */
	number = strspn(text, "0123456789.eE+-");
	*accuracy = strtod(text, &end);
	if (number == 0 || end != text + number)
		return false;
	end += strspn(end, " \t");
	*relative = *end == '%';
	end += *relative ? 1 : 0;
	end += strspn(end, " \t");
	if (*relative)
		*accuracy /= 100;
	return *end == '\0' && isfinite(*accuracy) && *accuracy > 0 && (!*relative || *accuracy < 1);
}

static char *
accuracy_text(const EpsSettings *settings)
{
	return settings->relative ? psprintf("%.4g %%", settings->accuracy * 100) : psprintf("%.15g", settings->accuracy);
}

/* --- what is to be exact enough ----------------------------------------------------- */

static EpsAccuracyTarget *
find_target(EpsAccuracyTarget *targets, int n, const EpsPlanOutput *output)
{
	for (int i = 0; i < n; i++)
	{
		const EpsPlanOutput *o = &targets[i].output;

		if (o->agg == output->agg && o->num == output->num && o->den == output->den)
			return &targets[i];
	}
	return NULL;
}

EpsAccuracyTarget *
eps_release_targets(const EpsReleasePlan *plan, int *n)
{
	EpsAccuracyTarget *targets = palloc0(sizeof(EpsAccuracyTarget) * Max(plan->noutputs, 1));
	int			next = 0;

	*n = 0;
	for (int j = 0; j < plan->noutputs; j++)
	{
		const EpsPlanOutput *output = &plan->outputs[j];
		EpsAccuracyTarget *target = find_target(targets, *n, output);

		if (target == NULL)
		{
			target = &targets[(*n)++];
			target->output = *output;
			target->output.kind = EPS_OUTPUT_VALUE;
			target->output.type = FLOAT8OID;
			target->output.confidence = 0;
			target->value = next++;
			target->rows = output->agg == EPS_AGG_AVG ? next++ : -1;
		}
		if (output->kind == EPS_OUTPUT_LOW || output->kind == EPS_OUTPUT_HIGH)
			target->output.confidence = Max(target->output.confidence, output->confidence);
	}
	for (int i = 0; i < *n; i++)
		if (targets[i].output.confidence == 0)
			targets[i].output.confidence = DEFAULT_CONFIDENCE;
	return targets;
}

EpsReleasePlan *
eps_release_pilot_plan(const EpsReleasePlan *plan)
{
	EpsReleasePlan *pilot = palloc(sizeof(EpsReleasePlan));
	int			n;
	EpsAccuracyTarget *targets = eps_release_targets(plan, &n);

	*pilot = *plan;
	pilot->title = psprintf("pilot of %s", plan->title);
	pilot->noutputs = 0;
	pilot->outputs = palloc0(sizeof(EpsPlanOutput) * Max(2 * n, 1));
	for (int i = 0; i < n; i++)
	{
		EpsPlanOutput *output = &pilot->outputs[pilot->noutputs++];

		*output = targets[i].output;
		output->confidence = 0;
		if (targets[i].rows >= 0)
			pilot->outputs[pilot->noutputs++] = (EpsPlanOutput)
		{
			.kind = EPS_OUTPUT_VALUE,.agg = EPS_AGG_COUNT,.num = output->den,.den = -1,.type = FLOAT8OID
		};
	}
	return pilot;
}

/* --- how exact it is ------------------------------------------------------------------ */

/* The middle of the bounds, which a sum or average is counted from. */
static double
center_of(const EpsReleasePlan *plan, const EpsPlanOutput *output)
{
	const EpsPlanCoord *num = &plan->coords[output->num];

	if (num->kind != EPS_COORD_SUM)
		return 0;
	return (double) plan->columns[num->column].center * eps_release_unit(plan, num);
}

static double
width_of(const EpsReleasePlan *plan, const EpsReleasePrice *price, int coord, double confidence)
{
	int64		q = 0;

	eps_common_check(eps_mechanism_quantile(&q, &price->coords[coord], confidence), "interval");
	return (double) q * eps_release_grid_step(plan, price, coord);
}

/* As intervals are formed when an answer is put out (pg/exec, emit.c). */
EpsWidths
eps_release_widths(const EpsReleasePlan *plan, const EpsReleasePrice *price, const EpsAccuracyTarget *target)
{
	const EpsPlanOutput *o = &target->output;
	bool		two = o->den >= 0 && (o->agg == EPS_AGG_AVG || center_of(plan, o) != 0);
	double		confidence = two ? (1 + o->confidence) / 2 : o->confidence;
	EpsWidths	widths = {.num = width_of(plan, price, o->num, confidence)};

	if (two)
		widths.den = width_of(plan, price, o->den, confidence);
	return widths;
}

double
eps_release_half_width(const EpsReleasePlan *plan, const EpsAccuracyTarget *target, const EpsWidths *widths,
					   double value, double rows)
{
	double		center = center_of(plan, &target->output);

	if (target->output.agg != EPS_AGG_AVG)
		return widths->num + fabs(center) * widths->den;
	/* the corner of both intervals that is furthest from the quotient */
	if (!(rows - widths->den >= 1))
		return INFINITY;
	return (widths->num + fabs(value - center) * widths->den) / (rows - widths->den);
}

/* --- the lowest level that is enough ----------------------------------------------------- */

/* What an accuracy is tried on. */
typedef struct Trial
{
	const EpsReleasePlan *plan;
	const EpsSettings *settings;
	EpsReleasePrice *price;
	EpsAccuracyTarget *targets;
	int			ntargets;
	const EpsPilotAnswer *pilot;	/* NULL: absolute */
	EpsWidths  *pilot_widths;	/* by target */
} Trial;

/*
 * Will the interval of one group be narrow enough, if the truth is what is furthest
 * from our purpose of what the pilot's own interval holds?
 */
static bool
is_group_exact(const Trial *t, int target, const EpsWidths *widths, uint64 group)
{
	const EpsAccuracyTarget *a = &t->targets[target];
	const double *values = t->pilot->values + group * (uint64) t->pilot->noutputs;
	double		value = values[a->value];
	double		rows = a->rows >= 0 ? values[a->rows] : 0;
	double		wanted;

	if (isnan(value) || isnan(rows))
		return false;
	wanted = t->settings->accuracy *
		(fabs(value) - eps_release_half_width(t->plan, a, &t->pilot_widths[target], value, rows));
	return wanted > 0 &&
		eps_release_half_width(t->plan, a, widths, value, rows - t->pilot_widths[target].den) <= wanted;
}

static bool
is_target_exact(const Trial *t, int target)
{
	EpsWidths	widths = eps_release_widths(t->plan, t->price, &t->targets[target]);

	if (t->pilot == NULL)
		return eps_release_half_width(t->plan, &t->targets[target], &widths, 0, 0) <= t->settings->accuracy;
	for (uint64 g = 0; g < t->pilot->ngroups; g++)
		if (!is_group_exact(t, target, &widths, g))
			return false;
	return t->pilot->ngroups > 0;
}

static bool
is_enough(const Trial *t, unsigned level)
{
	if (!eps_release_price_noise(t->price, t->plan, t->settings, level))
		return false;
	for (int i = 0; i < t->ntargets; i++)
		if (!is_target_exact(t, i))
			return false;
	return true;
}

/*
 * By halves: more units buy less noise, but for the steps of the ladders.  Where
 * groups are chosen, not below the pilot's price: the threshold rises with the noise,
 * and most of what the pilot showed would be gone.
 */
static bool
find_level(const Trial *t, unsigned *level)
{
	bool		chosen = t->pilot != NULL && t->price->thresholded;
	unsigned	too_low = chosen ? t->pilot->price->booked_level - 1 : 0;
	unsigned	enough = *level;

	if (!is_enough(t, enough))
		return false;
	while (enough - too_low > 1)
	{
		unsigned	middle = too_low + (enough - too_low) / 2;

		if (is_enough(t, middle))
			enough = middle;
		else
			too_low = middle;
	}
	*level = enough;
	return true;
}

/* --- absolute ------------------------------------------------------------------------------ */

static void
check_no_average(const Trial *t)
{
	for (int i = 0; i < t->ntargets; i++)
		if (t->targets[i].output.agg == EPS_AGG_AVG)
			ereport(ERROR,
					(errcode(EPS_ERRCODE_PRICE),
					 errmsg("how exact an average is does not follow from public bounds"),
					 errdetail("It depends on the number of rows."),
					 errhint("Set dp.accuracy to a percentage, or ask for sum and count.")));
}

static void
raise_out_of_reach(const Trial *t, unsigned highest)
{
	double		widest = 0;

	if (!eps_release_price_noise(t->price, t->plan, t->settings, highest))
		ereport(ERROR,
				(errcode(EPS_ERRCODE_PRICE),
				 errmsg("price buys no noise that can be drawn for these bounds"),
				 errhint("Raise dp.epsilon, or narrow bounds, dp.rows_per_owner or dp.groups_per_owner.")));
	for (int i = 0; i < t->ntargets; i++)
	{
		EpsWidths	widths = eps_release_widths(t->plan, t->price, &t->targets[i]);

		widest = Max(widest, eps_release_half_width(t->plan, &t->targets[i], &widths, 0, 0));
	}
	t->price->booked_level = highest;
	ereport(ERROR,
			(errcode(EPS_ERRCODE_PRICE),
			 errmsg("accuracy %s cannot be had for the highest price", accuracy_text(t->settings)),
			 errdetail("At %s the widest interval is the answer plus or minus %.4g.",
					   eps_release_price_text(t->price), widest),
			 errhint("Raise dp.accuracy, set dp.epsilon or dp.rho to a higher price, or narrow bounds.")));
}

/* A release that has nothing to be exact has a price as if no accuracy was set. */
static EpsReleasePrice *
price_without(const EpsReleasePlan *plan, const EpsSettings *settings)
{
	EpsSettings set = *settings;

	set.accuracy = 0;
	return eps_release_price(plan, &set);
}

EpsReleasePrice *
eps_release_price_absolute(const EpsReleasePlan *plan, const EpsSettings *settings)
{
	Trial		t = {.plan = plan,.settings = settings};
	uint64		units;
	unsigned	highest;
	unsigned	level;

	t.targets = eps_release_targets(plan, &t.ntargets);
	if (t.ntargets == 0)
		return price_without(plan, settings);
	t.price = eps_release_price_begin(plan, settings, &units);
	check_no_average(&t);
	level = highest = eps_accountant_ladder_down(units);
	if (!find_level(&t, &level))
		raise_out_of_reach(&t, highest);
	eps_release_price_finish(t.price, plan, settings, level, eps_release_delta_units(t.price, settings));
	t.price->accuracy = psprintf("for an accuracy of %s", accuracy_text(settings));
	return t.price;
}

/* --- relative ------------------------------------------------------------------------------- */

static EpsReleasePrice *
price_of_pilot(const EpsReleasePlan *plan, const EpsSettings *settings)
{
	EpsReleasePlan *pilot_plan = eps_release_pilot_plan(plan);
	uint64		units;
	EpsReleasePrice *pilot = eps_release_price_begin(pilot_plan, settings, &units);
	unsigned	level = eps_accountant_ladder_down(units / PILOT_SHARE);

	if (level == 0)
		ereport(ERROR,
				(errcode(EPS_ERRCODE_PRICE),
				 errmsg("price is too low to be counted"),
				 errhint("Raise dp.%s.", settings->rho > 0 ? "rho" : "epsilon")));
	eps_release_price_finish(pilot, pilot_plan, settings, level,
							 eps_release_delta_units(pilot, settings) / PILOT_SHARE);
	pilot->accuracy = psprintf("pilot for an accuracy of %s", accuracy_text(settings));
	return pilot;
}

static void
finish_after(EpsReleasePrice *price, const EpsReleasePlan *plan, const EpsSettings *settings,
			 unsigned level, unsigned highest)
{
	uint64		delta_units = eps_release_delta_units(price, settings);

	eps_release_price_finish(price, plan, settings, level, delta_units - delta_units / PILOT_SHARE);
	price->booked_level = highest;
	price->accuracy = psprintf("for an accuracy of %s, after a pilot", accuracy_text(settings));
}

EpsReleasePrice *
eps_release_price_relative(const EpsReleasePlan *plan, const EpsSettings *settings)
{
	EpsReleasePrice *price;
	EpsReleasePrice *pilot;
	uint64		units;
	unsigned	highest;
	int			n;

	(void) eps_release_targets(plan, &n);
	if (n == 0)
		return price_without(plan, settings);
	pilot = price_of_pilot(plan, settings);
	price = eps_release_price_begin(plan, settings, &units);
	highest = eps_accountant_ladder_down(units - eps_accountant_ladder_units(pilot->booked_level));
	finish_after(price, plan, settings, highest, highest);
	price->pilot = pilot;
	return price;
}

EpsReleasePrice *
eps_release_price_after(const EpsReleasePlan *plan, const EpsSettings *settings, const EpsPilotAnswer *pilot,
						unsigned highest, bool *reached)
{
	Trial		t = {.plan = plan,.settings = settings,.pilot = pilot};
	uint64		units;
	unsigned	level = highest;

	t.price = eps_release_price_begin(plan, settings, &units);
	t.targets = eps_release_targets(plan, &t.ntargets);
	t.pilot_widths = palloc(sizeof(EpsWidths) * t.ntargets);
	for (int i = 0; i < t.ntargets; i++)
		t.pilot_widths[i] = eps_release_widths(plan, pilot->price, &t.targets[i]);
	*reached = find_level(&t, &level);
	/* in words: what it costs, which is less than what the entry bears */
	finish_after(t.price, plan, settings, level, level);
	t.price->accuracy = psprintf("%s, at %s", t.price->accuracy, eps_release_price_text(t.price));
	t.price->booked_level = highest;
	return t.price;
}
