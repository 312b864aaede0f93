-- Why an order has its points: the steps add up to what is recorded, whatever that is.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, MDY';
SET jit = off;
CREATE SCHEMA t_explain;
CREATE TABLE t_explain.customers (id int PRIMARY KEY);
INSERT INTO t_explain.customers VALUES (1), (2), (3);
CREATE TABLE t_explain.receipts (id text PRIMARY KEY, customer_id int, at timestamptz, total numeric, units int);
CREATE TABLE t_explain.orders (id int PRIMARY KEY, customer_id int, at timestamptz);
CREATE TABLE t_explain.lines (order_id int, sku text, price numeric);
CREATE TABLE t_explain.refunds (order_id int, amount numeric);
CREATE INDEX ON t_explain.lines (order_id);
CREATE INDEX ON t_explain.refunds (order_id);
SELECT loyalty.create_program('club', 't_explain.customers', time_zone => 'UTC');
SELECT loyalty.track_orders('club', 't_explain.receipts', customer => 'customer_id', at => 'at', amount => 'total');
INSERT INTO club.tier (name, rank, qualifies, multiplier) VALUES ('Gold', 1, 'orders > 0', 1.5);

-- Rules that are just added up
INSERT INTO club.earning_rule (name, points, applies_when) VALUES ('1 per 1', 'amount', 'true'), ('per unit', '2 * new.units', 'new.units > 3');
INSERT INTO t_explain.receipts VALUES ('a', 1, '2026-01-01', 10.50, 4), ('b', 1, '2026-01-02', 9.99, 1);
-- 10.50 + 8 = 18.5, down to 18
SELECT * FROM club.explain('a');
-- 9.99 * 1.5 = 14.985, of which 14 are counted
SELECT * FROM club.explain('b');

-- Rules that stack
INSERT INTO club.earning_rule (name, points, every, gives, at_most, stacking, stacking_group, starts, minimum_order, priority) VALUES
	('every 2', 'amount', 2, 10, 40, NULL, NULL, NULL, NULL, 5), ('good', '3.5', NULL, NULL, NULL, 'best_of', 'g', NULL, NULL, 4), ('better', '4.25', NULL, NULL, NULL, 'best_of', 'g', NULL, NULL, 3),
	('later', '1000', NULL, NULL, NULL, NULL, NULL, '2030-01-01', NULL, 2), ('large', '1000', NULL, NULL, NULL, NULL, NULL, NULL, 100, 2), ('alone', '1', NULL, NULL, NULL, 'exclusive', NULL, NULL, NULL, 1);
INSERT INTO club.earning_rule (name, multiplier, stacking, applies_when) VALUES ('double', '2', NULL, 'true'), ('half more', '1.5', 'add', 'true'), ('fifth more', '1.2', 'add', 'true'), ('never', '9', NULL, 'false');
INSERT INTO t_explain.receipts VALUES ('c', 2, '2026-01-01', 19.99, 4);
-- 40 of 90, 4.25 and 1 make 45.25; 90.5 doubled; 70 percent more are 63.35: 153.85, down to 153
SELECT * FROM club.explain('c');
SELECT sum(points) = (SELECT points FROM club.order_points WHERE order_key = 'c') AS is_right FROM club.explain('c');
CALL loyalty.post('club');
SELECT sum(points) = (SELECT points FROM club.order_points WHERE order_key = 'c') AS is_right FROM club.explain('c');
-- the order keeps the rules that it was recorded under
DELETE FROM club.earning_rule;
SELECT what, name, status FROM club.explain('a');

-- Orders of lines, and of refunds
SELECT loyalty.track_orders('club', 't_explain.orders', customer => 'customer_id', at => 'at', lines => 't_explain.lines', line_order => 'order_id', line_amount => 'price');
SELECT loyalty.track_refunds('club', 't_explain.refunds', orders => 't_explain.orders', order_key => 'order_id', amount => 'amount');
INSERT INTO club.earning_rule (name, points, multiplier, per, applies_when) VALUES ('rate', 'line.price', NULL, 'line', 'true'), ('red', NULL, '3', 'line', $$sku = 'red'$$), ('blue', NULL, '5', 'line', $$sku = 'blue'$$), ('double', NULL, '2', 'order', 'true');
\set VERBOSITY terse
INSERT INTO club.earning_rule (name, points, per) VALUES ('units', 'units', 'order');
\set VERBOSITY default
INSERT INTO t_explain.orders VALUES (7, 3, '2026-02-01');
INSERT INTO t_explain.lines VALUES (7, 'red', 10), (7, 'green', 5);
-- 3 * 10 + 5 = 35, twice
SELECT * FROM club.explain('7');
INSERT INTO t_explain.refunds VALUES (7, 5);
-- two thirds are left: 23.333..., twice 46.666..., down to 46
SELECT what, name, status, round(value, 6) AS value, round(points, 6) AS points FROM club.explain('7');
SELECT sum(points) = (SELECT points FROM club.order_points WHERE order_key = '7') AS is_right FROM club.explain('7');

-- An order that is archived has its points, and its rows are gone
BEGIN;
SET LOCAL session_replication_role = replica;
DELETE FROM t_explain.receipts WHERE id = 'c';
COMMIT;
CALL loyalty.post('club');
SELECT * FROM loyalty.reconcile('club', missing => 'archive') \g /dev/null
SELECT * FROM club.explain('c');

-- An order that was changed past the trigger: 8 more than is recorded
BEGIN;
SET LOCAL session_replication_role = replica;
UPDATE t_explain.receipts SET total = total + 8 WHERE id = 'b';
COMMIT;
SELECT * FROM club.explain('b');
SELECT sum(points) = (SELECT points FROM club.order_points WHERE order_key = 'b') AS is_right FROM club.explain('b');
SELECT * FROM loyalty.reconcile('club') \g /dev/null
SELECT * FROM club.explain('b');

-- What does not count, is not recorded, or is not there
INSERT INTO t_explain.receipts VALUES ('d', 1, NULL, 10, 1);
SELECT * FROM club.explain('d');
UPDATE t_explain.receipts SET customer_id = NULL WHERE id = 'a';
SELECT * FROM club.explain('a');
SELECT * FROM club.explain('nothing');
SELECT * FROM club.explain(NULL);
-- an order says why it does not count, whether it did once, or never was recorded, or is not there; in the order in which
-- it is asked: of whom it is, counts_when, when it was made, its amount, the rate of its currency, and what was refunded
CREATE TABLE t_explain.sales (id int PRIMARY KEY, customer_id int, at timestamptz, total numeric, state text, currency text);
CREATE TABLE t_explain.returns (sale_id int, amount numeric);
SELECT loyalty.create_program('reasons', 't_explain.customers', time_zone => 'UTC', on_invalid => 'skip');
SELECT loyalty.track_orders('reasons', 't_explain.sales', customer => 'customer_id', at => 'at', amount => 'total', counts_when => $$state = 'paid'$$, currency => 'currency');
SELECT loyalty.track_refunds('reasons', 't_explain.returns', orders => 't_explain.sales', order_key => 'sale_id', amount => 'amount');
INSERT INTO t_explain.sales VALUES
	(1, NULL, '2026-01-01', 10, 'open', NULL), (2, 1, '2026-01-01', 10, 'open', 'CHF'), (3, 1, NULL, NULL, NULL, NULL), (4, 1, NULL, NULL, 'paid', NULL),
	(5, 1, '2026-01-01', NULL, 'paid', NULL), (6, 1, '2026-01-01', 10, 'paid', 'CHF'), (7, 1, '2026-01-01', 10, 'paid', NULL), (8, 1, 'infinity', 10, 'paid', NULL),
	(9, 1, '2026-01-01', 10, 'paid', NULL), (10, 99, '2026-01-01', 10, 'paid', NULL);
INSERT INTO t_explain.returns VALUES (7, 10);
UPDATE t_explain.sales SET state = 'returned' WHERE id = 9;
SELECT s.id, e.step, e.what, e.status, e.points FROM t_explain.sales s CROSS JOIN LATERAL reasons.explain(s.id::text) e ORDER BY s.id, e.step;
-- the same of those that are not there, but that these have no refunds, and what would be refused is an error
SELECT s.id, e.step, e.what, e.status, e.points FROM t_explain.sales s CROSS JOIN LATERAL reasons.simulate_order(s) e WHERE s.id <> 8 ORDER BY s.id, e.step;
-- with a rule, the customer who is unknown is told besides
INSERT INTO reasons.earning_rule (name, points) VALUES ('one', 'amount');
SELECT step, what, status, points FROM reasons.simulate_order(ROW(11, 99, '2026-01-01', 10, 'paid', NULL)::t_explain.sales);
DELETE FROM t_explain.sales WHERE id = 6;	-- for want of a rate
SELECT * FROM loyalty.verify('reasons');
SELECT loyalty.drop_program('reasons', force => true);
INSERT INTO t_explain.receipts VALUES ('7', 1, '2026-03-01', 10, 1);
SELECT * FROM club.explain('7');
SELECT what, name, points FROM club.explain('7', 't_explain.receipts');
SELECT * FROM club.explain('7', 't_explain.customers');

-- Who may read the members may ask; nobody else
CREATE ROLE regress_loyalty_explain;
GRANT USAGE ON SCHEMA club TO regress_loyalty_explain;
SET ROLE regress_loyalty_explain;
SELECT * FROM club.explain('7', 't_explain.receipts');
RESET ROLE;
SELECT loyalty.grant_access('club', 'regress_loyalty_explain', 'read') \g /dev/null
GRANT USAGE ON SCHEMA t_explain TO regress_loyalty_explain;
SET ROLE regress_loyalty_explain;
SELECT count(*) > 0 AS may FROM club.explain('7', 't_explain.receipts');
RESET ROLE;

-- An order that is not there yet
SELECT * FROM club.simulate_order(ROW(NULL, 3, '2026-03-01')::t_explain.orders, ARRAY[ROW(NULL, 'red', 10), ROW(NULL, 'blue', 2)]::t_explain.lines[]);
-- 30 and 10, twice, and half more for Gold: 120; without lines, there is nothing to count
SELECT sum(points) AS points FROM club.simulate_order(ROW(NULL, 3, '2026-03-01')::t_explain.orders, ARRAY[ROW(NULL, 'red', 10), ROW(NULL, 'blue', 2)]::t_explain.lines[]);
SELECT what, status, points FROM club.simulate_order(ROW(7, 3, '2026-03-01')::t_explain.orders);
-- a key that an order has says nothing of it: neither its lines nor its refunds are taken
SELECT sum(points) AS points FROM club.simulate_order(ROW(7, 2, '2026-03-01')::t_explain.orders, ARRAY[ROW(7, 'green', 1)]::t_explain.lines[]);
SELECT what, status FROM club.simulate_order(jsonb_populate_record(NULL::t_explain.receipts, '{"customer_id": 1, "total": 5}'));
SELECT * FROM club.simulate_order(1);
SELECT * FROM club.simulate_order(ROW('x', 1, '2026-03-01', 5, 1)::t_explain.receipts, ARRAY[1]);
SELECT * FROM club.simulate_order(ROW(NULL, 3, '2026-03-01')::t_explain.orders, ARRAY[ROW('x', 1, '2026-03-01', 5, 1)]::t_explain.receipts[]);
SELECT * FROM club.simulate_order(NULL::t_explain.receipts);
SET ROLE regress_loyalty_explain;
SELECT count(*) > 0 AS may FROM club.simulate_order(ROW('x', 1, '2026-03-01', 5, 1)::t_explain.receipts);
SELECT * FROM _loyalty.explain('club.program', 'x', NULL, NULL);
RESET ROLE;
REVOKE EXECUTE ON FUNCTION club.simulate_order FROM regress_loyalty_explain;
SET ROLE regress_loyalty_explain;
SELECT * FROM club.simulate_order(ROW('x', 1, '2026-03-01', 5, 1)::t_explain.receipts);
RESET ROLE;
-- days are those of the program, whatever the session says
DELETE FROM club.earning_rule;
INSERT INTO club.earning_rule (name, points) VALUES ('day', 'extract(day FROM at) + 100 * length(at::text)');
SET timezone = 'Asia/Tokyo';
SET datestyle = 'SQL, DMY';
SELECT sum(points) AS points FROM club.simulate_order(ROW('x', 1, '2026-03-01 23:00+00', 5, 1)::t_explain.receipts);
INSERT INTO t_explain.receipts VALUES ('x', 3, '2026-03-01 23:00+00', 5, 1);
SELECT sum(points) AS points FROM club.explain('x');
RESET timezone;
SET timezone = 'UTC';
SET datestyle = 'ISO, MDY';

-- A rule that is not in force is not evaluated, and cannot fail
DELETE FROM club.earning_rule;
INSERT INTO club.earning_rule (name, points, starts, minimum_order) VALUES ('base', 'amount', NULL, NULL), ('later', '100 / (amount - 5)', '2090-01-01', NULL), ('large', '100 / (amount - 5)', NULL, 6);
INSERT INTO t_explain.receipts VALUES ('y', 3, '2026-03-01', 5, 1);
SELECT name, status, value, points FROM club.explain('y');
SELECT name, status, points FROM club.simulate_order(ROW('z', 3, '2026-03-01', 5, 1)::t_explain.receipts);
-- what would be refused is refused
SELECT * FROM club.simulate_order(ROW('z', 3, '2026-03-01', 'NaN', 1)::t_explain.receipts);
SELECT * FROM club.simulate_order(ROW('z', 3, 'infinity', 50, 1)::t_explain.receipts);
SELECT * FROM club.simulate_order(ROW('z', 3, '2026-03-01', '1e20', 1)::t_explain.receipts);

-- At random: whatever the rules, the steps add up
DELETE FROM club.earning_rule;
INSERT INTO club.earning_rule (name, points, multiplier, applies_when, every, gives, at_most, rounding, priority, stacking, stacking_group)
SELECT 'rule ' || i, CASE WHEN i % 3 > 0 THEN format('amount * 0.%s', i) END, CASE WHEN i % 3 = 0 THEN '1.' || i END, CASE i % 4 WHEN 1 THEN 'amount > 30' ELSE 'true' END,
       CASE WHEN i % 5 = 1 THEN 3.5 END, CASE WHEN i % 5 = 1 THEN 7 END, CASE WHEN i % 6 = 1 THEN 15 END, CASE WHEN i % 7 = 1 THEN 'half_even' END, i % 4,
       CASE WHEN i % 3 = 0 THEN (ARRAY['multiply', 'add', 'best_of'])[1 + i % 2] ELSE (ARRAY['add', 'best_of', 'add', 'exclusive'])[1 + i % 4] END, CASE WHEN i % 2 = 0 THEN 'g' END
  FROM (SELECT i FROM generate_series(1, 13) i WHERE i % 3 > 0 OR i <= 12) x WHERE NOT (i % 3 = 0 AND (i % 5 = 1 OR i % 6 = 1 OR i % 7 = 1));
INSERT INTO t_explain.receipts SELECT 'r' || i, 2, timestamptz '2026-05-01' + i * interval '1 hour', round((i * 37 % 101)::numeric * 1.37, 2), i % 5 FROM generate_series(1, 60) i;
-- what was to be expected of the next order is what it gets
CREATE TABLE t_explain.expected AS SELECT v.id, (SELECT sum(x.points) FROM club.simulate_order(ROW(v.*)::t_explain.receipts) x) AS points
  FROM (SELECT 's' || i AS id, 1 + i % 3 AS customer_id, timestamptz '2026-06-01' + i * interval '1 hour' AS at, round((i * 53 % 97)::numeric * 1.37, 2) AS total, i % 5 AS units FROM generate_series(1, 30) i) v;
INSERT INTO t_explain.receipts SELECT 's' || i, 1 + i % 3, timestamptz '2026-06-01' + i * interval '1 hour', round((i * 53 % 97)::numeric * 1.37, 2), i % 5 FROM generate_series(1, 30) i;
SELECT count(*) AS orders, count(*) FILTER (WHERE e.points IS DISTINCT FROM o.points) AS wrong FROM t_explain.expected e LEFT JOIN club.order_points o ON o.order_key = e.id;
SELECT count(*) AS orders, count(*) FILTER (WHERE e.points <> o.points OR e.points IS NULL) AS wrong, count(*) FILTER (WHERE e.differ) AS differ
  FROM club.order_points o CROSS JOIN LATERAL (SELECT sum(x.points) AS points, bool_or(x.what IN ('difference', 'lines that left')) AS differ FROM club.explain(o.order_key, 't_explain.receipts') x) e
 WHERE o.order_key LIKE 'r%';
SELECT * FROM loyalty.verify('club');
SET client_min_messages = error;
SELECT loyalty.drop_program('club', force => true);
-- An order for which an expression fails does not count by on_invalid => 'skip', and explain() says what fails
CREATE TABLE t_explain.texts (id int PRIMARY KEY, customer_id int, at timestamptz DEFAULT '2026-03-01', total text);
SELECT loyalty.create_program('club', 't_explain.customers', time_zone => 'UTC');
UPDATE club.program SET on_invalid = 'skip';
INSERT INTO club.earning_rule (name, points) VALUES ('inverse', '100 / (amount - 20)');
SELECT loyalty.track_orders('club', 't_explain.texts', customer => 'customer_id', at => 'at', amount => 'total::numeric');
INSERT INTO t_explain.texts VALUES (1, 1, DEFAULT, '12,5'), (2, 1, DEFAULT, '20'), (3, 1, DEFAULT, '30');
SELECT what, status, points FROM club.explain('1');
SELECT what, status, points FROM club.explain('2');
-- 100 / 10
SELECT what, status, points FROM club.explain('3');
SELECT * FROM loyalty.verify('club');
-- the same with refunds, one of which cannot be computed
DROP TABLE t_explain.refunds;
CREATE TABLE t_explain.refunds (order_id int, amount text);
SELECT loyalty.track_refunds('club', 't_explain.refunds', order_key => 'order_id', amount => 'amount::numeric');
INSERT INTO t_explain.texts VALUES (4, 2, DEFAULT, '30');
INSERT INTO t_explain.refunds VALUES (4, '1,5');
SELECT what, status, points FROM club.explain('1');
SELECT what, status, points FROM club.explain('2');
SELECT what, status, points FROM club.explain('4');
SELECT * FROM loyalty.verify('club');
-- one that still counts, since nobody told of its change: verify() tells
BEGIN;
SET LOCAL session_replication_role = replica;
UPDATE t_explain.texts SET total = 'x' WHERE id = 3;
SET LOCAL session_replication_role = origin;
SELECT what, status, points FROM club.explain('3');
SELECT violation, order_key FROM loyalty.verify('club');
ROLLBACK;
-- a table that is not tracked
SELECT * FROM club.explain('3', tracked => 't_explain.lines');
SELECT * FROM club.explain('5', tracked => 't_explain.texts');
SELECT loyalty.drop_program('club', force => true);
DROP SCHEMA t_explain CASCADE;
DROP ROLE regress_loyalty_explain;
