-- Statements around releases: where an answer may go, and how it may be asked for.
\getenv abs_srcdir PG_ABS_SRCDIR
\set hospital :abs_srcdir '/sql/common/hospital.sql'
\set analyst regress_analyze_statements
\i :hospital
\set SHOW_CONTEXT never
SET SESSION AUTHORIZATION :analyst;
CREATE TABLE kept (dept int, n bigint, s float8);

-- INSERT ... SELECT, CREATE TABLE AS, SELECT INTO, COPY
INSERT INTO kept SELECT dept, count(*), dp.stddev_of_noise(count(*)) FROM visits GROUP BY dept;
INSERT INTO kept (n, dept, s) SELECT count(*), 99, dp.stddev_of_noise(count(*)) FROM visits RETURNING dept;
INSERT INTO kept VALUES (98, (SELECT count(*) FROM visits), 1e6);
INSERT INTO kept SELECT dept, count(*) FROM visits GROUP BY dept ON CONFLICT DO NOTHING;
SELECT count(*), bool_and(near(n, CASE WHEN dept > 90 THEN 3000 ELSE 300 END, coalesce(s, 1e6))) FROM kept;
CREATE TABLE snap AS SELECT dept, count(*) AS n FROM visits GROUP BY dept;
CREATE TABLE bare AS SELECT dept, count(*) AS n FROM visits GROUP BY dept WITH NO DATA;
CREATE TEMP TABLE t AS SELECT count(*) AS n FROM visits;
SELECT count(*) AS n INTO snap2 FROM visits;
SELECT (SELECT count(*) FROM snap), (SELECT count(*) FROM bare), (SELECT count(*) FROM t), (SELECT count(*) FROM snap2);
CREATE TABLE raw AS SELECT * FROM visits; \echo :SQLSTATE
SELECT * INTO raw FROM visits; \echo :SQLSTATE
INSERT INTO kept (dept) SELECT dept FROM visits; \echo :SQLSTATE
INSERT INTO kept (dept) SELECT v.dept FROM visits v JOIN kept k ON k.dept = v.dept; \echo :SQLSTATE
INSERT INTO visits (visit_id, dept, urgent) SELECT 9999, 1, false FROM kept; \echo :SQLSTATE
UPDATE kept SET n = (SELECT count(*) FROM visits); \echo :SQLSTATE
DELETE FROM kept WHERE n < (SELECT count(*) FROM visits); \echo :SQLSTATE
COPY (SELECT count(*) > -1000 FROM visits) TO STDOUT;
COPY (SELECT * FROM visits) TO STDOUT; \echo :SQLSTATE
COPY visits TO STDOUT; \echo :SQLSTATE
COPY (TABLE visits) TO STDOUT;
COPY (INSERT INTO kept SELECT dept FROM visits RETURNING *) TO STDOUT;

-- Over the answer anything goes
SELECT dept, rank() OVER (ORDER BY dept DESC), sum(1) OVER (), lag(dept) OVER (ORDER BY dept) FROM visits GROUP BY dept HAVING count(*) > 50 ORDER BY dept DESC LIMIT 3 OFFSET 1;
SELECT dept, row_number() OVER (PARTITION BY dept % 2 ORDER BY dept) FROM (SELECT dept, count(*) AS n FROM visits GROUP BY dept) s WHERE n > 50 ORDER BY dept LIMIT 4;
SELECT count(*), sum(dept), max(dept), string_agg(dept::text, ',' ORDER BY dept), array_agg(dept ORDER BY dept) FROM (SELECT dept, count(*) FROM visits GROUP BY dept) s;
SELECT near(100 * count(*) / 3000.0, 100, 100 * dp.stddev_of_noise(count(*)) / 3000), round(abs(ln(abs(count(*)::numeric / 3000)))), count(*)::text ~ '^[0-9]+$', format('%s', count(*)) <> '' FROM visits;
SELECT near(sum(cost)::numeric / nullif(count(*), 0), 49.5, 1) FROM visits;
SELECT dept, CASE WHEN count(*) > 50 THEN 'many' ELSE 'few' END FROM visits WHERE dept = 3 GROUP BY dept HAVING dept = 3;
SELECT generate_series(1, 2) AS g, count(*) > 0 AS some FROM visits;
SELECT DISTINCT count(*) > 0 AS some FROM visits GROUP BY dept;
SELECT DISTINCT ON (dept % 2) dept FROM visits GROUP BY dept ORDER BY dept % 2, dept;
SELECT dept FROM visits GROUP BY dept ORDER BY dept FETCH FIRST 2 ROWS ONLY;
SELECT dept FROM visits GROUP BY dept ORDER BY dept LIMIT (SELECT 2);
SELECT dept FROM visits GROUP BY dept ORDER BY count(*) LIMIT 0;
SELECT s.dept, d.name FROM (SELECT dept, count(*) AS n FROM visits GROUP BY dept) s LEFT JOIN depts d USING (dept) WHERE dept < 3 ORDER BY 1;
SELECT d.dept, x.some FROM depts d, LATERAL (SELECT s.n > 50 AS some FROM (SELECT dept, count(*) AS n FROM visits GROUP BY dept) s WHERE s.dept = d.dept) x WHERE d.dept < 3 ORDER BY 1;
SELECT (SELECT count(*) FROM visits) > 0 AS a, EXISTS (SELECT count(*) FROM visits) AS b, ARRAY(SELECT dept FROM visits GROUP BY dept ORDER BY dept) AS c;
SELECT dept FROM depts WHERE dept IN (SELECT dept FROM visits GROUP BY dept HAVING count(*) > 50) AND dept < (SELECT abs(count(*)) / 1300 FROM visits) ORDER BY dept;
SELECT near(count(*), 1500, dp.stddev_of_noise(count(*)) + 100) FROM visits WHERE cost > (SELECT avg(cost) FROM visits);
SELECT count(*) FROM visits WHERE cost > (SELECT avg(cost) FROM visits GROUP BY dept); \echo :SQLSTATE
SELECT count(*) FROM visits WHERE cost > (SELECT cost FROM visits LIMIT 1);
SELECT (SELECT count(*) FROM visits v WHERE v.dept = d.dept) FROM depts d; \echo :SQLSTATE
SELECT dept, (SELECT count(*) FROM visits v WHERE v.dept = visits.dept) FROM visits GROUP BY dept;
SELECT dept, (SELECT name FROM depts d WHERE d.dept = visits.dept) FROM visits GROUP BY dept;
SELECT dept, (SELECT max(name) FROM depts d) FROM visits GROUP BY dept ORDER BY dept LIMIT 1;
SELECT row_to_json(s) IS NOT NULL FROM (SELECT count(*) FROM visits) s;
SELECT s FROM (SELECT dept FROM visits GROUP BY dept) s ORDER BY 1 LIMIT 1;
SELECT count(*) > 0 FROM visits FOR UPDATE; \echo :SQLSTATE
SELECT * FROM (SELECT count(*) > 0 AS some FROM visits) s FOR UPDATE; \echo :SQLSTATE

-- Set operations of answers
SELECT 'visits' AS what, count(*) > 0 AS some FROM visits UNION ALL SELECT 'patients', count(*) > 0 FROM patients ORDER BY 1;
SELECT dept FROM visits GROUP BY dept INTERSECT SELECT dept FROM depts WHERE dept < 3 ORDER BY 1;
SELECT dept FROM depts EXCEPT SELECT dept FROM visits GROUP BY dept;
SELECT count(*) > 0 FROM visits UNION SELECT urgent FROM visits; \echo :SQLSTATE
SELECT dept FROM visits UNION ALL SELECT dept FROM depts;
(SELECT dept FROM visits GROUP BY dept ORDER BY dept LIMIT 1) UNION ALL (SELECT 0) ORDER BY 1;

-- Cursors
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT dept, count(*) AS n FROM visits GROUP BY dept ORDER BY dept;
MOVE FORWARD 2 IN c;
MOVE BACKWARD ALL IN c;
MOVE FORWARD ALL IN c;
CLOSE c;
DECLARE c CURSOR FOR SELECT * FROM visits; \echo :SQLSTATE
ROLLBACK;
BEGIN;
DECLARE c CURSOR WITH HOLD FOR SELECT dept FROM visits GROUP BY dept ORDER BY dept;
COMMIT;
FETCH 2 FROM c;
CLOSE c;

-- Prepared statements: custom, generic and forced plans
PREPARE by_dept(int) AS SELECT near(count(*), 300, dp.stddev_of_noise(count(*))) FROM visits WHERE dept = $1;
EXECUTE by_dept(1);
EXECUTE by_dept(2);
EXECUTE by_dept(2);
EXECUTE by_dept(2);
EXECUTE by_dept(2);
EXECUTE by_dept(2);
EXECUTE by_dept(2);
SELECT generic_plans > 0 AS generic, custom_plans FROM pg_prepared_statements WHERE name = 'by_dept';
SET plan_cache_mode = force_generic_plan;
EXECUTE by_dept(3);
SET plan_cache_mode = force_custom_plan;
EXECUTE by_dept(4);
RESET plan_cache_mode;
PREPARE clamped(int) AS SELECT near(sum(dp.clamp(cost, 0, $1)), CASE $1 WHEN 10 THEN 28650 ELSE 148500 END, dp.stddev_of_noise(sum(dp.clamp(cost, 0, $1)))) FROM visits;
EXECUTE clamped(10);
EXECUTE clamped(10);
EXECUTE clamped(10);
EXECUTE clamped(10);
EXECUTE clamped(10);
EXECUTE clamped(10);
EXECUTE clamped(1000);
SET plan_cache_mode = force_generic_plan;
EXECUTE clamped(10); \echo :SQLSTATE
EXPLAIN EXECUTE clamped(10);
RESET plan_cache_mode;
PREPARE like_p(text) AS SELECT count(*) > 0 FROM visits WHERE note LIKE $1;
EXECUTE like_p('note%');
EXECUTE like_p('note\'); \echo :SQLSTATE
EXECUTE like_p(NULL);
PREPARE keyed(int) AS SELECT CASE WHEN dept = $1 THEN $1 ELSE 0 END, count(*) > 0 FROM visits GROUP BY 1 HAVING count(*) > 1500;
EXECUTE keyed(3);
PREPARE raw_p AS SELECT * FROM visits; \echo :SQLSTATE
EXECUTE raw_p; \echo :SQLSTATE
PREPARE in_p(int[]) AS SELECT near(count(*), 600, dp.stddev_of_noise(count(*))) FROM visits WHERE dept = ANY ($1);
EXECUTE in_p('{1,2}');
SET plan_cache_mode = force_generic_plan;
EXECUTE in_p('{1,2}');
RESET plan_cache_mode;

-- wherever a parameter stands, the sixth execution is as good as the first
CREATE FUNCTION seven(query text, arguments text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	plans bigint;
BEGIN
	EXECUTE 'PREPARE s AS ' || query;
	FOR i IN 1..7 LOOP
		EXECUTE format('EXECUTE s(%s)', arguments);
	END LOOP;
	SELECT generic_plans INTO plans FROM pg_prepared_statements WHERE name = 's';
	DEALLOCATE s;
	RETURN plans;
END $$;
SELECT seven('SELECT count(*) FROM visits WHERE dept IN ($1, $2) AND cost BETWEEN $1 AND $2', '1, 2') > 0 AS generic,
	seven('SELECT count(*) FROM visits WHERE note = $1 OR NOT urgent AND $2', '''x'', true') > 0 AS "text",
	seven('SELECT count(*) FILTER (WHERE cost < $1) FROM visits WHERE at > $2', '1, ''2020-01-01''') > 0 AS filter;
SELECT seven('SELECT count(*) FROM visits WHERE cost + $1 > 0 AND cost * $1 / $1 > 0', '1') AS arithmetic,
	seven('SELECT count(*) FROM visits WHERE cost > 100 / $1', '1') AS division,
	seven('SELECT count(*) FROM visits WHERE note = repeat($1, 3) || $1', '''x''') AS constant,
	seven('SELECT sum(cost * $1), avg(dp.clamp(cost, $1, $2)) FROM visits', '1, 2') AS bounds,
	seven('SELECT count(*) FROM visits GROUP BY dept > $1', '1') AS key,
	seven('SELECT count(*) FROM visits GROUP BY width_bucket(cost, $1, $2, $3)', '1, 2, 3') AS buckets,
	seven('SELECT dp.interval_low(count(*), $1) FROM visits', '0.9') AS confidence,
	seven('SELECT count(*) FROM visits WHERE substr(note, $1) LIKE $2', '1, ''%''') AS pattern,
	seven('SELECT dept FROM visits GROUP BY dept HAVING count(*) > $1 LIMIT $1', '1') AS above;

-- plpgsql
DO $$
DECLARE
	n bigint;
	s float8;
	r record;
	found_groups int := 0;
BEGIN
	SELECT count(*), dp.stddev_of_noise(count(*)) INTO n, s FROM visits;
	RAISE NOTICE 'near: %', near(n, 3000, s);
	FOR r IN SELECT dept, count(*) AS n FROM visits GROUP BY dept LOOP
		found_groups := found_groups + 1;
	END LOOP;
	RAISE NOTICE 'groups: %', found_groups;
	FOR i IN 1..7 LOOP
		SELECT count(*), dp.stddev_of_noise(count(*)) INTO n, s FROM visits WHERE dept = i;
		IF NOT near(n, 300, s) THEN RAISE NOTICE 'not near'; END IF;
	END LOOP;
	IF (SELECT count(*) FROM visits) > 0 THEN RAISE NOTICE 'some'; END IF;
	PERFORM count(*) FROM visits;
	BEGIN
		SELECT cost INTO n FROM visits LIMIT 1;
	EXCEPTION WHEN SQLSTATE 'PV001' THEN RAISE NOTICE 'refused';
	END;
	BEGIN
		FOR r IN SELECT * FROM visits LOOP RAISE NOTICE 'row'; END LOOP;
	EXCEPTION WHEN SQLSTATE 'PV001' THEN RAISE NOTICE 'refused';
	END;
	EXECUTE 'SELECT count(*) FROM visits WHERE dept = $1' INTO n USING 3;
	FOREACH n IN ARRAY ARRAY(SELECT count(*) FROM visits) LOOP RAISE NOTICE 'once'; END LOOP;
END $$;

-- SQL functions, also those that are inlined
CREATE FUNCTION counted(d int) RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(*) FROM visits WHERE dept = d';
CREATE FUNCTION counts() RETURNS TABLE (dept int, n bigint) LANGUAGE sql STABLE AS 'SELECT dept, count(*) FROM visits GROUP BY dept';
CREATE FUNCTION raw_ids() RETURNS SETOF bigint LANGUAGE sql STABLE AS 'SELECT visit_id FROM visits';
CREATE FUNCTION raw_rows() RETURNS SETOF visits LANGUAGE sql STABLE AS 'SELECT * FROM visits';
CREATE FUNCTION one_raw() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT visit_id FROM visits WHERE visit_id = 1';
CREATE FUNCTION atomic() RETURNS bigint LANGUAGE sql STABLE RETURN (SELECT count(*) FROM visits);
SELECT counted(3) > 0;
SELECT dept, counted(dept) > 0 FROM depts WHERE dept < 3 ORDER BY 1;
SELECT count(*), bool_and(n > 0) FROM counts();
ALTER FUNCTION counts() VOLATILE;
SELECT count(*), bool_and(n > 0) FROM counts();
SELECT atomic() > 0;
SELECT * FROM raw_ids(); \echo :SQLSTATE
SELECT count(*) FROM raw_ids(); \echo :SQLSTATE
EXPLAIN (COSTS off) SELECT * FROM raw_ids();
SELECT * FROM raw_rows(); \echo :SQLSTATE
SELECT one_raw(); \echo :SQLSTATE
SELECT count(*) FROM visits WHERE visit_id = one_raw(); \echo :SQLSTATE
SELECT count(*) FROM visits WHERE dept IN (SELECT d FROM raw_ids() d); \echo :SQLSTATE
RESET SESSION AUTHORIZATION;
CREATE FUNCTION lent() RETURNS SETOF visits LANGUAGE sql STABLE SECURITY DEFINER AS 'SELECT * FROM visits';
CREATE FUNCTION lent_count() RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER AS 'SELECT count(*) FROM visits';
CREATE FUNCTION lent_plpgsql() RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN RETURN (SELECT visit_id FROM visits WHERE visit_id = 1); END';
SET SESSION AUTHORIZATION :analyst;
SELECT * FROM lent(); \echo :SQLSTATE
SELECT lent_plpgsql(); \echo :SQLSTATE
SELECT near(lent_count(), 3000, 1000); \echo :SQLSTATE

-- Probes
SELECT * FROM visits WHERE false;
SELECT * FROM visits LIMIT 0;
SELECT cost, note FROM visits v JOIN patients p ON true WHERE false;
SELECT count(*) FROM visits LIMIT 0;
SELECT visits FROM visits LIMIT 0;
SELECT near(count(*), 0, dp.stddev_of_noise(count(*))) FROM visits WHERE false;
SELECT near(count(*), 0, dp.stddev_of_noise(count(*))) FROM visits WHERE 1 = 2;
SELECT * FROM visits WHERE 1 = 2;
SELECT v.cost FROM visits v JOIN patients p USING (patient_id) WHERE 0 = 1 AND v.cost > 3;
SELECT * FROM visits WHERE 1 = 1; \echo :SQLSTATE
PREPARE none AS SELECT * FROM visits LIMIT 0;
EXECUTE none;

-- Rules and triggers of the analyst's own tables
CREATE RULE also AS ON INSERT TO kept DO ALSO SELECT * FROM visits;
INSERT INTO kept VALUES (1, 1, 1); \echo :SQLSTATE
DROP RULE also ON kept;
CREATE RULE also AS ON INSERT TO kept DO ALSO INSERT INTO snap SELECT dept, visit_id FROM visits;
INSERT INTO kept VALUES (1, 1, 1); \echo :SQLSTATE
DROP RULE also ON kept;

RESET SESSION AUTHORIZATION;
DROP OWNED BY :analyst CASCADE;
SELECT dp.revoke_analyst(:'analyst', 'hospital');
DROP ROLE :analyst;
