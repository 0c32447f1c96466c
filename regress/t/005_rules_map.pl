# flavour: none
#
# regress/RULES.map names a test for each rule of soundness that this version keeps,
# and the place in it.  Each must be there, and be run by scripts/check.
use strict;
use warnings;
use Test::More;

use constant LAST_RULE => 35;

my %tests_of;
my %text;

sub slurp
{
	my ($file) = @_;
	return $text{$file} //= do
	{
		open(my $in, '<', $file) or return '';
		local $/;
		<$in>;
	};
}

open(my $map, '<', 'regress/RULES.map') or die "regress/RULES.map: $!";
while (my $line = <$map>)
{
	next if $line =~ /^\s*(#|$)/;
	my ($rule, $file, $words) = $line =~ /^(\d+)\s+(\S+)\s+\|\s+(.*\S)\s*$/;
	ok(defined $words, "line $. reads: rule, file, words") or next;
	push @{ $tests_of{$rule} }, $file;
	like($file, qr{^(?:sql/\w+\.sql|regress/(?:t|stat|fuzz|audit)/\w+\.(?:pl|py)|regress/tap/\w+\.sql|regress/unit/test_\w+\.c|regress/isolation/specs/\w+\.spec)$},
		"rule $rule: $file is of a kind that scripts/check runs");
	ok(index(slurp($file), $words) >= 0, "rule $rule: $file has the words: $words");
}
ok($tests_of{$_}, "rule $_ has a test") for 1 .. LAST_RULE;

# Rule 28 is a promise in words: who it is made to comes first.
like(slurp('docs/threat-model.md'), qr{^# .*?\n\n.*?against analysts and the public.*?computational.*?not made against auditors,\s+stewards, superusers}s,
	'rule 28: the threat model begins with whom the promise is made to');

done_testing();
