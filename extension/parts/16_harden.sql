-- ---------------------------------------------------------------------------
-- Statistics of the server, taken from analysts (rule 31)
-- ---------------------------------------------------------------------------

CREATE FUNCTION dp._is_counter(function oid) RETURNS boolean
	AS 'MODULE_PATHNAME', 'eps_guard_sql_is_counter'
	LANGUAGE C STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION dp._is_counter(oid) IS
	'internal: whether releases are refused while analysts may execute this function';

-- Everything that has to be closed: functions ('f'), relations ('r').
CREATE FUNCTION dp._statistics() RETURNS TABLE (topic text, leaks text, class "char", object oid)
	LANGUAGE sql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
	WITH found AS (
		SELECT CASE
				WHEN p.oid >= 16384 THEN format('extension %s', (SELECT e.extname FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
					WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'))
				WHEN p.proname ~ '^pg_stat_get_xact_' THEN 'pg_stat_xact_*'
				WHEN p.proname ~ '^pg_(current_wal|last_wal|control|get_replication_slots|logical_emit_message|switch_wal|create_restore_point|backup_st)|^pg_stat_get_(wal|replication_slot|recovery_prefetch)' THEN 'write-ahead log'
				WHEN p.proname ~ '^pg_(database|tablespace)_size$' THEN 'pg_*_size'
				WHEN p.proname ~ '^pg_stat_get_(activity|backend_|progress_info)|^pg_lock_status$' THEN 'pg_stat_activity, pg_locks'
				ELSE 'pg_stat_database, pg_stat_bgwriter, pg_stat_slru' END AS topic,
			   'f'::"char" AS class, p.oid AS object
		FROM pg_proc p
		WHERE dp._is_counter(p.oid)
		UNION ALL
		SELECT CASE
				WHEN p.proname ~ '^pg_stat_get_' THEN 'pg_stat_all_tables, pg_statio_*'
				WHEN p.proname ~ '_size$' THEN 'pg_*_size'
				ELSE 'pg_ls_*, files and memory of the server' END,
			   'f', p.oid
		FROM pg_proc p
		WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.oid < 16384 AND NOT dp._is_counter(p.oid)
		AND (p.proname ~ '^pg_stat_get_|^pg_ls_|^pg_(relation|table|indexes|total_relation)_size$'
			 OR p.proname IN ('pg_stat_file', 'pg_read_file', 'pg_read_binary_file', 'pg_get_backend_memory_contexts',
							  'pg_get_shmem_allocations', 'pg_log_backend_memory_contexts', 'pg_current_logfile'))
		UNION ALL
		SELECT CASE c.relname WHEN 'pg_sequences' THEN 'pg_sequences' ELSE 'pg_stats, pg_stats_ext' END, 'r', c.oid
		FROM pg_class c
		WHERE c.relnamespace = 'pg_catalog'::regnamespace
		AND c.relname IN ('pg_sequences', 'pg_stats', 'pg_stats_ext', 'pg_stats_ext_exprs')
		UNION ALL
		-- views over such functions, of extensions
		SELECT format('extension %s', e.extname), 'r', c.oid
		FROM pg_class c
		JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
		JOIN pg_extension e ON e.oid = d.refobjid
		WHERE c.relkind = 'v'
		AND EXISTS (SELECT FROM pg_depend f JOIN pg_proc p ON p.oid = f.objid
					WHERE f.classid = 'pg_proc'::regclass AND f.refclassid = 'pg_extension'::regclass
					AND f.refobjid = e.oid AND f.deptype = 'e' AND dp._is_counter(p.oid))
	)
	SELECT f.topic, CASE f.topic
			WHEN 'write-ahead log' THEN 'how much is written for a release, which grows with the owners that it charges'
			WHEN 'pg_stat_xact_*' THEN 'exactly how many rows and pages the own transaction has read'
			WHEN 'pg_*_size' THEN 'how large tables, databases and spilled files are'
			WHEN 'pg_stat_activity, pg_locks' THEN 'what sessions wait for, run, and lock, as the data has it'
			WHEN 'pg_stat_database, pg_stat_bgwriter, pg_stat_slru' THEN 'how many rows and pages the server has read and written, before and after a release'
			WHEN 'pg_stat_all_tables, pg_statio_*' THEN 'how many rows of each table and index have been read, and how many there are'
			WHEN 'pg_ls_*, files and memory of the server' THEN 'what lies in the server''s files and memory, and how much'
			WHEN 'pg_sequences' THEN 'how many rows have been inserted'
			WHEN 'pg_stats, pg_stats_ext' THEN 'common values and their frequencies; clusters made before 15.7 show them for every table'
			ELSE 'rows and pages that statements read, or the pages themselves' END,
		   f.class, f.object
	FROM found f
$$;
COMMENT ON FUNCTION dp._statistics() IS
	'internal: functions and views that show what the server has read, or how much there is';

CREATE FUNCTION dp._hidden_columns() RETURNS name[]
	LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
	RETURN '{reltuples,relpages,relallvisible}'::name[];
COMMENT ON FUNCTION dp._hidden_columns() IS 'internal: columns of pg_class that count rows and pages';

CREATE FUNCTION dp._privilege_of(class "char") RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
	RETURN CASE class WHEN 'f' THEN 'EXECUTE' ELSE 'SELECT' END;
COMMENT ON FUNCTION dp._privilege_of("char") IS 'internal: the right that matters on a function or relation';

-- As GRANT and REVOKE want it, in this search path.
CREATE FUNCTION dp._object_text(class "char", object oid) RETURNS text
	LANGUAGE sql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$ SELECT CASE class WHEN 'f' THEN object::regprocedure::text ELSE object::regclass::text END $$;
COMMENT ON FUNCTION dp._object_text("char", oid) IS 'internal: a function or relation as GRANT and REVOKE want it';

-- Whose rights on them reach an analyst.
CREATE FUNCTION dp._statistics_open() RETURNS TABLE (topic text, leaks text, class "char", object oid, grantee oid, grantable boolean, is_analyst boolean)
	LANGUAGE sql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
	WITH reaching AS MATERIALIZED (
		SELECT r.* FROM dp._reaching() r
	), held AS MATERIALIZED (
		SELECT s.topic, s.leaks, s.class, s.object, coalesce(p.proacl, acldefault('f', p.proowner)) AS acl
		FROM dp._statistics() s JOIN pg_proc p ON s.class = 'f' AND p.oid = s.object
		UNION ALL
		SELECT s.topic, s.leaks, s.class, s.object, coalesce(c.relacl, acldefault('r', c.relowner))
		FROM dp._statistics() s JOIN pg_class c ON s.class = 'r' AND c.oid = s.object
	)
	SELECT h.topic, h.leaks, h.class, h.object, a.grantee, bool_or(a.is_grantable), r.is_analyst
	FROM held h, aclexplode(h.acl) a, reaching r
	WHERE a.privilege_type = dp._privilege_of(h.class) AND r.role = a.grantee
	GROUP BY 1, 2, 3, 4, 5, 7
$$;
COMMENT ON FUNCTION dp._statistics_open() IS
	'internal: rights on statistics of the server that reach an analyst';

CREATE FUNCTION dp._has_open_counter() RETURNS boolean
	LANGUAGE sql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET jit = off
AS $$ SELECT EXISTS (SELECT FROM dp._statistics_open() o WHERE o.class = 'f' AND dp._is_counter(o.object)) $$;
COMMENT ON FUNCTION dp._has_open_counter() IS
	'internal: whether releases are refused because of rights on functions';

-- Rights on the hidden columns of pg_class that reach an analyst, of the whole
-- table (column_names null) or of columns.
CREATE FUNCTION dp._class_open() RETURNS TABLE (grantee oid, column_names name[], grantable boolean, is_analyst boolean)
	LANGUAGE sql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
	WITH held AS (
		SELECT a.grantee, NULL::name AS column_name, a.is_grantable
		FROM pg_class c, aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) a
		WHERE c.oid = 'pg_class'::regclass AND a.privilege_type = 'SELECT'
		UNION ALL
		SELECT a.grantee, t.attname, a.is_grantable
		FROM pg_attribute t, aclexplode(t.attacl) a
		WHERE t.attrelid = 'pg_class'::regclass AND t.attname = ANY (dp._hidden_columns()) AND a.privilege_type = 'SELECT'
	)
	SELECT h.grantee, array_agg(h.column_name ORDER BY h.column_name) FILTER (WHERE h.column_name IS NOT NULL),
		   bool_or(h.is_grantable), r.is_analyst
	FROM held h JOIN dp._reaching() r ON r.role = h.grantee
	GROUP BY h.grantee, h.column_name IS NULL, r.is_analyst
$$;
COMMENT ON FUNCTION dp._class_open() IS 'internal: rights on counts in pg_class that reach an analyst';

-- Roles that need what is closed and are no analysts: who watches the server,
-- and owners of relations, whose pg_dump reads all of pg_class.
CREATE FUNCTION dp._monitors_to_add() RETURNS TABLE (role oid)
	LANGUAGE sql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT r.oid FROM pg_roles r
	WHERE NOT r.rolsuper
	AND (r.rolname = 'pg_read_all_stats'
		 OR (r.rolname !~ '^pg_' AND EXISTS (SELECT FROM pg_class c WHERE c.relowner = r.oid AND c.relkind IN ('r', 'p', 'm', 'v', 'f', 'S') AND c.relpersistence <> 't')))
	AND NOT pg_has_role(r.oid, 'dp_monitor', 'MEMBER')
	AND NOT EXISTS (SELECT FROM dp._analyst_roles() a WHERE pg_has_role(a.role, r.oid, 'MEMBER') OR a.role = r.oid)
	ORDER BY r.rolname
$$;
COMMENT ON FUNCTION dp._monitors_to_add() IS
	'internal: roles that should be members of dp_monitor and are not';

-- What is to be done, in order, with what takes each step back.
CREATE FUNCTION dp._harden_steps() RETURNS TABLE (statement text, undo text)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
DECLARE
	s record;
	what text;
	others text;
BEGIN
	FOR s IN SELECT m.role FROM dp._monitors_to_add() m LOOP
		statement := format('GRANT dp_monitor TO %s', dp._role_text(s.role));
		undo := format('REVOKE dp_monitor FROM %s', dp._role_text(s.role));
		RETURN NEXT;
	END LOOP;

	FOR s IN
		SELECT o.topic, o.class, o.grantee, o.grantable,
			   string_agg(dp._object_text(o.class, o.object), ', ' ORDER BY dp._object_text(o.class, o.object)) AS objects
		FROM dp._statistics_open() o WHERE o.is_analyst
		GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3 = 0 DESC, 3, 4
	LOOP
		what := format('%s ON %s %s', dp._privilege_of(s.class), CASE s.class WHEN 'f' THEN 'FUNCTION' ELSE 'TABLE' END, s.objects);
		IF s.grantee = 0 THEN
			statement := format('GRANT %s TO dp_monitor', what);
			undo := format('REVOKE %s FROM dp_monitor', what);
			RETURN NEXT;
		END IF;
		statement := format('REVOKE %s FROM %s', what, dp._role_text(s.grantee));
		undo := format('GRANT %s TO %s', what, dp._role_text(s.grantee)) || CASE WHEN s.grantable THEN ' WITH GRANT OPTION' ELSE '' END;
		RETURN NEXT;
	END LOOP;

	-- Taking the table takes all columns from that role: what it held of them, and
	-- should keep, is given again
	FOR s IN SELECT o.* FROM dp._class_open() o WHERE o.is_analyst ORDER BY o.column_names IS NULL, o.grantee LOOP
		what := CASE WHEN s.column_names IS NULL THEN 'SELECT ON TABLE pg_class'
				ELSE format('SELECT (%s) ON TABLE pg_class', array_to_string(s.column_names, ', ')) END;
		IF s.column_names IS NULL AND s.grantee = 0 THEN
			statement := 'GRANT SELECT ON TABLE pg_class TO dp_monitor';
			undo := 'REVOKE SELECT ON TABLE pg_class FROM dp_monitor';
			RETURN NEXT;
		END IF;
		statement := format('REVOKE %s FROM %s', what, dp._role_text(s.grantee));
		undo := format('GRANT %s TO %s', what, dp._role_text(s.grantee)) || CASE WHEN s.grantable THEN ' WITH GRANT OPTION' ELSE '' END;
		RETURN NEXT;
		CONTINUE WHEN s.column_names IS NOT NULL OR s.grantee <> 0;
		SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum > 0 DESC, abs(a.attnum)) INTO others
		FROM pg_attribute a
		WHERE a.attrelid = 'pg_class'::regclass AND NOT a.attisdropped AND a.attname <> ALL (dp._hidden_columns());
		statement := format('GRANT SELECT (%s) ON TABLE pg_class TO PUBLIC', others);
		undo := format('REVOKE SELECT (%s) ON TABLE pg_class FROM PUBLIC', others);
		RETURN NEXT;
	END LOOP;
END
$$;
COMMENT ON FUNCTION dp._harden_steps() IS
	'internal: statements that close the statistics of the server, and what takes each back';

CREATE FUNCTION dp._check_superuser(what text) RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF NOT EXISTS (SELECT FROM pg_roles r WHERE r.rolname = current_user AND r.rolsuper) THEN
		RAISE EXCEPTION 'permission denied to %', what
			USING ERRCODE = '42501',
				  DETAIL = 'Rights on schema pg_catalog are changed, which only a superuser may do.',
				  HINT = 'Without apply => true the statements are shown and nothing is changed.';
	END IF;
END
$$;
COMMENT ON FUNCTION dp._check_superuser(text) IS 'internal: refuses callers who are no superusers';

-- With the caller's own rights: what it does is a superuser's to do.
CREATE FUNCTION dp.harden(apply boolean DEFAULT false) RETURNS SETOF text
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	s record;
BEGIN
	IF apply IS NOT TRUE THEN
		RETURN QUERY SELECT h.statement FROM dp._harden_steps() h;
		RETURN;
	END IF;
	PERFORM dp._check_superuser('harden the database');
	PERFORM dp._begin_change(NULL);
	PERFORM dp._open_book();
	FOR s IN SELECT h.* FROM dp._harden_steps() h LOOP
		EXECUTE s.statement;
		INSERT INTO dp_book.hardening (step, at, set_by, statement, undo)
		SELECT coalesce(max(h.step), 0) + 1, clock_timestamp(), session_user, s.statement, s.undo FROM dp_book.hardening h;
		RETURN NEXT s.statement;
	END LOOP;
END
$$;
COMMENT ON FUNCTION dp.harden(boolean) IS
	'statements that take the server''s statistics from analysts; with apply => true, a superuser runs and records them';

-- Rights on functions and columns are each database's own, memberships are not:
-- another database may rely on one.
CREATE FUNCTION dp._membership_is_needed(statement text) RETURNS boolean
	LANGUAGE sql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT statement ~ '^GRANT dp_monitor TO '
	AND EXISTS (SELECT FROM pg_shdepend d
				WHERE d.refclassid = 'pg_authid'::regclass AND d.refobjid = 'dp_monitor'::regrole
				AND d.dbid <> 0 AND d.dbid <> (SELECT b.oid FROM pg_database b WHERE b.datname = current_database()))
$$;
COMMENT ON FUNCTION dp._membership_is_needed(text) IS
	'internal: whether a hardened database besides this one relies on a membership';

CREATE FUNCTION dp._undo_steps() RETURNS TABLE (step integer, undo text)
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF dp._book_exists() THEN
		RETURN QUERY
		SELECT h.step, h.undo FROM dp_book.hardening h
		WHERE h.undone_at IS NULL AND NOT dp._membership_is_needed(h.statement) ORDER BY h.step DESC;
	END IF;
END
$$;
COMMENT ON FUNCTION dp._undo_steps() IS 'internal: what takes back what dp.harden changed, last first';

CREATE FUNCTION dp.harden_undo(apply boolean DEFAULT false) RETURNS SETOF text
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	s record;
BEGIN
	IF apply IS NOT TRUE THEN
		RETURN QUERY SELECT u.undo FROM dp._undo_steps() u;
		RETURN;
	END IF;
	PERFORM dp._check_superuser('take back what dp.harden changed');
	PERFORM dp._begin_change(NULL);
	FOR s IN SELECT u.* FROM dp._undo_steps() u LOOP
		BEGIN
			EXECUTE s.undo;
			RETURN NEXT s.undo;
		EXCEPTION WHEN undefined_object OR undefined_function OR undefined_table OR undefined_column THEN
			RAISE NOTICE 'not undone, for what it names is gone: %', s.undo;
		END;
		UPDATE dp_book.hardening h SET undone_at = clock_timestamp(), undone_by = session_user WHERE h.step = s.step;
	END LOOP;
END
$$;
COMMENT ON FUNCTION dp.harden_undo(boolean) IS
	'statements that take back what dp.harden changed; with apply => true, a superuser runs them';

REVOKE ALL ON FUNCTION
	dp._is_counter(oid), dp._statistics(), dp._hidden_columns(), dp._privilege_of("char"),
	dp._object_text("char", oid), dp._statistics_open(), dp._has_open_counter(), dp._class_open(), dp._monitors_to_add(),
	dp._harden_steps(), dp._check_superuser(text), dp.harden(boolean), dp._membership_is_needed(text), dp._undo_steps(),
	dp.harden_undo(boolean), dp._open_book()
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
	dp._harden_steps(), dp._check_superuser(text), dp.harden(boolean), dp._undo_steps(), dp.harden_undo(boolean)
TO dp_steward, dp_auditor;
