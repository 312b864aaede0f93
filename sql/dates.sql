-- Points on days of the members' own: birthdays, anniversaries.
\set SHOW_CONTEXT never
\set VERBOSITY default
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, MDY';
SET jit = off;
CREATE SCHEMA t_dates;
CREATE TABLE t_dates.customers (id int PRIMARY KEY, born date, created_at timestamptz, signed date, n int);
CREATE TABLE t_dates.orders (id int PRIMARY KEY, customer int, at timestamptz, total numeric);
CREATE FUNCTION plant(command text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	BEGIN		-- to be undone
		ALTER TABLE club.ledger DISABLE TRIGGER append_only;
		ALTER TABLE club.date_grant DISABLE TRIGGER append_only;
		ALTER TABLE club.date_rule DISABLE TRIGGER check_values;
		EXECUTE command;
		RETURN QUERY SELECT format('%s: %s %s: %s', violation, customer, order_key, detail) FROM loyalty.verify('club') WHERE violation ~ 'date' ORDER BY 1;
		RAISE SQLSTATE 'RB000';
	EXCEPTION WHEN SQLSTATE 'RB000' THEN
		NULL;
	END;
END $$;
SELECT loyalty.create_program('club', 't_dates.customers', time_zone => 'Europe/Berlin');
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
SELECT loyalty.track_orders('club', 't_dates.orders', customer => 'customer', at => 'at',
                            amount => 'total');
\set verify 'SELECT * FROM loyalty.verify(''club'');'

-- 1. What cannot be said
INSERT INTO club.date_rule (name, due, points) VALUES ('x', 'born', '1');
UPDATE club.program SET joined_at = 'created_at';
\set VERBOSITY terse
INSERT INTO club.date_rule (name, due, points) VALUES (' ', 'born', '1');
INSERT INTO club.date_rule (name, due, points) VALUES ('x', 'birthday', '1');
INSERT INTO club.date_rule (name, due, points) VALUES ('x', 'n', '1');
INSERT INTO club.date_rule (name, due, points) VALUES ('x', 'now()', '1');
INSERT INTO club.date_rule (name, due, points) VALUES ('x', 'born', 'born');
INSERT INTO club.date_rule (name, due, points, for_members) VALUES ('x', 'born', '1', 'n > 1');
INSERT INTO club.date_rule (name, due, points, every) VALUES ('x', 'born', '1', '1 day');
INSERT INTO club.date_rule (name, due, points, every) VALUES ('x', 'born', '1', '1 month 1 hour');
INSERT INTO club.date_rule (name, due, points, every) VALUES ('x', 'born', '1', '-1 year');
INSERT INTO club.date_rule (name, due, points, every) VALUES ('x', 'born', '1', '1001 years');
INSERT INTO club.date_rule (name, due, points, times) VALUES ('x', 'born', '1', 0);
INSERT INTO club.date_rule (name, due, points, wallet) VALUES ('x', 'born', '1', 'gone');
INSERT INTO club.date_rule (name, due, points, reason) VALUES ('x', 'born', '1', '');
INSERT INTO club.date_rule (name, due, points, valid_until) VALUES ('x', 'born', '1', 'infinity');
INSERT INTO club.date_rule (name, due, points, valid_from, valid_until) VALUES
  ('x', 'born', '1', '2020-01-02', '2020-01-01');
SELECT * FROM club.dates_due('infinity');
\set VERBOSITY default
-- points that are a number, and none above zero; an expression that is below zero later is told by maintain()
INSERT INTO club.date_rule (name, due, points) VALUES ('x', 'born', '-5');
INSERT INTO club.date_rule (name, due, points) VALUES ('x', 'born', ' 0.00 ');
INSERT INTO club.date_rule (name, due, points) VALUES ('x', 'born', '1e20');
BEGIN;
INSERT INTO club.date_rule (name, due, points) VALUES ('x', 'born', '+5'), ('y', 'born', '5 - n');
UPDATE club.date_rule SET points = '-1' WHERE name = 'x';
ROLLBACK;

-- 2. A birthday, by Berlin's days, from 2019 to 2022:
-- 1: 7 May, four times.  2: of 29 February, so 1 March but for 2020.  3: joined on 1 January 2021 by
-- Berlin's clock, so only 31 December of 2021 and 2022.  4, 5: no day.  6: born before this era,
-- joined on his birthday in 2021, so 2021 and 2022.  7: nobody knows since when.  8: since ever.
-- 4 + 4 + 2 + 2 + 4 = 16 grants of 50.
INSERT INTO t_dates.customers (id, born, created_at) VALUES
  (1, '1990-05-07', '2015-01-01'), (2, '2000-02-29', '2015-01-01'), (3, '1985-12-31', '2020-12-31 23:30+00'),
  (4, NULL, '2015-01-01'), (5, 'infinity', '2015-01-01'), (6, '0044-03-15 BC', '2021-03-15 10:00+01'),
  (7, '1990-01-01', NULL), (8, '1990-01-01', '-infinity');
INSERT INTO club.date_rule (name, due, every, points, valid_from, valid_until, reason) VALUES
  ('birthday', 'born', '1 year', '50', '2019-01-01', '2022-12-31', 'happy birthday');
SELECT due, every, points FROM club.date_rule;
SELECT * FROM club.dates_due('2020-02-29');
CALL loyalty.maintain('club', 1);
SELECT customer, array_agg(day ORDER BY day) AS days, count(*) * 50 AS points
  FROM club.date_grant GROUP BY 1 ORDER BY 1;
SELECT id, points FROM club.members ORDER BY id;
-- each as of the begin of its day: 7 May in Berlin begins at 22:00 UTC, 29 February at 23:00
SELECT entry, kind, order_key, at, points_change, reason FROM club.ledger WHERE customer = 1 ORDER BY 2;
SELECT max(at) FROM club.ledger WHERE customer = 2 AND order_key = 'date:birthday:2020';
SELECT (club.member_at(1, '2020-05-06 21:59:59')).points AS before,
       (club.member_at(1, '2020-05-06 22:00:00')).points AS from_then_on,
       (club.member_at(1, '2020-05-06 22:00:00', known_at => '2024-01-01')).points AS known_then;
:verify

-- 3. Once: not again, neither in a transaction of somebody else.  A call is its own.
CALL loyalty.maintain('club');
BEGIN;
CALL loyalty.maintain('club');
COMMIT;
SELECT points FROM club.grant_points(1, 50, 'date:birthday:2020');
SELECT count(*), sum(points_change) FROM club.ledger;
SELECT * FROM club.dates_due();

-- 4. A day that is corrected is not granted twice in a year.  1 becomes one of 1 June: 2022 has a grant, so the next
-- one is of 2023.  8 becomes one of 31 December: the same.  4 tells his: he gets all four that were due
-- since he joined, and 2023.  With 2 (1 March), 3 and 6, that is 1 + 1 + 5 + 3 = 10 more.
UPDATE t_dates.customers SET born = CASE id WHEN 1 THEN date '1990-06-01' WHEN 8 THEN '1990-12-31' ELSE '1970-07-01' END WHERE id IN (1, 4, 8);
CALL loyalty.maintain('club');
SELECT customer, day FROM club.date_grant WHERE day > '2022-12-31' OR customer = 4 ORDER BY 1, 2;
UPDATE club.date_rule SET valid_until = '2023-12-31';
CALL loyalty.maintain('club');
SELECT customer, day FROM club.date_grant WHERE day > '2022-12-31' ORDER BY 1, 2;
:verify

-- 5. Months, from the one of the first day on: of 31 January they end on 1 March, 31 March, 1 May and 31 May.  Half
-- years of 31 August: 1 March, 31 August, 1 March.  Once: the day itself, 1000.9 points rounded down; every two
-- years, until 2023: that year.  Thrice: the first three of the months.  10 has 4 * 1 + 3 * 7 + 100 + 1000 = 1125, and
-- 11 has 3 * 10 + 100 + 1000 = 1130.
INSERT INTO t_dates.customers (id, created_at, signed) VALUES (10, '2021-01-31 12:00+00', '2021-01-31'), (11, '2021-08-31 12:00+00', '2021-08-31');
INSERT INTO club.date_rule (name, due, every, points, valid_from, valid_until, times) VALUES
  ('month', 'signed', '1 month', 'CASE id WHEN 10 THEN 1 END', '2020-01-01', '2021-06-29', NULL),
  ('half', 'signed', '6 months', 'CASE id WHEN 11 THEN 10 END', '2020-01-01', '2023-08-30', NULL),
  ('two', 'created_at', '2 years', 'CASE WHEN id IN (10, 11) THEN 100 END', '2020-01-01', '2024-01-01', NULL),
  ('welcome', 'created_at', NULL, 'CASE WHEN id IN (10, 11) THEN 1000.9 END', '2020-01-01', NULL, NULL),
  ('thrice', 'signed', '1 month', 'CASE id WHEN 10 THEN 7 END', '2021-03-01', NULL, 3);
CALL loyalty.maintain('club', 2);
SELECT customer, rule, period, day, points FROM club.date_grant WHERE customer > 9 ORDER BY 1, 2, 4;
CALL loyalty.maintain('club');
SELECT id, points FROM club.members WHERE id > 9 ORDER BY 1;
:verify

-- 6. The tenure of who joined on 29 February 2020 is 4 years on 28 February 2025, and 5 on 1 March; so the anniversary
-- is 1 March.  What was spent by then decides, too: 20 had 100 by 1 March 2021, and 21 only on that day; he
-- is not asked again.  20 has 100 of the order, 5 and 2; and 21 has 200 of two orders, and 5.
INSERT INTO t_dates.customers (id, created_at) VALUES (20, '2020-02-29 12:00+01'), (21, '2020-02-29 12:00+01');
INSERT INTO t_dates.orders VALUES (1, 20, '2021-02-28 22:59+00', 100), (2, 21, '2021-02-28 23:01+00', 100);
INSERT INTO club.date_rule (name, due, every, points, for_members, valid_from, valid_until, wallet) VALUES
  ('five', 'CASE WHEN id IN (20, 21) THEN created_at END', '1 year', '5', $$tenure >= '5 years'$$, '2024-01-01', '2025-12-31', NULL),
  ('spent', 'CASE WHEN id IN (20, 21) THEN created_at END', '1 year', '2', $$spend >= 100$$, '2021-01-01', '2021-12-31', 'points');
CALL loyalty.maintain('club');
SELECT customer, rule, day, points FROM club.date_grant WHERE customer > 19 ORDER BY 2, 1, 3;
INSERT INTO t_dates.orders VALUES (3, 21, '2021-01-01', 100);
CALL loyalty.maintain('club');
SELECT id, points FROM club.members WHERE id > 19 ORDER BY id;
:verify

-- 7. What fails is told, and stops nobody else: 100 / 0 of 30 and -100 of 32, while 31 gets 5; corrected, they get 50.
-- 33 has no n.
INSERT INTO t_dates.customers (id, created_at, n) VALUES (30, '2023-01-01', 0), (31, '2023-01-01', 20), (32, '2023-01-01', -1), (33, '2023-01-01', NULL);
INSERT INTO club.date_rule (name, due, points, valid_from) VALUES ('n', 'created_at', '100.0 / n', '2023-01-01');
CALL loyalty.maintain('club');
UPDATE t_dates.customers SET n = 2 WHERE id IN (30, 32);
-- of a rule that does not hold any more, nothing is given
ALTER TABLE t_dates.customers RENAME n TO m;
CALL loyalty.maintain('club');
:verify
UPDATE club.date_rule SET points = '100.0 / m' WHERE name = 'n';
CALL loyalty.maintain('club');
SELECT customer, points FROM club.date_grant WHERE rule = 'n' ORDER BY 1;
:verify

-- 8. Who was merged is no member of his own: 40 and 41 have a grant of 2019 to 2022 each, 8 * 50 = 400.  As one
-- they have one more in 2023, by the day of 41; and none by that of 40, nor one of 2019 again.  That is 450.
INSERT INTO t_dates.customers (id, born, created_at) VALUES (40, '1990-01-01', '2015-01-01'), (41, '1990-02-01', '2015-01-01');
UPDATE club.date_rule SET valid_until = '2022-12-31' WHERE name = 'birthday';
CALL loyalty.maintain('club');
SELECT club.merge(40, 41, reference => 'one', reason => 'one person') IS NOT NULL AS merged;
UPDATE club.date_rule SET valid_until = '2023-12-31' WHERE name = 'birthday';
CALL loyalty.maintain('club');
SELECT customer, period, day FROM club.date_grant WHERE customer IN (40, 41) ORDER BY 1, 2;
SELECT id, points FROM club.members WHERE id = 41;
:verify
-- as if 40 had got the points of 2023, before the merge, and 41 again
SELECT plant($$UPDATE club.date_grant SET period = '2023' WHERE customer = 40 AND period = '2022'$$);
-- who is forgotten under his key gets nothing again
SELECT club.erase(41) > 0 AS erased;
CALL loyalty.maintain('club');
SELECT points FROM club.members WHERE id = 41;
SELECT count(*), bool_or(reference LIKE 'date:%') AS told FROM club.date_grant WHERE customer IN (40, 41);
:verify

-- 9. What a rule did is kept by it
DELETE FROM club.date_rule WHERE name = 'birthday';
TRUNCATE club.date_rule;
UPDATE club.date_rule SET name = 'b' WHERE name = 'birthday';
UPDATE club.date_rule SET every = '2 years' WHERE name = 'birthday';
-- what was decided stays; a note that is lost is made again, by what was given: of 1, 2020 was 7 May
\set VERBOSITY terse
DELETE FROM club.date_grant;
UPDATE club.date_grant SET points = 1;
TRUNCATE club.date_grant;
\set VERBOSITY default
DELETE FROM club.date_grant WHERE false;
ALTER TABLE club.date_grant DISABLE TRIGGER append_only;
DELETE FROM club.date_grant WHERE customer = 1 AND period = '2020';
ALTER TABLE club.date_grant ENABLE TRIGGER append_only;
SELECT violation, customer, order_key FROM loyalty.verify('club');
CALL loyalty.maintain('club');
SELECT day, points FROM club.date_grant WHERE customer = 1 AND period = '2020';

-- 10. verify() finds what is planted
SELECT plant($$
	UPDATE club.date_grant SET points = 51 WHERE customer = 1 AND period = '2019';
	UPDATE club.date_grant SET day = day + 1 WHERE customer = 1 AND period = '2020';
	UPDATE club.ledger SET at = at + interval '1 hour' WHERE customer = 1 AND order_key = 'date:birthday:2021';
	UPDATE club.date_grant SET rule = 'gone' WHERE customer = 1 AND period = '2022';
	UPDATE club.date_grant SET period = '2018' WHERE customer = 2 AND period = '2020';
	UPDATE club.date_grant SET period = '2021-01' WHERE customer = 10 AND period = '2021-02' AND rule = 'month';
	UPDATE club.date_grant SET times = 2 WHERE customer = 10 AND rule = 'thrice';
	UPDATE club.date_grant SET points = 3 WHERE customer = 21 AND rule = 'spent';
	INSERT INTO club.date_grant SELECT customer, rule, '2017', day, time_zone, 0, times, reference FROM club.date_grant WHERE customer = 3 AND period = '2022';
	UPDATE club.date_rule SET due = 'new.n' WHERE name = 'n'$$);
:verify
SELECT loyalty.drop_program('club', force => true);

-- 11. Years late: 50 points of each birthday, which are gone 365 days later.  Of 2019-05-07 that is 2020-05-06, and else
-- the next birthday; so at no moment are there more than 50, and now there are none.
SELECT loyalty.create_program('late', 't_dates.customers', joined_at => 'created_at', time_zone => 'Europe/Berlin');
UPDATE late.wallet SET expires = 'earned_on + 365';
INSERT INTO late.date_rule (name, due, every, points, valid_from, valid_until) VALUES
  ('b', $$CASE id WHEN 1 THEN date '1990-05-07' END$$, '1 year', '50', '2019-01-01', '2022-12-31');
CALL loyalty.maintain('late');
SELECT kind, effective_at, points FROM late.entries ORDER BY effective_at, points;
SELECT points FROM late.members WHERE id = 1;
SELECT (late.member_at(1, m)).points FROM unnest('{2020-05-05 21:59, 2020-05-05 22:00, 2020-05-06 22:00, 2021-05-06 22:00}'::timestamptz[]) m;
SELECT * FROM loyalty.verify('late');
-- whoever operates the program gives them; who reads it is not told of days to come
CREATE ROLE regress_dates;
SELECT loyalty.grant_access('late', 'regress_dates', 'read');
SET ROLE regress_dates;
SELECT rule FROM late.date_grant WHERE day = '2019-05-07';
SELECT * FROM late.dates_due();
RESET ROLE;
SELECT loyalty.grant_access('late', 'regress_dates', 'operate');
-- today: it begins with the day, and waits as all points do
UPDATE late.wallet SET expires = NULL, available_after = '1 day';
UPDATE t_dates.customers SET born = (now() AT TIME ZONE 'Europe/Berlin')::date - interval '4 years' WHERE id = 2;
INSERT INTO late.date_rule (name, due, every, points) VALUES ('today', 'CASE id WHEN 2 THEN born END', '1 year', '3');
SELECT valid_from = (now() AT TIME ZONE 'Europe/Berlin')::date AS from_today FROM late.date_rule WHERE name = 'today';
SET ROLE regress_dates;
SELECT rule, points FROM late.dates_due();
INSERT INTO late.date_rule (name, due, points) VALUES ('mine', 'born', '1');
CALL loyalty.maintain('late');
RESET ROLE;
SELECT actor, count(*) FROM late.ledger WHERE customer = 2 GROUP BY 1;
SELECT points, pending, next_expiry IS NULL AS stays FROM late.members WHERE id = 2;
SELECT l.at = g.day::timestamp AT TIME ZONE 'Europe/Berlin' AS at_the_begin, (lot.available_at AT TIME ZONE 'Europe/Berlin')::date - g.day AS waits
  FROM late.date_grant g JOIN late.ledger l ON l.order_key = g.reference CROSS JOIN loyalty.unnest(l.lots) lot WHERE rule = 'today';
SELECT * FROM loyalty.verify('late');
-- code of others is not run, however it came into the table
SELECT loyalty.grant_access('late', 'regress_dates', 'admin');
CREATE SCHEMA t_dates_code AUTHORIZATION regress_dates;
SET ROLE regress_dates;
CREATE FUNCTION t_dates_code.run() RETURNS date STABLE LANGUAGE plpgsql AS $$BEGIN RAISE 'runs as %', current_user; END$$;
INSERT INTO late.date_rule (name, due, points) VALUES ('mine', 't_dates_code.run()', '1');
SET check_function_bodies = off;
INSERT INTO late.date_rule (name, due, points, valid_from) VALUES ('mine', 't_dates_code.run()', '1', '2020-01-01');
RESET check_function_bodies;
SELECT * FROM late.dates_due();
CALL loyalty.maintain('late');
RESET ROLE;
SELECT violation, detail FROM loyalty.verify('late');
DELETE FROM late.date_rule WHERE name = 'mine';
-- What rules need stays: since when customers are, and wallets that they name
INSERT INTO late.wallet (name) VALUES ('gifts'), ('others');
INSERT INTO late.date_rule (name, due, points, wallet, valid_from) VALUES ('gift', 'born', '1', 'gifts', '2020-01-01');
UPDATE late.program SET joined_at = NULL;
UPDATE late.wallet SET name = 'presents' WHERE name = 'gifts';
DELETE FROM late.wallet WHERE name = 'gifts';
UPDATE late.wallet SET name = 'presents' WHERE name = 'others';
-- A batch ends with the customer of its twentieth condition, and nobody is left out: 50 customers and 3 years each, or 2 where only these are days since they joined
CREATE TABLE t_dates.many (id int PRIMARY KEY, born date DEFAULT '1990-02-01', joined date DEFAULT '2021-01-01');
INSERT INTO t_dates.many SELECT generate_series(1, 50);
INSERT INTO t_dates.many (id, joined) SELECT g, '2022-01-01' FROM generate_series(51, 60) g;
SELECT loyalty.create_program('many', customers => 't_dates.many', joined_at => 'joined', time_zone => 'UTC');
INSERT INTO many.date_rule (name, due, every, points, for_members, valid_from, valid_until) VALUES ('some', 'born', '1 year', '10', 'orders = 0', '2021-01-01', '2023-12-31');
CALL loyalty.maintain('many');
SELECT count(*), sum(points) FROM many.date_grant;		-- 50 * 3 + 10 * 2 = 170, and 1700
SELECT sum(points) FROM many.members;
SELECT * FROM loyalty.verify('many');
-- The owner may not read the customers any more, or row security is for others: nothing is given, and all else goes on
CREATE ROLE regress_dates_keeper;
GRANT USAGE ON SCHEMA t_dates TO regress_dates_keeper;
GRANT SELECT ON t_dates.many TO regress_dates_keeper;
GRANT USAGE ON SCHEMA loyalty, _loyalty TO regress_dates_keeper;
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA loyalty, _loyalty TO regress_dates_keeper;
SELECT loyalty.change_owner('many', 'regress_dates_keeper');
UPDATE many.date_rule SET valid_until = '2024-12-31';
UPDATE many.wallet SET expires = 'earned_on + 365';
SELECT points FROM many.grant_points(1, 5, 'gift');
REVOKE SELECT ON t_dates.many FROM regress_dates_keeper;
CALL loyalty.maintain('many');
GRANT SELECT ON t_dates.many TO regress_dates_keeper;
CALL loyalty.maintain('many');
SELECT count(*) FROM many.date_grant;		-- 60 more
SELECT * FROM loyalty.verify('many');
-- without customers it is not known what is due
BEGIN;
DROP TABLE t_dates.many CASCADE;
SELECT * FROM many.dates_due();
ROLLBACK;
SELECT loyalty.drop_program('many', force => true);
DROP OWNED BY regress_dates_keeper;
DROP ROLE regress_dates_keeper;
SELECT loyalty.drop_program('late', force => true);
DROP OWNED BY regress_dates;
DROP ROLE regress_dates;
DROP FUNCTION plant;
DROP SCHEMA t_dates CASCADE;
