-- Events with an amount: minutes of support, scores of surveys. It is no money.
\set SHOW_CONTEXT never
\set VERBOSITY terse
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, MDY';
SET jit = off;
CREATE SCHEMA t_amounts;
SET search_path = t_amounts, public;
CREATE TABLE customers (id int PRIMARY KEY);
CREATE TABLE orders (id int PRIMARY KEY, customer_id int, at timestamptz, total numeric);
CREATE TABLE cases (id int PRIMARY KEY, customer_id int, at timestamptz, minutes numeric, score int,
                    closed boolean DEFAULT true);
INSERT INTO customers SELECT generate_series(1, 6);
SELECT loyalty.create_program('desk', 'customers', time_zone => 'UTC');
SELECT loyalty.track_orders('desk', 'orders', customer => 'customer_id', at => 'at', amount => 'total');
\set verify 'SELECT * FROM loyalty.verify(''desk'');'
\set histories 'SELECT * FROM desk.histories ORDER BY id, event NULLS FIRST;'
\set members 'SELECT id, points, lifetime_value, orders, average_order, tier FROM desk.members WHERE id <= 3 ORDER BY id;'
\set post 'CALL loyalty.post(''desk'');'

-- 1. What cannot be said: no column, no number, nothing that reads the clock
SELECT loyalty.track_events('desk', 'support', 'cases', customer => 'customer_id', at => 'at', amount => 'hours');
SELECT loyalty.track_events('desk', 'support', 'cases', customer => 'customer_id', at => 'at', amount => 'closed');
SELECT loyalty.track_events('desk', 'support', 'cases', customer => 'customer_id', at => 'at',
                            amount => 'extract(day FROM now() - at)');

-- 2. Three kinds over one table: support has minutes, a survey what its score is above 5, and a case no amount.
-- Each full 10 minutes give a point, and a survey 10 for each score above 5.  Gold doubles, from a spend of 100.
-- 1: the order 60; support 25 gives 2, and 500.125 gives 50; a survey of 4 gives 40, in all 152.  2: 7 minutes give nothing, and a case
-- without minutes is no support; the surveys, -2 and 0, give nothing.  The one without a score is none.
SELECT loyalty.track_events('desk', 'support', 'cases', customer => 'customer_id', at => 'at', amount => 'minutes',
                            counts_when => 'closed');
SELECT loyalty.track_events('desk', 'survey', 'cases', customer => 'customer_id', at => 'at', amount => 'score - 5');
SELECT loyalty.track_events('desk', 'case', 'cases', customer => 'customer_id', at => 'at');
INSERT INTO desk.tier (name, rank, qualifies, multiplier) VALUES ('Gold', 1, 'spend >= 100', 2);
INSERT INTO desk.earning_rule (name, points) VALUES ('base', 'amount');
INSERT INTO desk.earning_rule (name, points, event, every, gives) VALUES ('ten minutes', 'amount', 'support', 10, 1);
INSERT INTO desk.earning_rule (name, points, event, applies_when) VALUES ('a good survey', '10 * amount', 'survey', 'amount > 0');
INSERT INTO orders VALUES (1, 1, '2024-01-01', 60);
INSERT INTO cases VALUES (1, 1, '2024-01-02', 25, 9), (2, 1, '2024-01-02', 500.125, NULL),
                         (3, 2, '2024-01-03', 7, 3), (4, 2, '2024-01-04', NULL, 5);
SELECT customer, event, order_key, counts, amount FROM desk.recorded_orders WHERE event <> 'case' ORDER BY 1, 2, 3;
:members
-- 1: 2 January 25 + 500.125 = 525.125
:histories
:verify
:post
:members
:histories
SELECT customer, spend, orders, events FROM desk.account ORDER BY 1;
-- nothing was spent: 60 of the order, 0 of each event; and a view that shows cents rounds 500.125 to 500.13
SELECT kind, count(*), sum(amount_change) AS spent, sum(orders_change) AS orders FROM desk.entries GROUP BY 1 ORDER BY 1;
SELECT order_key, amount, points FROM desk.order_points WHERE event = 'support' ORDER BY 1;
:verify

-- 3. As the rows stand: 1 has 31 minutes, which give 3, and a score of 2, an amount of -3, which gives nothing; case 2 has 12, which
-- give 1, and is of customer 3; 3 is open, so it is no support; 4 is gone.  1 has 60 + 3, 2 nothing and 3 has 1.
UPDATE cases SET minutes = 31, score = 2 WHERE id = 1;
UPDATE cases SET customer_id = 3, minutes = 12 WHERE id = 2;
UPDATE cases SET closed = false WHERE id = 3;
DELETE FROM cases WHERE id = 4;
:members
:histories
:verify
:post
:members
:histories
-- what does not count has no amount
SELECT customer, event, order_key, amount FROM desk.recorded_orders WHERE NOT counts ORDER BY 1, 2, 3;
:verify
-- another key, and 13 minutes, which give 1 as before
UPDATE cases SET id = 20, minutes = 13 WHERE id = 2;
SELECT * FROM desk.histories WHERE id = 3 ORDER BY event;
:verify
-- less than nothing, before it is posted and afterwards: 13, -13.5, 13
UPDATE cases SET minutes = -13.5 WHERE id = 20;
SELECT history FROM desk.histories WHERE id = 3 AND event = 'support';
:verify
:post
SELECT history FROM desk.histories WHERE id = 3 AND event = 'support';
UPDATE cases SET minutes = 13 WHERE id = 20;
SELECT id, history FROM desk.histories WHERE id = 3 AND event = 'support';
:members
:verify
:post

-- 4. What cannot be counted with is an error, or left out: case 5 is no support then, but a survey of 1, which gives 10
INSERT INTO cases VALUES (5, 2, '2024-01-05', 'NaN', 6);
INSERT INTO cases VALUES (5, 2, '2024-01-05', 100000000000000000000, 6);
UPDATE desk.program SET on_invalid = 'skip';
INSERT INTO cases VALUES (5, 2, '2024-01-05', 'NaN', 6);
SELECT event, history FROM desk.histories WHERE id = 2 ORDER BY 1;
SELECT points FROM desk.members WHERE id = 2;			-- 10
:verify
UPDATE cases SET minutes = 10 WHERE id = 5;
SELECT history FROM desk.histories WHERE id = 2 AND event = 'support';	-- 5 January 10
SELECT points FROM desk.members WHERE id = 2;			-- 11
:post
UPDATE cases SET minutes = 'NaN' WHERE id = 5;
SELECT count(*) FROM desk.histories WHERE id = 2 AND event = 'support';	-- 0
SELECT points FROM desk.members WHERE id = 2;			-- 10
:verify
UPDATE cases SET minutes = NULL WHERE id = 5;
UPDATE desk.program SET on_invalid = 'error';
:verify
:post

-- 5. Something else is said of the amount.  Two events of support count, of 31 and 13 minutes.  In hours, with 12 decimals, 31 are
-- 0.516666666667 and 13 are 0.216666666667, and give nothing; with an empty text, 0, and case 5, which has no minutes, is support, too;
-- tenfold, 310 give 31, and 130 give 13.
SELECT loyalty.alter_events('desk', 'support', 'cases', amount => 'minutes / 60');
SELECT * FROM desk.histories WHERE event = 'support' ORDER BY id;
SELECT id, points FROM desk.members WHERE id IN (1, 3) ORDER BY 1;	-- 60; 0
:verify
SELECT loyalty.alter_events('desk', 'support', 'cases', amount => '');
SELECT * FROM desk.histories WHERE event = 'support' ORDER BY id;
:verify
:post
SELECT loyalty.alter_events('desk', 'support', 'cases', amount => '10 * minutes');
SELECT * FROM desk.histories WHERE event = 'support' ORDER BY id;
SELECT id, points FROM desk.members WHERE id IN (1, 3) ORDER BY 1;	-- 91; 13
:verify
-- what is left out stays
SELECT loyalty.alter_events('desk', 'support', 'cases', counts_when => 'closed AND true');
SELECT loyalty.alter_events('desk', 'support', 'cases', amount => 'minutes');
SELECT id, points FROM desk.members WHERE id IN (1, 3) ORDER BY 1;	-- 63; 1
-- a kind that was without gets one: cases 1, 3, 5 and 20 have the scores 2, 3, 6 and none; and without it again, when it is resumed
SELECT loyalty.alter_events('desk', 'case', 'cases', amount => 'coalesce(score, 0)');
SELECT * FROM desk.histories WHERE event = 'case' ORDER BY id;
:verify
SELECT loyalty.pause('desk', 'cases', 'case');
SELECT loyalty.resume('desk', 'cases', kind => 'case', amount => '');
SELECT * FROM desk.histories WHERE event = 'case' ORDER BY id;
SELECT loyalty.pause('desk', 'cases', 'case');
SELECT loyalty.resume('desk', 'cases', kind => 'case', amount => 'minutes - minutes');	-- 5 has none, so it is none
SELECT * FROM desk.histories WHERE event = 'case' ORDER BY id;
:verify
:post
:verify

-- 6. Tiers go by what was spent.  Neither 25 nor 500 minutes made 1 Gold; 40 more do.  From then on 20 minutes give 2 * 2.
INSERT INTO orders VALUES (2, 1, '2024-02-01', 40);
INSERT INTO cases VALUES (6, 1, '2024-02-02', 20, NULL);
SELECT event, tier, points FROM desk.entries WHERE id = 1 AND ordered_at >= '2024-02-01' ORDER BY entry;
SELECT points, lifetime_value, tier FROM desk.members WHERE id = 1;		-- 63 + 40 + 4
:verify
-- why, and what would be: 70 minutes of a Gold customer give 7 * 2, a score of 7 gives 20 * 2
SELECT sum(points) FROM desk.explain('6', event => 'support');
SELECT sum(points) FROM desk.explain('1', event => 'survey');
SELECT sum(points) FROM desk.simulate_order(ROW(0, 1, '2024-02-03', 70, 7, true)::cases, event => 'support');
SELECT sum(points) FROM desk.simulate_order(ROW(0, 1, '2024-02-03', 70, 7, true)::cases, event => 'survey');
-- a point per minute, of 31 and 20 * 2 to 1 and 13 to 3, and what the orders and surveys gave: 100 + 71, 10 and 13; 12 are rerated: two
-- orders, three times support, three surveys and four cases
BEGIN;
UPDATE desk.earning_rule SET every = NULL, gives = NULL WHERE name = 'ten minutes';
SELECT customer, sum(orders_before) AS orders_before, sum(orders_after) AS orders_after, sum(points_before) AS points_before, sum(points_after) AS points_after
  FROM loyalty.simulate('desk') GROUP BY 1 ORDER BY 1;
SELECT orders FROM loyalty.rerate('desk', dry_run => false);
SELECT id, points FROM desk.members WHERE id <= 3 ORDER BY id;
:histories
:verify
ROLLBACK;
-- as of a moment: on 15 January, 1 had spent 60 and had 152 points, for what changed later counts from when it was recorded; on 1 March
-- 40 and 4 more
SELECT points, lifetime_value, orders, tier FROM desk.member_at(1, '2024-01-15', 'infinity');
:post
SELECT points, lifetime_value, orders, tier FROM desk.member_at(1, '2024-01-15', 'infinity');
SELECT points, lifetime_value, orders, tier FROM desk.member_at(1, '2024-03-01', 'infinity');
:verify

-- 7. Revenue is of orders.  A campaign gives 5 to an order of 10, and 7 to a case of 9 minutes.
INSERT INTO desk.campaign (name) VALUES ('spring');
INSERT INTO desk.earning_rule (name, points, event, campaign) VALUES ('five', '5', NULL, 'spring'), ('seven', '7', 'support', 'spring');
INSERT INTO orders VALUES (3, 2, '2024-03-01', 10);
INSERT INTO cases VALUES (7, 2, '2024-03-02', 9, NULL);
SELECT members, orders, events, revenue, points FROM desk.campaigns;
:verify
:post
SELECT members, orders, events, revenue, points FROM desk.campaigns;
-- 60 + 40 + 10
SELECT sum(revenue) AS revenue FROM loyalty.deferred_revenue('desk', 0.01, 1, 1);
SELECT t.kind, sum(m.amount_change) AS revenue, bool_or(m.amount <> 0) AS worth_something
  FROM desk.movements m JOIN desk.tracked_table t USING (tracked_table) GROUP BY 1 ORDER BY 1;
:verify

-- 8. Customers who are one: 3 passes 13 minutes of 2 January on to 2, who has 9 of 2 March; afterwards 3 gets 5 and 2 gets 4 more on
-- 3 March, and case 20, of the key of 3, has 11.
SELECT points FROM desk.merge(3, 2, 'm', reason => 'one');
SELECT * FROM desk.histories WHERE id IN (2, 3) AND event = 'support' ORDER BY id;
SELECT id, lifetime_value, orders FROM desk.members WHERE id = 2;
:verify
INSERT INTO cases VALUES (8, 3, '2024-03-03', 5, NULL), (9, 2, '2024-03-03', 4, NULL);
UPDATE cases SET minutes = 11 WHERE id = 20;
SELECT * FROM desk.histories WHERE id IN (2, 3) AND event = 'support' ORDER BY id;
:verify
:post
SELECT * FROM desk.histories WHERE id IN (2, 3) AND event = 'support' ORDER BY id;
SELECT customer, spend, orders FROM desk.account ORDER BY 1;	-- 100, 10, 0
:verify

-- 9. Events that leave with their partition keep amount and points: 15 minutes of 2023 give 1
CREATE TABLE calls (id int, customer_id int, at timestamptz, minutes numeric, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE calls_2023 PARTITION OF calls FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
CREATE TABLE calls_2024 PARTITION OF calls FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
INSERT INTO calls VALUES (1, 4, '2023-05-05', 15);
SELECT loyalty.track_events('desk', 'call', 'calls', customer => 'customer_id', at => 'at', amount => 'minutes', event_key => 'id');
INSERT INTO desk.earning_rule (name, points, event, every, gives) VALUES ('ten minutes of a call', 'amount', 'call', 10, 1);
SELECT orders > 0 AS some FROM loyalty.rerate('desk', dry_run => false);
INSERT INTO calls VALUES (2, 4, '2024-05-05', 30);
ALTER TABLE calls DETACH PARTITION calls_2023;
SELECT recorded, archived, reversed FROM loyalty.reconcile('desk', missing => 'archive') WHERE kind = 'call';
SELECT order_key, amount FROM desk.archived;
SELECT history, (SELECT points FROM desk.members m WHERE m.id = 4) FROM desk.histories WHERE id = 4;	-- 1 + 3
:verify
:post
SELECT history, (SELECT points FROM desk.members m WHERE m.id = 4) FROM desk.histories WHERE id = 4;
:verify
-- the archived one is worth the same to simulate(): 4 before and after
SELECT sum(points_before) AS points_before, sum(points_after) AS points_after FROM loyalty.simulate('desk') WHERE customer = '4';

-- 10. Faults that are planted are found: case 6 with another amount; one that changes what was spent, of a first revision and of a later one;
-- one that does not count and has an amount; minutes of the account, and minutes as money
CREATE FUNCTION plant(statement text) RETURNS TABLE (violation text, customer text, order_key text) LANGUAGE plpgsql AS $$
BEGIN
	BEGIN
		ALTER TABLE desk.ledger DISABLE TRIGGER append_only;
		EXECUTE statement;
		ALTER TABLE desk.ledger ENABLE TRIGGER append_only;
		RETURN QUERY SELECT DISTINCT v.violation COLLATE "C", v.customer, v.order_key FROM loyalty.verify('desk') v ORDER BY 1, 2, 3;
		RAISE EXCEPTION USING ERRCODE = 'P0099';
	EXCEPTION WHEN SQLSTATE 'P0099' THEN
		NULL;
	END;
END $$;
SELECT * FROM plant($$UPDATE desk.ledger l SET amount = 21 WHERE event = 'support' AND order_key = '6'
	AND revision = (SELECT max(revision) FROM desk.ledger n WHERE n.event = 'support' AND n.order_key = '6')$$);
SELECT * FROM plant($$UPDATE desk.ledger SET amount_change = 25 WHERE event = 'support' AND order_key = '1' AND revision = 1$$);
SELECT * FROM plant($$UPDATE desk.ledger SET amount_change = amount - 25 WHERE event = 'support' AND order_key = '1' AND revision = 2$$);
SELECT * FROM plant($$UPDATE desk.ledger SET amount = 7 WHERE event = 'support' AND order_key = '3' AND NOT counts$$);
SELECT * FROM plant($$UPDATE desk.account SET events = ARRAY[ROW('call', '{2023-05-05 1 15, 2024-05-05 1 31}')::_loyalty.event_history] WHERE customer = 4$$);
SELECT * FROM plant($$UPDATE desk.account SET spend = spend + 45 WHERE customer = 4$$);
:verify

-- 11. Of who is erased, events keep what they gave, where rules look at the customer's row.  5 gets 3 for each star: 12.  Half the
-- stars, or less than none, change the history alone.
CREATE TABLE people (id int PRIMARY KEY, factor int);
CREATE TABLE reviews (id int PRIMARY KEY, person int, at timestamptz, stars numeric);
INSERT INTO people VALUES (5, 3), (50, 1);
SELECT loyalty.create_program('stars', 'people', time_zone => 'UTC');
SELECT loyalty.track_events('stars', 'review', 'reviews', customer => 'person', at => 'at', amount => 'stars');
INSERT INTO stars.earning_rule (name, points, event) VALUES ('by factor', 'member.factor * amount', 'review');
INSERT INTO reviews VALUES (1, 5, '2024-01-01', 4);
SELECT * FROM stars.histories;
SELECT points FROM stars.members WHERE id = 5;			-- 12
BEGIN;
DELETE FROM people WHERE id = 50;
SELECT stars.erase(5, surrogate => 50, orders_follow => true) > 0 AS erased;
UPDATE reviews SET person = 50;
DELETE FROM people WHERE id = 5;
INSERT INTO people VALUES (50, NULL);
COMMIT;
SELECT * FROM loyalty.verify('stars');
UPDATE reviews SET stars = 2;
SELECT h.*, m.points FROM stars.histories h JOIN stars.members m USING (id);
SELECT * FROM loyalty.verify('stars');
CALL loyalty.post('stars');
UPDATE reviews SET stars = -1;
SELECT h.*, m.points FROM stars.histories h JOIN stars.members m USING (id);
SELECT * FROM loyalty.verify('stars');
DELETE FROM reviews;
SELECT points FROM stars.members;				-- 0
SELECT count(*) FROM stars.histories;
CALL loyalty.post('stars');
SELECT * FROM loyalty.verify('stars');

SELECT loyalty.drop_program('stars', force => true);
SELECT loyalty.drop_program('desk', force => true);
RESET search_path;
SET client_min_messages = error;
DROP SCHEMA t_amounts CASCADE;
