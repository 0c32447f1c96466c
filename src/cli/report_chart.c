/*
 * report_chart.c
 *	  Worst-case spending against the promise, as inline SVG.
 */
#include "cli/report.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define LEFT 78.0
#define TOP 24.0
#define WIDTH 700.0
#define HEIGHT 240.0

typedef struct Frame
{
	double		first;
	double		span;			/* of time */
	double		top;			/* of the scale */
} Frame;

static double
x_of(const Frame *f, uint64_t at)
{
	return LEFT + ((double) at - f->first) / f->span * WIDTH;
}

static double
y_of(const Frame *f, double value)
{
	return TOP + HEIGHT - value / f->top * HEIGHT;
}

/* 1, 2 or 5 times a power of ten, so that about four lines fit. */
static double
step_of(double top)
{
	double		rough = top / 4;
	double		power = pow(10, floor(log10(rough)));

	if (rough > 7 * power)
		return 10 * power;
	if (rough > 3.5 * power)
		return 5 * power;
	return rough > 1.5 * power ? 2 * power : power;
}

static void
draw_scale(EpsCliReport *r, const Frame *f, const EpsCliCurve *c)
{
	double		step = step_of(f->top);
	char		first[32];
	char		last[32];

	for (int i = 0; i * step <= f->top; i++)
	{
		double		y = y_of(f, i * step);

		eps_cli_html(r, "<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>"
					 "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%.3g</text>\n", LEFT, LEFT + WIDTH, y, y, LEFT - 8, y + 4, i * step);
	}
	eps_cli_time(first, (uint64_t) f->first);
	eps_cli_time(last, c->last_at);
	eps_cli_html(r, "<text x=\"%.1f\" y=\"%.1f\">%.16s</text><text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%.16s</text>\n",
				 LEFT, TOP + HEIGHT + 22, first, LEFT + WIDTH, TOP + HEIGHT + 22, last);
}

/* Steps: the total stays until the next release. */
static void
draw_path(EpsCliReport *r, const Frame *f, const EpsCliCurve *c, bool closed)
{
	double		y = y_of(f, 0);

	eps_cli_html(r, "<path class=\"%s\" d=\"M%.1f %.1f", closed ? "under" : "spent", LEFT, y);
	for (unsigned i = 0; i < c->n; i++)
		eps_cli_html(r, "H%.1fV%.1f", x_of(f, c->at[i]), y_of(f, c->total[i]));
	eps_cli_html(r, "H%.1fV%.1f", x_of(f, c->last_at), y_of(f, c->last));
	eps_cli_html(r, closed ? "V%.1fZ\"/>\n" : "\"/>\n", y);
}

void
eps_cli_report_chart(EpsCliReport *r, const EpsCliCurve *c)
{
	double		promise = ldexp(eps_cli_promise_number(c, "cap_units"), -EPS_UNIT_BITS);
	Frame		f = {.first = (double) r->verdict.first_at};
	const char *unit = c->promise == NULL ? "privacy loss" : eps_cli_is_pure(c) ? "epsilon" : "rho";

	if (c->n == 0)
		return;
	f.span = fmax((double) c->last_at - f.first, 1);
	f.top = fmax(promise, c->last) * 1.08;
	eps_cli_html(r, "<figure>\n<svg viewBox=\"0 0 800 300\" role=\"img\" aria-labelledby=\"c%" PRIu32 "\">\n<title id=\"c%" PRIu32 "\">"
				 "Data set %" PRIu32 ": worst-case %s of all releases, %.4g at the end", c->dataset, c->dataset, c->dataset, unit, c->last);
	if (promise > 0)
		eps_cli_html(r, "; promised to each owner: at most %.4g", promise);
	eps_cli_html(r, "</title>\n");
	draw_scale(r, &f, c);
	draw_path(r, &f, c, true);
	draw_path(r, &f, c, false);
	if (promise > 0)
		eps_cli_html(r, "<line class=\"promise\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>"
					 "<text x=\"%.1f\" y=\"%.1f\">promise to each owner: %.4g</text>\n", LEFT, LEFT + WIDTH, y_of(&f, promise), y_of(&f, promise),
					 LEFT + 6, y_of(&f, promise) - 7, promise);
	eps_cli_html(r, "</svg>\n<figcaption>Solid line: sum of the worst cases of all releases (%s), as if one owner had paid the most in every one. "
				 "%s</figcaption>\n</figure>\n", unit, promise > 0 ?
				 "Dashed line: what no owner&#8217;s own account may exceed. The solid line may pass it: an owner whose account is used up takes part in nothing more." : "");
}
