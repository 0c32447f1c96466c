-- Bounds of contribution: declared, tightened by settings, never loosened, never
-- derived from data (rules 5, 6).
\getenv abs_srcdir PG_ABS_SRCDIR
\set hospital :abs_srcdir '/sql/common/hospital.sql'
\set analyst regress_release_bounds
\i :hospital
\set SHOW_CONTEXT never
CREATE TABLE loose (patient_id int, x int CHECK (x BETWEEN 0 AND 10), place text);
INSERT INTO loose SELECT 1 + i % 500, i % 11, 'place ' || i % 2 FROM generate_series(1, 2000) i;
CREATE TABLE grouped (patient_id int, x int CHECK (x BETWEEN 0 AND 9));
INSERT INTO grouped SELECT 1 + i % 500, i / 500 FROM generate_series(0, 4999) i;
SET client_min_messages = warning;
SELECT dp.protect('loose', 'hospital', 'patient_id');
SELECT dp.protect('grouped', 'hospital', 'patient_id', rows_per_owner => 20, groups_per_owner => 4);
RESET client_min_messages;
-- rows and groups an owner, of the first release of a query
CREATE FUNCTION bounds(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	line text;
	result text := '';
BEGIN
	FOR line IN EXECUTE 'EXPLAIN ' || query LOOP
		result := result || coalesce(substring(line FROM '(Rows|Groups) per Owner: ') || substring(line FROM 'per Owner: (\d+)') || ' ', '');
	END LOOP;
	RETURN trim(replace(replace(result, 'Rows', 'rows '), 'Groups', 'groups '));
END $$;
SET SESSION AUTHORIZATION :analyst;

-- Unknown rows are refused; a setting may give them
SELECT count(*) FROM loose; \echo :SQLSTATE
SELECT count(DISTINCT patient_id) FROM loose; \echo :SQLSTATE
SELECT count(*) FROM loose JOIN patients USING (patient_id); \echo :SQLSTATE
SET dp.rows_per_owner = 8;
SELECT bounds('SELECT count(*) FROM loose') AS set;
SELECT near(count(*), 2000, dp.stddev_of_noise(count(*))) FROM loose;
RESET dp.rows_per_owner;

-- One row an owner by a unique key; a join multiplies
SELECT bounds('SELECT count(*) FROM patients') AS unique_key, bounds('SELECT count(*) FROM visits') AS declared,
	bounds('SELECT count(*) FROM visits JOIN patients USING (patient_id)') AS joined, bounds('SELECT count(*) FROM visits a JOIN visits b USING (patient_id)') AS itself,
	bounds('SELECT count(*) FROM visits JOIN tariffs USING (dept)') AS fan_out, bounds('SELECT count(*) FROM visits JOIN depts USING (dept)') AS lookup,
	bounds('SELECT count(*) FROM labs') AS path, bounds('SELECT count(*) FROM visits LEFT JOIN labs USING (visit_id)') AS left_join;
-- Groups: no more than rows, than the domain, than declared
SELECT bounds('SELECT count(*) FROM visits GROUP BY urgent') AS by_domain, bounds('SELECT count(*) FROM visits GROUP BY cost') AS by_rows,
	bounds('SELECT count(*) FROM grouped GROUP BY x') AS declared, bounds('SELECT count(*) FROM grouped') AS no_groups,
	bounds('SELECT count(*) FROM visits GROUP BY note') AS open;

-- Settings tighten, and never loosen
SET dp.rows_per_owner = 3;
SELECT bounds('SELECT count(*) FROM visits GROUP BY cost') AS tighter, bounds('SELECT count(*) FROM patients') AS one;
SET dp.rows_per_owner = 1000000;
SELECT count(*) FROM visits; \echo :SQLSTATE
SELECT near(count(*), 500, dp.stddev_of_noise(count(*))) FROM patients; \echo :SQLSTATE
SELECT bounds('SELECT count(*) FROM loose') AS undeclared;
RESET dp.rows_per_owner;
SET dp.groups_per_owner = 2;
SELECT bounds('SELECT count(*) FROM visits GROUP BY cost') AS tighter, bounds('SELECT count(*) FROM grouped GROUP BY x') AS declared;
SET dp.groups_per_owner = 1000;
SELECT bounds('SELECT count(*) FROM visits GROUP BY cost') AS not_looser;
SELECT count(*) FROM grouped GROUP BY x; \echo :SQLSTATE
RESET dp.groups_per_owner;
SET dp.rows_per_owner = 0; \echo :SQLSTATE
SET dp.rows_per_owner = -1; \echo :SQLSTATE
SET dp.groups_per_owner = 0; \echo :SQLSTATE
SET dp.groups_per_owner = 'many';
SET dp.rows_per_owner = 99999999999999; \echo :SQLSTATE

-- Tighter is less noise
SELECT dp.stddev_of_noise(count(*)) AS at_10 FROM visits \gset
SET dp.rows_per_owner = 2;
SELECT dp.stddev_of_noise(count(*)) < :at_10 / 4 AS less_noise, near(count(*), 1000, dp.stddev_of_noise(count(*))) AS two_of_six FROM visits;
RESET dp.rows_per_owner;
-- truncated to 4 groups of 10
SELECT near(sum(n), 2000, max(s) * sqrt(10)) AS four_of_ten FROM (SELECT x, count(*) AS n, dp.stddev_of_noise(count(*)) AS s FROM grouped GROUP BY x) g;
-- the plan of a prepared statement follows the setting of its execution (rule 10)
CREATE TABLE stddevs (s float8);
SET dp.rows_per_owner = 5;
INSERT INTO stddevs SELECT dp.stddev_of_noise(count(*)) FROM visits;
DO $$
BEGIN
	FOR i IN 1..10 LOOP
		PERFORM set_config('dp.rows_per_owner', i::text, false);
		INSERT INTO stddevs SELECT dp.stddev_of_noise(count(*)) FROM visits;
	END LOOP;
END $$;
SELECT count(*), count(DISTINCT s) FROM stddevs;
RESET dp.rows_per_owner;

-- A default of the data set
RESET SESSION AUTHORIZATION;
CREATE TABLE members (id int, x int);
SET client_min_messages = warning;
SELECT dp.create_dataset('club', 1, 1e-9, capacity => 1000, rows_per_owner => 7) > 0 AS made;
SELECT dp.protect('members', 'club', 'id');
SELECT dp.grant_analyst(:'analyst', 'club', 1);
RESET client_min_messages;
SET SESSION AUTHORIZATION :analyst;
SELECT bounds('SELECT count(*) FROM members') AS by_default;

-- One row an owner follows only from an index that surely holds
RESET SESSION AUTHORIZATION;
CREATE UNIQUE INDEX partly ON members (id) WHERE x > 0;
SET SESSION AUTHORIZATION :analyst;
SELECT bounds('SELECT count(*) FROM members') AS partial;
RESET SESSION AUTHORIZATION;
DROP INDEX partly;
ALTER TABLE members ADD CONSTRAINT later UNIQUE (id) DEFERRABLE;
SET SESSION AUTHORIZATION :analyst;
SELECT bounds('SELECT count(*) FROM members') AS deferrable;
RESET SESSION AUTHORIZATION;
ALTER TABLE members DROP CONSTRAINT later;
CREATE UNIQUE INDEX both_columns ON members (id, x);
SET SESSION AUTHORIZATION :analyst;
SELECT bounds('SELECT count(*) FROM members') AS two_columns;
RESET SESSION AUTHORIZATION;
CREATE UNIQUE INDEX surely ON members (id);
SET SESSION AUTHORIZATION :analyst;
SELECT bounds('SELECT count(*) FROM members') AS "unique";
RESET SESSION AUTHORIZATION;
CREATE TABLE more_members () INHERITS (members);
SET SESSION AUTHORIZATION :analyst;
SELECT bounds('SELECT count(*) FROM members') AS with_children;

RESET SESSION AUTHORIZATION;
DROP OWNED BY :analyst CASCADE;
SELECT dp.revoke_analyst(:'analyst', 'hospital'), dp.revoke_analyst(:'analyst', 'club');
DROP ROLE :analyst;
