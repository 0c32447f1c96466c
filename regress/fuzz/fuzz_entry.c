/*
 * fuzz_entry.c
 *	  Entries and their bodies: what is read is written as it was.
 */
#include "fuzz.h"

static void
check_body(const EpsEntry *entry)
{
	uint8_t		again[EPS_ENTRY_BODY_LEN];
	EpsKeyBody	key;
	EpsAnswersBody answers;
	EpsOwnersBody owners;

	switch (entry->kind)
	{
		case EPS_ENTRY_KEY:
			eps_ledger_key_read(&key, entry->body);
			eps_ledger_key_write(again, &key);
			break;
		case EPS_ENTRY_ANSWERS:
			FUZZ_CHECK(eps_ledger_answers_read(&answers, entry->body) == EPS_OK);
			eps_ledger_answers_write(again, &answers);
			break;
		case EPS_ENTRY_OWNERS:
			FUZZ_CHECK(eps_ledger_owners_read(&owners, entry->body) == EPS_OK);
			eps_ledger_owners_write(again, &owners);
			break;
		default:
			memset(again, 0, sizeof(again));
			break;
	}
	FUZZ_CHECK(memcmp(again, entry->body, sizeof(again)) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t		again[EPS_ENTRY_LEN];
	EpsEntry	entry;
	uint8_t    *copy;

	if (size != EPS_ENTRY_LEN)
		return 0;
	copy = fuzz_copy(data, size);
	if (eps_ledger_entry_read(&entry, copy) == EPS_OK)
	{
		FUZZ_CHECK(eps_ledger_kind_name((int) entry.kind) != NULL);
		eps_ledger_entry_write(again, &entry);
		FUZZ_CHECK(memcmp(again, copy, sizeof(again)) == 0);
		check_body(&entry);
	}
	free(copy);
	return 0;
}
