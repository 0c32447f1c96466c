-- SQL surface of what analysts write in their queries, and of dp.preview.
\set QUIET 1
SET client_min_messages = warning;
CREATE EXTENSION pgtap;
CREATE EXTENSION pg_epsilon;
BEGIN;
SELECT plan(59);

-- Signatures, volatility, rights
SELECT has_function('dp', 'clamp', ARRAY['integer', 'integer', 'integer']);
SELECT has_function('dp', 'clamp', ARRAY['bigint', 'bigint', 'bigint']);
SELECT has_function('dp', 'clamp', ARRAY['numeric', 'numeric', 'numeric']);
SELECT has_function('dp', 'clamp', ARRAY['double precision', 'double precision', 'double precision']);
SELECT function_returns('dp', 'clamp', ARRAY['integer', 'integer', 'integer'], 'integer');
SELECT function_returns('dp', 'clamp', ARRAY['numeric', 'numeric', 'numeric'], 'numeric');
SELECT is_strict('dp', 'clamp', ARRAY['integer', 'integer', 'integer']);
SELECT is_strict('dp', 'clamp', ARRAY['numeric', 'numeric', 'numeric']);
SELECT volatility_is('dp', 'clamp', ARRAY['integer', 'integer', 'integer'], 'immutable');
SELECT volatility_is('dp', 'clamp', ARRAY['double precision', 'double precision', 'double precision'], 'immutable');
SELECT has_function('dp', 'interval_low', ARRAY['anyelement', 'double precision']);
SELECT has_function('dp', 'interval_high', ARRAY['anyelement', 'double precision']);
SELECT has_function('dp', 'stddev_of_noise', ARRAY['anyelement']);
SELECT function_returns('dp', 'interval_low', ARRAY['anyelement', 'double precision'], 'double precision');
SELECT function_returns('dp', 'stddev_of_noise', ARRAY['anyelement'], 'double precision');
SELECT volatility_is('dp', 'interval_low', ARRAY['anyelement', 'double precision'], 'stable');
SELECT has_function('dp', 'preview', ARRAY['text']);
SELECT volatility_is('dp', 'preview', ARRAY['text'], 'volatile');
SELECT is((SELECT array_to_string(proargnames, ',') FROM pg_proc WHERE oid = 'dp.preview'::regproc),
	'query,release,dataset,title,output,aggregate,mechanism,stddev_of_noise,rho,epsilon,delta,groups,rows_per_owner,repeat,answered_at', 'columns of dp.preview');
SELECT is((SELECT count(*) FROM pg_proc p WHERE pronamespace = 'dp'::regnamespace AND obj_description(p.oid, 'pg_proc') IS NULL), 0::bigint, 'every function has a comment');
SELECT is((SELECT string_agg(proname, ',' ORDER BY proname) FROM pg_proc WHERE pronamespace = 'dp'::regnamespace AND prosecdef
	AND (proconfig IS NULL OR NOT proconfig::text LIKE '%search_path=pg_catalog, pg_temp%')), NULL, 'who lends rights has a search path');
SELECT is((SELECT string_agg(DISTINCT p.proname, ',' ORDER BY p.proname) FROM pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
	WHERE p.pronamespace = 'dp'::regnamespace AND a.grantee = 0 AND p.proname IN ('_release', '_output', '_placeholder')), NULL, 'placeholders are nobody''s');

-- dp.clamp
SELECT is(dp.clamp(5, 0, 10), 5);
SELECT is(dp.clamp(-5, 0, 10), 0);
SELECT is(dp.clamp(15, 0, 10), 10);
SELECT is(dp.clamp(NULL::int, 0, 10), NULL);
SELECT is(dp.clamp(5, NULL, 10), NULL);
SELECT is(dp.clamp(2147483647, -2147483648, 2147483647), 2147483647);
SELECT is(dp.clamp(9223372036854775807, 0::bigint, 5::bigint), 5::bigint);
SELECT is(dp.clamp('-9223372036854775808'::bigint, -1::bigint, 5::bigint), -1::bigint);
SELECT is(dp.clamp(5.5, 0.0, 1.25), 1.25);
SELECT is(dp.clamp('NaN'::numeric, 0, 1), NULL, 'NaN is no number');
SELECT is(dp.clamp('infinity'::numeric, 0, 1), 1::numeric);
SELECT is(dp.clamp('-infinity'::numeric, 0, 1), 0::numeric);
SELECT is(dp.clamp(1e100::numeric, 0, 1), 1::numeric);
SELECT is(dp.clamp(5.5::float8, 0, 1.25), 1.25::float8);
SELECT is(dp.clamp('NaN'::float8, 0, 1), NULL, 'NaN is no number');
SELECT is(dp.clamp('infinity'::float8, 0, 1), 1::float8);
SELECT is(dp.clamp('-infinity'::float8, 0, 1), 0::float8);
SELECT is(dp.clamp('-0'::float8, 0, 1), 0::float8);
SELECT is(pg_typeof(dp.clamp(1::int2, 0, 10)), 'integer'::regtype, 'smallint becomes integer');
SELECT is(pg_typeof(dp.clamp(1::float4, 0, 10)), 'double precision'::regtype, 'real becomes double precision');

-- Error bars exist beside aggregates over protected relations only
SELECT throws_ok('SELECT dp.interval_low(1)', 'PV001', 'error bars exist for aggregates over protected relations only');
SELECT throws_ok('SELECT dp.interval_high(count(*)) FROM pg_class', 'PV001');
SELECT throws_ok('SELECT dp.stddev_of_noise(NULL::int)', 'PV001');
SELECT throws_ok('SELECT dp.stddev_of_noise(sum(relpages)) FROM pg_class', 'PV001');

-- Answers and previews
CREATE ROLE regress_tap_release;
CREATE TABLE people (id int PRIMARY KEY, age int CHECK (age BETWEEN 0 AND 99));
INSERT INTO people SELECT i, i % 100 FROM generate_series(1, 1000) i;
SELECT lives_ok('SELECT dp.create_dataset(''tap'', 10, 1e-9, capacity => 2000)');
SELECT lives_ok('SELECT dp.protect(''people'', ''tap'', ''id'')');
DO $$BEGIN PERFORM dp.harden(apply => true); END$$;
SELECT lives_ok('SELECT dp.grant_analyst(''regress_tap_release'', ''tap'', 1)');
COMMIT;
BEGIN;
GRANT USAGE ON SCHEMA public TO regress_tap_release;
SET LOCAL SESSION AUTHORIZATION regress_tap_release;
SELECT is((SELECT count(*) FROM dp.preview('SELECT count(*), avg(age) FROM people')), 2::bigint, 'a row an aggregate');
SELECT is((SELECT count(*) FROM dp.preview('SELECT 1')), 0::bigint, 'nothing to release');
SELECT throws_ok('SELECT * FROM dp.preview(''SELECT * FROM people'')', 'PV001');
SELECT throws_ok('SELECT max(age) FROM people', 'PV001');
SELECT throws_ok('SELECT sum(id) FROM people', 'PV002');
SELECT throws_ok('SET LOCAL dp.epsilon = 5; SELECT count(*) FROM people', 'PV005');
SELECT cmp_ok((SELECT abs(count(*) - 1000) FROM people), '<', 100000::bigint, 'an answer');
SELECT ok((SELECT dp.interval_low(count(*)) < dp.interval_high(count(*)) FROM people), 'an interval');
SELECT is((SELECT count(*) - count(*) FROM people), 0::bigint, 'one answer');
SELECT ok((SELECT units_used > 0 FROM dp.quota()), 'it was charged');
RESET SESSION AUTHORIZATION;
SELECT * FROM finish();
COMMIT;
SELECT dp.revoke_analyst('regress_tap_release', 'tap');
DROP OWNED BY regress_tap_release;
DROP ROLE regress_tap_release;
