/*
 * fuzz_charges.c
 *	  Charges with their bitmaps: what is read is in order, has members below the
 *	  limit, ascending, and is written as it was.
 */
#include "fuzz.h"

#define LIMIT ((uint32_t) 1 << 20)

typedef struct Set
{
	uint32_t   *account;
	uint32_t	n;
} Set;

static void
visit(void *context, uint32_t first, uint32_t last)
{
	Set		   *set = context;

	FUZZ_CHECK(first <= last && last < LIMIT);
	FUZZ_CHECK(set->n == 0 || first > set->account[set->n - 1]);
	for (uint32_t member = first; member <= last; member++)
		set->account[set->n++] = member;
}

static void
check_bitmap(const uint8_t *bytes, size_t len)
{
	Set			set = {malloc(LIMIT * sizeof(uint32_t)), 0};
	EpsStatus	status;

	FUZZ_CHECK(set.account != NULL);
	status = eps_ledger_bitmap_read(bytes, len, LIMIT, NULL, NULL);
	FUZZ_CHECK(eps_ledger_bitmap_read(bytes, len, LIMIT, visit, &set) == status);
	if (status == EPS_OK)
	{
		uint8_t    *again = malloc(len);

		FUZZ_CHECK(again != NULL && set.n > 0);
		FUZZ_CHECK(eps_ledger_bitmap_len(set.account, set.n) == len);
		eps_ledger_bitmap_write(again, set.account, set.n);
		FUZZ_CHECK(memcmp(again, bytes, len) == 0);
		FUZZ_CHECK(eps_ledger_bitmap_read(bytes, len, set.account[set.n - 1], NULL, NULL) != EPS_OK);
		free(again);
	}
	free(set.account);
}

/* Writes the charge after those of before and compares. */
static uint8_t *
check_again(uint8_t *at, const EpsLedgerCharge *charge)
{
	uint8_t		head[8];
	uint8_t    *end = head;

	eps_base_write_u16(&end, charge->level);
	eps_base_write_u16(&end, charge->delta_level);
	eps_base_write_u32(&end, (uint32_t) charge->len);
	FUZZ_CHECK(memcmp(at, head, sizeof(head)) == 0);
	FUZZ_CHECK(charge->bitmap == at + sizeof(head));
	return at + sizeof(head) + charge->len;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t    *copy = fuzz_copy(data, size);
	uint8_t    *at = copy;
	EpsCursor	c = {copy, copy + size};
	EpsLedgerCharge charge;
	uint32_t	before = 0;
	bool		first = true;
	bool		found;

	while (eps_ledger_charge_next(&charge, &found, &c) == EPS_OK && found)
	{
		uint32_t	pair = (uint32_t) charge.level << 16 | charge.delta_level;

		FUZZ_CHECK(first || pair > before);
		at = check_again(at, &charge);
		check_bitmap(charge.bitmap, charge.len);
		before = pair;
		first = false;
	}
	free(copy);
	return 0;
}
