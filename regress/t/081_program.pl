# flavour: none
#
# pg_epsilon as people call it: exit status, text and JSON of each command, on
# exports that make_ledger wrote.  What verify finds is tested in regress/unit.
use strict;
use warnings;
use Test::More;
use File::Basename;
use File::Temp qw(tempdir);
use JSON::PP;

my $build = dirname(dirname($ENV{EPS_LIBRARY} // plan skip_all => 'no EPS_LIBRARY: there is no build to test'));
my $program = "$build/release/bin/pg_epsilon";
my $maker = "$build/unit/make_ledger";
my $dir = tempdir(CLEANUP => 1);

-x $program or plan skip_all => "$program is not built";
system("make --no-print-directory -s -C regress/unit BUILD=$build/unit $maker >&2") == 0
  or BAIL_OUT('make_ledger cannot be built');

# Status, standard output and standard error of a call.
sub call
{
	my (@args) = @_;
	my $out = '';
	my $pid = open(my $from, '-|') // die "fork: $!";

	if ($pid == 0)
	{
		open(STDERR, '>', "$dir/stderr") or die $!;
		exec($program, @args) or die $!;
	}
	$out = do { local $/; <$from> } // '';
	close($from);
	return ($? >> 8, $out, slurp("$dir/stderr"));
}

sub slurp
{
	my ($file) = @_;
	open(my $in, '<:raw', $file) or die "$file: $!";
	local $/;
	return scalar <$in> // '';
}

sub spew
{
	my ($file, $text) = @_;
	open(my $out, '>:raw', $file) or die "$file: $!";
	print $out $text;
	close($out) or die $!;
}

sub make_ledger
{
	my ($name, @args) = @_;
	my $key = qx($maker $dir/$name @args);
	$? == 0 or die "make_ledger: $?";
	chomp $key;
	return $key;
}

sub json_of { return decode_json($_[0]); }

my $key = make_ledger('log', "statement=$dir/maps");
make_ledger('young', 'stop_at=200');
make_ledger('middle', 'stop_at=550');
make_ledger('fork', 'fork_at=150');
make_ledger('other', 'seed=7');

# --- help and usage ------------------------------------------------------------

my ($status, $out, $err) = call('--help');
is($status, 0, '--help succeeds');
for my $command (qw(export verify fsck prove check statement witness report))
{
	like($out, qr/^  $command /m, "--help lists $command");
	my ($s, $o) = call($command, '--help');
	is($s, 0, "$command --help succeeds");
	like($o, qr/^usage: pg_epsilon $command.*Exit status/s, "$command --help tells usage and exit status");
	($s) = call($command, '--nonsense');
	is($s, 2, "$command refuses an option that it does not know");
}
is((call())[0], 2, 'no command is wrong usage');
is((call('frobnicate'))[0], 2, 'an unknown command is wrong usage');
is((call('verify', "$dir/nowhere"))[0], 2, 'a folder that is none decides nothing');
is((call('verify', '--dbname=host=/nonexistent connect_timeout=2'))[0], 2, 'a server that is not there decides nothing');
is((call('verify', "$dir/log", '--dbname=x'))[0], 2, 'two sources are wrong usage');

# --- verify ----------------------------------------------------------------------

($status, $out) = call('verify', "--key=$key", "$dir/log");
is($status, 0, 'a sound log verifies');
like($out, qr/^all is well$/m, 'and says so');
($status, $out) = call('verify', "--key=$key", '--json', "$dir/log");
my $verdict = json_of($out);
ok($verdict->{good} && $verdict->{size} >= 900 && !defined $verdict->{first_bad}, 'as JSON too');
is_deeply([ grep { $_->{state} ne 'passed' } @{ $verdict->{checks} } ],
	[ grep { $_->{check} eq 'history' } @{ $verdict->{checks} } ], 'every check passed but history, which was not asked for');
($status, $out) = call('verify', '--public', "$dir/log");
is($status, 0, 'the public part alone verifies');
like($out, qr/as far as the public part shows/, 'and what it could not see is said');
like($out, qr/no trusted key was given/, 'and that the key was believed');
is((call('verify', "--since=$dir/middle/checkpoint", "$dir/log"))[0], 0, 'a log continues its own earlier checkpoint');
is((call('verify', "--since=$dir/log/checkpoint", "$dir/middle"))[0], 1, 'and an earlier log not the later checkpoint');
is((call('verify', "--key=$key", "$dir/other"))[0], 1, 'another log has other keys');

my $entries = slurp("$dir/log/tile/entries/001");
my $spoiled = $entries;
substr($spoiled, 258 * 44 + 2 + 70, 1) ^= "\x01";
spew("$dir/log/tile/entries/001", $spoiled);
($status, $out) = call('verify', "--key=$key", "$dir/log");
is($status, 1, 'an altered entry is found');
like($out, qr/^the ledger is not sound; the first bad entry is 301$/m, 'and named');
is(json_of((call('verify', '--json', "$dir/log"))[1])->{first_bad}, 301, 'in JSON too');

# --- fsck --------------------------------------------------------------------------

($status, $out) = call('fsck', "$dir/log");
is($status, 1, 'fsck finds it');
like($out, qr{^tile/entries/001 +entry 301 is damaged$}m, 'the tiles tell that the entry is what is damaged');
spew("$dir/log/tile/entries/001", $entries);
is((call('fsck', "$dir/log"))[0], 0, 'and nothing when it is mended');
my $tile = slurp("$dir/log/tile/0/002");
unlink("$dir/log/tile/0/002") or die $!;
($status, $out) = call('fsck', '--repair', "$dir/log");
is($status, 0, 'a tile is rebuilt from the entries');
is(slurp("$dir/log/tile/0/002"), $tile, 'as it was');
is((call('verify', "$dir/log"))[0], 0, 'and the log verifies');

# --- prove and check ------------------------------------------------------------------

($status, $out) = call('prove', '--seq=301', '--fields=text,who', "--output=$dir/proof", "$dir/log");
is($status, 0, 'a proof is made');
($status, $out) = call('check', "--key=$key", "$dir/proof");
is($status, 0, 'and checks offline');
like($out, qr/^text +SELECT .*^who +(alice|bob|carol)$/ms, 'with the fields that were named');
unlike($out, qr/^purpose/m, 'and no other');
my $proof = json_of(slurp("$dir/proof"));
unlike(slurp("$dir/proof"), qr/72657365617263680?/, 'a field that was not named is not in the file');
for my $spoil (
	[ 'its entry', sub { substr($_[0]{entry}, 100, 1) =~ tr/0-9a-f/1-9a-f0/ } ],
	[ 'its inclusion proof', sub { substr($_[0]{inclusion}[0], 0, 1) =~ tr/0-9a-f/1-9a-f0/ } ],
	[ 'its checkpoint', sub { $_[0]{checkpoint} =~ s/\n(\d+)\n/"\n" . ($1 + 1) . "\n"/e } ],
	[ 'a field', sub { $_[0]{fields}{text}{bytes} .= '20' } ],
	[ 'the place of a field', sub { $_[0]{fields}{purpose} = delete $_[0]{fields}{who} } ],
	[ 'its number', sub { $_[0]{seq}++ } ],
	[ 'its format', sub { $_[0]{format} .= '0' } ])
{
	my $copy = decode_json(encode_json($proof));
	$spoil->[1]->($copy);
	spew("$dir/spoiled", encode_json($copy));
	is((call('check', "--key=$key", "$dir/spoiled"))[0], 1, "a proof with $spoil->[0] altered is refused");
}
pop @{ $proof->{keys} };
spew("$dir/spoiled", encode_json($proof));
is((call('check', "--key=$key", "$dir/spoiled"))[0], 1, 'the older key does not vouch without the entry of the newer');
spew("$dir/spoiled", '{"format"');
is((call('check', "$dir/spoiled"))[0], 2, 'what is no JSON is not judged');
is((call('prove', '--seq=100000', "$dir/log"))[0], 2, 'no proof of an entry that is not there');

# --- statement --------------------------------------------------------------------------

my $maps = json_of(slurp("$dir/maps"));
my $owners;
for my $seq (reverse 1 .. $verdict->{size})
{
	my $bundle = slurp(sprintf('%s/log/tile/entries/%03d%s', $dir, ($seq - 1) / 256,
			int(($seq - 1) / 256) < int($verdict->{size} / 256) ? '' : '.p/' . $verdict->{size} % 256));
	my $entry = substr($bundle, 258 * (($seq - 1) % 256) + 2, 256);
	my ($kind, $dataset) = unpack('xCxxN', $entry);

	next unless $kind == 8 && $dataset == 1 && unpack('Q>', substr($entry, 96 + 88, 8)) == $maps->{as_of};
	$owners = $seq;
	last;
}
my $statement = json_of((call('prove', "--seq=$owners", "$dir/log"))[1]);
@$statement{qw(dataset account owners_entry_seq balance consent)} =
  (@$maps{qw(dataset account)}, $owners, @$maps{qw(balance consent)});
spew("$dir/statement", encode_json($statement));
($status, $out) = call('statement', "--check=$dir/statement", "--key=$key");
is($status, 0, 'a statement checks offline');
like($out, qr/^account +0\n.*^spent +[0-9.e-]+ of [0-9.e-]+$/ms, 'and says what was spent');
($status, $out) = call('statement', "--check=$dir/statement", "--key=$key", '--json');
ok(json_of($out)->{good} && json_of($out)->{spent_units} > 0, 'as JSON too');
for my $spoil (
	[ 'the balance', sub { substr($_[0]{balance}{message}, 12, 1) =~ tr/0-9a-f/1-9a-f0/ } ],
	[ 'the consents', sub { substr($_[0]{consent}{message}, 23, 1) =~ tr/0-9a-f/1-9a-f0/ } ],
	[ 'the account', sub { $_[0]{account} = 1 } ],
	[ 'the slot', sub { $_[0]{balance}{slot} ^= 1 } ],
	[ 'a path', sub { pop @{ $_[0]{balance}{path} } } ],
	[ 'the maps exchanged', sub { @{ $_[0] }{qw(balance consent)} = @{ $_[0] }{qw(consent balance)} } ],
	[ 'its entry', sub { $_[0]{owners_entry_seq}-- } ])
{
	my $copy = decode_json(encode_json($statement));
	$spoil->[1]->($copy);
	spew("$dir/spoiled", encode_json($copy));
	is((call('statement', "--check=$dir/spoiled", "--key=$key"))[0], 1, "a statement with $spoil->[0] altered is refused");
}

# --- witness -----------------------------------------------------------------------------

my @state = ("--state=$dir/witness");
($status, $out) = call('witness', 'init', @state, '--name=witness.example/one');
is($status, 0, 'a witness has a key');
like($out, qr{^witness\.example/one\+[0-9a-f]{8}\+B[A-P]}, 'of the type that cosigns');
is((stat "$dir/witness")[2] & 0777, 0600, 'which nobody else can read');
is((call('witness', 'init', @state, '--name=witness.example/two'))[0], 2, 'and it is not made twice');
is((call('witness', "$dir/young", @state))[0], 2, 'a new log needs a key that is trusted');
is((call('witness', "$dir/other", @state, "--key=$key"))[0], 2, 'which is of that log');
($status, $out) = call('witness', "$dir/young", @state, "--key=$key");
is($status, 0, 'a log is cosigned');
like($out, qr{\n\n\x{e2}\x{80}\x{94} pg_epsilon/.*\n\x{e2}\x{80}\x{94} witness\.example/one [A-Za-z0-9+/=]+\n$},
	'after its own signature');
is((call('witness', "$dir/young", @state))[0], 0, 'and again');
is((call('witness', "$dir/fork", @state))[0], 4, 'a fork is not: no proof that it continues what was seen (422)');
is((call('witness', "$dir/middle", @state))[0], 0, 'a log that grew is');
($status, $out) = call('witness', "$dir/log", @state, '--json');
is($status, 0, 'also when its key was changed');
is(json_of($out)->{status}, 200, 'JSON has the status of tlog-witness');
($status, $out, $err) = call('witness', "$dir/middle", @state, '--json');
is($status, 3, 'a rollback is not');
is_deeply([ @{ json_of($out) }{qw(status cosignature)} ], [ 409, '' ], 'with 409 and without a signature');
like(slurp("$dir/witness"), qr/\\n$verdict->{size}\\n/, 'and what was seen stays remembered');

# the same size with another root
make_ledger('twin', 'fork_at=890');
is((call('witness', "$dir/twin", @state))[0], 3, 'another root at the same size is a conflict (409)')
  if json_of((call('verify', '--json', "$dir/twin"))[1])->{size} == $verdict->{size};
my $note = slurp("$dir/log/checkpoint");
(my $unsigned = $note) =~ s/(\x{e2}\x{80}\x{94} \S+ .{20})(.)/$1 . ($2 eq 'A' ? 'B' : 'A')/e;
spew("$dir/log/checkpoint", $unsigned);
is((call('witness', "$dir/log", @state))[0], 1, 'a checkpoint without its signature is refused (403)');
spew("$dir/log/checkpoint", $note);

# tiles that would prove it are gone
my $fresh = "--state=$dir/second";
call('witness', 'init', $fresh, '--name=witness.example/two');
call('witness', "$dir/young", $fresh, "--key=$key");
my ($young) = slurp("$dir/young/checkpoint") =~ /\n(\d+)\n/;
my $edge = sprintf('%s/log/tile/0/%03d', $dir, $young / 256);
rename($edge, "$dir/kept") or die $!;
is((call('witness', "$dir/log", $fresh))[0], 4, 'without the tiles that prove it, nothing is cosigned (422)');
rename("$dir/kept", $edge) or die $!;
is((call('witness', "$dir/log", $fresh))[0], 0, 'with them it is');

done_testing();
