# Orders, refunds, keys of orders that change, calls that pay for orders, reversals, posting and maintenance at random, while
# the settings that say what a refund takes change, against a model in Perl: which statements are refused,
# what each customer has, and what is forgiven of each order.  Beside it, the same with points
# that wait and expire, which verify() checks alone.
#
#   LOYALTY_SEED   repeats a run; the seed is told
#   LOYALTY_STEPS  how many steps, 600 if it is not set
use strict;
use warnings;
use FindBin;
use IPC::Run ();
use lib $FindBin::RealBin;
use LoyaltyNode;
use Test::More;

my $seed = $ENV{LOYALTY_SEED} // int(rand(1_000_000_000));
my $steps = $ENV{LOYALTY_STEPS} || 600;
srand($seed);
note "LOYALTY_SEED=$seed";

my $node = new_node('refunds');
$node->init;
$node->append_conf('postgresql.conf', "fsync = off\njit = off\n");
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION loyalty;
CREATE TABLE customers (id int PRIMARY KEY);
INSERT INTO customers SELECT generate_series(1, 6);
CREATE TABLE orders (id int PRIMARY KEY, customer int, at timestamptz DEFAULT '2026-01-01', total int);
CREATE TABLE dated_orders (LIKE orders INCLUDING ALL);
SELECT loyalty.create_program(p, customers => 'customers', time_zone => 'UTC') FROM unnest('{club,dated}'::name[]) p;
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
INSERT INTO dated.earning_rule (name, points) VALUES ('one', 'amount');
UPDATE dated.wallet SET available_after = '3 days', expires = 'earned_on + 30';
SELECT loyalty.track_orders('club', 'orders', customer => 'customer', at => 'at', amount => 'total');
SELECT loyalty.track_orders('dated', 'dated_orders', customer => 'customer', at => 'at', amount => 'total');
-- what became of a statement
CREATE FUNCTION attempt(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	RETURN 'done';
EXCEPTION WHEN OTHERS THEN
	RETURN CASE WHEN SQLSTATE LIKE 'LY%' THEN SQLSTATE ELSE SQLSTATE || ' ' || SQLERRM END;
END $$;
SQL

# The model: what each customer has, each order with its settings, and the calls that pay for it.
my %balance = map { $_ => 0 } 1 .. 6;
my (%order, @calls);
my %now = (shortfall => 'owe', returns => 'never');
my ($script, @expected) = ('');
sub step { my ($sql, $expected) = @_; $script .= "$sql\n"; push @expected, $expected if defined $expected; }
sub attempt { my ($sql, $expected) = @_; step("SELECT attempt(\$sql\$$sql\$sql\$);", $expected); }
sub one_of { return $_[ rand @_ ] }
# the key that an order has by now
sub key_of { my ($id) = @_; return $order{$id}{key} // $id }
sub least { return $_[0] < $_[1] ? $_[0] : $_[1] }

# An order stands otherwise: with an amount, or not at all.  Returns what becomes of the statement.
sub stands
{
	my ($order, $amount, $counts) = @_;
	return 'done' if $order->{amount} == $amount && $order->{counts} == $counts;
	my ($have, @give) = ($balance{ $order->{customer} });
	for my $call ($order->{recorded} && $order->{returns} ne 'never' ? @{ $order->{calls} } : ())
	{
		my $due = !$counts ? $call->{paid} : $order->{returns} eq 'proportional' && $amount < $order->{most} ?
			int($call->{paid} * ($order->{most} - $amount) / $order->{most}) : 0;
		push @give, [ $call, $due - $call->{returned} ] if $due > $call->{returned};
	}
	$have += $_->[1] for @give;
	my ($more, $forgiven) = ($amount - $order->{worth}, $order->{forgiven});
	if ($more >= 0)
	{
		my $settled = least($forgiven, $more);
		$forgiven -= $settled;
		$have += $more - $settled;
	}
	else
	{
		my $short = -$more - ($have > 0 ? $have : 0);
		$short = 0 if $short < 0;
		return 'LY007' if $short > 0 && $order->{shortfall} eq 'reject';
		if ($order->{shortfall} eq 'forgive') { $forgiven += $short; $more += $short; }
		$have += $more;
	}
	$_->[0]{returned} += $_->[1] for @give;
	$balance{ $order->{customer} } = $have;
	@$order{qw(worth amount counts forgiven recorded)} = ($amount, $amount, $counts, $forgiven, 1);
	$order->{most} = $amount if $amount > $order->{most};
	return 'done';
}

# A step of the model, and the same with dates.
sub random_step
{
	my $what = int rand 23;
	my $customer = 1 + int rand 6;
	my $id = one_of(keys %order);
	if ($what < 4 || !defined $id)
	{
		$id = 1 + keys %order;
		my $order = $order{$id} = { customer => $customer, worth => 0, amount => 0, counts => 0, forgiven => 0, recorded => 0, most => 0, calls => [], %now };
		push @{ $order->{calls} }, grep { $_->{pays_for} == $id && $_->{customer} == $customer } @calls;	# another customer's have nothing to do with it
		my $total = 1 + int rand 100;
		attempt("INSERT INTO orders (id, customer, total) VALUES ($id, $customer, $total)", stands($order, $total, 1));
		my $days = 40 - int rand 80;
		step("SELECT NULL FROM attempt('INSERT INTO dated_orders VALUES ($id, $customer, now() + interval ''$days days'', $total)');", '');
	}
	elsif ($what < 9)
	{
		my ($order, $key, $total) = ($order{$id}, key_of($id), 1 + int rand 100);
		my $sql = !$order->{counts} ? "INSERT INTO orders (id, customer, total) VALUES ($key, $order->{customer}, $total)" :
			$what < 6 ? "DELETE FROM orders WHERE id = $key" : "UPDATE orders SET total = $total WHERE id = $key";
		attempt($sql, $sql =~ /^DELETE/ ? stands($order, 0, 0) : stands($order, $total, 1));
		step("SELECT NULL FROM attempt('" . one_of("DELETE FROM dated_orders WHERE id = $key", ("UPDATE dated_orders SET total = $total WHERE id = $key") x 2,
			"UPDATE dated_orders SET at = at + interval ''5 days'' WHERE id = $key") . "');", '');
	}
	elsif ($what < 14)
	{
		# of an order of the same customer, which may be there or be the next one
		my ($points, $reference) = (1 + int rand 60, 'r' . @calls);
		my $ordered = rand() < 0.2 ? undef : $order{$id};
		my $pays_for = $ordered ? key_of($id) : 1 + keys %order;
		$customer = $ordered->{customer} if $ordered;
		my $sql = "redeem($customer, $points, '$reference', pays_for => '$pays_for')";
		my $can = $balance{$customer} >= $points;
		attempt("SELECT club.$sql", $can ? 'done' : 'LY001');
		if ($can)
		{
			my $call = { customer => $customer, reference => $reference, pays_for => $pays_for, paid => $points, returned => 0 };
			$balance{$customer} -= $points;
			push @{ $ordered->{calls} }, $call if $ordered;
			push @calls, $call;
		}
		step("SELECT NULL FROM attempt(\$sql\$SELECT dated.$sql\$sql\$);", '');
	}
	elsif ($what < 16 && @calls)
	{
		my $call = one_of(@calls);
		my ($left, $points) = ($call->{paid} - $call->{returned}, 1 + int rand 30);
		my $sql = "reverse($call->{customer}, '$call->{reference}', $points)";
		attempt("SELECT club.$sql", $points <= $left ? 'done' : 'LY004');
		if ($points <= $left) { $call->{paid} -= $points; $balance{ $call->{customer} } += $points; }
		step("SELECT NULL FROM attempt(\$sql\$SELECT dated.$sql\$sql\$);", '');
	}
	elsif ($what < 17) { step("CALL loyalty.post('$_');") for qw(club dated) }
	elsif ($what < 18) { step("CALL loyalty.maintain('$_');") for qw(club dated) }
	elsif ($what < 19)
	{
		my $take = one_of(qw(pending available));
		%now = (shortfall => one_of(qw(owe forgive reject)), returns => one_of(qw(never full proportional)));
		step("UPDATE $_.program SET refunds_take = '$take', refund_shortfall = '$now{shortfall}', returns_paid_points = '$now{returns}';") for qw(club dated);
	}
	elsif ($what < 22)
	{
		# another key, sorted before or behind the old one, and another amount perhaps: the same order.  Calls pay for a
		# key, so it keeps one that they named
		my ($order, $key, $total) = ($order{$id}, key_of($id), 1 + int rand 100);
		my $new = $key == $id ? $id + one_of(1000, 90000) : $id;
		return if grep { $_->{pays_for} == $key || $_->{pays_for} == $new } @calls;
		if ($order->{counts})
		{
			$total = $order->{amount} if rand() < 0.5;
			$order->{mosts}{$key} = $order->{most};
			my $became = stands($order, $total, 1);
			attempt("UPDATE orders SET id = $new, total = $total WHERE id = $key", $became);
			if ($became eq 'done')
			{
				$order->{key} = $new;
				$order->{most} = $order->{mosts}{$new} && $order->{mosts}{$new} > $total ? $order->{mosts}{$new} : $total;
			}
		}
		step("SELECT NULL FROM attempt('UPDATE dated_orders SET id = $new" . one_of('', ", total = $total", ", at = at - interval ''2 days''") . " WHERE id = $key');", '');
	}
	else
	{
		my $points = 1 + int rand 50;
		attempt("SELECT club.grant_points($customer, $points, 'g' || clock_timestamp())", 'done');
		$balance{$customer} += $points;
		step("SELECT NULL FROM attempt(\$sql\$SELECT dated.grant_points($customer, $points, 'g' || clock_timestamp())\$sql\$);", '');
	}
}

for my $round (1 .. 6)
{
	random_step() for 1 .. $steps / 6;
	step("SELECT string_agg(points::text, ' ' ORDER BY id) FROM club.members;", join(' ', map { $balance{$_} } sort keys %balance));
	step("SELECT coalesce(string_agg(e.order_key || ':' || e.forgiven, ' ' ORDER BY e.order_key::int), '') FROM club.entries e"
		. " WHERE e.forgiven > 0 AND e.tracked_table > 0 AND NOT EXISTS (SELECT FROM club.entries n WHERE n.tracked_table > 0 AND n.order_key = e.order_key AND n.revision > e.revision);",
		join(' ', map { key_of($_) . ":$order{$_}{forgiven}" } grep { $order{$_}{forgiven} > 0 } sort { key_of($a) <=> key_of($b) } keys %order));
	step("SELECT count(*) || coalesce(min(violation || ': ' || coalesce(customer, '') || ' ' || coalesce(order_key, '') || ' ' || coalesce(detail, '')), '') FROM loyalty.verify('$_');", 0) for qw(club dated);
	my $ran = IPC::Run::run([ 'psql', '-XqAt', '-d', $node->connstr('postgres') ], '<', \"SET client_min_messages = warning;\n$script", '>', \my $out, '2>', \my $err);
	my @got = split /\n/, $out, -1;
	pop @got;
	ok($ran && $err eq '', "round $round runs (seed $seed)") or diag $err;
	is(scalar @got, scalar @expected, "as many answers as steps (seed $seed)");
	my @wrong = grep { ($got[$_] // '') ne $expected[$_] } 0 .. $#expected;
	is(scalar @wrong, 0, "all as the model says (seed $seed)") or do
	{
		my @statements = grep { /^SELECT/ } split /\n/, $script;
		diag "first: $statements[$wrong[0]]\n is $got[$wrong[0]]\nnot $expected[$wrong[0]]";
	};
	($script, @expected) = ('');
}
$node->stop;
done_testing();
