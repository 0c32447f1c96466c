/*
 * report.h
 *	  Private to room cli: what a report gathers while the ledger is verified.
 */
#ifndef EPS_CLI_REPORT_H
#define EPS_CLI_REPORT_H

#include "cli/cli_internal.h"

/* So many releases at such a worst case, by some key. */
typedef struct EpsCliTally
{
	uint32_t	dataset;
	char	   *key;
	uint64_t	releases;
	uint64_t	repeats;
	EpsU128		units;
	EpsU128		delta_units;
} EpsCliTally;

typedef struct EpsCliTallies
{
	EpsCliTally *one;
	size_t		n;
} EpsCliTallies;

/* A row of a table, as text. */
#define EPS_CLI_CELLS 5

typedef struct EpsCliRow
{
	char	   *cell[EPS_CLI_CELLS];
} EpsCliRow;

typedef struct EpsCliRows
{
	EpsCliRow  *one;
	size_t		n;				/* kept */
	uint64_t	left_out;		/* beyond what a page can hold */
} EpsCliRows;

#define EPS_CLI_POINTS 512

typedef struct EpsCliCurve
{
	uint32_t	dataset;
	unsigned	n;
	unsigned	every;			/* releases between two points */
	uint64_t	seen;
	uint64_t	at[EPS_CLI_POINTS];
	double		total[EPS_CLI_POINTS];
	uint64_t	last_at;
	double		last;			/* rho, or epsilon if pure */
	double		last_delta;
	json_t	   *promise;		/* row of the policy table, NULL in the public form */
} EpsCliCurve;

typedef struct EpsCliReport
{
	const EpsCliArgs *args;
	EpsCliVerdict verdict;
	bool		public_form;
	EpsCliCurve *curves;
	size_t		ncurves;
	EpsCliTallies analysts;
	EpsCliTallies purposes;
	EpsCliTallies mechanisms;
	EpsCliTallies days;
	EpsCliRows	policies;
	EpsCliRows	boots;
	EpsCliRows	builds;
	FILE	   *out;
} EpsCliReport;

/* report.c */
extern double eps_cli_promise_number(const EpsCliCurve *curve, const char *name);	/* 0 if it is not known */
extern const char *eps_cli_promise_text(const EpsCliCurve *curve, const char *name);
extern bool eps_cli_is_pure(const EpsCliCurve *curve);
extern const EpsCliCurve *eps_cli_find_curve(const EpsCliReport *r, uint32_t dataset);

/* report_html.c */
extern void eps_cli_html(EpsCliReport *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
extern void eps_cli_html_text(EpsCliReport *r, const char *text);	/* escaped */
extern void eps_cli_html_head(EpsCliReport *r);
extern void eps_cli_html_foot(EpsCliReport *r);
extern void eps_cli_html_table(EpsCliReport *r, const char *caption, int ncolumns, const char *const *columns);
extern void eps_cli_html_row(EpsCliReport *r, int ncells, char *const *cells);
extern void eps_cli_html_end(EpsCliReport *r);

/* report_chart.c, report_sections.c, report_words.c */
extern void eps_cli_report_chart(EpsCliReport *r, const EpsCliCurve *curve);
extern void eps_cli_report_sections(EpsCliReport *r);
extern void eps_cli_report_words(EpsCliReport *r);

#endif							/* EPS_CLI_REPORT_H */
