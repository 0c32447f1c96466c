-- The book's SQL surface: who may call it, and that it is quiet without a book.
CREATE EXTENSION pg_epsilon;
CREATE ROLE budget_steward IN ROLE dp_steward;
CREATE ROLE budget_auditor IN ROLE dp_auditor;
CREATE ROLE budget_analyst;
CREATE ROLE budget_nobody;

-- Nothing is there yet
SELECT * FROM dp.verify();
SELECT * FROM dp.releases;
SELECT * FROM dp.statement('hospital', 1);
SELECT * FROM dp.quota();

CREATE TABLE patients (id bigint PRIMARY KEY, x int CHECK (x BETWEEN 0 AND 10));
CREATE TABLE devices (id uuid PRIMARY KEY);
CREATE TABLE staff (name text COLLATE "C" PRIMARY KEY);
ALTER TABLE patients OWNER TO budget_steward;
ALTER TABLE devices OWNER TO budget_steward;
ALTER TABLE staff OWNER TO budget_steward;
SET SESSION AUTHORIZATION budget_steward;
BEGIN;
SELECT dp.create_dataset('hospital', 1, 1e-9, capacity => 1000);
SELECT dp.set_limit('hospital', 1, 0.5);
ROLLBACK;
RESET SESSION AUTHORIZATION;
SELECT count(*) > 0 AS hardened FROM dp.harden(apply => true);
SET SESSION AUTHORIZATION budget_steward;
SELECT dp.create_dataset('hospital', 1, 1e-9, capacity => 1000);
SELECT dp.protect('patients', 'hospital', 'id');
SELECT dp.create_dataset('clinic', 2, 0, accountant => 'pure', standard => 1, capacity => 1000);
SELECT dp.protect('devices', 'clinic', 'id');
SELECT dp.create_dataset('employer', 1, 1e-9, capacity => 1000);
SELECT dp.protect('staff', 'employer', 'name');
SELECT dp.add_purpose('hospital', 'research');
SELECT dp.grant_analyst('budget_analyst', 'hospital', 0.1, epsilon_quota => 0.5);
SELECT dp.grant_analyst('budget_analyst', 'clinic', 0.1);

-- Limits and consents
SELECT dp.set_limit('hospital', 1, 0.5);
SELECT dp.set_limit('hospital', '1', 0.25);
SELECT dp.set_limit('hospital', 1, 1.5);
SELECT dp.set_limit('hospital', 1, -1);
SELECT dp.set_limit('hospital', 1, 'NaN');
SELECT dp.set_limit('hospital', 'one', 0.5);
SELECT dp.set_limit('hospital', '6f4e1d5e-0000-4000-8000-000000000001'::uuid, 0.5);
SELECT dp.set_limit('nowhere', 1, 0.5);
SELECT dp.set_limit('hospital', NULL::bigint, 0.5);
SELECT dp.set_limit('clinic', '6f4e1d5e-0000-4000-8000-000000000001', 2);
SELECT dp.set_limit('clinic', '6f4e1d5e-0000-4000-8000-000000000001'::uuid, 1.5);
SELECT dp.set_limit('employer', 'Müller', 0.1);
SELECT dp.set_consent('hospital', 1, 'research', false);
SELECT dp.set_consent('hospital', 1, 'research', true, until => '2100-01-01');
SELECT dp.set_consent('hospital', 1, 'war', true);
SELECT dp.set_consent('hospital', 1, 'research', NULL);
SELECT * FROM dp.statement('hospital', 1);
SELECT * FROM dp.statement('hospital', 77);
SELECT * FROM dp.statement('nowhere', 1);
SELECT check_name, ok FROM dp.verify() ORDER BY check_name COLLATE "C";

RESET SESSION AUTHORIZATION;
SELECT dataset_id, length(owner_key), valid_to IS NULL AS in_force, set_by, ended_by FROM dp_book.owner_limit
ORDER BY dataset_id, valid_from;
-- the data set's epsilon gives the cap; less gives less
SELECT d.name, l.units = d.cap_units AS at_cap, l.units < d.cap_units AS below
FROM dp_book.owner_limit l JOIN dp_book.dataset d USING (dataset_id) WHERE l.set_by = 'budget_steward'
ORDER BY d.dataset_id, l.valid_from;
SELECT granted, until IS NOT NULL AS ends, valid_to IS NULL AS in_force, ended_by FROM dp_book.consent ORDER BY valid_from;
-- no identifier is stored, and the secret only sealed
SELECT count(*) FROM dp_book.account_chunk WHERE position('\x0000000000000001'::bytea IN keys) > 0;
SELECT dataset_id, length(wrapped) FROM dp_book.secret ORDER BY dataset_id;

-- Who may what
SET SESSION AUTHORIZATION budget_auditor;
SELECT count(*) FROM dp.verify() WHERE NOT ok;
SELECT count(*) FROM dp.releases;
SELECT count(*) FROM dp.statement('hospital', 1);
SELECT dp.set_limit('hospital', 1, 0.5);
SELECT count(*) FROM dp_book.entry;
SET SESSION AUTHORIZATION budget_analyst;
SELECT dataset, round(epsilon_per_query::numeric, 6) AS per_query, round(epsilon_quota::numeric, 6) AS quota,
	   epsilon_used, round(epsilon_left::numeric, 6) AS "left", units_used, units_quota = units_left AS all_left
FROM dp.quota();
SELECT * FROM dp.verify();
SELECT * FROM dp.releases;
SELECT * FROM dp.statement('hospital', 1);
SELECT dp.set_consent('hospital', 1, 'research', true);
SELECT dp._make_secret(1);
SELECT dp._make_ledger_book();
SELECT count(*) FROM dp_book.secret;
SET SESSION AUTHORIZATION budget_nobody;
SELECT * FROM dp.quota();
SELECT * FROM dp.verify();
RESET SESSION AUTHORIZATION;

SELECT dp.revoke_analyst('budget_analyst', 'hospital');
SELECT dp.revoke_analyst('budget_analyst', 'clinic');
ALTER TABLE patients OWNER TO CURRENT_USER;
ALTER TABLE devices OWNER TO CURRENT_USER;
ALTER TABLE staff OWNER TO CURRENT_USER;
DROP ROLE budget_steward, budget_auditor, budget_analyst, budget_nobody;
