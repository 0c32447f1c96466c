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

-- Domains that the schema suggests but that may have come from the data: a
-- steward knows, the engine does not (rule 12).
CREATE FUNCTION dp._propose_domains(relation regclass) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	holder regclass := relation;
	proposal record;
BEGIN
	FOR proposal IN
		SELECT a.attname AS column_name, 'has an enum type' AS reason,
			   format('SELECT dp.set_domain(%L, %L, enum_range(NULL::%s))', holder, a.attname, t.oid::regtype) AS statement
		FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid AND t.typtype = 'e'
		WHERE a.attrelid = holder AND a.attnum > 0 AND NOT a.attisdropped
		UNION ALL
		SELECT a.attname, format('references public relation "%s"', k.confrelid::regclass),
			   format('SELECT dp.set_domain(%L, %L, (SELECT array_agg(%I) FROM %s))', holder, a.attname, r.attname, k.confrelid::regclass)
		FROM pg_constraint k
		JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
		JOIN pg_attribute r ON r.attrelid = k.confrelid AND r.attnum = k.confkey[1]
		JOIN dp_book.public_relation p ON p.relation = k.confrelid AND p.valid_to IS NULL
		WHERE k.contype = 'f' AND k.conrelid = holder AND cardinality(k.conkey) = 1
		ORDER BY 1
	LOOP
		CONTINUE WHEN EXISTS (SELECT FROM dp_book.column_fact f
							  WHERE f.relation = holder AND f.column_name = proposal.column_name
							  AND f.valid_to IS NULL AND f.domain IS NOT NULL);
		RAISE NOTICE 'column "%" of "%" %, which may be its public domain', proposal.column_name, holder, proposal.reason
			USING HINT = format('If the values were not taken from the data: %s', proposal.statement);
	END LOOP;
END
$$;
COMMENT ON FUNCTION dp._propose_domains(regclass) IS
	'internal: tells a steward which columns could have a public domain';

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
	PERFORM dp._check_code();
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
	PERFORM dp._propose_domains(relation);
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
	is_protected boolean := false;
BEGIN
	IF relation IS NULL OR column_name IS NULL THEN
		RAISE EXCEPTION 'a fact needs a relation and a column' USING ERRCODE = 'PV010';
	END IF;
	-- a statement of its own: where there is no book, the next could not even be planned
	IF dp._book_exists() THEN
		PERFORM FROM dp_book.protected_relation p
		WHERE p.relation = _fact_column_type.relation AND p.valid_to IS NULL AND p.state = 'protected';
		is_protected := FOUND;
	END IF;
	IF NOT is_protected THEN
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
