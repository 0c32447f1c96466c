-- flavour: test
-- Rule 8: the price after a pilot is a function of what the pilot answered, and of
-- nothing else of the rows.  A fixed tape shows it, and a cancel between the two.
\getenv abs_srcdir PG_ABS_SRCDIR
\set hospital :abs_srcdir '/sql/common/hospital.sql'
\set analyst regress_accuracy_exact
\i :hospital
\set SHOW_CONTEXT never
CREATE FUNCTION test_trace() RETURNS text AS 'pg_epsilon', 'eps_exec_sql_test_trace' LANGUAGE C;
CREATE FUNCTION last_entry() RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN RETURN (SELECT coalesce(max(seq), 0) FROM dp_book.entry); END';
CREATE FUNCTION in_rho(units float8) RETURNS numeric LANGUAGE sql AS 'SELECT round((units / 2 ^ 60)::numeric, 12)';
CREATE FUNCTION ledger(after bigint) RETURNS TABLE (no bigint, kind text, mechanism text, booked numeric, owners bigint) LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
	RETURN QUERY SELECT row_number() OVER (ORDER BY e.seq), e.kind, e.mechanism, in_rho(dp._ladder_units(e.level)), count(c.seq)
	FROM dp_book.entry e LEFT JOIN dp_book.charge c USING (seq) WHERE e.seq > after GROUP BY e.seq;
END $$;
-- 60 owners with a row each, of two sexes
CREATE TABLE few (id int, sex text, x int);
INSERT INTO few SELECT i, CASE i % 3 WHEN 0 THEN 'f' ELSE 'm' END, i % 7 FROM generate_series(1, 60) i;
SELECT dp.protect('few', 'hospital', 'id', rows_per_owner => 1);
SELECT dp.set_domain('few', 'sex', ARRAY['f', 'm'], 'form');
SELECT dp.set_bounds('few', 'x', 0, 10, 'test');
SET SESSION AUTHORIZATION :analyst;

-- What the analyst is told, without noise
SET dp_test.noise = off;
SET dp.accuracy = '10 %';
SET dp.rho = 0.2;
SELECT count(*) FROM visits;
SELECT count(*), sum(cost), avg(cost) FROM visits;
SELECT dept, count(*) FROM visits GROUP BY dept;
SELECT urgent, sum(x) FROM few JOIN visits ON few.id = visits.patient_id GROUP BY urgent;
SELECT note, count(*) FROM visits WHERE cost < 0 GROUP BY note;
SET dp.accuracy = '1 %';
SELECT count(*) FROM patients;
SELECT release, title, groups, output, aggregate, value, low, high, rho, epsilon, delta, next_rho, next_epsilon, repeat, reached FROM dp.pilot();
SET dp.accuracy = '10 %';
SET dp.repeats = on;
SELECT count(*) FROM patients;
SELECT count(*) FROM patients;
SET dp.repeats = off;

-- The lowest level that is enough: of a count, worked out here. The interval is to be
-- at most a tenth of the lower end of the pilot's.
SET client_min_messages = warning;
SELECT count(*) FROM visits;
SELECT next_rho AS next, 0.1 * low AS wanted FROM dp.pilot() \gset
RESET dp.accuracy;
CREATE FUNCTION half_at(price float8) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE
	h float8;
BEGIN
	PERFORM set_config('dp.rho', price::text, true);
	SELECT (dp.interval_high(count(*)) - dp.interval_low(count(*))) / 2 INTO h FROM visits;
	RETURN h;
END $$;
SELECT half_at(:next) <= :wanted AS enough, half_at(:next / 1.2) > :wanted AS no_less;

-- A tape: two data sets that differ in one owner. Wherever the pilot's noisy answer is
-- the same, so is the price, though the rows are not; where the rows are the same, the
-- price follows the noise.
SET dp_test.noise = on;
SET dp.accuracy = '40 %';
SET dp.rho = 0.05;
CREATE TABLE seen (world text, seed int, value float8, next_rho float8, exact bigint);
CREATE FUNCTION watch(world text, n int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	trace json;
BEGIN
	FOR i IN 1..n LOOP
		PERFORM set_config('dp_test.seed', format('tape %s', i), false);
		PERFORM test_trace();
		PERFORM count(*) FROM few;
		trace := test_trace();
		INSERT INTO seen SELECT world, i, value, next_rho, (trace -> 0 -> 'totals' -> 0 ->> 1)::bigint FROM dp.pilot();
	END LOOP;
END $$;
SET dp_test.trace = on;
SELECT watch('with', 40);
RESET SESSION AUTHORIZATION;
DELETE FROM few WHERE id = 17;
SET SESSION AUTHORIZATION :analyst;
SELECT watch('without', 40);
SELECT count(DISTINCT exact) AS totals, count(DISTINCT next_rho) > 3 AS prices FROM seen;
SELECT count(*) AS same_answer_other_price FROM (SELECT value FROM seen GROUP BY value HAVING count(DISTINCT next_rho) > 1) s;
SELECT count(*) > 5 AS same_answer_of_other_rows FROM (SELECT value FROM seen GROUP BY value HAVING count(DISTINCT exact) > 1) s;
SELECT count(*) > 0 AS same_rows_other_price FROM (SELECT exact FROM seen GROUP BY exact HAVING count(DISTINCT next_rho) > 1) s;
-- one noise, one owner more: the answer moves by that owner, on the tape's noise
SELECT count(DISTINCT a.value - b.value) AS differences FROM seen a JOIN seen b USING (seed) WHERE a.world = 'with' AND b.world = 'without';
-- what every other owner has in the rows does not matter where the answer does not see it
RESET SESSION AUTHORIZATION;
TRUNCATE seen;
SET SESSION AUTHORIZATION :analyst;
SELECT watch('one', 5);
RESET SESSION AUTHORIZATION;
UPDATE few SET x = 10 - x, sex = 'f';
SET SESSION AUTHORIZATION :analyst;
SELECT watch('other', 5);
SELECT count(DISTINCT (seed, value, next_rho)) AS same FROM seen;
SET dp_test.trace = off;
SET dp_test.seed = '';

-- A cancel between pilot and release: the pilot is charged, and shown; of the release
-- nothing is read or charged, and its part of the quota is not given back
SET dp_test.noise = off;
SET dp.accuracy = '10 %';
SET dp.rho = 0.2;
RESET client_min_messages;
SELECT last_entry() AS before, used() AS quota \gset
SELECT sum(rho) AS quoted FROM dp.preview('SELECT count(*) FROM visits') \gset
SET dp_test.cancel = 'pilot';
SELECT count(*) FROM visits; \echo :SQLSTATE
RESET dp_test.cancel;
SELECT no, kind, mechanism, owners > 0 AS charged FROM ledger(:before);
SELECT abs(in_rho(used()::float8 - :quota) - :quoted) < 1e-11 AS booked;
SELECT value, reached FROM dp.pilot();
-- before the pilot's noise: charged, and nothing shown
SELECT last_entry() AS before, used() AS quota \gset
SET dp_test.cancel = 'noise';
SELECT count(*) FROM visits; \echo :SQLSTATE
RESET dp_test.cancel;
SELECT no, kind, mechanism, owners > 0 AS charged FROM ledger(:before);
SELECT abs(in_rho(used()::float8 - :quota) - :quoted) < 1e-11 AS booked, (SELECT count(*) FROM dp.pilot()) AS shown;
-- while the pilot reads: whoever was read is charged
SELECT last_entry() AS before \gset
SET dp_test.cancel = 'read';
SELECT count(*) FROM visits; \echo :SQLSTATE
RESET dp_test.cancel;
SELECT no, kind, mechanism FROM ledger(:before);

RESET SESSION AUTHORIZATION;
SELECT check_name, ok FROM dp.verify() WHERE NOT ok;
DROP OWNED BY :analyst CASCADE;
SELECT dp.revoke_analyst(:'analyst', 'hospital');
DROP ROLE :analyst;
