/*
 * settings.c
 *	  The analyst's settings of a release.  The value 0 means "not set" and can
 *	  only be the default: whatever a person sets is finite and above 0.
 */
#include "postgres.h"

#include <limits.h>
#include <math.h>

#include "pg/release/release_internal.h"

#include "utils/guc.h"

/* Above this no unit of privacy loss can be counted (core/mechanism, units). */
#define LARGEST_PRICE 16.0

static double setting_epsilon = 0.0;
static double setting_rho = 0.0;
static double setting_delta = 0.0;
static char *setting_accuracy = NULL;
static int	setting_noise = EPS_CHOICE_AUTO;
static int	setting_groups = EPS_GROUPS_AUTO;
static int	setting_groups_per_owner = 0;
static int	setting_rows_per_owner = 0;
static int	setting_max_groups = 10000;
static char *setting_purpose = NULL;
static bool setting_repeats = true;
static int	setting_repeat_max_age = 7 * 86400;

static const struct config_enum_entry noise_choices[] = {
	{"auto", EPS_CHOICE_AUTO, false},
	{"laplace", EPS_CHOICE_LAPLACE, false},
	{"gaussian", EPS_CHOICE_GAUSSIAN, false},
	{NULL, 0, false}
};

static const struct config_enum_entry groups_choices[] = {
	{"auto", EPS_GROUPS_AUTO, false},
	{"all", EPS_GROUPS_ALL, false},
	{"seen", EPS_GROUPS_SEEN, false},
	{NULL, 0, false}
};

/* The default is the only value that may be 0: RESET brings it back. */
static bool
is_default(GucSource source, double value)
{
	return source == PGC_S_DEFAULT && value == 0.0;
}

static bool
check_price(double *value, void **extra, GucSource source)
{
	if (is_default(source, *value))
		return true;
	if (isfinite(*value) && *value > 0.0 && *value < LARGEST_PRICE)
		return true;
	GUC_check_errdetail("The price of a release lies above 0 and below %g.", LARGEST_PRICE);
	GUC_check_errhint("Use RESET to return to the data set's default price.");
	return false;
}

static bool
check_delta(double *value, void **extra, GucSource source)
{
	if (is_default(source, *value))
		return true;
	if (isfinite(*value) && *value > 0.0 && *value < 1.0)
		return true;
	GUC_check_errdetail("The delta of group selection lies above 0 and below 1.");
	GUC_check_errhint("Use RESET to return to the data set's default.");
	return false;
}

static bool
check_accuracy(char **value, void **extra, GucSource source)
{
	double		accuracy;
	bool		relative;

	if (*value == NULL || eps_release_accuracy_parse(*value, &accuracy, &relative))
		return true;
	GUC_check_errdetail("An accuracy is a number above 0, half the width of every interval, or a percentage above 0 and below 100, as in '5 %%', of every answer.");
	GUC_check_errhint("Use RESET to return to a price.");
	return false;
}

static bool
check_bound(int *value, void **extra, GucSource source)
{
	if (is_default(source, *value) || *value >= 1)
		return true;
	GUC_check_errdetail("A bound per owner is at least 1.");
	GUC_check_errhint("Use RESET to return to the declared bound.");
	return false;
}

static void
define_real(const char *name, double *variable, const char *text, GucRealCheckHook check)
{
	/* The range is wide on purpose: the check hook words the error. */
	DefineCustomRealVariable(name, text, NULL, variable, 0.0, -1e308, 1e308,
							 PGC_USERSET, 0, check, NULL, NULL);
}

static void
define_bound(const char *name, int *variable, const char *text)
{
	DefineCustomIntVariable(name, text, "It can tighten what the steward declared, never loosen it.",
							variable, 0, INT_MIN, INT_MAX, PGC_USERSET, 0, check_bound, NULL, NULL);
}

void
eps_release_init(void)
{
	define_real("dp.epsilon", &setting_epsilon, "Price of each following release, as epsilon.", check_price);
	define_real("dp.rho", &setting_rho, "Price of each following release, as rho of zCDP.", check_price);
	define_real("dp.delta", &setting_delta, "Delta that group selection of a release may use.", check_delta);
	DefineCustomStringVariable("dp.accuracy", "Accuracy of each following release, from which its price follows.",
							   "A number is half the width of every interval; a percentage, one of every answer, after a pilot release.",
							   &setting_accuracy, "", PGC_USERSET, 0, check_accuracy, NULL, NULL);
	DefineCustomEnumVariable("dp.noise", "Noise of each following release.", NULL,
							 &setting_noise, EPS_CHOICE_AUTO, noise_choices,
							 PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomEnumVariable("dp.groups", "Which groups come out: all of a public domain, or those seen by a noisy threshold.", NULL,
							 &setting_groups, EPS_GROUPS_AUTO, groups_choices,
							 PGC_USERSET, 0, NULL, NULL, NULL);
	define_bound("dp.groups_per_owner", &setting_groups_per_owner, "Number of groups that one owner counts in.");
	define_bound("dp.rows_per_owner", &setting_rows_per_owner, "Number of rows that count for one owner.");
	DefineCustomStringVariable("dp.purpose", "Purpose of the following queries.", NULL,
							   &setting_purpose, "", PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("dp.max_groups", "Number of groups that a public domain may give.", NULL,
							&setting_max_groups, 10000, 1, 1000000, PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("dp.repeats", "A release that was answered before is answered by the same answer, free.",
							 "Off asks for a new answer with fresh noise, at the full price.",
							 &setting_repeats, true, PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("dp.repeat_max_age", "Age up to which an answer is given again.", NULL,
							&setting_repeat_max_age, 7 * 86400, 0, INT_MAX, PGC_SUSET, GUC_UNIT_S, NULL, NULL, NULL);
}

EpsSettings
eps_release_settings(void)
{
	EpsSettings s = {0};

	s.epsilon = setting_epsilon;
	s.rho = setting_rho;
	s.delta = setting_delta;
	if (setting_accuracy != NULL)
		EPS_ENSURE(eps_release_accuracy_parse(setting_accuracy, &s.accuracy, &s.relative), "an accuracy is none");
	s.noise = (EpsNoiseChoice) setting_noise;
	s.groups = (EpsGroupsChoice) setting_groups;
	s.groups_per_owner = setting_groups_per_owner;
	s.rows_per_owner = setting_rows_per_owner;
	s.max_groups = setting_max_groups;
	s.repeats = setting_repeats;
	s.repeat_max_age = setting_repeat_max_age;
	s.purpose = setting_purpose && setting_purpose[0] ? pstrdup(setting_purpose) : NULL;
	return s;
}
