/*
 * test_points.c
 *	  For test builds only (EPS_TEST_BUILD); a shipped library has nothing of it.
 *
 * dp.test_point = 'NAME:wait' makes a process wait at a named point until a file
 * "dp_test_go" is in the data directory or a minute has passed, 'NAME:error'
 * makes it fail there.
 * eps_budget_sql_test_admit admits an answer without a query, and
 * eps_budget_sql_test_time measures one.
 */
#include "postgres.h"

#include "pg/budget/budget_internal.h"

#ifdef EPS_TEST_BUILD

#include <unistd.h>

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"

extern PGDLLEXPORT Datum eps_budget_sql_test_admit(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum eps_budget_sql_test_time(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum eps_budget_sql_test_quota(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum eps_budget_sql_test_bitmap(PG_FUNCTION_ARGS);

static char *test_point = NULL;

void
eps_budget_test_init(void)
{
	DefineCustomStringVariable("dp.test_point", "Point at which a test build waits or fails.", NULL,
							   &test_point, "", PGC_USERSET, 0, NULL, NULL, NULL);
}

static bool
is_set(const char *name, const char *action)
{
	Size		len = strlen(name);

	return test_point != NULL && strncmp(test_point, name, len) == 0
		&& test_point[len] == ':' && strcmp(test_point + len + 1, action) == 0;
}

void
eps_budget_test_point(const char *name)
{
	if (is_set(name, "wait"))
		elog(LOG, "test point %s", name);
	for (int i = 0; i < 6000 && is_set(name, "wait") && access("dp_test_go", F_OK) != 0; i++)
		pg_usleep(10000L);
	if (is_set(name, "error"))
		elog(ERROR, "test point %s", name);
}

/* --- admission without a query ----------------------------------------------------- */

static EpsCandidates
make_candidates(EpsBook *book, EpsKeyFamily family, const int64 *owner, uint64 n, int level, int delta_level)
{
	EpsCandidates c = {.n = n};

	c.one = palloc_extended(Max(n, 1) * sizeof(EpsCandidate), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	c.key = palloc_extended(Max(n, 1) * sizeof(EpsOwnerKey), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (uint64 i = 0; i < n; i++)
	{
		uint8		buffer[16];
		const uint8 *bytes;
		Size		len = eps_policy_owner_bytes(&bytes, buffer, family, INT8OID, Int64GetDatum(owner[i]));

		eps_budget_owner_key(&c.key[i], book, bytes, len);
		eps_budget_lookup(book, &c.one[i].account, &c.key[i], 1);
		c.one[i].level = (uint16) level;
		c.one[i].delta_level = (uint16) delta_level;
	}
	return c;
}

static int32
count_bits(const uint8 *bits, uint64 n)
{
	int32		count = 0;

	for (uint64 i = 0; i < n; i++)
		count += bits[i / 8] >> (i % 8) & 1;
	return count;
}

/* (dataset, owners bigint[], level, delta_level, purpose number or -1) returns how many were admitted */
PG_FUNCTION_INFO_V1(eps_budget_sql_test_admit);
Datum
eps_budget_sql_test_admit(PG_FUNCTION_ARGS)
{
	const EpsDataset *dataset = eps_budget_dataset_argument(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	EpsBook    *book = eps_budget_open(dataset->id);
	ArrayType  *owners = PG_GETARG_ARRAYTYPE_P(1);
	uint64		n = (uint64) ArrayGetNItems(ARR_NDIM(owners), ARR_DIMS(owners));
	EpsAdmission admission = {.role = GetOuterUserId(),.purpose = PG_GETARG_INT32(4),
		.worst_level = (uint16) PG_GETARG_INT32(2),.worst_delta_level = (uint16) PG_GETARG_INT32(3),
	.statement = "test", .mechanism = "none"};
	EpsCandidates c = make_candidates(book, eps_policy_dataset(book->dataset_id)->family,
									  (int64 *) ARR_DATA_PTR(owners), n,
									  PG_GETARG_INT32(2), PG_GETARG_INT32(3));
	uint8	   *admitted = palloc0((n + 7) / 8 + 1);

	eps_budget_admit(book, &admission, &c, admitted);
	PG_RETURN_INT32(count_bits(admitted, n));
}

/* (dataset, n owners, levels) returns milliseconds: key hashing, look-up, admission */
PG_FUNCTION_INFO_V1(eps_budget_sql_test_time);
Datum
eps_budget_sql_test_time(PG_FUNCTION_ARGS)
{
	const EpsDataset *dataset = eps_budget_dataset_argument(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	EpsKeyFamily family = dataset->family;
	EpsBook    *book = eps_budget_open(dataset->id);
	uint64		n = (uint64) PG_GETARG_INT64(1);
	int			levels = PG_GETARG_INT32(2);
	EpsAdmission admission = {.role = GetOuterUserId(),.purpose = -1,.worst_level = 100,
	.statement = "test", .mechanism = "none"};
	EpsOwnerKey *keys = palloc_extended(n * sizeof(EpsOwnerKey), MCXT_ALLOC_HUGE);
	EpsCandidates c = {.key = keys,.n = n};
	uint32	   *accounts = palloc_extended(n * sizeof(uint32), MCXT_ALLOC_HUGE);
	uint8	   *admitted = palloc0((n + 7) / 8);
	instr_time	t[4];

	c.one = palloc_extended(n * sizeof(EpsCandidate), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	INSTR_TIME_SET_CURRENT(t[0]);
	for (uint64 i = 0; i < n; i++)
	{
		uint8		buffer[16];
		const uint8 *bytes;
		int64		owner = (int64) ((i * UINT64CONST(7919)) % n) + 1;
		Size		len = eps_policy_owner_bytes(&bytes, buffer, family, INT8OID, Int64GetDatum(owner));

		eps_budget_owner_key(&keys[i], book, bytes, len);
	}
	INSTR_TIME_SET_CURRENT(t[1]);
	eps_budget_lookup(book, accounts, keys, (int) n);
	INSTR_TIME_SET_CURRENT(t[2]);
	for (uint64 i = 0; i < n; i++)
	{
		c.one[i].account = accounts[i];
		c.one[i].level = (uint16) (100 - i % (uint64) levels);
	}
	INSTR_TIME_SET_CURRENT(t[3]);
	eps_budget_admit(book, &admission, &c, admitted);
	{
		instr_time	end;
		char	   *text;

		INSTR_TIME_SET_CURRENT(end);
		INSTR_TIME_SUBTRACT(end, t[3]);
		INSTR_TIME_SUBTRACT(t[2], t[1]);
		INSTR_TIME_SUBTRACT(t[1], t[0]);
		text = psprintf("keys %.1f lookup %.1f admit %.1f ms, %d admitted", INSTR_TIME_GET_MILLISEC(t[1]),
						INSTR_TIME_GET_MILLISEC(t[2]), INSTR_TIME_GET_MILLISEC(end), count_bits(admitted, n));
		PG_RETURN_TEXT_P(cstring_to_text(text));
	}
}

/* (dataset, units, quota units): takes a quota of the calling role */
PG_FUNCTION_INFO_V1(eps_budget_sql_test_quota);
Datum
eps_budget_sql_test_quota(PG_FUNCTION_ARGS)
{
	const EpsDataset *dataset = eps_budget_dataset_argument(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	EpsQuotaClaim claim = {.dataset_id = dataset->id,.role = GetOuterUserId(),
	.units = (uint64) PG_GETARG_INT64(1),.quota_units = (uint64) PG_GETARG_INT64(2)};

	eps_budget_take_quota(&claim, 1);
	PG_RETURN_INT64((int64) eps_budget_quota_used(claim.dataset_id, claim.role));
}

static void
sum_range(void *context, uint32 first, uint32 last)
{
	*(int64 *) context += (int64) last - first + 1;
}

/* (bytes, limit): number of members, or -1 if the bytes are no bitmap */
PG_FUNCTION_INFO_V1(eps_budget_sql_test_bitmap);
Datum
eps_budget_sql_test_bitmap(PG_FUNCTION_ARGS)
{
	bytea	   *bytes = PG_GETARG_BYTEA_PP(0);
	int64		members = 0;

	if (!eps_budget_bitmap_read((const uint8 *) VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes), (uint32) PG_GETARG_INT64(1), sum_range, &members))
		members = -1;
	PG_RETURN_INT64(members);
}

#endif							/* EPS_TEST_BUILD */
