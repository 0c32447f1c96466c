/*
 * blank.c
 *	  What dp.harden closed in the catalogues, in the statements of clients.
 *
 * psql, JDBC and BI tools ask for sizes and row counts of relations beside their
 * names, and would get an error for the whole statement.  Where an analyst may
 * not have such a value it is NULL, which clients take as "not known".  This
 * gives no right and takes none: what is not replaced here is refused by the
 * executor as ever.
 */
#include "pg/rewrite/rewrite_internal.h"

#include "access/sysattr.h"
#include "catalog/pg_class.h"
#include "catalog/pg_proc.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_relation.h"
#include "utils/acl.h"
#include "utils/fmgroids.h"

/* They count rows and pages; dp._hidden_columns() lists the same. */
static const AttrNumber hidden_columns[] = {
	Anum_pg_class_relpages, Anum_pg_class_reltuples, Anum_pg_class_relallvisible
};

typedef struct Blank
{
	List	   *levels;			/* of Bitmapset *, innermost query first: entries with hidden columns */
	bool		changed;
} Blank;

static bool
may_execute(Oid function)
{
#if PG_VERSION_NUM >= 160000
	return object_aclcheck(ProcedureRelationId, function, GetUserId(), ACL_EXECUTE) == ACLCHECK_OK;
#else
	return pg_proc_aclcheck(function, GetUserId(), ACL_EXECUTE) == ACLCHECK_OK;
#endif
}

static bool
is_size(Oid function)
{
	switch (function)
	{
		case F_PG_DATABASE_SIZE_NAME:
		case F_PG_DATABASE_SIZE_OID:
		case F_PG_TABLESPACE_SIZE_NAME:
		case F_PG_TABLESPACE_SIZE_OID:
		case F_PG_RELATION_SIZE_REGCLASS:
		case F_PG_RELATION_SIZE_REGCLASS_TEXT:
		case F_PG_TABLE_SIZE:
		case F_PG_INDEXES_SIZE:
		case F_PG_TOTAL_RELATION_SIZE:
			return true;
		default:
			return false;
	}
}

static bool
is_hidden(AttrNumber attno)
{
	for (size_t i = 0; i < lengthof(hidden_columns); i++)
	{
		if (hidden_columns[i] == attno)
			return true;
	}
	return false;
}

/* Takes the hidden columns from those that the executor would check. */
static bool
take_columns(Query *query, RangeTblEntry *rte)
{
#if PG_VERSION_NUM >= 160000
	RTEPermissionInfo *info = getRTEPermissionInfo(query->rteperminfos, rte);
	Oid			user = info->checkAsUser;
	Bitmapset **columns = &info->selectedCols;
#else
	Oid			user = rte->checkAsUser;
	Bitmapset **columns = &rte->selectedCols;
#endif

	/* a view's entry is read as its owner */
	if (OidIsValid(user) || pg_class_aclcheck(rte->relid, GetUserId(), ACL_SELECT) == ACLCHECK_OK)
		return false;
	for (size_t i = 0; i < lengthof(hidden_columns); i++)
		*columns = bms_del_member(*columns, hidden_columns[i] - FirstLowInvalidHeapAttributeNumber);
	return true;
}

static Bitmapset *
entries_with_hidden_columns(Query *query)
{
	Bitmapset  *entries = NULL;
	ListCell   *lc;

	foreach(lc, query->rtable)
	{
		RangeTblEntry *rte = lfirst_node(RangeTblEntry, lc);

		if (rte->rtekind == RTE_RELATION && rte->relid == RelationRelationId && take_columns(query, rte))
			entries = bms_add_member(entries, foreach_current_index(lc) + 1);
	}
	return entries;
}

static Node *blank_mutator(Node *node, Blank *blank);

static Query *
blank_query(Query *query, Blank *blank, int flags)
{
	blank->levels = lcons(entries_with_hidden_columns(query), blank->levels);
	query = query_tree_mutator(query, blank_mutator, blank, flags);
	blank->levels = list_delete_first(blank->levels);
	return query;
}

static bool
is_blank(const Node *node, const Blank *blank)
{
	const Var  *var = (const Var *) node;
	Oid			function;

	if (IsA(node, Var))
		return is_hidden(var->varattno) && (int) var->varlevelsup < list_length(blank->levels) &&
			bms_is_member(var->varno, list_nth(blank->levels, var->varlevelsup));
	if (!IsA(node, FuncExpr))
		return false;
	function = ((const FuncExpr *) node)->funcid;
	return is_size(function) && !may_execute(function);
}

static Node *
blank_mutator(Node *node, Blank *blank)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, Query))
		return (Node *) blank_query((Query *) node, blank, 0);
	if (is_blank(node, blank))
	{
		blank->changed = true;
		return (Node *) makeNullConst(exprType(node), exprTypmod(node), exprCollation(node));
	}
	return expression_tree_mutator(node, blank_mutator, blank);
}

bool
eps_rewrite_blank(Query *query)
{
	Blank		blank = {NIL, false};

	if (query->commandType == CMD_UTILITY)
		return false;
	(void) blank_query(query, &blank, QTW_DONT_COPY_QUERY);
	return blank.changed;
}
