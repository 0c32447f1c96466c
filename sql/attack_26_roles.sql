-- Attack 26: what an analyst is besides, and what reaches protected rows past the
-- engine: roles, replication, publications, parameters. Denied, or named by the
-- doctor with the statement that closes it (rules 29, 30).
\getenv abs_srcdir PG_ABS_SRCDIR
\set hospital :abs_srcdir '/sql/common/hospital.sql'
\set analyst regress_attack_26
\i :hospital
\set SHOW_CONTEXT never
\set VERBOSITY terse
SET client_min_messages = error;
DROP ROLE IF EXISTS regress_attack_26_owner, regress_attack_26_group, regress_attack_26_other;
RESET client_min_messages;
CREATE ROLE regress_attack_26_owner;
CREATE ROLE regress_attack_26_group;
CREATE ROLE regress_attack_26_other;
GRANT CREATE ON SCHEMA public TO regress_attack_26_owner, regress_attack_26_other;
ALTER TABLE visits OWNER TO regress_attack_26_owner;
CREATE VIEW found AS SELECT severity, opening, leaks, reaches, statement FROM dp.doctor()
	WHERE opening !~ '^(pg_hba|timing|track_activities|database |.* is not in dp_monitor|ssl )' ORDER BY 1, 2, 4;
SELECT severity, opening, reaches, statement FROM found;

-- Roles: refused
GRANT pg_read_all_data TO :analyst;
GRANT pg_write_all_data TO :analyst;
GRANT pg_monitor TO :analyst;
GRANT pg_read_all_stats TO :analyst;
GRANT pg_stat_scan_tables TO :analyst;
GRANT pg_read_server_files TO :analyst;
GRANT pg_execute_server_program TO :analyst;
GRANT dp_monitor TO :analyst;
GRANT dp_auditor TO :analyst;
GRANT dp_steward TO dp_analyst;
GRANT postgres TO :analyst;
GRANT regress_attack_26_owner TO :analyst;
GRANT regress_attack_26_group TO :analyst;
GRANT dp_monitor TO regress_attack_26_group;
GRANT regress_attack_26_owner TO regress_attack_26_group;
GRANT SELECT ON visits TO regress_attack_26_group;
ALTER ROLE :analyst BYPASSRLS;
ALTER ROLE :analyst REPLICATION;
ALTER ROLE :analyst CREATEROLE;
CREATE ROLE regress_attack_26_new ROLE :analyst IN ROLE pg_read_all_data;
ALTER GROUP regress_attack_26_owner ADD USER :analyst;
-- Settings that are kept from ordinary roles
GRANT SET ON PARAMETER log_executor_stats TO :analyst;
GRANT SET ON PARAMETER session_preload_libraries TO regress_attack_26_group;
GRANT ALTER SYSTEM ON PARAMETER shared_preload_libraries TO PUBLIC;
-- pg_dump's statements, replication's
SET SESSION AUTHORIZATION :analyst;
COPY visits TO STDOUT;
BEGIN; LOCK TABLE visits IN ACCESS SHARE MODE; ROLLBACK;
SELECT pg_create_logical_replication_slot('regress_slot', 'test_decoding');
CREATE PUBLICATION regress_attack_26 FOR TABLE visits;
CREATE SUBSCRIPTION regress_attack_26 CONNECTION '' PUBLICATION x;
CREATE STATISTICS regress_attack_26 ON dept, cost FROM visits;
RESET SESSION AUTHORIZATION;
SELECT severity, opening, reaches, statement FROM found;

-- Allowed, and named
GRANT pg_signal_backend TO :analyst;
ALTER ROLE :analyst CREATEDB;
ALTER ROLE :analyst SET debug_print_plan = on;
CREATE PUBLICATION regress_attack_26 FOR TABLE visits, depts;
CREATE PUBLICATION regress_attack_26_all FOR ALL TABLES;
CREATE PUBLICATION regress_attack_26_schema FOR TABLES IN SCHEMA public;
SELECT severity, opening, leaks, reaches, statement FROM found;
-- each statement closes what it stands beside
SELECT statement FROM found
\gexec
SELECT severity, opening, reaches, statement FROM found;

-- What default privileges would give
SET ROLE regress_attack_26_owner;
ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE ON SEQUENCES TO regress_attack_26;
CREATE TABLE copied AS SELECT * FROM visits;
CREATE VIEW shown AS SELECT cost FROM visits;
CREATE TABLE more () INHERITS (visits);
CREATE MATERIALIZED VIEW kept AS SELECT cost FROM visits;
RESET ROLE;
SELECT severity, opening, leaks, reaches, statement FROM found;
SELECT statement FROM found
\gexec
SELECT severity, opening, reaches, statement FROM found;
DROP TABLE copied;

-- Functions with other rights, untrusted languages, servers
CREATE FUNCTION definer() RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN RETURN (SELECT count(*) FROM visits); END $$;
CREATE FUNCTION in_c() RETURNS int LANGUAGE internal AS 'pg_backend_pid';
CREATE FOREIGN DATA WRAPPER regress_attack_26;
CREATE SERVER regress_attack_26 FOREIGN DATA WRAPPER regress_attack_26;
CREATE FOREIGN TABLE far (x int) SERVER regress_attack_26;
GRANT SELECT ON far TO :analyst;
GRANT USAGE ON FOREIGN SERVER regress_attack_26 TO PUBLIC;
CREATE TABLE inbox (x int);
GRANT INSERT ON inbox TO :analyst;
CREATE RULE looks AS ON INSERT TO inbox DO ALSO SELECT cost FROM visits;
CREATE EXTENSION dblink;
SELECT severity, opening, leaks, reaches, statement FROM found WHERE opening !~ 'dblink.*(connect|open|fetch)';
SET SESSION AUTHORIZATION :analyst;
INSERT INTO inbox VALUES (1);
SELECT definer() > -1000 AS noisy;
RESET SESSION AUTHORIZATION;
SELECT statement FROM found
\gexec
SELECT severity, opening, reaches, statement FROM found;

-- The book
GRANT USAGE ON SCHEMA dp_book TO :analyst;
GRANT SELECT ON dp_book.entry TO PUBLIC;
SELECT severity, opening, leaks, reaches, statement FROM found;
SELECT statement FROM found
\gexec
SELECT severity, opening, reaches, statement FROM found;

-- Times, until each data set is padded
SELECT severity, opening, statement FROM dp.doctor() WHERE opening ~ '^timing';
SELECT dp.set_pad('hospital', '200 ms');
SELECT severity, opening, statement FROM dp.doctor() WHERE opening ~ '^timing';

-- Who may ask the doctor, and who may harden
SET SESSION AUTHORIZATION :analyst;
SELECT * FROM dp.doctor();
SELECT dp.harden();
RESET SESSION AUTHORIZATION;
GRANT dp_auditor TO regress_attack_26_other;
SET SESSION AUTHORIZATION regress_attack_26_other;
SELECT count(*) > 0 AS answered FROM dp.doctor();
SELECT count(*) AS shown FROM dp.harden();
SELECT dp.harden(apply => true);
SELECT dp.harden_undo(apply => true);
RESET SESSION AUTHORIZATION;

SET client_min_messages = error;
DROP FUNCTION definer, in_c;
DROP OWNED BY :analyst CASCADE;
SELECT dp.revoke_analyst(:'analyst', 'hospital');
ALTER TABLE visits OWNER TO CURRENT_USER;
DROP OWNED BY regress_attack_26_owner, regress_attack_26_group, regress_attack_26_other CASCADE;
DROP ROLE :analyst, regress_attack_26_owner, regress_attack_26_group, regress_attack_26_other;
