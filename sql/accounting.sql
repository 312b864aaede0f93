-- Points as accountants see them: what is owed, what came and went, breakage, and revenue that is deferred.
-- Numbers were worked out by hand; the cases WE-... are published examples.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, MDY';

-- IFRS 15, Example 52: goods of 100,000 and 10,000 points, each worth 1, of which 9,500 will be redeemed
SELECT * FROM loyalty.allocate_price(100000, 10000, 1, 0.95, 0);
-- WE-201: in period 1, 4,500 are redeemed; in period 2 8,500 are, and 9,700 are expected
SELECT one.recognized AS period_1, 8676 - one.recognized AS deferred_1, two.recognized - one.recognized AS period_2, 8676 - two.recognized AS deferred_2
  FROM loyalty.revenue_recognized(8676, 4500, 9500, 0) one (recognized), loyalty.revenue_recognized(8676, 8500, 9700, 0) two (recognized);
-- WE-203, WE-205: KPMG, Examples 10A and 10B
SELECT loyalty.revenue_recognized(9000, 4500, 9700, 0) AS year_2, loyalty.revenue_recognized(9000, 8500, 9200, 0) - 4175 AS year_3;
-- WE-207: a sale of 2,000 with 2,000 points of 0.10, of which 85 % will be redeemed
SELECT * FROM loyalty.allocate_price(2000, 2000, 0.10, 0.85);
-- nothing paid, no points, no value; more than was expected, and nothing expected any more
SELECT (loyalty.allocate_price(0, 10, 1)).*, (loyalty.allocate_price(10, 0, 1)).*, (loyalty.allocate_price(10, 10, 0)).*, (loyalty.allocate_price(10, 10, 1, 0)).*, (loyalty.allocate_price(10, 10, 1)).*;
SELECT loyalty.revenue_recognized(10, 0, 5), loyalty.revenue_recognized(10, 6, 5), loyalty.revenue_recognized(10, 0, 0), loyalty.revenue_recognized(10, 1, 3, 4), loyalty.revenue_recognized(NULL, 1, 3);
SELECT loyalty.allocate_price(-1, 10, 1);
SELECT loyalty.allocate_price(1, 'NaN', 1);
SELECT loyalty.allocate_price(1, 10, 1e31);
SELECT loyalty.allocate_price(1, 10, 1, 1.01);
SELECT loyalty.allocate_price(1, 10, 1, 1, 13);
SELECT loyalty.revenue_recognized(1, -1, 1);
SELECT loyalty.revenue_recognized(1, 1, 'NaN');

-- Example 52 as a program: 100 customers, 1 point for 10; 45 redeem their 100 points, and 40 more
CREATE SCHEMA t_accounting;
CREATE TABLE t_accounting.customers (id int PRIMARY KEY);
INSERT INTO t_accounting.customers SELECT generate_series(1, 100);
CREATE TABLE t_accounting.orders (id int PRIMARY KEY, customer int, at timestamptz, total numeric);
SELECT loyalty.create_program('fifty_two', customers => 't_accounting.customers', amount_scale => 0, time_zone => 'Europe/Vienna');
INSERT INTO fifty_two.earning_rule (name, points) VALUES ('one for ten', 'amount / 10');
SELECT loyalty.track_orders('fifty_two', 't_accounting.orders', customer => 'customer', at => 'at', amount => 'total');
SELECT * FROM fifty_two.liability;
SELECT * FROM fifty_two.liability_by_expiry;
SELECT * FROM fifty_two.points_flow;
SELECT * FROM fifty_two.breakage;
SELECT * FROM loyalty.deferred_revenue('fifty_two', 1);
INSERT INTO t_accounting.orders SELECT i, i, now(), 1000 FROM generate_series(1, 100) i;
SELECT count(*) FROM t_accounting.customers c CROSS JOIN LATERAL fifty_two.redeem(c.id, 100, 'period 1') WHERE c.id <= 45;
SELECT revenue, allocated, issued, redeemed, outstanding, expected, recognized, deferred FROM loyalty.deferred_revenue('fifty_two', 1, 0.95);
SELECT count(*) FROM t_accounting.customers c CROSS JOIN LATERAL fifty_two.redeem(c.id, 100, 'period 2') WHERE c.id BETWEEN 46 AND 85;
SELECT revenue, allocated, issued, redeemed, outstanding, expected, recognized, deferred FROM loyalty.deferred_revenue('fifty_two', 1, 0.95, expected_rate => 0.97);
-- when no points are left, no more is expected, and nothing is deferred
SELECT count(*) FROM t_accounting.customers c CROSS JOIN LATERAL fifty_two.adjust(c.id, -100, 'gone', 'lapsed') WHERE c.id > 85;
SELECT issued, redeemed, outstanding, expected, recognized, deferred FROM loyalty.deferred_revenue('fifty_two', 1, 0.95);
SELECT * FROM loyalty.verify('fifty_two');
SELECT loyalty.drop_program('fifty_two', force => true);
TRUNCATE t_accounting.orders;

-- Months of 2025: 150 of January that expire with the end of March, and 280 of February that do not, until 2126
SELECT loyalty.create_program('club', customers => 't_accounting.customers', time_zone => 'Europe/Vienna');
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
SELECT loyalty.track_orders('club', 't_accounting.orders', customer => 'customer', at => 'at', amount => 'total');
UPDATE club.wallet SET expires = $$'2025-04-01'$$;
INSERT INTO t_accounting.orders VALUES (1, 1, '2025-01-10 12:00+01', 100), (2, 1, '2025-01-31 23:30+01', 50);
UPDATE club.wallet SET expires = $$'2126-01-01'$$;
INSERT INTO t_accounting.orders VALUES (3, 1, '2025-02-01 00:00+01', 200), (4, 2, '2025-02-10 12:00+01', 80);
UPDATE t_accounting.orders SET total = 70 WHERE id = 1;
SELECT points FROM club.redeem(1, 60, 'april');
SELECT points FROM club.grant_points(2, 40, 'given');
SELECT points FROM club.reverse(1, 'april', 20, 'may');
SELECT points FROM club.hold(2, 50, 'held');
SELECT points FROM club.capture(2, 'held', 30);
SELECT points FROM club.transfer(1, 2, 25, 'passed on');
SELECT points FROM club.adjust(2, -5, 'corrected', 'by hand');
SELECT points FROM club.reverse(2, 'given', 10, 'taken back');
-- all of this happened in the first half of 2025
CREATE PROCEDURE t_accounting.move(moments jsonb) LANGUAGE plpgsql AS $$
BEGIN
	SET LOCAL session_replication_role = replica;
	UPDATE club.ledger SET recorded_at = at WHERE tracked_table > 0 AND revision = 1;
	UPDATE club.ledger SET recorded_at = '2025-02-20 12:00+01' WHERE tracked_table > 0 AND revision > 1;
	UPDATE club.ledger SET at = t.moment, recorded_at = t.moment
	  FROM jsonb_each_text(moments) m (call, day) CROSS JOIN LATERAL (SELECT day::timestamptz) t (moment) WHERE tracked_table = 0 AND concat(kind, ' ', order_key) = m.call;
	UPDATE club.account a SET last_recorded_at = (SELECT max(recorded_at) FROM club.ledger l WHERE l.customer = a.customer);
	UPDATE club.terms SET since = '2025-01-01' WHERE since > '2025-01-01';
	SET LOCAL session_replication_role = origin;
END $$;
CALL loyalty.post('club');
CALL t_accounting.move('{"redemption april": "2025-04-15 12:00+02", "grant given": "2025-04-16 12:00+02", "reversal may": "2025-05-02 12:00+02", "hold held": "2025-05-03 12:00+02",
                         "capture held": "2025-06-01 00:00+02", "transfer passed on": "2025-06-02 12:00+02", "adjustment corrected": "2025-06-03 12:00+02", "reversal taken back": "2025-06-04 12:00+02"}');
SELECT * FROM loyalty.verify('club');
SELECT * FROM club.points_flow ORDER BY month;
-- what is closed with a month is what is owed at its end
SELECT t.at, l.* FROM (VALUES ('2025-01-31 23:59:59.999999+01'), ('2025-02-28 23:59:59.999999+01'), ('2025-03-31 23:59:59.999999+02'), ('2025-04-01 00:00+02'), ('2025-04-30 23:59:59.999999+02'),
                           ('2025-05-31 23:59:59.999999+02'), ('2025-06-30 23:59:59.999999+02')) t (at) CROSS JOIN LATERAL club.liability_at(t.at::timestamptz, point_value => 0.01) l ORDER BY t.at::timestamptz;
SELECT * FROM club.breakage ORDER BY month;
SELECT * FROM loyalty.deferred_revenue('club', 0.01, 0.8);

-- Points that expire soon, of customer 3: of 70, 20 are spent, 30 are held, and 20 expire
UPDATE club.wallet SET expires = quote_literal(to_char((clock_timestamp() + interval '1 s') AT TIME ZONE 'Europe/Vienna', 'YYYY-MM-DD HH24:MI:SS.US'));
SELECT points FROM club.grant_points(3, 70, 'given');
SELECT points FROM club.redeem(3, 20, 'spent');
SELECT points FROM club.hold(3, 30, 'held');
UPDATE club.wallet SET expires = NULL, available_after = '14 days';
INSERT INTO t_accounting.orders VALUES (5, 3, now(), 15);
UPDATE club.wallet SET available_after = NULL;
-- customer 4 owes 10
INSERT INTO t_accounting.orders VALUES (6, 4, now(), 40);
SELECT points FROM club.redeem(4, 10, 'spent');
DELETE FROM t_accounting.orders WHERE id = 6;
SELECT pg_sleep(1);
SELECT * FROM club.liability;
SELECT month IS NULL AS never, month = '2126-01-01' AS in_2126, available, pending, held, outstanding FROM club.liability_by_expiry ORDER BY month;
SELECT issued, redeemed, held, expired, rate, rate_to_date FROM club.breakage ORDER BY month;
SELECT sum(earned) AS earned, sum(refunded) AS refunded, sum(granted) AS granted, sum(redeemed) AS redeemed, sum(reversed) AS reversed, sum(expired) AS expired, sum(adjusted) AS adjusted FROM club.points_flow WHERE month > '2025-06-30';
-- written to the ledger or not, it is the same; what was held is gone when it is given back
CALL loyalty.maintain('club');
SELECT issued, redeemed, held, expired, rate, rate_to_date FROM club.breakage ORDER BY month;
SELECT points FROM club.release(3, 'held');
SELECT issued, redeemed, held, expired, rate, rate_to_date FROM club.breakage ORDER BY month;
SELECT * FROM club.liability;
SELECT f.closing, l.outstanding - l.debt AS owed FROM club.points_flow f CROSS JOIN club.liability l ORDER BY month DESC LIMIT 1;
SELECT f.month, f.closing, l.* FROM club.points_flow f CROSS JOIN LATERAL club.liability_at((f.month + interval '1 month') AT TIME ZONE 'Europe/Vienna' - interval '1 microsecond') l
 WHERE f.month < '2025-07-01' AND f.closing <> l.outstanding - l.debt;
-- of what expired or was spent in time, 20 of 190 were redeemed: that rate is taken if none is said
SELECT sum(allocated) = (SELECT sum(allocated) FROM loyalty.deferred_revenue('club', 0.01, 20.0 / 190)) AS by_own_breakage FROM loyalty.deferred_revenue('club', 0.01);
-- points of customers who are gone are owed, too
DELETE FROM t_accounting.customers WHERE id = 1;
SELECT members, available FROM club.liability;
SELECT * FROM loyalty.verify('club');

-- a hold that times out when the points are owed already repays that first
UPDATE club.wallet SET expires = $$'2126-01-01'$$;
SELECT points FROM club.grant_points(5, 100, 'given');
SELECT points FROM club.hold(5, 60, 'held', until => clock_timestamp() + interval '0.3 s');
UPDATE club.wallet SET expires = NULL;
INSERT INTO t_accounting.orders VALUES (7, 5, now(), 50);
SELECT points FROM club.redeem(5, 90, 'spent');
DELETE FROM t_accounting.orders WHERE id = 7;	-- owes 50
SELECT pg_sleep(0.3);
SELECT points, held FROM club.members WHERE id = 5;
SELECT movement, points, spends, lots, order_key FROM club.movements WHERE id = 5 ORDER BY counts_from, order_key COLLATE "C", points;
-- of the 60 in 2126, 10 are left, with the 235 of the others
SELECT available FROM club.liability_by_expiry WHERE month = '2126-01-01';
SELECT sum(available) = (SELECT available FROM club.liability) AS adds_up FROM club.liability_by_expiry;

-- what is wrong
SELECT * FROM loyalty.deferred_revenue('nothing', 0.01);
SELECT * FROM loyalty.deferred_revenue('club', NULL);
SELECT * FROM loyalty.deferred_revenue('club', -0.01);
SELECT * FROM loyalty.deferred_revenue('club', 0.01, 80);
SELECT * FROM loyalty.deferred_revenue('club', 0.01, 0.8, 80);

-- who may read the program may see this, and nobody else
CREATE ROLE regress_loyalty_auditor;
GRANT USAGE ON SCHEMA club TO regress_loyalty_auditor;
SET ROLE regress_loyalty_auditor;
\set VERBOSITY sqlstate
SELECT * FROM loyalty.deferred_revenue('club', 0.01);
\set VERBOSITY default
SELECT * FROM club.liability;
SELECT * FROM club.holdings;
SELECT * FROM club.movements;
RESET ROLE;
SELECT loyalty.grant_access('club', 'regress_loyalty_auditor', 'read');
SET ROLE regress_loyalty_auditor;
SELECT count(*) > 0 AS flows, (SELECT count(*) > 0 FROM club.breakage) AS breakage, (SELECT count(*) FROM club.liability) AS liability, (SELECT count(*) > 0 FROM loyalty.deferred_revenue('club', 0.01)) AS revenue FROM club.points_flow;
RESET ROLE;
DROP OWNED BY regress_loyalty_auditor;
DROP ROLE regress_loyalty_auditor;
UPDATE club.program SET points_scale = 1;
SELECT available, debt FROM club.liability;
SELECT c.relname, a.attname AS without_comment FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
 WHERE c.relnamespace = 'club'::regnamespace AND c.relname IN ('movements', 'points_flow', 'holdings', 'liability', 'liability_by_expiry', 'breakage') AND col_description(c.oid, a.attnum) IS NULL;
SELECT * FROM loyalty.verify('club');
SELECT loyalty.drop_program('club', force => true);
DROP SCHEMA t_accounting CASCADE;
