# A physical standby answers every read; a logical subscriber gets the ledger as
# data and doesn't accrue a second time.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use LoyaltyNode;
use Test::More;

my $setup = <<'SQL';
CREATE EXTENSION loyalty;
CREATE SCHEMA shop;
CREATE TABLE shop.customers (customer_id int PRIMARY KEY, created_at timestamptz);
CREATE TABLE shop.orders (order_id bigint PRIMARY KEY, customer_id int, at timestamptz, total numeric, status text DEFAULT 'paid');
SELECT loyalty.create_program('club', customers => 'shop.customers', joined_at => 'created_at', time_zone => 'UTC');
SELECT loyalty.track_orders('club', 'shop.orders', customer => 'customer_id', at => 'at', amount => 'total', counts_when => $$status = 'paid'$$);
SQL
my $configuration = <<'SQL';
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
INSERT INTO club.tier (name, rank, qualifies, multiplier) VALUES ('Silver', 1, 'spend >= 100', 1.5);
SQL
my $members = 'SELECT customer_id, tier, points, lifetime_value, orders FROM club.members ORDER BY 1';
my $entries = 'SELECT customer_id, entry, order_key, points, balance FROM club.entries ORDER BY 1, 2';
my $verify = "SELECT * FROM loyalty.verify('club')";

my $primary = new_node('primary');
$primary->init(allows_streaming => 'logical');
$primary->start;
$primary->safe_psql('postgres', $setup . $configuration . <<'SQL');
INSERT INTO shop.customers SELECT i, '2015-01-01' FROM generate_series(1, 5) i;
INSERT INTO shop.orders SELECT i, 1 + i % 5, '2020-01-01', i FROM generate_series(1, 40) i;
CALL loyalty.post('club');
INSERT INTO shop.orders SELECT i, 1 + i % 5, '2021-01-01', i FROM generate_series(41, 60) i;
UPDATE shop.orders SET status = 'refunded' WHERE order_id % 9 = 0;
SQL

# physical: reads are complete, posted or not
$primary->backup('base');
my $standby = new_node('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;
$primary->safe_psql('postgres', "INSERT INTO shop.orders VALUES (100, 1, '2022-01-01', 1000)");
my $caught_up = sub { $primary->poll_query_until('postgres', "SELECT '" . $primary->lsn('write') . "'::pg_lsn <= min(replay_lsn) FROM pg_stat_replication") };
$caught_up->();
is($standby->safe_psql('postgres', $members), $primary->safe_psql('postgres', $members), 'members on the standby');
is($standby->safe_psql('postgres', $entries), $primary->safe_psql('postgres', $entries), 'entries on the standby');
is($standby->safe_psql('postgres', "SELECT club.balance(1), club.tier_at(1, '2021-06-01'), club.member_at(1, '2021-06-01'), club.liability_at('2021-06-01')"),
	$primary->safe_psql('postgres', "SELECT club.balance(1), club.tier_at(1, '2021-06-01'), club.member_at(1, '2021-06-01'), club.liability_at('2021-06-01')"), 'functions on the standby');
is($standby->safe_psql('postgres', $verify), '', 'verify() on the standby');
my ($code, $out, $err) = $standby->psql('postgres', "CALL loyalty.post('club')");
isnt($code, 0, 'posting on a standby is refused');
like($err, qr/read-only|recovery/, 'and says why');

# logical: the program's tables are published beside the orders
my $subscriber = new_node('subscriber');
$subscriber->init(allows_streaming => 'logical');
$subscriber->start;
$subscriber->safe_psql('postgres', $setup);

# its own settings make way; triggers would keep them
$subscriber->safe_psql('postgres', 'SET session_replication_role = replica; DELETE FROM club.terms; DELETE FROM club.program; DELETE FROM club.tracked_table; ALTER TABLE shop.orders DISABLE TRIGGER USER');
$primary->safe_psql('postgres', 'CREATE PUBLICATION shop FOR TABLE shop.customers, shop.orders, club.account, club.ledger, club.journal, club.terms, club.terms_rule, club.terms_tier, club.tier, club.earning_rule');
my $conn = $primary->connstr . ' dbname=postgres';
$subscriber->safe_psql('postgres', "CREATE SUBSCRIPTION shop CONNECTION '$conn' PUBLICATION shop");
$subscriber->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_subscription_rel WHERE srsubstate NOT IN ('r', 's')");
my $rows = "SELECT (SELECT count(*) FROM club.ledger), (SELECT count(*) FROM club.journal), (SELECT sum(points) FROM club.account)";
is($subscriber->safe_psql('postgres', $rows), $primary->safe_psql('postgres', $rows), 'the initial copy brings the entries');
# after that, the apply worker fires no ordinary trigger
$subscriber->safe_psql('postgres', 'ALTER TABLE shop.orders ENABLE TRIGGER USER');
$primary->safe_psql('postgres', "INSERT INTO shop.orders SELECT i, 2, '2023-01-01', 7 FROM generate_series(200, 220) i");
$primary->safe_psql('postgres', "UPDATE shop.orders SET status = 'refunded' WHERE order_id = 200");
$primary->safe_psql('postgres', "CALL loyalty.post('club')");
$primary->wait_for_catchup('shop');
is($subscriber->safe_psql('postgres', $rows), $primary->safe_psql('postgres', $rows), 'later entries come as data, once');
my $ledger = 'SELECT * FROM club.ledger ORDER BY customer, entry';
is($subscriber->safe_psql('postgres', $ledger), $primary->safe_psql('postgres', $ledger), 'the ledgers are the same');
is($primary->safe_psql('postgres', $verify), '', 'verify() on the primary');
$_->stop for $subscriber, $standby, $primary;
done_testing();
