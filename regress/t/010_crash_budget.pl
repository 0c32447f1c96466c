# flavour: test
#
# kill -9 of the backend, the ledger writer and the postmaster at the points
# between reservation and answer: an answer that was seen has its charge on disk
# after the restart, and the book is whole.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use EpsServer;
use IPC::Run qw(start finish);
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

my $node = new_server('crash');
make_book($node, 'postgres');

sub spent
{
	my ($owner) = @_;
	return $node->safe_psql('postgres', "SELECT count(*) FROM dp.statement('hospital', $owner)");
}

# A session that admits owner again and again, and prints a line an answer
sub begin_session
{
	my ($owner, $times, $point) = @_;
	my $session = { out => '', err => '' };
	my $in = "SET dp.test_point = '$point';\n"
		. "SELECT 'pid ' || pg_backend_pid();\n"
		. ("SELECT 'answer' FROM dp_test.admit('hospital', ARRAY[$owner], 1);\n" x $times);

	# A script in a file: psql reads ahead of nothing, and its death is seen
	my $file = PostgreSQL::Test::Utils::tempdir() . '/script.sql';
	open(my $handle, '>', $file) or die "$file: $!";
	print $handle $in;
	close $handle;
	$session->{run} = start([ 'psql', '-X', '-A', '-t', '-q', '-d', $node->connstr('postgres'), '-f', $file ],
		'>', \$session->{out}, '2>', \$session->{err});
	return $session;
}

sub end_session
{
	my ($session) = @_;

	eval { finish($session->{run}) };
	return scalar(() = $session->{out} =~ /^answer$/mg);
}

sub pid_of
{
	my ($session) = @_;

	for (1 .. 400)
	{
		return $1 if $session->{out} =~ /pid (\d+)/;
		$session->{run}->pump_nb;
		sleep 0.025;
	}
	die 'no session: ' . $session->{err};
}

sub wait_for_point
{
	my ($point, $offset) = @_;
	return $node->wait_for_log("test point $point", $offset);
}

sub kill_postmaster
{
	my ($pid) = slurp_file($node->data_dir . '/postmaster.pid') =~ /^(\d+)/;

	$node->kill9;
	return $pid;
}

# Its children end when they notice; until then, and until init has reaped it,
# a new postmaster does not start.
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
		return 1 if $node->start(fail_ok => 1);
		sleep 0.2;
	}
	die 'the server does not start again';
}

# --- one crash at each point -------------------------------------------------

my $owner = 100;

# [where, who is killed, must the charge be there]
my @cases = (
	[ 'published', 'backend',    undef ],
	[ 'batch',     'writer',     0 ],
	[ 'commit',    'writer',     0 ],
	[ 'committed', 'writer',     1 ],
	[ 'booked',    'backend',    1 ],
	[ 'batch',     'backend',    undef ],
	[ 'batch',     'postmaster', 0 ],
	[ 'committed', 'postmaster', 1 ],
	[ 'booked',    'postmaster', 1 ],
);

for my $case (@cases)
{
	my ($point, $victim, $there) = @$case;
	my $in_writer = $point =~ /^(?:batch|commit|committed)$/;
	my $name = "$victim killed at $point";
	my $offset = -s $node->logfile;
	my $postmaster;
	$owner++;

	$node->safe_psql('postgres', "SELECT dp_test.admit('hospital', ARRAY[1], 1)");
	my $before = checkpoint($node, 'postgres');
	set_point($node, "$point:wait") if $in_writer;
	my $session = begin_session($owner, 1, $in_writer ? '' : "$point:wait");
	my $backend = pid_of($session);
	wait_for_point($point, $offset);
	my $writer = writer_pid($node, 'postgres');

	if ($victim eq 'postmaster')
	{
		$postmaster = kill_postmaster();
		# the other children notice by themselves; these two are busy waiting
		kill 'KILL', $backend, $writer;
	}
	else
	{
		kill 'KILL', $victim eq 'backend' ? $backend : $writer;
	}
	is(end_session($session), 0, "$name: no answer");

	if ($victim eq 'postmaster')
	{
		start_again($postmaster);
	}
	else
	{
		ok(restart_after_crash($node), "$name: the server starts over");
	}
	set_point($node, '') if $in_writer;
	my $spent = spent($owner);
	cmp_ok($spent, '<=', 1, "$name: charged once at most");
	is($spent, $there, "$name: " . ($there ? 'the charge is there' : 'nothing was charged')) if defined $there;
	my $after = tree_extends($node, 'postgres', $before, $name);
	cmp_ok($after->{size} - $before->{size}, '<=', 1, "$name: at most the answer's entry was added");
	verify_is_clean($node, 'postgres', $name);
}

# --- many crashes while sessions work ----------------------------------------------

# a third of them are of the postmaster
my $rounds = $ENV{EPS_CRASH_ROUNDS} // 15;
my %answers;
my $last = checkpoint($node, 'postgres');
srand(7);

for my $round (1 .. $rounds)
{
	my @owners = map { 1000 + $round * 10 + $_ } 1 .. 3;
	my @sessions = map { begin_session($_, 2000, '') } @owners;
	my @pids = map { pid_of($_) } @sessions;
	my $kind = $round % 3;

	sleep 0.1 + rand(0.3);
	my $postmaster;
	if ($kind == 0)
	{
		$postmaster = kill_postmaster();
	}
	else
	{
		my $pid = $kind == 1 ? $pids[ int(rand(@pids)) ] : writer_pid($node, 'postgres');
		kill 'KILL', $pid if $pid;
	}
	my $i = 0;
	$answers{ $owners[ $i++ ] } = end_session($_) for @sessions;
	$kind == 0 ? start_again($postmaster) : restart_after_crash($node);
	$last = tree_extends($node, 'postgres', $last, "crash $round");
}
my $missing = 0;
my $seen = 0;
for my $who (sort keys %answers)
{
	my $spent = spent($who);
	$seen += $answers{$who};
	$missing++ if $spent < $answers{$who};
	cmp_ok($spent - $answers{$who}, '<=', 1, "owner $who: at most one charge without an answer");
}
is($missing, 0, "every answer seen has its charge ($seen answers, $rounds crashes)");
cmp_ok($seen, '>', $rounds, 'there were answers');
is($node->safe_psql('postgres', q{SELECT count(*) FROM dp_book.entry e FULL JOIN (SELECT * FROM dp.ledger WHERE kind IN ('release', 'repeat', 'left out')) l
	USING (seq) WHERE l.kind IS DISTINCT FROM e.kind}), 0, 'each answer has its entry in the log, and each entry its answer');
verify_is_clean($node, 'postgres', 'after all crashes');

$node->stop;
done_testing();
