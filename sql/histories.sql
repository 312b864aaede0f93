-- Histories of orders and of each kind of events, in the account's sums.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET datestyle = 'ISO, MDY';
SET jit = off;
-- days are those of the program, whatever the session says
SET timezone = 'America/New_York';
CREATE SCHEMA t_histories;
SET search_path = t_histories, public;
CREATE TABLE customers (id int PRIMARY KEY, created_at timestamptz);
CREATE TABLE orders (id int PRIMARY KEY, customer_id int, at timestamptz, total numeric,
                     paid boolean DEFAULT true);
CREATE TABLE refunds (id int PRIMARY KEY, order_id int, amount numeric);
CREATE TABLE visits (id int PRIMARY KEY, customer_id int, at timestamptz, what text, minutes numeric DEFAULT 0);
INSERT INTO customers SELECT n, '2024-01-01' FROM generate_series(1, 9) n;
SELECT loyalty.create_program('club', 't_histories.customers', time_zone => 'Europe/Berlin');
INSERT INTO club.earning_rule (name, points) VALUES ('base', 'amount');
SELECT loyalty.track_orders('club', 'orders', customer => 'customer_id', at => 'at', amount => 'total',
                            counts_when => 'paid');
SELECT loyalty.track_refunds('club', 'refunds', order_key => 'order_id', amount => 'amount', orders => 'orders');
SELECT loyalty.track_events('club', 'visit', 'visits', customer => 'customer_id', at => 'at',
                            counts_when => $$what = 'visit'$$);
SELECT loyalty.track_events('club', 'call', 'visits', customer => 'customer_id', at => 'at', amount => 'minutes',
                            counts_when => $$what = 'call'$$);
\set verify 'SELECT * FROM loyalty.verify(''club'');'
\set show 'SELECT * FROM club.histories ORDER BY id, event NULLS FIRST;'
\set post 'CALL loyalty.post(''club'');'

-- 1. Days in Berlin, which is an hour before UTC, and two from 31 March, 01:00 UTC, to 27 October, 01:00 UTC.
-- 22:59 UTC on 30 March is 23:59, 23:00 is midnight; 21:59 on the 31st is 23:59, 22:00 is midnight.
-- So: {2024-03-30 1 10, 2024-03-31 2 20.5 + 1, 2024-04-01 1 2}, and in autumn in the same way
-- {2024-10-26 1 10, 2024-10-27 2 21.5, 2024-10-28 1 2}.
INSERT INTO orders VALUES
  (1, 1, '2024-03-30 22:59+00', 10), (2, 1, '2024-03-30 23:00+00', 20.5),
  (3, 1, '2024-03-31 21:59+00', 1), (4, 1, '2024-03-31 22:00+00', 2),
  (5, 2, '2024-10-26 21:59+00', 10), (6, 2, '2024-10-26 22:00+00', 20.5),
  (7, 2, '2024-10-27 22:59+00', 1), (8, 2, '2024-10-27 23:00+00', 2);
:show
:verify
:post
:show
SELECT customer, purchases, events FROM club.account ORDER BY 1;
:verify

-- 2. An order is in it as it stands.  1 goes to the 29th: 2024-03-29 1 10.  2 gets 30 in place of 20.5: the 31st
-- has 31; 4 does not count any more, so that 1 April is not there; 5 is deleted, and 6 worth nothing,
-- but counts: 2024-10-27 2 1.
UPDATE orders SET at = '2024-03-29 12:00+00' WHERE id = 1;
UPDATE orders SET total = 30 WHERE id = 2;
UPDATE orders SET paid = false WHERE id = 4;
DELETE FROM orders WHERE id = 5;
UPDATE orders SET total = 0 WHERE id = 6;
:show
:verify
:post
:show
:verify
-- nobody has a day any more: no row, and nothing is left in the account
BEGIN;
DELETE FROM orders;
SELECT count(*) FROM club.histories;
:post
SELECT count(*) FROM club.histories;
SELECT customer, purchases, events, spend, orders FROM club.account ORDER BY 1;
:verify
ROLLBACK;

-- 3. What was refunded is off on the day of the order, and an order that is refunded in full does not count.
-- 2: 30 - 12.25 leaves 17.75, and 3 nothing: 2024-03-31 1 17.75.  7 and 8 stay.
INSERT INTO refunds VALUES (1, 2, 12.25), (2, 3, 1);
SELECT * FROM club.histories WHERE id = 1;
:verify
:post
SELECT * FROM club.histories WHERE id = 1;
DELETE FROM refunds;		-- 2024-03-31 2 31 again
SELECT * FROM club.histories WHERE id = 1;
:verify

-- 4. Another key is no other day, another customer is another history.  7 (27 October, 1) goes to 3, and 8 gets the key 80
-- and 5 instead of 2.
UPDATE orders SET customer_id = 3 WHERE id = 7;
UPDATE orders SET id = 80, total = 5 WHERE id = 8;
SELECT * FROM club.histories WHERE id IN (2, 3) ORDER BY 1;	-- 2: 27 October once 0, the 28th 5; 3: the 27th 1
:verify
:post
SELECT * FROM club.histories WHERE id IN (2, 3) ORDER BY 1;
UPDATE orders SET id = 8, customer_id = 3 WHERE id = 80;	-- both at once: 3 has the 28th
SELECT * FROM club.histories WHERE id IN (2, 3) ORDER BY 1;
:verify
:post

-- 5. Events, of two kinds in one table, have a history each: visits without an amount, calls with their minutes.  23:30 UTC is the next day in Berlin.
INSERT INTO visits VALUES (1, 4, '2024-05-01 23:30+00', 'visit', 90), (2, 4, '2024-05-02', 'call', 12.5),
  (3, 4, '2024-05-02', 'visit', 30), (4, 5, '2024-05-03', 'call', 7);
SELECT * FROM club.histories WHERE id IN (4, 5) ORDER BY id, event;	-- 4: call 1 12.5, visit 2 0 on 2 May; 5: call on 3 May 7
:verify
:post
SELECT customer, purchases, events FROM club.account WHERE customer IN (4, 5) ORDER BY 1;
UPDATE visits SET what = 'call' WHERE id = 3;			-- call 2 42.5, visit 1 0
UPDATE visits SET customer_id = 4, at = '2024-04-30' WHERE id = 4;	-- and a call on 30 April of 7; 5 has nothing
SELECT * FROM club.histories WHERE id IN (4, 5) ORDER BY id, event;
:verify
:post
UPDATE visits SET minutes = -2.5 WHERE id = 2;			-- less than nothing: 2 May has 27.5
SELECT * FROM club.histories WHERE id = 4 AND event = 'call';
:verify
:post
SELECT loyalty.total(history), loyalty.total(history, since => date '2024-05-01') AS may FROM club.histories WHERE id = 4 AND event = 'call';	-- 34.5; 27.5
DELETE FROM visits WHERE what = 'call';				-- one kind is left
SELECT * FROM club.histories WHERE id IN (4, 5) ORDER BY id, event;
INSERT INTO orders VALUES (40, 4, '2024-05-05', 3);		-- with orders
SELECT * FROM club.histories WHERE id IN (4, 5) ORDER BY id, event NULLS FIRST;
:verify
:post
SELECT customer, purchases, events FROM club.account WHERE customer IN (4, 5) ORDER BY 1;
:verify

-- 6. The time zone is that of the terms of the order.  1 is at 23:30 in New York, and in Berlin on 2 June at 05:30.  2, of
-- the same moment, comes after the program is in New York.  A change of 1 stays in Berlin, until it is rerated.
CREATE TABLE trips (id int PRIMARY KEY, customer_id int, at timestamptz, fare numeric);
SELECT loyalty.create_program('zoned', 't_histories.customers', time_zone => 'Europe/Berlin');
SELECT loyalty.track_orders('zoned', 'trips', customer => 'customer_id', at => 'at', amount => 'fare');
INSERT INTO trips VALUES (1, 6, '2024-06-02 03:30+00', 9);
CALL loyalty.post('zoned');
SELECT loyalty.untrack('zoned', 'trips');
UPDATE zoned.program SET time_zone = 'America/New_York';
SELECT loyalty.track_orders('zoned', 'trips', customer => 'customer_id', at => 'at', amount => 'fare');
INSERT INTO trips VALUES (2, 6, '2024-06-02 03:30+00', 10);
SELECT * FROM zoned.histories;			-- {2024-06-01 1 10, 2024-06-02 1 9}
UPDATE trips SET fare = 8 WHERE id = 1;
SELECT * FROM zoned.histories;			-- {2024-06-01 1 10, 2024-06-02 1 8}
SELECT * FROM loyalty.verify('zoned');
CALL loyalty.post('zoned');
SELECT * FROM zoned.histories;
SELECT orders FROM loyalty.rerate('zoned', dry_run => false);
SELECT * FROM zoned.histories;			-- {2024-06-01 2 18}
SELECT * FROM loyalty.verify('zoned');
CALL loyalty.post('zoned');
SELECT * FROM zoned.histories;
SELECT * FROM loyalty.verify('zoned');
SELECT loyalty.drop_program('zoned', force => true);

-- 7. Who is merged passes on all, and what comes later for either key is of the survivor.  6: {2024-06-01 2 18}; 7 gets
-- 2024-06-01 1 2 and a visit that day, of which the merge makes {2024-06-01 3 20}; then 100 for 6 on 2 June,
-- and 200 for 7 on the 3rd, and order 9 (8) goes: {2024-06-01 2 12, 2024-06-02 1 100, 2024-06-03 1 200}.  Calls of 3 minutes of 7 and
-- of 4.5 of 6 are two of 7.5; then 6 calls for one more on 2 June.
INSERT INTO orders VALUES (9, 6, '2024-06-01 12:00+00', 8), (10, 6, '2024-06-01 13:00+00', 10);
INSERT INTO orders VALUES (11, 7, '2024-06-01 12:00+00', 2);
INSERT INTO visits VALUES (11, 7, '2024-06-01 12:00+00', 'visit', 5), (12, 6, '2024-06-01 12:00+00', 'visit', 5),
  (13, 7, '2024-06-01 12:00+00', 'call', 3), (14, 6, '2024-06-01 12:00+00', 'call', 4.5);
SELECT count(*) FROM club.merge(6, 7, 'm1');
:verify
SELECT * FROM club.histories WHERE id IN (6, 7) ORDER BY id, event NULLS FIRST;
SELECT customer, purchases, events FROM club.account WHERE customer IN (6, 7) ORDER BY 1;
INSERT INTO orders VALUES (12, 6, '2024-06-02 12:00+00', 100), (13, 7, '2024-06-03 12:00+00', 200);
INSERT INTO visits VALUES (15, 6, '2024-06-02 12:00+00', 'call', 1);
DELETE FROM orders WHERE id = 9;
SELECT * FROM club.histories WHERE id IN (6, 7) ORDER BY id, event NULLS FIRST;
:verify
:post
SELECT * FROM club.histories WHERE id IN (6, 7) ORDER BY id, event NULLS FIRST;
:verify

-- 8. Nothing of what is rolled back; and a transaction of one snapshot sees what it did itself.
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) FROM club.histories WHERE id = 8;
INSERT INTO orders VALUES (20, 8, '2024-07-01 12:00+00', 1);
SELECT * FROM club.histories WHERE id = 8;
SAVEPOINT a;
UPDATE orders SET total = 2 WHERE id = 20;
INSERT INTO orders VALUES (21, 8, '2024-07-01 12:00+00', 1);
SELECT * FROM club.histories WHERE id = 8;			-- twice 3
ROLLBACK TO a;
SELECT * FROM club.histories WHERE id = 8;			-- once 1
UPDATE orders SET total = 3, at = '2024-07-02 12:00+00' WHERE id = 20;
SELECT * FROM club.histories WHERE id = 8;			-- the 2nd, 3
ROLLBACK;
INSERT INTO orders VALUES (22, 8, '2024-07-03 12:00+00', 5);
SELECT * FROM club.histories WHERE id = 8;
:verify

-- 9. Decimals: exact, up to 12; what has more is rounded, each order for itself.  1/3 twice is 0.666666666666.  Amounts may be less than
-- nothing, or large.
INSERT INTO orders VALUES (30, 9, '2024-08-01', 1::numeric / 3), (31, 9, '2024-08-01', 1::numeric / 3),
  (32, 9, '2024-08-02', -0.000000000001), (33, 9, '2024-08-03', 99999999999999999999.999999999999);
SELECT * FROM club.histories WHERE id = 9;
:verify
:post
SELECT * FROM club.histories WHERE id = 9;
:verify
DELETE FROM orders WHERE id = 31;
SELECT * FROM club.histories WHERE id = 9;			-- 0.333333333333
:verify
-- the days at the ends of time that have none in some time zone are in no history
INSERT INTO orders VALUES (34, 9, '4714-11-24 00:00:00+00 BC', 1), (35, 9, '294276-12-31 23:59:59+00', 1), (36, 9, '4714-11-25 00:00:00+00 BC', 1);
SELECT orders FROM club.members WHERE id = 9;			-- 3 and 3 are 6
SELECT loyalty.first_day(history), loyalty.last_day(history), loyalty.times(history) FROM club.histories WHERE id = 9;	-- 25 November, 3 August, 4
:verify
:post
:verify
DELETE FROM orders WHERE id BETWEEN 34 AND 36;

-- 10. Whoever leaves the customer table keeps the histories, and who is erased, too, under the surrogate.
DELETE FROM customers WHERE id IN (3, 8);
SELECT * FROM club.histories WHERE id IN (3, 8) ORDER BY id;
SELECT club.erase(3, surrogate => 3003, orders_follow => true) > 0 AS erased;
UPDATE orders SET customer_id = 3003 WHERE customer_id = 3;
SELECT * FROM club.histories WHERE id IN (3, 3003) ORDER BY id;
:verify
:post
SELECT * FROM club.histories WHERE id IN (3, 3003) ORDER BY id;
:verify

-- 11. All at random, compared with the tables themselves.  What is refunded in full does not count.
CREATE FUNCTION differing() RETURNS TABLE (customer int, event text, shown loyalty.history, days text) LANGUAGE sql AS $$
	WITH n AS (SELECT o.customer_id, NULL AS event, (o.at AT TIME ZONE 'Europe/Berlin')::date AS day, o.total - coalesce(r.amount, 0) AS amount
	             FROM orders o LEFT JOIN (SELECT order_id, sum(amount) AS amount FROM refunds GROUP BY 1) r ON r.order_id = o.id
	            WHERE o.paid AND o.customer_id > 100 AND (r.amount IS NULL OR o.total - r.amount > 0)
	           UNION ALL
	           SELECT customer_id, what, (at AT TIME ZONE 'Europe/Berlin')::date, CASE what WHEN 'call' THEN minutes ELSE 0 END FROM visits WHERE customer_id > 100),
	d AS (SELECT customer_id, event, string_agg(format('%s %s %s', day, times, trim_scale(amount)), ', ' ORDER BY day) AS days
	        FROM (SELECT customer_id, event, day, count(*) AS times, sum(amount) AS amount FROM n GROUP BY 1, 2, 3) x GROUP BY 1, 2)
	SELECT coalesce(h.id, d.customer_id), coalesce(h.event, d.event), h.history, d.days
	  FROM (SELECT * FROM club.histories WHERE id > 100) h FULL JOIN d ON d.customer_id = h.id AND coalesce(d.event, '') = coalesce(h.event, '')
	 WHERE h.history::text IS DISTINCT FROM '{' || d.days || '}'
$$;
INSERT INTO customers SELECT n, '2024-01-01' FROM generate_series(101, 110) n;
DO $$
DECLARE
	moment timestamptz;
	wrong record;
	k int;
BEGIN
	PERFORM setseed(0.5);
	FOR i IN 1 .. 400 LOOP
		moment := timestamptz '2024-03-25 00:00+00' + random() * interval '14 days';
		k := 1000 + trunc(random() * 60);
		CASE trunc(random() * 11)
		WHEN 0, 1, 2 THEN
			INSERT INTO orders VALUES (k, 101 + trunc(random() * 10), moment, round((random() * 100)::numeric, 2)) ON CONFLICT DO NOTHING;
		WHEN 3 THEN
			UPDATE orders SET at = moment, total = total + 0.5 WHERE id = k;
		WHEN 4 THEN
			UPDATE orders SET customer_id = 101 + trunc(random() * 10) WHERE id IN (k, k + 1);
		WHEN 5 THEN
			DELETE FROM refunds WHERE order_id = k;
			DELETE FROM orders WHERE id = k;
		WHEN 6 THEN
			UPDATE orders SET paid = NOT paid WHERE id BETWEEN k AND k + 3;
		WHEN 7 THEN
			INSERT INTO refunds SELECT i, id, CASE WHEN random() < 0.3 THEN total ELSE round(total / 3, 2) END FROM orders WHERE id = k AND total > 0;
		WHEN 8 THEN
			INSERT INTO visits VALUES (k, 101 + trunc(random() * 10), moment, CASE WHEN random() < 0.5 THEN 'visit' ELSE 'call' END, round((random() * 100)::numeric, 3) - 30)
			    ON CONFLICT (id) DO UPDATE SET what = excluded.what, at = excluded.at, customer_id = excluded.customer_id, minutes = excluded.minutes;
		WHEN 9 THEN
			UPDATE orders SET id = k + 100 WHERE id = k AND NOT EXISTS (SELECT FROM orders WHERE id = k + 100) AND NOT EXISTS (SELECT FROM refunds WHERE order_id = k);
		ELSE
			CALL loyalty.post('club');
		END CASE;
		IF i % 20 = 0 THEN
			FOR wrong IN SELECT * FROM differing() LOOP
				RAISE WARNING 'after % steps: %', i, wrong;
			END LOOP;
			FOR wrong IN SELECT v.* FROM loyalty.verify('club') v WHERE i % 100 = 0 LOOP
				RAISE WARNING 'after % steps, verify: %', i, wrong;
			END LOOP;
		END IF;
	END LOOP;
END $$;
SELECT * FROM differing();
SELECT count(*) > 0 AS some, count(DISTINCT event) AS kinds, count(*) FILTER (WHERE event IS NULL) > 5 AS orders FROM club.histories WHERE id > 100;
:post
SELECT * FROM differing();
:verify

-- 12. What is planted is found
CREATE FUNCTION plant(statement text) RETURNS TABLE (violation text, customer text, detail text) LANGUAGE plpgsql AS $$
BEGIN
	BEGIN
		EXECUTE statement;
		RETURN QUERY SELECT v.violation, v.customer, v.detail FROM loyalty.verify('club') v ORDER BY v.violation COLLATE "C", v.customer, v.detail COLLATE "C";
		RAISE EXCEPTION USING ERRCODE = 'P0099';
	EXCEPTION WHEN SQLSTATE 'P0099' THEN
		NULL;
	END;
END $$;
-- a time too many, an amount, a day, another day, none at all; one that nobody has orders for
SELECT * FROM plant($$UPDATE club.account SET purchases = purchases OPERATOR(loyalty.+) '{2024-05-05 1 0}' WHERE customer = 4$$);
SELECT * FROM plant($$UPDATE club.account SET purchases = purchases OPERATOR(loyalty.+) '{2024-05-05 0 0.01}' WHERE customer = 4$$);
SELECT * FROM plant($$UPDATE club.account SET purchases = purchases OPERATOR(loyalty.+) '{2024-05-04 1 1}' WHERE customer = 4$$);
SELECT * FROM plant($$UPDATE club.account SET purchases = '{2024-05-06 1 3}' WHERE customer = 4$$);
SELECT * FROM plant($$UPDATE club.account SET purchases = NULL WHERE customer = 4$$);
SELECT * FROM plant($$UPDATE club.account SET purchases = '{2024-05-06 1 3}' WHERE customer = 6$$);
-- events: with an amount that they have not, and with another one, of another kind, none, twice, not in order, and what is empty
SELECT * FROM plant($$UPDATE club.account SET events = ARRAY[ROW('visit', '{2024-05-02 1 5}')::_loyalty.event_history] WHERE customer = 4$$);
SELECT * FROM plant($$UPDATE club.account SET events[1] = ROW('call', (events[1]).history OPERATOR(loyalty.+) '{2024-06-01 0 0.5}')::_loyalty.event_history WHERE customer = 7$$);
SELECT * FROM plant($$UPDATE club.account SET events = ARRAY[ROW('call', (events[1]).history)::_loyalty.event_history] WHERE customer = 4$$);
SELECT * FROM plant($$UPDATE club.account SET events = NULL WHERE customer = 4$$);
SELECT * FROM plant($$UPDATE club.account SET events = events || events WHERE customer = 4$$);
SELECT * FROM plant($$UPDATE club.account SET events = events || ROW('a', '{}')::_loyalty.event_history WHERE customer = 4$$);
SELECT * FROM plant($$UPDATE club.account SET purchases = '{}' WHERE customer = 5$$);
-- what the view says: of who has nothing in the journal, and of who has
CREATE FUNCTION lying() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE 'CREATE OR REPLACE VIEW club.histories AS SELECT x.id, x.event, CASE WHEN x.id = 4 AND x.event IS NULL THEN x.history OPERATOR(loyalty.+) ''{2024-05-05 1 1}''::loyalty.history ELSE x.history END AS history FROM (' || rtrim(pg_get_viewdef('club.histories'), ';') || ') x';
END $$;
SELECT * FROM plant('SELECT t_histories.lying()');
SELECT * FROM plant($$INSERT INTO t_histories.orders VALUES (41, 4, '2024-05-06', 4); SELECT t_histories.lying()$$);
-- made anew of the ledger, they are the same
BEGIN;
UPDATE club.account SET purchases = NULL, events = NULL;
SELECT count(*) > 10 AS wrong FROM loyalty.verify('club');
SELECT _loyalty.fill_histories('club');
:verify
ROLLBACK;

-- 13. Who may read the program sees them, and nobody else; what the view calls tells nothing by itself
CREATE ROLE regress_histories;
GRANT USAGE ON SCHEMA t_histories TO regress_histories;
SELECT oid AS program, (SELECT max(version) FROM club.terms) AS terms FROM pg_class WHERE oid = 'club.program'::regclass \gset
INSERT INTO orders VALUES (41, 4, '2024-05-05', 4);
SET ROLE regress_histories;
SELECT count(*) FROM club.histories;
SELECT _loyalty.histories_of(:program::regclass, :terms, 4, NULL, NULL, NULL, NULL, NULL, NULL, NULL, gen_random_uuid(), NULL::int[]);
RESET ROLE;
SELECT loyalty.grant_access('club', 'regress_histories', 'read');
SET ROLE regress_histories;
SELECT * FROM club.histories WHERE id = 4 ORDER BY event;	-- 2 times 7
-- what the journal adds: 4 once
SELECT _loyalty.histories_of(:program::regclass, :terms, 4, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL::int[]);
SELECT purchases FROM club.account;
RESET ROLE;
SELECT _loyalty.histories_of(:program::regclass, NULL, 4, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL::int[]) IS NULL AS nothing;
:verify

SELECT loyalty.drop_program('club', force => true);
RESET search_path;
DROP OWNED BY regress_histories;
DROP ROLE regress_histories;
SET client_min_messages = error;
DROP SCHEMA t_histories CASCADE;
