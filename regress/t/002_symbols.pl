# flavour: none
#
# What the shipped library exports: the module's entry points and its SQL
# functions, and nothing of a test build.  EPS_LIBRARY names the file.
use strict;
use warnings;
use Test::More;

my $library = $ENV{EPS_LIBRARY} // '';
plan skip_all => 'EPS_LIBRARY names no built library' unless -f $library;

my @symbols = map { (split ' ')[-1] } grep { / [TDBRVW] / } qx(nm -D --defined-only '$library');
cmp_ok(scalar @symbols, '>', 2, 'nm reads the library');

my %has = map { $_ => 1 } @symbols;
ok($has{Pg_magic_func}, 'Pg_magic_func is exported');
ok($has{_PG_init},      '_PG_init is exported');

my @sql = grep { /^eps_[a-z]+_sql_/ } @symbols;
my @other = grep { !/^(?:_PG_init|Pg_magic_func|eps_budget_(?:writer|clock|epoch)_main|pg_finfo_eps_[a-z]+_sql_\w+|eps_[a-z]+_sql_\w+)$/ } @symbols;
is_deeply(\@other, [], 'nothing else is exported');
is_deeply([ grep { !$has{"pg_finfo_$_"} } @sql ], [], 'each SQL function has its info record');

my @strings = grep { /dp_test|EPS_TEST|test build/i } qx(strings -a '$library' 2>/dev/null);
is_deeply(\@strings, [], 'no trace of the test build');

my %declared;
for my $part (glob('extension/parts/*.sql'))
{
	open(my $in, '<', $part) or die "$part: $!";
	local $/;
	my $text = <$in>;
	$declared{$1} = 1 while $text =~ /'MODULE_PATHNAME'\s*,\s*'(\w+)'/g;
}
is_deeply([ sort keys %declared ], [ sort @sql ], 'the install script declares every exported SQL function, and no other');

done_testing();
