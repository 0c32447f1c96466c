-- Generated visits of generated patients. Variables: rows, owners.
-- The number of visits a patient has is heavy-tailed: most have about nine, a few
-- have thousands; rows lie in random order.
\set ON_ERROR_STOP 1
SELECT setseed(0.5);
CREATE UNLOGGED TABLE patients AS
SELECT i::int AS patient_id,
	md5(i::text)::uuid AS patient_uuid,
	(random() * 57)::int AS county,
	(1920 + random() * 100)::int AS born
FROM generate_series(1, :owners) i ORDER BY random();

CREATE UNLOGGED TABLE visits AS
SELECT i AS visit_id,
	CASE WHEN random() < 0.95 THEN 1 + (random() * (:owners - 1))::int
		ELSE 1 + ((random() ^ 3) * (:owners - 1) * random() ^ 8)::int END AS patient_id,
	1 + (random() * 19)::int AS dept,
	(random() * 500)::int AS diag,
	(random() ^ 3 * 2000)::int AS cost
FROM generate_series(1, :rows) i;

CREATE UNLOGGED TABLE visits_u AS
SELECT visit_id, md5(patient_id::text)::uuid AS patient_uuid, dept, diag, cost FROM visits;

ALTER TABLE patients ADD PRIMARY KEY (patient_id);
ALTER TABLE patients ADD UNIQUE (patient_uuid);
ALTER TABLE patients ALTER patient_uuid SET NOT NULL, ALTER county SET NOT NULL;
ALTER TABLE visits ALTER patient_id SET NOT NULL, ALTER dept SET NOT NULL, ALTER cost SET NOT NULL;
ALTER TABLE visits ADD CHECK (dept BETWEEN 1 AND 20);
ALTER TABLE visits_u ALTER patient_uuid SET NOT NULL, ALTER dept SET NOT NULL, ALTER cost SET NOT NULL;
ALTER TABLE visits_u ADD CHECK (dept BETWEEN 1 AND 20);
CREATE EXTENSION IF NOT EXISTS pg_prewarm;
VACUUM ANALYZE;
