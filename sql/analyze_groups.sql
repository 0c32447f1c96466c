-- Keys of groups: which have a public domain, which are thresholded.
\getenv abs_srcdir PG_ABS_SRCDIR
\set hospital :abs_srcdir '/sql/common/hospital.sql'
\set analyst regress_analyze_groups
\i :hospital
\set SHOW_CONTEXT never
-- Groups in answers, as the analyst sees them
CREATE FUNCTION groups(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	line text;
	result text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN ' || query LOOP
		result := coalesce(substring(line FROM '^\s*Groups: (.*)$'), result);
	END LOOP;
	RETURN regexp_replace(result, '[0-9.]+ \(delta.*', 'X');
END $$;
SET SESSION AUTHORIZATION :analyst;

-- A CHECK range, NULL if the column may be
SELECT dept, near(count(*), 300, dp.stddev_of_noise(count(*))) FROM visits GROUP BY dept ORDER BY dept;
SELECT groups('SELECT dept, count(*) FROM visits GROUP BY dept') AS dept,
	groups('SELECT born, count(*) FROM patients GROUP BY born') AS born,
	groups('SELECT cost, count(*) FROM visits GROUP BY cost') AS cost;
-- empty groups are there too, and NULL as a group of its own
SELECT count(*), count(dept), min(dept), max(dept), bool_and(near(n, CASE dept WHEN 3 THEN 300 ELSE 0 END, s))
FROM (SELECT dept, count(*) AS n, dp.stddev_of_noise(count(*)) AS s FROM visits WHERE dept = 3 GROUP BY dept) x;
SELECT count(*), count(born), count(*) FILTER (WHERE born IS NULL)
FROM (SELECT born, count(*) AS n FROM patients GROUP BY born) x;

-- A listed domain; values outside it, and in no group, are left out
SELECT sex, near(count(*), CASE sex WHEN 'F' THEN 250 WHEN 'M' THEN 200 ELSE 50 END, dp.stddev_of_noise(count(*))) FROM patients GROUP BY sex ORDER BY sex;

-- Booleans, comparisons, CASE, extract, width_bucket, casts, modulo
SELECT insured, near(count(*), CASE WHEN insured IS NULL THEN 0 WHEN insured THEN 166 ELSE 334 END, dp.stddev_of_noise(count(*))) FROM patients GROUP BY insured ORDER BY insured;
SELECT urgent, near(count(*), CASE WHEN urgent THEN 750 ELSE 2250 END, dp.stddev_of_noise(count(*))) FROM visits GROUP BY urgent ORDER BY urgent;
SELECT level, near(n, CASE level WHEN 'low' THEN 900 WHEN 'mid' THEN 600 ELSE 1500 END, s)
FROM (SELECT CASE WHEN dept < 4 THEN 'low' WHEN dept < 6 THEN 'mid' ELSE 'high' END AS level, count(*) AS n, dp.stddev_of_noise(count(*)) AS s FROM visits GROUP BY 1) x ORDER BY 1;
-- equal values are one group, however they are written
SELECT key, near(n, 3000, s) FROM (SELECT CASE dept WHEN 1 THEN 1 WHEN 2 THEN 1.0 ELSE 1.00 END AS key, count(*) AS n, dp.stddev_of_noise(count(*)) AS s FROM visits GROUP BY 1) x;
SELECT key, near(n, 3000, s) FROM (SELECT CASE WHEN urgent THEN float8 '0' ELSE float8 '-0' END AS key, count(*) AS n, dp.stddev_of_noise(count(*)) AS s FROM visits GROUP BY 1) x;
SELECT key, near(n, 3000, s) FROM (SELECT CASE WHEN urgent THEN bpchar 'a' ELSE bpchar 'a ' END AS key, count(*) AS n, dp.stddev_of_noise(count(*)) AS s FROM visits GROUP BY 1) x;
SELECT key, near(n, CASE key WHEN 'M' THEN 200 ELSE 300 END, s) FROM (SELECT coalesce(sex, 'F') AS key, count(*) AS n, dp.stddev_of_noise(count(*)) AS s FROM patients GROUP BY 1) x ORDER BY 1;
SELECT groups('SELECT count(*) FROM visits GROUP BY urgent') AS boolean,
	groups('SELECT count(*) FROM visits GROUP BY dept > 3') AS comparison,
	groups('SELECT count(*) FROM visits GROUP BY cost IS NULL') AS null_test,
	groups('SELECT count(*) FROM visits GROUP BY NOT urgent AND cost > 3') AS condition;
SELECT groups($$SELECT count(*) FROM visits GROUP BY CASE WHEN cost > 5 THEN 'a' ELSE 'b' END$$) AS "case",
	groups($$SELECT count(*) FROM visits GROUP BY CASE WHEN cost > 5 THEN 'a' END$$) AS no_else,
	groups($$SELECT count(*) FROM visits GROUP BY CASE dept WHEN 1 THEN 10 WHEN 2 THEN 20 ELSE 30 END$$) AS simple_case,
	groups($$SELECT count(*) FROM visits GROUP BY CASE WHEN cost > 5 THEN note ELSE 'b' END$$) AS open_case;
SELECT groups('SELECT count(*) FROM visits GROUP BY extract(month FROM at)') AS month,
	groups('SELECT count(*) FROM visits GROUP BY extract(dow FROM at)') AS dow,
	groups('SELECT count(*) FROM visits GROUP BY extract(year FROM at)') AS year,
	groups('SELECT count(*) FROM visits GROUP BY date_trunc(''month'', at)') AS trunc;
SELECT groups('SELECT count(*) FROM visits GROUP BY width_bucket(cost, 0, 100, 5)') AS bucket,
	groups('SELECT count(*) FROM visits GROUP BY dept::bigint') AS widened,
	groups('SELECT count(*) FROM visits GROUP BY dept % 3') AS modulo,
	groups('SELECT count(*) FROM visits GROUP BY urgent::int') AS bool_int,
	groups('SELECT count(*) FROM patients GROUP BY coalesce(sex, ''none'')') AS "coalesce",
	groups('SELECT count(*) FROM visits GROUP BY length(note)') AS length;
SET dp.epsilon = 10;
SELECT extract(month FROM at) AS month, count(*) > 0 AS some FROM visits WHERE extract(month FROM at) = 2 GROUP BY 1 HAVING count(*) > 100;
RESET dp.epsilon;
SELECT dept % 3 AS r, near(count(*), CASE dept % 3 WHEN 1 THEN 1200 ELSE 900 END, dp.stddev_of_noise(count(*))) FROM visits GROUP BY dept % 3 ORDER BY 1;

-- Constants and public columns
SET dp.epsilon = 10;
SELECT 1 AS one, near(count(*), 3000, dp.stddev_of_noise(count(*))) FROM visits GROUP BY 1;
-- (each patient keeps to one department)
SET dp.groups_per_owner = 1;
SELECT d.name, near(count(*), 300, dp.stddev_of_noise(count(*))) FROM visits v JOIN depts d USING (dept) GROUP BY d.name ORDER BY d.name;
SELECT groups('SELECT d.name, count(*) FROM visits JOIN depts d USING (dept) GROUP BY d.name') AS public_name,
	groups('SELECT dept, d.name, count(*) FROM visits JOIN depts d USING (dept) GROUP BY dept, d.name') AS with_name;
RESET dp.groups_per_owner;

-- Without a public domain: groups of enough owners show
SELECT county, near(count(*), 100, dp.stddev_of_noise(count(*))) FROM patients GROUP BY county ORDER BY county;
SELECT note, near(count(*), 428.5, dp.stddev_of_noise(count(*))) FROM visits GROUP BY note ORDER BY note;
SELECT groups('SELECT count(*) FROM patients GROUP BY county') AS text,
	groups('SELECT count(*) FROM patients GROUP BY county, sex') AS half_public,
	groups('SELECT count(*) FROM visits GROUP BY at') AS at,
	groups('SELECT count(*) FROM visits GROUP BY visit_id') AS unique_key,
	groups('SELECT count(*) FROM visits GROUP BY score') AS float;
-- rare keys do not (visit_id is unique: no group has more than one owner)
SELECT count(*) FROM (SELECT visit_id, count(*) FROM visits GROUP BY visit_id) s;
SELECT count(*) FROM (SELECT note, dept, cost, count(*) FROM visits GROUP BY note, dept, cost) s;

-- Several keys
SELECT count(*), bool_and(near(n, CASE WHEN dept % 2 = 1 THEN 150 WHEN urgent THEN 0 ELSE 300 END, s)) FROM
	(SELECT dept, urgent, count(*) AS n, dp.stddev_of_noise(count(*)) AS s FROM visits GROUP BY dept, urgent) x;
SELECT groups('SELECT count(*) FROM visits GROUP BY dept, urgent') AS two, groups('SELECT count(*) FROM visits GROUP BY dept, urgent, extract(month FROM at)') AS three,
	groups('SELECT count(*) FROM visits GROUP BY dept, dept') AS twice;
SELECT p.sex, v.dept, near(count(*), CASE p.sex WHEN 'M' THEN 300 ELSE 0 END, dp.stddev_of_noise(count(*))) FROM visits v JOIN patients p USING (patient_id) WHERE dept = 1 GROUP BY p.sex, v.dept HAVING v.dept = 1 ORDER BY 1;

-- dp.groups, dp.max_groups
SET dp.groups = seen;
SELECT groups('SELECT count(*) FROM visits GROUP BY dept') AS seen;
SELECT count(*) FROM (SELECT dept, count(*) FROM visits WHERE dept = 3 GROUP BY dept) s;
SET dp.groups = 'all';
SELECT groups('SELECT count(*) FROM visits GROUP BY dept') AS all;
SELECT county, count(*) FROM patients GROUP BY county; \echo :SQLSTATE
RESET dp.groups;
SELECT count(*) FROM visits GROUP BY dept, cost, extract(doy FROM at); \echo :SQLSTATE
SET dp.groups = seen;
SELECT groups('SELECT count(*) FROM visits GROUP BY dept, cost, extract(doy FROM at)') AS seen;
RESET dp.groups;
SET dp.max_groups = 5;
SET dp.groups = 'none';
RESET dp.groups;

-- Refused
SELECT patient_id, count(*) FROM visits GROUP BY patient_id; \echo :SQLSTATE
SELECT v.patient_id, count(*) FROM visits v JOIN patients p USING (patient_id) GROUP BY 1;
SELECT count(*) FROM patients GROUP BY patients;
SELECT count(*) FROM visits GROUP BY ROLLUP (dept); \echo :SQLSTATE
SELECT count(*) FROM visits GROUP BY CUBE (dept, urgent);
SELECT count(*) FROM visits GROUP BY GROUPING SETS ((dept), (urgent), ());
SELECT dept, count(*), GROUPING(dept) FROM visits GROUP BY dept;
SELECT county, count(*) FROM patients GROUP BY patient_id; \echo :SQLSTATE
SELECT cost, count(*) FROM visits GROUP BY visit_id;
SELECT count(*) FROM visits GROUP BY 1 / (cost - 5);
SELECT count(*) FROM visits GROUP BY row(dept, cost);
SELECT count(*) FROM visits GROUP BY ARRAY[dept];
SELECT groups('SELECT count(*) FROM visits GROUP BY at::date') AS date;
SELECT count(*) FROM visits GROUP BY at - timestamp '2020-01-01';
SELECT count(*) FROM visits GROUP BY md5(note);
SELECT count(*) FROM visits GROUP BY random();
SELECT count(*) FROM (SELECT count(*) FROM visits GROUP BY note COLLATE "en-x-icu") s;
RESET dp.epsilon;
SELECT DISTINCT dept FROM visits GROUP BY dept HAVING dept < 3 ORDER BY dept;
SELECT DISTINCT near(count(*), 300, dp.stddev_of_noise(count(*))) FROM visits GROUP BY dept;


-- A domain that misses values: they count in no group. One that holds more: noise about 0
RESET SESSION AUTHORIZATION;
SELECT dp.set_domain('patients', 'county', ARRAY['county 1', 'county 2', 'elsewhere'], 'law');
SET SESSION AUTHORIZATION :analyst;
SELECT county, near(count(*), CASE WHEN county LIKE 'county%' THEN 100 ELSE 0 END, dp.stddev_of_noise(count(*))) FROM patients GROUP BY county ORDER BY county;
-- a collation that does not tell strings apart
RESET SESSION AUTHORIZATION;
CREATE COLLATION blind (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
SET SESSION AUTHORIZATION :analyst;
SELECT count(*) FROM visits GROUP BY note COLLATE blind; \echo :SQLSTATE
SELECT count(*) FROM visits WHERE note COLLATE blind LIKE 'NOTE%';

RESET SESSION AUTHORIZATION;
DROP OWNED BY :analyst CASCADE;
SELECT dp.revoke_analyst(:'analyst', 'hospital');
DROP ROLE :analyst;
