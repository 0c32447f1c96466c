-- Keys of owners that change (rule 18): two keys of one person, and persons who
-- are renumbered.

-- ---------------------------------------------------------------------------
-- Two keys of one person
-- ---------------------------------------------------------------------------

CREATE FUNCTION dp.merge_owners(dataset text, owner_a text, owner_b text) RETURNS void
	AS 'MODULE_PATHNAME', 'eps_budget_sql_merge_owners'
	LANGUAGE C VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION dp.merge_owners(text, text, text) IS
	'two keys of one person become one owner, who takes over what both have spent; on disk and in force at once, whatever becomes of the transaction';
CREATE FUNCTION dp.merge_owners(dataset text, owner_a bigint, owner_b bigint) RETURNS void
	AS 'MODULE_PATHNAME', 'eps_budget_sql_merge_owners'
	LANGUAGE C VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION dp.merge_owners(text, bigint, bigint) IS
	'two keys of one person become one owner, who takes over what both have spent; on disk and in force at once, whatever becomes of the transaction';
CREATE FUNCTION dp.merge_owners(dataset text, owner_a uuid, owner_b uuid) RETURNS void
	AS 'MODULE_PATHNAME', 'eps_budget_sql_merge_owners'
	LANGUAGE C VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION dp.merge_owners(text, uuid, uuid) IS
	'two keys of one person become one owner, who takes over what both have spent; on disk and in force at once, whatever becomes of the transaction';

-- ---------------------------------------------------------------------------
-- Owners who are renumbered
-- ---------------------------------------------------------------------------

CREATE FUNCTION dp._carry_accounts(dataset text, old_keys text[], new_keys text[]) RETURNS bigint
	AS 'MODULE_PATHNAME', 'eps_budget_sql_carry_accounts'
	LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION dp._carry_accounts(text, text[], text[]) IS
	'internal: gives accounts new keys, and merges those that get the same; the data set admits nothing until the transaction ends';

-- Where the owner's key stands: the relation itself or the last of its path.
CREATE FUNCTION dp._owner_columns(dataset_id integer) RETURNS TABLE (relation regclass, owner_column name, key_type text)
	LANGUAGE sql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT DISTINCT coalesce(p.owner_relations[cardinality(p.owner_relations)], p.relation),
		   p.owner_columns[cardinality(p.owner_columns)],
		   CASE d.key_family WHEN 'i' THEN 'bigint' WHEN 'u' THEN 'uuid' ELSE 'text' END
	FROM dp_book.protected_relation p JOIN dp_book.dataset d USING (dataset_id)
	WHERE p.dataset_id = _owner_columns.dataset_id AND p.valid_to IS NULL
$$;
COMMENT ON FUNCTION dp._owner_columns(integer) IS 'internal: relations and columns that hold the owner keys of a data set';

-- Whoever reads a table lets its owner's code run: functions of its indexes, while
-- the query is planned. So stewards' tables are read with the steward's rights,
-- never with those of this extension's owner.
CREATE FUNCTION dp._exists_for_caller(query text, old_keys text[], new_keys text[]) RETURNS boolean
	AS 'MODULE_PATHNAME', 'eps_budget_sql_exists_for_caller'
	LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION dp._exists_for_caller(text, text[], text[]) IS
	'internal: whether a query gives a row, with the rights of the role outside all definer functions';

-- The planner takes every list for a short one, and would loop over the rows.
CREATE FUNCTION dp._rekey_owners(dataset text, old_keys text[], new_keys text[]) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	SET enable_nestloop = off
AS $$
DECLARE
	caller text := dp._begin_change(NULL);
	target integer := dp._dataset_id(dataset);
	place record;
	left_behind boolean;
BEGIN
	FOR place IN SELECT * FROM dp._owner_columns(target) LOOP
		left_behind := dp._exists_for_caller(
			format('SELECT 1 FROM (SELECT unnest($1)::%1$s EXCEPT SELECT unnest($2)::%1$s) v(k) '
				   'JOIN %2$s t ON t.%3$I OPERATOR(pg_catalog.=) v.k LIMIT 1',
				   place.key_type, place.relation, place.owner_column),
			old_keys, new_keys);
		IF left_behind THEN
			RAISE EXCEPTION 'relation "%" still has rows under an old key', place.relation
				USING ERRCODE = 'PV010',
					  DETAIL = 'Their owners would begin anew under it.',
					  HINT = 'Renumber the rows first, then call dp.rekey_owners, in one transaction.';
		END IF;
	END LOOP;
	RETURN dp._carry_accounts(dataset, old_keys, new_keys);
END
$$;
COMMENT ON FUNCTION dp._rekey_owners(text, text[], text[]) IS
	'internal: dp.rekey_owners of two lists';

-- The query runs with the caller's own rights.
CREATE FUNCTION dp.rekey_owners(dataset text, mapping text) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	old_keys text[];
	new_keys text[];
BEGIN
	EXECUTE format('SELECT array_agg(m.old_key::text), array_agg(m.new_key::text) FROM (%s) m(old_key, new_key)', mapping)
	INTO old_keys, new_keys;
	RETURN dp._rekey_owners(dataset, coalesce(old_keys, '{}'), coalesce(new_keys, '{}'));
END
$$;
COMMENT ON FUNCTION dp.rekey_owners(text, text) IS
	'accounts go along when owners are renumbered: a query of (old key, new key), names qualified; after the rows, in their transaction; returns how many accounts went along';

CREATE FUNCTION dp.rekey_owners(dataset text, mapping regclass) RETURNS bigint
	LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$ SELECT dp.rekey_owners(dataset, format('SELECT * FROM %s', mapping)) $$;
COMMENT ON FUNCTION dp.rekey_owners(text, regclass) IS
	'accounts go along when owners are renumbered: a relation of (old key, new key); after the rows, in their transaction; returns how many accounts went along';

CREATE FUNCTION dp._count_keys(dataset text, query text, OUT known bigint, OUT vanished bigint, OUT appeared bigint)
	AS 'MODULE_PATHNAME', 'eps_budget_sql_count_keys'
	LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION dp._count_keys(text, text) IS
	'internal: compares a query of keys with the accounts of a data set';

CREATE FUNCTION dp.owner_changes(dataset text, OUT known bigint, OUT vanished bigint, OUT appeared bigint)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	query text;
BEGIN
	SELECT string_agg(format('SELECT t.%I::%s AS k FROM %s t WHERE t.%1$I IS NOT NULL', o.owner_column, o.key_type, o.relation),
					  ' UNION ') INTO query
	FROM dp._owner_columns(dp._dataset_id(dataset)) o;
	IF query IS NULL THEN
		RAISE EXCEPTION 'data set "%" has no protected relation', dataset USING ERRCODE = 'PV010';
	END IF;
	SELECT * INTO known, vanished, appeared FROM dp._count_keys(dataset, format('SELECT k::text FROM (%s) all_keys', query));
END
$$;
COMMENT ON FUNCTION dp.owner_changes(text) IS
	'for stewards: owners whom the book knows, how many of them no row bears any more, and how many keys of rows it does not know; both large at once after a renumbering without dp.rekey_owners';

-- ---------------------------------------------------------------------------
-- Owners whose keys appear later
-- ---------------------------------------------------------------------------

CREATE FUNCTION dp.start_owners_at_worst_case(dataset text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	caller text := dp._begin_change(NULL);
	target integer := dp._dataset_id(dataset);
BEGIN
	UPDATE dp_book.dataset d
	SET new_owners = 'worst_case', worst_case_from = clock_timestamp(), worst_case_by = caller
	WHERE d.dataset_id = target AND d.new_owners <> 'worst_case';
	PERFORM dp._policy_changed(NULL);
END
$$;
COMMENT ON FUNCTION dp.start_owners_at_worst_case(text) IS
	'from now on owners whose keys appear later begin at the worst case of all answers so far, not at zero; cannot be taken back';

-- ---------------------------------------------------------------------------
-- Owners who were left out for want of budget
-- ---------------------------------------------------------------------------

-- With the caller's own rights: they read the grants of the session.
CREATE FUNCTION dp.certificate(dataset text,
	OUT nobody_left_out boolean, OUT rho_spent float8, OUT rho_standard float8,
	OUT delta_spent float8, OUT delta_standard float8, OUT side_spent float8, OUT side_limit float8)
	AS 'MODULE_PATHNAME', 'eps_budget_sql_certificate'
	LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION dp.certificate(text) IS
	'free, from worst cases alone: true while no owner with the standard limit and consent has been left out for want of budget; in a pure data set rho stands for epsilon';

CREATE FUNCTION dp.drop_share(dataset text, epsilon float8 DEFAULT 0,
	OUT fits float8, OUT left_out float8, OUT share float8, OUT stddev_of_noise float8)
	AS 'MODULE_PATHNAME', 'eps_exec_sql_drop_share'
	LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION dp.drop_share(text, float8) IS
	'how many owners could and could not pay for an answer of the price that is set, with noise; paid from what is set aside for this question';

REVOKE ALL ON FUNCTION
	dp.merge_owners(text, text, text), dp.merge_owners(text, bigint, bigint), dp.merge_owners(text, uuid, uuid)
FROM PUBLIC;
REVOKE ALL ON FUNCTION
	dp._carry_accounts(text, text[], text[]), dp._owner_columns(integer), dp._exists_for_caller(text, text[], text[]), dp._rekey_owners(text, text[], text[]),
	dp.rekey_owners(text, text), dp.rekey_owners(text, regclass), dp._count_keys(text, text), dp.owner_changes(text)
FROM PUBLIC;
REVOKE ALL ON FUNCTION dp.start_owners_at_worst_case(text), dp.certificate(text), dp.drop_share(text, float8) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
	dp.merge_owners(text, text, text), dp.merge_owners(text, bigint, bigint), dp.merge_owners(text, uuid, uuid)
TO dp_steward;
GRANT EXECUTE ON FUNCTION dp.start_owners_at_worst_case(text) TO dp_steward;
GRANT EXECUTE ON FUNCTION dp.certificate(text), dp.drop_share(text, float8) TO dp_analyst;
GRANT EXECUTE ON FUNCTION
	dp._rekey_owners(text, text[], text[]), dp.rekey_owners(text, text), dp.rekey_owners(text, regclass),
	dp.owner_changes(text)
TO dp_steward;
