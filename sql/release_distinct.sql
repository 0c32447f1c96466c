-- count(DISTINCT x) where x is not the owner key (rule 7), as analysts use it: error
-- bars, groups, preview, EXPLAIN, repeats, prepared statements, cursors, a pure data set.
\getenv abs_srcdir PG_ABS_SRCDIR
\set hospital :abs_srcdir '/sql/common/hospital.sql'
\set analyst regress_release_distinct
\i :hospital
\set SHOW_CONTEXT never
SET SESSION AUTHORIZATION :analyst;

SELECT near(count(DISTINCT cost), 100, dp.stddev_of_noise(count(DISTINCT cost))) AS cost, near(count(DISTINCT note), 7, dp.stddev_of_noise(count(DISTINCT note))) AS note,
	near(count(DISTINCT at), 365, dp.stddev_of_noise(count(DISTINCT at))) AS at, near(count(DISTINCT urgent), 2, dp.stddev_of_noise(count(DISTINCT urgent))) AS urgent,
	near(count(DISTINCT visit_id), 3000, dp.stddev_of_noise(count(DISTINCT visit_id))) AS visit, near(count(DISTINCT cost) FILTER (WHERE urgent), 25, dp.stddev_of_noise(count(DISTINCT cost) FILTER (WHERE urgent))) AS filtered
FROM visits;
-- All groups of a domain, and those that a threshold lets through
SET dp.epsilon = 8;
SELECT dept, near(count(DISTINCT cost), 10, dp.stddev_of_noise(count(DISTINCT cost))) AS cost, near(count(DISTINCT patient_id), 50, dp.stddev_of_noise(count(DISTINCT patient_id))) AS owners
FROM visits GROUP BY dept ORDER BY dept;
SELECT note, near(count(DISTINCT dept), 10, dp.stddev_of_noise(count(DISTINCT dept))) AS dept FROM visits GROUP BY note ORDER BY note;
SELECT near(count(DISTINCT wing), 3, dp.stddev_of_noise(count(DISTINCT wing))) AS wing FROM visits v JOIN depts USING (dept);
SELECT p.sex, near(count(DISTINCT v.dept), CASE WHEN p.sex IS NULL THEN 1 ELSE 5 END, dp.stddev_of_noise(count(DISTINCT v.dept)) + 1) AS dept
FROM patients p JOIN visits v USING (patient_id) GROUP BY p.sex ORDER BY p.sex;
RESET dp.epsilon;
-- Error bars; negative answers occur
SELECT dp.interval_low(count(DISTINCT cost)) < dp.interval_high(count(DISTINCT cost)) AS bars, dp.interval_low(count(DISTINCT cost), 0.99) < dp.interval_low(count(DISTINCT cost), 0.5) AS wider FROM visits;
CREATE TABLE drawn (n bigint);
DO $$ BEGIN FOR i IN 1 .. 40 LOOP INSERT INTO drawn SELECT count(DISTINCT cost) FROM visits WHERE visit_id < 0; END LOOP; END $$;
SELECT min(n) < 0 AS below, max(n) > 0 AS above, count(DISTINCT n) > 20 AS fresh FROM drawn;
-- A domain, and fewer rows, mean less noise
SELECT dp.stddev_of_noise(count(DISTINCT cost)) / dp.stddev_of_noise(count(DISTINCT urgent)) BETWEEN 4 AND 6 AS domain_of_two, dp.stddev_of_noise(count(DISTINCT dept)) = dp.stddev_of_noise(count(DISTINCT cost)) AS domain_of_ten FROM visits;
SELECT dp.stddev_of_noise(count(DISTINCT cost)) AS ten FROM visits \gset
SET dp.rows_per_owner = 2;
SELECT :ten / dp.stddev_of_noise(count(DISTINCT cost)) BETWEEN 4 AND 6 AS rows FROM visits;
RESET dp.rows_per_owner;

-- What is said beforehand
EXPLAIN SELECT dept, count(DISTINCT cost), count(DISTINCT urgent) FROM visits GROUP BY dept;
SELECT aggregate, mechanism, rows_per_owner FROM dp.preview('SELECT count(DISTINCT cost), count(DISTINCT note) FROM visits');
SELECT aggregate, groups FROM dp.preview('SELECT note, count(DISTINCT cost) FROM visits GROUP BY note');
-- Repeats; what is another question is none
SET dp.repeats = on;
SELECT count(DISTINCT cost) AS first FROM visits \gset
SELECT repeat FROM dp.preview('SELECT count(DISTINCT cost) FROM visits');
SELECT count(DISTINCT cost) = :first AS again FROM visits;
SELECT repeat FROM dp.preview('SELECT count(DISTINCT cost + 0) FROM visits');
SELECT repeat FROM dp.preview('SELECT count(cost) FROM visits');
SET dp.repeats = off;
-- Prepared, with parameters; a cursor; a transaction that is rolled back is charged
PREPARE p(int) AS SELECT near(count(DISTINCT cost) FILTER (WHERE dept <= $1), 10 * $1, dp.stddev_of_noise(count(DISTINCT cost) FILTER (WHERE dept <= $1))) AS cost FROM visits;
EXECUTE p(3);
SET plan_cache_mode = force_generic_plan;
EXECUTE p(5);
RESET plan_cache_mode;
SELECT used() AS before \gset
BEGIN;
DECLARE c CURSOR FOR SELECT count(DISTINCT cost) > -1000 AS fetched FROM visits;
FETCH ALL FROM c;
ROLLBACK;
SELECT used() > :before AS charged;
-- Above: sums of answers, HAVING, a CTE read twice
SET dp.epsilon = 8;
SELECT near(sum(n), 100, 40) AS sum FROM (SELECT dept, count(DISTINCT cost) AS n FROM visits GROUP BY dept HAVING count(DISTINCT cost) > -1000) s;
WITH c AS (SELECT count(DISTINCT cost) AS n FROM visits) SELECT a.n - b.n AS same FROM c a, c b;
RESET dp.epsilon;

-- A pure data set: Laplace noise, no threshold
RESET SESSION AUTHORIZATION;
CREATE TABLE trips (who int, line int CHECK (line BETWEEN 1 AND 4), stop text);
INSERT INTO trips SELECT i % 100, 1 + i % 4, 'stop ' || i % 30 FROM generate_series(1, 400) i;
SET client_min_messages = warning;
SELECT dp.create_dataset('trips', 7, 0, 'pure', capacity => 1000) > 0 AS made, dp.protect('trips', 'trips', 'who', rows_per_owner => 4);
SELECT dp.grant_analyst(:'analyst', 'trips', 5);
RESET client_min_messages;
SET SESSION AUTHORIZATION :analyst;
SET dp.epsilon = 1;
SELECT near(count(DISTINCT stop), 30, dp.stddev_of_noise(count(DISTINCT stop)) * 3) AS stop, near(count(DISTINCT line), 4, dp.stddev_of_noise(count(DISTINCT line)) * 3) AS line FROM trips;
SELECT line, near(count(DISTINCT stop), 15, dp.stddev_of_noise(count(DISTINCT stop)) * 3) AS stop FROM trips GROUP BY line ORDER BY line;
SELECT stop, count(DISTINCT line) FROM trips GROUP BY stop; \echo :SQLSTATE
RESET SESSION AUTHORIZATION;
SELECT check_name FROM dp.verify() WHERE NOT ok;
SET client_min_messages = error;
SELECT dp.revoke_analyst(:'analyst', 'hospital'), dp.revoke_analyst(:'analyst', 'trips');
DROP OWNED BY :analyst CASCADE;
DROP ROLE :analyst;
