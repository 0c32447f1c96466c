-- Settings of a release: what can be set, what is an error; noise cannot be turned
-- off (attack 20).
\getenv abs_srcdir PG_ABS_SRCDIR
\set hospital :abs_srcdir '/sql/common/hospital.sql'
\set analyst regress_release_settings
\i :hospital
\set SHOW_CONTEXT never
SET SESSION AUTHORIZATION :analyst;

-- A price is finite and above 0
SET dp.epsilon = 0; \echo :SQLSTATE
SET dp.epsilon = -1;
SET dp.epsilon = 'NaN';
SET dp.epsilon = 'Infinity';
SET dp.epsilon = '-Infinity';
SET dp.epsilon = 1e20;
SET dp.epsilon = 1e400;
SET dp.epsilon = 1e-400;
SET dp.epsilon = 'much';
SET dp.epsilon = '';
SET dp.rho = 0;
SET dp.rho = 'NaN';
SET dp.rho = 1e20;
SET dp.delta = 0;
SET dp.delta = 1;
SET dp.delta = 'NaN';
SET dp.delta = -1e-9;
SELECT set_config('dp.epsilon', '0', false);
SELECT set_config('dp.epsilon', '1e20', true);
SET LOCAL dp.epsilon = 0;
SHOW dp.epsilon;
SHOW dp.rho;

-- Choices and unknown settings
SET dp.noise = none; \echo :SQLSTATE
SET dp.noise = off;
SET dp.groups = everything;
SET dp.nois = laplace; \echo :SQLSTATE
SET dp_test.noise = off;
SET dp.max_groups = 1000000; \echo :SQLSTATE
SET dp.key_file = '/dev/zero';
-- (in this build a setting of that name is a mere placeholder)
CREATE TABLE drawn (n bigint);
DO $$ BEGIN FOR i IN 1..5 LOOP INSERT INTO drawn SELECT sum(cost) FROM visits; END LOOP; END $$;
SELECT count(DISTINCT n) > 1 AS noisy FROM drawn;

-- Not through roles, databases or functions either
ALTER ROLE :analyst SET dp.epsilon = 0; \echo :SQLSTATE
ALTER ROLE :analyst SET dp.noise = none;
CREATE FUNCTION loud() RETURNS bigint LANGUAGE sql SET dp.epsilon = 1e20 AS 'SELECT count(*) FROM visits'; \echo :SQLSTATE
CREATE FUNCTION quiet() RETURNS bigint LANGUAGE sql SET dp.epsilon = 2 AS 'SELECT count(*) FROM visits';
SELECT near(quiet(), 3000, 1000);

-- Prices: too high for the role, too low to be counted, both kinds at once
SET dp.epsilon = 10.5;
SELECT count(*) FROM visits; \echo :SQLSTATE
SET dp.epsilon = 15.9;
SELECT count(*) FROM visits; \echo :SQLSTATE
SET dp.epsilon = 1e-12;
SELECT count(*) FROM visits; \echo :SQLSTATE
SET dp.epsilon = 5e-324;
SELECT count(*) FROM visits; \echo :SQLSTATE
SET dp.epsilon = 1;
SET dp.rho = 0.01;
SELECT count(*) FROM visits; \echo :SQLSTATE
RESET dp.epsilon;
SELECT near(count(*), 3000, dp.stddev_of_noise(count(*))) FROM visits;
SET dp.rho = 15.9;
SELECT count(*) FROM visits; \echo :SQLSTATE
RESET dp.rho;
SET dp.delta = 0.5;
SELECT note, count(*) FROM visits GROUP BY note; \echo :SQLSTATE
SELECT near(count(*), 3000, dp.stddev_of_noise(count(*))) FROM visits;
SET dp.delta = 1e-300;
SELECT note, count(*) FROM visits GROUP BY note; \echo :SQLSTATE
RESET dp.delta;

-- The smallest price that works, the widest bounds, the narrowest: never a raw value
SET dp.epsilon = 0.0001;
DELETE FROM drawn;
DO $$ BEGIN FOR i IN 1..5 LOOP INSERT INTO drawn SELECT count(*) FROM visits; END LOOP; END $$;
SELECT count(DISTINCT n) > 1 AS noisy, bool_or(abs(n - 3000) > 100) AS very FROM drawn;
SET dp.epsilon = 9.9;
DELETE FROM drawn;
DO $$ BEGIN FOR i IN 1..40 LOOP INSERT INTO drawn SELECT count(*) FROM patients; END LOOP; END $$;
SELECT count(DISTINCT n) > 1 AS noisy FROM drawn;
RESET dp.epsilon;
SELECT sum(dp.clamp(cost, 5, 5)) IS NOT NULL AS no_width, sum(dp.clamp(cost, 0, 0)) IS NOT NULL AS no_value FROM visits;
SELECT sum(dp.clamp(score, 0, 1e-300)) IS NOT NULL AS tiny, sum(dp.clamp(score, 0, 5e-324)) IS NOT NULL AS tiniest, sum(dp.clamp(score, -1e300, 1e300)) IS NOT NULL AS huge FROM visits;
SELECT sum(dp.clamp(visit_id, -9223372036854775807, 9223372036854775807)) IS NOT NULL AS widest FROM visits; \echo :SQLSTATE
SELECT avg(dp.clamp(visit_id, -900000000000000000, 900000000000000000)) IS NOT NULL AS wide FROM visits; \echo :SQLSTATE

-- Laplace and Gaussian by choice
SET dp.rho = 0.01;
SET dp.noise = laplace;
EXPLAIN (COSTS off) SELECT count(*) FROM patients;
SET dp.noise = gaussian;
EXPLAIN (COSTS off) SELECT count(*) FROM patients;
RESET dp.noise;
RESET dp.rho;

-- A setting that changes between plan and execution: that of the execution holds
PREPARE p AS SELECT dp.stddev_of_noise(count(*)) FROM visits;
CREATE TABLE stddevs (epsilon float8, s float8);
DO $$
DECLARE
	s float8;
BEGIN
	FOREACH s IN ARRAY '{0.1,0.2,0.5,1,2,5,1,0.1}'::float8[] LOOP
		PERFORM set_config('dp.epsilon', s::text, false);
		INSERT INTO stddevs SELECT s, dp.stddev_of_noise(count(*)) FROM visits;
	END LOOP;
END $$;
SELECT epsilon, count(DISTINCT s), min(s) < lag(min(s)) OVER (ORDER BY epsilon) AS less FROM stddevs GROUP BY epsilon ORDER BY epsilon;
RESET dp.epsilon;
-- in the middle of a cursor: that of its first fetch
BEGIN;
SET LOCAL dp.epsilon = 1;
DECLARE c CURSOR FOR SELECT round(dp.stddev_of_noise(count(*))) FROM visits GROUP BY dept;
SET LOCAL dp.epsilon = 0.1;
FETCH 1 FROM c;
SET LOCAL dp.epsilon = 1;
FETCH 1 FROM c;
COMMIT;

RESET SESSION AUTHORIZATION;
DROP OWNED BY :analyst CASCADE;
SELECT dp.revoke_analyst(:'analyst', 'hospital');
DROP ROLE :analyst;
