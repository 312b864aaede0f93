-- All of a customer in one row, and what his tier gives him.  Expected values were worked out by hand.
\set VERBOSITY default
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET DateStyle = 'ISO';
CREATE SCHEMA t_customer_card;
SET search_path = t_customer_card;
CREATE TABLE customers ("Key" int PRIMARY KEY, name text, joined date, support text);
CREATE TABLE orders (id int PRIMARY KEY, customer int, at timestamptz, total numeric(12,2));
CREATE TABLE complaints (id int PRIMARY KEY, customer int, at timestamptz);
CREATE TABLE referrals (id int PRIMARY KEY, customer int, at timestamptz);
INSERT INTO customers VALUES (1, 'Alder', '2015-03-01', 'premium'), (2, 'Birch', '2024-01-01', 'base'), (3, 'Cedar', NULL, NULL), (4, 'Dogwood', NULL, NULL);
SELECT loyalty.create_program('club', customers => 't_customer_card.customers', joined_at => 'joined', time_zone => 'UTC');
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
SELECT loyalty.track_orders('club', 't_customer_card.orders', customer => 'customer', at => 'at', amount => 'total');
SELECT loyalty.track_events('club', 'complaint', 't_customer_card.complaints', customer => 'customer', at => 'at');
SELECT loyalty.track_events('club', 'referral', 't_customer_card.referrals', customer => 'customer', at => 'at');
-- days 1, 11 and 31 of January: gaps of 10 and 20, of which half are not longer than 10
INSERT INTO orders VALUES (1, 1, '2026-01-01 08:00Z', 100), (2, 1, '2026-01-11 08:00Z', 250.50), (3, 1, '2026-01-31 08:00Z', 49.50), (4, 1, '2026-01-31 09:00Z', 100), (5, 2, '2026-01-05', 20), (6, 77, '2026-01-05', 20);
INSERT INTO complaints VALUES (1, 1, '2026-01-12'), (2, 1, '2026-01-13'), (3, 2, '2026-01-14');
INSERT INTO referrals VALUES (1, 1, '2026-01-20');
INSERT INTO club.tier (name, rank, qualifies) VALUES ('Gold', 2, 'spend >= 500'), ('Silver', 1, 'spend >= 20');
INSERT INTO club.metric VALUES ('complaints per order', 'round(times(complaint)::numeric / nullif(orders, 0), 2)'), ('biggest friend', 'times(referral) > 0');
-- Alder is a 5 by what he buys, and a 3 since he asks for premium support and complains; overall: who has bought
INSERT INTO club.rating (rating, grade, rank, qualifies) SELECT 'value', g::text, g, format('spend >= %s', 100 * g) FROM generate_series(1, 5) g;
INSERT INTO club.rating (rating, grade, rank, qualifies) VALUES ('overall', 'bought', 1, 'orders > 0');
INSERT INTO club.rating_step (rating, reason, condition, steps, priority) VALUES ('value', 'premium support', 'member.support = ''premium''', -1, 1), ('value', 'complains', '"complaints per order" >= 0.5', -1, 0), ('value', 'new', 'tenure < ''1 year''', 1, 0);
\x on
SELECT customer, tier, benefits, ratings, why, joined_at, points, pending, held, next_expiry, expiring, lifetime_value, orders, average_order, first_order_at, last_order_at, next_purchase_due, events, metrics FROM club.card(1);
SELECT customer, tier, benefits, ratings, why, joined_at, points, lifetime_value, orders, next_purchase_due, events, metrics FROM club.card(2);
SELECT * FROM club.card(3);
\x off
SELECT (c).tenure = (SELECT m.tenure FROM club.members m WHERE m."Key" = 1) AS tenure FROM club.card(1) c;
-- the same when it is posted
CREATE TABLE before AS SELECT k AS key, club.card(k) AS card FROM generate_series(1, 3) k;
CALL loyalty.post('club');
SELECT key, club.card(key) IS NOT DISTINCT FROM card AS same FROM before ORDER BY 1;
-- who is in no customer table, though he has bought; and who is nobody
SELECT club.card(77) IS NULL AS former;
SELECT club.card(78);
SELECT club.card(1.4);
SELECT club.card(NULL);
-- by the number of a member card, also of one that was replaced
SELECT club.issue_card(1, '79927398713'), club.replace_card('79927398713', '79927398721');
SELECT club.card_by_number(n) IS NOT DISTINCT FROM club.card(1) AS same FROM unnest('{79927398713, 7992-7398-721}'::text[]) n;
SELECT club.card_by_number('79927398714');
SELECT (c).customer, (c).orders FROM (SELECT club.card(4) c) x;
SELECT (club.merge(4, 1, 'm')).reference;
SELECT (c).customer, (c).orders FROM (SELECT club.card(4) c) x;

-- benefits: of two with a discount the higher one; of a higher tier those of that one
INSERT INTO club.benefit VALUES ('Gold', 'lounge', 'both airports', NULL), ('Gold', 'ten off', NULL, 10), ('Gold', 'week of the gold', NULL, 15), ('Silver', 'five off', NULL, 5);
SELECT (club.card(1)).benefits, (club.card(2)).benefits AS silver;
-- 19.99 less 15 % is 16.9915; 10.10 less 5 % is 9.595, half up
SELECT club.price_for(1, 19.99) AS gold, club.price_for(2, 10.10) AS silver, club.price_for(3, 10.10) AS none, club.price_for(1, 0) AS nothing, club.price_for(1, NULL) AS unknown, club.price_for_by_card('79927398721', 19.99) AS by_card;
SELECT club.price_for(1, -1);
SELECT club.price_for(1, 'NaN');
SELECT club.price_for(9, 1);
INSERT INTO club.benefit VALUES ('Bronze', 'nothing', NULL, NULL);
INSERT INTO club.benefit VALUES ('Gold', '', NULL, NULL);
INSERT INTO club.benefit VALUES ('Gold', 'x', NULL, 101);
INSERT INTO club.benefit VALUES ('Gold', 'x', NULL, 'NaN');
INSERT INTO club.benefit VALUES ('Gold', NULL, NULL, 1);
-- benefits follow their tier
UPDATE club.tier SET name = 'Silver star' WHERE name = 'Silver';
DELETE FROM club.tier WHERE name = 'Gold';
SELECT * FROM club.benefit;
SELECT club.price_for(1, 100) AS silver_now;
-- a metric called x, one of the name of a column of members, and a grade of the name of a reason
BEGIN;
INSERT INTO club.metric VALUES ('x', '4'), ('points', 'orders');
INSERT INTO club.rating_step VALUES ('value', '3', 'true', -1, NULL, -1);
SELECT (club.card(1)).metrics, (club.card(1)).why;
SELECT * FROM club.ranking('points');
ROLLBACK;
-- large amounts are rounded once; an order that is dated in the future counts as for members; who left the customer table has no tier
UPDATE club.benefit SET discount = 12.3;
SELECT club.price_for(1, 1234567890124.35) AS once;
INSERT INTO orders VALUES (7, 3, now() + interval '3 days', 100);
SELECT club.price_for(3, 100) AS to_come, club.price_for(77, 100) AS former;
DELETE FROM orders WHERE id = 7;
UPDATE club.benefit SET discount = 5;
-- what is broken is told
ALTER TABLE club.benefit DISABLE TRIGGER USER;
UPDATE club.benefit SET tier = 'gone';
SELECT violation, detail FROM loyalty.verify('club') WHERE violation LIKE 'benefit%';
UPDATE club.benefit SET tier = 'Silver star';
ALTER TABLE club.benefit ENABLE TRIGGER USER;
-- rights
CREATE ROLE regress_card;
SET ROLE regress_card;
SELECT club.card(1);
RESET ROLE;
SELECT loyalty.grant_access('club', 'regress_card', 'read');
SET ROLE regress_card;
SELECT (club.card(1)).tier, club.price_for(1, 100), (SELECT count(*) FROM club.benefit);
RESET ROLE;
DROP OWNED BY regress_card;
DROP ROLE regress_card;
SELECT * FROM loyalty.verify('club');
SELECT loyalty.drop_program('club', force => true);
DROP SCHEMA t_customer_card CASCADE;
