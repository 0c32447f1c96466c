-- What an analyst may read from: tables, subqueries, CTEs, views, partitions,
-- children; each answer is near the exact value, each refusal names the cure.
\getenv abs_srcdir PG_ABS_SRCDIR
\set hospital :abs_srcdir '/sql/common/hospital.sql'
\set analyst regress_analyze_tables
\set ECHO none
\o /dev/null
\i :hospital
\o
\set ECHO all

CREATE VIEW recent WITH (security_invoker = true) AS
	SELECT patient_id, dept, cost FROM visits WHERE at >= '2020-07-01';
CREATE VIEW over_view WITH (security_invoker = true) AS SELECT patient_id, cost AS c FROM recent WHERE dept <= 5;
CREATE VIEW lends AS SELECT patient_id, cost FROM visits;
CREATE VIEW answers WITH (security_invoker = true) AS SELECT dept, count(*) AS n FROM visits GROUP BY dept;
GRANT SELECT ON recent, over_view, lends, answers TO :analyst;
