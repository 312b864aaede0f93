-- Partitions that come and go, loads with triggers disabled: what no trigger
-- saw is shown by verify() and mended by reconcile().
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';
CREATE SCHEMA t_part;
CREATE TABLE t_part.customers (customer_id int PRIMARY KEY);
INSERT INTO t_part.customers SELECT generate_series(1, 3);
CREATE TABLE t_part.orders (order_id int, customer_id int, at timestamptz, total numeric, PRIMARY KEY (order_id, at)) PARTITION BY RANGE (at);
CREATE TABLE t_part.y2020 PARTITION OF t_part.orders FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE TABLE t_part.y2021 (note text, total numeric, at timestamptz NOT NULL, customer_id int, order_id int NOT NULL) PARTITION BY LIST (customer_id);
ALTER TABLE t_part.y2021 DROP COLUMN note;
CREATE TABLE t_part.y2021a PARTITION OF t_part.y2021 FOR VALUES IN (1, 2);
CREATE TABLE t_part.y2021b PARTITION OF t_part.y2021 DEFAULT;
ALTER TABLE t_part.orders DROP CONSTRAINT orders_pkey;
ALTER TABLE t_part.orders ATTACH PARTITION t_part.y2021 FOR VALUES FROM ('2021-01-01') TO ('2022-01-01');
SELECT loyalty.create_program('club', customers => 't_part.customers');
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
SELECT loyalty.track_orders('club', 't_part.orders', customer => 'customer_id', at => 'at', amount => 'total');
SELECT loyalty.track_orders('club', 't_part.orders', customer => 'customer_id', at => 'at', amount => 'total', order_key => 'order_id', key_is_unique => true);
CREATE VIEW t_part.now AS SELECT customer_id, points, orders FROM club.members WHERE orders <> 0 OR points <> 0 ORDER BY 1;
-- through the root, a middle partition and a leaf; a move between partitions
INSERT INTO t_part.orders VALUES (1, 1, '2020-02-01', 10), (2, 1, '2021-02-01', 20), (3, 3, '2021-02-01', 30);
INSERT INTO t_part.y2021 (order_id, customer_id, at, total) VALUES (4, 1, '2021-03-01', 40), (5, 3, '2021-03-01', 50);
INSERT INTO t_part.y2021b (order_id, customer_id, at, total) VALUES (6, 3, '2021-04-01', 60);
UPDATE t_part.orders SET at = at + interval '1 year' WHERE order_id = 1;
UPDATE t_part.y2021 SET customer_id = 2 WHERE order_id = 5;
SELECT * FROM t_part.now;
SELECT * FROM loyalty.verify('club');
-- a new partition, through the root and by its own name
CREATE TABLE t_part.y2022 PARTITION OF t_part.orders FOR VALUES FROM ('2022-01-01') TO ('2023-01-01');
INSERT INTO t_part.orders VALUES (7, 2, '2022-02-01', 70);
INSERT INTO t_part.y2022 VALUES (8, 2, '2022-02-01', 80);
SELECT * FROM loyalty.verify('club');
INSERT INTO t_part.y2022 VALUES (9, 2, '2022-02-01', 90);
SELECT * FROM t_part.now;
-- a filled table is attached
CREATE TABLE t_part.y2023 (LIKE t_part.orders);
INSERT INTO t_part.y2023 VALUES (10, 3, '2023-02-01', 100);
ALTER TABLE t_part.orders ATTACH PARTITION t_part.y2023 FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
SELECT violation, customer, order_key FROM loyalty.verify('club') ORDER BY 1, 2, 3;
SELECT * FROM loyalty.reconcile('club');
SELECT * FROM t_part.now;
-- archiving takes no points away: neither DETACH nor DROP
CALL loyalty.post('club');
ALTER TABLE t_part.orders DETACH PARTITION t_part.y2022;
DROP TABLE t_part.y2020;
SELECT * FROM t_part.now;
SELECT violation, customer, order_key FROM loyalty.verify('club') ORDER BY 1, 2, 3;
SET client_min_messages = warning;
UPDATE t_part.y2022 SET total = 0 WHERE order_id = 9;
SELECT * FROM loyalty.reconcile('club');
UPDATE t_part.y2022 SET total = 0 WHERE order_id = 8;
SELECT * FROM t_part.now;
SELECT * FROM loyalty.verify('club');
-- and what comes back counts as it stands
ALTER TABLE t_part.orders ATTACH PARTITION t_part.y2022 FOR VALUES FROM ('2022-01-01') TO ('2023-01-01');
SELECT violation, customer, order_key FROM loyalty.verify('club') ORDER BY 1, 2, 3;
SELECT * FROM loyalty.reconcile('club');
SELECT * FROM t_part.now;
DELETE FROM t_part.y2022 WHERE order_id = 7;
SELECT * FROM t_part.now;
SELECT * FROM loyalty.verify('club');
-- a load, and a deletion, with triggers disabled
ALTER TABLE t_part.y2021a DISABLE TRIGGER USER;
INSERT INTO t_part.y2021a (order_id, customer_id, at, total) VALUES (20, 1, '2021-05-01', 200);
DELETE FROM t_part.y2021a WHERE order_id = 2;
SELECT violation, customer, order_key FROM loyalty.verify('club') ORDER BY 1, 2, 3;
ALTER TABLE t_part.y2021a ENABLE TRIGGER USER;
SELECT * FROM loyalty.reconcile('club', missing => 'drop');
SELECT * FROM loyalty.reconcile('club', missing => 'reverse');
SELECT * FROM t_part.now;
SELECT * FROM loyalty.verify('club');
-- the same in replica role, where triggers are silent by design
SET session_replication_role = replica;
INSERT INTO t_part.orders VALUES (21, 3, '2021-06-01', 300);
RESET session_replication_role;
SELECT violation, customer, order_key FROM loyalty.verify('club') ORDER BY 1, 2, 3;
SELECT recorded FROM loyalty.reconcile('club');
SELECT * FROM t_part.now;
SELECT * FROM loyalty.verify('club');
-- a partition that is made without event triggers
SET session_replication_role = replica;
CREATE TABLE t_part.y2024 PARTITION OF t_part.orders FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
RESET session_replication_role;
INSERT INTO t_part.y2024 VALUES (22, 3, '2024-06-01', 400);
SELECT violation, customer, order_key FROM loyalty.verify('club') ORDER BY 1, 2, 3;
SELECT triggers_made, recorded FROM loyalty.reconcile('club');
SELECT * FROM loyalty.verify('club');
-- partitions with partitions of their own, made before and after they are attached
CREATE TABLE t_part.y2025 (LIKE t_part.orders) PARTITION BY LIST (customer_id);
CREATE TABLE t_part.y2025a PARTITION OF t_part.y2025 FOR VALUES IN (1);
ALTER TABLE t_part.orders ATTACH PARTITION t_part.y2025 FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE t_part.y2025b PARTITION OF t_part.y2025 DEFAULT PARTITION BY HASH (order_id);
CREATE TABLE t_part.y2025b0 PARTITION OF t_part.y2025b FOR VALUES WITH (MODULUS 1, REMAINDER 0);
INSERT INTO t_part.y2025a VALUES (30, 1, '2025-06-01', 1);
INSERT INTO t_part.y2025b VALUES (31, 2, '2025-06-01', 1);
INSERT INTO t_part.y2025b0 VALUES (32, 3, '2025-06-01', 1);
SELECT c.relname, count(*) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
 WHERE tgfoid = '_loyalty.record'::regproc AND c.relname LIKE 'y2025%' GROUP BY 1 ORDER BY 1;
SELECT * FROM t_part.now;
SELECT * FROM loyalty.verify('club');
-- who makes a partition has no right to the program, and needs none
CREATE ROLE regress_part;
GRANT ALL ON SCHEMA t_part TO regress_part;
SELECT loyalty.untrack('club', 't_part.orders');
ALTER TABLE t_part.orders OWNER TO regress_part;
SELECT loyalty.track_orders('club', 't_part.orders', customer => 'customer_id', at => 'at', amount => 'total', order_key => 'order_id', key_is_unique => true);
SET ROLE regress_part;
CREATE TABLE t_part.y2026 PARTITION OF t_part.orders FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
INSERT INTO t_part.y2026 VALUES (40, 1, '2026-06-01', 1);
RESET ROLE;
SELECT * FROM t_part.now;
SELECT * FROM loyalty.verify('club');
-- foreign tables can't have such triggers
CREATE FOREIGN DATA WRAPPER t_part;
CREATE SERVER t_part FOREIGN DATA WRAPPER t_part;
CREATE FOREIGN TABLE t_part.y2027 (order_id int NOT NULL, customer_id int, at timestamptz NOT NULL, total numeric) SERVER t_part;
ALTER TABLE t_part.orders ATTACH PARTITION t_part.y2027 FOR VALUES FROM ('2027-01-01') TO ('2028-01-01');
ALTER TABLE t_part.orders DETACH PARTITION t_part.y2027;
DROP FOREIGN DATA WRAPPER t_part CASCADE;
-- inheritance: through the parent and a child, whose columns are in another order
CREATE TABLE t_part.parent (order_id int PRIMARY KEY, customer_id int, at timestamptz DEFAULT '2020-01-01', total numeric);
CREATE TABLE t_part.other (extra text, total numeric, at timestamptz DEFAULT '2020-01-01', customer_id int, order_id int);
CREATE TABLE t_part.child (total numeric, note text) INHERITS (t_part.parent);
INSERT INTO t_part.child (order_id, customer_id, total) VALUES (1001, 1, 1000);
SELECT loyalty.track_orders('club', 't_part.parent', customer => 'customer_id', at => 'at', amount => 'total', key_is_unique => true);
CREATE TABLE t_part.grandchild (more text) INHERITS (t_part.child);
ALTER TABLE t_part.other ALTER COLUMN order_id SET NOT NULL;
ALTER TABLE t_part.other INHERIT t_part.parent;
INSERT INTO t_part.parent (order_id, customer_id, total) VALUES (1002, 1, 2000);
INSERT INTO t_part.child (order_id, customer_id, total) VALUES (1003, 2, 3000);
INSERT INTO t_part.grandchild (order_id, customer_id, total) VALUES (1004, 2, 4000);
INSERT INTO t_part.other (order_id, customer_id, total) VALUES (1005, 3, 5000);
SELECT * FROM t_part.now;
SELECT * FROM loyalty.verify('club');
UPDATE t_part.parent SET total = total * 2 WHERE order_id <> 1002;
SELECT * FROM t_part.now;
UPDATE ONLY t_part.child SET total = 1 WHERE order_id IN (1003, 1004);
UPDATE t_part.other SET customer_id = 1;
DELETE FROM t_part.parent WHERE order_id = 1004;
SELECT * FROM t_part.now;
SELECT * FROM loyalty.verify('club');
-- temporary children are no part of it
CREATE TEMPORARY TABLE passing () INHERITS (t_part.parent);
DROP TABLE passing;
-- what can be changed through a parent that is not tracked
SELECT loyalty.track_orders('club', 't_part.child', customer => 'customer_id', at => 'at', amount => 'total', order_key => 'order_id');
SELECT loyalty.track_orders('club', 't_part.y2023', customer => 'customer_id', at => 'at', amount => 'total', order_key => 'order_id');
CREATE TABLE t_part.parent2 (order_id int PRIMARY KEY, customer_id int, at timestamptz DEFAULT '2020-01-01', total numeric);
CREATE TABLE t_part.of_two () INHERITS (t_part.parent, t_part.parent2);
SELECT loyalty.track_orders('club', 't_part.parent2', customer => 'customer_id', at => 'at', amount => 'total');
SELECT * FROM loyalty.verify('club');
DROP TABLE t_part.of_two;
-- a tracked table becomes a partition of a new one, which takes its place
SELECT loyalty.track_orders('club', 't_part.parent2', customer => 'customer_id', at => 'at', amount => 'total');
INSERT INTO t_part.parent2 VALUES (2001, 3, DEFAULT, 6000);
CREATE TABLE t_part.whole (LIKE t_part.parent2) PARTITION BY LIST (order_id);
-- (13 refuses to attach a table with triggers of this kind)
SELECT current_setting('server_version_num')::int >= 150000 AS attaches \gset
SET client_min_messages = error;
\if :attaches
ALTER TABLE t_part.whole ATTACH PARTITION t_part.parent2 DEFAULT;
\else
DO $$
BEGIN
	PERFORM loyalty.untrack('club', 't_part.parent2');
	ALTER TABLE t_part.whole ATTACH PARTITION t_part.parent2 DEFAULT;
	SET LOCAL loyalty.tracking = 'on';	-- 15 has it so by itself
	UPDATE club.tracked_table SET active = true WHERE relation = 't_part.parent2'::regclass;
	SET LOCAL loyalty.tracking = 'off';
	PERFORM loyalty.resume('club', 't_part.parent2');
END $$;
\endif
SET client_min_messages = warning;
SELECT DISTINCT violation FROM loyalty.verify('club') WHERE violation LIKE '%part of%';
UPDATE club.tracked_table SET relation = 't_part.whole' WHERE relation = 't_part.parent2'::regclass;
SELECT relation, recorded, archived, reversed FROM loyalty.reconcile('club') WHERE relation = 't_part.whole'::regclass;
INSERT INTO t_part.whole VALUES (2002, 3, DEFAULT, 3000);
UPDATE t_part.whole SET total = total + 1;
UPDATE t_part.parent2 SET total = total + 1;
SELECT * FROM t_part.now;
SELECT * FROM loyalty.verify('club');
DELETE FROM t_part.whole;
-- archived with its child; taken back with a TRUNCATE, which goes down the tree
ALTER TABLE t_part.other NO INHERIT t_part.parent;
SELECT * FROM loyalty.reconcile('club');
SELECT * FROM t_part.now;
SELECT * FROM loyalty.verify('club');
TRUNCATE t_part.parent;
SELECT * FROM t_part.now;
SELECT * FROM loyalty.verify('club');
SELECT loyalty.drop_program('club', force => true);
SELECT count(*) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid WHERE c.relnamespace = 't_part'::regnamespace AND tgname LIKE 'loyalty%';
DROP SCHEMA t_part CASCADE;
DROP ROLE regress_part;
