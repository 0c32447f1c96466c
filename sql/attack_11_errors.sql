-- Attack 11: errors as answers. All functions on hostile values: analyze_functions.
\getenv abs_srcdir PG_ABS_SRCDIR
\set hospital :abs_srcdir '/sql/common/hospital.sql'
\set analyst regress_attack_11
\i :hospital
\set SHOW_CONTEXT never
SET SESSION AUTHORIZATION :analyst;
SELECT count(*) FROM visits WHERE 1 / (cost - 17) > 0; \echo :SQLSTATE
SELECT count(*) FROM visits WHERE 1 % (cost - 17) > 0; \echo :SQLSTATE
SELECT sum(cost / dept) IS NOT NULL AS never_zero FROM visits;
SELECT count(*) FROM visits WHERE cost * 2147483647 > 0; \echo :SQLSTATE
SELECT count(*) FROM visits WHERE visit_id * visit_id > 0; \echo :SQLSTATE
SELECT count(*) FROM visits WHERE visit_id::int > 0; \echo :SQLSTATE
SELECT count(*) FROM visits WHERE -visit_id < 0; \echo :SQLSTATE
SELECT count(*) FROM visits WHERE abs(visit_id) > 0; \echo :SQLSTATE
SELECT count(*) FROM visits WHERE ln(cost) > 0; \echo :SQLSTATE
SELECT count(*) FROM visits WHERE sqrt(score - 5) > 0; \echo :SQLSTATE
SELECT count(*) FROM visits WHERE exp(score * 1000) > 0; \echo :SQLSTATE
SELECT count(*) FROM visits WHERE power(score, cost) > 0; \echo :SQLSTATE
SELECT count(*) FROM visits WHERE cost ^ 500 > 0; \echo :SQLSTATE
SELECT count(*) FROM visits WHERE factorial(cost) > 0; \echo :SQLSTATE
SELECT count(*) FROM visits WHERE note::int > 0; \echo :SQLSTATE
SELECT count(*) FROM visits WHERE note::date > '2020-01-01'; \echo :SQLSTATE
SELECT count(*) FROM visits WHERE to_date(note, 'YYYY') IS NULL; \echo :SQLSTATE
SELECT count(*) FROM visits WHERE to_number(note, '999') > 0; \echo :SQLSTATE
SELECT count(*) FROM visits WHERE cost::"char" = 'a'; \echo :SQLSTATE
SELECT count(*) FROM visits WHERE cost::text = '5'; \echo :SQLSTATE
SELECT count(*) FROM visits WHERE cost::boolean; \echo :SQLSTATE
SELECT count(*) FROM visits WHERE cost::numeric(2,0) > 0; \echo :SQLSTATE
SELECT count(*) FROM visits WHERE note::varchar(3) = 'not'; \echo :SQLSTATE
SELECT count(*) FROM visits WHERE substr(note, cost, -1) = ''; \echo :SQLSTATE
SELECT count(*) FROM visits WHERE substr(note, 1, -1) = ''; \echo :SQLSTATE
SELECT count(*) FROM visits WHERE substr(note, 1, dept - 5) = ''; \echo :SQLSTATE
SELECT count(*) FROM visits WHERE (ARRAY[1, 2])[dept] = 1; \echo :SQLSTATE
SELECT count(*) FROM visits WHERE (string_to_array(note, ' '))[2]::int = 1; \echo :SQLSTATE
SELECT count(*) FROM visits WHERE note ~ '(a+)+$'; \echo :SQLSTATE
SELECT count(*) FROM visits WHERE note ~ note; \echo :SQLSTATE
SELECT count(*) FROM visits WHERE note LIKE note || '\'; \echo :SQLSTATE
SELECT count(*) FROM visits WHERE note LIKE 'x\'; \echo :SQLSTATE
SELECT count(*) FROM visits WHERE note SIMILAR TO '('; \echo :SQLSTATE
SELECT count(*) FROM visits WHERE repeat(note, 100000000) = ''; \echo :SQLSTATE
SELECT count(*) FROM visits WHERE lpad(note, cost * 1000000) = ''; \echo :SQLSTATE
SELECT count(*) FROM visits WHERE note || note = ''; \echo :SQLSTATE
SELECT count(*) FROM visits WHERE chr(cost) = 'a'; \echo :SQLSTATE
SELECT count(*) FROM visits WHERE convert_from(note::bytea, 'UTF8') = ''; \echo :SQLSTATE
SELECT count(*) FROM visits WHERE get_byte(note::bytea, cost) = 1; \echo :SQLSTATE
SELECT count(*) FROM visits WHERE width_bucket(cost, 5, 5, 3) = 1; \echo :SQLSTATE
SELECT count(*) FROM visits WHERE width_bucket(cost, 0, dept, 3) = 1; \echo :SQLSTATE
SELECT count(*) FROM visits WHERE width_bucket(score, 0, 'NaN', 3) = 1; \echo :SQLSTATE
SELECT count(*) FROM visits WHERE width_bucket(cost, 0, 100, cost) = 1; \echo :SQLSTATE
SELECT count(*) FROM visits WHERE extract(fortnight FROM at) = 1; \echo :SQLSTATE
SELECT count(*) FROM visits WHERE date_trunc(note, at) = at; \echo :SQLSTATE
SELECT count(*) FROM visits WHERE at + cost * interval '1000000 years' > at; \echo :SQLSTATE
SELECT count(*) FROM visits WHERE at AT TIME ZONE note = now(); \echo :SQLSTATE
SELECT count(*) FROM visits WHERE make_date(cost, dept, 1) = at; \echo :SQLSTATE
SELECT count(*) FROM visits WHERE note::json IS NULL; \echo :SQLSTATE
SELECT count(*) FROM visits WHERE note::xml IS NULL; \echo :SQLSTATE
SELECT count(*) FROM visits WHERE note::uuid IS NULL; \echo :SQLSTATE
SELECT count(*) FROM visits WHERE note = ANY (note::text[]); \echo :SQLSTATE
SELECT count(*) FROM visits WHERE int4range(cost, dept) @> 5; \echo :SQLSTATE
SELECT count(*) FROM visits WHERE cost = (SELECT dept FROM tariffs); \echo :SQLSTATE
SELECT near(count(*), 3000, dp.stddev_of_noise(count(*))) FROM visits WHERE note < 'x' COLLATE "C" AND note > 'a' COLLATE "POSIX";
-- constants may fail as they like: before anything is read
SELECT count(*) FROM visits WHERE cost > 1 / 0; \echo :SQLSTATE
SELECT count(*) FROM visits WHERE false AND cost > 1 / 0; \echo :SQLSTATE
SELECT count(*) FROM visits WHERE at > date 'no date'; \echo :SQLSTATE
SELECT entries() AS releases;

-- a quotient of integers can be 0 though its bounds, as real numbers, exclude it
SELECT count(*) FROM visits WHERE 7 % (1 / dp.clamp(cost, 1, 100)) = 0; \echo :SQLSTATE
SELECT count(*) FROM visits WHERE 7 / (dp.clamp(cost, -10, -1) / dept) = 0; \echo :SQLSTATE
SELECT count(*) > -1000000 AS fine FROM visits WHERE 7 % (200 / dp.clamp(cost, 1, 100)) = 0;
-- each wildcard is a level of recursion where a row matches that far
SELECT count(*) FROM visits WHERE note LIKE repeat('%a', 101); \echo :SQLSTATE
SELECT count(*) FROM visits WHERE note ILIKE repeat('%', 101); \echo :SQLSTATE
SELECT count(*) > -1000000 AS fine FROM visits WHERE note LIKE repeat('%a', 100);
-- bounds of an integer column that are no integers; text that is too long to be folded
RESET SESSION AUTHORIZATION;
\o /dev/null
CREATE TABLE letters (patient_id int PRIMARY KEY, pages int, body text);
INSERT INTO letters VALUES (1, 0, 'short'), (2, 1, repeat('x', 280 * 1024 * 1024));
SELECT dp.protect('letters', 'hospital', 'patient_id');
SELECT dp.set_bounds('letters', 'pages', 0.5, 10.5, 'test');
\o
SET SESSION AUTHORIZATION :analyst;
SELECT sum(100 / pages) BETWEEN -100000 AND 100000 AS fine FROM letters;
SELECT count(*) > -100000 AS fine FROM letters WHERE lower(body) = 'short';
SELECT count(*) > -100000 AS fine FROM letters WHERE upper(body) = 'SHORT';
SELECT count(*) > -100000 AS fine FROM letters WHERE body ILIKE 'SHORT%' OR body NOT ILIKE '%q';
SELECT count(*) > -100000 AS fine FROM letters WHERE body::bpchar ILIKE 'SHORT%' OR body::bpchar NOT ILIKE '%q';

RESET SESSION AUTHORIZATION;
DROP OWNED BY :analyst CASCADE;
SELECT dp.revoke_analyst(:'analyst', 'hospital');
DROP ROLE :analyst;
