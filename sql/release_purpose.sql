-- Purposes and consent: the only errors are about the purpose; owners who do not
-- consent are left out silently (rule 25).
\getenv abs_srcdir PG_ABS_SRCDIR
\set hospital :abs_srcdir '/sql/common/hospital.sql'
\set analyst regress_release_purpose
\i :hospital
\set SHOW_CONTEXT never
SET SESSION AUTHORIZATION :analyst;
-- A data set without purposes asks for none
SELECT near(count(*), 500, dp.stddev_of_noise(count(*))) FROM patients;

RESET SESSION AUTHORIZATION;
SELECT dp.add_purpose('hospital', 'care', true), dp.add_purpose('hospital', 'research', false), dp.add_purpose('hospital', 'billing', true);
SELECT dp.grant_analyst(:'analyst', 'hospital', 10, purposes => ARRAY['care', 'research']);
SET SESSION AUTHORIZATION :analyst;
SELECT count(*) FROM patients; \echo :SQLSTATE
SET dp.purpose = war;
SELECT count(*) FROM patients; \echo :SQLSTATE
SET dp.purpose = billing;
SELECT count(*) FROM patients; \echo :SQLSTATE
SELECT * FROM dp.preview('SELECT count(*) FROM patients'); \echo :SQLSTATE
EXPLAIN SELECT count(*) FROM patients; \echo :SQLSTATE
SELECT entries() AS before \gset
SET dp.epsilon = 1;

-- Consent by default, or not; nobody's consent is an answer about nobody
SET dp.purpose = care;
SELECT near(count(*), 500, dp.stddev_of_noise(count(*))) FROM patients;
SET dp.purpose = research;
SELECT near(count(*), 0, dp.stddev_of_noise(count(*))), sum(born) IS NOT NULL AS a_number FROM patients;
SELECT count(*) AS groups, bool_and(near(n, 0, s)) FROM (SELECT dept, count(*) AS n, dp.stddev_of_noise(count(*)) AS s FROM visits GROUP BY dept) g;
SELECT count(*) AS groups FROM (SELECT county, count(*) AS n FROM patients GROUP BY county) g;
RESET SESSION AUTHORIZATION;
SELECT count(dp.set_consent('hospital', i, 'research', true)) FROM generate_series(1, 300) i;
SELECT count(dp.set_consent('hospital', i, 'care', false)) FROM generate_series(1, 100) i;
SET SESSION AUTHORIZATION :analyst;
SELECT near(count(*), 300, dp.stddev_of_noise(count(*))) FROM patients;
SELECT near(count(*), 1800, dp.stddev_of_noise(count(*))) FROM visits;
SET dp.purpose = care;
SELECT near(count(*), 400, dp.stddev_of_noise(count(*))) FROM patients;

-- A limit of nothing: left out for every purpose
RESET SESSION AUTHORIZATION;
SELECT count(dp.set_limit('hospital', i, 0)) FROM generate_series(401, 500) i;
SET SESSION AUTHORIZATION :analyst;
SELECT near(count(*), 300, dp.stddev_of_noise(count(*))) FROM patients;

-- Those who were left out were not charged
SELECT entries() - :before AS releases;
RESET SESSION AUTHORIZATION;
SELECT (SELECT count(*) FROM dp.statement('hospital', 1)) AS without_care, (SELECT count(*) FROM dp.statement('hospital', 200)) AS with_both,
	(SELECT count(*) FROM dp.statement('hospital', 350)) AS without_research, (SELECT count(*) FROM dp.statement('hospital', 450)) AS then_without_limit;
SELECT purpose, count(*) FROM dp.releases GROUP BY purpose ORDER BY purpose;

DROP OWNED BY :analyst CASCADE;
SELECT dp.revoke_analyst(:'analyst', 'hospital');
DROP ROLE :analyst;
