# flavour: release
#
# Attack 24: the library is not at work. What stays is rights: an analyst has none
# on protected rows, and after dp.harden none on what the server counts.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use EpsServer;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('unloaded');

sub state_of
{
	my ($sql, %option) = @_;
	my ($status, $out, $err) = $node->psql('postgres', $sql, extra_params => [ '-U', 'alice', '-v', 'VERBOSITY=sqlstate' ], %option);

	return $status == 0 ? 'answered' : $err =~ /ERROR:\s+(\w+)/ ? $1 : $err;
}

$node->safe_psql('postgres', q{
	CREATE EXTENSION pg_epsilon;
	CREATE TABLE patients (id int PRIMARY KEY, x int);
	SELECT dp.create_dataset('hospital', 1, 1e-9, capacity => 1000);
	SELECT dp.protect('patients', 'hospital', 'id');
	CREATE ROLE alice LOGIN;
	INSERT INTO patients SELECT i, i FROM generate_series(1, 100) i;
	SELECT dp.harden(apply => true);
	SELECT dp.grant_analyst('alice', 'hospital', 1);
});

my @rows = ('SELECT x FROM patients', 'SELECT count(*) FROM patients', 'TABLE patients', 'COPY patients TO STDOUT', 'DELETE FROM patients',
	'SELECT count(*) FROM patients WHERE false', 'SELECT * FROM dp_book.charge');
my @counters = ('SELECT pg_current_wal_lsn()', 'SELECT * FROM pg_stat_database', 'SELECT * FROM pg_stat_xact_all_tables',
	q{SELECT pg_table_size('patients')}, 'SELECT reltuples FROM pg_class', 'SELECT * FROM pg_stat_activity', 'SELECT * FROM pg_sequences',
	q{SELECT pg_stat_get_live_tuples('patients'::regclass)}, q{SELECT pg_database_size('postgres')});

is(state_of('SELECT count(*) FROM patients'), 'answered', 'with the library: an answer');
is(state_of(q{SELECT pg_table_size('patients')}), 'answered', 'with the library: a size is NULL');
is($node->safe_psql('postgres', q{SELECT count(*) FROM dp.doctor() WHERE opening ~ 'next start'}), '0', 'the next start has it');

# Taken out of the configuration, but not yet out of the server
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
is($node->safe_psql('postgres', q{SELECT severity FROM dp.doctor() WHERE opening ~ 'next start'}), 'open', 'the doctor sees that the next start is without it');
$node->restart;

is(state_of($_), '42501', "without the library: $_") for @rows, @counters;
is(state_of(q{LOAD 'pg_epsilon'}), '42501', 'an analyst does not load it');
is(state_of(q{LOAD '$libdir/pg_epsilon'}), '42501', 'nor by its path');
is(state_of(q{SET session_preload_libraries = 'pg_epsilon'}), '42501', 'nor for sessions to come');
is(state_of('SELECT * FROM dp.quota()'), '55000', 'functions of the library do not load it late');
like((run_command([ 'psql', '-X', '-U', 'alice', '-c', 'SELECT 1', $node->connstr('postgres') . q{ options='-c local_preload_libraries=pg_epsilon'} ]))[1],
	qr/local_preload_libraries|could not access file|permission denied|must be loaded by shared_preload/, 'nor by the options of a connection');

# A superuser who loads it late gets an error, and nothing half loaded
my ($status, $out, $err) = $node->psql('postgres', q{LOAD 'pg_epsilon'});
like($err, qr/must be loaded by shared_preload_libraries/, 'not late either');
($status, $out, $err) = $node->psql('postgres', 'SELECT * FROM dp.doctor()');
like($err, qr/must be loaded by shared_preload_libraries/, 'the doctor says what is wrong');
$node->safe_psql('postgres', q{ALTER ROLE alice SET session_preload_libraries = 'pg_epsilon'});
isnt(state_of('SELECT 1'), 'answered', 'preloaded for a session: the session does not start');
$node->safe_psql('postgres', 'ALTER ROLE alice RESET session_preload_libraries');

$node->append_conf('postgresql.conf', "shared_preload_libraries = 'pg_epsilon'");
$node->restart;
is(state_of('SELECT count(*) FROM patients'), 'answered', 'loaded again: an answer');
is($node->safe_psql('postgres', q{SELECT bool_and(ok) FROM dp.verify()}), 't', 'and the book is whole');

$node->stop;
done_testing();
