# The wrapping key: kept outside, checked at start; without the right one no book
# opens.  A dump carries the book, and only the same key opens it again.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use EpsServer;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('key', not_started => 1);
my $file = $node->basedir . '/key';
my $good = slurp_file($file);

sub starts
{
	my ($setting, $name) = @_;

	$node->append_conf('postgresql.conf', $setting);
	ok($node->start(fail_ok => 1), $name);
}

sub fails_to_start
{
	my ($setting, $pattern, $name) = @_;
	my $offset = -e $node->logfile ? -s $node->logfile : 0;

	$node->append_conf('postgresql.conf', $setting);
	ok(!$node->start(fail_ok => 1), "$name: does not start");
	like(slurp_file($node->logfile, $offset), $pattern, "$name: says why");
}

# --- without a key ------------------------------------------------------------------

starts("dp.key_file = ''", 'without a key the server starts');
$node->safe_psql('postgres', 'CREATE EXTENSION pg_epsilon');
fails_with($node, 'postgres', "SELECT dp.create_dataset('hospital', 1, 1e-9)",
	qr/PV012.*no wrapping key is set.*head -c 32.*chmod 600/s, 'but makes no data set, and says what to do');
$node->stop;

# --- keys that are refused -------------------------------------------------------------

fails_to_start("dp.key_file = '/nowhere/key'", qr/wrapping key file/, 'no such file');
chmod 0640, $file;
fails_to_start("dp.key_file = '$file'", qr/is open to others/, 'readable by the group');
chmod 0600, $file;
write_key($node->data_dir . '/key', $good);
fails_to_start("dp.key_file = '" . $node->data_dir . "/key'", qr/lies inside the data directory/, 'inside the data');
symlink($node->data_dir . '/key', $node->basedir . '/link');
fails_to_start("dp.key_file = '" . $node->basedir . "/link'", qr/lies inside the data directory/, 'inside the data by a link');
unlink $node->data_dir . '/key';
fails_to_start("dp.key_file = '" . $node->basedir . "'", qr/not a regular file/, 'a folder');
write_key($node->basedir . '/short', 'abc');
fails_to_start("dp.key_file = '" . $node->basedir . "/short'", qr/does not give a wrapping key/, 'too short');
fails_to_start("dp.key_file = '$file'\ndp.key_command = 'cat $file'", qr/both given/, 'two keys');
fails_to_start("dp.key_file = ''\ndp.key_command = 'false'", qr/dp.key_command.*failed/, 'a command that fails');

# --- keys that are taken ------------------------------------------------------------------

starts("dp.key_command = ''\ndp.key_file = '$file'", 'with 32 bytes');
fails_with($node, 'postgres', "SET dp.key_file = 'x'", qr/cannot be changed/, 'the setting is fixed at start');
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE patients (id int PRIMARY KEY, x int);
SELECT dp.create_dataset('hospital', 1, 1e-9, capacity => 1000);
SELECT dp.protect('patients', 'hospital', 'id');
SELECT dp.set_limit('hospital', 7, 0.25);
CREATE ROLE reader;
SQL
fails_with($node, 'postgres', 'SET ROLE reader; SHOW dp.key_file', qr/must be superuser|permission denied/, 'others do not see where it is');
$node->stop;

my $hex = unpack('H*', $good);
write_key($node->basedir . '/hex', "$hex\n");
starts("dp.key_file = '" . $node->basedir . "/hex'", 'the same key in hexadecimal');
is($node->safe_psql('postgres', "SELECT dp.set_limit('hospital', 7, 0.5)"), '', 'opens the book');
$node->stop;
starts("dp.key_file = ''\ndp.key_command = 'cat $file'", 'the same key by a command');
verify_is_clean($node, 'postgres', 'by a command');
$node->stop;
write_key($node->basedir . '/other', 'x' x 32);
starts("dp.key_command = ''\ndp.key_file = '" . $node->basedir . "/other'", 'another key');
fails_with($node, 'postgres', "SELECT dp.set_limit('hospital', 7, 0.5)",
	qr/PV012.*secret of data set "hospital" cannot be opened/s, 'does not open the book');
fails_with($node, 'postgres', 'SELECT * FROM dp.verify()', qr/PV012/, 'nor does dp.verify()');
$node->stop;

# --- altered, exchanged ----------------------------------------------------------------------

starts("dp.key_file = '$file'", 'the first key again');
$node->safe_psql('postgres', <<'SQL');
SELECT dp.create_dataset('clinic', 1, 1e-9, capacity => 1000);
CREATE TABLE kept AS SELECT * FROM dp_book.secret;
UPDATE dp_book.secret SET wrapped = (SELECT wrapped FROM kept WHERE dataset_id = 2) WHERE dataset_id = 1;
SQL
$node->restart;
fails_with($node, 'postgres', 'SELECT dp.set_limit(\'hospital\', 7, 0.5)', qr/PV012/, "another data set's secret opens nothing");
$node->safe_psql('postgres', 'UPDATE dp_book.secret s SET wrapped = k.wrapped FROM kept k WHERE k.dataset_id = s.dataset_id');
is($node->safe_psql('postgres', "SELECT dp.set_limit('hospital', 7, 0.5)"), '', 'with its own it opens without a restart');

# --- damaged ---------------------------------------------------------------------------------

$node->safe_psql('postgres', <<'SQL');
CREATE TABLE kept_chunk AS SELECT * FROM dp_book.account_chunk;
DELETE FROM dp_book.account_chunk;
INSERT INTO dp_book.account_chunk SELECT dataset_id, first_account + 1, keys, 0, 0 FROM kept_chunk;
SQL
$node->restart;
fails_with($node, 'postgres', 'SELECT dp.set_limit(\'hospital\', 7, 0.5)', qr/PV012.*is damaged/s, 'a hole in the accounts opens nothing');
$node->safe_psql('postgres', 'DELETE FROM dp_book.account_chunk; INSERT INTO dp_book.account_chunk SELECT * FROM kept_chunk');
$node->safe_psql('postgres', <<'SQL');
INSERT INTO dp_book.entry (seq, at, dataset_id, kind, level, delta_level, accounts, start_units, start_delta_units) VALUES (1, now(), 1, 'release', 9, 0, 0, 0, 0);
INSERT INTO dp_book.charge VALUES (1, 9, 0, '\x3a300000010000000000010010000000010000000100');
SQL
$node->restart;
fails_with($node, 'postgres', 'SELECT dp.set_limit(\'hospital\', 7, 0.5)', qr/PV012.*charge of entry 1 is malformed/s,
	'a charge for accounts that do not exist opens nothing, and is named');
$node->safe_psql('postgres', 'DELETE FROM dp_book.charge; DELETE FROM dp_book.entry');
is($node->safe_psql('postgres', "SELECT dp.set_limit('hospital', 7, 0.5)"), '', 'repaired, it opens');
verify_is_clean($node, 'postgres', 'repaired');

# --- dumped and restored ---------------------------------------------------------------------------

my $dump = $node->basedir . '/dump';
$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, $node->connstr('postgres') ], 'pg_dump');
$node->safe_psql('postgres', 'CREATE DATABASE restored TEMPLATE template0');
$node->command_ok([ 'pg_restore', '-d', $node->connstr('restored'), $dump ], 'pg_restore');
verify_is_clean($node, 'restored', 'the restored database');
is($node->safe_psql('restored', 'SELECT count(*) FROM dp_book.account_chunk'), 1, 'its book has the account');
is($node->safe_psql('restored', "SELECT dp.set_limit('hospital', 7, 0.25)"), '', 'and is written on');
unlike(slurp_file($dump), qr/\Q$good\E/, 'the wrapping key is not in the dump');

# --- room --------------------------------------------------------------------------------------

$node->stop;
starts('dp.max_owners = 1024', 'a small book');
$node->safe_psql('postgres', "SELECT dp.create_dataset('large', 1, 1e-9, capacity => 5000000)");
fails_with($node, 'postgres', "SELECT * FROM dp.verify()", qr/PV012.*no room for the book of data set "large".*dp\.max_owners/s,
	'a data set that does not fit is refused');
is($node->safe_psql('postgres', "SELECT dp.set_limit('hospital', 7, 0.5)"), '', 'the others work');
$node->stop;
done_testing();
