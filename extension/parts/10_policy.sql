-- Policy: data sets, protected and public relations, public facts, analysts.
--
-- Functions that write are SECURITY DEFINER; who may call them is decided by
-- dp._begin_change, which looks at the role outside all definer functions.
-- Names that start with an underscore are for the functions of this schema.

-- ---------------------------------------------------------------------------
-- From C
-- ---------------------------------------------------------------------------

CREATE FUNCTION dp._begin_change(relation regclass) RETURNS text
	AS 'MODULE_PATHNAME', 'eps_policy_sql_begin_change'
	LANGUAGE C VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION dp._begin_change(regclass) IS
	'internal: checks that the caller may change policy (of a relation), serialises changes, returns the caller''s name';

CREATE FUNCTION dp._book_exists() RETURNS boolean
	AS 'MODULE_PATHNAME', 'eps_policy_sql_book_exists'
	LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION dp._book_exists() IS
	'internal: whether schema dp_book is there and belongs to the owner of this extension';

CREATE FUNCTION dp._policy_changed(relation regclass) RETURNS void
	AS 'MODULE_PATHNAME', 'eps_policy_sql_changed'
	LANGUAGE C VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION dp._policy_changed(regclass) IS
	'internal: tells all sessions at commit that the policy of a relation, or of all where it is null, has changed';

CREATE FUNCTION dp._units(epsilon float8, conversion_delta float8) RETURNS bigint
	AS 'MODULE_PATHNAME', 'eps_policy_sql_units'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION dp._units(float8, float8) IS
	'internal: epsilon in units of 2^-60 rho at a conversion delta (of epsilon where that is 0), rounded down';

CREATE FUNCTION dp._delta_units(delta float8) RETURNS bigint
	AS 'MODULE_PATHNAME', 'eps_policy_sql_delta_units'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION dp._delta_units(float8) IS
	'internal: delta in units of 2^-60, rounded down';

CREATE FUNCTION dp._check_path(relation oid, dataset_id integer, owner_relations oid[], owner_columns name[]) RETURNS text
	AS 'MODULE_PATHNAME', 'eps_policy_sql_check_path'
	LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION dp._check_path(oid, integer, oid[], name[]) IS
	'internal: checks an owner path, returns the family of its owner key';

CREATE FUNCTION dp._domain(relation oid, column_name name, domain_values text[]) RETURNS text[]
	AS 'MODULE_PATHNAME', 'eps_policy_sql_domain'
	LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION dp._domain(oid, name, text[]) IS
	'internal: checks a list of values of a column, returns it sorted, in canonical text';

CREATE FUNCTION dp.describe(relation regclass,
	OUT column_name name, OUT data_type text, OUT owner text, OUT not_null boolean,
	OUT lower float8, OUT upper float8, OUT bounds_enforced boolean, OUT domain_size integer,
	OUT rows_per_owner bigint, OUT groups_per_owner bigint, OUT dataset text) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'eps_policy_sql_describe'
	LANGUAGE C STABLE STRICT PARALLEL UNSAFE ROWS 20 SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION dp.describe(regclass) IS
	'what is publicly known of a protected relation, a row a column: bounds, domain, contribution bounds';

-- ---------------------------------------------------------------------------
-- The book
-- ---------------------------------------------------------------------------

CREATE FUNCTION dp._make_policy_book() RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	CREATE SCHEMA dp_book;
	COMMENT ON SCHEMA dp_book IS 'pg_epsilon: privacy policy, and what every owner has spent; kept for the life of the database';

	CREATE TABLE dp_book.dataset (
		dataset_id int PRIMARY KEY,
		name text NOT NULL UNIQUE,
		accountant text NOT NULL CHECK (accountant IN ('zcdp', 'pure')),
		epsilon float8 NOT NULL,
		delta float8 NOT NULL,
		standard float8 NOT NULL,
		conversion_delta float8 NOT NULL,
		cap_units bigint NOT NULL CHECK (cap_units > 0),
		standard_units bigint NOT NULL CHECK (standard_units > 0),
		side_units bigint NOT NULL CHECK (side_units >= 0),
		delta_units bigint NOT NULL CHECK (delta_units >= 0),
		capacity int NOT NULL,
		rows_per_owner bigint,
		new_owners text NOT NULL,
		key_family "char" NOT NULL DEFAULT ''::"char",
		created_at timestamptz NOT NULL,
		created_by text NOT NULL,
		closed_at timestamptz);
	COMMENT ON TABLE dp_book.dataset IS 'promises to owners';

	CREATE TABLE dp_book.protected_relation (
		relation regclass NOT NULL,
		dataset_id int NOT NULL REFERENCES dp_book.dataset,
		owner_path text NOT NULL,
		owner_relations regclass[] NOT NULL,
		owner_columns name[] NOT NULL,
		rows_per_owner bigint CHECK (rows_per_owner > 0),
		groups_per_owner bigint CHECK (groups_per_owner > 0),
		state text NOT NULL CHECK (state IN ('protected', 'closed')),
		valid_from timestamptz NOT NULL,
		valid_to timestamptz,
		set_by text NOT NULL,
		ended_by text);
	CREATE UNIQUE INDEX protected_relation_in_force ON dp_book.protected_relation (relation) WHERE valid_to IS NULL;
	COMMENT ON TABLE dp_book.protected_relation IS 'which relations hold rows of owners';

	CREATE TABLE dp_book.public_relation (
		relation regclass NOT NULL,
		valid_from timestamptz NOT NULL,
		valid_to timestamptz,
		set_by text NOT NULL,
		ended_by text);
	CREATE UNIQUE INDEX public_relation_in_force ON dp_book.public_relation (relation) WHERE valid_to IS NULL;
	COMMENT ON TABLE dp_book.public_relation IS 'which relations say nothing about owners';

	CREATE TABLE dp_book.column_fact (
		relation regclass NOT NULL,
		column_name name NOT NULL,
		lower numeric,
		upper numeric,
		domain text[],
		source text,
		valid_from timestamptz NOT NULL,
		valid_to timestamptz,
		set_by text NOT NULL,
		ended_by text);
	CREATE UNIQUE INDEX column_fact_in_force ON dp_book.column_fact (relation, column_name) WHERE valid_to IS NULL;
	COMMENT ON TABLE dp_book.column_fact IS 'public bounds and domains of columns';

	CREATE TABLE dp_book.purpose (
		dataset_id int NOT NULL REFERENCES dp_book.dataset,
		purpose_no smallint NOT NULL CHECK (purpose_no BETWEEN 0 AND 31),
		purpose text NOT NULL,
		default_consent boolean NOT NULL,
		valid_from timestamptz NOT NULL,
		valid_to timestamptz,
		set_by text NOT NULL,
		ended_by text,
		PRIMARY KEY (dataset_id, purpose_no),
		UNIQUE (dataset_id, purpose));
	COMMENT ON TABLE dp_book.purpose IS 'purposes that owners consent to';

	CREATE TABLE dp_book.analyst (
		role regrole NOT NULL,
		dataset_id int NOT NULL REFERENCES dp_book.dataset,
		query_units bigint NOT NULL CHECK (query_units > 0),
		quota_units bigint CHECK (quota_units > 0),
		purposes text[],
		epsilon_per_query float8 NOT NULL,
		epsilon_quota float8,
		valid_from timestamptz NOT NULL,
		valid_to timestamptz,
		set_by text NOT NULL,
		ended_by text);
	CREATE UNIQUE INDEX analyst_in_force ON dp_book.analyst (role, dataset_id) WHERE valid_to IS NULL;
	COMMENT ON TABLE dp_book.analyst IS 'who may ask, at which price';
END
$$;
COMMENT ON FUNCTION dp._make_policy_book() IS 'internal: makes schema dp_book and its policy tables';

-- Default privileges may have opened the new tables to somebody.
CREATE FUNCTION dp._close_book() RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	open record;
BEGIN
	FOR open IN
		SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE format('%I', a.grantee::regrole::text) END AS grantee
		FROM (SELECT (aclexplode(c.relacl)).grantee, c.relowner AS owner
			  FROM pg_class c WHERE c.relnamespace = 'dp_book'::regnamespace
			  UNION
			  SELECT (aclexplode(n.nspacl)).grantee, n.nspowner FROM pg_namespace n WHERE n.nspname = 'dp_book') a
		WHERE a.grantee <> a.owner
	LOOP
		EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA dp_book FROM %s', open.grantee);
		EXECUTE format('REVOKE ALL ON SCHEMA dp_book FROM %s', open.grantee);
	END LOOP;
END
$$;
COMMENT ON FUNCTION dp._close_book() IS 'internal: takes every right on dp_book from everybody but its owner';

CREATE FUNCTION dp._dataset_id(dataset text) RETURNS integer
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	found_id integer;
	closed boolean;
BEGIN
	IF dp._book_exists() THEN
		SELECT d.dataset_id, d.closed_at IS NOT NULL INTO found_id, closed
		FROM dp_book.dataset d WHERE d.name = _dataset_id.dataset;
	END IF;
	IF found_id IS NULL THEN
		RAISE EXCEPTION 'data set "%" does not exist', dataset
			USING ERRCODE = 'PV010', HINT = 'Make it with dp.create_dataset.';
	ELSIF closed THEN
		RAISE EXCEPTION 'data set "%" is closed', dataset USING ERRCODE = 'PV010';
	END IF;
	RETURN found_id;
END
$$;
COMMENT ON FUNCTION dp._dataset_id(text) IS 'internal: the number of a data set';

-- ---------------------------------------------------------------------------
-- Data sets
-- ---------------------------------------------------------------------------

CREATE FUNCTION dp.create_dataset(
	name text, epsilon float8, delta float8, accountant text DEFAULT 'zcdp', standard float8 DEFAULT NULL,
	capacity integer DEFAULT 1048576, rows_per_owner bigint DEFAULT NULL, new_owners text DEFAULT 'zero',
	confirm_large_epsilon boolean DEFAULT false) RETURNS integer
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	caller text := dp._begin_change(NULL);
	conversion float8;
	selection float8;
	total_units bigint;
	own_standard float8 := coalesce(standard, epsilon);
	own_standard_units bigint;
	cap bigint;
	new_id integer;
BEGIN
	IF name IS NULL OR name = '' THEN
		RAISE EXCEPTION 'a data set needs a name' USING ERRCODE = 'PV010';
	END IF;
	IF accountant IS NULL OR accountant NOT IN ('zcdp', 'pure') THEN
		RAISE EXCEPTION 'accountant must be "zcdp" or "pure"' USING ERRCODE = 'PV010';
	END IF;
	IF epsilon IS NULL OR NOT (epsilon > 0 AND epsilon < 'Infinity') THEN
		RAISE EXCEPTION 'epsilon must be a finite number above 0' USING ERRCODE = 'PV010';
	END IF;
	IF epsilon > 10 AND confirm_large_epsilon IS NOT TRUE THEN
		RAISE EXCEPTION 'epsilon % promises owners very little', epsilon
			USING ERRCODE = 'PV010',
				  HINT = 'Pass confirm_large_epsilon => true if that is meant; auditors will see it.';
	END IF;
	IF NOT (own_standard > 0 AND own_standard <= epsilon) THEN
		RAISE EXCEPTION 'standard must be above 0 and at most epsilon' USING ERRCODE = 'PV010';
	END IF;
	IF capacity IS NULL OR capacity NOT BETWEEN 1000 AND 16777216 THEN
		RAISE EXCEPTION 'capacity must be between 1000 and 16777216 owners' USING ERRCODE = 'PV010';
	END IF;
	IF rows_per_owner <= 0 THEN
		RAISE EXCEPTION 'rows_per_owner must be at least 1' USING ERRCODE = 'PV010';
	END IF;
	IF new_owners = 'worst_case' THEN
		RAISE EXCEPTION 'new_owners => ''worst_case'' is not offered by this version'
			USING ERRCODE = 'PV010',
				  DETAIL = 'An owner whose key appears later would have to start at the public worst case of all answers so far.',
				  HINT = 'Use new_owners => ''zero'', and never renumber owners.';
	ELSIF new_owners IS DISTINCT FROM 'zero' THEN
		RAISE EXCEPTION 'new_owners must be "zero"' USING ERRCODE = 'PV010';
	END IF;

	IF accountant = 'pure' THEN
		IF delta IS DISTINCT FROM 0 THEN
			RAISE EXCEPTION 'delta must be 0 in a pure data set' USING ERRCODE = 'PV010';
		END IF;
		conversion := 0;
		selection := 0;
	ELSE
		IF delta IS NULL OR NOT (delta > 0 AND delta < 1) THEN
			RAISE EXCEPTION 'delta must be above 0 and below 1' USING ERRCODE = 'PV010';
		END IF;
		-- Half for the conversion of rho, half for group selection less what
		-- collisions of account keys and the computational terms may cost
		conversion := delta / 2;
		selection := delta / 2 - capacity * power(2::float8, -64) - power(2::float8, -128);
		IF NOT selection > 0 THEN
			RAISE EXCEPTION 'delta is too small for this capacity'
				USING ERRCODE = 'PV010',
					  DETAIL = format('It must exceed %s.', 2 * capacity * power(2::float8, -64));
		END IF;
		IF delta > power(capacity::float8, -1.1) THEN
			RAISE WARNING 'delta % is large for % owners', delta, capacity
				USING HINT = format('At most %s is customary: delta is the chance that a promise fails, and one owner in so many may meet it.',
									power(capacity::float8, -1.1));
		END IF;
	END IF;

	total_units := dp._units(epsilon, conversion);
	own_standard_units := dp._units(own_standard, conversion);
	-- 5 % is set aside for answers about how many owners were left out
	cap := total_units / 100 * 95 + total_units % 100 * 95 / 100;
	own_standard_units := least(cap, own_standard_units / 100 * 95 + own_standard_units % 100 * 95 / 100);
	IF own_standard_units < 1 THEN
		RAISE EXCEPTION 'standard is too small to be accounted for' USING ERRCODE = 'PV010';
	END IF;

	IF NOT dp._book_exists() THEN
		IF to_regnamespace('dp_book') IS NOT NULL THEN
			RAISE EXCEPTION 'schema dp_book exists, but is not the book of this extension'
				USING ERRCODE = 'PV012',
					  DETAIL = 'The schema and all its tables must be complete and belong to the owner of schema dp.',
					  HINT = 'If it comes from a dump, finish the restore and correct the owner; else rename it.';
		END IF;
		PERFORM dp._make_policy_book();
		PERFORM dp._make_ledger_book();
		PERFORM dp._close_book();
	END IF;

	IF EXISTS (SELECT FROM dp_book.dataset d WHERE d.name = create_dataset.name) THEN
		RAISE EXCEPTION 'data set "%" exists already', name USING ERRCODE = 'PV010';
	END IF;
	SELECT coalesce(max(d.dataset_id), 0) + 1 INTO new_id FROM dp_book.dataset d;
	INSERT INTO dp_book.dataset (dataset_id, name, accountant, epsilon, delta, standard, conversion_delta,
								 cap_units, standard_units, side_units, delta_units, capacity,
								 rows_per_owner, new_owners, created_at, created_by)
	VALUES (new_id, create_dataset.name, create_dataset.accountant, create_dataset.epsilon, create_dataset.delta,
			own_standard, conversion, cap, own_standard_units, total_units - cap, dp._delta_units(selection),
			create_dataset.capacity, create_dataset.rows_per_owner, create_dataset.new_owners,
			clock_timestamp(), caller);
	PERFORM dp._make_secret(new_id);
	PERFORM dp._policy_changed(NULL);
	RETURN new_id;
END
$$;
COMMENT ON FUNCTION dp.create_dataset(text, float8, float8, text, float8, integer, bigint, text, boolean) IS
	'makes a data set: a promise (epsilon, delta) to each owner, for life';

CREATE FUNCTION dp.add_purpose(dataset text, purpose text, default_consent boolean DEFAULT true) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	caller text := dp._begin_change(NULL);
	target integer := dp._dataset_id(dataset);
	next_no integer;
BEGIN
	IF purpose IS NULL OR purpose = '' OR default_consent IS NULL THEN
		RAISE EXCEPTION 'a purpose needs a name and a default' USING ERRCODE = 'PV010';
	END IF;
	IF EXISTS (SELECT FROM dp_book.purpose p WHERE p.dataset_id = target AND p.purpose = add_purpose.purpose) THEN
		RAISE EXCEPTION 'data set "%" has purpose "%" already', dataset, purpose USING ERRCODE = 'PV010';
	END IF;
	SELECT coalesce(max(p.purpose_no), -1) + 1 INTO next_no FROM dp_book.purpose p WHERE p.dataset_id = target;
	IF next_no > 31 THEN
		RAISE EXCEPTION 'data set "%" has 32 purposes already', dataset USING ERRCODE = 'PV010';
	END IF;
	INSERT INTO dp_book.purpose (dataset_id, purpose_no, purpose, default_consent, valid_from, set_by)
	VALUES (target, next_no, add_purpose.purpose, add_purpose.default_consent, clock_timestamp(), caller);
	PERFORM dp._policy_changed(NULL);
END
$$;
COMMENT ON FUNCTION dp.add_purpose(text, text, boolean) IS
	'adds a purpose that owners may consent to or not; from the first one on, analysts must name one';

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
					  'pg_write_server_files', 'pg_execute_server_program')
	AND pg_has_role(r.oid, o.oid, 'MEMBER')
	ORDER BY 1, 2 LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION 'role "%" would be an analyst and a member of "%", which reads protected rows', found_role.analyst, found_role.other
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
	SELECT r.rolname AS analyst INTO found_role
	FROM pg_roles r
	WHERE NOT r.rolsuper AND r.rolreplication AND pg_has_role(r.oid, 'dp_analyst', 'MEMBER')
	ORDER BY 1 LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION 'role "%" would be an analyst with REPLICATION, which reads everything', found_role.analyst
			USING ERRCODE = 'PV010', HINT = 'ALTER ROLE ... NOREPLICATION first.';
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

-- ---------------------------------------------------------------------------
-- Protected and public relations
-- ---------------------------------------------------------------------------

-- Elements of an owner path: 'a -> s.r.b -> c' gives {a}, {s,r,b}, {c}. An arrow
-- inside a quoted name is part of the name.
CREATE FUNCTION dp._path_elements(owner_path text) RETURNS SETOF text[]
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	rest text := owner_path;
	element text;
BEGIN
	LOOP
		element := substring(rest FROM '^((?:"(?:[^"]|"")*"|[^"-]|-(?!>))*)(?:->|$)');
		IF element IS NULL OR btrim(element) = '' THEN
			RAISE EXCEPTION 'owner path "%" cannot be read', owner_path
				USING ERRCODE = 'PV010',
					  HINT = 'Write a column, or a path such as ''visit_id -> visits.visit_id -> patient_id''.';
		END IF;
		RETURN NEXT parse_ident(btrim(element));
		EXIT WHEN length(rest) = length(element);
		rest := substr(rest, length(element) + 3);
	END LOOP;
END
$$;
COMMENT ON FUNCTION dp._path_elements(text) IS 'internal: splits an owner path into qualified names';

CREATE FUNCTION dp._read_path(relation regclass, owner_path text, OUT owner_relations regclass[], OUT owner_columns name[])
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	element text[];
	position integer := 0;
	home name := (SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = relation);
	next_name text;
	next_relation regclass;
BEGIN
	owner_relations := '{}';
	owner_columns := '{}';
	FOR element IN SELECT e FROM dp._path_elements(owner_path) e LOOP
		position := position + 1;
		IF position % 2 = 1 THEN
			IF cardinality(element) <> 1 THEN
				RAISE EXCEPTION 'owner path "%" has a qualified name where a column is expected', owner_path
					USING ERRCODE = 'PV010',
						  HINT = 'Columns and targets alternate: ''visit_id -> visits.visit_id -> patient_id''.';
			END IF;
			owner_columns := owner_columns || element[1]::name;
		ELSE
			IF cardinality(element) NOT IN (2, 3) THEN
				RAISE EXCEPTION 'owner path "%" needs relation.column behind each second arrow', owner_path
					USING ERRCODE = 'PV010',
						  HINT = 'Columns and targets alternate: ''visit_id -> visits.visit_id -> patient_id''.';
			END IF;
			next_name := CASE cardinality(element)
				WHEN 2 THEN format('%I.%I', home, element[1])
				ELSE format('%I.%I', element[1], element[2]) END;
			next_relation := to_regclass(next_name);
			IF next_relation IS NULL THEN
				RAISE EXCEPTION 'relation % on the owner path does not exist', next_name
					USING ERRCODE = 'PV010',
						  HINT = 'Names without a schema are looked up in the schema of the protected relation.';
			END IF;
			owner_relations := owner_relations || next_relation;
			owner_columns := owner_columns || element[cardinality(element)]::name;
		END IF;
	END LOOP;
	IF position % 2 = 0 THEN
		RAISE EXCEPTION 'owner path "%" ends without an owner column', owner_path
			USING ERRCODE = 'PV010',
				  HINT = 'End with the owner column of the last relation: ''visit_id -> visits.visit_id -> patient_id''.';
	END IF;
END
$$;
COMMENT ON FUNCTION dp._read_path(regclass, text) IS 'internal: relations and columns of an owner path';

CREATE FUNCTION dp._check_protectable(relation regclass, dataset_id integer) RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	class record;
	other record;
BEGIN
	SELECT c.relkind, c.relpersistence, c.relnamespace::regnamespace::text AS schema, c.oid < 16384 AS is_system
	INTO class FROM pg_class c WHERE c.oid = relation;
	IF class.schema IN ('dp_book', 'dp', 'pg_catalog', 'information_schema') OR class.is_system THEN
		RAISE EXCEPTION '"%" is a relation of the system', relation USING ERRCODE = 'PV010';
	ELSIF class.relkind = 'v' THEN
		RAISE EXCEPTION '"%" is a view', relation
			USING ERRCODE = 'PV010', HINT = 'Protect the tables that it reads; views over them are followed.';
	ELSIF class.relkind NOT IN ('r', 'p', 'm') THEN
		RAISE EXCEPTION '"%" is neither a table nor a materialized view', relation USING ERRCODE = 'PV010';
	ELSIF class.relpersistence = 't' THEN
		RAISE EXCEPTION '"%" is a temporary table', relation USING ERRCODE = 'PV010';
	END IF;

	SELECT p.dataset_id AS number, d.name INTO other
	FROM dp_book.protected_relation p JOIN dp_book.dataset d USING (dataset_id)
	WHERE p.relation = _check_protectable.relation AND p.dataset_id <> _check_protectable.dataset_id
	LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION 'relation "%" belongs to data set "%"', relation, other.name
			USING ERRCODE = 'PV010', DETAIL = 'A relation belongs to one data set for ever, also when it is closed.';
	END IF;
	IF EXISTS (SELECT FROM dp_book.public_relation p WHERE p.relation = _check_protectable.relation AND p.valid_to IS NULL) THEN
		RAISE EXCEPTION 'relation "%" was declared public', relation
			USING ERRCODE = 'PV010',
				  DETAIL = 'What was public cannot be made private: answers may have used it without a charge.';
	END IF;

	-- The whole tree stands or falls together, from its root
	WITH RECURSIVE up(relid) AS (
		SELECT i.inhparent FROM pg_inherits i WHERE i.inhrelid = relation
		UNION
		SELECT i.inhparent FROM pg_inherits i JOIN up ON i.inhrelid = up.relid
	)
	SELECT up.relid::regclass AS relid INTO other FROM up
	WHERE NOT EXISTS (SELECT FROM dp_book.protected_relation p
					  WHERE p.relation = up.relid AND p.valid_to IS NULL AND p.dataset_id = _check_protectable.dataset_id)
	LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION 'relation "%" is a part of "%"', relation, other.relid
			USING ERRCODE = 'PV010', HINT = format('Protect %s: its partitions and children are protected with it.', other.relid);
	END IF;
	WITH RECURSIVE down(relid) AS (
		SELECT i.inhrelid FROM pg_inherits i WHERE i.inhparent = relation
		UNION
		SELECT i.inhrelid FROM pg_inherits i JOIN down ON i.inhparent = down.relid
	)
	SELECT down.relid::regclass AS relid, c.relkind INTO other
	FROM down JOIN pg_class c ON c.oid = down.relid
	WHERE c.relkind NOT IN ('r', 'p')
	OR EXISTS (SELECT FROM dp_book.public_relation p WHERE p.relation = down.relid AND p.valid_to IS NULL)
	OR EXISTS (SELECT FROM dp_book.protected_relation p
			   WHERE p.relation = down.relid AND p.dataset_id <> _check_protectable.dataset_id)
	LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION 'relation "%" cannot be protected with its part "%"', relation, other.relid
			USING ERRCODE = 'PV010',
				  DETAIL = 'A part is a foreign table, was declared public, or belongs to another data set.';
	END IF;

	SELECT v.door INTO other
	FROM dp._doors(ARRAY[relation::oid]) v
	WHERE v.kind = 'm' AND v.door <> relation
	AND NOT EXISTS (SELECT FROM dp_book.protected_relation p
					WHERE p.relation = v.door AND p.valid_to IS NULL AND p.dataset_id = _check_protectable.dataset_id)
	LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION 'materialized view "%" holds rows of "%"', other.door, relation
			USING ERRCODE = 'PV010', HINT = 'Protect the materialized view in the same data set first, or drop it.';
	END IF;
END
$$;
COMMENT ON FUNCTION dp._check_protectable(regclass, integer) IS
	'internal: refuses relations that cannot be protected in a data set';

CREATE FUNCTION dp.protect(relation regclass, dataset text, owner_column text,
	rows_per_owner bigint DEFAULT NULL, groups_per_owner bigint DEFAULT NULL) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	caller text := dp._begin_change(relation);
	target integer := dp._dataset_id(dataset);
	path record;
	family text;
	old_state text;
	fact record;
BEGIN
	IF relation IS NULL OR owner_column IS NULL THEN
		RAISE EXCEPTION 'dp.protect needs a relation and an owner column' USING ERRCODE = 'PV010';
	END IF;
	IF rows_per_owner < 1 OR groups_per_owner < 1 THEN
		RAISE EXCEPTION 'rows_per_owner and groups_per_owner must be at least 1' USING ERRCODE = 'PV010';
	END IF;
	-- No parts and no indexes come or go while the rule is made
	IF EXISTS (SELECT FROM pg_class c WHERE c.oid = protect.relation AND c.relkind IN ('r', 'p')) THEN
		EXECUTE format('LOCK TABLE %s IN SHARE UPDATE EXCLUSIVE MODE', relation);
	END IF;
	PERFORM dp._check_protectable(relation, target);
	SELECT * INTO path FROM dp._read_path(relation, owner_column);
	family := dp._check_path(relation, target, path.owner_relations::oid[], path.owner_columns);

	SELECT p.state INTO old_state FROM dp_book.protected_relation p
	WHERE p.relation = protect.relation AND p.valid_to IS NULL;
	UPDATE dp_book.protected_relation p SET valid_to = clock_timestamp(), ended_by = caller
	WHERE p.relation = protect.relation AND p.valid_to IS NULL;
	INSERT INTO dp_book.protected_relation (relation, dataset_id, owner_path, owner_relations, owner_columns,
											rows_per_owner, groups_per_owner, state, valid_from, set_by)
	VALUES (protect.relation, target, owner_column, path.owner_relations, path.owner_columns,
			protect.rows_per_owner, protect.groups_per_owner, 'protected', clock_timestamp(), caller);
	UPDATE dp_book.dataset d SET key_family = family::"char"
	WHERE d.dataset_id = target AND d.key_family = ''::"char";
	-- Facts about columns that went while the relation was closed
	UPDATE dp_book.column_fact f SET valid_to = clock_timestamp(), ended_by = caller
	WHERE f.relation = protect.relation AND f.valid_to IS NULL
	AND NOT EXISTS (SELECT FROM pg_attribute a
					WHERE a.attrelid = protect.relation AND a.attname = f.column_name AND NOT a.attisdropped);

	PERFORM dp._strip_rights(relation);
	PERFORM dp._policy_changed(relation);

	IF old_state = 'closed' THEN
		RAISE NOTICE 'relation "%" was closed and is open to analysts again', relation;
	ELSIF old_state = 'protected' THEN
		RAISE NOTICE 'the rule for relation "%" has been replaced', relation;
	END IF;
	FOR fact IN SELECT f.* FROM dp.describe(relation) f WHERE f.bounds_enforced LOOP
		RAISE NOTICE 'column "%" of "%" is within [%, %] by CHECK constraints: analysts may see these bounds',
			fact.column_name, relation, fact.lower, fact.upper;
	END LOOP;
	IF EXISTS (SELECT FROM dp.describe(relation) f WHERE f.rows_per_owner IS NULL) THEN
		RAISE NOTICE 'rows_per_owner of "%" is unknown: analysts must set dp.rows_per_owner', relation
			USING HINT = 'Pass rows_per_owner to dp.protect, or a default to dp.create_dataset.';
	END IF;
END
$$;
COMMENT ON FUNCTION dp.protect(regclass, text, text, bigint, bigint) IS
	'protects a relation: its rows reach analysts through releases alone';

CREATE FUNCTION dp.unprotect(relation regclass) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	caller text := dp._begin_change(relation);
	rule record;
	dependent regclass;
BEGIN
	IF dp._book_exists() THEN
		SELECT p.* INTO rule FROM dp_book.protected_relation p
		WHERE p.relation = unprotect.relation AND p.valid_to IS NULL;
	END IF;
	IF rule IS NULL OR rule.relation IS NULL THEN
		RAISE EXCEPTION 'relation "%" is not protected', relation USING ERRCODE = 'PV010';
	ELSIF rule.state = 'closed' THEN
		RAISE NOTICE 'relation "%" is closed already', relation;
		RETURN;
	END IF;
	SELECT p.relation INTO dependent FROM dp_book.protected_relation p
	WHERE p.valid_to IS NULL AND p.state = 'protected' AND unprotect.relation::oid = ANY (p.owner_relations::oid[])
	ORDER BY p.relation::text LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION 'relation "%" reaches its owner through "%"', dependent, relation
			USING ERRCODE = 'PV010', HINT = format('Call dp.unprotect for %s first.', dependent);
	END IF;
	UPDATE dp_book.protected_relation p SET valid_to = clock_timestamp(), ended_by = caller
	WHERE p.relation = unprotect.relation AND p.valid_to IS NULL;
	INSERT INTO dp_book.protected_relation (relation, dataset_id, owner_path, owner_relations, owner_columns,
											rows_per_owner, groups_per_owner, state, valid_from, set_by)
	VALUES (rule.relation, rule.dataset_id, rule.owner_path, rule.owner_relations, rule.owner_columns,
			rule.rows_per_owner, rule.groups_per_owner, 'closed', clock_timestamp(), caller);
	PERFORM dp._policy_changed(relation);
END
$$;
COMMENT ON FUNCTION dp.unprotect(regclass) IS
	'closes a protected relation to analysts; what owners have spent stays spent';

CREATE FUNCTION dp.declare_public(relation regclass) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	caller text := dp._begin_change(relation);
	class record;
	other regclass;
BEGIN
	IF relation IS NULL THEN
		RAISE EXCEPTION 'dp.declare_public needs a relation' USING ERRCODE = 'PV010';
	END IF;
	IF NOT dp._book_exists() THEN
		RAISE EXCEPTION 'there is no data set yet'
			USING ERRCODE = 'PV010', HINT = 'Make one with dp.create_dataset first.';
	END IF;
	SELECT c.relkind, c.relpersistence, c.relnamespace::regnamespace::text AS schema, c.oid < 16384 AS is_system
	INTO class FROM pg_class c WHERE c.oid = relation;
	IF class.schema IN ('dp_book', 'dp', 'pg_catalog', 'information_schema') OR class.is_system THEN
		RAISE EXCEPTION '"%" is a relation of the system', relation USING ERRCODE = 'PV010';
	ELSIF class.relkind = 'v' THEN
		RAISE EXCEPTION '"%" is a view', relation
			USING ERRCODE = 'PV010', HINT = 'Declare the tables that it reads: a view is as public as they are.';
	ELSIF class.relkind NOT IN ('r', 'p', 'm') OR class.relpersistence = 't' THEN
		RAISE EXCEPTION '"%" is not a lasting table or materialized view of this database', relation USING ERRCODE = 'PV010';
	END IF;

	-- Itself, its parents, its parts, and what it was made from: none may hold owners' rows
	WITH RECURSIVE tree(relid) AS (
		SELECT declare_public.relation::oid
		UNION
		SELECT x.relid FROM tree t, LATERAL (
			SELECT i.inhparent AS relid FROM pg_inherits i WHERE i.inhrelid = t.relid
			UNION ALL
			SELECT d.refobjid FROM pg_rewrite r JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
				AND d.refclassid = 'pg_class'::regclass
			WHERE r.ev_class = t.relid AND r.ev_type = '1') x
	), parts(relid) AS (
		SELECT relid FROM tree
		UNION
		SELECT i.inhrelid FROM pg_inherits i JOIN parts ON i.inhparent = parts.relid
	)
	SELECT p.relation INTO other FROM dp_book.protected_relation p JOIN parts ON parts.relid = p.relation
	WHERE p.valid_to IS NULL
	ORDER BY p.relation::text LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION 'relation "%" cannot be public', relation
			USING ERRCODE = 'PV010', DETAIL = format('Relation "%s" is protected or closed.', other);
	END IF;
	IF EXISTS (SELECT FROM dp_book.protected_relation p WHERE p.relation = declare_public.relation) THEN
		RAISE EXCEPTION 'relation "%" cannot be public: it held rows of owners', relation USING ERRCODE = 'PV010';
	END IF;
	IF EXISTS (SELECT FROM dp_book.public_relation p WHERE p.relation = declare_public.relation AND p.valid_to IS NULL) THEN
		RAISE NOTICE 'relation "%" is public already', relation;
		RETURN;
	END IF;
	INSERT INTO dp_book.public_relation (relation, valid_from, set_by)
	VALUES (declare_public.relation, clock_timestamp(), caller);
	PERFORM dp._policy_changed(relation);
END
$$;
COMMENT ON FUNCTION dp.declare_public(regclass) IS
	'declares that the rows of a relation say nothing about owners';

-- ---------------------------------------------------------------------------
-- Public facts
-- ---------------------------------------------------------------------------

-- The type of a column of a relation that is protected by a rule of its own.
CREATE FUNCTION dp._fact_column_type(relation regclass, column_name name) RETURNS regtype
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	found_type regtype;
BEGIN
	IF relation IS NULL OR column_name IS NULL THEN
		RAISE EXCEPTION 'a fact needs a relation and a column' USING ERRCODE = 'PV010';
	END IF;
	IF NOT dp._book_exists() OR NOT EXISTS (
		SELECT FROM dp_book.protected_relation p
		WHERE p.relation = _fact_column_type.relation AND p.valid_to IS NULL AND p.state = 'protected') THEN
		RAISE EXCEPTION 'relation "%" is not protected', relation
			USING ERRCODE = 'PV010', HINT = 'Call dp.protect first; facts of a partitioned table are set on its root.';
	END IF;
	SELECT a.atttypid::regtype INTO found_type FROM pg_attribute a
	WHERE a.attrelid = relation AND a.attname = column_name AND a.attnum > 0 AND NOT a.attisdropped;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'column "%" of relation "%" does not exist', column_name, relation USING ERRCODE = '42703';
	END IF;
	RETURN found_type;
END
$$;
COMMENT ON FUNCTION dp._fact_column_type(regclass, name) IS 'internal: the type of a column that facts may be set for';

-- Replaces the fact row of a column; bounds and domain are kept apart from each other.
CREATE FUNCTION dp._put_fact(relation regclass, column_name name, lower numeric, upper numeric, domain text[],
	source text, caller text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	old record;
BEGIN
	UPDATE dp_book.column_fact f SET valid_to = clock_timestamp(), ended_by = _put_fact.caller
	WHERE f.relation = _put_fact.relation AND f.column_name = _put_fact.column_name AND f.valid_to IS NULL
	RETURNING f.lower, f.upper, f.domain INTO old;
	IF FOUND THEN
		lower := coalesce(_put_fact.lower, old.lower);
		upper := coalesce(_put_fact.upper, old.upper);
		domain := coalesce(_put_fact.domain, old.domain);
	END IF;
	INSERT INTO dp_book.column_fact (relation, column_name, lower, upper, domain, source, valid_from, set_by)
	VALUES (_put_fact.relation, _put_fact.column_name, _put_fact.lower, _put_fact.upper, _put_fact.domain,
			_put_fact.source, clock_timestamp(), _put_fact.caller);
	PERFORM dp._policy_changed(relation);
END
$$;
COMMENT ON FUNCTION dp._put_fact(regclass, name, numeric, numeric, text[], text, text) IS
	'internal: writes the facts about a column';

CREATE FUNCTION dp.set_bounds(relation regclass, column_name name, lower numeric, upper numeric, source text DEFAULT NULL) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	caller text := dp._begin_change(relation);
BEGIN
	IF dp._fact_column_type(relation, column_name) NOT IN ('smallint', 'integer', 'bigint', 'numeric', 'real', 'double precision') THEN
		RAISE EXCEPTION 'column "%" is not a column of numbers', column_name
			USING ERRCODE = 'PV010', HINT = 'dp.set_domain lists the values of other columns.';
	END IF;
	IF lower IS NULL OR upper IS NULL OR NOT (lower <= upper) OR NOT (lower >= -1e300 AND upper <= 1e300) THEN
		RAISE EXCEPTION 'bounds must be two finite numbers, the lower one first' USING ERRCODE = 'PV010';
	END IF;
	PERFORM dp._put_fact(relation, column_name, lower, upper, NULL, source, caller);
END
$$;
COMMENT ON FUNCTION dp.set_bounds(regclass, name, numeric, numeric, text) IS
	'declares public bounds of a column; values outside are clamped to them';

CREATE FUNCTION dp._set_domain(relation regclass, column_name name, domain_values text[], source text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO, YMD' SET extra_float_digits = 1
AS $$
DECLARE
	caller text := dp._begin_change(relation);
BEGIN
	PERFORM dp._fact_column_type(relation, column_name);
	IF domain_values IS NULL THEN
		RAISE EXCEPTION 'a domain needs a list of values' USING ERRCODE = 'PV010';
	END IF;
	PERFORM dp._put_fact(relation, column_name, NULL, NULL, dp._domain(relation, column_name, domain_values), source, caller);
END
$$;
COMMENT ON FUNCTION dp._set_domain(regclass, name, text[], text) IS
	'internal: dp.set_domain for values that are text already';

-- Not SECURITY DEFINER: the cast to text may be a function of the caller's own.
CREATE FUNCTION dp.set_domain(relation regclass, column_name name, domain_values anycompatiblearray, source text DEFAULT NULL) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO, YMD' SET extra_float_digits = 1
AS $$
BEGIN
	PERFORM dp._set_domain(relation, column_name, domain_values::text[], source);
END
$$;
COMMENT ON FUNCTION dp.set_domain(regclass, name, anycompatiblearray, text) IS
	'declares the public values of a column; grouping by it shows every one of them';

-- ---------------------------------------------------------------------------
-- Analysts
-- ---------------------------------------------------------------------------

CREATE FUNCTION dp.grant_analyst(role regrole, dataset text, epsilon_per_query float8,
	epsilon_quota float8 DEFAULT NULL, purposes text[] DEFAULT NULL) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	caller text := dp._begin_change(NULL);
	target integer := dp._dataset_id(dataset);
	promise record;
	per_query bigint;
	quota bigint;
	unknown text;
BEGIN
	IF role IS NULL OR NOT EXISTS (SELECT FROM pg_roles r WHERE r.oid = grant_analyst.role) THEN
		RAISE EXCEPTION 'dp.grant_analyst needs a role' USING ERRCODE = 'PV010';
	END IF;
	IF EXISTS (SELECT FROM pg_roles r WHERE r.oid = grant_analyst.role AND r.rolsuper) THEN
		RAISE EXCEPTION 'role % is a superuser and cannot be an analyst', role
			USING ERRCODE = 'PV010', DETAIL = 'A superuser reads every table without the engine.';
	END IF;
	IF EXISTS (SELECT FROM pg_roles r WHERE r.oid = grant_analyst.role AND r.rolname IN ('dp_analyst', 'dp_steward', 'dp_auditor')) THEN
		RAISE EXCEPTION 'role % is a group role of pg_epsilon', role
			USING ERRCODE = 'PV010', HINT = 'Grant the roles that analysts log in with, or a group of theirs.';
	END IF;
	SELECT d.epsilon, d.conversion_delta INTO promise FROM dp_book.dataset d WHERE d.dataset_id = target;
	IF epsilon_per_query IS NULL OR NOT (epsilon_per_query > 0 AND epsilon_per_query <= promise.epsilon) THEN
		RAISE EXCEPTION 'epsilon_per_query must be above 0 and at most %, the epsilon of the data set', promise.epsilon
			USING ERRCODE = 'PV010';
	END IF;
	IF epsilon_quota < epsilon_per_query THEN
		RAISE EXCEPTION 'epsilon_quota must be at least epsilon_per_query' USING ERRCODE = 'PV010';
	END IF;
	SELECT w INTO unknown FROM unnest(purposes) w
	WHERE w IS NULL OR NOT EXISTS (SELECT FROM dp_book.purpose p WHERE p.dataset_id = target AND p.purpose = w)
	LIMIT 1;
	IF FOUND OR purposes = '{}' THEN
		RAISE EXCEPTION 'purposes must be purposes of data set "%"', dataset
			USING ERRCODE = 'PV010', HINT = 'Add them with dp.add_purpose, or pass NULL for all.';
	END IF;

	per_query := dp._units(epsilon_per_query, promise.conversion_delta);
	quota := dp._units(epsilon_quota, promise.conversion_delta);
	IF per_query < 1 THEN
		RAISE EXCEPTION 'epsilon_per_query is too small to be accounted for' USING ERRCODE = 'PV010';
	END IF;
	UPDATE dp_book.analyst a SET valid_to = clock_timestamp(), ended_by = caller
	WHERE a.role = grant_analyst.role AND a.dataset_id = target AND a.valid_to IS NULL;
	INSERT INTO dp_book.analyst (role, dataset_id, query_units, quota_units, purposes, epsilon_per_query,
								 epsilon_quota, valid_from, set_by)
	VALUES (grant_analyst.role, target, per_query, quota, grant_analyst.purposes, grant_analyst.epsilon_per_query,
			grant_analyst.epsilon_quota, clock_timestamp(), caller);
	PERFORM dp._make_analyst(role);
	PERFORM dp._policy_changed(NULL);
END
$$;
COMMENT ON FUNCTION dp.grant_analyst(regrole, text, float8, float8, text[]) IS
	'lets a role ask a data set: highest price of one answer, quota over all, purposes';

-- The membership comes before the rights are taken, because it decides whose
-- rights they are; the check after statements would see the time in between.
CREATE FUNCTION dp._make_analyst(role oid) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	opening record;
BEGIN
	FOR opening IN
		SELECT d.door, d.kind, a.grantee
		FROM dp._doors((SELECT array_agg(p.relation::oid) FROM dp_book.protected_relation p
						JOIN pg_class c ON c.oid = p.relation WHERE p.valid_to IS NULL)) d
		JOIN pg_class c ON c.oid = d.door,
		LATERAL (SELECT x.grantee FROM aclexplode(c.relacl) x
				 UNION
				 SELECT x.grantee FROM pg_attribute t, aclexplode(t.attacl) x
				 WHERE t.attrelid = d.door AND NOT t.attisdropped) a
		WHERE a.grantee <> c.relowner AND a.grantee <> 0
		AND EXISTS (SELECT FROM pg_roles r
					WHERE r.oid = a.grantee AND NOT r.rolsuper AND pg_has_role(r.oid, _make_analyst.role, 'MEMBER'))
		ORDER BY d.door::text, a.grantee
	LOOP
		EXECUTE format('REVOKE ALL ON %s %s FROM %s CASCADE',
					   CASE opening.kind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END,
					   opening.door, dp._role_text(opening.grantee));
		RAISE NOTICE 'revoked all rights on "%" from %', opening.door, dp._role_text(opening.grantee);
	END LOOP;
	IF NOT EXISTS (SELECT FROM pg_auth_members m
				   WHERE m.roleid = (SELECT r.oid FROM pg_roles r WHERE r.rolname = 'dp_analyst')
				   AND m.member = _make_analyst.role) THEN
		EXECUTE format('GRANT dp_analyst TO %s', dp._role_text(_make_analyst.role));
	END IF;
	PERFORM dp._check_openings();
END
$$;
COMMENT ON FUNCTION dp._make_analyst(oid) IS
	'internal: takes a role''s rights on protected relations and makes it a member of dp_analyst';

CREATE FUNCTION dp.revoke_analyst(role regrole, dataset text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	caller text := dp._begin_change(NULL);
	target integer := dp._dataset_id(dataset);
BEGIN
	UPDATE dp_book.analyst a SET valid_to = clock_timestamp(), ended_by = caller
	WHERE a.role = revoke_analyst.role AND a.dataset_id = target AND a.valid_to IS NULL;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'role % holds no grant on data set "%"', role, dataset USING ERRCODE = 'PV010';
	END IF;
	-- The role stays a member of dp_analyst: what it may not read stays closed to it
	PERFORM dp._policy_changed(NULL);
END
$$;
COMMENT ON FUNCTION dp.revoke_analyst(regrole, text) IS
	'ends a role''s grant on a data set; its used quota stays used';

-- ---------------------------------------------------------------------------
-- Following DDL: called by the library after the statement
-- ---------------------------------------------------------------------------

CREATE FUNCTION dp._column_renamed(relation oid, old_name name, new_name name) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	rule record;
	fact record;
	fresh name[];
BEGIN
	FOR rule IN
		SELECT p.* FROM dp_book.protected_relation p
		WHERE p.valid_to IS NULL
		AND (p.relation = _column_renamed.relation OR _column_renamed.relation = ANY (p.owner_relations::oid[]))
	LOOP
		-- Column i (from 1) stands in the relation itself if i = 1, else in relation i / 2
		SELECT array_agg(CASE WHEN c.name = old_name
							  AND CASE WHEN c.i = 1 THEN rule.relation::oid ELSE (rule.owner_relations)[c.i / 2]::oid END
								  = _column_renamed.relation
							  THEN new_name ELSE c.name END ORDER BY c.i)
		INTO fresh FROM unnest(rule.owner_columns) WITH ORDINALITY AS c(name, i);
		CONTINUE WHEN fresh = rule.owner_columns;
		UPDATE dp_book.protected_relation p SET valid_to = clock_timestamp(), ended_by = session_user
		WHERE p.relation = rule.relation AND p.valid_to IS NULL;
		INSERT INTO dp_book.protected_relation (relation, dataset_id, owner_path, owner_relations, owner_columns,
												rows_per_owner, groups_per_owner, state, valid_from, set_by)
		VALUES (rule.relation, rule.dataset_id, rule.owner_path, rule.owner_relations, fresh,
				rule.rows_per_owner, rule.groups_per_owner, rule.state, clock_timestamp(), session_user);
		PERFORM dp._policy_changed(rule.relation);
	END LOOP;

	UPDATE dp_book.column_fact f SET valid_to = clock_timestamp(), ended_by = session_user
	WHERE f.relation = _column_renamed.relation AND f.column_name = old_name AND f.valid_to IS NULL
	RETURNING f.* INTO fact;
	IF FOUND THEN
		INSERT INTO dp_book.column_fact (relation, column_name, lower, upper, domain, source, valid_from, set_by)
		VALUES (fact.relation, new_name, fact.lower, fact.upper, fact.domain, fact.source, clock_timestamp(), session_user);
	END IF;
	PERFORM dp._policy_changed(relation);
END
$$;
COMMENT ON FUNCTION dp._column_renamed(oid, name, name) IS 'internal: policy follows a renamed column';

CREATE FUNCTION dp._relation_dropped(relation oid) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	UPDATE dp_book.protected_relation p SET valid_to = clock_timestamp(), ended_by = session_user
	WHERE p.relation = _relation_dropped.relation AND p.valid_to IS NULL;
	UPDATE dp_book.public_relation p SET valid_to = clock_timestamp(), ended_by = session_user
	WHERE p.relation = _relation_dropped.relation AND p.valid_to IS NULL;
	UPDATE dp_book.column_fact f SET valid_to = clock_timestamp(), ended_by = session_user
	WHERE f.relation = _relation_dropped.relation AND f.valid_to IS NULL;
	PERFORM dp._policy_changed(NULL);
END
$$;
COMMENT ON FUNCTION dp._relation_dropped(oid) IS 'internal: ends the rules of a relation that was dropped';

CREATE FUNCTION dp._role_dropped(role oid) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	UPDATE dp_book.analyst a SET valid_to = clock_timestamp(), ended_by = session_user
	WHERE a.role = _role_dropped.role AND a.valid_to IS NULL;
	PERFORM dp._policy_changed(NULL);
END
$$;
COMMENT ON FUNCTION dp._role_dropped(oid) IS 'internal: ends the grants of a role that was dropped';

-- A part that leaves a protected relation keeps the rows of owners, so it keeps
-- the rule.
CREATE FUNCTION dp._inheritance_changed(child oid, parent oid) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = child)
	OR EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = child AND i.inhparent = parent)
	OR EXISTS (SELECT FROM dp_book.protected_relation p WHERE p.relation = child AND p.valid_to IS NULL) THEN
		RETURN;
	END IF;
	WITH RECURSIVE up(relid) AS (
		SELECT _inheritance_changed.parent
		UNION
		SELECT i.inhparent FROM pg_inherits i JOIN up ON i.inhrelid = up.relid
	)
	INSERT INTO dp_book.protected_relation (relation, dataset_id, owner_path, owner_relations, owner_columns,
											rows_per_owner, groups_per_owner, state, valid_from, set_by)
	SELECT child, p.dataset_id, p.owner_path, p.owner_relations, p.owner_columns,
		   p.rows_per_owner, p.groups_per_owner, p.state, clock_timestamp(), session_user
	FROM dp_book.protected_relation p JOIN up ON up.relid = p.relation
	WHERE p.valid_to IS NULL
	LIMIT 1;
	IF FOUND THEN
		RAISE NOTICE 'relation "%" stays protected', child::regclass
			USING HINT = 'Call dp.unprotect before you drop it.';
	END IF;
	PERFORM dp._policy_changed(child);
END
$$;
COMMENT ON FUNCTION dp._inheritance_changed(oid, oid) IS
	'internal: a part that leaves a protected relation stays protected';

-- ---------------------------------------------------------------------------
-- What auditors and stewards read
-- ---------------------------------------------------------------------------

CREATE FUNCTION dp._datasets() RETURNS TABLE (dataset text, accountant text, epsilon float8, delta float8,
	standard float8, capacity integer, rows_per_owner bigint, new_owners text, owner_keys text,
	created_at timestamptz, created_by text, closed_at timestamptz)
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF dp._book_exists() THEN
		RETURN QUERY
		SELECT d.name, d.accountant, d.epsilon, d.delta, d.standard, d.capacity, d.rows_per_owner, d.new_owners,
			   CASE d.key_family WHEN 'i' THEN 'integer' WHEN 'u' THEN 'uuid' WHEN 't' THEN 'text' END,
			   d.created_at, d.created_by, d.closed_at
		FROM dp_book.dataset d ORDER BY d.dataset_id;
	END IF;
END
$$;
COMMENT ON FUNCTION dp._datasets() IS 'internal: rows of view dp.datasets';

CREATE VIEW dp.datasets AS SELECT * FROM dp._datasets();
COMMENT ON VIEW dp.datasets IS 'data sets and what they promise';

CREATE FUNCTION dp._protected_tables() RETURNS TABLE (relation regclass, dataset text, owner_path text,
	rows_per_owner bigint, groups_per_owner bigint, state text, since timestamptz, set_by text)
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF dp._book_exists() THEN
		RETURN QUERY
		SELECT p.relation, d.name, p.owner_path, p.rows_per_owner, p.groups_per_owner, p.state, p.valid_from, p.set_by
		FROM dp_book.protected_relation p JOIN dp_book.dataset d USING (dataset_id)
		WHERE p.valid_to IS NULL
		UNION ALL
		SELECT p.relation, NULL, NULL, NULL, NULL, 'public', p.valid_from, p.set_by
		FROM dp_book.public_relation p
		WHERE p.valid_to IS NULL
		ORDER BY 2 NULLS LAST, 7;
	END IF;
END
$$;
COMMENT ON FUNCTION dp._protected_tables() IS 'internal: rows of view dp.protected_tables';

CREATE VIEW dp.protected_tables AS SELECT * FROM dp._protected_tables();
COMMENT ON VIEW dp.protected_tables IS 'relations that are protected, closed, or declared public';

CREATE FUNCTION dp._analysts() RETURNS TABLE (role regrole, dataset text, epsilon_per_query float8,
	epsilon_quota float8, purposes text[], since timestamptz, set_by text)
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF dp._book_exists() THEN
		RETURN QUERY
		SELECT a.role, d.name, a.epsilon_per_query, a.epsilon_quota, a.purposes, a.valid_from, a.set_by
		FROM dp_book.analyst a JOIN dp_book.dataset d USING (dataset_id)
		WHERE a.valid_to IS NULL
		ORDER BY d.dataset_id, a.valid_from;
	END IF;
END
$$;
COMMENT ON FUNCTION dp._analysts() IS 'internal: rows of view dp.analysts';

CREATE VIEW dp.analysts AS SELECT * FROM dp._analysts();
COMMENT ON VIEW dp.analysts IS 'roles that may ask, and at which price';

-- Each row of the book that rules is two events: when it began, and when it ended.
CREATE FUNCTION dp._policy_log() RETURNS TABLE (at timestamptz, who text, dataset text, action text, object text, detail text)
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF NOT dp._book_exists() THEN
		RETURN;
	END IF;
	RETURN QUERY
	WITH event AS (
		SELECT d.created_at AS began, NULL::timestamptz AS ended, d.created_by AS set_by, NULL::text AS ended_by, d.dataset_id,
			   'data set' AS action, d.name AS object,
			   format('epsilon %s, delta %s, standard %s, accountant %s, capacity %s%s', d.epsilon, d.delta, d.standard,
					  d.accountant, d.capacity, CASE WHEN d.epsilon > 10 THEN ', large epsilon confirmed' ELSE '' END) AS detail
		FROM dp_book.dataset d
		UNION ALL
		SELECT p.valid_from, p.valid_to, p.set_by, p.ended_by, p.dataset_id, p.state, p.relation::text,
			   format('owner %s, rows_per_owner %s, groups_per_owner %s', p.owner_path,
					  coalesce(p.rows_per_owner::text, 'none'), coalesce(p.groups_per_owner::text, 'none'))
		FROM dp_book.protected_relation p
		UNION ALL
		SELECT p.valid_from, p.valid_to, p.set_by, p.ended_by, NULL, 'public', p.relation::text, NULL
		FROM dp_book.public_relation p
		UNION ALL
		SELECT f.valid_from, f.valid_to, f.set_by, f.ended_by,
			   (SELECT max(p.dataset_id) FROM dp_book.protected_relation p WHERE p.relation = f.relation),
			   'column fact', format('%s.%I', f.relation, f.column_name),
			   format('bounds %s, %s values, source: %s', CASE WHEN f.lower IS NULL THEN 'none' ELSE format('[%s, %s]', f.lower, f.upper) END,
					  coalesce(cardinality(f.domain), 0), coalesce(f.source, 'not given'))
		FROM dp_book.column_fact f
		UNION ALL
		SELECT p.valid_from, p.valid_to, p.set_by, p.ended_by, p.dataset_id, 'purpose', p.purpose,
			   format('consent by default: %s', p.default_consent)
		FROM dp_book.purpose p
		UNION ALL
		SELECT a.valid_from, a.valid_to, a.set_by, a.ended_by, a.dataset_id, 'analyst', a.role::text,
			   format('epsilon_per_query %s, epsilon_quota %s, purposes %s', a.epsilon_per_query,
					  coalesce(a.epsilon_quota::text, 'none'), coalesce(array_to_string(a.purposes, ', '), 'all'))
		FROM dp_book.analyst a
	)
	SELECT e.began, e.set_by, d.name, e.action, e.object, e.detail
	FROM event e LEFT JOIN dp_book.dataset d USING (dataset_id)
	UNION ALL
	SELECT e.ended, e.ended_by, d.name, 'end of ' || e.action, e.object, e.detail
	FROM event e LEFT JOIN dp_book.dataset d USING (dataset_id)
	WHERE e.ended IS NOT NULL
	ORDER BY 1;
END
$$;
COMMENT ON FUNCTION dp._policy_log() IS 'internal: rows of view dp.policy_log';

CREATE VIEW dp.policy_log AS SELECT * FROM dp._policy_log();
COMMENT ON VIEW dp.policy_log IS 'every change of policy: when, by whom, what';
