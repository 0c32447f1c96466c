-- Attack 21: what cost nothing in the end was paid for all the same: groups that do
-- not show, values that are NULL, averages that are NULL, one row that was fetched.
\getenv abs_srcdir PG_ABS_SRCDIR
\set hospital :abs_srcdir '/sql/common/hospital.sql'
\set analyst regress_attack_21
\i :hospital
\set SHOW_CONTEXT never
-- charges of an owner, and those of rho and of delta among them
CREATE FUNCTION charges(owner bigint) RETURNS text LANGUAGE sql SECURITY DEFINER AS $$
	SELECT format('%s, %s with rho, %s with delta', count(*), count(*) FILTER (WHERE rho > 0), count(*) FILTER (WHERE delta > 0)) FROM dp.statement('hospital', owner) $$;
CREATE FUNCTION last_rho(owner bigint) RETURNS float8 LANGUAGE sql SECURITY DEFINER AS $$
	SELECT rho FROM dp.statement('hospital', owner) ORDER BY seq DESC LIMIT 1 $$;
SET SESSION AUTHORIZATION :analyst;
SET dp.epsilon = 0.05;

-- Groups that the threshold holds back
SELECT count(*) AS shown FROM (SELECT visit_id, count(*) FROM visits GROUP BY visit_id) s;
SELECT charges(7) AS one_of_all, charges(8) AS another;
SELECT count(*) AS shown FROM (SELECT note, count(*) FROM visits WHERE patient_id = 7 GROUP BY note) s;
SELECT charges(7) AS asked_about, charges(8) AS not_asked_about;
-- nobody's groups: nobody pays
SELECT count(*) AS shown FROM (SELECT note, count(*) FROM visits WHERE patient_id < 0 GROUP BY note) s;
SELECT charges(7) AS same, charges(8) AS same;

-- Values that are NULL: the row was counted. Owner 9 has no sex, owner 11 has one
SELECT count(*) > -1e9 AS answered, count(sex) > -1e9 AS answered FROM patients;
SELECT charges(9) AS without_a_value, charges(11) AS with_one, last_rho(9) < last_rho(11) AS pays_less, last_rho(9) > 0 AS pays;
SELECT count(sex) > -1e9 AS answered FROM patients;
SELECT charges(9) AS nothing_to_pay_for, charges(11) AS paid;
-- an average of next to nobody, which may be NULL
SELECT avg(cost) IS NULL OR true AS answered FROM visits WHERE patient_id = 7;
SELECT charges(7);

-- One row of a cursor; then an error above
BEGIN;
DECLARE c CURSOR FOR SELECT dept, count(*) FROM visits GROUP BY dept;
FETCH 1 FROM c \g /dev/null
ROLLBACK;
SELECT charges(7);
SELECT dept, 1 / (CASE WHEN count(*) IS NULL THEN 1 ELSE 0 END) AS no_number FROM visits GROUP BY dept LIMIT 1 \g /dev/null
SELECT charges(7);

-- A statement is booked as a whole: five of its seven releases would fit, and none is
-- booked; nor does the refusal use up what is left
RESET SESSION AUTHORIZATION;
CREATE TABLE members (member_id int PRIMARY KEY, x int CHECK (x BETWEEN 0 AND 9), y int CHECK (y BETWEEN 0 AND 9));
SELECT dp.create_dataset('gym', 5, 1e-9, capacity => 1000) > 0 AS made;
SELECT dp.protect('members', 'gym', 'member_id');
SELECT dp.grant_analyst(:'analyst', 'gym', 1, 1);
SET SESSION AUTHORIZATION :analyst;
RESET dp.epsilon;
SET dp.rho = 0.00244140625;
SELECT units_quota > 5 * 0.00244140625 * 2 ^ 60 AS five_fit, units_quota < 6.2 * 0.00244140625 * 2 ^ 60 AS no_more FROM dp.quota() WHERE dataset = 'gym';
SELECT entries() AS before \gset
SELECT (SELECT count(*) FROM members), (SELECT count(x) FROM members), (SELECT count(y) FROM members), (SELECT sum(x) FROM members),
	(SELECT sum(y) FROM members), (SELECT sum(x) FROM members WHERE y > 1), (SELECT sum(y) FROM members WHERE x > 1); \echo :SQLSTATE
SELECT entries() - :before AS releases, units_used AS used FROM dp.quota() WHERE dataset = 'gym';
SELECT (SELECT count(*) FROM members) + (SELECT count(x) FROM members) + (SELECT count(y) FROM members) + (SELECT sum(x) FROM members) +
	(SELECT sum(y) FROM members) > -1e9 AS answered;
SELECT entries() - :before AS releases, units_left < 2 * 0.00244140625 * 2 ^ 60 AS hardly_anything_left FROM dp.quota() WHERE dataset = 'gym';
RESET SESSION AUTHORIZATION;
SELECT check_name, ok FROM dp.verify() WHERE NOT ok;

DROP OWNED BY :analyst CASCADE;
SELECT dp.revoke_analyst(:'analyst', 'hospital'), dp.revoke_analyst(:'analyst', 'gym');
DROP ROLE :analyst;
