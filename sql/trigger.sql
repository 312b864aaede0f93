-- Every way rows change counts once.  The answer of each step is checked
-- against the table by verify(), and shown.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE SCHEMA t_trigger;
CREATE TABLE t_trigger.customers (customer_id int PRIMARY KEY, created_at timestamptz);
INSERT INTO t_trigger.customers SELECT i, '2015-01-01' FROM generate_series(1, 3) i;
CREATE TABLE t_trigger.orders (order_id int PRIMARY KEY DEFERRABLE INITIALLY IMMEDIATE, customer_id int REFERENCES t_trigger.customers ON DELETE CASCADE,
                               at timestamptz DEFAULT '2020-01-01', total numeric, status text DEFAULT 'paid');
CREATE TABLE t_trigger.upsert (order_id int PRIMARY KEY, customer_id int, at timestamptz DEFAULT '2020-01-01', total numeric, status text DEFAULT 'paid');
SELECT loyalty.create_program('club', customers => 't_trigger.customers', joined_at => 'created_at');
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
SELECT loyalty.track_orders('club', 't_trigger.orders', customer => 'customer_id', at => 'at', amount => 'total', counts_when => $$status = 'paid'$$);
SELECT loyalty.track_orders('club', 't_trigger.upsert', customer => 'customer_id', at => 'at', amount => 'total', counts_when => $$status = 'paid'$$);
CREATE VIEW t_trigger.now AS SELECT customer_id, points, orders FROM club.members WHERE orders <> 0 OR points <> 0 ORDER BY 1;

-- INSERT, COPY, INSERT ... SELECT from itself
INSERT INTO t_trigger.orders (order_id, customer_id, total) VALUES (1, 1, 10), (2, 2, 20), (3, 1, 30);
COPY t_trigger.orders (order_id, customer_id, total) FROM stdin;
4	1	40
5	3	50
\.
INSERT INTO t_trigger.orders SELECT order_id + 100, customer_id, at, total + 1 FROM t_trigger.orders WHERE customer_id = 3;
SELECT * FROM t_trigger.now;
SELECT * FROM loyalty.verify('club') ORDER BY 1, 2, 3;
-- UPDATE that changes nothing writes nothing
SELECT count(*) FROM club.journal;
UPDATE t_trigger.orders SET total = total;
SELECT count(*) FROM club.journal;
-- UPDATE of amount, status, time, customer, key
UPDATE t_trigger.orders SET total = 15 WHERE order_id = 1;
UPDATE t_trigger.orders SET status = 'refunded' WHERE order_id = 2;
UPDATE t_trigger.orders SET at = '2019-01-01' WHERE order_id = 3;
UPDATE t_trigger.orders SET customer_id = 2 WHERE order_id = 4;
UPDATE t_trigger.orders SET customer_id = NULL WHERE order_id = 5;
SELECT * FROM t_trigger.now;
SELECT * FROM loyalty.verify('club') ORDER BY 1, 2, 3;
CALL loyalty.post('club');
BEGIN;
SET CONSTRAINTS ALL DEFERRED;
UPDATE t_trigger.orders SET order_id = order_id + 1;
COMMIT;
SELECT * FROM t_trigger.now;
SELECT * FROM loyalty.verify('club') ORDER BY 1, 2, 3;
UPDATE t_trigger.orders SET order_id = CASE order_id WHEN 2 THEN 4 WHEN 4 THEN 2 ELSE order_id END;
SELECT * FROM loyalty.verify('club') ORDER BY 1, 2, 3;
-- flapping leaves no trace in the sums
UPDATE t_trigger.orders SET status = 'refunded' WHERE order_id = 2;
UPDATE t_trigger.orders SET status = 'paid' WHERE order_id = 2;
UPDATE t_trigger.orders SET status = 'refunded' WHERE order_id = 2;
UPDATE t_trigger.orders SET status = 'paid' WHERE order_id = 2;
SELECT * FROM t_trigger.now;
-- DELETE, and the same order again
DELETE FROM t_trigger.orders WHERE order_id = 2;
SELECT * FROM t_trigger.now;
INSERT INTO t_trigger.orders (order_id, customer_id, total) VALUES (2, 2, 30);
SELECT * FROM t_trigger.now;
SELECT * FROM loyalty.verify('club') ORDER BY 1, 2, 3;
-- upserts
INSERT INTO t_trigger.upsert (order_id, customer_id, total) VALUES (1, 3, 5), (2, 3, 6)
	ON CONFLICT (order_id) DO UPDATE SET total = excluded.total;
INSERT INTO t_trigger.upsert (order_id, customer_id, total) VALUES (1, 3, 7), (3, 3, 8)
	ON CONFLICT (order_id) DO UPDATE SET total = excluded.total;
INSERT INTO t_trigger.upsert (order_id, customer_id, total) VALUES (1, 3, 100) ON CONFLICT DO NOTHING;
SELECT * FROM t_trigger.now;
SELECT * FROM loyalty.verify('club') ORDER BY 1, 2, 3;
-- MERGE, which came with 15, or what it does
SELECT current_setting('server_version_num')::int >= 150000 AS has_merge \gset
\if :has_merge
MERGE INTO t_trigger.upsert u USING (VALUES (1, 70), (2, 0), (9, 90)) v (id, total) ON u.order_id = v.id
 WHEN MATCHED AND v.total = 0 THEN DELETE
 WHEN MATCHED THEN UPDATE SET total = v.total
 WHEN NOT MATCHED THEN INSERT (order_id, customer_id, total) VALUES (v.id, 3, v.total);
\else
DELETE FROM t_trigger.upsert WHERE order_id = 2;
UPDATE t_trigger.upsert SET total = 70 WHERE order_id = 1;
INSERT INTO t_trigger.upsert (order_id, customer_id, total) VALUES (9, 3, 90);
\endif
SELECT * FROM t_trigger.now;
SELECT * FROM loyalty.verify('club') ORDER BY 1, 2, 3;
-- writable CTEs
WITH gone AS (DELETE FROM t_trigger.upsert WHERE order_id = 9 RETURNING *),
     more AS (UPDATE t_trigger.upsert SET total = total + 1 WHERE order_id = 1 RETURNING *)
INSERT INTO t_trigger.upsert SELECT order_id + 1, customer_id, at, total FROM gone;
SELECT * FROM t_trigger.now;
SELECT * FROM loyalty.verify('club') ORDER BY 1, 2, 3;
-- rollback, savepoints, exceptions
BEGIN;
INSERT INTO t_trigger.upsert (order_id, customer_id, total) VALUES (20, 3, 1000);
SAVEPOINT a;
INSERT INTO t_trigger.upsert (order_id, customer_id, total) VALUES (21, 3, 2000);
ROLLBACK TO a;
SELECT points FROM club.members WHERE customer_id = 3;
SELECT * FROM loyalty.verify('club') ORDER BY 1, 2, 3;
ROLLBACK;
DO $$
BEGIN
	INSERT INTO t_trigger.upsert (order_id, customer_id, total) VALUES (22, 3, 3000);
	RAISE division_by_zero;
EXCEPTION WHEN division_by_zero THEN NULL;
END $$;
SELECT * FROM t_trigger.now;
-- another trigger that changes the row again, before and after ours by name
CREATE FUNCTION t_trigger.again() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	UPDATE t_trigger.upsert SET total = 60, status = tg_argv[0] WHERE order_id = NEW.order_id AND total = 50;
	RETURN NULL;
END $$;
CREATE TRIGGER aaa AFTER INSERT ON t_trigger.upsert FOR EACH ROW EXECUTE FUNCTION t_trigger.again('paid');
INSERT INTO t_trigger.upsert (order_id, customer_id, total) VALUES (30, 2, 50);
SELECT * FROM t_trigger.now WHERE customer_id = 2;
SELECT * FROM loyalty.verify('club') ORDER BY 1, 2, 3;
DROP TRIGGER aaa ON t_trigger.upsert;
-- ... by cancelling it
CREATE TRIGGER zzz AFTER INSERT OR UPDATE ON t_trigger.upsert FOR EACH ROW EXECUTE FUNCTION t_trigger.again('cancelled');
INSERT INTO t_trigger.upsert (order_id, customer_id, total) VALUES (31, 2, 50), (32, 2, 51);
UPDATE t_trigger.upsert SET total = 50 WHERE order_id = 30;
SELECT * FROM t_trigger.now WHERE customer_id = 2;
SELECT * FROM loyalty.verify('club') ORDER BY 1, 2, 3;
DROP TRIGGER zzz ON t_trigger.upsert;
-- ... or removing it
CREATE FUNCTION t_trigger.gone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM t_trigger.upsert WHERE order_id = NEW.order_id;
	RETURN NULL;
END $$;
CREATE TRIGGER zzz AFTER INSERT ON t_trigger.upsert FOR EACH STATEMENT EXECUTE FUNCTION t_trigger.gone();
CREATE TRIGGER aaa AFTER INSERT ON t_trigger.upsert FOR EACH ROW EXECUTE FUNCTION t_trigger.gone();
INSERT INTO t_trigger.upsert (order_id, customer_id, total) VALUES (33, 2, 500);
SELECT * FROM t_trigger.now WHERE customer_id = 2;
SELECT * FROM loyalty.verify('club') ORDER BY 1, 2, 3;
DROP TRIGGER aaa ON t_trigger.upsert;
DROP TRIGGER zzz ON t_trigger.upsert;
-- a function called by the statement changes the table
CREATE FUNCTION t_trigger.nested(id int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO t_trigger.upsert (order_id, customer_id, total) VALUES (id, 2, 1);
	UPDATE t_trigger.upsert SET total = 2 WHERE order_id = id;
	RETURN id + 1;
END $$;
INSERT INTO t_trigger.upsert (order_id, customer_id, total) SELECT t_trigger.nested(40), 2, 3;
SELECT * FROM loyalty.verify('club') ORDER BY 1, 2, 3;
-- cascade from the customer: points of an order that is gone are gone
DELETE FROM t_trigger.customers WHERE customer_id = 1;
SELECT * FROM t_trigger.now;
SELECT * FROM loyalty.verify('club') ORDER BY 1, 2, 3;
-- generated columns, which expressions may use: virtual ones where there are any
SELECT CASE WHEN current_setting('server_version_num')::int >= 180000 THEN 'VIRTUAL' ELSE 'STORED' END AS kind \gset
CREATE TABLE t_trigger.computed (order_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer_id int, at timestamptz DEFAULT '2020-01-01',
                                 net numeric, vat numeric, total numeric GENERATED ALWAYS AS (net + vat) :kind);
CREATE VIEW t_trigger.computed_now AS
SELECT r.customer AS customer_id, r.order_key, r.amount FROM club.recorded_orders r JOIN club.tracked_table s USING (tracked_table)
 WHERE s.relation = 't_trigger.computed'::regclass AND r.counts ORDER BY 2;
SELECT loyalty.track_orders('club', 't_trigger.computed', customer => 'customer_id', at => 'at', amount => 'total');
INSERT INTO t_trigger.computed (customer_id, net, vat) VALUES (2, 10, 1), (2, 20, 2);
INSERT INTO t_trigger.computed (order_id, customer_id, net, vat) OVERRIDING SYSTEM VALUE VALUES (77, 2, 30, 3);
UPDATE t_trigger.computed SET vat = 0 WHERE order_id = 2;
SELECT * FROM t_trigger.computed_now;
-- UPDATE ... FROM, DELETE ... USING, a cursor
UPDATE t_trigger.computed c SET net = v.net FROM (VALUES (1, 11), (77, 31)) v (id, net) WHERE v.id = c.order_id;
DELETE FROM t_trigger.computed USING (VALUES (77)) v (id) WHERE v.id = order_id;
BEGIN;
DECLARE it CURSOR FOR SELECT * FROM t_trigger.computed WHERE order_id = 1 FOR UPDATE;
FETCH it;
UPDATE t_trigger.computed SET net = 12 WHERE CURRENT OF it;
COMMIT;
SELECT * FROM t_trigger.computed_now;
SELECT * FROM loyalty.verify('club') ORDER BY 1, 2, 3;
-- updatable views, with and without an INSTEAD OF trigger
CREATE VIEW t_trigger.big AS SELECT order_id, customer_id, net, vat FROM t_trigger.computed WHERE net >= 10 WITH CHECK OPTION;
INSERT INTO t_trigger.big (customer_id, net, vat) VALUES (2, 50, 5);
\set VERBOSITY terse
INSERT INTO t_trigger.big (customer_id, net, vat) VALUES (2, 5, 5);
\set VERBOSITY default
UPDATE t_trigger.big SET net = net + 1 WHERE net = 50;
DELETE FROM t_trigger.big WHERE order_id = 1;
SELECT * FROM t_trigger.computed_now;
CREATE VIEW t_trigger.instead AS SELECT customer_id, net FROM t_trigger.computed;
CREATE FUNCTION t_trigger.instead() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO t_trigger.computed (customer_id, net, vat) VALUES (NEW.customer_id, NEW.net, 0);
	RETURN NEW;
END $$;
CREATE TRIGGER instead INSTEAD OF INSERT ON t_trigger.instead FOR EACH ROW EXECUTE FUNCTION t_trigger.instead();
INSERT INTO t_trigger.instead VALUES (2, 60), (2, 61);
SELECT * FROM t_trigger.computed_now;
SELECT * FROM loyalty.verify('club') ORDER BY 1, 2, 3;
-- rules that do something else, or more
CREATE RULE keep AS ON DELETE TO t_trigger.computed WHERE OLD.net > 60 DO INSTEAD UPDATE t_trigger.computed SET vat = 100 WHERE order_id = OLD.order_id;
CREATE RULE twice AS ON INSERT TO t_trigger.upsert DO ALSO INSERT INTO t_trigger.computed (customer_id, net, vat) VALUES (NEW.customer_id, NEW.total, 1);
DELETE FROM t_trigger.computed WHERE net >= 60;
INSERT INTO t_trigger.upsert (order_id, customer_id, total) VALUES (50, 2, 500);
SELECT * FROM t_trigger.computed_now;
SELECT * FROM loyalty.verify('club') ORDER BY 1, 2, 3;
DROP RULE twice ON t_trigger.upsert;
DROP RULE keep ON t_trigger.computed;
-- BEFORE triggers that change or drop rows
CREATE FUNCTION t_trigger.before() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.net = 13 THEN RETURN NULL; END IF;
	NEW.vat := 7;
	RETURN NEW;
END $$;
CREATE TRIGGER before BEFORE INSERT OR UPDATE ON t_trigger.computed FOR EACH ROW EXECUTE FUNCTION t_trigger.before();
INSERT INTO t_trigger.computed (customer_id, net, vat) VALUES (2, 13, 1), (2, 14, 1);
SELECT * FROM t_trigger.computed_now WHERE amount BETWEEN 13 AND 30;
DROP TRIGGER before ON t_trigger.computed;
-- a deferred trigger that changes the order at commit
CREATE FUNCTION t_trigger.later() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	UPDATE t_trigger.computed SET net = 1000 WHERE order_id = NEW.order_id;
	RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER later AFTER INSERT ON t_trigger.computed DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION t_trigger.later();
BEGIN;
INSERT INTO t_trigger.computed (customer_id, net, vat) VALUES (2, 15, 0);
SELECT amount FROM t_trigger.computed_now WHERE amount IN (15, 1000);
COMMIT;
SELECT amount FROM t_trigger.computed_now WHERE amount IN (15, 1000);
SELECT * FROM loyalty.verify('club') ORDER BY 1, 2, 3;
DROP TRIGGER later ON t_trigger.computed;
-- COPY ... FREEZE into a table that is made, or emptied, in the same transaction
BEGIN;
TRUNCATE t_trigger.computed;
COPY t_trigger.computed (customer_id, net, vat) FROM stdin WITH (FREEZE);
2	1	1
3	2	2
\.
COMMIT;
SELECT customer_id, amount FROM t_trigger.computed_now ORDER BY 1, 2;
SELECT * FROM loyalty.verify('club') ORDER BY 1, 2, 3;
-- a table that is made, tracked and filled in one transaction
BEGIN;
CREATE TABLE t_trigger.young (order_id int PRIMARY KEY, customer_id int REFERENCES t_trigger.customers ON UPDATE CASCADE ON DELETE SET NULL,
                              at timestamptz DEFAULT '2020-01-01', total numeric);
SELECT loyalty.track_orders('club', 't_trigger.young', customer => 'customer_id', at => 'at', amount => 'total');
COPY t_trigger.young (order_id, customer_id, total) FROM stdin WITH (FREEZE);
1	3	7000
2	3	8000
\.
COMMIT;
-- foreign keys that hand a new key, or none, down to the orders
INSERT INTO t_trigger.customers VALUES (4, '2015-01-01'), (5, '2015-01-01');
UPDATE t_trigger.young SET customer_id = order_id + 3;
UPDATE t_trigger.customers SET customer_id = 6 WHERE customer_id = 4;
DELETE FROM t_trigger.customers WHERE customer_id = 5;
SELECT * FROM t_trigger.now WHERE customer_id > 3;
SELECT * FROM loyalty.verify('club') ORDER BY 1, 2, 3;
-- TRUNCATE
BEGIN;
TRUNCATE t_trigger.customers CASCADE;
SELECT coalesce(sum(points_change), 0) FROM club.unposted u JOIN club.tracked_table s USING (tracked_table) WHERE s.relation = 't_trigger.orders'::regclass AND revision > 1;
SELECT * FROM loyalty.verify('club') ORDER BY 1, 2, 3;
ROLLBACK;
TRUNCATE t_trigger.upsert;
SELECT * FROM t_trigger.now;
SELECT * FROM loyalty.verify('club') ORDER BY 1, 2, 3;
CALL loyalty.post('club');
SELECT * FROM loyalty.verify('club') ORDER BY 1, 2, 3;
-- triggers switched off: verify() sees it
SET session_replication_role = replica;
INSERT INTO t_trigger.orders (order_id, customer_id, total) VALUES (900, 2, 9);
UPDATE t_trigger.orders SET total = total + 1 WHERE order_id = 2;
RESET session_replication_role;
SELECT * FROM loyalty.verify('club') ORDER BY 1, 2, 3;
-- any later change of the order mends it
UPDATE t_trigger.orders SET status = status WHERE order_id IN (900, 2);
SELECT * FROM loyalty.verify('club') ORDER BY 1, 2, 3;
ALTER TABLE t_trigger.orders DISABLE TRIGGER loyalty_insert_club_1;
SELECT * FROM loyalty.verify('club') ORDER BY 1, 2, 3;
ALTER TABLE t_trigger.orders ENABLE TRIGGER loyalty_insert_club_1;
-- DDL between statements of one session
ALTER TABLE t_trigger.orders ADD COLUMN note text DEFAULT 'x';
ALTER TABLE t_trigger.orders RENAME TO purchases;
ALTER TABLE t_trigger.purchases DROP COLUMN note;
INSERT INTO t_trigger.purchases (order_id, customer_id, total) VALUES (901, 3, 5);
SELECT * FROM loyalty.verify('club') ORDER BY 1, 2, 3;

-- partitions: through the root and on the leaf, another column order, moves
CREATE TABLE t_trigger.parted (order_id int, customer_id int, at timestamptz, total numeric, status text DEFAULT 'paid', PRIMARY KEY (order_id, at)) PARTITION BY RANGE (at);
CREATE TABLE t_trigger.p2020 PARTITION OF t_trigger.parted FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE TABLE t_trigger.p2021 (status text DEFAULT 'paid', extra int, total numeric, at timestamptz NOT NULL, customer_id int, order_id int NOT NULL);
ALTER TABLE t_trigger.p2021 DROP COLUMN extra;
ALTER TABLE t_trigger.parted ATTACH PARTITION t_trigger.p2021 FOR VALUES FROM ('2021-01-01') TO ('2022-01-01');
SELECT loyalty.track_orders('club', 't_trigger.parted', customer => 'customer_id', at => 'at', amount => 'total', counts_when => $$status = 'paid'$$, order_key => 'order_id');
INSERT INTO t_trigger.parted VALUES (1, 2, '2020-05-01', 100), (2, 2, '2021-05-01', 200);
INSERT INTO t_trigger.p2020 VALUES (3, 2, '2020-06-01', 300);
INSERT INTO t_trigger.p2021 (order_id, customer_id, at, total) VALUES (4, 2, '2021-06-01', 400);
SELECT * FROM t_trigger.now WHERE customer_id = 2;
SELECT * FROM loyalty.verify('club') ORDER BY 1, 2, 3;
UPDATE t_trigger.parted SET at = at + interval '1 year' WHERE order_id IN (1, 3);
UPDATE t_trigger.p2021 SET total = total + 1 WHERE order_id = 1;
DELETE FROM t_trigger.p2021 WHERE order_id = 4;
SELECT * FROM loyalty.verify('club') ORDER BY 1, 2, 3;
TRUNCATE t_trigger.p2021;
SELECT * FROM t_trigger.now WHERE customer_id = 2;
SELECT * FROM loyalty.verify('club') ORDER BY 1, 2, 3;
-- many orders of customers that have posted ones, some of them posted before
CALL loyalty.post('club');
DELETE FROM t_trigger.upsert;
INSERT INTO t_trigger.upsert SELECT i, 1 + i % 3, '2020-01-01', i % 47 FROM generate_series(1, 1500) i;
CALL loyalty.post('club');
UPDATE club.earning_rule SET points = 'amount * 2';
DELETE FROM t_trigger.upsert WHERE order_id % 2 = 0;
INSERT INTO t_trigger.upsert SELECT i, 1 + i % 3, '2020-01-01', i % 47 FROM generate_series(1, 3000) i WHERE i % 2 = 0 OR i > 1500;
SELECT count(*), sum(points) FROM club.entries WHERE tracked_table = 2 AND counts;
SELECT * FROM loyalty.verify('club') ORDER BY 1, 2, 3;
-- a trigger that puts a deleted order back
CREATE FUNCTION t_trigger.back() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO t_trigger.upsert VALUES (OLD.order_id, OLD.customer_id, OLD.at, 5);
	RETURN NULL;
END $$;
CREATE TRIGGER aaa AFTER DELETE ON t_trigger.upsert FOR EACH ROW EXECUTE FUNCTION t_trigger.back();
DELETE FROM t_trigger.upsert WHERE order_id < 4;
SELECT * FROM loyalty.verify('club') ORDER BY 1, 2, 3;
DROP TRIGGER aaa ON t_trigger.upsert;
SELECT loyalty.drop_program('club', force => true);
DROP SCHEMA t_trigger CASCADE;
