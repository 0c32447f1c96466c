# flavour: release
#
# More databases than background worker slots: the writer that has had nothing to do
# for longest gives up its slot, and no database is refused.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use EpsServer;
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;

# Beside the one that the clock has; the launcher of logical replication takes none here
my $slots = 17;
my $node = new_server('slots', conf => "max_worker_processes = " . ($slots + 1) . "\nmax_logical_replication_workers = 0\nmax_connections = 60\ndp.writer_idle = 3600");
my @databases = map { "db$_" } 1 .. $slots + 2;

$node->safe_psql('postgres', 'CREATE EXTENSION pg_epsilon; CREATE TABLE patients (id int PRIMARY KEY)');
for my $database (@databases)
{
	$node->safe_psql('postgres', "CREATE DATABASE $database TEMPLATE postgres");
	$node->safe_psql($database, "SELECT dp.create_dataset('hospital', 1, 1e-9, capacity => 1000); SELECT dp.protect('patients', 'hospital', 'id')");
}

# Needs the writer of its database
sub use_writer
{
	my ($database) = @_;

	$node->safe_psql($database, "SELECT dp.set_limit('hospital', 1, 0.5)");
	return writer_pid($node, $database);
}

sub writers
{
	return $node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_epsilon ledger writer'");
}

# --- others have taken them --------------------------------------------------------------

$node->safe_psql('postgres', <<"SQL");
ALTER SYSTEM SET max_parallel_workers = $slots;
SELECT pg_reload_conf();
CREATE TABLE slow (a text) WITH (parallel_workers = $slots);
ALTER TABLE slow ALTER a SET STORAGE PLAIN;
INSERT INTO slow SELECT repeat('x', 8000) FROM generate_series(1, 400);
SQL
$node->safe_psql('postgres', "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE backend_type = 'pg_epsilon ledger writer'");
my $said = '';
my $query = "SET max_parallel_workers_per_gather = $slots; SET parallel_setup_cost = 0; SELECT count(*) FROM slow WHERE pg_sleep(0.5) IS NOT NULL";
my $busy = IPC::Run::start([ 'psql', '-X', '-d', $node->connstr('postgres'), '-c', $query ], '>', \$said, '2>&1');
ok(wait_for($node, 'postgres', "SELECT count(*) = $slots FROM pg_stat_activity WHERE backend_type = 'parallel worker'"), 'others take every slot');
fails_with($node, 'db1', "SELECT dp.set_limit('hospital', 1, 0.5)", qr/PV006.*no background worker slot is free.*max_worker_processes/s,
	'where no writer could give up a slot a release is refused');
$node->safe_psql('postgres', "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep%' AND pid <> pg_backend_pid()");
IPC::Run::finish($busy);

# --- writers have ---------------------------------------------------------------------------

my %pid = map { $_ => use_writer($_) } @databases[ 0 .. $slots - 1 ];
is(writers(), $slots, 'every slot is taken');
is(use_writer('db1'), $pid{db1}, 'a writer stays while nobody needs its slot');

isnt(use_writer($databases[$slots]), '', 'one more database has its writer');
is(writer_pid($node, 'db2'), '', 'in the slot of the one that was idle for longest');
is(writer_pid($node, $_), $pid{$_}, "the writer of $_ has stayed") for ('db1', 'db3', "db$slots");

isnt(use_writer($databases[ $slots + 1 ]), '', 'and another');
isnt(use_writer('db2'), '', 'the first one comes back');
is(writers(), $slots, 'every slot is taken again');

# Several at once
my $file = write_key($node->basedir . '/script.sql', "SELECT dp.set_limit('hospital', 2, 0.25);\n");
my %said = map { $_ => '' } @databases;
my %running = map { $_ => IPC::Run::start([ 'pgbench', '-n', '-c', 1, '-t', 20, '-f', $file, $node->connstr($_) ], '>', '/dev/null', '2>', \$said{$_}) } @databases;
for my $database (@databases)
{
	ok(IPC::Run::finish($running{$database}), "all at once: $database is served") or diag($said{$database});
}
verify_is_clean($node, 'db2', 'after that');
$node->stop;

done_testing();
