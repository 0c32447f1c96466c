/*
 * facts.c
 *	  What is publicly known of a value before any row is read: from its type, as
 *	  a constant, or because it is clamped.
 */
#include "pg/analyze/analyze_internal.h"

#include <math.h>

#include "access/transam.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/pathnodes.h"
#include "optimizer/optimizer.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/pg_locale.h"

/* --- what a type alone says ---------------------------------------------- */

static void
natural_bounds(EpsFact *fact, double lo, double hi, int scale)
{
	fact->bounded = true;
	fact->enforced = true;
	fact->natural = true;
	fact->lo = lo;
	fact->hi = hi;
	fact->scale = scale;
}

EpsFact
eps_analyze_type_fact(Oid type, int32 typmod)
{
	EpsFact		fact = {0};

	fact.nullable = true;
	fact.scale = -1;
	switch (type)
	{
		case INT2OID:
			natural_bounds(&fact, PG_INT16_MIN, PG_INT16_MAX, 0);
			break;
		case INT4OID:
			natural_bounds(&fact, PG_INT32_MIN, PG_INT32_MAX, 0);
			break;
		case INT8OID:
			natural_bounds(&fact, (double) PG_INT64_MIN, (double) PG_INT64_MAX, 0);
			break;
		case NUMERICOID:
			if (typmod >= (int32) VARHDRSZ)
			{
				int			scale = (((typmod - VARHDRSZ) & 0x7ff) ^ 1024) - 1024;

				fact.scale = Max(scale, 0);
			}
			break;
		case BOOLOID:
			fact.domain = EPS_DOMAIN_VALUES;
			fact.values = list_make2(makeBoolConst(false, false), makeBoolConst(true, false));
			break;
		default:
			break;
	}
	return fact;
}

/* Types whose values may be group keys: builtin, hashable, with one
 * representation a value or one that the node makes canonical. */
bool
eps_analyze_key_type(Oid type)
{
	switch (type)
	{
		case BOOLOID:
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case NUMERICOID:
		case FLOAT4OID:
		case FLOAT8OID:
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
		case CHAROID:
		case NAMEOID:
		case DATEOID:
		case TIMEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
		case UUIDOID:
			return true;
		default:
			return get_typtype(type) == TYPTYPE_ENUM;
	}
}

/* --- collations ---------------------------------------------------------------- */

/*
 * The collation of an operation over the arguments.  One that is missing raises
 * when the first row is met; one that an analyst made can be dropped, or can warn
 * of its version, at that moment; a nondeterministic one makes some functions
 * raise.  So: builtin and deterministic, and opened here, where no row is met.
 */
void
eps_analyze_check_collation(Oid collation, List *args, int location)
{
	bool		collatable = false;
	ListCell   *lc;

	foreach(lc, args)
		collatable = collatable || type_is_collatable(exprType(lfirst(lc)));
	if (!collatable)
		return;
	if (!OidIsValid(collation))
		eps_analyze_refuse(location, "could not determine which collation to use", NULL, "Add a COLLATE clause.");
	if (collation >= FirstNormalObjectId || !get_collation_isdeterministic(collation))
		eps_analyze_refuse(location, "this collation is not allowed beside protected rows",
						   "It must be one that came with the server, and deterministic.",
						   "Add COLLATE \"default\", or apply the collation to the released answer.");
	if (collation != DEFAULT_COLLATION_OID && collation != C_COLLATION_OID)
		(void) pg_newlocale_from_collation(collation);
}

/* --- constants ------------------------------------------------------------ */

/*
 * Functions that are not immutable, and yet may stand in a constant expression,
 * for they never raise.  Any other could raise at execution though it did not
 * when the plan was made (the clock has moved, a setting has changed), and then
 * only where a row is met.
 */
bool
eps_analyze_is_safe_stable(Oid funcid)
{
	return funcid == F_NOW || funcid == F_TRANSACTION_TIMESTAMP || funcid == F_STATEMENT_TIMESTAMP;
}

/* The same for what an expression does with their value. */
static bool
reads_clock_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, SQLValueFunction))
		return true;
	if (IsA(node, FuncExpr) && eps_analyze_is_safe_stable(((FuncExpr *) node)->funcid))
		return true;
	return expression_tree_walker(node, reads_clock_walker, context);
}

static bool
unfit_function_walker(Oid funcid, void *context)
{
	return funcid >= FirstGenbkiObjectId ||
		(func_volatile(funcid) != PROVOLATILE_IMMUTABLE && !eps_analyze_is_safe_stable(funcid));
}

/* Anything whose value depends on a row, a subquery or a place in the query, or that
 * a setting could make raise. */
static bool
reads_data_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	switch (nodeTag(node))
	{
		case T_Const:
		case T_Param:
		case T_FuncExpr:
		case T_OpExpr:
		case T_RelabelType:
		case T_CoerceViaIO:
		case T_ArrayExpr:
		case T_ArrayCoerceExpr:
		case T_CollateExpr:
		case T_SQLValueFunction:
		case T_BoolExpr:
		case T_NullTest:
		case T_CaseExpr:
		case T_CaseWhen:
		case T_CoalesceExpr:
		case T_MinMaxExpr:
		case T_List:
			break;
		default:
			return true;
	}
	if (check_functions_in_node(node, unfit_function_walker, NULL))
		return true;
	return expression_tree_walker(node, reads_data_walker, context);
}

static bool
unknown_param_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Param))
	{
		Param	   *param = (Param *) node;
		ParamListInfo params = (ParamListInfo) context;

		return param->paramkind != PARAM_EXTERN || params == NULL;
	}
	return expression_tree_walker(node, unknown_param_walker, context);
}

/*
 * The value of an expression over constants, known parameters and builtin
 * functions that no setting makes raise.  Evaluating it here shows that it cannot
 * raise later, when whether it is evaluated would depend on whether a row is
 * there.
 */
bool
eps_analyze_const_value(EpsScope *scope, Node *node, Const **value)
{
	PlannerGlobal *glob;
	PlannerInfo *root;
	Node	   *folded;

	if (node == NULL)
		return false;
	if (IsA(node, Const))
	{
		*value = (Const *) node;
		return true;
	}
	if (reads_data_walker(node, NULL))
		return false;
	if (!IsA(node, SQLValueFunction) && !IsA(node, FuncExpr) && reads_clock_walker(node, NULL))
		return false;			/* by parts: each must be total */
	if (IsA(node, FuncExpr) && ((FuncExpr *) node)->args != NIL && reads_clock_walker(node, NULL))
		return false;
	if (unknown_param_walker(node, scope->cx->params))
	{
		scope->cx->verdict->needs_params = true;
		return false;
	}
	glob = makeNode(PlannerGlobal);
	glob->boundParams = scope->cx->params;
	root = makeNode(PlannerInfo);
	root->glob = glob;
	root->parse = makeNode(Query);
	folded = estimate_expression_value(root, copyObject(node));
	if (!IsA(folded, Const))
		return false;
	*value = (Const *) folded;
	return true;
}

/* Facts that let the rest of a generic plan pass that cannot be made anyway. */
static EpsFact
any_fact(Node *node)
{
	EpsFact		fact = eps_analyze_type_fact(exprType(node), exprTypmod(node));

	fact.bounded = fact.enforced = true;
	fact.natural = false;
	fact.lo = fact.hi = 1;
	return fact;
}

/* A constant but for parameters that a generic plan does not know: then none can be made. */
bool
eps_analyze_awaits_params(EpsScope *scope, Node *node, EpsFact *fact)
{
	if (reads_data_walker(node, NULL) || !unknown_param_walker(node, scope->cx->params))
		return false;
	scope->cx->verdict->needs_params = true;
	*fact = any_fact(node);
	return true;
}

/*
 * A constant was needed and is not there: refused, unless a generic plan is
 * being tried, which then cannot be made at all (the verdict says so) and whose
 * facts do not matter.
 */
Node *
eps_analyze_const_missing(EpsScope *scope, Node *node, int location, EpsFact *fact)
{
	if (!scope->cx->verdict->needs_params)
		eps_analyze_refuse(location, "this argument must be a constant or a parameter, and not NULL",
						   "Beside protected rows the result's bounds must be known before any row is read.",
						   "Write a literal, or a parameter of the statement.");
	*fact = any_fact(node);
	return node;
}

EpsFact
eps_analyze_const_fact(const Const *c)
{
	EpsFact		fact = eps_analyze_type_fact(c->consttype, c->consttypmod);
	double		value;

	fact.is_const = true;
	fact.value = (Const *) c;
	fact.nullable = c->constisnull;
	fact.domain = EPS_DOMAIN_VALUES;
	fact.values = c->constisnull ? NIL : list_make1((Const *) c);
	if (eps_analyze_const_double(c, &value))
	{
		fact.bounded = fact.enforced = true;
		fact.natural = false;
		fact.lo = fact.hi = value;
	}
	if (c->consttype == NUMERICOID && !c->constisnull &&
		!numeric_is_nan(DatumGetNumeric(c->constvalue)) && !numeric_is_inf(DatumGetNumeric(c->constvalue)))
		fact.scale = DatumGetInt32(DirectFunctionCall1(numeric_scale, c->constvalue));
	return fact;
}

/* --- clamping ------------------------------------------------------------- */

static Const *
bound_const(Oid type, double bound)
{
	switch (type)
	{
		case INT4OID:
			return makeConst(INT4OID, -1, InvalidOid, 4,
							 Int32GetDatum((int32) Max(Min(bound, PG_INT32_MAX), PG_INT32_MIN)), false, true);
		case INT8OID:
			return makeConst(INT8OID, -1, InvalidOid, 8,
							 Int64GetDatum(bound >= 9223372036854774784.0 ? PG_INT64_MAX :
										   bound <= -9223372036854774784.0 ? PG_INT64_MIN : (int64) bound),
							 false, FLOAT8PASSBYVAL);
		case NUMERICOID:
			return makeConst(NUMERICOID, -1, InvalidOid, -1,
							 DirectFunctionCall1(float8_numeric, Float8GetDatum(bound)), false, false);
		default:
			return makeConst(FLOAT8OID, -1, InvalidOid, 8, Float8GetDatum(bound), false, FLOAT8PASSBYVAL);
	}
}

/* Bounds of a float4 as float4: beyond its range they would raise when cast back. */
static void
narrow_to_float4(EpsFact *fact, int location)
{
	double	   *bound[2] = {&fact->lo, &fact->hi};

	for (int i = 0; i < 2; i++)
	{
		if (fabs(*bound[i]) > 1e37)
			eps_analyze_unbounded(location, "the operand's bounds are wider than its type", NULL,
								  "Declare narrower bounds with dp.set_bounds.");
		*bound[i] = fabs(*bound[i]) < 1e-30 ? 0 : (double) (float) *bound[i];
	}
}

static Node *
cast_call(Oid funcid, Oid result, Node *arg)
{
	return (Node *) makeFuncExpr(funcid, result, list_make1(arg), InvalidOid, InvalidOid, COERCE_IMPLICIT_CAST);
}

static Node *
clamp_call(EpsContext *cx, Node *node, Oid type, const EpsFact *fact)
{
	Oid			funcid = type == INT4OID ? cx->functions.clamp_int4 :
		type == INT8OID ? cx->functions.clamp_int8 :
		type == NUMERICOID ? cx->functions.clamp_numeric : cx->functions.clamp_float8;

	return (Node *) makeFuncExpr(funcid, type,
								 list_make3(node, bound_const(type, fact->lo), bound_const(type, fact->hi)),
								 InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL);
}

/*
 * The operand of an operation that could fail outside its bounds: as it is where
 * no row can violate them, else wrapped in a clamp.
 */
Node *
eps_analyze_clamped(EpsScope *scope, Node *node, EpsFact *fact, int location)
{
	Oid			type = exprType(node);

	if (!fact->bounded)
		eps_analyze_unbounded(location, "the operand's bounds are not known",
							  "Arithmetic over protected rows must be shown not to fail before any row is read.",
							  "Declare the column's bounds with dp.set_bounds, or write dp.clamp(expression, lower, upper).");
	if (fact->enforced)
		return node;
	fact->enforced = true;
	switch (type)
	{
		case INT2OID:
			return cast_call(F_INT2_INT4, INT2OID,
							 clamp_call(scope->cx, cast_call(F_INT4_INT2, INT4OID, node), INT4OID, fact));
		case FLOAT4OID:
			fact->nullable = true;
			narrow_to_float4(fact, location);
			return cast_call(F_FLOAT4_FLOAT8, FLOAT4OID,
							 clamp_call(scope->cx, cast_call(F_FLOAT8_FLOAT4, FLOAT8OID, node), FLOAT8OID, fact));
		case INT4OID:
		case INT8OID:
			return clamp_call(scope->cx, node, type, fact);
		case NUMERICOID:
		case FLOAT8OID:
			fact->nullable = true;	/* NaN becomes NULL */
			return clamp_call(scope->cx, node, type, fact);
		default:
			eps_analyze_refuse(location, "bounds are not supported for this type", NULL, NULL);
	}
}
