-- The owner of a program lost a right: that is no fault of an order, so what is recorded is
-- left, each statement tells what helps, and reconcile() records what was missed.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';
\set now 'SELECT customer, order_key, counts, trim_scale(amount) AS amount, trim_scale(awards) AS awards FROM club.recorded_orders ORDER BY 1, 2;'
\set reconcile 'SELECT relation, recorded, reversed FROM loyalty.reconcile(''club'');'
\set verify 'SELECT * FROM loyalty.verify(''club'');'
CREATE ROLE regress_keeper;
CREATE ROLE regress_readers;
CREATE ROLE regress_clerk;
SELECT current_database() AS db \gset
GRANT CREATE ON DATABASE :"db" TO regress_keeper;
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA loyalty, _loyalty TO regress_keeper;
CREATE SCHEMA t_lacking;
GRANT USAGE ON SCHEMA t_lacking TO regress_keeper, regress_clerk;
CREATE TABLE t_lacking.customers (id int PRIMARY KEY, joined date);
INSERT INTO t_lacking.customers VALUES (1, '2015-01-01'), (2, '2019-12-01');
CREATE TABLE t_lacking.orders (id int PRIMARY KEY, customer_id int, at timestamptz DEFAULT '2020-01-01');
CREATE TABLE t_lacking.lines (order_id int, total numeric);
CREATE TABLE t_lacking.sales (id int PRIMARY KEY, customer_id int, at timestamptz DEFAULT '2020-01-01', total numeric);
CREATE FUNCTION t_lacking.twice(numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT 2 * $1';
REVOKE EXECUTE ON FUNCTION t_lacking.twice FROM PUBLIC;
GRANT EXECUTE ON FUNCTION t_lacking.twice TO regress_keeper;
GRANT SELECT ON t_lacking.customers TO regress_keeper;
GRANT SELECT, UPDATE, TRIGGER ON t_lacking.orders, t_lacking.lines, t_lacking.sales TO regress_keeper;
GRANT SELECT, INSERT, UPDATE, DELETE ON t_lacking.orders, t_lacking.lines, t_lacking.sales TO regress_clerk;
SET ROLE regress_keeper;
SELECT loyalty.create_program('club', customers => 't_lacking.customers', joined_at => 'joined', time_zone => 'UTC');
SELECT loyalty.track_orders('club', 't_lacking.orders', customer => 'customer_id', at => 'at', lines => 't_lacking.lines', line_order => 'order_id', line_amount => 'total');
SELECT loyalty.track_orders('club', 't_lacking.sales', customer => 'customer_id', at => 'at', amount => 'total');
INSERT INTO club.earning_rule (name, points) VALUES ('twice', 't_lacking.twice(amount)');
SET ROLE regress_clerk;
INSERT INTO t_lacking.orders VALUES (1, 1), (2, 2);
INSERT INTO t_lacking.lines VALUES (1, 10), (2, 20);
RESET ROLE;
:now

-- the lines --------------------------------------------------------------------------------
REVOKE SELECT ON t_lacking.lines FROM regress_keeper;
SET ROLE regress_clerk;
INSERT INTO t_lacking.lines VALUES (1, 5);
UPDATE t_lacking.orders SET at = '2020-01-02' WHERE id = 2;
DELETE FROM t_lacking.lines WHERE order_id = 2;
-- another table of orders is recorded
INSERT INTO t_lacking.sales VALUES (10, 1, DEFAULT, 3);
RESET ROLE;
UPDATE club.program SET on_invalid = 'skip';
SET ROLE regress_clerk;
INSERT INTO t_lacking.lines VALUES (1, 5);
RESET ROLE;
-- 10 and 20 still
:now
:verify
:reconcile
SELECT loyalty.backfill('club', 't_lacking.orders');
GRANT SELECT ON t_lacking.lines TO regress_keeper;
-- 20; 2 has no line left
:reconcile
:now
:verify
UPDATE club.program SET on_invalid = 'error';

-- a function; which one, is not for everybody ---------------------------------------------------
REVOKE EXECUTE ON FUNCTION t_lacking.twice FROM regress_keeper;
INSERT INTO t_lacking.lines VALUES (1, 7);
SET SESSION AUTHORIZATION regress_clerk;
INSERT INTO t_lacking.sales VALUES (11, 1, DEFAULT, 4);
RESET SESSION AUTHORIZATION;
:now
:reconcile
GRANT EXECUTE ON FUNCTION t_lacking.twice TO regress_keeper;
-- 27, 54 points, and 4, 8 points
:reconcile
:now
:verify

-- orders that are one row need not be read; those with lines must be -------------------------------
REVOKE SELECT ON t_lacking.orders, t_lacking.sales FROM regress_keeper;
SET ROLE regress_clerk;
INSERT INTO t_lacking.lines VALUES (1, 3);
INSERT INTO t_lacking.sales VALUES (12, 2, DEFAULT, 5);
UPDATE t_lacking.sales SET total = 6 WHERE id = 12;
RESET ROLE;
:now
:reconcile
-- a right that he has by a role
GRANT SELECT, TRIGGER ON t_lacking.orders, t_lacking.sales TO regress_readers;
GRANT regress_readers TO regress_keeper;
SET ROLE regress_clerk;
INSERT INTO t_lacking.lines VALUES (1, 1);
RESET ROLE;
-- 31
:now
REVOKE regress_readers FROM regress_keeper;
SET ROLE regress_clerk;
INSERT INTO t_lacking.lines VALUES (1, 1);
RESET ROLE;
:now
GRANT SELECT, TRIGGER ON t_lacking.orders, t_lacking.sales TO regress_keeper;
:reconcile
:now
:verify

-- the customers: they matter if an order keeps since when its customer is one ---------------------
REVOKE SELECT ON t_lacking.customers FROM regress_keeper;
SET ROLE regress_clerk;
INSERT INTO t_lacking.sales VALUES (13, 1, DEFAULT, 1);
RESET ROLE;
SELECT count(*) FROM club.recorded_orders WHERE order_key = '13';
GRANT SELECT ON t_lacking.customers TO regress_keeper;
INSERT INTO club.tier (name, rank, multiplier, qualifies) VALUES ('old', 1, 10, 'tenure > ''1 year''');
REVOKE SELECT ON t_lacking.customers FROM regress_keeper;
SET ROLE regress_clerk;
INSERT INTO t_lacking.sales VALUES (14, 1, DEFAULT, 1);
RESET ROLE;
SELECT count(*) FROM club.recorded_orders WHERE order_key = '14';
:reconcile
GRANT SELECT ON t_lacking.customers TO regress_keeper;
:reconcile
:verify
-- 2 points, times 10
SELECT order_key, points FROM club.entries WHERE order_key = '14';
SELECT loyalty.drop_program('club', force => true);
DROP SCHEMA t_lacking CASCADE;
DROP OWNED BY regress_keeper, regress_clerk, regress_readers;
DROP ROLE regress_keeper, regress_clerk, regress_readers;
