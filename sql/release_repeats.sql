-- Rule 26: what a release that was answered before is, and what is another one.
\getenv abs_srcdir PG_ABS_SRCDIR
\set hospital :abs_srcdir '/sql/common/hospital.sql'
\set analyst regress_repeats
\i :hospital
\set SHOW_CONTEXT never
CREATE ROLE regress_repeats_two;
CREATE TABLE own_rows (patient_id int, doctor text, amount int NOT NULL CHECK (amount BETWEEN 0 AND 9), seen timestamptz);
INSERT INTO own_rows SELECT i, CASE i % 2 WHEN 0 THEN 'regress_repeats' ELSE 'regress_repeats_two' END, i % 10, timestamptz '2024-03-01 22:00 UTC' + i * interval '1 hour'
FROM generate_series(1, 500) i;
SELECT dp.protect('own_rows', 'hospital', 'patient_id', rows_per_owner => 1);
SELECT dp.grant_analyst('regress_repeats_two', 'hospital', 10);
-- What a query cost: releases charged, answers given again, quota in releases
CREATE FUNCTION kinds() RETURNS TABLE (releases bigint, repeats bigint) LANGUAGE plpgsql SECURITY DEFINER AS
	'BEGIN RETURN QUERY SELECT count(*) FILTER (WHERE kind = ''release''), count(*) FILTER (WHERE kind = ''repeat'') FROM dp_book.entry; END';
CREATE FUNCTION own_repeats() RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER AS
	'BEGIN RETURN (SELECT count(*) FROM dp_book.entry WHERE kind = ''repeat'' AND analyst = session_user); END';
CREATE FUNCTION cost(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	before record;
	after record;
	quota numeric := used();
	r record;
BEGIN
	SELECT * INTO before FROM kinds();
	FOR r IN EXECUTE query LOOP
	END LOOP;
	SELECT * INTO after FROM kinds();
	RETURN format('%s charged, %s repeated, quota %s', after.releases - before.releases, after.repeats - before.repeats,
		CASE WHEN used() = quota THEN 'untouched' ELSE 'used' END);
END $$;
SET SESSION AUTHORIZATION :analyst;
SHOW dp.repeats;
SELECT cost('SELECT count(*) FROM visits') AS first;
SELECT cost('SELECT count(*) FROM visits') AS fresh;
SET dp.repeats = on;

-- The same question, however it is written down
SELECT cost('SELECT count(*) FROM visits') AS repeat;
SELECT cost('select  count( * )   as n from public.visits v -- a comment') AS repeat;
SELECT cost('SELECT count(*) + 1 FROM visits ORDER BY 1 LIMIT 5') AS repeat;
SELECT cost('SELECT n FROM (SELECT count(*) AS n FROM visits) s WHERE n > 0') AS repeat;
SELECT cost('SELECT (SELECT count(*) FROM visits) - (SELECT count(*) FROM visits)') AS repeat;
SELECT cost('SELECT dept, count(*) AS n, avg(cost) FROM visits GROUP BY dept') AS first;
SELECT cost('SELECT dept, count(*), avg(cost) FROM visits AS v(a, b) GROUP BY dept HAVING count(*) > 10') AS repeat;
SELECT cost('SELECT dept, count(*), avg(cost) FROM visits GROUP BY dept HAVING count(*) > 10 ORDER BY 2 DESC') AS repeat;
-- another plan is another question
SELECT cost('SELECT count(*) FROM visits WHERE cost > 10 AND dept = 1') AS first;
SELECT cost('SELECT count(*) FROM visits WHERE dept = 1 AND cost > 10') AS other;
SELECT cost('SELECT count(*) FROM visits WHERE cost > 10 AND dept = 2') AS other;
SELECT cost('SELECT count(cost) FROM visits') AS other;
SELECT cost('SELECT count(*) FROM patients') AS other;

-- The answer is the first one's, with its error bars
CREATE TEMP TABLE seen (pass int, dept int, n bigint, low float8, high float8, sd float8, mean numeric, total bigint, score float8);
\set question 'dept, count(*), dp.interval_low(count(*), 0.9), dp.interval_high(count(*), 0.9), dp.stddev_of_noise(count(*)), avg(paid), sum(cost), avg(score) FROM visits GROUP BY dept'
INSERT INTO seen SELECT 1, :question;
INSERT INTO seen SELECT 2, :question;
SELECT count(*) AS rows, count(DISTINCT (dept, n, low, high, sd, mean, total, score)) AS different FROM seen;
TRUNCATE seen;
SET dp.groups = seen;
INSERT INTO seen (pass, n, mean) SELECT 1, count(*), avg(cost) FROM visits GROUP BY note;
INSERT INTO seen (pass, n, mean) SELECT 2, count(*), avg(cost) FROM visits GROUP BY note;
RESET dp.groups;
SELECT count(*) AS rows, count(DISTINCT (n, mean)) AS different FROM seen;
-- text, NULL, date and numeric keys come back as they were
CREATE TEMP TABLE keys (pass int, sex text, born numeric, day timestamp, insured boolean, county text, n bigint);
INSERT INTO keys (pass, sex, insured, n) SELECT 1, sex, insured, count(*) FROM patients GROUP BY sex, insured;
INSERT INTO keys (pass, sex, insured, n) SELECT 2, sex, insured, count(*) FROM patients GROUP BY sex, insured;
INSERT INTO keys (pass, sex, born, n) SELECT 1, 'by month', extract(month FROM at), count(*) FROM visits GROUP BY 3;
INSERT INTO keys (pass, sex, born, n) SELECT 2, 'by month', extract(month FROM at), count(*) FROM visits GROUP BY 3;
INSERT INTO keys (pass, county, n) SELECT 1, county, count(*) FROM patients GROUP BY county;
INSERT INTO keys (pass, county, n) SELECT 2, county, count(*) FROM patients GROUP BY county;
INSERT INTO keys (pass, sex, day, n) SELECT 1, 'by year', date_trunc('year', at), count(*) FROM visits GROUP BY 3;
INSERT INTO keys (pass, sex, day, n) SELECT 2, 'by year', date_trunc('year', at), count(*) FROM visits GROUP BY 3;
SELECT count(*) FILTER (WHERE pass = 1) AS first, count(*) FILTER (WHERE pass = 2) AS second,
	count(DISTINCT (sex, born, day, insured, county, n)) AS different FROM keys;

-- Price, purpose, bounds and groups belong to the question
SET dp.epsilon = 2;
SELECT cost('SELECT count(*) FROM visits') AS other_price;
SELECT cost('SELECT count(*) FROM visits') AS repeat;
RESET dp.epsilon;
SELECT cost('SELECT count(*) FROM visits') AS repeat;
SET dp.noise = laplace;
SELECT cost('SELECT count(*) FROM visits') AS other_noise;
RESET dp.noise;
SET dp.rows_per_owner = 3;
SELECT cost('SELECT count(*) FROM visits') AS other_bound;
RESET dp.rows_per_owner;
SELECT cost('SELECT sum(dp.clamp(cost, 0, 50)) FROM visits') AS first;
SELECT cost('SELECT sum(dp.clamp(cost, 0, 60)) FROM visits') AS other_bound;

-- Parameters, clocks, time zones, role names: by their values
PREPARE p(int) AS SELECT count(*) FROM visits WHERE dept = $1;
SELECT cost('EXECUTE p(3)') AS first;
SELECT cost('EXECUTE p(3)') AS repeat;
SELECT cost('EXECUTE p(4)') AS other;
SET plan_cache_mode = force_generic_plan;
SELECT cost('EXECUTE p(3)') AS repeat;
SELECT cost('EXECUTE p(5)') AS other;
RESET plan_cache_mode;
SELECT releases, repeats FROM kinds() \gset
DO $$
DECLARE
	n bigint;
	m bigint;
BEGIN
	FOR i IN 6..7 LOOP
		SELECT count(*) INTO n FROM visits WHERE dept = i;
		SELECT count(*) INTO m FROM visits WHERE dept = i;
	END LOOP;
END $$;
SELECT releases - :releases AS releases, repeats - :repeats AS repeats FROM kinds();
SET TimeZone = 'UTC';
SELECT cost('SELECT count(*) FROM own_rows WHERE seen::date < date ''2024-03-10''') AS first;
SET DateStyle = 'German';
SELECT cost('SELECT count(*) FROM own_rows WHERE seen::date < date ''2024-03-10''') AS repeat;
SET TimeZone = 'Pacific/Auckland';
SELECT cost('SELECT count(*) FROM own_rows WHERE seen::date < date ''2024-03-10''') AS other;
RESET TimeZone;
BEGIN;
SELECT cost('SELECT count(*) FROM visits WHERE at < current_date') AS first;
SELECT cost('SELECT count(*) FROM visits WHERE at < current_date') AS repeat_of_today;
COMMIT;
SELECT cost('SELECT count(*) FROM own_rows WHERE seen < now()') AS first;
SELECT pg_sleep(0.01);
SELECT cost('SELECT count(*) FROM own_rows WHERE seen < now()') AS other_moment;
BEGIN;
SELECT cost('SELECT count(*) FROM own_rows WHERE seen < now()') AS first;
SELECT cost('SELECT count(*) FROM own_rows WHERE seen < now()') AS same_moment;
COMMIT;
SELECT cost('SELECT count(*) FROM own_rows WHERE doctor = current_user::text') AS first;
SELECT cost('SELECT count(*) FROM own_rows WHERE doctor = current_user::text') AS repeat;
SELECT cost('SELECT count(*) FROM own_rows') AS first;
SET SESSION AUTHORIZATION regress_repeats_two;
SET dp.repeats = on;
SELECT cost('SELECT count(*) FROM own_rows WHERE doctor = current_user::text') AS other_role;
-- the question of another analyst is the same question
SELECT cost('SELECT count(*) FROM own_rows') AS repeat;
RESET SESSION AUTHORIZATION;
-- but for row security
ALTER TABLE own_rows ENABLE ROW LEVEL SECURITY;
CREATE POLICY one ON own_rows TO regress_repeats USING (amount < 5);
CREATE POLICY two ON own_rows TO regress_repeats_two USING (amount < 5);
CREATE POLICY named ON own_rows TO regress_repeats_two USING (doctor = current_user::text);
SET SESSION AUTHORIZATION :analyst;
SELECT cost('SELECT count(*) FROM own_rows') AS first_secured;
SELECT cost('SELECT count(*) FROM own_rows') AS repeat;
SET SESSION AUTHORIZATION regress_repeats_two;
SELECT cost('SELECT count(*) FROM own_rows') AS secured_otherwise;
SET SESSION AUTHORIZATION :analyst;

-- Public rows beside protected ones: the same rows, the same question
SELECT cost('SELECT count(*) FROM visits JOIN depts USING (dept) WHERE wing = ''wing 1''') AS first;
SELECT cost('SELECT count(*) FROM visits JOIN depts USING (dept) WHERE wing = ''wing 1''') AS repeat;
RESET SESSION AUTHORIZATION;
UPDATE depts SET wing = 'wing 1' WHERE dept = 3;
SET SESSION AUTHORIZATION :analyst;
SELECT cost('SELECT count(*) FROM visits JOIN depts USING (dept) WHERE wing = ''wing 1''') AS other_rows;
SELECT cost('SELECT count(*) FROM visits WHERE dept IN (SELECT dept FROM depts WHERE wing = ''wing 2'')') AS first;
SELECT cost('SELECT count(*) FROM visits WHERE dept IN (SELECT dept FROM depts WHERE wing = ''wing 2'')') AS repeat;
SELECT cost('WITH d AS (SELECT dept FROM depts WHERE wing = ''wing 2'') SELECT count(*) FROM visits JOIN d USING (dept)') AS first;
SELECT cost('WITH e AS (SELECT 1), d AS (SELECT dept FROM depts WHERE wing = ''wing 2'') SELECT count(*) FROM visits JOIN d USING (dept)') AS repeat;
RESET SESSION AUTHORIZATION;
DELETE FROM depts WHERE dept = 10;
SET SESSION AUTHORIZATION :analyst;
SELECT cost('SELECT count(*) FROM visits WHERE dept IN (SELECT dept FROM depts WHERE wing = ''wing 2'')') AS other_rows;
SELECT cost('WITH d AS (SELECT dept FROM depts WHERE wing = ''wing 2'') SELECT count(*) FROM visits JOIN d USING (dept)') AS other_rows;
RESET SESSION AUTHORIZATION;
VACUUM (FULL) depts;
SET SESSION AUTHORIZATION :analyst;
SELECT cost('SELECT count(*) FROM visits WHERE dept IN (SELECT dept FROM depts WHERE wing = ''wing 2'')') AS same_rows;

-- Protected rows may change: that is nothing that an analyst may see
SELECT cost('SELECT count(*) FROM labs') AS first;
RESET SESSION AUTHORIZATION;
DELETE FROM labs WHERE lab_id <= 1500;
SET SESSION AUTHORIZATION :analyst;
SELECT cost('SELECT count(*) FROM labs') AS repeat;

-- A release inside: the outer one is a repeat where the inner one is
SELECT cost('SELECT count(*) FROM visits WHERE cost > (SELECT avg(cost) FROM visits WHERE dept = 2)') AS first;
SELECT cost('SELECT count(*) FROM visits WHERE cost > (SELECT avg(cost) FROM visits WHERE dept = 2)') AS repeat;
SET dp.repeats = off;
SELECT cost('SELECT avg(cost) FROM visits WHERE dept = 2') AS fresh;
SET dp.repeats = on;
SELECT cost('SELECT count(*) FROM visits WHERE cost > (SELECT avg(cost) FROM visits WHERE dept = 2)') AS inner_repeated;
SELECT cost('SELECT count(*) FROM visits WHERE cost > (SELECT avg(cost) FROM visits WHERE dept = 2)') AS repeat;
-- A statement with both is priced for what is new
SELECT cost('SELECT (SELECT count(*) FROM visits), (SELECT count(*) FROM visits WHERE dept = 9)') AS one_of_each;
SELECT cost('SELECT 1 FROM depts WHERE dept > 100 AND EXISTS (SELECT count(*) FROM visits)') AS not_skipped;

-- Age
RESET SESSION AUTHORIZATION;
SET dp.repeat_max_age = 0;
SET SESSION AUTHORIZATION :analyst;
SELECT cost('SELECT count(*) FROM visits') AS too_old;
SET dp.repeat_max_age = '1 h'; \echo :SQLSTATE
RESET SESSION AUTHORIZATION;
SET dp.repeat_max_age = '1 h';
SET SESSION AUTHORIZATION :analyst;
SELECT cost('SELECT count(*) FROM patients WHERE born > 1950') AS first;
SELECT cost('SELECT count(*) FROM patients WHERE born > 1950') AS young;
RESET SESSION AUTHORIZATION;
UPDATE dp_book.answer SET at = at - interval '61 min' WHERE seq = (SELECT max(seq) FROM dp_book.answer);
SET SESSION AUTHORIZATION :analyst;
SELECT cost('SELECT count(*) FROM patients WHERE born > 1950') AS too_old;
SELECT cost('SELECT count(*) FROM patients WHERE born > 1950') AS young_again;
RESET SESSION AUTHORIZATION;
RESET dp.repeat_max_age;
SET SESSION AUTHORIZATION :analyst;

-- Policy: any change of what is protected, public or known ends all; grants do not
SELECT cost('SELECT count(*) FROM visits') AS repeat;
RESET SESSION AUTHORIZATION;
SELECT dp.grant_analyst('regress_repeats_two', 'hospital', 9);
SET SESSION AUTHORIZATION :analyst;
SELECT cost('SELECT count(*) FROM visits') AS repeat;
RESET SESSION AUTHORIZATION;
SELECT dp.set_bounds('visits', 'score', 0, 8, 'definition, again');
SET SESSION AUTHORIZATION :analyst;
SELECT cost('SELECT count(*) FROM visits') AS after_change;
SELECT cost('SELECT count(*) FROM visits') AS repeat;
RESET SESSION AUTHORIZATION;
SELECT dp.declare_public('staff');
SET SESSION AUTHORIZATION :analyst;
SELECT cost('SELECT count(*) FROM visits') AS after_change;

-- What preview and quota say
SELECT repeat, answered_at <= now() AS before_now FROM dp.preview('SELECT count(*) FROM visits');
SELECT repeat, answered_at IS NULL AS never FROM dp.preview('SELECT count(*) FROM visits WHERE dept = 8');
SELECT release, repeat FROM dp.preview('SELECT count(*) FROM visits WHERE cost > (SELECT avg(cost) FROM visits WHERE dept = 2)');
SELECT cost('SELECT count(*) FROM visits WHERE cost > (SELECT avg(cost) FROM visits WHERE dept = 2)') AS first;
SELECT release, repeat FROM dp.preview('SELECT count(*) FROM visits WHERE cost > (SELECT avg(cost) FROM visits WHERE dept = 2)');
SET dp.repeats = off;
SELECT repeat FROM dp.preview('SELECT count(*) FROM visits');
SET dp.repeats = on;
EXPLAIN (COSTS OFF) SELECT count(*) FROM visits;
SELECT repeats = own_repeats() AS counted FROM dp.quota();

RESET SESSION AUTHORIZATION;
SELECT count(*) FILTER (WHERE kind = 'repeat' AND rho = 0 AND delta = 0 AND repeat_of < seq) = count(*) FILTER (WHERE kind = 'repeat') AS repeats_are_free,
	count(*) FILTER (WHERE kind = 'release' AND repeat_of IS NULL AND rho > 0) = count(*) FILTER (WHERE kind = 'release') AS releases_are_not FROM dp.releases;
SELECT count(*) AS charged_repeats FROM dp_book.charge c JOIN dp_book.entry e USING (seq) WHERE e.kind = 'repeat';
-- sealed: the store does not tell what was answered
SELECT bool_and(octet_length(answer_key) = 32 AND octet_length(sealed) > 40) AS sealed, count(*) > 20 AS kept FROM dp_book.answer;
SELECT check_name, ok FROM dp.verify() WHERE NOT ok;
-- an altered answer does not open: it is asked anew, and charged
UPDATE dp_book.answer SET sealed = set_byte(sealed, 41, get_byte(sealed, 41) # 1);
SET SESSION AUTHORIZATION :analyst;
SELECT cost('SELECT count(*) FROM visits') AS altered;
SELECT cost('SELECT count(*) FROM visits') AS repeat;
RESET SESSION AUTHORIZATION;
-- nor does the answer of another question stand in
UPDATE dp_book.answer a SET sealed = b.sealed FROM dp_book.answer b WHERE a.seq <> b.seq;
SET SESSION AUTHORIZATION :analyst;
SELECT cost('SELECT count(*) FROM visits') AS exchanged;
RESET SESSION AUTHORIZATION;
-- a forged repeat is found
BEGIN;
UPDATE dp_book.entry SET answer_key = decode(repeat('00', 32), 'hex') WHERE seq = (SELECT max(repeat_of) FROM dp_book.entry);
SELECT check_name FROM dp.verify() WHERE NOT ok;
ROLLBACK;
BEGIN;
UPDATE dp_book.entry SET level = 1 WHERE seq = (SELECT max(seq) FROM dp_book.entry WHERE kind = 'repeat');
SELECT check_name FROM dp.verify() WHERE NOT ok;
ROLLBACK;

DROP OWNED BY :analyst, regress_repeats_two CASCADE;
SELECT dp.revoke_analyst(:'analyst', 'hospital');
SELECT dp.revoke_analyst('regress_repeats_two', 'hospital');
DROP ROLE :analyst, regress_repeats_two;
