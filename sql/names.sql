-- Expressions mean objects, not names: renames are followed in every session, what is
-- used cannot be dropped, and a function that is replaced is seen at once.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';
\set now 'SELECT id, points, trim_scale(lifetime_value), orders FROM club.members ORDER BY 1;'
\set verify 'SELECT * FROM loyalty.verify(''club'');'
CREATE SCHEMA t_names;
CREATE SCHEMA t_names_fn;
CREATE TYPE t_names_fn.state AS ENUM ('open', 'paid', 'void');
CREATE DOMAIN t_names_fn.label AS text;
CREATE FUNCTION t_names_fn.weight(numeric) RETURNS numeric LANGUAGE sql IMMUTABLE
	AS 'SELECT 2 * $1';
CREATE FUNCTION t_names_fn.alike(text, text) RETURNS boolean LANGUAGE sql IMMUTABLE
	AS 'SELECT lower($1) = lower($2)';
CREATE OPERATOR t_names_fn.=== (LEFTARG = text, RIGHTARG = text, FUNCTION = t_names_fn.alike);
CREATE TABLE t_names.customers (id int PRIMARY KEY);
INSERT INTO t_names.customers VALUES (1), (2);
CREATE TABLE t_names.orders (id int PRIMARY KEY, customer_id int,
	at timestamptz DEFAULT '2024-01-01', status t_names_fn.state DEFAULT 'paid',
	channel text DEFAULT 'shop');
CREATE TABLE t_names.lines (order_id int, sku text, qty int, price numeric);
CREATE INDEX ON t_names.lines (order_id);
CREATE TABLE t_names.refunds (order_id int, amount numeric, status t_names_fn.state DEFAULT 'paid');
CREATE INDEX ON t_names.refunds (order_id);

-- Renames ------------------------------------------------------------------------
SELECT loyalty.create_program('club', customers => 't_names.customers');
SELECT loyalty.track_orders('club', 't_names.orders', customer => 'customer_id', at => 'at',
	counts_when => $$status = 'paid'$$,
	lines => 't_names.lines', line_order => 'order_id', line_amount => 'qty * price');
SELECT loyalty.track_refunds('club', 't_names.refunds', order_key => 'order_id', amount => 'amount',
	counts_when => $$status = 'paid'$$);
INSERT INTO club.earning_rule (name, points, applies_when, per) VALUES
	('one', 'amount', 'true', 'order'),
	('tea', 't_names_fn.weight(qty)', $$sku OPERATOR(t_names_fn.===) 'TEA'$$, 'line'),
	('web', '100', $$channel::t_names_fn.label = 'web'$$, 'order');
-- each order is of two teas and a cup, 2 * 5 + 4 = 14 with 14 + weight(2) = 18 points, and 100
-- more for one that is made in the web; a refund of 7, of half of it, leaves 7 + 4 * 7 / 14 = 9
INSERT INTO t_names.orders VALUES (1, 1);
INSERT INTO t_names.lines VALUES (1, 'tea', 2, 5), (1, 'cup', 1, 4);
:now
-- the schema: 9 + 18
ALTER SCHEMA t_names RENAME TO t_names2;
INSERT INTO t_names2.orders VALUES (2, 1);
INSERT INTO t_names2.lines VALUES (2, 'Tea', 2, 5), (2, 'cup', 1, 4);
INSERT INTO t_names2.refunds VALUES (1, 7);
:now
:verify
-- the tables and their columns: 118 more, and the refund of order 2 takes 9
ALTER TABLE t_names2.orders RENAME TO purchases;
ALTER TABLE t_names2.lines RENAME TO items;
ALTER TABLE t_names2.refunds RENAME TO returns;
ALTER TABLE t_names2.purchases RENAME COLUMN id TO number;
ALTER TABLE t_names2.purchases RENAME COLUMN customer_id TO buyer;
ALTER TABLE t_names2.purchases RENAME COLUMN at TO bought;
ALTER TABLE t_names2.purchases RENAME COLUMN status TO state;
ALTER TABLE t_names2.purchases RENAME COLUMN channel TO way;
ALTER TABLE t_names2.items RENAME COLUMN order_id TO of;
ALTER TABLE t_names2.items RENAME COLUMN sku TO article;
ALTER TABLE t_names2.items RENAME COLUMN qty TO pieces;
ALTER TABLE t_names2.items RENAME COLUMN price TO each;
ALTER TABLE t_names2.returns RENAME COLUMN order_id TO of;
ALTER TABLE t_names2.returns RENAME COLUMN amount TO given_back;
ALTER TABLE t_names2.returns RENAME COLUMN status TO state;
-- what takes the old names is something else
ALTER TABLE t_names2.purchases ADD COLUMN customer_id int DEFAULT 2,
	ADD COLUMN channel text DEFAULT 'web';
ALTER TABLE t_names2.items ADD COLUMN qty int DEFAULT 1000, ADD COLUMN sku text DEFAULT 'tea';
CREATE TABLE t_names2.lines (order_id int, sku text, qty int, price numeric);
INSERT INTO t_names2.lines VALUES (3, 'tea', 1000, 1000);
INSERT INTO t_names2.purchases (number, buyer, way) VALUES (3, 1, 'web');
INSERT INTO t_names2.items (of, article, pieces, each) VALUES (3, 'TEA', 2, 5), (3, 'cup', 1, 4);
INSERT INTO t_names2.returns (of, given_back) VALUES (2, 7);
:now
:verify
-- a type, its label, a domain, a function, and the operator's function, schema and all: 18 more
ALTER TYPE t_names_fn.state RENAME VALUE 'paid' TO 'settled';
ALTER TYPE t_names_fn.state RENAME TO status;
ALTER DOMAIN t_names_fn.label RENAME TO tag;
ALTER FUNCTION t_names_fn.weight(numeric) RENAME TO heft;
ALTER FUNCTION t_names_fn.alike(text, text) RENAME TO same;
ALTER OPERATOR t_names_fn.=== (text, text) SET SCHEMA t_names2;
ALTER SCHEMA t_names_fn RENAME TO t_names_code;
ALTER DOMAIN t_names_code.tag SET SCHEMA t_names2;
INSERT INTO t_names2.purchases (number, buyer, state) VALUES (4, 1, 'settled'), (5, 1, 'open');
INSERT INTO t_names2.items (of, article, pieces, each) VALUES
	(4, 'tea', 2, 5), (4, 'cup', 1, 4), (5, 'tea', 2, 5), (5, 'cup', 1, 4);
:now
:verify
-- and in a session that knows only the new names: 18 for order 5, 9 less for order 4
\c -
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';
UPDATE t_names2.purchases SET state = 'settled' WHERE number = 5;
INSERT INTO t_names2.returns (of, given_back, state) VALUES (4, 7, 'settled');
:now
:verify
-- the customers, whose key keeps its name in the views
ALTER TABLE t_names2.customers RENAME COLUMN id TO customer;
ALTER TABLE t_names2.customers RENAME TO people;
INSERT INTO t_names2.people VALUES (3);
INSERT INTO t_names2.purchases (number, buyer) VALUES (6, 3);
INSERT INTO t_names2.purchases (number, buyer, state) VALUES (7, 2, 'settled');
INSERT INTO t_names2.items (of, article, pieces, each) VALUES (6, 'tea', 2, 5), (7, 'tea', 2, 5);
:now
SELECT club.balance(2), club.balance(3);
:verify
-- the rules of old go on when one comes, changes or goes: order 8 makes 10 + 4 + 1000, order 9
-- 30 + 4 + 1000, and order 10 makes 30 + 4
INSERT INTO club.earning_rule (name, points) VALUES ('more', '1000');
INSERT INTO t_names2.purchases (number, buyer) VALUES (8, 3);
INSERT INTO t_names2.items (of, article, pieces, each) VALUES (8, 'tea', 2, 5);
:now
UPDATE club.earning_rule SET points = '3 * amount' WHERE name = 'one';
INSERT INTO t_names2.purchases (number, buyer) VALUES (9, 3);
INSERT INTO t_names2.items (of, article, pieces, each) VALUES (9, 'tea', 2, 5);
:now
DELETE FROM club.earning_rule WHERE name = 'more';
INSERT INTO t_names2.purchases (number, buyer) VALUES (10, 3);
INSERT INTO t_names2.items (of, article, pieces, each) VALUES (10, 'tea', 2, 5);
:now
:verify
-- a rename within a transaction, and one that is taken back
BEGIN;
INSERT INTO t_names2.purchases (number, buyer) VALUES (11, 2);
ALTER TABLE t_names2.items RENAME COLUMN each TO price;
INSERT INTO t_names2.items (of, article, pieces, price) VALUES (11, 'tea', 2, 5);
SAVEPOINT a;
ALTER SCHEMA t_names2 RENAME TO t_names3;
ALTER TYPE t_names_code.status RENAME VALUE 'settled' TO 'done';
UPDATE t_names3.purchases SET state = 'open' WHERE number = 11;
:now
ROLLBACK TO a;
UPDATE t_names2.purchases SET way = 'web' WHERE number = 11;
ROLLBACK;
INSERT INTO t_names2.purchases (number, buyer, state) VALUES (12, 2, 'settled');
INSERT INTO t_names2.items (of, article, pieces, each) VALUES (12, 'tea', 2, 5);
-- order 7 made 14 points, order 12 makes 30 + 4
:now
:verify
SELECT recorded, archived, reversed FROM loyalty.reconcile('club');
CALL loyalty.post('club');
:now
:verify

-- A part of a rule is changed, and the rest of it means what it meant: 33 + 2 * 1 for the one that
-- is written in capitals, then 3 + 2
UPDATE club.earning_rule SET applies_when = $$article = 'TEA'$$ WHERE name = 'tea';
INSERT INTO t_names2.purchases (number, buyer, state) VALUES (15, 2, 'settled');
INSERT INTO t_names2.items (of, article, pieces, each) VALUES (15, 'tea', 2, 5), (15, 'TEA', 1, 1);
:now
UPDATE club.earning_rule SET name = 'capitals' WHERE name = 'tea';
INSERT INTO t_names2.purchases (number, buyer, state) VALUES (16, 2, 'settled');
INSERT INTO t_names2.items (of, article, pieces, each) VALUES (16, 'TEA', 1, 1);
:now
-- another table is tracked, for which the rules are what they are by now: 30 + 100
CREATE TABLE t_names2.sales (number int PRIMARY KEY, buyer int, total numeric,
	bought timestamptz DEFAULT '2024-01-01', way text DEFAULT 'web', channel text DEFAULT 'shop');
SELECT loyalty.track_orders('club', 't_names2.sales', customer => 'buyer', at => 'bought',
	amount => 'total');
INSERT INTO t_names2.sales VALUES (1, 2, 10);
:now
:verify

-- What is used stays ---------------------------------------------------------------
CREATE FUNCTION t_names_code.standing(numeric) RETURNS boolean LANGUAGE sql IMMUTABLE
	AS 'SELECT $1 >= 1e6';
CREATE COLLATION t_names_code.order_of (provider = libc, locale = 'C');
INSERT INTO club.tier (name, rank, qualifies) VALUES ('Top', 1, 't_names_code.standing(spend)');
INSERT INTO club.earning_rule (name, points, applies_when) VALUES
	('late', '7', $$way COLLATE t_names_code.order_of > 'x'$$);
\set VERBOSITY sqlstate
DROP FUNCTION t_names_code.heft(numeric);
DROP FUNCTION t_names_code.standing(numeric);
DROP FUNCTION t_names_code.same(text, text);
DROP OPERATOR t_names2.=== (text, text);
DROP TYPE t_names_code.status;
DROP DOMAIN t_names2.tag;
DROP COLLATION t_names_code.order_of;
DROP SCHEMA t_names_code;
DROP TABLE t_names2.purchases;
DROP TABLE t_names2.items;
DROP TABLE t_names2.returns;
DROP TABLE t_names2.sales;
DROP TABLE t_names2.people;
ALTER TABLE t_names2.purchases DROP COLUMN buyer;
ALTER TABLE t_names2.purchases DROP COLUMN bought;
ALTER TABLE t_names2.purchases DROP COLUMN state;
ALTER TABLE t_names2.purchases DROP COLUMN way;
ALTER TABLE t_names2.purchases DROP COLUMN number;
ALTER TABLE t_names2.items DROP COLUMN of;
ALTER TABLE t_names2.items DROP COLUMN article;
ALTER TABLE t_names2.items DROP COLUMN pieces;
ALTER TABLE t_names2.items DROP COLUMN each;
ALTER TABLE t_names2.returns DROP COLUMN of;
ALTER TABLE t_names2.returns DROP COLUMN given_back;
ALTER TABLE t_names2.returns DROP COLUMN state;
ALTER TABLE t_names2.items ALTER COLUMN each TYPE float8;
ALTER TABLE t_names2.purchases ALTER COLUMN state TYPE text;
\set VERBOSITY default
-- what is not used goes
ALTER TABLE t_names2.purchases DROP COLUMN customer_id, DROP COLUMN channel;
ALTER TABLE t_names2.items DROP COLUMN qty, DROP COLUMN sku;
DROP TABLE t_names2.lines;
-- no harm is done: 30 points more
INSERT INTO t_names2.purchases (number, buyer, state) VALUES (13, 2, 'settled');
INSERT INTO t_names2.items (of, article, pieces, each) VALUES (13, 'tea', 2, 5);
:now
:verify
-- a rule under which nothing was recorded leaves nothing behind
CREATE FUNCTION t_names_code.brief(numeric) RETURNS numeric LANGUAGE sql IMMUTABLE
	AS 'SELECT $1';
INSERT INTO club.earning_rule (name, points) VALUES ('brief', 't_names_code.brief(amount)');
DELETE FROM club.earning_rule WHERE name = 'brief';
CALL loyalty.post('club');
DROP FUNCTION t_names_code.brief(numeric);
INSERT INTO t_names2.purchases (number, buyer, state) VALUES (14, 2, 'settled');
INSERT INTO t_names2.items (of, article, pieces, each) VALUES (14, 'tea', 2, 5);
:now
:verify
-- an index has no room for names of thousands of bytes; 127 letters of two bytes and one of one are 255
INSERT INTO club.earning_rule (name, points) VALUES (repeat('x', 9000), '1');
INSERT INTO club.tier (name, rank, qualifies) VALUES (repeat('x', 9000), 9, 'true');
INSERT INTO club.wallet (name) VALUES (repeat('x', 9000));
INSERT INTO club.campaign (name) VALUES (repeat('x', 9000));
INSERT INTO club.budget (name, points) VALUES (repeat('x', 9000), 1);
INSERT INTO club.reward (name, points) VALUES (repeat('x', 9000), 1);
INSERT INTO club.date_rule (name, due, points) VALUES (repeat('x', 9000), 'born', '1');
INSERT INTO club.budget (name, points) VALUES (repeat('é', 128), 1);
BEGIN;
INSERT INTO club.budget (name, points) VALUES (repeat('é', 127) || 'x', 1);
ROLLBACK;
:verify
SELECT loyalty.drop_program('club', force => true);
DROP SCHEMA t_names2, t_names_code CASCADE;
