/*
 * bundle.c
 *	  Bundles of entries (C2SP tlog-tiles): each entry with its length before it.
 */
#include "cli/cli_internal.h"

EpsStatus
eps_cli_bundle_read(const uint8_t *at[256], unsigned width, const uint8_t *in, size_t len)
{
	EpsCursor	c = {in, in + len};

	if (width > EPS_CLI_BUNDLE)
		return EPS_E_RANGE;
	for (unsigned i = 0; i < width; i++)
	{
		uint16_t	entry_len;

		if (eps_base_read_u16(&entry_len, &c) != EPS_OK || entry_len != EPS_ENTRY_LEN ||
			eps_base_read_bytes(&at[i], &c, entry_len) != EPS_OK)
			return EPS_E_FORMAT;
	}
	return c.at == c.end ? EPS_OK : EPS_E_FORMAT;
}
