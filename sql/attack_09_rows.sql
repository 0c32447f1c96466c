-- Attack 9: protected rows by every way that SQL has to read a table.
\getenv abs_srcdir PG_ABS_SRCDIR
\set hospital :abs_srcdir '/sql/common/hospital.sql'
\set analyst regress_attack_09
\i :hospital
\set SHOW_CONTEXT never
-- What happens to a query: refused with a state and a message, or answered
CREATE FUNCTION attempt(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	n bigint;
BEGIN
	EXECUTE query;
	GET DIAGNOSTICS n = ROW_COUNT;
	RETURN 'ANSWERED, ' || n || ' rows';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ': ' || SQLERRM;
END $$;
SET SESSION AUTHORIZATION :analyst;
CREATE TABLE kept (a bigint, b text);
\pset format unaligned
SELECT q, attempt(q) FROM unnest(ARRAY[
	'TABLE visits', 'SELECT * FROM visits', 'SELECT v FROM visits v', 'SELECT v.* FROM visits v', 'SELECT (v).cost FROM visits v', 'SELECT ROW(v.*) FROM visits v',
	'SELECT row_to_json(v) FROM visits v', 'SELECT to_jsonb(v) FROM visits v', 'SELECT json_agg(v) FROM visits v', 'SELECT jsonb_object_agg(visit_id, cost) FROM visits', 'SELECT array_agg(cost) FROM visits',
	'SELECT string_agg(note, '','') FROM visits', 'SELECT xmlagg(xmlelement(name n, cost)) FROM visits', 'SELECT query_to_xml(''SELECT * FROM visits'', true, true, '''')', 'SELECT table_to_xml(''visits'', true, true, '''')',
	'SELECT schema_to_xml(''public'', true, true, '''')', 'SELECT database_to_xml(true, true, '''')', 'SELECT cursor_to_xml(''c'', 1, true, true, '''')',
	'SELECT ctid FROM visits', 'SELECT xmin, cmin FROM visits', 'SELECT tableoid::regclass FROM visits', 'SELECT count(*) FROM visits WHERE ctid = ''(0,1)''',
	'SELECT cost FROM visits TABLESAMPLE bernoulli (1)', 'SELECT count(*) FROM visits TABLESAMPLE system (10) REPEATABLE (1)',
	'SELECT cost FROM visits FOR UPDATE', 'SELECT cost FROM visits FOR NO KEY UPDATE', 'SELECT cost FROM visits FOR SHARE SKIP LOCKED', 'SELECT cost FROM visits FOR KEY SHARE NOWAIT',
	'SELECT (SELECT cost FROM visits WHERE visit_id = 1)', 'SELECT ARRAY(SELECT cost FROM visits)', 'SELECT EXISTS (SELECT FROM visits WHERE cost = 5)', 'SELECT 5 IN (SELECT cost FROM visits)', 'SELECT 5 = ALL (SELECT cost FROM visits)',
	'SELECT NOT EXISTS (SELECT FROM visits)', 'SELECT d.name FROM depts d WHERE EXISTS (SELECT FROM visits v WHERE v.dept = d.dept)', 'SELECT d.name FROM depts d WHERE d.dept IN (SELECT dept FROM visits)',
	'SELECT * FROM depts d, LATERAL (SELECT * FROM visits v WHERE v.dept = d.dept LIMIT 1) l', 'SELECT d.name, (SELECT max(cost) FROM visits v WHERE v.dept = d.dept) FROM depts d',
	'SELECT dept FROM visits UNION SELECT dept FROM depts', 'SELECT dept FROM depts INTERSECT SELECT dept FROM visits', 'SELECT dept FROM depts EXCEPT ALL SELECT dept FROM visits',
	'SELECT count(*) FROM (SELECT dept FROM depts EXCEPT SELECT dept FROM visits WHERE cost = 5) s',
	'WITH RECURSIVE r(i) AS (SELECT visit_id FROM visits UNION SELECT i + 1 FROM r WHERE i < 5) SELECT count(*) FROM r', 'WITH RECURSIVE r(i) AS (SELECT 1::bigint UNION SELECT visit_id FROM r JOIN visits ON visit_id = i + 1) SELECT count(*) FROM r',
	'WITH x AS (SELECT * FROM visits) SELECT * FROM x', 'WITH x AS MATERIALIZED (SELECT * FROM visits) SELECT cost FROM x', 'WITH x AS (DELETE FROM visits RETURNING *) SELECT * FROM x', 'WITH x AS (INSERT INTO kept SELECT cost FROM visits RETURNING *) SELECT * FROM x',
	'SELECT cost, count(*) OVER () FROM visits', 'SELECT first_value(cost) OVER (ORDER BY visit_id) FROM visits', 'SELECT DISTINCT ON (dept) cost FROM visits', 'SELECT cost FROM visits ORDER BY cost LIMIT 1', 'SELECT cost FROM visits FETCH FIRST ROW WITH TIES',
	'SELECT max(cost), min(cost) FROM visits', 'SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY cost) FROM visits', 'SELECT mode() WITHIN GROUP (ORDER BY cost) FROM visits', 'SELECT every(cost > 5) FROM visits', 'SELECT bit_or(cost) FROM visits',
	'SELECT generate_series(1, cost) FROM visits', 'SELECT unnest(ARRAY[cost]) FROM visits', 'SELECT s FROM visits, generate_series(1, cost) s', 'SELECT regexp_split_to_table(note, '' '') FROM visits', 'SELECT * FROM ROWS FROM (generate_series(1, (SELECT cost FROM visits LIMIT 1))) r',
	'CREATE TABLE t AS SELECT * FROM visits', 'CREATE TABLE t AS TABLE visits', 'CREATE TEMP TABLE t AS SELECT cost FROM visits', 'SELECT * INTO t FROM visits', 'CREATE MATERIALIZED VIEW m AS SELECT * FROM visits', 'CREATE TABLE t (LIKE visits INCLUDING ALL)',
	'INSERT INTO kept SELECT cost, note FROM visits', 'INSERT INTO kept VALUES ((SELECT cost FROM visits WHERE visit_id = 1), '''')', 'INSERT INTO kept (a) SELECT count(*) FROM depts RETURNING (SELECT cost FROM visits WHERE visit_id = 1)',
	'UPDATE kept SET a = v.cost FROM visits v', 'UPDATE kept SET a = (SELECT cost FROM visits WHERE visit_id = 1)', 'DELETE FROM kept USING visits v WHERE v.cost = kept.a', 'DELETE FROM kept WHERE EXISTS (SELECT FROM visits WHERE cost = 5)',
	'UPDATE visits SET cost = cost', 'UPDATE visits SET cost = 0 WHERE visit_id = 1 RETURNING *', 'DELETE FROM visits WHERE false RETURNING *', 'INSERT INTO visits DEFAULT VALUES', 'INSERT INTO visits (visit_id, dept, urgent) VALUES (1, 1, true) ON CONFLICT DO NOTHING', 'TRUNCATE visits',
	'MERGE INTO kept k USING visits v ON k.a = v.cost WHEN NOT MATCHED THEN INSERT VALUES (v.cost, v.note)', 'MERGE INTO visits v USING kept k ON k.a = v.cost WHEN MATCHED THEN DELETE',
	'COPY visits TO ''/tmp/x''', 'COPY visits (cost) TO PROGRAM ''cat''', 'COPY (SELECT cost FROM visits) TO ''/tmp/x''', 'LOCK TABLE visits', 'ALTER TABLE visits ADD x int', 'CREATE INDEX ON visits (cost)', 'DROP TABLE visits', 'COMMENT ON TABLE visits IS ''x''',
	'ANALYZE visits', 'CLUSTER visits', 'REINDEX TABLE visits', 'REFRESH MATERIALIZED VIEW visits', 'CREATE STATISTICS s ON cost, dept FROM visits', 'CREATE PUBLICATION p FOR TABLE visits',
	'CREATE TABLE t (v int REFERENCES patients)', 'CREATE TABLE t (v bigint REFERENCES visits (visit_id))', 'CREATE TABLE t () INHERITS (visits)', 'CREATE TRIGGER t AFTER INSERT ON visits EXECUTE FUNCTION suppress_redundant_updates_trigger()',
	'CREATE RULE r AS ON SELECT TO kept DO INSTEAD SELECT visit_id, note FROM visits', 'CREATE POLICY p ON visits USING (true)', 'SELECT pg_relation_size(''visits'') > 0 AND false', 'SELECT lo_import(''/etc/passwd'')',
	'VALUES ((SELECT cost FROM visits WHERE visit_id = 1))', 'SELECT CASE WHEN (SELECT cost FROM visits WHERE visit_id = 1) > 5 THEN 1 END', 'SELECT COALESCE((SELECT cost FROM visits WHERE visit_id = 1), 0)', 'SELECT 1 LIMIT (SELECT cost FROM visits WHERE visit_id = 1)',
	'SELECT 1 FROM depts ORDER BY (SELECT cost FROM visits WHERE visit_id = 1)', 'SELECT count(*) FROM depts GROUP BY (SELECT cost FROM visits WHERE visit_id = 1)', 'SELECT count(*) FROM depts HAVING count(*) > (SELECT cost FROM visits WHERE visit_id = 1)',
	'SELECT count(*) FILTER (WHERE EXISTS (SELECT FROM visits WHERE cost = 5)) FROM depts', 'SELECT sum(dept) OVER (ORDER BY (SELECT cost FROM visits WHERE visit_id = 1)) FROM depts', 'SELECT * FROM depts WHERE dept = ANY (ARRAY(SELECT dept FROM visits))',
	'SELECT * FROM depts JOIN visits ON depts.dept = visits.dept', 'SELECT depts.* FROM depts JOIN visits ON depts.dept = visits.dept', 'SELECT depts.dept FROM depts LEFT JOIN visits USING (dept) WHERE visits.cost IS NULL', 'SELECT 1 FROM visits HAVING true', 'SELECT FROM visits',
	'DECLARE c CURSOR FOR SELECT cost FROM visits', 'DO ''BEGIN PERFORM cost FROM visits; END''', 'EXPLAIN SELECT cost FROM visits', 'SELECT * FROM dp.preview(''SELECT cost FROM visits'')', 'PREPARE pp AS SELECT cost FROM visits'
]) WITH ORDINALITY u(q, i) ORDER BY i;

\pset format aligned
-- what was answered shows nothing
SELECT schema_to_xml('public', true, true, '')::text LIKE '%note 1%' AS shows_rows, database_to_xml(true, true, '')::text LIKE '%note 1%' AS shows_rows;
RESET SESSION AUTHORIZATION;
SELECT count(*) FROM kept;

RESET SESSION AUTHORIZATION;
DROP OWNED BY :analyst CASCADE;
SELECT dp.revoke_analyst(:'analyst', 'hospital');
DROP ROLE :analyst;
