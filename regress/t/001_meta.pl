# flavour: none
#
# One fact, one value: versions, error codes, object lists, packages; and nothing
# of the machine it was written on.
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

# Every file of the project: from git where it can tell, else by walking.
sub project_files
{
	my @files = -d '.git' ? split(/\0/, qx(git ls-files -z --cached --others --exclude-standard 2>/dev/null)) : ();
	@files = split /\0/, qx(find . -path ./build -prune -o -path ./.git -prune -o -type f -print0) unless @files;
	return sort grep { -f $_ } map { s{^\./}{}r } @files;
}

# --- version -----------------------------------------------------------------

my ($version) = slurp('pgxs.mk') =~ /^EPS_VERSION\s*=\s*(\S+)/m;
like($version, qr/^\d+\.\d+\.\d+$/, 'pgxs.mk has a version');

my ($control) = slurp('extension/pg_epsilon.control') =~ /^default_version\s*=\s*'([^']+)'/m;
is($control, $version, 'control file');

my $meta = slurp('META.json');
my @meta = $meta =~ /"version"\s*:\s*"([^"]+)"/g;
is_deeply([ grep { $_ ne $version && $_ ne '1.0.0' } @meta ], [], 'META.json');
cmp_ok(scalar(grep { $_ eq $version } @meta), '>=', 2, 'META.json names it for the distribution and for the extension');

my ($changelog) = slurp('CHANGELOG.md') =~ /^## \[(\d[^\]]*)\]/m;
is($changelog, $version, 'CHANGELOG.md begins with it');

# --- SQLSTATEs ---------------------------------------------------------------

my (%code, %document);
my $header = slurp('src/pg/common/common.h');
while ($header =~ /#define\s+EPS_ERRCODE_\w+\s+MAKE_SQLSTATE\('(.)','(.)','(.)','(.)','(.)'\)\s*\/\*\s*(.*?)\s*\*\//g)
{
	$code{"$1$2$3$4$5"} = $6;
}
cmp_ok(scalar(keys %code), '>', 5, 'common.h defines SQLSTATEs');

my $analyst = slurp('docs/analyst.md');
while ($analyst =~ /^\|\s*`(PV\d{3})`\s*\|\s*(.*?)\s*\|/mg)
{
	$document{$1} = $2;
}
is_deeply(\%document, \%code, 'docs/analyst.md lists the same SQLSTATEs with the same meaning');

my %raised;
for my $file (grep { m{^src/.*\.[ch]$|^extension/parts/.*\.sql$} } project_files())
{
	my $text = slurp($file);
	$raised{$1} = $file while $text =~ /'(PV\d{3})'/g;
}
is_deeply([ grep { !$code{$_} } sort keys %raised ], [], 'the SQL parts raise only codes of common.h');

# --- functions that may stand beside protected rows ----------------------------

my $types = qr/(?:TEXT|BPCHAR|NAME|CHAR|BOOL|NUMERIC|FLOAT[48]|INT[248]|DATE|TIMESTAMP|TIMESTAMPTZ)/;
my %accepted = (starts_with => 1);
my $functions = slurp('src/pg/analyze/functions.c');
while ($functions =~ /\{F_([A-Z0-9_]+), EPS_RULE_\w+\}/g)
{
	# SQL functions are F_<name>_<argument types>; operators and casts are not.
	my $name = $1;
	next unless $name =~ s/(?:_$types)+$// && $name !~ /^$types$/;
	$accepted{ lc $name } = 1;
}
my ($row) = $analyst =~ /^\| functions \| (.*) \|$/m;
is_deeply([ sort(($row // '') =~ /`(\w+)`/g) ], [ sort keys %accepted ],
	'docs/analyst.md lists the functions of src/pg/analyze/functions.c');

# --- object lists ------------------------------------------------------------

my $pgxs = slurp('pgxs.mk');
my %listed = map { $_ => 1 } $pgxs =~ m{(src/\S+)\.o\b}g;
my %source = map { s/\.c$//r => 1 } grep { m{^src/(?:core|pg|cli)/.*\.c$} } project_files();
is_deeply([ sort keys %listed ], [ sort keys %source ], 'pgxs.mk lists every source, and no other');

# --- wording -----------------------------------------------------------------

my (@places, @unfinished);
for my $file (project_files())
{
	next if $file =~ m{^demo/data/|\.gz$} || -B $file;
	my $text = slurp($file);

	# Spelled so that this file is not its own finding.
	push @places, "$file: $1"
	  while $text =~ m{((?<![\w.])/(?:wor[k]|far[m]|roo[t]|hom[e])/\w+|\.librar[y]\b|deb\.debia[n]\.org|registry\.npmj[s])}g;
	next unless $file =~ m{^(?:src|extension|contracts)/};
	push @unfinished, "$file: $1" while $text =~ /\b(TODO|FIXME|XXX|HACK)\b/g;
}
is_deeply(\@places,     [], 'no path of a machine and no registry host in the tree');
is_deeply(\@unfinished, [], 'nothing is marked as unfinished');

# --- licences ----------------------------------------------------------------

like(slurp('LICENSE'), qr/PostgreSQL License/, 'LICENSE is the PostgreSQL licence');
like($meta, qr/GPL-3/, 'META.json says what linking with GSL means');
like(slurp('README.md'), qr/GPL-3/, 'so does README.md');
like(slurp('README.md'), qr/make demo[\s\S]*make check/, 'README.md shows the two commands');

done_testing();
