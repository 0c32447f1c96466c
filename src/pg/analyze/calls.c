/*
 * calls.c
 *	  Functions and operators beside protected rows: one handler a rule of the
 *	  allow-list.
 */
#include "pg/analyze/analyze_internal.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"

#define EPS_MAX_ARGS 4

/* One call under analysis. */
typedef struct EpsCall
{
	EpsScope   *scope;
	Expr	   *expr;			/* as the query has it */
	Oid			funcid;
	int			nargs;
	Node	   *sources[EPS_MAX_ARGS];
	Node	   *args[EPS_MAX_ARGS]; /* total form */
	EpsFact		facts[EPS_MAX_ARGS];
	Oid			result;
	int32		typmod;
	int			location;
} EpsCall;

/* The same call over the total arguments. */
static Node *
rebuild(EpsCall *call)
{
	Node	   *node = (Node *) copyObject(call->expr);
	List	   *args = NIL;

	for (int i = 0; i < call->nargs; i++)
		args = lappend(args, call->args[i]);
	if (IsA(node, OpExpr))
		((OpExpr *) node)->args = args;
	else
		((FuncExpr *) node)->args = args;
	return node;
}

/* A twin of the call: same arguments, another function, NULL instead of an error. */
static Node *
twin(EpsCall *call, Oid funcid)
{
	List	   *args = NIL;

	for (int i = 0; i < call->nargs; i++)
		args = lappend(args, call->args[i]);
	return (Node *) makeFuncExpr(funcid, call->result, args, InvalidOid,
								 exprInputCollation((Node *) call->expr), COERCE_EXPLICIT_CALL);
}

/* All functions of the allow-list are strict: NULL in, NULL out. */
static bool
any_nullable(const EpsCall *call)
{
	for (int i = 0; i < call->nargs; i++)
	{
		if (call->facts[i].nullable)
			return true;
	}
	return false;
}

static void
refuse_overflow(EpsCall *call)
{
	eps_analyze_unbounded(call->location, "this arithmetic could leave the range of its type",
						  "Bounds of the operands do not show that the result always fits.",
						  "Declare narrower bounds with dp.set_bounds, write dp.clamp(expression, lower, upper), or cast to a wider type first.");
}

static Node *
call_arithmetic(EpsCall *call, EpsRule rule, EpsFact *fact)
{
	EpsFact    *a = &call->facts[0];
	EpsFact    *b = &call->facts[1];
	bool		ok;

	for (int i = 0; i < 2; i++)
		call->args[i] = eps_analyze_clamped(call->scope, call->args[i], &call->facts[i], call->location);
	switch (rule)
	{
		case EPS_RULE_ADD:
			ok = eps_analyze_bounds_add(fact, a, b);
			break;
		case EPS_RULE_SUB:
			ok = eps_analyze_bounds_sub(fact, a, b);
			break;
		case EPS_RULE_MUL:
			ok = eps_analyze_bounds_mul(fact, a, b);
			break;
		default:
			if (b->lo <= 0 && b->hi >= 0)
				eps_analyze_refuse(call->location, "the divisor could be zero",
								   "Its bounds include 0, and a division by zero would be an answer without noise.",
								   "Divide by a constant, by an expression whose bounds exclude 0, as in dp.clamp(x, 1, 100), or divide the released answers.");
			ok = eps_analyze_bounds_div(fact, a, b, call->result != NUMERICOID && call->result != FLOAT8OID);
			break;
	}
	if (!ok || !eps_analyze_fits_type(fact, call->result))
		refuse_overflow(call);
	if (call->result == NUMERICOID && a->scale >= 0 && b->scale >= 0)
		fact->scale = rule == EPS_RULE_MUL ? a->scale + b->scale :
			rule == EPS_RULE_DIV ? -1 : Max(a->scale, b->scale);
	fact->nullable = any_nullable(call);
	if (call->funcid == F_FLOAT8MUL)
		return twin(call, call->scope->cx->functions.float8_mul);
	if (call->funcid == F_FLOAT8DIV)
		return twin(call, call->scope->cx->functions.float8_div);
	return rebuild(call);
}

static Node *
call_modulo(EpsCall *call, EpsFact *fact)
{
	EpsFact    *b = &call->facts[1];
	double		m;

	if (!b->bounded || !b->enforced || (b->lo <= 0 && b->hi >= 0))
		eps_analyze_refuse(call->location, "the divisor could be zero",
						   "Its bounds include 0, and a division by zero would be an answer without noise.",
						   "Divide by a constant, or by an expression whose bounds exclude 0, as in dp.clamp(x, 1, 100).");
	m = Max(fabs(b->lo), fabs(b->hi)) - 1;
	fact->bounded = fact->enforced = true;
	fact->natural = b->natural;
	fact->lo = call->facts[0].bounded && call->facts[0].enforced && call->facts[0].lo >= 0 ? 0 : -m;
	fact->hi = m;
	fact->nullable = any_nullable(call);
	if (!fact->natural && fact->hi - fact->lo < 1e9)
	{
		fact->domain = EPS_DOMAIN_RANGE;
		fact->domain_lo = (int64) fact->lo;
		fact->domain_hi = (int64) fact->hi;
	}
	return rebuild(call);
}

static Node *
call_sign(EpsCall *call, EpsRule rule, EpsFact *fact)
{
	EpsFact    *a = &call->facts[0];

	call->args[0] = eps_analyze_clamped(call->scope, call->args[0], a, call->location);
	*fact = *a;
	fact->domain = EPS_DOMAIN_NONE;
	fact->is_const = false;
	if (rule == EPS_RULE_NEG)
	{
		fact->lo = -a->hi;
		fact->hi = -a->lo;
	}
	else
	{
		fact->hi = Max(fabs(a->lo), fabs(a->hi));
		fact->lo = a->lo > 0 ? a->lo : a->hi < 0 ? -a->hi : 0;
	}
	if (!eps_analyze_fits_type(fact, call->result))
		refuse_overflow(call);
	return rebuild(call);
}

/* A widening cast: every value of the source type has one in the target type. */
static Node *
call_same(EpsCall *call, EpsFact *fact)
{
	EpsFact    *a = &call->facts[0];

	*fact = *a;
	fact->is_owner = false;
	fact->is_const = false;
	if (fact->domain == EPS_DOMAIN_VALUES)
		fact->domain = EPS_DOMAIN_NONE;
	return rebuild(call);
}

static Node *
call_narrow(EpsCall *call, EpsFact *fact)
{
	EpsFact    *a = &call->facts[0];

	call->args[0] = eps_analyze_clamped(call->scope, call->args[0], a, call->location);
	*fact = *a;
	fact->domain = EPS_DOMAIN_NONE;
	fact->is_const = false;
	if (call->result != FLOAT8OID)
	{
		fact->lo = floor(a->lo);
		fact->hi = ceil(a->hi);
		fact->scale = 0;
	}
	if (!eps_analyze_fits_type(fact, call->result))
		refuse_overflow(call);
	if (call->funcid == F_FLOAT8_NUMERIC)
		return twin(call, call->scope->cx->functions.float8_from_numeric);
	return rebuild(call);
}

static Node *
call_round(EpsCall *call, EpsFact *fact)
{
	EpsFact    *a = &call->facts[0];

	/* a numeric of 131072 digits has no room for the carry */
	if (call->result == NUMERICOID)
		call->args[0] = eps_analyze_clamped(call->scope, call->args[0], a, call->location);
	*fact = *a;
	fact->is_const = false;
	fact->domain = EPS_DOMAIN_NONE;
	fact->scale = 0;
	if (a->bounded)
	{
		fact->lo = floor(a->lo);
		fact->hi = ceil(a->hi);
	}
	return rebuild(call);
}

static Node *
call_bool_to_int(EpsCall *call, EpsFact *fact)
{
	*fact = eps_analyze_type_fact(INT4OID, -1);
	fact->natural = false;
	fact->lo = 0;
	fact->hi = 1;
	fact->domain = EPS_DOMAIN_RANGE;
	fact->domain_lo = 0;
	fact->domain_hi = 1;
	fact->nullable = any_nullable(call);
	return rebuild(call);
}

static Const *
const_arg(EpsCall *call, int i)
{
	Const	   *value;

	if (!eps_analyze_const_value(call->scope, call->sources[i], &value) || value->constisnull)
		return NULL;
	return value;
}

/*
 * NULL in place of a text that changing its case could not allocate memory for: the
 * server takes four bytes a character in one piece, which may have 1 GB.
 */
static void
shorten(EpsCall *call)
{
	const EpsFunctions *f = &call->scope->cx->functions;
	Oid			type = exprType(call->args[0]);

	call->args[0] = (Node *) makeFuncExpr(type == BPCHAROID ? f->short_bpchar : f->short_text, type, list_make1(call->args[0]),
										  exprCollation(call->args[0]), exprInputCollation((Node *) call->expr), COERCE_EXPLICIT_CALL);
	call->facts[0].nullable = true;
}

static Node *
call_fold(EpsCall *call, EpsFact *fact)
{
	shorten(call);
	*fact = eps_analyze_type_fact(call->result, call->typmod);
	return rebuild(call);
}

static Node *
call_like(EpsCall *call, EpsFact *fact)
{
	Const	   *pattern = const_arg(call, 1);

	if (pattern == NULL)
		return eps_analyze_const_missing(call->scope, rebuild(call), call->location, fact);
	eps_analyze_check_pattern(TextDatumGetCString(pattern->constvalue), call->location);
	if (call->funcid == F_TEXTICLIKE || call->funcid == F_TEXTICNLIKE ||
		call->funcid == F_BPCHARICLIKE || call->funcid == F_BPCHARICNLIKE)
		shorten(call);
	*fact = eps_analyze_type_fact(BOOLOID, -1);
	fact->nullable = any_nullable(call);
	return rebuild(call);
}

/* Fields that extract() knows for all three types, with their public ranges. */
typedef struct EpsField
{
	const char *name;
	bool		of_date;
	bool		ranged;
	int			lo;
	int			hi;
} EpsField;

static const EpsField field_table[] = {
	{"year", true, false, 0, 0}, {"decade", true, false, 0, 0}, {"century", true, false, 0, 0},
	{"isoyear", true, false, 0, 0}, {"epoch", true, false, 0, 0},
	{"quarter", true, true, 1, 4}, {"month", true, true, 1, 12}, {"week", true, true, 1, 53},
	{"day", true, true, 1, 31}, {"dow", true, true, 0, 6}, {"isodow", true, true, 1, 7},
	{"doy", true, true, 1, 366}, {"hour", false, true, 0, 23}, {"minute", false, true, 0, 59},
	{"second", false, false, 0, 0},
};

static const EpsField *
find_field(const char *name)
{
	for (size_t i = 0; i < lengthof(field_table); i++)
	{
		if (pg_strcasecmp(field_table[i].name, name) == 0)
			return &field_table[i];
	}
	return NULL;
}

static Node *
call_extract(EpsCall *call, EpsFact *fact)
{
	Const	   *unit = const_arg(call, 0);
	const EpsField *field;

	if (unit == NULL)
		return eps_analyze_const_missing(call->scope, rebuild(call), call->location, fact);
	field = find_field(TextDatumGetCString(unit->constvalue));
	if (field == NULL || (!field->of_date && call->funcid == F_EXTRACT_TEXT_DATE))
		eps_analyze_refuse(call->location, "this field of EXTRACT is not allowed beside protected rows", NULL,
						   "Use year, quarter, month, week, day, dow, isodow, doy, hour, minute, second or epoch.");
	*fact = eps_analyze_type_fact(NUMERICOID, -1);
	fact->scale = field->ranged ? 0 : 6;
	fact->nullable = true;		/* of an infinite date */
	if (field->ranged)
	{
		fact->bounded = fact->enforced = true;
		fact->lo = fact->domain_lo = field->lo;
		fact->hi = fact->domain_hi = field->hi;
		fact->domain = EPS_DOMAIN_RANGE;
	}
	return rebuild(call);
}

static Node *
call_date_trunc(EpsCall *call, EpsFact *fact)
{
	static const char *const units[] = {"second", "minute", "hour", "day", "week", "month", "quarter", "year", "decade", "century"};
	Const	   *unit = const_arg(call, 0);
	bool		known = false;

	if (unit == NULL)
		return eps_analyze_const_missing(call->scope, rebuild(call), call->location, fact);
	for (size_t i = 0; i < lengthof(units); i++)
		known = known || pg_strcasecmp(units[i], TextDatumGetCString(unit->constvalue)) == 0;
	if (!known)
		eps_analyze_refuse(call->location, "this unit of date_trunc is not allowed beside protected rows", NULL,
						   "Use second, minute, hour, day, week, month, quarter, year, decade or century.");
	*fact = eps_analyze_type_fact(call->result, -1);
	return twin(call, call->result == TIMESTAMPOID ?
				call->scope->cx->functions.date_trunc_timestamp :
				call->scope->cx->functions.date_trunc_timestamptz);
}

static Node *
call_width_bucket(EpsCall *call, EpsFact *fact)
{
	Const	   *limits[3];
	double		lo;
	double		hi;
	int32		count;

	for (int i = 0; i < 3; i++)
	{
		limits[i] = const_arg(call, i + 1);
		if (limits[i] == NULL)
			return eps_analyze_const_missing(call->scope, rebuild(call), call->location, fact);
	}
	count = DatumGetInt32(limits[2]->constvalue);
	if (!eps_analyze_const_double(limits[0], &lo) || !eps_analyze_const_double(limits[1], &hi) || lo == hi ||
		fabs(hi) > 1e300 || fabs(lo) > 1e300)
		eps_analyze_refuse(call->location, "the limits of width_bucket must be finite and differ", NULL, NULL);
	if (count < 1 || count > 1000000)
		eps_analyze_refuse(call->location, "the count of width_bucket must be between 1 and 1000000", NULL, NULL);
	*fact = eps_analyze_type_fact(INT4OID, -1);
	fact->natural = false;
	fact->lo = fact->domain_lo = 0;
	fact->hi = fact->domain_hi = count + 1;
	fact->domain = EPS_DOMAIN_RANGE;
	fact->nullable = any_nullable(call) || !call->facts[0].enforced || !call->facts[0].bounded;
	return twin(call, call->funcid == F_WIDTH_BUCKET_FLOAT8_FLOAT8_FLOAT8_INT4 ?
				call->scope->cx->functions.width_bucket_float8 :
				call->scope->cx->functions.width_bucket_numeric);
}

static Node *
call_length(EpsCall *call, EpsFact *fact)
{
	*fact = eps_analyze_type_fact(INT4OID, -1);
	fact->lo = 0;
	fact->hi = 1 << 30;
	fact->nullable = any_nullable(call);
	return rebuild(call);
}

static Node *
call_substr(EpsCall *call, EpsFact *fact)
{
	for (int i = 1; i < call->nargs; i++)
	{
		Const	   *value = const_arg(call, i);

		if (value == NULL)
			return eps_analyze_const_missing(call->scope, rebuild(call), call->location, fact);
		if (DatumGetInt32(value->constvalue) < (i == 2 ? 0 : PG_INT32_MIN))
			eps_analyze_refuse(call->location, "the length of substr must not be negative", NULL, NULL);
	}
	*fact = eps_analyze_type_fact(TEXTOID, -1);
	fact->nullable = any_nullable(call);
	return rebuild(call);
}

static Node *
call_date_to_timestamp(EpsCall *call, EpsFact *fact)
{
	*fact = eps_analyze_type_fact(call->result, -1);
	return twin(call, call->result == TIMESTAMPOID ?
				call->scope->cx->functions.timestamp_from_date :
				call->scope->cx->functions.timestamptz_from_date);
}

/* Conversions that depend on the time zone, and shifts by an interval. */
static Node *
call_time(EpsCall *call, EpsFact *fact)
{
	const EpsFunctions *f = &call->scope->cx->functions;
	bool		minus = call->funcid == F_TIMESTAMP_MI_INTERVAL || call->funcid == F_TIMESTAMPTZ_MI_INTERVAL ||
		call->funcid == F_DATE_MI_INTERVAL;

	*fact = eps_analyze_type_fact(call->result, -1);
	if (call->nargs == 1)
		return twin(call, call->result == DATEOID ? f->date_from_timestamptz :
					call->result == TIMESTAMPOID ? f->timestamp_from_timestamptz : f->timestamptz_from_timestamp);
	if (exprType(call->args[0]) == DATEOID)
		call->args[0] = (Node *) makeFuncExpr(f->timestamp_from_date, TIMESTAMPOID, list_make1(call->args[0]),
											  InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL);
	return (Node *) makeFuncExpr(call->result == TIMESTAMPOID ? f->shift_timestamp : f->shift_timestamptz, call->result,
								 list_make3(call->args[0], call->args[1], makeBoolConst(minus, false)),
								 InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL);
}

/* Differences with infinity are NULL; a date out of range becomes infinity. */
static Node *
call_date_diff(EpsCall *call, EpsFact *fact)
{
	const EpsFunctions *f = &call->scope->cx->functions;
	Node	   *days;

	*fact = eps_analyze_type_fact(call->result, -1);
	if (call->funcid == F_DATE_MI)
		return twin(call, f->date_minus);
	days = (Node *) makeFuncExpr(F_INT8_INT4, INT8OID, list_make1(call->args[1]), InvalidOid, InvalidOid, COERCE_IMPLICIT_CAST);
	if (call->funcid == F_DATE_MII)
		days = (Node *) makeFuncExpr(F_INT8UM, INT8OID, list_make1(days), InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL);
	return (Node *) makeFuncExpr(f->date_plus, DATEOID, list_make2(call->args[0], days), InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL);
}

static Node *
call_clamp(EpsCall *call, EpsFact *fact)
{
	Const	   *lower = const_arg(call, 1);
	Const	   *upper = const_arg(call, 2);

	*fact = call->facts[0];
	if (lower == NULL || upper == NULL)
		return eps_analyze_const_missing(call->scope, rebuild(call), call->location, fact);
	fact->bounded = fact->enforced = true;
	fact->natural = false;
	fact->is_const = false;
	fact->domain = EPS_DOMAIN_NONE;
	if (!eps_analyze_const_double(lower, &fact->lo) || !eps_analyze_const_double(upper, &fact->hi) || fact->lo > fact->hi)
		eps_analyze_refuse(call->location, "the limits of dp.clamp must be finite, and the lower not above the upper", NULL, NULL);
	if (call->result == NUMERICOID || call->result == FLOAT8OID)
		fact->nullable = true;
	if (call->result == NUMERICOID && fact->scale >= 0)
		for (int i = 1; i < 3; i++)
			fact->scale = Max(fact->scale, call->facts[i].scale);
	return rebuild(call);
}

static Node *
call_total(EpsCall *call, EpsFact *fact)
{
	*fact = eps_analyze_type_fact(call->result, call->typmod);
	fact->nullable = any_nullable(call);
	return rebuild(call);
}

static Node *
apply_rule(EpsCall *call, EpsRule rule, EpsFact *fact)
{
	switch (rule)
	{
		case EPS_RULE_TOTAL:
			return call_total(call, fact);
		case EPS_RULE_ADD:
		case EPS_RULE_SUB:
		case EPS_RULE_MUL:
		case EPS_RULE_DIV:
			return call_arithmetic(call, rule, fact);
		case EPS_RULE_MOD:
			return call_modulo(call, fact);
		case EPS_RULE_NEG:
		case EPS_RULE_ABS:
			return call_sign(call, rule, fact);
		case EPS_RULE_SAME:
			return call_same(call, fact);
		case EPS_RULE_NARROW:
			return call_narrow(call, fact);
		case EPS_RULE_ROUND:
			return call_round(call, fact);
		case EPS_RULE_BOOL_TO_INT:
			return call_bool_to_int(call, fact);
		case EPS_RULE_LIKE:
			return call_like(call, fact);
		case EPS_RULE_FOLD:
			return call_fold(call, fact);
		case EPS_RULE_EXTRACT:
			return call_extract(call, fact);
		case EPS_RULE_DATE_TRUNC:
			return call_date_trunc(call, fact);
		case EPS_RULE_WIDTH_BUCKET:
			return call_width_bucket(call, fact);
		case EPS_RULE_LENGTH:
			return call_length(call, fact);
		case EPS_RULE_SUBSTR:
			return call_substr(call, fact);
		case EPS_RULE_DATE_TO_TIMESTAMP:
			return call_date_to_timestamp(call, fact);
		case EPS_RULE_DATE_DIFF:
			return call_date_diff(call, fact);
		case EPS_RULE_TIME:
			return call_time(call, fact);
		case EPS_RULE_CLAMP:
			return call_clamp(call, fact);
	}
	EPS_ENSURE(false, "unknown rule of the function table");
	return NULL;
}

Node *
eps_analyze_call(EpsScope *scope, Expr *expr, Oid funcid, List *args, Oid result, int32 typmod, int location, EpsFact *fact)
{
	EpsCall		call = {.scope = scope,.expr = expr,.funcid = funcid,.result = result,.typmod = typmod,.location = location};
	EpsRule		rule;
	ListCell   *lc;

	if (!eps_analyze_rule(scope->cx, funcid, &rule) || list_length(args) > EPS_MAX_ARGS)
	{
		char	   *name = get_func_name(funcid);

		ereport(ERROR,
				(errcode(EPS_ERRCODE_REFUSED),
				 errmsg("function %s is not allowed beside protected rows", quote_identifier(name ? name : "?")),
				 errdetail("Only functions and operators that cannot fail on any data, and that nobody can replace, may read protected rows."),
				 errhint("See docs/analyst.md for the list. The function may be applied to the released answer instead."),
				 location >= 0 ? errposition(location + 1) : 0));
	}
	memset(fact, 0, sizeof(EpsFact));
	fact->scale = result == INT2OID || result == INT4OID || result == INT8OID ? 0 : -1;
	foreach(lc, args)
	{
		call.sources[call.nargs] = lfirst(lc);
		call.args[call.nargs] = rule == EPS_RULE_TOTAL ?
			eps_analyze_operand(scope, lfirst(lc), &call.facts[call.nargs]) :
			eps_analyze_total(scope, lfirst(lc), &call.facts[call.nargs]);
		call.nargs++;
	}
	eps_analyze_check_collation(exprInputCollation((Node *) expr), args, location);
	return apply_rule(&call, rule, fact);
}
