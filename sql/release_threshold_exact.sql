-- flavour: test
-- Without noise: a group shows from exactly the threshold on that EXPLAIN states, and
-- the threshold is what delta and noise ask for.
\set SHOW_CONTEXT never
\set ECHO none
\o /dev/null
SET client_min_messages = error;
SET dp.repeats = off;
DROP ROLE IF EXISTS regress_threshold_exact;
SET client_min_messages = warning;
CREATE EXTENSION pg_epsilon;
SELECT dp.harden(apply => true);
CREATE ROLE regress_threshold_exact;
\o
\set ECHO all
-- group n has n owners, three rows each
CREATE TABLE crowds (id int, label text);
INSERT INTO crowds SELECT row_number() OVER (), 'crowd ' || n FROM generate_series(1, 80) n, generate_series(1, n) i;
INSERT INTO crowds SELECT id, label FROM crowds, generate_series(1, 2);
SELECT dp.create_dataset('exact', 10, 0.04, capacity => 10000) > 0 AS made;
SELECT dp.protect('crowds', 'exact', 'id', rows_per_owner => 3, groups_per_owner => 3);
SELECT dp.grant_analyst('regress_threshold_exact', 'exact', 10);
CREATE FUNCTION stated(query text) RETURNS numeric LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN ' || query LOOP
		IF line LIKE '%Groups:%' THEN RETURN substring(line FROM '>= ([0-9]+)')::numeric; END IF;
	END LOOP;
END $$;
SET SESSION AUTHORIZATION regress_threshold_exact;
SET dp_test.noise = off;
SET dp.noise = gaussian;
-- Half of rho 2^-8 goes to the count of owners: sigma is 16. Pr[noise >= 39] = 0.0081
-- and Pr[noise >= 40] = 0.0068 are above and below 2^-7, and one owner more makes 41
SET dp.rho = 0.00390625;
SET dp.delta = 0.0078125;
SET dp.groups_per_owner = 1;
EXPLAIN (COSTS off) SELECT label, count(*) FROM crowds GROUP BY label;
SELECT stated('SELECT label, count(*) FROM crowds GROUP BY label') AS stated;
SELECT min(n / 3) AS from_here, max(n / 3) AS to_there, count(*) AS groups FROM (SELECT label, count(*) AS n FROM crowds GROUP BY label) s;
SELECT min(n) AS from_here, count(*) AS groups FROM (SELECT label, count(DISTINCT id) AS n FROM crowds GROUP BY label) s;
SELECT stated('SELECT label, count(DISTINCT id) FROM crowds GROUP BY label') AS stated;
-- three groups an owner: more noise, and each group has a third of delta
RESET dp.groups_per_owner;
SELECT stated('SELECT label, count(DISTINCT id) FROM crowds GROUP BY label') AS stated;
SELECT min(n) AS from_here, count(*) AS groups FROM (SELECT label, count(DISTINCT id) AS n FROM crowds GROUP BY label) s;
RESET SESSION AUTHORIZATION;
SELECT dp.revoke_analyst('regress_threshold_exact', 'exact');
DROP OWNED BY regress_threshold_exact;
DROP ROLE regress_threshold_exact;
