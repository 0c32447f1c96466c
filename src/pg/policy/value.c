/*
 * value.c
 *	  Listed values: the text that a steward gave, as a datum of the column's
 *	  type.
 *
 * Input functions raise errors, and an error here would strike every query of
 * the relation; so the text is judged first, and the type's own input function
 * only called where it cannot fail.  Only builtin types and enums are read.
 */
#include "pg/policy/policy_internal.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_enum.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/lsyscache.h"
#include "utils/sortsupport.h"
#include "utils/syscache.h"
#include "utils/typcache.h"
#include "utils/uuid.h"

#define MAX_NUMBER_LENGTH 200

bool
eps_policy_has_listed_domain(Oid type)
{
	switch (type)
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case BOOLOID:
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
		case UUIDOID:
		case NUMERICOID:
		case FLOAT4OID:
		case FLOAT8OID:
		case DATEOID:
			return true;
		default:
			return get_typtype(type) == TYPTYPE_ENUM;
	}
}

static bool
parse_integer(Datum *out, const char *text, int64 lowest, int64 highest, Oid type)
{
	char	   *end;
	long long	value;

	errno = 0;
	value = strtoll(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || value < lowest || value > highest)
		return false;
	if (type == INT2OID)
		*out = Int16GetDatum((int16) value);
	else if (type == INT4OID)
		*out = Int32GetDatum((int32) value);
	else
		*out = Int64GetDatum((int64) value);
	return true;
}

/* [+-] digits [. digits], at least one digit, nothing else. */
static bool
is_plain_decimal(const char *text)
{
	size_t		digits = 0;
	size_t		points = 0;

	if (strlen(text) > MAX_NUMBER_LENGTH)
		return false;
	if (*text == '+' || *text == '-')
		text++;
	for (; *text != '\0'; text++)
	{
		if (*text == '.')
			points++;
		else if (*text >= '0' && *text <= '9')
			digits++;
		else
			return false;
	}
	return digits > 0 && points <= 1;
}

static bool
parse_numeric(Datum *out, const char *text)
{
	if (!is_plain_decimal(text))
		return false;
	*out = DirectFunctionCall3(numeric_in, CStringGetDatum(text), ObjectIdGetDatum(InvalidOid),
							   Int32GetDatum(-1));
	return true;
}

static bool
parse_float(Datum *out, const char *text, Oid type)
{
	char	   *end;
	double		value;

	errno = 0;
	value = type == FLOAT4OID ? (double) strtof(text, &end) : strtod(text, &end);
	if (errno != 0 || end == text || *end != '\0' || !isfinite(value))
		return false;
	*out = type == FLOAT4OID ? Float4GetDatum((float4) value) : Float8GetDatum(value);
	return true;
}

static bool
parse_boolean(Datum *out, const char *text)
{
	bool		value;

	if (!parse_bool(text, &value))
		return false;
	*out = BoolGetDatum(value);
	return true;
}

static bool
parse_uuid(Datum *out, const char *text)
{
	if (strlen(text) != 36)
		return false;
	for (int i = 0; i < 36; i++)
	{
		bool		dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? text[i] != '-' : !isxdigit((unsigned char) text[i]))
			return false;
	}
	*out = DirectFunctionCall1(uuid_in, CStringGetDatum(text));
	return true;
}

/* YYYY-MM-DD: the one form that no DateStyle reads otherwise. */
static bool
parse_date(Datum *out, const char *text)
{
	int			year,
				month,
				day;

	if (strlen(text) != 10 || strspn(text, "0123456789-") != 10 || text[4] != '-' || text[7] != '-')
		return false;
	if (sscanf(text, "%4d-%2d-%2d", &year, &month, &day) != 3)
		return false;
	if (year < 1 || month < 1 || month > 12 || day < 1 || day > day_tab[isleap(year)][month - 1])
		return false;
	*out = DateADTGetDatum(date2j(year, month, day) - POSTGRES_EPOCH_JDATE);
	return true;
}

static bool
parse_varchar(Datum *out, const char *text, int32 typmod)
{
	if (typmod >= (int32) VARHDRSZ && pg_mbstrlen(text) > typmod - (int32) VARHDRSZ)
		return false;
	*out = CStringGetTextDatum(text);
	return true;
}

static bool
parse_bpchar(Datum *out, const char *text, int32 typmod)
{
	char	   *trimmed = pstrdup(text);
	size_t		length = strlen(trimmed);

	while (length > 0 && trimmed[length - 1] == ' ')
		trimmed[--length] = '\0';
	if (typmod >= (int32) VARHDRSZ && pg_mbstrlen(trimmed) > typmod - (int32) VARHDRSZ)
		return false;
	*out = DirectFunctionCall3(bpcharin, CStringGetDatum(trimmed), ObjectIdGetDatum(InvalidOid),
							   Int32GetDatum(typmod));
	return true;
}

/* Not enum_in: that one refuses a label that is new in this transaction. */
static bool
parse_enum(Datum *out, const char *text, Oid type)
{
	NameData	label;
	HeapTuple	tuple;

	if (strlen(text) >= NAMEDATALEN)
		return false;
	namestrcpy(&label, text);
	tuple = SearchSysCache2(ENUMTYPOIDNAME, ObjectIdGetDatum(type), NameGetDatum(&label));
	if (!HeapTupleIsValid(tuple))
		return false;
	*out = ObjectIdGetDatum(((Form_pg_enum) GETSTRUCT(tuple))->oid);
	ReleaseSysCache(tuple);
	return true;
}

bool
eps_policy_parse_value(Datum *out, const char *text, Oid type, int32 typmod)
{
	switch (type)
	{
		case INT2OID:
			return parse_integer(out, text, PG_INT16_MIN, PG_INT16_MAX, type);
		case INT4OID:
			return parse_integer(out, text, PG_INT32_MIN, PG_INT32_MAX, type);
		case INT8OID:
			return parse_integer(out, text, PG_INT64_MIN, PG_INT64_MAX, type);
		case NUMERICOID:
			return parse_numeric(out, text);
		case FLOAT4OID:
		case FLOAT8OID:
			return parse_float(out, text, type);
		case BOOLOID:
			return parse_boolean(out, text);
		case UUIDOID:
			return parse_uuid(out, text);
		case DATEOID:
			return parse_date(out, text);
		case TEXTOID:
			*out = CStringGetTextDatum(text);
			return true;
		case VARCHAROID:
			return parse_varchar(out, text, typmod);
		case BPCHAROID:
			return parse_bpchar(out, text, typmod);
		default:
			return get_typtype(type) == TYPTYPE_ENUM && parse_enum(out, text, type);
	}
}

static int
compare_values(const void *a, const void *b, void *arg)
{
	return ApplySortComparator(*(const Datum *) a, false, *(const Datum *) b, false, arg);
}

const char *
eps_policy_parse_domain(Datum **out, char *const *text, int n, Oid type, int32 typmod, Oid collation)
{
	TypeCacheEntry *entry = lookup_type_cache(type, TYPECACHE_LT_OPR);
	SortSupportData sort = {.ssup_cxt = CurrentMemoryContext,.ssup_collation = collation};
	Datum	   *values = palloc(sizeof(Datum) * Max(n, 1));

	if (!eps_policy_has_listed_domain(type) || !OidIsValid(entry->lt_opr))
		return "Columns of this type cannot have a list of values.";
	for (int i = 0; i < n; i++)
	{
		if (!eps_policy_parse_value(&values[i], text[i], type, typmod))
			return "A listed value is not a value of the column's type.";
	}
	PrepareSortSupportFromOrderingOp(entry->lt_opr, &sort);
	qsort_arg(values, n, sizeof(Datum), compare_values, &sort);
	for (int i = 1; i < n; i++)
	{
		if (compare_values(&values[i - 1], &values[i], &sort) == 0)
			return "A value is listed twice.";
	}
	*out = values;
	return NULL;
}
