# Calls from many sessions at once: of 32 that spend all the points one succeeds, and of 32 with
# one reference all have the same answer, under each isolation level.  Then sessions call,
# order, refund, transfer and merge customers at random while others post and maintain, points wait and expire from the third
# round on, and the server is killed now and then: what was acknowledged is in the ledger, and verify() is empty.
use strict;
use warnings;
use FindBin;
use IPC::Run ();
use Time::HiRes qw(usleep);
use lib $FindBin::RealBin;
use LoyaltyNode;
use Test::More;

my $node = new_node('calls');
$node->init;
$node->append_conf('postgresql.conf', "jit = off\nmax_connections = 60\nmax_prepared_transactions = 0\n");
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION loyalty;
CREATE TABLE customers (id int PRIMARY KEY);
INSERT INTO customers SELECT generate_series(1, 20);
CREATE TABLE orders (id serial PRIMARY KEY, customer int, at timestamptz DEFAULT now(), total int);
SELECT loyalty.create_program('club', customers => 'customers');
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
SELECT loyalty.track_orders('club', 'orders', customer => 'customer', at => 'at', amount => 'total');
SQL
my $dsn = $node->connstr('postgres');

# psql sessions that run at the same time, each with its script; returns what each printed.
# After some seconds, if these are given, each process of the server is killed.
sub at_once
{
	my ($seconds, @scripts) = @_;
	my @runs;
	for my $script (@scripts)
	{
		my $out = '';
		push @runs, { out => \$out, script => $script };
		$runs[-1]{run} = IPC::Run::start([ 'psql', '-XqAt', '-v', 'VERBOSITY=sqlstate', '-d', $dsn ], '<', \$runs[-1]{script}, '>&', $runs[-1]{out}, IPC::Run::timeout(120));
	}
	if ($seconds)
	{
		for (my $slept = 0; $slept < $seconds; $slept += 0.02)
		{
			$_->{run}->pump_nb for @runs;
			usleep(20_000);
		}
		# a busy backend outlives its postmaster
		my @children = split /\n/, $node->safe_psql('postgres', 'SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()');
		$node->kill9;
		kill 9, @children;
		$_->{run}->finish for @runs;
		await_death($node, @children);
		$node->start;
	}
	else { $_->{run}->finish for @runs; }
	return map { ${ $_->{out} } } @runs;
}

my $customer = 0;
for my $level ('READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE')
{
	$customer++;
	$node->safe_psql('postgres', "INSERT INTO orders (customer, total) VALUES ($customer, 100)");
	my @answers = at_once(0, map { "BEGIN ISOLATION LEVEL $level; SELECT points FROM club.members WHERE id = $customer; SELECT pg_sleep(0.2);\n"
		. "SELECT 'spent', balance FROM club.redeem($customer, 100, 'all-$_');\nCOMMIT;\n" } 1 .. 32);
	is(scalar(grep { /^spent\|0$/m } @answers), 1, "$level: one of 32 sessions spends all the points");
	is(scalar(grep { /LY001|40001/ } @answers), 31, "$level: the others are told that there are not enough, or to try again");
	is($node->safe_psql('postgres', "SELECT club.balance($customer)"), '0', "$level: no point is left");

	$node->safe_psql('postgres', "INSERT INTO orders (customer, total) VALUES ($customer, 70)");
	# a transaction that fails to serialize is tried again
	my %answers;
	my @left = (1 .. 32);
	for (my $try = 0; @left && $try < 40; $try++)
	{
		my @got = at_once(0, map { "BEGIN ISOLATION LEVEL $level;\nSELECT 'answer', reference, entry, points, balance, at FROM club.redeem($customer, 30, 'same');\nCOMMIT;\n" } @left);
		my @again;
		for my $i (0 .. $#left)
		{
			if ($got[$i] =~ /^(answer\|.*)$/m) { $answers{$1}++; }
			else { like($got[$i], qr/40001/, "$level: it fails to serialize, and for nothing else"); push @again, $left[$i]; }
		}
		@left = @again;
	}
	is(join(' ', values %answers), '32', "$level: 32 sessions with one reference have the same answer");
	is($node->safe_psql('postgres', "SELECT club.balance($customer)"), '40', "$level: and it has one effect");
}
is($node->safe_psql('postgres', "SELECT * FROM loyalty.verify('club')"), '', 'verify() is empty');

# Random calls.  Each says its reference before, and what it got after.
my $seed = $ENV{LOYALTY_SEED} || time;
note "seed $seed; LOYALTY_SEED=$seed repeats it";
srand($seed);
my $calls = 0;
my (@made, @held);
sub random_script
{
	my ($round, $worker) = @_;
	my $script = '';
	my $merge = rand() < 0.15 ? 1 + int(rand(120)) : 0;
	for (1 .. 120)
	{
		my $c = 4 + int(rand(8));
		my $reference = "r$round-$worker-$_";
		my $what = int(rand(11));
		my $n = 1 + int(rand(60));
		my $until = rand() < 0.5 ? "'infinity'" : 'now() + ' . sprintf('%.2f', rand(0.6)) . " * interval '1 second' + interval '10 milliseconds'";
		my $call = $_ == $merge ? "club.merge($c, " . (4 + int(rand(8))) . ", '$reference')" : $what < 2 ? "club.redeem($c, $n, '$reference')"
			: $what < 3 ? "club.hold($c, $n, '$reference', $until)"
			: $what < 4 && @held ? do { my $h = $held[ int(rand(@held)) ]; rand() < 0.5 ? "club.capture($h->[0], '$h->[1]', " . (1 + int(rand(20))) . ")" : "club.release($h->[0], '$h->[1]')" }
			: $what < 5 ? "club.grant_points($c, $n, '$reference')"
			: $what < 6 ? "club.adjust($c, " . ($n - 30 || 1) . ", '$reference', 'random')"
			: $what == 10 ? do { my $to = 4 + ($c - 3) % 8; "club.transfer($c, $to, $n, '$reference')" }
			: $what < 7 && @made ? do { my $m = $made[ int(rand(@made)) ]; "club.reverse($m->[0], '$m->[1]', $n, '$reference')" }
			: undef;
		if (defined $call)
		{
			push @made, [ $c, $reference ] if $call !~ /reverse|capture|release|merge/;
			push @held, [ $c, $reference ] if $call =~ /hold/;
			$script .= "SELECT 'ok', reference, entry, points FROM $call;\n";
		}
		elsif ($what < 9)
		{
			my $days = rand() < 0.5 ? 0 : int(rand(40));
			$script .= "INSERT INTO orders (customer, total, at) VALUES ($c, $n, now() - interval '$days days');\n";
		}
		else { $script .= "UPDATE orders SET total = total / 2 WHERE id = (SELECT max(id) FROM orders WHERE customer = $c);\n"; }
	}
	return $script;
}
my %acknowledged;
for my $round (1 .. 6)
{
	# some of what is earned waits then, some has expired already, and what is granted has dates
	$node->safe_psql('postgres', q{UPDATE club.wallet SET available_after = '3 days', expires = 'earned_on + 20'}) if $round == 3;
	$node->safe_psql('postgres', q{UPDATE club.wallet SET available_after = NULL, expires = 'earned_on + 30', extended = 'active_on + 25'}) if $round == 5;
	my @scripts = ((map { random_script($round, $_) } 1 .. 8), "SELECT pg_sleep(0.01) \\; CALL loyalty.post('club', 50);\n" x 60,
		"SELECT pg_sleep(0.02) \\; CALL loyalty.maintain('club', 3);\n" x 30,		# in a transaction of somebody else, and by itself
		"CALL loyalty.maintain('club', 2);\nSELECT pg_sleep(0.03);\n" x 30);
	my $killed = $round % 2 == 0;
	for my $answer (at_once($killed ? 0.5 + rand(1) : 0, @scripts))
	{
		while ($answer =~ /^ok\|([^|]+)\|(\d+)\|(-?\d+)$/mg) { $acknowledged{"$1|$2"} = $3; }
		# a call that waits for a customer who is merged meanwhile can be in a deadlock, which is ended so
		unlike($answer, qr/XX\d\d\d|22003/, "round $round: no error but those that calls explain");
	}
	my %ledger = map { /^(.*)\|(-?\d+)$/ } split /\n/,
		$node->safe_psql('postgres', "SELECT order_key, entry, points_change FROM club.ledger WHERE tracked_table = 0 AND order_key LIKE 'r%'
			AND kind <> 'merged' AND NOT (counterpart IS NOT NULL AND kind <> 'merge' AND (kind = 'transfer') = (points_change > 0))");		# the other side of a transfer or merge
	my @lost = grep { ($ledger{$_} // '') ne $acknowledged{$_} } sort keys %acknowledged;
	is("@lost", '', "round $round: every acknowledged call is in the ledger, as it was answered");
	is($node->safe_psql('postgres', "SELECT * FROM loyalty.verify('club')"), '', "round $round: verify() is empty");
	# releases of holds that timed out are made by calls that were acknowledged for themselves
	my $timed_out = $node->safe_psql('postgres', "SELECT count(*) FROM club.ledger l JOIN club.ledger h USING (customer, tracked_table, order_key) WHERE l.kind = 'release' AND h.kind = 'hold' AND l.at = h.until");
	cmp_ok(scalar(keys %ledger) - $timed_out - scalar(keys %acknowledged), '<=', 8 * int($round / 2), "round $round: and no others, but those whose answer was lost");
}
cmp_ok(scalar(keys %acknowledged), '>', 100, 'calls were made');
cmp_ok($node->safe_psql('postgres', "SELECT count(*) FROM club.ledger WHERE kind = 'transfer'"), '>', 20, 'transfers, too');
note $node->safe_psql('postgres', 'SELECT count(*) FROM club.merged') . ' customers were merged';
cmp_ok($node->safe_psql('postgres', "SELECT count(*) FROM club.ledger WHERE kind = 'expiry'"), '>', 5, 'and points expired');
$node->safe_psql('postgres', "CALL loyalty.maintain('club')");
is($node->safe_psql('postgres', "SELECT * FROM loyalty.verify('club')"), '', 'verify() is empty in the end');
is($node->safe_psql('postgres', "SELECT sum(points) + sum(pending) + sum(held) FROM club.members"), $node->safe_psql('postgres', "SELECT sum(points_change) + (SELECT coalesce(sum(points), 0) FROM club.held) FROM club.ledger"), 'and members have what the ledger adds up to');
$node->stop;
done_testing();
