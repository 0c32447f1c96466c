/*
 * left_out.c
 *	  dp.drop_share: how many owners could not pay for an answer of the price that
 *	  is set, with noise, out of what is set aside for this question (rule 23).
 *
 * An owner is in exactly one of the two counts, so both together change by one
 * when an owner comes or goes, and share one price.
 */
#include "postgres.h"

#include <math.h>

#include "pg/exec/exec_internal.h"

#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"

extern PGDLLEXPORT Datum eps_exec_sql_drop_share(PG_FUNCTION_ARGS);

#define COLUMNS 4

/* Without a price: this part of what is set aside. */
#define DEFAULT_SHARE 20

/* The level of the price, from the side of budgets downward. */
static unsigned
price_of_answer(const EpsReleasePrice *asked, const EpsPublicTotals *totals, double epsilon)
{
	double		loss = epsilon;
	uint64		units = totals->side_limit / DEFAULT_SHARE;

	if (epsilon != 0)
	{
		if (!(epsilon > 0 && epsilon < 16))
			ereport(ERROR,
					(errcode(EPS_ERRCODE_PRICE),
					 errmsg("the price of an answer lies above 0 and below 16")));
		if (!asked->dataset->pure)
			eps_common_check(eps_mechanism_zcdp_rho(&loss, epsilon, asked->dataset->conversion_delta), "price as rho");
		eps_common_check(eps_mechanism_units_down(&units, loss), "price in units");
	}
	if (units == 0)
		ereport(ERROR,
				(errcode(EPS_ERRCODE_PRICE),
				 errmsg("price is too low to be counted")));
	if (units > asked->grant->query_units)
		ereport(ERROR,
				(errcode(EPS_ERRCODE_PRICE),
				 errmsg("price is above what this role may ask of data set \"%s\"", asked->dataset->name)));
	if (units > totals->side_limit - Min(totals->side_units, totals->side_limit))
		ereport(ERROR,
				(errcode(EPS_ERRCODE_QUOTA),
				 errmsg("what is set aside for such answers is used up"),
				 errdetail("The worst case of this answer exceeds what is left; dp.certificate() shows it.")));
	return eps_accountant_ladder_down(units);
}

/* One owner counts once, in one of the two. */
static EpsCoordinate
calibrate(const EpsReleasePrice *asked, uint64 units)
{
	const EpsSensitivity one = {.l2_squared = 1,.l1 = 1,.linf = 1};
	EpsCoordinate c;

	if (eps_mechanism_calibrate(&c, &one, asked->dataset->pure ? EPS_NOISE_LAPLACE : EPS_NOISE_GAUSSIAN,
								asked->dataset->pure, units) != EPS_OK || c.shift > 0)
		ereport(ERROR,
				(errcode(EPS_ERRCODE_PRICE),
				 errmsg("price buys no noise that can be drawn"),
				 errhint("Give a higher price.")));
	return c;
}

static EpsStatus
draw(int64 *noise, const EpsCoordinate *c, EpsEntropy *entropy)
{
	EpsStatus	status = c->kind == EPS_NOISE_GAUSSIAN ? eps_noise_gaussian(noise, c->variance, entropy) :
		eps_noise_laplace(noise, c->scale_num, c->scale_den, entropy);

	EPS_TEST(*noise = eps_exec_test_has_noise() ? *noise : 0);
	return status;
}

/* Counting takes longer the more owners there are, and is not padded (rule 34). */
static void
check_not_padded(const EpsDataset *dataset)
{
	int64		quantum_ms;
	int			moments;

	if (eps_exec_pad_of(dataset, &quantum_ms, &moments))
		ereport(ERROR,
				(errcode(EPS_ERRCODE_REFUSED),
				 errmsg("dp.drop_share is not answered where answers leave at public times only"),
				 errhint("dp.certificate() is free.")));
}

/* Noise on the coordinate's grid, which is at least as fine as whole owners. */
static void
add_noise(double out[2], const EpsLeftOut *counts, const EpsCoordinate *c)
{
	const uint64 exact[2] = {counts->fits, counts->left_out};
	EpsStream	stream;
	EpsEntropy	entropy;
	int64		noise[2] = {0, 0};
	EpsStatus	status;

	eps_common_check(eps_crypto_stream_open(&stream), "random stream");
	status = eps_crypto_stream_burst(&entropy, &stream);
	for (int i = 0; i < 2 && status == EPS_OK; i++)
		status = draw(&noise[i], c, &entropy);
	eps_crypto_stream_close(&stream);
	eps_common_check(status, "noise");
	for (int i = 0; i < 2; i++)
		out[i] = ldexp((double) (eps_mechanism_to_grid((int64) exact[i], c->shift) + noise[i]), c->shift);
	eps_base_wipe(noise, sizeof(noise));
}

static void
ask(EpsLeftOut *out, const EpsReleasePrice *asked, const EpsSettings *settings, unsigned level)
{
	EpsBook    *book = eps_budget_open(asked->dataset->id);
	EpsQuotaClaim claim = {
		.dataset_id = asked->dataset->id,
		.role = asked->grant->role,
		.quota_units = asked->grant->quota_units,
		.units = eps_accountant_ladder_units(level),
		.side = true
	};
	EpsAdmission admission = {
		.role = asked->grant->role,
		.purpose = asked->purpose,
		.worst_level = (uint16) level,
		.purpose_name = settings->purpose,
		.statement = psprintf("dp.drop_share('%s')", asked->dataset->name),
		.mechanism = "owners by whether their budget would bear an answer"
	};

	eps_budget_take_quota(&claim, 1);
	eps_budget_count_left_out(out, book, &admission, eps_accountant_ladder_units(asked->worst_level));
}

/* (dataset, epsilon): fits, left_out, share, stddev_of_noise */
PG_FUNCTION_INFO_V1(eps_exec_sql_drop_share);
Datum
eps_exec_sql_drop_share(PG_FUNCTION_ARGS)
{
	EpsSettings settings = eps_release_settings();
	const EpsReleasePrice *asked;
	const EpsDataset *dataset;
	EpsPublicTotals totals;
	EpsCoordinate c;
	EpsLeftOut	counts;
	Datum		values[COLUMNS];
	bool		nulls[COLUMNS] = {false};
	double		noisy[2];
	TupleDesc	desc;
	unsigned	level;

	EPS_ENSURE(get_call_result_type(fcinfo, NULL, &desc) == TYPEFUNC_COMPOSITE, "result is no row");
	dataset = eps_policy_dataset_by_name(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	if (dataset == NULL)
		ereport(ERROR,
				(errcode(EPS_ERRCODE_POLICY),
				 errmsg("data set \"%s\" does not exist", text_to_cstring(PG_GETARG_TEXT_PP(0)))));
	asked = eps_release_price_asked(dataset->id, &settings);
	check_not_padded(asked->dataset);
	eps_budget_public_totals(&totals, asked->dataset->id);
	level = price_of_answer(asked, &totals, PG_GETARG_FLOAT8(1));
	c = calibrate(asked, eps_accountant_ladder_units(level));
	ask(&counts, asked, &settings, level);
	add_noise(noisy, &counts, &c);
	eps_base_wipe(&counts, sizeof(counts));
	values[0] = Float8GetDatum(noisy[0]);
	values[1] = Float8GetDatum(noisy[1]);
	nulls[2] = noisy[0] + noisy[1] <= 0;
	values[2] = Float8GetDatum(nulls[2] ? 0 : Max(0.0, Min(1.0, noisy[1] / (noisy[0] + noisy[1]))));
	values[3] = Float8GetDatum(ldexp(eps_mechanism_stddev(&c), c.shift));
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
