-- Published examples of tiers (WE-161 to WE-191), each by its id.  What is expected is what was published, or arithmetic from the published rule.
\set VERBOSITY default
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, MDY';
CREATE SCHEMA t_tiers;
SET search_path = t_tiers;
CREATE TABLE customers (customer_id int PRIMARY KEY, since date);
CREATE TABLE orders (order_id serial PRIMARY KEY, customer_id int, at timestamptz, total numeric(12,2));
INSERT INTO customers SELECT i, '2020-01-01' FROM generate_series(1, 40) i;
SELECT loyalty.create_program('club', customers => 't_tiers.customers', joined_at => 'since', time_zone => 'UTC');
SELECT loyalty.track_orders('club', 't_tiers.orders', customer => 'customer_id', at => 'at', amount => 'total');
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');

-- WE-161, WE-163, WE-165: what was spent before and what is spent now decide together
INSERT INTO club.tier (name, rank, qualifies) VALUES ('Bronze', 1, 'spend >= 0'), ('Silver', 2, 'spend >= 10000'), ('Gold', 3, 'spend >= 19000');
INSERT INTO orders (customer_id, at, total) VALUES (1, '2021-01-01', 15000), (2, '2021-01-01', 4000), (2, '2021-01-02', 500), (3, '2021-01-01', 18000), (3, '2021-01-02', 3000);
SELECT 'WE-' || 159 + 2 * customer_id AS example, tier FROM club.members WHERE customer_id <= 3 ORDER BY 1;

-- WE-167: T1 from 40,000 on, T2 from 100,000 on: 45,000; 70,000; 95,000; 105,000 are T1, T1, T1, T2
DELETE FROM club.tier;
INSERT INTO club.tier (name, rank, qualifies) VALUES ('T1', 1, 'spend >= 40000'), ('T2', 2, 'spend >= 100000');
INSERT INTO orders (customer_id, at, total) VALUES (4, '2021-01-01', 45000), (4, '2021-01-02', 25000), (4, '2021-01-03', 25000), (4, '2021-01-04', 10000);
SELECT 'WE-167' AS example, array_agg(club.tier_at(4, d) ORDER BY d) FROM generate_series(timestamptz '2021-01-01', '2021-01-04', '1 day') d;

-- WE-171: levels at 0, 20 and 200 by spend; 20, of which 2 is returned, is level 1 and then level 0
DELETE FROM club.tier;
INSERT INTO club.tier (name, rank, qualifies) VALUES ('level0', 1, 'spend >= 0'), ('level1', 2, 'spend >= 20'), ('level2', 3, 'spend >= 200');
INSERT INTO orders (customer_id, at, total) VALUES (5, '2021-01-01', 20);
SELECT 'WE-171' AS example, tier FROM club.members WHERE customer_id = 5;
UPDATE orders SET total = 18 WHERE customer_id = 5;
SELECT 'WE-171' AS example, tier FROM club.members WHERE customer_id = 5;

-- WE-173: by points that were earned, not by the balance: 100 earned, 90 of them spent
DELETE FROM club.tier;
INSERT INTO club.tier (name, rank, qualifies) VALUES ('hundred', 1, 'points_earned >= 100');
INSERT INTO orders (customer_id, at, total) VALUES (6, '2021-01-01', 100);
SELECT points FROM club.redeem(6, 90, reference => 'r');
SELECT 'WE-173' AS example, tier, points FROM club.members WHERE customer_id = 6;

-- WE-179: renewal takes 5,000 in a year; who spent 4,000 lacks 1,000
INSERT INTO club.metric VALUES ('shortfall', $$greatest(5000 - total(purchases, today - interval '1 year'), 0)$$);
INSERT INTO orders (customer_id, at, total) VALUES (7, now() - interval '3 months', 4000);
SELECT 'WE-179' AS example, shortfall FROM club.metrics WHERE customer_id = 7;

-- WE-183: Gold from 5,000 points on, by which the next purchase is multiplied (its bonus of 200 is a grant of the application)
DELETE FROM club.tier;
INSERT INTO club.tier (name, rank, qualifies, multiplier) VALUES ('Silver', 1, 'true', 1), ('Gold', 2, 'points_earned >= 5000', 1.5), ('Platinum', 3, 'points_earned >= 15000', 2), ('Diamond', 4, 'points_earned >= 50000', 3);
INSERT INTO orders (customer_id, at, total) VALUES (8, '2021-01-01', 5000), (8, '2021-01-02', 100);
SELECT 'WE-183' AS example, tier, points FROM club.entries WHERE customer_id = 8 ORDER BY entry;

-- WE-185, WE-187: five years and orders of 3,000,000 are Gold, of 5,000,000 Platinum; the day before, neither, and the day after without an order
DELETE FROM club.tier;
INSERT INTO club.tier (name, rank, qualifies) VALUES ('Gold', 1, $$tenure >= '5 years' AND spend >= 3000000$$), ('Platinum', 2, $$tenure >= '5 years' AND spend >= 5000000$$);
INSERT INTO orders (customer_id, at, total) VALUES (9, '2021-01-01', 3000000), (10, '2021-01-01', 9000000);
SELECT 'WE-185' AS example, club.tier_at(9, '2025-01-01');
SELECT 'WE-187' AS example, club.tier_at(10, '2024-12-31 23:59') AS before, club.tier_at(10, '2025-01-01 00:00') AS the_day_after;
-- WE-189, downgrade at once: a return brings the orders to 2,999,999
UPDATE orders SET total = 2999999 WHERE customer_id = 9;
SELECT 'WE-189' AS example, tier FROM club.members WHERE customer_id = 9;
-- WE-191: who joined on 29 February has four years on 28 February, and five on 1 March
INSERT INTO customers VALUES (50, '2020-02-29');
SELECT 'WE-191' AS example, (club.member_at(50, '2025-02-28 12:00')).tenure >= '5 years' AS february, (club.member_at(50, '2025-03-01 00:00')).tenure >= '5 years' AS march;
SELECT * FROM loyalty.verify('club');
CALL loyalty.post('club');
SELECT * FROM loyalty.verify('club');
SELECT loyalty.drop_program('club', force => true);
RESET search_path;
DROP SCHEMA t_tiers CASCADE;
