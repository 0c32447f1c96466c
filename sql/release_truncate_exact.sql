-- flavour: test
-- Without noise: rows_per_owner and groups_per_owner keep exactly min(...) of each
-- owner, whatever the order and the memory; which ones is a matter of coins.
\set SHOW_CONTEXT never
\set ECHO none
\o /dev/null
SET client_min_messages = error;
SET dp.repeats = off;
DROP ROLE IF EXISTS regress_truncate_exact;
SET client_min_messages = warning;
CREATE EXTENSION pg_epsilon;
SELECT dp.harden(apply => true);
CREATE ROLE regress_truncate_exact;
GRANT CREATE ON SCHEMA public TO regress_truncate_exact;
\o
\set ECHO all
-- owner i has i % 12 rows, in as many groups
CREATE TABLE rows (id int, g int CHECK (g BETWEEN 0 AND 11) NOT NULL, x int, label text);
INSERT INTO rows SELECT i, g, 1, 'label ' || g FROM generate_series(1, 1200) i, generate_series(0, 11) g WHERE g < i % 12;
-- one owner with very many rows, in all groups
INSERT INTO rows SELECT 0, r % 12, 1, 'label ' || r % 12 FROM generate_series(1, 20000) r;
CREATE TABLE singles (id int PRIMARY KEY, g int CHECK (g BETWEEN 0 AND 11) NOT NULL, x int);
INSERT INTO singles SELECT i, i % 12, i % 100 FROM generate_series(1, 5000) i;
-- the same without the index
CREATE TABLE doubles (id int, g int CHECK (g BETWEEN 0 AND 11) NOT NULL, x int);
INSERT INTO doubles TABLE singles;
SELECT dp.create_dataset('exact', 30, 1e-9, capacity => 10000, confirm_large_epsilon => true) > 0 AS made;
SELECT dp.protect('rows', 'exact', 'id', rows_per_owner => 40), dp.protect('singles', 'exact', 'id'), dp.protect('doubles', 'exact', 'id', rows_per_owner => 1);
SELECT dp.set_bounds(t, 'x', 0, 100, 'test') FROM unnest('{rows,singles,doubles}'::regclass[]) t;
SELECT dp.grant_analyst('regress_truncate_exact', 'exact', 10);
CREATE FUNCTION kept(k int, l int) RETURNS bigint LANGUAGE sql AS
	$$ SELECT sum(least(n, k, l)) FROM (SELECT CASE i WHEN 0 THEN 1000000 ELSE i % 12 END AS n FROM generate_series(0, 1200) i) s $$;

SET SESSION AUTHORIZATION regress_truncate_exact;
SET dp_test.noise = off;
SET dp.epsilon = 0.5;
-- rows
DO $$
DECLARE
	n bigint;
	s bigint;
	owners bigint;
BEGIN
	FOREACH n IN ARRAY '{1,2,3,5,8,11,12,40}'::bigint[] LOOP
		PERFORM set_config('dp.rows_per_owner', n::text, false);
		SELECT count(*), count(DISTINCT id) INTO s, owners FROM rows;
		IF s <> kept(n::int, 1000000) OR owners <> 1101 THEN
			RAISE NOTICE 'rows_per_owner %: % rows, not %', n, s, kept(n::int, 1000000);
		END IF;
	END LOOP;
END $$;
-- groups, rows unbound: the large owner keeps 40 rows, in the groups drawn
SELECT set_config('dp.rows_per_owner', '12', false);
DO $$
DECLARE
	n int;
	s bigint;
	gs bigint;
	owners bigint;
BEGIN
	FOREACH n IN ARRAY '{1,2,3,7,11,12}'::int[] LOOP
		PERFORM set_config('dp.groups_per_owner', n::text, false);
		SELECT sum(c), sum(o), count(*) INTO s, owners, gs FROM (SELECT g, count(*) AS c, count(DISTINCT id) AS o FROM rows WHERE id > 0 GROUP BY g) q;
		IF s <> kept(n, 12) - least(n, 12) OR owners <> s OR gs <> 12 THEN
			RAISE NOTICE 'groups_per_owner %: % rows, % owners, % groups, not %', n, s, owners, gs, kept(n, 12) - least(n, 12);
		END IF;
	END LOOP;
END $$;
RESET dp.groups_per_owner;
RESET dp.rows_per_owner;
-- both, where the large owner is in
SET dp.groups_per_owner = 3;
SELECT sum(o) = kept(3, 1000000) AS owners, sum(c) BETWEEN kept(3, 1000000) AND kept(3, 1000000) + 37 AS rows
FROM (SELECT g, count(*) AS c, count(DISTINCT id) AS o FROM rows GROUP BY g) q;
SET dp.rows_per_owner = 2;
SELECT sum(o) BETWEEN kept(1, 1) AND kept(2, 2) AS owners, sum(c) = kept(2, 1000000) AS rows
FROM (SELECT g, count(*) AS c, count(DISTINCT id) AS o FROM rows GROUP BY g) q;
RESET dp.groups_per_owner;
RESET dp.rows_per_owner;

-- Coins, not order: each group gets a fair part of what is kept, wherever it lies
RESET SESSION AUTHORIZATION;
CREATE TABLE fair (id int, g int CHECK (g BETWEEN 0 AND 1) NOT NULL);
INSERT INTO fair SELECT i, g FROM generate_series(1, 2000) i, generate_series(0, 1) g ORDER BY g, i;
SELECT dp.protect('fair', 'exact', 'id', rows_per_owner => 2, groups_per_owner => 1);
SET SESSION AUTHORIZATION regress_truncate_exact;
SELECT sum(c) AS kept, bool_and(c BETWEEN 800 AND 1200) AS fair FROM (SELECT g, count(*) AS c FROM fair GROUP BY g) q;
SET dp.rows_per_owner = 1;
SELECT sum(c) AS kept, bool_and(c BETWEEN 800 AND 1200) AS fair FROM (SELECT g, count(*) AS c FROM fair GROUP BY g) q;
-- and other coins the next time
CREATE TABLE drawn (c bigint);
DO $$ BEGIN FOR i IN 1..6 LOOP INSERT INTO drawn SELECT count(*) FILTER (WHERE g = 0) FROM fair; END LOOP; END $$;
SELECT count(DISTINCT c) > 1 AS fresh_coins FROM drawn;
RESET dp.rows_per_owner;

-- One row an owner by an index, and by a declaration: one answer
SELECT count(*), sum(x), count(DISTINCT id) FROM singles;
SELECT count(*), sum(x), count(DISTINCT id) FROM doubles;
SELECT a.g, a.c = b.c AND a.s = b.s AND a.o = b.o AS same FROM
	(SELECT g, count(*) AS c, sum(x) AS s, count(DISTINCT id) AS o FROM singles GROUP BY g) a JOIN
	(SELECT g, count(*) AS c, sum(x) AS s, count(DISTINCT id) AS o FROM doubles GROUP BY g) b USING (g) ORDER BY g;

-- Little memory: the same
SET work_mem = '64kB';
SELECT count(*), sum(x), count(DISTINCT id) FROM doubles;
SELECT count(*) FROM rows WHERE id > 0;
SELECT g, count(*) AS c, sum(x) AS s, count(DISTINCT id) AS o FROM doubles GROUP BY g ORDER BY g LIMIT 3;
SELECT count(*), sum(x) FROM rows JOIN doubles USING (id, g, x);
RESET work_mem;

RESET SESSION AUTHORIZATION;
SELECT check_name, ok FROM dp.verify() WHERE NOT ok;
SELECT dp.revoke_analyst('regress_truncate_exact', 'exact');
DROP OWNED BY regress_truncate_exact;
DROP ROLE regress_truncate_exact;
