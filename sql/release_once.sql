-- Rule 1: every release of a statement runs once; copies and references share one
-- answer; the price of all is booked in one piece; which ones run is decided by
-- the text (attack 29).
\getenv abs_srcdir PG_ABS_SRCDIR
\set hospital :abs_srcdir '/sql/common/hospital.sql'
\set analyst regress_release_once
\i :hospital
\set SHOW_CONTEXT never
-- How many releases a query was charged for
CREATE FUNCTION charged(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	before bigint := entries();
	quota_before numeric := used();
	one numeric;
	r record;
BEGIN
	FOR r IN EXECUTE query LOOP
	END LOOP;
	SELECT max(rho) * 2.0 ^ 60 INTO one FROM dp.preview('SELECT count(*) FROM patients');
	RETURN format('%s releases, quota for %s', entries() - before, round((used() - quota_before) / one, 1));
END $$;
SET SESSION AUTHORIZATION :analyst;

SELECT charged('SELECT count(*) FROM patients') AS one;
SELECT charged('SELECT count(*), count(sex), count(born) FROM patients') AS one_with_three;
SELECT charged('SELECT (SELECT count(*) FROM patients), (SELECT count(*) FROM visits)') AS two;
SELECT charged('SELECT count(*) FROM patients UNION ALL SELECT count(*) FROM patients WHERE born > 1950') AS two;
SELECT charged('SELECT count(*) FROM patients WHERE born > (SELECT avg(born) FROM patients)') AS two;

-- Copies share one answer
SELECT charged('SELECT (SELECT count(*) FROM patients) - (SELECT count(*) FROM patients)') AS one;
SELECT (SELECT count(*) FROM patients) - (SELECT count(*) FROM patients) AS zero;
SELECT (SELECT count(*) FROM patients) - (SELECT  count( * )  FROM  patients) AS zero;
SELECT count(*) AS rows, count(DISTINCT n) AS answers FROM
	(SELECT count(*) AS n FROM patients UNION ALL SELECT count(*) FROM patients UNION ALL SELECT count(*) FROM patients) s;
SELECT a.n - b.n AS zero FROM (SELECT dept, count(*) AS n FROM visits GROUP BY dept) a JOIN (SELECT dept, count(*) AS n FROM visits GROUP BY dept) b USING (dept) LIMIT 1;
SELECT (SELECT sum(n) FROM (SELECT count(*) AS n FROM patients) s) - (SELECT count(*) FROM patients) AS zero;
-- what is not a copy does not
SELECT charged('SELECT (SELECT count(*) FROM patients) - (SELECT count(*) FROM patients p)') AS one_or_two;
SELECT charged('SELECT (SELECT count(*) FROM patients) - (SELECT count(born) FROM patients)') AS two;
-- a CTE of the same name is another release where it means something else
SET dp.epsilon = 5;
SELECT near(a.n, 300, a.s) AND near(b.n, 600, b.s) AND a.n <> b.n AS each_its_own FROM
	(WITH x AS (SELECT patient_id FROM visits WHERE dept = 1) SELECT * FROM (SELECT count(*) AS n, dp.stddev_of_noise(count(*)) AS s FROM x) i) a,
	(WITH x AS (SELECT patient_id FROM visits WHERE dept IN (2, 3)) SELECT * FROM (SELECT count(*) AS n, dp.stddev_of_noise(count(*)) AS s FROM x) i) b;
RESET dp.epsilon;
WITH x AS (SELECT patient_id FROM visits WHERE dept = 1)
SELECT (SELECT n FROM (SELECT count(*) AS n FROM x) i) - (SELECT n FROM (SELECT count(*) AS m FROM x) i(n)) AS zero;
-- nor do two statements share
CREATE TEMP TABLE answers (n bigint);
INSERT INTO answers SELECT count(*) FROM patients;
INSERT INTO answers SELECT count(*) FROM patients;
INSERT INTO answers SELECT count(*) FROM patients;
INSERT INTO answers SELECT count(*) FROM patients;
INSERT INTO answers SELECT count(*) FROM patients;
INSERT INTO answers SELECT count(*) FROM patients;
INSERT INTO answers SELECT count(*) FROM patients;
INSERT INTO answers SELECT count(*) FROM patients;
INSERT INTO answers SELECT count(*) FROM patients;
INSERT INTO answers SELECT count(*) FROM patients;
SELECT count(DISTINCT n) > 1 AS differ FROM answers;

-- References to one CTE share one answer
SELECT charged('WITH a AS (SELECT count(*) AS n FROM patients) SELECT x.n - y.n FROM a x, a y') AS one;
WITH a AS (SELECT count(*) AS n FROM patients) SELECT x.n - y.n AS zero FROM a x, a y;
WITH a AS NOT MATERIALIZED (SELECT count(*) AS n FROM patients) SELECT x.n - y.n AS zero, (SELECT n FROM a) - x.n AS zero_too FROM a x, a y;
WITH a AS (SELECT dept, count(*) AS n FROM visits GROUP BY dept), b AS (SELECT sum(n) AS s FROM a)
SELECT (SELECT sum(n) FROM a) - s AS zero FROM b;
SELECT charged('WITH a AS (SELECT count(*) AS n FROM patients) SELECT 1') AS unreferenced;

-- Which ones run is a function of the text
SELECT charged('SELECT CASE WHEN false THEN (SELECT count(*) FROM patients) END') AS dead_case;
SELECT charged('SELECT CASE WHEN n > 1e9 THEN (SELECT count(*) FROM patients) END FROM (SELECT count(*) AS n FROM visits) s') AS "case";
SELECT charged('SELECT CASE WHEN n > -1e9 THEN (SELECT count(*) FROM patients) END FROM (SELECT count(*) AS n FROM visits) s') AS "case";
SELECT charged('SELECT coalesce(n, (SELECT count(*) FROM patients)) FROM (SELECT count(*) AS n FROM visits) s') AS "coalesce";
SELECT charged('SELECT n > 1e9 AND (SELECT count(*) FROM patients) > 0 FROM (SELECT count(*) AS n FROM visits) s') AS "and";
SELECT charged('SELECT n > -1e9 OR (SELECT count(*) FROM patients) > 0 FROM (SELECT count(*) AS n FROM visits) s') AS "or";
SELECT charged('SELECT (SELECT count(*) FROM patients) FROM (SELECT count(*) AS n FROM visits) s WHERE n > 1e9') AS no_row;
SELECT charged('SELECT (SELECT count(*) FROM patients) FROM (SELECT count(*) AS n FROM visits HAVING count(*) > 1e9) s') AS no_row;
SELECT charged('SELECT (SELECT count(*) FROM patients) FROM depts WHERE dept > 100') AS no_public_row;
SELECT charged('SELECT 1 FROM depts WHERE dept > 100 AND EXISTS (SELECT count(*) FROM patients)') AS "exists";
SELECT charged('SELECT * FROM (SELECT count(*) AS n FROM visits HAVING count(*) > 1e9) a, (SELECT count(*) FROM patients) b') AS empty_side;
SELECT charged('SELECT * FROM (SELECT count(*) AS n FROM visits HAVING count(*) > 1e9) a JOIN (SELECT count(*) AS n FROM patients) b USING (n)') AS empty_hash_side;
SELECT charged('SELECT * FROM (SELECT dept, count(*) AS n FROM visits GROUP BY dept HAVING count(*) > 1e9) a LEFT JOIN (SELECT count(*) AS n FROM patients) b USING (n)') AS left_join;
SELECT charged('SELECT * FROM depts d, LATERAL (SELECT n FROM (SELECT count(*) AS n FROM visits) s WHERE d.dept > 100) l') AS lateral;
SELECT charged('SELECT count(*) FROM visits UNION ALL SELECT count(*) FROM patients LIMIT 1') AS append_limit;
SELECT charged('SELECT count(*) FROM visits WHERE cost > (SELECT avg(dp.clamp(patient_id, 0, 500)) FROM patients WHERE patient_id < 0)') AS below;
SELECT charged('SELECT count(*) FROM visits WHERE false AND cost > (SELECT avg(born) FROM patients)') AS below_false;
SELECT charged('SELECT (SELECT count(*) FROM patients) FROM depts LIMIT 0') AS limit_0;
SELECT charged('SELECT dept FROM depts ORDER BY (SELECT count(*) FROM patients)') AS order_by;
SELECT charged('SELECT (SELECT count(*) FROM patients) FROM generate_series(1, 3)') AS three_rows;
SELECT charged('SELECT dept IN (SELECT dept FROM visits GROUP BY dept) FROM depts') AS "in";
SELECT charged('SELECT dept = ANY (SELECT dept FROM visits GROUP BY dept) FROM depts WHERE dept > 100') AS any_no_row;
SELECT charged('VALUES ((SELECT count(*) FROM patients)), (1)') AS "values";
-- and not of the planner's settings
SET enable_hashjoin = off;
SET enable_nestloop = off;
SELECT charged('SELECT * FROM (SELECT count(*) AS n FROM visits HAVING count(*) > 1e9) a JOIN (SELECT count(*) AS n FROM patients) b USING (n)') AS merge;
SET enable_mergejoin = off;
SET enable_nestloop = on;
SELECT charged('SELECT * FROM (SELECT count(*) AS n FROM visits HAVING count(*) > 1e9) a JOIN (SELECT count(*) AS n FROM patients) b USING (n)') AS nestloop;
SET enable_material = off;
SET enable_memoize = off;
SELECT charged('SELECT * FROM (SELECT dept, count(*) AS n FROM visits GROUP BY dept) a JOIN (SELECT dept, count(born) AS n FROM patients p JOIN visits USING (patient_id) GROUP BY dept) b ON a.n < b.n') AS rescans;
RESET ALL;

-- Begun is charged, however little is fetched
SELECT charged('SELECT dept, count(*) FROM visits GROUP BY dept LIMIT 1') AS limit_1;
SELECT charged('SELECT dept, count(*) FROM visits GROUP BY dept HAVING false') AS having_false;
SELECT charged('SELECT count(*) FROM visits WHERE false') AS where_false;
SELECT charged('EXPLAIN SELECT count(*) FROM visits') AS explained;
SELECT charged('SELECT * FROM visits LIMIT 0') AS probe;
SELECT charged('SELECT count(*) FROM visits LIMIT 0') AS probe;

-- A statement that the quota does not cover as a whole books nothing
RESET SESSION AUTHORIZATION;
SELECT dp.grant_analyst(:'analyst', 'hospital', 1, 1);
SET SESSION AUTHORIZATION :analyst;
SELECT entries() AS before, used() AS used \gset
SET dp.epsilon = 0.9;
SELECT (SELECT count(*) FROM patients), (SELECT count(*) FROM visits), (SELECT count(*) FROM labs),
	(SELECT count(sex) FROM patients), (SELECT sum(cost) FROM visits); \echo :SQLSTATE
SELECT entries() - :before AS releases, used() - :used AS quota;
SET dp.epsilon = 5;
SELECT count(*) FROM patients; \echo :SQLSTATE
RESET dp.epsilon;

RESET SESSION AUTHORIZATION;
SELECT check_name, ok FROM dp.verify() WHERE NOT ok;
DROP OWNED BY :analyst CASCADE;
SELECT dp.revoke_analyst(:'analyst', 'hospital');
DROP ROLE :analyst;
