/*
 * plan_list.c
 *	  The release plan as a list of Const, String and List nodes, which the
 *	  planner can copy, print and compare.
 *
 * Writer and reader walk the fields in the same order; both call the same
 * field functions through a small cursor, so that order stands in one place.
 */
#include "postgres.h"

#include "pg/release/release_internal.h"

#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/value.h"

/* Raised with any change of the field order: a plan list never outlives a
 * backend, so another number can only be memory gone wrong. */
#define PLAN_LIST_VERSION 3

typedef struct PlanCursor
{
	List	   *out;			/* when writing */
	const List *in;				/* when reading */
	int			at;
	bool		reading;
} PlanCursor;

static const Node *
next_node(PlanCursor *c)
{
	EPS_ENSURE(c->at < list_length(c->in), "release plan list is too short");
	return (const Node *) list_nth(c->in, c->at++);
}

static const Const *
next_const(PlanCursor *c, Oid type)
{
	const Node *node = next_node(c);

	EPS_ENSURE(node != NULL && IsA(node, Const), "release plan list holds another node");
	EPS_ENSURE(((const Const *) node)->consttype == type && !((const Const *) node)->constisnull,
			   "release plan list holds another constant");
	return (const Const *) node;
}

static void
field_int64(PlanCursor *c, int64 *value)
{
	if (c->reading)
		*value = DatumGetInt64(next_const(c, INT8OID)->constvalue);
	else
		c->out = lappend(c->out, makeConst(INT8OID, -1, InvalidOid, 8, Int64GetDatum(*value),
										   false, FLOAT8PASSBYVAL));
}

static void
field_int32(PlanCursor *c, int32 *value)
{
	int64		wide = *value;

	field_int64(c, &wide);
	*value = (int32) wide;
}

static void
field_oid(PlanCursor *c, Oid *value)
{
	int64		wide = *value;

	field_int64(c, &wide);
	*value = (Oid) wide;
}

static void
field_bool(PlanCursor *c, bool *value)
{
	int64		wide = *value;

	field_int64(c, &wide);
	*value = wide != 0;
}

static void
field_double(PlanCursor *c, double *value)
{
	if (c->reading)
		*value = DatumGetFloat8(next_const(c, FLOAT8OID)->constvalue);
	else
		c->out = lappend(c->out, makeConst(FLOAT8OID, -1, InvalidOid, 8, Float8GetDatum(*value),
										   false, FLOAT8PASSBYVAL));
}

static void
field_string(PlanCursor *c, char **value)
{
	if (c->reading)
	{
		const Node *node = next_node(c);

		EPS_ENSURE(node != NULL && IsA(node, String), "release plan list holds no string");
		*value = pstrdup(strVal(node));
	}
	else
		c->out = lappend(c->out, makeString(pstrdup(*value ? *value : "")));
}

static void
field_list(PlanCursor *c, List **value)
{
	if (c->reading)
		*value = (List *) copyObject(next_node(c));
	else
		c->out = lappend(c->out, copyObject(*value));
}

/* Enums have no common type: each is read and written as an int. */
#define field_enum(c, value, type) \
	do { \
		int32 eps_number = (int32) *(value); \
		field_int32(c, &eps_number); \
		*(value) = (type) eps_number; \
	} while (0)

/* An array's length is a field of its own; its memory is made when reading. */
#define field_array(c, array, n, type) \
	do { \
		field_int32(c, n); \
		EPS_ENSURE(*(n) >= 0, "release plan list holds a negative length"); \
		if ((c)->reading) \
			(array) = palloc0(sizeof(type) * Max(*(n), 1)); \
	} while (0)

static void
fields_of_key(PlanCursor *c, EpsPlanKey *key)
{
	field_oid(c, &key->type);
	field_int32(c, &key->typmod);
	field_oid(c, &key->collation);
	field_bool(c, &key->nullable);
	field_enum(c, &key->domain, EpsDomainKind);
	field_list(c, &key->values);
	field_int64(c, &key->lo);
	field_int64(c, &key->hi);
}

static void
fields_of_column(PlanCursor *c, EpsPlanColumn *column)
{
	field_oid(c, &column->type);
	field_bool(c, &column->summed);
	field_bool(c, &column->distinct);
	field_oid(c, &column->collation);
	field_int32(c, &column->scale10);
	field_int32(c, &column->scale2);
	field_int64(c, &column->lower);
	field_int64(c, &column->upper);
	field_int64(c, &column->center);
}

static void
fields_of_coord(PlanCursor *c, EpsPlanCoord *coord)
{
	field_enum(c, &coord->kind, EpsCoordKind);
	field_int32(c, &coord->column);
	field_int64(c, &coord->most);
	field_double(c, &coord->weight);
}

static void
fields_of_output(PlanCursor *c, EpsPlanOutput *output)
{
	field_enum(c, &output->kind, EpsOutputKind);
	field_enum(c, &output->agg, EpsAggKind);
	field_int32(c, &output->num);
	field_int32(c, &output->den);
	field_oid(c, &output->type);
	field_double(c, &output->confidence);
}

static void
fields_of_plan(PlanCursor *c, EpsReleasePlan *plan)
{
	field_int32(c, &plan->dataset_id);
	field_enum(c, &plan->family, EpsKeyFamily);
	field_oid(c, &plan->owner_type);
	field_oid(c, &plan->owner_collation);
	field_int64(c, &plan->rows_per_owner);
	field_int64(c, &plan->groups_per_owner);
	field_bool(c, &plan->owner_unique);
	field_bool(c, &plan->has_groups);
	field_array(c, plan->keys, &plan->nkeys, EpsPlanKey);
	for (int i = 0; i < plan->nkeys; i++)
		fields_of_key(c, &plan->keys[i]);
	field_array(c, plan->columns, &plan->ncolumns, EpsPlanColumn);
	for (int i = 0; i < plan->ncolumns; i++)
		fields_of_column(c, &plan->columns[i]);
	field_array(c, plan->coords, &plan->ncoords, EpsPlanCoord);
	for (int i = 0; i < plan->ncoords; i++)
		fields_of_coord(c, &plan->coords[i]);
	field_int32(c, &plan->owners_coord);
	field_array(c, plan->outputs, &plan->noutputs, EpsPlanOutput);
	for (int i = 0; i < plan->noutputs; i++)
		fields_of_output(c, &plan->outputs[i]);
	field_list(c, &plan->relations);
	field_string(c, &plan->fingerprint);
	field_list(c, &plan->inner);
	field_list(c, &plan->publics);
	field_list(c, &plan->stable);
	field_bool(c, &plan->repeatable);
	field_string(c, &plan->title);
}

List *
eps_release_plan_to_list(const EpsReleasePlan *plan)
{
	PlanCursor	c = {0};
	EpsReleasePlan copy = *plan;	/* the field functions take what they may write */
	int32		version = PLAN_LIST_VERSION;

	field_int32(&c, &version);
	fields_of_plan(&c, &copy);
	return c.out;
}

EpsReleasePlan *
eps_release_plan_from_list(const List *list)
{
	PlanCursor	c = {.in = list,.reading = true};
	EpsReleasePlan *plan = palloc0(sizeof(EpsReleasePlan));
	int32		version = 0;

	field_int32(&c, &version);
	EPS_ENSURE(version == PLAN_LIST_VERSION, "release plan list has another version");
	fields_of_plan(&c, plan);
	EPS_ENSURE(c.at == list_length(list), "release plan list is too long");
	return plan;
}
