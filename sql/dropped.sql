-- A table of orders that is dropped, and made anew: what is recorded of it goes on with the
-- one that takes its place, and does not count twice unawares.
\set SHOW_CONTEXT never
CREATE SCHEMA t_dropped;
CREATE TABLE t_dropped.customers (id int PRIMARY KEY);
INSERT INTO t_dropped.customers VALUES (1);
CREATE TABLE t_dropped.source (id int PRIMARY KEY, c int DEFAULT 1, t timestamptz DEFAULT '2024-01-01', amt numeric);
INSERT INTO t_dropped.source (id, amt) VALUES (1, 100), (2, 50);
CREATE TABLE t_dropped.r (id int PRIMARY KEY, o int, amt numeric);
INSERT INTO t_dropped.r VALUES (1, 1, 30);
CREATE TABLE t_dropped.o (LIKE t_dropped.source INCLUDING ALL);
INSERT INTO t_dropped.o SELECT * FROM t_dropped.source;
\set now 'SELECT id, points, orders FROM club.members ORDER BY 1;'
\set verify 'SELECT * FROM loyalty.verify(''club'');'
\set again 'CREATE TABLE t_dropped.o (LIKE t_dropped.source INCLUDING ALL); INSERT INTO t_dropped.o SELECT * FROM t_dropped.source;'
SELECT loyalty.create_program('club', customers => 't_dropped.customers');
INSERT INTO club.earning_rule (name, points) VALUES ('amount', 'amount');
SELECT loyalty.track_orders('club', 't_dropped.o', customer => 'c', at => 't', amount => 'amt') \gset
SELECT loyalty.track_refunds('club', 't_dropped.r', order_key => 'o', amount => 'amt') \gset
-- 100 - 30 + 50
:now

-- 1. reconcile() says what it ends
SET client_min_messages = warning;
DROP TABLE t_dropped.o CASCADE;
SELECT violation, regexp_replace(detail, '\d{4,}', '(oid)', 'g') AS detail FROM loyalty.verify('club');
SELECT * FROM loyalty.reconcile('club');
SELECT * FROM loyalty.reconcile('club');
INSERT INTO t_dropped.r VALUES (2, 2, 10);
:now
:verify

-- 2. as another table, its orders are others: 120 and 100 + 50
:again
BEGIN;
SELECT loyalty.track_orders('club', 't_dropped.o', customer => 'c', at => 't', amount => 'amt');
:now
ROLLBACK;
-- as the same, they are not, and the refund from meanwhile is found
UPDATE club.tracked_table SET relation = 't_dropped.o' WHERE tracked_table = 1;
SELECT loyalty.track_orders('club', 't_dropped.o', customer => 'c', at => 't', amount => 'amt');
:now
:verify

-- 3. the way that verify() names
DROP TABLE t_dropped.o CASCADE;
:again
UPDATE club.tracked_table SET relation = 't_dropped.o' WHERE tracked_table = 1;
SELECT violation, detail FROM loyalty.verify('club') ORDER BY violation COLLATE "C", detail COLLATE "C";
SELECT loyalty.untrack('club', 't_dropped.o');
SELECT loyalty.track_orders('club', 't_dropped.o', customer => 'c', at => 't', amount => 'amt');
:now
:verify

-- 4. refunds that are dropped: the orders go without them, 100 + 50
DROP TABLE t_dropped.r CASCADE;
SELECT * FROM loyalty.reconcile('club');
SELECT violation, detail FROM loyalty.verify('club');
SELECT loyalty.untrack('club', 't_dropped.o');
SELECT loyalty.track_orders('club', 't_dropped.o', customer => 'c', at => 't', amount => 'amt');
:now
:verify

SELECT loyalty.drop_program('club', force => true);
DROP SCHEMA t_dropped CASCADE;
