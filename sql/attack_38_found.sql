-- Holes that a fourth attack round found: each stays closed.
\getenv abs_srcdir PG_ABS_SRCDIR
\set hospital :abs_srcdir '/sql/common/hospital.sql'
\set analyst regress_attack_38
\i :hospital
\set SHOW_CONTEXT never
\set VERBOSITY terse
INSERT INTO visits SELECT 10000, 5, 1, 1, 1, 1, now(), repeat('n', 60000000), false;
SET SESSION AUTHORIZATION :analyst;
CREATE FUNCTION ask(query text) RETURNS text LANGUAGE plpgsql AS $$ DECLARE answer text; BEGIN EXECUTE query INTO answer; RETURN answer; END $$;
-- what a function's release reads, counted by the statement around it; pages of public relations that a release has read
EXPLAIN (ANALYZE, BUFFERS, COSTS off, TIMING off, SUMMARY off) SELECT ask('SELECT count(*) FROM patients WHERE patient_id = 17');
EXPLAIN (ANALYZE, WAL, COSTS off, TIMING off, SUMMARY off) SELECT ask('SELECT count(*) FROM patients WHERE patient_id = 17');
EXPLAIN (BUFFERS) SELECT * FROM dp.preview('SELECT count(*) FROM patients WHERE patient_id < 17');
EXPLAIN (BUFFERS) SELECT * FROM depts WHERE dept = 3;
SELECT ask('EXPLAIN (BUFFERS true) SELECT 1');
PREPARE one AS SELECT 1;
EXPLAIN (BUFFERS) EXECUTE one;
EXPLAIN (ANALYZE, BUFFERS off, COSTS off, TIMING off, SUMMARY off) SELECT 1;
-- settings that a function of the analyst's turns on while the planner computes it
CREATE FUNCTION print_plans() RETURNS int LANGUAGE plpgsql IMMUTABLE AS
	$$ BEGIN PERFORM set_config('debug_print_plan', 'on', false); RETURN 1; END $$;
SELECT print_plans(), count(*) FROM patients;
RESET debug_print_plan;
EXPLAIN SELECT print_plans(), count(*) FROM patients;
RESET debug_print_plan;
-- traces of what ends with the statement, when the analyst's functions have run
CREATE FUNCTION trace() RETURNS bigint LANGUAGE plpgsql AS
	$$ BEGIN PERFORM set_config('trace_sort', 'on', false), set_config('client_min_messages', 'log', false); RETURN 1; END $$;
SET enable_hashjoin = off;
SET enable_nestloop = off;
SELECT trace(), near(count(*), 12, dp.stddev_of_noise(count(*))) FROM visits v JOIN patients p USING (patient_id) WHERE p.county = 'county 1' AND v.cost = 17;
RESET trace_sort;
RESET client_min_messages;
SELECT trace(), near(count(*), 3000, dp.stddev_of_noise(count(*))) FROM visits WHERE dept NOT IN (SELECT a.dept FROM depts a JOIN tariffs b ON a.dept = b.dept WHERE a.name = '');
SHOW trace_sort;
RESET trace_sort;
RESET client_min_messages;
RESET enable_hashjoin;
RESET enable_nestloop;
-- expressions that are compiled, below a release too
SET jit_above_cost = 0;
EXPLAIN (COSTS off) SELECT count(*) FROM visits v JOIN patients p USING (patient_id) WHERE p.county = 'county 1';
RESET jit_above_cost;
-- a type that is dropped between plan and execution
CREATE TYPE mood AS ENUM ('low', 'high');
ALTER TYPE mood ADD VALUE 'middle' BEFORE 'high';
BEGIN;
DECLARE c CURSOR FOR SELECT count(*) FROM patients WHERE CASE WHEN patient_id = 17 THEN 'middle'::mood < CASE WHEN insured THEN 'low'::mood ELSE 'high'::mood END END;
ROLLBACK;
SELECT count(*) FROM patients WHERE CASE WHEN patient_id = 17 THEN 'middle'::mood ELSE 'low' END = ANY ('{low,high}'::mood[]);
SELECT count(*) FROM visits v JOIN (VALUES (1, 'low'::mood), (2, 'high')) m (dept, mood) USING (dept) WHERE mood = 'low';
SELECT count(*) FROM patients GROUP BY CASE WHEN patient_id = 17 THEN 'middle'::mood END;
-- an array that is put together when a row is met
SELECT near(count(*), 1, dp.stddev_of_noise(count(*))) FROM visits WHERE CASE WHEN patient_id = 5 AND visit_id >= 10000 THEN
	note = ANY (ARRAY[note, note, note, note, note, note, note, note, note, note, note, note, note, note, note, note, note, note, note, note]) END;
SELECT near(count(*), 500, dp.stddev_of_noise(count(*))) FROM patients WHERE county = ANY (ARRAY[sex, county, NULL]);
SELECT near(count(*), 0, dp.stddev_of_noise(count(*))) FROM patients WHERE county <> ALL (ARRAY[county, sex]);
SELECT near(count(*), 400, dp.stddev_of_noise(count(*))) FROM patients WHERE county <> ALL (ARRAY['county 1', substr(county, 1, 3)]);
RESET SESSION AUTHORIZATION;
SELECT bool_and(ok) FROM dp.verify();
SELECT dp.revoke_analyst(:'analyst', 'hospital');
DROP OWNED BY :analyst CASCADE;
DROP ROLE :analyst;
