/*
 * left_out.c
 *	  Owners who were left out for want of budget (rule 23): the free certificate
 *	  that there are none, from public sums, and their number, for a price.
 *
 * What is set aside of every owner's limit is spent in worst cases: each such
 * answer is booked against everybody alike, so what is left is public, and no
 * account needs a second total.  An owner counts in it while all that was booked
 * is within the part of their own limit that is set aside.
 */
#include "postgres.h"

#include "access/xact.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "core/accountant/accountant.h"
#include "pg/budget/budget_internal.h"

extern PGDLLEXPORT Datum eps_budget_sql_certificate(PG_FUNCTION_ARGS);

void
eps_budget_public_totals(EpsPublicTotals *out, int32 dataset_id)
{
	EpsBook    *book = eps_budget_open(dataset_id);
	EpsRegion  *region = book->region;

	LWLockAcquire(EPS_QUOTA_LOCK, LW_SHARED);
	out->units = region->total_units;
	out->delta_units = region->total_delta_units;
	LWLockRelease(EPS_QUOTA_LOCK);
	out->standard_units = region->standard_units;
	out->standard_delta_units = region->delta_units;
	LWLockAcquire(EPS_REGION_LOCK(region), LW_SHARED);
	out->units = Max(out->units, region->admitted_units);
	out->delta_units = Max(out->delta_units, region->admitted_delta_units);
	out->side_units = region->side_units;
	LWLockRelease(EPS_REGION_LOCK(region));
	out->side_limit = region->standard_units / EPS_SIDE_SHARE;
}

/* --- counting -------------------------------------------------------------------------- */

/* Admission lock held. */
static void
count_owners(EpsLeftOut *out, const EpsBook *book, uint32 purpose_bit, uint32 default_consent,
			 uint64 question, uint64 side_units)
{
	uint32		naccounts = pg_atomic_read_u32(&book->region->naccounts);

	for (uint32 i = 0; i < naccounts; i++)
	{
		const EpsAccount *a = &book->accounts[i];
		uint32		consent = (a->consent_set & a->consent) | (~a->consent_set & default_consent);
		uint64		limit = Min(a->limit, book->region->cap_units);

		if (pg_atomic_read_u32(&book->merged[i]) != 0 || (consent & purpose_bit) != purpose_bit ||
			side_units > limit / EPS_SIDE_SHARE)
			continue;
		if (eps_accountant_fits(a->spent, question, limit, 0, 0, 0))
			out->fits++;
		else
			out->left_out++;
	}
}

void
eps_budget_count_left_out(EpsLeftOut *out, EpsBook *book, const EpsAdmission *admission, uint64 question)
{
	EpsMessage	message = {.kind = EPS_MESSAGE_LEFT_OUT, .role = admission->role, .level = admission->worst_level};
	const char *const text[EPS_NTEXTS] = {
		[EPS_TEXT_STATEMENT] = admission->statement,
		[EPS_TEXT_MECHANISM] = admission->mechanism,
		[EPS_TEXT_PURPOSE] = admission->purpose_name,
		[EPS_TEXT_ROLE] = GetUserNameFromId(admission->role, true)
	};
	uint32		purpose_bit = admission->purpose < 0 ? 0 : (uint32) 1 << admission->purpose;
	uint32		default_consent = eps_policy_default_consent(book->dataset_id);
	EpsRegion  *region = book->region;
	uint64		side_units;
	uint64		words;

	message.at = GetCurrentStatementStartTimestamp();
	words = eps_budget_text_words(&message, text);
	eps_budget_enter(book, words);
	side_units = eps_base_add_sat_u64(region->side_units, eps_accountant_ladder_units(admission->worst_level));
	if (side_units > region->standard_units / EPS_SIDE_SHARE)
	{
		LWLockRelease(EPS_REGION_LOCK(region));
		RESUME_INTERRUPTS();
		ereport(ERROR,
				(errcode(EPS_ERRCODE_QUOTA),
				 errmsg("what is set aside for such answers is used up"),
				 errdetail("The worst case of this answer exceeds what is left; dp.certificate() shows it.")));
	}
	memset(out, 0, sizeof(*out));
	count_owners(out, book, purpose_bit, default_consent, question, side_units);
	region->side_units = side_units;
	eps_budget_finish_change(book, &message, text);
}

/* --- dp.certificate ------------------------------------------------------------------------ */

#define CERTIFICATE_COLUMNS 7

static Datum
units_as_float(uint64 units)
{
	return Float8GetDatum((double) units / (double) EPS_UNITS_PER_ONE);
}

/* ERROR PV013 for whoever has no grant. */
static void
check_granted(const EpsDataset *dataset)
{
	if (eps_policy_grant(dataset->id) == NULL)
		ereport(ERROR,
				(errcode(EPS_ERRCODE_NOT_ANALYST),
				 errmsg("no grant on data set \"%s\"", dataset->name),
				 errhint("A steward gives one with dp.grant_analyst().")));
}

PG_FUNCTION_INFO_V1(eps_budget_sql_certificate);
Datum
eps_budget_sql_certificate(PG_FUNCTION_ARGS)
{
	const EpsDataset *dataset = eps_budget_dataset_argument(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	Datum		values[CERTIFICATE_COLUMNS];
	bool		nulls[CERTIFICATE_COLUMNS] = {false};
	EpsPublicTotals t;
	TupleDesc	desc;

	EPS_ENSURE(get_call_result_type(fcinfo, NULL, &desc) == TYPEFUNC_COMPOSITE, "result is no row");
	check_granted(dataset);
	eps_budget_public_totals(&t, dataset->id);
	values[0] = BoolGetDatum(t.units <= t.standard_units && t.delta_units <= t.standard_delta_units);
	values[1] = units_as_float(t.units);
	values[2] = units_as_float(t.standard_units);
	values[3] = units_as_float(t.delta_units);
	values[4] = units_as_float(t.standard_delta_units);
	values[5] = units_as_float(t.side_units);
	values[6] = units_as_float(t.side_limit);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
