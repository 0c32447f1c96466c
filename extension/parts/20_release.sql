/* --- releases: what analysts write in their queries ---------------------- */

CREATE FUNCTION dp.clamp(x integer, lower integer, upper integer) RETURNS integer
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'eps_analyze_sql_clamp_int4';
COMMENT ON FUNCTION dp.clamp(integer, integer, integer) IS
	'the nearest value between lower and upper: bounds given in a query';
CREATE FUNCTION dp.clamp(x bigint, lower bigint, upper bigint) RETURNS bigint
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'eps_analyze_sql_clamp_int8';
COMMENT ON FUNCTION dp.clamp(bigint, bigint, bigint) IS
	'the nearest value between lower and upper: bounds given in a query';
CREATE FUNCTION dp.clamp(x numeric, lower numeric, upper numeric) RETURNS numeric
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'eps_analyze_sql_clamp_numeric';
COMMENT ON FUNCTION dp.clamp(numeric, numeric, numeric) IS
	'the nearest value between lower and upper, NULL for NaN: bounds given in a query';
CREATE FUNCTION dp.clamp(x double precision, lower double precision, upper double precision) RETURNS double precision
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'eps_analyze_sql_clamp_float8';
COMMENT ON FUNCTION dp.clamp(double precision, double precision, double precision) IS
	'the nearest value between lower and upper, NULL for NaN: bounds given in a query';

CREATE FUNCTION dp.interval_low(aggregate anyelement, confidence double precision DEFAULT 0.95) RETURNS double precision
	LANGUAGE C STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'eps_analyze_sql_error_bar';
COMMENT ON FUNCTION dp.interval_low(anyelement, double precision) IS
	'lower end of the noise interval of an aggregate over protected relations: dp.interval_low(count(*), 0.95)';
CREATE FUNCTION dp.interval_high(aggregate anyelement, confidence double precision DEFAULT 0.95) RETURNS double precision
	LANGUAGE C STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'eps_analyze_sql_error_bar';
COMMENT ON FUNCTION dp.interval_high(anyelement, double precision) IS
	'upper end of the noise interval of an aggregate over protected relations';
CREATE FUNCTION dp.stddev_of_noise(aggregate anyelement) RETURNS double precision
	LANGUAGE C STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'eps_analyze_sql_error_bar';
COMMENT ON FUNCTION dp.stddev_of_noise(anyelement) IS
	'standard deviation of the noise in an aggregate over protected relations';

CREATE FUNCTION dp.preview(query text,
	OUT release integer, OUT dataset text, OUT title text, OUT output integer, OUT aggregate text,
	OUT mechanism text, OUT stddev_of_noise double precision, OUT rho double precision, OUT epsilon double precision,
	OUT delta double precision, OUT groups text, OUT rows_per_owner bigint,
	OUT repeat boolean, OUT answered_at timestamptz)
	RETURNS SETOF record
	LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eps_rewrite_sql_preview';
COMMENT ON FUNCTION dp.preview(text) IS
	'what a query would spend and how exact it would be, one row an aggregate; reads no protected data, charges nothing; a repeat costs nothing either, for it gives the answer of answered_at again';

/* --- total twins, put in by analysis in place of functions that can fail -- */

CREATE FUNCTION dp._float8_mul(double precision, double precision) RETURNS double precision
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'eps_analyze_sql_float8_mul';
COMMENT ON FUNCTION dp._float8_mul(double precision, double precision) IS 'multiplication without overflow or underflow errors';
CREATE FUNCTION dp._float8_div(double precision, double precision) RETURNS double precision
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'eps_analyze_sql_float8_div';
COMMENT ON FUNCTION dp._float8_div(double precision, double precision) IS 'division without errors, NULL by zero';
CREATE FUNCTION dp._date_trunc(text, timestamp) RETURNS timestamp
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'eps_analyze_sql_date_trunc_timestamp';
COMMENT ON FUNCTION dp._date_trunc(text, timestamp) IS 'date_trunc, NULL where the result would be out of range';
CREATE FUNCTION dp._date_trunc(text, timestamptz) RETURNS timestamptz
	LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'eps_analyze_sql_date_trunc_timestamptz';
COMMENT ON FUNCTION dp._date_trunc(text, timestamptz) IS 'date_trunc, NULL where the result would be out of range';
CREATE FUNCTION dp._width_bucket(double precision, double precision, double precision, integer) RETURNS integer
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'eps_analyze_sql_width_bucket_float8';
COMMENT ON FUNCTION dp._width_bucket(double precision, double precision, double precision, integer) IS 'width_bucket, NULL of NaN';
CREATE FUNCTION dp._width_bucket(numeric, numeric, numeric, integer) RETURNS integer
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'eps_analyze_sql_width_bucket_numeric';
COMMENT ON FUNCTION dp._width_bucket(numeric, numeric, numeric, integer) IS 'width_bucket, NULL of NaN';
CREATE FUNCTION dp._timestamp(date) RETURNS timestamp
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'eps_analyze_sql_timestamp';
COMMENT ON FUNCTION dp._timestamp(date) IS 'date to timestamp, infinity beyond its range';
CREATE FUNCTION dp._timestamptz(date) RETURNS timestamptz
	LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'eps_analyze_sql_timestamptz';
COMMENT ON FUNCTION dp._timestamptz(date) IS 'date to timestamp with time zone, infinity beyond its range';

CREATE FUNCTION dp._timestamp(timestamptz) RETURNS timestamp
	LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'eps_analyze_sql_timestamp_from_timestamptz';
COMMENT ON FUNCTION dp._timestamp(timestamptz) IS 'to local time, infinity near the ends of the type';
CREATE FUNCTION dp._timestamptz(timestamp) RETURNS timestamptz
	LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'eps_analyze_sql_timestamptz_from_timestamp';
COMMENT ON FUNCTION dp._timestamptz(timestamp) IS 'from local time, infinity near the ends of the type';
CREATE FUNCTION dp._date(timestamptz) RETURNS date
	LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'eps_analyze_sql_date_from_timestamptz';
COMMENT ON FUNCTION dp._date(timestamptz) IS 'local date, infinity near the ends of the type';
CREATE FUNCTION dp._shift(timestamp, interval, boolean) RETURNS timestamp
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'eps_analyze_sql_shift_timestamp';
COMMENT ON FUNCTION dp._shift(timestamp, interval, boolean) IS 'plus, or if true minus, an interval; NULL near the ends of the type';
CREATE FUNCTION dp._shift(timestamptz, interval, boolean) RETURNS timestamptz
	LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'eps_analyze_sql_shift_timestamptz';
COMMENT ON FUNCTION dp._shift(timestamptz, interval, boolean) IS 'plus, or if true minus, an interval; NULL near the ends of the type';
CREATE FUNCTION dp._float8(numeric) RETURNS double precision
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'eps_analyze_sql_float8_from_numeric';
COMMENT ON FUNCTION dp._float8(numeric) IS 'numeric to double precision without overflow or underflow errors';
CREATE FUNCTION dp._date_minus(date, date) RETURNS integer
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'eps_analyze_sql_date_minus';
COMMENT ON FUNCTION dp._date_minus(date, date) IS 'days between two dates, NULL of infinity';
CREATE FUNCTION dp._date_plus(date, bigint) RETURNS date
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'eps_analyze_sql_date_plus';
COMMENT ON FUNCTION dp._date_plus(date, bigint) IS 'a date some days later, infinity beyond its range';

/* Above a release: a noisy denominator of zero must not cost owners an answer. */
CREATE FUNCTION dp._divide(bigint, bigint) RETURNS bigint
	LANGUAGE C VOLATILE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'eps_analyze_sql_divide_int8';
COMMENT ON FUNCTION dp._divide(bigint, bigint) IS 'division of answers: NULL and a warning instead of an error';
CREATE FUNCTION dp._divide(numeric, numeric) RETURNS numeric
	LANGUAGE C VOLATILE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'eps_analyze_sql_divide_numeric';
COMMENT ON FUNCTION dp._divide(numeric, numeric) IS 'division of answers: NULL and a warning instead of an error';
CREATE FUNCTION dp._divide(double precision, double precision) RETURNS double precision
	LANGUAGE C VOLATILE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'eps_analyze_sql_divide_float8';
COMMENT ON FUNCTION dp._divide(double precision, double precision) IS 'division of answers: NULL and a warning instead of an error';
CREATE FUNCTION dp._modulo(bigint, bigint) RETURNS bigint
	LANGUAGE C VOLATILE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'eps_analyze_sql_modulo_int8';
COMMENT ON FUNCTION dp._modulo(bigint, bigint) IS 'remainder of answers: NULL and a warning instead of an error';
CREATE FUNCTION dp._modulo(numeric, numeric) RETURNS numeric
	LANGUAGE C VOLATILE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'eps_analyze_sql_modulo_numeric';
COMMENT ON FUNCTION dp._modulo(numeric, numeric) IS 'remainder of answers: NULL and a warning instead of an error';

/* --- placeholders between planner hook and plan; raise when run ------------ */

CREATE FUNCTION dp._placeholder(internal) RETURNS boolean
	LANGUAGE C IMMUTABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eps_analyze_sql_placeholder';
COMMENT ON FUNCTION dp._placeholder(internal) IS 'internal: final step of a placeholder';
CREATE FUNCTION dp._placeholder(internal, VARIADIC "any") RETURNS internal
	LANGUAGE C IMMUTABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eps_analyze_sql_placeholder';
COMMENT ON FUNCTION dp._placeholder(internal, "any") IS 'internal: step of a placeholder';
CREATE FUNCTION dp._placeholder(internal, integer) RETURNS internal
	LANGUAGE C IMMUTABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eps_analyze_sql_placeholder';
COMMENT ON FUNCTION dp._placeholder(internal, integer) IS 'internal: step of a placeholder';
CREATE AGGREGATE dp._release(VARIADIC "any") (SFUNC = dp._placeholder, STYPE = internal, FINALFUNC = dp._placeholder);
COMMENT ON AGGREGATE dp._release("any") IS 'internal: stands for a release while it is planned';
CREATE AGGREGATE dp._output(integer) (SFUNC = dp._placeholder, STYPE = internal, FINALFUNC = dp._placeholder);
COMMENT ON AGGREGATE dp._output(integer) IS 'internal: stands for an output of a release while it is planned';
CREATE FUNCTION dp._needs_parameters() RETURNS boolean
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eps_analyze_sql_needs_parameters';
COMMENT ON FUNCTION dp._needs_parameters() IS 'internal: a plan that would need the values of its parameters';

REVOKE ALL ON FUNCTION dp._placeholder(internal), dp._placeholder(internal, VARIADIC "any"), dp._placeholder(internal, integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION dp._release(VARIADIC "any"), dp._output(integer) FROM PUBLIC;
