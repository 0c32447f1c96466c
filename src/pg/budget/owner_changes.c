/*
 * owner_changes.c
 *	  How many keys have vanished from the protected relations, and how many have
 *	  appeared that the book does not know: for stewards, who see by it that
 *	  persons were renumbered and their accounts did not go along (rule 18).
 *
 * The book knows the keys that some answer has counted, and those with a limit or
 * a consent of their own.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "pg/budget/budget_internal.h"

extern PGDLLEXPORT Datum eps_budget_sql_count_keys(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum eps_budget_sql_exists_for_caller(PG_FUNCTION_ARGS);

/*
 * To read a table is to run code of its owner's: the planner evaluates constants in
 * its index expressions.  So stewards' tables are read with the rights of the role
 * outside all SECURITY DEFINER functions.  An error ends it with the transaction.
 */
typedef struct Rights
{
	Oid			user;
	int			context;
} Rights;

static Rights
take_callers_rights(void)
{
	Rights		own;

	GetUserIdAndSecContext(&own.user, &own.context);
	SetUserIdAndSecContext(GetOuterUserId(), own.context | SECURITY_LOCAL_USERID_CHANGE);
	return own;
}

static void
take_back_rights(const Rights *own)
{
	SetUserIdAndSecContext(own->user, own->context);
}

/* (query, old keys, new keys) */
PG_FUNCTION_INFO_V1(eps_budget_sql_exists_for_caller);
Datum
eps_budget_sql_exists_for_caller(PG_FUNCTION_ARGS)
{
	Oid			types[2] = {TEXTARRAYOID, TEXTARRAYOID};
	Datum		values[2] = {PG_GETARG_DATUM(1), PG_GETARG_DATUM(2)};
	Rights		own;
	bool		found;

	eps_budget_spi_begin(false);
	own = take_callers_rights();
	EPS_ENSURE(SPI_execute_with_args(text_to_cstring(PG_GETARG_TEXT_PP(0)), 2, types, values, NULL, false, 1) == SPI_OK_SELECT,
			   "a query of keys failed");
	take_back_rights(&own);
	found = SPI_processed > 0;
	eps_budget_spi_end(false);
	PG_RETURN_BOOL(found);
}

typedef struct KeyCount
{
	const EpsBook *book;
	EpsKeyFamily family;
	uint8	   *present;		/* a bit an account */
	int64		appeared;
} KeyCount;

static bool
count_key(void *context, HeapTuple row, TupleDesc desc)
{
	KeyCount   *c = context;
	EpsOwnerKey key;
	uint32		account;

	eps_budget_owner_argument(&key, c->book, c->family, TEXTOID, eps_budget_column(row, desc, 1));
	account = eps_budget_account_of_owner(c->book, eps_budget_find_account(c->book, &key));
	if (account == EPS_ACCOUNT_NONE)
		c->appeared++;
	else
		c->present[account / 8] |= (uint8) (1 << (account % 8));
	return true;
}

/* (dataset, query of distinct keys as text): owners known, of these vanished, keys appeared */
PG_FUNCTION_INFO_V1(eps_budget_sql_count_keys);
Datum
eps_budget_sql_count_keys(PG_FUNCTION_ARGS)
{
	const EpsDataset *dataset = eps_budget_dataset_argument(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	KeyCount	c = {.family = dataset->family};
	uint32		naccounts;
	int64		known = 0;
	int64		vanished = 0;
	Datum		values[3];
	bool		nulls[3] = {false};
	TupleDesc	desc;
	Rights		own;

	EPS_ENSURE(get_call_result_type(fcinfo, NULL, &desc) == TYPEFUNC_COMPOSITE, "result is no row");
	c.book = eps_budget_open(dataset->id);
	c.present = palloc0(c.book->capacity / 8 + 1);
	naccounts = pg_atomic_read_u32(&c.book->region->naccounts);
	eps_budget_spi_begin(false);
	own = take_callers_rights();
	eps_budget_each_row(text_to_cstring(PG_GETARG_TEXT_PP(1)), 0, NULL, NULL, count_key, &c);
	take_back_rights(&own);
	eps_budget_spi_end(false);
	for (uint32 i = 0; i < naccounts; i++)
	{
		if (pg_atomic_read_u32(&c.book->merged[i]) != 0)
			continue;
		known++;
		vanished += (c.present[i / 8] >> (i % 8) & 1) == 0;
	}
	values[0] = Int64GetDatum(known);
	values[1] = Int64GetDatum(vanished);
	values[2] = Int64GetDatum(c.appeared);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
