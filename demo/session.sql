-- The analyst's session of the demo.
--
-- scripts/demo-session runs each block twice: the query as alice, who holds no
-- right on the protected tables, and the part after "exact:" as the demo's
-- superuser.  Columns of the first: a label, then answer, low, high for each
-- aggregate; of the second: the label, then the exact value of each under the
-- same clamps.  The interval is the one that holds with probability 0.9999999
-- for the noise alone.

-- title: How many people are in the warehouse?
SELECT 'people', count(*), dp.interval_low(count(*), 0.9999999), dp.interval_high(count(*), 0.9999999)
FROM omop.person;
-- exact:
SELECT 'people', count(*) FROM omop.person;

-- title: Year of birth by gender (every group of the public domain comes out)
SELECT CASE gender_concept_id WHEN 8532 THEN 'women' WHEN 8507 THEN 'men' ELSE 'other' END,
	avg(year_of_birth), dp.interval_low(avg(year_of_birth), 0.9999999), dp.interval_high(avg(year_of_birth), 0.9999999)
FROM omop.person GROUP BY gender_concept_id ORDER BY 1;
-- exact:
SELECT CASE gender_concept_id WHEN 8532 THEN 'women' WHEN 8507 THEN 'men' ELSE 'other' END,
	avg(least(greatest(year_of_birth, 1900), 2020))
FROM omop.person GROUP BY gender_concept_id;

-- title: Cohorts side by side (FILTER)
SELECT 'before 1950, from 1970',
	count(*) FILTER (WHERE year_of_birth < 1950),
	dp.interval_low(count(*) FILTER (WHERE year_of_birth < 1950), 0.9999999),
	dp.interval_high(count(*) FILTER (WHERE year_of_birth < 1950), 0.9999999),
	count(*) FILTER (WHERE year_of_birth >= 1970),
	dp.interval_low(count(*) FILTER (WHERE year_of_birth >= 1970), 0.9999999),
	dp.interval_high(count(*) FILTER (WHERE year_of_birth >= 1970), 0.9999999)
FROM omop.person;
-- exact:
SELECT 'before 1950, from 1970',
	count(*) FILTER (WHERE year_of_birth < 1950), count(*) FILTER (WHERE year_of_birth >= 1970)
FROM omop.person;

-- title: The ten most frequent conditions (keys without a public domain: noisy threshold)
SELECT c.concept_name, count(DISTINCT o.person_id),
	dp.interval_low(count(DISTINCT o.person_id), 0.9999999), dp.interval_high(count(DISTINCT o.person_id), 0.9999999)
FROM omop.condition_occurrence o JOIN omop.concept c ON c.concept_id = o.condition_concept_id
GROUP BY c.concept_name ORDER BY 2 DESC LIMIT 10;
-- exact:
SELECT c.concept_name, count(DISTINCT o.person_id)
FROM omop.condition_occurrence o JOIN omop.concept c ON c.concept_id = o.condition_concept_id
GROUP BY c.concept_name;

-- title: Peptic ulcer by gender (two protected tables joined on their owner)
SELECT CASE p.gender_concept_id WHEN 8532 THEN 'women' WHEN 8507 THEN 'men' ELSE 'other' END,
	count(DISTINCT p.person_id),
	dp.interval_low(count(DISTINCT p.person_id), 0.9999999), dp.interval_high(count(DISTINCT p.person_id), 0.9999999)
FROM omop.person p JOIN omop.condition_occurrence o ON o.person_id = p.person_id
WHERE o.condition_concept_id = 4027663
GROUP BY p.gender_concept_id ORDER BY 1;
-- exact:
SELECT CASE p.gender_concept_id WHEN 8532 THEN 'women' WHEN 8507 THEN 'men' ELSE 'other' END,
	count(DISTINCT p.person_id)
FROM omop.person p JOIN omop.condition_occurrence o ON o.person_id = p.person_id
WHERE o.condition_concept_id = 4027663
GROUP BY p.gender_concept_id;

-- title: Acute bronchitis by month (CTE; extract(month ...) has the domain 1..12 by itself)
WITH bronchitis AS (
	SELECT person_id, condition_start_date FROM omop.condition_occurrence WHERE condition_concept_id = 260139
)
SELECT 'month ' || extract(month FROM condition_start_date), count(DISTINCT person_id),
	dp.interval_low(count(DISTINCT person_id), 0.9999999), dp.interval_high(count(DISTINCT person_id), 0.9999999)
FROM bronchitis GROUP BY extract(month FROM condition_start_date) ORDER BY extract(month FROM condition_start_date);
-- exact:
SELECT 'month ' || extract(month FROM condition_start_date), count(DISTINCT person_id)
FROM omop.condition_occurrence WHERE condition_concept_id = 260139
GROUP BY extract(month FROM condition_start_date);

-- title: Procedures that more than 300 people had (HAVING on noisy answers)
SELECT c.concept_name, count(DISTINCT o.person_id),
	dp.interval_low(count(DISTINCT o.person_id), 0.9999999), dp.interval_high(count(DISTINCT o.person_id), 0.9999999)
FROM omop.procedure_occurrence o JOIN omop.concept c ON c.concept_id = o.procedure_concept_id
GROUP BY c.concept_name HAVING count(DISTINCT o.person_id) > 300 ORDER BY 2 DESC;
-- exact:
SELECT c.concept_name, count(DISTINCT o.person_id)
FROM omop.procedure_occurrence o JOIN omop.concept c ON c.concept_id = o.procedure_concept_id
GROUP BY c.concept_name;

-- title: Person-years under observation (bounds given in the query, a subquery)
SELECT 'person-years', sum(dp.clamp(years, 0, 100)),
	dp.interval_low(sum(dp.clamp(years, 0, 100)), 0.9999999), dp.interval_high(sum(dp.clamp(years, 0, 100)), 0.9999999)
FROM (SELECT person_id, dp.clamp(extract(year FROM observation_period_end_date), 1900, 2030)
		- dp.clamp(extract(year FROM observation_period_start_date), 1900, 2030) AS years
	FROM omop.observation_period) AS observed;
-- exact:
SELECT 'person-years', sum(least(greatest(extract(year FROM observation_period_end_date) - extract(year FROM observation_period_start_date), 0), 100))
FROM omop.observation_period;

-- title: Days of hospital stay, by whether the patient came back (at a higher price)
SET dp.epsilon = 0.8;
SELECT readmitted, avg(time_in_hospital),
	dp.interval_low(avg(time_in_hospital), 0.9999999), dp.interval_high(avg(time_in_hospital), 0.9999999)
FROM uci.encounters GROUP BY readmitted ORDER BY 1;
-- exact:
SELECT readmitted, avg(time_in_hospital) FROM uci.encounters GROUP BY readmitted;

-- title: Patients by age (ten bands, empty ones would show too)
SELECT age, count(DISTINCT patient_nbr),
	dp.interval_low(count(DISTINCT patient_nbr), 0.9999999), dp.interval_high(count(DISTINCT patient_nbr), 0.9999999)
FROM uci.encounters GROUP BY age ORDER BY age;
-- exact:
SELECT age, count(DISTINCT patient_nbr) FROM uci.encounters GROUP BY age;

-- title: Patients by number of laboratory tests (width_bucket)
SELECT 'bucket ' || width_bucket(num_lab_procedures, 0, 120, 6), count(DISTINCT patient_nbr),
	dp.interval_low(count(DISTINCT patient_nbr), 0.9999999), dp.interval_high(count(DISTINCT patient_nbr), 0.9999999)
FROM uci.encounters GROUP BY width_bucket(num_lab_procedures, 0, 120, 6) ORDER BY 1;
-- exact:
SELECT 'bucket ' || width_bucket(num_lab_procedures, 0, 120, 6), count(DISTINCT patient_nbr)
FROM uci.encounters GROUP BY width_bucket(num_lab_procedures, 0, 120, 6);

-- title: Stays for diabetes (a table that reaches its owner by a foreign key; five rows a patient count)
SET dp.rows_per_owner = 5;
SELECT 'first diagnosis 250.*', count(*), dp.interval_low(count(*), 0.9999999), dp.interval_high(count(*), 0.9999999)
FROM uci.diagnoses WHERE position = 1 AND code LIKE '250%';
-- exact:
SELECT 'first diagnosis 250.*', sum(least(n, 5))
FROM (SELECT count(*) AS n FROM uci.diagnoses d JOIN uci.encounters e USING (encounter_id)
	WHERE d.position = 1 AND d.code LIKE '250%' GROUP BY e.patient_nbr) AS patient;

-- title: Patients by kind of admission (a join with a public code list)
SELECT t.description, count(DISTINCT e.patient_nbr),
	dp.interval_low(count(DISTINCT e.patient_nbr), 0.9999999), dp.interval_high(count(DISTINCT e.patient_nbr), 0.9999999)
FROM uci.encounters e JOIN uci.admission_type t ON t.admission_type_id = e.admission_type_id
WHERE t.description IN ('Emergency', 'Urgent', 'Elective')
GROUP BY t.description ORDER BY 2 DESC;
-- exact:
SELECT t.description, count(DISTINCT e.patient_nbr)
FROM uci.encounters e JOIN uci.admission_type t ON t.admission_type_id = e.admission_type_id
GROUP BY t.description;

-- title: Spread of the year of birth over the decades (an outer query over a release)
SELECT 'decade ' || decade, n, low, high
FROM (SELECT width_bucket(year_of_birth, 1900, 2020, 12) AS decade, count(*) AS n,
		dp.interval_low(count(*), 0.9999999) AS low, dp.interval_high(count(*), 0.9999999) AS high
	FROM omop.person GROUP BY 1) AS histogram
WHERE decade BETWEEN 1 AND 9 ORDER BY decade;
-- exact:
SELECT 'decade ' || width_bucket(year_of_birth, 1900, 2020, 12), count(*) FROM omop.person GROUP BY 1;
