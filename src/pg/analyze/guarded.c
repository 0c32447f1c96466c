/*
 * guarded.c
 *	  Calls above a release that give NULL and a warning where they would raise:
 *	  owners have been charged by then, and an error would cost them for no answer
 *	  (rule 9).
 *
 * A call of f(a, b) over released answers becomes dp._guarded(f, variadic, a, b).
 * Plain functions (builtin, immutable, from scalars to a scalar: they hold nothing
 * that an error would leave behind but memory) are called inside PG_TRY; all
 * others inside a subtransaction, which is what makes catching their errors safe.
 *
 * A call by hand is refused: its result type is the pseudo-type that the function
 * is declared with, while those put in by pg/rewrite carry the type of f's result.
 * The signature is compared all the same, and f's privilege checked, for f is
 * called with whatever stands there.
 */
#include "pg/analyze/analyze.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_coerce.h"
#include "utils/acl.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/syscache.h"

PGDLLEXPORT Datum eps_analyze_sql_guarded(PG_FUNCTION_ARGS);
PG_FUNCTION_INFO_V1(eps_analyze_sql_guarded);
PGDLLEXPORT Datum eps_analyze_sql_guarded_cast(PG_FUNCTION_ARGS);
PG_FUNCTION_INFO_V1(eps_analyze_sql_guarded_cast);

/* Arguments of dp._guarded before those of the function */
#define EPS_GUARDED_ARGS 2

typedef struct EpsGuarded EpsGuarded;
typedef Datum (*EpsEvaluate) (EpsGuarded *guarded, FunctionCallInfo fcinfo);

struct EpsGuarded
{
	EpsEvaluate evaluate;
	FmgrInfo	function;		/* of a cast: the input function */
	FmgrInfo	output;			/* of a cast */
	Oid			io_param;		/* of a cast */
	FunctionCallInfo call;
	int			nargs;
	bool		plain;
	bool		warned;			/* once for each place in the query */
};

/* --- which functions are plain -------------------------------------------------- */

bool
eps_analyze_is_plain_type(Oid type)
{
	switch (type)
	{
		case BOOLOID:
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case FLOAT4OID:
		case FLOAT8OID:
		case NUMERICOID:
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
		case CHAROID:
		case BYTEAOID:
		case DATEOID:
		case TIMEOID:
		case TIMETZOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
		case INTERVALOID:
		case UUIDOID:
			return true;
		default:
			return false;
	}
}

bool
eps_analyze_is_plain_function(Oid funcid)
{
	HeapTuple	tuple;
	Form_pg_proc proc;
	bool		plain;

	if (funcid >= FirstGenbkiObjectId)
		return false;
	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(funcid));
	if (!HeapTupleIsValid(tuple))
		return false;
	proc = (Form_pg_proc) GETSTRUCT(tuple);
	plain = proc->prolang == INTERNALlanguageId && proc->prokind == PROKIND_FUNCTION && !proc->proretset &&
		proc->provolatile == PROVOLATILE_IMMUTABLE && !proc->prosecdef && eps_analyze_is_plain_type(proc->prorettype) &&
		heap_attisnull(tuple, Anum_pg_proc_proconfig, NULL);
	for (int i = 0; plain && i < proc->pronargs; i++)
		plain = eps_analyze_is_plain_type(proc->proargtypes.values[i]);
	ReleaseSysCache(tuple);
	return plain;
}

/* --- errors ------------------------------------------------------------------------ */

/*
 * Errors that are about values: these give NULL.  Cancels, crashes, want of memory
 * or stack, lost privileges, serialization and refusals of our own are none.
 */
static bool
is_about_values(int code)
{
	if (code == ERRCODE_INSUFFICIENT_PRIVILEGE || code == ERRCODE_STATEMENT_TOO_COMPLEX || code == ERRCODE_LOCK_NOT_AVAILABLE)
		return false;
	switch (ERRCODE_TO_CATEGORY(code))
	{
		case ERRCODE_FEATURE_NOT_SUPPORTED:
		case ERRCODE_CARDINALITY_VIOLATION:
		case ERRCODE_DATA_EXCEPTION:
		case ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION:
		case ERRCODE_SQL_ROUTINE_EXCEPTION:
		case ERRCODE_EXTERNAL_ROUTINE_EXCEPTION:
		case ERRCODE_EXTERNAL_ROUTINE_INVOCATION_EXCEPTION:
		case ERRCODE_SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION:
		case ERRCODE_WITH_CHECK_OPTION_VIOLATION:
		case ERRCODE_PROGRAM_LIMIT_EXCEEDED:
		case ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE:
		case ERRCODE_PLPGSQL_ERROR:
			return true;
		default:
			return code == ERRCODE_INTERNAL_ERROR;
	}
}

static void
warn(EpsGuarded *guarded, const ErrorData *error)
{
	if (guarded->warned)
		return;
	guarded->warned = true;
	if (error->sqlerrcode == ERRCODE_DIVISION_BY_ZERO)
		ereport(WARNING,
				(errcode(ERRCODE_DIVISION_BY_ZERO),
				 errmsg("division by a noisy zero gives NULL"),
				 errhint("Divide by nullif(answer, 0), or use avg.")));
	else
		ereport(WARNING,
				(errcode(error->sqlerrcode),
				 errmsg("an expression over a released answer gives NULL"),
				 errdetail("It would raise an error: %s.", error->message)));
}

static void
leave_subtransaction(bool commit, MemoryContext context, ResourceOwner owner)
{
	if (commit)
		ReleaseCurrentSubTransaction();
	else
		RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
}

static Datum
run(EpsGuarded *guarded, FunctionCallInfo fcinfo)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile Datum result = (Datum) 0;

	if (!guarded->plain)
	{
		BeginInternalSubTransaction(NULL);
		MemoryContextSwitchTo(context);
	}
	PG_TRY();
	{
		result = guarded->evaluate(guarded, fcinfo);
		if (!guarded->plain)
			leave_subtransaction(true, context, owner);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		if (!guarded->plain)
			leave_subtransaction(false, context, owner);
		if (!is_about_values(error->sqlerrcode))
			ReThrowError(error);
		warn(guarded, error);
		FreeErrorData(error);
		fcinfo->isnull = true;
		result = (Datum) 0;
	}
	PG_END_TRY();
	return result;
}

/* --- calls ---------------------------------------------------------------------------- */

static void
refuse_call(void)
{
	ereport(ERROR,
			(errcode(EPS_ERRCODE_REFUSED),
			 errmsg("this function is internal to pg_epsilon")));
}

static Datum
evaluate_call(EpsGuarded *guarded, FunctionCallInfo fcinfo)
{
	FunctionCallInfo call = guarded->call;
	Datum		result;

	for (int i = 0; i < guarded->nargs; i++)
	{
		call->args[i] = fcinfo->args[EPS_GUARDED_ARGS + i];
		if (guarded->function.fn_strict && call->args[i].isnull)
		{
			fcinfo->isnull = true;
			return (Datum) 0;
		}
	}
	call->isnull = false;
	result = FunctionCallInvoke(call);
	fcinfo->isnull = call->isnull;
	return result;
}

/* Do the arguments and the result have the types that the function is declared with? */
static bool
has_signature(const FuncExpr *call)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(call->funcid));
	Oid			declared[FUNC_MAX_ARGS];
	Oid			actual[FUNC_MAX_ARGS];
	int			nargs = list_length(call->args);
	Form_pg_proc proc;
	Oid			result;
	bool		ok;

	if (!HeapTupleIsValid(tuple))
		return false;
	proc = (Form_pg_proc) GETSTRUCT(tuple);
	ok = proc->prokind == PROKIND_FUNCTION && !proc->proretset && nargs <= FUNC_MAX_ARGS &&
		(nargs == proc->pronargs || (proc->provariadic == ANYOID && nargs > proc->pronargs));
	for (int i = 0; ok && i < nargs; i++)
	{
		declared[i] = i < proc->pronargs ? proc->proargtypes.values[i] : ANYOID;
		actual[i] = exprType(list_nth(call->args, i));
		ok = declared[i] != INTERNALOID && actual[i] != INTERNALOID &&
			(declared[i] == ANYOID || IsPolymorphicType(declared[i]) || IsBinaryCoercible(actual[i], declared[i]));
	}
	result = proc->prorettype;
	ReleaseSysCache(tuple);
	return ok && enforce_generic_type_consistency(actual, declared, nargs, result, false) == call->funcresulttype;
}

/* The call of the function that a guarded call stands for, or NULL. */
static FuncExpr *
inner_call(FunctionCallInfo fcinfo)
{
	FuncExpr   *outer = (FuncExpr *) fcinfo->flinfo->fn_expr;
	Const	   *function;
	Const	   *variadic;
	FuncExpr   *call;
	List	   *args;

	if (outer == NULL || !IsA(outer, FuncExpr) || outer->funcresulttype == ANYOID || list_length(outer->args) <= EPS_GUARDED_ARGS)
		return NULL;
	function = linitial(outer->args);
	variadic = lsecond(outer->args);
	if (!IsA(function, Const) || function->constisnull || !IsA(variadic, Const) || variadic->constisnull)
		return NULL;
	args = list_copy_tail(outer->args, EPS_GUARDED_ARGS);
	if (get_func_nargs(DatumGetObjectId(function->constvalue)) == 0)
		args = NIL;				/* one that stands for none */
	call = makeFuncExpr(DatumGetObjectId(function->constvalue), outer->funcresulttype, args,
						outer->funccollid, outer->inputcollid, COERCE_EXPLICIT_CALL);
	call->funcvariadic = DatumGetBool(variadic->constvalue);
	return call;
}

static EpsGuarded *
prepare_call(FunctionCallInfo fcinfo)
{
	MemoryContext old = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
	FuncExpr   *call = inner_call(fcinfo);
	EpsGuarded *guarded = palloc0(sizeof(EpsGuarded));

	if (call == NULL || !has_signature(call))
		refuse_call();
	eps_analyze_check_execute(call->funcid);
	guarded->evaluate = evaluate_call;
	guarded->plain = eps_analyze_is_plain_function(call->funcid);
	guarded->nargs = list_length(call->args);
	fmgr_info_cxt(call->funcid, &guarded->function, fcinfo->flinfo->fn_mcxt);
	fmgr_info_set_expr((Node *) call, &guarded->function);
	guarded->call = palloc0(SizeForFunctionCallInfo(guarded->nargs));
	InitFunctionCallInfoData(*guarded->call, &guarded->function, guarded->nargs, PG_GET_COLLATION(), NULL, NULL);
	fcinfo->flinfo->fn_extra = guarded;
	MemoryContextSwitchTo(old);
	return guarded;
}

void
eps_analyze_check_execute(Oid funcid)
{
#if PG_VERSION_NUM >= 160000
	AclResult	result = object_aclcheck(ProcedureRelationId, funcid, GetUserId(), ACL_EXECUTE);
#else
	AclResult	result = pg_proc_aclcheck(funcid, GetUserId(), ACL_EXECUTE);
#endif

	if (result != ACLCHECK_OK)
		aclcheck_error(result, OBJECT_FUNCTION, get_func_name(funcid));
	InvokeFunctionExecuteHook(funcid);
}

Datum
eps_analyze_sql_guarded(PG_FUNCTION_ARGS)
{
	EpsGuarded *guarded = fcinfo->flinfo->fn_extra;

	return run(guarded ? guarded : prepare_call(fcinfo), fcinfo);
}

/* --- casts by input and output functions ------------------------------------------------ */

static Datum
evaluate_cast(EpsGuarded *guarded, FunctionCallInfo fcinfo)
{
	char	   *text = OutputFunctionCall(&guarded->output, fcinfo->args[0].value);

	return InputFunctionCall(&guarded->function, text, guarded->io_param, -1);
}

static EpsGuarded *
prepare_cast(FunctionCallInfo fcinfo)
{
	FuncExpr   *outer = (FuncExpr *) fcinfo->flinfo->fn_expr;
	EpsGuarded *guarded = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(EpsGuarded));
	Oid			from;
	Oid			function;
	bool		is_varlena;

	if (outer == NULL || !IsA(outer, FuncExpr) || get_typtype(outer->funcresulttype) == TYPTYPE_PSEUDO)
		refuse_call();
	from = exprType(linitial(outer->args));
	guarded->evaluate = evaluate_cast;
	guarded->plain = eps_analyze_is_plain_type(from) && eps_analyze_is_plain_type(outer->funcresulttype);
	getTypeOutputInfo(from, &function, &is_varlena);
	fmgr_info_cxt(function, &guarded->output, fcinfo->flinfo->fn_mcxt);
	getTypeInputInfo(outer->funcresulttype, &function, &guarded->io_param);
	fmgr_info_cxt(function, &guarded->function, fcinfo->flinfo->fn_mcxt);
	fcinfo->flinfo->fn_extra = guarded;
	return guarded;
}

Datum
eps_analyze_sql_guarded_cast(PG_FUNCTION_ARGS)
{
	EpsGuarded *guarded = fcinfo->flinfo->fn_extra;

	if (guarded == NULL)
		guarded = prepare_cast(fcinfo);
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	return run(guarded, fcinfo);
}
