-- Attack 1: an answer that is rolled back, in whatever way, stays charged.
\getenv abs_srcdir PG_ABS_SRCDIR
\set hospital :abs_srcdir '/sql/common/hospital.sql'
\set analyst regress_attack_01
\i :hospital
\set SHOW_CONTEXT never
SET SESSION AUTHORIZATION :analyst;
CREATE TABLE log (what text, entries bigint, quota numeric);
CREATE FUNCTION note(what text) RETURNS void LANGUAGE sql AS $$ INSERT INTO log VALUES (what, entries(), used()) $$;
SELECT note('start');
BEGIN;
SELECT count(*) > -1000 AS answered FROM visits;
ROLLBACK;
SELECT note('rollback');
BEGIN;
SAVEPOINT s;
SELECT count(*) > -1000 AS answered FROM visits;
ROLLBACK TO s;
SELECT count(*) > -1000 AS answered FROM visits;
RELEASE s;
COMMIT;
SELECT note('savepoint');
SELECT note('savepoint');
DO $$
BEGIN
	PERFORM count(*) FROM visits;
	RAISE EXCEPTION 'no';
EXCEPTION WHEN OTHERS THEN NULL;
END $$;
SELECT note('exception');
DO $$
BEGIN
	PERFORM count(*) FROM visits;
	RAISE EXCEPTION 'no';
END $$;
SELECT note('error');
-- above the answer, once it is there: an expression gives NULL, a table may refuse its row
SELECT (CASE WHEN count(*) IS NOT NULL THEN 'no date' END)::date FROM visits;
SELECT note('error above');
CREATE TEMP TABLE refuses (n bigint CHECK (n IS NULL));
\set VERBOSITY terse
INSERT INTO refuses SELECT count(*) FROM visits;
\set VERBOSITY default
SELECT note('error in the target');
BEGIN;
SELECT count(*) > -1000 AS answered FROM visits;
PREPARE TRANSACTION 'regress_attack_01';
SELECT note('prepared');
ROLLBACK PREPARED 'regress_attack_01';
SELECT note('rolled back prepared');
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SELECT count(*) > -1000 AS answered FROM visits;
ROLLBACK;
SELECT note('read only');
-- (a serializable transaction that may write is refused before it begins to read)
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT count(*) > -1000 AS answered FROM visits;
ROLLBACK;
SELECT note('refused');
BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE;
SELECT count(*) > -1000 AS answered FROM visits;
ROLLBACK;
SELECT note('serializable read only');
-- stopped by the clock while rows of the answer are fetched
SET statement_timeout = '300ms';
SELECT count(*), pg_sleep(5) FROM visits;
RESET statement_timeout;
SELECT note('timeout');
BEGIN;
DECLARE c CURSOR FOR SELECT dept, count(*) FROM visits GROUP BY dept;
MOVE 1 IN c;
ROLLBACK;
SELECT note('one row of a cursor');
CREATE FUNCTION commits() RETURNS void LANGUAGE sql AS 'SELECT';
CREATE PROCEDURE proc() LANGUAGE plpgsql AS $$ BEGIN PERFORM count(*) FROM visits; ROLLBACK; PERFORM count(*) FROM visits; COMMIT; END $$;
CALL proc();
SELECT note('procedure');
-- each step: releases charged, and the quota in answers
SELECT what, entries - lag(entries) OVER w AS releases, round((quota - lag(quota) OVER w) / (SELECT max(quota) - min(quota) FROM log) * (SELECT max(entries) - min(entries) FROM log)) AS quota
FROM (SELECT DISTINCT ON (what) * FROM log WHERE what IS NOT NULL ORDER BY what, entries) l WINDOW w AS (ORDER BY entries) ORDER BY entries, what;
RESET SESSION AUTHORIZATION;
SELECT count(*) = (SELECT count(*) FROM dp.releases) AS every_one_is_in_the_statement FROM dp.statement('hospital', 1);
SELECT check_name, ok FROM dp.verify() WHERE NOT ok;

RESET SESSION AUTHORIZATION;
DROP OWNED BY :analyst CASCADE;
SELECT dp.revoke_analyst(:'analyst', 'hospital');
DROP ROLE :analyst;
