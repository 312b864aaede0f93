# Restores of data alone, with the triggers of the tracked tables firing: whatever
# comes first, orders or what is recorded of them, all counts once, under the
# terms that it had.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use LoyaltyNode;
use Test::More;
use IPC::Run ();

my $node = new_node('restore');
$node->init;
$node->append_conf('postgresql.conf', "fsync = off\n");
$node->start;
my $dir = $node->basedir;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION loyalty;
CREATE SCHEMA shop;
CREATE TABLE shop.customers (customer_id int PRIMARY KEY, created_at timestamptz);
INSERT INTO shop.customers SELECT i, '2015-01-01' FROM generate_series(1, 20) i;
CREATE TABLE shop.orders (order_id int PRIMARY KEY, customer_id int, at timestamptz, total numeric, status text DEFAULT 'paid', money text);
CREATE TABLE shop.headers (order_id int PRIMARY KEY, customer_id int, at timestamptz);
CREATE TABLE shop.lines (line_id int PRIMARY KEY, order_id int, price numeric);
CREATE INDEX ON shop.lines (order_id);
SELECT loyalty.create_program('club', customers => 'shop.customers', joined_at => 'created_at', time_zone => 'UTC');
INSERT INTO club.exchange_rate VALUES ('CHF', '-infinity', 1.1);
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
INSERT INTO club.tier (name, rank, qualifies, multiplier) VALUES ('Silver', 1, 'spend >= 100', 1.5);
SELECT loyalty.track_orders('club', 'shop.orders', customer => 'customer_id', at => 'at', amount => 'total', currency => 'money',
                            counts_when => $$status = 'paid'$$);
SELECT loyalty.track_orders('club', 'shop.headers', customer => 'customer_id', at => 'at', lines => 'shop.lines', line_order => 'order_id', line_amount => 'price');
-- posted under the first terms: some of it refunded, some changed afterwards
INSERT INTO shop.orders SELECT i, 1 + i % 20, timestamptz '2020-01-01' + i * interval '1 day', i % 47, 'paid', CASE WHEN i % 5 = 0 THEN 'CHF' END FROM generate_series(1, 300) i;
INSERT INTO shop.headers SELECT i, 1 + i % 20, timestamptz '2020-01-01' + i * interval '1 day' FROM generate_series(1, 60) i;
INSERT INTO shop.lines SELECT i, 1 + i % 60, i % 13 FROM generate_series(1, 180) i;
UPDATE shop.orders SET status = 'refunded' WHERE order_id % 7 = 0;
CALL loyalty.post('club');
UPDATE club.earning_rule SET points = '3 * amount';
UPDATE club.exchange_rate SET rate = 2;
UPDATE shop.orders SET total = total + 1 WHERE order_id % 11 = 0;
UPDATE shop.lines SET price = price + 1 WHERE line_id % 17 = 0;
-- and not posted, under the second
INSERT INTO shop.orders SELECT i, 1 + i % 20, timestamptz '2022-01-01' + i * interval '1 day', i % 47, 'paid', CASE WHEN i % 5 = 0 THEN 'CHF' END FROM generate_series(301, 500) i;
INSERT INTO shop.headers SELECT i, 1 + i % 20, timestamptz '2022-01-01' + i * interval '1 day' FROM generate_series(61, 100) i;
INSERT INTO shop.lines SELECT 200 + i, 61 + i % 40, i % 13 FROM generate_series(1, 120) i;
UPDATE shop.orders SET status = 'refunded' WHERE order_id % 13 = 0;
-- some of both are rerated under the third, and change after it
UPDATE club.earning_rule SET points = '2 * amount';
SELECT loyalty.rerate('club', since => '2020-02-20', dry_run => false);
UPDATE shop.orders SET total = total + 1 WHERE order_id % 19 = 0;
UPDATE shop.lines SET price = price + 1 WHERE line_id % 23 = 0;
SQL

my %state = (
	members => 'SELECT customer_id, tier, points, lifetime_value, orders, first_order_at, last_order_at FROM club.members ORDER BY 1',
	entries => 'SELECT customer_id, order_key, revision, points, terms, rate, posted FROM club.entries WHERE tracked_table = 1 ORDER BY 1, 2, 3',
	# while the lines of an order are not restored yet, it stands without them
	orders => 'SELECT customer_id, tracked_table, order_key, sum(points), min(terms), max(terms), max(rate) FROM club.entries GROUP BY 1, 2, 3 ORDER BY 1, 2, 3',
	account => 'SELECT * FROM club.account ORDER BY 1');
my %before = map { $_ => $node->safe_psql('postgres', $state{$_}) } keys %state;
like($before{entries}, qr/\|3\|1\|t$/m, 'some entries are posted');
like($before{entries}, qr/\|4\|2\|f$/m, 'some are not, and have the other rate');
like($before{entries}, qr/\|5\|1\.1\|f$/m, 'some are rerated, and keep their rate');

sub run_ok
{
	my ($what, @command) = @_;
	my $result = IPC::Run::run(\@command, '>', \my $out, '2>', \my $err);
	ok($result, $what) or diag $err;
}

sub check
{
	my ($db, $what) = @_;
	is($node->safe_psql($db, $state{$_}), $before{$_}, "$what: $_") for sort keys %state;
	is($node->safe_psql($db, "SELECT * FROM loyalty.verify('club')"), '', "$what: verify() is empty");
	$node->safe_psql($db, "CALL loyalty.post('club')");
	is($node->safe_psql($db, 'SELECT count(*) FROM club.journal'), '0', "$what: all can be posted");
	is($node->safe_psql($db, $state{members}), $before{members}, "$what: which changes nothing");
	is($node->safe_psql($db, "SELECT * FROM loyalty.verify('club')"), '', "$what: verify() is empty after it");
}

my $conn = $node->connstr('postgres');
run_ok('schema dump', 'pg_dump', '-d', $conn, '-s', '-f', "$dir/schema.sql");
$node->safe_psql('postgres', 'CREATE DATABASE empty');
run_ok('schema restore', 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('empty'), '-f', "$dir/schema.sql");
my @late = ('orders', 'journal', 'ledger', 'account');
my %tables = (orders => [ '-t', 'shop.orders', '-t', 'shop.headers', '-t', 'shop.lines' ], map { $_ => [ '-t', "club.$_" ] } 'journal', 'ledger', 'account');
run_ok("dump of $_", 'pg_dump', '-d', $conn, '-a', @{ $tables{$_} }, '-f', "$dir/$_.sql") for @late;
run_ok('dump of the rest', 'pg_dump', '-d', $conn, '-a', '-t', 'shop.customers', '-t', 'club.*',
	'-T', 'club.journal', '-T', 'club.ledger', '-T', 'club.account', '-f', "$dir/rest.sql");

# every order of the four
sub permutations
{
	my ($done, @left) = @_;
	return $done unless @left;
	return map { my $i = $_; permutations([ @$done, $left[$i] ], @left[ grep { $_ != $i } 0 .. $#left ]) } 0 .. $#left;
}
for my $order (permutations([], @late))
{
	my $what = join ', ', @$order;
	$node->safe_psql('postgres', 'DROP DATABASE IF EXISTS run');
	$node->safe_psql('postgres', 'CREATE DATABASE run TEMPLATE empty');
	run_ok($what, 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('run'), map { ('-f', "$dir/$_.sql") } 'rest', @$order);
	check('run', $what);
}

# what was posted since the dump is not restored once more
$node->safe_psql('postgres', 'CREATE DATABASE again TEMPLATE postgres');
run_ok('dump as statements', 'pg_dump', '-d', $node->connstr('again'), '-a', '--inserts', '--on-conflict-do-nothing', '-f', "$dir/again.sql");
my $posted = $node->safe_psql('again', "CALL loyalty.post('club'); SELECT customer_id, points, orders FROM club.members ORDER BY 1");
run_ok('restore after posting', 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('again'), '-f', "$dir/again.sql");
is($node->safe_psql('again', 'SELECT customer_id, points, orders FROM club.members ORDER BY 1'), $posted, 'nothing counts twice');
is($node->safe_psql('again', 'SELECT count(*) FROM club.journal'), '0', 'nor waits to be posted twice');
is($node->safe_psql('again', "SELECT * FROM loyalty.verify('club')"), '', 'and verify() is empty');

# several sessions at once
run_ok('dump in parts', 'pg_dump', '-d', $conn, '-Fd', '-f', "$dir/parts");
for my $round (1 .. 6)
{
	$node->safe_psql('postgres', 'DROP DATABASE IF EXISTS run');
	$node->safe_psql('postgres', 'CREATE DATABASE run TEMPLATE empty');
	run_ok("parallel restore $round", 'pg_restore', '-a', '-j4', '--exit-on-error', '-d', $node->connstr('run'), "$dir/parts");
	# an order and its lines, written by two sessions at once without a foreign key that
	# makes one wait for the other, are not seen by either trigger
	$node->safe_psql('run', "SELECT loyalty.reconcile('club')");
	check('run', "parallel restore $round");
}
$node->stop;
done_testing();
