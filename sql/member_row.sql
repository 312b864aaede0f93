-- Earning rules that use columns of the customer's row.
\set SHOW_CONTEXT never
\set VERBOSITY default
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, MDY';
SET jit = off;
CREATE SCHEMA t_member;
CREATE TABLE t_member.customers (id int PRIMARY KEY, birthday date, country char(2) COLLATE "C", segment varchar(10), rate numeric(4, 2), tags text[], "opted in" boolean, unused text);
INSERT INTO t_member.customers VALUES
	(1, '1990-05-17', 'DE', 'trade', 1.25, '{vip,"a, b"}', true), (2, '1985-11-02', 'AT', 'retail', NULL, '{}', false), (3, NULL, NULL, NULL, NULL, NULL, NULL);
CREATE TABLE t_member.orders (id int PRIMARY KEY, customer_id int, at timestamptz, total numeric, status text DEFAULT 'paid');
SELECT loyalty.create_program('club', 't_member.customers', time_zone => 'UTC', points_scale => 2);
SELECT loyalty.track_orders('club', 't_member.orders', customer => 'customer_id', at => 'at', amount => 'total', counts_when => $$status = 'paid'$$);
CREATE VIEW t_member.recorded AS
	SELECT e.order_key, e.revision, e.counts, trim_scale(e.awards) AS awards, e.member
	  FROM (SELECT order_key, revision, counts, awards, member FROM club.ledger UNION ALL SELECT order_key, revision, counts, awards, member FROM club.journal) e
	 ORDER BY e.order_key::int, e.revision;

-- What a rule may say: a column is named with "member", which is a row that nothing else has the name of
INSERT INTO club.earning_rule (name, points, applies_when) VALUES ('x', '1', 'birthday IS NOT NULL');
INSERT INTO club.earning_rule (name, points, applies_when) VALUES ('x', '1', 'member.birthdy IS NOT NULL');
INSERT INTO club.earning_rule (name, points, applies_when) VALUES ('x', '1', 'member IS NOT NULL');
INSERT INTO club.earning_rule (name, points, applies_when) VALUES ('x', '1', 'member.* IS NOT NULL');
INSERT INTO club.earning_rule (name, points, applies_when) VALUES ('x', '1', 'member.ctid IS NOT NULL');
INSERT INTO club.earning_rule (name, points) VALUES ('x', 'member.country');
-- conditions on what the customer had by then are another thing, which is found out later
INSERT INTO club.earning_rule (name, points, for_members) VALUES ('x', '1', $$member.country = 'DE'$$);
-- programs whose rules use nothing of it keep nothing, and do not look at the customers
INSERT INTO club.earning_rule (name, points) VALUES ('1 per 1', 'amount');
INSERT INTO t_member.orders VALUES (1, 1, '2026-05-01', 10);
SELECT * FROM t_member.recorded;
SELECT pg_get_viewdef(v::regclass) LIKE '%customers%' AS joins FROM (SELECT format('club.orders_1_%s', terms) AS v FROM club.program) v;

-- Double points in the month of birth, 5 in Germany, and a factor of the customer's own
INSERT INTO club.earning_rule (name, points, applies_when) VALUES ('birth month', 'amount', $$extract(month FROM member.birthday) = extract(month FROM at)$$);
INSERT INTO club.earning_rule (name, points, applies_when) VALUES ('Germany', '5', $$member.country = 'DE'$$);
INSERT INTO club.earning_rule (name, multiplier, applies_when) VALUES ('rate', 'member.rate', $$member."opted in" AND 'vip' = ANY (member.tags)$$);
-- extract() is another function before 14
SELECT name, points, multiplier, regexp_replace(applies_when, '^.*month.*(member\.\w+).*$', 'month of \1') AS applies_when FROM club.earning_rule ORDER BY 1;
SELECT * FROM loyalty.verify('club');
-- 2: May, Germany, (100 + 100 + 5) * 1.25 = 256.25.
-- 3: June: (100 + 5) * 1.25 = 131.25.
-- 4: of 2 in November: 40 + 40 = 80.  5: of 2 in May: 40.
-- 6: of 3, of whom nothing is known: 30.  7: of 9, who is no customer: 20.
INSERT INTO t_member.orders VALUES (2, 1, '2026-05-02', 100), (3, 1, '2026-06-02', 100), (4, 2, '2026-11-03', 40), (5, 2, '2026-05-04', 40), (6, 3, '2026-05-05', 30), (7, 9, '2026-05-06', 20);
SELECT * FROM t_member.recorded;
SELECT id, points FROM club.members ORDER BY 1;		-- 10 + 256.25 + 131.25 = 397.5, 120, 30
SELECT * FROM loyalty.verify('club');

-- The customer changes: what is recorded stays as it is, and so do its revisions.
-- 2, half of it refunded: (50 + 50 + 5) * 1.25 = 131.25.  3, taken back and paid again: 131.25.  A new order, 8, of May:
-- 100, since 1 was born in June by now, and lives in France.
UPDATE t_member.customers SET birthday = '1990-06-17', country = 'FR', rate = 7, tags = NULL WHERE id = 1;
INSERT INTO t_member.customers VALUES (9, '2000-05-05', 'DE');
SELECT * FROM loyalty.verify('club');
UPDATE t_member.orders SET total = 50 WHERE id = 2;
UPDATE t_member.orders SET status = 'cancelled' WHERE id = 3;
CALL loyalty.post('club');
UPDATE t_member.orders SET status = 'paid' WHERE id = 3;
INSERT INTO t_member.orders VALUES (8, 1, '2026-05-07', 100);
-- 7: of 9, who is a customer by now, but was not when the order was recorded: 10.  1 was recorded under the first rule alone: 5.
UPDATE t_member.orders SET total = 10 WHERE id = 7;
UPDATE t_member.orders SET total = 5 WHERE id = 1;
SELECT * FROM t_member.recorded;
SELECT * FROM loyalty.verify('club');
SELECT * FROM loyalty.reconcile('club');
SELECT what, name, status, value, points FROM club.explain('2');
SELECT what, name, status, value, points FROM club.explain('8');
-- what an order of today would earn is by the row as it is: June, France: 200.  Rules that are not changed would have given what they gave.
SELECT what, name, status, value, points FROM club.simulate_order(ROW(0, 1, '2026-06-07', 100, 'paid')::t_member.orders);
SELECT sum(difference) FROM loyalty.simulate('club');
-- a refund of the whole takes back exactly what was earned: 0 of order 2 is left
UPDATE t_member.orders SET total = 0 WHERE id = 2;
UPDATE t_member.orders SET total = 100 WHERE id = 2;
UPDATE t_member.orders SET status = 'cancelled' WHERE id = 2;
SELECT * FROM t_member.recorded WHERE order_key = '2';
SELECT * FROM loyalty.verify('club');

-- verify() finds what was planted: a country that the order did not have, so that 5 points are too many; a column that is missing;
-- and entries of one order that differ
CREATE FUNCTION t_member.plant(command text) RETURNS TABLE (violation text, customer text, order_key text, detail text) LANGUAGE plpgsql AS $$
BEGIN
	ALTER TABLE club.ledger DISABLE TRIGGER USER;
	ALTER TABLE club.journal DISABLE TRIGGER USER;
	EXECUTE command;
	ALTER TABLE club.ledger ENABLE TRIGGER USER;
	ALTER TABLE club.journal ENABLE TRIGGER USER;
	RETURN QUERY SELECT * FROM loyalty.verify('club');
	RAISE EXCEPTION USING errcode = 'P0999';
EXCEPTION WHEN SQLSTATE 'P0999' THEN
	NULL;
END $$;
CALL loyalty.post('club');
SELECT * FROM t_member.plant($$UPDATE club.ledger SET member = member || '{"country": "DE"}' WHERE order_key = '5'$$);
SELECT * FROM t_member.plant($$UPDATE club.ledger SET member = member - 'tags' WHERE order_key = '6'$$);
SELECT * FROM t_member.plant($$UPDATE club.ledger SET member = NULL WHERE order_key = '6'$$);
SELECT * FROM t_member.plant($$UPDATE club.ledger SET member = '{"country": "DE"}' WHERE order_key = '1' AND revision = 2$$);
SELECT * FROM t_member.plant($$UPDATE club.ledger SET member = member || '{"country": "XX"}' WHERE order_key = '3' AND revision = 2$$);

-- Orders that go to another customer, or get another key, keep what they had: 8 is still of France and of June.
-- 10: of 2 in November, 10 + 10 = 20, under another key: 10 and 10.
INSERT INTO t_member.orders VALUES (10, 2, '2026-11-08', 10);
BEGIN;
UPDATE t_member.orders SET customer_id = 2 WHERE id = 8;
UPDATE t_member.orders SET id = 11 WHERE id = 10;
UPDATE t_member.customers SET birthday = NULL WHERE id = 2;
UPDATE t_member.orders SET total = 20 WHERE id = 11;
SELECT customer, order_key, revision, counts, awards, member FROM club.journal ORDER BY order_key::int, customer, revision;
SELECT * FROM loyalty.verify('club');
COMMIT;
-- one that goes, and another customer's that comes by the same key in the same statement, is new: of Austria, not of 3
UPDATE t_member.orders SET total = 30 WHERE id = 6;
WITH gone AS (DELETE FROM t_member.orders WHERE id = 6 RETURNING 1) SELECT count(*) FROM gone;
INSERT INTO t_member.orders VALUES (6, 2, '2026-05-05', 30);
SELECT customer, order_key, revision, counts, awards, member ->> 'country' AS country FROM club.recorded_orders WHERE order_key = '6' ORDER BY 1;
SELECT * FROM loyalty.verify('club');

-- Rated anew, orders begin anew, by the rows as they are now.  8 was given to customer 2, who has no birthday and lives in Austria: 100.
-- 3: June, France, born in June: 200.  7: of 9, in May, born in May, in Germany: 10 + 10 + 5 = 25.  1: in May: 5.  4, 5, 6 and 11: 40, 40, 30, 20.
UPDATE club.earning_rule SET priority = 1 WHERE name = 'Germany';
SELECT orders, customers FROM loyalty.rerate('club', dry_run => false);
SELECT order_key, awards, member FROM club.recorded_orders WHERE counts ORDER BY order_key::int;
SELECT * FROM loyalty.verify('club');

-- A column gets another name, and the rules say so from then on; orders go on by what they have.
ALTER TABLE t_member.customers RENAME birthday TO born;
ALTER TABLE t_member.customers RENAME country TO birthday;
SELECT * FROM loyalty.verify('club');
UPDATE t_member.orders SET total = 50 WHERE id = 3;		-- 50 + 50
UPDATE club.earning_rule SET points = '6' WHERE name = 'Germany';
-- extract() is another function before 14
SELECT name, points, multiplier, regexp_replace(applies_when, '^.*month.*(member\.\w+).*$', 'month of \1') AS applies_when FROM club.earning_rule ORDER BY 1;
INSERT INTO t_member.orders VALUES (12, 1, '2026-06-08', 10);	-- 10 + 10
-- what orders keep under a name that another column has by now is not taken for that: of what they keep, only 9 is of Germany, and has one more
SELECT customer, points_before, points_after FROM loyalty.simulate('club') ORDER BY 1;
SELECT order_key, awards, member FROM club.recorded_orders WHERE order_key IN ('3', '12') ORDER BY 1 DESC;
SELECT * FROM loyalty.verify('club');
-- also where the views are made anew: the table is let go of, and tracked again
SELECT loyalty.pause('club', 't_member.orders');
UPDATE t_member.customers SET born = '1990-01-01';
SELECT loyalty.resume('club', 't_member.orders');
SELECT * FROM loyalty.verify('club');
UPDATE t_member.orders SET total = 40 WHERE id IN (3, 12);	-- 80 each
SELECT order_key, awards, member FROM club.recorded_orders WHERE order_key IN ('3', '12') ORDER BY 1 DESC;
SELECT * FROM loyalty.verify('club');
-- and by an upgrade
SELECT loyalty.upgrade_program('club');
SELECT * FROM loyalty.verify('club');
ALTER TABLE t_member.customers RENAME birthday TO country;

-- A column that rules use cannot be dropped, and others can.
ALTER TABLE t_member.customers DROP COLUMN unused;
ALTER TABLE t_member.customers DROP COLUMN tags;
-- the table of the customers gives way to another one, if that has the columns
CREATE TABLE t_member.people (code text, number int UNIQUE, country text, born date, rate numeric);
INSERT INTO t_member.people VALUES ('a', 1, 'DE', '1990-07-01', 1), ('b', 2, 'DE', '1990-07-01', 1);
UPDATE club.program SET customers = 't_member.people', customer_key = 'number';
ALTER TABLE t_member.people ADD COLUMN "opted in" boolean, ADD COLUMN tags text[];
UPDATE club.program SET customers = 't_member.people', customer_key = 'number';
SELECT * FROM loyalty.verify('club');
-- 13: July, Germany: 10 + 10 + 6 = 26.  12 at 30: as it was, June: 60.
INSERT INTO t_member.orders VALUES (13, 1, '2026-07-08', 10);
UPDATE t_member.orders SET total = 30 WHERE id = 12;
SELECT order_key, awards, member FROM club.recorded_orders WHERE order_key IN ('13', '12') ORDER BY 1 DESC;
SELECT * FROM loyalty.verify('club');
DROP TABLE t_member.customers;

-- Rules per line, rules that stack when entries are folded, another currency, refunds, and partitions -------------------------------
CREATE TABLE t_member.clients (id text COLLATE "C" PRIMARY KEY, country text, level int);
INSERT INTO t_member.clients VALUES ('a', 'DE', 2), ('b', 'AT', 3);
CREATE TABLE t_member.receipts (id int, client text, at timestamptz, currency text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE t_member.receipts_1 PARTITION OF t_member.receipts FOR VALUES FROM ('2026-01-01') TO ('2026-06-01');
CREATE TABLE t_member.receipts_2 PARTITION OF t_member.receipts FOR VALUES FROM ('2026-06-01') TO ('2027-01-01');
CREATE TABLE t_member.items (receipt int, n int, kind text, price numeric, PRIMARY KEY (receipt, n));
CREATE TABLE t_member.refunds (id int PRIMARY KEY, receipt int, amount numeric);
SELECT loyalty.create_program('mall', 't_member.clients', time_zone => 'UTC', points_scale => 2);
INSERT INTO mall.exchange_rate VALUES ('USD', '2026-01-01', 0.5);
-- 21 is there before: it is recorded with all others when the table is tracked
INSERT INTO t_member.items VALUES (21, 1, 'toy', 10), (21, 2, 'food', 30);
INSERT INTO t_member.receipts VALUES (21, 'a', '2026-02-01', 'EUR');
SELECT loyalty.track_orders('mall', 't_member.receipts', customer => 'client', at => 'at', order_key => 'id', currency => $$nullif(currency, 'EUR')$$, lines => 't_member.items', line_order => 'receipt', line_amount => 'price', backfill => false);
INSERT INTO mall.earning_rule (name, points, per, applies_when) VALUES ('toys', 'line.price * member.level', 'line', $$line.kind = 'toy' AND member.country = 'DE'$$);
INSERT INTO mall.earning_rule (name, points, bonus, applies_when) VALUES ('level', '100', true, 'member.level >= 3');
INSERT INTO mall.earning_rule (name, multiplier, for_members, applies_when) VALUES ('first', '3', 'orders = 0', $$member.country = 'DE'$$);
SELECT loyalty.track_refunds('mall', 't_member.refunds', amount => 'amount', order_key => 'receipt');
SELECT loyalty.backfill('mall', 't_member.receipts');
-- 21: 10 * 2 * 3 = 60.  22: of b, level 3: 100.
INSERT INTO t_member.items VALUES (22, 1, 'toy', 8);
INSERT INTO t_member.receipts VALUES (22, 'b', '2026-07-01', 'USD');
SELECT order_key, amount, parts, order_points, member FROM mall.unposted ORDER BY 1;
SELECT * FROM loyalty.verify('mall');
UPDATE t_member.clients SET country = 'FR', level = 9;
-- 21: half of 40 is refunded: 10 * 2 / 2 * 3 = 30.  22: another toy, and still of Austria and level 3: 100.  23: of b, level 9, the second: 100.
INSERT INTO t_member.refunds VALUES (1, 21, 20);
INSERT INTO t_member.items VALUES (22, 2, 'toy', 8), (23, 1, 'toy', 5);
INSERT INTO t_member.receipts VALUES (23, 'b', '2026-07-02', 'EUR');
CALL loyalty.post('mall');
SELECT DISTINCT ON (order_key) order_key, amount, parts, order_points, member FROM mall.ledger ORDER BY order_key, revision DESC;
SELECT * FROM loyalty.verify('mall');
SELECT what, name, status, value, points FROM mall.explain('21');
-- orders leave with a partition: what they are worth goes on by proportion.  21: 5 more refunded, of 20: 30 * 15 / 20 = 22.5
ALTER TABLE t_member.receipts DETACH PARTITION t_member.receipts_1;
SELECT * FROM loyalty.reconcile('mall', missing => 'archive');
INSERT INTO t_member.refunds VALUES (2, 21, 5);
SELECT order_key, revision, counts, amount, order_points, member FROM mall.unposted;
SELECT * FROM loyalty.verify('mall');

-- Who is forgotten: what orders have of the customer's row goes, too, and they stay worth what they were.  Refunds take their share from then on.
-- 22: 16 at half a unit is 8, with 100 points; a refund of 4 of 16 leaves 75.  21 is archived.
SELECT mall.erase('b', surrogate => 'nobody', orders_follow => true);
UPDATE t_member.receipts SET client = 'nobody' WHERE client = 'b';
SELECT order_key, revision, order_points, member FROM mall.ledger WHERE customer = 'nobody' ORDER BY 1, 2;
SELECT * FROM loyalty.verify('mall');
INSERT INTO t_member.refunds VALUES (3, 22, 4);
SELECT order_key, revision, amount, parts, order_points, member FROM mall.unposted WHERE order_key = '22';
SELECT what, name, status, value, points FROM mall.explain('22');
SELECT * FROM loyalty.verify('mall');
-- the same under rules that are added up.  12: 30 and 60, half of it is refunded: 30.
SELECT club.erase(1);
SELECT DISTINCT member FROM t_member.recorded WHERE order_key IN ('12', '13');
UPDATE t_member.orders SET total = 15 WHERE id = 12;
SELECT order_key, revision, awards, member FROM club.recorded_orders WHERE order_key = '12';
SELECT what, name, status, value, points FROM club.explain('12');
SELECT * FROM loyalty.verify('club');

-- Who inserts orders needs no right on the customers, and learns nothing of them; the owner of the program must be allowed to read them.
CREATE ROLE regress_member_owner;
CREATE ROLE regress_member_clerk;
CREATE ROLE regress_member_types;
GRANT USAGE ON SCHEMA t_member TO regress_member_owner, regress_member_clerk;
GRANT INSERT ON t_member.orders TO regress_member_clerk;
GRANT SELECT ON t_member.orders TO regress_member_owner;
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA loyalty, _loyalty TO regress_member_owner;
SELECT loyalty.change_owner('club', 'regress_member_owner');
GRANT SELECT ON t_member.people TO regress_member_owner;
SELECT loyalty.change_owner('club', 'regress_member_owner');
REVOKE SELECT ON t_member.people FROM regress_member_owner;
SET ROLE regress_member_clerk;
INSERT INTO t_member.orders VALUES (30, 2, '2026-07-09', 10);
RESET ROLE;
GRANT SELECT ON t_member.people TO regress_member_owner;
SELECT recorded FROM loyalty.reconcile('club');
-- 30 and 31: July, Germany: 10 + 10 + 6 = 26
SET ROLE regress_member_clerk;
INSERT INTO t_member.orders VALUES (31, 2, '2026-07-09', 10);
SELECT * FROM t_member.people;
RESET ROLE;
SELECT order_key, awards FROM club.recorded_orders WHERE order_key IN ('30', '31') ORDER BY 1;
-- types of others have code of others
CREATE SCHEMA t_member_types AUTHORIZATION regress_member_types;
GRANT USAGE ON SCHEMA t_member_types TO regress_member_owner;
SET ROLE regress_member_types;
CREATE TYPE t_member_types.mood AS ENUM ('good', 'bad');
RESET ROLE;
ALTER TABLE t_member.people ADD COLUMN mood t_member_types.mood;
INSERT INTO club.earning_rule (name, points, applies_when) VALUES ('x', '1', $$member.mood = 'good'$$);
-- rows that are hidden from the owner are told, not taken for nothing
ALTER TABLE t_member.people ENABLE ROW LEVEL SECURITY;
INSERT INTO t_member.orders VALUES (32, 2, '2026-07-09', 10);
ALTER TABLE t_member.people DISABLE ROW LEVEL SECURITY;
SELECT recorded FROM loyalty.reconcile('club');
SELECT * FROM loyalty.verify('club');

SET client_min_messages = error;
SELECT loyalty.drop_program('club', force => true);
SELECT loyalty.drop_program('mall', force => true);
DROP SCHEMA t_member, t_member_types CASCADE;
DROP OWNED BY regress_member_owner, regress_member_clerk, regress_member_types;
DROP ROLE regress_member_owner, regress_member_clerk, regress_member_types;
