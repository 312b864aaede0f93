-- What rules come to that is less than nothing, not finite, or null.  Expected values are worked
-- out by hand.
\set SHOW_CONTEXT never
\set VERBOSITY default
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, MDY';
CREATE SCHEMA t_values;
CREATE TABLE t_values.customers (id int PRIMARY KEY);
INSERT INTO t_values.customers VALUES (1);
CREATE TABLE t_values.orders (id int PRIMARY KEY, customer int, total numeric, x numeric,
                              at timestamptz DEFAULT '2026-01-01');
CREATE TABLE t_values.sales (LIKE t_values.orders INCLUDING ALL);
CREATE TABLE t_values.lines (sale int, sku text, price numeric, x numeric);
CREATE INDEX ON t_values.lines (sale);
SELECT loyalty.create_program('club', 't_values.customers', time_zone => 'UTC', points_scale => 2);
SELECT loyalty.track_orders('club', 't_values.orders', customer => 'customer', at => 'at',
                            amount => 'total');
SELECT loyalty.track_orders('club', 't_values.sales', customer => 'customer', at => 'at',
                            lines => 't_values.lines',
                            line_order => 'sale', line_amount => 'price');
-- An order and what rules make of it: simulated, recorded, and explained.
CREATE FUNCTION t_values.worth(total numeric, x numeric, rules text)
RETURNS TABLE (simulated numeric, recorded numeric, explained numeric, wrong bigint)
LANGUAGE plpgsql AS $$
DECLARE
	key int := (SELECT coalesce(max(o.id), 0) + 1 FROM t_values.orders o);
BEGIN
	DELETE FROM club.earning_rule;
	EXECUTE 'INSERT INTO club.earning_rule ' || rules;
	SELECT sum(s.points) INTO simulated
	  FROM club.simulate_order(ROW(key, 1, total, x, '2026-01-01')::t_values.orders) s;
	INSERT INTO t_values.orders VALUES (key, 1, total, x);
	recorded := (SELECT o.points FROM club.order_points o
	              WHERE o.order_key = key::text AND o.tracked_table = 1);
	explained := (SELECT sum(e.points) FROM club.explain(key::text, tracked => 't_values.orders') e);
	wrong := (SELECT count(*) FROM loyalty.verify('club'));
	RETURN NEXT;
END $$;
-- The steps of the newest of them.
CREATE FUNCTION t_values.steps()
RETURNS TABLE (what text, name text, status text, value numeric, points numeric)
LANGUAGE sql AS $$
	SELECT e.what, e.name, e.status, e.value, e.points
	  FROM club.explain((SELECT max(id)::text FROM t_values.orders), tracked => 't_values.orders') e
$$;

-- 1. Multipliers that are added come to no less than 0: 1 - 0.8 - 0.7 is 0, and takes nothing away
SELECT * FROM t_values.worth(100, NULL, $$(name, points, multiplier, stacking) VALUES
  ('base', 'amount', NULL, NULL), ('a', NULL, '0.2', 'add'), ('b', NULL, '0.3', 'add')$$);
-- 100, -80, and the 20 that are left
SELECT * FROM t_values.steps();
-- a credit note is not turned into points either
SELECT * FROM t_values.worth(-100, NULL, $$(name, points, multiplier, stacking) VALUES
  ('base', 'amount', NULL, NULL), ('a', NULL, '0.2', 'add'), ('b', NULL, '0.3', 'add')$$);
-- with one of 2 it is 1 - 0.8 - 0.7 + 1, which is 0.5: 50
SELECT * FROM t_values.worth(100, NULL, $$(name, points, multiplier, stacking) VALUES
  ('base', 'amount', NULL, NULL), ('a', NULL, '0.2', 'add'), ('b', NULL, '0.3', 'add'),
  ('c', NULL, '2', 'add')$$);
-- the 50 come from below 0: 100, -80, -20, and 50
SELECT * FROM t_values.steps();
-- beside one that multiplies: 100 * 3 * 0; and a bonus of 7, which is not multiplied
SELECT * FROM t_values.worth(100, NULL, $$(name, points, multiplier, stacking, bonus) VALUES
  ('base', 'amount', NULL, NULL, false), ('a', NULL, '0.2', 'add', false),
  ('b', NULL, '0.3', 'add', false), ('three', NULL, '3', 'multiply', false),
  ('seven', '7', NULL, NULL, true)$$);
SELECT * FROM t_values.steps();
-- the same under limits: what a rule with one would give is nothing, of the rest 7
SELECT * FROM t_values.worth(100, NULL, $$
  (name, points, multiplier, stacking, bonus, member_limit) VALUES
  ('base', 'amount', NULL, NULL, false, 50), ('a', NULL, '0.2', 'add', false, NULL),
  ('b', NULL, '0.3', 'add', false, NULL), ('seven', '7', NULL, NULL, true, NULL)$$);

-- 2. A number below 0 is refused; an expression that comes out below 0 counts as 0
INSERT INTO club.earning_rule (name, multiplier) VALUES ('less', '-1');
-- 100 * 0; 300 * 100; of two below 0, each is 0, and not their product
SELECT * FROM t_values.worth(100, NULL, $$(name, points, multiplier) VALUES
  ('base', 'amount', NULL), ('more', NULL, 'total - 200')$$);
SELECT * FROM t_values.steps();
SELECT * FROM t_values.worth(300, NULL, $$(name, points, multiplier) VALUES
  ('base', 'amount', NULL), ('more', NULL, 'total - 200')$$);
SELECT * FROM t_values.worth(100, NULL, $$(name, points, multiplier) VALUES
  ('base', 'amount', NULL), ('more', NULL, 'total - 200'), ('most', NULL, 'total - 300')$$);
-- of the best ones, 0 is the best; a bonus of 7 beside it
SELECT * FROM t_values.worth(100, NULL, $$(name, points, multiplier, stacking, bonus) VALUES
  ('base', 'amount', NULL, NULL, false), ('more', NULL, 'total - 200', 'best_of', false),
  ('most', NULL, 'total - 300', 'best_of', false), ('seven', '7', NULL, NULL, true)$$);
-- one that is below 0 is 0 before it is added: 1 - 1 + 1.5 - 1 is 0.5
SELECT * FROM t_values.worth(100, NULL, $$(name, points, multiplier, stacking) VALUES
  ('base', 'amount', NULL, NULL), ('a', NULL, 'total - 200', 'add'), ('b', NULL, '1.5', 'add')$$);
SELECT * FROM t_values.steps();
-- of lines: 10 at 2, and 20 at -3, which is 0, are 20.  Added, 1 + 0.5 - 1 is 0.5 for the first, and
-- 1 - 1 + 0.5 - 1 is 0 for the second: 5
DELETE FROM club.earning_rule;
INSERT INTO club.earning_rule (name, points, multiplier, per) VALUES
  ('base', 'price', NULL, 'line'), ('x', NULL, 'line.x', 'line');
INSERT INTO t_values.sales VALUES (1, 1);
INSERT INTO t_values.lines VALUES (1, 'a', 10, 2), (1, 'b', 20, -3);
SELECT points AS "20" FROM club.order_points WHERE tracked_table = 2;
SELECT what, name, status, value, points FROM club.explain('1', tracked => 't_values.sales');
DELETE FROM club.earning_rule;
INSERT INTO club.earning_rule (name, points, multiplier, per, stacking) VALUES
  ('base', 'price', NULL, 'line', NULL), ('x', NULL, 'line.x', 'line', 'add'),
  ('y', NULL, '0.5', 'line', 'add');
INSERT INTO t_values.sales VALUES (2, 1);
INSERT INTO t_values.lines VALUES (2, 'a', 10, 1), (2, 'b', 20, -3);
SELECT points AS "5" FROM club.order_points WHERE tracked_table = 2 AND order_key = '2';
SELECT * FROM loyalty.verify('club');

-- 3. Points that are not finite, or too large, are an error that names the rule
DELETE FROM club.earning_rule;
INSERT INTO club.earning_rule (name, points) VALUES
  ('r1', 'amount'), ('r2', 'amount * x'), ('r3', '1');
INSERT INTO t_values.orders VALUES (61, 1, 10, 'NaN');
INSERT INTO t_values.orders VALUES (61, 1, 10, 1e20);
SELECT * FROM club.simulate_order(ROW(61, 1, 10, 'NaN', '2026-01-01')::t_values.orders);
-- each may do, and both together be too much: none is named
INSERT INTO club.earning_rule (name, points) VALUES ('r4', 'amount * x');
INSERT INTO t_values.orders VALUES (61, 1, 10, 6e18);
-- rules that do more than to add up points: what is limited does no harm, the multiplier does
DELETE FROM club.earning_rule;
INSERT INTO club.earning_rule (name, points, at_most) VALUES ('most', 'amount * 1e30', 5);
INSERT INTO club.earning_rule (name, multiplier) VALUES ('factor', 'x');
INSERT INTO t_values.orders VALUES (61, 1, 10, 'NaN');
-- and those that are for some, or a bonus, also where they are simulated
INSERT INTO club.earning_rule (name, points, bonus) VALUES ('bonus', 'x', true);
DELETE FROM club.earning_rule WHERE name = 'factor';
INSERT INTO t_values.orders VALUES (61, 1, 10, 'NaN');
SELECT * FROM club.simulate_order(ROW(61, 1, 10, 'NaN', '2026-01-01')::t_values.orders);
-- of orders of lines
DELETE FROM club.earning_rule;
INSERT INTO club.earning_rule (name, points, per) VALUES
  ('r1', 'price', 'line'), ('r2', 'line.x', 'line');
INSERT INTO t_values.sales VALUES (3, 1);
INSERT INTO t_values.lines VALUES (3, 'a', 10, 'NaN');
INSERT INTO club.earning_rule (name, points, bonus) VALUES ('bonus', 'amount * x', true);
INSERT INTO t_values.sales VALUES (4, 1, NULL, 'NaN');
INSERT INTO t_values.lines VALUES (4, 'a', 10, 1);
-- and where all orders of a table are read
ALTER TABLE t_values.lines DISABLE TRIGGER USER;
INSERT INTO t_values.lines VALUES (3, 'a', 10, 'NaN');
ALTER TABLE t_values.lines ENABLE TRIGGER USER;
SELECT recorded FROM loyalty.reconcile('club');
-- by option, such an order does not count, and explain() says why
UPDATE club.program SET on_invalid = 'skip';
SELECT sum(recorded) AS none FROM loyalty.reconcile('club');
SELECT status FROM club.explain('3', tracked => 't_values.sales');
SELECT * FROM loyalty.verify('club');
DELETE FROM t_values.lines WHERE sale = 3;
UPDATE club.program SET on_invalid = 'error';

-- 4. A rule whose points or multiplier is null gives nothing: it applies, and has no value
DELETE FROM club.earning_rule;
INSERT INTO club.earning_rule (name, points, multiplier, applies_when) VALUES
  ('base', 'amount', NULL, 'true'), ('factor', NULL, 'x', 'true'),
  ('half', 'x / 2', NULL, 'total > 10'),
  ('number', '3', NULL, 'total > 10');
INSERT INTO t_values.orders VALUES (101, 1, 20), (102, 1, 5);
SELECT what, name, status, value, points FROM club.explain('101', tracked => 't_values.orders');
SELECT what, name, status, value, points FROM club.explain('102', tracked => 't_values.orders');
SELECT what, name, status, points
  FROM club.simulate_order(ROW(3, 1, 20, NULL, '2026-01-01')::t_values.orders);
-- of lines, if it applies to one of them
DELETE FROM club.earning_rule;
INSERT INTO club.earning_rule (name, points, per, applies_when) VALUES
  ('a', 'line.x', 'line', $$sku = 'a'$$);
INSERT INTO club.campaign (name, applies_when) VALUES
  ('never', 'amount < 0'), ('now', 'amount > 0');
INSERT INTO club.earning_rule (name, points, bonus, campaign) VALUES
  ('never', 'x', true, 'never'), ('now', 'x', true, 'now');
INSERT INTO t_values.sales VALUES (5, 1), (6, 1);
INSERT INTO t_values.lines VALUES (5, 'a', 10, NULL), (5, 'b', 10, 1), (6, 'b', 10, 1);
SELECT what, name, status FROM club.explain('5', tracked => 't_values.sales');
SELECT what, name, status FROM club.explain('6', tracked => 't_values.sales');
SELECT what, name, status
  FROM club.simulate_order(ROW(7, 1, 0, NULL, '2026-01-01')::t_values.sales,
                           ARRAY[ROW(7, 'a', 10, NULL)::t_values.lines]);
SELECT * FROM loyalty.verify('club');

-- 5. The best of a group is chosen before it is multiplied: the bonus of 100 counts, and not 60 * 2
SELECT * FROM t_values.worth(10, NULL, $$(name, points, multiplier, stacking, bonus) VALUES
  ('rule', '60', NULL, 'best_of', false), ('bonus', '100', NULL, 'best_of', true),
  ('two', NULL, '2', NULL, false)$$);
SELECT * FROM loyalty.verify('club');

-- 6. A rule has a name
INSERT INTO club.earning_rule (name, points) VALUES ('', '1');
INSERT INTO club.earning_rule (name, points) VALUES (' ', '1');
UPDATE club.earning_rule SET name = '' WHERE name = 'two';

SELECT loyalty.drop_program('club', force => true);
DROP SCHEMA t_values CASCADE;
