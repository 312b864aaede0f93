-- Orders in several currencies: the rate is that of the order's time by the
-- table "exchange_rate" when the order was first recorded, and stays.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';
CREATE SCHEMA currency;
SET search_path = currency;
CREATE TABLE customers (customer_id int PRIMARY KEY);
INSERT INTO customers SELECT generate_series(1, 4);
CREATE TABLE orders (
	order_id int PRIMARY KEY, customer_id int, at timestamptz NOT NULL DEFAULT '2025-06-01', total numeric,
	money text, status text NOT NULL DEFAULT 'paid');
CREATE TABLE refunds (refund_id int PRIMARY KEY, order_id int, amount numeric, customer_id int, at timestamptz DEFAULT '2025-06-01', money text);
SELECT loyalty.create_program('abroad', 'customers', time_zone => 'UTC');
INSERT INTO abroad.earning_rule (name, points) VALUES ('one per euro', 'amount');
CREATE VIEW points AS SELECT customer_id, points, lifetime_value, orders FROM abroad.members ORDER BY 1;
CREATE VIEW entries AS
SELECT customer_id, order_key AS o, revision AS r, counts AS c, currency, rate, amount_change, points FROM abroad.entries ORDER BY 1, entry;

-- mistakes
SELECT loyalty.track_orders('abroad', 'orders', customer => 'customer_id', at => 'at', amount => 'total', currency => 'curency');
SELECT loyalty.track_orders('abroad', 'orders', customer => 'customer_id', at => 'at', amount => 'total', currency => 'money = 1');
INSERT INTO abroad.exchange_rate VALUES ('CHF', '2025-01-01', 0);
INSERT INTO abroad.exchange_rate VALUES ('CHF', '2025-01-01', -1);
INSERT INTO abroad.exchange_rate VALUES ('CHF', '2025-01-01', 'NaN');
INSERT INTO abroad.exchange_rate VALUES ('CHF', '2025-01-01', 1e12);
INSERT INTO abroad.exchange_rate VALUES ('CHF', '2025-01-01', NULL);
INSERT INTO abroad.exchange_rate VALUES ('', '2025-01-01', 1);
SELECT * FROM abroad.exchange_rate;

-- rates with validity; an order before the first has none
INSERT INTO abroad.exchange_rate VALUES ('CHF', DEFAULT, 1.05), ('CHF', '2025-01-01', 1.07), ('JPY', '2024-01-01', 0.0061);
INSERT INTO orders VALUES (1, 1, '2024-12-31 23:59:59+00', 100, 'CHF'), (2, 1, '2025-01-01 00:00:00+00', 100, 'CHF');
SELECT loyalty.track_orders('abroad', 'orders', customer => 'customer_id', at => 'at', amount => 'total',
                            counts_when => $$status = 'paid'$$, currency => $$nullif(money, 'EUR')$$);
INSERT INTO orders VALUES (3, 2, '2025-06-01', 12345, 'JPY'), (4, 2, '2025-06-01', 10.99, 'EUR'), (5, 2, '2025-06-01', 5.5, NULL);
SELECT * FROM entries;
SELECT * FROM loyalty.verify('abroad');

-- the rate is pinned: neither a correction nor a new row changes an order
UPDATE abroad.exchange_rate SET rate = 2 WHERE currency = 'CHF';
INSERT INTO abroad.exchange_rate VALUES ('JPY', '2025-05-01', 1);
SELECT * FROM loyalty.verify('abroad');
UPDATE orders SET total = 50 WHERE order_id = 2;
CALL loyalty.post('abroad');
UPDATE orders SET total = 20000 WHERE order_id = 3;
UPDATE orders SET at = '2026-01-01' WHERE order_id = 2;
INSERT INTO orders VALUES (6, 3, '2025-06-01', 20, 'CHF');
SELECT * FROM entries;
SELECT * FROM points;
SELECT * FROM loyalty.verify('abroad');
DELETE FROM abroad.exchange_rate WHERE currency = 'CHF';
-- it is kept while the order does not count, and when there is no rate any more
UPDATE orders SET status = 'open' WHERE order_id = 2;
UPDATE orders SET status = 'paid' WHERE order_id = 2;
SELECT * FROM entries WHERE o = '2';
SELECT * FROM loyalty.verify('abroad');

-- another currency is another rate
INSERT INTO abroad.exchange_rate VALUES ('CHF', '2025-01-01', 3);
UPDATE orders SET money = 'JPY' WHERE order_id = 2;
UPDATE orders SET money = 'EUR' WHERE order_id = 2;
UPDATE orders SET money = 'CHF' WHERE order_id = 2;
SELECT * FROM entries WHERE o = '2';
SELECT * FROM loyalty.verify('abroad');

-- no rate: the order is made, and told of
INSERT INTO orders VALUES (7, 4, '2025-06-01', 100, 'SEK'), (8, 4, '2023-12-31', 100, 'JPY');
SELECT * FROM points WHERE customer_id = 4;
SELECT * FROM loyalty.verify('abroad');
UPDATE orders SET money = 'SEK' WHERE order_id = 6;
SELECT * FROM points WHERE customer_id = 3;
INSERT INTO abroad.exchange_rate VALUES ('SEK', DEFAULT, 0.09), ('JPY', DEFAULT, 0.005);
SELECT violation, customer, order_key FROM loyalty.verify('abroad');
SELECT recorded, archived, reversed FROM loyalty.reconcile('abroad');
SELECT * FROM points;
SELECT * FROM loyalty.verify('abroad');

-- refunds are in the currency of their order; those of no order have their own
SELECT loyalty.track_refunds('abroad', 'refunds', order_key => 'order_id', amount => 'amount', currency => 'money');
SELECT loyalty.track_refunds('abroad', 'refunds', order_key => 'order_id', amount => 'amount',
                             customer => 'customer_id', at => 'at', currency => $$nullif(money, 'EUR')$$);
INSERT INTO refunds VALUES (1, 7, 40, NULL, NULL, NULL), (2, 3, 20000, NULL, NULL, NULL), (3, NULL, 10, 4, '2025-06-01', 'SEK'), (4, NULL, 1, 4, '2025-06-01', 'EUR');
UPDATE abroad.exchange_rate SET rate = 7;
INSERT INTO refunds VALUES (5, 7, 60);
SELECT * FROM entries WHERE customer_id IN (2, 4);
SELECT * FROM points;
SELECT * FROM loyalty.verify('abroad');
CALL loyalty.post('abroad');

-- another customer: the order keeps its rate, 0.09
UPDATE orders SET customer_id = 2 WHERE order_id = 6;
SELECT * FROM entries WHERE o = '6';
DELETE FROM orders WHERE order_id IN (1, 6);
SELECT * FROM points;
SELECT * FROM loyalty.verify('abroad');

-- a currency without which the table is tracked again
SELECT loyalty.untrack('abroad', 'refunds');
SELECT loyalty.untrack('abroad', 'orders');
SELECT loyalty.track_orders('abroad', 'orders', customer => 'customer_id', at => 'at', amount => 'total');
SELECT * FROM points;
SELECT violation, count(*) FROM loyalty.verify('abroad') GROUP BY 1;
SELECT loyalty.drop_program('abroad', force => true);

-- whatever type the currency has
CREATE TYPE code AS ENUM ('EUR', 'CHF');
CREATE DOMAIN iso AS char(3) CHECK (VALUE <> 'XXX');
CREATE TABLE typed (order_id numeric PRIMARY KEY, customer_id int, total numeric, e code, d iso, since date);
SELECT loyalty.create_program('abroad', 'customers', time_zone => 'UTC');
INSERT INTO abroad.exchange_rate VALUES ('CHF', DEFAULT, 1.05), ('EUR', DEFAULT, 1);
SELECT loyalty.track_orders('abroad', 'typed', customer => 'customer_id', at => $$'2025-06-01'$$, amount => 'total', currency => 'since');
SELECT loyalty.track_orders('abroad', 'typed', customer => 'customer_id', at => $$'2025-06-01'$$, amount => 'total', currency => 'coalesce(e::text, d)');
INSERT INTO typed VALUES (1.0, 1, 10, 'CHF', NULL), (2.00, 1, 10, 'EUR', NULL), (3, 1, 10, NULL, 'CHF'), (4, 1, 10, NULL, NULL), (5, 1, 10, NULL, '');
UPDATE typed SET order_id = 1.00 WHERE order_id = 1;
UPDATE typed SET total = 11;
SELECT order_key, counts, currency, rate, amount FROM abroad.recorded_orders ORDER BY 1;
SELECT * FROM loyalty.verify('abroad');
SELECT loyalty.drop_program('abroad', force => true);

-- rules per line know the rate
CREATE TABLE lines (line_id int PRIMARY KEY, order_id int, price numeric, category text);
SELECT loyalty.create_program('abroad', 'customers', time_zone => 'UTC');
CREATE VIEW points AS SELECT customer_id, points, lifetime_value, orders FROM abroad.members ORDER BY 1;
CREATE VIEW entries AS
SELECT customer_id, order_key AS o, revision AS r, counts AS c, currency, rate, amount_change, points FROM abroad.entries ORDER BY 1, entry;
TRUNCATE orders;
INSERT INTO abroad.exchange_rate VALUES ('CHF', DEFAULT, 1.05);
SELECT loyalty.track_orders('abroad', 'orders', customer => 'customer_id', at => 'at', currency => 'money',
                            lines => 'lines', line_order => 'order_id', line_amount => 'price');
INSERT INTO abroad.earning_rule (name, points, applies_when, per) VALUES
	('books', 'price * rate', $$category = 'book'$$, 'line'),
	('all', 'amount', 'true', 'order'),
	('stranger', '10', 'rate <> 1', 'order');
INSERT INTO orders VALUES (1, 1, '2025-06-01', NULL, 'CHF'), (2, 2, '2025-06-01', NULL, NULL);
INSERT INTO lines VALUES (1, 1, 20, 'book'), (2, 1, 40, 'toy'), (3, 2, 20, 'book'), (4, 2, 40, 'toy');
SELECT * FROM entries;
UPDATE abroad.exchange_rate SET rate = 2;
DELETE FROM lines WHERE category = 'toy';
SELECT * FROM points;
SELECT * FROM loyalty.verify('abroad');
-- the column is held
ALTER TABLE orders DROP COLUMN money;
ALTER TABLE orders RENAME COLUMN money TO geld;
UPDATE lines SET price = 10;
SELECT * FROM points;
SELECT * FROM loyalty.verify('abroad');
SELECT loyalty.drop_program('abroad', force => true);

-- a backfill says how many orders it left out for want of a rate, and that there are no rules; so does reconcile
CREATE TABLE sales (sale_id int PRIMARY KEY, customer_id int, at timestamptz, total numeric, money text);
INSERT INTO sales VALUES (1, 1, '2025-06-01', 10, ''), (2, 1, '2025-06-01', 20, 'CHF'), (3, 2, '2025-06-01', 30, 'JPY'), (4, NULL, '2025-06-01', 40, 'JPY');
SELECT loyalty.create_program('abroad', 'customers', time_zone => 'UTC');
SET client_min_messages = notice;
SELECT loyalty.track_orders('abroad', 'sales', customer => 'customer_id', at => 'at', amount => 'total', currency => 'money');
INSERT INTO abroad.exchange_rate VALUES ('CHF', DEFAULT, 2);
INSERT INTO abroad.earning_rule (name, points) VALUES ('one per euro', 'amount');
SELECT * FROM loyalty.reconcile('abroad');
INSERT INTO abroad.exchange_rate VALUES ('JPY', DEFAULT, 0.1);
SELECT * FROM loyalty.reconcile('abroad');
SELECT loyalty.backfill('abroad', 'sales');
SET client_min_messages = warning;
SELECT customer_id, points, lifetime_value, orders FROM abroad.members WHERE orders > 0 ORDER BY 1;
SELECT * FROM loyalty.verify('abroad');
SELECT loyalty.drop_program('abroad', force => true);
DROP SCHEMA currency CASCADE;
