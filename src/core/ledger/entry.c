/*
 * entry.c
 *	  Canonical bytes of entries and of the bodies that are not zero.
 */
#include "core/ledger/ledger.h"

#include <string.h>

#define VERSION 1

static const char *const kind_name[] = {
	[EPS_ENTRY_BOOT] = "boot",
	[EPS_ENTRY_KEY] = "key",
	[EPS_ENTRY_POLICY] = "policy",
	[EPS_ENTRY_RELEASE] = "release",
	[EPS_ENTRY_REPEAT] = "repeat",
	[EPS_ENTRY_LEFT_OUT] = "left out",
	[EPS_ENTRY_ANSWERS] = "answers",
	[EPS_ENTRY_OWNERS] = "owners",
	[EPS_ENTRY_RECOVERY] = "recovery",
	[EPS_ENTRY_ATTESTATION] = "attestation"
};

const char *
eps_ledger_kind_name(int kind)
{
	if (kind < 0 || (size_t) kind >= sizeof(kind_name) / sizeof(kind_name[0]))
		return NULL;
	return kind_name[kind];
}

void
eps_ledger_entry_write(uint8_t out[EPS_ENTRY_LEN], const EpsEntry *entry)
{
	uint8_t    *at = out;

	eps_base_write_u8(&at, VERSION);
	eps_base_write_u8(&at, (uint8_t) entry->kind);
	eps_base_write_u16(&at, 0);
	eps_base_write_u32(&at, entry->dataset);
	eps_base_write_u64(&at, entry->seq);
	eps_base_write_u64(&at, entry->at);
	eps_base_write_u64(&at, entry->epoch);
	eps_base_write_u128(&at, entry->total_units);
	eps_base_write_u128(&at, entry->total_delta_units);
	eps_base_write_bytes(&at, entry->fields.b, EPS_HASH_LEN);
	eps_base_write_bytes(&at, entry->body, EPS_ENTRY_BODY_LEN);
}

static bool
is_zero(const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (bytes[i] != 0)
			return false;
	return true;
}

/* The body of a kind has no byte that means nothing and is not zero. */
static EPS_MUST_USE EpsStatus
check_body(const EpsEntry *entry)
{
	EpsAnswersBody answers;
	EpsOwnersBody owners;

	switch (entry->kind)
	{
		case EPS_ENTRY_KEY:
			return EPS_OK;
		case EPS_ENTRY_ANSWERS:
			return eps_ledger_answers_read(&answers, entry->body);
		case EPS_ENTRY_OWNERS:
			return eps_ledger_owners_read(&owners, entry->body);
		default:
			return is_zero(entry->body, EPS_ENTRY_BODY_LEN) ? EPS_OK : EPS_E_FORMAT;
	}
}

/* The whole database has no totals, and some kinds are of the one or the other only. */
static bool
is_scope_right(const EpsEntry *entry)
{
	switch (entry->kind)
	{
		case EPS_ENTRY_RELEASE:
		case EPS_ENTRY_REPEAT:
		case EPS_ENTRY_LEFT_OUT:
		case EPS_ENTRY_OWNERS:
			return entry->dataset != 0;
		default:
			return entry->dataset != 0 || (entry->total_units == 0 && entry->total_delta_units == 0);
	}
}

/* Width of each field is its own, so that reading cannot fail before the end. */
static EPS_MUST_USE EpsStatus
read_head(EpsEntry *out, EpsCursor *c)
{
	uint8_t		version = 0;
	uint8_t		kind = 0;
	uint16_t	zero = 0;

	if (eps_base_read_u8(&version, c) != EPS_OK || version != VERSION ||
		eps_base_read_u8(&kind, c) != EPS_OK || eps_ledger_kind_name(kind) == NULL ||
		eps_base_read_u16(&zero, c) != EPS_OK || zero != 0 ||
		eps_base_read_u32(&out->dataset, c) != EPS_OK ||
		eps_base_read_u64(&out->seq, c) != EPS_OK || out->seq == 0 || out->seq > EPS_TREE_MAX ||
		eps_base_read_u64(&out->at, c) != EPS_OK ||
		eps_base_read_u64(&out->epoch, c) != EPS_OK || out->epoch == 0 ||
		eps_base_read_u128(&out->total_units, c) != EPS_OK ||
		eps_base_read_u128(&out->total_delta_units, c) != EPS_OK)
		return EPS_E_FORMAT;
	out->kind = (EpsEntryKind) kind;
	return EPS_OK;
}

EpsStatus
eps_ledger_entry_read(EpsEntry *out, const uint8_t in[EPS_ENTRY_LEN])
{
	EpsCursor	c = {in, in + EPS_ENTRY_LEN};
	const uint8_t *fields;
	const uint8_t *body;

	if (read_head(out, &c) != EPS_OK ||
		eps_base_read_bytes(&fields, &c, EPS_HASH_LEN) != EPS_OK ||
		eps_base_read_bytes(&body, &c, EPS_ENTRY_BODY_LEN) != EPS_OK)
		return EPS_E_FORMAT;
	memcpy(out->fields.b, fields, EPS_HASH_LEN);
	memcpy(out->body, body, EPS_ENTRY_BODY_LEN);
	return is_scope_right(out) ? check_body(out) : EPS_E_FORMAT;
}

/* --- bodies ------------------------------------------------------------------------ */

void
eps_ledger_key_write(uint8_t body[EPS_ENTRY_BODY_LEN], const EpsKeyBody *in)
{
	uint8_t    *at = body;

	eps_base_write_bytes(&at, in->key, sizeof(in->key));
	eps_base_write_bytes(&at, in->by_new, sizeof(in->by_new));
	eps_base_write_bytes(&at, in->by_old, sizeof(in->by_old));
}

void
eps_ledger_key_read(EpsKeyBody *out, const uint8_t body[EPS_ENTRY_BODY_LEN])
{
	memcpy(out->key, body, sizeof(out->key));
	memcpy(out->by_new, body + sizeof(out->key), sizeof(out->by_new));
	memcpy(out->by_old, body + sizeof(out->key) + sizeof(out->by_new), sizeof(out->by_old));
}

void
eps_ledger_key_statement(uint8_t out[EPS_KEY_STATEMENT_LEN], const uint8_t id[EPS_LEDGER_ID_LEN],
						 uint64_t seq, const uint8_t key[EPS_SIGN_PUBLIC_LEN])
{
	static const char purpose[] = "pg_epsilon key v1\n";
	uint8_t    *at = out;

	eps_base_write_bytes(&at, (const uint8_t *) purpose, sizeof(purpose) - 1);
	eps_base_write_bytes(&at, id, EPS_LEDGER_ID_LEN);
	eps_base_write_u64(&at, seq);
	eps_base_write_bytes(&at, key, EPS_SIGN_PUBLIC_LEN);
}

void
eps_ledger_answers_write(uint8_t body[EPS_ENTRY_BODY_LEN], const EpsAnswersBody *in)
{
	uint8_t    *at = body;

	memset(body, 0, EPS_ENTRY_BODY_LEN);
	eps_base_write_bytes(&at, in->root.b, EPS_HASH_LEN);
	eps_base_write_u64(&at, in->first);
	eps_base_write_u64(&at, in->last);
}

EpsStatus
eps_ledger_answers_read(EpsAnswersBody *out, const uint8_t body[EPS_ENTRY_BODY_LEN])
{
	EpsCursor	c = {body + EPS_HASH_LEN, body + EPS_ENTRY_BODY_LEN};

	memcpy(out->root.b, body, EPS_HASH_LEN);
	if (eps_base_read_u64(&out->first, &c) != EPS_OK || eps_base_read_u64(&out->last, &c) != EPS_OK)
		return EPS_E_FORMAT;
	return is_zero(c.at, (size_t) (c.end - c.at)) ? EPS_OK : EPS_E_FORMAT;
}

void
eps_ledger_owners_write(uint8_t body[EPS_ENTRY_BODY_LEN], const EpsOwnersBody *in)
{
	uint8_t    *at = body;

	memset(body, 0, EPS_ENTRY_BODY_LEN);
	eps_base_write_bytes(&at, in->balance.b, EPS_HASH_LEN);
	eps_base_write_bytes(&at, in->consent.b, EPS_HASH_LEN);
	eps_base_write_u8(&at, in->depth);
	at += 7;
	eps_base_write_u64(&at, in->first);
	eps_base_write_u64(&at, in->last);
	eps_base_write_u64(&at, in->as_of);
}

EpsStatus
eps_ledger_owners_read(EpsOwnersBody *out, const uint8_t body[EPS_ENTRY_BODY_LEN])
{
	EpsCursor	c = {body + 2 * EPS_HASH_LEN, body + EPS_ENTRY_BODY_LEN};
	const uint8_t *zero;

	memcpy(out->balance.b, body, EPS_HASH_LEN);
	memcpy(out->consent.b, body + EPS_HASH_LEN, EPS_HASH_LEN);
	if (eps_base_read_u8(&out->depth, &c) != EPS_OK ||
		eps_base_read_bytes(&zero, &c, 7) != EPS_OK || !is_zero(zero, 7) ||
		eps_base_read_u64(&out->first, &c) != EPS_OK || eps_base_read_u64(&out->last, &c) != EPS_OK ||
		eps_base_read_u64(&out->as_of, &c) != EPS_OK)
		return EPS_E_FORMAT;
	if (out->depth < 1 || out->depth > EPS_MAP_MAX_DEPTH || out->first > out->last)
		return EPS_E_FORMAT;
	return is_zero(c.at, (size_t) (c.end - c.at)) ? EPS_OK : EPS_E_FORMAT;
}
