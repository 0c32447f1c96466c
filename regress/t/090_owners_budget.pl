# flavour: test
#
# Merged and renumbered owners: through failed commits, crashes and restarts, and
# beside sessions that read rows as they stood before.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use EpsServer;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('owners');
make_book($node, 'postgres');
$node->safe_psql('postgres', <<'SQL');
SELECT dp.harden(apply => true);
INSERT INTO patients SELECT i, i FROM generate_series(1, 100) i;
CREATE ROLE analyst LOGIN;
SELECT dp.grant_analyst('analyst', 'hospital', 0.5);
SQL

sub spent
{
	my ($owner) = @_;
	return $node->safe_psql('postgres', "SELECT coalesce(sum(rho::numeric * 2::numeric ^ 60), 0)::bigint FROM dp.statement('hospital', $owner)");
}

sub admit
{
	my ($owners, $level) = @_;
	return $node->safe_psql('postgres', "SELECT dp_test.admit('hospital', ARRAY[$owners], $level)");
}

# --- a merge whose commit fails stays, and is booked by the next (rule 20) -------

admit('1, 2', 150);
admit('2', 160);
my ($one, $two) = (spent(1), spent(2));
set_point($node, 'batch:error');
fails_with($node, 'postgres', "SELECT dp.merge_owners('hospital', 1, 2)", qr/PV006/, 'a merge that is not on disk is an error');
fails_with($node, 'postgres', "SELECT dp_test.admit('hospital', ARRAY[1, 50], 10)", qr/PV006/, 'so is an answer');
is(spent(1), $one, 'nothing is in the tables');
is($node->safe_psql('postgres', "SELECT detail FROM dp.verify() WHERE check_name LIKE '%but for unresolved%' AND ok"),
	'1 answers unresolved', 'dp.verify() lists what is unresolved');
verify_is_clean($node, 'postgres', 'unresolved');
set_point($node, '');
is(admit('2', 1), 0, 'the second key is one no more');
my $merged = spent(1);
cmp_ok($merged, '>=', (sqrt($one) + sqrt($two))**2 - 1000, 'the next commit books what both have spent');
is($node->safe_psql('postgres', 'SELECT count(*) FROM dp_book.merge'), 1, 'once');
verify_is_clean($node, 'postgres', 'booked');

# --- it outlives the server ---------------------------------------------------------

kill 'KILL', writer_pid($node, 'postgres');
ok(restart_after_crash($node), 'the server starts over');
is(admit('2', 1) . admit('1', 1), '01', 'after a crash the two are one owner');
$node->restart;
is(admit('2', 1) . admit('1', 1), '01', 'and after a restart');
verify_is_clean($node, 'postgres', 'restarted');

# killed between the commit and the answer: the merge is there, and once
set_point($node, 'committed:wait');
my $offset = -s $node->logfile;
my $session = $node->background_psql('postgres', on_error_stop => 0);
$session->{stdin} .= "SELECT dp.merge_owners('hospital', 3, 4);\n";
$session->{run}->pump_nb;
$node->wait_for_log('test point committed', $offset);
kill 'KILL', writer_pid($node, 'postgres');
eval { $session->quit };
ok(restart_after_crash($node), 'the server starts over');
set_point($node, '');
is($node->safe_psql('postgres', 'SELECT count(*) FROM dp_book.merge'), 2, 'a merge on disk is there once');
verify_is_clean($node, 'postgres', 'killed after the commit');

# --- renumbering --------------------------------------------------------------------

my $count = 'SET dp.repeats = off; SET dp.epsilon = 0.1; SELECT count(*) IS NOT NULL FROM patients';
my $old = $node->background_psql('postgres', on_error_stop => 0, extra_params => [ '-U', 'analyst' ]);
$old->query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
my $etl = $node->background_psql('postgres');
my $before = spent(1);
$etl->query_safe('BEGIN; UPDATE patients SET id = id + 1000');
$etl->query_safe("SELECT dp.rekey_owners('hospital', 'SELECT id - 1000, id FROM public.patients')");
fails_with($node, 'postgres', "SET SESSION AUTHORIZATION analyst; $count", qr/PV012.*being renumbered/s, 'while owners are renumbered nothing is answered');
fails_with($node, 'postgres', "SELECT dp.set_limit('hospital', 5, 0.5)", qr/PV012/, 'nor a limit taken');
$etl->query_safe('ROLLBACK');
is($node->safe_psql('postgres', "SET SESSION AUTHORIZATION analyst; $count"), 't', 'undone: answers go on');
cmp_ok(spent(1), '>', $before, 'and owners pay under the old key');
$before = spent(1);

$etl->query_safe('BEGIN; UPDATE patients SET id = id + 1000');
is($etl->query_safe("SELECT dp.rekey_owners('hospital', 'SELECT id - 1000, id FROM public.patients')"), 100, 'accounts go along');
$etl->query_safe('COMMIT');
is(spent(1001), $before, 'under the new key it is the same account');
is(spent(1002), $before, 'also under the second name that was merged');
is(spent(1), 0, 'nobody has the old one');

# the old snapshot shows old keys, which are nobody's: it would be free of charge
$old->query("SET dp.repeats = off; SET dp.epsilon = 0.1; SELECT count(*) FROM patients");
like($old->{stderr}, qr/have been renumbered meanwhile/, 'who reads rows as they stood before is refused');
$old->{stderr} = '';
$old->query('ROLLBACK');
is($old->query("SELECT count(*) IS NOT NULL FROM patients"), 't', 'a new transaction is answered');
cmp_ok(spent(1001), '>', $before, 'and owners pay');
is(spent(1), 0, 'under the new key');
$before = spent(1001);
$node->restart;
is(spent(1001), $before, 'a restart changes nothing');
is($node->safe_psql('postgres', 'SELECT appeared FROM dp.owner_changes(\'hospital\')'), 0, 'the book knows every key');
verify_is_clean($node, 'postgres', 'renumbered');

# renumbered without their accounts: stewards see it
$node->safe_psql('postgres', 'UPDATE patients SET id = id + 1000');
is($node->safe_psql('postgres', 'SELECT vanished, appeared FROM dp.owner_changes(\'hospital\')'), '98|100', 'without it, keys vanish and appear');

# a renumbering that is lost in a crash is lost with the rows
$etl = $node->background_psql('postgres');
$etl->query_safe('BEGIN; UPDATE patients SET id = id + 5000');
$etl->query_safe("SELECT dp.rekey_owners('hospital', 'SELECT id - 6000, id FROM public.patients')");
kill 'KILL', writer_pid($node, 'postgres');
eval { $etl->quit };
eval { $old->quit };
ok(restart_after_crash($node), 'the server starts over');
is(spent(1001), $before, 'a renumbering that was not committed is none');
verify_is_clean($node, 'postgres', 'after the crash');

$node->stop;
done_testing();
