-- All that one transaction records, it records at one moment, and it is folded by the
-- times of orders and refunds.  The values in comments are computed by hand.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE SCHEMA t_moment;
CREATE TABLE t_moment.customers (customer_id int PRIMARY KEY);
INSERT INTO t_moment.customers VALUES (1), (2), (3);
CREATE TABLE t_moment.orders (id int PRIMARY KEY, customer_id int, at timestamptz, total numeric);
CREATE TABLE t_moment.notes (id int PRIMARY KEY, order_id int, customer_id int, at timestamptz, amount numeric);
CREATE PROCEDURE t_moment.program(name name) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM loyalty.create_program(name, customers => 't_moment.customers', time_zone => 'UTC');
	EXECUTE format('INSERT INTO %I.earning_rule (name, points) VALUES (''one'', ''amount'')', name);
	EXECUTE format('INSERT INTO %I.tier (name, rank, qualifies, multiplier) VALUES (''Gold'', 1, ''spend >= 100'', 2)', name);
END $$;
CREATE PROCEDURE t_moment.track(name name) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM loyalty.track_orders(name, 't_moment.orders', customer => 'customer_id', at => 'at', amount => 'total');
	PERFORM loyalty.track_refunds(name, 't_moment.notes', order_key => 'order_id', amount => 'amount', customer => 'customer_id', at => 'at');
END $$;

-- what came one by one
CALL t_moment.program('live');
CALL t_moment.track('live');
-- a credit note between two orders:
--   order of 100, spend 0: 100; note of 60 at 100, Gold: -120; order of 100 at 40: 100;
--   note of 10 at 140, Gold: -20; order of 50 at 130, Gold: 100: together 160
INSERT INTO t_moment.orders VALUES (1, 1, '2024-01-01', 100);
INSERT INTO t_moment.notes VALUES (1, NULL, 1, '2024-02-01', 60);
INSERT INTO t_moment.orders VALUES (2, 1, '2024-03-01', 100);
INSERT INTO t_moment.notes VALUES (2, NULL, 1, '2024-04-01', 10);
INSERT INTO t_moment.orders VALUES (3, 1, '2024-05-01', 50);
-- a refund of an order before another: 100 - 60, then at 40: 100: together 140
INSERT INTO t_moment.orders VALUES (4, 2, '2024-01-01', 100);
INSERT INTO t_moment.notes VALUES (3, 4, 2, '2024-02-01', 60);
INSERT INTO t_moment.orders VALUES (5, 2, '2024-03-01', 100);
-- orders that come later than younger ones: at 0: 30; at 30: 80; at 110, Gold: 2
INSERT INTO t_moment.orders VALUES (6, 3, '2024-01-01', 30);
INSERT INTO t_moment.orders VALUES (7, 3, '2024-02-01', 80);
INSERT INTO t_moment.orders VALUES (8, 3, '2024-03-01', 1);
SELECT customer_id, points FROM live.members ORDER BY 1;
SELECT * FROM loyalty.verify('live');
-- the same in one transaction
CALL t_moment.program('imported');
BEGIN;
CALL t_moment.track('imported');
COMMIT;
SELECT customer_id, points FROM imported.members ORDER BY 1;
SELECT count(DISTINCT recorded_at) FROM imported.entries;
SELECT * FROM loyalty.verify('imported');
CALL loyalty.post('imported');
SELECT customer_id, points FROM imported.members ORDER BY 1;
SELECT * FROM loyalty.verify('imported');
-- the same by statements of one transaction, in whatever order, with savepoints
SELECT loyalty.drop_program('live', force => true);
SELECT loyalty.drop_program('imported', force => true);
CREATE TABLE t_moment.all_orders AS TABLE t_moment.orders;
CREATE TABLE t_moment.all_notes AS TABLE t_moment.notes;
TRUNCATE t_moment.orders, t_moment.notes;
CALL t_moment.program('club');
CALL t_moment.track('club');
BEGIN;
INSERT INTO t_moment.orders SELECT * FROM t_moment.all_orders WHERE id % 2 = 0 ORDER BY id DESC;
SAVEPOINT a;
INSERT INTO t_moment.orders SELECT * FROM t_moment.all_orders WHERE id % 2 = 1;
ROLLBACK TO a;
INSERT INTO t_moment.notes TABLE t_moment.all_notes;
SAVEPOINT b;
INSERT INTO t_moment.orders SELECT * FROM t_moment.all_orders WHERE id % 2 = 1;
RELEASE b;
COMMIT;
SELECT customer_id, points FROM club.members ORDER BY 1;
SELECT count(DISTINCT recorded_at) FROM club.entries;
SELECT * FROM loyalty.verify('club');
CALL loyalty.post('club');
SELECT * FROM loyalty.verify('club');

-- an order whose time goes back where it was recorded follows itself all the same
BEGIN;
INSERT INTO t_moment.orders VALUES (10, 3, '2024-06-01', 5);
UPDATE t_moment.orders SET at = '2024-04-01' WHERE id = 10;
UPDATE t_moment.orders SET at = '2024-05-01' WHERE id = 10;
UPDATE t_moment.orders SET at = '2024-04-15' WHERE id = 10;
COMMIT;
SELECT revision, ordered_at, recorded_at - min(recorded_at) OVER () AS later, points FROM club.entries WHERE order_key = '10' ORDER BY entry;
SELECT * FROM loyalty.verify('club');
-- a moment for each transaction, and none before the terms that it records under
BEGIN;
INSERT INTO t_moment.orders VALUES (11, 3, '2024-07-01', 1);
DO $$ BEGIN PERFORM pg_sleep(0.01); END $$;
UPDATE club.earning_rule SET points = 'amount * 10';
INSERT INTO t_moment.orders VALUES (12, 3, '2024-07-01', 1);
COMMIT;
INSERT INTO t_moment.orders VALUES (13, 3, '2024-07-01', 1);
SELECT e.order_key, e.terms, e.points, e.recorded_at > lag(e.recorded_at) OVER (ORDER BY e.entry) AS later, e.recorded_at >= t.since AS under_terms
  FROM club.entries e JOIN club.terms t ON t.version = e.terms WHERE e.order_key IN ('11', '12', '13') ORDER BY e.entry;
-- posted in between, within the transaction
BEGIN;
INSERT INTO t_moment.orders VALUES (14, 2, '2024-09-01', 100);
CALL loyalty.post('club');
INSERT INTO t_moment.orders VALUES (15, 2, '2024-08-01', 100);
UPDATE t_moment.orders SET total = 99 WHERE id IN (14, 15);
COMMIT;
SELECT * FROM loyalty.verify('club');
CALL loyalty.post('club');
SELECT order_key, revision, tier, points FROM club.entries WHERE customer_id = 2 AND order_key IN ('14', '15') ORDER BY entry;
SELECT * FROM loyalty.verify('club');
SELECT loyalty.drop_program('club', force => true);
DROP SCHEMA t_moment CASCADE;
