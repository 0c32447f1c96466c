\echo Use "CREATE EXTENSION pg_epsilon" to load this file. \quit

-- Schema and group roles. The schema is a member of the extension; schema
-- dp_book, where what owners have spent is kept, is not: the first
-- dp.create_dataset makes it, and a dump carries it whole.

CREATE SCHEMA dp;
REVOKE ALL ON SCHEMA dp FROM PUBLIC;
GRANT USAGE ON SCHEMA dp TO PUBLIC;

-- Roles are shared by all databases of a server, so they may be there already.
-- A role of that name that can log in or is a superuser is somebody else's.
DO $$
DECLARE
	wanted name;
BEGIN
	FOREACH wanted IN ARRAY ARRAY['dp_steward', 'dp_analyst', 'dp_auditor', 'dp_monitor']::name[] LOOP
		IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.rolname OPERATOR(pg_catalog.=) wanted) THEN
			EXECUTE pg_catalog.format('CREATE ROLE %I NOLOGIN', wanted);
		ELSIF EXISTS (SELECT FROM pg_catalog.pg_roles r
					  WHERE r.rolname OPERATOR(pg_catalog.=) wanted AND (r.rolsuper OR r.rolcanlogin)) THEN
			RAISE EXCEPTION 'role "%" exists, and is not a group role of pg_epsilon', wanted
				USING ERRCODE = 'PV010',
					  HINT = 'Rename that role, or take LOGIN and SUPERUSER from it.';
		END IF;
	END LOOP;
END
$$;
