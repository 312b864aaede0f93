-- What time does to tiers and balances: the clock in conditions of tiers, and when
-- entries are effective.  All numbers are computed by hand.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, MDY';
CREATE SCHEMA t_moments;
CREATE TABLE t_moments.customers (id int PRIMARY KEY, joined timestamptz DEFAULT '2020-01-01');
INSERT INTO t_moments.customers SELECT generate_series(1, 9);
CREATE TABLE t_moments.orders (id int PRIMARY KEY, customer_id int, at timestamptz, total numeric, status text DEFAULT 'paid');
CREATE FUNCTION t_moments.fresh() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF EXISTS (SELECT FROM loyalty.programs) THEN
		PERFORM loyalty.drop_program('club', force => true);
	END IF;
	TRUNCATE t_moments.orders;
	PERFORM loyalty.create_program('club', customers => 't_moments.customers', joined_at => 'joined', time_zone => 'Europe/Berlin');
	PERFORM loyalty.track_orders('club', 't_moments.orders', customer => 'customer_id', at => 'at', amount => 'total', counts_when => $x$status = 'paid'$x$);
	INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
END $$;

-- a tier of those who bought within a year: the year ends at the time of each order
SELECT t_moments.fresh();
INSERT INTO club.tier (name, rank, qualifies, multiplier) VALUES ('Active', 1, $$last_order_at > at - interval '1 year'$$, 2);
SELECT qualifies FROM club.tier;
INSERT INTO t_moments.orders VALUES
	(1, 1, '2022-01-10', 100),	-- the first: 100
	(2, 1, '2022-12-01', 100),	-- 200
	(3, 1, '2024-06-01', 100),	-- more than a year later: 100
	(4, 1, '2024-07-01', 100),	-- 200
	(5, 2, '2021-03-01', 10),	-- 10
	(6, 2, '2022-03-01', 10),	-- a year to the moment is not within it: 10
	(7, 2, '2023-02-28 23:59:59', 10);	-- 20
INSERT INTO t_moments.orders VALUES (8, 3, now() - interval '2 days', 50), (9, 3, now() - interval '1 day', 50);	-- 50 + 100
SELECT order_key, tier, points, posted FROM club.entries ORDER BY id, entry;
SELECT id, tier, points FROM club.members WHERE id < 4 ORDER BY id;
SELECT * FROM loyalty.verify('club');
CALL loyalty.post('club');
SELECT order_key, tier, points, posted FROM club.entries ORDER BY id, entry;
SELECT id, tier, points FROM club.members WHERE id < 4 ORDER BY id;
SELECT t.at, club.tier_at(1, t.at) FROM (VALUES (timestamptz '2022-01-09'), ('2022-01-10'), ('2023-01-01'), ('2023-11-30 23:59:59'), ('2023-12-01'),
	('2025-06-30'), ('2025-07-01'), ('infinity'), ('-infinity')) t (at);
SELECT * FROM loyalty.verify('club');
-- a refund in part keeps the multiplier, and a full one takes everything back
UPDATE t_moments.orders SET total = 40 WHERE id = 4;
UPDATE t_moments.orders SET status = 'returned' WHERE id = 2;
SELECT order_key, revision, points FROM club.entries WHERE id = 1 AND revision > 1 ORDER BY entry;
SELECT * FROM loyalty.verify('club');

-- days are those of the program: 23:30 in London is tomorrow in Berlin
SELECT t_moments.fresh();
INSERT INTO club.tier (name, rank, qualifies, multiplier) VALUES
	('Late', 1, $$extract(hour FROM at) >= 22$$, 2),
	('Timeless', 2, 'today IS NULL', 1),
	('Christmas', 3, $$today BETWEEN '2024-12-24' AND '2024-12-26'$$, 3),
	('First week', 4, $$today - (at - interval '6 days')::date = 6 AND extract(day FROM today) <= 7 AND orders > 3$$, 5);
INSERT INTO t_moments.orders VALUES
	(1, 1, '2024-12-23 22:59:59+00', 10),	-- still the 23rd, 23:59: 20
	(2, 1, '2024-12-23 23:00+00', 10),		-- 30
	(3, 1, '2024-12-26 22:59:59+00', 10),	-- 30
	(4, 1, '2024-12-26 23:00+00', 10),		-- the 27th, midnight: 10
	(5, 1, '2024-12-31 23:00+00', 10),		-- the first of January: 50
	(6, 1, '2024-06-01 19:59:59+00', 10),	-- summer time, 21:59, the earliest: 10
	(7, 1, '2024-06-09 20:00+00', 10);		-- 22:00: 20
SELECT order_key, tier, points FROM club.entries ORDER BY entry;
SELECT t.at, club.tier_at(2, t.at) FROM (VALUES (timestamptz '2024-12-23 22:59:59'), ('2024-12-23 23:00'), ('2024-12-26 23:00'),
	('infinity'), ('-infinity'), ('0044-03-15 12:00 BC'), ('294276-12-30')) t (at);
SELECT * FROM loyalty.verify('club');
SET timezone = 'Pacific/Kiritimati';
SELECT sum(points) FROM club.entries;
SELECT * FROM loyalty.verify('club');
CALL loyalty.post('club');
SET timezone = 'UTC';
SELECT string_agg(points::text, ' ' ORDER BY entry) FROM club.entries;
SELECT * FROM loyalty.verify('club');

-- a condition over the clock that fails for somebody
SELECT t_moments.fresh();
INSERT INTO club.tier (name, rank, qualifies, multiplier) VALUES
	('Some', 1, $$at >= '2024-01-01' AND today > '2023-12-31'$$, 2), ('Odd', 2, $$100 / (today - date '2024-02-01') > 50$$, 3);
INSERT INTO t_moments.orders VALUES (1, 1, '2024-01-31 12:00', 10), (2, 1, '2024-02-01 12:00', 10), (3, 1, '2024-02-02 12:00', 10), (4, 1, '2023-01-01', 10);
SELECT order_key, tier, points FROM club.entries ORDER BY entry;
SELECT violation, detail FROM loyalty.verify('club');
CALL loyalty.post('club');
SELECT violation, detail FROM loyalty.verify('club');

-- the present time itself is refused, however it is written
SELECT t_moments.fresh();
INSERT INTO club.tier (name, rank, qualifies) VALUES ('x', 1, $$last_order_at > now() - interval '1 year'$$);
INSERT INTO club.tier (name, rank, qualifies) VALUES ('x', 1, $$last_order_at > CURRENT_DATE - 365$$);
INSERT INTO club.tier (name, rank, qualifies) VALUES ('x', 1, $$last_order_at > timestamptz 'now' - interval '1 year'$$);
INSERT INTO club.tier (name, rank, qualifies) VALUES ('x', 1, $$last_order_at > 'Yesterday'$$);
INSERT INTO club.tier (name, rank, qualifies) VALUES ('x', 1, $$first_order_at::date < E' today'$$);
INSERT INTO club.tier (name, rank, qualifies) VALUES ('x', 1, $$age(last_order_at) < '1 year'$$);
INSERT INTO club.tier (name, rank, qualifies) VALUES ('x', 1, $$last_order_at > clock_timestamp() - interval '1 year'$$);
INSERT INTO club.earning_rule (name, points) VALUES ('x', $$CASE WHEN at > now() - interval '1 day' THEN 1 END$$);
INSERT INTO club.earning_rule (name, points) VALUES ('x', $$CASE WHEN at > 'now' THEN 1 END$$);
INSERT INTO club.earning_rule (name, points) VALUES ('x', $$CASE WHEN today > '2024-01-01' THEN 1 END$$);
CREATE TABLE t_moments.other (id int PRIMARY KEY, customer_id int, at timestamptz, note text);
SELECT loyalty.track_orders('club', 't_moments.other', customer => 'customer_id', at => 'coalesce(at, now())', amount => '1');
SELECT loyalty.track_orders('club', 't_moments.other', customer => 'customer_id', at => 'at', amount => '1', counts_when => $$note <> 'today' AND at < 'tomorrow'$$);
SELECT loyalty.track_orders('club', 't_moments.other', customer => 'customer_id', at => 'at', amount => '1', counts_when => $$note NOT IN ('today', 'now')$$);
SELECT * FROM loyalty.verify('club');
