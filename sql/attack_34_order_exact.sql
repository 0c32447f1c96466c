-- flavour: test
-- Attack 34: where rows lie decides nothing. What depends on order is refused inside
-- an owner; sums, groups and bounds are the same however the table is stored (rule 14).
\set SHOW_CONTEXT never
\set ECHO none
\o /dev/null
SET client_min_messages = error;
DROP ROLE IF EXISTS regress_attack_34;
SET client_min_messages = warning;
CREATE EXTENSION pg_epsilon;
SELECT dp.harden(apply => true);
CREATE ROLE regress_attack_34;
GRANT CREATE ON SCHEMA public TO regress_attack_34;
\o
\set ECHO all
CREATE TABLE points (id int, at date, f float8, f4 float4, n numeric, k float8, t text);
-- values whose floating-point sum depends on order, keys that are equal in several spellings
INSERT INTO points SELECT i % 40, date '2020-01-01' + i % 3, (ARRAY[1e15, 1, -1e15, 0.1, 1e-9, 3])[1 + i % 6], (ARRAY[1e7, 0.1, -1e7, 1e-7])[1 + i % 4],
	(ARRAY[0.1, 0.10, 1e10, -1e10])[1 + i % 4], (ARRAY[0, '-0', 'NaN', 1]::float8[])[1 + i % 4], 'same' FROM generate_series(1, 1200) i;
SELECT dp.create_dataset('d', 30, 1e-9, capacity => 1000, confirm_large_epsilon => true) > 0 AS made;
SELECT dp.protect('points', 'd', 'id', rows_per_owner => 40);
SELECT dp.set_bounds('points', c, -1e15, 1e15, 'test') FROM unnest('{f,n}'::text[]) c;
SELECT dp.set_bounds('points', 'f4', -1e7, 1e7, 'test');
SELECT dp.set_domain('points', 'k', ARRAY[0, 1]::float8[], 'test'), dp.set_domain('points', 't', ARRAY['same'], 'test');
SELECT dp.grant_analyst('regress_attack_34', 'd', 10);
CREATE TABLE measured (pass int, name text, value text);
GRANT SELECT, INSERT ON measured TO regress_attack_34;
CREATE FUNCTION measure(pass int) RETURNS void LANGUAGE plpgsql SET dp_test.noise = off SET dp.epsilon = 0.1 SET extra_float_digits = 3 AS $$
BEGIN
	INSERT INTO measured SELECT pass, 'sums', concat_ws(' ', sum(f), sum(f4), sum(n), avg(f), avg(n)) FROM points;
	INSERT INTO measured SELECT pass, 'products', concat_ws(' ', sum(f * 0.1), sum(f + f4)) FROM points;
	INSERT INTO measured SELECT pass, 'group ' || k, concat_ws(' ', count(*), sum(f)) FROM points GROUP BY k;
	INSERT INTO measured SELECT pass, 'text ' || t, concat_ws(' ', count(*), sum(f4)) FROM points GROUP BY t;
	INSERT INTO measured SELECT pass, 'joined', concat_ws(' ', count(*), sum(a.f)) FROM points a JOIN (SELECT id FROM points WHERE at = '2020-01-02') b USING (id);
END $$;
SET SESSION AUTHORIZATION regress_attack_34;
SET dp.repeats = off;
-- what sees an order
SELECT first_value(f) OVER (PARTITION BY id ORDER BY at) FROM points; \echo :SQLSTATE
SELECT count(*) FROM (SELECT id, row_number() OVER (PARTITION BY id ORDER BY at) AS r FROM points) s WHERE r = 1; \echo :SQLSTATE
SELECT count(*) FROM (SELECT DISTINCT ON (id) id, f FROM points ORDER BY id, at) s; \echo :SQLSTATE
SELECT count(*) FROM (SELECT DISTINCT id FROM points) s; \echo :SQLSTATE
SELECT count(*) FROM points p, LATERAL (SELECT f FROM points q WHERE q.id = p.id LIMIT 1) s; \echo :SQLSTATE
SELECT count(*) FROM (SELECT * FROM points LIMIT 10) s; \echo :SQLSTATE
SELECT count(*) FROM (SELECT * FROM points ORDER BY at FETCH FIRST 1 ROW WITH TIES) s; \echo :SQLSTATE
SELECT array_agg(f ORDER BY at) FROM points; \echo :SQLSTATE
SELECT string_agg(t, ',') FROM points; \echo :SQLSTATE
SELECT mode() WITHIN GROUP (ORDER BY f) FROM points; \echo :SQLSTATE
SELECT sum(f ORDER BY at) FROM points; \echo :SQLSTATE
SELECT count(*) FROM points TABLESAMPLE SYSTEM (50); \echo :SQLSTATE
SELECT count(*) FROM points WHERE ctid = '(0,1)'; \echo :SQLSTATE
-- an ORDER BY below an aggregate means nothing
SELECT count(*) > -1e6 AS fine FROM (SELECT * FROM points ORDER BY at) s;

-- stored otherwise: forwards, backwards, shuffled; sorted, hashed, with little memory
SELECT measure(1);
RESET SESSION AUTHORIZATION;
CREATE TABLE copy_of AS SELECT * FROM points;
TRUNCATE points;
INSERT INTO points SELECT * FROM copy_of ORDER BY id DESC, f, n, k;
SET SESSION AUTHORIZATION regress_attack_34;
SELECT measure(2);
RESET SESSION AUTHORIZATION;
TRUNCATE points;
INSERT INTO points SELECT * FROM copy_of ORDER BY md5(copy_of::text);
CREATE INDEX ON points (at);
SET SESSION AUTHORIZATION regress_attack_34;
SET enable_seqscan = off;
SET enable_hashjoin = off;
SET work_mem = '64kB';
SELECT measure(3);
RESET enable_seqscan;
RESET enable_hashjoin;
RESET work_mem;
SELECT name, count(DISTINCT value) AS different, count(*) AS passes FROM measured GROUP BY name ORDER BY name COLLATE "C";

-- which rows and groups are kept is drawn anew, in the same number, wherever they lie
SET dp_test.noise = off;
SET dp.epsilon = 0.1;
SET dp.rows_per_owner = 1;
SELECT count(*) FROM points;
SET dp.rows_per_owner = 7;
SELECT count(*) FROM points;
CREATE TABLE kept (pass int, day int, n bigint);
DO $$ BEGIN FOR i IN 1..20 LOOP INSERT INTO kept SELECT i, extract(day FROM at)::int, count(*) FROM points GROUP BY extract(day FROM at); END LOOP; END $$;
SELECT count(DISTINCT n) > 4 AS coins, min(total) = 280 AND max(total) = 280 AS as_many FROM kept JOIN (SELECT pass, sum(n) AS total FROM kept GROUP BY pass) s USING (pass);

RESET SESSION AUTHORIZATION;
SELECT dp.revoke_analyst('regress_attack_34', 'd');
DROP OWNED BY regress_attack_34;
DROP ROLE regress_attack_34;
