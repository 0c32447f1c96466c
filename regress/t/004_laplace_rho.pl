# flavour: none
#
# docs/privacy.md, section 5: for discrete Laplace noise and an integer shift, the
# Renyi divergence of every order alpha is at most alpha times the charge
#
#     e (m - 2 p (1 - p^m) / (1 - p^2)),   p = exp(-e)
#
# The divergence is a finite sum in closed form here, so nothing is truncated.
use strict;
use warnings;
use Test::More;

sub charge
{
	my ($e, $m) = @_;
	my $p = exp(-$e);
	return $e * ($m - 2 * $p * (1 - $p**$m) / (1 - $p**2));
}

# log of the sum of exp over a list
sub log_sum
{
	my @terms = @_;
	my ($max) = sort { $b <=> $a } @terms;
	my $sum = 0;
	$sum += exp($_ - $max) for @terms;
	return $max + log($sum);
}

# D_alpha(X || X + m), X discrete Laplace with Pr[x] = (1-p)/(1+p) p^|x|
sub divergence
{
	my ($e, $m, $alpha) = @_;
	my $p = exp(-$e);
	my $tail = -log(1 - $p);

	# x <= 0, x >= m, and one term for each x between
	my @terms = ($e * ($alpha - 1) * $m + $tail, -$e * $alpha * $m + $tail);
	push @terms, -$e * ((2 * $alpha - 1) * $_ + (1 - $alpha) * $m) for 1 .. $m - 1;
	return (log((1 - $p) / (1 + $p)) + log_sum(@terms)) / ($alpha - 1);
}

for my $e (0.001, 0.01, 0.1, 0.5, 1, 2, 4, 8)
{
	for my $m (1, 2, 3, 7, 20, 100)
	{
		my $claim = charge($e, $m);
		my @above;
		for my $alpha (1.001, 1.01, 1.1, 1.5, 2, 3, 5, 10, 30, 100, 1000)
		{
			# What the logarithms, of size 10, lose is divided by alpha - 1.
			push @above, $alpha
			  if divergence($e, $m, $alpha) > $alpha * $claim * (1 + 1e-12) + 1e-14 / ($alpha - 1);
		}
		is_deeply(\@above, [], "inverse scale $e, shift $m: no order above the charge");
	}
}

# The charge is attained: it is the divergence of order 1.
cmp_ok(abs(divergence(1, 1, 1 + 1e-6) / charge(1, 1) - 1), '<', 1e-4, 'and order 1 attains it');

done_testing();
