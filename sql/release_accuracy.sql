-- Rule 8: a price that follows from the accuracy wanted.  Absolute: from public
-- bounds, before a row is read.  Relative: a pilot release, then one whose price is a
-- function of what the pilot answered.
\getenv abs_srcdir PG_ABS_SRCDIR
\set hospital :abs_srcdir '/sql/common/hospital.sql'
\set analyst regress_release_accuracy
\i :hospital
\set SHOW_CONTEXT never
CREATE FUNCTION in_rho(units float8) RETURNS numeric LANGUAGE sql AS 'SELECT round((units / 2 ^ 60)::numeric, 12)';
CREATE FUNCTION used_rho() RETURNS numeric LANGUAGE sql AS 'SELECT in_rho(used()::float8)';
-- Entries of the ledger, with the highest charge of an owner in each
CREATE FUNCTION ledger(after bigint) RETURNS TABLE (no bigint, kind text, booked numeric, charged numeric, owners bigint, delta float8, mechanism text)
	LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
	RETURN QUERY SELECT row_number() OVER (ORDER BY e.seq), e.kind, in_rho(dp._ladder_units(e.level)), in_rho(max(dp._ladder_units(c.level))),
		count(c.seq), dp._ladder_units(e.delta_level), e.mechanism
	FROM dp_book.entry e LEFT JOIN dp_book.charge c USING (seq) WHERE e.seq > after GROUP BY e.seq;
END $$;
CREATE FUNCTION last_entry() RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN RETURN (SELECT coalesce(max(seq), 0) FROM dp_book.entry); END';
-- The worst cases of a query in the words of dp.preview
CREATE FUNCTION quoted(query text) RETURNS numeric LANGUAGE sql AS
	'SELECT round(sum(rho)::numeric, 12) FROM (SELECT DISTINCT release, rho FROM dp.preview(query)) r';
GRANT EXECUTE ON FUNCTION dp._ladder_units(integer) TO :analyst;
SET SESSION AUTHORIZATION :analyst;
-- (what the notices say is noisy: release_accuracy_exact has them)
SET client_min_messages = warning;

-- What is an accuracy
SHOW dp.accuracy;
SET dp.accuracy = 0; \echo :SQLSTATE
SET dp.accuracy = -1;
SET dp.accuracy = 'NaN';
SET dp.accuracy = 'Infinity';
SET dp.accuracy = '1e400';
SET dp.accuracy = '0x10';
SET dp.accuracy = 'exact';
SET dp.accuracy = '%';
SET dp.accuracy = '0 %';
SET dp.accuracy = '-5 %';
SET dp.accuracy = '100 %';
SET dp.accuracy = 'NaN %';
SET dp.accuracy = '5 %%';
-- (both at once)
SET dp.accuracy = '100 5 %'; \echo :SQLSTATE
SET dp.accuracy = 100, '5 %'; \echo :SQLSTATE
SELECT set_config('dp.accuracy', '-1', true); \echo :SQLSTATE
ALTER ROLE :analyst SET dp.accuracy = '0 %'; \echo :SQLSTATE
SHOW dp.accuracy;
SET dp.accuracy = 1e6;
SET dp.accuracy = '  5% ';
SET dp.accuracy = '.5 %';
SET dp.accuracy = '';

-- Absolute: one release, at the lowest price for which every interval is narrow enough
CREATE FUNCTION lowest(accuracy float8, aggregate text, confidence text, rest text) RETURNS TABLE (within boolean, releases bigint, as_quoted boolean, lowest boolean)
LANGUAGE plpgsql AS $$
DECLARE
	query text := format('SELECT (dp.interval_high(%s %s) - dp.interval_low(%1$s %2$s)) / 2, %1$s %3$s LIMIT 1', aggregate, confidence, rest);
	before bigint := last_entry();
	quota numeric := used_rho();
	promised numeric;
	h float8;
	cheaper float8;
BEGIN
	PERFORM set_config('dp.accuracy', accuracy::text, true);
	promised := quoted(query);
	EXECUTE query INTO h;
	within := h <= accuracy;
	releases := last_entry() - before;
	as_quoted := abs(promised - (used_rho() - quota)) < 1e-11;
	-- for two thirds of it the same would be too wide
	PERFORM set_config('dp.accuracy', '', true), set_config('dp.rho', (promised / 1.5)::text, true);
	EXECUTE query INTO cheaper;
	lowest := cheaper > accuracy;
	PERFORM set_config('dp.rho', '0.1', true);
	RETURN NEXT;
END $$;
BEGIN;
SET LOCAL dp.rho = 0.1;
SELECT a, c, l.* FROM (VALUES (100, 'count(*)', '', 'FROM visits'), (60, 'count(*)', ', 0.9', 'FROM visits'), (30, 'count(cost)', ', 0.5', 'FROM visits WHERE dept < 4'),
	(10000, 'sum(cost)', '', 'FROM visits'), (700, 'sum(score)', '', 'FROM visits'), (1500.5, 'sum(paid)', ', 0.99', 'FROM visits'),
	(200, 'count(*)', '', 'FROM visits GROUP BY dept'), (20, 'count(DISTINCT patient_id)', '', 'FROM visits'), (8, 'count(*)', '', 'FROM patients GROUP BY county')) v(a, c, f, r),
	LATERAL lowest(a, c, f, r) l;
COMMIT;

-- Every aggregate is held to it, and no average can be
SET dp.accuracy = 20000;
SELECT s < 20000 AS of_the_sum, n < 1000 AS of_the_count FROM (SELECT dp.interval_high(sum(cost)) - sum(cost) AS s, dp.interval_high(count(*)) - count(*) AS n FROM visits) q;
SELECT avg(cost) FROM visits; \echo :SQLSTATE
SELECT count(*), avg(cost) FROM visits; \echo :SQLSTATE
-- a sum beside a count of its rows is centred, and as exact
SELECT s <= 20000 AS centred FROM (SELECT (dp.interval_high(sum(cost)) - dp.interval_low(sum(cost))) / 2 AS s, count(cost) FROM visits) q;
-- nothing to be exact: the default price
SELECT count(*) FROM (SELECT county FROM patients GROUP BY county) c;
EXPLAIN (COSTS OFF) SELECT count(*) FROM patients;

-- Out of reach is refused before anything is read, by public bounds
SELECT entries() AS before \gset
SET dp.accuracy = 1;
SELECT count(*) FROM visits; \echo :SQLSTATE
SET dp.accuracy = 1e-300;
SELECT sum(score) FROM visits; \echo :SQLSTATE
SET dp.accuracy = 50;
SET dp.epsilon = 0.1;
SELECT count(*) FROM visits; \echo :SQLSTATE
SELECT * FROM dp.preview('SELECT count(*) FROM visits'); \echo :SQLSTATE
EXPLAIN SELECT count(*) FROM visits; \echo :SQLSTATE
SET dp.epsilon = 10.5;
SELECT count(*) FROM visits; \echo :SQLSTATE
SET dp.epsilon = 1;
SET dp.rho = 0.1;
SELECT count(*) FROM visits; \echo :SQLSTATE
SET dp.accuracy = '5 %';
SELECT count(*) FROM visits; \echo :SQLSTATE
RESET dp.epsilon;
SET dp.rho = 1e-17;
SELECT count(*) FROM visits; \echo :SQLSTATE
SELECT entries() - :before AS releases;
RESET dp.rho;

-- Relative: a pilot, then the release; both are quoted, booked and charged
SET dp.accuracy = '10 %';
SET dp.rho = 0.2;
SELECT release, title, rho <= 0.02 AS a_tenth, rho <= 0.18 AS rest, stddev_of_noise > 0 AS known FROM dp.preview('SELECT count(*) FROM visits');
SELECT quoted('SELECT count(*) FROM visits') AS quoted, used_rho() AS quota, last_entry() AS before \gset
-- (bounds leave eight standard deviations for what the pilot answers)
SELECT (dp.interval_high(count(*)) - dp.interval_low(count(*))) / 2 BETWEEN 200 AND 340 AS exact_enough FROM visits;
SELECT abs(used_rho() - :quota - :quoted) < 1e-11 AS booked_as_quoted;
SELECT no, kind, booked < :quoted AS a_part, charged <= booked AS charged, charged < booked / 4 AS charged_less FROM ledger(:before);
SELECT abs(sum(booked) - :quoted) < 1e-11 AS entries_as_quoted FROM ledger(:before);
SELECT release, title, groups, output, aggregate, near(value, 3000, (high - low) / 2) AS near, low < value AND value < high AS bar, confidence,
	rho <= 0.02 AS a_tenth, epsilon > rho AS more, delta, next_rho < 0.03 AS cheap, repeat, reached FROM dp.pilot();
SELECT abs(p.rho - l.booked) < 1e-11 AS pilot_as_shown, m.charged <= p.next_rho + 1e-11 AS next_as_shown
FROM dp.pilot() p, ledger(:before) l, ledger(:before) m WHERE l.no = 1 AND m.no = 2;
-- groups: one price for all
SET dp.rho = 1;
SELECT count(*) AS groups, max(w) BETWEEN 30 AND 75 AS exact_enough_for_600, count(DISTINCT w) AS widths FROM
	(SELECT urgent, (dp.interval_high(count(*)) - dp.interval_low(count(*))) / 2 AS w FROM visits WHERE dept > 2 GROUP BY urgent) g;
SELECT release, groups, output, aggregate, reached FROM dp.pilot() ORDER BY 2;
SELECT count(DISTINCT next_rho) AS prices FROM dp.pilot();
-- an average, by what it is over
SET dp.rho = 0.5;
SELECT (dp.interval_high(avg(cost)) - dp.interval_low(avg(cost))) / 2 BETWEEN 3 AND 6.5 AS exact_enough FROM visits;
SELECT aggregate, near(value, 49.5, high - low) AS near, reached FROM dp.pilot();
-- aggregates that have different errors
SELECT dp.interval_high(avg(score), 0.9) - avg(score) < 0.5 AS a, dp.interval_high(sum(cost), 0.5) - sum(cost) < 20000 AS b,
	dp.interval_high(count(*)) - count(*) < 400 AS c FROM visits;
SELECT output, aggregate, confidence, reached FROM dp.pilot();

-- What cannot be reached is answered at the highest price, with its error bar
SET dp.rho = 0.05;
SET dp.accuracy = '0.1 %';
SELECT last_entry() AS before \gset
SELECT (dp.interval_high(count(*)) - dp.interval_low(count(*))) / 2 AS half FROM patients \gset
SELECT next_rho AS highest, reached FROM dp.pilot() \gset
SELECT :half > 5 AS wider, :'reached' AS reached, :highest BETWEEN 0.03 AND 0.045 AS highest;
SELECT no, charged = booked AS charged_in_full FROM ledger(:before) WHERE no = 2;
RESET dp.accuracy;
SELECT set_config('dp.rho', :'highest', false) IS NOT NULL AS same_price;
SELECT (dp.interval_high(count(*)) - dp.interval_low(count(*))) / 2 = :half AS same_bar FROM patients;
SET dp.rho = 0.5;
-- a group of nobody never can, and then all groups have the highest price
SET dp.accuracy = '50 %';
SELECT count(*) AS groups FROM (SELECT sex, insured, count(*) FROM patients WHERE patient_id > 0 GROUP BY sex, insured) g;
SELECT DISTINCT reached FROM dp.pilot();
-- no group at all
SELECT count(*) AS groups FROM (SELECT note, count(*) FROM visits WHERE cost < 0 GROUP BY note) g;
SELECT groups, aggregate, value, rho > 0 AS charged, reached FROM dp.pilot();
-- by a threshold: delta is split as the price is
SELECT last_entry() AS before \gset
SELECT count(*) AS groups FROM (SELECT county, count(*) FROM patients GROUP BY county) g;
SELECT a.delta > 0 AS selects, a.delta < b.delta / 8 AS a_tenth, reached FROM ledger(:before) a, ledger(:before) b, dp.pilot() WHERE a.no = 1 AND b.no = 2 LIMIT 1;
SELECT count(DISTINCT groups) AS groups, count(*) FILTER (WHERE delta > 0) AS selects FROM dp.pilot();

-- EXPLAIN: what may be paid at most; nothing is spent
SELECT entries() AS before \gset
SET dp.accuracy = '10 %';
SET dp.rho = 0.2;
EXPLAIN (COSTS OFF) SELECT count(*), dp.interval_low(count(*), 0.9) FROM visits;
SELECT entries() - :before AS releases;

-- Two releases of a statement: a pilot each; copies share one
SELECT last_entry() AS before \gset
SELECT (SELECT count(*) FROM visits) > 0 AND (SELECT count(*) FROM patients) > 0 AS both;
SELECT count(*) AS entries FROM ledger(:before);
SELECT release, title, reached FROM dp.pilot();
WITH a AS (SELECT count(*) AS n FROM visits) SELECT x.n = y.n AS one FROM a x, a y;
SELECT count(*) AS entries FROM ledger(:before);
-- a release that reads the answer of another: its pilot too
SELECT count(*) > 0 AS above FROM visits WHERE cost > (SELECT avg(cost) FROM visits);
SELECT count(*) AS entries FROM ledger(:before);
SELECT count(*) AS pilots FROM (SELECT DISTINCT release FROM dp.pilot()) p;
-- the input is read twice: joins, common tables, sorts, public lists
SELECT near(count(*), 3000, 200) FROM visits v JOIN patients p USING (patient_id) JOIN depts d USING (dept);
WITH v AS MATERIALIZED (SELECT * FROM visits), w AS (SELECT * FROM v) SELECT near(count(*), 3000, 200) FROM w;
SET enable_hashjoin = off;
SELECT near(count(*), 3000, 200) FROM visits v JOIN patients p USING (patient_id) WHERE v.dept IN (SELECT dept FROM depts);
SET enable_mergejoin = off;
SELECT near(count(*), 3000, 200) FROM visits v JOIN patients p USING (patient_id);
RESET enable_hashjoin;
RESET enable_mergejoin;
PREPARE p(int) AS SELECT near(count(*), 300 * $1, 200) FROM visits WHERE dept <= $1;
EXECUTE p(4);
EXECUTE p(10);
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT count(*) FROM visits;
SELECT last_entry() AS before \gset
FETCH 0 FROM c;
SELECT near(count(*), 3000, 200) FROM visits;
MOVE ALL IN c;
SELECT count(*) AS entries FROM ledger(:before);
COMMIT;

-- ROLLBACK gives nothing back: both are charged
SELECT last_entry() AS before, used_rho() AS quota \gset
BEGIN;
SELECT count(*) > 0 AS answered FROM visits;
ROLLBACK;
SELECT no, kind, owners > 0 AS charged FROM ledger(:before);
SELECT abs(used_rho() - :quota - sum(booked)) < 1e-11 AS booked FROM ledger(:before);
-- nor does an error above the release
SELECT last_entry() AS before \gset
DO $$ BEGIN PERFORM count(*) FROM visits; RAISE 'enough'; END $$;
SELECT no, kind, owners > 0 AS charged FROM ledger(:before);

-- Repeats: the pilot and what follows are questions of their own
SET dp.repeats = on;
SELECT last_entry() AS before, used_rho() AS quota \gset
SELECT count(*) AS first FROM visits WHERE dept < 9 \gset
SELECT value AS pilot FROM dp.pilot() \gset
SELECT count(*) = :first AS same FROM visits WHERE dept < 9;
SELECT value = :pilot AS same_pilot, rho, next_rho, repeat FROM dp.pilot();
SELECT no, kind FROM ledger(:before);
SELECT release, repeat, answered_at IS NOT NULL AS answered FROM dp.preview('SELECT count(*) FROM visits WHERE dept < 9');
SELECT abs(used_rho() - :quota - sum(booked)) < 1e-11 AS booked_once FROM ledger(:before) WHERE kind = 'release';
-- another accuracy has the same pilot, and a price that is known beforehand
SET dp.accuracy = '5 %';
SELECT release, repeat FROM dp.preview('SELECT count(*) FROM visits WHERE dept < 9');
SELECT rho AS quoted FROM dp.preview('SELECT count(*) FROM visits WHERE dept < 9') WHERE NOT repeat \gset
SELECT used_rho() AS quota, last_entry() AS before \gset
SELECT count(*) > 0 AS another FROM visits WHERE dept < 9;
SELECT no, kind FROM ledger(:before);
SELECT abs(used_rho() - :quota - :quoted) < 1e-11 AS booked_as_quoted;
-- the same price without an accuracy is the same question too
SET dp.accuracy = '0.1 %';
SELECT count(*) > 0 AS at_the_highest FROM visits WHERE dept < 9;
SELECT last_entry() AS before \gset
RESET dp.accuracy;
SET dp.rho = 0.18;
SELECT count(*) > 0 AS again FROM visits WHERE dept < 9;
SELECT no, kind FROM ledger(:before);
SELECT count(*) AS pilots FROM dp.pilot();
SET dp.repeats = off;

-- dp.pilot() is of the latest release, and for who asked
SET dp.rho = 0.2;
SET dp.accuracy = '10 %';
SELECT count(*) > 0 AS asked FROM visits;
RESET SESSION AUTHORIZATION;
SELECT count(*) AS of_another FROM dp.pilot();
SET SESSION AUTHORIZATION :analyst;
SELECT count(*) AS own FROM dp.pilot();
SELECT count(*) > 0 AS refused FROM visits WHERE cost = (SELECT sum(visit_id) FROM visits);
SELECT count(*) AS own FROM dp.pilot();
RESET SESSION AUTHORIZATION;

-- The quota bounds the highest price; when even two pilots do not fit, it is used up
CREATE ROLE regress_release_accuracy_two;
SELECT dp.grant_analyst('regress_release_accuracy_two', 'hospital', 5, 7);
SET SESSION AUTHORIZATION regress_release_accuracy_two;
SET client_min_messages = warning;
SET dp.accuracy = '0.1 %';
SET dp.rho = 0.2;
SELECT count(*) > 0 AS whole FROM visits;
SELECT next_rho > 0.15 AS whole FROM dp.pilot();
SELECT count(*) > 0 AS whole FROM visits;
SELECT units_left < 0.2 * 2 ^ 60 AS little, units_left AS left FROM dp.quota() \gset left_
SELECT :'left_little' AS little;
SELECT sum(rho * 2 ^ 60) <= :left_left AS quoted FROM dp.preview('SELECT count(*) FROM visits');
SELECT count(*) > 0 AS what_is_left FROM visits;
SELECT next_rho < 0.15 AS less, (rho + next_rho) * 2 ^ 60 <= :left_left AS fits FROM dp.pilot();
SELECT units_left >= 0 AS not_below, units_left < 0.05 * 2 ^ 60 AS used FROM dp.quota();
SELECT count(*) FROM visits; \echo :SQLSTATE
RESET SESSION AUTHORIZATION;

-- two releases of a statement: both have their least, and the first what is over
SELECT dp.revoke_analyst('regress_release_accuracy_two', 'hospital');
SELECT dp.grant_analyst('regress_release_accuracy_two', 'hospital', 5, 8);
SET SESSION AUTHORIZATION regress_release_accuracy_two;
SELECT units_left / 2 ^ 60 > 0.1 AS enough, units_left AS left FROM dp.quota() \gset left_
SELECT :'left_enough' AS enough;
SELECT set_config('dp.rho', (:left_left / 2 ^ 60 * 0.9)::text, false) IS NOT NULL AS price;
SELECT (SELECT count(*) FROM visits) > 0 AND (SELECT count(*) FROM patients) > 0 AS both;
SELECT sum(rho + next_rho) * 2 ^ 60 <= :left_left AS fit, min(next_rho) < max(next_rho) / 2 AS less,
	bool_and(next_rho > rho * 0.8) AS at_least FROM dp.pilot();
SELECT units_left >= 0 AS not_below FROM dp.quota();
RESET SESSION AUTHORIZATION;

-- A pure data set: epsilon, and no thresholds
CREATE TABLE people (id int PRIMARY KEY, age int CHECK (age BETWEEN 0 AND 99));
INSERT INTO people SELECT i, i % 100 FROM generate_series(1, 1000) i;
SELECT dp.create_dataset('census', 7, 0, accountant => 'pure', capacity => 2000) > 0 AS made;
SELECT dp.protect('people', 'census', 'id');
SELECT dp.grant_analyst(:'analyst', 'census', 3);
SET SESSION AUTHORIZATION :analyst;
SET client_min_messages = warning;
RESET dp.rho;
SET dp.accuracy = 40;
SELECT dp.interval_high(count(*)) - count(*) BETWEEN 20 AND 40 AS absolute FROM people;
SET dp.accuracy = '10 %';
SET dp.epsilon = 2;
SELECT dp.interval_high(count(*)) - count(*) BETWEEN 50 AND 120 AS relative FROM people;
SELECT rho, epsilon <= 0.2 AS a_tenth, next_rho, next_epsilon < 1 AS cheap, reached FROM dp.pilot();
RESET SESSION AUTHORIZATION;

SELECT check_name, ok FROM dp.verify() WHERE NOT ok;
DROP OWNED BY :analyst, regress_release_accuracy_two CASCADE;
SELECT dp.revoke_analyst(:'analyst', 'hospital'), dp.revoke_analyst(:'analyst', 'census'), dp.revoke_analyst('regress_release_accuracy_two', 'hospital');
DROP ROLE :analyst, regress_release_accuracy_two;
