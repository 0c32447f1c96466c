-- Who may ask what of the demo's tables.
--
-- A superuser makes the extension and the people, and takes the server's
-- statistics from analysts; everything else is a steward's work.  No number here was taken from the rows: `source` says where each comes
-- from, and rows_per_owner is a decision about how much one person may count.
\set ON_ERROR_STOP on
SET client_min_messages = warning;

CREATE EXTENSION pg_epsilon;

CREATE ROLE sam LOGIN IN ROLE dp_steward;      -- data steward
CREATE ROLE iris LOGIN IN ROLE dp_auditor;     -- compliance officer
CREATE ROLE alice LOGIN;                       -- analyst
GRANT USAGE ON SCHEMA omop, uci TO sam, alice;
ALTER SCHEMA omop OWNER TO sam;
ALTER SCHEMA uci OWNER TO sam;
SELECT format('ALTER TABLE %I.%I OWNER TO sam', schemaname, tablename)
FROM pg_tables WHERE schemaname IN ('omop', 'uci')
ORDER BY schemaname, tablename
\gexec

-- Before analysts come: what the server counts is not for them.
SELECT dp.harden(apply => true);

SET SESSION AUTHORIZATION sam;

-- --- OMOP --------------------------------------------------------------------

-- The promise to every person, for life, over all analysts and all questions.
SELECT dp.create_dataset('omop', epsilon => 4, delta => 1e-7);
SELECT dp.add_purpose('omop', 'research', default_consent => true);
SELECT dp.add_purpose('omop', 'marketing', default_consent => false);

SELECT dp.protect('omop.person', 'omop', 'person_id');
SELECT dp.protect('omop.observation_period', 'omop', 'person_id', rows_per_owner => 1);
SELECT dp.protect('omop.visit_occurrence', 'omop', 'person_id', rows_per_owner => 8);
SELECT dp.protect('omop.condition_occurrence', 'omop', 'person_id', rows_per_owner => 60, groups_per_owner => 30);
SELECT dp.protect('omop.drug_exposure', 'omop', 'person_id', rows_per_owner => 60, groups_per_owner => 30);
SELECT dp.protect('omop.procedure_occurrence', 'omop', 'person_id', rows_per_owner => 60, groups_per_owner => 20);
SELECT dp.protect('omop.measurement', 'omop', 'person_id', rows_per_owner => 60, groups_per_owner => 20);
SELECT dp.protect('omop.observation', 'omop', 'person_id', rows_per_owner => 20, groups_per_owner => 10);
SELECT dp.protect('omop.condition_era', 'omop', 'person_id', rows_per_owner => 60, groups_per_owner => 30);
SELECT dp.protect('omop.drug_era', 'omop', 'person_id', rows_per_owner => 60, groups_per_owner => 30);

-- Vocabularies are published by OHDSI; the Achilles tables of this demo too.
SELECT dp.declare_public('omop.concept');
SELECT dp.declare_public('omop.concept_ancestor');
SELECT dp.declare_public('omop.concept_relationship');
SELECT dp.declare_public('omop.concept_synonym');
SELECT dp.declare_public('omop.relationship');
SELECT dp.declare_public('omop.domain');
SELECT dp.declare_public('omop.vocabulary');
SELECT dp.declare_public('omop.cdm_source');
SELECT dp.declare_public('omop.achilles_analysis');
SELECT dp.declare_public('omop.achilles_results');

GRANT SELECT ON omop.concept, omop.concept_ancestor, omop.concept_relationship, omop.concept_synonym,
	omop.relationship, omop.domain, omop.vocabulary, omop.cdm_source, omop.achilles_analysis, omop.achilles_results TO alice;

SELECT dp.set_bounds('omop.person', 'year_of_birth', 1900, 2020, source => 'warehouse charter: born from 1900 on');
SELECT dp.set_domain('omop.person', 'gender_concept_id', ARRAY['8507', '8532'],
					 source => 'OMOP vocabulary Gender');
SELECT dp.set_domain('omop.person', 'race_source_value',
					 ARRAY['asian', 'black', 'hispanic', 'native', 'other', 'white'],
					 source => 'form of admission, field 7');
SELECT dp.set_bounds('omop.drug_exposure', 'days_supply', 0, 90, source => 'prescriptions run for 90 days at most');

SELECT dp.grant_analyst('alice', 'omop', epsilon_per_query => 1, epsilon_quota => 3,
						purposes => ARRAY['research']);

-- --- UCI Diabetes-130 ----------------------------------------------------------

SELECT dp.create_dataset('uci', epsilon => 4, delta => 1e-7);

SELECT dp.protect('uci.encounters', 'uci', 'patient_nbr', rows_per_owner => 50);
SELECT dp.protect('uci.diagnoses', 'uci', 'encounter_id -> uci.encounters.encounter_id -> patient_nbr',
				  rows_per_owner => 30, groups_per_owner => 20);

SELECT dp.declare_public('uci.admission_type');
SELECT dp.declare_public('uci.discharge_disposition');
SELECT dp.declare_public('uci.admission_source');

GRANT SELECT ON uci.admission_type, uci.discharge_disposition, uci.admission_source TO alice;

SELECT dp.set_bounds('uci.encounters', 'num_medications', 0, 60, source => 'formulary committee');
SELECT dp.set_bounds('uci.encounters', 'num_lab_procedures', 0, 120, source => 'laboratory order form');
SELECT dp.set_domain('uci.encounters', 'readmitted', ARRAY['NO', 'YES'], source => 'code book');
SELECT dp.set_domain('uci.encounters', 'gender', ARRAY['Female', 'Male'], source => 'code book');
SELECT dp.set_domain('uci.encounters', 'age',
					 ARRAY['[0-10)', '[10-20)', '[20-30)', '[30-40)', '[40-50)', '[50-60)',
						   '[60-70)', '[70-80)', '[80-90)', '[90-100)'],
					 source => 'code book: ten-year bands');

SELECT dp.grant_analyst('alice', 'uci', epsilon_per_query => 1, epsilon_quota => 3);

RESET SESSION AUTHORIZATION;
