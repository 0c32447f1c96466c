# flavour: test
#
# A release after its pilot (rule 8): what is booked outlives a restart, the input is
# read twice and alike by workers and from files, and where a data set is padded the
# pilot leaves with the answer, or not at all.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use EpsServer;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('accuracy_release', conf => "max_parallel_workers_per_gather = 2\nmin_parallel_table_scan_size = 0\nparallel_setup_cost = 0\nparallel_tuple_cost = 0");

$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION pg_epsilon;
SELECT dp.harden(apply => true);
CREATE TABLE patients (id int PRIMARY KEY, county int NOT NULL CHECK (county BETWEEN 1 AND 5));
INSERT INTO patients SELECT i, 1 + i % 5 FROM generate_series(1, 1000) i;
CREATE TABLE visits (patient int NOT NULL, cost int CHECK (cost BETWEEN 0 AND 10));
INSERT INTO visits SELECT 1 + i % 1000, i % 11 FROM generate_series(1, 20000) i;
ANALYZE;
SELECT dp.create_dataset('hospital', 10, 1e-6, capacity => 5000);
SELECT dp.create_dataset('padded', 10, 1e-6, capacity => 5000);
SELECT dp.protect('patients', 'hospital', 'id'), dp.protect('visits', 'hospital', 'patient', rows_per_owner => 20);
CREATE TABLE slow (LIKE visits INCLUDING ALL);
INSERT INTO slow SELECT 1 + i % 100, i % 11 FROM generate_series(1, 50000) i;
SELECT dp.protect('slow', 'padded', 'patient', rows_per_owner => 1000);
SELECT dp.set_pad('padded', '500 ms', '2 s');
CREATE ROLE alice LOGIN;
ALTER ROLE alice SET dp.accuracy = '10 %';
SELECT dp.grant_analyst('alice', 'hospital', 5), dp.grant_analyst('alice', 'padded', 5);
SQL

# What alice gets, and what she is told
sub alice
{
	my ($sql) = @_;
	my ($rc, $out, $err) = $node->psql('postgres', $sql, on_error_stop => 0, extra_params => [ '-U', 'alice' ]);

	return ($out, $err);
}

sub used
{
	return (alice("SELECT units_used FROM dp.quota() WHERE dataset = 'hospital'"))[0];
}

sub entries
{
	return $node->safe_psql('postgres', 'SELECT count(*) FROM dp.releases');
}

# --- what is booked ------------------------------------------------------------------------

my ($out, $err) = alice('SET dp.rho = 0.01; SELECT count(*) > 0 FROM patients');
is($out, 't', 'an answer');
like($err, qr/NOTICE:  pilot for an accuracy of 10 %: count [0-9.]+ \+- /, 'and before it the pilot');
my $booked = used();
my ($charged) = $node->safe_psql('postgres', "SELECT sum(rho) * 2 ^ 60 FROM dp.statement('hospital', 1)") // 0;
cmp_ok($booked, '>', 0, 'it is booked');
$node->restart;
is(used(), $booked, 'after a restart as much is booked');
$node->stop('immediate');
$node->start;
is(used(), $booked, 'after a crash too');
verify_is_clean($node, 'postgres', 'after a crash');
cmp_ok($charged, '<', $booked / 2, 'an owner was charged what both cost, not the highest price');

# --- twice the same rows ---------------------------------------------------------------------

my $exact = "SET dp_test.noise = off; SET client_min_messages = warning; SET dp.rho = 0.4; SET dp.repeats = off;\n";
my $query = 'SELECT count(*), sum(cost) FROM visits';
my $pilot = ';SELECT array_agg(value ORDER BY output) FROM dp.pilot()';
my $total = $node->safe_psql('postgres', 'SELECT sum(cost) FROM visits');
($out, $err) = alice("$exact $query$pilot");
is($out, "20000|$total\n{20000,$total}", 'workers read the same rows twice');
is($err, '', 'without a warning');
($out) = alice("$exact SET work_mem = '64kB'; SET hash_mem_multiplier = 1; $query$pilot");
is($out, "20000|$total\n{20000,$total}", 'so does a release that spills');
($out) = alice("$exact SET work_mem = '64kB'; SELECT county, count(*) FROM visits JOIN patients ON id = patient GROUP BY county ORDER BY 1; SELECT array_agg(value ORDER BY groups) FROM dp.pilot()");
is($out, join('', map { "$_|4000\n" } 1 .. 5) . '{4000,4000,4000,4000,4000}', 'and a join by hashes');

# --- where answers leave at public times ---------------------------------------------------------

my $padded = "SET dp_test.noise = off; SET dp.rho = 0.4;\n";
my $before = entries();
($out, $err) = alice("$padded SELECT count(*) FROM slow; SELECT value FROM dp.pilot()");
is($out, "50000\n50000", 'a padded data set answers, pilot and all');
like($err, qr/NOTICE:  pilot for an accuracy of 10 %/, 'the pilot is shown with the answer');
is(entries(), $before + 2, 'both are charged');
($out, $err) = alice("$padded SELECT count(*) FROM slow");
is($out, '50000', 'asked again');
like($err, qr/The pilot cost nothing \(a repeat\)\. The answer after it costs nothing/, 'the pilot was kept, and the answer');
is(entries(), $before + 4, 'two repeats');
($out) = alice("\\timing on\n$padded SET dp.repeats = off; SELECT count(*) FROM slow");
my ($ms) = ($out =~ /Time: ([0-9.]+) ms/g)[-1];
cmp_ok($ms, '>=', 1000, 'each of the two charges waits for its own point');

# A cancel after the pilot: nothing of it leaves
$before = entries();
($out, $err) = alice("$padded SET dp.repeats = off; SET dp_test.cancel = 'pilot'; SELECT count(*) FROM slow;\nRESET dp_test.cancel; SELECT count(*) FROM dp.pilot()");
is($out, '0', 'a cancel after the pilot: nothing is shown');
like($err, qr/ERROR/, 'an error');
unlike($err, qr/NOTICE/, 'no notice');
is(entries(), $before + 1, 'the pilot is charged');

# Late: withheld as a whole
($out, $err) = alice("$padded SET dp.repeats = off; SET dp.rows_per_owner = 1; SELECT count(*) FROM slow a JOIN slow b USING (patient) JOIN slow c USING (patient);\nSELECT count(*) FROM dp.pilot()");
like($err, qr/the answer is withheld/, 'not ready by the deadline');
unlike($err, qr/NOTICE/, 'then the pilot is withheld too');
is($out, '0', 'also from dp.pilot()');

verify_is_clean($node, 'postgres', 'after all');
$node->stop;

done_testing();
