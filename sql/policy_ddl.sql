--
-- Policy follows DDL, or refuses it
--
\set VERBOSITY default
\set SHOW_CONTEXT never
SET client_min_messages = error;
DROP ROLE IF EXISTS regress_ddl_owner, regress_ddl_analyst, regress_ddl_gone;
RESET client_min_messages;
CREATE EXTENSION pg_epsilon;
SELECT count(*) > 0 AS hardened FROM dp.harden(apply => true);
CREATE ROLE regress_ddl_owner;
CREATE ROLE regress_ddl_analyst;
CREATE ROLE regress_ddl_gone;
SELECT dp.create_dataset('hospital', 1, 1e-9);
SELECT dp.grant_analyst('regress_ddl_analyst', 'hospital', 0.1);
SELECT dp.grant_analyst('regress_ddl_gone', 'hospital', 0.1);
CREATE SCHEMA clinic AUTHORIZATION regress_ddl_owner;
GRANT USAGE ON SCHEMA clinic TO PUBLIC;
SET ROLE regress_ddl_owner;
CREATE TABLE clinic.visits (visit_id int PRIMARY KEY, patient_id int NOT NULL, cost int, dept text, plain int, chk int CHECK (chk BETWEEN 0 AND 5));
CREATE TABLE clinic.labs (lab_id int, visit_id int, value int);
CREATE TABLE clinic.codes (code text);
RESET ROLE;
SELECT dp.protect('clinic.visits', 'hospital', 'patient_id', 5);
SELECT dp.protect('clinic.labs', 'hospital', 'visit_id -> visits.visit_id -> patient_id', 5);
SELECT dp.declare_public('clinic.codes');
SELECT dp.set_bounds('clinic.visits', 'cost', 0, 10);
SELECT dp.set_domain('clinic.visits', 'dept', '{a,b}');
CREATE VIEW rules AS
	SELECT p.relation, p.owner_columns, p.state FROM dp_book.protected_relation p WHERE p.valid_to IS NULL ORDER BY p.relation::text;
CREATE VIEW facts AS
	SELECT f.relation, f.column_name FROM dp_book.column_fact f WHERE f.valid_to IS NULL ORDER BY 1, 2;

-- Refused
SET ROLE regress_ddl_owner;
DROP TABLE clinic.labs;
DROP TABLE clinic.visits CASCADE;
DROP SCHEMA clinic CASCADE;
RESET ROLE;
DROP OWNED BY regress_ddl_owner;
SET ROLE regress_ddl_owner;
ALTER TABLE clinic.visits DROP COLUMN patient_id;
ALTER TABLE clinic.visits DROP COLUMN visit_id;
ALTER TABLE clinic.visits DROP COLUMN cost;
ALTER TABLE clinic.visits DROP COLUMN dept;
ALTER TABLE clinic.labs DROP COLUMN visit_id;
ALTER TABLE clinic.visits ALTER COLUMN patient_id TYPE bigint;
ALTER TABLE clinic.visits ALTER COLUMN visit_id TYPE bigint;
ALTER TABLE clinic.visits ALTER COLUMN cost TYPE text;
ALTER TABLE clinic.labs ALTER COLUMN visit_id TYPE bigint;

-- Allowed, and nothing changes
ALTER TABLE clinic.visits ALTER COLUMN cost SET STATISTICS 10;
ALTER TABLE clinic.visits ALTER COLUMN cost SET DEFAULT 1;
ALTER TABLE clinic.visits ALTER COLUMN plain TYPE bigint;
ALTER TABLE clinic.visits RENAME COLUMN plain TO simple;
ALTER TABLE clinic.visits DROP COLUMN simple;
ALTER TABLE clinic.visits ADD COLUMN more int;
TRUNCATE clinic.labs;
ALTER TABLE clinic.labs RENAME TO laboratory;
ALTER TABLE clinic.laboratory RENAME TO labs;

-- Followed
ALTER TABLE clinic.visits RENAME COLUMN patient_id TO person;
ALTER TABLE clinic.visits RENAME COLUMN visit_id TO id;
ALTER TABLE clinic.visits RENAME COLUMN cost TO price;
ALTER TABLE clinic.labs RENAME COLUMN visit_id TO visit;
ALTER TABLE clinic.visits RENAME COLUMN chk TO checked;
RESET ROLE;
SELECT * FROM rules;
SELECT * FROM facts;
SELECT column_name, owner, lower, upper, domain_size FROM dp.describe('clinic.visits');
SELECT column_name, owner FROM dp.describe('clinic.labs');
-- also where the statement is undone, or fails half way
BEGIN;
SAVEPOINT s;
ALTER TABLE clinic.visits RENAME COLUMN person TO human;
SELECT relation, owner_columns FROM rules;
ROLLBACK TO s;
SELECT relation, owner_columns FROM rules;
SELECT column_name FROM dp.describe('clinic.visits') WHERE owner IS NOT NULL;
COMMIT;
DO $$ BEGIN
	ALTER TABLE clinic.visits RENAME COLUMN person TO human;
	ALTER TABLE clinic.visits RENAME COLUMN human TO person;
	ALTER TABLE clinic.visits RENAME COLUMN nothing TO person;
EXCEPTION WHEN undefined_column THEN NULL; END $$;
SELECT relation, owner_columns FROM rules;
-- two names change places
DO $$ BEGIN
	ALTER TABLE clinic.visits RENAME COLUMN price TO x;
	ALTER TABLE clinic.visits RENAME COLUMN dept TO price;
	ALTER TABLE clinic.visits RENAME COLUMN x TO dept;
END $$;
SELECT column_name, lower, upper, domain_size FROM dp.describe('clinic.visits') WHERE column_name IN ('price', 'dept');
SELECT count(*) > 3 AS history FROM dp_book.column_fact WHERE valid_to IS NOT NULL;

-- A unique index on the path goes: refused until it is back
ALTER TABLE clinic.visits DROP CONSTRAINT visits_pkey;
SELECT count(*) FROM dp.describe('clinic.labs');
ALTER TABLE clinic.visits ADD PRIMARY KEY (id);
SELECT count(*) FROM dp.describe('clinic.labs');

-- What is public or closed may be dropped, and is then forgotten
SELECT dp.unprotect('clinic.labs');
ALTER TABLE clinic.labs DROP COLUMN visit;
DROP TABLE clinic.labs;
DROP TABLE clinic.codes;
SELECT * FROM rules;
SELECT count(*) FROM dp.protected_tables;
DROP ROLE regress_ddl_gone;
SELECT role FROM dp.analysts;

-- Partitions
SET ROLE regress_ddl_owner;
CREATE TABLE clinic.stays (stay_id int, owner int NOT NULL, days int, year int) PARTITION BY LIST (year);
CREATE TABLE clinic.stays_1 (year int, days int, owner int NOT NULL, stay_id int);
ALTER TABLE clinic.stays ATTACH PARTITION clinic.stays_1 FOR VALUES IN (1);
CREATE TABLE clinic.stays_2 PARTITION OF clinic.stays FOR VALUES IN (2, 22) PARTITION BY LIST (year);
CREATE TABLE clinic.stays_22 PARTITION OF clinic.stays_2 FOR VALUES IN (22);
CREATE TABLE clinic.stays_3 (LIKE clinic.stays);
GRANT SELECT ON clinic.stays_3, clinic.stays_22 TO regress_ddl_analyst;
RESET ROLE;
SELECT dp.protect('clinic.stays_1', 'hospital', 'owner', 3);
SELECT dp.protect('clinic.stays', 'hospital', 'owner', 3);
SELECT dp.set_bounds('clinic.stays', 'days', 0, 365);
SELECT dp.set_bounds('clinic.stays_1', 'days', 0, 365);
SELECT column_name, owner, upper FROM dp.describe('clinic.stays_1');
SELECT column_name, owner, upper FROM dp.describe('clinic.stays_22');
SET ROLE regress_ddl_owner;
ALTER TABLE clinic.stays ATTACH PARTITION clinic.stays_3 FOR VALUES IN (3);
REVOKE ALL ON clinic.stays_3 FROM regress_ddl_analyst;
ALTER TABLE clinic.stays ATTACH PARTITION clinic.stays_3 FOR VALUES IN (3);
ALTER TABLE clinic.stays RENAME COLUMN owner TO person;
ALTER TABLE clinic.stays DROP COLUMN days;
ALTER TABLE clinic.stays ALTER COLUMN person TYPE bigint;
DROP TABLE clinic.stays_3;
-- what leaves stays protected
ALTER TABLE clinic.stays DETACH PARTITION clinic.stays_1;
GRANT SELECT ON clinic.stays_1 TO regress_ddl_analyst;
DROP TABLE clinic.stays_1;
ALTER TABLE clinic.stays_2 DETACH PARTITION clinic.stays_22 CONCURRENTLY;
RESET ROLE;
SELECT * FROM rules;
SELECT dp.unprotect('clinic.stays_1');
DROP TABLE clinic.stays_1;
-- and may come back
ALTER TABLE clinic.stays_2 ATTACH PARTITION clinic.stays_22 FOR VALUES IN (22);
SELECT count(*) FROM dp.describe('clinic.stays_22');

-- Foreign parts are not read beside protected rows
CREATE FOREIGN DATA WRAPPER regress_ddl_fdw;
CREATE SERVER regress_ddl_server FOREIGN DATA WRAPPER regress_ddl_fdw;
CREATE FOREIGN TABLE clinic.stays_far PARTITION OF clinic.stays FOR VALUES IN (9) SERVER regress_ddl_server;
SELECT count(*) FROM dp.describe('clinic.stays');
DROP FOREIGN TABLE clinic.stays_far;
SELECT count(*) FROM dp.describe('clinic.stays');
DROP FOREIGN DATA WRAPPER regress_ddl_fdw CASCADE;

-- Inheritance: a protected child makes its parents unreadable, not open
SET ROLE regress_ddl_owner;
CREATE TABLE clinic.base (a int);
CREATE TABLE clinic.child (owner int) INHERITS (clinic.base);
CREATE TABLE clinic.lone (a int, owner int);
RESET ROLE;
SELECT dp.protect('clinic.child', 'hospital', 'owner', 1);
SELECT dp.protect('clinic.lone', 'hospital', 'owner', 1);
SELECT count(*) FROM dp.describe('clinic.base');
ALTER TABLE clinic.lone INHERIT clinic.base;
SELECT count(*) FROM dp.describe('clinic.base');
SELECT dp.declare_public('clinic.base');
ALTER TABLE clinic.lone NO INHERIT clinic.base;
SELECT count(*) FROM dp.describe('clinic.base');

-- By whom
SELECT who = session_user AS who, action, object FROM dp.policy_log
WHERE object LIKE 'clinic.visits%' ORDER BY at, action LIKE 'end%' DESC;
SET client_min_messages = error;
SELECT count(dp.unprotect(relation)) FROM dp.protected_tables WHERE state = 'protected';
DROP SCHEMA clinic CASCADE;
DROP OWNED BY regress_ddl_owner, regress_ddl_analyst;
DROP ROLE regress_ddl_owner, regress_ddl_analyst;
SELECT count(*) FROM dp.protected_tables;
