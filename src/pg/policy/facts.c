/*
 * facts.c
 *	  Public facts about columns: CHECK constraints, NOT NULL, and what the
 *	  steward declared.
 *
 * A CHECK constraint is read, never evaluated: only a conjunction of
 * comparisons of a column with a constant by builtin operators is understood,
 * and everything else says nothing.
 */
#include "pg/policy/policy_internal.h"

#include <math.h>

#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/transam.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "nodes/primnodes.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

/* 18 asks all ordering index methods, and numbers comparisons as btree does. */
#if PG_VERSION_NUM >= 180000
typedef OpIndexInterpretation OperatorInterpretation;
#define interpret_operator(operator) get_op_index_interpretation(operator)
#define INTERPRETED_STRATEGY(i) ((int) (i)->cmptype)
#else
typedef OpBtreeInterpretation OperatorInterpretation;
#define interpret_operator(operator) get_op_btree_interpretation(operator)
#define INTERPRETED_STRATEGY(i) ((i)->strategy)
#endif

/* What the CHECK constraints say of one column. */
typedef struct CheckBounds
{
	bool		has_lower;
	bool		has_upper;
	double		lower;
	double		upper;
} CheckBounds;

/* A constant between two doubles; equal where it is one. */
typedef struct Bracket
{
	double		down;
	double		up;
	bool		is_integer;		/* its type is an integer type */
} Bracket;

/* --- exact comparison of numeric and double -------------------------------- */

/* The exact decimal expansion of a finite double has at most 1074 fractional digits. */
static Numeric
exact_numeric(double value)
{
	char	   *text = psprintf("%.1074f", value);

	return DatumGetNumeric(DirectFunctionCall3(numeric_in, CStringGetDatum(text),
											   ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
}

void
eps_policy_numeric_bounds(double *down, double *up, Numeric value)
{
	double		nearest = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, NumericGetDatum(value)));
	int			order = 0;

	if (isfinite(nearest))
		order = DatumGetInt32(DirectFunctionCall2(numeric_cmp, NumericGetDatum(exact_numeric(nearest)),
												  NumericGetDatum(value)));
	*down = order > 0 ? nextafter(nearest, -INFINITY) : nearest;
	*up = order < 0 ? nextafter(nearest, INFINITY) : nearest;
}

static Bracket
bracket_int64(int64 value)
{
	Bracket		b = {.down = (double) value,.up = (double) value,.is_integer = true};

	/* Beyond 2^53 the conversion may have gone either way */
	if (value > (INT64CONST(1) << 53) || value < -(INT64CONST(1) << 53))
	{
		b.down = nextafter(b.down, -INFINITY);
		b.up = nextafter(b.up, INFINITY);
	}
	return b;
}

/* --- the parts of a comparison ---------------------------------------------- */

static bool
is_number_type(Oid type)
{
	switch (type)
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case NUMERICOID:
		case FLOAT4OID:
		case FLOAT8OID:
			return true;
		default:
			return false;
	}
}

/*
 * Casts that change no value.  Others round, so that what a constraint says of
 * the cast it does not say of the column.
 */
static bool
is_exact_cast(Oid function)
{
	switch (function)
	{
		case F_INT4_INT2:
		case F_INT8_INT2:
		case F_INT8_INT4:
		case F_NUMERIC_INT2:
		case F_NUMERIC_INT4:
		case F_NUMERIC_INT8:
		case F_FLOAT8_INT2:
		case F_FLOAT8_INT4:
		case F_FLOAT8_FLOAT4:
			return true;
		default:
			return false;
	}
}

/* Constants may go to float8 as well: the bracket around the exact value holds the rounded one. */
static bool
is_constant_cast(Oid function)
{
	return is_exact_cast(function) || function == F_FLOAT8_INT8 || function == F_FLOAT8_NUMERIC;
}

static Node *
strip_casts(Node *node, bool (*is_allowed) (Oid function))
{
	while (IsA(node, FuncExpr) && list_length(((FuncExpr *) node)->args) == 1 &&
		   is_allowed(((FuncExpr *) node)->funcid))
		node = linitial(((FuncExpr *) node)->args);
	return node;
}

static bool
read_column(AttrNumber *out, Node *node, int natts)
{
	Var		   *var = (Var *) strip_casts(node, is_exact_cast);

	if (!IsA(var, Var) || var->varattno < 1 || var->varattno > natts || !is_number_type(var->vartype))
		return false;
	*out = var->varattno;
	return true;
}

static bool
read_constant(Bracket *out, Node *node)
{
	Const	   *c = (Const *) strip_casts(node, is_constant_cast);

	if (!IsA(c, Const) || c->constisnull)
		return false;
	switch (c->consttype)
	{
		case INT2OID:
			*out = bracket_int64(DatumGetInt16(c->constvalue));
			return true;
		case INT4OID:
			*out = bracket_int64(DatumGetInt32(c->constvalue));
			return true;
		case INT8OID:
			*out = bracket_int64(DatumGetInt64(c->constvalue));
			return true;
		case FLOAT4OID:
			out->down = out->up = (double) DatumGetFloat4(c->constvalue);
			out->is_integer = false;
			return isfinite(out->down);
		case FLOAT8OID:
			out->down = out->up = DatumGetFloat8(c->constvalue);
			out->is_integer = false;
			return isfinite(out->down);
		case NUMERICOID:
			eps_policy_numeric_bounds(&out->down, &out->up, DatumGetNumeric(c->constvalue));
			out->is_integer = false;
			return isfinite(out->down) && isfinite(out->up);
		default:
			return false;
	}
}

/* The btree strategy of a builtin comparison of numbers; 0 if it is none. */
static int
comparison_strategy(Oid operator)
{
	int			strategy = 0;
	ListCell   *lc;

	if (operator >= FirstGenbkiObjectId)
		return 0;
	foreach(lc, interpret_operator(operator))
	{
		const OperatorInterpretation *i = lfirst(lc);

		if (i->opfamily_id < FirstGenbkiObjectId && is_number_type(i->oplefttype) &&
			is_number_type(i->oprighttype))
			strategy = INTERPRETED_STRATEGY(i);
	}
	return strategy;
}

/* const op column, turned round */
static int
commuted_strategy(int strategy)
{
	switch (strategy)
	{
		case BTLessStrategyNumber:
			return BTGreaterStrategyNumber;
		case BTLessEqualStrategyNumber:
			return BTGreaterEqualStrategyNumber;
		case BTGreaterEqualStrategyNumber:
			return BTLessEqualStrategyNumber;
		case BTGreaterStrategyNumber:
			return BTLessStrategyNumber;
		default:
			return strategy;
	}
}

/* --- conjunctions ---------------------------------------------------------------- */

static void
bound_below(CheckBounds *b, double lower)
{
	b->lower = b->has_lower ? Max(b->lower, lower) : lower;
	b->has_lower = true;
}

static void
bound_above(CheckBounds *b, double upper)
{
	b->upper = b->has_upper ? Min(b->upper, upper) : upper;
	b->has_upper = true;
}

/* The next integer where column and constant are integers and the comparison is strict. */
static double
strict_step(const Bracket *constant, Oid column_type)
{
	bool		integers = constant->is_integer && constant->down == constant->up &&
		(column_type == INT2OID || column_type == INT4OID || column_type == INT8OID);

	return integers ? 1.0 : 0.0;
}

static void
apply_comparison(CheckBounds *b, int strategy, const Bracket *constant, Oid column_type)
{
	switch (strategy)
	{
		case BTLessStrategyNumber:
			bound_above(b, constant->up - strict_step(constant, column_type));
			break;
		case BTLessEqualStrategyNumber:
			bound_above(b, constant->up);
			break;
		case BTEqualStrategyNumber:
			bound_below(b, constant->down);
			bound_above(b, constant->up);
			break;
		case BTGreaterEqualStrategyNumber:
			bound_below(b, constant->down);
			break;
		case BTGreaterStrategyNumber:
			bound_below(b, constant->down + strict_step(constant, column_type));
			break;
		default:
			break;
	}
}

static void
apply_operator(CheckBounds *bounds, const OpExpr *op, TupleDesc desc)
{
	int			strategy = comparison_strategy(op->opno);
	AttrNumber	attno;
	Bracket		constant;

	if (strategy == 0 || list_length(op->args) != 2)
		return;
	if (read_column(&attno, linitial(op->args), desc->natts) && read_constant(&constant, lsecond(op->args)))
		apply_comparison(&bounds[attno - 1], strategy, &constant, TupleDescAttr(desc, attno - 1)->atttypid);
	else if (read_column(&attno, lsecond(op->args), desc->natts) && read_constant(&constant, linitial(op->args)))
		apply_comparison(&bounds[attno - 1], commuted_strategy(strategy), &constant,
						 TupleDescAttr(desc, attno - 1)->atttypid);
}

static void
apply_condition(CheckBounds *bounds, Node *node, TupleDesc desc)
{
	ListCell   *lc;

	if (node == NULL)
		return;
	if (IsA(node, OpExpr))
		apply_operator(bounds, (OpExpr *) node, desc);
	else if (IsA(node, BoolExpr) && ((BoolExpr *) node)->boolop == AND_EXPR)
	{
		foreach(lc, ((BoolExpr *) node)->args)
			apply_condition(bounds, lfirst(lc), desc);
	}
}

static CheckBounds *
read_checks(TupleDesc desc)
{
	CheckBounds *bounds = palloc0(sizeof(CheckBounds) * Max(desc->natts, 1));
	int			n = desc->constr ? desc->constr->num_check : 0;

	for (int i = 0; i < n; i++)
	{
		const ConstrCheck *check = &desc->constr->check[i];

		if (!check->ccvalid || check->ccnoinherit)
			continue;
#if PG_VERSION_NUM >= 180000
		if (!check->ccenforced)
			continue;
#endif
		apply_condition(bounds, stringToNode(check->ccbin), desc);
	}
	return bounds;
}

/* --- putting it together ------------------------------------------------------------ */

/* The tighter of both on each side; enforced where the constraints alone say it. */
static void
merge_bounds(EpsColumnFact *out, const CheckBounds *check, const EpsFactRow *row)
{
	CheckBounds merged = *check;
	double		unused;

	if (row != NULL && row->lower != NULL && row->upper != NULL)
	{
		double		lower,
					upper;

		eps_policy_numeric_bounds(&lower, &unused, row->lower);
		eps_policy_numeric_bounds(&unused, &upper, row->upper);
		bound_below(&merged, lower);
		bound_above(&merged, upper);
	}
	if (!merged.has_lower || !merged.has_upper || !(merged.lower <= merged.upper))
		return;
	out->has_bounds = true;
	out->lower = merged.lower;
	out->upper = merged.upper;
	out->enforced = check->has_lower && check->has_upper &&
		check->lower == merged.lower && check->upper == merged.upper;
}

static const EpsFactRow *
find_row(List *rows, const char *column)
{
	ListCell   *lc;

	foreach(lc, rows)
	{
		const EpsFactRow *row = lfirst(lc);

		if (strcmp(row->column, column) == 0)
			return row;
	}
	return NULL;
}

static bool
read_domain(EpsColumnFact *out, const EpsFactRow *row, Form_pg_attribute attr)
{
	if (row == NULL || !row->has_domain)
		return true;
	if (eps_policy_parse_domain(&out->domain, row->domain, row->ndomain, attr->atttypid,
								attr->atttypmod, attr->attcollation) != NULL)
		return false;
	out->has_domain = true;
	out->ndomain = row->ndomain;
	return true;
}

/* Every fact row must find its column, or it speaks of a column that is gone. */
static bool
all_rows_known(List *rows, TupleDesc desc)
{
	int			known = 0;

	for (int i = 0; i < desc->natts; i++)
	{
		if (!TupleDescAttr(desc, i)->attisdropped &&
			find_row(rows, NameStr(TupleDescAttr(desc, i)->attname)) != NULL)
			known++;
	}
	return known == list_length(rows);
}

bool
eps_policy_facts(EpsColumnFact *out, Relation relation, Oid source, const EpsPolicyBook *book)
{
	TupleDesc	desc = RelationGetDescr(relation);
	List	   *rows = eps_policy_book_facts(&book->tables, source);
	CheckBounds *checks = read_checks(desc);

	/* A child of plain inheritance may drop NOT NULL (before 18) */
	bool		trust_not_null = relation->rd_rel->relkind == RELKIND_PARTITIONED_TABLE ||
		!has_subclass(RelationGetRelid(relation));

	if (!all_rows_known(rows, desc))
		return false;
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attr = TupleDescAttr(desc, i);
		const EpsFactRow *row;

		if (attr->attisdropped)
			continue;
		row = find_row(rows, NameStr(attr->attname));
		out[i].not_null = attr->attnotnull && trust_not_null;
		if (is_number_type(attr->atttypid))
			merge_bounds(&out[i], &checks[i], row);
		if (!read_domain(&out[i], row, attr))
			return false;
	}
	return true;
}
