-- Joins beside protected rows: owned inputs on the owner key, public ones on a
-- unique key or with few matches.
\getenv abs_srcdir PG_ABS_SRCDIR
\set hospital :abs_srcdir '/sql/common/hospital.sql'
\set analyst regress_analyze_joins
\i :hospital
\set SHOW_CONTEXT never
SET SESSION AUTHORIZATION :analyst;

-- On the owner key
SELECT near(count(*), 3000, dp.stddev_of_noise(count(*))) FROM visits v JOIN patients p ON p.patient_id = v.patient_id;
SELECT near(count(*), 3000, dp.stddev_of_noise(count(*))) FROM visits v, patients p WHERE v.patient_id = p.patient_id;
SELECT near(count(*), 3000, dp.stddev_of_noise(count(*))) FROM visits JOIN patients USING (patient_id);
SELECT near(count(*), 3000, dp.stddev_of_noise(count(*))) FROM visits NATURAL JOIN patients;
SELECT near(count(*), 3000, dp.stddev_of_noise(count(*))) FROM visits v LEFT JOIN patients p ON p.patient_id = v.patient_id;
SELECT near(count(*), 3000, dp.stddev_of_noise(count(*))) FROM patients p RIGHT JOIN visits v ON p.patient_id = v.patient_id;
SELECT near(count(*), 770, dp.stddev_of_noise(count(*))), near(count(v.cost), 300, dp.stddev_of_noise(count(v.cost)))
FROM patients p LEFT JOIN visits v ON p.patient_id = v.patient_id AND v.dept = 3 WHERE p.patient_id > 0;
SELECT near(count(*), 18000, dp.stddev_of_noise(count(*)))
FROM visits a JOIN visits b ON a.patient_id = b.patient_id;
SELECT near(count(*), 3000, dp.stddev_of_noise(count(*)))
FROM (visits v JOIN patients p USING (patient_id)) JOIN patients q USING (patient_id);
SELECT near(count(*), 500, dp.stddev_of_noise(count(*)))
FROM patients a JOIN patients b ON a.patient_id = b.patient_id JOIN patients c ON c.patient_id = b.patient_id;
SELECT near(count(*), 500, dp.stddev_of_noise(count(*)))
FROM patients a, patients b, patients c WHERE a.patient_id = b.patient_id AND c.patient_id = a.patient_id;
SELECT near(count(*), 500, dp.stddev_of_noise(count(*)))
FROM patients a LEFT JOIN (patients b JOIN patients c ON b.patient_id = c.patient_id) ON a.patient_id = b.patient_id;
SELECT near(count(DISTINCT v.patient_id), 500, dp.stddev_of_noise(count(DISTINCT v.patient_id))),
	   near(count(DISTINCT p.patient_id), 500, dp.stddev_of_noise(count(DISTINCT p.patient_id)))
FROM visits v JOIN patients p ON p.patient_id = v.patient_id;
-- Further conditions are free
SELECT near(count(*), 1500, dp.stddev_of_noise(count(*)))
FROM visits v JOIN patients p ON p.patient_id = v.patient_id AND v.cost < 1000 AND (p.patient_id <= 250 OR v.dept = 99);

-- Along a path
SELECT near(count(*), 300, dp.stddev_of_noise(count(*)))
FROM labs l JOIN visits v ON l.visit_id = v.visit_id WHERE v.dept = 3;
SELECT near(count(*), 300, dp.stddev_of_noise(count(*)))
FROM labs l JOIN visits v ON l.visit_id = v.visit_id JOIN patients p ON p.patient_id = v.patient_id WHERE v.dept = 3;
SELECT near(count(*), 3000, dp.stddev_of_noise(count(*))) FROM labs a JOIN labs b ON a.visit_id = b.visit_id;
SELECT near(count(*), 3000, dp.stddev_of_noise(count(*))) FROM visits v LEFT JOIN labs l USING (visit_id);
SELECT count(*) FROM labs l JOIN patients p ON l.lab_id = p.patient_id;

-- Not on the owner key
SELECT count(*) FROM visits, patients; \echo :SQLSTATE
SELECT count(*) FROM visits v CROSS JOIN patients p;
SELECT count(*) FROM visits v JOIN patients p ON v.dept = p.patient_id;
SELECT count(*) FROM visits v JOIN patients p ON v.patient_id > p.patient_id;
SELECT count(*) FROM visits v JOIN patients p ON v.patient_id = p.patient_id + 1;
SELECT count(*) FROM visits v JOIN patients p ON v.patient_id = p.patient_id OR v.dept = 1;
SELECT count(*) FROM visits v JOIN patients p ON NOT v.patient_id = p.patient_id;
SELECT count(*) FROM patients a JOIN patients b ON a.patient_id = b.patient_id, patients c;
SELECT count(*) FROM visits v LEFT JOIN patients p ON v.dept = p.patient_id;
SELECT count(*) FROM visits v LEFT JOIN patients p ON v.dept = p.born WHERE v.patient_id = p.patient_id;
SELECT count(*) FROM visits v FULL JOIN patients p ON v.patient_id = p.patient_id;
-- an equality in ON of a left join says nothing about the rows it preserves
SELECT count(*) FROM (patients a CROSS JOIN patients b) LEFT JOIN visits v
	ON a.patient_id = b.patient_id AND v.patient_id = a.patient_id;
-- nor does one on the nullable side bind the rest
SELECT count(*) FROM patients a LEFT JOIN visits v ON v.patient_id = a.patient_id JOIN patients c ON c.patient_id = v.patient_id;
-- semijoins of owned rows
SELECT count(*) FROM visits WHERE patient_id IN (SELECT patient_id FROM patients WHERE born > 1950);
SELECT count(*) FROM visits v WHERE EXISTS (SELECT FROM patients p WHERE p.patient_id = v.patient_id);
SELECT count(*) FROM visits v WHERE NOT EXISTS (SELECT FROM patients);

-- Public relations on a unique key
SELECT near(count(*), 3000, dp.stddev_of_noise(count(*))) FROM visits JOIN depts USING (dept);
SELECT near(count(*), 900, dp.stddev_of_noise(count(*))) FROM visits v JOIN depts d ON d.dept = v.dept WHERE d.wing = 'wing 0';
SELECT near(count(*), 900, dp.stddev_of_noise(count(*)))
FROM visits v JOIN depts d ON d.dept = v.dept JOIN wings w ON w.wing = d.wing WHERE w.storeys = 3;
SELECT near(count(*), 900, dp.stddev_of_noise(count(*)))
FROM visits v JOIN (depts d JOIN wings w USING (wing)) USING (dept) WHERE w.storeys = 3;
SELECT near(count(*), 3000, dp.stddev_of_noise(count(*))), near(count(d.name), 600, dp.stddev_of_noise(count(d.name)))
FROM visits v LEFT JOIN depts d ON d.dept = v.dept AND d.dept <= 2;
SELECT near(count(*), 3000, dp.stddev_of_noise(count(*))) FROM depts d RIGHT JOIN visits v ON d.dept = v.dept;
SELECT near(count(*), 600, dp.stddev_of_noise(count(*))) FROM visits v JOIN (SELECT dept FROM depts WHERE dept <= 2) d USING (dept);
SELECT near(count(*), 900, dp.stddev_of_noise(count(*)))
FROM visits v JOIN (SELECT dept, storeys FROM depts JOIN wings USING (wing)) d USING (dept) WHERE storeys = 3;
WITH w AS (SELECT dept FROM depts WHERE dept <= 2)
SELECT near(count(*), 600, dp.stddev_of_noise(count(*))) FROM visits JOIN w USING (dept);
SELECT near(count(*), 600, dp.stddev_of_noise(count(*))) FROM visits v JOIN (VALUES (1), (2)) x(dept) USING (dept);
SELECT near(count(*), 600, dp.stddev_of_noise(count(*))) FROM visits WHERE dept IN (SELECT dept FROM depts WHERE dept <= 2);
SELECT near(count(*), 2400, dp.stddev_of_noise(count(*))) FROM visits WHERE dept NOT IN (SELECT dept FROM depts WHERE dept <= 2);
SELECT near(count(*), 600, dp.stddev_of_noise(count(*))) FROM visits WHERE dept = ANY (SELECT dept FROM depts WHERE dept <= 2);
SELECT near(count(*), 3000, dp.stddev_of_noise(count(*))) FROM visits v JOIN patients p USING (patient_id) JOIN depts d USING (dept);

-- With few matches a row
SELECT near(count(*), 9000, dp.stddev_of_noise(count(*))) FROM visits JOIN tariffs USING (dept);
SELECT near(count(*), 3000, dp.stddev_of_noise(count(*))) FROM visits v JOIN tariffs t ON t.dept = v.dept AND t.year = 2020;
SELECT near(count(*), 30000, dp.stddev_of_noise(count(*))) FROM visits, depts;
SELECT near(count(*), 270000, dp.stddev_of_noise(count(*))) FROM visits CROSS JOIN wings NATURAL JOIN tariffs CROSS JOIN depts d;
SELECT near(count(*), 9000, dp.stddev_of_noise(count(*))) FROM visits v JOIN wings w ON w.storeys > v.cost - 1000;

-- With too many, or nobody knows how many
SELECT count(*) FROM visits JOIN codes USING (dept); \echo :SQLSTATE
SELECT count(*) FROM visits, codes;
SELECT count(*) FROM visits v JOIN codes c ON c.code > v.cost;
SELECT count(*) FROM visits v LEFT JOIN codes c ON c.dept = v.dept;
SELECT count(*) FROM visits v JOIN (SELECT t.* FROM tariffs t, depts) t USING (dept);
SELECT count(*) FROM visits v JOIN (SELECT dept, count(*) AS n FROM tariffs GROUP BY dept) t USING (dept);
SELECT count(*) FROM visits v JOIN (SELECT DISTINCT dept FROM tariffs) t USING (dept);
SELECT count(*) FROM visits v JOIN (SELECT dept FROM depts LIMIT 1) t USING (dept);
SELECT count(*) FROM visits v JOIN (SELECT dept FROM depts UNION SELECT dept FROM tariffs) t USING (dept);
SELECT count(*) FROM visits v JOIN (SELECT 10 / (dept - 3) AS dept FROM depts) t USING (dept);
SELECT count(*) FROM visits v JOIN (SELECT dept FROM depts WHERE 10 / (dept - 3) > 0) t USING (dept);
SELECT count(*) FROM visits WHERE dept IN (SELECT dept FROM depts WHERE 10 / (dept - 3) > 0);
SELECT count(*) FROM visits v JOIN (SELECT random() AS r, dept FROM depts) t USING (dept);

-- The protected side must be preserved
SELECT count(*) FROM depts d LEFT JOIN visits v ON v.dept = d.dept; \echo :SQLSTATE
SELECT count(*) FROM visits v RIGHT JOIN depts d ON v.dept = d.dept;
SELECT count(*) FROM visits v FULL JOIN depts d ON v.dept = d.dept;
SELECT count(*) FROM (depts d CROSS JOIN wings w) LEFT JOIN visits v ON v.dept = d.dept;

-- Neither protected nor public
SELECT count(*) FROM visits JOIN staff USING (dept); \echo :SQLSTATE
SELECT count(*) FROM visits WHERE dept IN (SELECT dept FROM staff);
SELECT count(*) FROM visits JOIN (SELECT * FROM staff) s USING (dept);
SELECT count(*) FROM visits v JOIN pg_class c ON c.oid = v.dept;
SELECT count(*) FROM visits v JOIN dp.datasets d ON true;
SELECT near(n, 3000, s), w.storeys FROM (SELECT count(*), dp.stddev_of_noise(count(*)) FROM visits) a(n, s), wings w ORDER BY 2;
SELECT near(n, 3000, s), staff.dept FROM (SELECT count(*), dp.stddev_of_noise(count(*)) FROM visits) a(n, s) LEFT JOIN staff ON true;

-- What the analyst made would show what was read of it; elsewhere it may be joined with answers
CREATE TABLE mine (dept int, weight int);
INSERT INTO mine SELECT i, 2 * i FROM generate_series(1, 4) i;
CREATE TEMP TABLE chosen AS SELECT dept FROM depts WHERE dept <= 2;
SELECT near(count(*), 1200, dp.stddev_of_noise(count(*))) FROM visits JOIN mine USING (dept);
SELECT near(count(*), 600, dp.stddev_of_noise(count(*))) FROM visits JOIN chosen USING (dept);
SELECT near(count(*), 600, dp.stddev_of_noise(count(*))) FROM visits WHERE dept IN (TABLE chosen);
SELECT count(*) FROM visits v JOIN (SELECT dept, count(*) AS n FROM visits GROUP BY dept) a USING (dept);
SELECT count(*), bool_and(near(n, 300, s)) FROM (SELECT dept, count(*) AS n, dp.stddev_of_noise(count(*)) AS s FROM visits GROUP BY dept) a JOIN mine USING (dept);
INSERT INTO mine SELECT 5, i FROM generate_series(1, 101) i;
SELECT count(*) FROM visits JOIN mine USING (dept);

-- Two data sets
RESET SESSION AUTHORIZATION;
CREATE TABLE members (member_id int PRIMARY KEY, patient_id int);
SET client_min_messages = warning;
SELECT dp.create_dataset('gym', 1, 1e-9, capacity => 1000) > 0 AS made;
SELECT dp.protect('members', 'gym', 'member_id');
RESET client_min_messages;
SELECT dp.grant_analyst(:'analyst', 'gym', 1);
SET SESSION AUTHORIZATION :analyst;
SELECT count(*) FROM members m JOIN patients p ON p.patient_id = m.member_id; \echo :SQLSTATE
SELECT (SELECT count(*) FROM members) - (SELECT count(*) FROM patients);
SELECT near(count(*), 0, dp.stddev_of_noise(count(*))) FROM members;

RESET SESSION AUTHORIZATION;
DROP OWNED BY :analyst CASCADE;
SELECT dp.revoke_analyst(:'analyst', 'hospital'), dp.revoke_analyst(:'analyst', 'gym');
DROP ROLE :analyst;
