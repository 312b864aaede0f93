-- Orders that get another key beside others, in one statement or transaction: what others see of them meanwhile, and which two
-- entries are one change.  Expected values are worked out by hand.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, MDY';
CREATE SCHEMA t_rekeyed2;
CREATE TABLE t_rekeyed2.customers (id int PRIMARY KEY);
INSERT INTO t_rekeyed2.customers SELECT generate_series(1, 30);
CREATE TABLE t_rekeyed2.orders (id int PRIMARY KEY DEFERRABLE, customer int, total numeric, paid boolean DEFAULT true, at timestamptz DEFAULT '2026-01-01');
CREATE FUNCTION t_rekeyed2.make(program name) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM loyalty.create_program(program, customers => 't_rekeyed2.customers', time_zone => 'UTC');
	EXECUTE format('INSERT INTO %I.earning_rule (name, points) VALUES (''one'', ''amount'')', program);
	PERFORM loyalty.track_orders(program, 't_rekeyed2.orders', customer => 'customer', at => 'at', amount => 'total', counts_when => 'paid');
END
$$;
-- tells what is not as it should be: the points of a customer, and those of the orders by their keys
CREATE FUNCTION t_rekeyed2.wrong(program name, whose int, points numeric, keys text)
RETURNS TABLE (customer int, "points are" numeric, "should be" numeric, "orders are" text)
LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY EXECUTE format('SELECT m.id, m.points, $2, k.keys FROM %1$I.members m
	  CROSS JOIN (SELECT string_agg(o.order_key || ''='' || o.points, '' '' ORDER BY o.order_key COLLATE "C") AS keys FROM %1$I.order_points o WHERE o.id = $1) k
	  WHERE m.id = $1 AND (m.points, k.keys) IS DISTINCT FROM ($2, $3)', program) USING whose, points, keys;
END
$$;

-- 1. Two orders exchange their keys, of which nothing is recorded of the one, which does not count.  Both programs have 200 points of the other
-- one, which are spent; one of them forgives.  Points stay; and when the other order counts, it gives 100, by the terms of its key
SELECT t_rekeyed2.make('owing'), t_rekeyed2.make('lenient');
UPDATE lenient.program SET refund_shortfall = 'forgive';
INSERT INTO t_rekeyed2.orders VALUES (30, 1, 200);
SELECT (owing.redeem(1, 200, 'x')).balance, (lenient.redeem(1, 200, 'x')).balance;
INSERT INTO t_rekeyed2.orders VALUES (31, 1, 100, false);
UPDATE t_rekeyed2.orders SET id = 61 - id;
SELECT * FROM t_rekeyed2.wrong('owing', 1, 0, '31=200');
SELECT * FROM t_rekeyed2.wrong('lenient', 1, 0, '31=200');
SELECT order_key, revision, counts, came_from FROM lenient.unposted ORDER BY order_key, revision;
SELECT * FROM loyalty.verify('owing');
SELECT * FROM loyalty.verify('lenient');
UPDATE t_rekeyed2.orders SET paid = true WHERE id = 30;
SELECT * FROM t_rekeyed2.wrong('owing', 1, 100, '30=100 31=200');
SELECT * FROM t_rekeyed2.wrong('lenient', 1, 100, '30=100 31=200');
UPDATE t_rekeyed2.orders SET id = 61 - id;
SELECT * FROM t_rekeyed2.wrong('lenient', 1, 100, '30=200 31=100');
SELECT * FROM loyalty.verify('owing');
SELECT * FROM loyalty.verify('lenient');

-- 2. What other orders of the statement or transaction see: who is new has 500 once, and gold at 300 doubles what comes after it.  Whether the
-- key is sorted before the old one or behind it, and whatever else the transaction does
INSERT INTO owing.earning_rule (name, points, for_members, bonus) VALUES ('welcome', '500', 'orders = 0', true);
INSERT INTO owing.tier (name, rank, qualifies, multiplier) VALUES ('gold', 1, 'spend >= 300', 2);
DELETE FROM t_rekeyed2.orders;
INSERT INTO t_rekeyed2.orders VALUES (110, 2, 300, true), (111, 2, 100, false), (210, 3, 300, true), (211, 3, 100, false), (310, 4, 300, true);
UPDATE t_rekeyed2.orders SET paid = true, id = CASE id WHEN 110 THEN 112 WHEN 210 THEN 199 ELSE id END WHERE customer IN (2, 3);
SELECT * FROM t_rekeyed2.wrong('owing', 2, 1000, '111=200 112=800');
SELECT * FROM t_rekeyed2.wrong('owing', 3, 1000, '199=800 211=200');
BEGIN;
UPDATE t_rekeyed2.orders SET id = 309 WHERE id = 310;
INSERT INTO t_rekeyed2.orders VALUES (308, 4, 100, true, '2026-01-01'), (311, 4, 50, true, '2025-01-01');
UPDATE t_rekeyed2.orders SET id = 312 WHERE id = 309;
COMMIT;
SELECT * FROM t_rekeyed2.wrong('owing', 4, 1100, '308=200 311=100 312=800');
SELECT * FROM loyalty.verify('owing');
CALL loyalty.post('owing');
SELECT * FROM t_rekeyed2.wrong('owing', 4, 1100, '308=200 311=100 312=800');
SELECT * FROM loyalty.verify('owing');

-- 3. An amount and a key in one transaction are as in two: with a limit of 60, of which 40 and 20 are given, 30 and 20
DELETE FROM owing.tier;
DELETE FROM owing.earning_rule;
INSERT INTO owing.earning_rule (name, points, member_limit) VALUES ('some', 'amount', 60);
INSERT INTO t_rekeyed2.orders VALUES (409, 5, 40, true, '2026-01-01'), (420, 5, 40, true, '2026-01-02'), (509, 6, 40, true, '2026-01-01'), (520, 6, 40, true, '2026-01-02');
UPDATE t_rekeyed2.orders SET total = 30 WHERE id = 409;
UPDATE t_rekeyed2.orders SET id = 405 WHERE id = 409;
BEGIN;
UPDATE t_rekeyed2.orders SET total = 30 WHERE id = 509;
UPDATE t_rekeyed2.orders SET id = 505 WHERE id = 509;
COMMIT;
SELECT * FROM t_rekeyed2.wrong('owing', 5, 50, '405=30 420=20');
SELECT * FROM t_rekeyed2.wrong('owing', 6, 50, '505=30 520=20');
-- inserted and changed at once, and one that does not count for now: it keeps the room of 60 with which it began, and of that, 40 are left
BEGIN;
INSERT INTO t_rekeyed2.orders VALUES (609, 7, 10);
UPDATE t_rekeyed2.orders SET id = 600, paid = false WHERE id = 609;
COMMIT;
INSERT INTO t_rekeyed2.orders VALUES (620, 7, 20, true, '2026-01-02');
UPDATE t_rekeyed2.orders SET id = 609 WHERE id = 600;
UPDATE t_rekeyed2.orders SET paid = true, total = 50 WHERE id = 609;
SELECT * FROM t_rekeyed2.wrong('owing', 7, 60, '609=40 620=20');
SELECT order_key, revision, rooms, apart FROM owing.unposted WHERE customer = 7 ORDER BY entry;
SELECT * FROM loyalty.verify('owing');
CALL loyalty.post('owing');
SELECT * FROM loyalty.verify('owing');

-- 4. Dated points: of one order 60 that are spent, of another one 60 that wait.  The first one is worth 1 more, and gets another key and time, at once
SELECT t_rekeyed2.make('dated');
UPDATE dated.wallet SET available_after = '3 days', expires = $$earned_on + interval '100 years'$$;
INSERT INTO t_rekeyed2.orders VALUES (709, 8, 60, true, '2026-01-01'), (720, 8, 60, true, '2099-01-01');
SELECT (dated.redeem(8, 60, 'spent')).balance;
BEGIN;
UPDATE t_rekeyed2.orders SET total = 61 WHERE id = 709;
UPDATE t_rekeyed2.orders SET id = 705, at = '2025-06-01' WHERE id = 709;
COMMIT;
SELECT points, available_at FROM dated.lots WHERE id = 8 ORDER BY 2;		-- 1 of 2025-06-04, and 60 of 2099-01-04
SELECT * FROM loyalty.verify('dated');

-- 5. Keys that several orders have in one transaction, in a table that is read again; the first entry of an order whose key goes on is kept: of 150, all
-- are spent, and 10 are there of another one
CREATE TABLE t_rekeyed2.sales (id int PRIMARY KEY DEFERRABLE, customer int, total numeric, currency text, at timestamptz DEFAULT '2026-01-01');
SELECT loyalty.track_orders('lenient', 't_rekeyed2.sales', customer => 'customer', at => 'at', amount => 'total', currency => 'currency');
INSERT INTO t_rekeyed2.sales VALUES (74, 9, 150);
SELECT (lenient.redeem(9, 150, 'x')).balance;
BEGIN;
INSERT INTO t_rekeyed2.sales VALUES (64, 9, 10);
UPDATE t_rekeyed2.sales SET id = CASE id WHEN 74 THEN 64 ELSE 75 END WHERE id IN (64, 74);
UPDATE t_rekeyed2.sales SET id = 71 WHERE id = 64;
COMMIT;
SELECT * FROM t_rekeyed2.wrong('lenient', 9, 10, '71=150 75=10');
SELECT * FROM loyalty.verify('lenient');
BEGIN;
INSERT INTO t_rekeyed2.sales VALUES (84, 9, 20);
UPDATE t_rekeyed2.sales SET id = 155 - id WHERE id IN (71, 84);
UPDATE t_rekeyed2.sales SET id = 90 WHERE id = 84;
COMMIT;
SELECT * FROM t_rekeyed2.wrong('lenient', 9, 30, '71=20 75=10 90=150');
SELECT * FROM loyalty.verify('lenient');
CALL loyalty.post('lenient');
SELECT * FROM t_rekeyed2.wrong('lenient', 9, 30, '71=20 75=10 90=150');
SELECT * FROM loyalty.verify('lenient');

-- 6. Customers who were merged: an order that comes from somebody else is not the one that had its key for one of them.  Of 100, all are spent, and
-- 10 come
INSERT INTO t_rekeyed2.orders VALUES (805, 11, 100), (815, 12, 10);
SELECT (lenient.merge(11, 10, 'merged')).balance;
SELECT (lenient.redeem(10, 100, 'x')).balance;
BEGIN;
UPDATE t_rekeyed2.orders SET id = 814 WHERE id = 805;
UPDATE t_rekeyed2.orders SET id = 805 WHERE id = 815;
UPDATE t_rekeyed2.orders SET customer = 10 WHERE id = 805;
COMMIT;
SELECT points FROM lenient.members WHERE id = 10;		-- 10
SELECT * FROM loyalty.verify('lenient');
CALL loyalty.post('lenient');
SELECT points FROM lenient.members WHERE id = 10;
SELECT * FROM loyalty.verify('lenient');

SELECT loyalty.drop_program(p, force => true) FROM unnest('{owing,lenient,dated}'::name[]) p;
DROP SCHEMA t_rekeyed2 CASCADE;
