-- Keys of owners that change (test flavour): two keys of one person, persons who
-- are renumbered, owners who appear later; and who was left out.
\set SHOW_CONTEXT never
SET client_min_messages = error;
DROP ROLE IF EXISTS regress_owners_analyst, regress_owners_steward;
CREATE EXTENSION pg_epsilon;
SELECT count(*) > 0 AS hardened FROM dp.harden(apply => true);
CREATE ROLE regress_owners_analyst;
CREATE ROLE regress_owners_steward IN ROLE dp_steward;
CREATE SCHEMA dp_test;
CREATE FUNCTION dp_test.admit(dataset text, owners bigint[], level int, delta_level int DEFAULT 0, purpose int DEFAULT -1)
	RETURNS int AS 'pg_epsilon', 'eps_budget_sql_test_admit' LANGUAGE C STRICT;
CREATE TABLE patients (id int PRIMARY KEY, x int NOT NULL CHECK (x BETWEEN -1 AND 1));
INSERT INTO patients SELECT i, 0 FROM generate_series(1, 40) i;
CREATE TABLE visits (pid bigint, x int NOT NULL CHECK (x BETWEEN -10 AND 10), dept int NOT NULL CHECK (dept BETWEEN 1 AND 3));
INSERT INTO visits SELECT 1 + i % 40, 1, 1 + i % 3 FROM generate_series(1, 120) i;
SELECT dp.create_dataset('hospital', 1, 1e-9, capacity => 1000) > 0 AS made;
SELECT dp.protect('patients', 'hospital', 'id');
SELECT dp.protect('visits', 'hospital', 'pid', rows_per_owner => 4);
SELECT dp.add_purpose('hospital', 'care', true), dp.add_purpose('hospital', 'research', false);
SELECT dp.grant_analyst('regress_owners_analyst', 'hospital', 0.9);
RESET client_min_messages;

-- What an owner has spent, in units, by the ledger
CREATE FUNCTION spent(owner bigint) RETURNS numeric LANGUAGE sql AS
	$$ SELECT coalesce(sum(rho::numeric * 2::numeric ^ 60), 0)::numeric(30, 0) FROM dp.statement('hospital', owner) $$;
CREATE FUNCTION verified() RETURNS TABLE (check_name text, detail text) LANGUAGE sql AS
	$$ SELECT check_name, detail FROM dp.verify() WHERE NOT ok $$;

-- Rule 18: (sqrt a + sqrt b)^2, upward; delta to the limit
SELECT dp_test.admit('hospital', ARRAY[1, 2], 150), dp_test.admit('hospital', ARRAY[2, 3], 160);
SELECT spent(1) AS one, spent(2) AS two \gset
SELECT dp.merge_owners('hospital', 1, 2);
SELECT units = ceil((sqrt(:one) + sqrt(:two)) ^ 2) - :one AS rho, delta_units = (SELECT delta_units FROM dp_book.dataset) AS delta,
	   after_seq FROM dp_book.merge;
SELECT count(*) FILTER (WHERE seq IS NULL) AS taken_over, count(*), max(running_delta) > 4.9e-10 AS at_the_limit FROM dp.statement('hospital', 2);
SELECT spent(1) = spent(2) AS one_owner;
-- the second key takes part under its own name in nothing more, the first in no choice of groups
SELECT dp_test.admit('hospital', ARRAY[2], 1) AS second, dp_test.admit('hospital', ARRAY[1], 1) AS first, dp_test.admit('hospital', ARRAY[1], 1, 1) AS with_delta;
-- nothing is undone by a rollback, and nothing done twice
BEGIN;
SELECT dp.merge_owners('hospital', 1, 3);
ROLLBACK;
SELECT dp.merge_owners('hospital', 3, 2);
SELECT dp.merge_owners('hospital', 3, 3);
SELECT dp.merge_owners('hospital', NULL::bigint, 3);
SELECT dp.merge_owners('hospital', 'one', '3');
SELECT dp.merge_owners('nowhere', 1, 3);
SELECT count(*) FROM dp_book.merge;
SELECT * FROM verified();

-- Limits and consents: the lower limit; a refusal before a grant; what one alone said stands
SELECT dp.set_limit('hospital', 11, 0.5), dp.set_limit('hospital', 12, 0.25), dp.set_limit('hospital', 13, 0.125);
SELECT dp.set_consent('hospital', 11, 'research', true), dp.set_consent('hospital', 12, 'research', false),
	   dp.set_consent('hospital', 13, 'care', false), dp.set_consent('hospital', 14, 'research', true, '2100-01-01'),
	   dp.set_consent('hospital', 15, 'research', true), dp.set_consent('hospital', 16, 'care', false, '2000-01-01');
SELECT dp.merge_owners('hospital', 11, 12), dp.merge_owners('hospital', 13, 11), dp.merge_owners('hospital', 14, 15), dp.merge_owners('hospital', 17, 16);
SELECT dp_test.admit('hospital', ARRAY[13], 1, 0, 0) AS care, dp_test.admit('hospital', ARRAY[13], 1, 0, 1) AS research;
SELECT dp_test.admit('hospital', ARRAY[14], 1, 0, 0) AS care, dp_test.admit('hospital', ARRAY[14], 1, 0, 1) AS research;
SELECT dp_test.admit('hospital', ARRAY[17], 1, 0, 0) AS care, dp_test.admit('hospital', ARRAY[17], 1, 0, 1) AS research;
SELECT count(*) FILTER (WHERE valid_to IS NULL) AS in_force, count(*) FROM dp_book.owner_limit;
SELECT purpose_no, granted, until FROM dp_book.consent WHERE valid_to IS NULL ORDER BY purpose_no, until;
-- said under either name, it is one owner's
SELECT dp.set_limit('hospital', 12, 0.375);
SELECT DISTINCT round(limit_epsilon::numeric, 6) FROM dp.statement('hospital', 13);
-- a second name that no answer has met yet
SELECT dp.merge_owners('hospital', 900, 901);
SELECT dp_test.admit('hospital', ARRAY[901], 1, 0, 0) AS second, dp_test.admit('hospital', ARRAY[900], 1, 0, 0) AS first;
SELECT * FROM verified();

-- Rows under both names are one owner's: bounded and charged together
UPDATE visits SET x = CASE pid WHEN 21 THEN 10 WHEN 22 THEN -10 END WHERE pid IN (21, 22);
SELECT dp.merge_owners('hospital', 21, 22), dp.merge_owners('hospital', 23, 24);
SELECT count(*) AS before FROM dp_book.entry \gset
SET SESSION AUTHORIZATION regress_owners_analyst;
SET dp_test.noise = off;
SET dp.repeats = off;
SET dp.purpose = care;
SET dp.epsilon = 0.05;
-- 40 keys are 32 people: 1 to 3, 11 to 13, and four pairs; 11 to 13 do not consent
SELECT count(*), count(DISTINCT id) FROM patients;
SELECT count(DISTINCT pid), count(*) FROM visits;
SELECT dept, count(DISTINCT pid) BETWEEN 28 AND 31 AS people FROM visits GROUP BY dept ORDER BY dept;
SELECT count(*) FROM patients p JOIN visits v ON v.pid = p.id;
-- four rows at most, of 21 and 22 together: never 3 * 10 and never -3 * 10 charged apart
SELECT abs(sum(x)) <= 20 AS bounded FROM visits WHERE pid IN (21, 22);
SELECT count(*) = 4 AS four_rows FROM visits WHERE pid IN (23, 24);
RESET SESSION AUTHORIZATION;
-- one charge an answer: all but the one about 21 and 22
SELECT count(*), count(DISTINCT seq) FROM dp.statement('hospital', 24) WHERE seq > :before;
SELECT * FROM verified();

-- Renumbering: with the rows, in their transaction
SELECT dp_test.admit('hospital', ARRAY[31, 32], 120, 0, 0), dp_test.admit('hospital', ARRAY[32, 33], 130, 0, 0),
	   dp_test.admit('hospital', ARRAY[35], 140, 0, 0);
SELECT spent(31) AS s31, spent(32) AS s32, spent(33) AS s33, spent(35) AS s35 \gset
SELECT dp.set_limit('hospital', 31, 0.5);
CREATE TABLE renumbered (old int, new int);
INSERT INTO renumbered VALUES (31, 32), (32, 31), (33, 133), (33, 133), (34, 134), (777, 778);
SELECT dp.rekey_owners('hospital', 'renumbered'::regclass);
BEGIN;
UPDATE patients SET id = new FROM renumbered WHERE id = old AND id > 32;
SELECT dp.rekey_owners('hospital', 'renumbered'::regclass);
ROLLBACK;
BEGIN;
UPDATE patients SET id = new FROM renumbered WHERE id = old AND id > 32;
UPDATE visits SET pid = new FROM renumbered WHERE pid = old;
SELECT dp.rekey_owners('hospital', 'TABLE public.renumbered');
-- until it ends nobody is admitted, and nothing is renumbered twice
SAVEPOINT s;
SELECT dp_test.admit('hospital', ARRAY[1], 1); \echo :LAST_ERROR_SQLSTATE
ROLLBACK TO s;
SELECT dp.rekey_owners('hospital', 'VALUES (1, 2)'); \echo :LAST_ERROR_SQLSTATE
ROLLBACK TO s;
PREPARE TRANSACTION 'renumbering';
SELECT spent(31) = :s31 AS as_before, spent(133) AS none;
BEGIN;
UPDATE patients SET id = new FROM renumbered WHERE id = old AND id > 32;
UPDATE visits SET pid = new FROM renumbered WHERE pid = old;
SELECT dp.rekey_owners('hospital', 'TABLE public.renumbered');
COMMIT;
SELECT spent(32) = :s31 AS swapped, spent(31) = :s32 AS with_it, spent(133) = :s33 AS carried, spent(33) AS begins_anew;
SELECT DISTINCT round(limit_epsilon::numeric, 6) FROM dp.statement('hospital', 32);
SELECT * FROM verified();
-- two owners who get one key, or one whose key is taken, are merged
UPDATE visits SET pid = 140 WHERE pid IN (31, 133);
DELETE FROM patients WHERE id IN (31, 133, 35);
UPDATE visits SET pid = 32 WHERE pid = 35;
SELECT dp.rekey_owners('hospital', 'VALUES (31, 140), (133, 140), (35, 32)');
SELECT spent(140) = ceil((sqrt(:s32) + sqrt(:s33)) ^ 2) AS two_to_one, spent(32) = ceil((sqrt(:s31) + sqrt(:s35)) ^ 2) AS taken;
SELECT DISTINCT round(limit_epsilon::numeric, 6) FROM dp.statement('hospital', 32);
-- what cannot be meant
SELECT dp.rekey_owners('hospital', 'VALUES (500, 501), (500, 502)');
SELECT dp.rekey_owners('hospital', 'VALUES (500, NULL)');
SELECT dp.rekey_owners('hospital', 'SELECT ''one'', 2');
-- (whose rows are gone, so that the old keys may be)
DELETE FROM patients WHERE id IN (21, 22);
DELETE FROM visits WHERE pid IN (21, 22, 140);
SELECT dp.rekey_owners('hospital', 'VALUES (140, 22)');
-- two names of one person: each its own number, then one number for both
SELECT dp.rekey_owners('hospital', 'VALUES (21, 521), (22, 522)');
SELECT dp_test.admit('hospital', ARRAY[22], 1, 0, 0) AS another_person, spent(521) = spent(522) AS one_owner;
SELECT dp.rekey_owners('hospital', 'VALUES (521, 621), (522, 621)');
SELECT dp_test.admit('hospital', ARRAY[522], 1, 0, 0) AS another_person, dp_test.admit('hospital', ARRAY[621], 1, 0, 0) AS the_merged_one;
SELECT dp.rekey_owners('hospital', 'SELECT 1, 2 WHERE false');
SELECT carried, merged FROM dp_book.renumbering ORDER BY at;
SELECT detail FROM dp.policy_log WHERE action = 'owners renumbered' ORDER BY at LIMIT 1;
SELECT * FROM verified();
SELECT count(*) = known AS all_known, vanished > 0 AS some_vanished, appeared
FROM dp.owner_changes('hospital'), generate_series(1, (SELECT sum(length(keys)) / 16 - (SELECT count(*) FROM dp_book.merge) FROM dp_book.account_chunk)) GROUP BY known, vanished, appeared;

-- Owners who appear later begin at the worst case of all answers, if the promise says so
SELECT dp.create_dataset('registry', 1, 1e-9, capacity => 1000, new_owners => 'worst_case') > 0 AS made;
CREATE TABLE people (id int PRIMARY KEY);
SELECT dp.protect('people', 'registry', 'id');
SELECT dp_test.admit('registry', ARRAY[1], 100), dp_test.admit('registry', ARRAY[2], 110, 5), dp_test.admit('registry', ARRAY[3, 1], 120);
SELECT dp.set_limit('registry', 4, 0.5);
SELECT owner, sum(rho) * 2 ^ 60 = CASE owner WHEN 1 THEN dp._ladder_units(100) WHEN 2 THEN dp._ladder_units(100) + dp._ladder_units(110)
		ELSE dp._ladder_units(100) + dp._ladder_units(110) END + CASE WHEN owner IN (1, 3, 4) THEN dp._ladder_units(120) ELSE 0 END AS worst_case,
	   sum(delta) * 2 ^ 60 AS delta
FROM generate_series(1, 4) owner, dp.statement('registry', owner) GROUP BY owner ORDER BY owner;
-- the promise is only tightened
SET ROLE regress_owners_steward;
SELECT dp.start_owners_at_worst_case('hospital');
RESET ROLE;
SELECT dataset, new_owners FROM dp.datasets ORDER BY dataset;
SELECT dp_test.admit('hospital', ARRAY[950], 1, 0, 0);
SELECT spent(950) = (SELECT sum(dp._ladder_units(level)) FROM dp_book.entry WHERE dataset_id = 1) AS begins_at_the_worst_case;
SELECT * FROM verified();

-- The certificate: from public sums alone
CREATE TABLE trips (id int PRIMARY KEY);
INSERT INTO trips SELECT i FROM generate_series(1, 50) i;
SELECT dp.create_dataset('trips', 1, 1e-9, capacity => 1000) > 0 AS made;
SELECT dp.protect('trips', 'trips', 'id'), dp.add_purpose('trips', 'care', true);
SELECT dp.grant_analyst('regress_owners_analyst', 'trips', 1, epsilon_quota => 3, purposes => ARRAY['care']);
SELECT count(dp.set_limit('trips', i, 0)), count(dp.set_consent('trips', i + 5, 'care', false)) FROM generate_series(1, 5) i;
SET SESSION AUTHORIZATION regress_owners_analyst;
RESET dp.epsilon;
SELECT nobody_left_out, rho_spent, side_spent, round((side_limit / rho_standard * 19)::numeric, 6) AS reserve FROM dp.certificate('trips');
SELECT count(*) FROM trips;
SELECT nobody_left_out, rho_spent > 0 AS counted FROM dp.certificate('trips');
SELECT * FROM dp.drop_share('trips');
-- a price that nobody could pay twice
SET dp.epsilon = 0.9;
SELECT count(*) FROM trips;
SELECT * FROM dp.drop_share('trips', 0.05);
RESET dp.epsilon;
SELECT left_out FROM dp.drop_share('trips', 0.05);
SET dp.epsilon = 0.9;
SELECT count(*) FROM trips;
SELECT nobody_left_out FROM dp.certificate('trips');
-- only those whose own reserve bears it count: 40 of 50 answered, who did not consent or set their limit to nothing do not
SELECT fits + left_out AS consenting_with_a_limit FROM dp.drop_share('trips', 0.05);
SET dp_test.noise = on;
SELECT count(DISTINCT left_out) > 1 AS noisy, bool_and(abs(left_out - 40) <= 8 * stddev_of_noise) AS near FROM generate_series(1, 5), dp.drop_share('trips', 0.01);
-- refusals are public: price, purpose, grant, what is set aside, quota
SELECT * FROM dp.drop_share('trips', -1);
SELECT * FROM dp.drop_share('trips', 'NaN');
SELECT * FROM dp.drop_share('trips', 2);
SELECT * FROM dp.drop_share('trips', 0.5); \echo :LAST_ERROR_SQLSTATE
SELECT * FROM dp.drop_share('registry'); \echo :LAST_ERROR_SQLSTATE
SELECT * FROM dp.certificate('registry'); \echo :LAST_ERROR_SQLSTATE
SELECT * FROM dp.drop_share('nowhere'); \echo :LAST_ERROR_SQLSTATE
SET dp.purpose = research;
SELECT * FROM dp.drop_share('trips'); \echo :LAST_ERROR_SQLSTATE
SET dp.purpose = care;
DO $$
BEGIN
	FOR i IN 1 .. 100 LOOP
		PERFORM * FROM dp.drop_share('trips');
	END LOOP;
EXCEPTION WHEN SQLSTATE 'PV003' THEN
	RAISE NOTICE '%', SQLERRM;
END $$;
SELECT side_spent <= side_limit AS within, side_spent > 0.9 * side_limit AS used_up, nobody_left_out FROM dp.certificate('trips');
SELECT dp.merge_owners('trips', 1, 2);
SELECT dp.rekey_owners('trips', 'VALUES (1, 2)');
SELECT dp.owner_changes('trips');
SELECT dp.start_owners_at_worst_case('trips');
RESET SESSION AUTHORIZATION;
SELECT kind, count(*) > 5 AS many, count(DISTINCT purpose) FROM dp_book.entry WHERE dataset_id = 3 GROUP BY kind ORDER BY kind;
-- ordinary answers were charged to limits, the others to nobody's
SELECT count(*) FROM dp_book.charge c JOIN dp_book.entry e USING (seq) WHERE e.kind <> 'release';
SELECT * FROM verified();
-- The certificate counts delta as it counts rho
CREATE TABLE towns (id int PRIMARY KEY, town text);
INSERT INTO towns SELECT i, 'town' FROM generate_series(1, 50) i;
SELECT dp.create_dataset('towns', 1, 1e-9, capacity => 1000) > 0 AS made;
SELECT dp.protect('towns', 'towns', 'id'), dp.grant_analyst('regress_owners_analyst', 'towns', 1);
SET SESSION AUTHORIZATION regress_owners_analyst;
RESET dp.epsilon;
SET dp.delta = 4e-10;
SELECT count(*) <= 1 AS asked FROM (SELECT town FROM towns GROUP BY town) t;
SELECT nobody_left_out, delta_spent BETWEEN 3e-10 AND 4e-10 AS counted FROM dp.certificate('towns');
SELECT count(*) <= 1 AS asked FROM (SELECT town FROM towns GROUP BY town) t;
SELECT nobody_left_out, rho_spent < 0.1 * rho_standard AS by_delta FROM dp.certificate('towns');
RESET SESSION AUTHORIZATION;
SELECT * FROM verified();

-- one too many is found
UPDATE dp_book.entry SET level = level + 4 WHERE kind <> 'release';
UPDATE dp_book.merge SET units = units / 2 WHERE dataset_id = 1 AND merge_no = 1;
SELECT * FROM verified();

DROP OWNED BY regress_owners_analyst CASCADE;
SET client_min_messages = error;
SELECT dp.revoke_analyst('regress_owners_analyst', d) FROM (VALUES ('hospital'), ('trips'), ('towns')) v(d);
DROP ROLE regress_owners_analyst, regress_owners_steward;
