/*
 * audit.c
 *	  The auditor's part: each entry is opened, and what it says is handed to the
 *	  checks of its kind.
 */
#include "cli/cli_internal.h"

#include <inttypes.h>

void
eps_cli_audit_begin(EpsCliVerifier *v)
{
	uint64_t	size = v->verdict->checkpoint.size;

	v->sequential = (EpsCliOpenings) {.dir = v->dir,.size = size};
	v->ahead = v->sequential;
	v->folding = true;
	v->is_release = eps_cli_alloc(size / 8 + 1);
	v->is_answered = eps_cli_alloc(size / 8 + 1);
	eps_cli_epochs_index(v);
}

/* The fields of an entry, or NULL where they do not open it. */
static const EpsField *
open_fields(EpsCliVerifier *v, const EpsEntry *entry)
{
	EpsCliOpenings *o = &v->sequential;
	EpsCliOpened opened = eps_cli_open_entry(o, entry);
	bool		last_of_file = entry->seq % EPS_CLI_BUNDLE == 0 || entry->seq == v->verdict->checkpoint.size;

	v->verdict->result[EPS_CLI_OPENINGS].checked++;
	if (opened == EPS_CLI_NO_FILE)
		eps_cli_fail(v, EPS_CLI_FILES, entry->seq, "the openings of entry %" PRIu64 " and those after it are missing", entry->seq);
	else if (opened == EPS_CLI_MALFORMED)
		eps_cli_fail(v, EPS_CLI_OPENINGS, entry->seq, "the opening of entry %" PRIu64 " is malformed", entry->seq);
	else if (opened == EPS_CLI_ANOTHER)
		eps_cli_fail(v, EPS_CLI_OPENINGS, entry->seq, "entry %" PRIu64 " does not commit to what its opening says", entry->seq);
	else if (last_of_file && !eps_cli_openings_ended(o))
		eps_cli_fail(v, EPS_CLI_FILES, 0, "something stands after the opening of entry %" PRIu64 " in its file", entry->seq);
	return opened == EPS_CLI_OPENED ? o->field : NULL;
}

static void
check_kind(EpsCliVerifier *v, EpsCliDataset *d, const EpsEntry *entry, const EpsField *field)
{
	switch (entry->kind)
	{
		case EPS_ENTRY_POLICY:
			eps_cli_policy_entry(v, entry, field);
			break;
		case EPS_ENTRY_RELEASE:
		case EPS_ENTRY_REPEAT:
		case EPS_ENTRY_LEFT_OUT:
			eps_cli_fold_entry(v, d, entry, field);
			break;
		case EPS_ENTRY_OWNERS:
			eps_cli_epoch_entry(v, d, entry);
			break;
		default:
			break;
	}
}

void
eps_cli_audit_entry(EpsCliVerifier *v, const EpsEntry *entry)
{
	const EpsField *field = open_fields(v, entry);
	EpsCliDataset *d = entry->dataset == 0 ? NULL : eps_cli_dataset(v, entry->dataset);

	if (field == NULL)
		v->folding = false;
	if (!v->folding)
		return;
	if (v->options->listener.entry != NULL)
		v->options->listener.entry(v->options->listener.context, entry, field);
	if (d != NULL)
		eps_cli_epoch_before(v, d, entry->seq);
	check_kind(v, d, entry, field);
	eps_cli_boot_entry(v, entry, field);
	eps_cli_answers_entry(v, entry, field);
	eps_cli_epochs_after(v, entry->seq);
}

/* What no check could see. */
void
eps_cli_audit_end(EpsCliVerifier *v)
{
	for (unsigned i = 0; i < v->ndatasets; i++)
	{
		const EpsCliDataset *d = &v->datasets[i];

		if (d->known && d->tail)
			eps_cli_note(v, EPS_CLI_LIMITS, "after entry %" PRIu64 " owners' changes of data set %" PRIu32
						 " are not told yet: there the cap was the limit", d->owners_as_of, d->number);
	}
}
