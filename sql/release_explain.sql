-- EXPLAIN of a release: mechanism, bounds, price; nothing from statistics (rule 32).
\getenv abs_srcdir PG_ABS_SRCDIR
\set hospital :abs_srcdir '/sql/common/hospital.sql'
\set analyst regress_release_explain
\i :hospital
\set SHOW_CONTEXT never
-- the whole output of EXPLAIN, as one text
CREATE FUNCTION explained(query text, options text DEFAULT '') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	line text;
	result text := '';
BEGIN
	FOR line IN EXECUTE 'EXPLAIN ' || options || ' ' || query LOOP
		result := result || line || E'\n';
	END LOOP;
	RETURN result;
END $$;
CREATE TABLE plans (pass int, query text, options text, plan text);
GRANT SELECT, INSERT ON plans TO :analyst;
CREATE TABLE queries (query text);
INSERT INTO queries VALUES
	('SELECT count(*) FROM visits'),
	('SELECT dept, count(*), sum(cost), avg(score) FROM visits WHERE cost > 50 GROUP BY dept ORDER BY 2'),
	('SELECT county, count(*) FROM patients GROUP BY county'),
	('SELECT p.sex, avg(v.cost) FROM visits v JOIN patients p USING (patient_id) GROUP BY p.sex'),
	('SELECT d.name, count(*) FROM visits v JOIN depts d USING (dept) GROUP BY d.name HAVING count(*) > 10 LIMIT 3'),
	('SELECT count(*) FROM labs WHERE value < 10'),
	('SELECT (SELECT count(*) FROM patients), a.n FROM (SELECT dept, count(*) AS n FROM visits GROUP BY dept) a JOIN depts USING (dept)'),
	('WITH a AS (SELECT dept, count(*) AS n FROM visits GROUP BY dept) SELECT * FROM a x JOIN a y USING (dept)'),
	('SELECT count(*) FROM visits UNION ALL SELECT count(*) FROM patients'),
	('SELECT upper(county), n FROM (SELECT county, note, count(*) AS n FROM visits JOIN patients USING (patient_id) GROUP BY county, note) s JOIN depts d ON d.name = s.county ORDER BY 1'),
	('SELECT rank() OVER (ORDER BY count(*)) FROM visits GROUP BY urgent'),
	('INSERT INTO plans (pass) SELECT count(*) FROM visits'),
	('SELECT count(*) FROM visits WHERE visit_id = 5');
GRANT SELECT ON queries TO :analyst;
SET SESSION AUTHORIZATION :analyst;
SET dp.epsilon = 1;

EXPLAIN SELECT dept, count(*), sum(cost), avg(score), dp.interval_low(count(*)) FROM visits GROUP BY dept ORDER BY 2 DESC LIMIT 3;
EXPLAIN (COSTS off) SELECT county, count(*) FROM patients WHERE born > 1950 GROUP BY county;
EXPLAIN (COSTS off, VERBOSE) SELECT count(*) FROM visits v JOIN patients p USING (patient_id) WHERE v.cost = 17;
EXPLAIN (COSTS off) SELECT count(*) FROM labs;
EXPLAIN (COSTS off, FORMAT json) SELECT count(*) FROM visits;
EXPLAIN (COSTS off, FORMAT yaml, SETTINGS) SELECT avg(cost) FROM visits;

-- Data, statistics and indexes do not show
INSERT INTO plans SELECT 1, query, o, explained(query, o) FROM queries, unnest(ARRAY['', '(VERBOSE)', '(FORMAT json, VERBOSE, SETTINGS)', '(COSTS off)']) o;
RESET SESSION AUTHORIZATION;
ANALYZE patients; ANALYZE visits; ANALYZE labs;
SET SESSION AUTHORIZATION :analyst;
INSERT INTO plans SELECT 2, query, o, explained(query, o) FROM queries, unnest(ARRAY['', '(VERBOSE)', '(FORMAT json, VERBOSE, SETTINGS)', '(COSTS off)']) o;
RESET SESSION AUTHORIZATION;
INSERT INTO visits SELECT i, i, 1, 1, 1, 1, '2020-01-01', '', true FROM generate_series(10000, 40000) i;
DELETE FROM patients WHERE patient_id > 20;
TRUNCATE labs;
CREATE INDEX ON visits (cost);
CREATE INDEX ON visits (dept, patient_id);
VACUUM ANALYZE visits; VACUUM ANALYZE patients; VACUUM ANALYZE labs;
SET SESSION AUTHORIZATION :analyst;
INSERT INTO plans SELECT 3, query, o, explained(query, o) FROM queries, unnest(ARRAY['', '(VERBOSE)', '(FORMAT json, VERBOSE, SETTINGS)', '(COSTS off)']) o;
RESET SESSION AUTHORIZATION;
DELETE FROM visits;
ALTER TABLE visits SET (parallel_workers = 4);
ANALYZE visits;
SET SESSION AUTHORIZATION :analyst;
INSERT INTO plans SELECT 4, query, o, explained(query, o) FROM queries, unnest(ARRAY['', '(VERBOSE)', '(FORMAT json, VERBOSE, SETTINGS)', '(COSTS off)']) o;
SELECT count(*) AS queries, count(DISTINCT (query, options, plan)) = count(*) / 4 AS same FROM plans;
SELECT query, options, count(DISTINCT plan) FROM plans GROUP BY query, options HAVING count(DISTINCT plan) > 1 ORDER BY 1;
SELECT count(*) AS shows_scans FROM plans WHERE plan ~ '(?n)(Seq Scan|Index|Bitmap|Hash Cond|Filter).* (visits|patients|labs)' OR plan ~ '(?n)Filter: .*(cost|value|born|visit_id)';

-- Run: refused
EXPLAIN ANALYZE SELECT count(*) FROM visits; \echo :SQLSTATE
EXPLAIN (ANALYZE, TIMING off, SUMMARY off) SELECT count(*) FROM visits;
EXPLAIN (ANALYZE, BUFFERS) SELECT (SELECT count(*) FROM visits);
EXPLAIN (ANALYZE, WAL) INSERT INTO plans (pass) SELECT count(*) FROM visits;
EXPLAIN ANALYZE CREATE TABLE t AS SELECT count(*) AS n FROM visits;
EXPLAIN ANALYZE SELECT * FROM visits;
PREPARE p AS SELECT count(*) FROM visits;
EXPLAIN ANALYZE EXECUTE p;
EXPLAIN (COSTS off) EXECUTE p;
EXPLAIN (COSTS off) DECLARE c CURSOR FOR SELECT count(*) FROM visits;
EXPLAIN (COSTS off) CREATE TABLE t AS SELECT count(*) AS n FROM visits;
EXPLAIN SELECT * FROM visits; \echo :SQLSTATE
EXPLAIN (BUFFERS) SELECT count(*) FROM visits;
SELECT used();

RESET SESSION AUTHORIZATION;
DROP OWNED BY :analyst CASCADE;
SELECT dp.revoke_analyst(:'analyst', 'hospital');
DROP ROLE :analyst;
