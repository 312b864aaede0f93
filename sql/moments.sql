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

-- From when on an order counts.  The changes are made now: each is effective when it
-- is recorded, but none before the time that the order has by its latest entry.
\set seen 'SELECT id, club.balance(id, ''2020-06-01'') AS june, club.balance(id, ''2020-10-01'') AS october, club.balance(id, ''2021-06-01'') AS year_after, club.balance(id, now() - interval ''1 day'') AS yesterday, club.balance(id, now()) AS now, club.balance(id, now() + interval ''20 days'') AS in_20_days, club.balance(id, now() + interval ''40 days'') AS in_40_days, club.balance(id, ''infinity'') AS ever, club.balance(id) AS recorded, coalesce(club.tier_at(id, ''2020-06-01''), ''-'') || coalesce(club.tier_at(id, ''2020-10-01''), ''-'') || coalesce(club.tier_at(id, now()), ''-'') || coalesce(club.tier_at(id, now() + interval ''40 days''), ''-'') AS tiers FROM t_moments.customers WHERE id < 20 ORDER BY id;'
INSERT INTO t_moments.customers SELECT generate_series(10, 20);
CREATE FUNCTION t_moments.start_over() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM t_moments.fresh();
	-- B: bought for 100; A: and the first time more than a month ago
	INSERT INTO club.tier (name, rank, qualifies) VALUES ('B', 1, 'spend >= 100'), ('A', 2, $x$spend >= 100 AND first_order_at < at - interval '1 month'$x$);
	INSERT INTO t_moments.orders VALUES
		(1, 1, '2020-03-01', 100),	-- moves to September: nothing in June
		(2, 2, '2020-03-01', 100),	-- moves to September, and on to February
		(3, 3, '2020-09-15', 100),	-- moves to March
		(4, 4, '2020-03-01', 100),	-- moves to the future
		(5, 5, '2020-03-01', 100),	-- moves to September, and is worth 50 more from today on
		(6, 6, now() + interval '30 days', 100),	-- is cancelled before its time
		(7, 7, now() + interval '30 days', 100),	-- is refunded in part before its time
		(8, 8, now() + interval '30 days', 100),	-- is deleted before its time
		(9, 9, now() + interval '30 days', 100),	-- comes sooner, in 15 days
		(10, 10, now() + interval '30 days', 100),	-- had been in March, as it turns out
		(11, 11, '2020-03-01', 100),	-- is returned today
		(12, 12, '2020-03-01', 100),	-- is refunded in part today
		(13, 13, '2020-09-15', 100),	-- moves to March, and is returned today
		(14, 14, '2020-03-01', 100),	-- is returned, and counts again
		(15, 15, '2020-03-01', 100),	-- is returned, and counts again in 30 days
		(16, 16, now() + interval '30 days', 100),	-- is cancelled, and counts again, as one of March
		(17, 17, '2020-03-01', 100), (117, 17, now() + interval '30 days', 50),	-- the second is cancelled
		(18, 18, '2020-03-01', 100);	-- nothing happens
END $$;
CREATE PROCEDURE t_moments.change(post boolean) LANGUAGE plpgsql AS $$
BEGIN
	UPDATE t_moments.orders SET at = '2020-09-15' WHERE id IN (1, 2);
	UPDATE t_moments.orders SET at = '2020-03-01' WHERE id IN (3, 10, 13);
	UPDATE t_moments.orders SET at = now() + interval '30 days' WHERE id = 4;
	UPDATE t_moments.orders SET at = '2020-09-15', total = 150 WHERE id = 5;
	UPDATE t_moments.orders SET status = 'cancelled' WHERE id IN (6, 11, 14, 15, 16, 117);
	UPDATE t_moments.orders SET total = 70 WHERE id IN (7, 12);
	DELETE FROM t_moments.orders WHERE id = 8;
	UPDATE t_moments.orders SET at = now() + interval '15 days' WHERE id = 9;
	COMMIT;
	IF post THEN
		CALL loyalty.post('club');
		COMMIT;
	END IF;
	UPDATE t_moments.orders SET at = '2021-02-01' WHERE id = 2;
	UPDATE t_moments.orders SET status = 'returned' WHERE id = 13;
	UPDATE t_moments.orders SET status = 'paid' WHERE id = 14;
	UPDATE t_moments.orders SET status = 'paid', at = now() + interval '30 days' WHERE id = 15;
	UPDATE t_moments.orders SET status = 'paid', at = '2020-03-01' WHERE id = 16;
	COMMIT;
END $$;
SELECT t_moments.start_over();
:seen
CALL t_moments.change(false);
:seen
SELECT * FROM loyalty.verify('club');
-- the same, posted in part, and wholly
SELECT t_moments.start_over();
CALL loyalty.post('club');
CALL t_moments.change(true);
:seen
SELECT * FROM loyalty.verify('club');
CALL loyalty.post('club');
:seen
SELECT * FROM loyalty.verify('club');
-- all entries of an order have the time that it has by now
SELECT order_key, revision, ordered_at, CASE WHEN effective_at = recorded_at THEN 'when recorded' ELSE effective_at::text END AS effective_at, points
  FROM club.entries WHERE id IN (1, 2, 3, 5, 13) ORDER BY id, entry;
-- one customer is looked up by index
CREATE FUNCTION t_moments.scans(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
		IF line ~ 'Scan.* on (ledger|journal|account)|Index Cond: .*customer' THEN
			RETURN NEXT substring(line FROM '(?:Seq Scan|Index Scan|Index Only Scan|Bitmap Heap Scan).* on \w+|Index Cond.*');
		END IF;
	END LOOP;
END $$;
SET enable_seqscan = off;
SET enable_bitmapscan = off;
SELECT DISTINCT * FROM t_moments.scans('SELECT sum(points) FROM club.entries WHERE id = 5 AND effective_at <= now()') ORDER BY 1;
RESET enable_seqscan;
RESET enable_bitmapscan;

-- joined_at is evaluated by whoever reads: it must give the same under all settings
SELECT loyalty.drop_program('club', force => true);
CREATE TABLE t_moments.people (id int PRIMARY KEY, created_at timestamptz, local_time timestamp, day date, written text, zone text, seconds double precision);
INSERT INTO t_moments.people VALUES
	(1, '2020-02-28 23:30+00', '2020-02-29 00:30', '2020-02-29', '29.02.2020', 'Europe/Berlin', 1582932600.5),
	(2, '2020-12-31 22:59:59+00', '2020-12-31 23:59:59', '2020-12-31', '31.12.2020', 'CET', 1609455599);
CREATE FUNCTION t_moments.try(joined_at text, time_zone text DEFAULT 'Europe/Berlin') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	message text;
	detail text;
	hint text;
	result text;
BEGIN
	PERFORM loyalty.create_program('club', customers => 't_moments.people', joined_at => joined_at, time_zone => time_zone);
	PERFORM set_config('timezone', 'Pacific/Kiritimati', true), set_config('datestyle', 'SQL, DMY', true), set_config('intervalstyle', 'iso_8601', true),
	        set_config('timezone_abbreviations', 'Australia', true), set_config('extra_float_digits', '-4', true);
	SELECT string_agg(to_char(m.joined_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), ', ' ORDER BY id) INTO result FROM club.members m;
	PERFORM set_config('timezone', 'UTC', true), set_config('datestyle', 'ISO, MDY', true), set_config('intervalstyle', 'postgres', true),
	        set_config('timezone_abbreviations', 'Default', true), set_config('extra_float_digits', '1', true);
	IF EXISTS (SELECT FROM loyalty.verify('club')) THEN RAISE 'verify found something'; END IF;
	PERFORM loyalty.drop_program('club', force => true);
	RETURN result;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN concat_ws(' # ', sqlstate, message, detail, hint);
END $$;
\pset format unaligned
\pset tuples_only on
SELECT t_moments.try('created_at::date');
SELECT t_moments.try($$(created_at AT TIME ZONE 'Europe/Berlin')::date$$);
SELECT t_moments.try($$date_trunc('month', created_at)$$);
SELECT t_moments.try($$date_trunc('month', created_at AT TIME ZONE 'Europe/Berlin')$$);
SELECT t_moments.try($$created_at - interval '1 month'$$);
SELECT t_moments.try($$created_at AT TIME ZONE 'Europe/Berlin' - interval '1 month'$$);
SELECT t_moments.try($$make_date(date_part('year', created_at)::int, 1, 1)$$);
SELECT t_moments.try($$make_date(extract(year FROM created_at AT TIME ZONE 'Europe/Berlin')::int, 1, 1)$$);
SELECT t_moments.try('written::date');
SELECT t_moments.try($$to_date(written, 'DD.MM.YYYY')$$);
SELECT t_moments.try('make_date(right(written, 4)::int, substr(written, 4, 2)::int, left(written, 2)::int)');
SELECT t_moments.try($$CASE WHEN age(created_at, '2020-01-01') > '1 month 28 days' THEN created_at ELSE created_at END$$);
SELECT t_moments.try($$local_time AT TIME ZONE 'IST'$$);
SELECT t_moments.try('local_time AT TIME ZONE zone');
SELECT t_moments.try($$local_time AT TIME ZONE 'Asia/Kolkata'$$);
SELECT t_moments.try('to_timestamp(seconds::text::float8)');
SELECT t_moments.try('to_timestamp(seconds)');
SELECT t_moments.try('created_at');
SELECT t_moments.try('local_time');
SELECT t_moments.try('local_time', 'Asia/Tokyo');
SELECT t_moments.try('day');
SELECT t_moments.try($$coalesce(day, '2020-01-02')$$);
SELECT t_moments.try($$CASE id WHEN 1 THEN '2020-01-01' ELSE created_at END$$);
SELECT t_moments.try('day', 'CET');
SELECT t_moments.try('day', 'EST');
SELECT t_moments.try('day', 'gmt');
CREATE FUNCTION t_moments.day_of(text) RETURNS date LANGUAGE sql STABLE AS 'SELECT $1::date';
SELECT t_moments.try('t_moments.day_of(written)');
DROP FUNCTION t_moments.day_of(text);
CREATE FUNCTION t_moments.day_of(text) RETURNS date LANGUAGE plpgsql IMMUTABLE SET datestyle = 'German' AS 'BEGIN RETURN $1::date; END';
SELECT t_moments.try('t_moments.day_of(written)');
\pset format aligned
\pset tuples_only off

-- what readers see is the same under all settings
CREATE TABLE t_moments.sales (id int PRIMARY KEY, customer_id int, day date, at_time time, total numeric);
SELECT loyalty.create_program('club', customers => 't_moments.people', joined_at => $$(created_at AT TIME ZONE 'Europe/Berlin')::date$$, time_zone => 'Europe/Berlin');
SELECT loyalty.track_orders('club', 't_moments.sales', customer => 'customer_id', at => 'day + at_time', amount => 'total', counts_when => $$day >= '01/02/2020'$$);
-- Sundays are days of Berlin; so are the tenth birthday and the ides
INSERT INTO club.earning_rule (name, points, applies_when) VALUES ('one', 'amount', 'true'), ('Sunday', '1000', 'extract(isodow FROM at) = 7'),
	('long day', '10000', $$age(at, '2024-01-01') >= '1 month' AND at < '2024-02-02'$$);
INSERT INTO club.tier (name, rank, qualifies, multiplier) VALUES ('Old', 1, $$tenure >= '1 year' AND at::date < today + 1$$, 2),
	('Ides', 2, $$extract(day FROM last_order_at) = 15 AND today - last_order_at::date < 40 AND (at - last_order_at)::text ~ 'day'$$, 3);
INSERT INTO t_moments.sales VALUES (1, 1, '2021-02-28', '23:59', 1), (2, 1, '2021-03-01', '00:00', 1), (3, 2, '2024-01-31', '23:59', 1),
	(4, 2, '2024-02-01', '00:00', 1), (5, 2, '2024-02-15', '23:59', 1), (6, 2, '2024-02-17', '00:10', 1);
SELECT id, order_key, tier, points FROM club.entries ORDER BY id, entry;
UPDATE t_moments.sales SET total = 2 WHERE id = 6;
SELECT id, tier, points, joined_at, last_order_at FROM club.members ORDER BY id;
SELECT * FROM loyalty.verify('club');
CREATE FUNCTION t_moments.seen() RETURNS SETOF text LANGUAGE sql AS $$
	SELECT concat_ws(' ', 'member', id, tier, points, lifetime_value, orders, extract(epoch FROM first_order_at)::numeric, extract(epoch FROM last_order_at)::numeric,
	       extract(epoch FROM joined_at)::numeric, extract(epoch FROM tenure)::numeric, average_order, club.balance(id)) FROM club.members
	UNION ALL
	SELECT concat_ws(' ', 'entry', id, entry, order_key, revision, extract(epoch FROM effective_at)::numeric, extract(epoch FROM recorded_at)::numeric, tier, multiplier,
	       amount_change, points, balance, extract(epoch FROM ordered_at)::numeric, awards) FROM club.entries
	UNION ALL
	SELECT concat_ws(' ', 'moment', id, extract(epoch FROM t)::numeric, club.balance(id, t), club.tier_at(id, t))
	  FROM club.members CROSS JOIN generate_series(timestamptz '2024-02-14 00:00+00', timestamptz '2024-03-26 00:00+00', interval '71 hours 30 minutes') t
	UNION ALL
	SELECT 'verify ' || v::text FROM loyalty.verify('club') v $$;
CREATE TABLE t_moments.first AS SELECT * FROM t_moments.seen() s WHERE s NOT LIKE 'member%';
SELECT count(*) FROM t_moments.first;
CREATE FUNCTION t_moments.under(VARIADIC settings text[]) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	before text[] := ARRAY(SELECT s FROM t_moments.seen() s);
	after text[];
BEGIN
	FOR i IN 1 .. cardinality(settings) BY 2 LOOP
		PERFORM set_config(settings[i], settings[i + 1], true);
	END LOOP;
	after := ARRAY(SELECT s FROM t_moments.seen() s);
	RETURN QUERY SELECT 'was ' || b FROM unnest(before) b WHERE b <> ALL (after);
	RETURN QUERY SELECT 'is ' || a FROM unnest(after) a WHERE a <> ALL (before);
	RETURN QUERY SELECT 'was first ' || f FROM t_moments.first f (f) WHERE f <> ALL (after);
END $$;
SELECT t_moments.under('timezone', 'Pacific/Kiritimati');
SELECT t_moments.under('timezone', 'Pacific/Pago_Pago', 'datestyle', 'Postgres, DMY');
SELECT t_moments.under('timezone', 'America/New_York', 'datestyle', 'German');
SELECT t_moments.under('intervalstyle', 'iso_8601', 'datestyle', 'SQL, YMD');
SELECT t_moments.under('intervalstyle', 'sql_standard', 'extra_float_digits', '-15', 'bytea_output', 'escape');
SELECT t_moments.under('transform_null_equals', 'on', 'array_nulls', 'off', 'quote_all_identifiers', 'on');
CALL loyalty.post('club');
TRUNCATE t_moments.first;
INSERT INTO t_moments.first SELECT * FROM t_moments.seen() s WHERE s NOT LIKE 'member%';
SELECT t_moments.under('timezone', 'Pacific/Kiritimati', 'datestyle', 'SQL, DMY', 'intervalstyle', 'iso_8601');
-- posting under other settings pins the same
SET timezone = 'Pacific/Kiritimati';
SET intervalstyle = 'iso_8601';
INSERT INTO t_moments.sales VALUES (7, 1, '2024-02-15', '12:00', 1), (8, 1, '2024-02-18', '00:00', 1);
CALL loyalty.post('club');
RESET intervalstyle;
SET timezone = 'UTC';
SELECT order_key, tier, order_points, joined_at FROM club.ledger WHERE order_key IN ('7', '8') ORDER BY entry;
SELECT * FROM loyalty.verify('club');
SELECT loyalty.drop_program('club', force => true);
-- Dates go on for longer than moments: then it is not known since when somebody is a customer, and
-- all others are read
CREATE TABLE t_moments.far (id int PRIMARY KEY, joined date);
INSERT INTO t_moments.far VALUES (1, '2010-05-06'), (2, '5874897-12-31'), (3, '4713-11-24 BC'), (4, 'infinity'), (5, NULL);
CREATE TABLE t_moments.far_orders (id int PRIMARY KEY, customer_id int, at timestamptz DEFAULT '2020-01-01', total numeric);
SELECT loyalty.create_program('far', customers => 't_moments.far', joined_at => 'joined', time_zone => 'Asia/Tokyo');
SELECT loyalty.track_orders('far', 't_moments.far_orders', customer => 'customer_id', at => 'at', amount => 'total');
INSERT INTO far.earning_rule (name, points) VALUES ('one', 'amount');
INSERT INTO far.tier (name, rank, multiplier, qualifies) VALUES ('old', 1, 2, 'tenure > ''1 year''');
INSERT INTO t_moments.far_orders SELECT n, n, '2020-01-01', 10 FROM generate_series(1, 5) n;
-- midnight in Tokyo is 15:00 the day before
SELECT id, tier, points, joined_at AT TIME ZONE 'UTC' AS joined, tenure IS NOT NULL AS has_tenure FROM far.members ORDER BY id;
CALL loyalty.post('far');
SELECT id, tier, points FROM far.members ORDER BY id;
SELECT * FROM loyalty.verify('far');
UPDATE far.program SET on_invalid = 'skip';
SELECT joined_at FROM far.program;
ALTER TABLE t_moments.far RENAME COLUMN joined TO since;
UPDATE far.program SET on_invalid = 'error';
SELECT id, joined_at AT TIME ZONE 'UTC' AS joined FROM far.members ORDER BY id;
SELECT * FROM loyalty.verify('far');
SELECT loyalty.drop_program('far', force => true);
DROP SCHEMA t_moments CASCADE;
