-- Settings are read once, when a release begins: not when it is planned, and not
-- when its cursor is opened (rule 10).
\getenv abs_srcdir PG_ABS_SRCDIR
\set hospital :abs_srcdir '/sql/common/hospital.sql'
\set analyst regress_cursor_price
\i :hospital
\set SHOW_CONTEXT never
CREATE FUNCTION last_price() RETURNS float8 LANGUAGE plpgsql SECURITY DEFINER AS
	'BEGIN RETURN (SELECT dp._ladder_units(level) / 2.0 ^ 60 FROM dp_book.entry ORDER BY seq DESC LIMIT 1); END';
SET SESSION AUTHORIZATION :analyst;
-- prices that the ladder has
SET dp.rho = 0.0009765625;
BEGIN;
DECLARE c CURSOR FOR SELECT count(*) > -1e9 AS answered FROM visits;
SET dp.rho = 0.0078125;
FETCH 1 FROM c;
SET dp.rho = 0.5;
FETCH 1 FROM c;
COMMIT;
SELECT last_price();
PREPARE p AS SELECT count(*) > -1e9 AS answered FROM visits;
SET dp.rho = 0.00390625;
EXECUTE p;
SELECT last_price();
SET dp.rho = 0.001953125;
EXECUTE p;
SELECT last_price();
-- a price that is above the grant, or none, is refused then, and costs nothing
SELECT entries() AS before, used() AS used \gset
BEGIN;
DECLARE c CURSOR FOR SELECT count(*) FROM visits;
SET dp.rho = 15;
FETCH 1 FROM c; \echo :SQLSTATE
ROLLBACK;
SET dp.rho = 0.001953125;
BEGIN;
DECLARE c CURSOR FOR SELECT count(*) FROM visits;
SET dp.epsilon = 1;
FETCH 1 FROM c; \echo :SQLSTATE
ROLLBACK;
RESET dp.epsilon;
SELECT entries() - :before AS releases, used() - :used AS quota;
RESET SESSION AUTHORIZATION;
DROP OWNED BY :analyst CASCADE;
SELECT dp.revoke_analyst(:'analyst', 'hospital');
DROP ROLE :analyst;
