/*
 * exec_internal.h
 *	  What the files of this room share.
 *
 * The way of a row: node.c (executor callbacks) -> run.c (order of releases) ->
 * answer.c (the steps of one release) -> collect.c (rows to records, with
 * groups.c and values.c) -> partition.c (records by owner, memory and spill) ->
 * bound.c (owner by owner to entries and charges) -> answer.c (admit, add up,
 * noise) -> emit.c (stored rows).
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
	uint32		ngroups;
	uint32		nslots;			/* power of two, at least twice ngroups */
	EpsPackedGroup *packed_slots;
	EpsBytesGroup *bytes_slots;
	EpsBytes   *bytes;			/* by group */
	uint32		room;			/* groups that the arrays by group can hold */
	Datum	   *values;			/* canonical keys, nkeys a group */
	bool	   *isnull;
	StringInfoData scratch;
	EpsPackedGroup last;		/* the group of the row before */
} EpsGroups;

extern EpsGroups *eps_exec_groups_create(const EpsReleasePlan *plan, const EpsReleasePrice *price);

/* The group of a row's keys, EPS_GROUP_NONE if it is outside a public domain.
 * May leave memory in the current context. */
extern uint32 eps_exec_group_of(EpsGroups *groups, const Datum *keys, const bool *isnull);

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
	int64		lower;			/* units */
	int64		upper;
	int64		center;
	int32		scale10;
	int32		scale2;
} EpsValueReader;

/* A NULL value of a record; values proper are smaller in size. */
#define EPS_VALUE_NULL PG_INT64_MIN

extern void eps_exec_value_reader(EpsValueReader *out, const EpsPlanColumn *column);

/* The value in units, clamped, less the center; EPS_VALUE_NULL for NaN. Never
 * raises.  May leave memory in the current context. */
extern int64 eps_exec_read_value(const EpsValueReader *reader, Datum value);

/* --- records and partitions (partition.c) ------------------------------------- */

/*
 * A record is one row: owner key (8 or 16 bytes), group number (4), values (4 or
 * 8 bytes each).  Fields are not aligned beyond 4 bytes: use the functions.
 */
typedef struct EpsShape
{
	bool		wide_key;		/* 16 bytes */
	bool		wide_value;		/* int64 */
	int			ncolumns;
	Size		size;
} EpsShape;

typedef struct EpsKey
{
	uint64		lo;
	uint64		hi;				/* 0 where keys are 8 bytes */
} EpsKey;

#define EPS_NARROW_NULL PG_INT32_MIN

static inline EpsKey
eps_exec_record_key(const char *record, bool wide_key)
{
	EpsKey		key = {0, 0};

	memcpy(&key.lo, record, sizeof(uint64));
	if (wide_key)
		memcpy(&key.hi, record + sizeof(uint64), sizeof(uint64));
	return key;
}

static inline const char *
eps_exec_record_group(const char *record, bool wide_key)
{
	return record + (wide_key ? 16 : 8);
}

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

static inline uint64
eps_exec_key_hash(EpsKey key, bool wide_key)
{
	uint64		h = eps_exec_mix(key.lo);

	return wide_key ? eps_exec_mix(h ^ key.hi) : h;
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

extern EpsArena *eps_exec_arena_create(MemoryContext context, Size chunk_bytes, Size limit);
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

/* Calls a function for each record of a partition, without holding more than a
 * chunk of what was spilled; to drain empties the partition, to scan does not. */
typedef void (*EpsRecordVisit) (void *context, const char *record);
extern void eps_exec_partition_scan(EpsPartitions *set, uint32 part, EpsRecordVisit visit, void *context);
extern void eps_exec_partition_drain(EpsPartitions *set, uint32 part, EpsRecordVisit visit, void *context);

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

typedef struct EpsScanState
{
	CustomScanState css;
	const EpsReleasePlan *plan;
	PlanState  *child;
	int		   *key_at;			/* positions in the child's row, from 0 */
	int			owner_at;
	int		   *column_at;
	EpsScanPhase phase;
	struct EpsScanState *same_as;	/* an equal release of the statement that comes first */
	EpsReleasePrice *price;
	const char *purpose;		/* as set when the price was made; NULL if none */
	EpsBook    *book;
	EpsAnswerRows rows;
	uint64		next;
} EpsScanState;

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
	EpsCandidate *candidates;
	uint32	   *nentries;		/* by candidate */
	uint64		ncandidates;
	uint64		room;
	EpsI128    *totals;			/* by group, then coordinate */
	uint32	   *shown;			/* groups that come out, in order */
	uint32		nshown;
} EpsRun;

/* owner.c: one owner's rows to entries and a candidate. */
typedef struct EpsBounder EpsBounder;

extern EpsBounder *eps_exec_bounder_create(EpsRun *run);

/* records: all rows of the owner, in any order. */
extern void eps_exec_bound_owner(EpsBounder *bounder, EpsKey key, const char *const *records, uint32 n);

/* Looks up the accounts of the candidates that were added last. */
extern void eps_exec_bounder_finish(EpsBounder *bounder);

/* collect.c: reads the child into run->records and run->groups. */
extern void eps_exec_collect(EpsRun *run);

/* bound.c: turns records into candidates and entries. */
extern void eps_exec_bound(EpsRun *run);

/* answer.c: runs a booked release and stores its rows. */
extern void eps_exec_answer(EpsScanState *node);

/* emit.c: the rows of the shown groups, in the current context. */
extern EpsAnswerRows eps_exec_emit(const EpsRun *run);

/* run.c */
extern void eps_exec_run_node(EpsScanState *node);

/* explain.c */
extern void eps_exec_explain(CustomScanState *css, List *ancestors, ExplainState *es);

/* node.c */
extern bool eps_exec_is_scan_state(PlanState *state);

#ifdef EPS_TEST_BUILD
extern bool eps_exec_test_noise;
#endif

#endif							/* EPS_PG_EXEC_INTERNAL_H */
