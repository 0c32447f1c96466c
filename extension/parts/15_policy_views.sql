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
			   format('epsilon %s, delta %s, standard %s, accountant %s, capacity %s%s%s', d.epsilon, d.delta, d.standard,
					  d.accountant, d.capacity,
					  CASE WHEN d.new_owners = 'worst_case' AND d.worst_case_from IS NULL
						   THEN ', new owners begin at the worst case' ELSE '' END, CASE WHEN d.epsilon > 10 THEN ', large epsilon confirmed' ELSE '' END) AS detail
		FROM dp_book.dataset d
		UNION ALL
		SELECT d.worst_case_from, NULL, d.worst_case_by, NULL, d.dataset_id, 'new owners', d.name,
			   'begin at the worst case of all answers so far'
		FROM dp_book.dataset d WHERE d.worst_case_from IS NOT NULL
		UNION ALL
		SELECT r.at, NULL, r.set_by, NULL, r.dataset_id, 'owners renumbered', NULL,
			   format('%s accounts carried over, %s merged', r.carried, r.merged)
		FROM dp_book.renumbering r
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
		UNION ALL
		SELECT p.valid_from, p.valid_to, p.set_by, p.ended_by, p.dataset_id, 'pad', NULL,
			   format('quantum %s ms, deadline %s ms', p.quantum_ms, p.deadline_ms)
		FROM dp_book.pad p
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
