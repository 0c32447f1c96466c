/*
 * ddl.c
 *	  What happens to policy when the things it names are dropped, renamed,
 *	  altered, detached or granted.
 *
 * Dropping what a rule in force needs is refused; renames of columns are
 * followed; whoever ends up outside a protected parent keeps its protection;
 * and a statement that would hand an analyst a right on protected rows is
 * refused after the fact, which undoes it (rule 29).
 *
 * The access hook runs in the middle of a change, where nothing may be written:
 * it notes what must follow, and the utility hook does it when the statement
 * has finished.
 */
#include "pg/policy/policy_internal.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

static object_access_hook_type next_object_access = NULL;
static ProcessUtility_hook_type next_utility = NULL;

typedef enum FollowUpKind
{
	FOLLOW_COLUMN_RENAMED,
	FOLLOW_RELATION_DROPPED,
	FOLLOW_DETACHED,
	FOLLOW_ROLE_DROPPED
} FollowUpKind;

typedef struct FollowUp
{
	FollowUpKind kind;
	Oid			object;
	Oid			parent;			/* FOLLOW_DETACHED */
	NameData	old_name;		/* FOLLOW_COLUMN_RENAMED */
	NameData	new_name;
} FollowUp;

/* Of the utility statement that runs now: saved and restored by its hook, in
 * the memory of the transaction. */
static List *follow_ups = NIL;

/* The extension's own script runs, over a book that was there before it. */
static bool
is_own_script(void)
{
	return creating_extension && CurrentExtensionObject == get_extension_oid("pg_epsilon", true);
}

/* The book, where there is one with a promise in it to keep. */
static const EpsPolicyBook *
book_to_keep(void)
{
	const EpsPolicyBook *book;

	if (IsBinaryUpgrade || !IsNormalProcessingMode() || !IsTransactionState() ||
		!OidIsValid(MyDatabaseId) || eps_policy_cache_is_absent() || is_own_script())
		return NULL;
	book = eps_policy_cache_book();
	return book != NULL && book->datasets != NIL ? book : NULL;
}

static void
note_follow_up(const FollowUp *follow_up)
{
	MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);
	FollowUp   *copy = palloc(sizeof(FollowUp));

	*copy = *follow_up;
	follow_ups = lappend(follow_ups, copy);
	MemoryContextSwitchTo(old);
}

/* --- what policy names -------------------------------------------------------- */

/* Is this a column of an owner path of a rule in force? */
static bool
is_key_column(const EpsPolicyBook *book, Oid relid, const char *column)
{
	ListCell   *lc;

	foreach(lc, book->rules)
	{
		const EpsRule *rule = lfirst(lc);

		if (rule->closed)
			continue;
		for (int i = 0; i <= 2 * rule->nsteps; i++)
		{
			Oid			holder = i == 0 ? rule->relid : rule->relations[(i - 1) / 2];

			if (holder == relid && strcmp(rule->columns[i], column) == 0)
				return true;
		}
	}
	return false;
}

static bool
is_fact_column(const EpsPolicyBook *book, Oid relid, const char *column)
{
	const EpsRule *rule = eps_policy_cache_rule(relid);
	ListCell   *lc;

	if (rule == NULL || rule->closed)
		return false;
	foreach(lc, eps_policy_book_facts(&book->tables, relid))
	{
		if (strcmp(((const EpsFactRow *) lfirst(lc))->column, column) == 0)
			return true;
	}
	return false;
}

static bool
is_policy_column(const EpsPolicyBook *book, Oid relid, const char *column)
{
	return is_key_column(book, relid, column) || is_fact_column(book, relid, column);
}

static bool
is_own_schema(const EpsPolicyBook *book, Oid schema)
{
	return schema == book->tables.schema || schema == book->tables.api_schema;
}

static bool
is_own_role(const char *name)
{
	return strcmp(name, EPS_ROLE_STEWARD) == 0 || strcmp(name, EPS_ROLE_ANALYST) == 0 ||
		strcmp(name, EPS_ROLE_AUDITOR) == 0 || strcmp(name, EPS_ROLE_MONITOR) == 0;
}

/* --- refusals -------------------------------------------------------------------- */

static void
refuse_book_change(const char *what)
{
	ereport(ERROR,
			(errcode(EPS_ERRCODE_POLICY),
			 errmsg("%s cannot be changed or dropped while a data set exists", what),
			 errdetail("Policy, and what owners have spent, are kept for the life of the database.")));
}

static void
refuse_relation_drop(Oid relid)
{
	ereport(ERROR,
			(errcode(EPS_ERRCODE_POLICY),
			 errmsg("relation \"%s\" is protected and cannot be dropped", get_rel_name(relid)),
			 errhint("Call dp.unprotect first: a closed relation may be dropped.")));
}

static void
refuse_column_change(Oid relid, const char *column, const char *what)
{
	ereport(ERROR,
			(errcode(EPS_ERRCODE_POLICY),
			 errmsg("column \"%s\" of relation \"%s\" is named by policy and %s",
					column, get_rel_name(relid), what),
			 errhint("Call dp.unprotect first, and dp.protect again when the change is made.")));
}

/* --- drops ------------------------------------------------------------------------ */

static void
on_relation_drop(const EpsPolicyBook *book, Oid relid)
{
	const EpsRule *rule = eps_policy_cache_rule(relid);
	FollowUp	follow_up = {.kind = FOLLOW_RELATION_DROPPED,.object = relid};

	if (get_rel_namespace(relid) == book->tables.schema)
		refuse_book_change("the policy book");
	if (rule != NULL && !rule->closed)
		refuse_relation_drop(relid);
	/* An object id may come again: what is gone must not stay public */
	if (rule != NULL || list_member_oid(book->publics, relid))
		note_follow_up(&follow_up);
}

static void
on_column_drop(const EpsPolicyBook *book, Oid relid, AttrNumber attno)
{
	char	   *column = get_attname(relid, attno, true);

	if (get_rel_namespace(relid) == book->tables.schema)
		refuse_book_change("the policy book");
	if (column != NULL && is_policy_column(book, relid, column))
		refuse_column_change(relid, column, "cannot be dropped");
}

static void
on_role_drop(const EpsPolicyBook *book, Oid role)
{
	char	   *name = GetUserNameFromId(role, true);
	FollowUp	follow_up = {.kind = FOLLOW_ROLE_DROPPED,.object = role};
	ListCell   *lc;

	if (name != NULL && is_own_role(name))
		refuse_book_change(psprintf("role \"%s\"", name));
	foreach(lc, book->grants)
	{
		if (((const EpsBookGrant *) lfirst(lc))->grant.role == role)
		{
			note_follow_up(&follow_up);
			return;
		}
	}
}

static void
on_drop(const EpsPolicyBook *book, Oid class, Oid object, int sub)
{
	switch (class)
	{
		case RelationRelationId:
			if (sub == 0)
				on_relation_drop(book, object);
			else
				on_column_drop(book, object, (AttrNumber) sub);
			break;
		case NamespaceRelationId:
			if (is_own_schema(book, object))
				refuse_book_change("the schema of pg_epsilon");
			break;
		case ExtensionRelationId:
			if (object == get_extension_oid("pg_epsilon", true))
				refuse_book_change("extension \"pg_epsilon\"");
			break;
		case AuthIdRelationId:
			on_role_drop(book, object);
			break;
		default:
			break;
	}
}

/* --- alterations --------------------------------------------------------------------- */

/* The row of a column as this command has just written it. */
static bool
new_attribute(FormData_pg_attribute *out, Oid relid, AttrNumber attno)
{
	Relation	attributes = table_open(AttributeRelationId, AccessShareLock);
	ScanKeyData key[2];
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key[0], Anum_pg_attribute_attrelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relid));
	ScanKeyInit(&key[1], Anum_pg_attribute_attnum, BTEqualStrategyNumber, F_INT2EQ, Int16GetDatum(attno));
	scan = systable_beginscan(attributes, AttributeRelidNumIndexId, true, SnapshotSelf, 2, key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		memcpy(out, GETSTRUCT(tuple), ATTRIBUTE_FIXED_PART_SIZE);
	systable_endscan(scan);
	table_close(attributes, AccessShareLock);
	return HeapTupleIsValid(tuple);
}

/* The row of a relation as this command has just written it. */
static bool
new_class(FormData_pg_class *out, Oid relid)
{
	Relation	classes = table_open(RelationRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_class_oid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relid));
	scan = systable_beginscan(classes, ClassOidIndexId, true, SnapshotSelf, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		memcpy(out, GETSTRUCT(tuple), CLASS_TUPLE_SIZE);
	systable_endscan(scan);
	table_close(classes, AccessShareLock);
	return HeapTupleIsValid(tuple);
}

/*
 * A restore adds keys and defaults to the book's tables after their rows; what
 * must not change is what they are called, who owns them, and their columns.
 */
static void
on_book_alter(const EpsPolicyBook *book, Oid relid, AttrNumber attno)
{
	FormData_pg_attribute attribute;
	FormData_pg_class class;

	if (attno > 0 && new_attribute(&attribute, relid, attno) &&
		(attribute.atttypid != get_atttype(relid, attno) ||
		 strcmp(NameStr(attribute.attname), get_attname(relid, attno, false)) != 0))
		refuse_book_change("the policy book");
	if (attno == 0 && new_class(&class, relid) &&
		(class.relnamespace != book->tables.schema || class.relowner != book->tables.owner ||
		 strcmp(NameStr(class.relname), get_rel_name(relid)) != 0))
		refuse_book_change("the policy book");
}

static void
on_column_alter(const EpsPolicyBook *book, Oid relid, AttrNumber attno)
{
	char	   *column = get_attname(relid, attno, true);
	FollowUp	follow_up = {.kind = FOLLOW_COLUMN_RENAMED,.object = relid};
	FormData_pg_attribute fresh;

	if (column == NULL || !is_policy_column(book, relid, column) ||
		!new_attribute(&fresh, relid, attno))
		return;
	if (fresh.atttypid != get_atttype(relid, attno))
		refuse_column_change(relid, column, "cannot change its type");
	if (strcmp(NameStr(fresh.attname), column) == 0)
		return;
	namestrcpy(&follow_up.old_name, column);
	follow_up.new_name = fresh.attname;
	note_follow_up(&follow_up);
}

static void
on_inheritance_alter(Oid child, Oid parent)
{
	FollowUp	follow_up = {.kind = FOLLOW_DETACHED,.object = child,.parent = parent};

	note_follow_up(&follow_up);
}

static void
on_alter(const EpsPolicyBook *book, Oid class, Oid object, int sub, const ObjectAccessPostAlter *arg)
{
	if (arg != NULL && arg->is_internal)
		return;
	switch (class)
	{
		case RelationRelationId:
			if (get_rel_namespace(object) == book->tables.schema)
				on_book_alter(book, object, (AttrNumber) sub);
			else if (sub > 0)
				on_column_alter(book, object, (AttrNumber) sub);
			break;
		case NamespaceRelationId:
			if (is_own_schema(book, object))
				refuse_book_change("the schema of pg_epsilon");
			break;
		case InheritsRelationId:
			if (arg != NULL)
				on_inheritance_alter(object, arg->auxiliary_id);
			break;
		default:
			break;
	}
}

static void
policy_object_access(ObjectAccessType access, Oid class, Oid object, int sub, void *arg)
{
	const EpsPolicyBook *book;

	if (next_object_access)
		next_object_access(access, class, object, sub, arg);
	if (access != OAT_DROP && access != OAT_POST_ALTER && access != OAT_TRUNCATE)
		return;
	book = book_to_keep();
	if (book == NULL)
		return;
	if (access == OAT_DROP)
		on_drop(book, class, object, sub);
	else if (access == OAT_POST_ALTER)
		on_alter(book, class, object, sub, arg);
	else if (class == RelationRelationId && get_rel_namespace(object) == book->tables.schema)
		refuse_book_change("the policy book");
}

/* --- what follows a statement ------------------------------------------------------------ */

/*
 * Runs a function of schema dp as the owner of the book.  An error resets the
 * user with the transaction.
 */
static void
run_as_owner(const EpsPolicyBook *book, const char *sql, int nargs, Oid *types, Datum *values)
{
	Oid			user;
	int			context;

	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(book->tables.owner, context | SECURITY_LOCAL_USERID_CHANGE);
	if (SPI_connect() != SPI_OK_CONNECT)
		EPS_ENSURE(false, "SPI is not available");
	EPS_ENSURE(SPI_execute_with_args(sql, nargs, types, values, NULL, false, 0) == SPI_OK_SELECT,
			   "a change of policy could not be followed");
	SPI_finish();
	SetUserIdAndSecContext(user, context);
}

static void
follow(const EpsPolicyBook *book, FollowUp *f)
{
	Oid			types[3] = {OIDOID, NAMEOID, NAMEOID};
	Oid			pair[2] = {OIDOID, OIDOID};
	Datum		values[3] = {ObjectIdGetDatum(f->object), NameGetDatum(&f->old_name), NameGetDatum(&f->new_name)};
	Datum		family[2] = {ObjectIdGetDatum(f->object), ObjectIdGetDatum(f->parent)};

	switch (f->kind)
	{
		case FOLLOW_COLUMN_RENAMED:
			run_as_owner(book, "SELECT dp._column_renamed($1, $2, $3)", 3, types, values);
			break;
		case FOLLOW_RELATION_DROPPED:
			run_as_owner(book, "SELECT dp._relation_dropped($1)", 1, types, values);
			break;
		case FOLLOW_DETACHED:
			run_as_owner(book, "SELECT dp._inheritance_changed($1, $2)", 2, pair, family);
			break;
		case FOLLOW_ROLE_DROPPED:
			run_as_owner(book, "SELECT dp._role_dropped($1)", 1, types, values);
			break;
	}
}

/* What no access hook sees in time. */
static void
check_before(const Node *statement)
{
	if (IsA(statement, RenameStmt))
	{
		const RenameStmt *rename = (const RenameStmt *) statement;

		if (rename->renameType == OBJECT_ROLE && rename->subname != NULL &&
			is_own_role(rename->subname) && book_to_keep() != NULL)
			refuse_book_change(psprintf("role \"%s\"", rename->subname));
	}
	else if (IsA(statement, AlterExtensionContentsStmt))
	{
		/* The book is trusted because schema dp is a member */
		if (strcmp(((const AlterExtensionContentsStmt *) statement)->extname, "pg_epsilon") == 0 &&
			book_to_keep() != NULL)
			refuse_book_change("extension \"pg_epsilon\"");
	}
}

static void
after_statement(bool check_rights)
{
	const EpsPolicyBook *book;
	ListCell   *lc;

	if (follow_ups == NIL && !check_rights)
		return;
	book = book_to_keep();
	if (book == NULL)
		return;
	CommandCounterIncrement();
	if (follow_ups != NIL)
		eps_policy_cache_invalidate_book();
	foreach(lc, follow_ups)
		follow(book, lfirst(lc));
	if (check_rights)
		run_as_owner(book, "SELECT dp._check_openings()", 0, NULL, NULL);
}

static void
policy_utility(PlannedStmt *pstmt, const char *query_string, bool read_only_tree,
			   ProcessUtilityContext context, ParamListInfo params, QueryEnvironment *environment,
			   DestReceiver *dest, QueryCompletion *completion)
{
	/* The statement's tree may be gone when it has run */
	volatile bool check_rights = eps_policy_may_open(pstmt->utilityStmt);
	List	   *volatile outer = follow_ups;

	check_before(pstmt->utilityStmt);
	follow_ups = NIL;
	PG_TRY();
	{
		if (next_utility)
			next_utility(pstmt, query_string, read_only_tree, context, params, environment, dest, completion);
		else
			standard_ProcessUtility(pstmt, query_string, read_only_tree, context, params, environment, dest,
									completion);
		after_statement(check_rights);
	}
	PG_FINALLY();
	{
		follow_ups = outer;
	}
	PG_END_TRY();
}

void
eps_policy_ddl_init(void)
{
	next_object_access = object_access_hook;
	object_access_hook = policy_object_access;
	next_utility = ProcessUtility_hook;
	ProcessUtility_hook = policy_utility;
}
