/*
 * repeat_internal.h
 *	  Answers that are given again: private to pg/exec.
 */
#ifndef EPS_PG_EXEC_REPEAT_INTERNAL_H
#define EPS_PG_EXEC_REPEAT_INTERNAL_H

#include "pg/exec/exec_internal.h"

/* stored.c: an answer as bytes, and back in the current context (false: malformed). */
extern void eps_exec_append_datum(StringInfo out, Datum value, bool isnull, int16 typlen, bool typbyval);
extern void eps_exec_store_rows(StringInfo out, const EpsReleasePlan *plan, const EpsAnswerRows *rows);
extern bool eps_exec_restore_rows(EpsAnswerRows *out, const EpsReleasePlan *plan, const uint8 *bytes, Size len);

/* content.c: a hash of the rows that a public relation shows under a snapshot;
 * false where it is too large or of a kind that is not read here. */
extern bool eps_exec_public_content(uint8 hash[EPS_SHA256_LEN], Oid relid, Snapshot snapshot);

/* repeat.c: before a release runs; its own run where it is a repeat; afterwards. */
extern void eps_exec_ask(EpsAsked *asked, const List *statement, const EpsSettings *settings,
						 ParamListInfo params, Snapshot snapshot);
extern bool eps_exec_answer_key(uint8 key[EPS_ANSWER_KEY_LEN], const EpsAsked *asked, const List *statement);
extern void eps_exec_repeat(EpsScanState *node);
extern void eps_exec_keep(EpsScanState *node, const uint8 *key);

/* digest.c */
extern void eps_exec_answer_digest(uint8 digest[EPS_ANSWER_DIGEST_LEN], const EpsReleasePlan *plan,
								   const EpsAnswerRows *rows);

#endif							/* EPS_PG_EXEC_REPEAT_INTERNAL_H */
