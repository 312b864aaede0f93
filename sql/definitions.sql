-- What the rows of a tracked table mean is a view: whatever the names, the layout of
-- partitions, and the history of the rules.  Points are computed by hand, beside the
-- statements that make them.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';
CREATE SCHEMA t_definitions;
SET search_path = t_definitions;
CREATE TABLE customers (id int PRIMARY KEY);
INSERT INTO customers SELECT generate_series(1, 9);
-- every view of the program anew, from what pg_dump writes of it, twice: it must say the same
CREATE FUNCTION restore() RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET loyalty.tracking = 'on' AS $$
DECLARE
	v record;
BEGIN
	FOR v IN SELECT c.oid::regclass AS view, pg_get_viewdef(c.oid) AS query FROM pg_class c
	          WHERE c.relnamespace = 'club'::regnamespace AND c.relkind = 'v' ORDER BY c.oid
	LOOP
		EXECUTE format('CREATE OR REPLACE VIEW %s AS %s', v.view, v.query);
		ASSERT pg_get_viewdef(v.view) = v.query, v.view;
	END LOOP;
END $$;

-- Names: columns that are called as what the views call things, rules with all that a name can have
CREATE TABLE odd (key int PRIMARY KEY, customer int, at timestamptz DEFAULT '2024-01-01', counts boolean DEFAULT true,
                  tracked numeric, said int, worth int, purchase numeric, line int, "new" int, "order" int, award_1 int);
CREATE TABLE odd_lines (line int PRIMARY KEY, key int, "order" int, purchase numeric, tracked numeric, "new" numeric, said int);
CREATE TABLE odd_refunds (refund int PRIMARY KEY, key int, amount numeric, counts boolean DEFAULT true);
SELECT loyalty.create_program('club', customers => 'customers', time_zone => 'UTC');
SELECT loyalty.track_orders('club', 'odd', customer => 'customer', at => 'at', amount => 'tracked', counts_when => 'counts',
                            lines => 'odd_lines', line_order => 'key');
SELECT loyalty.track_refunds('club', 'odd_refunds', order_key => 'key', amount => 'amount', counts_when => 'counts');
CREATE VIEW now AS SELECT id, points, orders, lifetime_value FROM club.members WHERE orders <> 0 OR points <> 0 ORDER BY 1;
INSERT INTO club.earning_rule (name, points, applies_when, per) VALUES
	($$the "first" of O'Hara: ä ü ß € %s$$, 'new.said + new.worth + new.purchase + new.line + new.new + new."order" + new.award_1', 'true', 'order'),
	('key', 'amount', 'true', 'order'),
	('new', 'line.purchase * line."new" + line.tracked', 'line.said > 0 AND new.said > 0', 'line');
INSERT INTO odd VALUES (1, 1, DEFAULT, DEFAULT, 10, 1, 2, 3, 4, 5, 6, 7), (2, 1, DEFAULT, false, 10, 1, 2, 3, 4, 5, 6, 7);
INSERT INTO odd_lines VALUES (1, 1, 0, 2, 1, 3, 1), (2, 1, 0, 2, 1, 3, 0), (3, 1, 0, 1, 0, 5, 2);
-- 28 + 10 + (7 + 5)
SELECT * FROM now;
INSERT INTO odd_refunds VALUES (1, 1, 2, true), (2, 1, 7, false);
-- 28 + 8 + 12 * 8/10
SELECT * FROM now;
SELECT restore();
UPDATE odd SET worth = 3 WHERE key = 1;
SELECT * FROM now;
SELECT * FROM loyalty.verify('club');
\c -
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';
SET search_path = t_definitions;
UPDATE odd_lines SET said = 1 WHERE line = 2;
-- 29 + 8 + 19 * 8/10
SELECT * FROM now;
SELECT * FROM loyalty.verify('club');
SELECT loyalty.drop_program('club', force => true);

-- Partitions and children with another order of columns, columns that were dropped, and
-- columns that are computed
CREATE TABLE parts (gone int, id int, c int, at timestamptz DEFAULT '2024-01-01', total numeric, net numeric GENERATED ALWAYS AS (total - 1) STORED) PARTITION BY RANGE (id);
ALTER TABLE parts DROP gone;
CREATE TABLE p1 (net numeric GENERATED ALWAYS AS (total - 1) STORED, total numeric, gone text, at timestamptz DEFAULT '2024-01-01', c int, id int NOT NULL);
ALTER TABLE p1 DROP gone;
ALTER TABLE parts ATTACH PARTITION p1 FOR VALUES FROM (0) TO (100);
CREATE TABLE p2 PARTITION OF parts FOR VALUES FROM (100) TO (1000);
ALTER TABLE parts ADD PRIMARY KEY (id);
CREATE TABLE inh (gone int, id int PRIMARY KEY, c int, at timestamptz DEFAULT '2024-01-01', total numeric, net numeric GENERATED ALWAYS AS (total - 1) STORED);
ALTER TABLE inh DROP gone;
CREATE TABLE child (own text, at timestamptz DEFAULT '2024-01-01', net numeric GENERATED ALWAYS AS (total - 1) STORED, gone int, total numeric, c int, id int PRIMARY KEY);
ALTER TABLE child DROP gone;
ALTER TABLE child INHERIT inh;
CREATE TABLE part_refunds (gone int, id int PRIMARY KEY, o int, amount numeric);
ALTER TABLE part_refunds DROP gone;
SELECT loyalty.create_program('club', customers => 'customers', time_zone => 'UTC');
CREATE OR REPLACE VIEW now AS SELECT id, points, orders, lifetime_value FROM club.members WHERE orders <> 0 OR points <> 0 ORDER BY 1;
SELECT loyalty.track_orders('club', 'parts', customer => 'c', at => 'at', amount => 'total');
SELECT loyalty.track_orders('club', 'inh', customer => 'c', at => 'at', amount => 'total');
CREATE TABLE computed (id int, c int, own int GENERATED ALWAYS AS (c) STORED, at timestamptz, total numeric, PRIMARY KEY (id)) PARTITION BY RANGE (id);
SELECT loyalty.track_orders('club', 'computed', customer => 'own', at => 'at', amount => 'total');
SELECT loyalty.track_orders('club', 'computed', customer => 'c', at => 'at', amount => 'total', order_key => 'id + own', key_is_unique => true);
INSERT INTO club.earning_rule (name, points) VALUES ('net', 'net * 2'), ('all', 'amount');
INSERT INTO parts (id, c, total) VALUES (1, 2, 10), (101, 2, 20);
INSERT INTO p1 (id, c, total) VALUES (2, 2, 5);
INSERT INTO inh (id, c, total) VALUES (1, 2, 3);
INSERT INTO child (id, c, total) VALUES (2, 2, 4);
SELECT * FROM loyalty.verify('club');
-- 10 + 18, 20 + 38, 5 + 8; 3 + 4, 4 + 6
SELECT * FROM now;
UPDATE parts SET id = id + 100 WHERE id = 2;
UPDATE inh SET total = total + 1;
SELECT * FROM loyalty.verify('club');
-- 28 + 58 + 13; 4 + 6, 5 + 8
SELECT * FROM now;
SELECT loyalty.track_refunds('club', 'part_refunds', order_key => 'o', amount => 'amount', orders => 'parts');
INSERT INTO part_refunds (id, o, amount) VALUES (1, 101, 10);
-- 28 + 48 + 13 + 23
SELECT * FROM now;
SELECT restore();
UPDATE p1 SET total = 11 WHERE id = 1;
-- 31 + 48 + 13 + 23
SELECT * FROM now;
SELECT * FROM loyalty.verify('club');
SELECT relation, triggers_made, recorded, archived, reversed FROM loyalty.reconcile('club');
-- a column of refunds that is dropped with the views: the orders are tracked again without them
BEGIN;
ALTER TABLE part_refunds DROP COLUMN amount CASCADE;
SELECT violation, detail FROM loyalty.verify('club');
SELECT loyalty.untrack('club', 'part_refunds');
SELECT loyalty.untrack('club', 'parts');
SELECT loyalty.track_orders('club', 'parts', customer => 'c', at => 'at', amount => 'total');
-- without the refund of 10
SELECT * FROM now;
SELECT * FROM loyalty.verify('club');
ROLLBACK;
SELECT * FROM now;
SELECT * FROM loyalty.verify('club');
SELECT loyalty.drop_program('club', force => true);

-- Rules per order and per line that come and go
CREATE TABLE o (id int PRIMARY KEY, c int DEFAULT 3, at timestamptz DEFAULT '2024-01-01', total numeric DEFAULT 10, n int);
CREATE TABLE l (o int, price numeric, sku text);
CREATE INDEX ON l (o);
CREATE TABLE r (id int PRIMARY KEY, o int, amount numeric);
SELECT loyalty.create_program('club', customers => 'customers', time_zone => 'UTC');
CREATE OR REPLACE VIEW now AS SELECT id, points, orders, lifetime_value FROM club.members WHERE orders <> 0 OR points <> 0 ORDER BY 1;
CREATE VIEW by_order AS SELECT DISTINCT ON (order_key) order_key, terms, amount, awards FROM club.journal ORDER BY order_key, revision DESC;
SELECT loyalty.track_orders('club', 'o', customer => 'c', at => 'at', amount => 'total', lines => 'l', line_order => 'o');
INSERT INTO o (id, n) VALUES (0, 1);				-- under terms without any rule: 0
INSERT INTO club.earning_rule (name, points) VALUES ('A', 'amount');
INSERT INTO o (id, n) VALUES (1, 1);
INSERT INTO l VALUES (1, 4, 'a'), (1, 6, 'b');			-- 10
INSERT INTO club.earning_rule (name, points, applies_when, per) VALUES ('L', 'price', $$sku = 'a'$$, 'line');
INSERT INTO o (id, n) VALUES (2, 1);
INSERT INTO l VALUES (2, 4, 'a'), (2, 6, 'b');			-- 10 + 4
INSERT INTO club.earning_rule (name, points) VALUES ('N', 'n * 100');
INSERT INTO o (id, n) VALUES (3, 2);
INSERT INTO l VALUES (3, 5, 'a');				-- 10 + 5 + 200
DELETE FROM club.earning_rule WHERE name = 'A';
INSERT INTO o (id, n) VALUES (4, 1);
INSERT INTO l VALUES (4, 1, 'a');				-- 1 + 100
UPDATE club.earning_rule SET points = 'price * 2' WHERE name = 'L';
INSERT INTO o (id, n) VALUES (5, 0);
INSERT INTO l VALUES (5, 3, 'a');				-- 6 + 0
SELECT * FROM by_order;
SELECT * FROM now;
UPDATE l SET price = price + 1 WHERE sku = 'a';
SELECT * FROM by_order;
SELECT loyalty.track_refunds('club', 'r', order_key => 'o', amount => 'amount');
INSERT INTO r VALUES (1, 2, 5);					-- 5 + 5 * 5/10
UPDATE o SET n = n + 1;
SELECT * FROM by_order;
SELECT * FROM now;
SELECT * FROM loyalty.verify('club');
-- a correction of one version: 10 + 6 + 30
UPDATE club.terms_rule SET points = 'n * 10' WHERE name = 'N' AND version = 4;
SELECT * FROM loyalty.reconcile('club');
SELECT * FROM by_order WHERE terms >= 4;
SELECT * FROM loyalty.verify('club');
-- let go of, with what is written meanwhile, and tracked again: all keep their rules
SELECT loyalty.untrack('club', 'o');
INSERT INTO o (id, n) VALUES (6, 1);
INSERT INTO l VALUES (6, 2, 'a');				-- 4 + 100
INSERT INTO r VALUES (2, 3, 5);					-- 5 + 6 * 5/10 + 30
ALTER TABLE o ADD COLUMN more int;
SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'club'::regnamespace AND c.relname ~ '^(orders|lines|refunds)_';
SET client_min_messages = notice;
SELECT loyalty.track_orders('club', 'o', customer => 'c', at => 'at', amount => 'total', lines => 'l', line_order => 'o');
SET client_min_messages = warning;
SELECT * FROM by_order;
SELECT * FROM now;
SELECT * FROM loyalty.verify('club');
SELECT restore();
-- 2: 5 + 6 * 5/10; 3: 5 + 7 * 5/10 + 30; 4: 3 + 200
UPDATE l SET price = price + 1 WHERE sku = 'a' AND o IN (2, 3, 4);
SELECT * FROM by_order WHERE order_key IN ('2', '3', '4');
UPDATE o SET total = 20 WHERE id = 0;				-- still without any rule
CALL loyalty.post('club');
SELECT * FROM now;
SELECT * FROM loyalty.verify('club');
-- once more, without rules that the first versions had, and without lines: rules per line give nothing
SELECT loyalty.untrack('club', 'r');
SELECT loyalty.untrack('club', 'o');
DELETE FROM club.earning_rule;
INSERT INTO club.earning_rule (name, points) VALUES ('last', 'amount * 3');
SELECT loyalty.track_orders('club', 'o', customer => 'c', at => 'at', amount => 'total');
INSERT INTO o (id, n) VALUES (7, 1);				-- 30
-- 0: 0, 1: 10, 2: 10, 3: 10 + 30, 4: 200, 5: 100, 6: 100, 7: 30
SELECT * FROM by_order WHERE order_key = '7';
SELECT * FROM now;
SELECT * FROM loyalty.verify('club');
SELECT loyalty.drop_program('club', force => true);

-- A table that becomes a partition of another, whose columns have another order: older
-- terms hold for it, too
CREATE TABLE s (id int PRIMARY KEY, c int, at timestamptz DEFAULT '2024-01-01', total numeric, x text);
SELECT loyalty.create_program('club', customers => 'customers', time_zone => 'UTC');
CREATE OR REPLACE VIEW now AS SELECT id, points, orders, lifetime_value FROM club.members WHERE orders <> 0 OR points <> 0 ORDER BY 1;
SELECT loyalty.track_orders('club', 's', customer => 'c', at => 'at', amount => 'total');
INSERT INTO club.earning_rule (name, points) VALUES ('A', 'amount'), ('len', 'length(x)');
INSERT INTO s VALUES (1, 4, DEFAULT, 10, 'abc');		-- 10 + 3
UPDATE club.earning_rule SET points = 'amount * 2' WHERE name = 'A';
CREATE TABLE s_all (total numeric, x text, at timestamptz DEFAULT '2024-01-01', c int, id int NOT NULL) PARTITION BY RANGE (id);
-- (13 refuses to attach a table with triggers of this kind)
SELECT current_setting('server_version_num')::int >= 150000 AS attaches \gset
SET client_min_messages = error;
\if :attaches
ALTER TABLE s_all ATTACH PARTITION s DEFAULT;
UPDATE club.tracked_table SET relation = 's_all' WHERE relation = 's'::regclass;
\else
DO $$
BEGIN
	PERFORM loyalty.untrack('club', 's');
	ALTER TABLE s_all ATTACH PARTITION s DEFAULT;
	UPDATE club.tracked_table SET relation = 's_all' WHERE relation = 's'::regclass;
	PERFORM loyalty.track_orders('club', 's_all', customer => 'c', at => 'at', amount => 'total', order_key => 'id', key_is_unique => true);
END $$;
\endif
SET client_min_messages = warning;
SELECT relation, recorded, archived, reversed FROM loyalty.reconcile('club');
INSERT INTO s_all (id, c, total, x) VALUES (2, 4, 5, 'z');	-- 10 + 1
UPDATE s SET total = 11 WHERE id = 1;				-- 11 + 3
CREATE TABLE s2 PARTITION OF s_all FOR VALUES FROM (100) TO (200);
INSERT INTO s2 (id, c, total, x) VALUES (100, 4, 1, '');	-- 2 + 0
SELECT * FROM now;
SELECT restore();
SELECT * FROM loyalty.verify('club');
SELECT loyalty.drop_program('club', force => true);

-- Several tables of orders with different columns, and refunds that name no order
CREATE TABLE web (id int PRIMARY KEY, c int, at timestamptz DEFAULT '2024-01-01', total numeric, n int);
CREATE TABLE shop (n int, "Nr." text PRIMARY KEY, "Größe" int, kunde int, wann date DEFAULT '2024-01-01', preis numeric);
CREATE TABLE back (id int PRIMARY KEY, order_id int, c int, at timestamptz DEFAULT '2024-02-01', amount numeric);
SELECT loyalty.create_program('club', customers => 'customers', time_zone => 'UTC');
CREATE OR REPLACE VIEW now AS SELECT id, points, orders, lifetime_value FROM club.members WHERE orders <> 0 OR points <> 0 ORDER BY 1;
SELECT loyalty.track_orders('club', 'web', customer => 'c', at => 'at', amount => 'total');
SELECT loyalty.track_orders('club', 'shop', customer => 'kunde', at => 'wann', amount => 'preis');
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount'), ('row', 'new.n');
INSERT INTO club.earning_rule (name, points) VALUES ('no', '"Größe"');
SELECT loyalty.track_refunds('club', 'back', order_key => 'order_id', amount => 'amount', orders => 'web', customer => 'c', at => 'at');
INSERT INTO web VALUES (1, 5, DEFAULT, 10, 3);			-- 10 + 3
INSERT INTO shop VALUES (4, 'A/1', 7, 5, DEFAULT, 20);		-- 20 + 4
INSERT INTO back VALUES (1, NULL, 5, DEFAULT, 4);		-- -4: the rule over the row is not for it
SELECT * FROM now;
INSERT INTO back VALUES (2, 1, 5, DEFAULT, 5);			-- 5 + 3
INSERT INTO club.earning_rule (name, points) VALUES ('half', 'amount / 2');
INSERT INTO back VALUES (3, NULL, 5, DEFAULT, 3);		-- -(3 + 1.5), of which -4 are whole
-- 8 + 24 - 4 - 4
SELECT * FROM now;
SELECT restore();
UPDATE back SET amount = amount + 2 WHERE order_id IS NULL;	-- -6, -(5 + 2.5)
-- 8 + 24 - 6 - 7
SELECT * FROM now;
SELECT * FROM loyalty.verify('club');
SELECT kind, relation, e.expression, e.type FROM club.tracked_table s
 CROSS JOIN LATERAL _loyalty.view_expression(_loyalty.view_of('club', s.kind, s.tracked_table, CASE WHEN s.kind <> 'refunds' THEN (SELECT terms FROM club.program) END), NULL,
                                            CASE WHEN s.kind = 'refunds' THEN 'amount' ELSE 'award_3' END, true) e ORDER BY tracked_table;
SELECT loyalty.untrack('club', 'back');
SELECT loyalty.track_refunds('club', 'back', order_key => 'order_id', amount => 'amount', orders => 'web', customer => 'c', at => 'at');
UPDATE back SET amount = amount + 1;				-- 1: 4 + 3; -7; -(6 + 3)
-- 7 + 24 - 7 - 9
SELECT * FROM now;
SELECT * FROM loyalty.verify('club');
SELECT loyalty.drop_program('club', force => true);

-- 30 rules, every second per line
CREATE TABLE t (id int PRIMARY KEY, c int DEFAULT 6, at timestamptz DEFAULT '2024-01-01', total numeric);
CREATE TABLE t_lines (o int, qty int);
SELECT loyalty.create_program('club', customers => 'customers', time_zone => 'UTC');
CREATE OR REPLACE VIEW now AS SELECT id, points, orders, lifetime_value FROM club.members WHERE orders <> 0 OR points <> 0 ORDER BY 1;
SELECT loyalty.track_orders('club', 't', customer => 'c', at => 'at', amount => 'total', lines => 't_lines', line_order => 'o');
INSERT INTO club.earning_rule (name, points, per)
SELECT format('rule %s', i), format(CASE i % 2 WHEN 0 THEN 'qty * %s' ELSE 'amount * %s' END, i), CASE i % 2 WHEN 0 THEN 'line' ELSE 'order' END FROM generate_series(1, 30) i;
INSERT INTO t VALUES (1, DEFAULT, DEFAULT, 1);
INSERT INTO t_lines VALUES (1, 1), (1, 2);
-- 1 + 3 ... + 29 = 225, and 3 * (2 + 4 ... + 30) = 720
SELECT * FROM now;
DELETE FROM club.earning_rule WHERE substr(name, 6)::int > 20;
INSERT INTO t VALUES (2, DEFAULT, DEFAULT, 2);
INSERT INTO t_lines VALUES (2, 1);
UPDATE t SET total = total + 1;
-- 2 * 225 + 720, and 3 * (1 + 3 ... + 19) + (2 + 4 ... + 20) = 300 + 110
SELECT * FROM now;
SELECT restore();
UPDATE t SET total = total - 1;
SELECT * FROM now;
SELECT * FROM loyalty.verify('club');
SELECT loyalty.drop_program('club', force => true);

-- Types and expressions of many kinds; the sums are in the order of the rules here
CREATE DOMAIN cash AS numeric CHECK (VALUE >= 0);
CREATE TYPE pair AS (a int, b int);
CREATE TABLE typed (id uuid PRIMARY KEY, c smallint, at date DEFAULT '2024-01-01', total cash, p pair, arr int[], js jsonb, r int4range, n text COLLATE "C", ok boolean);
CREATE TABLE typed_refunds (id int PRIMARY KEY, o uuid, amount real);
SELECT loyalty.create_program('club', customers => 'customers', time_zone => 'Europe/Berlin');
CREATE OR REPLACE VIEW now AS SELECT id, points, orders, lifetime_value FROM club.members WHERE orders <> 0 OR points <> 0 ORDER BY 1;
SELECT loyalty.track_orders('club', 'typed', customer => 'c', at => 'at', amount => 'total', counts_when => 'coalesce(ok, true) IS NOT FALSE');
INSERT INTO club.earning_rule (name, points) VALUES
	('key', 'CASE WHEN id IS NOT NULL THEN 1 ELSE 2 END'), ('pair', '(p).a + (new.p).b'), ('array', 'arr[2] + coalesce(cardinality(arr), 0)'),
	('json', $$(js->>'x')::numeric$$), ('range', 'upper(r) - lower(r)'), ('case', $$CASE n WHEN 'a' THEN 1 WHEN 'ä' THEN 2 ELSE length(n COLLATE "C") END$$),
	('in', $$CASE WHEN n = ANY ('{x,b}') OR n IN ('a', 'd') OR n LIKE 'x%' OR n ~ '^y' THEN 10 END$$), ('year', 'extract(year FROM new.at)'),
	('zone', $$extract(hour FROM purchase.at AT TIME ZONE 'UTC')$$), ('row', $$CASE WHEN ROW(1, n) = ROW(1, 'a'::text) THEN 5 END$$),
	('cast', $$'7'::int + '3'::text::int + (1.5)::int$$), ('null', 'nullif(amount, 0)'), ('most', 'greatest(amount, 3, least(total, 1))');
INSERT INTO typed VALUES ('00000000-0000-0000-0000-000000000001', 7, DEFAULT, 10, '(1,2)', '{4,5}', '{"x": 2.5}', '[1,4)', 'a', true);
-- 1 + 3 + 7 + 2.5 + 3 + 1 + 10 + 2024 + 23 + 5 + 12 + 10 + 10
SELECT order_key, amount, awards, at FROM club.journal;
SELECT * FROM loyalty.verify('club');
SELECT loyalty.track_refunds('club', 'typed_refunds', order_key => 'o', amount => 'amount');
INSERT INTO typed_refunds VALUES (1, '00000000-0000-0000-0000-000000000001', 1);
SELECT restore();
SELECT loyalty.untrack('club', 'typed');
SELECT loyalty.track_orders('club', 'typed', customer => 'c', at => 'at', amount => 'total', counts_when => 'coalesce(ok, true) IS NOT FALSE');
UPDATE typed_refunds SET amount = 2;
-- 8 + 8 at the end
SELECT * FROM now;
SELECT * FROM loyalty.verify('club');
SELECT loyalty.drop_program('club', force => true);

-- All that a program reads is renamed, to names that need quotes, and that the views have
-- themselves; then it is let go of, tracked again, altered and paused, by the old texts of the rules
CREATE TABLE ord (id int PRIMARY KEY, c int, at timestamptz DEFAULT '2024-01-01', cur text);
CREATE TABLE lin (o int, price numeric);
CREATE TABLE ref (id int PRIMARY KEY, o int, amount numeric, c int, at timestamptz DEFAULT '2024-02-02');
SELECT loyalty.create_program('a.b"c', 'customers', time_zone => 'UTC');
CREATE VIEW now2 AS SELECT id, points, orders, lifetime_value FROM "a.b""c".members WHERE orders <> 0 OR points <> 0 ORDER BY 1;
INSERT INTO "a.b""c".exchange_rate VALUES ('CHF', DEFAULT, 1.5);
SELECT loyalty.track_orders('a.b"c', 'ord', customer => 'c', at => 'at', lines => 'lin', line_order => 'o', line_amount => 'price', currency => 'cur');
SELECT loyalty.track_refunds('a.b"c', 'ref', order_key => 'o', amount => 'amount', customer => 'c', at => 'at');
INSERT INTO "a.b""c".earning_rule (name, points, per) VALUES ('n', 'amount', 'order'), ('p', 'price * rate', 'line');
INSERT INTO ord (id, c, cur) VALUES (1, 8, 'CHF');
INSERT INTO lin VALUES (1, 10);
INSERT INTO ref (id, o, amount, c) VALUES (1, 1, 4, NULL), (2, NULL, 1, 8);
-- (10 - 4) * 1.5, twice; -1 by the rule per order
SELECT * FROM now2;
ALTER TABLE ord RENAME COLUMN id TO "said.customer";
ALTER TABLE ord RENAME COLUMN cur TO "we""ird";
ALTER TABLE lin RENAME COLUMN price TO "key";
ALTER TABLE lin RENAME TO "tracked";
ALTER TABLE ref RENAME TO worth;
ALTER TABLE ord RENAME TO "purchase";
INSERT INTO purchase ("said.customer", c) VALUES (2, 8);
INSERT INTO tracked VALUES (2, 10);
INSERT INTO worth (id, o, amount) VALUES (3, 2, 4);
UPDATE tracked SET "key" = 20;
-- 2 * 16 * 1.5 + 2 * 16 - 1
SELECT * FROM now2;
SELECT * FROM loyalty.verify('a.b"c');
INSERT INTO "a.b""c".earning_rule (name, points) VALUES ('again', '"said.customer" * 1000');
UPDATE worth SET amount = amount + 1;
-- 2 * 15 * 1.5 + 2 * 15 - 2
SELECT * FROM now2;
SELECT loyalty.untrack('a.b"c', 'worth');
SELECT loyalty.untrack('a.b"c', 'purchase');
SELECT loyalty.track_orders('a.b"c', 'purchase', customer => 'c', at => 'at', lines => 'tracked', line_order => 'o', line_amount => '"key"', currency => '"we""ird"');
SELECT loyalty.track_refunds('a.b"c', 'worth', order_key => 'o', amount => 'amount', customer => 'c', at => 'at');
INSERT INTO purchase ("said.customer", c) VALUES (3, 8);
INSERT INTO tracked VALUES (3, 10);
-- 73 + 10 + 10 + 3000
SELECT * FROM now2;
SELECT * FROM loyalty.verify('a.b"c');
SELECT loyalty.alter_orders('a.b"c', 'purchase', currency => '');
-- 2 * 15 in place of 45
SELECT * FROM now2;
SELECT * FROM loyalty.verify('a.b"c');
SELECT loyalty.pause('a.b"c', 'purchase');
ALTER TABLE tracked ALTER "key" TYPE int;
SET client_min_messages = error;
INSERT INTO tracked VALUES (3, 5);
SET client_min_messages = warning;
SELECT loyalty.resume('a.b"c', 'purchase');
-- 5 + 5 more
SELECT * FROM now2;
SELECT * FROM loyalty.verify('a.b"c');
SELECT loyalty.drop_program('a.b"c', force => true);
RESET search_path;
DROP SCHEMA t_definitions CASCADE;
