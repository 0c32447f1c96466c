# flavour: release
#
# Real clients after dp.harden: psql's \d family, pg_dump by a table's owner and by
# a superuser, psycopg, JDBC, node pg; for an owner and for an analyst. What they
# see is what they saw before. A dump carries the hardening; where it does not, the
# doctor says so. dp.harden_undo gives back exactly what was there.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use EpsServer;
use IPC::Run qw(run);
use PostgreSQL::Test::Utils;
use Test::More;

my $clients = "$FindBin::Bin/../clients";
my $node = new_server('clients', conf => "listen_addresses = '127.0.0.1'");
my @address = ('127.0.0.1', $node->port);

$ENV{NODE_PATH} = join(':', glob("$FindBin::Bin/../../node/usr/share/nodejs"), '/usr/share/nodejs');

$node->safe_psql('postgres', q{
	CREATE ROLE olga LOGIN;
	CREATE ROLE alice LOGIN;
	CREATE DATABASE hospital;
});
$node->safe_psql('hospital', q{
	CREATE EXTENSION pg_epsilon;
	CREATE SCHEMA clinic AUTHORIZATION olga;
	GRANT USAGE ON SCHEMA clinic TO alice;
	SET SESSION AUTHORIZATION olga;
	CREATE TABLE clinic.patients (patient_id int PRIMARY KEY, born int);
	CREATE TABLE clinic.visits (visit_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, patient_id int NOT NULL REFERENCES clinic.patients,
		ward text, days int DEFAULT 1 CHECK (days BETWEEN 0 AND 30));
	CREATE INDEX ON clinic.visits (ward);
	CREATE TABLE clinic.codes (code int PRIMARY KEY, name text);
	CREATE VIEW clinic.wards AS SELECT DISTINCT ward FROM clinic.visits;
	CREATE SEQUENCE clinic.numbers;
	GRANT SELECT ON clinic.codes TO alice;
	INSERT INTO clinic.patients SELECT i, 1900 + i % 100 FROM generate_series(1, 300) i;
	INSERT INTO clinic.visits (patient_id, ward, days) SELECT 1 + i % 300, 'ward ' || i % 3, i % 20 FROM generate_series(1, 2000) i;
	RESET SESSION AUTHORIZATION;
	SELECT dp.create_dataset('hospital', 10, 1e-6, capacity => 2000);
	SELECT dp.protect('clinic.patients', 'hospital', 'patient_id');
	SELECT dp.protect('clinic.visits', 'hospital', 'patient_id', rows_per_owner => 10);
	SELECT dp.declare_public('clinic.codes');
	SELECT dp.grant_analyst('alice', 'hospital', 1);
});

# --- what clients see --------------------------------------------------------------

sub output_of
{
	my ($name, @command) = @_;
	my ($out, $err) = ('', '');
	my $good = run(\@command, '<', \undef, '>', \$out, '2>', \$err);

	ok($good && $out ne '', $name) or diag("$out\n$err");
	return $out;
}

sub see
{
	my ($when) = @_;
	my %seen;

	for my $role ('olga', 'alice')
	{
		my $relation = $role eq 'olga' ? 'clinic.visits' : 'clinic.codes';

		$seen{"psycopg, $role"} = output_of("$when: psycopg as $role", '/usr/bin/python3', "$clients/metadata.py", @address, 'hospital', $role, $relation);
		$seen{"jdbc, $role"} = output_of("$when: JDBC as $role", 'java', '-cp', '/usr/share/java/postgresql.jar', "$clients/Metadata.java",
			"jdbc:postgresql://$address[0]:$address[1]/hospital", $role);
		$seen{"node, $role"} = output_of("$when: node pg as $role", 'node', "$clients/metadata.js", @address, 'hospital', $role, $relation);
	}
	return \%seen;
}

my @commands = ('\d', '\d clinic.*', '\d+ clinic.visits', '\d+ clinic.wards', '\d clinic.numbers', '\dt+ clinic.*', '\di+ clinic.*', '\dv+ clinic.*',
	'\ds+ clinic.*', '\dm+', '\dP+', '\l+', '\dn+', '\df', '\df+ dp.*', '\du', '\du+', '\dp clinic.*', '\dT+', '\dx', '\dD', '\ddp', '\drds', '\dRp', '\dX',
	'\d pg_catalog.pg_class', '\z', '\sv clinic.wards');

sub describe_everything
{
	my ($when) = @_;

	for my $role ('olga', 'alice')
	{
		for my $command (@commands)
		{
			my ($status, $out, $err) = $node->psql('hospital', $command, extra_params => [ '-U', $role ], on_error_stop => 1);

			is($status . $err, '0', "$when: psql's $command as $role");
		}
	}
}

sub state_of
{
	my ($database, $sql) = @_;
	my ($status, $out, $err) = $node->psql($database, $sql, extra_params => [ '-U', 'alice', '-v', 'VERBOSITY=sqlstate' ]);

	return $status == 0 ? 'answered' : $err =~ /ERROR:\s+(\w+)/ ? $1 : $err;
}

# Everybody's rights in pg_catalog, columns and defaults included, and memberships
sub rights
{
	my ($database) = @_;

	return $node->safe_psql($database, q{
		SELECT 'function', p.oid::regprocedure::text, a.grantee, a.privilege_type, a.is_grantable
		FROM pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a WHERE p.oid < 16384
		UNION ALL
		SELECT 'relation', c.oid::regclass::text, a.grantee, a.privilege_type, a.is_grantable
		FROM pg_class c, aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) a WHERE c.oid < 16384
		UNION ALL
		SELECT 'column', t.attrelid::regclass || '.' || t.attname, a.grantee, a.privilege_type, a.is_grantable
		FROM pg_attribute t, aclexplode(t.attacl) a WHERE t.attrelid < 16384
		UNION ALL
		SELECT 'member', m.roleid::regrole::text, m.member, '', m.admin_option FROM pg_auth_members m
		ORDER BY 1, 2, 3, 4});
}

sub statistics_open
{
	my ($database) = @_;

	return $node->safe_psql($database, q{SELECT count(*) FROM dp.doctor()
		WHERE severity IN ('open', 'warning') AND opening ~ '^pg_(stat|class|seq|\*|ls)|^write-ahead'});
}

my $sql = 'SELECT count(*) FROM clinic.visits';
my $before = see('before');
my $rights = rights('hospital');

cmp_ok(statistics_open('hospital'), '>', 5, 'the doctor finds statistics open');
is(state_of('hospital', $sql), 'PV007', 'a release is refused');
is(state_of('hospital', 'SELECT dp.harden(apply => true)'), '42501', 'an analyst hardens nothing');

# --- hardened ----------------------------------------------------------------------

cmp_ok($node->safe_psql('hospital', 'SELECT count(*) FROM dp.harden()'), '>', 10, 'the statements are shown');
is(rights('hospital'), $rights, 'and nothing is changed');
cmp_ok($node->safe_psql('hospital', 'SELECT count(*) FROM dp.harden(apply => true)'), '>', 10, 'they are run');
is($node->safe_psql('hospital', 'SELECT count(*) FROM dp.harden(apply => true)'), '0', 'once is enough');
isnt(rights('hospital'), $rights, 'rights have changed');
is(statistics_open('hospital'), '0', 'the doctor finds none open');
is(state_of('hospital', $sql), 'answered', 'a release is answered');

my $after = see('after');
is($after->{$_}, $before->{$_}, "as before: $_") for sort keys %$before;
describe_everything('after');

# --- dumps ---------------------------------------------------------------------------

my $dump = $node->basedir . '/hospital.sql';
my $of_owner = $node->basedir . '/clinic.sql';

$node->command_ok([ 'pg_dump', '-U', 'olga', '--schema', 'clinic', '--file', $of_owner, '--dbname', $node->connstr('hospital') ], 'pg_dump by the owner of the tables');
like(slurp_file($of_owner), qr/COPY clinic\.visits/, 'which has the rows');
$node->command_fails([ 'pg_dump', '-U', 'alice', '--schema', 'clinic', '--dbname', $node->connstr('hospital') ], 'pg_dump by an analyst');
$node->command_ok([ 'pg_dump', '--file', $dump, '--dbname', $node->connstr('hospital') ], 'pg_dump by a superuser');

$node->safe_psql('postgres', "CREATE DATABASE $_ TEMPLATE template0") for qw(restored bare fresh);
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $dump, $node->connstr('restored') ], 'the dump is restored');
is(statistics_open('restored'), '0', 'and is hardened');
is(state_of('restored', $sql), 'answered', 'and answers');
is(rights('restored'), rights('hospital'), 'with the same rights');

$node->command_ok([ 'pg_dump', '--no-privileges', '--file', "$dump.bare", '--dbname', $node->connstr('hospital') ], 'pg_dump without privileges');
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', "$dump.bare", $node->connstr('bare') ], 'is restored');
cmp_ok(statistics_open('bare'), '>', 5, 'the doctor says what is missing');
$node->safe_psql('bare', 'GRANT USAGE ON SCHEMA clinic TO alice');
is(state_of('bare', $sql), 'PV007', 'releases are refused');
$node->safe_psql('bare', 'SELECT dp.harden(apply => true)');
is(statistics_open('bare'), '0', 'until it is hardened again');
is(state_of('bare', $sql), 'answered', 'then they are answered');

# Counters are the server's, rights each database's own
is(state_of('fresh', $_), '42501', "in a database that is not hardened: $_")
	for 'SELECT pg_current_wal_lsn()', 'SELECT * FROM pg_stat_database', q{SELECT pg_database_size('hospital')}, 'SELECT * FROM pg_stat_wal',
	'SELECT * FROM pg_stat_xact_all_tables', 'SELECT * FROM pg_control_checkpoint()';
is($node->safe_psql('fresh', "SELECT pg_database_size('hospital') > 0 AND pg_current_wal_lsn() IS NOT NULL"), 't', 'which others call');

$node->safe_psql('postgres', 'CREATE DATABASE cloned TEMPLATE hospital');
is(statistics_open('cloned'), '0', 'a database made from a hardened one is hardened');

# --- taken back ------------------------------------------------------------------------

is($node->safe_psql('hospital', 'SELECT count(*) > 10 FROM dp.harden_undo()'), 't', 'what takes it back is shown');
$node->safe_psql('hospital', 'SELECT dp.harden_undo(apply => true)');
is(statistics_open('restored') . $node->safe_psql('postgres', q{SELECT pg_has_role('olga', 'dp_monitor', 'MEMBER')}), '0t',
	'other databases keep what they rely on');
$node->safe_psql('postgres', "DROP DATABASE $_") for qw(restored bare cloned);
$node->safe_psql('hospital', 'SELECT dp.harden_undo(apply => true)');
is(rights('hospital'), $rights, 'exactly what was there is there again');
is(state_of('hospital', $sql), 'PV007', 'and a release is refused again');

$node->stop;
done_testing();
