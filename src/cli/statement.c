/*
 * statement.c
 *	  pg_epsilon statement: what an owner has spent and allowed, with the proof that
 *	  it stands so in the ledger.
 */
#include "cli/cli_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define QUERY "SELECT dp.statement_proof($1, $2)"

typedef struct Statement
{
	EpsEntry	entry;
	EpsCheckpoint checkpoint;
	EpsOwnersBody body;
	uint32_t	account;
	EpsMapAccount state;
} Statement;

/* --- checking ----------------------------------------------------------------------- */

/* A message that stands in the map of this root. */
static bool
read_leaf(uint8_t *message, size_t len, const json_t *leaf, unsigned depth, const EpsHash *root)
{
	EpsMapProof proof = {.depth = depth};
	uint64_t	slot;
	size_t		n;

	if (!eps_cli_json_number(&slot, json_object_get(leaf, "slot")) || slot >= (uint64_t) 1 << depth ||
		!eps_cli_json_fixed(proof.leaf_key, sizeof(proof.leaf_key), json_object_get(leaf, "leaf_key")) ||
		!eps_cli_json_proof(proof.path, EPS_MAP_MAX_DEPTH, &n, json_object_get(leaf, "path")) || n != depth ||
		!eps_cli_json_fixed(message, len, json_object_get(leaf, "message")))
		return false;
	proof.slot = (uint32_t) slot;
	return eps_ledger_map_check(&proof, message, len, root) == EPS_OK;
}

/* The messages are read back into what gives them, byte by byte. */
static bool
read_state(Statement *s, const uint8_t balance[EPS_MAP_BALANCE_LEN], const uint8_t consent[EPS_MAP_CONSENT_LEN])
{
	EpsCursor	c = {balance, balance + EPS_MAP_BALANCE_LEN};
	EpsCursor	d = {consent, consent + EPS_MAP_CONSENT_LEN};
	uint32_t	account;
	uint8_t		flags;

	if (eps_base_read_u32(&s->account, &c) != EPS_OK || eps_base_read_u64(&s->state.spent, &c) != EPS_OK ||
		eps_base_read_u64(&s->state.spent_delta, &c) != EPS_OK || eps_base_read_u64(&s->state.limit, &c) != EPS_OK ||
		eps_base_read_u8(&flags, &c) != EPS_OK || eps_base_read_u32(&account, &d) != EPS_OK ||
		eps_base_read_u32(&s->state.consent_set, &d) != EPS_OK || eps_base_read_u32(&s->state.consent, &d) != EPS_OK)
		return false;
	s->state.merged = flags == 1;
	return flags <= 1 && account == s->account;
}

static const char *
wrong_maps(Statement *s, const json_t *statement)
{
	uint8_t		balance[EPS_MAP_BALANCE_LEN];
	uint8_t		consent[EPS_MAP_CONSENT_LEN];
	uint64_t	account;

	if (!read_leaf(balance, sizeof(balance), json_object_get(statement, "balance"), s->body.depth, &s->body.balance))
		return "holds a balance that does not stand in the ledger";
	if (!read_leaf(consent, sizeof(consent), json_object_get(statement, "consent"), s->body.depth, &s->body.consent))
		return "holds consents that do not stand in the ledger";
	if (!read_state(s, balance, consent) ||
		!eps_cli_json_number(&account, json_object_get(statement, "account")) || account != s->account)
		return "is about another account than its proof";
	return NULL;
}

static const char *
wrong_statement(Statement *s, const json_t *statement, const char *key, bool *believed)
{
	const char *wrong = eps_cli_json_checkpoint(&s->checkpoint, statement, key, believed);
	uint64_t	seq;

	if (wrong == NULL)
		wrong = eps_cli_json_entry(&s->entry, statement, &s->checkpoint);
	if (wrong != NULL)
		return wrong;
	if (s->entry.kind != EPS_ENTRY_OWNERS || eps_ledger_owners_read(&s->body, s->entry.body) != EPS_OK ||
		!eps_cli_json_number(&seq, json_object_get(statement, "owners_entry_seq")) || seq != s->entry.seq)
		return "holds another entry than that of its epoch's owners";
	return wrong_maps(s, statement);
}

EpsCliExit
eps_cli_check_statement(const char *in, size_t len, const char *key, char why[256])
{
	json_error_t error;
	json_t	   *statement = json_loadb(in, len, JSON_REJECT_DUPLICATES, &error);
	Statement	s;
	bool		believed;
	const char *wrong = statement == NULL ? "is no JSON" : wrong_statement(&s, statement, key, &believed);

	json_decref(statement);
	(void) snprintf(why, 256, "%s", wrong == NULL ? "" : wrong);
	return wrong == NULL ? EPS_CLI_GOOD : EPS_CLI_BAD;
}

/* --- showing ------------------------------------------------------------------------ */

static void
show_purposes(const EpsMapAccount *state)
{
	bool		any = false;

	for (int i = 0; i < 32; i++)
	{
		if ((state->consent_set >> i & 1) == 0)
			continue;
		any = true;
		printf("purpose %-3d %s\n", i, state->consent >> i & 1 ? "granted, unless it ended since" : "refused, unless it ended since");
	}
	if (!any)
		puts("purposes    the standard answer of each");
}

static void
show_text(const Statement *s, bool believed)
{
	char		last[32];

	eps_cli_time(last, s->body.last * 1000000);
	eps_cli_show_entry(&s->entry, &s->checkpoint);
	printf("account     %" PRIu32 "%s\nas of       %s (entry %" PRIu64 ")\n", s->account,
		   s->state.merged ? ", merged into another" : "", last, s->body.as_of);
	printf("spent       %.6g of %.6g\nspent delta %.6g\n", eps_cli_units(s->state.spent), eps_cli_units(s->state.limit),
		   eps_cli_units(s->state.spent_delta));
	show_purposes(&s->state);
	puts(believed ? "the proof is sound, if its key is this log's: name one that you trust with --key" : "the proof is sound");
}

static json_t *
state_json(const Statement *s)
{
	return json_pack("{s:b, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:I, s:I}", "good", 1, "detail", "",
					 "dataset_number", (json_int_t) s->entry.dataset, "account", (json_int_t) s->account,
					 "as_of_entry", (json_int_t) s->body.as_of, "spent_units", (json_int_t) s->state.spent,
					 "spent_delta_units", (json_int_t) s->state.spent_delta,
					 "limit_units", (json_int_t) s->state.limit, "epoch_last_second", (json_int_t) s->body.last,
					 "merged", (int) s->state.merged, "consent_set", (json_int_t) s->state.consent_set,
					 "consent", (json_int_t) s->state.consent);
}

static EpsCliExit
judge(const json_t *statement, const EpsCliArgs *args)
{
	Statement	s;
	bool		believed = false;
	const char *wrong = wrong_statement(&s, statement, args->key, &believed);

	if (args->json && wrong == NULL)
		eps_cli_show_json(state_json(&s));
	else if (args->json)
		eps_cli_show_json(json_pack("{s:b, s:s}", "good", 0, "detail", wrong));
	else if (wrong == NULL)
		show_text(&s, believed);
	else
		printf("the statement %s\n", wrong);
	return wrong == NULL ? EPS_CLI_GOOD : EPS_CLI_BAD;
}

/* --- asking ------------------------------------------------------------------------- */

static json_t *
ask(const EpsCliArgs *args)
{
	const char *const values[2] = {args->dataset, args->owner};
	PGconn	   *connection = eps_cli_connect(args->dbname);
	PGresult   *result;
	json_error_t error;
	json_t	   *out = NULL;

	if (connection == NULL)
		return NULL;
	result = PQexecParams(connection, QUERY, 2, NULL, values, NULL, NULL, 0);
	if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) != 1 || PQgetisnull(result, 0, 0))
		eps_cli_say("%s", PQresultStatus(result) == PGRES_TUPLES_OK ? "the server has no statement of this owner" :
					PQresultErrorMessage(result));
	else if ((out = json_loads(PQgetvalue(result, 0, 0), JSON_REJECT_DUPLICATES, &error)) == NULL)
		eps_cli_say("the server sends no JSON");
	PQclear(result);
	PQfinish(connection);
	return out;
}

EpsCliExit
eps_cli_command_statement(const EpsCliArgs *args)
{
	json_t	   *statement;
	EpsCliExit	status;

	if (args->npositional > 0 || (args->check == NULL) == (args->dbname == NULL || args->dataset == NULL || args->owner == NULL))
	{
		eps_cli_say("statement needs --check=FILE, or --dbname, --dataset and --owner");
		return EPS_CLI_TROUBLE;
	}
	statement = args->check != NULL ? eps_cli_get_json(args->check) : ask(args);
	if (statement == NULL)
		return EPS_CLI_TROUBLE;
	status = judge(statement, args);
	if (args->output != NULL && args->check == NULL)
	{
		EpsCliExit	put = eps_cli_put_json(json_incref(statement), args->output);

		status = put == EPS_CLI_GOOD ? status : put;
	}
	json_decref(statement);
	return status;
}
