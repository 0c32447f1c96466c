# flavour: release
#
# kill -9 of the postmaster while an analyst asks, again and again: every answer
# that the client got has its entry and, unless it was given again, its charge
# after the restart.  Every other round asks for answers that were given before.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use EpsServer;
use IPC::Run qw(start finish);
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

my $rounds = $ENV{EPS_CRASH_ROUNDS} // 50;
my $node = new_server('crash_release');

$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION pg_epsilon;
CREATE TABLE patients (id int PRIMARY KEY, county int NOT NULL CHECK (county BETWEEN 1 AND 5));
INSERT INTO patients SELECT i, 1 + i % 5 FROM generate_series(1, 500) i;
SELECT dp.create_dataset('hospital', 10, 1e-6, capacity => 2000);
SELECT dp.protect('patients', 'hospital', 'id');
CREATE ROLE alice LOGIN;
SELECT dp.harden(apply => true);
SELECT dp.grant_analyst('alice', 'hospital', 1);
SQL

srand(20260101);
my ($seen, $missing, $killed_early, $marker) = (0, 0, 0, 0);
my $last = checkpoint($node, 'postgres');

sub start_again
{
	my ($old) = @_;

	for (1 .. 600)
	{
		last unless kill 0, $old;
		sleep 0.05;
	}
	for (1 .. 100)
	{
		return if $node->start(fail_ok => 1);
		sleep 0.2;
	}
	die 'the server does not start again';
}

for my $round (1 .. $rounds)
{
	my $file = PostgreSQL::Test::Utils::tempdir() . '/queries.sql';
	my $out = '';
	my $err = '';

	open(my $script, '>', $file) or die "$file: $!";
	print $script "SET dp.epsilon = 0.002;\n";
	print $script "SET dp.repeats = off;\n" if $round % 2;
	for (1 .. 400)
	{
		$marker++;
		# Each in a transaction that is rolled back: that must not matter
		print $script "BEGIN; SELECT 'answer $marker ' || count(*) FROM patients /* marker $marker */ WHERE county < 4; ROLLBACK;\n";
	}
	close $script;
	my $session = start([ 'psql', '-X', '-A', '-t', '-q', '-U', 'alice', '-d', $node->connstr('postgres'), '-f', $file ],
		'>', \$out, '2>', \$err);
	sleep 0.15 + rand(0.25);
	my ($pid) = slurp_file($node->data_dir . '/postmaster.pid') =~ /^(\d+)/;
	$node->kill9;
	eval { finish($session) };
	start_again($pid);
	$last = tree_extends($node, 'postgres', $last, "kill $round");

	my @answers = $out =~ /^answer (\d+) -?\d+$/mg;
	$killed_early++ if @answers < 400;
	$seen += @answers;
	next unless @answers;
	my $booked = $node->safe_psql('postgres', "SELECT substring(statement FROM 'marker (\\d+)') FROM dp.releases WHERE statement LIKE '%marker%'");
	my %booked = map { $_ => 1 } split /\n/, $booked;
	$missing += grep { !$booked{$_} } @answers;
}

note("$rounds kills, $killed_early of them while the analyst was asking, $seen answers seen");
is($missing, 0, 'every answer that was seen has its entry');
cmp_ok($killed_early, '>', $rounds / 2, 'the server was killed in the middle of the work');
cmp_ok($seen, '>', $rounds, 'answers were seen');
my $entries = $node->safe_psql('postgres', "SELECT count(*) FROM dp.releases WHERE kind = 'release'");
cmp_ok($node->safe_psql('postgres', "SELECT count(*) FROM dp.releases WHERE kind = 'repeat'"), '>', $rounds, 'answers were given again');
is($node->safe_psql('postgres', "SELECT count(*) FROM dp.statement('hospital', 6)"), $entries,
	'an owner who matched was charged in every entry of a release, and in no other');
is($node->safe_psql('postgres', q{SELECT count(*) FROM dp.releases r FULL JOIN (SELECT * FROM dp.ledger WHERE kind IN ('release', 'repeat', 'left out')) l
	USING (seq) WHERE l.kind IS DISTINCT FROM r.kind}), 0, 'each answer has its entry in the log, and each entry its answer');
my $boots = $node->safe_psql('postgres', q{SELECT count(*) FROM dp.ledger WHERE kind = 'boot'});
ok($boots > $rounds / 2 && $boots <= $rounds + 1, 'each start that was followed by an answer has its entry, once');
verify_is_clean($node, 'postgres', 'after all');
$node->stop;

done_testing();
