-- Points that wait and expire: what the wallet says, entry by entry.  Dates were worked out
-- by hand; the cases WE-... are published examples of other systems.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, MDY';
CREATE SCHEMA t_wallets;
CREATE TABLE t_wallets.customers (id int PRIMARY KEY);
INSERT INTO t_wallets.customers SELECT generate_series(1, 20);
CREATE TABLE t_wallets.orders (id int PRIMARY KEY, customer int, at timestamptz, total numeric);
SELECT loyalty.create_program('club', customers => 't_wallets.customers', time_zone => 'Europe/Vienna');
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
SELECT loyalty.track_orders('club', 't_wallets.orders', customer => 'customer', at => 'at', amount => 'total');

-- when points expire that are earned at a time, by an expression
CREATE FUNCTION t_wallets.expiry(expires text, earned_at timestamptz, OUT available_at timestamptz, OUT expires_at timestamptz)
LANGUAGE plpgsql AS $$
BEGIN
	UPDATE club.wallet SET expires = expiry.expires;
	INSERT INTO t_wallets.orders SELECT 1000 + count(*), 1, earned_at, 100 FROM t_wallets.orders;	-- a new order: one that is there keeps its terms
	SELECT l.available_at, l.expires_at INTO available_at, expires_at
	  FROM club.unposted u LEFT JOIN LATERAL loyalty.unnest(u.lots) l ON true WHERE u.customer = 1 ORDER BY u.entry DESC LIMIT 1;
	UPDATE club.wallet SET expires = NULL;
END $$;
-- the policies of the README, on days that matter; midnight in Vienna is 23:00 UTC in winter, 22:00 in summer
SELECT p.policy, p.earned, x.expires_at AT TIME ZONE 'Europe/Vienna' AS expires
  FROM (VALUES (1, 'days', 'earned_on + 90', '2026-01-15 12:00+01'),
               (2, 'months, WE-071', $$(earned_on + interval '1 month')::date + 1$$, '2026-01-25 12:00+01'),
               (3, 'months, clamped, WE-073', $$(earned_on + interval '1 month')::date + 1$$, '2026-01-31 12:00+01'),
               (4, 'months, literally', $$date_trunc('month', earned_on) + interval '1 month' + (extract(day FROM earned_on) - 1) * interval '1 day'$$, '2026-01-31 12:00+01'),
               (5, 'end of the month, WE-069', $$date_trunc('month', earned_on) + interval '1 month'$$, '2026-01-22 12:00+01'),
               (6, 'end of the month, its last moment', $$date_trunc('month', earned_on) + interval '1 month'$$, '2026-01-31 23:59:59.999999+01'),
               (7, 'end of the month, the moment after', $$date_trunc('month', earned_on) + interval '1 month'$$, '2026-02-01 00:00+01'),
               (8, 'end of the half-year', $$date_trunc('year', earned_on) + CASE WHEN extract(month FROM earned_on) <= 6 THEN interval '6 months' ELSE interval '1 year' END$$, '2026-06-30 23:00+02'),
               (9, 'end of the half-year', $$date_trunc('year', earned_on) + CASE WHEN extract(month FROM earned_on) <= 6 THEN interval '6 months' ELSE interval '1 year' END$$, '2026-07-01 00:00+02'),
               (10, 'end of the quarter after twelve months', $$date_trunc('quarter', earned_on + interval '12 months') + interval '3 months'$$, '2026-02-10 12:00+01'),
               (11, 'end of the next year', $$date_trunc('year', earned_on) + interval '2 years'$$, '2026-12-31 23:30+01'),
               (12, 'end of the week two weeks on, WE-075', $$date_trunc('week', earned_on) + interval '3 weeks'$$, '2026-01-07 12:00+01'),
               (13, 'a fixed date', $$'2027-04-01'$$, '2026-01-07 12:00+01'),
               (14, 'the next 31 March', $$make_date(extract(year FROM earned_on)::int + CASE WHEN earned_on >= make_date(extract(year FROM earned_on)::int, 4, 1) THEN 1 ELSE 0 END, 4, 1)$$, '2026-04-01 12:00+02'),
               (15, '29 February', $$earned_on + interval '1 year'$$, '2028-02-29 12:00+01'),
               (16, 'never', NULL, '2026-01-07 12:00+01'),
               (17, 'never by an expression', $$CASE WHEN earned_on < '2020-01-01' THEN date '2030-01-01' END$$, '2026-01-07 12:00+01')) p (n, policy, expression, earned)
 CROSS JOIN LATERAL t_wallets.expiry(p.expression, p.earned::timestamptz) x ORDER BY p.n;

-- the days on which clocks change
SELECT loyalty.create_program('brazil', customers => 't_wallets.customers', time_zone => 'America/Sao_Paulo');
SELECT loyalty.create_program('cuba', customers => 't_wallets.customers', time_zone => 'America/Havana');
UPDATE brazil.wallet SET expires = 'earned_on + 1';
UPDATE cuba.wallet SET expires = 'earned_on + 1', available_after = '1 day';
INSERT INTO brazil.earning_rule (name, points) VALUES ('one', 'amount');
INSERT INTO cuba.earning_rule (name, points) VALUES ('one', 'amount');
CREATE TABLE t_wallets.abroad (id int PRIMARY KEY, customer int, at timestamptz, total numeric);
SELECT loyalty.track_orders('brazil', 't_wallets.abroad', customer => 'customer', at => 'at', amount => 'total');
SELECT loyalty.track_orders('cuba', 't_wallets.abroad', customer => 'customer', at => 'at', amount => 'total');
INSERT INTO t_wallets.abroad VALUES (1, 1, '2018-11-03 15:00+00', 10),	-- in Brazil, 4 November began at 01:00: 03:00 UTC
                                    (2, 2, '2024-11-02 15:00+00', 10);	-- in Cuba, 3 November had 00:00 twice, of which PostgreSQL takes the second, 05:00 UTC; the next 11:00 comes 25 hours later
SELECT order_key, lots FROM brazil.unposted WHERE customer = 1;
SELECT order_key, lots FROM cuba.unposted WHERE customer = 2;
SELECT * FROM loyalty.verify('brazil');
SELECT * FROM loyalty.verify('cuba');

-- points that wait: days are those of the zone, hours pass as they do
UPDATE club.wallet SET available_after = '14 days';
SELECT x.available_at, x.expires_at FROM t_wallets.expiry(NULL, '2026-03-20 12:00+01') x;
UPDATE club.wallet SET available_after = '36 hours';
SELECT x.available_at, x.expires_at FROM t_wallets.expiry('earned_on + 30', '2026-03-28 12:00+01') x;
-- in Vienna, 2026-10-25 had 02:30 twice, and an hour after the first is the second; 2026-03-29 had none, and the clock goes on from 03:30
UPDATE club.wallet SET available_after = '1 hour';
SELECT x.available_at, x.expires_at FROM t_wallets.expiry(NULL, '2026-10-25 02:30+02') x;
UPDATE club.wallet SET available_after = '2 months 1 day';
SELECT x.available_at, x.expires_at FROM t_wallets.expiry(NULL, '2026-01-29 02:30+01') x;
-- at the ends of what there is, nothing fails: so long ago nothing waits, and so late it waits to the last moment
UPDATE club.wallet SET available_after = '1000 years';
SELECT x.available_at, x.expires_at FROM t_wallets.expiry(NULL, '4714-11-24 00:00 UTC BC') x;
SELECT x.available_at, x.expires_at FROM t_wallets.expiry(NULL, '294276-12-31 UTC') x;
UPDATE club.wallet SET available_after = '71000000 months -2129999999 days';	-- refused: it is one day, by way of the year 5,900,000
UPDATE club.wallet SET available_after = NULL;
SELECT x.available_at, x.expires_at FROM t_wallets.expiry($$'-infinity'$$, '2026-01-07 12:00+01') x;
SELECT * FROM loyalty.verify('club');
-- who never had points with dates has an account without lots, whatever the wallet says
UPDATE club.wallet SET expires = $$CASE WHEN earned_on < '2020-01-01' THEN date '2030-01-01' END$$;
INSERT INTO t_wallets.orders VALUES (501, 18, '2026-01-07 12:00+01', 10), (502, 19, '2019-01-07 12:00+01', 0);
CALL loyalty.post('club');
SELECT customer, points, lots FROM club.account WHERE customer IN (18, 19) ORDER BY 1;
UPDATE club.wallet SET expires = NULL;
SELECT * FROM loyalty.verify('club');

-- WE-065, WE-067: what is there at any moment
UPDATE club.wallet SET expires = $$'2027-01-01'$$;
INSERT INTO t_wallets.orders VALUES (1, 2, '2026-01-10 12:00+01', 100);
UPDATE club.wallet SET expires = NULL;
INSERT INTO t_wallets.orders VALUES (2, 2, '2026-01-11 12:00+01', 40);
SELECT at, club.balance(2, at) FROM (VALUES ('2026-01-10 13:00+01'::timestamptz), ('2026-12-31 23:59:59+01'), ('2027-01-01 00:00+01'), ('2027-01-02')) x (at);
UPDATE club.wallet SET expires = $$'2126-02-01'$$;
INSERT INTO t_wallets.orders VALUES (3, 3, '2026-01-10 12:00+01', 100);
UPDATE club.wallet SET expires = $$'2126-06-01'$$;
INSERT INTO t_wallets.orders VALUES (4, 3, '2026-01-10 12:00+01', 200);
UPDATE club.wallet SET expires = NULL;
INSERT INTO t_wallets.orders VALUES (5, 3, '2026-01-10 12:00+01', 50);
CALL loyalty.post('club');
SELECT points, lots, loyalty.expiring(lots, '2126-01-01', '2126-03-01') AS march, loyalty.expiring(lots, '2126-01-01', '2126-07-01') AS july FROM club.account WHERE customer = 3;
SELECT points, pending, next_expiry FROM club.members WHERE id = 3;
-- what expires first is spent first; WE-063 spends the other way round, by wallets
SELECT points, balance FROM club.redeem(3, 250, 'r1');
SELECT points, lots FROM club.account WHERE customer = 3;
-- taken back, it has the dates that it had: in parts, what expires last first
SELECT points, balance FROM club.reverse(3, 'r1', 60);
SELECT points, lots FROM club.account WHERE customer = 3;
SELECT points, balance FROM club.reverse(3, 'r1');
SELECT points, lots FROM club.account WHERE customer = 3;
SELECT * FROM loyalty.verify('club');

-- WE-077: an order keeps what there is for twelve months more
UPDATE club.wallet SET expires = $$earned_on + interval '6 months'$$, extended = $$active_on + interval '12 months'$$;
INSERT INTO t_wallets.orders VALUES (6, 4, '2025-01-01 12:00+01', 100);
SELECT order_key, lots FROM club.unposted WHERE customer = 4;
INSERT INTO t_wallets.orders VALUES (7, 4, '2025-06-01 12:00+02', 10);
SELECT order_key, lots FROM club.unposted WHERE customer = 4 ORDER BY entry;
-- and WE-079: who did nothing for so long has nothing; what is earned then is new
INSERT INTO t_wallets.orders VALUES (8, 4, '2026-07-01 12:00+02', 5);
CALL loyalty.post('club');
SELECT at, club.balance(4, at) FROM (VALUES ('2025-12-31 12:00+01'::timestamptz), ('2026-01-02 12:00+01'), ('2026-05-31 23:59+02'), ('2026-06-01 00:00+02'), ('2026-07-02 00:00+02')) x (at);
SELECT points, lots FROM club.account WHERE customer = 4;
UPDATE club.wallet SET expires = NULL, extended = NULL;
SELECT * FROM loyalty.verify('club');

-- a refund takes the points of its order first, then those that wait, then others; the rest is owed
UPDATE club.wallet SET expires = $$'2126-01-01'$$;
INSERT INTO t_wallets.orders VALUES (9, 5, '2026-01-10 12:00+01', 100);
UPDATE club.wallet SET expires = $$'2126-02-01'$$;
INSERT INTO t_wallets.orders VALUES (10, 5, '2026-01-11 12:00+01', 100);
UPDATE club.wallet SET expires = NULL, available_after = '500 years';
INSERT INTO t_wallets.orders VALUES (11, 5, '2026-01-12 12:00+01', 20);
UPDATE club.wallet SET available_after = NULL;
UPDATE t_wallets.orders SET total = 70 WHERE id = 10;
SELECT order_key, points_change, lots FROM club.unposted WHERE customer = 5 AND revision > 1;
SELECT points, pending FROM club.members WHERE id = 5;
SELECT points, balance FROM club.redeem(5, 150, 'r2');
DELETE FROM t_wallets.orders WHERE id = 9;		-- 20 that wait, 20 of the other order, and 60 are owed
SELECT order_key, points_change, lots FROM club.unposted WHERE customer = 5;
SELECT points, pending, next_expiry FROM club.members WHERE id = 5;
-- what comes next repays it
UPDATE club.wallet SET expires = $$'2126-03-01'$$;
INSERT INTO t_wallets.orders VALUES (12, 5, '2026-01-13 12:00+01', 50), (13, 5, '2026-01-14 12:00+01', 50);
SELECT order_key, points_change, lots FROM club.unposted WHERE customer = 5 ORDER BY entry;
CALL loyalty.post('club');
SELECT points, lots FROM club.account WHERE customer = 5;
SELECT points, balance FROM club.grant_points(5, 5, 'g1');
SELECT points, lots FROM club.account WHERE customer = 5;
SELECT * FROM loyalty.verify('club');

-- an order that is of another time takes its points along
UPDATE club.wallet SET expires = $$date_trunc('year', earned_on) + interval '101 years'$$;
INSERT INTO t_wallets.orders VALUES (14, 6, '2026-01-10 12:00+01', 100);
UPDATE t_wallets.orders SET at = '2025-12-31 12:00+01' WHERE id = 14;
SELECT revision, points_change, lots FROM club.unposted WHERE customer = 6 ORDER BY revision;
-- policies change for what is earned from then on
UPDATE club.wallet SET expires = $$'2200-01-01'$$;
INSERT INTO t_wallets.orders VALUES (15, 6, '2026-01-10 12:00+01', 1);
UPDATE t_wallets.orders SET total = 110 WHERE id = 14;
CALL loyalty.post('club');
SELECT points, lots FROM club.account WHERE customer = 6;
-- unless the orders are rerated: then their points get the new dates
SELECT * FROM loyalty.rerate('club', dry_run => false);
CALL loyalty.post('club');
SELECT points, lots FROM club.account WHERE customer = 6;
SELECT * FROM loyalty.verify('club');
-- a refund after the expiry was written leaves a lot below zero, which is expired as well: what is spent then was there
UPDATE club.wallet SET expires = $$'2026-03-01'$$;
INSERT INTO t_wallets.orders VALUES (21, 8, '2026-01-10 12:00+01', 10);
UPDATE club.wallet SET expires = NULL;
CALL loyalty.maintain('club');
DELETE FROM t_wallets.orders WHERE id = 21;
SELECT points, balance FROM club.grant_points(8, 5, 'g2');
SELECT points, balance FROM club.redeem(8, 5, 'r3');
SELECT points, lots FROM club.account WHERE customer = 8;
SELECT * FROM loyalty.verify('club');

-- an ordinary role can own a program whose points expire; what it writes into the terms is run by nobody, verify() included
CREATE ROLE regress_wallets_owner;
CREATE ROLE regress_wallets_next;
GRANT CREATE ON DATABASE :DBNAME TO regress_wallets_owner, regress_wallets_next;
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA loyalty, _loyalty TO regress_wallets_owner, regress_wallets_next;
GRANT USAGE ON SCHEMA t_wallets TO regress_wallets_owner, regress_wallets_next;
GRANT SELECT ON t_wallets.customers TO regress_wallets_owner, regress_wallets_next;
GRANT SELECT, UPDATE, TRIGGER ON t_wallets.orders TO regress_wallets_owner, regress_wallets_next;
SET ROLE regress_wallets_owner;
SELECT loyalty.create_program('owned', customers => 't_wallets.customers', time_zone => 'Europe/Vienna');
INSERT INTO owned.earning_rule (name, points) VALUES ('one', 'amount');
SELECT loyalty.track_orders('owned', 't_wallets.orders', customer => 'customer', at => 'at', amount => 'total', backfill => false);
UPDATE owned.wallet SET expires = 'earned_on + 90', extended = 'active_on + 90';
RESET ROLE;
INSERT INTO t_wallets.orders VALUES (601, 20, '2126-01-10 12:00+01', 10);
SET ROLE regress_wallets_owner;
CALL loyalty.post('owned');
SELECT customer, points, lots FROM owned.account;
CREATE SCHEMA t_wallets_code;
CREATE FUNCTION t_wallets_code.run(date) RETURNS timestamp LANGUAGE plpgsql AS $$BEGIN RAISE 'runs as %', current_user; END$$;
GRANT USAGE ON SCHEMA t_wallets_code TO regress_wallets_next;
ALTER TABLE owned.terms_wallet DISABLE TRIGGER check_change;
UPDATE owned.terms_wallet SET expires = 't_wallets_code.run(earned_on)' WHERE expires IS NOT NULL;
ALTER TABLE owned.terms_wallet ENABLE TRIGGER check_change;
RESET ROLE;
SELECT loyalty.change_owner('owned', 'regress_wallets_next');
SELECT violation, detail FROM loyalty.verify('owned') WHERE violation LIKE '%wallet%';
SELECT loyalty.drop_program('owned', force => true);
DROP OWNED BY regress_wallets_owner, regress_wallets_next;
DROP ROLE regress_wallets_owner, regress_wallets_next;
-- expressions over days ask nobody else
UPDATE club.wallet SET expires = $$CASE WHEN current_setting('a.b', true) = '1' THEN date '2040-01-01' ELSE '2050-01-01' END$$;
UPDATE club.wallet SET expires = $$CASE WHEN table_to_xml('t_wallets.orders'::regclass, true, true, '') IS NULL THEN date '2040-01-01' END$$;
UPDATE club.wallet SET expires = $$CASE WHEN to_char(earned_on, 'TMMon') = 'Jan' THEN date '2040-01-01' ELSE date_trunc('year', earned_on::timestamptz) END$$;
UPDATE club.wallet SET expires = NULL, extended = NULL, available_after = NULL;
SELECT * FROM loyalty.verify('club');

-- It makes no difference to a refund whether somebody maintained before: points that wait no more are one with others that
-- expire together.  Two programs of the same orders, of which one is maintained.
SELECT loyalty.create_program('kept', customers => 't_wallets.customers'), loyalty.create_program('left', customers => 't_wallets.customers');
CREATE TABLE t_wallets.both (id int PRIMARY KEY, customer int, at timestamptz, total numeric);
INSERT INTO kept.earning_rule (name, points) VALUES ('one', 'amount');
INSERT INTO "left".earning_rule (name, points) VALUES ('one', 'amount');
UPDATE kept.wallet SET available_after = '1 day', expires = $$'2200-01-01'$$;
UPDATE "left".wallet SET available_after = '1 day', expires = $$'2200-01-01'$$;
SELECT loyalty.track_orders('kept', 't_wallets.both', customer => 'customer', at => 'at', amount => 'total'),
       loyalty.track_orders('left', 't_wallets.both', customer => 'customer', at => 'at', amount => 'total');
INSERT INTO t_wallets.both VALUES (1, 1, now() - interval '3 days', 100), (2, 1, now() - interval '2 days', 100);
CALL loyalty.maintain('kept');
SELECT k.points, l.points FROM kept.redeem(1, 100, 'cart') k, "left".redeem(1, 100, 'cart') l;
INSERT INTO t_wallets.both VALUES (3, 1, now(), 100);
DELETE FROM t_wallets.both WHERE id = 1;		-- of 100 that are left, none of those that wait
SELECT k.available, k.pending, l.available, l.pending FROM kept.balances(1) k, "left".balances(1) l;
-- the same of an order that comes late, and would have kept what an entry has taken off since
UPDATE kept.wallet SET available_after = NULL, expires = 'earned_on + 100', extended = 'active_on + 36500';
UPDATE "left".wallet SET available_after = NULL, expires = 'earned_on + 100', extended = 'active_on + 36500';
INSERT INTO t_wallets.both VALUES (4, 2, now() - interval '200 days', 50);
UPDATE kept.wallet SET extended = NULL;
UPDATE "left".wallet SET extended = NULL;
INSERT INTO t_wallets.both VALUES (5, 3, now() - interval '200 days', 100);
CALL loyalty.maintain('kept');
UPDATE kept.wallet SET extended = 'active_on + 36500';
UPDATE "left".wallet SET extended = 'active_on + 36500';
SELECT k.available, l.available FROM kept.balances(3) k, "left".balances(3) l;		-- all has expired
INSERT INTO t_wallets.both VALUES (6, 3, now() - interval '150 days', 1);			-- but not for who bought then
SELECT k.available, l.available FROM kept.balances(3) k, "left".balances(3) l;
CALL loyalty.maintain('kept');
SELECT kind, points, k.balance FROM kept.entries k WHERE id = 3 ORDER BY entry;
-- points that have expired repay nothing, and those that are kept after all do
UPDATE kept.wallet SET extended = NULL;
INSERT INTO t_wallets.both VALUES (7, 4, now(), 30);
SELECT points FROM kept.redeem(4, 30, 'cart');
DELETE FROM t_wallets.both WHERE id = 7;
INSERT INTO t_wallets.both VALUES (8, 4, now() - interval '200 days', 100);
SELECT available, debt FROM kept.balances(4);
UPDATE kept.wallet SET extended = 'active_on + 36500';
INSERT INTO t_wallets.both VALUES (9, 4, now() - interval '150 days', 1);
SELECT available, debt FROM kept.balances(4);
-- a grant that has expired unspent is reversed at the cost of nothing else
UPDATE kept.wallet SET expires = $$'2021-01-01'$$, extended = NULL;
SELECT points, balance FROM kept.grant_points(5, 10, 'late');
UPDATE kept.wallet SET expires = NULL;
SELECT points, balance FROM kept.grant_points(5, 10, 'now');
SELECT points, balance FROM kept.reverse(5, 'late', 4);
CALL loyalty.maintain('kept');
SELECT points, balance FROM kept.reverse(5, 'late');
CALL loyalty.maintain('kept');
SELECT entry, kind, points, lots FROM kept.entries WHERE id = 5 ORDER BY entry;
CALL loyalty.post('left');
SELECT * FROM loyalty.verify('kept');
SELECT * FROM loyalty.verify('left');
SELECT loyalty.drop_program('kept', force => true), loyalty.drop_program('left', force => true);
INSERT INTO t_wallets.customers VALUES (31), (32);
-- expressions over days ask nobody else
UPDATE club.wallet SET expires = $$CASE WHEN current_setting('a.b', true) = '1' THEN date '2040-01-01' ELSE '2050-01-01' END$$;
UPDATE club.wallet SET expires = $$CASE WHEN table_to_xml('t_wallets.orders'::regclass, true, true, '') IS NULL THEN date '2040-01-01' END$$;
UPDATE club.wallet SET expires = $$CASE WHEN to_char(earned_on, 'TMMon') = 'Jan' THEN date '2040-01-01' ELSE date_trunc('year', earned_on::timestamptz) END$$;
UPDATE club.wallet SET expires = NULL, extended = NULL, available_after = NULL;
SELECT * FROM loyalty.verify('club');

-- It makes no difference to a refund whether somebody maintained before: points that wait no more are one with others that
-- expire together.  Two programs of the same orders, of which one is maintained.
SELECT loyalty.create_program('kept', customers => 't_wallets.customers'), loyalty.create_program('left', customers => 't_wallets.customers');
CREATE TABLE t_wallets.both (id int PRIMARY KEY, customer int, at timestamptz, total numeric);
INSERT INTO kept.earning_rule (name, points) VALUES ('one', 'amount');
INSERT INTO "left".earning_rule (name, points) VALUES ('one', 'amount');
UPDATE kept.wallet SET available_after = '1 day', expires = $$'2200-01-01'$$;
UPDATE "left".wallet SET available_after = '1 day', expires = $$'2200-01-01'$$;
SELECT loyalty.track_orders('kept', 't_wallets.both', customer => 'customer', at => 'at', amount => 'total'),
       loyalty.track_orders('left', 't_wallets.both', customer => 'customer', at => 'at', amount => 'total');
INSERT INTO t_wallets.both VALUES (1, 1, now() - interval '3 days', 100), (2, 1, now() - interval '2 days', 100);
CALL loyalty.maintain('kept');
SELECT k.points, l.points FROM kept.redeem(1, 100, 'cart') k, "left".redeem(1, 100, 'cart') l;
INSERT INTO t_wallets.both VALUES (3, 1, now(), 100);
DELETE FROM t_wallets.both WHERE id = 1;		-- of 100 that are left, none of those that wait
SELECT k.available, k.pending, l.available, l.pending FROM kept.balances(1) k, "left".balances(1) l;
-- the same of an order that comes late, and would have kept what an entry has taken off since
UPDATE kept.wallet SET available_after = NULL, expires = 'earned_on + 100', extended = 'active_on + 36500';
UPDATE "left".wallet SET available_after = NULL, expires = 'earned_on + 100', extended = 'active_on + 36500';
INSERT INTO t_wallets.both VALUES (4, 2, now() - interval '200 days', 50);
UPDATE kept.wallet SET extended = NULL;
UPDATE "left".wallet SET extended = NULL;
INSERT INTO t_wallets.both VALUES (5, 3, now() - interval '200 days', 100);
CALL loyalty.maintain('kept');
UPDATE kept.wallet SET extended = 'active_on + 36500';
UPDATE "left".wallet SET extended = 'active_on + 36500';
SELECT k.available, l.available FROM kept.balances(3) k, "left".balances(3) l;		-- all has expired
INSERT INTO t_wallets.both VALUES (6, 3, now() - interval '150 days', 1);			-- but not for who bought then
SELECT k.available, l.available FROM kept.balances(3) k, "left".balances(3) l;
CALL loyalty.maintain('kept');
SELECT kind, points, k.balance FROM kept.entries k WHERE id = 3 ORDER BY entry;
-- points that have expired repay nothing, and those that are kept after all do
UPDATE kept.wallet SET extended = NULL;
INSERT INTO t_wallets.both VALUES (7, 4, now(), 30);
SELECT points FROM kept.redeem(4, 30, 'cart');
DELETE FROM t_wallets.both WHERE id = 7;
INSERT INTO t_wallets.both VALUES (8, 4, now() - interval '200 days', 100);
SELECT available, debt FROM kept.balances(4);
UPDATE kept.wallet SET extended = 'active_on + 36500';
INSERT INTO t_wallets.both VALUES (9, 4, now() - interval '150 days', 1);
SELECT available, debt FROM kept.balances(4);
-- a grant that has expired unspent is reversed at the cost of nothing else
UPDATE kept.wallet SET expires = $$'2021-01-01'$$, extended = NULL;
SELECT points, balance FROM kept.grant_points(5, 10, 'late');
UPDATE kept.wallet SET expires = NULL;
SELECT points, balance FROM kept.grant_points(5, 10, 'now');
SELECT points, balance FROM kept.reverse(5, 'late', 4);
CALL loyalty.maintain('kept');
SELECT points, balance FROM kept.reverse(5, 'late');
CALL loyalty.maintain('kept');
SELECT entry, kind, points, lots FROM kept.entries WHERE id = 5 ORDER BY entry;
CALL loyalty.post('left');
SELECT * FROM loyalty.verify('kept');
SELECT * FROM loyalty.verify('left');
SELECT loyalty.drop_program('kept', force => true), loyalty.drop_program('left', force => true);
INSERT INTO t_wallets.customers VALUES (31), (32);
-- all that is earned repays what is owed: no dated points come of it
UPDATE club.wallet SET expires = NULL;
INSERT INTO t_wallets.orders VALUES (716, 31, '2026-01-10 12:00+01', 100);
SELECT points, balance FROM club.redeem(31, 100, 'r3');
DELETE FROM t_wallets.orders WHERE id = 716;
UPDATE club.wallet SET expires = $$'2200-01-01'$$;
INSERT INTO t_wallets.orders VALUES (717, 31, '2026-01-10 12:00+01', 40);
CALL loyalty.post('club');
SELECT points, lots FROM club.account WHERE customer = 31;
SELECT * FROM loyalty.verify('club');
-- what was refunded of points that had expired takes nothing off the others
UPDATE club.wallet SET expires = $$'2026-02-01'$$;
INSERT INTO t_wallets.orders VALUES (718, 32, '2026-01-10 12:00+01', 100);
CALL loyalty.maintain('club');
DELETE FROM t_wallets.orders WHERE id = 718;
UPDATE club.wallet SET expires = NULL;
INSERT INTO t_wallets.orders VALUES (719, 32, '2026-01-11 12:00+01', 50);
SELECT points, balance FROM club.redeem(32, 30, 'r4');
SELECT points, lots FROM club.account WHERE customer = 32;
SELECT points FROM club.members WHERE id = 32;
SELECT * FROM loyalty.verify('club');
SELECT loyalty.drop_program('club', force => true), loyalty.drop_program('brazil', force => true), loyalty.drop_program('cuba', force => true);
DROP SCHEMA t_wallets CASCADE;
