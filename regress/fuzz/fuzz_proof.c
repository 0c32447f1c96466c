/*
 * fuzz_proof.c
 *	  Proofs: of inclusion, of consistency, of an account in a map.  The input says
 *	  which proof is made and what is then changed in it: it verifies where nothing
 *	  was changed, and nowhere else.
 *
 *	  kind, place, size, two bytes of where, what is changed there.  Where the kind
 *	  has its highest bit set, all that follows is a proof as somebody else sends it.
 */
#include "fuzz.h"

#define LEAVES 256

static EpsHash leaf[LEAVES];

static EpsStatus
fetch(void *context, EpsHash *out, unsigned level, uint64_t index)
{
	EpsHash		right;

	if (level == 0)
	{
		FUZZ_CHECK(index < LEAVES);
		*out = leaf[index];
		return EPS_OK;
	}
	FUZZ_CHECK(fetch(context, out, level - 1, 2 * index) == EPS_OK);
	FUZZ_CHECK(fetch(context, &right, level - 1, 2 * index + 1) == EPS_OK);
	eps_ledger_node_hash(out, out, &right);
	return EPS_OK;
}

/* Changes a byte of len; whether it did. */
static bool
damage(void *bytes, size_t len, const uint8_t *how)
{
	size_t		at = ((size_t) how[0] << 8 | how[1]) % (len + 1);

	if (at == len || how[2] == 0)
		return false;
	((uint8_t *) bytes)[at] ^= how[2];
	return true;
}

typedef struct Parts
{
	EpsHash		part[2 + EPS_PROOF_MAX];	/* leaf or old root, root, proof */
	size_t		n;
} Parts;

static void
check_inclusion(uint64_t index, uint64_t size, const uint8_t *how)
{
	Parts		p;
	bool		damaged;

	p.part[0] = leaf[index];
	FUZZ_CHECK(eps_ledger_root(&p.part[1], size, fetch, NULL) == EPS_OK);
	FUZZ_CHECK(eps_ledger_inclusion(p.part + 2, &p.n, index, size, fetch, NULL) == EPS_OK);
	damaged = damage(p.part, (2 + p.n) * sizeof(EpsHash), how);
	FUZZ_CHECK((eps_ledger_check_inclusion(&p.part[0], index, size, p.part + 2, p.n, &p.part[1]) == EPS_OK) == !damaged);
}

static void
check_consistency(uint64_t from, uint64_t to, const uint8_t *how)
{
	Parts		p;
	bool		damaged;

	FUZZ_CHECK(eps_ledger_root(&p.part[0], from, fetch, NULL) == EPS_OK);
	FUZZ_CHECK(eps_ledger_root(&p.part[1], to, fetch, NULL) == EPS_OK);
	FUZZ_CHECK(eps_ledger_consistency(p.part + 2, &p.n, from, to, fetch, NULL) == EPS_OK);
	damaged = damage(p.part, (2 + p.n) * sizeof(EpsHash), how);
	FUZZ_CHECK((eps_ledger_check_consistency(from, to, p.part + 2, p.n, &p.part[0], &p.part[1]) == EPS_OK) == !damaged);
}

static EpsStatus
fetch_account(void *context, EpsMapAccount *out, uint32_t account)
{
	(void) context;
	*out = (EpsMapAccount) {.spent = account, .limit = 1000};
	return EPS_OK;
}

static void
check_map(uint32_t account, uint32_t naccounts, const uint8_t *how)
{
	static uint64_t room[LEAVES];
	static const uint8_t key[32] = {1};
	unsigned	depth = eps_ledger_map_depth(naccounts);
	EpsMapProof balance;
	EpsMapProof consent;
	EpsMapAccount state;
	EpsHash		roots[2];
	uint8_t		message[EPS_MAP_BALANCE_LEN];
	bool		damaged;

	FUZZ_CHECK(eps_ledger_map_room(depth) <= sizeof(room));
	FUZZ_CHECK(eps_ledger_map_roots(&roots[0], &roots[1], depth, key, naccounts, fetch_account, NULL, room) == EPS_OK);
	FUZZ_CHECK(eps_ledger_map_prove(&balance, &consent, depth, key, naccounts, account, fetch_account, NULL, room) == EPS_OK);
	FUZZ_CHECK(fetch_account(NULL, &state, account) == EPS_OK);
	eps_ledger_map_balance(message, account, &state);
	damaged = (how[0] & 1) != 0 ? damage(message, sizeof(message), how) :
		damage(balance.path, depth * sizeof(EpsHash), how);
	FUZZ_CHECK((eps_ledger_map_check(&balance, message, sizeof(message), &roots[0]) == EPS_OK) == !damaged);
}

/* A proof from anywhere: two numbers, two hashes, and as many more as there are. */
static void
check_foreign(const uint8_t *data, size_t size)
{
	uint8_t    *copy = fuzz_copy(data, size);
	EpsCursor	c = {copy, copy + size};
	uint64_t	a;
	uint64_t	b;

	if (eps_base_read_u64(&a, &c) == EPS_OK && eps_base_read_u64(&b, &c) == EPS_OK &&
		(size_t) (c.end - c.at) >= 2 * sizeof(EpsHash))
	{
		const EpsHash *hash = (const EpsHash *) (const void *) c.at;
		size_t		n = (size_t) (c.end - c.at) / sizeof(EpsHash) - 2;

		/* Without hashes only the trees that are their own proof verify. */
		if (eps_ledger_check_inclusion(&hash[0], a, b, hash + 2, n, &hash[1]) == EPS_OK)
			FUZZ_CHECK(n > 0 || (a == 0 && b == 1 && memcmp(&hash[0], &hash[1], sizeof(EpsHash)) == 0));
		if (eps_ledger_check_consistency(a, b, hash + 2, n, &hash[0], &hash[1]) == EPS_OK)
			FUZZ_CHECK(n > 0 || (a == b && memcmp(&hash[0], &hash[1], sizeof(EpsHash)) == 0));
	}
	free(copy);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint32_t	tree;
	uint32_t	place;

	if (size < 6)
		return 0;
	if ((data[0] & 0x80) != 0)
	{
		check_foreign(data + 1, size - 1);
		return 0;
	}
	for (int i = 0; i < LEAVES; i++)
		memset(leaf[i].b, i, sizeof(leaf[i].b));
	tree = 1 + (uint32_t) data[2];
	place = data[1] % tree;
	if (data[0] % 3 == 0)
		check_inclusion(place, tree, data + 3);
	else if (data[0] % 3 == 1)
		check_consistency(place + 1, tree, data + 3);
	else
		check_map(place, tree, data + 3);
	return 0;
}
