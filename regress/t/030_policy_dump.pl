# Policy outlives what a DBA does to a server: a dump and its restore, a restart,
# and a start without the library (ATTACKS 5 and 24).
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('policy');
my $key = PostgreSQL::Test::Utils::tempdir() . '/wrapping.key';

append_to_file($key, join('', map { chr(int(rand(256))) } 1 .. 32));
chmod 0600, $key or die "chmod: $!";
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'pg_epsilon'\ndp.key_file = '$key'\n");
$node->start;

sub outcome
{
	my ($database, $sql) = @_;
	my ($status, $out, $err) = $node->psql($database, $sql, extra_params => [ '-v', 'VERBOSITY=sqlstate' ]);

	return $status == 0 ? $out : $err =~ /ERROR:\s+(\w+)/ ? $1 : $err;
}

$node->safe_psql('postgres', q{
	CREATE DATABASE clinic;
	CREATE DATABASE copy;
	CREATE ROLE analyst LOGIN;
	CREATE ROLE "Odd ""Name" LOGIN;
});
$node->safe_psql('clinic', q{
	CREATE EXTENSION pg_epsilon;
	CREATE TABLE patients (patient_id int PRIMARY KEY, age int CHECK (age BETWEEN 0 AND 120), sex text);
	CREATE TABLE visits (visit_id int PRIMARY KEY, patient_id int, cost int);
	CREATE TABLE "Labs 1" (lab_id int, visit_id int);
	CREATE TABLE codes (code text);
	CREATE TABLE gone (id int PRIMARY KEY);
	SELECT dp.create_dataset('hospital', 1, 1e-9);
	SELECT dp.add_purpose('hospital', 'research');
	SELECT dp.protect('patients', 'hospital', 'patient_id');
	SELECT dp.protect('visits', 'hospital', 'patient_id', 20);
	SELECT dp.protect('"Labs 1"', 'hospital', 'visit_id -> visits.visit_id -> patient_id', 50);
	SELECT dp.protect('gone', 'hospital', 'id');
	SELECT dp.unprotect('gone');
	DROP TABLE gone;
	SELECT dp.declare_public('codes');
	SELECT dp.set_bounds('visits', 'cost', 0, 1000, 'fee schedule');
	SELECT dp.set_domain('patients', 'sex', '{F,M}');
	SELECT dp.harden(apply => true);
	SELECT dp.grant_analyst('analyst', 'hospital', 0.1);
	SELECT dp.grant_analyst('"Odd ""Name"', 'hospital', 0.1, 0.5, '{research}');
});

my @questions = (
	q{SELECT dataset, epsilon, delta, owner_keys FROM dp.datasets},
	q{SELECT relation, owner_path, rows_per_owner, state FROM dp.protected_tables ORDER BY 1::text},
	q{SELECT role, epsilon_per_query, epsilon_quota, purposes FROM dp.analysts ORDER BY 1::text},
	q{SELECT * FROM dp.describe('patients')},
	q{SELECT * FROM dp.describe('visits')},
	q{SELECT * FROM dp.describe('"Labs 1"')},
	q{SELECT count(*) FROM dp.policy_log},
	q{SELECT count(*) FROM dp_book.secret});
my %before = map { $_ => outcome('clinic', $_) } @questions;

# Dump and restore
my $dump = $node->basedir . '/clinic.sql';
$node->command_ok([ 'pg_dump', '--file', $dump, '--dbname', $node->connstr('clinic') ], 'pg_dump');
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $dump, $node->connstr('copy') ], 'the dump is restored without an error');
is(outcome('copy', $_), $before{$_}, "restored: $_") for @questions;
is(outcome('copy', 'SET ROLE analyst; SELECT age FROM patients'), 'PV001', 'the restored table is protected');
is(outcome('copy', 'DROP TABLE patients'), 'PV010', 'the restored table is not dropped');
is(outcome('copy', 'DROP EXTENSION pg_epsilon CASCADE'), 'PV010', 'the restored book keeps the extension');
is(outcome('copy', q{SELECT dp.create_dataset('second', 1, 1e-9)}), '2', 'the restored book takes another data set');

# A book that came first is adopted, once it is complete and its owner's
$node->safe_psql('postgres', 'CREATE DATABASE book_first');
$node->command_ok([ 'pg_dump', '--schema', 'dp_book', '--file', "$dump.book", '--dbname', $node->connstr('clinic') ], 'pg_dump of the book');
my ($stdout, $stderr) = run_command([ 'psql', '-X', '-q', '-f', "$dump.book", $node->connstr('book_first') ]);
is(outcome('book_first', 'SELECT count(*) FROM dp_book.dataset'), '1', 'a book without the extension is only tables');
$node->safe_psql('book_first', 'CREATE EXTENSION pg_epsilon');
is(outcome('book_first', 'SELECT dataset FROM dp.datasets'), 'hospital', 'CREATE EXTENSION adopts it');
is(outcome('book_first', 'DROP EXTENSION pg_epsilon'), 'PV010', 'and keeps it');
is(outcome('book_first', q{SELECT dp.create_dataset('hospital', 9, 1e-9)}), 'PV010', 'no promise is made twice');

# Restart
$node->restart;
is(outcome('clinic', $_), $before{$_}, "after a restart: $_") for @questions;

# Without the library
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''\n");
$node->restart;
is(outcome('clinic', 'SET ROLE analyst; SELECT age FROM patients'), '42501', 'without the library: permission denied');
is(outcome('clinic', 'SET ROLE analyst; SELECT count(*) FROM patients'), '42501', 'without the library: no aggregate either');
is(outcome('clinic', q{SET ROLE analyst; LOAD 'pg_epsilon'}), '42501', 'an analyst does not load it');

$node->stop;
done_testing();
