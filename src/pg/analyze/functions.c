/*
 * functions.c
 *	  The allow-list of functions and operators that may stand beside protected
 *	  rows, by the oid of the builtin function.  To widen what is accepted, add a
 *	  row here; the comment of each rule in analyze_internal.h says what a row
 *	  promises.
 *
 * TOTAL promises: for no argument of its types does the function raise.  It was
 * read in the server's source for every row below.
 */
#include "pg/analyze/analyze_internal.h"

#include "utils/fmgroids.h"

typedef struct EpsFunctionRow
{
	Oid			funcid;
	EpsRule		rule;
} EpsFunctionRow;

#define EPS_COMPARE(p, eq, ne, lt, le, gt, ge) \
	{F_##p##eq, EPS_RULE_TOTAL}, {F_##p##ne, EPS_RULE_TOTAL}, {F_##p##lt, EPS_RULE_TOTAL}, \
	{F_##p##le, EPS_RULE_TOTAL}, {F_##p##gt, EPS_RULE_TOTAL}, {F_##p##ge, EPS_RULE_TOTAL}
#define EPS_COMPARE_PLAIN(p) EPS_COMPARE(p, EQ, NE, LT, LE, GT, GE)
#define EPS_COMPARE_UNDER(p) EPS_COMPARE(p, _EQ, _NE, _LT, _LE, _GT, _GE)
#define EPS_COMPARE_CROSS(a, b) \
	{F_##a##_EQ_##b, EPS_RULE_TOTAL}, {F_##a##_NE_##b, EPS_RULE_TOTAL}, {F_##a##_LT_##b, EPS_RULE_TOTAL}, \
	{F_##a##_LE_##b, EPS_RULE_TOTAL}, {F_##a##_GT_##b, EPS_RULE_TOTAL}, {F_##a##_GE_##b, EPS_RULE_TOTAL}
#define EPS_INTEGER_ARITHMETIC(p) \
	{F_##p##PL, EPS_RULE_ADD}, {F_##p##MI, EPS_RULE_SUB}, {F_##p##MUL, EPS_RULE_MUL}, {F_##p##DIV, EPS_RULE_DIV}

static const EpsFunctionRow function_table[] = {
	/* comparison */
	EPS_COMPARE_PLAIN(INT2), EPS_COMPARE_PLAIN(INT4), EPS_COMPARE_PLAIN(INT8),
	EPS_COMPARE_PLAIN(INT24), EPS_COMPARE_PLAIN(INT42), EPS_COMPARE_PLAIN(INT28),
	EPS_COMPARE_PLAIN(INT82), EPS_COMPARE_PLAIN(INT48), EPS_COMPARE_PLAIN(INT84),
	EPS_COMPARE_PLAIN(FLOAT4), EPS_COMPARE_PLAIN(FLOAT8), EPS_COMPARE_PLAIN(FLOAT48),
	EPS_COMPARE_PLAIN(FLOAT84), EPS_COMPARE_PLAIN(BOOL), EPS_COMPARE_PLAIN(CHAR),
	EPS_COMPARE_PLAIN(NAME), EPS_COMPARE_PLAIN(BPCHAR), EPS_COMPARE_PLAIN(OID),
	EPS_COMPARE(TEXT, EQ, NE, _LT, _LE, _GT, _GE),
	EPS_COMPARE_UNDER(NUMERIC), EPS_COMPARE_UNDER(DATE), EPS_COMPARE_UNDER(TIME),
	EPS_COMPARE_UNDER(TIMESTAMP), EPS_COMPARE_UNDER(TIMESTAMPTZ), EPS_COMPARE_UNDER(UUID),
	EPS_COMPARE_UNDER(ENUM), EPS_COMPARE_UNDER(INTERVAL),
	EPS_COMPARE_CROSS(DATE, TIMESTAMP), EPS_COMPARE_CROSS(TIMESTAMP, DATE),
	EPS_COMPARE_CROSS(DATE, TIMESTAMPTZ), EPS_COMPARE_CROSS(TIMESTAMPTZ, DATE),
	EPS_COMPARE_CROSS(TIMESTAMP, TIMESTAMPTZ), EPS_COMPARE_CROSS(TIMESTAMPTZ, TIMESTAMP),

	/* patterns: the pattern must be a constant and well-formed */
	{F_TEXTLIKE, EPS_RULE_LIKE}, {F_TEXTNLIKE, EPS_RULE_LIKE},
	{F_BPCHARLIKE, EPS_RULE_LIKE}, {F_BPCHARNLIKE, EPS_RULE_LIKE},
	{F_TEXTICLIKE, EPS_RULE_LIKE}, {F_TEXTICNLIKE, EPS_RULE_LIKE},
	{F_BPCHARICLIKE, EPS_RULE_LIKE}, {F_BPCHARICNLIKE, EPS_RULE_LIKE},
	{F_STARTS_WITH, EPS_RULE_TOTAL},

	/* text */
	{F_LOWER_TEXT, EPS_RULE_FOLD}, {F_UPPER_TEXT, EPS_RULE_FOLD},
	{F_LENGTH_TEXT, EPS_RULE_LENGTH}, {F_LENGTH_BPCHAR, EPS_RULE_LENGTH},
	{F_CHAR_LENGTH_TEXT, EPS_RULE_LENGTH}, {F_CHAR_LENGTH_BPCHAR, EPS_RULE_LENGTH},
	{F_SUBSTR_TEXT_INT4_INT4, EPS_RULE_SUBSTR}, {F_SUBSTR_TEXT_INT4, EPS_RULE_SUBSTR},
	{F_SUBSTRING_TEXT_INT4_INT4, EPS_RULE_SUBSTR}, {F_SUBSTRING_TEXT_INT4, EPS_RULE_SUBSTR},
	{F_TEXT_BPCHAR, EPS_RULE_TOTAL}, {F_TEXT_NAME, EPS_RULE_TOTAL}, {F_TEXT_CHAR, EPS_RULE_TOTAL},
	{F_TEXT_BOOL, EPS_RULE_TOTAL},

	/* arithmetic: accepted where bounds show that it cannot fail */
	EPS_INTEGER_ARITHMETIC(INT2), EPS_INTEGER_ARITHMETIC(INT4), EPS_INTEGER_ARITHMETIC(INT8),
	EPS_INTEGER_ARITHMETIC(INT24), EPS_INTEGER_ARITHMETIC(INT42), EPS_INTEGER_ARITHMETIC(INT28),
	EPS_INTEGER_ARITHMETIC(INT82), EPS_INTEGER_ARITHMETIC(INT48), EPS_INTEGER_ARITHMETIC(INT84),
	{F_INT2MOD, EPS_RULE_MOD}, {F_INT4MOD, EPS_RULE_MOD}, {F_INT8MOD, EPS_RULE_MOD},
	{F_INT2UM, EPS_RULE_NEG}, {F_INT4UM, EPS_RULE_NEG}, {F_INT8UM, EPS_RULE_NEG},
	{F_INT2ABS, EPS_RULE_ABS}, {F_INT4ABS, EPS_RULE_ABS}, {F_INT8ABS, EPS_RULE_ABS},
	{F_ABS_INT2, EPS_RULE_ABS}, {F_ABS_INT4, EPS_RULE_ABS}, {F_ABS_INT8, EPS_RULE_ABS},
	{F_NUMERIC_ADD, EPS_RULE_ADD}, {F_NUMERIC_SUB, EPS_RULE_SUB}, {F_NUMERIC_MUL, EPS_RULE_MUL},
	{F_NUMERIC_DIV, EPS_RULE_DIV}, {F_NUMERIC_UMINUS, EPS_RULE_NEG},
	{F_NUMERIC_ABS, EPS_RULE_ABS}, {F_ABS_NUMERIC, EPS_RULE_ABS},
	{F_FLOAT8PL, EPS_RULE_ADD}, {F_FLOAT8MI, EPS_RULE_SUB}, {F_FLOAT8MUL, EPS_RULE_MUL},
	{F_FLOAT8DIV, EPS_RULE_DIV}, {F_FLOAT8UM, EPS_RULE_NEG},
	{F_FLOAT8ABS, EPS_RULE_ABS}, {F_ABS_FLOAT8, EPS_RULE_ABS},
	{F_FLOAT4PL, EPS_RULE_ADD}, {F_FLOAT4MI, EPS_RULE_SUB}, {F_FLOAT4UM, EPS_RULE_NEG},
	{F_FLOAT4ABS, EPS_RULE_ABS}, {F_ABS_FLOAT4, EPS_RULE_ABS},
	{F_FLOAT48PL, EPS_RULE_ADD}, {F_FLOAT48MI, EPS_RULE_SUB},
	{F_FLOAT84PL, EPS_RULE_ADD}, {F_FLOAT84MI, EPS_RULE_SUB},

	/* casts */
	{F_INT4_INT2, EPS_RULE_SAME}, {F_INT8_INT2, EPS_RULE_SAME}, {F_INT8_INT4, EPS_RULE_SAME},
	{F_FLOAT8_INT2, EPS_RULE_SAME}, {F_FLOAT8_INT4, EPS_RULE_SAME}, {F_FLOAT8_INT8, EPS_RULE_SAME},
	{F_FLOAT8_FLOAT4, EPS_RULE_SAME}, {F_FLOAT4_INT2, EPS_RULE_SAME},
	{F_NUMERIC_INT2, EPS_RULE_SAME}, {F_NUMERIC_INT4, EPS_RULE_SAME}, {F_NUMERIC_INT8, EPS_RULE_SAME},
	{F_INT2_INT4, EPS_RULE_NARROW}, {F_INT2_INT8, EPS_RULE_NARROW}, {F_INT4_INT8, EPS_RULE_NARROW},
	{F_INT2_NUMERIC, EPS_RULE_NARROW}, {F_INT4_NUMERIC, EPS_RULE_NARROW}, {F_INT8_NUMERIC, EPS_RULE_NARROW},
	{F_INT2_FLOAT8, EPS_RULE_NARROW}, {F_INT4_FLOAT8, EPS_RULE_NARROW}, {F_INT8_FLOAT8, EPS_RULE_NARROW},
	{F_FLOAT8_NUMERIC, EPS_RULE_NARROW},
	{F_INT4_BOOL, EPS_RULE_BOOL_TO_INT},
	{F_FLOOR_NUMERIC, EPS_RULE_ROUND}, {F_CEIL_NUMERIC, EPS_RULE_ROUND}, {F_CEILING_NUMERIC, EPS_RULE_ROUND},
	{F_ROUND_NUMERIC, EPS_RULE_ROUND}, {F_TRUNC_NUMERIC, EPS_RULE_ROUND},
	{F_FLOOR_FLOAT8, EPS_RULE_ROUND}, {F_CEIL_FLOAT8, EPS_RULE_ROUND}, {F_CEILING_FLOAT8, EPS_RULE_ROUND},
	{F_ROUND_FLOAT8, EPS_RULE_ROUND}, {F_TRUNC_FLOAT8, EPS_RULE_ROUND},

	/* dates */
	{F_EXTRACT_TEXT_DATE, EPS_RULE_EXTRACT}, {F_EXTRACT_TEXT_TIMESTAMP, EPS_RULE_EXTRACT},
	{F_EXTRACT_TEXT_TIMESTAMPTZ, EPS_RULE_EXTRACT},
	{F_DATE_TRUNC_TEXT_TIMESTAMP, EPS_RULE_DATE_TRUNC}, {F_DATE_TRUNC_TEXT_TIMESTAMPTZ, EPS_RULE_DATE_TRUNC},
	{F_DATE_MI, EPS_RULE_DATE_DIFF}, {F_DATE_PLI, EPS_RULE_DATE_DIFF}, {F_DATE_MII, EPS_RULE_DATE_DIFF},
	{F_TIMESTAMP_DATE, EPS_RULE_DATE_TO_TIMESTAMP}, {F_TIMESTAMPTZ_DATE, EPS_RULE_DATE_TO_TIMESTAMP},
	{F_DATE_TIMESTAMP, EPS_RULE_TOTAL}, {F_DATE_TIMESTAMPTZ, EPS_RULE_TIME},
	{F_TIMESTAMP_TIMESTAMPTZ, EPS_RULE_TIME}, {F_TIMESTAMPTZ_TIMESTAMP, EPS_RULE_TIME},
	{F_TIMESTAMP_PL_INTERVAL, EPS_RULE_TIME}, {F_TIMESTAMP_MI_INTERVAL, EPS_RULE_TIME},
	{F_TIMESTAMPTZ_PL_INTERVAL, EPS_RULE_TIME}, {F_TIMESTAMPTZ_MI_INTERVAL, EPS_RULE_TIME},
	{F_DATE_PL_INTERVAL, EPS_RULE_TIME}, {F_DATE_MI_INTERVAL, EPS_RULE_TIME},

	/* bucketing */
	{F_WIDTH_BUCKET_FLOAT8_FLOAT8_FLOAT8_INT4, EPS_RULE_WIDTH_BUCKET},
	{F_WIDTH_BUCKET_NUMERIC_NUMERIC_NUMERIC_INT4, EPS_RULE_WIDTH_BUCKET},
};

static bool
find_rule(const EpsFunctions *f, Oid funcid, EpsRule *rule)
{
	if (funcid == f->clamp_int4 || funcid == f->clamp_int8 ||
		funcid == f->clamp_numeric || funcid == f->clamp_float8)
	{
		*rule = EPS_RULE_CLAMP;
		return true;
	}
	for (size_t i = 0; i < lengthof(function_table); i++)
	{
		if (function_table[i].funcid == funcid)
		{
			*rule = function_table[i].rule;
			return true;
		}
	}
	return false;
}

bool
eps_analyze_rule(EpsContext *cx, Oid funcid, EpsRule *rule)
{
	return find_rule(&cx->functions, funcid, rule);
}

/* --- what a finished plan may call ---------------------------------------------- */

/* Does analysis put another function in the place of this one? */
static bool
is_replaced(Oid funcid, EpsRule rule)
{
	switch (rule)
	{
		case EPS_RULE_DATE_TRUNC:
		case EPS_RULE_WIDTH_BUCKET:
		case EPS_RULE_DATE_TO_TIMESTAMP:
		case EPS_RULE_TIME:
		case EPS_RULE_DATE_DIFF:
			return true;
		default:
			return funcid == F_FLOAT8MUL || funcid == F_FLOAT8DIV || funcid == F_FLOAT8_NUMERIC;
	}
}

static bool
is_twin(const EpsFunctions *f, Oid funcid)
{
	const Oid	twins[] = {
		f->float8_mul, f->float8_div, f->date_trunc_timestamp, f->date_trunc_timestamptz,
		f->width_bucket_float8, f->width_bucket_numeric, f->timestamp_from_date, f->timestamptz_from_date,
		f->date_from_timestamptz, f->timestamp_from_timestamptz, f->timestamptz_from_timestamp,
		f->shift_timestamp, f->shift_timestamptz, f->float8_from_numeric, f->date_minus, f->date_plus,
		f->short_text, f->short_bpchar
	};

	for (size_t i = 0; i < lengthof(twins); i++)
	{
		if (twins[i] == funcid)
			return true;
	}
	return false;
}

/*
 * Calls that no query may write there.  Analysis casts what it clamps; the planner
 * makes comparisons of bytes of LIKE on an index, and puts in the bodies of
 * round(numeric) and trunc(numeric).
 */
static bool
is_made_on_the_way(Oid funcid)
{
	switch (funcid)
	{
		case F_FLOAT4_FLOAT8:
		case F_ROUND_NUMERIC_INT4:
		case F_TRUNC_NUMERIC_INT4:
		case F_TEXT_PATTERN_LT:
		case F_TEXT_PATTERN_LE:
		case F_TEXT_PATTERN_GE:
		case F_TEXT_PATTERN_GT:
		case F_BPCHAR_PATTERN_LT:
		case F_BPCHAR_PATTERN_LE:
		case F_BPCHAR_PATTERN_GE:
		case F_BPCHAR_PATTERN_GT:
			return true;
		default:
			return false;
	}
}

bool
eps_analyze_may_run_beside_rows(const EpsFunctions *functions, Oid funcid)
{
	EpsRule		rule;

	if (is_twin(functions, funcid) || is_made_on_the_way(funcid) || eps_analyze_is_safe_stable(funcid))
		return true;
	return find_rule(functions, funcid, &rule) && !is_replaced(funcid, rule);
}

bool
eps_analyze_cannot_raise(Oid funcid)
{
	for (size_t i = 0; i < lengthof(function_table); i++)
	{
		if (function_table[i].funcid == funcid)
			return function_table[i].rule == EPS_RULE_TOTAL || function_table[i].rule == EPS_RULE_SAME ||
				function_table[i].rule == EPS_RULE_BOOL_TO_INT;
	}
	return false;
}

/* Equality under which equal owner keys are one owner (rule 17). */
bool
eps_analyze_is_equality(Oid funcid)
{
	switch (funcid)
	{
		case F_INT2EQ:
		case F_INT4EQ:
		case F_INT8EQ:
		case F_INT24EQ:
		case F_INT42EQ:
		case F_INT28EQ:
		case F_INT82EQ:
		case F_INT48EQ:
		case F_INT84EQ:
		case F_UUID_EQ:
		case F_TEXTEQ:
			return true;
		default:
			return false;
	}
}
