-- Rows that are found by an index, without a query, and those that are not: the result is
-- the same.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE SCHEMA t_probe;
SET search_path = t_probe, pg_catalog;
CREATE TABLE customers (id int PRIMARY KEY, since timestamptz, email text);
INSERT INTO customers SELECT i, '2020-01-01', 'c' || i FROM generate_series(1, 6) i;
SELECT loyalty.create_program('club', customers => 'customers', joined_at => 'since', time_zone => 'UTC');
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
-- whoever is a customer for three years earns twofold
INSERT INTO club.tier (name, rank, qualifies, multiplier) VALUES ('Old', 1, 'tenure >= interval ''3 years''', 2);
\set now 'SELECT customer, order_key, joined_at, points FROM (SELECT e.id AS customer, e.order_key, sum(e.points) AS points FROM club.entries e GROUP BY 1, 2) e JOIN LATERAL (SELECT l.joined_at FROM (SELECT customer, order_key, recorded_at, joined_at FROM club.journal UNION ALL SELECT customer, order_key, recorded_at, joined_at FROM club.ledger) l WHERE l.customer = e.customer AND l.order_key = e.order_key ORDER BY l.recorded_at LIMIT 1) j ON true WHERE points <> 0 ORDER BY 1, 2'
\set verify 'SELECT * FROM loyalty.verify(''club'')'
-- Customers ---------------------------------------------------------------------------
CREATE TABLE orders (id int PRIMARY KEY, customer int, at timestamptz DEFAULT '2024-01-01 UTC', total numeric);
SELECT loyalty.track_orders('club', 'orders', customer => 'customer', at => 'at', amount => 'total');
SET timezone = 'UTC';
-- 2 x 10; the next is the first look by the index
INSERT INTO orders (id, customer, total) VALUES (1, 1, 10);
INSERT INTO orders (id, customer, total) VALUES (2, 1, 20);
-- a customer of the same statement, one without a date, and nobody: 1 x 30, 1 x 40, 1 x 50
WITH c AS (INSERT INTO customers VALUES (7, '2023-06-01', 'c7') RETURNING id)
INSERT INTO orders (id, customer, total) SELECT 3, id, 30 FROM c;
UPDATE customers SET since = NULL WHERE id = 2;
INSERT INTO orders (id, customer, total) VALUES (4, 2, 40), (5, 99, 50);
-- one who joined since, and whose key changed: 1 x 60, 2 x 70
UPDATE customers SET since = '2022-01-01' WHERE id = 3;
UPDATE customers SET id = 8 WHERE id = 4;
INSERT INTO orders (id, customer, total) VALUES (6, 3, 60), (7, 8, 70);
:now;
:verify;
-- without the index: 2 x 80
ALTER TABLE customers DROP CONSTRAINT customers_pkey;
INSERT INTO orders (id, customer, total) VALUES (8, 5, 80);
-- with one that has not all rows, and one that is of no use: 2 x 90
CREATE UNIQUE INDEX ON customers (id) WHERE id > 100;
CREATE INDEX ON customers USING hash (id);
INSERT INTO orders (id, customer, total) VALUES (9, 5, 90);
-- and with one again, not the first of its columns, then the first: 2 x 100, 2 x 110
CREATE INDEX ON customers (email, id);
INSERT INTO orders (id, customer, total) VALUES (10, 5, 100);
CREATE INDEX ON customers (id, email);
INSERT INTO orders (id, customer, total) VALUES (11, 5, 110);
INSERT INTO orders (id, customer, total) VALUES (12, 5, 120);
-- a customer in a child: 2 x 130
CREATE TABLE more_customers () INHERITS (customers);
INSERT INTO more_customers VALUES (20, '2020-01-01');
INSERT INTO orders (id, customer, total) VALUES (13, 20, 130);
DROP TABLE more_customers;
DELETE FROM orders WHERE id = 13;
-- as bigint, which no index is over; and as a date, which depends on the time zone: 2 x 140, 2 x 150
ALTER TABLE orders ALTER COLUMN customer TYPE bigint;
INSERT INTO orders (id, customer, total) VALUES (14, 6, 140);
UPDATE club.program SET joined_at = 'since::date';
INSERT INTO orders (id, customer, total) VALUES (15, 6, 150);
:now;
:verify;
CALL loyalty.post('club');
:verify;
SELECT loyalty.drop_program('club', force => true);
-- Lines -------------------------------------------------------------------------------
DROP TABLE customers, orders;
CREATE TABLE customers (id int PRIMARY KEY);
INSERT INTO customers SELECT generate_series(1, 6);
SELECT loyalty.create_program('club', customers => 'customers', time_zone => 'UTC');
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
\set now 'SELECT id AS customer, order_key, sum(points) AS points FROM club.entries GROUP BY 1, 2 ORDER BY 1, 2'
CREATE TABLE orders (id int PRIMARY KEY, customer int, at timestamptz DEFAULT '2024-01-01 UTC', note text);
CREATE TABLE lines (order_id bigint, total numeric);
CREATE INDEX ON lines (order_id);
SELECT loyalty.track_orders('club', 'orders', customer => 'customer', at => 'at', lines => 'lines', line_order => 'order_id', line_amount => 'total');
-- no lines, then some; lines first, then the order; a line of no order
INSERT INTO orders VALUES (1, 1), (2, 2);
:now;
INSERT INTO lines VALUES (2, 20), (2, 2), (1, 1), (3, 30), (99, 1);
INSERT INTO orders VALUES (3, 3), (4, 3);
:now;
:verify;
-- in one statement with its lines, and the lines with their order
WITH o AS (INSERT INTO orders VALUES (5, 5) RETURNING id) INSERT INTO lines SELECT id, 50 FROM o;
WITH l AS (INSERT INTO lines VALUES (6, 60) RETURNING order_id) INSERT INTO orders SELECT order_id, 6 FROM l;
:now;
:verify;
-- a key that an order cannot have, in the middle of others, which get what they should
INSERT INTO lines VALUES (1, 100), (99999999999, 7), (2, 200);
:now;
:verify;
-- such refunds, too
CREATE TABLE refunds (order_id bigint, total numeric);
SELECT loyalty.track_refunds('club', 'refunds', order_key => 'order_id', amount => 'total');
INSERT INTO refunds VALUES (99999999999, 7), (-2147483649, 1), (2, 20);
:now;
:verify;
SELECT loyalty.untrack('club', 'refunds');
-- orders whose key no line can have, as the key of a line is of a domain
CREATE DOMAIN small AS int CHECK (VALUE > 0);
CREATE TABLE parcels (id bigint PRIMARY KEY, customer int, at timestamptz DEFAULT '2024-01-01 UTC');
CREATE TABLE pieces (parcel small, total numeric);
CREATE INDEX ON pieces (parcel);
SELECT loyalty.track_orders('club', 'parcels', customer => 'customer', at => 'at', lines => 'pieces', line_order => 'parcel', line_amount => 'total');
INSERT INTO parcels VALUES (99999999999, 4), (-1, 4), (1, 4);
INSERT INTO pieces VALUES (1, 5);
SELECT points FROM club.members WHERE id = 4;
DELETE FROM parcels;
SELECT loyalty.untrack('club', 'parcels');
-- without an index on the lines, and with one again
DROP INDEX lines_order_id_idx;
INSERT INTO orders VALUES (7, 1);
INSERT INTO lines VALUES (7, 70);
CREATE INDEX ON lines (order_id, total);
INSERT INTO lines VALUES (8, 80);
INSERT INTO orders VALUES (8, 1), (9, 1);
:now;
:verify;
-- without one on the orders, whose key can be twice then
ALTER TABLE orders DROP CONSTRAINT orders_pkey;
INSERT INTO lines VALUES (9, 90);
ALTER TABLE orders ADD PRIMARY KEY (id);
INSERT INTO lines VALUES (9, 9);
UPDATE lines SET order_id = 4 WHERE total = 9;
DELETE FROM lines WHERE order_id = 8;
:now;
:verify;
-- lines in a child
CREATE TABLE more_lines () INHERITS (lines);
INSERT INTO more_lines VALUES (8, 8), (10, 10);
INSERT INTO orders VALUES (10, 2);
:now;
:verify;
-- an order that comes back as somebody else's while lines of it are kept: 11 has 10 and what was 1
INSERT INTO more_lines VALUES (11, 1);
INSERT INTO lines VALUES (11, 10);
INSERT INTO orders VALUES (11, 2);
ALTER TABLE more_lines NO INHERIT lines;
SELECT recorded, archived, reversed FROM loyalty.reconcile('club', missing => 'archive');
DELETE FROM lines WHERE order_id = 11;
DELETE FROM orders WHERE id = 11;
INSERT INTO orders VALUES (11, 4);
:now;
:verify;
CALL loyalty.post('club');
:verify;
SET client_min_messages = error;
DROP SCHEMA t_probe CASCADE;
SELECT loyalty.drop_program('club', force => true);
