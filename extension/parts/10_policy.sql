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
		closed_at timestamptz,
		worst_case_from timestamptz,
		worst_case_by text);
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

	CREATE TABLE dp_book.pad (
		dataset_id int NOT NULL REFERENCES dp_book.dataset,
		quantum_ms int NOT NULL CHECK (quantum_ms > 0),
		deadline_ms int NOT NULL CHECK (deadline_ms >= quantum_ms AND deadline_ms % quantum_ms = 0),
		valid_from timestamptz NOT NULL,
		valid_to timestamptz,
		set_by text NOT NULL,
		ended_by text);
	CREATE UNIQUE INDEX pad_in_force ON dp_book.pad (dataset_id) WHERE valid_to IS NULL;
	COMMENT ON TABLE dp_book.pad IS 'at which times answers leave';

	CREATE TABLE dp_book.hardening (
		step int PRIMARY KEY,
		at timestamptz NOT NULL,
		set_by text NOT NULL,
		statement text NOT NULL,
		undo text NOT NULL,
		undone_at timestamptz,
		undone_by text);
	COMMENT ON TABLE dp_book.hardening IS 'what dp.harden changed, and what takes it back';
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
		SELECT DISTINCT dp._role_text(a.grantee) AS grantee
		FROM (SELECT (aclexplode(c.relacl)).grantee, c.relowner AS owner
			  FROM pg_class c WHERE c.relnamespace = 'dp_book'::regnamespace
			  UNION
			  SELECT (aclexplode(n.nspacl)).grantee, n.nspowner FROM pg_namespace n WHERE n.nspname = 'dp_book') a
		WHERE a.grantee <> a.owner
	LOOP
		EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA dp_book FROM %s', open.grantee);
		EXECUTE format('REVOKE ALL ON ALL SEQUENCES IN SCHEMA dp_book FROM %s', open.grantee);
		EXECUTE format('REVOKE ALL ON SCHEMA dp_book FROM %s', open.grantee);
	END LOOP;
END
$$;
COMMENT ON FUNCTION dp._close_book() IS 'internal: takes every right on dp_book from everybody but its owner';

-- Made by whoever first has something to keep in it.
CREATE FUNCTION dp._open_book() RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF dp._book_exists() THEN
		RETURN;
	END IF;
	IF to_regnamespace('dp_book') IS NOT NULL THEN
		RAISE EXCEPTION 'schema dp_book exists, but is not the book of this extension'
			USING ERRCODE = 'PV012',
				  DETAIL = 'The schema and all its tables must be complete and belong to the owner of schema dp.',
				  HINT = 'If it comes from a dump, finish the restore and correct the owner; else rename it.';
	END IF;
	PERFORM dp._make_policy_book();
	PERFORM dp._make_ledger_book();
	PERFORM dp._make_epoch_book();
	PERFORM dp._make_answers_book();
	PERFORM dp._make_log_book();
	PERFORM dp._close_book();
END
$$;
COMMENT ON FUNCTION dp._open_book() IS 'internal: makes the book where there is none';

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
	IF new_owners IS NULL OR new_owners NOT IN ('zero', 'worst_case') THEN
		RAISE EXCEPTION 'new_owners must be "zero" or "worst_case"' USING ERRCODE = 'PV010';
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

	PERFORM dp._open_book();
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
