/*
 * distinct.h
 *	  Counts of distinct values: images of values in records, what owners offer, and the
 *	  union of the offers of those who take part (distinct.c).
 */
#ifndef EPS_PG_EXEC_DISTINCT_H
#define EPS_PG_EXEC_DISTINCT_H

/* Whether a value of a record is NULL. */
static inline bool
eps_exec_record_is_null(const char *record, const EpsShape *shape, int column)
{
	const char *values = record + shape->key_bytes + sizeof(uint32);
	int64		wide;
	int32		narrow;

	if (shape->wide_value)
	{
		memcpy(&wide, values + column * sizeof(int64), sizeof(int64));
		return wide == EPS_VALUE_NULL;
	}
	memcpy(&narrow, values + column * sizeof(int32), sizeof(int32));
	return narrow == EPS_NARROW_NULL;
}

/* Equal values have equal images; others hardly ever. */
typedef struct EpsImage
{
	uint64		lo;
	uint64		hi;
} EpsImage;

/* NULL where the plan counts no distinct values. */
extern EpsDistinct *eps_exec_distinct_create(EpsRun *run);

/* Bytes of a record's images; writes them. */
extern Size eps_exec_distinct_bytes(const EpsDistinct *distinct);
extern void eps_exec_distinct_write(EpsDistinct *distinct, char *at, const Datum *values, const bool *isnull);

/* Before the first owner: room for what owners offer, of so many bytes; then it spills. */
extern void eps_exec_distinct_open(EpsDistinct *distinct, Size limit);

/*
 * The values of one owner, who has n rows that count and is the next candidate:
 * begin, meet each row of a kept group, then offer.  That puts the number of values
 * offered into sums (by group, then coordinate) of the kept groups, whose places
 * there are places[0..kept-1].
 */
extern void eps_exec_distinct_begin(EpsDistinct *distinct, uint32 n);
extern void eps_exec_distinct_meet(EpsDistinct *distinct, const char *record, uint32 place);
extern void eps_exec_distinct_offer(EpsDistinct *distinct, int64 *sums, const uint32 *places, const uint32 *gids, uint32 kept);

/* Turns what owners offer in all, as added up, into the size of the union of what those who
 * take part offer.  Fails for want of memory or disk. */
extern void eps_exec_distinct_unite(EpsRun *run, const uint8 *admitted);
extern void eps_exec_distinct_close(EpsDistinct *distinct);

#endif							/* EPS_PG_EXEC_DISTINCT_H */
