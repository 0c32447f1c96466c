--
-- Protecting relations: owner paths, one data set for ever, rights of analysts
--
\set VERBOSITY default
\set SHOW_CONTEXT never
SET client_min_messages = error;
DROP ROLE IF EXISTS regress_protect_steward, regress_protect_owner, regress_protect_analyst, regress_protect_app,
	regress_protect_both;
RESET client_min_messages;
CREATE EXTENSION pg_epsilon;
SELECT count(*) > 0 AS hardened FROM dp.harden(apply => true);
CREATE ROLE regress_protect_owner;
CREATE ROLE regress_protect_steward IN ROLE dp_steward, regress_protect_owner;
CREATE ROLE regress_protect_analyst;
CREATE ROLE regress_protect_app;
CREATE SCHEMA clinic AUTHORIZATION regress_protect_owner;
GRANT USAGE ON SCHEMA clinic TO PUBLIC;

SET ROLE regress_protect_owner;
CREATE TABLE clinic.patients (patient_id int PRIMARY KEY, age int CHECK (age BETWEEN 0 AND 120), name text);
CREATE TABLE clinic.visits (visit_id bigint PRIMARY KEY, patient_id bigint, cost numeric);
CREATE TABLE clinic.labs (lab_id serial, visit_id int, value float8);
CREATE TABLE clinic.devices (device_id uuid UNIQUE, label varchar(10));
CREATE TABLE clinic.codes (code text PRIMARY KEY, label text);
CREATE VIEW clinic.open_view AS SELECT * FROM clinic.patients;
CREATE VIEW clinic.over_view AS SELECT name FROM clinic.open_view;
CREATE VIEW clinic.safe_view WITH (security_invoker = true) AS SELECT * FROM clinic.patients;
GRANT SELECT ON clinic.patients TO regress_protect_app WITH GRANT OPTION;
GRANT SELECT, REFERENCES, TRIGGER ON clinic.patients TO regress_protect_analyst;
GRANT SELECT (cost) ON clinic.visits TO PUBLIC;
GRANT USAGE ON SEQUENCE clinic.labs_lab_id_seq TO regress_protect_analyst;
GRANT SELECT ON clinic.open_view, clinic.over_view, clinic.safe_view TO regress_protect_analyst;
RESET ROLE;

SET ROLE regress_protect_steward;
SELECT dp.protect('clinic.patients', 'hospital', 'patient_id');
SELECT dp.create_dataset('hospital', 1, 1e-9);
SELECT dp.create_dataset('other', 1, 1e-9);
SELECT dp.grant_analyst('regress_protect_analyst', 'hospital', 0.1);

-- What cannot be protected
SELECT dp.protect('pg_catalog.pg_class', 'hospital', 'oid');
SELECT dp.protect('clinic.open_view', 'hospital', 'patient_id');
SELECT dp.protect('clinic.patients', 'nowhere', 'patient_id');
SELECT dp.protect('clinic.patients', 'hospital', NULL);
SELECT dp.protect('clinic.patients', 'hospital', 'nobody');
SELECT dp.protect('clinic.patients', 'hospital', 'ctid');
SELECT dp.protect('clinic.visits', 'hospital', 'cost');
SELECT dp.protect('clinic.patients', 'hospital', 'patient_id', 0);
SELECT dp.protect('clinic.patients', 'hospital', 'patient_id', 1, -1);
RESET ROLE;
CREATE TABLE public.regress_foreign_property (id int);
SET ROLE regress_protect_steward;
SELECT dp.protect('public.regress_foreign_property', 'hospital', 'id');
CREATE TEMP TABLE mine (id int);
SELECT dp.protect('mine', 'hospital', 'id');

-- A direct column; what analysts hold is taken, also behind views
SELECT dp.protect('clinic.patients', 'hospital', 'patient_id');
SELECT has_table_privilege('regress_protect_analyst', 'clinic.patients', 'SELECT, REFERENCES, TRIGGER') AS analyst,
	   has_table_privilege('regress_protect_analyst', 'clinic.over_view', 'SELECT') AS through_view,
	   has_table_privilege('regress_protect_analyst', 'clinic.safe_view', 'SELECT') AS safe_view,
	   has_table_privilege('regress_protect_app', 'clinic.patients', 'SELECT') AS application;

-- Paths
SELECT dp.protect('clinic.labs', 'hospital', 'visit_id -> visits.visit_id -> patient_id');
SELECT dp.protect('clinic.visits', 'hospital', 'patient_id', 50, 5);
SELECT dp.protect('clinic.labs', 'hospital', 'visit_id -> visits.visit_id -> patient_id');
SELECT dp.protect('clinic.labs', 'hospital', 'visit_id -> clinic.visits.visit_id -> patient_id', 500);
SELECT dp.protect('clinic.labs', 'hospital', 'visit_id ->');
SELECT dp.protect('clinic.labs', 'hospital', 'visit_id -> visits.visit_id');
SELECT dp.protect('clinic.labs', 'hospital', 'visit_id -> visits -> patient_id');
SELECT dp.protect('clinic.labs', 'hospital', 'labs.visit_id');
SELECT dp.protect('clinic.labs', 'hospital', 'visit_id -> nowhere.visit_id -> patient_id');
SELECT dp.protect('clinic.labs', 'hospital', 'visit_id -> visits.patient_id -> patient_id');
SELECT dp.protect('clinic.labs', 'hospital', 'value -> visits.visit_id -> patient_id');
SELECT dp.protect('clinic.labs', 'hospital', 'visit_id; DROP TABLE clinic.labs');
SELECT * FROM dp._path_elements('a');
RESET ROLE;
SELECT * FROM dp._path_elements('"a->b" -> s."q""->".c->d');

-- One family of keys a data set; one data set a relation, for ever
SET ROLE regress_protect_steward;
SELECT dp.protect('clinic.devices', 'hospital', 'device_id');
SELECT dp.protect('clinic.visits', 'other', 'patient_id');
SELECT dp.unprotect('clinic.visits');
SELECT dp.unprotect('clinic.labs');
SELECT dp.unprotect('clinic.visits');
SELECT dp.unprotect('clinic.visits');
SELECT dp.unprotect('clinic.codes');
SELECT dp.protect('clinic.visits', 'other', 'patient_id');
SELECT dp.declare_public('clinic.visits');
SELECT relation, dataset, owner_path, rows_per_owner, groups_per_owner, state, set_by FROM dp.protected_tables ORDER BY 1;
SELECT dp.protect('clinic.visits', 'hospital', 'patient_id', 50);
SELECT dp.protect('clinic.visits', 'hospital', 'patient_id', 60);

-- Public relations
SELECT dp.declare_public('clinic.codes');
SELECT dp.declare_public('clinic.codes');
SELECT dp.protect('clinic.codes', 'hospital', 'code');
SELECT dp.declare_public('clinic.patients');
SELECT dp.declare_public('clinic.open_view');
SELECT dp.declare_public('pg_catalog.pg_class');
SELECT dp.declare_public('mine');

-- Materialized views hold rows
RESET ROLE;
SET ROLE regress_protect_owner;
CREATE MATERIALIZED VIEW clinic.old_patients AS SELECT * FROM clinic.open_view WHERE age > 80;
CREATE TABLE clinic.staff (staff_id int PRIMARY KEY);
CREATE MATERIALIZED VIEW clinic.staff_copy AS SELECT * FROM clinic.staff;
RESET ROLE;
SET ROLE regress_protect_steward;
SELECT dp.declare_public('clinic.old_patients');
SELECT dp.protect('clinic.staff', 'hospital', 'staff_id');
SELECT dp.protect('clinic.staff_copy', 'hospital', 'staff_id', 1);
SELECT dp.protect('clinic.staff', 'hospital', 'staff_id');
RESET ROLE;

-- Afterwards: no statement opens a door again
SET ROLE regress_protect_owner;
GRANT SELECT ON clinic.patients TO regress_protect_analyst;
GRANT SELECT (age) ON clinic.patients TO PUBLIC;
GRANT SELECT ON clinic.old_patients TO regress_protect_analyst;
GRANT SELECT ON clinic.open_view TO regress_protect_analyst;
GRANT REFERENCES ON clinic.visits TO regress_protect_analyst;
GRANT SELECT ON ALL TABLES IN SCHEMA clinic TO regress_protect_analyst;
GRANT SELECT ON clinic.patients TO regress_protect_app;
GRANT SELECT ON clinic.safe_view TO regress_protect_analyst;
GRANT SELECT ON clinic.codes TO regress_protect_analyst;
ALTER VIEW clinic.safe_view RESET (security_invoker);
RESET ROLE;
GRANT regress_protect_app TO regress_protect_analyst;
GRANT regress_protect_owner TO regress_protect_analyst;
GRANT regress_protect_analyst TO regress_protect_app;
GRANT dp_steward TO regress_protect_analyst;
GRANT dp_auditor TO regress_protect_analyst;
GRANT pg_read_all_data TO regress_protect_analyst;
ALTER ROLE regress_protect_analyst REPLICATION;
ALTER ROLE regress_protect_analyst CREATEROLE;
CREATE ROLE regress_protect_both IN ROLE dp_analyst, regress_protect_app;
ALTER TABLE clinic.patients OWNER TO regress_protect_analyst;
SET ROLE regress_protect_app;
GRANT SELECT ON clinic.patients TO dp_analyst;
RESET ROLE;
SELECT pg_has_role('regress_protect_analyst', 'regress_protect_app', 'MEMBER') AS app,
	   has_table_privilege('regress_protect_analyst', 'clinic.patients', 'SELECT') AS direct,
	   has_any_column_privilege('regress_protect_analyst', 'clinic.patients', 'SELECT') AS columns,
	   has_table_privilege('regress_protect_analyst', 'clinic.safe_view', 'SELECT') AS safe_view,
	   has_table_privilege('regress_protect_analyst', 'clinic.codes', 'SELECT') AS codes;

-- What is left behind for other tests of this server: nothing
SET client_min_messages = error;
SELECT count(dp.unprotect(relation)) FROM dp.protected_tables WHERE state = 'protected' AND owner_path LIKE '%->%';
SELECT count(dp.unprotect(relation)) FROM dp.protected_tables WHERE state = 'protected';
DROP SCHEMA clinic CASCADE;
SELECT count(*) FROM dp.protected_tables;
DROP OWNED BY regress_protect_steward, regress_protect_analyst, regress_protect_app, regress_protect_owner;
DROP ROLE regress_protect_steward, regress_protect_analyst, regress_protect_app, regress_protect_owner;
SELECT count(*) FROM dp.analysts;
