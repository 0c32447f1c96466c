/*
 * repeat.c
 *	  A release that was answered before gives the same answer again, for nothing
 *	  (rule 26).
 *
 * The key is a keyed hash of everything that the answer depends on but protected
 * rows and the coins of its noise: the plan with the fingerprint of its input, the
 * price, the purpose, the policy, the values of parameters and clocks, the time
 * zone, the content of public relations, and which answers of inner releases it
 * reads.  That protected rows have changed since does not count: whether they have
 * is nothing an analyst may learn.
 *
 * Whether a release is a repeat is decided with the price, before any row is read,
 * and for all releases of a statement at once (rule 1).
 */
#include "postgres.h"

#include "pg/exec/repeat_internal.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "nodes/value.h"
#include "pgtime.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* --- the key ---------------------------------------------------------------------------- */

/* Where an oid and a datum's bytes mean the same. */
static void
append_server(StringInfo out)
{
	appendStringInfo(out, "pg_epsilon answer 1, version %s, server %d, system " UINT64_FORMAT ", database %u\n",
					 EPS_VERSION, PG_VERSION_NUM, GetSystemIdentifier(), MyDatabaseId);
#ifdef EPS_TEST_BUILD
	appendStringInfo(out, "noise %s\n", GetConfigOption("dp_test.noise", false, false));
#endif
}

/* Conversions beside protected rows depend on no other setting than the time zone. */
static void
append_session(StringInfo out, const EpsSettings *settings)
{
	appendStringInfo(out, "policy " UINT64_FORMAT "\npurpose %s\ntime zone %s\n", eps_policy_version(),
					 settings->purpose == NULL ? "" : settings->purpose, pg_get_timezone_name(session_timezone));
}

/* Parameters, clocks and role names: their bytes, which do not depend on how the
 * session writes dates. */
static void
append_stable(StringInfo out, const List *stable, ParamListInfo params)
{
	EState	   *estate = CreateExecutorState();
	ExprContext *econtext = CreateExprContext(estate);
	ListCell   *lc;

	econtext->ecxt_param_list_info = params;
	foreach(lc, stable)
	{
		Expr	   *expr = lfirst(lc);
		Datum		value;
		bool		isnull;
		int16		typlen;
		bool		typbyval;
		MemoryContext old = MemoryContextSwitchTo(estate->es_query_cxt);
		ExprState  *state = ExecInitExprWithParams(expr, params);

		MemoryContextSwitchTo(old);
		value = ExecEvalExprSwitchContext(state, econtext, &isnull);
		get_typlenbyval(exprType((Node *) expr), &typlen, &typbyval);
		eps_exec_append_datum(out, value, isnull, typlen, typbyval);
	}
	FreeExecutorState(estate);
}

static bool
append_content(StringInfo out, const List *publics, Snapshot snapshot)
{
	ListCell   *lc;

	foreach(lc, publics)
	{
		uint8		hash[EPS_SHA256_LEN];

		if (!eps_exec_public_content(hash, lfirst_oid(lc), snapshot))
			return false;
		appendBinaryStringInfo(out, (char *) hash, sizeof(hash));
	}
	return true;
}

static void
make_base(EpsAsked *asked, const EpsSettings *settings, ParamListInfo params, Snapshot snapshot)
{
	StringInfoData text;

	asked->keyed = false;
	if (!asked->plan->repeatable || settings->repeat_max_age == 0)
		return;
	initStringInfo(&text);
	append_server(&text);
	append_session(&text, settings);
	eps_release_canonical(&text, asked->plan, asked->price);
	append_stable(&text, asked->plan->stable, params);
	asked->keyed = append_content(&text, asked->plan->publics, snapshot);
	if (asked->keyed)
		eps_crypto_sha256(asked->base, (const uint8 *) text.data, (size_t) text.len);
	pfree(text.data);
}

/* The answers of an inner release: the entries that gave them.  False where one is
 * not known (yet). */
static bool
append_inner(StringInfo out, const char *fingerprint, const List *statement)
{
	bool		found = false;
	ListCell   *lc;

	foreach(lc, statement)
	{
		const EpsAsked *other = lfirst(lc);

		if (strcmp(other->plan->fingerprint, fingerprint) != 0)
			continue;
		if (other->seq == 0)
			return false;
		appendBinaryStringInfo(out, (const char *) &other->seq, sizeof(other->seq));
		found = true;
	}
	return found;
}

bool
eps_exec_answer_key(uint8 key[EPS_ANSWER_KEY_LEN], const EpsAsked *asked, const List *statement)
{
	StringInfoData text;
	ListCell   *lc;
	bool		known = asked->keyed;

	if (!known)
		return false;
	initStringInfo(&text);
	appendBinaryStringInfo(&text, (const char *) asked->base, sizeof(asked->base));
	foreach(lc, asked->plan->inner)
		known = known && append_inner(&text, strVal(lfirst(lc)), statement);
	if (known)
		eps_budget_answer_key(key, text.data, text.len);
	pfree(text.data);
	return known;
}

/* --- before a release runs ------------------------------------------------------------------ */

/* statement: what is asked up to here, this one included. */
void
eps_exec_ask(EpsAsked *asked, const List *statement, const EpsSettings *settings,
			 ParamListInfo params, Snapshot snapshot)
{
	TimestampTz not_before = TimestampTzPlusMilliseconds(GetCurrentStatementStartTimestamp(),
														 -settings->repeat_max_age * 1000);
	EpsStoredAnswer stored;

	make_base(asked, settings, params, snapshot);
	if (!settings->repeats || !eps_exec_answer_key(asked->key, asked, statement))
		return;
	asked->policy_version = eps_policy_version();
	if (!eps_budget_find_answer(&stored, asked->plan->dataset_id, asked->key, not_before) ||
		!eps_exec_restore_rows(&asked->rows, asked->plan, stored.bytes, stored.len))
		return;
	asked->repeat = true;
	asked->seq = stored.seq;
	asked->at = stored.at;
}

/* --- the run of a repeat ----------------------------------------------------------------------- */

/* Other releases of the statement may have run since the answer was found. */
static void
check_policy(const EpsScanState *node)
{
	const EpsDataset *dataset;
	const EpsGrant *grant;

	AcceptInvalidationMessages();
	grant = eps_policy_grant(node->plan->dataset_id);
	if (grant == NULL || eps_policy_version() != node->asked.policy_version)
		ereport(ERROR,
				(errcode(EPS_ERRCODE_REFUSED),
				 errmsg("the policy was changed while the statement ran"),
				 errdetail("An answer of the time before is not given again."),
				 errhint("Ask again.")));
	dataset = eps_policy_dataset(node->plan->dataset_id);
	(void) eps_policy_check_purpose(dataset, grant, node->purpose);
}

/* The entry is on disk before the answer is there to be read. */
void
eps_exec_repeat(EpsScanState *node)
{
	EpsAdmission admission = {
		.role = node->price->grant->role,
		.purpose = node->price->purpose,
		.purpose_name = node->purpose,
		.statement = node->css.ss.ps.state->es_sourceText,
		.mechanism = eps_exec_mechanism_text(node->plan, node->price),
		.answer_key = node->asked.key
	};

	eps_exec_pad_charge();
	check_policy(node);
	(void) eps_budget_repeat(node->book, &admission, node->asked.seq);
	node->rows = node->asked.rows;
}

/* --- after a release has run -------------------------------------------------------------------- */

void
eps_exec_keep(EpsScanState *node, const uint8 key[EPS_ANSWER_KEY_LEN])
{
	StringInfoData bytes;

	initStringInfo(&bytes);
	eps_exec_store_rows(&bytes, node->plan, &node->rows);
	eps_budget_store_answer(node->book, key, node->asked.seq, (const uint8 *) bytes.data, (Size) bytes.len);
	pfree(bytes.data);
}
