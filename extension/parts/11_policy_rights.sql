-- ---------------------------------------------------------------------------
-- Rights of analysts on protected relations
-- ---------------------------------------------------------------------------

-- Everything through which the rows of relations can be reached by privilege:
-- themselves, partitions and children, owned sequences, and views that read them
-- with their owner's rights. A security_invoker view needs the reader's own right.
CREATE FUNCTION dp._doors(relations oid[]) RETURNS TABLE (door regclass, kind "char")
	LANGUAGE sql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
	WITH RECURSIVE family(relid) AS (
		SELECT unnest($1)
		UNION
		SELECT i.inhrelid FROM pg_inherits i JOIN family f ON i.inhparent = f.relid
	), readers(relid) AS (
		SELECT relid FROM family
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
	LANGUAGE sql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
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
	ORDER BY 1, 2 LIMIT 1;
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
	-- Who has CREATEROLE can make a steward, and log in as it
	SELECT r.rolname AS analyst, CASE WHEN r.rolreplication THEN 'REPLICATION' WHEN r.rolbypassrls THEN 'BYPASSRLS' ELSE 'CREATEROLE' END AS other INTO found_role
	FROM pg_roles r
	WHERE NOT r.rolsuper AND (r.rolreplication OR r.rolcreaterole OR r.rolbypassrls) AND pg_has_role(r.oid, 'dp_analyst', 'MEMBER')
	ORDER BY 1 LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION 'role "%" would be an analyst with %', found_role.analyst, found_role.other
			USING ERRCODE = 'PV010',
				  DETAIL = 'A role with REPLICATION reads every table, one with BYPASSRLS all rows of it; one with CREATEROLE can make itself a steward.',
				  HINT = format('ALTER ROLE %I NO%s first.', found_role.analyst, found_role.other);
	END IF;
END
$$;
COMMENT ON FUNCTION dp._check_roles() IS
	'internal: refuses roles that are analysts and something that analysts must not be';

-- After statements that can hand out rights.
CREATE FUNCTION dp._check_openings() RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM dp._check_roles();
	PERFORM dp._check_closed(array_agg(p.relation::oid))
	FROM dp_book.protected_relation p JOIN pg_class c ON c.oid = p.relation
	WHERE p.valid_to IS NULL;
END
$$;
COMMENT ON FUNCTION dp._check_openings() IS
	'internal: refuses where a right on any protected relation reaches an analyst';
