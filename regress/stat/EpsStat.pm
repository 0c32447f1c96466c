# Statistics for the audits of this folder, and what they expect of each mechanism, worked
# out here from the theory and not by the engine's own code.
#
# Each test has a false alarm rate of $ALPHA = 1e-6 at most.  A run makes about 120 of them,
# so a sound engine fails one run in 8,000; with the fixed seed of the test build, none or
# all.  EPS_STAT_SEED=random takes fresh noise, EPS_STAT_ROUNDS more of it.
package EpsStat;

use strict;
use warnings;
use Exporter 'import';
use FindBin;
use lib "$FindBin::Bin/../t";
use EpsServer;
use List::Util qw(max min sum sum0);
use POSIX qw(ceil erfc floor lgamma);
use Test::More;

our @EXPORT = qw($ALPHA $ROUNDS stat_server ask price check_variance check_at_least check_law check_mean
	check_uncorrelated check_gdp check_epsilon check_keep gaussian_pmf laplace_pmf pmf_variance pmf_tail laplace_rho
	laplace_scale threshold normal_tail normal_quantile binomial_tail);

our $ALPHA = 1e-6;
our $ROUNDS = $ENV{EPS_STAT_ROUNDS} // 1;

# --- asking -----------------------------------------------------------------------

my ($node, $seed);
my $asked = 0;

sub stat_server
{
	my ($name, $sql) = @_;

	$node = new_server($name);
	$node->safe_psql('postgres', "CREATE EXTENSION pg_epsilon; SELECT dp.harden(apply => true); CREATE ROLE analyst LOGIN; $sql");
	$node->safe_psql('postgres', 'ALTER ROLE analyst SET dp.max_groups = 1000000');
	$seed = $name;
	return $node;
}

# A seed of its own for each query, or none
sub seed_setting
{
	return '' if ($ENV{EPS_STAT_SEED} // '') eq 'random';
	$asked++;
	return "SET dp_test.seed = '$seed $asked';";
}

# Rows of a query as the analyst, as references to lists; several statements may come first
sub ask
{
	my ($settings, $query) = @_;
	my $out = $node->safe_psql('postgres', seed_setting() . " $settings; COPY ($query) TO STDOUT", extra_params => [ '-U', 'analyst' ]);

	return map { [ split /\t/ ] } split /\n/, $out;
}

# What EXPLAIN states of a release: sigma or scale by output (of an average also that of
# its rows), in value units
sub price
{
	my ($settings, $query) = @_;
	my $out = $node->safe_psql('postgres', "$settings; EXPLAIN (COSTS off) $query", extra_params => [ '-U', 'analyst' ]);
	my @stated;

	for my $line (split /\n/, $out)
	{
		push @stated, [ $line =~ /(?:sigma|scale) ([0-9.e+]+)/g ] if $line =~ /Output \d+:/;
	}
	return @stated;
}

# --- distributions ------------------------------------------------------------------

# Pr[X >= x] of the standard normal law
sub normal_tail { return erfc($_[0] / sqrt 2) / 2; }

# x with Pr[X >= x] = p
sub normal_quantile
{
	my ($p) = @_;
	my ($low, $high) = (-40, 40);

	for (1 .. 200)
	{
		my $mid = ($low + $high) / 2;
		if (normal_tail($mid) > $p) { $low = $mid } else { $high = $mid }
	}
	return $high;
}

# Regularized lower and upper incomplete gamma function
sub gamma_pq
{
	my ($a, $x) = @_;

	return (0, 1) if $x <= 0;
	my $front = exp($a * log($x) - $x - lgamma($a));
	if ($x < $a + 1)
	{
		my ($term, $total) = (1 / $a, 1 / $a);
		for my $n (1 .. 100000)
		{
			$term *= $x / ($a + $n);
			$total += $term;
			last if $term < $total * 1e-16;
		}
		return ($front * $total, 1 - $front * $total);
	}
	my $b = $x + 1 - $a;
	my $c = 1e300;
	my $d = 1 / $b;
	my $h = $d;
	for my $i (1 .. 100000)
	{
		my $an = -$i * ($i - $a);
		$b += 2;
		$d = $an * $d + $b;
		$d = 1e-300 if abs $d < 1e-300;
		$c = $b + $an / $c;
		$c = 1e-300 if abs $c < 1e-300;
		$d = 1 / $d;
		$h *= $d * $c;
		last if abs($d * $c - 1) < 1e-15;
	}
	return (1 - $front * $h, $front * $h);
}

sub chi_square_pq { return gamma_pq($_[1] / 2, $_[0] / 2); }

# Pr[X >= k] of the binomial law, summed from the larger terms down
sub binomial_tail
{
	my ($k, $n, $p) = @_;
	my $total = 0;

	return 1 if $k <= 0;
	return 0 if $k > $n || $p <= 0;
	return 1 if $p >= 1;
	for my $i ($k .. $n)
	{
		my $term = exp(lgamma($n + 1) - lgamma($i + 1) - lgamma($n - $i + 1) + $i * log($p) + ($n - $i) * log(1 - $p));
		$total += $term;
		last if $i > $n * $p && $term < $total * 1e-17;
	}
	return min($total, 1);
}

# Clopper-Pearson: the largest p under which at most k of n has probability alpha
sub upper_rate
{
	my ($k, $n, $alpha) = @_;
	my ($low, $high) = ($k / $n, 1);

	return 1 if $k >= $n;
	for (1 .. 60)
	{
		my $mid = ($low + $high) / 2;
		if (1 - binomial_tail($k + 1, $n, $mid) > $alpha) { $low = $mid } else { $high = $mid }
	}
	return $high;
}

# Probabilities of a discrete Gaussian with that variance parameter, by value
sub gaussian_pmf
{
	my ($variance) = @_;
	my $reach = ceil(9 * sqrt $variance);
	my %pmf = map { $_ => exp(-$_ * $_ / (2 * $variance)) } -$reach .. $reach;
	my $total = sum values %pmf;

	$_ /= $total for values %pmf;
	return \%pmf;
}

# Of a discrete Laplace with that scale
sub laplace_pmf
{
	my ($scale) = @_;
	my $reach = ceil(40 * $scale);
	my $front = (1 - exp(-1 / $scale)) / (1 + exp(-1 / $scale));

	return { map { $_ => $front * exp(-abs($_) / $scale) } -$reach .. $reach };
}

sub pmf_variance { my ($pmf) = @_; return sum map { $_ * $_ * $pmf->{$_} } keys %$pmf; }

# Pr[X >= k]
sub pmf_tail { my ($pmf, $k) = @_; return sum0 map { $_ >= $k ? $pmf->{$_} : 0 } keys %$pmf; }

# --- what a price buys ----------------------------------------------------------------

# rho of a discrete Laplace of scale b under a shift by m (privacy-and-ledger 1.6)
sub laplace_rho
{
	my ($scale, $m) = @_;
	my $e = 1 / $scale;
	my $p = exp(-$e);

	return $e * ($m - 2 * $p * (1 - $p**$m) / (1 - $p * $p));
}

# The smallest scale at which `groups` shifts by m cost at most rho
sub laplace_scale
{
	my ($rho, $m, $groups) = @_;
	my ($low, $high) = (0.01, 1e9);

	for (1 .. 200)
	{
		my $mid = ($low + $high) / 2;
		if ($groups * laplace_rho($mid, $m) > $rho) { $low = $mid } else { $high = $mid }
	}
	return $high;
}

# The smallest threshold at which an owner alone in each of `groups` groups shows with
# probability delta at most; a step is one owner
sub threshold
{
	my ($pmf, $step, $groups, $delta) = @_;
	my $target = 1 - (1 - $delta)**(1 / $groups);
	my $tail = 0;
	my $m = max keys %$pmf;

	while ($tail + $pmf->{$m} <= $target)
	{
		$tail += $pmf->{$m};
		$m--;
	}
	return ($m + 1 + $step, $tail);
}

# --- tests -----------------------------------------------------------------------------

sub verdict
{
	my ($p, $name, @more) = @_;

	return ok($p > $ALPHA, sprintf("%s: p = %.3g", $name, $p)) || diag(@more);
}

# T4, one-sided: sum of (y - f)^2 / sigma^2 is not too small for normal noise of sigma
sub check_variance
{
	my ($name, $deviations, $variance) = @_;
	my $x = sum(map { $_ * $_ } @$deviations) / $variance;
	my ($p) = chi_square_pq($x, scalar @$deviations);

	verdict($p, "$name: no less noise than its price asks for", sprintf('variance %.6g, expected %.6g',
		$x * $variance / @$deviations, $variance));
}

# The same for noise of another law, whose squares have the fourth moment given
sub check_at_least
{
	my ($name, $deviations, $pmf) = @_;
	my $variance = pmf_variance($pmf);
	my $fourth = sum map { $_**4 * $pmf->{$_} } keys %$pmf;
	my $mean = sum(map { $_ * $_ } @$deviations) / @$deviations;
	my $z = ($mean - $variance) / sqrt(($fourth - $variance**2) / @$deviations);

	# squares are skewed to the right, so their mean's lower tail is lighter than the normal one
	verdict(normal_tail(-$z), "$name: no less noise than its price asks for", sprintf('variance %.6g, expected %.6g', $mean, $variance));
}

# Chi-square of frequencies against a law, in bins of 25 or more
sub check_law
{
	my ($name, $deviations, $pmf) = @_;
	my $n = @$deviations;
	my (%seen, @bins);
	my ($expected, $count, $x) = (0, 0, 0);

	$seen{$_}++ for @$deviations;
	my $outside = sum0 map { exists $pmf->{$_} ? 0 : $seen{$_} } keys %seen;
	for my $value (sort { $a <=> $b } keys %$pmf)
	{
		$expected += $n * $pmf->{$value};
		$count += $seen{$value} // 0;
		next if $expected < 25;
		push @bins, [ $count, $expected ];
		($expected, $count) = (0, 0);
	}
	$bins[-1][0] += $count + $outside;
	$bins[-1][1] += $expected;
	$x += ($_->[0] - $_->[1])**2 / $_->[1] for @bins;
	my (undef, $p) = chi_square_pq($x, @bins - 1);
	verdict($p, sprintf('%s: the law of its noise, %d bins', $name, scalar @bins), "chi-square $x");
}

# T5: the mean is what it should be, the variance of one value given
sub check_mean
{
	my ($name, $values, $mean, $variance) = @_;
	my $found = sum(@$values) / @$values;
	my $z = ($found - $mean) / sqrt($variance / @$values);

	verdict(2 * normal_tail(abs $z), "$name: mean", sprintf('mean %.6g, expected %.6g, %.1f standard errors', $found, $mean, $z));
}

sub check_uncorrelated
{
	my ($name, $a, $b) = @_;
	my $n = @$a;
	my ($xy, $xx, $yy) = (0, 0, 0);

	for my $i (0 .. $n - 1)
	{
		$xy += $a->[$i] * $b->[$i];
		$xx += $a->[$i]**2;
		$yy += $b->[$i]**2;
	}
	my $r = $xy / sqrt($xx * $yy);
	verdict(2 * normal_tail(abs($r) * sqrt $n), "$name: independent", "correlation $r");
}

# T6: outputs with an owner and without; a threshold at the mid-point; the lower bound of mu
sub check_gdp
{
	my ($name, $with, $without, $middle, $claim) = @_;
	my $missed = upper_rate(scalar(grep { $_ < $middle } @$with), scalar @$with, $ALPHA / 2);
	my $false = upper_rate(scalar(grep { $_ >= $middle } @$without), scalar @$without, $ALPHA / 2);
	my $mu = normal_quantile($false) + normal_quantile($missed);

	ok($mu <= $claim, sprintf('%s: mu is shown to be above %.3f, the claim is %.3f', $name, $mu, $claim));
}

# The same for epsilon: Pr[output >= at] with an owner against e^epsilon times that without
sub check_epsilon
{
	my ($name, $with, $without, $at, $claim) = @_;
	my $missed = upper_rate(scalar(grep { $_ < $at } @$with), scalar @$with, $ALPHA / 2);
	my $false = upper_rate(scalar(grep { $_ >= $at } @$without), scalar @$without, $ALPHA / 2);
	my $epsilon = $missed < 1 ? log((1 - $missed) / $false) : 0;

	ok($epsilon <= $claim, sprintf('%s: epsilon is shown to be above %.3f, the claim is %.3f', $name, $epsilon, $claim));
}

# So many of n came out; each should with probability p
sub check_keep
{
	my ($name, $kept, $n, $p) = @_;
	my $rate = min(1, 2 * min(binomial_tail($kept, $n, $p), 1 - binomial_tail($kept + 1, $n, $p)));

	verdict($rate, sprintf('%s: %d of %d show, expected %.1f', $name, $kept, $n, $n * $p));
}

1;
