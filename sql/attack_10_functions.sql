-- Attack 10: code of the analyst's own, or of others, next to protected rows.
\getenv abs_srcdir PG_ABS_SRCDIR
\set hospital :abs_srcdir '/sql/common/hospital.sql'
\set analyst regress_attack_10
\i :hospital
\set SHOW_CONTEXT never
CREATE SCHEMA mine AUTHORIZATION :analyst;
SET client_min_messages = error;
DROP ROLE IF EXISTS regress_attack_10_reader;
RESET client_min_messages;
SET SESSION AUTHORIZATION :analyst;
-- Each of these tells what it saw
CREATE FUNCTION tell(x anyelement) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$ BEGIN RAISE NOTICE 'saw %', x; RETURN true; END $$;
CREATE FUNCTION tell_int(x int) RETURNS int LANGUAGE plpgsql IMMUTABLE STRICT COST 0.0000001 AS $$ BEGIN RAISE NOTICE 'saw %', x; RETURN x; END $$;
CREATE FUNCTION tell_both(a int, b int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RAISE NOTICE 'saw % %', a, b; RETURN true; END $$;
CREATE FUNCTION tell_cmp(a int, b int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RAISE NOTICE 'saw % %', a, b; RETURN 0; END $$;
CREATE FUNCTION inlined(x int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT x + 1';
CREATE FUNCTION raises(x int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1 / (x - 17)';
CREATE OPERATOR ~~~ (LEFTARG = int, RIGHTARG = int, FUNCTION = tell_both);
CREATE FUNCTION mine.int4eq(a int, b int) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'saw % %', a, b; RETURN true; END $$;
CREATE OPERATOR mine.= (LEFTARG = int, RIGHTARG = int, FUNCTION = mine.int4eq);
CREATE OPERATOR mine.+ (LEFTARG = int, RIGHTARG = int, FUNCTION = tell_cmp);
CREATE FUNCTION mine.lower(text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'saw %', $1; RETURN $1; END $$;
CREATE FUNCTION mine.clamp(int, int, int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'saw %', $1; RETURN $1; END $$;
CREATE AGGREGATE mine.count(int) (SFUNC = tell_cmp, STYPE = int, INITCOND = '0');
CREATE AGGREGATE mine.sum(int) (SFUNC = tell_cmp, STYPE = int, INITCOND = '0');
CREATE DOMAIN mine.checked AS int CHECK (tell_int(VALUE) >= 0);
CREATE TYPE mine.pair AS (a int, b int);

SELECT count(*) FROM visits WHERE tell(cost);
SELECT count(*) FROM visits WHERE tell_int(cost) > 5;
SELECT count(*) FROM visits WHERE cost ~~~ 5;
SELECT count(*) FROM visits WHERE cost OPERATOR(mine.=) 5;
SELECT sum(tell_int(cost)) FROM visits;
SELECT count(*) FILTER (WHERE tell(cost)) FROM visits;
SELECT count(*) FROM visits GROUP BY tell_int(cost);
SELECT count(*) FROM visits v JOIN patients p ON p.patient_id = v.patient_id AND tell(p.born);
SELECT count(*) FROM visits v JOIN depts d ON tell_both(v.dept, d.dept);
SELECT mine.count(cost) FROM visits;
SELECT mine.sum(cost) FROM visits;
SELECT sum(inlined(cost)) FROM visits;
SELECT sum(raises(cost)) FROM visits;
SELECT count(cost::mine.checked) FROM visits;
SELECT count((cost, dept)::mine.pair) FROM visits;
SELECT count(*) FROM visits WHERE (CASE WHEN dept = 1 THEN tell_int(cost) ELSE 0 END) = 0;
SELECT count(*) FROM visits WHERE cost IN (1, tell_int(dept));
SELECT count(*) FROM visits ORDER BY tell_int(max(cost));
SELECT count(*) FROM visits WHERE coalesce(tell(cost), false);
SELECT count(*) FROM visits WHERE cost = ANY (ARRAY[tell_int(5)]);
-- a search path of the analyst's does not change what builtin names mean to us
SET search_path = mine, pg_catalog, public;
SELECT count(*) FROM visits WHERE cost = 5;
SELECT count(*) FROM visits WHERE lower(note) = 'x';
SELECT sum(cost + dept) FROM visits;
SELECT sum(cost) FROM visits;
SELECT clamp(cost, 0, 1) FROM visits;
SELECT near(count(*), 3000, dp.stddev_of_noise(count(*))) FROM labs l JOIN visits v USING (visit_id);
RESET search_path;
CREATE TEMP TABLE depts AS SELECT 3 AS dept, 'x' AS name, 'y' AS wing;
SELECT near(count(*), 300, dp.stddev_of_noise(count(*))) FROM visits JOIN depts USING (dept);
DROP TABLE depts;
CREATE TEMP TABLE visits AS SELECT 1 AS cost;
SELECT count(*) FROM visits;
DROP TABLE visits;

-- ... but answers may go through them
SELECT tell(near(count(*), 3000, dp.stddev_of_noise(count(*)))) FROM visits;

-- Views and functions by which something public is made to run code
CREATE VIEW mine.spy AS SELECT dept, tell_int(dept) AS told FROM public.depts;
SELECT count(*) FROM visits JOIN mine.spy s ON s.dept = visits.dept AND s.told > 0;
CREATE TABLE mine.tab (dept int, told int GENERATED ALWAYS AS (tell_int(dept)) STORED);
INSERT INTO mine.tab VALUES (3);
CREATE INDEX ON mine.tab (tell_int(dept));
ALTER TABLE mine.tab ENABLE ROW LEVEL SECURITY;
ALTER TABLE mine.tab FORCE ROW LEVEL SECURITY;
CREATE POLICY p ON mine.tab USING (tell(dept));
SELECT count(*) FROM visits JOIN mine.tab USING (dept);
ALTER TABLE mine.tab DISABLE ROW LEVEL SECURITY;
SELECT near(count(*), 300, dp.stddev_of_noise(count(*))) FROM visits JOIN mine.tab USING (dept);
CREATE FUNCTION mine.answered() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'a trigger sees the answer'; RETURN new; END $$;
CREATE TRIGGER t BEFORE INSERT ON mine.tab FOR EACH ROW EXECUTE FUNCTION mine.answered();
SET client_min_messages = warning;
INSERT INTO mine.tab SELECT 5 FROM (SELECT count(*) FROM visits) s;
RESET client_min_messages;
CREATE CAST (mine.pair AS text) WITH INOUT;
CREATE CAST (int AS text) WITH FUNCTION tell(anyelement);
CREATE EVENT TRIGGER e ON ddl_command_start EXECUTE FUNCTION mine.answered();

-- Rights of others
RESET SESSION AUTHORIZATION;
CREATE FUNCTION lent(x bigint) RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT cost FROM visits WHERE visit_id = x';
CREATE FUNCTION lent_table() RETURNS TABLE (visit_id bigint, cost int) LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN RETURN QUERY SELECT v.visit_id, v.cost FROM visits v; END $$;
CREATE FUNCTION lent_dynamic() RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$ DECLARE n bigint; BEGIN EXECUTE 'SELECT max(cost) FROM visits' INTO n; RETURN n; END $$;
CREATE ROLE regress_attack_10_reader;
GRANT SELECT ON visits TO regress_attack_10_reader;
GRANT regress_attack_10_reader TO :analyst;
SET SESSION AUTHORIZATION :analyst;
SELECT lent(1); \echo :SQLSTATE
SELECT * FROM lent_table(); \echo :SQLSTATE
SELECT lent_dynamic(); \echo :SQLSTATE
SET ROLE regress_attack_10_reader; \echo :SQLSTATE
SELECT max(cost) FROM visits; \echo :SQLSTATE
RESET ROLE;
RESET SESSION AUTHORIZATION;
-- a superuser who plays the analyst is no superuser for that time
SET ROLE :analyst;
SELECT max(cost) FROM visits; \echo :SQLSTATE
RESET ROLE;
DROP OWNED BY regress_attack_10_reader;
DROP ROLE regress_attack_10_reader;

RESET SESSION AUTHORIZATION;
DROP OWNED BY :analyst CASCADE;
SELECT dp.revoke_analyst(:'analyst', 'hospital');
DROP ROLE :analyst;
