# flavour: test
#
# T7 of the audit recipe: groups chosen by a noisy threshold.  At a delta of 1e-2, 8,727
# groups of one owner each: 136 that show are too many (which finds a factor of 2 in delta).
# Then the whole curve: how often groups of 1, 2, ... owners show, with Gaussian and with
# Laplace noise; and that what is shown of the number of owners is the value that was
# compared with the threshold.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use EpsStat;
use Test::More;

use constant LONELY => 8727;
use constant EACH => 300;

my $node = stat_server('stat_selection', <<'SQL');
CREATE TABLE lonely (id int, k text);
INSERT INTO lonely SELECT i, 'key ' || i FROM generate_series(1, 8727) i;
-- three groups an owner, each the owner's alone
CREATE TABLE spread (id int, k text);
INSERT INTO spread SELECT 100000 + i / 3, 'key ' || i FROM generate_series(0, 8726) i;
-- 300 groups each of 1, 2, ... 8 owners
CREATE TABLE curve (id int, k text);
INSERT INTO curve SELECT 200000 + row_number() OVER (), n || ' owners, ' || g FROM generate_series(1, 8) n, generate_series(1, 300) g, generate_series(1, n) i;
SET client_min_messages = warning;
SELECT dp.create_dataset('z', 8, 0.5, capacity => 50000);
SELECT dp.protect(r, 'z', 'id', rows_per_owner => 3) FROM unnest('{lonely,spread,curve}'::regclass[]) r;
SELECT dp.grant_analyst('analyst', 'z', 8);
SQL

my %noise = (gaussian => 'SET dp.noise = gaussian', laplace => 'SET dp.noise = laplace');

for my $kind (sort keys %noise)
{
	my $one = "$noise{$kind}; SET dp.rho = 0.5; SET dp.groups_per_owner = 1; SET dp.rows_per_owner = 1; SET dp.delta = 0.01";
	my @shown = ask($one, 'SELECT k, count(DISTINCT id) FROM lonely GROUP BY k');

	cmp_ok(scalar @shown, '<', 136, "$kind: groups of one owner show " . @shown . ' times of 8727, delta is 0.01');
	cmp_ok(scalar @shown, '>', 0, "$kind: some do");
	@shown = ask("$noise{$kind}; SET dp.rho = 0.5; SET dp.groups_per_owner = 3; SET dp.delta = 0.01", 'SELECT k, count(DISTINCT id) FROM spread GROUP BY k');
	my %owner;
	$owner{ int(substr($_->[0], 4) / 3) } = 1 for @shown;
	# of 2,909 owners 29 are expected, and 71 have a probability of 1e-11 where delta is kept
	cmp_ok(scalar keys %owner, '<', 71, "$kind: owners with three groups show " . keys(%owner) . ' times of 2909, delta is 0.01');
}

# --- the curve -----------------------------------------------------------------------------

# rho 1/2 for owners in one group; noise on a grid of 1/16 or finer, as its scale is about 1
sub curve
{
	my ($kind) = @_;
	my $set = "$noise{$kind}; SET dp.rho = 0.5; SET dp.groups_per_owner = 1; SET dp.delta = 0.0078125";
	my $step = 16;
	my $pmf;

	if ($kind eq 'gaussian') { $pmf = gaussian_pmf($step**2) }
	else
	{
		# the coarsest grid on which the scale is 16 steps or more
		$step *= 2 while laplace_scale(0.5, $step, 1) < 16;
		$step /= 2 while laplace_scale(0.5, $step / 2, 1) >= 16;
		$pmf = laplace_pmf(ceil_to(laplace_scale(0.5, $step, 1), 1 / 32768));
	}
	my ($tau) = threshold($pmf, $step, 1, 0.0078125);
	my %shown;
	my $lowest = 1e9;

	for my $row (ask($set, 'SELECT k, count(DISTINCT id) FROM curve GROUP BY k'))
	{
		my ($n) = $row->[0] =~ /^(\d+)/;
		$shown{$n}++;
		$lowest = $row->[1] if $row->[1] < $lowest;
	}
	for my $n (1 .. 8)
	{
		check_keep("$kind, groups of $n", $shown{$n} // 0, EACH, pmf_tail($pmf, $tau - $n * $step));
	}
	cmp_ok($lowest, '>=', int($tau / $step), "$kind: no group shows a number below the threshold of " . $tau / $step);
	return;
}

sub ceil_to { my ($x, $unit) = @_; return POSIX::ceil($x / $unit) * $unit; }

curve($_) for sort keys %noise;

$node->stop;
done_testing();
