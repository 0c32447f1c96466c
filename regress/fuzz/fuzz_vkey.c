/*
 * fuzz_vkey.c
 *	  Verifier keys: what is read is written as it was, of one type only.
 *
 * The key's id is a hash: so the input is also taken as type, key and name, of
 * which a verifier key is made.
 */
#include "fuzz.h"

static void
check_read(const char *in, size_t len)
{
	char		name[128];
	uint8_t		key[32];
	char		again[256];
	bool		log = eps_ledger_vkey_read(name, key, in, len) == EPS_OK;

	if (log)
	{
		FUZZ_CHECK(eps_ledger_vkey_write(again, name, key) == EPS_OK);
		FUZZ_CHECK(strlen(again) == len && memcmp(again, in, len) == 0);
	}
	if (eps_ledger_cosigner_vkey_read(name, key, in, len) == EPS_OK)
	{
		FUZZ_CHECK(!log);
		FUZZ_CHECK(eps_ledger_cosigner_vkey_write(again, name, key) == EPS_OK);
		FUZZ_CHECK(strlen(again) == len && memcmp(again, in, len) == 0);
	}
}

static void
check_write(const uint8_t *key, const uint8_t *bytes, size_t len)
{
	char		vkey[256];
	char		again[128];
	uint8_t		key_again[32];
	char	   *name = malloc(len + 1);

	FUZZ_CHECK(name != NULL);
	memcpy(name, bytes, len);
	name[len] = '\0';
	if (eps_ledger_vkey_write(vkey, name, key) == EPS_OK)
	{
		FUZZ_CHECK(eps_ledger_vkey_read(again, key_again, vkey, strlen(vkey)) == EPS_OK);
		FUZZ_CHECK(strcmp(name, again) == 0 && memcmp(key, key_again, 32) == 0);
	}
	free(name);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t    *copy = fuzz_copy(data, size);

	check_read((const char *) copy, size);
	if (size >= 32)
		check_write(copy, copy + 32, size - 32);
	free(copy);
	return 0;
}
