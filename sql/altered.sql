-- Corrections of the keys of orders, lines and refunds: hints work when they are followed.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE SCHEMA t_altered;
CREATE TABLE t_altered.customers (id int PRIMARY KEY);
INSERT INTO t_altered.customers VALUES (1);
CREATE TABLE t_altered.sales (sale_no int PRIMARY KEY, c int DEFAULT 1, t timestamptz DEFAULT '2024-01-01', total numeric);
CREATE TABLE t_altered.refs (id int PRIMARY KEY, sale_no int, amt numeric);
CREATE TABLE t_altered.docs (id int PRIMARY KEY, c int DEFAULT 1, t timestamptz DEFAULT '2024-01-01');
CREATE TABLE t_altered.items (doc int, price numeric);
INSERT INTO t_altered.sales (sale_no, total) VALUES (1, 100), (2, 50);
INSERT INTO t_altered.refs VALUES (1, 1, 30);
\set now 'SELECT id, points, orders FROM club.members ORDER BY 1;'
\set verify 'SELECT * FROM loyalty.verify(''club'');'
SELECT loyalty.create_program('club', customers => 't_altered.customers');
INSERT INTO club.earning_rule (name, points) VALUES ('amount', 'amount');
SELECT loyalty.track_orders('club', 't_altered.sales', customer => 'c', at => 't', amount => 'total');
SELECT loyalty.track_refunds('club', 't_altered.refs', order_key => 'sale_no', amount => 'amt');
-- 100 - 30 + 50
:now

-- 1. what cannot be taken away
SELECT loyalty.alter_refunds('club', 't_altered.refs', amount => '');
SELECT loyalty.alter_refunds('club', 't_altered.refs', order_key => '');
SELECT loyalty.alter_refunds('club', 't_altered.refs', counts_when => '');
SELECT loyalty.alter_orders('club', 't_altered.sales', order_key => '', amount => '');
SELECT loyalty.alter_orders('club', 't_altered.sales', amount => '');
SELECT loyalty.alter_orders('club', 't_altered.sales', line_amount => '1');

-- 2. another type of the key, while refunds are tracked
SELECT loyalty.alter_orders('club', 't_altered.sales', order_key => $$'S' || sale_no::text$$);
SELECT loyalty.alter_refunds('club', 't_altered.refs', order_key => '(sale_no)::text');
SELECT loyalty.alter_refunds('club', 't_altered.refs', order_key => 'sale_no::bigint');
:now
:verify
SELECT loyalty.untrack('club', 't_altered.refs');
SELECT loyalty.alter_orders('club', 't_altered.sales', order_key => $$'S' || sale_no::text$$);
-- 30 more
:now
SELECT loyalty.track_refunds('club', 't_altered.refs', order_key => $$'S' || sale_no::text$$, amount => 'amt');
:now
:verify
-- of a paused table, too
SELECT loyalty.pause('club', 't_altered.sales');
SELECT loyalty.resume('club', 't_altered.sales', order_key => 'sale_no');
SELECT loyalty.resume('club', 't_altered.sales');
:now
:verify

-- 3. lines are given another key in the same call
INSERT INTO t_altered.docs VALUES (1), (2);
INSERT INTO t_altered.items VALUES (1, 5), (1, 6), (2, 9);
SELECT loyalty.track_orders('club', 't_altered.docs', customer => 'c', at => 't', lines => 't_altered.items', line_order => 'doc', line_amount => 'price');
-- 120 + 20
:now
SELECT loyalty.alter_orders('club', 't_altered.docs', order_key => 'id::text');
SELECT loyalty.alter_orders('club', 't_altered.docs', order_key => 'id::text', line_order => 'doc::text');
INSERT INTO t_altered.items VALUES (2, 1);
:now
:verify
SELECT loyalty.alter_orders('club', 't_altered.docs', line_order => '');
SELECT loyalty.alter_orders('club', 't_altered.docs', line_amount => '');
-- 2 * 7 in place of 21
SELECT loyalty.alter_orders('club', 't_altered.docs', line_amount => '', amount => '7');
:now
:verify
SELECT loyalty.alter_orders('club', 't_altered.docs', amount => '');

-- 4. refunds that name no order
INSERT INTO t_altered.refs VALUES (2, NULL, 3);
SELECT loyalty.alter_refunds('club', 't_altered.refs', without_order => 'customer');
SELECT loyalty.alter_refunds('club', 't_altered.refs', without_order => 'skip');
INSERT INTO t_altered.refs VALUES (2, NULL, 3);
SELECT without_order FROM club.tracked_table WHERE kind = 'refunds';
SELECT loyalty.alter_refunds('club', 't_altered.refs', without_order => 'error', amount => '2 * amt');
INSERT INTO t_altered.refs VALUES (3, NULL, 3);
-- 30 less; the refund that is there is told, and its next change is an error
:now
:verify
UPDATE t_altered.refs SET amt = 4 WHERE id = 2;
-- one that is there does not keep the table from being tracked
SELECT loyalty.untrack('club', 't_altered.refs');
SELECT loyalty.track_refunds('club', 't_altered.refs', orders => 't_altered.sales', order_key => $$'S' || sale_no::text$$, amount => '2 * amt') \g /dev/null
INSERT INTO t_altered.refs VALUES (3, NULL, 3);
:now
:verify
-- one that does not count is none, and of those that may be, nothing is told
SELECT loyalty.alter_refunds('club', 't_altered.refs', counts_when => 'id <> 2') \g /dev/null
:verify
SELECT loyalty.alter_refunds('club', 't_altered.refs', counts_when => 'true', without_order => 'skip') \g /dev/null
:verify
SELECT loyalty.alter_refunds('club', 't_altered.refs', without_order => 'error') \g /dev/null
UPDATE t_altered.refs SET sale_no = 1 WHERE id = 2;
-- 2 * 3 less
:now
:verify

SELECT loyalty.drop_program('club', force => true);
DROP SCHEMA t_altered CASCADE;
