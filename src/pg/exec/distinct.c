/*
 * distinct.c
 *	  count(DISTINCT x) where x is not the owner key: the size of the union of what
 *	  the owners offer (docs/privacy.md, distinct values).
 *
 * A value goes by an image: the value itself where it has at most 16 bytes, else a
 * hash under a key that is drawn for the release.  Two values with one image count
 * as one: that is the count of images, exactly, so a collision makes an answer
 * wrong by one and no owner's part of it larger.
 *
 * An owner offers to a group at most `most` of the images of its rows there, chosen
 * by the owner's own coins.  Offers are kept by image until it is known who takes
 * part, in partitions of their own: as long as they are small enough to be put
 * into a table one by one, neither memory nor disk decides what is answered.
 */
#include "postgres.h"

#include "pg/exec/exec_internal.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#define FIRST_ROOM 256
#define FIRST_SLOTS 1024
#define CHUNK ((Size) 8 * 1024)
#define SPLIT_BITS 6
#define SPLIT_ROWS 131072

/* One coordinate of this kind. */
typedef struct DistinctCoord
{
	int			coord;
	int			from;			/* position in the child's row */
	uint32		most;			/* values that an owner offers to a group */
	EpsKeyForm	form;
} DistinctCoord;

/* A value of the owner at hand, in a group that is kept: slot = group's place
 * among the kept ones, then coordinate. */
typedef struct Met
{
	uint32		slot;
	EpsImage	image;
} Met;

typedef struct Offer
{
	EpsImage	image;
	uint64		candidate;
	uint32		gid;
	uint32		which;			/* index of the coordinate among those of this kind */
} Offer;

struct EpsDistinct
{
	EpsRun	   *run;
	int			n;
	DistinctCoord *coords;
	union
	{
		uint8		bytes[EPS_OWNER_SECRET_LEN];
		uint64		words[2];
	}			key;			/* of images and tables of this release */
	StringInfoData scratch;
	Met		   *met;
	uint32		nmet;
	uint32		met_room;
	uint32	   *choice;
	uint32		choice_room;
	EpsArena   *arena;
	EpsPartitions *offers;
};

/* --- images ---------------------------------------------------------------------- */

static void
set_coords(EpsDistinct *d, const EpsReleasePlan *plan)
{
	d->coords = palloc0(sizeof(DistinctCoord) * d->n);
	for (int j = 0, i = 0; j < plan->ncoords; j++)
	{
		const EpsPlanCoord *coord = &plan->coords[j];
		const EpsPlanColumn *column;
		EpsPlanKey	key = {0};

		if (coord->kind != EPS_COORD_VALUES)
			continue;
		column = &plan->columns[coord->column];
		EPS_ENSURE(column->distinct, "values of a column are not told apart");
		key.type = column->type;
		key.typmod = -1;
		key.collation = column->collation;
		eps_exec_key_form(&d->coords[i].form, &key);
		d->coords[i].coord = j;
		d->coords[i].from = d->run->node->column_at[coord->column];
		d->coords[i].most = (uint32) Min(eps_release_most_values(d->run->price, coord), (int64) PG_UINT32_MAX);
		i++;
	}
}

EpsDistinct *
eps_exec_distinct_create(EpsRun *run)
{
	MemoryContext old;
	EpsDistinct *d;
	int			n = 0;

	for (int j = 0; j < run->plan->ncoords; j++)
		n += run->plan->coords[j].kind == EPS_COORD_VALUES;
	if (n == 0)
		return NULL;
	old = MemoryContextSwitchTo(run->context);
	d = palloc0(sizeof(EpsDistinct));
	d->run = run;
	d->n = n;
	set_coords(d, run->plan);
	EPS_TEST(eps_exec_test_images(run));
	eps_common_check(run->entropy.fill(run->entropy.ctx, d->key.bytes, sizeof(d->key)), "key of distinct values");
	initStringInfo(&d->scratch);
	d->met_room = d->choice_room = FIRST_ROOM;
	d->met = palloc(sizeof(Met) * FIRST_ROOM);
	d->choice = palloc(sizeof(uint32) * FIRST_ROOM);
	MemoryContextSwitchTo(old);
	return d;
}

Size
eps_exec_distinct_bytes(const EpsDistinct *d)
{
	return d == NULL ? 0 : sizeof(EpsImage) * (Size) d->n;
}

static EpsImage
image_of_bytes(const EpsDistinct *d, const char *bytes, Size len)
{
	EpsImage	image = {0, 0};

	if (len <= sizeof(image))
		memcpy(&image, bytes, len);
	else
		eps_crypto_owner_key((uint8 *) &image, (const uint8 *) bytes, len, d->key.bytes);
	return image;
}

static EpsImage
image_of(EpsDistinct *d, const EpsKeyForm *form, Datum value)
{
	if (form->kind == EPS_FORM_BYVAL)
		return (EpsImage) {.lo = (uint64) value & form->mask};
	if (form->kind == EPS_FORM_FIXED)
		return image_of_bytes(d, DatumGetPointer(value), (Size) form->typlen);
	if (form->kind == EPS_FORM_VARLENA)
	{
		const struct varlena *v = (const struct varlena *) PG_DETOAST_DATUM_PACKED(value);

		/* what is long is not copied; what is short has its length in the image */
		if (VARSIZE_ANY_EXHDR(v) > sizeof(EpsImage))
			return image_of_bytes(d, VARDATA_ANY(v), VARSIZE_ANY_EXHDR(v));
		value = PointerGetDatum(v);
	}
	resetStringInfo(&d->scratch);
	eps_exec_key_bytes(&d->scratch, form, value);
	return image_of_bytes(d, d->scratch.data, (Size) d->scratch.len);
}

/* Of a NULL the image is not read: the column itself says so. */
void
eps_exec_distinct_write(EpsDistinct *d, char *at, const Datum *values, const bool *isnull)
{
	for (int i = 0; i < d->n; i++, at += sizeof(EpsImage))
	{
		const DistinctCoord *c = &d->coords[i];
		EpsImage	image = {0, 0};

		if (!isnull[c->from])
			image = image_of(d, &c->form, values[c->from]);
		memcpy(at, &image, sizeof(image));
	}
}

/* --- what an owner offers ---------------------------------------------------------- */

/* Room for the values of an owner with n rows. */
void
eps_exec_distinct_begin(EpsDistinct *d, uint32 n)
{
	Size		most = (Size) n * (Size) d->n;

	d->nmet = 0;
	if (most <= d->met_room)
		return;
	EPS_ENSURE(most < PG_UINT32_MAX, "an owner has too many values");
	d->met_room = (uint32) Max(most, (Size) d->met_room * 2 < PG_UINT32_MAX ? (Size) d->met_room * 2 : most);
	pfree(d->met);
	d->met = MemoryContextAllocHuge(d->run->context, sizeof(Met) * (Size) d->met_room);
}

/* A row of the owner in a group that is kept, `place` among them. */
void
eps_exec_distinct_meet(EpsDistinct *d, const char *record, uint32 place)
{
	const EpsShape *shape = &d->run->shape;

	for (int i = 0; i < d->n; i++)
	{
		Met		   *met = &d->met[d->nmet];
		int			column = d->run->plan->coords[d->coords[i].coord].column;

		if (eps_exec_record_is_null(record, shape, column))
			continue;
		met->slot = place * (uint32) d->n + (uint32) i;
		memcpy(&met->image, record + shape->image_at + sizeof(EpsImage) * (Size) i, sizeof(EpsImage));
		d->nmet++;
	}
}

static int
compare_met(const void *a, const void *b)
{
	const Met  *x = a;
	const Met  *y = b;

	if (x->slot != y->slot)
		return x->slot < y->slot ? -1 : 1;
	if (x->image.hi != y->image.hi)
		return x->image.hi < y->image.hi ? -1 : 1;
	if (x->image.lo != y->image.lo)
		return x->image.lo < y->image.lo ? -1 : 1;
	return 0;
}

/* Sorted, each value of a slot once. */
static void
sort_met(EpsDistinct *d)
{
	uint32		n = 0;

	qsort(d->met, d->nmet, sizeof(Met), compare_met);
	for (uint32 i = 0; i < d->nmet; i++)
		if (n == 0 || compare_met(&d->met[n - 1], &d->met[i]) != 0)
			d->met[n++] = d->met[i];
	d->nmet = n;
}

/* Where an offer goes, and which place of a table it takes. */
static inline uint64
offer_hash(const EpsDistinct *d, const Offer *offer)
{
	uint64		h = eps_exec_mix(offer->image.lo ^ d->key.words[0]);

	h = eps_exec_mix(h ^ offer->image.hi ^ d->key.words[1]);
	return eps_exec_mix(h ^ ((uint64) offer->which << 32 | offer->gid));
}

static void
put_offer(EpsDistinct *d, EpsPartitions *set, const Offer *offer)
{
	memcpy(eps_exec_partitions_stage(set), offer, sizeof(Offer));
	eps_exec_partitions_put(set, offer_hash(d, offer));
}

/* All values, or as many of them as the owner's coins choose. */
static uint32
offer_slot(EpsDistinct *d, const Met *values, uint32 n, uint32 gid)
{
	uint32		which = values[0].slot % (uint32) d->n;
	uint32		most = d->coords[which].most;
	Offer		offer = {.candidate = d->run->candidates.n,.gid = gid,.which = which};

	if (n > d->choice_room)
	{
		d->choice_room = Max(n, Min(d->choice_room, PG_UINT32_MAX / 2) * 2);
		pfree(d->choice);
		d->choice = MemoryContextAllocHuge(d->run->context, sizeof(uint32) * (Size) d->choice_room);
	}
	for (uint32 i = 0; i < n; i++)
		d->choice[i] = i;
	if (n > most)
	{
		eps_common_check(eps_noise_choose(d->choice, most, n, &d->run->entropy), "owner's coins");
		n = most;
	}
	for (uint32 i = 0; i < n; i++)
	{
		offer.image = values[d->choice[i]].image;
		put_offer(d, d->offers, &offer);
	}
	return n;
}

void
eps_exec_distinct_offer(EpsDistinct *d, int64 *sums, const uint32 *places, const uint32 *gids, uint32 kept)
{
	int			ncoords = d->run->price->ncoords;
	uint32		end;

	sort_met(d);
	for (uint32 i = 0; i < kept; i++)
		for (int k = 0; k < d->n; k++)
			sums[(Size) places[i] * ncoords + d->coords[k].coord] = 0;
	for (uint32 at = 0; at < d->nmet; at = end)
	{
		uint32		slot = d->met[at].slot;
		uint32		place = places[slot / (uint32) d->n];

		for (end = at + 1; end < d->nmet && d->met[end].slot == slot;)
			end++;
		sums[(Size) place * ncoords + d->coords[slot % (uint32) d->n].coord] =
			offer_slot(d, d->met + at, end - at, gids[place]);
	}
}

/* --- the offers ----------------------------------------------------------------------- */

/* As many partitions as the records have, if their chunks take no more than half. */
void
eps_exec_distinct_open(EpsDistinct *d, Size limit)
{
	const EpsShape shape = {.size = sizeof(Offer)};
	unsigned	bits = d->run->records->bits;

	while (bits > 0 && ((Size) 1 << bits) * CHUNK > limit / 2)
		bits--;
	d->arena = eps_exec_arena_create(d->run->context, CHUNK, limit, false);
	d->offers = eps_exec_partitions_create(d->run->context, d->arena, &shape, 0, bits);
}

void
eps_exec_distinct_close(EpsDistinct *d)
{
	if (d->offers != NULL)
		eps_exec_partitions_free(d->offers);
	d->offers = NULL;
}

/* --- the union -------------------------------------------------------------------------- */

/* The offers of one partition that were met; grows with those that differ. */
typedef struct Union
{
	EpsDistinct *distinct;
	const uint8 *admitted;
	uint64		nslots;			/* power of two */
	uint64		nused;
	Offer	   *slots;
	bool	   *used;
} Union;

static inline bool
takes_part(const uint8 *admitted, uint64 candidate)
{
	return (admitted[candidate / 8] >> (candidate % 8)) & 1;
}

static bool
is_same_value(const Offer *a, const Offer *b)
{
	return a->image.lo == b->image.lo && a->image.hi == b->image.hi && a->gid == b->gid && a->which == b->which;
}

/* The leading bits are equal in a partition: take the trailing ones. */
static uint64
union_slot(const Union *u, const Offer *offer)
{
	uint64		at = offer_hash(u->distinct, offer) & (u->nslots - 1);

	while (u->used[at] && !is_same_value(&u->slots[at], offer))
		at = (at + 1) & (u->nslots - 1);
	return at;
}

static void
make_union(Union *u, uint64 nslots)
{
	MemoryContext context = u->distinct->run->context;

	u->nslots = nslots;
	u->slots = MemoryContextAllocHuge(context, sizeof(Offer) * nslots);
	u->used = MemoryContextAllocExtended(context, sizeof(bool) * nslots, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
}

static void
double_union(Union *u)
{
	Union		old = *u;

	make_union(u, old.nslots * 2);
	for (uint64 i = 0; i < old.nslots; i++)
	{
		uint64		at;

		if (!old.used[i])
			continue;
		at = union_slot(u, &old.slots[i]);
		u->slots[at] = old.slots[i];
		u->used[at] = true;
	}
	pfree(old.slots);
	pfree(old.used);
}

/*
 * Adding up has counted what each owner offers; a value that somebody else has
 * offered before is taken off again.
 */
static void
take_offer(void *context, const char *record)
{
	Union	   *u = context;
	EpsRun	   *run = u->distinct->run;
	Offer		offer;
	uint64		at;
	int			coord;

	memcpy(&offer, record, sizeof(offer));
	EPS_TEST(eps_exec_test_offer(run, offer.candidate, offer.gid, u->distinct->coords[offer.which].coord, offer.image));
	if (!takes_part(u->admitted, offer.candidate))
		return;
	at = union_slot(u, &offer);
	if (u->used[at])
	{
		coord = u->distinct->coords[offer.which].coord;
		run->totals[(Size) offer.gid * run->price->ncoords + coord] -=
			eps_mechanism_to_grid(1, run->price->coords[coord].shift);
		return;
	}
	u->slots[at] = offer;
	u->used[at] = true;
	if (++u->nused > u->nslots / 2)
		double_union(u);
}

typedef struct Split
{
	EpsDistinct *distinct;
	EpsPartitions *pieces;
} Split;

static void
take_split(void *context, const char *record)
{
	Split	   *split = context;
	Offer		offer;

	memcpy(&offer, record, sizeof(offer));
	put_offer(split->distinct, split->pieces, &offer);
}

static void
visit_offers(void *context, const char *record, const char *end)
{
	for (; record < end; record += sizeof(Offer))
		take_offer(context, record);
}

static void
visit_split(void *context, const char *record, const char *end)
{
	for (; record < end; record += sizeof(Offer))
		take_split(context, record);
}

static void unite_partitions(Union *u, EpsPartitions *set, uint64 rows);

static void
unite_split(Union *u, EpsPartitions *set, uint32 part)
{
	Split		split = {.distinct = u->distinct};
	uint64		rows = set->rows[part];

	split.pieces = eps_exec_partitions_create(u->distinct->run->context, set->arena, &set->shape,
											  set->skip + set->bits, SPLIT_BITS);
	eps_exec_partition_drain(set, part, visit_split, &split);
	eps_exec_partitions_close(split.pieces);
	unite_partitions(u, split.pieces, rows);
	eps_exec_partitions_free(split.pieces);
}

/* rows: as of bound_partitions(). What most of a partition's offers agree in takes
 * one place of the table. */
static void
unite_partitions(Union *u, EpsPartitions *set, uint64 rows)
{
	for (uint32 p = 0; p < set->n; p++)
	{
		bool		stuck = rows > 0 && set->rows[p] > rows / 10 * 9;

		CHECK_FOR_INTERRUPTS();
		if (!stuck && set->rows[p] > SPLIT_ROWS && set->skip + set->bits + SPLIT_BITS <= 64)
		{
			unite_split(u, set, p);
			continue;
		}
		u->nused = 0;
		memset(u->used, 0, sizeof(bool) * u->nslots);
		eps_exec_partition_drain(set, p, visit_offers, u);
	}
}

void
eps_exec_distinct_unite(EpsRun *run, const uint8 *admitted)
{
	EpsDistinct *d = run->distinct;
	Union		u = {.distinct = d,.admitted = admitted};

	make_union(&u, FIRST_SLOTS);
	eps_exec_partitions_close(d->offers);
	unite_partitions(&u, d->offers, 0);
	eps_exec_distinct_close(d);
}
