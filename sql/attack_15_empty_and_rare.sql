-- Attack 15: empty sets and sets of one: the same path, form, price and noise.
-- Attack 16: rare keys do not show, and the order of groups says nothing.
\getenv abs_srcdir PG_ABS_SRCDIR
\set hospital :abs_srcdir '/sql/common/hospital.sql'
\set analyst regress_attack_15
\i :hospital
\set SHOW_CONTEXT never
SET SESSION AUTHORIZATION :analyst;
CREATE FUNCTION explained(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	line text;
	result text := '';
BEGIN
	FOR line IN EXECUTE 'EXPLAIN ' || query LOOP
		result := result || line || E'\n';
	END LOOP;
	RETURN result;
END $$;
CREATE FUNCTION form(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	before numeric := used();
	entries_before bigint := entries();
	n bigint := 0;
	nulls bigint := 0;
	r record;
BEGIN
	FOR r IN EXECUTE query LOOP
		n := n + 1;
		nulls := nulls + (SELECT count(*) FROM json_each_text(row_to_json(r)) WHERE value IS NULL);
	END LOOP;
	RETURN format('%s rows, %s NULLs, %s charged, quota %s', n, nulls, entries() - entries_before, round((used() - before) / 1e12));
END $$;
-- one plan whatever the filter finds
SELECT count(DISTINCT explained(replace(q, 'FILTER', f))) AS plans
FROM unnest(ARRAY['false', 'visit_id = 1', 'visit_id = -1', 'cost > 1000', 'true']) f,
	unnest(ARRAY['SELECT count(*), sum(cost) FROM visits WHERE FILTER']) q;
-- one form of the answer
SELECT DISTINCT form('SELECT count(*), sum(cost), count(DISTINCT patient_id) FROM visits WHERE ' || f) FROM unnest(ARRAY['false', '1 = 2', 'visit_id = 1', 'visit_id = -1', 'cost > 1000', 'true', 'NULL']) f;
SELECT DISTINCT form('SELECT dept, count(*), sum(score) FROM visits WHERE ' || f || ' GROUP BY dept') FROM unnest(ARRAY['false', '1 = 2', 'visit_id = 1', 'visit_id = -1', 'cost > 1000', 'true', 'NULL']) f;
SELECT DISTINCT form('SELECT count(*) FROM visits v JOIN patients p USING (patient_id) WHERE ' || f) FROM unnest(ARRAY['false', 'p.patient_id = 1', 'p.patient_id = -1', 'v.visit_id < 0', 'true']) f;
-- noise on all of them
CREATE TABLE drawn (f text, n bigint);
DO $$
DECLARE
	f text;
BEGIN
	FOREACH f IN ARRAY ARRAY['false', 'visit_id = 1', 'visit_id = -1'] LOOP
		FOR i IN 1..6 LOOP
			EXECUTE format('INSERT INTO drawn SELECT %L, count(*) FROM visits WHERE %s', f, f);
		END LOOP;
	END LOOP;
END $$;
SELECT f, count(DISTINCT n) > 1 AS noisy FROM drawn GROUP BY f ORDER BY f;
-- an empty table
RESET SESSION AUTHORIZATION;
CREATE TABLE nobody (patient_id int PRIMARY KEY, x int CHECK (x BETWEEN 0 AND 9), t text);
SET client_min_messages = warning;
SELECT dp.protect('nobody', 'hospital', 'patient_id');
RESET client_min_messages;
SET SESSION AUTHORIZATION :analyst;
SELECT near(count(*), 0, dp.stddev_of_noise(count(*))), near(sum(x), 0, dp.stddev_of_noise(sum(x))) FROM nobody;
SELECT count(*) FROM (SELECT x, count(*) FROM nobody GROUP BY x) s;
SELECT count(*) FROM (SELECT t, count(*) FROM nobody GROUP BY t) s;
SELECT near(count(*), 0, dp.stddev_of_noise(count(*))) FROM patients JOIN nobody USING (patient_id);

-- Rare keys (16)
SET dp.epsilon = 3;
SELECT count(*) FROM (SELECT visit_id FROM visits GROUP BY visit_id) s;
SELECT count(*) FROM (SELECT note || '' FROM visits GROUP BY note) s; 
SELECT count(*) FROM (SELECT lower(note), at, cost FROM visits GROUP BY 1, 2, 3) s;
SELECT count(*) FROM (SELECT patient_id % 1000 FROM visits GROUP BY 1) s;
RESET SESSION AUTHORIZATION;
INSERT INTO patients VALUES (1001, 'the village', 1920, 'F', true), (1002, 'the village', 1930, 'F', true);
SET SESSION AUTHORIZATION :analyst;
SELECT county, count(*) > 50 AS many FROM patients GROUP BY county ORDER BY county;
SELECT county FROM patients WHERE county = 'the village' GROUP BY county;
SELECT count(*) FROM patients GROUP BY ROLLUP (county);
SELECT count(*) FROM patients GROUP BY CUBE (county, sex);
SELECT count(*) FROM patients GROUP BY GROUPING SETS ((county), ());
SELECT DISTINCT county FROM patients;
-- groups come in the order of the domain, or sorted: whatever lies where
CREATE TABLE orders (pass int, i int, key text);
INSERT INTO orders SELECT 1, row_number() OVER (), county FROM (SELECT county, count(*) FROM patients GROUP BY county) s;
INSERT INTO orders SELECT 11, row_number() OVER (), dept FROM (SELECT dept, count(*) FROM visits GROUP BY dept) s;
RESET SESSION AUTHORIZATION;
CREATE TABLE copy_of AS SELECT * FROM patients ORDER BY md5(patient_id::text);
DELETE FROM patients;
INSERT INTO patients SELECT * FROM copy_of;
CREATE TABLE copy_of_visits AS SELECT * FROM visits ORDER BY md5(visit_id::text);
TRUNCATE visits;
INSERT INTO visits SELECT * FROM copy_of_visits;
SET SESSION AUTHORIZATION :analyst;
INSERT INTO orders SELECT 2, row_number() OVER (), county FROM (SELECT county, count(*) FROM patients GROUP BY county) s;
INSERT INTO orders SELECT 12, row_number() OVER (), dept FROM (SELECT dept, count(*) FROM visits GROUP BY dept) s;
SELECT count(*) AS rows, count(DISTINCT (pass / 10, i, key)) AS different FROM orders;

RESET SESSION AUTHORIZATION;
DROP OWNED BY :analyst CASCADE;
SELECT dp.revoke_analyst(:'analyst', 'hospital');
DROP ROLE :analyst;
