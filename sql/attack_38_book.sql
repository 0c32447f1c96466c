-- What a second round of attacks on the book, its stewards and its side doors found.
\getenv abs_srcdir PG_ABS_SRCDIR
\set hospital :abs_srcdir '/sql/common/hospital.sql'
\set analyst regress_attack_38
\i :hospital
\set SHOW_CONTEXT never
\set VERBOSITY terse
SET client_min_messages = error;
DROP ROLE IF EXISTS regress_attack_38_boss, regress_attack_38_steward;
RESET client_min_messages;
CREATE ROLE regress_attack_38_boss;
CREATE ROLE regress_attack_38_steward IN ROLE dp_steward;

-- The place in the write-ahead log, told by a function that writes there
SET SESSION AUTHORIZATION :analyst;
SELECT pg_logical_emit_message(false, 'a', 'b');
RESET SESSION AUTHORIZATION;
GRANT EXECUTE ON FUNCTION pg_logical_emit_message(boolean, text, text) TO PUBLIC;
SELECT severity, opening, reaches, statement FROM dp.doctor() WHERE opening ~ 'write-ahead';
SET SESSION AUTHORIZATION :analyst;
SELECT count(*) > -1000 AS answered FROM visits;
SELECT pg_logical_emit_message(false, 'a', 'b');
RESET SESSION AUTHORIZATION;
SELECT count(*) > 0 AS hardened FROM dp.harden(apply => true);

-- Buffers and the log in EXPLAIN of the analyst's own statements
SET SESSION AUTHORIZATION :analyst;
EXPLAIN (ANALYZE, BUFFERS) SELECT 1;
EXPLAIN (BUFFERS, COSTS off) SELECT count(*) FROM depts;
EXPLAIN (ANALYZE, WAL true) SELECT 1;
DO $$ BEGIN EXECUTE 'EXPLAIN (ANALYZE, BUFFERS) SELECT 1'; END $$;
EXPLAIN (ANALYZE, BUFFERS false, WAL 0, COSTS off, TIMING off, SUMMARY off) SELECT 1;
RESET SESSION AUTHORIZATION;

-- How many pages are in memory, told by an extension that keeps a list of them
CREATE EXTENSION pg_prewarm;
SELECT severity, opening, reaches FROM dp.doctor() WHERE opening ~ 'prewarm' ORDER BY 2;
SET SESSION AUTHORIZATION :analyst;
SELECT autoprewarm_dump_now();
RESET SESSION AUTHORIZATION;
DROP EXTENSION pg_prewarm;

-- What a release writes takes no numbers that everybody can count: nothing is moved
-- out of line, whoever is charged, and nothing is analysed for how much it was
CREATE TABLE many (id int PRIMARY KEY, x int);
INSERT INTO many SELECT i, i % 7 FROM generate_series(1, 6300) i;
SELECT dp.create_dataset('many', 30, 1e-9, capacity => 6000, confirm_large_epsilon => true) IS NOT NULL AS made;
SELECT dp.protect('many', 'many', 'id', rows_per_owner => 1);
SELECT dp.grant_analyst(:'analyst', 'many', 10);
SET SESSION AUTHORIZATION :analyst;
SELECT near(count(*), 2700, 3000) FROM many WHERE x < 3;
SELECT near(count(*), 6000, 1000) FROM many;
SELECT near(count(*), 3429, 3000) FROM many WHERE x BETWEEN 2 AND 5;
RESET SESSION AUTHORIZATION;
SELECT max(pieces) > 1 AS in_pieces, bool_and(length(owners) <= 3840) AS inline FROM dp_book.charge;
SELECT sum(length(keys)) / 16 AS accounts, max(length(keys)) <= 3840 AS inline FROM dp_book.account_chunk JOIN dp_book.dataset USING (dataset_id) WHERE name = 'many';
SELECT c.relname, a.attname, a.attstorage, pg_relation_size(c.reltoastrelid) AS out_of_line, c.reloptions
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.atttypid = 'bytea'::regtype
WHERE c.oid IN ('dp_book.charge'::regclass, 'dp_book.account_chunk'::regclass) ORDER BY 1;
SELECT bool_and(n = 0 OR n = 1 + (x < 3)::int + (x BETWEEN 2 AND 5)::int) AS adds_up, count(*) FILTER (WHERE n > 0) > 10 AS some
FROM (SELECT x, (SELECT count(*) FROM dp.statement('many', id)) AS n FROM many WHERE id % 100 = 7) s;
SELECT check_name, detail FROM dp.verify() WHERE NOT ok;
-- a piece that is missing is a malformed charge
CREATE TABLE kept AS SELECT * FROM dp_book.charge WHERE piece = 2;
DELETE FROM dp_book.charge WHERE piece = 2;
SELECT check_name, ok FROM dp.verify() WHERE check_name ~ 'many.*well formed';
SELECT count(*) > 0 AS shown FROM dp.statement('many', 9); \echo :SQLSTATE
INSERT INTO dp_book.charge SELECT * FROM kept;
SELECT check_name, detail FROM dp.verify() WHERE NOT ok;

-- A book that is full: who takes part depends on who came before
SELECT severity, opening FROM dp.doctor() WHERE opening ~ '^book';

SET zero_damaged_pages = on;
SELECT severity, opening, statement FROM dp.doctor() WHERE opening ~ '^zero';
RESET zero_damaged_pages;

-- delta has a quota as rho has
SELECT dp.grant_analyst(:'analyst', 'hospital', 10, 15);
SET SESSION AUTHORIZATION :analyst;
SET dp.epsilon = 0.5;
SET dp.delta = 2e-10;
-- two releases of one statement, both or none
SELECT count(*) >= 0 AS answered FROM (SELECT c FROM (SELECT county, count(*) AS c FROM patients GROUP BY county) a
	UNION ALL SELECT c FROM (SELECT note, count(*) AS c FROM visits GROUP BY note) b) s;
\echo :SQLSTATE
SELECT count(*) >= 0 AS answered FROM (SELECT county, count(*) FROM patients GROUP BY county) s;
SELECT count(*) >= 0 AS answered FROM (SELECT county, count(*) FROM visits JOIN patients USING (patient_id) GROUP BY county) s;
\echo :SQLSTATE
RESET dp.delta;
SELECT count(*) AS groups FROM (SELECT sex, count(*) FROM patients GROUP BY sex) s;
SELECT count(*) >= 0 AS answered FROM (SELECT note, count(*) FROM visits GROUP BY note) s;
RESET SESSION AUTHORIZATION;

-- Attributes that come by SET ROLE
ALTER ROLE regress_attack_38_boss CREATEROLE;
GRANT regress_attack_38_boss TO :analyst;
ALTER ROLE regress_attack_38_boss NOCREATEROLE;
GRANT regress_attack_38_boss TO :analyst;
ALTER ROLE regress_attack_38_boss REPLICATION;
ALTER ROLE regress_attack_38_boss BYPASSRLS;
ALTER ROLE regress_attack_38_boss CREATEDB;
SELECT severity, opening, statement FROM dp.doctor() WHERE opening ~ 'attack_38';
SELECT current_database() AS here \gset
ALTER DATABASE :here OWNER TO regress_attack_38_boss;
SELECT severity, opening, statement FROM dp.doctor() WHERE opening ~ 'attack_38';
ALTER DATABASE :here OWNER TO CURRENT_USER;
-- given where nobody looks
\c postgres
ALTER ROLE regress_attack_38_boss CREATEROLE NOCREATEDB;
\c :here
SELECT severity, opening, leaks, statement FROM dp.doctor() WHERE opening ~ 'attack_38';
ALTER ROLE regress_attack_38_boss NOCREATEROLE;

-- A steward's code does not run as the owner of the extension
CREATE TABLE seen (who text);
GRANT INSERT ON seen TO PUBLIC;
GRANT CREATE ON SCHEMA public TO regress_attack_38_steward;
SET SESSION AUTHORIZATION regress_attack_38_steward;
CREATE TABLE own (id int PRIMARY KEY);
CREATE FUNCTION look() RETURNS int LANGUAGE plpgsql AS $$ BEGIN INSERT INTO seen VALUES (current_user); RETURN 1; END $$;
CREATE FUNCTION constant(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN look(); END $$;
SELECT dp.create_dataset('own', 1, 1e-9, capacity => 1000) IS NOT NULL AS made;
SELECT dp.protect('own', 'own', 'id');
CREATE INDEX ON own ((constant(1) + id));
INSERT INTO own VALUES (1), (2);
SELECT * FROM dp.owner_changes('own');
BEGIN;
UPDATE own SET id = id + 10;
SELECT dp.rekey_owners('own', 'VALUES (1, 11), (2, 12)');
SELECT dp.rekey_owners('own', 'VALUES (11, 21)');
ROLLBACK;
RESET SESSION AUTHORIZATION;
SELECT who, count(*) > 0 AS looked FROM seen GROUP BY who;
-- tables that a steward may not read
CREATE TABLE others (id int PRIMARY KEY);
SELECT dp.protect('others', 'own', 'id');
SET SESSION AUTHORIZATION regress_attack_38_steward;
SELECT * FROM dp.owner_changes('own');
RESET SESSION AUTHORIZATION;

SET client_min_messages = error;
SELECT dp.unprotect('own');
DROP TABLE own;
DROP OWNED BY :analyst, regress_attack_38_steward CASCADE;
SELECT dp.revoke_analyst(:'analyst', 'hospital'), dp.revoke_analyst(:'analyst', 'many');
DROP ROLE :analyst, regress_attack_38_boss, regress_attack_38_steward;
