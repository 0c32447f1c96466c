-- Attack 10: every statement that could hand an analyst a right on protected rows,
-- or put code of an analyst's beside them, is undone (rules 29, 30).
\getenv abs_srcdir PG_ABS_SRCDIR
\set hospital :abs_srcdir '/sql/common/hospital.sql'
\set analyst regress_attack_doors
\i :hospital
\set SHOW_CONTEXT never
\set VERBOSITY terse
SET client_min_messages = error;
DROP ROLE IF EXISTS regress_doors_owner, regress_doors_group, regress_doors_later;
RESET client_min_messages;
CREATE ROLE regress_doors_owner;
CREATE ROLE regress_doors_group;
CREATE SCHEMA clinic AUTHORIZATION regress_doors_owner;
GRANT USAGE, CREATE ON SCHEMA clinic TO :analyst;
GRANT regress_doors_group TO :analyst;
ALTER TABLE patients OWNER TO regress_doors_owner;
ALTER TABLE visits OWNER TO regress_doors_owner;
GRANT USAGE, CREATE ON SCHEMA public TO regress_doors_owner;
-- the analyst's own
SET SESSION AUTHORIZATION :analyst;
CREATE TABLE clinic.mine (patient_id int PRIMARY KEY);
CREATE FUNCTION clinic.tell() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO clinic.mine VALUES (NEW.patient_id); RETURN NEW; END $$;
CREATE FUNCTION clinic.tell_int(int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN true; END $$;
CREATE FUNCTION clinic.give() RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION clinic.on_ddl() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$;
CREATE DOMAIN clinic.level AS int;
CREATE TYPE clinic.pair AS (a int, b int);
CREATE TYPE clinic.colour AS ENUM ('red');
CREATE SEQUENCE clinic.counter;
GRANT ALL ON SEQUENCE clinic.counter TO PUBLIC;
GRANT ALL ON clinic.mine TO PUBLIC;
GRANT USAGE ON TYPE clinic.level, clinic.colour TO PUBLIC;
RESET SESSION AUTHORIZATION;

SET ROLE regress_doors_owner;
-- Rights, in every form
GRANT SELECT ON visits TO :analyst;
GRANT SELECT ON visits TO dp_analyst;
GRANT SELECT ON visits TO regress_doors_group;
GRANT SELECT (cost) ON visits TO :analyst;
GRANT INSERT (cost) ON visits TO PUBLIC;
GRANT REFERENCES ON visits TO :analyst;
GRANT REFERENCES (patient_id) ON patients TO :analyst;
GRANT TRIGGER ON visits TO :analyst;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO :analyst;
GRANT ALL ON ALL TABLES IN SCHEMA public TO PUBLIC;
RESET ROLE;
GRANT regress_doors_owner TO :analyst;
GRANT regress_doors_owner TO regress_doors_group;
ALTER TABLE visits OWNER TO :analyst;
ALTER TABLE visits OWNER TO regress_doors_group;
REASSIGN OWNED BY regress_doors_owner TO :analyst;
ALTER ROLE regress_doors_owner RENAME TO regress_doors_renamed;
ALTER ROLE regress_doors_renamed RENAME TO regress_doors_owner;
-- the owner of the database is a member of pg_database_owner
GRANT SELECT ON visits TO pg_database_owner;
SELECT current_database() AS database \gset
ALTER DATABASE :"database" OWNER TO :analyst;
REVOKE ALL ON visits FROM pg_database_owner;
-- Default privileges show in what they make
SET ROLE regress_doors_owner;
ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO :analyst;
CREATE TABLE part () INHERITS (visits);
CREATE VIEW shown AS SELECT cost FROM visits;
CREATE VIEW shown WITH (security_invoker) AS SELECT cost FROM visits;
ALTER VIEW shown SET (security_invoker = false);
ALTER VIEW shown RESET (security_invoker);
CREATE OR REPLACE VIEW shown AS SELECT cost FROM visits;
DROP VIEW shown;
CREATE MATERIALIZED VIEW kept AS SELECT cost FROM visits;
ALTER DEFAULT PRIVILEGES REVOKE SELECT ON TABLES FROM :analyst;
-- Parents and parts
CREATE TABLE parent (patient_id bigint, cost int);
GRANT SELECT ON parent TO :analyst;
ALTER TABLE visits INHERIT parent;
REVOKE ALL ON parent FROM :analyst;
ALTER TABLE visits INHERIT parent;
GRANT SELECT ON parent TO :analyst;
GRANT SELECT (cost) ON parent TO PUBLIC;
ALTER TABLE visits NO INHERIT parent;
DROP TABLE parent;
CREATE TABLE child (LIKE visits INCLUDING ALL);
GRANT SELECT ON child TO :analyst;
ALTER TABLE child INHERIT visits;
-- Code beside rows, as others write them
CREATE TRIGGER tells AFTER INSERT ON visits FOR EACH ROW EXECUTE FUNCTION clinic.tell();
CREATE INDEX ON visits (cost) WHERE clinic.tell_int(cost);
CREATE INDEX ON visits ((clinic.tell_int(cost)));
ALTER TABLE visits ADD CHECK (clinic.tell_int(cost));
ALTER TABLE visits ALTER cost SET DEFAULT clinic.give();
ALTER TABLE visits ADD COLUMN more int DEFAULT clinic.give();
ALTER TABLE visits ADD COLUMN more boolean GENERATED ALWAYS AS (clinic.tell_int(cost)) STORED;
ALTER TABLE visits ENABLE ROW LEVEL SECURITY;
CREATE POLICY tells ON visits USING (clinic.tell_int(cost));
CREATE POLICY quiet ON visits USING (true);
ALTER POLICY quiet ON visits USING (clinic.tell_int(cost));
DROP POLICY quiet ON visits;
ALTER TABLE visits DISABLE ROW LEVEL SECURITY;
RESET ROLE;
CREATE EVENT TRIGGER regress_doors ON ddl_command_end EXECUTE FUNCTION clinic.on_ddl();
CREATE FUNCTION clinic.fine() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER fine BEFORE INSERT ON visits FOR EACH ROW EXECUTE FUNCTION clinic.fine();
ALTER FUNCTION clinic.fine() OWNER TO :analyst;
ALTER FUNCTION clinic.fine() OWNER TO regress_doors_group;
DROP TRIGGER fine ON visits;
SET ROLE regress_doors_owner;
-- Types: who owns a domain tries a constraint on all rows
ALTER TABLE visits ADD COLUMN level clinic.level;
ALTER TABLE visits ADD COLUMN levels clinic.level[];
ALTER TABLE visits ALTER cost TYPE clinic.level;
ALTER TABLE visits ADD COLUMN colour clinic.colour;
-- Sequences that count rows
ALTER TABLE visits ALTER visit_id SET DEFAULT nextval('clinic.counter');
-- Foreign keys, either way
ALTER TABLE patients ADD FOREIGN KEY (patient_id) REFERENCES clinic.mine;
CREATE TABLE asks (patient_id int REFERENCES patients);
GRANT INSERT ON asks TO :analyst;
DROP TABLE asks;
CREATE TABLE asks (patient_id int);
GRANT INSERT ON asks TO :analyst;
ALTER TABLE asks ADD FOREIGN KEY (patient_id) REFERENCES patients;
DROP TABLE asks;
ALTER DEFAULT PRIVILEGES GRANT INSERT ON TABLES TO :analyst;
CREATE TABLE asks (patient_id int REFERENCES patients);
ALTER DEFAULT PRIVILEGES REVOKE INSERT ON TABLES FROM :analyst;
RESET ROLE;
SET SESSION AUTHORIZATION :analyst;
ALTER TABLE clinic.mine ADD FOREIGN KEY (patient_id) REFERENCES patients;
CREATE TABLE clinic.probe (patient_id int REFERENCES patients);
CREATE TRIGGER own AFTER INSERT ON visits FOR EACH ROW EXECUTE FUNCTION clinic.tell();
CREATE RULE own AS ON INSERT TO visits DO ALSO INSERT INTO clinic.mine VALUES (NEW.patient_id);
CREATE POLICY own ON visits USING (true);
CREATE STATISTICS clinic.own ON dept, cost FROM visits;
CREATE INDEX ON visits (cost);
COMMENT ON TABLE visits IS 'x';
ALTER TABLE clinic.mine INHERIT visits;
CREATE TABLE clinic.heir () INHERITS (visits);
CREATE TABLE clinic.like_it (LIKE visits INCLUDING ALL);
RESET SESSION AUTHORIZATION;

-- Protecting a table finds what is there already
SET ROLE regress_doors_owner;
CREATE TABLE stays (stay_id int PRIMARY KEY, owner int, days clinic.level);
CREATE TABLE calls (call_id int PRIMARY KEY, owner int);
CREATE TRIGGER tells AFTER INSERT ON calls FOR EACH ROW EXECUTE FUNCTION clinic.tell();
CREATE TABLE linked (link_id int PRIMARY KEY REFERENCES clinic.mine, owner int);
RESET ROLE;
SELECT dp.protect('stays', 'hospital', 'owner');
SELECT dp.protect('calls', 'hospital', 'owner');
SELECT dp.protect('linked', 'hospital', 'owner');
-- An analyst comes who owns such things
CREATE ROLE regress_doors_later;
ALTER FUNCTION clinic.fine() OWNER TO regress_doors_later;
CREATE TRIGGER fine BEFORE INSERT ON visits FOR EACH ROW EXECUTE FUNCTION clinic.fine();
SELECT dp.grant_analyst('regress_doors_later', 'hospital', 1);
GRANT dp_analyst TO regress_doors_later;
SELECT severity, opening, reaches, statement FROM dp.doctor() WHERE opening ~ 'visits|patients' ORDER BY 2;

-- Nothing is left
SELECT bool_or(has_table_privilege(:'analyst', t, p)) AS any_right, bool_or(has_any_column_privilege(:'analyst', t, 'SELECT, INSERT, REFERENCES')) AS any_column
FROM unnest('{patients,visits,labs}'::regclass[]) t, unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}'::text[]) p;
SELECT count(*) FROM pg_trigger WHERE tgrelid = 'visits'::regclass AND NOT tgisinternal AND tgname <> 'fine';
SET client_min_messages = error;
DROP TRIGGER fine ON visits;
DROP TABLE calls, stays, linked, child;
DROP OWNED BY :analyst CASCADE;
SELECT dp.revoke_analyst(:'analyst', 'hospital');
ALTER TABLE visits OWNER TO CURRENT_USER;
ALTER TABLE patients OWNER TO CURRENT_USER;
DROP OWNED BY regress_doors_owner, regress_doors_group, regress_doors_later CASCADE;
DROP ROLE :analyst, regress_doors_owner, regress_doors_group, regress_doors_later;
