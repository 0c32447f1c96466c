-- Holes that attack rounds found: each stays closed.
\getenv abs_srcdir PG_ABS_SRCDIR
\set hospital :abs_srcdir '/sql/common/hospital.sql'
\set analyst regress_attack_36
\i :hospital
\set SHOW_CONTEXT never
\set VERBOSITY terse
ALTER TABLE labs ENABLE ROW LEVEL SECURITY;
CREATE POLICY low ON labs USING (value < 25);
CREATE TYPE step AS ENUM ('a');
CREATE TABLE steps (e step);
INSERT INTO steps VALUES ('a');
SELECT dp.declare_public('steps');
GRANT SELECT ON steps TO PUBLIC;
SET SESSION AUTHORIZATION :analyst;
CREATE FUNCTION to_int(step) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RAISE NOTICE 'seen'; RETURN 1; END $$;
CREATE FUNCTION tell(bigint) RETURNS numeric LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'seen'; RETURN 1; END $$;
RESET SESSION AUTHORIZATION;
CREATE CAST (step AS int) WITH FUNCTION to_int(step) AS IMPLICIT;
SET SESSION AUTHORIZATION :analyst;
-- placeholders of the planner, written by hand: aggregates that nobody may call
SELECT dp._output(0) FROM (SELECT count(*) AS c FROM visits) s HAVING dp._release(c);
WITH r AS MATERIALIZED (SELECT count(*) AS c FROM visits) SELECT dp._output(0) FROM r HAVING dp._release('({CONST})'::text, c);
SELECT count(*) FROM visits HAVING dp._release(patient_id);
-- a conversion on the far side of IN
SELECT count(*) FROM visits WHERE dept IN (SELECT e FROM steps);
-- a function above a scalar subquery, which is looked at once a row is met
SELECT count(*) FROM visits WHERE CASE WHEN patient_id = 5 THEN cost > (SELECT tell(count(*)) FROM visits) END;
-- row security of a relation that reaches its owner by a path goes along
SELECT near(count(*), 1500, dp.stddev_of_noise(count(*))) FROM visits v JOIN labs l ON l.visit_id = v.visit_id;
SELECT near(count(*), 1500, dp.stddev_of_noise(count(*))) FROM labs;
-- collations of the analyst's, missing ones
CREATE COLLATION spy (provider = icu, locale = 'en');
SELECT count(*) FROM patients WHERE lower(county COLLATE spy) = county;
SELECT count(*) FROM patients WHERE greatest(county COLLATE "C", county COLLATE spy) = county;
-- the clock and time zones, POSIX ones too, near the ends of time
SET timezone = 'AAA167';
SELECT near(count(*), 0, dp.stddev_of_noise(count(*))) FROM visits WHERE (at::date + 106744580)::timestamp::timestamptz < at;
SELECT near(count(*), 0, dp.stddev_of_noise(count(*))) FROM visits WHERE date_trunc('month', (at::date + 106744580)::timestamptz) < at;
SELECT near(count(*), 0, dp.stddev_of_noise(count(*))) FROM visits WHERE at + interval '170000000 years' < at;
RESET timezone;
SELECT count(*) FROM visits WHERE dept = current_setting('spy.x')::int;
-- numbers that are too small or too long for the server's functions
SELECT near(count(*), 0, dp.stddev_of_noise(count(*))) FROM visits WHERE (paid * 1e-200 * 1e-200)::float8 < 0;
SELECT count(*) FROM visits WHERE width_bucket(score, -1e308::float8, 1e308::float8, 10) > 5;
-- the owner key of the nullable side counts owners that are there
SELECT near(count(DISTINCT v.patient_id), 50, dp.stddev_of_noise(count(DISTINCT v.patient_id)))
FROM patients p LEFT JOIN visits v ON v.patient_id = p.patient_id AND v.cost >= 90;
-- tables of the analyst's own, and ones that the analyst may change
CREATE TABLE own (dept int PRIMARY KEY);
SELECT count(*) FROM visits JOIN own USING (dept);
RESET SESSION AUTHORIZATION;
GRANT INSERT ON wings TO :analyst;
SET SESSION AUTHORIZATION :analyst;
SELECT count(*) FROM visits JOIN depts USING (dept) JOIN wings USING (wing);
SELECT count(*) FROM visits WHERE dept IN (SELECT dept FROM own);
-- public relations that multiply a row too often
SELECT count(*) FROM visits JOIN tariffs a USING (dept), depts b, depts c, depts d, depts e;
-- serializable transactions, read only or not
BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY; SELECT count(*) FROM visits; ROLLBACK;
-- a cancel while rows are read is charged
SELECT entries() AS before \gset
SET statement_timeout = '150ms';
SELECT count(*) FROM visits a JOIN visits b USING (patient_id) JOIN visits c USING (patient_id) JOIN visits d USING (patient_id) JOIN visits e USING (patient_id) JOIN visits f USING (patient_id);
RESET statement_timeout;
SELECT entries() - :before AS charged;
-- numbers of parameters above a release, which tell how rows are joined below it
SET enable_hashjoin = off;
SET enable_mergejoin = off;
EXPLAIN (COSTS off) SELECT (SELECT count(*) FROM visits v JOIN patients p USING (patient_id)) > (SELECT count(*) FROM patients) AS more;
RESET enable_hashjoin;
RESET enable_mergejoin;
SET enable_nestloop = off;
EXPLAIN (COSTS off) SELECT (SELECT count(*) FROM visits v JOIN patients p USING (patient_id)) > (SELECT count(*) FROM patients) AS more;
RESET enable_nestloop;
RESET SESSION AUTHORIZATION;
-- copies made after the relation was protected
CREATE MATERIALIZED VIEW copied AS SELECT patient_id, cost FROM visits;
CREATE FUNCTION lends() RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN RETURN (SELECT count(*) FROM copied); END $$;
SET SESSION AUTHORIZATION :analyst;
SELECT lends();
RESET SESSION AUTHORIZATION;
ALTER ROLE :analyst BYPASSRLS;
GRANT pg_monitor TO :analyst;
DROP OWNED BY :analyst CASCADE;
SELECT dp.revoke_analyst(:'analyst', 'hospital');
DROP ROLE :analyst;
