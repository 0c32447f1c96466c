/*
 * cache.c
 *	  The backend's copy of the policy, and when it is no longer true.
 *
 * Invalidation callbacks run at any lock acquisition, so they only mark; the
 * next look-up reads again.  What was handed out stays readable until the
 * transaction ends: stale copies wait in `retired`.
 */
#include "pg/policy/policy_internal.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

/* Passes over something that changes while it is read. */
#define MAX_TRIES 8

typedef enum BookState
{
	BOOK_UNKNOWN,
	BOOK_ABSENT,				/* nothing is protected; stands until a schema changes */
	BOOK_PRESENT
} BookState;

typedef struct RelationEntry
{
	Oid			relid;			/* hash key */
	const EpsProtected *protected;	/* NULL: not protected */
} RelationEntry;

/*
 * All of it is a function of the catalogues: `state` and `book` of the schemas
 * and the policy tables, `relations` of the book and of the relations in
 * `watched`.  `generation` counts changes of either.
 */
typedef struct PolicyCache
{
	uint64		generation;
	BookState	state;
	bool		book_valid;
	bool		relations_valid;
	EpsBookTables tables;		/* as found by the read that is under way, or done */
	EpsPolicyBook *book;
	MemoryContext book_context;
	MemoryContext relation_context;
	HTAB	   *relations;		/* of RelationEntry, in relation_context */
	HTAB	   *watched;		/* of Oid, in relation_context */
	MemoryContext retired;		/* parent of stale contexts; deleted at transaction end */
} PolicyCache;

static PolicyCache cache;

/* --- invalidation ------------------------------------------------------------ */

static void
forget_relations(void)
{
	cache.relations_valid = false;
	cache.generation++;
}

static void
forget_book(void)
{
	cache.book_valid = false;
	cache.state = BOOK_UNKNOWN;
	forget_relations();
}

static bool
is_book_table(Oid relid)
{
	for (int i = 0; i < EPS_BOOK_NTABLES; i++)
	{
		if (cache.tables.oid[i] == relid)
			return true;
	}
	return false;
}

static bool
is_hash_of_schema(Oid schema, uint32 hashvalue)
{
	return hashvalue == GetSysCacheHashValue1(NAMESPACEOID, ObjectIdGetDatum(schema));
}

static void
on_relcache(Datum arg, Oid relid)
{
	if (cache.state == BOOK_ABSENT)
		return;
	if (!OidIsValid(relid) || is_book_table(relid))
		forget_book();
	else if (cache.watched != NULL && hash_search(cache.watched, &relid, HASH_FIND, NULL) != NULL)
		forget_relations();
}

/* A schema was made, dropped, renamed or given away: ours perhaps. */
static void
on_namespace(Datum arg, int cacheid, uint32 hashvalue)
{
	if (cache.state == BOOK_PRESENT && hashvalue != 0 &&
		!is_hash_of_schema(cache.tables.schema, hashvalue) &&
		!is_hash_of_schema(cache.tables.api_schema, hashvalue))
		return;
	forget_book();
}

static void
on_transaction_end(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_PRE_COMMIT || event == XACT_EVENT_PARALLEL_PRE_COMMIT ||
		event == XACT_EVENT_PRE_PREPARE)
		return;
	if (cache.retired != NULL)
		MemoryContextDelete(cache.retired);
	cache.retired = NULL;
}

void
eps_policy_cache_init(void)
{
	CacheRegisterRelcacheCallback(on_relcache, (Datum) 0);
	CacheRegisterSyscacheCallback(NAMESPACEOID, on_namespace, (Datum) 0);
	RegisterXactCallback(on_transaction_end, NULL);
}

uint64
eps_policy_generation(void)
{
	return cache.generation;
}

uint64
eps_policy_version(void)
{
	const EpsPolicyBook *book = eps_policy_cache_book();

	return book == NULL ? 0 : book->version;
}

void
eps_policy_cache_bump(void)
{
	cache.generation++;
}

/*
 * To be called before the book is written to: what this backend may read of a
 * change that is then undone must be forgotten when it is undone.
 */
void
eps_policy_cache_invalidate_book(void)
{
	const EpsPolicyBook *book = eps_policy_cache_book();

	if (book == NULL)
		return;
	for (int i = 0; i < EPS_BOOK_NTABLES; i++)
		CacheInvalidateRelcacheByRelid(book->tables.oid[i]);
}

bool
eps_policy_cache_is_absent(void)
{
	return cache.state == BOOK_ABSENT;
}

/* Hands a context over to the end of the transaction. */
static void
retire(MemoryContext context)
{
	if (context == NULL)
		return;
	if (cache.retired == NULL)
		cache.retired = AllocSetContextCreate(CacheMemoryContext, "pg_epsilon retired policy",
											  ALLOCSET_SMALL_SIZES);
	MemoryContextSetParent(context, cache.retired);
}

/* --- the book ----------------------------------------------------------------- */

static void
drop_book(void)
{
	retire(cache.book_context);
	cache.book_context = NULL;
	cache.book = NULL;
}

static void
read_book(void)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "pg_epsilon policy",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	EpsPolicyBook *book = eps_policy_book_read(&cache.tables);

	MemoryContextSwitchTo(old);
	/* Nothing can fail from here: an error above leaves the old state */
	MemoryContextSetParent(context, CacheMemoryContext);
	drop_book();
	cache.book_context = context;
	cache.book = book;
}

/* One attempt; the caller looks whether anything changed meanwhile. */
static void
find_and_read_book(void)
{
	if (eps_policy_book_find(&cache.tables))
	{
		read_book();
		cache.state = BOOK_PRESENT;
		return;
	}
	drop_book();

	/*
	 * Without schema dp_book this stands until a schema changes.  With one (a
	 * restore under way, or somebody else's) tables may still come or change
	 * hands, so that is looked up each time.
	 */
	cache.state = OidIsValid(cache.tables.schema) ? BOOK_UNKNOWN : BOOK_ABSENT;
}

/*
 * Reading takes locks, and locks bring invalidations: start again until one pass
 * has seen none.  Where they never cease (a server built to discard its caches
 * all the time), the last pass is used once and not kept.
 */
static void
refresh_book(void)
{
	uint64		seen;

	for (int tries = 0; tries < MAX_TRIES; tries++)
	{
		CHECK_FOR_INTERRUPTS();
		seen = cache.generation;
		find_and_read_book();
		if (seen == cache.generation)
		{
			cache.book_valid = cache.state == BOOK_PRESENT;
			return;
		}
	}
}

const EpsPolicyBook *
eps_policy_cache_book(void)
{
	if (cache.state == BOOK_ABSENT)
		return NULL;
	if (!cache.book_valid)
		refresh_book();
	return cache.book;
}

const EpsRule *
eps_policy_cache_rule(Oid relid)
{
	const EpsPolicyBook *book = eps_policy_cache_book();
	ListCell   *lc;

	if (book == NULL)
		return NULL;
	foreach(lc, book->rules)
	{
		const EpsRule *rule = lfirst(lc);

		if (rule->relid == relid)
			return rule;
	}
	return NULL;
}

/* --- relations ---------------------------------------------------------------- */

static HTAB *
make_table(const char *name, Size entrysize)
{
	HASHCTL		ctl = {.keysize = sizeof(Oid),.entrysize = entrysize,.hcxt = cache.relation_context};

	return hash_create(name, 64, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

static void
refresh_relations(void)
{
	if (cache.relations_valid)
		return;
	retire(cache.relation_context);
	cache.relation_context = NULL;
	cache.relations = NULL;
	cache.watched = NULL;
	cache.relation_context = AllocSetContextCreate(CacheMemoryContext, "pg_epsilon relations",
												   ALLOCSET_DEFAULT_SIZES);
	cache.relations = make_table("pg_epsilon relations", sizeof(RelationEntry));
	cache.watched = make_table("pg_epsilon watched relations", sizeof(Oid));
	cache.relations_valid = true;
}

void
eps_policy_cache_watch(Oid relid)
{
	if (cache.watched != NULL)
		hash_search(cache.watched, &relid, HASH_ENTER, NULL);
}

/* Direct parents, read through the index on (inhrelid, inhseqno). */
static List *
direct_parents(Oid relid)
{
	Relation	inherits = table_open(InheritsRelationId, AccessShareLock);
	List	   *parents = NIL;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_inherits_inhrelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relid));
	scan = systable_beginscan(inherits, InheritsRelidSeqnoIndexId, true, NULL, 1, &key);
	while ((tuple = systable_getnext(scan)) != NULL)
		parents = lappend_oid(parents, ((Form_pg_inherits) GETSTRUCT(tuple))->inhparent);
	systable_endscan(scan);
	table_close(inherits, AccessShareLock);
	return parents;
}

List *
eps_policy_ancestors(Oid relid)
{
	List	   *ancestors = direct_parents(relid);

	/* The list grows while it is walked */
	for (int i = 0; i < list_length(ancestors); i++)
		ancestors = list_concat_unique_oid(ancestors, direct_parents(list_nth_oid(ancestors, i)));
	return ancestors;
}

/*
 * The rule that reaches a relation: its own, else that of an ancestor.  Two
 * ancestors of different data sets cannot both be served: *broken.
 */
static const EpsRule *
rule_from_above(Oid relid, bool *broken)
{
	const EpsRule *found = eps_policy_cache_rule(relid);
	ListCell   *lc;

	foreach(lc, eps_policy_ancestors(relid))
	{
		const EpsRule *rule = eps_policy_cache_rule(lfirst_oid(lc));

		eps_policy_cache_watch(lfirst_oid(lc));
		if (rule == NULL)
			continue;
		if (found == NULL)
			found = rule;
		else if (found->dataset_id != rule->dataset_id)
			*broken = true;
	}
	return found;
}

/* A rule of some descendant: then a query of the parent would read its rows. */
static const EpsRule *
rule_from_below(Oid relid)
{
	ListCell   *lc;

	if (!has_subclass(relid))
		return NULL;
	foreach(lc, find_all_inheritors(relid, NoLock, NULL))
	{
		const EpsRule *rule = eps_policy_cache_rule(lfirst_oid(lc));

		if (rule == NULL || rule->relid == relid)
			continue;
		eps_policy_cache_watch(rule->relid);
		return rule;
	}
	return NULL;
}

static EpsProtected *
broken_relation(Oid relid, int32 dataset_id)
{
	EpsProtected *p = palloc0(sizeof(EpsProtected));

	p->relid = relid;
	p->dataset_id = dataset_id;
	p->broken = true;
	return p;
}

static const EpsProtected *
resolve_in_context(Oid relid, const EpsRule *rule, bool from_below, bool broken)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "pg_epsilon relation",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	EpsProtected *result;

	if (from_below)
		result = broken_relation(relid, rule->dataset_id);
	else
		result = eps_policy_resolve(relid, rule, eps_policy_cache_book());
	result->broken = result->broken || broken;
	MemoryContextSwitchTo(old);
	MemoryContextSetParent(context, cache.relation_context);
	return result;
}

/* Inheritance trees change without a message to every member: not remembered. */
static bool
may_remember_absence(Oid relid)
{
	return !has_subclass(relid) && !has_superclass(relid);
}

/* One attempt at a relation that is not remembered. */
static const EpsProtected *
look_up_relation(Oid relid)
{
	bool		broken = false;
	const EpsRule *rule;

	eps_policy_cache_watch(relid);
	rule = rule_from_above(relid, &broken);
	if (rule != NULL)
		return resolve_in_context(relid, rule, false, broken);
	rule = rule_from_below(relid);
	if (rule != NULL)
		return resolve_in_context(relid, rule, true, true);
	/* a copy of protected rows that nobody protected: as good as closed */
	rule = get_rel_relkind(relid) == RELKIND_MATVIEW ? eps_policy_rule_behind(relid) : NULL;
	return rule != NULL ? resolve_in_context(relid, rule, true, true) : NULL;
}

static void
remember(Oid relid, const EpsProtected *protected)
{
	RelationEntry *entry;

	if (protected == NULL && !may_remember_absence(relid))
		return;
	entry = hash_search(cache.relations, &relid, HASH_ENTER, NULL);
	entry->protected = protected;
}

const EpsProtected *
eps_policy_protected(Oid relid)
{
	const EpsProtected *result = NULL;

	for (int tries = 0; tries < MAX_TRIES; tries++)
	{
		const RelationEntry *entry;
		uint64		seen;

		CHECK_FOR_INTERRUPTS();
		if (eps_policy_cache_book() == NULL)
			return NULL;
		refresh_relations();
		entry = hash_search(cache.relations, &relid, HASH_FIND, NULL);
		if (entry != NULL)
			return entry->protected;
		seen = cache.generation;
		result = look_up_relation(relid);
		if (seen == cache.generation)
		{
			remember(relid, result);
			return result;
		}
	}
	return result;
}

/* --- data sets ------------------------------------------------------------------ */

const EpsDataset *
eps_policy_dataset(int32 dataset_id)
{
	const EpsPolicyBook *book = eps_policy_cache_book();
	ListCell   *lc;

	if (book == NULL)
		return NULL;
	foreach(lc, book->datasets)
	{
		const EpsDataset *dataset = lfirst(lc);

		if (dataset->id == dataset_id)
			return dataset;
	}
	return NULL;
}

const EpsDataset *
eps_policy_dataset_by_name(const char *name)
{
	const EpsPolicyBook *book = eps_policy_cache_book();
	ListCell   *lc;

	if (book == NULL)
		return NULL;
	foreach(lc, book->datasets)
	{
		const EpsDataset *dataset = lfirst(lc);

		if (strcmp(dataset->name, name) == 0)
			return dataset;
	}
	return NULL;
}

List *
eps_policy_dataset_ids(void)
{
	const EpsPolicyBook *book = eps_policy_cache_book();
	List	   *ids = NIL;
	ListCell   *lc;

	if (book == NULL)
		return NIL;
	foreach(lc, book->datasets)
		ids = lappend_int(ids, ((const EpsDataset *) lfirst(lc))->id);
	return ids;
}

uint32
eps_policy_default_consent(int32 dataset_id)
{
	const EpsPolicyBook *book = eps_policy_cache_book();
	uint32		bits = 0;
	ListCell   *lc;

	if (book == NULL)
		return 0;
	foreach(lc, book->purposes)
	{
		const EpsPurpose *purpose = lfirst(lc);

		if (purpose->dataset_id == dataset_id && purpose->default_consent)
			bits |= (uint32) 1 << purpose->number;
	}
	return bits;
}
