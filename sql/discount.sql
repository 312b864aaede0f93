-- Discounts for a whole order, and their shares of its lines.
\set SHOW_CONTEXT never
\set VERBOSITY default
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, MDY';
CREATE SCHEMA t_discount;
CREATE TABLE t_discount.customers (id int PRIMARY KEY);
INSERT INTO t_discount.customers VALUES (1);
CREATE TABLE t_discount.orders (id int PRIMARY KEY, customer int, at timestamptz DEFAULT '2026-01-01', discount numeric);
CREATE TABLE t_discount.lines (o int, n int, kind text, price numeric, PRIMARY KEY (o, n));
CREATE TABLE t_discount.bare (o int, price numeric);
CREATE TABLE t_discount.refunds (id int PRIMARY KEY, o int, amount numeric);
SELECT loyalty.create_program('club', 't_discount.customers', time_zone => 'UTC', points_scale => 3);

-- What can be said
SELECT loyalty.track_orders('club', 't_discount.orders', customer => 'customer', at => 'at', amount => '1', order_discount => 'discount');
SELECT loyalty.track_orders('club', 't_discount.orders', customer => 'customer', at => 'at', lines => 't_discount.lines', line_order => 'o', line_amount => 'price', order_discount => 'discount', discount_allocation => 'even');
SELECT loyalty.track_orders('club', 't_discount.orders', customer => 'customer', at => 'at', lines => 't_discount.lines', line_order => 'o', line_amount => 'price', discount_allocation => 'none');
SELECT loyalty.track_orders('club', 't_discount.orders', customer => 'customer', at => 'at', lines => 't_discount.lines', line_order => 'o', line_amount => 'price', discount_allocation => 'proportional');
SELECT loyalty.track_orders('club', 't_discount.orders', customer => 'customer', at => 'at', lines => 't_discount.bare', line_order => 'o', line_amount => 'price', order_discount => 'discount');
SELECT loyalty.track_orders('club', 't_discount.orders', customer => 'customer', at => 'at', lines => 't_discount.lines', line_order => 'o', line_amount => 'price', order_discount => 'discont');
SELECT loyalty.track_orders('club', 't_discount.orders', customer => 'customer', at => 'at', lines => 't_discount.lines', line_order => 'o', line_amount => 'price', order_discount => 'discount');
SELECT loyalty.track_refunds('club', 't_discount.refunds', amount => 'amount', order_key => 'o');
-- what a line was sold for is known to rules per line alone
INSERT INTO club.earning_rule (name, points) VALUES ('x', 'line_amount');
INSERT INTO club.earning_rule (name, points, applies_when, per) VALUES ('no gifts', 'line_amount', $$kind <> 'gift'$$, 'line'), ('first', '1000 * line_amount', 'n = 1', 'line');
SELECT name, points, applies_when FROM club.earning_rule ORDER BY 1;

-- 1: 30, 60 and a gift of 10, less 10: shares of 3, 6 and 1.  90, of which 27 + 54 = 81 are no gifts, and the first is 27: 27,081.
-- 2: three of 1, less 1: 33 hundredths each, and the one that is left to the first: 0.66, 0.67, 0.67, together 2: 662.
-- 3: 10, 20, 30, less 10: 1.666..., 3.333..., 5: 1.67, 3.33 and 5, since the first lost most.  50: 8.33, and 50: 8,380.
-- 4: one of 100, less 10 percent: 90 (WE-041): 90,090.
-- 5: 100, and 20 that came back, less 8: shares of 10 and -2.  72: 90,072.
-- 6: less 0.005, which is shared as it is: two of 1: 0.003 and 0.002 of it: 0.997, 0.998, 1.995: 998.995.
-- 7: nothing is taken off.  8: less than nothing: 1 more, 0.34, 0.33 and 0.33 of it, since the greatest remainder is what is least below 0:
--    -33.33... hundredths are -34 and 2/3 thirds each; two units up for the first two: -0.33, -0.33, -0.34: 1.33, 1.33, 1.34, together 4: 1,334.
INSERT INTO t_discount.lines VALUES (1, 1, 'tea', 30), (1, 2, 'tea', 60), (1, 3, 'gift', 10), (2, 1, 'tea', 1), (2, 2, 'tea', 1), (2, 3, 'tea', 1),
	(3, 1, 'tea', 10), (3, 2, 'tea', 20), (3, 3, 'tea', 30), (4, 1, 'tea', 100), (5, 1, 'tea', 100), (5, 2, 'back', -20), (6, 1, 'tea', 1), (6, 2, 'tea', 1),
	(7, 1, 'tea', 5), (8, 1, 'tea', 1), (8, 2, 'tea', 1), (8, 3, 'tea', 1);
INSERT INTO t_discount.orders (id, customer, discount) VALUES (1, 1, 10), (2, 1, 1), (3, 1, 10), (4, 1, 10), (5, 1, 8), (6, 1, 0.005), (7, 1, NULL), (8, 1, -1);
SELECT order_key, amount, awards FROM club.recorded_orders ORDER BY 1;
SELECT * FROM loyalty.verify('club');
SELECT what, name, status, value, points FROM club.explain('3');
SELECT what, name, value FROM club.simulate_order(ROW(0, 1, '2026-01-01', 10)::t_discount.orders, ARRAY[(0, 1, 'tea', 10), (0, 2, 'tea', 20), (0, 3, 'tea', 30)]::t_discount.lines[]);

-- The order is looked at as a whole: another discount, another line, one less, a refund.
-- 1, less 20: 80: 24 + 48 = 72, and 24: 24,072; half of it refunded: 40 and 12,036.
-- 2, of two lines by now: 1, 0.50 each: 0.50: 501.  3, with a fourth line of 40: 10 of 100: 1, 2, 3, 4: 90: 9,090.
UPDATE t_discount.orders SET discount = 20 WHERE id = 1;
INSERT INTO t_discount.refunds VALUES (1, 1, 40);
DELETE FROM t_discount.lines WHERE o = 2 AND n = 3;
INSERT INTO t_discount.lines VALUES (3, 4, 'tea', 40);
CALL loyalty.post('club');
SELECT order_key, amount, trim_scale(awards) AS awards FROM club.recorded_orders WHERE order_key < '4' ORDER BY 1;
SELECT * FROM loyalty.verify('club');

-- Shared or not, the discount is taken off the order.  3: 10 + 20 + 30 + 40 = 100, and 10: 10,100.  1: 30 + 60 = 90, and 30: 30,090, of which half
-- is refunded: 15,045
SELECT loyalty.alter_orders('club', 't_discount.orders', discount_allocation => 'none') > 0 AS recorded;
SELECT order_key, amount, trim_scale(awards) AS awards FROM club.recorded_orders WHERE order_key IN ('1', '3') ORDER BY 1;
SELECT * FROM loyalty.verify('club');
-- as before: 9,090, and without a discount: 100 and 10,100
SELECT loyalty.alter_orders('club', 't_discount.orders', discount_allocation => 'proportional') > 0 AS recorded;
SELECT order_key, amount, awards FROM club.recorded_orders WHERE order_key = '3';
SELECT loyalty.alter_orders('club', 't_discount.orders', order_discount => '') > 0 AS recorded;
SELECT order_key, amount, awards FROM club.recorded_orders WHERE order_key = '3';
SELECT * FROM loyalty.verify('club');
-- half of it: 5 of 100: 0.5, 1, 1.5, 2: 95: 9.5: 9,595.  Names are followed, and what is said is said again when the table was let go of.
SELECT loyalty.alter_orders('club', 't_discount.orders', order_discount => 'discount / 2.0') > 0 AS recorded;
ALTER TABLE t_discount.orders RENAME discount TO off;
ALTER TABLE t_discount.lines RENAME n TO number;
SELECT loyalty.pause('club', 't_discount.orders');
SELECT loyalty.resume('club', 't_discount.orders');
UPDATE club.earning_rule SET priority = 1 WHERE name = 'first';
SELECT name, points, applies_when FROM club.earning_rule ORDER BY 1;
SELECT order_key, amount, trim_scale(awards) AS awards FROM club.recorded_orders WHERE order_key = '3';
SELECT * FROM loyalty.verify('club');
SELECT loyalty.upgrade_program('club');
SELECT * FROM loyalty.verify('club');
-- an amount of the order's own stays what it is
SELECT loyalty.alter_orders('club', 't_discount.orders', amount => '77') > 0 AS recorded;
SELECT order_key, amount, trim_scale(awards) AS awards FROM club.recorded_orders WHERE order_key = '3';
SELECT * FROM loyalty.verify('club');
-- verify() finds points that do not follow from the shares
CALL loyalty.post('club');
BEGIN;
ALTER TABLE club.ledger DISABLE TRIGGER USER;
UPDATE club.ledger SET awards = awards + 0.01 WHERE order_key = '3' AND entry = (SELECT max(entry) FROM club.ledger WHERE order_key = '3');
ALTER TABLE club.ledger ENABLE TRIGGER USER;
SELECT violation, order_key FROM loyalty.verify('club') ORDER BY 1;
ROLLBACK;
SELECT loyalty.drop_program('club', force => true);

-- Chance: all that lines were sold for is what the order is worth, to the last decimal; also where they come to nothing, as 5 and -5
SELECT setseed(0.7);
TRUNCATE t_discount.orders, t_discount.lines;
INSERT INTO t_discount.orders SELECT i, 1, '2026-01-01', CASE WHEN i % 5 > 0 THEN round((random() * 40 - 5)::numeric, i % 4) END FROM generate_series(1, 400) i;
INSERT INTO t_discount.orders VALUES (401, 1, '2026-01-01', 2), (402, 1, '2026-01-01', 0.01);
INSERT INTO t_discount.lines VALUES (401, 1, 'tea', 5), (401, 2, NULL, -5), (402, 1, 'tea', 0), (402, 2, 'tea', 0);
INSERT INTO t_discount.lines SELECT i, n, CASE WHEN random() < 0.5 THEN 'tea' END, round((random() * 30 - 3)::numeric, (random() * 3)::int) FROM generate_series(1, 400) i CROSS JOIN LATERAL generate_series(1, 1 + i % 7) n;
SELECT loyalty.create_program('club', 't_discount.customers', time_zone => 'UTC', points_scale => 6);
INSERT INTO club.earning_rule (name, points) VALUES ('none', '0');
SELECT loyalty.track_orders('club', 't_discount.orders', customer => 'customer', at => 'at', lines => 't_discount.lines', line_order => 'o', line_amount => 'price', order_discount => 'off', backfill => false);
INSERT INTO club.earning_rule (name, points, per) VALUES ('all', 'line_amount', 'line');
SELECT loyalty.backfill('club', 't_discount.orders') > 300 AS many;
SELECT count(*) FROM club.recorded_orders WHERE amount <> awards;
-- tea that was sold for something counts twice, so no order has fewer points than it is worth
INSERT INTO club.earning_rule (name, multiplier, per, applies_when) VALUES ('tea', '2', 'line', $$kind = 'tea' AND line_amount > 0$$);
SELECT orders > 300 AS changed FROM loyalty.rerate('club', dry_run => false);
SELECT count(*) FILTER (WHERE awards < amount) AS less, count(*) FILTER (WHERE awards > amount) > 200 AS more FROM club.recorded_orders;
-- a line is never more than a unit from what is in proportion; of lines of two decimals, and discounts of two at most
INSERT INTO club.earning_rule (name, points, per) VALUES ('far', $$CASE WHEN abs(line_amount - (price - new.off * price / 100)) >= 0.01 THEN 1000000 ELSE 0 END$$, 'line');
DELETE FROM club.earning_rule WHERE name IN ('all', 'tea');
INSERT INTO t_discount.orders SELECT 1000 + i, 1, '2026-01-01', round((random() * 40 - 5)::numeric, 2) FROM generate_series(1, 100) i;
INSERT INTO t_discount.lines SELECT 1000 + i, n, 'x', CASE n WHEN 7 THEN 100 - sum(p) OVER (PARTITION BY i) + p ELSE p END
  FROM (SELECT i, n, CASE n WHEN 7 THEN 0 ELSE round((random() * 15)::numeric, 2) END AS p FROM generate_series(1, 100) i CROSS JOIN generate_series(1, 7) n) x;
SELECT count(*), sum(awards) FROM club.recorded_orders WHERE order_key::int > 1000;
SELECT * FROM loyalty.verify('club');

SET client_min_messages = error;
SELECT loyalty.drop_program('club', force => true);
DROP SCHEMA t_discount CASCADE;
