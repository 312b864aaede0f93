-- Which tiers a customer held from when to when, and all that happened in one list.
\set VERBOSITY default
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET DateStyle = 'ISO';
CREATE SCHEMA t_tier_history;
SET search_path = t_tier_history;
CREATE TABLE customers (id int PRIMARY KEY, joined timestamptz);
CREATE TABLE orders (id int PRIMARY KEY, customer int, at timestamptz, total numeric);
CREATE TABLE complaints (id int PRIMARY KEY, customer int, at timestamptz);
INSERT INTO customers VALUES (1, '2018-05-10 12:00Z'), (2, NULL), (3, '2020-02-29'), (4, '2024-01-01');
SELECT loyalty.create_program('club', customers => 't_tier_history.customers', joined_at => 'joined', time_zone => 'Europe/Vienna');
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
SELECT loyalty.track_orders('club', 't_tier_history.orders', customer => 'customer', at => 'at', amount => 'total');
SELECT loyalty.track_events('club', 'complaint', 't_tier_history.complaints', customer => 'customer', at => 'at');
-- without tiers, none was held
SELECT * FROM club.tier_history(1);
SELECT * FROM club.tier_history(2);
INSERT INTO club.tier (name, rank, qualifies) VALUES ('Silver', 1, $$total(purchases, today - interval '1 year') >= 100$$), ('Gold', 2, $$total(purchases, today - interval '1 year') >= 300 AND times(complaint, today - 30) = 0$$),
	('Veteran', 3, $$tenure >= '5 years' AND orders >= 2$$);
-- 1 joined on 10 May 2018, in Vienna.  150 on 1 March 2021 are Silver; 200 more on 1 June are Gold, until a complaint on 20 July, and again after 30 days, on 20 August (the 31st day).  On 2 March 2022 the 150 are out of the year: Silver;
-- on 2 June 2022 nothing is left.  Five years are over on 10 May 2023.  Midnight in Vienna is 23:00 of the day before in winter, and 22:00 in summer.
INSERT INTO orders VALUES (1, 1, '2021-03-01 10:00Z', 150), (2, 1, '2021-06-01 10:00Z', 200);
INSERT INTO complaints VALUES (1, 1, '2021-07-20 15:00Z');
SELECT * FROM club.tier_history(1);
-- 29 February 2020: five years are over on 1 March 2025
INSERT INTO orders VALUES (3, 3, '2020-03-01', 1), (4, 3, '2020-03-02', 1);
SELECT * FROM club.tier_history(3);
SELECT * FROM club.tier_history(4);
-- all in one list: also what the till did, in the middle of it
SELECT (club.redeem(1, 50, 'till-1', reason => 'mug')).points;
SELECT CASE WHEN kind = 'redemption' THEN 'now' ELSE at::text END AS at, kind, what, amount, points, balance, tier, reason FROM club.timeline(1);
SELECT at, kind, what, tier FROM club.timeline(1, since => '2021-06-01 10:00Z', until => '2021-08-20 22:00Z');
SELECT * FROM club.timeline(4);
SELECT * FROM club.timeline(5);
SELECT * FROM club.tier_history(1.5);
-- who joined at no moment, or will join
BEGIN;
UPDATE customers SET joined = CASE id WHEN 2 THEN '-infinity'::timestamptz WHEN 4 THEN now() + interval '2 years' ELSE 'infinity' END WHERE id IN (2, 3, 4);
DELETE FROM orders WHERE customer = 3;
UPDATE club.tier SET qualifies = $$today >= '2015-06-15'$$ WHERE name = 'Silver';
SELECT c.id, t.tier, t.since, t.until, m.tier AS members FROM customers c CROSS JOIN LATERAL club.tier_history(c.id) t JOIN club.members m ON m.id = c.id WHERE c.id IN (2, 4) ORDER BY 1;
SELECT tier FROM club.tier_history(3) WHERE until IS NULL;
ROLLBACK;
-- by card, and merged: what 4 has bought counts for 2, of whom nothing was known, from the merge on
SELECT club.issue_card(1, '79927398713');
SELECT count(*) FROM club.timeline_by_card('79927398713') FULL JOIN club.timeline(1) t USING (at, kind, what) WHERE t.at IS NOT NULL AND what IS NOT NULL;
SELECT count(*) FROM club.tier_history_by_card('79927398713');
INSERT INTO orders VALUES (5, 4, now() - interval '10 days', 500);
SELECT tier FROM club.tier_history(4);
SELECT (club.merge(4, 2, 'm')).reference;
SELECT tier, since = (SELECT at FROM club.merged) AS since_merge, until FROM club.tier_history(2);
SELECT count(*) FROM (SELECT * FROM club.tier_history(4) EXCEPT SELECT * FROM club.tier_history(2)) x;
SELECT loyalty.drop_program('club', force => true);

-- At random: at each boundary, a moment before it, and at moments in between, it is what tier_at() tells; there is no gap, and the last one is what members has
CREATE TABLE r_customers (id int PRIMARY KEY, joined date);
CREATE TABLE r_orders (id int PRIMARY KEY, customer int, at timestamptz, total numeric);
CREATE TABLE r_reviews (id int PRIMARY KEY, customer int, at timestamptz, stars numeric);
SELECT setseed(0.3);
INSERT INTO r_customers SELECT g, CASE WHEN g % 5 > 0 THEN current_date - (random() * 2500)::int END FROM generate_series(1, 7) g;
SELECT loyalty.create_program(p, customers => 't_tier_history.r_customers', joined_at => 'joined', time_zone => z) FROM (VALUES ('sums'::name, 'UTC'), ('windows', 'America/New_York')) x (p, z);
INSERT INTO sums.tier (name, rank, qualifies) VALUES ('a', 1, 'spend >= 100'), ('b', 2, $$spend >= 150 AND tenure >= '2 years'$$), ('c', 3, $$points_earned >= 200 AND last_order_at > at - interval '100 days' AND first_order_at < at - interval '200 days'$$);
INSERT INTO sums.earning_rule (name, points) VALUES ('one', 'amount');
SELECT loyalty.track_orders(p, 't_tier_history.r_orders', customer => 'customer', at => 'at', amount => 'total', counts_when => 'total IS NOT NULL') FROM unnest('{sums,windows}'::name[]) p;
SELECT loyalty.track_events('windows', 'review', 't_tier_history.r_reviews', customer => 'customer', at => 'at', amount => 'stars');
INSERT INTO windows.tier (name, rank, qualifies) VALUES ('a', 1, $$total(purchases, today - 200) >= 100$$), ('b', 2, $$total(purchases, date_trunc('year', today::timestamp)) >= 120 OR total(review, today - 90) >= 5$$), ('c', 3, $$days(purchases) > 5 AND times(review) > 0 AND tenure > '3 years'$$);
CREATE PROCEDURE steps(n int) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1..n LOOP
		CASE (random() * 9)::int
			WHEN 0 THEN UPDATE r_orders SET total = (random() * 60)::int WHERE id = (SELECT id FROM r_orders ORDER BY random() LIMIT 1);
			WHEN 1 THEN UPDATE r_orders SET at = at + (random() - 0.5) * interval '100 days' WHERE id = (SELECT id FROM r_orders ORDER BY random() LIMIT 1);
			WHEN 2 THEN UPDATE r_orders SET total = NULL WHERE id = (SELECT id FROM r_orders ORDER BY random() LIMIT 1);
			WHEN 3 THEN UPDATE r_orders SET customer = 1 + (random() * 6)::int WHERE id = (SELECT id FROM r_orders ORDER BY random() LIMIT 1);
			WHEN 4 THEN DELETE FROM r_reviews WHERE id = (SELECT id FROM r_reviews ORDER BY random() LIMIT 1);
			WHEN 5, 6 THEN INSERT INTO r_reviews VALUES ((SELECT coalesce(max(id), 0) + 1 FROM r_reviews), 1 + (random() * 6)::int, now() - random() * interval '900 days', (random() * 5)::int);
			ELSE INSERT INTO r_orders VALUES ((SELECT coalesce(max(id), 0) + 1 FROM r_orders), 1 + (random() * 6)::int, now() - random() * interval '900 days' + interval '20 days', (random() * 60)::int);
		END CASE;
		COMMIT;
	END LOOP;
END $$;
CREATE FUNCTION wrong(program name) RETURNS TABLE (wrong text, customer int, at timestamptz) LANGUAGE plpgsql SET jit = off AS $$
BEGIN
	RETURN QUERY EXECUTE format($q$
		WITH period AS MATERIALIZED (SELECT c.id, t.*, lead(t.since) OVER w AS next, row_number() OVER w AS n, lag(t.tier) OVER w AS before FROM r_customers c CROSS JOIN LATERAL %1$I.tier_history(c.id) t WHERE NOT EXISTS (SELECT FROM %1$I.merged m WHERE m.customer = c.id) WINDOW w AS (PARTITION BY c.id ORDER BY t.since))
		SELECT 'gap', p.id, p.since FROM period p WHERE p.until IS DISTINCT FROM p.next OR (p.n > 1 AND p.before IS NOT DISTINCT FROM p.tier)
		UNION ALL
		SELECT 'tier_at', p.id, x.at FROM period p CROSS JOIN LATERAL (VALUES (p.since), (coalesce(p.until, now()) - interval '1 microsecond'), (p.since + random() * (coalesce(p.until, now()) - p.since))) x (at)
		 WHERE x.at >= p.since AND %1$I.tier_at(p.id, x.at) IS DISTINCT FROM p.tier
		UNION ALL
		SELECT 'balance', p.id, x.at FROM period p CROSS JOIN LATERAL (VALUES (p.since), (p.since + random() * (coalesce(p.until, now()) - p.since))) x (at) WHERE %1$I.balance(p.id, x.at) IS DISTINCT FROM (%1$I.member_at(p.id, x.at)).points
		   AND NOT EXISTS (SELECT FROM %1$I.entries e WHERE e.effective_at > now() AND (e.id = p.id OR e.id IN (SELECT m.customer FROM %1$I.merged m WHERE m.survivor = p.id)))	-- of an order to come, member_at counts points as members does
		UNION ALL
		SELECT 'now', m.id, NULL FROM %1$I.members m WHERE m.tier IS DISTINCT FROM (SELECT p.tier FROM period p WHERE p.id = m.id AND p.until IS NULL)
		   AND NOT EXISTS (SELECT FROM %1$I.entries e WHERE e.effective_at > now() AND (e.id = m.id OR e.id IN (SELECT o.customer FROM %1$I.merged o WHERE o.survivor = m.id))) $q$, program);
END $$;
CALL steps(80);
SELECT * FROM wrong('sums');
CALL loyalty.post('sums');
CALL loyalty.post('windows');
CALL steps(40);
SELECT (sums.merge(3, 4, 'm1')).reference, (windows.merge(3, 4, 'm1')).reference;
CALL steps(20);
SELECT (sums.merge(4, 5, 'm2')).reference, (windows.merge(4, 5, 'm2')).reference;
CALL steps(20);
SELECT * FROM wrong('sums');
SELECT * FROM wrong('windows');
SELECT count(DISTINCT t.tier) > 1 AS tiers, count(*) > 30 AS many FROM r_customers c CROSS JOIN LATERAL windows.tier_history(c.id) t;
SELECT * FROM loyalty.verify('sums');
SELECT * FROM loyalty.verify('windows');
SELECT loyalty.drop_program('sums', force => true), loyalty.drop_program('windows', force => true);
DROP SCHEMA t_tier_history CASCADE;
