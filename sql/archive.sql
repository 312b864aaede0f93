-- Orders that left with their partition keep their points, and what is refunded of them
-- later is taken off.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';
\set now 'SELECT id, points, trim_scale(lifetime_value) AS spent, orders FROM club.members WHERE points <> 0 OR orders <> 0 OR lifetime_value <> 0 ORDER BY 1;'
\set verify 'SELECT * FROM loyalty.verify(''club'');'
\set reconcile 'SELECT recorded, archived, reversed FROM loyalty.reconcile(''club'');'
CREATE SCHEMA t_archive;
CREATE TABLE t_archive.customers (id int PRIMARY KEY);
INSERT INTO t_archive.customers SELECT generate_series(1, 3);

-- Refunds of archived orders -----------------------------------------------------------
CREATE TABLE t_archive.orders (id int, customer_id int, at timestamptz, total numeric, currency text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE t_archive.y2020 PARTITION OF t_archive.orders FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE TABLE t_archive.y2021 PARTITION OF t_archive.orders FOR VALUES FROM ('2021-01-01') TO ('2022-01-01');
CREATE TABLE t_archive.refunds (id int PRIMARY KEY, order_id bigint, amount numeric, accepted boolean DEFAULT true);
CREATE INDEX ON t_archive.refunds (order_id);
SELECT loyalty.create_program('club', customers => 't_archive.customers');
INSERT INTO club.exchange_rate VALUES ('USD', '2020-01-01', 0.5);
INSERT INTO club.earning_rule (name, points) VALUES ('two and ten', '2 * amount + 10');
SELECT loyalty.track_orders('club', 't_archive.orders', customer => 'customer_id', at => 'at', amount => 'total',
	currency => 'currency', order_key => 'id', key_is_unique => true);
SELECT loyalty.track_refunds('club', 't_archive.refunds', order_key => 'order_id', amount => 'amount', counts_when => 'accepted');
-- 1: 210 points; 2: 100 dollars are 50, of which 10 are refunded: 45 and 100 points; 3: 30 points; 4: 20 points
INSERT INTO t_archive.orders VALUES (1, 1, '2020-02-01', 100, NULL), (2, 2, '2020-03-01', 100, 'USD'), (3, 1, '2021-02-01', 10, NULL), (4, 3, '2020-04-01', 5, NULL);
INSERT INTO t_archive.refunds VALUES (1, 2, 10);
:now
CALL loyalty.post('club');
ALTER TABLE t_archive.orders DETACH PARTITION t_archive.y2020;
SELECT violation, order_key FROM loyalty.verify('club') ORDER BY 2;
:reconcile
:now
:verify
SELECT tracked_table, order_key, customer, at, trim_scale(amount) AS amount, trim_scale(awards) AS awards, currency, rate, refunded FROM club.archived ORDER BY 2;
-- a part: of 1, 30 of 100: 210 * 70 / 100 = 147; of 2, 45 dollars of the 90 that are left: 100 * 22.5 / 45 = 50
INSERT INTO t_archive.refunds VALUES (2, 1, 30), (3, 2, 45);
:now
:verify
-- another one, in a statement of its own: 210 * 40 / 100 = 84; one that is not accepted
INSERT INTO t_archive.refunds VALUES (4, 1, 30, true), (5, 1, 40, false);
:now
:verify
-- all of it: the order does not count any more
UPDATE t_archive.refunds SET accepted = true WHERE id = 5;
:now
:verify
CALL loyalty.post('club');
-- deleted again: 210 * 70 / 100
DELETE FROM t_archive.refunds WHERE id IN (4, 5);
:now
:verify
-- one that was there when the order was archived: 45 and 22.5 of dollars refunded, and 10 dollars are back:
-- 22.5 + 5 = 27.5, 100 * 27.5 / 45 = 61.1
DELETE FROM t_archive.refunds WHERE id = 1;
:now
:verify
-- what no trigger saw: 210 * 60 / 100 = 126
SET session_replication_role = replica;
INSERT INTO t_archive.refunds VALUES (6, 1, 10);
RESET session_replication_role;
SELECT violation, order_key FROM loyalty.verify('club');
:reconcile
:now
:verify
-- reconcile leaves archived orders alone, whatever is missing
SELECT recorded, archived, reversed FROM loyalty.reconcile('club', missing => 'reverse');
:now
-- all refunds are gone: 210, and 100 dollars as 50: 100 * 50 / 45 = 111.1
TRUNCATE t_archive.refunds;
:now
:verify
-- refunds move from an order to another: 3 is there, 4 is archived: 210 * 99 / 100 = 207.9, 28, 20 * 4 / 5
INSERT INTO t_archive.refunds VALUES (7, 1, 1), (8, 3, 1), (9, 4, 1);
:now
UPDATE t_archive.refunds SET order_id = CASE order_id WHEN 1 THEN 3 WHEN 3 THEN 4 ELSE 1 END;
:now
:verify

-- An order that comes back, alone and with its partition ---------------------------------
INSERT INTO t_archive.orders VALUES (4, 3, '2021-04-01', 6, NULL);
:now
SELECT violation, order_key FROM loyalty.verify('club');
:reconcile
SELECT order_key FROM club.archived ORDER BY 1;
DELETE FROM t_archive.orders WHERE id = 4;
:now
SELECT violation, detail FROM loyalty.verify('club');
DELETE FROM t_archive.refunds WHERE order_id = 4;
:verify
DELETE FROM t_archive.y2020 WHERE id = 4;
-- 1 has 99 and 208 points again, by its rule
ALTER TABLE t_archive.orders ATTACH PARTITION t_archive.y2020 FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
:reconcile
:now
:verify
SELECT count(*) FROM club.archived;
CALL loyalty.post('club');
:verify

-- A refund that is before its order ---------------------------------------------------------

INSERT INTO t_archive.refunds VALUES (20, 50, 4), (21, 51, 1);
SELECT * FROM loyalty.verify('club');
INSERT INTO t_archive.orders VALUES (50, 3, '2021-05-01', 10, NULL);
:now
SELECT * FROM loyalty.verify('club');
DELETE FROM t_archive.refunds WHERE id = 21;
:verify

-- The views go and come with the refunds and the table, and to another owner ----------------
ALTER TABLE t_archive.orders DETACH PARTITION t_archive.y2020;
:reconcile
SELECT loyalty.pause('club', 't_archive.orders');
SELECT loyalty.resume('club', 't_archive.orders');
SELECT loyalty.alter_refunds('club', 't_archive.refunds', amount => 'amount * 2');
:now
:verify
SELECT loyalty.alter_refunds('club', 't_archive.refunds', amount => 'amount');
:verify
CREATE ROLE regress_archive;
GRANT CREATE ON DATABASE :DBNAME TO regress_archive;
GRANT USAGE ON SCHEMA t_archive, loyalty TO regress_archive;
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA loyalty, _loyalty TO regress_archive;
GRANT SELECT ON ALL TABLES IN SCHEMA t_archive TO regress_archive;
SELECT loyalty.change_owner('club', 'regress_archive');
SELECT c.relname, pg_get_userbyid(c.relowner) FROM pg_class c WHERE c.relnamespace = 'club'::regnamespace AND c.relname ~ 'archived' AND c.relkind IN ('r', 'v') ORDER BY 1;
INSERT INTO t_archive.refunds VALUES (30, 1, 9);
:now
:verify
SELECT loyalty.untrack('club', 't_archive.refunds');
SELECT count(*) FROM pg_class c WHERE c.relnamespace = 'club'::regnamespace AND c.relkind = 'v' AND c.relname ~ '^archived';
SELECT loyalty.drop_program('club', force => true);

-- Keys that are equal and differ as text, and children of a table --------------------------------
CREATE TABLE t_archive.parent (id numeric PRIMARY KEY, customer_id int, at timestamptz DEFAULT '2020-01-01', total numeric);
CREATE TABLE t_archive.child (PRIMARY KEY (id)) INHERITS (t_archive.parent);
CREATE TABLE t_archive.credits (order_id numeric, amount numeric);
SELECT loyalty.create_program('club', customers => 't_archive.customers');
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
SELECT loyalty.track_orders('club', 't_archive.parent', customer => 'customer_id', at => 'at', amount => 'total', order_key => 'id');
SELECT loyalty.track_refunds('club', 't_archive.credits', order_key => 'order_id', amount => 'amount');
INSERT INTO t_archive.child VALUES (7.0, 1, DEFAULT, 100), (8, 2, DEFAULT, 50);
INSERT INTO t_archive.parent VALUES (9, 2, DEFAULT, 10);
ALTER TABLE t_archive.child NO INHERIT t_archive.parent;
:reconcile
INSERT INTO t_archive.credits VALUES (7.00, 40), (8.0, 50), (9.00, 1);
:now
:verify
-- and one that did not count any more when it was archived
DELETE FROM club.earning_rule;
ALTER TABLE t_archive.child INHERIT t_archive.parent;
:reconcile
ALTER TABLE t_archive.child NO INHERIT t_archive.parent;
:reconcile
:now
:verify
-- a table of refunds that is tracked later: 60 - 10
CREATE TABLE t_archive.vouchers (order_id numeric, amount numeric);
INSERT INTO t_archive.vouchers VALUES (7, 10), (9, 1);
SELECT loyalty.track_refunds('club', 't_archive.vouchers', order_key => 'order_id', amount => 'amount');
:now
:verify
SELECT loyalty.drop_program('club', force => true);
REVOKE ALL ON DATABASE :DBNAME FROM regress_archive;
DROP SCHEMA t_archive CASCADE;
DROP OWNED BY regress_archive;
DROP ROLE regress_archive;
