-- DDL on tracked tables: renames are followed, what would break a program is
-- refused by an ordinary dependency, and what is gone is reported.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';
CREATE SCHEMA t_ddl;
CREATE TABLE t_ddl.customers (id int PRIMARY KEY, since date DEFAULT '2020-01-01');
INSERT INTO t_ddl.customers VALUES (1), (2);
CREATE TABLE t_ddl.orders (a int, order_id int PRIMARY KEY, customer_id int, at timestamptz DEFAULT '2024-01-01', total numeric, kind text DEFAULT 'x', unused text);
CREATE TABLE t_ddl.lines (order_id int, price numeric, sku text);
CREATE TABLE t_ddl.refunds (refund_id serial PRIMARY KEY, order_id int, amount numeric);
CREATE TABLE t_ddl.parts (order_id int, customer_id int, at timestamptz, total numeric) PARTITION BY RANGE (at);
CREATE TABLE t_ddl.p1 (total numeric, at timestamptz, order_id int, customer_id int);
ALTER TABLE t_ddl.parts ATTACH PARTITION t_ddl.p1 FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
ALTER TABLE t_ddl.orders DROP COLUMN a;
SELECT loyalty.create_program('club', customers => 't_ddl.customers', joined_at => 'since');
SELECT loyalty.track_orders('club', 't_ddl.orders', customer => 'customer_id', at => 'at', lines => 't_ddl.lines', line_order => 'order_id', line_amount => 'price');
SELECT loyalty.track_orders('club', 't_ddl.parts', customer => 'customer_id', at => 'at', amount => 'total', order_key => 'order_id', key_is_unique => true);
SELECT loyalty.track_refunds('club', 't_ddl.refunds', order_key => 'order_id', amount => 'amount');
SELECT loyalty.track_refunds('club', 't_ddl.refunds', order_key => 'order_id', amount => 'amount', orders => 't_ddl.orders');
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
INSERT INTO club.earning_rule (name, points, applies_when, per) VALUES ('sku', '10', $$sku = 'a'$$, 'line');
INSERT INTO t_ddl.orders VALUES (1, 1);
INSERT INTO t_ddl.lines VALUES (1, 5, 'a'), (1, 6, 'b');
INSERT INTO t_ddl.p1 (order_id, customer_id, at, total) VALUES (1, 2, '2024-02-01', 7);
CREATE VIEW t_ddl.now AS SELECT * FROM (SELECT * FROM club.members) m;
CREATE FUNCTION t_ddl.show() RETURNS TABLE (customer int, points numeric, orders bigint) LANGUAGE sql AS 'SELECT id, points, orders FROM club.members ORDER BY 1';
SELECT * FROM t_ddl.show();
-- what expressions use can neither be dropped nor change its type
ALTER TABLE t_ddl.lines DROP COLUMN price;
ALTER TABLE t_ddl.lines DROP COLUMN sku;
ALTER TABLE t_ddl.refunds ALTER COLUMN amount TYPE text;
-- which of its two views is named is PostgreSQL's choice
\set VERBOSITY terse
ALTER TABLE t_ddl.parts ALTER COLUMN order_id TYPE bigint;
\set VERBOSITY default
ALTER TABLE t_ddl.customers DROP COLUMN since;
-- the rest can
ALTER TABLE t_ddl.orders DROP COLUMN unused;
ALTER TABLE t_ddl.orders ADD COLUMN channel text DEFAULT 'web';
-- columns that rules begin to use are kept, too, under the names that they have then
ALTER TABLE t_ddl.parts ADD COLUMN channel text;
INSERT INTO club.earning_rule (name, points, applies_when) VALUES ('web', '100', $$channel = 'web'$$);
ALTER TABLE t_ddl.orders DROP COLUMN channel;
-- renames in the middle of a session: columns, tables, schema
ALTER TABLE t_ddl.orders RENAME COLUMN customer_id TO buyer;
ALTER TABLE t_ddl.orders RENAME COLUMN channel TO via;
ALTER TABLE t_ddl.orders ADD COLUMN channel text DEFAULT 'none';
ALTER TABLE t_ddl.lines RENAME COLUMN price TO cost;
ALTER TABLE t_ddl.refunds RENAME COLUMN order_id TO of_order;
ALTER TABLE t_ddl.parts RENAME COLUMN total TO sum;
ALTER TABLE t_ddl.orders RENAME TO purchases;
ALTER TABLE t_ddl.lines RENAME TO items;
ALTER SCHEMA t_ddl RENAME TO t_ddl2;
INSERT INTO t_ddl2.purchases (order_id, buyer) VALUES (2, 2);
INSERT INTO t_ddl2.items VALUES (2, 50, 'a');
INSERT INTO t_ddl2.refunds (of_order, amount) VALUES (1, 1);
INSERT INTO t_ddl2.p1 (order_id, customer_id, at, sum) VALUES (3, 2, '2024-02-01', 3);
INSERT INTO t_ddl2.parts (order_id, customer_id, at, sum) VALUES (4, 2, '2024-02-01', 4);
UPDATE t_ddl2.purchases SET via = 'shop' WHERE order_id = 2;
SELECT id, points, orders FROM club.members ORDER BY 1;
SELECT * FROM loyalty.verify('club');
\c -
\set SHOW_CONTEXT never
SET client_min_messages = warning;
INSERT INTO t_ddl2.items VALUES (2, 1, 'b');
INSERT INTO t_ddl2.p1 (order_id, customer_id, at, sum) VALUES (5, 2, '2024-02-01', 5);
SELECT id, points, orders FROM club.members ORDER BY 1;
SELECT * FROM loyalty.verify('club');
SELECT relation, triggers_made, recorded, reversed FROM loyalty.reconcile('club');
SELECT club.balance(2, 'infinity'), club.tier_at(2);
-- a rule that is written now uses the names of now
DELETE FROM club.earning_rule WHERE name = 'web';
INSERT INTO club.earning_rule (name, points, applies_when, per) VALUES ('cost', 'cost', 'true', 'line');
UPDATE club.earning_rule SET points = 'price' WHERE name = 'cost';
INSERT INTO t_ddl2.items VALUES (2, 2, 'b');
INSERT INTO t_ddl2.purchases (order_id, buyer) VALUES (7, 1);
INSERT INTO t_ddl2.items VALUES (7, 2, 'b');
SELECT id, points, orders FROM club.members ORDER BY 1;
SELECT * FROM loyalty.verify('club');
-- the customer table: its key and joined_at are held by the views
ALTER TABLE t_ddl2.customers RENAME COLUMN id TO customer;
ALTER TABLE t_ddl2.customers RENAME TO people;
SELECT id, points FROM club.members ORDER BY 1;
SELECT club.tier_at(2), club.balance(2);
CALL loyalty.post('club');
SELECT * FROM loyalty.verify('club');
DROP TABLE t_ddl2.people;
-- the name of a program is part of its tracked tables
ALTER SCHEMA club RENAME TO society;
ALTER SCHEMA club OWNER TO CURRENT_USER;
ALTER SCHEMA loyalty RENAME TO fidelity;
-- lines are dropped: their orders can't be recorded, and verify() tells
DROP TABLE t_ddl2.items;
BEGIN;
DROP TABLE t_ddl2.items CASCADE;
INSERT INTO t_ddl2.purchases (order_id, buyer) VALUES (8, 1);
SELECT violation FROM loyalty.verify('club') ORDER BY 1;
ROLLBACK;
-- a tracked table is dropped: its points stay, its lines and refunds are nobody's
SELECT loyalty.untrack('club', 't_ddl2.parts');
DROP TABLE t_ddl2.parts;
SELECT * FROM loyalty.verify('club');
DROP TABLE t_ddl2.purchases;
DROP TABLE t_ddl2.purchases CASCADE;
INSERT INTO t_ddl2.items VALUES (7, 3, 'b');
INSERT INTO t_ddl2.refunds (of_order, amount) VALUES (7, 1);
TRUNCATE t_ddl2.items;
SELECT id, points FROM club.members ORDER BY 1;
SELECT violation, regexp_replace(detail, '\d{4,}', '(oid)', 'g') AS detail FROM loyalty.verify('club');
SELECT count(*) FROM pg_trigger WHERE tgrelid IN ('t_ddl2.items'::regclass, 't_ddl2.refunds'::regclass) AND tgname LIKE 'loyalty%';
SELECT * FROM loyalty.reconcile('club');
SELECT * FROM loyalty.verify('club');
SELECT count(*) FROM pg_trigger WHERE tgrelid IN ('t_ddl2.items'::regclass, 't_ddl2.refunds'::regclass) AND tgname LIKE 'loyalty%';
SELECT relation::text ~ '^[0-9]+$' AS gone, active FROM club.tracked_table ORDER BY tracked_table;
-- a new table takes the place; rules must fit it
DELETE FROM club.earning_rule WHERE per = 'line';
CREATE TABLE t_ddl2.purchases (order_id int PRIMARY KEY, buyer int, at timestamptz DEFAULT '2024-01-01');
INSERT INTO t_ddl2.purchases VALUES (100, 1);
SELECT loyalty.track_orders('club', 't_ddl2.purchases', customer => 'buyer', at => 'at', lines => 't_ddl2.items', line_order => 'order_id', line_amount => 'cost');
INSERT INTO t_ddl2.items VALUES (100, 1000, 'b');
SELECT id, points FROM club.members ORDER BY 1;
SELECT * FROM loyalty.verify('club');
-- the customer table goes with CASCADE: the orders are made, and what is lost is told
DROP TABLE t_ddl2.people CASCADE;
INSERT INTO t_ddl2.purchases VALUES (101, 1);
SELECT count(*) > 0 AS recorded FROM club.journal;
SELECT * FROM loyalty.verify('club');
SELECT loyalty.drop_program('club', force => true);
DROP SCHEMA t_ddl2 CASCADE;
