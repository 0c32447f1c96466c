/*
 * book.c
 *	  The book in shared memory: its size, the regions of data sets in it, and
 *	  the directory of accounts.
 *
 * It stands in main shared memory, reserved at start (dp.max_owners), because
 * /dev/shm is often too small in containers; untouched pages cost nothing.
 * Each data set gets one stretch of the arena when its book is loaded: keys,
 * accounts, directory, cache of look-ups, ring.  Keys and accounts are separate arrays: a look-up
 * touches a directory slot and a key, an admission touches an account only.
 */
#include "postgres.h"

#include "access/twophase.h"
#include "miscadmin.h"
#include "storage/proc.h"
#include "storage/shmem.h"

#include "pg/budget/budget_internal.h"

EpsBookControl *eps_budget_control = NULL;

/* The most that an account takes: key, account, merged into, four directory slots,
 * a third of a line of the cache of look-ups, a ring word. */
#define BYTES_PER_ACCOUNT \
	(sizeof(EpsOwnerKey) + sizeof(EpsAccount) + sizeof(uint32) + 4 * sizeof(uint64) + \
	 sizeof(EpsKnownLine) / 3 + 1 + sizeof(uint64))
#define RING_EXTRA_BYTES	(Max(EPS_BOOK_MAX_TEXT, EPS_ANSWER_MAX_BYTES) + sizeof(EpsMessage))
#define RING_EXTRA_WORDS	(RING_EXTRA_BYTES / sizeof(uint64) + 64)
#define REGION_EXTRA_BYTES \
	(RING_EXTRA_WORDS * sizeof(uint64) + (1 + EPS_KNOWN_STEPS) * sizeof(EpsKnownLine) + 9 * PG_CACHE_LINE_SIZE)

static uint32
ticket_count(void)
{
	/* every process that has a PGPROC, prepared transactions included */
	return (uint32) (MaxBackends + NUM_AUXILIARY_PROCS + max_prepared_xacts);
}

static Size
arena_bytes(void)
{
	return add_size(mul_size((Size) eps_budget_max_owners, BYTES_PER_ACCOUNT),
					mul_size(EPS_BOOK_MAX_REGIONS, REGION_EXTRA_BYTES));
}

static Size
control_bytes(void)
{
	return CACHELINEALIGN(sizeof(EpsBookControl));
}

static Size
ticket_bytes(void)
{
	return CACHELINEALIGN(mul_size(ticket_count(), sizeof(EpsTicket)));
}

Size
eps_budget_shmem_size(void)
{
	return add_size(add_size(control_bytes(), ticket_bytes()), add_size(arena_bytes(), PG_CACHE_LINE_SIZE));
}

static void
init_control(EpsBookControl *c)
{
	memset(c, 0, sizeof(*c));
	c->locks = GetNamedLWLockTranche("pg_epsilon");
	c->tickets = (EpsTicket *) ((char *) c + control_bytes());
	memset(c->tickets, 0, ticket_bytes());
	c->arena = (char *) c->tickets + ticket_bytes();
	c->arena_size = arena_bytes();
	c->next_generation = 1;
	for (int i = 0; i < EPS_BOOK_MAX_REGIONS; i++)
	{
		SpinLockInit(&c->writer[i].mutex);
		ConditionVariableInit(&c->writer[i].answered);
		pg_atomic_init_u32(&c->region[i].naccounts, 0);
		pg_atomic_init_u32(&c->region[i].nmerged, 0);
	}
}

void
eps_budget_shmem_attach(void)
{
	bool		found;
	char	   *raw;

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	raw = ShmemInitStruct("pg_epsilon book", eps_budget_shmem_size(), &found);
	eps_budget_control = (EpsBookControl *) CACHELINEALIGN(raw);
	if (!found)
		init_control(eps_budget_control);
	LWLockRelease(AddinShmemInitLock);
}

/* --- regions ----------------------------------------------------------------- */

static uint64
slots_for(uint32 capacity)
{
	uint64		n = 64;

	while (n < 2 * (uint64) capacity)
		n *= 2;
	return n;
}

static Size
known_bytes(uint32 capacity)
{
	return CACHELINEALIGN((eps_budget_known_lines(capacity) + EPS_KNOWN_STEPS) * sizeof(EpsKnownLine));
}

static Size
region_bytes(uint32 capacity)
{
	return CACHELINEALIGN((Size) capacity * (sizeof(EpsOwnerKey) + sizeof(EpsAccount)))
		+ CACHELINEALIGN((Size) capacity * sizeof(uint32))
		+ CACHELINEALIGN(slots_for(capacity) * sizeof(uint64))
		+ known_bytes(capacity)
		+ CACHELINEALIGN(((Size) capacity + RING_EXTRA_WORDS) * sizeof(uint64));
}

/* Pointers into a region that has its stretch of the arena. */
void
eps_budget_view(EpsBook *book, EpsRegion *region, EpsWriter *writer)
{
	char	   *at = eps_budget_control->arena + region->offset;

	book->region = region;
	book->writer = writer;
	book->generation = region->generation;
	book->dataset_id = region->dataset_id;
	book->capacity = region->capacity;
	book->worst_case_start = false;
	book->slot_mask = region->slot_mask;
	book->ring_words = region->ring_words;
	book->accounts = (EpsAccount *) at;
	book->keys = (EpsOwnerKey *) (book->accounts + region->capacity);
	at += CACHELINEALIGN((Size) region->capacity * (sizeof(EpsOwnerKey) + sizeof(EpsAccount)));
	book->merged = (pg_atomic_uint32 *) at;
	at += CACHELINEALIGN((Size) region->capacity * sizeof(uint32));
	book->slots = (pg_atomic_uint64 *) at;
	at += CACHELINEALIGN((region->slot_mask + 1) * sizeof(uint64));
	book->known = (EpsKnownLine *) at;
	at += known_bytes(region->capacity);
	book->ring = (uint64 *) at;
}

/* Book lock held. NULL if there is none in any state. */
EpsRegion *
eps_budget_region_find(Oid database, int32 dataset_id)
{
	for (int i = 0; i < EPS_BOOK_MAX_REGIONS; i++)
	{
		EpsRegion  *r = &eps_budget_control->region[i];

		if (r->state != EPS_REGION_FREE && r->database == database && r->dataset_id == dataset_id)
			return r;
	}
	return NULL;
}

/* First gap of the arena that holds size bytes. Book lock held. */
static bool
find_gap(Size size, Size *offset)
{
	Size		at = 0;
	bool		moved = true;

	while (moved)
	{
		moved = false;
		for (int i = 0; i < EPS_BOOK_MAX_REGIONS; i++)
		{
			EpsRegion  *r = &eps_budget_control->region[i];

			if (r->size > 0 && at < r->offset + r->size && r->offset < at + size)
			{
				at = r->offset + r->size;
				moved = true;
			}
		}
	}
	*offset = at;
	return size <= eps_budget_control->arena_size && at <= eps_budget_control->arena_size - size;
}

static void
release_region(EpsRegion *region)
{
	region->state = EPS_REGION_FREE;
	region->size = 0;
	region->generation = 0;
	region->held_by = 0;
	eps_base_wipe(region->owner_secret, sizeof(region->owner_secret));
}

/* A place in the region table; a failed attempt of the same data set is reused. */
static EpsRegion *
claim_region(Oid database, int32 dataset_id)
{
	EpsRegion  *r = eps_budget_region_find(database, dataset_id);

	for (int i = 0; r == NULL && i < EPS_BOOK_MAX_REGIONS; i++)
		if (eps_budget_control->region[i].state == EPS_REGION_FREE)
			r = &eps_budget_control->region[i];
	if (r == NULL)
		ereport(ERROR,
				(errcode(EPS_ERRCODE_BOOK),
				 errmsg("too many data sets are open on this server"),
				 errdetail("At most %d books can be open at once.", EPS_BOOK_MAX_REGIONS)));
	return r;
}

/* Sets a claimed region up, empty. Nobody else looks at it while it is loading. */
static void
reset_region(EpsRegion *r, const EpsDataset *dataset)
{
	r->failure = EPS_LOAD_OK;
	r->failed_seq = 0;
	r->generation = eps_budget_control->next_generation++;
	r->capacity = (uint32) dataset->capacity;
	r->slot_mask = slots_for(r->capacity) - 1;
	r->ring_words = (uint64) r->capacity + RING_EXTRA_WORDS;
	r->cap_units = dataset->cap_units;
	r->delta_units = dataset->delta_units;
	r->standard_units = Min(dataset->standard_units, dataset->cap_units);
	pg_atomic_write_u32(&r->naccounts, 0);
	pg_atomic_write_u32(&r->nmerged, 0);
	r->held_by = 0;
	r->admitted_units = 0;
	r->admitted_delta_units = 0;
	r->side_units = 0;
	r->next_expiry = DT_NOEND;
	r->consent_version = 0;
	r->head = 0;
	r->tail = 0;
	r->answers_head = 0;
	r->stored_accounts = 0;
	r->nquotas = 0;
	r->total_units = 0;
	r->total_delta_units = 0;
}

/*
 * Makes an empty region in state LOADING, or FAILED with NO_ROOM.  Called by the
 * writer of the database alone.
 */
EpsRegion *
eps_budget_region_make(Oid database, const EpsDataset *dataset)
{
	EpsRegion  *r;
	EpsBook		view;
	Size		size = region_bytes((uint32) dataset->capacity);
	bool		fits;

	LWLockAcquire(EPS_BOOK_LOCK, LW_EXCLUSIVE);
	r = claim_region(database, dataset->id);
	if (r->state == EPS_REGION_FREE)
		r->renumbered_by = 0;
	r->database = database;
	r->dataset_id = dataset->id;
	r->size = 0;
	reset_region(r, dataset);
	fits = find_gap(size, &r->offset);
	if (fits)
		r->size = size;
	r->failure = fits ? EPS_LOAD_OK : EPS_LOAD_NO_ROOM;
	r->state = fits ? EPS_REGION_LOADING : EPS_REGION_FAILED;
	LWLockRelease(EPS_BOOK_LOCK);

	if (fits)
	{
		eps_budget_view(&view, r, NULL);
		memset(view.slots, 0, (view.slot_mask + 1) * sizeof(uint64));
		memset(view.known, 0, known_bytes(r->capacity));
		memset(view.merged, 0, (Size) view.capacity * sizeof(uint32));
	}
	return r;
}

/* Gives the memory back and keeps the reason for whoever waits. */
void
eps_budget_region_fail(EpsRegion *region, EpsLoadFailure failure, int64 seq)
{
	LWLockAcquire(EPS_BOOK_LOCK, LW_EXCLUSIVE);
	release_region(region);
	region->failure = failure;
	region->failed_seq = seq;
	region->state = EPS_REGION_FAILED;
	LWLockRelease(EPS_BOOK_LOCK);
}

void
eps_budget_region_ready(EpsRegion *region)
{
	LWLockAcquire(EPS_BOOK_LOCK, LW_EXCLUSIVE);
	region->state = EPS_REGION_READY;
	LWLockRelease(EPS_BOOK_LOCK);
}

/*
 * Frees every region of a database.  Sessions that still point to one find out
 * by its generation, under the admission lock, before they reserve anything.
 */
void
eps_budget_forget_regions(Oid database)
{
	for (int i = 0; i < EPS_BOOK_MAX_REGIONS; i++)
	{
		EpsRegion  *r = &eps_budget_control->region[i];

		LWLockAcquire(EPS_REGION_LOCK(r), LW_EXCLUSIVE);
		LWLockAcquire(EPS_BOOK_LOCK, LW_EXCLUSIVE);
		if (r->state != EPS_REGION_FREE && r->database == database)
			release_region(r);
		LWLockRelease(EPS_BOOK_LOCK);
		LWLockRelease(EPS_REGION_LOCK(r));
	}
}

/* --- writer slots --------------------------------------------------------------- */

static void
reset_writer(EpsWriter *w, Oid database)
{
	SpinLockAcquire(&w->mutex);
	w->database = database;
	w->pid = 0;
	w->latch = NULL;
	w->starting_since = 0;
	w->leave = false;
	w->asked = w->served = w->failures = 0;
	w->book = InvalidOid;
	w->next_seq = 0;
	w->booked_seq = 0;
	w->next_order = 1;
	SpinLockRelease(&w->mutex);
}

/* The slot of a database; makes one if asked to. ERROR PV006 when all are taken. */
EpsWriter *
eps_budget_writer_slot(Oid database, bool make)
{
	EpsWriter  *found = NULL;
	EpsWriter  *unused = NULL;

	LWLockAcquire(EPS_BOOK_LOCK, make ? LW_EXCLUSIVE : LW_SHARED);
	for (int i = 0; i < EPS_BOOK_MAX_REGIONS && found == NULL; i++)
	{
		EpsWriter  *w = &eps_budget_control->writer[i];

		if (w->database == database)
			found = w;
		else if (w->database == InvalidOid && unused == NULL)
			unused = w;
	}
	if (found == NULL && make && unused != NULL)
	{
		reset_writer(unused, database);
		found = unused;
	}
	LWLockRelease(EPS_BOOK_LOCK);
	if (found == NULL && make)
		ereport(ERROR,
				(errcode(EPS_ERRCODE_WRITER),
				 errmsg("too many databases of this server have an open book"),
				 errdetail("At most %d can have one.", EPS_BOOK_MAX_REGIONS)));
	return found;
}

/* After DROP DATABASE: another database may get the same oid. */
void
eps_budget_forget_database(Oid database)
{
	EpsWriter  *w = eps_budget_writer_slot(database, false);

	eps_budget_forget_regions(database);
	if (w != NULL)
	{
		LWLockAcquire(EPS_BOOK_LOCK, LW_EXCLUSIVE);
		reset_writer(w, InvalidOid);
		LWLockRelease(EPS_BOOK_LOCK);
	}
}
