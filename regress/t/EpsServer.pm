# A cluster with pg_epsilon, a wrapping key and fsync on, for the server tests.
package EpsServer;

use strict;
use warnings;
use Digest::SHA qw(sha256);
use Exporter 'import';
use MIME::Base64;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Time::HiRes qw(sleep time);
use Test::More;

our @EXPORT = qw(new_server write_key make_book wait_for set_point let_go writer_pid restart_after_crash
	fails_with verify_is_clean checkpoint tree_extends);

# A file of that content that only the server may read
sub write_key
{
	my ($path, $content) = @_;

	unlink $path;
	open(my $out, '>', $path) or die "$path: $!";
	binmode $out;
	print $out $content;
	close $out;
	chmod 0600, $path;
	return $path;
}

sub new_server
{
	my ($name, %option) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init(allows_streaming => 1);
	write_key($node->basedir . '/key', join('', map { chr($_ * 7 % 256) } 1 .. 32));
	$node->append_conf('postgresql.conf', join("\n",
		"shared_preload_libraries = 'pg_epsilon'",
		'fsync = on',
		'full_page_writes = on',
		'restart_after_crash = on',
		"dp.key_file = '" . ($option{key_file} // $node->basedir . '/key') . "'",
		$option{conf} // '') . "\n");
	$node->start unless $option{not_started};
	return $node;
}

# The extension and one data set, and where it is the test flavour, dp_test.admit
sub make_book
{
	my ($node, $database, %option) = @_;
	my $capacity = $option{capacity} // 10000;

	$node->safe_psql($database, <<"SQL");
CREATE EXTENSION pg_epsilon;
CREATE TABLE patients (id int PRIMARY KEY, x int);
SELECT dp.create_dataset('hospital', 1, 1e-9, capacity => $capacity);
SELECT dp.protect('patients', 'hospital', 'id');
CREATE SCHEMA dp_test;
CREATE FUNCTION dp_test.admit(dataset text, owners bigint[], level int, delta_level int DEFAULT 0, purpose int DEFAULT -1)
	RETURNS int AS 'pg_epsilon', 'eps_budget_sql_test_admit' LANGUAGE C STRICT;
SQL
}

# True as soon as the query gives t; false after so many seconds
sub wait_for
{
	my ($node, $database, $query, $seconds) = @_;
	my $end = time() + ($seconds // 60);

	while (time() < $end)
	{
		# psql that finds no server may be gone before it is given the query
		my ($rc, $out) = eval { $node->psql($database, $query) };
		return 1 if defined $out && $out eq 't';
		sleep 0.05;
	}
	return 0;
}

# Sets dp.test_point for the whole server
sub set_point
{
	my ($node, $point) = @_;

	unlink $node->data_dir . '/dp_test_go';
	$node->safe_psql('postgres', "ALTER SYSTEM SET dp.test_point = '$point'");
	$node->reload;
	sleep 0.2;
}

# Lets whoever waits at a point go on
sub let_go
{
	my ($node) = @_;

	append_to_file($node->data_dir . '/dp_test_go', 'go');
}

sub writer_pid
{
	my ($node, $database) = @_;

	return $node->safe_psql('postgres', <<"SQL");
SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_epsilon ledger writer' AND datname = '$database'
SQL
}

# After a kill -9 of a child the postmaster starts over by itself
sub restart_after_crash
{
	my ($node) = @_;

	return wait_for($node, 'postgres', 'SELECT true');
}

sub fails_with
{
	my ($node, $database, $query, $pattern, $name) = @_;
	my ($rc, $out, $err) = $node->psql($database, "\\set VERBOSITY verbose\n$query");

	like($err, $pattern, $name);
}

sub verify_is_clean
{
	my ($node, $database, $name) = @_;

	is($node->safe_psql($database, 'SELECT check_name, detail FROM dp.verify() WHERE NOT ok'), '', "$name: dp.verify() is clean");
	cmp_ok($node->safe_psql($database, 'SELECT count(*) FROM dp.verify()'), '>', 0, "$name: it checked something");
}

# --- the log ------------------------------------------------------------------------

# Size and root of the log, as a checkpoint says
sub checkpoint
{
	my ($node, $database) = @_;
	my (undef, $size, $root) = split /\n/, $node->safe_psql($database, 'SELECT dp.checkpoint()');

	return { size => $size, root => decode_base64($root) };
}

# RFC 9162, 2.1.4.2: does the proof lead from the one root to the other?
sub is_consistent
{
	my ($first, $second, @proof) = @_;
	my ($fn, $sn) = ($first->{size} - 1, $second->{size} - 1);

	return $first->{root} eq $second->{root} && !@proof if $first->{size} == $second->{size};
	unshift @proof, $first->{root} if ($first->{size} & $first->{size} - 1) == 0;
	while ($fn & 1)
	{
		$fn >>= 1;
		$sn >>= 1;
	}
	return 0 unless @proof;
	my $fr = my $sr = shift @proof;
	for my $c (@proof)
	{
		return 0 if $sn == 0;
		if ($fn & 1 || $fn == $sn)
		{
			$fr = sha256("\x01$c$fr");
			$sr = sha256("\x01$c$sr");
			while (!($fn & 1) && $fn != 0)
			{
				$fn >>= 1;
				$sn >>= 1;
			}
		}
		else
		{
			$sr = sha256("\x01$sr$c");
		}
		$fn >>= 1;
		$sn >>= 1;
	}
	return $sn == 0 && $fr eq $first->{root} && $sr eq $second->{root};
}

# The log is a continuation of the one whose checkpoint was seen
sub tree_extends
{
	my ($node, $database, $seen, $name) = @_;
	my $now = checkpoint($node, $database);
	my @proof = map { pack('H*', $_) } split /\n/, $node->safe_psql($database,
		"SELECT encode(h, 'hex') FROM unnest((dp.consistency_proof($seen->{size}, $now->{size})).proof) h");

	ok($now->{size} >= $seen->{size} && is_consistent($seen, $now, @proof), "$name: the log continues the one that was seen");
	return $now;
}

1;
