-- The ledger: the log of everything that happened, its tree, its keys, what
-- auditors take away, and the record of policy changes that the log is made of.
--
-- Only the ledger writer writes these tables, but for policy_event, which
-- triggers fill in the transaction of the change, and a new signing key, which
-- waits in its table until the writer logs it.

-- ---------------------------------------------------------------------------
-- Tables
-- ---------------------------------------------------------------------------

CREATE FUNCTION dp._make_log_book() RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $make$
DECLARE
	ruled name;
BEGIN
	CREATE TABLE dp_book.ledger (
		id bytea PRIMARY KEY CHECK (length(id) = 16),
		made_at timestamptz NOT NULL);
	COMMENT ON TABLE dp_book.ledger IS 'the name under which the log of this database is signed';
	CREATE UNIQUE INDEX ledger_one ON dp_book.ledger ((true));

	CREATE TABLE dp_book.log (
		seq bigint PRIMARY KEY,
		entry bytea NOT NULL,
		sealed bytea NOT NULL,
		detail text);
	COMMENT ON TABLE dp_book.log IS
		'the log: what the public may see of each entry, and the randomness of its commitments, sealed under a key that is kept outside the database';
	ALTER TABLE dp_book.log ALTER COLUMN entry SET STORAGE PLAIN;
	ALTER TABLE dp_book.log ALTER COLUMN sealed SET STORAGE PLAIN;
	CREATE INDEX log_boot ON dp_book.log (seq) WHERE detail IS NOT NULL;

	CREATE TABLE dp_book.tile (
		level smallint NOT NULL,
		n bigint NOT NULL,
		hashes bytea NOT NULL,
		PRIMARY KEY (level, n));
	COMMENT ON TABLE dp_book.tile IS 'hashes of the log''s tree, 256 of one level';
	ALTER TABLE dp_book.tile ALTER COLUMN hashes SET STORAGE EXTERNAL;

	CREATE TABLE dp_book.signing_key (
		public_key bytea PRIMARY KEY CHECK (length(public_key) = 32),
		sealed bytea NOT NULL,
		from_seq bigint UNIQUE,
		made_at timestamptz NOT NULL,
		set_by text);
	COMMENT ON TABLE dp_book.signing_key IS
		'keys that checkpoints are signed with, secrets sealed, and the entry from which each is in force';

	CREATE TABLE dp_book.policy_event (
		event_no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
		seq bigint UNIQUE,
		at timestamptz NOT NULL,
		who text NOT NULL,
		action text NOT NULL CHECK (action IN ('insert', 'update', 'delete')),
		table_name name NOT NULL,
		dataset_id integer NOT NULL,
		relation_name text,
		row_text text NOT NULL,
		old_text text,
		relation regclass,
		owner_relations regclass[],
		role regrole);
	COMMENT ON TABLE dp_book.policy_event IS
		'changes of policy in order, and the entry of the log that tells each; those without one are logged before the next answer';
	CREATE INDEX policy_event_pending ON dp_book.policy_event (event_no) WHERE seq IS NULL;

	-- In this schema and not in dp: a dump carries tables, triggers and function
	-- alike, and the extension may be dropped while there is nothing to protect.
	CREATE FUNCTION dp_book.record_policy_change() RETURNS trigger
		LANGUAGE plpgsql VOLATILE
		SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET extra_float_digits = 1
	AS $trigger$
	DECLARE
		rule record;
		fresh jsonb;
		event dp_book.policy_event;
	BEGIN
		IF TG_OP = 'UPDATE' AND OLD IS NOT DISTINCT FROM NEW THEN
			RETURN NULL;
		ELSIF TG_OP = 'DELETE' THEN
			rule := OLD;
		ELSE
			rule := NEW;
		END IF;
		fresh := to_jsonb(rule);
		IF fresh ? 'relation' THEN
			event.relation := rule.relation;
		END IF;
		IF fresh ? 'owner_relations' THEN
			event.owner_relations := rule.owner_relations;
		END IF;
		IF fresh ? 'role' THEN
			event.role := rule.role;
		END IF;
		event.dataset_id := coalesce((fresh->>'dataset_id')::integer,
			(SELECT max(p.dataset_id) FROM dp_book.protected_relation p WHERE p.relation = event.relation), 0);
		INSERT INTO dp_book.policy_event (at, who, action, table_name, dataset_id, relation_name, row_text, old_text,
										  relation, owner_relations, role)
		VALUES (clock_timestamp(), session_user, lower(TG_OP), TG_TABLE_NAME, event.dataset_id,
				fresh->>'relation', fresh::text, CASE WHEN TG_OP = 'UPDATE' THEN to_jsonb(OLD)::text END,
				event.relation, event.owner_relations, event.role);
		RETURN NULL;
	END
	$trigger$;
	COMMENT ON FUNCTION dp_book.record_policy_change() IS 'records a change of policy, in the transaction that makes it';
	REVOKE ALL ON FUNCTION dp_book.record_policy_change() FROM PUBLIC;

	FOREACH ruled IN ARRAY '{dataset,protected_relation,public_relation,column_fact,purpose,analyst,pad}'::name[] LOOP
		EXECUTE format('CREATE TRIGGER record AFTER INSERT OR UPDATE OR DELETE ON dp_book.%I '
					   'FOR EACH ROW EXECUTE FUNCTION dp_book.record_policy_change()', ruled);
		EXECUTE format('ALTER TABLE dp_book.%I ENABLE ALWAYS TRIGGER record', ruled);
	END LOOP;
END
$make$;
COMMENT ON FUNCTION dp._make_log_book() IS 'internal: makes the tables of the log in schema dp_book';

-- ---------------------------------------------------------------------------
-- Keys
-- ---------------------------------------------------------------------------

CREATE FUNCTION dp.rotate_key() RETURNS void
	AS 'MODULE_PATHNAME', 'eps_budget_sql_rotate_key'
	LANGUAGE C VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION dp.rotate_key() IS
	'makes a new key for checkpoints; in force when this transaction has ended and the log holds the entry that both keys sign';

-- ---------------------------------------------------------------------------
-- The tree
-- ---------------------------------------------------------------------------

CREATE FUNCTION dp.checkpoint() RETURNS text
	AS 'MODULE_PATHNAME', 'eps_budget_sql_checkpoint'
	LANGUAGE C VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION dp.checkpoint() IS
	'size and root of the log and the worst cases of all answers, signed (C2SP tlog-checkpoint); null while the log is empty';

CREATE FUNCTION dp.inclusion_proof(seq bigint,
	OUT tree_size bigint, OUT leaf_hash bytea, OUT root bytea, OUT proof bytea[]) RETURNS record
	AS 'MODULE_PATHNAME', 'eps_budget_sql_inclusion_proof'
	LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION dp.inclusion_proof(bigint) IS
	'that an entry stands in the log as it is now (RFC 9162, 2.1.3)';

CREATE FUNCTION dp.consistency_proof(from_size bigint, to_size bigint,
	OUT from_root bytea, OUT to_root bytea, OUT proof bytea[]) RETURNS record
	AS 'MODULE_PATHNAME', 'eps_budget_sql_consistency_proof'
	LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION dp.consistency_proof(bigint, bigint) IS
	'that the log of one size continues the log of another (RFC 9162, 2.1.4)';

CREATE FUNCTION dp._ledger(OUT seq bigint, OUT at timestamptz, OUT kind text, OUT dataset_id integer, OUT epoch bigint,
	OUT total_rho float8, OUT total_delta float8, OUT entry bytea) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'eps_budget_sql_ledger'
	LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION dp._ledger() IS 'internal: rows of dp.ledger';

CREATE VIEW dp.ledger AS SELECT * FROM dp._ledger();
COMMENT ON VIEW dp.ledger IS
	'the log as the public may see it; total_rho and total_delta are the worst case of all answers of the data set so far (epsilon for rho in a pure data set)';

CREATE FUNCTION dp._policy_entries() RETURNS TABLE (
		seq bigint, at timestamptz, who text, dataset text, action text, table_name name, relation text, rule jsonb)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF to_regclass('dp_book.policy_event') IS NULL THEN
		RETURN;
	END IF;
	RETURN QUERY
		SELECT p.seq, p.at, p.who, d.name, p.action, p.table_name, p.relation_name, p.row_text::jsonb
		FROM dp_book.policy_event p LEFT JOIN dp_book.dataset d ON d.dataset_id = p.dataset_id
		ORDER BY p.seq NULLS LAST, p.event_no;
END
$$;
COMMENT ON FUNCTION dp._policy_entries() IS 'internal: rows of dp.policy_entries';

CREATE VIEW dp.policy_entries AS SELECT * FROM dp._policy_entries();
COMMENT ON VIEW dp.policy_entries IS
	'every change of policy as the log tells it: the rule after the change, and whose session made it; without a number until the next answer or checkpoint';

CREATE FUNCTION dp.export_ledger(part text DEFAULT 'public', from_seq bigint DEFAULT 1,
	OUT path text, OUT content bytea) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'eps_budget_sql_export'
	LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION dp.export_ledger(text, bigint) IS
	'the files of an export of the log: its ''public'' part, or the ''auditor''''s, which opens its entries; rows of one path that follow each other are pieces of one file';

-- ---------------------------------------------------------------------------
-- The check of policy tables against their recorded changes
-- ---------------------------------------------------------------------------

-- Rows of the policy tables, written as their changes are.
CREATE FUNCTION dp._policy_rows() RETURNS TABLE (table_name name, row_text text, relation regclass, owner_relations regclass[], role regrole)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET extra_float_digits = 1
AS $$
BEGIN
	RETURN QUERY
	SELECT 'dataset'::name, to_jsonb(t)::text, NULL::regclass, NULL::regclass[], NULL::regrole FROM dp_book.dataset t
	UNION ALL SELECT 'protected_relation', to_jsonb(t)::text, t.relation, t.owner_relations, NULL FROM dp_book.protected_relation t
	UNION ALL SELECT 'public_relation', to_jsonb(t)::text, t.relation, NULL, NULL FROM dp_book.public_relation t
	UNION ALL SELECT 'column_fact', to_jsonb(t)::text, t.relation, NULL, NULL FROM dp_book.column_fact t
	UNION ALL SELECT 'purpose', to_jsonb(t)::text, NULL, NULL, NULL FROM dp_book.purpose t
	UNION ALL SELECT 'analyst', to_jsonb(t)::text, NULL, NULL, t.role FROM dp_book.analyst t
	UNION ALL SELECT 'pad', to_jsonb(t)::text, NULL, NULL, NULL FROM dp_book.pad t;
END
$$;
COMMENT ON FUNCTION dp._policy_rows() IS 'internal: rows of the policy tables as text, and the objects that they name';

-- What relations and roles are called may change, and their numbers change in a
-- restore; so text is compared without them, and objects as objects.
CREATE FUNCTION dp._policy_text(row_text text) RETURNS text
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$ SELECT (row_text::jsonb - '{relation,owner_relations,role}'::text[])::text $$;
COMMENT ON FUNCTION dp._policy_text(text) IS 'internal: a row of a policy table without what its objects are called';

-- Rows that were recorded and are not there count above 0, others below; with
-- the last entry that tells of such a row.
CREATE FUNCTION dp._policy_difference() RETURNS TABLE (table_name name, seq bigint, surplus bigint)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY
	SELECT c.table_name, max(c.seq), sum(c.n)::bigint
	FROM (SELECT e.table_name, e.seq, dp._policy_text(e.row_text) AS row_text, e.relation, e.owner_relations, e.role,
				 CASE e.action WHEN 'delete' THEN -1 ELSE 1 END AS n
		  FROM dp_book.policy_event e
		  UNION ALL
		  SELECT e.table_name, e.seq, dp._policy_text(e.old_text), e.relation, e.owner_relations, e.role, -1
		  FROM dp_book.policy_event e WHERE e.action = 'update'
		  UNION ALL
		  SELECT r.table_name, NULL, dp._policy_text(r.row_text), r.relation, r.owner_relations, r.role, -1
		  FROM dp._policy_rows() r) c
	GROUP BY c.table_name, c.row_text, c.relation, c.owner_relations, c.role
	HAVING sum(c.n) <> 0
	ORDER BY 2 NULLS LAST, 1;
END
$$;
COMMENT ON FUNCTION dp._policy_difference() IS
	'internal: rows in which the policy tables differ from the fold of their recorded changes';

REVOKE ALL ON FUNCTION
	dp._make_log_book(), dp.rotate_key(), dp.checkpoint(), dp.inclusion_proof(bigint),
	dp.consistency_proof(bigint, bigint), dp._ledger(), dp._policy_entries(), dp.export_ledger(text, bigint),
	dp._policy_rows(), dp._policy_text(text), dp._policy_difference()
FROM PUBLIC;
REVOKE ALL ON dp.ledger, dp.policy_entries FROM PUBLIC;

GRANT EXECUTE ON FUNCTION dp.rotate_key() TO dp_steward;
GRANT EXECUTE ON FUNCTION
	dp.checkpoint(), dp.inclusion_proof(bigint), dp.consistency_proof(bigint, bigint), dp._ledger(),
	dp._policy_entries(), dp.export_ledger(text, bigint)
TO dp_steward, dp_auditor;
GRANT SELECT ON dp.ledger, dp.policy_entries TO dp_steward, dp_auditor;
