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
