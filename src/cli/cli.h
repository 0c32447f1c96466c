/*
 * cli.h
 *	  The program pg_epsilon: what an auditor, a witness or an owner does with an
 *	  export of the ledger, without the server and without trusting it.
 *
 * Promises: an export is read as foreign bytes; memory is bounded by the size of
 * one entry's opening and by the capacity of the data sets, never by the number
 * of entries (but for one bit each); nothing is sent anywhere, and a server is
 * asked only where a connection is named.  Must not: link the server side, or
 * accept what a check could not decide.
 */
#ifndef EPS_CLI_H
#define EPS_CLI_H

#include "core/ledger/ledger.h"

/* Exit status of every command. */
typedef enum EpsCliExit
{
	EPS_CLI_GOOD = 0,			/* done, and all is well */
	EPS_CLI_BAD = 1,			/* what was looked at is wrong */
	EPS_CLI_TROUBLE = 2,		/* wrong usage, unreadable input, no connection: nothing was decided */
	EPS_CLI_CONFLICT = 3,		/* witness: rollback, or another root at the same size (409) */
	EPS_CLI_UNPROVEN = 4		/* witness: no proof that the log continues the one before (422) */
} EpsCliExit;

/* --- verify ----------------------------------------------------------------- */

/* In the order in which they are shown. */
typedef enum EpsCliCheck
{
	EPS_CLI_FILES,
	EPS_CLI_CHECKPOINT,
	EPS_CLI_KEYS,
	EPS_CLI_ENTRIES,
	EPS_CLI_TREE,
	EPS_CLI_HISTORY,
	EPS_CLI_OPENINGS,
	EPS_CLI_POLICY,
	EPS_CLI_CHARGES,
	EPS_CLI_LIMITS,
	EPS_CLI_MAPS,
	EPS_CLI_EPOCHS,
	EPS_CLI_BOOTS,
	EPS_CLI_ANSWERS,
	EPS_CLI_NCHECKS
} EpsCliCheck;

typedef enum EpsCliState
{
	EPS_CLI_NOT_RUN,			/* what it needs was missing or wrong; see what */
	EPS_CLI_PASSED,
	EPS_CLI_FAILED
} EpsCliState;

typedef struct EpsCliResult
{
	EpsCliState state;
	uint64_t	checked;		/* how many were looked at */
	uint64_t	bad_seq;		/* of a failure: the first bad entry; 0: none can be named */
	char		what[256];		/* of a failure: what is wrong; else what the check could not see */
} EpsCliResult;

typedef struct EpsCliVerdict
{
	EpsCliResult result[EPS_CLI_NCHECKS];
	bool		readable;		/* false: nothing was decided, why says so */
	char		why[256];
	EpsCheckpoint checkpoint;
	uint64_t	kind_count[EPS_ENTRY_ATTESTATION + 1];
	uint64_t	first_at;
	uint64_t	last_at;
	bool		key_given;		/* else it was taken from the export itself */
	bool		openings;		/* the auditor's part was there and was read */
	unsigned	datasets;
} EpsCliVerdict;

/*
 * What else wants to see the entries while they are verified: called in order,
 * only with entries and openings that have passed what comes before the fold.
 * field is NULL without the auditor's part.
 */
typedef struct EpsCliListener
{
	void		(*entry) (void *context, const EpsEntry *entry, const EpsField *field);
	void	   *context;
} EpsCliListener;

typedef struct EpsCliVerifyOptions
{
	const char *key;			/* a verifier key that is trusted, or NULL */
	const char *since;			/* file of an earlier checkpoint that must be a prefix, or NULL */
	bool		public_only;
	bool		progress;		/* on standard error */
	EpsCliListener listener;
} EpsCliVerifyOptions;

extern void eps_cli_verify(EpsCliVerdict *out, const char *dir, const EpsCliVerifyOptions *options);

/* True where nothing failed, and everything that the options ask for was decided. */
extern bool eps_cli_is_good(const EpsCliVerdict *verdict);

/* The smallest seq that a failed check names, 0 if none does. */
extern uint64_t eps_cli_first_bad(const EpsCliVerdict *verdict);

/* "files", "checkpoint", ...; and a sentence of what it looks at. */
extern const char *eps_cli_check_name(EpsCliCheck check);
extern const char *eps_cli_check_text(EpsCliCheck check);

/* --- foreign bytes (fuzzed) ---------------------------------------------------- */

/* A bundle of up to 256 entries: at[i] points to entry i. EPS_E_FORMAT. */
extern EPS_MUST_USE EpsStatus eps_cli_bundle_read(const uint8_t *at[256], unsigned width,
												  const uint8_t *in, size_t len);

/* A proof bundle (JSON) as `pg_epsilon prove` writes it; checks all that it holds. */
extern EpsCliExit eps_cli_check_proof(const char *in, size_t len, const char *key, char why[256]);

/* A statement with its proof (JSON) as dp.statement_proof gives it. */
extern EpsCliExit eps_cli_check_statement(const char *in, size_t len, const char *key, char why[256]);

/* The program. */
extern int	eps_cli_main(int argc, char **argv);

#endif							/* EPS_CLI_H */
