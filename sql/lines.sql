-- Orders with lines, and refunds in their own table: what an order is worth
-- doesn't depend on the way or the order in which its rows come.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';
CREATE SCHEMA t_lines;
CREATE TABLE t_lines.customers (customer_id int PRIMARY KEY);
INSERT INTO t_lines.customers SELECT generate_series(1, 9);
CREATE TABLE t_lines.orders (order_id int PRIMARY KEY, customer_id int, at timestamptz DEFAULT '2024-01-01', status text DEFAULT 'paid');
CREATE TABLE t_lines.lines (order_id int, line int, sku text, qty int, price numeric, PRIMARY KEY (order_id, line),
                            FOREIGN KEY (order_id) REFERENCES t_lines.orders ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE t_lines.refunds (refund_id serial PRIMARY KEY, order_id int, amount numeric, status text DEFAULT 'done');
CREATE INDEX ON t_lines.refunds (order_id);
-- before tracking
INSERT INTO t_lines.orders VALUES (1, 1);
INSERT INTO t_lines.lines VALUES (1, 1, '123', 1, 12), (1, 2, '000', 1, 100), (1, 3, 'delivery', 1, 40);
INSERT INTO t_lines.refunds (order_id, amount) VALUES (1, 2);
SELECT loyalty.create_program('club', customers => 't_lines.customers');
SELECT loyalty.track_orders('club', 't_lines.orders', customer => 'customer_id', at => 'at', counts_when => $$status = 'paid'$$);
SELECT loyalty.track_orders('club', 't_lines.orders', customer => 'customer_id', at => 'at', lines => 't_lines.lines', line_amount => 'qty * price');
SELECT loyalty.track_orders('club', 't_lines.orders', customer => 'customer_id', at => 'at', counts_when => $$status = 'paid'$$,
                            lines => 't_lines.lines', line_order => 'order_id', line_amount => 'qty * pric');
-- 4 points per dollar, without the sku 000, and 100 more for orders of at least 150
INSERT INTO club.earning_rule (name, points, applies_when, per) VALUES ('lines', '4 * line.qty * line.price', $$sku <> '000'$$, 'line');
SELECT loyalty.track_orders('club', 't_lines.orders', customer => 'customer_id', at => 'at', counts_when => $$status = 'paid'$$,
                            lines => 't_lines.lines', line_order => 'order_id', line_amount => 'qty * price');
INSERT INTO club.earning_rule (name, points, applies_when, per) VALUES ('lines', '4 * line.qty * line.price', $$sku <> '000'$$, 'line');
INSERT INTO club.earning_rule (name, points, applies_when, per) VALUES ('typo', 'prize', 'true', 'line');
INSERT INTO club.earning_rule (name, points, applies_when) VALUES ('big', '100', 'amount >= 150');
CREATE VIEW t_lines.now AS SELECT customer_id, points, orders, lifetime_value FROM club.members WHERE orders <> 0 OR points <> 0 OR lifetime_value <> 0 ORDER BY 1;
SELECT * FROM t_lines.now;
SELECT * FROM loyalty.verify('club');
-- header first, lines in one and in many statements
INSERT INTO t_lines.orders VALUES (2, 2);
SELECT * FROM t_lines.now WHERE customer_id = 2;
INSERT INTO t_lines.lines VALUES (2, 1, '123', 1, 12), (2, 2, '000', 1, 100);
SELECT * FROM t_lines.now WHERE customer_id = 2;
INSERT INTO t_lines.lines VALUES (2, 3, 'delivery', 1, 40);
SELECT * FROM t_lines.now WHERE customer_id = 2;
-- lines first, deferred foreign key, one transaction
BEGIN;
INSERT INTO t_lines.lines VALUES (3, 1, '123', 1, 12), (3, 2, '000', 1, 100), (3, 3, 'delivery', 1, 40);
INSERT INTO t_lines.orders VALUES (3, 3);
COMMIT;
SELECT * FROM t_lines.now;
SELECT * FROM loyalty.verify('club');
-- one statement for both
WITH h AS (INSERT INTO t_lines.orders VALUES (4, 4) RETURNING order_id)
INSERT INTO t_lines.lines SELECT order_id, 1, '123', 2, 5 FROM h;
-- lines changed, moved to another order, removed
UPDATE t_lines.lines SET qty = 3 WHERE order_id = 4;
SELECT * FROM t_lines.now WHERE customer_id = 4;
UPDATE t_lines.lines SET order_id = 4 WHERE order_id = 3 AND line = 3;
SELECT * FROM t_lines.now WHERE customer_id IN (3, 4);
DELETE FROM t_lines.lines WHERE order_id = 2 AND line = 1;
SELECT * FROM t_lines.now WHERE customer_id = 2;
SELECT * FROM loyalty.verify('club');
-- the header is given to another customer, cancelled, deleted with its lines
UPDATE t_lines.orders SET customer_id = 5 WHERE order_id = 4;
UPDATE t_lines.orders SET status = 'cancelled' WHERE order_id = 2;
DELETE FROM t_lines.orders WHERE order_id = 3;
SELECT * FROM t_lines.now;
SELECT * FROM loyalty.verify('club');
-- terms are pinned: new rules don't touch what a changed line is worth
CALL loyalty.post('club');
UPDATE club.earning_rule SET points = '1000' WHERE name = 'big';
UPDATE club.earning_rule SET points = 'line.qty' WHERE name = 'lines';
UPDATE t_lines.lines SET qty = 2 WHERE order_id = 1 AND line = 1;
SELECT * FROM t_lines.now WHERE customer_id = 1;
SELECT * FROM loyalty.verify('club');
TRUNCATE t_lines.lines;
SELECT * FROM t_lines.now;
SELECT * FROM loyalty.verify('club');

-- refunds in their own table
INSERT INTO t_lines.lines VALUES (1, 1, 'a', 1, 50), (1, 2, 'b', 1, 150);
SELECT * FROM t_lines.now WHERE customer_id = 1;
SELECT loyalty.track_refunds('club', 't_lines.refunds', order_key => 'order_id', amount => 'amont');
SELECT loyalty.track_refunds('club', 't_lines.refunds', order_key => 'order_id', amount => 'amount', counts_when => $$status = 'done'$$);
SELECT loyalty.track_refunds('club', 't_lines.refunds', order_key => 'order_id', amount => 'amount');
SELECT * FROM t_lines.now WHERE customer_id = 1;
SELECT * FROM loyalty.verify('club');
INSERT INTO t_lines.refunds (order_id, amount) VALUES (1, 48);
SELECT * FROM t_lines.now WHERE customer_id = 1;
-- pending, done, corrected, withdrawn
INSERT INTO t_lines.refunds (order_id, amount, status) VALUES (1, 100, 'pending');
SELECT * FROM t_lines.now WHERE customer_id = 1;
UPDATE t_lines.refunds SET status = 'done' WHERE status = 'pending';
SELECT * FROM t_lines.now WHERE customer_id = 1;
-- full, and more than the order: nothing is left, and no more is taken
UPDATE t_lines.refunds SET amount = 150 WHERE amount = 100;
SELECT * FROM t_lines.now WHERE customer_id = 1;
INSERT INTO t_lines.refunds (order_id, amount) VALUES (1, 1000);
SELECT * FROM t_lines.now WHERE customer_id = 1;
SELECT * FROM loyalty.verify('club');
DELETE FROM t_lines.refunds WHERE amount = 1000;
TRUNCATE t_lines.refunds;
SELECT * FROM t_lines.now WHERE customer_id = 1;
-- a refund before its order, and one without
INSERT INTO t_lines.refunds (order_id, amount) VALUES (6, 30);
INSERT INTO t_lines.refunds (order_id, amount) VALUES (NULL, 30);
INSERT INTO t_lines.orders VALUES (6, 6);
INSERT INTO t_lines.lines VALUES (6, 1, 'a', 1, 100);
SELECT * FROM t_lines.now WHERE customer_id = 6;
SELECT * FROM loyalty.verify('club');
-- the refund moves to another order
UPDATE t_lines.refunds SET order_id = 1 WHERE order_id = 6;
SELECT * FROM t_lines.now WHERE customer_id IN (1, 6);
SELECT * FROM loyalty.verify('club');
SELECT loyalty.untrack('club', 't_lines.refunds');
SELECT loyalty.track_refunds('club', 't_lines.refunds', order_key => 'order_id', amount => 'amount', without_order => 'skip');
INSERT INTO t_lines.refunds (order_id, amount) VALUES (NULL, 30);
-- many at once: every order of a hundred gets its refund in one statement
INSERT INTO t_lines.orders SELECT 100 + i, 7 FROM generate_series(1, 100) i;
INSERT INTO t_lines.lines SELECT 100 + i, j, 'a', j, i FROM generate_series(1, 100) i, generate_series(1, 3) j;
CALL loyalty.post('club');
SELECT * FROM t_lines.now WHERE customer_id = 7;
INSERT INTO t_lines.refunds (order_id, amount) SELECT 100 + i, 6 * i FROM generate_series(1, 100) i;
SELECT * FROM t_lines.now WHERE customer_id = 7;
SELECT * FROM loyalty.verify('club');
SELECT loyalty.untrack('club', 't_lines.orders');
SELECT count(*) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid WHERE c.relnamespace = 't_lines'::regnamespace AND tgname LIKE 'loyalty%';
SELECT loyalty.drop_program('club', force => true);

-- refunds of orders without lines; published: $100 earns 100, a return of $75 keeps 25
CREATE TABLE t_lines.sales (sale int PRIMARY KEY, customer_id int, at timestamptz DEFAULT '2024-01-01', total numeric);
TRUNCATE t_lines.refunds;
SELECT loyalty.create_program('club', customers => 't_lines.customers');
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
SELECT loyalty.track_orders('club', 't_lines.sales', customer => 'customer_id', at => 'at', amount => 'total');
SELECT loyalty.track_refunds('club', 't_lines.refunds', order_key => 'order_id', amount => 'amount');
INSERT INTO t_lines.sales VALUES (1, 1, '2024-01-01', 100), (2, 2, '2024-01-01', 50);
UPDATE club.earning_rule SET points = 'amount * 2';
INSERT INTO t_lines.refunds (order_id, amount) VALUES (1, 75), (2, 50);
CREATE VIEW t_lines.now2 AS SELECT customer_id, points, orders, lifetime_value FROM club.members WHERE customer_id < 3 ORDER BY 1;
SELECT * FROM t_lines.now2;
DELETE FROM t_lines.sales WHERE sale = 1;
SELECT * FROM t_lines.now2;
SELECT * FROM loyalty.verify('club');
-- a refund without an order is its customer's, if the row names one
ALTER TABLE t_lines.refunds ADD COLUMN customer_id int, ADD COLUMN refunded_at timestamptz DEFAULT '2024-02-01';
SELECT loyalty.untrack('club', 't_lines.refunds');
SELECT loyalty.track_refunds('club', 't_lines.refunds', order_key => 'order_id', amount => 'amount', customer => 'customer_id');
SELECT loyalty.track_refunds('club', 't_lines.refunds', order_key => 'order_id', amount => 'amount', customer => 'customer_id', at => 'refunded_at');
INSERT INTO club.earning_rule (name, points) VALUES ('table', 'new.sale');
INSERT INTO t_lines.sales VALUES (3, 3, '2024-01-01', 100);
SELECT customer_id, points, orders, lifetime_value FROM club.members WHERE customer_id = 3;
INSERT INTO t_lines.refunds (order_id, amount, customer_id) VALUES (NULL, 10, 3), (3, 20, 3);
SELECT customer_id, points, orders, lifetime_value FROM club.members WHERE customer_id = 3;
SELECT * FROM loyalty.verify('club');
UPDATE t_lines.refunds SET order_id = 3 WHERE amount = 10;
SELECT customer_id, points, orders, lifetime_value FROM club.members WHERE customer_id = 3;
CALL loyalty.post('club');
UPDATE t_lines.refunds SET order_id = NULL WHERE amount = 20;
SELECT customer_id, points, orders, lifetime_value FROM club.members WHERE customer_id = 3;
SELECT * FROM loyalty.verify('club');
SELECT loyalty.untrack('club', 't_lines.refunds');
SELECT count(*) FROM pg_trigger WHERE tgrelid = 't_lines.refunds'::regclass AND tgname LIKE 'loyalty%';
SELECT loyalty.drop_program('club', force => true);
DROP SCHEMA t_lines CASCADE;
