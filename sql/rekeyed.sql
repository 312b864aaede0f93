-- Orders that get another key, under terms that forgive what a refund does not find: the entry by which
-- they end and the one by which they begin are one change, so that nothing is forgiven that is given
-- again.  Expected values are worked out by hand.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, MDY';
CREATE SCHEMA t_rekeyed;
CREATE TABLE t_rekeyed.customers (id int PRIMARY KEY);
INSERT INTO t_rekeyed.customers SELECT generate_series(1, 120);
CREATE TABLE t_rekeyed.orders (id int PRIMARY KEY, customer int, total numeric, paid boolean DEFAULT true,
	at timestamptz DEFAULT '2026-01-01');
-- of these, two can exchange their keys
CREATE TABLE t_rekeyed.swaps (id int PRIMARY KEY DEFERRABLE, customer int, total numeric,
	at timestamptz DEFAULT '2026-01-01');
SELECT loyalty.create_program('club', customers => 't_rekeyed.customers', time_zone => 'UTC');
UPDATE club.program SET refund_shortfall = 'forgive';
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
SELECT loyalty.track_orders('club', 't_rekeyed.orders', customer => 'customer', at => 'at', amount => 'total',
	counts_when => 'paid');
SELECT loyalty.track_orders('club', 't_rekeyed.swaps', customer => 'customer', at => 'at', amount => 'total');
CREATE FUNCTION t_rekeyed.spend(customer int, points numeric) RETURNS void LANGUAGE sql AS $$
	SELECT club.redeem(customer, points, 'spent-' || customer || '-' || points)
$$;
-- tells what is not as it should be: all points of a customer, and those that are forgiven of orders
CREATE FUNCTION t_rekeyed.wrong(whose int, points numeric, forgiven numeric)
RETURNS TABLE (customer int, "points are" numeric, "should be" numeric, "forgiven are" numeric, "should be forgiven" numeric)
LANGUAGE sql AS $$
	SELECT whose, m.points, wrong.points, f.forgiven, wrong.forgiven
	  FROM club.members m
	 CROSS JOIN (SELECT coalesce(sum(e.forgiven), 0) AS forgiven
	               FROM (SELECT DISTINCT ON (e.recorded_for, e.tracked_table, e.order_key) e.forgiven FROM club.entries e
	                      WHERE e.id = whose AND e.kind = 'order'
	                      ORDER BY e.recorded_for, e.tracked_table, e.order_key, e.revision DESC) e) f
	 WHERE m.id = whose AND (m.points, f.forgiven) IS DISTINCT FROM (wrong.points, wrong.forgiven)
$$;
\set verify 'SELECT * FROM loyalty.verify(''club'');'

-- 1. 100 earned and spent: a key that is sorted behind the old one, and one before it, and both once more
-- after posting.  Nothing changes
INSERT INTO t_rekeyed.orders VALUES (5, 1, 100);
SELECT t_rekeyed.spend(1, 100);
UPDATE t_rekeyed.orders SET id = 6 WHERE id = 5;
SELECT * FROM t_rekeyed.wrong(1, 0, 0);
UPDATE t_rekeyed.orders SET id = 4 WHERE id = 6;
SELECT * FROM t_rekeyed.wrong(1, 0, 0);
:verify
CALL loyalty.post('club');
UPDATE t_rekeyed.orders SET id = 5 WHERE id = 4;
CALL loyalty.post('club');
UPDATE t_rekeyed.orders SET id = 3 WHERE id = 5;
CALL loyalty.post('club');
SELECT * FROM t_rekeyed.wrong(1, 0, 0);
:verify
-- the two halves of a change are in the ledger as what they are
SELECT order_key, revision, points, forgiven, came_from, balance FROM club.entries WHERE id = 1 ORDER BY entry;

-- 2. the key and the amount at once: 60 less, of which none are there
UPDATE t_rekeyed.orders SET id = 7, total = 40 WHERE id = 3;
SELECT * FROM t_rekeyed.wrong(1, 0, 60);
-- 50 more, of which 50 were forgiven; by a key that it had before
UPDATE t_rekeyed.orders SET id = 5, total = 90 WHERE id = 7;
SELECT * FROM t_rekeyed.wrong(1, 0, 10);
:verify
CALL loyalty.post('club');
-- 30 more, of which 10 were forgiven
UPDATE t_rekeyed.orders SET total = 120 WHERE id = 5;
SELECT * FROM t_rekeyed.wrong(1, 20, 0);
-- 80 less, of which 20 are there
UPDATE t_rekeyed.orders SET id = 6, total = 40 WHERE id = 5;
SELECT * FROM t_rekeyed.wrong(1, 0, 60);
-- and its time, which is before that of all others, and then behind
UPDATE t_rekeyed.orders SET id = 9, total = 50, at = '2025-01-01' WHERE id = 6;
UPDATE t_rekeyed.orders SET id = 8, at = '2026-06-01' WHERE id = 9;
SELECT * FROM t_rekeyed.wrong(1, 0, 50);
:verify
CALL loyalty.post('club');
:verify

-- 3. an order that does not count keeps what was forgiven of it, by whatever key: of 100, 10 are there and 90
-- are forgiven; 100 more settle these
INSERT INTO t_rekeyed.orders VALUES (20, 2, 100);
SELECT t_rekeyed.spend(2, 90);
UPDATE t_rekeyed.orders SET id = 21, paid = false WHERE id = 20;
SELECT * FROM t_rekeyed.wrong(2, 0, 90);
UPDATE t_rekeyed.orders SET id = 22 WHERE id = 21;
UPDATE t_rekeyed.orders SET id = 20 WHERE id = 22;
SELECT * FROM t_rekeyed.wrong(2, 0, 90);
:verify
CALL loyalty.post('club');
UPDATE t_rekeyed.orders SET id = 22 WHERE id = 20;
UPDATE t_rekeyed.orders SET paid = true WHERE id = 22;
SELECT * FROM t_rekeyed.wrong(2, 10, 0);
UPDATE t_rekeyed.orders SET id = 20, paid = false WHERE id = 22;
UPDATE t_rekeyed.orders SET id = 22, paid = true WHERE id = 20;
SELECT * FROM t_rekeyed.wrong(2, 10, 0);
:verify
CALL loyalty.post('club');
:verify

-- 4. from key to key in one transaction, up and down and back, with other amounts on the way: of 100, 70 are
-- spent, and 80 less take 30 and forgive 50; then 80 more settle 50
INSERT INTO t_rekeyed.orders VALUES (30, 3, 100), (39, 4, 100);
SELECT t_rekeyed.spend(3, 70), t_rekeyed.spend(4, 70);
BEGIN;
UPDATE t_rekeyed.orders SET id = 31, total = 20 WHERE id = 30;
UPDATE t_rekeyed.orders SET id = 32, total = 100 WHERE id = 31;
UPDATE t_rekeyed.orders SET id = 38, total = 20 WHERE id = 39;
UPDATE t_rekeyed.orders SET id = 37 WHERE id = 38;
UPDATE t_rekeyed.orders SET id = 38 WHERE id = 37;
UPDATE t_rekeyed.orders SET id = 36, total = 100 WHERE id = 38;
UPDATE t_rekeyed.orders SET id = 39 WHERE id = 36;
COMMIT;
SELECT * FROM t_rekeyed.wrong(3, 30, 0);
SELECT * FROM t_rekeyed.wrong(4, 30, 0);
:verify
CALL loyalty.post('club');
SELECT * FROM t_rekeyed.wrong(3, 30, 0);
SELECT * FROM t_rekeyed.wrong(4, 30, 0);
:verify
-- and one that is made, spent and changed in one transaction, beside another one: of 100 and 50, 130 are spent, and
-- 90 less take 20 and forgive 70
BEGIN;
INSERT INTO t_rekeyed.orders VALUES (49, 5, 100);
UPDATE t_rekeyed.orders SET id = 48 WHERE id = 49;
INSERT INTO t_rekeyed.orders VALUES (45, 5, 50);
SELECT t_rekeyed.spend(5, 130);
UPDATE t_rekeyed.orders SET id = 47, total = 10 WHERE id = 48;
UPDATE t_rekeyed.orders SET id = 46 WHERE id = 47;
COMMIT;
SELECT * FROM t_rekeyed.wrong(5, 0, 70);
:verify
CALL loyalty.post('club');
:verify

-- 5. two orders exchange their keys: of 150, 25 are there
INSERT INTO t_rekeyed.swaps VALUES (50, 6, 100), (51, 6, 50);
SELECT t_rekeyed.spend(6, 125);
UPDATE t_rekeyed.swaps SET id = 101 - id WHERE customer = 6;
SELECT * FROM t_rekeyed.wrong(6, 25, 0);
:verify
-- one of them is worth 40 less, the other one 30: 25 are taken and 45 forgiven
UPDATE t_rekeyed.swaps SET id = 101 - id, total = CASE id WHEN 51 THEN 60 ELSE 20 END WHERE customer = 6;
SELECT * FROM t_rekeyed.wrong(6, 0, 45);
:verify
CALL loyalty.post('club');
-- worth as much as at first again, by other keys: the 25 that were taken
UPDATE t_rekeyed.swaps SET id = 101 - id, total = CASE id WHEN 50 THEN 100 ELSE 50 END WHERE customer = 6;
SELECT * FROM t_rekeyed.wrong(6, 25, 0);
:verify
CALL loyalty.post('club');
:verify
-- three change in a ring, and one goes to a key that nobody had while another takes its own: of 60, all are spent, and
-- the first one is worth 4 less
INSERT INTO t_rekeyed.swaps VALUES (60, 7, 10), (61, 7, 20), (62, 7, 30);
SELECT t_rekeyed.spend(7, 60);
UPDATE t_rekeyed.swaps SET id = CASE id WHEN 60 THEN 61 WHEN 61 THEN 62 ELSE 60 END WHERE customer = 7;
SELECT * FROM t_rekeyed.wrong(7, 0, 0);
UPDATE t_rekeyed.swaps SET id = id + 1, total = total - CASE id WHEN 61 THEN 4 ELSE 0 END WHERE customer = 7;
SELECT * FROM t_rekeyed.wrong(7, 0, 4);
:verify
CALL loyalty.post('club');
:verify

-- 6. a key of an order that is gone, of which 50 were forgiven: the other one's points stay, and what is given more settles
-- those
INSERT INTO t_rekeyed.orders VALUES (70, 8, 50);
SELECT t_rekeyed.spend(8, 50);
DELETE FROM t_rekeyed.orders WHERE id = 70;
INSERT INTO t_rekeyed.orders VALUES (71, 8, 100);
UPDATE t_rekeyed.orders SET id = 70 WHERE id = 71;
SELECT * FROM t_rekeyed.wrong(8, 100, 50);
UPDATE t_rekeyed.orders SET total = 160 WHERE id = 70;
SELECT * FROM t_rekeyed.wrong(8, 110, 0);
:verify
CALL loyalty.post('club');
:verify

-- 7. who owes points of orders by other terms owes them still: 30, whatever becomes of the key of an order
UPDATE club.program SET refund_shortfall = 'owe';
INSERT INTO t_rekeyed.orders VALUES (80, 9, 30);
UPDATE club.program SET refund_shortfall = 'forgive';
INSERT INTO t_rekeyed.orders VALUES (81, 9, 100);
SELECT t_rekeyed.spend(9, 130);
DELETE FROM t_rekeyed.orders WHERE id = 80;
SELECT * FROM t_rekeyed.wrong(9, -30, 0);
UPDATE t_rekeyed.orders SET id = 79 WHERE id = 81;
UPDATE t_rekeyed.orders SET id = 82 WHERE id = 79;
SELECT * FROM t_rekeyed.wrong(9, -30, 0);
UPDATE t_rekeyed.orders SET id = 78, total = 40 WHERE id = 82;
SELECT * FROM t_rekeyed.wrong(9, -30, 60);
:verify
CALL loyalty.post('club');
:verify

-- 8. another customer: it is his order, so he has its points; who had it loses them, and what is spent is forgiven.  If it
-- comes back, the one who had it is given what was taken, which is nothing, and the other one's are taken
INSERT INTO t_rekeyed.orders VALUES (90, 10, 100);
SELECT t_rekeyed.spend(10, 100);
UPDATE t_rekeyed.orders SET customer = 11 WHERE id = 90;
SELECT * FROM t_rekeyed.wrong(10, 0, 100);
SELECT * FROM t_rekeyed.wrong(11, 100, 0);
UPDATE t_rekeyed.orders SET customer = 10 WHERE id = 90;
SELECT * FROM t_rekeyed.wrong(10, 0, 0);
SELECT * FROM t_rekeyed.wrong(11, 0, 0);
UPDATE t_rekeyed.orders SET customer = 11, id = 91 WHERE id = 90;
SELECT * FROM t_rekeyed.wrong(11, 100, 0);
:verify
CALL loyalty.post('club');
:verify

-- 9. customers who were merged have one account: orders of the one that get the key of the other are no other customer's
INSERT INTO t_rekeyed.orders VALUES (110, 12, 100), (111, 12, 100);
SELECT t_rekeyed.spend(12, 200);
SELECT (club.merge(12, 13, 'merged')).balance;
UPDATE t_rekeyed.orders SET customer = 13 WHERE id = 110;
UPDATE t_rekeyed.orders SET customer = 13, id = 112, total = 70 WHERE id = 111;
SELECT * FROM t_rekeyed.wrong(13, 0, 30);
:verify
CALL loyalty.post('club');
SELECT * FROM t_rekeyed.wrong(13, 0, 30);
UPDATE t_rekeyed.orders SET customer = 12, id = 113 WHERE id = 110;
UPDATE t_rekeyed.orders SET id = 114 WHERE id = 113;
SELECT * FROM t_rekeyed.wrong(13, 0, 30);
:verify
CALL loyalty.post('club');
:verify
-- to forget one of them changes no number
SELECT (club.erase(12, 98, orders_follow => true)) > 0 AS erased;
UPDATE t_rekeyed.orders SET customer = 98 WHERE customer = 12;
SELECT * FROM t_rekeyed.wrong(13, 0, 30);
:verify

-- 10. keys that foreign keys hand down to several columns, and partitions
CREATE TABLE t_rekeyed.shops (id int PRIMARY KEY);
INSERT INTO t_rekeyed.shops VALUES (1), (2);
CREATE TABLE t_rekeyed.sales (shop int REFERENCES t_rekeyed.shops ON UPDATE CASCADE, till int REFERENCES t_rekeyed.shops ON UPDATE CASCADE, number int,
	customer int, total numeric, at timestamptz DEFAULT '2026-01-01', PRIMARY KEY (shop, till, number)) PARTITION BY RANGE (number);
CREATE TABLE t_rekeyed.sales_1 PARTITION OF t_rekeyed.sales FOR VALUES FROM (0) TO (100);
CREATE TABLE t_rekeyed.sales_2 PARTITION OF t_rekeyed.sales FOR VALUES FROM (100) TO (200);
SELECT loyalty.track_orders('club', 't_rekeyed.sales', customer => 'customer', at => 'at', amount => 'total', order_key => $$shop::text || '/' || till::text || '/' || number::text$$);
INSERT INTO t_rekeyed.sales VALUES (1, 1, 1, 14, 100), (1, 2, 2, 14, 100), (2, 2, 3, 15, 100);
SELECT t_rekeyed.spend(14, 200), t_rekeyed.spend(15, 90);
UPDATE t_rekeyed.shops SET id = 3 WHERE id = 1;
SELECT * FROM t_rekeyed.wrong(14, 0, 0);
UPDATE t_rekeyed.sales SET number = number + 100;
UPDATE t_rekeyed.shops SET id = id - 2 WHERE id = 3;
SELECT * FROM t_rekeyed.wrong(14, 0, 0);
SELECT * FROM t_rekeyed.wrong(15, 10, 0);
UPDATE t_rekeyed.sales_2 SET number = 150, total = 60 WHERE customer = 15;
SELECT * FROM t_rekeyed.wrong(15, 0, 30);
:verify
CALL loyalty.post('club');
:verify

-- 11. orders of lines, which follow their order: 100 of two lines, all spent; with a line of 40 gone, nothing is there
CREATE TABLE t_rekeyed.carts (id int PRIMARY KEY, customer int, at timestamptz DEFAULT '2026-01-01');
CREATE TABLE t_rekeyed.lines (cart int REFERENCES t_rekeyed.carts ON UPDATE CASCADE, amount numeric);
CREATE INDEX ON t_rekeyed.lines (cart);
SELECT loyalty.track_orders('club', 't_rekeyed.carts', customer => 'customer', at => 'at', lines => 't_rekeyed.lines', line_order => 'cart', line_amount => 'amount');
INSERT INTO t_rekeyed.carts VALUES (5, 16);
INSERT INTO t_rekeyed.lines VALUES (5, 60), (5, 40);
SELECT t_rekeyed.spend(16, 100);
UPDATE t_rekeyed.carts SET id = 6;
UPDATE t_rekeyed.carts SET id = 4;
SELECT * FROM t_rekeyed.wrong(16, 0, 0);
:verify
CALL loyalty.post('club');
DELETE FROM t_rekeyed.lines WHERE amount = 40;
UPDATE t_rekeyed.carts SET id = 7;
SELECT * FROM t_rekeyed.wrong(16, 0, 40);
INSERT INTO t_rekeyed.lines VALUES (7, 50);
SELECT * FROM t_rekeyed.wrong(16, 10, 0);
:verify
CALL loyalty.post('club');
:verify

-- 12. what a tracked table is said to mean: keys of orders that are spent get a letter
CREATE TABLE t_rekeyed.books (id int PRIMARY KEY, customer int, total numeric, at timestamptz DEFAULT '2026-01-01');
SELECT loyalty.track_orders('club', 't_rekeyed.books', customer => 'customer', at => 'at', amount => 'total');
INSERT INTO t_rekeyed.books VALUES (5, 17, 100);
SELECT t_rekeyed.spend(17, 100);
SELECT loyalty.alter_orders('club', 't_rekeyed.books', order_key => $$'B' || id::text$$);
SELECT * FROM t_rekeyed.wrong(17, 0, 0);
UPDATE t_rekeyed.books SET id = 4;
SELECT * FROM t_rekeyed.wrong(17, 0, 0);
SELECT order_key, revision, points, came_from FROM club.entries WHERE id = 17 AND kind = 'order' ORDER BY entry;
:verify

-- 13. dated points stay what they are: of an order 60 that are spent, of another one 60 that wait, and the key of the first one
-- changes.  In a program that lets owe, too
SELECT loyalty.create_program(p, customers => 't_rekeyed.customers', time_zone => 'UTC') FROM unnest('{dated,owing}'::name[]) p;
UPDATE dated.program SET refund_shortfall = 'forgive';
UPDATE dated.wallet SET available_after = '3 days', expires = $$earned_on + interval '100 years'$$;
UPDATE owing.wallet SET available_after = '3 days', expires = $$earned_on + interval '100 years'$$;
INSERT INTO dated.earning_rule (name, points) VALUES ('one', 'amount');
INSERT INTO owing.earning_rule (name, points) VALUES ('one', 'amount');
CREATE TABLE t_rekeyed.dated (id int PRIMARY KEY, customer int, total numeric, at timestamptz);
SELECT loyalty.track_orders(p, 't_rekeyed.dated', customer => 'customer', at => 'at', amount => 'total') FROM unnest('{dated,owing}'::name[]) p;
INSERT INTO t_rekeyed.dated VALUES (1, 1, 60, '2026-01-01'), (2, 1, 60, '2099-01-01');
SELECT (dated.redeem(1, 60, 'spent')).balance, (owing.redeem(1, 60, 'spent')).balance;
UPDATE t_rekeyed.dated SET id = 3 WHERE id = 1;
UPDATE t_rekeyed.dated SET id = 0 WHERE id = 3;
SELECT order_key, revision, points, lots FROM dated.entries WHERE id = 1 AND kind = 'order' ORDER BY entry;
SELECT points, available_at, expires_at FROM dated.lots WHERE id = 1;
SELECT points, available_at, expires_at FROM owing.lots WHERE id = 1;
SELECT * FROM loyalty.verify('dated');
SELECT * FROM loyalty.verify('owing');
CALL loyalty.post('dated');
CALL loyalty.post('owing');
-- with another time, what is left goes along; with 70 less, 60 are taken, and 10 forgiven, or owed
UPDATE t_rekeyed.dated SET id = 4, at = '2099-02-01' WHERE id = 2;
SELECT points, available_at, expires_at FROM dated.lots WHERE id = 1;
UPDATE t_rekeyed.dated SET id = 1, total = 50 WHERE id = 0;
UPDATE t_rekeyed.dated SET id = 2, total = 0 WHERE id = 4;
SELECT m.points AS forgiving, o.points AS owing FROM dated.members m JOIN owing.members o USING (id) WHERE id = 1;
SELECT order_key, points, forgiven, lots FROM dated.entries WHERE id = 1 AND kind = 'order' AND order_key IN ('1', '2') AND counts ORDER BY entry DESC LIMIT 2;
SELECT * FROM loyalty.verify('dated');
SELECT * FROM loyalty.verify('owing');
CALL loyalty.post('dated');
CALL loyalty.post('owing');
SELECT * FROM loyalty.verify('dated');
SELECT * FROM loyalty.verify('owing');

-- 14. an order on a key that another one had goes on by its own terms, tier, rate and rules.  In keyed, nothing is forgiven
SELECT loyalty.create_program('keyed', customers => 't_rekeyed.customers', time_zone => 'UTC');
INSERT INTO keyed.tier (name, rank, multiplier, qualifies) VALUES ('gold', 1, 2, 'spend >= 300');
INSERT INTO keyed.exchange_rate VALUES ('EUR', '-infinity', 1), ('USD', '2020-01-01', 0.5);
INSERT INTO keyed.earning_rule (name, points) VALUES ('one', 'amount');
CREATE TABLE t_rekeyed.keyed (id int PRIMARY KEY DEFERRABLE, customer int, total numeric, currency text DEFAULT 'EUR', at timestamptz DEFAULT '2026-01-01');
SELECT loyalty.track_orders('keyed', 't_rekeyed.keyed', customer => 'customer', at => 'at', amount => 'total', currency => 'currency');
CREATE FUNCTION t_rekeyed.wrong_keyed(whose int, points numeric, keys text) RETURNS TABLE (customer int, points_are numeric, should_be numeric, keys_are text)
LANGUAGE sql AS $$
	SELECT whose, m.points, wrong_keyed.points, k.keys
	  FROM keyed.members m CROSS JOIN (SELECT string_agg(o.order_key || '=' || o.points, ' ' ORDER BY o.order_key) AS keys FROM keyed.order_points o WHERE o.id = whose) k
	 WHERE m.id = whose AND (m.points, k.keys) IS DISTINCT FROM (wrong_keyed.points, wrong_keyed.keys)
$$;
\set verify_keyed 'SELECT * FROM loyalty.verify(''keyed'');'
-- 100 times 1 on key 1, which is gone; 100 times 2 on key 2, which gets key 1
INSERT INTO t_rekeyed.keyed VALUES (1, 20, 100), (201, 120, 100);
DELETE FROM t_rekeyed.keyed;
UPDATE keyed.earning_rule SET points = 'amount * 2';
INSERT INTO t_rekeyed.keyed VALUES (2, 20, 100);
UPDATE t_rekeyed.keyed SET id = 1 WHERE id = 2;
SELECT * FROM t_rekeyed.wrong_keyed(20, 200, '1=200');
:verify_keyed
CALL loyalty.post('keyed');
UPDATE t_rekeyed.keyed SET total = 110 WHERE id = 1;
SELECT * FROM t_rekeyed.wrong_keyed(20, 220, '1=220');
:verify_keyed
-- 100 times 2 and 100 times 3 exchange their keys, which stand alike; then one of them goes, and the other one is worth 50
INSERT INTO t_rekeyed.keyed VALUES (3, 21, 100);
UPDATE keyed.earning_rule SET points = 'amount * 3';
INSERT INTO t_rekeyed.keyed VALUES (4, 21, 100);
UPDATE t_rekeyed.keyed SET id = 7 - id WHERE customer = 21;
SELECT * FROM t_rekeyed.wrong_keyed(21, 500, '3=300 4=200');
:verify_keyed
CALL loyalty.post('keyed');
UPDATE t_rekeyed.keyed SET id = 7 - id WHERE customer = 21;
SELECT * FROM t_rekeyed.wrong_keyed(21, 500, '3=200 4=300');
DELETE FROM t_rekeyed.keyed WHERE id = 4;
UPDATE t_rekeyed.keyed SET total = 50 WHERE id = 3;
SELECT * FROM t_rekeyed.wrong_keyed(21, 100, '3=100');
:verify_keyed
CALL loyalty.post('keyed');
:verify_keyed
-- 300 before gold and 300 with it: 900 and 1800.  They exchange their keys, and each goes on at its own tier
INSERT INTO t_rekeyed.keyed VALUES (10, 22, 300);
INSERT INTO t_rekeyed.keyed VALUES (11, 22, 300, 'EUR', '2026-01-02');
UPDATE t_rekeyed.keyed SET id = 21 - id WHERE customer = 22;
SELECT * FROM t_rekeyed.wrong_keyed(22, 2700, '10=1800 11=900');
:verify_keyed
CALL loyalty.post('keyed');
UPDATE t_rekeyed.keyed SET total = 100 WHERE customer = 22;
SELECT * FROM t_rekeyed.wrong_keyed(22, 900, '10=600 11=300');
UPDATE t_rekeyed.keyed SET id = 21 - id WHERE customer = 22;
SELECT * FROM t_rekeyed.wrong_keyed(22, 900, '10=300 11=600');
:verify_keyed
-- and of these, one that is gone, whose key gets one of before it
DELETE FROM t_rekeyed.keyed WHERE id = 11;
UPDATE t_rekeyed.keyed SET id = 11 WHERE id = 10;
SELECT * FROM t_rekeyed.wrong_keyed(22, 300, '11=300');
CALL loyalty.post('keyed');
SELECT * FROM t_rekeyed.wrong_keyed(22, 300, '11=300');
:verify_keyed
-- 100 dollars at 0.5 times 3 and 100 euros times 3 exchange their keys; a rate that is in force by now changes neither
INSERT INTO t_rekeyed.keyed VALUES (20, 23, 100, 'USD'), (21, 23, 100, 'EUR');
INSERT INTO keyed.exchange_rate VALUES ('USD', '2025-12-01', 0.25);
INSERT INTO t_rekeyed.keyed VALUES (22, 23, 100, 'USD');
SELECT * FROM t_rekeyed.wrong_keyed(23, 525, '20=150 21=300 22=75');
UPDATE t_rekeyed.keyed SET id = CASE id WHEN 20 THEN 22 WHEN 22 THEN 21 ELSE 20 END WHERE customer = 23;
SELECT * FROM t_rekeyed.wrong_keyed(23, 525, '20=300 21=75 22=150');
:verify_keyed
CALL loyalty.post('keyed');
UPDATE t_rekeyed.keyed SET total = 200 WHERE customer = 23;
SELECT * FROM t_rekeyed.wrong_keyed(23, 1050, '20=600 21=150 22=300');
:verify_keyed
-- another customer had that key, by other terms; the order goes to him, with its own, and there on another key
INSERT INTO t_rekeyed.keyed VALUES (201, 24, 100);
UPDATE t_rekeyed.keyed SET customer = 120 WHERE id = 201;
SELECT * FROM t_rekeyed.wrong_keyed(24, 0, NULL);
SELECT sum(points) AS "should be 300" FROM keyed.order_points WHERE order_key = '201';
UPDATE t_rekeyed.keyed SET customer = 24, id = 202 WHERE id = 201;
SELECT * FROM t_rekeyed.wrong_keyed(24, 300, '202=300');
:verify_keyed
CALL loyalty.post('keyed');
:verify_keyed
-- an order that does not count for now takes its terms along to a key that nobody has any more, by whose terms it would be worth 100
INSERT INTO t_rekeyed.keyed VALUES (31, 25, 100);
UPDATE keyed.earning_rule SET points = 'amount';
INSERT INTO t_rekeyed.keyed VALUES (32, 25, 100);
DELETE FROM t_rekeyed.keyed WHERE id = 32;
UPDATE t_rekeyed.keyed SET at = NULL WHERE id = 31;
UPDATE t_rekeyed.keyed SET id = 32 WHERE id = 31;
SELECT * FROM t_rekeyed.wrong_keyed(25, 0, NULL);
UPDATE t_rekeyed.keyed SET at = '2026-01-03' WHERE id = 32;
SELECT * FROM t_rekeyed.wrong_keyed(25, 300, '32=300');
:verify_keyed
CALL loyalty.post('keyed');
:verify_keyed
-- limits: 50 in all, of which the first one has 40 and the other one 10.  The room of each is its own
DELETE FROM keyed.earning_rule;
INSERT INTO keyed.earning_rule (name, points, member_limit) VALUES ('some', 'amount', 50);
INSERT INTO t_rekeyed.keyed VALUES (41, 26, 40);
INSERT INTO t_rekeyed.keyed VALUES (42, 26, 40, 'EUR', '2026-01-02');
SELECT * FROM t_rekeyed.wrong_keyed(26, 50, '41=40 42=10');
UPDATE t_rekeyed.keyed SET id = 83 - id WHERE customer = 26;
SELECT * FROM t_rekeyed.wrong_keyed(26, 50, '41=10 42=40');
:verify_keyed
UPDATE t_rekeyed.keyed SET total = 5 WHERE id = 41;
UPDATE t_rekeyed.keyed SET total = 100 WHERE id = 42;
SELECT * FROM t_rekeyed.wrong_keyed(26, 50, '41=5 42=45');
CALL loyalty.post('keyed');
UPDATE t_rekeyed.keyed SET id = 83 - id WHERE customer = 26;
UPDATE t_rekeyed.keyed SET total = 20 WHERE id = 41;
SELECT * FROM t_rekeyed.wrong_keyed(26, 25, '41=20 42=5');
-- no more than the room of 10 with which it began
UPDATE t_rekeyed.keyed SET total = 60 WHERE id = 42;
SELECT * FROM t_rekeyed.wrong_keyed(26, 30, '41=20 42=10');
:verify_keyed
CALL loyalty.post('keyed');
:verify_keyed
-- other terms than it had there are found
ALTER TABLE keyed.ledger DISABLE TRIGGER append_only;
BEGIN;
UPDATE keyed.ledger SET terms = (SELECT max(version) FROM keyed.terms) WHERE order_key = '1' AND came_from = '2';
SELECT DISTINCT violation, customer, order_key FROM loyalty.verify('keyed') WHERE violation LIKE '%key%' OR violation LIKE '%terms%' ORDER BY 1, 2, 3;
ROLLBACK;
ALTER TABLE keyed.ledger ENABLE TRIGGER append_only;

-- 15. faults that are planted are found: a key that an order did not have, no key, other points, and lots that went along
CALL loyalty.post('club');
ALTER TABLE club.ledger DISABLE TRIGGER append_only;
ALTER TABLE dated.ledger DISABLE TRIGGER append_only;
\set found 'SELECT DISTINCT violation, customer, order_key FROM loyalty.verify(''club'') ORDER BY 1, 2, 3;'
BEGIN;
UPDATE club.ledger SET came_from = '1234' WHERE customer = 1 AND order_key = '6' AND came_from = '5' AND revision = 1;
:found
ROLLBACK;
BEGIN;
UPDATE club.ledger SET came_from = NULL, came_revision = NULL, came_over = NULL WHERE customer = 1 AND order_key = '6' AND came_from = '5' AND revision = 1;
:found
ROLLBACK;
BEGIN;
UPDATE club.ledger SET came_over = true WHERE customer = 1 AND order_key = '6' AND came_from = '5' AND revision = 1;
:found
ROLLBACK;
BEGIN;
-- 60 were forgiven, and here are 50 of them, with 10 that are owed
UPDATE club.ledger SET forgiven = 50, order_points = 90, points_change = 90 WHERE customer = 1 AND order_key = '7' AND came_from = '3';
:found
ROLLBACK;
BEGIN;
UPDATE dated.ledger SET lots = loyalty.lots_of(-60, '2099-01-04', '2199-01-01') WHERE customer = 1 AND order_key = '3' AND revision = 2;
SELECT DISTINCT violation, order_key FROM loyalty.verify('dated') WHERE order_key = '3' ORDER BY 1, 2;
ROLLBACK;
ALTER TABLE club.ledger ENABLE TRIGGER append_only;
ALTER TABLE dated.ledger ENABLE TRIGGER append_only;
:verify

-- 16. more orders of one customer than are posted at once, all of which get other keys in one statement: of 60,000, all are
-- spent, and nothing is forgiven
INSERT INTO t_rekeyed.orders SELECT 1000000 + n, 18, 2, true, '2026-01-01'::timestamptz + n % 9000 * interval '1 second' FROM generate_series(1, 30000) n;
SELECT t_rekeyed.spend(18, 60000);
UPDATE t_rekeyed.orders SET id = id + CASE WHEN id % 2 = 0 THEN 100001 ELSE -100001 END, at = at + interval '1 day' WHERE customer = 18;
CALL loyalty.post('club');
SELECT * FROM t_rekeyed.wrong(18, 0, 0);
SELECT count(*) FILTER (WHERE forgiven <> 0) AS forgiven, count(*) AS entries FROM club.ledger WHERE customer = 18 AND tracked_table > 0;
:verify

SELECT loyalty.drop_program(p, force => true) FROM unnest('{club,dated,owing,keyed}'::name[]) p;
DROP SCHEMA t_rekeyed CASCADE;
