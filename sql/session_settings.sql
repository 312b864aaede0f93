-- No setting of a session decides what an order is worth, nor what verify() or a view says: not of
-- the one that inserts, nor of the one that posts, verifies or reads.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';
SET jit = off;
\set now 'SELECT id, points, trim_scale(lifetime_value), orders, tier FROM club.members ORDER BY 1;'
\set verify 'SELECT * FROM loyalty.verify(''club'');'
CREATE SCHEMA t_settings;
CREATE TABLE t_settings.customers (id int PRIMARY KEY, created_at timestamptz);
INSERT INTO t_settings.customers VALUES (1, '2019-01-01 02:00+00'), (2, '2020-05-31 20:00+00');
-- two sessions that differ in all settings
CREATE FUNCTION t_settings.here() RETURNS void LANGUAGE sql AS $$
	SELECT set_config(name, value, false) FROM (VALUES ('TimeZone', 'UTC'), ('DateStyle', 'ISO, MDY'),
		('IntervalStyle', 'postgres'), ('bytea_output', 'hex'), ('extra_float_digits', '1'),
		('xmlbinary', 'base64'), ('lc_monetary', 'C'), ('lc_numeric', 'C'), ('lc_time', 'C'),
		('search_path', 'pg_catalog')) s (name, value);
$$;
CREATE FUNCTION t_settings.there() RETURNS void LANGUAGE sql AS $$
	SELECT set_config(name, value, false) FROM (VALUES ('TimeZone', 'Asia/Tokyo'),
		('DateStyle', 'German'), ('IntervalStyle', 'iso_8601'), ('bytea_output', 'escape'),
		('extra_float_digits', '-12'), ('xmlbinary', 'hex'),
		('search_path', 't_settings, public')) s (name, value);
$$;

-- Keys of bytea ----------------------------------------------------------------------
CREATE TABLE t_settings.orders (id bytea PRIMARY KEY, customer_id int, total numeric,
	at timestamptz DEFAULT '2024-01-01 12:00+00');
CREATE TABLE t_settings.lines (of bytea, price numeric);
CREATE TABLE t_settings.refunds (of bytea, amount numeric);
SELECT t_settings.here();
SELECT loyalty.create_program('club', customers => 't_settings.customers', time_zone => 'UTC');
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
SELECT loyalty.track_orders('club', 't_settings.orders', customer => 'customer_id', at => 'at',
	lines => 't_settings.lines', line_order => 'of', line_amount => 'price');
SELECT loyalty.track_refunds('club', 't_settings.refunds', order_key => 'of', amount => 'amount');
INSERT INTO t_settings.orders (id, customer_id) VALUES ('\x00ff41', 1), ('\x5c27', 2);
INSERT INTO t_settings.lines VALUES ('\x00ff41', 10), ('\x5c27', 20);
SELECT t_settings.there();
INSERT INTO t_settings.lines VALUES ('\x00ff41', 1), ('\x5c27', 2);
:now
:verify
INSERT INTO t_settings.refunds VALUES ('\x00ff41', 5);
UPDATE t_settings.orders SET customer_id = 1 WHERE id = '\x5c27';
:now
SELECT order_key, points FROM club.entries WHERE id = 1 AND points > 0 ORDER BY entry;
CALL loyalty.post('club');
SELECT recorded, archived, reversed FROM loyalty.reconcile('club');
:verify
SELECT t_settings.here();
DELETE FROM t_settings.refunds;
UPDATE t_settings.lines SET price = price + 1;
-- 11 + 2, 22 + 2
:now
:verify
SELECT loyalty.drop_program('club', force => true);
DROP TABLE t_settings.orders, t_settings.lines, t_settings.refunds;

-- Customers whose key is bytea -----------------------------------------------------------
CREATE TABLE t_settings.people (key bytea PRIMARY KEY);
INSERT INTO t_settings.people VALUES ('\x01ff'), ('\x41');
CREATE TABLE t_settings.orders (id int PRIMARY KEY, customer bytea, total numeric,
	at timestamptz DEFAULT '2024-01-01 12:00+00');
SELECT loyalty.create_program('club', customers => 't_settings.people', time_zone => 'UTC');
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
SELECT loyalty.track_orders('club', 't_settings.orders', customer => 'customer', at => 'at',
	amount => 'total');
INSERT INTO t_settings.orders VALUES (1, '\x01ff', 10), (2, '\x41', 20);
SELECT t_settings.there();
UPDATE t_settings.orders SET total = total + 1;
CALL loyalty.post('club');
INSERT INTO t_settings.orders VALUES (3, '\x01ff', 100);
:verify
SELECT t_settings.here();
SELECT key, points, orders FROM club.members ORDER BY 1;
CALL loyalty.post('club');
:verify
SELECT loyalty.drop_program('club', force => true);
DROP TABLE t_settings.orders, t_settings.people;

-- Days of the program's zone -----------------------------------------------------------
-- In New York, 2024-01-08 02:00 UTC is a Sunday evening, 05:00 UTC is Monday; dates, weekdays,
-- truncation and texts of times are of there.
CREATE TABLE t_settings.orders (id int PRIMARY KEY, customer_id int, total numeric, at timestamptz,
	local timestamp, day date);
SELECT t_settings.there();
-- a joining date that is another for each who asks is refused
\set VERBOSITY terse
SELECT loyalty.create_program('club', customers => 't_settings.customers',
	joined_at => 'created_at::date', time_zone => 'America/New_York');
\set VERBOSITY default
SELECT loyalty.create_program('club', customers => 't_settings.customers',
	joined_at => $$(created_at AT TIME ZONE 'America/New_York')::date$$,
	time_zone => 'America/New_York');
SELECT loyalty.track_orders('club', 't_settings.orders', customer => 'customer_id', at => 'at',
	amount => 'total');
INSERT INTO club.earning_rule (name, points, applies_when) VALUES
	('sunday', '1', 'extract(isodow FROM at) = 7'),
	('date', '10', $$at::date = date '2024-01-07'$$),
	('trunc', '100', $$date_trunc('day', at) = timestamptz '2024-01-07 00:00 America/New_York'$$),
	('text', '1000', $$at::text LIKE '2024-01-07 %'$$),
	('to_char', '10000', $$to_char(at, 'Day TZ') = 'Sunday    EST'$$),
	('local', '100000', $$local::timestamptz = at$$),
	('column', '1000000', $$new.day + time '21:00' = at$$);
-- 1 buys on a Sunday by all rules, 2 on a Monday by the local time's only
INSERT INTO t_settings.orders VALUES
	(1, 1, 1, '2024-01-08 02:00+00', '2024-01-07 21:00', '2024-01-07');
SELECT t_settings.here();
INSERT INTO t_settings.orders VALUES
	(2, 2, 1, '2024-01-08 05:00+00', '2024-01-08 00:00', '2024-01-07');
:now
:verify
UPDATE t_settings.orders SET total = total + 1;
:now
SELECT t_settings.there();
:now
:verify
CALL loyalty.post('club');
SELECT recorded, archived, reversed FROM loyalty.reconcile('club');
SELECT t_settings.here();
:verify
-- who joined at 2019-01-01 02:00 UTC joined on the last day of 2018, six years before 2024-12-31;
-- and 2020-05-31 20:00 UTC is a day later in Tokyo only
SELECT id, joined_at AT TIME ZONE 'America/New_York' AS joined_at FROM club.members ORDER BY 1;
SELECT t_settings.there();
SELECT id, joined_at AT TIME ZONE 'America/New_York' AS joined_at FROM club.members ORDER BY 1;
INSERT INTO club.tier (name, rank, qualifies, multiplier) VALUES
	('Six', 1, $$tenure >= '6 years'$$, 2);
INSERT INTO t_settings.orders VALUES
	(3, 1, 1, '2024-12-31 04:59+00', '2024-12-30 23:59', '2024-01-01'),
	(4, 1, 1, '2024-12-31 05:00+00', '2024-12-31 00:00', '2024-01-01');
SELECT order_key, tier, points FROM club.entries WHERE order_key IN ('3', '4') ORDER BY entry;
:verify
SELECT t_settings.here();
SELECT order_key, tier, points FROM club.entries WHERE order_key IN ('3', '4') ORDER BY entry;
CREATE TABLE t_settings.told AS SELECT id, tenure, joined_at, tier FROM club.members;
:verify
SELECT t_settings.there();
SELECT count(*) FROM club.members JOIN t_settings.told USING (id, tenure, joined_at, tier);
SELECT club.tier_at(1, '2024-12-31 04:59+00'), club.tier_at(1, '2024-12-31 05:00+00');
SELECT loyalty.drop_program('club', force => true);
DROP TABLE t_settings.orders;

-- How values look as text, and texts as values -----------------------------------------
CREATE TABLE t_settings.orders (id int PRIMARY KEY, customer_id int,
	at timestamptz DEFAULT '2024-01-01 12:00+00', cost float8, price money,
	said text, lasted interval, data bytea);
SELECT t_settings.there();
SELECT loyalty.create_program('club', customers => 't_settings.customers', time_zone => 'UTC');
SELECT loyalty.track_orders('club', 't_settings.orders', customer => 'customer_id', at => 'at',
	amount => 'cost::numeric');
INSERT INTO club.earning_rule (name, points, applies_when) VALUES
	('day', '1', $$said::date = date '2024-02-01'$$),
	('interval', '10', $$lasted::text = '1 day 02:00:00'$$),
	('float', '100', $$cost::text = '0.30000000000000004'$$),
	('bytea', '1000', $$data::text = '\x61ff'$$),
	('json', '10000', $$to_json(at)::text = '"2024-01-01T12:00:00+00:00"'$$),
	('money', '100000', $$price::numeric = 12.34$$);
INSERT INTO t_settings.orders VALUES (1, 1, DEFAULT, 0.1::float8 + 0.2::float8, '12.34',
	'02/01/2024', '26:00', '\x61ff');
-- 26 hours are not a day and two: 10 points less
:now
UPDATE t_settings.orders SET lasted = '1 day 2 hours';
:now
SELECT t_settings.here();
INSERT INTO t_settings.orders VALUES (2, 2, DEFAULT, 0.1::float8 + 0.2::float8, '12.34',
	'02/01/2024', '1 day 2 hours', '\x61ff');
:now
:verify
SELECT t_settings.there();
UPDATE t_settings.orders SET customer_id = 3 - customer_id;
:now
:verify
CALL loyalty.post('club');
SELECT recorded, archived, reversed FROM loyalty.reconcile('club');
:verify
SELECT loyalty.drop_program('club', force => true);
DROP TABLE t_settings.orders;
RESET ALL;
SET client_min_messages = warning;
SET timezone = 'UTC';

-- Functions and operators of others ---------------------------------------------------
-- A role that may only insert orders, one that may only read, and one that posts and verifies put
-- functions of theirs before those that expressions, domains and keys use: nobody runs them.
CREATE ROLE regress_settings_owner;
CREATE ROLE regress_settings_clerk;
CREATE ROLE regress_settings_helper;
CREATE SCHEMA t_mine AUTHORIZATION regress_settings_owner;
CREATE SCHEMA t_evil;
GRANT ALL ON SCHEMA t_evil TO PUBLIC;
SELECT current_database() AS db \gset
GRANT CREATE ON DATABASE :"db" TO regress_settings_owner;
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA loyalty, _loyalty TO regress_settings_owner WITH GRANT OPTION;
SET SESSION AUTHORIZATION regress_settings_owner;
GRANT USAGE ON SCHEMA t_mine TO PUBLIC;
-- its body names what it calls as everybody does
CREATE FUNCTION t_mine.is_email(text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE
	AS $$BEGIN RETURN length($1) > 0 AND lower($1) LIKE '%@%'; END$$;
CREATE DOMAIN t_mine.email AS text CHECK (t_mine.is_email(value));
CREATE FUNCTION t_mine.weight(numeric) RETURNS numeric LANGUAGE plpgsql STABLE
	AS $$BEGIN RETURN abs($1) + length('x'); END$$;
CREATE FUNCTION t_mine.high(numeric) RETURNS boolean LANGUAGE sql STABLE
	AS 'SELECT abs($1) >= 100';
CREATE TABLE t_mine.customers (email t_mine.email PRIMARY KEY);
INSERT INTO t_mine.customers VALUES ('a@b'), ('c@d');
CREATE TABLE t_mine.orders (id t_mine.email PRIMARY KEY, customer t_mine.email,
	at timestamptz DEFAULT '2024-01-01', total numeric);
CREATE TABLE t_mine.lines (of t_mine.email, price numeric);
GRANT INSERT, UPDATE, SELECT ON t_mine.orders, t_mine.lines TO regress_settings_clerk;
SELECT loyalty.create_program('club', customers => 't_mine.customers', time_zone => 'UTC');
SELECT loyalty.track_orders('club', 't_mine.orders', customer => 'customer', at => 'at',
	lines => 't_mine.lines', line_order => 'of', line_amount => 'abs(price)');
INSERT INTO club.earning_rule (name, points, applies_when) VALUES
	('one', 't_mine.weight(amount)', 'lower(id) <> upper(id)');
INSERT INTO club.tier (name, rank, qualifies, multiplier) VALUES
	('High', 1, 't_mine.high(spend)', 2);
SELECT loyalty.grant_access('club', 'regress_settings_clerk', 'read');
SELECT loyalty.grant_access('club', 'regress_settings_helper', 'operate');
SET SESSION AUTHORIZATION regress_settings_clerk;
CREATE FUNCTION t_evil.told(text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF current_user OPERATOR(pg_catalog.=) session_user
	   AND current_user OPERATOR(pg_catalog.<>) 'regress_settings_owner' THEN
		RAISE WARNING '% of evil ran as its author', $1;
	ELSE
		RAISE EXCEPTION '% of evil ran as %', $1, current_user;
	END IF;
END $$;
CREATE FUNCTION t_evil.lower(text) RETURNS text LANGUAGE plpgsql IMMUTABLE
	AS $$BEGIN PERFORM t_evil.told('lower'); RETURN $1; END$$;
CREATE FUNCTION t_evil.lower(t_mine.email) RETURNS text LANGUAGE plpgsql IMMUTABLE
	AS $$BEGIN PERFORM t_evil.told('lower'); RETURN 'none'; END$$;
CREATE FUNCTION t_evil.length(text) RETURNS int LANGUAGE plpgsql IMMUTABLE
	AS $$BEGIN PERFORM t_evil.told('length'); RETURN 1; END$$;
CREATE FUNCTION t_evil.abs(numeric) RETURNS numeric LANGUAGE plpgsql IMMUTABLE
	AS $$BEGIN PERFORM t_evil.told('abs'); RETURN 1e6; END$$;
CREATE FUNCTION t_evil.same(text, text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE
	AS $$BEGIN PERFORM t_evil.told('='); RETURN true; END$$;
CREATE FUNCTION t_evil.more(numeric, numeric) RETURNS boolean LANGUAGE plpgsql IMMUTABLE
	AS $$BEGIN PERFORM t_evil.told('>='); RETURN true; END$$;
CREATE OPERATOR t_evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = t_evil.same);
CREATE OPERATOR t_evil.<> (LEFTARG = text, RIGHTARG = text, FUNCTION = t_evil.same);
CREATE OPERATOR t_evil.~~ (LEFTARG = text, RIGHTARG = text, FUNCTION = t_evil.same);
CREATE OPERATOR t_evil.>= (LEFTARG = numeric, RIGHTARG = numeric, FUNCTION = t_evil.more);
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA t_evil TO PUBLIC;
SET search_path = t_evil, pg_catalog;
-- where he writes a value of the domain, its check runs as himself, which is his own affair
SET client_min_messages = error;
INSERT INTO t_mine.orders VALUES ('1@x', 'a@b');
INSERT INTO t_mine.lines VALUES ('1@x', 150), ('2@x', -30);
INSERT INTO t_mine.orders VALUES ('2@x', 'a@b');
INSERT INTO t_mine.orders SELECT '3@x', 'a@b';
INSERT INTO t_mine.lines VALUES ('3@x', 5);
SELECT club.balance('a@b');
SET client_min_messages = warning;
-- rows without values of the domain: nothing of evil runs at all
UPDATE t_mine.orders SET total = 1;
UPDATE t_mine.lines SET price = price - 1 WHERE price OPERATOR(pg_catalog.<) 0;
-- 150 + 1; then, as High, 2 * (31 + 1) and 2 * (5 + 1)
SELECT email, points, trim_scale(lifetime_value), orders, tier FROM club.members
 ORDER BY email::text;
SELECT * FROM loyalty.verify('club');
SET SESSION AUTHORIZATION regress_settings_helper;
SET search_path = t_evil, pg_catalog;
CALL loyalty.post('club');
SELECT * FROM loyalty.verify('club');
RESET SESSION AUTHORIZATION;
SET search_path = t_evil, pg_catalog;
SELECT recorded, archived, reversed FROM loyalty.reconcile('club');
SELECT * FROM loyalty.verify('club');
SELECT email, points, trim_scale(lifetime_value), orders, tier FROM club.members
 ORDER BY email::text;
RESET search_path;
SELECT loyalty.drop_program('club', force => true);
DROP SCHEMA t_evil, t_mine, t_settings CASCADE;
REVOKE CREATE ON DATABASE :"db" FROM regress_settings_owner;
DROP OWNED BY regress_settings_owner, regress_settings_clerk, regress_settings_helper;
DROP ROLE regress_settings_owner, regress_settings_clerk, regress_settings_helper;

-- A day that is written without a zone is midnight of the session: this is told where it is not midnight of the program.
CREATE SCHEMA t_midnight;
CREATE TABLE t_midnight.customers (id int PRIMARY KEY);
SELECT loyalty.create_program('club', 't_midnight.customers', time_zone => 'Europe/Berlin');
SET client_min_messages = notice;
SET timezone = 'UTC';
-- in winter, Berlin is one hour ahead
INSERT INTO club.earning_rule (name, points, starts, ends) VALUES ('day', '1', '2026-12-01', '2026-12-24 12:00');
INSERT INTO club.campaign (name, ends) VALUES ('new year', '2027-01-01');
-- not of what stays, nor where the zone is named, nor where it is the same day in both
UPDATE club.earning_rule SET priority = 1;
UPDATE club.earning_rule SET starts = '2026-12-01 00:00 Europe/Berlin', ends = 'infinity';
SET timezone = 'Europe/Paris';
UPDATE club.earning_rule SET starts = '2026-12-03';
SET timezone = 'UTC';
SELECT starts FROM club.earning_rule;
SET client_min_messages = warning;
SELECT * FROM loyalty.verify('club');
SELECT loyalty.drop_program('club', force => true);
DROP SCHEMA t_midnight CASCADE;
