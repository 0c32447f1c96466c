/*
 * answers.c
 *	  Answers that are given again (rule 26): their keys, the store, and the ledger
 *	  entries of repeats.
 *
 * The store is a table of the book that only the ledger writer writes.  A backend
 * seals an answer and hands it over; the writer commits it without waiting for the
 * disk, after the charge of its release: a crash may lose an answer, and never a
 * charge.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "core/crypto/crypto.h"
#include "pg/budget/budget_internal.h"

StaticAssertDecl(EPS_ANSWER_KEY_LEN == EPS_SHA256_LEN, "length of an answer's key");

/* --- keys and seals ------------------------------------------------------------------ */

void
eps_budget_answer_key(uint8 key[EPS_ANSWER_KEY_LEN], const void *bytes, Size len)
{
	uint8		subkey[32];

	eps_budget_answer_subkey(subkey, false);
	eps_crypto_hmac(key, subkey, bytes, len);
	eps_base_wipe(subkey, sizeof(subkey));
}

/* What a sealed answer is bound to: it opens for no other question, and as the
 * answer of no other release. */
typedef struct Binding
{
	char		tag[16];
	int64		seq;
	int64		dataset_id;
	uint8		key[EPS_ANSWER_KEY_LEN];
} Binding;

static Binding
binding_of(int32 dataset_id, const uint8 key[EPS_ANSWER_KEY_LEN], int64 seq)
{
	Binding		binding = {.tag = "dp answer 1",.seq = seq,.dataset_id = dataset_id};

	memcpy(binding.key, key, EPS_ANSWER_KEY_LEN);
	return binding;
}

static uint8 *
seal(int32 dataset_id, const uint8 key[EPS_ANSWER_KEY_LEN], int64 seq, const uint8 *bytes, Size len)
{
	Binding		binding = binding_of(dataset_id, key, seq);
	uint8	   *sealed = palloc(len + EPS_SEAL_OVERHEAD);
	uint8		subkey[32];
	EpsStatus	status;

	eps_budget_answer_subkey(subkey, true);
	status = eps_crypto_seal(sealed, bytes, len, (const uint8 *) &binding, sizeof(binding), subkey);
	eps_base_wipe(subkey, sizeof(subkey));
	eps_common_check(status, "sealing an answer");
	return sealed;
}

/* False where it was sealed under another wrapping key, or altered. */
static bool
unseal(EpsStoredAnswer *answer, int32 dataset_id, const uint8 key[EPS_ANSWER_KEY_LEN], const bytea *sealed)
{
	Binding		binding = binding_of(dataset_id, key, answer->seq);
	Size		len = VARSIZE_ANY_EXHDR(sealed);
	uint8		subkey[32];
	bool		opened;

	if (len < EPS_SEAL_OVERHEAD)
		return false;
	answer->len = len - EPS_SEAL_OVERHEAD;
	answer->bytes = palloc(answer->len + 1);
	eps_budget_answer_subkey(subkey, true);
	opened = eps_crypto_open(answer->bytes, (const uint8 *) VARDATA_ANY(sealed), len,
							 (const uint8 *) &binding, sizeof(binding), subkey) == EPS_OK;
	eps_base_wipe(subkey, sizeof(subkey));
	return opened;
}

/* --- finding ----------------------------------------------------------------------------- */

typedef struct Pending
{
	uint64		generation;		/* 0: nothing is pending */
	uint64		answers_head;
	uint64		failures;
} Pending;

static Pending
pending_answers(EpsWriter *writer, int32 dataset_id)
{
	Pending		pending = {0};
	EpsRegion  *region;

	LWLockAcquire(EPS_BOOK_LOCK, LW_SHARED);
	region = eps_budget_region_find(MyDatabaseId, dataset_id);
	if (region != NULL && region->state == EPS_REGION_READY)
	{
		SpinLockAcquire(&writer->mutex);
		if (region->tail < region->answers_head)
			pending.generation = region->generation;
		pending.answers_head = region->tail < region->answers_head ? region->answers_head : region->tail;
		pending.failures = writer->failures;
		SpinLockRelease(&writer->mutex);
	}
	LWLockRelease(EPS_BOOK_LOCK);
	return pending;
}

static bool
is_settled(EpsWriter *writer, int32 dataset_id, const Pending *first)
{
	bool		settled = true;
	EpsRegion  *region;

	LWLockAcquire(EPS_BOOK_LOCK, LW_SHARED);
	region = eps_budget_region_find(MyDatabaseId, dataset_id);
	if (region != NULL && region->generation == first->generation)
	{
		SpinLockAcquire(&writer->mutex);
		settled = region->tail >= first->answers_head || writer->failures != first->failures;
		SpinLockRelease(&writer->mutex);
	}
	LWLockRelease(EPS_BOOK_LOCK);
	return settled;
}

/*
 * Waits until the writer has stored every answer that was handed to it before.
 * So whether an answer is found depends on who asked before, not on how fast the
 * writer is.  A writer that fails is not waited for.
 */
static void
settle(int32 dataset_id)
{
	EpsWriter  *writer = eps_budget_control == NULL ? NULL : eps_budget_writer_slot(MyDatabaseId, false);
	Pending		first;
	bool		settled;

	if (writer == NULL)
		return;
	first = pending_answers(writer, dataset_id);
	settled = first.generation == 0;
	while (!settled)
	{
		eps_budget_writer_ensure(writer);
		eps_budget_writer_wake(writer);
		ConditionVariablePrepareToSleep(&writer->answered);
		settled = is_settled(writer, dataset_id, &first);
		if (!settled)
			ConditionVariableTimedSleep(&writer->answered, 1000, PG_WAIT_EXTENSION);
		ConditionVariableCancelSleep();
	}
}

/* A column of dp_book.answer that is there and not NULL. */
static Datum
answer_column(Relation table, HeapTuple row, const char *name, Oid type)
{
	AttrNumber	attno = get_attnum(RelationGetRelid(table), name);
	bool		isnull = true;
	Datum		value = (Datum) 0;

	if (attno > 0 && TupleDescAttr(RelationGetDescr(table), attno - 1)->atttypid == type)
		value = heap_getattr(row, attno, RelationGetDescr(table), &isnull);
	if (isnull)
		ereport(ERROR,
				(errcode(EPS_ERRCODE_BOOK),
				 errmsg("table \"%s.%s\" does not have the columns that this version of pg_epsilon expects",
						EPS_SCHEMA_BOOK, "answer")));
	return value;
}

static bool
read_answer(EpsStoredAnswer *out, Relation table, HeapTuple row, int32 dataset_id,
			const uint8 key[EPS_ANSWER_KEY_LEN], TimestampTz not_before)
{
	bytea	   *sealed = DatumGetByteaPP(answer_column(table, row, "sealed", BYTEAOID));

	out->seq = DatumGetInt64(answer_column(table, row, "seq", INT8OID));
	out->at = DatumGetTimestampTz(answer_column(table, row, "at", TIMESTAMPTZOID));
	return out->at >= not_before && unseal(out, dataset_id, key, sealed);
}

/* Whatever the caller's rights and snapshot: the store as it stands now. */
static bool
look_up(EpsStoredAnswer *out, Relation table, int32 dataset_id,
		const uint8 key[EPS_ANSWER_KEY_LEN], TimestampTz not_before)
{
	Oid			index = RelationGetPrimaryKeyIndex(table);
	bytea	   *wanted = palloc(VARHDRSZ + EPS_ANSWER_KEY_LEN);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	ScanKeyData scankey;
	SysScanDesc scan;
	HeapTuple	row;
	bool		found;

	SET_VARSIZE(wanted, VARHDRSZ + EPS_ANSWER_KEY_LEN);
	memcpy(VARDATA(wanted), key, EPS_ANSWER_KEY_LEN);
	ScanKeyInit(&scankey, get_attnum(RelationGetRelid(table), "answer_key"), BTEqualStrategyNumber,
				F_BYTEAEQ, PointerGetDatum(wanted));
	scan = systable_beginscan(table, index, OidIsValid(index), snapshot, 1, &scankey);
	row = systable_getnext(scan);
	found = HeapTupleIsValid(row) && read_answer(out, table, row, dataset_id, key, not_before);
	systable_endscan(scan);
	UnregisterSnapshot(snapshot);
	return found;
}

bool
eps_budget_find_answer(EpsStoredAnswer *out, int32 dataset_id,
					   const uint8 key[EPS_ANSWER_KEY_LEN], TimestampTz not_before)
{
	Oid			schema = get_namespace_oid(EPS_SCHEMA_BOOK, true);
	Oid			relid = OidIsValid(schema) ? get_relname_relid("answer", schema) : InvalidOid;
	Relation	table;
	bool		found;

	if (!OidIsValid(relid) || eps_policy_dataset(dataset_id) == NULL)
		return false;
	settle(dataset_id);
	table = table_open(relid, AccessShareLock);
	found = look_up(out, table, dataset_id, key, not_before);
	table_close(table, AccessShareLock);
	return found;
}

/* --- storing ------------------------------------------------------------------------------ */

void
eps_budget_store_answer(EpsBook *book, const uint8 *key, int64 seq, const uint8 *bytes, Size len,
						const uint8 digest[EPS_ANSWER_DIGEST_LEN])
{
	static const char *const no_text[EPS_NTEXTS] = {NULL};
	EpsMessage	message = {.kind = EPS_MESSAGE_ANSWER,.answer_seq = seq};
	uint64		head_words;
	uint8	   *sealed = NULL;

	if (key != NULL && len <= EPS_ANSWER_MAX_BYTES)
	{
		sealed = seal(book->dataset_id, key, seq, bytes, len);
		message.has_answer_key = 1;
		memcpy(message.answer_key, key, EPS_ANSWER_KEY_LEN);
		message.answer_len = (uint32) (len + EPS_SEAL_OVERHEAD);
	}
	memcpy(message.digest, digest, sizeof(message.digest));
	message.at = GetCurrentStatementStartTimestamp();
	message.ncharges = (message.answer_len + sizeof(uint64) - 1) / sizeof(uint64);
	head_words = eps_budget_text_words(&message, no_text);

	if (eps_budget_enter_unless_held(book, head_words + message.ncharges))
	{
		if (sealed != NULL)
			eps_budget_ring_put(book, book->region->head + head_words, sealed, message.answer_len);
		eps_budget_publish(book, &message, no_text);
		LWLockRelease(EPS_REGION_LOCK(book->region));
		RESUME_INTERRUPTS();
		eps_budget_writer_wake(book->writer);
		EPS_TEST_POINT("handed");
	}
	if (sealed != NULL)
		pfree(sealed);
}

/* --- repeats -------------------------------------------------------------------------------- */

int64
eps_budget_repeat(EpsBook *book, const EpsAdmission *admission, int64 repeat_of)
{
	EpsMessage	message = {.kind = EPS_MESSAGE_REPEAT,.role = admission->role,
	.answer_seq = repeat_of,.has_answer_key = 1};
	const char *const text[EPS_NTEXTS] = {
		[EPS_TEXT_STATEMENT] = admission->statement,
		[EPS_TEXT_MECHANISM] = admission->mechanism,
		[EPS_TEXT_PURPOSE] = admission->purpose_name,
		[EPS_TEXT_ROLE] = GetUserNameFromId(admission->role, true)
	};

	memcpy(message.answer_key, admission->answer_key, EPS_ANSWER_KEY_LEN);
	message.at = GetCurrentStatementStartTimestamp();
	eps_budget_enter(book, eps_budget_text_words(&message, text));
	eps_budget_publish(book, &message, text);
	LWLockRelease(EPS_REGION_LOCK(book->region));
	book->reserved = message;
	LWLockAcquire(EPS_QUOTA_LOCK, LW_EXCLUSIVE);
	if (book->region->generation == book->generation)
		eps_budget_quota_repeats(book->region, admission->role, 1);
	LWLockRelease(EPS_QUOTA_LOCK);
	return eps_budget_await(book);
}
