-- Campaigns: what earning rules have in common, and what came of them.  Expected values are worked out by hand.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, MDY';
SET jit = off;
CREATE SCHEMA t_campaigns;
CREATE TABLE t_campaigns.customers (id int PRIMARY KEY, country text);
INSERT INTO t_campaigns.customers SELECT n, CASE WHEN n % 2 = 0 THEN 'DE' ELSE 'AT' END FROM generate_series(1, 40) n;
CREATE TABLE t_campaigns.orders (id int PRIMARY KEY, customer int, total numeric, store text, at timestamptz);
SELECT loyalty.create_program('club', customers => 't_campaigns.customers', time_zone => 'UTC');
SELECT loyalty.track_orders('club', 't_campaigns.orders', customer => 'customer', at => 'at', amount => 'total');
INSERT INTO club.earning_rule (name, points) VALUES ('base', 'amount');
\set verify 'SELECT * FROM loyalty.verify(''club'');'
\set response 'SELECT campaign, members, orders, events, revenue, points, budget_left, cost FROM club.campaigns ORDER BY campaign;'

-- 1. What a campaign may say, and a rule of it
INSERT INTO club.campaign (name) VALUES (NULL);
INSERT INTO club.campaign (name) VALUES (' ');
INSERT INTO club.campaign (name, starts, ends) VALUES ('x', '2026-03-01', '2026-03-01');
INSERT INTO club.campaign (name, cost_per_point) VALUES ('x', -1), ('x', 'NaN');
INSERT INTO club.campaign (name, cost_per_point) VALUES ('x', 'NaN');
INSERT INTO club.campaign (name, budget) VALUES ('x', 'pot');
INSERT INTO club.campaign (name, applies_when) VALUES ('x', NULL);
INSERT INTO club.campaign (name, applies_when) VALUES ('x', 'shop = 1');
INSERT INTO club.campaign (name, applies_when) VALUES ('x', 'total');
INSERT INTO club.campaign (name, for_members) VALUES ('x', 'ordres < 2');
INSERT INTO club.earning_rule (name, points, campaign) VALUES ('x', '1', 'spring');
INSERT INTO club.earning_rule (name, points) VALUES ('campaign "spring"', '1');

-- 2. A window, an exclusion, and a condition over members, which hold beside those of the rules
INSERT INTO club.campaign (name, starts, ends, applies_when, for_members, cost_per_point, comment) VALUES
  ('spring', '2026-03-01', '2026-04-01', $$store <> 'outlet'$$, 'orders < 2', 0.02, 'for new customers');
INSERT INTO club.earning_rule (name, points, bonus, starts, campaign) VALUES ('fifty', '50', true, '2026-03-10', 'spring');
INSERT INTO club.earning_rule (name, multiplier, applies_when, campaign) VALUES ('double', '2', 'total >= 20', 'spring');
SELECT * FROM club.campaign;
SELECT award, name, starts, ends, applies_when, for_members, campaign, is_campaign, gate FROM club.terms_rule JOIN club.program ON terms = version ORDER BY award;
INSERT INTO t_campaigns.orders VALUES
  (1, 1, 10, 'main', '2026-03-05'),		-- 10: "fifty" is not in force yet, and 10 are too little for "double"
  (2, 1, 20, 'main', '2026-03-15'),		-- 20 * 2 + 50 = 90, of which the campaign gave 70
  (3, 1, 30, 'main', '2026-03-16'),		-- 30: the third order
  (4, 2, 30, 'outlet', '2026-03-15'),	-- 30: excluded
  (5, 2, 30, 'main', '2026-04-01'),		-- 30: over
  (6, 3, 10.5, 'main', '2026-03-31 23:59:59');	-- 10.5 + 50 is 60; without the campaign, 10
SELECT order_key, points FROM club.order_points ORDER BY order_key;
:response	-- 1 and 3; 2 and 6; 20 + 10.5; 70 + 50; 120 * 0.02
:verify
SELECT k AS order, e.what, e.name, e.status, e.points FROM unnest('{1,2,3,4,5}'::text[]) k CROSS JOIN LATERAL club.explain(k) e WHERE e.name IN ('fifty', 'double') ORDER BY k, e.step;
SELECT what, name, status, points FROM club.simulate_order(ROW(99, 9, 20, 'main', '2026-03-15')::t_campaigns.orders);
SELECT name, campaign FROM club.rules_at('2099-01-01');
BEGIN;
UPDATE club.campaign SET ends = '2100-01-01';
SELECT name, campaign FROM club.rules_at('2099-01-01');
ROLLBACK;
-- half of 2 is taken back: 10 + 50; and 6 is gone.  Posted or not, that is 50 for one order of 10
UPDATE t_campaigns.orders SET total = 10 WHERE id = 2;
DELETE FROM t_campaigns.orders WHERE id = 6;
:response
CALL loyalty.post('club');
:response
:verify

-- 3. More campaigns.  The condition of one that has rules for orders and events must hold for both
CREATE TABLE t_campaigns.reviews (id int PRIMARY KEY, customer int, stars int, at timestamptz);
SELECT loyalty.track_events('club', 'review', 't_campaigns.reviews', customer => 'customer', at => 'at');
INSERT INTO club.campaign (name, starts, ends, applies_when) VALUES ('autumn', '2026-09-01', '2026-10-01', 'stars > 1');
INSERT INTO club.earning_rule (name, points, event, campaign) VALUES ('a review', '10 * stars', 'review', 'autumn');
INSERT INTO club.earning_rule (name, points, bonus, campaign) VALUES ('ten', '10', true, 'autumn');
UPDATE club.campaign SET applies_when = $$store = 'main'$$ WHERE name = 'autumn';
UPDATE club.campaign SET applies_when = 'new.customer <> 12' WHERE name = 'autumn';
INSERT INTO club.campaign (name, starts, ends) VALUES ('visits', '2026-06-01', '2026-07-01'), ('june', '2026-06-01', '2026-07-01'), ('less', '2026-07-01', '2026-08-01'), ('more', '2026-08-01', '2026-09-01');
INSERT INTO club.earning_rule (name, points, bonus, stacking, priority, member_limit, campaign) VALUES
  ('ten', '10', true, 'add', 0, NULL, 'autumn'), ('visit', '50', false, 'add', 0, 120, 'visits'), ('only', '5', false, 'exclusive', 9, NULL, 'less'), ('twenty', '20', false, 'add', 0, NULL, 'more');
INSERT INTO club.earning_rule (name, multiplier, campaign) VALUES ('twice', '2', 'june');
INSERT INTO club.tier (name, rank, qualifies, multiplier) VALUES ('Gold', 1, 'spend >= 500', 1.5);
SELECT name, event, campaign FROM club.terms_rule JOIN club.program ON terms = version WHERE campaign = 'autumn' ORDER BY award;
-- A budget: of 120, three of four orders get 50, 50 and 20.  A rule may have one of its own, of 7
INSERT INTO club.budget VALUES ('pot', 120), ('own', 7);
INSERT INTO club.campaign (name, starts, ends, budget, for_members) VALUES ('launch', '2026-05-01', '2026-06-01', 'pot', 'orders = 0');
INSERT INTO club.campaign (name, starts, ends, budget) VALUES ('launch', '2026-05-01', '2026-06-01', 'pot');
INSERT INTO club.earning_rule (name, points, campaign) VALUES ('x', '50', 'launch');
INSERT INTO club.earning_rule (name, multiplier, campaign) VALUES ('x', '2', 'launch');
INSERT INTO club.earning_rule (name, points, bonus, for_members, campaign) VALUES ('x', '50', true, 'orders = 0', 'launch');
INSERT INTO club.earning_rule (name, points, bonus, campaign) VALUES ('launch', '50', true, 'launch');
UPDATE club.campaign SET for_members = 'orders = 0' WHERE name = 'launch';
UPDATE club.campaign SET budget = 'pot' WHERE name = 'spring';
UPDATE club.earning_rule SET budget = 'own' WHERE name = 'fifty';
DELETE FROM club.budget WHERE name = 'own';
INSERT INTO club.budget VALUES ('own', 7);
INSERT INTO club.earning_rule (name, points, bonus, campaign, budget) VALUES ('five', '5', true, 'launch', 'own');
INSERT INTO t_campaigns.orders SELECT n, n - 3, 10, 'main', '2026-05-05' FROM generate_series(7, 10) n;
SELECT order_key, points FROM club.order_points WHERE ordered_at = '2026-05-05' ORDER BY order_key COLLATE "C";	-- 10: 10; 7: 65, 8: 62, 9: 30
SELECT * FROM club.budget ORDER BY name;
SELECT * FROM club.campaigns WHERE campaign = 'launch';	-- 3 members and orders, 30, 127; nothing is left; no cost
DELETE FROM club.budget WHERE name = 'pot';
DELETE FROM t_campaigns.orders WHERE id = 7;		-- 50 and 5 come back
:response
:verify
-- what points are worth by the conversion is their price: 100 points are 0.50, so 72 are 0.36
INSERT INTO club.conversion (points, amount) VALUES (100, 0.50);
SELECT campaign, cost FROM club.campaigns ORDER BY campaign;

-- 4. A limit per member, which is one for the campaign, and a multiplier of another campaign.  "visit" gives at most 120: 50 * 2 = 100, 20 and nothing.
-- So the orders have 20 + 100, 20 + 20 and 20.  Without "twice": 10 + 50, 10 + 20, 10: it gave 60, 10 and 10.  Without "visit": 20 each; it gave 100 and 20
INSERT INTO t_campaigns.orders SELECT n, 8, 10, 'main', '2026-06-05' FROM generate_series(11, 13) n;
SELECT order_key, points FROM club.order_points WHERE ordered_at = '2026-06-05' ORDER BY order_key;
SELECT * FROM club.campaigns WHERE starts = '2026-06-01' ORDER BY campaign;	-- june: 3 orders, 30, 80; visits: 2 orders, 20, 120
-- A limit that counts times: 30 for the first order alone.  (10 + 30) * 2 = 80, and 10 * 2 = 20.  Without "double": 40 and 10, so it gave 50; without "once": 20 each, so it gave 60
BEGIN;
INSERT INTO club.campaign (name, starts, ends) VALUES ('once', '2026-10-01', '2026-11-01'), ('double', '2026-10-01', '2026-11-01');
INSERT INTO club.earning_rule (name, points, member_limit, limit_unit, campaign) VALUES ('first', '30', 1, 'times', 'once');
INSERT INTO club.earning_rule (name, multiplier, campaign) VALUES ('doubled', '2', 'double');
INSERT INTO t_campaigns.orders SELECT n, 8, 10, 'main', '2026-10-05' FROM generate_series(101, 102) n;
SELECT order_key, points FROM club.order_points WHERE ordered_at = '2026-10-05' ORDER BY order_key;
SELECT campaign, members, orders, revenue, points FROM club.campaigns WHERE starts = '2026-10-01' ORDER BY campaign;	-- double: 2 orders, 50; once: 1 order, 60
:verify
ROLLBACK;

-- 5. Another rule is left out for one of a campaign: 5 in place of 10, so 5 less.  A tier multiplies what is no bonus: 10 and 20 are 45 for Gold, 30 more than 15
INSERT INTO t_campaigns.orders VALUES (14, 9, 10, 'main', '2026-07-05'), (15, 10, 500, 'main', '2026-07-01'), (16, 10, 10, 'main', '2026-08-05');
SELECT order_key, points FROM club.order_points WHERE order_key IN ('14', '15', '16') ORDER BY order_key;	-- 5, 5, 45
SELECT campaign, members, orders, revenue, points FROM club.campaigns WHERE campaign IN ('less', 'more') ORDER BY campaign;	-- less: 5 - 10 and 5 - 500; more: 30
:verify

-- 6. Events and orders in one campaign.  40 for four stars, and 10 for the order
INSERT INTO t_campaigns.reviews VALUES (1, 11, 4, '2026-09-05'), (2, 12, 4, '2026-09-05');
INSERT INTO t_campaigns.orders VALUES (17, 11, 10, 'main', '2026-09-05'), (18, 12, 10, 'main', '2026-09-05');
SELECT * FROM club.campaigns WHERE campaign = 'autumn';	-- 1 member, 1 order, 1 event, 10, 50
SELECT name, status FROM club.explain('2', event => 'review');
CALL loyalty.post('club');
:response
:verify

-- 7. Who is one with another, and who is forgotten: 5 and 6, who have 52 and 20 of "launch", and 8, who has 120 of "visits"
SELECT count(*) FROM club.merge(5, 6, reference => 'same');
SELECT campaign, members, orders, points FROM club.campaigns WHERE campaign = 'launch';	-- 1 member, 2 orders, 52 + 20
BEGIN;
SELECT count(*) FROM club.erase(8, surrogate => 908, orders_follow => true);
UPDATE t_campaigns.orders SET customer = 908 WHERE customer = 8;
DELETE FROM t_campaigns.customers WHERE id = 8;
COMMIT;
SELECT campaign, members, orders, points FROM club.campaigns WHERE campaign = 'visits';
:verify

-- 8. What is renamed is followed, and a campaign that changes changes nothing that is recorded.  It cannot be called otherwise, nor go while rules name it
ALTER TABLE t_campaigns.orders RENAME store TO shop;
UPDATE club.campaign SET ends = '2026-03-10' WHERE name = 'spring';
SELECT applies_when FROM club.campaign WHERE name = 'spring';
INSERT INTO t_campaigns.orders VALUES (19, 13, 20, 'main', '2026-03-09'), (20, 14, 20, 'main', '2026-03-15');
SELECT order_key, points FROM club.order_points WHERE order_key IN ('19', '20') ORDER BY 1;		-- 40, 20
SELECT campaign, members, orders, points FROM club.campaigns WHERE campaign = 'spring';		-- 50 of order 2, and 20
UPDATE club.campaign SET name = 'x' WHERE name = 'spring';
DELETE FROM club.campaign WHERE name = 'spring';
TRUNCATE club.campaign;
DELETE FROM club.earning_rule WHERE campaign = 'spring';
DELETE FROM club.campaign WHERE name = 'spring';
SELECT * FROM club.campaigns WHERE campaign = 'spring';		-- what it has given stays
BEGIN;
SELECT count(*) FROM loyalty.rerate('club', since => '2026-03-15', dry_run => false);
SELECT members, orders, points FROM club.campaigns WHERE campaign = 'spring';		-- that of order 19
ROLLBACK;
:verify

-- 9. What fails: a campaign is named by itself, and outside of one nothing of it is evaluated.  10 / 4 are 2, and 10 / 10 is 1
INSERT INTO club.campaign (name, starts, ends, applies_when) VALUES ('odd', '2026-10-01', '2026-11-01', '1 / (total - 13) < 2 AND total <> 19');
INSERT INTO club.earning_rule (name, points, bonus, starts, campaign) VALUES ('odd', '10 / (total - 17)', true, '2026-10-02', 'odd');
INSERT INTO t_campaigns.orders VALUES (31, 17, 13, 'main', '2026-10-05');
INSERT INTO t_campaigns.orders VALUES (31, 17, 17, 'main', '2026-10-05');
INSERT INTO t_campaigns.orders VALUES (31, 17, 13, 'main', '2026-11-05'), (32, 17, 17, 'main', '2026-10-01'), (33, 17, 19, 'main', '2026-10-05'), (34, 17, 21, 'main', '2026-10-05');
SELECT order_key, points FROM club.order_points WHERE order_key IN ('31', '32', '33', '34') ORDER BY 1;		-- 13, 17, 19, 23
SELECT campaign, members, orders, points FROM club.campaigns WHERE campaign = 'odd';		-- 1, 1, 2
SELECT what, status FROM club.simulate_order(ROW(99, 9, 19, 'main', '2026-10-15')::t_campaigns.orders) WHERE name = 'odd';
-- the customer's row, a table that is let go of for a while, and a correction of the terms
INSERT INTO club.campaign (name, starts, ends, applies_when) VALUES ('home', '2026-11-01', '2026-12-01', $$member.country = 'DE' AND total <> 28$$);
INSERT INTO club.earning_rule (name, points, bonus, campaign) VALUES ('home', '10', true, 'home');
INSERT INTO t_campaigns.orders VALUES (21, 15, 17, 'main', '2026-11-05'), (22, 16, 27, 'main', '2026-11-05');	-- AT; DE: 27 + 10
SELECT campaign, members, orders, revenue, points FROM club.campaigns WHERE campaign = 'home';		-- 1, 1, 27, 10
SELECT name, status FROM club.explain('21') WHERE name = 'home';
SELECT loyalty.pause('club', 't_campaigns.orders');
SELECT loyalty.resume('club', 't_campaigns.orders');
UPDATE club.terms_rule SET points = '1' WHERE is_campaign AND campaign = 'home';
UPDATE club.terms_rule SET applies_when = $$member.country = 'DE'$$ WHERE is_campaign AND campaign = 'home';
SELECT applies_when FROM club.campaign WHERE name = 'home';
INSERT INTO t_campaigns.orders VALUES (24, 16, 28, 'main', '2026-11-06');		-- 28 + 10
SELECT campaign, members, orders, revenue, points FROM club.campaigns WHERE campaign = 'home';		-- 1, 2, 55, 20
:verify

-- 10. Lines: 2 and 3 pieces of 10 are 50 / 3, and 5 more: 21.7; half of it is refunded: 25 / 3 and 2.5 are 10.8, of which the campaign gave 2.5.  Multipliers of
-- lines tell nothing of themselves
CREATE TABLE t_campaigns.sales (id int PRIMARY KEY, customer int, total numeric, kind int, at timestamptz);
CREATE TABLE t_campaigns.lines (sale int, qty int, price numeric);
CREATE TABLE t_campaigns.refunds (id int PRIMARY KEY, sale int, amount numeric);
INSERT INTO t_campaigns.sales VALUES (1, 1, NULL, 1, '2026-01-02'), (2, 2, NULL, 2, '2026-01-02');
INSERT INTO t_campaigns.lines SELECT s, q, 10 FROM generate_series(1, 2) s CROSS JOIN generate_series(2, 3) q;
SELECT loyalty.create_program('random', customers => 't_campaigns.customers', time_zone => 'UTC', points_scale => 1, rounding => 'half_up');
SELECT loyalty.track_orders('random', 't_campaigns.sales', customer => 'customer', at => 'at', lines => 't_campaigns.lines', line_order => 'sale', line_amount => 'qty * price', backfill => false);
SELECT loyalty.track_refunds('random', 't_campaigns.refunds', order_key => 'sale', amount => 'amount', backfill => false);
INSERT INTO random.earning_rule (name, points) VALUES ('base', 'amount / 3');
INSERT INTO random.campaign (name, ends, applies_when) VALUES ('pieces', '2026-01-04', 'kind <> 2 AND 1 / (id - 3) < 2');
INSERT INTO random.earning_rule (name, multiplier, per, campaign) VALUES ('x', '2', 'line', 'pieces');
INSERT INTO random.earning_rule (name, points, per, campaign) VALUES ('piece', 'qty', 'line', 'pieces');
SELECT loyalty.backfill('random', 't_campaigns.sales');
SELECT order_key, points FROM random.order_points ORDER BY 1;		-- 21.7, 16.7
INSERT INTO t_campaigns.refunds VALUES (1, 1, 25);
SELECT campaign, members, orders, revenue, points FROM random.campaigns;		-- 1, 1, 25, 2.5
INSERT INTO t_campaigns.sales VALUES (3, 3, NULL, 1, '2026-01-02');
INSERT INTO t_campaigns.lines VALUES (3, 1, 10);		-- the campaign fails
DELETE FROM t_campaigns.sales WHERE id = 3;

-- 11. At random: rules that add, multiply and exclude in two campaigns.  What came of each is what the same orders would have less without its rules, by loyalty.simulate()
CREATE TABLE t_campaigns.random (id int PRIMARY KEY, customer int, total numeric, kind int, at timestamptz);
SELECT loyalty.track_orders('random', 't_campaigns.random', customer => 'customer', at => 'at', amount => 'total');
INSERT INTO random.campaign (name, starts, ends, applies_when) VALUES ('a', '2026-01-10', '2026-01-20', 'kind < 3'), ('b', '2026-01-05', NULL, 'kind > 0');
INSERT INTO random.earning_rule (name, points, multiplier, applies_when, stacking, bonus, at_most, priority, campaign) VALUES
  ('a1', NULL, '1.7', 'total > 5', 'add', false, NULL, 0, 'a'), ('a2', '7', NULL, 'true', 'add', true, NULL, 0, 'a'),
  ('b1', 'amount', NULL, 'kind = 1', 'exclusive', false, 11, 5, 'b'), ('b2', NULL, '1.3', 'true', 'add', false, NULL, 0, 'b'), ('b3', NULL, '2', 'kind = 4', 'multiply', false, NULL, 0, 'b');
SELECT setseed(0.5);
INSERT INTO t_campaigns.random SELECT n, 1 + random() * 30, (random() * 400)::int / 10.0, (random() * 4)::int, timestamptz '2026-01-04' + random() * interval '27 days' FROM generate_series(1, 200) n;
BEGIN;
DELETE FROM random.earning_rule WHERE campaign = 'a';
SELECT -sum(difference) AS a FROM loyalty.simulate('random') \gset
ROLLBACK;
BEGIN;
DELETE FROM random.earning_rule WHERE campaign = 'b';
SELECT -sum(difference) AS b FROM loyalty.simulate('random') \gset
ROLLBACK;
SELECT campaign, points = CASE campaign WHEN 'a' THEN :a WHEN 'b' THEN :b ELSE 2.5 END AS same, abs(points) > 100 AS much FROM random.campaigns ORDER BY campaign;
-- the same of some that changed, some posted and some not
CALL loyalty.post('random');
UPDATE t_campaigns.random SET total = total / 2, kind = (kind + 1) % 5 WHERE id % 7 = 0;
DELETE FROM t_campaigns.random WHERE id % 11 = 0;
BEGIN;
DELETE FROM random.earning_rule WHERE campaign = 'a';
SELECT -sum(difference) AS a FROM loyalty.simulate('random') \gset
ROLLBACK;
BEGIN;
DELETE FROM random.earning_rule WHERE campaign = 'b';
SELECT -sum(difference) AS b FROM loyalty.simulate('random') \gset
ROLLBACK;
SELECT campaign, points = CASE campaign WHEN 'a' THEN :a WHEN 'b' THEN :b ELSE 2.5 END AS same, abs(points) > 100 AS much FROM random.campaigns ORDER BY campaign;
SELECT * FROM loyalty.verify('random');

-- 12. Who may read the program may read what came of its campaigns, and changes them as an administrator
CREATE ROLE regress_loyalty_clerk;
CREATE ROLE regress_loyalty_boss;
SELECT loyalty.grant_access('random', 'regress_loyalty_clerk', 'read'), loyalty.grant_access('random', 'regress_loyalty_boss', 'admin');
SET ROLE regress_loyalty_clerk;
SELECT campaign, members > 10 AS many FROM random.campaigns ORDER BY campaign;
UPDATE random.campaign SET ends = '2027-01-01';
SET ROLE regress_loyalty_boss;
UPDATE random.campaign SET cost_per_point = 0.01, comment = 'dear' WHERE name = 'a';
INSERT INTO random.campaign (name) VALUES ('c');
UPDATE random.earning_rule SET campaign = 'c' WHERE name = 'base';
DELETE FROM random.campaign WHERE name = 'c';
UPDATE random.earning_rule SET campaign = NULL WHERE name = 'base';
DELETE FROM random.campaign WHERE name = 'c';
RESET ROLE;
SELECT campaign, cost = round(points * 0.01, 2) AS priced FROM random.campaigns ORDER BY campaign;

-- 13. Faults that are planted are found
CALL loyalty.post('random');
SELECT min(l.order_key) AS one FROM random.ledger l JOIN random.terms_rule r ON r.version = l.terms AND r.award = 1 AND r.campaign = 'a' WHERE l.revision = 1 AND l.parts[1] IS NOT NULL AND l.counts
   AND NOT EXISTS (SELECT FROM random.ledger n WHERE n.order_key = l.order_key AND n.revision > 1) \gset
ALTER TABLE random.ledger DISABLE TRIGGER USER;
ALTER TABLE random.campaign DISABLE TRIGGER USER;
ALTER TABLE random.terms_rule DISABLE TRIGGER USER;
-- an order that has points by rules of a campaign, and not the campaign
BEGIN;
UPDATE random.ledger SET parts[1] = NULL WHERE order_key = :'one';
SELECT DISTINCT violation FROM loyalty.verify('random') WHERE order_key IS NOT NULL ORDER BY 1;
ROLLBACK;
-- a campaign that gives something itself
BEGIN;
UPDATE random.ledger SET parts[1] = 5, order_points = order_points + 5, points_change = points_change + 5 WHERE order_key = :'one';
SELECT DISTINCT violation FROM loyalty.verify('random') WHERE violation ~ 'fit' ORDER BY 1;
ROLLBACK;
-- another window than that by which orders were recorded
BEGIN;
UPDATE random.terms_rule SET starts = '2026-01-15' WHERE is_campaign AND campaign = 'a';
SELECT DISTINCT violation FROM loyalty.verify('random') ORDER BY 1;
ROLLBACK;
-- a campaign that is lost
BEGIN;
DELETE FROM random.campaign WHERE name = 'b';
SELECT DISTINCT violation, CASE WHEN violation ~ 'campaign' THEN detail END AS detail FROM loyalty.verify('random') ORDER BY 1, 2;
ROLLBACK;
-- rules of another campaign
BEGIN;
UPDATE random.terms_rule SET campaign = 'b' WHERE campaign = 'a' AND gate IS NOT NULL;
SELECT DISTINCT violation FROM loyalty.verify('random') ORDER BY 1;
ROLLBACK;
-- a view that says something else
BEGIN;
CREATE OR REPLACE VIEW random.campaigns AS
SELECT c.name AS campaign, c.starts, c.ends, 20::bigint AS members, 30::bigint AS orders, 0::bigint AS events, 1::numeric(38, 2) AS revenue, 2::numeric(38, 1) AS points,
       c.budget, NULL::numeric(38, 1) AS budget_left, NULL::numeric(38, 2) AS cost FROM random.campaign c WHERE c.name = 'a';
SELECT violation, split_part(detail, ';', 1) AS detail FROM loyalty.verify('random') WHERE violation ~ 'campaign' ORDER BY 2;
ROLLBACK;
ALTER TABLE random.ledger ENABLE TRIGGER USER;
ALTER TABLE random.campaign ENABLE TRIGGER USER;
ALTER TABLE random.terms_rule ENABLE TRIGGER USER;
-- a table that is lost is made again, but for what terms do not have
BEGIN;
DROP TABLE random.campaign CASCADE;
SELECT loyalty.upgrade_program('random');
SELECT name, starts, ends, applies_when FROM random.campaign ORDER BY name;
SELECT campaign, abs(points) > 100 AS much FROM random.campaigns ORDER BY campaign;
SELECT * FROM loyalty.verify('random');
ROLLBACK;

SELECT loyalty.drop_program(p, force => true) FROM unnest('{club,random}'::name[]) p;
DROP SCHEMA t_campaigns CASCADE;
DROP OWNED BY regress_loyalty_clerk, regress_loyalty_boss;
DROP ROLE regress_loyalty_clerk, regress_loyalty_boss;
