# flavour: release
#
# An owner is one account under integer keys of every width (rule 17), whichever was
# asked first and whether or not the server has been restarted between: look-ups are
# remembered in shared memory, which would hide a key that is not canonical.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use EpsServer;
use Test::More;

my $node = new_server('keys_release');

$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION pg_epsilon;
SELECT dp.harden(apply => true);
CREATE TABLE small (id int2 PRIMARY KEY);
CREATE TABLE middle (id int4 PRIMARY KEY);
CREATE TABLE large (id int8 PRIMARY KEY);
INSERT INTO small SELECT i FROM generate_series(-100, 99) i;
INSERT INTO middle TABLE small;
INSERT INTO large TABLE small;
SELECT dp.create_dataset('hospital', 10, 1e-6, capacity => 2000);
SELECT dp.protect(r, 'hospital', 'id') FROM unnest('{small,middle,large}'::regclass[]) r;
CREATE ROLE alice LOGIN;
SELECT dp.grant_analyst('alice', 'hospital', 1);
SQL

my $asked = 0;

sub ask
{
	my ($table) = @_;

	return $node->safe_psql('postgres', "SELECT count(*) > -1e9 FROM $table WHERE id > -1000 - $asked", extra_params => [ '-U', 'alice' ]);
}

sub accounts
{
	return $node->safe_psql('postgres', 'SELECT sum(length(keys)) / 16 FROM dp_book.account_chunk');
}

for my $table (qw(middle large small middle large))
{
	is(ask($table), 't', "$table is answered");
	$asked++;
	is(accounts(), 200, 'the owners have 200 accounts');
	is($node->safe_psql('postgres', "SELECT count(*) FROM dp.statement('hospital', $_)"), $asked, "owner $_ was charged each time") for (-100, -1, 0, 99);
	$node->restart;
}
verify_is_clean($node, 'postgres', 'after all');
$node->stop;
done_testing();
