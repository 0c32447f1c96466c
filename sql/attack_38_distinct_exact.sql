-- flavour: test
-- Counts of distinct values (rule 7): what one owner brings is bounded, whatever it is;
-- how much of it is new cannot be seen; and who has no part leaves no trace.
\set SHOW_CONTEXT never
\set ECHO none
\o /dev/null
SET client_min_messages = error;
SET dp.repeats = off;
DROP ROLE IF EXISTS regress_attack_38;
SET client_min_messages = warning;
CREATE EXTENSION pg_epsilon;
SELECT dp.harden(apply => true);
CREATE ROLE regress_attack_38;
GRANT CREATE ON SCHEMA public TO regress_attack_38;
\o
\set ECHO all
CREATE TABLE base (id int, g int NOT NULL CHECK (g BETWEEN 0 AND 9), x int, f float8, n numeric, t text, sex text);
INSERT INTO base SELECT i, i % 10, i % 50, i % 50, i % 50, 'value ' || i % 50, CASE WHEN i % 2 = 0 THEN 'F' ELSE 'M' END FROM generate_series(1, 500) i;
CREATE TABLE twins (g int, k int);
INSERT INTO twins SELECT g, k FROM generate_series(0, 9) g, generate_series(1, 50) k;
SELECT dp.create_dataset('d', 30, 1e-9, capacity => 10000, confirm_large_epsilon => true) > 0 AS made;
SELECT dp.protect('base', 'd', 'id', rows_per_owner => 4);
SELECT dp.set_bounds('base', 'x', 0, 100, 'test');
SELECT dp.set_domain('base', 'sex', ARRAY['F', 'M'], 'form');
SELECT dp.declare_public('twins');
GRANT SELECT ON twins TO regress_attack_38;
SELECT dp.grant_analyst('regress_attack_38', 'd', 10);
CREATE TABLE measured (pass int, name text, value float8);
GRANT SELECT, INSERT ON measured TO regress_attack_38;
CREATE FUNCTION measure(pass int) RETURNS void LANGUAGE plpgsql SET dp_test.noise = off SET dp.epsilon = 0.5 SET dp_test.seed = 'attack 38' AS $$
BEGIN
	INSERT INTO measured SELECT pass, v.* FROM (SELECT count(DISTINCT x) AS a, count(DISTINCT f) AS b, count(DISTINCT n) AS c, count(DISTINCT t) AS d, count(DISTINCT sex) AS e FROM base) s,
		LATERAL (VALUES ('int', a), ('float', b), ('numeric', c), ('text', d), ('sex', e)) v;
	INSERT INTO measured SELECT pass, 'group ' || g, count(DISTINCT x) FROM base GROUP BY g;
	INSERT INTO measured SELECT pass, 'group of long text ' || g, count(DISTINCT t) FROM base GROUP BY g;
	INSERT INTO measured SELECT pass, 'filter', count(DISTINCT x) FILTER (WHERE f <> 3) FROM base;
	INSERT INTO measured SELECT pass, 'sex by group ' || g, count(DISTINCT sex) FROM base GROUP BY g;
	INSERT INTO measured SELECT pass, 'fan-out', count(DISTINCT k) FROM base JOIN twins USING (g) WHERE g = 3 AND k % 10 = 0 AND id > 500;
END $$;
CREATE FUNCTION changed(a int, b int) RETURNS TABLE (name text, change numeric) LANGUAGE sql AS $$
	SELECT rtrim(m.name, '0123456789 '), sum(abs(m.value - o.value))::numeric FROM measured m JOIN measured o USING (name)
	WHERE m.pass = a AND o.pass = b GROUP BY 1 HAVING sum(abs(m.value - o.value)) > 0 ORDER BY 1 $$;
CREATE FUNCTION charged(owner bigint, before bigint) RETURNS SETOF float8 LANGUAGE sql AS
	$$ SELECT rho::float8 FROM dp.statement('d', owner) WHERE seq > before ORDER BY seq $$;
SET SESSION AUTHORIZATION regress_attack_38;
SELECT measure(1);
RESET SESSION AUTHORIZATION;
-- two hundred rows of one owner, in all groups, each with a value that nobody else has
INSERT INTO base SELECT 9999, i % 10, 100000 + i, -i, 1e100 + i, 'mine ' || repeat('x', 100) || i, 'sex ' || i FROM generate_series(1, 200) i;
-- and rows of nobody
INSERT INTO base SELECT NULL, 1, 900000 + i, -i - 0.5, i + 0.5, 'nobody''s ' || i, 'none ' || i FROM generate_series(1, 100) i;
SET SESSION AUTHORIZATION regress_attack_38;
SELECT measure(2);
SELECT * FROM changed(1, 2);
RESET SESSION AUTHORIZATION;
-- as many values, all of which others have: no change
DELETE FROM base WHERE id = 9999;
INSERT INTO base SELECT 9999, i % 10, i % 50, i % 50, i % 50, 'value ' || i % 50, 'sex ' || i FROM generate_series(1, 200) i;
SET SESSION AUTHORIZATION regress_attack_38;
SELECT measure(3);
SELECT * FROM changed(1, 3) WHERE name !~ 'group|sex';
RESET SESSION AUTHORIZATION;
-- one value in 200 rows: the effect of one value, once a group
DELETE FROM base WHERE id = 9999;
INSERT INTO base SELECT 9999, i % 10, 777, 'infinity', 'NaN', 'mine', 'N' FROM generate_series(1, 200) i;
SET SESSION AUTHORIZATION regress_attack_38;
SELECT measure(4);
SELECT * FROM changed(1, 4);
RESET SESSION AUTHORIZATION;

-- The charge does not depend on whether values are new: how much of it is new cannot be seen
DELETE FROM base WHERE id = 9999;
INSERT INTO base SELECT 9999, 0, x, x, x, 't' || x, 'F' FROM generate_series(1, 3) x;
SELECT max(seq) AS before FROM dp_book.entry \gset
SET SESSION AUTHORIZATION regress_attack_38;
SET dp.epsilon = 0.1;
SELECT count(DISTINCT x), count(DISTINCT t) FROM base WHERE x > 0 \g /dev/null
RESET SESSION AUTHORIZATION;
UPDATE base SET x = x + 5000, t = 'new ' || t WHERE id = 9999;
SET SESSION AUTHORIZATION regress_attack_38;
SELECT count(DISTINCT x), count(DISTINCT t) FROM base WHERE x > 0 \g /dev/null
RESET SESSION AUTHORIZATION;
SELECT count(*), count(DISTINCT c) AS different, min(c) > 0 AS charged FROM charged(9999, :before) c;

-- Who cannot pay: not a byte tells, with noise and coins from the tape
CREATE TABLE seen (pass int, shown text);
GRANT SELECT, INSERT ON seen TO regress_attack_38;
CREATE FUNCTION look(pass int) RETURNS void LANGUAGE plpgsql SET dp.epsilon = 0.1 SET dp_test.seed = 'attack 38' AS $$
DECLARE
	q text;
	r text;
BEGIN
	FOREACH q IN ARRAY ARRAY['SELECT count(DISTINCT x), count(DISTINCT t), dp.interval_low(count(DISTINCT x)), count(DISTINCT sex) FROM base',
		'SELECT g, count(DISTINCT x), count(DISTINCT n) FILTER (WHERE f > 2) FROM base GROUP BY g', 'SELECT t, count(DISTINCT x) FROM base GROUP BY t',
		'SELECT count(DISTINCT x) FROM base WHERE id = 9999', 'SELECT g, count(DISTINCT k) FROM base JOIN twins USING (g) WHERE k < 4 GROUP BY g'] LOOP
		EXECUTE format('SELECT string_agg(q::text, '' '' ORDER BY q::text) FROM (%s) q', q) INTO r;
		INSERT INTO seen VALUES (pass, r);
		FOR r IN EXECUTE 'EXPLAIN ' || q LOOP
			INSERT INTO seen VALUES (pass, r);
		END LOOP;
		EXECUTE 'SELECT string_agg(p::text, '' '') FROM dp.preview($1) p' INTO r USING q;
		INSERT INTO seen VALUES (pass, r);
	END LOOP;
END $$;
SELECT dp.set_limit('d', 9999, 1e-9);
SET SESSION AUTHORIZATION regress_attack_38;
SELECT look(1);
RESET SESSION AUTHORIZATION;
DELETE FROM base WHERE id = 9999;
CREATE TABLE copy_of AS SELECT * FROM base ORDER BY md5(t || id);
TRUNCATE base;
INSERT INTO base SELECT * FROM copy_of;
SET SESSION AUTHORIZATION regress_attack_38;
SELECT look(2);
RESET SESSION AUTHORIZATION;
SELECT count(*) > 60 AS lines FROM seen;
(SELECT shown FROM seen WHERE pass = 1 EXCEPT ALL SELECT shown FROM seen WHERE pass = 2) UNION ALL (SELECT shown FROM seen WHERE pass = 2 EXCEPT ALL SELECT shown FROM seen WHERE pass = 1);

-- Noise that is coarser than a value would round a union, which is no sum: refused, whatever the rows
CREATE TABLE wide (id int, x int);
INSERT INTO wide SELECT i, i FROM generate_series(1, 100) i;
SELECT dp.protect('wide', 'd', 'id', rows_per_owner => 1000);
SET SESSION AUTHORIZATION regress_attack_38;
RESET dp.epsilon;
SET dp.rho = 1e-10;
SELECT count(*) IS NULL AS counted FROM wide;
SELECT count(DISTINCT x) FROM wide; \echo :SQLSTATE
SELECT count(DISTINCT x) FROM wide WHERE id = 1; \echo :SQLSTATE
RESET SESSION AUTHORIZATION;
SELECT dp.revoke_analyst('regress_attack_38', 'd');
SELECT check_name FROM dp.verify() WHERE NOT ok;
SET client_min_messages = error;
DROP OWNED BY regress_attack_38 CASCADE;
DROP ROLE regress_attack_38;
