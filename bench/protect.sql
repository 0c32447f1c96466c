-- Variables: capacity.
\set ON_ERROR_STOP 1
SELECT dp.create_dataset('ints', 10, 1e-9, capacity => :capacity);
SELECT dp.create_dataset('uuids', 10, 1e-9, capacity => :capacity);
SELECT dp.protect('patients', 'ints', 'patient_id');
SELECT dp.protect('visits', 'ints', 'patient_id', rows_per_owner => 10, groups_per_owner => 3);
SELECT dp.protect('visits_u', 'uuids', 'patient_uuid', rows_per_owner => 10, groups_per_owner => 3);
SELECT dp.set_bounds('visits', 'cost', 0, 2000, 'tariff');
SELECT dp.set_bounds('visits_u', 'cost', 0, 2000, 'tariff');
CREATE ROLE analyst LOGIN;
SELECT count(*) AS hardened FROM dp.harden(apply => true);
SELECT dp.grant_analyst('analyst', 'ints', 1), dp.grant_analyst('analyst', 'uuids', 1);
