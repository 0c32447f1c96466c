/*
 * price.c
 *	  The price of a release: from plan, policy and settings to noise.
 *
 * The steps stand in eps_release_price() in the order in which each needs the
 * one before.  Nothing here reads a protected row, so every error is public.
 */
#include "postgres.h"

#include <math.h>

#include "pg/release/release_internal.h"

/* Default price: this part of what a standard owner may spend; the same of delta. */
#define DEFAULT_SHARE 100

/* Highest price of an accuracy, where none is set. */
#define ACCURACY_SHARE 10

/* More groups than this an owner is never counted in: it bounds delta_levels. */
#define MOST_GROUPS_PER_OWNER ((int64) 1 << 20)

/* --- who asks whom ---------------------------------------------------------- */

/* A plan may be older than the policy: what it reads must still be protected in
 * its data set, and open. */
static void
check_relations(const EpsReleasePlan *plan)
{
	ListCell   *lc;

	foreach(lc, plan->relations)
	{
		const EpsProtected *p = eps_policy_protected(lfirst_oid(lc));

		if (p == NULL || p->closed || p->broken || p->dataset_id != plan->dataset_id)
			ereport(ERROR,
					(errcode(EPS_ERRCODE_REFUSED),
					 errmsg("policy of a protected relation has changed since this query was planned"),
					 errhint("Run the query again.")));
	}
}

static EpsDataset *
copy_dataset(int32 dataset_id)
{
	const EpsDataset *dataset = eps_policy_dataset(dataset_id);
	EpsDataset *copy;

	if (dataset == NULL || dataset->closed)
		ereport(ERROR,
				(errcode(EPS_ERRCODE_REFUSED),
				 errmsg("data set of this query is closed")));
	copy = palloc(sizeof(EpsDataset));
	*copy = *dataset;
	copy->name = pstrdup(dataset->name);
	return copy;
}

static EpsGrant *
copy_grant(const EpsDataset *dataset)
{
	const EpsGrant *grant = eps_policy_grant(dataset->id);
	EpsGrant   *copy;
	ListCell   *lc;

	if (grant == NULL)
		ereport(ERROR,
				(errcode(EPS_ERRCODE_NOT_ANALYST),
				 errmsg("no grant on data set \"%s\"", dataset->name),
				 errhint("A steward gives one with dp.grant_analyst().")));
	copy = palloc(sizeof(EpsGrant));
	*copy = *grant;
	copy->purposes = NIL;
	foreach(lc, grant->purposes)
		copy->purposes = lappend(copy->purposes, pstrdup((const char *) lfirst(lc)));
	return copy;
}

/* --- what it may cost --------------------------------------------------------- */

static uint64
units_of_rho(double rho)
{
	uint64		units = 0;

	eps_common_check(eps_mechanism_units_down(&units, rho), "price in units");
	return units;
}

/* dp.epsilon becomes rho once, downward, at the data set's conversion delta. */
static uint64
units_of_epsilon(const EpsDataset *dataset, double epsilon)
{
	double		rho = epsilon;

	if (!dataset->pure)
		eps_common_check(eps_mechanism_zcdp_rho(&rho, epsilon, dataset->conversion_delta), "price as rho");
	return units_of_rho(rho);
}

static uint64
wanted_units(const EpsReleasePrice *price, const EpsSettings *settings)
{
	if (settings->epsilon > 0 && settings->rho > 0)
		ereport(ERROR,
				(errcode(EPS_ERRCODE_PRICE),
				 errmsg("dp.epsilon and dp.rho are both set"),
				 errhint("RESET one of them: a release has one price.")));
	if (settings->rho > 0)
	{
		if (price->dataset->pure)
			ereport(ERROR,
					(errcode(EPS_ERRCODE_PRICE),
					 errmsg("data set \"%s\" counts in epsilon, not in rho", price->dataset->name),
					 errhint("RESET dp.rho and set dp.epsilon.")));
		return units_of_rho(settings->rho);
	}
	if (settings->epsilon > 0)
		return units_of_epsilon(price->dataset, settings->epsilon);
	return Min(price->dataset->standard_units / (settings->accuracy > 0 ? ACCURACY_SHARE : DEFAULT_SHARE),
			   price->grant->query_units);
}

/* The highest price of the grant as people set it. */
static char *
highest_price_text(const EpsReleasePrice *price)
{
	double		units = ldexp((double) price->grant->query_units, -EPS_UNIT_BITS);
	double		epsilon;

	if (price->dataset->pure)
		return psprintf("epsilon %.4g", units);
	if (eps_mechanism_zcdp_epsilon(&epsilon, units, price->dataset->conversion_delta) != EPS_OK)
		return psprintf("rho %.4g", units);
	return psprintf("rho %.4g (epsilon %.4g)", units, epsilon);
}

static uint64
price_units(const EpsReleasePrice *price, const EpsSettings *settings)
{
	uint64		units = wanted_units(price, settings);

	if (units > price->grant->query_units)
		ereport(ERROR,
				(errcode(EPS_ERRCODE_PRICE),
				 errmsg("price is above what this role may ask of data set \"%s\"", price->dataset->name),
				 errdetail("The highest price of one release is %s.", highest_price_text(price)),
				 errhint("Lower dp.%s.", settings->rho > 0 ? "rho" : "epsilon")));
	if (units == 0)
		ereport(ERROR,
				(errcode(EPS_ERRCODE_PRICE),
				 errmsg("price is too low to be counted"),
				 errhint("Raise dp.%s.", settings->rho > 0 ? "rho" : "epsilon")));
	return units;
}

/* --- groups and bounds ---------------------------------------------------------- */

static void
check_all_groups(const EpsReleasePlan *plan, const EpsSettings *settings, uint64 size)
{
	if (size == 0)
		ereport(ERROR,
				(errcode(EPS_ERRCODE_GROUPS),
				 errmsg("a key of GROUP BY has no public domain"),
				 errdetail("All groups can come out only where every key has one."),
				 errhint("Set dp.groups = auto, or have a steward declare the domain with dp.set_domain().")));
	if (size > (uint64) settings->max_groups)
		ereport(ERROR,
				(errcode(EPS_ERRCODE_GROUPS),
				 errmsg("public domain of GROUP BY has too many groups"),
				 errdetail("It has more than dp.max_groups = " INT64_FORMAT " groups.", settings->max_groups),
				 errhint("Set dp.groups = seen to get the groups that a noisy threshold lets through, or filter the keys.")));
}

static void
decide_groups(EpsReleasePrice *price, const EpsReleasePlan *plan, const EpsSettings *settings)
{
	uint64		size = eps_release_domain_size(plan);
	bool		seen = settings->groups == EPS_GROUPS_SEEN || size == 0;

	price->thresholded = plan->has_groups && plan->nkeys > 0 &&
		settings->groups != EPS_GROUPS_ALL && seen;
	if (!price->thresholded)
	{
		check_all_groups(plan, settings, size);
		price->ngroups = size;
		return;
	}
	if (price->dataset->pure)
		ereport(ERROR,
				(errcode(EPS_ERRCODE_GROUPS),
				 errmsg("groups of data set \"%s\" cannot be chosen by a threshold", price->dataset->name),
				 errdetail("Its accountant is pure: a threshold costs delta, and delta is 0."),
				 errhint("Group by keys with a public domain.")));
}

static int64
tightened(int64 declared, int64 set, const char *setting, bool by_fact)
{
	if (set == 0)
		return declared;
	/* A bound that follows from a unique index cannot be loosened at all: then
	 * the setting is meant for another query of the session. */
	if (declared > 0 && set > declared && !by_fact)
		ereport(ERROR,
				(errcode(EPS_ERRCODE_UNBOUNDED),
				 errmsg("%s can only tighten the declared bound", setting),
				 errdetail("The declared bound is " INT64_FORMAT ".", declared),
				 errhint("RESET %s, or set it to at most this.", setting)));
	return declared > 0 ? Min(declared, set) : set;
}

static void
decide_bounds(EpsReleasePrice *price, const EpsReleasePlan *plan, const EpsSettings *settings)
{
	int64		groups;

	price->rows_per_owner = tightened(plan->rows_per_owner, settings->rows_per_owner,
									  "dp.rows_per_owner", plan->owner_unique);
	if (price->rows_per_owner <= 0)
		ereport(ERROR,
				(errcode(EPS_ERRCODE_UNBOUNDED),
				 errmsg("number of rows of one owner is not bounded"),
				 errhint("Set dp.rows_per_owner, or have a steward give rows_per_owner to dp.protect() or dp.create_dataset().")));
	groups = tightened(plan->groups_per_owner, settings->groups_per_owner, "dp.groups_per_owner", false);
	if (groups <= 0 || groups > price->rows_per_owner)
		groups = price->rows_per_owner;
	if (!price->thresholded && (uint64) groups > price->ngroups)
		groups = (int64) Max(price->ngroups, 1);
	price->groups_per_owner = Min(groups, MOST_GROUPS_PER_OWNER);
}

/* --- noise ------------------------------------------------------------------------ */

/* An owners coordinate of the price's own, where the plan has none to threshold. */
static void
decide_coordinates(EpsReleasePrice *price, const EpsReleasePlan *plan)
{
	price->ncoords = plan->ncoords;
	price->owners_coord = -1;
	if (!price->thresholded)
		return;
	price->owners_coord = plan->owners_coord;
	if (price->owners_coord < 0)
		price->owners_coord = price->ncoords++;
}

/* Shares of the price by weight; a coordinate of the price's own gets the mean. NULL
 * if the price is too low for them. */
static uint64 *
share_out(const EpsReleasePrice *price, const EpsReleasePlan *plan, uint64 units)
{
	uint64	   *share = palloc0(sizeof(uint64) * Max(price->ncoords, 1));
	double	   *weight = palloc0(sizeof(double) * Max(price->ncoords, 1));
	double		sum = 0;

	for (int i = 0; i < plan->ncoords; i++)
		sum += weight[i] = plan->coords[i].weight;
	if (price->ncoords > plan->ncoords)
		weight[plan->ncoords] = plan->ncoords > 0 ? sum / plan->ncoords : 1.0;
	if (eps_mechanism_split(share, weight, (size_t) price->ncoords, units) != EPS_OK)
		return NULL;
	return share;
}

/* Calibrates all coordinates with one kind of noise; NULL if one cannot be. */
static EpsCoordinate *
calibrate(const EpsReleasePrice *price, const EpsReleasePlan *plan, const uint64 *share, EpsNoiseKind kind)
{
	EpsCoordinate *coords = palloc0(sizeof(EpsCoordinate) * Max(price->ncoords, 1));

	for (int i = 0; i < price->ncoords; i++)
	{
		EpsPlanCoord c = eps_release_coord(plan, i);
		EpsSensitivity bound = eps_release_sensitivity(plan, price, &c);

		if (eps_mechanism_calibrate(&coords[i], &bound, kind, price->dataset->pure, share[i]) != EPS_OK)
			return NULL;
		/*
		 * One owner must be a whole number of grid steps to meet a threshold.  A value
		 * must be one too: a union is rounded as a whole, which is no sum of what its
		 * owners offer, each rounded.
		 */
		if ((i == price->owners_coord || c.kind == EPS_COORD_VALUES) && coords[i].shift > 0)
			return NULL;
	}
	return coords;
}

/* Sum of the coordinates' noise relative to the largest contribution, by weight. */
static double
relative_error(const EpsReleasePrice *price, const EpsReleasePlan *plan, const EpsCoordinate *coords)
{
	double		sum = 0;

	for (int i = 0; i < price->ncoords; i++)
	{
		double		weight = i < plan->ncoords ? plan->coords[i].weight : 1.0;

		sum += weight * eps_mechanism_stddev(&coords[i]) / (double) coords[i].bound.linf;
	}
	return sum;
}

static void
check_noise_choice(const EpsReleasePrice *price, const EpsSettings *settings)
{
	if (price->dataset->pure && settings->noise == EPS_CHOICE_GAUSSIAN)
		ereport(ERROR,
				(errcode(EPS_ERRCODE_PRICE),
				 errmsg("Gaussian noise is not pure"),
				 errdetail("Data set \"%s\" has the accountant pure.", price->dataset->name),
				 errhint("Set dp.noise = auto.")));
}

/* One kind of noise for the whole release: what is set, or what errs less. */
static bool
choose_noise(EpsReleasePrice *price, const EpsReleasePlan *plan, const EpsSettings *settings, const uint64 *share)
{
	EpsCoordinate *gaussian = NULL;
	EpsCoordinate *laplace = NULL;

	if (settings->noise != EPS_CHOICE_LAPLACE && !price->dataset->pure)
		gaussian = calibrate(price, plan, share, EPS_NOISE_GAUSSIAN);
	if (settings->noise != EPS_CHOICE_GAUSSIAN)
		laplace = calibrate(price, plan, share, EPS_NOISE_LAPLACE);
	if (gaussian == NULL && laplace == NULL)
		return false;
	if (laplace == NULL ||
		(gaussian != NULL && relative_error(price, plan, gaussian) <= relative_error(price, plan, laplace)))
	{
		price->noise = EPS_NOISE_GAUSSIAN;
		price->coords = gaussian;
	}
	else
	{
		price->noise = EPS_NOISE_LAPLACE;
		price->coords = laplace;
	}
	return true;
}

bool
eps_release_price_noise(EpsReleasePrice *price, const EpsReleasePlan *plan, const EpsSettings *settings, unsigned level)
{
	uint64	   *share = share_out(price, plan, eps_accountant_ladder_units(level));

	return share != NULL && choose_noise(price, plan, settings, share);
}

static void
decide_noise(EpsReleasePrice *price, const EpsReleasePlan *plan, const EpsSettings *settings, unsigned level)
{
	uint64	   *share = share_out(price, plan, eps_accountant_ladder_units(level));

	if (share == NULL)
		ereport(ERROR,
				(errcode(EPS_ERRCODE_PRICE),
				 errmsg("price is too low for this number of aggregates"),
				 errhint("Raise dp.epsilon, or ask for fewer aggregates.")));
	if (!choose_noise(price, plan, settings, share))
		ereport(ERROR,
				(errcode(EPS_ERRCODE_PRICE),
				 errmsg("price buys no noise that can be drawn for these bounds"),
				 errhint("Raise dp.epsilon, or narrow bounds, dp.rows_per_owner or dp.groups_per_owner.")));
}

/* --- what it costs at most ---------------------------------------------------------- */

static unsigned
level_of(uint64 units)
{
	unsigned	level = 0;

	eps_common_check(eps_accountant_ladder_up(&level, units), "ladder level");
	return level;
}

static void
decide_worst(EpsReleasePrice *price, unsigned highest)
{
	uint64		units = 0;

	price->charges = palloc0(sizeof(EpsCharge) * Max(price->ncoords, 1));
	for (int i = 0; i < price->ncoords; i++)
	{
		eps_common_check(eps_accountant_prepare(&price->charges[i], &price->coords[i], price->dataset->pure),
						 "charge of a coordinate");
		units = eps_base_add_sat_u64(units, price->charges[i].worst_units);
	}
	price->worst_level = price->booked_level = level_of(units);
	EPS_ENSURE(price->worst_level <= highest, "worst case is above the price");
}

/* --- threshold ------------------------------------------------------------------------ */

uint64
eps_release_delta_units(const EpsReleasePrice *price, const EpsSettings *settings)
{
	uint64		units = price->dataset->delta_units / DEFAULT_SHARE;

	if (!price->thresholded)
		return 0;
	if (settings->delta > 0)
		eps_common_check(eps_mechanism_units_down(&units, settings->delta), "delta in units");
	if (units == 0 || units > price->dataset->delta_units)
		ereport(ERROR,
				(errcode(EPS_ERRCODE_PRICE),
				 errmsg("delta of group selection is out of range"),
				 errdetail("Data set \"%s\" gives every owner %.4g of it in all.", price->dataset->name,
						   ldexp((double) price->dataset->delta_units, -EPS_UNIT_BITS)),
				 errhint("Set dp.delta to a part of this.")));
	return units;
}

/*
 * An owner in k groups has the delta 1 - (1 - p)^k <= k p, and never more than
 * that of the largest k, for which tau was found.
 */
static void
decide_threshold(EpsReleasePrice *price, uint64 delta_units)
{
	const EpsCoordinate *owners;
	double		p;
	int64		step;

	price->delta_levels = palloc0(sizeof(uint16) * (price->groups_per_owner + 1));
	if (!price->thresholded)
		return;
	owners = &price->coords[price->owners_coord];
	step = eps_mechanism_to_grid(1, owners->shift);
	price->worst_delta_level = eps_accountant_ladder_down(delta_units);
	eps_common_check(eps_mechanism_threshold(&price->tau, &p, owners, step, (uint64) price->groups_per_owner,
											 ldexp((double) eps_accountant_ladder_units(price->worst_delta_level), -EPS_UNIT_BITS)),
					 "threshold of group selection");
	for (int64 k = 1; k <= price->groups_per_owner; k++)
	{
		uint64		units = 0;

		eps_common_check(eps_mechanism_units_up(&units, Min(1.0, (double) k * p * (1 + 1e-15))), "delta in units");
		price->delta_levels[k] = (uint16) Min(level_of(units), price->worst_delta_level);
	}
}

EpsReleasePrice *
eps_release_price_asked(int32 dataset_id, const EpsSettings *settings)
{
	EpsReleasePrice *price = palloc0(sizeof(EpsReleasePrice));
	EpsSettings set = *settings;

	set.accuracy = 0;
	price->dataset = copy_dataset(dataset_id);
	price->grant = copy_grant(price->dataset);
	price->purpose = eps_policy_check_purpose(price->dataset, price->grant, settings->purpose);
	price->worst_level = eps_accountant_ladder_down(price_units(price, &set));
	return price;
}

EpsReleasePrice *
eps_release_price_begin(const EpsReleasePlan *plan, const EpsSettings *settings, uint64 *units)
{
	EpsReleasePrice *price = palloc0(sizeof(EpsReleasePrice));

	check_relations(plan);
	price->dataset = copy_dataset(plan->dataset_id);
	price->grant = copy_grant(price->dataset);
	price->purpose = eps_policy_check_purpose(price->dataset, price->grant, settings->purpose);
	*units = price_units(price, settings);
	decide_groups(price, plan, settings);
	decide_bounds(price, plan, settings);
	decide_coordinates(price, plan);
	check_noise_choice(price, settings);
	return price;
}

void
eps_release_price_finish(EpsReleasePrice *price, const EpsReleasePlan *plan, const EpsSettings *settings,
						 unsigned level, uint64 delta_units)
{
	if (price->ncoords > 0)
		decide_noise(price, plan, settings, level);
	decide_worst(price, level);
	decide_threshold(price, delta_units);
}

EpsReleasePrice *
eps_release_price(const EpsReleasePlan *plan, const EpsSettings *settings)
{
	EpsReleasePrice *price;
	uint64		units;

	if (settings->accuracy > 0)
		return settings->relative ? eps_release_price_relative(plan, settings) :
			eps_release_price_absolute(plan, settings);
	price = eps_release_price_begin(plan, settings, &units);
	eps_release_price_finish(price, plan, settings, eps_accountant_ladder_down(units),
							 eps_release_delta_units(price, settings));
	return price;
}
