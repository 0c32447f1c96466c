/*
 * keyform.c
 *	  Group keys in canonical form: equal keys have equal bytes and one look, so
 *	  that nothing shown depends on which of an owner's rows came first.
 *
 * A type is taken if its default btree operator class says that equality is
 * equality of bytes (BTEQUALIMAGE_PROC), or if its canonical form is known here.
 */
#include "postgres.h"

#include <math.h>

#include "pg/exec/exec_internal.h"

#include "access/nbtree.h"
#include "catalog/pg_am.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/float.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/pg_locale.h"

static bool
equality_is_of_bytes(Oid type, Oid collation)
{
	Oid			opclass = GetDefaultOpClass(type, BTREE_AM_OID);
	Oid			input;
	Oid			proc;

	if (!OidIsValid(opclass))
		return false;
	input = get_opclass_input_type(opclass);
	proc = get_opfamily_proc(get_opclass_family(opclass), input, input, BTEQUALIMAGE_PROC);
	if (!OidIsValid(proc))
		return false;
	return DatumGetBool(OidFunctionCall1Coll(proc, collation, ObjectIdGetDatum(input)));
}

static void
refuse_type(Oid type)
{
	ereport(ERROR,
			(errcode(EPS_ERRCODE_GROUPS),
			 errmsg("type %s cannot be a key of GROUP BY here", format_type_be(type)),
			 errdetail("Equal values of it may look different, so what is shown would depend on single rows."),
			 errhint("Cast the key, for example to text.")));
}

static EpsKeyFormKind
kind_of_type(const EpsKeyForm *form)
{
	switch (form->type)
	{
		case FLOAT4OID:
			return EPS_FORM_FLOAT4;
		case FLOAT8OID:
			return EPS_FORM_FLOAT8;
		case NUMERICOID:
			return EPS_FORM_NUMERIC;
		case NAMEOID:
			return EPS_FORM_CSTRING;
		case BPCHAROID:
			if (OidIsValid(form->collation) && !get_collation_isdeterministic(form->collation))
				refuse_type(form->type);
			return EPS_FORM_BPCHAR;
		default:
			break;
	}
	if (!equality_is_of_bytes(form->type, form->collation))
		refuse_type(form->type);
	if (form->typbyval)
		return EPS_FORM_BYVAL;
	return form->typlen > 0 ? EPS_FORM_FIXED : EPS_FORM_VARLENA;
}

void
eps_exec_key_form(EpsKeyForm *out, const EpsPlanKey *key)
{
	out->type = getBaseType(key->type);
	out->typmod = key->typmod;
	out->collation = key->collation;
	get_typlenbyval(out->type, &out->typlen, &out->typbyval);
	out->mask = ~UINT64CONST(0);
	if (out->typbyval && out->typlen < 8)
		out->mask = (UINT64CONST(1) << (8 * out->typlen)) - 1;
	out->kind = kind_of_type(out);
	EPS_ENSURE(out->typlen != -2 || out->kind == EPS_FORM_CSTRING, "a key is of a pseudo type");
}

static float8
one_float8(float8 x)
{
	if (isnan(x))
		return get_float8_nan();
	return x == 0 ? 0 : x;
}

static float4
one_float4(float4 x)
{
	if (isnan(x))
		return get_float4_nan();
	return x == 0 ? 0 : x;
}

static void
numeric_bytes(StringInfo buf, Datum value)
{
	EpsNumericView v;
	int16		head[3];

	eps_exec_numeric_view(&v, (const struct varlena *) PG_DETOAST_DATUM_PACKED(value));
	head[0] = (int16) ((v.is_nan ? 4 : 0) | (v.is_infinite ? 2 : 0) | (v.negative ? 1 : 0));
	head[1] = (int16) (v.ndigits > 0 ? v.weight : 0);
	head[2] = (int16) v.ndigits;
	appendBinaryStringInfo(buf, (const char *) head, sizeof(head));
	if (v.ndigits > 0)
		appendBinaryStringInfo(buf, v.digits, v.ndigits * (int) sizeof(int16));
}

static void
counted_bytes(StringInfo buf, const char *data, int32 len)
{
	appendBinaryStringInfo(buf, (const char *) &len, sizeof(len));
	appendBinaryStringInfo(buf, data, len);
}

static int
length_without_blanks(const char *data, int len)
{
	while (len > 0 && data[len - 1] == ' ')
		len--;
	return len;
}

void
eps_exec_key_bytes(StringInfo buf, const EpsKeyForm *form, Datum value)
{
	const struct varlena *v;
	uint64		plain;
	float4		f4;
	float8		f8;

	switch (form->kind)
	{
		case EPS_FORM_BYVAL:
			plain = (uint64) value & form->mask;
			appendBinaryStringInfo(buf, (const char *) &plain, sizeof(plain));
			break;
		case EPS_FORM_FLOAT4:
			f4 = one_float4(DatumGetFloat4(value));
			appendBinaryStringInfo(buf, (const char *) &f4, sizeof(f4));
			break;
		case EPS_FORM_FLOAT8:
			f8 = one_float8(DatumGetFloat8(value));
			appendBinaryStringInfo(buf, (const char *) &f8, sizeof(f8));
			break;
		case EPS_FORM_NUMERIC:
			numeric_bytes(buf, value);
			break;
		case EPS_FORM_BPCHAR:
			v = (const struct varlena *) PG_DETOAST_DATUM_PACKED(value);
			counted_bytes(buf, VARDATA_ANY(v),
						  length_without_blanks(VARDATA_ANY(v), (int) VARSIZE_ANY_EXHDR(v)));
			break;
		case EPS_FORM_VARLENA:
			v = (const struct varlena *) PG_DETOAST_DATUM_PACKED(value);
			counted_bytes(buf, VARDATA_ANY(v), (int32) VARSIZE_ANY_EXHDR(v));
			break;
		case EPS_FORM_CSTRING:
			counted_bytes(buf, DatumGetCString(value), (int32) strlen(DatumGetCString(value)));
			break;
		case EPS_FORM_FIXED:
			appendBinaryStringInfo(buf, DatumGetPointer(value), form->typlen);
			break;
	}
}

/* The scale of a numeric typmod, as utils/adt/numeric.c packs it. */
static int32
scale_of_typmod(int32 typmod)
{
	return (((typmod - (int32) VARHDRSZ) & 0x7ff) ^ 1024) - 1024;
}

static Datum
canonical_numeric(const EpsKeyForm *form, Datum value)
{
	if (form->typmod >= (int32) VARHDRSZ)
		return DirectFunctionCall2(numeric_round, value, Int32GetDatum(scale_of_typmod(form->typmod)));
	return DirectFunctionCall1(numeric_trim_scale, value);
}

Datum
eps_exec_key_canonical(const EpsKeyForm *form, Datum value)
{
	const struct varlena *v;

	switch (form->kind)
	{
		case EPS_FORM_FLOAT4:
			return Float4GetDatum(one_float4(DatumGetFloat4(value)));
		case EPS_FORM_FLOAT8:
			return Float8GetDatum(one_float8(DatumGetFloat8(value)));
		case EPS_FORM_NUMERIC:
			return canonical_numeric(form, value);
		case EPS_FORM_BPCHAR:
			/* with a typmod all values are padded to one length already */
			v = (const struct varlena *) PG_DETOAST_DATUM_PACKED(value);
			if (form->typmod >= (int32) VARHDRSZ)
				return PointerGetDatum(cstring_to_text_with_len(VARDATA_ANY(v), (int) VARSIZE_ANY_EXHDR(v)));
			return PointerGetDatum(cstring_to_text_with_len(VARDATA_ANY(v),
															length_without_blanks(VARDATA_ANY(v), (int) VARSIZE_ANY_EXHDR(v))));
		case EPS_FORM_VARLENA:
			return PointerGetDatum(PG_DETOAST_DATUM_COPY(value));
		default:
			return datumCopy(value, form->typbyval, form->typlen);
	}
}
