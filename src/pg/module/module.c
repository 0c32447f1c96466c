/*
 * module.c
 *	  Load, hooks, the prefix of settings.
 *
 * Each hook is a dispatch of a few lines, calls the hook before it exactly once
 * on every path, and stands alone.
 */
#include "pg/module/module.h"

#include "executor/executor.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "access/parallel.h"
#include "access/tableam.h"
#include "jit/jit.h"
#include "optimizer/planner.h"
#include "utils/guc.h"
#include "utils/inval.h"

#include "core/crypto/crypto.h"
#include "pg/budget/budget.h"
#include "pg/exec/exec.h"
#include "pg/guard/guard.h"
#include "pg/policy/policy.h"
#include "pg/release/release.h"
#include "pg/rewrite/rewrite.h"

PG_MODULE_MAGIC;

static planner_hook_type prev_planner = NULL;
static ExecutorStart_hook_type prev_executor_start = NULL;
static ExecutorRun_hook_type prev_executor_run = NULL;
static ExecutorEnd_hook_type prev_executor_end = NULL;

static PlannedStmt *
plan_next(Query *parse, const char *query_string, int cursor_options, ParamListInfo params)
{
	if (prev_planner)
		return prev_planner(parse, query_string, cursor_options, params);
	return standard_planner(parse, query_string, cursor_options, params);
}

static PlannedStmt *
plan_analyst(Query *parse, const char *query_string, int cursor_options, ParamListInfo params)
{
	PlannedStmt *result;
	bool		generic;

	if (!eps_rewrite_statement(parse, params, &generic))
	{
		/* not beside protected rows: analysis sees what was written */
		bool		blanked = eps_rewrite_blank(parse);

		result = plan_next(parse, query_string, cursor_options, params);
		result->dependsOnRole = result->dependsOnRole || blanked;
		return result;
	}
	eps_guard_check_session();
	eps_guard_check_doors();
	if (generic)
		result = eps_rewrite_refuse_generic(parse);
	else
		result = plan_next(parse, query_string, cursor_options, params);
	result->dependsOnRole = true;
	/* EXPLAIN counts what is compiled, below a release too */
	result->jitFlags = PGJIT_NONE;
	eps_guard_check_stack(result);
	eps_guard_check(result);
	/* the planner has run functions of the analyst's: what is set now prints this plan */
	eps_guard_check_session();
	return result;
}

static PlannedStmt *
module_planner(Query *parse, const char *query_string, int cursor_options, ParamListInfo params)
{
	PlannedStmt *volatile result = NULL;
	EpsPlanning outer;

	if (!eps_policy_is_analyst_session())
		return plan_next(parse, query_string, cursor_options, params);
	outer = eps_rewrite_enter();
	PG_TRY();
	{
		result = plan_analyst(parse, query_string, cursor_options, params);
	}
	PG_FINALLY();
	{
		eps_rewrite_leave(&outer);
	}
	PG_END_TRY();
	return result;
}

/* Row counts and timings of a release are answers without noise. */
static void
refuse_instrumentation(QueryDesc *query)
{
	if (query->instrument_options != 0 && eps_exec_has_release(query->plannedstmt))
		ereport(ERROR,
				(errcode(EPS_ERRCODE_REFUSED),
				 errmsg("EXPLAIN ANALYZE of a release is refused"),
				 errdetail("It would show how many protected rows were read."),
				 errhint("Use EXPLAIN without ANALYZE, or dp.preview.")));
}

static void
module_executor_start(QueryDesc *query, int eflags)
{
	/* of a worker's scans, as in eps_exec_collect(); a worker does nothing else */
	if (IsParallelWorker() && eps_policy_is_analyst_session())
		synchronize_seqscans = false;
	if (eps_policy_is_analyst_session())
	{
		bool		release = eps_exec_has_release(query->plannedstmt);

		if (release)
			eps_guard_check_stack(query->plannedstmt);
		eps_guard_check(query->plannedstmt);
		if (release)
			eps_guard_check_session();
		refuse_instrumentation(query);
	}
	if (prev_executor_start)
		prev_executor_start(query, eflags);
	else
		standard_ExecutorStart(query, eflags);
}

/* A cursor may have been opened long ago: what policy and settings say now holds. */
static void
run_releases(QueryDesc *query)
{
	AcceptInvalidationMessages();
	eps_guard_check_session();
	eps_guard_check_doors();
	eps_guard_check_stack(query->plannedstmt);
	eps_guard_check(query->plannedstmt);
	eps_exec_run_releases(query);
}

#if PG_VERSION_NUM >= 180000
static void
module_executor_run(QueryDesc *query, ScanDirection direction, uint64 count)
{
	if (query->plannedstmt->dependsOnRole && eps_exec_has_release(query->plannedstmt))
		run_releases(query);
	if (prev_executor_run)
		prev_executor_run(query, direction, count);
	else
		standard_ExecutorRun(query, direction, count);
}
#else
static void
module_executor_run(QueryDesc *query, ScanDirection direction, uint64 count, bool execute_once)
{
	if (query->plannedstmt->dependsOnRole && eps_exec_has_release(query->plannedstmt))
		run_releases(query);
	if (prev_executor_run)
		prev_executor_run(query, direction, count, execute_once);
	else
		standard_ExecutorRun(query, direction, count, execute_once);
}
#endif

/*
 * What is below a release ends here, and says how much it held where traces are on:
 * the analyst's functions above the release may have turned them on meanwhile.
 */
static void
module_executor_end(QueryDesc *query)
{
	EpsTraces	traces = {0};
	bool		quiet = eps_exec_has_release(query->plannedstmt);

	if (quiet)
		eps_guard_silence(&traces);
	PG_TRY();
	{
		if (prev_executor_end)
			prev_executor_end(query);
		else
			standard_ExecutorEnd(query);
	}
	PG_FINALLY();
	{
		if (quiet)
			eps_guard_unsilence(&traces);
	}
	PG_END_TRY();
}

static void
install_hooks(void)
{
	prev_planner = planner_hook;
	planner_hook = module_planner;
	prev_executor_start = ExecutorStart_hook;
	ExecutorStart_hook = module_executor_start;
	prev_executor_run = ExecutorRun_hook;
	ExecutorRun_hook = module_executor_run;
	prev_executor_end = ExecutorEnd_hook;
	ExecutorEnd_hook = module_executor_end;
}

void
_PG_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("pg_epsilon must be loaded by shared_preload_libraries"),
				 errhint("Add pg_epsilon to shared_preload_libraries and restart the server.")));
	eps_common_check(eps_crypto_init(), "the crypto library cannot be used");
	eps_policy_init();
	eps_release_init();
	eps_budget_init();
	eps_exec_init();
	eps_rewrite_init();
	eps_guard_init();
	install_hooks();
	MarkGUCPrefixReserved("dp");
}
