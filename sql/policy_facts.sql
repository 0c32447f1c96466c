--
-- Public facts: CHECK constraints, bounds, domains, unique indexes
--
\set VERBOSITY default
\set SHOW_CONTEXT never
SET client_min_messages = error;
DROP ROLE IF EXISTS regress_facts_analyst;
RESET client_min_messages;
CREATE EXTENSION pg_epsilon;
SELECT count(*) > 0 AS hardened FROM dp.harden(apply => true);
CREATE ROLE regress_facts_analyst;
SELECT dp.create_dataset('hospital', 1, 1e-9);

-- What a CHECK constraint says, and what it does not say
CREATE DOMAIN even AS int CHECK (VALUE % 2 = 0);
CREATE FUNCTION liberal(int, int) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true';
CREATE OPERATOR <== (FUNCTION = liberal, LEFTARG = int, RIGHTARG = int);
CREATE TABLE checks (
	owner int NOT NULL,
	i_between int CHECK (i_between BETWEEN 0 AND 120),
	i_strict int CHECK (i_strict > 0 AND 10 > i_strict),
	i_two int CHECK (i_two >= 1) CHECK (i_two <= 9) CHECK (i_two < 8),
	i_equal int CHECK (i_equal = 7),
	i_fraction int CHECK (i_fraction >= 0.5 AND i_fraction <= 9.5),
	s smallint CHECK (s >= 1 AND s <= 5),
	b bigint CHECK (b >= -9007199254740993 AND b <= 9007199254740993),
	n numeric CHECK (n >= 0 AND n < 0.1),
	n_typed numeric(6, 2) CHECK (n_typed >= 0.5::numeric(6, 2) AND n_typed <= 1),
	f float8 CHECK (f > -1.5 AND f < 1e3),
	r real CHECK (r >= 0.25 AND r <= 0.5),
	one_sided int CHECK (one_sided >= 0),
	either int CHECK (either BETWEEN 0 AND 5 OR either = 100),
	negated int CHECK (NOT (negated BETWEEN 0 AND 5)),
	rounded bigint CHECK (rounded::int BETWEEN 0 AND 5),
	computed int CHECK (computed + 1 BETWEEN 0 AND 5),
	two_columns int CHECK (two_columns >= owner AND two_columns <= 100),
	own_operator int CHECK (own_operator <== 10 AND own_operator >= 0),
	infinite float8 CHECK (infinite >= 0 AND infinite < 'Infinity'),
	of_domain even,
	t text CHECK (t BETWEEN 'a' AND 'b'),
	late int,
	private int,
	CONSTRAINT no_inherit CHECK (private BETWEEN 0 AND 1) NO INHERIT);
ALTER TABLE checks ADD CHECK (late BETWEEN 0 AND 1) NOT VALID;
SELECT dp.protect('checks', 'hospital', 'owner');
SELECT column_name, data_type, owner, not_null, lower, upper, bounds_enforced, domain_size FROM dp.describe('checks');
ALTER TABLE checks VALIDATE CONSTRAINT checks_late_check;
SELECT column_name, lower, upper, bounds_enforced FROM dp.describe('checks') WHERE column_name = 'late';

-- Bounds of the steward: the tighter of both, enforced only where the CHECK says it alone
SELECT dp.set_bounds('checks', 'one_sided', -10, 100, 'charts');
SELECT dp.set_bounds('checks', 'i_between', -10, 200);
SELECT dp.set_bounds('checks', 'i_strict', 3, 4);
SELECT dp.set_bounds('checks', 'computed', 0, 0.1);
SELECT column_name, lower, upper, bounds_enforced FROM dp.describe('checks')
WHERE column_name IN ('one_sided', 'i_between', 'i_strict', 'computed');
SELECT dp.set_bounds('checks', 'one_sided', 5, 1);
SELECT dp.set_bounds('checks', 'one_sided', NULL, 1);
SELECT dp.set_bounds('checks', 'one_sided', 'NaN', 1);
SELECT dp.set_bounds('checks', 'one_sided', 0, 'NaN');
SELECT dp.set_bounds('checks', 'one_sided', 0, 'Infinity');
SELECT dp.set_bounds('checks', 'nothing', 0, 1);
SELECT dp.set_bounds('checks', 't', 0, 1);
SELECT dp.set_bounds('pg_class', 'relpages', 0, 1);

-- Domains
CREATE TYPE color AS ENUM ('red', 'green', 'blue');
CREATE TABLE lists (owner int PRIMARY KEY, i int, s smallint, b boolean, t text, v varchar(3), c char(4), e color,
	u uuid, n numeric(5, 2), f float8, d date, ts timestamp, a int[]);
SELECT dp.protect('lists', 'hospital', 'owner');
SELECT dp.set_domain('lists', 'i', ARRAY[3, 1, 2], 'code book');
SELECT dp.set_domain('lists', 's', '{1,2}');
SELECT dp.set_domain('lists', 'b', '{no,yes}');
SELECT dp.set_domain('lists', 't', ARRAY['b', '', 'a b']);
SELECT dp.set_domain('lists', 'v', ARRAY['abc']);
SELECT dp.set_domain('lists', 'c', ARRAY['ab', 'abcd  ']);
SELECT dp.set_domain('lists', 'e', ARRAY['blue', 'red']::color[]);
SELECT dp.set_domain('lists', 'u', '{A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11}');
SELECT dp.set_domain('lists', 'n', ARRAY[1.50, -2]);
SELECT dp.set_domain('lists', 'f', ARRAY[0.1, 1e100]);
SET datestyle = 'SQL, DMY';
SELECT dp.set_domain('lists', 'd', ARRAY['03/02/2020'::date]);
RESET datestyle;
SELECT column_name, domain, source FROM dp_book.column_fact
WHERE relation = 'lists'::regclass AND valid_to IS NULL ORDER BY 1;
SELECT column_name, domain_size FROM dp.describe('lists') WHERE domain_size IS NOT NULL;
SELECT dp.set_domain('lists', 'i', ARRAY['x']);
SELECT dp.set_domain('lists', 'i', ARRAY[1, 1]);
SELECT dp.set_domain('lists', 'i', ARRAY[1, NULL]);
SELECT dp.set_domain('lists', 'i', '{}'::int[]);
SELECT dp.set_domain('lists', 'i', NULL::int[]);
SELECT dp.set_domain('lists', 'i', ARRAY[3000000000]);
SELECT dp.set_domain('lists', 's', ARRAY[40000]);
SELECT dp.set_domain('lists', 'v', ARRAY['abcd']);
SELECT dp.set_domain('lists', 'c', ARRAY['ab', 'ab ']);
SELECT dp.set_domain('lists', 'e', ARRAY['pink']);
SELECT dp.set_domain('lists', 'u', ARRAY['1']);
SELECT dp.set_domain('lists', 'n', ARRAY[1.0, 1.00]);
SELECT dp.set_domain('lists', 'n', ARRAY['NaN']);
SELECT dp.set_domain('lists', 'f', ARRAY['Infinity']);
SELECT dp.set_domain('lists', 'd', ARRAY['2021-02-29']);
SELECT dp.set_domain('lists', 'ts', ARRAY['2020-01-01']);
SELECT dp.set_domain('lists', 'a', ARRAY['{1}']);
SELECT dp.set_domain('lists', 'i', (SELECT array_agg(i) FROM generate_series(1, 100001) i));
SELECT dp.set_domain('lists', 'i', (SELECT array_agg(i) FROM generate_series(1, 100000) i));
SELECT domain_size FROM dp.describe('lists') WHERE column_name = 'i';

-- A list that no longer belongs to its type
ALTER TYPE color RENAME VALUE 'red' TO 'crimson';
\c -
\set SHOW_CONTEXT never
SELECT count(*) FROM dp.describe('lists');
SELECT dp.set_domain('lists', 'e', ARRAY['blue', 'crimson']);
SELECT count(*) FROM dp.describe('lists');

-- rows_per_owner is 1 by a unique index only
CREATE TABLE rows (owner int, other int);
SELECT dp.protect('rows', 'hospital', 'owner');
CREATE FUNCTION regress_rows() RETURNS bigint LANGUAGE sql AS $$ SELECT max(rows_per_owner) FROM dp.describe('rows') $$;
SELECT regress_rows();
CREATE UNIQUE INDEX rows_idx ON rows (owner);
SELECT regress_rows();
DROP INDEX rows_idx;
CREATE UNIQUE INDEX rows_idx ON rows (owner) WHERE owner > 0;
SELECT regress_rows();
DROP INDEX rows_idx;
CREATE UNIQUE INDEX rows_idx ON rows (owner, other);
SELECT regress_rows();
DROP INDEX rows_idx;
CREATE UNIQUE INDEX rows_idx ON rows (abs(owner));
SELECT regress_rows();
DROP INDEX rows_idx;
ALTER TABLE rows ADD CONSTRAINT rows_key UNIQUE (owner) DEFERRABLE;
SELECT regress_rows();
ALTER TABLE rows DROP CONSTRAINT rows_key;
CREATE UNIQUE INDEX rows_idx ON rows (owner) INCLUDE (other);
SELECT regress_rows();
CREATE TABLE rows_child () INHERITS (rows);
SELECT regress_rows();
DROP TABLE rows_child;
DROP INDEX rows_idx;
-- a default of the data set
SELECT dp.create_dataset('defaults', 1, 1e-9, rows_per_owner => 12);
CREATE TABLE with_default (owner text);
CREATE COLLATION IF NOT EXISTS regress_loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE loose (owner text COLLATE regress_loose);
SELECT dp.protect('with_default', 'defaults', 'owner');
SELECT rows_per_owner FROM dp.describe('with_default');
SELECT dp.protect('loose', 'defaults', 'owner');

-- Domains that the schema suggests are proposed, never taken
CREATE TABLE departments (code text PRIMARY KEY);
SELECT dp.declare_public('departments');
CREATE TABLE stays (owner int PRIMARY KEY, dept text REFERENCES departments, shade color, ward text);
SELECT dp.protect('stays', 'hospital', 'owner');
INSERT INTO departments VALUES ('er'), ('icu');
SELECT dp.set_domain('public.stays', 'dept', (SELECT array_agg(code) FROM public.departments));
SELECT dp.set_domain('public.stays', 'shade', enum_range(NULL::public.color));
SELECT column_name, domain_size FROM dp.describe('stays') WHERE domain_size IS NOT NULL;
SELECT dp.protect('stays', 'hospital', 'owner');

-- Analysts see the facts of their data sets
SELECT dp.grant_analyst('regress_facts_analyst', 'hospital', 0.1);
SET ROLE regress_facts_analyst;
SELECT column_name, domain_size FROM dp.describe('lists') WHERE column_name = 'e';
SELECT * FROM dp.describe('with_default');
SELECT * FROM dp.describe('pg_class');
SELECT * FROM dp.protected_tables;
RESET ROLE;

-- History
SELECT action, object, detail FROM dp.policy_log WHERE object LIKE 'public.checks.%' ORDER BY at;
DROP OWNED BY regress_facts_analyst;
DROP ROLE regress_facts_analyst;
