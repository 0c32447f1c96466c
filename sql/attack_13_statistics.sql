-- Attack 13: what the server counts, in catalogues, views and functions, before
-- and after a release (rule 31). Refused until hardened, closed afterwards.
\getenv abs_srcdir PG_ABS_SRCDIR
\set hospital :abs_srcdir '/sql/common/hospital.sql'
\set analyst regress_attack_13
\i :hospital
\set SHOW_CONTEXT never
\set VERBOSITY sqlstate
ANALYZE visits, depts;
CREATE SEQUENCE numbers;

-- Every way to read a counter, by its SQLSTATE; "answered" where it has an answer
CREATE FUNCTION ask(question text) RETURNS text LANGUAGE plpgsql AS
	$$ BEGIN EXECUTE question; RETURN 'answered'; EXCEPTION WHEN OTHERS THEN RETURN SQLSTATE; END $$;
CREATE TABLE questions (n int PRIMARY KEY GENERATED ALWAYS AS IDENTITY, question text);
INSERT INTO questions (question) VALUES
	('SELECT pg_current_wal_lsn()'), ('SELECT pg_current_wal_insert_lsn()'), ('SELECT pg_current_wal_flush_lsn()'),
	('SELECT pg_last_wal_replay_lsn()'), ('SELECT * FROM pg_control_checkpoint()'), ('SELECT * FROM pg_replication_slots'),
	('SELECT * FROM pg_stat_wal'), ('SELECT * FROM pg_stat_database'), ('SELECT * FROM pg_stat_bgwriter'), ('SELECT * FROM pg_stat_slru'),
	('SELECT * FROM pg_stat_archiver'), ('SELECT * FROM pg_stat_xact_all_tables'), ('SELECT * FROM pg_stat_xact_user_tables'),
	('SELECT pg_stat_get_xact_tuples_fetched(''visits''::regclass)'), ('SELECT pg_stat_get_xact_numscans(''visits''::regclass)'),
	('SELECT * FROM pg_stat_all_tables'), ('SELECT * FROM pg_stat_user_tables'), ('SELECT * FROM pg_stat_all_indexes'),
	('SELECT * FROM pg_statio_all_tables'), ('SELECT * FROM pg_statio_user_indexes'), ('SELECT * FROM pg_stat_user_functions'),
	('SELECT pg_stat_get_live_tuples(''visits''::regclass)'), ('SELECT pg_stat_get_tuples_returned(''depts''::regclass)'),
	('SELECT * FROM pg_stat_activity'), ('SELECT * FROM pg_stat_get_activity(NULL)'), ('SELECT * FROM pg_stat_progress_analyze'), ('SELECT * FROM pg_locks'),
	('SELECT * FROM pg_stat_replication'), ('SELECT * FROM pg_stat_ssl'),
	('SELECT * FROM pg_sequences'), ('SELECT * FROM pg_stats'), ('SELECT * FROM pg_stats_ext'), ('SELECT * FROM pg_stats_ext_exprs'),
	('SELECT * FROM pg_statistic'), ('SELECT * FROM pg_statistic_ext_data'),
	('SELECT * FROM pg_ls_waldir()'), ('SELECT * FROM pg_ls_tmpdir()'), ('SELECT * FROM pg_ls_dir(''base'')'), ('SELECT * FROM pg_stat_file(''PG_VERSION'')'),
	('SELECT * FROM pg_backend_memory_contexts'), ('SELECT * FROM pg_shmem_allocations'),
	('SELECT c FROM pg_class c'), ('SELECT to_json(c) FROM pg_class c'), ('CHECKPOINT');

-- Not hardened: releases are refused whatever settings say, and the counters of
-- the server are refused to analysts all the same
SELECT count(*) > 0 AS undone FROM dp.harden_undo(apply => true);
SELECT count(*) FILTER (WHERE severity = 'open') > 5 AS open FROM dp.doctor();
SET SESSION AUTHORIZATION :analyst;
SELECT count(*) FROM visits;
SELECT * FROM dp.preview('SELECT count(*) FROM visits');
EXPLAIN (COSTS OFF) SELECT count(*) FROM visits;
SELECT ask(question), question FROM questions WHERE n <= 15 OR question ~ 'activity|locks' ORDER BY n;
RESET SESSION AUTHORIZATION;
GRANT SELECT ON questions TO :analyst;
SET SESSION AUTHORIZATION :analyst;
SELECT ask(question), question FROM questions WHERE n <= 15 OR question ~ 'activity|locks' ORDER BY n;
SELECT count(*) > 0 AS not_protected FROM depts;
RESET SESSION AUTHORIZATION;

-- One function is enough, also by a role that the analyst may take
SELECT count(*) > 0 AS hardened FROM dp.harden(apply => true);
SELECT count(*) FILTER (WHERE opening ~ '^pg_(class|s|\*|ls)|^write') AS still_open FROM dp.doctor();
SET client_min_messages = error;
DROP ROLE IF EXISTS regress_attack_13_monitor;
RESET client_min_messages;
CREATE ROLE regress_attack_13_monitor;
GRANT EXECUTE ON FUNCTION pg_current_wal_lsn() TO regress_attack_13_monitor;
SET SESSION AUTHORIZATION :analyst;
SELECT near(count(*), 3000, dp.stddev_of_noise(count(*))) FROM visits;
PREPARE visits_now AS SELECT count(*) > -1000 AS answered FROM visits;
EXECUTE visits_now;
RESET SESSION AUTHORIZATION;
GRANT regress_attack_13_monitor TO :analyst;
ALTER ROLE :analyst NOINHERIT;
SELECT severity, opening, reaches, statement FROM dp.doctor() WHERE reaches ~ 'attack_13' ORDER BY 2;
SET SESSION AUTHORIZATION :analyst;
SELECT count(*) FROM visits;
EXECUTE visits_now;
SET ROLE regress_attack_13_monitor;
SELECT pg_current_wal_lsn();
RESET ROLE;
RESET SESSION AUTHORIZATION;
REVOKE regress_attack_13_monitor FROM :analyst;
SET SESSION AUTHORIZATION :analyst;
EXECUTE visits_now;
-- a cursor opened while it was closed
BEGIN;
DECLARE c CURSOR FOR SELECT count(*) > -1000 AS answered FROM visits;
RESET SESSION AUTHORIZATION;
GRANT EXECUTE ON FUNCTION pg_stat_get_xact_tuples_fetched(oid) TO PUBLIC;
SET SESSION AUTHORIZATION :analyst;
FETCH c;
ROLLBACK;
EXECUTE visits_now;
RESET SESSION AUTHORIZATION;

-- Closed, with what has been read of protected rows in the same transaction
SET SESSION AUTHORIZATION :analyst;
BEGIN;
EXECUTE visits_now;
SELECT ask(question), question FROM questions ORDER BY n;
COMMIT;
-- Lent by somebody else's function, or called without a statement
RESET SESSION AUTHORIZATION;
CREATE FUNCTION lent() RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN RETURN pg_stat_get_xact_tuples_fetched('visits'::regclass); END $$;
CREATE FUNCTION lent_sql() RETURNS pg_lsn LANGUAGE sql SECURITY DEFINER AS 'SELECT pg_current_wal_lsn()';
SELECT severity, opening FROM dp.doctor() WHERE opening ~ 'lent' ORDER BY 2;
SET SESSION AUTHORIZATION :analyst;
SELECT lent();
SELECT lent_sql();
SELECT * FROM lent_sql();
CREATE FUNCTION pg_temp.own(OUT n float8) LANGUAGE sql AS 'SELECT pg_stat_get_db_tuples_fetched(5)';
SELECT pg_temp.own();
-- Sizes and row counts are not known, whatever form they are asked in
SELECT pg_relation_size('visits'), pg_relation_size('visits', 'fsm'), pg_table_size('visits'), pg_indexes_size('visits'),
	pg_total_relation_size('visits'), pg_database_size(current_database()), pg_tablespace_size('pg_default');
SELECT relname, relpages, reltuples, relallvisible FROM pg_class WHERE relname IN ('visits', 'depts') ORDER BY 1;
SELECT relname FROM pg_class WHERE relname = 'visits' AND (reltuples > 0 OR relpages > 0 OR reltuples <= 0);
SELECT max(c.reltuples), count(*) > 100 AS many FROM pg_class c;
SELECT (SELECT c.relpages FROM pg_class c WHERE c.oid = a.attrelid) AS pages FROM pg_attribute a WHERE a.attrelid = 'visits'::regclass AND a.attnum = 1;
SELECT a.relname, b.reltuples FROM pg_class a LEFT JOIN pg_class b USING (oid) WHERE a.relname = 'visits';
WITH c AS (SELECT * FROM pg_class) SELECT relname, reltuples, relpages FROM c WHERE relname = 'visits';
SELECT relname FROM pg_class WHERE relname = 'visits' ORDER BY reltuples;
SELECT pg_size_pretty(pg_table_size(oid)) AS size FROM pg_class WHERE relname = 'visits';
CREATE VIEW sizes AS SELECT relname, reltuples FROM pg_class;
SELECT * FROM sizes WHERE relname = 'visits';
PREPARE pages AS SELECT relpages FROM pg_class WHERE relname = 'visits';
EXECUTE pages;
RESET SESSION AUTHORIZATION;
SELECT relname, relpages > 0 AS pages, reltuples > 0 AS tuples FROM pg_class WHERE relname IN ('visits', 'depts') ORDER BY 1;
EXECUTE pages \g /dev/null
SELECT pg_table_size('visits') > 0 AS known;

-- Statistics of extensions, with more than the analyst's own database to see
SET client_min_messages = error;
CREATE EXTENSION pgstattuple;
CREATE EXTENSION pageinspect;
CREATE EXTENSION pg_buffercache;
RESET client_min_messages;
GRANT EXECUTE ON FUNCTION pgstattuple(regclass), get_raw_page(text, bigint) TO PUBLIC;
GRANT SELECT ON pg_buffercache TO PUBLIC;
GRANT EXECUTE ON FUNCTION pg_buffercache_pages() TO PUBLIC;
SELECT severity, opening, reaches, left(statement, 60) AS statement FROM dp.doctor() WHERE opening ~ 'extension' ORDER BY 2, 1;
SET SESSION AUTHORIZATION :analyst;
SELECT ask(q), q FROM (VALUES ('SELECT * FROM pgstattuple(''visits''::regclass)'), ('SELECT get_raw_page(''visits'', 0)'), ('SELECT count(*) FROM pg_buffercache')) v(q);
RESET SESSION AUTHORIZATION;
SELECT left(statement, 60) AS statement FROM dp.harden() statement;
SELECT count(*) > 0 AS hardened FROM dp.harden(apply => true);
SELECT severity, opening FROM dp.doctor() WHERE opening ~ 'extension' ORDER BY 2, 1;

REVOKE EXECUTE ON FUNCTION pg_current_wal_lsn() FROM regress_attack_13_monitor;
DROP OWNED BY :analyst CASCADE;
SELECT dp.revoke_analyst(:'analyst', 'hospital');
DROP ROLE :analyst, regress_attack_13_monitor;
