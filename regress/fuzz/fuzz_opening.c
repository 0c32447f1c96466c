/*
 * fuzz_opening.c
 *	  Openings: what is read is written as it was, and its fields lie in the input.
 */
#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t    *copy = fuzz_copy(data, size);
	uint8_t		r[32];
	EpsField	field[EPS_ENTRY_FIELDS];
	EpsHash		root;

	if (eps_ledger_opening_read(r, field, copy, size) == EPS_OK)
	{
		uint8_t    *again = malloc(size);

		FUZZ_CHECK(again != NULL && eps_ledger_opening_len(field) == size);
		for (int i = 0; i < EPS_ENTRY_FIELDS; i++)
			FUZZ_CHECK(field[i].bytes >= copy && field[i].bytes + field[i].len <= copy + size);
		eps_ledger_opening_write(again, r, field);
		FUZZ_CHECK(memcmp(again, copy, size) == 0);
		eps_ledger_fields_root(&root, r, field);
		free(again);
	}
	free(copy);
	return 0;
}
