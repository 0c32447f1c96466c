# flavour: release
#
# A session that ends while rows are read: by whom it is ended, or because its client
# is gone.  Whoever was read is charged (attack 1).
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use EpsServer;
use IPC::Run qw(start finish);
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('ended_release', conf => "client_connection_check_interval = '50ms'");

$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION pg_epsilon;
SELECT dp.harden(apply => true);
CREATE TABLE patients (id int PRIMARY KEY, county int NOT NULL CHECK (county BETWEEN 1 AND 5));
CREATE TABLE visits (patient int NOT NULL);
CREATE INDEX ON visits (patient);
INSERT INTO patients SELECT i, 1 + i % 5 FROM generate_series(1, 100) i;
INSERT INTO visits SELECT 1 + i % 100 FROM generate_series(1, 3000) i;
SELECT dp.create_dataset('hospital', 10, 1e-6, capacity => 2000);
SELECT dp.protect('patients', 'hospital', 'id'), dp.protect('visits', 'hospital', 'patient', rows_per_owner => 3);
CREATE ROLE alice LOGIN;
ALTER ROLE alice SET dp.repeats = off;
SELECT dp.grant_analyst('alice', 'hospital', 1);
SQL

my $long = 'SELECT count(*) FROM visits a JOIN visits b USING (patient) JOIN visits c USING (patient)'
	. ' JOIN visits d USING (patient) JOIN visits e USING (patient) JOIN visits f USING (patient)';
my $reads = "SELECT count(*) = 1 FROM pg_stat_activity WHERE usename = 'alice' AND state = 'active'";
my $gone = "SELECT count(*) = 0 FROM pg_stat_activity WHERE usename = 'alice'";
my $releases = 'SELECT count(*) FROM dp.releases';

# The answer a client got whose session is ended by a function of its process
sub ask_and_end
{
	my ($name, $end) = @_;
	my ($out, $err) = ('', '');
	my $before = $node->safe_psql('postgres', $releases);
	my $client = start([ 'psql', '-X', '-A', '-t', '-q', '-U', 'alice', '-d', $node->connstr('postgres'), '-c', $long ],
		'>', \$out, '2>', \$err);

	ok(wait_for($node, 'postgres', $reads, 20), "$name: rows are read");
	select(undef, undef, undef, 0.3);
	$end->($client);
	eval { finish($client) };
	ok(wait_for($node, 'postgres', $gone, 60), "$name: the session ends");
	is($out, '', "$name: no answer");
	is($node->safe_psql('postgres', $releases) - $before, 1, "$name: charged");
}

ask_and_end('ended by another', sub {
	$node->safe_psql('postgres', "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'alice'");
});
ask_and_end('client killed', sub { $_[0]->kill_kill });
verify_is_clean($node, 'postgres', 'afterwards');

done_testing();
