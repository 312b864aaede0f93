# A program whose tables, columns, types, labels and functions were renamed, and that
# was written under a search_path, is dumped and restored: whole, in parallel, and
# schema first and data later.  It earns as before, and its rules can be changed.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use LoyaltyNode;
use Test::More;

my $node = new_node('names');
$node->init;
$node->start;
my $dir = $node->basedir;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION loyalty;
CREATE EXTENSION citext;
CREATE SCHEMA shop;
SET search_path = shop, public;
CREATE TYPE state AS ENUM ('open', 'paid');
CREATE FUNCTION weight(numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT 2 * $1';
CREATE FUNCTION public.top(numeric) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1 >= 100';
CREATE TABLE customers (id int PRIMARY KEY, since timestamptz DEFAULT '2020-01-01');
INSERT INTO customers SELECT generate_series(1, 3);
CREATE TABLE orders (id citext PRIMARY KEY, customer int, at timestamptz DEFAULT '2024-01-01', status state DEFAULT 'paid', way citext DEFAULT 'WEB');
CREATE TABLE lines (of citext REFERENCES orders, qty int, price numeric);
CREATE TABLE refunds (of citext REFERENCES orders, amount numeric);
SELECT loyalty.create_program('club', customers => 'customers', joined_at => 'since');
SELECT loyalty.track_orders('club', 'orders', customer => 'customer', at => 'at', counts_when => $$status = 'paid'$$,
	lines => 'lines', line_order => 'of', line_amount => 'qty * price');
SELECT loyalty.track_refunds('club', 'refunds', order_key => 'of', amount => 'amount');
INSERT INTO club.earning_rule (name, points, applies_when) VALUES ('weight', 'weight(amount)', $$way = 'web'$$);
INSERT INTO club.earning_rule (name, points, per) VALUES ('qty', 'qty', 'line');
INSERT INTO club.tier (name, rank, qualifies, multiplier) VALUES ('Top', 1, 'top(spend)', 3);
-- 2 * 20 + 2; 2 * 150 + 3
INSERT INTO orders VALUES ('a', 1), ('b', 2);
INSERT INTO lines VALUES ('A', 2, 10), ('b', 3, 50);
ALTER SCHEMA shop RENAME TO store;
SET search_path = store, public;
ALTER TABLE orders RENAME COLUMN status TO stands;
ALTER TABLE orders RENAME TO purchases;
ALTER TABLE lines RENAME COLUMN qty TO pieces;
ALTER TABLE customers RENAME COLUMN since TO joined;
ALTER TYPE state RENAME VALUE 'paid' TO 'settled';
ALTER FUNCTION weight(numeric) RENAME TO heft;
ALTER FUNCTION public.top(numeric) SET SCHEMA store;
CALL loyalty.post('club');
INSERT INTO club.earning_rule (name, points) VALUES ('five', '5');
-- 3 * (2 * 10 + 1 + 5); of 150, 75 are left: 2 * 75 + 3 * 75 / 150 = 151.5
INSERT INTO purchases VALUES ('c', 2);
INSERT INTO lines VALUES ('C', 1, 10);
INSERT INTO refunds VALUES ('B', 75);
SQL

my %state = (
	members => 'SELECT id, tier, points, lifetime_value, orders, joined_at FROM club.members ORDER BY 1',
	orders => 'SELECT customer, tracked_table, order_key, counts, amount, trim_scale(awards), currency, rate, terms FROM club.recorded_orders ORDER BY 1, 2, 3',
	entries => 'SELECT * FROM club.entries ORDER BY 1, 2');
my %before = map { $_ => $node->safe_psql('postgres', $state{$_}) } keys %state;
is($node->safe_psql('postgres', 'SELECT id, trim_scale(points), trim_scale(lifetime_value), orders FROM club.members ORDER BY 1'),
	"1|42|20|1\n2|229|85|2\n3|0|0|0", 'members before');		# 151 + 78

sub run_ok
{
	my ($what, @command) = @_;
	my $result = IPC::Run::run(\@command, '>', \my $out, '2>', \my $err);
	ok($result, $what) or diag $err;
}

sub points { return $node->safe_psql($_[0], 'SELECT trim_scale(points) FROM club.members WHERE id = 3') }

sub check
{
	my ($db, $what) = @_;
	# where triggers fire, an order whose lines and refunds come behind it is recorded once more with each
	is($node->safe_psql($db, $state{$_}), $before{$_}, "$what: $_") for grep { $db ne 'dataonly' || $_ ne 'entries' } sort keys %state;
	is($node->safe_psql($db, "SELECT * FROM loyalty.verify('club')"), '', "$what: verify() is empty");
	$node->safe_psql($db, "INSERT INTO store.purchases VALUES ('d', 3); INSERT INTO store.lines VALUES ('D', 4, 10)");
	is(points($db), 89, "$what: a new order earns");			# 2 * 40 + 4 + 5
	$node->safe_psql($db, "INSERT INTO store.refunds VALUES ('d', 20)");
	is(points($db), 47, "$what: its refund takes back a half");		# 2 * 20 + 4 / 2 + 5
	$node->safe_psql($db, q{UPDATE club.earning_rule SET points = '6' WHERE name = 'five'});
	$node->safe_psql($db, q{UPDATE club.earning_rule SET applies_when = 'amount > 0' WHERE name = 'weight'});
	$node->safe_psql($db, "INSERT INTO store.purchases (id, customer, way) VALUES ('e', 3, 'shop'); INSERT INTO store.lines VALUES ('e', 1, 7)");
	is(points($db), 68, "$what: a rule is changed");			# 47 + 2 * 7 + 1 + 6
	$node->safe_psql($db, "CALL loyalty.post('club')");
	is($node->safe_psql($db, "SELECT * FROM loyalty.verify('club')"), '', "$what: verify() is empty after that");
	is($node->safe_psql($db, "SELECT recorded FROM loyalty.reconcile('club')"), '0', "$what: nothing to reconcile");
}

my $conn = $node->connstr('postgres');
$node->safe_psql('postgres', "CREATE DATABASE $_") for qw(plain parallel dataonly);
run_ok('plain dump', 'pg_dump', '-d', $conn, '-f', "$dir/plain.sql");
run_ok('plain restore', 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('plain'), '-f', "$dir/plain.sql");
run_ok('directory dump', 'pg_dump', '-d', $conn, '-Fd', '-j2', '-f', "$dir/directory");
run_ok('parallel restore', 'pg_restore', '--exit-on-error', '-j2', '-d', $node->connstr('parallel'), "$dir/directory");
run_ok('schema dump', 'pg_dump', '-d', $conn, '-s', '-f', "$dir/schema.sql");
run_ok('data dump', 'pg_dump', '-d', $conn, '-a', '-f', "$dir/data.sql");
run_ok('schema restore', 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('dataonly'), '-f', "$dir/schema.sql");
run_ok('data restore', 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('dataonly'), '-f', "$dir/data.sql");
check($_, $_) for qw(plain parallel dataonly postgres);
$node->stop;
done_testing();
