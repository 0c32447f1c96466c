/*
 * test_ledger_map.c
 *	  Balance and consent maps of core/ledger: against a second implementation by
 *	  the text of docs/design/ledger.md, and proofs of every account.
 */
#include "test_common.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "core/ledger/ledger.h"

#define MAX_DEPTH 8
#define SLOTS (1 << MAX_DEPTH)

static EpsMapAccount book[SLOTS];
static const uint8_t map_key[32] = {9, 8, 7};

static void
make_book(void)
{
	for (uint32_t u = 0; u < SLOTS; u++)
		book[u] = (EpsMapAccount) {
			.spent = u * 1000003ull, .spent_delta = u * 17ull, .limit = (uint64_t) u << 40,
			.consent_set = u * 5, .consent = u * 3, .merged = u % 7 == 0
		};
}

static EpsStatus
fetch(void *context, EpsMapAccount *out, uint32_t account)
{
	assert_true(account < *(uint32_t *) context);
	*out = book[account];
	return EPS_OK;
}

static EpsStatus
fetch_fails(void *context, EpsMapAccount *out, uint32_t account)
{
	(void) context;
	(void) out;
	return account == 3 ? EPS_E_SPACE : EPS_OK;
}

/* --- the document's words, again ------------------------------------------------------------- */

static void
stream_of(uint8_t *out, size_t len, const char *name)
{
	static const uint8_t nonce[12] = {0};
	uint8_t		key[32];

	crypto_auth_hmacsha256(key, (const uint8_t *) name, strlen(name), map_key);
	crypto_stream_chacha20_ietf(out, len, nonce, key);
}

static void
shuffle(uint32_t *a, uint32_t slots)
{
	uint8_t    *words = malloc(64 * 1024);
	size_t		at = 0;

	assert_non_null(words);
	stream_of(words, 64 * 1024, "position");
	for (uint32_t s = 0; s < slots; s++)
		a[s] = s;
	for (uint32_t s = slots - 1; s >= 1; s--)
	{
		const uint64_t largest = 0x100000000ull / (s + 1) * (s + 1);
		uint32_t	word;
		uint32_t	kept = a[s];

		do
		{
			word = (uint32_t) words[at] | (uint32_t) words[at + 1] << 8 | (uint32_t) words[at + 2] << 16 |
				(uint32_t) words[at + 3] << 24;
			at += 4;
		} while (word >= largest);
		a[s] = a[word % (s + 1)];
		a[word % (s + 1)] = kept;
	}
	free(words);
}

static void
put(uint8_t **at, uint64_t value, int width)
{
	for (int i = width - 1; i >= 0; i--)
		*(*at)++ = (uint8_t) (value >> (8 * i));
}

static size_t
message_of(uint8_t *out, uint32_t account, bool consent)
{
	uint8_t    *at = out;

	put(&at, account, 4);
	if (consent)
	{
		put(&at, book[account].consent_set, 4);
		put(&at, book[account].consent, 4);
	}
	else
	{
		put(&at, book[account].spent, 8);
		put(&at, book[account].spent_delta, 8);
		put(&at, book[account].limit, 8);
		put(&at, book[account].merged, 1);
	}
	return (size_t) (at - out);
}

static EpsHash
root_by_the_document(unsigned depth, uint32_t naccounts, bool consent)
{
	const uint32_t slots = (uint32_t) 1 << depth;
	uint32_t	a[SLOTS];
	EpsHash		node[SLOTS];
	uint8_t		keys[32 * SLOTS];

	shuffle(a, slots);
	stream_of(keys, 32 * (size_t) slots, consent ? "consent" : "balance");
	for (uint32_t s = 0; s < slots; s++)
	{
		uint8_t		message[64];
		size_t		len = a[s] < naccounts ? message_of(message, a[s], consent) : 0;
		uint8_t		leaf[33] = {0};

		crypto_auth_hmacsha256(leaf + 1, message, len, keys + 32 * s);
		crypto_hash_sha256(node[s].b, leaf, sizeof(leaf));
	}
	for (uint32_t n = slots; n > 1; n /= 2)
		for (uint32_t i = 0; i < n / 2; i++)
			eps_ledger_node_hash(&node[i], &node[2 * i], &node[2 * i + 1]);
	return node[0];
}

static const uint32_t counts[] = {0, 1, 2, 3, 7, 100, 255, 256};

static void
test_roots(void **state)
{
	uint64_t	room[SLOTS];

	(void) state;
	for (unsigned depth = 1; depth <= MAX_DEPTH; depth++)
		for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		{
			uint32_t	n = counts[i];
			EpsHash		balance;
			EpsHash		consent;
			EpsHash		expected;

			assert_true(eps_ledger_map_room(depth) <= sizeof(room));
			if (n > (uint32_t) 1 << depth)
			{
				assert_int_equal(eps_ledger_map_roots(&balance, &consent, depth, map_key, n, fetch, &n, room), EPS_E_RANGE);
				continue;
			}
			assert_int_equal(eps_ledger_map_roots(&balance, &consent, depth, map_key, n, fetch, &n, room), EPS_OK);
			expected = root_by_the_document(depth, n, false);
			assert_memory_equal(balance.b, expected.b, 32);
			expected = root_by_the_document(depth, n, true);
			assert_memory_equal(consent.b, expected.b, 32);
		}
}

/* --- proofs ----------------------------------------------------------------------------------- */

typedef struct Map
{
	unsigned	depth;
	uint32_t	n;
	EpsHash		balance;
	EpsHash		consent;
	uint64_t	room[SLOTS];
} Map;

static void
open_map(Map *map, unsigned depth, uint32_t n)
{
	map->depth = depth;
	map->n = n;
	assert_int_equal(eps_ledger_map_roots(&map->balance, &map->consent, depth, map_key, n, fetch, &map->n, map->room),
					 EPS_OK);
}

static void
prove(EpsMapProof *balance, EpsMapProof *consent, Map *map, uint32_t account)
{
	assert_int_equal(eps_ledger_map_prove(balance, consent, map->depth, map_key, map->n, account, fetch, &map->n,
										  map->room), EPS_OK);
	assert_int_equal(balance->depth, map->depth);
	assert_int_equal(consent->depth, map->depth);
	assert_int_equal(balance->slot, consent->slot);
	assert_true(balance->slot < (uint32_t) 1 << map->depth);
}

static void
check_account(Map *map, uint32_t account)
{
	EpsMapProof balance;
	EpsMapProof consent;
	uint8_t		b[EPS_MAP_BALANCE_LEN];
	uint8_t		c[EPS_MAP_CONSENT_LEN];

	prove(&balance, &consent, map, account);
	eps_ledger_map_balance(b, account, &book[account]);
	eps_ledger_map_consent(c, account, &book[account]);
	assert_int_equal(eps_ledger_map_check(&balance, b, sizeof(b), &map->balance), EPS_OK);
	assert_int_equal(eps_ledger_map_check(&consent, c, sizeof(c), &map->consent), EPS_OK);

	assert_int_equal(eps_ledger_map_check(&balance, c, sizeof(c), &map->balance), EPS_E_AUTH);
	assert_int_equal(eps_ledger_map_check(&balance, b, sizeof(b), &map->consent), EPS_E_AUTH);
	assert_int_equal(eps_ledger_map_check(&balance, NULL, 0, &map->balance), EPS_E_AUTH);
	for (size_t bit = 0; bit < 8 * sizeof(b); bit++)
	{
		b[bit / 8] ^= (uint8_t) (1 << bit % 8);
		assert_int_equal(eps_ledger_map_check(&balance, b, sizeof(b), &map->balance), EPS_E_AUTH);
		b[bit / 8] ^= (uint8_t) (1 << bit % 8);
	}
}

static void
test_every_account(void **state)
{
	static Map	map;

	(void) state;
	for (unsigned depth = 1; depth <= 6; depth++)
		for (uint32_t n = 1; n <= (uint32_t) 1 << depth; n = n * 2 + 1)
		{
			open_map(&map, depth, n);
			for (uint32_t account = 0; account < n; account++)
				check_account(&map, account);
		}
}

/* Two accounts never share a slot, and where nobody stands the empty message is committed. */
static void
test_absent(void **state)
{
	static Map	all;
	static Map	some;
	bool		taken[SLOTS] = {false};
	EpsMapProof balance;
	EpsMapProof consent;

	(void) state;
	open_map(&some, 6, 40);
	open_map(&all, 6, 64);
	for (uint32_t account = 0; account < 64; account++)
	{
		prove(&balance, &consent, &all, account);
		assert_false(taken[balance.slot]);
		taken[balance.slot] = true;
	}
	assert_int_equal(eps_ledger_map_prove(&balance, &consent, 6, map_key, 40, 40, fetch, &some.n, some.room), EPS_E_RANGE);

	/* Alone in a map of two, an account has the empty slot beside it. */
	open_map(&some, 1, 1);
	prove(&balance, &consent, &some, 0);
	open_map(&all, 1, 2);
	prove(&balance, &consent, &all, 1);
	{
		EpsHash		leaf;

		crypto_auth_hmacsha256(leaf.b, NULL, 0, balance.leaf_key);
		eps_ledger_leaf_hash(&leaf, leaf.b, 32);
		prove(&consent, &balance, &some, 0);
		assert_memory_equal(consent.path[0].b, leaf.b, 32);
	}
}

static void
test_every_bit(void **state)
{
	static Map	map;
	EpsMapProof balance;
	EpsMapProof consent;
	uint8_t		message[EPS_MAP_BALANCE_LEN];

	(void) state;
	open_map(&map, 6, 50);
	prove(&balance, &consent, &map, 17);
	eps_ledger_map_balance(message, 17, &book[17]);
	for (size_t bit = 0; bit < 8 * sizeof(EpsMapProof); bit++)
	{
		EpsMapProof damaged = balance;
		EpsStatus	expected = EPS_E_AUTH;

		((uint8_t *) &damaged)[bit / 8] ^= (uint8_t) (1 << bit % 8);

		/* What is beyond the depth is no part of the proof. */
		if (bit / 8 >= offsetof(EpsMapProof, path) + 6 * sizeof(EpsHash))
			expected = EPS_OK;
		if (bit / 8 >= offsetof(EpsMapProof, leaf_key) + 32 && bit / 8 < offsetof(EpsMapProof, depth))
			expected = EPS_OK;
		assert_int_equal(eps_ledger_map_check(&damaged, message, sizeof(message), &map.balance), expected);
	}
	balance.depth = 0;
	assert_int_equal(eps_ledger_map_check(&balance, message, sizeof(message), &map.balance), EPS_E_AUTH);
	balance.depth = EPS_MAP_MAX_DEPTH + 1;
	assert_int_equal(eps_ledger_map_check(&balance, message, sizeof(message), &map.balance), EPS_E_AUTH);
}

/* Another key places accounts elsewhere and leaves no hash as it was. */
static void
test_blinded_anew(void **state)
{
	static const uint8_t other_key[32] = {9, 8, 6};
	static Map	map;
	EpsMapProof old_balance;
	EpsMapProof old_consent;
	EpsMapProof balance;
	EpsMapProof consent;
	unsigned	moved = 0;

	(void) state;
	open_map(&map, 8, 200);
	for (uint32_t account = 0; account < 200; account += 10)
	{
		prove(&old_balance, &old_consent, &map, account);
		assert_int_equal(eps_ledger_map_prove(&balance, &consent, 8, other_key, 200, account, fetch, &map.n, map.room),
						 EPS_OK);
		moved += balance.slot != old_balance.slot;
		assert_memory_not_equal(balance.leaf_key, old_balance.leaf_key, 32);
		assert_memory_not_equal(balance.leaf_key, consent.leaf_key, 32);
		for (unsigned i = 0; i < 8; i++)
			for (unsigned k = 0; k < 8; k++)
				assert_memory_not_equal(balance.path[i].b, old_balance.path[k].b, 32);
	}
	assert_true(moved >= 15);
}

/* Over many keys every account is in every slot about equally often. */
static void
test_positions_uniform(void **state)
{
	uint64_t	count[64] = {0};
	double		probability[64];
	static Map	map;

	(void) state;
	map.depth = 3;
	map.n = 8;
	for (uint32_t round = 0; round < 8000; round++)
	{
		uint8_t		key[32] = {0};
		EpsMapProof balance;
		EpsMapProof consent;

		memcpy(key, &round, sizeof(round));
		assert_int_equal(eps_ledger_map_prove(&balance, &consent, 3, key, 8, round % 8, fetch, &map.n, map.room), EPS_OK);
		count[round % 8 * 8 + balance.slot]++;
	}
	for (int i = 0; i < 64; i++)
		probability[i] = 1.0 / 64;
	eps_test_chi_square("slot of an account", count, probability, 64);
}

static void
test_range(void **state)
{
	EpsHash		root[2];
	uint64_t	room[SLOTS];
	uint32_t	n = 4;

	(void) state;
	assert_int_equal(eps_ledger_map_roots(&root[0], &root[1], 0, map_key, 1, fetch, &n, room), EPS_E_RANGE);
	assert_int_equal(eps_ledger_map_roots(&root[0], &root[1], EPS_MAP_MAX_DEPTH + 1, map_key, 1, fetch, &n, room), EPS_E_RANGE);
	assert_int_equal(eps_ledger_map_roots(&root[0], &root[1], 3, map_key, 4, fetch_fails, NULL, room), EPS_E_SPACE);
	assert_int_equal(eps_ledger_map_depth(0), 1);
	assert_int_equal(eps_ledger_map_depth(1), 1);
	assert_int_equal(eps_ledger_map_depth(2), 1);
	assert_int_equal(eps_ledger_map_depth(3), 2);
	assert_int_equal(eps_ledger_map_depth(1 << 20), 20);
	assert_int_equal(eps_ledger_map_depth((1 << 20) + 1), 21);
	assert_int_equal(eps_ledger_map_depth(UINT32_MAX), 32);
	assert_int_equal(eps_ledger_map_room(20), 4 << 20);
	assert_int_equal(eps_ledger_map_room(EPS_MAP_MAX_DEPTH + 1), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_roots),
		cmocka_unit_test(test_every_account),
		cmocka_unit_test(test_absent),
		cmocka_unit_test(test_every_bit),
		cmocka_unit_test(test_blinded_anew),
		cmocka_unit_test(test_positions_uniform),
		cmocka_unit_test(test_range),
	};

	make_book();
	return cmocka_run_group_tests_name("core/ledger maps", tests, NULL, NULL);
}
