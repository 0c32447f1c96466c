/*
 * rekey.c
 *	  Persons who are renumbered (rule 18): their accounts go along to the new keys.
 *
 * It is part of the transaction that renumbers the rows, so that rows and
 * accounts change hands at one moment; a rollback undoes both.  From the call to
 * the end of that transaction the data set admits nothing.  Account numbers stay,
 * and with them every charge; keys change in the tables, and the book is loaded
 * anew from them afterwards.  Whoever still reads rows as they stood before is
 * refused: there the keys mean other accounts.
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "core/crypto/crypto.h"
#include "pg/budget/epoch_internal.h"

extern PGDLLEXPORT Datum eps_budget_sql_carry_accounts(PG_FUNCTION_ARGS);

/* --- data sets that this transaction holds --------------------------------------------- */

typedef struct Held
{
	struct Held *next;
	EpsRegion  *region;
	uint64		generation;
	bool		written;		/* the tables have other keys than the book */
} Held;

/* Of the transaction at hand, in TopTransactionContext. */
static Held *held = NULL;

static void
let_go(const Held *h)
{
	EpsRegion  *region = h->region;

	LWLockAcquire(EPS_REGION_LOCK(region), LW_EXCLUSIVE);
	if (region->generation == h->generation && region->held_by == MyProcPid)
	{
		region->held_by = 0;
		/* nothing is pending in its ring: it was empty, and nothing was admitted */
		if (h->written)
			eps_budget_region_fail(region, EPS_LOAD_ERROR, 0);
	}
	LWLockRelease(EPS_REGION_LOCK(region));
}

static void
on_transaction_end(XactEvent event, void *arg)
{
	if (held == NULL)
		return;
	if (event == XACT_EVENT_PRE_PREPARE)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a transaction that has renumbered owners cannot be prepared")));
	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT)
		return;
	for (const Held *h = held; h != NULL; h = h->next)
		let_go(h);
	held = NULL;
}

void
eps_budget_rekey_init(void)
{
	RegisterXactCallback(on_transaction_end, NULL);
}

/* From here to the end of the transaction nothing is admitted. */
static Held *
hold(const EpsBook *book)
{
	Held	   *h = MemoryContextAllocZero(TopTransactionContext, sizeof(Held));

	eps_budget_enter(book, EPS_MESSAGE_WORDS);
	h->region = book->region;
	h->generation = book->generation;
	h->next = held;
	held = h;
	book->region->held_by = MyProcPid;
	LWLockRelease(EPS_REGION_LOCK(book->region));
	RESUME_INTERRUPTS();
	return h;
}

/* Waits until everything that was admitted is in the tables. */
static void
drain(const EpsBook *book)
{
	for (int attempt = 0; eps_budget_ring_free(book) != book->ring_words; attempt++)
	{
		CHECK_FOR_INTERRUPTS();
		if (!eps_budget_writer_attend(book->writer) && attempt > 2)
			ereport(ERROR,
					(errcode(EPS_ERRCODE_WRITER),
					 errmsg("ledger writer cannot book charges at present"),
					 errhint("The server log says why.")));
	}
}

void
eps_budget_check_snapshot(const EpsBook *book, Snapshot snapshot)
{
	uint64		by = book->region->renumbered_by;
	uint64		next;

	if (book->region->held_by != 0)
		eps_budget_raise_held();
	if (by == 0 || snapshot == NULL)
		return;
	next = U64FromFullTransactionId(ReadNextFullTransactionId());
	/* no snapshot is as old as half of all transaction numbers */
	if (next - by > PG_UINT32_MAX / 2 || !XidInMVCCSnapshot((TransactionId) by, snapshot))
		return;
	ereport(ERROR,
			(errcode(EPS_ERRCODE_BOOK),
			 errmsg("owners of this data set have been renumbered meanwhile"),
			 errdetail("The transaction reads rows as they stood before."),
			 errhint("Ask again in a new transaction.")));
}

/* --- the mapping -------------------------------------------------------------------------- */

typedef struct Pair
{
	EpsOwnerKey from;
	EpsOwnerKey to;
} Pair;

typedef struct KeyEntry
{
	EpsOwnerKey key;			/* hash key */
	uint32		at;				/* a pair, or an account */
} KeyEntry;

typedef struct Rekey
{
	EpsBook    *book;
	EpsMessage	by;				/* when, and after which entry */
	const char *set_by;
	bool		pure;
	uint32		npairs;
	Pair	   *pairs;			/* without doubles and those that change nothing */
	HTAB	   *by_old;			/* pairs by old key */
	uint32		naccounts;
	EpsOwnerKey *keys;			/* as they will be, by account */
	EpsAccount *accounts;		/* a copy: totals as merges go on */
	uint64		carried;
	uint64		merged;
} Rekey;

static HTAB *
make_index(const char *name, long n)
{
	HASHCTL		ctl = {.keysize = sizeof(EpsOwnerKey),.entrysize = sizeof(KeyEntry),.hcxt = CurrentMemoryContext};

	return hash_create(name, Max(n, 16), &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

static bool
same_key(const EpsOwnerKey *a, const EpsOwnerKey *b)
{
	return a->lo == b->lo && a->hi == b->hi;
}

static void
read_keys(const Rekey *r, Datum array, EpsKeyFamily family, Pair *pairs, bool old, int expected)
{
	Datum	   *elements;
	bool	   *nulls;
	int			n;

	deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &n);
	EPS_ENSURE(n == expected, "lists of old and new keys differ in length");
	for (int i = 0; i < n; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(EPS_ERRCODE_POLICY),
					 errmsg("a key of the mapping is NULL")));
		eps_budget_owner_argument(old ? &pairs[i].from : &pairs[i].to, r->book, family, TEXTOID, elements[i]);
	}
}

/* Takes a pair into the mapping; a second one of the same old key must say the same. */
static void
add_pair(Rekey *r, const Pair *pair)
{
	bool		found;
	KeyEntry   *entry = hash_search(r->by_old, &pair->from, HASH_ENTER, &found);

	if (found && !same_key(&r->pairs[entry->at].to, &pair->to))
		ereport(ERROR,
				(errcode(EPS_ERRCODE_POLICY),
				 errmsg("the mapping gives two new keys for one old key")));
	if (found)
		return;
	entry->at = r->npairs;
	r->pairs[r->npairs++] = *pair;
}

static void
read_mapping(Rekey *r, Datum old_keys, Datum new_keys, EpsKeyFamily family)
{
	int			n = ArrayGetNItems(ARR_NDIM(DatumGetArrayTypeP(old_keys)), ARR_DIMS(DatumGetArrayTypeP(old_keys)));
	Pair	   *pairs = palloc_extended(sizeof(Pair) * (Size) Max(n, 1), MCXT_ALLOC_HUGE);

	read_keys(r, old_keys, family, pairs, true, n);
	read_keys(r, new_keys, family, pairs, false, n);
	r->by_old = make_index("pg_epsilon old keys", n);
	r->pairs = palloc_extended(sizeof(Pair) * (Size) Max(n, 1), MCXT_ALLOC_HUGE);
	for (int i = 0; i < n; i++)
		add_pair(r, &pairs[i]);
	pfree(pairs);
}

/* --- what becomes of the accounts ------------------------------------------------------------ */

/* A key that no owner has. */
static void
make_key_unused(EpsOwnerKey *key)
{
	eps_common_check(eps_crypto_random((uint8 *) key, sizeof(*key)), "a key that nobody has");
}

static EpsOwnerKey
new_key_of(const Rekey *r, const EpsOwnerKey *key)
{
	const KeyEntry *entry = hash_search(r->by_old, key, HASH_FIND, NULL);

	return entry == NULL ? *key : r->pairs[entry->at].to;
}

/*
 * A key that was merged stays another name of its owner, under its new number;
 * where it gets the number that its owner gets, it is no name of its own any more.
 */
static void
move_merged(Rekey *r, uint32 account, const EpsOwnerKey *to)
{
	uint32		owner = eps_budget_account_of_owner(r->book, account);
	EpsOwnerKey owner_key = new_key_of(r, &r->book->keys[owner]);

	if (same_key(to, &owner_key))
		make_key_unused(&r->keys[account]);
	else
		r->keys[account] = *to;
}

static void
move_accounts(Rekey *r)
{
	for (uint32 i = 0; i < r->npairs; i++)
	{
		const Pair *pair = &r->pairs[i];
		uint32		account = eps_budget_find_account(r->book, &pair->from);

		if (account == EPS_ACCOUNT_NONE || same_key(&pair->from, &pair->to))
			continue;
		if (eps_budget_account_of_owner(r->book, account) != account)
			move_merged(r, account, &pair->to);
		else
			r->keys[account] = pair->to;
		r->carried++;
	}
}

/* --- tables ------------------------------------------------------------------------------------ */

/* Two accounts end up with one key: the first takes over what the second spent. */
static void
merge_accounts(Rekey *r, uint32 from, uint32 to)
{
	EpsMessage	message = r->by;

	if (eps_budget_account_of_owner(r->book, from) != from || eps_budget_account_of_owner(r->book, to) != to)
		ereport(ERROR,
				(errcode(EPS_ERRCODE_POLICY),
				 errmsg("the mapping gives a new key that was merged into another owner"),
				 errhint("Choose another new key, or map the old key to that owner's own.")));
	message.from_account = from;
	message.to_account = to;
	eps_budget_merge_units(&message, r->book, &r->accounts[from], &r->accounts[to], r->pure);
	r->accounts[to].spent += message.units;
	r->accounts[to].spent_delta += message.delta_units;
	eps_budget_store_merge(r->book, &message, &r->keys[to], &r->keys[to], r->set_by);
	make_key_unused(&r->keys[from]);
	r->merged++;
}

static void
merge_equal_keys(Rekey *r)
{
	HTAB	   *by_key = make_index("pg_epsilon new keys", r->naccounts);

	for (uint32 i = 0; i < r->naccounts; i++)
	{
		bool		found;
		KeyEntry   *entry = hash_search(by_key, &r->keys[i], HASH_ENTER, &found);

		if (found)
			merge_accounts(r, i, entry->at);
		else
			entry->at = i;
	}
	hash_destroy(by_key);
}

static Datum
key_datum(const EpsOwnerKey *key)
{
	bytea	   *out = palloc(VARHDRSZ + sizeof(*key));

	SET_VARSIZE(out, VARHDRSZ + sizeof(*key));
	memcpy(VARDATA(out), key, sizeof(*key));
	return PointerGetDatum(out);
}

static void
execute(const char *sql, int nargs, Oid *types, Datum *values, int expected)
{
	EPS_ENSURE(SPI_execute_with_args(sql, nargs, types, values, NULL, false, 0) == expected,
			   "a statement on the book failed");
}

/* Limits and consents follow their owner, with history; all at once, since keys
 * may change places. */
static void
move_wishes(Rekey *r)
{
	Datum	   *from = palloc_extended(sizeof(Datum) * (Size) Max(r->npairs, 1), MCXT_ALLOC_HUGE);
	Datum	   *to = palloc_extended(sizeof(Datum) * (Size) Max(r->npairs, 1), MCXT_ALLOC_HUGE);
	Oid			types[3] = {INT4OID, BYTEAARRAYOID, BYTEAARRAYOID};
	Datum		values[3] = {Int32GetDatum(r->book->dataset_id)};

	for (uint32 i = 0; i < r->npairs; i++)
	{
		from[i] = key_datum(&r->pairs[i].from);
		to[i] = key_datum(&r->pairs[i].to);
	}
	values[1] = PointerGetDatum(construct_array(from, (int) r->npairs, BYTEAOID, -1, false, TYPALIGN_INT));
	values[2] = PointerGetDatum(construct_array(to, (int) r->npairs, BYTEAOID, -1, false, TYPALIGN_INT));
	execute("UPDATE dp_book.owner_limit l SET owner_key = m.new FROM unnest($2, $3) m(old, new) "
			"WHERE l.dataset_id OPERATOR(pg_catalog.=) $1 AND l.owner_key OPERATOR(pg_catalog.=) m.old",
			3, types, values, SPI_OK_UPDATE);
	execute("UPDATE dp_book.consent c SET owner_key = m.new FROM unnest($2, $3) m(old, new) "
			"WHERE c.dataset_id OPERATOR(pg_catalog.=) $1 AND c.owner_key OPERATOR(pg_catalog.=) m.old",
			3, types, values, SPI_OK_UPDATE);
}

static bool
add_key(void *context, const EpsOwnerKey *key)
{
	return true;
}

static void
store_keys(Rekey *r)
{
	uint32		stored = eps_budget_read_chunks(r->book->dataset_id, r->book->capacity, add_key, NULL);
	bytea	   *all = palloc_extended(VARHDRSZ + sizeof(EpsOwnerKey) * (Size) r->naccounts, MCXT_ALLOC_HUGE);
	Oid			types[2] = {INT4OID, BYTEAOID};
	Datum		values[2] = {Int32GetDatum(r->book->dataset_id), PointerGetDatum(all)};

	EPS_ENSURE(stored == r->naccounts, "the list of accounts on disk is not complete");
	SET_VARSIZE(all, VARHDRSZ + sizeof(EpsOwnerKey) * (Size) r->naccounts);
	memcpy(VARDATA(all), r->keys, sizeof(EpsOwnerKey) * (Size) r->naccounts);
	execute("UPDATE dp_book.account_chunk SET keys = substr($2, first_account * 16 + 1, length(keys)) "
			"WHERE dataset_id OPERATOR(pg_catalog.=) $1",
			2, types, values, SPI_OK_UPDATE);
}

static void
store_event(const Rekey *r)
{
	Oid			types[5] = {INT4OID, TIMESTAMPTZOID, TEXTOID, INT8OID, INT8OID};
	Datum		values[5] = {Int32GetDatum(r->book->dataset_id), TimestampTzGetDatum(r->by.at),
		CStringGetTextDatum(r->set_by), Int64GetDatum((int64) r->carried), Int64GetDatum((int64) r->merged)};

	execute("INSERT INTO dp_book.renumbering (dataset_id, at, set_by, carried, merged) VALUES ($1, $2, $3, $4, $5)",
			5, types, values, SPI_OK_INSERT);
	eps_budget_change_renumbering(r->book, &r->by, r->carried, r->merged);
}

/* --- the whole -------------------------------------------------------------------------------------- */

/* The book as it stands: nothing changes it while it is held. */
static void
copy_book(Rekey *r)
{
	const EpsBook *book = r->book;

	r->naccounts = pg_atomic_read_u32(&book->region->naccounts);
	r->keys = palloc_extended(sizeof(EpsOwnerKey) * (Size) Max(r->naccounts, 1), MCXT_ALLOC_HUGE);
	memcpy(r->keys, book->keys, sizeof(EpsOwnerKey) * (Size) r->naccounts);
	r->accounts = palloc_extended(sizeof(EpsAccount) * (Size) Max(r->naccounts, 1), MCXT_ALLOC_HUGE);
	memcpy(r->accounts, book->accounts, sizeof(EpsAccount) * (Size) r->naccounts);
	SpinLockAcquire(&book->writer->mutex);
	r->by.after_seq = book->writer->booked_seq;
	r->by.naccounts = r->naccounts;
	SpinLockRelease(&book->writer->mutex);
}

/* (dataset, old keys, new keys): how many accounts went along */
PG_FUNCTION_INFO_V1(eps_budget_sql_carry_accounts);
Datum
eps_budget_sql_carry_accounts(PG_FUNCTION_ARGS)
{
	const EpsDataset *dataset = eps_budget_dataset_argument(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	Rekey		r = {.pure = dataset->pure,.set_by = GetUserNameFromId(GetOuterUserId(), false)};
	EpsKeyFamily family = dataset->family;
	Held	   *h;

	r.book = eps_budget_open(dataset->id);
	r.by.at = GetCurrentStatementStartTimestamp();
	read_mapping(&r, PG_GETARG_DATUM(1), PG_GETARG_DATUM(2), family);
	h = hold(r.book);
	drain(r.book);
	copy_book(&r);
	move_accounts(&r);

	eps_budget_spi_begin(false);
	h->written = true;
	h->region->renumbered_by = U64FromFullTransactionId(GetTopFullTransactionId());
	if (r.npairs > 0)
		move_wishes(&r);
	merge_equal_keys(&r);
	if (r.naccounts > 0)
		store_keys(&r);
	store_event(&r);
	eps_budget_spi_end(false);
	PG_RETURN_INT64((int64) r.carried);
}
