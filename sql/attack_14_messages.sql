-- Attack 14: what the server says of a plan. EXPLAIN is in release_explain.
\getenv abs_srcdir PG_ABS_SRCDIR
\set hospital :abs_srcdir '/sql/common/hospital.sql'
\set analyst regress_attack_14
\i :hospital
\set SHOW_CONTEXT never
SET client_min_messages = error;
DROP ROLE IF EXISTS regress_attack_14_other;
RESET client_min_messages;
CREATE ROLE regress_attack_14_other;
SET SESSION AUTHORIZATION :analyst;
-- messages of the server
SET client_min_messages = log;
SET debug_print_plan = on;
SELECT count(*) FROM visits; \echo :SQLSTATE
SET debug_print_plan = off;
EXPLAIN SELECT count(*) FROM visits; \echo :SQLSTATE
SELECT * FROM dp.preview('SELECT count(*) FROM visits'); \echo :SQLSTATE
SET trace_sort = on;
SELECT dept, count(*) FROM visits GROUP BY dept ORDER BY 2; \echo :SQLSTATE
RESET client_min_messages;
-- in the log neither
SELECT count(*) FROM visits; \echo :SQLSTATE
RESET trace_sort;
SET debug_print_plan = on;
SELECT count(*) FROM visits; \echo :SQLSTATE
SELECT count(*) FROM depts;
RESET debug_print_plan;
SELECT near(count(*), 3000, dp.stddev_of_noise(count(*))) FROM visits;
SET log_executor_stats = on; \echo :SQLSTATE
SET log_planner_stats = on;
SET log_statement_stats = on;
-- between plan and execution
PREPARE p AS SELECT near(count(*), 3000, dp.stddev_of_noise(count(*))) FROM visits;
EXECUTE p;
SET client_min_messages = log;
EXECUTE p; \echo :SQLSTATE
RESET client_min_messages;
SELECT set_config('client_min_messages', 'log', false) = 'log' AS too_late, near(count(*), 3000, dp.stddev_of_noise(count(*))) FROM visits;
RESET client_min_messages;
-- between the opening of a cursor and its first row
BEGIN;
DECLARE c CURSOR FOR SELECT count(*) FROM visits;
SET client_min_messages = log;
FETCH 1 FROM c; \echo :SQLSTATE
ROLLBACK;
-- serializable transactions fail by what others wrote
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT count(*) FROM visits; \echo :SQLSTATE
ROLLBACK;
BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY;
SELECT near(count(*), 3000, dp.stddev_of_noise(count(*))) FROM visits;
ROLLBACK;

-- A plan does not cross roles
RESET SESSION AUTHORIZATION;
PREPARE q AS SELECT count(*) FROM visits;
EXECUTE q;
PREPARE r AS SELECT * FROM visits WHERE visit_id = 1;
EXECUTE r;
SET ROLE :analyst;
SELECT count(*) FROM (SELECT 1) s;
EXECUTE r; \echo :SQLSTATE
EXPLAIN (COSTS off) EXECUTE q;
SET SESSION AUTHORIZATION :analyst;
EXECUTE r; \echo :SQLSTATE
RESET SESSION AUTHORIZATION;
RESET ROLE;
EXECUTE q;
SET SESSION AUTHORIZATION :analyst;
PREPARE s AS SELECT near(count(*), 3000, 1000) FROM visits;
EXECUTE s;
SET SESSION AUTHORIZATION regress_attack_14_other;
EXECUTE s; \echo :SQLSTATE
RESET SESSION AUTHORIZATION;
EXECUTE s;
DEALLOCATE ALL;
-- with a generic plan too
SET plan_cache_mode = force_generic_plan;
PREPARE r AS SELECT count(*), max(cost) FROM visits;
EXECUTE r;
SET SESSION AUTHORIZATION :analyst;
EXECUTE r; \echo :SQLSTATE
RESET SESSION AUTHORIZATION;
DROP ROLE regress_attack_14_other;

RESET SESSION AUTHORIZATION;
DROP OWNED BY :analyst CASCADE;
SELECT dp.revoke_analyst(:'analyst', 'hospital');
DROP ROLE :analyst;
