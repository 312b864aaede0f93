# A budget of earning rules in 50 sessions at once, at each isolation level: orders, corrections, moves and refunds at random,
# some of them rolled back, while entries are posted, and the server is killed once.  No order fails, the budget is never exceeded,
# and when more was asked for than there is, all of it is given.
use strict;
use warnings;
use IPC::Run ();
use FindBin;
use lib $FindBin::RealBin;
use LoyaltyNode;
use Test::More;

my $node = new_node('budgets');
$node->init;
$node->append_conf('postgresql.conf', "fsync = off\njit = off\nmax_connections = 80\nmax_pred_locks_per_transaction = 256\n");
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION loyalty;
CREATE TABLE customers (id int PRIMARY KEY);
INSERT INTO customers SELECT generate_series(1, 500);
CREATE TABLE orders (id int PRIMARY KEY, customer int, total int, at timestamptz DEFAULT '2024-01-01');
SET client_min_messages = warning;
SELECT loyalty.create_program('club', customers => 'customers');
INSERT INTO club.budget VALUES ('pot', 0);
INSERT INTO club.earning_rule (name, points, bonus, budget) VALUES ('pot', 'amount', true, 'pot');
SELECT loyalty.track_orders('club', 'orders', customer => 'customer', at => 'at', amount => 'total');
SQL

my $scripts = 0;
# begin(SQL, OUT): runs it in a session of its own, from a file, so that the session does not wait for this one
sub begin
{
	my ($sql, $out) = @_;
	my $name = $node->basedir . '/script_' . $scripts++;
	open my $file, '>', $name or die "cannot write $name: $!";
	print $file $sql;
	close $file;
	return IPC::Run::start([ 'psql', '-XqAt', '-d', $node->connstr('postgres'), '-f', $name ], '<', \undef, '>&', $out);
}

# in_sessions(SQL...): runs each, all at once; returns what they say
sub in_sessions
{
	my (@sql) = @_;
	my @outs = map { my $out = ''; \$out } @sql;
	my @runs = map { begin($sql[$_], $outs[$_]) } 0 .. $#sql;
	$_->finish for @runs;
	return map { $$_ } @outs;
}

# ask(SQL): what it says
sub ask { my ($sql) = @_; return $node->safe_psql('postgres', $sql) }

# what is given: by the table, by the orders, and at most at any time
sub given { return ask("SELECT b.given = (SELECT sum(points) FROM club.members), b.given <= b.points, b.given FROM club.budget b") }

# 50 sessions ask for 5 orders of 7 points each, which are 1750, of 1000 and some more each time
my $id = 0;
my $points = 0;
for my $level ('READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE')
{
	$points += 1000;
	ask("UPDATE club.budget SET points = $points");
	my @answers = in_sessions(map {
		my $session = $_;
		"SELECT pg_sleep(0.2);\n" . join '', map { $id++; "BEGIN ISOLATION LEVEL $level;\nSELECT count(*) FROM customers WHERE id < 0;\n"
			. "INSERT INTO orders (id, customer, total) VALUES ($id, 1 + ($id * 7) % 500, 7);\nCOMMIT;\n" } 1 .. 5 } 1 .. 50);
	is(join('', grep { /ERROR/ } @answers), '', "$level: no order fails");
	is(given(), "t|t|$points", "$level: all of the budget is given, and no more");
	is(ask("SELECT * FROM loyalty.verify('club')"), '', "$level: verify() is empty");
}

# Orders that change: each session has orders of its own, so that none waits for another one's row
srand(20260101);
ask('UPDATE club.budget SET points = points + 2000');
my @scripts = map {
	my $session = $_;
	my @mine = (1 .. 12);
	my $key = sub { return 100000 + $session * 100 + $_[0] };
	join('', map { "INSERT INTO orders (id, customer, total) VALUES (" . $key->($_) . ", $session * 10, " . (1 + int rand 20) . ");\n" } @mine)
	  . join('', map {
		my $order = $key->(1 + int rand 12);
		my $sql = ("UPDATE orders SET total = " . int(rand 40) . " WHERE id = $order",
			"UPDATE orders SET customer = " . (1 + int rand 500) . " WHERE id = $order",
			"UPDATE orders SET id = id + 50 WHERE id = $order", "UPDATE orders SET id = id - 50 WHERE id = $order + 50",
			"DELETE FROM orders WHERE id = $order",
			"INSERT INTO orders (id, customer, total) VALUES ($order, $session, 10) ON CONFLICT DO NOTHING")[int rand 6];
		my $end = rand() < 0.2 ? 'ROLLBACK' : 'COMMIT';
		my $level = ('READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE')[int rand 3];
		"BEGIN ISOLATION LEVEL $level;\n$sql;\n$end;\n" } 1 .. 25) } 1 .. 40;
my $poster = join '', map { "CALL loyalty.post('club');\nSELECT pg_sleep(0.1);\n" } 1 .. 20;
my @answers = in_sessions(@scripts, $poster);
# keys of one session that are near each other may clash with its own orders, and pages of the table that all sessions share with SERIALIZABLE
is(join('', grep { !/duplicate key|could not serialize|current transaction is aborted/ } map { /ERROR:.*$/mg } @answers), '', 'orders that change: no other error');
like(given(), qr/^t\|t\|/, 'what is given is what orders have');
is(ask("SELECT * FROM loyalty.verify('club')"), '', 'verify() is empty');

# The server is killed while orders are written
my $out = '';
my $sql = join '', map { "INSERT INTO orders (id, customer, total) VALUES (200000 + $_, 1, 1);\n" } 1 .. 1000;
$sql .= "SELECT pg_sleep(300);\n";
ask('UPDATE club.budget SET points = points + 100000');
my $run = begin($sql, \$out);
ok($node->poll_query_until('postgres', 'SELECT count(*) > 200 FROM orders WHERE id > 200000'), 'orders are being written');
$node->stop('immediate');
$run->finish;
$node->start;
cmp_ok(ask('SELECT count(*) FROM orders WHERE id > 200000'), '>', 200, 'orders were written');
like(given(), qr/^t\|t\|/, 'after a crash, what is given is what orders have');
is(ask("SELECT * FROM loyalty.verify('club')"), '', 'verify() is empty');

$node->stop;
done_testing();
