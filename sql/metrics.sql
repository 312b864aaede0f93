-- Metrics: what is to be known of a customer, by name, and conditions over histories.
-- Numbers were worked out by hand, or by plain SQL over the tables of the shop.
\set VERBOSITY default
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE SCHEMA t_metrics;
SET search_path = t_metrics;
CREATE TABLE customers (customer_id int PRIMARY KEY, name text, since date, credit int, minutes_bought numeric, tags text[], birthday date);
CREATE TABLE orders (order_id int PRIMARY KEY, customer_id int, at timestamp, total numeric(12,2), channel text);
CREATE TABLE complaints (id int PRIMARY KEY, customer_id int, at timestamp, settled boolean DEFAULT false);
INSERT INTO customers SELECT i, 'c' || i, '2018-01-01', 100 * i, 60, ARRAY['a', 'b'], '1990-05-17' FROM generate_series(1, 6) i;
SELECT loyalty.create_program('club', customers => 't_metrics.customers', joined_at => 'since', time_zone => 'Europe/Berlin');
SELECT loyalty.track_orders('club', 't_metrics.orders', customer => 'customer_id', at => 'at', amount => 'total');
SELECT loyalty.track_events('club', 'complaint', 't_metrics.complaints', customer => 'customer_id', at => 'at', counts_when => 'NOT settled');
SELECT loyalty.track_events('club', 'online', 't_metrics.orders', customer => 'customer_id', at => 'at', counts_when => $$channel = 'web'$$);
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');

-- 1. what is wrong with a metric is told, and changes nothing
INSERT INTO club.metric VALUES ('spend', '1');
INSERT INTO club.metric VALUES ('tier', '1');
INSERT INTO club.metric VALUES ('complaint', '1');
INSERT INTO club.metric VALUES ('customer_id', '1');
INSERT INTO club.metric VALUES ('', '1');
INSERT INTO club.metric VALUES (repeat('x', 64), '1');
INSERT INTO club.metric VALUES ('m', '');
INSERT INTO club.metric VALUES ('m', 'spnd');
INSERT INTO club.metric VALUES ('m', 'member.crdit');
INSERT INTO club.metric VALUES ('m', 'times(complaints)');
INSERT INTO club.metric VALUES ('m', 'random()');
INSERT INTO club.metric VALUES ('m', 'now() - joined_at');
INSERT INTO club.metric VALUES ('m', 'ROW(1, 2)');
INSERT INTO club.metric VALUES ('m', '(SELECT 1)');
INSERT INTO club.metric VALUES ('m', 'tier');
INSERT INTO club.metric VALUES ('m', NULL);
SELECT * FROM club.metric;
SELECT terms FROM club.program;

-- 2. windows: a calendar year and the one before (WE-175), a year that rolls (WE-177), and any of three (WE-181)
INSERT INTO club.tier (name, rank, qualifies) VALUES ('Bronze', 1, 'true'), ('Gold', 2, $$total(purchases, date_trunc('year', today - interval '1 year')) >= 500$$);
INSERT INTO orders VALUES (1, 1, '2024-06-01 12:00', 500);
SELECT club.tier_at(1, m::timestamp AT TIME ZONE 'Europe/Berlin') AS tier, m FROM unnest('{2024-05-31 12:00, 2024-06-01 13:00, 2025-12-31 23:59, 2026-01-01 00:00}'::text[]) m;
UPDATE club.tier SET qualifies = $$total(purchases, today - interval '1 year') >= 500$$ WHERE name = 'Gold';
INSERT INTO orders VALUES (2, 2, '2019-03-03 12:00', 500);
SELECT club.tier_at(2, m::timestamp AT TIME ZONE 'Europe/Berlin') AS tier, (club.member_at(2, m::timestamp AT TIME ZONE 'Europe/Berlin')).tier AS as_of, m
  FROM unnest('{2019-03-03 11:59, 2019-03-03 12:00, 2020-03-03 23:59, 2020-03-04 00:00}'::text[]) m;
UPDATE club.tier SET qualifies = $$total(purchases, today - interval '1 month') >= 500 OR total(purchases, today - interval '1 year') >= 1000 OR times(purchases, today - interval '1 year') >= 20$$ WHERE name = 'Gold';
INSERT INTO orders VALUES (10, 3, '2022-03-10 10:00', 300), (11, 3, '2022-03-20 10:00', 200);
INSERT INTO orders VALUES (20, 4, '2022-01-10 10:00', 499), (21, 4, '2022-05-10 10:00', 499), (22, 4, '2022-09-10 10:00', 2);
INSERT INTO orders SELECT 100 + i, 5, date '2022-01-01' + 15 * i, 1 FROM generate_series(1, 20) i;
INSERT INTO orders VALUES (30, 6, '2022-03-10 10:00', 499), (31, 6, '2022-04-12 10:00', 400);
SELECT c AS customer, club.tier_at(c, '2022-03-21 00:00+01') AS march, club.tier_at(c, '2022-11-01 00:00+01') AS november, club.tier_at(c, '2023-12-01 00:00+01') AS later FROM generate_series(3, 6) c;
SELECT * FROM loyalty.verify('club');

-- 3. the same where entries are folded: the tier just before each order.  An order of 500 makes Gold for the next one, at most 31 days
--    later; a complaint counts when it is recorded
UPDATE club.tier SET qualifies = $$total(purchases, today - 30) >= 500 AND times(complaint, today - 30) = 0$$, multiplier = 2 WHERE name = 'Gold';
INSERT INTO orders VALUES (40, 1, '2025-03-01 10:00', 500);
INSERT INTO orders VALUES (41, 1, '2025-03-01 11:00', 10);
INSERT INTO orders VALUES (42, 1, '2025-03-31 23:59', 10);
INSERT INTO orders VALUES (43, 1, '2025-04-01 00:00', 10);
INSERT INTO complaints VALUES (1, 1, '2025-03-10 09:00');
INSERT INTO orders VALUES (44, 1, '2025-03-11 10:00', 10);
UPDATE complaints SET settled = true;
INSERT INTO orders VALUES (45, 1, '2025-03-11 10:00', 10);
SELECT order_key, tier, points FROM club.entries WHERE customer_id = 1 AND order_key::int >= 40 AND kind = 'order' ORDER BY order_key;
-- what-if goes by all as it stands now: 44 is Gold, too, since the complaint is settled
SELECT sum(points_before) AS recorded, sum(points_after) AS simulated FROM loyalty.simulate('club');
CALL loyalty.post('club');
SELECT order_key, tier, points FROM club.entries WHERE customer_id = 1 AND order_key::int >= 40 AND kind = 'order' ORDER BY order_key;
-- a refund of the first takes nothing from what the others earned; who buys next is not Gold
UPDATE orders SET total = 100 WHERE order_id = 40;
INSERT INTO orders VALUES (46, 1, '2025-03-12 10:00', 10);
SELECT order_key, revision, tier, points FROM club.entries WHERE customer_id = 1 AND order_key IN ('40', '45', '46') AND kind = 'order' ORDER BY order_key, revision;
SELECT sum(points) FROM club.explain('46');
SELECT * FROM loyalty.verify('club');

-- 4. metrics in conditions, and what each says of a member now
INSERT INTO club.metric (name, expression, comment) VALUES
	('year', $$total(purchases, today - interval '12 months')$$, 'what was bought in twelve months'),
	('credit', 'member.credit', NULL),
	('online share', 'round(100.0 * times(online) / nullif(orders, 0), 1)', NULL),
	('open complaints', 'times(complaint)', NULL),
	('score', 'CASE WHEN member.credit > 300 THEN 1 ELSE 1 / (member.credit - 300) END', 'fails for one of them'),
	('facts', $$member.tags[2] || ' ' || member.birthday || ' ' || today - date '1990-01-01' - (today - date '1990-01-01')$$, NULL);
\d club.metrics
SELECT col_description('club.metrics'::regclass, 4), obj_description('club.metrics'::regclass);
INSERT INTO complaints VALUES (2, 2, now() - interval '1 hour'), (3, 2, now() - interval '2 days');
INSERT INTO orders VALUES (50, 2, now()::timestamp - interval '11 months', 70, 'web'), (51, 2, now()::timestamp - interval '13 months', 30, 'shop');
SELECT * FROM club.metrics WHERE customer_id IN (2, 3, 4) ORDER BY 1;
CALL loyalty.post('club');
SET datestyle = 'German, DMY'; SET timezone = 'Asia/Tokyo'; SET intervalstyle = 'iso_8601';
SELECT * FROM club.metrics WHERE customer_id IN (2, 3, 4) ORDER BY 1;
RESET datestyle; RESET timezone; RESET intervalstyle;
SELECT * FROM loyalty.verify('club');
UPDATE club.tier SET qualifies = 'year >= 70 AND "open complaints" < 3' WHERE name = 'Gold';
SELECT qualifies FROM club.tier WHERE name = 'Gold';
SELECT customer_id, tier FROM club.members WHERE customer_id IN (2, 3) ORDER BY 1;
-- what decides about an order does not see the customer's row; what is used stays; names stay free
UPDATE club.tier SET qualifies = 'credit > 100' WHERE name = 'Gold';
INSERT INTO club.earning_rule (name, points, for_members) VALUES ('credit', '1', 'credit > 100');
INSERT INTO club.earning_rule (name, points, for_members) VALUES ('good', '1', 'year > 100 AND times(online) > 0');
DELETE FROM club.metric WHERE name = 'year';
UPDATE club.metric SET name = 'twelve months' WHERE name = 'year';
DELETE FROM club.earning_rule WHERE name = 'good';
UPDATE club.tier SET qualifies = 'spend >= 70' WHERE name = 'Gold';
UPDATE club.metric SET name = 'twelve months' WHERE name = 'year';
SELECT "twelve months" FROM club.metrics WHERE customer_id = 2;
-- columns of the view keep their places, and rights on it
CREATE ROLE regress_metrics_reader;
GRANT USAGE ON SCHEMA t_metrics TO regress_metrics_reader;
SELECT loyalty.grant_access('club', 'regress_metrics_reader', 'read');
DELETE FROM club.metric WHERE name IN ('facts', 'score');
INSERT INTO club.metric VALUES ('average', 'round(spend / nullif(orders, 0), 2)');
SET ROLE regress_metrics_reader;
SELECT * FROM club.metrics WHERE customer_id = 2;
SELECT * FROM club.member_facts;
SELECT * FROM club.customer_rows;
RESET ROLE;
CREATE VIEW report AS SELECT customer_id, average FROM club.metrics;
DELETE FROM club.metric WHERE name = 'average';
DROP VIEW report;
-- renames are followed, and what is used cannot be dropped
ALTER TABLE customers RENAME COLUMN credit TO "Credit score";
ALTER TABLE customers DROP COLUMN "Credit score";
SELECT * FROM club.metrics WHERE customer_id = 2;
INSERT INTO club.metric VALUES ('bought', 'member.minutes_bought');
SELECT expression FROM club.metric WHERE name = 'credit';
SELECT * FROM club.metrics WHERE customer_id = 2;
SELECT * FROM loyalty.verify('club');

-- 5. rolled back, nothing of it is left
BEGIN;
DELETE FROM club.metric;
SELECT * FROM club.metrics WHERE customer_id = 2;
ROLLBACK;
SELECT * FROM club.metrics WHERE customer_id = 2;

-- 6. at random: orders in the order of their times, some changed, some posted; tiers against plain SQL
DELETE FROM club.metric;
UPDATE club.tier SET qualifies = $$total(purchases, today - 60) >= 400 AND times(purchases, today - 90, today - 5) >= 2$$, multiplier = 2 WHERE name = 'Gold';
TRUNCATE orders;
SELECT setseed(0.41);
CREATE TABLE planned AS
SELECT i AS order_id, 1 + (random() * 5)::int % 6 AS customer_id, timestamp '2023-01-01' + i * interval '7 hours' + random() * interval '3 hours' AS at, round((random() * 150)::numeric, 2) AS total FROM generate_series(1000, 1599) i;
DO $$
DECLARE
	p planned;
BEGIN
	FOR p IN SELECT * FROM planned ORDER BY order_id LOOP
		INSERT INTO orders VALUES (p.order_id, p.customer_id, p.at, p.total, NULL);
		IF p.order_id % 100 = 0 THEN
			ASSERT NOT EXISTS (SELECT FROM loyalty.verify('club'));
		END IF;
	END LOOP;
END
$$;
SELECT count(*) AS orders, count(*) FILTER (WHERE e.tier = 'Gold') > 50 AS some_gold, count(*) FILTER (WHERE e.tier <> x.tier) AS wrong
  FROM club.entries e
  JOIN (SELECT o.order_id,
               CASE WHEN (SELECT coalesce(sum(b.total), 0) FROM planned b WHERE b.customer_id = o.customer_id AND b.order_id < o.order_id AND b.at::date >= o.at::date - 60) >= 400
                     AND (SELECT count(*) FROM planned b WHERE b.customer_id = o.customer_id AND b.order_id < o.order_id AND b.at::date >= o.at::date - 90 AND b.at::date < o.at::date - 5) >= 2
                    THEN 'Gold' ELSE 'Bronze' END AS tier FROM planned o) x ON x.order_id = e.order_key::int
 WHERE e.kind = 'order';
UPDATE orders SET total = total * 0.5 WHERE order_id % 7 = 0;
DELETE FROM orders WHERE order_id % 31 = 0;
UPDATE orders SET customer_id = 1 + customer_id % 6 WHERE order_id % 43 = 0;
SELECT * FROM loyalty.verify('club');
CALL loyalty.post('club');
SELECT * FROM loyalty.verify('club');
-- verify() finds a tier that is another one
ALTER TABLE club.ledger DISABLE TRIGGER append_only;
UPDATE club.ledger SET tier = 'Bronze' WHERE order_key = (SELECT min(order_key) FROM club.ledger WHERE tier = 'Gold' AND revision = 1 AND order_key::int > 1000);
SELECT violation FROM loyalty.verify('club') WHERE violation LIKE '%tier%';
UPDATE club.ledger SET tier = 'Gold' WHERE order_key = (SELECT min(order_key) FROM club.ledger l WHERE tier = 'Bronze' AND multiplier = 2);
ALTER TABLE club.ledger ENABLE TRIGGER append_only;
SELECT * FROM loyalty.verify('club');

-- 7. a dump's way: the views are lost with a function, told, and mended
CREATE FUNCTION weight(numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 2';
INSERT INTO club.metric VALUES ('heavy', 't_metrics.weight(spend)');
UPDATE club.tier SET qualifies = 'heavy > 1000' WHERE name = 'Gold';
DROP FUNCTION weight(numeric);
SET client_min_messages = error;
DROP FUNCTION weight(numeric) CASCADE;
SET client_min_messages = warning;
SELECT violation, detail FROM loyalty.verify('club') WHERE violation LIKE '%no view%';
SELECT heavy FROM club.metrics WHERE customer_id = 1;
UPDATE club.terms_metric SET expression = 'spend * 2' WHERE name = 'heavy';
SELECT heavy = 2 * (SELECT lifetime_value FROM club.members WHERE customer_id = 1) AS right FROM club.metrics WHERE customer_id = 1;
SELECT violation, detail FROM loyalty.verify('club');
SELECT expression FROM club.metric;

SELECT loyalty.drop_program('club', force => true);
DROP OWNED BY regress_metrics_reader;
DROP ROLE regress_metrics_reader;
RESET search_path;
SET client_min_messages = warning;
DROP SCHEMA t_metrics CASCADE;
