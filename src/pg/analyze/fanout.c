/*
 * fanout.c
 *	  How many rows of a public relation one row may match (rule 16): 1 by a
 *	  unique index, else counted in the public relation itself, which tells
 *	  nothing about owners.
 */
#include "pg/analyze/analyze_internal.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_index.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/syscache.h"

#define EPS_MAX_FANOUT 100

static bool
index_is_unique_on(Oid indexid, Bitmapset *attnos)
{
	HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(indexid));
	Form_pg_index index;
	bool		ok;

	if (!HeapTupleIsValid(tuple))
		return false;
	index = (Form_pg_index) GETSTRUCT(tuple);
	ok = index->indisunique && index->indisvalid && index->indisready && index->indimmediate &&
		heap_attisnull(tuple, Anum_pg_index_indpred, NULL) && heap_attisnull(tuple, Anum_pg_index_indexprs, NULL);
	for (int i = 0; ok && i < index->indnkeyatts; i++)
		ok = bms_is_member(index->indkey.values[i], attnos);
	ReleaseSysCache(tuple);
	return ok;
}

/* By a valid, immediate, non-partial unique index over some of the columns. */
bool
eps_analyze_is_unique_on(Oid relid, Bitmapset *attnos)
{
	Relation	relation = relation_open(relid, AccessShareLock);
	List	   *indexes = RelationGetIndexList(relation);
	bool		found = false;
	bool		spread = relation->rd_rel->relkind == RELKIND_RELATION && has_subclass(relid);
	ListCell   *lc;

	foreach(lc, indexes)
		found = found || index_is_unique_on(lfirst_oid(lc), attnos);
	relation_close(relation, NoLock);
	return found && !spread;
}

/* Runs with the analyst's own rights: it reads what the query itself would. */
static int64
count_matches(Oid relid, Bitmapset *attnos)
{
	StringInfoData sql;
	const char *name = quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)), get_rel_name(relid));
	int			attno = -1;
	bool		first = true;
	bool		isnull;
	int64		result = 0;

	initStringInfo(&sql);
	if (bms_is_empty(attnos))
		appendStringInfo(&sql, "SELECT pg_catalog.count(*) FROM (SELECT 1 FROM %s LIMIT %d) s", name, EPS_MAX_FANOUT + 1);
	else
	{
		appendStringInfo(&sql, "SELECT pg_catalog.max(n) FROM (SELECT pg_catalog.count(*) AS n FROM %s GROUP BY ", name);
		while ((attno = bms_next_member(attnos, attno)) >= 0)
		{
			appendStringInfo(&sql, "%s%s", first ? "" : ", ", quote_identifier(get_attname(relid, attno, false)));
			first = false;
		}
		appendStringInfoString(&sql, ") s");
	}
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (SPI_execute(sql.data, true, 1) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "counting matches of a public relation failed");
	result = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	if (isnull)
		result = 0;
	SPI_finish();
	return result;
}

/* The base relation that a level merely projects and filters, with the columns
 * asked for as its own; InvalidOid if it is anything else. */
static Oid
base_relation(EpsSource *source, Bitmapset **attnos)
{
	Bitmapset  *mapped = NULL;
	Oid			relid = InvalidOid;
	int			attno = -1;

	if (source->rte->rtekind == RTE_RELATION)
		return source->rte->relid;
	if (source->scope == NULL)
		return InvalidOid;
	for (int i = 0; i < source->scope->nsources; i++)
	{
		EpsSource  *inner = &source->scope->sources[i];

		if (inner->kind == EPS_SOURCE_NONE)
			continue;
		if (OidIsValid(relid) || inner->rte->rtekind != RTE_RELATION)
			return InvalidOid;
		relid = inner->rte->relid;
	}
	while ((attno = bms_next_member(*attnos, attno)) >= 0)
	{
		EpsFact    *fact = &source->scope->facts[attno - 1];

		if (attno <= source->scope->nfacts && fact->origin == relid)
			mapped = bms_add_member(mapped, fact->origin_attno);
	}
	*attnos = mapped;
	return relid;
}

/* A public subquery over several sources has at most as many rows as all their
 * combinations. */
static int64
count_combinations(EpsScope *scope)
{
	int64		rows = 1;

	for (int i = 0; i < scope->nsources && rows <= EPS_MAX_FANOUT; i++)
	{
		if (scope->sources[i].kind != EPS_SOURCE_NONE)
			rows *= Min(eps_analyze_fanout(scope, i + 1, NULL), EPS_MAX_FANOUT + 1);
	}
	return rows;
}

int64
eps_analyze_fanout(EpsScope *scope, int rtindex, Bitmapset *attnos)
{
	EpsSource  *source = &scope->sources[rtindex - 1];
	Oid			relid;

	if (source->rte->rtekind == RTE_RESULT)
		return 1;
	if (source->rte->rtekind == RTE_VALUES)
		return Max(list_length(source->rte->values_lists), 1);
	attnos = bms_copy(attnos);
	relid = base_relation(source, &attnos);
	if (!OidIsValid(relid) && source->scope != NULL)
		return count_combinations(source->scope);
	if (!OidIsValid(relid))
		eps_analyze_refuse(-1, "this public subquery cannot be joined with protected rows",
						   "How many of its rows match cannot be bounded.",
						   "Join the public relations directly, or use column IN (SELECT ...).");
	if (!bms_is_empty(attnos) && eps_analyze_is_unique_on(relid, attnos))
		return 1;
	return Max(count_matches(relid, attnos), 1);
}
