# flavour: test
#
# T4 of the audit recipe: every mechanism's noise, seen through SQL, has the law and at
# least the variance that its price asks for; draws are independent of each other.
#
# Each release is one of a public domain of 20,000 groups in which nobody is: so an answer
# is noise alone, costs no owner anything, and one release gives 20,000 draws.  For a
# normal law 19,534 find a variance off by 10 % (sigma by 5 %), and 5,119 one by 20 %.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use EpsStat;
use Test::More;

use constant GROUPS => 20000;

# 100 owners in each of the first 2,000 groups, whose values are 0
my $node = stat_server('stat_noise', <<'SQL');
CREATE TABLE cells (id int, g int NOT NULL CHECK (g BETWEEN 1 AND 20000), x int NOT NULL CHECK (x BETWEEN -10 AND 10),
	f float8 NOT NULL CHECK (f BETWEEN -8 AND 8));
CREATE TABLE devices (LIKE cells INCLUDING ALL);
CREATE TABLE crowd (LIKE cells INCLUDING ALL);
ALTER TABLE crowd ADD CHECK (g <= 2000);
CREATE TABLE crowd_of_devices (LIKE crowd INCLUDING ALL);
INSERT INTO crowd SELECT i, 1 + i % 2000, 0, 0 FROM generate_series(1, 200000) i;
INSERT INTO crowd_of_devices TABLE crowd;
SET client_min_messages = warning;
SELECT dp.create_dataset('z', 30, 1e-9, capacity => 300000, confirm_large_epsilon => true);
SELECT dp.create_dataset('p', 7, 0, accountant => 'pure', capacity => 300000);
SELECT dp.protect(r, d, 'id', rows_per_owner => 3)
FROM (VALUES ('cells'::regclass, 'z'), ('crowd', 'z'), ('devices', 'p'), ('crowd_of_devices', 'p')) v(r, d);
SELECT dp.grant_analyst('analyst', d, CASE d WHEN 'p' THEN 5 ELSE 10 END) FROM unnest('{z,p}'::text[]) d;
SQL

# --- one aggregate a release ------------------------------------------------------------

# R is 3: count and sum change by 3 and 30 in one group, the count of owners by 1 in each of 3
my %bound = (count => [ 3, 1 ], sum => [ 30, 1 ], owners => [ 1, 3 ]);
my %call = (count => 'count(*)', sum => 'sum(x)', owners => 'count(DISTINCT id)');

sub expected
{
	my ($kind, $what) = @_;
	my ($shift, $groups) = @{ $bound{$what} };

	return gaussian_pmf($shift**2 * $groups / (2 / 256)) if $kind eq 'gaussian';
	return laplace_pmf(laplace_scale(1 / 256, $shift, $groups)) if $kind eq 'laplace';
	return laplace_pmf($shift * $groups / (1 / 8));
}

my %settings = (
	gaussian => 'SET dp.rho = 0.00390625; SET dp.noise = gaussian',
	laplace => 'SET dp.rho = 0.00390625; SET dp.noise = laplace',
	pure => 'SET dp.epsilon = 0.125');

for my $kind (sort keys %settings)
{
	my $table = $kind eq 'pure' ? 'devices' : 'cells';
	for my $what (sort keys %bound)
	{
		my $pmf = expected($kind, $what);
		my @noise;

		for my $round (1 .. $ROUNDS)
		{
			# never the same question twice: it would have the same answer
			push @noise, map { $_->[1] } ask($settings{$kind}, "SELECT g, $call{$what} FROM $table WHERE id < -$round GROUP BY g");
		}
		is(scalar @noise, GROUPS * $ROUNDS, "$kind $what: every group comes out");
		if ($kind eq 'gaussian') { check_variance("$kind $what", \@noise, pmf_variance($pmf)) }
		else { check_at_least("$kind $what", \@noise, $pmf) }
		check_law("$kind $what", \@noise, $pmf);
		check_mean("$kind $what", \@noise, 0, pmf_variance($pmf));
		check_uncorrelated("$kind $what, a group and the next", [ @noise[ 0 .. $#noise - 1 ] ], [ @noise[ 1 .. $#noise ] ]);
	}
}

# --- several aggregates: together they cost the price -------------------------------------

{
	my $query = 'SELECT g, count(*), sum(x), count(DISTINCT id), sum(f) FROM cells WHERE id < 0 GROUP BY g';
	my @stated = map { $_->[0] } price($settings{gaussian}, $query);
	my @norm = (3**2, 30**2, 3, 24**2);
	my @rows = ask($settings{gaussian}, $query);
	my $cost = 0;

	is(scalar @stated, 4, 'four outputs');
	$cost += $norm[$_] / (2 * $stated[$_]**2) for 0 .. 3;
	# (sigma is stated to four digits)
	cmp_ok($cost, '<=', 0.00390625 * 1.001, "what four stated sigmas cost together, $cost, is within the price");
	for my $j (0 .. 3)
	{
		check_variance("output $j of four", [ map { $_->[ $j + 1 ] } @rows ], $stated[$j]**2 * 0.999);
		check_uncorrelated("outputs $j and " . ($j + 1), [ map { $_->[ $j + 1 ] } @rows ], [ map { $_->[ $j + 2 ] } @rows ]) if $j < 3;
	}
}

# --- two releases ------------------------------------------------------------------------

{
	my $query = 'SELECT g, count(*) FROM cells WHERE id < 0 GROUP BY g';
	my @first = map { $_->[1] } ask($settings{gaussian}, "$query");
	my @rows = ask("$settings{gaussian}", 'SELECT a.g, a.n, b.n, c.n FROM (SELECT g, count(*) AS n FROM cells WHERE id < 0 GROUP BY g) a '
		. 'JOIN (SELECT g, count(*) AS n FROM cells WHERE id < -1 GROUP BY g) b USING (g) JOIN (SELECT g, count(x) + 0 AS n FROM cells WHERE id < -2 GROUP BY g) c USING (g) ORDER BY g');

	check_uncorrelated('releases of one statement', [ map { $_->[1] } @rows ], [ map { $_->[2] } @rows ]);
	check_uncorrelated('releases of one statement, count of values', [ map { $_->[1] } @rows ], [ map { $_->[3] } @rows ]);
	check_uncorrelated('releases of one session', [ map { $_->[2] } @rows ], [ map { $_->[3] } @rows ]);
	isnt(join(' ', @first), join(' ', map { $_->[1] } @rows), 'releases of two sessions') if ($ENV{EPS_STAT_SEED} // '') eq 'random';
}

# --- averages ------------------------------------------------------------------------------

# sum / rows of a group with 100 rows of value 0 is Z1 / (100 + Z2)
for my $kind (qw(gaussian pure))
{
	my $table = $kind eq 'pure' ? 'crowd_of_devices' : 'crowd';
	my $query = "SELECT g, avg(x) FROM $table GROUP BY g";
	my $set = $kind eq 'pure' ? 'SET dp.epsilon = 2' : 'SET dp.rho = 0.5; SET dp.noise = gaussian';
	my ($stated) = price($set, $query);
	my ($s1, $s2) = @$stated;
	my @values = map { $_->[1] * 100 } ask($set, $query);
	my ($inverse_square, $mass) = (0, 0);

	is(scalar @values, 2000, "$kind average: every group comes out");
	if ($kind eq 'gaussian')
	{
		cmp_ok(30**2 / (2 * $s1**2) + 3**2 / (2 * $s2**2), '<=', 0.5 * 1.001, 'average: both sigmas are within the price');
		for my $i (-600 .. 600)
		{
			my $z = $i / 100;
			$mass += exp(-$z * $z / 2);
			$inverse_square += exp(-$z * $z / 2) * (100 / (100 + $s2 * $z))**2;
		}
		check_variance('average', \@values, $s1**2 * $inverse_square / $mass * 0.999);
	}
	else
	{
		cmp_ok(30 / $s1 + 3 / $s2, '<=', 2 * 1.001, 'average: both scales are within the price');
		# a noisy number of rows only adds to the spread of the quotient
		check_at_least('pure average', \@values, laplace_pmf($s1 * 0.999));
	}
	check_mean("$kind average", \@values, 0, ($kind eq 'pure' ? 2 : 1) * $s1**2 * 1.05);
}

$node->stop;
done_testing();
