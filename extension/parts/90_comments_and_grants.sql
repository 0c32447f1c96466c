-- Who may call what. Nobody may call a function of schema dp that is not named
-- here or in its own part: first take, then give.

REVOKE ALL ON FUNCTION
	dp._begin_change(regclass), dp._book_exists(), dp._policy_changed(regclass), dp._units(float8, float8),
	dp._delta_units(float8), dp._check_path(oid, integer, oid[], name[]), dp._domain(oid, name, text[]),
	dp.describe(regclass), dp._make_policy_book(), dp._close_book(), dp._dataset_id(text),
	dp.create_dataset(text, float8, float8, text, float8, integer, bigint, text, boolean),
	dp.add_purpose(text, text, boolean), dp._doors(oid[]), dp._openings(oid[]), dp._role_text(oid),
	dp._check_closed(oid[]), dp._strip_rights(regclass), dp._check_roles(), dp._protected_family(), dp._analyst_roles(), dp._reaching(),
	dp._code_openings(), dp._check_code(), dp._check_parameters(), dp._check_openings(),
	dp._path_elements(text), dp._read_path(regclass, text), dp._check_protectable(regclass, integer), dp._propose_domains(regclass),
	dp.protect(regclass, text, text, bigint, bigint), dp.unprotect(regclass), dp.declare_public(regclass),
	dp._fact_column_type(regclass, name), dp._put_fact(regclass, name, numeric, numeric, text[], text, text),
	dp.set_bounds(regclass, name, numeric, numeric, text), dp._set_domain(regclass, name, text[], text),
	dp.set_domain(regclass, name, anycompatiblearray, text),
	dp.grant_analyst(regrole, text, float8, float8, text[]), dp._make_analyst(oid), dp.revoke_analyst(regrole, text),
	dp._column_renamed(oid, name, name), dp._relation_dropped(oid), dp._role_dropped(oid),
	dp._inheritance_changed(oid, oid), dp._datasets(), dp._protected_tables(), dp._analysts(), dp._policy_log()
FROM PUBLIC;

REVOKE ALL ON dp.datasets, dp.protected_tables, dp.analysts, dp.policy_log FROM PUBLIC;

GRANT EXECUTE ON FUNCTION
	dp.create_dataset(text, float8, float8, text, float8, integer, bigint, text, boolean),
	dp.add_purpose(text, text, boolean),
	dp.protect(regclass, text, text, bigint, bigint), dp.unprotect(regclass), dp.declare_public(regclass),
	dp.set_bounds(regclass, name, numeric, numeric, text), dp._set_domain(regclass, name, text[], text),
	dp.set_domain(regclass, name, anycompatiblearray, text),
	dp.grant_analyst(regrole, text, float8, float8, text[]), dp.revoke_analyst(regrole, text)
TO dp_steward;

GRANT EXECUTE ON FUNCTION dp.describe(regclass) TO dp_steward, dp_auditor, dp_analyst;

-- A view's functions are called with the reader's rights
GRANT EXECUTE ON FUNCTION dp._datasets(), dp._protected_tables(), dp._analysts(), dp._policy_log()
TO dp_steward, dp_auditor;
GRANT SELECT ON dp.datasets, dp.protected_tables, dp.analysts, dp.policy_log TO dp_steward, dp_auditor;

COMMENT ON SCHEMA dp IS 'pg_epsilon: differential privacy with a budget for every data owner';
