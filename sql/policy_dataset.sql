--
-- Data sets: what may be promised, how it is split, who may promise it
--
\set VERBOSITY default
\set SHOW_CONTEXT never
SET client_min_messages = error;
DROP ROLE IF EXISTS regress_dataset_steward, regress_dataset_analyst, regress_dataset_nobody;
RESET client_min_messages;
CREATE EXTENSION pg_epsilon;
CREATE ROLE regress_dataset_steward IN ROLE dp_steward;
CREATE ROLE regress_dataset_analyst;
CREATE ROLE regress_dataset_nobody;

-- Nothing is there before the first data set
SELECT * FROM dp.datasets;
SELECT * FROM dp.protected_tables;
SELECT * FROM dp.analysts;
SELECT * FROM dp.policy_log;
SELECT to_regnamespace('dp_book');

-- Only stewards, and only by themselves
SET ROLE regress_dataset_nobody;
SELECT dp.create_dataset('d', 1, 1e-9);
RESET ROLE;
CREATE FUNCTION public.regress_promise() RETURNS int LANGUAGE sql SECURITY DEFINER
	AS $$ SELECT dp.create_dataset('d', 1, 1e-9) $$;
ALTER FUNCTION public.regress_promise() OWNER TO regress_dataset_steward;
SET ROLE regress_dataset_nobody;
SELECT public.regress_promise();
RESET ROLE;

-- A schema of that name that somebody else made is not the book
CREATE SCHEMA dp_book AUTHORIZATION regress_dataset_nobody;
SELECT dp.create_dataset('d', 1, 1e-9);
DROP SCHEMA dp_book;

SET ROLE regress_dataset_steward;
-- epsilon
SELECT dp.create_dataset('d', 0, 1e-9);
SELECT dp.create_dataset('d', -1, 1e-9);
SELECT dp.create_dataset('d', 'NaN', 1e-9);
SELECT dp.create_dataset('d', 'Infinity', 1e-9);
SELECT dp.create_dataset('d', NULL, 1e-9);
SELECT dp.create_dataset('d', 10.1, 1e-9);
SELECT dp.create_dataset('d', 1000, 1e-9, confirm_large_epsilon => true);
-- delta
SELECT dp.create_dataset('d', 1, 0);
SELECT dp.create_dataset('d', 1, 1);
SELECT dp.create_dataset('d', 1, 'NaN');
SELECT dp.create_dataset('d', 1, 1e-13);
SELECT dp.create_dataset('d', 1, 1e-9, 'pure');
-- the rest
SELECT dp.create_dataset('d', 1, 1e-9, 'rdp');
SELECT dp.create_dataset('d', 1, 1e-9, standard => 2);
SELECT dp.create_dataset('d', 1, 1e-9, standard => 0);
SELECT dp.create_dataset('d', 1, 1e-9, capacity => 999);
SELECT dp.create_dataset('d', 1, 1e-9, capacity => 16777217);
SELECT dp.create_dataset('d', 1, 1e-9, rows_per_owner => 0);
SELECT dp.create_dataset('d', 1, 1e-9, new_owners => 'never');
SELECT dp.create_dataset('', 1, 1e-9);

-- good ones
SELECT dp.create_dataset('hospital', 1, 1e-9);
SELECT dp.create_dataset('hospital', 1, 1e-9);
SELECT dp.create_dataset('half', 2, 1e-9, standard => 1, capacity => 1000, rows_per_owner => 10);
SELECT dp.create_dataset('careless', 1, 1e-3, capacity => 1000);
SELECT dp.create_dataset('pure', 1, 0, 'pure');
SELECT dp.create_dataset('later', 1, 1e-9, new_owners => 'worst_case');
SELECT dp.create_dataset('large', 20, 1e-9, confirm_large_epsilon => true);
SELECT dp.create_dataset('too large', 7.5, 0, 'pure');
-- not more than is customary, nor so much epsilon that it must be confirmed
SELECT dp.create_dataset('just so', 10, 0.0005, capacity => 1000);
SELECT dataset, accountant, epsilon, delta, standard, capacity, rows_per_owner, new_owners, owner_keys, created_by, closed_at
FROM dp.datasets ORDER BY created_at;
RESET ROLE;

-- The split: half of delta converts, the other half selects groups, less
-- collisions of account keys; 5 % of rho stays aside; everything rounded down
SELECT name, conversion_delta = delta / 2 AS half,
	   delta_units <= delta / 2 * 2 ^ 60 AND delta_units >= (delta / 2 - capacity * 2 ^ -63) * 2 ^ 60 - 1 AS selection,
	   cap_units <= 0.95 * (cap_units + side_units)::numeric
	   AND cap_units + 1 > 0.95 * (cap_units + side_units)::numeric AS reserve,
	   standard_units = cap_units AS full_standard
FROM dp_book.dataset WHERE accountant = 'zcdp' ORDER BY dataset_id;
SELECT name, delta_units, conversion_delta, cap_units + side_units = 2::numeric ^ 60 AS exact
FROM dp_book.dataset WHERE accountant = 'pure';
-- rho of (1, 5e-10) is 0.0144076 (docs/privacy.md)
SELECT round((cap_units + side_units) / 2::numeric ^ 60, 7) FROM dp_book.dataset WHERE name = 'hospital';

-- Every epsilon is converted once, downward: published values of rho at epsilon and
-- delta, met from below
SELECT count(*), bool_and(dp._units(epsilon, delta) <= rho * 2 ^ 60 * (1 + 1e-12)) AS not_above,
	   bool_and(dp._units(epsilon, delta) >= rho * 2 ^ 60 * (1 - 1e-9)) AS nor_far_below
FROM (VALUES (0.1, 1e-5, 0.00043299372940180947), (0.1, 1e-6, 0.0003210476903457401), (0.1, 1e-9, 0.00017713844718502086), (0.1, 1e-12, 0.00012108933278432063),
	(0.5, 1e-5, 0.008505530591181911), (0.5, 1e-6, 0.006641524356660502), (0.5, 1e-9, 0.003953191141217897), (0.5, 1e-12, 0.002793277347784374),
	(1, 1e-5, 0.03055659519763956), (1, 1e-6, 0.024355970359538372), (1, 1e-9, 0.014973057673588523), (1, 1e-12, 0.010740116443099208),
	(2, 1e-5, 0.10825636382305726), (2, 1e-6, 0.08815268837994626), (2, 1e-9, 0.056130501796519815), (2, 1e-12, 0.04095743656951571),
	(4, 1e-5, 0.3731439827693287), (4, 1e-6, 0.3110649549408351), (4, 1e-9, 0.20631290922949075), (4, 1e-12, 0.15374113077269205),
	(8, 1e-5, 1.229714525761431), (8, 1e-6, 1.052358004556989), (8, 1e-9, 0.7328332873824535), (8, 1e-12, 0.5610359054493199)) v(epsilon, delta, rho);

-- Nobody else reads the book
SELECT count(*) FROM information_schema.table_privileges WHERE table_schema = 'dp_book' AND grantee <> 'postgres'
	AND grantee <> current_user;
SET ROLE regress_dataset_steward;
SELECT * FROM dp_book.dataset;
RESET ROLE;

-- Purposes
SET ROLE regress_dataset_steward;
SELECT dp.add_purpose('hospital', 'research');
SELECT dp.add_purpose('hospital', 'research');
SELECT dp.add_purpose('hospital', '');
SELECT dp.add_purpose('nowhere', 'research');
SELECT dp.add_purpose('hospital', 'billing', false);
SELECT count(dp.add_purpose('hospital', 'p' || i)) FROM generate_series(1, 30) i;
SELECT dp.add_purpose('hospital', 'one too many');
SELECT who, dataset, action, object, detail FROM dp.policy_log
WHERE object !~ '^p\d' ORDER BY at;
RESET ROLE;

-- The book outlives everything but its database
DROP EXTENSION pg_epsilon;
DROP EXTENSION pg_epsilon CASCADE;
DROP SCHEMA dp CASCADE;
DROP SCHEMA dp_book CASCADE;
DROP TABLE dp_book.analyst;
TRUNCATE dp_book.analyst;
ALTER EXTENSION pg_epsilon DROP SCHEMA dp;
ALTER EXTENSION pg_epsilon ADD SCHEMA dp_book;
ALTER SCHEMA dp_book RENAME TO elsewhere;
ALTER SCHEMA dp_book OWNER TO regress_dataset_nobody;
ALTER SCHEMA dp RENAME TO elsewhere;
ALTER TABLE dp_book.dataset RENAME TO elsewhere;
ALTER TABLE dp_book.dataset SET SCHEMA public;
ALTER TABLE dp_book.dataset OWNER TO regress_dataset_nobody;
ALTER TABLE dp_book.dataset RENAME COLUMN epsilon TO elsewhere;
ALTER TABLE dp_book.dataset ALTER COLUMN epsilon TYPE numeric;
ALTER TABLE dp_book.dataset DROP COLUMN epsilon;
DROP ROLE dp_analyst;
ALTER ROLE dp_steward RENAME TO elsewhere;
