-- Points that an order was paid with and that come back when it is refunded: to which wallets, and
-- with which dates.  Expected numbers were worked out by hand.
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, MDY';
CREATE SCHEMA t_returned;
CREATE TABLE t_returned.customers (id int PRIMARY KEY);
INSERT INTO t_returned.customers SELECT generate_series(1, 9);
CREATE TABLE t_returned.carts (id int PRIMARY KEY, customer int, at timestamptz, total numeric);
SELECT loyalty.create_program('paid', customers => 't_returned.customers', time_zone => 'UTC');
SELECT loyalty.track_orders('paid', 't_returned.carts', customer => 'customer', at => 'at', amount => 'total');
-- none of the orders that are paid earns anything, and one of 1.00 does
INSERT INTO paid.earning_rule (name, points, applies_when) VALUES ('four', '4', 'amount = 1');
UPDATE paid.program SET returns_paid_points = 'proportional';
-- the last wallet is spent first: "gift" 3, "promo" 2, "points" 1
INSERT INTO paid.wallet (name, redeem_order, expires) VALUES ('promo', -1, $$'2126-01-01'$$), ('gift', -2, NULL);
SELECT (paid.grant_points(c, 20, 'p1', wallet => 'promo')).balance FROM generate_series(1, 2) c;
UPDATE paid.wallet SET expires = $$'2126-02-01'$$ WHERE name = 'promo';
SELECT (paid.grant_points(c, 20, 'p2', wallet => 'promo')).balance FROM generate_series(1, 2) c;
SELECT (paid.grant_points(c, 30, 'g', wallet => 'gift')).balance FROM generate_series(1, 2) c;
SELECT (paid.grant_points(c, 50, 'w')).balance FROM generate_series(1, 2) c;
CREATE FUNCTION t_returned.has(customer int) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT string_agg(format('%s %s', l.wallet, l.points) || coalesce(' until ' || l.expires_at::date, ''), ', ' ORDER BY l.wallet, l.expires_at) FROM paid.lots l WHERE l.id = $1
$$;

-- 100 of 120 pay for an order of 100.00: 30 of "gift", 40 of "promo" and 30 of "points"; 20 of these are left.  Nothing of
-- customer 1 is posted in between, and all of customer 2.
INSERT INTO t_returned.carts SELECT c, c, '2026-01-01', 100 FROM generate_series(1, 2) c;
SELECT (paid.redeem(c, 100, 'cart', pays_for => c::text)).balance FROM generate_series(1, 2) c;
SELECT customer, lots FROM paid.ledger WHERE order_key = 'cart' ORDER BY 1;
SELECT t_returned.has(1), t_returned.has(2);
-- 40.00 are refunded: 30 to "points", 10 to "promo", those that expire last: 50 and 10
UPDATE t_returned.carts SET total = 60 WHERE id = 2;
CALL loyalty.post('paid');
UPDATE t_returned.carts SET total = 60 WHERE id = 1;
SELECT t_returned.has(1), t_returned.has(2);
SELECT * FROM loyalty.verify('paid');
SELECT clock_timestamp() AS between_them \gset
-- 50.00 more: 10 and 20 to "promo", and 20 to "gift"
UPDATE t_returned.carts SET total = 10 WHERE id IN (1, 2);
SELECT t_returned.has(1), t_returned.has(2);
SELECT kind, order_key, points_change, lots FROM paid.unposted WHERE kind = 'return' AND customer = 1 ORDER BY entry;
SELECT * FROM loyalty.verify('paid');
-- what they had in between: "points" 50, "promo" 10
SELECT c AS id, l.wallet, l.expires_at, l.points FROM generate_series(1, 2) c CROSS JOIN LATERAL paid.lots_at(c, :'between_them') l ORDER BY 1, 2;
SELECT (paid.member_at(c, :'between_them')).points FROM generate_series(1, 2) c;
CALL loyalty.post('paid');
SELECT t_returned.has(1), t_returned.has(2);
SELECT customer, revision, points_change, order_points, lots FROM paid.ledger WHERE kind = 'return' ORDER BY 1, 2;
SELECT c AS id, l.wallet, l.expires_at, l.points FROM generate_series(1, 2) c CROSS JOIN LATERAL paid.lots_at(c, :'between_them') l ORDER BY 1, 2;
SELECT * FROM loyalty.verify('paid');
-- the last 10 by a call or with the order: to "gift"
SELECT (paid.reverse(1, 'cart')).points;
DELETE FROM t_returned.carts WHERE id IN (1, 2);
SELECT t_returned.has(1), t_returned.has(2);
SELECT * FROM loyalty.verify('paid');

-- What is owed is repaid first.  10 until January, 10 and 4 of an order until February all pay for an order of 24.00; the 4 are taken
-- back, and owed.  Of 10 that come back to February, 6 are left, and of the next 10, 8 go there, since so many of it are
-- missing, and 2 to January: 14 and 2; then the last 4 to January.  Again, nothing of customer 3 is posted in between, and all of customer 4.
UPDATE paid.wallet SET expires = $$'2126-01-01'$$ WHERE wallet = 1;
SELECT (paid.grant_points(c, 10, 'w1')).balance FROM generate_series(3, 4) c;
UPDATE paid.wallet SET expires = $$'2126-02-01'$$ WHERE wallet = 1;
SELECT (paid.grant_points(c, 10, 'w2')).balance FROM generate_series(3, 4) c;
INSERT INTO t_returned.carts SELECT c, c, '2026-01-01', 24 FROM generate_series(3, 4) c;
INSERT INTO t_returned.carts SELECT c + 10, c, '2026-01-01', 1 FROM generate_series(3, 4) c;
SELECT (paid.redeem(c, 24, 'cart', pays_for => c::text)).balance FROM generate_series(3, 4) c;
DELETE FROM t_returned.carts WHERE id IN (13, 14);
SELECT id, points FROM paid.members WHERE id IN (3, 4) ORDER BY 1;
UPDATE t_returned.carts SET total = 14 WHERE id = 4;
CALL loyalty.post('paid');
UPDATE t_returned.carts SET total = 14 WHERE id = 3;
SELECT t_returned.has(3), t_returned.has(4);
UPDATE t_returned.carts SET total = 4 WHERE id IN (3, 4);
SELECT t_returned.has(3), t_returned.has(4);
SELECT * FROM loyalty.verify('paid');
CALL loyalty.post('paid');
SELECT t_returned.has(3), t_returned.has(4);
DELETE FROM t_returned.carts WHERE id IN (3, 4);
SELECT t_returned.has(3), t_returned.has(4);
SELECT * FROM loyalty.verify('paid');
UPDATE paid.wallet SET expires = NULL WHERE wallet = 1;

-- The order of the wallets is that of the terms of the order that is refunded: 30 of "gift", 20 of "promo" and 10 of "points" were taken.
-- Points are spent before "promo" now, and that before "gift"; but of 30, 10 come back to "points", and 20 to "promo"
SELECT (paid.grant_points(5, 30, 'g', wallet => 'gift')).balance, (paid.grant_points(5, 20, 'p', wallet => 'promo')).balance, (paid.grant_points(5, 50, 'w')).balance;
INSERT INTO t_returned.carts VALUES (5, 5, '2026-01-01', 10);
SELECT (paid.redeem(5, 60, 'cart', pays_for => '5')).balance;
UPDATE paid.wallet SET redeem_order = -redeem_order WHERE wallet > 1;
UPDATE t_returned.carts SET total = 5 WHERE id = 5;
SELECT t_returned.has(5);
SELECT * FROM loyalty.verify('paid');
CALL loyalty.post('paid');
SELECT t_returned.has(5);
SELECT * FROM loyalty.verify('paid');
-- A wallet that the terms of the order do not know: the order of wallets is that of the call.  5 of "new" and then 50 of "points" are taken, and of 55 come back 11, all to "points"
INSERT INTO t_returned.carts VALUES (6, 6, '2026-01-01', 10);
INSERT INTO paid.wallet (name, redeem_order) VALUES ('new', -9);
SELECT (paid.grant_points(6, 50, 'w')).balance, (paid.grant_points(6, 5, 'n', wallet => 'new')).balance;
SELECT (paid.redeem(6, 55, 'cart', pays_for => '6')).balance;
UPDATE t_returned.carts SET total = 8 WHERE id = 6;
SELECT t_returned.has(6);
SELECT * FROM loyalty.verify('paid');
-- So does what a call takes back: 10 of "points" and 10 of "gift" were taken, and 5 come back to "gift"
SELECT (paid.grant_points(7, 10, 'g', wallet => 'gift')).balance, (paid.grant_points(7, 10, 'w')).balance;
SELECT (paid.redeem(7, 20, 'cart')).balance, (paid.reverse(7, 'cart', 5, 'back')).balance;
SELECT t_returned.has(7);

-- Planted: 30 of customer 2 came back to "promo" first, when 30 of "points" were missing; the sums are right
CALL loyalty.post('paid');
ALTER TABLE paid.ledger DISABLE TRIGGER USER;
BEGIN;
UPDATE paid.ledger SET lots = '{wallet 2: 20 until 2126-01-01, wallet 2: 20 until 2126-02-01}' WHERE customer = 2 AND kind = 'return' AND revision = 2;
UPDATE paid.ledger SET lots = '{wallet 3: 20}' WHERE customer = 2 AND kind = 'return' AND revision = 3;
SELECT violation, detail FROM loyalty.verify('paid') WHERE order_key IS NOT NULL ORDER BY 1, 2;
ROLLBACK;
-- and 5 of customer 7 to "points", when 10 of "gift" were missing
BEGIN;
UPDATE paid.ledger SET lots = NULL WHERE customer = 7 AND order_key = 'back';
SELECT violation, detail FROM loyalty.verify('paid') WHERE order_key IS NOT NULL ORDER BY 1, 2;
ROLLBACK;
ALTER TABLE paid.ledger ENABLE TRIGGER USER;
SELECT * FROM loyalty.verify('paid');
SELECT loyalty.drop_program('paid', force => true);
DROP SCHEMA t_returned CASCADE;
