# flavour: test
#
# Sessions that spend one owner's last budget at once never exceed the limit; the
# writer shares commits among them, and its memory does not grow.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use EpsServer;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('together', conf => "dp.writer_idle = 600\nlog_statement = none");
make_book($node, 'postgres');

sub pgbench
{
	my ($clients, $transactions, $script) = @_;
	my $file = write_key($node->basedir . '/script.sql', $script);

	command_ok([ 'pgbench', '-n', '-c', $clients, '-j', 2, '-t', $transactions, '-f', $file, $node->connstr('postgres') ],
		"$clients clients");
}

# --- two, then eight, on the same owners --------------------------------------------

for my $case ([ 2, 20, 11, 12 ], [ 8, 40, 21, 22 ])
{
	my ($clients, $times, @owners) = @$case;
	my $fits = $clients * $times / 4;
	my $level = $node->safe_psql('postgres', <<"SQL");
SELECT max(l) FROM generate_series(1, 253) l, dp_book.dataset d WHERE dp._ladder_units(l) <= d.cap_units / $fits
SQL
	$fits = $node->safe_psql('postgres', "SELECT floor(cap_units / dp._ladder_units($level)) FROM dp_book.dataset");
	pgbench($clients, $times, "SELECT dp_test.admit('hospital', ARRAY[$owners[0], $owners[1]], $level);\n");
	for my $owner (@owners)
	{
		is($node->safe_psql('postgres', "SELECT count(*) FROM dp.statement('hospital', $owner)"), $fits,
			"$clients sessions: owner $owner was charged exactly as often as the limit allows");
	}
	is($node->safe_psql('postgres', 'SELECT count(*) FROM dp_book.owner_limit'), 0, 'the limit is the standard one');
}
is($node->safe_psql('postgres', "SELECT bool_and(running_epsilon <= limit_epsilon) FROM dp.statement('hospital', 21)"),
	't', 'nobody is above the promise');
verify_is_clean($node, 'postgres', 'after that');

# --- while they work, others verify, limit and consent ---------------------------------

pgbench(6, 60, <<'SQL');
\set owner random(100, 120)
\set what random(1, 6)
\if :what = 1
SELECT count(*) FROM dp.verify() WHERE NOT ok \gset bad_
\if :bad_count > 0
SELECT 1 / 0;
\endif
\elif :what = 2
SELECT dp.set_limit('hospital', :owner, 1.0 / :what);
\else
SELECT dp_test.admit('hospital', ARRAY[:owner, 200 + :owner], 100);
\endif
SQL
verify_is_clean($node, 'postgres', 'after mixed work');

# --- memory of the writer ------------------------------------------------------------------

sub writer_memory
{
	my $offset = -s $node->logfile;

	$node->safe_psql('postgres', 'SELECT pg_log_backend_memory_contexts(' . writer_pid($node, 'postgres') . ')');
	$node->wait_for_log(qr/Grand total: \d+ bytes/, $offset);
	my ($bytes) = slurp_file($node->logfile, $offset) =~ /Grand total: (\d+) bytes/;
	return $bytes;
}

my $work = "\\set owner random(1000, 3000)\nSELECT dp_test.admit('hospital', ARRAY[:owner, 1 + :owner], 10);\n";
pgbench(4, 100, $work);
my $before = writer_memory();
pgbench(4, 500, $work);
cmp_ok(writer_memory(), '<=', $before * 1.1, 'after 2,000 more answers the writer has no more memory');
verify_is_clean($node, 'postgres', 'at the end');

$node->stop;
done_testing();
