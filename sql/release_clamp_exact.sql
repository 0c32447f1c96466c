-- flavour: test
-- Without noise: every value is clamped before it is added, near the bounds and far
-- off, and an owner's sum is exact whatever its size and order (rule 14).
\set SHOW_CONTEXT never
\set ECHO none
\o /dev/null
SET client_min_messages = error;
SET dp.repeats = off;
DROP ROLE IF EXISTS regress_clamp_exact;
SET client_min_messages = warning;
CREATE EXTENSION pg_epsilon;
SELECT dp.harden(apply => true);
CREATE ROLE regress_clamp_exact;
\o
\set ECHO all
CREATE TABLE near (id int, f8 float8, f4 float4, n numeric, i2 int2, i4 int4, i8 int8);
-- one above the upper bound, one below the lower one, two within, two at the bounds
INSERT INTO near SELECT i, v, v, v, v, v, v FROM unnest('{5,-6,3,-1,4,-4}'::int[]) WITH ORDINALITY u(v, i);
CREATE TABLE far (id int, f8 float8, f4 float4, n numeric, i2 int2, i4 int4, i8 int8);
INSERT INTO far SELECT i, v, v, v, v, v, v FROM unnest('{32000,-31000,3,-1,100,-100}'::int[]) WITH ORDINALITY u(v, i);
-- three rows of one owner that would cancel if they were added before they are clamped
CREATE TABLE cancelling (id int, f8 float8, f4 float4, n numeric, i2 int2, i4 int4, i8 int8);
INSERT INTO cancelling SELECT 1, v, v, v, v, v, v FROM unnest('{100,-50,-3}'::int[]) v;
-- large values of many owners, three rows each: sums of 34 bits
CREATE TABLE large (id int, i4 int4, at int);
INSERT INTO large SELECT i % 300, 2147480000 - i, i FROM generate_series(1, 900) i;
SELECT dp.create_dataset('exact', 30, 1e-9, capacity => 1000, confirm_large_epsilon => true) > 0 AS made;
SELECT dp.protect(t, 'exact', 'id', rows_per_owner => 3) FROM unnest('{near,far,cancelling,large}'::regclass[]) t;
SELECT dp.set_bounds(t, c, -4, 4, 'test') FROM unnest('{near,far,cancelling}'::regclass[]) t, unnest('{f8,f4,n,i2,i4,i8}'::text[]) c;
SELECT dp.set_bounds('large', 'i4', -2147483647, 2147483647, 'test');
-- what is cut off of each owner's sum on a grid of 512
SELECT sum(s % 512) AS cut FROM (SELECT sum(i4::numeric) AS s FROM large GROUP BY id) o;
SELECT dp.grant_analyst('regress_clamp_exact', 'exact', 10);
GRANT CREATE ON SCHEMA public TO regress_clamp_exact;
SET SESSION AUTHORIZATION regress_clamp_exact;
SET dp_test.noise = off;
SET dp.epsilon = 0.2;
SELECT sum(f8) AS f8, sum(f4) AS f4, sum(n) AS n, sum(i2) AS i2, sum(i4) AS i4, sum(i8) AS i8 FROM near;
SELECT sum(f8) AS f8, sum(f4) AS f4, sum(n) AS n, sum(i2) AS i2, sum(i4) AS i4, sum(i8) AS i8 FROM far;
SELECT sum(f8) AS f8, sum(f4) AS f4, sum(n) AS n, sum(i2) AS i2, sum(i4) AS i4, sum(i8) AS i8 FROM cancelling;
CREATE TABLE seen (pass int, i4 numeric);
-- the noise is so small that its grid is finer than what 24 bits would hold of a sum
RESET dp.epsilon;
SET dp.rho = 1;
INSERT INTO seen SELECT 1, sum(i4) FROM large;
EXPLAIN (COSTS off) SELECT sum(i4) FROM large;
-- an owner's sum is cut to the grid, toward zero, once
SELECT 1932731594550 - i4 AS cut FROM seen;
RESET SESSION AUTHORIZATION;
CREATE TABLE shuffled AS SELECT * FROM large ORDER BY md5(at::text);
TRUNCATE large;
INSERT INTO large SELECT * FROM shuffled;
SET SESSION AUTHORIZATION regress_clamp_exact;
INSERT INTO seen SELECT 2, sum(i4) FROM large WHERE at > 0;
SELECT count(DISTINCT i4) AS answers FROM seen;
RESET SESSION AUTHORIZATION;
SELECT dp.revoke_analyst('regress_clamp_exact', 'exact');
DROP OWNED BY regress_clamp_exact;
DROP ROLE regress_clamp_exact;
