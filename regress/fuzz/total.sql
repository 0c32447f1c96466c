-- Two protected relations and a public one whose columns hold the extremes of
-- their types, for regress/fuzz/total.pl.  Columns b_* have bounds that every row
-- obeys, columns d_* bounds that are declared only, and rows break them.
\set ON_ERROR_STOP on
\o /dev/null
SET client_min_messages = warning;
CREATE EXTENSION pg_epsilon;
SELECT dp.harden(apply => true);
CREATE ROLE fuzz_analyst LOGIN;
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
ALTER TYPE mood ADD VALUE 'glad' AFTER 'ok';
CREATE DOMAIN short AS int4;
CREATE TABLE extremes (i int, int2 int2, int4 int4, int8 int8, float4 float4, float8 float8, num numeric, bool bool,
	text text, bpchar text, char text, date date, time time, timestamp timestamp, timestamptz timestamptz,
	"interval" interval, uuid uuid, mood mood, oid int8);
-- intervals at the limits cannot be written: they are computed
INSERT INTO extremes
SELECT i,
	(ARRAY[-32768, 32767, 0, -1, 1, 2, NULL])[1 + i % 7],
	(ARRAY[-2147483648, 2147483647, 0, -1, 1, 7, NULL])[1 + i % 7],
	(ARRAY[-9223372036854775808, 9223372036854775807, 0, -1, 1, 2147483648, NULL])[1 + i % 7],
	(ARRAY['NaN', 'infinity', '-infinity', '-0', '3.4028235e38', '-3.4028235e38', '1.4e-45', '1', '0.5', NULL]::float4[])[1 + i % 10],
	(ARRAY['NaN', 'infinity', '-infinity', '-0', '1.7976931348623157e308', '-1.7976931348623157e308', '5e-324', '1', '9007199254740993', NULL]::float8[])[1 + i % 10],
	(ARRAY['NaN', 'infinity', '-infinity', '0', '-0.00', repeat('9', 1000), '-' || repeat('9', 1000) || '.' || repeat('9', 1000),
		'0.' || repeat('0', 16000) || '1', '9.9e131071', '-1e-16383', '1', '2.5', NULL]::numeric[])[1 + i % 13],
	(ARRAY[true, false, NULL])[1 + i % 3],
	(ARRAY['', 'a', '%', '_', '\', 'a\', repeat('a', 1000000), repeat('%_\', 1000), 'İıſß' || chr(1114109), '1', 'infinity', ' ', repeat('é', 3000), NULL])[1 + i % 14],
	(ARRAY['', '     ', 'abc', 'İıſß', NULL])[1 + i % 5],
	(ARRAY['', 'a', '\', NULL])[1 + i % 4],
	(ARRAY['infinity', '-infinity', '4713-01-01 BC', '4714-11-24 BC', '5874897-12-31', '294276-12-31', '294277-01-01', '0001-01-01', '0001-12-31 BC',
		'2020-02-29', '1970-01-01', '1883-11-18', NULL]::date[])[1 + i % 13],
	(ARRAY['00:00', '24:00', '23:59:59.999999', '12:34:56', NULL]::time[])[1 + i % 5],
	(ARRAY['infinity', '-infinity', '4714-11-24 00:00:00 BC', '4713-01-01 BC', '294276-12-31 23:59:59.999999', '0001-01-01', '0001-12-31 23:59:59.999999 BC',
		'2020-02-29 02:30', '1999-12-31 23:59:59.999999', '1883-11-18 12:00', NULL]::timestamp[])[1 + i % 11],
	(ARRAY['infinity', '-infinity', '4714-11-24 00:00:00+00 BC', '4713-01-01 00:00+00 BC', '294276-12-31 23:59:59.999999+00', '0001-01-01 00:00+00',
		'2020-03-29 01:30+00', '1883-11-18 17:00+00', '4714-12-01 00:00+00 BC', '294276-12-30 00:00+00', NULL]::timestamptz[])[1 + i % 11],
	(ARRAY['0', '178000000 years', '-178000000 years', '2147483647 days', '-2147483648 days', '2147483647 months', '-2147483648 months',
		'2562047788:00:54.775807', '-2562047788:00:54.775807', '1 month -31 days', '1 microsecond', NULL]::interval[])[1 + i % 12],
	(ARRAY['00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff', NULL]::uuid[])[1 + i % 3],
	(ARRAY['sad', 'ok', 'glad', 'happy', NULL]::mood[])[1 + i % 5],
	(ARRAY[0, 4294967295, 1, NULL])[1 + i % 4]
FROM generate_series(0, 59) i;

CREATE TABLE visits (owner int, int2 int2, int4 int4, int8 int8, float4 float4, float8 float8, num numeric, num2 numeric(10, 2),
	bool bool, text text, varchar varchar, bpchar char(10), char "char", name name, date date, time time, timestamp timestamp,
	timestamptz timestamptz, "interval" interval, uuid uuid, mood mood, oid oid, short short,
	b_int2 int2 CHECK (b_int2 BETWEEN -5 AND 5), b_int4 int4 NOT NULL CHECK (b_int4 BETWEEN 0 AND 100),
	b_int8 int8 CHECK (b_int8 BETWEEN 1 AND 1000), b_float8 float8 CHECK (b_float8 BETWEEN -1.5 AND 1.5), b_num numeric CHECK (b_num >= 1 AND b_num <= 7.25),
	d_int2 int2, d_int4 int4, d_int8 int8, d_float4 float4, d_float8 float8, d_num numeric,
	d_text text, d_bool bool);
INSERT INTO visits
SELECT e.i % 25, e.int2, e.int4, e.int8, e.float4, e.float8, e.num, (ARRAY[99999999.99, -99999999.99, 0.01, 'NaN', NULL])[1 + e.i % 5],
	e.bool, e.text, e.text, e.bpchar, e.char::"char", left(e.text, 20), e.date, e.time, e.timestamp, e.timestamptz, e."interval", e.uuid, e.mood, e.oid::oid, e.int4,
	e.i % 11 - 5, e.i, 1 + e.i, (e.i % 7) / 2.0 - 1.5, 1 + (e.i % 25) / 4.0,
	e.int2, e.int4, e.int8, e.float4, e.float8, e.num, e.char, e.bool
FROM (SELECT (random() * 1000)::int + i AS shuffled, * FROM extremes) e;
CREATE TABLE labs (owner int8, int4 int4, float8 float8, num numeric, text text, date date, timestamptz timestamptz);
INSERT INTO labs SELECT i % 25, int4, float8, num, text, date, timestamptz FROM extremes;
CREATE TABLE codes (code int PRIMARY KEY, int4 int4, float8 float8, num numeric, text text, date date);
INSERT INTO codes SELECT i, int4, float8, num, text, date FROM extremes;
CREATE TABLE own (k int PRIMARY KEY, int4 int4, float8 float8, num numeric, text text, date date, timestamptz timestamptz);
INSERT INTO own SELECT i, int4, float8, num, left(text, 1000), date, timestamptz FROM extremes;
ALTER TABLE own OWNER TO fuzz_analyst;

SELECT dp.create_dataset('fuzz', 30, 1e-9, capacity => 1000, confirm_large_epsilon => true);
SELECT dp.protect('visits', 'fuzz', 'owner', rows_per_owner => 10);
SELECT dp.protect('labs', 'fuzz', 'owner', rows_per_owner => 10);
SELECT dp.set_bounds('visits', c, 1, 100, 'test') FROM unnest(ARRAY['d_int2', 'd_int4', 'd_int8', 'd_float4', 'd_float8', 'd_num']) c;
SELECT dp.set_domain('visits', 'd_text', ARRAY['', 'a'], 'test');
SELECT dp.declare_public('codes');
SELECT dp.grant_analyst('fuzz_analyst', 'fuzz', 10);
GRANT CREATE, USAGE ON SCHEMA public TO fuzz_analyst;
GRANT SELECT ON codes TO fuzz_analyst;
-- what a function of the analyst's own may do above a release
SET SESSION AUTHORIZATION fuzz_analyst;
CREATE FUNCTION own_function(x int8) RETURNS int4 LANGUAGE plpgsql AS
	'BEGIN IF x % 2 = 0 THEN RAISE EXCEPTION ''even''; END IF; RETURN (SELECT k FROM own WHERE k > x % 60 - 1); END';
CREATE FUNCTION own_sql_function(x int8) RETURNS int4 LANGUAGE sql AS 'SELECT (1 / (x % 3))::int4';
