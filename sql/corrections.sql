-- What is tracked is corrected: expressions are changed in place, and columns let go for a
-- migration, and orders keep their lines, their refunds and the rules that they were made by.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';
\set now 'SELECT id, points, trim_scale(lifetime_value), orders FROM club.members ORDER BY 1;'
\set verify 'SELECT * FROM loyalty.verify(''club'');'
CREATE SCHEMA t_correct;
CREATE TABLE t_correct.customers (id int PRIMARY KEY);
INSERT INTO t_correct.customers VALUES (1), (2);
CREATE TABLE t_correct.orders (id int PRIMARY KEY, customer int, payer int, total numeric,
	shipping numeric, status text DEFAULT 'paid', at timestamptz DEFAULT '2024-01-01');
CREATE TABLE t_correct.refunds (order_id int, amount numeric, fee numeric DEFAULT 0);
SELECT loyalty.create_program('club', customers => 't_correct.customers');
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
SELECT loyalty.track_orders('club', 't_correct.orders', customer => 'customer', at => 'at',
	amount => 'total');
SELECT loyalty.track_refunds('club', 't_correct.refunds', order_key => 'order_id',
	amount => 'amount');
INSERT INTO t_correct.orders VALUES (1, 1, 2, 100, 10), (2, 2, 2, 50, 5);
INSERT INTO t_correct.refunds VALUES (1, 40);
-- 100 - 40, 50
:now
-- from now on an order makes ten times as much; those of before stay what they are: 90 - 40, 45
UPDATE club.earning_rule SET points = '10 * amount';
SELECT loyalty.alter_orders('club', 't_correct.orders', amount => 'total - shipping') \gset
:now
:verify
-- 10 * (7 - 1) more, and 10 less for the first: the refunds are of its orders still
INSERT INTO t_correct.orders VALUES (3, 1, 1, 7, 1);
INSERT INTO t_correct.refunds VALUES (1, 10, 5);
:now
-- a mistake changes nothing
\set VERBOSITY terse
SELECT loyalty.alter_orders('club', 't_correct.orders', amount => 'total - shiping');
SELECT loyalty.alter_orders('club', 't_correct.orders', counts_when => 'total');
SELECT loyalty.alter_refunds('club', 't_correct.refunds', amount => 'amount + fe');
\set VERBOSITY default
:now
:verify
-- the condition: nothing that is paid changes, then 2 has nothing
SELECT loyalty.alter_orders('club', 't_correct.orders', counts_when => $$status = 'paid'$$) \gset
:now
UPDATE t_correct.orders SET status = 'open' WHERE id = 2;
:now
-- who pays: the first order is 2's, and is what it was
SELECT loyalty.alter_orders('club', 't_correct.orders', customer => 'payer') \gset
:now
:verify
-- what is refunded: 5 less for the first order
SELECT loyalty.alter_refunds('club', 't_correct.refunds', amount => 'amount + fee') \gset
:now
:verify
CALL loyalty.post('club');
-- columns become wider, and one goes, which its expression says by then: what is written meanwhile
-- is recorded afterwards, 10 * 3; and the first order is 100 - 55, the third 10 * 7
\set VERBOSITY sqlstate
ALTER TABLE t_correct.orders ALTER COLUMN id TYPE bigint;
ALTER TABLE t_correct.orders DROP COLUMN shipping;
\set VERBOSITY default
SELECT loyalty.pause('club', 't_correct.orders') \gset
ALTER TABLE t_correct.orders ALTER COLUMN id TYPE bigint, ALTER COLUMN total TYPE numeric(12, 2);
ALTER TABLE t_correct.refunds ALTER COLUMN order_id TYPE bigint;
ALTER TABLE t_correct.orders DROP COLUMN shipping;
SET client_min_messages = error;
INSERT INTO t_correct.orders (id, customer, payer, total) VALUES (4, 2, 1, 3);
SET client_min_messages = warning;
:now
SELECT loyalty.resume('club', 't_correct.orders', amount => 'total') \gset
:now
:verify
INSERT INTO t_correct.refunds VALUES (4, 1);
INSERT INTO t_correct.orders (id, customer, payer, total) VALUES (5000000000, 2, 2, 0.5);
-- 10 less, 5 more
:now
:verify
SELECT recorded, archived, reversed FROM loyalty.reconcile('club');
SELECT loyalty.drop_program('club', force => true);
DROP TABLE t_correct.orders, t_correct.refunds;

-- lines -----------------------------------------------------------------------------
CREATE TABLE t_correct.orders (id int PRIMARY KEY, customer int,
	at timestamptz DEFAULT '2024-01-01');
CREATE TABLE t_correct.lines (of int, old_of int, qty int, price numeric);
CREATE TABLE t_correct.refunds (order_id int, amount numeric);
SELECT loyalty.create_program('club', customers => 't_correct.customers');
SELECT loyalty.track_orders('club', 't_correct.orders', customer => 'customer', at => 'at',
	lines => 't_correct.lines', line_order => 'old_of', line_amount => 'price');
SELECT loyalty.track_refunds('club', 't_correct.refunds', order_key => 'order_id',
	amount => 'amount');
INSERT INTO club.earning_rule (name, points, per) VALUES ('one', 'amount', 'order'),
	('qty', 'qty', 'line');
INSERT INTO t_correct.lines VALUES (1, 2, 2, 10), (1, 1, 3, 1), (2, 2, 4, 2);
INSERT INTO t_correct.orders VALUES (1, 1), (2, 2);
INSERT INTO t_correct.refunds VALUES (1, 1);
-- nothing is left of the first; the second is of 12 and of 2 + 4 pieces
:now
-- the first is of two lines, of 11 - 1 and 5 * 10 / 11 = 4.54; the second of 2 and 4
SELECT loyalty.alter_orders('club', 't_correct.orders', line_order => 'of') \gset
:now
:verify
-- 23 - 1 and 5 * 22 / 23 = 4.78; 8 and 4
SELECT loyalty.alter_orders('club', 't_correct.orders', line_amount => 'qty * price') \gset
:now
:verify
-- lines go on: 2 more and 1 more for the second
INSERT INTO t_correct.lines (of, qty, price) VALUES (2, 1, 2);
:now
:verify
SELECT loyalty.drop_program('club', force => true);
DROP SCHEMA t_correct CASCADE;

-- who, and which ----------------------------------------------------------------------
-- An order whose customer or key is said otherwise is the order that it was, with its rules,
-- its tier and its rate.
CREATE SCHEMA t_correct;
CREATE TABLE t_correct.customers (id int PRIMARY KEY, since date DEFAULT '2010-01-01');
INSERT INTO t_correct.customers VALUES (1), (2), (3);
CREATE TABLE t_correct.orders (id int PRIMARY KEY, code text UNIQUE, customer int, payer int,
	total numeric, currency text DEFAULT 'EUR', at timestamptz DEFAULT '2024-01-01');
CREATE TABLE t_correct.refunds (order_id int, amount numeric);
SELECT loyalty.create_program('club', customers => 't_correct.customers', joined_at => 'since');
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
INSERT INTO club.tier (name, rank, qualifies, multiplier) VALUES ('gold', 1, 'spend >= 100', 2);
INSERT INTO club.exchange_rate VALUES ('EUR', '2000-01-01', 1), ('USD', '2000-01-01', 0.5);
SELECT loyalty.track_orders('club', 't_correct.orders', customer => 'customer', at => 'at',
	amount => 'total', currency => 'currency') \gset
INSERT INTO t_correct.orders VALUES (1, 'b', 1, 2, 100);
CALL loyalty.post('club');
INSERT INTO t_correct.orders VALUES (2, 'c', 1, 2, 10, 'EUR'), (3, 'd', 1, 1, 40, 'USD'), (4, 'a', 2, 3, 1, 'EUR');
INSERT INTO t_correct.orders VALUES (5, 'x', 3, 3, 7);
DELETE FROM t_correct.orders WHERE id = 5;
INSERT INTO t_correct.orders VALUES (6, 'e', 1, 2, 5);
UPDATE t_correct.orders SET at = NULL WHERE id = 6;
-- 100 + 2 * (10 + 20), 1
:now
UPDATE club.earning_rule SET points = '10 * amount';
UPDATE club.tier SET multiplier = 7;
UPDATE club.exchange_rate SET rate = 5 WHERE currency = 'USD';
UPDATE t_correct.customers SET since = '2020-01-01';
-- the payer has 1 and 2: 100 + 20; 3 stays, 40; the third customer has 4
SELECT loyalty.alter_orders('club', 't_correct.orders', customer => 'payer');
:now
:verify
SELECT id, order_key, revision, terms, counts, tier, trim_scale(multiplier) AS m, points
  FROM club.entries ORDER BY id, order_key, revision;
-- by a code instead of a number, and back to the customer in the same call
SELECT loyalty.alter_orders('club', 't_correct.orders', customer => 'customer', order_key => 'code');
:now
:verify
SELECT order_key, terms, trim_scale(awards) AS awards, trim_scale(rate) AS rate
  FROM club.recorded_orders WHERE counts ORDER BY 1;
CALL loyalty.post('club');
:verify
-- by the number again, which they had been recorded by; orders go on: 10 * 3
SELECT loyalty.alter_orders('club', 't_correct.orders', order_key => 'id');
INSERT INTO t_correct.orders VALUES (7, 'f', 3, 3, 3);
:now
:verify
-- one that did not count when it got another customer and key does again, with its tier and rule: 2 * 5
UPDATE t_correct.orders SET at = '2024-01-01' WHERE id = 6;
:now
:verify
-- nothing changes
SELECT loyalty.alter_orders('club', 't_correct.orders', customer => '+ customer', order_key => 'id');
-- a paused table that is of the payers when it goes on
SELECT loyalty.pause('club', 't_correct.orders') \gset
-- a migration that is begun again is told so, and goes on
SET client_min_messages = notice;
SELECT loyalty.pause('club', 't_correct.orders') \gset
SET client_min_messages = warning;
SELECT loyalty.resume('club', 't_correct.orders', customer => 'payer');
:now
:verify
-- keys and customers of a greater type
SELECT loyalty.untrack('club', 't_correct.orders') \gset
ALTER TABLE t_correct.orders ALTER COLUMN id TYPE bigint, ALTER COLUMN payer TYPE bigint;
SELECT loyalty.track_orders('club', 't_correct.orders', customer => 'payer', at => 'at',
	amount => 'total', currency => 'currency');
:now
:verify
SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'club'::regnamespace AND c.relname LIKE 'before%';
SELECT loyalty.drop_program('club', force => true);
DROP SCHEMA t_correct CASCADE;
