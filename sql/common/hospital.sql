\set ECHO none
-- A small hospital: 500 patients, 6 visits each, a laboratory value a visit.
-- Included by tests that set :analyst to a role's name of their own.
\o /dev/null
-- Tests ask the same question again and mean a new answer; RESET ALL keeps that
SELECT format('ALTER DATABASE %I SET dp.repeats = off', current_database())
\gexec
\c -
SET client_min_messages = error;
DROP ROLE IF EXISTS :analyst;
SET client_min_messages = warning;
CREATE EXTENSION pg_epsilon;
CREATE ROLE :analyst;

CREATE TABLE patients (patient_id int PRIMARY KEY, county text NOT NULL,
	born int CHECK (born BETWEEN 1900 AND 2026), sex text, insured boolean);
INSERT INTO patients SELECT i, 'county ' || i % 5, 1920 + i % 100, CASE i % 10 WHEN 9 THEN NULL WHEN 0 THEN 'F' ELSE CASE i % 2 WHEN 0 THEN 'F' ELSE 'M' END END, i % 3 = 0
FROM generate_series(1, 500) i;
CREATE TABLE visits (visit_id bigint PRIMARY KEY, patient_id bigint, dept int NOT NULL CHECK (dept BETWEEN 1 AND 10),
	cost int, score float8, paid numeric(10,2), at timestamp, note text, urgent boolean NOT NULL);
INSERT INTO visits SELECT i, 1 + i % 500, 1 + i % 10, i % 100, (i % 64) / 8.0, (i % 1000) / 100.0,
	timestamp '2020-01-01' + (i % 365) * interval '1 day', 'note ' || i % 7, i % 4 = 0
FROM generate_series(1, 3000) i;
CREATE TABLE labs (lab_id bigint PRIMARY KEY, visit_id bigint, value float8);
INSERT INTO labs SELECT i, i, (i % 200) / 4.0 FROM generate_series(1, 3000) i;

CREATE TABLE depts (dept int PRIMARY KEY, name text NOT NULL, wing text NOT NULL);
INSERT INTO depts SELECT i, 'dept ' || i, 'wing ' || i % 3 FROM generate_series(1, 10) i;
CREATE TABLE wings (wing text PRIMARY KEY, storeys int NOT NULL);
INSERT INTO wings VALUES ('wing 0', 3), ('wing 1', 4), ('wing 2', 5);
CREATE TABLE tariffs (dept int, year int, price int);
INSERT INTO tariffs SELECT d, y, 10 * d FROM generate_series(1, 10) d, generate_series(2019, 2021) y;
CREATE TABLE codes (dept int, code int);
INSERT INTO codes SELECT 1 + i % 2, i FROM generate_series(1, 202) i;
CREATE TABLE staff (dept int PRIMARY KEY, name text);
GRANT SELECT ON depts, wings, tariffs, codes, staff TO PUBLIC;
GRANT CREATE ON SCHEMA public TO :analyst;

SELECT dp.create_dataset('hospital', 30, 1e-9, capacity => 10000, confirm_large_epsilon => true) IS NOT NULL AS made;
SELECT dp.protect('patients', 'hospital', 'patient_id');
SELECT dp.protect('visits', 'hospital', 'patient_id', rows_per_owner => 10);
SELECT dp.protect('labs', 'hospital', 'visit_id -> visits.visit_id -> patient_id', rows_per_owner => 10);
SELECT dp.set_bounds('visits', 'cost', 0, 100, 'tariff');
SELECT dp.set_bounds('visits', 'score', 0, 8, 'definition');
SELECT dp.set_bounds('visits', 'paid', 0, 10, 'tariff');
SELECT dp.set_bounds('labs', 'value', 0, 50, 'instrument');
SELECT dp.set_domain('patients', 'sex', ARRAY['F', 'M'], 'form');
SELECT dp.declare_public(r) FROM (VALUES ('depts'::regclass), ('wings'), ('tariffs'), ('codes')) v(r);
SELECT dp.harden(apply => true);
SELECT dp.grant_analyst(:'analyst', 'hospital', 10);

-- Eight standard deviations: one answer in 10^15 is further off.
CREATE FUNCTION near(answer float8, exact float8, stddev float8) RETURNS boolean
	LANGUAGE sql IMMUTABLE RETURN abs(answer - exact) <= 8 * stddev + 0.5;
-- Releases that were charged, and the worst cases that the analyst's quota was charged with
CREATE FUNCTION entries() RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN RETURN (SELECT count(*) FROM dp_book.entry); END';
CREATE FUNCTION used() RETURNS numeric LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT sum(units_used) FROM dp.quota()); END';
RESET client_min_messages;
\o
\set ECHO all
