-- Epochs: at public times, one `owners` entry a data set, with the roots of the
-- balance and consent maps and, for auditors, what owners changed since the last
-- one (docs/design/ledger.md).

CREATE FUNCTION dp._make_epoch_book() RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	CREATE TABLE dp_book.owner_change (
		dataset_id integer NOT NULL,
		change_no bigint NOT NULL,
		change bytea NOT NULL,
		PRIMARY KEY (dataset_id, change_no))
		WITH (autovacuum_vacuum_insert_threshold = -1, autovacuum_analyze_threshold = 2147483647);
	COMMENT ON TABLE dp_book.owner_change IS
		'limits, consents, merges and renumberings in the order in which they happened, as the next owners entry commits them';

	CREATE TABLE dp_book.epoch (
		dataset_id integer NOT NULL,
		epoch bigint NOT NULL,
		seq bigint,
		as_of bigint NOT NULL,
		first_second bigint NOT NULL,
		last_second bigint NOT NULL,
		depth smallint NOT NULL,
		balance bytea NOT NULL,
		consent bytea NOT NULL,
		map_key bytea NOT NULL,
		accounts integer NOT NULL,
		first_change bigint NOT NULL,
		last_change bigint NOT NULL,
		PRIMARY KEY (dataset_id, epoch));
	COMMENT ON TABLE dp_book.epoch IS
		'roots of the balance and consent maps of an epoch that has ended; without a seq it is not in the ledger yet';
	CREATE UNIQUE INDEX epoch_seq ON dp_book.epoch (seq);

	CREATE TABLE dp_book.snapshot (
		dataset_id integer NOT NULL,
		epoch bigint NOT NULL,
		first_account integer NOT NULL,
		states bytea NOT NULL,
		PRIMARY KEY (dataset_id, epoch, first_account))
		WITH (autovacuum_vacuum_insert_threshold = -1, autovacuum_analyze_threshold = 2147483647);
	-- as of charges: how many rows stand here is data, and nobody may count them
	ALTER TABLE dp_book.snapshot ALTER COLUMN states SET STORAGE PLAIN;
	COMMENT ON TABLE dp_book.snapshot IS
		'what the accounts held at the end of the newest epochs: the leaves of their maps';

	CREATE TABLE dp_book.epoch_clock (
		only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
		epoch bigint NOT NULL,
		began bigint NOT NULL);
	COMMENT ON TABLE dp_book.epoch_clock IS 'the epoch at hand, and the second in which it began';
	INSERT INTO dp_book.epoch_clock (epoch, began) VALUES (1, floor(extract(epoch FROM now()))::bigint);
END
$$;
COMMENT ON FUNCTION dp._make_epoch_book() IS 'internal: makes the tables of epochs in schema dp_book';
REVOKE ALL ON FUNCTION dp._make_epoch_book() FROM PUBLIC;

CREATE FUNCTION dp._map_proof(dataset text, owner text,
	OUT epoch bigint, OUT seq bigint, OUT account bigint, OUT as_of bigint, OUT depth integer,
	OUT balance_slot bigint, OUT balance_leaf_key bytea, OUT balance_message bytea, OUT balance_path bytea[],
	OUT consent_slot bigint, OUT consent_leaf_key bytea, OUT consent_message bytea, OUT consent_path bytea[])
	RETURNS record
	AS 'MODULE_PATHNAME', 'eps_budget_sql_map_proof'
	LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION dp._map_proof(text, text) IS
	'internal: where an owner stands in the maps of the newest epoch, and the proof';
REVOKE ALL ON FUNCTION dp._map_proof(text, text) FROM PUBLIC;

-- An owner's statement with its proof.  The proof is of the newest tree that both
-- the inclusion proof and the checkpoint are of; an entry that is appended between
-- the two calls makes them differ, and then they are made again.
CREATE FUNCTION dp.statement_proof(dataset text, owner text, detail boolean DEFAULT false) RETURNS json
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
AS $$
DECLARE
	map record;
	tree record;
	signed text;
	charges json;
	months json;
BEGIN
	SELECT * INTO map FROM dp._map_proof(dataset, owner);
	FOR attempt IN 1..100 LOOP
		SELECT * INTO tree FROM dp.inclusion_proof(map.seq);
		signed := dp.checkpoint();
		EXIT WHEN split_part(signed, E'\n', 2) = tree.tree_size::text;
	END LOOP;
	IF split_part(signed, E'\n', 2) <> tree.tree_size::text THEN
		RAISE EXCEPTION 'the ledger grows too fast for a proof'
			USING ERRCODE = 'PV012', HINT = 'Ask again.';
	END IF;
	SELECT json_agg(json_build_object('month', m.month, 'answers', m.answers, 'rho', m.rho, 'delta', m.delta) ORDER BY m.month)
	INTO months
	FROM (SELECT to_char(s.at, 'YYYY-MM') AS month, count(s.seq) AS answers, sum(s.rho) AS rho, sum(s.delta) AS delta
		  FROM dp.statement(dataset, owner) s GROUP BY 1) m;
	IF detail THEN
		SELECT json_agg(json_build_object('seq', s.seq, 'at', s.at, 'analyst', s.analyst, 'purpose', s.purpose,
										  'rho', s.rho, 'delta', s.delta)) INTO charges
		FROM dp.statement(dataset, owner) s;
	END IF;
	RETURN json_strip_nulls(json_build_object(
		'dataset', dataset, 'owner', owner, 'account', map.account, 'epoch', map.epoch,
		'owners_entry_seq', map.seq, 'as_of', map.as_of,
		'balance', json_build_object('slot', map.balance_slot, 'leaf_key', encode(map.balance_leaf_key, 'hex'),
			'message', encode(map.balance_message, 'hex'),
			'path', (SELECT json_agg(encode(h, 'hex') ORDER BY i) FROM unnest(map.balance_path) WITH ORDINALITY p(h, i))),
		'consent', json_build_object('slot', map.consent_slot, 'leaf_key', encode(map.consent_leaf_key, 'hex'),
			'message', encode(map.consent_message, 'hex'),
			'path', (SELECT json_agg(encode(h, 'hex') ORDER BY i) FROM unnest(map.consent_path) WITH ORDINALITY p(h, i))),
		'entry', (SELECT encode(l.entry, 'hex') FROM dp_book.log l WHERE l.seq = map.seq),
		'inclusion', coalesce((SELECT json_agg(encode(h, 'hex') ORDER BY i) FROM unnest(tree.proof) WITH ORDINALITY p(h, i)), '[]'),
		'checkpoint', signed,
		'months', coalesce(months, '[]'), 'charges', charges));
END
$$;
COMMENT ON FUNCTION dp.statement_proof(text, text, boolean) IS
	'what an owner was charged by month (by answer, with detail => true), and the proof of the balance and consents at the end of the newest epoch; pg_epsilon statement checks it';
REVOKE ALL ON FUNCTION dp.statement_proof(text, text, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION dp.statement_proof(text, text, boolean) TO dp_steward, dp_auditor;

-- ---------------------------------------------------------------------------
-- Answers: committed to at the end of an epoch, 256 at a time
-- ---------------------------------------------------------------------------

CREATE FUNCTION dp._make_answers_book() RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	CREATE TABLE dp_book.answer_digest (
		seq bigint PRIMARY KEY REFERENCES dp_book.entry,
		digest bytea NOT NULL);
	COMMENT ON TABLE dp_book.answer_digest IS
		'SHA-256 of the answers that were put out, as the next answers entry commits to them';

	CREATE TABLE dp_book.answers (
		first_seq bigint PRIMARY KEY,
		last_seq bigint NOT NULL,
		seq bigint,
		at timestamptz NOT NULL,
		root bytea NOT NULL,
		slots bytea NOT NULL);
	COMMENT ON TABLE dp_book.answers IS
		'commitments to answers: which stands in which slot, sealed; without a seq it is not in the ledger yet';
	CREATE UNIQUE INDEX answers_seq ON dp_book.answers (seq);
	ALTER TABLE dp_book.answers ALTER COLUMN slots SET STORAGE EXTERNAL;
END
$$;
COMMENT ON FUNCTION dp._make_answers_book() IS 'internal: makes the tables of commitments to answers in schema dp_book';
REVOKE ALL ON FUNCTION dp._make_answers_book() FROM PUBLIC;

CREATE FUNCTION dp._slot_proof(answers_seq bigint, release_seq bigint,
	OUT slot integer, OUT salt bytea, OUT path bytea[]) RETURNS record
	AS 'MODULE_PATHNAME', 'eps_budget_sql_slot_proof'
	LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION dp._slot_proof(bigint, bigint) IS 'internal: where an answer stands in its answers entry, and the proof';
REVOKE ALL ON FUNCTION dp._slot_proof(bigint, bigint) FROM PUBLIC;

-- For whoever may ask as the analyst who asked, and for auditors.
CREATE FUNCTION dp.receipt(release bigint) RETURNS json
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
AS $$
DECLARE
	given record;
	answers record;
	slot record;
	tree record;
	tree_answers record;
	signed text;
BEGIN
	IF to_regclass('dp_book.entry') IS NOT NULL THEN
		SELECT e.seq, d.digest, l.entry INTO given
		FROM dp_book.entry e JOIN dp_book.log l ON l.seq = e.seq LEFT JOIN dp_book.answer_digest d ON d.seq = e.seq
		WHERE e.seq = release AND e.kind = 'release'
			AND (pg_has_role(session_user, e.role::oid, 'USAGE') OR pg_has_role(session_user, 'dp_auditor', 'USAGE'));
	END IF;
	IF given.seq IS NULL THEN
		RAISE EXCEPTION 'there is no release % that you asked', release
			USING ERRCODE = 'PV010', HINT = 'A receipt is given to the role that asked, and to auditors.';
	END IF;
	SELECT a.seq, l.entry INTO answers FROM dp_book.answers a JOIN dp_book.log l ON l.seq = a.seq
	WHERE a.first_seq <= release AND release <= a.last_seq;
	IF answers.seq IS NULL THEN
		RAISE EXCEPTION 'the answer of release % is not in the ledger yet', release
			USING ERRCODE = 'PV012', HINT = 'Answers are committed to when an epoch ends, an hour or one epoch after their statement began; ask again then.';
	END IF;
	SELECT * INTO slot FROM dp._slot_proof(answers.seq, release);
	FOR attempt IN 1..100 LOOP
		SELECT * INTO tree FROM dp.inclusion_proof(release);
		SELECT * INTO tree_answers FROM dp.inclusion_proof(answers.seq);
		signed := dp.checkpoint();
		EXIT WHEN split_part(signed, E'\n', 2) = tree.tree_size::text AND tree.tree_size = tree_answers.tree_size;
	END LOOP;
	IF split_part(signed, E'\n', 2) <> tree.tree_size::text OR tree.tree_size <> tree_answers.tree_size THEN
		RAISE EXCEPTION 'the ledger grows too fast for a proof'
			USING ERRCODE = 'PV012', HINT = 'Ask again.';
	END IF;
	RETURN json_build_object(
		'release_seq', given.seq, 'entry', encode(given.entry, 'hex'),
		'inclusion', coalesce((SELECT json_agg(encode(h, 'hex') ORDER BY i) FROM unnest(tree.proof) WITH ORDINALITY p(h, i)), '[]'),
		'answer_digest', encode(given.digest, 'hex'),
		'answers_seq', answers.seq, 'answers_entry', encode(answers.entry, 'hex'),
		'answers_inclusion', coalesce((SELECT json_agg(encode(h, 'hex') ORDER BY i) FROM unnest(tree_answers.proof) WITH ORDINALITY p(h, i)), '[]'),
		'slot', slot.slot, 'salt', encode(slot.salt, 'hex'),
		'path', (SELECT json_agg(encode(h, 'hex') ORDER BY i) FROM unnest(slot.path) WITH ORDINALITY p(h, i)),
		'checkpoint', signed);
END
$$;
COMMENT ON FUNCTION dp.receipt(bigint) IS
	'that the ledger holds a release and commits to its answer: for the role that asked, and for auditors';
REVOKE ALL ON FUNCTION dp.receipt(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION dp.receipt(bigint) TO dp_analyst, dp_auditor, dp_steward;
