# flavour: release
#
# What a session or its neighbour arranges around a release: a stack that is nearly
# full, so that the first row of a join is what the limit is hit at; and the place
# where the scan of a large public relation stood, which the next scan begins at.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use EpsServer;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('around_release', conf => 'shared_buffers = 1MB');

$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION pg_epsilon;
SELECT dp.harden(apply => true);
CREATE TABLE patients (id int PRIMARY KEY, code int NOT NULL);
INSERT INTO patients SELECT i, 100 * i FROM generate_series(1, 100) i;
CREATE TABLE codes (id int PRIMARY KEY, code int NOT NULL, title text);
INSERT INTO codes SELECT i, i, repeat('x', 100) FROM generate_series(1, 10000) i;
CREATE TABLE steps (id int PRIMARY KEY, code int UNIQUE);
INSERT INTO steps SELECT i, i FROM generate_series(1, 10000) i;
GRANT SELECT ON codes, steps TO PUBLIC;
SELECT dp.create_dataset('hospital', 10, 1e-6, capacity => 2000);
SELECT dp.protect('patients', 'hospital', 'id');
SELECT dp.declare_public('codes');
SELECT dp.declare_public('steps');
CREATE ROLE alice LOGIN;
ALTER ROLE alice SET dp.repeats = off;
SELECT dp.grant_analyst('alice', 'hospital', 1);
VACUUM ANALYZE codes, steps, patients;
SQL

sub ask
{
	my ($query) = @_;
	my ($out, $err);
	my $status = $node->psql('postgres', $query, stdout => \$out, stderr => \$err, extra_params => [ '-U', 'alice' ]);

	return "$out$err";
}

# --- the place of a scan ------------------------------------------------------------

# a nested loop that ends at the match
my $scans = 'SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_indexscan = off; SET enable_bitmapscan = off;'
  . ' SET enable_indexonlyscan = off; SET enable_material = off; SET enable_memoize = off;';

for my $parallel ('SET max_parallel_workers_per_gather = 0;',
	'SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;')
{
	my $first = ask('SELECT ctid FROM codes LIMIT 1');

	like(ask("$scans $parallel SELECT count(*) > -1e9 FROM patients WHERE id = 90 AND code IN (SELECT code FROM codes)"), qr/^t$/, 'an answer');
	is(ask('SELECT ctid FROM codes LIMIT 1'), $first, 'the next scan begins where the one before would have');
}
is(ask('SHOW synchronize_seqscans'), 'on', 'the setting is as it was');

# --- the stack ------------------------------------------------------------------------

my $tables = 'steps b0';
$tables = "steps b$_ JOIN " . ($_ > 1 ? "($tables)" : $tables) . " ON b$_.code = b" . ($_ - 1) . '.id' for 1 .. 8;

sub deep
{
	my ($patient, $depth) = @_;

	return ask(<<"SQL");
SET join_collapse_limit = 1; SET from_collapse_limit = 1; SET enable_hashjoin = off; SET enable_mergejoin = off;
CREATE FUNCTION pg_temp.deep(c refcursor, n int) RETURNS text LANGUAGE plpgsql AS \$\$
DECLARE answer float8;
BEGIN
	IF n > 0 THEN
		RETURN pg_temp.deep(c, n - 1);
	END IF;
	FETCH c INTO answer;
	RETURN answer > -1e9;
END \$\$;
CREATE FUNCTION pg_temp.ask(depth int) RETURNS text LANGUAGE plpgsql AS \$\$
DECLARE c refcursor;
BEGIN
	OPEN c FOR SELECT count(*) FROM patients p JOIN ($tables) ON p.code = b8.id WHERE p.id = $patient;
	RETURN pg_temp.deep(c, depth);
EXCEPTION WHEN statement_too_complex THEN
	RETURN sqlerrm;
END \$\$;
SELECT pg_temp.ask($depth);
SQL
}

is(deep(17, 1), 'true', 'an answer from a shallow place');

# The deepest place that has an answer: everything deeper is refused, whether the row is there or not.
my ($answers, $fails) = (100, 2000);
while ($fails - $answers > 1)
{
	my $depth = int(($answers + $fails) / 2);

	if (deep(5000, $depth) eq 'true') { $answers = $depth } else { $fails = $depth }
}
is(deep($_, $answers), 'true', "the deepest place that has an answer has one about patient $_") for 17, 5000;
is(deep($_, $fails), 'the stack has no room left for a release', "one level deeper patient $_ is refused before a row is read") for 17, 5000;
is($node->safe_psql('postgres', 'SELECT bool_and(ok) FROM dp.verify()'), 't', 'the book follows from the ledger');

$node->stop;
done_testing();
