-- The allow-list of functions, seen from outside: every builtin function of the
-- types below is tried beside protected rows, those accepted are listed, and then
-- run on the nastiest values of each type: none may raise (attack 11).
\set ECHO none
\o /dev/null
SET client_min_messages = warning;
SET dp.repeats = off;
DROP ROLE IF EXISTS regress_analyze_functions;
CREATE EXTENSION pg_epsilon;
SELECT dp.harden(apply => true);
CREATE ROLE regress_analyze_functions;
\o
\set ECHO all
\set SHOW_CONTEXT never
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE TABLE typed (id int PRIMARY KEY, c_int2 int2, c_int4 int4, c_int8 int8, c_float4 float4, c_float8 float8,
	c_numeric numeric, c_bool bool, c_text text, c_varchar varchar, c_bpchar bpchar, c_char "char", c_name name,
	c_date date, c_time time, c_timestamp timestamp, c_timestamptz timestamptz, c_interval interval,
	c_uuid uuid, c_oid oid, c_anyenum mood, c_bytea bytea, c_json json, c_jsonb jsonb, c_int4array int4[], c_textarray text[],
	c_inet inet, c_bit bit(8), c_varbit varbit, c_money money, c_timetz timetz, c_tsvector tsvector, c_point point);
INSERT INTO typed (id) VALUES (0);
INSERT INTO typed VALUES
	(1, -32768, -2147483648, -9223372036854775808, '-infinity', '-infinity', '-infinity', false, '', '', '', '', '',
	 '-infinity', '00:00', '-infinity', '-infinity', '-178000000 years', '00000000-0000-0000-0000-000000000000', 0, 'sad'),
	(2, 32767, 2147483647, 9223372036854775807, 'infinity', 'infinity', 'infinity', true, repeat('%_\', 10000), repeat('%', 10000), '     ', '\377', '%',
	 'infinity', '24:00', 'infinity', 'infinity', '178000000 years', 'ffffffff-ffff-ffff-ffff-ffffffffffff', 4294967295, 'happy'),
	(3, 0, 0, 0, 'NaN', 'NaN', 'NaN', NULL, 'İıſß' || chr(1114109), 'month', 'month', 'x', repeat('x', 63),
	 '4713-01-01 BC', '12:00', '4713-01-01 00:00:00 BC', '4713-01-02 00:00:00+00 BC', '-1 microsecond', '12345678-1234-1234-1234-123456789abc', 1, 'ok'),
	(4, -1, -1, -1, '-0', '-0', -0.0, true, E'a\\', E'\\', E'\\', '\', E'\\',
	 '5874897-12-31', '23:59:59.999999', '294276-12-31 23:59:59.999999', '294276-12-31 23:59:59.999999+00', '0', NULL, NULL, NULL),
	(5, 1, 1, 1, 1e-45, 5e-324, 1e-16383, false, '1', '1', '1', '1', '1', '2020-02-29', '01:02:03', '2020-02-29 23:59:59', '2020-02-29 00:00+00', '1 mon', NULL, NULL, NULL),
	(6, 2, 2, 2, 3.4e38, 1.7976931348623157e308, 9.9e131071, true, 'January', 'day', 'Monday', 'z', 'epoch', '0001-12-31 BC', '00:00:01', '0001-01-01', '0001-01-01', '1 day', NULL, NULL, NULL),
	(7, 3, 3, 3, -3.4e38, -1.7976931348623157e308, -9.9e131071, true, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);

SET client_min_messages = warning;
SELECT dp.create_dataset('typed', 30, 1e-9, capacity => 1000, confirm_large_epsilon => true) > 0 AS made;
SELECT dp.protect('typed', 'typed', 'id');
-- declared only: rows break them
SELECT dp.set_bounds('typed', c, 1, 100, 'test')
FROM unnest(ARRAY['c_int2', 'c_int4', 'c_int8', 'c_float4', 'c_float8', 'c_numeric']) c;
SELECT dp.grant_analyst('regress_analyze_functions', 'typed', 10);
RESET client_min_messages;

-- Calls of every builtin function: all arguments columns, all but the first
-- constants, all but the last constants
CREATE TABLE calls AS
SELECT p.oid::int AS funcid, p.oid::regprocedure::text AS signature, v.variant,
	format('pg_catalog.%I(%s)', p.proname, (
		SELECT string_agg(CASE WHEN v.variant = 1 OR v.variant = 2 AND a.i = 1 OR v.variant = 3 AND a.i = p.pronargs
			THEN 'c_' || replace(t.typname, '_int4', 'int4array')
			ELSE format('%s::pg_catalog.%I', quote_literal(
				CASE WHEN t.typcategory = 'N' THEN (10 * a.i)::text WHEN t.typname IN ('text', 'varchar', 'bpchar') THEN 'month'
				WHEN t.typname = 'bool' THEN 'true' WHEN t.typname IN ('date', 'timestamp', 'timestamptz') THEN '2020-01-01' ELSE '1' END), t.typname)
			END, ', ' ORDER BY a.i)
		FROM unnest(p.proargtypes) WITH ORDINALITY a(type, i) JOIN pg_type t ON t.oid = a.type)) AS call
FROM pg_proc p, generate_series(1, 3) v(variant)
WHERE p.oid < 16384 AND p.pronamespace = 'pg_catalog'::regnamespace AND p.prokind = 'f' AND NOT p.proretset
AND p.pronargs BETWEEN 1 AND 4 AND (p.pronargs > 1 OR v.variant = 1)
AND NOT EXISTS (SELECT FROM unnest(p.proargtypes) a JOIN pg_type t ON t.oid = a
	WHERE NOT EXISTS (SELECT FROM pg_attribute c WHERE c.attrelid = 'typed'::regclass
		AND c.attname = 'c_' || replace(t.typname, '_int4', 'int4array')))
AND p.prorettype <> 'pg_catalog.trigger'::regtype AND p.prorettype <> 'void'::regtype;
CREATE TABLE accepted (funcid int, call text);
CREATE TABLE others (sqlstate text, message text, call text);
GRANT SELECT ON calls TO PUBLIC;
GRANT SELECT, INSERT ON accepted, others TO PUBLIC;
SELECT count(DISTINCT funcid) > 1000 AS many FROM calls;

SET SESSION AUTHORIZATION regress_analyze_functions;
DO $$
DECLARE
	c record;
BEGIN
	FOR c IN SELECT * FROM calls ORDER BY funcid, variant LOOP
		BEGIN
			EXECUTE 'EXPLAIN SELECT count(*) FILTER (WHERE (' || c.call || ') IS NOT NULL) FROM typed';
			INSERT INTO accepted VALUES (c.funcid, c.call);
		EXCEPTION WHEN OTHERS THEN
			IF SQLSTATE NOT IN ('PV001', 'PV002') THEN
				INSERT INTO others VALUES (SQLSTATE, SQLERRM, c.call);
			END IF;
		END;
	END LOOP;
END $$;
RESET SESSION AUTHORIZATION;
SELECT sqlstate, count(*), min(message), min(call) FROM others GROUP BY sqlstate ORDER BY sqlstate;
SELECT DISTINCT funcid, signature FROM accepted JOIN calls USING (funcid) ORDER BY funcid;

-- All of them on all rows: beside aggregates, as keys of groups, as conditions
GRANT SELECT ON accepted TO regress_analyze_functions;
SET SESSION AUTHORIZATION regress_analyze_functions;
SET dp.epsilon = 0.001;
SET dp.delta = 1e-14;
CREATE FUNCTION pg_temp.run(query text, size int) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	batch record;
	n bigint := 0;
BEGIN
	FOR batch IN SELECT string_agg(call, ', ') AS list, array_agg(call) AS calls
		FROM (SELECT call, (row_number() OVER (ORDER BY funcid, call) - 1) / size AS i FROM accepted) s GROUP BY i ORDER BY i
	LOOP
		EXECUTE replace(replace(query, 'LIST', batch.list),
			'COUNTS', (SELECT string_agg(format('count(*) FILTER (WHERE (%s) IS NOT NULL)', c), ', ') FROM unnest(batch.calls) c));
		n := n + cardinality(batch.calls);
	END LOOP;
	RETURN n;
END $$;
SELECT pg_temp.run('SELECT COUNTS FROM typed', 50) > 334 AS counted;
SET dp.groups = seen;
SELECT pg_temp.run('SELECT count(*) FROM typed GROUP BY LIST', 7) > 334 AS grouped;
RESET dp.groups;
SELECT pg_temp.run('SELECT count(*) FROM typed WHERE id >= 0 AND coalesce(LIST) IS NOT NULL', 1) > 334 AS filtered;

RESET SESSION AUTHORIZATION;
SELECT dp.revoke_analyst('regress_analyze_functions', 'typed');
DROP OWNED BY regress_analyze_functions CASCADE;
DROP ROLE regress_analyze_functions;
