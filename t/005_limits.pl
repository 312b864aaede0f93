# Limits: memory is bounded by work_mem and a constant, a statement that is
# cancelled leaves nothing, and neither many partitions nor many customers are
# remembered by a session.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use LoyaltyNode;
use Test::More;

plan skip_all => 'reads the memory of a process from /proc' unless -r '/proc/self/status';

my $rows = 150_000;
my $partitions = 400;
my $node = new_node('limits');
$node->init;
$node->append_conf('postgresql.conf', "fsync = off\njit = off\nautovacuum = off\nmax_locks_per_transaction = 1000\nwork_mem = 4MB\nmax_wal_size = 4GB\n");
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION loyalty;
CREATE TABLE customers (customer_id int PRIMARY KEY);
INSERT INTO customers SELECT generate_series(1, 300000);
CREATE TABLE orders (order_id bigint PRIMARY KEY, customer_id int, at timestamptz DEFAULT '2024-01-01', total numeric, status text DEFAULT 'paid');
CREATE TABLE refunds (order_id bigint, amount numeric);
CREATE INDEX ON refunds (order_id);
CREATE TABLE by_number (order_id bigint PRIMARY KEY, customer_id int, at timestamptz DEFAULT '2024-01-01', total numeric) PARTITION BY RANGE (order_id);
SELECT loyalty.create_program('club', customers => 'customers', time_zone => 'UTC');
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
SELECT loyalty.track_orders('club', 'orders', customer => 'customer_id', at => 'at', amount => 'total', counts_when => $$status = 'paid'$$);
SELECT loyalty.track_orders('club', 'by_number', customer => 'customer_id', at => 'at', amount => 'total');
-- the most memory that this backend ever had mapped, in kB
CREATE FUNCTION peak() RETURNS bigint LANGUAGE sql AS
	$$ SELECT substring(pg_read_file('/proc/self/status') FROM 'VmPeak:\s+(\d+)')::bigint $$;
SQL

sub verified
{
	my ($what) = @_;
	$node->safe_psql('postgres', "CALL loyalty.post('club')");
	is($node->safe_psql('postgres', "SELECT * FROM loyalty.verify('club')"), '', "verify() is empty after $what");
}

# By how many kB the peak of a backend grows by a statement, after a small one of
# the same kind has loaded what it needs.
sub grows
{
	my ($small, $large) = @_;
	my @lines = split /\n/, $node->safe_psql('postgres', "$small;\nSELECT peak();\n$large;\nSELECT peak();\n");
	return $lines[1] - $lines[0];
}

# work_mem, and 16 MB
my $limit = 20 * 1024;
my $load = "INSERT INTO orders SELECT i, 1 + i % 100000, '2024-01-01', i % 100 FROM generate_series";
my $growth = grows("$load(-9, 0) i", "$load(1, $rows) i");
cmp_ok($growth, '<', $limit, "an INSERT of $rows orders stays within work_mem and a constant ($growth kB)");
verified('the load');
$growth = grows("UPDATE orders SET total = total + 1 WHERE order_id < 0", "UPDATE orders SET status = 'refunded' WHERE order_id > 0");
cmp_ok($growth, '<', $limit, "so does a statement that refunds them all ($growth kB)");
verified('the refund');
$node->safe_psql('postgres', "TRUNCATE orders; SELECT loyalty.track_refunds('club', 'refunds', orders => 'orders', order_key => 'order_id', amount => 'amount')");
my $many = $rows / 3;
$load = "INSERT INTO orders SELECT $rows + i, i, '2024-01-01', i % 100 FROM generate_series";
$growth = grows("$load(1, 10) i", "$load(11, $many) i");
cmp_ok($growth, '<', $limit, "so does a load of orders that may have refunds, each of another customer ($growth kB)");
$growth = grows("INSERT INTO refunds VALUES ($rows + 1, 1)", "INSERT INTO refunds SELECT order_id, 1 FROM orders WHERE order_id > $rows + 1");
cmp_ok($growth, '<', $limit, "so does a statement of as many refunds ($growth kB)");
verified('the refunds');

# Cancelled at some point of recording, or before, or after it: nothing is left.
my $before = $node->safe_psql('postgres', 'SELECT count(*) FROM orders') . '|' . $node->safe_psql('postgres', 'SELECT count(*) FROM club.entries');
my $cancelled = 0;
for my $ms (50, 200, 400, 800, 1200)
{
	my ($result, $out, $err) = $node->psql('postgres', "SET statement_timeout = $ms; INSERT INTO orders SELECT i, i % 1000, '2024-01-01', 1 FROM generate_series(-2000000, -1) i");
	$cancelled++ if $result != 0 && $err =~ /canceling statement due to statement timeout/;
}
is($cancelled, 5, 'statements are cancelled');
is($node->safe_psql('postgres', 'SELECT count(*) FROM orders') . '|' . $node->safe_psql('postgres', 'SELECT count(*) FROM club.entries'), $before, 'and leave nothing');
verified('cancelled statements');

# Partitions: made while the table is tracked, written through the table and by name
$node->safe_psql('postgres', <<"SQL");
SELECT format('CREATE TABLE p%s PARTITION OF by_number FOR VALUES FROM (%s) TO (%s)', p, p * 10, p * 10 + 10) FROM generate_series(0, $partitions - 1) p \\gexec
SQL
SKIP:
{
	skip 'pg_backend_memory_contexts came with 14', 2 if $node->safe_psql('postgres', 'SHOW server_version_num') < 140000;
	my $known = "SELECT count(*) FROM pg_backend_memory_contexts WHERE name = 'loyalty tracked table'";
	is( $node->safe_psql('postgres', "INSERT INTO by_number SELECT p * 10, 1, '2024-01-01', 1 FROM generate_series(0, $partitions - 1) p;\n$known"),
		1, "an INSERT into $partitions partitions needs to know the table only");
	my $by_name = join "\n", map { "INSERT INTO p$_ VALUES ($_ * 10 + 1, 1, '2024-01-01', 1);" } 0 .. $partitions - 1;
	cmp_ok($node->safe_psql('postgres', "$by_name\n$known"), '<=', 250, "a session that writes to $partitions partitions by name doesn't remember all");
}
is($node->safe_psql('postgres', 'SELECT (SELECT count(*) FROM by_number) = (SELECT count(*) FROM club.recorded_orders WHERE tracked_table = 2)'), 't', 'every order is recorded');
verified('many partitions');
$node->stop;
done_testing();
