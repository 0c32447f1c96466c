-- flavour: test
-- The last look at a plan finds expressions that analysis should have replaced: here
-- they are left as the query has them.
\getenv abs_srcdir PG_ABS_SRCDIR
\set hospital :abs_srcdir '/sql/common/hospital.sql'
\set analyst regress_attack_37_guard
\i :hospital
\set SHOW_CONTEXT never
\set VERBOSITY terse
SET SESSION AUTHORIZATION :analyst;
SET dp_test.noise = off;
SET dp_test.total = off;
-- harmless ones pass
SELECT count(*) FROM visits WHERE cost > 50 AND note LIKE 'note 1%';
-- in conditions, on an index, of a join, of VALUES, of a subquery
SELECT count(*) FROM visits WHERE score * score > 1;
SET enable_seqscan = off;
SELECT count(*) FROM visits WHERE visit_id = 5 AND at > now()::timestamp - interval '1 day';
SELECT count(*) FROM patients p WHERE patient_id = 7 AND CURRENT_DATE + born > CURRENT_DATE;
RESET enable_seqscan;
SELECT count(*) FROM patients p LEFT JOIN visits v ON v.patient_id = p.patient_id AND v.at + interval '1 day' > v.at;
SELECT count(*) FROM patients, (VALUES (CURRENT_DATE + 5), (CURRENT_DATE)) v (d) WHERE patient_id = 5 AND d > '2020-01-01';
SELECT count(*) FROM patients WHERE patient_id IN (SELECT dept FROM depts WHERE CURRENT_DATE + dept > '2020-01-01');
SELECT count(*) FROM patients WHERE patient_id NOT IN (SELECT dept FROM depts WHERE CURRENT_DATE + dept > '2020-01-01');
WITH d AS MATERIALIZED (SELECT dept FROM depts WHERE CURRENT_DATE + dept > '2020-01-01')
SELECT count(*) FROM visits JOIN d USING (dept);
-- the same with total expressions
SET dp_test.total = on;
SELECT count(*) FROM visits WHERE score * score > 1;
SELECT count(*) FROM patients WHERE patient_id NOT IN (SELECT dept FROM depts WHERE CURRENT_DATE + dept > '2020-01-01');
WITH d AS MATERIALIZED (SELECT dept FROM depts WHERE CURRENT_DATE + dept > '2020-01-01')
SELECT count(*) FROM visits JOIN d USING (dept);
RESET SESSION AUTHORIZATION;
SELECT dp.revoke_analyst(:'analyst', 'hospital');
DROP OWNED BY :analyst CASCADE;
DROP ROLE :analyst;
