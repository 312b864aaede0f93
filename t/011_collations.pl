# Customers, and orders, under collations of ICU and of the C locale, in databases
# of either: everything compares them alike.  Nondeterministic collations, under
# which values that differ are equal, are refused for the key of customers.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use LoyaltyNode;
use Test::More;

my $node = new_node('collations');
$node->init(extra => [ '--encoding', 'UTF8', '--locale', 'C' ]);
$node->append_conf('postgresql.conf', "fsync = off\njit = off\n");
$node->start;
plan skip_all => 'this server has no collations of ICU'
  if $node->safe_psql('postgres', q(SELECT count(*) FROM pg_collation WHERE collname = 'en-x-icu')) eq '0';

my $setup = <<'SQL';
CREATE EXTENSION loyalty;
CREATE COLLATION backwards (provider = icu, locale = 'en-u-kf-lower-kr-latn-digit');
CREATE COLLATION no_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE FUNCTION run(key_collation text, order_collation text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
	seen text := $x$SELECT string_agg(format('%s %s', id, points), ', ' ORDER BY id COLLATE "C") FROM club.members$x$;
BEGIN
	EXECUTE format('CREATE TABLE customers (id text COLLATE %s PRIMARY KEY, joined timestamptz DEFAULT ''2010-01-01'')', key_collation);
	EXECUTE format('CREATE TABLE orders (id int PRIMARY KEY, who text COLLATE %s REFERENCES customers, at timestamptz DEFAULT ''2020-01-01'', total numeric DEFAULT 10)', order_collation);
	CREATE TABLE refunds (id int PRIMARY KEY, of int, amount numeric);
	INSERT INTO customers VALUES ('a'), ('A'), ('B'), ('b'), ('C'), ('d'), ('ä'), ('Z'), ('z 1'), ('z-1'), ('10'), ('9');
	PERFORM loyalty.create_program('club', customers => 'customers', joined_at => 'joined', time_zone => 'UTC');
	PERFORM loyalty.track_orders('club', 'orders', customer => 'who', at => 'at', amount => 'total');
	PERFORM loyalty.track_refunds('club', 'refunds', order_key => 'of', amount => 'amount');
	INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
	INSERT INTO club.tier (name, rank, qualifies, multiplier) VALUES ('Old', 1, $x$tenure > '5 years'$x$, 2);
	INSERT INTO orders (id, who) SELECT row_number() OVER (ORDER BY id COLLATE "C"), id FROM customers;
	INSERT INTO orders (id, who) VALUES (21, 'A'), (22, 'a');
	IF EXISTS (SELECT FROM loyalty.verify('club')) THEN RAISE 'verify found something'; END IF;
	FOR i IN 1 .. 5 LOOP
		PERFORM _loyalty.post_batch('club', NULL, 1);
	END LOOP;
	UPDATE orders SET total = 20 WHERE who = 'B';
	UPDATE orders SET who = 'A' WHERE id = 22;
	INSERT INTO refunds SELECT 1, id, 5 FROM orders WHERE who = 'Z';
	IF EXISTS (SELECT FROM loyalty.verify('club')) THEN RAISE 'verify found something after changes'; END IF;
	EXECUTE seen INTO result;
	PERFORM _loyalty.post_batch('club', NULL, 3);
	PERFORM _loyalty.post_batch('club', NULL, 1000);
	PERFORM _loyalty.post_batch('club', NULL, 1000);
	IF (SELECT unposted FROM loyalty.backlog('club')) > 0 THEN RAISE 'not all is posted'; END IF;
	IF EXISTS (SELECT FROM loyalty.verify('club')) THEN RAISE 'verify found something after posting'; END IF;
	IF EXISTS (SELECT FROM loyalty.reconcile('club') WHERE recorded + reversed + archived > 0) THEN RAISE 'there was something to reconcile'; END IF;
	EXECUTE 'SELECT concat($1, CASE WHEN ($1) <> (' || seen || ') THEN ''; posting made another result'' END)' INTO result USING result;
	IF (SELECT sum(club.balance(who)) FROM orders WHERE id < 20) <> (SELECT sum(club.balance(id COLLATE "de-x-icu", 'infinity')) FROM customers) THEN
		RAISE 'balances differ';
	END IF;
	PERFORM loyalty.drop_program('club', force => true);
	DROP TABLE orders, customers, refunds;
	RETURN result;
EXCEPTION WHEN OTHERS THEN
	RETURN SQLERRM;
END $$;
SQL

$setup .= <<'SQL';
CREATE TABLE people (id text COLLATE backwards PRIMARY KEY);
CREATE TABLE buys (id int PRIMARY KEY, who text COLLATE backwards, at timestamptz, total numeric);
INSERT INTO people VALUES ('b'), ('B');
SQL

# 20 for each order of 10; A has three of them, B bought for 20, Z got 5 back
my $right = '10 20, 9 20, A 60, B 40, C 20, Z 10, a 20, b 20, d 20, z 1 20, z-1 20, ä 20';
my @databases = ('postgres');
if ($node->safe_psql('postgres', 'SHOW server_version_num') >= 150000)
{
	$node->safe_psql('postgres', q(CREATE DATABASE icu LOCALE_PROVIDER icu ICU_LOCALE 'en-US' TEMPLATE template0));
	push @databases, 'icu';
}
for my $database (@databases)
{
	$node->safe_psql($database, $setup);
	for my $key ('"default"', '"C"', '"en-x-icu"', 'backwards')
	{
		for my $orders ('"default"', '"C"', '"en-x-icu"')
		{
			is($node->safe_psql($database, "SELECT run('$key', '$orders')"), $right, "$database: customers $key, orders $orders");
		}
	}

	# refused, with a way out that works
	my ($status, $out, $err) = $node->psql($database, <<'SQL');
CREATE TABLE customers (id text COLLATE no_case PRIMARY KEY);
INSERT INTO customers VALUES ('Ann');
SELECT loyalty.create_program('club', customers => 'customers');
SQL
	like($err, qr/a customer key cannot have the nondeterministic collation public.no_case/, "$database: refused");
	like($err, qr/Values of column "id" of table "public.customers" that differ can be equal under it/, "$database: why");
	my ($command) = $err =~ /(ALTER TABLE public.customers ALTER COLUMN id TYPE text COLLATE "C")/;
	ok($command, "$database: the hint has a command");
	$node->safe_psql($database, <<"SQL");
$command;
SELECT loyalty.create_program('club', customers => 'customers');
CREATE TABLE orders (id int PRIMARY KEY, who text COLLATE no_case, at timestamptz DEFAULT now(), total numeric);
SELECT loyalty.track_orders('club', 'orders', customer => 'who', at => 'at', amount => 'total');
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
INSERT INTO customers VALUES ('ann');
INSERT INTO orders (id, who, total) VALUES (1, 'Ann', 1), (2, 'ann', 2), (3, 'Ann', 4);
SQL
	# the customers decide who is the same, whatever the orders say
	is($node->safe_psql($database, q(SELECT id, points, club.balance(id) FROM club.members ORDER BY 1)), "Ann|5|5\nann|2|2", "$database: orders of Ann and ann");
	# a collation that is renamed is still the one of the customers
	$node->safe_psql($database, <<'SQL');
SELECT loyalty.create_program('other', customers => 'people');
SELECT loyalty.track_orders('other', 'buys', customer => 'who', at => 'at', amount => 'total');
INSERT INTO other.earning_rule (name, points) VALUES ('one', 'amount');
ALTER COLLATION backwards RENAME TO forwards;
INSERT INTO buys VALUES (1, 'b', now(), 1), (2, 'B', now(), 2);
SQL
	is($node->safe_psql($database, q(SELECT id, other.balance(id COLLATE "C") FROM people ORDER BY 1)), "b|1\nB|2", "$database: a renamed collation");
	is($node->safe_psql($database, q(SELECT * FROM loyalty.verify('other'))), '', "$database: a renamed collation, verified");

	($status, $out, $err) = $node->psql($database, 'ALTER TABLE customers ALTER COLUMN id TYPE text COLLATE no_case');
	like($err, qr/cannot alter type of a column used by a view or rule/, "$database: it stays");
	is($node->safe_psql($database, q(SELECT * FROM loyalty.verify('club'))), '', "$database: verified");
	$node->safe_psql($database, q(SELECT * FROM _loyalty.post_batch('club', NULL, 1000)));
	is($node->safe_psql($database, q(SELECT * FROM loyalty.verify('club'))), '', "$database: verified after posting");
}
$node->stop;
done_testing();
