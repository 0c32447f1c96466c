/*
 * report_sections.c
 *	  The sections of a report that hold numbers of the ledger.
 */
#include "cli/report.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void
section(EpsCliReport *r, const char *id, const char *title)
{
	eps_cli_html(r, "<h2 id=\"%s\">%s</h2>\n", id, title);
}

/* Cells of one row, from numbers. */
static char *
cell_number(uint64_t n)
{
	char		text[32];

	(void) snprintf(text, sizeof(text), "\t%" PRIu64, n);
	return eps_cli_copy(text);
}

static char *
cell_real(double x)
{
	char		text[32];

	(void) snprintf(text, sizeof(text), "\t%.4g", x);
	return eps_cli_copy(text);
}

static void
put_row(EpsCliReport *r, int n, char **cells)
{
	eps_cli_html_row(r, n, cells);
	for (int i = 0; i < n; i++)
		free(cells[i]);
}

static char *
dataset_name(EpsCliReport *r, uint32_t number)
{
	const EpsCliCurve *c = eps_cli_find_curve(r, number);
	char		text[16];

	if (c != NULL && eps_cli_promise_text(c, "name")[0] != '\0')
		return eps_cli_copy(eps_cli_promise_text(c, "name"));
	(void) snprintf(text, sizeof(text), "%" PRIu32, number);
	return eps_cli_copy(number == 0 ? "all" : text);
}

/* --- verdict --------------------------------------------------------------------------- */

static void
verdict(EpsCliReport *r)
{
	const EpsCliVerdict *v = &r->verdict;
	bool		good = eps_cli_is_good(v);
	uint64_t	bad = eps_cli_first_bad(v);

	eps_cli_html(r, "<div class=\"verdict %s\">\n<p><strong>%s</strong></p>\n<p>", good ? "good" : "bad",
				 good ? "The ledger is sound." : "The ledger is not sound.");
	if (good)
		eps_cli_html(r, "%" PRIu64 " entries were recomputed%s. %s", v->checkpoint.size,
					 v->openings ? ", opened, and their charges added up for every owner" : "; what they commit to was not opened",
					 v->key_given ? "The signature was checked with a key that the reader of this report trusts." :
					 "The key was taken from the export itself: compare it with one that you trust.");
	else if (bad != 0)
		eps_cli_html(r, "The first bad entry is %" PRIu64 ". What follows it could not be judged and is not in this report.", bad);
	else
		eps_cli_html(r, "No single entry can be named; see what was checked.");
	eps_cli_html(r, "</p>\n</div>\n");
}

static void
checks(EpsCliReport *r)
{
	static const char *const columns[] = {"Result", "Check", "What it looks at", "Looked at "};

	section(r, "checked", "What was checked");
	eps_cli_html_table(r, "Checks of the ledger", 4, columns);
	for (int i = 0; i < EPS_CLI_NCHECKS; i++)
	{
		const EpsCliResult *one = &r->verdict.result[i];

		eps_cli_html(r, "<tr><th scope=\"row\" class=\"%s\">%s</th><td>%s</td><td>%s.",
					 one->state == EPS_CLI_PASSED ? "state-ok" : one->state == EPS_CLI_FAILED ? "state-bad" : "soft",
					 one->state == EPS_CLI_PASSED ? "passed" : one->state == EPS_CLI_FAILED ? "failed" : "not run",
					 eps_cli_check_name(i), eps_cli_check_text(i));
		if (one->what[0] != '\0')
		{
			eps_cli_html(r, " <em>");
			eps_cli_html_text(r, one->what);
			eps_cli_html(r, ".</em>");
		}
		eps_cli_html(r, "</td><td class=\"n\">%" PRIu64 "</td></tr>\n", one->checked);
	}
	eps_cli_html_end(r);
}

/* --- promises ---------------------------------------------------------------------------- */

static void
promises(EpsCliReport *r)
{
	static const char *const columns[] = {"Data set", "Accountant", "Epsilon ", "Delta ", "Standard limit, epsilon ", "Owners at most ",
	"New owners begin at"};

	section(r, "promised", "What was promised");
	if (r->public_form)
	{
		eps_cli_html(r, "<p>The promise to each owner is a policy entry, which only auditors may open. Public are the totals below.</p>\n");
		return;
	}
	eps_cli_html(r, "<p>For each owner, and for life: however many questions are asked, whoever sees all answers learns "
				 "nearly the same whether or not this owner&#8217;s rows are there. Epsilon and delta bound the &#8220;nearly&#8221;.</p>\n");
	eps_cli_html_table(r, "Promises to each owner", 7, columns);
	for (size_t i = 0; i < r->ncurves; i++)
	{
		const EpsCliCurve *c = &r->curves[i];
		char	   *cells[7];

		if (c->promise == NULL)
			continue;
		cells[0] = dataset_name(r, c->dataset);
		cells[1] = eps_cli_copy(eps_cli_is_pure(c) ? "pure epsilon" : "zero-concentrated (rho)");
		cells[2] = cell_real(eps_cli_promise_number(c, "epsilon"));
		cells[3] = cell_real(eps_cli_promise_number(c, "delta"));
		cells[4] = cell_real(eps_cli_promise_number(c, "standard"));
		cells[5] = cell_number((uint64_t) eps_cli_promise_number(c, "capacity"));
		cells[6] = eps_cli_copy(strcmp(eps_cli_promise_text(c, "new_owners"), "zero") == 0 ? "zero" : "the worst case so far");
		put_row(r, 7, cells);
	}
	eps_cli_html_end(r);
}

/* --- spending ------------------------------------------------------------------------------- */

static void
spending_row(EpsCliReport *r, const EpsCliCurve *c)
{
	double		promise = ldexp(eps_cli_promise_number(c, "cap_units"), -EPS_UNIT_BITS);
	double		bound = promise > 0 ? fmin(promise, c->last) : c->last;
	char	   *cells[6] = {dataset_name(r, c->dataset), cell_number(c->seen), cell_real(c->last), cell_real(c->last_delta)};

	cells[4] = promise > 0 ? cell_real(bound) : eps_cli_copy("\tnot public");
	if (promise > 0 && eps_cli_is_pure(c))
		cells[5] = cell_real(bound);
	else if (promise > 0)
		cells[5] = cell_real(eps_cli_epsilon(bound, eps_cli_promise_number(c, "conversion_delta")));
	else
		cells[5] = eps_cli_copy("\tnot public");
	put_row(r, 6, cells);
}

static void
spending(EpsCliReport *r)
{
	static const char *const columns[] = {"Data set", "Releases ", "Worst case so far ", "Of delta ", "One account at most ",
	"The same in epsilon "};

	section(r, "spent", "Worst-case spending against the promise");
	for (size_t i = 0; i < r->ncurves; i++)
	{
		if (r->curves[i].n == 0)
			continue;
		eps_cli_html(r, "<h3>");
		{
			char	   *name = dataset_name(r, r->curves[i].dataset);

			eps_cli_html(r, "Data set ");
			eps_cli_html_text(r, name);
			free(name);
		}
		eps_cli_html(r, "</h3>\n");
		eps_cli_report_chart(r, &r->curves[i]);
	}
	eps_cli_html_table(r, "Spending at the end", 6, columns);
	for (size_t i = 0; i < r->ncurves; i++)
		if (r->curves[i].n > 0)
			spending_row(r, &r->curves[i]);
	eps_cli_html_end(r);
	eps_cli_html(r, "<p class=\"soft\">Spending is in rho of zero-concentrated differential privacy, in epsilon where the data set is pure. "
				 "5 %% of each promise is set aside and not in these figures. An account at most: the worst case of all releases, or the "
				 "promise where that is lower. Only where two keys turned out to be one person can an account stand above it: it takes over what both had spent.</p>\n");
}

/* --- releases --------------------------------------------------------------------------------- */

static void
tallies(EpsCliReport *r, const char *caption, const char *what, const EpsCliTallies *t)
{
	const char *columns[] = {what, "Data set", "Answers ", "Given again ", "Worst case ", "Of delta "};
	int			n = r->public_form ? 4 : 6;

	if (t->n == 0)
		return;
	eps_cli_html_table(r, caption, n, columns);
	for (size_t i = 0; i < t->n; i++)
	{
		char	   *cells[6] = {eps_cli_copy(t->one[i].key), dataset_name(r, t->one[i].dataset), cell_number(t->one[i].releases),
			cell_number(t->one[i].repeats), cell_real(eps_cli_units(t->one[i].units)),
			cell_real(eps_cli_units(t->one[i].delta_units))};

		eps_cli_html_row(r, n, cells);
		for (int j = 0; j < 6; j++)
			free(cells[j]);
	}
	eps_cli_html_end(r);
}

static void
releases(EpsCliReport *r)
{
	section(r, "releases", "Releases");
	eps_cli_html(r, "<p>%" PRIu64 " releases, %" PRIu64 " answers given again at no cost, %" PRIu64 " answers about owners who were left out "
				 "(their price comes from what is set aside, and is not in the columns below).</p>\n",
				 r->verdict.kind_count[EPS_ENTRY_RELEASE], r->verdict.kind_count[EPS_ENTRY_REPEAT], r->verdict.kind_count[EPS_ENTRY_LEFT_OUT]);
	tallies(r, "By analyst", "Analyst", &r->analysts);
	tallies(r, "By purpose", "Purpose", &r->purposes);
	tallies(r, "By mechanism", "Mechanism", &r->mechanisms);
	tallies(r, "By day (UTC)", "Day", &r->days);
	section(r, "refusals", "Refusals");
	eps_cli_html(r, "<p>A question that is refused reads no row and gives nothing out; this ledger has no entry for it. "
				 "How many there were is in the server&#8217;s own log, not here.</p>\n");
}

/* --- changes, boots ---------------------------------------------------------------------------- */

static void
rows(EpsCliReport *r, const char *caption, int n, const char *const *columns, const EpsCliRows *rows_of)
{
	if (rows_of->n == 0)
		return;
	eps_cli_html_table(r, caption, n, columns);
	for (size_t i = 0; i < rows_of->n; i++)
		eps_cli_html_row(r, n, rows_of->one[i].cell);
	eps_cli_html_end(r);
	if (rows_of->left_out > 0)
		eps_cli_html(r, "<p>%" PRIu64 " more are in the ledger; this table shows the first %zu.</p>\n", rows_of->left_out, rows_of->n);
}

static void
changes(EpsCliReport *r)
{
	static const char *const policy[] = {"Time", "Approved by", "Change", "Relation", "As it stands after the change"};
	static const char *const boots[] = {"Time", "What", "Entry", "Timeline, or what changed"};

	section(r, "policy", "Policy changes and approvals");
	if (r->public_form)
		eps_cli_html(r, "<p>%" PRIu64 " changes of policy; who made which is for auditors.</p>\n", r->verdict.kind_count[EPS_ENTRY_POLICY]);
	rows(r, "Policy changes", 5, policy, &r->policies);
	section(r, "boots", "Boots, recoveries and keys");
	eps_cli_html(r, "<p>Each start of the server is an entry. Where the database became another one (restored, promoted, cloned), a recovery "
				 "entry follows. A new signing key is signed by the one before.</p>\n");
	rows(r, "Boots, recoveries and keys", r->public_form ? 3 : 4, boots, &r->boots);
}

/* --- dossier -------------------------------------------------------------------------------------- */

static void
dossier(EpsCliReport *r)
{
	static const char *const builds[] = {"From", "Library", "Build", "Server"};

	section(r, "dossier", "Dossier for the expert of 45 CFR 164.514(b)(1)");
	eps_cli_html(r, "<p>Facts for a person who determines whether the risk of re-identification is very small. "
				 "<strong>A dossier for the expert, not a determination.</strong></p>\n<dl>\n"
				 "<dt>Unit of privacy</dt><dd>One owner: all rows, in all protected tables of a data set, that belong to one key.</dd>\n"
				 "<dt>Neighbour relation</dt><dd>Two databases that differ in all rows of one owner (added or removed).</dd>\n"
				 "<dt>Epsilon and delta</dt><dd>%s</dd>\n"
				 "<dt>Accounting</dt><dd>An own account for each owner; a charge is on disk before the answer leaves; an owner whose account is used up "
				 "takes part in no further answer.</dd>\n"
				 "<dt>Mechanisms</dt><dd>Discrete Gaussian and discrete Laplace noise from exact samplers; groups outside public domains "
				 "by noisy thresholds. %s</dd>\n"
				 "<dt>Audit results</dt><dd>Of this ledger: see <a href=\"#checked\">what was checked</a>. The statistical and exact audits of the program "
				 "belong to its build; their results are not in a ledger and must be filed beside this report.</dd>\n</dl>\n",
				 r->public_form ? "In the policy entries, which are for auditors." :
				 "See <a href=\"#promised\">what was promised</a> and <a href=\"#spent\">what was spent</a>.",
				 r->public_form ? "" : "Those that were used are under <a href=\"#releases\">releases</a>.");
	rows(r, "Builds that gave the answers", 4, builds, &r->builds);
}

static void
contents(EpsCliReport *r)
{
	static const char *const entries[][2] = {
		{"promised", "What was promised"}, {"spent", "Worst-case spending"}, {"releases", "Releases"}, {"refusals", "Refusals"},
		{"policy", "Policy changes"}, {"boots", "Boots, recoveries and keys"}, {"checked", "What was checked"},
		{"dossier", "Dossier for the expert"}, {"proves", "What the ledger proves"}, {"glossary", "Glossary"}
	};

	eps_cli_html(r, "<nav aria-label=\"Contents\">\n<ul>\n");
	for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++)
		eps_cli_html(r, "<li><a href=\"#%s\">%s</a></li>\n", entries[i][0], entries[i][1]);
	eps_cli_html(r, "</ul>\n</nav>\n");
}

void
eps_cli_report_sections(EpsCliReport *r)
{
	verdict(r);
	contents(r);
	promises(r);
	spending(r);
	releases(r);
	changes(r);
	checks(r);
	dossier(r);
}
