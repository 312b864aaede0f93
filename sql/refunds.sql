-- What a refund takes: of which points, what becomes of those that are not there, and what comes
-- back of an order that was paid with points.  Worked out by hand; the cases WE-... are published
-- examples of other systems.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, MDY';
CREATE SCHEMA t_refunds;
CREATE TABLE t_refunds.customers (id int PRIMARY KEY);
INSERT INTO t_refunds.customers SELECT generate_series(1, 60);
CREATE TABLE t_refunds.orders (id int PRIMARY KEY, customer int, at timestamptz, total numeric, available_at timestamptz);
SELECT loyalty.create_program('club', customers => 't_refunds.customers', time_zone => 'UTC');
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
SELECT loyalty.track_orders('club', 't_refunds.orders', customer => 'customer', at => 'at', amount => 'total', available_at => 'available_at');

-- what may be set
UPDATE club.program SET refunds_take = 'both';
UPDATE club.program SET refund_shortfall = NULL;
SELECT refunds_take, refund_shortfall, terms FROM club.program;

-- 60 points of a day, 20 that wait to the year 2100, and 30 of the next day, which expire a day later and so are of another lot
UPDATE club.wallet SET expires = $$earned_on + interval '100 years'$$;
CREATE FUNCTION t_refunds.give(customer int) RETURNS void LANGUAGE sql AS $$
	INSERT INTO t_refunds.orders VALUES (customer * 10, customer, '2026-01-01', 60, NULL), (customer * 10 + 1, customer, '2026-01-01', 20, '2100-01-01'),
	                                    (customer * 10 + 2, customer, '2026-01-02', 30, NULL)
$$;
CREATE VIEW t_refunds.have AS
	SELECT m.id AS customer, m.points, m.pending, (SELECT coalesce(sum(e.forgiven), 0) FROM club.entries e WHERE e.id = m.id) AS forgiven FROM club.members m WHERE m.points <> 0 OR m.pending <> 0;

-- WE-141: pending 20, active 30, of which 60 are to be taken back, whose own are spent.  By default
-- nothing is left that waits, and the customer owes 10
SELECT t_refunds.give(1);
SELECT (club.redeem(1, 60, 'spent')).balance;	-- of 90
DELETE FROM t_refunds.orders WHERE id = 10;
SELECT * FROM t_refunds.have;
SELECT * FROM loyalty.verify('club');
CALL loyalty.post('club');
SELECT * FROM t_refunds.have;
SELECT * FROM loyalty.verify('club');
-- 25 taken back, whose own are spent: 20 that wait and 5 of the available ones
SELECT t_refunds.give(2);
SELECT (club.redeem(2, 60, 'spent')).balance;
UPDATE t_refunds.orders SET total = 35 WHERE id = 20;
SELECT * FROM t_refunds.have WHERE customer = 2;
-- or available ones first: an order that is recorded from now on gives up 25 of the 30
UPDATE club.program SET refunds_take = 'available';
SELECT t_refunds.give(3);
SELECT (club.redeem(3, 60, 'spent')).balance;
UPDATE t_refunds.orders SET total = 35 WHERE id = 30;
SELECT * FROM t_refunds.have WHERE customer = 3;
-- then 35 more: 5 that are left, 20 that wait, and 10 are owed
UPDATE t_refunds.orders SET total = 0 WHERE id = 30;
SELECT * FROM t_refunds.have WHERE customer = 3;
-- the order's own come first in both: 5 of 20 that wait are taken back, and nothing of the available ones
SELECT t_refunds.give(4);
UPDATE t_refunds.orders SET total = 15 WHERE id = 41;
SELECT * FROM t_refunds.have WHERE customer = 4;	-- 90, 15
-- an order keeps the terms it was recorded under: that of customer 2 takes what waits first
UPDATE t_refunds.orders SET total = 30 WHERE id = 20;	-- nothing waits any more: 5 of the 25 that are left
SELECT * FROM t_refunds.have WHERE customer = 2;
SELECT * FROM loyalty.verify('club');
CALL loyalty.post('club');
SELECT * FROM t_refunds.have WHERE customer <= 4 ORDER BY customer;
SELECT * FROM loyalty.verify('club');

-- what is not there is forgiven, WE-141 "within balance": 50 are taken of 60, and 10 are forgiven
UPDATE club.program SET refund_shortfall = 'forgive', refunds_take = 'pending';
SELECT t_refunds.give(5);
SELECT (club.redeem(5, 60, 'spent')).balance;
DELETE FROM t_refunds.orders WHERE id = 50;
SELECT * FROM t_refunds.have WHERE customer = 5;	-- none: neither points nor debt
SELECT order_key, revision, points, forgiven, balance FROM club.entries WHERE id = 5 ORDER BY entry;
SELECT * FROM loyalty.verify('club');
CALL loyalty.post('club');
SELECT order_key, revision, points, forgiven, balance FROM club.entries WHERE id = 5 ORDER BY entry;
SELECT order_key, revision, order_points, forgiven FROM club.ledger WHERE customer = 5 AND revision = 2;
SELECT * FROM loyalty.verify('club');
-- what was taken comes back, and no more: the order is there again with 60, of which 10 were never taken
INSERT INTO t_refunds.orders VALUES (50, 5, '2026-01-01', 60, NULL);
SELECT * FROM t_refunds.have WHERE customer = 5;
SELECT order_key, revision, points, forgiven FROM club.entries WHERE id = 5 AND order_key = '50' ORDER BY revision;
SELECT * FROM loyalty.verify('club');

-- in a program without dates, entry by entry.  100 earned, 70 spent, 30 left:
CREATE TABLE t_refunds.sales (id int PRIMARY KEY, customer int, at timestamptz, total numeric);
SELECT loyalty.create_program('plain', customers => 't_refunds.customers', time_zone => 'UTC');
UPDATE plain.program SET refund_shortfall = 'forgive';
INSERT INTO plain.earning_rule (name, points) VALUES ('one', 'amount');
SELECT loyalty.track_orders('plain', 't_refunds.sales', customer => 'customer', at => 'at', amount => 'total');
INSERT INTO t_refunds.sales VALUES (1, 1, '2026-01-01', 100);
SELECT (plain.redeem(1, 70, 'spent')).balance;
UPDATE t_refunds.sales SET total = 40;	-- worth 40: of 60, 30 are taken and 30 forgiven, so that it stands with 70
UPDATE t_refunds.sales SET total = 10;	-- worth 10: 30 more are forgiven
UPDATE t_refunds.sales SET total = 55;	-- worth 55: of 45 more, all were forgiven, and 15 still are
UPDATE t_refunds.sales SET total = 90;	-- worth 90: of 35 more, 15 were forgiven, and 20 are given
DELETE FROM t_refunds.sales;			-- worth 0: 20 are taken, and 70 forgiven
INSERT INTO t_refunds.sales VALUES (1, 1, '2026-01-01', 100);	-- as at first: the 30 that were taken
SELECT revision, awards, points, forgiven, balance FROM plain.entries WHERE id = 1 AND order_key = '1' ORDER BY revision;
SELECT points FROM plain.order_points WHERE id = 1;
SELECT * FROM loyalty.verify('plain');
-- the same, posted after each
INSERT INTO t_refunds.sales VALUES (2, 2, '2026-01-01', 100);
CALL loyalty.post('plain');
SELECT (plain.redeem(2, 70, 'spent')).balance;
UPDATE t_refunds.sales SET total = 40 WHERE id = 2;
CALL loyalty.post('plain');
UPDATE t_refunds.sales SET total = 10 WHERE id = 2;
CALL loyalty.post('plain');
UPDATE t_refunds.sales SET total = 55 WHERE id = 2;
CALL loyalty.post('plain');
UPDATE t_refunds.sales SET total = 90 WHERE id = 2;
CALL loyalty.post('plain');
DELETE FROM t_refunds.sales WHERE id = 2;
CALL loyalty.post('plain');
INSERT INTO t_refunds.sales VALUES (2, 2, '2026-01-01', 100);
CALL loyalty.post('plain');
SELECT revision, awards, points, forgiven, balance FROM plain.entries WHERE id = 2 AND order_key = '2' ORDER BY revision;
SELECT points, lifetime_value FROM plain.members WHERE id IN (1, 2);
SELECT * FROM loyalty.verify('plain');
-- WE-145: bought and refunded, again and again, with the points spent in between
INSERT INTO t_refunds.sales VALUES (3, 3, '2026-01-01', 50);
SELECT (plain.redeem(3, 50, 'spent')).balance;
DO $$
BEGIN
	FOR i IN 1 .. 5 LOOP
		DELETE FROM t_refunds.sales WHERE id = 3;
		INSERT INTO t_refunds.sales VALUES (3, 3, '2026-01-01', 50);
	END LOOP;
END $$;
SELECT points FROM plain.members WHERE id = 3;	-- 0: what is forgiven is given once
SELECT * FROM loyalty.verify('plain');
-- An order that does not count keeps what was forgiven, and explain() says so: of 100, 30 are taken and 70 forgiven.  It is not in
-- order_points, for it does not count; the last entry has its points.  When it is worth 40 again, 30 are forgiven still.
INSERT INTO t_refunds.sales VALUES (54, 54, '2026-01-01', 100);
SELECT (plain.redeem(54, 70, 'spent')).balance;
UPDATE t_refunds.sales SET total = NULL WHERE id = 54;
SELECT what, name, status, value, points FROM plain.explain('54');
SELECT count(*) FROM plain.order_points WHERE order_key = '54';
CALL loyalty.post('plain');
SELECT order_points, (SELECT sum(points) FROM plain.explain('54')) AS explained FROM plain.ledger WHERE order_key = '54' ORDER BY revision DESC LIMIT 1;
UPDATE t_refunds.sales SET total = 40 WHERE id = 54;
SELECT what, name, status, value, points FROM plain.explain('54');
SELECT points FROM plain.order_points WHERE order_key = '54';	-- 70
SELECT * FROM loyalty.verify('plain');
-- Points of an open hold are not there for a refund: who holds all 100 is forgiven 100, and has them when the hold is released
INSERT INTO t_refunds.sales VALUES (55, 55, '2026-01-01', 100);
SELECT (plain.hold(55, 100, 'kept')).balance;
DELETE FROM t_refunds.sales WHERE id = 55;
SELECT (plain.release(55, 'kept')).balance;
SELECT points, held FROM plain.members WHERE id = 55;
SELECT * FROM loyalty.verify('plain');
-- who owes from before owes no more, and no less
UPDATE plain.program SET refund_shortfall = 'owe';
INSERT INTO t_refunds.sales VALUES (4, 4, '2026-01-01', 30);
UPDATE plain.program SET refund_shortfall = 'forgive';
INSERT INTO t_refunds.sales VALUES (5, 4, '2026-01-01', 10);
SELECT (plain.redeem(4, 40, 'spent')).balance;
DELETE FROM t_refunds.sales WHERE id = 4;
DELETE FROM t_refunds.sales WHERE id = 5;
SELECT order_key, points, forgiven, balance FROM plain.entries WHERE id = 4 ORDER BY entry;	-- -30, and 10 forgiven
SELECT * FROM loyalty.verify('plain');
CALL loyalty.post('plain');
SELECT * FROM loyalty.verify('plain');
-- a lower order of other terms, to which it was rerated
UPDATE plain.earning_rule SET points = 'amount / 2';
INSERT INTO t_refunds.sales VALUES (6, 5, '2026-01-01', 80);
SELECT (plain.redeem(5, 30, 'spent')).balance;	-- 10 of 40
UPDATE t_refunds.sales SET total = 20 WHERE id = 6;	-- worth 10: 10 of 30 taken
UPDATE plain.earning_rule SET points = 'amount';
SELECT count(*) FROM loyalty.rerate('plain', dry_run => false);	-- taken back, which forgives 10 more, and given anew: worth 20, so that 10 of 30 are still forgiven
SELECT revision, awards, points, forgiven, balance FROM plain.entries WHERE id = 5 AND order_key = '6' ORDER BY revision;
SELECT * FROM loyalty.verify('plain');

-- refunds that are rejected: they come as a role that may do nothing else
CREATE ROLE regress_refunds;
CREATE TABLE t_refunds.sold (id int PRIMARY KEY, customer int, at timestamptz, total numeric);
CREATE TABLE t_refunds.back (id int PRIMARY KEY, sold int, amount numeric, customer int, at timestamptz);
SELECT loyalty.create_program('strict', customers => 't_refunds.customers', time_zone => 'UTC');
UPDATE strict.program SET refund_shortfall = 'reject';
INSERT INTO strict.earning_rule (name, points) VALUES ('one', 'amount');
SELECT loyalty.track_orders('strict', 't_refunds.sold', customer => 'customer', at => 'at', amount => 'total');
SELECT loyalty.track_refunds('strict', 't_refunds.back', order_key => 'sold', amount => 'amount', orders => 't_refunds.sold', customer => 'customer', at => 'at');
GRANT USAGE ON SCHEMA t_refunds TO regress_refunds;
GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON t_refunds.sold, t_refunds.back TO regress_refunds;
INSERT INTO t_refunds.sold VALUES (1, 1, '2026-01-01', 100);
SELECT (strict.redeem(1, 80, 'spent')).balance;
SET ROLE regress_refunds;
INSERT INTO t_refunds.back VALUES (1, 1, 20);	-- the 20 that are left
INSERT INTO t_refunds.back VALUES (2, 1, 1);	-- refused
UPDATE t_refunds.back SET amount = 30;			-- refused
\echo :LAST_ERROR_SQLSTATE
UPDATE t_refunds.sold SET total = 110;			-- 10 more
UPDATE t_refunds.back SET amount = 30;			-- which are there
DELETE FROM t_refunds.sold;						-- refused, in each of these ways
UPDATE t_refunds.sold SET customer = 2;
TRUNCATE t_refunds.sold;
INSERT INTO t_refunds.back VALUES (3, NULL, 5, 1, '2026-01-03');	-- a refund of no order, too
UPDATE t_refunds.sold SET id = 10;				-- another key is another order, of which 80 are given as 80 are taken, but for the refund, which names the old one: 110
DELETE FROM t_refunds.back;						-- of an order that is gone
UPDATE t_refunds.sold SET total = 80;			-- 30 of the 30 that are there
RESET ROLE;
SELECT points FROM strict.members WHERE id = 1;	-- 80 earned, 80 spent
SELECT * FROM loyalty.verify('strict');
-- give back what was spent, and refund, in one transaction
BEGIN;
SELECT (strict.reverse(1, 'spent')).balance;
DELETE FROM t_refunds.sold WHERE customer = 1;
COMMIT;
SELECT points FROM strict.members WHERE id = 1;
-- what else a statement gives makes up for it: 50 are taken of 20, and 40 given
INSERT INTO t_refunds.sold VALUES (21, 2, '2026-01-01', 50), (22, 2, '2026-01-01', 30);
SELECT (strict.redeem(2, 60, 'spent')).balance;
UPDATE t_refunds.sold SET total = CASE id WHEN 21 THEN 0 ELSE 70 END WHERE customer = 2;
SELECT points FROM strict.members WHERE id = 2;	-- 10
UPDATE t_refunds.sold SET total = CASE id WHEN 21 THEN 9 ELSE 50 END WHERE customer = 2;	-- 20 taken, and 9 given: refused
SELECT points FROM strict.members WHERE id = 2;
-- of several customers, one of whom has not enough
INSERT INTO t_refunds.sold VALUES (31, 3, '2026-01-01', 50), (41, 4, '2026-01-01', 50);
SELECT (strict.redeem(4, 1, 'spent')).balance;
DELETE FROM t_refunds.sold WHERE customer IN (3, 4);
SELECT id, points FROM strict.members WHERE id IN (3, 4) ORDER BY id;
-- points that wait are there, those that a hold keeps are not, and those of one that has timed out are
SELECT (strict.hold(3, 50, 'short', until => clock_timestamp() + interval '0.2 seconds')).balance;
DELETE FROM t_refunds.sold WHERE id = 31;
SELECT pg_sleep(0.3);
DELETE FROM t_refunds.sold WHERE id = 31;
SELECT kind, order_key, points, balance FROM strict.entries WHERE id = 3 ORDER BY entry;
SELECT * FROM loyalty.verify('strict');
-- what no statement of the host says cannot fail: it is owed
ALTER TABLE t_refunds.sold DISABLE TRIGGER ALL;
DELETE FROM t_refunds.sold WHERE id = 41;
ALTER TABLE t_refunds.sold ENABLE TRIGGER ALL;
SELECT * FROM loyalty.reconcile('strict');
SELECT points FROM strict.members WHERE id = 4;	-- -1
-- who owes already can be refunded nothing, and what is worth no points can be refunded
INSERT INTO t_refunds.sold VALUES (42, 4, '2026-01-01', 0.50);
DELETE FROM t_refunds.sold WHERE id = 42;
INSERT INTO t_refunds.sold VALUES (43, 4, '2026-01-01', 1.50);	-- repays
DELETE FROM t_refunds.sold WHERE id = 43;	-- refused: the customer would owe 1
UPDATE t_refunds.sold SET id = 5 WHERE id = 43;	-- as much as before, with another key
SELECT points FROM strict.members WHERE id = 4;	-- 0
SELECT * FROM loyalty.verify('strict');
CALL loyalty.post('strict');
SELECT * FROM loyalty.verify('strict');
-- orders of terms that let owe go on
UPDATE strict.program SET refund_shortfall = 'owe';
INSERT INTO t_refunds.sold VALUES (51, 5, '2026-01-01', 10);
SELECT (strict.redeem(5, 10, 'spent')).balance;
DELETE FROM t_refunds.sold WHERE id = 51;
SELECT points FROM strict.members WHERE id = 5;
-- nobody else asks for what the trigger asks
SELECT 'strict.program'::regclass::oid AS settings \gset
SET ROLE regress_refunds;
SELECT _loyalty.require_refundable(:settings, 1, ARRAY[1], ARRAY['31'], ARRAY[1]);
RESET ROLE;
SELECT * FROM loyalty.verify('strict');

-- points that an order was paid with.  Where nothing else is said, they do not come back (WE-139)
CREATE TABLE t_refunds.carts (id int PRIMARY KEY, customer int, at timestamptz, total numeric);
SELECT loyalty.create_program('paid', customers => 't_refunds.customers', time_zone => 'UTC');
INSERT INTO paid.earning_rule (name, points) VALUES ('one', 'amount / 10');
SELECT loyalty.track_orders('paid', 't_refunds.carts', customer => 'customer', at => 'at', amount => 'total');
CREATE VIEW t_refunds.paid_entries AS
	SELECT e.id, e.entry, e.kind, e.order_key, e.revision, e.points, e.balance, e.pays_for, e.posted FROM paid.entries e;
SELECT (paid.grant_points(c, 300, 'welcome')).balance FROM generate_series(1, 9) c;
INSERT INTO t_refunds.carts VALUES (1, 1, '2026-01-01', 100);
SELECT (paid.redeem(1, 300, 'cart-1', pays_for => '1')).balance;
UPDATE t_refunds.carts SET total = 25 WHERE id = 1;
SELECT points FROM paid.members WHERE id = 1;	-- 2
-- in full: only with the last part of it
UPDATE paid.program SET returns_paid_points = 'full';
SELECT (paid.redeem(2, 50, 'cart-2', pays_for => '2')).balance;	-- before the order is there
INSERT INTO t_refunds.carts VALUES (2, 2, '2026-01-01', 100);
UPDATE t_refunds.carts SET total = 1 WHERE id = 2;
SELECT points FROM paid.members WHERE id = 2;	-- 250, and 10 that became 0
DELETE FROM t_refunds.carts WHERE id = 2;
SELECT points FROM paid.members WHERE id = 2;	-- 300
SELECT * FROM t_refunds.paid_entries WHERE id = 2 ORDER BY entry;
SELECT * FROM loyalty.verify('paid');
CALL loyalty.post('paid');
SELECT * FROM t_refunds.paid_entries WHERE id = 2 ORDER BY entry;
SELECT * FROM loyalty.verify('paid');
SELECT (paid.reverse(2, 'cart-2')).points;	-- nothing is left of it
INSERT INTO t_refunds.carts VALUES (2, 2, '2026-01-01', 100);	-- nothing is taken again, and nothing comes back twice
DELETE FROM t_refunds.carts WHERE id = 2;
SELECT points FROM paid.members WHERE id = 2;
-- in proportion, of the highest amount, rounded down: of 100 points for 30.00, then 10.00 are refunded: 33; and 20.00: 66; and all: 100
UPDATE paid.program SET returns_paid_points = 'proportional';
INSERT INTO t_refunds.carts VALUES (3, 3, '2026-01-01', 30);
SELECT (paid.redeem(3, 100, 'cart-3', pays_for => '3', tracked => 't_refunds.carts')).balance;	-- 303 - 100
UPDATE t_refunds.carts SET total = 20 WHERE id = 3;
UPDATE t_refunds.carts SET total = 10 WHERE id = 3;
UPDATE t_refunds.carts SET total = 25 WHERE id = 3;	-- what came back stays
UPDATE t_refunds.carts SET total = 5 WHERE id = 3;	-- of 25.00 of 30.00: 83
SELECT * FROM t_refunds.paid_entries WHERE id = 3 ORDER BY entry;
SELECT * FROM loyalty.verify('paid');
CALL loyalty.post('paid');
DELETE FROM t_refunds.carts WHERE id = 3;	-- 17
SELECT * FROM t_refunds.paid_entries WHERE id = 3 AND kind IN ('redemption', 'return') ORDER BY entry;
SELECT points FROM paid.members WHERE id = 3;
SELECT * FROM loyalty.verify('paid');
CALL loyalty.post('paid');
SELECT * FROM loyalty.verify('paid');
-- what a call reversed already does not come back: of 100, 40 are reversed, and of 60 half comes back; then the call has 30 left
INSERT INTO t_refunds.carts VALUES (4, 4, '2026-01-01', 50);
SELECT (paid.redeem(4, 100, 'cart-4', pays_for => '4')).balance;
SELECT (paid.reverse(4, 'cart-4', 40)).points;
UPDATE t_refunds.carts SET total = 25 WHERE id = 4;
SELECT kind, revision, points FROM t_refunds.paid_entries WHERE id = 4 ORDER BY entry;
SELECT (paid.reverse(4, 'cart-4', 31)).points;
SELECT (paid.reverse(4, 'cart-4')).points;
DELETE FROM t_refunds.carts WHERE id = 4;
SELECT points FROM paid.members WHERE id = 4;	-- 300
SELECT * FROM loyalty.verify('paid');
-- two calls that pay for one order, one of which captures a hold; 7 of 10 points for a third of it: 2, and of 50: 16
INSERT INTO t_refunds.carts VALUES (5, 5, '2026-01-01', 9);
SELECT (paid.hold(5, 10, 'hold-5')).balance;
SELECT (paid.capture(5, 'hold-5', 7, pays_for => '5')).balance;
SELECT (paid.try_capture(5, 'hold-5', 7, pays_for => '6')).status;	-- refused: it paid for another one
SELECT (paid.redeem(5, 50, 'cart-5', pays_for => '5')).balance;
SELECT (paid.redeem(5, 50, 'cart-5')).balance;	-- refused
-- all arguments that differ are named
SELECT detail FROM paid.try_redeem(5, 40, 'cart-5', pays_for => '6');
SELECT regexp_replace(detail, 'at .*[0-9]{2}\.[^O]*', 'at TIME. ') AS detail FROM paid.try_capture(5, 'hold-5', 6);
SELECT detail FROM paid.try_hold(5, 9, 'hold-5', until => '2126-01-01 00:00+00');
UPDATE t_refunds.carts SET total = 6 WHERE id = 5;
SELECT kind, order_key, revision, points FROM t_refunds.paid_entries WHERE id = 5 ORDER BY entry;
DELETE FROM t_refunds.carts WHERE id = 5;
SELECT points FROM paid.members WHERE id = 5;
SELECT * FROM loyalty.verify('paid');
CALL loyalty.post('paid');
SELECT * FROM loyalty.verify('paid');
-- what comes back is there to be taken back: of 20 earned, 20 + 300 are spent for it, and nothing is owed
INSERT INTO t_refunds.carts VALUES (6, 6, '2026-01-01', 200);
SELECT (paid.redeem(6, 320, 'cart-6', pays_for => '6')).balance;
DELETE FROM t_refunds.carts WHERE id = 6;
SELECT points FROM paid.members WHERE id = 6;
-- with the dates that they had
UPDATE paid.wallet SET expires = $$earned_on + interval '100 years'$$;
INSERT INTO t_refunds.carts VALUES (7, 7, '2026-01-01', 100), (8, 7, '2026-01-05', 100);
SELECT (paid.redeem(7, 15, 'cart-7', pays_for => '9')).balance;	-- the 10 of the first day, and 5 of the fifth
INSERT INTO t_refunds.carts VALUES (9, 7, '2026-01-07', 100);
SELECT points, expires_at FROM paid.lots WHERE id = 7 ORDER BY expires_at;
UPDATE t_refunds.carts SET total = 40 WHERE id = 9;	-- 60 of 100, of 15: 9; last taken first: 5 of the fifth and 4 of the first day
SELECT points, expires_at FROM paid.lots WHERE id = 7 ORDER BY expires_at;
SELECT * FROM loyalty.verify('paid');
CALL loyalty.post('paid');
SELECT points, expires_at FROM paid.lots WHERE id = 7 ORDER BY expires_at;
SELECT * FROM loyalty.verify('paid');
-- an order that is rerated is not returned
UPDATE paid.earning_rule SET points = 'amount / 5';
SELECT count(*) FROM loyalty.rerate('paid', dry_run => false);
SELECT kind, order_key, revision, points FROM t_refunds.paid_entries WHERE id = 7 AND NOT posted ORDER BY entry;
SELECT * FROM loyalty.verify('paid');
-- what is not said right
SELECT paid.redeem(8, 1, 'a', tracked => 't_refunds.carts');
SELECT paid.redeem(8, 1, 'a', pays_for => '1', tracked => 't_refunds.sold');
SELECT loyalty.track_orders('paid', 't_refunds.sold', customer => 'customer', at => 'at', amount => 'total');
SELECT paid.redeem(8, 1, 'a', pays_for => '1');
SELECT (paid.try_redeem(8, 1, 'a', pays_for => '1', tracked => 't_refunds.sold')).status;
SELECT pays_for, pays_table FROM paid.entries WHERE order_key = 'a';
-- 2,700 given; 5, 48 and 14 earned by customers 1, 7 and 2; 943 spent; and 636 came back, and 225 of the order of customer 1, which by the present terms is refunded by three quarters
SELECT members, outstanding FROM paid.liability;
SELECT sum(redeemed) AS redeemed, sum(reversed) AS reversed FROM paid.points_flow;
SELECT * FROM loyalty.verify('paid');
-- calls that pay for an order that is not there: 'a' names one of a table that never got it, and so does a capture.  Of 9,
-- one names order 10, which comes later, one the order of another customer, and one, of which 4 of 6 points are reversed, a
-- key that nobody has.  What is reversed in full is not listed.  Then 10 comes, and goes, so that its 5 come back: 290 + 5.
SELECT (paid.hold(9, 3, 'hold-9')).balance, (paid.capture(9, 'hold-9', 2, pays_for => 'x-1', tracked => 't_refunds.sold')).balance;	-- 300 - 3 + 1
SELECT (paid.redeem(9, 5, 'early', pays_for => '10', tracked => 't_refunds.carts')).balance, (paid.redeem(9, 1, 'other', pays_for => '3', tracked => 't_refunds.carts')).balance,
       (paid.redeem(9, 6, 'typo', pays_for => '1O', tracked => 't_refunds.carts')).balance, (paid.reverse(9, 'typo', 4, 'back')).balance,
       (paid.redeem(9, 7, 'undone', pays_for => '1O', tracked => 't_refunds.carts')).balance, (paid.reverse(9, 'undone', reference => 'undo')).balance;
SELECT id, reference, kind, points, pays_for, relation FROM paid.unmatched_payments ORDER BY id, reference;
INSERT INTO t_refunds.carts VALUES (10, 9, '2026-01-01', 0);
DELETE FROM t_refunds.carts WHERE id = 10;
SELECT reference FROM paid.unmatched_payments WHERE id = 9 ORDER BY reference;
-- when 9 and 3 are one, order 3 is that of who paid
SELECT (paid.merge(9, 3, 'one')).points;
SELECT reference FROM paid.unmatched_payments WHERE id IN (3, 9) ORDER BY reference;
SELECT * FROM loyalty.verify('paid');
-- planted: more came back, and what came back is not there
CALL loyalty.post('paid');
ALTER TABLE paid.ledger DISABLE TRIGGER append_only;
BEGIN;
UPDATE paid.ledger SET points_change = 34, order_points = -66 WHERE customer = 3 AND kind = 'return' AND revision = 2;
SELECT DISTINCT violation, order_key FROM loyalty.verify('paid') WHERE order_key IS NOT NULL ORDER BY 1, 2;
ROLLBACK;
BEGIN;
DELETE FROM paid.ledger WHERE customer = 2 AND kind = 'return';
SELECT DISTINCT violation, order_key FROM loyalty.verify('paid') WHERE order_key IS NOT NULL ORDER BY 1, 2;
ROLLBACK;
BEGIN;
UPDATE paid.ledger SET pays_for = '77' WHERE customer = 2 AND pays_for IS NOT NULL;
SELECT DISTINCT violation, order_key FROM loyalty.verify('paid') WHERE order_key IS NOT NULL ORDER BY 1, 2;
ROLLBACK;
ALTER TABLE paid.ledger ENABLE TRIGGER append_only;

-- faults that are planted are found: what was forgiven is another number, and the points with it
CALL loyalty.post('plain');
CALL loyalty.post('club');
ALTER TABLE plain.ledger DISABLE TRIGGER append_only;
BEGIN;
UPDATE plain.ledger SET forgiven = 5, order_points = 45 WHERE customer = 3 AND tracked_table > 0 AND revision = 10;
SELECT DISTINCT violation, order_key FROM loyalty.verify('plain') WHERE order_key IS NOT NULL ORDER BY 1, 2;
ROLLBACK;
BEGIN;
-- 20 less were taken than there were
UPDATE plain.ledger SET forgiven = 50, order_points = 90, points_change = -10 WHERE customer = 2 AND tracked_table > 0 AND revision = 2;
SELECT DISTINCT violation, order_key FROM loyalty.verify('plain') WHERE order_key IS NOT NULL ORDER BY 1, 2;
ROLLBACK;
BEGIN;
UPDATE plain.ledger SET forgiven = NULL WHERE customer = 3 AND tracked_table > 0 AND revision = 10;
SELECT DISTINCT violation, order_key FROM loyalty.verify('plain') WHERE order_key IS NOT NULL ORDER BY 1, 2;
ROLLBACK;
ALTER TABLE plain.ledger ENABLE TRIGGER append_only;
-- 25 were taken of the available points, though 20 waited; and the other way round
ALTER TABLE club.ledger DISABLE TRIGGER append_only;
BEGIN;
UPDATE club.ledger SET lots = loyalty.lots_of(-25, '-infinity', '2126-01-02') WHERE customer = 2 AND order_key = '20' AND revision = 2;
SELECT DISTINCT violation, order_key FROM loyalty.verify('club') WHERE violation LIKE '%kind' ORDER BY 1, 2;
ROLLBACK;
BEGIN;
UPDATE club.ledger SET lots = loyalty.lots_of(-20, '2100-01-01', '2126-01-01') OPERATOR(loyalty.+) loyalty.lots_of(-5, '-infinity', '2126-01-02') WHERE customer = 3 AND order_key = '30' AND revision = 2;
SELECT DISTINCT violation, order_key FROM loyalty.verify('club') WHERE violation LIKE '%kind' ORDER BY 1, 2;
ROLLBACK;
ALTER TABLE club.ledger ENABLE TRIGGER append_only;

SELECT loyalty.drop_program('club', force => true);
SELECT loyalty.drop_program('plain', force => true);
SELECT loyalty.drop_program('strict', force => true);
SELECT loyalty.drop_program('paid', force => true);
DROP SCHEMA t_refunds CASCADE;
DROP ROLE regress_refunds;
