-- What several rules come to: multipliers, steps, windows, rounding, limits, and rules that go
-- without others.  Cases WE-... are published numbers of other loyalty programs.
\set SHOW_CONTEXT never
\set VERBOSITY default
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, MDY';
SET jit = off;
CREATE SCHEMA t_stack;
CREATE TABLE t_stack.customers (id int PRIMARY KEY);
INSERT INTO t_stack.customers VALUES (1), (2);
-- one table of orders that are a row, and one of orders with lines
CREATE TABLE t_stack.receipts (id int PRIMARY KEY, customer_id int, at timestamptz, total numeric, units int, store text);
CREATE TABLE t_stack.orders (id int PRIMARY KEY, customer_id int, at timestamptz, total numeric, gift_card numeric NOT NULL DEFAULT 0);
CREATE TABLE t_stack.lines (order_id int, sku text, price numeric, qty int NOT NULL DEFAULT 1, label text, kind text NOT NULL DEFAULT 'goods');
CREATE INDEX ON t_stack.lines (order_id);
SELECT loyalty.create_program('club', 't_stack.customers', time_zone => 'Europe/Berlin', points_scale => 2);
SELECT loyalty.track_orders('club', 't_stack.orders', customer => 'customer_id', at => 'at', amount => 'total', lines => 't_stack.lines', line_order => 'order_id', line_amount => 'price * qty');
SELECT loyalty.create_program('shop', 't_stack.customers', time_zone => 'Europe/Berlin', points_scale => 2);
SELECT loyalty.track_orders('shop', 't_stack.receipts', customer => 'customer_id', at => 'at', amount => 'total');

-- An order of lines by some rules, which are gone afterwards: its points, and what they should be.
CREATE FUNCTION t_stack.worth(example text, expected numeric, rules text, lines text, at timestamptz DEFAULT '2026-06-01', total numeric DEFAULT NULL)
RETURNS TABLE (worked_example text, points numeric, is_right boolean)
LANGUAGE plpgsql AS $$
DECLARE
	key int;
BEGIN
	DELETE FROM club.earning_rule;
	EXECUTE 'INSERT INTO club.earning_rule ' || rules;
	SELECT coalesce(max(o.id), 0) + 1 INTO key FROM t_stack.orders o;
	INSERT INTO t_stack.orders (id, customer_id, at) VALUES (key, 1, worth.at);
	EXECUTE format('INSERT INTO t_stack.lines (order_id, sku, price, qty, label, kind) SELECT %s, * FROM (VALUES %s) l', key, lines);
	UPDATE t_stack.orders o SET total = coalesce(worth.total, (SELECT sum(l.price * l.qty) FROM t_stack.lines l WHERE l.order_id = key)) WHERE o.id = key;
	RETURN QUERY SELECT example, trim_scale(e.points), e.points = expected FROM (SELECT sum(x.points) AS points FROM club.entries x WHERE x.order_key = key::text) e;
END $$;
-- three lines of 12, 100 and 40; the last is the delivery
\set basket '$$(''123'', 12.00, 1, ''red'', ''goods''), (''000'', 100.00, 1, ''blue'', ''goods''), (''0001'', 40.00, 1, NULL, ''delivery'')$$'
SELECT * FROM t_stack.worth('WE-001', 208, $$(name, points, per, applies_when) VALUES ('4 per 1', '4 * line.price', 'line', $c$sku <> '000'$c$)$$, :basket);
SELECT * FROM t_stack.worth('WE-003', 400, $$(name, points, per, applies_when) VALUES ('4 per 1', '4 * line.price', 'line', $c$label IS DISTINCT FROM 'red' AND kind <> 'delivery'$c$)$$, :basket);
SELECT * FROM t_stack.worth('WE-005', 2128, $$(name, points) VALUES ('10 per 1', '10 * amount'), ('4 per 1', '4 * amount')$$, :basket);
-- 4 * (3 * 12 + 100 + 40)
SELECT * FROM t_stack.worth('WE-009', 704, $$(name, points, multiplier, per, applies_when) VALUES ('4 per 1', '4 * line.price', NULL, 'line', 'true'), ('red', NULL, '3', 'line', $c$label = 'red'$c$)$$, :basket);
SELECT * FROM t_stack.worth('WE-011', 0, $$(name, points, minimum_order) VALUES ('4 per 1', '4 * amount', 300)$$, :basket);
-- 2.3 * (3 + 20 + 2 * 20) = 144.9
SELECT * FROM t_stack.worth('WE-013', 144.9, $$(name, points, multiplier, per, applies_when) VALUES ('rate', '2.3 * line.price', NULL, 'line', 'true'), ('123', NULL, '2', 'line', $c$sku = 'SKU123'$c$)$$,
	$$('a', 3.00, 1, NULL, 'goods'), ('b', 20.00, 1, NULL, 'goods'), ('SKU123', 20.00, 1, NULL, 'goods')$$);
-- two labels multiply one after the other: 10 * 2 * 3
SELECT * FROM t_stack.worth('WE-015', 60, $$(name, points, multiplier, per, applies_when) VALUES ('rate', 'line.price', NULL, 'line', 'true'), ('m1', NULL, '2', 'line', $c$label LIKE '%m1%'$c$), ('m2', NULL, '3', 'line', $c$label LIKE '%m2%'$c$)$$,
	$$('a', 10, 1, 'm1 m2', 'goods')$$);
-- the first in order is exclusive
SELECT * FROM t_stack.worth('WE-017', 100, $$(name, points, priority, stacking) VALUES ('1 per 1', 'amount', 0, 'add'), ('fixed', '100', 10, 'exclusive')$$, $$('a', 19.99, 1, NULL, 'goods')$$);
SELECT * FROM t_stack.worth('WE-021', 0, $$(name, points, applies_when, starts) VALUES ('disabled', 'amount', 'false', NULL), ('later', 'amount', 'true', '2099-01-01')$$, $$('a', 19.99, 1, NULL, 'goods')$$, '2026-06-01');
SELECT * FROM t_stack.worth('WE-023', 300, $$(name, points, per) VALUES ('each', '100 * line.qty', 'line')$$, $$('a', 5, 3, NULL, 'goods')$$);
SELECT * FROM t_stack.worth('WE-027', 0, $$(name, points, minimum_order) VALUES ('from 10', 'amount', 10)$$, $$('a', 9, 1, NULL, 'goods')$$);
SELECT * FROM t_stack.worth('WE-031', 10, $$(name, points, every, gives) VALUES ('1 per 10', 'amount', 10, 1)$$, $$('a', 105, 1, NULL, 'goods')$$);
SELECT * FROM t_stack.worth('WE-033', 6, $$(name, points, multiplier) VALUES ('base', '4', NULL), ('half more', NULL, '1.5')$$, $$('a', 105, 1, NULL, 'goods')$$);
SELECT * FROM t_stack.worth('WE-037', 2000, $$(name, points) VALUES ('1 per 1', 'amount')$$, $$('a', 2000, 1, NULL, 'goods')$$);
-- 10 percent off the order: 90 are paid
SELECT * FROM t_stack.worth('WE-041', 90, $$(name, points) VALUES ('1 per 1', 'amount')$$, $$('a', 100, 1, NULL, 'goods'), ('10 percent', -10, 1, NULL, 'discount')$$);
-- the discount is in the category, too: of 140, 90 are food
SELECT * FROM t_stack.worth('WE-043', 90, $$(name, points, per, applies_when) VALUES ('1 per 1', 'line.price', 'line', $c$label = 'food'$c$)$$, $$('a', 100, 1, 'food', 'goods'), ('b', 50, 1, 'toys', 'goods'), ('off', -10, 1, 'food', 'discount')$$);
-- paid in part with a gift card, which is no discount
SELECT * FROM t_stack.worth('WE-045', 100, $$(name, points, per, applies_when) VALUES ('1 per 1', 'line.price', 'line', $c$kind <> 'gift card'$c$)$$, $$('a', 100, 1, NULL, 'goods'), ('card', -50, 1, NULL, 'gift card')$$);
-- the line of a reward does not earn
SELECT * FROM t_stack.worth('WE-047', 5, $$(name, points, per, applies_when) VALUES ('1 per unit', 'line.qty', 'line', $c$kind = 'goods'$c$)$$, $$('a', 1, 5, NULL, 'goods'), ('10 percent', -0.5, 1, NULL, 'reward')$$);
SELECT * FROM t_stack.worth('WE-049', 268.28, $$(name, points, per) VALUES ('1 per 1', 'line.price', 'line')$$, $$('a', 267.39, 1, NULL, 'goods'), ('b', 0.89, 1, NULL, 'goods')$$);
SELECT * FROM loyalty.verify('club');

-- Steps over the sum of some lines: 2.50 + 3.70 = 6.20 are three full 2.00, which give 30; each line alone would be two.
SELECT * FROM t_stack.worth('every full 2.00 of food', 30, $$(name, points, per, applies_when, every, gives) VALUES ('food', 'line.price', 'line', $c$label = 'food'$c$, 2.00, 10)$$,
	$$('a', 2.50, 1, 'food', 'goods'), ('b', 3.70, 1, 'food', 'goods'), ('c', 9.99, 1, 'toys', 'goods')$$);
-- Of multipliers of a line, the best of a group: 10 * 3 + 10 * 2, and 5 once; then the order twice
SELECT * FROM t_stack.worth('best of multipliers of lines', 110, $$(name, points, multiplier, per, applies_when, stacking, stacking_group) VALUES ('rate', 'line.price', NULL, 'line', 'true', NULL, NULL),
	('red', NULL, '3', 'line', $c$label LIKE '%red%'$c$, 'best_of', 'colour'), ('blue', NULL, '2', 'line', $c$label LIKE '%blue%'$c$, 'best_of', 'colour'), ('double', NULL, '2', 'order', 'true', NULL, NULL)$$,
	$$('a', 10, 1, 'red blue', 'goods'), ('b', 10, 1, 'blue', 'goods'), ('c', 5, 1, NULL, 'goods')$$);
-- An exclusive one leaves out those after it on its line: 10 * 2 and 10 * 3
SELECT * FROM t_stack.worth('exclusive multiplier of lines', 50, $$(name, points, multiplier, per, applies_when, priority, stacking) VALUES ('rate', 'line.price', NULL, 'line', 'true', 0, NULL),
	('first', NULL, '2', 'line', $c$sku = 'a'$c$, 5, 'exclusive'), ('all', NULL, '3', 'line', 'true', 1, NULL)$$,
	$$('a', 10, 1, NULL, 'goods'), ('b', 10, 1, NULL, 'goods')$$);
SELECT * FROM loyalty.verify('club');

-- Refunds: what is left of lines is shared once, and counted in steps afterwards
CREATE TABLE t_stack.refunds (order_id int, amount numeric);
CREATE INDEX ON t_stack.refunds (order_id);
SELECT loyalty.track_refunds('club', 't_stack.refunds', order_key => 'order_id', amount => 'amount');
DELETE FROM club.earning_rule;
INSERT INTO club.earning_rule (name, points, multiplier, per, applies_when, every, gives) VALUES
	('one', 'line.price / 3', NULL, 'line', $$sku = 'a'$$, NULL, NULL), ('two', '2 * line.price / 3', NULL, 'line', $$sku = 'a'$$, NULL, NULL),
	('steps', 'line.price', NULL, 'line', $$sku = 'b'$$, 4, 100), ('double', NULL, '2', 'order', 'true', NULL, NULL);
INSERT INTO t_stack.orders VALUES (1001, 2, '2026-06-01', 17);
INSERT INTO t_stack.lines VALUES (1001, 'a', 1), (1001, 'b', 16);
-- 2 * (1/3 + 2/3 + 4 * 100)
SELECT trim_scale(points) AS points FROM club.members WHERE id = 2;
INSERT INTO t_stack.refunds VALUES (1001, 8.5);
-- half of it: 2 * (0.5 + 2 * 100)
SELECT trim_scale(points) AS points FROM club.members WHERE id = 2;
INSERT INTO t_stack.refunds VALUES (1001, 3);
-- 5.5 of 17 are left: 16 * 5.5 / 17 = 5.17 is one step, and 5.5 / 17 = 0.3235...; 2 * 100.3235 = 200.64
SELECT trim_scale(points) AS points FROM club.members WHERE id = 2;
SELECT * FROM loyalty.verify('club');
CALL loyalty.post('club');
SELECT * FROM loyalty.verify('club');

-- Orders that are a row: the trigger combines rules without the view, which verify() compares
CREATE FUNCTION t_stack.receipt(example text, expected numeric, rules text, total numeric, at timestamptz DEFAULT '2026-06-01', units int DEFAULT 1, store text DEFAULT 'a')
RETURNS TABLE (what text, points numeric, is_right boolean)
LANGUAGE plpgsql AS $$
DECLARE
	key int;
BEGIN
	DELETE FROM shop.earning_rule;
	EXECUTE 'INSERT INTO shop.earning_rule ' || rules;
	SELECT coalesce(max(o.id), 0) + 1 INTO key FROM t_stack.receipts o;
	INSERT INTO t_stack.receipts VALUES (key, 1, receipt.at, receipt.total, receipt.units, receipt.store);
	RETURN QUERY SELECT example, trim_scale(e.points), e.points = expected FROM shop.entries e WHERE e.order_key = key::text;
END $$;
UPDATE shop.program SET points_scale = 0;
-- whole points are doubled: 2 * 19
SELECT * FROM t_stack.receipt('WE-019', 38, $$(name, points, multiplier, rounding) VALUES ('1 per 1', 'amount', NULL, 'floor'), ('double', NULL, '2.0', NULL)$$, 19.99);
SELECT * FROM t_stack.receipt('WE-035 up', 3, $$(name, points, rounding) VALUES ('1 per 1', 'amount', 'ceil')$$, 2.50);
SELECT * FROM t_stack.receipt('WE-035 nearest', 3, $$(name, points, rounding) VALUES ('1 per 1', 'amount', 'half_up')$$, 2.50);
SELECT * FROM t_stack.receipt('WE-035 down', 2, $$(name, points, rounding) VALUES ('1 per 1', 'amount', 'floor')$$, 2.50);
UPDATE shop.program SET points_scale = 2;
-- two decimals: 2.505 up, to the nearest, to the even one, down
SELECT * FROM t_stack.receipt('ceil', 2.51, $$(name, points, rounding) VALUES ('1 per 1', 'amount', 'ceil')$$, 2.505);
SELECT * FROM t_stack.receipt('half_up', 2.51, $$(name, points, rounding) VALUES ('1 per 1', 'amount', 'half_up')$$, 2.505);
SELECT * FROM t_stack.receipt('half_even', 2.50, $$(name, points, rounding) VALUES ('1 per 1', 'amount', 'half_even')$$, 2.505);
SELECT * FROM t_stack.receipt('half_even', 2.52, $$(name, points, rounding) VALUES ('1 per 1', 'amount', 'half_even')$$, 2.515);
SELECT * FROM t_stack.receipt('half_even', 2.52, $$(name, points, rounding) VALUES ('1 per 1', 'amount', 'half_even')$$, 2.5151);
SELECT * FROM t_stack.receipt('floor', 2.50, $$(name, points, rounding) VALUES ('1 per 1', 'amount', 'floor')$$, 2.505);
SELECT * FROM t_stack.receipt('below zero, ceil', -2.51, $$(name, points, rounding) VALUES ('1 per 1', 'amount', 'ceil')$$, -2.505);
SELECT * FROM t_stack.receipt('below zero, half_even', -2.50, $$(name, points, rounding) VALUES ('1 per 1', 'amount', 'half_even')$$, -2.505);
-- each rule is rounded before they are added: 3 * 0.33, not 1
SELECT * FROM t_stack.receipt('rounded apart', 0.99, $$(name, points, rounding) VALUES ('a', '1.0 / 3', 'floor'), ('b', '1.0 / 3', 'floor'), ('c', '1.0 / 3', 'floor')$$, 1);
SELECT * FROM t_stack.receipt('limit', 50, $$(name, points, at_most) VALUES ('1 per 1', 'amount', 50)$$, 70);
SELECT * FROM t_stack.receipt('below the limit', 49.99, $$(name, points, at_most) VALUES ('1 per 1', 'amount', 50)$$, 49.99);
-- the limit is before multipliers: 50 * 3
SELECT * FROM t_stack.receipt('limit and multiplier', 150, $$(name, points, multiplier, at_most) VALUES ('1 per 1', 'amount', NULL, 50), ('triple', NULL, '3', NULL)$$, 70);
-- a window has its first moment and not its last
SELECT * FROM t_stack.receipt('first moment', 10, $$(name, points, starts, ends) VALUES ('june', '10', '2026-06-01', '2026-07-01')$$, 70, '2026-06-01');
SELECT * FROM t_stack.receipt('last moment', 10, $$(name, points, starts, ends) VALUES ('june', '10', '2026-06-01', '2026-07-01')$$, 70, '2026-06-30 23:59:59.999999');
SELECT * FROM t_stack.receipt('after it', 0, $$(name, points, starts, ends) VALUES ('june', '10', '2026-06-01', '2026-07-01')$$, 70, '2026-07-01');
SELECT * FROM t_stack.receipt('before it', 0, $$(name, points, starts, ends) VALUES ('june', '10', '2026-06-01', '2026-07-01')$$, 70, '2026-05-31 23:59:59.999999');
-- 1 + (2 - 1) + (1.5 - 1) = 2.5 of those that are added, times 2
SELECT * FROM t_stack.receipt('multipliers', 500, $$(name, points, multiplier, stacking) VALUES ('rate', 'amount', NULL, NULL), ('a', NULL, '2', 'add'), ('b', NULL, '1.5', 'add'), ('c', NULL, '2', NULL)$$, 100);
-- the best of three in a group, beside one that is in none, and one of the group that is added
SELECT * FROM t_stack.receipt('best of', 8 + 100 + 1, $$(name, points, stacking, stacking_group) VALUES ('x', '5', 'best_of', 'g'), ('y', '8', 'best_of', 'g'), ('z', '7', 'best_of', 'g'), ('w', '100', NULL, NULL), ('v', '1', 'add', 'g')$$, 100);
-- exclusive in a group: before it 1, then 10; 100 is left out, and 1000 is of another group
SELECT * FROM t_stack.receipt('exclusive in a group', 1011, $$(name, points, priority, stacking, stacking_group) VALUES ('a', '1', 9, NULL, 'g'), ('b', '10', 8, 'exclusive', 'g'), ('c', '100', 7, NULL, 'g'), ('d', '1000', 6, NULL, NULL)$$, 100);
-- one that is left out leaves out nothing: a leaves out b, of its group; c of another group stays
SELECT * FROM t_stack.receipt('left out itself', 101, $$(name, points, priority, stacking, stacking_group) VALUES ('a', '1', 9, 'exclusive', 'g'), ('b', '10', 8, 'exclusive', 'g'), ('c', '100', 7, NULL, 'h')$$, 100);
-- names decide at the same priority; one that does not apply leaves out nothing
SELECT * FROM t_stack.receipt('same priority', 10, $$(name, points, applies_when, stacking) VALUES ('a', '1', 'false', 'exclusive'), ('b', '10', 'true', 'exclusive'), ('c', '100', 'true', NULL)$$, 100);
-- exclusive among points says nothing of multipliers
SELECT * FROM t_stack.receipt('points and multipliers', 20, $$(name, points, multiplier, priority, stacking) VALUES ('a', '10', NULL, 9, 'exclusive'), ('b', '5', NULL, 0, NULL), ('c', NULL, '2', 0, NULL)$$, 100);
-- what is not a number is refused, not limited
SELECT * FROM t_stack.receipt('no number', 0, $$(name, points, at_most) VALUES ('a', $c$'NaN'::numeric$c$, 50)$$, 70);
-- a multiplier alone multiplies nothing, and one that is null is none
SELECT * FROM t_stack.receipt('nothing', 0, $$(name, multiplier) VALUES ('a', '3')$$, 70);
SELECT * FROM t_stack.receipt('null', 70, $$(name, points, multiplier) VALUES ('a', 'amount', NULL), ('b', NULL, 'NULL::numeric')$$, 70);
SELECT * FROM loyalty.verify('shop');

-- Rules at random: what the trigger does is what the view says
CREATE PROCEDURE t_stack.random_rules(n int) LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM shop.earning_rule;
	INSERT INTO shop.earning_rule (name, points, multiplier, applies_when, starts, ends, minimum_order, every, gives, at_most, rounding, priority, stacking, stacking_group)
	SELECT 'rule ' || i, CASE WHEN NOT m THEN format('amount * %s', round(random()::numeric, 3)) END, CASE WHEN m THEN round(0.5 + random()::numeric * 2, 2)::text END,
	       CASE WHEN random() < 0.4 THEN format('units > %s', floor(random() * 3)) ELSE 'true' END,
	       CASE WHEN random() < 0.2 THEN timestamptz '2026-06-05' END, CASE WHEN random() < 0.2 THEN timestamptz '2026-06-25' END, CASE WHEN random() < 0.2 THEN 20 END,
	       e.every, CASE WHEN e.every IS NOT NULL THEN 7 END, CASE WHEN NOT m AND random() < 0.2 THEN 15 END,
	       CASE WHEN NOT m AND random() < 0.4 THEN (ARRAY['floor', 'half_even', 'half_up', 'ceil'])[1 + floor(random() * 4)::int] END, floor(random() * 3)::int,
	       (CASE WHEN m THEN ARRAY['multiply', 'add', 'exclusive', 'best_of'] ELSE ARRAY['add', 'add', 'exclusive', 'best_of'] END)[1 + floor(random() * 4)::int],
	       CASE WHEN random() < 0.6 THEN (ARRAY['g', 'h'])[1 + floor(random() * 2)::int] END
	  FROM (SELECT i, random() < 0.3 AS m FROM generate_series(1, n) i) x
	 CROSS JOIN LATERAL (SELECT CASE WHEN NOT m AND random() < 0.3 AND i > 0 THEN 3.5 END AS every) e;
	INSERT INTO t_stack.receipts SELECT (SELECT max(id) FROM t_stack.receipts) + i, 2, timestamptz '2026-06-01' + i * interval '3 hours', round((random() * 100)::numeric, 3), floor(random() * 4), 'a' FROM generate_series(1, 240) i;
END $$;
SELECT setseed(0.3);
CALL t_stack.random_rules(3);
CALL t_stack.random_rules(5);
CALL t_stack.random_rules(7);
CALL t_stack.random_rules(9);
CALL t_stack.random_rules(12);
CALL t_stack.random_rules(12);
SELECT count(*) AS orders, count(*) FILTER (WHERE points > 0) > 100 AS "of some points" FROM shop.entries WHERE id = 2;
SELECT * FROM loyalty.verify('shop');
CALL loyalty.post('shop');
SELECT * FROM loyalty.verify('shop');

-- What rules say is kept with the terms: an order keeps what it was recorded under
DELETE FROM shop.earning_rule;
INSERT INTO shop.earning_rule (name, points) VALUES ('rate', 'new.total');
INSERT INTO shop.earning_rule (name, multiplier, applies_when) VALUES ('weekend', '2', 'extract(isodow FROM at) > 5');
-- Saturday 00:30 in Berlin is Friday 22:30 in UTC
INSERT INTO t_stack.receipts VALUES (9001, 1, '2026-06-05 22:30+00', 10, 1, 'a'), (9002, 1, '2026-06-05 21:30+00', 10, 1, 'a');
UPDATE shop.earning_rule SET multiplier = '5', starts = '2026-01-01' WHERE name = 'weekend';
UPDATE t_stack.receipts SET total = 11 WHERE id IN (9001, 9002);
INSERT INTO t_stack.receipts VALUES (9003, 1, '2026-06-06 12:00+00', 10, 1, 'a');
-- 20, 10, 2 more, 1 more, and 50
SELECT order_key, revision, trim_scale(points) AS points FROM shop.entries WHERE order_key LIKE '900_' ORDER BY 1, 2;
-- a rename goes along
ALTER TABLE t_stack.receipts RENAME store TO branch;
ALTER TABLE t_stack.receipts RENAME total TO paid;
UPDATE shop.earning_rule SET applies_when = $$branch = 'a'$$ WHERE name = 'weekend';
SELECT name, points, multiplier, applies_when FROM shop.earning_rule ORDER BY 1;
-- points become a multiplier, and stack as one
UPDATE shop.earning_rule SET points = NULL, multiplier = '3' WHERE name = 'rate';
SELECT name, points, multiplier, stacking FROM shop.earning_rule ORDER BY 1;
UPDATE shop.earning_rule SET points = 'amount', multiplier = NULL WHERE name = 'rate';
SELECT name, points, multiplier, stacking FROM shop.earning_rule ORDER BY 1;
-- a multiplier is corrected for all versions
UPDATE shop.terms_rule SET multiplier = '4' WHERE name = 'weekend' AND version = (SELECT terms FROM shop.program);
SELECT multiplier FROM shop.earning_rule WHERE name = 'weekend';
UPDATE shop.terms_rule SET starts = '2027-01-01' WHERE name = 'weekend';
UPDATE shop.terms_rule SET points = multiplier, multiplier = NULL WHERE name = 'weekend';
SELECT * FROM loyalty.verify('shop');

-- Which rules are in force, at a moment that has been, now, and later
SELECT count(*) AS rules FROM shop.rules_at('2020-01-01');
SELECT name, starts, ends FROM shop.rules_at() ORDER BY 1;
INSERT INTO shop.earning_rule (name, points, starts, ends, priority) VALUES ('next year', '1', '2099-01-01', '2100-01-01', 5);
SELECT name FROM shop.rules_at('2098-12-31 23:59:59');
SELECT name FROM shop.rules_at('2099-01-01');
SELECT name FROM shop.rules_at('2100-01-01');
BEGIN;
DELETE FROM shop.earning_rule;
SELECT count(*) AS rules FROM shop.rules_at('2099-01-01');
SELECT count(*) AS rules FROM shop.rules_at();
ROLLBACK;
SELECT count(*) AS rules FROM shop.rules_at('2099-01-01');
DELETE FROM shop.earning_rule WHERE name = 'next year';
-- all that a rule says is told: each column of earning_rule is one of the answer, which has the version besides
SELECT r.attname AS left_out
  FROM pg_attribute r
 WHERE r.attrelid = 'shop.earning_rule'::regclass AND r.attnum > 0 AND NOT r.attisdropped
   AND r.attname NOT IN (SELECT unnest(p.proargnames) FROM pg_proc p WHERE p.oid = 'shop.rules_at'::regproc);
INSERT INTO shop.earning_rule (name, points, for_members, bonus, member_limit, limit_period, starts)
VALUES ('next year', '1', 'orders = 0', true, 5, 'month', '2099-01-01');
SELECT name, for_members, bonus, member_limit, limit_period FROM shop.rules_at('2099-01-01');
DELETE FROM shop.earning_rule WHERE name = 'next year';

-- Mistakes
INSERT INTO shop.earning_rule (name) VALUES ('none');
INSERT INTO shop.earning_rule (name, points, multiplier) VALUES ('both', '1', '2');
INSERT INTO shop.earning_rule (name, multiplier) VALUES ('typo', 'totl * 2');
INSERT INTO shop.earning_rule (name, multiplier) VALUES ('text', '''x''::text');
INSERT INTO shop.earning_rule (name, points, every) VALUES ('every', 'amount', 2);
INSERT INTO shop.earning_rule (name, points, gives) VALUES ('gives', 'amount', 2);
-- WE-025: points per nothing are refused, and never divided by
INSERT INTO shop.earning_rule (name, points, every, gives) VALUES ('WE-025', 'amount', 0, 1);
INSERT INTO shop.earning_rule (name, points, at_most) VALUES ('at most', 'amount', -1);
INSERT INTO shop.earning_rule (name, points, minimum_order) VALUES ('minimum', 'amount', 'NaN');
INSERT INTO shop.earning_rule (name, points, starts, ends) VALUES ('window', 'amount', '2026-02-01', '2026-01-01');
INSERT INTO shop.earning_rule (name, points, rounding) VALUES ('rounding', 'amount', 'up');
INSERT INTO shop.earning_rule (name, points, stacking) VALUES ('stacking', 'amount', 'multiply');
INSERT INTO shop.earning_rule (name, multiplier, stacking) VALUES ('stacking', '2', 'sum');
INSERT INTO shop.earning_rule (name, multiplier, rounding) VALUES ('rounding', '2', 'floor');
INSERT INTO shop.earning_rule (name, points, stacking_group) VALUES ('group', '2', ' ');
SELECT count(*) AS rules FROM shop.earning_rule;
SELECT * FROM loyalty.verify('shop');

-- A planted fault is found: what was recorded is not what the rules come to
BEGIN;
SET session_replication_role = replica;
UPDATE shop.ledger SET awards = awards + 1, points_change = points_change + 1, order_points = order_points + 1 WHERE order_key = '2';
SET session_replication_role = origin;
SELECT violation FROM loyalty.verify('shop') WHERE order_key = '2' ORDER BY 1;
ROLLBACK;

SET client_min_messages = error;
SELECT loyalty.drop_program('club', force => true);
SELECT loyalty.drop_program('shop', force => true);
DROP SCHEMA t_stack CASCADE;
