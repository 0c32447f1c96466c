-- Rights are lent for protected relations of a release, and for nothing else: what
-- stands beside them is read with the analyst's own.
\getenv abs_srcdir PG_ABS_SRCDIR
\set hospital :abs_srcdir '/sql/common/hospital.sql'
\set analyst regress_analyze_rights
\i :hospital
\set SHOW_CONTEXT never
REVOKE SELECT ON wings, tariffs FROM PUBLIC;
SET SESSION AUTHORIZATION :analyst;
SELECT near(count(*), 3000, dp.stddev_of_noise(count(*))) FROM visits JOIN depts USING (dept);
-- public, but not for this analyst
SELECT count(*) FROM visits JOIN tariffs USING (dept); \echo :SQLSTATE
SELECT count(*) FROM visits JOIN depts USING (dept) JOIN wings USING (wing); \echo :SQLSTATE
SELECT count(*) FROM visits WHERE dept IN (SELECT dept FROM tariffs); \echo :SQLSTATE
SELECT count(*) FROM (SELECT v.* FROM visits v LEFT JOIN tariffs t ON t.dept = v.dept AND t.year = 2020) s; \echo :SQLSTATE
WITH t AS (SELECT dept FROM tariffs WHERE year = 2020) SELECT count(*) FROM visits JOIN t USING (dept); \echo :SQLSTATE
SELECT (SELECT count(*) FROM visits), (SELECT count(*) FROM tariffs); \echo :SQLSTATE
-- beside an answer
SELECT count(*) FROM (SELECT dept, count(*) FROM visits GROUP BY dept) s JOIN tariffs USING (dept); \echo :SQLSTATE
-- and a refused statement leaves nothing behind
SELECT cost FROM visits; \echo :SQLSTATE
SELECT has_table_privilege('visits', 'SELECT') AS visits, has_table_privilege('tariffs', 'SELECT') AS tariffs;

RESET SESSION AUTHORIZATION;
DROP OWNED BY :analyst CASCADE;
SELECT dp.revoke_analyst(:'analyst', 'hospital');
DROP ROLE :analyst;
