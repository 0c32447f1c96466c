-- Admission without a query (test flavour): who is charged, when, and that
-- nothing gives it back.
CREATE EXTENSION pg_epsilon;
CREATE SCHEMA dp_test;
CREATE FUNCTION dp_test.admit(dataset text, owners bigint[], level int, delta_level int DEFAULT 0, purpose int DEFAULT -1)
	RETURNS int AS 'pg_epsilon', 'eps_budget_sql_test_admit' LANGUAGE C STRICT;
CREATE FUNCTION dp_test.quota(dataset text, units bigint, quota_units bigint)
	RETURNS bigint AS 'pg_epsilon', 'eps_budget_sql_test_quota' LANGUAGE C STRICT;
CREATE FUNCTION dp_test.spent(dataset text, owner bigint) RETURNS int
	LANGUAGE sql AS $$ SELECT count(*)::int FROM dp.statement(dataset, owner) $$;

CREATE TABLE patients (id int PRIMARY KEY, x int);
SELECT dp.create_dataset('hospital', 1, 1e-9, capacity => 1000);
SELECT dp.protect('patients', 'hospital', 'id');

-- A level of which three fit into a limit, and four do not
SELECT max(l) AS third FROM generate_series(1, 253) l, dp_book.dataset d
WHERE dp._ladder_units(l) <= d.cap_units / 3.0 \gset
SELECT 4 * dp._ladder_units(:third) > cap_units AS four_do_not_fit FROM dp_book.dataset;

-- Each owner on their own; skip, not halt; a whole answer or nothing
SELECT dp_test.admit('hospital', ARRAY[1, 2, 3], :third);
SELECT dp_test.admit('hospital', ARRAY[1, 2], :third);
SELECT dp_test.admit('hospital', ARRAY[1, 4], :third);
SELECT dp_test.admit('hospital', ARRAY[1, 2, 3, 4], :third) AS without_1;
SELECT dp_test.admit('hospital', ARRAY[1], 20) AS a_cheaper_one;
SELECT dp_test.admit('hospital', ARRAY[]::bigint[], :third) AS nobody;
SELECT owner, dp_test.spent('hospital', owner) FROM generate_series(1, 5) owner ORDER BY owner;

-- delta has its own limit, and both change together
SELECT min(l) AS all_delta FROM generate_series(1, 253) l, dp_book.dataset d
WHERE dp._ladder_units(l) > d.delta_units / 2.0 \gset
SELECT dp_test.admit('hospital', ARRAY[10, 11], 8, :all_delta);
SELECT dp_test.admit('hospital', ARRAY[10, 12], 8, :all_delta) AS without_10;
SELECT dp_test.admit('hospital', ARRAY[10], 8) AS without_delta;
SELECT count(*), sum(rho) = max(running_rho) AS adds_up, sum(delta) = max(running_delta) AS delta_too
FROM dp.statement('hospital', 10::bigint);

-- Nothing gives it back: ROLLBACK, savepoint, exception, prepared transaction
BEGIN;
SELECT dp_test.admit('hospital', ARRAY[20], 50);
ROLLBACK;
BEGIN;
SAVEPOINT s;
SELECT dp_test.admit('hospital', ARRAY[20], 50);
ROLLBACK TO s;
COMMIT;
DO $$
BEGIN
	PERFORM dp_test.admit('hospital', ARRAY[20], 50);
	RAISE division_by_zero;
EXCEPTION WHEN division_by_zero THEN
	NULL;
END $$;
BEGIN;
SELECT dp_test.admit('hospital', ARRAY[20], 50);
PREPARE TRANSACTION 'budget';
SELECT dp_test.spent('hospital', 20);
ROLLBACK PREPARED 'budget';
BEGIN TRANSACTION READ ONLY;
SELECT dp_test.admit('hospital', ARRAY[20], 50);
COMMIT;
BEGIN TRANSACTION ISOLATION LEVEL SERIALIZABLE;
SELECT dp_test.admit('hospital', ARRAY[20], 50);
ROLLBACK;
SELECT dp_test.spent('hospital', 20);

-- An owner's own limit: never above the promise; below what is spent means no more
SELECT dp.set_limit('hospital', 30, 0);
SELECT dp_test.admit('hospital', ARRAY[30, 31], 50) AS without_30;
SELECT dp.set_limit('hospital', 30, 1);
SELECT dp_test.admit('hospital', ARRAY[30], :third);
SELECT dp.set_limit('hospital', 30, 0.01);
SELECT dp_test.admit('hospital', ARRAY[30], 1) AS left_out;
BEGIN;
SELECT dp.set_limit('hospital', 30, 1);
ROLLBACK;
SELECT dp_test.admit('hospital', ARRAY[30], 1) AS a_limit_is_not_rolled_back;
SELECT count(*), count(*) FILTER (WHERE valid_to IS NULL) AS in_force FROM dp_book.owner_limit;

-- Consent
SELECT dp.add_purpose('hospital', 'research', true);
SELECT dp.add_purpose('hospital', 'marketing', false);
SELECT dp_test.admit('hospital', ARRAY[40, 41], 50, 0, 0) AS by_default;
SELECT dp_test.admit('hospital', ARRAY[40, 41], 50, 0, 1) AS not_by_default;
SELECT dp.set_consent('hospital', 40, 'research', false);
SELECT dp.set_consent('hospital', '41', 'marketing', true);
SELECT dp_test.admit('hospital', ARRAY[40, 41], 50, 0, 0) AS without_40;
SELECT dp_test.admit('hospital', ARRAY[40, 41], 50, 0, 1) AS only_41;
-- one that ends: a grant becomes a refusal, a refusal is forgotten
SELECT dp.set_consent('hospital', 42, 'marketing', true, clock_timestamp() + '0.7 s');
SELECT dp.set_consent('hospital', 43, 'research', false, clock_timestamp() + '0.7 s');
SELECT dp_test.admit('hospital', ARRAY[42], 50, 0, 1) AS granted, dp_test.admit('hospital', ARRAY[43], 50, 0, 0) AS refused;
SELECT pg_sleep(0.8);
SELECT dp_test.admit('hospital', ARRAY[42], 50, 0, 1) AS ended, dp_test.admit('hospital', ARRAY[43], 50, 0, 0) AS forgotten;
SELECT dp.set_consent('hospital', 44, 'marketing', true, '2000-01-01');
SELECT dp_test.admit('hospital', ARRAY[44], 50, 0, 1) AS long_ended;

-- Quotas: all or none, never returned
SELECT dp_test.quota('hospital', 600, 1000);
SELECT dp_test.quota('hospital', 500, 1000);
BEGIN;
SELECT dp_test.quota('hospital', 400, 1000);
ROLLBACK;
SELECT dp_test.quota('hospital', 1, 1000);

-- A full book leaves out silently whom it has no account for
SELECT dp_test.admit('hospital', (SELECT array_agg(g) FROM generate_series(1001, 2500) g), 1) < 1000 AS some_left_out;
SELECT dp_test.admit('hospital', ARRAY[3000], 1) AS no_room;
SELECT dp.set_limit('hospital', 3000, 0.5);
SELECT dp_test.spent('hospital', 3000);
SELECT sum(length(keys)) / 16 AS accounts FROM dp_book.account_chunk;

-- A pure data set counts epsilon and has no delta to spend
CREATE TABLE devices (id int PRIMARY KEY);
SELECT dp.create_dataset('clinic', 1, 0, accountant => 'pure', standard => 0.5, capacity => 1000);
SELECT dp.protect('devices', 'clinic', 'id');
SELECT max(l) AS half FROM generate_series(1, 253) l, dp_book.dataset d
WHERE d.name = 'clinic' AND dp._ladder_units(l) <= d.standard_units / 2.0 \gset
SELECT dp_test.admit('clinic', ARRAY[1, 2], :half), dp_test.admit('clinic', ARRAY[1], :half), dp_test.admit('clinic', ARRAY[1], :half) AS no_more;
SELECT dp_test.admit('clinic', ARRAY[2], 1, 1) AS no_delta;
SELECT dp.set_limit('clinic', 1, 1);
SELECT dp_test.admit('clinic', ARRAY[1], :half) AS up_to_the_promise;
SELECT count(*), max(running_epsilon) = max(running_rho) AS epsilon_itself, max(limit_epsilon) AS "limit" FROM dp.statement('clinic', 1);
SELECT max(limit_epsilon) AS "limit" FROM dp.statement('clinic', 2);

SELECT check_name, ok, detail FROM dp.verify() WHERE check_name LIKE 'hospital%';
SELECT count(*) FROM dp.verify() WHERE check_name LIKE 'clinic%' AND ok;

-- A charge that is no bitmap is found, and named by its entry alone
UPDATE dp_book.charge SET owners = set_byte(owners, length(owners) - 1, 255) WHERE seq = (SELECT min(seq) FROM dp_book.charge);
SELECT check_name, ok, detail FROM dp.verify() WHERE NOT ok;
SELECT seq FROM dp.statement('hospital', 1);
