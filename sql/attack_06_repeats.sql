-- Attack 6: the same answer asked again and again, also reformatted.  Identical text
-- is answered from the store, free; all else is charged, or is the same answer.
\getenv abs_srcdir PG_ABS_SRCDIR
\set hospital :abs_srcdir '/sql/common/hospital.sql'
\set analyst regress_attack_06
\i :hospital
\set SHOW_CONTEXT never
CREATE ROLE regress_attack_06_two;
CREATE ROLE regress_attack_06_purpose;
SELECT dp.grant_analyst(:'analyst', 'hospital', 3, 4.5);
SELECT dp.grant_analyst('regress_attack_06_two', 'hospital', 3);
CREATE TABLE asked (what text, n numeric);
GRANT ALL ON asked TO PUBLIC;
CREATE FUNCTION charged() RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER AS
	'BEGIN RETURN (SELECT count(*) FROM dp_book.entry WHERE kind = ''release''); END';
-- Asks so many times; how many different answers, releases charged, and whether the quota was
CREATE FUNCTION ask(query text, times int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	before bigint := charged();
	quota numeric := used();
	answers numeric[] := '{}';
	answer numeric;
BEGIN
	FOR i IN 1..times LOOP
		EXECUTE query INTO answer;
		answers := answers || answer;
	END LOOP;
	RETURN format('%s answers, %s charged, quota %s', (SELECT count(DISTINCT a) FROM unnest(answers) a),
		charged() - before, CASE WHEN used() = quota THEN 'untouched' ELSE 'used' END);
END $$;
CREATE FUNCTION spent() RETURNS numeric LANGUAGE plpgsql SECURITY DEFINER AS
	'BEGIN RETURN (SELECT count(*) || ''.'' || coalesce(max(seq), 0) FROM dp_book.charge); END';
SET SESSION AUTHORIZATION :analyst;
SET dp.repeats = on;
SELECT ask('SELECT count(*) FROM visits', 1) AS first;
SELECT spent() AS spent \gset
SELECT ask('SELECT count(*) FROM visits', 500) AS again;
SELECT spent() - :spent AS spent_by_owners;
-- averaging gains nothing
INSERT INTO asked SELECT 'twice', count(*) FROM visits;
INSERT INTO asked SELECT 'twice', count(*) FROM visits;
SELECT stddev(n) AS spread FROM asked;
-- nor do reformatted questions: the same answer, or a charge
SELECT ask('SELECT  COUNT(*)  FROM  public.visits', 1) AS white_space, ask('SELECT count(*) AS x FROM visits AS y', 1) AS aliases,
	ask('SELECT count(*) FROM (SELECT * FROM visits) s', 1) AS subquery, ask('SELECT count(*) FROM visits WHERE true', 1) AS "true";
CREATE FUNCTION same_or_charged(query text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	before bigint := charged();
	first numeric;
	answer numeric;
BEGIN
	EXECUTE 'SELECT count(*) FROM visits' INTO first;
	EXECUTE query INTO answer;
	RETURN answer = first OR charged() = before + 1;
END $$;
SET dp.epsilon = 0.01;
SELECT bool_and(same_or_charged(q)) AS same_or_charged FROM unnest(ARRAY[
	'SELECT count(*) FROM visits v', 'SELECT count(*) FROM visits WHERE true', 'SELECT count(*) FROM visits WHERE 1 = 1',
	'SELECT count(*) FROM visits WHERE dept + 0 > 0', 'SELECT count(*) FROM visits WHERE NOT false', 'SELECT count(1) FROM visits',
	'SELECT count(*) + 0 FROM visits', 'WITH v AS (SELECT * FROM visits) SELECT count(*) FROM v', 'SELECT count(dept) FROM visits',
	'SELECT count(*) FILTER (WHERE true) FROM visits', 'SELECT sum(1) FROM visits', 'SELECT count(*) FROM visits OFFSET 0',
	'SELECT count(*) FROM visits WHERE dept >= 1 AND dept <= 10', 'SELECT count(*) FROM visits WHERE dept <= 10 AND dept >= 1',
	'SELECT count(*) FROM visits HAVING true', 'SELECT n FROM (SELECT count(*) AS n FROM visits) s LIMIT 1']) q;
-- another price is another question: two answers of different noise are two charges
SELECT ask('SELECT count(*) FROM visits', 1) AS repeat;
SET dp.epsilon = 0.02;
SELECT ask('SELECT count(*) FROM visits', 3) AS other_price;
RESET dp.epsilon;
-- who wants fresh noise pays for it, each time
SET dp.repeats = off;
SET dp.epsilon = 0.01;
SELECT ask('SELECT count(*) FROM patients', 20) LIKE '%, 20 charged, quota used' AS fresh;
SET dp.repeats = on;
RESET dp.epsilon;
-- what is rolled back was given all the same
BEGIN;
SELECT ask('SELECT count(*) FROM labs', 1) AS first;
ROLLBACK;
SELECT ask('SELECT count(*) FROM labs', 2) AS again;
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SELECT ask('SELECT count(*) FROM labs', 2) AS again;
ROLLBACK;
-- an expression above the answer that gives NULL does not make it another one
SELECT (CASE WHEN count(*) IS NOT NULL THEN 'no date' END)::date FROM labs; \echo :SQLSTATE
SELECT ask('SELECT count(*) FROM labs', 2) AS again;
-- a used-up quota leaves repeats
SET dp.epsilon = 3;
SELECT count(*) FROM labs WHERE value > 3; \echo :SQLSTATE
RESET dp.epsilon;
SELECT ask('SELECT count(*) FROM visits', 5) AS free;

-- Another analyst of the data set is given the same answer
INSERT INTO asked SELECT 'one', count(*) FROM visits;
SET SESSION AUTHORIZATION regress_attack_06_two;
SET dp.epsilon = 0.01;
SELECT ask('SELECT count(*) FROM visits WHERE dept = 3', 1) AS first;
RESET dp.epsilon;
INSERT INTO asked SELECT 'one', count(*) FROM visits;
SELECT count(DISTINCT n) AS answers FROM asked WHERE what = 'one';
-- but not above the price that this one may pay
RESET SESSION AUTHORIZATION;
SELECT dp.grant_analyst('regress_attack_06_two', 'hospital', 0.001);
SET SESSION AUTHORIZATION regress_attack_06_two;
SET dp.epsilon = 0.01;
SELECT count(*) FROM visits WHERE dept = 3; \echo :SQLSTATE
RESET dp.epsilon;
-- nor without a grant
RESET SESSION AUTHORIZATION;
SELECT dp.revoke_analyst('regress_attack_06_two', 'hospital');
SET SESSION AUTHORIZATION regress_attack_06_two;
SELECT count(*) FROM visits; \echo :SQLSTATE
SELECT * FROM dp_book.answer; \echo :SQLSTATE
SELECT * FROM dp_book.entry; \echo :SQLSTATE

-- Nor under a purpose that is not one's own
RESET SESSION AUTHORIZATION;
SELECT dp.add_purpose('hospital', 'research', true), dp.add_purpose('hospital', 'billing', true);
SELECT dp.grant_analyst(:'analyst', 'hospital', 10);
SELECT dp.grant_analyst('regress_attack_06_purpose', 'hospital', 10, purposes => ARRAY['billing']);
SET SESSION AUTHORIZATION :analyst;
SELECT count(*) FROM visits; \echo :SQLSTATE
SET dp.purpose = research;
SELECT ask('SELECT count(*) FROM visits', 2) AS research;
SET dp.purpose = billing;
SELECT ask('SELECT count(*) FROM visits', 2) AS billing;
INSERT INTO asked SELECT 'billing', count(*) FROM visits;
SET SESSION AUTHORIZATION regress_attack_06_purpose;
SET dp.purpose = research;
SELECT count(*) FROM visits; \echo :SQLSTATE
SET dp.purpose = billing;
INSERT INTO asked SELECT 'billing', count(*) FROM visits;
SELECT count(DISTINCT n) AS answers FROM asked WHERE what = 'billing';
-- an owner who takes consent back changes nothing about an answer that was given
RESET SESSION AUTHORIZATION;
SELECT dp.set_consent('hospital', 7, 'billing', false);
SET SESSION AUTHORIZATION regress_attack_06_purpose;
SELECT ask('SELECT count(*) FROM visits', 2) AS again;

RESET SESSION AUTHORIZATION;
SELECT check_name, ok FROM dp.verify() WHERE NOT ok;
SELECT kind, count(*) > 5 AS some FROM dp.releases GROUP BY kind ORDER BY kind;
DROP OWNED BY :analyst, regress_attack_06_two, regress_attack_06_purpose CASCADE;
SELECT dp.revoke_analyst(:'analyst', 'hospital'), dp.revoke_analyst('regress_attack_06_purpose', 'hospital');
DROP ROLE :analyst, regress_attack_06_two, regress_attack_06_purpose;
