/*
 * bytes.c
 *	  What proofs share: hashes and bytes in JSON, the entry of a log with its
 *	  inclusion proof, and the keys that lead to the one that signed.
 */
#include "cli/cli_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* --- writing ----------------------------------------------------------------------- */

json_t *
eps_cli_json_bytes(const uint8_t *bytes, size_t len)
{
	char	   *hex = eps_cli_alloc(2 * len + 1);
	json_t	   *out;

	eps_cli_hex(hex, bytes, len);
	out = json_string(hex);
	free(hex);
	return out;
}

json_t *
eps_cli_json_hashes(const EpsHash *hash, size_t n)
{
	json_t	   *out = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(out, eps_cli_json_bytes(hash[i].b, sizeof(hash[i].b)));
	return out;
}

/* --- reading ------------------------------------------------------------------------ */

bool
eps_cli_json_fixed(uint8_t *out, size_t len, const json_t *value)
{
	const char *hex = json_string_value(value);

	return hex != NULL && eps_cli_unhex(out, len, hex);
}

/* Bytes of any number; the caller frees them. */
bool
eps_cli_json_any(uint8_t **out, size_t *len, const json_t *value)
{
	const char *hex = json_string_value(value);

	*out = NULL;
	if (hex == NULL || strlen(hex) % 2 != 0)
		return false;
	*len = strlen(hex) / 2;
	*out = eps_cli_alloc(*len);
	if (eps_cli_unhex(*out, *len, hex))
		return true;
	free(*out);
	*out = NULL;
	return false;
}

bool
eps_cli_json_proof(EpsHash *out, size_t max, size_t *n, const json_t *value)
{
	*n = json_array_size(value);
	if (!json_is_array(value) || *n > max)
		return false;
	for (size_t i = 0; i < *n; i++)
		if (!eps_cli_json_fixed(out[i].b, sizeof(out[i].b), json_array_get(value, i)))
			return false;
	return true;
}

bool
eps_cli_json_number(uint64_t *out, const json_t *value)
{
	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return false;
	*out = (uint64_t) json_integer_value(value);
	return true;
}

/* --- keys ----------------------------------------------------------------------------- */

/* Does the entry stand in the log of the checkpoint? */
static bool
is_included(const EpsEntry *entry, const uint8_t bytes[EPS_ENTRY_LEN], const json_t *inclusion, const EpsCheckpoint *checkpoint)
{
	EpsHash		proof[EPS_PROOF_MAX];
	EpsHash		leaf;
	size_t		n;

	if (!eps_cli_json_proof(proof, EPS_PROOF_MAX, &n, inclusion))
		return false;
	eps_ledger_leaf_hash(&leaf, bytes, EPS_ENTRY_LEN);
	return eps_ledger_check_inclusion(&leaf, entry->seq - 1, checkpoint->size, proof, n, &checkpoint->root) == EPS_OK;
}

/* One step of the chain: an entry of the log, signed by the key before. */
static bool
is_next_key(const json_t *step, const EpsCheckpoint *checkpoint, const uint8_t id[EPS_LEDGER_ID_LEN],
			const uint8_t before[EPS_SIGN_PUBLIC_LEN], EpsKeyBody *body)
{
	uint8_t		bytes[EPS_ENTRY_LEN];
	uint8_t		statement[EPS_KEY_STATEMENT_LEN];
	EpsEntry	entry;

	if (!eps_cli_json_fixed(bytes, sizeof(bytes), json_object_get(step, "entry")) ||
		eps_ledger_entry_read(&entry, bytes) != EPS_OK || entry.kind != EPS_ENTRY_KEY ||
		!is_included(&entry, bytes, json_object_get(step, "inclusion"), checkpoint))
		return false;
	eps_ledger_key_read(body, entry.body);
	eps_ledger_key_statement(statement, id, entry.seq, body->key);
	return eps_crypto_sign_check(body->by_new, statement, sizeof(statement), body->key) == EPS_OK &&
		(before == NULL || eps_crypto_sign_check(body->by_old, statement, sizeof(statement), before) == EPS_OK);
}

/* The key of an entry without further ado. */
static bool
peek_key(uint8_t key[EPS_SIGN_PUBLIC_LEN], const json_t *step)
{
	uint8_t		bytes[EPS_ENTRY_LEN];
	EpsEntry	entry;
	EpsKeyBody	body;

	if (!eps_cli_json_fixed(bytes, sizeof(bytes), json_object_get(step, "entry")) ||
		eps_ledger_entry_read(&entry, bytes) != EPS_OK || entry.kind != EPS_ENTRY_KEY)
		return false;
	eps_ledger_key_read(&body, entry.body);
	memcpy(key, body.key, EPS_SIGN_PUBLIC_LEN);
	return true;
}

/*
 * The checkpoint, signed by the last of the keys, each of which the one before it
 * signed; the trusted key must be among them.  Without a trusted key the first is
 * believed, and *believed says so.
 */
const char *
eps_cli_json_checkpoint(EpsCheckpoint *out, const json_t *bundle, const char *trusted, bool *believed)
{
	const char *note = json_string_value(json_object_get(bundle, "checkpoint"));
	const json_t *keys = json_object_get(bundle, "keys");
	size_t		nkeys = json_array_size(keys);
	char		name[128];
	uint8_t		key[EPS_SIGN_PUBLIC_LEN];
	uint8_t		last[EPS_SIGN_PUBLIC_LEN];
	uint8_t		id[EPS_LEDGER_ID_LEN];
	EpsKeyBody	body;
	bool		found = trusted == NULL;

	*believed = trusted == NULL;
	if (note == NULL)
		return "holds no checkpoint";
	if (trusted != NULL && eps_ledger_vkey_read(name, key, trusted, strlen(trusted)) != EPS_OK)
		return "cannot be checked: the key given is no verifier key";
	if (trusted != NULL && eps_ledger_checkpoint_read(out, note, strlen(note), name, key) == EPS_OK)
		return NULL;
	if (nkeys == 0 || !peek_key(last, json_array_get(keys, nkeys - 1)))
		return trusted == NULL ? "holds no keys: name the log's key with --key" : "has a checkpoint that the key given did not sign";
	if (!eps_cli_origin_of(name, id, note) ||
		eps_ledger_checkpoint_read(out, note, strlen(note), name, last) != EPS_OK)
		return "has a checkpoint that the newest of its keys did not sign";
	for (size_t i = 0; i < nkeys; i++)
	{
		if (!is_next_key(json_array_get(keys, i), out, id, i == 0 ? NULL : last, &body))
			return "has keys that do not follow from each other, or do not stand in the log";
		memcpy(last, body.key, sizeof(last));
		found = found || memcmp(last, key, sizeof(last)) == 0;
	}
	return found ? NULL : "is of a log of which the key given is none";
}

/* The name of a note's log, and the ledger's id in it. */
bool
eps_cli_origin_of(char name[128], uint8_t id[EPS_LEDGER_ID_LEN], const char *note)
{
	static const char prefix[] = "pg_epsilon/";
	const char *newline = strchr(note, '\n');
	size_t		len = newline == NULL ? 128 : (size_t) (newline - note);

	if (len >= 128 || len < sizeof(prefix) || memcmp(note, prefix, sizeof(prefix) - 1) != 0)
		return false;
	memcpy(name, note, len);
	name[len] = '\0';
	return eps_cli_unhex(id, EPS_LEDGER_ID_LEN, name + sizeof(prefix) - 1);
}

/* The entry that a proof is about. */
const char *
eps_cli_json_entry(EpsEntry *out, const json_t *bundle, const EpsCheckpoint *checkpoint)
{
	uint8_t		bytes[EPS_ENTRY_LEN];

	if (!eps_cli_json_fixed(bytes, sizeof(bytes), json_object_get(bundle, "entry")) ||
		eps_ledger_entry_read(out, bytes) != EPS_OK)
		return "holds no well-formed entry";
	if (!is_included(out, bytes, json_object_get(bundle, "inclusion"), checkpoint))
		return "holds an entry that does not stand in the log of its checkpoint";
	return NULL;
}
