/*
 * relation.c
 *	  From a rule of the book to a relation as it stands: owner path, unique
 *	  indexes, facts.
 */
#include "pg/policy/policy_internal.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/transam.h"
#include "catalog/pg_am_d.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "catalog/pg_inherits.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

/* --- unique indexes (rules 6 and 16) ---------------------------------------- */

/* Does this index make each value of one column occur at most once, at all times? */
static bool
is_unique_on(Relation index, AttrNumber attno)
{
	const FormData_pg_index *form = index->rd_index;

	return form->indisunique && form->indisvalid && form->indisready && form->indislive &&
		form->indimmediate && form->indnkeyatts == 1 && form->indkey.values[0] == attno &&
		index->rd_rel->relam == BTREE_AM_OID &&
		index->rd_opfamily[0] < FirstGenbkiObjectId &&
		RelationGetIndexPredicate(index) == NIL && RelationGetIndexExpressions(index) == NIL;
}

static bool
has_unique_index(Relation relation, AttrNumber attno)
{
	bool		found = false;
	ListCell   *lc;

	foreach(lc, RelationGetIndexList(relation))
	{
		Relation	index = index_open(lfirst_oid(lc), AccessShareLock);

		found = found || is_unique_on(index, attno);
		index_close(index, AccessShareLock);
	}
	return found;
}

/*
 * An index of a parent of plain inheritance does not reach its children's rows;
 * one of a partitioned table reaches all partitions.
 */
static bool
is_unique_column(Oid relid, AttrNumber attno)
{
	Relation	relation = try_relation_open(relid, AccessShareLock);
	bool		result;

	if (relation == NULL)
		return false;
	result = has_unique_index(relation, attno) &&
		(relation->rd_rel->relkind == RELKIND_PARTITIONED_TABLE || !has_subclass(relid));
	relation_close(relation, AccessShareLock);
	return result;
}

/* --- the owner path ------------------------------------------------------------- */

typedef struct ColumnInfo
{
	AttrNumber	attno;
	Oid			type;
	Oid			collation;
} ColumnInfo;

static bool
find_column(ColumnInfo *out, Oid relid, const char *name)
{
	HeapTuple	tuple = SearchSysCacheAttName(relid, name);
	Form_pg_attribute attr;

	if (!HeapTupleIsValid(tuple))
		return false;
	attr = (Form_pg_attribute) GETSTRUCT(tuple);
	out->attno = attr->attnum;
	out->type = attr->atttypid;
	out->collation = attr->attcollation;
	ReleaseSysCache(tuple);
	return out->attno > 0;
}

static char *
relation_text(Oid relid)
{
	char	   *name = get_rel_name(relid);

	return name != NULL ? name : "(dropped)";
}

static char *
missing_column(Oid relid, const char *column)
{
	return psprintf("Relation \"%s\" has no column \"%s\".", relation_text(relid), column);
}

/* Two columns of a step must be of one family, so that "=" means one thing. */
static char *
check_step_types(const ColumnInfo *from, const ColumnInfo *to, Oid relid, const char *column)
{
	EpsKeyFamily family = eps_policy_key_family(from->type, from->collation);

	if (family != EPS_KEY_NONE && family == eps_policy_key_family(to->type, to->collation) &&
		(family != EPS_KEY_TEXT || from->collation == to->collation))
		return NULL;
	return psprintf("The step to column \"%s\" of relation \"%s\" does not join columns of one type: both must be integers, both uuid, or both text under the same deterministic collation.",
					column, relation_text(relid));
}

static char *
resolve_step(EpsOwnerStep *out, Oid relid, const EpsRule *rule, int i)
{
	const char *from_name = rule->columns[2 * i];
	const char *to_name = rule->columns[2 * i + 1];
	Oid			next = rule->relations[i];
	ColumnInfo	from,
				to;
	char	   *problem;

	eps_policy_cache_watch(next);
	if (!find_column(&from, relid, from_name))
		return missing_column(relid, from_name);
	if (!find_column(&to, next, to_name))
		return missing_column(next, to_name);
	if (!is_unique_column(next, to.attno))
		return psprintf("Column \"%s\" of relation \"%s\" has no valid, immediate, non-partial unique index of its own, so a row could reach several owners.",
						to_name, relation_text(next));
	problem = check_step_types(&from, &to, next, to_name);
	if (problem != NULL)
		return problem;
	out->attno = from.attno;
	out->next_relation = next;
	out->next_attno = to.attno;
	return NULL;
}

/*
 * Every relation that the path reads holds rows of owners, and must stand under
 * the same promise; a closed one closes those that lean on it.
 */
static char *
check_step_rule(EpsProtected *p, Oid next)
{
	const EpsRule *rule = eps_policy_cache_rule(next);

	if (rule == NULL || rule->dataset_id != p->dataset_id)
		return psprintf("Relation \"%s\" on the owner path is not protected in the same data set: protect it first.",
						relation_text(next));
	p->closed = p->closed || rule->closed;
	return NULL;
}

char *
eps_policy_resolve_path(EpsProtected *out, const EpsRule *rule, EpsKeyFamily *family)
{
	Oid			relid = out->relid;
	const char *owner = rule->columns[2 * rule->nsteps];
	ColumnInfo	column;

	out->nsteps = rule->nsteps;
	out->steps = palloc0(sizeof(EpsOwnerStep) * Max(rule->nsteps, 1));
	for (int i = 0; i < rule->nsteps; i++)
	{
		char	   *problem = check_step_rule(out, rule->relations[i]);

		if (problem == NULL)
			problem = resolve_step(&out->steps[i], relid, rule, i);
		if (problem != NULL)
			return problem;
		relid = rule->relations[i];
	}
	if (!find_column(&column, relid, owner))
		return missing_column(relid, owner);
	out->owner_attno = column.attno;
	out->owner_type = column.type;
	*family = eps_policy_key_family(column.type, column.collation);
	if (*family == EPS_KEY_NONE)
		return psprintf("Column \"%s\" cannot be an owner key: owner keys are smallint, integer, bigint, uuid, or text and varchar under a deterministic collation.",
						owner);
	return NULL;
}

/* --- the whole relation ------------------------------------------------------------ */

static void
resolve_rows(EpsProtected *p, const EpsRule *rule, Relation relation, const EpsDataset *dataset)
{
	p->owner_unique = p->nsteps == 0 && !has_subclass(p->relid) &&
		relation->rd_rel->relkind != RELKIND_PARTITIONED_TABLE &&
		has_unique_index(relation, p->owner_attno);
	if (p->owner_unique)
		p->rows_per_owner = 1;
	else if (rule->rows_per_owner > 0)
		p->rows_per_owner = rule->rows_per_owner;
	else
		p->rows_per_owner = dataset->rows_per_owner;
	p->groups_per_owner = rule->groups_per_owner;
}

/* Parts in other servers are never read beside protected rows. Every part is
 * watched: what joins the tree lower down changes what the parent reads. */
static bool
has_local_parts_only(Oid relid)
{
	ListCell   *lc;

	if (!has_subclass(relid))
		return true;
	foreach(lc, find_all_inheritors(relid, NoLock, NULL))
	{
		char		kind = get_rel_relkind(lfirst_oid(lc));

		eps_policy_cache_watch(lfirst_oid(lc));
		if (kind != RELKIND_RELATION && kind != RELKIND_PARTITIONED_TABLE)
			return false;
	}
	return true;
}

/* An empty table can become a view (before 16), and then means something else. */
static bool
has_rows_of_its_own(Relation relation)
{
	char		kind = relation->rd_rel->relkind;

	return kind == RELKIND_RELATION || kind == RELKIND_PARTITIONED_TABLE || kind == RELKIND_MATVIEW;
}

static const EpsDataset *
find_dataset(const EpsPolicyBook *book, int32 dataset_id)
{
	ListCell   *lc;

	foreach(lc, book->datasets)
	{
		const EpsDataset *dataset = lfirst(lc);

		if (dataset->id == dataset_id)
			return dataset;
	}
	return NULL;
}

EpsProtected *
eps_policy_resolve(Oid relid, const EpsRule *rule, const EpsPolicyBook *book)
{
	EpsProtected *p = palloc0(sizeof(EpsProtected));
	const EpsDataset *dataset = find_dataset(book, rule->dataset_id);
	Relation	relation = try_relation_open(relid, AccessShareLock);
	EpsKeyFamily family;

	p->relid = relid;
	p->dataset_id = rule->dataset_id;
	p->closed = rule->closed || dataset == NULL || dataset->closed;
	p->broken = true;
	if (relation == NULL || dataset == NULL)
		return p;
	p->natts = RelationGetNumberOfAttributes(relation);
	p->facts = palloc0(sizeof(EpsColumnFact) * Max(p->natts, 1));
	if (eps_policy_resolve_path(p, rule, &family) == NULL && family == dataset->family &&
		has_rows_of_its_own(relation) && has_local_parts_only(relid) &&
		eps_policy_facts(p->facts, relation, rule->relid, book))
	{
		resolve_rows(p, rule, relation, dataset);
		p->broken = false;
	}
	relation_close(relation, AccessShareLock);
	return p;
}
