/*
 * collect.c
 *	  Step 1: rows to records, partitioned by owner.
 *
 * Rows without an owner count for nobody (rule 11: the plan filters them too),
 * and rows whose keys are outside a public domain in no group (rule 3).
 */
#include "postgres.h"

#include "pg/exec/exec_internal.h"

#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "storage/procsignal.h"
#include "tcop/tcopprot.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timeout.h"
#include "utils/uuid.h"

/* Up to this number of expected rows nothing is partitioned: one partition fits
 * the processor's caches, and a small query must not pay for a large one. */
#define SMALL_ROWS 65536.0
#define ROWS_PER_PARTITION 8192.0
#define SINGLES_PER_PARTITION 4096.0
#define MOST_BITS 11

#define SMALL_CHUNK ((Size) 32 * 1024)
#define LARGE_CHUNK ((Size) 8 * 1024)
#define LEAST_LIMIT ((Size) 512 * 1024)

typedef struct Collector
{
	EpsRun	   *run;
	Oid			owner_type;
	bool		merged;			/* some owners have several keys (rule 18) */
	EpsValueReader *readers;
} Collector;

/* --- shape ---------------------------------------------------------------------- */

static bool
fits_narrow(const EpsPlanColumn *column)
{
	return !column->summed ||
		((EpsI128) column->upper - column->center <= PG_INT32_MAX &&
		 (EpsI128) column->lower - column->center >= -PG_INT32_MAX);
}

static void
decide_shape(EpsRun *run)
{
	const EpsReleasePlan *plan = run->plan;
	EpsShape   *shape = &run->shape;

	shape->key_bytes = sizeof(EpsKey);
	shape->account_key = plan->family == EPS_KEY_TEXT || eps_budget_has_merged(run->node->book);
	if (plan->family == EPS_KEY_INT && !shape->account_key)
		shape->key_bytes = getBaseType(plan->owner_type) == INT8OID ? sizeof(int64) : sizeof(int32);
	shape->wide_value = false;
	for (int i = 0; i < plan->ncolumns; i++)
		shape->wide_value = shape->wide_value || !fits_narrow(&plan->columns[i]);
	shape->ncolumns = plan->ncolumns;
	shape->image_at = shape->key_bytes + sizeof(uint32) +
		(Size) plan->ncolumns * (shape->wide_value ? sizeof(int64) : sizeof(int32));
	shape->size = shape->image_at + eps_exec_distinct_bytes(run->distinct);
}

/*
 * Partitions keep owners in the order of their hash even where each has one row:
 * accounts were enrolled in that order, so the book is read in order too.
 */
static unsigned
partition_bits(const EpsRun *run, Size limit)
{
	bool		single = run->plan->owner_unique && run->price->rows_per_owner == 1;
	double		rows = run->node->child->plan->plan_rows;
	double		each = single ? SINGLES_PER_PARTITION : ROWS_PER_PARTITION;
	unsigned	bits = 0;

	if (rows < SMALL_ROWS)
		return 0;
	while (bits < MOST_BITS && rows / each > (double) (1U << bits) &&
		   ((Size) 2 << bits) * LARGE_CHUNK <= limit / 4)
		bits++;
	return bits;
}

static void
make_store(EpsRun *run)
{
	Size		limit = Max(get_hash_memory_limit(), LEAST_LIMIT);
	Size		entry = sizeof(uint32) + sizeof(int64) * (Size) run->price->ncoords;
	unsigned	bits;
	Size		chunk;

	run->distinct = eps_exec_distinct_create(run);
	if (run->distinct != NULL)
		limit -= limit / 3;		/* for offers */
	decide_shape(run);
	bits = partition_bits(run, limit);
	chunk = bits == 0 ? SMALL_CHUNK : LARGE_CHUNK;
	chunk = Max(chunk, Max(run->shape.size, entry) * 4);
	run->arena = eps_exec_arena_create(run->collect, chunk, limit, bits > 0);
	run->records = eps_exec_partitions_create(run->collect, run->arena, &run->shape, 0, bits);
}

/* --- one row ------------------------------------------------------------------------ */

/* The account key; all keys of one person give the same. */
static EpsKey
read_account_key(const Collector *c, Datum owner)
{
	const EpsBook *book = c->run->node->book;
	const uint8 *bytes;
	uint8		buffer[16];
	EpsOwnerKey account;
	Size		len;

	len = eps_policy_owner_bytes(&bytes, buffer, c->run->plan->family, c->owner_type, owner);
	eps_budget_owner_key(&account, book, bytes, len);
	if (c->merged)
		eps_budget_canonical_key(book, &account);
	return (EpsKey) {.lo = account.lo,.hi = account.hi};
}

static inline EpsKey
read_owner(const Collector *c, Datum owner)
{
	EpsKey		key = {0, 0};

	if (unlikely(c->merged))
		return read_account_key(c, owner);
	switch (c->owner_type)
	{
		case INT4OID:
			key.lo = (uint64) (int64) DatumGetInt32(owner);
			break;
		case INT8OID:
			key.lo = (uint64) DatumGetInt64(owner);
			break;
		case INT2OID:
			key.lo = (uint64) (int64) DatumGetInt16(owner);
			break;
		case UUIDOID:
			memcpy(&key, DatumGetUUIDP(owner)->data, UUID_LEN);
			break;
		default:
			return read_account_key(c, owner);
	}
	return key;
}

static inline void
write_value(char *at, bool wide, int column, int64 value)
{
	int32		narrow;

	if (wide)
		memcpy(at + column * sizeof(int64), &value, sizeof(int64));
	else
	{
		narrow = value == EPS_VALUE_NULL ? EPS_NARROW_NULL : (int32) value;
		memcpy(at + column * sizeof(int32), &narrow, sizeof(int32));
	}
}

static inline void
write_values(const Collector *c, char *at, const Datum *values, const bool *isnull)
{
	const EpsScanState *node = c->run->node;
	bool		wide = c->run->shape.wide_value;

	for (int i = 0; i < c->run->shape.ncolumns; i++)
	{
		int			from = node->column_at[i];
		int64		value = EPS_VALUE_NULL;

		if (!isnull[from])
			value = eps_exec_read_value(&c->readers[i], values[from]);
		write_value(at, wide, i, value);
	}
}

static inline void
collect_row(Collector *c, const Datum *values, const bool *isnull)
{
	EpsRun	   *run = c->run;
	EpsPartitions *set = run->records;
	int			owner_at = run->node->owner_at;
	char	   *record;
	EpsKey		key;
	uint32		gid;

	if (isnull[owner_at])
		return;
	gid = eps_exec_group_of(run->groups, run->node->key_at, values, isnull);
	if (gid == EPS_GROUP_NONE)
		return;
	key = read_owner(c, values[owner_at]);
	record = eps_exec_partitions_stage(set);
	eps_exec_record_set_key(record, key, run->shape.key_bytes);
	record += run->shape.key_bytes;
	memcpy(record, &gid, sizeof(gid));
	write_values(c, record + sizeof(gid), values, isnull);
	if (unlikely(run->distinct != NULL))
		eps_exec_distinct_write(run->distinct, record - run->shape.key_bytes + run->shape.image_at, values, isnull);
	eps_exec_partitions_put(set, set->bits > 0 ? eps_exec_key_hash(key, run->shape.key_bytes) : 0);
}

/* --- all rows ------------------------------------------------------------------------- */

static void
make_collector(Collector *c, EpsRun *run)
{
	const EpsReleasePlan *plan = run->plan;

	c->run = run;
	c->owner_type = getBaseType(plan->owner_type);
	c->merged = run->shape.account_key && eps_budget_has_merged(run->node->book);
	c->readers = palloc0(sizeof(EpsValueReader) * Max(plan->ncolumns, 1));
	for (int i = 0; i < plan->ncolumns; i++)
		eps_exec_value_reader(&c->readers[i], &plan->columns[i]);
}

/*
 * Has the statement been cancelled, or the session ended?  Interrupts are held, so
 * what others wait for is looked after here.
 */
static bool
is_interrupted(void)
{
	if (likely(!InterruptPending))
		return false;
	if (ProcSignalBarrierPending)
		ProcessProcSignalBarrier();
	if (CheckClientConnectionPending)
	{
		CheckClientConnectionPending = false;
		if (!pq_check_connection())
			ClientConnectionLost = true;
		else if (client_connection_check_interval > 0)
			enable_timeout_after(CLIENT_CONNECTION_CHECK_TIMEOUT, client_connection_check_interval);
	}
	return QueryCancelPending || ProcDiePending || ClientConnectionLost;
}

static void
collect_rows(Collector *c)
{
	EpsRun	   *run = c->run;
	MemoryContext query = CurrentMemoryContext;
	MemoryContext row_context = run->node->css.ss.ps.ps_ExprContext->ecxt_per_tuple_memory;

	/*
	 * A cancel or the end of the session ends the reading, not the release: whoever
	 * was read is charged (rule 2), then it takes its course.  So do a deadline and
	 * a bound of memory.
	 */
	while (!is_interrupted() && !eps_exec_pad_late && !run->groups->full)
	{
		/* in the query's context: some nodes make what they keep in the current one */
		TupleTableSlot *slot = ExecProcNode(run->node->child);

		if (TupIsNull(slot))
			return;
		slot_getsomeattrs(slot, run->node->last_at + 1);
		MemoryContextSwitchTo(row_context);
		collect_row(c, slot->tts_values, slot->tts_isnull);
		MemoryContextSwitchTo(query);
		if (!row_context->isReset)
			MemoryContextReset(row_context);
	}
}

/*
 * The executor enters parallel mode for its own loop only, and releases run
 * before it.  The child is run to its end here, so workers never wait for a
 * client.  Where answers are padded there are no workers: other sessions would see
 * them come and go.
 */
static bool
enter_parallel_mode(EState *estate)
{
	if (eps_exec_pad_is_active() || !estate->es_plannedstmt->parallelModeNeeded || estate->es_use_parallel_mode)
		return false;
	EnterParallelMode();
	estate->es_use_parallel_mode = true;
	return true;
}

/*
 * Where a scan of a large relation stands is where the next one begins, anybody's:
 * of a public relation, an analyst would see which of its rows were looked for.  (In
 * parallel workers it is off altogether: pg/module.)
 */
static void
collect_apart(Collector *c)
{
	bool		synchronize = synchronize_seqscans;

	synchronize_seqscans = false;
	PG_TRY();
	{
		collect_rows(c);
	}
	PG_FINALLY();
	{
		synchronize_seqscans = synchronize;
	}
	PG_END_TRY();
}

void
eps_exec_collect(EpsRun *run)
{
	EState	   *estate = run->node->css.ss.ps.state;
	MemoryContext query = MemoryContextSwitchTo(run->collect);
	bool		entered = enter_parallel_mode(estate);
	Collector	c;

	make_store(run);
	run->groups = eps_exec_groups_create(run->plan, run->price);
	make_collector(&c, run);
	MemoryContextSwitchTo(query);
	collect_apart(&c);
	eps_exec_pad_reading_ended();
	ExecShutdownNode(run->node->child);
	if (entered)
	{
		estate->es_use_parallel_mode = false;
		ExitParallelMode();
	}
	eps_exec_partitions_close(run->records);
}
