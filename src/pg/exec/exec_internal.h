/*
 * exec_internal.h
 *	  What the files of this room share.
 *
 * The way of a row: node.c (executor callbacks) -> run.c (order of releases) ->
 * answer.c (the steps of one release) -> collect.c (rows to records, with
 * groups.c and values.c) -> partition.c (records by owner, memory and spill) ->
 * bound.c with owner.c and distinct.c (owner by owner to entries and charges; single.c where each
 * has one row; accounts by candidates.c) -> answer.c (admit, add up, noise) ->
 * emit.c (stored rows).  A release that was answered before ends in
 * repeat.c (with content.c and stored.c).
 */
#ifndef EPS_PG_EXEC_INTERNAL_H
#define EPS_PG_EXEC_INTERNAL_H

#include "pg/exec/exec.h"
#include "pg/budget/budget.h"
#include "core/crypto/crypto.h"
#include "core/noise/noise.h"

#include "commands/explain.h"
#include "nodes/execnodes.h"
#include "storage/buffile.h"

/* --- group keys (keyform.c, groups.c) --------------------------------------- */

/* How a key's canonical bytes come about: equal keys have equal bytes. */
typedef enum EpsKeyFormKind
{
	EPS_FORM_BYVAL,				/* the datum's own bytes */
	EPS_FORM_FLOAT4,			/* one zero, one NaN */
	EPS_FORM_FLOAT8,
	EPS_FORM_NUMERIC,			/* sign, weight and digits, not the scale */
	EPS_FORM_BPCHAR,			/* without trailing blanks */
	EPS_FORM_VARLENA,			/* the bytes, detoasted */
	EPS_FORM_CSTRING,			/* name: up to the terminator */
	EPS_FORM_FIXED				/* typlen bytes */
} EpsKeyFormKind;

typedef struct EpsKeyForm
{
	EpsKeyFormKind kind;
	Oid			type;			/* base type */
	int32		typmod;
	Oid			collation;
	int16		typlen;
	bool		typbyval;
	uint64		mask;			/* of a by-value datum */
} EpsKeyForm;

/* ERROR PV011 for a type whose equal values may look different. */
extern void eps_exec_key_form(EpsKeyForm *out, const EpsPlanKey *key);

/* Appends the canonical bytes of a non-null key to buf. */
extern void eps_exec_key_bytes(StringInfo buf, const EpsKeyForm *form, Datum value);

/* A copy of a key in the current context that is the same for equal keys. */
extern Datum eps_exec_key_canonical(const EpsKeyForm *form, Datum value);

#define EPS_GROUP_NONE ((uint32) 0xFFFFFFFF)

typedef struct EpsPackedGroup
{
	uint64		key[2];
	uint32		nulls;
	uint32		gid;			/* EPS_GROUP_NONE: free slot */
} EpsPackedGroup;

typedef struct EpsBytesGroup
{
	uint32		hash;
	uint32		gid;			/* EPS_GROUP_NONE: free slot */
} EpsBytesGroup;

typedef struct EpsBytes
{
	char	   *data;
	int			len;
} EpsBytes;

/* The dictionary of groups: dense numbers from 0, in order of arrival or, where
 * the domain is public, in domain order. */
typedef struct EpsGroups
{
	MemoryContext context;
	int			nkeys;
	EpsKeyForm *forms;
	bool		packed;			/* at most two by-value keys */
	bool		closed;			/* the domain is public: other keys are in no group */
	int			longest;		/* bytes of a key; what is longer is in no group */
	uint32		ngroups;
	uint32		nslots;			/* power of two, at least twice ngroups */
	unsigned	shift;			/* 64 less the bits of nslots */
	uint32	   *direct;			/* group by (key - direct_from) of one narrow public key */
	int64		direct_from;
	uint64		direct_size;
	uint32		direct_null;	/* group of NULL */
	EpsPackedGroup *packed_slots;
	EpsBytesGroup *bytes_slots;
	EpsBytes   *bytes;			/* by group */
	uint32		room;			/* groups that the arrays by group can hold */
	Datum	   *values;			/* canonical keys, nkeys a group */
	bool	   *isnull;
	Datum	   *row;			/* keys of the row at hand */
	bool	   *row_nulls;
	StringInfoData scratch;
	uint32		last;			/* group of the row before, found by bytes */
	Size		each;			/* bytes that a group takes in all, its keys' own aside */
	Size		used;			/* bytes of all groups */
	bool		full;			/* used is above dp.group_memory: reading stops */
} EpsGroups;

extern void eps_exec_groups_init(void);

extern EpsGroups *eps_exec_groups_create(const EpsReleasePlan *plan, const EpsReleasePrice *price);

extern uint32 eps_exec_group_of_slow(EpsGroups *groups, const Datum *keys, const bool *isnull);

/* Finalizer of MurmurHash3: a bijection, so different 8-byte keys never collide. */
static inline uint64
eps_exec_mix(uint64 x)
{
	x ^= x >> 33;
	x *= UINT64CONST(0xff51afd7ed558ccd);
	x ^= x >> 33;
	x *= UINT64CONST(0xc4ceb9fe1a85ec53);
	x ^= x >> 33;
	return x;
}

/* Where probing for a packed key begins. */
static inline uint32
eps_exec_packed_at(const EpsGroups *groups, const EpsPackedGroup *key)
{
	uint64		h = key->key[0] + key->nulls;

	if (groups->nkeys > 1)
		h = (h ^ (h >> 32)) * UINT64CONST(0xff51afd7ed558ccd) + key->key[1];
	return (uint32) (((h ^ (h >> 32)) * UINT64CONST(0x9e3779b97f4a7c15)) >> groups->shift);
}

static inline bool
eps_exec_packed_equal(const EpsPackedGroup *a, const EpsPackedGroup *b)
{
	return a->key[0] == b->key[0] && a->key[1] == b->key[1] && a->nulls == b->nulls;
}

/* Key k of a row.  Not in a loop: then the packed key stays in registers. */
static inline void
eps_exec_pack(EpsPackedGroup *key, const EpsGroups *groups, int k, const int *key_at, const Datum *values, const bool *isnull)
{
	if (isnull[key_at[k]])
		key->nulls |= 1U << k;
	else
		key->key[k] = (uint64) values[key_at[k]] & groups->forms[k].mask;
}

/*
 * The group of a row's keys (at their place among the row's columns),
 * EPS_GROUP_NONE if it is outside a public domain or longer than 1 kB.  May leave
 * memory in the current context.
 */
static inline uint32
eps_exec_group_of(EpsGroups *groups, const int *key_at, const Datum *values, const bool *isnull)
{
	Datum	   *keys = groups->row;
	bool	   *nulls = groups->row_nulls;

	if (groups->direct != NULL)
	{
		uint64		at = (uint64) (int64) values[key_at[0]] - (uint64) groups->direct_from;

		if (isnull[key_at[0]])
			return groups->direct_null;
		return at < groups->direct_size ? groups->direct[at] : EPS_GROUP_NONE;
	}
	if (groups->packed)
	{
		EpsPackedGroup key = {{0, 0}, 0, 0};
		const EpsPackedGroup *slot;

		if (groups->nkeys > 0)
			eps_exec_pack(&key, groups, 0, key_at, values, isnull);
		if (groups->nkeys > 1)
			eps_exec_pack(&key, groups, 1, key_at, values, isnull);
		slot = &groups->packed_slots[eps_exec_packed_at(groups, &key)];
		if (likely(eps_exec_packed_equal(slot, &key)))
			return slot->gid;
	}
	for (int k = 0; k < groups->nkeys; k++)
	{
		keys[k] = values[key_at[k]];
		nulls[k] = isnull[key_at[k]];
	}
	return eps_exec_group_of_slow(groups, keys, nulls);
}

/* Sorts group numbers by key, in each type's own order, NULL last. */
extern void eps_exec_groups_sort(const EpsGroups *groups, uint32 *gids, uint32 n);

/* --- values (numeric.c, values.c) -------------------------------------------- */

/* A numeric taken apart (the on-disk format of numeric, stable since 9.1). */
typedef struct EpsNumericView
{
	bool		is_nan;
	bool		is_infinite;
	bool		negative;
	int			weight;			/* of the first digit, base 10000 */
	int			ndigits;
	const char *digits;			/* int16 each, not aligned */
} EpsNumericView;

extern void eps_exec_numeric_view(EpsNumericView *out, const struct varlena *packed);

typedef struct EpsValueReader
{
	Oid			type;
	bool		summed;
	int			width;			/* of integers: 2, 4 or 8; else 0 */
	int64		lower;			/* units */
	int64		upper;
	int64		center;
	int32		scale10;
	int32		scale2;
} EpsValueReader;

/* A NULL value of a record; values proper are smaller in size. */
#define EPS_VALUE_NULL PG_INT64_MIN

extern void eps_exec_value_reader(EpsValueReader *out, const EpsPlanColumn *column);

extern int64 eps_exec_read_value_slow(const EpsValueReader *reader, Datum value);

/* The value in units, clamped, less the center; EPS_VALUE_NULL for NaN. Never
 * raises.  May leave memory in the current context. */
static inline int64
eps_exec_read_value(const EpsValueReader *reader, Datum value)
{
	int64		units;

	if (reader->width == 0)
		return eps_exec_read_value_slow(reader, value);
	units = reader->width == 4 ? DatumGetInt32(value) :
		reader->width == 8 ? DatumGetInt64(value) : DatumGetInt16(value);
	units = units < reader->lower ? reader->lower : units;
	units = units > reader->upper ? reader->upper : units;
	return units - reader->center;
}

/* --- records and partitions (partition.c) ------------------------------------- */

/*
 * A record is one row: owner key (4, 8 or 16 bytes), group number (4), values (4 or
 * 8 bytes each), images of values that are told apart (16 bytes each).  Fields are
 * not aligned beyond 4 bytes: use the functions.
 */
typedef struct EpsShape
{
	int			key_bytes;		/* 4, 8 or 16 */
	bool		account_key;	/* the key is an account key, canonical where keys were merged */
	bool		wide_value;		/* int64 */
	int			ncolumns;
	Size		image_at;		/* where the images begin */
	Size		size;
} EpsShape;

typedef struct EpsKey
{
	uint64		lo;
	uint64		hi;				/* 0 where keys are 8 bytes */
} EpsKey;

#define EPS_NARROW_NULL PG_INT32_MIN

static inline EpsKey
eps_exec_record_key(const char *record, int key_bytes)
{
	EpsKey		key = {0, 0};
	int32		narrow;

	if (key_bytes == sizeof(int32))
	{
		memcpy(&narrow, record, sizeof(int32));
		key.lo = (uint64) (int64) narrow;
		return key;
	}
	memcpy(&key.lo, record, sizeof(uint64));
	if (key_bytes == sizeof(EpsKey))
		memcpy(&key.hi, record + sizeof(uint64), sizeof(uint64));
	return key;
}

static inline void
eps_exec_record_set_key(char *record, EpsKey key, int key_bytes)
{
	int32		narrow = (int32) key.lo;

	if (key_bytes == sizeof(int32))
		memcpy(record, &narrow, sizeof(int32));
	else
		memcpy(record, &key, key_bytes);
}

static inline uint64
eps_exec_key_hash(EpsKey key, int key_bytes)
{
	uint64		h = eps_exec_mix(key.lo);

	return key_bytes == sizeof(EpsKey) ? eps_exec_mix(h ^ key.hi) : h;
}

typedef struct EpsChunk
{
	struct EpsChunk *next;
	Size		used;			/* bytes of data, valid once it is full or closed */
	char		data[FLEXIBLE_ARRAY_MEMBER];
} EpsChunk;

/* Chunks of one size, given back and used again. Over the limit somebody spills. */
typedef struct EpsArena
{
	MemoryContext context;
	Size		chunk_bytes;	/* of a chunk's data */
	EpsChunk   *free;
	char	   *block;
	char	   *block_end;
	Size		next_block;
	Size		in_use;			/* bytes of chunks handed out */
	Size		limit;
} EpsArena;

/* Asks for huge pages for memory that is written once: page faults are what counts. */
extern void eps_exec_advise_huge_pages(void *block, Size size);

/* large: much is expected, so the first block is as large as blocks become. */
extern EpsArena *eps_exec_arena_create(MemoryContext context, Size chunk_bytes, Size limit, bool large);
extern EpsChunk *eps_exec_chunk_take(EpsArena *arena);
extern void eps_exec_chunks_give(EpsArena *arena, EpsChunk *chunks);

/* A piece of a partition in the set's file. */
typedef struct EpsExtent
{
	struct EpsExtent *next;
	int			fileno;
	off_t		offset;
	uint64		bytes;
} EpsExtent;

#define EPS_STAGE_ROWS 16

/* Records by owner: partition number = the hash bits below `skip` leading ones. */
typedef struct EpsPartitions
{
	MemoryContext context;
	EpsArena   *arena;
	EpsShape	shape;
	unsigned	skip;			/* leading hash bits that are equal in the whole set */
	unsigned	bits;
	uint32		n;
	char	  **tail;			/* where the next record goes, by partition */
	char	  **end;
	EpsChunk  **chunks;			/* newest first; the first one is not closed */
	EpsExtent **extents;
	uint64	   *rows;
	BufFile    *file;
	uint32		staged;
	uint32		stage_part[EPS_STAGE_ROWS];
	char	   *stage;
} EpsPartitions;

extern EpsPartitions *eps_exec_partitions_create(MemoryContext context, EpsArena *arena,
												 const EpsShape *shape, unsigned skip, unsigned bits);
extern void eps_exec_partitions_free(EpsPartitions *set);

/* Where to write the next record; then put it with its key's hash. */
static inline char *
eps_exec_partitions_stage(EpsPartitions *set)
{
	return set->stage + set->staged * set->shape.size;
}

extern void eps_exec_partitions_flush(EpsPartitions *set);

static inline void
eps_exec_partitions_put(EpsPartitions *set, uint64 hash)
{
	uint32		part = 0;

	if (set->bits > 0)
		part = (uint32) ((hash << set->skip) >> (64 - set->bits));
	__builtin_prefetch(set->tail[part], 1);
	set->stage_part[set->staged++] = part;
	if (set->staged == EPS_STAGE_ROWS)
		eps_exec_partitions_flush(set);
}

/* Ends writing: afterwards the chunks of a partition are closed. */
extern void eps_exec_partitions_close(EpsPartitions *set);

/* Bytes of a partition in all. */
extern uint64 eps_exec_partition_bytes(const EpsPartitions *set, uint32 part);

/* Takes a partition out of the set, its spilled part read back, as closed chunks. */
extern EpsChunk *eps_exec_partition_take(EpsPartitions *set, uint32 part);

/* Calls a function for each stretch of records of a partition, in the same order
 * each time, without holding more than a chunk of what was spilled; to drain empties
 * the partition, to scan does not. */
typedef void (*EpsRecordsVisit) (void *context, const char *record, const char *end);
extern void eps_exec_partition_scan(EpsPartitions *set, uint32 part, EpsRecordsVisit visit, void *context);
extern void eps_exec_partition_drain(EpsPartitions *set, uint32 part, EpsRecordsVisit visit, void *context);

/* --- entries (entries.c) --------------------------------------------------------- */

/* What is left of an owner after bounding: for each kept group its number (4
 * bytes) and a grid value for each coordinate (4 or 8 bytes). Written once, read
 * once, in order; spills. */
typedef struct EpsEntries
{
	EpsArena   *arena;
	int			ncoords;
	bool		wide;
	Size		size;
	EpsChunk   *first;
	EpsChunk   *last;
	char	   *at;
	char	   *end;
	BufFile    *file;
	char	   *row;			/* reading: an entry from the file */
	bool		in_file;
} EpsEntries;

extern EpsEntries *eps_exec_entries_create(MemoryContext context, EpsArena *arena, int ncoords, bool wide);
extern char *eps_exec_entries_add_slow(EpsEntries *entries);

static inline char *
eps_exec_entries_add(EpsEntries *entries)
{
	char	   *at = entries->at;

	if (unlikely(at == entries->end))
		return eps_exec_entries_add_slow(entries);
	entries->at = at + entries->size;
	return at;
}

/* Moves what is in memory to the file. */
extern void eps_exec_entries_spill(EpsEntries *entries);
/* The same, if others need the arena. */
extern void eps_exec_entries_spill_if_tight(EpsEntries *entries);
extern void eps_exec_entries_rewind(EpsEntries *entries);
extern const char *eps_exec_entries_next(EpsEntries *entries);
extern void eps_exec_entries_free(EpsEntries *entries);

/* --- one release ------------------------------------------------------------------- */

typedef enum EpsScanPhase
{
	EPS_SCAN_NEW,
	EPS_SCAN_BOOKED,			/* its price is booked against the quota */
	EPS_SCAN_RUNNING,
	EPS_SCAN_DONE
} EpsScanPhase;

typedef struct EpsAnswerRows
{
	uint64		nrows;
	int			natts;
	Datum	   *values;
	bool	   *isnull;
} EpsAnswerRows;

/*
 * What a release of a statement asks, for the answer store (rule 26).  The entry
 * that answers it is known once it has run, or at once where it is a repeat.
 */
typedef struct EpsAsked
{
	const EpsReleasePlan *plan;
	const EpsReleasePrice *price;
	bool		keyed;			/* else its answer is not kept */
	uint8		base[EPS_ANSWER_KEY_LEN];	/* hash of all that the key is made of, but for the answers
											 * of inner releases */
	int64		seq;			/* of the release that answers; 0 = not known yet */
	bool		repeat;
	uint8		key[EPS_ANSWER_KEY_LEN];	/* of a repeat, as the following */
	TimestampTz at;				/* when the answer was given first */
	EpsAnswerRows rows;
	uint64		policy_version;
} EpsAsked;

typedef struct EpsScanState
{
	CustomScanState css;
	const EpsReleasePlan *plan;
	PlanState  *child;
	int		   *key_at;			/* positions in the child's row, from 0 */
	int			owner_at;
	int		   *column_at;
	int			last_at;		/* the last of these positions */
	EpsScanPhase phase;
	struct EpsScanState *same_as;	/* an equal release of the statement that comes first */
	EpsReleasePrice *price;
	const char *purpose;		/* as set when the price was made; NULL if none */
	EpsBook    *book;
	EpsAsked	asked;
	List	   *statement;		/* of EpsAsked *: what its statement asks, this one included */
	EpsAnswerRows rows;
	uint64		next;
	struct EpsRun *run;			/* has read its input and is not done */
	uint8	   *keep_key;		/* the answer is kept under it once it has left; NULL: it is not */
	List	   *cte_tables;		/* of CTEs that the input read first; end with the statement */
	struct EpsAccuracy *accuracy;	/* a pilot comes first (rule 8); NULL: none */
	bool		reads_again;	/* the input is read once more after this run */
} EpsScanState;

typedef struct EpsBounder EpsBounder;
typedef struct EpsLookup EpsLookup;
typedef struct EpsSingles EpsSingles;
typedef struct EpsDistinct EpsDistinct;

/* State of one run; everything in `context`, which goes when it ends. */
typedef struct EpsRun
{
	EpsScanState *node;
	const EpsReleasePlan *plan;
	const EpsReleasePrice *price;
	MemoryContext context;
	MemoryContext collect;		/* records and groups */
	EpsStream	stream;
	EpsEntropy	entropy;		/* of the stream; a release does not fork */
	EpsArena   *arena;
	EpsShape	shape;
	EpsGroups  *groups;
	EpsPartitions *records;
	EpsEntries *entries;
	EpsDistinct *distinct;		/* NULL: no distinct values are counted */
	EpsSingles *singles;		/* set: candidate i is record i, without entries */
	EpsCandidates candidates;
	uint32	   *nentries;		/* by candidate */
	uint64		room;
	EpsI128    *totals;			/* by group, then coordinate */
	uint32	   *shown;			/* groups that come out, in order */
	uint32		nshown;
	bool		keyed;			/* the answer is kept, under this key */
	uint8		answer_key[EPS_ANSWER_KEY_LEN];
#ifdef EPS_TEST_BUILD
	uint64		test_no;		/* of the release, on the tape */
	EpsKey	   *test_keys;		/* by candidate */
	uint64		test_room;
	StringInfo	test_offers;	/* of the trace */
#endif
} EpsRun;

/* owner.c: one owner's rows to entries and a candidate. */
extern EpsBounder *eps_exec_bounder_create(EpsRun *run, EpsLookup *lookup);

/* records: all rows of the owner, in any order. */
extern void eps_exec_bound_owner(EpsBounder *bounder, EpsKey key, const char *const *records, uint32 n);

/* Grid values (by coordinate) and level of an owner whose only row has these values. */
extern uint16 eps_exec_bound_values(EpsBounder *bounder, const char *values, int64 *grid);

/* collect.c: reads the child into run->records and run->groups. */
extern void eps_exec_collect(EpsRun *run);

/* bound.c: turns records into candidates and entries. */
extern void eps_exec_bound(EpsRun *run);

/* answer.c: runs a booked release and stores its rows. */
extern void eps_exec_answer(EpsScanState *node);

/* Gives back what a release holds that an error ended after it had read its rows. */
extern void eps_exec_abandon(EpsScanState *node);

/* emit.c: the rows of the shown groups, in the current context. */
extern EpsAnswerRows eps_exec_emit(const EpsRun *run);

/* answer.c: for auditors, each coordinate's mechanism. */
extern char *eps_exec_mechanism_text(const EpsReleasePlan *plan, const EpsReleasePrice *price);

/* run.c */
extern void eps_exec_run_node(EpsScanState *node);

/* explain.c */
extern void eps_exec_explain(CustomScanState *css, List *ancestors, ExplainState *es);

/* node.c */
extern bool eps_exec_is_scan_state(PlanState *state);

#include "pg/exec/accuracy.h"
#include "pg/exec/distinct.h"
#include "pg/exec/pad.h"
#include "pg/exec/test_tape.h"
#include "pg/exec/candidates.h"

#endif							/* EPS_PG_EXEC_INTERNAL_H */
