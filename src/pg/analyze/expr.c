/*
 * expr.c
 *	  Expressions beside protected rows: the total form of each node, and what is
 *	  publicly known of its values.  An allow-list of node tags; the default
 *	  refuses.
 */
#include "pg/analyze/analyze_internal.h"

#include "access/detoast.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "utils/lsyscache.h"

/* --- nodes ----------------------------------------------------------------- */

/*
 * Values of enums are looked up in the catalogue when two are compared, so when a
 * row is met: the type must not be one that the analyst can drop before.
 */
static void
check_type(Node *node)
{
	if (eps_policy_session_owns_type(exprType(node)))
		eps_analyze_refuse(exprLocation(node), "a value of a type of the analyst's own is not allowed beside protected rows", NULL,
						   "Use text or a number instead.");
}

static Node *
total_var(EpsScope *scope, Var *var, EpsFact *fact)
{
	if (var->varlevelsup > 0)
		eps_analyze_refuse(var->location, "a correlated reference is not allowed beside protected rows",
						   "A release takes no parameter from an outer row.",
						   "Write the subquery as a join on the owner key.");
	*fact = eps_analyze_var_fact(scope, var);
	return (Node *) copyObject(var);
}

static Node *
total_bool(EpsScope *scope, BoolExpr *expr, EpsFact *fact)
{
	BoolExpr   *result = copyObject(expr);

	result->args = eps_analyze_total_list(scope, expr->args);
	*fact = eps_analyze_type_fact(BOOLOID, -1);
	return (Node *) result;
}

static Node *
total_case(EpsScope *scope, CaseExpr *expr, EpsFact *fact)
{
	CaseExpr   *result = copyObject(expr);
	EpsFact		arg_fact;
	EpsFact		part;
	List	   *args = NIL;
	ListCell   *lc;
	bool		first = true;

	if (expr->arg != NULL)
	{
		result->arg = (Expr *) eps_analyze_total(scope, (Node *) expr->arg, &arg_fact);
		scope->case_facts = lcons(&arg_fact, scope->case_facts);
	}
	foreach(lc, expr->args)
	{
		CaseWhen   *when = copyObject(lfirst_node(CaseWhen, lc));
		EpsFact		ignored;

		when->expr = (Expr *) eps_analyze_total(scope, (Node *) when->expr, &ignored);
		when->result = (Expr *) eps_analyze_total(scope, (Node *) when->result, &part);
		eps_analyze_fact_union(fact, &part, first);
		first = false;
		args = lappend(args, when);
	}
	if (expr->arg != NULL)
		scope->case_facts = list_delete_first(scope->case_facts);
	result->args = args;
	if (expr->defresult != NULL)
	{
		result->defresult = (Expr *) eps_analyze_total(scope, (Node *) expr->defresult, &part);
		eps_analyze_fact_union(fact, &part, false);
	}
	else
		fact->nullable = true;
	return (Node *) result;
}

static Node *
total_case_test(EpsScope *scope, CaseTestExpr *expr, EpsFact *fact)
{
	if (scope->case_facts == NIL)
		eps_analyze_refuse(-1, "this form of CASE is not allowed beside protected rows", NULL, NULL);
	*fact = *(EpsFact *) linitial(scope->case_facts);
	fact->is_owner = false;
	return (Node *) copyObject(expr);
}

/* COALESCE, GREATEST, LEAST: the value is one of the arguments'. */
static List *
total_choice(EpsScope *scope, List *args, EpsFact *fact)
{
	List	   *result = NIL;
	bool		nullable = true;
	bool		first = true;
	ListCell   *lc;

	foreach(lc, args)
	{
		EpsFact		part;

		result = lappend(result, eps_analyze_total(scope, lfirst(lc), &part));
		nullable = nullable && part.nullable;
		eps_analyze_fact_union(fact, &part, first);
		first = false;
	}
	fact->nullable = nullable;	/* NULL only if all are: so for all three */
	return result;
}

static Node *
total_coalesce(EpsScope *scope, CoalesceExpr *expr, EpsFact *fact)
{
	CoalesceExpr *result = copyObject(expr);

	result->args = total_choice(scope, expr->args, fact);
	return (Node *) result;
}

static Node *
total_minmax(EpsScope *scope, MinMaxExpr *expr, EpsFact *fact)
{
	MinMaxExpr *result = copyObject(expr);

	if (!eps_analyze_key_type(expr->minmaxtype))
		eps_analyze_refuse(expr->location, "GREATEST and LEAST of this type are not allowed beside protected rows", NULL, NULL);
	eps_analyze_check_collation(expr->inputcollid, expr->args, expr->location);
	result->args = total_choice(scope, expr->args, fact);
	return (Node *) result;
}

static Node *
total_relabel(EpsScope *scope, RelabelType *expr, EpsFact *fact)
{
	RelabelType *result = copyObject(expr);

	if (expr->resulttype >= FirstGenbkiObjectId)
		eps_analyze_refuse(expr->location, "a cast to this type is not allowed beside protected rows", NULL, NULL);
	result->arg = (Expr *) eps_analyze_total(scope, (Node *) expr->arg, fact);
	if (fact->is_const && IsA(result->arg, Const))
	{
		Const	   *value = copyObject(fact->value);

		value->consttype = expr->resulttype;
		value->consttypmod = expr->resulttypmod;
		value->constcollid = expr->resultcollid;
		fact->value = value;
		fact->values = value->constisnull ? NIL : list_make1(value);
	}
	else if (fact->domain == EPS_DOMAIN_VALUES)
		fact->domain = EPS_DOMAIN_NONE;
	return (Node *) result;
}

/* A parameter of a generic plan, or a widening cast of one. */
static bool
is_unknown_param(EpsScope *scope, Node *node)
{
	EpsRule		rule;

	if (scope->cx->params != NULL || node == NULL)
		return false;
	if (IsA(node, RelabelType) && ((RelabelType *) node)->resulttype < FirstGenbkiObjectId)
		return is_unknown_param(scope, (Node *) ((RelabelType *) node)->arg);
	if (IsA(node, FuncExpr) && list_length(((FuncExpr *) node)->args) == 1 &&
		eps_analyze_rule(scope->cx, ((FuncExpr *) node)->funcid, &rule) && rule == EPS_RULE_SAME)
		return is_unknown_param(scope, linitial(((FuncExpr *) node)->args));
	return IsA(node, Param) && ((Param *) node)->paramkind == PARAM_EXTERN;
}

static bool
are_constants(EpsScope *scope, List *list)
{
	ListCell   *lc;
	Const	   *ignored;

	foreach(lc, list)
	{
		if (!eps_analyze_const_value(scope, lfirst(lc), &ignored))
			return false;
	}
	return true;
}

/*
 * x op ANY (ARRAY[a, b]) as x op a OR x op b, and ALL with AND.  An array of values
 * of any length, put together when a row is met, could be larger than memory allows.
 */
static Node *
compare_one_by_one(const ScalarArrayOpExpr *expr, Node *left, List *elements)
{
	List	   *comparisons = NIL;
	ListCell   *lc;

	foreach(lc, elements)
	{
		OpExpr	   *op = (OpExpr *) make_opclause(expr->opno, BOOLOID, false, copyObject((Expr *) left), lfirst(lc),
												  InvalidOid, expr->inputcollid);

		op->opfuncid = expr->opfuncid;
		comparisons = lappend(comparisons, op);
	}
	return (Node *) (expr->useOr ? make_orclause(comparisons) : make_andclause(comparisons));
}

/* x IN (...), x = ANY (array): elements are constants or total expressions. */
static Node *
total_array_op(EpsScope *scope, ScalarArrayOpExpr *expr, EpsFact *fact)
{
	ScalarArrayOpExpr *result = copyObject(expr);
	Node	   *array = lsecond(expr->args);
	EpsRule		rule;
	EpsFact		part;
	Const	   *value;

	set_sa_opfuncid(expr);
	result->opfuncid = expr->opfuncid;
	if (!eps_analyze_rule(scope->cx, expr->opfuncid, &rule) || rule != EPS_RULE_TOTAL)
		eps_analyze_refuse(expr->location, "this operator is not allowed with ANY or ALL beside protected rows",
						   NULL, "Use =, <>, <, <=, > or >= of builtin types.");
	eps_analyze_check_collation(expr->inputcollid, list_make1(linitial(expr->args)), expr->location);
	*fact = eps_analyze_type_fact(BOOLOID, -1);
	if (IsA(array, ArrayExpr))
	{
		ArrayExpr  *elements = copyObject((ArrayExpr *) array);
		bool		large = get_typlen(elements->element_typeid) < 0 && !are_constants(scope, elements->elements);

		elements->elements = eps_analyze_total_list(scope, elements->elements);
		if (large)
			return compare_one_by_one(expr, eps_analyze_operand(scope, linitial(expr->args), &part), elements->elements);
		array = (Node *) elements;
	}
	else if (!is_unknown_param(scope, array) && !eps_analyze_const_value(scope, array, &value) &&
			 !scope->cx->verdict->needs_params)
		eps_analyze_refuse(expr->location, "the array must be a constant or a list of expressions",
						   NULL, "Write x IN (1, 2, 3) or x = ANY ('{1,2,3}').");
	else
		array = copyObject(array);
	check_type(array);
	result->args = list_make2(eps_analyze_operand(scope, linitial(expr->args), &part), array);
	return (Node *) result;
}

static Node *
total_null_if(EpsScope *scope, NullIfExpr *expr, EpsFact *fact)
{
	NullIfExpr *result = copyObject(expr);
	EpsFact		other;
	EpsRule		rule;

	set_opfuncid((OpExpr *) expr);
	result->opfuncid = expr->opfuncid;
	if (!eps_analyze_rule(scope->cx, expr->opfuncid, &rule) || rule != EPS_RULE_TOTAL)
		eps_analyze_refuse(expr->location, "NULLIF and IS DISTINCT FROM of this type are not allowed beside protected rows", NULL, NULL);
	eps_analyze_check_collation(expr->inputcollid, expr->args, expr->location);
	result->args = list_make2(eps_analyze_total(scope, linitial(expr->args), fact),
							  eps_analyze_total(scope, lsecond(expr->args), &other));
	fact->is_const = false;
	fact->is_owner = false;
	fact->nullable = true;
	return (Node *) result;
}

static Node *
total_null_test(EpsScope *scope, NullTest *expr, EpsFact *fact)
{
	NullTest   *result = copyObject(expr);

	if (expr->argisrow)
		eps_analyze_refuse(expr->location, "IS NULL of a row is not allowed beside protected rows", NULL, NULL);
	result->arg = (Expr *) eps_analyze_total(scope, (Node *) expr->arg, fact);
	*fact = eps_analyze_type_fact(BOOLOID, -1);
	fact->nullable = false;
	return (Node *) result;
}

static Node *
total_boolean_test(EpsScope *scope, BooleanTest *expr, EpsFact *fact)
{
	BooleanTest *result = copyObject(expr);

	result->arg = (Expr *) eps_analyze_total(scope, (Node *) expr->arg, fact);
	*fact = eps_analyze_type_fact(BOOLOID, -1);
	fact->nullable = false;
	return (Node *) result;
}

static Node *
total_collate(EpsScope *scope, CollateExpr *expr, EpsFact *fact)
{
	CollateExpr *result = copyObject(expr);

	result->arg = (Expr *) eps_analyze_total(scope, (Node *) expr->arg, fact);
	return (Node *) result;
}

/* A value of the subquery as it is, with no function around it. */
static bool
is_subquery_value(Node *node)
{
	while (IsA(node, RelabelType))
		node = (Node *) ((RelabelType *) node)->arg;
	return IsA(node, Param) && ((Param *) node)->paramkind == PARAM_SUBLINK;
}

static Node *
total_sublink(EpsScope *scope, SubLink *expr, EpsFact *fact)
{
	SubLink    *result = copyObject(expr);

	/* The same Query, not a copy: rewriting finds its level by it. */
	result->subselect = expr->subselect;
	eps_analyze_owned_sublink(scope, expr);
	if (expr->subLinkType == ANY_SUBLINK)
	{
		OpExpr	   *test = (OpExpr *) expr->testexpr;
		EpsRule		rule;
		EpsFact		part;

		if (test == NULL || !IsA(test, OpExpr))
			eps_analyze_refuse(expr->location, "this form of IN is not allowed beside protected rows",
							   NULL, "Compare one column with one column.");
		set_opfuncid(test);
		if (!eps_analyze_rule(scope->cx, test->opfuncid, &rule) || rule != EPS_RULE_TOTAL)
			eps_analyze_refuse(expr->location, "this comparison is not allowed with IN beside protected rows", NULL, NULL);
		if (!is_subquery_value(lsecond(test->args)))
			eps_analyze_refuse(expr->location, "the values of IN (SELECT ...) must have the type that they are compared with",
							   "A conversion would be evaluated beside protected rows.", "Cast them inside the subquery.");
		eps_analyze_check_collation(test->inputcollid, test->args, expr->location);
		test = copyObject(test);
		linitial(test->args) = eps_analyze_total(scope, linitial(test->args), &part);
		result->testexpr = (Node *) test;
		*fact = eps_analyze_type_fact(BOOLOID, -1);
	}
	else
		*fact = eps_analyze_type_fact(exprType((Node *) expr), exprTypmod((Node *) expr));
	fact->bounded = false;
	return (Node *) result;
}

static Node *
total_param(EpsScope *scope, Param *param, EpsFact *fact)
{
	if (param->paramkind != PARAM_EXTERN)
		eps_analyze_refuse(param->location, "this parameter is not allowed beside protected rows", NULL, NULL);
	*fact = eps_analyze_type_fact(param->paramtype, param->paramtypmod);
	return (Node *) copyObject(param);
}

static Node *
total_operator(EpsScope *scope, OpExpr *op, EpsFact *fact)
{
	set_opfuncid(op);
	return eps_analyze_call(scope, (Expr *) op, op->opfuncid, op->args,
							op->opresulttype, -1, op->location, fact);
}

static Node *
total_node(EpsScope *scope, Node *node, EpsFact *fact)
{
	switch (nodeTag(node))
	{
		case T_Var:
			return total_var(scope, (Var *) node, fact);
		case T_Const:
			*fact = eps_analyze_const_fact((Const *) node);
			return (Node *) copyObject(node);
		case T_Param:
			return total_param(scope, (Param *) node, fact);
		case T_OpExpr:
			return total_operator(scope, (OpExpr *) node, fact);
		case T_FuncExpr:
			{
				FuncExpr   *func = (FuncExpr *) node;

				return eps_analyze_call(scope, (Expr *) func, func->funcid, func->args,
										func->funcresulttype, exprTypmod(node), func->location, fact);
			}
		case T_BoolExpr:
			return total_bool(scope, (BoolExpr *) node, fact);
		case T_ScalarArrayOpExpr:
			return total_array_op(scope, (ScalarArrayOpExpr *) node, fact);
		case T_DistinctExpr:
			{
				Node	   *result = total_null_if(scope, (NullIfExpr *) node, fact);

				*fact = eps_analyze_type_fact(BOOLOID, -1);
				fact->nullable = false;
				return result;
			}
		case T_NullIfExpr:
			return total_null_if(scope, (NullIfExpr *) node, fact);
		case T_NullTest:
			return total_null_test(scope, (NullTest *) node, fact);
		case T_BooleanTest:
			return total_boolean_test(scope, (BooleanTest *) node, fact);
		case T_CaseExpr:
			return total_case(scope, (CaseExpr *) node, fact);
		case T_CaseTestExpr:
			return total_case_test(scope, (CaseTestExpr *) node, fact);
		case T_CoalesceExpr:
			return total_coalesce(scope, (CoalesceExpr *) node, fact);
		case T_MinMaxExpr:
			return total_minmax(scope, (MinMaxExpr *) node, fact);
		case T_RelabelType:
			return total_relabel(scope, (RelabelType *) node, fact);
		case T_CollateExpr:
			return total_collate(scope, (CollateExpr *) node, fact);
		case T_SubLink:
			return total_sublink(scope, (SubLink *) node, fact);
		default:
			eps_analyze_refuse(exprLocation(node), "this expression is not allowed beside protected rows",
							   "Only expressions that cannot fail on any data may read protected rows.",
							   "See docs/analyst.md for the list; the expression may be applied to the released answer instead.");
	}
}

#define EPS_MAX_CONSTANT 1024

/*
 * A long constant in a tuple or group key makes memory fail where a row is met,
 * and nowhere else: repeat('x', 1000000000) is short as text.
 */
static void
check_constant(const Const *value, int location)
{
	if (value->constisnull || value->constlen != -1 ||
		toast_raw_datum_size(value->constvalue) - VARHDRSZ <= EPS_MAX_CONSTANT)
		return;
	eps_analyze_refuse(location, "a constant is too long to stand beside protected rows",
					   "It may have at most 1024 bytes.", NULL);
}

/*
 * The total form of an expression of a level that reads protected rows, and its
 * facts.  The input is not changed.
 */
Node *
eps_analyze_total(EpsScope *scope, Node *node, EpsFact *fact)
{
	Const	   *value;
	Node	   *result;

	if (node == NULL)
		return NULL;
	check_type(node);
	if (IsA(node, Const))
		check_constant((Const *) node, exprLocation(node));
	else if (eps_analyze_const_value(scope, node, &value))
	{
		check_constant(value, exprLocation(node));
		*fact = eps_analyze_const_fact(value);
		return (Node *) copyObject(node);
	}
	if (eps_analyze_awaits_params(scope, node, fact))
		return (Node *) copyObject(node);
	result = total_node(scope, node, fact);
	if (!IsA(node, Var))
	{
		fact->origin = InvalidOid;
		if (!IsA(node, RelabelType))
			fact->is_owner = false;
	}
	return result;
}

/*
 * The same, where nothing is asked of the expression's facts: a parameter that is
 * not known yet may stand there in a generic plan too.
 */
Node *
eps_analyze_operand(EpsScope *scope, Node *node, EpsFact *fact)
{
	if (!is_unknown_param(scope, node))
		return eps_analyze_total(scope, node, fact);
	check_type(node);
	*fact = eps_analyze_type_fact(exprType(node), exprTypmod(node));
	return (Node *) copyObject(node);
}

/*
 * Conditions, elements of an array, a row of VALUES.  The latter two are put
 * together when a row is met, so a parameter of any length is none of them: its
 * value must be known.
 */
List *
eps_analyze_total_list(EpsScope *scope, List *list)
{
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, list)
	{
		Node	   *node = lfirst(lc);
		EpsFact		ignored;

		result = lappend(result, get_typlen(exprType(node)) > 0 ?
						 eps_analyze_operand(scope, node, &ignored) : eps_analyze_total(scope, node, &ignored));
	}
	return result;
}
