/*
 * quota.c
 *	  What analysts have used of their quotas, in worst-case units (rule 20):
 *	  booked all or none, before anything is read, never returned.
 */
#include "postgres.h"

#include <math.h>

#include "pg/budget/budget_internal.h"

/* Quota lock held. NULL if the role has none and none may be made. */
static EpsQuota *
find_quota(EpsRegion *region, Oid role, bool make)
{
	EpsQuota   *q;

	for (int i = 0; i < region->nquotas; i++)
		if (region->quota[i].role == role)
			return &region->quota[i];
	if (!make || region->nquotas >= EPS_BOOK_MAX_QUOTAS)
		return NULL;
	q = &region->quota[region->nquotas++];
	q->role = role;
	q->units = 0;
	q->delta_units = 0;
	q->repeats = 0;
	return q;
}

void
eps_budget_quota_add(EpsRegion *region, Oid role, uint64 units, uint64 delta_units, bool side)
{
	EpsQuota   *q = find_quota(region, role, true);

	if (q != NULL)
	{
		q->units = eps_base_add_sat_u64(q->units, units);
		q->delta_units = eps_base_add_sat_u64(q->delta_units, delta_units);
	}
	if (side)
		return;
	region->total_units = eps_base_add_sat_u64(region->total_units, units);
	region->total_delta_units = eps_base_add_sat_u64(region->total_delta_units, delta_units);
}

/* Quota lock held, or the region is still loading. */
void
eps_budget_quota_repeats(EpsRegion *region, Oid role, uint64 n)
{
	EpsQuota   *q = find_quota(region, role, true);

	if (q != NULL)
		q->repeats = eps_base_add_sat_u64(q->repeats, n);
}

static uint64
least_of(const EpsQuotaClaim *claim)
{
	return claim->least_units > 0 ? Min(claim->least_units, claim->units) : claim->units;
}

static bool
is_same_quota(const EpsQuotaClaim *a, const EpsQuotaClaim *b)
{
	return a->dataset_id == b->dataset_id && a->role == b->role;
}

typedef enum ClaimState
{
	CLAIM_FITS,
	CLAIM_ABOVE_QUOTA,
	CLAIM_ABOVE_DELTA
} ClaimState;

/*
 * Quota lock held.  delta has a quota as rho has: a price of next to nothing could
 * else use up everybody's.
 */
static ClaimState
claim_state(EpsRegion *region, const EpsQuotaClaim *claims, int i, uint64 *delta_left)
{
	EpsQuota   *q = find_quota(region, claims[i].role, true);
	const EpsQuotaClaim *claim = &claims[i];
	uint64		used;
	uint64		delta_used;

	if (q == NULL)
		return CLAIM_ABOVE_QUOTA;
	if (claim->quota_units == PG_UINT64_MAX)
		return CLAIM_FITS;
	used = q->units;
	delta_used = q->delta_units;
	/* what the claims before this one would add to the same quota */
	for (int j = 0; j < i; j++)
	{
		if (!is_same_quota(&claims[j], claim))
			continue;
		used = eps_base_add_sat_u64(used, least_of(&claims[j]));
		delta_used = eps_base_add_sat_u64(delta_used, claims[j].delta_units);
	}
	if (used > claim->quota_units || least_of(claim) > claim->quota_units - used)
		return CLAIM_ABOVE_QUOTA;
	*delta_left = claim->quota_delta_units - Min(claim->quota_delta_units, delta_used);
	if (claim->delta_units > *delta_left)
		return CLAIM_ABOVE_DELTA;
	return CLAIM_FITS;
}

/* Quota lock held; all claims fit.  The claims before this one are booked. */
static void
settle_claim(EpsRegion *region, EpsQuotaClaim *claims, int n, int i)
{
	uint64		used = find_quota(region, claims[i].role, true)->units;

	if (claims[i].least_units == 0 || claims[i].quota_units == PG_UINT64_MAX)
		return;
	for (int j = i + 1; j < n; j++)
		if (is_same_quota(&claims[j], &claims[i]))
			used = eps_base_add_sat_u64(used, least_of(&claims[j]));
	claims[i].units = Min(claims[i].units, claims[i].quota_units - used);
}

static void
raise_quota(const EpsQuotaClaim *claim, ClaimState state, uint64 delta_left)
{
	const EpsDataset *dataset = eps_policy_dataset(claim->dataset_id);

	if (state == CLAIM_ABOVE_DELTA)
		ereport(ERROR,
				(errcode(EPS_ERRCODE_QUOTA),
				 errmsg("quota on data set \"%s\" is used up", dataset ? dataset->name : "?"),
				 errdetail("Choosing groups needs a delta of %.3g; %.3g is left of this role's part.",
						   ldexp((double) claim->delta_units, -EPS_UNIT_BITS), ldexp((double) delta_left, -EPS_UNIT_BITS)),
				 errhint("A lower dp.delta may fit; groups of a public domain need none. A steward can raise the quota.")));
	ereport(ERROR,
			(errcode(EPS_ERRCODE_QUOTA),
			 errmsg("quota on data set \"%s\" is used up", dataset ? dataset->name : "?"),
			 errdetail("The worst case of this statement exceeds what is left."),
			 errhint("dp.quota() shows what is left; a lower price may fit. A steward can raise the quota.")));
}

void
eps_budget_take_quota(EpsQuotaClaim *claims, int n)
{
	EpsBook   **book = palloc(sizeof(EpsBook *) * (Size) Max(n, 1));
	ClaimState	state = CLAIM_FITS;
	uint64		delta_left = 0;
	int			bad = -1;

	for (int i = 0; i < n; i++)
		book[i] = eps_budget_open(claims[i].dataset_id);

	LWLockAcquire(EPS_QUOTA_LOCK, LW_EXCLUSIVE);
	for (int i = 0; i < n && bad < 0; i++)
	{
		state = book[i]->region->generation != book[i]->generation ? CLAIM_ABOVE_QUOTA :
			claim_state(book[i]->region, claims, i, &delta_left);
		if (state != CLAIM_FITS)
			bad = i;
	}
	for (int i = 0; i < n && bad < 0; i++)
	{
		settle_claim(book[i]->region, claims, n, i);
		eps_budget_quota_add(book[i]->region, claims[i].role, claims[i].units, claims[i].delta_units,
							 claims[i].side);
	}
	LWLockRelease(EPS_QUOTA_LOCK);
	pfree(book);
	if (bad >= 0)
		raise_quota(&claims[bad], state, delta_left);
}

uint64
eps_budget_quota_used(int32 dataset_id, Oid role)
{
	EpsBook    *book = eps_budget_open(dataset_id);
	EpsQuota   *q;
	uint64		used;

	LWLockAcquire(EPS_QUOTA_LOCK, LW_SHARED);
	q = OidIsValid(role) ? find_quota(book->region, role, false) : NULL;
	used = OidIsValid(role) ? (q != NULL ? q->units : 0) : book->region->total_units;
	LWLockRelease(EPS_QUOTA_LOCK);
	return used;
}

uint64
eps_budget_repeats(int32 dataset_id, Oid role)
{
	EpsBook    *book = eps_budget_open(dataset_id);
	EpsQuota   *q;
	uint64		repeats;

	LWLockAcquire(EPS_QUOTA_LOCK, LW_SHARED);
	q = find_quota(book->region, role, false);
	repeats = q == NULL ? 0 : q->repeats;
	LWLockRelease(EPS_QUOTA_LOCK);
	return repeats;
}
