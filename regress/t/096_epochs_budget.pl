# flavour: release
#
# Epochs: each has one `owners` entry a data set, whether or not anything changed; the
# maps are those of the accounts; answers are committed to, and can be shown; an
# altered snapshot is found; an epoch that a crash came between is ended later.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use EpsServer;
use PostgreSQL::Test::Utils;
use Test::More;

my $epoch = 2;
my $node = new_server('epochs', conf => "dp.epoch = $epoch");

$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION pg_epsilon;
SELECT dp.harden(apply => true);
CREATE TABLE patients (id int PRIMARY KEY, x int CHECK (x BETWEEN 0 AND 10));
INSERT INTO patients SELECT i, i % 11 FROM generate_series(1, 500) i;
CREATE TABLE guests (id int PRIMARY KEY);
SELECT dp.create_dataset('hospital', 10, 1e-6, capacity => 2000);
SELECT dp.add_purpose('hospital', 'care');
SELECT dp.protect('patients', 'hospital', 'id', rows_per_owner => 1);
SELECT dp.create_dataset('hotel', 1, 1e-6, capacity => 1000);
SELECT dp.protect('guests', 'hotel', 'id', rows_per_owner => 1);
CREATE ROLE alice LOGIN;
CREATE ROLE bob LOGIN;
SELECT dp.grant_analyst('alice', 'hospital', 1);
SELECT dp.grant_analyst('bob', 'hospital', 1);
CREATE ROLE auditor LOGIN IN ROLE dp_auditor;
SQL

sub query
{
	return $node->safe_psql('postgres', $_[0]);
}

sub as
{
	my ($role, $sql) = @_;
	my (undef, $out, $err) = $node->psql('postgres', $sql, extra_params => [ '-U', $role, '-v', 'VERBOSITY=verbose' ]);
	return $out . $err;
}

# Waits until an epoch has ended that began after now
sub next_epoch
{
	my $now = query('SELECT epoch FROM dp_book.epoch_clock');
	ok($node->poll_query_until('postgres', "SELECT epoch > $now + 1 FROM dp_book.epoch_clock"), 'an epoch ends');
}

sub is_clean
{
	my ($when) = @_;
	is(query('SELECT string_agg(check_name || coalesce(\': \' || detail, \'\'), E\'\n\') FROM dp.verify() WHERE NOT ok'), '', "$when: dp.verify() is clean");
}

# --- what happens in an epoch ---------------------------------------------------------

query("SELECT dp.set_limit('hospital', 7, 1.5)");
query("SELECT dp.set_consent('hospital', 8, 'care', false)");
query("SELECT dp.merge_owners('hospital', 20, 21)");
like(as('alice', "SET dp.purpose = care; SELECT count(*) FROM patients"), qr/^-?\d+$/m, 'alice asks');
my $release = query("SELECT max(seq) FROM dp.releases");
next_epoch();
is(query("SELECT count(DISTINCT dataset_id) FROM dp_book.epoch WHERE seq IS NOT NULL"), 2, 'each data set has its entries');
is(query("SELECT count(*) FROM (SELECT dataset_id, epoch FROM dp_book.epoch GROUP BY 1, 2 HAVING count(*) <> 1) e"), 0, 'one an epoch');
next_epoch();
cmp_ok(query("SELECT count(*) FROM dp.ledger WHERE kind = 'owners' AND dataset_id = 2"), '>', 1, 'also where nothing has changed');
is(query("SELECT count(DISTINCT length(entry)) FROM dp.ledger"), 1, 'all entries have one length');
is_clean('after epochs');

# --- statements ------------------------------------------------------------------------------

for my $owner (7, 8, 20, 21, 100)
{
	is(query("SELECT json_array_length(s -> 'balance' -> 'path') || ' ' || json_array_length(s -> 'consent' -> 'path') "
			. "FROM dp.statement_proof('hospital', '$owner') s"), '11 11', "owner $owner: proofs of one length");
}
my $spent = "SELECT ('x' || substr(s -> 'balance' ->> 'message', 9, 16))::bit(64)::bigint FROM dp.statement_proof('hospital', '100') s";
is(query("SELECT abs(($spent) / 2.0::float8 ^ 60 - sum(rho)) < 1e-12 FROM dp.statement('hospital', 100)"), 't', 'the proof tells what was spent');
is(query("SELECT s -> 'balance' ->> 'slot' = t -> 'balance' ->> 'slot' FROM dp.statement_proof('hospital', '20') s, dp.statement_proof('hospital', '21') t"),
	't', 'two keys of one owner have one place');
is(query("SELECT json_array_length(dp.statement_proof('hospital', '100', detail => true) -> 'charges')"), 1, 'answers one by one, where asked for');
is(query("SELECT dp.statement_proof('hospital', '100') -> 'charges' IS NULL"), 't', 'months else');
like(as('postgres', "SELECT dp.statement_proof('hospital', '4711')"), qr/PV012.*had no account/, 'nobody has no proof');
like(as('alice', "SELECT dp.statement_proof('hospital', '7')"), qr/42501/, 'an analyst gets none');

# --- receipts -----------------------------------------------------------------------------------

like(as('alice', "SELECT dp.receipt($release) ->> 'answer_digest'"), qr/^[0-9a-f]{64}$/m, 'alice gets a receipt of her answer');
like(as('auditor', "SELECT json_array_length(dp.receipt($release) -> 'path')"), qr/^8$/m, 'so does an auditor');
like(as('bob', "SELECT dp.receipt($release)"), qr/PV010/, 'another analyst does not');
is(as('alice', 'SELECT dp.receipt(1)'), as('alice', 'SELECT dp.receipt(1)'), 'nor of what is no release');
my $answer = as('alice', "SET dp.repeats = off; SET dp.purpose = care; SELECT x, count(*) FROM patients GROUP BY x ORDER BY x NULLS LAST");
like(as('alice', 'SELECT dp.receipt(' . query('SELECT max(seq) FROM dp.releases') . ')'), qr/PV012.*not in the ledger yet/, 'an answer waits for the end of the epoch');
next_epoch();
SKIP:
{
	my $digest = query('SELECT encode(digest, \'hex\') FROM dp_book.answer_digest ORDER BY seq DESC LIMIT 1');
	require Digest::SHA;
	my $rows = join('', map { "$_\n" } sort { ($a =~ /^(\d*)/)[0] eq '' ? 1 : ($b =~ /^(\d*)/)[0] eq '' ? -1 : ($a =~ /^(\d+)/)[0] <=> ($b =~ /^(\d+)/)[0] }
			map { s/\|/,/r } grep { /^\d*\|-?\d+$/ } split /\n/, $answer);
	is(Digest::SHA::sha256_hex($rows), $digest, 'the receipt is over the rows of the release');
}

# --- no trace of how many owners there are --------------------------------------------------

is(query(q{SELECT count(*) FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid WHERE relname IN ('snapshot') AND attnum > 0 AND attlen = -1 AND attstorage <> 'p'}),
	0, 'accounts of a snapshot take no object identifiers');

# --- damage --------------------------------------------------------------------------------------

sub damage
{
	my ($what, $sql, $check) = @_;
	my $out = query("BEGIN; $sql; SELECT string_agg(check_name, ', ') FROM dp.verify() WHERE NOT ok; ROLLBACK");
	like($out, $check, "$what is found");
}

damage('an altered snapshot', "UPDATE dp_book.snapshot SET states = set_byte(states, 7, (get_byte(states, 7) + 1) % 256) WHERE dataset_id = 1 AND first_account = 0",
	qr/kept balances/);
damage('an altered root', "UPDATE dp_book.epoch SET balance = set_byte(balance, 0, (get_byte(balance, 0) + 1) % 256) WHERE epoch = 1", qr/commit|tree|tables/);
damage('an altered change of an owner', "UPDATE dp_book.owner_change SET change = set_byte(change, 25, 1) WHERE change_no = 1", qr/commit/);
damage('an epoch taken away', "DELETE FROM dp_book.epoch WHERE epoch = 2", qr/epochs follow/);
damage('another digest of an answer', "UPDATE dp_book.answers SET root = set_byte(root, 0, (get_byte(root, 0) + 1) % 256)", qr/commit|tables/);

# --- crashes and stops -------------------------------------------------------------------------------

for my $mode ('immediate', 'fast')
{
	$node->stop($mode);
	sleep $epoch + 1;
	$node->start;
	next_epoch();
	is_clean("after a stop, $mode");
}
$node->stop;
done_testing();
