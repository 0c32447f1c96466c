/*
 * ledger_maker.c
 *	  See ledger_maker.h.
 */
#include "ledger_maker.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <roaring/roaring.h>

#include "core/accountant/accountant.h"
#include "core/crypto/crypto.h"
#include "core/ledger/ledger.h"
#include "core/mechanism/mechanism.h"

#define START_AT UINT64_C(1767225600000000)	/* 2026-01-01 */
#define NDATASETS 2
#define NLEVELS 12
#define SALTS 256

typedef struct Bytes
{
	uint8_t    *at;
	size_t		len;
	size_t		room;
} Bytes;

typedef struct Account
{
	uint64_t	spent;
	uint64_t	spent_delta;
	uint64_t	limit;
	uint32_t	consent_set;
	uint32_t	consent;
	bool		merged;
} Account;

typedef struct Dataset
{
	uint32_t	number;
	bool		pure;
	bool		worst_case;
	uint32_t	capacity;
	uint64_t	cap;
	uint64_t	standard;
	uint64_t	side;
	uint64_t	side_spent;
	uint64_t	delta_limit;
	EpsU128		total;
	EpsU128		total_delta;
	uint64_t	releases;
	uint32_t	naccounts;
	Account    *account;
	Bytes		changes;
	bool		cheated;		/* in this epoch */
	uint32_t	spoiled;
	/* an epoch that has ended, whose entry is still to come */
	bool		ended;
	EpsOwnersBody body;
	uint8_t		map_opening[36];
	Bytes		told;
} Dataset;

typedef struct Maker
{
	const char *dir;
	LedgerPlan *plan;
	uint8_t		stream_key[32];
	uint64_t	stream_at;
	uint8_t		id[EPS_LEDGER_ID_LEN];
	char		origin[128];
	uint8_t		public_key[2][32];
	uint8_t		secret[2][64];
	unsigned	nkeys;
	uint64_t	size;
	uint64_t	at;
	uint64_t	epoch;
	uint64_t	epoch_first;
	EpsHash		node[8][256];
	uint64_t	count[8];
	Bytes		bundle;
	Bytes		openings;
	EpsFrontier tree;
	Dataset		dataset[NDATASETS];
	uint64_t	waiting[SALTS];	/* releases whose answers are not committed */
	unsigned	nwaiting;
	uint64_t	answered_to;
	const Dataset *skipped;		/* of whom an epoch was not told */
	bool		failed;
} Maker;

/* --- helpers ------------------------------------------------------------------------ */

static void
put(Bytes *b, const void *bytes, size_t len)
{
	if (len == 0)
		return;
	if (b->len + len > b->room)
	{
		b->room = 2 * (b->len + len);
		b->at = realloc(b->at, b->room);
		if (b->at == NULL)
			abort();
	}
	memcpy(b->at + b->len, bytes, len);
	b->len += len;
}

static void
put_int(Bytes *b, uint64_t value, int len)
{
	for (int i = len - 1; i >= 0; i--)
	{
		uint8_t		byte = (uint8_t) (value >> (8 * i));

		put(b, &byte, 1);
	}
}

static void
draw(Maker *m, uint8_t *out, size_t len)
{
	uint8_t		block[64];

	for (size_t done = 0; done < len; done += 32)
	{
		if (eps_crypto_keystream(block, sizeof(block), m->stream_at++, m->stream_key) != EPS_OK)
			abort();
		memcpy(out + done, block, len - done < 32 ? len - done : 32);
	}
}

static uint32_t
below(Maker *m, uint32_t n)
{
	uint8_t		b[8];
	uint64_t	value;

	draw(m, b, sizeof(b));
	memcpy(&value, b, sizeof(value));
	return (uint32_t) (value % n);
}

static void
save(Maker *m, const char *path, const void *bytes, size_t len)
{
	char		full[4096];
	FILE	   *file;

	(void) snprintf(full, sizeof(full), "%s/%s", m->dir, path);
	for (char *at = full + strlen(m->dir) + 1; (at = strchr(at, '/')) != NULL; at++)
	{
		*at = '\0';
		if (mkdir(full, 0777) != 0 && errno != EEXIST)
			m->failed = true;
		*at = '/';
	}
	file = fopen(full, "wb");
	if (file == NULL || fwrite(bytes, 1, len, file) != len || fclose(file) != 0)
		m->failed = true;
}

static void
save_tile(Maker *m, int level, uint64_t n, unsigned width, const void *bytes, size_t len)
{
	char		path[128];

	eps_ledger_tile_path(path, level, n, width);
	save(m, path, bytes, len);
}

/* Is it time to cheat like this? The next entry is the one that is not sound. */
static bool
cheat(Maker *m, LedgerCheat how)
{
	if (m->plan->cheat != how || m->plan->cheated != 0 || m->size + 1 < m->plan->cheat_at)
		return false;
	m->plan->cheated = m->size + 1;
	return true;
}

/* --- the log -------------------------------------------------------------------------- */

static void
add_hash(Maker *m, int level, EpsHash hash)
{
	uint64_t	at = m->count[level]++;

	m->node[level][at % 256] = hash;
	if (m->count[level] % 256 != 0)
		return;
	save_tile(m, level, at / 256, 256, m->node[level], sizeof(m->node[level]));
	for (unsigned n = 256; n > 1; n /= 2)
		for (unsigned i = 0; i < n / 2; i++)
			eps_ledger_node_hash(&m->node[level][i], &m->node[level][2 * i], &m->node[level][2 * i + 1]);
	add_hash(m, level + 1, m->node[level][0]);
}

static void
flush(Maker *m, unsigned width)
{
	save_tile(m, EPS_TILE_ENTRIES, (m->size - 1) / 256, width, m->bundle.at, m->bundle.len);
	save_tile(m, EPS_TILE_OPENINGS, (m->size - 1) / 256, width, m->openings.at, m->openings.len);
	m->bundle.len = 0;
	m->openings.len = 0;
}

static void
store(Maker *m, const EpsEntry *entry, const uint8_t r[32], const EpsField field[8])
{
	uint8_t		bytes[EPS_ENTRY_LEN];
	size_t		len = eps_ledger_opening_len(field);
	uint8_t    *opening = malloc(len);
	EpsHash		leaf;

	eps_ledger_entry_write(bytes, entry);
	put_int(&m->bundle, EPS_ENTRY_LEN, 2);
	put(&m->bundle, bytes, sizeof(bytes));
	eps_ledger_opening_write(opening, r, field);
	put_int(&m->openings, len, 4);
	put(&m->openings, opening, len);
	free(opening);
	eps_ledger_leaf_hash(&leaf, bytes, sizeof(bytes));
	eps_ledger_frontier_add(&m->tree, &leaf);
	add_hash(m, 0, leaf);
	if (m->size % 256 == 0)
		flush(m, 256);
}

static EpsField
text(const char *s)
{
	return (EpsField) {(const uint8_t *) s, strlen(s)};
}

static EpsField
bytes_of(const Bytes *b)
{
	return (EpsField) {b->at, b->len};
}

/* d NULL: of the whole database */
static void
append(Maker *m, EpsEntryKind kind, const Dataset *d, const EpsField field[8], const uint8_t *body)
{
	EpsEntry	entry = {.kind = kind,.seq = ++m->size,.at = m->at,.epoch = m->epoch};
	uint8_t		r[32];

	m->at += 7000000;
	if (d != NULL)
	{
		entry.dataset = d->number;
		entry.total_units = d->total;
		entry.total_delta_units = d->total_delta;
	}
	if (body != NULL)
		memcpy(entry.body, body, EPS_ENTRY_BODY_LEN);
	draw(m, r, sizeof(r));
	eps_ledger_fields_root(&entry.fields, r, field);
	store(m, &entry, r, field);
	if (m->size + 1 == m->plan->fork_at)
		m->stream_key[0] ^= 1;
}

/* --- kinds of the whole database --------------------------------------------------------- */

static void
boot(Maker *m, int timeline)
{
	char		line[256];
	EpsField	field[8] = {{NULL, 0}};

	(void) snprintf(line, sizeof(line), "system_identifier=7300000000000000001\ntimeline=%d\ndatabase_oid=16384\n"
					"library=0.1.0\nbuild=5f1c2d\nserver=15.15\nfsync=on\nfull_page_writes=on\n", timeline);
	field[0] = text(line);
	append(m, EPS_ENTRY_BOOT, NULL, field, NULL);
}

static void
recovery(Maker *m)
{
	EpsField	field[8] = {{NULL, 0}};

	field[0] = text("timeline_before=1\ntimeline=2\n");
	append(m, EPS_ENTRY_RECOVERY, NULL, field, NULL);
}

void
ledger_secret(uint8_t secret[64], const LedgerPlan *plan, unsigned n)
{
	uint8_t		seed[32] = {0};
	uint8_t		public_key[32];

	memcpy(seed, &plan->seed, sizeof(plan->seed));
	seed[31] = (uint8_t) (2 + n);
	eps_crypto_sign_seed(public_key, secret, seed);
}

static void
new_key(Maker *m)
{
	EpsField	field[8] = {{NULL, 0}};
	EpsKeyBody	body = {0};
	uint8_t		bytes[EPS_ENTRY_BODY_LEN];
	uint8_t		statement[EPS_KEY_STATEMENT_LEN];
	unsigned	n = m->nkeys++;

	ledger_secret(m->secret[n], m->plan, n);
	memcpy(m->public_key[n], m->secret[n] + 32, sizeof(m->public_key[n]));
	memcpy(body.key, m->public_key[n], sizeof(body.key));
	eps_ledger_key_statement(statement, m->id, m->size + 1, body.key);
	eps_crypto_sign(body.by_new, statement, sizeof(statement), m->secret[n]);
	if (n > 0)
		eps_crypto_sign(body.by_old, statement, sizeof(statement), m->secret[cheat(m, LEDGER_BENDS_KEY) ? n : n - 1]);
	eps_ledger_key_write(bytes, &body);
	append(m, EPS_ENTRY_KEY, NULL, field, bytes);
}

static void
policy(Maker *m, Dataset *d, const char *action, const char *relation, const char *row)
{
	EpsField	field[8] = {{NULL, 0}};

	field[0] = text(row);
	field[1] = text("iris");
	field[2] = text(relation);
	field[3] = text(action);
	append(m, EPS_ENTRY_POLICY, d, field, NULL);
}

/* Epsilon 2 at delta 1e-6, or pure; 5 % set aside. */
static void
set_promise(Dataset *d)
{
	double		rho = 2;
	uint64_t	units;

	if (!d->pure && (eps_mechanism_zcdp_rho(&rho, 2, 5e-7) != EPS_OK ||
					 eps_mechanism_units_down(&d->delta_limit, 4.9e-7) != EPS_OK))
		abort();
	if (eps_mechanism_units_down(&units, rho) != EPS_OK)
		abort();
	d->cap = units / 100 * 95;
	d->standard = d->cap / (d->pure ? 2 : 1);
	d->side = units - d->cap;
}

static void
promise(Maker *m, Dataset *d, const char *action, const char *name)
{
	char		row[1024];

	(void) snprintf(row, sizeof(row), "{\"name\": \"%s\", \"delta\": %s, \"epsilon\": 2, \"capacity\": %" PRIu32
					", \"standard\": 2, \"cap_units\": %" PRIu64 ", \"closed_at\": null, \"accountant\": \"%s\", "
					"\"created_at\": \"2026-01-01T00:00:00+00:00\", \"created_by\": \"iris\", \"dataset_id\": %" PRIu32
					", \"key_family\": \"\", \"new_owners\": \"%s\", \"side_units\": %" PRIu64 ", \"delta_units\": %" PRIu64
					", \"rows_per_owner\": null, \"standard_units\": %" PRIu64 ", \"worst_case_by\": null, "
					"\"worst_case_from\": null, \"conversion_delta\": %s}", name, d->pure ? "0" : "1e-06", d->capacity,
					d->cap, d->pure ? "pure" : "zcdp", d->number, d->worst_case ? "worst_case" : "zero", d->side,
					d->delta_limit, d->standard, d->pure ? "0" : "5e-07");
	policy(m, d, action, "", row);
}

static void
raise_promise(Maker *m, Dataset *d)
{
	d->cap++;
	promise(m, d, "update dataset", "hospital");
	d->cap--;
}

static void
make_dataset(Maker *m, Dataset *d, const char *name)
{
	char		row[1024];

	d->account = calloc(d->capacity, sizeof(Account));
	promise(m, d, "insert dataset", name);
	(void) snprintf(row, sizeof(row), "{\"purpose\": \"research\", \"set_by\": \"iris\", \"valid_to\": null, \"ended_by\": null, "
					"\"dataset_id\": %" PRIu32 ", \"purpose_no\": 0, \"valid_from\": \"2026-01-01T00:00:07+00:00\", "
					"\"default_consent\": true}", d->number);
	policy(m, d, "insert purpose", "", row);
	(void) snprintf(row, sizeof(row), "{\"state\": \"protected\", \"set_by\": \"iris\", \"ended_by\": null, \"relation\": \"%s.visit\", "
					"\"valid_to\": null, \"dataset_id\": %" PRIu32 ", \"owner_path\": \"person_id\", \"valid_from\": "
					"\"2026-01-01T00:00:14+00:00\", \"owner_columns\": [\"person_id\"], \"rows_per_owner\": 10, "
					"\"owner_relations\": [], \"groups_per_owner\": 3}", name, d->number);
	policy(m, d, "insert protected_relation", "visit", row);
	(void) snprintf(row, sizeof(row), "{\"role\": \"alice\", \"set_by\": \"iris\", \"ended_by\": null, \"purposes\": [\"research\"], "
					"\"valid_to\": null, \"dataset_id\": %" PRIu32 ", \"valid_from\": \"2026-01-01T00:00:21+00:00\", "
					"\"query_units\": %" PRIu64 ", \"quota_units\": null, \"epsilon_quota\": null, \"epsilon_per_query\": 0.5}",
					d->number, d->cap / 10);
	policy(m, d, "insert analyst", "", row);
}

/* --- releases ------------------------------------------------------------------------------ */

static uint64_t
level_units(unsigned level)
{
	return level == 0 ? 0 : eps_accountant_ladder_units(level);
}

static void
enrol(Dataset *d, uint32_t more, uint64_t *units, uint64_t *delta_units)
{
	*units = d->worst_case ? (uint64_t) d->total : 0;
	*delta_units = d->worst_case ? (uint64_t) d->total_delta : 0;
	for (; more > 0 && d->naccounts < d->capacity; more--)
		d->account[d->naccounts++] = (Account) {.spent = *units,.spent_delta = *delta_units,.limit = d->standard};
}

static void
put_enrolled(Bytes *out, const Dataset *d, uint64_t units, uint64_t delta_units)
{
	put_int(out, d->naccounts, 4);
	put_int(out, units, 8);
	put_int(out, delta_units, 8);
}

static bool
charge(Dataset *d, uint32_t account, unsigned level, unsigned delta_level)
{
	Account    *a = &d->account[account];
	uint64_t	limit = a->limit < d->cap ? a->limit : d->cap;

	if (a->merged || a->spent + level_units(level) > limit || a->spent_delta + level_units(delta_level) > d->delta_limit)
		return false;
	a->spent += level_units(level);
	a->spent_delta += level_units(delta_level);
	return true;
}

/* As if limits and worst cases were not there. */
static void
spoil_charges(Maker *m, Dataset *d, roaring_bitmap_t *low, roaring_bitmap_t *high, unsigned *level)
{
	if (roaring_bitmap_is_empty(low) || m->size + 1 < m->plan->cheat_at)
		return;
	if (cheat(m, LEDGER_CHARGES_TWICE))
		roaring_bitmap_add(high, roaring_bitmap_minimum(low));
	if (cheat(m, LEDGER_CHARGES_STRANGER))
		roaring_bitmap_add(high, d->naccounts);
	if (cheat(m, LEDGER_CHARGES_ABOVE_WORST))
		*level += 3;
	if (m->plan->cheat == LEDGER_CHARGES_ABOVE_LIMIT)
		for (uint32_t i = 0; i < d->naccounts; i++)
			if (d->account[i].limit < d->account[i].spent + level_units(*level - 2) && !roaring_bitmap_contains(low, i) &&
				!roaring_bitmap_contains(high, i) && !d->pure && cheat(m, LEDGER_CHARGES_ABOVE_LIMIT))
				roaring_bitmap_add(low, i);
}

/* Owners who stand in a stretch are charged the lower level, others the higher. */
static void
put_charges(Maker *m, Bytes *out, Dataset *d, unsigned level, unsigned delta_level)
{
	roaring_bitmap_t *low = roaring_bitmap_create();
	roaring_bitmap_t *high = roaring_bitmap_create();
	uint32_t	first = below(m, d->naccounts);
	uint32_t	n = 1 + below(m, m->plan->per_release);

	for (uint32_t i = 0; i < n && first + i < d->naccounts; i++)
		if (charge(d, first + i, level - 2, 0))
			roaring_bitmap_add(low, first + i);
	for (uint32_t i = 0; i < n / 4; i++)
	{
		uint32_t	account = below(m, d->naccounts);

		if (account - first >= n && !roaring_bitmap_contains(high, account) && charge(d, account, level, delta_level))
			roaring_bitmap_add(high, account);
	}
	spoil_charges(m, d, low, high, &level);
	for (int i = 0; i < 2; i++)
	{
		roaring_bitmap_t *set = i == 0 ? low : high;
		uint8_t    *bytes;
		size_t		len;

		if (!roaring_bitmap_is_empty(set))
		{
			roaring_bitmap_run_optimize(set);
			len = roaring_bitmap_portable_size_in_bytes(set);
			bytes = malloc(len);
			(void) roaring_bitmap_portable_serialize(set, (char *) bytes);
			put_int(out, i == 0 ? level - 2 : level, 2);
			put_int(out, i == 0 ? 0 : delta_level, 2);
			put_int(out, len, 4);
			put(out, bytes, len);
			free(bytes);
		}
		roaring_bitmap_free(set);
	}
}

static const char *const statements[] = {
	"SELECT count(*) FROM visit",
	"SELECT dept, count(*) FROM visit GROUP BY dept",
	"SELECT avg(dp.clamp(cost, 0, 1000)) FROM visit WHERE year = 2025",
	"SELECT year, sum(dp.clamp(days, 0, 30)) FROM visit GROUP BY year"
};

static void
answer(Maker *m, Dataset *d, EpsEntryKind kind)
{
	static const char *const analysts[] = {"alice", "bob", "carol"};
	Bytes		price = {0};
	Bytes		charges = {0};
	Bytes		links = {0};
	Bytes		owners = {0};
	EpsField	field[8] = {{NULL, 0}};
	unsigned	level = kind == EPS_ENTRY_REPEAT ? 0 : 192 + below(m, NLEVELS);
	unsigned	delta_level = kind == EPS_ENTRY_RELEASE && !d->pure && below(m, 3) == 0 ? 60 + below(m, NLEVELS) : 0;
	uint64_t	units = 0;
	uint64_t	delta_units = 0;

	if (m->plan->entries > 100000 && level > 0)
		level = 60 + below(m, NLEVELS);
	if (kind == EPS_ENTRY_LEFT_OUT && d->side_spent + level_units(level) > d->side && !cheat(m, LEDGER_SPENDS_SET_ASIDE))
		return;
	put_int(&price, level, 2);
	put_int(&price, delta_level, 2);
	put_int(&price, level_units(level) + cheat(m, LEDGER_PRICE_BETWEEN_LEVELS), 8);
	put_int(&price, level_units(delta_level), 8);
	enrol(d, kind == EPS_ENTRY_RELEASE ? 1 + below(m, 1 + d->capacity / 64) : 0, &units, &delta_units);
	put_enrolled(&owners, d, units > 0 && cheat(m, LEDGER_LETS_BEGIN_AT_ZERO) ? 0 : units, delta_units);
	if (kind == EPS_ENTRY_RELEASE)
	{
		put_charges(m, &charges, d, level, delta_level);
		d->total += cheat(m, LEDGER_FORGETS_PRICE) ? 0 : level_units(level);
		d->total_delta += level_units(delta_level);
		d->releases++;
		m->waiting[m->nwaiting++] = m->size + 1;
	}
	else if (kind == EPS_ENTRY_REPEAT)
		put_int(&links, cheat(m, LEDGER_REPEATS_NOTHING) ? 1 : m->waiting[0], 8);
	else
		d->side_spent += level_units(level);
	field[0] = text(statements[below(m, 4)]);
	field[1] = text(analysts[below(m, 3)]);
	field[2] = text("research");
	field[3] = text(d->pure ? "laplace" : "gaussian");
	field[4] = bytes_of(&price);
	field[5] = bytes_of(&charges);
	field[6] = bytes_of(&links);
	field[7] = bytes_of(&owners);
	append(m, kind, d, field, NULL);
	free(price.at);
	free(charges.at);
	free(links.at);
	free(owners.at);
}

static void
commit_answers(Maker *m)
{
	EpsAnswersBody body = {.first = m->answered_to + 1,.last = m->size};
	uint8_t		bytes[EPS_ENTRY_BODY_LEN];
	EpsField	field[8] = {{NULL, 0}};
	Bytes		slots = {0};
	EpsFrontier tree;

	eps_ledger_frontier_init(&tree);
	for (unsigned i = 0; i < 256; i++)
	{
		uint8_t		salt[32];
		EpsHash		commitment;
		uint64_t	seq = i < m->nwaiting ? m->waiting[i] : 0;

		if (seq != 0 && cheat(m, LEDGER_LEAVES_ANSWER_OUT))
			seq = 0;
		if (seq == 0 && m->nwaiting > 0 && cheat(m, LEDGER_ANSWERS_TWICE))
			seq = m->waiting[0];
		draw(m, salt, sizeof(salt));
		put_int(&slots, seq, 8);
		put(&slots, salt, sizeof(salt));
		eps_ledger_slot_commit(&commitment, salt, seq, (const uint8_t *) "42", 2);
		eps_ledger_leaf_hash(&commitment, commitment.b, sizeof(commitment.b));
		eps_ledger_frontier_add(&tree, &commitment);
	}
	eps_ledger_frontier_root(&body.root, &tree);
	eps_ledger_answers_write(bytes, &body);
	field[6] = bytes_of(&slots);
	m->answered_to = m->size;
	m->nwaiting = 0;
	append(m, EPS_ENTRY_ANSWERS, NULL, field, bytes);
	free(slots.at);
}

/* --- owners ------------------------------------------------------------------------------------ */

static void
begin_change(Maker *m, Dataset *d, int kind)
{
	put_int(&d->changes, (uint64_t) kind, 1);
	put_int(&d->changes, m->size, 8);
	put_int(&d->changes, m->at, 8);
}

/* Enrols somebody now and then, as limits and consents of new owners do. */
static void
end_change(Maker *m, Dataset *d)
{
	uint64_t	units;
	uint64_t	delta_units;

	enrol(d, below(m, 2), &units, &delta_units);
	put_enrolled(&d->changes, d, units, delta_units);
}

static void
change_limit(Maker *m, Dataset *d)
{
	uint32_t	account = below(m, d->naccounts);
	uint64_t	units = below(m, 2) == 0 ? d->cap : d->cap / 2;

	begin_change(m, d, 1);
	put_int(&d->changes, account, 4);
	put_int(&d->changes, units, 8);
	end_change(m, d);
	d->account[account].limit = d->account[account].merged ? 0 : units;
}

static void
change_consent(Maker *m, Dataset *d)
{
	uint32_t	account = below(m, d->naccounts);
	uint32_t	granted = below(m, 2);

	begin_change(m, d, 2);
	put_int(&d->changes, account, 4);
	put_int(&d->changes, 0, 1);
	put_int(&d->changes, granted, 1);
	put_int(&d->changes, 0, 8);
	end_change(m, d);
	d->account[account].consent_set |= 1;
	d->account[account].consent = granted;
}

static void
change_merge(Maker *m, Dataset *d)
{
	uint32_t	from = below(m, d->naccounts);
	uint32_t	to = below(m, d->naccounts);
	Account    *a = &d->account[from];
	Account    *b = &d->account[to];
	uint32_t	set = a->consent_set | b->consent_set;
	uint64_t	units;
	uint64_t	delta_units;

	if (from == to || a->merged || b->merged)
		return;
	units = eps_accountant_merge_rho(a->spent, b->spent, d->pure) - b->spent;
	if (units > 0 && m->plan->cheat == LEDGER_MERGES_CHEAPLY && !d->cheated && m->size >= m->plan->cheat_at)
	{
		units--;
		d->cheated = true;
	}
	delta_units = d->delta_limit > b->spent_delta ? d->delta_limit - b->spent_delta : 0;
	begin_change(m, d, 3);
	put_int(&d->changes, from, 4);
	put_int(&d->changes, to, 4);
	put_int(&d->changes, units, 8);
	put_int(&d->changes, delta_units, 8);
	end_change(m, d);
	b->spent += units;
	b->spent_delta += delta_units;
	b->consent = (a->consent | ~a->consent_set) & (b->consent | ~b->consent_set) & set;
	b->consent_set = set;
	b->limit = a->limit < b->limit ? a->limit : b->limit;
	a->limit = 0;
	a->merged = true;
}

static void
change_owners(Maker *m, Dataset *d)
{
	if (d->naccounts == 0)
		return;
	switch (below(m, 8))
	{
		case 0:
			change_merge(m, d);
			break;
		case 1:
			begin_change(m, d, 4);
			put_int(&d->changes, 3, 8);
			put_int(&d->changes, 0, 8);
			break;
		case 2:
		case 3:
		case 4:
			change_limit(m, d);
			break;
		default:
			change_consent(m, d);
	}
}

static EpsStatus
fetch_account(void *context, EpsMapAccount *out, uint32_t account)
{
	const Account *a = &((const Dataset *) context)->account[account];

	*out = (EpsMapAccount) {a->spent, a->spent_delta, a->limit, a->consent_set, a->consent, a->merged};
	return EPS_OK;
}

/* Maps in which the first owner who was charged, or spoke, is as before. */
static void
spoil_maps(Maker *m, Dataset *d, Account *kept)
{
	for (uint32_t i = 0; i < d->naccounts && !d->cheated && m->size >= m->plan->cheat_at; i++)
	{
		if (m->plan->cheat == LEDGER_FORGETS_CHARGE && d->account[i].spent > 0)
		{
			*kept = d->account[i];
			d->account[i].spent = 0;
			d->cheated = true;
			d->spoiled = i;
		}
		else if (m->plan->cheat == LEDGER_FORGETS_CONSENT && d->account[i].consent_set != 0)
		{
			*kept = d->account[i];
			d->account[i].consent_set = 0;
			d->account[i].consent = 0;
			d->cheated = true;
			d->spoiled = i;
		}
	}
}

static void
print_hex(FILE *out, const void *bytes, size_t len)
{
	fputc('"', out);
	for (size_t i = 0; i < len; i++)
		fprintf(out, "%02x", ((const uint8_t *) bytes)[i]);
	fputc('"', out);
}

static void
print_proof(FILE *out, const char *name, const EpsMapProof *proof, const uint8_t *message, size_t len)
{
	fprintf(out, "\"%s\": {\"slot\": %" PRIu32 ", \"leaf_key\": ", name, proof->slot);
	print_hex(out, proof->leaf_key, sizeof(proof->leaf_key));
	fputs(", \"message\": ", out);
	print_hex(out, message, len);
	fputs(", \"path\": [", out);
	for (unsigned i = 0; i < proof->depth; i++)
	{
		if (i > 0)
			fputs(", ", out);
		print_hex(out, proof->path[i].b, sizeof(proof->path[i].b));
	}
	fputs("]}", out);
}

/* What the maps prove of account 0; the rest of a statement is for prove to add. */
static void
keep_statement(Maker *m, Dataset *d, void *room)
{
	EpsMapProof balance;
	EpsMapProof consent;
	EpsMapAccount state;
	uint8_t		message[2][EPS_MAP_BALANCE_LEN];
	FILE	   *out;

	if (m->plan->statement == NULL || d != &m->dataset[0] || d->naccounts == 0 ||
		(m->plan->stop_at == 0 && m->size + 2 * m->plan->per_epoch >= m->plan->entries) ||
		(m->plan->stop_at != 0 && m->size >= m->plan->stop_at))
		return;
	if (eps_ledger_map_prove(&balance, &consent, d->body.depth, d->map_opening, d->naccounts, 0, fetch_account, d,
							 room) != EPS_OK || fetch_account(d, &state, 0) != EPS_OK ||
		(out = fopen(m->plan->statement, "w")) == NULL)
	{
		m->failed = true;
		return;
	}
	eps_ledger_map_balance(message[0], 0, &state);
	eps_ledger_map_consent(message[1], 0, &state);
	fprintf(out, "{\"dataset\": \"hospital\", \"account\": 0, \"as_of\": %" PRIu64 ", ", d->body.as_of);
	print_proof(out, "balance", &balance, message[0], EPS_MAP_BALANCE_LEN);
	fputs(", ", out);
	print_proof(out, "consent", &consent, message[1], EPS_MAP_CONSENT_LEN);
	fputs("}\n", out);
	m->failed |= fclose(out) != 0;
}

/* Takes the maps as they are now; their entry comes later. */
static void
end_epoch(Maker *m, Dataset *d)
{
	unsigned	depth = eps_ledger_map_depth(d->capacity);
	void	   *room = malloc(eps_ledger_map_room(depth));
	Bytes		opening = {0};
	Account		kept;

	draw(m, d->map_opening, 32);
	put(&opening, d->map_opening, 32);
	put_int(&opening, d->naccounts, 4);
	memcpy(d->map_opening, opening.at, sizeof(d->map_opening));
	free(opening.at);
	d->body = (EpsOwnersBody) {.depth = (uint8_t) depth,.first = m->epoch_first,.last = m->at / 1000000,.as_of = m->size};
	spoil_maps(m, d, &kept);
	if (eps_ledger_map_roots(&d->body.balance, &d->body.consent, depth, d->map_opening, d->naccounts, fetch_account, d,
							 room) != EPS_OK)
		abort();
	keep_statement(m, d, room);
	free(room);
	if (d->cheated && m->plan->cheat != LEDGER_MERGES_CHEAPLY)
		d->account[d->spoiled] = kept;
	d->told.len = 0;
	put(&d->told, d->changes.at == NULL ? (const uint8_t *) "" : d->changes.at, d->changes.len);
	d->changes.len = 0;
	d->ended = true;
}

static void
tell_owners(Maker *m, Dataset *d)
{
	uint8_t		bytes[EPS_ENTRY_BODY_LEN];
	EpsField	field[8] = {{NULL, 0}};

	d->ended = false;
	if (cheat(m, LEDGER_SKIPS_EPOCH))
	{
		m->plan->cheated = 0;
		m->plan->cheat = LEDGER_HONEST;
		m->skipped = d;
		return;
	}
	if (d->cheated && m->plan->cheated == 0)
		m->plan->cheated = m->size + 1;
	if (m->skipped == d)
	{
		m->plan->cheated = m->size + 1;
		m->skipped = NULL;
	}
	eps_ledger_owners_write(bytes, &d->body);
	field[6] = (EpsField) {d->map_opening, sizeof(d->map_opening)};
	field[7] = bytes_of(&d->told);
	append(m, EPS_ENTRY_OWNERS, d, field, bytes);
}

/* --- the story ------------------------------------------------------------------------------------ */

static void
epoch(Maker *m, uint64_t entries)
{
	uint64_t	end = m->size + entries;

	while (m->size < end)
	{
		Dataset    *d = &m->dataset[below(m, NDATASETS)];
		uint32_t	which = below(m, 16);

		if (which == 0 && m->nwaiting > 0)
			answer(m, d, EPS_ENTRY_REPEAT);
		else if (which == 1)
			answer(m, d, EPS_ENTRY_LEFT_OUT);
		else if (which < 4)
			change_owners(m, d);
		else
			answer(m, d, EPS_ENTRY_RELEASE);
		if (m->nwaiting == SALTS)
			commit_answers(m);
		for (int i = 0; i < NDATASETS && end - m->size < entries - 2; i++)
			if (m->dataset[i].ended)
				tell_owners(m, &m->dataset[i]);
	}
	for (int i = 0; i < NDATASETS; i++)
	{
		if (m->dataset[i].ended)
			tell_owners(m, &m->dataset[i]);
	}
	for (int i = 0; i < NDATASETS; i++)
		end_epoch(m, &m->dataset[i]);
	m->epoch_first = m->at / 1000000 + 1;
	m->epoch++;
	m->at += 1000000;
	commit_answers(m);
}

static size_t
sign(Maker *m, char note[EPS_CHECKPOINT_MAX])
{
	EpsCheckpoint checkpoint = {.size = m->size};
	size_t		n = 0;

	memcpy(checkpoint.origin, m->origin, sizeof(checkpoint.origin));
	eps_ledger_frontier_root(&checkpoint.root, &m->tree);
	for (int i = 0; i < NDATASETS; i++)
		if (m->dataset[i].releases > 0)
			checkpoint.total[checkpoint.ntotals++] = (EpsCheckpointTotal) {m->dataset[i].number, m->dataset[i].total,
			m->dataset[i].total_delta};
	if (eps_ledger_checkpoint_sign(note, EPS_CHECKPOINT_MAX, &n, &checkpoint, m->secret[m->nkeys - 1]) != EPS_OK)
		m->failed = true;
	return n;
}

static void
keep_early(Maker *m)
{
	char		note[EPS_CHECKPOINT_MAX];
	size_t		n;
	FILE	   *file;

	if (m->plan->early == NULL || m->size < m->plan->cheat_at)
		return;
	n = sign(m, note);
	file = fopen(m->plan->early, "wb");
	if (file == NULL || fwrite(note, 1, n, file) != n || fclose(file) != 0)
		m->failed = true;
	m->plan->early = NULL;
}

static void
finish(Maker *m, char vkey[256])
{
	char		note[EPS_CHECKPOINT_MAX];
	Bytes		keys = {0};
	size_t		n;

	for (int level = 0; level < 8; level++)
		if (m->count[level] % 256 != 0)
			save_tile(m, level, m->count[level] / 256, (unsigned) (m->count[level] % 256), m->node[level],
					  (size_t) (m->count[level] % 256) * sizeof(EpsHash));
	if (m->size % 256 != 0)
		flush(m, (unsigned) (m->size % 256));
	n = sign(m, note);
	save(m, "checkpoint", note, n);
	for (unsigned i = m->nkeys; i-- > 0;)
		if (eps_ledger_vkey_write(vkey, m->origin, m->public_key[i]) != EPS_OK)
			m->failed = true;
	for (unsigned i = 0; i < m->nkeys; i++)
	{
		char		line[256];

		if (eps_ledger_vkey_write(line, m->origin, m->public_key[i]) == EPS_OK)
			put(&keys, line, strlen(line));
		put(&keys, "\n", 1);
	}
	save(m, "key", keys.at, keys.len);
	free(keys.at);
}

static void
tell(Maker *m)
{
	const LedgerPlan *plan = m->plan;
	bool		moved = false;

	boot(m, 1);
	new_key(m);
	make_dataset(m, &m->dataset[0], "hospital");
	make_dataset(m, &m->dataset[1], "registry");
	while (m->size + plan->per_epoch < plan->entries)
	{
		epoch(m, plan->per_epoch);
		keep_early(m);
		if (plan->stop_at != 0 && m->size >= plan->stop_at)
			return;
		if (moved || m->size < plan->entries / 2)
			continue;
		boot(m, 2);
		if (!cheat(m, LEDGER_MOVES_SILENTLY))
			recovery(m);
		if (cheat(m, LEDGER_RAISES_PROMISE))
			raise_promise(m, &m->dataset[0]);
		if (plan->rotate)
			new_key(m);
		policy(m, &m->dataset[0], "insert column_fact", "visit", "{\"relation\": \"hospital.visit\", \"column_name\": \"cost\", "
			   "\"lower\": 0, \"upper\": 1000, \"domain\": null, \"source\": \"price list of 2026\", \"set_by\": \"iris\", "
			   "\"valid_from\": \"2026-01-02T00:00:00+00:00\", \"valid_to\": null, \"ended_by\": null}");
		moved = true;
	}
	while (m->size < plan->entries)
	{
		answer(m, &m->dataset[below(m, NDATASETS)], EPS_ENTRY_RELEASE);
		if (m->nwaiting == SALTS)
			commit_answers(m);
	}
}

bool
ledger_make(const char *dir, LedgerPlan *plan, char vkey[256])
{
	Maker	   *m = calloc(1, sizeof(Maker));
	bool		good;

	m->dir = dir;
	m->plan = plan;
	m->at = START_AT;
	m->epoch = 1;
	m->epoch_first = START_AT / 1000000;
	memcpy(m->stream_key, &plan->seed, sizeof(plan->seed));
	m->stream_key[31] = 1;
	draw(m, m->id, sizeof(m->id));
	eps_ledger_origin(m->origin, m->id);
	eps_ledger_frontier_init(&m->tree);
	m->dataset[0] = (Dataset) {.number = 1,.capacity = plan->owners};
	m->dataset[1] = (Dataset) {.number = 2,.pure = true,.worst_case = true,.capacity = plan->owners / 2 + 1};
	for (int i = 0; i < NDATASETS; i++)
		set_promise(&m->dataset[i]);
	m->failed = mkdir(dir, 0777) != 0 || eps_crypto_init() != EPS_OK;
	if (!m->failed)
	{
		tell(m);
		finish(m, vkey);
	}
	for (int i = 0; i < NDATASETS; i++)
	{
		free(m->dataset[i].account);
		free(m->dataset[i].changes.at);
		free(m->dataset[i].told.at);
	}
	free(m->bundle.at);
	free(m->openings.at);
	good = !m->failed;
	free(m);
	return good;
}
