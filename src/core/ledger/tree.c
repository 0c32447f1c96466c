/*
 * tree.c
 *	  RFC 6962 trees over SHA-256: hashes, the growing tree, roots and proofs
 *	  (RFC 9162, 2.1.1 to 2.1.4).
 *
 * A range of leaves that begins at lo is here always one that splits into
 * complete subtrees as the RFC splits it: lo is a multiple of every power of two
 * below the range's length.  All ranges that the RFC's recursion reaches are.
 */
#include "core/ledger/ledger_internal.h"

#include <string.h>

void
eps_ledger_leaf_hash(EpsHash *out, const uint8_t *bytes, size_t len)
{
	static const uint8_t prefix[1] = {0x00};
	EpsSha256	hash;

	eps_crypto_sha256_begin(&hash);
	eps_crypto_sha256_add(&hash, prefix, sizeof(prefix));
	eps_crypto_sha256_add(&hash, bytes, len);
	eps_crypto_sha256_end(out->b, &hash);
}

void
eps_ledger_node_hash(EpsHash *out, const EpsHash *left, const EpsHash *right)
{
	uint8_t		node[1 + 2 * EPS_HASH_LEN];

	node[0] = 0x01;
	memcpy(node + 1, left->b, EPS_HASH_LEN);
	memcpy(node + 1 + EPS_HASH_LEN, right->b, EPS_HASH_LEN);
	eps_crypto_sha256(out->b, node, sizeof(node));
}

static void
empty_root(EpsHash *out)
{
	eps_crypto_sha256(out->b, NULL, 0);
}

/* --- the growing tree ------------------------------------------------------------ */

void
eps_ledger_frontier_init(EpsFrontier *tree)
{
	memset(tree, 0, sizeof(*tree));
}

void
eps_ledger_frontier_add(EpsFrontier *tree, const EpsHash *leaf)
{
	int			n = __builtin_popcountll(tree->size);
	EpsHash		hash = *leaf;

	/* As adding 1 carries, so do complete subtrees of equal size join. */
	for (uint64_t rest = tree->size; (rest & 1) != 0; rest >>= 1)
		eps_ledger_node_hash(&hash, &tree->node[--n], &hash);
	tree->node[n] = hash;
	tree->size++;
}

void
eps_ledger_frontier_root(EpsHash *out, const EpsFrontier *tree)
{
	int			n = __builtin_popcountll(tree->size);

	if (n == 0)
	{
		empty_root(out);
		return;
	}
	*out = tree->node[--n];
	while (n > 0)
		eps_ledger_node_hash(out, &tree->node[--n], out);
}

/* --- roots and proofs of a tree whose hashes the caller keeps ---------------------- */

typedef struct Source
{
	EpsFetchHash fetch;
	void	   *context;
} Source;

/* Largest power of two below n, n >= 2. */
static uint64_t
split(uint64_t n)
{
	return (uint64_t) 1 << (63 - __builtin_clzll(n - 1));
}

/* Hash of the leaves lo..hi-1, not empty: its complete subtrees, joined from the right. */
static EPS_MUST_USE EpsStatus
range_root(EpsHash *out, uint64_t lo, uint64_t hi, const Source *source)
{
	bool		first = true;

	while (hi > lo)
	{
		unsigned	level = (unsigned) __builtin_ctzll(hi - lo);
		EpsHash		part;
		EpsStatus	status = source->fetch(source->context, &part, level, (hi >> level) - 1);

		if (status != EPS_OK)
			return status;
		if (first)
			*out = part;
		else
			eps_ledger_node_hash(out, &part, out);
		first = false;
		hi -= (uint64_t) 1 << level;
	}
	return EPS_OK;
}

static void
reverse(EpsHash *hash, size_t n)
{
	for (size_t i = 0; i < n / 2; i++)
	{
		EpsHash		other = hash[i];

		hash[i] = hash[n - 1 - i];
		hash[n - 1 - i] = other;
	}
}

EpsStatus
eps_ledger_root(EpsHash *out, uint64_t size, EpsFetchHash fetch, void *context)
{
	Source		source = {fetch, context};

	if (size > EPS_TREE_MAX)
		return EPS_E_RANGE;
	if (size == 0)
	{
		empty_root(out);
		return EPS_OK;
	}
	return range_root(out, 0, size, &source);
}

/*
 * Both proofs walk down from the root and keep the half that they do not enter,
 * so that the hashes come last first.  EPS_TREE_MAX bounds the way to 63 steps.
 */
EpsStatus
eps_ledger_inclusion(EpsHash proof[EPS_PROOF_MAX], size_t *n, uint64_t index, uint64_t size,
					 EpsFetchHash fetch, void *context)
{
	Source		source = {fetch, context};
	uint64_t	lo = 0;
	uint64_t	hi = size;
	size_t		steps = 0;

	if (index >= size || size > EPS_TREE_MAX)
		return EPS_E_RANGE;
	while (hi - lo > 1)
	{
		uint64_t	middle = lo + split(hi - lo);
		EpsStatus	status;

		if (index < middle)
		{
			status = range_root(&proof[steps++], middle, hi, &source);
			hi = middle;
		}
		else
		{
			status = range_root(&proof[steps++], lo, middle, &source);
			lo = middle;
		}
		if (status != EPS_OK)
			return status;
	}
	reverse(proof, steps);
	*n = steps;
	return EPS_OK;
}

EpsStatus
eps_ledger_consistency(EpsHash proof[EPS_PROOF_MAX], size_t *n, uint64_t from, uint64_t to,
					   EpsFetchHash fetch, void *context)
{
	Source		source = {fetch, context};
	uint64_t	lo = 0;
	uint64_t	hi = to;
	size_t		steps = 0;
	EpsStatus	status = EPS_OK;

	if (from == 0 || from > to || to > EPS_TREE_MAX)
		return EPS_E_RANGE;
	while (from < hi && status == EPS_OK)
	{
		uint64_t	middle = lo + split(hi - lo);

		if (from <= middle)
		{
			status = range_root(&proof[steps++], middle, hi, &source);
			hi = middle;
		}
		else
		{
			status = range_root(&proof[steps++], lo, middle, &source);
			lo = middle;
		}
	}

	/* What remains is the old tree itself, whose root the verifier knows, or its last part. */
	if (lo > 0 && status == EPS_OK)
		status = range_root(&proof[steps++], lo, hi, &source);
	if (status != EPS_OK)
		return status;
	reverse(proof, steps);
	*n = steps;
	return EPS_OK;
}

/* --- tiles ------------------------------------------------------------------------- */

static char *
append(char *at, const char *text)
{
	size_t		len = strlen(text);

	memcpy(at, text, len + 1);
	return at + len;
}

/* n in groups of three digits, each but the last after an x. */
static char *
append_groups(char *at, uint64_t n)
{
	uint64_t	unit = 1;

	while (n / unit >= 1000)
		unit *= 1000;
	for (; unit > 0; unit /= 1000)
	{
		unsigned	group = (unsigned) (n / unit % 1000);

		if (unit > 1)
			*at++ = 'x';
		*at++ = (char) ('0' + group / 100);
		*at++ = (char) ('0' + group / 10 % 10);
		*at++ = (char) ('0' + group % 10);
		if (unit > 1)
			*at++ = '/';
	}
	*at = '\0';
	return at;
}

void
eps_ledger_tile_path(char out[128], int level, uint64_t n, unsigned width)
{
	char	   *at;

	if (level == EPS_TILE_ENTRIES)
		at = append(out, "tile/entries/");
	else if (level == EPS_TILE_OPENINGS)
		at = append(out, "auditor/openings/");
	else
	{
		at = append(out, "tile/");
		at += eps_ledger_decimal_write(at, (EpsU128) level);
		at = append(at, "/");
	}
	at = append_groups(at, n);
	if (width < EPS_TILE_WIDTH)
	{
		at = append(at, ".p/");
		at += eps_ledger_decimal_write(at, width);
		*at = '\0';
	}
}
