-- Lines and refunds that leave their tables with a partition keep what they gave to orders
-- that are there.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';
\set now 'SELECT id, points, trim_scale(lifetime_value) AS spent, orders FROM club.members WHERE points <> 0 OR orders <> 0 OR lifetime_value <> 0 ORDER BY 1;'
\set verify 'SELECT * FROM loyalty.verify(''club'');'
\set archive 'SELECT recorded, archived, reversed FROM loyalty.reconcile(''club'', missing => ''archive'');'
\set reconcile 'SELECT recorded, archived, reversed FROM loyalty.reconcile(''club'');'
\set kept 'SELECT order_key, trim_scale(amount) AS amount, trim_scale(refunded) AS refunded, trim_scale(awards) AS awards FROM club.kept ORDER BY 1;'
CREATE SCHEMA t_kept;
CREATE TABLE t_kept.customers (id int PRIMARY KEY);
INSERT INTO t_kept.customers SELECT generate_series(1, 3);
CREATE TABLE t_kept.orders (id int PRIMARY KEY, customer_id int, at timestamptz DEFAULT '2020-01-01');
CREATE TABLE t_kept.lines (order_id int, year int, qty int, total numeric) PARTITION BY LIST (year);
CREATE TABLE t_kept.lines_2020 PARTITION OF t_kept.lines FOR VALUES IN (2020);
CREATE TABLE t_kept.lines_2021 PARTITION OF t_kept.lines FOR VALUES IN (2021);
CREATE TABLE t_kept.refunds (order_id int, year int, amount numeric) PARTITION BY LIST (year);
CREATE TABLE t_kept.refunds_2020 PARTITION OF t_kept.refunds FOR VALUES IN (2020);
CREATE TABLE t_kept.refunds_2021 PARTITION OF t_kept.refunds FOR VALUES IN (2021);
SELECT loyalty.create_program('club', customers => 't_kept.customers');
SELECT loyalty.track_orders('club', 't_kept.orders', customer => 'customer_id', at => 'at', lines => 't_kept.lines', line_order => 'order_id', line_amount => 'total');
SELECT loyalty.track_refunds('club', 't_kept.refunds', order_key => 'order_id', amount => 'amount');
INSERT INTO club.earning_rule (name, points, per) VALUES ('amount', 'amount', 'order'), ('each', '10 * qty', 'line');
-- 1: 30 + 30 points; 2: 30 + 20; 3: 50 + 10
INSERT INTO t_kept.orders VALUES (1, 1), (2, 2), (3, 3);
INSERT INTO t_kept.lines VALUES (1, 2020, 1, 10), (1, 2020, 2, 20), (2, 2020, 1, 10), (2, 2021, 1, 20), (3, 2021, 1, 50);
:now
ALTER TABLE t_kept.lines DETACH PARTITION t_kept.lines_2020;
SELECT violation, order_key FROM loyalty.verify('club') ORDER BY 2;
:archive
:kept
:now
:verify
-- orders that are touched
UPDATE t_kept.orders SET at = '2020-01-02';
:now
:verify
:reconcile
:verify
-- refunds: 1 has 15 of 30 left, 15 + 30 / 2; 2 has 20 of 30 left, 20 + 20 * 20 / 30 = 33.3
INSERT INTO t_kept.refunds VALUES (1, 2020, 15), (2, 2021, 10);
:now
:verify
-- and back: counted once
ALTER TABLE t_kept.lines ATTACH PARTITION t_kept.lines_2020 FOR VALUES IN (2020);
:reconcile
:kept
:now
:verify
-- refunds leave
ALTER TABLE t_kept.refunds DETACH PARTITION t_kept.refunds_2020;
:archive
:kept
:now
:verify
UPDATE t_kept.orders SET at = '2020-01-03';
:now
:verify
-- 5 more of the 15: 10 + 30 * 10 / 30
INSERT INTO t_kept.refunds VALUES (1, 2021, 5);
:now
:verify
ALTER TABLE t_kept.refunds ATTACH PARTITION t_kept.refunds_2020 FOR VALUES IN (2020);
:reconcile
:kept
:now
:verify
-- an order that was refunded wholly
INSERT INTO t_kept.refunds VALUES (3, 2020, 50);
ALTER TABLE t_kept.refunds DETACH PARTITION t_kept.refunds_2020;
:archive
:now
:verify
UPDATE t_kept.orders SET at = '2020-01-04';
:now
:verify
-- dropped
DROP TABLE t_kept.lines_2020;
:archive
:now
:verify
CALL loyalty.post('club');
:verify
SELECT recorded, archived, reversed FROM loyalty.reconcile('club', missing => 'reverse');
:kept
:now
:verify
INSERT INTO club.kept VALUES (1, '1', 5);
-- whoever may detach may have no right on the program: he is told whom to ask
CREATE ROLE regress_kept;
GRANT USAGE ON SCHEMA t_kept TO regress_kept;
ALTER TABLE t_kept.lines OWNER TO regress_kept;
ALTER TABLE t_kept.lines_2021 OWNER TO regress_kept;
SET ROLE regress_kept;
ALTER TABLE t_kept.lines DETACH PARTITION t_kept.lines_2021;
RESET ROLE;
:archive
UPDATE t_kept.orders SET at = '2020-01-05';
:now
:verify
-- a line that is written to it does not count any more, nor warns
INSERT INTO t_kept.lines_2021 VALUES (2, 2021, 1, 1);
-- what came meanwhile counts when the partition is back
DELETE FROM t_kept.lines_2021 WHERE total = 1;
ALTER TABLE t_kept.lines ATTACH PARTITION t_kept.lines_2021 FOR VALUES IN (2021);
:reconcile
:kept
:now
:verify
SELECT loyalty.drop_program('club', force => true);

-- Children of a table, a header that has the amount, a currency, and keys of text ------------------
CREATE TABLE t_kept.headers (id text PRIMARY KEY, customer_id int, at timestamptz DEFAULT '2020-01-01', total numeric, currency text);
CREATE TABLE t_kept.items (order_id text, qty int);
CREATE TABLE t_kept.items_old () INHERITS (t_kept.items);
CREATE TABLE t_kept.returns (order_id text, amount numeric);
CREATE TABLE t_kept.returns_old () INHERITS (t_kept.returns);
SELECT loyalty.create_program('club', customers => 't_kept.customers');
INSERT INTO club.exchange_rate VALUES ('USD', '2000-01-01', 1.1);
SELECT loyalty.track_orders('club', 't_kept.headers', customer => 'customer_id', at => 'at', amount => 'total', currency => 'currency', lines => 't_kept.items', line_order => 'order_id');
SELECT loyalty.track_refunds('club', 't_kept.returns', order_key => 'order_id', amount => 'amount');
INSERT INTO club.earning_rule (name, points, per) VALUES ('amount', 'amount', 'order'), ('each', '10 * qty', 'line');
INSERT INTO t_kept.headers VALUES ('A-1', 1, DEFAULT, 30, 'USD'), ('A-2', 2, DEFAULT, 30, NULL);
INSERT INTO t_kept.items_old VALUES ('A-1', 2), ('A-2', 1);
INSERT INTO t_kept.items VALUES ('A-2', 4);
INSERT INTO t_kept.returns_old VALUES ('A-1', 20), ('A-2', 10);
-- 11 + 20 / 3, 20 + 50 * 20 / 30
:now
:verify
ALTER TABLE t_kept.items_old NO INHERIT t_kept.items;
:archive
UPDATE t_kept.headers SET at = '2020-01-02';
:now
:verify
ALTER TABLE t_kept.returns_old NO INHERIT t_kept.returns;
:archive
UPDATE t_kept.headers SET at = '2020-01-03';
:now
:verify
-- 5 more: 5.5 + 20 * 5 / 30 = 8.8
INSERT INTO t_kept.returns VALUES ('A-1', 5);
:now
:verify
ALTER TABLE t_kept.items_old INHERIT t_kept.items;
ALTER TABLE t_kept.returns_old INHERIT t_kept.returns;
:reconcile
:kept
:now
:verify
SELECT loyalty.drop_program('club', force => true);
-- Lines and refunds of an order that leave together are noted apart, so either may be back first ----
CREATE TABLE t_kept.sales (id int PRIMARY KEY, customer_id int, at timestamptz DEFAULT '2020-01-01');
CREATE TABLE t_kept.pieces (sale int, part int, qty int, total numeric) PARTITION BY LIST (part);
CREATE TABLE t_kept.pieces_1 PARTITION OF t_kept.pieces FOR VALUES IN (1);
CREATE TABLE t_kept.pieces_2 PARTITION OF t_kept.pieces FOR VALUES IN (2);
CREATE TABLE t_kept.backs (sale int, part int, amount numeric) PARTITION BY LIST (part);
CREATE TABLE t_kept.backs_1 PARTITION OF t_kept.backs FOR VALUES IN (1);
SELECT loyalty.create_program('club', customers => 't_kept.customers');
SELECT loyalty.track_orders('club', 't_kept.sales', customer => 'customer_id', at => 'at', lines => 't_kept.pieces', line_order => 'sale', line_amount => 'total');
SELECT loyalty.track_refunds('club', 't_kept.backs', order_key => 'sale', amount => 'amount');
INSERT INTO club.earning_rule (name, points, per) VALUES ('amount', 'amount', 'order'), ('each', '10 * qty', 'line');
-- 1: 27 of 30, 27 + 30 * 27 / 30; 2: refunded wholly; 3: 20 + 10 with nothing that leaves
INSERT INTO t_kept.sales VALUES (1, 1), (2, 2), (3, 3);
INSERT INTO t_kept.pieces VALUES (1, 1, 1, 10), (1, 2, 2, 20), (2, 1, 1, 50), (3, 2, 1, 20);
INSERT INTO t_kept.backs VALUES (1, 1, 3), (2, 1, 50);
:now
\set leave 'ALTER TABLE t_kept.pieces DETACH PARTITION t_kept.pieces_1; ALTER TABLE t_kept.backs DETACH PARTITION t_kept.backs_1;'
\set lines_back 'ALTER TABLE t_kept.pieces ATTACH PARTITION t_kept.pieces_1 FOR VALUES IN (1);'
\set refunds_back 'ALTER TABLE t_kept.backs ATTACH PARTITION t_kept.backs_1 FOR VALUES IN (1);'
:leave
:archive
-- 1: 10 and 3, and 10 points; 2: 50 and 50
:kept
:now
:verify
-- refunds first: 10 and 50 are still away
:refunds_back
:reconcile
:kept
:now
:verify
UPDATE t_kept.sales SET at = '2020-01-02';
:now
:verify
:lines_back
:reconcile
:kept
:now
:verify
-- lines first: 3 and 50 are still away
:leave
:archive
:lines_back
:reconcile
:kept
UPDATE t_kept.sales SET at = '2020-01-03';
:now
:verify
:refunds_back
:reconcile
:kept
:now
:verify
-- refunds that were detached tell how much was that of lines whose partition was dropped
ALTER TABLE t_kept.backs DETACH PARTITION t_kept.backs_1;
DROP TABLE t_kept.pieces_1;
:archive
:kept
:refunds_back
:reconcile
:kept
:now
:verify
SELECT loyalty.drop_program('club', force => true);
DROP SCHEMA t_kept CASCADE;
DROP ROLE regress_kept;
