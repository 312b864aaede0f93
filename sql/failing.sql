-- What fails for one order or one customer stops nobody else, and is told by name.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE SCHEMA t_failing;
CREATE TABLE t_failing.customers (id int PRIMARY KEY);
INSERT INTO t_failing.customers VALUES (1), (2), (3);
CREATE TABLE t_failing.orders (id int PRIMARY KEY, customer_id int, at timestamptz DEFAULT '2024-01-01', total numeric, factor text DEFAULT '1');
SELECT loyalty.create_program('club', customers => 't_failing.customers', time_zone => 'UTC');
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
SELECT loyalty.track_orders('club', 't_failing.orders', customer => 'customer_id', at => 'at', amount => 'total');

-- an amount of more than 20 digits is none, and neither are points
INSERT INTO t_failing.orders VALUES (2, 2, DEFAULT, 9e131071);
INSERT INTO t_failing.orders VALUES (2, 2, DEFAULT, 1e20);
INSERT INTO t_failing.orders VALUES (2, 2, DEFAULT, -1e20);
BEGIN;
INSERT INTO club.earning_rule (name, points, applies_when) VALUES ('more', '10 * amount', 'amount < 0');
INSERT INTO t_failing.orders VALUES (2, 2, DEFAULT, 99999999999999999999.99);
SELECT points, orders FROM club.members WHERE id = 2;
SAVEPOINT s;
UPDATE t_failing.orders SET total = -99999999999999999999.99;
ROLLBACK TO s;
UPDATE t_failing.orders SET total = 0.000000000000000000000000000001;
SELECT * FROM loyalty.verify('club');
UPDATE club.program SET on_invalid = 'skip';
UPDATE t_failing.orders SET total = 1e20;
SELECT points, orders FROM club.members WHERE id = 2;
SELECT * FROM loyalty.verify('club');
ROLLBACK;
-- points of more than 26 digits: of two large orders of customer 2 at 999999 times the points
-- the second one waits, and so does its correction; all else goes on
INSERT INTO club.tier (name, rank, qualifies, multiplier) VALUES ('Big', 1, 'spend >= 9e18', 999999);
INSERT INTO t_failing.orders VALUES (1, 1, DEFAULT, 10), (22, 2, DEFAULT, 9e18), (3, 3, DEFAULT, 30);
INSERT INTO t_failing.orders VALUES (2, 2, DEFAULT, 9.9e19);
INSERT INTO t_failing.orders VALUES (4, 2, DEFAULT, 9.9e19);
SELECT id, CASE WHEN points < 1e6 THEN points::text ELSE 'of ' || length(points::text) || ' digits' END AS points, orders FROM club.members ORDER BY 1;
SELECT count(*) FROM club.entries;
SELECT violation, customer, order_key FROM loyalty.verify('club') ORDER BY 1, 3;
CALL loyalty.post('club');
SELECT customer, order_key, revision, sqlstate, error FROM club.set_aside;
SELECT unposted, set_aside FROM loyalty.backlog('club');
SELECT customer, order_key FROM club.journal;
UPDATE t_failing.orders SET total = 5 WHERE id = 4;
INSERT INTO t_failing.orders VALUES (5, 1, DEFAULT, 1), (6, 2, DEFAULT, 6);
SELECT id, CASE WHEN points < 1e6 THEN points::text ELSE 'of ' || length(points::text) || ' digits' END AS points, orders FROM club.members ORDER BY 1;
CALL loyalty.post('club');
SELECT customer, order_key, revision FROM club.journal ORDER BY 3;
SELECT customer, order_key, revision FROM club.set_aside;
-- with the first one gone, all of it counts: 9e18 + (5 + 6) * 999999
DELETE FROM t_failing.orders WHERE id = 2;
CALL loyalty.post('club');
CALL loyalty.post('club');
SELECT id, points, orders FROM club.members ORDER BY 1;
SELECT unposted, set_aside FROM loyalty.backlog('club');
SELECT * FROM loyalty.verify('club');
SELECT loyalty.drop_program('club', force => true);

-- a rule that raises: an error that names rule and order
TRUNCATE t_failing.orders;
SELECT loyalty.create_program('club', customers => 't_failing.customers', time_zone => 'UTC');
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount'), ('inverse', '100 / (amount - 7)');
SELECT loyalty.track_orders('club', 't_failing.orders', customer => 'customer_id', at => 'at', amount => 'total');
INSERT INTO club.earning_rule (name, points, applies_when) VALUES ('by factor', '0', $$factor::int > 5$$);
INSERT INTO t_failing.orders VALUES (1, 1, DEFAULT, 7);
INSERT INTO t_failing.orders VALUES (1, 1, DEFAULT, 9), (2, 2, DEFAULT, 7), (3, 3, DEFAULT, 8);
INSERT INTO t_failing.orders VALUES (1, 1, DEFAULT, 8, 'many');
SELECT count(*) FROM t_failing.orders;
INSERT INTO t_failing.orders VALUES (1, 1, DEFAULT, 9);
UPDATE t_failing.orders SET total = 7;
SELECT id, points, orders FROM club.members ORDER BY 1;
-- or, by option, an order that does not count: 9 + 50, 8 + 100
UPDATE club.program SET on_invalid = 'skip';
INSERT INTO t_failing.orders VALUES (2, 2, DEFAULT, 7, '1'), (3, 3, DEFAULT, 8, '1'), (4, 3, DEFAULT, 8, 'many');
SELECT id, points, orders FROM club.members ORDER BY 1;
SELECT * FROM loyalty.verify('club');
-- it is taken back when it begins to fail, and comes back when it does no more
UPDATE t_failing.orders SET total = 7 WHERE id = 3;
UPDATE t_failing.orders SET factor = '6' WHERE id = 4;
SELECT id, points, orders FROM club.members ORDER BY 1;
-- under old terms, too
UPDATE club.earning_rule SET points = 'amount' WHERE name = 'inverse';
UPDATE t_failing.orders SET total = 7 WHERE id = 1;
SELECT id, points, orders FROM club.members ORDER BY 1;
UPDATE t_failing.orders SET total = 5 WHERE id = 1;
SELECT id, points, orders FROM club.members ORDER BY 1;
INSERT INTO t_failing.orders VALUES (5, 2, DEFAULT, 7);
SELECT id, points, orders FROM club.members ORDER BY 1;
-- 2's order of 7 could count now, and nobody has looked at it since
SELECT violation, customer, order_key FROM loyalty.verify('club');
SELECT recorded FROM loyalty.reconcile('club');
SELECT * FROM loyalty.verify('club');
-- one that cannot be helped is raised as ever
SET statement_timeout = '300ms';
CREATE FUNCTION t_failing.slow(numeric) RETURNS numeric LANGUAGE plpgsql STABLE AS 'BEGIN PERFORM pg_sleep(20); RETURN 1; END';
UPDATE club.earning_rule SET points = 't_failing.slow(amount)' WHERE name = 'inverse';
INSERT INTO t_failing.orders VALUES (6, 2, DEFAULT, 7);
RESET statement_timeout;
SELECT count(*) FROM t_failing.orders WHERE id = 6;
-- counts_when, the amount and the time
SELECT loyalty.untrack('club', 't_failing.orders');
UPDATE club.earning_rule SET points = '0' WHERE name = 'inverse';
SELECT loyalty.track_orders('club', 't_failing.orders', customer => 'customer_id', at => 'at', amount => '60 / total', counts_when => 'factor::int > 0', backfill => false);
INSERT INTO t_failing.orders VALUES (7, 1, DEFAULT, 0, '1'), (8, 2, DEFAULT, 4, 'x'), (9, 2, DEFAULT, 30, '6');
UPDATE club.program SET on_invalid = 'error';
INSERT INTO t_failing.orders VALUES (10, 1, DEFAULT, 0);
INSERT INTO t_failing.orders VALUES (10, 1, DEFAULT, 2, 'x');
SELECT order_key, points FROM club.entries WHERE order_key IN ('7', '8', '9', '10');
SELECT loyalty.drop_program('club', force => true);

-- orders keep to their own terms: a later rule that cannot compute them is not theirs
TRUNCATE t_failing.orders;
SELECT loyalty.create_program('club', customers => 't_failing.customers', time_zone => 'UTC');
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
SELECT loyalty.track_orders('club', 't_failing.orders', customer => 'customer_id', at => 'at', amount => 'total');
INSERT INTO t_failing.orders VALUES (1, 1, DEFAULT, 10, '0'), (2, 2, DEFAULT, 20, '0'), (3, 3, DEFAULT, 30, '2');
INSERT INTO club.earning_rule (name, points) VALUES ('ratio', '100 / factor::int');
UPDATE t_failing.orders SET total = 11 WHERE id = 1;
UPDATE t_failing.orders SET total = total + 1;
SELECT recorded FROM loyalty.reconcile('club');
SELECT loyalty.backfill('club', 't_failing.orders');
INSERT INTO t_failing.orders VALUES (4, 3, DEFAULT, 1, '0');
INSERT INTO t_failing.orders VALUES (4, 3, DEFAULT, 1, '4');
UPDATE club.program SET on_invalid = 'skip';
UPDATE t_failing.orders SET total = total + 1;
SELECT recorded FROM loyalty.reconcile('club');
-- 13; 22; 32, and 2 + 25
SELECT id, points, orders FROM club.members ORDER BY 1;
SELECT * FROM loyalty.verify('club');
-- one that was gone comes back under its own terms
DELETE FROM t_failing.orders WHERE id IN (1, 2);
INSERT INTO t_failing.orders VALUES (1, 1, DEFAULT, 10, '0');
INSERT INTO t_failing.orders VALUES (2, 2, DEFAULT, 20, '0'), (5, 2, DEFAULT, 7, '0'), (6, 2, DEFAULT, 1, '10');
-- 10; 20, and 1 + 10
SELECT id, points, orders FROM club.members ORDER BY 1;
SELECT * FROM loyalty.verify('club');
SELECT loyalty.drop_program('club', force => true);

-- orders with lines: by rule, per order and per line
CREATE TABLE t_failing.lines (id int PRIMARY KEY, order_id int, price numeric, qty int);
CREATE INDEX ON t_failing.lines (order_id);
TRUNCATE t_failing.orders;
SELECT loyalty.create_program('club', customers => 't_failing.customers', time_zone => 'UTC');
SELECT loyalty.track_orders('club', 't_failing.orders', customer => 'customer_id', at => 'at', lines => 't_failing.lines', line_order => 'order_id', line_amount => 'price');
INSERT INTO club.earning_rule (name, points, per) VALUES ('per piece', 'price / qty', 'line');
INSERT INTO club.earning_rule (name, points) VALUES ('inverse', '100 / (amount - 7)');
INSERT INTO t_failing.orders VALUES (1, 1), (2, 2), (3, 3);
INSERT INTO t_failing.lines VALUES (1, 1, 6, 2), (2, 2, 8, 0);
INSERT INTO t_failing.lines VALUES (1, 1, 7, 7);
INSERT INTO t_failing.lines VALUES (1, 1, 8, 2);
-- 4 + 100; what has no lines yet does not count
SELECT id, points, orders FROM club.members ORDER BY 1;
UPDATE club.program SET on_invalid = 'skip';
-- 4 + 100; nothing; nothing; and 3's: floor(2.5 + 33.33)
INSERT INTO t_failing.lines VALUES (2, 2, 8, 0), (3, 3, 10, 4);
INSERT INTO t_failing.orders VALUES (4, 3);
INSERT INTO t_failing.lines VALUES (4, 4, 7, 1);
SELECT id, points, orders FROM club.members ORDER BY 1;
UPDATE t_failing.lines SET qty = 1 WHERE id = 2;
SELECT id, points, orders FROM club.members ORDER BY 1;
SELECT * FROM loyalty.verify('club');
SELECT loyalty.drop_program('club', force => true);

-- tiers: a condition that raises for a member does not hold for that member
TRUNCATE t_failing.orders;
SELECT loyalty.create_program('club', customers => 't_failing.customers', time_zone => 'UTC');
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
SELECT loyalty.track_orders('club', 't_failing.orders', customer => 'customer_id', at => 'at', amount => 'total');
INSERT INTO club.tier (name, rank, qualifies, multiplier) VALUES ('Average', 2, 'spend / orders > 100', 3), ('Some', 1, 'spend > 10', 2);
SELECT id, tier, points FROM club.members ORDER BY 1;
-- 1: 50 at no tier, 200 at Some (an average of 50), 10 at Average; 2: 11 at no tier
INSERT INTO t_failing.orders VALUES (1, 1, DEFAULT, 50);
INSERT INTO t_failing.orders VALUES (2, 1, DEFAULT, 200), (3, 2, DEFAULT, 11);
INSERT INTO t_failing.orders VALUES (4, 1, DEFAULT, 10);
SELECT id, tier, points FROM club.members ORDER BY 1;
SELECT club.tier_at(1), club.tier_at(3), club.balance(1);
SELECT violation, customer, order_key, detail FROM loyalty.verify('club');
CALL loyalty.post('club');
SELECT id, tier, points FROM club.members ORDER BY 1;
SELECT unposted, set_aside FROM loyalty.backlog('club');
UPDATE club.tier SET qualifies = 'orders > 0 AND spend > 100 * orders' WHERE name = 'Average';
SELECT id, tier, points FROM club.members ORDER BY 1;
SELECT loyalty.drop_program('club', force => true);
-- the expression that fails is named, and no innocent one, whether an order is read out of its row, or out of the view since it has refunds
TRUNCATE t_failing.orders;
CREATE TABLE t_failing.texts (id int PRIMARY KEY, customer_id int, at text, total text, state text DEFAULT 'true');
CREATE TABLE t_failing.refunds (id int PRIMARY KEY, order_id int, amount text, state text DEFAULT 'true');
CREATE INDEX ON t_failing.refunds (order_id);
SELECT loyalty.create_program('club', customers => 't_failing.customers', time_zone => 'UTC');
INSERT INTO club.earning_rule (name, points) VALUES ('flat five', '5');
SELECT loyalty.track_orders('club', 't_failing.texts', customer => 'customer_id', at => 'to_timestamp(at::int)', amount => 'total::numeric', counts_when => 'state::boolean');
\set VERBOSITY terse
-- the amount; the time; counts_when
INSERT INTO t_failing.texts VALUES (1, 1, '0', 'abc');
INSERT INTO t_failing.texts VALUES (1, 1, 'x', '10');
INSERT INTO t_failing.texts VALUES (1, 1, '0', '10', 'perhaps');
SELECT loyalty.track_refunds('club', 't_failing.refunds', order_key => 'order_id', amount => 'amount::numeric', counts_when => 'state::boolean');
INSERT INTO t_failing.texts VALUES (1, 1, '0', 'abc');
INSERT INTO t_failing.texts VALUES (1, 1, 'x', '10');
INSERT INTO t_failing.texts VALUES (1, 1, '0', '10', 'perhaps');
-- what does not count fails by its counts_when only
INSERT INTO t_failing.texts VALUES (2, 2, 'x', 'abc', 'false');
-- what refunds say
INSERT INTO t_failing.texts VALUES (1, 1, '0', '10');
INSERT INTO t_failing.refunds VALUES (1, 1, '1,5');
INSERT INTO t_failing.refunds VALUES (1, 1, '1', 'perhaps');
INSERT INTO t_failing.refunds VALUES (1, 1, '3', 'true'), (2, 1, 'abc', 'false');
-- a rule: of 7 that are left, and of 7
INSERT INTO club.earning_rule (name, points) VALUES ('inverse', '100 / (amount - 7)');
INSERT INTO t_failing.texts VALUES (3, 3, '0', '7');
INSERT INTO t_failing.texts VALUES (3, 3, '0', '9');
INSERT INTO t_failing.refunds VALUES (3, 3, '2');
\set VERBOSITY default
-- 5 for 7 that are left of 10, before the rule; 5 + 100 / 2 = 55
SELECT id, points, lifetime_value FROM club.members ORDER BY 1;
SELECT * FROM loyalty.verify('club');
SELECT loyalty.drop_program('club', force => true);
-- and since it has lines
DROP TABLE t_failing.lines;
CREATE TABLE t_failing.lines (id int PRIMARY KEY, order_id int, price text);
CREATE INDEX ON t_failing.lines (order_id);
SELECT loyalty.create_program('club', customers => 't_failing.customers', time_zone => 'UTC');
INSERT INTO club.earning_rule (name, points) VALUES ('always three', '3');
SELECT loyalty.track_orders('club', 't_failing.orders', customer => 'customer_id', at => 'at', lines => 't_failing.lines', line_order => 'order_id', line_amount => 'price::numeric');
INSERT INTO t_failing.orders VALUES (1, 1), (2, 2);
INSERT INTO t_failing.lines VALUES (1, 1, '4,5');
INSERT INTO club.earning_rule (name, points, per) VALUES ('per line', '12.0 / (length(price) - 2)', 'line');
INSERT INTO t_failing.lines VALUES (1, 1, '45');
-- 3 + 12 / 1 = 15; 3 + 12 / 2 = 9
INSERT INTO t_failing.lines VALUES (1, 1, '4.5'), (2, 2, '6.00');
SELECT id, points, lifetime_value FROM club.members ORDER BY 1;
SELECT * FROM loyalty.verify('club');
SELECT loyalty.drop_program('club', force => true);
-- the rule is named, too, where rules stack, look at the row of the customer, have budgets or currencies, and of an order that is not there
CREATE TABLE t_failing.people (id int PRIMARY KEY, factor numeric);
INSERT INTO t_failing.people VALUES (1, 1), (2, 0);
CREATE TABLE t_failing.sales (id int PRIMARY KEY, person int, total numeric, at timestamptz DEFAULT '2026-01-01', currency text DEFAULT 'EUR');
SELECT loyalty.create_program('club', customers => 't_failing.people', time_zone => 'UTC');
INSERT INTO club.exchange_rate (currency, rate) VALUES ('EUR', 2);
SELECT loyalty.track_orders('club', 't_failing.sales', customer => 'person', at => 'at', amount => 'total', currency => 'currency');
INSERT INTO club.budget VALUES ('small', 100);
INSERT INTO club.earning_rule (name, points, stacking) VALUES ('one', '1', 'best_of');
INSERT INTO club.earning_rule (name, points) VALUES ('by person', '10 / member.factor');
INSERT INTO club.earning_rule (name, points, bonus, budget) VALUES ('by amount', '10 / (amount - 20)', true, 'small');
\set VERBOSITY default
INSERT INTO t_failing.sales VALUES (1, 2, 30);
INSERT INTO t_failing.sales VALUES (1, 1, 10);
SELECT * FROM club.simulate_order(ROW(1, 2, 30, '2026-01-01', 'EUR')::t_failing.sales);
SELECT * FROM club.simulate_order(ROW(1, 1, 10, '2026-01-01', 'EUR')::t_failing.sales);
INSERT INTO club.earning_rule (name, points, for_members) VALUES ('so that they fold', '1', 'orders < 3');
INSERT INTO t_failing.sales VALUES (1, 2, 30);
INSERT INTO t_failing.sales VALUES (1, 1, 10);
SELECT * FROM club.simulate_order(ROW(1, 2, 30, '2026-01-01', 'EUR')::t_failing.sales);
\set VERBOSITY terse
-- 60 for 30: 1, 10 / 1, 10 / 40 and 1
INSERT INTO t_failing.sales VALUES (1, 1, 30);
SELECT sum(points) AS "12, and 0.25, of which 12 are left" FROM club.members;
SELECT * FROM loyalty.verify('club');
SELECT loyalty.drop_program('club', force => true);
DROP SCHEMA t_failing CASCADE;
