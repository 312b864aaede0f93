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
SELECT loyalty.track_orders('club', 'shop.orders', customer => 'customer_id', at => 'at', amount => 'total', counts_when => $$status = 'paid'$$,
                            available_at => $$CASE order_id % 7 WHEN 1 THEN 'infinity' WHEN 2 THEN '2126-01-01' WHEN 3 THEN at + interval '14 days' WHEN 5 THEN at + total * interval '100 years' END$$);
INSERT INTO shop.orders SELECT i, 1 + i % 30, timestamptz '2020-01-01' + i * interval '1 day', i % 47 FROM generate_series(1, 500) i;
-- what is more than a row: lines, refunds of orders and of nobody's, rates; and what was let go of
CREATE TABLE shop.baskets (basket_id bigint PRIMARY KEY, customer_id bigint, at timestamptz, money text);
CREATE TABLE shop.basket_lines (line_id bigint PRIMARY KEY, "line" bigint, price numeric);
CREATE TABLE shop.returns (return_id bigint PRIMARY KEY, basket_id bigint, customer_id bigint, at timestamptz, amount numeric);
CREATE TABLE shop.former (order_id bigint PRIMARY KEY, customer_id bigint, at timestamptz, total numeric, "Wert ""u""" int);
INSERT INTO club.exchange_rate VALUES ('CHF', '-infinity', 1.1);
SELECT loyalty.track_orders('club', 'shop.baskets', customer => 'customer_id', at => 'at', currency => 'money',
                            lines => 'shop.basket_lines', line_order => '"line"', line_amount => 'price',
                            available_at => $$CASE WHEN money IS NULL THEN at + interval '200 years' END$$);
SELECT loyalty.track_refunds('club', 'shop.returns', order_key => 'basket_id', amount => 'amount', orders => 'shop.baskets', customer => 'customer_id', at => 'at');
CREATE TABLE shop.reviews (review_id bigint PRIMARY KEY, customer_id bigint, at timestamptz, stars int);
SELECT loyalty.track_events('club', 'review', 'shop.reviews', customer => 'customer_id', at => 'at', amount => 'stars - 0.5', counts_when => 'stars > 0');
SELECT loyalty.track_events('club', 'their "best"', 'shop.reviews', customer => 'customer_id', at => 'at', counts_when => 'stars = 5');
INSERT INTO club.earning_rule (name, points, event) VALUES ('a review', '3 * stars', 'review'), ('the best ones', '7', 'their "best"');
INSERT INTO shop.reviews SELECT i, 1 + i % 30, timestamptz '2019-06-01' + i * interval '1 day', i % 6 FROM generate_series(1, 70) i;
INSERT INTO club.earning_rule (name, points, applies_when, per) VALUES ('per "line"', 'price * rate', 'price > 1', 'line');
SELECT loyalty.track_orders('club', 'shop.former', customer => 'customer_id', at => 'at', amount => 'total + "Wert ""u"""');
INSERT INTO shop.baskets SELECT i, 1 + i % 30, timestamptz '2021-01-01' + i * interval '1 day', CASE WHEN i % 3 = 0 THEN 'CHF' END FROM generate_series(1, 90) i;
INSERT INTO shop.basket_lines SELECT i, 1 + i % 90, i % 13 FROM generate_series(1, 200) i;
INSERT INTO shop.returns SELECT i, CASE WHEN i % 2 = 0 THEN i END, 1 + i % 30, timestamptz '2021-06-01', 2 FROM generate_series(1, 20) i;
INSERT INTO shop.former SELECT i, 1 + i % 30, '2021-01-01', 3, 4 FROM generate_series(1, 10) i;
SELECT loyalty.untrack('club', 'shop.former');
UPDATE club.earning_rule SET points = 'amount * 2' WHERE name = 'one';
-- points that waited, and expire; some that were spent, are held, or another customer's
UPDATE club.wallet SET available_after = '36 hours', expires = $$date_trunc('year', earned_on) + interval '101 years'$$;
UPDATE shop.orders SET status = 'refunded' WHERE order_id % 7 = 0;
CALL loyalty.post('club');
-- what was had for points, and vouchers
INSERT INTO club.conversion (points, amount) VALUES (10, 1);
INSERT INTO club.reward (name, points, stock, member_limit) VALUES ('mug', 2, 30, 2);
INSERT INTO club.reward (name, points, kind, value, valid_for) VALUES ('gift', 5, 'voucher', 7, '10 years');
INSERT INTO club.reward_price VALUES ('mug', 'Gold', 1);
SELECT club.redeem_reward(i, 'mug', 'mug'), club.redeem_reward(i, 'gift', 'vouchers', 2) FROM generate_series(1, 20) i;
SELECT club.reverse(i, 'mug'), club.reverse(i, 'vouchers') FROM generate_series(1, 5) i;
SELECT count(*) FROM club.issue_vouchers(50, 10, 'batch', campaign => 'May');
SELECT club.redeem_voucher(code, 'cart', 3) FROM club.voucher WHERE balance = 10 AND number % 3 = 0;
SELECT club.void_voucher(code, 'lost') FROM club.voucher WHERE balance = 10 AND number % 5 = 0;
INSERT INTO shop.orders SELECT i, 1 + i % 30, timestamptz '2022-01-01' + i * interval '1 day', i % 47 FROM generate_series(501, 900) i;
INSERT INTO shop.reviews SELECT i, 1 + i % 30, timestamptz '2022-01-01' + i * interval '1 day', i % 6 FROM generate_series(71, 90) i;
UPDATE shop.reviews SET stars = 0 WHERE review_id % 11 = 0;
UPDATE shop.orders SET total = total + 1 WHERE order_id % 11 = 0;
SELECT club.redeem(i, 20 + i, 'cart'), club.hold(i, 5, 'held'), club.transfer(i, i + 10, 3, 'gift') FROM generate_series(1, 5) i;
-- points by date, of which one has a condition
INSERT INTO club.date_rule (name, due, every, points, for_members, valid_from, valid_until) VALUES
  ('a year', 'created_at', '1 year', '1 + customer_id', NULL, '2024-01-01', '2025-12-31'), ('much', 'created_at', NULL, '9', 'spend > 400', '2015-01-01', NULL);
CALL loyalty.maintain('club');
-- what orders keep of their customers, who have changed since; a column is called otherwise by now
ALTER TABLE shop.customers ADD COLUMN country text;
UPDATE shop.customers SET country = CASE customer_id % 3 WHEN 0 THEN 'DE' WHEN 1 THEN 'it''s "X"' END;
INSERT INTO club.earning_rule (name, points, applies_when) VALUES ('country', '3', $$member.country LIKE '%E'$$);
INSERT INTO shop.orders SELECT i, 1 + i % 30, timestamptz '2024-01-01' + i * interval '1 hour', i % 47 FROM generate_series(901, 950) i;
INSERT INTO shop.baskets SELECT i, 1 + i % 30, timestamptz '2024-01-01' + i * interval '1 day' FROM generate_series(91, 100) i;
INSERT INTO shop.basket_lines SELECT 200 + i, 90 + i, i FROM generate_series(1, 10) i;
-- a campaign that had a rule
INSERT INTO club.budget VALUES ('fireworks', 100);
INSERT INTO club.campaign (name, starts, ends, applies_when, cost_per_point, budget, comment) VALUES ('new "year"', '2024-12-31', '2025-01-02', 'amount <> 7', 0.02, 'fireworks', 'it''s over');
INSERT INTO club.earning_rule (name, points, bonus, campaign) VALUES ('new year', '9', true, 'new "year"');
INSERT INTO club.metric VALUES ('this "year"', $$total(purchases, '2021-01-01', '2022-01-01')$$, 'it''s said'), ('key', 'member.customer_id', NULL);
INSERT INTO club.rating (rating, grade, rank, qualifies) VALUES ('value', 'A', 2, 'key > 5 AND orders > 1'), ('value', 'B', 1, 'true');
INSERT INTO club.rating_step (rating, reason, condition, steps) VALUES ('value', 'seven', 'key = 7', -1);
INSERT INTO shop.orders SELECT i, 1 + i % 30, timestamptz '2024-12-30' + i % 4 * interval '1 day', i % 47 FROM generate_series(951, 970) i;
DELETE FROM club.earning_rule WHERE name = 'new year';
ALTER TABLE shop.customers RENAME country TO land;
UPDATE shop.customers SET land = 'FR';
INSERT INTO shop.returns VALUES (21, 92, NULL, '2024-06-01', 1);
-- cards: of chance and given, one that is blocked, and one that is replaced by one that is
UPDATE club.program SET card_prefix = '12', card_length = 18;
SELECT club.issue_card(i) FROM generate_series(1, 30) i;
SELECT club.issue_card(1, '79927398713'), club.issue_card(2, '79927398721'), club.issue_card(3, '79927398739');
SELECT club.block_card('79927398721', 'lost'), club.replace_card('79927398713', '79927398747', 'worn');
SELECT club.block_card('79927398747', 'lost');
SQL

my %state = (
	members => 'SELECT customer_id, tier, points, pending, lifetime_value, orders, first_order_at, last_order_at FROM club.members ORDER BY 1',
	# orders that lack their refunds for a moment, while triggers fire, are recorded once more
	entries => 'SELECT * FROM club.entries WHERE tracked_table = 1 ORDER BY 1, 2',
	orders => 'SELECT customer, tracked_table, order_key, counts, amount, round(awards, 6), currency, rate, available_at, terms, member FROM club.recorded_orders ORDER BY 1, 2, 3',
	account => 'SELECT * FROM club.account ORDER BY 1',
	lots => 'SELECT * FROM club.lots ORDER BY 1, 2, 3, 4',
	held => 'SELECT * FROM club.held ORDER BY 1',
	wallets => 'SELECT t.*, w.* FROM club.terms_wallet t, club.wallet w ORDER BY 1, 2',
	as_of => q(SELECT i, m.*, l.* FROM generate_series(1, 30) i CROSS JOIN LATERAL club.member_at(i, '2021-06-15') m CROSS JOIN club.liability_at('2021-06-15', 'infinity', 0.01) l ORDER BY 1),
	rules => 'SELECT * FROM club.terms_rule ORDER BY 1, 2',
	campaigns => 'SELECT c.*, r.applies_when, r.comment, b.points AS of, b.given FROM club.campaigns c JOIN club.campaign r ON r.name = c.campaign JOIN club.budget b ON b.name = r.budget ORDER BY 1',
	metrics => 'SELECT * FROM club.metrics JOIN club.ratings USING (customer_id) JOIN club.metric ON true ORDER BY 1, name',
	cards => 'SELECT c.*, p.card_prefix, p.card_length FROM club.member_card c, club.program p ORDER BY card',
	rewards => 'SELECT * FROM club.reward w LEFT JOIN club.reward_price p ON p.reward = w.name LEFT JOIN club.reward_stock s ON s.reward = w.name ORDER BY 1',
	redemptions => 'SELECT * FROM club.reward_redemption ORDER BY 1, 2',
	vouchers => 'SELECT * FROM club.voucher v JOIN club.voucher_batch b ON b.reference = v.batch JOIN club.voucher_entry e ON e.code = v.code ORDER BY v.code, e.entry',
	dates => 'SELECT * FROM club.date_grant g JOIN club.date_rule r ON r.name = g.rule ORDER BY 1, 2, 3',
	terms => 'SELECT version, (SELECT terms FROM club.program) FROM club.terms ORDER BY 1');
my %before = map { $_ => $node->safe_psql('postgres', $state{$_}) } keys %state;
like($before{members}, qr/Gold/, 'there is something to compare');
is($node->safe_psql('postgres', "SELECT * FROM loyalty.verify('club')"), '', 'verify() is empty before');

sub check
{
	my ($db, $what) = @_;
	is($node->safe_psql($db, $state{$_}), $before{$_}, "$what: $_") for sort keys %state;
	is($node->safe_psql($db, "SELECT * FROM loyalty.verify('club')"), '', "$what: verify() is empty");
	is($node->safe_psql($db, "SELECT club.customer_of('79927398739'), club.customer_of('79927398713', replaced => true), club.balance_by_card('79927398739') = club.balance(3)"),
		'3|1|t', "$what: cards tell of their customers");
	like($node->safe_psql($db, "SELECT club.issue_card(30)"), qr/^12\d{16}$/, "$what: new cards look as before");
	is($node->safe_psql($db, 'SELECT count(*) FROM club.dates_due()'), '0', "$what: no date is due again");
	# calls are repeated, and made
	is($node->safe_psql($db, "SELECT count(*), min((club.redeem_voucher(v.code, 'cart', 3)).balance) FROM club.voucher v JOIN club.voucher_entry e USING (code) WHERE e.reference = 'cart'"), '16|7.00', "$what: vouchers know what was redeemed");
	is($node->safe_psql($db, "SELECT (club.redeem_reward(7, 'gift', 'vouchers', 2)).value, (club.redeem_reward(7, 'mug', 'another')).quantity, (SELECT rest FROM club.quote(7, 5))"), '14.00|1|0.00', "$what: rewards are had");
	is($node->safe_psql($db, 'SELECT taken FROM club.reward_stock'), '16', "$what: and taken from the stock");
	my $points = $node->safe_psql($db, 'SELECT points FROM club.members WHERE customer_id = 30');
	$node->safe_psql($db, "INSERT INTO shop.orders VALUES (10000, 30, '2023-01-01', 0.5)");
	$node->safe_psql($db, "UPDATE shop.orders SET total = 5 WHERE order_id = 10000");
	cmp_ok($node->safe_psql($db, 'SELECT points FROM club.members WHERE customer_id = 30'), '>=', $points + 10, "$what: a new order earns");
	$node->safe_psql($db, "UPDATE shop.orders SET status = 'refunded' WHERE order_id = 10000");
	is($node->safe_psql($db, 'SELECT points FROM club.members WHERE customer_id = 30'), $points, "$what: and its refund takes it back");
	$node->safe_psql($db, "CALL loyalty.post('club')");
	is($node->safe_psql($db, "SELECT * FROM loyalty.verify('club')"), '', "$what: verify() is empty after that");
	# lines of 20 and 1, of which 1 came back, at 1.1: twice the amount, and 20 of the lines by the share that is left
	$node->safe_psql($db, "INSERT INTO shop.baskets VALUES (10000, 30, '2023-01-01', 'CHF'); INSERT INTO shop.basket_lines VALUES (10000, 10000, 20), (10001, 10000, 1)");
	$node->safe_psql($db, "INSERT INTO shop.returns VALUES (10000, 10000, 30, '2023-01-02', 1)");
	is($node->safe_psql($db, "SELECT amount, round(awards, 6) FROM club.recorded_orders WHERE order_key = '10000' AND counts"),
		'22.0|64.952381', "$what: a basket is worth its lines, less what came back");
	$node->safe_psql($db, "UPDATE shop.basket_lines SET price = 2 WHERE line_id IN (100, 101, 102)");
	$node->safe_psql($db, q{SELECT loyalty.track_orders('club', 'shop.former', customer => 'customer_id', at => 'at', amount => 'total + "Wert ""u"""')});
	$node->safe_psql($db, "UPDATE shop.former SET total = total + 1");
	is($node->safe_psql($db, "SELECT * FROM loyalty.verify('club')"), '', "$what: verify() is empty after all of that");
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
for my $table (qw(club.date_grant club.date_rule club.voucher_entry club.voucher club.voucher_batch club.reward_redemption club.reward_stock club.reward_price club.reward club.conversion
	club.terms_tier club.terms_metric club.metric club.rating club.rating_step club.terms_rule club.terms_wallet club.tier club.earning_rule club.budget club.campaign club.wallet club.held club.archived club.kept club.tracked_table club.exchange_rate club.program club.terms
	club.member_card club.account club.ledger club.journal shop.customers shop.orders
	shop.reviews shop.former shop.returns shop.basket_lines shop.baskets))
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
