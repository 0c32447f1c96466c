/*
 * report_html.c
 *	  The frame of a report: style, escaping, tables.  One file, no script, nothing
 *	  from the network.
 */
#include "cli/report.h"

#include <stdarg.h>
#include <string.h>

static const char style[] =
":root{color-scheme:light dark;--paper:#fff;--ink:#1b1f24;--soft:#55606e;--line:#c9d1da;--band:#f3f5f8;--mark:#0b5cad;"
"--promise:#a5300f;--good:#0b6b3a;--bad:#a5120f}\n"
"@media (prefers-color-scheme:dark){:root{--paper:#12161b;--ink:#e8ecf1;--soft:#a9b4c0;--line:#3a444f;--band:#1b2129;"
"--mark:#7db8f5;--promise:#ff9d7a;--good:#6fd59b;--bad:#ff9a94}}\n"
"*{box-sizing:border-box}body{margin:0;background:var(--paper);color:var(--ink);"
"font:16px/1.55 system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif}\n"
"header,main,footer{max-width:62rem;margin:0 auto;padding:0 1.5rem}header{padding-top:2.5rem}footer{padding-bottom:3rem;color:var(--soft)}\n"
"h1{font-size:1.9rem;line-height:1.2;margin:0 0 .3rem}h2{font-size:1.3rem;margin:2.6rem 0 .6rem;padding-top:.6rem;border-top:1px solid var(--line)}"
"h3{font-size:1.05rem;margin:1.6rem 0 .4rem}p,dl{max-width:46rem}th.t{white-space:nowrap}.soft{color:var(--soft)}\n"
"a{color:var(--mark)}nav ul{padding-left:1.2rem;columns:2}code{font:.9em ui-monospace,'DejaVu Sans Mono',monospace;overflow-wrap:anywhere}\n"
".verdict{border:2px solid;border-radius:.5rem;padding:.8rem 1.1rem;margin:1.2rem 0}.verdict p{margin:.2rem 0}"
".verdict.good{border-color:var(--good)}.verdict.bad{border-color:var(--bad)}.verdict strong{font-size:1.15rem}"
".good strong,.state-ok{color:var(--good)}.bad strong,.state-bad{color:var(--bad)}.state-ok,.state-bad{font-weight:600}\n"
".scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;margin:.8rem 0 1.4rem;font-size:.93rem}"
"caption{text-align:left;font-weight:600;padding:.3rem 0}th,td{text-align:left;vertical-align:top;padding:.35rem .7rem .35rem 0;"
"border-bottom:1px solid var(--line);overflow-wrap:break-word}thead th{border-bottom:2px solid var(--line);color:var(--soft);font-weight:600}"
"tbody th{font-weight:500}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}\n"
"figure{margin:1rem 0}figcaption{color:var(--soft);font-size:.93rem}svg{width:100%;height:auto;background:var(--band);border-radius:.4rem}"
"svg text{fill:var(--ink);paint-order:stroke;stroke:var(--band);stroke-width:4px;stroke-linejoin:round;font:13px system-ui,'DejaVu Sans',sans-serif}svg .grid{stroke:var(--line)}svg .spent{stroke:var(--mark);fill:none;stroke-width:2.5}"
"svg .promise{stroke:var(--promise);stroke-width:2;stroke-dasharray:7 5}svg .under{fill:var(--mark);opacity:.13}\n"
"dt{font-weight:600;margin-top:.7rem}dd{margin:0 0 0 1.2rem}\n"
"@media print{:root{--paper:#fff;--ink:#000;--soft:#444;--line:#bbb;--band:#fff;--mark:#0b5cad;--promise:#a5300f;--good:#0b6b3a;--bad:#a5120f}"
"body{font-size:10.5pt}header,main,footer{max-width:none;padding:0}nav{display:none}h2{break-after:avoid}tr,figure,.verdict{break-inside:avoid}"
".scroll{overflow:visible}thead{display:table-header-group}}\n"
"@page{margin:18mm}\n";

void
eps_cli_html(EpsCliReport *r, const char *format, ...)
{
	va_list		args;

	va_start(args, format);
	(void) vfprintf(r->out, format, args);
	va_end(args);
}

/* Foreign text is text, whatever it holds; bytes that are no UTF-8 and control
 * characters become a mark. */
void
eps_cli_html_text(EpsCliReport *r, const char *text)
{
	for (const char *at = text; *at != '\0'; at++)
	{
		unsigned char c = (unsigned char) *at;

		if (c == '&')
			fputs("&amp;", r->out);
		else if (c == '<')
			fputs("&lt;", r->out);
		else if (c == '>')
			fputs("&gt;", r->out);
		else if (c == '"')
			fputs("&quot;", r->out);
		else if ((c < ' ' && c != '\n' && c != '\t') || c == 127)
			fputs("&#xfffd;", r->out);
		else
			fputc(c, r->out);
	}
}

void
eps_cli_html_head(EpsCliReport *r)
{
	const char *title = r->args->title == NULL ? "Privacy ledger report" : r->args->title;
	char		last[32];

	eps_cli_time(last, r->verdict.last_at);
	eps_cli_html(r, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
				 "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>");
	eps_cli_html_text(r, title);
	eps_cli_html(r, "</title>\n<style>\n%s</style>\n</head>\n<body>\n<header>\n<h1>", style);
	eps_cli_html_text(r, title);
	eps_cli_html(r, "</h1>\n<p class=\"soft\">%s form. Ledger <code>", r->public_form ? "Public" : "Auditor&#8217;s");
	eps_cli_html_text(r, r->verdict.checkpoint.origin);
	eps_cli_html(r, "</code>, as it stood at %s.</p>\n</header>\n<main>\n", last);
}

void
eps_cli_html_foot(EpsCliReport *r)
{
	eps_cli_html(r, "</main>\n<footer>\n<p>Written by pg_epsilon " EPS_VERSION " from the ledger alone; "
				 "every number above comes from it.</p>\n</footer>\n</body>\n</html>\n");
}

/* Columns whose name ends in a space hold numbers. */
void
eps_cli_html_table(EpsCliReport *r, const char *caption, int ncolumns, const char *const *columns)
{
	eps_cli_html(r, "<div class=\"scroll\" role=\"region\" aria-label=\"");
	eps_cli_html_text(r, caption);
	eps_cli_html(r, "\" tabindex=\"0\">\n<table>\n<caption>");
	eps_cli_html_text(r, caption);
	eps_cli_html(r, "</caption>\n<thead><tr>");
	for (int i = 0; i < ncolumns; i++)
		eps_cli_html(r, "<th scope=\"col\"%s>%s</th>", columns[i][strlen(columns[i]) - 1] == ' ' ? " class=\"n\"" : "", columns[i]);
	eps_cli_html(r, "</tr></thead>\n<tbody>\n");
}

/* A cell that begins with a tab is a number. */
void
eps_cli_html_row(EpsCliReport *r, int ncells, char *const *cells)
{
	eps_cli_html(r, "<tr>");
	for (int i = 0; i < ncells; i++)
	{
		const char *cell = cells[i] == NULL ? "" : cells[i];
		bool		number = *cell == '\t';

		eps_cli_html(r, i == 0 ? "<th scope=\"row\"" : "<td");
		eps_cli_html(r, number ? " class=\"n\">" : strstr(cell, " UTC") != NULL && strlen(cell) < 32 ? " class=\"t\">" : ">");
		eps_cli_html_text(r, cell + number);
		eps_cli_html(r, i == 0 ? "</th>" : "</td>");
	}
	eps_cli_html(r, "</tr>\n");
}

void
eps_cli_html_end(EpsCliReport *r)
{
	eps_cli_html(r, "</tbody>\n</table>\n</div>\n");
}
