/*
 * groups.c
 *	  The dictionary of groups.
 *
 * Two forms.  Up to two by-value keys are packed into two words and found in a
 * small table of their own; all others by their canonical bytes.  Core's tuple
 * hash table would do for both, at two to three times the cost a row, and would
 * keep the look of whichever row came first.
 */
#include "postgres.h"

#include "pg/exec/exec_internal.h"

#include "access/detoast.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/sortsupport.h"
#include "utils/typcache.h"

#define FIRST_SLOTS 64
#define MOST_DIRECT 4096
#define TEXT_NULL (-1)			/* length of a NULL */

/*
 * Bytes that the keys of a group outside a public domain may have.  Long ones
 * would let a few rows of one owner, multiplied by public relations, take all
 * memory: then whether a release fails is an answer (rule 35).
 */
#define MOST_KEY_BYTES 1024

static int	group_memory = 1024 * 1024; /* kB */

/* --- tables ------------------------------------------------------------------ */

static EpsPackedGroup *
packed_slot(const EpsGroups *g, const EpsPackedGroup *key)
{
	uint32		at = eps_exec_packed_at(g, key);

	for (;; at++)
	{
		EpsPackedGroup *slot = &g->packed_slots[at & (g->nslots - 1)];

		if (slot->gid == EPS_GROUP_NONE || eps_exec_packed_equal(slot, key))
			return slot;
	}
}

static inline uint64
load_bytes(const char *data, int n)
{
	uint64		word = 0;

	memcpy(&word, data, n);
	return word;
}

/* At most eight bytes as a word, by loads that may overlap. */
static inline uint64
short_word(const char *data, int len)
{
	if (len == 8)
		return load_bytes(data, 8);
	if (len >= 4)
		return load_bytes(data, 4) | load_bytes(data + len - 4, 4) << 32;
	if (len <= 0)
		return 0;
	return load_bytes(data, 1) | load_bytes(data + len / 2, 1) << 8 | load_bytes(data + len - 1, 1) << 16;
}

/* Keys are short: eight bytes a step, where the server's hash takes twelve in
 * thirty instructions. */
static uint32
bytes_hash(const char *data, int len)
{
	uint64		h = (uint64) len;

	for (; len > 8; data += 8, len -= 8)
	{
		h = (h ^ load_bytes(data, 8)) * UINT64CONST(0x9e3779b97f4a7c15);
		h ^= h >> 32;
	}
	return (uint32) (eps_exec_mix(h ^ short_word(data, len)) >> 32);
}

static EpsBytesGroup *
bytes_slot(const EpsGroups *g, uint32 hash, const char *data, int len)
{
	for (uint32 at = hash;; at++)
	{
		EpsBytesGroup *slot = &g->bytes_slots[at & (g->nslots - 1)];
		const EpsBytes *bytes;

		if (slot->gid == EPS_GROUP_NONE)
			return slot;
		if (slot->hash != hash)
			continue;
		bytes = &g->bytes[slot->gid];
		if (bytes->len == len && (len <= 0 || memcmp(bytes->data, data, len) == 0))
			return slot;
	}
}

static void
make_slots(EpsGroups *g, uint32 nslots)
{
	g->nslots = nslots;
	g->shift = 64 - (unsigned) __builtin_ctz(nslots);
	if (g->packed)
	{
		g->packed_slots = MemoryContextAllocHuge(g->context, sizeof(EpsPackedGroup) * (Size) nslots);
		memset(g->packed_slots, 0xFF, sizeof(EpsPackedGroup) * (Size) nslots);
	}
	else
	{
		g->bytes_slots = MemoryContextAllocHuge(g->context, sizeof(EpsBytesGroup) * (Size) nslots);
		memset(g->bytes_slots, 0xFF, sizeof(EpsBytesGroup) * (Size) nslots);
	}
}

static void
double_slots(EpsGroups *g)
{
	uint32		old = g->nslots;
	EpsPackedGroup *packed = g->packed_slots;
	EpsBytesGroup *bytes = g->bytes_slots;

	make_slots(g, old * 2);
	for (uint32 i = 0; i < old; i++)
	{
		if (g->packed && packed[i].gid != EPS_GROUP_NONE)
			*packed_slot(g, &packed[i]) = packed[i];
		else if (!g->packed && bytes[i].gid != EPS_GROUP_NONE)
			*bytes_slot(g, bytes[i].hash, g->bytes[bytes[i].gid].data, g->bytes[bytes[i].gid].len) = bytes[i];
	}
	pfree(g->packed ? (void *) packed : (void *) bytes);
}

/* --- new groups ----------------------------------------------------------------- */

static void
make_room(EpsGroups *g)
{
	g->room *= 2;
	g->values = repalloc_huge(g->values, sizeof(Datum) * (Size) g->room * g->nkeys);
	g->isnull = repalloc_huge(g->isnull, sizeof(bool) * (Size) g->room * g->nkeys);
	if (!g->packed)
		g->bytes = repalloc_huge(g->bytes, sizeof(EpsBytes) * (Size) g->room);
}

/*
 * Groups of a public domain are bounded by dp.max_groups.  Others come from rows:
 * where they take too much memory the session ends, as it would for want of memory,
 * but those who were read are charged, and the server is not put at risk.
 */
static inline void
use_memory(EpsGroups *g, Size bytes)
{
	g->used += bytes > 0 ? bytes : g->each;
	g->full = !g->closed && g->used / 1024 > (Size) group_memory;
}

/* Stores the keys of a new group and returns its number. */
static uint32
new_group(EpsGroups *g, const Datum *keys, const bool *isnull)
{
	MemoryContext old = MemoryContextSwitchTo(g->context);
	uint32		gid = g->ngroups;

	EPS_ENSURE(gid < (uint32) PG_INT32_MAX, "too many groups");
	if (gid == g->room)
		make_room(g);
	for (int k = 0; k < g->nkeys; k++)
	{
		g->isnull[(Size) gid * g->nkeys + k] = isnull[k];
		g->values[(Size) gid * g->nkeys + k] =
			isnull[k] ? (Datum) 0 : eps_exec_key_canonical(&g->forms[k], keys[k]);
	}
	g->ngroups++;
	use_memory(g, 0);
	MemoryContextSwitchTo(old);
	return gid;
}

/* --- look-up ---------------------------------------------------------------------- */

static uint32
packed_group_of(EpsGroups *g, const Datum *keys, const bool *isnull)
{
	EpsPackedGroup key = {{0, 0}, 0, 0};
	EpsPackedGroup *slot;

	for (int k = 0; k < g->nkeys; k++)
	{
		if (isnull[k])
			key.nulls |= 1U << k;
		else
			key.key[k] = (uint64) keys[k] & g->forms[k].mask;
	}
	slot = packed_slot(g, &key);
	if (slot->gid == EPS_GROUP_NONE)
	{
		if (g->closed)
			return EPS_GROUP_NONE;
		key.gid = new_group(g, keys, isnull);
		*slot = key;
		if (g->ngroups > g->nslots / 2)
			double_slots(g);
	}
	else
		key.gid = slot->gid;
	return key.gid;
}

/* False where they are too long. */
static bool
write_bytes(EpsGroups *g, const Datum *keys, const bool *isnull)
{
	resetStringInfo(&g->scratch);
	for (int k = 0; k < g->nkeys; k++)
	{
		appendStringInfoChar(&g->scratch, isnull[k] ? 1 : 0);
		if (isnull[k])
			continue;
		if (g->forms[k].kind == EPS_FORM_VARLENA && toast_raw_datum_size(keys[k]) - VARHDRSZ > (Size) g->longest)
			return false;
		eps_exec_key_bytes(&g->scratch, &g->forms[k], keys[k]);
	}
	return g->scratch.len <= g->longest;
}

static bool
is_last_group(const EpsGroups *g)
{
	const EpsBytes *last;

	if (g->last == EPS_GROUP_NONE)
		return false;
	last = &g->bytes[g->last];
	return last->len == g->scratch.len && memcmp(last->data, g->scratch.data, last->len) == 0;
}

static uint32
new_bytes_group(EpsGroups *g, EpsBytesGroup *slot, uint32 hash, const Datum *keys, const bool *isnull,
				const char *data, int len)
{
	uint32		gid = new_group(g, keys, isnull);
	EpsBytes   *bytes = &g->bytes[gid];

	slot->hash = hash;
	slot->gid = gid;
	bytes->len = len;
	bytes->data = MemoryContextAlloc(g->context, Max(len, 1));
	use_memory(g, 2 * (Size) Max(len, 0));	/* the canonical key as well */
	if (len > 0)
		memcpy(bytes->data, data, len);
	if (g->ngroups > g->nslots / 2)
		double_slots(g);
	return gid;
}

static uint32
bytes_group_of(EpsGroups *g, const Datum *keys, const bool *isnull)
{
	EpsBytesGroup *slot;
	uint32		hash;

	if (!write_bytes(g, keys, isnull))
		return EPS_GROUP_NONE;
	if (is_last_group(g))
		return g->last;
	hash = bytes_hash(g->scratch.data, g->scratch.len);
	slot = bytes_slot(g, hash, g->scratch.data, g->scratch.len);
	if (slot->gid != EPS_GROUP_NONE || g->closed)
		g->last = slot->gid;
	else
		g->last = new_bytes_group(g, slot, hash, keys, isnull, g->scratch.data, g->scratch.len);
	return g->last;
}

/* One key that is its own canonical bytes is found without copying them. */
static uint32
text_group_of(EpsGroups *g, const Datum *keys, const bool *isnull)
{
	const struct varlena *v = isnull[0] ? NULL : (const struct varlena *) PG_DETOAST_DATUM_PACKED(keys[0]);
	const char *data = v == NULL ? "" : VARDATA_ANY(v);
	int			len = v == NULL ? TEXT_NULL : (int) VARSIZE_ANY_EXHDR(v);
	uint32		hash;
	EpsBytesGroup *slot;

	if (len > g->longest)
		return EPS_GROUP_NONE;
	hash = v == NULL ? 0 : bytes_hash(data, len);
	slot = bytes_slot(g, hash, data, len);
	if (slot->gid != EPS_GROUP_NONE || g->closed)
		return slot->gid;
	return new_bytes_group(g, slot, hash, keys, isnull, data, len);
}

uint32
eps_exec_group_of_slow(EpsGroups *groups, const Datum *keys, const bool *isnull)
{
	if (groups->nkeys == 0)
		return 0;
	if (groups->packed)
		return packed_group_of(groups, keys, isnull);
	if (groups->nkeys == 1 && groups->forms[0].kind == EPS_FORM_VARLENA)
		return text_group_of(groups, keys, isnull);
	return bytes_group_of(groups, keys, isnull);
}

/* --- the public domain ------------------------------------------------------------- */

static Datum
integer_of_type(Oid type, int64 value)
{
	switch (type)
	{
		case INT2OID:
			return Int16GetDatum((int16) value);
		case INT4OID:
			return Int32GetDatum((int32) value);
		case INT8OID:
			return Int64GetDatum(value);
		case NUMERICOID:
			return DirectFunctionCall1(int8_numeric, Int64GetDatum(value));
		default:
			EPS_ENSURE(false, "a range is of another type");
			return (Datum) 0;
	}
}

static uint64
domain_members(const EpsPlanKey *key)
{
	uint64		n = key->domain == EPS_DOMAIN_RANGE ?
		(uint64) key->hi - (uint64) key->lo + 1 : (uint64) list_length(key->values);

	return n + (key->nullable ? 1 : 0);
}

/* Member i of a key's domain; NULL comes last. */
static Datum
domain_member(const EpsPlanKey *key, const EpsKeyForm *form, uint64 i, bool *isnull)
{
	*isnull = key->nullable && i == domain_members(key) - 1;
	if (*isnull)
		return (Datum) 0;
	if (key->domain == EPS_DOMAIN_RANGE)
		return integer_of_type(form->type, key->lo + (int64) i);
	return ((const Const *) list_nth(key->values, (int) i))->constvalue;
}

/* All groups, the last key running fastest. */
static void
fill_from_domain(EpsGroups *g, const EpsReleasePlan *plan, uint64 ngroups)
{
	Datum	   *keys = palloc(sizeof(Datum) * Max(plan->nkeys, 1));
	bool	   *isnull = palloc(sizeof(bool) * Max(plan->nkeys, 1));

	for (uint64 n = 0; n < ngroups; n++)
	{
		uint64		rest = n;

		for (int k = plan->nkeys - 1; k >= 0; k--)
		{
			uint64		members = domain_members(&plan->keys[k]);

			keys[k] = domain_member(&plan->keys[k], &g->forms[k], rest % members, &isnull[k]);
			rest /= members;
		}
		EPS_ENSURE(eps_exec_group_of_slow(g, keys, isnull) == n, "a public domain names a value twice");
		CHECK_FOR_INTERRUPTS();
	}
	g->closed = true;
	g->full = false;
}

/*
 * One integer key whose public domain is narrow: an array takes the place of the
 * table.  Such a datum is the integer, sign-extended.
 */
static void
make_direct(EpsGroups *g)
{
	Oid			type = g->forms[0].type;
	int64		lo = PG_INT64_MAX;
	int64		hi = PG_INT64_MIN;
	uint64		size;

	if (type != INT2OID && type != INT4OID && type != INT8OID && type != DATEOID && type != BOOLOID)
		return;
	g->direct_null = EPS_GROUP_NONE;
	for (uint32 i = 0; i < g->ngroups; i++)
	{
		lo = g->isnull[i] ? lo : Min(lo, (int64) g->values[i]);
		hi = g->isnull[i] ? hi : Max(hi, (int64) g->values[i]);
		g->direct_null = g->isnull[i] ? i : g->direct_null;
	}
	size = (uint64) hi - (uint64) lo + 1;
	if (lo > hi || size > MOST_DIRECT)
		return;
	g->direct_from = lo;
	g->direct_size = size;
	g->direct = MemoryContextAlloc(g->context, sizeof(uint32) * size);
	memset(g->direct, 0xFF, sizeof(uint32) * size);
	for (uint32 i = 0; i < g->ngroups; i++)
		if (!g->isnull[i])
			g->direct[(int64) g->values[i] - lo] = i;
}

void
eps_exec_groups_init(void)
{
	DefineCustomIntVariable("dp.group_memory", "Memory that the groups of one release may take.",
							"A release whose keys have no public domain may meet any number of groups; beyond this it ends the session.",
							&group_memory, 1024 * 1024, 64, MAX_KILOBYTES,
							PGC_SUSET, GUC_UNIT_KB, NULL, NULL, NULL);
}

/* In the dictionary, in what bounding and adding up keep of each group. */
static Size
bytes_each(const EpsGroups *g, const EpsReleasePrice *price)
{
	Size		slot = g->packed ? sizeof(EpsPackedGroup) : sizeof(EpsBytesGroup) + sizeof(EpsBytes);

	return (sizeof(Datum) + sizeof(bool)) * (Size) g->nkeys + 4 * slot +
		2 * sizeof(uint32) + sizeof(EpsI128) * (Size) price->ncoords + sizeof(uint32);
}

EpsGroups *
eps_exec_groups_create(const EpsReleasePlan *plan, const EpsReleasePrice *price)
{
	EpsGroups  *g = palloc0(sizeof(EpsGroups));

	g->context = CurrentMemoryContext;
	g->nkeys = plan->nkeys;
	g->forms = palloc0(sizeof(EpsKeyForm) * Max(plan->nkeys, 1));
	g->packed = plan->nkeys <= 2;
	for (int k = 0; k < plan->nkeys; k++)
	{
		eps_exec_key_form(&g->forms[k], &plan->keys[k]);
		g->packed = g->packed && g->forms[k].kind == EPS_FORM_BYVAL;
	}
	g->room = FIRST_SLOTS;
	g->values = palloc(sizeof(Datum) * g->room * Max(plan->nkeys, 1));
	g->isnull = palloc(sizeof(bool) * g->room * Max(plan->nkeys, 1));
	g->bytes = g->packed ? NULL : palloc(sizeof(EpsBytes) * g->room);
	g->row = palloc0(sizeof(Datum) * Max(plan->nkeys, 1));
	g->row_nulls = palloc0(sizeof(bool) * Max(plan->nkeys, 1));
	initStringInfo(&g->scratch);
	make_slots(g, FIRST_SLOTS);
	g->last = EPS_GROUP_NONE;
	g->longest = price->thresholded ? MOST_KEY_BYTES : PG_INT32_MAX;
	g->each = bytes_each(g, price);
	if (plan->nkeys == 0)
	{
		g->ngroups = 1;
		g->closed = true;
	}
	else if (!price->thresholded)
	{
		fill_from_domain(g, plan, price->ngroups);
		if (g->nkeys == 1)
			make_direct(g);
	}
	return g;
}

/* --- order --------------------------------------------------------------------------- */

typedef struct GroupOrder
{
	const EpsGroups *groups;
	SortSupportData *keys;
} GroupOrder;

static int
compare_groups(const void *a, const void *b, void *arg)
{
	const GroupOrder *order = arg;
	const EpsGroups *g = order->groups;
	Size		left = (Size) *(const uint32 *) a * g->nkeys;
	Size		right = (Size) *(const uint32 *) b * g->nkeys;

	for (int k = 0; k < g->nkeys; k++)
	{
		int			c = ApplySortComparator(g->values[left + k], g->isnull[left + k],
											g->values[right + k], g->isnull[right + k],
											&order->keys[k]);

		if (c != 0)
			return c;
	}
	return 0;
}

void
eps_exec_groups_sort(const EpsGroups *groups, uint32 *gids, uint32 n)
{
	GroupOrder	order = {.groups = groups};

	order.keys = palloc0(sizeof(SortSupportData) * Max(groups->nkeys, 1));
	for (int k = 0; k < groups->nkeys; k++)
	{
		const EpsKeyForm *form = &groups->forms[k];
		TypeCacheEntry *type = lookup_type_cache(form->type, TYPECACHE_LT_OPR);

		order.keys[k].ssup_cxt = CurrentMemoryContext;
		order.keys[k].ssup_collation = form->collation;
		order.keys[k].ssup_nulls_first = false;
		PrepareSortSupportFromOrderingOp(type->lt_opr, &order.keys[k]);
	}
	qsort_arg(gids, n, sizeof(uint32), compare_groups, &order);
}
