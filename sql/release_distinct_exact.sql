-- flavour: test
-- Without noise: count(DISTINCT x) where x is not the owner key is the size of the
-- union of what owners offer (rule 7): by the type's own equality, whatever groups,
-- joins, order and memory; and an owner offers no more values than is public.
\set SHOW_CONTEXT never
\set ECHO none
\o /dev/null
SET client_min_messages = error;
SET dp.repeats = off;
DROP ROLE IF EXISTS regress_distinct_exact;
SET client_min_messages = warning;
CREATE EXTENSION pg_epsilon;
SELECT dp.harden(apply => true);
CREATE ROLE regress_distinct_exact;
GRANT CREATE ON SCHEMA public TO regress_distinct_exact;
\o
\set ECHO all
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE DOMAIN code AS int CHECK (VALUE < 1000);
CREATE TABLE looks (id int, i2 int2, i4 int4, i8 int8, n numeric, f4 float4, f8 float8, b bool, t text, v varchar(9), c bpchar(5),
	ch "char", nm name, d date, tm time, ts timestamp, tz timestamptz, u uuid, m mood, co code);
-- two looks of each value, and NULL
INSERT INTO looks SELECT i, v.* FROM generate_series(1, 40) i, LATERAL (VALUES
	(1::int2, 1, 1::int8, 1.0, float4 '0', float8 '0', true, 'a', 'a'::varchar(9), 'a'::bpchar(5), 'a'::"char", name 'a',
		date '2020-01-01', time '00:00', timestamp '2020-01-01', timestamptz '2020-01-01 00:00+00', uuid '00000000-0000-0000-0000-000000000001', 'sad'::mood, 1::code),
	(1::int2, 1, 1::int8, 1.000, float4 '-0', float8 '-0', true, 'a', 'a'::varchar(9), 'a '::bpchar(5), 'a'::"char", name 'a',
		date '2020-01-01', time '00:00', timestamp '2020-01-01', timestamptz '2020-01-01 02:00+02', uuid '{00000000-0000-0000-0000-000000000001}', 'sad'::mood, 1::code),
	(2::int2, -1, int8 '-9223372036854775808', 'NaN', float4 'NaN', float8 'NaN', false, 'A', 'a '::varchar(9), 'A'::bpchar(5), ''::"char", name '',
		date 'infinity', time '24:00', timestamp '-infinity', timestamptz 'infinity', uuid 'ffffffff-ffff-ffff-ffff-ffffffffffff', 'ok'::mood, 2::code),
	(2::int2, -1, int8 '-9223372036854775808', 'NaN', -float4 'NaN', -float8 'NaN', false, 'A', 'a '::varchar(9), 'A'::bpchar(5), ''::"char", name '',
		date 'infinity', time '24:00', timestamp '-infinity', timestamptz 'infinity', uuid 'ffffffff-ffff-ffff-ffff-ffffffffffff', 'ok'::mood, 2::code),
	(NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)) v;
-- rows of nobody
INSERT INTO looks (id, i4, t) SELECT NULL, i, 't' || i FROM generate_series(100, 200) i;
-- owner i has the values i .. i + 5 in group i % 3, the first three in the next group too; long text beside
CREATE TABLE steps (id int, g int NOT NULL CHECK (g BETWEEN 0 AND 2), x int, t text);
INSERT INTO steps SELECT i, i % 3, i + k, repeat('long ', 30) || i + k FROM generate_series(1, 300) i, generate_series(0, 5) k;
INSERT INTO steps SELECT i, (i + 1) % 3, i + k, repeat('long ', 30) || i + k FROM generate_series(1, 300) i, generate_series(0, 2) k;
CREATE TABLE people (id int PRIMARY KEY, zip int, ward text NOT NULL);
INSERT INTO people SELECT i, i % 70, 'ward ' || i % 4 FROM generate_series(1, 300) i;
CREATE TABLE parts (x int, part text);
INSERT INTO parts SELECT i, 'part ' || i % 50 || p FROM generate_series(1, 305) i, generate_series(1, 2) p;
SELECT dp.create_dataset('exact', 30, 1e-9, capacity => 100000, confirm_large_epsilon => true) > 0 AS made;
SELECT dp.protect('looks', 'exact', 'id', rows_per_owner => 5), dp.protect('steps', 'exact', 'id', rows_per_owner => 9), dp.protect('people', 'exact', 'id');
SELECT dp.set_domain('people', 'ward', ARRAY['ward 0', 'ward 1', 'ward 2', 'ward 3'], 'form');
SELECT dp.set_bounds('looks', 'n', 0, 4, 'test'), dp.set_bounds('looks', 'f8', 0, 4, 'test');
SELECT dp.declare_public('parts');
GRANT SELECT ON parts TO regress_distinct_exact;
SELECT dp.grant_analyst('regress_distinct_exact', 'exact', 10);
CREATE TABLE own (id int, g int NOT NULL CHECK (g BETWEEN 0 AND 3), x int, t text, kind text);
-- owner i has i % 8 values that nobody else has, three a group; kind has a domain of two, and more values than that
INSERT INTO own SELECT i, k / 3, i * 100 + k, repeat('x', 40) || (i * 100 + k), 'kind ' || k FROM generate_series(1, 800) i, generate_series(0, 6) k WHERE k < i % 8;
-- and one has very many
INSERT INTO own SELECT 0, 3, -k, repeat('y', 40) || k, 'kind ' || k FROM generate_series(1, 20000) k;
CREATE TABLE many (id int, x int, t text);
INSERT INTO many SELECT i % 20000, i / 2, repeat('z', 20) || i FROM generate_series(1, 160000) i;
SELECT dp.protect('own', 'exact', 'id', rows_per_owner => 20), dp.protect('many', 'exact', 'id', rows_per_owner => 10);
SELECT dp.set_domain('own', 'kind', ARRAY['kind 0', 'kind 1'], 'form');
CREATE FUNCTION trace() RETURNS text LANGUAGE c AS 'pg_epsilon', 'eps_exec_sql_test_trace';
CREATE FUNCTION asked(q text) RETURNS text LANGUAGE plpgsql AS
	'DECLARE t text; BEGIN EXECUTE format(''SELECT string_agg(r::text, '''' '''' ORDER BY r::text) FROM (%s) r'', q) INTO t; RETURN t; END';
CREATE TABLE questions (no serial, q text, plain text);
GRANT SELECT ON questions TO regress_distinct_exact;

SET SESSION AUTHORIZATION regress_distinct_exact;
SET dp_test.noise = off;
SET dp.epsilon = 0.5;

-- Equality of each type; NULL is no value; nobody's rows count for nobody
SELECT count(DISTINCT i2) AS i2, count(DISTINCT i4) AS i4, count(DISTINCT i8) AS i8, count(DISTINCT n) AS n, count(DISTINCT f4) AS f4, count(DISTINCT f8) AS f8,
	count(DISTINCT b) AS b, count(DISTINCT d) AS d, count(DISTINCT tm) AS tm, count(DISTINCT ts) AS ts, count(DISTINCT tz) AS tz, count(DISTINCT u) AS u FROM looks;
SELECT count(DISTINCT t) AS t, count(DISTINCT v) AS v, count(DISTINCT c) AS c, count(DISTINCT ch) AS ch, count(DISTINCT nm) AS nm, count(DISTINCT m) AS m, count(DISTINCT co) AS co,
	count(DISTINCT NULL::int) AS none, count(DISTINCT 7) AS constant, count(DISTINCT t COLLATE "C") AS ctext FROM looks;
-- The same column added up and told apart: NaN is no value of a sum, and one of these
SELECT sum(n), count(DISTINCT n), avg(n), sum(f8), count(DISTINCT f8), count(n) FROM looks;

-- As plain SQL: groups, FILTER, WHERE, expressions, joins, subqueries, several at once
RESET SESSION AUTHORIZATION;
INSERT INTO questions (q) VALUES
	('SELECT count(DISTINCT x) FROM steps'),
	('SELECT count(DISTINCT t) FROM steps'),
	('SELECT g, count(DISTINCT x), count(*), count(DISTINCT t), count(DISTINCT id), sum(dp.clamp(x, 0, 400)) FROM steps GROUP BY g'),
	('SELECT g, count(DISTINCT x) FILTER (WHERE x % 2 = 0), count(DISTINCT x) FILTER (WHERE false) FROM steps WHERE x > 10 GROUP BY g'),
	('SELECT count(DISTINCT x / 10), count(DISTINCT x % 7), count(DISTINCT CASE WHEN x > 5 THEN ''a'' ELSE ''b'' END), count(DISTINCT substr(t, 140)) FROM steps'),
	('SELECT g, count(DISTINCT zip), count(DISTINCT p.ward) FROM steps JOIN people p USING (id) GROUP BY g'),
	('SELECT ward, count(DISTINCT x), count(DISTINCT zip) FROM people LEFT JOIN steps USING (id) GROUP BY ward'),
	('SELECT count(DISTINCT part), count(DISTINCT x) FROM steps JOIN parts USING (x)'),
	('SELECT count(DISTINCT zip), count(DISTINCT ward) FROM people'),
	('SELECT ward, count(DISTINCT zip) FROM people GROUP BY ward'),
	('SELECT substr(t, 1, 4), count(DISTINCT x) FROM steps GROUP BY 1'),
	('WITH c AS (SELECT g, count(DISTINCT x) AS n FROM steps GROUP BY g) SELECT sum(n) FROM c'),
	('SELECT g, count(DISTINCT x) FROM steps GROUP BY g HAVING count(DISTINCT x) > 100'),
	('SELECT (SELECT count(DISTINCT x) FROM steps WHERE g = 0) - (SELECT count(DISTINCT x) FROM steps WHERE g = 1) AS difference');
UPDATE questions SET plain = asked(q);
SET SESSION AUTHORIZATION regress_distinct_exact;
SET dp.epsilon = 2;
SELECT no, asked(q) FROM questions WHERE no = 3;
SELECT no, asked(q) IS NOT DISTINCT FROM plain AS as_plain FROM questions ORDER BY no;
-- whatever the memory, the plan
SET work_mem = '64kB';
SET enable_hashjoin = off;
SELECT no, asked(q) FROM questions WHERE asked(q) IS DISTINCT FROM plain ORDER BY no;
RESET work_mem;
RESET enable_hashjoin;
SET dp.epsilon = 0.5;

-- More than memory and a partition take: spilled, and split
SET work_mem = '64kB';
SELECT count(DISTINCT x), count(DISTINCT t) FROM many;
SELECT count(DISTINCT x), count(DISTINCT t) FROM many WHERE id = id AND x = x;
RESET work_mem;

-- No more values of an owner than rows_per_owner; the owner with 20000 in 64 kB, too
SET work_mem = '64kB';
DO $$
DECLARE
	n bigint;
	wanted bigint;
BEGIN
	FOR r IN 1 .. 8 LOOP
		PERFORM set_config('dp.rows_per_owner', r::text, false);
		SELECT count(DISTINCT x) INTO n FROM own;
		wanted := 100 * (SELECT sum(least(i, r)) FROM generate_series(0, 7) i) + r;
		IF n <> wanted THEN
			RAISE NOTICE 'rows_per_owner %: % values, not %', r, n, wanted;
		END IF;
	END LOOP;
END $$;
RESET work_mem;
RESET dp.rows_per_owner;
-- in no more groups than groups_per_owner
SET dp.groups_per_owner = 1;
SELECT sum(n) BETWEEN 100 * (1 + 2 + 3 + 1 + 2 + 3 + 1) AND 100 * (1 + 2 + 3 + 3 + 3 + 3 + 3) AS values, sum(owners) AS owners
FROM (SELECT g, count(DISTINCT x) AS n, count(DISTINCT id) AS owners FROM own WHERE id > 0 GROUP BY g) s;
RESET dp.groups_per_owner;
-- A domain of two: two of an owner to a group, whatever stands in the rows
SELECT count(DISTINCT kind), dp.stddev_of_noise(count(DISTINCT kind)) < dp.stddev_of_noise(count(DISTINCT x)) AS less_noise FROM own WHERE id = 0;
SELECT g, count(DISTINCT kind) FROM own WHERE id = 7 GROUP BY g ORDER BY g;
-- which two is a matter of coins: each of seven about as often
SET dp_test.trace = on;
SELECT trace() IS NULL AS none;
DO $$ BEGIN FOR i IN 1 .. 350 LOOP PERFORM count(DISTINCT kind) FROM own WHERE id = 7; END LOOP; END $$;
CREATE TABLE offers AS SELECT o ->> 3 AS image FROM json_array_elements(trace()::json) r, json_array_elements(r -> 'offers') o;
SELECT count(*) AS offers, count(DISTINCT image) AS values FROM offers;
SELECT count(*) AS unfair FROM (SELECT count(*) AS n FROM offers GROUP BY image) s WHERE n NOT BETWEEN 45 AND 155;
SET dp_test.trace = off;

-- Who cannot pay is left out with all values, and only they
RESET SESSION AUTHORIZATION;
SELECT dp.set_limit('exact', 7, 1e-9), dp.set_limit('exact', 6, 1e-9);
SET SESSION AUTHORIZATION regress_distinct_exact;
SELECT count(DISTINCT x) AS "5 + 0 + 1" FROM own WHERE id IN (5, 6, 7, 8, 9);
SELECT count(DISTINCT x) FROM own WHERE id IN (6, 7);
SELECT count(DISTINCT x) AS "4 to 10" FROM steps WHERE id BETWEEN 4 AND 7;

-- The charge is that of the number of values, k^2 / 2 sigma^2
RESET SESSION AUTHORIZATION;
CREATE FUNCTION last_rho(owner bigint, before bigint) RETURNS float8 LANGUAGE sql AS
	$$ SELECT coalesce(sum(rho), 0)::float8 FROM dp.statement('exact', owner) WHERE seq > before $$;
SELECT max(seq) AS before FROM dp_book.entry \gset
SET SESSION AUTHORIZATION regress_distinct_exact;
SET dp.noise = gaussian;
SELECT count(DISTINCT x) AS five, dp.stddev_of_noise(count(DISTINCT x)) AS sigma FROM own WHERE id IN (9, 12, 8) \gset
SELECT :five AS "1 + 4 + 0";
RESET SESSION AUTHORIZATION;
SELECT last_rho(9, :before) * 2 * :sigma ^ 2 BETWEEN 1 AND 1.19 AS one, last_rho(12, :before) * 2 * :sigma ^ 2 BETWEEN 16 AND 16 * 1.19 AS four, last_rho(8, :before) AS none;
SELECT max(seq) AS before FROM dp_book.entry \gset
SET SESSION AUTHORIZATION regress_distinct_exact;
-- many rows with one value cost one value; rows without a value cost nothing
SELECT count(DISTINCT x / 100000) FILTER (WHERE id <> 15) AS one, dp.stddev_of_noise(count(DISTINCT x / 100000) FILTER (WHERE id <> 15)) AS sigma FROM own WHERE id IN (12, 15) \gset
SELECT :one AS one;
RESET SESSION AUTHORIZATION;
SELECT last_rho(12, :before) * 2 * :sigma ^ 2 BETWEEN 1 AND 1.19 AS one, last_rho(15, :before) AS none;

SELECT dp.revoke_analyst('regress_distinct_exact', 'exact');
SELECT check_name FROM dp.verify() WHERE NOT ok;
SET client_min_messages = error;
DROP OWNED BY regress_distinct_exact CASCADE;
DROP ROLE regress_distinct_exact;
