-- dp.doctor and dp.harden on a fresh install, without a data set: before, after,
-- and taken back.
\set QUIET 1
SET client_min_messages = warning;
CREATE EXTENSION pgtap;
CREATE EXTENSION pg_epsilon;
BEGIN;
SELECT plan(26);

SELECT has_function('dp', 'doctor', '{}'::name[]);
SELECT has_function('dp', 'harden', ARRAY['boolean']);
SELECT has_function('dp', 'harden_undo', ARRAY['boolean']);
SELECT is((SELECT array_to_string(proargnames, ',') FROM pg_proc WHERE oid = 'dp.doctor'::regproc), 'severity,opening,leaks,reaches,statement', 'columns of dp.doctor');
SELECT volatility_is('dp', 'doctor', '{}'::name[], 'stable');
SELECT has_role('dp_monitor');
SELECT ok(has_function_privilege('dp_steward', 'dp.doctor()', 'EXECUTE') AND has_function_privilege('dp_auditor', 'dp.doctor()', 'EXECUTE')
	AND NOT has_function_privilege('dp_analyst', 'dp.doctor()', 'EXECUTE'), 'stewards and auditors ask the doctor, analysts do not');
SELECT ok(NOT (SELECT prosecdef FROM pg_proc WHERE oid = 'dp.harden'::regproc), 'dp.harden lends no rights');
SELECT is((SELECT count(*) FROM dp.doctor() WHERE severity IS NULL OR severity NOT IN ('open', 'warning', 'info') OR opening IS NULL OR leaks IS NULL
	OR reaches IS NULL OR coalesce(statement, '') = ''), 0::bigint, 'every row is complete');

-- What the engine asks for is a part of what is closed, and nothing of it stays open
CREATE TEMP TABLE before AS SELECT * FROM dp.doctor();
SELECT set_has($$ SELECT opening FROM before WHERE severity = 'open' $$,
	$$ VALUES ('pg_stat_xact_* (12 functions)'), ('pg_class.reltuples, relpages, relallvisible'), ('pg_sequences (1 views)') $$, 'openings of a fresh server');
SELECT ok((SELECT count(*) >= 8 FROM before WHERE severity = 'open' AND opening !~ '^pg_hba'), 'one row for each kind');
SELECT is((SELECT count(*) FROM pg_proc p WHERE dp._is_counter(p.oid) AND NOT EXISTS (SELECT FROM dp._statistics() s WHERE s.class = 'f' AND s.object = p.oid)),
	0::bigint, 'dp.harden knows every function that a release is refused for');
SELECT cmp_ok((SELECT count(*) FROM pg_proc p WHERE dp._is_counter(p.oid)), '>=', 80::bigint, 'which are many');
SELECT is((SELECT string_agg(p.oid::regprocedure::text, ', ' ORDER BY p.oid::regprocedure::text) FROM pg_proc p
	WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.proname ~ '_(size|lsn)$' AND NOT EXISTS (SELECT FROM dp._statistics() s WHERE s.object = p.oid)
	AND p.prorettype <> 'pg_lsn'::regtype AND p.proname !~ '^(pg_column_size|pg_lsn|.*_lsn$)'), NULL, 'no size is forgotten');
SELECT is((SELECT array_agg(attname ORDER BY attname) FROM pg_attribute WHERE attrelid = 'pg_class'::regclass AND attname ~ '^rel(tuples|pages|all)'),
	(SELECT array_agg(c ORDER BY c) FROM unnest(dp._hidden_columns()) c), 'no count of pg_class is forgotten');

SELECT hasnt_schema('dp_book');
SELECT cmp_ok((SELECT count(*) FROM dp.harden()), '>', 15::bigint, 'dp.harden shows what it would do');
SELECT hasnt_schema('dp_book', 'and does nothing');
SELECT cmp_ok((SELECT count(*) FROM dp.harden(apply => true)), '>', 15::bigint, 'and does it');
SELECT is((SELECT string_agg(opening, '; ') FROM dp.doctor() WHERE severity = 'open' AND opening !~ '^pg_hba'), NULL, 'nothing is open afterwards');
SELECT is((SELECT count(*) FROM dp_book.hardening WHERE undone_at IS NULL), (SELECT count(*) FROM dp.harden_undo()), 'each step is recorded with what takes it back');
SELECT is_empty('SELECT dp.harden(apply => true)', 'once is enough');
SELECT ok(has_function_privilege('pg_monitor', 'pg_stat_get_wal()', 'EXECUTE') AND has_table_privilege('pg_monitor', 'pg_class', 'SELECT'), 'pg_monitor sees what it saw');
SELECT ok((SELECT count(*) > 15 FROM dp.harden_undo(apply => true)), 'it is taken back');
SELECT set_eq($$ SELECT severity, opening, statement FROM dp.doctor() $$, $$ SELECT severity, opening, statement FROM before $$, 'and the doctor finds what it found');
SELECT is_empty('SELECT dp.harden_undo(apply => true)', 'once');

SELECT * FROM finish();
ROLLBACK;
