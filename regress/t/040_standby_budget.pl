# flavour: test
#
# A standby answers nothing; promoted, it goes on with the book.  With a
# synchronous standby an answer waits until that standby has the charge.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use EpsServer;
use IPC::Run qw(start finish);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

my $node = new_server('primary', conf => 'dp.writer_idle = 600');
make_book($node, 'postgres');
my $admit = "SELECT dp_test.admit('hospital', ARRAY[1, 2], 1)";

$node->safe_psql('postgres', $admit);
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;

fails_with($standby, 'postgres', $admit, qr/PV006.*standby/s, 'a standby answers nothing');
fails_with($standby, 'postgres', "SELECT dp.set_limit('hospital', 1, 0.5)", qr/PV006/, 'nor does it take limits');
is(writer_pid($standby, 'postgres'), '', 'no writer there');

# --- synchronous ------------------------------------------------------------------

$node->safe_psql('postgres', "ALTER SYSTEM SET synchronous_standby_names = 'standby'; ALTER SYSTEM SET synchronous_commit = local");
$node->reload;
ok(wait_for($node, 'postgres', "SELECT sync_state = 'sync' FROM pg_stat_replication", 30), 'the standby is synchronous');
is($node->safe_psql('postgres', $admit), 2, 'an answer, with the standby there');
my $lsn = $node->safe_psql('postgres', "SELECT pg_current_wal_flush_lsn()");

$standby->stop('fast');
my ($out, $err) = ('', '');
my $session = start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', $admit ], '>', \$out, '2>', \$err);
ok(wait_for($node, 'postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'", 30),
	'without the standby the writer waits for it');
sleep 0.5;
is($out, '', 'and the answer waits too, though synchronous_commit is local');
$standby->start;
finish($session);
is($out, "2\n", 'with the standby back it is given');

$standby->stop('fast');
($out, $err) = ('', '');
$session = start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', $admit ], '>', \$out, '2>', \$err);
wait_for($node, 'postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'", 30);
$node->safe_psql('postgres', 'SELECT pg_terminate_backend(' . writer_pid($node, 'postgres') . ')');
eval { finish($session) };
like($err, qr/the ledger could not be written/, 'a writer ended in the middle of the wait: no answer');
$node->safe_psql('postgres', 'ALTER SYSTEM RESET synchronous_standby_names');
$node->reload;
is($node->safe_psql('postgres', $admit), 2, 'the next one works');
is($node->safe_psql('postgres', "SELECT count(*) FROM dp.statement('hospital', 1)"), 5, 'every charge is there once');
verify_is_clean($node, 'postgres', 'the primary');

# --- promoted --------------------------------------------------------------------------

$standby->start;
$node->wait_for_catchup($standby);
$node->stop('immediate');
$standby->promote;
is($standby->safe_psql('postgres', $admit), 2, 'promoted, it answers');
is($standby->safe_psql('postgres', "SELECT count(*) FROM dp.statement('hospital', 1)"), 6, 'from the book that it received');
verify_is_clean($standby, 'postgres', 'the promoted server');
$standby->stop;
done_testing();
