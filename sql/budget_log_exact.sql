-- The log: entries, proofs, export, rights, keys; and that dp.verify() names the
-- first bad entry, whatever a superuser changes.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION pg_epsilon;
CREATE SCHEMA dp_test;
CREATE FUNCTION dp_test.admit(dataset text, owners bigint[], level int, delta_level int DEFAULT 0, purpose int DEFAULT -1)
	RETURNS int AS 'pg_epsilon', 'eps_budget_sql_test_admit' LANGUAGE C STRICT;
CREATE ROLE regress_log_auditor IN ROLE dp_auditor;
CREATE ROLE regress_log_steward IN ROLE dp_steward;
CREATE ROLE regress_log_analyst;
CREATE TABLE patients (id int PRIMARY KEY, x int);
-- What dp.verify() finds wrong
CREATE FUNCTION wrong(full_check boolean DEFAULT true) RETURNS TABLE (check_name text, detail text) LANGUAGE sql AS
	$$ SELECT check_name, detail FROM dp.verify(full_check) WHERE NOT ok $$;

-- Nothing yet
SELECT dp.checkpoint(); \echo :SQLSTATE
SELECT count(*) FROM dp.ledger;
SELECT * FROM dp.verify();

SELECT dp.create_dataset('hospital', 10, 1e-6, capacity => 10000);
SELECT dp.protect('patients', 'hospital', 'id');
SELECT dp.add_purpose('hospital', 'research');
SELECT dp_test.admit('hospital', '{1,2,3}', 20, 10, 0);
SELECT dp_test.admit('hospital', '{2,4}', 24, 0, 0);
-- A change of policy comes before the answer that follows it
SELECT dp.set_bounds('patients', 'x', 0, 9, 'form');
SELECT dp_test.admit('hospital', ARRAY(SELECT generate_series(1, 500)), 20, 0, 0);
SELECT seq, kind, dataset_id, epoch, total_rho * 2 ^ 60 AS units, total_delta * 2 ^ 60 AS delta_units, length(entry) FROM dp.ledger;
SELECT rule - 'valid_from' AS rule FROM dp.policy_entries WHERE table_name = 'column_fact';
SELECT seq, who, dataset, action, table_name, relation FROM dp.policy_entries;
SELECT regexp_replace(detail, '=.*$', '', 'n') AS boot FROM (SELECT regexp_split_to_table(detail, '\n') AS detail FROM dp_book.log WHERE seq = 1) s;
SELECT check_name, ok, detail FROM dp.verify() WHERE check_name LIKE 'ledger%';

-- A rule that is made and ended in one transaction, and one that is rolled back
BEGIN;
SELECT dp.set_bounds('patients', 'x', 0, 8, 'form');
SELECT dp.set_bounds('patients', 'x', 0, 7, 'form');
COMMIT;
BEGIN;
SELECT dp.set_bounds('patients', 'x', 0, 6, 'form');
ROLLBACK;
ALTER TABLE patients RENAME TO people;
ALTER TABLE people RENAME COLUMN x TO y;
ALTER ROLE regress_log_analyst RENAME TO regress_log_asker;
SELECT count(*) > 0 AS hardened FROM dp.harden(apply => true);
SELECT dp.grant_analyst('regress_log_asker', 'hospital', 1);
ALTER ROLE regress_log_asker RENAME TO regress_log_analyst;
SELECT * FROM wrong();
SELECT count(*) FILTER (WHERE seq IS NULL) AS not_logged, count(*) > 10 AS many FROM dp_book.policy_event;

-- Keys
SELECT split_part(dp.checkpoint(), E'\n', 1) AS origin \gset
SELECT :'origin' ~ '^pg_epsilon/[0-9a-f]{32}$' AS origin_is_well_formed;
SELECT set_by, from_seq FROM dp_book.signing_key ORDER BY from_seq;
SELECT split_part(split_part(dp.checkpoint(), '— ', 2), ' ', 2) AS before \gset
SET ROLE regress_log_steward;
BEGIN; SELECT dp.rotate_key(); ROLLBACK;
SELECT dp.rotate_key();
SELECT dp.rotate_key();
RESET ROLE;
SELECT left(split_part(split_part(dp.checkpoint(), '— ', 2), ' ', 2), 5) <> left(:'before', 5) AS another_key;
SELECT set_by, (SELECT kind FROM dp.ledger l WHERE l.seq = from_seq) FROM dp_book.signing_key ORDER BY from_seq;
SELECT array_length(string_to_array(rtrim(convert_from(content, 'UTF8'), E'\n'), E'\n'), 1) AS keys FROM dp.export_ledger() WHERE path = 'key';
SELECT * FROM wrong();

-- Proofs: of every entry, between every two sizes, each of which the size alone says
SELECT max(seq) AS size FROM dp.ledger \gset
SELECT count(DISTINCT p.root) AS roots, bool_and(p.tree_size = :size) AS whole, bool_and(p.leaf_hash = sha256('\x00'::bytea || l.entry)) AS leaves,
	bool_and(p.root = decode(split_part(dp.checkpoint(), E'\n', 3), 'base64')) AS signed
FROM dp.ledger l, dp.inclusion_proof(l.seq) p;
SELECT count(*) = :size * (:size + 1) / 2 AS pairs, count(DISTINCT p.to_root) = :size AS roots, bool_and((i = j) = (p.proof = '{}')) AS empty_if_equal
FROM generate_series(1, :size) i, generate_series(i, :size) j, dp.consistency_proof(i, j) p;
SELECT dp.inclusion_proof(0); \echo :SQLSTATE
SELECT dp.inclusion_proof(:size + 1); \echo :SQLSTATE
SELECT dp.consistency_proof(0, 1); \echo :SQLSTATE
SELECT dp.consistency_proof(2, 1); \echo :SQLSTATE

-- More than one tile: 600 answers
SELECT count(dp_test.admit('hospital', ARRAY[1 + i % 7], 1, 0, 0)) FROM generate_series(1, 600) i;
SELECT level, n, length(hashes) FROM dp_book.tile ORDER BY 1, 2;
SELECT * FROM wrong();
SELECT max(seq) AS size FROM dp.ledger \gset
SELECT count(DISTINCT p.root) AS roots, count(*) = :size AS all FROM dp.ledger l, dp.inclusion_proof(l.seq) p;
SELECT count(*) FROM generate_series(1, :size, 13) i, dp.consistency_proof(i, :size) p;
SELECT regexp_replace(path, '\.p/\d+', '.p/W') AS path, CASE WHEN path LIKE '%.p/%' OR path LIKE 'auditor%' OR path IN ('checkpoint', 'key') THEN length(content) > 0 END AS some, CASE WHEN path LIKE '%.p/%' OR path LIKE 'auditor%' OR path IN ('checkpoint', 'key') THEN NULL ELSE length(content) END AS length
FROM dp.export_ledger('public');
SELECT regexp_replace(path, '\.p/\d+', '.p/W') AS path, length(content) > 1000 AS some FROM dp.export_ledger('auditor');
SELECT regexp_replace(path, '\.p/\d+', '.p/W') AS path FROM dp.export_ledger(from_seq => 513);
SELECT regexp_replace(path, '\.p/\d+', '.p/W') AS path FROM dp.export_ledger(from_seq => 1000000);
SELECT * FROM dp.export_ledger('private'); \echo :SQLSTATE
SELECT * FROM dp.export_ledger('public', 0); \echo :SQLSTATE

-- Who may read it
SET ROLE regress_log_auditor;
SELECT dp.checkpoint() IS NOT NULL AS checkpoint, (SELECT count(*) > 600 FROM dp.ledger) AS ledger, (SELECT count(*) > 2 FROM dp.export_ledger()) AS export, (SELECT count(*) > 2 FROM dp.export_ledger('auditor')) AS openings;
SELECT dp.rotate_key(); \echo :SQLSTATE
SELECT * FROM dp_book.log; \echo :SQLSTATE
SELECT dp_book.record_policy_change(); \echo :SQLSTATE
SET ROLE regress_log_analyst;
SELECT dp.checkpoint(); \echo :SQLSTATE
SELECT dp.inclusion_proof(1); \echo :SQLSTATE
SELECT dp.consistency_proof(1, 2); \echo :SQLSTATE
SELECT * FROM dp.ledger; \echo :SQLSTATE
SELECT * FROM dp.policy_entries; \echo :SQLSTATE
SELECT * FROM dp.export_ledger(); \echo :SQLSTATE
SELECT dp.rotate_key(); \echo :SQLSTATE
SELECT * FROM dp._policy_difference(); \echo :SQLSTATE
SELECT * FROM dp_book.log; \echo :SQLSTATE
SELECT * FROM dp_book.policy_event; \echo :SQLSTATE
SELECT * FROM dp_book.signing_key; \echo :SQLSTATE
RESET ROLE;

-- What a superuser changes behind the engine's back, each undone again
SELECT min(seq) AS one FROM dp_book.entry \gset
SELECT seq - :one AS off, level FROM dp_book.charge ORDER BY seq LIMIT 3;
BEGIN; UPDATE dp_book.log SET entry = set_byte(entry, 70, 255 - get_byte(entry, 70)) WHERE seq = :one + 20; SELECT * FROM wrong(); ROLLBACK;
BEGIN; UPDATE dp_book.log SET entry = set_byte(entry, 200, 1) WHERE seq = 3; SELECT * FROM wrong(); ROLLBACK;
BEGIN; UPDATE dp_book.log SET sealed = set_byte(sealed, 40, 255 - get_byte(sealed, 40)) WHERE seq = :one; SELECT * FROM wrong(); ROLLBACK;
BEGIN; UPDATE dp_book.log a SET sealed = b.sealed FROM dp_book.log b WHERE a.seq = :one AND b.seq = a.seq + 1; SELECT * FROM wrong(); ROLLBACK;
BEGIN; DELETE FROM dp_book.log WHERE seq = 300; SELECT * FROM wrong(); ROLLBACK;
BEGIN; DELETE FROM dp_book.log WHERE seq = :size; SELECT check_name, replace(detail, :'size', 'N') AS detail FROM wrong(); ROLLBACK;
BEGIN; UPDATE dp_book.log SET detail = replace(detail, 'fsync=on', 'fsync=off') WHERE seq = 1; SELECT * FROM wrong(); ROLLBACK;
BEGIN; UPDATE dp_book.log SET detail = NULL WHERE seq = 1; SELECT * FROM wrong(); ROLLBACK;
BEGIN; UPDATE dp_book.tile SET hashes = set_byte(hashes, 32 * 9, 255 - get_byte(hashes, 32 * 9)) WHERE level = 0 AND n = 1; SELECT * FROM wrong(); ROLLBACK;
BEGIN; DELETE FROM dp_book.tile WHERE n = 1; SELECT * FROM wrong(); ROLLBACK;
BEGIN; UPDATE dp_book.entry SET statement = 'SELECT 1' WHERE seq = :one; SELECT * FROM wrong(); ROLLBACK;
BEGIN; UPDATE dp_book.entry SET analyst = 'mallory' WHERE seq = :one + 1; SELECT * FROM wrong(); ROLLBACK;
BEGIN; UPDATE dp_book.entry SET level = 19 WHERE seq = :one; SELECT * FROM wrong(); ROLLBACK;
BEGIN; UPDATE dp_book.entry SET at = at + interval '1 us' WHERE seq = :one; SELECT * FROM wrong(); ROLLBACK;
BEGIN; UPDATE dp_book.entry SET accounts = accounts + 1 WHERE seq = :one; SELECT * FROM wrong(); ROLLBACK;
BEGIN; UPDATE dp_book.charge a SET owners = b.owners FROM dp_book.charge b WHERE a.seq = :one AND b.seq = :one + 1; SELECT * FROM wrong(); ROLLBACK;
BEGIN; DELETE FROM dp_book.charge WHERE seq = :one; SELECT * FROM wrong(); ROLLBACK;
BEGIN; UPDATE dp_book.charge SET level = level + 1 WHERE seq = :one; SELECT * FROM wrong(); ROLLBACK;
BEGIN; UPDATE dp_book.account_chunk SET start_units = 1; SELECT * FROM wrong(); ROLLBACK;
BEGIN; DELETE FROM dp_book.charge WHERE seq = :size; DELETE FROM dp_book.entry WHERE seq = :size; SELECT check_name, replace(detail, :'size', 'N') AS detail FROM wrong(); ROLLBACK;
BEGIN; INSERT INTO dp_book.entry SELECT seq + 1000, at, dataset_id, kind, role, analyst, purpose, statement, mechanism, level, delta_level, answer_key, repeat_of, accounts, start_units, start_delta_units FROM dp_book.entry WHERE seq = :one;
SELECT check_name, replace(detail, (:one + 1000)::text, 'N') AS detail FROM wrong(); ROLLBACK;
BEGIN; UPDATE dp_book.policy_event SET row_text = replace(row_text, '"epsilon": 10', '"epsilon": 1') WHERE seq = 3; SELECT * FROM wrong(); ROLLBACK;
BEGIN; UPDATE dp_book.policy_event SET at = at - interval '1 us' WHERE seq = 3; SELECT * FROM wrong(); ROLLBACK;
BEGIN; UPDATE dp_book.policy_event SET who = 'mallory' WHERE seq = 4; SELECT * FROM wrong(); ROLLBACK;
BEGIN; DELETE FROM dp_book.policy_event WHERE seq = 4; SELECT * FROM wrong(); ROLLBACK;
BEGIN; UPDATE dp_book.signing_key SET from_seq = from_seq + 1 WHERE from_seq = 2; SELECT * FROM wrong(); ROLLBACK;
BEGIN; DELETE FROM dp_book.signing_key WHERE from_seq = 2; SELECT * FROM wrong(); ROLLBACK;
BEGIN; SET LOCAL session_replication_role = replica; UPDATE dp_book.purpose SET default_consent = false; SELECT count(*) FROM dp_book.policy_event WHERE seq IS NULL; ROLLBACK;
BEGIN; TRUNCATE dp_book.column_fact; \echo :SQLSTATE
ROLLBACK;
SELECT * FROM wrong();
SELECT count(*) FROM dp.verify(false) WHERE ok;

-- Past the triggers: the last entry that tells of a row that is no more, or another now, is named
CREATE FUNCTION behind(changed name, statement text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('ALTER TABLE dp_book.%I DISABLE TRIGGER record', changed);
	EXECUTE statement;
END
$$;
BEGIN; SELECT behind('dataset', 'UPDATE dp_book.dataset SET epsilon = 11'); SELECT check_name, detail FROM wrong() WHERE check_name LIKE 'ledger%'; ROLLBACK;
BEGIN; SELECT behind('column_fact', 'UPDATE dp_book.column_fact SET upper = 99 WHERE valid_to IS NULL'); SELECT check_name, regexp_replace(detail, '\d+', 'N') AS detail FROM wrong() WHERE check_name LIKE 'ledger%'; ROLLBACK;
BEGIN; SELECT behind('purpose', 'DELETE FROM dp_book.purpose'); SELECT check_name, detail FROM wrong() WHERE check_name LIKE 'ledger%'; ROLLBACK;

-- Any byte of what the log holds or commits to
CREATE FUNCTION spoiled(target regclass, changed name, n int) RETURNS TABLE (changes bigint, not_found bigint) LANGUAGE plpgsql AS $$
DECLARE
	found_bad boolean;
	row_id tid;
	bytes bytea;
	at int;
BEGIN
	changes := 0;
	not_found := 0;
	FOR i IN 1 .. n LOOP
		BEGIN
			EXECUTE format('SELECT ctid, %I FROM %s ORDER BY seq OFFSET $1 LIMIT 1', changed, target) INTO row_id, bytes USING i * 7 % 40;
			at := i * 7919 % length(bytes);
			EXECUTE format('UPDATE %s SET %I = $1 WHERE ctid = $2', target, changed) USING set_byte(bytes, at, get_byte(bytes, at) # (1 << i % 8)), row_id;
			SELECT bool_or(NOT ok) INTO found_bad FROM dp.verify();
			changes := changes + 1;
			RAISE EXCEPTION 'undo' USING ERRCODE = 'P0999';
		EXCEPTION WHEN SQLSTATE 'P0999' THEN
			not_found := not_found + (NOT found_bad)::int;
		END;
	END LOOP;
	RETURN NEXT;
END
$$;
SELECT * FROM spoiled('dp_book.log', 'entry', 40);
SELECT * FROM spoiled('dp_book.log', 'sealed', 25);
SELECT * FROM spoiled('dp_book.charge', 'owners', 25);

-- Only what was added since
SELECT dp_test.admit('hospital', '{1}', 1, 0, 0);
SELECT * FROM wrong(false);
SELECT max(seq) AS last FROM dp_book.entry \gset
BEGIN; UPDATE dp_book.entry SET statement = 'SELECT 1' WHERE seq = :one; SELECT * FROM wrong(false); ROLLBACK;
BEGIN; UPDATE dp_book.entry SET statement = 'SELECT 1' WHERE seq = :last; SELECT check_name, replace(detail, :'last', 'N') AS detail FROM wrong(false); ROLLBACK;
BEGIN; UPDATE dp_book.log SET entry = set_byte(entry, 70, 255 - get_byte(entry, 70)) WHERE seq = :size; SELECT check_name, regexp_replace(detail, '\d+', 'N') AS detail FROM wrong(false); ROLLBACK;
SELECT * FROM wrong();

SET client_min_messages = error;

SELECT dp.revoke_analyst('regress_log_analyst', 'hospital');
DROP OWNED BY regress_log_analyst, regress_log_auditor, regress_log_steward CASCADE;
DROP ROLE regress_log_auditor, regress_log_steward, regress_log_analyst;
