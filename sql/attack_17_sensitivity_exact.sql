-- flavour: test
-- Attack 17: one owner more or less changes what is added up, before noise, by no
-- more than declared: however many rows, groups, joins, extreme values that owner
-- brings; and in any physical order.
\set SHOW_CONTEXT never
\set ECHO none
\o /dev/null
SET client_min_messages = error;
SET dp.repeats = off;
DROP ROLE IF EXISTS regress_attack_17;
SET client_min_messages = warning;
CREATE EXTENSION pg_epsilon;
SELECT dp.harden(apply => true);
CREATE ROLE regress_attack_17;
GRANT CREATE ON SCHEMA public TO regress_attack_17;
\o
\set ECHO all
CREATE TABLE base (id int, g int NOT NULL CHECK (g BETWEEN 0 AND 99), x int, f float8, n numeric, i8 int8);
CREATE TABLE child (id bigint, y int);
INSERT INTO base SELECT i, i % 100, i % 10, i % 10, i % 10, i % 10 FROM generate_series(1, 500) i;
INSERT INTO child SELECT i, 1 FROM generate_series(1, 500) i, generate_series(1, 2);
SELECT dp.create_dataset('d', 30, 1e-9, capacity => 10000, confirm_large_epsilon => true) > 0 AS made;
SELECT dp.protect('base', 'd', 'id', rows_per_owner => 3), dp.protect('child', 'd', 'id', rows_per_owner => 3);
SELECT dp.set_bounds('base', c, -10, 10, 'test') FROM unnest('{x,f,n,i8}'::text[]) c;
SELECT dp.grant_analyst('regress_attack_17', 'd', 10);
CREATE TABLE measured (pass int, name text, value float8);
GRANT SELECT, INSERT ON measured TO regress_attack_17;
-- every answer of a set of queries, as one list of numbers
CREATE FUNCTION measure(pass int) RETURNS void LANGUAGE plpgsql SET dp_test.noise = off SET dp.epsilon = 0.5 AS $$
BEGIN
	INSERT INTO measured SELECT pass, 'count', count(*) FROM base;
	INSERT INTO measured SELECT pass, 'owners', count(DISTINCT id) FROM base;
	INSERT INTO measured SELECT pass, 'sum x', sum(x) FROM base;
	INSERT INTO measured SELECT pass, 'sum f', sum(f) FROM base;
	INSERT INTO measured SELECT pass, 'sum n', sum(n) FROM base;
	INSERT INTO measured SELECT pass, 'sum i8', sum(i8) FROM base;
	INSERT INTO measured SELECT pass, 'sum product', sum(x::int8 * i8) FROM base;
	INSERT INTO measured SELECT pass, 'group ' || g, count(*) FROM base GROUP BY g;
	INSERT INTO measured SELECT pass, 'joined', count(*) FROM base JOIN child USING (id);
	INSERT INTO measured SELECT pass, 'joined twice', count(*) FROM base a JOIN base b USING (id) JOIN child USING (id);
	INSERT INTO measured SELECT pass, 'left', count(*) FROM base LEFT JOIN child USING (id);
	INSERT INTO measured SELECT pass, 'many', count(*) FROM base JOIN mine ON mine.k = base.g;
END $$;
CREATE FUNCTION changed(a int, b int) RETURNS TABLE (name text, change numeric) LANGUAGE sql AS $$
	SELECT CASE WHEN m.name LIKE 'group %' THEN 'all groups' ELSE m.name END, round(sum(abs(m.value - o.value))::numeric, 3) FROM measured m JOIN measured o USING (name)
	WHERE m.pass = a AND o.pass = b GROUP BY 1 HAVING sum(abs(m.value - o.value)) > 0.001 ORDER BY 1 $$;
CREATE TABLE mine (k int);
INSERT INTO mine SELECT k FROM generate_series(0, 99) k, generate_series(1, 50);
SELECT dp.declare_public('mine');
GRANT SELECT ON mine TO regress_attack_17;
SET SESSION AUTHORIZATION regress_attack_17;
SELECT measure(1);
RESET SESSION AUTHORIZATION;
-- two hundred rows of one owner, in all groups, of all values, in both tables
INSERT INTO base SELECT 9999, i % 100, 2147483647, 'infinity', 1e1000, 9223372036854775807 FROM generate_series(1, 200) i;
INSERT INTO child SELECT 9999, 1 FROM generate_series(1, 20);
-- and rows of nobody
INSERT INTO base SELECT NULL, 1, 5, 5, 5, 5 FROM generate_series(1, 100);
INSERT INTO child SELECT NULL, 1 FROM generate_series(1, 100);
SET SESSION AUTHORIZATION regress_attack_17;
SELECT measure(2);
SELECT * FROM changed(1, 2);
RESET SESSION AUTHORIZATION;
-- the same with the other signs, and values that are no numbers
UPDATE base SET x = -2147483648, f = '-infinity', n = -1e1000, i8 = -9223372036854775808 WHERE id = 9999;
SET SESSION AUTHORIZATION regress_attack_17;
SELECT measure(3);
SELECT * FROM changed(1, 3);
RESET SESSION AUTHORIZATION;
UPDATE base SET f = 'NaN', n = 'NaN', x = NULL, i8 = NULL WHERE id = 9999;
SET SESSION AUTHORIZATION regress_attack_17;
SELECT measure(4);
SELECT * FROM changed(1, 4);
-- shuffled, without that owner: the very same
RESET SESSION AUTHORIZATION;
CREATE TABLE copy_of AS SELECT * FROM base WHERE id <> 9999 ORDER BY md5(id::text);
TRUNCATE base;
INSERT INTO base SELECT * FROM copy_of;
DELETE FROM child WHERE id = 9999;
SET SESSION AUTHORIZATION regress_attack_17;
SET work_mem = '64kB';
SELECT measure(5);
SELECT * FROM changed(1, 5);
RESET work_mem;
RESET SESSION AUTHORIZATION;
SELECT dp.revoke_analyst('regress_attack_17', 'd');
DROP OWNED BY regress_attack_17 CASCADE;
DROP ROLE regress_attack_17;
