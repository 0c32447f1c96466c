-- flavour: test
-- Without noise: a release finds its columns wherever they stand among the rows of
-- a scan, whichever scan it is, also where columns were dropped or added.
\set SHOW_CONTEXT never
\set ECHO none
\o /dev/null
SET client_min_messages = error;
SET dp.repeats = off;
DROP ROLE IF EXISTS regress_columns_exact;
SET client_min_messages = warning;
CREATE EXTENSION pg_epsilon;
SELECT dp.harden(apply => true);
CREATE ROLE regress_columns_exact;
\o
\set ECHO all
CREATE TABLE wide (gone int, t text, n int CHECK (n BETWEEN 0 AND 10), pad text, id int PRIMARY KEY, k int, last text);
INSERT INTO wide SELECT -i, CASE i % 3 WHEN 0 THEN NULL ELSE repeat('t', i % 3) END, i % 11, repeat('x', 100), i, i % 4, repeat('z', i % 2 + 1) FROM generate_series(1, 3000) i;
CREATE TABLE holed (gone int, k int, n int CHECK (n BETWEEN 0 AND 10), id int PRIMARY KEY);
INSERT INTO holed SELECT i, i % 4, i % 11, i FROM generate_series(1, 3000) i;
ALTER TABLE holed DROP COLUMN gone;
CREATE TABLE grown (n int CHECK (n BETWEEN 0 AND 10), id int PRIMARY KEY);
INSERT INTO grown SELECT i % 11, i FROM generate_series(1, 3000) i;
ALTER TABLE grown ADD COLUMN k int DEFAULT 3;
INSERT INTO grown SELECT i % 11, i, i % 4 FROM generate_series(3001, 6000) i;
CREATE INDEX ON wide (k);
ANALYZE;
SELECT dp.create_dataset('exact', 30, 1e-9, capacity => 10000, confirm_large_epsilon => true) > 0 AS made;
SELECT dp.protect(r, 'exact', 'id', rows_per_owner => 1) FROM unnest('{wide,holed,grown}'::regclass[]) r;
SELECT dp.grant_analyst('regress_columns_exact', 'exact', 10);
-- the scan that the planner is left with
CREATE TABLE scans (name text, seq text, index text, bitmap text);
INSERT INTO scans VALUES ('sequential', 'on', 'off', 'off'), ('index', 'off', 'on', 'off'), ('bitmap', 'off', 'off', 'on');
CREATE FUNCTION use_scan(wanted text) RETURNS void LANGUAGE sql AS $$
	SELECT set_config('enable_seqscan', seq, false), set_config('enable_indexscan', index, false), set_config('enable_bitmapscan', bitmap, false)
	FROM scans WHERE name = wanted $$;
-- is it the one?
SELECT use_scan('index');
EXPLAIN (COSTS off) SELECT k, n, id FROM wide WHERE k BETWEEN 1 AND 2;
SELECT use_scan('bitmap');
EXPLAIN (COSTS off) SELECT k, n, id FROM wide WHERE k BETWEEN 1 AND 2;
GRANT SELECT ON scans TO regress_columns_exact;
SET SESSION AUTHORIZATION regress_columns_exact;
SET dp_test.noise = off;
SET dp.epsilon = 0.5;

SELECT use_scan('sequential');
SELECT k, count(*), sum(n) FROM wide WHERE k BETWEEN 1 AND 2 GROUP BY k;
SELECT t, last, k, count(*) FROM wide GROUP BY t, last, k HAVING count(*) > 0 ORDER BY k, last, t;
SELECT count(*), sum(n) FROM wide WHERE pad LIKE 'x%' AND last = 'z';
SELECT last, n + 1 AS above, count(*) FROM wide GROUP BY 1, 2 ORDER BY 1, 2 LIMIT 3;
SELECT use_scan('index');
SELECT k, count(*), sum(n) FROM wide WHERE k BETWEEN 1 AND 2 GROUP BY k;
SELECT use_scan('bitmap');
SELECT k, count(*), sum(n) FROM wide WHERE k BETWEEN 1 AND 2 GROUP BY k;
SELECT use_scan('sequential');
SELECT k, count(*), sum(n) FROM holed GROUP BY k;
SELECT k, count(*), sum(n) FROM grown GROUP BY k;
RESET SESSION AUTHORIZATION;
-- the same by plain SQL
SELECT k, count(*), sum(n) FROM wide WHERE k BETWEEN 1 AND 2 GROUP BY k ORDER BY k;
SELECT t, last, k, count(*) FROM wide GROUP BY t, last, k ORDER BY k, last, t;
SELECT count(*), sum(n) FROM wide WHERE pad LIKE 'x%' AND last = 'z';
SELECT last, n + 1 AS above, count(*) FROM wide GROUP BY 1, 2 ORDER BY 1, 2 LIMIT 3;
SELECT k, count(*), sum(n) FROM holed GROUP BY k ORDER BY k;
SELECT k, count(*), sum(n) FROM grown GROUP BY k ORDER BY k;
SELECT dp.revoke_analyst('regress_columns_exact', 'exact');
DROP OWNED BY regress_columns_exact;
DROP ROLE regress_columns_exact;
