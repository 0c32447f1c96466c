-- Attack 23, of the log: the same session, on the same tape, over data with and
-- without one owner, who is rich, exhausted, alone in a group, and refuses a
-- purpose.  Everything that the public sees of the log must be the same, but for
-- what is an output of a hiding commitment, and the times of the two sessions.
\set SHOW_CONTEXT never
SET client_min_messages = error;
DROP ROLE IF EXISTS regress_attack_23;
SET client_min_messages = warning;
CREATE EXTENSION pg_epsilon;
CREATE ROLE regress_attack_23;
CREATE TABLE with_u (id int PRIMARY KEY, town int, cost int CHECK (cost BETWEEN 0 AND 99));
INSERT INTO with_u SELECT i, i % 5, i % 100 FROM generate_series(1, 400) i;
CREATE TABLE sans_u AS TABLE with_u;
ALTER TABLE sans_u ADD PRIMARY KEY (id), ADD CHECK (cost BETWEEN 0 AND 99);
-- the owner, alone in a town
INSERT INTO with_u VALUES (1000, 77, 99);

SELECT dp.create_dataset(d, 2, 1e-6, capacity => 1000) FROM (VALUES ('with'), ('sans')) v(d);
SELECT dp.add_purpose(d, 'care'), dp.add_purpose(d, 'study', false) FROM (VALUES ('with'), ('sans')) v(d);
SELECT dp.protect('with_u', 'with', 'id'), dp.protect('sans_u', 'sans', 'id');
SELECT dp.set_consent('with', 7, 'study', true), dp.set_consent('sans', 7, 'study', true);
-- What an owner wishes is no entry of its own
SELECT dp.set_consent('with', 1000, 'study', true);
SELECT count(*) > 0 AS hardened FROM dp.harden(apply => true);
SELECT dp.grant_analyst('regress_attack_23', d, 1, purposes => '{care,study}') FROM (VALUES ('with'), ('sans')) v(d);

CREATE FUNCTION session(relation text, dataset text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	question text;
BEGIN
	PERFORM set_config('dp_test.seed', 'attack 23', false);
	PERFORM set_config('dp.purpose', 'care', false);
	PERFORM set_config('dp.epsilon', '0.15', false);
	PERFORM set_config('dp.repeats', 'on', false);
	FOREACH question IN ARRAY ARRAY[
		'SELECT count(*) FROM %I',
		'SELECT count(*) FROM %I WHERE id = 1000',
		'SELECT count(*) FROM %I WHERE id > 900 AND cost < 0',
		'SELECT town, count(*) FROM %I GROUP BY town',
		'SELECT sum(cost) FROM %I WHERE town = 77',
		'SELECT sum(cost) FROM %I WHERE town = 77',
		'SELECT sum(cost), avg(cost) FROM %I'] LOOP
		EXECUTE format(question, relation);
	END LOOP;
	PERFORM set_config('dp.repeats', 'off', false);
	-- until whoever is in every answer is exhausted, and then left out
	FOR i IN 1 .. 12 LOOP
		EXECUTE format('SELECT count(*) FROM %I WHERE id >= 0', relation);
	END LOOP;
	EXECUTE format('SELECT share FROM dp.drop_share(%L)', dataset);
	PERFORM set_config('dp.purpose', 'study', false);
	EXECUTE format('SELECT count(*) FROM %I WHERE town = 77', relation);
	RETURN 'done';
END
$$;
SET SESSION AUTHORIZATION regress_attack_23;
SELECT session('with_u', 'with');
SELECT session('sans_u', 'sans');
RESET SESSION AUTHORIZATION;

-- The public side of each session, by the order of its entries
CREATE VIEW public_side AS
SELECT dataset_id, row_number() OVER (PARTITION BY dataset_id ORDER BY seq) AS no, kind, length(entry) AS size, epoch, total_rho, total_delta,
	substr(entry, 1, 4) AS head, substr(entry, 25, 40) AS epoch_and_totals, substr(entry, 97) AS body
FROM dp.ledger WHERE kind NOT IN ('policy', 'boot', 'key');
SELECT kind, count(*) FROM public_side WHERE dataset_id = 1 GROUP BY kind ORDER BY kind;
SELECT count(*) AS entries, count(*) FILTER (WHERE a.kind = b.kind AND a.size = b.size AND a.epoch = b.epoch AND a.head = b.head
	AND a.epoch_and_totals = b.epoch_and_totals AND a.body = b.body) AS the_same
FROM (SELECT * FROM public_side WHERE dataset_id = 1) a FULL JOIN (SELECT * FROM public_side WHERE dataset_id = 2) b USING (no);
-- The entry of a question that reaches the owner alone is the one of a question that reaches nobody
SELECT count(DISTINCT size) AS sizes, bool_and(body = decode(repeat('00', 160), 'hex')) AS bodies_are_empty FROM public_side;
-- Commitments: none comes twice, though the same was said
SELECT count(DISTINCT substr(entry, 65, 32)) = count(*) AS fresh FROM dp.ledger;
-- The checkpoint says of both the same
SELECT count(DISTINCT regexp_replace(line, '^rho \d+ ', '')) AS different_totals, count(*) AS totals
FROM regexp_split_to_table(dp.checkpoint(), E'\n') line WHERE line LIKE 'rho %';
-- Somebody was charged in one and not in the other, which the openings tell and the public side does not
SELECT count(*) > 0 AS charged FROM dp.statement('with', 1000);
SELECT sum(length(owners)) FILTER (WHERE e.dataset_id = 1) <> sum(length(owners)) FILTER (WHERE e.dataset_id = 2) AS other_charges
FROM dp_book.charge JOIN dp_book.entry e USING (seq);
SELECT check_name, detail FROM dp.verify() WHERE NOT ok;
SET client_min_messages = error;
SELECT dp.revoke_analyst('regress_attack_23', 'with'), dp.revoke_analyst('regress_attack_23', 'sans');
DROP OWNED BY regress_attack_23 CASCADE;
DROP ROLE regress_attack_23;
