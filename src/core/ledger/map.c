/*
 * map.c
 *	  Balance and consent maps of an epoch: which account stands in which slot,
 *	  both roots, and the proofs of one account.
 *
 * Slots are gone through in order, so that of the trees only the path to the
 * slot in hand is kept, and key streams are read forward.  Each slot costs the
 * same, used or not: how long a map takes does not tell how many accounts there
 * are.
 */
#include "core/ledger/ledger_internal.h"

#include <string.h>

#define KEY_LEN 32
#define CHUNK 4096				/* bytes of key stream at a time */

/* A key stream that is read forward. */
typedef struct KeyStream
{
	uint8_t		key[KEY_LEN];
	uint64_t	block;
	size_t		used;
	uint8_t		buffer[CHUNK];
} KeyStream;

static void
stream_open(KeyStream *stream, const uint8_t map_key[KEY_LEN], const char *name)
{
	eps_crypto_hmac(stream->key, map_key, (const uint8_t *) name, strlen(name));
	stream->block = 0;
	stream->used = sizeof(stream->buffer);
}

/* The next len bytes, len a divisor of CHUNK; they are valid until the next call. */
static EPS_MUST_USE EpsStatus
stream_next(const uint8_t **out, KeyStream *stream, size_t len)
{
	if (stream->used == sizeof(stream->buffer))
	{
		EpsStatus	status = eps_crypto_keystream(stream->buffer, sizeof(stream->buffer), stream->block,
												  stream->key);

		if (status != EPS_OK)
			return status;
		stream->block += sizeof(stream->buffer) / EPS_KEYSTREAM_BLOCK;
		stream->used = 0;
	}
	*out = stream->buffer + stream->used;
	stream->used += len;
	return EPS_OK;
}

/* --- positions ------------------------------------------------------------------------- */

size_t
eps_ledger_map_room(unsigned depth)
{
	return depth > EPS_MAP_MAX_DEPTH ? 0 : sizeof(uint32_t) << depth;
}

unsigned
eps_ledger_map_depth(uint32_t capacity)
{
	unsigned	depth = 1;

	while (((uint64_t) 1 << depth) < capacity)
		depth++;
	return depth;
}

/* Uniform below n: words from the largest multiple of n on are skipped. */
static EPS_MUST_USE EpsStatus
uniform(uint32_t *out, KeyStream *stream, uint32_t n)
{
	const uint64_t words = (uint64_t) 1 << 32;
	uint32_t	word;

	do
	{
		const uint8_t *b;
		EpsStatus	status = stream_next(&b, stream, sizeof(word));

		if (status != EPS_OK)
			return status;
		word = (uint32_t) b[0] | (uint32_t) b[1] << 8 | (uint32_t) b[2] << 16 | (uint32_t) b[3] << 24;
	} while (word >= words - words % n);
	*out = word % n;
	return EPS_OK;
}

/* Fisher-Yates: account[s] stands in slot s. */
static EPS_MUST_USE EpsStatus
place_accounts(uint32_t *account, unsigned depth, const uint8_t map_key[KEY_LEN])
{
	const uint32_t slots = (uint32_t) 1 << depth;
	KeyStream	stream;
	EpsStatus	status = EPS_OK;

	stream_open(&stream, map_key, "position");
	for (uint32_t s = 0; s < slots; s++)
		account[s] = s;
	for (uint32_t s = slots - 1; s > 0 && status == EPS_OK; s--)
	{
		uint32_t	other = 0;
		uint32_t	mine = account[s];

		status = uniform(&other, &stream, s + 1);
		account[s] = account[other];
		account[other] = mine;
	}
	eps_base_wipe(&stream, sizeof(stream));
	return status;
}

/* --- trees ------------------------------------------------------------------------------- */

/* One of the two trees under construction, and the proof to be taken of it, if any. */
typedef struct Tree
{
	KeyStream	keys;
	EpsHash		left[EPS_MAP_MAX_DEPTH];	/* a level's last node that waits for its sibling */
	EpsHash		root;
	EpsMapProof *proof;
} Tree;

static void
tree_open(Tree *tree, unsigned depth, const uint8_t map_key[KEY_LEN], const char *name, EpsMapProof *proof)
{
	stream_open(&tree->keys, map_key, name);
	tree->proof = proof;
	if (proof != NULL)
	{
		memset(proof, 0, sizeof(*proof));
		proof->depth = depth;
	}
}

/* Hash of a slot's commitment, as a leaf. */
static void
slot_leaf(EpsHash *out, const uint8_t key[KEY_LEN], const uint8_t *message, size_t len)
{
	eps_crypto_hmac(out->b, key, message, len);
	eps_ledger_leaf_hash(out, out->b, EPS_HASH_LEN);
}

/* Puts the next slot into the tree; keeps what the proof of slot `proved` needs. */
static EPS_MUST_USE EpsStatus
tree_add(Tree *tree, unsigned depth, uint32_t slot, uint32_t proved, const uint8_t *message, size_t len)
{
	const uint8_t *key;
	EpsHash		node;
	unsigned	level;
	EpsStatus	status = stream_next(&key, &tree->keys, KEY_LEN);

	if (status != EPS_OK)
		return status;
	if (tree->proof != NULL && slot == proved)
	{
		tree->proof->slot = slot;
		memcpy(tree->proof->leaf_key, key, KEY_LEN);
	}
	slot_leaf(&node, key, message, len);
	for (level = 0; level < depth; level++)
	{
		if (tree->proof != NULL && (slot >> level ^ 1) == proved >> level)
			tree->proof->path[level] = node;
		if ((slot >> level & 1) == 0)
		{
			tree->left[level] = node;
			return EPS_OK;
		}
		eps_ledger_node_hash(&node, &tree->left[level], &node);
	}
	tree->root = node;
	return EPS_OK;
}

typedef struct Map
{
	unsigned	depth;
	uint32_t	naccounts;
	const uint32_t *account;	/* in each slot; from naccounts on: nobody */
	EpsMapFetch fetch;
	void	   *context;
	Tree		balance;
	Tree		consent;
} Map;

/* An unused slot has the empty message. */
static EPS_MUST_USE EpsStatus
map_add(Map *map, uint32_t slot, uint32_t proved)
{
	uint8_t		balance[EPS_MAP_BALANCE_LEN] = {0};
	uint8_t		consent[EPS_MAP_CONSENT_LEN] = {0};
	uint32_t	account = map->account[slot];
	bool		used = account < map->naccounts;
	EpsStatus	status = EPS_OK;

	if (used)
	{
		EpsMapAccount state = {0};

		status = map->fetch(map->context, &state, account);
		if (status != EPS_OK)
			return status;
		eps_ledger_map_balance(balance, account, &state);
		eps_ledger_map_consent(consent, account, &state);
	}
	status = tree_add(&map->balance, map->depth, slot, proved, balance, used ? sizeof(balance) : 0);
	if (status != EPS_OK)
		return status;
	return tree_add(&map->consent, map->depth, slot, proved, consent, used ? sizeof(consent) : 0);
}

static EPS_MUST_USE EpsStatus
map_build(Map *map, uint32_t proved)
{
	EpsStatus	status = EPS_OK;

	for (uint32_t slot = 0; slot >> map->depth == 0 && status == EPS_OK; slot++)
		status = map_add(map, slot, proved);
	return status;
}

static EPS_MUST_USE EpsStatus
check_size(unsigned depth, uint32_t naccounts)
{
	if (depth < 1 || depth > EPS_MAP_MAX_DEPTH || naccounts > (uint32_t) 1 << depth)
		return EPS_E_RANGE;
	return EPS_OK;
}

EpsStatus
eps_ledger_map_roots(EpsHash *balance, EpsHash *consent, unsigned depth, const uint8_t key[32],
					 uint32_t naccounts, EpsMapFetch fetch, void *context, void *room)
{
	Map			map = {.depth = depth, .naccounts = naccounts, .account = room, .fetch = fetch, .context = context};
	EpsStatus	status = check_size(depth, naccounts);

	if (status == EPS_OK)
		status = place_accounts(room, depth, key);
	if (status != EPS_OK)
		return status;
	tree_open(&map.balance, depth, key, "balance", NULL);
	tree_open(&map.consent, depth, key, "consent", NULL);
	status = map_build(&map, 0);
	if (status == EPS_OK)
	{
		*balance = map.balance.root;
		*consent = map.consent.root;
	}
	eps_base_wipe(&map, sizeof(map));
	return status;
}

static uint32_t
slot_of(const uint32_t *account, uint32_t wanted)
{
	uint32_t	slot = 0;

	while (account[slot] != wanted)
		slot++;
	return slot;
}

EpsStatus
eps_ledger_map_prove(EpsMapProof *balance, EpsMapProof *consent, unsigned depth, const uint8_t key[32],
					 uint32_t naccounts, uint32_t account, EpsMapFetch fetch, void *context, void *room)
{
	Map			map = {.depth = depth, .naccounts = naccounts, .account = room, .fetch = fetch, .context = context};
	EpsStatus	status = check_size(depth, naccounts);

	if (status == EPS_OK && account >= naccounts)
		status = EPS_E_RANGE;
	if (status == EPS_OK)
		status = place_accounts(room, depth, key);
	if (status != EPS_OK)
		return status;
	tree_open(&map.balance, depth, key, "balance", balance);
	tree_open(&map.consent, depth, key, "consent", consent);
	status = map_build(&map, slot_of(room, account));
	eps_base_wipe(&map, sizeof(map));
	return status;
}

/* --- one account -------------------------------------------------------------------------- */

void
eps_ledger_map_balance(uint8_t out[EPS_MAP_BALANCE_LEN], uint32_t account, const EpsMapAccount *state)
{
	uint8_t    *at = out;

	eps_base_write_u32(&at, account);
	eps_base_write_u64(&at, state->spent);
	eps_base_write_u64(&at, state->spent_delta);
	eps_base_write_u64(&at, state->limit);
	eps_base_write_u8(&at, state->merged ? 1 : 0);
}

void
eps_ledger_map_consent(uint8_t out[EPS_MAP_CONSENT_LEN], uint32_t account, const EpsMapAccount *state)
{
	uint8_t    *at = out;

	eps_base_write_u32(&at, account);
	eps_base_write_u32(&at, state->consent_set);
	eps_base_write_u32(&at, state->consent);
}

EpsStatus
eps_ledger_map_check(const EpsMapProof *proof, const uint8_t *message, size_t len, const EpsHash *root)
{
	EpsHash		leaf;

	if (proof->depth < 1 || proof->depth > EPS_MAP_MAX_DEPTH)
		return EPS_E_AUTH;
	slot_leaf(&leaf, proof->leaf_key, message, len);
	return eps_ledger_check_inclusion(&leaf, proof->slot, (uint64_t) 1 << proof->depth,
									  proof->path, proof->depth, root);
}
