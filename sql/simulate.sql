-- What other rules would have given.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, MDY';
SET jit = off;
CREATE SCHEMA t_sim;
CREATE TABLE t_sim.customers (id int PRIMARY KEY, since timestamptz);
INSERT INTO t_sim.customers SELECT i, '2020-01-01' FROM generate_series(1, 9) i;
CREATE TABLE t_sim.orders (id int PRIMARY KEY, customer_id int, at timestamptz, total numeric);
CREATE TABLE t_sim.baskets (id int PRIMARY KEY, customer_id int, at timestamptz);
CREATE TABLE t_sim.basket_lines (basket int REFERENCES t_sim.baskets, line int, sku text, price numeric, PRIMARY KEY (basket, line));
SELECT loyalty.create_program('club', 't_sim.customers', joined_at => 'since', time_zone => 'Europe/Berlin');
SELECT loyalty.track_orders('club', 't_sim.orders', customer => 'customer_id', at => 'at', amount => 'total');
SELECT loyalty.track_orders('club', 't_sim.baskets', customer => 'customer_id', at => 'at', lines => 't_sim.basket_lines', line_order => 'basket', line_amount => 'price');
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
INSERT INTO club.tier (name, rank, qualifies, multiplier) VALUES ('Gold', 1, 'points_earned >= 100', 2);
-- 1: 60, 50, and then Gold: 40 * 2 = 80, in January of Berlin; in February 10 * 2 = 20, and 7.5 * 2 = 15 of a basket
INSERT INTO t_sim.orders VALUES (1, 1, '2026-01-05', 60), (2, 1, '2026-01-06', 50);
INSERT INTO t_sim.orders VALUES (3, 1, '2026-01-07', 40);
INSERT INTO t_sim.orders VALUES (4, 1, '2026-01-31 23:00+00', 10);
INSERT INTO t_sim.baskets VALUES (1, 1, '2026-02-02');
INSERT INTO t_sim.basket_lines VALUES (1, 1, 'x', 5), (1, 2, 'y', 2.5);
-- 2: 30, of which 10 are refunded, and one that is cancelled; 3: nothing
INSERT INTO t_sim.orders VALUES (5, 2, '2026-01-05', 30), (6, 2, '2026-01-05', 5);
CALL loyalty.post('club');
UPDATE t_sim.orders SET total = 20 WHERE id = 5;
DELETE FROM t_sim.orders WHERE id = 6;

-- Nothing was changed
SELECT * FROM loyalty.simulate('club') ORDER BY customer, month, tier;

-- With a limit of 50 a month: 1 gets 50, 0, 0, and 10 and 7.5 (7) in February, so that nothing ever makes Gold;
-- 5 more for the first order, and 1 for each line: 55; 10; 7.5 + 2 = 9.5: 9
BEGIN;
UPDATE club.earning_rule SET member_limit = 50, limit_period = 'month';
INSERT INTO club.earning_rule (name, points, for_members) VALUES ('first', '5', 'orders = 0');
INSERT INTO club.earning_rule (name, points, per) VALUES ('line', '1', 'line');
SELECT * FROM loyalty.simulate('club') ORDER BY customer, month, tier;
SELECT month, sum(points_before) AS before, sum(points_after) AS after, sum(difference) AS difference FROM loyalty.simulate('club') GROUP BY month ORDER BY month;
-- a part of history: what came before counts for limits and tiers
SELECT * FROM loyalty.simulate('club', since => '2026-01-06', until => '2026-02-01');
-- nothing is written but the rules, and these go
SELECT (SELECT count(*) FROM club.ledger) AS ledger, (SELECT count(*) FROM club.journal) AS journal;
SELECT * FROM loyalty.verify('club');
ROLLBACK;
SELECT (SELECT count(*) FROM club.ledger) AS ledger, (SELECT count(*) FROM club.journal) AS journal, (SELECT count(*) FROM club.terms_rule WHERE version = (SELECT terms FROM club.program)) AS rules;

-- Another multiplier of the tier: 40 * 3, 10 * 3, 7.5 * 3 = 22.5: 22
BEGIN;
UPDATE club.tier SET multiplier = 3;
SELECT tier, month, sum(difference) AS difference FROM loyalty.simulate('club') WHERE customer = '1' GROUP BY tier, month ORDER BY month, tier;
ROLLBACK;

-- compared with another version of the terms
SELECT terms AS ruled FROM club.program \gset
UPDATE club.earning_rule SET points = 'amount * 2';
INSERT INTO t_sim.orders VALUES (7, 3, '2026-03-01', 10);
SELECT customer, points_before, points_after FROM loyalty.simulate('club', since => '2026-03-01');	-- 20, 20
SELECT customer, points_before, points_after FROM loyalty.simulate('club', since => '2026-03-01', compare_to => :ruled);		-- 10, 20
SELECT * FROM loyalty.simulate('club', compare_to => 0);

-- Merged: one customer, whose orders are folded together.  4 has 40 and 5 has 70, by 2: 80, and then 140, and then Gold
INSERT INTO t_sim.orders VALUES (8, 4, '2026-04-01', 40), (9, 5, '2026-04-02', 70);
SELECT points FROM club.merge(5, 4, 'm');
INSERT INTO t_sim.orders VALUES (10, 5, '2026-04-03', 10);
SELECT customer, tier, orders_before, orders_after, points_before, points_after FROM loyalty.simulate('club', since => '2026-04-01') ORDER BY tier NULLS FIRST;

-- Archived orders are worth what they were, and those of a table that is not tracked any more are left out
INSERT INTO t_sim.orders VALUES (11, 6, '2026-05-01', 10), (12, 6, '2026-05-02', 10);
BEGIN;
SET LOCAL session_replication_role = replica;
DELETE FROM t_sim.orders WHERE id = 11;
COMMIT;
SELECT * FROM loyalty.reconcile('club', missing => 'archive') \g /dev/null
SELECT loyalty.untrack('club', 't_sim.baskets');
BEGIN;
UPDATE club.earning_rule SET points = 'amount * 3';
SELECT customer, orders_before, orders_after, points_before, points_after FROM loyalty.simulate('club', since => '2026-05-01');		-- 20 + 20, 20 + 30
SELECT sum(orders_before) AS before, sum(orders_after) AS after FROM loyalty.simulate('club', '2026-02-02', '2026-02-03');
ROLLBACK;
SELECT * FROM loyalty.verify('club');

-- In the time zone of the program, as when they are recorded: 2026-06-18 00:19 in Berlin is a Thursday.  What recording leaves out is left out: no order
-- is worth more than 1e20.  A table that is paused is told.
BEGIN;
DELETE FROM club.tier;
DELETE FROM club.earning_rule;
INSERT INTO club.earning_rule (name, points, applies_when) VALUES ('Thursday', '10', 'extract(isodow FROM at) = 4');
INSERT INTO t_sim.orders VALUES (13, 7, '2026-06-18 00:19+02', 5), (14, 7, '2026-06-17 23:19+02', 5);
SELECT points_before, points_after FROM loyalty.simulate('club', since => '2026-06-01');
SELECT current_setting('timezone');
UPDATE club.program SET on_invalid = 'skip';
INSERT INTO t_sim.orders VALUES (15, 7, '2026-06-18 00:19+02', 'NaN'), (16, 7, '2026-06-18 00:19+02', 1e25), (17, 7, 'infinity', 1);
SELECT orders_before, orders_after FROM loyalty.simulate('club', since => '2026-06-01');
SELECT loyalty.pause('club', 't_sim.orders');
SELECT * FROM loyalty.simulate('club');
ROLLBACK;
SELECT * FROM loyalty.verify('club');

-- who may ask
CREATE ROLE t_sim_reader;
SELECT loyalty.grant_access('club', 't_sim_reader', 'operate');
GRANT EXECUTE ON FUNCTION loyalty.simulate TO t_sim_reader;
GRANT USAGE ON SCHEMA loyalty, _loyalty TO t_sim_reader;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA _loyalty TO t_sim_reader;
SET ROLE t_sim_reader;
SELECT * FROM loyalty.simulate('club');
SELECT * FROM _loyalty.fold_orders('club.program', '{}');
RESET ROLE;
DROP OWNED BY t_sim_reader;
DROP ROLE t_sim_reader;
SELECT * FROM loyalty.simulate('nobody');
SELECT * FROM loyalty.simulate('club', since => NULL);

SELECT loyalty.drop_program('club', force => true);

-- Orders for which an expression fails are left out, and told: of 1 there are 12.5 (12), of 2 there are 20 and 30
CREATE TABLE t_sim.texts (id int PRIMARY KEY, customer_id int, at timestamptz DEFAULT '2026-03-01', total text);
CREATE TABLE t_sim.refunds (order_id int, amount text);
SELECT loyalty.create_program('club', 't_sim.customers', time_zone => 'UTC');
UPDATE club.program SET on_invalid = 'skip';
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
SELECT loyalty.track_orders('club', 't_sim.texts', customer => 'customer_id', at => 'at', amount => 'total::numeric');
INSERT INTO t_sim.texts VALUES (1, 1, DEFAULT, '12.5'), (2, 1, DEFAULT, '12,5'), (3, 2, DEFAULT, '20'), (4, 2, DEFAULT, '30');
SELECT customer, orders_before, orders_after, points_before, points_after FROM loyalty.simulate('club') ORDER BY customer;
-- 5 of the 30 are refunded, and a refund of the 20 fails, which no other order has: 12, and 25
SELECT loyalty.track_refunds('club', 't_sim.refunds', order_key => 'order_id', amount => 'amount::numeric');
INSERT INTO t_sim.refunds VALUES (4, '5'), (3, 'x');
SELECT customer, orders_before, orders_after, points_before, points_after FROM loyalty.simulate('club') ORDER BY customer;
-- under a rule that fails for 25: 100 / -12.5 = -8 of customer 1, and of customer 2 there is nothing left
BEGIN;
UPDATE club.earning_rule SET points = '100 / (amount - 25)';
SELECT customer, orders_before, orders_after, points_before, points_after FROM loyalty.simulate('club') ORDER BY customer;
ROLLBACK;
SELECT * FROM loyalty.verify('club');
-- an error of another kind is one; and since is before until
SELECT * FROM loyalty.simulate('club', compare_to => 77);
SELECT * FROM loyalty.simulate('club', since => '2026-03-02', until => '2026-03-01');
SELECT * FROM loyalty.simulate('club', since => '2026-03-01', until => '2026-03-01');
SELECT loyalty.drop_program('club', force => true);
DROP SCHEMA t_sim CASCADE;
