/*
 * session.c
 *	  Settings under which a release is refused, for they would show estimates,
 *	  counts or places of protected rows (rule 32); and options of EXPLAIN that
 *	  show of any statement what others made the server read and write (rule 31).
 */
#include "pg/guard/guard_internal.h"

#include "access/xact.h"
#include "commands/defrem.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "tcop/tcopprot.h"
#include "tcop/utility.h"
#include "utils/elog.h"
#include "utils/guc.h"

#include "pg/policy/policy.h"

static ProcessUtility_hook_type next_utility = NULL;

/* Settings that must be off; all print something of a plan or of its execution. */
static const char *const must_be_off[] = {
	"debug_print_parse", "debug_print_rewritten", "debug_print_plan", "trace_sort",
	"log_parser_stats", "log_planner_stats", "log_executor_stats", "log_statement_stats"
};

/* Settings that make what a scan finds, or whether it fails, depend on rows beside
 * those it is asked for, and the values that are safe. */
typedef struct EpsExactSetting
{
	const char *name;
	const char *value;
} EpsExactSetting;

static const EpsExactSetting must_be[] = {
	{"gin_fuzzy_search_limit", "0"},
	{"old_snapshot_threshold", "-1"}
};

static void
refuse_setting(const char *name, const char *value)
{
	ereport(ERROR,
			(errcode(EPS_ERRCODE_SIDE_DOOR),
			 errmsg("a release is refused while %s is %s", name, value),
			 errdetail("It would show what the server finds among protected rows."),
			 errhint("SET %s = default, or ask a database administrator.", name)));
}

void
eps_guard_silence(EpsTraces *out)
{
	out->client_min_messages = client_min_messages;
	client_min_messages = Max(client_min_messages, NOTICE);
#ifdef TRACE_SORT
	out->trace_sort = trace_sort;
	trace_sort = false;
#endif
}

void
eps_guard_unsilence(const EpsTraces *traces)
{
	client_min_messages = traces->client_min_messages;
#ifdef TRACE_SORT
	trace_sort = traces->trace_sort;
#endif
}

void
eps_guard_check_session(void)
{
	if (client_min_messages < NOTICE)
		refuse_setting("client_min_messages", "below notice");
	for (size_t i = 0; i < lengthof(must_be_off); i++)
	{
		const char *value = GetConfigOption(must_be_off[i], true, false);

		if (value != NULL && strcmp(value, "off") != 0)
			refuse_setting(must_be_off[i], "on");
	}
	for (size_t i = 0; i < lengthof(must_be); i++)
	{
		const char *value = GetConfigOption(must_be[i].name, true, false);

		if (value != NULL && strcmp(value, must_be[i].value) != 0)
			refuse_setting(must_be[i].name, "set");
	}
	/* read only is no way out: it locks as well while others write */
	if (IsolationIsSerializable())
		ereport(ERROR,
				(errcode(EPS_ERRCODE_SIDE_DOOR),
				 errmsg("a release is refused in a serializable transaction"),
				 errdetail("Its predicate locks, and its failures to serialize, would show which rows were read."),
				 errhint("Use READ COMMITTED or REPEATABLE READ.")));
}

/* --- EXPLAIN ------------------------------------------------------------------------ */

/*
 * Buffers tell which of the analyst's own pages a release has pushed out of the
 * server's memory, page images in the log that a checkpoint came, which comes after
 * so many bytes of log.
 */
static void
check_explain(const ExplainStmt *explain)
{
	Oid			role[EPS_POLICY_MAX_ROLES];
	bool		analyze = false;
	bool		buffers = false;
	bool		buffers_said = false;
	bool		wal = false;
	ListCell   *lc;

	foreach(lc, explain->options)
	{
		DefElem    *option = lfirst_node(DefElem, lc);

		if (strcmp(option->defname, "analyze") == 0)
			analyze = defGetBoolean(option);
		else if (strcmp(option->defname, "wal") == 0)
			wal = defGetBoolean(option);
		else if (strcmp(option->defname, "buffers") == 0)
		{
			buffers = defGetBoolean(option);
			buffers_said = true;
		}
	}
	if (PG_VERSION_NUM >= 180000 && analyze && !buffers_said)
		buffers = true;
	if ((buffers || wal) && eps_policy_analyst_roles(role) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for EXPLAIN with option %s", buffers ? "buffers" : "wal"),
				 errdetail("It shows what the server has read or written for others, which analysts must not see.")));
}

static void
guard_utility(PlannedStmt *pstmt, const char *query_string, bool read_only_tree,
			  ProcessUtilityContext context, ParamListInfo params, QueryEnvironment *environment,
			  DestReceiver *dest, QueryCompletion *completion)
{
	if (IsA(pstmt->utilityStmt, ExplainStmt))
		check_explain((const ExplainStmt *) pstmt->utilityStmt);
	if (next_utility)
		next_utility(pstmt, query_string, read_only_tree, context, params, environment, dest, completion);
	else
		standard_ProcessUtility(pstmt, query_string, read_only_tree, context, params, environment, dest,
								completion);
}

void
eps_guard_session_init(void)
{
	next_utility = ProcessUtility_hook;
	ProcessUtility_hook = guard_utility;
}
