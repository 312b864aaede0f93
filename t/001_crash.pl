# Orders and posting under load, the server killed at any moment: after each
# restart every acknowledged order is there, is recorded, and verify() is empty.
use strict;
use warnings;
use IPC::Run ();
use Time::HiRes qw(usleep);
use FindBin;
use lib $FindBin::RealBin;
use LoyaltyNode;
use Test::More;

my $rounds = 10;
my $node = new_node('crash');
$node->init;
$node->append_conf('postgresql.conf', "max_connections = 50\nrestart_after_crash = off\n");
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION loyalty;
CREATE SCHEMA shop;
CREATE TABLE shop.customers (customer_id int PRIMARY KEY);
INSERT INTO shop.customers SELECT generate_series(1, 20);
CREATE TABLE shop.orders (order_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer_id int,
                          at timestamptz DEFAULT now(), total numeric, status text DEFAULT 'paid');
SELECT loyalty.create_program('club', customers => 'shop.customers');
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
INSERT INTO club.tier (name, rank, qualifies, multiplier) VALUES ('Silver', 1, 'spend >= 500', 1.5);
SELECT loyalty.track_orders('club', 'shop.orders', customer => 'customer_id', at => 'at', amount => 'total',
                            counts_when => $$status = 'paid'$$);
CREATE PROCEDURE shop.load() LANGUAGE plpgsql AS $$
DECLARE id bigint;
BEGIN
	LOOP
		INSERT INTO shop.orders (customer_id, total) VALUES (1 + floor(random() * 20), round((random() * 100)::numeric, 2))
			RETURNING order_id INTO id;
		IF random() < 0.2 THEN
			UPDATE shop.orders SET status = 'refunded' WHERE order_id = id - floor(random() * 10)::int;
		END IF;
		COMMIT;
		RAISE NOTICE 'ack %', id;		-- sent after the commit
	END LOOP;
END $$;
CREATE PROCEDURE shop.keep_posting() LANGUAGE plpgsql AS $$
DECLARE after text;
BEGIN
	LOOP
		SELECT last INTO after FROM _loyalty.post_batch('club', after, 20);
		COMMIT;
	END LOOP;
END $$;
SQL

my $acknowledged = 0;
for my $round (1 .. $rounds)
{
	my (@sessions, @logs);
	for my $statement ('CALL shop.load()', 'CALL shop.load()', 'CALL shop.load()', 'CALL shop.keep_posting()')
	{
		my $log = '';
		my $in = "SET client_min_messages = notice;\n$statement;\n";
		push @logs, \$log;
		push @sessions,
		  IPC::Run::start([ 'psql', '-XqAt', '-d', $node->connstr('postgres') ], '<', \$in, '>&', \$log);
	}
	# until something was acknowledged, and then a moment of chance
	for (1 .. 200)
	{
		$_->pump_nb for @sessions;
		last if grep { $$_ =~ /ack/ } @logs[ 0 .. 2 ];
		usleep(20_000);
	}
	my $until = 100_000 + int(rand(500_000));
	for (my $slept = 0; $slept < $until; $slept += 20_000)
	{
		$_->pump_nb for @sessions;
		usleep(20_000);
	}
	# A busy backend outlives its postmaster, so each server process is killed.
	my @children = split /\n/, $node->safe_psql('postgres', 'SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()');
	$node->kill9;
	kill 9, @children;
	$_->finish for @sessions;
	my @ids = map { $$_ =~ /ack (\d+)/g } @logs;
	cmp_ok(scalar @ids, '>', 0, "round $round: some orders were acknowledged");
	$acknowledged += @ids;

	await_death($node, @children);
	$node->start;
	my $list = join ',', @ids;
	is($node->safe_psql('postgres', "SELECT count(*) FROM unnest('{$list}'::bigint[]) i WHERE NOT EXISTS (SELECT FROM shop.orders o WHERE o.order_id = i)"),
		'0', "round $round: every acknowledged order is there");
	is($node->safe_psql('postgres', "SELECT count(*) FROM unnest('{$list}'::bigint[]) i JOIN shop.orders o ON o.order_id = i AND o.status = 'paid' WHERE NOT EXISTS (SELECT FROM club.entries e WHERE e.order_key = i::text)"),
		'0', "round $round: every acknowledged order is recorded");
	is($node->safe_psql('postgres', "SELECT * FROM loyalty.verify('club')"), '', "round $round: verify() is empty");
}
note "$acknowledged orders were acknowledged in $rounds rounds";
cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM club.ledger'), '>', 0, 'posting was under way');
$node->stop;
done_testing();
