-- What an analyst may read from: tables, subqueries, CTEs, views, partitions,
-- children. Answers are near the exact values; refusals name the cure.
\getenv abs_srcdir PG_ABS_SRCDIR
\set hospital :abs_srcdir '/sql/common/hospital.sql'
\set analyst regress_analyze_tables
\i :hospital
\set SHOW_CONTEXT never
SET SESSION AUTHORIZATION :analyst;

-- One table
SELECT near(count(*), 3000, dp.stddev_of_noise(count(*))) FROM visits;
SELECT near(count(*), 300, dp.stddev_of_noise(count(*))) FROM visits WHERE dept = 3;
SELECT near(count(*), 500, dp.stddev_of_noise(count(*))) FROM ONLY public.patients AS p;
SELECT near(count(*), 3000, dp.stddev_of_noise(count(*))) FROM labs;
SELECT near(count(v), 3000, dp.stddev_of_noise(count(v))) FROM (SELECT cost FROM visits) AS x(v);

-- Rows do not come out
SELECT * FROM visits; \echo :SQLSTATE
TABLE visits; \echo :SQLSTATE
SELECT cost FROM visits WHERE visit_id = 1;
SELECT 1 FROM visits;
SELECT DISTINCT dept FROM visits;
SELECT * FROM visits LIMIT 1;
SELECT dept, row_number() OVER () FROM visits;
SELECT visits FROM visits;
SELECT count(visits) FROM visits;
SELECT count(v.*) FROM visits v;
SELECT count(ctid) FROM visits;
SELECT count(*) FROM visits WHERE tableoid > 0;
SELECT count(*) FROM visits WHERE xmin IS NOT NULL;
SELECT count(*) FROM visits TABLESAMPLE system (10);
SELECT count(*) FROM visits FOR UPDATE;
SELECT * FROM visits FOR KEY SHARE;

-- Subqueries in FROM that project, filter, join
SELECT near(sum(c), 148500, dp.stddev_of_noise(sum(c))) FROM (SELECT patient_id, cost AS c FROM visits) s;
SELECT near(sum(d), 297000, dp.stddev_of_noise(sum(d))) FROM (SELECT c * 2 AS d FROM (SELECT cost AS c, dept FROM visits) i) o;
SELECT near(count(*), 300, dp.stddev_of_noise(count(*))) FROM (SELECT * FROM visits WHERE dept < 4) s WHERE dept = 3;
SELECT near(count(DISTINCT who), 500, dp.stddev_of_noise(count(DISTINCT who))) FROM (SELECT patient_id AS who FROM visits) s;
SELECT near(count(*), 1500, dp.stddev_of_noise(count(*)))
FROM (SELECT v.cost FROM visits v JOIN patients p ON p.patient_id = v.patient_id WHERE p.patient_id <= 250) s;
SELECT near(count(*), 3000, dp.stddev_of_noise(count(*))) FROM (SELECT cost FROM visits ORDER BY cost) s;
SELECT count(*) FROM (SELECT cost FROM visits LIMIT 10) s; \echo :SQLSTATE
SELECT count(*) FROM (SELECT cost FROM visits OFFSET 10) s;
SELECT count(*) FROM (SELECT DISTINCT cost FROM visits) s;
SELECT count(*) FROM (SELECT DISTINCT ON (patient_id) cost FROM visits) s;
SELECT count(*) FROM (SELECT rank() OVER (ORDER BY cost) FROM visits) s;
SELECT count(*) FROM (SELECT generate_series(1, cost) FROM visits) s;
SELECT count(*) FROM (SELECT cost FROM visits UNION ALL SELECT cost FROM visits) s;
SELECT count(*) FROM (SELECT cost FROM visits EXCEPT SELECT 1) s;
SELECT count(*) FROM (SELECT patient_id, sum(cost) FROM visits GROUP BY patient_id) s;
SELECT count(*) FROM depts d, LATERAL (SELECT * FROM visits v WHERE v.dept = d.dept) s;
SELECT d.dept, s.n FROM depts d, LATERAL (SELECT count(*) AS n FROM visits v WHERE v.dept = d.dept) s;
SELECT count(*) FROM visits v, LATERAL (SELECT v.cost AS c) s;
SELECT count(*) FROM visits v, generate_series(1, 3);
SELECT count(*) FROM visits v, ROWS FROM (generate_series(1, 2), generate_series(1, 3));
SELECT count(*) FROM visits v, LATERAL generate_series(1, v.cost);

-- CTEs
WITH x AS (SELECT patient_id, cost FROM visits WHERE dept = 3)
SELECT near(count(*), 300, dp.stddev_of_noise(count(*))) FROM x;
WITH x AS MATERIALIZED (SELECT patient_id, cost FROM visits WHERE dept = 3), y AS (SELECT cost FROM x WHERE cost > -1)
SELECT near(count(*), 300, dp.stddev_of_noise(count(*))) FROM y;
WITH x AS (SELECT patient_id, cost FROM visits WHERE dept = 3)
SELECT near(count(*), 1800, dp.stddev_of_noise(count(*))) FROM x a JOIN x b ON a.patient_id = b.patient_id;
WITH x AS (SELECT dept, count(*) AS n, dp.stddev_of_noise(count(*)) AS s FROM visits GROUP BY dept)
SELECT count(*), bool_and(near(n, 300, s)) FROM x;
WITH x AS (SELECT cost FROM visits), y AS (SELECT * FROM depts) SELECT count(*) FROM y;
WITH x AS (SELECT cost FROM visits) SELECT * FROM x;
WITH RECURSIVE r AS (SELECT patient_id FROM visits UNION ALL SELECT patient_id FROM r) SELECT count(*) FROM r;
WITH RECURSIVE r AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM r WHERE i < 5)
SELECT max(i), near(max(n), 3000, max(s)) FROM r, (SELECT count(*), dp.stddev_of_noise(count(*)) FROM visits) a(n, s);
WITH d AS (DELETE FROM visits RETURNING *) SELECT count(*) FROM d;
WITH i AS (INSERT INTO staff VALUES (1, 'x') RETURNING dept) SELECT count(*) FROM visits;

-- Views
RESET SESSION AUTHORIZATION;
CREATE VIEW recent WITH (security_invoker = true) AS
	SELECT patient_id, dept, cost FROM visits WHERE at >= '2020-01-01';
CREATE VIEW over_view WITH (security_invoker = true) AS SELECT patient_id, cost AS c FROM recent WHERE dept <= 5;
CREATE VIEW answers WITH (security_invoker = true) AS SELECT dept, count(*) AS n, dp.stddev_of_noise(count(*)) AS s FROM visits GROUP BY dept;
CREATE VIEW barrier WITH (security_invoker = true, security_barrier = true) AS SELECT patient_id, cost FROM visits WHERE dept = 3;
CREATE VIEW lends AS SELECT patient_id, cost FROM visits;
CREATE VIEW wards AS SELECT * FROM depts;
GRANT SELECT ON recent, over_view, answers, barrier, wards TO :analyst;
GRANT SELECT ON lends TO :analyst;
CREATE MATERIALIZED VIEW copied AS SELECT patient_id, cost FROM visits;
GRANT SELECT ON copied TO :analyst;
CREATE MATERIALIZED VIEW ward_list AS SELECT * FROM depts;
SELECT dp.declare_public('copied');
SELECT dp.declare_public('ward_list');
GRANT SELECT ON ward_list TO :analyst;
SET SESSION AUTHORIZATION :analyst;
SELECT near(count(*), 3000, dp.stddev_of_noise(count(*))) FROM recent;
SELECT near(sum(c), 73500, dp.stddev_of_noise(sum(c))) FROM over_view;
SELECT near(count(*), 300, dp.stddev_of_noise(count(*))) FROM barrier WHERE cost >= 0;
SELECT count(*), bool_and(near(n, 300, s)) FROM answers WHERE dept < 8;
SELECT near(count(*), 3000, dp.stddev_of_noise(count(*))) FROM visits JOIN ward_list USING (dept);
SELECT near(count(*), 3000, dp.stddev_of_noise(count(*))) FROM visits JOIN wards USING (dept);
SELECT count(*) FROM lends; \echo :SQLSTATE
SELECT count(*) FROM copied; \echo :SQLSTATE
SELECT * FROM recent;
CREATE VIEW mine AS SELECT patient_id, cost FROM visits;
CREATE VIEW mine_too WITH (security_invoker = true) AS SELECT patient_id, cost FROM visits;
SELECT count(*) FROM mine;
SELECT near(count(*), 3000, dp.stddev_of_noise(count(*))) FROM mine_too;
CREATE MATERIALIZED VIEW mine_kept AS SELECT patient_id, cost FROM visits;

-- Row security of the table holds, and stands beside the rows
RESET SESSION AUTHORIZATION;
ALTER TABLE visits ENABLE ROW LEVEL SECURITY;
CREATE POLICY wards ON visits USING (dept <= 5);
SET SESSION AUTHORIZATION :analyst;
SELECT near(count(*), 1500, dp.stddev_of_noise(count(*))) FROM visits;
-- (of labs it says nothing: the path to the owner is no reading of visits)
SELECT near(count(*), 3000, dp.stddev_of_noise(count(*))) FROM labs;
RESET SESSION AUTHORIZATION;
CREATE FUNCTION sees(int) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'saw %', $1; RETURN true; END $$;
CREATE POLICY leaky ON visits AS RESTRICTIVE USING (sees(cost));
SET SESSION AUTHORIZATION :analyst;
SELECT count(*) FROM visits;
RESET SESSION AUTHORIZATION;
DROP POLICY leaky ON visits;
DROP POLICY wards ON visits;
ALTER TABLE visits DISABLE ROW LEVEL SECURITY;

-- Partitions and children count with, and as, their parent
CREATE TABLE stays (stay_id int, patient_id int, days int CHECK (days BETWEEN 0 AND 30)) PARTITION BY RANGE (stay_id);
CREATE TABLE stays_1 PARTITION OF stays FOR VALUES FROM (1) TO (1001);
CREATE TABLE stays_2 PARTITION OF stays FOR VALUES FROM (1001) TO (2001);
INSERT INTO stays SELECT i, 1 + i % 500, i % 30 FROM generate_series(1, 2000) i;
CREATE TABLE notes (note_id int, patient_id int);
CREATE TABLE long_notes (length int) INHERITS (notes);
INSERT INTO notes SELECT i, 1 + i % 500 FROM generate_series(1, 1000) i;
INSERT INTO long_notes SELECT i, 1 + i % 500, 9 FROM generate_series(1, 500) i;
SET client_min_messages = warning;
SELECT dp.protect('stays', 'hospital', 'patient_id', rows_per_owner => 5);
SELECT dp.protect('notes', 'hospital', 'patient_id', rows_per_owner => 5);
RESET client_min_messages;
SET SESSION AUTHORIZATION :analyst;
SELECT near(count(*), 2000, dp.stddev_of_noise(count(*))), near(sum(days), 29000, dp.stddev_of_noise(sum(days))) FROM stays;
SELECT near(count(*), 1000, dp.stddev_of_noise(count(*))) FROM stays WHERE stay_id <= 1000;
SELECT near(count(*), 1000, dp.stddev_of_noise(count(*))) FROM stays_1;
SELECT * FROM stays_2;
SELECT near(count(*), 1500, dp.stddev_of_noise(count(*))) FROM notes;
SELECT near(count(*), 1000, dp.stddev_of_noise(count(*))) FROM ONLY notes;
SELECT near(count(*), 500, dp.stddev_of_noise(count(*))) FROM long_notes;
SELECT near(count(*), 2000 * 4, dp.stddev_of_noise(count(*))) FROM stays JOIN stays s2 USING (patient_id);
SELECT * FROM long_notes;
SELECT tableoid, count(*) FROM stays GROUP BY tableoid;

-- Closed, and broken
RESET SESSION AUTHORIZATION;
SELECT dp.unprotect('notes');
SET SESSION AUTHORIZATION :analyst;
SELECT count(*) FROM notes; \echo :SQLSTATE
SELECT count(*) FROM long_notes; \echo :SQLSTATE
SELECT count(*) FROM visits v JOIN notes n ON n.patient_id = v.patient_id;

-- Writing
INSERT INTO visits SELECT * FROM visits; \echo :SQLSTATE
UPDATE visits SET cost = 1; \echo :SQLSTATE
DELETE FROM visits; \echo :SQLSTATE
TRUNCATE visits; \echo :SQLSTATE
MERGE INTO depts d USING visits v ON v.dept = d.dept WHEN MATCHED THEN DELETE; \echo :SQLSTATE
UPDATE depts SET name = 'x' FROM visits WHERE visits.dept = depts.dept; \echo :SQLSTATE
BEGIN;
LOCK TABLE visits; \echo :SQLSTATE
ROLLBACK;

-- Those who are no analysts see what they always saw
RESET SESSION AUTHORIZATION;
SELECT count(*), sum(cost) FROM visits;

REVOKE ALL ON SCHEMA public FROM :analyst;
DROP OWNED BY :analyst CASCADE;
SELECT dp.revoke_analyst(:'analyst', 'hospital');
DROP ROLE :analyst;
