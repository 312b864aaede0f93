-- loyalty.history: what happened on which day.  Whatever is compared with a value that is
-- written here shows no row.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE SCHEMA t_history;
SET search_path = t_history, loyalty, public;

-- text: as it is written, and as it is brought into its one form
CREATE TABLE texts (written text, form text);
INSERT INTO texts VALUES
	('{}', '{}'), ('  { } ', '{}'), (E'\t{\n}\r', '{}'),
	('{2024-01-05 2 12.5, 2024-02-01 1 30}', '{2024-01-05 2 12.5, 2024-02-01 1 30}'),
	('{ 2024-01-05   2 12.5 ,2024-02-01 1 30 }', '{2024-01-05 2 12.5, 2024-02-01 1 30}'),
	('{2024-01-05 2 12.50}', '{2024-01-05 2 12.5}'), ('{2024-01-05 2 12.00}', '{2024-01-05 2 12}'),
	('{2024-02-01 1 30, 2024-01-05 2 12.5}', '{2024-01-05 2 12.5, 2024-02-01 1 30}'),
	('{2024-01-05 2 12.5, 2024-01-05 -3 0.25}', '{2024-01-05 -1 12.75}'),
	('{2024-01-05 2 12.5, 2024-01-06 1 1, 2024-01-05 -2 -12.5}', '{2024-01-06 1 1}'),
	('{2024-01-05 2 12.5, 2024-01-05 -2 -12.5}', '{}'),
	('{2024-01-05 0 5}', '{2024-01-05 0 5}'), ('{2024-01-05 5 0}', '{2024-01-05 5 0}'),
	('{2024-01-05 5 0.00}', '{2024-01-05 5 0}'),
	('{2024-02-29 1 -0.000000000001}', '{2024-02-29 1 -0.000000000001}'),
	('{0001-01-01 1 1, 0001-12-31 BC 1 1}', '{0001-12-31 BC 1 1, 0001-01-01 1 1}'),
	('{4714-11-24 BC 1 1, 5874897-12-31 1 1}', '{4714-11-24 BC 1 1, 5874897-12-31 1 1}'),
	('{2024-01-05 9223372036854775807 1}', '{2024-01-05 9223372036854775807 1}'),
	('{2024-01-05 -9223372036854775807 1}', '{2024-01-05 -9223372036854775807 1}'),
	('{2024-01-05 1 99999999999999999999999999999999999999}',
	 '{2024-01-05 1 99999999999999999999999999999999999999}'),
	('{2024-01-05 1 99999999999999999999999999.999999999999}',
	 '{2024-01-05 1 99999999999999999999999999.999999999999}');
SELECT written, written::history, form FROM texts WHERE written::history::text <> form;
SELECT form FROM texts WHERE form::history::text <> form;
-- no setting changes it
SET DateStyle = 'SQL, DMY';
SET TimeZone = 'Asia/Tokyo';
SET IntervalStyle = 'sql_standard';
SET extra_float_digits = -15;
SELECT written, written::history, form FROM texts WHERE written::history::text <> form;
RESET DateStyle;
RESET TimeZone;
RESET IntervalStyle;
RESET extra_float_digits;

-- what is refused, and what is said of it
CREATE FUNCTION refused(text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	told text;
BEGIN
	RETURN 'read: ' || $1::loyalty.history;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS told = PG_EXCEPTION_DETAIL;
	RETURN SQLSTATE || ' ' || told;
END $$;
SELECT written, refused(written) FROM (VALUES (1, ''), (2, '{'), (3, '}'), (4, '{}}'), (5, '{} {}'),
	(6, '{,}'), (7, '{2024-01-05 1 1,}'), (8, '{2024-01-05 1 1 1}'), (9, '{2024-01-05 1}'),
	(10, '{2024-01-05}'), (11, '{2024-01-05 1 1'), (12, '{2024-01-05 1 1, {}}'), (13, '2024-01-05 1 1'),
	(20, '{2024-1-5 1 1}'), (21, '{24-01-05 1 1}'), (22, '{02024-01-05 1 1}'), (23, '{2024-01-05x 1 1}'),
	(24, '{2024-13-05 1 1}'), (25, '{2023-02-29 1 1}'), (26, '{2024-00-05 1 1}'), (27, '{0000-01-05 1 1}'),
	(28, '{2024-01-05 AD 1 1}'), (29, '{2024-01-05 BCE 1 1}'), (30, '{5874898-01-01 1 1}'),
	(31, '{4714-11-23 BC 1 1}'), (32, '{infinity 1 1}'), (33, '{-infinity 1 1}'), (34, '{today 1 1}'),
	(35, '{9999999999-01-01 1 1}'), (36, '{-2024-01-05 1 1}'), (37, '{2024-01-05 00:00 1 1}'),
	(40, '{2024-01-05 01 1}'), (41, '{2024-01-05 +1 1}'), (42, '{2024-01-05 -0 1}'),
	(43, '{2024-01-05 1.0 1}'), (44, '{2024-01-05 - 1}'), (45, '{2024-01-05 9223372036854775808 1}'),
	(46, '{2024-01-05 -9223372036854775808 1}'), (47, '{2024-01-05 0 0.0}'),
	(50, '{2024-01-05 1 .5}'), (51, '{2024-01-05 1 5.}'), (52, '{2024-01-05 1 05}'),
	(53, '{2024-01-05 1 +5}'), (54, '{2024-01-05 1 1e3}'), (55, '{2024-01-05 1 NaN}'),
	(56, '{2024-01-05 1 Infinity}'), (57, '{2024-01-05 1 -0}'), (58, '{2024-01-05 1 -}'),
	(59, '{2024-01-05 1 1.2.3}'), (60, '{2024-01-05 1 0.0000000000001}'),
	(61, '{2024-01-05 1 100000000000000000000000000000000000000}'),
	(62, '{2024-01-05 1 99999999999999999999999999999999999999, 2024-01-06 1 0.1}'),
	(63, '{2024-01-05 1 99999999999999999999999999999999999999, 2024-01-05 1 1}'),
	(64, '{2024-01-05 9223372036854775807 1, 2024-01-05 1 1}'),
	(65, '{2024-01-05 1 ' || repeat('ä', 100) || '}')) t (n, written) ORDER BY n;
\set VERBOSITY default
SELECT '{2024-01-05: 2 for 12.50}'::history;

-- of one day
SELECT history_of('2024-01-05', 12.50), history_of('2024-01-05', 12.50, 2), history_of('2024-01-05', 0, 0),
       history_of('2024-01-05', -3, times => -1), history_of(NULL, 1), history_of('2024-01-05', 5, NULL);
SELECT history_of('infinity', 1);
SELECT history_of('-infinity', 1);
SELECT history_of('2024-01-05', 'NaN');
SELECT history_of('2024-01-05', 0.0000000000001);
SELECT history_of('2024-01-05', 1e38);
SELECT history_of('2024-01-05', 1, -9223372036854775808);

-- added and subtracted
SELECT a, b, a + b, sum, a - b, difference, -a, negative
  FROM (VALUES ('{}'::history, '{}'::history, '{}', '{}', '{}'),
	('{2024-01-05 1 1}', '{}', '{2024-01-05 1 1}', '{2024-01-05 1 1}', '{2024-01-05 -1 -1}'),
	('{}', '{2024-01-05 1 1}', '{2024-01-05 1 1}', '{2024-01-05 -1 -1}', '{}'),
	('{2024-01-05 2 0.5}', '{2024-01-05 2 0.5}', '{2024-01-05 4 1}', '{}', '{2024-01-05 -2 -0.5}'),
	('{2024-01-01 1 1, 2024-01-03 1 0.25}', '{2024-01-02 1 -1, 2024-01-03 1 0.75, 2024-01-04 0 1}',
	 '{2024-01-01 1 1, 2024-01-02 1 -1, 2024-01-03 2 1, 2024-01-04 0 1}',
	 '{2024-01-01 1 1, 2024-01-02 -1 1, 2024-01-03 0 -0.5, 2024-01-04 0 -1}',
	 '{2024-01-01 -1 -1, 2024-01-03 -1 -0.25}')) t (a, b, sum, difference, negative)
 WHERE (a + b)::text <> sum OR (a - b)::text <> difference OR (-a)::text <> negative;
SELECT '{2024-01-05 9223372036854775807 1}'::history + '{2024-01-05 1 1}';
SELECT '{2024-01-05 1 99999999999999999999999999999999999999}'::history + '{2024-01-05 1 1}';
SELECT '{2024-01-05 1 99999999999999999999999999999999999999}'::history + '{2024-01-06 1 0.1}';
SELECT -'{2024-01-05 -9223372036854775807 -99999999999999999999999999999999999999}'::history;

-- rows aggregated: those without a day or an amount do not count
SELECT history(day, amount) FROM (VALUES ('2024-02-01'::date, 30), ('2024-01-05', 10), (NULL, 7),
	('2024-01-06', NULL), ('2024-01-05', 2.5), ('2024-03-01', 0), ('2024-02-02', 1),
	('2024-02-02', -1)) t (day, amount);
SELECT history(NULL, 1) IS NULL AS of_nulls, history('2024-01-05', 1) FILTER (WHERE false) IS NULL AS of_none,
       sum(NULL::history) IS NULL AS sum_of_null, sum('{}'::history) AS sum_of_empty;
SELECT sum(h) FROM (VALUES ('{2024-01-05 1 1}'::history), (NULL), ('{}'),
	('{2024-01-05 1 0.1, 2024-01-01 1 1}')) t (h);
SELECT history('infinity'::date, 1);
SELECT history('2024-01-05'::timestamptz, 1);
-- windows that move: 1 January to 6 January, one of them without an amount
SELECT n, history('2023-12-31'::date + n, amount) OVER w AS history,
       sum(history_of('2023-12-31'::date + n, amount)) OVER w AS sum
  FROM (VALUES (1, 10), (2, 0.5), (3, NULL), (4, 1), (5, NULL), (6, NULL)) t (n, amount)
WINDOW w AS (ORDER BY n ROWS BETWEEN 1 PRECEDING AND CURRENT ROW);
-- what has left a window takes no digits from what is in it
SELECT n, history('2023-12-31'::date + n, amount) OVER w AS history,
       sum(history_of('2023-12-31'::date + n, amount)) OVER w AS sum
  FROM (VALUES (1, 0.000000000001), (2, 7), (3, 1e37)) t (n, amount)
WINDOW w AS (ORDER BY n ROWS BETWEEN 1 PRECEDING AND CURRENT ROW);

-- parts: days from the first bound on and before the second, each of which may be missing
CREATE TABLE parts (since timestamp, until timestamp, total numeric, times bigint, during history);
INSERT INTO parts VALUES
	(NULL, NULL, 6.75, 7, '{2024-01-05 1 1.5, 2024-01-10 2 2.25, 2024-02-01 4 3}'),
	('-infinity', 'infinity', 6.75, 7, '{2024-01-05 1 1.5, 2024-01-10 2 2.25, 2024-02-01 4 3}'),
	('infinity', NULL, 0, 0, '{}'), (NULL, '-infinity', 0, 0, '{}'),
	('2024-01-10', NULL, 5.25, 6, '{2024-01-10 2 2.25, 2024-02-01 4 3}'),
	('2024-01-10 00:00:00.000001', NULL, 3, 4, '{2024-02-01 4 3}'),
	(NULL, '2024-01-10', 1.5, 1, '{2024-01-05 1 1.5}'),
	(NULL, '2024-01-10 00:00:00.000001', 3.75, 3, '{2024-01-05 1 1.5, 2024-01-10 2 2.25}'),
	('2024-01-05', '2024-01-05', 0, 0, '{}'), ('2024-02-01', '2024-01-05', 0, 0, '{}'),
	('2024-01-06', '2024-01-10', 0, 0, '{}'), ('1999-12-31 12:00', '2000-01-01 12:00', 0, 0, '{}');
SELECT p.since, p.until
  FROM parts p, (VALUES ('{2024-01-05 1 1.5, 2024-01-10 2 2.25, 2024-02-01 4 3}'::history)) t (h)
 WHERE total(h, p.since, p.until) <> total OR times(h, p.since, p.until) <> times
    OR during(h, p.since, p.until) <> during;
-- days before and after 2000-01-01, at which numbers of days are 0: noon of the day before begins no day
SELECT during('{1999-12-31 1 1, 2000-01-01 1 2}'::history, '1999-12-31 12:00') AS since,
       during('{1999-12-30 1 1, 1999-12-31 1 2}'::history, until => '1999-12-30 12:00') AS until;
SELECT total(h, since => '2024-02-01'::date - '12 months'::interval),
       total(h, '2024-01-06'::date, '2024-02-01'::date), total(h), times(h, until => '2024-02-01'::date),
       total(NULL::history), times(NULL), during(NULL), total('{}'::history), times('{}')
  FROM (VALUES ('{2023-01-31 1 100, 2023-02-01 1 10, 2024-01-05 2 1}'::history)) t (h);
SELECT times('{2024-01-05 9223372036854775807 1, 2024-01-06 1 1}');
SELECT total('{2024-01-05 1 99999999999999999999999999999999999999, 2024-01-06 1 1}'::history);
SELECT total('{2024-01-05 1 1}', '2024-01-05'::timestamptz);

SELECT h, first_day(h), last_day(h), days(h), gaps(h)
  FROM (VALUES ('{}'::history), ('{2024-02-28 1 1}'),
	('{2023-02-28 1 1, 2023-03-01 1 1, 2024-02-28 1 1, 2024-03-01 5 1}'),
	('{4714-11-24 BC 1 1, 5874897-12-31 1 1}'), (NULL)) t (h);
SELECT * FROM unnest('{2024-01-05 2 12.5, 2024-02-01 -1 30}'::history);
SELECT count(*) FROM unnest('{}'::history);
SELECT n, unnest(h) FROM (VALUES (1, '{2024-01-05 2 12.5}'::history), (2, '{}'), (3, NULL)) t (n, h);

-- bytes for other programs: form, decimals, days, and of each the day, the times and the amount
SELECT _loyalty.history_send('{}') = '\x010000000000' AS empty,
       _loyalty.history_send('{2000-01-03 3 0.5, 2000-02-01 1 -1}') = decode('0101' || '00000002' ||
	'00000002' || '0000000000000003' || '00000000000000000000000000000005' ||
	'0000001f' || '0000000000000001' || 'fffffffffffffffffffffffffffffff6', 'hex') AS of_two;

-- how much room it takes, with the four bytes that each value has: 1 for the decimals, 3 for the
-- first day, 2 for an amount of 12.34, and 1 for the days since; purchases of 82.00 take one more
SELECT pg_column_size('{}'::history) = 4 + 1 AS empty,
       pg_column_size(history_of('2024-01-05', 12.34)) = 4 + 1 + 3 + 2 AS one,
       pg_column_size(history_of('2024-01-05', 12.34, 2)) = 4 + 1 + 3 + 1 + 2 AS twice,
       (SELECT pg_column_size(history('2020-01-01'::date + 9 * n, 12.34)) = 4 + 1 + 3 + 2 + 999 * 3
          FROM generate_series(1, 1000) n) AS thousand,
       (SELECT pg_column_size(history('2020-01-01'::date + 64 * n, 81.92 + n * 0.01))
               = 4 + 1 + 3 + 3 + 999 * 5
          FROM generate_series(1, 1000) n) AS rare_and_large;

-- compared: the order says nothing, but it is one
SELECT a = b AS eq, a <> b AS ne, a < b AS lt, a <= b AS le, a > b AS gt, a >= b AS ge
  FROM (VALUES ('{2024-01-05 1 1.0}'::history, '{2024-01-05 1 1}'::history)) t (a, b);
SELECT a = b AS eq, a <> b AS ne, (a < b) <> (a > b) AS one, (a <= b) <> (a >= b) AS or_the_other,
       (a < b) = (a <= b) AS same
  FROM (VALUES ('{2024-01-05 1 1}'::history, '{2024-01-05 1 1.5}'::history)) t (a, b);

-- random values: their own days are the oracle
SELECT setseed(0.5);
CREATE FUNCTION random_history() RETURNS history LANGUAGE sql VOLATILE AS $$
	SELECT coalesce(sum(history_of('1999-12-20'::date + (random() * 30)::integer,
	                               round((random() * 40 - 20)::numeric, (random() * 3)::integer),
	                               (random() * 4 - 2)::bigint)), '{}')
	  FROM generate_series(1, (random() * 6)::integer)
$$;
CREATE TABLE random_histories AS
	SELECT n, n % 7 AS part, random_history() AS h FROM generate_series(1, 3000) n;
ANALYZE random_histories;
SELECT count(*), count(DISTINCT h) > 2000 AS differ, count(*) FILTER (WHERE h = '{}') > 0 AS some_empty
  FROM random_histories;
-- text and back; equal if the text is; an order; equal hashes
SELECT n FROM random_histories WHERE h::text::history <> h OR h::text::history::text <> h::text;
CREATE TABLE pairs AS SELECT a.h AS a, b.h AS b, c.h AS c FROM random_histories a
  JOIN random_histories b ON b.n = a.n % 3000 + 1 JOIN random_histories c ON c.n = b.n % 3000 + 1;
INSERT INTO pairs SELECT h, h::text::history, '{}' FROM random_histories;
SELECT a, b FROM pairs WHERE (a = b) <> (a::text = b::text) OR (a = b) <> NOT (a <> b) OR (a < b) <> (b > a)
    OR (a <= b) <> (a < b OR a = b) OR (a >= b) <> NOT (a < b) OR (a < b AND b < c AND NOT a < c)
    OR (_loyalty.history_cmp(a, b) <> 0) <> (a <> b) OR (_loyalty.history_cmp(a, b) < 0) <> (a < b)
    OR (a = b AND _loyalty.history_hash(a) <> _loyalty.history_hash(b))
    OR (a = b AND _loyalty.history_hash_extended(a, 7) <> _loyalty.history_hash_extended(b, 7))
    OR _loyalty.history_hash(a)::bigint & 4294967295
       <> _loyalty.history_hash_extended(a, 0) & 4294967295;
-- the laws of a sum
SELECT a, b FROM pairs WHERE a + b <> b + a OR (a + b) + c <> a + (b + c) OR a - a <> '{}' OR a + (-a) <> '{}'
    OR a - b <> a + (-b) OR (a + b) - b <> a OR a + '{}' <> a OR -(-a) <> a
    OR total(a + b) <> total(a) + total(b) OR times(a - b) <> times(a) - times(b)
    OR total(a, '2000-01-01') + total(a, until => '2000-01-01') <> total(a)
    OR during(a, '2000-01-01') + during(a, until => '2000-01-01') <> a
    OR during(a + b, '1999-12-25', '2000-01-02')
       <> during(a, '1999-12-25', '2000-01-02') + during(b, '1999-12-25', '2000-01-02')
    OR (a <> '{}' AND a = -a);
-- against rows
SELECT n FROM random_histories r
 WHERE (total(h), times(h), days(h), first_day(h), last_day(h)) IS DISTINCT FROM
	(SELECT (coalesce(sum(amount), 0), coalesce(sum(times), 0)::bigint, count(*)::integer, min(day), max(day))
	   FROM unnest(r.h));
SELECT n FROM random_histories r WHERE h::text <>
	(SELECT '{' || coalesce(string_agg(concat_ws(' ', to_char(day, 'YYYY-MM-DD'), times,
	                                             trim_scale(amount)), ', ' ORDER BY day), '') || '}'
	   FROM unnest(r.h));
SELECT n FROM random_histories r WHERE gaps(h) <> coalesce((SELECT array_agg(day - before ORDER BY day)
	FROM (SELECT day, lag(day) OVER (ORDER BY day) AS before FROM unnest(r.h)) d
       WHERE before IS NOT NULL), '{}');
CREATE VIEW sums AS SELECT part, sum(h) AS sum FROM random_histories GROUP BY part;
(SELECT part, day, times, amount FROM sums, unnest(sum)
 EXCEPT ALL
 SELECT part, day, sum(times), sum(amount) FROM random_histories, unnest(h) GROUP BY part, day
 HAVING sum(times) <> 0 OR sum(amount) <> 0)
UNION ALL
(SELECT part, day, sum(times), sum(amount) FROM random_histories, unnest(h) GROUP BY part, day
 HAVING sum(times) <> 0 OR sum(amount) <> 0
 EXCEPT ALL
 SELECT part, day, times, amount FROM sums, unnest(sum));
-- the sum of rows, of any parts of them, and one after the other, in any order
DO $$
DECLARE
	forth loyalty.history := '{}';
	back loyalty.history := '{}';
	one loyalty.history;
BEGIN
	FOR one IN SELECT h FROM t_history.random_histories ORDER BY n LOOP
		forth := forth + one;
	END LOOP;
	FOR one IN SELECT h FROM t_history.random_histories ORDER BY n DESC LOOP
		back := one + back;
	END LOOP;
	IF forth <> back OR forth <> (SELECT loyalty.sum(h) FROM t_history.random_histories)
	   OR forth <> (SELECT loyalty.sum(sum) FROM t_history.sums)
	   OR forth <> (SELECT loyalty.sum(h ORDER BY h) FROM t_history.random_histories) THEN
		RAISE 'sums differ';
	END IF;
END $$;
-- aggregated rows, each in any order
CREATE TABLE purchases AS SELECT n % 50 AS customer, '2020-01-01'::date + (random() * 400)::integer AS day,
	round((random() * 200)::numeric, (random() * 2)::integer) AS amount
  FROM generate_series(1, 20000) n;
ANALYZE purchases;
CREATE VIEW aggregated AS SELECT customer, history(day, amount) AS h FROM purchases GROUP BY customer;
SELECT customer FROM aggregated
  JOIN (SELECT customer, history(day, amount ORDER BY day) AS h FROM purchases GROUP BY customer) o
 USING (customer) WHERE o.h <> aggregated.h;
(SELECT customer, day, times, amount FROM aggregated, unnest(h)
 EXCEPT ALL SELECT customer, day, count(*), sum(amount) FROM purchases GROUP BY 1, 2)
UNION ALL
(SELECT customer, day, count(*), sum(amount) FROM purchases GROUP BY 1, 2
 EXCEPT ALL SELECT customer, day, times, amount FROM aggregated, unnest(h));
-- a window that moves, against the same rows added anew
SELECT n FROM (SELECT n, sum(h) OVER (ORDER BY n ROWS BETWEEN 5 PRECEDING AND 3 FOLLOWING) AS moved
                 FROM random_histories) m
 WHERE n % 17 = 0 AND moved <> (SELECT sum(h) FROM random_histories r WHERE r.n BETWEEN m.n - 5 AND m.n + 3);

-- in parallel
CREATE TABLE serial AS SELECT customer, h FROM aggregated;
CREATE TABLE serial_sum AS SELECT sum(h) AS h FROM random_histories;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
CREATE FUNCTION nodes(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS off) ' || query LOOP
		IF line ~ 'Aggregate|Join|Scan' THEN
			RETURN NEXT trim(regexp_replace(line, '^[ >-]*', ''));
		END IF;
	END LOOP;
END $$;
SELECT nodes('SELECT sum(h) FROM random_histories');
SELECT count(*) FROM serial_sum WHERE h = (SELECT sum(h) FROM random_histories);
SELECT count(*) FROM serial JOIN aggregated USING (customer, h);
SELECT count(*) FROM serial_sum WHERE h = (SELECT sum(h) FROM random_histories WHERE n % 2 = 0) +
	(SELECT sum(h) FROM random_histories WHERE n % 2 = 1);
SELECT set_config(name, 'regress', false) IS NOT NULL AS forced
  FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query');
SELECT count(*) FROM random_histories WHERE h + h - h = h AND h::text::history = h AND days(h) >= 0;
SELECT set_config(name, 'off', false) IS NOT NULL AS back
  FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query');
SET max_parallel_workers_per_gather = 0;

-- sorted, hashed, indexed, joined, in arrays
SET enable_hashagg = off;
CREATE TABLE sorted AS SELECT h, count(*) FROM random_histories GROUP BY h;
SET enable_hashagg = on;
SET enable_sort = off;
CREATE TABLE hashed AS SELECT h, count(*) FROM random_histories GROUP BY h;
SET enable_sort = on;
SELECT count(*) = (SELECT count(DISTINCT h::text) FROM random_histories) AS groups FROM sorted;
SELECT * FROM sorted EXCEPT ALL SELECT * FROM hashed;
SET enable_mergejoin = off;
SELECT nodes('SELECT FROM sorted JOIN hashed USING (h)');
SELECT count(*) - (SELECT count(*) FROM hashed) FROM sorted JOIN hashed USING (h);
RESET enable_mergejoin;
SET enable_hashjoin = off;
SET enable_nestloop = off;
SELECT nodes('SELECT FROM sorted JOIN hashed USING (h)');
SELECT count(*) - (SELECT count(*) FROM hashed) FROM sorted JOIN hashed USING (h);
RESET enable_hashjoin;
RESET enable_nestloop;
CREATE UNIQUE INDEX ON sorted (h);
CREATE INDEX ON hashed USING hash (h);
SET enable_seqscan = off;
SET enable_bitmapscan = off;
SELECT nodes('SELECT FROM sorted WHERE h = ''{}''');
SELECT nodes('SELECT FROM hashed WHERE h = ''{}''');
SELECT (SELECT count(*) FROM sorted WHERE h = '{}'), (SELECT count(*) FROM hashed WHERE h = '{}');
RESET enable_seqscan;
RESET enable_bitmapscan;
\set VERBOSITY terse
INSERT INTO sorted VALUES ('{}');
\set VERBOSITY default
SELECT ARRAY['{2024-01-05 1 1}', '{}', NULL]::history[],
       '{"{2024-01-05 1 1, 2024-01-06 1 1}",NULL}'::history[],
       '{}'::history = ANY (ARRAY['{2024-01-05 1 1}', '{}']::history[]) AS found;

-- values that are compressed, or stored apart
CREATE TABLE long (n integer, h history);
INSERT INTO long SELECT k, history('1990-01-01'::date + (n * (1 + n % 3)), (n * 37 % 10007) * k * 0.01)
  FROM generate_series(1, 3) k, generate_series(1, 20000) n GROUP BY k;
SELECT n, days(h), pg_column_size(h) < 120000 AS small FROM long ORDER BY n;
SELECT a.n FROM long a, long b WHERE b.n = 1 AND (total(a.h) <> a.n * total(b.h) OR times(a.h) <> 20000);
SELECT total(a.h + b.h - c.h), times(a.h + b.h - c.h), a.h + b.h - c.h + c.h = b.h + a.h AS same
  FROM long a, long b, long c WHERE (a.n, b.n, c.n) = (1, 2, 3);

-- whoever may use the database may work with them, and needs no right
CREATE ROLE regress_history_reader;
SET ROLE regress_history_reader;
SELECT loyalty.total(loyalty.history(day, 2.5), '2024-01-02')
  FROM (VALUES ('2024-01-01'::date), ('2024-01-02')) t (day);
SELECT loyalty.sum(h) OPERATOR(loyalty.-) '{2024-01-01 1 1}' AS difference
  FROM (VALUES ('{2024-01-01 1 1}'::loyalty.history)) t (h) GROUP BY h ORDER BY h;
RESET ROLE;
DROP ROLE regress_history_reader;

RESET search_path;
DROP SCHEMA t_history CASCADE;
-- no program knows of it
SELECT v.* FROM loyalty.programs p, loyalty.verify(p.name) v;
