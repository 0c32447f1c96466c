# flavour: test
#
# T6 of the audit recipe: can outputs with an owner and without be told apart better than
# the price allows?  The bound on mu (Gaussian DP) that 2,830 outputs a side show, at a
# confidence of 1 - 1e-6, must not be above the claim.  2,830 find a factor of sqrt 2 (which
# a forgotten factor of 2 in rho would be) at mu = 1; a wrong noise scale of a pure data set
# shows as epsilon.
#
# The owners are in groups of their own, so one release is 2,830 experiments; the sides are
# groups with an owner, and groups of the same public domain with nobody.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use EpsStat;
use Test::More;

use constant SIDE => 2830;

my $node = stat_server('stat_distinguish', <<'SQL');
CREATE TABLE one (id int, g int NOT NULL CHECK (g BETWEEN 1 AND 5660), x int NOT NULL, f float8 NOT NULL);
INSERT INTO one SELECT i, i, 1000000, 1e300 FROM generate_series(1, 2830) i;
CREATE TABLE pure_one (LIKE one INCLUDING ALL);
INSERT INTO pure_one TABLE one;
-- six rows an owner in one group, of which four count; four groups an owner, one row in each
CREATE TABLE heavy (LIKE one INCLUDING ALL);
INSERT INTO heavy SELECT 10000 + i, i, 1000000, 1e300 FROM generate_series(1, 2830) i, generate_series(1, 6);
CREATE TABLE wide (id int, g int NOT NULL CHECK (g BETWEEN 1 AND 22640));
INSERT INTO wide SELECT 20000 + i, 4 * i + k FROM generate_series(0, 2829) i, generate_series(1, 4) k;
CREATE TABLE pure_wide (LIKE wide INCLUDING ALL);
INSERT INTO pure_wide TABLE wide;
CREATE TABLE second (id int, y int);
INSERT INTO second SELECT 10000 + i, 1 FROM generate_series(1, 2830) i, generate_series(1, 2);
CREATE TABLE parts (n int);
INSERT INTO parts VALUES (1), (2), (3);
GRANT SELECT ON parts TO analyst;
SET client_min_messages = warning;
SELECT dp.create_dataset('z', 30, 1e-9, capacity => 20000, confirm_large_epsilon => true);
SELECT dp.create_dataset('p', 7, 0, accountant => 'pure', capacity => 20000);
SELECT dp.protect('one', 'z', 'id', rows_per_owner => 1), dp.protect('heavy', 'z', 'id', rows_per_owner => 4),
	dp.protect('wide', 'z', 'id', rows_per_owner => 4), dp.protect('second', 'z', 'id', rows_per_owner => 2),
	dp.protect('pure_one', 'p', 'id', rows_per_owner => 1), dp.protect('pure_wide', 'p', 'id', rows_per_owner => 4);
SELECT dp.set_bounds(r, c, -10, 10, 'test') FROM unnest('{one,heavy,pure_one}'::regclass[]) r, unnest('{x,f}'::text[]) c;
SELECT dp.declare_public('parts');
SELECT dp.grant_analyst('analyst', d, CASE d WHEN 'p' THEN 5 ELSE 10 END) FROM unnest('{z,p}'::text[]) d;
SQL

my $gaussian = 'SET dp.rho = 0.5; SET dp.noise = gaussian';

# Values by group, `each` groups an experiment added up, split into the two sides
sub sides
{
	my ($set, $query, $each, $combine) = @_;
	my @sum = (0) x (2 * SIDE);

	for my $row (ask($set, $query))
	{
		my ($g, @y) = @$row;
		$sum[ int(($g - 1) / $each) ] += $combine ? $combine->(@y) : $y[0];
	}
	return ([ @sum[ 0 .. SIDE - 1 ] ], [ @sum[ SIDE .. 2 * SIDE - 1 ] ]);
}

sub claim_gdp
{
	my ($name, $query, $each, $middle, $combine) = @_;

	check_gdp($name, sides($gaussian, $query, $each, $combine), $middle, 1);
}

claim_gdp('count', 'SELECT g, count(*) FROM one GROUP BY g', 1, 0.5);
claim_gdp('sum, value beyond the bound', 'SELECT g, sum(x) FROM one GROUP BY g', 1, 5);
claim_gdp('sum of floats', 'SELECT g, sum(f) FROM one GROUP BY g', 1, 5);
claim_gdp('count of rows, more than declared', 'SELECT g, count(*) FROM heavy GROUP BY g', 1, 2);
claim_gdp('sum, more rows than declared', 'SELECT g, sum(x) FROM heavy GROUP BY g', 1, 20);
claim_gdp('owners in four groups', 'SELECT g, count(DISTINCT id) FROM wide GROUP BY g', 4, 2);
claim_gdp('joined with a second relation', 'SELECT g, count(*) FROM heavy JOIN second USING (id) GROUP BY g', 1, 4);
claim_gdp('multiplied by a public relation', 'SELECT g, count(*) FROM one CROSS JOIN parts GROUP BY g', 1, 1.5);

# Several aggregates, put together as one who knows the noise would
{
	my $query = 'SELECT g, count(*), sum(x), count(DISTINCT id) FROM heavy GROUP BY g';
	my @sigma = map { $_->[0] } price($gaussian, $query);
	my @effect = (4, 40, 1);
	my @weight = map { $effect[$_] / $sigma[$_]**2 } 0 .. 2;
	my $middle = 0;

	$middle += $weight[$_] * $effect[$_] / 2 for 0 .. 2;
	claim_gdp('count, sum and owners together', $query, 1, $middle, sub { my $t = 0; $t += $weight[$_] * $_[$_] for 0 .. 2; return $t; });
}

# Pure: epsilon 1 at the threshold where an owner's presence tells most
{
	my $set = 'SET dp.epsilon = 1';

	check_epsilon('pure count', sides($set, 'SELECT g, count(*) FROM pure_one GROUP BY g', 1), 1, 1);
	check_epsilon('pure sum', sides($set, 'SELECT g, sum(x) FROM pure_one GROUP BY g', 1), 10, 1);
	check_epsilon('pure owners in four groups', sides($set, 'SELECT g, count(DISTINCT id) FROM pure_wide GROUP BY g', 4), 4, 1);
}

$node->stop;
done_testing();
