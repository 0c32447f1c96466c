/*
 * accounts.c
 *	  Account numbers of integer owner keys that this session has looked up.
 *
 * A look-up in the book costs a keyed hash and a walk through shared memory at
 * random: about a third of the cost of a release with one row an owner.  This
 * table stands in the order of the owner's hash, as partitions do, so a partition
 * meets a piece of it that fits the processor's cache.
 *
 * It is valid for one generation of one book: an account never changes its owner
 * within a generation, and admission refuses a book whose generation has passed.
 * It holds what the backend has read anyway, and is bounded by work_mem.
 */
#include "postgres.h"

#include "pg/exec/exec_internal.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#define FIRST_BITS 12
#define MOST_STEPS 128

typedef struct KnownAccount
{
	uint32		key[2];
	uint32		account;		/* EPS_ACCOUNT_NONE: free */
} KnownAccount;

struct EpsAccounts
{
	MemoryContext context;
	uint64		generation;
	unsigned	bits;
	KnownAccount *slots;
};

/* The last book's; a session asks one data set, mostly. */
static EpsAccounts *known = NULL;

static KnownAccount *
make_slots(MemoryContext context, unsigned bits)
{
	Size		size = sizeof(KnownAccount) << bits;
	KnownAccount *slots = MemoryContextAllocExtended(context, size, MCXT_ALLOC_HUGE | MCXT_ALLOC_NO_OOM);

	if (slots == NULL)
		return NULL;
	eps_exec_advise_huge_pages(slots, size);
	memset(slots, 0xFF, size);
	return slots;
}

/* Half of what one hash table of a query may take. */
static bool
fits_memory(unsigned bits)
{
	return bits < 32 && sizeof(KnownAccount) << bits <= get_hash_memory_limit() / 2;
}

/* Bits of a table for about that many owners, a quarter full: a walk mostly ends where it begins. */
static unsigned
bits_for(uint64 owners)
{
	unsigned	bits = FIRST_BITS;

	while ((uint64) 1 << bits < owners * 4 && fits_memory(bits + 1))
		bits++;
	return bits;
}

/* The table of a book, made for about that many owners if there is none; NULL
 * where there is no memory for one. */
EpsAccounts *
eps_exec_accounts_of(const EpsBook *book, uint64 owners)
{
	MemoryContext context;

	if (known != NULL && known->generation == eps_budget_generation(book))
		return known;
	if (known != NULL)
	{
		context = known->context;
		known = NULL;
		MemoryContextDelete(context);
	}
	context = AllocSetContextCreate(TopMemoryContext, "pg_epsilon accounts", ALLOCSET_SMALL_SIZES);
	known = MemoryContextAllocZero(context, sizeof(EpsAccounts));
	known->context = context;
	known->bits = bits_for(Min(owners, eps_budget_capacity(book)));
	known->slots = make_slots(context, known->bits);
	known->generation = known->slots == NULL ? 0 : eps_budget_generation(book);
	return known->slots == NULL ? NULL : known;
}

/*
 * The slot of a key, or a free one for it; NULL where none is near.  Owners come
 * in the order of their hash, so one end of a table that is too small fills up
 * long before the rest: the walk is cut short, and the table doubled.
 */
static inline KnownAccount *
slot_of(const EpsAccounts *a, uint64 key)
{
	uint64		at = eps_exec_mix(key) >> (64 - a->bits);

	for (int i = 0; i < MOST_STEPS; i++, at++)
	{
		KnownAccount *slot = &a->slots[at & (((uint64) 1 << a->bits) - 1)];

		if (slot->account == EPS_ACCOUNT_NONE ||
			(slot->key[0] == (uint32) key && slot->key[1] == (uint32) (key >> 32)))
			return slot;
	}
	return NULL;
}

void
eps_exec_accounts_prefetch(const EpsAccounts *a, uint64 key)
{
	__builtin_prefetch(&a->slots[eps_exec_mix(key) >> (64 - a->bits)]);
}

uint32
eps_exec_accounts_find(const EpsAccounts *a, uint64 key)
{
	const KnownAccount *slot = slot_of(a, key);

	return slot == NULL ? EPS_ACCOUNT_NONE : slot->account;
}

/* What finds no place is forgotten: it will be looked up again. */
static bool
double_slots(EpsAccounts *a)
{
	KnownAccount *old = a->slots;
	uint64		nold = (uint64) 1 << a->bits;
	KnownAccount *slots;

	if (!fits_memory(a->bits + 1))
		return false;
	slots = make_slots(a->context, a->bits + 1);
	if (slots == NULL)
		return false;
	a->slots = slots;
	a->bits++;
	for (uint64 i = 0; i < nold; i++)
	{
		KnownAccount *slot = NULL;

		if (old[i].account != EPS_ACCOUNT_NONE)
			slot = slot_of(a, (uint64) old[i].key[1] << 32 | old[i].key[0]);
		if (slot != NULL)
			*slot = old[i];
	}
	pfree(old);
	return true;
}

void
eps_exec_accounts_add(EpsAccounts *a, uint64 key, uint32 account)
{
	KnownAccount *slot = slot_of(a, key);

	if (account == EPS_ACCOUNT_NONE)
		return;
	while (slot == NULL && double_slots(a))
		slot = slot_of(a, key);
	if (slot == NULL)
		return;
	slot->key[0] = (uint32) key;
	slot->key[1] = (uint32) (key >> 32);
	slot->account = account;
}
