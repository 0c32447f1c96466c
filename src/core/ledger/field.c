/*
 * field.c
 *	  Commitments to the fields of entries and to answers, openings, charges.
 */
#include "core/ledger/ledger.h"

#include <string.h>

void
eps_ledger_field_key(uint8_t key[32], const uint8_t r[32], int field)
{
	uint8_t		name[6] = {'f', 'i', 'e', 'l', 'd', (uint8_t) field};

	eps_crypto_hmac(key, r, name, sizeof(name));
}

void
eps_ledger_field_commit(EpsHash *out, const uint8_t key[32], EpsField field)
{
	eps_crypto_hmac(out->b, key, field.bytes, field.len);
}

void
eps_ledger_fields_root(EpsHash *out, const uint8_t r[32], const EpsField field[EPS_ENTRY_FIELDS])
{
	EpsFrontier tree;

	eps_ledger_frontier_init(&tree);
	for (int i = 0; i < EPS_ENTRY_FIELDS; i++)
	{
		uint8_t		key[32];
		EpsHash		leaf;

		eps_ledger_field_key(key, r, i);
		eps_ledger_field_commit(&leaf, key, field[i]);
		eps_ledger_leaf_hash(&leaf, leaf.b, EPS_HASH_LEN);
		eps_ledger_frontier_add(&tree, &leaf);
		eps_base_wipe(key, sizeof(key));
	}
	eps_ledger_frontier_root(out, &tree);
}

/* --- openings ---------------------------------------------------------------------- */

size_t
eps_ledger_opening_len(const EpsField field[EPS_ENTRY_FIELDS])
{
	size_t		len = 32;

	for (int i = 0; i < EPS_ENTRY_FIELDS; i++)
		len += 4 + field[i].len;
	return len;
}

void
eps_ledger_opening_write(uint8_t *out, const uint8_t r[32], const EpsField field[EPS_ENTRY_FIELDS])
{
	eps_base_write_bytes(&out, r, 32);
	for (int i = 0; i < EPS_ENTRY_FIELDS; i++)
	{
		eps_base_write_u32(&out, (uint32_t) field[i].len);
		eps_base_write_bytes(&out, field[i].bytes, field[i].len);
	}
}

EpsStatus
eps_ledger_opening_read(uint8_t r[32], EpsField field[EPS_ENTRY_FIELDS], const uint8_t *in, size_t len)
{
	EpsCursor	c = {in, in + len};
	const uint8_t *random;

	if (eps_base_read_bytes(&random, &c, 32) != EPS_OK)
		return EPS_E_FORMAT;
	for (int i = 0; i < EPS_ENTRY_FIELDS; i++)
	{
		uint32_t	n;

		if (eps_base_read_u32(&n, &c) != EPS_OK ||
			eps_base_read_bytes(&field[i].bytes, &c, n) != EPS_OK)
			return EPS_E_FORMAT;
		field[i].len = n;
	}
	if (c.at != c.end)
		return EPS_E_FORMAT;
	memcpy(r, random, 32);
	return EPS_OK;
}

/* --- answers ----------------------------------------------------------------------- */

void
eps_ledger_slot_commit_digest(EpsHash *out, const uint8_t salt[32], uint64_t seq, const uint8_t digest[EPS_SHA256_LEN])
{
	uint8_t		message[8 + EPS_SHA256_LEN];
	uint8_t    *at = message;

	if (seq == 0)
	{
		eps_crypto_hmac(out->b, salt, (const uint8_t *) "unused", 6);
		return;
	}
	eps_base_write_u64(&at, seq);
	eps_base_write_bytes(&at, digest, EPS_SHA256_LEN);
	eps_crypto_hmac(out->b, salt, message, sizeof(message));
}

void
eps_ledger_slot_commit(EpsHash *out, const uint8_t salt[32], uint64_t seq, const uint8_t *answer, size_t len)
{
	uint8_t		digest[EPS_SHA256_LEN];

	eps_crypto_sha256(digest, answer, len);
	eps_ledger_slot_commit_digest(out, salt, seq, digest);
}

/* --- charges ----------------------------------------------------------------------- */

/* Level, delta level and length of the charge at c. */
static EPS_MUST_USE EpsStatus
read_charge_head(EpsLedgerCharge *out, EpsCursor *c)
{
	uint32_t	len;

	if (eps_base_read_u16(&out->level, c) != EPS_OK || eps_base_read_u16(&out->delta_level, c) != EPS_OK ||
		eps_base_read_u32(&len, c) != EPS_OK)
		return EPS_E_FORMAT;
	out->len = len;
	return EPS_OK;
}

/* The order is held by a look at the charge after: so the reader needs no memory. */
EpsStatus
eps_ledger_charge_next(EpsLedgerCharge *out, bool *found, EpsCursor *c)
{
	EpsCursor	ahead;
	EpsLedgerCharge	next;

	*found = false;
	if (c->at == c->end)
		return EPS_OK;
	if (read_charge_head(out, c) != EPS_OK || out->len == 0 ||
		eps_base_read_bytes(&out->bitmap, c, out->len) != EPS_OK)
		return EPS_E_FORMAT;
	ahead = *c;
	if (ahead.at != ahead.end &&
		(read_charge_head(&next, &ahead) != EPS_OK || next.level < out->level ||
		 (next.level == out->level && next.delta_level <= out->delta_level)))
		return EPS_E_FORMAT;
	*found = true;
	return EPS_OK;
}
