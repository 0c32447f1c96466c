-- Attacks 7 and 8: analysts who collude share one limit an owner; one who drains the
-- data is stopped by the own quota.
\getenv abs_srcdir PG_ABS_SRCDIR
\set hospital :abs_srcdir '/sql/common/hospital.sql'
\set analyst regress_attack_07
\i :hospital
\set SHOW_CONTEXT never
\set other regress_attack_07_other
SET client_min_messages = error;
DROP ROLE IF EXISTS :other;
RESET client_min_messages;
CREATE ROLE :other;
CREATE ROLE regress_attack_07_team;
GRANT regress_attack_07_team TO :other;
SELECT dp.grant_analyst(:'other', 'hospital', 10), dp.grant_analyst('regress_attack_07_team', 'hospital', 10);
CREATE TABLE answers (n bigint);
GRANT SELECT, INSERT ON answers TO PUBLIC;
SELECT dp.set_limit('hospital', 1, 0.05);

-- In turns, through different tables and roles, until all is spent
SET SESSION AUTHORIZATION :analyst;
SET dp.epsilon = 5;
DO $$ BEGIN FOR i IN 1..15 LOOP INSERT INTO answers SELECT count(*) FROM patients; END LOOP; END $$;
SET SESSION AUTHORIZATION :other;
SET dp.epsilon = 5;
DO $$ BEGIN FOR i IN 1..15 LOOP INSERT INTO answers SELECT count(*) FROM visits; END LOOP; END $$;
SET ROLE regress_attack_07_team;
DO $$ BEGIN FOR i IN 1..15 LOOP INSERT INTO answers SELECT count(*) FROM labs; END LOOP; END $$;
RESET ROLE;
DO $$ BEGIN FOR i IN 1..15 LOOP INSERT INTO answers SELECT count(*) FROM patients; END LOOP; END $$;
-- nobody has anything left for this price: answers are noise about nobody
SELECT near(count(*), 0, dp.stddev_of_noise(count(*))) FROM patients;
RESET SESSION AUTHORIZATION;
SELECT sum(rho) <= (SELECT cap_units / 2.0 ^ 60 FROM dp_book.dataset) AS within, sum(rho) > 0.9 * (SELECT cap_units / 2.0 ^ 60 FROM dp_book.dataset) AS nearly_all
FROM dp.statement('hospital', 2);
SELECT count(*) AS with_the_own_limit FROM dp.statement('hospital', 1);
SELECT count(DISTINCT charges) AS others_are_alike FROM (SELECT (SELECT count(*) FROM dp.statement('hospital', i)) AS charges FROM generate_series(2, 500) i) s;

-- The quota of one says nothing of the other's
SELECT dp.grant_analyst(:'analyst', 'hospital', 10, 15);
SET SESSION AUTHORIZATION :analyst;
SET dp.epsilon = 5;
SELECT count(*) > -1e9 AS answered FROM visits; \echo :SQLSTATE
SELECT epsilon_left, units_left >= 0 AS not_below_0 FROM dp.quota();
SET SESSION AUTHORIZATION :other;
SET dp.epsilon = 5;
SELECT count(*) > -1e9 AS answered FROM visits; \echo :SQLSTATE
RESET SESSION AUTHORIZATION;
SELECT check_name, ok FROM dp.verify() WHERE NOT ok;
SELECT dp.revoke_analyst(:'other', 'hospital'), dp.revoke_analyst('regress_attack_07_team', 'hospital');
DROP ROLE :other, regress_attack_07_team;

RESET SESSION AUTHORIZATION;
DROP OWNED BY :analyst CASCADE;
SELECT dp.revoke_analyst(:'analyst', 'hospital');
DROP ROLE :analyst;
