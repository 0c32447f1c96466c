-- flavour: test
-- Without noise: values that are no numbers, out of bounds, extreme; NULL owners
-- (attack 17). Each counts as what dp.clamp would give, NaN as NULL.
\set SHOW_CONTEXT never
\set ECHO none
\o /dev/null
SET client_min_messages = error;
SET dp.repeats = off;
DROP ROLE IF EXISTS regress_values_exact;
SET client_min_messages = warning;
CREATE EXTENSION pg_epsilon;
SELECT dp.harden(apply => true);
CREATE ROLE regress_values_exact;
\o
\set ECHO all
CREATE TABLE odd (id int, f4 float4, f8 float8, n numeric, i2 int2, i4 int4, i8 int8, k float8, t text, big numeric);
INSERT INTO odd VALUES
	(1, 'NaN', 'NaN', 'NaN', 0, 0, 0, 'NaN', NULL, 1),
	(2, 'infinity', 'infinity', 'infinity', 32767, 2147483647, 9223372036854775807, 'infinity', '', 10::numeric ^ 1000),
	(3, '-infinity', '-infinity', '-infinity', -32768, -2147483648, -9223372036854775808, '-infinity', 'a', -(10::numeric ^ 1000)),
	(4, '-0', '-0', -0.0, 0, 0, 0, '-0', 'a', 0.000000000000000000000000000000000001),
	(5, 0, 0, 0.000, 0, 0, 0, '0', 'a ', 0),
	(6, 1e-45, 5e-324, 1e-1000, 1, 1, 1, 5e-324, 'A', 7),
	(7, 3.4e38, 1.7e308, 1e1000, 2, 2, 2, 1.7e308, 'a', 5.5),
	(8, 2.5, 2.5, 2.5, 3, 3, 3, 2.5, 'ä', 2.5),
	(9, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
-- nobody's rows
INSERT INTO odd SELECT NULL, 5, 5, 5, 5, 5, 5, 5, 'a', 5 FROM generate_series(1, 100);
CREATE TABLE twins (id int PRIMARY KEY, f float8, f4 float4, n numeric, c bpchar(3), i interval);
INSERT INTO twins SELECT i, CASE i % 2 WHEN 0 THEN 0 ELSE float8 '-0' END, CASE i % 2 WHEN 0 THEN float4 'NaN' ELSE -float4 'NaN' END,
	CASE i % 2 WHEN 0 THEN 1.0 ELSE 1.0000 END, CASE i % 2 WHEN 0 THEN 'a' ELSE 'a ' END, CASE i % 2 WHEN 0 THEN interval '1 mon' ELSE interval '30 days' END FROM generate_series(1, 500) i;
CREATE TABLE paths (odd_id int, x int CHECK (x BETWEEN 0 AND 10));
CREATE TABLE steps (step_id int PRIMARY KEY, id int);
INSERT INTO steps SELECT i, CASE WHEN i <= 9 THEN i END FROM generate_series(1, 12) i;
INSERT INTO paths SELECT CASE WHEN i <= 14 THEN i END, 1 FROM generate_series(1, 20) i;
SELECT dp.create_dataset('exact', 30, 1e-9, capacity => 1000, confirm_large_epsilon => true) > 0 AS made;
SELECT dp.protect('twins', 'exact', 'id'), dp.protect('odd', 'exact', 'id', rows_per_owner => 1), dp.protect('steps', 'exact', 'id', rows_per_owner => 1),
	dp.protect('paths', 'exact', 'odd_id -> steps.step_id -> id', rows_per_owner => 1);
SELECT dp.set_bounds('odd', c, -4, 4, 'test') FROM unnest('{f4,f8,n,i2,i4,i8,big}'::text[]) c;
SELECT dp.set_domain('odd', 't', ARRAY['a', 'A', 'ä', '', 'a '], 'test');
SELECT dp.grant_analyst('regress_values_exact', 'exact', 10);
SET SESSION AUTHORIZATION regress_values_exact;
SET dp_test.noise = off;
SET dp.epsilon = 0.5;

-- NULL owners never count
SELECT count(*), count(DISTINCT id), count(i4), sum(i4) FROM odd;
SELECT count(*) FROM odd WHERE id IS NULL;
SELECT count(*), sum(x) FROM paths;
SELECT count(*) FROM odd a LEFT JOIN steps b USING (id);
SELECT count(*) FROM steps LEFT JOIN odd USING (id);
SELECT count(*) FROM odd a JOIN odd b ON a.id IS NOT DISTINCT FROM b.id;

-- Clamped: infinities at the bounds, NaN as NULL
SELECT count(*), count(f4), count(f8), count(n), count(i8) FROM odd;
SELECT sum(f4), sum(f8), sum(n), avg(f8), avg(n) FROM odd;
SELECT sum(i2), sum(i4), sum(i8), sum(big) FROM odd;
SELECT sum(dp.clamp(f8, -4, 4)) AS f8, sum(dp.clamp(n, -4, 4)) AS n, sum(dp.clamp(i8, -4, 4)) AS i8, sum(dp.clamp(i4, 0, 2)) AS i4, sum(dp.clamp(f8, 1, 3)) AS above FROM odd;
SELECT sum(f8 * 2), sum(f8 + f4), sum(-f8), sum(abs(f8)), sum(n * n), sum(i8 * 3), sum(i2 + i4) FROM odd;
SELECT sum(i4) FILTER (WHERE f8 > 0), count(*) FILTER (WHERE f8 = 'NaN'), count(*) FILTER (WHERE f8 = 0), count(*) FILTER (WHERE n > 1e100), count(*) FILTER (WHERE n = 'NaN') FROM odd;

-- Keys: one zero, one NaN, equal numerics of different scale, strings byte by byte
SELECT f, count(*) FROM twins GROUP BY f;
SELECT f4, count(*) FROM twins GROUP BY f4;
SELECT n, count(*) FROM twins GROUP BY n;
SELECT c, length(c), count(*) FROM twins GROUP BY c;
SELECT f, f4, n, c, count(*) FROM twins GROUP BY f, f4, n, c;
SELECT i, count(*) FROM twins GROUP BY i; \echo :SQLSTATE
SELECT t, count(*) FROM odd GROUP BY t ORDER BY t COLLATE "C";
SELECT CASE WHEN n >= 0 AND n < 1 THEN n * 0 ELSE 1.0 END IS NOT NULL AS unknown, count(*) FROM odd GROUP BY 1 ORDER BY 1;
SELECT width_bucket(f8, -4, 4, 2), count(*) FROM odd GROUP BY 1 ORDER BY 1;
SELECT width_bucket(n, -4, 4, 2), count(*) FROM odd GROUP BY 1 ORDER BY 1;

RESET SESSION AUTHORIZATION;
-- Nobody has an account for NULL
SELECT sum(length(keys)) / 16 AS accounts, (SELECT count(*) FROM twins) AS owners FROM dp_book.account_chunk;
SELECT dp.revoke_analyst('regress_values_exact', 'exact');
DROP OWNED BY regress_values_exact;
DROP ROLE regress_values_exact;
