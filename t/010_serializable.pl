# Recording makes no SERIALIZABLE transaction fail that does not fail without it,
# and finds the lines of an order by index however small the tables were when the
# transaction began.
#
# The same load runs on tables that are not tracked and on tables that are: orders
# that have nothing to do with each other, with sequential keys, so that they share
# pages of tables and indexes.  It reads nothing, neither by statement nor by foreign
# key, so that without loyalty none can fail.
use strict;
use warnings;
use IPC::Run ();
use FindBin;
use lib $FindBin::RealBin;
use LoyaltyNode;
use Test::More;

my $node = new_node('serializable');
$node->init;
$node->append_conf('postgresql.conf', "fsync = off\njit = off\nmax_pred_locks_per_transaction = 256\n");
$node->start;
my $tables = <<'SQL';
CREATE SCHEMA %1$s;
CREATE TABLE %1$s.orders (id int PRIMARY KEY, customer int, at timestamptz DEFAULT '2024-01-01', total int);
CREATE TABLE %1$s.baskets (id int PRIMARY KEY, customer int, at timestamptz DEFAULT '2024-01-01');
CREATE TABLE %1$s.lines (basket int, line int, price int, PRIMARY KEY (basket, line));
CREATE TABLE %1$s.refunds (id int PRIMARY KEY, basket int, amount int);
CREATE INDEX ON %1$s.refunds (basket);
SQL
$node->safe_psql('postgres', 'CREATE EXTENSION loyalty; CREATE TABLE customers (id int PRIMARY KEY); INSERT INTO customers SELECT generate_series(0, 99);');
$node->safe_psql('postgres', sprintf($tables, $_)) for 'plain', 'shop';
$node->safe_psql('postgres', <<'SQL');
SET client_min_messages = warning;
SELECT loyalty.create_program('club', customers => 'customers');
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount'), ('none', '0');
SELECT loyalty.track_orders('club', 'shop.orders', customer => 'customer', at => 'at', amount => 'total');
SELECT loyalty.track_orders('club', 'shop.baskets', customer => 'customer', at => 'at', lines => 'shop.lines', line_order => 'basket', line_amount => 'price');
INSERT INTO club.earning_rule (name, points, per) VALUES ('ten', '10 * price', 'line');
SELECT loyalty.track_refunds('club', 'shop.refunds', order_key => 'basket', amount => 'amount', orders => 'shop.baskets');
SQL

# what a client does for one order
sub transaction
{
	my ($o, $kind, $schema) = @_;
	my $sql = $kind eq 'orders'
	  ? "INSERT INTO $schema.orders (id, customer, total) VALUES ($o, $o % 100, 2);"
	  : "INSERT INTO $schema.baskets (id, customer) VALUES ($o, $o % 100); INSERT INTO $schema.lines VALUES ($o, 1, 5), ($o, 2, 5);"
	  . "INSERT INTO $schema.refunds VALUES ($o, $o, 1); INSERT INTO $schema.lines VALUES ($o, 3, 1);";
	return "BEGIN ISOLATION LEVEL SERIALIZABLE; $sql SELECT pg_sleep(0.001); COMMIT;\n";
}

my $scripts = 0;
# failures(KIND, SCHEMA, FIRST, N, MORE...): 4 clients make N orders each; more sessions run beside them
sub failures
{
	my ($kind, $schema, $first, $n, @more) = @_;
	my (@runs, @outs);
	for my $client (0 .. 3)
	{
		unshift @more, join '', map { transaction($first + 4 * $_ + $client, $kind, $schema) } 0 .. $n - 1;
	}
	for my $sql (@more)
	{
		my $name = $node->basedir . '/script_' . $scripts++;
		my $out = '';
		open my $file, '>', $name or die "cannot write $name: $!";
		print $file "SET statement_timeout = '30s';\n$sql";
		close $file;
		push @outs, \$out;
		push @runs, IPC::Run::start([ 'psql', '-XqAt', '-d', $node->connstr('postgres'), '-f', $name ], '<', \undef, '>&', \$out);
	}
	$_->finish for @runs;
	my $all = join '', map { $$_ } @outs;
	my $failures = () = $all =~ /could not serialize/g;
	my @others = grep { !/could not serialize|current transaction is aborted/ } $all =~ /ERROR:.*$/mg;
	is("@others", '', "$kind in $schema from $first: no other error");
	return $failures;
}

my $n = 120;
my $first = 1;
for my $size ('small', 'large')
{
	if ($size eq 'large')
	{
		$node->safe_psql('postgres', <<"SQL") for 'plain', 'shop';
INSERT INTO $_.orders (id, customer, total) SELECT i, i % 100, 1 FROM generate_series(100001, 120000) i;
INSERT INTO $_.baskets (id, customer) SELECT i, i % 100 FROM generate_series(100001, 120000) i;
INSERT INTO $_.lines SELECT i, 1, 1 FROM generate_series(100001, 120000) i;
INSERT INTO $_.refunds SELECT i, i, 0 FROM generate_series(100001, 120000, 100) i;
ANALYZE;
SQL
		$first = 200001;
	}
	for my $kind ('orders', 'baskets')
	{
		my $plain = failures($kind, 'plain', $first, $n);
		my $tracked = failures($kind, 'shop', $first, $n);
		note "$kind in $size tables: $plain of " . 4 * $n . " fail without loyalty, $tracked with it";
		is($tracked, $plain, "$kind in $size tables: recording makes none fail");
		# rules change all the time
		my $rules = join '', map { "BEGIN ISOLATION LEVEL SERIALIZABLE; UPDATE club.earning_rule SET points = '0 * $_' WHERE name = 'none'; SELECT pg_sleep(0.05); COMMIT;\n" } 1 .. 10;
		$tracked = failures($kind, 'shop', $first + 10_000, $n, $rules);
		is($tracked, $plain, "$kind in $size tables: nor while rules change");
	}
}
# an order is worth 2; a basket its lines less its refund, 5 + 5 + 1 - 1, and ten
# times its lines by the share that is left, 110 * 10 / 11
is($node->safe_psql('postgres', "SELECT DISTINCT points FROM (SELECT order_key, sum(points) AS points FROM club.entries WHERE order_key::int NOT BETWEEN 100001 AND 120000 GROUP BY tracked_table, order_key) e ORDER BY 1"), "2\n110", 'points');
is($node->safe_psql('postgres', "SELECT * FROM loyalty.verify('club')"), '', 'verify() is empty');

# An import that begins with empty tables: nothing reads all lines, however many there are.
$node->safe_psql('postgres', sprintf($tables, 'fresh'));
$node->safe_psql('postgres', <<'SQL');
SET client_min_messages = warning;
SELECT loyalty.create_program('next', customers => 'customers');
INSERT INTO next.earning_rule (name, points) VALUES ('one', 'amount');
SELECT loyalty.track_orders('next', 'fresh.baskets', customer => 'customer', at => 'at', lines => 'fresh.lines', line_order => 'basket', line_amount => 'price');
SELECT loyalty.track_refunds('next', 'fresh.refunds', order_key => 'basket', amount => 'amount', orders => 'fresh.baskets');
SQL
for my $level ('READ COMMITTED', 'SERIALIZABLE')
{
	my $from = $level eq 'SERIALIZABLE' ? 10_000 : 0;
	is($node->safe_psql('postgres', <<"SQL"), "t\nt\nt", "an import is looked up by index under $level");
BEGIN ISOLATION LEVEL $level;
DO \$\$
BEGIN
	FOR i IN $from + 1 .. $from + 3000 LOOP
		INSERT INTO fresh.baskets (id, customer) VALUES (i, i % 100);
		INSERT INTO fresh.lines VALUES (i, 1, 1);
		INSERT INTO fresh.lines VALUES (i, 2, 2), (i, 3, 3);
		INSERT INTO fresh.refunds VALUES (i, i, 1);
	END LOOP;
END \$\$;
-- each look-up by sequence would read thousands of rows, which are millions in all
SELECT coalesce(sum(seq_tup_read), 0) < 30000 FROM pg_stat_xact_user_tables WHERE schemaname = 'fresh';
SELECT sum(idx_scan) > 6000 FROM pg_stat_xact_user_tables WHERE schemaname = 'fresh' AND relname = 'lines';
COMMIT;
SELECT sum(points) = 5 * (SELECT count(*) FROM fresh.baskets) FROM next.members;
SQL
}
is($node->safe_psql('postgres', "SELECT * FROM loyalty.verify('next')"), '', 'verify() of the import is empty');
$node->stop;
done_testing();
