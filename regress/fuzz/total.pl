#!/usr/bin/perl
# Whatever a release accepts cannot raise, on any data (rules 9 and 15).
#
# Expressions are made at random from the allow-list (expected/analyze_functions.out,
# which regress/t/003_function_table.pl compares with the source), casts and
# syntax, over columns that hold the extremes of their types; EXPLAIN says which
# are accepted; those are run as conditions, keys, arguments, in joins, as
# parameters.  Above a release they are made from all of the server's functions
# over scalars.  An error or a warning that is not of the plan, a lost
# connection, or a warning below a release is a failure.
#
#   EPS_FUZZ_SEED    of the generator (default 1, `random`: the time); printed
#   EPS_FUZZ_ROUNDS  rounds of some 250 statements (default 40; from 20 on it fails if too little ran)
#
# Run by scripts/check fuzz on a server of its own.
use strict;
use warnings;
use File::Basename qw(dirname);
use File::Temp qw(tempdir);

my $here = dirname(__FILE__);
my $seed = $ENV{EPS_FUZZ_SEED} || 1;
$seed = time() % 1_000_000_007 if $seed eq 'random';
my $rounds = $ENV{EPS_FUZZ_ROUNDS} || 40;
my $work = tempdir(CLEANUP => 1);
my %tally;
my @failures;

srand($seed);
print "seed $seed\n";

sub pick { return $_[int rand @_]; }
sub chance { return rand() < $_[0]; }

# --- the server ---------------------------------------------------------------------

# Runs a file; the lines of each statement that follows "@@ number"
sub run_file
{
	my ($text, $database, $user) = @_;
	my $file = "$work/batch.sql";
	open(my $out, '>', $file) or die "$file: $!";
	print $out $text;
	close $out;
	my @lines = `psql -X -q -A -t -U $user -d $database -f $file 2>&1`;
	return ($? >> 8, @lines);
}

sub ask
{
	my ($query) = @_;
	my ($status, @lines) = run_file("$query;\n", 'fuzz', 'postgres');
	die @lines if $status != 0;
	chomp @lines;
	return @lines;
}

# Each statement's SQLSTATE and messages; a lost connection is the state 'lost'
sub run_all
{
	my ($settings, @statements) = @_;
	my @results;

	while (@results < @statements)
	{
		my $text = "\\set VERBOSITY terse\n\\set SHOW_CONTEXT never\n$settings\n";
		my $first = @results;
		$text .= "\\echo @@ $_\n$statements[$_];\n\\echo == :SQLSTATE\n" for $first .. $#statements;
		my ($status, @lines) = run_file($text, 'fuzz', 'fuzz_analyst');
		my $at = -1;
		for my $line (@lines)
		{
			if ($line =~ /^@@ (\d+)/) { $at = $1; $results[$at] = { state => 'lost', messages => '' }; }
			elsif ($at >= 0 && $line =~ /^== (\w+)/) { $results[$at]{state} = $1; $at = -1; }
			elsif ($at >= 0 && $line =~ /(?:ERROR|WARNING|FATAL|PANIC|NOTICE|connection)/) { $results[$at]{messages} .= $line; }
		}
		die "psql did not run: @lines" if @results == $first;
		# a statement whose end was not reached took the connection with it
	}
	return @results;
}

sub fail
{
	my ($settings, $statement, $result) = @_;
	push @failures, $statement;
	print "FAILED: $result->{state} $result->{messages}  $settings\n  $statement;\n";
	die "seed $seed: too many failures\n" if @failures > 30;
}

# --- the generator ----------------------------------------------------------------------

my %column = (
	int2 => [qw(v.int2 v.b_int2 v.d_int2)], int4 => [qw(v.int4 v.b_int4 v.d_int4 v.short)],
	int8 => [qw(v.int8 v.b_int8 v.d_int8)], float4 => [qw(v.float4 v.d_float4)],
	float8 => [qw(v.float8 v.b_float8 v.d_float8)], numeric => [qw(v.num v.num2 v.b_num v.d_num)],
	bool => [qw(v.bool v.d_bool)], text => [qw(v.text v.d_text)], varchar => [qw(v.varchar)], bpchar => [qw(v.bpchar)],
	'"char"' => [qw(v.char)], name => [qw(v.name)], date => [qw(v.date)], time => [qw(v.time)], timestamp => [qw(v.timestamp)],
	timestamptz => [qw(v.timestamptz)], interval => [qw(v.interval)], uuid => [qw(v.uuid)], mood => [qw(v.mood)], oid => [qw(v.oid)]);
my %constant = (
	int2 => [qw(0 1 -1 3 -32768 32767)], int4 => [qw(0 1 -1 3 100 -2147483648 2147483647)],
	int8 => [qw(0 1 -1 1000 -9223372036854775808 9223372036854775807)],
	float4 => [qw(0 -0 1 0.1 1e-40 3e38 NaN infinity -infinity)], float8 => [qw(0 -0 1 0.1 5e-324 1e300 -1.7e308 NaN infinity -infinity)],
	numeric => [qw(0 1 -1 0.01 2.50 1e-1000 1e100 1e1000 NaN infinity -infinity)],
	bool => [qw(true false)], text => ['', 'a', '%', 'a\\', '\\\\%', '_a%', 'month', 'İ', '%a%a%a', ' '], varchar => ['', 'a', 'İ'], bpchar => ['', 'a  '],
	'"char"' => ['', 'a'], name => ['', 'a'], date => ['infinity', '-infinity', '4714-11-24 BC', '5874897-12-31', '2020-02-29'],
	time => ['00:00', '24:00'], timestamp => ['infinity', '-infinity', '4714-11-24 BC', '294276-12-31', '2020-02-29'],
	timestamptz => ['infinity', '-infinity', '4714-11-25 00:00+00 BC', '294276-12-30 00:00+00', '2020-02-29'],
	interval => ['0', '1 month', '-1 day', '178000000 years', '-178000000 years', '2147483647 days', '1 microsecond'],
	uuid => ['ffffffff-ffff-ffff-ffff-ffffffffffff'], mood => [qw(sad happy)], oid => [0, 4294967295]);
my @types = sort keys %column;
my %parameters;					# of the statement being made, or empty: number => [type, value]
my $with_parameters = 0;

sub constant
{
	my ($type) = @_;
	my $value = pick(@{ $constant{$type} });

	return "NULL::$type" if chance(0.03);
	if ($with_parameters && chance(0.6))
	{
		my $n = 1 + keys %parameters;
		$parameters{$n} = [ $type, $value ];
		return "\$$n";
	}
	$value =~ s/'/''/g;
	return "'$value'::$type";
}

# Functions, operators and casts by result: [how it is written, argument types]
my (%below, %above);

# What is written for a function: by its operator where it has one, else by name or as a cast
sub forms
{
	my ($where) = @_;
	my %forms;
	my $type = "replace(replace(format_type(%s, NULL), 'character varying', 'varchar'), 'double precision', 'float8')";
	my $name = "CASE t.typname WHEN 'char' THEN '\"char\"' ELSE t.typname::text END";
	for (ask(<<"SQL"))
SELECT concat_ws(E'\t', p.proname, (SELECT $name FROM pg_type t WHERE t.oid = p.prorettype), coalesce(o.oprname, ''), (c.castfunc IS NOT NULL)::int,
	(SELECT string_agg($name, ',' ORDER BY a.i) FROM unnest(p.proargtypes) WITH ORDINALITY a(type, i) JOIN pg_type t ON t.oid = a.type))
FROM pg_proc p LEFT JOIN pg_operator o ON o.oprcode = p.oid AND o.oprnamespace = 'pg_catalog'::regnamespace LEFT JOIN pg_cast c ON c.castfunc = p.oid
WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.prokind = 'f' AND NOT p.proretset AND p.pronargs BETWEEN 1 AND 4 AND $where
ORDER BY p.oid, o.oid
SQL
	{
		my ($function, $result, $operator, $cast, $args) = split /\t/;
		my @args = split /,/, $args;
		s/^anyenum$/mood/ for @args;
		next if grep { !$column{$_} } @args, $result;
		push @{ $forms{$result} }, [ $function, $operator, $cast && @args == 1, @args ];
	}
	return %forms;
}

sub written
{
	my ($form, $result, @args) = @_;
	my ($function, $operator, $cast) = @$form;

	return "($args[0] $operator $args[1])" if $operator ne '' && @args == 2;
	return "($operator $args[0])" if $operator ne '';
	return "($args[0])::$result" if $cast;
	return "pg_catalog.$function(" . join(', ', @args) . ')';
}

# Where the list wants a constant, mostly one; where it wants bounds, mostly a clamp
my %fixed = (like => [1], extract => [0], date_trunc => [0], width_bucket => [ 1, 2, 3 ], substr => [ 1, 2 ], substring => [ 1, 2 ]);
my %bounds = (int4 => 1, int8 => 1, float8 => 1, numeric => 1);
my @fields = qw(year decade century isoyear epoch quarter month week day dow isodow doy hour minute second millennium);

sub fixed_value
{
	my ($function, $i) = @_;

	return "'" . pick(@fields) . "'::text" if $function =~ /^(extract|date_trunc)$/;
	return pick('0', '100', '-5', "'1e300'", "'NaN'") if $function eq 'width_bucket' && $i < 3;
	return pick(1, 10, 0, 1000) if $function eq 'width_bucket';
	return pick(1, 0, -5, 3, 2147483647, -2147483648);
}

sub clamped
{
	my ($type, $expr) = @_;
	my ($lower, $upper) = @{ pick([ 1, 100 ], [ -100, 100 ], [ 0, 1 ], [ -10, -1 ], [ 1, 1e15 ]) };

	return $expr if !$bounds{$type} || chance(0.3);
	$upper = 1_000_000 if $type eq 'int4' && $upper > 1e6;
	return "dp.clamp($expr, '$lower'::$type, '$upper'::$type)";
}

my $leaf;						# sub (type): a column or an answer of that type
my @used;						# forms of the expression being made
my %forms_of;					# expression: the forms in it
my %ran;						# forms that ran beside protected rows

sub leaf_below { my ($type) = @_; return pick(@{ $column{$type} }); }

sub syntax
{
	my ($type, $depth, $make) = @_;
	my $other = pick(@types);
	my @some = map { $make->($type, $depth - 1) } 1 .. 3;
	my $condition = $make->('bool', $depth - 1);

	return pick(
		"CASE WHEN $condition THEN $some[0] ELSE $some[1] END",
		"CASE $some[0] WHEN $some[1] THEN $some[2] END",
		"coalesce($some[0], $some[1])", "nullif($some[0], $some[1])", "greatest($some[0], $some[1])", "least($some[0], $some[1], $some[2])")
	  if $type ne 'bool';
	my @pair = map { $make->($other, $depth - 1) } 1 .. 2;
	my $list = join(', ', map { constant($other) } 1 .. 3);
	return pick(
		"($some[0] AND $some[1])", "($some[0] OR $some[1])", "(NOT $some[0])", "($some[0] IS NOT TRUE)", "($pair[0] IS NULL)",
		"($pair[0] IS DISTINCT FROM $pair[1])", "($pair[0] IN ($list))", "($pair[0] NOT IN ($list))",
		"($pair[0] BETWEEN $pair[1] AND " . constant($other) . ')', "($pair[0] = ANY (ARRAY[$pair[1], $list]))");
}

sub below
{
	my ($type, $depth) = @_;

	return chance(0.75) ? $leaf->($type) : constant($type) if $depth <= 0;
	return syntax($type, $depth, \&below) if chance(0.25) || !$below{$type};
	my $form = pick(@{ $below{$type} });
	my ($function, $operator, $cast, @args) = @$form;
	push @used, "$function(" . join(',', @args) . ')';
	my $fixed = $function =~ /n?like$/ ? $fixed{like} : $fixed{$function};
	my @written;
	for my $i (0 .. $#args)
	{
		if ($fixed && chance(0.95) && grep { $_ == $i } @$fixed)
		{
			push @written, $function =~ /like$/ ? constant('text') : fixed_value($function, $i) . "::$args[$i]";
			next;
		}
		my $arg = below($args[$i], $depth - 1);
		$arg = clamped($args[$i], $arg) if $bounds{ $args[$i] } && $type ne 'bool';
		push @written, $arg;
	}
	return written($form, $type, @written);
}

# --- below a release -------------------------------------------------------------------------

my @settings = (
	"SET TimeZone = 'UTC'", "SET TimeZone = 'America/New_York'", "SET TimeZone = '<far>+167:59:59'", "SET TimeZone = '<far>-167:59:59'",
	"SET TimeZone = 'Asia/Kolkata'", "SET DateStyle = 'SQL, DMY'; SET IntervalStyle = 'sql_standard'", "SET extra_float_digits = -15",
	"SET enable_hashjoin = off; SET enable_mergejoin = off", "SET enable_nestloop = off", "SET enable_hashagg = off; SET work_mem = '64kB'",
	"SET dp.groups = seen", "SET dp.noise = laplace", "SET plan_cache_mode = force_generic_plan");

sub round_settings
{
	return join('; ', "SET dp.rho = 1e-7; SET dp.repeats = off", pick(@settings), pick(@settings)) . ';';
}

# What no plan may do; but the server's own functions raise these two of constants
sub is_broken
{
	my ($result) = @_;

	return $result->{state} =~ /^(?:lost|XX)/ && $result->{messages} !~ /invalid memory alloc request size|(?:unrecognized|invalid) interval typmod/i;
}

sub accepted
{
	my ($settings, $to_query, @expressions) = @_;
	my @results = run_all($settings, map { 'EXPLAIN ' . $to_query->($_) } @expressions);
	my @good;
	for my $i (0 .. $#expressions)
	{
		my $result = $results[$i];
		$tally{ $result->{state} eq '00000' ? 'accepted' : $result->{state} =~ /^PV/ ? 'refused' : 'of the plan' }++;
		push @good, $expressions[$i] if $result->{state} eq '00000';
		fail($settings, 'EXPLAIN ' . $to_query->($expressions[$i]), $result) if is_broken($result);
	}
	return @good;
}

# A few queries that use the expressions in every place that reads rows
sub queries_below
{
	my ($conditions, $values, $numbers, $keys) = @_;
	my $c = sub { pick(@$conditions) // 'true' };
	my $v = sub { pick(@$values) // 'v.int4' };
	my $n = sub { my $x = pick(@$numbers) // 'v.d_float8'; "dp.clamp(($x)::float8, -100, 100)" };
	my $k = sub { pick(@$keys) // 'v.int4' };

	return (
		"SELECT count(*) FILTER (WHERE " . $c->() . "), count(" . $v->() . "), count(" . $v->() . ") FROM visits v WHERE " . $c->(),
		"SELECT sum(" . $n->() . "), avg(" . $n->() . ") FILTER (WHERE " . $c->() . ") FROM visits v",
		"SELECT " . $k->() . ", count(*), sum(" . $n->() . ") FROM visits v GROUP BY 1",
		"SELECT count(*) FROM (SELECT " . $k->() . " AS a, " . $k->() . " AS b, count(" . $v->() . ") FROM visits v WHERE " . $c->() . " GROUP BY 1, 2) s",
		"SELECT count(*) FROM visits v JOIN labs l ON l.owner = v.owner AND " . $c->() . " WHERE " . $c->(),
		"SELECT count(DISTINCT " . $k->() . "), count(DISTINCT " . $k->() . ") FILTER (WHERE " . $c->() . ") FROM visits v",
		"SELECT count(" . $v->() . ") FROM labs l LEFT JOIN visits v ON l.owner = v.owner AND " . $c->(),
		"SELECT count(*) FROM visits v LEFT JOIN codes c ON c.code = v.b_int4 AND " . $c->(),
		"SELECT count(*) FROM visits v JOIN codes c ON c.code = v.d_int4 WHERE c.num > 5 AND " . $c->() . " AND v.text IN (SELECT text FROM codes)",
		"SELECT count(x), count(DISTINCT o) FROM (SELECT v.owner AS o, " . $v->() . " AS x FROM visits v WHERE " . $c->() . ") s WHERE s.x IS NOT NULL",
		"WITH w AS (SELECT v.owner, " . $k->() . " AS x FROM visits v) SELECT x, count(*) FROM w GROUP BY x");
}

# Those that can be planned: constants may fail as they like, before anything is read
sub planned
{
	my ($settings, $tally, @statements) = @_;
	my @results = run_all($settings, map { "EXPLAIN $_" } @statements);
	for my $i (grep { is_broken($results[$_]) } 0 .. $#statements)
	{
		fail($settings, "EXPLAIN $statements[$i]", $results[$i]);
	}
	my @planned = map { $statements[$_] } grep { $results[$_]{state} eq '00000' } 0 .. $#statements;
	$tally{$tally} += @statements - @planned;
	return @planned;
}

sub check_below
{
	my ($settings, @statements) = @_;
	@statements = planned($settings, 'not planned below', @statements);
	my @results = run_all($settings, @statements);
	for my $i (0 .. $#statements)
	{
		my ($state, $messages) = @{ $results[$i] }{qw(state messages)};
		$tally{ $state =~ /^PV/ ? 'refused whole' : 'run below' }++;
		fail($settings, $statements[$i], $results[$i]) if $state !~ /^(?:00000|PV\d\d\d)$/ || ($state eq '00000' && $messages ne '');
	}
	return;
}

sub round_below
{
	my $settings = round_settings();
	my $query = sub { "SELECT count(*) FROM visits v WHERE ($_[0]) IS NOT NULL" };

	$leaf = \&leaf_below;
	my (@conditions, @values, @numbers, @keys);
	for my $type (map { pick(@types, qw(bool bool bool float8 numeric int4)) } 1 .. 90)
	{
		@used = ();
		my $expr = below($type, 1 + int rand 4);
		$forms_of{$expr} = [@used];
		push @conditions, $expr if $type eq 'bool';
		push @values, $expr if $type ne 'bool';
		push @numbers, $expr if $type =~ /^(?:int[248]|float[48]|numeric)$/;
	}
	my %good = map { $_ => 1 } accepted($settings, $query, @conditions, @values);
	@$_ = grep { $good{$_} } @$_ for \@conditions, \@values, \@numbers;
	my @statements = map { "SELECT count(*) FILTER (WHERE ($_) IS NULL) FROM visits v" } keys %good;
	check_below($settings, @statements, map { queries_below(\@conditions, \@values, \@numbers, [ @values, @conditions ]) } 1 .. 3);
	$ran{$_} = 1 for map { @{ $forms_of{$_} } } keys %good;
	%forms_of = ();
	return;
}

# Parameters: custom and generic plans; a refusal of a generic plan is none of the values
sub round_parameters
{
	my $settings = round_settings();
	my @statements;

	$leaf = \&leaf_below;
	$with_parameters = 1;
	for my $i (1 .. 30)
	{
		%parameters = ();
		my $expr = below('bool', 1 + int rand 3);
		next if !%parameters;
		my @numbers = sort { $a <=> $b } keys %parameters;
		my $arguments = join(', ', map { (my $value = $parameters{$_}[1]) =~ s/'/''/g; chance(0.1) ? 'NULL' : "'$value'" } @numbers);
		push @statements, "PREPARE p$i (" . join(', ', map { $parameters{$_}[0] } @numbers) . ") AS SELECT count(*) FROM visits v WHERE $expr",
		  "EXPLAIN EXECUTE p$i($arguments)", "EXECUTE p$i($arguments)";
	}
	$with_parameters = 0;
	my @results = run_all($settings, @statements);
	for (my $i = 0; $i + 2 < @statements; $i += 3)
	{
		my $planned = $results[ $i + 1 ]{state} eq '00000';
		$tally{ $planned ? 'run with parameters' : 'refused with parameters' }++;
		fail($settings, join(";\n  ", @statements[ $i, $i + 2 ]), $results[ $i + 2 ])
		  if is_broken($results[$i]) || is_broken($results[ $i + 1 ]) ||
		  ($planned && $results[ $i + 2 ]{state} !~ /^(?:00000|PV\d\d\d)$/) || ($planned && $results[ $i + 2 ]{messages} =~ /WARNING/);
	}
	return;
}

# --- above a release ----------------------------------------------------------------------------

my $known_warning = qr/gives NULL|counts as 0|does not count/;
my %answer = (
	int2 => ['r.k2'], int4 => ['r.k4'], int8 => [qw(r.n r.n r.s8)], numeric => [qw(r.s r.a)], float8 => [qw(r.f r.low r.high)],
	text => [qw(r.t)], date => [qw(r.d)], timestamptz => [qw(r.z)], bool => ['(r.n > 0)']);
my $released = "(SELECT v.d_int2 AS k2, v.b_int4 AS k4, v.d_text AS t, v.date AS d, v.timestamptz AS z, count(*) AS n, sum(v.d_int4) AS s8,
	sum(v.d_num) AS s, avg(v.d_num) AS a, avg(v.d_float8) AS f, dp.interval_low(count(*)) AS low, dp.interval_high(sum(v.d_num)) AS high
	FROM visits v GROUP BY 1, 2, 3, 4, 5) r";
my $one = "(SELECT NULL::int2 AS k2, 7 AS k4, 'a' AS t, date 'infinity' AS d, now() AS z, count(*) AS n, sum(d_int4) AS s8, sum(d_num) AS s, avg(d_num) AS a,
	avg(d_float8) AS f, dp.interval_low(count(*)) AS low, dp.interval_high(sum(d_num)) AS high FROM visits) r";

sub leaf_above
{
	my ($type) = @_;

	return $answer{$type} && chance(0.8) ? pick(@{ $answer{$type} }) : constant($type);
}

sub above
{
	my ($type, $depth) = @_;

	return leaf_above($type) if $depth <= 0;
	return pick('own_function(r.n)', 'own_sql_function(r.n)', "(r.t || 'x')::int4", '(SELECT c.int4 FROM codes c WHERE c.code = r.k4)', '(ARRAY[1, 2])[r.n]')
	  if $type eq 'int4' && chance(0.15);
	return syntax($type, $depth, \&above) if chance(0.2) || !$above{$type};
	return '(' . above(pick(qw(int8 numeric float8 text)), $depth - 1) . ")::$type" if chance(0.15);
	my $form = pick(@{ $above{$type} });
	my (undef, undef, undef, @args) = @$form;
	return written($form, $type, map { above($_, $depth - 1) } @args);
}

sub queries_above
{
	my (@e) = @_;
	my $x = sub { pick(@e) };
	my $number = sub { "(" . above(pick(qw(int8 float8 numeric)), 2) . ")" };
	my $offset = sub { "(SELECT ((" . above('int8', 1) . ") % 7)::int8 FROM $one)" };
	my $kind = pick(qw(ROWS GROUPS));

	return (
		"SELECT " . $x->() . ", " . $x->() . " FROM $one", "SELECT " . $x->() . " FROM $released ORDER BY " . $x->(),
		"SELECT " . $x->() . " FROM $released WHERE (" . $x->() . ") IS NOT NULL",
		"SELECT o.k FROM own o JOIN $released ON (" . above('int4', 2) . ") = o.int4 AND (" . $x->() . ") IS NULL",
		"SELECT sum(" . $number->() . "), avg(" . $number->() . "), stddev(" . $number->() . "), min(" . $x->() . ") FROM $released",
		"SELECT corr(x, y), regr_slope(x, y), percentile_cont(0.5) WITHIN GROUP (ORDER BY x) FROM (SELECT (" . above('float8', 2) . ")::float8 AS x, (" . above('float8', 1) .
		  ")::float8 AS y FROM $released) r",
		"SELECT percentile_cont(" . above('float8', 2) . ") WITHIN GROUP (ORDER BY r.f) FROM $released GROUP BY r.n, r.f, r.s, r.a, r.t, r.low, r.high, r.s8, r.d, r.z, r.k2, r.k4",
		"SELECT ntile((" . above('int4', 1) . ")::int4) OVER (ORDER BY r.n), nth_value(r.n, (" . above('int4', 1) . ")::int4) OVER (), lag(r.n, " . above('int4', 1) .
		  ") OVER (ORDER BY r.n), sum(" . $number->() . ") OVER (ORDER BY r.n $kind BETWEEN " . $offset->() . " PRECEDING AND " . $offset->() . " FOLLOWING) FROM $released",
		"SELECT r.n FROM $released ORDER BY r.n LIMIT " . $offset->() . " OFFSET " . $offset->(),
		"SELECT (SELECT max(o.int4 / " . above('int4', 1) . ") FROM own o) FROM $one",
		"SELECT s FROM $one, generate_series(1, least(greatest(" . above('int4', 1) . ", 0), 20)) s",
		"SELECT count(*) / (count(*) - count(*)), (count(*) * 1e300)::float4 FROM visits HAVING sqrt(count(*) - count(*) - 1) IS NULL",
		"SELECT 1 FROM $one UNION SELECT (" . above('int4', 2) . ")::int4 FROM $one",
		"SELECT x, count(*) FROM (SELECT " . $x->() . " AS x FROM $released) q GROUP BY x",
		"WITH w AS MATERIALIZED (SELECT * FROM $one) SELECT (SELECT n / (n - n) FROM w), (SELECT " . above('int8', 1) . " FROM w r)");
}

sub round_above
{
	my $settings = round_settings();
	my $query = sub { "SELECT $_[0] FROM $one" };

	my @good = accepted($settings, $query, map { above(pick(@types), 1 + int rand 3) } 1 .. 60);
	my @statements = map { queries_above(@good) } 1 .. 3;
	my @run = planned($settings, 'not planned above', @statements);
	my @results = run_all($settings, @run);
	for my $i (0 .. $#run)
	{
		my $messages = join('', grep { !/WARNING/ || !/$known_warning/ } split /^/, $results[$i]{messages});
		$tally{'run above'}++;
		fail($settings, $run[$i], { state => $results[$i]{state}, messages => $messages })
		  if $results[$i]{state} !~ /^(?:00000|PV\d\d\d)$/ || ($results[$i]{state} eq '00000' && $messages ne '');
	}
	return;
}

# --- the run ------------------------------------------------------------------------------------------

system('createdb', '-U', 'postgres', 'fuzz') == 0 or die "createdb failed\n";
my ($status, @lines) = run_file(do { local (@ARGV, $/) = "$here/total.sql"; <> }, 'fuzz', 'postgres');
die @lines if $status != 0;

my $listed = do { local (@ARGV, $/) = "$here/../../expected/analyze_functions.out"; <> };
my $oids = join(',', $listed =~ /^\s+(\d+) \| /mg);
%below = forms("p.oid IN ($oids)");
# all that is not about the server, files, sessions or catalogs
%above = forms("p.oid < 16384 AND p.provolatile <> 'v' AND p.proname !~ '^(pg_|lo_|txid|inet|current_|has_|row_security|ts_|(query|cursor|table|schema|database)_to|to_reg|col_desc|obj_desc|shobj|binary_upgrade|.*_support\$|get_bit|array_)'");

for my $round (1 .. $rounds)
{
	round_below();
	round_parameters();
	round_above();
	last if @failures && $ENV{EPS_FUZZ_STOP};
}
print join(', ', map { "$_ $tally{$_}" } sort keys %tally), "\n";
my %listed = map { $_ => 1 } map { my (undef, undef, undef, @args) = @$_; "$_->[0](" . join(',', @args) . ')' } map { @$_ } values %below;
# a server that refuses everything proves nothing
my $proves = $rounds < 20 || (keys %ran >= 0.9 * keys %listed && ($tally{'run above'} // 0) > 10 * $rounds && ($tally{'run with parameters'} // 0) > 5 * $rounds);
print scalar(keys %ran), ' of ', scalar(keys %listed), " functions of the allow-list ran\n";
print "not: @{[ sort grep { !$ran{$_} } keys %listed ]}\n" if $ENV{EPS_FUZZ_LIST};
print 'seed ', $seed, ': ', scalar @failures, " failures\n";
print "too little ran\n" if !$proves;
exit(@failures || !$proves ? 1 : 0);
