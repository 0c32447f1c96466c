/*
 * above.c
 *	  Expressions above a release: whatever could raise once owners are charged is
 *	  called through a guard that gives NULL and a warning, or it is refused
 *	  (rule 9).  An allow-list of node tags; the default refuses.
 */
#include "pg/rewrite/rewrite_internal.h"

#include "access/transam.h"
#include "catalog/pg_aggregate.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parsetree.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

void
eps_rewrite_refuse_above(int location, const char *what)
{
	ereport(ERROR,
			(errcode(EPS_ERRCODE_REFUSED),
			 errmsg("%s cannot be applied to released answers in the same statement", what),
			 errdetail("It could raise an error after owners were charged."),
			 errhint("Keep the answer with CREATE TEMP TABLE ... AS, and go on from there: that costs nothing more."),
			 location >= 0 ? errposition(location + 1) : 0));
}

/* --- what cannot raise ---------------------------------------------------------------- */

/* Does the value depend on anything but constants?  The planner has computed what does not. */
static bool
varies_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	switch (nodeTag(node))
	{
		case T_Var:
		case T_Param:
		case T_Aggref:
		case T_WindowFunc:
		case T_GroupingFunc:
		case T_SubLink:
		case T_CaseTestExpr:
		case T_SetToDefault:
		case T_NextValueExpr:
			return true;
		default:
			return expression_tree_walker(node, varies_walker, context);
	}
}

static bool
is_constant(Node *node)
{
	return !varies_walker(node, NULL) && !contain_mutable_functions(node);
}

/* Comparison of records and arrays looks up how to compare their parts when it runs. */
static bool
is_scalar(Oid type)
{
	type = getBaseType(type);
	return type != RECORDOID && !type_is_rowtype(type) && !OidIsValid(get_element_type(type)) && get_typtype(type) != TYPTYPE_PSEUDO;
}

/* A comparison of scalars by an operator class, which only a superuser can make. */
static bool
is_comparison(Oid opno, List *args, Oid collation)
{
	ListCell   *lc;

	foreach(lc, args)
	{
		if (!is_scalar(exprType(lfirst(lc))) || (type_is_collatable(exprType(lfirst(lc))) && !OidIsValid(collation)))
			return false;
	}
	return get_op_btree_interpretation(opno) != NIL;
}

static void
check_sortable_type(Oid type, Oid collation, int location)
{
	Oid			element = get_element_type(getBaseType(type));

	if (!OidIsValid(element))
		element = type;
	if (!is_scalar(element) || !OidIsValid(lookup_type_cache(element, TYPECACHE_CMP_PROC)->cmp_proc))
		eps_rewrite_refuse_above(location, "sorting or grouping of rows of this kind");
	if (type_is_collatable(type) && !OidIsValid(collation))
		eps_rewrite_refuse_above(location, "sorting or grouping without a collation");
}

/* The columns of a row of a subquery, or NIL. */
static List *
columns_of(Var *var, Query *query)
{
	RangeTblEntry *rte;

	if (query == NULL || !IsA(var, Var) || var->varattno != 0 || var->varlevelsup != 0)
		return NIL;
	rte = rt_fetch(var->varno, query->rtable);
	return rte->rtekind == RTE_SUBQUERY ? rte->subquery->targetList : NIL;
}

void
eps_rewrite_check_sortable(Node *expr, Query *query)
{
	List	   *columns = IsA(expr, RowExpr) ? ((RowExpr *) expr)->args : columns_of((Var *) expr, query);
	ListCell   *lc;

	if (columns == NIL)
		check_sortable_type(exprType(expr), exprCollation(expr), exprLocation(expr));
	foreach(lc, columns)
	{
		Node	   *column = lfirst(lc);

		if (IsA(column, TargetEntry))
			column = (Node *) ((TargetEntry *) column)->expr;
		check_sortable_type(exprType(column), exprCollation(column), exprLocation(expr));
	}
}

/* --- guarded calls ----------------------------------------------------------------------- */

static Node *above_mutator(Node *node, const EpsFunctions *f);

static List *
above_list(List *list, const EpsFunctions *f)
{
	return (List *) expression_tree_mutator((Node *) list, above_mutator, (void *) f);
}

static bool
is_own_clamp(Oid funcid, const EpsFunctions *f)
{
	return funcid == f->clamp_int4 || funcid == f->clamp_int8 || funcid == f->clamp_numeric || funcid == f->clamp_float8;
}

/* With arguments by name and by default put in their places. */
static List *
complete_arguments(Oid funcid, List *args, Oid result)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(funcid));

	EPS_ENSURE(HeapTupleIsValid(tuple), "a function has vanished");
	args = expand_function_arguments(args, false, result, tuple);
	ReleaseSysCache(tuple);
	return args;
}

static Node *
guarded_call(FuncExpr *call, const EpsFunctions *f)
{
	bool		plain = eps_analyze_is_plain_function(call->funcid);
	List	   *args = complete_arguments(call->funcid, call->args, call->funcresulttype);
	FuncExpr   *guarded;

	if ((get_typtype(call->funcresulttype) == TYPTYPE_PSEUDO && call->funcresulttype != VOIDOID) || list_length(args) > FUNC_MAX_ARGS - 3)
		eps_rewrite_refuse_above(call->location, "this function");
	eps_analyze_check_execute(call->funcid);
	args = args == NIL ? list_make1(makeNullConst(INT4OID, -1, InvalidOid)) : above_list(args, f);
	args = lcons(makeBoolConst(call->funcvariadic, false), args);
	args = lcons(makeConst(OIDOID, -1, InvalidOid, sizeof(Oid), ObjectIdGetDatum(call->funcid), false, true), args);
	guarded = makeFuncExpr(plain ? f->guarded : f->guarded_apart, call->funcresulttype, args,
						   call->funccollid, call->inputcollid, COERCE_EXPLICIT_CALL);
	guarded->location = call->location;
	return (Node *) guarded;
}

/* Set-returning functions that raise for no argument. */
bool
eps_rewrite_is_total_set(Oid funcid)
{
	return funcid == F_GENERATE_SERIES_INT4_INT4 || funcid == F_GENERATE_SERIES_INT8_INT8 ||
		funcid == F_UNNEST_ANYARRAY || funcid == F_GENERATE_SUBSCRIPTS_ANYARRAY_INT4;
}

static Node *
above_function(FuncExpr *call, const EpsFunctions *f)
{
	if (call->funcretset && !eps_rewrite_is_total_set(call->funcid) && !is_constant((Node *) call->args))
		eps_rewrite_refuse_above(call->location, "this set-returning function");
	if (call->funcretset || eps_analyze_cannot_raise(call->funcid) || is_own_clamp(call->funcid, f) || is_constant((Node *) call))
		return expression_tree_mutator((Node *) call, above_mutator, (void *) f);
	return guarded_call(call, f);
}

static Node *
above_operator(OpExpr *op, const EpsFunctions *f)
{
	FuncExpr   *call;

	set_opfuncid(op);
	if (op->opretset)
		eps_rewrite_refuse_above(op->location, "this operator");
	if (is_comparison(op->opno, op->args, op->inputcollid) || is_constant((Node *) op))
		return expression_tree_mutator((Node *) op, above_mutator, (void *) f);
	call = makeFuncExpr(op->opfuncid, op->opresulttype, op->args, op->opcollid, op->inputcollid, COERCE_EXPLICIT_CALL);
	call->location = op->location;
	return guarded_call(call, f);
}

static Node *
above_cast(CoerceViaIO *cast, const EpsFunctions *f)
{
	Oid			from = exprType((Node *) cast->arg);
	bool		plain = eps_analyze_is_plain_type(from) && eps_analyze_is_plain_type(cast->resulttype);

	if (is_constant((Node *) cast))
		return (Node *) copyObject(cast);
	if (get_typtype(cast->resulttype) == TYPTYPE_PSEUDO)
		eps_rewrite_refuse_above(cast->location, "this cast");
	return (Node *) makeFuncExpr(plain ? f->guarded_cast : f->guarded_cast_apart, cast->resulttype,
								 list_make1(above_mutator((Node *) cast->arg, f)),
								 cast->resultcollid, InvalidOid, COERCE_EXPLICIT_CALL);
}

/* --- aggregates and window functions ------------------------------------------------------ */

/* How the arguments are kept from making it raise. */
typedef enum EpsArgument
{
	EPS_ARGUMENT_ANY,			/* nothing to do */
	EPS_ARGUMENT_SUMMABLE,		/* floats whose sum of squares could overflow */
	EPS_ARGUMENT_FRACTION,		/* direct argument of a percentile */
	EPS_ARGUMENT_POSITIVE		/* ntile, nth_value: the last one */
} EpsArgument;

typedef struct EpsAboveRow
{
	Oid			funcid;
	EpsArgument argument;
} EpsAboveRow;

#define EPS_FOR_INTEGERS(name) \
	{F_##name##_INT2, EPS_ARGUMENT_ANY}, {F_##name##_INT4, EPS_ARGUMENT_ANY}, {F_##name##_INT8, EPS_ARGUMENT_ANY}
#define EPS_FOR_NUMBERS(name) \
	EPS_FOR_INTEGERS(name), {F_##name##_NUMERIC, EPS_ARGUMENT_ANY}, \
	{F_##name##_FLOAT4, EPS_ARGUMENT_SUMMABLE}, {F_##name##_FLOAT8, EPS_ARGUMENT_SUMMABLE}
#define EPS_FOR_ORDERED(name) \
	{F_##name##_INT2, EPS_ARGUMENT_ANY}, {F_##name##_INT4, EPS_ARGUMENT_ANY}, {F_##name##_INT8, EPS_ARGUMENT_ANY}, \
	{F_##name##_FLOAT4, EPS_ARGUMENT_ANY}, {F_##name##_FLOAT8, EPS_ARGUMENT_ANY}, {F_##name##_NUMERIC, EPS_ARGUMENT_ANY}, \
	{F_##name##_DATE, EPS_ARGUMENT_ANY}, {F_##name##_TIME, EPS_ARGUMENT_ANY}, {F_##name##_TIMETZ, EPS_ARGUMENT_ANY}, \
	{F_##name##_TIMESTAMP, EPS_ARGUMENT_ANY}, {F_##name##_TIMESTAMPTZ, EPS_ARGUMENT_ANY}, \
	{F_##name##_INTERVAL, EPS_ARGUMENT_ANY}, {F_##name##_TEXT, EPS_ARGUMENT_ANY}, {F_##name##_BPCHAR, EPS_ARGUMENT_ANY}, \
	{F_##name##_MONEY, EPS_ARGUMENT_ANY}, {F_##name##_OID, EPS_ARGUMENT_ANY}, {F_##name##_INET, EPS_ARGUMENT_ANY}, \
	{F_##name##_ANYENUM, EPS_ARGUMENT_ANY}
#define EPS_OF_PAIRS(name) {F_##name, EPS_ARGUMENT_SUMMABLE}

static const EpsAboveRow above_table[] = {
	{F_COUNT_, EPS_ARGUMENT_ANY}, {F_COUNT_ANY, EPS_ARGUMENT_ANY},
	EPS_FOR_NUMBERS(SUM), EPS_FOR_NUMBERS(AVG),
	EPS_FOR_NUMBERS(STDDEV), EPS_FOR_NUMBERS(STDDEV_POP), EPS_FOR_NUMBERS(STDDEV_SAMP),
	EPS_FOR_NUMBERS(VARIANCE), EPS_FOR_NUMBERS(VAR_POP), EPS_FOR_NUMBERS(VAR_SAMP),
	EPS_FOR_ORDERED(MIN), EPS_FOR_ORDERED(MAX),
	EPS_OF_PAIRS(CORR), EPS_OF_PAIRS(COVAR_POP), EPS_OF_PAIRS(COVAR_SAMP), EPS_OF_PAIRS(REGR_COUNT),
	EPS_OF_PAIRS(REGR_SLOPE), EPS_OF_PAIRS(REGR_INTERCEPT), EPS_OF_PAIRS(REGR_R2), EPS_OF_PAIRS(REGR_AVGX),
	EPS_OF_PAIRS(REGR_AVGY), EPS_OF_PAIRS(REGR_SXX), EPS_OF_PAIRS(REGR_SYY), EPS_OF_PAIRS(REGR_SXY),
	EPS_FOR_INTEGERS(BIT_AND), EPS_FOR_INTEGERS(BIT_OR), EPS_FOR_INTEGERS(BIT_XOR),
	{F_BOOL_AND, EPS_ARGUMENT_ANY}, {F_BOOL_OR, EPS_ARGUMENT_ANY}, {F_EVERY, EPS_ARGUMENT_ANY},
	{F_STRING_AGG_TEXT_TEXT, EPS_ARGUMENT_ANY}, {F_ARRAY_AGG_ANYNONARRAY, EPS_ARGUMENT_ANY},
	{F_MODE, EPS_ARGUMENT_ANY},
	{F_PERCENTILE_CONT_FLOAT8_FLOAT8, EPS_ARGUMENT_FRACTION}, {F_PERCENTILE_DISC_FLOAT8_ANYELEMENT, EPS_ARGUMENT_FRACTION},

	/* window functions */
	{F_ROW_NUMBER, EPS_ARGUMENT_ANY}, {F_RANK_, EPS_ARGUMENT_ANY}, {F_DENSE_RANK_, EPS_ARGUMENT_ANY},
	{F_PERCENT_RANK_, EPS_ARGUMENT_ANY}, {F_CUME_DIST_, EPS_ARGUMENT_ANY},
	{F_LAG_ANYELEMENT, EPS_ARGUMENT_ANY}, {F_LAG_ANYELEMENT_INT4, EPS_ARGUMENT_ANY},
	{F_LAG_ANYCOMPATIBLE_INT4_ANYCOMPATIBLE, EPS_ARGUMENT_ANY},
	{F_LEAD_ANYELEMENT, EPS_ARGUMENT_ANY}, {F_LEAD_ANYELEMENT_INT4, EPS_ARGUMENT_ANY},
	{F_LEAD_ANYCOMPATIBLE_INT4_ANYCOMPATIBLE, EPS_ARGUMENT_ANY},
	{F_FIRST_VALUE, EPS_ARGUMENT_ANY}, {F_LAST_VALUE, EPS_ARGUMENT_ANY},
	{F_NTILE, EPS_ARGUMENT_POSITIVE}, {F_NTH_VALUE, EPS_ARGUMENT_POSITIVE},
};

/* min and max of text raise without one. */
static void
check_has_collation(Oid collation, List *args, int location)
{
	ListCell   *lc;

	foreach(lc, args)
	{
		if (type_is_collatable(exprType(lfirst(lc))) && !OidIsValid(collation))
			eps_rewrite_refuse_above(location, "an aggregate without a collation");
	}
}

static EpsArgument
argument_of(Oid funcid, int location, const char *what)
{
	for (size_t i = 0; i < lengthof(above_table); i++)
	{
		if (above_table[i].funcid == funcid)
			return above_table[i].argument;
	}
	eps_rewrite_refuse_above(location, what);
	return EPS_ARGUMENT_ANY;
}

static Expr *
wrapped(Oid funcid, Expr *arg)
{
	return (Expr *) makeFuncExpr(funcid, exprType((Node *) arg), list_make1(arg), InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL);
}

static Expr *
summable(Expr *arg, const EpsFunctions *f)
{
	Oid			type = exprType((Node *) arg);

	return type == FLOAT8OID ? wrapped(f->summable_float8, arg) : type == FLOAT4OID ? wrapped(f->summable_float4, arg) : arg;
}

static Node *
above_aggregate(Aggref *agg, const EpsFunctions *f)
{
	EpsArgument argument = argument_of(agg->aggfnoid, agg->location, "this aggregate");
	Aggref	   *result = (Aggref *) expression_tree_mutator((Node *) agg, above_mutator, (void *) f);
	ListCell   *lc;

	foreach(lc, result->args)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, lc);

		check_has_collation(agg->inputcollid, list_make1(entry->expr), agg->location);
		if (entry->ressortgroupref != 0)
			eps_rewrite_check_sortable((Node *) entry->expr, NULL);
		if (argument == EPS_ARGUMENT_SUMMABLE)
			entry->expr = summable(entry->expr, f);
	}
	if (argument == EPS_ARGUMENT_FRACTION)
		linitial(result->aggdirectargs) = wrapped(f->fraction, linitial(result->aggdirectargs));
	return (Node *) result;
}

static Node *
above_window(WindowFunc *func, const EpsFunctions *f)
{
	EpsArgument argument = argument_of(func->winfnoid, func->location, "this window function");
	WindowFunc *result = (WindowFunc *) expression_tree_mutator((Node *) func, above_mutator, (void *) f);
	ListCell   *lc;

	check_has_collation(func->inputcollid, func->args, func->location);
	if (argument == EPS_ARGUMENT_SUMMABLE)
		foreach(lc, result->args)
			lfirst(lc) = summable(lfirst(lc), f);
	if (argument == EPS_ARGUMENT_POSITIVE)
		llast(result->args) = wrapped(f->positive, llast(result->args));
	return (Node *) result;
}

/* --- nodes ----------------------------------------------------------------------------------- */

/* The query is a level of its own; what it is compared with belongs here. */
static Node *
above_sublink(SubLink *sublink, const EpsFunctions *f)
{
	SubLink    *result = copyObject(sublink);

	result->subselect = sublink->subselect;
	result->testexpr = above_mutator(sublink->testexpr, f);
	if (sublink->subLinkType == ARRAY_SUBLINK && !is_scalar(get_element_type(exprType((Node *) sublink))))
		eps_rewrite_refuse_above(sublink->location, "an array of arrays");
	return (Node *) result;
}

static void
check_comparison(Oid opno, List *args, Oid collation, int location)
{
	if (!is_comparison(opno, args, collation))
		eps_rewrite_refuse_above(location, "this comparison");
}

static void
check_array_comparison(ScalarArrayOpExpr *expr)
{
	Node	   *array = lsecond(expr->args);

	if (!is_scalar(get_element_type(exprType(array))) || !is_comparison(expr->opno, list_make1(linitial(expr->args)), expr->inputcollid))
		eps_rewrite_refuse_above(expr->location, "this operator with ANY or ALL");
}

/* May the node stand above a release, given that its parts may? */
static bool
is_allowed(Node *node)
{
	switch (nodeTag(node))
	{
		case T_Var:
		case T_Const:
		case T_Param:
		case T_BoolExpr:
		case T_CaseExpr:
		case T_CaseWhen:
		case T_CaseTestExpr:
		case T_CoalesceExpr:
		case T_NullTest:
		case T_BooleanTest:
		case T_RelabelType:
		case T_CollateExpr:
		case T_RowExpr:
		case T_FieldSelect:
		case T_ConvertRowtypeExpr:
		case T_SQLValueFunction:
		case T_GroupingFunc:
		case T_NextValueExpr:
		case T_SetToDefault:
		case T_RowCompareExpr:
		case T_List:
		case T_TargetEntry:
		case T_FromExpr:
		case T_JoinExpr:
		case T_RangeTblRef:
		case T_SortGroupClause:
		case T_OnConflictExpr:
		case T_NamedArgExpr:
			return true;
		case T_MinMaxExpr:
			return is_scalar(((MinMaxExpr *) node)->minmaxtype);
		case T_SubscriptingRef:
			return ((SubscriptingRef *) node)->refassgnexpr == NULL && ((SubscriptingRef *) node)->refcontainertype < FirstGenbkiObjectId;
		case T_ArrayExpr:
			return !((ArrayExpr *) node)->multidims;
		case T_ArrayCoerceExpr:
			return IsA(((ArrayCoerceExpr *) node)->elemexpr, RelabelType);
		default:
			return false;
	}
}

static Node *
above_mutator(Node *node, const EpsFunctions *f)
{
	if (node == NULL || IsA(node, Query))
		return node;
	switch (nodeTag(node))
	{
		case T_OpExpr:
			return above_operator((OpExpr *) node, f);
		case T_FuncExpr:
			return above_function((FuncExpr *) node, f);
		case T_CoerceViaIO:
			return above_cast((CoerceViaIO *) node, f);
		case T_Aggref:
			return above_aggregate((Aggref *) node, f);
		case T_WindowFunc:
			return above_window((WindowFunc *) node, f);
		case T_SubLink:
			return above_sublink((SubLink *) node, f);
		case T_NullIfExpr:
		case T_DistinctExpr:
			check_comparison(((OpExpr *) node)->opno, ((OpExpr *) node)->args, ((OpExpr *) node)->inputcollid, exprLocation(node));
			break;
		case T_ScalarArrayOpExpr:
			check_array_comparison((ScalarArrayOpExpr *) node);
			break;
		default:
			if (!is_allowed(node) && !is_constant(node))
				eps_rewrite_refuse_above(exprLocation(node), "this expression");
	}
	return expression_tree_mutator(node, above_mutator, (void *) f);
}

Node *
eps_rewrite_above(Node *node, const EpsFunctions *functions)
{
	return above_mutator(node, functions);
}
