/*
 * sql_owner.c
 *	  What stewards record about owners: limits and consents.  They go the way of
 *	  charges, through the ring to the writer: in force in the shared book at once,
 *	  on disk before the call returns, whatever becomes of the caller's
 *	  transaction.  Whether the owner had an account before makes no difference.
 */
#include "postgres.h"

#include <math.h>

#include "access/xact.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "core/accountant/accountant.h"
#include "pg/budget/budget_internal.h"

extern PGDLLEXPORT Datum eps_budget_sql_make_secret(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum eps_budget_sql_set_limit(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum eps_budget_sql_set_consent(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum eps_budget_sql_ladder_units(PG_FUNCTION_ARGS);

/* --- arguments --------------------------------------------------------------------- */

/* ERROR PV010 where there is no such data set. */
const EpsDataset *
eps_budget_dataset_argument(const char *name)
{
	const EpsDataset *dataset = eps_policy_dataset_by_name(name);

	if (dataset == NULL)
		ereport(ERROR,
				(errcode(EPS_ERRCODE_POLICY),
				 errmsg("data set \"%s\" does not exist", name)));
	return dataset;
}

/* An owner written as text, in the type of the data set's owner keys. */
static Datum
owner_from_text(Datum owner, EpsKeyFamily family, Oid *type)
{
	if (family == EPS_KEY_INT)
	{
		*type = INT8OID;
		return DirectFunctionCall1(int8in, CStringGetDatum(TextDatumGetCString(owner)));
	}
	if (family == EPS_KEY_UUID)
	{
		*type = UUIDOID;
		return DirectFunctionCall1(uuid_in, CStringGetDatum(TextDatumGetCString(owner)));
	}
	return owner;
}

/* The account key of an owner that an SQL function was given. */
void
eps_budget_owner_argument(EpsOwnerKey *out, const EpsBook *book, EpsKeyFamily family, Oid type, Datum owner)
{
	uint8		buffer[16];
	const uint8 *bytes;
	Size		len;

	if (type == TEXTOID)
		owner = owner_from_text(owner, family, &type);
	if (family == EPS_KEY_NONE)
		ereport(ERROR,
				(errcode(EPS_ERRCODE_POLICY),
				 errmsg("the data set has no owners yet"),
				 errhint("Protect a relation first: its owner column says how owners are written.")));
	if (eps_policy_key_family(type, DEFAULT_COLLATION_OID) != family)
		ereport(ERROR,
				(errcode(EPS_ERRCODE_POLICY),
				 errmsg("owners of this data set are written as %s",
						family == EPS_KEY_INT ? "integers" : family == EPS_KEY_UUID ? "uuid" : "text")));
	len = eps_policy_owner_bytes(&bytes, buffer, family, type, owner);
	eps_budget_owner_key(out, book, bytes, len);
}

/* --- the secret of a new data set ---------------------------------------------------- */

PG_FUNCTION_INFO_V1(eps_budget_sql_make_secret);
Datum
eps_budget_sql_make_secret(PG_FUNCTION_ARGS)
{
	Oid			types[2] = {INT4OID, BYTEAOID};
	Datum		values[2] = {Int32GetDatum(PG_GETARG_INT32(0)), 0};
	bytea	   *wrapped;
	char	   *name;
	int			rc;

	eps_budget_key_check();
	eps_budget_spi_begin(false);
	rc = SPI_execute_with_args("SELECT name FROM dp_book.dataset WHERE dataset_id OPERATOR(pg_catalog.=) $1",
							   1, types, values, NULL, false, 1);
	EPS_ENSURE(rc == SPI_OK_SELECT && SPI_processed == 1, "a data set without a row");
	name = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	eps_budget_secret_seal(&wrapped, PG_GETARG_INT32(0), name);
	values[1] = PointerGetDatum(wrapped);
	rc = SPI_execute_with_args("INSERT INTO dp_book.secret (dataset_id, wrapped) VALUES ($1, $2)",
							   2, types, values, NULL, false, 0);
	EPS_ENSURE(rc == SPI_OK_INSERT, "a secret could not be stored");
	eps_budget_spi_end(false);
	PG_RETURN_VOID();
}

/* --- limits --------------------------------------------------------------------------- */

/*
 * A limit in units, rounded down.  The side reserve (rule 23) comes out of it as
 * it comes out of the cap, so that the data set's epsilon gives the cap.
 */
static uint64
limit_units(const EpsDataset *dataset, double epsilon)
{
	double		loss = epsilon;
	uint64		units;

	if (!(epsilon >= 0) || epsilon > dataset->epsilon)
		ereport(ERROR,
				(errcode(EPS_ERRCODE_POLICY),
				 errmsg("an owner's limit must be between 0 and the data set's epsilon, %g", dataset->epsilon)));
	if (epsilon == 0)
		return 0;
	if (!dataset->pure)
		eps_common_check(eps_mechanism_zcdp_rho(&loss, epsilon, dataset->conversion_delta),
						 "conversion of epsilon to rho");
	eps_common_check(eps_mechanism_units_down(&units, loss), "conversion of a limit to units");
	return Min(units - (units / 20 + (units % 20 != 0)), dataset->cap_units);
}

/* Publishes what was recorded and waits until it is on disk; leaves the lock. */
void
eps_budget_finish_change(EpsBook *book, EpsMessage *message, const char *const text[EPS_NTEXTS])
{
	eps_budget_publish(book, message, text);
	LWLockRelease(EPS_REGION_LOCK(book->region));
	eps_budget_wait_booked(book, message);
	RESUME_INTERRUPTS();
}

/* Who changes it: the caller outside of SECURITY DEFINER functions. */
uint64
eps_budget_describe_change(EpsMessage *message, const char *text[EPS_NTEXTS], EpsMessageKind kind)
{
	memset(message, 0, sizeof(*message));
	message->kind = kind;
	message->at = GetCurrentStatementStartTimestamp();
	for (int i = 0; i < EPS_NTEXTS; i++)
		text[i] = NULL;
	text[EPS_TEXT_ROLE] = GetUserNameFromId(GetOuterUserId(), false);
	return eps_budget_text_words(message, text);
}

void
eps_budget_check_not_null(FunctionCallInfo fcinfo, int nargs)
{
	for (int i = 0; i < nargs; i++)
		if (PG_ARGISNULL(i))
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("argument %d must not be NULL", i + 1)));
}

PG_FUNCTION_INFO_V1(eps_budget_sql_set_limit);
Datum
eps_budget_sql_set_limit(PG_FUNCTION_ARGS)
{
	const char *texts[EPS_NTEXTS];
	EpsMessage	message;
	uint64		words = eps_budget_describe_change(&message, texts, EPS_MESSAGE_LIMIT);
	const EpsDataset *dataset;
	EpsKeyFamily family;
	uint64		units;
	EpsBook    *book;
	uint32		account;

	eps_budget_check_not_null(fcinfo, 3);
	dataset = eps_budget_dataset_argument(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	family = dataset->family;
	units = limit_units(dataset, PG_GETARG_FLOAT8(2));
	book = eps_budget_open(dataset->id);
	eps_budget_owner_argument(&message.key, book, family, get_fn_expr_argtype(fcinfo->flinfo, 1), PG_GETARG_DATUM(1));
	message.units = units;

	eps_budget_enter(book, words);
	eps_budget_canonical_key(book, &message.key);
	account = eps_budget_enrol(book, &message.key);
	if (account != EPS_ACCOUNT_NONE)
		book->accounts[account].limit = units;
	eps_budget_finish_change(book, &message, texts);
	PG_RETURN_VOID();
}

/* --- consents ---------------------------------------------------------------------------- */

static int
purpose_number(int32 dataset_id, const char *purpose)
{
	Oid			types[2] = {INT4OID, TEXTOID};
	Datum		values[2] = {Int32GetDatum(dataset_id), CStringGetTextDatum(purpose)};
	int64		number;

	eps_budget_spi_begin(false);
	number = eps_budget_query_int64("SELECT purpose_no::int8 FROM dp_book.purpose "
									"WHERE dataset_id OPERATOR(pg_catalog.=) $1 "
									"AND purpose OPERATOR(pg_catalog.=) $2 AND valid_to IS NULL",
									2, types, values, -1);
	eps_budget_spi_end(false);
	if (number < 0 || number > 31)
		ereport(ERROR,
				(errcode(EPS_ERRCODE_POLICY),
				 errmsg("the data set has no purpose \"%s\"", purpose)));
	return (int) number;
}

PG_FUNCTION_INFO_V1(eps_budget_sql_set_consent);
Datum
eps_budget_sql_set_consent(PG_FUNCTION_ARGS)
{
	const EpsDataset *dataset;
	EpsKeyFamily family;
	EpsBook    *book;
	const char *texts[EPS_NTEXTS];
	EpsMessage	message;
	uint64		words = eps_budget_describe_change(&message, texts, EPS_MESSAGE_CONSENT);
	uint32		account;
	TimestampTz now = GetCurrentTimestamp();

	eps_budget_check_not_null(fcinfo, 4);
	dataset = eps_budget_dataset_argument(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	family = dataset->family;
	message.purpose = purpose_number(dataset->id, text_to_cstring(PG_GETARG_TEXT_PP(2)));
	message.granted = PG_GETARG_BOOL(3) ? 1 : 0;
	message.until = PG_ARGISNULL(4) ? DT_NOEND : PG_GETARG_TIMESTAMPTZ(4);
	book = eps_budget_open(eps_budget_dataset_argument(text_to_cstring(PG_GETARG_TEXT_PP(0)))->id);
	eps_budget_owner_argument(&message.key, book, family, get_fn_expr_argtype(fcinfo->flinfo, 1), PG_GETARG_DATUM(1));

	eps_budget_enter(book, words);
	eps_budget_canonical_key(book, &message.key);
	account = eps_budget_enrol(book, &message.key);
	if (account != EPS_ACCOUNT_NONE)
		eps_budget_set_consent(book, account, message.purpose, message.granted != 0, message.until, now);
	book->region->consent_version++;
	eps_budget_finish_change(book, &message, texts);
	PG_RETURN_VOID();
}

/* --- for views ---------------------------------------------------------------------------- */

PG_FUNCTION_INFO_V1(eps_budget_sql_ladder_units);
Datum
eps_budget_sql_ladder_units(PG_FUNCTION_ARGS)
{
	int32		level = PG_GETARG_INT32(0);

	if (level < 0 || (unsigned) level > eps_accountant_ladder_top())
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("there is no charge level %d", level)));
	/* a double: the highest levels exceed bigint, and views show rho */
	PG_RETURN_FLOAT8(level == 0 ? 0 : (double) eps_accountant_ladder_units((unsigned) level));
}
