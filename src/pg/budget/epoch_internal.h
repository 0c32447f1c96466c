/*
 * epoch_internal.h
 *	  Epochs: when they end, what the accounts held then, and the roots of the
 *	  balance and consent maps over it (docs/design/ledger.md).
 *
 * - clock.c: one process a server; starts an epoch worker in each database when
 *	 the server starts and at each end of an epoch;
 * - epoch.c: the epoch worker; ends the epoch of each data set of a database;
 * - epoch_state.c: a cut of the accounts, the snapshot on disk, the roots;
 * - epoch_change.c: what owners changed, as the ledger writes it.
 */
#ifndef EPS_PG_BUDGET_EPOCH_INTERNAL_H
#define EPS_PG_BUDGET_EPOCH_INTERNAL_H

#include "pg/budget/log_internal.h"

extern int	eps_budget_epoch_seconds;	/* dp.epoch */
extern int	eps_budget_kept_snapshots;	/* dp.kept_snapshots */

/* clock.c */
extern void eps_budget_clock_init(void);
extern PGDLLEXPORT void eps_budget_clock_main(Datum arg);

/* epoch.c */
extern PGDLLEXPORT void eps_budget_epoch_main(Datum arg);

/* What the accounts of a data set held behind one entry of the ledger. */
typedef struct EpsCut
{
	int64		as_of;			/* newest entry before it */
	uint32		naccounts;
	EpsMapAccount *accounts;
	int64		last_change;	/* newest row of owner_change that it includes */
} EpsCut;

/* One data set's epoch at its end. */
typedef struct EpsEpoch
{
	int64		epoch;
	int64		first_second;
	int64		last_second;
	int64		first_change;	/* changes of this epoch: first_change..cut.last_change */
	unsigned	depth;
	EpsHash		balance;
	EpsHash		consent;
} EpsEpoch;

/* epoch_state.c */
extern bool eps_budget_cut(EpsCut *out, const EpsBook *book);
extern void eps_budget_cut_roots(EpsEpoch *epoch, const EpsCut *cut, const uint8 map_key[32]);
extern void eps_budget_snapshot_write(int32 dataset_id, int64 epoch, const EpsCut *cut);
extern bool eps_budget_snapshot_read(EpsCut *out, int32 dataset_id, int64 epoch, uint32 naccounts);

/* epoch_log.c */
#define EPS_OWNERS_COLUMNS(o) \
	o ".dataset_id, " o ".epoch, " o ".as_of, " o ".first_second, " o ".last_second, " o ".depth, " \
	o ".balance, " o ".consent, " o ".map_key, " o ".accounts, " \
	"(SELECT string_agg(c.change, ''::bytea ORDER BY c.change_no) FROM dp_book.owner_change c " \
	"WHERE c.dataset_id OPERATOR(pg_catalog.=) " o ".dataset_id AND c.change_no OPERATOR(pg_catalog.>=) " o ".first_change " \
	"AND c.change_no OPERATOR(pg_catalog.<=) " o ".last_change)"
#define EPS_OWNERS_NCOLUMNS 11

extern void eps_budget_log_owners(EpsLogEntry *entry, HeapTuple row, TupleDesc desc, int first);
extern void eps_budget_store_owners(const EpsBook *book, EpsLog *log, const EpsMessage *message);

/* epoch_answers.c */
#define EPS_ANSWERS_COLUMNS(a) a ".first_seq, " a ".last_seq, " a ".at, " a ".root, " a ".slots"
extern int64 eps_budget_draft_answers(TimestampTz at);
extern void eps_budget_log_answers(EpsLogEntry *entry, HeapTuple row, TupleDesc desc, int first);
extern void eps_budget_store_answers(EpsLog *log, const EpsMessage *message);

/* epoch_verify.c */
extern int64 eps_budget_wrong_epoch(int32 dataset_id);
extern int64 eps_budget_epoch_gap(int32 dataset_id);

/* epoch_change.c; the transaction of the writer, or of a renumbering */
extern void eps_budget_change_limit(const EpsBook *book, const EpsMessage *message, const EpsOwnerKey *key, uint64 units);
extern void eps_budget_change_consent(const EpsBook *book, const EpsMessage *message);
extern void eps_budget_change_merge(const EpsBook *book, const EpsMessage *message, const EpsOwnerKey *to);
extern void eps_budget_change_renumbering(const EpsBook *book, const EpsMessage *message, uint64 carried, uint64 merged);

#endif							/* EPS_PG_BUDGET_EPOCH_INTERNAL_H */
