# flavour: test
#
# Nothing is answered before its charge is on disk (rule 20): while the ledger writer
# stands still before its commit, the analyst has nothing; when its commit fails, the
# analyst gets an error; and what was answered is in the ledger after a crash.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use EpsServer;
use IPC::Run qw(start finish);
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

my $node = new_server('order_release');

$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION pg_epsilon;
SELECT dp.harden(apply => true);
CREATE TABLE patients (id int PRIMARY KEY, county int NOT NULL CHECK (county BETWEEN 1 AND 5));
INSERT INTO patients SELECT i, 1 + i % 5 FROM generate_series(1, 500) i;
SELECT dp.create_dataset('hospital', 10, 1e-6, capacity => 2000);
SELECT dp.protect('patients', 'hospital', 'id');
CREATE ROLE alice LOGIN;
ALTER ROLE alice SET dp.repeats = off;
SELECT dp.grant_analyst('alice', 'hospital', 1);
SQL

sub ask
{
	my ($out, $err, $query) = @_;

	return start([ 'psql', '-XAtq', '-U', 'alice', '-d', $node->connstr('postgres'), '-c', $query ], '>', $out, '2>', $err);
}

sub charged
{
	return $node->safe_psql('postgres', "SELECT count(*) FROM dp.statement('hospital', 7)");
}

for my $query ('SELECT count(*) > -1e9 FROM patients', 'SELECT county, count(*) > -1e9 FROM patients GROUP BY county',
	'SELECT county, n > -1e9 FROM (SELECT county, count(*) AS n FROM patients WHERE id > 0 GROUP BY county) s ORDER BY n LIMIT 1')
{
	my ($out, $err) = ('', '');
	my $before = charged();
	my $newest = $node->safe_psql('postgres', 'SELECT coalesce(max(seq), 0) FROM dp_book.charge');
	my $offset = -s $node->logfile;

	set_point($node, 'commit:wait');
	my $session = ask(\$out, \$err, $query);
	$node->wait_for_log('test point commit', $offset);
	sleep 0.7;
	$session->pump_nb;
	is($out, '', "no answer before the commit: $query");
	is($node->safe_psql('postgres', 'SELECT count(*) FROM dp_book.charge WHERE seq > ' . $newest), 0, 'and no charge on disk');
	let_go($node);
	finish($session);
	like($out, qr/t\n\z/, 'an answer after it');
	is($err, '', 'without an error');
	is(charged(), $before + 1, 'and it is charged');
	set_point($node, '');
}

set_point($node, 'batch:error');
my ($out, $err) = ('', '');
finish(ask(\$out, \$err, 'SELECT count(*) FROM patients WHERE id > -1'));
is($out, '', 'no answer where the ledger cannot be written');
like($err, qr/the ledger could not be written/, 'but an error');
set_point($node, '');

($out, $err) = ('', '');
finish(ask(\$out, \$err, 'SELECT count(*) > -1e9 FROM patients WHERE id > -2'));
is($out, "t\n", 'the next one is answered');
$node->stop('immediate');
$node->start;
is(charged(), 5, 'after a crash all are charged, the failed one too');
verify_is_clean($node, 'postgres', 'after all');
$node->stop;
done_testing();
