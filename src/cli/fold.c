/*
 * fold.c
 *	  Balances from charges: what each owner of a data set has spent, entry by
 *	  entry, and that nobody was charged above a limit.
 */
#include "cli/cli_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* --- accounts --------------------------------------------------------------------- */

/* Accounts up to a number, the new ones beginning with these units.  False where
 * there are more than the data set may hold, or fewer than before. */
bool
eps_cli_enrol(EpsCliDataset *d, uint32_t naccounts, uint64_t units, uint64_t delta_units)
{
	if (naccounts < d->naccounts || naccounts > d->capacity)
		return false;
	if (naccounts > d->room)
	{
		uint64_t	room = naccounts + naccounts / 2 + 64;

		d->room = room > d->capacity ? d->capacity : (uint32_t) room;
		d->accounts = eps_cli_grow(d->accounts, (size_t) d->room * sizeof(EpsCliAccount));
	}
	for (uint32_t i = d->naccounts; i < naccounts; i++)
		d->accounts[i] = (EpsCliAccount) {.spent = units,.spent_delta = delta_units,.limit = d->standard};
	d->naccounts = naccounts;
	return true;
}

/* What is known of the limit: after the last entry of owners it may have been
 * raised, but never above the cap. */
static uint64_t
limit_of(const EpsCliDataset *d, const EpsCliAccount *a)
{
	if (d->tail && !a->merged)
		return d->cap;
	return a->limit < d->cap ? a->limit : d->cap;
}

/* --- charges ---------------------------------------------------------------------- */

typedef struct Charging
{
	EpsCliDataset *d;
	uint64_t	units;
	uint64_t	delta_units;
	bool		twice;
	bool		above;
} Charging;

static void
charge_range(void *context, uint32_t first, uint32_t last)
{
	Charging   *c = context;
	EpsCliDataset *d = c->d;

	for (uint32_t i = first; i <= last; i++)
	{
		EpsCliAccount *a = &d->accounts[i];

		c->twice |= a->stamp == d->stamp;
		a->stamp = d->stamp;
		c->above |= eps_base_add_u64(&a->spent, a->spent, c->units) != EPS_OK ||
			eps_base_add_u64(&a->spent_delta, a->spent_delta, c->delta_units) != EPS_OK ||
			a->spent > limit_of(d, a) || a->spent_delta > d->delta_limit;
	}
}

/* A stamp that no account bears. */
static void
next_stamp(EpsCliDataset *d)
{
	if (++d->stamp != 0)
		return;
	for (uint32_t i = 0; i < d->naccounts; i++)
		d->accounts[i].stamp = 0;
	d->stamp = 1;
}

/* In ascending order of (level, delta level), none above the entry's own. */
static bool
level_fits(const EpsLedgerCharge *charge, const EpsCliPrice *price, int64_t *before)
{
	int64_t		pair = (int64_t) charge->level << 16 | charge->delta_level;
	bool		good = pair > *before && pair != 0 && charge->level <= price->level &&
		charge->delta_level <= price->delta_level;

	*before = pair;
	return good;
}

static const char *
wrong_charges(EpsCliVerifier *v, EpsCliDataset *d, EpsField field, const EpsCliPrice *price, uint64_t seq)
{
	EpsCursor	c = {field.bytes, field.bytes + field.len};
	EpsLedgerCharge charge;
	int64_t		before = -1;

	next_stamp(d);
	for (;;)
	{
		Charging	charging = {.d = d};
		bool		found;

		if (eps_ledger_charge_next(&charge, &found, &c) != EPS_OK)
			return "has malformed charges";
		if (!found)
			return NULL;
		if (!level_fits(&charge, price, &before) || !eps_cli_level_units(&charging.units, charge.level) ||
			!eps_cli_level_units(&charging.delta_units, charge.delta_level))
			return "has a charge above its worst case, or out of order";
		if (eps_ledger_bitmap_read(charge.bitmap, charge.len, d->naccounts, charge_range, &charging) != EPS_OK)
			return "has a set of owners that is malformed, or names owners who are not enrolled";
		if (charging.twice)
			return "charges an owner twice";
		if (charging.above)
		{
			eps_cli_fail(v, EPS_CLI_LIMITS, seq, "entry %" PRIu64 " charges an owner above the limit", seq);
			v->folding = false;
		}
	}
}

/* --- prices ------------------------------------------------------------------------ */

bool
eps_cli_price_read(EpsCliPrice *out, EpsField field)
{
	EpsCursor	c = {field.bytes, field.bytes + field.len};
	uint64_t	units;
	uint64_t	delta_units;

	return eps_base_read_u16(&out->level, &c) == EPS_OK && eps_base_read_u16(&out->delta_level, &c) == EPS_OK &&
		eps_base_read_u64(&out->units, &c) == EPS_OK && eps_base_read_u64(&out->delta_units, &c) == EPS_OK &&
		c.at == c.end && eps_cli_level_units(&units, out->level) && eps_cli_level_units(&delta_units, out->delta_level) &&
		units == out->units && delta_units == out->delta_units;
}

/* What is added to the total of the data set, or to what is set aside. */
static const char *
wrong_price(EpsCliDataset *d, const EpsEntry *entry, const EpsCliPrice *price)
{
	switch (entry->kind)
	{
		case EPS_ENTRY_RELEASE:
			d->fold += price->units;
			d->fold_delta += price->delta_units;
			break;
		case EPS_ENTRY_LEFT_OUT:
			if (eps_base_add_u64(&d->side_spent, d->side_spent, price->units) != EPS_OK || d->side_spent > d->side ||
				price->delta_units != 0)
				return "spends more than is set aside";
			break;
		default:
			if (price->units != 0 || price->delta_units != 0)
				return "has a price, but repeats an answer";
	}
	if (entry->total_units != d->fold || entry->total_delta_units != d->fold_delta)
		return "has another total than the prices give";
	return NULL;
}

/* --- owners enrolled ------------------------------------------------------------------ */

/* What new owners must begin with: nothing, or all that was released before. */
bool
eps_cli_start_fits(const EpsCliDataset *d, EpsU128 units, EpsU128 delta_units,
				   EpsU128 before, EpsU128 before_delta)
{
	if (units == 0 && delta_units == 0 && (!d->worst_case || d->tightened))
		return true;
	return d->worst_case && units == before && delta_units == before_delta;
}

static const char *
wrong_owners(EpsCliDataset *d, EpsField field, EpsU128 before, EpsU128 before_delta)
{
	EpsCursor	c = {field.bytes, field.bytes + field.len};
	uint32_t	naccounts;
	uint64_t	units;
	uint64_t	delta_units;

	if (eps_base_read_u32(&naccounts, &c) != EPS_OK || eps_base_read_u64(&units, &c) != EPS_OK ||
		eps_base_read_u64(&delta_units, &c) != EPS_OK || c.at != c.end)
		return "does not say how many owners there are";
	if (!eps_cli_start_fits(d, units, delta_units, before, before_delta))
		return "lets owners begin with what they must not begin with";
	return eps_cli_enrol(d, naccounts, units, delta_units) ? NULL : "has fewer owners than the entry before, or too many";
}

/* --- releases, repeats, answers about who was left out ------------------------------------ */

static const char *
wrong_links(const EpsCliVerifier *v, const EpsEntry *entry, EpsField field)
{
	EpsCursor	c = {field.bytes, field.bytes + field.len};
	uint64_t	seq;

	if (entry->kind != EPS_ENTRY_REPEAT)
		return field.len == 0 ? NULL : "links to another entry, but repeats none";
	if (eps_base_read_u64(&seq, &c) != EPS_OK || c.at != c.end || seq == 0 || seq >= entry->seq ||
		(v->is_release[seq / 8] >> (seq % 8) & 1) == 0)
		return "repeats no earlier release";
	return NULL;
}

static const char *
wrong_entry(EpsCliVerifier *v, EpsCliDataset *d, const EpsEntry *entry, const EpsField *field)
{
	EpsCliPrice price;
	EpsU128		before = d->fold;
	EpsU128		before_delta = d->fold_delta;
	const char *wrong;

	if (!eps_cli_price_read(&price, field[4]))
		return "has no price of the ladder";
	wrong = wrong_price(d, entry, &price);
	if (wrong == NULL)
		wrong = wrong_owners(d, field[7], before, before_delta);
	if (wrong == NULL)
		wrong = wrong_links(v, entry, field[6]);
	if (wrong != NULL)
		return wrong;
	if (entry->kind != EPS_ENTRY_RELEASE)
		return field[5].len == 0 ? NULL : "charges owners, but is no release";
	return wrong_charges(v, d, field[5], &price, entry->seq);
}

void
eps_cli_fold_entry(EpsCliVerifier *v, EpsCliDataset *d, const EpsEntry *entry, const EpsField *field)
{
	const char *wrong;

	if (!d->known)
	{
		eps_cli_fail(v, EPS_CLI_POLICY, entry->seq, "entry %" PRIu64 " is of data set %" PRIu32 ", which no policy entry made",
					 entry->seq, d->number);
		v->folding = false;
		return;
	}
	wrong = wrong_entry(v, d, entry, field);
	v->verdict->result[EPS_CLI_CHARGES].checked++;
	v->verdict->result[EPS_CLI_LIMITS].checked++;
	if (wrong == NULL)
		return;
	eps_cli_fail(v, EPS_CLI_CHARGES, entry->seq, "entry %" PRIu64 " %s", entry->seq, wrong);
	v->folding = false;
}
