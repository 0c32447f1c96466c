# flavour: none
#
# The allow-list of functions agrees with what sql/analyze_functions.sql found from
# outside, and docs/analyst.md names every function of it.
use strict;
use warnings;
use Test::More;

sub slurp
{
	my ($file) = @_;
	open(my $in, '<', $file) or die "$file: $!";
	local $/;
	return scalar <$in>;
}

my $pg_config = $ENV{PG_CONFIG} || (-x '/usr/lib/postgresql/15/bin/pg_config' ? '/usr/lib/postgresql/15/bin/pg_config' : 'pg_config');
chomp(my $include = qx($pg_config --includedir-server));

# What the compiler sees of the table: {oid, rule}, ...
my $source = qx(cc -E -P -Isrc -isystem $include src/pg/analyze/functions.c);
my ($table) = $source =~ /function_table\[\]\s*=\s*\{(.*?)\};/s;
my @oids = sort { $a <=> $b } ($table // '') =~ /\{\s*(\d+)\s*,\s*EPS_RULE_/g;
cmp_ok(scalar @oids, '>', 300, 'the table was read');
my %seen;
is_deeply([ grep { $seen{$_}++ } @oids ], [], 'no function has two rows');

my %accepted = slurp('expected/analyze_functions.out') =~ /^\s+(\d+) \| (\S.*?)\s*$/mg;
is_deeply([ sort { $a <=> $b } keys %accepted ], \@oids, 'the test has tried every function of the table, and no other is accepted');

# Functions that an analyst calls by name; those behind operators and casts are
# described there by their operators.
my $behind = qr/^(?:(?:bool|char|name|int\d+|float\d+|bpchar|oid|text|enum)_?(?:eq|ne|lt|le|gt|ge|pl|mi|mul|div|mod|um|abs|n?like|icn?like)
	|(?:text|numeric|date|time|timestamp|timestamptz|uuid|enum|interval)_(?:eq|ne|lt|le|gt|ge|add|sub|mul|div|uminus|abs)(?:_\w+)?
	|(?:text|bpchar)ic(?:n)?like|date_(?:mi|pli|mii)|(?:date|timestamp|timestamptz)_(?:pl|mi)_interval|int[248]|float[48]|numeric|text|timestamp|timestamptz|date)$/x;
my ($documented) = slurp('docs/analyst.md') =~ /^## What may stand beside rows\n(.*?)^## /ms;
my %named = map { $_ => 1 } ($documented // '') =~ /`([^`]+)`/g;
my %missing;
for my $signature (values %accepted)
{
	my ($name) = $signature =~ /^"?(\w+)/;
	$missing{$name} = 1 unless $name =~ $behind || grep { /^\Q$name\E\b/ } keys %named;
}
is_deeply([ sort keys %missing ], [], 'docs/analyst.md names every function');

done_testing();
