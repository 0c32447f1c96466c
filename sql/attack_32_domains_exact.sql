-- flavour: test
-- Attack 32: which groups come out says nothing about the rows. Public domains come
-- out whole, NULL among them; values outside count in no group, or in one that the
-- query declares; what the data filled is no domain by itself (rules 3, 4, 12).
\set SHOW_CONTEXT never
\set ECHO none
\o /dev/null
SET client_min_messages = error;
DROP ROLE IF EXISTS regress_attack_32;
SET client_min_messages = warning;
CREATE EXTENSION pg_epsilon;
SELECT dp.harden(apply => true);
CREATE ROLE regress_attack_32;
GRANT CREATE ON SCHEMA public TO regress_attack_32;
\o
\set ECHO all
CREATE TABLE wards (ward text PRIMARY KEY);
INSERT INTO wards VALUES ('a'), ('b');
CREATE TYPE shade AS ENUM ('red', 'green');
CREATE TABLE stays (id int, ward text REFERENCES wards, shade shade, code int, floor int CHECK (floor BETWEEN 1 AND 3),
	wing text NOT NULL, sure boolean NOT NULL, maybe boolean) PARTITION BY LIST (wing);
CREATE TABLE stays_north PARTITION OF stays FOR VALUES IN ('north');
CREATE TABLE stays_south PARTITION OF stays FOR VALUES IN ('south');
INSERT INTO stays SELECT i, CASE i % 4 WHEN 0 THEN NULL WHEN 1 THEN 'b' ELSE 'a' END, CASE i % 3 WHEN 0 THEN 'red'::shade END, i % 10,
	nullif(i % 3, 0), 'north', i % 2 = 0, CASE i % 3 WHEN 0 THEN true WHEN 1 THEN false END FROM generate_series(1, 120) i;
SELECT dp.create_dataset('d', 30, 1e-9, capacity => 1000, confirm_large_epsilon => true) > 0 AS made;
SET client_min_messages = warning;
SELECT dp.protect('stays', 'd', 'id', rows_per_owner => 2);
RESET client_min_messages;
SELECT dp.grant_analyst('regress_attack_32', 'd', 10);
CREATE FUNCTION groups(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	line text;
	result text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN ' || query LOOP
		result := coalesce(substring(line FROM '^\s*Groups: (.*)$'), result);
	END LOOP;
	RETURN regexp_replace(result, '[0-9.]+ \(delta.*', 'X');
END $$;
SET SESSION AUTHORIZATION regress_attack_32;
SET dp.repeats = off;
SET dp_test.noise = off;
SET dp.epsilon = 1;

-- a foreign key, an enum, a partition list are facts of the data until a steward says otherwise
SELECT groups('SELECT ward, count(*) FROM stays GROUP BY ward') AS foreign_key, groups('SELECT shade, count(*) FROM stays GROUP BY shade') AS enum,
	groups('SELECT wing, count(*) FROM stays GROUP BY wing') AS partitions, groups('SELECT code, count(*) FROM stays GROUP BY code') AS integers;
-- a CHECK and a boolean are public: NULL is a member unless the column is NOT NULL
SELECT groups('SELECT floor, count(*) FROM stays GROUP BY floor') AS "check", groups('SELECT sure, count(*) FROM stays GROUP BY sure') AS not_null,
	groups('SELECT maybe, count(*) FROM stays GROUP BY maybe') AS nullable, groups('SELECT count(*) FROM stays GROUP BY sure, maybe, floor') AS product;
SELECT floor, count(*) FROM stays GROUP BY floor ORDER BY floor;
SELECT floor, count(*) FROM stays WHERE floor = 7 GROUP BY floor ORDER BY floor;
SELECT maybe, count(*) FROM stays WHERE maybe GROUP BY maybe ORDER BY maybe;

-- a declared domain that misses values, and one that has more
RESET SESSION AUTHORIZATION;
SELECT dp.set_domain('stays', 'ward', ARRAY['a', 'c'], 'plan');
SELECT dp.set_bounds('stays', 'code', 3, 6, 'plan');
SET SESSION AUTHORIZATION regress_attack_32;
SELECT ward, count(*) FROM stays GROUP BY ward ORDER BY ward;
SELECT code, count(*) FROM stays GROUP BY code ORDER BY code;
-- (who is outside counts in what has no groups)
SELECT count(*) FROM stays;
-- the query's own group for the rest
SELECT CASE WHEN ward IN ('a', 'c') THEN ward ELSE 'other' END AS ward, count(*) FROM stays GROUP BY 1 ORDER BY 1;
SELECT coalesce(CASE WHEN code BETWEEN 3 AND 6 THEN code::text END, 'other') AS code FROM stays GROUP BY 1; \echo :SQLSTATE
SELECT CASE WHEN code BETWEEN 3 AND 6 THEN 'inside' WHEN code IS NULL THEN 'none' ELSE 'other' END AS code, count(*) FROM stays GROUP BY 1 ORDER BY 1;
-- the filter of an aggregate, and an argument that is NULL, do not decide which groups show
SELECT ward, count(*) FILTER (WHERE false) AS filtered, count(nullif(code, code)) AS nulls FROM stays GROUP BY ward ORDER BY ward;
SET dp.groups = seen;
SET dp.epsilon = 5;
SELECT ward, count(*) FILTER (WHERE false) AS filtered FROM stays GROUP BY ward ORDER BY ward;
SELECT wing, count(*) FILTER (WHERE false) AS filtered, count(DISTINCT id) AS owners FROM stays GROUP BY wing;
RESET dp.groups;
SET dp.epsilon = 1;

-- an owner who alone has a value: neither the row nor its absence shows
CREATE TABLE seen (pass int, ward text, wing text);
INSERT INTO seen SELECT 1, ward, NULL FROM stays GROUP BY ward;
INSERT INTO seen SELECT 1, NULL, wing FROM stays GROUP BY wing;
RESET SESSION AUTHORIZATION;
INSERT INTO wards VALUES ('rare');
INSERT INTO stays VALUES (9001, 'rare', 'green', 5, 1, 'south', true, NULL), (9001, NULL, 'green', 9, 2, 'south', true, NULL);
SET SESSION AUTHORIZATION regress_attack_32;
INSERT INTO seen SELECT 2, ward, NULL FROM stays GROUP BY ward;
INSERT INTO seen SELECT 2, NULL, wing FROM stays GROUP BY wing;
SELECT ward, wing, count(*) AS passes FROM seen GROUP BY 1, 2 HAVING count(*) <> 2;

-- more groups than the limit are a choice of the analyst's, not of the data
RESET SESSION AUTHORIZATION;
ALTER ROLE regress_attack_32 SET dp.max_groups = 3;
SET dp.max_groups = 3;
SET SESSION AUTHORIZATION regress_attack_32;
SELECT groups('SELECT count(*) FROM stays GROUP BY sure') AS two, groups('SELECT count(*) FROM stays GROUP BY maybe') AS three;
SELECT count(*) FROM stays GROUP BY sure, maybe; \echo :SQLSTATE
SET dp.groups = 'all';
SELECT count(*) FROM stays GROUP BY sure, maybe; \echo :SQLSTATE
SELECT count(*) FROM stays GROUP BY wing; \echo :SQLSTATE
SET dp.groups = seen;
SELECT groups('SELECT count(*) FROM stays GROUP BY sure, maybe') AS seen;
SET dp.max_groups = 1000; \echo :SQLSTATE

RESET SESSION AUTHORIZATION;
SELECT dp.revoke_analyst('regress_attack_32', 'd');
DROP OWNED BY regress_attack_32;
DROP ROLE regress_attack_32;
