--
-- Analysts: grants, duties kept apart
--
\set VERBOSITY default
\set SHOW_CONTEXT never
SET client_min_messages = error;
DROP ROLE IF EXISTS regress_analyst_a, regress_analyst_b, regress_analyst_group, regress_analyst_root,
	regress_analyst_friend, regress_analyst_steward, regress_analyst_auditor, regress_analyst_owner, regress_analyst_app;
RESET client_min_messages;
CREATE EXTENSION pg_epsilon;
SELECT count(*) > 0 AS hardened FROM dp.harden(apply => true);
CREATE ROLE regress_analyst_a;
CREATE ROLE regress_analyst_group;
CREATE ROLE regress_analyst_b IN ROLE regress_analyst_group;
CREATE ROLE regress_analyst_root SUPERUSER;
CREATE ROLE regress_analyst_friend IN ROLE regress_analyst_root;
CREATE ROLE regress_analyst_steward IN ROLE dp_steward;
CREATE ROLE regress_analyst_auditor IN ROLE dp_auditor;
CREATE ROLE regress_analyst_owner;
CREATE ROLE regress_analyst_app;
SELECT dp.create_dataset('hospital', 1, 1e-9);
SELECT dp.create_dataset('pure', 1, 0, 'pure');
SELECT dp.add_purpose('hospital', 'research');
SELECT dp.add_purpose('hospital', 'billing', false);
CREATE TABLE visits (owner int, dept text);
CREATE TABLE owned (owner int);
ALTER TABLE owned OWNER TO regress_analyst_owner;
SELECT dp.protect('visits', 'hospital', 'owner', 5);
SELECT dp.protect('owned', 'hospital', 'owner', 5);
GRANT SELECT (dept) ON visits TO regress_analyst_a;
GRANT SELECT, UPDATE ON visits TO regress_analyst_b;
GRANT SELECT ON visits TO regress_analyst_app;

SET ROLE regress_analyst_steward;
-- Who cannot be an analyst
SELECT dp.grant_analyst('regress_analyst_root', 'hospital', 0.1);
SELECT dp.grant_analyst('regress_analyst_friend', 'hospital', 0.1);
SELECT dp.grant_analyst('regress_analyst_steward', 'hospital', 0.1);
SELECT dp.grant_analyst('regress_analyst_auditor', 'hospital', 0.1);
SELECT dp.grant_analyst('dp_analyst', 'hospital', 0.1);
SELECT dp.grant_analyst('regress_analyst_owner', 'hospital', 0.1);
SELECT dp.grant_analyst('nobody_at_all', 'hospital', 0.1);
-- On which terms
SELECT dp.grant_analyst('regress_analyst_a', 'nowhere', 0.1);
SELECT dp.grant_analyst('regress_analyst_a', 'hospital', 0);
SELECT dp.grant_analyst('regress_analyst_a', 'hospital', NULL);
SELECT dp.grant_analyst('regress_analyst_a', 'hospital', 'NaN');
SELECT dp.grant_analyst('regress_analyst_a', 'hospital', 1.5);
SELECT dp.grant_analyst('regress_analyst_a', 'hospital', 0.1, 0.01);
SELECT dp.grant_analyst('regress_analyst_a', 'hospital', 0.1, 'Infinity');
SELECT dp.grant_analyst('regress_analyst_a', 'hospital', 0.1, 1e6);
SELECT dp.grant_analyst('regress_analyst_a', 'hospital', 1e-12);
SELECT dp.grant_analyst('regress_analyst_a', 'hospital', 0.1, purposes => '{sales}');
SELECT dp.grant_analyst('regress_analyst_a', 'hospital', 0.1, purposes => '{}');
SELECT dp.grant_analyst('regress_analyst_a', 'hospital', 0.1, purposes => '{research,NULL}');
SELECT role, dataset FROM dp.analysts;
SELECT pg_has_role('regress_analyst_a', 'dp_analyst', 'MEMBER');

-- Granted; what the role or its members held is taken
SELECT dp.grant_analyst('regress_analyst_a', 'hospital', 0.1, 0.5, '{research}');
SELECT dp.grant_analyst('regress_analyst_group', 'hospital', 0.2);
SELECT dp.grant_analyst('regress_analyst_a', 'pure', 0.5, 3);
SELECT role, dataset, epsilon_per_query, epsilon_quota, purposes, set_by FROM dp.analysts;
RESET ROLE;
SELECT has_any_column_privilege('regress_analyst_a', 'visits', 'SELECT') AS a,
	   has_any_column_privilege('regress_analyst_b', 'visits', 'SELECT') AS b,
	   has_any_column_privilege('regress_analyst_app', 'visits', 'SELECT') AS app;
-- converted once, downward: epsilon of the stored rho is at most what was asked
SELECT a.role, d.name,
	   query_units > 0 AND query_units <= 2 ^ 60 * (CASE d.accountant WHEN 'pure' THEN epsilon_per_query ELSE epsilon_per_query ^ 2 / 2 END) AS query,
	   quota_units IS NULL OR quota_units > query_units AS quota
FROM dp_book.analyst a JOIN dp_book.dataset d USING (dataset_id) WHERE valid_to IS NULL ORDER BY a.valid_from;

-- A new grant replaces the old one; an end is an end, and stays closed
SET ROLE regress_analyst_steward;
SELECT dp.grant_analyst('regress_analyst_a', 'hospital', 0.3);
SELECT dp.revoke_analyst('regress_analyst_group', 'hospital');
SELECT dp.revoke_analyst('regress_analyst_group', 'hospital');
SELECT dp.revoke_analyst('regress_analyst_a', 'nowhere');
SELECT role, dataset, epsilon_per_query, purposes FROM dp.analysts;
RESET ROLE;
GRANT SELECT ON visits TO regress_analyst_b;
SET ROLE regress_analyst_auditor;
SELECT who = 'regress_analyst_steward' AS steward, dataset, action, object, detail FROM dp.policy_log
WHERE action LIKE '%analyst' ORDER BY at, action;
SELECT dp.grant_analyst('regress_analyst_a', 'hospital', 0.1);
RESET ROLE;

-- What an analyst may call of policy: dp.describe
SET ROLE regress_analyst_a;
SELECT column_name, owner, rows_per_owner FROM dp.describe('visits');
SELECT dp.grant_analyst('regress_analyst_a', 'hospital', 1);
SELECT dp.set_bounds('visits', 'owner', 0, 1);
SELECT * FROM dp.analysts;
SELECT * FROM dp.policy_log;
RESET ROLE;
SET ROLE regress_analyst_b;
SELECT count(*) FROM dp.describe('visits');
RESET ROLE;

SET client_min_messages = error;
SELECT count(dp.unprotect(relation)) FROM dp.protected_tables WHERE state = 'protected';
DROP TABLE visits, owned;
DROP OWNED BY regress_analyst_a, regress_analyst_b, regress_analyst_group, regress_analyst_app;
DROP ROLE regress_analyst_a, regress_analyst_b, regress_analyst_group, regress_analyst_root,
	regress_analyst_friend, regress_analyst_steward, regress_analyst_auditor, regress_analyst_owner, regress_analyst_app;
