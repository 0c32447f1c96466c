# flavour: test
#
# T5 of the audit recipe: means.  What an owner contributes is clamped, capped and chosen as
# declared, whatever the owner brings; noise has mean 0.
#
# 10,000 owners, one a group, each at the bound or beyond: a shift of 0.08 sigma is found
# (h sigma needs ((4.89 + 3.09) / h)^2 answers).
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use EpsStat;
use Test::More;

my $node = stat_server('stat_bounds', <<'SQL');
-- five rows an owner, of which three count, and values far out of bounds
CREATE TABLE wild (id int, g int NOT NULL CHECK (g BETWEEN 1 AND 10000), up int, f float8, n numeric, down int8, within int);
INSERT INTO wild SELECT i, i, 2147483647, 1e300, 1e500, -9223372036854775808, 4 FROM generate_series(1, 10000) i, generate_series(1, 5);
-- each owner in three groups that all share, and in one of the own; first those that are shared
CREATE TABLE spread (id int, g int NOT NULL CHECK (g BETWEEN 1 AND 10003));
INSERT INTO spread SELECT i, g FROM generate_series(1, 3) g, generate_series(1, 10000) i;
INSERT INTO spread SELECT i, i + 3 FROM generate_series(1, 10000) i;
-- nobody's rows
INSERT INTO wild SELECT NULL, i, 5, 5, 5, 5, 5 FROM generate_series(1, 10000) i;
CREATE TABLE parts (n int);
INSERT INTO parts VALUES (1), (2);
GRANT SELECT ON parts TO analyst;
SET client_min_messages = warning;
SELECT dp.create_dataset('z', 30, 1e-9, capacity => 20000, confirm_large_epsilon => true);
SELECT dp.protect('wild', 'z', 'id', rows_per_owner => 3), dp.protect('spread', 'z', 'id', rows_per_owner => 4, groups_per_owner => 2);
SELECT dp.set_bounds('wild', c, -10, 10, 'test') FROM unnest('{up,f,n,down,within}'::text[]) c;
SELECT dp.declare_public('parts');
SELECT dp.grant_analyst('analyst', 'z', 3);
SQL

my $rho = 0.03125;
my $set = "SET dp.rho = $rho; SET dp.noise = gaussian";

sub means
{
	my ($query, $norm, @expected) = @_;
	my @rows = ask($set, $query);

	for my $j (1 .. @expected)
	{
		check_mean("$query: output $j", [ map { $_->[$j] } @rows ], $expected[ $j - 1 ], $norm / (2 * $rho));
	}
	return @rows;
}

means('SELECT g, count(*) FROM wild GROUP BY g', 3**2, 3);
means('SELECT g, sum(up) FROM wild GROUP BY g', 30**2, 30);
means('SELECT g, sum(f) FROM wild GROUP BY g', 30**2, 30);
means('SELECT g, sum(n) FROM wild GROUP BY g', 30**2, 30);
means('SELECT g, sum(down) FROM wild GROUP BY g', 30**2, -30);
means('SELECT g, sum(within) FROM wild GROUP BY g', 30**2, 12);
means('SELECT g, sum(dp.clamp(up, 0, 5)) FROM wild GROUP BY g', 15**2, 15);
means('SELECT g, count(DISTINCT id) FROM wild GROUP BY g', 3, 1);
# a public relation makes six rows of three, and the bound follows
means('SELECT g, count(*) FROM wild CROSS JOIN parts GROUP BY g', 6**2, 6);

# Two groups of four are kept by the owner's coins: each with probability 1/2, whether shared or not
{
	my @rows = ask($set, 'SELECT g, count(DISTINCT id) FROM spread GROUP BY g');
	my $variance = 2 / (2 * $rho);

	check_mean('groups of the own', [ map { $_->[1] } grep { $_->[0] > 3 } @rows ], 0.5, $variance + 0.25);
	for my $shared (grep { $_->[0] <= 3 } @rows)
	{
		check_mean("shared group $shared->[0]", [ $shared->[1] ], 5000, $variance + 10000 / 4);
	}
}

$node->stop;
done_testing();
