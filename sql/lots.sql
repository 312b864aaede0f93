-- The type lots: dated points that add up.
-- Tables of cases have what was worked out by hand beside what is computed, and show what differs.
-- There is no program, and so nothing to verify.
\set SHOW_CONTEXT never
\set VERBOSITY default
SET client_min_messages = warning;
CREATE SCHEMA t_lots;
SET search_path = t_lots, loyalty, pg_catalog;

-- what an error says, or how a text comes out
CREATE FUNCTION t_lots.said(input text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
BEGIN
	RETURN input::lots::text;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN sqlstate || ' ' || detail;
END $$;

-- text: what is written, and how it comes back
WITH cases (input, output) AS (VALUES
	('{}', '{}'),
	(E' {\t} \n', '{}'),
	('{1}', '{1}'),
	('{-1.50}', '{-1.5}'),
	('{0.000000000001}', '{0.000000000001}'),
	('{1.0000000000000000000}', '{1}'),
	('{99999999999999999999999999999999999999}', '{99999999999999999999999999999999999999}'),
	('{-0.5}', '{-0.5}'),
	('{wallet 1: 5}', '{5}'),
	('{ wallet  2147483647 : 5 }', '{wallet 2147483647: 5}'),
	-- the order is that of wallets, then of what expires first, then of what was available first
	('{1, 2 from 2026-01-01, 3 until 2027-01-01, 4 from 2026-01-01 until 2027-01-01, wallet 2: 5, 6 until 2026-12-31}',
	 '{6 until 2026-12-31T00:00:00Z, 3 until 2027-01-01T00:00:00Z, 4 from 2026-01-01T00:00:00Z until 2027-01-01T00:00:00Z, '
	 '1, 2 from 2026-01-01T00:00:00Z, wallet 2: 5}'),
	-- lots that come twice are added, with the decimals of both, and are not there if nothing is left
	('{1, 0.25, 2}', '{3.25}'),
	('{1.5, 2 until 2026-01-01, -1.5}', '{2 until 2026-01-01T00:00:00Z}'),
	('{1, -1}', '{}'),
	('{0.5, 0.5}', '{1}'),
	-- moments
	('{1 from 2026-01-15T10:20:30.5Z}', '{1 from 2026-01-15T10:20:30.5Z}'),
	('{1 from 2026-01-15T10:20:30.500000Z}', '{1 from 2026-01-15T10:20:30.5Z}'),
	('{1 from 2026-01-15T10:20:30.000001Z}', '{1 from 2026-01-15T10:20:30.000001Z}'),
	('{1 from 2024-02-29 until 2024-02-29T23:59:59.999999Z}', '{1 from 2024-02-29T00:00:00Z until 2024-02-29T23:59:59.999999Z}'),
	('{1 from 1999-12-31T23:59:59.999999Z}', '{1 from 1999-12-31T23:59:59.999999Z}'),
	('{1 from 1969-12-31T23:29:59Z until 1969-12-31T23:30:00Z}', '{1 from 1969-12-31T23:29:59Z until 1969-12-31T23:30:00Z}'),
	('{1 from 0001-01-01}', '{1 from 0001-01-01T00:00:00Z}'),
	('{1 from 0000-02-29}', '{1 from 0000-02-29T00:00:00Z}'),
	('{1 from -0043-03-15}', '{1 from -0043-03-15T00:00:00Z}'),
	('{1 from -4713-11-24}', '{1 from -4713-11-24T00:00:00Z}'),
	('{1 until 12026-01-01}', '{1 until 12026-01-01T00:00:00Z}'),
	('{1 until 294276-12-31T23:59:59.999999Z}', '{1 until 294276-12-31T23:59:59.999999Z}'),
	-- a lot that expires before it is available is one that never is
	('{1 from 2027-01-01 until 2026-01-01}', '{1 from 2027-01-01T00:00:00Z until 2026-01-01T00:00:00Z}'))
SELECT input, said(input) FROM cases WHERE said(input) <> output OR said(output) <> output;
-- -0043 is 44 BC
SELECT lots_of(1, '0044-03-15 00:00:00+00 BC') = '{1 from -0043-03-15}' AS astronomical;

-- the detail says what is wrong with what
WITH cases (input, detail) AS (VALUES
	('', '22P02 The text ends where an opening brace should be.'),
	('1', '22P02 "1" stands where an opening brace should be.'),
	('{', '22P02 The text ends where points, such as 12.5, should be.'),
	('{1', '22P02 The text ends where a comma or a closing brace should be.'),
	('{1}}', '22P02 "}" stands where the end should be.'),
	('{1} x', '22P02 "x" stands where the end should be.'),
	('{,1}', '22P02 ",1}" stands where points, such as 12.5, should be.'),
	('{1,}', '22P02 "}" stands where points, such as 12.5, should be.'),
	('{1 2}', '22P02 "2}" stands where a comma or a closing brace should be.'),
	('{0}', '22P02 "0}" stands where a number of points other than 0 should be.'),
	('{-0.00}', '22P02 "0.00}" stands where a number of points other than 0 should be.'),
	('{01}', '22P02 "01}" stands where points, such as 12.5, should be.'),
	('{+1}', '22P02 "+1}" stands where points, such as 12.5, should be.'),
	('{- 1}', '22P02 " 1}" stands where points, such as 12.5, should be.'),
	('{.5}', '22P02 ".5}" stands where points, such as 12.5, should be.'),
	('{5.}', '22P02 "5.}" stands where points, such as 12.5, should be.'),
	('{1e3}', '22P02 "1e3}" stands where points, such as 12.5, should be.'),
	('{NaN}', '22P02 "NaN}" stands where points, such as 12.5, should be.'),
	('{Infinity}', '22P02 "Infinity}" stands where points, such as 12.5, should be.'),
	('{1from 2026-01-01}', '22P02 "1from 2026-01-01}" stands where points, such as 12.5, should be.'),
	('{1 From 2026-01-01}', '22P02 "From 2026-01-01}" stands where a comma or a closing brace should be.'),
	('{1 until 2026-01-01 from 2026-01-01}', '22P02 "from 2026-01-01}" stands where a comma or a closing brace should be.'),
	('{wallet: 1}', '22P02 ": 1}" stands where the number of a wallet, from 1 on, should be.'),
	('{wallet 0: 1}', '22P02 "0: 1}" stands where the number of a wallet, from 1 on, should be.'),
	('{wallet -1: 1}', '22P02 "-1: 1}" stands where the number of a wallet, from 1 on, should be.'),
	('{wallet 01: 1}', '22P02 "01: 1}" stands where the number of a wallet, from 1 on, should be.'),
	('{wallet 2147483648: 1}', '22P02 "2147483648: 1}" stands where the number of a wallet, from 1 on, should be.'),
	('{wallet 99999999999999999999: 1}', '22P02 "99999999999999999999: 1}" stands where the number of a wallet, from 1 on, should be.'),
	('{wallet 2 1}', '22P02 "1}" stands where a colon should be.'),
	('{wallet2: 1}', '22P02 "wallet2: 1}" stands where points, such as 12.5, should be.'),
	('{ä}', '22P02 "ä}" stands where points, such as 12.5, should be.'))
SELECT input, said(input) FROM cases WHERE said(input) IS DISTINCT FROM detail;
-- an error shows no more of a text than this, and no half of a letter
SELECT said('{1, ' || repeat('ä', 100) || '}');
SELECT said('{1' || repeat('0', 100000) || '}');
-- moments that no output has
SELECT moment, said('{1 from ' || moment || '}')
  FROM unnest('{2026-1-01,26-01-01,02026-01-01,+2026-01-01,2026-00-01,2026-13-01,2026-01-00,2026-01-32,2026-02-29,1900-02-29,
                2026-01-01Z,2026-01-01T,2026-01-01T00:00Z,2026-01-01T00:00:00,2026-01-01T24:00:00Z,2026-01-01T00:60:00Z,
                2026-01-01T00:00:60Z,2026-01-01T00:00:00.Z,2026-01-01T00:00:00.0000001Z,2026-01-01T00:00:00+00,2026-01-01t00:00:00z,
                20260101,2026-01-01T00:00:00Zx,-0000-01-01,infinity,-infinity,now,294277-01-01,1000000-01-01,-4713-11-23}'::text[]) moment
 WHERE said('{1 from ' || moment || '}') <>
       '22P02 "' || moment || '}" stands where a moment in UTC, such as 2026-12-31T23:00:00Z, or a day should be.';
-- numbers that are too large
SELECT said('{0.0000000000001}');
SELECT said('{100000000000000000000000000000000000000}');
SELECT said('{9999999999999999999999999999999999999.5}'), said('{0.5, 9999999999999999999999999999999999999}');
SELECT said('{99999999999999999999999999999999999999, 0.5}');
SELECT said('{99999999999999999999999999999999999999, 1}');
-- the whole error, and its hint works
SELECT '{100, 50 until tomorrow}'::lots;
SELECT '{100, 50 from 2026-01-15 until 2026-12-31T23:00:00Z, wallet 2: 30}'::lots;

-- no setting changes what is written or read
SET DateStyle = 'German, DMY';
SET IntervalStyle = 'sql_standard';
SET TimeZone = 'Pacific/Chatham';
SET lc_numeric = 'C';
SET extra_float_digits = 0;
SELECT '{1.5 from 2026-02-01T00:00:00Z until 2027-01-02}'::lots;
RESET DateStyle;
RESET IntervalStyle;
RESET TimeZone;
RESET lc_numeric;
RESET extra_float_digits;
SET TimeZone = 'UTC';

-- lots_of
WITH cases (made, output) AS (VALUES
	(lots_of(5), '{5}'),
	(lots_of(5.50, '2026-01-01 12:00+02'), '{5.5 from 2026-01-01T10:00:00Z}'),
	(lots_of(-5, expires_at => '2026-01-01 00:00+00', wallet => 7), '{wallet 7: -5 until 2026-01-01T00:00:00Z}'),
	(lots_of(5, NULL, NULL, NULL), '{5}'),
	(lots_of(0.00, '2026-01-01', wallet => 2), '{}'),
	(lots_of(NULL), NULL))
SELECT made, output FROM cases WHERE made::text IS DISTINCT FROM output;
SELECT lots_of(5, 'infinity');
SELECT lots_of(5, expires_at => '-infinity');
SELECT lots_of(5, wallet => 0);
SELECT lots_of(0, wallet => -1);
SELECT lots_of('NaN');
SELECT lots_of(0.1234567890123);
SELECT lots_of(1e38);

-- adding
WITH cases (made, output) AS (VALUES
	('{100}'::lots + '{-30}', '{70}'),
	('{100 until 2027-01-01}'::lots + '{100}', '{100 until 2027-01-01T00:00:00Z, 100}'),
	('{1.25}'::lots + '{0.75}', '{2}'),
	('{1.25}'::lots - '{0.75}', '{0.5}'),
	('{1}'::lots - '{1}', '{}'),
	('{}'::lots - '{1, wallet 2: -1}', '{-1, wallet 2: 1}'),
	(-'{1, 2 until 2027-01-01}'::lots, '{-2 until 2027-01-01T00:00:00Z, -1}'),
	('{1}'::lots + NULL, NULL),
	(-NULL::lots, NULL))
SELECT made, output FROM cases WHERE made::text IS DISTINCT FROM output;
SELECT '{99999999999999999999999999999999999999}'::lots + '{1}';
SELECT '{-99999999999999999999999999999999999999}'::lots - '{1}';
SELECT '{99999999999999999999999999999999999999}'::lots + '{0.1 until 2026-01-01}';

-- sum
SELECT sum(l) IS NULL AS none FROM (SELECT NULL::lots UNION ALL SELECT NULL) v(l);
SELECT sum(l) FROM (VALUES ('{1}'::lots), (NULL), ('{2.5 until 2026-01-01}'), ('{3}'), ('{-2.5 until 2026-01-01}')) v(l);
SELECT sum(l) FROM (VALUES ('{1}'::lots), ('{-1}')) v(l);
-- in a window that moves, of two rows each: of 1, null, null, 2 and -2
SELECT n, sum(l) OVER (ORDER BY n ROWS 1 PRECEDING)
  FROM (VALUES (1, '{1}'::lots), (2, NULL), (3, NULL), (4, '{2}'), (5, '{-2}')) v(n, l) ORDER BY n;
-- what is read: 40.5 until March, 100 for ever, 60 from February to June, and in wallet 3 a debt of 5 and 7 until February
CREATE TABLE t_lots.one AS SELECT '{40.5 until 2026-03-01, 100, 60 from 2026-02-01 until 2026-06-01, wallet 3: -5, wallet 3: 7 until 2026-02-01}'::lots AS l;
WITH cases (n, got, expected) AS (SELECT v.* FROM t_lots.one, LATERAL (VALUES
	(1, total(l), 202.5),
	(2, total(l, 3), 2),
	(3, total(l, 2), 0),
	(4, total('{}'::lots), 0),
	(5, available(l, '2026-01-01'), 142.5),		-- 40.5 + 100 - 5 + 7
	(6, pending(l, '2026-01-01'), 60),
	(7, expired(l, '2026-01-01'), 0),
	(8, available(l, '2026-02-01'), 195.5),		-- 40.5 + 100 + 60 - 5
	(9, pending(l, '2026-02-01'), 0),
	(10, expired(l, '2026-02-01'), 7),			-- at its last moment a lot is expired
	(11, available(l, '2026-03-01', 1), 160),
	(12, expired(l, '2026-03-01', 1), 40.5),
	(13, available(l, '2026-03-01', 3), -5),
	(14, expired(l, '2030-01-01'), 107.5),
	(15, available('{1 from 2027-01-01 until 2026-01-01}', '2026-06-01'), 0),
	(16, expired('{1 from 2027-01-01 until 2026-01-01}', '2026-06-01'), 1),
	(17, pending('{1 from 2027-01-01 until 2026-01-01}', '2025-06-01'), 1),
	(18, expiring(l, '2026-02-01', '2026-06-01'), 100.5),
	(19, expiring(l, '2026-01-31', '2026-06-01'), 107.5),
	(20, expiring(l, '2026-01-31', '2026-06-01', 3), 7),
	(21, expiring(l, '-infinity', 'infinity'), 107.5),
	(22, expiring(l, '2026-06-01', '2026-02-01'), 0),
	(23, total('{99999999999999999999999999999999999999, -1 until 2026-01-01}'::lots), 99999999999999999999999999999999999998),
	(24, total(NULL::lots), NULL), (25, available(l, NULL), NULL), (26, expiring(l, NULL, '2026-01-01'), NULL),
	(27, expiring(l, '2026-01-01', NULL), NULL)) v)
SELECT * FROM cases WHERE got IS DISTINCT FROM expected OR scale(got) <> scale(expected);
SELECT next_expiry(l, '2026-01-01'), next_expiry(l, '2026-02-01'), next_expiry(l, '2026-01-01', 1), next_expiry(l, '2026-06-01') AS none FROM t_lots.one;
SELECT next_expiry('{-1 until 2026-01-01, 1 until 2026-01-02}', '2025-01-01'), next_expiry('{1}', '2025-01-01') AS none, next_expiry('{}', NULL) AS none;
SELECT u.* FROM t_lots.one, unnest(l) u;
SELECT count(*) FROM unnest('{}'::lots);
SELECT count(*) FROM unnest(NULL::lots);
SELECT available('{1}', 'infinity');
SELECT next_expiry('{1}', '-infinity');
SELECT total('{1}', 0);
SELECT total('{99999999999999999999999999999999999999, 1 until 2026-01-01}'::lots);

-- taking
WITH cases (n, got, taken, rest) AS (SELECT v.n, v.t::text, v.taken, v.rest FROM t_lots.one, LATERAL (VALUES
	-- soonest expiring first, and of those with the same moment what was available first
	(1, _loyalty.take(l, 50, '2026-01-01'), '{-40.5 until 2026-03-01, -9.5}', 0),
	-- all wallets in their order: nothing of what is pending; of wallet 3 the 2 that are more than its debt
	(2, _loyalty.take(l, 1000, '2026-01-01'), '{-40.5 until 2026-03-01, -100, wallet 3: -2 until 2026-02-01}', 857.5),
	(3, _loyalty.take(l, 1000, '2026-02-01'), '{-40.5 until 2026-03-01, -60 from 2026-02-01 until 2026-06-01, -100}', 799.5),
	-- the order of wallets, of which those that are not named are left alone
	(4, _loyalty.take(l, 5, '2026-01-01', '{3,1}'), '{wallet 3: -2 until 2026-02-01, -3 until 2026-03-01}', 0),
	(5, _loyalty.take(l, 5, '2026-01-01', '{3}'), '{wallet 3: -2 until 2026-02-01}', 3),
	(6, _loyalty.take(l, 5, '2026-01-01', '{2,3,3}'), '{wallet 3: -2 until 2026-02-01}', 3),
	(7, _loyalty.take(l, 0, '2026-01-01'), '{}', 0),
	(8, _loyalty.take('{}', 5.25, '2026-01-01'), '{}', 5.25),
	(9, _loyalty.take('{3}', 1.000000000001, '2026-01-01'), '{-1.000000000001}', 0),
	(10, _loyalty.take('{5 from 2026-01-02, 5 from 2026-01-01, 5}', 7, '2026-02-01'), '{-5, -2 from 2026-01-01}', 0),
	(11, _loyalty.take('{-5}', 1, '2026-01-01'), '{}', 1),
	(12, _loyalty.take('{5 until 2026-01-01}', 1, '2026-01-01'), '{}', 1),
	(13, _loyalty.take('{wallet 2147483647: 5, 5}', 7, '2026-01-01'), '{-5, wallet 2147483647: -2}', 0),
	-- first from what an order gave, the pending of it too
	(14, _loyalty.take_from(l, '{60 from 2026-02-01 until 2026-06-01, 10}', 65, '2026-01-01'), '{-60 from 2026-02-01 until 2026-06-01, -5}', 0),
	(15, _loyalty.take_from(l, '{60 from 2026-02-01 until 2026-06-01, 10}', 65, '2026-01-01', false), '{-10, -55 from 2026-02-01 until 2026-06-01}', 0),
	-- as much as it gave and no more, then as usual
	(16, _loyalty.take_from(l, '{10.25}', 30, '2026-01-01'), '{-10.25, -19.75 until 2026-03-01}', 0),
	-- as much as there is left of it
	(17, _loyalty.take_from('{3, 50 until 2027-01-01}', '{10}', 10, '2026-01-01'), '{-3, -7 until 2027-01-01}', 0),
	-- what is expired is gone, and other lots that are pending are none of it
	(18, _loyalty.take_from('{3 until 2026-01-01, 4 from 2027-01-01}', '{3 until 2026-01-01}', 5, '2026-01-01'), '{}', 5),
	-- the order of wallets is for the others alone
	(19, _loyalty.take_from('{wallet 2: 5, 5, wallet 3: 5}', '{wallet 2: 2}', 4, '2026-01-01', true, '{3}'), '{wallet 2: -2, wallet 3: -2}', 0),
	(20, _loyalty.take(NULL, 1, '2026-01-01'), NULL, NULL),
	(21, _loyalty.take(l, NULL, '2026-01-01'), NULL, NULL),
	(22, _loyalty.take(l, 1, NULL), NULL, NULL)) v(n, t, taken, rest))
SELECT * FROM cases WHERE got IS DISTINCT FROM CASE WHEN taken IS NOT NULL THEN ROW(taken::lots, rest)::text END;
SELECT _loyalty.expire(l, '2026-02-01') AS february, _loyalty.expire(l, '2026-03-01') AS march,
       _loyalty.expire(l, '2026-01-01') AS january FROM t_lots.one;
SELECT _loyalty.expire('{-1 until 2026-01-01}', '2026-01-01');
SELECT _loyalty.take('{1}', -1, '2026-01-01');
SELECT _loyalty.take('{1}', 1, 'infinity');
SELECT _loyalty.take('{1}', 1, '2026-01-01', '{}');
SELECT _loyalty.take('{1}', 1, '2026-01-01', '{1,NULL}');
SELECT _loyalty.take('{1}', 1, '2026-01-01', '{1,0}');
SELECT _loyalty.take('{1}', 'NaN', '2026-01-01');
SELECT _loyalty.expire('{1}', '-infinity');

-- examples of other systems, by the numbers of our list
-- WE-061: 100 come, 30 are used
SELECT total(l) AS "balance 70", l AS "lot 70" FROM (SELECT '{100}'::lots + (_loyalty.take('{100}', 30, '2026-01-01')).taken) v(l);
-- WE-063: 100 never expire and 100 do in 2027; 100 are used
SELECT a + (_loyalty.take(a, 100, '2026-06-01')).taken AS "never 100" FROM (SELECT lots_of(100) + lots_of(100, expires_at => '2027-01-01')) v(a);
-- WE-065: 100 until 2027-01-01 and 40 that never expire; on 2027-01-02 the first lot does
SELECT total(a + _loyalty.expire(a, '2027-01-02')) AS "balance 40", available(a, '2027-01-02') AS "40 without an entry"
  FROM (SELECT lots_of(100, expires_at => '2027-01-01') + lots_of(40)) v(a);
-- WE-067: 100 until February, 200 until June, 50 for ever
SELECT expiring(a, '2026-01-01', '2026-03-01') AS "100", expiring(a, '2026-01-01', '2026-07-01') AS "300"
  FROM (SELECT '{100 until 2026-02-01, 200 until 2026-06-01, 50}'::lots) v(a);
-- WE-081: points are used, their lot expires, and the redemption is cancelled: they come back with their date, expired
SELECT total(after) AS "total 100", available(after, '2026-04-01') AS "available 0", expired(after, '2026-04-01') AS "expired 100"
  FROM (SELECT '{100 until 2026-03-01}'::lots) v(a), _loyalty.take(a, 80, '2026-02-01') t,
       LATERAL (SELECT a + taken) b(used), LATERAL (SELECT used + -taken) c(after);
-- WE-083: 5000 of high priority and 5000 of low, each in a wallet; 6000 are used
SELECT total(b, 2) AS "high 0", total(b, 1) AS "low 4000"
  FROM (SELECT '{wallet 2: 5000, wallet 1: 5000}'::lots) v(a), _loyalty.take(a, 6000, '2026-01-01', '{2,1}') t, LATERAL (SELECT a + taken) w(b);
-- WE-085: 1000 each: granted and purchased of priority 1, granted earlier, granted later and purchased of priority 2; 3500 are used
SELECT b AS "500 granted later, 1000 purchased"
  FROM (SELECT '{wallet 1: 1000, wallet 2: 1000, wallet 3: 1000 from 2026-01-01, wallet 3: 1000 from 2026-02-01, wallet 4: 1000}'::lots) v(a),
       _loyalty.take(a, 3500, '2026-03-01', '{1,2,3,4}') t, LATERAL (SELECT a + taken) w(b);
-- WE-087: 3000 are taken from a lot of 5000 that is named, though another one of 10000 expires before
SELECT b AS "10000 and 2000"
  FROM (SELECT '{10000 until 2026-12-01, 5000 until 2027-01-01}'::lots) v(a),
       _loyalty.take_from(a, '{5000 until 2027-01-01}', 3000, '2026-01-01') t, LATERAL (SELECT a + taken) w(b);
-- WE-089: lots of 5000 and then 3000; 6000 are used first in, first out
SELECT taken AS "5000 and 1000", rest FROM _loyalty.take('{5000 from 2026-01-01, 3000 from 2026-01-02}', 6000, '2026-01-03');

-- laws, over random values: few moments and wallets, so that many lots meet
CREATE FUNCTION t_lots.some_lots(most int, lowest int) RETURNS lots LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
	SELECT coalesce(loyalty.sum(loyalty.lots_of(
			((lowest + random() * (1000 - lowest))::int * (ARRAY[1, 0.1, 0.01, 0.000001])[1 + (random() * 3)::int])::numeric,
			CASE WHEN random() < 0.6 THEN timestamptz '2026-01-01 00:00+00' + (random() * 5)::int * (ARRAY['1 day', '1 hour', '1.25 s'])[1 + (random() * 2)::int]::interval END,
			CASE WHEN random() < 0.7 THEN timestamptz '2026-01-03 00:00+00' + (random() * 5)::int * (ARRAY['1 day', '1 microsecond', '17 min'])[1 + (random() * 2)::int]::interval END,
			1 + (random() * random() * 3)::int)), '{}')
	  FROM generate_series(1, (random() * most)::int)
$$;
SELECT setseed(0.42);
CREATE TABLE t_lots.r AS
	SELECT n, some_lots(6, -1000) AS a, some_lots(6, -1000) AS b, some_lots(3, -1000) AS c, some_lots(8, 0) AS account,
	       round((power(random(), 3) * 2000)::numeric, (random() * 3)::int) AS points,
	       timestamptz '2026-01-01 00:00+00' + random() * interval '8 days' AS at,
	       (ARRAY['{1,2,3,4}', '{4,3,2,1}', '{2,1}', '{3}', NULL])[1 + (random() * 4)::int]::int[] AS wallets
	  FROM generate_series(1, 3000) n;
SELECT count(*) FILTER (WHERE a <> '{}') > 2000 AS mostly_some, count(DISTINCT a) > 2000 AS different FROM t_lots.r;
-- an addition is commutative and associative, and has an inverse
SELECT n, a, b, c FROM t_lots.r
 WHERE a + b <> b + a OR (a + b) + c <> a + (b + c) OR a + -a <> '{}' OR a - b <> a + -b OR (a + b) - b <> a OR -(-a) <> a OR a + '{}' <> a;
-- it is what numbers in rows would be
SELECT n, a, b FROM t_lots.r
 WHERE EXISTS (
	(SELECT wallet, available_at, expires_at, sum(points) FROM (SELECT * FROM unnest(a) UNION ALL SELECT * FROM unnest(b)) u
	  GROUP BY 1, 2, 3 HAVING sum(points) <> 0
	 EXCEPT SELECT * FROM unnest(a + b))
	UNION ALL
	(SELECT * FROM unnest(a + b)
	 EXCEPT SELECT wallet, available_at, expires_at, sum(points) FROM (SELECT * FROM unnest(a) UNION ALL SELECT * FROM unnest(b)) u
	  GROUP BY 1, 2, 3));
-- text reads as what it was; values are equal if their texts are, and then their hashes are, too
SELECT n, a FROM t_lots.r WHERE a::text::lots <> a OR a::text::lots::text <> a::text;
SELECT x.n, y.n FROM t_lots.r x JOIN t_lots.r y ON y.n BETWEEN x.n AND x.n + 40
 WHERE (x.c = y.c) <> (x.c::text = y.c::text) OR (x.c = y.c) = (x.c <> y.c)
    OR (x.c = y.c AND _loyalty.lots_hash(x.c) <> _loyalty.lots_hash(y.c))
    OR (x.c = y.c AND _loyalty.lots_hash_extended(x.c, 7) <> _loyalty.lots_hash_extended(y.c, 7));
SELECT n, a FROM t_lots.r WHERE _loyalty.lots_hash(a)::bigint & 4294967295 <> _loyalty.lots_hash_extended(a, 0) & 4294967295;
-- the order is total, and all six comparisons agree
SELECT x.n, y.n FROM t_lots.r x JOIN t_lots.r y ON y.n BETWEEN x.n AND x.n + 40
 WHERE (x.c < y.c)::int + (x.c = y.c)::int + (x.c > y.c)::int <> 1
    OR (x.c <= y.c) <> (x.c < y.c OR x.c = y.c) OR (x.c >= y.c) <> (x.c > y.c OR x.c = y.c)
    OR _loyalty.lots_cmp(x.c, y.c) <> -_loyalty.lots_cmp(y.c, x.c) OR sign(_loyalty.lots_cmp(x.c, y.c)) <> (x.c > y.c)::int - (x.c < y.c)::int;
SELECT count(*) AS not_in_order FROM (SELECT c, lag(c) OVER (ORDER BY c) AS before, lag(c, 2) OVER (ORDER BY c) AS before_that FROM t_lots.r) v
 WHERE c < before OR c < before_that;

-- sums: one after the other, in any split, in a window, in parallel
DO $$
DECLARE
	one_by_one loyalty.lots := '{}';
	r record;
BEGIN
	FOR r IN SELECT a FROM t_lots.r LOOP
		one_by_one := one_by_one OPERATOR(loyalty.+) r.a;
	END LOOP;
	CREATE TABLE t_lots.total AS SELECT one_by_one;
END $$;
SELECT (SELECT sum(a) FROM t_lots.r) = one_by_one AS whole,
       (SELECT sum(a ORDER BY n % 17, n DESC) FROM t_lots.r) = one_by_one AS in_another_order,
       (SELECT sum(part) FROM (SELECT sum(a) AS part FROM t_lots.r GROUP BY n % 7) v) = one_by_one AS in_parts,
       (SELECT sum(a + b) - sum(b) FROM t_lots.r) = one_by_one AS by_terms,
       (SELECT sum(a - b) + sum(b) FROM t_lots.r) = one_by_one AS by_differences
  FROM t_lots.total;
SELECT count(*) AS windows_that_differ FROM
	(SELECT n, sum(a) OVER (ORDER BY n ROWS 3 PRECEDING) AS moving, a + coalesce(lag(a) OVER w, '{}') + coalesce(lag(a, 2) OVER w, '{}') + coalesce(lag(a, 3) OVER w, '{}') AS plain
	   FROM t_lots.r WINDOW w AS (ORDER BY n)) v WHERE moving <> plain;
-- the settings that make any plan parallel have another name from 16 on
SELECT set_config(name, CASE name WHEN 'max_parallel_workers_per_gather' THEN '2' ELSE '0' END, false) IS NULL AS set FROM pg_settings
 WHERE name IN ('parallel_setup_cost', 'parallel_tuple_cost', 'min_parallel_table_scan_size', 'max_parallel_workers_per_gather');
ALTER TABLE t_lots.r SET (parallel_workers = 2);
EXPLAIN (COSTS OFF) SELECT sum(a) FROM t_lots.r;
SELECT (SELECT sum(a) FROM t_lots.r) = one_by_one AS parallel FROM t_lots.total;
SELECT count(*) AS groups_that_differ FROM
	(SELECT n % 10 AS part, sum(a) AS s FROM t_lots.r GROUP BY 1) p
	JOIN (SELECT n % 10 AS part, sum(a ORDER BY n) AS s FROM t_lots.r GROUP BY 1) q USING (part) WHERE p.s <> q.s;
SELECT count(*) AS nulls FROM (SELECT sum(nullif(a, a)) AS s FROM t_lots.r) v WHERE s IS NULL;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
RESET max_parallel_workers_per_gather;
-- many lots, which are put in order many times: 20,000 moments, thrice, and half of them away again
SELECT count(*), sum(points) FROM unnest((
	SELECT sum(lots_of(CASE WHEN n < 40000 THEN 1 WHEN n % 2 = 0 THEN -2 ELSE 0.5 END, timestamptz '2026-01-01 00:00+00' + (n * 7919 % 20000) * interval '1 minute'))
	  FROM generate_series(0, 59999) n));

-- reading: the three states make up the total, and agree with the rows
SELECT n, a, at FROM t_lots.r
 WHERE available(a, at) + pending(a, at) + expired(a, at) <> total(a)
    OR available(a, at, 2) + pending(a, at, 2) + expired(a, at, 2) <> total(a, 2)
    OR total(a + b) <> total(a) + total(b) OR available(a + b, at) <> available(a, at) + available(b, at)
    OR expired(a, at) <> expiring(a, '-infinity', at)
    OR (total(a), available(a, at), pending(a, at, 1), expiring(a, at, at + interval '2 days'), next_expiry(a, at)) IS DISTINCT FROM
       (SELECT (coalesce(sum(points), 0), coalesce(sum(points) FILTER (WHERE available_at <= at AND expires_at > at), 0),
                coalesce(sum(points) FILTER (WHERE available_at > at AND expires_at > at AND wallet = 1), 0),
                coalesce(sum(points) FILTER (WHERE expires_at > at AND expires_at <= at + interval '2 days'), 0),
                min(expires_at) FILTER (WHERE expires_at > at AND points > 0 AND expires_at < 'infinity')) FROM unnest(a));

-- taking from accounts that have nothing below zero: what rows in their order give
CREATE VIEW t_lots.taken AS
	SELECT r.*, t.taken, t.rest FROM t_lots.r, _loyalty.take(account, points, at, wallets) t;
SELECT n, account, points, at, wallets, taken, rest FROM t_lots.taken
 WHERE EXISTS (SELECT FROM unnest(account + taken) WHERE points < 0)
    OR EXISTS (SELECT FROM unnest(taken) u WHERE u.points >= 0 OR u.available_at > at OR u.expires_at <= at OR u.wallet <> ALL (wallets))
    OR rest < 0 OR total(taken) <> rest - points
    OR (rest > 0 AND available(account + taken, at) <> coalesce((SELECT sum(available(account, at, w)) FROM generate_series(1, 4) w WHERE w <> ALL (wallets)), 0))
    OR taken <> coalesce((SELECT sum(lots_of(-least(o.points, greatest(r.points - o.before, 0)), o.available_at, o.expires_at, o.wallet))
		FROM t_lots.r, LATERAL (SELECT u.*, coalesce(sum(u.points) OVER (ORDER BY array_position(coalesce(r.wallets, '{1,2,3,4}'), u.wallet), u.expires_at, u.available_at
				ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS before
			FROM unnest(r.account) u WHERE u.available_at <= r.at AND u.expires_at > r.at AND u.wallet = ANY (coalesce(r.wallets, '{1,2,3,4}'))) o
		WHERE r.n = taken.n), '{}');
SELECT count(*) FILTER (WHERE rest = 0 AND taken <> '{}') > 500 AS many_had_enough, count(*) FILTER (WHERE rest > 0 AND taken <> '{}') > 500 AS many_had_not FROM t_lots.taken;
-- from others: no lot falls below zero, and no wallet gives more than is available in it
SELECT n, a, points, at, taken, rest FROM t_lots.r, _loyalty.take(a, points, at) t
 WHERE EXISTS (SELECT FROM unnest(taken) u JOIN unnest(a) l USING (wallet, available_at, expires_at) WHERE u.points >= 0 OR l.points + u.points < 0)
    OR (SELECT count(*) FROM unnest(taken) u JOIN unnest(a) l USING (wallet, available_at, expires_at)) <> (SELECT count(*) FROM unnest(taken))
    OR total(taken) <> rest - points
    OR EXISTS (SELECT FROM generate_series(1, 4) w WHERE -total(taken, w) > greatest(available(a, at, w), 0)
               OR (rest > 0 AND -total(taken, w) <> greatest(available(a, at, w), 0)));
-- from lots that are preferred: those give first, as much as they can; what is left is taken as usual
SELECT n, account, b, points, at, taken, rest FROM
	(SELECT r.*, t.*, n % 2 = 0 AS pending_first FROM t_lots.r, _loyalty.take_from(account, b, points, at, n % 2 = 0, wallets) t) v,
	LATERAL (SELECT coalesce(sum(least(l.points, p.points)), 0) AS most,
			coalesce(sum(least(l.points, p.points)) FILTER (WHERE (l.available_at > at) = pending_first), 0) AS first,
			coalesce(-sum(t.points) FILTER (WHERE (l.available_at > at) = pending_first), 0) AS first_taken,
			coalesce(-sum(t.points), 0) AS own
		FROM unnest(account) l JOIN unnest(b) p USING (wallet, available_at, expires_at)
		LEFT JOIN unnest(taken) t USING (wallet, available_at, expires_at) WHERE l.expires_at > at AND p.points > 0) m
 WHERE EXISTS (SELECT FROM unnest(account + taken) WHERE points < 0) OR total(taken) <> rest - points
    OR own < least(most, points) OR first_taken < least(first, points)
    OR (rest > 0 AND wallets IS NULL AND available(account + taken, at) <> 0);
-- preferring nothing is taking
SELECT n FROM t_lots.r, _loyalty.take(account, points, at, wallets) t, _loyalty.take_from(account, '{}', points, at, true, wallets) f WHERE t <> f;
-- an expiry leaves nothing expired, and all else; twice is as once; daily is as at the end
SELECT n, account, at FROM t_lots.r, LATERAL (SELECT account + _loyalty.expire(account, at)) e(after)
 WHERE expired(after, at) <> 0 OR available(after, at) <> available(account, at) OR pending(after, at) <> pending(account, at)
    OR _loyalty.expire(after, at) <> '{}' OR after + _loyalty.expire(after, at + interval '1 day') <> account + _loyalty.expire(account, at + interval '1 day');

-- what one does with a type: tables, indexes, joins, arrays, nulls
CREATE TABLE t_lots.kept (n int, l lots, list lots[], CHECK (total(l) > -1e30));
INSERT INTO t_lots.kept SELECT n, nullif(c, '{}'), ARRAY[a, b, NULL] FROM t_lots.r;
CREATE INDEX kept_btree ON t_lots.kept (l);
CREATE INDEX kept_hash ON t_lots.kept USING hash (l);
ANALYZE t_lots.kept;
SET enable_seqscan = off;
SELECT count(*) AS differ FROM t_lots.r WHERE c <> '{}' AND n < 200 AND n NOT IN (SELECT k.n FROM t_lots.kept k WHERE k.l = r.c);
SET enable_indexscan = off;
SET enable_bitmapscan = off;
RESET enable_seqscan;
SELECT count(*) AS differ FROM t_lots.r WHERE c <> '{}' AND n < 200 AND n NOT IN (SELECT k.n FROM t_lots.kept k WHERE k.l = r.c);
RESET enable_indexscan;
RESET enable_bitmapscan;
SET enable_mergejoin = off;
SET enable_nestloop = off;
EXPLAIN (COSTS OFF) SELECT count(*) FROM t_lots.kept x JOIN t_lots.kept y ON x.l = y.l;
CREATE TABLE t_lots.joins AS SELECT count(*) AS hash FROM t_lots.kept x JOIN t_lots.kept y ON x.l = y.l;
RESET enable_mergejoin;
SET enable_hashjoin = off;
SELECT hash = (SELECT count(*) FROM t_lots.kept x JOIN t_lots.kept y ON x.l = y.l) AS joins_agree,
       hash = (SELECT sum(times * times) FROM (SELECT count(*) AS times FROM t_lots.kept GROUP BY l::text HAVING l::text IS NOT NULL) v) AS as_by_text FROM t_lots.joins;
RESET enable_hashjoin;
RESET enable_nestloop;
SELECT count(DISTINCT l) = count(DISTINCT l::text) AS distinct_as_by_text FROM t_lots.kept;
SELECT count(*) = (SELECT count(DISTINCT l) FROM t_lots.kept) + 1 AS groups_with_null FROM (SELECT l FROM t_lots.kept GROUP BY l) v;
SELECT count(*) AS differ FROM t_lots.kept k JOIN t_lots.r USING (n) WHERE list <> ARRAY[a, b, NULL] OR list[1] <> a OR list::text::lots[] <> list;
-- one that is long is compressed, and stored elsewhere
CREATE TABLE t_lots.long AS SELECT sum(lots_of(n, timestamptz '2026-01-01 00:00+00' + n * interval '1 s')) AS l FROM generate_series(1, 20000) n;
SELECT total(l) = 20000 * 20001 / 2 AS sum, l = l::text::lots AS same FROM t_lots.long;

DROP SCHEMA t_lots CASCADE;
