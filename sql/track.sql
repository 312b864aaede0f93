-- Tracking tables: expressions, backfill, untracking.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE SCHEMA t_track;
CREATE TABLE t_track.customers (customer_id bigint PRIMARY KEY, created_at timestamptz);
INSERT INTO t_track.customers SELECT i, '2015-01-01' FROM generate_series(1, 5) i;
CREATE TABLE t_track.orders (order_id bigint PRIMARY KEY, customer_id bigint, ordered_at timestamptz,
                             total numeric, shipping numeric DEFAULT 0, status text DEFAULT 'paid');
INSERT INTO t_track.orders VALUES (1, 1, '2020-01-01', 105, 5, 'paid'), (2, 1, '2020-02-01', 50.5, 0, 'shipped'), (3, 2, '2020-01-01', 10, 0, 'open'),
                                  (4, NULL, '2020-01-01', 10, 0, 'paid'), (5, 3, NULL, 10, 0, 'paid'), (6, 3, '2020-01-01', NULL, 0, 'paid');
SELECT loyalty.create_program('club', customers => 't_track.customers', joined_at => 'created_at');

-- errors point at the offending character of the offending expression
SELECT loyalty.track_orders('club', 't_track.orders', customer => 'customer_id', at => 'ordered_at', amount => 'total - shiping');
SELECT loyalty.track_orders('club', 't_track.orders', customer => 'customer_id', at => 'ordered_at', amount => 'total -');
SELECT loyalty.track_orders('club', 't_track.orders', customer => 'customer_id', at => 'ordered_at', amount => 'sum(total)');
SELECT loyalty.track_orders('club', 't_track.orders', customer => 'customer_id', at => 'ordered_at', amount => 'total', counts_when => 'total');
SELECT loyalty.track_orders('club', 't_track.orders', customer => 'customer_id', at => 'ordered_at', amount => '(SELECT 1)');
SELECT loyalty.track_orders('club', 't_track.orders', customer => 'customer_id', at => 'ordered_at', amount => 'generate_series(1, 2)');
SELECT loyalty.track_orders('club', 't_track.orders', customer => 'customer_id', at => 'ordered_at', amount => 'row_number() OVER ()');
SELECT loyalty.track_orders('club', 't_track.orders', customer => 'customer_id', at => 'ordered_at', amount => 'total; DROP TABLE t_track.orders');
SELECT loyalty.track_orders('club', 't_track.orders', customer => 'customer_id', at => 'ordered_at', amount => 'ctid');
SELECT loyalty.track_orders('club', 't_track.orders', customer => 'customer_id', at => 'ordered_at', amount => '$1');
SELECT loyalty.track_orders('club', 't_track.orders', customer => 'customer_id', at => 'ordered_at', amount => '');
SELECT loyalty.track_orders('club', 't_track.orders', customer => 'status', at => 'ordered_at', amount => 'total');
SELECT loyalty.track_orders('club', 't_track.orders', customer => 'customer_id', at => NULL, amount => 'total');
SELECT loyalty.track_orders('clubb', 't_track.orders', customer => 'customer_id', at => 'ordered_at', amount => 'total');
CREATE VIEW t_track.v AS SELECT * FROM t_track.orders;
SELECT loyalty.track_orders('club', 't_track.v', customer => 'customer_id', at => 'ordered_at', amount => 'total');
SELECT count(*) FROM club.tracked_table;

INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
SELECT loyalty.track_orders('club', 't_track.orders', customer => 'customer_id', at => 'ordered_at',
                            amount => 'total - shipping', counts_when => $$status IN ('paid', 'shipped')$$);
SELECT tracked_table, kind, relation, of_tracked_table, without_order, terms, active, definition FROM club.tracked_table;
SELECT x.*, e.expression, e.type FROM (VALUES (1, NULL, 'key'), (2, 'said', 'customer'), (3, 'said', 'counts'), (4, 'worth', 'at'), (5, 'worth', 'gross'), (6, NULL, 'award_1')) x (n, inside, "column")
 CROSS JOIN LATERAL _loyalty.view_expression('club.orders_1_2', x.inside, x."column", x.n > 3) e ORDER BY 1;
SELECT customer_id, points, lifetime_value, orders, average_order FROM club.members ORDER BY 1;
SELECT * FROM loyalty.verify('club');
SELECT loyalty.track_orders('club', 't_track.orders', customer => 'customer_id', at => 'ordered_at', amount => 'total');
-- a search_path with a function of the same name doesn't change what was meant
CREATE FUNCTION t_track.textin(text) RETURNS text LANGUAGE sql AS 'SELECT $1';
SET search_path = t_track, pg_catalog;
INSERT INTO orders VALUES (7, 4, '2021-01-01', 33, 3, 'shipped');
RESET search_path;
SELECT points FROM club.members WHERE customer_id = 4;

-- a rule on columns of the order row; names of the purchase come first
INSERT INTO club.earning_rule (name, points, applies_when) VALUES ('fast', '7', 'shippng > 0');
INSERT INTO club.earning_rule (name, points, applies_when) VALUES ('fast', '7', 'shipping > 0');
SELECT name, points, applies_when, per FROM club.earning_rule ORDER BY name;
INSERT INTO t_track.orders VALUES (8, 4, '2021-02-01', 12, 2);
SELECT points FROM club.members WHERE customer_id = 4;

-- untracking keeps the points; tracking again records what came in between
SELECT loyalty.untrack('club', 't_track.orders');
SELECT loyalty.untrack('club', 't_track.orders');
INSERT INTO t_track.orders VALUES (9, 4, '2021-03-01', 100);
SELECT points FROM club.members WHERE customer_id = 4;
SELECT * FROM loyalty.verify('club');
SELECT loyalty.track_orders('club', 't_track.orders', customer => 'customer_id', at => 'ordered_at',
                            amount => 'total - shipping', counts_when => $$status IN ('paid', 'shipped')$$);
SELECT points FROM club.members WHERE customer_id = 4;
SELECT * FROM loyalty.verify('club');
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT loyalty.backfill('club', 't_track.orders');
ROLLBACK;
CALL loyalty.post('club', 0);
CALL loyalty.post('club', 1);
SELECT unposted FROM loyalty.backlog('club');
SELECT * FROM loyalty.verify('club');
-- another table of the same program and the same table in another program: rules
-- of the past need not fit, those in force must
ALTER TABLE t_track.orders ADD COLUMN channel text DEFAULT 'web';
INSERT INTO club.earning_rule (name, points, applies_when) VALUES ('web', '1', $$channel = 'web'$$);
CREATE TABLE t_track."Kassen-Bons ""ü""" ("Bon-Nr" text PRIMARY KEY, "Kunde" int, "wann" timestamptz, "Preis (€)" numeric);
INSERT INTO t_track."Kassen-Bons ""ü""" VALUES ('A''1', 4, '2021-05-01', 10), ('A"2', 5, '2021-05-02', 20);
SELECT loyalty.track_orders('club', 't_track."Kassen-Bons ""ü"""', customer => '"Kunde"', at => 'wann', amount => '"Preis (€)"');
DELETE FROM club.earning_rule WHERE name = 'web' OR applies_when ~ 'shipping';
SELECT loyalty.track_orders('club', 't_track."Kassen-Bons ""ü"""', customer => '"Kunde"', at => 'wann', amount => '"Preis (€)"');
SELECT loyalty.create_program('Zweites "Programm"', 't_track.customers', time_zone => 'UTC');
INSERT INTO "Zweites ""Programm""".earning_rule (name, points) VALUES ('ten', '10 * amount');
SELECT loyalty.track_orders('Zweites "Programm"', 't_track.orders', customer => 'customer_id', at => 'ordered_at', amount => 'total');
SELECT loyalty.track_orders('Zweites "Programm"', 't_track."Kassen-Bons ""ü"""', customer => '"Kunde"', at => 'wann', amount => '"Preis (€)"');
INSERT INTO t_track."Kassen-Bons ""ü""" VALUES ('A3', 4, '2021-06-01', 5);
UPDATE t_track.orders SET total = total + 1 WHERE customer_id = 4;
SELECT customer_id, c.points, z.points AS zweites FROM club.members c JOIN "Zweites ""Programm""".members z USING (customer_id) ORDER BY 1;
SELECT * FROM loyalty.verify('club');
SELECT * FROM loyalty.verify('Zweites "Programm"');
SELECT loyalty.drop_program('Zweites "Programm"', force => true);
DELETE FROM t_track."Kassen-Bons ""ü""";
SELECT customer_id, points FROM club.members ORDER BY 1;
SELECT * FROM loyalty.verify('club');
SELECT loyalty.drop_program('club', force => true);
DROP SCHEMA t_track CASCADE;
