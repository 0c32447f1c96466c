-- The strict reader of roaring bitmaps (test flavour).
CREATE EXTENSION pg_epsilon;
CREATE SCHEMA dp_test;
CREATE FUNCTION dp_test.bitmap(bytes bytea, below bigint) RETURNS bigint
	AS 'pg_epsilon', 'eps_budget_sql_test_bitmap' LANGUAGE C STRICT;
CREATE FUNCTION dp_test.admit(dataset text, owners bigint[], level int, delta_level int DEFAULT 0, purpose int DEFAULT -1)
	RETURNS int AS 'pg_epsilon', 'eps_budget_sql_test_admit' LANGUAGE C STRICT;

CREATE TABLE cases (what text, bytes bytea, below bigint);
INSERT INTO cases VALUES
	('array of 1, 2, 5',		'\x3a300000010000000000020010000000010002000500', 10),
	('a member at the limit',	'\x3a300000010000000000020010000000010002000500', 5),
	('one run',					'\x3b3000000100000400010000000400', 5),
	('one run, limit too low',	'\x3b3000000100000400010000000400', 4),
	('nothing',					'\x', 10),
	('no containers',			'\x3a30000000000000', 10),
	('wrong cookie',			'\x3c300000010000000000020010000000010002000500', 10),
	('not ascending',			'\x3a300000010000000000020010000000020001000500', 10),
	('twice the same',			'\x3a300000010000000000020010000000010001000500', 10),
	('cut off',					'\x3a3000000100000000000200100000000100020005', 10),
	('one byte too many',		'\x3a30000001000000000002001000000001000200050000', 10),
	('offset elsewhere',		'\x3a300000010000000000020011000000010002000500', 10),
	('run count of zero',		'\x3b30000001000004000000', 10),
	('runs overlap',			'\x3b300000010000050002000000030002000100', 10),
	('runs touch',				'\x3b300000010000050002000000020003000200', 10),
	('two runs',				'\x3b300000010000040002000000010003000200', 10),
	('run past its container',	'\x3b30000001000001000100ffff0100', 1000000),
	('run of another length',	'\x3b3000000100000500010000000400', 10),
	('unused flag set',			'\x3b3000000300000400010000000400', 10);
SELECT what, dp_test.bitmap(bytes, below) FROM cases ORDER BY ctid;

-- What the writer writes is read back: sparse, dense, in runs
CREATE TABLE patients (id int PRIMARY KEY, x int);
SELECT dp.create_dataset('hospital', 1, 1e-9, capacity => 300000);
SELECT dp.protect('patients', 'hospital', 'id');
SELECT dp_test.admit('hospital', (SELECT array_agg(g) FROM generate_series(1, 200000) g), 10);
SELECT dp_test.admit('hospital', (SELECT array_agg(g) FROM generate_series(1, 200000, 2) g), 10);
SELECT dp_test.admit('hospital', (SELECT array_agg(g) FROM generate_series(1, 200000, 997) g), 10);
SELECT dp_test.admit('hospital', (SELECT array_agg(g ORDER BY g DESC) FROM generate_series(1, 200000) g WHERE g % 1000 < 700), 10);
SELECT seq, dp_test.bitmap(string_agg(owners, '' ORDER BY piece), 200000), sum(length(owners)) AS length,
	count(*) = max(pieces) AND min(pieces) = max(pieces) AS complete, max(length(owners)) <= 3840 AS inline
FROM dp_book.charge GROUP BY seq ORDER BY seq;

-- Of all changes of a single bit, what is accepted is a valid bitmap of as many
WITH original AS (
	SELECT owners FROM dp_book.charge WHERE seq = 3
), changed AS (
	SELECT dp_test.bitmap(set_bit(owners, b, 1 - get_bit(owners, b)), 200000) AS members
	FROM original, generate_series(0, 8 * length(owners) - 1) b
)
SELECT count(*) FILTER (WHERE members = -1) > 0 AS some_refused,
	   count(*) FILTER (WHERE members NOT IN (-1, 201)) AS accepted_of_another_size
FROM changed;
