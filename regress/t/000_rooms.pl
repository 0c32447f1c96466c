# flavour: none
#
# Holds the sources to src/ROOMS: who may include whom, downward only, through
# the public header only; the allowance of lines; what the core may not use.
use strict;
use warnings;
use Test::More;

my (%allowance, %may, @order);

open(my $rooms, '<', 'src/ROOMS') or die "src/ROOMS: $!";
while (my $line = <$rooms>)
{
	$line =~ s/#.*//;
	next unless $line =~ /\S/;
	my ($room, $lines, @includes) = split ' ', $line;
	die "room $room twice" if exists $allowance{$room};
	push @order, $room;
	$allowance{$room} = $lines;
	$may{$room} = { map { $_ => 1 } grep { $_ ne '-' } @includes };
}
close($rooms);

sub sources_of
{
	my ($room) = @_;
	return sort glob("src/$room/*.c src/$room/*.h");
}

sub slurp
{
	my ($file) = @_;
	open(my $in, '<', $file) or die "$file: $!";
	local $/;
	return scalar <$in>;
}

# C text without comments; line numbers stay.
sub without_comments
{
	my ($text) = @_;
	$text =~ s{("(?:\\.|[^"\\\n])*")|('(?:\\.|[^'\\\n])*')|(/\*.*?\*/)|(//[^\n]*)}
			  {defined $1 ? $1 : defined $2 ? $2 : defined $4 ? '' : $3 =~ s/[^\n]//gr}gse;
	return $text;
}

# --- the list itself goes downward -------------------------------------------

my %rank;
@rank{@order} = 0 .. $#order;
for my $room (@order)
{
	my @wrong = grep { !exists $rank{$_} || $rank{$_} >= $rank{$room} } sort keys %{ $may{$room} };
	is_deeply(\@wrong, [], "src/ROOMS: $room includes only rooms above its own line");
	ok(-d "src/$room", "src/$room exists");
	ok(-f "src/$room/" . ($room =~ s{.*/}{}r) . '.h', "$room has its public header");
}

my %in_a_room = map { $_ => 1 } map { sources_of($_) } @order;
my @homeless = grep { !$in_a_room{$_} } sort map { glob($_) } qw(src/*.[ch] src/*/*.[ch] src/*/*/*.[ch] src/*/*/*/*.[ch]);
is_deeply(\@homeless, [], 'every source stands in a room of src/ROOMS');

# --- includes ----------------------------------------------------------------

for my $room (@order)
{
	my ($name) = $room =~ m{([^/]+)$};
	my (@wrong, $lines);

	for my $file (sources_of($room))
	{
		my $code = without_comments(slurp($file));
		$lines += () = $code =~ /^.*\S.*$/mg;

		while ($code =~ /^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]/mg)
		{
			my ($kind, $path) = ($1, $2);
			my ($target) = grep { $path =~ m{^\Q$_\E/[^/]+$} } @order;

			if (!defined $target)
			{
				# A server or system header: the core has no business with the server.
				push @wrong, "$file: $path"
				  if $room =~ m{^core/} && ($kind eq '"' || $path =~ m{^(postgres|utils/|nodes/|stdio\.h|time\.h|sys/time\.h)});
				next;
			}
			push @wrong, "$file: $path" if $kind ne '"';
			next if $target eq $room;
			push @wrong, "$file: $path (room not allowed)" unless $may{$room}{$target};
			my ($public) = $target =~ m{([^/]+)$};
			push @wrong, "$file: $path (not a public header)" unless $path eq "$target/$public.h";
		}
	}
	is_deeply(\@wrong, [], "$room includes only what it may");
	cmp_ok($lines // 0, '<=', $allowance{$room}, "$room keeps its allowance of lines of code");
}

# --- sizes (STYLE: aim for 15 and 300, never above 60 and 600) ---------------

my (@long_files, @long_functions);
for my $file (sort keys %in_a_room)
{
	my @lines = split /\n/, slurp($file);
	push @long_files, $file . ': ' . @lines if @lines > 600;

	my $start;
	for my $i (0 .. $#lines)
	{
		$start = $i if $lines[$i] =~ /^\{/;
		next unless defined $start && $lines[$i] =~ /^\}/;
		push @long_functions, "$file:" . ($start + 1) . ': ' . ($i - $start - 1)
		  if $i - $start - 1 > 60 && $lines[$i] =~ /^\}\s*$/;
		undef $start;
	}
}
is_deeply(\@long_files, [], 'no file above 600 lines');
is_deeply(\@long_functions, [], 'no function above 60 lines');

# --- what the core may not use -----------------------------------------------

my (@floats, @impure, @mutable);
for my $file (sort keys %in_a_room)
{
	my $code = without_comments(slurp($file));

	if ($file =~ m{^src/core/noise/})
	{
		push @floats, "$file: $1" while $code =~ /\b(float|double|long double|_Complex)\b/g;
	}
	if ($file =~ m{^src/core/})
	{
		push @impure, "$file: $1"
		  while $code =~ /\b(abort|exit|assert|f?printf|puts|time|clock_gettime|gettimeofday|malloc|calloc|realloc|free|getenv|rand|random)\s*\(/g;
		push @mutable, "$file: $1"
		  while $code =~ /^(static (?!const\b|inline\b|_Atomic const)[^(\n=;]*(?:=[^;]*)?;)/mg;
	}
}
is_deeply(\@floats,  [], 'core/noise has no floating point');
is_deeply(\@impure,  [], 'the core neither allocates, aborts, prints nor reads a clock');
is_deeply(\@mutable, [], 'the core keeps no mutable state');

# Per-owner arithmetic is integer; tables from public parameters may be made in
# floating point, in the one file that says so.
my @accountant = grep { m{^src/core/accountant/.*\.c$} && without_comments(slurp($_)) =~ /\b(?:float|double)\b/ } sort keys %in_a_room;
cmp_ok(scalar @accountant, '<=', 1, 'core/accountant has floating point in one file at most');

done_testing();
