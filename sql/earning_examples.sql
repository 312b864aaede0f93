-- Published examples of earning and returns that no other test has, each by its id.
\set VERBOSITY default
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, MDY';
CREATE SCHEMA t_earning;
SET search_path = t_earning;
CREATE TABLE customers (customer_id int PRIMARY KEY, created_at timestamptz, veteran boolean);
CREATE TABLE orders (order_id int PRIMARY KEY, customer_id int, at timestamptz DEFAULT '2026-01-10', total numeric(12,2), cancelled boolean DEFAULT false);
INSERT INTO customers VALUES (1, '2026-01-01', true), (2, '2026-01-01', false);
SELECT loyalty.create_program('club', customers => 't_earning.customers', joined_at => 'created_at', time_zone => 'UTC');
SELECT loyalty.track_orders('club', 't_earning.orders', customer => 'customer_id', at => 'at', amount => 'total', counts_when => 'NOT cancelled');

-- WE-007: an account that is created earns 200
SELECT loyalty.track_events('club', 'account created', 't_earning.customers', customer => 'customer_id', at => 'created_at', event_key => 'customer_id');
INSERT INTO club.earning_rule (name, points, event) VALUES ('welcome', '200', 'account created');
INSERT INTO customers VALUES (3, '2026-01-02', false);
SELECT 'WE-007' AS example, points FROM club.members WHERE customer_id = 3;

-- WE-029: 5 points per US dollar for veterans only
INSERT INTO club.earning_rule (name, points, applies_when) VALUES ('veterans', '5 * amount', 'member.veteran');
INSERT INTO orders (order_id, customer_id, total) VALUES (1, 1, 1), (2, 2, 1);
SELECT 'WE-029' AS example, order_key, points FROM club.order_points WHERE event IS NULL ORDER BY order_key;
DELETE FROM club.earning_rule WHERE name = 'veterans';

-- WE-039: nothing below the lowest threshold, here 40,000
INSERT INTO club.earning_rule (name, points, minimum_order) VALUES ('rebate', 'amount / 1000', 40000);
INSERT INTO orders (order_id, customer_id, total) VALUES (3, 2, 20000);
SELECT 'WE-039' AS example, points FROM club.order_points WHERE order_key = '3' AND event IS NULL;
DELETE FROM club.earning_rule WHERE name = 'rebate';

-- WE-133: an invoice that is cancelled nets to nothing
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
INSERT INTO orders (order_id, customer_id, total) VALUES (4, 2, 50);
UPDATE orders SET cancelled = true WHERE order_id = 4;
SELECT 'WE-133' AS example, sum(points) FROM club.entries WHERE order_key = '4' AND kind = 'order';

-- WE-135: 50 points for 50 dollars; the rule gives double by now, or is disabled, or gone, or as it was: a return takes 50 back in all four cases
INSERT INTO orders (order_id, customer_id, total) VALUES (11, 2, 50), (12, 2, 50), (13, 2, 50), (14, 2, 50);
UPDATE orders SET total = 0 WHERE order_id = 11;
UPDATE club.earning_rule SET points = '2 * amount' WHERE name = 'one';
UPDATE orders SET total = 0 WHERE order_id = 12;
UPDATE club.earning_rule SET applies_when = 'false' WHERE name = 'one';
UPDATE orders SET total = 0 WHERE order_id = 13;
DELETE FROM club.earning_rule WHERE name = 'one';
UPDATE orders SET total = 0 WHERE order_id = 14;
SELECT 'WE-135' AS example, order_key, array_agg(points::int ORDER BY revision) FROM club.entries WHERE order_key IN ('11', '12', '13', '14') AND kind = 'order' GROUP BY order_key ORDER BY order_key;

-- WE-137: 100 points for 100 dollars, of which 75 are returned: 25 are left
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
INSERT INTO orders (order_id, customer_id, total) VALUES (20, 2, 100);
UPDATE orders SET total = 25 WHERE order_id = 20;
SELECT 'WE-137' AS example, points FROM club.order_points WHERE order_key = '20' AND event IS NULL;

-- WE-147: the same order delivered twice is 500 once
INSERT INTO orders (order_id, customer_id, total) VALUES (30, 2, 500) ON CONFLICT (order_id) DO UPDATE SET total = excluded.total;
INSERT INTO orders (order_id, customer_id, total) VALUES (30, 2, 500) ON CONFLICT (order_id) DO UPDATE SET total = excluded.total;
SELECT 'WE-147' AS example, count(*), sum(points) FROM club.entries WHERE order_key = '30' AND kind = 'order';
SELECT * FROM loyalty.verify('club');
CALL loyalty.post('club');
SELECT * FROM loyalty.verify('club');
SELECT loyalty.drop_program('club', force => true);

-- WE-131, by lines: the line that is returned takes back its own points, 20 by the rate and 0 of the bonus
CREATE TABLE baskets (basket_id int PRIMARY KEY, customer_id int, at timestamptz DEFAULT '2026-01-10');
CREATE TABLE lines (line_id int PRIMARY KEY, basket_id int, item text, price numeric(12,2));
SELECT loyalty.create_program('club', customers => 't_earning.customers', joined_at => 'created_at', time_zone => 'UTC');
SELECT loyalty.track_orders('club', 't_earning.baskets', customer => 'customer_id', at => 'at', lines => 't_earning.lines', line_order => 'basket_id', line_amount => 'price', amount => NULL);
INSERT INTO club.earning_rule (name, points, per) VALUES ('rate', 'line_amount', 'line'), ('bonus', $$CASE WHEN item <> 'C' THEN 100 ELSE 0 END$$, 'line');
INSERT INTO baskets VALUES (1, 1);
INSERT INTO lines VALUES (1, 1, 'A', 30), (2, 1, 'B', 50), (3, 1, 'C', 20);
DELETE FROM lines WHERE item = 'C';
SELECT 'WE-131' AS example, points FROM club.entries ORDER BY revision;
SELECT * FROM loyalty.verify('club');
SELECT loyalty.drop_program('club', force => true);
RESET search_path;
DROP SCHEMA t_earning CASCADE;
