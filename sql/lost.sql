-- What is dropped with CASCADE takes views of a program along.  What can't be recorded then is
-- told, and there is a way back: each hint is followed.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';
\set now 'SELECT id, points, trim_scale(lifetime_value) AS spend, orders FROM club.members ORDER BY 1;'
\set verify 'SELECT * FROM loyalty.verify(''club'');'
CREATE SCHEMA t_lost;
CREATE TABLE t_lost.customers (id int PRIMARY KEY, since timestamptz DEFAULT '2020-01-01');
INSERT INTO t_lost.customers VALUES (1), (2);
CREATE TABLE t_lost.orders (id int PRIMARY KEY, c int DEFAULT 1, total numeric,
	way text DEFAULT 'web', at timestamptz DEFAULT '2024-01-01');
CREATE FUNCTION t_lost.f(numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT 2 * $1';
CREATE FUNCTION t_lost.g(numeric) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1 > 0';

-- 1. Without a tracked table, a rule can use the purchase only; with several, it must hold for each
SELECT loyalty.create_program('club', customers => 't_lost.customers', joined_at => 'since');
INSERT INTO club.earning_rule (name, points) VALUES ('total', 'total');
INSERT INTO club.earning_rule (name, points) VALUES ('total', 'new.total');
SELECT loyalty.track_orders('club', 't_lost.orders',
	customer => 'c', at => 'at', amount => 'total', backfill => false);
INSERT INTO club.earning_rule (name, points) VALUES ('total', 'total');
CREATE TABLE t_lost.pos (id int PRIMARY KEY, c int, total numeric, at timestamptz);
SELECT loyalty.track_orders('club', 't_lost.pos', customer => 'c', at => 'at', amount => 'total');
INSERT INTO club.earning_rule (name, points, applies_when) VALUES ('way', '7', $$way = 'web'$$);
INSERT INTO club.earning_rule (name, points, applies_when) VALUES ('way', '7', $$wy = 'web'$$);
SELECT loyalty.untrack('club', 't_lost.pos');
DROP TABLE t_lost.pos;
DELETE FROM club.earning_rule;

-- 2. A function that rules of several terms name: 2 * 10 + 0, 10 + 0, 2 * 10 + 0
INSERT INTO club.earning_rule (name, points, applies_when) VALUES
	('a', 't_lost.f(amount)', 't_lost.g(total)'), ('b', 't_lost.f(0)', 'true');
INSERT INTO t_lost.orders VALUES (1, 1, 10);
UPDATE club.earning_rule SET points = 'amount' WHERE name = 'a';
INSERT INTO t_lost.orders VALUES (2, 1, 10);
UPDATE club.earning_rule SET points = 't_lost.f(amount)' WHERE name = 'a';
INSERT INTO t_lost.orders VALUES (3, 1, 10);
:now
:verify
DROP FUNCTION t_lost.f(numeric) CASCADE;
-- it is told what is the matter, and what helps
INSERT INTO t_lost.orders VALUES (4, 2, 10);
SELECT * FROM loyalty.reconcile('club');
SELECT loyalty.pause('club', 't_lost.orders');
SELECT loyalty.alter_orders('club', 't_lost.orders', amount => 'total');
SELECT detail FROM loyalty.verify('club');
-- followed, step by step; what is corrected of the terms in force holds for what is to come
UPDATE club.terms_rule SET points = '3 * amount', applies_when = 'true'
	WHERE name = 'a' AND version IN (SELECT max(version) FROM club.terms);
SELECT loyalty.untrack('club', 't_lost.orders');
SELECT loyalty.track_orders('club', 't_lost.orders',
	customer => 'c', at => 'at', amount => 'total') \gset
UPDATE club.terms_rule SET points = '0' WHERE name = 'b';
SELECT loyalty.track_orders('club', 't_lost.orders',
	customer => 'c', at => 'at', amount => 'total') \gset
UPDATE club.terms_rule SET points = '4 * amount' WHERE points ~ 't_lost.f';
SELECT name, points, applies_when FROM club.earning_rule ORDER BY 1;
SELECT loyalty.track_orders('club', 't_lost.orders',
	customer => 'c', at => 'at', amount => 'total') \gset
-- 4 * 10 + 10 + 3 * 10; 3 * 10
:now
:verify

-- 3. A function that one of several terms names, while others have their views: orders of these
-- terms are left as they are, all others are recorded
CREATE FUNCTION t_lost.f(numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT 2 * $1';
UPDATE club.earning_rule SET points = 't_lost.f(amount)' WHERE name = 'a';
INSERT INTO t_lost.orders VALUES (5, 2, 10);
UPDATE club.earning_rule SET points = '5 * amount' WHERE name = 'a';
INSERT INTO t_lost.orders VALUES (6, 2, 10);
-- 3 * 10 + 2 * 10 + 5 * 10
:now
DROP FUNCTION t_lost.f(numeric) CASCADE;
UPDATE t_lost.orders SET total = total + 1 WHERE c = 2;
-- 33 + 20 + 55
:now
DELETE FROM t_lost.orders WHERE id = 6;
SELECT detail FROM loyalty.verify('club');
UPDATE club.terms_rule SET points = '2 * amount' WHERE name = 'a' AND points ~ 't_lost.f';
SELECT recorded, archived, reversed FROM loyalty.reconcile('club');
-- 33 + 22
:now
:verify
-- the terms in force, if those before tell what the table means
CREATE FUNCTION t_lost.f(numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT 2 * $1';
UPDATE club.earning_rule SET points = 't_lost.f(amount)', applies_when = 't_lost.f(total) > 0';
DROP FUNCTION t_lost.f(numeric) CASCADE;
UPDATE club.earning_rule SET points = 'amount', applies_when = 'true' WHERE name = 'a';
INSERT INTO t_lost.orders VALUES (7, 2, 10);
UPDATE club.earning_rule SET points = '1', applies_when = 'true' WHERE name = 'b';
INSERT INTO t_lost.orders VALUES (8, 2, 10);
SELECT recorded, archived, reversed FROM loyalty.reconcile('club');
-- 11 more for each
:now
:verify

-- 4. What is called otherwise while nothing is tracked: the rules that are recorded under are
-- corrected, a rule is written for the table that may be tracked again, and that is enough
SELECT loyalty.untrack('club', 't_lost.orders');
ALTER TABLE t_lost.orders RENAME total TO sum;
ALTER FUNCTION t_lost.g(numeric) RENAME TO h;
INSERT INTO club.earning_rule (name, points) VALUES ('c', 'total');
INSERT INTO club.earning_rule (name, points) VALUES ('c', 'sum');
SELECT loyalty.track_orders('club', 't_lost.orders',
	customer => 'c', at => 'at', amount => 'sum') \gset
UPDATE club.terms_rule SET points = 'amount', applies_when = 't_lost.h(sum)'
	WHERE name = 'a' AND applies_when ~ 't_lost.g';
SELECT loyalty.track_orders('club', 't_lost.orders',
	customer => 'c', at => 'at', amount => 'sum') \gset
INSERT INTO t_lost.orders VALUES (9, 2, 10);
SELECT count(*) FROM club.terms_rule WHERE points ~ 'total' OR applies_when ~ 'total';
SELECT recorded, archived, reversed FROM loyalty.reconcile('club');
:verify
SELECT loyalty.drop_program('club', force => true);
DROP TABLE t_lost.orders;

-- 5. Lines and refunds: orders are untracked, and tracked again
CREATE TABLE t_lost.orders (id int PRIMARY KEY, c int DEFAULT 1, at timestamptz DEFAULT '2024-01-01');
CREATE TABLE t_lost.lines (o int REFERENCES t_lost.orders, n int, price numeric);
CREATE INDEX ON t_lost.lines (o);
CREATE TABLE t_lost.refunds (o int, amount numeric);
SELECT loyalty.create_program('club', customers => 't_lost.customers', joined_at => 'since');
SELECT loyalty.track_orders('club', 't_lost.orders',
	customer => 'c', at => 'at', lines => 't_lost.lines', line_order => 'o', line_amount => 'n * price') \gset
SELECT loyalty.track_refunds('club', 't_lost.refunds', order_key => 'o', amount => 'amount') \gset
INSERT INTO club.earning_rule (name, points, per) VALUES ('one', 'n * price', 'line');
INSERT INTO t_lost.orders VALUES (1, 1), (2, 2);
INSERT INTO t_lost.lines VALUES (1, 2, 5), (1, 1, 10), (2, 1, 7);
INSERT INTO t_lost.refunds VALUES (1, 5);
-- 20 - 5; 7
:now
:verify
-- a column of the lines, which is called otherwise by then
BEGIN;
ALTER TABLE t_lost.lines DROP COLUMN price CASCADE;
ALTER TABLE t_lost.lines ADD COLUMN each numeric DEFAULT 2;
INSERT INTO t_lost.refunds VALUES (2, 1);
INSERT INTO t_lost.lines (o, n) VALUES (2, 1);
SELECT detail FROM loyalty.verify('club') ORDER BY 1;
SELECT loyalty.pause('club', 't_lost.orders');
ROLLBACK;
BEGIN;
ALTER TABLE t_lost.lines DROP COLUMN price CASCADE;
ALTER TABLE t_lost.lines ADD COLUMN each numeric DEFAULT 2;
SELECT loyalty.untrack('club', 't_lost.orders');
UPDATE club.terms_rule SET points = 'n * each';
SELECT loyalty.track_orders('club', 't_lost.orders',
	customer => 'c', at => 'at', lines => 't_lost.lines', line_order => 'o', line_amount => 'n * each') \gset
SELECT per, points FROM club.earning_rule;
-- 3 * 2 - 5; 2
:now
:verify
ROLLBACK;
-- a column of the refunds: the orders are not recorded before the refunds are tracked, too
BEGIN;
ALTER TABLE t_lost.refunds DROP COLUMN amount CASCADE;
ALTER TABLE t_lost.refunds ADD COLUMN amount numeric DEFAULT 3;
SELECT detail FROM loyalty.verify('club') ORDER BY 1;
SELECT loyalty.untrack('club', 't_lost.orders');
SELECT loyalty.track_orders('club', 't_lost.orders',
	customer => 'c', at => 'at', lines => 't_lost.lines', line_order => 'o', line_amount => 'n * price') \gset
:now
SELECT loyalty.track_refunds('club', 't_lost.refunds', order_key => 'o', amount => 'amount') \gset
-- 20 - 3; 7
:now
:verify
ROLLBACK;
-- one that is renamed while nothing is tracked
SELECT loyalty.untrack('club', 't_lost.orders');
ALTER TABLE t_lost.refunds RENAME amount TO sum;
SELECT loyalty.track_orders('club', 't_lost.orders',
	customer => 'c', at => 'at', lines => 't_lost.lines', line_order => 'o', line_amount => 'n * price') \gset
:now
SELECT loyalty.track_refunds('club', 't_lost.refunds', order_key => 'o', amount => 'sum') \gset
:now
:verify

-- 6. A table that is paused is told so, whatever is written to it
SELECT loyalty.pause('club', 't_lost.orders');
INSERT INTO t_lost.orders VALUES (3);
INSERT INTO t_lost.lines VALUES (3, 1, 1);
INSERT INTO t_lost.refunds VALUES (3, 1);
SELECT detail FROM loyalty.verify('club') ORDER BY 1;
SELECT * FROM loyalty.reconcile('club');
-- a correction of what was let go of holds from then on
UPDATE club.terms_rule SET points = '2 * n * price';
SELECT loyalty.resume('club', 't_lost.orders') \gset
-- 2 * 20 * 15 / 20 + 0; 14
:now
:verify

-- 7. Conditions of tiers
CREATE FUNCTION t_lost.f(numeric) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1 > 1000';
INSERT INTO club.tier (name, rank, qualifies) VALUES
	('low', 1, 't_lost.f(2000 + spend)'), ('high', 2, 't_lost.f(spend)');
SELECT id, tier FROM club.members ORDER BY 1;
DROP FUNCTION t_lost.f(numeric) CASCADE;
SELECT detail FROM loyalty.verify('club');
UPDATE club.tier SET qualifies = 'spend > 0' WHERE name = 'low';
SELECT id, tier FROM club.members ORDER BY 1;
SELECT version, name, qualifies FROM club.terms_tier ORDER BY 1, 2;
UPDATE club.terms_tier SET qualifies = 'spend > 10' WHERE version = 4 AND name = 'high';
UPDATE club.terms_tier SET qualifies = 'false' WHERE version < 4;
SELECT name, qualifies FROM club.tier ORDER BY 1;
SELECT id, tier FROM club.members ORDER BY 1;
:verify

-- 8. The customers
CREATE FUNCTION t_lost.f(timestamptz) RETURNS timestamptz LANGUAGE sql IMMUTABLE AS $$SELECT $1$$;
UPDATE club.program SET joined_at = 't_lost.f(since)';
DROP FUNCTION t_lost.f(timestamptz) CASCADE;
SELECT detail FROM loyalty.verify('club');
INSERT INTO club.earning_rule (name, points) VALUES ('more', '1');
UPDATE club.program SET joined_at = 'since';
:now
SELECT club.balance(1), club.tier_at(1);
:verify
DROP TABLE t_lost.customers CASCADE;
INSERT INTO t_lost.orders VALUES (4, 2);
INSERT INTO t_lost.lines VALUES (4, 1, 1);
CREATE TABLE t_lost.customers (number bigint PRIMARY KEY, id int UNIQUE);
INSERT INTO t_lost.customers VALUES (10, 1), (20, 2);
UPDATE club.program SET customers = 't_lost.customers', customer_key = 'number', joined_at = NULL;
UPDATE club.program SET customers = 't_lost.customers', customer_key = 'id', joined_at = NULL;
-- 1 and 2 * 1 more
:now
:verify
SELECT * FROM _loyalty.strangers('club');


-- 9. The schema of the program: its triggers are left on the tables, and dropped as they say
CREATE ROLE regress_lost;
CREATE TABLE t_lost.pos (id int PRIMARY KEY, c int, total numeric, at timestamptz DEFAULT now())
	PARTITION BY LIST (id);
CREATE TABLE t_lost.pos_1 PARTITION OF t_lost.pos FOR VALUES IN (1);
SELECT loyalty.track_orders('club', 't_lost.pos', customer => 'c', at => 'at', amount => 'total');
DROP SCHEMA club CASCADE;
INSERT INTO t_lost.orders VALUES (5, 2);
INSERT INTO t_lost.pos_1 VALUES (1, 2);
SELECT loyalty.untrack('club', 't_lost.orders');
SELECT loyalty.reconcile('club');
-- of a table of somebody else, it is told who can
ALTER TABLE t_lost.pos OWNER TO regress_lost;
ALTER TABLE t_lost.pos_1 OWNER TO regress_lost;
GRANT USAGE ON SCHEMA t_lost TO regress_lost;
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA loyalty, _loyalty TO regress_lost;
SET ROLE regress_lost;
SELECT loyalty.drop_program('club');
RESET ROLE;
SELECT tgrelid::regclass AS relation, count(*) FROM pg_trigger
	WHERE tgfoid = '_loyalty.record'::regproc GROUP BY tgrelid ORDER BY tgrelid::regclass::text;
INSERT INTO t_lost.pos VALUES (1, 2) ON CONFLICT DO NOTHING;
INSERT INTO t_lost.orders VALUES (6, 2);
SELECT loyalty.drop_program('club');
INSERT INTO t_lost.orders VALUES (7, 2);
INSERT INTO t_lost.lines VALUES (7, 1, 1);
INSERT INTO t_lost.refunds VALUES (7, 1);
SELECT count(*) FROM pg_trigger WHERE tgfoid = '_loyalty.record'::regproc;
-- nothing is left
SELECT loyalty.drop_program('club');
SELECT loyalty.verify('club');

-- 10. A migration drops a column that a rule named in older terms only
CREATE TABLE t_lost.web (id int PRIMARY KEY, c int DEFAULT 1, total numeric,
	sku text DEFAULT 'tea', at timestamptz DEFAULT '2024-01-01');
SELECT loyalty.create_program('club', customers => 't_lost.customers', customer_key => 'id');
INSERT INTO club.earning_rule (name, points) VALUES ('tea', 'amount');
SELECT loyalty.track_orders('club', 't_lost.web', customer => 'c', at => 'at', amount => 'total');
UPDATE club.earning_rule SET applies_when = $$sku = 'tea'$$;
INSERT INTO t_lost.web VALUES (1, 1, 5);
SELECT loyalty.pause('club', 't_lost.web');
ALTER TABLE t_lost.web DROP COLUMN sku;
UPDATE club.earning_rule SET applies_when = 'true';
SELECT loyalty.resume('club', 't_lost.web');
UPDATE club.terms_rule SET points = 'amount', applies_when = 'true'
	WHERE name = 'tea' AND version IN (3);
SELECT loyalty.resume('club', 't_lost.web');
INSERT INTO t_lost.web VALUES (2, 1, 7);
-- 5 + 7
:now
:verify
SELECT loyalty.drop_program('club', force => true);
REVOKE EXECUTE ON ALL ROUTINES IN SCHEMA loyalty, _loyalty FROM regress_lost;
DROP SCHEMA t_lost CASCADE;
DROP ROLE regress_lost;
