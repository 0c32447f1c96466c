/*
 * pad.h
 *	  Answers at public times (rule 34); a part of exec_internal.h.
 */
#ifndef EPS_PG_EXEC_PAD_H
#define EPS_PG_EXEC_PAD_H

/*
 * pad.c: answers at public times (rule 34).  eps_exec_pad calls a function that
 * runs releases, all of one data set and booked; where the data set is padded it
 * returns, or raises, at the end of a quantum only.
 */
typedef void (*EpsRunScans) (List *scans);
extern void eps_exec_pad(List *scans, EpsRunScans run);
extern bool eps_exec_pad_is_active(void);

/* Half the time to the deadline is over: reading stops, and nothing is answered. */
extern volatile sig_atomic_t eps_exec_pad_late;
extern void eps_exec_pad_reading_ended(void);

/* Waits until a charge may go to the ledger writer. Interrupts are left pending. */
extern void eps_exec_pad_charge(void);

/* ERROR PV014 if reading was stopped, or an interrupt waits that stopped it. */
extern void eps_exec_pad_check(void);

/* In a padded statement an answer is kept when it has left; false: keep it now. */
extern bool eps_exec_pad_keeps_later(EpsScanState *node, const uint8 *key);

/* Before a FATAL error after reading began. */
extern void eps_exec_pad_leave_in_error(void);

/* Ends a node's input that was read, if the statement is padded. */
extern void eps_exec_pad_end_input(EpsScanState *node);

/* What is left of the node's input, when the statement ends. */
extern void eps_exec_pad_end(EpsScanState *node);

/* The quantum of a data set and how many of them there are up to the deadline;
 * false if it is not padded. */
extern bool eps_exec_pad_of(const EpsDataset *dataset, int64 *quantum_ms, int *moments);
extern void eps_exec_pad_init(void);

#endif							/* EPS_PG_EXEC_PAD_H */
