/*
 * key.c
 *	  Owner keys: families, and canonical bytes that agree with "=" across all
 *	  owner columns of a data set (rule 17).
 */
#include "pg/policy/policy_internal.h"

#include "catalog/pg_type.h"
#include "port/pg_bswap.h"
#include "utils/lsyscache.h"
#include "utils/pg_locale.h"
#include "utils/uuid.h"

EpsKeyFamily
eps_policy_key_family(Oid type, Oid collation)
{
	switch (type)
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
			return EPS_KEY_INT;
		case UUIDOID:
			return EPS_KEY_UUID;
		case TEXTOID:
		case VARCHAROID:
			/* Under another collation different bytes can be equal */
			if (OidIsValid(collation) && get_collation_isdeterministic(collation))
				return EPS_KEY_TEXT;
			return EPS_KEY_NONE;
		default:
			return EPS_KEY_NONE;
	}
}

static int64
integer_key(Oid type, Datum key)
{
	switch (type)
	{
		case INT2OID:
			return DatumGetInt16(key);
		case INT4OID:
			return DatumGetInt32(key);
		case INT8OID:
			return DatumGetInt64(key);
		default:
			EPS_ENSURE(false, "an owner key is not of its family");
	}
	return 0;
}

Size
eps_policy_owner_bytes(const uint8 **bytes, uint8 buffer[16], EpsKeyFamily family, Oid type, Datum key)
{
	switch (family)
	{
		case EPS_KEY_INT:
			{
				uint64		big_endian = pg_hton64((uint64) integer_key(type, key));

				memcpy(buffer, &big_endian, sizeof(big_endian));
				*bytes = buffer;
				return sizeof(big_endian);
			}
		case EPS_KEY_UUID:
			*bytes = DatumGetUUIDP(key)->data;
			return UUID_LEN;
		case EPS_KEY_TEXT:
			{
				struct varlena *text = PG_DETOAST_DATUM_PACKED(key);

				*bytes = (const uint8 *) VARDATA_ANY(text);
				return VARSIZE_ANY_EXHDR(text);
			}
		case EPS_KEY_NONE:
			break;
	}
	EPS_ENSURE(false, "an owner key has no family");
	return 0;
}
