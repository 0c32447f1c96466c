# flavour: test
#
# The ledger writer: it comes when needed, leaves when idle or in the way, and
# where charges cannot be made durable nothing is answered.
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

my $node = new_server('writer', conf => "dp.writer_idle = 1\nmax_wal_senders = 5");
make_book($node, 'postgres');

my $admit = "SELECT dp_test.admit('hospital', ARRAY[1, 2], 1)";
my $running = "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'pg_epsilon ledger writer' AND datname = ";
my $gone = "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'pg_epsilon ledger writer' AND datname = ";

sub spent
{
	my ($owner, $database) = @_;
	return $node->safe_psql($database // 'postgres', "SELECT count(*) FROM dp.statement('hospital', $owner)");
}

# --- it comes and goes -----------------------------------------------------------

is($node->safe_psql('postgres', $admit), 2, 'the first answer starts a writer');
is($node->safe_psql('postgres', "$running 'postgres'"), 't', 'it runs');
ok(wait_for($node, 'postgres', "$gone 'postgres'", 20), 'it leaves when idle');
is($node->safe_psql('postgres', $admit), 2, 'the next answer starts another');
is(spent(1), 2, 'the book has both charges');

$node->append_conf('postgresql.conf', 'dp.writer_idle = 600');
$node->reload;
$node->safe_psql('postgres', $admit);
my $pid = writer_pid($node, 'postgres');
$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
$node->safe_psql('postgres', $admit);
is(writer_pid($node, 'postgres'), $pid, 'it ignores a cancel');
$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid, 10000)");
is($node->safe_psql('postgres', $admit), 2, 'after SIGTERM a new one comes');
isnt(writer_pid($node, 'postgres'), $pid, 'it is another one');

set_point($node, 'batch:wait');
my $offset = -s $node->logfile;
my ($out, $err) = ('', '');
my $session = start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', $admit ], '>', \$out, '2>', \$err);
$node->wait_for_log('test point batch', $offset);
$node->safe_psql('postgres', 'SELECT pg_terminate_backend(' . writer_pid($node, 'postgres') . ')');
let_go($node);
finish($session);
is($out, "2\n", 'SIGTERM amid a batch: the batch is finished, the answer given');
set_point($node, '');
verify_is_clean($node, 'postgres', 'after SIGTERM');

# --- a batch that fails -------------------------------------------------------------

set_point($node, 'batch:error');
my $before = spent(1);
fails_with($node, 'postgres', $admit, qr/PV006.*the ledger could not be written/s, 'a failed batch gives no answer');
is(spent(1), $before, 'its charge is not in the tables');
like($node->safe_psql('postgres', "SELECT detail FROM dp.verify() WHERE check_name LIKE '%but for unresolved%' AND ok"),
	qr/^1 answers unresolved/, 'dp.verify() lists it as unresolved');
is($node->safe_psql('postgres', 'SELECT count(*) FROM dp.verify() WHERE NOT ok'), 0, 'and is content');
set_point($node, '');
is($node->safe_psql('postgres', $admit), 2, 'the next batch works');
is(spent(1), $before + 2, 'and books the one that failed too');
is($node->safe_psql('postgres', 'SELECT max(seq) = count(*) FROM dp_book.log'), 't', 'numbers have no gap');
verify_is_clean($node, 'postgres', 'after a failed batch');

# an unresolved charge survives the writer
set_point($node, 'batch:error');
fails_with($node, 'postgres', $admit, qr/PV006/, 'another failed batch');
$node->safe_psql('postgres', 'SELECT pg_terminate_backend(' . writer_pid($node, 'postgres') . ', 10000)');
set_point($node, '');
$node->safe_psql('postgres', $admit);
is(spent(1), $before + 4, 'the next writer books what the last one could not');
verify_is_clean($node, 'postgres', 'after the change of writers');

# --- interrupts wait for the answer ---------------------------------------------------

$before = spent(2);
set_point($node, 'batch:wait');
$offset = -s $node->logfile;
($out, $err) = ('', '');
$session = start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', "SET statement_timeout = '200ms'", '-c', $admit ],
	'>', \$out, '2>', \$err);
$node->wait_for_log('test point batch', $offset);
sleep 0.6;
is($err, '', 'a time-out does not cut the wait for durability short');
my $stuck = writer_pid($node, 'postgres');
$node->safe_psql('postgres', "ALTER SYSTEM RESET dp.test_point");
$node->reload;
kill 'KILL', $stuck;
eval { finish($session) };
ok(restart_after_crash($node), 'the server starts over when the writer is killed');
is(spent(2), $before, 'the charge that was never durable is gone, and there was no answer');
verify_is_clean($node, 'postgres', 'after the kill');

# --- what makes charges not durable ------------------------------------------------------

for my $setting ('fsync', 'full_page_writes')
{
	$node->safe_psql('postgres', "ALTER SYSTEM SET $setting = off");
	$node->reload;
	ok(wait_for($node, 'postgres', "SELECT current_setting('$setting') = 'off'", 10), "$setting is off");
	fails_with($node, 'postgres', $admit, qr/PV006.*$setting/s, "without $setting nothing is answered");
	$node->safe_psql('postgres', "ALTER SYSTEM RESET $setting");
	$node->reload;
	ok(wait_for($node, 'postgres', "SELECT current_setting('$setting') = 'on'", 10), "$setting is on again");
}
# (policy refuses ALTER TABLE there)
my $persistence = "UPDATE pg_class SET relpersistence = '%s' WHERE oid = 'dp_book.consent'::regclass";
$node->safe_psql('postgres', sprintf($persistence, 'u'));
fails_with($node, 'postgres', $admit, qr/PV006/, 'with an unlogged ledger table nothing is answered');
$node->safe_psql('postgres', sprintf($persistence, 'p'));
is($node->safe_psql('postgres', $admit), 2, 'and all is well when it is logged again');
$node->safe_psql('postgres', 'ALTER DATABASE postgres SET synchronous_commit = off; ALTER DATABASE postgres SET default_transaction_read_only = on');
$node->safe_psql('postgres', 'SELECT pg_terminate_backend(' . writer_pid($node, 'postgres') . ', 10000)');
is($node->safe_psql('postgres', $admit), 2, 'settings of the database do not reach the writer');
$node->safe_psql('postgres', 'SET default_transaction_read_only = off; ALTER DATABASE postgres RESET ALL');
verify_is_clean($node, 'postgres', 'durable again');

# --- a lock on the book fails a batch, and does not hang a session ------------------------------

my $locker = $node->background_psql('postgres');
$locker->query_safe('BEGIN; LOCK TABLE dp_book.charge IN ACCESS EXCLUSIVE MODE');
fails_with($node, 'postgres', $admit, qr/PV006/, 'a locked ledger table: no answer');
$locker->query_safe('COMMIT');
$locker->quit;
is($node->safe_psql('postgres', $admit), 2, 'unlocked: answered');
verify_is_clean($node, 'postgres', 'after the lock');

# --- databases ------------------------------------------------------------------------------------

$node->safe_psql('postgres', 'CREATE DATABASE one');
make_book($node, 'one', capacity => 1000);
$node->safe_psql('one', $admit);
is($node->safe_psql('postgres', "$running 'one'"), 't', 'a writer in another database');
$node->safe_psql('postgres', 'CREATE DATABASE two TEMPLATE one');
pass('it leaves for CREATE DATABASE ... TEMPLATE');
is(spent(1, 'two'), 1, 'the copy has the charge');
$node->safe_psql('one', $admit);
$node->safe_psql('postgres', 'ALTER DATABASE one RENAME TO first');
pass('it leaves for ALTER DATABASE ... RENAME');
is($node->safe_psql('first', $admit), 2, 'and comes back under the new name');
$node->safe_psql('postgres', 'DROP DATABASE first');
pass('it leaves for DROP DATABASE');
$node->safe_psql('postgres', 'CREATE DATABASE one TEMPLATE template0');
make_book($node, 'one', capacity => 1000);
is(spent(1, 'one'), 0, 'a new database of that name starts empty');
is($node->safe_psql('two', $admit), 2, 'the copy works on');
verify_is_clean($node, 'two', 'the copy');

# a book that a superuser took apart and dropped is followed
$node->safe_psql('one', 'SELECT dp_test.admit(\'hospital\', ARRAY[5], 1)');
$node->safe_psql('one', 'DELETE FROM dp_book.protected_relation; DELETE FROM dp_book.secret; DELETE FROM dp_book.dataset');
$node->safe_psql('one', 'DROP SCHEMA dp_book CASCADE');
$node->safe_psql('one', 'SELECT dp.create_dataset(\'hospital\', 1, 1e-9, capacity => 2000);'
	. 'SELECT dp.protect(\'patients\', \'hospital\', \'id\')');
is(spent(5, 'one'), 0, 'a new book in the same database starts empty');
is($node->safe_psql('one', 'SELECT dp_test.admit(\'hospital\', ARRAY[5], 1)'), 1, 'and works');
is($node->safe_psql('one', 'SELECT min(seq) FROM dp_book.log'), 1, 'its entries are numbered from 1');
verify_is_clean($node, 'one', 'the new book');

# --- no slot, no room --------------------------------------------------------------------------------

is($node->safe_psql('postgres', 'SHOW max_worker_processes'), 18, 'the library has raised max_worker_processes');
fails_with($node, 'one', "SELECT dp.create_dataset('big', 1, 1e-9, capacity => 16000000)", qr/^$/, 'a large data set is made');
fails_with($node, 'one', "SELECT dp.set_limit('big', 1, 0.5)", qr/PV012.*dp\.max_owners/s, 'but has no room');
is($node->safe_psql('one', $admit), 2, 'the other one works on');

$node->stop;
done_testing();
