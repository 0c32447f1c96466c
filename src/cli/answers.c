/*
 * answers.c
 *	  Entries of answers: each release is in exactly one that follows it, once one
 *	  reaches so far.  The answers themselves are in no export: whoever holds a
 *	  receipt can show one.
 */
#include "cli/cli_internal.h"

#include <inttypes.h>
#include <string.h>

#define SLOTS 256
#define SALT_LEN 32

static bool
get_bit(const uint8_t *bits, uint64_t i)
{
	return (bits[i / 8] >> (i % 8) & 1) != 0;
}

static void
set_bit(uint8_t *bits, uint64_t i)
{
	bits[i / 8] |= (uint8_t) (1 << (i % 8));
}

static const char *
wrong_slot(EpsCliVerifier *v, uint64_t seq, const EpsAnswersBody *body)
{
	if (seq == 0)
		return NULL;
	if (seq < body->first || seq > body->last)
		return "holds an answer outside its range";
	if (!get_bit(v->is_release, seq))
		return "holds an answer of an entry that is no release";
	if (get_bit(v->is_answered, seq))
		return "holds an answer that an entry before holds";
	set_bit(v->is_answered, seq);
	return NULL;
}

static const char *
wrong_slots(EpsCliVerifier *v, EpsField field, const EpsAnswersBody *body)
{
	EpsCursor	c = {field.bytes, field.bytes + field.len};
	const char *wrong = NULL;

	for (int i = 0; i < SLOTS && wrong == NULL; i++)
	{
		uint64_t	seq;
		const uint8_t *salt;

		if (eps_base_read_u64(&seq, &c) != EPS_OK || eps_base_read_bytes(&salt, &c, SALT_LEN) != EPS_OK)
			return "has a malformed opening";
		wrong = wrong_slot(v, seq, body);
	}
	return wrong == NULL && c.at != c.end ? "has a malformed opening" : wrong;
}

/* Releases up to the last of the range, which no entry held before, must be here. */
static bool
has_gap(EpsCliVerifier *v, uint64_t last)
{
	for (uint64_t seq = v->answered_to + 1; seq <= last; seq++)
		if (get_bit(v->is_release, seq) && !get_bit(v->is_answered, seq))
			return true;
	if (last > v->answered_to)
		v->answered_to = last;
	return false;
}

static const char *
wrong_answers(EpsCliVerifier *v, const EpsEntry *entry, const EpsField *field)
{
	EpsAnswersBody body;
	const char *wrong;

	if (eps_ledger_answers_read(&body, entry->body) != EPS_OK || body.last >= entry->seq)
		return "is malformed, or stands before its answers";
	wrong = wrong_slots(v, field[6], &body);
	return wrong == NULL && has_gap(v, body.last) ? "leaves a release out" : wrong;
}

void
eps_cli_answers_entry(EpsCliVerifier *v, const EpsEntry *entry, const EpsField *field)
{
	const char *wrong = NULL;

	if (entry->kind == EPS_ENTRY_RELEASE)
		set_bit(v->is_release, entry->seq);
	if (entry->kind != EPS_ENTRY_ANSWERS)
		return;
	wrong = wrong_answers(v, entry, field);
	v->verdict->result[EPS_CLI_ANSWERS].checked++;
	if (wrong != NULL)
		eps_cli_fail(v, EPS_CLI_ANSWERS, entry->seq, "the entry of answers %" PRIu64 " %s", entry->seq, wrong);
}
