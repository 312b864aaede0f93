-- Columns and tables of a shop may have whatever names: those that the extension uses inside of its
-- views and queries, reserved words, and such that must be quoted.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';
\set now 'SELECT "order", points, trim_scale(lifetime_value), orders FROM club.members ORDER BY 1;'
\set verify 'SELECT * FROM loyalty.verify(''club'');'
CREATE SCHEMA "t_Clashes ""$1""";
SET search_path = "t_Clashes ""$1""", pg_catalog;
CREATE TABLE "the customers" ("order" int PRIMARY KEY, "select" timestamptz DEFAULT '2020-01-01');
INSERT INTO "the customers" SELECT generate_series(1, 4);
-- the names to try: a column of each, whose value is 1, 2, 4, and so on
CREATE TABLE names (n serial, name text);
INSERT INTO names (name) VALUES
	('new'), ('old'), ('line'), ('lines'), ('refund'), ('purchase'), ('tracked'), ('said'), ('worth'),
	('award_1'), ('award_2'), ('awards'), ('line_awards'), ('key'), ('order_key'), ('counts'),
	('kept'), ('gross'), ('refunded'), ('currency'), ('row_id'), ('row_table'), ('user'),
	('a"b'), ('Select'), ('p'), ('o'), ('x'), ('money'), ('exchange'), ('terms'), ('orders'),
	('members'), ('ordinality'),
	('array'), ('$1'), ('it''s'), ('tracked_table'), ('lines_2'), ('refunds_3'), ('value'), ('number');
\set ECHO none
SELECT format('CREATE TABLE "new" ("Key" int PRIMARY KEY, customer int, amount numeric,
	at timestamptz DEFAULT ''2024-01-01'', %s)',
	string_agg(format('%I numeric DEFAULT %s', name, 1::bigint << n - 1), ', ' ORDER BY n))
  FROM names \gexec
SELECT format('CREATE TABLE "Lines" ("Key" int, customer int, amount numeric, %s)',
	string_agg(format('%I numeric DEFAULT %s', name, 1::bigint << n - 1), ', ' ORDER BY n))
  FROM names \gexec
\set ECHO all
CREATE TABLE refund ("Key" int, "new" numeric, refund numeric);
SELECT loyalty.create_program('club', customers => '"the customers"', joined_at => '"select"');
SELECT loyalty.track_orders('club', '"new"', customer => 'customer', at => 'at',
	amount => 'new.amount', counts_when => 'new.counts > 0', lines => '"Lines"',
	line_order => '"Key"', line_amount => 'amount');
SELECT loyalty.track_refunds('club', 'refund', order_key => 'refund."Key"',
	amount => 'refund.refund', counts_when => '"new" IS NULL');
INSERT INTO club.earning_rule (name, points) VALUES ('the "one"', 'amount');
-- a rule of each column, by its qualified name; the amount, and one bit for each of 42 columns:
-- 100 + 2 ^ 42 - 1 = 4398046511203
INSERT INTO club.earning_rule (name, points, applies_when)
SELECT format('rule %s', name), format('new.%I', name), format('new.%I IS NOT NULL', name)
  FROM names ORDER BY n;
INSERT INTO "new" ("Key", customer, amount) VALUES (1, 1, 100);
:now
DELETE FROM club.earning_rule WHERE name <> 'the "one"';
-- by its name alone
INSERT INTO club.earning_rule (name, points)
SELECT format('rule %s', name), format('%I', name) FROM names ORDER BY n;
INSERT INTO "new" ("Key", customer, amount) VALUES (2, 2, 100);
:now
:verify
DELETE FROM club.earning_rule WHERE name <> 'the "one"';
-- of each line, by its qualified name: 100 + 2 * (2 ^ 42 - 1) = 8796093022306
INSERT INTO club.earning_rule (name, points, per)
SELECT format('rule %s', name), format('line.%I', name), 'line' FROM names ORDER BY n;
INSERT INTO "Lines" ("Key", amount) VALUES (3, 1), (3, 2);
INSERT INTO "new" ("Key", customer, amount) VALUES (3, 3, 100);
:now
-- a half: 50 + 2 ^ 42 - 1 = 4398046511153
INSERT INTO refund VALUES (3, NULL, 50), (3, 1, 50);
:now
:verify
UPDATE "new" SET customer = 4 WHERE "Key" = 3;
:now
SELECT recorded, archived, reversed FROM loyalty.reconcile('club');
CALL loyalty.post('club');
:now
:verify
SELECT loyalty.drop_program('club', force => true);
DROP SCHEMA "t_Clashes ""$1""" CASCADE;
-- a program whose own name must be quoted, and one that is named like a table of its own
CREATE SCHEMA t_clashes;
CREATE TABLE t_clashes.customers (id int PRIMARY KEY);
INSERT INTO t_clashes.customers VALUES (1);
CREATE TABLE t_clashes.orders (id int PRIMARY KEY, customer int,
	at timestamptz DEFAULT '2024-01-01', total numeric);
SELECT loyalty.create_program('The "Club" of $1''s', customers => 't_clashes.customers');
SELECT loyalty.create_program('journal', customers => 't_clashes.customers');
SELECT loyalty.track_orders(name, 't_clashes.orders', customer => 'customer', at => 'at',
	amount => 'total')
  FROM loyalty.programs ORDER BY name;
INSERT INTO "The ""Club"" of $1's".earning_rule (name, points) VALUES ('one', 'amount');
INSERT INTO journal.earning_rule (name, points) VALUES ('one', '2 * amount');
INSERT INTO t_clashes.orders VALUES (1, 1, DEFAULT, 10);
SELECT a.points, b.points FROM "The ""Club"" of $1's".members a CROSS JOIN journal.members b;
CALL loyalty.post('The "Club" of $1''s');
SELECT * FROM loyalty.verify('The "Club" of $1''s');
SELECT * FROM loyalty.verify('journal');
SELECT loyalty.drop_program('The "Club" of $1''s', force => true);
SELECT loyalty.drop_program('journal', force => true);
DROP SCHEMA t_clashes CASCADE;
