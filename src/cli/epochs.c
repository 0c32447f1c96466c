/*
 * epochs.c
 *	  Entries of owners: changes of limits, consents and accounts, which take their
 *	  place among the entries before; and the maps of each epoch.
 *
 * The changes of an epoch are told at its end, so the entry that tells them is
 * read ahead of its turn.  If it turns out bad, that is found at its turn.
 */
#include "cli/cli_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* --- where entries of owners stand ------------------------------------------------- */

static void
remember_owners(EpsCliVerifier *v, const uint8_t *bytes)
{
	EpsEntry	entry;
	EpsOwnersBody body;

	if (bytes[1] != EPS_ENTRY_OWNERS || eps_ledger_entry_read(&entry, bytes) != EPS_OK ||
		eps_ledger_owners_read(&body, entry.body) != EPS_OK)
		return;
	if (v->nowners % 1024 == 0)
		v->owners = eps_cli_grow(v->owners, (v->nowners + 1024) * sizeof(EpsCliOwnersAt));
	v->owners[v->nowners++] = (EpsCliOwnersAt) {.entry = entry,.body = body};
}

/* Bundles that cannot be read are found when their turn comes. */
void
eps_cli_epochs_index(EpsCliVerifier *v)
{
	uint64_t	size = v->verdict->checkpoint.size;
	const uint8_t *at[EPS_CLI_BUNDLE];
	char		path[EPS_CLI_PATH];

	for (uint64_t n = 0; n * EPS_CLI_BUNDLE < size; n++)
	{
		unsigned	width = eps_cli_tile_width(0, n, size);

		eps_cli_tile_path(path, EPS_TILE_ENTRIES, n, size);
		if (eps_cli_read(&v->bundle, v->dir, path, EPS_CLI_BUNDLE_LEN) != EPS_CLI_READ ||
			eps_cli_bundle_read(at, width, v->bundle.bytes, v->bundle.len) != EPS_OK)
			return;
		for (unsigned i = 0; i < width; i++)
			remember_owners(v, at[i]);
	}
}

/* --- reading ahead -------------------------------------------------------------------- */

static void
fail_epoch(EpsCliVerifier *v, const EpsCliEpoch *epoch, EpsCliCheck check, const char *wrong)
{
	eps_cli_fail(v, check, epoch->entry.seq, "the entry of owners %" PRIu64 " %s", epoch->entry.seq, wrong);
}

static bool
read_map_opening(EpsCliEpoch *epoch, EpsField field)
{
	EpsCursor	c = {field.bytes, field.bytes + field.len};
	const uint8_t *key;

	if (eps_base_read_bytes(&key, &c, sizeof(epoch->map_key)) != EPS_OK ||
		eps_base_read_u32(&epoch->naccounts, &c) != EPS_OK)
		return false;
	memcpy(epoch->map_key, key, sizeof(epoch->map_key));
	return c.at == c.end;
}

/* Makes the data set's next entry of owners the one at hand, if there is one. */
static void
load_epoch(EpsCliVerifier *v, EpsCliDataset *d)
{
	EpsCliEpoch *epoch = &d->epoch;
	size_t		i = d->next_owners;

	while (i < v->nowners && v->owners[i].entry.dataset != d->number)
		i++;
	d->next_owners = i + 1;
	d->tail = i >= v->nowners;
	epoch->loaded = !d->tail;
	if (d->tail)
		return;
	epoch->entry = v->owners[i].entry;
	epoch->body = v->owners[i].body;
	epoch->before = d->owners_as_of;
	epoch->usable = eps_cli_open_entry(&v->ahead, &epoch->entry) == EPS_CLI_OPENED;
	if (epoch->usable && !read_map_opening(epoch, v->ahead.field[6]))
	{
		fail_epoch(v, epoch, EPS_CLI_EPOCHS, "has no map opening");
		epoch->usable = false;
	}
	eps_cli_reserve(&epoch->changes, 1);
	epoch->changes.len = 0;
	if (epoch->usable)
		eps_cli_append(&epoch->changes, v->ahead.field[7].bytes, v->ahead.field[7].len);
	epoch->rest = (EpsCursor) {epoch->changes.bytes, epoch->changes.bytes + epoch->changes.len};
	d->tail = !epoch->usable;
}

/* --- changes ----------------------------------------------------------------------------- */

typedef struct Change
{
	uint8_t		kind;
	uint64_t	after;
	uint64_t	at;
	uint32_t	account;
	uint32_t	to;
	uint64_t	units;
	uint64_t	delta_units;
	uint8_t		purpose;
	uint8_t		granted;
	uint64_t	until;
	uint32_t	naccounts;
	uint64_t	start;
	uint64_t	start_delta;
} Change;

enum
{
	CHANGE_LIMIT = 1,
	CHANGE_CONSENT,
	CHANGE_MERGE,
	CHANGE_RENUMBERING
};

static bool
read_what(Change *out, EpsCursor *c)
{
	switch (out->kind)
	{
		case CHANGE_LIMIT:
			return eps_base_read_u32(&out->account, c) == EPS_OK && eps_base_read_u64(&out->units, c) == EPS_OK;
		case CHANGE_CONSENT:
			return eps_base_read_u32(&out->account, c) == EPS_OK && eps_base_read_u8(&out->purpose, c) == EPS_OK &&
				eps_base_read_u8(&out->granted, c) == EPS_OK && eps_base_read_u64(&out->until, c) == EPS_OK &&
				out->purpose < 32 && out->granted < 2;
		case CHANGE_MERGE:
			return eps_base_read_u32(&out->account, c) == EPS_OK && eps_base_read_u32(&out->to, c) == EPS_OK &&
				eps_base_read_u64(&out->units, c) == EPS_OK && eps_base_read_u64(&out->delta_units, c) == EPS_OK &&
				out->account != out->to;
		case CHANGE_RENUMBERING:
			return eps_base_read_u64(&out->units, c) == EPS_OK && eps_base_read_u64(&out->delta_units, c) == EPS_OK;
		default:
			return false;
	}
}

static bool
read_change(Change *out, EpsCursor *c)
{
	memset(out, 0, sizeof(*out));
	if (eps_base_read_u8(&out->kind, c) != EPS_OK || eps_base_read_u64(&out->after, c) != EPS_OK ||
		eps_base_read_u64(&out->at, c) != EPS_OK || !read_what(out, c))
		return false;
	if (out->kind == CHANGE_RENUMBERING)
		return true;
	return eps_base_read_u32(&out->naccounts, c) == EPS_OK && eps_base_read_u64(&out->start, c) == EPS_OK &&
		eps_base_read_u64(&out->start_delta, c) == EPS_OK;
}

/* A purpose on which both spoke is granted only if both grant it; the lower limit
 * holds; delta is used up; rho is that of one person (rule 18). */
static bool
merge(EpsCliDataset *d, const Change *change)
{
	EpsCliAccount *from = &d->accounts[change->account];
	EpsCliAccount *to = &d->accounts[change->to];
	uint64_t	wanted = eps_cli_merged_units(from->spent, to->spent, d->pure);
	uint32_t	set = from->consent_set | to->consent_set;

	if (from->merged || to->merged || change->units > UINT64_MAX - to->spent ||
		change->delta_units > UINT64_MAX - to->spent_delta)
		return false;
	to->spent += change->units;
	to->spent_delta += change->delta_units;
	to->consent = (from->consent | ~from->consent_set) & (to->consent | ~to->consent_set) & set;
	to->consent_set = set;
	if (from->limit < to->limit)
		to->limit = from->limit;
	from->limit = 0;
	from->merged = true;
	return to->spent >= (wanted < INT64_MAX ? wanted : INT64_MAX) && to->spent_delta >= d->delta_limit;
}

static bool
apply(EpsCliDataset *d, const Change *change)
{
	EpsCliAccount *a;
	uint32_t	bit = (uint32_t) 1 << change->purpose;

	if (change->kind == CHANGE_RENUMBERING)
		return true;
	if (!eps_cli_start_fits(d, change->start, change->start_delta, d->fold, d->fold_delta) ||
		!eps_cli_enrol(d, change->naccounts, change->start, change->start_delta) ||
		change->account >= d->naccounts || change->to >= d->naccounts)
		return false;
	a = &d->accounts[change->account];
	if (change->kind == CHANGE_MERGE)
		return merge(d, change);
	if (change->kind == CHANGE_LIMIT)
		a->limit = a->merged ? 0 : change->units;
	else
	{
		a->consent_set |= bit;
		a->consent = change->granted ? a->consent | bit : a->consent & ~bit;
	}
	return true;
}

/* Applies changes made before entry seq. */
static void
apply_before(EpsCliVerifier *v, EpsCliDataset *d, uint64_t seq)
{
	EpsCliEpoch *epoch = &d->epoch;

	while (epoch->usable && epoch->rest.at < epoch->rest.end)
	{
		EpsCursor	ahead = epoch->rest;
		Change		change;
		const char *wrong = NULL;

		if (!read_change(&change, &ahead))
			wrong = "has malformed changes";
		else if (change.after >= seq)
			return;
		else if (change.after < epoch->before || change.after > epoch->body.as_of)
			wrong = "has a change of another epoch, or out of order";
		else if (!apply(d, &change))
			wrong = "has a change that cannot be";
		if (wrong != NULL)
		{
			fail_epoch(v, epoch, EPS_CLI_EPOCHS, wrong);
			epoch->usable = false;
			d->tail = true;
			return;
		}
		epoch->before = change.after;
		epoch->rest = ahead;
	}
}

void
eps_cli_epoch_before(EpsCliVerifier *v, EpsCliDataset *d, uint64_t seq)
{
	if (!d->epoch.loaded && !d->tail)
		load_epoch(v, d);
	if (d->known && d->epoch.loaded)
		apply_before(v, d, seq);
}

/* --- maps ---------------------------------------------------------------------------------- */

static EpsStatus
fetch_account(void *context, EpsMapAccount *out, uint32_t account)
{
	const EpsCliDataset *d = context;
	const EpsCliAccount *a = &d->accounts[account];

	if (account >= d->naccounts)
		return EPS_E_INTERNAL;
	*out = (EpsMapAccount) {.spent = a->spent,.spent_delta = a->spent_delta,.limit = a->limit,
	.consent_set = a->consent_set,.consent = a->consent,.merged = a->merged};
	return EPS_OK;
}

static void
compare_maps(EpsCliVerifier *v, EpsCliDataset *d)
{
	EpsCliEpoch *epoch = &d->epoch;
	unsigned	depth = eps_ledger_map_depth(d->capacity);
	void	   *room;
	EpsHash		balance;
	EpsHash		consent;
	EpsStatus	status;

	v->verdict->result[EPS_CLI_MAPS].checked++;
	if (epoch->body.depth != depth || epoch->naccounts != d->naccounts)
	{
		fail_epoch(v, epoch, EPS_CLI_MAPS, "has maps of another number of owners");
		return;
	}
	room = eps_cli_alloc(eps_ledger_map_room(depth));
	status = eps_ledger_map_roots(&balance, &consent, depth, epoch->map_key, d->naccounts, fetch_account, d, room);
	free(room);
	if (status != EPS_OK || memcmp(&balance, &epoch->body.balance, sizeof(balance)) != 0)
		fail_epoch(v, epoch, EPS_CLI_MAPS, "has another map of balances than the charges give");
	else if (memcmp(&consent, &epoch->body.consent, sizeof(consent)) != 0)
		fail_epoch(v, epoch, EPS_CLI_MAPS, "has another map of consents than the changes give");
}

/* Epochs whose maps stand for this entry. */
static void
end_epochs(EpsCliVerifier *v, EpsCliDataset *d, uint64_t seq)
{
	for (;;)
	{
		EpsCliEpoch *epoch = &d->epoch;

		if (!epoch->loaded && !d->tail)
			load_epoch(v, d);
		if (!epoch->loaded || epoch->body.as_of > seq)
			return;
		if (epoch->body.as_of < d->owners_as_of || (epoch->body.as_of < seq && d->owners_as_of < seq))
			fail_epoch(v, epoch, EPS_CLI_EPOCHS, "has maps that stand for an entry before those of the last maps, or before the data set");
		else if (epoch->usable)
		{
			apply_before(v, d, UINT64_MAX);
			if (epoch->usable)
				compare_maps(v, d);
		}
		d->owners_as_of = seq;
		epoch->loaded = false;
		d->tail = false;
	}
}

void
eps_cli_epochs_after(EpsCliVerifier *v, uint64_t seq)
{
	for (unsigned i = 0; i < v->ndatasets; i++)
		if (v->datasets[i].known && v->folding)
			end_epochs(v, &v->datasets[i], seq);
}

/* --- their turn ------------------------------------------------------------------------------ */

void
eps_cli_epoch_entry(EpsCliVerifier *v, EpsCliDataset *d, const EpsEntry *entry)
{
	EpsOwnersBody body;
	const char *wrong = NULL;

	v->verdict->result[EPS_CLI_EPOCHS].checked++;
	if (eps_ledger_owners_read(&body, entry->body) != EPS_OK)
		wrong = "is malformed";
	else if (!d->known)
		wrong = "is of a data set that no policy entry made";
	else if (d->nowners > 0 && body.first != d->owners_last + 1)
		wrong = "does not begin where the epoch before ended";
	else if (body.as_of >= entry->seq)
		wrong = "has maps that stand for a later entry";
	d->nowners++;
	d->owners_last = body.last;
	if (wrong == NULL)
		return;
	eps_cli_fail(v, EPS_CLI_EPOCHS, entry->seq, "the entry of owners %" PRIu64 " %s", entry->seq, wrong);
	v->folding = false;
}
