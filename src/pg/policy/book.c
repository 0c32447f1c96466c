/*
 * book.c
 *	  Reads the policy tables of schema dp_book by plain heap scans.
 *
 * No SPI, no planner, no user code: this runs inside planner_hook, for roles
 * that hold no right on the book.
 */
#include "pg/policy/policy_internal.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "common/hashfn.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

typedef struct BookColumn
{
	const char *name;
	Oid			type;
} BookColumn;

enum
{
	DATASET_ID, DATASET_NAME, DATASET_ACCOUNTANT, DATASET_EPSILON, DATASET_DELTA, DATASET_STANDARD,
	DATASET_CONVERSION_DELTA, DATASET_CAP, DATASET_STANDARD_UNITS, DATASET_SIDE, DATASET_DELTA_UNITS,
	DATASET_CAPACITY, DATASET_ROWS, DATASET_NEW_OWNERS, DATASET_FAMILY, DATASET_CREATED_AT,
	DATASET_CREATED_BY, DATASET_CLOSED_AT, DATASET_NCOLUMNS
};

static const BookColumn dataset_columns[] = {
	{"dataset_id", INT4OID}, {"name", TEXTOID}, {"accountant", TEXTOID}, {"epsilon", FLOAT8OID},
	{"delta", FLOAT8OID}, {"standard", FLOAT8OID}, {"conversion_delta", FLOAT8OID}, {"cap_units", INT8OID},
	{"standard_units", INT8OID}, {"side_units", INT8OID}, {"delta_units", INT8OID}, {"capacity", INT4OID},
	{"rows_per_owner", INT8OID}, {"new_owners", TEXTOID}, {"key_family", CHAROID},
	{"created_at", TIMESTAMPTZOID}, {"created_by", TEXTOID}, {"closed_at", TIMESTAMPTZOID}
};

enum
{
	PROTECTED_RELATION, PROTECTED_DATASET, PROTECTED_PATH, PROTECTED_RELATIONS, PROTECTED_COLUMNS,
	PROTECTED_ROWS, PROTECTED_GROUPS, PROTECTED_STATE, PROTECTED_FROM, PROTECTED_TO, PROTECTED_NCOLUMNS
};

static const BookColumn protected_columns[] = {
	{"relation", REGCLASSOID}, {"dataset_id", INT4OID}, {"owner_path", TEXTOID},
	{"owner_relations", REGCLASSARRAYOID}, {"owner_columns", NAMEARRAYOID}, {"rows_per_owner", INT8OID},
	{"groups_per_owner", INT8OID}, {"state", TEXTOID}, {"valid_from", TIMESTAMPTZOID},
	{"valid_to", TIMESTAMPTZOID}
};

enum
{
	PUBLIC_RELATION, PUBLIC_FROM, PUBLIC_TO, PUBLIC_NCOLUMNS
};

static const BookColumn public_columns[] = {
	{"relation", REGCLASSOID}, {"valid_from", TIMESTAMPTZOID}, {"valid_to", TIMESTAMPTZOID}
};

enum
{
	FACT_RELATION, FACT_COLUMN, FACT_LOWER, FACT_UPPER, FACT_DOMAIN, FACT_SOURCE, FACT_FROM, FACT_TO,
	FACT_NCOLUMNS
};

static const BookColumn fact_columns[] = {
	{"relation", REGCLASSOID}, {"column_name", NAMEOID}, {"lower", NUMERICOID}, {"upper", NUMERICOID},
	{"domain", TEXTARRAYOID}, {"source", TEXTOID}, {"valid_from", TIMESTAMPTZOID}, {"valid_to", TIMESTAMPTZOID}
};

enum
{
	PURPOSE_DATASET, PURPOSE_NO, PURPOSE_NAME, PURPOSE_DEFAULT, PURPOSE_FROM, PURPOSE_TO, PURPOSE_NCOLUMNS
};

static const BookColumn purpose_columns[] = {
	{"dataset_id", INT4OID}, {"purpose_no", INT2OID}, {"purpose", TEXTOID}, {"default_consent", BOOLOID},
	{"valid_from", TIMESTAMPTZOID}, {"valid_to", TIMESTAMPTZOID}
};

enum
{
	ANALYST_ROLE, ANALYST_DATASET, ANALYST_QUERY, ANALYST_QUOTA, ANALYST_PURPOSES, ANALYST_EPSILON_QUERY,
	ANALYST_EPSILON_QUOTA, ANALYST_FROM, ANALYST_TO, ANALYST_NCOLUMNS
};

static const BookColumn analyst_columns[] = {
	{"role", REGROLEOID}, {"dataset_id", INT4OID}, {"query_units", INT8OID}, {"quota_units", INT8OID},
	{"purposes", TEXTARRAYOID}, {"epsilon_per_query", FLOAT8OID}, {"epsilon_quota", FLOAT8OID},
	{"valid_from", TIMESTAMPTZOID}, {"valid_to", TIMESTAMPTZOID}
};

enum
{
	PAD_DATASET, PAD_QUANTUM, PAD_DEADLINE, PAD_FROM, PAD_TO, PAD_NCOLUMNS
};

static const BookColumn pad_columns[] = {
	{"dataset_id", INT4OID}, {"quantum_ms", INT4OID}, {"deadline_ms", INT4OID},
	{"valid_from", TIMESTAMPTZOID}, {"valid_to", TIMESTAMPTZOID}
};

/* Columns are read by number; this table is where names and numbers meet. */
typedef struct BookLayout
{
	const char *name;
	int			ncolumns;
	const BookColumn *columns;
	int			valid_to;		/* column that ends a row, or closed_at: -1 if rows do not end */
} BookLayout;

static const BookLayout layouts[EPS_BOOK_NTABLES] = {
	[EPS_BOOK_DATASET] = {"dataset", DATASET_NCOLUMNS, dataset_columns, -1},
	[EPS_BOOK_PROTECTED] = {"protected_relation", PROTECTED_NCOLUMNS, protected_columns, PROTECTED_TO},
	[EPS_BOOK_PUBLIC] = {"public_relation", PUBLIC_NCOLUMNS, public_columns, PUBLIC_TO},
	[EPS_BOOK_FACT] = {"column_fact", FACT_NCOLUMNS, fact_columns, FACT_TO},
	[EPS_BOOK_PURPOSE] = {"purpose", PURPOSE_NCOLUMNS, purpose_columns, PURPOSE_TO},
	[EPS_BOOK_ANALYST] = {"analyst", ANALYST_NCOLUMNS, analyst_columns, ANALYST_TO},
	[EPS_BOOK_PAD] = {"pad", PAD_NCOLUMNS, pad_columns, PAD_TO}
};

#define MAX_BOOK_COLUMNS 20

StaticAssertDecl(DATASET_NCOLUMNS <= MAX_BOOK_COLUMNS, "dp_book.dataset has too many columns");
StaticAssertDecl(lengthof(dataset_columns) == DATASET_NCOLUMNS, "columns of dp_book.dataset");
StaticAssertDecl(lengthof(protected_columns) == PROTECTED_NCOLUMNS, "columns of dp_book.protected_relation");
StaticAssertDecl(lengthof(public_columns) == PUBLIC_NCOLUMNS, "columns of dp_book.public_relation");
StaticAssertDecl(lengthof(fact_columns) == FACT_NCOLUMNS, "columns of dp_book.column_fact");
StaticAssertDecl(lengthof(purpose_columns) == PURPOSE_NCOLUMNS, "columns of dp_book.purpose");
StaticAssertDecl(lengthof(analyst_columns) == ANALYST_NCOLUMNS, "columns of dp_book.analyst");
StaticAssertDecl(lengthof(pad_columns) == PAD_NCOLUMNS, "columns of dp_book.pad");

/* --- finding the tables ---------------------------------------------------- */

static Oid
schema_owner(Oid schema)
{
	HeapTuple	tuple = SearchSysCache1(NAMESPACEOID, ObjectIdGetDatum(schema));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		return InvalidOid;
	owner = ((Form_pg_namespace) GETSTRUCT(tuple))->nspowner;
	ReleaseSysCache(tuple);
	return owner;
}

/*
 * The owner of schema dp, if that schema is the extension's.  Any role that may
 * create schemas could otherwise make a dp and a dp_book of its own, and have
 * the engine lend it other people's rights.
 */
static Oid
extension_owner(Oid schema)
{
	Oid			extension = get_extension_oid("pg_epsilon", true);

	if (!OidIsValid(schema) || !OidIsValid(extension))
		return InvalidOid;
	if (getExtensionOfObject(NamespaceRelationId, schema) != extension)
		return InvalidOid;
	return schema_owner(schema);
}

static bool
is_book_table(Oid relid, Oid owner)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Form_pg_class form;
	bool		result;

	if (!HeapTupleIsValid(tuple))
		return false;
	form = (Form_pg_class) GETSTRUCT(tuple);
	result = form->relkind == RELKIND_RELATION && form->relowner == owner &&
		form->relpersistence == RELPERSISTENCE_PERMANENT;
	ReleaseSysCache(tuple);
	return result;
}

bool
eps_policy_book_find(EpsBookTables *out)
{
	memset(out, 0, sizeof(*out));
	out->schema = get_namespace_oid(EPS_SCHEMA_BOOK, true);
	if (!OidIsValid(out->schema))
		return false;
	out->api_schema = get_namespace_oid(EPS_SCHEMA_API, true);
	out->owner = extension_owner(out->api_schema);
	if (!OidIsValid(out->owner) || schema_owner(out->schema) != out->owner)
		return false;
	for (int i = 0; i < EPS_BOOK_NTABLES; i++)
	{
		out->oid[i] = get_relname_relid(layouts[i].name, out->schema);
		if (!OidIsValid(out->oid[i]) || !is_book_table(out->oid[i], out->owner))
			return false;
	}
	return true;
}

/* --- scanning --------------------------------------------------------------- */

typedef struct BookScan
{
	const BookLayout *layout;
	Relation	relation;
	SysScanDesc scan;
	uint64		changes;		/* sum of the hashes of when the rows seen began and ended */
	Datum		values[MAX_BOOK_COLUMNS];
	bool		nulls[MAX_BOOK_COLUMNS];
} BookScan;

static void
check_layout(Relation relation, const BookLayout *layout)
{
	TupleDesc	desc = RelationGetDescr(relation);

	for (int i = 0; i < layout->ncolumns; i++)
	{
		Form_pg_attribute attr = i < desc->natts ? TupleDescAttr(desc, i) : NULL;

		if (attr == NULL || attr->attisdropped || attr->atttypid != layout->columns[i].type ||
			strcmp(NameStr(attr->attname), layout->columns[i].name) != 0)
			ereport(ERROR,
					(errcode(EPS_ERRCODE_BOOK),
					 errmsg("table \"%s.%s\" does not have the columns that this version of pg_epsilon expects",
							EPS_SCHEMA_BOOK, layout->name),
					 errhint("Restore the table as it was, or install the version that made it.")));
	}
}

static void
scan_open(BookScan *scan, const EpsBookTables *tables, EpsBookTable table)
{
	scan->layout = &layouts[table];
	scan->changes = 0;
	scan->relation = table_open(tables->oid[table], AccessShareLock);
	check_layout(scan->relation, scan->layout);
	/* No snapshot named: the newest one, so that the newest policy holds */
	scan->scan = systable_beginscan(scan->relation, InvalidOid, false, NULL, 0, NULL);
}

/* A sum, for rows come in no order.  Times, for a change that was undone is none. */
static void
count_change(BookScan *scan, int column)
{
	int64		at = scan->nulls[column] ? 0 : DatumGetTimestampTz(scan->values[column]);

	scan->changes += hash_bytes_extended((const unsigned char *) &at, sizeof(at), 0);
}

/* The next row in force. */
static bool
scan_next(BookScan *scan)
{
	TupleDesc	desc = RelationGetDescr(scan->relation);
	HeapTuple	tuple;

	while ((tuple = systable_getnext(scan->scan)) != NULL)
	{
		for (int i = 0; i < scan->layout->ncolumns; i++)
			scan->values[i] = heap_getattr(tuple, i + 1, desc, &scan->nulls[i]);
		if (scan->layout->valid_to < 0)
			return true;
		count_change(scan, scan->layout->valid_to - 1);
		if (scan->nulls[scan->layout->valid_to])
			return true;
		count_change(scan, scan->layout->valid_to);
	}
	return false;
}

static void
scan_close(BookScan *scan)
{
	systable_endscan(scan->scan);
	table_close(scan->relation, AccessShareLock);
}

static int64
scan_int64(const BookScan *scan, int column, int64 if_null)
{
	return scan->nulls[column] ? if_null : DatumGetInt64(scan->values[column]);
}

static char *
scan_text(const BookScan *scan, int column)
{
	return scan->nulls[column] ? NULL : TextDatumGetCString(scan->values[column]);
}

/* Strings of a text[], copied; NULL members make the book unreadable. */
static char **
text_array(Datum array, int *n)
{
	Datum	   *elements;
	bool	   *nulls;
	char	  **result;

	deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, n);
	result = palloc(sizeof(char *) * Max(*n, 1));
	for (int i = 0; i < *n; i++)
	{
		EPS_ENSURE(!nulls[i], "a list in the policy book has a NULL member");
		result[i] = TextDatumGetCString(elements[i]);
	}
	return result;
}

/* --- rows ------------------------------------------------------------------- */

static EpsDataset *
read_dataset(const BookScan *scan)
{
	EpsDataset *d = palloc0(sizeof(EpsDataset));

	d->id = DatumGetInt32(scan->values[DATASET_ID]);
	d->name = scan_text(scan, DATASET_NAME);
	d->pure = strcmp(TextDatumGetCString(scan->values[DATASET_ACCOUNTANT]), "pure") == 0;
	d->epsilon = DatumGetFloat8(scan->values[DATASET_EPSILON]);
	d->delta = DatumGetFloat8(scan->values[DATASET_DELTA]);
	d->conversion_delta = DatumGetFloat8(scan->values[DATASET_CONVERSION_DELTA]);
	d->cap_units = (uint64) DatumGetInt64(scan->values[DATASET_CAP]);
	d->standard_units = (uint64) DatumGetInt64(scan->values[DATASET_STANDARD_UNITS]);
	d->delta_units = (uint64) DatumGetInt64(scan->values[DATASET_DELTA_UNITS]);
	d->capacity = DatumGetInt32(scan->values[DATASET_CAPACITY]);
	d->family = (EpsKeyFamily) DatumGetChar(scan->values[DATASET_FAMILY]);
	d->rows_per_owner = scan_int64(scan, DATASET_ROWS, 0);
	d->worst_case_start = strcmp(TextDatumGetCString(scan->values[DATASET_NEW_OWNERS]), "zero") != 0;
	d->closed = !scan->nulls[DATASET_CLOSED_AT];
	return d;
}

static EpsPurpose *
read_purpose(const BookScan *scan)
{
	EpsPurpose *p = palloc0(sizeof(EpsPurpose));

	p->dataset_id = DatumGetInt32(scan->values[PURPOSE_DATASET]);
	p->number = DatumGetInt16(scan->values[PURPOSE_NO]);
	p->name = scan_text(scan, PURPOSE_NAME);
	p->default_consent = DatumGetBool(scan->values[PURPOSE_DEFAULT]);
	EPS_ENSURE(p->number >= 0 && p->number < 32, "a purpose number in the policy book is out of range");
	return p;
}

static EpsBookGrant *
read_grant(const BookScan *scan)
{
	EpsBookGrant *g = palloc0(sizeof(EpsBookGrant));

	g->grant.dataset_id = DatumGetInt32(scan->values[ANALYST_DATASET]);
	g->grant.role = DatumGetObjectId(scan->values[ANALYST_ROLE]);
	g->grant.query_units = (uint64) DatumGetInt64(scan->values[ANALYST_QUERY]);
	g->grant.quota_units = scan->nulls[ANALYST_QUOTA] ? PG_UINT64_MAX :
		(uint64) DatumGetInt64(scan->values[ANALYST_QUOTA]);
	g->since = DatumGetTimestampTz(scan->values[ANALYST_FROM]);
	if (!scan->nulls[ANALYST_PURPOSES])
	{
		int			n;
		char	  **names = text_array(scan->values[ANALYST_PURPOSES], &n);

		for (int i = 0; i < n; i++)
			g->grant.purposes = lappend(g->grant.purposes, names[i]);
	}
	return g;
}

static EpsRule *
read_rule(const BookScan *scan)
{
	EpsRule    *rule = palloc0(sizeof(EpsRule));
	Datum	   *elements;
	bool	   *nulls;
	int			n;

	rule->relid = DatumGetObjectId(scan->values[PROTECTED_RELATION]);
	rule->dataset_id = DatumGetInt32(scan->values[PROTECTED_DATASET]);
	/* Whatever is not plainly 'protected' is closed */
	rule->closed = strcmp(TextDatumGetCString(scan->values[PROTECTED_STATE]), "protected") != 0;
	rule->rows_per_owner = scan_int64(scan, PROTECTED_ROWS, 0);
	rule->groups_per_owner = scan_int64(scan, PROTECTED_GROUPS, 0);

	deconstruct_array(DatumGetArrayTypeP(scan->values[PROTECTED_RELATIONS]), REGCLASSOID,
					  sizeof(Oid), true, TYPALIGN_INT, &elements, &nulls, &rule->nsteps);
	rule->relations = palloc(sizeof(Oid) * Max(rule->nsteps, 1));
	for (int i = 0; i < rule->nsteps; i++)
		rule->relations[i] = nulls[i] ? InvalidOid : DatumGetObjectId(elements[i]);

	deconstruct_array(DatumGetArrayTypeP(scan->values[PROTECTED_COLUMNS]), NAMEOID,
					  NAMEDATALEN, false, TYPALIGN_CHAR, &elements, &nulls, &n);
	EPS_ENSURE(n == 2 * rule->nsteps + 1, "an owner path in the policy book has a wrong length");
	rule->columns = palloc(sizeof(char *) * n);
	for (int i = 0; i < n; i++)
		rule->columns[i] = nulls[i] ? pstrdup("") : pstrdup(NameStr(*DatumGetName(elements[i])));
	return rule;
}

static int
compare_grants(const ListCell *a, const ListCell *b)
{
	const EpsBookGrant *x = lfirst(a);
	const EpsBookGrant *y = lfirst(b);

	if (x->since != y->since)
		return x->since < y->since ? -1 : 1;
	return (x->grant.role > y->grant.role) - (x->grant.role < y->grant.role);
}

static EpsDataset *
dataset_of(const EpsPolicyBook *book, int32 dataset_id)
{
	ListCell   *lc;

	foreach(lc, book->datasets)
	{
		EpsDataset *dataset = lfirst(lc);

		if (dataset->id == dataset_id)
			return dataset;
	}
	EPS_ENSURE(false, "a rule in the policy book names no data set");
	return NULL;
}

static void
read_pads(EpsPolicyBook *book)
{
	BookScan	scan;

	scan_open(&scan, &book->tables, EPS_BOOK_PAD);
	while (scan_next(&scan))
	{
		EpsDataset *dataset = dataset_of(book, DatumGetInt32(scan.values[PAD_DATASET]));
		int32		quantum = DatumGetInt32(scan.values[PAD_QUANTUM]);
		int32		deadline = DatumGetInt32(scan.values[PAD_DEADLINE]);

		EPS_ENSURE(quantum > 0 && deadline >= quantum && deadline % quantum == 0,
				   "a quantum in the policy book is out of range");
		dataset->pad_quantum_ms = quantum;
		dataset->pad_moments = deadline / quantum;
	}
	scan_close(&scan);
}

static void
read_datasets_and_purposes(EpsPolicyBook *book)
{
	BookScan	scan;

	scan_open(&scan, &book->tables, EPS_BOOK_DATASET);
	while (scan_next(&scan))
	{
		book->datasets = lappend(book->datasets, read_dataset(&scan));
		count_change(&scan, DATASET_CREATED_AT);
		count_change(&scan, DATASET_CLOSED_AT);
	}
	book->version += scan.changes;
	scan_close(&scan);

	scan_open(&scan, &book->tables, EPS_BOOK_PURPOSE);
	while (scan_next(&scan))
	{
		EpsPurpose *purpose = read_purpose(&scan);

		book->purposes = lappend(book->purposes, purpose);
		dataset_of(book, purpose->dataset_id)->requires_purpose = true;
	}
	book->version += scan.changes;
	scan_close(&scan);
}

static void
add_rule(EpsPolicyBook *book, EpsRule *rule)
{
	EpsDataset *dataset = dataset_of(book, rule->dataset_id);
	int64		rows = rule->rows_per_owner > 0 ? rule->rows_per_owner : dataset->rows_per_owner;

	book->rules = lappend(book->rules, rule);
	dataset->largest_rows_per_owner = Max(dataset->largest_rows_per_owner, rows);
}

EpsPolicyBook *
eps_policy_book_read(const EpsBookTables *tables)
{
	EpsPolicyBook *book = palloc0(sizeof(EpsPolicyBook));
	BookScan	scan;

	book->tables = *tables;
	read_datasets_and_purposes(book);
	read_pads(book);

	scan_open(&scan, tables, EPS_BOOK_ANALYST);
	while (scan_next(&scan))
		book->grants = lappend(book->grants, read_grant(&scan));
	scan_close(&scan);
	list_sort(book->grants, compare_grants);

	scan_open(&scan, tables, EPS_BOOK_PROTECTED);
	while (scan_next(&scan))
		add_rule(book, read_rule(&scan));
	book->version += scan.changes;
	scan_close(&scan);

	scan_open(&scan, tables, EPS_BOOK_PUBLIC);
	while (scan_next(&scan))
		book->publics = lappend_oid(book->publics, DatumGetObjectId(scan.values[PUBLIC_RELATION]));
	book->version += scan.changes;
	scan_close(&scan);

	/* facts are read relation by relation; here they are only counted */
	scan_open(&scan, tables, EPS_BOOK_FACT);
	while (scan_next(&scan))
		continue;
	book->version += scan.changes;
	scan_close(&scan);
	return book;
}

List *
eps_policy_book_facts(const EpsBookTables *tables, Oid relid)
{
	List	   *result = NIL;
	BookScan	scan;

	scan_open(&scan, tables, EPS_BOOK_FACT);
	while (scan_next(&scan))
	{
		EpsFactRow *row;

		if (DatumGetObjectId(scan.values[FACT_RELATION]) != relid)
			continue;
		row = palloc0(sizeof(EpsFactRow));
		row->column = pstrdup(NameStr(*DatumGetName(scan.values[FACT_COLUMN])));
		if (!scan.nulls[FACT_LOWER])
			row->lower = DatumGetNumericCopy(scan.values[FACT_LOWER]);
		if (!scan.nulls[FACT_UPPER])
			row->upper = DatumGetNumericCopy(scan.values[FACT_UPPER]);
		if (!scan.nulls[FACT_DOMAIN])
		{
			row->has_domain = true;
			row->domain = text_array(scan.values[FACT_DOMAIN], &row->ndomain);
		}
		result = lappend(result, row);
	}
	scan_close(&scan);
	return result;
}
