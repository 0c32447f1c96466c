-- Holes that a third attack round found: each stays closed.
\getenv abs_srcdir PG_ABS_SRCDIR
\set hospital :abs_srcdir '/sql/common/hospital.sql'
\set analyst regress_attack_37
\i :hospital
\set SHOW_CONTEXT never
\set VERBOSITY terse
SET SESSION AUTHORIZATION :analyst;
-- Failures that the analyst arranges where one row is met: none, whether it is there or not.
-- A row of VALUES, and the condition of a subquery without columns
SELECT near(count(*), 2, dp.stddev_of_noise(count(*))) FROM patients, (VALUES (CURRENT_DATE + 2147483647), (CURRENT_DATE)) v (d)
WHERE patient_id = 5 AND NOT insured AND d > '2020-01-01';
SELECT near(count(*), 0, dp.stddev_of_noise(count(*))) FROM patients, (VALUES (CURRENT_DATE + 2147483647), (CURRENT_DATE)) v (d)
WHERE patient_id = 5 AND insured AND d > '2020-01-01';
SELECT near(count(*), 10, dp.stddev_of_noise(count(*)))
FROM patients, (SELECT FROM depts WHERE CURRENT_DATE + 2147483647 > DATE '2020-01-01') s WHERE patient_id = 5 AND NOT insured;
-- a pattern that takes the whole stack
SELECT count(*) FROM patients WHERE CASE WHEN patient_id = 5 THEN 'a' ELSE county END LIKE repeat('%a', 500);
SELECT near(count(*), 500, dp.stddev_of_noise(count(*))) FROM patients WHERE county LIKE repeat('%', 100);
-- constants that are short to write and long to hold: in keys, tuples and arrays, as parameters too
SELECT count(*) FROM patients WHERE CASE WHEN patient_id = 5 THEN repeat('a', 100000) ELSE 'b' END LIKE '%a';
SELECT count(*) FROM patients WHERE patient_id = 5 GROUP BY CASE sex WHEN 'F' THEN repeat('x', 2000) ELSE county END;
SELECT count(*) FROM visits v LEFT JOIN (SELECT patient_id, CASE WHEN insured THEN array_fill(1, ARRAY[1000]) END AS a FROM patients) p
USING (patient_id) WHERE a IS NULL;
PREPARE listed(text, text) AS SELECT count(*) FROM patients WHERE patient_id = 5 AND county IN (county, $1, $2);
EXECUTE listed(repeat('x', 2000), 'county 2');
SET plan_cache_mode = force_generic_plan;
EXECUTE listed('county 1', 'county 2');
PREPARE rows(text) AS SELECT count(*) FROM patients, (VALUES ($1), ('county 2')) v (c) WHERE county <> c;
EXECUTE rows('county 1');
RESET plan_cache_mode;
-- long keys of groups
RESET SESSION AUTHORIZATION;
INSERT INTO visits SELECT 10000 + i, i, 1, 1, 1, 1, now(), repeat('n', CASE WHEN i > 300 THEN 1025 ELSE 1024 END), false FROM generate_series(1, 500) i;
SET SESSION AUTHORIZATION :analyst;
SET dp.epsilon = 8;
SELECT length(note) FROM (SELECT note, count(*) AS n FROM visits WHERE visit_id >= 10000 GROUP BY note) s;
SELECT dept, length(note) FROM (SELECT dept, note, count(*) AS n FROM visits WHERE visit_id >= 10000 GROUP BY dept, note) s;
SELECT dept, length(note) FROM (SELECT dept, substr(note, 1, 1000) AS note, count(*) AS n FROM visits WHERE visit_id >= 10000 GROUP BY dept, substr(note, 1, 1000)) s;
RESET dp.epsilon;
-- settings that let one row decide how many others a scan finds
SET gin_fuzzy_search_limit = 100;
SELECT count(*) FROM visits;
RESET gin_fuzzy_search_limit;
-- public relations that the analyst can write after all: as another role, by a right to take back, in a part
RESET SESSION AUTHORIZATION;
CREATE ROLE regress_attack_37_team;
GRANT regress_attack_37_team TO :analyst;
ALTER ROLE :analyst NOINHERIT;
CREATE TABLE theirs (dept int PRIMARY KEY);
ALTER TABLE theirs OWNER TO regress_attack_37_team;
CREATE TABLE loaded (dept int PRIMARY KEY);
GRANT INSERT ON loaded TO regress_attack_37_team;
CREATE TABLE columned (dept int PRIMARY KEY, label text);
GRANT UPDATE (label) ON columned TO regress_attack_37_team;
CREATE TABLE parted (dept int) PARTITION BY LIST (dept);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1);
GRANT INSERT ON parted_1 TO :analyst;
SET SESSION AUTHORIZATION :analyst;
CREATE TABLE renounced (dept int PRIMARY KEY);
REVOKE ALL ON renounced FROM :analyst;
RESET SESSION AUTHORIZATION;
GRANT SELECT ON theirs, loaded, columned, parted, renounced TO PUBLIC;
SELECT dp.declare_public(r) FROM unnest('{theirs, loaded, columned, parted, renounced}'::regclass[]) r;
SET SESSION AUTHORIZATION :analyst;
SELECT count(*) FROM visits JOIN theirs USING (dept);
SELECT count(*) FROM visits JOIN loaded USING (dept);
SELECT count(*) FROM visits JOIN columned USING (dept);
SELECT count(*) FROM visits JOIN parted USING (dept);
SELECT count(*) FROM visits JOIN renounced USING (dept);
SELECT near(count(*), 3000 + 500, dp.stddev_of_noise(count(*))) FROM visits JOIN depts USING (dept);
RESET SESSION AUTHORIZATION;
REVOKE ALL ON loaded, columned FROM regress_attack_37_team;
DROP TABLE theirs;
SELECT dp.revoke_analyst(:'analyst', 'hospital');
DROP OWNED BY :analyst CASCADE;
DROP ROLE :analyst, regress_attack_37_team;
