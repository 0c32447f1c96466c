/*
 * joins.c
 *	  Joins of a level that reads protected rows: each of its rows must belong to
 *	  one owner, and public sides may match a public number of times.
 *
 * The join tree is cut into regions.  A region holds the sources that are
 * inner-joined with each other, with all quals that every row of it satisfies;
 * the nullable side of an outer join is a region of its own.  Equalities are
 * used within the region whose quals they are: ON of a left join does not filter
 * the left side, so it may tie the right side to the left, never two relations of
 * the left side to each other.
 */
#include "pg/analyze/analyze_internal.h"

#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"

typedef struct EpsRegion
{
	Bitmapset  *items;			/* rtindexes */
	List	   *quals;			/* conjuncts, as the query has them */
	int64		rows;			/* per owner and row of what it is joined to; 0 unknown */
	bool		unique;
} EpsRegion;

static void collect(EpsScope *scope, Node *node, EpsRegion *region, bool nullable);

/* --- equalities ------------------------------------------------------------ */

static Var *
plain_var(Node *node)
{
	while (node != NULL && IsA(node, RelabelType))
		node = (Node *) ((RelabelType *) node)->arg;
	if (node != NULL && IsA(node, Var) && ((Var *) node)->varlevelsup == 0 && ((Var *) node)->varattno > 0)
		return (Var *) node;
	return NULL;
}

static bool
is_equality(Node *conjunct, Node **left, Node **right)
{
	OpExpr	   *op = (OpExpr *) conjunct;

	if (!IsA(conjunct, OpExpr) || list_length(op->args) != 2)
		return false;
	set_opfuncid(op);
	if (!eps_analyze_is_equality(op->opfuncid))
		return false;
	*left = linitial(op->args);
	*right = lsecond(op->args);
	return true;
}

static bool
same_tail(const EpsProtected *a, int from, const EpsProtected *b, int b_from)
{
	if (a->nsteps - from != b->nsteps - b_from || a->owner_attno != b->owner_attno)
		return false;
	for (int i = 0; i < a->nsteps - from; i++)
	{
		const EpsOwnerStep *s = &a->steps[from + i];
		const EpsOwnerStep *t = &b->steps[b_from + i];

		if (s->next_relation != t->next_relation || s->next_attno != t->next_attno || s->attno != t->attno)
			return false;
	}
	return true;
}

/* a's path to the owner starts with the column of fa and leads through the very
 * row of fb, or through the same key as b's path does. */
static bool
same_path(const EpsFact *fa, const EpsFact *fb)
{
	const EpsProtected *a = OidIsValid(fa->origin) ? eps_policy_protected(fa->origin) : NULL;
	const EpsProtected *b = OidIsValid(fb->origin) ? eps_policy_protected(fb->origin) : NULL;

	if (a == NULL || b == NULL || a->nsteps == 0 || a->steps[0].attno != fa->origin_attno)
		return false;
	if (fb->origin == a->steps[0].next_relation && fb->origin_attno == a->steps[0].next_attno)
		return same_tail(a, 1, b, 0);
	return b->nsteps > 0 && b->steps[0].attno == fb->origin_attno &&
		a->steps[0].next_relation == b->steps[0].next_relation &&
		a->steps[0].next_attno == b->steps[0].next_attno && same_tail(a, 1, b, 1);
}

/* Does this conjunct say that two owned sources have the same owner? */
static bool
ties_owners(EpsScope *scope, Node *conjunct, int *i, int *j)
{
	Node	   *left;
	Node	   *right;
	Var		   *a;
	Var		   *b;
	EpsFact		fa;
	EpsFact		fb;

	if (!is_equality(conjunct, &left, &right) || (a = plain_var(left)) == NULL || (b = plain_var(right)) == NULL)
		return false;
	if (scope->sources[a->varno - 1].kind != EPS_SOURCE_OWNED || scope->sources[b->varno - 1].kind != EPS_SOURCE_OWNED)
		return false;
	fa = eps_analyze_var_fact(scope, a);
	fb = eps_analyze_var_fact(scope, b);
	*i = a->varno;
	*j = b->varno;
	return (fa.is_owner && fb.is_owner) || same_path(&fa, &fb) || same_path(&fb, &fa);
}

static int
class_of(EpsScope *scope, int rtindex)
{
	while (scope->sources[rtindex - 1].owner_class != rtindex)
		rtindex = scope->sources[rtindex - 1].owner_class;
	return rtindex;
}

static void
merge_classes(EpsScope *scope, Bitmapset *items, List *quals)
{
	ListCell   *lc;

	foreach(lc, quals)
	{
		int			i;
		int			j;

		if (ties_owners(scope, lfirst(lc), &i, &j) && bms_is_member(i, items) && bms_is_member(j, items))
			scope->sources[class_of(scope, i) - 1].owner_class = class_of(scope, j);
	}
}

/* --- public sides ----------------------------------------------------------- */

/* Columns of a public source that are equated with something known. */
static Bitmapset *
equated_columns(int rtindex, Bitmapset *known, List *quals)
{
	Bitmapset  *attnos = NULL;
	ListCell   *lc;

	foreach(lc, quals)
	{
		Node	   *sides[2];

		if (!is_equality(lfirst(lc), &sides[0], &sides[1]))
			continue;
		for (int s = 0; s < 2; s++)
		{
			Var		   *var = plain_var(sides[s]);

			if (var != NULL && var->varno == rtindex &&
				bms_is_subset(pull_varnos(NULL, sides[1 - s]), known))
				attnos = bms_add_member(attnos, var->varattno);
		}
	}
	return attnos;
}

static void
multiply_rows(EpsRegion *region, int64 by)
{
	if (region->rows == 0 || by == 0 || region->rows > PG_INT32_MAX || by > PG_INT32_MAX)
		region->rows = 0;
	else
		region->rows *= by;
}

#define EPS_MAX_PRODUCT 10000

static void
bound_product(EpsScope *scope, int64 fanout)
{
	scope->fanout = Max(scope->fanout, 1) * fanout;
	if (scope->fanout > EPS_MAX_PRODUCT)
		eps_analyze_refuse(-1, "public relations multiply a protected row too often",
						   "Together they may make at most 10000 rows of one, else time and memory become the answer.",
						   "Join fewer public relations, or on columns with a unique index.");
}

/*
 * Rule 16: takes the public sources in an order in which each is tied to what is
 * known already, so that the product of their fan-outs bounds the rows that one
 * protected row becomes.
 */
static void
bound_public(EpsScope *scope, EpsRegion *region, Bitmapset *known, List *quals)
{
	Bitmapset  *left = NULL;
	int			i = -1;

	while ((i = bms_next_member(region->items, i)) >= 0)
	{
		if (scope->sources[i - 1].kind == EPS_SOURCE_PUBLIC)
			left = bms_add_member(left, i);
		else
			known = bms_add_member(known, i);
	}
	while (!bms_is_empty(left))
	{
		int			best = -1;
		int64		best_fanout = 0;
		int64		fanout;

		i = -1;
		while ((i = bms_next_member(left, i)) >= 0)
		{
			Bitmapset  *attnos = equated_columns(i, known, quals);

			if (bms_is_empty(attnos) && bms_num_members(left) > 1 && best >= 0)
				continue;
			fanout = eps_analyze_fanout(scope, i, attnos);
			if (best < 0 || fanout < best_fanout)
			{
				best = i;
				best_fanout = fanout;
			}
		}
		if (best_fanout > 100)
			eps_analyze_refuse(-1, "a public relation is joined without a bound on its matches",
							   "A protected row may match at most 100 rows of a public relation, else time and memory become the answer.",
							   "Join it on a column with a unique index, or declare a smaller public relation.");
		bound_product(scope, best_fanout);
		multiply_rows(region, best_fanout);
		if (best_fanout > 1)
			region->unique = false;
		left = bms_del_member(left, best);
		known = bms_add_member(known, best);
	}
}

/* --- regions ------------------------------------------------------------------ */

static void
add_item(EpsScope *scope, int rtindex, EpsRegion *region, bool nullable)
{
	EpsSource  *source = &scope->sources[rtindex - 1];

	source->nullable = nullable;
	region->items = bms_add_member(region->items, rtindex);
	switch (source->kind)
	{
		case EPS_SOURCE_OWNED:
			multiply_rows(region, source->rows);
			if (!source->unique)
				region->unique = false;
			break;
		case EPS_SOURCE_PUBLIC:
			if (source->scope != NULL)
				eps_analyze_require_total(source->scope, -1);
			break;
		case EPS_SOURCE_RELEASED:
			eps_analyze_refuse(-1, "a released result cannot be joined with protected rows here",
							   NULL, "Use it as a scalar subquery in WHERE, or join it with another released result.");
		default:
			ereport(ERROR, (errcode(EPS_ERRCODE_REFUSED),
							errmsg("\"%s\" is neither protected nor public", source->rte->eref->aliasname),
							errdetail("Beside protected rows only relations may be read that a steward has declared public and that the analyst can neither own nor write."),
							errhint("A steward can declare a relation public with dp.declare_public; a short list of your own can be written as VALUES.")));
	}
}

static bool
has_owned(EpsScope *scope, Bitmapset *items)
{
	int			i = -1;

	while ((i = bms_next_member(items, i)) >= 0)
	{
		if (scope->sources[i - 1].kind == EPS_SOURCE_OWNED)
			return true;
	}
	return false;
}

/* All owned sources of a region belong to one class; returns one of them, or 0. */
static int
check_one_owner(EpsScope *scope, Bitmapset *items)
{
	int			first = 0;
	int			i = -1;

	while ((i = bms_next_member(items, i)) >= 0)
	{
		if (scope->sources[i - 1].kind != EPS_SOURCE_OWNED)
			continue;
		if (first == 0)
			first = i;
		else if (class_of(scope, i) != class_of(scope, first))
			ereport(ERROR, (errcode(EPS_ERRCODE_REFUSED),
							errmsg("protected relations \"%s\" and \"%s\" are not joined on their owner keys",
								   scope->sources[first - 1].rte->eref->aliasname,
								   scope->sources[i - 1].rte->eref->aliasname),
							errdetail("Each row must belong to exactly one owner."),
							errhint("Add an equality of the two owner columns to the join condition.")));
	}
	return first;
}

static void
collect_outer(EpsScope *scope, JoinExpr *join, Node *preserved, Node *null_side, EpsRegion *region, bool nullable)
{
	Bitmapset  *before = bms_copy(region->items);
	Bitmapset  *left;
	EpsRegion	sub = {.rows = 1,.unique = true};
	List	   *on = make_ands_implicit((Expr *) join->quals);
	ListCell   *lc;
	bool		tied = false;

	collect(scope, preserved, region, nullable);
	left = bms_difference(region->items, before);
	collect(scope, null_side, &sub, true);
	merge_classes(scope, sub.items, list_concat_copy(sub.quals, on));
	if (has_owned(scope, sub.items))
	{
		check_one_owner(scope, sub.items);
		if (!has_owned(scope, left))
			eps_analyze_refuse(-1, "an outer join must preserve the protected side",
							   "Rows of a public relation without a match would show that nobody matched.",
							   "Turn the join round, or use an inner join; groups of a public domain are shown even when empty.");
		foreach(lc, on)
		{
			int			i;
			int			j;

			if (ties_owners(scope, lfirst(lc), &i, &j) &&
				((bms_is_member(i, left) && bms_is_member(j, sub.items)) ||
				 (bms_is_member(j, left) && bms_is_member(i, sub.items))))
				tied = true;
		}
		if (!tied)
			eps_analyze_refuse(-1, "an outer join of protected relations must equate their owner keys in ON",
							   "Each row must belong to exactly one owner.",
							   "Add an equality of the two owner columns to ON.");
	}
	bound_public(scope, &sub, bms_copy(left), list_concat_copy(sub.quals, on));
	multiply_rows(region, sub.rows);
	region->unique = region->unique && sub.unique;
}

static void
collect_join(EpsScope *scope, JoinExpr *join, EpsRegion *region, bool nullable)
{
	switch (join->jointype)
	{
		case JOIN_INNER:
			collect(scope, join->larg, region, nullable);
			collect(scope, join->rarg, region, nullable);
			region->quals = list_concat(region->quals, make_ands_implicit((Expr *) join->quals));
			break;
		case JOIN_LEFT:
			collect_outer(scope, join, join->larg, join->rarg, region, nullable);
			break;
		case JOIN_RIGHT:
			collect_outer(scope, join, join->rarg, join->larg, region, nullable);
			break;
		default:
			eps_analyze_refuse(-1, "a full join is not allowed with protected relations", NULL,
							   "Use LEFT JOIN on the owner key.");
	}
}

static void
collect(EpsScope *scope, Node *node, EpsRegion *region, bool nullable)
{
	ListCell   *lc;

	if (IsA(node, RangeTblRef))
		add_item(scope, ((RangeTblRef *) node)->rtindex, region, nullable);
	else if (IsA(node, JoinExpr))
		collect_join(scope, (JoinExpr *) node, region, nullable);
	else
	{
		FromExpr   *from = castNode(FromExpr, node);

		foreach(lc, from->fromlist)
			collect(scope, lfirst(lc), region, nullable);
		region->quals = list_concat(region->quals, make_ands_implicit((Expr *) from->quals));
	}
}

/*
 * Checks the joins of an owned level, and finds its owner key, the rows an owner
 * may have, and the owner keys that must not be NULL.
 */
void
eps_analyze_joins(EpsScope *scope)
{
	EpsRegion	region = {.rows = 1,.unique = true};
	int			owner;
	int			i = -1;

	collect(scope, (Node *) scope->query->jointree, &region, false);
	merge_classes(scope, region.items, region.quals);
	owner = check_one_owner(scope, region.items);
	if (owner == 0)
		eps_analyze_refuse(-1, "an outer join must preserve the protected side", NULL, "Turn the join round.");
	bound_public(scope, &region, NULL, region.quals);
	scope->level->owner = scope->sources[owner - 1].owner;
	scope->rows = region.rows;
	scope->unique = region.unique;
	while ((i = bms_next_member(region.items, i)) >= 0)
	{
		if (scope->sources[i - 1].kind == EPS_SOURCE_OWNED)
			scope->level->not_null = lappend(scope->level->not_null, scope->sources[i - 1].owner);
	}
}
