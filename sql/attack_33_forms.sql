-- Attack 33: forms that raise by what they find. (Divisions above an answer: release_above.)
\getenv abs_srcdir PG_ABS_SRCDIR
\set hospital :abs_srcdir '/sql/common/hospital.sql'
\set analyst regress_attack_33
\i :hospital
\set SHOW_CONTEXT never
SET SESSION AUTHORIZATION :analyst;
-- a scalar subquery with two rows
SELECT count(*) FROM visits WHERE cost = (SELECT cost FROM patients JOIN visits USING (patient_id)); \echo :SQLSTATE
SELECT count(*) FROM visits WHERE cost = (SELECT count(*) FROM visits GROUP BY dept); \echo :SQLSTATE
SELECT count(*) FROM visits WHERE dept = (SELECT dept FROM depts); \echo :SQLSTATE
SELECT count(*) FROM visits WHERE dept = (SELECT dept FROM depts WHERE dept = 1); \echo :SQLSTATE
SELECT count(*) FROM visits WHERE ROW (dept, cost) = (SELECT dept, 1 FROM depts LIMIT 1); \echo :SQLSTATE
SELECT count(*) FROM visits WHERE dept = ALL (SELECT dept FROM depts); \echo :SQLSTATE
SELECT count(*) FROM visits WHERE ARRAY(SELECT dept FROM depts) IS NULL; \echo :SQLSTATE
SELECT count(*) FROM visits WHERE (dept, cost) IN (SELECT dept, 1 FROM depts); \echo :SQLSTATE
SELECT count(*) FROM visits WHERE cost > (SELECT count(*) - count(*) - 1 FROM visits); \echo :SQLSTATE
SELECT count(*) FROM visits WHERE cost > (SELECT count(*) FROM visits HAVING count(*) > 5); \echo :SQLSTATE
SELECT near(count(*), 3000, dp.stddev_of_noise(count(*))) FROM visits WHERE cost < (SELECT sum(cost) FROM visits);
-- frames, buckets, fractions
SELECT sum(cost) OVER (ORDER BY visit_id ROWS cost PRECEDING) FROM visits; \echo :SQLSTATE
SELECT ntile(0) OVER () FROM visits; \echo :SQLSTATE
SELECT ntile(cost) OVER () FROM visits; \echo :SQLSTATE
SELECT nth_value(cost, 0) OVER () FROM visits; \echo :SQLSTATE
SELECT percentile_cont(cost) WITHIN GROUP (ORDER BY cost) FROM visits; \echo :SQLSTATE
SELECT percentile_cont(2) WITHIN GROUP (ORDER BY cost) FROM visits; \echo :SQLSTATE
SELECT string_agg(note, note) FROM visits; \echo :SQLSTATE
SELECT json_object_agg(NULL, cost) FROM visits; \echo :SQLSTATE
SELECT count(*) FROM visits LIMIT (SELECT count(*) FROM visits); \echo :SQLSTATE
SELECT count(*) FROM visits OFFSET -1; \echo :SQLSTATE
SELECT dept FROM visits GROUP BY dept LIMIT (SELECT -1); \echo :SQLSTATE

-- above an answer: a scalar subquery has at most one row by construction
SELECT (SELECT n FROM (SELECT dept, count(*) AS n FROM visits GROUP BY dept) s) FROM depts; \echo :SQLSTATE
SELECT (SELECT name FROM depts) IS NULL FROM (SELECT count(*) FROM visits) s; \echo :SQLSTATE
SELECT count(*), (SELECT name FROM depts) FROM visits; \echo :SQLSTATE
SELECT (SELECT dept FROM depts WHERE dept < n) FROM (SELECT count(*) AS n FROM visits) s; \echo :SQLSTATE
SELECT (SELECT price FROM tariffs t WHERE t.dept = s.dept) FROM (SELECT dept, count(*) FROM visits GROUP BY dept) s; \echo :SQLSTATE
SELECT (1, 2) = (SELECT dept, 2 FROM depts) FROM (SELECT count(*) FROM visits) s; \echo :SQLSTATE
SELECT (SELECT d.dept FROM depts d ORDER BY 1 FETCH FIRST 1 ROW WITH TIES) FROM (SELECT count(*) FROM visits) s; \echo :SQLSTATE
SELECT (SELECT 1 UNION ALL SELECT 2) FROM (SELECT count(*) FROM visits) s; \echo :SQLSTATE
SELECT (SELECT generate_series(1, 2)) FROM (SELECT count(*) FROM visits) s; \echo :SQLSTATE
SELECT (SELECT 1 FROM (VALUES (1), (2)) v) FROM (SELECT count(*) FROM visits) s; \echo :SQLSTATE
SELECT (SELECT a.dept FROM (SELECT dept FROM depts WHERE dept = 1) a FULL JOIN (SELECT dept FROM depts WHERE dept = 2) b ON a.dept = b.dept + 1) FROM (SELECT count(*) FROM visits) s; \echo :SQLSTATE
SELECT (SELECT name FROM depts d WHERE d.dept = s.dept) AS by_key, (SELECT max(price) FROM tariffs t WHERE t.dept = s.dept) AS aggregate,
	(SELECT t.price FROM tariffs t ORDER BY 1 LIMIT 1) AS limited, (SELECT dept) AS itself FROM (SELECT dept, count(*) FROM visits GROUP BY dept) s ORDER BY 1 LIMIT 2;
WITH a AS (SELECT count(*) - count(*) AS n FROM visits) SELECT (SELECT n FROM a) AS of_a_cte;

-- windows, frames, percentiles, numbers of rows
CREATE TEMP VIEW few WITH (security_invoker = true) AS SELECT dept, count(*) - count(*) AS zero, count(*) - count(*) - 1 AS minus FROM visits GROUP BY dept;
SELECT DISTINCT ntile(zero::int) OVER () AS ntile, nth_value(dept, minus::int) OVER () AS nth FROM few;
SELECT count(n) FROM (SELECT ntile(3) OVER (ORDER BY dept) + nth_value(dept, 2) OVER (ORDER BY dept) + lag(dept, zero::int) OVER (ORDER BY dept) AS n FROM few) s;
SELECT sum(zero) OVER (ORDER BY dept ROWS BETWEEN (SELECT count(*) - count(*) - 1 FROM visits) PRECEDING AND (SELECT sum(cost) FILTER (WHERE false) - 1e6 FROM visits)::int FOLLOWING) FROM few LIMIT 1;
SELECT sum(zero) OVER (ORDER BY dept ROWS -1 PRECEDING) FROM few; \echo :SQLSTATE
SELECT sum(zero) OVER (ORDER BY dept ROWS NULL PRECEDING) FROM few; \echo :SQLSTATE
SELECT sum(zero) OVER (ORDER BY dept RANGE 2 PRECEDING) FROM few LIMIT 1;
SELECT sum(zero) OVER (ORDER BY dept RANGE (SELECT count(*) FROM visits) PRECEDING) FROM few; \echo :SQLSTATE
SELECT sum(zero) OVER (ORDER BY date '2020-01-01' + dept RANGE interval '1 day' PRECEDING) FROM few; \echo :SQLSTATE
SELECT percentile_cont(zero + 2) WITHIN GROUP (ORDER BY dept) AS cont, percentile_disc(minus) WITHIN GROUP (ORDER BY dept) AS disc FROM few GROUP BY zero, minus LIMIT 1;
SELECT percentile_cont(ARRAY[2]) WITHIN GROUP (ORDER BY dept) FROM few; \echo :SQLSTATE
SELECT dept FROM few ORDER BY dept LIMIT (SELECT count(*) - count(*) - 1 FROM visits);
SELECT dept FROM few ORDER BY dept LIMIT 1 OFFSET (SELECT count(*) - count(*) - 1 FROM visits);
SELECT dept FROM few ORDER BY dept FETCH FIRST (SELECT nullif(count(*) - count(*), 0) FROM visits) ROWS WITH TIES;
SELECT dept FROM few LIMIT -1; \echo :SQLSTATE

-- expressions
SELECT sqrt(minus) AS sqrt, ln(zero) AS ln, exp(zero + 1e6) AS exp, power(zero, minus) AS power, (zero + 40000)::int2 AS int2, (zero + 1e5)::numeric(2, 0) AS typmod,
	2147483647 + (zero + 1)::int AS overflow, (zero || 'x')::int AS io, to_date('x' || zero, 'YYYY') AS date, factorial(minus) AS factorial FROM few LIMIT 1;
SELECT substr('abc', 1, minus::int) AS substr, repeat('abc', (zero + 1e9)::int) AS repeat, chr(zero::int) AS chr, 'x' LIKE repeat('\', (zero + 1)::int) AS "like", 'x' ~ repeat('(', (zero + 1)::int) AS regexp,
	make_date((zero + 13)::int, 13, 13) AS make_date, date '2020-01-01' + (zero + 2147483647)::int AS date FROM few LIMIT 1;
SELECT (ARRAY[1, 2])[zero] AS subscript, zero::text::json AS json, ('x' || zero)::regclass AS regclass, to_json(zero) AS row, format('%z', zero) AS format, concat('a', zero, NULL, 'b') AS concat FROM few LIMIT 1;
CREATE FUNCTION raises(x int8, y int DEFAULT 1) RETURNS int LANGUAGE plpgsql AS 'BEGIN INSERT INTO tried VALUES (x); RAISE EXCEPTION ''no''; END';
CREATE TABLE tried (x int8);
SELECT raises(zero) AS raises, raises(y => 2, x => zero) AS named FROM few LIMIT 1;
SELECT count(*) FROM tried;
-- aggregates
SELECT sum(power(10::float8, zero + 308)) IS NOT DISTINCT FROM NULL AS float8, sum(power(10::float8, zero + 38)::float4) IS NULL AS float4, avg(zero) = 0 AS avg, stddev(minus) = 0 AS stddev, string_agg(zero::text, ',') IS NULL AS concatenated FROM few;
SELECT json_object_agg(nullif(zero, 0), 1) FROM few; \echo :SQLSTATE
SELECT sum(make_interval(0, 0, 0, zero::int)) FROM few; \echo :SQLSTATE
-- sets, rows, domains, what is not known
SELECT count(*) FROM few, generate_series(1, zero + 2) g;
SELECT g FROM few, generate_series(1, zero, zero) g; \echo :SQLSTATE
SELECT generate_series(1, 5, zero) FROM few; \echo :SQLSTATE
SELECT count(*) FROM few, generate_series(date '2020-01-01', date '2020-01-02', interval '1 day') g;
CREATE DOMAIN small AS int CHECK (VALUE < 10);
SELECT zero::int::small FROM few; \echo :SQLSTATE
SELECT xmlelement(name x, zero) FROM few; \echo :SQLSTATE
SELECT ARRAY[ARRAY[zero], ARRAY[zero, minus]] FROM few; \echo :SQLSTATE
SELECT dept FROM few ORDER BY (dept, to_json(zero)); \echo :SQLSTATE
SELECT max(name || name) IS NOT NULL FROM depts, few WHERE zero = ANY (ARRAY[minus, 0]) AND NOT zero::text ~ ANY (ARRAY['(']); \echo :SQLSTATE
-- the guard calls nothing for an analyst, and only what an analyst may call
SELECT dp._guarded(1374, false, 'x'::text) IS NULL; \echo :SQLSTATE
SELECT dp._guarded_cast(1) IS NULL; \echo :SQLSTATE
CREATE TEMP TABLE stolen AS SELECT dp._guarded(1374, false, 'x'::text) AS x; \echo :SQLSTATE
RESET SESSION AUTHORIZATION;
CREATE FUNCTION public.secret(x int8) RETURNS int8 LANGUAGE sql AS 'SELECT x';
REVOKE ALL ON FUNCTION public.secret(int8) FROM PUBLIC;
SET SESSION AUTHORIZATION :analyst;
SELECT secret(zero) FROM few; \echo :SQLSTATE

RESET SESSION AUTHORIZATION;
DROP OWNED BY :analyst CASCADE;
SELECT dp.revoke_analyst(:'analyst', 'hospital');
DROP ROLE :analyst;
