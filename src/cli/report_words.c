/*
 * report_words.c
 *	  What is the same in every report: what a ledger proves (rule 46), and words.
 */
#include "cli/report.h"

static const char *const proves[][3] = {
	{"No entry was altered, removed, inserted or reordered since the checkpoint was signed", "yes", "yes"},
	{"Everybody was shown the same log", "only among those who compare checkpoints, or with witnesses", "the same"},
	{"No owner was charged above the limit; maps of balances follow from the charges", "yes (auditors)", "yes (auditors)"},
	{"The prices add up to the totals", "yes (auditors)", "yes (auditors)"},
	{"Every answer that left the database has an entry", "no: a changed program could leave one out", "yes, by the measured program"},
	{"The charges are those that the rows call for", "no", "yes, by the measured program"},
	{"The noise was drawn as it must be", "no", "yes, by the measured program"},
	{"The database was not put back to an earlier state", "only where a witness, or a reader, kept a later checkpoint", "the same"}
};

static const char *const words[][2] = {
	{"Answer, release", "A result that was computed from protected rows and left the database, with noise."},
	{"Charge", "What one answer cost one owner. It is booked before the answer leaves."},
	{"Checkpoint", "A signed statement of how long the ledger is and what its root hash is."},
	{"Delta", "The small chance that the bound by epsilon does not hold."},
	{"Epoch", "A stretch of time at whose end changes of owners are told and the maps of balances are committed to."},
	{"Epsilon", "How much more likely, at most, an outcome becomes because one owner\xe2\x80\x99s rows are there: by a factor of e to the epsilon."},
	{"Given again", "An answer that had been given before, word for word. It says nothing new and costs nothing."},
	{"Limit", "What an owner\xe2\x80\x99s account may be charged in all."},
	{"Map of balances", "A commitment to every owner\xe2\x80\x99s account, from which each owner can be shown their own line and nobody else\xe2\x80\x99s."},
	{"Opening", "What an entry committed to, with the key that shows it was that and nothing else. For auditors."},
	{"Owner", "The person to whom rows belong, as the data set defines it."},
	{"Recovery", "The database became another one: restored from a backup, promoted from a standby, or cloned."},
	{"Rho", "The measure in which accounts are kept: it adds up exactly from answer to answer, and a given rho means a given epsilon at each delta."},
	{"Set aside", "5 % of each promise, only for answers about how many owners were left out."},
	{"Worst case", "The most that an answer could have cost any owner. Real charges are at most that."}
};

void
eps_cli_report_words(EpsCliReport *r)
{
	static const char *const columns[] = {"Statement", "By the ledger alone", "Together with attestation"};

	eps_cli_html(r, "<h2 id=\"proves\">What the ledger proves</h2>\n<p>Attestation is evidence of which program ran, from the machine itself. "
				 "This ledger has %s.</p>\n", r->verdict.kind_count[EPS_ENTRY_ATTESTATION] > 0 ?
				 "entries of attestation, which this program does not check" : "none");
	eps_cli_html_table(r, "What is proved", 3, columns);
	for (size_t i = 0; i < sizeof(proves) / sizeof(proves[0]); i++)
		eps_cli_html(r, "<tr><th scope=\"row\">%s</th><td>%s</td><td>%s</td></tr>\n", proves[i][0], proves[i][1], proves[i][2]);
	eps_cli_html_end(r);
	eps_cli_html(r, "<h2 id=\"glossary\">Glossary</h2>\n<dl>\n");
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		eps_cli_html(r, "<dt>%s</dt><dd>%s</dd>\n", words[i][0], words[i][1]);
	eps_cli_html(r, "</dl>\n");
}
