--
-- The SQL surface: what schema dp holds, and how it is labelled.
--
-- The first half lints everything in the schema, whoever wrote it; the second
-- half is the table of what policy offers: name, labels, who may call it.
--
CREATE EXTENSION pgtap;
CREATE EXTENSION pg_epsilon;
SET search_path = public, pg_catalog;
BEGIN;
SELECT plan(46);

CREATE TEMP VIEW functions AS
	SELECT p.oid::regprocedure::text AS function, p.proname AS name, l.lanname AS language, p.prokind AS kind,
		   CASE p.provolatile WHEN 'i' THEN 'immutable' WHEN 's' THEN 'stable' ELSE 'volatile' END AS volatility,
		   CASE p.proparallel WHEN 's' THEN 'safe' WHEN 'r' THEN 'restricted' ELSE 'unsafe' END AS parallel,
		   p.prosecdef AS is_definer, coalesce(p.proconfig, '{}') AS settings,
		   obj_description(p.oid, 'pg_proc') AS comment,
		   ARRAY(SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END
				 FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
				 WHERE a.grantee <> p.proowner ORDER BY 1) AS callers,
		   p.prosrc AS body
	FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
	WHERE p.pronamespace = 'dp'::regnamespace;

-- ---------------------------------------------------------------------------
-- The extension
-- ---------------------------------------------------------------------------

SELECT has_extension('pg_epsilon');
SELECT is((SELECT extnamespace::regnamespace::text FROM pg_extension WHERE extname = 'pg_epsilon'), 'pg_catalog',
		  'the extension itself lives in pg_catalog');
SELECT ok(NOT (SELECT extrelocatable FROM pg_extension WHERE extname = 'pg_epsilon'), 'the extension cannot be moved');
SELECT ok((SELECT bool_and(superuser AND NOT trusted) FROM pg_available_extension_versions WHERE name = 'pg_epsilon'),
		  'only superusers install it');
SELECT has_schema('dp');
SELECT hasnt_schema('dp_book', 'the book is made by the first data set, not by the script');
SELECT is((SELECT count(*) FROM pg_depend WHERE classid = 'pg_namespace'::regclass AND objid = 'dp'::regnamespace
		   AND refclassid = 'pg_extension'::regclass AND deptype = 'e')::int, 1, 'schema dp is a member of the extension');
SELECT schema_privs_are('dp', 'public', ARRAY['USAGE'], 'everybody may use schema dp, nobody may create in it');
SELECT has_role('dp_steward');
SELECT has_role('dp_analyst');
SELECT has_role('dp_auditor');
SELECT is_empty($$ SELECT rolname FROM pg_roles WHERE rolname LIKE 'dp\_%'
				   AND (rolcanlogin OR rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls) $$,
				'the group roles can do nothing by themselves');

-- ---------------------------------------------------------------------------
-- Lint: every object of schema dp
-- ---------------------------------------------------------------------------

SELECT is_empty($$ SELECT function FROM functions WHERE comment IS NULL $$, 'every function has a comment');
SELECT is_empty($$ SELECT c.oid::regclass FROM pg_class c WHERE c.relnamespace = 'dp'::regnamespace
				   AND obj_description(c.oid, 'pg_class') IS NULL $$, 'every view has a comment');
SELECT isnt(obj_description('dp'::regnamespace, 'pg_namespace'), NULL, 'the schema has a comment');
SELECT is_empty($$ SELECT function FROM functions
				   WHERE language NOT IN ('c', 'internal') AND settings[1] IS DISTINCT FROM 'search_path=pg_catalog, pg_temp' $$,
				'every function that resolves names sets search_path first');
SELECT is_empty($$ SELECT function FROM functions
				   WHERE is_definer AND settings[1] IS DISTINCT FROM 'search_path=pg_catalog, pg_temp' $$,
				'every SECURITY DEFINER function sets search_path, in C too');
SELECT is_empty($$ SELECT function FROM functions WHERE is_definer AND 'PUBLIC' = ANY (callers) $$,
				'no SECURITY DEFINER function is open to everybody');
SELECT is_empty($$ SELECT function FROM functions
				   WHERE 'PUBLIC' = ANY (callers) AND language NOT IN ('c', 'internal') $$,
				'what everybody may call is C');
SELECT is_empty($$ SELECT function FROM functions WHERE callers <> '{}'
				   AND NOT callers <@ ARRAY['PUBLIC', 'dp_steward', 'dp_analyst', 'dp_auditor'] $$,
				'nobody but the group roles and PUBLIC was granted anything');
SELECT is_empty($$ SELECT function FROM functions
				   WHERE language IN ('plpgsql', 'sql') AND body ~* 'EXECUTE' AND body ~ '\|\|.*EXECUTE|EXECUTE[^;]*\|\|' $$,
				'no statement is made by concatenation');
SELECT is_empty($$ SELECT function FROM functions WHERE volatility <> 'volatile' AND language = 'plpgsql'
				   AND body ~* '\m(INSERT INTO|UPDATE dp_book|DELETE FROM|GRANT |REVOKE )' $$,
				'what writes is volatile');
SELECT is_empty($$ SELECT c.oid::regclass FROM pg_class c, aclexplode(c.relacl) a
				   WHERE c.relnamespace = 'dp'::regnamespace AND a.grantee = 0 $$, 'no view is open to everybody');
SELECT is_empty($$ SELECT c.oid::regclass FROM pg_class c, aclexplode(c.relacl) a
				   WHERE c.relnamespace = 'dp'::regnamespace AND a.grantee <> c.relowner
				   AND (a.privilege_type <> 'SELECT' OR a.grantee::regrole::text NOT IN ('dp_steward', 'dp_auditor')) $$,
				'views are read by stewards and auditors, and by nobody else');
SELECT is_empty($$ SELECT c.oid::regclass FROM pg_class c WHERE c.relnamespace = 'dp'::regnamespace AND c.relkind <> 'v' $$,
				'schema dp holds no rows');
SELECT is_empty($$ SELECT function FROM functions f
				   WHERE NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass
									 AND d.objid = f.function::regprocedure AND d.deptype = 'e') $$,
				'every function is a member of the extension');

-- ---------------------------------------------------------------------------
-- What policy offers
-- ---------------------------------------------------------------------------

CREATE TEMP TABLE offered (function text, volatility text, parallel text, is_definer boolean, callers text[]);
INSERT INTO offered VALUES
	('dp.create_dataset(text,double precision,double precision,text,double precision,integer,bigint,text,boolean)', 'volatile', 'unsafe', true, '{dp_steward}'),
	('dp.add_purpose(text,text,boolean)', 'volatile', 'unsafe', true, '{dp_steward}'),
	('dp.protect(regclass,text,text,bigint,bigint)', 'volatile', 'unsafe', true, '{dp_steward}'),
	('dp.unprotect(regclass)', 'volatile', 'unsafe', true, '{dp_steward}'),
	('dp.declare_public(regclass)', 'volatile', 'unsafe', true, '{dp_steward}'),
	('dp.set_bounds(regclass,name,numeric,numeric,text)', 'volatile', 'unsafe', true, '{dp_steward}'),
	('dp.set_domain(regclass,name,anycompatiblearray,text)', 'volatile', 'unsafe', false, '{dp_steward}'),
	('dp._set_domain(regclass,name,text[],text)', 'volatile', 'unsafe', true, '{dp_steward}'),
	('dp.grant_analyst(regrole,text,double precision,double precision,text[])', 'volatile', 'unsafe', true, '{dp_steward}'),
	('dp.revoke_analyst(regrole,text)', 'volatile', 'unsafe', true, '{dp_steward}'),
	('dp.describe(regclass)', 'stable', 'unsafe', false, '{dp_analyst,dp_auditor,dp_steward}'),
	('dp._datasets()', 'stable', 'unsafe', true, '{dp_auditor,dp_steward}'),
	('dp._protected_tables()', 'stable', 'unsafe', true, '{dp_auditor,dp_steward}'),
	('dp._analysts()', 'stable', 'unsafe', true, '{dp_auditor,dp_steward}'),
	('dp._policy_log()', 'stable', 'unsafe', true, '{dp_auditor,dp_steward}'),
	('dp._begin_change(regclass)', 'volatile', 'unsafe', false, '{}'),
	('dp._book_exists()', 'volatile', 'unsafe', false, '{}'),
	('dp._policy_changed(regclass)', 'volatile', 'unsafe', false, '{}'),
	('dp._units(double precision,double precision)', 'immutable', 'safe', false, '{}'),
	('dp._delta_units(double precision)', 'immutable', 'safe', false, '{}'),
	('dp._check_path(oid,integer,oid[],name[])', 'volatile', 'unsafe', false, '{}'),
	('dp._domain(oid,name,text[])', 'volatile', 'unsafe', false, '{}'),
	('dp._make_policy_book()', 'volatile', 'unsafe', false, '{}'),
	('dp._close_book()', 'volatile', 'unsafe', false, '{}'),
	('dp._dataset_id(text)', 'stable', 'unsafe', false, '{}'),
	('dp._doors(oid[])', 'stable', 'unsafe', false, '{}'),
	('dp._openings(oid[])', 'stable', 'unsafe', false, '{}'),
	('dp._role_text(oid)', 'stable', 'safe', false, '{}'),
	('dp._check_closed(oid[])', 'volatile', 'unsafe', false, '{}'),
	('dp._strip_rights(regclass)', 'volatile', 'unsafe', false, '{}'),
	('dp._check_roles()', 'volatile', 'unsafe', false, '{}'),
	('dp._check_openings()', 'volatile', 'unsafe', false, '{}'),
	('dp._path_elements(text)', 'immutable', 'safe', false, '{}'),
	('dp._read_path(regclass,text)', 'stable', 'unsafe', false, '{}'),
	('dp._check_protectable(regclass,integer)', 'stable', 'unsafe', false, '{}'),
	('dp._propose_domains(regclass)', 'volatile', 'unsafe', false, '{}'),
	('dp._fact_column_type(regclass,name)', 'stable', 'unsafe', false, '{}'),
	('dp._put_fact(regclass,name,numeric,numeric,text[],text,text)', 'volatile', 'unsafe', false, '{}'),
	('dp._make_analyst(oid)', 'volatile', 'unsafe', false, '{}'),
	('dp._column_renamed(oid,name,name)', 'volatile', 'unsafe', false, '{}'),
	('dp._relation_dropped(oid)', 'volatile', 'unsafe', false, '{}'),
	('dp._role_dropped(oid)', 'volatile', 'unsafe', false, '{}'),
	('dp._inheritance_changed(oid,oid)', 'volatile', 'unsafe', false, '{}');

SELECT is_empty($$ SELECT function FROM offered EXCEPT SELECT function FROM functions $$, 'every function of policy is there');
SELECT is_empty($$ SELECT o.function, f.volatility, f.parallel FROM offered o JOIN functions f USING (function)
				   WHERE (o.volatility, o.parallel) IS DISTINCT FROM (f.volatility, f.parallel) $$,
				'volatility and parallel labels');
SELECT is_empty($$ SELECT o.function FROM offered o JOIN functions f USING (function)
				   WHERE o.is_definer IS DISTINCT FROM f.is_definer $$, 'whose rights a function uses');
SELECT is_empty($$ SELECT o.function, f.callers FROM offered o JOIN functions f USING (function)
				   WHERE o.callers IS DISTINCT FROM f.callers $$, 'who may call');
SELECT is_empty($$ SELECT function FROM functions WHERE settings[1] IS DISTINCT FROM 'search_path=pg_catalog, pg_temp'
				   AND function IN (SELECT function FROM offered) $$, 'every function of policy sets search_path, in C too');

-- Arguments have the names that callers write
SELECT is(pg_get_function_identity_arguments('dp.protect'::regproc),
		  'relation regclass, dataset text, owner_column text, rows_per_owner bigint, groups_per_owner bigint', 'arguments of dp.protect');
SELECT is(pg_get_function_identity_arguments('dp.create_dataset'::regproc),
		  'name text, epsilon double precision, delta double precision, accountant text, standard double precision, capacity integer, rows_per_owner bigint, new_owners text, confirm_large_epsilon boolean',
		  'arguments of dp.create_dataset');
SELECT is(pg_get_function_identity_arguments('dp.set_bounds'::regproc),
		  'relation regclass, column_name name, lower numeric, upper numeric, source text', 'arguments of dp.set_bounds');
SELECT is(pg_get_function_identity_arguments('dp.set_domain'::regproc),
		  'relation regclass, column_name name, domain_values anycompatiblearray, source text', 'arguments of dp.set_domain');
SELECT is(pg_get_function_identity_arguments('dp.grant_analyst'::regproc),
		  'role regrole, dataset text, epsilon_per_query double precision, epsilon_quota double precision, purposes text[]',
		  'arguments of dp.grant_analyst');
SELECT is(pg_get_function_identity_arguments('dp.add_purpose'::regproc),
		  'dataset text, purpose text, default_consent boolean', 'arguments of dp.add_purpose');

-- Views
SELECT columns_are('dp', 'datasets', ARRAY['dataset', 'accountant', 'epsilon', 'delta', 'standard', 'capacity',
	'rows_per_owner', 'new_owners', 'owner_keys', 'created_at', 'created_by', 'closed_at']);
SELECT columns_are('dp', 'protected_tables', ARRAY['relation', 'dataset', 'owner_path', 'rows_per_owner',
	'groups_per_owner', 'state', 'since', 'set_by']);
SELECT columns_are('dp', 'analysts', ARRAY['role', 'dataset', 'epsilon_per_query', 'epsilon_quota', 'purposes', 'since', 'set_by']);
SELECT columns_are('dp', 'policy_log', ARRAY['at', 'who', 'dataset', 'action', 'object', 'detail']);

-- ---------------------------------------------------------------------------
-- The book, once it is there
-- ---------------------------------------------------------------------------

-- Default privileges must not open it
ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC;
ALTER DEFAULT PRIVILEGES GRANT ALL ON SCHEMAS TO PUBLIC;
SELECT lives_ok($$ SELECT dp.create_dataset('tap', 1, 1e-9) $$, 'the first data set makes the book');
SELECT is_empty($$ SELECT c.oid::regclass FROM pg_class c, aclexplode(c.relacl) a
				   WHERE c.relnamespace = 'dp_book'::regnamespace AND a.grantee <> c.relowner $$,
				'nobody but its owner holds a right on the book''s tables');
SELECT is_empty($$ SELECT n.nspname FROM pg_namespace n, aclexplode(n.nspacl) a
				   WHERE n.nspname = 'dp_book' AND a.grantee <> n.nspowner $$, 'nor on its schema');
SELECT is_empty($$ SELECT d.objid FROM pg_depend d WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
				   AND (d.classid = 'pg_namespace'::regclass AND d.objid = 'dp_book'::regnamespace
						OR d.classid = 'pg_class'::regclass AND d.objid IN
							(SELECT oid FROM pg_class WHERE relnamespace = 'dp_book'::regnamespace)) $$,
				'the book is no member of the extension: a dump carries it');
SELECT is_empty($$ SELECT c.oid::regclass FROM pg_class c WHERE c.relnamespace = 'dp_book'::regnamespace AND c.relkind = 'r'
				   AND obj_description(c.oid, 'pg_class') IS NULL $$, 'every table of the book has a comment');

SELECT * FROM finish();
ROLLBACK;
