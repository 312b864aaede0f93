-- Why a tier is held, and what is missing for the next one: each part of each condition.  Expected
-- values were worked out by hand, and days by plain SQL over the table of the orders.
\set VERBOSITY default
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET TimeZone = 'UTC';
CREATE SCHEMA t_explain_tier;
SET search_path = t_explain_tier;
CREATE TABLE customers (id int PRIMARY KEY, joined date, kind text);
CREATE TABLE orders (id int PRIMARY KEY, customer int, at timestamptz, total numeric);
CREATE TABLE complaints (id int PRIMARY KEY, customer int, at timestamptz);
-- the tenth of a month, so that five years end on one, too
INSERT INTO customers VALUES (1, date_trunc('month', current_date - interval '4 years 10 months') + interval '9 days', 'a'), (2, current_date - interval '6 years', 'b'), (3, NULL, NULL);
SELECT loyalty.create_program('club', customers => 't_explain_tier.customers', joined_at => 'joined', time_zone => 'UTC');
SELECT loyalty.track_orders('club', 't_explain_tier.orders', customer => 'customer', at => 'at', amount => 'total');
SELECT loyalty.track_events('club', 'complaint', 't_explain_tier.complaints', customer => 'customer', at => 'at');
SELECT * FROM club.explain_tier(1);

INSERT INTO club.metric VALUES ('year', $$total(purchases, today - interval '1 year')$$);
INSERT INTO club.tier (name, rank, qualifies) VALUES
	('Silver', 1, 'year >= 100'),
	('Gold', 2, $$year >= 500 AND (times(complaint) = 0 OR tenure >= '5 years')$$),
	('Platinum', 3, $$spend > 3000 AND tenure >= '5 years' AND NOT (times(complaint, today - 90) > 0 OR last_order_at < at - interval '100 days')$$);
INSERT INTO orders VALUES (1, 1, current_date - 300 + time '12:00', 400), (2, 1, current_date - 200 + time '12:00', 300), (3, 2, current_date - 99 + time '12:00', 5000);
INSERT INTO complaints VALUES (1, 1, current_date - 10 + time '12:00');
-- Of 700 in a year, 500 are needed for Gold, and 3,000 for Platinum.  The complaint counts for Platinum until 90 days have passed, and for Gold until five years have.
SELECT tier, held, part, holds, CASE WHEN condition NOT LIKE '%tenure%' AND condition NOT LIKE '%last_order_at%' THEN value END AS value, CASE WHEN condition NOT LIKE '%last_order_at%' THEN wanted END AS wanted,
       CASE WHEN condition NOT LIKE '(tenure%' THEN distance END AS distance
  FROM club.explain_tier(1);
SELECT part, condition FROM club.explain_tier(1) WHERE tier = 'Gold';
-- On which day each of them changes.  A day is in a window of a year until the day after its anniversary; a complaint of the day x is one of 90 days up to the day x + 90.
CREATE FUNCTION leaves(day date) RETURNS date LANGUAGE sql STABLE AS $$ SELECT min(t::date) FROM generate_series(current_date + 1, current_date + 800, interval '1 day') t WHERE t - interval '1 year' > day $$;
SELECT e.tier, e.part, e.changes_on = x.day AS right_day, CASE WHEN e.part = '{2}' OR e.part = '{2,2}' THEN e.distance = x.day - current_date END AS right_distance
  FROM (VALUES ('Platinum', '{2}'::int[], (SELECT (joined + interval '5 years')::date FROM customers WHERE id = 1)), ('Platinum', '{3,1,1}', current_date - 10 + 91),
               ('Gold', '{}', (SELECT (joined + interval '5 years')::date FROM customers WHERE id = 1)), ('Gold', '{1}', leaves(current_date - 300)), ('Gold', '{2}', (SELECT (joined + interval '5 years')::date FROM customers WHERE id = 1)),
               ('Gold', '{2,2}', (SELECT (joined + interval '5 years')::date FROM customers WHERE id = 1)), ('Silver', '{}', leaves(current_date - 200))) x (tier, part, day)
  JOIN club.explain_tier(1) e USING (tier, part) ORDER BY 1 DESC, 2;
SELECT tier, part FROM club.explain_tier(1) WHERE changes_on IS NULL;
-- of 700, 400 leave first, which lacks 200 for Gold; then the others, which lacks all 100 for Silver
SELECT tier, part, distance FROM club.explain_tier(1) WHERE (tier, part) IN (('Gold', '{1}'), ('Silver', '{}'));
-- 2: held until 100 days after the order, of which the time of the day counts: at the beginning of the day after
SELECT tier, held, part, holds, distance, changes_on - current_date AS days FROM club.explain_tier(2) WHERE (tier, part) IN (('Platinum', '{}'), ('Platinum', '{3,1,2}'), ('Gold', '{2,1}'));
-- 3 has bought nothing, and joined nobody knows when
SELECT tier, held, part, holds, value, distance, changes_on FROM club.explain_tier(3);
-- how far it is looked ahead
SELECT count(changes_on) FROM club.explain_tier(1, days => 0);
SELECT tier, part FROM club.explain_tier(2, days => 1) WHERE changes_on IS NOT NULL;
SELECT * FROM club.explain_tier(1, days => -1);
SELECT * FROM club.explain_tier(1, days => 100000);
SELECT count(*) FROM club.explain_tier(1, days => NULL);
SELECT * FROM club.explain_tier(99);
SELECT * FROM club.explain_tier(1.5);
SELECT * FROM club.explain_tier(NULL);

-- parts of all kinds: sides the other way round, both of the customer, lists, nulls, text, fractions, and what fails
BEGIN;
DELETE FROM club.tier;
INSERT INTO club.tier (name, rank, qualifies) VALUES ('odd', 1, $$2 <= orders OR spend > orders * 1000 OR orders IN (7, 8) OR first_order_at IS NULL OR 'x' > to_char(today, 'YYYY') OR orders::float8 / 2 > 1.5 OR spend / (orders - 2) > 1 OR spend = 1000$$);
SELECT part, holds, value, wanted, distance FROM club.explain_tier(1) WHERE part <> '{5}';
SELECT part, condition, holds, value = to_char(current_date, 'YYYY') AS value, wanted, distance FROM club.explain_tier(1) WHERE part = '{5}';
ROLLBACK;

-- by card, who was merged, and who may ask
SELECT club.issue_card(1, '79927398713');
SELECT count(*) FILTER (WHERE b IS NOT DISTINCT FROM e) AS same, count(*) AS rows FROM club.explain_tier_by_card('7992 7398 713') b FULL JOIN club.explain_tier(1) e USING (tier, part);
CREATE ROLE regress_explain_tier;
GRANT USAGE ON SCHEMA t_explain_tier TO regress_explain_tier;
SET ROLE regress_explain_tier;
SELECT * FROM club.explain_tier(1);
RESET ROLE;
SELECT loyalty.grant_access('club', 'regress_explain_tier', 'read');
SET ROLE regress_explain_tier;
SELECT count(*) FROM club.explain_tier(1);
RESET ROLE;
DROP OWNED BY regress_explain_tier;
DROP ROLE regress_explain_tier;
SELECT (club.merge(3, 1, 'merge-3')).reference;
SELECT count(*) FILTER (WHERE a IS NOT DISTINCT FROM b) AS same, count(*) AS rows FROM club.explain_tier(3) a FULL JOIN club.explain_tier(1) b USING (tier, part);
SELECT * FROM loyalty.verify('club');

-- At random: the tier is the one that members has, and it is lost on the first day on which plain SQL over the orders finds less than 100 in a year
CREATE TABLE r_customers (id int PRIMARY KEY);
CREATE TABLE r_orders (id int PRIMARY KEY, customer int, at timestamptz, total numeric);
INSERT INTO r_customers SELECT generate_series(1, 40);
SELECT loyalty.create_program('r', customers => 't_explain_tier.r_customers', time_zone => 'Asia/Tokyo');
SELECT loyalty.track_orders('r', 't_explain_tier.r_orders', customer => 'customer', at => 'at', amount => 'total');
INSERT INTO r.tier (name, rank, qualifies) VALUES ('low', 1, $$total(purchases, today - interval '1 year') >= 100$$), ('high', 2, $$total(purchases, today - interval '1 year') >= 250$$);
SELECT setseed(0.4);
INSERT INTO r_orders SELECT g, 1 + g % 40, now() - random() * interval '500 days', (random() * 100)::int FROM generate_series(1, 200) g;
CALL loyalty.post('r');
INSERT INTO r_orders SELECT g, 1 + g % 40, now() - random() * interval '500 days', (random() * 100)::int FROM generate_series(201, 240) g;
WITH said AS (SELECT c.id, e.* FROM r_customers c CROSS JOIN LATERAL r.explain_tier(c.id, days => 400) e),
     sums AS (SELECT c.id, t.day::date AS day, coalesce(sum(o.total) FILTER (WHERE (o.at AT TIME ZONE 'Asia/Tokyo')::date >= t.day - interval '1 year'), 0) AS year
                FROM r_customers c CROSS JOIN generate_series((now() AT TIME ZONE 'Asia/Tokyo')::date, (now() AT TIME ZONE 'Asia/Tokyo')::date + 400, interval '1 day') t (day) LEFT JOIN r_orders o ON o.customer = c.id
               GROUP BY 1, 2),
     should AS (SELECT s.id, t.tier, s.year >= t.least AS holds, s.year, (SELECT min(l.day) FROM sums l WHERE l.id = s.id AND l.day > s.day AND (l.year >= t.least) <> (s.year >= t.least)) AS changes_on, t.least
                  FROM sums s CROSS JOIN (VALUES ('low', 100), ('high', 250)) t (tier, least) WHERE s.day = (now() AT TIME ZONE 'Asia/Tokyo')::date)
SELECT count(*) AS rows, count(*) FILTER (WHERE a.holds IS NOT DISTINCT FROM b.holds AND a.value::numeric IS NOT DISTINCT FROM b.year AND a.changes_on IS NOT DISTINCT FROM b.changes_on) AS right,
       count(*) FILTER (WHERE a.distance IS NOT DISTINCT FROM CASE WHEN NOT b.holds THEN b.least - b.year WHEN b.changes_on IS NOT NULL THEN b.least - (SELECT l.year FROM sums l WHERE l.id = b.id AND l.day = b.changes_on) END) AS right_distance,
       count(*) FILTER (WHERE a.changes_on IS NOT NULL) > 20 AS many_change,
       count(*) FILTER (WHERE a.held <> coalesce(a.tier = (SELECT m.tier FROM r.members m WHERE m.id = a.id), false)) AS wrong_tier
  FROM said a FULL JOIN should b USING (id, tier);
SELECT * FROM loyalty.verify('r');
SELECT loyalty.drop_program('club', force => true), loyalty.drop_program('r', force => true);
DROP SCHEMA t_explain_tier CASCADE;
