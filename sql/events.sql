-- Events that are no orders: sign-ups, reviews, referrals.
\set SHOW_CONTEXT never
\set VERBOSITY default
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, MDY';
SET jit = off;
CREATE SCHEMA t_events;
CREATE TABLE t_events.customers (id int PRIMARY KEY, referred_by int, created_at timestamptz);
CREATE TABLE t_events.orders (id int PRIMARY KEY, customer_id int, at timestamptz, total numeric,
                              referred_by int);
CREATE TABLE t_events.reviews (id int PRIMARY KEY, customer_id int, at timestamptz, stars int,
                               approved boolean DEFAULT true);
SELECT loyalty.create_program('club', 't_events.customers', joined_at => 'created_at',
                              time_zone => 'Europe/Berlin');
SELECT loyalty.track_orders('club', 't_events.orders', customer => 'customer_id', at => 'at',
                            amount => 'total');
\set verify 'SELECT * FROM loyalty.verify(''club'');'

-- 1. What cannot be said
SELECT loyalty.track_events('club', ' ', 't_events.reviews', customer => 'customer_id', at => 'at');
SELECT loyalty.track_events('club', NULL, 't_events.reviews', customer => 'customer_id', at => 'at');
SELECT loyalty.track_events('club', 'review', 't_events.reviews', customer => 'nobody', at => 'at');
INSERT INTO club.earning_rule (name, points, event) VALUES ('x', '1', '');
INSERT INTO club.earning_rule (name, points, event, per) VALUES ('x', '1', 'review', 'line');
INSERT INTO club.earning_rule (name, points, event, minimum_order) VALUES ('x', '1', 'review', 10);
INSERT INTO club.earning_rule (name, points, event) VALUES ('x', 'stars', 'review');
-- a kind that is not known may be tracked later
SET client_min_messages = notice;
INSERT INTO club.earning_rule (name, points, event) VALUES ('a sign-up', '200', 'sign-up');
RESET client_min_messages;
SET client_min_messages = warning;

-- 2. A sign-up gives 200, and counts as no order; the rule for orders gives it nothing.  The past is
-- backfilled, with the one who signed up before.
INSERT INTO club.earning_rule (name, points) VALUES ('base', 'amount');
INSERT INTO t_events.customers VALUES (1, NULL, '2024-01-01');
SELECT loyalty.track_events('club', 'sign-up', 't_events.customers', customer => 'id', at => 'created_at');
INSERT INTO t_events.customers VALUES (2, NULL, '2024-01-02'), (3, 2, '2024-01-03');
SELECT id, points, lifetime_value, orders, first_order_at, last_order_at FROM club.members ORDER BY 1;
SELECT id, kind, event, order_key, orders_change, amount_change, points, balance FROM club.entries ORDER BY 1, entry;
:verify

-- 3. Tiers multiply points of events but not a bonus; multipliers of orders do not.  Gold (double) comes
-- with a spend of 100.  Orders give double by "double orders": 100 * 2 = 200.  Then reviews: 50 * 2 = 100
-- each, of at most 250 a month by Berlin's months: 100, 100, 50; the next month 100.  A visit is a
-- bonus of 10, and "double visits" multiplies no bonus; a survey gives 5 * 3 * 2 (Gold) = 30.
CREATE TABLE t_events.visits (id int PRIMARY KEY, customer_id int, at timestamptz, what text);
SELECT loyalty.track_events('club', 'review', 't_events.reviews', customer => 'customer_id', at => 'at',
                            counts_when => 'approved');
SELECT loyalty.track_events('club', 'visit', 't_events.visits', customer => 'customer_id', at => 'at',
                            counts_when => $$what = 'visit'$$);
SELECT loyalty.track_events('club', 'survey', 't_events.visits', customer => 'customer_id', at => 'at',
                            counts_when => $$what = 'survey'$$);
INSERT INTO club.earning_rule (name, multiplier) VALUES ('double orders', '2');
INSERT INTO club.earning_rule (name, points, event, member_limit, limit_period) VALUES
  ('a review', '10 * stars', 'review', 250, 'month');
INSERT INTO club.earning_rule (name, points, event, bonus) VALUES ('a visit', '10', 'visit', true);
INSERT INTO club.earning_rule (name, points, event) VALUES ('a survey', '5', 'survey');
INSERT INTO club.earning_rule (name, multiplier, event) VALUES
  ('double visits', '2', 'visit'), ('triple surveys', '3', 'survey');
INSERT INTO club.tier (name, rank, qualifies, multiplier) VALUES ('Gold', 1, 'spend >= 100', 2);
INSERT INTO t_events.orders VALUES (1, 1, '2024-02-01', 100, NULL);
-- the last one is of February in UTC, and of March in Berlin
INSERT INTO t_events.reviews VALUES (1, 1, '2024-02-02', 5), (2, 1, '2024-02-03', 5), (3, 1, '2024-02-04', 5),
                                    (4, 1, '2024-02-29 23:30+00', 5);
INSERT INTO t_events.visits VALUES (1, 1, '2024-02-05', 'visit'), (2, 1, '2024-02-06', 'survey'), (3, 1, '2024-02-07', 'call');
SELECT event, order_key, tier, points FROM club.entries WHERE id = 1 ORDER BY entry;
-- 200 + 200 + 100 + 100 + 50 + 100 + 10 + 30 = 790; the order is the first and the last one
SELECT points, lifetime_value, orders, first_order_at, last_order_at, average_order FROM club.members WHERE id = 1;
:verify
CALL loyalty.post('club');
SELECT points, spend, orders, points_earned, first_order_at, last_order_at FROM club.account WHERE customer = 1;
:verify

-- 4. Level-triggered: a review that is not approved any more takes its points back (-100), and one that
-- is deleted, too (-100); one that is another customer's now is that of 2, who is not Gold: with the
-- tier that it had it keeps double: 100, and 1 loses 100 of March.  A visit that gets another key stays.
UPDATE t_events.reviews SET approved = false WHERE id = 1;
DELETE FROM t_events.reviews WHERE id = 2;
UPDATE t_events.reviews SET customer_id = 2 WHERE id = 4;
UPDATE t_events.visits SET id = 11 WHERE id = 1;
SELECT id, points, orders, last_order_at FROM club.members WHERE id < 3 ORDER BY 1;		-- 490; 300
:verify
CALL loyalty.post('club');
SELECT id, points, orders, last_order_at FROM club.members WHERE id < 3 ORDER BY 1;
:verify
-- approved again: 250 are allowed in February, of which 3 has 50: 100
UPDATE t_events.reviews SET approved = true WHERE id = 1;
SELECT points FROM club.members WHERE id = 1;		-- 590
:verify

-- 5. The first and the last order are those of orders, when orders change that are posted, and with events around them
INSERT INTO t_events.orders VALUES (2, 1, '2024-02-10', 10, NULL), (3, 1, '2024-02-20', 10, NULL);
CALL loyalty.post('club');
INSERT INTO t_events.visits VALUES (20, 1, '2023-01-01', 'visit'), (21, 1, '2024-12-01', 'visit');
DELETE FROM t_events.orders WHERE id = 3;
SELECT orders, first_order_at, last_order_at FROM club.members WHERE id = 1;		-- 2, 1 to 10 February
:verify
CALL loyalty.post('club');
UPDATE t_events.visits SET what = 'call' WHERE id IN (20, 21);
UPDATE t_events.orders SET at = '2024-02-11' WHERE id = 2;
SELECT orders, first_order_at, last_order_at FROM club.members WHERE id = 1;		-- 2, 1 to 11 February
-- order 3 was there until today
SELECT lifetime_value, orders, first_order_at, last_order_at FROM club.member_at(1, '2025-01-01', 'infinity');
SELECT lifetime_value, orders, first_order_at, last_order_at FROM club.member_at(1, 'infinity', 'infinity');
:verify
CALL loyalty.post('club');
:verify

-- 6. A table may have several kinds: both sides of a referral, on registration, and on every order.
-- 4 comes by 3: 3 gets 100 and 4 gets 25 besides the 200 for signing up.  Each order of 4 gives 3 a
-- tenth of its total: 50 gives 5; 4 gets 50 * 2 = 100.
SELECT loyalty.track_events('club', 'referral', 't_events.customers', customer => 'referred_by', at => 'created_at',
                            backfill => false);
SELECT loyalty.track_events('club', 'referred', 't_events.customers', customer => 'id', at => 'created_at',
                            counts_when => 'referred_by IS NOT NULL', backfill => false);
SELECT loyalty.track_events('club', 'order of a friend', 't_events.orders', customer => 'referred_by', at => 'at');
INSERT INTO club.earning_rule (name, points, event) VALUES ('a friend', '100', 'referral'), ('welcome, friend', '25', 'referred'),
  ('a tenth of what a friend orders', 'total / 10', 'order of a friend');
INSERT INTO t_events.customers VALUES (4, 3, '2024-03-01');
INSERT INTO t_events.orders VALUES (4, 4, '2024-03-02', 50, 3);
SELECT id, event, order_key, orders_change, points FROM club.entries WHERE id IN (3, 4) ORDER BY 1, entry;
SELECT id, points, lifetime_value, orders FROM club.members WHERE id IN (3, 4) ORDER BY 1;	-- 305, 0; 325, 50
-- 3 was referred by 2, who signed up when nobody asked: 2 gets 100, and 3 gets 25
SELECT loyalty.backfill('club', 't_events.customers', 'referral'), loyalty.backfill('club', 't_events.customers', kind => 'referred');
SELECT id, points FROM club.members WHERE id IN (2, 3) ORDER BY 1;	-- 400; 330
:verify
-- one that is tracked already, and tables whose kind is not said, or wrong
SELECT loyalty.track_events('club', 'referral', 't_events.customers', customer => 'referred_by', at => 'created_at');
SELECT loyalty.backfill('club', 't_events.customers');
SELECT loyalty.backfill('club', 't_events.customers', kind => 'review');
SELECT loyalty.alter_orders('club', 't_events.reviews', amount => 'stars');
SELECT loyalty.alter_events('club', 'order', 't_events.orders', counts_when => 'false');
SELECT loyalty.track_refunds('club', 't_events.visits', order_key => 'id', amount => '1', orders => 't_events.reviews');

-- 7. Why, what would be, and which rules
SELECT * FROM club.explain('3', event => 'review');
SELECT * FROM club.explain('4');						-- an order comes before an event of the same key
SELECT * FROM club.explain('4', event => 'order of a friend');
SELECT * FROM club.explain('4', event => 'referred');
SELECT * FROM club.explain('3', 't_events.visits');
SELECT * FROM club.explain('11', event => 'review');
SELECT o.event, o.order_key, o.points, sum(e.points) FROM club.order_points o CROSS JOIN LATERAL club.explain(o.order_key, event => o.event) e
 WHERE o.event IS NOT NULL GROUP BY 1, 2, 3 HAVING sum(e.points) <> o.points;
-- 10 * 4 * 2 (Gold) = 80, and 100 are left of 250 in February
SELECT * FROM club.simulate_order(ROW(0, 1, '2024-02-27', 4, true)::t_events.reviews);
-- a visit of 1 gives 10, and a survey 5 * 3 * 2 (Gold); of customers and orders, which is meant must be said
SELECT sum(points) FROM club.simulate_order(ROW(0, 1, '2024-02-27', 'visit')::t_events.visits, event => 'visit');
SELECT sum(points) FROM club.simulate_order(ROW(0, 1, '2024-02-27', 'survey')::t_events.visits, event => 'survey');
SELECT * FROM club.simulate_order(ROW(0, 1, '2024-02-27', 'survey')::t_events.visits, event => 'visit');
SELECT * FROM club.simulate_order(ROW(0, 1, '2024-02-27', 'visit')::t_events.visits);
SELECT * FROM club.simulate_order(ROW(0, 1, '2024-02-27', 'visit')::t_events.visits, event => 'review');
SELECT sum(points) FROM club.simulate_order(ROW(0, 4, '2024-03-05', 30, 3)::t_events.orders);						-- 30 * 2
SELECT sum(points) FROM club.simulate_order(ROW(0, 4, '2024-03-05', 30, 3)::t_events.orders, event => 'order of a friend');	-- 3
SELECT name, event FROM club.rules_at() ORDER BY 1;
-- 1 has 790, less 200 for reviews 2 and 4, and 10 * 2 * 2 of order 2: 630.  If all had been recorded as it stands,
-- review 3 would have had room for 100 in place of 50, and 4 would have been one of 2, who is not Gold: 50 in place of 100.
SELECT points FROM club.members WHERE id = 1;
SELECT customer, sum(orders_before) AS orders_before, sum(orders_after) AS orders_after, sum(points_before) AS points_before, sum(points_after) AS points_after
  FROM loyalty.simulate('club') GROUP BY 1 ORDER BY 1;

-- 8. A rule that is for other events, or for orders, is another one.
UPDATE club.earning_rule SET event = 'visit' WHERE name = 'a survey';
INSERT INTO t_events.visits VALUES (30, 4, '2024-04-01', 'visit');
SELECT points FROM club.order_points WHERE order_key = '30';		-- 10 + 5 * 2 ("double visits") = 20
UPDATE club.earning_rule SET event = NULL WHERE name = 'a survey';
INSERT INTO t_events.visits VALUES (31, 4, '2024-04-02', 'visit');
INSERT INTO t_events.orders VALUES (5, 4, '2024-04-03', 10, NULL);
SELECT order_key, points FROM club.order_points WHERE order_key IN ('5', '31') AND event IS DISTINCT FROM 'order of a friend' ORDER BY 1;	-- (10 + 5) * 2 = 30; 10
UPDATE club.earning_rule SET event = 'survey' WHERE name = 'a survey';
:verify

-- 9. for_members: what the customer had counts, also before an event, and events are no orders
INSERT INTO club.earning_rule (name, points, event, for_members, bonus) VALUES
  ('a survey of who has not ordered', '7', 'survey', 'orders = 0', true);
INSERT INTO t_events.visits VALUES (40, 3, '2024-05-01', 'survey'), (41, 4, '2024-05-01', 'survey');
SELECT id, order_key, points FROM club.order_points WHERE order_key IN ('40', '41') ORDER BY 1;	-- 5 * 3 + 7 = 22; 15
:verify
CALL loyalty.post('club');
:verify

-- 10. What is said of events is corrected, let go of, and ended by kind
SELECT loyalty.alter_events('club', 'review', 't_events.reviews', counts_when => 'approved AND stars > 4');
SELECT loyalty.alter_events('club', 'review', 't_events.reviews', customer => '');
SELECT loyalty.alter_events('club', 'review', 't_events.reviews', at => 'at + interval ''1 second''');
SELECT loyalty.pause('club', 't_events.customers', 'referral');
ALTER TABLE t_events.customers ADD COLUMN friend int;
INSERT INTO t_events.customers VALUES (5, NULL, '2024-06-01', 4);
SELECT violation, detail FROM loyalty.verify('club');
SELECT loyalty.track_events('club', 'referral', 't_events.customers', customer => 'referred_by', at => 'created_at');
SELECT loyalty.resume('club', 't_events.customers', kind => 'referral', currency => '''EUR''');
SELECT loyalty.resume('club', 't_events.customers', kind => 'referral', customer => 'coalesce(referred_by, friend)');
SELECT id, event, points FROM club.entries WHERE order_key = '5' AND event IS NOT NULL ORDER BY 1, 2;	-- 4: 100, 5: 200
:verify
SELECT loyalty.resume('club', 't_events.customers', kind => 'referral');
SELECT loyalty.untrack('club', 't_events.customers', 'survey');
SELECT loyalty.untrack('club', 't_events.customers', 'referral');
INSERT INTO t_events.customers VALUES (6, 5, '2024-06-02');
SELECT id, event, points FROM club.entries WHERE order_key = '6' ORDER BY 1, 2;		-- 200 and 25
SELECT tracked_table, kind, event, active FROM club.tracked_table ORDER BY 1;
:verify
-- it goes on where it ended: 5 gets 100
SELECT loyalty.track_events('club', 'referral', 't_events.customers', customer => 'coalesce(referred_by, friend)', at => 'created_at');
SELECT id, event, points FROM club.entries WHERE order_key = '6' ORDER BY 1, 2;
:verify
-- events stay when their orders end, and the other way round
SELECT loyalty.untrack('club', 't_events.orders', 'order of a friend');
INSERT INTO t_events.orders VALUES (6, 5, '2024-07-01', 10, 4);
SELECT id, event, points FROM club.entries WHERE order_key = '6' AND recorded_at = (SELECT max(recorded_at) FROM club.entries) ORDER BY 1;	-- 10 * 2
:verify

-- 11. Customers who are one: the bounds are those of orders alone.  5 has 200, 100 for 6, and 20 of the order.
SELECT points FROM club.merge(5, 4, reference => 'm', reason => 'one');
INSERT INTO t_events.visits VALUES (50, 5, '2020-01-01', 'visit');
SELECT orders, first_order_at, last_order_at FROM club.members WHERE id = 4;	-- 3: 2 March to 1 July
:verify
CALL loyalty.post('club');
:verify

-- 12. Refunds of orders and calls that pay for orders do not take a table of events for one of orders
SELECT points FROM club.redeem(4, 10, reference => 'r', pays_for => '4', tracked => 't_events.reviews');
SELECT points FROM club.redeem(4, 10, reference => 'r', pays_for => '4');
:verify

-- 13. Rerating takes events along: reviews are worth 20 a star now, with Gold 5 * 20 * 2 = 200 each for 1 (two in February, of 250),
-- and for 2, who has no tier of her own: 100
UPDATE club.earning_rule SET points = '20 * stars' WHERE name = 'a review';
SELECT orders > 0 AS some FROM loyalty.rerate('club', dry_run => false);
SELECT id, order_key, points FROM club.order_points WHERE event = 'review' ORDER BY 2;
:verify
CALL loyalty.post('club');
:verify

-- 14. Faults that are planted are found
CALL loyalty.post('club');
ALTER TABLE club.ledger DISABLE TRIGGER append_only;
\set found 'SELECT DISTINCT violation, customer, order_key FROM loyalty.verify(''club'') ORDER BY 1, 2, 3;'
-- an order that says it is an event, and the other way round; a kind that is another one
BEGIN;
UPDATE club.ledger SET event = 'review' WHERE customer = 1 AND tracked_table = 1 AND order_key = '1' AND revision = 1;
:found
ROLLBACK;
BEGIN;
UPDATE club.ledger SET event = NULL WHERE customer = 6 AND event = 'sign-up';
:found
ROLLBACK;
BEGIN;
UPDATE club.ledger SET event = 'visit' WHERE customer = 6 AND event = 'sign-up';
:found
ROLLBACK;
-- an event that counts as an order, or has an amount
BEGIN;
UPDATE club.ledger SET orders_change = 1 WHERE customer = 6 AND event = 'sign-up';
:found
ROLLBACK;
BEGIN;
UPDATE club.ledger SET amount = 1, amount_change = 1 WHERE customer = 6 AND event = 'sign-up';
:found
ROLLBACK;
ALTER TABLE club.ledger ENABLE TRIGGER append_only;
-- accounts that take an event for the first order
BEGIN;
UPDATE club.account SET first_order_at = '2024-06-02', last_order_at = '2024-06-02' WHERE customer = 6;
:found
ROLLBACK;
-- a row of a table of events that is not recorded
ALTER TABLE t_events.visits DISABLE TRIGGER USER;
INSERT INTO t_events.visits VALUES (60, 6, '2024-08-01', 'visit');
ALTER TABLE t_events.visits ENABLE TRIGGER USER;
:found
SELECT relation, kind, recorded FROM loyalty.reconcile('club') WHERE recorded > 0;
SET client_min_messages = notice;
SELECT loyalty.backfill('club', 't_events.visits', 'visit');
SET client_min_messages = warning;
:verify

-- 15. Dated points: points of events wait and expire by the day of the event, and events keep no points longer.
-- Points are kept for 36,500 days, and orders keep all for 100,000 days.
CREATE TABLE t_events.guests (id int PRIMARY KEY);
INSERT INTO t_events.guests VALUES (1), (2);
CREATE TABLE t_events.bills (id int PRIMARY KEY, guest int, at timestamptz, total numeric);
CREATE TABLE t_events.checkins (id int PRIMARY KEY, guest int, at timestamptz, available_at timestamptz);
SELECT loyalty.create_program('stay', 't_events.guests', time_zone => 'UTC');
SELECT loyalty.track_orders('stay', 't_events.bills', customer => 'guest', at => 'at', amount => 'total');
SELECT loyalty.track_events('stay', 'check-in', 't_events.checkins', customer => 'guest', at => 'at', available_at => 'available_at');
INSERT INTO stay.earning_rule (name, points) VALUES ('base', 'amount');
INSERT INTO stay.earning_rule (name, points, event) VALUES ('a check-in', '7', 'check-in');
UPDATE stay.wallet SET expires = 'earned_on + 36500', extended = 'active_on + 100000';
INSERT INTO t_events.checkins VALUES (1, 1, '2024-01-01', NULL), (2, 1, '2024-01-02', '2024-06-01'), (3, 2, '2024-01-01', 'infinity');
-- 36,500 days after 1 January 2024 is 8 December 2123
SELECT customer, expires_at, points FROM (SELECT id AS customer, * FROM stay.lots) l ORDER BY 1, 2, available_at;
SELECT * FROM loyalty.verify('stay');
CALL loyalty.post('stay');
SELECT * FROM loyalty.verify('stay');
-- an order keeps all that is there until 100,000 days after it; a check-in after it has its own day, and keeps nothing
INSERT INTO t_events.bills VALUES (1, 1, '2024-02-01', 10);
INSERT INTO t_events.checkins VALUES (4, 1, '2024-03-01', NULL);
SELECT expires_at, sum(points) AS points FROM stay.lots WHERE id = 1 GROUP BY 1 ORDER BY 1;	-- 7; 24
SELECT * FROM loyalty.verify('stay');
CALL loyalty.post('stay');
SELECT * FROM loyalty.verify('stay');
-- lots that an event kept longer are found
ALTER TABLE stay.ledger DISABLE TRIGGER append_only;
BEGIN;
UPDATE stay.ledger SET lots = loyalty.lots_of(7, '-infinity', '2297-12-15') WHERE event IS NOT NULL AND order_key = '4';
SELECT DISTINCT violation, customer, order_key FROM loyalty.verify('stay') WHERE order_key = '4' ORDER BY 1;
ROLLBACK;
ALTER TABLE stay.ledger ENABLE TRIGGER append_only;

-- 16. Accounting: what events give is earned, and no revenue
SELECT earned, refunded, redeemed, closing FROM stay.points_flow;
SELECT sum(revenue) AS revenue, sum(issued) AS issued FROM loyalty.deferred_revenue('stay', 0.01, 1, 1);	-- 10; 10 + 4 * 7
SELECT movement, count(*), sum(points) AS points, sum(amount) AS amount FROM stay.movements GROUP BY 1;

-- 17. Partitions: events that leave their table are archived, and keep their points
CREATE TABLE t_events.calls (id int, guest int, at timestamptz, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE t_events.calls_2023 PARTITION OF t_events.calls FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
CREATE TABLE t_events.calls_2024 PARTITION OF t_events.calls FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
SELECT loyalty.track_events('stay', 'call', 't_events.calls', customer => 'guest', at => 'at', event_key => 'id');
INSERT INTO stay.earning_rule (name, points, event) VALUES ('a call', '3', 'call');
INSERT INTO t_events.calls VALUES (1, 2, '2023-05-05'), (2, 2, '2024-05-05');
INSERT INTO t_events.calls_2024 VALUES (3, 2, '2024-05-06');
ALTER TABLE t_events.calls DETACH PARTITION t_events.calls_2023;
SELECT relation, recorded, archived, reversed FROM loyalty.reconcile('stay', missing => 'archive') WHERE relation = 't_events.calls'::regclass;
SELECT order_key, points FROM stay.order_points WHERE event = 'call' ORDER BY 1;
SELECT * FROM loyalty.verify('stay');
CALL loyalty.post('stay');
SELECT * FROM loyalty.verify('stay');
SELECT orders_before, orders_after, points_before, points_after FROM loyalty.simulate('stay') WHERE customer = '2' ORDER BY month;

-- 18. Who is erased takes the events along
BEGIN;
INSERT INTO t_events.guests VALUES (900);
SELECT stay.erase(2, surrogate => 900, orders_follow => true) > 0 AS erased;
UPDATE t_events.checkins SET guest = 900 WHERE guest = 2;
UPDATE t_events.calls SET guest = 900 WHERE guest = 2;
DELETE FROM t_events.guests WHERE id = 2;
COMMIT;
SELECT event, order_key, points FROM stay.entries WHERE id = 900 ORDER BY entry;
SELECT * FROM loyalty.verify('stay');

-- 19. At random: orders and customers that are events besides, under rules with limits and for some members, and forgiven points
CREATE TABLE t_events.c (id int PRIMARY KEY, by int, at timestamptz DEFAULT '2020-01-01');
CREATE TABLE t_events.o (id int PRIMARY KEY, c int, at timestamptz, total numeric, by int);
SELECT loyalty.create_program('mix', 't_events.c', joined_at => 'at', time_zone => 'UTC');
SELECT loyalty.track_events('mix', 'sign', 't_events.c', customer => 'id', at => 'at');
SELECT loyalty.track_events('mix', 'ref', 't_events.c', customer => 'by', at => 'at');
SELECT loyalty.track_events('mix', 'friend', 't_events.o', customer => 'by', at => 'at');
SELECT loyalty.track_orders('mix', 't_events.o', customer => 'c', at => 'at', amount => 'total', counts_when => 'total < 90');
SELECT loyalty.track_events('mix', 'own', 't_events.o', customer => 'c', at => 'at + interval ''1 day''');
INSERT INTO mix.earning_rule (name, points) VALUES ('one', 'amount');
INSERT INTO mix.earning_rule (name, points, event, for_members) VALUES
  ('f', 'total / 10', 'friend', 'orders > 1'), ('s', '20', 'sign', NULL), ('r', '30', 'ref', 'last_order_at IS NULL');
INSERT INTO mix.earning_rule (name, points, event, bonus, member_limit, limit_period) VALUES ('own', '3', 'own', true, 40, 'year');
INSERT INTO mix.tier (name, rank, qualifies, multiplier) VALUES
  ('A', 1, 'spend > 100', 1.5), ('B', 2, $$first_order_at < timestamptz '2021-01-01' AND points_earned > 300$$, 2);
UPDATE mix.program SET refund_shortfall = 'forgive';
CREATE FUNCTION t_events.go_on(steps int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	r float;
	n int;
BEGIN
	FOR i IN 1 .. steps LOOP
		r := random();
		n := (random() * 60)::int;
		IF r < 0.35 THEN
			INSERT INTO t_events.o
			SELECT n + g, 1 + (random() * 9)::int, '2020-06-01'::timestamptz + random() * interval '3 years', (random() * 100)::int,
			       CASE WHEN random() < 0.6 THEN 1 + (random() * 9)::int END FROM generate_series(0, 3) g
			ON CONFLICT (id) DO UPDATE SET total = excluded.total, by = excluded.by;
		ELSIF r < 0.45 THEN
			UPDATE t_events.o SET by = 1 + (random() * 9)::int WHERE id BETWEEN n AND n + 3;
		ELSIF r < 0.55 THEN
			UPDATE t_events.o SET c = 1 + (random() * 9)::int WHERE id = n;
		ELSIF r < 0.65 THEN
			UPDATE t_events.o SET id = id + 100 WHERE id = n AND NOT EXISTS (SELECT FROM t_events.o WHERE id = n + 100);
		ELSIF r < 0.75 THEN
			DELETE FROM t_events.o WHERE id BETWEEN n AND n + 1;
		ELSIF r < 0.85 THEN
			UPDATE t_events.o SET total = (random() * 100)::int, at = at + interval '1 month' WHERE id BETWEEN n AND n + 2;
		ELSIF r < 0.9 THEN
			UPDATE t_events.c SET by = 1 + (random() * 9)::int, at = at + interval '1 day' WHERE id = 1 + n % 10;
		ELSIF EXISTS (SELECT FROM mix.members WHERE id = 1 + n % 10 AND points > 10) THEN
			PERFORM mix.redeem(1 + n % 10, 10, reference => gen_random_uuid()::text);
		END IF;
	END LOOP;
END $$;
INSERT INTO t_events.c SELECT g, 1 + g % 7 FROM generate_series(1, 10) g;
SELECT setseed(0.42);
SELECT t_events.go_on(250);
SELECT * FROM loyalty.verify('mix');
CALL loyalty.post('mix', 7);
SELECT t_events.go_on(100);
SELECT * FROM loyalty.verify('mix');
SELECT mix.merge(1, 2, reference => 'm', reason => 'one') IS NOT NULL AS merged;
INSERT INTO t_events.o VALUES (1000, 1, '2019-01-01', 5, 1), (1001, 2, '2030-01-01', 5, 1);
SELECT * FROM loyalty.verify('mix');
CALL loyalty.post('mix');
SELECT * FROM loyalty.verify('mix');
TRUNCATE t_events.o;
SELECT * FROM loyalty.verify('mix');
SELECT DISTINCT lifetime_value, orders, first_order_at, last_order_at FROM mix.members;
SELECT loyalty.drop_program('mix', force => true);

-- What is wrong with an event says so
INSERT INTO club.earning_rule (name, points, event, applies_when) VALUES ('fails', '1 / (1 - purchase.rate)', 'review', 'true');
INSERT INTO t_events.reviews (id, customer_id, at, stars) VALUES (990, 1, '2026-01-01', 5);
DELETE FROM club.earning_rule WHERE name = 'fails';
INSERT INTO t_events.reviews (id, customer_id, at, stars) VALUES (990, 1, 'infinity', 5);
SELECT loyalty.drop_program('club', force => true);
SELECT loyalty.drop_program('stay', force => true);
DROP SCHEMA t_events CASCADE;
