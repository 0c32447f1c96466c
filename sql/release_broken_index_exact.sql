-- flavour: test
-- A unique index that lies: the node finds out, and an owner counts once (rule 33).
\set SHOW_CONTEXT never
\set ECHO none
\o /dev/null
SET client_min_messages = error;
SET dp.repeats = off;
DROP ROLE IF EXISTS regress_broken_index;
SET client_min_messages = warning;
CREATE EXTENSION pg_epsilon;
SELECT dp.harden(apply => true);
CREATE ROLE regress_broken_index;
\o
\set ECHO all
CREATE TABLE people (id int NOT NULL, x int CHECK (x BETWEEN 0 AND 9));
INSERT INTO people SELECT i % 100, 1 FROM generate_series(1, 500) i;
CREATE INDEX people_id ON people (id);
-- what a broken index would say of itself
SET allow_system_table_mods = on;
UPDATE pg_index SET indisunique = true WHERE indexrelid = 'people_id'::regclass;
RESET allow_system_table_mods;
SELECT dp.create_dataset('exact', 10, 1e-9, capacity => 1000) > 0 AS made;
SELECT dp.protect('people', 'exact', 'id');
SELECT dp.grant_analyst('regress_broken_index', 'exact', 10);
SET SESSION AUTHORIZATION regress_broken_index;
SET dp_test.noise = off;
EXPLAIN (COSTS off) SELECT count(*) FROM people;
-- new owners, and owners with an account
SELECT count(*), sum(x), count(DISTINCT id) FROM people;
SELECT count(*), sum(x), count(DISTINCT id) FROM people WHERE x > 0;
RESET SESSION AUTHORIZATION;
SELECT count(*) AS charges FROM dp.statement('exact', 7);
SELECT dp.revoke_analyst('regress_broken_index', 'exact');
DROP OWNED BY regress_broken_index;
DROP ROLE regress_broken_index;
