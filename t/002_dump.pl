# Dump and restore, full and data-only, plain and parallel: the same members,
# entries and accounts, an empty verify(), and orders that earn as before.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use LoyaltyNode;
use Test::More;

my $node = new_node('dump');
$node->init;
$node->append_conf('postgresql.conf', "max_prepared_transactions = 5\n");
$node->start;
my $dir = $node->basedir;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION loyalty;
CREATE SCHEMA shop;
CREATE TABLE shop.customers (customer_id bigint PRIMARY KEY, created_at timestamptz);
INSERT INTO shop.customers SELECT i, '2015-01-01' FROM generate_series(1, 30) i;
CREATE TABLE shop.orders (order_id bigint PRIMARY KEY, customer_id bigint REFERENCES shop.customers,
                          at timestamptz, total numeric, status text DEFAULT 'paid');
SELECT loyalty.create_program('club', customers => 'shop.customers', joined_at => 'created_at');
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
INSERT INTO club.tier (name, rank, qualifies, multiplier) VALUES ('Silver', 1, 'spend >= 100', 1.5), ('Gold', 2, $$spend >= 200 AND tenure >= '5 years'$$, 2);
SELECT loyalty.track_orders('club', 'shop.orders', customer => 'customer_id', at => 'at', amount => 'total', counts_when => $$status = 'paid'$$);
INSERT INTO shop.orders SELECT i, 1 + i % 30, timestamptz '2020-01-01' + i * interval '1 day', i % 47 FROM generate_series(1, 500) i;
UPDATE club.earning_rule SET points = 'amount * 2';
UPDATE shop.orders SET status = 'refunded' WHERE order_id % 7 = 0;
CALL loyalty.post('club');
INSERT INTO shop.orders SELECT i, 1 + i % 30, timestamptz '2022-01-01' + i * interval '1 day', i % 47 FROM generate_series(501, 900) i;
UPDATE shop.orders SET total = total + 1 WHERE order_id % 11 = 0;
SQL

my %state = (
	members => 'SELECT customer_id, tier, points, lifetime_value, orders, first_order_at, last_order_at FROM club.members ORDER BY 1',
	entries => 'SELECT * FROM club.entries ORDER BY 1, 2',
	account => 'SELECT * FROM club.account ORDER BY 1',
	rules => 'SELECT * FROM club.terms_rule ORDER BY 1, 2',
	terms => 'SELECT terms, (SELECT terms FROM club.program) FROM club.terms ORDER BY 1');
my %before = map { $_ => $node->safe_psql('postgres', $state{$_}) } keys %state;
like($before{members}, qr/Gold/, 'there is something to compare');
is($node->safe_psql('postgres', "SELECT * FROM loyalty.verify('club')"), '', 'verify() is empty before');

sub check
{
	my ($db, $what) = @_;
	is($node->safe_psql($db, $state{$_}), $before{$_}, "$what: $_") for sort keys %state;
	is($node->safe_psql($db, "SELECT * FROM loyalty.verify('club')"), '', "$what: verify() is empty");
	my $points = $node->safe_psql($db, 'SELECT points FROM club.members WHERE customer_id = 30');
	$node->safe_psql($db, "INSERT INTO shop.orders VALUES (10000, 30, '2023-01-01', 0.5)");
	$node->safe_psql($db, "UPDATE shop.orders SET total = 5 WHERE order_id = 10000");
	cmp_ok($node->safe_psql($db, 'SELECT points FROM club.members WHERE customer_id = 30'), '>=', $points + 10, "$what: a new order earns");
	$node->safe_psql($db, "UPDATE shop.orders SET status = 'refunded' WHERE order_id = 10000");
	is($node->safe_psql($db, 'SELECT points FROM club.members WHERE customer_id = 30'), $points, "$what: and its refund takes it back");
	$node->safe_psql($db, "CALL loyalty.post('club')");
	is($node->safe_psql($db, "SELECT * FROM loyalty.verify('club')"), '', "$what: verify() is empty after that");
}

sub run_ok
{
	my ($what, @command) = @_;
	my $result = IPC::Run::run(\@command, '>', \my $out, '2>', \my $err);
	ok($result, $what) or diag $err;
}

my $conn = $node->connstr('postgres');
$node->safe_psql('postgres', "CREATE DATABASE $_") for qw(plain parallel twosteps dataonly disabled backwards);
run_ok('plain dump', 'pg_dump', '-d', $conn, '-f', "$dir/plain.sql");
run_ok('plain restore', 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('plain'), '-f', "$dir/plain.sql");
check('plain', 'plain');

run_ok('directory dump', 'pg_dump', '-d', $conn, '-Fd', '-j2', '-f', "$dir/directory");
run_ok('parallel restore', 'pg_restore', '--exit-on-error', '-j2', '-d', $node->connstr('parallel'), "$dir/directory");
check('parallel', 'parallel');

run_ok('schema dump', 'pg_dump', '-d', $conn, '-s', '-f', "$dir/schema.sql");
run_ok('data dump', 'pg_dump', '-d', $conn, '-a', '-f', "$dir/data.sql");
run_ok('schema restore', 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('dataonly'), '-f', "$dir/schema.sql");
run_ok('data restore, triggers firing', 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('dataonly'), '-f', "$dir/data.sql");
check('dataonly', 'data-only');

run_ok('data dump with disabled triggers', 'pg_dump', '-d', $conn, '-a', '--disable-triggers', '-f', "$dir/disabled.sql");
run_ok('schema restore', 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('disabled'), '-f', "$dir/schema.sql");
run_ok('data restore, triggers disabled', 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('disabled'), '-f', "$dir/disabled.sql");
check('disabled', 'data-only, triggers disabled');

# table by table, what is built on the others first
run_ok('schema restore', 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('backwards'), '-f', "$dir/schema.sql");
for my $table (qw(club.terms_tier club.terms_rule club.tier club.earning_rule club.archived club.source club.rate club.program club.terms
	club.account club.ledger club.journal shop.customers shop.orders))
{
	run_ok("dump of $table", 'pg_dump', '-d', $conn, '-a', '-t', $table, '-f', "$dir/table.sql");
	run_ok("restore of $table", 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('backwards'), '-f', "$dir/table.sql");
}
check('backwards', 'table by table');

# a program holds on to the extension
my ($code, $out, $err) = $node->psql('postgres', 'DROP EXTENSION loyalty');
isnt($code, 0, 'DROP EXTENSION is refused while a program exists');
like($err, qr/other objects depend on it/, 'and says why');

# two-phase commit: points follow the order, over a crash
my $orders = 'SELECT orders FROM club.members WHERE customer_id = 29';
my $n = $node->safe_psql('postgres', $orders);
$node->safe_psql('postgres', "BEGIN; INSERT INTO shop.orders VALUES (20001, 29, '2023-01-01', 5); PREPARE TRANSACTION 'one'");
$node->safe_psql('postgres', "BEGIN; INSERT INTO shop.orders VALUES (20002, 29, '2023-01-01', 5); PREPARE TRANSACTION 'two'");
is($node->safe_psql('postgres', $orders), $n, 'a prepared order does not count yet');
$node->stop('immediate');
$node->start;
$node->safe_psql('postgres', "COMMIT PREPARED 'one'");
$node->safe_psql('postgres', "ROLLBACK PREPARED 'two'");
is($node->safe_psql('postgres', $orders), $n + 1, 'the one that was committed counts');
is($node->safe_psql('postgres', "SELECT * FROM loyalty.verify('club')"), '', 'verify() is empty');
$node->stop;
done_testing();
