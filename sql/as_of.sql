-- What members, lots and points were at a moment, by what was known at another one.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, MDY';
SET IntervalStyle = 'postgres';
CREATE SCHEMA t_as_of;
CREATE TABLE t_as_of.customers (id int PRIMARY KEY, since date);
INSERT INTO t_as_of.customers VALUES (1, '2015-05-05'), (2, '2024-02-29'), (3, NULL), (4, '2020-01-01');
CREATE TABLE t_as_of.orders (id int PRIMARY KEY, customer int, at timestamptz, total numeric, status text DEFAULT 'paid');
CREATE TABLE t_as_of.refunds (order_id int, amount numeric);
SELECT loyalty.create_program('club', customers => 't_as_of.customers', joined_at => 'since', time_zone => 'Europe/Vienna', points_scale => 1);
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
INSERT INTO club.tier (name, rank, qualifies, multiplier) VALUES ('Silver', 1, 'spend >= 300', 1.5), ('Gold', 2, $$spend >= 600 AND tenure >= '2 years'$$, 2);
SELECT loyalty.track_orders('club', 't_as_of.orders', customer => 'customer', at => 'at', amount => 'total', counts_when => $$status = 'paid'$$);
SELECT loyalty.track_refunds('club', 't_as_of.refunds', order_key => 'order_id', amount => 'amount');

-- What is shown after each step is written down.
CREATE TABLE t_as_of.log (step int, shown_at timestamptz, id int, shown loyalty.member);
CREATE TABLE t_as_of.lots_log (shown_at timestamptz, id int, wallet text, available_at timestamptz, expires_at timestamptz, points numeric, state text);
CREATE SEQUENCE t_as_of.steps;
CREATE PROCEDURE t_as_of.step(query text) LANGUAGE plpgsql AS $$
DECLARE
	n CONSTANT int := nextval('t_as_of.steps');
BEGIN
	EXECUTE query;
	COMMIT;
	INSERT INTO t_as_of.log
	SELECT n, now(), m.id, ROW(m.tier, m.points, m.lifetime_value, m.orders, m.first_order_at, m.last_order_at, m.joined_at, m.tenure, m.average_order,
	                           m.held, m.pending, m.next_expiry, m.expiring)::loyalty.member
	  FROM (SELECT * FROM club.members UNION ALL SELECT * FROM club.former_members) m;
	INSERT INTO t_as_of.lots_log SELECT now(), l.* FROM club.lots l;
	COMMIT;
END $$;
-- a moment soon, as an expression of a wallet
CREATE FUNCTION t_as_of.soon(wait interval) RETURNS text LANGUAGE sql AS $$
	SELECT quote_literal(to_char((clock_timestamp() + wait) AT TIME ZONE 'Europe/Vienna', 'YYYY-MM-DD HH24:MI:SS.US'))
$$;
CREATE FUNCTION t_as_of.differs() RETURNS TABLE (step int, id int, shown loyalty.member, told loyalty.member) LANGUAGE sql AS $$
	SELECT l.step, l.id, l.shown, m FROM t_as_of.log l CROSS JOIN LATERAL club.member_at(l.id, l.shown_at, l.shown_at) m WHERE l.shown IS DISTINCT FROM m ORDER BY 1, 2
$$;

CALL t_as_of.step($$SELECT 'nothing yet'$$);
CALL t_as_of.step($$INSERT INTO t_as_of.orders VALUES (1, 1, '2024-03-10 12:00+01', 100), (2, 2, '2024-04-01 12:00+02', 250)$$);
CALL t_as_of.step($$CALL loyalty.post('club')$$);
CALL t_as_of.step($$INSERT INTO t_as_of.orders VALUES (3, 1, '2024-02-01 12:00+01', 250)$$);		-- back-dated
CALL t_as_of.step($$INSERT INTO t_as_of.orders VALUES (4, 1, '2090-01-01 12:00+01', 40)$$);		-- in the future
CALL t_as_of.step($$INSERT INTO t_as_of.refunds VALUES (3, 50)$$);
CALL t_as_of.step($$UPDATE t_as_of.orders SET at = '2024-01-15 12:00+01' WHERE id = 1$$);
CALL t_as_of.step($$SELECT club.redeem(1, 120, 'r1')$$);
CALL t_as_of.step($$SELECT club.redeem(2, 200, 'r2')$$);
CALL t_as_of.step($$DELETE FROM t_as_of.orders WHERE id = 2$$);									-- owes 200
CALL t_as_of.step($$INSERT INTO t_as_of.orders VALUES (5, 2, now(), 80)$$);						-- repays 80
CALL t_as_of.step($$SELECT club.reverse(2, 'r2', 50)$$);
CALL t_as_of.step($$SELECT club.grant_points(3, 30, 'g1')$$);
CALL t_as_of.step($$SELECT club.hold(1, 60, 'h1')$$);
CALL t_as_of.step($$SELECT club.capture(1, 'h1', 25)$$);
CALL t_as_of.step($$SELECT club.hold(1, 10, 'h2')$$);
CALL t_as_of.step($$SELECT club.release(1, 'h2')$$);
CALL t_as_of.step($$SELECT club.hold(1, 20, 'h3', until => clock_timestamp() + interval '0.2 s')$$);
CALL t_as_of.step($$SELECT pg_sleep(0.25)$$);														-- timed out
CALL t_as_of.step($$SELECT club.transfer(1, 3, 15, 't1')$$);										-- which writes that
CALL t_as_of.step($$UPDATE club.tier SET qualifies = 'spend >= 200' WHERE name = 'Silver'$$);
CALL t_as_of.step($$INSERT INTO t_as_of.orders VALUES (6, 4, now(), 200), (7, 1, now(), 11)$$);
CALL t_as_of.step($$UPDATE club.wallet SET available_after = '50 days', expires = 'earned_on + 400'$$);
CALL t_as_of.step($$INSERT INTO t_as_of.orders VALUES (8, 3, now() - interval '60 days', 90), (9, 3, now(), 35)$$);
CALL t_as_of.step($$SELECT club.redeem(3, 100, 'r3')$$);
CALL t_as_of.step($$INSERT INTO t_as_of.refunds VALUES (8, 40)$$);
CALL t_as_of.step($$UPDATE club.wallet SET available_after = NULL, expires = t_as_of.soon('0.3 s')$$);
CALL t_as_of.step($$INSERT INTO t_as_of.orders VALUES (10, 4, now(), 500), (11, 3, now(), 21)$$);
CALL t_as_of.step($$SELECT club.redeem(4, 70, 'r4')$$);
CALL t_as_of.step($$SELECT club.hold(4, 100, 'h4')$$);												-- keeps points from expiring
CALL t_as_of.step($$SELECT pg_sleep(0.3)$$);														-- expired
CALL t_as_of.step($$SELECT club.reverse(4, 'r4', 20)$$);											-- gone with the date that they had
CALL t_as_of.step($$CALL loyalty.maintain('club')$$);
CALL t_as_of.step($$UPDATE t_as_of.orders SET total = 450 WHERE id = 10$$);
CALL t_as_of.step($$SELECT club.release(4, 'h4')$$);
CALL t_as_of.step($$CALL loyalty.maintain('club')$$);
CALL t_as_of.step($$UPDATE club.wallet SET available_after = '0.2 s', expires = t_as_of.soon('0.5 s')$$);
CALL t_as_of.step($$INSERT INTO t_as_of.orders VALUES (12, 4, now(), 33), (13, 2, now(), 44)$$);
CALL t_as_of.step($$SELECT pg_sleep(0.2)$$);														-- wait no more
CALL t_as_of.step($$CALL loyalty.maintain('club')$$);
CALL t_as_of.step($$UPDATE t_as_of.orders SET customer = 1 WHERE id = 12$$);
CALL t_as_of.step($$DELETE FROM t_as_of.customers WHERE id = 3$$);									-- a former member
CALL t_as_of.step($$UPDATE club.wallet SET available_after = NULL, expires = NULL$$);
CALL t_as_of.step($$INSERT INTO t_as_of.orders VALUES (14, 9, now(), 300), (15, 1, '2024-05-05', 500)$$);
CALL t_as_of.step($$SELECT pg_sleep(0.3)$$);
CALL t_as_of.step($$SELECT * FROM loyalty.rerate('club', dry_run => false)$$);
CALL t_as_of.step($$UPDATE t_as_of.orders SET status = 'returned' WHERE id IN (4, 15)$$);

-- at each of these moments, as it was known then, the same is told now: of members, lots, and the program as a whole
CREATE PROCEDURE t_as_of.compare() LANGUAGE plpgsql AS $$
DECLARE
	d record;
BEGIN
	FOR d IN SELECT * FROM t_as_of.differs() LOOP
		RAISE WARNING 'member %, step %: shown %, told %', d.id, d.step, d.shown, d.told;
	END LOOP;
	FOR d IN SELECT l.step, count(*) FROM (SELECT DISTINCT step, shown_at FROM t_as_of.log) l
	          CROSS JOIN LATERAL (SELECT * FROM (SELECT x.* FROM t_as_of.lots_log x WHERE x.shown_at = l.shown_at EXCEPT
	                                             SELECT l.shown_at, i, t.* FROM generate_series(1, 9) i CROSS JOIN LATERAL club.lots_at(i, l.shown_at, l.shown_at) t) missing
	                              UNION ALL
	                              SELECT * FROM (SELECT l.shown_at, i, t.* FROM generate_series(1, 9) i CROSS JOIN LATERAL club.lots_at(i, l.shown_at, l.shown_at) t EXCEPT
	                                             SELECT x.* FROM t_as_of.lots_log x WHERE x.shown_at = l.shown_at) added) y GROUP BY 1 LOOP
		RAISE WARNING 'lots at step %: % differ', d.step, d.count;
	END LOOP;
	FOR d IN SELECT s.*, t.* FROM (SELECT step, shown_at, sum(greatest((shown).points, 0)) AS points, sum((shown).pending) AS waiting, sum((shown).held) AS on_hold, -sum(least((shown).points, 0)) AS owed
	                                 FROM t_as_of.log GROUP BY 1, 2) s
	          CROSS JOIN LATERAL club.liability_at(s.shown_at, s.shown_at) t
	         WHERE (s.points, s.waiting, s.on_hold, s.owed, s.points + s.waiting + s.on_hold) <> (t.available, t.pending, t.held, t.debt, t.outstanding) LOOP
		RAISE WARNING 'liability at step %: %', d.step, d;
	END LOOP;
END $$;
CALL t_as_of.compare();
CALL loyalty.maintain('club');
CALL t_as_of.compare();
-- all that can be there was there
SELECT count(DISTINCT step) AS steps, count(DISTINCT (shown).tier) AS tiers, count(*) FILTER (WHERE (shown).pending > 0) > 0 AS pending, count(*) FILTER (WHERE (shown).held > 0) > 0 AS held,
       count(*) FILTER (WHERE (shown).points < 0) > 0 AS debt, count(*) FILTER (WHERE (shown).expiring > 0) > 0 AS expiring,
       count(*) FILTER (WHERE (shown).last_order_at > shown_at) > 0 AS future FROM t_as_of.log;

-- what is learned later changes what was: customer 1, on days of 2024, as it was known after some steps.
-- Order 1 of 100 was of 10 March until step 7, and of 15 January from then on; order 3 of 250 was recorded in step 4, and is of 1 February;
-- what step 6 refunded counts from then on. Order 4 of step 5 counts from when it was recorded, for 60 by the multiplier of Silver.
CREATE FUNCTION t_as_of.after(step int) RETURNS timestamptz LANGUAGE sql AS $$ SELECT max(shown_at) FROM t_as_of.log WHERE log.step = after.step $$;
SELECT d.day, s.step, m.points, m.lifetime_value, m.orders, m.tier, m.first_order_at
  FROM (VALUES ('2024-01-16'), ('2024-02-15'), ('2024-03-11'), ('2090-06-01')) d (day) CROSS JOIN (VALUES (1), (2), (4), (5), (6), (7), (8)) s (step)
 CROSS JOIN LATERAL club.member_at(1, d.day::timestamptz, t_as_of.after(s.step)) m ORDER BY 1, 2;
-- the tiers are those in force when it was known: customer 2 had spent 250 then, which is Silver from step 21 on
SELECT s.step, m.lifetime_value, m.tier FROM (VALUES (9), (20), (21)) s (step) CROSS JOIN LATERAL club.member_at(2, '2024-04-02', t_as_of.after(s.step)) m ORDER BY 1;
-- customer 3: order 8 of 90, 60 days old, waits until 10 days ago; and waited, although nobody knew it
SELECT x.days, m.points, m.pending, l.points AS lot, l.state FROM (VALUES (70), (30), (5)) x (days)
 CROSS JOIN LATERAL club.member_at(3, now() - x.days * interval '1 day') m
  LEFT JOIN LATERAL club.lots_at(3, now() - x.days * interval '1 day') l ON true ORDER BY 1 DESC;
SELECT club.member_at(3, now() - interval '30 days', now() - interval '1 day');

-- what a transaction itself recorded is known, but was recorded after it began
BEGIN;
INSERT INTO t_as_of.orders VALUES (20, 9, now(), 5);
SELECT (club.member_at(9, now())).orders AS known, (club.member_at(9, now(), now())).orders AS known_then, orders FROM club.former_members WHERE id = 9;
ROLLBACK;
-- keys, moments and nobody
SELECT (club.member_at(1::smallint, 'infinity')).orders = o.orders, (club.member_at(1::bigint, 'infinity', 'infinity')).orders = o.orders, (club.member_at(1.0, now())).orders = o.orders,
       (club.member_at(1, '-infinity')).orders, (club.member_at(1, 'infinity', '-infinity')).orders FROM club.members o WHERE id = 1;
SELECT club.member_at(77, now()), club.member_at(1.5, now()), club.member_at(NULL, now()), club.member_at(1, NULL), club.member_at(1, now(), NULL);
SELECT club.lots_at(77, now()), club.liability_at(NULL), club.liability_at(now(), NULL);
SELECT club.member_at('ann'::text, now());
-- what they are worth, rounded to cents: 100 and 250 were known on 11 March after step 4
SELECT * FROM club.liability_at('2024-03-11', t_as_of.after(4), 0.0123);
SELECT * FROM loyalty.verify('club');

-- who may read the program may ask, and nobody else
CREATE ROLE regress_loyalty_auditor;
GRANT USAGE ON SCHEMA club TO regress_loyalty_auditor;
SET ROLE regress_loyalty_auditor;
SELECT club.member_at(1, now());
SELECT * FROM club.lots_at(1, now());
\set VERBOSITY sqlstate
SELECT * FROM club.liability_at(now());
\set VERBOSITY default
\set VERBOSITY sqlstate
SELECT _loyalty.states_as_of('club.program', 1, now(), now());
\set VERBOSITY default
RESET ROLE;
SELECT loyalty.grant_access('club', 'regress_loyalty_auditor', 'read');
SET ROLE regress_loyalty_auditor;
SELECT m.lifetime_value, l.points, l.state, x.members FROM club.member_at(1, '2024-02-15', now()) m, club.lots_at(1, '2024-02-15', now()) l, club.liability_at('2024-02-15') x;
RESET ROLE;
DROP OWNED BY regress_loyalty_auditor;
DROP ROLE regress_loyalty_auditor;

-- more decimals of points and amounts are shown by these functions, too
UPDATE club.program SET points_scale = 3, amount_scale = 4;
SELECT m.points, m.lifetime_value, l.points, x.debt, x.value FROM club.member_at(1, '2024-02-15', t_as_of.after(4)) m, club.lots_at(1, '2024-02-15', t_as_of.after(4)) l, club.liability_at('2024-03-11', t_as_of.after(4), 0.0123) x;
SELECT loyalty.drop_program('club', force => true);
DROP SCHEMA t_as_of CASCADE;
