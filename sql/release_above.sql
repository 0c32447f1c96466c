-- Above a release nothing raises for a noisy denominator: NULL and a warning
-- (rule 9, attack 33).
\getenv abs_srcdir PG_ABS_SRCDIR
\set hospital :abs_srcdir '/sql/common/hospital.sql'
\set analyst regress_release_above
\i :hospital
\set SHOW_CONTEXT never
SET SESSION AUTHORIZATION :analyst;

-- count(*) - count(*) is 0 whatever the noise
SELECT 1 / (count(*) - count(*)) AS int8 FROM visits;
SELECT 1::int2 / (count(*) - count(*))::int2 AS int2, 1 / (count(*) - count(*))::int AS int4, count(*) / 0 AS literal FROM visits;
SELECT 1.5 / (count(*) - count(*)) AS "numeric", 1.5::float8 / (count(*) - count(*)) AS float8,
	1.5::float4 / (count(*) - count(*)) AS float48, 1.5::float8 / (count(*) - count(*))::float4 AS float84 FROM visits;
SELECT 1 % (count(*) - count(*)) AS int8, 1.5 % (count(*) - count(*)) AS "numeric", 7::int2 % (count(*) - count(*))::int2 AS int2 FROM visits;
SELECT 1::float4 / (count(*) - count(*))::float4 AS float4 FROM visits;
SELECT mod(7, count(*) - count(*)) AS mod, mod(7.5, (count(*) - count(*))::numeric) AS mod FROM visits;
SELECT sum(cost) / nullif(count(*) - count(*), 0) AS guarded FROM visits;
-- otherwise it is the server's own division
SELECT 7 / (count(*) - count(*) + 2) AS three, 7.0 / (count(*) - count(*) + 2) = 3.5 AS numeric, 7::float8 / (count(*) - count(*) + 2) = 3.5 AS float,
	-7 % (count(*) - count(*) + 2) AS minus_one, pg_typeof(7 / (count(*) - count(*) + 2)), pg_typeof(7::int2 / (count(*) - count(*) + 2)::int2) FROM visits;
-- in every place above a release
SET client_min_messages = error;
SELECT dept FROM visits GROUP BY dept HAVING 1 / (count(*) - count(*)) > 0;
SELECT dept FROM visits GROUP BY dept ORDER BY 1 / (count(*) - count(*)), dept LIMIT 1;
SELECT 1 / (n - n) AS outer FROM (SELECT count(*) AS n FROM visits) s;
SELECT n FROM (SELECT count(*) AS n FROM visits) s WHERE 1 / (n - n) > 0;
WITH a AS (SELECT count(*) AS n FROM visits) SELECT 1 / (n - n) AS cte FROM a;
SELECT 1 / ((SELECT count(*) FROM visits) - (SELECT count(*) FROM visits)) AS scalar;
SELECT CASE WHEN 1 / (count(*) - count(*)) IS NULL THEN 'null' END AS "case" FROM visits;
SELECT sum(1 / (n - n)) OVER () AS windowed FROM (SELECT count(*) AS n FROM visits) s;
SELECT sum(1 / (n - n)) AS aggregated FROM (SELECT count(*) AS n FROM visits) s;
SELECT d.dept, 1 / (s.n - s.n) AS joined FROM depts d JOIN (SELECT dept, count(*) AS n FROM visits GROUP BY dept) s ON s.dept = d.dept AND coalesce(1 / (s.n - s.n), 0) = 0 ORDER BY 1 LIMIT 1;
SELECT 1 / (SELECT 0 FROM (SELECT count(*) FROM visits) s) AS constant_above;
SELECT 1 / (dept - dept) AS by_key FROM visits GROUP BY dept LIMIT 1;
CREATE TABLE kept (x int8);
INSERT INTO kept SELECT 1 / (count(*) - count(*)) FROM visits;
CREATE TABLE kept_too AS SELECT 1 / (count(*) - count(*)) AS x FROM visits;
SELECT count(*), count(x) FROM (SELECT * FROM kept UNION ALL SELECT * FROM kept_too) k;
RESET client_min_messages;
-- beside no protected rows nothing changes
SELECT 1 / (count(*) - count(*)) FROM depts; \echo :SQLSTATE

-- Averages of nobody, and of few: NULL or a number, no error
SELECT count(*) AS rows, bool_and(a IS NULL OR a BETWEEN -1e9 AND 1e9) AS fine FROM (SELECT dept, avg(cost) AS a FROM visits WHERE dept = 3 AND cost < 0 GROUP BY dept) s;
SELECT avg(score) IS NULL OR true AS fine FROM visits WHERE false;
SELECT sum(cost) IS NOT NULL AS a_sum_of_nobody_is_a_number FROM visits WHERE false;

RESET SESSION AUTHORIZATION;
DROP OWNED BY :analyst CASCADE;
SELECT dp.revoke_analyst(:'analyst', 'hospital');
DROP ROLE :analyst;
