-- Attack 35: two data sets, two owners a row, closed relations, mixed roles.
-- Attack 24, what psql can show of it: rights, and loading the library.
\getenv abs_srcdir PG_ABS_SRCDIR
\set hospital :abs_srcdir '/sql/common/hospital.sql'
\set analyst regress_attack_35
\i :hospital
\set SHOW_CONTEXT never
-- Two owners a row, two data sets, by every way to bring them together
CREATE TABLE meetings (meeting_id int PRIMARY KEY, guest int, host int, x int CHECK (x BETWEEN 0 AND 9));
CREATE TABLE other_people (person_id int PRIMARY KEY, patient_id int);
SET client_min_messages = warning;
SELECT dp.protect('meetings', 'hospital', 'guest', rows_per_owner => 5);
SELECT dp.create_dataset('other', 1, 1e-9, capacity => 1000) > 0 AS made;
SELECT dp.protect('other_people', 'other', 'person_id');
SELECT dp.protect('patients', 'other', 'patient_id'); \echo :SQLSTATE
SELECT dp.grant_analyst(:'analyst', 'other', 1);
RESET client_min_messages;
SET SESSION AUTHORIZATION :analyst;
SELECT count(*) FROM meetings m JOIN patients p ON p.patient_id = m.host; \echo :SQLSTATE
SELECT count(*) FROM meetings a JOIN meetings b ON a.host = b.guest; \echo :SQLSTATE
SELECT count(*) FROM meetings m JOIN patients p ON p.patient_id = m.guest JOIN patients q ON q.patient_id = m.host; \echo :SQLSTATE
SELECT count(*) FROM visits v JOIN visits w ON v.visit_id = w.visit_id; \echo :SQLSTATE
-- a second person of a row is a value of the first one's: noise for as many as one owner can bring
SELECT dp.stddev_of_noise(count(DISTINCT m.host)) / dp.stddev_of_noise(count(DISTINCT m.guest)) BETWEEN 4 AND 6 AS as_values, near(count(DISTINCT m.host), 0, dp.stddev_of_noise(count(DISTINCT m.host))) FROM meetings m;
SELECT count(*) FROM other_people o JOIN patients p ON p.patient_id = o.patient_id; \echo :SQLSTATE
SELECT count(*) FROM other_people o JOIN patients p ON p.patient_id = o.person_id; \echo :SQLSTATE
SELECT (SELECT count(*) FROM other_people), (SELECT count(*) FROM patients); \echo :SQLSTATE
SELECT count(*) FROM other_people UNION ALL SELECT count(*) FROM patients; \echo :SQLSTATE
WITH a AS (SELECT count(*) AS n FROM other_people) SELECT count(*) FROM patients WHERE born > (SELECT n FROM a); \echo :SQLSTATE

-- Closed: for every query, whatever else it does
RESET SESSION AUTHORIZATION;
SELECT dp.unprotect('meetings');
GRANT SELECT ON meetings TO :analyst; \echo :SQLSTATE
SET SESSION AUTHORIZATION :analyst;
SELECT count(*) FROM meetings; \echo :SQLSTATE
SELECT count(*) FROM depts WHERE EXISTS (SELECT FROM meetings); \echo :SQLSTATE
SELECT count(*) FROM patients JOIN meetings ON guest = patient_id; \echo :SQLSTATE
RESET SESSION AUTHORIZATION;
SELECT dp.declare_public('meetings'); \echo :SQLSTATE
SELECT dp.protect('meetings', 'other', 'guest'); \echo :SQLSTATE

-- Roles that do not go together
GRANT dp_auditor TO :analyst; \echo :SQLSTATE
GRANT dp_steward TO :analyst; \echo :SQLSTATE
GRANT pg_read_all_data TO :analyst; \echo :SQLSTATE
ALTER TABLE visits OWNER TO :analyst; \echo :SQLSTATE
GRANT SELECT ON visits TO PUBLIC; \echo :SQLSTATE
GRANT SELECT (cost) ON visits TO :analyst; \echo :SQLSTATE
GRANT REFERENCES ON patients TO :analyst; \echo :SQLSTATE
GRANT TRIGGER ON visits TO :analyst; \echo :SQLSTATE

-- Attack 24: what stays where the library is not at work
SELECT bool_or(has_table_privilege(:'analyst', t, p)) AS any_right, bool_or(has_any_column_privilege(:'analyst', t, 'SELECT, REFERENCES')) AS any_column
FROM unnest('{patients,visits,labs}'::regclass[]) t, unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}'::text[]) p;
SET SESSION AUTHORIZATION :analyst;
LOAD 'pg_epsilon'; \echo :SQLSTATE
SET session_preload_libraries = ''; \echo :SQLSTATE
SET local_preload_libraries = ''; \echo :SQLSTATE
SET shared_preload_libraries = ''; \echo :SQLSTATE
SET dynamic_library_path = '/tmp'; \echo :SQLSTATE
CREATE FUNCTION near_c(int) RETURNS int LANGUAGE c AS 'pg_epsilon', 'eps_analyze_sql_placeholder'; \echo :SQLSTATE
SELECT dp._release(1) FROM depts; \echo :SQLSTATE
SELECT dp._output(1) FROM depts; \echo :SQLSTATE
SELECT dp._needs_parameters(); \echo :SQLSTATE
SELECT count(*) FROM visits HAVING dp._release(1); \echo :SQLSTATE
SELECT * FROM dp_book.entry; \echo :SQLSTATE
SELECT * FROM dp.statement('hospital', 1); \echo :SQLSTATE
RESET SESSION AUTHORIZATION;
SELECT dp.revoke_analyst(:'analyst', 'other');

RESET SESSION AUTHORIZATION;
DROP OWNED BY :analyst CASCADE;
SELECT dp.revoke_analyst(:'analyst', 'hospital');
DROP ROLE :analyst;
