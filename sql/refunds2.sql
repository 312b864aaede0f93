-- What refunds take, and give back, where something came between: holds that timed out, orders that
-- got another key, customers who were merged.  All values are worked out by hand.
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, MDY';
CREATE SCHEMA t_refunds2;
CREATE TABLE t_refunds2.customers (id int PRIMARY KEY);
INSERT INTO t_refunds2.customers SELECT generate_series(1, 40);
CREATE TABLE t_refunds2.orders (id int PRIMARY KEY, customer int, at timestamptz DEFAULT '2026-01-01', total numeric, available_at timestamptz);
SELECT loyalty.create_program('strict', customers => 't_refunds2.customers', time_zone => 'UTC');
INSERT INTO strict.earning_rule (name, points) VALUES ('one', 'amount');
SELECT loyalty.track_orders('strict', 't_refunds2.orders', customer => 'customer', at => 'at', amount => 'total', available_at => 'available_at');

-- Holds that timed out.  An order of 100, one of 10; 74 of these are held, which leaves 36; then the first is to be available in
-- 2100 only, so these 36 wait.  Orders of customer 1 are of terms that reject, those of 2 of terms that let owe
INSERT INTO t_refunds2.orders VALUES (21, 2, '2026-01-01', 100), (22, 2, '2026-01-01', 10);
UPDATE strict.program SET refund_shortfall = 'reject';
INSERT INTO t_refunds2.orders VALUES (11, 1, '2026-01-01', 100), (12, 1, '2026-01-01', 10);
-- of 3, one of 100 may be owed, and one of 60 may not; 150 are held, and then the first is taken back: 90 are owed
UPDATE strict.program SET refund_shortfall = 'owe';
INSERT INTO t_refunds2.orders VALUES (31, 3, '2026-01-01', 100), (41, 4, '2026-01-01', 100);
UPDATE strict.program SET refund_shortfall = 'reject';
INSERT INTO t_refunds2.orders VALUES (32, 3, '2026-01-01', 60), (42, 4, '2026-01-01', 60);
SELECT (strict.redeem(4, 1, 'one')).balance;	-- 4 has one less than 3
SELECT (strict.hold(c, p, 'short', until => clock_timestamp() + interval '0.3 seconds')).balance
  FROM (VALUES (1, 74), (2, 74), (3, 150), (4, 149)) v (c, p);	-- 36, 36, 10, 10
UPDATE t_refunds2.orders SET available_at = '2100-01-01' WHERE id IN (11, 21);
UPDATE t_refunds2.orders SET total = 0 WHERE id IN (31, 41);
SELECT now() AS moment \gset
SELECT id, points, pending, held FROM strict.members WHERE id < 5 ORDER BY id;	-- 0 and 36 and 74, the same, -90 and 0 and 150, -90 and 0 and 149
SELECT pg_sleep(0.4);
SELECT id, points, pending, held FROM strict.members WHERE id < 5 ORDER BY id;	-- 74 and 36, the same, 60, 59
-- one point less: of those that wait, since the order's own were held when it was said
UPDATE t_refunds2.orders SET total = 9 WHERE id IN (12, 22);
SELECT id, points, pending, held FROM strict.members WHERE id < 3 ORDER BY id;	-- 74 and 35 of both
-- what 1 had before is as it was shown
SELECT points, pending, held FROM strict.member_at(1, :'moment', :'moment');	-- 0, 36, 74
-- 60 of the 60 that are there, and of 59
DELETE FROM t_refunds2.orders WHERE id = 32;
DELETE FROM t_refunds2.orders WHERE id = 42;	-- refused: 4 would owe 1
UPDATE t_refunds2.orders SET total = 1 WHERE id = 42;
SELECT id, points, pending, held FROM strict.members WHERE id < 5 ORDER BY id;	-- 74 and 35, the same, 0, 0
SELECT * FROM loyalty.verify('strict');
CALL loyalty.maintain('strict');
SELECT id, points, pending, held FROM strict.members WHERE id < 5 ORDER BY id;
SELECT * FROM loyalty.verify('strict');
DELETE FROM t_refunds2.orders WHERE id IN (12, 42);	-- 4 has 0: refused
SELECT * FROM loyalty.verify('strict');
SELECT loyalty.drop_program('strict', force => true);
DELETE FROM t_refunds2.orders;

-- Entries that cannot be posted, as long as the ledger has a constraint that refuses them: a refund is rejected if the customer would owe
-- points by what readers see, and who writes it learns no more.  100 and 200 are earned and spent; 5 that cannot be posted do not make up for 100,
-- and 666 do
SELECT loyalty.create_program('strict', customers => 't_refunds2.customers', time_zone => 'UTC');
UPDATE strict.program SET refund_shortfall = 'reject';
INSERT INTO strict.earning_rule (name, points) VALUES ('one', 'amount');
SELECT loyalty.track_orders('strict', 't_refunds2.orders', customer => 'customer', at => 'at', amount => 'total');
CREATE ROLE regress_refunds2;
GRANT USAGE ON SCHEMA t_refunds2 TO regress_refunds2;
GRANT SELECT, INSERT, UPDATE, DELETE ON t_refunds2.orders TO regress_refunds2;
INSERT INTO t_refunds2.orders VALUES (1, 1, DEFAULT, 100), (2, 1, DEFAULT, 200), (3, 2, DEFAULT, 100), (4, 2, DEFAULT, 200);
SELECT (strict.redeem(c, 300, 'all')).balance FROM generate_series(1, 2) c;
ALTER TABLE strict.ledger ADD CONSTRAINT secret CHECK (amount NOT IN (5, 666));
SET ROLE regress_refunds2;
INSERT INTO t_refunds2.orders VALUES (5, 1, DEFAULT, 5), (6, 2, DEFAULT, 666);
DELETE FROM t_refunds2.orders WHERE id = 1;	-- refused: 95 would be owed
DELETE FROM t_refunds2.orders WHERE id = 3;
RESET ROLE;
SELECT id, points FROM strict.members WHERE id < 3 ORDER BY id;	-- 5, 566
ALTER TABLE strict.ledger DROP CONSTRAINT secret;
CALL loyalty.post('strict');
SELECT id, points FROM strict.members WHERE id < 3 ORDER BY id;	-- 5, 566
SELECT * FROM loyalty.verify('strict');
SELECT loyalty.drop_program('strict', force => true);
DELETE FROM t_refunds2.orders;

-- Orders that were paid with points, of customers who were merged, and that got the key of the survivor: they are the same orders.
-- Each customer is given 200, earns 100, and pays 50 for that
SELECT loyalty.create_program('paid', customers => 't_refunds2.customers', time_zone => 'UTC');
UPDATE paid.program SET returns_paid_points = 'proportional';
INSERT INTO paid.earning_rule (name, points) VALUES ('one', 'amount');
SELECT loyalty.track_orders('paid', 't_refunds2.orders', customer => 'customer', at => 'at', amount => 'total');
INSERT INTO t_refunds2.orders (id, customer, total) SELECT c, c, 100 FROM unnest(ARRAY[11, 13, 15, 18]) c;
SELECT (paid.grant_points(c, 200, 'given')).balance, (paid.redeem(c, 50, 'pays', pays_for => c::text)).balance FROM unnest(ARRAY[11, 13, 15, 18]) c;
-- 18 gives the order to 19, who is somebody else: all comes back, 200 + 100 - 50 - 100 + 50; then the two are merged
UPDATE t_refunds2.orders SET customer = 19 WHERE id = 18;
SELECT id, points FROM paid.members WHERE id IN (18, 19) ORDER BY id;	-- 200, 100
CALL loyalty.post('paid');
SELECT * FROM loyalty.verify('paid');
SELECT points FROM paid.merge(11, 12, 'm');
SELECT points FROM paid.merge(13, 14, 'm');
SELECT points FROM paid.merge(15, 16, 'm');
SELECT points FROM paid.merge(16, 17, 'n');
SELECT points FROM paid.merge(18, 19, 'm');
SELECT * FROM loyalty.verify('paid');
-- that of 15 gets the key of 17, who has all of 16, that of 11 the one of 12, and that of 13 the one of 14 as it is refunded to 40: 60 points,
-- and 30 of 50 come back.  Nothing comes back of the others
UPDATE t_refunds2.orders SET customer = CASE id WHEN 11 THEN 12 WHEN 13 THEN 14 ELSE 17 END, total = CASE id WHEN 13 THEN 40 ELSE 100 END WHERE id IN (11, 13, 15);
SELECT id, points FROM paid.members WHERE id IN (12, 14, 17, 19) ORDER BY id;	-- 250, 220, 250, 300
SELECT * FROM loyalty.verify('paid');
CALL loyalty.post('paid');
SELECT id, points FROM paid.members WHERE id IN (12, 14, 17, 19) ORDER BY id;
SELECT * FROM loyalty.verify('paid');
-- 12: half of it, and 25 come back; 17: all of it, and 50; 14: worth 100 again, and 30 stay where they are; 19: all of it, of which all came back
UPDATE t_refunds2.orders SET total = CASE id WHEN 11 THEN 50 WHEN 13 THEN 100 ELSE 0 END;
SELECT id, points FROM paid.members WHERE id IN (12, 14, 17, 19) ORDER BY id;	-- 225, 280, 200, 200
SELECT customer, account, order_key, revision, points_change, pays_for FROM paid.unposted WHERE kind = 'return' ORDER BY customer;	-- of 11 and 15, who paid
SELECT * FROM loyalty.verify('paid');
-- 12: all of it, 25 more; 14: the old key again and 20, of which 40 must have come back, so 10 more
UPDATE t_refunds2.orders SET total = 0 WHERE id = 11;
UPDATE t_refunds2.orders SET customer = 13, total = 20 WHERE id = 13;
SELECT id, points FROM paid.members WHERE id IN (12, 14, 17, 19) ORDER BY id;	-- 200, 210, 200, 200
SELECT * FROM loyalty.verify('paid');
CALL loyalty.post('paid');
SELECT id, points FROM paid.members WHERE id IN (12, 14, 17, 19) ORDER BY id;
SELECT id, kind, order_key, revision, points, recorded_for FROM paid.entries WHERE kind = 'return' ORDER BY id, entry;
SELECT * FROM loyalty.verify('paid');
-- what is wrong is found: other points come back for the key of the survivor, and none
BEGIN;
SET LOCAL session_replication_role = replica;
UPDATE paid.ledger SET points_change = 24 WHERE kind = 'return' AND customer = 11 AND points_change = 25 AND revision = 2;
SELECT violation, customer, order_key FROM loyalty.verify('paid') WHERE violation LIKE '%came back%';
ROLLBACK;
BEGIN;
SET LOCAL session_replication_role = replica;
DELETE FROM paid.ledger WHERE kind = 'return' AND customer = 15;
SELECT violation, customer, order_key FROM loyalty.verify('paid') WHERE violation LIKE '%came back%';
ROLLBACK;
SELECT loyalty.drop_program('paid', force => true);
DELETE FROM t_refunds2.orders;

DROP SCHEMA t_refunds2 CASCADE;
DROP ROLE regress_refunds2;
