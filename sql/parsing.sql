-- Expressions are read once, where they are written: under the search_path of who writes them,
-- with errors at their character; what they call is what it is now, and text in them is text.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';
\set now 'SELECT id, points, trim_scale(lifetime_value), orders, tier FROM club.members ORDER BY 1;'
\set verify 'SELECT * FROM loyalty.verify(''club'');'
CREATE SCHEMA t_parsing;
CREATE SCHEMA t_parsing_fn;
CREATE TABLE t_parsing.customers (id int PRIMARY KEY);
INSERT INTO t_parsing.customers VALUES (1), (2), (3);
CREATE TABLE t_parsing.orders (id int PRIMARY KEY, customer_id int,
	at timestamptz DEFAULT '2024-01-01', total numeric,
	status text DEFAULT 'paid', note text DEFAULT 'x');
CREATE TABLE t_parsing.lines (order_id int, sku text, qty int, price numeric);
CREATE INDEX ON t_parsing.lines (order_id);
CREATE TABLE t_parsing.refunds (id int PRIMARY KEY, order_id int, customer_id int,
	at timestamptz DEFAULT '2024-02-01', amount numeric, note text DEFAULT 'x');

-- Functions that are replaced ----------------------------------------------------
-- All of them change what they say from 100 on only, so that nothing of before changes.
CREATE FUNCTION t_parsing_fn.net(numeric) RETURNS numeric LANGUAGE sql IMMUTABLE
	AS 'SELECT $1';
CREATE FUNCTION t_parsing_fn.is_paid(text, numeric) RETURNS boolean
	LANGUAGE plpgsql STABLE AS $$BEGIN RETURN $1 = 'paid'; END$$;
CREATE FUNCTION t_parsing_fn.step(numeric) RETURNS numeric LANGUAGE sql IMMUTABLE
	AS 'SELECT 0.0';
-- one that calls another: inlined
CREATE FUNCTION t_parsing_fn.bonus(numeric) RETURNS numeric LANGUAGE sql IMMUTABLE
	AS 'SELECT 10 + t_parsing_fn.step($1)';
CREATE FUNCTION t_parsing_fn.fixed() RETURNS numeric LANGUAGE sql IMMUTABLE
	AS 'SELECT 0.0';
CREATE FUNCTION t_parsing_fn.gold(numeric) RETURNS boolean LANGUAGE sql IMMUTABLE
	AS 'SELECT $1 >= 5000';
SELECT loyalty.create_program('club', customers => 't_parsing.customers');
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount'),
	('bonus', 't_parsing_fn.bonus(amount)'),
	('fixed', 'CASE WHEN amount >= 100 THEN t_parsing_fn.fixed() ELSE 0 END');
INSERT INTO club.tier (name, rank, qualifies, multiplier) VALUES
	('Gold', 1, 't_parsing_fn.gold(spend)', 2);
SELECT loyalty.track_orders('club', 't_parsing.orders', customer => 'customer_id', at => 'at',
	amount => 't_parsing_fn.net(total)', counts_when => 't_parsing_fn.is_paid(status, total)');
INSERT INTO t_parsing.orders VALUES (1, 1, DEFAULT, 50);
-- 50 + 10
:now
-- the function that the rule's function calls: 200 + 10 + 5
CREATE OR REPLACE FUNCTION t_parsing_fn.step(numeric) RETURNS numeric LANGUAGE sql IMMUTABLE
	AS 'SELECT CASE WHEN $1 >= 100 THEN 5.0 ELSE 0.0 END';
INSERT INTO t_parsing.orders VALUES (2, 2, DEFAULT, 200);
:now
UPDATE t_parsing.orders SET total = 0 WHERE id = 2;
-- one without arguments, which is folded: 200 + 15 + 30
CREATE OR REPLACE FUNCTION t_parsing_fn.fixed() RETURNS numeric LANGUAGE sql IMMUTABLE
	AS 'SELECT 30.0';
UPDATE t_parsing.orders SET total = 200 WHERE id = 2;
:now
-- the one of the rule itself: 200 + 70 + 30
CREATE OR REPLACE FUNCTION t_parsing_fn.bonus(numeric) RETURNS numeric LANGUAGE plpgsql
	IMMUTABLE AS $$BEGIN RETURN CASE WHEN $1 >= 100 THEN 70 ELSE 10 END; END$$;
UPDATE t_parsing.orders SET note = 'touched' WHERE id = 2;
:now
-- the amount's: 199 + 70 + 30
CREATE OR REPLACE FUNCTION t_parsing_fn.net(numeric) RETURNS numeric LANGUAGE sql IMMUTABLE
	AS 'SELECT CASE WHEN $1 >= 100 THEN $1 - 1 ELSE $1 END';
UPDATE t_parsing.orders SET note = 'touched twice' WHERE id = 2;
:now
-- that of counts_when
CREATE OR REPLACE FUNCTION t_parsing_fn.is_paid(text, numeric) RETURNS boolean
	LANGUAGE plpgsql STABLE AS $$BEGIN RETURN $1 = 'paid' AND $2 < 150; END$$;
UPDATE t_parsing.orders SET note = 'touched again' WHERE id = 2;
:now
:verify
-- the tier's: 1 has spent 50, so that the next order of 30 makes 40, then 20 makes 2 * 30
CREATE OR REPLACE FUNCTION t_parsing_fn.gold(numeric) RETURNS boolean LANGUAGE sql IMMUTABLE
	AS 'SELECT $1 >= 80';
:now
INSERT INTO t_parsing.orders VALUES (3, 1, DEFAULT, 30);
:now
INSERT INTO t_parsing.orders VALUES (4, 1, DEFAULT, 20);
:now
:verify
CALL loyalty.post('club');
-- dropped and made again is another function, and what is used is not dropped
\set VERBOSITY sqlstate
BEGIN;
DROP FUNCTION t_parsing_fn.bonus(numeric);
ROLLBACK;
-- a function that is renamed away while another takes its name is the one that was meant
\set VERBOSITY default
ALTER FUNCTION t_parsing_fn.bonus(numeric) RENAME TO bonus_of_old;
CREATE FUNCTION t_parsing_fn.bonus(numeric) RETURNS numeric LANGUAGE sql IMMUTABLE
	AS 'SELECT 1e9';
CREATE FUNCTION t_parsing_fn.bonus_of_old(int) RETURNS numeric LANGUAGE sql IMMUTABLE
	AS 'SELECT 1e9';
-- 3 makes 7 + 10
INSERT INTO t_parsing.orders VALUES (5, 3, DEFAULT, 7);
:now
:verify
SELECT loyalty.drop_program('club', force => true);
TRUNCATE t_parsing.orders;

-- Domains whose checks come and go ------------------------------------------------
CREATE DOMAIN t_parsing_fn.limited AS numeric CONSTRAINT small CHECK (value < 100);
SELECT loyalty.create_program('club', customers => 't_parsing.customers');
SELECT loyalty.track_orders('club', 't_parsing.orders', customer => 'customer_id', at => 'at',
	amount => 'total');
INSERT INTO club.earning_rule (name, points) VALUES ('limited', 'amount::t_parsing_fn.limited');
\set VERBOSITY terse
INSERT INTO t_parsing.orders VALUES (1, 1, DEFAULT, 10);
INSERT INTO t_parsing.orders VALUES (2, 2, DEFAULT, 200);
ALTER DOMAIN t_parsing_fn.limited DROP CONSTRAINT small;
INSERT INTO t_parsing.orders VALUES (2, 2, DEFAULT, 200);
ALTER DOMAIN t_parsing_fn.limited ADD CONSTRAINT large CHECK (value < 1000);
INSERT INTO t_parsing.orders VALUES (3, 3, DEFAULT, 2000);
INSERT INTO t_parsing.orders VALUES (3, 3, DEFAULT, 300);
ALTER DOMAIN t_parsing_fn.limited DROP CONSTRAINT large;
ALTER DOMAIN t_parsing_fn.limited ADD CONSTRAINT tiny CHECK (value < 11) NOT VALID;
INSERT INTO t_parsing.orders VALUES (4, 3, DEFAULT, 12);
ALTER DOMAIN t_parsing_fn.limited DROP CONSTRAINT tiny;
\set VERBOSITY default
-- 10, 200 and 300
:now
:verify
SELECT loyalty.drop_program('club', force => true);
DROP SCHEMA t_parsing_fn CASCADE;
TRUNCATE t_parsing.orders;

-- The search_path of who writes --------------------------------------------------
CREATE SCHEMA t_parsing_fn;
CREATE EXTENSION citext SCHEMA t_parsing_fn;
ALTER TABLE t_parsing.orders ALTER COLUMN status TYPE t_parsing_fn.citext;
ALTER TABLE t_parsing.lines ALTER COLUMN sku TYPE t_parsing_fn.citext;
CREATE FUNCTION public.regress_parsing_share(numeric) RETURNS numeric LANGUAGE sql IMMUTABLE
	AS 'SELECT $1 / 10';
CREATE FUNCTION t_parsing_fn.top(numeric) RETURNS boolean LANGUAGE sql IMMUTABLE
	AS 'SELECT $1 >= 80';
CREATE FUNCTION t_parsing_fn.close_to(numeric, numeric) RETURNS boolean LANGUAGE sql IMMUTABLE
	AS 'SELECT abs($1 - $2) < 1';
CREATE OPERATOR t_parsing_fn.=~~ (LEFTARG = numeric, RIGHTARG = numeric,
	FUNCTION = t_parsing_fn.close_to);
CREATE FUNCTION t_parsing_fn.abs(numeric) RETURNS numeric LANGUAGE sql IMMUTABLE
	AS 'SELECT $1 + 1000';
SELECT loyalty.create_program('club', customers => 't_parsing.customers');
-- not found, and where
\set VERBOSITY terse
SET search_path = pg_catalog;
INSERT INTO club.earning_rule (name, points) VALUES
	('share', 'amount + regress_parsing_share(amount)');
INSERT INTO club.tier (name, rank, qualifies) VALUES ('Top', 1, 'orders > 0 AND top(spend)');
SELECT loyalty.track_orders('club', 't_parsing.orders', customer => 'customer_id', at => 'at',
	amount => 'total', counts_when => 'total > 1 AND total =~~ 3');
SELECT loyalty.track_orders('club', 't_parsing.orders', customer => 'customer_id', at => 'at',
	amount => 'total', counts_when => 'status = ');
SELECT loyalty.track_orders('club', 't_parsing.orders', customer => 'customer_id', at => 'at',
	amount => 'total - totl');
-- found
SET search_path = t_parsing, t_parsing_fn, public;
INSERT INTO club.earning_rule (name, points) VALUES
	('share', 'amount + regress_parsing_share(amount)');
INSERT INTO club.tier (name, rank, qualifies, multiplier) VALUES
	('Top', 1, 'orders > 0 AND top(spend)', 3);
SELECT loyalty.track_orders('club', 'orders', customer => 'customer_id', at => 'at',
	amount => 'total', counts_when => $$status = 'paid' AND NOT total =~~ 3$$,
	lines => 'lines', line_order => 'order_id', line_amount => 'qty * price');
INSERT INTO club.earning_rule (name, points, applies_when, per) VALUES
	('line', 'qty', $$sku = 'TEA'$$, 'line');
-- what pg_catalog has comes first, unless one says otherwise: 0 points and 1000 more
INSERT INTO club.earning_rule (name, points) VALUES ('builtin', 'abs(amount) - amount');
SET search_path = t_parsing_fn, pg_catalog;
INSERT INTO club.earning_rule (name, points) VALUES ('own', 'abs(amount) - amount');
RESET search_path;
-- 'PAID' is 'paid', 3.5 is close to 3: 10 + 1 + 2 + 1000; 80 + 8 + 1000, of a total of 80
INSERT INTO t_parsing.lines VALUES
	(1, 'tea', 2, 5), (1, 'cup', 1, 4), (2, 'cup', 2, 5), (3, 'Tea', 2, 5);
INSERT INTO t_parsing.orders VALUES (1, 1, DEFAULT, 10, 'PAID'), (2, 2, DEFAULT, 3.5, 'Paid'),
	(3, 2, DEFAULT, 80, 'open');
:now
INSERT INTO t_parsing.orders VALUES (4, 3, DEFAULT, 80, 'Paid');
:now
\c -
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';
SET search_path = pg_catalog;
-- 2's order is read again: 80 + 8 + 2 + 1000; then 3 is Top: 3 * (10 + 1 + 1000)
UPDATE t_parsing.orders SET status = 'PAID' WHERE id = 3;
INSERT INTO t_parsing.orders VALUES (5, 3, DEFAULT, 10, 'paid');
:now
:verify
-- a rule that is written now, beside those that were written under another search_path:
-- 3 * (10 + 1 + 1000 + 5) for order 6, whose customer is Top
INSERT INTO club.earning_rule (name, points) VALUES ('five', '5');
INSERT INTO t_parsing.orders VALUES (6, 2, DEFAULT, 10, 'paid');
:now
-- another table is tracked: its orders are by all the rules
CREATE TABLE t_parsing.sales (id int PRIMARY KEY, customer_id int, total numeric,
	at date DEFAULT '2024-01-01');
\set VERBOSITY terse
SELECT loyalty.track_orders('club', 't_parsing.sales', customer => 'customer_id', at => 'at',
	amount => 'totl');
SELECT loyalty.track_orders('club', 't_parsing.sales', customer => 'customer_id', at => 'at',
	amount => 'total');
-- 1 is not Top: 20 + 2 + 1000 + 5
INSERT INTO t_parsing.sales VALUES (1, 1, 20);
:now
:verify
SELECT recorded, archived, reversed FROM loyalty.reconcile('club');
-- an extension that is used is not dropped
\set VERBOSITY sqlstate
DROP EXTENSION citext;
DROP FUNCTION public.regress_parsing_share(numeric);
\set VERBOSITY default
SELECT loyalty.drop_program('club', force => true);
RESET search_path;
DROP FUNCTION public.regress_parsing_share(numeric);
DROP SCHEMA t_parsing_fn CASCADE;
TRUNCATE t_parsing.orders, t_parsing.lines;
ALTER TABLE t_parsing.orders ADD COLUMN status text DEFAULT 'paid';
ALTER TABLE t_parsing.lines ADD COLUMN sku text DEFAULT 'a';

-- Text is text -------------------------------------------------------------------
-- Rules that use nothing but the purchase apply to refunds without order, whatever stands in
-- their strings and comments; those that use a column or a line do not.
SELECT loyalty.create_program('club', customers => 't_parsing.customers');
INSERT INTO club.earning_rule (name, points, applies_when) VALUES
	('brand', 'amount', $$'brand new.' <> 'x'$$),
	('line', '2 * amount', $$'of line.qty' <> 'refund.amount' /* not new.total */$$),
	('alias', '3 * amount', $$length('o.total new_1.total "new".total') > 0$$),
	('identifier', $$length('new.')$$, $$amount < 0$$);
SELECT loyalty.track_orders('club', 't_parsing.orders', customer => 'customer_id', at => 'at',
	amount => 'total', lines => 't_parsing.lines', line_order => 'order_id',
	line_amount => 'qty * price');
SELECT loyalty.track_refunds('club', 't_parsing.refunds', order_key => 'order_id',
	amount => 'amount', customer => 'customer_id', at => 'at', refund_key => 'id');
INSERT INTO club.earning_rule (name, points, applies_when, per) VALUES
	('column', '1000', $$note <> 'new.'$$, 'order'),
	('row', '1000', $$new.total is not null$$, 'order'),
	('of a line', '1000 * qty', $$'purchase.amount' <> ''$$, 'line');
-- order 1 of 100: (1 + 2 + 3) * 100 + 1000 + 1000 + 2 * 1000; the refund of 30 takes 6 * 30, but
-- for 4
INSERT INTO t_parsing.lines (order_id, qty, price) VALUES (1, 2, 7);
INSERT INTO t_parsing.orders (id, customer_id, total) VALUES (1, 1, 100);
:now
INSERT INTO t_parsing.refunds (id, order_id, customer_id, amount) VALUES (1, NULL, 1, 30);
:now
:verify
-- a refund of half the order leaves half the line's share: 6 * 50 + 2000 + 2000 / 2
INSERT INTO t_parsing.refunds (id, order_id, customer_id, amount, note) VALUES
	(2, 1, 1, 50, 'new.');
:now
:verify
SELECT loyalty.drop_program('club', force => true);
TRUNCATE t_parsing.orders, t_parsing.lines, t_parsing.refunds;

-- Who writes a rule locks nothing that a writer of orders waits for -----------------
SELECT loyalty.create_program('club', customers => 't_parsing.customers');
SELECT loyalty.track_orders('club', 't_parsing.orders', customer => 'customer_id', at => 'at',
	lines => 't_parsing.lines', line_order => 'order_id', line_amount => 'qty * price');
SELECT loyalty.track_refunds('club', 't_parsing.refunds', order_key => 'order_id',
	amount => 'amount');
CREATE TABLE t_parsing.parted (id int PRIMARY KEY, customer_id int,
	at timestamptz DEFAULT '2024-01-01', total numeric) PARTITION BY RANGE (id);
CREATE TABLE t_parsing.part1 PARTITION OF t_parsing.parted FOR VALUES FROM (1) TO (100);
SELECT loyalty.track_orders('club', 't_parsing.parted', customer => 'customer_id', at => 'at',
	amount => 'total');
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
INSERT INTO t_parsing.lines (order_id, qty, price) VALUES (1, 2, 10);
INSERT INTO t_parsing.orders (id, customer_id) VALUES (1, 1);
ALTER TABLE t_parsing.orders ADD COLUMN extra int DEFAULT 40;
ALTER TABLE t_parsing.lines ADD COLUMN extra2 int DEFAULT 3;
ALTER TABLE t_parsing.parted ADD COLUMN extra int DEFAULT 50;
CREATE VIEW t_parsing.locks AS
SELECT l.relation::regclass::text, l.mode FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
 WHERE l.pid = pg_backend_pid() AND l.mode <> 'AccessShareLock'
   AND c.relnamespace = 't_parsing'::regnamespace ORDER BY 1, 2;
BEGIN;
INSERT INTO club.earning_rule (name, points) VALUES ('extra', 'extra');
SELECT * FROM t_parsing.locks;
INSERT INTO club.earning_rule (name, points, per) VALUES ('extra2', 'extra2 * qty', 'line');
SELECT * FROM t_parsing.locks;
UPDATE club.earning_rule SET points = 'extra + 1' WHERE name = 'extra';
SELECT * FROM t_parsing.locks;
INSERT INTO club.tier (name, rank, qualifies, multiplier) VALUES
	('Top', 1, 'spend > 1000', 2);
UPDATE club.tier SET qualifies = 'spend > 2000';
DELETE FROM club.tier;
DELETE FROM club.earning_rule WHERE name = 'one';
UPDATE club.program SET rounding = 'ceil';
SELECT * FROM t_parsing.locks;
COMMIT;
-- 20 of before; 41 + 3 * 2; 51
INSERT INTO t_parsing.lines (order_id, qty, price) VALUES (2, 2, 10);
INSERT INTO t_parsing.orders (id, customer_id) VALUES (2, 2);
INSERT INTO t_parsing.parted (id, customer_id, total) VALUES (1, 3, 10);
:now
:verify
-- a subquery is refused, whatever facts it names
INSERT INTO club.earning_rule (name, points) VALUES ('sub', '(SELECT (SELECT amount))');
INSERT INTO club.earning_rule (name, points) VALUES ('sub', '(SELECT x.a FROM (VALUES (amount)) x (a))');
INSERT INTO club.tier (name, rank, qualifies) VALUES ('Sub', 9, '(SELECT spend) > 5');
UPDATE club.wallet SET expires = '(SELECT earned_on)';
SELECT loyalty.drop_program('club', force => true);
DROP SCHEMA t_parsing CASCADE;
