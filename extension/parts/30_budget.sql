-- Budgets: the ledger's tables, limits and consents of owners, statements,
-- quotas, and the check of the book.
--
-- dp.set_limit and dp.set_consent go through the ledger writer, as charges do:
-- they are on disk and in force when they return, and a ROLLBACK of the caller
-- does not undo them.

-- ---------------------------------------------------------------------------
-- Tables
-- ---------------------------------------------------------------------------

CREATE FUNCTION dp._make_ledger_book() RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	CREATE TABLE dp_book.secret (
		dataset_id integer PRIMARY KEY REFERENCES dp_book.dataset,
		wrapped bytea NOT NULL);
	COMMENT ON TABLE dp_book.secret IS
		'secrets of data sets, sealed under a key that is kept outside the database';

	CREATE TABLE dp_book.account_chunk (
		dataset_id integer NOT NULL,
		first_account integer NOT NULL,
		keys bytea NOT NULL,
		start_units bigint NOT NULL,
		start_delta_units bigint NOT NULL,
		PRIMARY KEY (dataset_id, first_account))
		WITH (autovacuum_vacuum_insert_threshold = -1, autovacuum_analyze_threshold = 2147483647);
	COMMENT ON TABLE dp_book.account_chunk IS
		'keyed hashes of owners, 16 bytes an account, in account order, and what those owners began with';
	-- How many rows stand here and in charge, and how long they are, depends on
	-- protected rows.  A value moved out of line takes a number of the server's object
	-- ids, and an ANALYZE a transaction number, which everybody can count: so neither
	-- is let happen.
	ALTER TABLE dp_book.account_chunk ALTER COLUMN keys SET STORAGE PLAIN;

	CREATE TABLE dp_book.entry (
		seq bigint PRIMARY KEY,
		at timestamptz NOT NULL,
		dataset_id integer NOT NULL,
		kind text NOT NULL,
		role regrole,
		analyst text,
		purpose text,
		statement text,
		mechanism text,
		level smallint NOT NULL,
		delta_level smallint NOT NULL,
		answer_key bytea,
		repeat_of bigint REFERENCES dp_book.entry);
	COMMENT ON TABLE dp_book.entry IS
		'one row an answer, with the ladder levels of its worst case; an answer that was given again has none, and names the release that gave it';

	CREATE TABLE dp_book.charge (
		seq bigint NOT NULL REFERENCES dp_book.entry,
		level smallint NOT NULL,
		delta_level smallint NOT NULL,
		owners bytea NOT NULL,
		piece smallint NOT NULL DEFAULT 1,
		pieces smallint NOT NULL DEFAULT 1,
		PRIMARY KEY (seq, level, delta_level, piece))
		WITH (autovacuum_vacuum_insert_threshold = -1, autovacuum_analyze_threshold = 2147483647);
	COMMENT ON TABLE dp_book.charge IS
		'who was charged which level by an answer: a roaring bitmap of account numbers, in pieces that a page holds';
	ALTER TABLE dp_book.charge ALTER COLUMN owners SET STORAGE PLAIN;

	CREATE TABLE dp_book.answer (
		answer_key bytea PRIMARY KEY,
		dataset_id integer NOT NULL,
		seq bigint NOT NULL REFERENCES dp_book.entry,
		at timestamptz NOT NULL,
		sealed bytea NOT NULL);
	COMMENT ON TABLE dp_book.answer IS
		'answers that may be given again, sealed under a key that is kept outside the database';
	CREATE INDEX answer_age ON dp_book.answer (dataset_id, seq);
	ALTER TABLE dp_book.answer ALTER COLUMN sealed SET STORAGE EXTERNAL;

	CREATE TABLE dp_book.owner_limit (
		dataset_id integer NOT NULL,
		owner_key bytea NOT NULL,
		units bigint NOT NULL,
		valid_from timestamptz NOT NULL,
		valid_to timestamptz,
		set_by text NOT NULL,
		ended_by text);
	COMMENT ON TABLE dp_book.owner_limit IS 'own limits of owners, with history';
	CREATE INDEX owner_limit_owner ON dp_book.owner_limit (dataset_id, owner_key) WHERE valid_to IS NULL;

	CREATE TABLE dp_book.consent (
		dataset_id integer NOT NULL,
		owner_key bytea NOT NULL,
		purpose_no smallint NOT NULL,
		granted boolean NOT NULL,
		until timestamptz,
		valid_from timestamptz NOT NULL,
		valid_to timestamptz,
		set_by text NOT NULL,
		ended_by text);
	COMMENT ON TABLE dp_book.consent IS 'what owners said of purposes, with history';
	CREATE INDEX consent_owner ON dp_book.consent (dataset_id, owner_key, purpose_no) WHERE valid_to IS NULL;

	CREATE TABLE dp_book.merge (
		dataset_id integer NOT NULL,
		merge_no bigint NOT NULL,
		after_seq bigint NOT NULL,
		from_account integer NOT NULL,
		to_account integer NOT NULL,
		units bigint NOT NULL,
		delta_units bigint NOT NULL,
		at timestamptz NOT NULL,
		set_by text NOT NULL,
		PRIMARY KEY (dataset_id, from_account),
		UNIQUE (dataset_id, merge_no));
	COMMENT ON TABLE dp_book.merge IS
		'accounts of one person: what the second took over when the first was merged into it, after which entry';

	CREATE TABLE dp_book.renumbering (
		dataset_id integer NOT NULL,
		at timestamptz NOT NULL,
		set_by text NOT NULL,
		carried bigint NOT NULL,
		merged bigint NOT NULL);
	COMMENT ON TABLE dp_book.renumbering IS
		'when owners were given other keys, and how many accounts went along';
END
$$;
COMMENT ON FUNCTION dp._make_ledger_book() IS 'internal: makes the ledger''s tables in schema dp_book';

CREATE FUNCTION dp._make_secret(dataset_id integer) RETURNS void
	AS 'MODULE_PATHNAME', 'eps_budget_sql_make_secret'
	LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION dp._make_secret(integer) IS
	'internal: makes the secret of a new data set and stores it sealed under the wrapping key';

-- ---------------------------------------------------------------------------
-- Stewards: limits and consents of owners
-- ---------------------------------------------------------------------------

CREATE FUNCTION dp.set_limit(dataset text, owner text, epsilon float8) RETURNS void
	AS 'MODULE_PATHNAME', 'eps_budget_sql_set_limit'
	LANGUAGE C VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION dp.set_limit(text, text, float8) IS
	'sets an owner''s own limit, at most the data set''s epsilon; in force and on disk at once, whatever becomes of the transaction';
CREATE FUNCTION dp.set_limit(dataset text, owner bigint, epsilon float8) RETURNS void
	AS 'MODULE_PATHNAME', 'eps_budget_sql_set_limit'
	LANGUAGE C VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION dp.set_limit(text, bigint, float8) IS
	'sets an owner''s own limit, at most the data set''s epsilon; in force and on disk at once, whatever becomes of the transaction';
CREATE FUNCTION dp.set_limit(dataset text, owner uuid, epsilon float8) RETURNS void
	AS 'MODULE_PATHNAME', 'eps_budget_sql_set_limit'
	LANGUAGE C VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION dp.set_limit(text, uuid, float8) IS
	'sets an owner''s own limit, at most the data set''s epsilon; in force and on disk at once, whatever becomes of the transaction';

CREATE FUNCTION dp.set_consent(dataset text, owner text, purpose text, granted boolean,
							   until timestamptz DEFAULT NULL) RETURNS void
	AS 'MODULE_PATHNAME', 'eps_budget_sql_set_consent'
	LANGUAGE C VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION dp.set_consent(text, text, text, boolean, timestamptz) IS
	'records whether an owner lets a purpose be; a grant that has ended is a refusal, a refusal that has ended is as if nothing had been said';
CREATE FUNCTION dp.set_consent(dataset text, owner bigint, purpose text, granted boolean,
							   until timestamptz DEFAULT NULL) RETURNS void
	AS 'MODULE_PATHNAME', 'eps_budget_sql_set_consent'
	LANGUAGE C VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION dp.set_consent(text, bigint, text, boolean, timestamptz) IS
	'records whether an owner lets a purpose be; a grant that has ended is a refusal, a refusal that has ended is as if nothing had been said';
CREATE FUNCTION dp.set_consent(dataset text, owner uuid, purpose text, granted boolean,
							   until timestamptz DEFAULT NULL) RETURNS void
	AS 'MODULE_PATHNAME', 'eps_budget_sql_set_consent'
	LANGUAGE C VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION dp.set_consent(text, uuid, text, boolean, timestamptz) IS
	'records whether an owner lets a purpose be; a grant that has ended is a refusal, a refusal that has ended is as if nothing had been said';

-- ---------------------------------------------------------------------------
-- Auditors and stewards
-- ---------------------------------------------------------------------------

CREATE FUNCTION dp.statement(dataset text, owner text,
	OUT seq bigint, OUT at timestamptz, OUT analyst text, OUT purpose text,
	OUT rho float8, OUT delta float8, OUT running_rho float8, OUT running_delta float8,
	OUT running_epsilon float8, OUT limit_epsilon float8) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'eps_budget_sql_statement'
	LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION dp.statement(text, text) IS
	'what one owner was charged, with running totals; in a pure data set rho stands for epsilon';
CREATE FUNCTION dp.statement(dataset text, owner bigint,
	OUT seq bigint, OUT at timestamptz, OUT analyst text, OUT purpose text,
	OUT rho float8, OUT delta float8, OUT running_rho float8, OUT running_delta float8,
	OUT running_epsilon float8, OUT limit_epsilon float8) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'eps_budget_sql_statement'
	LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION dp.statement(text, bigint) IS
	'what one owner was charged, with running totals; in a pure data set rho stands for epsilon';
CREATE FUNCTION dp.statement(dataset text, owner uuid,
	OUT seq bigint, OUT at timestamptz, OUT analyst text, OUT purpose text,
	OUT rho float8, OUT delta float8, OUT running_rho float8, OUT running_delta float8,
	OUT running_epsilon float8, OUT limit_epsilon float8) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'eps_budget_sql_statement'
	LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION dp.statement(text, uuid) IS
	'what one owner was charged, with running totals; in a pure data set rho stands for epsilon';

CREATE FUNCTION dp._ladder_units(level integer) RETURNS float8
	AS 'MODULE_PATHNAME', 'eps_budget_sql_ladder_units'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION dp._ladder_units(integer) IS 'internal: what a charge level costs, in units of 2^-60';

CREATE FUNCTION dp._releases() RETURNS TABLE (
		seq bigint, at timestamptz, dataset text, analyst text, purpose text,
		statement text, mechanism text, rho float8, delta float8, kind text, repeat_of bigint)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF to_regclass('dp_book.entry') IS NULL THEN
		RETURN;
	END IF;
	RETURN QUERY
		SELECT e.seq, e.at, d.name, e.analyst, e.purpose, e.statement, e.mechanism,
			   dp._ladder_units(e.level) / power(2::float8, 60),
			   dp._ladder_units(e.delta_level) / power(2::float8, 60), e.kind, e.repeat_of
		FROM dp_book.entry e LEFT JOIN dp_book.dataset d ON d.dataset_id = e.dataset_id
		WHERE e.kind IN ('release', 'repeat', 'left out')
		ORDER BY e.seq;
END
$$;
COMMENT ON FUNCTION dp._releases() IS 'internal: rows of dp.releases';

CREATE VIEW dp.releases AS SELECT * FROM dp._releases();
COMMENT ON VIEW dp.releases IS
	'the answers given: who asked what for which purpose, and the worst case that it may have cost an owner (rho; epsilon in a pure data set); a repeat gave the answer of an earlier release again, at no cost';

CREATE FUNCTION dp.verify(OUT check_name text, OUT ok boolean, OUT detail text) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'eps_budget_sql_verify'
	LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION dp.verify() IS
	'recomputes the book from the ledger''s tables; one row a check';

-- ---------------------------------------------------------------------------
-- Analysts
-- ---------------------------------------------------------------------------

-- With the caller's own rights: it reads the grants of the session.
CREATE FUNCTION dp.quota(OUT dataset text,
	OUT epsilon_per_query float8, OUT epsilon_quota float8, OUT epsilon_used float8, OUT epsilon_left float8,
	OUT units_per_query bigint, OUT units_quota bigint, OUT units_used bigint, OUT units_left bigint,
	OUT repeats bigint)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'eps_budget_sql_quota'
	LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION dp.quota() IS
	'what the session''s analyst may spend on a query and in all, in worst-case cost, and what of it is used; units are 2^-60 rho (epsilon in a pure data set); repeats are answers given again, which cost nothing';

REVOKE ALL ON FUNCTION
	dp._make_ledger_book(), dp._make_secret(integer), dp._ladder_units(integer), dp._releases(),
	dp.set_limit(text, text, float8), dp.set_limit(text, bigint, float8), dp.set_limit(text, uuid, float8),
	dp.set_consent(text, text, text, boolean, timestamptz), dp.set_consent(text, bigint, text, boolean, timestamptz),
	dp.set_consent(text, uuid, text, boolean, timestamptz),
	dp.statement(text, text), dp.statement(text, bigint), dp.statement(text, uuid),
	dp.verify(), dp.quota()
FROM PUBLIC;
REVOKE ALL ON dp.releases FROM PUBLIC;

GRANT EXECUTE ON FUNCTION
	dp.set_limit(text, text, float8), dp.set_limit(text, bigint, float8), dp.set_limit(text, uuid, float8),
	dp.set_consent(text, text, text, boolean, timestamptz), dp.set_consent(text, bigint, text, boolean, timestamptz),
	dp.set_consent(text, uuid, text, boolean, timestamptz)
TO dp_steward;
GRANT EXECUTE ON FUNCTION
	dp.statement(text, text), dp.statement(text, bigint), dp.statement(text, uuid),
	dp.verify(), dp._releases()
TO dp_steward, dp_auditor;
GRANT SELECT ON dp.releases TO dp_steward, dp_auditor;
GRANT EXECUTE ON FUNCTION dp.quota() TO PUBLIC;
