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
	IF EXISTS (SELECT FROM pg_roles r WHERE r.oid = grant_analyst.role AND r.rolname IN ('dp_analyst', 'dp_steward', 'dp_auditor', 'dp_monitor')) THEN
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
	IF dp._has_open_counter() THEN
		RAISE NOTICE 'analysts are refused until this database is hardened'
			USING DETAIL = 'The server shows every role how much it reads and writes.',
				  HINT = 'A superuser closes that by SELECT dp.harden(apply => true); dp.doctor() lists what is open.';
	END IF;
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
