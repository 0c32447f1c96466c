-- ---------------------------------------------------------------------------
-- Every opening of this installation, with the statement that closes it
-- ---------------------------------------------------------------------------

-- Each part gives rows of one subject. Severity: 'open', an analyst has an exact
-- bit, or a charge may be lost; 'warning', open under a condition that is not
-- known here; 'info', named so that nobody is surprised.

-- The membership of a role by which it reaches another.
CREATE FUNCTION dp._membership_text(role oid, target oid) RETURNS text
	LANGUAGE sql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('REVOKE %s FROM %s', dp._role_text(m.roleid), dp._role_text($1))
	FROM pg_auth_members m
	WHERE m.member = $1 AND pg_has_role(m.roleid, $2, 'MEMBER')
	ORDER BY m.roleid <> $2, m.roleid LIMIT 1
$$;
COMMENT ON FUNCTION dp._membership_text(oid, oid) IS 'internal: the REVOKE that ends a membership';

-- Rules 31: statistics of the server.
CREATE FUNCTION dp._doctor_statistics() RETURNS TABLE (severity text, opening text, leaks text, reaches text, statement text)
	LANGUAGE sql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
	WITH open AS MATERIALIZED (SELECT o.* FROM dp._statistics_open() o)
	SELECT CASE o.topic WHEN 'pg_stats, pg_stats_ext' THEN 'warning' ELSE 'open' END,
		   format('%s (%s%s)', o.topic, count(*), CASE o.class WHEN 'f' THEN ' functions' ELSE ' views' END),
		   o.leaks, dp._role_text(o.grantee),
		   format('REVOKE %s ON %s %s FROM %s', dp._privilege_of(o.class), CASE o.class WHEN 'f' THEN 'FUNCTION' ELSE 'TABLE' END,
				  string_agg(dp._object_text(o.class, o.object), ', ' ORDER BY dp._object_text(o.class, o.object)), dp._role_text(o.grantee))
	FROM open o
	GROUP BY o.topic, o.leaks, o.class, o.grantee
	UNION ALL
	SELECT 'open', 'pg_class.reltuples, relpages, relallvisible', 'how many rows and pages each table has, as of its last VACUUM or ANALYZE',
		   dp._role_text(o.grantee),
		   CASE WHEN o.column_names IS NOT NULL
				THEN format('REVOKE SELECT (%s) ON pg_class FROM %s', array_to_string(o.column_names, ', '), dp._role_text(o.grantee))
				ELSE format('REVOKE SELECT ON pg_class FROM %s', dp._role_text(o.grantee))
				|| CASE WHEN o.grantee <> 0 THEN '' ELSE (
					SELECT format('; GRANT SELECT (%s) ON pg_class TO PUBLIC', string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum > 0 DESC, abs(a.attnum)))
					FROM pg_attribute a
					WHERE a.attrelid = 'pg_class'::regclass AND NOT a.attisdropped AND a.attname <> ALL (dp._hidden_columns())) END END
	FROM dp._class_open() o
	UNION ALL
	SELECT 'info', format('%s is not in dp_monitor', dp._role_text(m.role)),
		   'nothing: but \dt+, pg_dump and monitoring by this role fail, for what dp.harden closed', 'nobody',
		   format('GRANT dp_monitor TO %s', dp._role_text(m.role))
	FROM dp._monitors_to_add() m
	WHERE NOT EXISTS (SELECT FROM dp._class_open() o WHERE o.grantee = 0)
$$;
COMMENT ON FUNCTION dp._doctor_statistics() IS 'internal: dp.doctor, statistics of the server';

-- Rule 29: rights on protected rows.
CREATE FUNCTION dp._doctor_rights() RETURNS TABLE (severity text, opening text, leaks text, reaches text, statement text)
	LANGUAGE sql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
	WITH family AS MATERIALIZED (SELECT f.relation FROM dp._protected_family() f),
	reaching AS MATERIALIZED (SELECT r.* FROM dp._reaching() r)
	SELECT 'open', format('%s %s', CASE o.kind WHEN 'S' THEN 'sequence' WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' ELSE 'table' END, o.door),
		   CASE WHEN o.kind = 'S' THEN 'how many rows have been inserted' ELSE 'protected rows, or that one exists' END,
		   dp._role_text(o.grantee) || CASE WHEN o.is_owner THEN ' (the owner)' ELSE '' END,
		   CASE WHEN NOT o.is_owner THEN format('REVOKE ALL ON %s %s FROM %s CASCADE', CASE o.kind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, o.door, dp._role_text(o.grantee))
				WHEN o.is_analyst THEN format('ALTER TABLE %s OWNER TO CURRENT_USER', o.door)
				ELSE (SELECT string_agg(dp._membership_text(a.role, o.grantee), '; ') FROM dp._analyst_roles() a WHERE pg_has_role(a.role, o.grantee, 'MEMBER')) END
	FROM dp._openings((SELECT array_agg(f.relation) FROM family f)) o
	UNION ALL
	SELECT 'open', format('%s is in the hand of an analyst', c.what), c.leaks, c.reaches, c.statement FROM dp._code_openings() c
	UNION ALL
	SELECT 'warning', format('materialized view %s', d.door), 'a copy of protected rows, outside every rule; refused to analysts', 'whoever may read it',
		   format('DROP MATERIALIZED VIEW %s', d.door)
	FROM dp._doors((SELECT array_agg(f.relation) FROM family f)) d
	WHERE d.kind = 'm' AND d.door NOT IN (SELECT f.relation FROM family f)
	UNION ALL
	SELECT 'warning', format('publication %s', quote_ident(p.pubname)), CASE WHEN p.puballtables THEN 'protected rows and the book, by logical replication' ELSE 'protected rows, by logical replication' END, 'roles with REPLICATION, and their subscribers',
		   CASE WHEN p.puballtables THEN format('DROP PUBLICATION %I', p.pubname)
				WHEN EXISTS (SELECT FROM pg_publication_rel r JOIN family f ON f.relation = r.prrelid WHERE r.prpubid = p.oid)
				THEN format('ALTER PUBLICATION %I DROP TABLE %s', p.pubname,
							(SELECT string_agg(r.prrelid::regclass::text, ', ') FROM pg_publication_rel r JOIN family f ON f.relation = r.prrelid WHERE r.prpubid = p.oid))
				ELSE format('ALTER PUBLICATION %I DROP TABLES IN SCHEMA %s', p.pubname,
							(SELECT string_agg(DISTINCT n.pnnspid::regnamespace::text, ', ') FROM pg_publication_namespace n
							 JOIN pg_class c ON c.relnamespace = n.pnnspid JOIN family f ON f.relation = c.oid WHERE n.pnpubid = p.oid)) END
	FROM pg_publication p
	WHERE EXISTS (SELECT FROM family)
	AND (p.puballtables
		 OR EXISTS (SELECT FROM pg_publication_rel r JOIN family f ON f.relation = r.prrelid WHERE r.prpubid = p.oid)
		 OR EXISTS (SELECT FROM pg_publication_namespace n JOIN pg_class c ON c.relnamespace = n.pnnspid JOIN family f ON f.relation = c.oid WHERE n.pnpubid = p.oid))
	UNION ALL
	SELECT 'warning', format('default privileges of %s%s', dp._role_text(d.defaclrole), CASE WHEN d.defaclnamespace <> 0 THEN ' in schema ' || d.defaclnamespace::regnamespace ELSE '' END),
		   'what that role makes later, CREATE TABLE AS copies of protected rows too', dp._role_text(a.grantee),
		   format('ALTER DEFAULT PRIVILEGES FOR ROLE %s%s REVOKE ALL ON %s FROM %s', dp._role_text(d.defaclrole),
				  CASE WHEN d.defaclnamespace <> 0 THEN ' IN SCHEMA ' || d.defaclnamespace::regnamespace ELSE '' END,
				  CASE d.defaclobjtype WHEN 'S' THEN 'SEQUENCES' ELSE 'TABLES' END, dp._role_text(a.grantee))
	FROM pg_default_acl d, aclexplode(d.defaclacl) a, reaching r
	WHERE d.defaclobjtype IN ('r', 'S') AND r.role = a.grantee AND a.grantee <> d.defaclrole
	AND NOT EXISTS (SELECT FROM reaching x WHERE x.role = d.defaclrole AND x.is_analyst)
	GROUP BY d.defaclrole, d.defaclnamespace, d.defaclobjtype, a.grantee
	UNION ALL
	SELECT 'info', format('definitions of %s', f.relation::regclass),
		   format('%s stand in the catalogues: if they were taken from the data, they are out',
				  concat_ws(', ', CASE WHEN c.relispartition OR c.relkind = 'p' THEN 'bounds of partitions' END,
							CASE WHEN e.n > 0 THEN 'labels of enums' END, CASE WHEN i.n > 0 THEN 'predicates and expressions of indexes' END)),
		   'PUBLIC', format('SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE oid = %L::regclass -- look, and decide', f.relation::regclass)
	FROM family f JOIN pg_class c ON c.oid = f.relation,
	LATERAL (SELECT count(*) AS n FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid AND t.typtype = 'e' WHERE a.attrelid = c.oid AND NOT a.attisdropped) e,
	LATERAL (SELECT count(*) AS n FROM pg_index x WHERE x.indrelid = c.oid AND (x.indpred IS NOT NULL OR x.indexprs IS NOT NULL)) i
	WHERE c.relispartition OR c.relkind = 'p' OR e.n > 0 OR i.n > 0
$$;
COMMENT ON FUNCTION dp._doctor_rights() IS 'internal: dp.doctor, rights on protected rows and copies of them';

-- Rule 30: what else an analyst is or may.
CREATE FUNCTION dp._doctor_roles() RETURNS TABLE (severity text, opening text, leaks text, reaches text, statement text)
	LANGUAGE sql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
	WITH analyst AS MATERIALIZED (SELECT r.* FROM dp._analyst_roles() a JOIN pg_roles r ON r.oid = a.role)
	SELECT CASE WHEN o.rolname IN ('pg_signal_backend', 'pg_checkpoint') THEN 'warning' ELSE 'open' END,
		   format('%s is an analyst and a member of %s', quote_ident(a.rolname), quote_ident(o.rolname)),
		   CASE WHEN o.rolsuper THEN 'everything'
				WHEN o.rolname IN ('dp_steward', 'dp_auditor') THEN 'what policy and ledger hold, who was charged for what'
				WHEN o.rolname ~ 'server_(files|program)$|_all_data$' THEN 'protected rows'
				WHEN o.rolname = 'pg_signal_backend' THEN 'nothing: but sessions and the ledger writer can be ended'
				WHEN o.rolname = 'pg_checkpoint' THEN 'how much there is to be written'
				ELSE 'what the server has read and written' END,
		   quote_ident(a.rolname), dp._membership_text(a.oid, o.oid)
	FROM analyst a JOIN pg_roles o ON pg_has_role(a.oid, o.oid, 'MEMBER') AND o.oid <> a.oid
	WHERE o.rolsuper OR o.rolname IN ('dp_steward', 'dp_auditor', 'dp_monitor', 'pg_read_all_data', 'pg_write_all_data',
		'pg_read_server_files', 'pg_write_server_files', 'pg_execute_server_program', 'pg_monitor', 'pg_read_all_stats',
		'pg_stat_scan_tables', 'pg_signal_backend', 'pg_checkpoint')
	UNION ALL
	SELECT x.severity, format('%s is an analyst %s %s', quote_ident(a.rolname),
			CASE WHEN o.oid = a.oid THEN 'with' ELSE format('and a member of %s, which has', quote_ident(o.rolname)) END, x.attribute),
		   x.leaks, quote_ident(a.rolname),
		   CASE WHEN o.oid = a.oid THEN format('ALTER ROLE %I NO%s', a.rolname, x.attribute) ELSE dp._membership_text(a.oid, o.oid) END
	FROM analyst a JOIN pg_roles o ON pg_has_role(a.oid, o.oid, 'MEMBER') AND NOT o.rolsuper, LATERAL (VALUES
		(o.rolreplication, 'REPLICATION', 'open', 'every table, by replication'),
		(o.rolbypassrls, 'BYPASSRLS', 'open', 'rows that policies keep from others'),
		(o.rolcreaterole, 'CREATEROLE', 'open', 'anything: it can make itself a steward'),
		(o.rolcreatedb, 'CREATEDB', 'warning', 'a copy of a database that is marked as a template')) x(has, attribute, severity, leaks)
	WHERE x.has
	UNION ALL
	SELECT CASE WHEN EXISTS (SELECT FROM pg_roles o WHERE o.rolcreatedb AND pg_has_role(a.oid, o.oid, 'MEMBER')) THEN 'open' ELSE 'warning' END,
		   format('%s is an analyst and owns this database', quote_ident(a.rolname)),
		   'a copy of it with budgets of its own, where the owner has CREATEDB', quote_ident(a.rolname),
		   CASE WHEN d.datdba = a.oid THEN format('ALTER DATABASE %I OWNER TO CURRENT_USER', d.datname) ELSE dp._membership_text(a.oid, d.datdba) END
	FROM analyst a JOIN pg_database d ON d.datname = current_database() AND pg_has_role(a.oid, d.datdba, 'MEMBER')
	WHERE NOT (SELECT r.rolsuper FROM pg_roles r WHERE r.oid = d.datdba)
	UNION ALL
	SELECT 'warning', format('superuser %s is a member of dp_analyst', quote_ident(r.rolname)),
		   'nothing is charged: superusers are never analysts', quote_ident(r.rolname), dp._membership_text(r.oid, 'dp_analyst'::regrole)
	FROM pg_roles r JOIN pg_auth_members m ON m.member = r.oid
	WHERE r.rolsuper AND m.roleid = 'dp_analyst'::regrole
	UNION ALL
	SELECT 'open', format('parameter %s', p.parname), 'what the setting shows, or a library of the analyst''s choice', dp._role_text(x.grantee),
		   format('REVOKE %s ON PARAMETER %s FROM %s', string_agg(x.privilege_type, ', ' ORDER BY x.privilege_type DESC), p.parname, dp._role_text(x.grantee))
	FROM pg_parameter_acl p, aclexplode(p.paracl) x JOIN dp._reaching() r ON r.role = x.grantee
	GROUP BY p.parname, x.grantee
	UNION ALL
	SELECT 'warning', format('%s is set %s', s.name, concat_ws(' ', 'for ' || dp._role_text(NULLIF(d.setrole, 0)), 'in database ' || b.datname)),
		   'what the server finds among protected rows, or a library that does; releases may be refused',
		   CASE WHEN d.setrole = 0 THEN 'every role' ELSE dp._role_text(d.setrole) END,
		   CASE WHEN d.setrole = 0 THEN format('ALTER DATABASE %I RESET %s', b.datname, s.name)
				ELSE format('ALTER ROLE %s %sRESET %s', dp._role_text(d.setrole), coalesce('IN DATABASE ' || quote_ident(b.datname) || ' ', ''), s.name) END
	FROM pg_db_role_setting d LEFT JOIN pg_database b ON b.oid = d.setdatabase,
	LATERAL (SELECT split_part(c, '=', 1) AS name FROM unnest(d.setconfig) c) s
	WHERE (d.setdatabase = 0 OR b.datname = current_database())
	AND (d.setrole = 0 OR d.setrole IN (SELECT a.oid FROM analyst a))
	AND s.name ~ '^(debug_|trace_|log_|auto_explain\.|client_min_messages$|session_preload_libraries$|local_preload_libraries$|compute_query_id$)'
$$;
COMMENT ON FUNCTION dp._doctor_roles() IS 'internal: dp.doctor, what analysts are besides';

-- Code that runs with other rights, or reaches outside.
CREATE FUNCTION dp._doctor_code() RETURNS TABLE (severity text, opening text, leaks text, reaches text, statement text)
	LANGUAGE sql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
	WITH reaching AS MATERIALIZED (SELECT r.role FROM dp._reaching() r),
	callable AS MATERIALIZED (
		SELECT p.oid, p.prosecdef, p.proowner, p.prolang, array_agg(a.grantee ORDER BY a.grantee) AS grantees,
			   EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e') AS of_extension
		FROM pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
		WHERE p.oid >= 16384 AND p.pronamespace <> 'dp'::regnamespace
		AND a.privilege_type = 'EXECUTE' AND a.grantee IN (SELECT r.role FROM reaching r)
		GROUP BY p.oid
	), family AS MATERIALIZED (SELECT f.relation FROM dp._protected_family() f)
	SELECT 'warning', format('SECURITY DEFINER function %s', c.oid::regprocedure),
		   format('what %s may read. Protected relations stay protected in it; what it does by C code does not', dp._role_text(c.proowner)),
		   g.names, format('REVOKE EXECUTE ON FUNCTION %s FROM %s', c.oid::regprocedure, g.names)
	FROM callable c, LATERAL (SELECT string_agg(dp._role_text(x), ', ') AS names FROM unnest(c.grantees) x) g
	WHERE c.prosecdef
	AND (EXISTS (SELECT FROM pg_roles r WHERE r.oid = c.proowner AND r.rolsuper)
		 OR EXISTS (SELECT FROM family f WHERE has_table_privilege(c.proowner, f.relation, 'SELECT') OR has_any_column_privilege(c.proowner, f.relation, 'SELECT')))
	UNION ALL
	SELECT 'warning', format('function %s in %s', c.oid::regprocedure, quote_ident(l.lanname)),
		   'anything on the machine: such a language knows no rights', g.names,
		   format('REVOKE EXECUTE ON FUNCTION %s FROM %s', c.oid::regprocedure, g.names)
	FROM callable c JOIN pg_language l ON l.oid = c.prolang AND NOT l.lanpltrusted,
	LATERAL (SELECT string_agg(dp._role_text(x), ', ') AS names FROM unnest(c.grantees) x) g
	WHERE NOT c.of_extension
	UNION ALL
	SELECT 'info', format('language %s', quote_ident(l.lanname)), 'anything on the machine, by functions that a superuser writes in it',
		   'whoever may execute such functions', format('DROP EXTENSION %I', l.lanname)
	FROM pg_language l WHERE NOT l.lanpltrusted AND l.lanispl
	UNION ALL
	SELECT CASE WHEN e.extname IN ('dblink', 'postgres_fdw', 'file_fdw', 'adminpack') THEN 'warning' ELSE 'info' END,
		   format('extension %s', quote_ident(e.extname)),
		   CASE WHEN e.extname IN ('dblink', 'postgres_fdw') THEN 'another session on this or another server, as any role whose password is known there'
				WHEN e.extname IN ('file_fdw', 'adminpack') THEN 'files of the server'
				ELSE 'rows and pages that statements read, or the pages themselves; what analysts may call of it has rows of its own here' END,
		   'whoever may call its functions or use its servers', format('DROP EXTENSION %I', e.extname)
	FROM pg_extension e
	WHERE e.extname IN ('dblink', 'postgres_fdw', 'file_fdw', 'adminpack', 'pg_prewarm', 'amcheck', 'pg_surgery', 'pg_old_snapshot')
	OR EXISTS (SELECT FROM pg_depend d WHERE d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND d.deptype = 'e'
			   AND d.classid = 'pg_proc'::regclass AND dp._is_counter(d.objid))
	UNION ALL
	SELECT 'warning', format('foreign table %s', c.oid::regclass), 'whatever its server shows; protected rows, where it leads back here', dp._role_text(a.grantee),
		   format('REVOKE ALL ON TABLE %s FROM %s', c.oid::regclass, dp._role_text(a.grantee))
	FROM pg_class c, aclexplode(c.relacl) a
	WHERE c.relkind = 'f' AND a.grantee IN (SELECT r.role FROM reaching r) AND a.grantee <> c.relowner
	GROUP BY c.oid, a.grantee
	UNION ALL
	SELECT 'warning', format('foreign server %s', quote_ident(s.srvname)), 'foreign tables of the analyst''s making; protected rows, where it leads back here', dp._role_text(a.grantee),
		   format('REVOKE ALL ON FOREIGN SERVER %I FROM %s', s.srvname, dp._role_text(a.grantee))
	FROM pg_foreign_server s, aclexplode(s.srvacl) a
	WHERE a.grantee IN (SELECT r.role FROM reaching r) AND a.grantee <> s.srvowner
	GROUP BY s.srvname, a.grantee
	UNION ALL
	SELECT 'info', format('rule %s on %s', quote_ident(w.rulename), w.ev_class::regclass),
		   'nothing: it reads protected rows with its table''s owner''s rights, which is refused in an analyst''s statement', 'analysts who may write the table',
		   format('DROP RULE %I ON %s', w.rulename, w.ev_class::regclass)
	FROM pg_rewrite w
	WHERE w.ev_type <> '1' AND w.ev_class NOT IN (SELECT f.relation FROM family f)
	AND EXISTS (SELECT FROM pg_depend d JOIN family f ON f.relation = d.refobjid
				WHERE d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid AND d.refclassid = 'pg_class'::regclass)
$$;
COMMENT ON FUNCTION dp._doctor_code() IS 'internal: dp.doctor, functions, languages, extensions, foreign servers';

-- Configuration of the server. A row where the value is as given.
CREATE FUNCTION dp._doctor_settings() RETURNS TABLE (severity text, opening text, leaks text, reaches text, statement text)
	LANGUAGE sql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
	WITH setting AS MATERIALIZED (SELECT s.name, s.setting AS value FROM pg_settings s),
	preloaded AS MATERIALIZED (
		SELECT s.name AS parameter, btrim(regexp_replace(l, '^.*/', ''), ' "') AS name
		FROM setting s, regexp_split_to_table(s.value, ',') l
		WHERE s.name IN ('shared_preload_libraries', 'session_preload_libraries', 'local_preload_libraries') AND btrim(l) <> ''
	)
	SELECT c.severity, format('%s is %s', s.name, s.value), c.leaks, c.reaches, format('ALTER SYSTEM SET %s = %s', s.name, c.good)
	FROM (VALUES
		('fsync', '^off$', 'open', 'budgets: a crash may undo charges of answers that were seen; releases are refused', 'everybody', 'on'),
		('full_page_writes', '^off$', 'open', 'budgets: a crash may undo charges of answers that were seen; releases are refused', 'everybody', 'on'),
		('data_sync_retry', '^on$', 'warning', 'budgets: a page of the ledger whose write has failed may pass for written', 'everybody', 'off'),
		('zero_damaged_pages', '^on$', 'warning', 'budgets: a damaged page of the ledger counts for empty', 'everybody', 'off'),
		('ssl', '^off$', 'warning', 'answers and passwords, to who listens on the way, where clients come over a network', 'the network', 'on'),
		('allow_system_table_mods', '^on$', 'warning', 'catalogues may be changed past every check', 'superusers', 'off'),
		('synchronous_commit', '^off$', 'info', 'nothing: the ledger writer sets its own', 'nobody', 'on'),
		('wal_level', '^logical$', 'info', 'rows, to roles with REPLICATION, by logical decoding', 'roles with REPLICATION', 'replica'),
		('track_activities', '^on$', 'info', 'statements of all sessions', 'pg_read_all_stats, dp_monitor', 'off'),
		('track_commit_timestamp', '^on$', 'info', 'when each transaction was committed', 'PUBLIC', 'off'),
		('log_statement', '^(ddl|mod|all)$', 'info', 'statements with their constants', 'who reads the server''s log', 'none'),
		('log_min_duration_statement', '^\d', 'info', 'how long statements took, which depends on rows', 'who reads the server''s log', '-1'),
		('log_min_duration_sample', '^\d', 'info', 'how long statements took, which depends on rows', 'who reads the server''s log', '-1'),
		('log_duration', '^on$', 'info', 'how long statements took, which depends on rows', 'who reads the server''s log', 'off'),
		('log_temp_files', '^\d', 'info', 'how much was spilled, which depends on rows', 'who reads the server''s log', '-1'),
		('log_lock_waits', '^on$', 'info', 'who waited for whom', 'who reads the server''s log', 'off'),
		('log_min_messages', '^debug', 'info', 'internal steps of statements', 'who reads the server''s log', 'warning'),
		('debug_print_parse', '^on$', 'warning', 'plans; releases are refused', 'who reads the server''s log', 'off'),
		('debug_print_rewritten', '^on$', 'warning', 'plans; releases are refused', 'who reads the server''s log', 'off'),
		('debug_print_plan', '^on$', 'warning', 'plans; releases are refused', 'who reads the server''s log', 'off'),
		('trace_sort', '^on$', 'warning', 'how many rows were sorted; releases are refused', 'who reads the server''s log', 'off'),
		('log_parser_stats', '^on$', 'warning', 'what statements used; releases are refused', 'who reads the server''s log', 'off'),
		('log_planner_stats', '^on$', 'warning', 'what statements used; releases are refused', 'who reads the server''s log', 'off'),
		('log_executor_stats', '^on$', 'warning', 'what statements used; releases are refused', 'who reads the server''s log', 'off'),
		('log_statement_stats', '^on$', 'warning', 'what statements used; releases are refused', 'who reads the server''s log', 'off'),
		('dp.test_point', '', 'open', 'noise and charges: this is the test flavour of the library', 'analysts', 'DEFAULT')
	) c(name, pattern, severity, leaks, reaches, good)
	JOIN setting s ON s.name = c.name AND s.value ~ c.pattern
	WHERE NOT (c.name = 'ssl' AND current_setting('listen_addresses') = '')
	UNION ALL
	SELECT 'warning', 'timing is open' || coalesce(' in data set ' || string_agg(quote_ident(d.dataset), ', ' ORDER BY d.dataset), ''),
		   'how many rows a release met, and how many owners it charged, in how long it takes', 'analysts', 'ALTER SYSTEM SET dp.pad = on'
	FROM dp._datasets() d
	WHERE d.closed_at IS NULL AND d.dataset NOT IN (SELECT p.dataset FROM dp._pads() p)
	AND EXISTS (SELECT FROM setting s WHERE s.name = 'dp.pad' AND s.value = 'off')
	HAVING count(*) > 0
	UNION ALL
	SELECT 'open', 'the next start is without pg_epsilon', 'nothing: but no release is answered, and changes of rights are not watched', 'nobody',
		   format('ALTER SYSTEM SET shared_preload_libraries = %s', concat_ws(', ', NULLIF(f.setting, ''), 'pg_epsilon'))
	FROM (SELECT x.setting FROM pg_file_settings x WHERE x.name = 'shared_preload_libraries' ORDER BY x.seqno DESC LIMIT 1) f
	WHERE f.setting !~ '(^|[/,"'' ])pg_epsilon($|[,"'' ])'
	UNION ALL
	SELECT CASE WHEN p.name = 'auto_explain' THEN 'warning' ELSE 'info' END, format('library %s is preloaded', p.name),
		   CASE WHEN p.name = 'auto_explain' THEN 'plans with row counts, in the server''s log; releases are refused where it analyses'
				WHEN p.name = 'pg_stat_statements' THEN 'rows and pages that statements read, by its functions in any database'
				ELSE 'what it does with statements and plans is not known here' END,
		   'who reads the server''s log, and who may call its functions',
		   format('ALTER SYSTEM SET %s = %s', p.parameter, coalesce((SELECT string_agg(quote_literal(o.name), ', ') FROM preloaded o
			WHERE o.parameter = p.parameter AND o.name <> p.name), quote_literal('')))
	FROM preloaded p WHERE p.name <> 'pg_epsilon'
	UNION ALL
	SELECT 'warning', 'dp.key_file lies in the data directory', 'account keys and commitments, to whoever gets a base backup', 'who reads backups',
		   format('ALTER SYSTEM SET dp.key_file = %L', '/etc/postgresql/pg_epsilon.key')
	FROM setting k, setting d
	WHERE k.name = 'dp.key_file' AND d.name = 'data_directory' AND starts_with(k.value, d.value || '/')
	UNION ALL
	SELECT CASE WHEN h.is_local THEN 'warning' ELSE 'open' END, format('pg_hba.conf trusts, line %s', h.lines),
		   'everything: whoever can connect may be any role, a superuser too', CASE WHEN h.is_local THEN 'who reaches the socket' ELSE 'the network' END,
		   format('-- write scram-sha-256 instead of trust in line %s of %s, then: SELECT pg_reload_conf()', h.lines, current_setting('hba_file'))
	FROM (SELECT r.type = 'local' AS is_local, string_agg(r.line_number::text, ', ' ORDER BY r.line_number) AS lines
		  FROM pg_hba_file_rules r
		  WHERE r.auth_method = 'trust' AND (r.type = 'local' OR current_setting('listen_addresses') <> '')
		  GROUP BY 1) h
$$;
COMMENT ON FUNCTION dp._doctor_settings() IS 'internal: dp.doctor, configuration of the server';

CREATE FUNCTION dp._accounts() RETURNS TABLE (dataset text, accounts bigint, capacity integer)
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF dp._book_exists() THEN
		RETURN QUERY
		SELECT d.name, coalesce(sum(length(c.keys)) / 16, 0)::bigint, d.capacity
		FROM dp_book.dataset d LEFT JOIN dp_book.account_chunk c USING (dataset_id)
		GROUP BY d.name, d.capacity;
	END IF;
END
$$;
COMMENT ON FUNCTION dp._accounts() IS 'internal: how many accounts each book has';

-- The book, and other databases of the server.
CREATE FUNCTION dp._doctor_book() RETURNS TABLE (severity text, opening text, leaks text, reaches text, statement text)
	LANGUAGE sql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 'open', format('rights on %s', b.object), 'policy, what every owner has spent, wrapped secrets', dp._role_text(a.grantee),
		   format('REVOKE ALL ON %s %s FROM %s', b.kind, b.object, dp._role_text(a.grantee))
	FROM (SELECT 'SCHEMA' AS kind, n.nspname::text AS object, n.nspacl AS acl, n.nspowner AS owner FROM pg_namespace n WHERE n.nspname = 'dp_book'
		  UNION ALL
		  SELECT 'TABLE', c.oid::regclass::text, c.relacl, c.relowner
		  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'dp_book' AND c.relkind = 'r') b,
	aclexplode(b.acl) a
	WHERE a.grantee <> b.owner
	GROUP BY b.kind, b.object, a.grantee
	UNION ALL
	SELECT 'open', format('table %s is not logged', c.oid::regclass), 'budgets: a crash empties it', 'everybody', format('ALTER TABLE %s SET LOGGED', c.oid::regclass)
	FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
	WHERE n.nspname = 'dp_book' AND c.relkind = 'r' AND c.relpersistence <> 'p'
	UNION ALL
	SELECT CASE WHEN o.accounts >= o.capacity THEN 'open' ELSE 'warning' END,
		   format('book of data set %s has %s of %s accounts', quote_ident(o.dataset), o.accounts, o.capacity),
		   'who is left out: once it is full, whether a new owner takes part depends on who came before', 'analysts',
		   '-- protect no more owners in this data set; a new one needs a larger capacity'
	FROM dp._accounts() o WHERE o.accounts >= o.capacity * 0.9
	UNION ALL
	SELECT 'warning', 'this database is a template', 'a copy with fresh budgets, to roles with CREATEDB', 'roles with CREATEDB',
		   format('ALTER DATABASE %I IS_TEMPLATE false', d.datname)
	FROM pg_database d WHERE d.datname = current_database() AND d.datistemplate
	UNION ALL
	SELECT 'info', format('database %s', quote_ident(d.datname)), 'nothing while the library is loaded: analysts call no counters of the server in any database', dp._role_text(a.grantee),
		   format('REVOKE CONNECT ON DATABASE %I FROM %s', d.datname, dp._role_text(a.grantee))
	FROM pg_database d, aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a JOIN dp._reaching() r ON r.role = a.grantee
	WHERE d.datallowconn AND d.datname <> current_database() AND a.privilege_type = 'CONNECT'
$$;
COMMENT ON FUNCTION dp._doctor_book() IS 'internal: dp.doctor, the book and other databases';

CREATE FUNCTION dp.doctor() RETURNS TABLE (severity text, opening text, leaks text, reaches text, statement text)
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE SECURITY DEFINER ROWS 50 SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
BEGIN
	RETURN QUERY
	SELECT d.* FROM (
		SELECT * FROM dp._doctor_statistics()
		UNION ALL SELECT * FROM dp._doctor_rights()
		UNION ALL SELECT * FROM dp._doctor_roles()
		UNION ALL SELECT * FROM dp._doctor_code()
		UNION ALL SELECT * FROM dp._doctor_settings()
		UNION ALL SELECT * FROM dp._doctor_book()
	) d
	ORDER BY array_position(ARRAY['open', 'warning', 'info'], d.severity), d.opening, d.reaches;
END
$$;
COMMENT ON FUNCTION dp.doctor() IS
	'every opening of this installation: how bad, what it leaks, to whom, and the statement that closes it';

REVOKE ALL ON FUNCTION
	dp._membership_text(oid, oid), dp._doctor_statistics(), dp._doctor_rights(), dp._doctor_roles(),
	dp._doctor_code(), dp._doctor_settings(), dp._accounts(), dp._doctor_book(), dp.doctor()
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION dp.doctor() TO dp_steward, dp_auditor;
