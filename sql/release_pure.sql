-- A pure data set: no delta anywhere, so no thresholds, Laplace noise only (rule 24).
\set SHOW_CONTEXT never
SET client_min_messages = error;
SET dp.repeats = off;
DROP ROLE IF EXISTS regress_release_pure;
SET client_min_messages = warning;
CREATE EXTENSION pg_epsilon;
SELECT count(*) > 0 AS hardened FROM dp.harden(apply => true);
CREATE ROLE regress_release_pure;
CREATE TABLE people (id int PRIMARY KEY, age int CHECK (age BETWEEN 0 AND 99), town text, sex text);
INSERT INTO people SELECT i, i % 100, 'town ' || i % 3, CASE i % 2 WHEN 0 THEN 'f' ELSE 'm' END FROM generate_series(1, 1000) i;
CREATE TABLE trips (id bigint, km float8, zone int NOT NULL CHECK (zone BETWEEN 1 AND 5));
INSERT INTO trips SELECT 1 + i % 1000, i % 50, 1 + i % 5 FROM generate_series(1, 4000) i;
CREATE FUNCTION near(answer float8, exact float8, stddev float8) RETURNS boolean
	LANGUAGE sql IMMUTABLE RETURN abs(answer - exact) <= 25 * stddev;
SELECT dp.create_dataset('census', 7, 0, accountant => 'pure', capacity => 2000) > 0 AS made;
SELECT dp.create_dataset('not_pure', 1, 1e-9, accountant => 'pure'); \echo :SQLSTATE
SELECT dp.create_dataset('too_much', 8, 0, accountant => 'pure', confirm_large_epsilon => true); \echo :SQLSTATE
SELECT dp.protect('people', 'census', 'id');
SELECT dp.protect('trips', 'census', 'id', rows_per_owner => 4);
SELECT dp.set_bounds('trips', 'km', 0, 50, 'law');
SELECT dp.set_domain('people', 'sex', ARRAY['f', 'm'], 'form');
SELECT dp.grant_analyst('regress_release_pure', 'census', 3);
RESET client_min_messages;
SET SESSION AUTHORIZATION regress_release_pure;
SET dp.epsilon = 0.5;

SELECT near(count(*), 1000, dp.stddev_of_noise(count(*))), near(avg(age), 49.5, dp.stddev_of_noise(avg(age))) FROM people;
SELECT sex, near(count(*), CASE WHEN sex IS NULL THEN 0 ELSE 500 END, dp.stddev_of_noise(count(*))) FROM people GROUP BY sex ORDER BY sex;
SELECT zone, near(count(*), 800, dp.stddev_of_noise(count(*))), near(sum(km), 19600, dp.stddev_of_noise(sum(km)) + 400) FROM trips GROUP BY zone ORDER BY zone;
EXPLAIN (COSTS off) SELECT count(*), avg(age) FROM people;
SELECT mechanism, stddev_of_noise > 0 AS noisy, rho, epsilon, delta FROM dp.preview('SELECT count(*) FROM people');
SELECT dataset, epsilon_per_query, epsilon_used > 0 AS used FROM dp.quota();

-- Keys without public domain, Gaussian noise, rho and delta: refused
SELECT town, count(*) FROM people GROUP BY town; \echo :SQLSTATE
SET dp.groups = seen;
SELECT sex, count(*) FROM people GROUP BY sex; \echo :SQLSTATE
RESET dp.groups;
SET dp.noise = gaussian;
SELECT count(*) FROM people; \echo :SQLSTATE
SET dp.noise = laplace;
SELECT near(count(*), 1000, dp.stddev_of_noise(count(*))) FROM people;
RESET dp.noise;
RESET dp.epsilon;
SET dp.rho = 0.1;
SELECT count(*) FROM people; \echo :SQLSTATE
RESET dp.rho;
SET dp.delta = 1e-9;
SELECT near(count(*), 1000, dp.stddev_of_noise(count(*))) FROM people;
RESET dp.delta;
-- without a price: a hundredth of the standard
SELECT epsilon > 0.06 AND epsilon <= 0.07 AS a_hundredth FROM dp.preview('SELECT count(*) FROM people');
-- the price adds up as it is
SELECT epsilon_used AS before FROM dp.quota() \gset
SET dp.epsilon = 1;
SELECT near(count(*), 1000, dp.stddev_of_noise(count(*))) FROM people;
SELECT near(count(*), 1000, dp.stddev_of_noise(count(*))) FROM people;
SELECT epsilon_used - :before BETWEEN 1.8 AND 2 AS twice FROM dp.quota();

RESET SESSION AUTHORIZATION;
SELECT check_name, ok FROM dp.verify() WHERE NOT ok;
SELECT dp.revoke_analyst('regress_release_pure', 'census');
DROP ROLE regress_release_pure;
