# flavour: test
#
# The log through failed commits, changes of writer, restarts, copies, a dump and
# a promotion: what was signed stays true, and a database that is not the one of
# the start before says so (rule 39).
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use EpsServer;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('log');
my $admit = "SELECT dp_test.admit('hospital', ARRAY[1, 2], 1)";

sub kinds
{
	my ($from, $database, $server) = @_;
	return ($server // $node)->safe_psql($database // 'postgres',
		"SELECT string_agg(kind, ' ' ORDER BY seq) FROM dp.ledger WHERE seq > $from");
}

sub size
{
	return checkpoint($node, $_[0] // 'postgres')->{size};
}

make_book($node, 'postgres');
is(kinds(0), 'boot key policy policy policy', 'a start, a key, and the changes of policy');
$node->safe_psql('postgres', $admit);
is(kinds(5), 'release', 'an answer');

# --- numbers of a batch that failed are given again -------------------------------

my $size = size();
my $seen = checkpoint($node, 'postgres');
set_point($node, 'batch:error');
fails_with($node, 'postgres', $admit, qr/PV006/, 'a batch fails');
is(size(), $size, 'and adds nothing');
set_point($node, '');
$node->safe_psql('postgres', 'SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE backend_type = \'pg_epsilon ledger writer\'');
$node->safe_psql('postgres', "SELECT dp.add_purpose('hospital', 'care')");
$node->safe_psql('postgres', "SELECT dp_test.admit('hospital', ARRAY[3], 1)");
is(kinds($size), 'policy release release', 'the change of policy, the answer that had failed, the next one');
is($node->safe_psql('postgres', "SELECT count(*) FROM dp.statement('hospital', 3)"), 1, 'each under its own number');
$seen = tree_extends($node, 'postgres', $seen, 'after a failed batch');
verify_is_clean($node, 'postgres', 'after a failed batch');

# a commit that succeeds, and fails to say so
$size = size();
set_point($node, 'committed:error');
fails_with($node, 'postgres', $admit, qr/PV006/, 'an answer whose commit is not known');
set_point($node, '');
$node->safe_psql('postgres', $admit);
is(kinds($size), 'release release', 'stands in the log once');
verify_is_clean($node, 'postgres', 'after a commit that was not known');

# --- a change of policy that is not committed holds nobody up -----------------------

$size = size();
my $steward = $node->background_psql('postgres');
$steward->query_safe("BEGIN; SELECT dp.add_purpose('hospital', 'study')");
is($node->safe_psql('postgres', $admit), 2, 'while a steward thinks, answers are given');
is(kinds($size), 'release', 'and the change has no entry');
$steward->query_safe('COMMIT');
$steward->quit;
$node->safe_psql('postgres', $admit);
is(kinds($size), 'release policy release', 'it has one before the next answer');

# --- readings in one transaction belong together ---------------------------------

my $reader = $node->background_psql('postgres');
my $read = $reader->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT dp.checkpoint()');
$node->safe_psql('postgres', $admit);
isnt($node->safe_psql('postgres', 'SELECT dp.checkpoint()'), $read, 'the log grows');
is($reader->query_safe(q{SELECT convert_from(content, 'UTF8') FROM dp.export_ledger() WHERE path = 'checkpoint'}), $read,
	'but not for whoever reads it in one snapshot');
$reader->quit;

# --- starts ---------------------------------------------------------------------------

$size = size();
$seen = checkpoint($node, 'postgres');
my $note = $node->safe_psql('postgres', 'SELECT dp.checkpoint()');
$node->restart;
is($node->safe_psql('postgres', 'SELECT dp.checkpoint()'), $note, 'a start alone changes nothing, and Ed25519 signs alike');
$node->safe_psql('postgres', $admit);
is(kinds($size), 'boot release', 'the first answer after a start tells of it');
$node->safe_psql('postgres', "ALTER SYSTEM SET dp.max_answers = 77");
$node->restart;
$node->safe_psql('postgres', $admit);
is(kinds($size), 'boot release boot release', 'so does the next one');
is($node->safe_psql('postgres', "SELECT substring(detail FROM 'dp.max_answers=(\\d+)') FROM dp_book.log WHERE detail IS NOT NULL ORDER BY seq DESC LIMIT 1"),
	77, 'with the settings of that start');
$seen = tree_extends($node, 'postgres', $seen, 'restarted');
verify_is_clean($node, 'postgres', 'restarted');
is($node->safe_psql('postgres', 'SELECT count(*) FILTER (WHERE ok) || \' of \' || count(*) FROM dp.verify(false)'), '10 of 10', 'and so is the check of what was added');

# --- without the wrapping key -----------------------------------------------------------

$node->append_conf('postgresql.conf', "dp.key_file = ''");
$node->restart;
fails_with($node, 'postgres', $_, qr/PV012.*no wrapping key/s, "no key: $_")
	for 'SELECT dp.checkpoint()', 'SELECT * FROM dp.export_ledger()', 'SELECT dp.rotate_key()', 'SELECT * FROM dp.verify()', $admit;
write_key($node->basedir . '/other', join('', map { chr($_ * 5 % 256) } 1 .. 32));
$node->append_conf('postgresql.conf', "dp.key_file = '" . $node->basedir . "/other'");
$node->restart;
fails_with($node, 'postgres', 'SELECT dp.checkpoint()', qr/PV012.*signing key of the ledger cannot be opened/s, 'under another key nothing is signed');
fails_with($node, 'postgres', $admit, qr/PV012/, 'nor answered');
$node->append_conf('postgresql.conf', "dp.key_file = '" . $node->basedir . "/key'");
$node->restart;
$node->safe_psql('postgres', $admit);
verify_is_clean($node, 'postgres', 'under its own key again');

# --- copies -----------------------------------------------------------------------------------

my $origin = $node->safe_psql('postgres', 'SELECT split_part(dp.checkpoint(), E\'\n\', 1)');
$size = size();
$node->safe_psql('template1', 'CREATE DATABASE copy TEMPLATE postgres');
$node->safe_psql('copy', $admit);
is(kinds($size, 'copy'), 'boot recovery release', 'a copy of a database tells of it');
like($node->safe_psql('copy', 'SELECT detail FROM dp_book.log WHERE detail IS NOT NULL ORDER BY seq DESC LIMIT 1'),
	qr/^database_oid_before=\d+\ndatabase_oid=\d+$/, 'and of what has changed');
verify_is_clean($node, 'copy', 'the copy');
$node->safe_psql('copy', $admit);
is(kinds($size, 'copy'), 'boot recovery release release', 'once');
is($node->safe_psql('copy', q{SELECT count(*) FROM dp.verify() WHERE NOT ok AND check_name LIKE 'ledger%'}), 0, 'it is whole');

my $dump = $node->basedir . '/dump.sql';
$node->safe_psql('template1', 'CREATE DATABASE restored');
$size = size();
$node->command_ok([ 'pg_dump', '--file', $dump, '--dbname', $node->connstr('postgres') ], 'pg_dump');
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $dump, $node->connstr('restored') ], 'restored');
$node->safe_psql('restored', $admit);
is(kinds($size, 'restored'), 'boot recovery release', 'a restore tells of it');
is($node->safe_psql('restored', 'SELECT split_part(dp.checkpoint(), E\'\n\', 1)'), $origin, 'under the name of the log that it continues');
verify_is_clean($node, 'restored', 'the restore');
$node->safe_psql('restored', "SELECT dp.add_purpose('hospital', 'restored')");
$node->safe_psql('restored', $admit);
is(kinds($size + 3, 'restored'), 'policy release', 'changes of policy are recorded there as well');
verify_is_clean($node, 'restored', 'the restore, at work');

# --- a rollback is seen by whoever keeps a checkpoint ------------------------------------------

$size = size();
my $kept = checkpoint($node, 'restored');
my $short = checkpoint($node, 'postgres');
cmp_ok($short->{size}, '<', $kept->{size}, 'the restored database has gone further');
fails_with($node, 'postgres', "SELECT dp.consistency_proof($kept->{size}, $kept->{size})", qr/a size is outside the log/, 'the other has no proof from there');

# --- promotion -----------------------------------------------------------------------------------

$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('promoted');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby);
$seen = checkpoint($node, 'postgres');
is_deeply(checkpoint($standby, 'postgres'), $seen, 'a standby shows the checkpoint of its primary');
cmp_ok($standby->safe_psql('postgres', q{SELECT count(*) FROM (SELECT * FROM dp.export_ledger() UNION ALL SELECT * FROM dp.export_ledger('auditor')) s}), '>', 4, 'and exports the log');
fails_with($standby, 'postgres', 'SELECT dp.rotate_key()', qr/ERROR/, 'but makes no key');
$node->stop;
$standby->promote;
$standby->safe_psql('postgres', $admit);
is(kinds($seen->{size}, 'postgres', $standby), 'boot recovery release', 'the promoted server tells of it');
like($standby->safe_psql('postgres', 'SELECT detail FROM dp_book.log WHERE detail IS NOT NULL ORDER BY seq DESC LIMIT 1'),
	qr/^timeline_before=1\ntimeline=2$/, 'and of the new timeline');
tree_extends($standby, 'postgres', $seen, 'promoted');
verify_is_clean($standby, 'postgres', 'promoted');
$standby->stop;
done_testing();
