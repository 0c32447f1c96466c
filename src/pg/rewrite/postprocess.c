/*
 * postprocess.c
 *	  A level above a release, or one that an answer may be joined with: none of its
 *	  clauses may raise once owners are charged (rule 9).
 */
#include "pg/rewrite/rewrite_internal.h"

#include "access/transam.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/numeric.h"

/* --- numbers of rows --------------------------------------------------------------------- */

static Const *
constant_of(Node *node)
{
	Node	   *folded = eval_const_expressions(NULL, copyObject(node));

	return IsA(folded, Const) ? (Const *) folded : NULL;
}

static bool
is_negative(const Const *c)
{
	switch (c->consttype)
	{
		case INT2OID:
			return DatumGetInt16(c->constvalue) < 0;
		case INT4OID:
			return DatumGetInt32(c->constvalue) < 0;
		case INT8OID:
			return DatumGetInt64(c->constvalue) < 0;
		case FLOAT8OID:
			return !(DatumGetFloat8(c->constvalue) >= 0);
		case NUMERICOID:
			return numeric_is_nan(DatumGetNumeric(c->constvalue)) ||
				!DatumGetBool(DirectFunctionCall2(numeric_ge, c->constvalue, DirectFunctionCall1(int4_numeric, Int32GetDatum(0))));
		default:
			return true;
	}
}

/* A number of rows that is not negative, and where it must be, not NULL. */
static Node *
row_count(Node *node, bool not_null, const EpsFunctions *f)
{
	Const	   *c;

	if (node == NULL)
		return NULL;
	c = constant_of(node);
	if (c != NULL && (c->constisnull ? not_null : is_negative(c)))
		ereport(ERROR, (errcode(EPS_ERRCODE_REFUSED), errmsg("a number of rows must not be negative"),
						exprLocation(node) >= 0 ? errposition(exprLocation(node) + 1) : 0));
	if (c != NULL)
		return (Node *) c;
	node = eps_rewrite_above(node, f);
	node = (Node *) makeFuncExpr(f->at_least_zero, INT8OID, list_make1(node), InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL);
	if (not_null)
	{
		CoalesceExpr *coalesce = makeNode(CoalesceExpr);

		coalesce->coalescetype = INT8OID;
		coalesce->args = list_make2(node, makeConst(INT8OID, -1, InvalidOid, sizeof(int64), Int64GetDatum(0), false, FLOAT8PASSBYVAL));
		coalesce->location = -1;
		node = (Node *) coalesce;
	}
	return node;
}

/* --- windows -------------------------------------------------------------------------------- */

/* The end of a RANGE frame is base plus offset: of numbers that is compared without overflow. */
static bool
is_total_range(Oid funcid)
{
	return funcid == F_IN_RANGE_INT8_INT8_INT8_BOOL_BOOL || funcid == F_IN_RANGE_INT4_INT4_INT8_BOOL_BOOL ||
		funcid == F_IN_RANGE_INT4_INT4_INT4_BOOL_BOOL || funcid == F_IN_RANGE_INT4_INT4_INT2_BOOL_BOOL ||
		funcid == F_IN_RANGE_INT2_INT2_INT8_BOOL_BOOL || funcid == F_IN_RANGE_INT2_INT2_INT4_BOOL_BOOL ||
		funcid == F_IN_RANGE_INT2_INT2_INT2_BOOL_BOOL || funcid == F_IN_RANGE_FLOAT8_FLOAT8_FLOAT8_BOOL_BOOL ||
		funcid == F_IN_RANGE_FLOAT4_FLOAT4_FLOAT8_BOOL_BOOL || funcid == F_IN_RANGE_NUMERIC_NUMERIC_NUMERIC_BOOL_BOOL;
}

static Node *
frame_offset(Node *offset, bool range, Oid in_range, const EpsFunctions *f)
{
	Const	   *c;

	if (offset == NULL || !range)
		return row_count(offset, true, f);
	c = constant_of(offset);
	if (c == NULL || c->constisnull || is_negative(c) || !is_total_range(in_range))
		eps_rewrite_refuse_above(exprLocation(offset), "this RANGE frame");
	return (Node *) c;
}

static void
postprocess_windows(Query *query, const EpsFunctions *f)
{
	ListCell   *lc;

	foreach(lc, query->windowClause)
	{
		WindowClause *window = lfirst_node(WindowClause, lc);
		bool		range = (window->frameOptions & FRAMEOPTION_RANGE) != 0;

		window->startOffset = frame_offset(window->startOffset, range, window->startInRangeFunc, f);
		window->endOffset = frame_offset(window->endOffset, range, window->endInRangeFunc, f);
	}
}

/* --- sources ----------------------------------------------------------------------------------- */

static bool
depends_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Var) || IsA(node, SubLink))
		return true;
	return expression_tree_walker(node, depends_walker, context);
}

/*
 * A function in FROM: called with constants it is the statement's own business
 * (it raises for everybody or for nobody), with answers it must be total.
 */
static void
postprocess_functions(RangeTblEntry *rte, const EpsFunctions *f)
{
	ListCell   *lc;

	foreach(lc, rte->functions)
	{
		RangeTblFunction *function = lfirst_node(RangeTblFunction, lc);
		FuncExpr   *call = (FuncExpr *) function->funcexpr;

		if (!depends_walker((Node *) call, NULL))
			continue;
		if (!IsA(call, FuncExpr) || !eps_rewrite_is_total_set(call->funcid))
			eps_rewrite_refuse_above(exprLocation((Node *) call), "this function in FROM");
		call->args = (List *) eps_rewrite_above((Node *) call->args, f);
	}
}

static void
postprocess_sources(Query *query, const EpsFunctions *f)
{
	ListCell   *lc;

	foreach(lc, query->rtable)
	{
		RangeTblEntry *rte = lfirst_node(RangeTblEntry, lc);

		if (rte->rtekind == RTE_FUNCTION)
			postprocess_functions(rte, f);
		else if (rte->rtekind == RTE_VALUES)
			rte->values_lists = (List *) eps_rewrite_above((Node *) rte->values_lists, f);
		else if (rte->rtekind == RTE_TABLEFUNC && depends_walker((Node *) rte->tablefunc, NULL))
			eps_rewrite_refuse_above(-1, "XMLTABLE");
		else if (rte->tablesample != NULL && depends_walker((Node *) rte->tablesample, NULL))
			eps_rewrite_refuse_above(-1, "TABLESAMPLE");
	}
}

/* --- the level ----------------------------------------------------------------------------------- */

static void
check_sorting(Query *query)
{
	ListCell   *lc;

	foreach(lc, query->targetList)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, lc);

		if (entry->ressortgroupref != 0 || query->setOperations != NULL)
			eps_rewrite_check_sortable((Node *) entry->expr, query);
	}
}

void
eps_rewrite_postprocess(Query *query, const EpsFunctions *functions)
{
	bool		with_ties = query->limitOption == LIMIT_OPTION_WITH_TIES;

	postprocess_sources(query, functions);
	query->targetList = (List *) eps_rewrite_above((Node *) query->targetList, functions);
	query->returningList = (List *) eps_rewrite_above((Node *) query->returningList, functions);
	query->jointree = (FromExpr *) eps_rewrite_above((Node *) query->jointree, functions);
	query->havingQual = eps_rewrite_above(query->havingQual, functions);
	if (query->onConflict != NULL)
	{
		query->onConflict->onConflictSet = (List *) eps_rewrite_above((Node *) query->onConflict->onConflictSet, functions);
		query->onConflict->onConflictWhere = eps_rewrite_above(query->onConflict->onConflictWhere, functions);
	}
	check_sorting(query);
	postprocess_windows(query, functions);
	query->limitCount = row_count(query->limitCount, with_ties, functions);
	query->limitOffset = row_count(query->limitOffset, false, functions);
}
