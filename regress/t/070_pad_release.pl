# flavour: release
#
# Answers at public times (rule 34): durations cluster at multiples of the quantum
# and do not tell a database from the one without an owner; errors, cancels,
# terminations, waits and transaction numbers show no more.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use EpsServer;
use IPC::Run qw(start finish);
use List::Util qw(sum max min shuffle);
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $rounds = $ENV{EPS_PAD_ROUNDS} // 110;
my $quantum = 120;
my $node = new_server('pad_release', conf => "max_parallel_workers_per_gather = 2\nmin_parallel_table_scan_size = 0\nparallel_setup_cost = 0\nparallel_tuple_cost = 0\nlog_line_prefix = '%n '\nlog_error_verbosity = verbose");

$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION pg_epsilon;
SELECT dp.harden(apply => true);
CREATE TABLE with_owner (pid int NOT NULL, cost int CHECK (cost BETWEEN 0 AND 10));
INSERT INTO with_owner SELECT i % 1000, 1 FROM generate_series(1, 4000) i;
CREATE TABLE without_owner (LIKE with_owner INCLUDING ALL);
INSERT INTO without_owner SELECT * FROM with_owner;
-- One owner's rows alone
INSERT INTO with_owner SELECT 5000, 1 FROM generate_series(1, 60000);
CREATE TABLE many (pid int NOT NULL, cost int CHECK (cost BETWEEN 0 AND 10));
INSERT INTO many SELECT i % 100, 1 FROM generate_series(1, 50000) i;
CREATE TABLE county (id int PRIMARY KEY);
INSERT INTO county VALUES (1), (2), (3);
SELECT dp.create_dataset('hospital', 10, 1e-6, capacity => 5000, rows_per_owner => 4);
SELECT dp.protect('with_owner', 'hospital', 'pid');
SELECT dp.protect('without_owner', 'hospital', 'pid');
SELECT dp.protect('many', 'hospital', 'pid');
SELECT dp.declare_public('county');
ANALYZE;
CREATE ROLE alice LOGIN;
SELECT dp.grant_analyst('alice', 'hospital', 1);
GRANT SELECT ON county TO alice;
CREATE ROLE sam LOGIN IN ROLE dp_steward;
SQL

# What psql says of a script of alice's, times included
sub start_alice
{
	my ($script) = @_;
	my %session = (out => '', from => time());
	my $file = PostgreSQL::Test::Utils::tempdir() . '/alice.sql';

	open(my $to, '>', $file) or die "$file: $!";
	print $to "\\set VERBOSITY verbose\nSET dp.epsilon = 0.001;\nSET dp.repeats = off;\n\\timing on\n$script";
	close $to;
	$session{run} = start([ 'psql', '-X', '-A', '-t', '-q', '-U', 'alice', '-d', $node->connstr('postgres'), '-f', $file ],
		'>', \$session{out}, '2>&1');
	return \%session;
}

sub end_alice
{
	my ($session) = @_;

	eval { finish($session->{run}) };
	return $session->{out};
}

sub alice
{
	return end_alice(start_alice(@_));
}

sub taken
{
	return $_[0] =~ /^Time: ([0-9.]+) ms/mg;
}

sub welch
{
	my ($a, $b) = @_;
	my @part = map {
		my $mean = sum(@$_) / @$_;
		[ $mean, sum(map { ($_ - $mean)**2 } @$_) / (@$_ - 1) / @$_ ]
	} ($a, $b);

	return ($part[0][0] - $part[1][0]) / sqrt($part[0][1] + $part[1][1] + 1e-12);
}

# Times of both tables, asked in turns in a random order; t of times and of their squares
sub compare
{
	my ($n) = @_;
	my @order = map { shuffle('with_owner', 'without_owner') } 1 .. $n;
	my @times = taken(alice(join('', map { "SELECT sum(cost) > 0 FROM $_;\n" } 'without_owner', 'with_owner', @order)));
	my %of;

	is(scalar(@times), 2 * $n + 2, 'every question was answered');
	splice(@times, 0, 2);
	push @{ $of{ $order[$_] } }, $times[$_] for 0 .. $#order;
	my $mean = sum(@times) / @times;
	my @second = map { [ map { ($_ - $mean)**2 } @{ $of{$_} } ] } qw(with_owner without_owner);
	return (welch($of{with_owner}, $of{without_owner}), welch(@second), @times);
}

# How far past a multiple of the quantum, and of which
sub past
{
	my ($ms, $of) = @_;
	my $k = int($ms / $of);

	return ($k, $ms - $k * $of);
}

srand(20260101);

# --- without padding ---------------------------------------------------------------------------

my ($t) = compare(40);
cmp_ok(abs($t), '>', 4.5, "without padding times tell the owner's rows (t = $t)");

# --- who may set it -----------------------------------------------------------------------------

like(alice("SELECT dp.set_pad('hospital', '1 s');"), qr/42501.*permission denied/, 'an analyst may not set times');
like(alice('SET dp.pad = off;'), qr/55P02/, 'nor switch padding off');
$node->safe_psql('postgres', "SELECT dp.set_pad('hospital', '$quantum ms', '" . 4 * $quantum . " ms')", extra_params => [ '-U', 'sam' ]);
like(alice('EXPLAIN SELECT count(*) FROM with_owner;'), qr/Answers Leave: every 120 ms, up to 480 ms/, 'EXPLAIN shows the times');

# --- answers ------------------------------------------------------------------------------------

my ($second, @times);
($t, $second, @times) = compare($rounds);
cmp_ok(abs($t), '<', 4.5, "padded times do not tell the owner's rows (t = $t)");
cmp_ok(abs($second), '<', 4.5, "nor do their squares (t = $second)");
my @near = grep { my ($k, $ms) = past($_, $quantum); $k >= 1 && $ms < 15 } @times;
cmp_ok(scalar(@near), '>', 0.6 * @times, sprintf('%d of %d times are just above a multiple', scalar(@near), scalar(@times)));
cmp_ok(min(@times), '>=', $quantum, 'none is below the quantum');

my $out = alice("SELECT (SELECT count(*) FROM with_owner) > 0, (SELECT count(*) FROM without_owner) > 0;\n"
	. "BEGIN; DECLARE c CURSOR FOR SELECT cost, count(*) > 0 FROM with_owner GROUP BY cost ORDER BY 1;\n"
	. "FETCH 1 FROM c;\nFETCH 3 FROM c;\nCOMMIT;\n"
	. "WITH x AS MATERIALIZED (SELECT id FROM county) SELECT (SELECT count(*) > 0 FROM with_owner WHERE cost IN (SELECT id FROM x)), (SELECT count(*) FROM x), (SELECT max(id) FROM x);\n");
unlike($out, qr/ERROR|FATAL|WARNING/, 'several releases, a cursor, a CTE');
like($out, qr/^\w\|3\|3$/m, 'a CTE below a release is read again above it');
@times = taken($out);
cmp_ok($times[0], '>=', 2 * $quantum, 'each charge waits for its own point');
cmp_ok($times[3], '>=', $quantum, 'the first fetch of a cursor is padded');
cmp_ok($times[4], '<', $quantum, 'later ones are released already');

# --- errors --------------------------------------------------------------------------------------

$quantum = 400;
$node->safe_psql('postgres', "SELECT dp.set_pad('hospital', '$quantum ms', '" . 2 * $quantum . " ms')", extra_params => [ '-U', 'sam' ]);

# Ends with this code, just after a multiple that is not the first ones
sub leaves_at
{
	my ($text, $pattern, $least, $name) = @_;
	my @t = taken($text);
	my ($moment, $ms) = past($t[-1], $quantum);

	like($text, $pattern, $name);
	cmp_ok($ms, '<', 40, sprintf('%s: at a moment (%.1f ms)', $name, $t[-1]));
	cmp_ok($moment, '>=', $least, sprintf('%s: not before moment %d', $name, $least));
}

sub entries
{
	return $node->safe_psql('postgres', 'SELECT count(*) FROM dp.releases');
}

my $before = entries();
my $heavy = 'SELECT sum(a.cost) > 0 FROM many a JOIN many b ON b.pid = a.pid JOIN many c ON c.pid = b.pid;';
leaves_at(alice($heavy), qr/PV014: the answer is withheld/, 2, 'an answer that is not ready by the deadline');
is(entries(), $before + 1, 'it is charged');
cmp_ok($node->safe_psql('postgres', "SELECT count(*) FROM dp.statement('hospital', 1)"), '>', 0, 'and so are the owners that were read');

my $caught = "DO \$\$ BEGIN PERFORM sum(a.cost) FROM many a JOIN many b ON b.pid = a.pid JOIN many c ON c.pid = b.pid;"
	. " EXCEPTION WHEN SQLSTATE 'PV014' THEN RAISE NOTICE 'caught'; END \$\$;";
leaves_at(alice($caught), qr/caught/, 2, 'a handler sees it then');

my $cancel = qr/57014: canceling statement due to statement timeout/;
leaves_at(alice("SET statement_timeout = '150ms';\nSELECT count(*) FROM without_owner;"), $cancel, 1, 'a cancel after the work');
leaves_at(alice("SET statement_timeout = '150ms';\n$heavy"), $cancel, 1, 'a cancel in the middle of the work');
$before = entries();
alice("SET statement_timeout = '150ms';\nSELECT count(*) FROM without_owner;");
is(entries(), $before + 1, 'what was cancelled is charged');

# What was asked before is answered at once, unless it was withheld or cancelled
my $again = "SET dp.repeats = on;\nSELECT count(*) > 0 FROM without_owner WHERE cost < 9;\n";
alice("SET statement_timeout = '150ms';\n$again");
cmp_ok((taken(alice($again)))[-1], '>=', $quantum, 'what was cancelled was not kept, whether it was ready or not');
cmp_ok((taken(alice($again)))[-1], '<', $quantum, 'a repeat reads nothing, and is not padded');

# A request to terminate
for my $case ([ 'SELECT count(*) FROM without_owner;', 'after the work' ], [ $heavy, 'in the middle of it' ])
{
	my ($query, $name) = @$case;
	my $session = start_alice("$query\n");

	wait_for($node, 'postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE usename = 'alice' AND state = 'active' AND query LIKE '%FROM%'");
	my $asked = $node->safe_psql('postgres', "SELECT extract(epoch FROM query_start), pg_sleep(greatest(0, 0.06 - extract(epoch FROM clock_timestamp() - query_start))), extract(epoch FROM clock_timestamp()), pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'alice'");
	my $text = end_alice($session);
	my ($ended) = (slurp_file($node->logfile) =~ /^([0-9.]+) FATAL:  57P01/mg)[-1];
	my ($from, undef, $sent) = split /\|/, $asked;
	my $ms = 1000 * ($ended - $from);
	my $moment = (1 + int(1000 * ($sent - $from) / $quantum)) * $quantum;

	like($text, qr/57P01|connection to server was lost/, "terminated $name");
	# query_start and the log's times are of milliseconds
	cmp_ok((past($ms + 2, $quantum))[1], '<', 40, sprintf('terminated %s: at the end of a quantum (%.1f ms)', $name, $ms));
	cmp_ok($ms + 2, '>=', $moment, "terminated $name: not before");
}

# --- what other sessions see ------------------------------------------------------------------------

$node->safe_psql('postgres', "SELECT dp.set_pad('hospital', '2 s', '2 s')", extra_params => [ '-U', 'sam' ]);

# A row each few milliseconds while alice asks: how long she has been asking, what she waits for, her workers, transaction numbers
my $watch = <<'SQL';
DO $$
DECLARE
	first_xid text := NULL; xid text; changed float8 := NULL; waits text[] := '{}'; workers int := 0; me record;
BEGIN
	FOR i IN 1 .. 4000 LOOP
		PERFORM pg_stat_clear_snapshot();
		SELECT a.wait_event, extract(epoch FROM clock_timestamp() - a.query_start) * 1000 AS ms,
			(SELECT count(*) FROM pg_stat_activity w WHERE w.backend_type = 'parallel worker') AS workers
			INTO me FROM pg_stat_activity a WHERE a.usename = 'alice' AND a.state = 'active' AND a.query LIKE '%with_owner%';
		xid := pg_snapshot_xmax(pg_current_snapshot())::text;
		IF me.ms > 400 THEN
			first_xid := coalesce(first_xid, xid);
			changed := coalesce(changed, CASE WHEN xid <> first_xid THEN me.ms END);
			IF me.ms < 1400 AND NOT coalesce(me.wait_event, 'none') = ANY (waits) THEN	-- before it charges
				waits := waits || coalesce(me.wait_event, 'none');
			END IF;
			workers := workers + me.workers;
		ELSIF first_xid IS NOT NULL THEN
			EXIT;
		END IF;
		PERFORM pg_sleep(0.002);
	END LOOP;
	RAISE NOTICE 'waits % workers % charged at %', waits, workers, changed;
END
$$;
SQL
my $session = start_alice("SELECT sum(cost) > 0 FROM with_owner;\n");
my ($rc, $stdout, $stderr) = $node->psql('postgres', $watch);
end_alice($session);
like($stderr, qr/waits \{Extension\} workers 0 /, 'one wait event, no workers');
my ($charged) = $stderr =~ /charged at ([0-9.]+)/;
cmp_ok($charged // 0, '>=', 1500, 'the ledger is written at three quarters of the quantum');
cmp_ok($charged // 0, '<', 1700, 'and not later');

# --- by a setting of the server -------------------------------------------------------------------------

$node->safe_psql('postgres', "SELECT dp.create_dataset('other', 1, 1e-6, capacity => 200000, rows_per_owner => 10);"
	. 'CREATE TABLE other (id int); SELECT dp.protect(\'other\', \'other\', \'id\'); SELECT dp.grant_analyst(\'alice\', \'other\', 1)');
unlike(alice('EXPLAIN SELECT count(*) FROM other;'), qr/Answers Leave/, 'a data set is not padded by itself');
$node->append_conf('postgresql.conf', 'dp.pad = on');
$node->restart;
like(alice('EXPLAIN SELECT count(*) FROM other;'), qr/Answers Leave: every 1024 ms, up to 4096 ms/,
	'with dp.pad it is, by its capacity and rows per owner');
like(alice('EXPLAIN SELECT count(*) FROM with_owner;'), qr/Answers Leave: every 2000 ms/, 'what a steward has set stands');
verify_is_clean($node, 'postgres', 'after all');
$node->stop;

done_testing();
