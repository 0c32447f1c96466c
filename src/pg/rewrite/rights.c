/*
 * rights.c
 *	  Base relations of an accepted level: the join along an owner path, and the
 *	  table owner's right to read, lent to these range-table entries alone.
 */
#include "pg/rewrite/rewrite_internal.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_relation.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteManip.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

static Oid
relation_owner(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Oid			owner;

	EPS_ENSURE(HeapTupleIsValid(tuple), "a protected relation is gone");
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

static void
lend_right(Query *query, RangeTblEntry *rte, AttrNumber attno)
{
#if PG_VERSION_NUM >= 160000
	RTEPermissionInfo *info = getRTEPermissionInfo(query->rteperminfos, rte);

	info->checkAsUser = relation_owner(rte->relid);
	info->requiredPerms = ACL_SELECT;
	if (attno > 0)
		info->selectedCols = bms_add_member(info->selectedCols, attno - FirstLowInvalidHeapAttributeNumber);
#else
	rte->checkAsUser = relation_owner(rte->relid);
	rte->requiredPerms = ACL_SELECT;
	if (attno > 0)
		rte->selectedCols = bms_add_member(rte->selectedCols, attno - FirstLowInvalidHeapAttributeNumber);
#endif
}

static RangeTblEntry *
base_entry(Query *query, Oid relid, bool inh)
{
	RangeTblEntry *rte = makeNode(RangeTblEntry);
	Relation	relation = table_open(relid, AccessShareLock);

	rte->rtekind = RTE_RELATION;
	rte->relid = relid;
	rte->relkind = relation->rd_rel->relkind;
	rte->rellockmode = AccessShareLock;
	rte->inh = inh;
	rte->inFromCl = true;
	rte->eref = makeAlias(pstrdup(RelationGetRelationName(relation)), NIL);
	for (int i = 0; i < RelationGetDescr(relation)->natts; i++)
		rte->eref->colnames = lappend(rte->eref->colnames,
									  makeString(pstrdup(NameStr(TupleDescAttr(RelationGetDescr(relation), i)->attname))));
	table_close(relation, NoLock);
	query->rtable = lappend(query->rtable, rte);
#if PG_VERSION_NUM >= 160000
	addRTEPermissionInfo(&query->rteperminfos, rte);
#endif
	lend_right(query, rte, 0);
	return rte;
}

static Var *
column_var(int rtindex, Oid relid, AttrNumber attno)
{
	Oid			type;
	int32		typmod;
	Oid			collation;

	get_atttypetypmodcoll(relid, attno, &type, &typmod, &collation);
	return makeVar(rtindex, attno, type, typmod, collation, 0);
}

static Expr *
as_text(Var *var)
{
	if (var->vartype != VARCHAROID)
		return (Expr *) var;
	return (Expr *) makeRelabelType((Expr *) var, TEXTOID, -1, var->varcollid, COERCE_IMPLICIT_CAST);
}

/* By the operators of pg_catalog alone: a search path may hold others. */
static Node *
equality(Var *va, Var *vb)
{
	Expr	   *a = as_text(va);
	Expr	   *b = as_text(vb);
	Oid			eq = OpernameGetOprid(list_make2(makeString("pg_catalog"), makeString("=")),
									  exprType((Node *) a), exprType((Node *) b));
	OpExpr	   *op;

	EPS_ENSURE(OidIsValid(eq), "a step of an owner path has no equality");
	op = (OpExpr *) make_opclause(eq, BOOLOID, false, a, b, InvalidOid, va->varcollid);
	op->opfuncid = get_opcode(eq);
	return (Node *) op;
}

/* All columns of the relation under their own numbers, NULL for dropped ones, then the owner key. */
static List *
path_targets(const EpsProtected *relation, const RangeTblEntry *rte, int last)
{
	List	   *targets = NIL;
	Oid			last_relid = relation->steps[relation->nsteps - 1].next_relation;

	for (AttrNumber attno = 1; attno <= relation->natts; attno++)
	{
		Expr	   *expr;

		if (get_attname(relation->relid, attno, true) == NULL)
			expr = (Expr *) makeNullConst(INT4OID, -1, InvalidOid);
		else
			expr = (Expr *) column_var(1, relation->relid, attno);
		targets = lappend(targets, makeTargetEntry(expr, attno, strVal(list_nth(rte->eref->colnames, attno - 1)), false));
	}
	return lappend(targets, makeTargetEntry((Expr *) column_var(last, last_relid, relation->owner_attno),
											relation->natts + 1, pstrdup("dp_owner"), false));
}

/* Turns the entry into (SELECT relation.*, owner FROM relation JOIN ... along the path). */
static void
replace_by_path(RangeTblEntry *rte, int rtindex, const EpsProtected *relation)
{
	Query	   *sub = makeNode(Query);
	List	   *from = NIL;
	List	   *quals = NIL;
	Oid			relid = relation->relid;
	RangeTblEntry *base = base_entry(sub, relid, rte->inh);

	for (int i = 0; i <= relation->nsteps; i++)
	{
		RangeTblRef *ref = makeNode(RangeTblRef);

		ref->rtindex = i + 1;
		from = lappend(from, ref);
	}
	for (int i = 0; i < relation->nsteps; i++)
	{
		const EpsOwnerStep *step = &relation->steps[i];

		base_entry(sub, step->next_relation, true);
		quals = lappend(quals, equality(column_var(i + 1, relid, step->attno),
										column_var(i + 2, step->next_relation, step->next_attno)));
		relid = step->next_relation;
	}
	/* row security goes along, and speaks of the relation's new place */
	base->securityQuals = rte->securityQuals;
	ChangeVarNodes((Node *) base->securityQuals, rtindex, 1, 0);
	sub->hasRowSecurity = base->securityQuals != NIL;
	sub->hasSubLinks = checkExprHasSubLink((Node *) base->securityQuals);
	sub->commandType = CMD_SELECT;
	sub->querySource = QSRC_ORIGINAL;
	sub->canSetTag = true;
	sub->targetList = path_targets(relation, base, relation->nsteps + 1);
	sub->jointree = makeFromExpr(from, (Node *) make_ands_explicit(quals));
	rte->rtekind = RTE_SUBQUERY;
	rte->subquery = sub;
	rte->securityQuals = NIL;
	rte->relid = InvalidOid;
	rte->relkind = 0;
	rte->rellockmode = 0;
	rte->inh = false;
	rte->eref->colnames = NIL;
	for (int i = 0; i < list_length(sub->targetList); i++)
		rte->eref->colnames = lappend(rte->eref->colnames, makeString(pstrdup(list_nth_node(TargetEntry, sub->targetList, i)->resname)));
#if PG_VERSION_NUM >= 160000
	rte->perminfoindex = 0;
#else
	rte->requiredPerms = 0;
	rte->selectedCols = NULL;
#endif
}

static bool
in_join_tree_walker(Node *node, int *rtindex)
{
	if (node == NULL)
		return false;
	if (IsA(node, RangeTblRef))
		return ((RangeTblRef *) node)->rtindex == *rtindex;
	if (IsA(node, FromExpr))
		return in_join_tree_walker((Node *) ((FromExpr *) node)->fromlist, rtindex);
	if (IsA(node, JoinExpr))
		return in_join_tree_walker(((JoinExpr *) node)->larg, rtindex) ||
			in_join_tree_walker(((JoinExpr *) node)->rarg, rtindex);
	if (IsA(node, List))
	{
		ListCell   *lc;

		foreach(lc, (List *) node)
		{
			if (in_join_tree_walker(lfirst(lc), rtindex))
				return true;
		}
	}
	return false;
}

void
eps_rewrite_relations(Query *query)
{
	int			n = list_length(query->rtable);

	for (int rtindex = 1; rtindex <= n; rtindex++)
	{
		RangeTblEntry *rte = rt_fetch(rtindex, query->rtable);
		const EpsProtected *relation;

		if (rte->rtekind != RTE_RELATION || !in_join_tree_walker((Node *) query->jointree, &rtindex))
			continue;
		relation = eps_policy_protected(rte->relid);
		if (relation == NULL)
			continue;
		if (relation->nsteps > 0)
			replace_by_path(rte, rtindex, relation);
		else
			lend_right(query, rte, relation->owner_attno);
	}
}
