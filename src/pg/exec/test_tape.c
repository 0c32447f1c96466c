/*
 * test_tape.c
 *	  For test builds only (EPS_TEST_BUILD); a shipped library has nothing of it.
 *
 * What the audits need to see and to hold still:
 *
 * dp_test.noise = off		answers without noise
 * dp_test.seed = 'text'	a tape in place of the kernel's randomness: an owner's
 *							coins are a function of seed, number of the release
 *							since the setting was made, and owner; noise is one of
 *							seed, number, group and coordinate
 * dp_test.trace = on		keeps what each release knew of rows, for
 *							eps_exec_sql_test_trace()
 * dp_test.cancel = 'POINT' a cancel that comes at that point of a release, or with
 *							'POINT:timeout' a statement timeout
 *
 * On the tape, what coins choose from stands in an order of contents, since the
 * order of arrival is nobody's own.
 */
#include "postgres.h"

#include "pg/exec/exec_internal.h"

#ifdef EPS_TEST_BUILD

#include <signal.h>
#include <unistd.h>

#include "fmgr.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timeout.h"

extern PGDLLEXPORT Datum eps_exec_sql_test_trace(PG_FUNCTION_ARGS);

static bool test_noise = true;
static bool test_trace = false;
static char *test_seed = NULL;
static char *test_cancel = NULL;

/* Releases since dp_test.seed was set. */
static uint64 release_no = 0;

/* JSON objects, a comma between two; NULL: none since it was read. */
static StringInfo traces = NULL;

static void
assign_seed(const char *newval, void *extra)
{
	release_no = 0;
}

void
eps_exec_test_init(void)
{
	DefineCustomBoolVariable("dp_test.noise", "Test build only: off gives answers without noise.", NULL,
							 &test_noise, true, PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("dp_test.trace", "Test build only: keeps what releases knew.", NULL,
							 &test_trace, false, PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("dp_test.seed", "Test build only: seed of a tape of coins and noise.", NULL,
							   &test_seed, "", PGC_USERSET, 0, NULL, assign_seed, NULL);
	DefineCustomStringVariable("dp_test.cancel", "Test build only: point at which a release is cancelled.", NULL,
							   &test_cancel, "", PGC_USERSET, 0, NULL, NULL, NULL);
}

bool
eps_exec_test_has_noise(void)
{
	return test_noise;
}

void
eps_exec_test_begin(EpsRun *run)
{
	run->test_no = release_no++;
}

/* --- the tape --------------------------------------------------------------------- */

static bool
has_tape(void)
{
	return test_seed != NULL && test_seed[0] != '\0';
}

/* Goes to the place of the tape that belongs to these bytes. */
static void
seek_tape(EpsRun *run, char kind, const void *bytes, int len)
{
	EpsStream  *stream = &run->stream;
	StringInfoData place;
	uint8		seed[EPS_SHA256_LEN];

	initStringInfo(&place);
	appendBinaryStringInfo(&place, (const char *) &run->test_no, sizeof(run->test_no));
	appendStringInfoChar(&place, kind);
	appendBinaryStringInfo(&place, bytes, len);
	eps_crypto_sha256(seed, (const uint8 *) test_seed, strlen(test_seed));
	eps_crypto_hmac(stream->key, seed, (const uint8 *) place.data, (size_t) place.len);
	stream->block = 0;
	stream->used = sizeof(stream->buffer);
	stream->pid = getpid();
	pfree(place.data);
}

/* A group by its keys, as a JSON array of their text. */
static void
append_group(StringInfo buf, const EpsGroups *g, uint32 gid)
{
	appendStringInfoChar(buf, '[');
	for (int k = 0; k < g->nkeys; k++)
	{
		Size		at = (Size) gid * g->nkeys + k;
		Oid			output;
		bool		varlena;

		if (k > 0)
			appendStringInfoChar(buf, ',');
		if (g->isnull[at])
		{
			appendStringInfoString(buf, "null");
			continue;
		}
		getTypeOutputInfo(g->forms[k].type, &output, &varlena);
		escape_json(buf, OidOutputFunctionCall(output, g->values[at]));
	}
	appendStringInfoChar(buf, ']');
}

/* Before the key of the images of distinct values is drawn. */
void
eps_exec_test_images(EpsRun *run)
{
	if (has_tape())
		seek_tape(run, 'i', "", 0);
}

void
eps_exec_test_owner(EpsRun *run, EpsKey key)
{
	if (has_tape())
		seek_tape(run, 'o', &key, sizeof(key));
}

void
eps_exec_test_noise(EpsRun *run, uint32 gid, int coord)
{
	StringInfoData place;

	if (!has_tape())
		return;
	initStringInfo(&place);
	appendStringInfo(&place, "%d ", coord);
	append_group(&place, run->groups, gid);
	seek_tape(run, 'n', place.data, place.len);
	pfree(place.data);
}

typedef struct Content
{
	uint8		hash[EPS_SHA256_LEN];
	uint32		at;
} Content;

static int
compare_content(const void *a, const void *b)
{
	return memcmp(((const Content *) a)->hash, ((const Content *) b)->hash, EPS_SHA256_LEN);
}

/* Puts choice[0..n-1] in the order of what they stand for: rows, or groups where
 * records is NULL.  Equal contents may stand in either order. */
void
eps_exec_test_order(EpsRun *run, uint32 *choice, uint32 n, const char *const *records, const uint32 *gids)
{
	Content    *contents;
	StringInfoData buf;

	if (!has_tape())
		return;
	contents = palloc_extended(sizeof(Content) * Max(n, 1), MCXT_ALLOC_HUGE);
	initStringInfo(&buf);
	for (uint32 i = 0; i < n; i++)
	{
		uint32		gid;

		resetStringInfo(&buf);
		if (records != NULL)
			memcpy(&gid, records[i] + run->shape.key_bytes, sizeof(gid));
		else
			gid = gids[i];
		append_group(&buf, run->groups, gid);
		if (records != NULL)
			appendBinaryStringInfo(&buf, records[i] + run->shape.key_bytes + sizeof(gid),
								   (int) (run->shape.size - run->shape.key_bytes - sizeof(gid)));
		eps_crypto_sha256(contents[i].hash, (const uint8 *) buf.data, (size_t) buf.len);
		contents[i].at = i;
	}
	qsort(contents, n, sizeof(Content), compare_content);
	for (uint32 i = 0; i < n; i++)
		choice[i] = contents[i].at;
	pfree(contents);
	pfree(buf.data);
}

/* --- cancels -------------------------------------------------------------------------- */

void
eps_exec_test_point(const char *name)
{
	Size		len = strlen(name);

	if (test_cancel == NULL || strncmp(test_cancel, name, len) != 0)
		return;
	if (strcmp(test_cancel + len, ":timeout") == 0)
		enable_timeout_after(STATEMENT_TIMEOUT, 1);
	else if (test_cancel[len] == '\0')
		(void) kill(MyProcPid, SIGINT);
	else
		return;
	while (!QueryCancelPending)
		pg_usleep(1000L);
}

/* --- the trace -------------------------------------------------------------------------- */

/* The owner of the candidate that is added next. */
void
eps_exec_test_candidate(EpsRun *run, EpsKey key)
{
	if (!test_trace)
		return;
	if (run->candidates.n >= run->test_room)
	{
		run->test_room = Max(run->candidates.n * 2, 1024);
		run->test_keys = run->test_keys == NULL ?
			MemoryContextAllocHuge(run->context, sizeof(EpsKey) * run->test_room) :
			repalloc_huge(run->test_keys, sizeof(EpsKey) * run->test_room);
	}
	run->test_keys[run->candidates.n] = key;
}

static void
append_int128(StringInfo buf, EpsI128 x)
{
	char		digits[48];
	char	   *at = digits + 47;
	EpsU128		rest = x < 0 ? -(EpsU128) x : (EpsU128) x;

	*at = '\0';
	do
	{
		*--at = (char) ('0' + (int) (rest % 10));
		rest /= 10;
	} while (rest != 0);
	appendStringInfo(buf, "%s%s", x < 0 ? "-" : "", at);
}

static void
append_coords(StringInfo buf, const EpsRun *run)
{
	for (int j = 0; j < run->price->ncoords; j++)
	{
		const EpsCoordinate *c = &run->price->coords[j];
		const EpsPlanCoord *plan = j < run->plan->ncoords ? &run->plan->coords[j] : NULL;
		const EpsPlanColumn *column = plan != NULL && plan->column >= 0 ? &run->plan->columns[plan->column] : NULL;

		appendStringInfo(buf, "%s{\"kind\":%d,\"gaussian\":%s,\"shift\":%d,\"variance\":" UINT64_FORMAT
						 ",\"num\":" UINT64_FORMAT ",\"den\":" UINT64_FORMAT,
						 j > 0 ? "," : "", plan != NULL ? (int) plan->kind : (int) EPS_COORD_OWNERS,
						 c->kind == EPS_NOISE_GAUSSIAN ? "true" : "false", c->shift, c->variance, c->scale_num, c->scale_den);
		appendStringInfo(buf, ",\"lower\":" INT64_FORMAT ",\"upper\":" INT64_FORMAT ",\"center\":" INT64_FORMAT ",\"most\":" INT64_FORMAT "}",
						 column ? column->lower : 0, column ? column->upper : 0, column ? column->center : 0,
						 plan != NULL && plan->kind == EPS_COORD_VALUES ? eps_release_most_values(run->price, plan) : 0);
	}
}

static void
append_owner(StringInfo buf, const EpsRun *run, uint64 candidate)
{
	EpsKey		key = run->test_keys[candidate];

	if (run->plan->family == EPS_KEY_INT)
		appendStringInfo(buf, "\"" INT64_FORMAT "\"", (int64) key.lo);
	else
		appendStringInfo(buf, "\"%016llx%016llx\"", (unsigned long long) key.lo, (unsigned long long) key.hi);
}

/* Who offers which value to which group of a count of distinct values. */
void
eps_exec_test_offer(EpsRun *run, uint64 candidate, uint32 gid, int coord, EpsImage image)
{
	if (!test_trace)
		return;
	if (run->test_offers == NULL)
		run->test_offers = makeStringInfo();
	appendStringInfo(run->test_offers, "%s[", run->test_offers->len > 0 ? "," : "");
	append_owner(run->test_offers, run, candidate);
	appendStringInfoChar(run->test_offers, ',');
	append_group(run->test_offers, run->groups, gid);
	appendStringInfo(run->test_offers, ",%d,\"%016llx%016llx\"]", coord, (unsigned long long) image.hi, (unsigned long long) image.lo);
}

/* Owner, level, level of delta, admitted or not. */
static void
append_owners(StringInfo buf, const EpsRun *run, const uint8 *admitted)
{
	for (uint64 i = 0; i < run->candidates.n; i++)
	{
		const EpsCandidate *c = &run->candidates.one[i];

		appendStringInfo(buf, "%s[", i > 0 ? "," : "");
		append_owner(buf, run, i);
		appendStringInfo(buf, ",%u,%u,%d]", c->level, c->delta_level, (admitted[i / 8] >> (i % 8)) & 1);
	}
}

/* Exact totals of groups that have any. */
static void
append_totals(StringInfo buf, const EpsRun *run)
{
	bool		first = true;

	for (uint32 gid = 0; gid < run->groups->ngroups; gid++)
	{
		const EpsI128 *totals = run->totals + (Size) gid * run->price->ncoords;
		bool		any = false;

		for (int j = 0; j < run->price->ncoords; j++)
			any = any || totals[j] != 0;
		if (!any)
			continue;
		appendStringInfo(buf, "%s[", first ? "" : ",");
		append_group(buf, run->groups, gid);
		for (int j = 0; j < run->price->ncoords; j++)
		{
			appendStringInfoChar(buf, ',');
			append_int128(buf, totals[j]);
		}
		appendStringInfoChar(buf, ']');
		first = false;
	}
}

static void
begin_trace(void)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

	if (traces == NULL)
		traces = makeStringInfo();
	else
		appendStringInfoChar(traces, ',');
	MemoryContextSwitchTo(old);
}

/* After the exact totals are formed, before noise. */
void
eps_exec_test_trace(const EpsRun *run, const uint8 *admitted)
{
	const EpsReleasePrice *price = run->price;

	if (!test_trace)
		return;
	begin_trace();
	appendStringInfo(traces, "{\"pure\":%s,\"rows_per_owner\":" INT64_FORMAT ",\"groups_per_owner\":" INT64_FORMAT
					 ",\"thresholded\":%s,\"owners_coord\":%d,\"ngroups\":%u,\"worst_level\":%u,\"worst_delta_level\":%u,\"tau\":" INT64_FORMAT,
					 price->dataset->pure ? "true" : "false", price->rows_per_owner, price->groups_per_owner,
					 price->thresholded ? "true" : "false", price->owners_coord, run->groups->ngroups,
					 price->worst_level, price->worst_delta_level, price->tau);
	appendStringInfoString(traces, ",\"coords\":[");
	append_coords(traces, run);
	appendStringInfoString(traces, "],\"owners\":[");
	append_owners(traces, run, admitted);
	appendStringInfoString(traces, "],\"offers\":[");
	if (run->test_offers != NULL)
		appendStringInfoString(traces, run->test_offers->data);
	appendStringInfoString(traces, "],\"totals\":[");
	append_totals(traces, run);
	appendStringInfoString(traces, "]}");
}

/* () returns text: a JSON array of the releases since the last call; NULL if none */
PG_FUNCTION_INFO_V1(eps_exec_sql_test_trace);
Datum
eps_exec_sql_test_trace(PG_FUNCTION_ARGS)
{
	text	   *result;

	if (traces == NULL)
		PG_RETURN_NULL();
	result = cstring_to_text(psprintf("[%s]", traces->data));
	pfree(traces->data);
	pfree(traces);
	traces = NULL;
	PG_RETURN_TEXT_P(result);
}

#endif							/* EPS_TEST_BUILD */
