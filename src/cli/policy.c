/*
 * policy.c
 *	  What was promised, from policy entries: their text is the row of the policy
 *	  table as it stands after the change.
 */
#include "cli/cli_internal.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>

/* A bigint that is not negative. */
static bool
get_units(uint64_t *out, const json_t *row, const char *name)
{
	const json_t *value = json_object_get(row, name);

	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return false;
	*out = (uint64_t) json_integer_value(value);
	return true;
}

static bool
text_is(const json_t *row, const char *name, const char *wanted)
{
	const char *value = json_string_value(json_object_get(row, name));

	return value != NULL && strcmp(value, wanted) == 0;
}

static bool
read_promise(EpsCliDataset *out, const json_t *row)
{
	uint64_t	capacity;
	uint64_t	number;

	if (!get_units(&number, row, "dataset_id") || number != out->number ||
		!get_units(&out->cap, row, "cap_units") || !get_units(&out->standard, row, "standard_units") ||
		!get_units(&out->side, row, "side_units") || !get_units(&out->delta_limit, row, "delta_units") ||
		!get_units(&capacity, row, "capacity") || capacity > (uint64_t) 1 << EPS_MAP_MAX_DEPTH)
		return false;
	out->pure = text_is(row, "accountant", "pure");
	out->worst_case = text_is(row, "new_owners", "worst_case");
	out->capacity = (uint32_t) capacity;
	return (out->pure || text_is(row, "accountant", "zcdp")) && (out->worst_case || text_is(row, "new_owners", "zero"));
}

/* A promise stays as it was made; only what new owners begin with may be tightened. */
static const char *
change_promise(EpsCliDataset *d, const json_t *row, bool insert)
{
	EpsCliDataset fresh = {.number = d->number};

	if (!read_promise(&fresh, row))
		return "does not say what was promised";
	if (insert == d->known)
		return insert ? "makes a data set that exists" : "changes a data set that does not exist";
	if (!insert && (fresh.cap != d->cap || fresh.standard != d->standard || fresh.side != d->side ||
					fresh.delta_limit != d->delta_limit || fresh.pure != d->pure ||
					fresh.capacity != d->capacity || (d->worst_case && !fresh.worst_case)))
		return "changes a promise";
	d->tightened |= !insert && fresh.worst_case && !d->worst_case;
	d->worst_case = fresh.worst_case;
	d->cap = fresh.cap;
	d->standard = fresh.standard;
	d->side = fresh.side;
	d->delta_limit = fresh.delta_limit;
	d->pure = fresh.pure;
	d->capacity = fresh.capacity;
	d->known = true;
	return NULL;
}

/* "insert dataset" and the like */
static bool
field_is(EpsField field, const char *wanted)
{
	return field.len == strlen(wanted) && memcmp(field.bytes, wanted, field.len) == 0;
}

static const char *
wrong_policy(EpsCliVerifier *v, const EpsEntry *entry, const EpsField field[EPS_ENTRY_FIELDS], const json_t *row)
{
	EpsField	action = field[3];
	EpsCliDataset *d;

	if (!json_is_object(row))
		return "is no JSON object";
	if (field_is(action, "delete dataset"))
		return "takes a promise back";
	if (!field_is(action, "insert dataset") && !field_is(action, "update dataset"))
		return NULL;
	d = entry->dataset == 0 ? NULL : eps_cli_dataset(v, entry->dataset);
	return d == NULL ? "names no data set" : change_promise(d, row, action.bytes[0] == 'i');
}

void
eps_cli_policy_entry(EpsCliVerifier *v, const EpsEntry *entry, const EpsField field[EPS_ENTRY_FIELDS])
{
	json_error_t error;
	json_t	   *row = json_loadb((const char *) field[0].bytes, field[0].len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
	const char *wrong = wrong_policy(v, entry, field, row);

	json_decref(row);
	v->verdict->result[EPS_CLI_POLICY].checked++;
	if (wrong == NULL)
		return;
	eps_cli_fail(v, EPS_CLI_POLICY, entry->seq, "the policy entry %" PRIu64 " %s", entry->seq, wrong);
	v->folding = false;
}
