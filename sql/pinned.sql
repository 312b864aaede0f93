-- What an order keeps from when it was first recorded.  The values in comments are
-- computed by hand.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, MDY';

-- The joining date of the customer ------------------------------------------------

CREATE SCHEMA t_joined;
-- who has "every" = 0 makes the expression fail
CREATE TABLE t_joined.customers (customer_id int PRIMARY KEY, since timestamptz, every int DEFAULT 1);
INSERT INTO t_joined.customers VALUES (1, '2015-01-01'), (2, '2023-01-01'), (3, '2015-01-01'), (4, NULL);
CREATE TABLE t_joined.orders (id int PRIMARY KEY, customer_id int, at timestamptz, total numeric);
SELECT loyalty.create_program('club', customers => 't_joined.customers', joined_at => $$since + interval '1 year' * (1 / every - 1)$$, time_zone => 'UTC');
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
SELECT loyalty.track_orders('club', 't_joined.orders', customer => 'customer_id', at => 'at', amount => 'total');
CREATE VIEW t_joined.now AS SELECT customer_id, points FROM club.members WHERE orders <> 0 OR points <> 0 ORDER BY 1;
-- terms without a tier that uses the tenure read nothing
INSERT INTO t_joined.orders VALUES (1, 1, '2024-01-01', 1);
SELECT joined_at FROM club.journal;
INSERT INTO club.tier (name, rank, qualifies, multiplier) VALUES ('Old', 1, $$tenure >= '5 years'$$, 3);
-- 1 + 300, 100, 300, 100
INSERT INTO t_joined.orders VALUES (2, 1, '2024-01-01', 100);
INSERT INTO t_joined.orders VALUES (3, 2, '2024-01-01', 100), (4, 3, '2024-01-01', 100), (5, 4, '2024-01-01', 100);
SELECT * FROM t_joined.now;
-- changed before posting: later, earlier, not there any more, known by now
UPDATE t_joined.customers SET since = '2023-01-01' WHERE customer_id = 1;
UPDATE t_joined.customers SET since = '2010-01-01' WHERE customer_id = 2;
DELETE FROM t_joined.customers WHERE customer_id = 3;
UPDATE t_joined.customers SET since = '2010-01-01' WHERE customer_id = 4;
SELECT customer_id, sum(points) FROM club.entries GROUP BY 1 ORDER BY 1;
SELECT * FROM loyalty.verify('club');
-- later revisions keep it: 1 + 150, 50, 150, 50
UPDATE t_joined.orders SET total = 50 WHERE id > 1;
SELECT customer_id, sum(points) FROM club.entries GROUP BY 1 ORDER BY 1;
CALL loyalty.post('club');
SELECT customer_id, sum(points) FROM club.entries GROUP BY 1 ORDER BY 1;
SELECT * FROM loyalty.verify('club');
-- also after posting, and if the order was gone in between: 1 + 60, 20
DELETE FROM t_joined.orders WHERE id IN (2, 3);
INSERT INTO t_joined.orders VALUES (2, 1, '2024-01-01', 20), (3, 2, '2024-01-01', 20);
SELECT customer, order_key, revision, amount, joined_at::date, points_change FROM club.unposted ORDER BY 1, 2, 3;
-- new orders of theirs have the new dates: 30, 90
INSERT INTO t_joined.orders VALUES (6, 1, '2024-01-01', 30), (7, 2, '2024-01-01', 30);
SELECT order_key, points FROM club.entries WHERE order_key IN ('6', '7') ORDER BY 1;
SELECT * FROM loyalty.verify('club');
-- a customer for whom the expression fails is one of unknown tenure, others are not
INSERT INTO t_joined.customers VALUES (10, '2010-01-01', 1), (11, '2010-01-01', 0), (12, '2010-01-01', 1);
INSERT INTO t_joined.orders VALUES (11, 11, '2024-01-01', 1);
INSERT INTO t_joined.orders VALUES (20, 10, '2024-01-01', 1), (21, 11, '2024-01-01', 1), (22, 12, '2024-01-01', 1), (23, 11, '2024-01-01', 1);
UPDATE t_joined.orders SET total = 2 WHERE customer_id > 10;
SELECT customer_id, order_key, sum(points) FROM club.entries WHERE customer_id >= 10 GROUP BY 1, 2 ORDER BY 1, 2;
UPDATE t_joined.customers SET every = 1;
INSERT INTO t_joined.orders VALUES (24, 11, '2024-01-01', 1);
SELECT order_key, points FROM club.entries WHERE order_key = '24';
SELECT * FROM loyalty.verify('club');
-- a customer of the same statement, and of the same transaction
WITH c AS (INSERT INTO t_joined.customers VALUES (13, '2010-01-01') RETURNING customer_id)
INSERT INTO t_joined.orders SELECT 30, customer_id, '2024-01-01', 10 FROM c;
BEGIN ISOLATION LEVEL SERIALIZABLE;
INSERT INTO t_joined.customers VALUES (14, '2010-01-01');
INSERT INTO t_joined.orders VALUES (31, 14, '2024-01-01', 10), (32, 13, '2024-01-01', 10);
COMMIT;
SELECT order_key, points FROM club.entries WHERE order_key IN ('30', '31', '32') ORDER BY 1;
-- many customers, old and new, through every path: each third is old
INSERT INTO t_joined.customers SELECT i, CASE i % 3 WHEN 0 THEN timestamptz '2010-01-01' WHEN 1 THEN timestamptz '2023-01-01' END FROM generate_series(100, 1299) i;
INSERT INTO t_joined.orders SELECT i, i, '2024-01-01', 1 FROM generate_series(100, 1299) i;
-- 800 + 400 * 3
SELECT count(*), sum(points), count(*) FILTER (WHERE tier = 'Old') AS old FROM club.entries WHERE customer_id >= 100;
UPDATE t_joined.customers SET since = '2022-01-01' WHERE customer_id >= 100;
CALL loyalty.post('club');
SELECT count(*), sum(points), count(*) FILTER (WHERE tier = 'Old') AS old FROM club.entries WHERE customer_id >= 100;
SELECT * FROM loyalty.verify('club');
SELECT loyalty.untrack('club', 't_joined.orders');
UPDATE t_joined.customers SET since = '2010-01-01' WHERE customer_id % 2 = 0;
-- 300 orders are new, and 150 of their customers are old by now: 150 + 150 * 3
INSERT INTO t_joined.orders SELECT 10000 + i, i, '2024-01-01', 1 FROM generate_series(200, 499) i;
SELECT loyalty.track_orders('club', 't_joined.orders', customer => 'customer_id', at => 'at', amount => 'total');
SELECT count(*), sum(points), count(*) FILTER (WHERE tier = 'Old') AS old FROM club.entries WHERE order_key::int > 10000;
SELECT * FROM loyalty.verify('club');
SELECT loyalty.drop_program('club', force => true);
DROP SCHEMA t_joined CASCADE;
