/*
 * postprocess.c
 *	  Above a release a division by zero must not raise once owners are charged
 *	  (rule 9): the noisy denominator would have cost them for no answer.
 */
#include "pg/rewrite/rewrite_internal.h"

#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_coerce.h"
#include "utils/fmgroids.h"

/* The twin of a division or modulo, and the type it works in. */
static Oid
twin_of(Oid funcid, const EpsFunctions *f, Oid *type)
{
	switch (funcid)
	{
		case F_INT2DIV:
		case F_INT4DIV:
		case F_INT8DIV:
		case F_INT24DIV:
		case F_INT42DIV:
		case F_INT28DIV:
		case F_INT82DIV:
		case F_INT48DIV:
		case F_INT84DIV:
			*type = INT8OID;
			return f->divide_int8;
		case F_INT2MOD:
		case F_INT4MOD:
		case F_INT8MOD:
		case F_MOD_INT2_INT2:
		case F_MOD_INT4_INT4:
		case F_MOD_INT8_INT8:
			*type = INT8OID;
			return f->modulo_int8;
		case F_NUMERIC_DIV:
			*type = NUMERICOID;
			return f->divide_numeric;
		case F_NUMERIC_MOD:
		case F_MOD_NUMERIC_NUMERIC:
			*type = NUMERICOID;
			return f->modulo_numeric;
		case F_FLOAT4DIV:
		case F_FLOAT8DIV:
		case F_FLOAT48DIV:
		case F_FLOAT84DIV:
			*type = FLOAT8OID;
			return f->divide_float8;
		default:
			return InvalidOid;
	}
}

static Node *twin_mutator(Node *node, const EpsFunctions *functions);

static Node *
coerce(Node *node, Oid type)
{
	return coerce_to_target_type(NULL, node, exprType(node), type, -1, COERCION_EXPLICIT, COERCE_IMPLICIT_CAST, -1);
}

/* The call over the twin, in the type that the query expects. */
static Node *
twin_call(Oid funcid, List *args, Oid result, const EpsFunctions *functions)
{
	Oid			type = InvalidOid;
	Oid			twin = twin_of(funcid, functions, &type);
	Node	   *a;
	Node	   *b;

	if (!OidIsValid(twin))
		return NULL;
	a = coerce(twin_mutator(linitial(args), functions), type);
	b = coerce(twin_mutator(lsecond(args), functions), type);
	return coerce((Node *) makeFuncExpr(twin, type, list_make2(a, b), InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL), result);
}

static Node *
twin_mutator(Node *node, const EpsFunctions *functions)
{
	Node	   *twin = NULL;

	if (node == NULL || IsA(node, SubLink) || IsA(node, Query))
		return node;			/* levels of their own */
	if (IsA(node, OpExpr))
	{
		OpExpr	   *op = (OpExpr *) node;

		set_opfuncid(op);
		twin = twin_call(op->opfuncid, op->args, op->opresulttype, functions);
	}
	else if (IsA(node, FuncExpr))
		twin = twin_call(((FuncExpr *) node)->funcid, ((FuncExpr *) node)->args, ((FuncExpr *) node)->funcresulttype, functions);
	return twin ? twin : expression_tree_mutator(node, twin_mutator, (void *) functions);
}

void
eps_rewrite_postprocess(Query *query, const EpsFunctions *functions)
{
	query->targetList = (List *) twin_mutator((Node *) query->targetList, functions);
	query->jointree = (FromExpr *) twin_mutator((Node *) query->jointree, functions);
	query->havingQual = twin_mutator(query->havingQual, functions);
}
