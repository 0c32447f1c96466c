/*
 * answer.c
 *	  The steps of one release, in the order that makes it sound: nothing is
 *	  drawn or shown before the charge is durable.
 */
#include "postgres.h"

#include "pg/exec/exec_internal.h"
#include "pg/exec/repeat_internal.h"

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/memutils.h"

/* --- step 3: charge -------------------------------------------------------------- */

/* Public parameters only. */
char *
eps_exec_mechanism_text(const EpsReleasePlan *plan, const EpsReleasePrice *price)
{
	StringInfoData buf;

	initStringInfo(&buf);
	if (price->accuracy != NULL)
		appendStringInfo(&buf, "%s: ", price->accuracy);
	for (int j = 0; j < price->ncoords; j++)
		appendStringInfo(&buf, "%s%s", j > 0 ? "; " : "",
						 eps_release_mechanism_text(plan, price, j));
	if (price->thresholded)
		appendStringInfo(&buf, "; %s", eps_release_groups_text(plan, price));
	return buf.data;
}

static uint8 *
admit(EpsRun *run)
{
	EpsScanState *node = run->node;
	uint8	   *admitted = MemoryContextAllocExtended(run->context, run->candidates.n / 8 + 1,
													 MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	EpsAdmission admission = {
		.role = run->price->grant->role,
		.purpose = run->price->purpose,
		.worst_level = (uint16) run->price->booked_level,
		.worst_delta_level = (uint16) run->price->worst_delta_level,
		.purpose_name = node->purpose,
		.statement = node->css.ss.ps.state->es_sourceText,
		.mechanism = eps_exec_mechanism_text(run->plan, run->price)
	};

	run->keyed = eps_exec_answer_key(run->answer_key, &node->asked, node->statement);
	admission.answer_key = run->keyed ? run->answer_key : NULL;
	eps_budget_reserve(node->book, &admission, &run->candidates, admitted);
	return admitted;
}

/* --- step 4: add up ------------------------------------------------------------------ */

static inline void
add_entry(EpsRun *run, const char *entry, bool wide)
{
	int			ncoords = run->price->ncoords;
	uint32		gid;
	EpsI128    *totals;

	memcpy(&gid, entry, sizeof(gid));
	entry += sizeof(gid);
	totals = run->totals + (Size) gid * ncoords;
	for (int j = 0; j < ncoords; j++)
	{
		int64		z;
		int32		narrow;

		if (wide)
			memcpy(&z, entry + j * sizeof(int64), sizeof(int64));
		else
		{
			memcpy(&narrow, entry + j * sizeof(int32), sizeof(int32));
			z = narrow;
		}
		totals[j] += z;
	}
}

static void
add_up_entries(EpsRun *run, const uint8 *admitted)
{
	bool		wide = run->entries->wide;

	eps_exec_entries_rewind(run->entries);
	for (uint64 i = 0; i < run->candidates.n; i++)
	{
		if (i % 65536 == 0)
			CHECK_FOR_INTERRUPTS();
		for (uint32 k = 0; k < run->nentries[i]; k++)
		{
			const char *entry = eps_exec_entries_next(run->entries);

			if (!eps_exec_takes_part(admitted, i))
				continue;
			if (wide)
				add_entry(run, entry, true);
			else
				add_entry(run, entry, false);
		}
	}
	eps_exec_entries_free(run->entries);
	run->entries = NULL;
}

/* At most 2^32 owners with less than 2^62 each: 128 bits hold any total. */
static void
add_up(EpsRun *run, const uint8 *admitted)
{
	Size		n = (Size) run->groups->ngroups * Max(run->price->ncoords, 1);

	run->totals = MemoryContextAllocExtended(run->context, sizeof(EpsI128) * n,
											 MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	if (run->singles == NULL)
	{
		add_up_entries(run, admitted);
		return;
	}
	eps_exec_add_up_singles(run, admitted);
	eps_exec_partitions_free(run->records);
	run->records = NULL;
}

/* --- steps 5 and 6: select, noise ------------------------------------------------------ */

static void
add_noise(EpsRun *run, uint32 gid, int coord)
{
	const EpsCoordinate *c = &run->price->coords[coord];
	int64		noise = 0;

	EPS_TEST(eps_exec_test_noise(run, gid, coord));
	if (c->kind == EPS_NOISE_GAUSSIAN)
		eps_common_check(eps_noise_gaussian(&noise, c->variance, &run->entropy), "noise");
	else
		eps_common_check(eps_noise_laplace(&noise, c->scale_num, c->scale_den, &run->entropy), "noise");
	EPS_TEST(noise = eps_exec_test_has_noise() ? noise : 0);
	run->totals[(Size) gid * run->price->ncoords + coord] += noise;
	eps_base_wipe(&noise, sizeof(noise));
}

static void
add_noise_to_group(EpsRun *run, uint32 gid)
{
	for (int j = 0; j < run->price->ncoords; j++)
	{
		if (j != run->price->owners_coord)
			add_noise(run, gid, j);
	}
}

/*
 * A group shows iff its noisy number of owners reaches the threshold.  A group
 * without an admitted owner never does: that the dictionary knows it comes from
 * somebody who does not take part.
 */
static bool
reaches_threshold(EpsRun *run, uint32 gid)
{
	const EpsI128 *owners = &run->totals[(Size) gid * run->price->ncoords + run->price->owners_coord];

	if (*owners <= 0)
		return false;
	add_noise(run, gid, run->price->owners_coord);
	return *owners >= run->price->tau;
}

static void
select_groups(EpsRun *run)
{
	bool		thresholded = run->price->thresholded;

	run->shown = MemoryContextAllocHuge(run->context, sizeof(uint32) * (Size) run->groups->ngroups + 1);
	for (uint32 gid = 0; gid < run->groups->ngroups; gid++)
	{
		if (gid % 1024 == 0)
			CHECK_FOR_INTERRUPTS();
		if (!thresholded || reaches_threshold(run, gid))
			run->shown[run->nshown++] = gid;
	}
	for (uint32 i = 0; i < run->nshown; i++)
	{
		if (i % 1024 == 0)
			CHECK_FOR_INTERRUPTS();
		add_noise_to_group(run, run->shown[i]);
	}
	if (thresholded)
		eps_exec_groups_sort(run->groups, run->shown, run->nshown);
}

/* --- steps 1 and 2: collect, bound ------------------------------------------------------- */

/*
 * Errors that say nothing of rows: shutdown, and refusals of this extension.
 * Not lock timeouts, deadlocks, serialization: which lock is asked for may depend
 * on rows.  (The test flavour lets internal
 * errors through, to be read.)
 */
static bool
is_error_without_data(int sqlerrcode)
{
	switch (ERRCODE_TO_CATEGORY(sqlerrcode))
	{
		case MAKE_SQLSTATE('5', '7', '0', '0', '0'):
		case MAKE_SQLSTATE('P', 'V', '0', '0', '0'):
#ifdef EPS_TEST_BUILD
		case MAKE_SQLSTATE('X', 'X', '0', '0', '0'):
#endif
			return true;
		default:
			return false;
	}
}

/* The one way in which a release fails for reasons that depend on rows (rule 35). */
static void
end_session(void)
{
	eps_exec_pad_leave_in_error();
	ereport(FATAL,
			(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
			 errmsg("a private aggregate could not be completed"),
			 errdetail("The session ends, so that failures cannot be told apart.")));
}

/* Reads and bounds the rows; nothing is charged yet. */
static void
read_rows(EpsRun *run, const uint8 *admitted)
{
	eps_exec_collect(run);
	eps_exec_bound(run);
}

/*
 * Whether memory, disk or an expression fails in such a step depends on the rows: all
 * failures look alike and end the session (rule 35).
 */
static void
fail_alike(void (*step) (EpsRun *, const uint8 *), EpsRun *run, const uint8 *admitted)
{
	MemoryContext context = CurrentMemoryContext;

	PG_TRY();
	{
		step(run, admitted);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		if (is_error_without_data(error->sqlerrcode))
			PG_RE_THROW();
		FlushErrorState();
		end_session();
	}
	PG_END_TRY();
}

/* --- the whole ----------------------------------------------------------------------------- */

static void
close_stream(void *arg)
{
	eps_crypto_stream_close(arg);
}

/* Files aside, all of a run is in one context, and so is the stream: its key is
 * wiped when the context goes, on error too. */
static EpsRun *
begin_run(EpsScanState *node)
{
	MemoryContext context = AllocSetContextCreate(node->css.ss.ps.state->es_query_cxt,
												  "pg_epsilon release", ALLOCSET_DEFAULT_SIZES);
	EpsRun	   *run = MemoryContextAllocZero(context, sizeof(EpsRun));
	MemoryContextCallback *callback = MemoryContextAllocZero(context, sizeof(MemoryContextCallback));

	run->node = node;
	run->plan = node->plan;
	run->price = node->price;
	run->context = context;
	EPS_TEST(eps_exec_test_begin(run));
	run->collect = AllocSetContextCreate(context, "pg_epsilon collect", ALLOCSET_DEFAULT_SIZES);
	callback->func = close_stream;
	callback->arg = &run->stream;
	MemoryContextRegisterResetCallback(context, callback);
	eps_common_check(eps_crypto_stream_open(&run->stream), "random stream");
	eps_common_check(eps_crypto_stream_burst(&run->entropy, &run->stream), "random stream");
	return run;
}

static void
end_run(EpsRun *run)
{
	MemoryContext context = run->context;

	run->node->run = NULL;
	if (run->totals != NULL)
		eps_base_wipe(run->totals, sizeof(EpsI128) * (Size) run->groups->ngroups * Max(run->price->ncoords, 1));
	MemoryContextDelete(context);
}

void
eps_exec_abandon(EpsScanState *node)
{
	EpsRun	   *run = node->run;

	if (run == NULL)
		return;
	if (run->entries != NULL)
		eps_exec_entries_free(run->entries);
	if (run->records != NULL)
		eps_exec_partitions_free(run->records);
	if (run->distinct != NULL)
		eps_exec_distinct_close(run->distinct);
	end_run(run);
}

/*
 * From the first row to the durable charge neither cancel nor the end of the
 * session gets in between.  A parallel plan must hear of its workers: there the
 * session may end, with nobody charged and nobody left to see an answer.
 */
static void
hold_interrupts(const EpsScanState *node)
{
	if (node->css.ss.ps.state->es_plannedstmt->parallelModeNeeded)
		HOLD_CANCEL_INTERRUPTS();
	else
		HOLD_INTERRUPTS();
}

static void
resume_interrupts(const EpsScanState *node)
{
	if (node->css.ss.ps.state->es_plannedstmt->parallelModeNeeded)
		RESUME_CANCEL_INTERRUPTS();
	else
		RESUME_INTERRUPTS();
}

void
eps_exec_answer(EpsScanState *node)
{
	EpsRun	   *run = begin_run(node);
	MemoryContext query = MemoryContextSwitchTo(node->css.ss.ps.state->es_query_cxt);
	const uint8 *admitted;

	/* An error ends the hold by itself */
	hold_interrupts(node);
	EPS_TEST(eps_exec_test_point("read"));
	fail_alike(read_rows, run, NULL);
	MemoryContextSwitchTo(run->context);
	node->run = run;
	eps_exec_pad_end_input(node);
	eps_exec_pad_charge();
	EPS_TEST(eps_exec_test_point("charge"));
	admitted = admit(run);
	/* step 4 goes on while the writer writes; nothing is drawn before it has */
	add_up(run, admitted);
	node->asked.seq = eps_budget_await(node->book);
	if (run->distinct != NULL)
		fail_alike(eps_exec_distinct_unite, run, admitted);
	EPS_TEST(eps_exec_test_trace(run, admitted));
	EPS_TEST(eps_exec_test_point("noise"));
	resume_interrupts(node);
	eps_exec_pad_check();
	CHECK_FOR_INTERRUPTS();
	if (run->groups->full)
		end_session();
	select_groups(run);
	MemoryContextSwitchTo(node->css.ss.ps.state->es_query_cxt);
	node->rows = eps_exec_emit(run);
	EPS_TEST(eps_exec_test_point("emit"));
	MemoryContextSwitchTo(run->context);
	if (!eps_exec_pad_keeps_later(node, run->keyed ? run->answer_key : NULL))
		eps_exec_keep(node, run->keyed ? run->answer_key : NULL);
	MemoryContextSwitchTo(query);
	end_run(run);
}
