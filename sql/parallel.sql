-- What recording looks up under SERIALIZABLE is not planned for parallel workers, which could not
-- be told what it sees, whatever the session has set.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
\set parallel 'SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SET min_parallel_index_scan_size = 0; SET default_transaction_isolation = serializable; SET client_min_messages = warning; SELECT count(set_config(name, \'on\', false)) FROM pg_settings WHERE name IN (\'force_parallel_mode\', \'debug_parallel_query\');'
\set now 'SELECT id, points, orders, tier FROM club.members ORDER BY 1;'
\set verify 'SELECT * FROM loyalty.verify(''club'');'
CREATE SCHEMA t_parallel;
CREATE TABLE t_parallel.customers (id int PRIMARY KEY, joined timestamptz);
INSERT INTO t_parallel.customers VALUES (1, '2010-01-01'), (2, '2019-12-31');
CREATE TABLE t_parallel.orders (id int PRIMARY KEY, customer_id int, at timestamptz DEFAULT '2020-01-01', total numeric);
CREATE TABLE t_parallel.sales (id int, customer_id int, at timestamptz DEFAULT '2020-01-01', currency text, PRIMARY KEY (id));
CREATE TABLE t_parallel.lines (sale int, total numeric);
CREATE TABLE t_parallel.refunds (sale int, amount numeric);
SELECT loyalty.create_program('club', customers => 't_parallel.customers', joined_at => 'joined', time_zone => 'UTC');
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
INSERT INTO club.tier (name, rank, multiplier, qualifies) VALUES ('old', 1, 2, 'tenure > ''1 year''');
INSERT INTO club.exchange_rate VALUES ('USD', '2000-01-01', 2);
SELECT loyalty.track_orders('club', 't_parallel.orders', customer => 'customer_id', at => 'at', amount => 'total');
SELECT loyalty.track_orders('club', 't_parallel.sales', customer => 'customer_id', at => 'at', currency => 'currency', lines => 't_parallel.lines', line_order => 'sale', line_amount => 'total');
SELECT loyalty.track_refunds('club', 't_parallel.refunds', orders => 't_parallel.sales', order_key => 'sale', amount => 'amount');
-- each session reads anew what it remembers
\c
:parallel
INSERT INTO t_parallel.orders VALUES (1, 1, DEFAULT, 5), (2, 2, DEFAULT, 5);
\c
:parallel
INSERT INTO t_parallel.sales VALUES (1, 1, DEFAULT, 'USD'), (2, 2, DEFAULT, NULL);
INSERT INTO t_parallel.lines VALUES (1, 10), (2, 10);
-- 2 * 5 + 2 * 2 * 10, 5 + 10
:now
:verify
\c
:parallel
-- 2 * 5 + 2 * 2 * (10 - 1)
INSERT INTO t_parallel.refunds VALUES (1, 1);
-- and 2 goes to customer 1
UPDATE t_parallel.orders SET customer_id = 1 WHERE id = 2;
SET default_transaction_isolation = 'read committed';
CALL loyalty.post('club');
\c
:parallel
UPDATE t_parallel.lines SET total = 11;
-- 2 * 5 + 1 * 5 + 2 * 2 * (11 - 1), 11
:now
:verify
SELECT recorded, archived, reversed FROM loyalty.reconcile('club');
SELECT loyalty.drop_program('club', force => true);
DROP SCHEMA t_parallel CASCADE;
