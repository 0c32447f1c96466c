/*
 * sensitivity.c
 *	  What one owner can do to a coordinate, from public bounds alone.
 *
 * An owner counts with at most R rows (rows_per_owner) in at most L0 groups
 * (groups_per_owner).  The R rows are shared by all groups, so the worst case of
 * rows and sums puts them all into one; owners are counted once a group; an owner
 * offers to a group at most as many values as there can be (docs/privacy.md,
 * sensitivity and distinct values).
 */
#include "postgres.h"

#include <math.h>

#include "pg/release/release_internal.h"

/* Largest contribution that core/mechanism calibrates for. */
#define LARGEST_CONTRIBUTION ((EpsU128) 1 << 62)

EpsPlanCoord
eps_release_coord(const EpsReleasePlan *plan, int coord)
{
	if (coord < plan->ncoords)
		return plan->coords[coord];
	return (EpsPlanCoord) {.kind = EPS_COORD_OWNERS,.column = -1,.weight = 0.0};
}

/* Largest |value - center| of a column; at least 1, since no noise is not a noise. */
static uint64
column_radius(const EpsPlanColumn *column)
{
	EpsI128		below = (EpsI128) column->center - column->lower;
	EpsI128		above = (EpsI128) column->upper - column->center;
	EpsI128		radius = Max(below, above);

	EPS_ENSURE(column->lower <= column->upper, "bounds of a column are reversed");
	return (uint64) Max(radius, 1);
}

static EpsU128
largest_contribution(const EpsReleasePlan *plan, const EpsReleasePrice *price, const EpsPlanCoord *coord)
{
	EpsU128		rows = (EpsU128) price->rows_per_owner;

	if (coord->kind != EPS_COORD_SUM)
		return rows;
	return rows * column_radius(&plan->columns[coord->column]);
}

int64
eps_release_most_values(const EpsReleasePrice *price, const EpsPlanCoord *coord)
{
	EPS_ENSURE(coord->kind == EPS_COORD_VALUES, "coordinate counts no values");
	if (coord->most > 0)
		return Min(coord->most, price->rows_per_owner);
	return price->rows_per_owner;
}

/*
 * R rows in at most L0 groups, at most m values each: the squares are largest where
 * as many groups as possible are full.
 */
static EpsSensitivity
values_sensitivity(const EpsReleasePrice *price, const EpsPlanCoord *coord)
{
	uint64		most = (uint64) eps_release_most_values(price, coord);
	uint64		rows = (uint64) price->rows_per_owner;
	uint64		full = Min(rows / most, (uint64) price->groups_per_owner);
	uint64		rest = full < (uint64) price->groups_per_owner ? rows % most : 0;
	EpsSensitivity s;

	s.l2_squared = (EpsU128) full * most * most + (EpsU128) rest * rest;
	s.l1 = full * most + rest;
	s.linf = most;
	return s;
}

EpsSensitivity
eps_release_sensitivity(const EpsReleasePlan *plan, const EpsReleasePrice *price, const EpsPlanCoord *coord)
{
	EpsSensitivity s;
	EpsU128		most;

	if (coord->kind == EPS_COORD_OWNERS)
	{
		s.l2_squared = (EpsU128) price->groups_per_owner;
		s.l1 = (uint64) price->groups_per_owner;
		s.linf = 1;
		return s;
	}
	most = largest_contribution(plan, price, coord);
	if (most >= LARGEST_CONTRIBUTION)
		ereport(ERROR,
				(errcode(EPS_ERRCODE_UNBOUNDED),
				 errmsg("bounds are too wide to be counted exactly"),
				 errdetail("Rows per owner times the largest value exceeds 2^62 units of the column."),
				 errhint("Narrow the value with dp.clamp(), or set dp.rows_per_owner.")));
	if (coord->kind == EPS_COORD_VALUES)
		return values_sensitivity(price, coord);
	s.l2_squared = most * most;
	s.l1 = (uint64) most;
	s.linf = (uint64) most;
	return s;
}

/* Members of one key's domain, NULL included; 0 = none, UINT64_MAX = too many. */
static uint64
key_domain_size(const EpsPlanKey *key)
{
	uint64		members;

	switch (key->domain)
	{
		case EPS_DOMAIN_VALUES:
			members = (uint64) list_length(key->values);
			break;
		case EPS_DOMAIN_RANGE:
			EPS_ENSURE(key->lo <= key->hi, "range of a key is reversed");
			members = (uint64) key->hi - (uint64) key->lo;
			members = members >= UINT64_MAX - 2 ? UINT64_MAX - 2 : members + 1;
			break;
		default:
			return 0;
	}
	return members + (key->nullable ? 1 : 0);
}

uint64
eps_release_domain_size(const EpsReleasePlan *plan)
{
	uint64		product = 1;

	if (!plan->has_groups)
		return 1;
	for (int i = 0; i < plan->nkeys; i++)
	{
		if (plan->keys[i].domain == EPS_DOMAIN_NONE)
			return 0;
		if (__builtin_mul_overflow(product, key_domain_size(&plan->keys[i]), &product))
			product = UINT64_MAX;
	}
	return product;
}

double
eps_release_unit(const EpsReleasePlan *plan, const EpsPlanCoord *coord)
{
	const EpsPlanColumn *column;

	if (coord->kind != EPS_COORD_SUM)
		return 1.0;
	column = &plan->columns[coord->column];
	if (column->scale2 != 0)
		return ldexp(1.0, column->scale2);
	return pow(10.0, -column->scale10);
}

double
eps_release_grid_step(const EpsReleasePlan *plan, const EpsReleasePrice *price, int coord)
{
	EpsPlanCoord c = eps_release_coord(plan, coord);

	return ldexp(eps_release_unit(plan, &c), price->coords[coord].shift);
}

double
eps_release_output_stddev(const EpsReleasePlan *plan, const EpsReleasePrice *price, const EpsPlanOutput *output)
{
	double		num = eps_mechanism_stddev(&price->coords[output->num]) *
		eps_release_grid_step(plan, price, output->num);
	const EpsPlanCoord *sum = &plan->coords[output->num];
	double		center;
	double		den;

	if (output->agg == EPS_AGG_AVG)
		return -1.0;
	if (output->agg != EPS_AGG_SUM || output->den < 0)
		return num;
	center = (double) plan->columns[sum->column].center * eps_release_unit(plan, sum);
	den = eps_mechanism_stddev(&price->coords[output->den]) *
		eps_release_grid_step(plan, price, output->den);
	return hypot(num, center * den);
}
