-- Every function that meets a paused table says so, or leaves it paused.
\set SHOW_CONTEXT never
CREATE SCHEMA t_paused;
CREATE TABLE t_paused.customers (id int PRIMARY KEY);
INSERT INTO t_paused.customers VALUES (1);
CREATE TABLE t_paused.o (id int PRIMARY KEY, c int DEFAULT 1, t timestamptz DEFAULT '2024-01-01', amt numeric);
CREATE TABLE t_paused.r (id int PRIMARY KEY, o int, amt numeric);
CREATE TABLE t_paused.more (id int PRIMARY KEY, o int, amt numeric);
INSERT INTO t_paused.o (id, amt) VALUES (1, 100), (2, 50);
INSERT INTO t_paused.r VALUES (1, 1, 30);
\set now 'SELECT id, points FROM club.members ORDER BY 1;'
\set verify 'SELECT * FROM loyalty.verify(''club'');'
SELECT loyalty.create_program('club', customers => 't_paused.customers');
INSERT INTO club.earning_rule (name, points) VALUES ('amount', 'amount');
SELECT loyalty.track_orders('club', 't_paused.o', customer => 'c', at => 't', amount => 'amt') \gset
SELECT loyalty.track_refunds('club', 't_paused.r', order_key => 'o', amount => 'amt') \gset
-- 100 - 30 + 50
:now

-- 1. what needs its views says that they are let go of
SELECT loyalty.pause('club', 't_paused.o');
SELECT loyalty.backfill('club', 't_paused.o');
SELECT loyalty.track_orders('club', 't_paused.o', customer => 'c', at => 't', amount => 'amt');
SELECT loyalty.track_refunds('club', 't_paused.more', order_key => 'o', amount => 'amt');
SELECT loyalty.alter_orders('club', 't_paused.o', amount => 'amt');
SELECT loyalty.alter_refunds('club', 't_paused.r', amount => 'amt');
SELECT * FROM loyalty.reconcile('club');
SELECT * FROM loyalty.rerate('club');
UPDATE club.earning_rule SET points = '2 * amount';

-- 2. refunds go without their orders being resumed
SELECT loyalty.untrack('club', 't_paused.r');
INSERT INTO t_paused.o (id, amt) VALUES (3, 20);
SELECT violation, detail FROM loyalty.verify('club');
-- the first order is 30 more by its own rule, the third is new: 100 + 50 + 2 * 20
SELECT loyalty.resume('club', 't_paused.o');
:now
:verify
SELECT loyalty.resume('club', 't_paused.o');
-- 30 less
SELECT loyalty.track_refunds('club', 't_paused.r', order_key => 'o', amount => 'amt');
:now
:verify

-- 3. another table takes its place meanwhile
SELECT loyalty.pause('club', 't_paused.o');
CREATE TABLE t_paused.new (LIKE t_paused.o INCLUDING ALL);
INSERT INTO t_paused.new SELECT * FROM t_paused.o;
UPDATE club.tracked_table SET relation = 't_paused.new' WHERE relation = 't_paused.o'::regclass;
SELECT loyalty.resume('club', 't_paused.new');
DROP TABLE t_paused.o;
-- 160 + 2 * 5
INSERT INTO t_paused.new (id, amt) VALUES (4, 5);
:now
:verify

-- 4. a table that has lost a view is no paused one
CREATE FUNCTION t_paused.f(numeric) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true';
SELECT loyalty.alter_orders('club', 't_paused.new', counts_when => 't_paused.f(amt)') \gset
DROP FUNCTION t_paused.f(numeric) CASCADE;
SELECT loyalty.backfill('club', 't_paused.new');
SELECT loyalty.track_refunds('club', 't_paused.more', order_key => 'o', amount => 'amt');
SELECT * FROM loyalty.rerate('club');
SELECT loyalty.untrack('club', 't_paused.new');
SELECT loyalty.track_orders('club', 't_paused.new', customer => 'c', at => 't', amount => 'amt');
:now
:verify

SELECT loyalty.drop_program('club', force => true);
DROP SCHEMA t_paused CASCADE;
