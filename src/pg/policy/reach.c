/*
 * reach.c
 *	  Whether an analyst can change a relation, or own it: then the relation shows
 *	  what of it was read.  The same for types.
 *
 * Not what the analyst's role holds at this moment counts, but what it can get:
 * rights of roles that SET ROLE leads to, with or without INHERIT; rights that an
 * owner took from itself and can grant again; rights on a partition or child.
 */
#include "pg/policy/policy_internal.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "utils/acl.h"
#include "utils/syscache.h"

#define RELATION_RIGHTS (ACL_INSERT | ACL_UPDATE | ACL_DELETE | ACL_TRUNCATE | ACL_TRIGGER)
#define COLUMN_RIGHTS (ACL_INSERT | ACL_UPDATE)

static bool
reaches_session(Datum acl_datum, AclMode rights)
{
	Acl		   *acl = DatumGetAclP(acl_datum);

	for (int i = 0; i < ACL_NUM(acl); i++)
	{
		const AclItem *item = &ACL_DAT(acl)[i];

		if ((ACLITEM_GET_PRIVS(*item) & rights) != 0 && eps_policy_session_can_act_as(item->ai_grantee))
			return true;
	}
	return false;
}

static bool
reaches_column(Oid relid, AttrNumber natts)
{
	bool		found = false;

	for (AttrNumber attno = 1; !found && attno <= natts; attno++)
	{
		HeapTuple	tuple = SearchSysCache2(ATTNUM, ObjectIdGetDatum(relid), Int16GetDatum(attno));
		Datum		acl;
		bool		isnull;

		if (!HeapTupleIsValid(tuple))
			continue;
		acl = SysCacheGetAttr(ATTNUM, tuple, Anum_pg_attribute_attacl, &isnull);
		found = !isnull && reaches_session(acl, COLUMN_RIGHTS);
		ReleaseSysCache(tuple);
	}
	return found;
}

/* The relation alone.  One that is gone counts as reached. */
static bool
is_reached(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Form_pg_class class;
	Datum		acl;
	bool		isnull;
	bool		found;

	if (!HeapTupleIsValid(tuple))
		return true;
	class = (Form_pg_class) GETSTRUCT(tuple);
	acl = SysCacheGetAttr(RELOID, tuple, Anum_pg_class_relacl, &isnull);
	found = eps_policy_session_can_act_as(class->relowner) ||
		(!isnull && reaches_session(acl, RELATION_RIGHTS)) ||
		reaches_column(relid, class->relnatts);
	ReleaseSysCache(tuple);
	return found;
}

bool
eps_policy_session_can_write(Oid relid)
{
	ListCell   *lc;

	if (is_reached(relid))
		return true;
	if (!has_subclass(relid))
		return false;
	foreach(lc, find_all_inheritors(relid, NoLock, NULL))
	{
		if (is_reached(lfirst_oid(lc)))
			return true;
	}
	return false;
}

/* An array type has the owner of its elements.  One that is gone counts as owned. */
bool
eps_policy_session_owns_type(Oid type)
{
	HeapTuple	tuple;
	bool		owns;

	if (type < FirstNormalObjectId)
		return false;
	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
	if (!HeapTupleIsValid(tuple))
		return true;
	owns = eps_policy_session_can_act_as(((Form_pg_type) GETSTRUCT(tuple))->typowner);
	ReleaseSysCache(tuple);
	return owns;
}
