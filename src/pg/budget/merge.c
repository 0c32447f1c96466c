/*
 * merge.c
 *	  Two keys of one person (rule 18): the second key becomes another name of the
 *	  first one's account, which takes over what both have spent.
 *
 * A merge goes the way of limits and consents, silently, since it is an owner's
 * own datum.  The account of the second key stays, with its key and what it has
 * spent, but its limit is 0: an answer that looked the key up before the merge
 * leaves its rows out, and later ones count them under the first key.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "core/accountant/accountant.h"
#include "pg/budget/budget_internal.h"

extern PGDLLEXPORT Datum eps_budget_sql_merge_owners(PG_FUNCTION_ARGS);

/* --- keys of one account ------------------------------------------------------------ */

bool
eps_budget_has_merged(const EpsBook *book)
{
	return pg_atomic_read_u32(&book->region->nmerged) > 0;
}

/*
 * The account that an account was merged into, or itself.  A book that was closed
 * meanwhile may show anything, and is refused later: the walk ends nevertheless.
 */
uint32
eps_budget_account_of_owner(const EpsBook *book, uint32 account)
{
	for (uint32 steps = 0; account < book->capacity && steps < book->capacity; steps++)
	{
		uint32		into = pg_atomic_read_u32(&book->merged[account]);

		if (into == 0)
			return account;
		account = into - 1;
	}
	return EPS_ACCOUNT_NONE;
}

void
eps_budget_canonical_key(const EpsBook *book, EpsOwnerKey *key)
{
	uint32		account = eps_budget_find_account(book, key);

	account = eps_budget_account_of_owner(book, account);
	if (account != EPS_ACCOUNT_NONE)
		*key = book->keys[account];
}

/* Admission lock held, or the region is still loading. */
void
eps_budget_retire(const EpsBook *book, uint32 from, uint32 to)
{
	book->accounts[from].limit = 0;
	pg_write_barrier();
	pg_atomic_write_u32(&book->merged[from], to + 1);
	pg_atomic_fetch_add_u32(&book->region->nmerged, 1);
}

/* --- what both have spent ------------------------------------------------------------ */

/*
 * What the merge adds to the second account: its total becomes that of rule 18,
 * its delta the limit.  More than a bigint holds is more than anybody may spend.
 */
void
eps_budget_merge_units(EpsMessage *message, const EpsBook *book, const EpsAccount *from,
					   const EpsAccount *to, bool pure)
{
	uint64		limit = book->region->delta_units;

	message->units = Min(eps_accountant_merge_rho(from->spent, to->spent, pure) - to->spent, (uint64) PG_INT64_MAX);
	message->delta_units = limit - Min(limit, to->spent_delta);
}

/* A purpose on which both spoke is granted only if both grant it. */
static void
merge_wishes(const EpsAccount *from, EpsAccount *to)
{
	uint32		set = from->consent_set | to->consent_set;

	to->consent = (from->consent | ~from->consent_set) & (to->consent | ~to->consent_set) & set;
	to->consent_set = set;
	to->limit = Min(from->limit, to->limit);
}

/* --- dp.merge_owners ------------------------------------------------------------------ */

typedef enum MergeState
{
	MERGE_POSSIBLE,
	MERGE_DONE_BEFORE,
	MERGE_NO_ROOM
} MergeState;

/* Nothing is enrolled before it is known that the merge goes through: an account
 * without a message would not be stored. Admission lock held. */
static MergeState
merge_state(const EpsBook *book, const EpsOwnerKey *first, const EpsOwnerKey *second)
{
	uint32		a = eps_budget_account_of_owner(book, eps_budget_find_account(book, first));
	uint32		b = eps_budget_account_of_owner(book, eps_budget_find_account(book, second));
	uint32		missing = (uint32) (a == EPS_ACCOUNT_NONE) + (uint32) (b == EPS_ACCOUNT_NONE);

	if (a == b && a != EPS_ACCOUNT_NONE)
		return MERGE_DONE_BEFORE;
	if (missing > book->capacity - pg_atomic_read_u32(&book->region->naccounts))
		return MERGE_NO_ROOM;
	return MERGE_POSSIBLE;
}

static void
raise_merge(const EpsBook *book, MergeState state)
{
	LWLockRelease(EPS_REGION_LOCK(book->region));
	RESUME_INTERRUPTS();
	if (state == MERGE_DONE_BEFORE)
		ereport(ERROR,
				(errcode(EPS_ERRCODE_POLICY),
				 errmsg("both keys are one owner already")));
	ereport(ERROR,
			(errcode(EPS_ERRCODE_BOOK),
			 errmsg("the book has no room for these owners"),
			 errdetail("The data set has as many accounts as its capacity allows.")));
}

PG_FUNCTION_INFO_V1(eps_budget_sql_merge_owners);
Datum
eps_budget_sql_merge_owners(PG_FUNCTION_ARGS)
{
	const char *texts[EPS_NTEXTS];
	EpsMessage	message;
	uint64		words = eps_budget_describe_change(&message, texts, EPS_MESSAGE_MERGE);
	const EpsDataset *dataset;
	EpsOwnerKey key[2];
	EpsAccount *to;
	MergeState	state;
	EpsBook    *book;
	bool		pure;

	eps_budget_check_not_null(fcinfo, 3);
	dataset = eps_budget_dataset_argument(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	pure = dataset->pure;
	book = eps_budget_open(dataset->id);
	for (int i = 0; i < 2; i++)
		eps_budget_owner_argument(&key[i], book, eps_policy_dataset(book->dataset_id)->family,
								  get_fn_expr_argtype(fcinfo->flinfo, 1 + i), PG_GETARG_DATUM(1 + i));
	if (memcmp(&key[0], &key[1], sizeof(EpsOwnerKey)) == 0)
		ereport(ERROR,
				(errcode(EPS_ERRCODE_POLICY),
				 errmsg("an owner cannot be merged with itself")));

	eps_budget_enter(book, words);
	state = merge_state(book, &key[0], &key[1]);
	if (state != MERGE_POSSIBLE)
		raise_merge(book, state);
	message.to_account = eps_budget_account_of_owner(book, eps_budget_enrol(book, &key[0]));
	message.from_account = eps_budget_account_of_owner(book, eps_budget_enrol(book, &key[1]));
	to = &book->accounts[message.to_account];
	eps_budget_merge_units(&message, book, &book->accounts[message.from_account], to, pure);
	to->spent += message.units;
	to->spent_delta += message.delta_units;
	merge_wishes(&book->accounts[message.from_account], to);
	eps_budget_retire(book, message.from_account, message.to_account);
	book->region->consent_version++;
	eps_budget_finish_change(book, &message, texts);
	PG_RETURN_VOID();
}
