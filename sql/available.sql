-- Orders that say themselves when their points become available.  What is there at any moment
-- was worked out by hand; the comments say it.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, MDY';
CREATE SCHEMA t_available;
SET search_path = t_available;
CREATE TABLE customers (id int PRIMARY KEY);
INSERT INTO customers SELECT generate_series(1, 40);
CREATE TABLE orders (id int PRIMARY KEY, customer int, at timestamptz, total numeric,
	shipped_at timestamptz, status text DEFAULT 'open');
SELECT loyalty.create_program('club', customers => 'customers', time_zone => 'Europe/Vienna');
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
SELECT loyalty.track_orders('club', 'orders', customer => 'customer', at => 'at',
	amount => 'total', counts_when => $$status <> 'cancelled'$$,
	available_at => $$coalesce(shipped_at + interval '14 days', 'infinity')$$);
SELECT a.attname, a.atttypid::regtype, col_description(a.attrelid, a.attnum) FROM pg_attribute a
 WHERE a.attrelid = 'club.orders_1_2'::regclass AND a.attname = 'available_at';
CREATE PROCEDURE make_views() LANGUAGE plpgsql AS $$
BEGIN
	CREATE VIEW said AS SELECT id AS customer, order_key AS order, revision AS rev, counts, points,
	                           available_at, lots FROM club.entries WHERE kind = 'order';
	CREATE VIEW member AS SELECT id, points, pending FROM club.members;
END $$;
CALL make_views();
CREATE FUNCTION plant(statement text)
RETURNS TABLE (violation text, customer text, order_key text, detail text)
LANGUAGE plpgsql AS $$
BEGIN
	BEGIN
		SET LOCAL session_replication_role = replica;
		EXECUTE statement;
		CREATE TEMP TABLE found ON COMMIT DROP AS SELECT * FROM loyalty.verify('club') v;
		RAISE EXCEPTION USING ERRCODE = 'LO001', MESSAGE = (
			SELECT coalesce(json_agg(f ORDER BY f.violation, f.detail COLLATE "C"), '[]') FROM found f);
	EXCEPTION WHEN SQLSTATE 'LO001' THEN
		RETURN QUERY SELECT * FROM json_to_recordset(sqlerrm::json)
			AS (violation text, customer text, order_key text, detail text);
	END;
END $$;

-- not shipped yet: the points wait until it is known how long
INSERT INTO orders VALUES (1, 1, '2020-01-01 12:00+01', 100);
SELECT * FROM said;
SELECT * FROM member WHERE id = 1;
SELECT wallet, available_at, expires_at, points, state FROM club.lots WHERE id = 1;
SELECT points, balance FROM club.redeem(1, 1, 'too-early');
-- shipped later: 14 days later it is summer in Vienna, and noon is at 10:00 UTC
UPDATE orders SET shipped_at = '2126-03-20 12:00+01' WHERE id = 1;
SELECT * FROM said ORDER BY rev;
SELECT * FROM member WHERE id = 1;
SELECT wallet, available_at, expires_at, points, state FROM club.lots WHERE id = 1;
SELECT at, club.balance(1, at) FROM (VALUES
	('2020-01-02'::timestamptz), ('2126-04-03 09:59:59Z'), ('2126-04-03 10:00Z')) x (at);
CALL loyalty.post('club');
SELECT customer, points, lots FROM club.account;
-- shipped earlier than was thought: the points are there.  30 of them are spent
UPDATE orders SET shipped_at = '2020-01-01 00:00+01' WHERE id = 1;
SELECT * FROM said WHERE rev = 3;
SELECT points, balance FROM club.redeem(1, 30, 'first');
SELECT customer, points, lots FROM club.account;
-- corrected: what is left, 70, waits again, and then does not
UPDATE orders SET shipped_at = '2126-01-01 00:00+01' WHERE id = 1;
SELECT * FROM said WHERE rev = 4;
SELECT * FROM member WHERE id = 1;
UPDATE orders SET shipped_at = '-infinity' WHERE id = 1;
SELECT * FROM said WHERE rev = 5;
SELECT * FROM member WHERE id = 1;
-- and an order that is touched and stands as it did is no news
UPDATE orders SET shipped_at = '-infinity' WHERE id = 1;
SELECT count(*) FROM said;
SELECT * FROM loyalty.verify('club');

-- 50 points are available, of which 40 are spent, and 100 wait.  The 50 are taken back: the 10
-- that are left of them, and 40 of those that wait.  The other order is shipped with the 60 that
-- it has left
INSERT INTO orders VALUES (2, 2, '2020-01-01 12:00+01', 100, NULL),
	(3, 2, '2020-01-02 12:00+01', 50, '2020-01-03 00:00Z');
SELECT points, balance FROM club.redeem(2, 40, 'first');
UPDATE orders SET status = 'cancelled' WHERE id = 3;
SELECT * FROM said WHERE customer = 2 ORDER BY 2, 3;
SELECT * FROM member WHERE id = 2;
UPDATE orders SET shipped_at = '2020-02-01 00:00Z' WHERE id = 2;
SELECT * FROM said WHERE "order" = '2' AND rev = 2;
SELECT * FROM member WHERE id = 2;
-- one that is cancelled while it waits takes the points that it gave, and nothing of what is
-- available; it keeps what it said, and says it anew when it counts again
INSERT INTO orders VALUES (4, 2, '2020-01-03 12:00+01', 30);
UPDATE orders SET status = 'cancelled', shipped_at = '2020-03-01' WHERE id = 4;
SELECT * FROM said WHERE "order" = '4' ORDER BY rev;
SELECT * FROM member WHERE id = 2;
UPDATE orders SET status = 'open' WHERE id = 4;
SELECT * FROM said WHERE "order" = '4' AND rev = 3;
UPDATE orders SET status = 'cancelled' WHERE id = 4;
DELETE FROM orders WHERE id IN (2, 4);
SELECT * FROM member WHERE id = 2;
-- what is owed, 40, is repaid by points that wait, too
INSERT INTO orders VALUES (5, 2, '2020-01-04 12:00+01', 100);
SELECT * FROM said WHERE "order" = '5';
SELECT * FROM member WHERE id = 2;
SELECT * FROM loyalty.verify('club');
CALL loyalty.post('club');
SELECT customer, points, lots FROM club.account ORDER BY 1;
SELECT * FROM loyalty.verify('club');

-- another amount and another date at once: 100 wait, of which 20 are taken back where they are
-- then; 50 more come where the others are then
INSERT INTO orders VALUES (6, 3, '2020-01-01 12:00+01', 100);
UPDATE orders SET total = 80, shipped_at = '2126-01-01 00:00+01' WHERE id = 6;
UPDATE orders SET total = 130, shipped_at = '2020-01-01 00:00+01' WHERE id = 6;
SELECT * FROM said WHERE customer = 3 ORDER BY rev;
SELECT * FROM member WHERE id = 3;

-- to another customer, and to another key: what is said comes along; posted and not
INSERT INTO orders VALUES (7, 4, '2020-01-01 12:00+01', 10, NULL),
	(8, 4, '2020-01-01 12:00+01', 20, NULL), (9, 4, '2020-01-01 12:00+01', 40, '2126-01-01 00:00+01');
CALL loyalty.post('club');
UPDATE orders SET customer = 5 WHERE id = 7;
UPDATE orders SET customer = 6, shipped_at = '2126-02-01 00:00+01' WHERE id = 7;
UPDATE orders SET id = 108 WHERE id = 8;
UPDATE orders SET customer = 5, status = 'cancelled' WHERE id = 9;
SELECT * FROM said WHERE "order" IN ('7', '8', '108', '9') ORDER BY 1, 2, 3;
SELECT * FROM member WHERE id BETWEEN 4 AND 6 ORDER BY 1;
SELECT * FROM loyalty.verify('club');
CALL loyalty.post('club');
SELECT customer, points, lots FROM club.account WHERE customer BETWEEN 3 AND 6 ORDER BY 1;
SELECT * FROM loyalty.verify('club');

-- two at once, one of which is cancelled
INSERT INTO orders VALUES (14, 11, '2020-01-01 12:00+01', 10, '2126-01-01 00:00+01'),
	(15, 11, '2020-01-01 12:00+01', 20, '2126-02-01 00:00+01');
UPDATE orders SET customer = 12, status = CASE id WHEN 14 THEN 'cancelled' ELSE status END,
	shipped_at = CASE id WHEN 15 THEN timestamptz '2126-03-01 00:00+01' END WHERE id IN (14, 15);
SELECT * FROM said WHERE "order" IN ('14', '15') ORDER BY 1, 2, 3;

-- many at once, and each again: 1 + 2 + ... + 10 wait until 15 January; those of the orders with
-- an even number are twice as many then and available, and 1 + 3 + 5 + 7 + 9 still wait
INSERT INTO orders SELECT 200 + i, 7, '2020-01-01 12:00+01', i, '2126-01-01 00:00+01'
                     FROM generate_series(1, 10) i;
INSERT INTO orders SELECT 200 + i, 7, '2020-01-01 12:00+01', 2 * i FROM generate_series(1, 10) i
	ON CONFLICT (id) DO UPDATE SET total = excluded.total, shipped_at = '2020-01-01 00:00+01'
	                     WHERE excluded.id % 2 = 0;
SELECT * FROM member WHERE id = 7;
TRUNCATE orders;
SELECT sum(pending) AS pending FROM member;
CALL loyalty.post('club');
SELECT customer, points, lots FROM club.account ORDER BY 1;		-- two had spent points
SELECT * FROM loyalty.verify('club');

-- one that makes no points leaves no dates behind
INSERT INTO orders VALUES (13, 10, '2020-01-01 12:00+01', 0.4);
CALL loyalty.post('club');
SELECT customer, points, lots FROM club.account WHERE customer = 10;
SELECT * FROM loyalty.verify('club');
DELETE FROM orders;

-- what no trigger saw is told, and mended
ALTER TABLE orders DISABLE TRIGGER USER;
INSERT INTO orders VALUES (10, 8, '2020-01-01 12:00+01', 100, '2126-01-01 00:00+01');
ALTER TABLE orders ENABLE TRIGGER USER;
SELECT loyalty.backfill('club', 'orders');
ALTER TABLE orders DISABLE TRIGGER USER;
UPDATE orders SET shipped_at = NULL WHERE id = 10;
ALTER TABLE orders ENABLE TRIGGER USER;
SELECT * FROM loyalty.verify('club');
SELECT recorded FROM loyalty.reconcile('club');
SELECT * FROM said WHERE customer = 8 ORDER BY rev;
-- so is what the ledger has wrong: other dates; no dates; a date that did not come along
CALL loyalty.post('club');
SELECT violation, order_key, detail FROM plant($$
	UPDATE club.ledger SET available_at = NULL WHERE customer = 8 $$);
SELECT violation, order_key, detail FROM plant($$
	UPDATE club.ledger SET lots = NULL WHERE customer = 8;
	UPDATE club.account SET lots = NULL WHERE customer = 8 $$) WHERE violation LIKE 'points%';
SELECT violation, order_key, detail FROM plant($$
	UPDATE club.ledger SET lots = NULL WHERE customer = 8 AND revision = 2;
	UPDATE club.account a SET lots = (SELECT loyalty.sum(l.lots) FROM club.ledger l WHERE l.customer = 8)
	 WHERE a.customer = 8 $$);
SELECT violation, order_key FROM plant($$
	UPDATE club.ledger SET available_at = now() WHERE kind = 'redemption' AND customer = 1 $$);

-- another expression, and none, for all orders: a day in the time zone of the program
SELECT loyalty.alter_orders('club', 'orders', available_at => 'shipped_at');
SELECT loyalty.alter_orders('club', 'orders', available_at => $$'2126-05-01'$$);
SELECT loyalty.alter_orders('club', 'orders', counts_when => 'true');
SELECT * FROM said WHERE customer = 8 AND rev > 2 ORDER BY rev;
SELECT loyalty.alter_orders('club', 'orders', available_at => '');
SELECT loyalty.alter_orders('club', 'orders', available_at => '');
SELECT * FROM member WHERE id = 8;
SELECT * FROM loyalty.verify('club');
SELECT loyalty.alter_orders('club', 'orders',
	available_at => $$coalesce(shipped_at + interval '14 days', 'infinity')$$);
SELECT * FROM said WHERE customer = 8 AND rev > 3 ORDER BY rev;

-- let go of, with another type then; what is written meanwhile is recorded by resume()
SELECT loyalty.pause('club', 'orders');
ALTER TABLE orders ALTER shipped_at TYPE timestamp USING shipped_at AT TIME ZONE 'Europe/Vienna';
SELECT loyalty.resume('club', 'orders');
SELECT loyalty.pause('club', 'orders');
ALTER TABLE orders RENAME shipped_at TO sent_at;
UPDATE orders SET sent_at = '2126-03-20 12:00' WHERE id = 10;
SELECT loyalty.resume('club', 'orders', available_at => $$coalesce(sent_at + '14 days', 'infinity')$$);
ALTER TABLE orders RENAME sent_at TO shipped_at;
SELECT * FROM said WHERE customer = 8 AND rev > 5 ORDER BY rev;
-- untracked, and tracked again
SELECT loyalty.untrack('club', 'orders');
SELECT loyalty.track_orders('club', 'orders', customer => 'customer', at => 'at',
	amount => 'total', available_at => 'shipped_at');
SELECT * FROM said WHERE customer = 8 AND rev > 7 ORDER BY rev;
SELECT * FROM loyalty.verify('club');

-- under other rules, they keep what they say: 100 are 200, which wait as long
UPDATE club.earning_rule SET points = '2 * amount';
SELECT * FROM loyalty.rerate('club', dry_run => false);
SELECT * FROM said WHERE customer = 8 AND rev > 7 ORDER BY rev;
CALL loyalty.post('club');
SELECT customer, points, lots FROM club.account WHERE customer = 8;
SELECT order_key, revision, terms, available_at FROM club.recorded_orders WHERE customer = 8;
SELECT * FROM loyalty.verify('club');

-- what it cannot be
SELECT loyalty.alter_orders('club', 'orders', available_at => 'total');
SELECT loyalty.alter_orders('club', 'orders', available_at => 'now()');
SELECT loyalty.alter_orders('club', 'orders', available_at => 'sent_at');
-- what fails for an order is named, or the order does not count
SELECT loyalty.alter_orders('club', 'orders',
	available_at => $$at + interval '1 day' / (total - 7)::float8$$);
INSERT INTO orders VALUES (11, 9, '2020-01-01 12:00+01', 7);
UPDATE club.program SET on_invalid = 'skip';
INSERT INTO orders VALUES (11, 9, '2020-01-01 12:00+01', 7), (12, 9, '2126-01-01 12:00+01', 8);
SELECT * FROM said WHERE customer = 9;
SELECT * FROM loyalty.verify('club');
UPDATE orders SET total = 9 WHERE id = 11;
SELECT * FROM said WHERE customer = 9 ORDER BY 2;
SELECT * FROM loyalty.verify('club');
SELECT loyalty.drop_program('club', force => true);

-- with lines, refunds of orders and of nobody's, in a currency, and under a wallet that says it
-- for orders that don't
CREATE TABLE baskets (id int PRIMARY KEY, customer int, at timestamptz, money text,
	ready_at timestamptz);
CREATE TABLE lines (id int PRIMARY KEY, basket int, price numeric);
CREATE TABLE refunds (id int PRIMARY KEY, basket int, customer int, at timestamptz,
	amount numeric, of_ready_at timestamptz);
INSERT INTO baskets VALUES (1, 1, '2020-03-20 12:00+01', 'CHF', '2126-02-01');
INSERT INTO lines VALUES (1, 1, 30), (2, 1, 20);
SELECT loyalty.create_program('club', customers => 'customers', time_zone => 'Europe/Vienna');
INSERT INTO club.exchange_rate VALUES ('CHF', '-infinity', 2);
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
SELECT loyalty.track_orders('club', 'baskets', customer => 'customer', at => 'at',
	lines => 'lines', line_order => 'basket', line_amount => 'price', currency => 'money',
	available_at => 'ready_at');
SELECT loyalty.track_refunds('club', 'refunds', order_key => 'basket', amount => 'amount',
	available_at => 'of_ready_at');
SELECT loyalty.track_refunds('club', 'refunds', order_key => 'basket', amount => 'amount',
	customer => 'customer', at => 'at', available_at => 'of_ready_at');
CALL make_views();
-- what a wallet says is for the orders to come; this one has 50 francs, which are 100
UPDATE club.wallet SET available_after = '10 days', expires = $$earned_on + interval '200 years'$$;
SELECT * FROM said;
-- 10 francs come back, which are 20 of the points that wait.  The 80 wait longer, and with a line
-- of 5 francs, 90 do.  Nobody knows how long; and then the order does not say it
INSERT INTO refunds VALUES (1, 1, NULL, NULL, 10, '2020-01-01');
UPDATE baskets SET ready_at = '2126-03-01' WHERE id = 1;
INSERT INTO lines VALUES (3, 1, 5);
UPDATE baskets SET ready_at = 'infinity' WHERE id = 1;
UPDATE baskets SET ready_at = NULL WHERE id = 1;
SELECT * FROM said ORDER BY rev;
SELECT * FROM member WHERE id = 1;
-- the wallet says when points are available where an order does not, and when they expire, of
-- all: 200 years after the day in Vienna on which they were earned, at midnight.  10 days later
-- it is summer, on 30 March at noon.  2 + 3 + 4 are available, and 5 + 6 + 7 wait
INSERT INTO baskets VALUES (2, 2, '2020-03-20 12:00+01', NULL, NULL),
	(3, 2, '2020-03-20 23:30Z', NULL, '2020-03-20'), (4, 2, '2020-03-20 12:00+01', NULL, '-infinity'),
	(5, 2, '2020-03-20 12:00+01', NULL, '2126-01-01'), (6, 2, '2020-03-20 12:00+01', NULL, 'infinity'),
	(7, 2, '2020-03-20 12:00+01', NULL, '2300-01-01');
INSERT INTO lines SELECT 10 + i, i, i FROM generate_series(2, 7) i;
SELECT * FROM said WHERE customer = 2 ORDER BY 2;
SELECT id, points, pending, next_expiry FROM club.members WHERE id = 2;
-- where the wallet says it, it goes by the time of the order: 11 July is in summer, too
UPDATE baskets SET at = '2020-07-01 12:00+02', ready_at = NULL WHERE id IN (2, 6);
SELECT * FROM said WHERE customer = 2 AND rev = 2 ORDER BY 2;
SELECT * FROM loyalty.verify('club');
CALL loyalty.post('club');
SELECT l.* FROM club.account a, loyalty.unnest(a.lots) l WHERE a.customer = 2;
-- points that are given by a call wait as the wallet says
SELECT points, balance FROM club.grant_points(3, 10, 'hello');
SELECT * FROM member WHERE id = 3;

-- refunds of no order are taken from points of the date that they name, then from others that
-- wait, and then from what is available.  Less than nothing refunded gives points on that date
INSERT INTO baskets VALUES (8, 4, '2020-03-20 12:00+01', NULL, '2126-01-01'),
	(9, 4, '2020-03-20 12:00+01', NULL, '2126-02-01'), (10, 4, '2020-03-20 12:00+01', NULL, '2020-01-01');
INSERT INTO lines VALUES (20, 8, 100), (21, 9, 100), (22, 10, 100);
INSERT INTO refunds VALUES (2, NULL, 4, '2020-03-20 18:00+01', 30, '2126-02-01');
INSERT INTO refunds VALUES (3, NULL, 4, '2020-03-20 18:00+01', 180, '2126-01-01');
INSERT INTO refunds VALUES (4, NULL, 4, '2020-03-20 18:00+01', -5, 'infinity');
UPDATE refunds SET of_ready_at = '2020-01-01' WHERE id = 4;
SELECT * FROM said WHERE customer = 4 ORDER BY "order"::int, rev;
SELECT * FROM member WHERE id = 4;
SELECT * FROM loyalty.verify('club');

-- an order keeps the points of the customer for a year from its day on, those that wait as well.
-- One that is ready later keeps what it was given meanwhile
UPDATE club.wallet SET available_after = NULL, expires = $$earned_on + interval '6 months'$$,
	extended = $$active_on + interval '1 year'$$;
INSERT INTO baskets VALUES (11, 5, '2125-01-01 12:00+01', NULL, 'infinity');
INSERT INTO lines VALUES (30, 11, 100);
INSERT INTO baskets VALUES (12, 5, '2125-03-01 12:00+01', NULL, 'infinity');
INSERT INTO lines VALUES (31, 12, 10);
UPDATE baskets SET ready_at = '2125-04-01' WHERE id = 11;
SELECT * FROM said WHERE customer = 5 ORDER BY 2, 3;
-- a point that comes later expires as the wallet says, and the two go their ways together
INSERT INTO lines VALUES (32, 12, 1);
UPDATE baskets SET ready_at = '2125-05-01' WHERE id = 12;
SELECT * FROM said WHERE customer = 5 AND "order" = '12' AND rev > 1 ORDER BY rev;
SELECT * FROM loyalty.verify('club');
CALL loyalty.post('club');
SELECT l.* FROM club.account a, loyalty.unnest(a.lots) l WHERE a.customer = 5;
SELECT violation, detail FROM plant($$
	UPDATE club.ledger SET lots = NULL WHERE order_key = '11' AND revision = 2;
	UPDATE club.account a SET lots = (SELECT loyalty.sum(l.lots) FROM club.ledger l WHERE l.customer = 5)
	 WHERE a.customer = 5 $$) ORDER BY detail COLLATE "C";
UPDATE club.wallet SET expires = NULL, extended = NULL;

-- what waited and does not any more is without a date when that is written; corrected, what is
-- left of it waits again
INSERT INTO baskets VALUES (13, 6, '2020-01-01 12:00+01', NULL, '2020-01-10');
INSERT INTO lines VALUES (40, 13, 100);
CALL loyalty.maintain('club');
SELECT customer, points, lots FROM club.account WHERE customer = 6;
SELECT points, balance FROM club.redeem(6, 30, 'first');
UPDATE baskets SET ready_at = '2126-01-01' WHERE id = 13;
SELECT * FROM said WHERE customer = 6 ORDER BY rev;
SELECT * FROM member WHERE id = 6;
SELECT * FROM loyalty.verify('club');
CALL loyalty.post('club');
SELECT * FROM loyalty.verify('club');
SELECT loyalty.drop_program('club', force => true);

-- orders that leave their table keep what they said, whatever is refunded later
CREATE TABLE parts (id int PRIMARY KEY, customer int, at timestamptz, total numeric,
	ready_at timestamptz) PARTITION BY RANGE (id);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (1) TO (100);
CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (100) TO (200);
CREATE TABLE returns (of int, amount numeric);
SELECT loyalty.create_program('club', customers => 'customers', time_zone => 'Europe/Vienna');
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
SELECT loyalty.track_orders('club', 'parts', customer => 'customer', at => 'at',
	amount => 'total', available_at => 'ready_at');
SELECT loyalty.track_refunds('club', 'returns', order_key => 'of', amount => 'amount');
CALL make_views();
INSERT INTO parts VALUES (1, 1, '2020-01-01', 100, '2126-01-01'), (2, 1, '2020-01-01', 50, NULL),
	(101, 1, '2020-01-01', 10, 'infinity');
ALTER TABLE parts DETACH PARTITION parts_1;
SELECT recorded, archived, reversed FROM loyalty.reconcile('club');
SELECT order_key, amount, available_at FROM club.archived ORDER BY 1;
INSERT INTO returns VALUES (1, 40);
SELECT order_key, amount, counts, available_at FROM club.archived_1 ORDER BY 1;
SELECT * FROM said ORDER BY 2, 3;
SELECT * FROM member WHERE id = 1;
SELECT * FROM loyalty.verify('club');
ALTER TABLE parts ATTACH PARTITION parts_1 FOR VALUES FROM (1) TO (100);
SELECT recorded, archived, reversed FROM loyalty.reconcile('club');
UPDATE parts SET ready_at = '2126-02-01', id = id + 100 WHERE id = 2;
SELECT * FROM said WHERE "order" LIKE '%2' ORDER BY 2, 3;
SELECT * FROM loyalty.verify('club');
CALL loyalty.post('club');
SELECT customer, points, lots FROM club.account;
SELECT * FROM loyalty.verify('club');
SELECT loyalty.drop_program('club', force => true);
DROP SCHEMA t_available CASCADE;
