-- Attack 33: forms that raise by what they find. (Divisions above an answer: release_above.)
\getenv abs_srcdir PG_ABS_SRCDIR
\set hospital :abs_srcdir '/sql/common/hospital.sql'
\set analyst regress_attack_33
\i :hospital
\set SHOW_CONTEXT never
SET SESSION AUTHORIZATION :analyst;
-- a scalar subquery with two rows
SELECT count(*) FROM visits WHERE cost = (SELECT cost FROM patients JOIN visits USING (patient_id)); \echo :SQLSTATE
SELECT count(*) FROM visits WHERE cost = (SELECT count(*) FROM visits GROUP BY dept); \echo :SQLSTATE
SELECT count(*) FROM visits WHERE dept = (SELECT dept FROM depts); \echo :SQLSTATE
SELECT count(*) FROM visits WHERE dept = (SELECT dept FROM depts WHERE dept = 1); \echo :SQLSTATE
SELECT count(*) FROM visits WHERE ROW (dept, cost) = (SELECT dept, 1 FROM depts LIMIT 1); \echo :SQLSTATE
SELECT count(*) FROM visits WHERE dept = ALL (SELECT dept FROM depts); \echo :SQLSTATE
SELECT count(*) FROM visits WHERE ARRAY(SELECT dept FROM depts) IS NULL; \echo :SQLSTATE
SELECT count(*) FROM visits WHERE (dept, cost) IN (SELECT dept, 1 FROM depts); \echo :SQLSTATE
SELECT count(*) FROM visits WHERE cost > (SELECT count(*) - count(*) - 1 FROM visits); \echo :SQLSTATE
SELECT count(*) FROM visits WHERE cost > (SELECT count(*) FROM visits HAVING count(*) > 5); \echo :SQLSTATE
SELECT near(count(*), 3000, dp.stddev_of_noise(count(*))) FROM visits WHERE cost < (SELECT sum(cost) FROM visits);
-- frames, buckets, fractions
SELECT sum(cost) OVER (ORDER BY visit_id ROWS cost PRECEDING) FROM visits; \echo :SQLSTATE
SELECT ntile(0) OVER () FROM visits; \echo :SQLSTATE
SELECT ntile(cost) OVER () FROM visits; \echo :SQLSTATE
SELECT nth_value(cost, 0) OVER () FROM visits; \echo :SQLSTATE
SELECT percentile_cont(cost) WITHIN GROUP (ORDER BY cost) FROM visits; \echo :SQLSTATE
SELECT percentile_cont(2) WITHIN GROUP (ORDER BY cost) FROM visits; \echo :SQLSTATE
SELECT string_agg(note, note) FROM visits; \echo :SQLSTATE
SELECT json_object_agg(NULL, cost) FROM visits; \echo :SQLSTATE
SELECT count(*) FROM visits LIMIT (SELECT count(*) FROM visits); \echo :SQLSTATE
SELECT count(*) FROM visits OFFSET -1; \echo :SQLSTATE
SELECT dept FROM visits GROUP BY dept LIMIT (SELECT -1); \echo :SQLSTATE

RESET SESSION AUTHORIZATION;
DROP OWNED BY :analyst CASCADE;
SELECT dp.revoke_analyst(:'analyst', 'hospital');
DROP ROLE :analyst;
