-- The demo's tables, and their rows.
--
--   psql -v data=FOLDER -f load.sql        FOLDER holds omop/ and uci/ (demo/data)
--
-- Types are those of the OMOP common data model (v5.3/5.4).  CHECK constraints
-- are facts of the calendar and of the code books, not of these rows.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
\cd :data

-- --- OMOP: a hospital's research warehouse; the person is the owner ----------

CREATE SCHEMA omop;

CREATE TABLE omop.person (
	person_id integer PRIMARY KEY,
	gender_concept_id integer NOT NULL,
	year_of_birth integer NOT NULL CHECK (year_of_birth BETWEEN 1880 AND 2030),
	month_of_birth integer CHECK (month_of_birth BETWEEN 1 AND 12),
	day_of_birth integer CHECK (day_of_birth BETWEEN 1 AND 31),
	birth_datetime timestamp,
	race_concept_id integer NOT NULL,
	ethnicity_concept_id integer NOT NULL,
	location_id integer,
	provider_id integer,
	care_site_id integer,
	person_source_value varchar(50),
	gender_source_value varchar(50),
	gender_source_concept_id integer,
	race_source_value varchar(50),
	race_source_concept_id integer,
	ethnicity_source_value varchar(50),
	ethnicity_source_concept_id integer
);

CREATE TABLE omop.observation_period (
	observation_period_id integer PRIMARY KEY,
	person_id integer NOT NULL,
	observation_period_start_date date NOT NULL,
	observation_period_end_date date NOT NULL,
	period_type_concept_id integer NOT NULL
);

CREATE TABLE omop.visit_occurrence (
	visit_occurrence_id integer PRIMARY KEY,
	person_id integer NOT NULL REFERENCES omop.person,
	visit_concept_id integer NOT NULL,
	visit_start_date date NOT NULL,
	visit_start_datetime timestamp,
	visit_end_date date NOT NULL,
	visit_end_datetime timestamp,
	visit_type_concept_id integer NOT NULL,
	provider_id integer,
	care_site_id integer,
	visit_source_value varchar(50),
	visit_source_concept_id integer,
	admitted_from_concept_id integer,
	admitted_from_source_value varchar(50),
	discharged_to_concept_id integer,
	discharged_to_source_value varchar(50),
	preceding_visit_occurrence_id integer
);

CREATE TABLE omop.condition_occurrence (
	condition_occurrence_id integer PRIMARY KEY,
	person_id integer NOT NULL REFERENCES omop.person,
	condition_concept_id integer NOT NULL,
	condition_start_date date NOT NULL,
	condition_start_datetime timestamp,
	condition_end_date date,
	condition_end_datetime timestamp,
	condition_type_concept_id integer NOT NULL,
	condition_status_concept_id integer,
	stop_reason varchar(20),
	provider_id integer,
	visit_occurrence_id integer,
	visit_detail_id integer,
	condition_source_value varchar(50),
	condition_source_concept_id integer,
	condition_status_source_value varchar(50)
);

CREATE TABLE omop.drug_exposure (
	drug_exposure_id integer PRIMARY KEY,
	person_id integer NOT NULL REFERENCES omop.person,
	drug_concept_id integer NOT NULL,
	drug_exposure_start_date date NOT NULL,
	drug_exposure_start_datetime timestamp,
	drug_exposure_end_date date NOT NULL,
	drug_exposure_end_datetime timestamp,
	verbatim_end_date date,
	drug_type_concept_id integer NOT NULL,
	stop_reason varchar(20),
	refills integer CHECK (refills BETWEEN 0 AND 24),
	quantity numeric,
	days_supply integer CHECK (days_supply >= 0),
	sig text,
	route_concept_id integer,
	lot_number varchar(50),
	provider_id integer,
	visit_occurrence_id integer,
	visit_detail_id integer,
	drug_source_value varchar(50),
	drug_source_concept_id integer,
	route_source_value varchar(50),
	dose_unit_source_value varchar(50)
);

CREATE TABLE omop.procedure_occurrence (
	procedure_occurrence_id integer PRIMARY KEY,
	person_id integer NOT NULL REFERENCES omop.person,
	procedure_concept_id integer NOT NULL,
	procedure_date date NOT NULL,
	procedure_datetime timestamp,
	procedure_end_date date,
	procedure_end_datetime timestamp,
	procedure_type_concept_id integer NOT NULL,
	modifier_concept_id integer,
	quantity integer,
	provider_id integer,
	visit_occurrence_id integer,
	visit_detail_id integer,
	procedure_source_value varchar(50),
	procedure_source_concept_id integer,
	modifier_source_value varchar(50)
);

CREATE TABLE omop.measurement (
	measurement_id integer PRIMARY KEY,
	person_id integer NOT NULL REFERENCES omop.person,
	measurement_concept_id integer NOT NULL,
	measurement_date date NOT NULL,
	measurement_datetime timestamp,
	measurement_time varchar(10),
	measurement_type_concept_id integer NOT NULL,
	operator_concept_id integer,
	value_as_number numeric,
	value_as_concept_id integer,
	unit_concept_id integer,
	range_low numeric,
	range_high numeric,
	provider_id integer,
	visit_occurrence_id integer,
	visit_detail_id integer,
	measurement_source_value varchar(50),
	measurement_source_concept_id integer,
	unit_source_value varchar(50),
	unit_source_concept_id integer,
	value_source_value varchar(50),
	measurement_event_id integer,
	meas_event_field_concept_id integer
);

CREATE TABLE omop.observation (
	observation_id integer PRIMARY KEY,
	person_id integer NOT NULL REFERENCES omop.person,
	observation_concept_id integer NOT NULL,
	observation_date date NOT NULL,
	observation_datetime timestamp,
	observation_type_concept_id integer NOT NULL,
	value_as_number numeric,
	value_as_string varchar(60),
	value_as_concept_id integer,
	qualifier_concept_id integer,
	unit_concept_id integer,
	provider_id integer,
	visit_occurrence_id integer,
	visit_detail_id integer,
	observation_source_value varchar(50),
	observation_source_concept_id integer,
	unit_source_value varchar(50),
	qualifier_source_value varchar(50),
	value_source_value varchar(50),
	observation_event_id integer,
	obs_event_field_concept_id integer
);

CREATE TABLE omop.condition_era (
	condition_era_id integer PRIMARY KEY,
	person_id integer NOT NULL REFERENCES omop.person,
	condition_concept_id integer NOT NULL,
	condition_era_start_date date NOT NULL,
	condition_era_end_date date NOT NULL,
	condition_occurrence_count integer
);

CREATE TABLE omop.drug_era (
	drug_era_id integer PRIMARY KEY,
	person_id integer NOT NULL REFERENCES omop.person,
	drug_concept_id integer NOT NULL,
	drug_era_start_date date NOT NULL,
	drug_era_end_date date NOT NULL,
	drug_exposure_count integer,
	gap_days integer
);

CREATE TABLE omop.concept (
	concept_id integer PRIMARY KEY,
	concept_name varchar(255) NOT NULL,
	domain_id varchar(20) NOT NULL,
	vocabulary_id varchar(20) NOT NULL,
	concept_class_id varchar(20) NOT NULL,
	standard_concept varchar(1),
	concept_code varchar(50) NOT NULL,
	valid_start_date date NOT NULL,
	valid_end_date date NOT NULL,
	invalid_reason varchar(1)
);

CREATE TABLE omop.concept_ancestor (
	ancestor_concept_id integer NOT NULL,
	descendant_concept_id integer NOT NULL,
	min_levels_of_separation integer NOT NULL,
	max_levels_of_separation integer NOT NULL,
	PRIMARY KEY (ancestor_concept_id, descendant_concept_id)
);

CREATE TABLE omop.concept_relationship (
	concept_id_1 integer NOT NULL,
	concept_id_2 integer NOT NULL,
	relationship_id varchar(20) NOT NULL,
	valid_start_date date NOT NULL,
	valid_end_date date NOT NULL,
	invalid_reason varchar(1),
	PRIMARY KEY (concept_id_1, concept_id_2, relationship_id)
);

CREATE TABLE omop.concept_synonym (
	concept_id integer NOT NULL,
	concept_synonym_name varchar(1000) NOT NULL,
	language_concept_id integer NOT NULL
);

CREATE TABLE omop.relationship (
	relationship_id varchar(20) PRIMARY KEY,
	relationship_name varchar(255) NOT NULL,
	is_hierarchical varchar(1) NOT NULL,
	defines_ancestry varchar(1) NOT NULL,
	reverse_relationship_id varchar(20) NOT NULL,
	relationship_concept_id integer NOT NULL
);

CREATE TABLE omop.domain (
	domain_id varchar(20) PRIMARY KEY,
	domain_name varchar(255) NOT NULL,
	domain_concept_id integer NOT NULL
);

CREATE TABLE omop.vocabulary (
	vocabulary_id varchar(20) PRIMARY KEY,
	vocabulary_name varchar(255) NOT NULL,
	vocabulary_reference varchar(255) NOT NULL,
	vocabulary_version varchar(255),
	vocabulary_concept_id integer NOT NULL
);

CREATE TABLE omop.cdm_source (
	cdm_source_name varchar(255) NOT NULL,
	cdm_source_abbreviation varchar(25),
	cdm_holder varchar(255),
	source_description text,
	source_documentation_reference varchar(255),
	cdm_etl_reference varchar(255),
	source_release_date date,
	cdm_release_date date,
	cdm_version varchar(10),
	cdm_version_concept_id integer NOT NULL,
	vocabulary_version varchar(20)
);

CREATE TABLE omop.achilles_analysis (
	analysis_id integer NOT NULL,
	analysis_name text,
	stratum_1_name text,
	stratum_2_name text,
	stratum_3_name text,
	stratum_4_name text,
	stratum_5_name text,
	is_default integer,
	category text,
	PRIMARY KEY (analysis_id)
);

CREATE TABLE omop.achilles_results (
	analysis_id integer NOT NULL,
	stratum_1 text,
	stratum_2 text,
	stratum_3 text,
	stratum_4 text,
	stratum_5 text,
	count_value bigint NOT NULL
);

\copy omop.person from program 'gzip -dc omop/person.csv.gz' with (format csv, header)
\copy omop.observation_period from program 'gzip -dc omop/observation_period.csv.gz' with (format csv, header)
\copy omop.visit_occurrence from program 'gzip -dc omop/visit_occurrence.csv.gz' with (format csv, header)
\copy omop.condition_occurrence from program 'gzip -dc omop/condition_occurrence.csv.gz' with (format csv, header)
\copy omop.drug_exposure from program 'gzip -dc omop/drug_exposure.csv.gz' with (format csv, header)
\copy omop.procedure_occurrence from program 'gzip -dc omop/procedure_occurrence.csv.gz' with (format csv, header)
\copy omop.measurement from program 'gzip -dc omop/measurement.csv.gz' with (format csv, header)
\copy omop.observation from program 'gzip -dc omop/observation.csv.gz' with (format csv, header)
\copy omop.condition_era from program 'gzip -dc omop/condition_era.csv.gz' with (format csv, header)
\copy omop.drug_era from program 'gzip -dc omop/drug_era.csv.gz' with (format csv, header)
\copy omop.concept from program 'gzip -dc omop/concept.csv.gz' with (format csv, header)
\copy omop.concept_ancestor from program 'gzip -dc omop/concept_ancestor.csv.gz' with (format csv, header)
\copy omop.concept_relationship from program 'gzip -dc omop/concept_relationship.csv.gz' with (format csv, header)
\copy omop.concept_synonym from program 'gzip -dc omop/concept_synonym.csv.gz' with (format csv, header)
\copy omop.relationship from program 'gzip -dc omop/relationship.csv.gz' with (format csv, header)
\copy omop.domain from program 'gzip -dc omop/domain.csv.gz' with (format csv, header)
\copy omop.vocabulary from program 'gzip -dc omop/vocabulary.csv.gz' with (format csv, header)
\copy omop.cdm_source from program 'gzip -dc omop/cdm_source.csv.gz' with (format csv, header)
\copy omop.achilles_analysis from program 'gzip -dc omop/achilles_analysis.csv.gz' with (format csv, header)
\copy omop.achilles_results from program 'gzip -dc omop/achilles_results.csv.gz' with (format csv, header)

-- --- UCI Diabetes-130: encounters of diabetic patients; the patient is the owner

CREATE SCHEMA uci;

CREATE TABLE uci.admission_type (admission_type_id integer PRIMARY KEY, description text);
CREATE TABLE uci.discharge_disposition (discharge_disposition_id integer PRIMARY KEY, description text);
CREATE TABLE uci.admission_source (admission_source_id integer PRIMARY KEY, description text);

CREATE TABLE uci.encounters (
	encounter_id integer PRIMARY KEY,
	patient_nbr integer NOT NULL,
	race text NOT NULL,
	gender text NOT NULL,
	age text NOT NULL,
	admission_type_id integer NOT NULL REFERENCES uci.admission_type,
	discharge_disposition_id integer NOT NULL REFERENCES uci.discharge_disposition,
	admission_source_id integer NOT NULL REFERENCES uci.admission_source,
	time_in_hospital integer NOT NULL CHECK (time_in_hospital BETWEEN 1 AND 14),
	num_lab_procedures integer NOT NULL CHECK (num_lab_procedures >= 0),
	num_procedures integer NOT NULL CHECK (num_procedures BETWEEN 0 AND 6),
	num_medications integer NOT NULL CHECK (num_medications >= 0),
	number_outpatient integer NOT NULL,
	number_emergency integer NOT NULL,
	number_inpatient integer NOT NULL,
	diag_1 text,
	diag_2 text,
	diag_3 text,
	number_diagnoses integer NOT NULL CHECK (number_diagnoses BETWEEN 1 AND 16),
	max_glu_serum text NOT NULL,
	a1cresult text NOT NULL,
	metformin text NOT NULL,
	repaglinide text NOT NULL,
	nateglinide text NOT NULL,
	chlorpropamide text NOT NULL,
	glimepiride text NOT NULL,
	acetohexamide text NOT NULL,
	glipizide text NOT NULL,
	glyburide text NOT NULL,
	tolbutamide text NOT NULL,
	pioglitazone text NOT NULL,
	rosiglitazone text NOT NULL,
	acarbose text NOT NULL,
	miglitol text NOT NULL,
	troglitazone text NOT NULL,
	tolazamide text NOT NULL,
	examide text NOT NULL,
	citoglipton text NOT NULL,
	insulin text NOT NULL,
	glyburide_metformin text NOT NULL,
	glipizide_metformin text NOT NULL,
	glimepiride_pioglitazone text NOT NULL,
	metformin_rosiglitazone text NOT NULL,
	metformin_pioglitazone text NOT NULL,
	change text NOT NULL,
	diabetes_med text NOT NULL,
	readmitted text NOT NULL
);

\copy uci.admission_type from 'uci/admission_type_id.csv' with (format csv, header)
\copy uci.discharge_disposition from 'uci/discharge_disposition_id.csv' with (format csv, header)
\copy uci.admission_source from 'uci/admission_source_id.csv' with (format csv, header)
\copy uci.encounters from program 'gzip -dc uci/encounters.csv.gz' with (format csv, header)

-- The three diagnosis columns, as a table of their own: its rows reach their
-- owner only through the encounter.
CREATE TABLE uci.diagnoses (
	encounter_id integer NOT NULL REFERENCES uci.encounters,
	position integer NOT NULL CHECK (position BETWEEN 1 AND 3),
	code text NOT NULL,
	PRIMARY KEY (encounter_id, position)
);
INSERT INTO uci.diagnoses
SELECT e.encounter_id, d.position, d.code
FROM uci.encounters e,
	LATERAL (VALUES (1, e.diag_1), (2, e.diag_2), (3, e.diag_3)) AS d (position, code)
WHERE d.code IS NOT NULL;
ALTER TABLE uci.encounters DROP COLUMN diag_1, DROP COLUMN diag_2, DROP COLUMN diag_3;

ANALYZE;
