-- Aggregates over protected rows: which, of which types, within which bounds.
\getenv abs_srcdir PG_ABS_SRCDIR
\set hospital :abs_srcdir '/sql/common/hospital.sql'
\set analyst regress_analyze_aggregates
\i :hospital
\set SHOW_CONTEXT never
CREATE TABLE numbers (patient_id int PRIMARY KEY, i2 int2, i4 int4, i8 int8, f4 float4, f8 float8, n numeric, n2 numeric(8,2),
	free int, free8 float8, freen numeric, d date, checked int CHECK (checked >= 0 AND checked <= 7));
INSERT INTO numbers SELECT i, i % 10, i % 10, i % 10, i % 10, i % 10, i % 10, i % 10, i, i, i, '2020-01-01', i % 8 FROM generate_series(1, 500) i;
SET client_min_messages = warning;
SELECT dp.protect('numbers', 'hospital', 'patient_id');
RESET client_min_messages;
SELECT dp.set_bounds('numbers', c, 0, 10, 'test') FROM unnest('{i2,i4,i8,f4,f8,n,n2}'::text[]) c;
SET SESSION AUTHORIZATION :analyst;

-- Sums and averages of each type: value, type of the result
SELECT near(sum(i2), 2250, dp.stddev_of_noise(sum(i2))), pg_typeof(sum(i2)), near(avg(i2), 4.5, dp.stddev_of_noise(avg(i2))), pg_typeof(avg(i2)) FROM numbers;
SELECT near(sum(i4), 2250, dp.stddev_of_noise(sum(i4))), pg_typeof(sum(i4)), near(avg(i4), 4.5, dp.stddev_of_noise(avg(i4))), pg_typeof(avg(i4)) FROM numbers;
SELECT near(sum(i8), 2250, dp.stddev_of_noise(sum(i8))), pg_typeof(sum(i8)), near(avg(i8), 4.5, dp.stddev_of_noise(avg(i8))), pg_typeof(avg(i8)) FROM numbers;
SELECT near(sum(f4), 2250, dp.stddev_of_noise(sum(f4))), pg_typeof(sum(f4)), near(avg(f4), 4.5, dp.stddev_of_noise(avg(f4))), pg_typeof(avg(f4)) FROM numbers;
SELECT near(sum(f8), 2250, dp.stddev_of_noise(sum(f8))), pg_typeof(sum(f8)), near(avg(f8), 4.5, dp.stddev_of_noise(avg(f8))), pg_typeof(avg(f8)) FROM numbers;
SELECT near(sum(n), 2250, dp.stddev_of_noise(sum(n))), pg_typeof(sum(n)), near(avg(n), 4.5, dp.stddev_of_noise(avg(n))), pg_typeof(avg(n)) FROM numbers;
SELECT near(sum(n2), 2250, dp.stddev_of_noise(sum(n2))), pg_typeof(sum(n2)), near(avg(n2), 4.5, dp.stddev_of_noise(avg(n2))), pg_typeof(avg(n2)) FROM numbers;

-- Counts
SELECT pg_typeof(count(*)), near(count(*), 500, dp.stddev_of_noise(count(*))), near(count(i4), 500, dp.stddev_of_noise(count(i4))),
	near(count(1), 500, dp.stddev_of_noise(count(1))), near(count(d), 500, dp.stddev_of_noise(count(d))),
	near(count(NULL::int), 0, dp.stddev_of_noise(count(NULL::int))), near(count('x'), 500, dp.stddev_of_noise(count('x'))) FROM numbers;
SELECT near(count(sex), 450, dp.stddev_of_noise(count(sex))) FROM patients;
SELECT near(count(DISTINCT patient_id), 500, dp.stddev_of_noise(count(DISTINCT patient_id))) FROM visits;
SELECT near(count(DISTINCT patient_id), 50, dp.stddev_of_noise(count(DISTINCT patient_id))) FROM visits WHERE dept = 3;

-- FILTER
SELECT near(count(*) FILTER (WHERE dept = 3), 300, dp.stddev_of_noise(count(*) FILTER (WHERE dept = 3))),
	near(sum(cost) FILTER (WHERE dept = 3), 14100, dp.stddev_of_noise(sum(cost) FILTER (WHERE dept = 3))),
	near(avg(cost) FILTER (WHERE dept = 3), 47, dp.stddev_of_noise(avg(cost) FILTER (WHERE dept = 3))),
	near(count(DISTINCT patient_id) FILTER (WHERE dept = 3), 50, dp.stddev_of_noise(count(DISTINCT patient_id) FILTER (WHERE dept = 3))),
	near(count(*), 3000, dp.stddev_of_noise(count(*)))
FROM visits;

-- Arithmetic inside, with bounds carried through
SELECT near(sum(i4 + i8), 4500, dp.stddev_of_noise(sum(i4 + i8))), near(sum(2 * i4 - 3), 3000, dp.stddev_of_noise(sum(2 * i4 - 3))),
	near(sum(-i4), -2250, dp.stddev_of_noise(sum(-i4))), near(sum(abs(i4 - 5)), 1250, dp.stddev_of_noise(sum(abs(i4 - 5)))),
	near(sum(i4 % 3), 450, dp.stddev_of_noise(sum(i4 % 3))), near(sum(i4 / 3), 600, dp.stddev_of_noise(sum(i4 / 3))) FROM numbers;
SELECT near(sum(f8 * 1.5), 3375, dp.stddev_of_noise(sum(f8 * 1.5))), near(sum(n * n2), 14250, dp.stddev_of_noise(sum(n * n2))),
	near(avg(f8 / 4), 1.125, dp.stddev_of_noise(avg(f8 / 4))), near(sum(n2::int), 2250, dp.stddev_of_noise(sum(n2::int))),
	near(sum(i4::numeric / 2), 1125, dp.stddev_of_noise(sum(i4::numeric / 2))), near(sum((i4 > 4)::int), 250, dp.stddev_of_noise(sum((i4 > 4)::int))) FROM numbers;
SELECT near(sum(CASE WHEN i4 > 4 THEN i4 ELSE 0 END), 1750, dp.stddev_of_noise(sum(CASE WHEN i4 > 4 THEN i4 ELSE 0 END))),
	near(sum(coalesce(i4, 7)), 2250, dp.stddev_of_noise(sum(coalesce(i4, 7)))), near(sum(nullif(i4, 9)), 1800, dp.stddev_of_noise(sum(nullif(i4, 9)))),
	near(sum(greatest(i4, 5)), 3000, dp.stddev_of_noise(sum(greatest(i4, 5)))), near(sum(least(i4, 5, i8)), 1750, dp.stddev_of_noise(sum(least(i4, 5, i8)))),
	near(sum(i4 / dp.clamp(i8, 1, 10)), 450, dp.stddev_of_noise(sum(i4 / dp.clamp(i8, 1, 10)))), near(sum(i4 % dp.clamp(i4, 1, 10)), 0, dp.stddev_of_noise(sum(i4 % dp.clamp(i4, 1, 10)))) FROM numbers;
SELECT near(sum(extract(month FROM d)), 500, dp.stddev_of_noise(sum(extract(month FROM d)))),
	near(sum(width_bucket(i4, 0, 10, 5)), 1500, dp.stddev_of_noise(sum(width_bucket(i4, 0, 10, 5)))) FROM numbers;

-- Bounds: declared, checked, given by dp.clamp; values are clamped to them
SELECT near(sum(checked), 1748, dp.stddev_of_noise(sum(checked))) FROM numbers;
SELECT near(sum(dp.clamp(free, 0, 100)), 45050, dp.stddev_of_noise(sum(dp.clamp(free, 0, 100)))),
	near(sum(dp.clamp(free8, 0, 100)), 45050, dp.stddev_of_noise(sum(dp.clamp(free8, 0, 100)))),
	near(sum(dp.clamp(freen, 0, 100)), 45050, dp.stddev_of_noise(sum(dp.clamp(freen, 0, 100)))),
	near(sum(dp.clamp(i4, 5, 100)), 3000, dp.stddev_of_noise(sum(dp.clamp(i4, 5, 100)))) FROM numbers;
SELECT sum(free) FROM numbers; \echo :SQLSTATE
SELECT avg(free8) FROM numbers; \echo :SQLSTATE
SELECT sum(freen) FROM numbers; \echo :SQLSTATE
SELECT sum(patient_id) FROM numbers; \echo :SQLSTATE
SELECT sum(free + 1) FROM numbers; \echo :SQLSTATE
SELECT sum(free8 * 2) FROM numbers; \echo :SQLSTATE
SELECT sum(i4 / (i8 - 5)) FROM numbers; \echo :SQLSTATE
SELECT sum(i4 / i8) FROM numbers; \echo :SQLSTATE
SELECT sum(i4 % i2) FROM numbers; \echo :SQLSTATE
SELECT sum(length(county)) FROM patients; \echo :SQLSTATE
SELECT sum(extract(year FROM d)) FROM numbers; \echo :SQLSTATE
SELECT sum(coalesce(i4, free)) FROM numbers; \echo :SQLSTATE
SELECT sum(dp.clamp(free, 100, 0)) FROM numbers; \echo :SQLSTATE
SELECT sum(dp.clamp(free8, 0, 'Infinity')) FROM numbers; \echo :SQLSTATE
SELECT sum(dp.clamp(free8, 'NaN', 5)) FROM numbers; \echo :SQLSTATE
SELECT sum(dp.clamp(free, i4, 10)) FROM numbers; \echo :SQLSTATE
SELECT sum(dp.clamp(free, 0, NULL)) FROM numbers; \echo :SQLSTATE
SELECT sum(dp.clamp(free8, -1e200, 1e200)) IS NOT NULL AS finite, sum(dp.clamp(free8, -1.7e308, 1.7e308)) IS NOT NULL AS not_null FROM numbers;
SELECT sum(dp.clamp(freen, -1e30, 1e30)) FROM numbers; \echo :SQLSTATE
SELECT sum(i2 * 10000::int2) FROM numbers; \echo :SQLSTATE
SELECT count(*) FROM numbers WHERE free + 1 > 0; \echo :SQLSTATE
SELECT near(count(*), 500, dp.stddev_of_noise(count(*))) FROM numbers WHERE free::bigint + 1 > 0;
SELECT near(sum(dp.clamp(free, (SELECT 0), 10)), 5000, 1e9) FROM numbers; \echo :SQLSTATE
SELECT near(sum(dp.clamp(free, 0, 5 + 5)), 4955, dp.stddev_of_noise(sum(dp.clamp(free, 0, 5 + 5)))) FROM numbers;

-- Error bars
SELECT dp.interval_low(count(*)) < count(*) AND count(*) < dp.interval_high(count(*)) AS around,
	dp.interval_high(count(*), 0.99) - dp.interval_low(count(*), 0.99) > dp.interval_high(count(*)) - dp.interval_low(count(*)) AS wider,
	pg_typeof(dp.interval_low(count(*))) FROM numbers;
SELECT dp.interval_low(avg(i4), 0.9999999) <= 4.5 AND 4.5 <= dp.interval_high(avg(i4), 0.9999999) AS holds,
	dp.interval_low(sum(f8), 0.9999999) <= 2250 AND 2250 <= dp.interval_high(sum(f8), 0.9999999) AS holds_too FROM numbers;
SELECT dp.interval_low(sum(i4), 0.999999) <= 0 AS nobody FROM numbers WHERE false;
SELECT dp.interval_low(count(*), 0) FROM numbers; \echo :SQLSTATE
SELECT dp.interval_low(count(*), 1) FROM numbers; \echo :SQLSTATE
SELECT dp.interval_low(count(*), NULL) FROM numbers; \echo :SQLSTATE
SELECT dp.interval_low(count(*), 'NaN') FROM numbers; \echo :SQLSTATE
SELECT dp.interval_low(count(*), i4) FROM numbers; \echo :SQLSTATE
SELECT dp.interval_low(count(*), i4) FROM numbers GROUP BY i4; \echo :SQLSTATE
SELECT dp.interval_low(count(*) + 1) FROM numbers; \echo :SQLSTATE
SELECT dp.interval_low(1) FROM numbers; \echo :SQLSTATE
SELECT dp.interval_low(n) FROM (SELECT count(*) AS n FROM numbers) s; \echo :SQLSTATE
SELECT dp.interval_low(count(*)) FROM depts; \echo :SQLSTATE
SELECT dp.stddev_of_noise(dp.stddev_of_noise(count(*))) FROM numbers; \echo :SQLSTATE

-- Distinct values: one row an owner, so one value an owner, whatever the domain
SELECT near(count(DISTINCT i4), 10, dp.stddev_of_noise(count(DISTINCT i4))), near(count(DISTINCT patient_id + 0), 500, dp.stddev_of_noise(count(DISTINCT patient_id + 0))),
	near(count(DISTINCT checked), 8, dp.stddev_of_noise(count(DISTINCT checked))), near(count(DISTINCT d), 1, dp.stddev_of_noise(count(DISTINCT d))) FROM numbers;
SELECT sum(i4) > 0 AS "instead of sum(DISTINCT i4)" FROM (SELECT i4 FROM numbers GROUP BY i4) s;

-- Not supported
SELECT max(i4) FROM numbers; \echo :SQLSTATE
SELECT min(i4), count(*) FROM numbers;
SELECT count(DISTINCT (patient_id, i4)) FROM numbers; \echo :SQLSTATE
SELECT count(DISTINCT interval '1 day') FROM numbers; \echo :SQLSTATE
SELECT count(DISTINCT numbers) FROM numbers;
SELECT count(DISTINCT free * 2) FROM numbers;
SELECT sum(DISTINCT i4) FROM numbers; \echo :SQLSTATE
SELECT avg(DISTINCT i4) FROM numbers;
SELECT max(DISTINCT i4) FROM numbers;
SELECT string_agg(DISTINCT county, ',') FROM patients;
SELECT array_agg(i4) FROM numbers;
SELECT string_agg(county, ',') FROM patients;
SELECT json_agg(i4) FROM numbers;
SELECT bool_or(insured) FROM patients;
SELECT every(insured) FROM patients;
SELECT stddev(i4), variance(i4) FROM numbers;
SELECT corr(f8, f8) FROM numbers;
SELECT mode() WITHIN GROUP (ORDER BY i4) FROM numbers;
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY f8) FROM numbers;
SELECT rank(5) WITHIN GROUP (ORDER BY i4) FROM numbers;
SELECT sum(i4 ORDER BY i4) FROM numbers;
SELECT any_sum(i4) FROM numbers;
SELECT sum(d - date '2020-01-01') FROM numbers;
SELECT sum(interval '1 day') FROM numbers;
SELECT sum('1'::money) FROM numbers;
CREATE AGGREGATE my_sum(int) (SFUNC = int4pl, STYPE = int, INITCOND = '0');
SELECT my_sum(i4) FROM numbers; \echo :SQLSTATE

RESET SESSION AUTHORIZATION;
DROP OWNED BY :analyst CASCADE;
SELECT dp.revoke_analyst(:'analyst', 'hospital');
DROP ROLE :analyst;
