-- dp.preview: what a query would spend and how exact it would be; reads nothing,
-- charges nothing, and agrees with the answer's own error bars.
\getenv abs_srcdir PG_ABS_SRCDIR
\set hospital :abs_srcdir '/sql/common/hospital.sql'
\set analyst regress_release_preview
\i :hospital
\set SHOW_CONTEXT never
SET SESSION AUTHORIZATION :analyst;
SET dp.epsilon = 1;
SELECT entries() AS before \gset

SELECT release, dataset, title, output, aggregate, epsilon <= 1 AS within, epsilon > 0.9 AS not_far_below, delta, groups, rows_per_owner
FROM dp.preview('SELECT dept, count(*), sum(cost), avg(score), count(DISTINCT patient_id) FROM visits GROUP BY dept');
SELECT release, title, output, aggregate, delta > 0 AS selects, groups, rows_per_owner
FROM dp.preview('SELECT county, count(*) FROM patients GROUP BY county');
SELECT release, title, aggregate, groups FROM dp.preview('SELECT count(*) FROM visits WHERE cost > (SELECT avg(cost) FROM visits)') ORDER BY 1;
SELECT release, title, aggregate FROM dp.preview('SELECT count(*) FROM visits UNION ALL SELECT count(*) FROM patients') ORDER BY 1;
SELECT release, title, aggregate FROM dp.preview('WITH a AS (SELECT count(*) AS n FROM visits) SELECT * FROM a x, a y') ORDER BY 1;
SELECT count(*) FROM dp.preview('SELECT count(*) FROM depts');
CREATE TABLE mine (n bigint);
SELECT title, aggregate FROM dp.preview('INSERT INTO mine SELECT count(*) FROM visits');

-- Nothing was charged
SELECT entries() - :before AS releases, used() AS quota;

-- The answer has the noise that was promised, and costs what was promised
CREATE FUNCTION agrees(aggregate text, rest text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	query text := format('SELECT %s, dp.stddev_of_noise(%1$s), dp.interval_high(%1$s, 0.5) - dp.interval_low(%1$s, 0.5) %s LIMIT 1', aggregate, rest);
	promised float8;
	promised_rho float8;
	before numeric := used();
	answer float8;
	stddev float8;
	width float8;
BEGIN
	SELECT stddev_of_noise, rho INTO promised, promised_rho FROM dp.preview(query);
	EXECUTE query INTO answer, stddev, width;
	RETURN (promised IS NULL OR abs(promised - stddev) <= 1e-9 * stddev)
		AND width BETWEEN 0.9 * stddev AND 3 * stddev + 1
		AND abs((used() - before) / 2.0 ^ 60 - promised_rho) < 1e-12;
END $$;
SELECT a, agrees(a, 'FROM visits') AS plain, agrees(a, 'FROM visits GROUP BY urgent') AS grouped
FROM unnest(ARRAY['count(*)', 'count(cost)', 'count(DISTINCT patient_id)', 'sum(cost)', 'sum(score)', 'sum(paid)', 'avg(cost)', 'avg(score)', 'avg(paid)']) a ORDER BY 1;
SET dp.noise = laplace;
SET dp.rho = 0.01;
RESET dp.epsilon;
SELECT a, agrees(a, 'FROM patients') AS laplace FROM unnest(ARRAY['count(*)', 'sum(born)', 'avg(born)']) a ORDER BY 1;
RESET dp.noise;
RESET dp.rho;

-- Error bars cover what noise does: 99.999 % intervals hold the exact value every time
CREATE TABLE covered (holds boolean);
DO $$
BEGIN
	FOR i IN 1..40 LOOP
		INSERT INTO covered SELECT dp.interval_low(count(*), 0.9999999) <= 3000 AND 3000 <= dp.interval_high(count(*), 0.9999999) FROM visits;
		INSERT INTO covered SELECT dp.interval_low(avg(cost), 0.9999999) <= 49.5 AND 49.5 <= dp.interval_high(avg(cost), 0.9999999) FROM visits;
	END LOOP;
END $$;
SELECT count(*), bool_and(holds) FROM covered;

-- Errors
SELECT * FROM dp.preview('SELECT * FROM visits'); \echo :SQLSTATE
SELECT * FROM dp.preview('SELECT 1; SELECT 2'); \echo :SQLSTATE
SELECT * FROM dp.preview(''); \echo :SQLSTATE
SELECT * FROM dp.preview('SELEKT'); \echo :SQLSTATE
SELECT * FROM dp.preview('EXPLAIN SELECT count(*) FROM visits'); \echo :SQLSTATE
SELECT * FROM dp.preview('DROP TABLE mine'); \echo :SQLSTATE
SELECT * FROM dp.preview('SELECT count(*) FROM visits WHERE dept = $1'); \echo :SQLSTATE
SELECT * FROM dp.preview(NULL);
SELECT * FROM dp.preview('SELECT sum(visit_id) FROM visits'); \echo :SQLSTATE
SET dp.epsilon = 11;
SELECT * FROM dp.preview('SELECT count(*) FROM visits'); \echo :SQLSTATE
RESET SESSION AUTHORIZATION;
SELECT * FROM dp.preview('SELECT count(*) FROM visits');

DROP OWNED BY :analyst CASCADE;
SELECT dp.revoke_analyst(:'analyst', 'hospital');
DROP ROLE :analyst;
