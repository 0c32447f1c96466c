/*
 * session.c
 *	  Who is asking: the roles of this session, and what they were granted.
 *
 * Every role on the way counts (rule 29): the current user (which a SECURITY
 * DEFINER function changes), the role of SET ROLE, the session user, and the
 * user that logged in.  A superuser is never an analyst, but a superuser who
 * takes an analyst's role is one through that role.
 */
#include "pg/policy/policy_internal.h"

#include "access/htup_details.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#define MAX_TRIES 8

typedef enum SessionRole
{
	ROLE_CURRENT,
	ROLE_OUTER,
	ROLE_SESSION,
	ROLE_LOGIN,
	NROLES
} SessionRole;

StaticAssertDecl(NROLES == EPS_POLICY_MAX_ROLES, "the header says how many roles there are");

/* What is known about one set of role ids; a change of any role ends it. */
typedef struct SessionCache
{
	bool		valid;
	Oid			role[NROLES];
	bool		is_analyst[NROLES];
	bool		any;
} SessionCache;

static SessionCache session;

static void
on_roles(Datum arg, int cacheid, uint32 hashvalue)
{
	session.valid = false;
	eps_policy_cache_bump();
}

void
eps_policy_session_init(void)
{
	CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, on_roles, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHOID, on_roles, (Datum) 0);
}

static void
session_ids(Oid role[NROLES])
{
	role[ROLE_CURRENT] = GetUserId();
	role[ROLE_OUTER] = GetOuterUserId();
	role[ROLE_SESSION] = GetSessionUserId();
	role[ROLE_LOGIN] = GetAuthenticatedUserId();
}

static SessionCache
look_up_session(const Oid role[NROLES])
{
	SessionCache fresh = {.valid = true};
	Oid			analysts = get_role_oid(EPS_ROLE_ANALYST, true);

	for (int i = 0; i < NROLES; i++)
	{
		fresh.role[i] = role[i];
		fresh.is_analyst[i] = OidIsValid(analysts) && !superuser_arg(role[i]) &&
			is_member_of_role_nosuper(role[i], analysts);
		fresh.any = fresh.any || fresh.is_analyst[i];
	}
	return fresh;
}

/* The flag is set before the look-ups: a change that arrives during them unsets
 * it, and then they are made again, at the latest by the next caller. */
static void
refresh_session(const Oid role[NROLES])
{
	SessionCache fresh;

	for (int tries = 0; tries < MAX_TRIES; tries++)
	{
		session.valid = true;
		fresh = look_up_session(role);
		if (session.valid)
			break;
	}
	fresh.valid = session.valid;
	session = fresh;
}

/* The session's roles as they are at this moment. */
static const SessionCache *
current_session(void)
{
	Oid			role[NROLES];

	session_ids(role);
	if (!session.valid || memcmp(role, session.role, sizeof(role)) != 0)
		refresh_session(role);
	return &session;
}

bool
eps_policy_is_analyst_session(void)
{
	if (eps_policy_cache_is_absent() || !current_session()->any)
		return false;
	return eps_policy_cache_book() != NULL;
}

int
eps_policy_analyst_roles(Oid role[EPS_POLICY_MAX_ROLES])
{
	const SessionCache *s = current_session();
	int			n = 0;

	for (int i = 0; s->any && i < NROLES; i++)
	{
		if (s->is_analyst[i])
			role[n++] = s->role[i];
	}
	return n;
}

/* --- public relations ---------------------------------------------------------- */

/* Is an analyst of this session the role, or able to become it, by SET ROLE too? */
bool
eps_policy_session_can_act_as(Oid role)
{
	const SessionCache *s = current_session();

	for (int i = 0; i < NROLES; i++)
	{
		if (s->is_analyst[i] && (role == ACL_ID_PUBLIC || is_member_of_role_nosuper(s->role[i], role)))
			return true;
	}
	return false;
}

static bool
is_declared_public(Oid relid)
{
	const EpsPolicyBook *book = eps_policy_cache_book();
	ListCell   *lc;

	if (book == NULL)
		return false;
	if (list_member_oid(book->publics, relid))
		return true;
	foreach(lc, eps_policy_ancestors(relid))
	{
		if (list_member_oid(book->publics, lfirst_oid(lc)))
			return true;
	}
	return false;
}

bool
eps_policy_is_public(Oid relid)
{
	if (eps_policy_protected(relid) != NULL)
		return false;
	return is_declared_public(relid) && !eps_policy_session_can_write(relid);
}

/* --- grants and purposes --------------------------------------------------------- */

static const EpsGrant *
exact_grant(const EpsPolicyBook *book, int32 dataset_id, Oid role)
{
	ListCell   *lc;

	foreach(lc, book->grants)
	{
		const EpsBookGrant *g = lfirst(lc);

		if (g->grant.dataset_id == dataset_id && g->grant.role == role)
			return &g->grant;
	}
	return NULL;
}

/* Grants are kept oldest first. */
static const EpsGrant *
inherited_grant(const EpsPolicyBook *book, int32 dataset_id, Oid role)
{
	ListCell   *lc;

	foreach(lc, book->grants)
	{
		const EpsBookGrant *g = lfirst(lc);

		if (g->grant.dataset_id == dataset_id && is_member_of_role_nosuper(role, g->grant.role))
			return &g->grant;
	}
	return NULL;
}

const EpsGrant *
eps_policy_grant(int32 dataset_id)
{
	const EpsPolicyBook *book = eps_policy_cache_book();
	SessionCache s = *current_session();

	if (book == NULL)
		return NULL;
	for (int i = 0; i < NROLES; i++)
	{
		const EpsGrant *grant = s.is_analyst[i] ? exact_grant(book, dataset_id, s.role[i]) : NULL;

		if (grant != NULL)
			return grant;
	}
	for (int i = 0; i < NROLES; i++)
	{
		const EpsGrant *grant = s.is_analyst[i] ? inherited_grant(book, dataset_id, s.role[i]) : NULL;

		if (grant != NULL)
			return grant;
	}
	return NULL;
}

static bool
is_purpose_granted(const EpsGrant *grant, const char *purpose)
{
	ListCell   *lc;

	if (grant->purposes == NIL)
		return true;
	foreach(lc, grant->purposes)
	{
		if (strcmp(lfirst(lc), purpose) == 0)
			return true;
	}
	return false;
}

static int
purpose_number(int32 dataset_id, const char *purpose)
{
	const EpsPolicyBook *book = eps_policy_cache_book();
	ListCell   *lc;

	if (book == NULL)
		return -1;
	foreach(lc, book->purposes)
	{
		const EpsPurpose *p = lfirst(lc);

		if (p->dataset_id == dataset_id && strcmp(p->name, purpose) == 0)
			return p->number;
	}
	return -1;
}

int
eps_policy_check_purpose(const EpsDataset *dataset, const EpsGrant *grant, const char *purpose)
{
	int			number = -1;

	if (!dataset->requires_purpose)
		return -1;
	if (purpose != NULL && is_purpose_granted(grant, purpose))
		number = purpose_number(dataset->id, purpose);
	/* One message for all three: which purposes exist is for those who hold them */
	if (number < 0)
		ereport(ERROR,
				(errcode(EPS_ERRCODE_PURPOSE),
				 errmsg("purpose is missing, unknown, or not granted to this analyst"),
				 errdetail("Data set \"%s\" is asked for a stated purpose only.", dataset->name),
				 errhint("Set dp.purpose to a purpose that the steward has granted.")));
	return number;
}
