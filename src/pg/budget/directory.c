/*
 * directory.c
 *	  From an owner's key to the account: open addressing, linear probing, at
 *	  most half full, grows only.
 *
 * Readers take no lock.  An account is published before its slot: whoever sees
 * the slot sees the key.  A reader that misses an account enrolled meanwhile
 * says EPS_ACCOUNT_NONE, and admission looks again under its lock.
 */
#include "postgres.h"

#include "core/crypto/crypto.h"
#include "pg/budget/budget_internal.h"

#define BATCH 32

StaticAssertDecl(sizeof(EpsOwnerKey) == EPS_OWNER_KEY_LEN, "a key is what SipHash gives");

static inline uint64
slot_value(const EpsOwnerKey *key, uint32 account)
{
	return key->hi << 32 | (uint64) (account + 1);
}

static inline bool
same_key(const EpsOwnerKey *a, const EpsOwnerKey *b)
{
	return a->lo == b->lo && a->hi == b->hi;
}

/*
 * Walks from the key's first slot to the account or to an empty slot, whose
 * position is left in *position.
 */
static inline uint32
probe(const EpsBook *book, const EpsOwnerKey *key, uint64 *position)
{
	uint64		at = key->lo & book->slot_mask;

	for (uint64 steps = 0; steps <= book->slot_mask; steps++)
	{
		uint64		slot = pg_atomic_read_u64(&book->slots[at]);
		uint32		account;

		if (slot == 0)
			break;
		account = (uint32) slot - 1;
		if ((uint32) (slot >> 32) == (uint32) key->hi && account < book->capacity)
		{
			pg_read_barrier();
			if (same_key(&book->keys[account], key))
				return account;
		}
		at = (at + 1) & book->slot_mask;
	}
	*position = at;
	return EPS_ACCOUNT_NONE;
}

uint32
eps_budget_find_account(const EpsBook *book, const EpsOwnerKey *key)
{
	uint64		position;

	return probe(book, key, &position);
}

/* The account of a key, made if need be; NONE when the book is full. Admission
 * lock held, or the region is still loading. */
uint32
eps_budget_enrol(const EpsBook *book, const EpsOwnerKey *key)
{
	uint64		position;
	uint32		account = probe(book, key, &position);
	uint32		next = pg_atomic_read_u32(&book->region->naccounts);

	if (account != EPS_ACCOUNT_NONE || next >= book->capacity)
		return account;
	book->keys[next] = *key;
	memset(&book->accounts[next], 0, sizeof(EpsAccount));
	book->accounts[next].limit = book->region->standard_units;
	if (book->worst_case_start)
	{
		book->accounts[next].spent = book->region->admitted_units;
		book->accounts[next].spent_delta = book->region->admitted_delta_units;
	}
	pg_write_barrier();
	pg_atomic_write_u64(&book->slots[position], slot_value(key, next));
	pg_atomic_write_u32(&book->region->naccounts, next + 1);
	return next;
}

/* One batch: all slots on their way, then all keys, then the comparisons. */
static void
lookup_batch(const EpsBook *book, uint32 *account, const EpsOwnerKey *key, int n)
{
	for (int i = 0; i < n; i++)
		__builtin_prefetch(&book->slots[key[i].lo & book->slot_mask]);
	for (int i = 0; i < n; i++)
	{
		uint32		first = (uint32) pg_atomic_read_u64(&book->slots[key[i].lo & book->slot_mask]) - 1;

		if (first < book->capacity)
			__builtin_prefetch(&book->keys[first]);
	}
	for (int i = 0; i < n; i++)
		account[i] = eps_budget_find_account(book, &key[i]);
}

void
eps_budget_lookup(const EpsBook *book, uint32 *account, const EpsOwnerKey *key, int n)
{
	for (int i = 0; i < n; i += BATCH)
		lookup_batch(book, account + i, key + i, Min(BATCH, n - i));
}

void
eps_budget_owner_key(EpsOwnerKey *out, const EpsBook *book, const uint8 *bytes, Size len)
{
	uint8		raw[EPS_OWNER_KEY_LEN];

	eps_crypto_owner_key(raw, bytes, len, book->region->owner_secret);
	memcpy(out, raw, sizeof(raw));
}

uint32
eps_budget_capacity(const EpsBook *book)
{
	return book->capacity;
}
