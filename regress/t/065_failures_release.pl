# flavour: release
#
# Failures that protected rows can cause look alike, and end the session (rule 35):
# no code, no message says whether it was disk, memory or something else, nor where.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use EpsServer;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('failures_release', conf => "work_mem = '64kB'\nhash_mem_multiplier = 1\nstatement_timeout = 0");

$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION pg_epsilon;
SELECT dp.harden(apply => true);
CREATE TABLE visits (patient int, x int CHECK (x BETWEEN 0 AND 9), filler text);
INSERT INTO visits SELECT i % 5000, i % 10, repeat('x', 200) FROM generate_series(1, 40000) i;
SELECT dp.create_dataset('hospital', 10, 1e-6, capacity => 10000);
SELECT dp.protect('visits', 'hospital', 'patient', rows_per_owner => 8);
CREATE ROLE alice LOGIN;
SELECT dp.grant_analyst('alice', 'hospital', 1);
CREATE ROLE poor LOGIN;
ALTER ROLE alice SET dp.repeats = off;
ALTER ROLE poor SET dp.repeats = off;
SELECT dp.grant_analyst('poor', 'hospital', 1);
ALTER ROLE poor SET temp_file_limit = 0;
SQL

# What a session says to a query
sub says
{
	my ($role, $query) = @_;
	my ($rc, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\n$query\nSELECT 'still here'", extra_params => [ '-U', $role ]);

	$err =~ s/^psql:<stdin>:\d+: //mg;
	$err =~ s/^LOCATION:.*\n//mg;
	return ($out, $err);
}

my ($out, $err) = says('alice', 'SELECT count(*) > 0 FROM visits a JOIN visits b USING (patient) WHERE a.x > -1;');
is($out, "t\nstill here", 'enough disk: an answer');

my $alike;
for my $query ('SELECT count(*) FROM visits a JOIN visits b USING (patient);',
	'SELECT sum(x) FROM visits;',
	'SELECT count(DISTINCT x) FROM visits;',
	'SELECT x, count(*) FROM visits a JOIN visits b USING (patient, x) GROUP BY x;')
{
	($out, $err) = says('poor', $query);
	is($out, '', "no answer and no session: $query");
	like($err, qr/^FATAL:  53000: a private aggregate could not be completed/m, 'the one message');
	unlike($err, qr/temporary file|temp_file_limit|53400/, 'it does not say what was short');
	my ($message) = $err =~ /(FATAL:.*?)\n(?!DETAIL|HINT)/s;
	$alike //= $message;
	is($message, $alike, 'word for word the same');
}

# Whoever may ask for less gets an answer
($out, $err) = says('poor', 'SELECT count(*) IS NOT NULL FROM visits WHERE patient < 5;');
is($out, "t\nstill here", 'a small release fits');
verify_is_clean($node, 'postgres', 'after failures');
$node->stop;
done_testing();
