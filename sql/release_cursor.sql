-- An answer is drawn once: fetched again, backwards, by rescans, it is the same.
\getenv abs_srcdir PG_ABS_SRCDIR
\set hospital :abs_srcdir '/sql/common/hospital.sql'
\set analyst regress_release_cursor
\i :hospital
\set SHOW_CONTEXT never
SET SESSION AUTHORIZATION :analyst;
CREATE TABLE seen (pass int, dept int, n bigint);

-- Scroll cursors
DO $$
DECLARE
	c SCROLL CURSOR FOR SELECT dept, count(*) AS n FROM visits GROUP BY dept;
	r record;
	before bigint := entries();
BEGIN
	OPEN c;
	IF entries() <> before THEN RAISE NOTICE 'charged when opened'; END IF;
	FOR i IN 1..3 LOOP
		LOOP
			FETCH NEXT FROM c INTO r;
			EXIT WHEN NOT FOUND;
			INSERT INTO seen VALUES (2 * i, r.dept, r.n);
		END LOOP;
		LOOP
			FETCH PRIOR FROM c INTO r;
			EXIT WHEN NOT FOUND;
			INSERT INTO seen VALUES (2 * i + 1, r.dept, r.n);
		END LOOP;
	END LOOP;
	FETCH LAST FROM c INTO r;
	INSERT INTO seen VALUES (8, r.dept, r.n);
	FETCH ABSOLUTE 3 FROM c INTO r;
	INSERT INTO seen VALUES (9, r.dept, r.n);
	CLOSE c;
	RAISE NOTICE '% release', entries() - before;
END $$;
SELECT count(*) AS fetched, count(DISTINCT (dept, n)) AS answers, count(DISTINCT dept) AS groups FROM seen;

-- A cursor that is not fetched is not charged; one that is fetched, is
SELECT entries() AS before \gset
BEGIN;
DECLARE c CURSOR FOR SELECT dept, count(*) FROM visits GROUP BY dept;
CLOSE c;
COMMIT;
SELECT entries() - :before AS unfetched;
BEGIN;
DECLARE c CURSOR FOR SELECT dept, count(*) FROM visits GROUP BY dept;
FETCH 0 FROM c;
MOVE 1 IN c;
ROLLBACK;
SELECT entries() - :before AS fetched;
BEGIN;
DECLARE c CURSOR WITH HOLD FOR SELECT dept, count(*) FROM visits GROUP BY dept;
ROLLBACK;
SELECT entries() - :before AS held_but_rolled_back;
BEGIN;
DECLARE c CURSOR WITH HOLD FOR SELECT dept FROM visits GROUP BY dept ORDER BY dept;
COMMIT;
FETCH ABSOLUTE 10 FROM c;
FETCH ABSOLUTE 1 FROM c;
CLOSE c;
SELECT entries() - :before AS held;

-- Rescans
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SET enable_material = off;
SELECT count(*) AS rows, count(DISTINCT (s.dept, n)) AS answers, count(DISTINCT s.dept) AS groups
FROM generate_series(1, 5) g LEFT JOIN (SELECT dept, count(*) AS n FROM visits GROUP BY dept) s ON s.dept <= g + 5;
SELECT count(*) AS rows, count(DISTINCT l.n) AS answers
FROM generate_series(1, 5) g, LATERAL (SELECT s.n + 0 * g AS n FROM (SELECT count(*) AS n FROM visits) s OFFSET 0) l;
SELECT count(DISTINCT x) AS answers FROM (SELECT (SELECT n + 0 * g FROM (SELECT count(*) AS n FROM visits) s) AS x FROM generate_series(1, 5) g) y;
RESET ALL;
-- (a recursive query cannot read an answer in its loop)
WITH RECURSIVE r AS (
	SELECT 1 AS i, 0::bigint AS n
	UNION ALL SELECT i + 1, s.n FROM r, (SELECT count(*) AS n FROM patients) s WHERE i < 5)
SELECT count(*) AS rows, count(DISTINCT n) AS answers FROM r;

-- A statement that is run again asks again
PREPARE again AS INSERT INTO seen SELECT 100, 0, sum(cost) FROM visits;
EXECUTE again;
EXECUTE again;
EXECUTE again;
EXECUTE again;
SELECT count(*) AS runs, count(DISTINCT n) > 1 AS fresh_noise FROM seen WHERE pass = 100;
DO $$ BEGIN FOR i IN 1..4 LOOP INSERT INTO seen SELECT 101, 0, sum(cost) FROM visits; END LOOP; END $$;
SELECT count(*) AS runs, count(DISTINCT n) > 1 AS fresh_noise FROM seen WHERE pass = 101;
-- two groups of equal content have their own noise
DELETE FROM seen;
INSERT INTO seen SELECT 1, dept, sum(5) FROM visits WHERE dept > 10 GROUP BY dept;
SELECT count(*) AS groups, count(DISTINCT n) > 1 AS own_noise FROM seen;

RESET SESSION AUTHORIZATION;
DROP OWNED BY :analyst CASCADE;
SELECT dp.revoke_analyst(:'analyst', 'hospital');
DROP ROLE :analyst;
