-- Attack 12: side effects beside protected rows; setseed changes no noise.
\getenv abs_srcdir PG_ABS_SRCDIR
\set hospital :abs_srcdir '/sql/common/hospital.sql'
\set analyst regress_attack_12
\i :hospital
\set SHOW_CONTEXT never
CREATE SEQUENCE counter;
GRANT ALL ON SEQUENCE counter TO :analyst;
SET SESSION AUTHORIZATION :analyst;
SELECT count(*) FROM visits WHERE pg_sleep(0.001) IS NOT NULL; \echo :SQLSTATE
SELECT count(*) FROM visits WHERE nextval('counter') > 0; \echo :SQLSTATE
SELECT count(*) FROM visits WHERE cost > 50 AND set_config('my.x', cost::text, false) <> ''; \echo :SQLSTATE
SELECT count(*) FROM visits WHERE pg_notify('x', note) IS NULL; \echo :SQLSTATE
SELECT count(*) FROM visits WHERE pg_advisory_lock(cost) IS NULL; \echo :SQLSTATE
SELECT count(*) FROM visits WHERE pg_try_advisory_lock(cost); \echo :SQLSTATE
SELECT count(*) FROM visits WHERE lo_create(cost::oid) > 0; \echo :SQLSTATE
SELECT count(*) FROM visits WHERE random() < 0.5; \echo :SQLSTATE
SELECT count(*) FROM visits WHERE clock_timestamp() > at; \echo :SQLSTATE
SELECT count(*) FROM visits WHERE pg_backend_pid() > cost; \echo :SQLSTATE
SELECT count(*) FROM visits WHERE setseed(0.5) IS NULL; \echo :SQLSTATE
SELECT sum(nextval('counter')) FROM visits; \echo :SQLSTATE
SELECT count(*) FROM visits GROUP BY gen_random_uuid(); \echo :SQLSTATE
SELECT count(*) FROM visits WHERE pg_ls_dir('.') = note; \echo :SQLSTATE
SELECT count(*) FROM visits WHERE query_to_xml(note, true, true, '') IS NULL; \echo :SQLSTATE
SELECT count(*) FROM visits WHERE current_setting(note) IS NULL; \echo :SQLSTATE
SELECT count(*) FROM visits WHERE txid_current() > cost; \echo :SQLSTATE
SELECT count(*) FROM visits JOIN (SELECT pg_sleep(0.001), dept FROM depts) d USING (dept); \echo :SQLSTATE
SELECT count(*) FROM visits WHERE dept IN (SELECT nextval('counter') FROM depts); \echo :SQLSTATE
-- constants of the statement are fine
SELECT near(count(*), 3000, dp.stddev_of_noise(count(*))) FROM visits WHERE at < now() AND at < current_date AND at < localtimestamp;
-- above the answer as well
SELECT nextval('counter') AS once, near(count(*), 3000, dp.stddev_of_noise(count(*))) FROM visits;
SELECT currval('counter') AS evaluated_once;

-- The seed of random() is not that of the noise
CREATE TABLE drawn (seed float8, n bigint, r float8);
DO $$
BEGIN
	FOR i IN 1..4 LOOP
		PERFORM setseed(0.5);
		INSERT INTO drawn SELECT 0.5, sum(cost), random() FROM visits;
	END LOOP;
END $$;
SELECT count(DISTINCT r) AS random, count(DISTINCT n) > 1 AS noise_differs FROM drawn;

RESET SESSION AUTHORIZATION;
DROP OWNED BY :analyst CASCADE;
SELECT dp.revoke_analyst(:'analyst', 'hospital');
DROP ROLE :analyst;
