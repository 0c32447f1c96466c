/*
 * sql_audit.c
 *	  What auditors, stewards and analysts read: an owner's statement, used and
 *	  left quotas, and the check of the book.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "core/accountant/accountant.h"
#include "pg/budget/budget_internal.h"

extern PGDLLEXPORT Datum eps_budget_sql_statement(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum eps_budget_sql_quota(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum eps_budget_sql_verify(PG_FUNCTION_ARGS);

static double
units_to_double(uint64 units)
{
	return (double) units / (double) EPS_UNITS_PER_ONE;
}

/* Epsilon of so many units at the data set's conversion delta, rounded up. */
static double
units_to_epsilon(uint64 units, bool pure, double conversion_delta)
{
	double		loss = units_to_double(units);
	double		epsilon = loss;

	if (!pure && units > 0)
		eps_common_check(eps_mechanism_zcdp_epsilon(&epsilon, loss, conversion_delta),
						 "conversion of rho to epsilon");
	return epsilon;
}

/* --- dp.statement --------------------------------------------------------------------- */

#define STATEMENT_COLUMNS 10

typedef struct Statement
{
	ReturnSetInfo *rsinfo;
	EpsPieces	pieces;
	uint32		account;
	uint32		naccounts;
	bool		pure;
	double		conversion_delta;
	double		limit_epsilon;
	uint64		spent;
	uint64		spent_delta;
	bool		found;
} Statement;

static void
find_member(void *context, uint32 first, uint32 last)
{
	Statement  *s = context;

	if (first <= s->account && s->account <= last)
		s->found = true;
}

static void
put_charge(Statement *s, HeapTuple row, TupleDesc desc, uint64 rho, uint64 delta)
{
	Datum		values[STATEMENT_COLUMNS];
	bool		nulls[STATEMENT_COLUMNS] = {false};

	s->spent = eps_base_add_sat_u64(s->spent, rho);
	s->spent_delta = eps_base_add_sat_u64(s->spent_delta, delta);
	values[0] = SPI_getbinval(row, desc, 8, &nulls[0]);
	values[1] = SPI_getbinval(row, desc, 5, &nulls[1]);
	values[2] = SPI_getbinval(row, desc, 6, &nulls[2]);
	values[3] = SPI_getbinval(row, desc, 7, &nulls[3]);
	values[4] = Float8GetDatum(units_to_double(rho));
	values[5] = Float8GetDatum(units_to_double(delta));
	values[6] = Float8GetDatum(units_to_double(s->spent));
	values[7] = Float8GetDatum(units_to_double(s->spent_delta));
	values[8] = Float8GetDatum(units_to_epsilon(s->spent, s->pure, s->conversion_delta));
	values[9] = Float8GetDatum(s->limit_epsilon);
	tuplestore_putvalues(s->rsinfo->setResult, s->rsinfo->setDesc, values, nulls);
}

/* A charge says its levels and its owners; what a merge added or an owner began
 * with says units. */
static bool
read_charge(void *context, HeapTuple row, TupleDesc desc)
{
	Statement  *s = context;
	int64		units = DatumGetInt64(eps_budget_column(row, desc, 2));
	int64		delta_units = DatumGetInt64(eps_budget_column(row, desc, 3));
	bool		isnull;
	Datum		owners = SPI_getbinval(row, desc, 4, &isnull);
	EpsPieceState state;

	if (units < 0 || delta_units < 0)
		return false;
	if (isnull)
	{
		put_charge(s, row, desc, (uint64) units, (uint64) delta_units);
		return true;
	}
	state = eps_budget_piece(&s->pieces, DatumGetInt64(eps_budget_column(row, desc, 8)),
							 DatumGetInt16(eps_budget_column(row, desc, 9)),
							 DatumGetInt16(eps_budget_column(row, desc, 10)), DatumGetByteaPP(owners));
	if (state != EPS_PIECE_WHOLE)
		return state == EPS_PIECE_MORE;
	s->found = false;
	if (!eps_budget_bitmap_read(s->pieces.bytes, s->pieces.len, s->naccounts, find_member, s))
		return false;
	if (s->found)
		put_charge(s, row, desc, eps_accountant_ladder_units((unsigned) units),
				   eps_accountant_ladder_units((unsigned) delta_units));
	return true;
}

static void
write_statement(Statement *s, int32 dataset_id)
{
	Oid			types[2] = {INT4OID, INT4OID};
	Datum		values[2] = {Int32GetDatum(dataset_id), Int32GetDatum((int32) s->account)};
	bool		good;

	eps_budget_spi_begin(false);
	good = eps_budget_each_row("SELECT c.seq AS place, c.level::int8, c.delta_level::int8, c.owners, e.at, e.analyst, e.purpose, c.seq, c.piece, c.pieces "
							   "FROM dp_book.entry e JOIN dp_book.charge c ON c.seq OPERATOR(pg_catalog.=) e.seq "
							   "WHERE e.dataset_id OPERATOR(pg_catalog.=) $1 "
							   "UNION ALL SELECT after_seq, units, delta_units, NULL, at, NULL, NULL, NULL, NULL, NULL FROM dp_book.merge "
							   "WHERE dataset_id OPERATOR(pg_catalog.=) $1 AND to_account OPERATOR(pg_catalog.=) $2 "
							   "UNION ALL SELECT 0, start_units, start_delta_units, NULL, NULL, NULL, NULL, NULL, NULL, NULL FROM dp_book.account_chunk "
							   "WHERE dataset_id OPERATOR(pg_catalog.=) $1 AND first_account OPERATOR(pg_catalog.<=) $2 "
							   "AND $2 OPERATOR(pg_catalog.<) (first_account OPERATOR(pg_catalog.+) length(keys) / 16) "
							   "AND (start_units OPERATOR(pg_catalog.>) 0 OR start_delta_units OPERATOR(pg_catalog.>) 0) "
							   "ORDER BY place, seq NULLS LAST, 2, 3, piece",
							   2, types, values, read_charge, s);
	eps_budget_spi_end(false);
	if (!good || s->pieces.next != 0)
		ereport(ERROR,
				(errcode(EPS_ERRCODE_BOOK),
				 errmsg("the ledger holds a malformed charge"),
				 errhint("dp.verify() says where.")));
}

/* The epsilon that gives this limit; the side reserve is put back (rule 23). */
static double
limit_to_epsilon(const EpsDataset *dataset, uint64 limit)
{
	double		epsilon;

	if (limit >= dataset->cap_units)
		return dataset->epsilon;
	epsilon = units_to_epsilon((uint64) ((EpsU128) limit * 20 / 19), dataset->pure, dataset->conversion_delta);
	return Min(epsilon, dataset->epsilon);
}

PG_FUNCTION_INFO_V1(eps_budget_sql_statement);
Datum
eps_budget_sql_statement(PG_FUNCTION_ARGS)
{
	Statement	s = {.rsinfo = (ReturnSetInfo *) fcinfo->resultinfo,.pieces.context = CurrentMemoryContext};
	const EpsDataset *dataset;
	EpsOwnerKey key;
	EpsBook    *book;
	int32		id;

	InitMaterializedSRF(fcinfo, 0);
	if (!eps_budget_has_tables())
		return (Datum) 0;
	id = eps_budget_dataset_argument(text_to_cstring(PG_GETARG_TEXT_PP(0)))->id;
	book = eps_budget_open(id);
	dataset = eps_policy_dataset(id);
	eps_budget_owner_argument(&key, book, dataset->family, get_fn_expr_argtype(fcinfo->flinfo, 1), PG_GETARG_DATUM(1));
	s.account = eps_budget_account_of_owner(book, eps_budget_find_account(book, &key));
	if (s.account == EPS_ACCOUNT_NONE)
		return (Datum) 0;
	s.naccounts = pg_atomic_read_u32(&book->region->naccounts);
	s.pure = dataset->pure;
	s.conversion_delta = dataset->conversion_delta;
	s.limit_epsilon = limit_to_epsilon(dataset, book->accounts[s.account].limit);
	write_statement(&s, id);
	return (Datum) 0;
}

/* --- dp.quota ---------------------------------------------------------------------------- */

#define QUOTA_COLUMNS 10

static void
put_epsilon(Datum *value, bool *null, const EpsDataset *dataset, uint64 units)
{
	*null = units == PG_UINT64_MAX;
	if (!*null)
		*value = Float8GetDatum(units_to_epsilon(units, dataset->pure, dataset->conversion_delta));
}

static void
put_units(Datum *value, bool *null, uint64 units)
{
	*null = units == PG_UINT64_MAX;
	*value = Int64GetDatum((int64) Min(units, (uint64) PG_INT64_MAX));
}

static void
put_quota(ReturnSetInfo *rsinfo, int32 id)
{
	const EpsGrant *grant = eps_policy_grant(id);
	const EpsDataset *dataset;
	Datum		values[QUOTA_COLUMNS] = {0};
	bool		nulls[QUOTA_COLUMNS] = {false};
	uint64		amount[4];

	if (grant == NULL)
		return;
	amount[0] = grant->query_units;
	amount[1] = grant->quota_units;
	amount[2] = eps_budget_quota_used(id, grant->role);
	amount[3] = amount[1] == PG_UINT64_MAX ? PG_UINT64_MAX : amount[1] - Min(amount[1], amount[2]);
	dataset = eps_policy_dataset(id);
	values[0] = CStringGetTextDatum(dataset->name);
	for (int i = 0; i < 4; i++)
	{
		put_epsilon(&values[1 + i], &nulls[1 + i], dataset, amount[i]);
		put_units(&values[5 + i], &nulls[5 + i], amount[i]);
	}
	values[9] = Int64GetDatum((int64) eps_budget_repeats(id, grant->role));
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

PG_FUNCTION_INFO_V1(eps_budget_sql_quota);
Datum
eps_budget_sql_quota(PG_FUNCTION_ARGS)
{
	ListCell   *cell;
	List	   *ids;

	InitMaterializedSRF(fcinfo, 0);
	ids = list_copy(eps_policy_dataset_ids());
	foreach(cell, ids)
		put_quota((ReturnSetInfo *) fcinfo->resultinfo, lfirst_int(cell));
	return (Datum) 0;
}

/* --- dp.verify --------------------------------------------------------------------------- */

PG_FUNCTION_INFO_V1(eps_budget_sql_verify);
Datum
eps_budget_sql_verify(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	ListCell   *cell;
	List	   *ids;

	InitMaterializedSRF(fcinfo, 0);
	if (!eps_budget_has_tables())
		return (Datum) 0;
	ids = list_copy(eps_policy_dataset_ids());
	foreach(cell, ids)
		eps_budget_verify(lfirst_int(cell), rsinfo->setResult, rsinfo->setDesc);
	return (Datum) 0;
}
