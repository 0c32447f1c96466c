-- Attack 18: answers lie on the public grid, so that low bits tell nothing.
-- Attack 19: noise is never the same noise.
\getenv abs_srcdir PG_ABS_SRCDIR
\set hospital :abs_srcdir '/sql/common/hospital.sql'
\set analyst regress_attack_18
\i :hospital
\set SHOW_CONTEXT never
SET SESSION AUTHORIZATION :analyst;
SET dp.epsilon = 1;
-- the grid of the first output, as EXPLAIN says it, as a power of 2
CREATE FUNCTION grid(query text) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE
	line text;
	g float8;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN ' || query LOOP
		IF line LIKE '%Output 1:%' THEN g := substring(line FROM 'grid ([0-9.e+-]+)')::float8; END IF;
	END LOOP;
	RETURN g;
END $$;
CREATE TABLE drawn (f float8);
CREATE FUNCTION on_grid(expression text, low float8, high float8, rounded boolean) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	query text := format('SELECT sum(dp.clamp(%s, %s, %s)) FROM visits', expression, low, high);
	g float8 := 2 ^ round(ln(grid(query)) / ln(2));
	wrong int := 0;
	f float8;
BEGIN
	IF rounded THEN g := greatest(g, 1); END IF;
	FOR i IN 1..10 LOOP
		EXECUTE query INTO f;
		IF f / g <> floor(f / g) THEN wrong := wrong + 1; END IF;
	END LOOP;
	RETURN CASE wrong WHEN 0 THEN 'on the grid' ELSE format('%s off the grid %s, as %s', wrong, g, f) END;
END $$;
SELECT on_grid('score', 0, 8, false) AS score, on_grid('score', -1e-6, 1e-6, false) AS narrow, on_grid('score', -1e9, 1e9, false) AS wide,
	on_grid('cost', 0, 100, true) AS cost, on_grid('cost', 0, 1, true) AS cost_small, on_grid('visit_id', -1000000000000, 1000000000000, true) AS id;
SELECT on_grid('score * 0.3 + 0.1', 0, 8, false) AS off_values, on_grid('score / 3', 0, 0.7, false) AS thirds;
-- counts are whole numbers, and of both parities
SELECT count(DISTINCT n % 2) AS parities FROM (SELECT dept, count(*) AS n FROM visits GROUP BY dept) s;
-- the grid depends on the price, not on rows
SELECT grid('SELECT sum(score) FROM visits') = grid('SELECT sum(score) FROM visits WHERE false') AS same;
RESET SESSION AUTHORIZATION;
UPDATE visits SET score = score + 1e-9;
SET SESSION AUTHORIZATION :analyst;
SELECT on_grid('score', 0, 8, false) AS score;

-- Two groups of equal content; two runs; two outputs of one query; after a fork
SELECT count(*) > 3 AS own_noise FROM (SELECT DISTINCT sum(0 * cost) FROM visits GROUP BY dept) s;
CREATE TABLE twice (a bigint, b bigint, c bigint);
DO $$ BEGIN FOR i IN 1..20 LOOP INSERT INTO twice SELECT sum(cost), sum(cost + 0), sum(dp.clamp(cost, 0, 99)) FROM visits; END LOOP; END $$;
SELECT count(DISTINCT a) > 15 AS fresh, count(DISTINCT a - b) > 15 AS own_of_another_column, count(DISTINCT a - c) > 15 AS own FROM twice;
\c -
SET SESSION AUTHORIZATION :analyst;
SET dp.epsilon = 1;
INSERT INTO twice SELECT sum(cost), 0, 0 FROM visits;
\c -
SET SESSION AUTHORIZATION :analyst;
SET dp.epsilon = 1;
INSERT INTO twice SELECT sum(cost), 0, 0 FROM visits;
\c -
SET SESSION AUTHORIZATION :analyst;
SET dp.epsilon = 1;
INSERT INTO twice SELECT sum(cost), 0, 0 FROM visits;
SELECT count(DISTINCT a) > 1 AS after_fork FROM twice WHERE b = 0;
-- in parallel plans
SET max_parallel_workers_per_gather = 4;
SET min_parallel_table_scan_size = 0;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET force_parallel_mode = on;
SELECT count(*) > 3 AS own_noise FROM (SELECT DISTINCT sum(0 * cost) FROM visits GROUP BY dept) s;
SELECT near(count(*), 3000, dp.stddev_of_noise(count(*))) FROM visits;

RESET SESSION AUTHORIZATION;
DROP OWNED BY :analyst CASCADE;
SELECT dp.revoke_analyst(:'analyst', 'hospital');
DROP ROLE :analyst;
