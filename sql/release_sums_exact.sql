-- flavour: test
-- Without noise an answer equals plain SQL's where bounds do not bind: every type,
-- many groups, joins, FILTER, NULLs; in every physical order.
\set SHOW_CONTEXT never
\set ECHO none
\o /dev/null
SET client_min_messages = error;
SET dp.repeats = off;
DROP ROLE IF EXISTS regress_sums_exact;
SET client_min_messages = warning;
CREATE EXTENSION pg_epsilon;
SELECT dp.harden(apply => true);
CREATE ROLE regress_sums_exact;
\o
\set ECHO all
CREATE TABLE people (id int PRIMARY KEY, town int CHECK (town BETWEEN 0 AND 6), sex text);
INSERT INTO people SELECT i, i % 7, CASE i % 3 WHEN 0 THEN 'f' WHEN 1 THEN 'm' END FROM generate_series(1, 400) i;
CREATE TABLE facts (fact_id int PRIMARY KEY, id bigint, i2 int2, i4 int4, i8 int8, f4 float4, f8 float8, n2 numeric(10,2), n3 numeric(12,3),
	grp int CHECK (grp BETWEEN 0 AND 99), label text, flag boolean, d date);
-- pseudo-random but fixed; floats are dyadic, so that every order of addition is exact
INSERT INTO facts
SELECT i, 1 + (i * 7919) % 400, (i * 31) % 200 - 100, (i * 7877) % 2001 - 1000, 5000000000000 + (i * 104729) % 1001,
	((i * 53) % 4001 - 2000) / 16.0, ((i * 7877) % 16001 - 8000) / 16.0, ((i * 331) % 20001 - 10000) / 100.0, ((i * 7877) % 100001 - 50000) / 1000.0,
	(i * 13) % 100, 'label ' || (i * 17) % 9, i % 3 = 0, date '2020-01-01' + i % 400
FROM generate_series(1, 5000) i;
UPDATE facts SET i2 = NULL, f8 = NULL, n2 = NULL WHERE fact_id % 11 = 0;
UPDATE facts SET i4 = NULL, i8 = NULL, f4 = NULL, n3 = NULL WHERE fact_id % 13 = 0;
UPDATE facts SET grp = NULL, label = NULL, flag = NULL, d = NULL WHERE fact_id % 17 = 0;
CREATE TABLE towns (town int PRIMARY KEY, name text, region text);
INSERT INTO towns SELECT i, 'town ' || i, 'region ' || i % 2 FROM generate_series(0, 6) i;
GRANT SELECT ON towns TO regress_sums_exact;

SELECT dp.create_dataset('exact', 30, 1e-9, capacity => 1000, confirm_large_epsilon => true) > 0 AS made;
SELECT dp.protect('people', 'exact', 'id'), dp.protect('facts', 'exact', 'id', rows_per_owner => 15);
SELECT dp.declare_public('towns');
SELECT dp.set_bounds('facts', c, -b, b, 'test') FROM (VALUES ('i2', 100), ('i4', 1000), ('f4', 512), ('f8', 512), ('n2', 100), ('n3', 50)) v(c, b);
SELECT dp.set_bounds('facts', 'i8', 5000000000000, 5000000001000, 'test');
SELECT dp.set_domain('people', 'sex', ARRAY['f', 'm'], 'test');
SELECT dp.set_domain('facts', 'label', ARRAY(SELECT DISTINCT label FROM facts WHERE label IS NOT NULL), 'test');
SELECT dp.grant_analyst('regress_sums_exact', 'exact', 10);

-- queries whose answer is the same with and without protection
CREATE TABLE queries (q int GENERATED ALWAYS AS IDENTITY, query text, epsilon text DEFAULT '1.5', groups text DEFAULT '15');
INSERT INTO queries (query) VALUES
	('SELECT count(*), count(i2), count(i4), count(i8), count(f4), count(f8), count(n2), count(n3), count(label), count(flag) FROM facts'),
	('SELECT sum(i2), sum(i4), sum(i8), count(i8) FROM facts'),
	('SELECT sum(n2), sum(n3), count(*) FROM facts'),
	('SELECT sum(f4)::float8, sum(f8) FROM facts'),
	('SELECT grp, count(*), count(i2), sum(i2), sum(i4), sum(i8), count(i8) FROM facts GROUP BY grp'),
	('SELECT grp, sum(n2), sum(n3), sum(f8), sum(f4) FROM facts GROUP BY grp'),
	('SELECT flag, count(*), sum(i4) FILTER (WHERE f4 > 0), count(*) FILTER (WHERE i2 < 0), count(DISTINCT id), count(DISTINCT id) FILTER (WHERE i4 > 990) FROM facts GROUP BY flag'),
	('SELECT label, count(*), count(DISTINCT id), sum(i2) FROM facts GROUP BY label'),
	('SELECT label, flag, grp % 4, count(*), sum(n2) FROM facts GROUP BY label, flag, grp % 4'),
	('SELECT p.sex, count(*), count(DISTINCT f.id), sum(f.i4), sum(f.f8) FROM facts f JOIN people p ON p.id = f.id GROUP BY p.sex'),
	('SELECT t.name, count(*), sum(f.n3) FROM facts f JOIN people p USING (id) JOIN towns t USING (town) GROUP BY t.name'),
	('SELECT p.town, count(f.i4), count(*), sum(f.i4), count(DISTINCT p.id) FROM people p LEFT JOIN facts f ON f.id = p.id AND f.i4 > 500 GROUP BY p.town'),
	('SELECT extract(month FROM d), count(*), sum(n3) FROM facts GROUP BY 1'),
	('SELECT width_bucket(f8, -512, 512, 8), count(*), sum(f8) FROM facts WHERE f8 IS NOT NULL GROUP BY 1'),
	('SELECT CASE WHEN i4 > 0 THEN 1 WHEN i4 < 0 THEN -1 ELSE 0 END, count(*), sum(i2) FROM facts GROUP BY 1'),
	('SELECT sum(i2::int4 * i2), sum(i4 - i2), sum(i2::int4 * i4), sum(abs(i4)), sum(-i2), sum(i4 / 7), sum(i4 % 7) FROM facts'),
	('SELECT sum(n2 * 0.5), count(*) FROM facts'), ('SELECT sum(n2 + n3), count(*) FROM facts'),
	('SELECT sum(f8 * 4), sum(f8 - f4), sum((i4 > 0)::int), sum(coalesce(i2, 5)), sum(greatest(i2, 0)), sum(nullif(i2, 3)) FROM facts'),
	('SELECT count(*), sum(c) FROM (SELECT id, i2 + 1 AS c FROM facts WHERE label <> ''label 3'' AND i4 BETWEEN -500 AND 500) s WHERE c > 0'),
	('WITH x AS (SELECT id, i4, flag FROM facts WHERE grp IN (1, 2, 3)) SELECT flag, count(*), sum(i4) FROM x GROUP BY flag'),
	('SELECT count(*), sum(a.i2) FROM (SELECT id, i2 FROM facts WHERE grp = 5) a JOIN (SELECT id, i4 FROM facts WHERE grp = 7) b ON a.id = b.id'),
	('SELECT count(*) FROM facts WHERE label LIKE ''%4'' OR lower(label) = ''label 5'' OR substr(label, 7, 1) = ''6'''),
	('SELECT date_trunc(''quarter'', d), count(*) FROM facts WHERE d < ''2020-07-01'' GROUP BY 1'),
	('SELECT count(*), sum(i4) FROM facts WHERE false'),
	('SELECT grp, count(*), count(i4), sum(i2) FROM facts WHERE i4 IS NULL AND i2 IS NOT NULL GROUP BY grp');
-- thresholded groups show where they have owners enough
UPDATE queries SET groups = '1' WHERE query LIKE '%GROUP BY t.name';
UPDATE queries SET epsilon = '6', groups = '2' WHERE query LIKE 'SELECT date_trunc%';
GRANT SELECT ON queries TO regress_sums_exact;

-- Rows of both answers, as text without trailing zeros; groups that are empty
-- without protection do not show there
CREATE FUNCTION answers(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	r record;
BEGIN
	FOR r IN EXECUTE query LOOP
		RETURN NEXT regexp_replace(regexp_replace(r::text, '(\.[0-9]*?)0+(?=[,)])', '\1', 'g'), '\.(?=[,)])', '', 'g');
	END LOOP;
END $$;
CREATE FUNCTION differences() RETURNS TABLE (q int, plain_only text, noiseless_only text) LANGUAGE plpgsql AS $$
DECLARE
	item record;
BEGIN
	FOR item IN SELECT * FROM queries ORDER BY queries.q LOOP
		PERFORM set_config('dp.epsilon', item.epsilon, false), set_config('dp.groups_per_owner', item.groups, false);
		RETURN QUERY
		WITH plain AS (SELECT answer FROM plain_answers p WHERE p.q = item.q),
			noiseless AS (SELECT a FROM answers(item.query) a WHERE a NOT SIMILAR TO '\(([^,]*,)*0(,(0|))*\)' OR a IN (SELECT answer FROM plain))
		SELECT item.q, p.answer, n.a FROM plain p FULL JOIN noiseless n ON p.answer = n.a WHERE p.answer IS NULL OR n.a IS NULL ORDER BY 2, 3;
	END LOOP;
END $$;
CREATE TABLE plain_answers AS SELECT q, a AS answer FROM queries, answers(query) a;
-- (a sum of nothing is 0, not NULL: no noisy answer could tell)
UPDATE plain_answers SET answer = '(0,0)' WHERE answer = '(0,)';
GRANT SELECT ON plain_answers TO regress_sums_exact;
SELECT count(*) > 300 AS many_rows FROM plain_answers;

SET SESSION AUTHORIZATION regress_sums_exact;
SET dp_test.noise = off;
SET dp.delta = 1e-12;
SELECT * FROM differences();

-- The same in another physical order, with indexes, without, on a sample of plans
RESET SESSION AUTHORIZATION;
CREATE TABLE shuffled AS SELECT * FROM facts ORDER BY md5(fact_id::text);
TRUNCATE facts;
INSERT INTO facts SELECT * FROM shuffled;
ANALYZE facts;
SET SESSION AUTHORIZATION regress_sums_exact;
SELECT * FROM differences();
RESET SESSION AUTHORIZATION;
CREATE INDEX ON facts (id);
CREATE INDEX ON facts (grp, i4);
CLUSTER facts USING facts_id_idx;
ANALYZE;
SET SESSION AUTHORIZATION regress_sums_exact;
SET enable_seqscan = off;
SET enable_hashjoin = off;
SELECT * FROM differences();
SET enable_seqscan = on;
SET enable_mergejoin = off;
SET enable_sort = off;
SET jit = off;
SET max_parallel_workers_per_gather = 4;
SET min_parallel_table_scan_size = 0;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SELECT * FROM differences();

RESET SESSION AUTHORIZATION;
SELECT dp.revoke_analyst('regress_sums_exact', 'exact');
DROP OWNED BY regress_sums_exact;
DROP ROLE regress_sums_exact;
