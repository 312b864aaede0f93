-- How an order stands is read again wherever the rows of a statement cannot say it.
-- A point per unit of money: what each customer must have is in the column "should".
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE SCHEMA t_standing;
CREATE TABLE t_standing.customers (customer_id int PRIMARY KEY);
INSERT INTO t_standing.customers VALUES (1), (2), (3);
SELECT loyalty.create_program('club', customers => 't_standing.customers', time_zone => 'UTC');
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
CREATE FUNCTION t_standing.points(should text) RETURNS TABLE (points text, should text) LANGUAGE sql AS $$
	SELECT string_agg(m.customer_id || ': ' || m.points, ', ' ORDER BY m.customer_id), $1 FROM club.members m WHERE m.orders <> 0 OR m.points <> 0
$$;

-- Rows that are gone, while another row has the order -----------------------------

-- from a table into its child
CREATE TABLE t_standing.orders (id int PRIMARY KEY, customer_id int, at timestamptz DEFAULT '2024-01-01', total numeric);
SELECT loyalty.track_orders('club', 't_standing.orders', customer => 'customer_id', at => 'at', amount => 'total');
CREATE TABLE t_standing.orders_2024 () INHERITS (t_standing.orders);
INSERT INTO t_standing.orders VALUES (1, 1, '2024-01-01', 100);
BEGIN;
INSERT INTO t_standing.orders_2024 SELECT * FROM ONLY t_standing.orders;
DELETE FROM ONLY t_standing.orders;
COMMIT;
SELECT * FROM t_standing.points('1: 100');
-- the same with other rows beside it, one of which is not there again
INSERT INTO t_standing.orders SELECT i, 2, '2024-02-01', 10 FROM generate_series(2, 5) i;
BEGIN;
INSERT INTO t_standing.orders_2024 SELECT * FROM ONLY t_standing.orders WHERE id < 5;
DELETE FROM ONLY t_standing.orders;
COMMIT;
SELECT * FROM t_standing.points('1: 100, 2: 30');
-- a row of a child that gets another customer, while the parent has the order
BEGIN;
INSERT INTO t_standing.orders SELECT * FROM t_standing.orders_2024 WHERE id = 2;
UPDATE t_standing.orders_2024 SET customer_id = 3, id = 20 WHERE id = 2;
COMMIT;
SELECT * FROM t_standing.points('1: 100, 2: 30, 3: 10');
SELECT * FROM loyalty.verify('club');
-- from a partition into another
CREATE TABLE t_standing.parted (id int NOT NULL, customer_id int, at timestamptz, total numeric) PARTITION BY RANGE (at);
CREATE TABLE t_standing.p2023 PARTITION OF t_standing.parted FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
CREATE TABLE t_standing.p2024 PARTITION OF t_standing.parted FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE UNIQUE INDEX ON t_standing.parted (id, at);
SELECT loyalty.track_orders('club', 't_standing.parted', customer => 'customer_id', at => 'at', amount => 'total', order_key => 'id');
INSERT INTO t_standing.parted VALUES (1, 3, '2023-05-01', 7);
BEGIN;
INSERT INTO t_standing.p2024 SELECT id, customer_id, '2024-05-01', total FROM t_standing.p2023;
DELETE FROM t_standing.p2023;
COMMIT;
SELECT * FROM t_standing.points('1: 100, 2: 30, 3: 17');
-- in one statement
WITH gone AS (DELETE FROM t_standing.p2024 RETURNING *)
INSERT INTO t_standing.p2023 SELECT id, customer_id, '2023-06-01', total + 1 FROM gone;
SELECT * FROM t_standing.points('1: 100, 2: 30, 3: 18');
-- a key that is unique at the end of the transaction only
CREATE TABLE t_standing.later (id int PRIMARY KEY DEFERRABLE, customer_id int, at timestamptz DEFAULT '2024-01-01', total numeric);
SELECT loyalty.track_orders('club', 't_standing.later', customer => 'customer_id', at => 'at', amount => 'total');
INSERT INTO t_standing.later VALUES (1, 1, '2024-01-01', 1000);
BEGIN;
SET CONSTRAINTS ALL DEFERRED;
INSERT INTO t_standing.later VALUES (1, 1, '2024-01-01', 2000);
DELETE FROM t_standing.later WHERE total = 1000;
COMMIT;
SELECT * FROM t_standing.points('1: 2100, 2: 30, 3: 18');
-- an ordinary table, whose deleted rows are orders that are gone
CREATE TABLE t_standing.plain (id int PRIMARY KEY, customer_id int, at timestamptz DEFAULT '2024-01-01', total numeric);
SELECT loyalty.track_orders('club', 't_standing.plain', customer => 'customer_id', at => 'at', amount => 'total');
INSERT INTO t_standing.plain SELECT i, 3, '2024-01-01', 1 FROM generate_series(1, 1200) i;
DELETE FROM t_standing.plain WHERE id > 200;
SELECT * FROM t_standing.points('1: 2100, 2: 30, 3: 218');
-- ... until it has a child
CREATE TABLE t_standing.plain_child () INHERITS (t_standing.plain);
BEGIN;
INSERT INTO t_standing.plain_child SELECT * FROM ONLY t_standing.plain;
DELETE FROM ONLY t_standing.plain;
COMMIT;
SELECT * FROM t_standing.points('1: 2100, 2: 30, 3: 218');
SELECT * FROM loyalty.verify('club');
SELECT loyalty.drop_program('club', force => true);

-- One row more than once in a statement -----------------------------------------

CREATE TABLE t_standing.people (email text PRIMARY KEY);
CREATE TABLE t_standing.prices (price numeric PRIMARY KEY);
SELECT loyalty.create_program('club', customers => 't_standing.people', time_zone => 'UTC');
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
CREATE OR REPLACE FUNCTION t_standing.points(should text) RETURNS TABLE (points text, should text) LANGUAGE sql AS $$
	SELECT string_agg(m.email || ': ' || m.points, ', ' ORDER BY m.email), $1 FROM club.members m WHERE m.orders <> 0 OR m.points <> 0
$$;
-- two foreign keys hand a new key down, the one of the customer as second or as first
CREATE TABLE t_standing.mail (id int PRIMARY KEY, ship_to text REFERENCES t_standing.people ON UPDATE CASCADE, bill_to text REFERENCES t_standing.people ON UPDATE CASCADE,
                              at timestamptz DEFAULT '2024-01-01', total numeric);
SELECT loyalty.track_orders('club', 't_standing.mail', customer => 'bill_to', at => 'at', amount => 'total');
INSERT INTO t_standing.people VALUES ('old'), ('other');
INSERT INTO t_standing.mail VALUES (1, 'old', 'old', '2024-01-01', 5);
UPDATE t_standing.people SET email = 'new' WHERE email = 'old';
INSERT INTO t_standing.people VALUES ('old');
SELECT * FROM t_standing.points('new: 5');
CREATE TABLE t_standing.letter (id int PRIMARY KEY, bill_to text REFERENCES t_standing.people ON UPDATE CASCADE, ship_to text REFERENCES t_standing.people ON UPDATE CASCADE,
                                at timestamptz DEFAULT '2024-01-01', total numeric);
SELECT loyalty.track_orders('club', 't_standing.letter', customer => 'bill_to', at => 'at', amount => 'total');
INSERT INTO t_standing.letter VALUES (1, 'new', 'new', '2024-01-01', 60), (2, 'other', 'new', '2024-01-01', 70);
UPDATE t_standing.people SET email = 'newer' WHERE email = 'new';
INSERT INTO t_standing.people VALUES ('new');
SELECT * FROM t_standing.points('newer: 65, other: 70');
-- a customer in two columns, each of which changes by itself: a customer in between
CREATE TABLE t_standing.halves (id int PRIMARY KEY, one text REFERENCES t_standing.people ON UPDATE CASCADE, two text REFERENCES t_standing.people ON UPDATE CASCADE,
                                at timestamptz DEFAULT '2024-01-01', total numeric);
SELECT loyalty.track_orders('club', 't_standing.halves', customer => 'one || two', at => 'at', amount => 'total');
INSERT INTO t_standing.people VALUES ('aa'), ('ab'), ('ba'), ('bb'), ('a'), ('b');
INSERT INTO t_standing.halves VALUES (1, 'a', 'a', '2024-01-01', 800);
DELETE FROM t_standing.people WHERE email = 'b';
UPDATE t_standing.people SET email = 'b' WHERE email = 'a';
SELECT * FROM t_standing.points('bb: 800, newer: 65, other: 70');
-- the amount in two columns
CREATE TABLE t_standing.priced (id int PRIMARY KEY, customer text, net numeric REFERENCES t_standing.prices ON UPDATE CASCADE, extra numeric REFERENCES t_standing.prices ON UPDATE CASCADE,
                                at timestamptz DEFAULT '2024-01-01');
SELECT loyalty.track_orders('club', 't_standing.priced', customer => 'customer', at => 'at', amount => 'net + extra');
INSERT INTO t_standing.prices VALUES (1), (2);
INSERT INTO t_standing.priced SELECT i, 'other', 1, 1 + i % 2 FROM generate_series(1, 10) i;
UPDATE t_standing.prices SET price = 11 WHERE price = 1;
-- 70, 5 times 11 + 11, and 5 times 11 + 2
SELECT * FROM t_standing.points('bb: 800, newer: 65, other: 245');
-- one key sets null, the other removes the row
CREATE TABLE t_standing.parcel (id int PRIMARY KEY, bill_to text REFERENCES t_standing.people ON DELETE SET NULL, ship_to text REFERENCES t_standing.people ON DELETE CASCADE,
                                at timestamptz DEFAULT '2024-01-01', total numeric);
SELECT loyalty.track_orders('club', 't_standing.parcel', customer => 'coalesce(bill_to, ship_to)', at => 'at', amount => 'total');
INSERT INTO t_standing.parcel VALUES (1, 'ab', 'ab', '2024-01-01', 3), (2, 'ab', 'ba', '2024-01-01', 4), (3, 'ba', 'ab', '2024-01-01', 2);
SELECT * FROM t_standing.points('ab: 7, ba: 2, bb: 800, newer: 65, other: 245');
DELETE FROM t_standing.people WHERE email = 'ab';
SELECT * FROM t_standing.points('ba: 4, bb: 800, newer: 65, other: 245');
SELECT * FROM loyalty.verify('club');
CALL loyalty.post('club');
SELECT * FROM loyalty.verify('club');
SELECT loyalty.drop_program('club', force => true);

-- Rows that an UPDATE loses ------------------------------------------------------

SELECT loyalty.create_program('club', customers => 't_standing.customers', time_zone => 'UTC');
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
CREATE OR REPLACE FUNCTION t_standing.points(should text) RETURNS TABLE (points text, should text) LANGUAGE sql AS $$
	SELECT string_agg(m.customer_id || ': ' || m.points, ', ' ORDER BY m.customer_id), $1 FROM club.members m WHERE m.orders <> 0 OR m.points <> 0
$$;
CREATE FUNCTION t_standing.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RETURN CASE WHEN NEW.total < 10 THEN NEW END;
END $$;
CREATE TABLE t_standing.moving (id int, customer_id int, shelf int, at timestamptz DEFAULT '2024-01-01', total numeric) PARTITION BY LIST (shelf);
CREATE TABLE t_standing.moving_1 PARTITION OF t_standing.moving FOR VALUES IN (1);
CREATE TABLE t_standing.moving_2 PARTITION OF t_standing.moving FOR VALUES IN (2);
CREATE UNIQUE INDEX ON t_standing.moving (id, shelf);
CREATE TRIGGER refuse BEFORE INSERT ON t_standing.moving_2 FOR EACH ROW EXECUTE FUNCTION t_standing.refuse();
SELECT loyalty.track_orders('club', 't_standing.moving', customer => 'customer_id', at => 'at', amount => 'total', order_key => 'id');
INSERT INTO t_standing.moving (id, customer_id, shelf, total) VALUES (1, 1, 1, 50);
-- the only row
UPDATE t_standing.moving SET shelf = 2;
SELECT * FROM t_standing.points(NULL);
-- one of several, so that those behind it have no partner
INSERT INTO t_standing.moving (id, customer_id, shelf, total) VALUES (1, 1, 1, 1), (2, 2, 1, 20), (3, 3, 1, 3), (4, 1, 1, 4);
UPDATE t_standing.moving SET shelf = 2;
SELECT * FROM t_standing.points('1: 5, 3: 3');
-- ... with other customers and amounts
INSERT INTO t_standing.moving (id, customer_id, shelf, total) VALUES (5, 1, 1, 6), (6, 2, 1, 20), (7, 2, 1, 7);
UPDATE t_standing.moving SET shelf = 2, customer_id = 3 - customer_id, total = total + 1 WHERE shelf = 1;
SELECT * FROM t_standing.points('1: 13, 2: 7, 3: 3');
-- ... with other keys: each is the key of another row
INSERT INTO t_standing.moving (id, customer_id, shelf, total) VALUES (11, 3, 1, 30), (12, 3, 1, 2), (13, 3, 1, 1);
UPDATE t_standing.moving SET shelf = 2, id = id + 1 WHERE shelf = 1;
SELECT * FROM t_standing.points('1: 13, 2: 7, 3: 6');
SELECT id, total FROM t_standing.moving WHERE id > 10 ORDER BY 1;
SELECT * FROM loyalty.verify('club');
-- lines of orders
CREATE TABLE t_standing.baskets (id int PRIMARY KEY, customer_id int, at timestamptz DEFAULT '2024-01-01');
CREATE TABLE t_standing.basket_lines (id int, basket int, shelf int, total numeric) PARTITION BY LIST (shelf);
CREATE TABLE t_standing.basket_lines_1 PARTITION OF t_standing.basket_lines FOR VALUES IN (1);
CREATE TABLE t_standing.basket_lines_2 PARTITION OF t_standing.basket_lines FOR VALUES IN (2);
CREATE TRIGGER refuse BEFORE INSERT ON t_standing.basket_lines_2 FOR EACH ROW EXECUTE FUNCTION t_standing.refuse();
SELECT loyalty.track_orders('club', 't_standing.baskets', customer => 'customer_id', at => 'at',
                            lines => 't_standing.basket_lines', line_order => 'basket', line_amount => 'total');
INSERT INTO t_standing.baskets VALUES (1, 1), (2, 2);
INSERT INTO t_standing.basket_lines VALUES (1, 1, 1, 100), (2, 1, 1, 5), (3, 2, 1, 200), (4, 2, 1, 6);
SELECT * FROM t_standing.points('1: 118, 2: 213, 3: 6');
UPDATE t_standing.basket_lines SET shelf = 2;
SELECT * FROM t_standing.points('1: 18, 2: 13, 3: 6');
SELECT * FROM loyalty.verify('club');
CALL loyalty.post('club');
SELECT * FROM loyalty.verify('club');
SELECT loyalty.drop_program('club', force => true);
DROP SCHEMA t_standing CASCADE;
