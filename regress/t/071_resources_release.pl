# flavour: release
#
# Limits of memory, disk and time (rule 35): whatever gives out while rows are read,
# the client sees one message and loses the session; numbers of owners beyond the
# capacity do not matter.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use EpsServer;
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('resources', conf => "log_error_verbosity = terse\nlog_statement = none\nlog_min_error_statement = panic\nlog_line_prefix = ''");

$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION pg_epsilon;
SELECT dp.harden(apply => true);
CREATE TABLE patients (id int PRIMARY KEY);
INSERT INTO patients SELECT i FROM generate_series(1, 5000) i;
CREATE TABLE visits (pid int NOT NULL, note text, cost int CHECK (cost BETWEEN 0 AND 10));
INSERT INTO visits SELECT i % 500, md5(i::text) || md5((-i)::text), 1 FROM generate_series(1, 600000) i;
CREATE TABLE few (pid int NOT NULL, note text);
INSERT INTO few SELECT i % 500, 'x' || i % 3 FROM generate_series(1, 2000) i;
SELECT dp.create_dataset('hospital', 10, 1e-6, capacity => 1000, rows_per_owner => 4);
SELECT dp.protect('visits', 'hospital', 'pid', groups_per_owner => 4);
SELECT dp.protect('few', 'hospital', 'pid', groups_per_owner => 4);
SELECT dp.create_dataset('all', 10, 1e-6, capacity => 1000, rows_per_owner => 4);
SELECT dp.protect('patients', 'all', 'id');
CREATE TABLE calls (pid int NOT NULL);
INSERT INTO calls SELECT i FROM generate_series(1, 5000) i, generate_series(1, 2);
SELECT dp.protect('calls', 'all', 'pid');
CREATE ROLE alice LOGIN;
ALTER ROLE alice SET dp.repeats = off;
SELECT dp.grant_analyst('alice', d, 1) FROM unnest(ARRAY['hospital', 'all']) d;
ANALYZE;
SQL

my $grouped = 'SELECT note, count(*) FROM visits GROUP BY note';
my $joined = 'SELECT count(*) FROM visits v JOIN visits w ON w.pid = v.pid WHERE v.cost = 1 AND w.note > v.note';

sub entries
{
	return $node->safe_psql('postgres', 'SELECT count(*) FROM dp.releases');
}

# What alice sees of a query; before it runs, $at_start is called with her process id
sub ask
{
	my ($query, $at_start) = @_;
	my ($out, $in) = ('', '');
	my $session = IPC::Run::start([ 'psql', '-X', '-A', '-t', '-q', '-v', 'VERBOSITY=verbose', '-U', 'alice', '-d', $node->connstr('postgres') ],
		'<', \$in, '>', \$out, '2>&1', IPC::Run::timeout(120));

	$in .= "SELECT 'process ' || pg_backend_pid();\nSET dp.epsilon = 0.05;\nSET dp.repeats = off;\n";
	$session->pump until $out =~ /process (\d+)\n/;
	my $pid = $1;
	$out = '';
	$at_start->($pid) if $at_start;
	$in .= "$query;\nSELECT 'still here';\n";
	eval { $session->finish };
	$out =~ s/LOCATION: .*\n//g;
	return $out;
}

my %said;

# Fails in the one way in which a release fails for its rows
sub fails
{
	my ($name, $query, $at_start) = @_;
	my $before = entries();
	my $out = ask($query, $at_start);

	like($out, qr/FATAL:  53000: a private aggregate could not be completed/, "$name: the message");
	unlike($out, qr/still here/, "$name: the session has ended");
	$said{$out}++;
	return entries() - $before;
}

sub set_for_alice
{
	my ($name, $value) = @_;

	$node->safe_psql('postgres', defined $value ? "ALTER ROLE alice SET $name = '$value'" : "ALTER ROLE alice RESET $name");
}

sub limits
{
	my @limit = @_;

	return sub { system_or_bail('prlimit', '--pid', $_[0], @limit) };
}

# --- it works without a limit -------------------------------------------------------------

like(ask('SET dp.epsilon = 0.9; SELECT note, count(*) > 0 FROM few GROUP BY note'), qr/x0\|t.*still here/s, 'without a limit there is an answer');

# --- disk -----------------------------------------------------------------------------------

set_for_alice('work_mem', '64kB');
set_for_alice('temp_file_limit', '1MB');
is(fails('temp_file_limit', 'SELECT sum(cost) FROM visits'), 0, 'temp_file_limit: nobody was charged');
is(fails('temp_file_limit, join', $joined), 0, 'temp_file_limit, join: nobody was charged');
set_for_alice('temp_file_limit');

SKIP:
{
	skip 'there is no prlimit', 6 unless -x '/usr/bin/prlimit';

	# A disk that takes no more, from 20 MB of one file: more than a file of the write-ahead log has
	is(fails('disk', $joined, limits('--fsize=20000000')), 0, 'disk: nobody was charged');
	set_for_alice('work_mem');

	# Memory that is used up when the rows are met
	my $more = sub {
		my ($pid) = @_;
		my ($kb) = slurp_file("/proc/$pid/status") =~ /VmSize:\s+(\d+)/;

		limits('--as=' . ($kb + 40000) * 1024)->($pid);
	};
	is(fails('memory', $grouped, $more), 0, 'memory: nobody was charged');
}

# --- groups -----------------------------------------------------------------------------------

like(ask('SET dp.group_memory = 64'), qr/42501/, 'an analyst may not set dp.group_memory');
set_for_alice('work_mem');
set_for_alice('dp.group_memory', '10MB');
is(fails('groups', $grouped), 1, 'groups: whoever was read was charged');
cmp_ok($node->safe_psql('postgres', "SELECT sum(n) FROM generate_series(1, 20) p, LATERAL (SELECT count(*) AS n FROM dp.statement('hospital', p)) s"), '>', 0,
	'groups: their statements show it');
like(ask('SET dp.epsilon = 0.9; SELECT note, count(*) > 0 FROM few GROUP BY note'), qr/x0\|t.*still here/s, 'few groups are answered');
like(ask('SELECT cost, count(*) > 0 FROM visits GROUP BY cost'), qr/\n10\|[tf]\n.*still here/s, 'a public domain as well');
set_for_alice('dp.group_memory');

is(scalar(keys %said), 1, 'all failures look alike') or diag(join("\n", keys %said));
ok(slurp_file($node->logfile) !~ /temporary file|File too large|could not write/, 'the log does not say what gave out');

# --- owners beyond the capacity ------------------------------------------------------------------

for my $table ('patients', 'calls')
{
	my ($column) = $table eq 'patients' ? 'id' : 'pid';
	my ($people) = ask("SELECT count(DISTINCT $column) FROM $table") =~ /^(-?\d+)$/m;

	cmp_ok(abs($people - 1000), '<', 500, "$table: as many owners take part as there is room for ($people)");
}
is($node->safe_psql('postgres', "SELECT sum(length(keys)) / 16 FROM dp_book.account_chunk c JOIN dp_book.dataset d USING (dataset_id) WHERE d.name = 'all'"),
	1000, 'and no more have accounts');
verify_is_clean($node, 'postgres', 'after all');
$node->stop;

done_testing();
