-- ---------------------------------------------------------------------------
-- Rights of analysts on protected relations
-- ---------------------------------------------------------------------------

-- Compiling these queries would take longer than running them: jit is off.

-- Everything through which the rows of relations can be reached by privilege:
-- themselves, partitions and children, parents (whose rights are all that a query
-- of the whole tree needs), sequences that are owned or that a default calls, and
-- views that read them with their owner's rights. A security_invoker view needs
-- the reader's own right.
CREATE FUNCTION dp._doors(relations oid[]) RETURNS TABLE (door regclass, kind "char")
	LANGUAGE sql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
	WITH RECURSIVE family(relid) AS (
		SELECT unnest($1)
		UNION
		SELECT i.inhrelid FROM pg_inherits i JOIN family f ON i.inhparent = f.relid
	), ancestors(relid) AS (
		SELECT relid FROM family
		UNION
		SELECT i.inhparent FROM pg_inherits i JOIN ancestors a ON i.inhrelid = a.relid
	), readers(relid) AS (
		SELECT relid FROM ancestors
		UNION
		SELECT r.ev_class
		FROM readers b
		JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = b.relid
			AND d.classid = 'pg_rewrite'::regclass
		JOIN pg_rewrite r ON r.oid = d.objid AND r.ev_type = '1'
	), sequences(relid) AS (
		SELECT d.objid
		FROM family f
		JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = f.relid
			AND d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
		JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
		UNION
		SELECT d.refobjid
		FROM family f
		JOIN pg_attrdef a ON a.adrelid = f.relid
		JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = a.oid AND d.refclassid = 'pg_class'::regclass
		JOIN pg_class s ON s.oid = d.refobjid AND s.relkind = 'S'
	)
	SELECT c.oid::regclass, c.relkind
	FROM pg_class c
	WHERE c.oid IN (SELECT relid FROM readers UNION SELECT relid FROM sequences)
	AND NOT (c.relkind = 'v' AND EXISTS (
		SELECT FROM pg_options_to_table(c.reloptions) o
		WHERE o.option_name = 'security_invoker' AND o.option_value::boolean))
$$;
COMMENT ON FUNCTION dp._doors(oid[]) IS
	'internal: relations through which a privilege reaches the rows of some relations';

-- Rights that reach an analyst: held by PUBLIC, by a role that can act as an
-- analyst, or by a role that such a role can act as.
CREATE FUNCTION dp._openings(relations oid[])
	RETURNS TABLE (door regclass, kind "char", grantee oid, is_owner boolean, is_analyst boolean)
	LANGUAGE sql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
	WITH analysts(role) AS (
		SELECT r.oid FROM pg_roles r
		WHERE NOT r.rolsuper AND r.rolname <> 'dp_analyst'
		AND pg_has_role(r.oid, 'dp_analyst', 'MEMBER')
		UNION ALL
		SELECT r.oid FROM pg_roles r WHERE r.rolname = 'dp_analyst'
	), doors AS MATERIALIZED (
		SELECT d.* FROM dp._doors($1) d
	), held AS (
		SELECT d.door, d.kind, a.grantee, false AS is_owner
		FROM doors d JOIN pg_class c ON c.oid = d.door, aclexplode(c.relacl) a
		WHERE a.grantee <> c.relowner
		UNION
		SELECT d.door, d.kind, a.grantee, false
		FROM doors d JOIN pg_class c ON c.oid = d.door
		JOIN pg_attribute t ON t.attrelid = d.door AND NOT t.attisdropped, aclexplode(t.attacl) a
		WHERE a.grantee <> c.relowner
		UNION
		SELECT d.door, d.kind, c.relowner, true
		FROM doors d JOIN pg_class c ON c.oid = d.door
		WHERE d.kind <> 'v'
	)
	SELECT h.door, h.kind, h.grantee, h.is_owner,
		   h.grantee = 0 OR EXISTS (SELECT FROM analysts a WHERE a.role = h.grantee)
	FROM held h
	WHERE h.grantee = 0
	OR EXISTS (SELECT FROM analysts a WHERE pg_has_role(a.role, h.grantee, 'MEMBER'))
	ORDER BY h.door::text, h.grantee
$$;
COMMENT ON FUNCTION dp._openings(oid[]) IS
	'internal: rights on the rows of some relations that reach an analyst';

CREATE FUNCTION dp._role_text(role oid) RETURNS text
	LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE $1 WHEN 0 THEN 'PUBLIC' ELSE coalesce((SELECT quote_ident(r.rolname) FROM pg_roles r WHERE r.oid = $1), $1::text) END
$$;
COMMENT ON FUNCTION dp._role_text(oid) IS 'internal: a role as GRANT and REVOKE want it';

-- Raises unless no right on the relations reaches an analyst.
CREATE FUNCTION dp._check_closed(relations oid[]) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	opening record;
BEGIN
	SELECT o.* INTO opening FROM dp._openings(relations) o LIMIT 1;
	IF NOT FOUND THEN
		RETURN;
	ELSIF opening.is_owner THEN
		RAISE EXCEPTION 'an analyst is, or can act as, the owner of "%"', opening.door
			USING ERRCODE = 'PV010',
				  DETAIL = format('The owner is %s.', dp._role_text(opening.grantee)),
				  HINT = 'Give the relation to a role that no analyst is a member of.';
	ELSIF opening.is_analyst THEN
		RAISE EXCEPTION 'role % must not hold rights on "%", whose rows are protected', dp._role_text(opening.grantee), opening.door
			USING ERRCODE = 'PV010',
				  HINT = format('REVOKE ALL ON %s FROM %s CASCADE, as the role that granted them; analysts need no rights on protected relations.',
								opening.door, dp._role_text(opening.grantee));
	ELSE
		RAISE EXCEPTION 'an analyst can act as role %, which holds rights on "%", whose rows are protected', dp._role_text(opening.grantee), opening.door
			USING ERRCODE = 'PV010',
				  HINT = 'Take the membership from the analyst, or the right from the role.';
	END IF;
END
$$;
COMMENT ON FUNCTION dp._check_closed(oid[]) IS
	'internal: refuses where a right on the rows of some relations reaches an analyst';

-- Takes what analysts and PUBLIC hold; refuses where an analyst reaches a right
-- through a role that is no analyst, which an application may need.
CREATE FUNCTION dp._strip_rights(relation regclass) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	opening record;
BEGIN
	FOR opening IN
		SELECT o.* FROM dp._openings(ARRAY[relation::oid]) o WHERE o.is_analyst AND NOT o.is_owner
	LOOP
		EXECUTE format('REVOKE ALL ON %s %s FROM %s CASCADE',
					   CASE opening.kind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END,
					   opening.door, dp._role_text(opening.grantee));
		RAISE NOTICE 'revoked all rights on "%" from %', opening.door, dp._role_text(opening.grantee);
	END LOOP;
	PERFORM dp._check_closed(ARRAY[relation::oid]);
END
$$;
COMMENT ON FUNCTION dp._strip_rights(regclass) IS
	'internal: revokes rights of analysts and of PUBLIC on the rows of a relation';

CREATE FUNCTION dp._check_roles() RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	found_role record;
BEGIN
	SELECT r.rolname AS analyst, o.rolname AS other INTO found_role
	FROM pg_roles r, pg_roles o
	WHERE NOT r.rolsuper AND pg_has_role(r.oid, 'dp_analyst', 'MEMBER')
	AND o.rolname IN ('dp_steward', 'dp_auditor') AND pg_has_role(r.oid, o.oid, 'MEMBER')
	ORDER BY 1, 2 LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION 'role "%" would be an analyst and a member of "%"', found_role.analyst, found_role.other
			USING ERRCODE = 'PV010', HINT = 'Keep these duties apart: revoke one of the two memberships.';
	END IF;
	SELECT r.rolname AS analyst, o.rolname AS other INTO found_role
	FROM pg_roles r, pg_roles o
	WHERE NOT r.rolsuper AND pg_has_role(r.oid, 'dp_analyst', 'MEMBER')
	AND o.rolname IN ('pg_read_all_data', 'pg_write_all_data', 'pg_read_server_files',
					  'pg_write_server_files', 'pg_execute_server_program',
					  'pg_monitor', 'pg_read_all_stats', 'pg_stat_scan_tables', 'dp_monitor')
	AND pg_has_role(r.oid, o.oid, 'MEMBER')
	ORDER BY 1, o.rolname = 'dp_monitor', 2 LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION 'role "%" would be an analyst and a member of "%", which sees protected rows or what the server reads of them', found_role.analyst, found_role.other
			USING ERRCODE = 'PV010', HINT = 'Revoke one of the two memberships.';
	END IF;
	SELECT r.rolname AS analyst, o.rolname AS other INTO found_role
	FROM pg_roles r, pg_roles o
	WHERE NOT r.rolsuper AND pg_has_role(r.oid, 'dp_analyst', 'MEMBER')
	AND o.rolsuper AND pg_has_role(r.oid, o.oid, 'MEMBER')
	ORDER BY 1, 2 LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION 'role "%" would be an analyst and a member of superuser "%"', found_role.analyst, found_role.other
			USING ERRCODE = 'PV010', HINT = 'Revoke one of the two memberships.';
	END IF;
	-- Who has CREATEROLE can make a steward, and log in as it; attributes are not
	-- inherited, but SET ROLE brings them
	SELECT r.rolname AS analyst, o.rolname AS holder, r.oid = o.oid AS is_own,
		   CASE WHEN o.rolreplication THEN 'REPLICATION' WHEN o.rolbypassrls THEN 'BYPASSRLS' ELSE 'CREATEROLE' END AS other INTO found_role
	FROM pg_roles r, pg_roles o
	WHERE NOT r.rolsuper AND (o.rolreplication OR o.rolcreaterole OR o.rolbypassrls)
	AND pg_has_role(r.oid, 'dp_analyst', 'MEMBER') AND pg_has_role(r.oid, o.oid, 'MEMBER')
	ORDER BY 1, r.oid <> o.oid, 2 LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION '%', CASE WHEN found_role.is_own THEN format('role "%s" would be an analyst with %s', found_role.analyst, found_role.other)
				ELSE format('role "%s" would be an analyst and a member of "%s", which has %s', found_role.analyst, found_role.holder, found_role.other) END
			USING ERRCODE = 'PV010',
				  DETAIL = 'A role with REPLICATION reads every table, one with BYPASSRLS all rows of it; one with CREATEROLE can make itself a steward.',
				  HINT = CASE WHEN found_role.is_own THEN format('ALTER ROLE %I NO%s first.', found_role.holder, found_role.other)
						 ELSE 'Revoke one of the two memberships.' END;
	END IF;
END
$$;
COMMENT ON FUNCTION dp._check_roles() IS
	'internal: refuses roles that are analysts and something that analysts must not be';

-- Protected and closed relations, with their parts.
CREATE FUNCTION dp._protected_family() RETURNS TABLE (relation oid)
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF dp._book_exists() THEN
		RETURN QUERY
		WITH RECURSIVE family(relid) AS (
			SELECT p.relation::oid FROM dp_book.protected_relation p JOIN pg_class c ON c.oid = p.relation WHERE p.valid_to IS NULL
			UNION
			SELECT i.inhrelid FROM pg_inherits i JOIN family f ON i.inhparent = f.relid
		)
		SELECT f.relid FROM family f;
	END IF;
END
$$;
COMMENT ON FUNCTION dp._protected_family() IS 'internal: protected and closed relations, with their parts';

-- Roles that act as analysts, and the group itself.
CREATE FUNCTION dp._analyst_roles() RETURNS TABLE (role oid)
	LANGUAGE sql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT r.oid FROM pg_roles r
	WHERE NOT r.rolsuper AND (r.rolname = 'dp_analyst' OR pg_has_role(r.oid, 'dp_analyst', 'MEMBER'))
$$;
COMMENT ON FUNCTION dp._analyst_roles() IS 'internal: dp_analyst and its members, but for superusers';

-- A right reaches an analyst if PUBLIC (0), an analyst, or a role that an analyst
-- can act as holds it.
CREATE FUNCTION dp._reaching() RETURNS TABLE (role oid, is_analyst boolean)
	LANGUAGE sql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
	WITH analyst AS MATERIALIZED (SELECT a.role FROM dp._analyst_roles() a)
	SELECT 0::oid, true
	UNION ALL
	SELECT r.oid, EXISTS (SELECT FROM analyst a WHERE a.role = r.oid)
	FROM pg_roles r WHERE NOT r.rolsuper AND EXISTS (SELECT FROM analyst a WHERE pg_has_role(a.role, r.oid, 'MEMBER'))
$$;
COMMENT ON FUNCTION dp._reaching() IS
	'internal: grantees whose rights reach an analyst; is_analyst: PUBLIC or an analyst itself';

-- What runs, or is checked, beside protected rows when somebody else writes them,
-- and is in an analyst's hand: functions behind triggers, indexes, constraints,
-- defaults and policies; types of columns (ALTER DOMAIN tries a new constraint on
-- all rows); the other side of a foreign key (a write there asks whether a row
-- exists).
CREATE FUNCTION dp._code_openings() RETURNS TABLE (what text, leaks text, reaches text, statement text)
	LANGUAGE sql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
	WITH RECURSIVE family AS MATERIALIZED (SELECT f.relation FROM dp._protected_family() f),
	reaching AS MATERIALIZED (SELECT r.role FROM dp._reaching() r),
	attached(class, object, relation, function) AS (
		SELECT 'trigger', quote_ident(t.tgname), t.tgrelid, t.tgfoid
		FROM pg_trigger t JOIN family f ON f.relation = t.tgrelid WHERE NOT t.tgisinternal
		UNION ALL
		SELECT 'policy', quote_ident(p.polname), p.polrelid, d.refobjid
		FROM pg_policy p JOIN family f ON f.relation = p.polrelid
		JOIN pg_depend d ON d.classid = 'pg_policy'::regclass AND d.objid = p.oid AND d.refclassid = 'pg_proc'::regclass
		UNION ALL
		SELECT 'constraint', quote_ident(k.conname), k.conrelid, d.refobjid
		FROM pg_constraint k JOIN family f ON f.relation = k.conrelid
		JOIN pg_depend d ON d.classid = 'pg_constraint'::regclass AND d.objid = k.oid AND d.refclassid = 'pg_proc'::regclass
		UNION ALL
		SELECT 'default', quote_ident(a.attname), x.adrelid, d.refobjid
		FROM pg_attrdef x JOIN family f ON f.relation = x.adrelid JOIN pg_attribute a ON a.attrelid = x.adrelid AND a.attnum = x.adnum
		JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = x.oid AND d.refclassid = 'pg_proc'::regclass
		UNION ALL
		SELECT 'index', i.indexrelid::regclass::text, i.indrelid, d.refobjid
		FROM pg_index i JOIN family f ON f.relation = i.indrelid
		JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid AND d.refclassid = 'pg_proc'::regclass
	), typed(relation, column_name, type) AS (
		SELECT a.attrelid, a.attname, a.atttypid
		FROM pg_attribute a JOIN family f ON f.relation = a.attrelid WHERE NOT a.attisdropped AND a.attnum > 0
		UNION
		SELECT t.relation, t.column_name, u.oid
		FROM typed t JOIN pg_type x ON x.oid = t.type JOIN pg_type u ON u.oid IN (x.typbasetype, x.typelem)
	), written AS (
		SELECT c.oid AS relation, c.relowner AS grantee FROM pg_class c
		UNION
		SELECT c.oid, a.grantee FROM pg_class c, aclexplode(c.relacl) a
		WHERE a.privilege_type IN ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE')
		UNION
		SELECT t.attrelid, a.grantee FROM pg_attribute t, aclexplode(t.attacl) a WHERE a.privilege_type IN ('INSERT', 'UPDATE')
	)
	SELECT format('%s %s of %s calls %s, which', a.class, a.object, a.relation::regclass, a.function::regprocedure),
		   'protected rows, as others write them', dp._role_text(p.proowner),
		   format('ALTER FUNCTION %s OWNER TO CURRENT_USER', a.function::regprocedure)
	FROM attached a JOIN pg_proc p ON p.oid = a.function JOIN reaching r ON r.role = p.proowner
	UNION
	SELECT format('event trigger %s calls %s, which', quote_ident(e.evtname), p.oid::regprocedure),
		   'anything: it runs with the rights of whoever changes a definition', dp._role_text(p.proowner),
		   format('ALTER FUNCTION %s OWNER TO CURRENT_USER', p.oid::regprocedure)
	FROM pg_event_trigger e JOIN pg_proc p ON p.oid = e.evtfoid JOIN reaching r ON r.role = p.proowner
	WHERE EXISTS (SELECT FROM family)
	UNION
	SELECT format('column %s of %s has type %s, which', quote_ident(t.column_name), t.relation::regclass, t.type::regtype),
		   'whether a value occurs, by ALTER DOMAIN ... ADD CHECK', dp._role_text(y.typowner),
		   format('ALTER TYPE %s OWNER TO CURRENT_USER', t.type::regtype)
	FROM typed t JOIN pg_type y ON y.oid = t.type JOIN reaching r ON r.role = y.typowner
	WHERE y.typtype IN ('d', 'c', 'e', 'r')
	UNION
	SELECT format('foreign key %s of %s leads to a protected relation or from it, and the other side', quote_ident(k.conname), k.conrelid::regclass),
		   'whether a row exists, by the error of a write', dp._role_text(w.grantee),
		   format('ALTER TABLE %s DROP CONSTRAINT %I', k.conrelid::regclass, k.conname)
	FROM pg_constraint k, LATERAL (SELECT CASE WHEN EXISTS (SELECT FROM family f WHERE f.relation = k.conrelid) THEN k.confrelid ELSE k.conrelid END AS relation) o,
	written w JOIN reaching r ON r.role = w.grantee
	WHERE k.contype = 'f' AND w.relation = o.relation
	AND (EXISTS (SELECT FROM family f WHERE f.relation = k.conrelid) <> EXISTS (SELECT FROM family f WHERE f.relation = k.confrelid))
	ORDER BY 1, 3
$$;
COMMENT ON FUNCTION dp._code_openings() IS
	'internal: code, types and foreign keys of protected relations that are in an analyst''s hand';

CREATE FUNCTION dp._check_code() RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	opening record;
BEGIN
	SELECT c.* INTO opening FROM dp._code_openings() c LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION '% is in the hand of role %, which is or reaches an analyst', opening.what, opening.reaches
			USING ERRCODE = 'PV010', DETAIL = format('It would show %s.', opening.leaks), HINT = opening.statement;
	END IF;
END
$$;
COMMENT ON FUNCTION dp._check_code() IS
	'internal: refuses code, types and foreign keys of protected relations that are in an analyst''s hand';

-- A setting that only superusers may set, or a library to load, in an analyst's hand.
CREATE FUNCTION dp._check_parameters() RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	opening record;
BEGIN
	SELECT p.parname, a.grantee INTO opening
	FROM pg_parameter_acl p, aclexplode(p.paracl) a JOIN dp._reaching() r ON r.role = a.grantee
	ORDER BY 1, 2 LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION 'an analyst must not set parameter %', opening.parname
			USING ERRCODE = 'PV010', DETAIL = format('Role %s, which is or reaches an analyst, holds a right on it.', dp._role_text(opening.grantee)),
				  HINT = format('REVOKE ALL ON PARAMETER %s FROM %s', opening.parname, dp._role_text(opening.grantee));
	END IF;
END
$$;
COMMENT ON FUNCTION dp._check_parameters() IS
	'internal: refuses rights of analysts on settings that are kept from ordinary roles';

-- After statements that can hand out rights.
CREATE FUNCTION dp._check_openings() RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
BEGIN
	PERFORM dp._check_roles();
	PERFORM dp._check_closed(array_agg(p.relation::oid))
	FROM dp_book.protected_relation p JOIN pg_class c ON c.oid = p.relation
	WHERE p.valid_to IS NULL;
	PERFORM dp._check_code();
	PERFORM dp._check_parameters();
END
$$;
COMMENT ON FUNCTION dp._check_openings() IS
	'internal: refuses where a right on any protected relation reaches an analyst';
