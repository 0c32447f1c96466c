/*
 * accuracy.h
 *	  A release after its pilot (rule 8); a part of exec_internal.h.
 */
#ifndef EPS_PG_EXEC_ACCURACY_H
#define EPS_PG_EXEC_ACCURACY_H

typedef struct EpsAccuracy
{
	EpsSettings settings;
	EpsReleasePlan *plan;		/* the pilot's, as the following */
	EpsReleasePrice *price;
	EpsAsked	asked;
	EpsAnswerRows rows;
	uint8	   *keep_key;
	unsigned	highest;		/* level up to which the release after it may cost */
	bool		decided;		/* its price is known: the node's */
	bool		reached;		/* and enough for the accuracy */
	bool		shown;
} EpsAccuracy;

/* With the price of the statement's other releases: does the store know the pilot?
 * statement: as of eps_exec_ask. */
extern void eps_exec_accuracy_ask(EpsScanState *node, const List *statement, const EpsSettings *settings);

/* accuracy.c: what is booked for both, and what of it was. */
extern void eps_exec_accuracy_claim(const EpsScanState *node, EpsQuotaClaim *claim);
extern void eps_exec_accuracy_booked(EpsScanState *node, uint64 units);

extern void eps_exec_accuracy_run(EpsScanState *node);

/* Keeps the pilot's answer, once it has left. */
extern void eps_exec_accuracy_keep(EpsScanState *node);

/* pilot.c: tells the client of a pilot that was answered, once, and keeps it for dp.pilot(). */
extern void eps_exec_pilot_show(EpsScanState *node);

/* dp.pilot() shows the pilots of the latest statement only. */
extern void eps_exec_pilot_forget(void);

#endif							/* EPS_PG_EXEC_ACCURACY_H */
