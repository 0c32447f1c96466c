/* --- accuracy: what a pilot release has answered --------------------------- */

CREATE FUNCTION dp.pilot(
	OUT release integer, OUT title text, OUT groups text[], OUT output integer, OUT aggregate text,
	OUT value double precision, OUT low double precision, OUT high double precision, OUT confidence double precision,
	OUT rho double precision, OUT epsilon double precision, OUT delta double precision,
	OUT next_rho double precision, OUT next_epsilon double precision, OUT repeat boolean, OUT reached boolean)
	RETURNS SETOF record
	LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'eps_exec_sql_pilot';
COMMENT ON FUNCTION dp.pilot() IS
	'what the pilots of the session''s latest query with a release have answered, where dp.accuracy is a percentage: answer and interval, what the pilot cost at most, what the release after it costs at most, and whether the accuracy can be reached';
