/*
 * query.c
 *	  Reading and writing the book's tables: small helpers over SPI.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "pg/budget/budget_internal.h"

#define FETCH_ROWS 64			/* a row may hold some kilobytes */

static const char *const ledger_tables[] = {
	"secret", "account_chunk", "entry", "charge", "owner_limit", "consent", "answer", "merge", "renumbering"
};

/* The writer runs in transactions of its own; an SQL function in its caller's. */
void
eps_budget_spi_begin(bool new_transaction)
{
	if (new_transaction)
	{
		SetCurrentStatementStartTimestamp();
		StartTransactionCommand();
	}
	EPS_ENSURE(SPI_connect() == SPI_OK_CONNECT, "SPI_connect failed");
	if (new_transaction)
		PushActiveSnapshot(GetTransactionSnapshot());
}

void
eps_budget_spi_end(bool new_transaction)
{
	EPS_ENSURE(SPI_finish() == SPI_OK_FINISH, "SPI_finish failed");
	if (new_transaction)
	{
		PopActiveSnapshot();
		CommitTransactionCommand();
	}
}

/* Are the ledger's tables here? */
bool
eps_budget_has_tables(void)
{
	Oid			schema = get_namespace_oid(EPS_SCHEMA_BOOK, true);

	if (!OidIsValid(schema))
		return false;
	for (int i = 0; i < (int) lengthof(ledger_tables); i++)
		if (!OidIsValid(get_relname_relid(ledger_tables[i], schema)))
			return false;
	return true;
}

/* Rule 47: what is written must survive. */
void
eps_budget_check_tables(void)
{
	Oid			schema = get_namespace_oid(EPS_SCHEMA_BOOK, true);

	for (int i = 0; i < (int) lengthof(ledger_tables); i++)
	{
		Oid			relation = OidIsValid(schema) ? get_relname_relid(ledger_tables[i], schema) : InvalidOid;

		if (!OidIsValid(relation) || get_rel_persistence(relation) != RELPERSISTENCE_PERMANENT)
			ereport(ERROR,
					(errcode(EPS_ERRCODE_WRITER),
					 errmsg("table \"%s.%s\" is missing or not permanent", EPS_SCHEMA_BOOK, ledger_tables[i])));
	}
}

/* One value of one row, or `otherwise` if there is none or it is NULL. SPI connected. */
int64
eps_budget_query_int64(const char *sql, int nargs, const Oid *types, const Datum *values, int64 otherwise)
{
	bool		isnull = true;
	Datum		datum = 0;
	int			rc = SPI_execute_with_args(sql, nargs, unconstify(Oid *, types), unconstify(Datum *, values),
										   NULL, true, 1);

	EPS_ENSURE(rc == SPI_OK_SELECT, "a query on the book failed");
	if (SPI_processed > 0)
		datum = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	SPI_freetuptable(SPI_tuptable);
	return isnull ? otherwise : DatumGetInt64(datum);
}

/*
 * Calls visit for each row until it returns false; in a context that is reset
 * after each row.  False if it did.  SPI connected, a snapshot active.
 */
bool
eps_budget_each_row(const char *sql, int nargs, const Oid *types, const Datum *values,
					EpsRowVisit visit, void *context)
{
	Portal		portal = SPI_cursor_open_with_args(NULL, sql, nargs, unconstify(Oid *, types),
												   unconstify(Datum *, values), NULL, true,
												   CURSOR_OPT_NO_SCROLL);
	MemoryContext row = AllocSetContextCreate(CurrentMemoryContext, "pg_epsilon row", ALLOCSET_DEFAULT_SIZES);
	bool		more = true;

	while (more)
	{
		SPI_cursor_fetch(portal, true, FETCH_ROWS);
		if (SPI_processed == 0)
			break;
		for (uint64 i = 0; more && i < SPI_processed; i++)
		{
			MemoryContext old = MemoryContextSwitchTo(row);

			more = visit(context, SPI_tuptable->vals[i], SPI_tuptable->tupdesc);
			MemoryContextSwitchTo(old);
			MemoryContextReset(row);
		}
		SPI_freetuptable(SPI_tuptable);
		CHECK_FOR_INTERRUPTS();
	}
	SPI_cursor_close(portal);
	MemoryContextDelete(row);
	return more;
}

/* A column of a row that is never NULL by the table's definition. */
Datum
eps_budget_column(HeapTuple row, TupleDesc desc, int column)
{
	bool		isnull;
	Datum		datum = SPI_getbinval(row, desc, column, &isnull);

	EPS_ENSURE(!isnull, "a column of the book is NULL");
	return datum;
}
