/*
 * ring.c
 *	  Messages from backends to the ledger writer, a ring of words a region.
 *
 * Only the holder of the region's admission lock writes beyond head, and it
 * publishes a message by moving head, under the mutex of the writer's slot; only
 * the writer moves tail, after the message is on disk.  So a message that was
 * published is never lost while the server runs, whatever becomes of the
 * backend, the writer or the commit.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/proc.h"

#include "core/accountant/accountant.h"
#include "pg/budget/budget_internal.h"

#if PG_VERSION_NUM >= 170000
#define MY_PROCESS_NUMBER ((int32) MyProcNumber)
#else
#define MY_PROCESS_NUMBER ((int32) MyProc->pgprocno)
#endif

void
eps_budget_ring_put(const EpsBook *book, uint64 at, const void *bytes, Size len)
{
	uint64		index = eps_budget_ring_index(book, at);
	Size		first = Min(len, (Size) (book->ring_words - index) * sizeof(uint64));

	memcpy(book->ring + index, bytes, first);
	memcpy(book->ring, (const char *) bytes + first, len - first);
}

void
eps_budget_ring_get(const EpsBook *book, uint64 at, void *out, Size len)
{
	uint64		index = eps_budget_ring_index(book, at);
	Size		first = Min(len, (Size) (book->ring_words - index) * sizeof(uint64));

	memcpy(out, book->ring + index, first);
	memcpy((char *) out + first, book->ring, len - first);
}

static Size
text_bytes(const EpsMessage *message, int i)
{
	return message->text_len[i] == EPS_NO_TEXT ? 0 : message->text_len[i];
}

static uint64
text_words(const EpsMessage *message)
{
	uint64		words = 0;

	for (int i = 0; i < EPS_NTEXTS; i++)
		words += (text_bytes(message, i) + 7) / 8;
	return words;
}

/* Notes the lengths of the texts; returns the words of head and texts. ERROR
 * when the texts are too long, which depends on the query's text alone. */
uint64
eps_budget_text_words(EpsMessage *message, const char *const text[EPS_NTEXTS])
{
	Size		total = 0;

	for (int i = 0; i < EPS_NTEXTS; i++)
	{
		Size		len = text[i] == NULL ? 0 : strlen(text[i]);

		total += (len + 7) / 8 * 8;
		if (total > EPS_BOOK_MAX_TEXT)
			ereport(ERROR,
					(errcode(EPS_ERRCODE_REFUSED),
					 errmsg("query is too long to be recorded in the ledger"),
					 errdetail("The ledger records at most %d kB of text for an answer.",
							   (int) (EPS_BOOK_MAX_TEXT / 1024))));
		message->text_len[i] = text[i] == NULL ? EPS_NO_TEXT : (uint32) len;
	}
	return EPS_MESSAGE_WORDS + text_words(message);
}

/* Where the charges of the message at `at` begin. */
uint64
eps_budget_ring_charges(const EpsMessage *message, uint64 at)
{
	return at + EPS_MESSAGE_WORDS + text_words(message);
}

/* Notes the number that the writer gives the message at `at`. */
void
eps_budget_ring_set_seq(const EpsBook *book, uint64 at, int64 seq)
{
	eps_budget_ring_put(book, at + offsetof(EpsMessage, seq) / sizeof(uint64), &seq, sizeof(seq));
}

/* Texts of a message, in the current memory context. */
void
eps_budget_ring_text(const EpsBook *book, uint64 at, const EpsMessage *message, char *text[EPS_NTEXTS])
{
	at += EPS_MESSAGE_WORDS;
	for (int i = 0; i < EPS_NTEXTS; i++)
	{
		Size		len = text_bytes(message, i);

		text[i] = NULL;
		if (message->text_len[i] == EPS_NO_TEXT)
			continue;
		text[i] = palloc(len + 1);
		eps_budget_ring_get(book, at, text[i], len);
		text[i][len] = '\0';
		at += (len + 7) / 8;
	}
}

/* Words that a new message may take. Admission lock held. */
uint64
eps_budget_ring_free(const EpsBook *book)
{
	uint64		used;

	SpinLockAcquire(&book->writer->mutex);
	used = book->region->head - book->region->tail;
	SpinLockRelease(&book->writer->mutex);
	return book->ring_words - used;
}

/* Owners who are enrolled later may begin at the worst case of what came before. */
static void
count_worst_case(EpsRegion *region, const EpsMessage *message)
{
	region->admitted_units = eps_base_add_sat_u64(region->admitted_units,
												  eps_accountant_ladder_units(message->level));
	region->admitted_delta_units = eps_base_add_sat_u64(region->admitted_delta_units,
														eps_accountant_ladder_units(message->delta_level));
}

/*
 * Publishes the message whose charges the caller has written behind head.
 * Admission lock held, room checked before; cannot fail.  The writer numbers the
 * entries of a data set in this order, so ledger order is admission order.
 */
void
eps_budget_publish(const EpsBook *book, EpsMessage *message, const char *const text[EPS_NTEXTS])
{
	EpsRegion  *region = book->region;
	EpsWriter  *w = book->writer;
	uint64		at = region->head;
	uint64		text_at = at + EPS_MESSAGE_WORDS;
	EpsTicket  *ticket;

	for (int i = 0; i < EPS_NTEXTS; i++)
	{
		Size		len = text_bytes(message, i);

		if (len > 0)
			eps_budget_ring_put(book, text_at, text[i], len);
		text_at += (len + 7) / 8;
	}
	message->words = text_at - at + message->ncharges;
	message->naccounts = pg_atomic_read_u32(&region->naccounts);
	if (book->worst_case_start)
	{
		message->start_units = region->admitted_units;
		message->start_delta_units = region->admitted_delta_units;
	}
	if (message->kind == EPS_MESSAGE_RELEASE)
		count_worst_case(region, message);
	message->procno = MY_PROCESS_NUMBER;
	ticket = &eps_budget_control->tickets[message->procno];

	SpinLockAcquire(&w->mutex);
	message->order = w->next_order++;
	message->seq = 0;
	ticket->order = message->order;
	ticket->seq = 0;
	ticket->status = EPS_TICKET_WAITING;
	eps_budget_ring_put(book, at, message, sizeof(*message));
	region->head = at + message->words;
	if (message->kind == EPS_MESSAGE_ANSWER)
		region->answers_head = region->head;
	SpinLockRelease(&w->mutex);
}
