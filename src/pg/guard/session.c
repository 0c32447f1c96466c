/*
 * session.c
 *	  Settings under which a release is refused, for they would show estimates,
 *	  counts or places of protected rows (rule 32).
 */
#include "pg/guard/guard.h"

#include "access/xact.h"
#include "tcop/tcopprot.h"
#include "utils/elog.h"
#include "utils/guc.h"

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
