# flavour: test
#
# Answers that are given again, across restarts and crashes: never an answer without
# the charge of its release, and never a repeat without its entry; what a crash
# loses is the stored answer, and costs the analyst alone.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use EpsServer;
use IPC::Run qw(start finish);
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

my $node = new_server('release_repeats');
my $question = 'SELECT count(*) FROM patients WHERE county = ';

$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION pg_epsilon;
SELECT dp.harden(apply => true);
CREATE TABLE patients (id int PRIMARY KEY, county int NOT NULL CHECK (county BETWEEN 1 AND 50));
INSERT INTO patients SELECT i, 1 + i % 50 FROM generate_series(1, 500) i;
SELECT dp.create_dataset('hospital', 10, 1e-6, capacity => 2000);
SELECT dp.protect('patients', 'hospital', 'id');
CREATE ROLE alice LOGIN;
SELECT dp.grant_analyst('alice', 'hospital', 1);
SQL

sub ask
{
	my ($county) = @_;

	return $node->safe_psql('postgres', $question . $county, extra_params => [ '-U', 'alice' ]);
}

sub kinds
{
	return $node->safe_psql('postgres', "SELECT count(*) FILTER (WHERE kind = 'release') || ' ' || count(*) FILTER (WHERE kind = 'repeat') FROM dp.releases");
}

sub used
{
	return $node->safe_psql('postgres', 'SELECT units_used, repeats FROM dp.quota()', extra_params => [ '-U', 'alice' ]);
}

sub start_again
{
	my ($pid) = slurp_file($node->data_dir . '/postmaster.pid') =~ /^(\d+)/;

	$node->kill9;
	for (1 .. 600)
	{
		last unless kill 0, $pid;
		sleep 0.05;
	}
	for (1 .. 100)
	{
		return if $node->start(fail_ok => 1);
		sleep 0.2;
	}
	die 'the server does not start again';
}

# An analyst asks, and the process that waits at the point is killed with kill -9
sub kill_at
{
	my ($point, $who, $county) = @_;
	my ($out, $err) = ('', '');
	my $from = -s $node->logfile;

	set_point($node, "$point:wait");
	my $session = start([ 'psql', '-X', '-A', '-t', '-q', '-U', 'alice', '-d', $node->connstr('postgres'), '-c', $question . $county ],
		'>', \$out, '2>', \$err);
	ok($node->wait_for_log("test point $point", $from), "$point: reached");
	my $pid = $who eq 'writer' ? writer_pid($node, 'postgres') :
		$node->safe_psql('postgres', "SELECT pid FROM pg_stat_activity WHERE usename = 'alice'");
	kill 'KILL', $pid;
	eval { finish($session) };
	restart_after_crash($node);
	set_point($node, '');
	$out =~ s/\s//g;
	return $out;
}

# Restart
my $first = ask(1);
is(ask(1), $first, 'an answer is given again');
my $before = used();
$node->restart;
is(used(), $before, 'quota and number of repeats are read back');
is(ask(1), $first, 'after a restart too');
is(kinds(), '1 2', 'one release, two repeats');

# Between charge and store: the charge stays, the answer is lost
is(kill_at('booked', 'backend', 2), '', 'killed after the charge: no answer');
is(kinds(), '2 2', 'but a charge');
$first = ask(2);
is(kinds(), '3 2', 'asked again, charged again');
is(ask(2), $first, 'then it is there');
verify_is_clean($node, 'postgres', 'after a crash between charge and store');

# The answer is handed over, and not stored yet
is(kill_at('handed', 'backend', 3), '', 'killed when the answer was handed over: no answer');
is(kinds(), '4 3', 'but a charge');
$first = ask(3);
is(ask(3), $first, 'asked again and again, one answer');
verify_is_clean($node, 'postgres', 'after a crash before the store');

# A repeat that is published and not on disk: nothing was given
$before = kinds();
is(kill_at('batch', 'writer', 1), '', 'killed before the entry of a repeat is on disk: no answer');
is(kinds(), $before, 'and no entry');
ok(ask(1) ne '', 'asked again');

# A repeat on disk whose answer did not leave
is(kill_at('booked', 'backend', 1), '', 'killed after the entry of a repeat: no answer');
verify_is_clean($node, 'postgres', 'after a crash within a repeat');

# At once after an answer was seen: its charge is there, its answer may be
for my $county (10 .. 19)
{
	$first = ask($county);
	start_again();
	my $charged = $node->safe_psql('postgres', "SELECT count(*) FROM dp.releases WHERE kind = 'release' AND statement LIKE '%county = $county%'");
	my $kept = $node->safe_psql('postgres', 'SELECT count(*) FROM dp_book.answer a JOIN dp_book.entry e USING (seq) ' .
		"WHERE e.statement LIKE '%county = $county%'");
	my $again = ask($county);

	is($charged, 1, "county $county: seen and charged") or last;
	is($again eq $first ? 'same' : 'another', 'same', "county $county: kept, so given again") if $kept;
	is($node->safe_psql('postgres', "SELECT count(*) FROM dp.releases WHERE kind = 'release' AND statement LIKE '%county = $county%'"),
		$kept ? 1 : 2, "county $county: " . ($kept ? 'free' : 'lost, so charged again'));
}
verify_is_clean($node, 'postgres', 'after all crashes');

# The store is bounded: the oldest answers make room
$node->append_conf('postgresql.conf', 'dp.max_answers = 3');
$node->restart;
ask($_) for 30 .. 34;
ask(34);
is($node->safe_psql('postgres', 'SELECT count(*) FROM dp_book.answer'), 3, 'no more answers than dp.max_answers');
is($node->safe_psql('postgres', "SELECT string_agg(substring(statement FROM 'county = (\\d+)'), ' ' ORDER BY seq) FROM dp_book.answer JOIN dp_book.entry USING (seq)"),
	'32 33 34', 'the youngest ones');

# An answer too long to be kept is charged each time, and given all the same
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE words (id int PRIMARY KEY, word text);
SELECT dp.protect('words', 'hospital', 'id');
SELECT dp.set_domain('words', 'word', (SELECT array_agg(repeat('w', 300) || i) FROM generate_series(1, 2000) i), 'a test');
SQL
my $long = 'SELECT word, count(*) FROM words GROUP BY word';
$before = kinds();
is(scalar(split(/\n/, $node->safe_psql('postgres', $long, extra_params => [ '-U', 'alice' ]))), 2001, 'a long answer') for 1 .. 2;
is((split(/ /, kinds()))[0], (split(/ /, $before))[0] + 2, 'is not kept');
verify_is_clean($node, 'postgres', 'at the end');
$node->stop;

done_testing();
