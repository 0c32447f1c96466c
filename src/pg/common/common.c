/*
 * common.c
 *	  From core status codes to server errors.
 */
#include "pg/common/common.h"

/* The server's own SQLSTATE that a failed core call stands for. */
static int
status_errcode(EpsStatus status)
{
	switch (status)
	{
		case EPS_E_RANGE:
		case EPS_E_OVERFLOW:
			return ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE;
		case EPS_E_FORMAT:
		case EPS_E_AUTH:
			return ERRCODE_DATA_CORRUPTED;
		case EPS_E_ENTROPY:
			return ERRCODE_SYSTEM_ERROR;
		case EPS_OK:
		case EPS_E_SPACE:
		case EPS_E_INTERNAL:
			break;
	}
	return ERRCODE_INTERNAL_ERROR;
}

void
eps_common_check(EpsStatus status, const char *what)
{
	if (likely(status == EPS_OK))
		return;
	ereport(ERROR,
			(errcode(status_errcode(status)),
			 errmsg("%s failed", what),
			 errdetail("The status is: %s.", eps_base_status_text(status))));
}
