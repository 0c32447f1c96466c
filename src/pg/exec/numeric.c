/*
 * numeric.c
 *	  Reads a numeric without converting it: its digits in place.
 *
 * The layout is that of utils/adt/numeric.c, which is on disk and therefore
 * fixed; its struct is not in a header.  Doing it by the server's functions
 * costs about 300 ns a row.
 */
#include "postgres.h"

#include "pg/exec/exec_internal.h"

#define SIGN_MASK		0xC000
#define SIGN_NEGATIVE	0x4000
#define SIGN_SHORT		0x8000
#define SIGN_SPECIAL	0xC000
#define SPECIAL_MASK	0xF000
#define SPECIAL_NAN		0xC000
#define SPECIAL_PLUS	0xD000
#define SHORT_NEGATIVE	0x2000
#define SHORT_WEIGHT_NEGATIVE 0x0040
#define SHORT_WEIGHT_MASK	0x003F

void
eps_exec_numeric_view(EpsNumericView *out, const struct varlena *packed)
{
	const char *data = VARDATA_ANY(packed);
	int			len = (int) VARSIZE_ANY_EXHDR(packed);
	uint16		header;
	int16		weight;

	memset(out, 0, sizeof(*out));
	EPS_ENSURE(len >= (int) sizeof(header), "numeric value is too short");
	memcpy(&header, data, sizeof(header));
	if ((header & SIGN_MASK) == SIGN_SPECIAL)
	{
		out->is_nan = (header & SPECIAL_MASK) == SPECIAL_NAN;
		out->is_infinite = !out->is_nan;
		out->negative = out->is_infinite && (header & SPECIAL_MASK) != SPECIAL_PLUS;
		return;
	}
	data += sizeof(header);
	len -= (int) sizeof(header);
	if ((header & SIGN_MASK) == SIGN_SHORT)
	{
		out->negative = (header & SHORT_NEGATIVE) != 0;
		out->weight = header & SHORT_WEIGHT_MASK;
		if (header & SHORT_WEIGHT_NEGATIVE)
			out->weight |= ~SHORT_WEIGHT_MASK;
	}
	else
	{
		EPS_ENSURE(len >= (int) sizeof(weight), "numeric value is too short");
		out->negative = (header & SIGN_MASK) == SIGN_NEGATIVE;
		memcpy(&weight, data, sizeof(weight));
		out->weight = weight;
		data += sizeof(weight);
		len -= (int) sizeof(weight);
	}
	out->ndigits = len / (int) sizeof(int16);
	out->digits = data;
}
