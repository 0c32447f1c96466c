-- flavour: test
-- Owner keys: integers of every width are one owner; uuid; text byte by byte
-- (rule 17, attack 31).
\set SHOW_CONTEXT never
\set ECHO none
\o /dev/null
SET client_min_messages = error;
SET dp.repeats = off;
DROP ROLE IF EXISTS regress_keys_exact;
SET client_min_messages = warning;
CREATE EXTENSION pg_epsilon;
SELECT dp.harden(apply => true);
CREATE ROLE regress_keys_exact;
GRANT CREATE ON SCHEMA public TO regress_keys_exact;
\o
\set ECHO all
CREATE FUNCTION accounts(dataset text) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER AS
	$$ BEGIN RETURN (SELECT coalesce(sum(length(keys)) / 16, 0) FROM dp_book.account_chunk c JOIN dp_book.dataset d USING (dataset_id) WHERE d.name = $1); END $$;
CREATE TABLE k2 (id int2, x int CHECK (x BETWEEN 0 AND 9));
CREATE TABLE k4 (id int4, x int CHECK (x BETWEEN 0 AND 9));
CREATE TABLE k8 (id int8, x int CHECK (x BETWEEN 0 AND 9));
INSERT INTO k2 SELECT i, 1 FROM generate_series(-50, 49) i;
INSERT INTO k4 SELECT i, 1 FROM generate_series(-50, 49) i;
INSERT INTO k8 SELECT i, 1 FROM generate_series(-50, 49) i;
CREATE TABLE ku (id uuid, x int CHECK (x BETWEEN 0 AND 9));
INSERT INTO ku SELECT md5((i % 200)::text)::uuid, 1 FROM generate_series(1, 400) i;
CREATE TABLE kt (id text COLLATE "C", x int CHECK (x BETWEEN 0 AND 9));
INSERT INTO kt VALUES ('a', 1), ('A', 1), ('a ', 1), ('ä', 1), ('', 1), (E'a\u0308', 1), (repeat('x', 10000), 1), (repeat('x', 10001), 1), (NULL, 1), ('a', 1);
CREATE TABLE kv (id varchar(10), x int CHECK (x BETWEEN 0 AND 9));
INSERT INTO kv VALUES ('a', 1), ('A', 1), ('b', 1);
SELECT dp.create_dataset('i', 20, 1e-9, capacity => 1000, confirm_large_epsilon => true) > 0 AS made;
SELECT dp.create_dataset('u', 20, 1e-9, capacity => 1000, confirm_large_epsilon => true) > 0 AS made;
SELECT dp.create_dataset('t', 20, 1e-9, capacity => 1000, confirm_large_epsilon => true) > 0 AS made;
SELECT dp.protect('k2', 'i', 'id', rows_per_owner => 3), dp.protect('k4', 'i', 'id', rows_per_owner => 3), dp.protect('k8', 'i', 'id', rows_per_owner => 3),
	dp.protect('ku', 'u', 'id', rows_per_owner => 3), dp.protect('kt', 't', 'id', rows_per_owner => 3), dp.protect('kv', 't', 'id', rows_per_owner => 3);
SELECT dp.grant_analyst('regress_keys_exact', d, 10) FROM unnest('{i,u,t}'::text[]) d;

-- Keys that cannot be told apart for sure are refused
CREATE TABLE bad (n numeric, b bpchar(5), f float8, d date, c text COLLATE "C", i int);
SELECT dp.protect('bad', 'i', 'n', rows_per_owner => 1); \echo :SQLSTATE
SELECT dp.protect('bad', 't', 'b', rows_per_owner => 1); \echo :SQLSTATE
SELECT dp.protect('bad', 'i', 'f', rows_per_owner => 1); \echo :SQLSTATE
SELECT dp.protect('bad', 'i', 'd', rows_per_owner => 1); \echo :SQLSTATE
SELECT dp.protect('bad', 'i', 'c', rows_per_owner => 1); \echo :SQLSTATE
SELECT dp.protect('bad', 't', 'i', rows_per_owner => 1); \echo :SQLSTATE
CREATE COLLATION blind (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
ALTER TABLE bad ALTER c TYPE text COLLATE blind;
SELECT dp.protect('bad', 't', 'c', rows_per_owner => 1); \echo :SQLSTATE

SET SESSION AUTHORIZATION regress_keys_exact;
SET dp_test.noise = off;
SET dp.epsilon = 1;
SELECT count(*), count(DISTINCT id) FROM k2;
SELECT accounts('i');
SELECT count(*), count(DISTINCT id) FROM k4;
-- in another session, which does not know the accounts yet
\c -
SET SESSION AUTHORIZATION regress_keys_exact;
SET dp.repeats = off;
SET dp_test.noise = off;
SET dp.epsilon = 1;
SELECT count(*), count(DISTINCT id) FROM k8;
SELECT accounts('i') AS the_same;
SELECT count(*), count(DISTINCT a.id), count(DISTINCT b.id), count(DISTINCT c.id) FROM k2 a JOIN k4 b ON a.id = b.id JOIN k8 c ON c.id = b.id;
SELECT count(*) FROM k8 a JOIN k2 b ON b.id = a.id;
SELECT accounts('i') AS the_same;
SELECT count(*), count(DISTINCT id), sum(x) FROM ku;
SELECT accounts('u');
SELECT count(*), count(DISTINCT id), sum(x) FROM kt;
SELECT accounts('t') AS byte_by_byte;
SELECT count(*), count(DISTINCT id) FROM kv;
SELECT accounts('t') AS one_more;
SELECT count(*) FROM kt JOIN kv ON kt.id = kv.id;
SELECT count(*) FROM kt JOIN kv USING (id);
-- equality under another collation is no equality of owners
SELECT count(*) FROM kt a JOIN kt b ON a.id = b.id COLLATE blind; \echo :SQLSTATE
SELECT count(*) FROM kt a JOIN kt b ON lower(a.id) = lower(b.id); \echo :SQLSTATE
SELECT count(*) FROM kt a JOIN kt b ON a.id LIKE b.id; \echo :SQLSTATE
-- int8 keys beyond int4
RESET SESSION AUTHORIZATION;
INSERT INTO k8 VALUES (9223372036854775807, 1), (-9223372036854775808, 1), (4294967296, 1), (4294967297, 1);
SET SESSION AUTHORIZATION regress_keys_exact;
SELECT count(*), count(DISTINCT id) FROM k8;
SELECT accounts('i') AS four_more;

-- Who has spent it all in one table has nothing left in another
CREATE TABLE spent (n bigint);
SET dp.epsilon = 9.9;
DO $$ BEGIN FOR i IN 1..40 LOOP INSERT INTO spent SELECT count(*) FROM k4; END LOOP; END $$;
SELECT min(n) AS left_in_k4 FROM spent;
SELECT count(*) AS left_in_k8 FROM k8;
SELECT count(*) AS left_in_k2 FROM k2;

RESET SESSION AUTHORIZATION;
SELECT check_name, ok FROM dp.verify() WHERE NOT ok;
SELECT dp.revoke_analyst('regress_keys_exact', d) FROM unnest('{i,u,t}'::text[]) d;
DROP OWNED BY regress_keys_exact;
DROP ROLE regress_keys_exact;
