/*
 * log_key.c
 *	  The keys that checkpoints are signed with: made on first use, sealed under a
 *	  subkey of the wrapping key, rotated by an entry that both keys sign (rule 43).
 *
 * A key is in force from its entry on.  One that was made waits in its table
 * until the writer has logged it: the transaction that made it may yet roll back.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "core/crypto/crypto.h"
#include "pg/budget/log_internal.h"

extern PGDLLEXPORT Datum eps_budget_sql_rotate_key(PG_FUNCTION_ARGS);

#define SEALED_LEN (EPS_SIGN_SECRET_LEN + EPS_SEAL_OVERHEAD)

/* --- sealing ------------------------------------------------------------------------- */

/* "pg_epsilon <what> 1", ledger id, then what it belongs to */
typedef struct Binding
{
	uint8		bytes[32 + EPS_LEDGER_ID_LEN + EPS_SIGN_PUBLIC_LEN];
	Size		len;
} Binding;

static Binding
bind_to(const char *what, const uint8 id[EPS_LEDGER_ID_LEN], const void *owner, Size len)
{
	Binding		b = {.len = strlen(what)};

	EPS_ENSURE(b.len <= 32 && len <= EPS_SIGN_PUBLIC_LEN, "a binding is too long");
	memcpy(b.bytes, what, b.len);
	memcpy(b.bytes + b.len, id, EPS_LEDGER_ID_LEN);
	memcpy(b.bytes + b.len + EPS_LEDGER_ID_LEN, owner, len);
	b.len += EPS_LEDGER_ID_LEN + len;
	return b;
}

static Binding
bind_to_seq(const uint8 id[EPS_LEDGER_ID_LEN], uint64 seq)
{
	uint8		number[8];
	uint8	   *at = number;

	eps_base_write_u64(&at, seq);
	return bind_to("pg_epsilon opening 1", id, number, sizeof(number));
}

/* The randomness of an entry's commitments. */
void
eps_budget_log_r_seal(uint8 out[32 + EPS_SEAL_OVERHEAD], const uint8 r[32], const uint8 id[EPS_LEDGER_ID_LEN],
					  uint64 seq)
{
	Binding		b = bind_to_seq(id, seq);
	uint8		key[32];
	EpsStatus	status;

	eps_budget_ledger_subkey(key, EPS_SUBKEY_OPENINGS);
	status = eps_crypto_seal(out, r, 32, b.bytes, b.len, key);
	eps_base_wipe(key, sizeof(key));
	eps_common_check(status, "sealing an opening");
}

bool
eps_budget_log_r_open(uint8 r[32], const bytea *sealed, const uint8 id[EPS_LEDGER_ID_LEN], uint64 seq)
{
	Binding		b = bind_to_seq(id, seq);
	uint8		key[32];
	bool		opened;

	if (VARSIZE_ANY_EXHDR(sealed) != 32 + EPS_SEAL_OVERHEAD)
		return false;
	eps_budget_ledger_subkey(key, EPS_SUBKEY_OPENINGS);
	opened = eps_crypto_open(r, (const uint8 *) VARDATA_ANY(sealed), VARSIZE_ANY_EXHDR(sealed),
							 b.bytes, b.len, key) == EPS_OK;
	eps_base_wipe(key, sizeof(key));
	return opened;
}

static bytea *
seal_secret(const uint8 secret[EPS_SIGN_SECRET_LEN], const uint8 public_key[EPS_SIGN_PUBLIC_LEN],
			const uint8 id[EPS_LEDGER_ID_LEN])
{
	Binding		b = bind_to("pg_epsilon signing key 1", id, public_key, EPS_SIGN_PUBLIC_LEN);
	bytea	   *sealed = palloc(VARHDRSZ + SEALED_LEN);
	uint8		key[32];
	EpsStatus	status;

	SET_VARSIZE(sealed, VARHDRSZ + SEALED_LEN);
	eps_budget_ledger_subkey(key, EPS_SUBKEY_SIGNING);
	status = eps_crypto_seal((uint8 *) VARDATA(sealed), secret, EPS_SIGN_SECRET_LEN, b.bytes, b.len, key);
	eps_base_wipe(key, sizeof(key));
	eps_common_check(status, "sealing a signing key");
	return sealed;
}

/* ERROR PV012 where it was sealed under another wrapping key, or altered. The
 * caller wipes the secret. */
void
eps_budget_log_key_open(uint8 secret[EPS_SIGN_SECRET_LEN], const uint8 id[EPS_LEDGER_ID_LEN],
						const EpsSigningKey *signing)
{
	Binding		b = bind_to("pg_epsilon signing key 1", id, signing->public_key, EPS_SIGN_PUBLIC_LEN);
	uint8		key[32];
	bool		opened;

	eps_budget_ledger_subkey(key, EPS_SUBKEY_SIGNING);
	opened = VARSIZE_ANY_EXHDR(signing->sealed) == SEALED_LEN &&
		eps_crypto_open(secret, (const uint8 *) VARDATA_ANY(signing->sealed), SEALED_LEN, b.bytes, b.len, key) == EPS_OK;
	eps_base_wipe(key, sizeof(key));
	if (!opened)
		ereport(ERROR,
				(errcode(EPS_ERRCODE_BOOK),
				 errmsg("the signing key of the ledger cannot be opened"),
				 errdetail("It was sealed under another wrapping key, or altered."),
				 errhint("Start the server with the wrapping key under which it was made.")));
}

/* --- the table ------------------------------------------------------------------------- */

typedef struct KeyReader
{
	MemoryContext context;
	List	   *keys;
} KeyReader;

static bool
read_key(void *context, HeapTuple row, TupleDesc desc)
{
	KeyReader  *reader = context;
	MemoryContext old = MemoryContextSwitchTo(reader->context);
	EpsSigningKey *key = palloc0(sizeof(EpsSigningKey));
	bytea	   *public_key = DatumGetByteaPP(eps_budget_column(row, desc, 1));
	bool		isnull;

	EPS_ENSURE(VARSIZE_ANY_EXHDR(public_key) == EPS_SIGN_PUBLIC_LEN, "a signing key is malformed");
	memcpy(key->public_key, VARDATA_ANY(public_key), EPS_SIGN_PUBLIC_LEN);
	key->sealed = DatumGetByteaPCopy(eps_budget_column(row, desc, 2));
	key->from_seq = (uint64) DatumGetInt64(SPI_getbinval(row, desc, 3, &isnull));
	if (isnull)
		key->from_seq = 0;
	key->set_by = SPI_getvalue(row, desc, 4);
	reader->keys = lappend(reader->keys, key);
	MemoryContextSwitchTo(old);
	return true;
}

/* All keys, oldest first, those not in force yet last. SPI connected. */
List *
eps_budget_log_keys(void)
{
	KeyReader	reader = {.context = CurrentMemoryContext};

	eps_budget_each_row("SELECT public_key, sealed, from_seq, set_by FROM dp_book.signing_key "
						"ORDER BY from_seq NULLS LAST, made_at, public_key", 0, NULL, NULL, read_key, &reader);
	return reader.keys;
}

/* The key in force at a size, or NULL. */
const EpsSigningKey *
eps_budget_log_key_at(List *keys, uint64 size)
{
	const EpsSigningKey *found = NULL;
	ListCell   *cell;

	foreach(cell, keys)
	{
		const EpsSigningKey *key = lfirst(cell);

		if (key->from_seq != 0 && key->from_seq <= size)
			found = key;
	}
	return found;
}

static bool
read_id(void *context, HeapTuple row, TupleDesc desc)
{
	bytea	   *id = DatumGetByteaPP(eps_budget_column(row, desc, 1));

	EPS_ENSURE(VARSIZE_ANY_EXHDR(id) == EPS_LEDGER_ID_LEN, "the name of the ledger is malformed");
	memcpy(context, VARDATA_ANY(id), EPS_LEDGER_ID_LEN);
	return false;
}

/* False where the log has no name yet. SPI connected. */
bool
eps_budget_log_id(uint8 id[EPS_LEDGER_ID_LEN])
{
	return !eps_budget_each_row("SELECT id FROM dp_book.ledger", 0, NULL, NULL, read_id, id);
}

/* A new key, not in force yet. set_by NULL: nobody's wish. */
static void
store_new_key(const uint8 id[EPS_LEDGER_ID_LEN], const char *set_by)
{
	Oid			types[4] = {BYTEAOID, BYTEAOID, TIMESTAMPTZOID, TEXTOID};
	bytea	   *public_key = palloc(VARHDRSZ + EPS_SIGN_PUBLIC_LEN);
	uint8		secret[EPS_SIGN_SECRET_LEN];
	Datum		values[4];

	SET_VARSIZE(public_key, VARHDRSZ + EPS_SIGN_PUBLIC_LEN);
	eps_common_check(eps_crypto_sign_new((uint8 *) VARDATA(public_key), secret), "making a signing key");
	values[0] = PointerGetDatum(public_key);
	values[1] = PointerGetDatum(seal_secret(secret, (const uint8 *) VARDATA(public_key), id));
	eps_base_wipe(secret, sizeof(secret));
	values[2] = TimestampTzGetDatum(GetCurrentTimestamp());
	values[3] = set_by == NULL ? (Datum) 0 : CStringGetTextDatum(set_by);
	EPS_ENSURE(SPI_execute_with_args("INSERT INTO dp_book.signing_key (public_key, sealed, made_at, set_by) "
									 "VALUES ($1, $2, $3, $4)", 4, types, values, set_by == NULL ? "   n" : NULL,
									 false, 0) == SPI_OK_INSERT, "a signing key could not be stored");
}

/* --- the entry -------------------------------------------------------------------------- */

static void
sign(uint8 out[EPS_SIGN_LEN], const uint8 statement[EPS_KEY_STATEMENT_LEN], const uint8 id[EPS_LEDGER_ID_LEN],
	 const EpsSigningKey *key)
{
	uint8		secret[EPS_SIGN_SECRET_LEN];

	eps_budget_log_key_open(secret, id, key);
	eps_crypto_sign(out, statement, EPS_KEY_STATEMENT_LEN, secret);
	eps_base_wipe(secret, sizeof(secret));
}

static void
log_key(EpsLog *log, const EpsSigningKey *before, EpsSigningKey *key)
{
	uint64		seq = (uint64) eps_budget_log_next(log);
	Oid			types[2] = {BYTEAOID, INT8OID};
	Datum		values[2];
	uint8		statement[EPS_KEY_STATEMENT_LEN];
	bytea	   *public_key = palloc(VARHDRSZ + EPS_SIGN_PUBLIC_LEN);
	EpsLogEntry entry = {.kind = EPS_ENTRY_KEY,.at = GetCurrentTimestamp()};
	EpsKeyBody	body = {0};

	eps_ledger_key_statement(statement, log->id, seq, key->public_key);
	memcpy(body.key, key->public_key, EPS_SIGN_PUBLIC_LEN);
	sign(body.by_new, statement, log->id, key);
	if (before != NULL)
		sign(body.by_old, statement, log->id, before);
	eps_ledger_key_write(entry.body, &body);
	entry.field[EPS_FIELD_WHO] = eps_budget_text_field(key->set_by);
	eps_budget_log_append(log, &entry);
	key->from_seq = seq;

	SET_VARSIZE(public_key, VARHDRSZ + EPS_SIGN_PUBLIC_LEN);
	memcpy(VARDATA(public_key), key->public_key, EPS_SIGN_PUBLIC_LEN);
	values[0] = PointerGetDatum(public_key);
	values[1] = Int64GetDatum((int64) seq);
	EPS_ENSURE(SPI_execute_with_args("UPDATE dp_book.signing_key SET from_seq = $2 "
									 "WHERE public_key OPERATOR(pg_catalog.=) $1", 2, types, values, NULL, false, 0)
			   == SPI_OK_UPDATE && SPI_processed == 1, "a signing key could not be logged");
}

static void
log_new_keys(EpsLog *log)
{
	const EpsSigningKey *before = NULL;
	ListCell   *cell;
	List	   *keys;

	/* one may be of this transaction */
	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
	keys = eps_budget_log_keys();
	PopActiveSnapshot();
	foreach(cell, keys)
	{
		EpsSigningKey *key = lfirst(cell);

		if (key->from_seq == 0)
			log_key(log, before, key);
		before = key;
	}
}

void
eps_budget_log_pending_keys(EpsLog *log)
{
	static SPIPlanPtr plan = NULL;

	if (plan == NULL)
	{
		plan = SPI_prepare("SELECT FROM dp_book.signing_key WHERE from_seq IS NULL", 0, NULL);
		EPS_ENSURE(plan != NULL && SPI_keepplan(plan) == 0, "a statement of the writer cannot be prepared");
	}
	EPS_ENSURE(SPI_execute_plan(plan, NULL, NULL, false, 1) == SPI_OK_SELECT, "a query on the book failed");
	if (SPI_processed > 0)
		log_new_keys(log);
}

/* Where there is none. */
void
eps_budget_log_first_key(EpsLog *log)
{
	if (eps_budget_log_keys() != NIL)
		return;
	store_new_key(log->id, NULL);
	log_new_keys(log);
}

/* --- dp.rotate_key ------------------------------------------------------------------------ */

PG_FUNCTION_INFO_V1(eps_budget_sql_rotate_key);
Datum
eps_budget_sql_rotate_key(PG_FUNCTION_ARGS)
{
	uint8		id[EPS_LEDGER_ID_LEN];
	Snapshot	snapshot;
	EpsLogTree *tree = palloc0(sizeof(EpsLogTree));
	bool		named;

	PreventCommandDuringRecovery("dp.rotate_key()");
	eps_budget_log_begin_read(tree, &snapshot);
	named = eps_budget_log_id(id);
	eps_budget_log_end_read(snapshot);
	if (!named)
		ereport(ERROR,
				(errcode(EPS_ERRCODE_BOOK),
				 errmsg("the ledger has no key yet"),
				 errhint("It is made with the first data set.")));
	eps_budget_spi_begin(false);
	store_new_key(id, GetUserNameFromId(GetOuterUserId(), false));
	eps_budget_spi_end(false);
	PG_RETURN_VOID();
}
