-- Member cards: numbers with a check digit, which are issued, blocked and replaced, and by which
-- the calls of a program find the customer.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';
CREATE SCHEMA t_cards;
SET search_path = t_cards;
CREATE TABLE customers (id int PRIMARY KEY);
INSERT INTO customers SELECT i FROM generate_series(1, 9) i;
CREATE TABLE orders (id int PRIMARY KEY, customer int, at timestamptz DEFAULT '2024-01-01', total numeric(12,2));
SELECT loyalty.create_program('club', customers => 'customers');
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
SELECT loyalty.track_orders('club', 'orders', customer => 'customer', at => 'at', amount => 'total') \gset
INSERT INTO orders (id, customer, total) VALUES (1, 1, 100), (2, 2, 50);
CREATE FUNCTION asked(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	r text;
	state text; message text; detail text; hint text;
BEGIN
	EXECUTE 'SELECT ' || query INTO r;
	RETURN r;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN regexp_replace(concat_ws(' | ', state, message, nullif(detail, ''), nullif(hint, '')), '\d{4}-\d\d-\d\d [0-9:]+\+00', 'TIME', 'g');
END $$;

-- the number that the standard has as its example, and what people make of it
SELECT club.issue_card(1, ' 7992-7398 713');
SELECT club.customer_of('79927398713'), club.customer_of('7992 7398 713'), club.customer_of(E'7992-7398-713\r\n');
SELECT asked($$club.customer_of('7992 7398 710')$$);
SELECT asked($$club.customer_of('97927398713')$$);
SELECT asked($$club.customer_of('7992739871x')$$);
SELECT asked($$club.customer_of('1234567')$$);
SELECT asked($$club.customer_of('12345678901234567890')$$);
SELECT asked($$club.customer_of('')$$);
SELECT length(asked(format('club.customer_of(%L)', repeat('1', 100000)))) < 300 AS short;
SELECT asked('club.customer_of(NULL)');
-- the longest and the shortest, and nothing that has no check digit
SELECT club.issue_card(1, '1234567890123456785'), club.issue_card(1, '12345674');
SELECT asked($$club.customer_of('79927398721')$$);
SELECT asked($$club.issue_card(1, '79927398720')$$);
-- a wrong digit, and two neighbours that are swapped, are told without a look
CREATE FUNCTION mistyped(number text) RETURNS TABLE (wrong_digits bigint, swaps bigint, not_told bigint) LANGUAGE sql AS $$
	SELECT count(*) FILTER (WHERE kind = 1), count(*) FILTER (WHERE kind = 2), count(*) FILTER (WHERE asked(format('club.customer_of(%L)', typed)) !~ '^LY010 ')
	  FROM (SELECT 1, overlay(number PLACING d::text FROM i FOR 1) FROM generate_series(1, length(number)) i CROSS JOIN generate_series(0, 9) d WHERE substr(number, i, 1) <> d::text
	        UNION ALL
	        SELECT 2, overlay(number PLACING reverse(substr(number, i, 2)) FROM i FOR 2) FROM generate_series(1, length(number) - 1) i WHERE substr(number, i, 1) <> substr(number, i + 1, 1)) x (kind, typed)
$$;
SELECT * FROM mistyped('79927398713');
-- but for 0 and 9, which only a number that was given can have beside each other
SELECT club.issue_card(1, '6090000008');
SELECT asked($$club.customer_of('6900000008')$$);

-- who issues a card again has the same answer, unless it is another customer's, or not active any more
SELECT club.issue_card(1, '79927398713'), club.issue_card(1.0, '7992-7398-713');
SELECT asked($$club.issue_card(2, '79927398713')$$);
SELECT asked($$club.issue_card(78, '79927398739')$$);
SELECT asked($$club.issue_card(1.5, '79927398739')$$);
SELECT asked($$club.issue_card(9999999999, '79927398739')$$);
SELECT asked($$club.issue_card(NULL, '79927398739')$$);
SELECT asked($$club.issue_card(78, '79927398730')$$);
SELECT card, customer, status, since = issued_at AS at_once, reason, actor = current_user AS by_me, replaced_by, issued_by = current_user AS issued_by_me
  FROM club.member_card ORDER BY card;
-- whoever has orders is a customer
INSERT INTO orders (id, customer, total) VALUES (3, 77, 7);
SELECT club.issue_card(77, '79927398739');
SELECT club.customer_of('79927398739'), club.balance_by_card('79927398739');

-- numbers that the program makes: 99 and 13 digits by chance, and the check digit, as it is told here once more
CREATE FUNCTION is_checked(number text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	total int := 0;
	digit int;
BEGIN
	FOR i IN 0 .. length(number) - 1
	LOOP
		digit := substr(number, length(number) - i, 1)::int * (1 + i % 2);
		total := total + digit / 10 + digit % 10;
	END LOOP;
	RETURN total % 10 = 0;
END $$;
SELECT is_checked('79927398713') AND NOT is_checked('79927398712') AS it_knows;
SELECT count(DISTINCT club.issue_card(9)) FROM generate_series(1, 300);
SELECT count(*), bool_and(is_checked(card) AND card ~ '^99[0-9]{14}$' AND card !~ '09|90') AS well_formed FROM club.member_card WHERE customer = 9;
-- each digit at each place, but for 0 behind 9
SELECT p, count(DISTINCT substr(card, p, 1)) AS digits FROM club.member_card CROSS JOIN generate_series(1, 16) p WHERE customer = 9 GROUP BY p ORDER BY p;
SELECT sum(wrong_digits) AS wrong_digits, sum(not_told) AS not_told FROM (SELECT card FROM club.member_card WHERE customer = 9 ORDER BY card LIMIT 5) c CROSS JOIN mistyped(c.card);
-- the settings say how they look
UPDATE club.program SET card_prefix = '12345678';
SELECT card ~ '^12345678[0-9]{8}$' AND is_checked(card) AS so FROM club.issue_card(8) card;
UPDATE club.program SET card_prefix = '', card_length = 8;
SELECT card ~ '^[0-9]{8}$' AND is_checked(card) AS so FROM club.issue_card(8) card;
UPDATE club.program SET card_prefix = '90', card_length = 19;
SELECT card ~ '^90[0-9]{17}$' AND substr(card, 2) !~ '09|90' AND is_checked(card) AS so FROM club.issue_card(8) card;
UPDATE club.program SET card_length = 7;
UPDATE club.program SET card_length = 20;
UPDATE club.program SET card_length = NULL;
UPDATE club.program SET card_prefix = '123456789', card_length = 16;
UPDATE club.program SET card_prefix = '12a';
UPDATE club.program SET card_prefix = NULL;
UPDATE club.program SET card_prefix = '99', card_length = 16;
-- numbers that are used up
BEGIN;
CREATE OR REPLACE FUNCTION _loyalty.random_digits(count int) RETURNS text LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$ SELECT repeat('1', count) $$;
SELECT club.issue_card(8);
SELECT asked('club.issue_card(8)');
UPDATE club.program SET card_length = 17;
SELECT club.issue_card(8);
ROLLBACK;
SELECT * FROM loyalty.verify('club');

-- a blocked card is of no use until it is unblocked
SELECT asked($$club.block_card('79927398713', ' ')$$);
SELECT asked($$club.block_card('79927398713', NULL)$$);
SELECT club.block_card('79927398713', 'stolen'), club.block_card('7992 7398 713', 'once more');
SELECT card, status, reason, since = issued_at AS at_once FROM club.member_card WHERE card = '79927398713';
SELECT asked($$club.customer_of('79927398713')$$);
SELECT asked($$club.customer_of('79927398713', replaced => true)$$);
SELECT asked($$club.issue_card(1, '79927398713')$$);
SELECT club.unblock_card('7992-7398-713'), club.unblock_card('79927398713');
SELECT card, status, reason, club.customer_of(card) FROM club.member_card WHERE card = '79927398713';
SELECT asked($$club.block_card('79927398747', 'stolen')$$);
SELECT asked($$club.unblock_card('79927398747')$$);
SELECT asked($$club.unblock_card('79927398740')$$);

-- one that is replaced spends nothing, and tells of the customer to who asks for that
SELECT club.replace_card('7992 7398 713', '7992 7398 747', 'worn');
SELECT card, customer, status, reason, replaced_by FROM club.member_card WHERE card LIKE '799273987%' OR replaced_by IS NOT NULL ORDER BY card;
SELECT asked($$club.customer_of('79927398713')$$);
SELECT club.customer_of('79927398713', replaced => true), club.customer_of('79927398747'), club.customer_of('79927398747', replaced => NULL);
-- repeated, the answer is the same; another card cannot take its place
SELECT club.replace_card('79927398713', '79927398747');
SELECT asked($$club.replace_card('79927398713', '79927398754')$$);
SELECT asked($$club.replace_card('79927398713')$$);
SELECT asked($$club.unblock_card('79927398713')$$);
SELECT asked($$club.issue_card(1, '79927398713')$$);
-- a blocked one can be replaced, by a new number
SELECT club.block_card('79927398747', 'lost');
SELECT club.replace_card('79927398747', reason => 'lost') AS new \gset
SELECT :'new' ~ '^99[0-9]{14}$' AS so, club.customer_of(:'new'), asked($$club.customer_of('79927398747')$$);
-- and stays blocked, for what was said then
SELECT status, reason, replaced_by = :'new' AS by_new FROM club.member_card WHERE card = '79927398747';
-- by a card that the customer has already, and by no other one
SELECT club.replace_card(:'new', '12345674');
SELECT asked($$club.replace_card('12345674', '1234-5674')$$);
SELECT asked($$club.replace_card('12345674', '79927398739')$$);
SELECT asked($$club.replace_card('12345674', '79927398713')$$);
SELECT asked($$club.replace_card('12345674', '79927398740')$$);
SELECT asked($$club.replace_card('79927398754')$$);
SELECT asked('club.replace_card(NULL)');
SELECT customer, status, count(*) FROM club.member_card WHERE customer < 8 GROUP BY customer, status ORDER BY 1, 2;
SELECT * FROM loyalty.verify('club');

-- a card that was stolen stays blocked when it is replaced, for all that asks a card, and so it does when
-- its successor is replaced; the new ones work.  20 points, of which 5 are held, leave 15.
INSERT INTO orders (id, customer, total) VALUES (6, 6, 20);
SELECT club.issue_card(6) AS stolen, club.issue_card(6) AS other \gset
SELECT (club.hold_by_card(:'stolen', 5, 'desk')).balance;
SELECT club.block_card(:'stolen', 'stolen'), club.replace_card(:'stolen', reason => 'new one was sent') AS second \gset
SELECT club.replace_card(:'stolen', :'second') = :'second' AS repeated;
SELECT club.replace_card(:'second') AS third \gset
SELECT replace(asked(format('club.customer_of(%L, replaced => true)', :'stolen')), :'stolen', 'CARD');
SELECT replace(asked(format('club.unblock_card(%L)', :'stolen')), :'stolen', 'CARD');
SELECT replace(asked(format('club.replace_card(%L)', :'stolen')), :'stolen', 'CARD');
SELECT replace(asked(format('club.replace_card(%L, %L)', :'third', :'stolen')), :'stolen', 'CARD');
CREATE FUNCTION by_card(card text) RETURNS TABLE (name text, answer text) LANGUAGE sql AS $$
	SELECT c.name, left(asked(format('(club.%s_by_card(%L%s))::text', c.name, card, ', ' || c.arguments)), 5)
	  FROM (VALUES ('balance', NULL), ('tier_at', NULL), ('rewards_for', NULL), ('quote', '1'), ('capture', $q$'desk'$q$),
	               ('release', $q$'desk'$q$), ('reverse', $q$'desk'$q$), ('redeem', $q$1, 'x'$q$)) c (name, arguments)
$$;
SELECT count(*) AS asked, count(*) FILTER (WHERE answer <> 'LY012') AS answered FROM by_card(:'stolen');
SELECT club.balance_by_card(:'second'), club.balance_by_card(:'third'), club.customer_of(:'third');
-- what was replaced can be blocked behind that, and ends nothing from then on
SELECT club.block_card(:'second', 'stolen, too');
SELECT count(*) FILTER (WHERE answer <> 'LY012') AS answered FROM by_card(:'second');
SELECT (club.capture_by_card(:'third', 'desk')).balance;
SELECT CASE card WHEN :'stolen' THEN 1 WHEN :'second' THEN 2 WHEN :'third' THEN 3 END AS card, status, reason,
       CASE replaced_by WHEN :'second' THEN 2 WHEN :'third' THEN 3 END AS replaced_by
  FROM club.member_card WHERE customer = 6 AND card <> :'other' ORDER BY 1;
-- one that took the place of others, and is blocked: those stay as they are
SELECT club.replace_card(:'third', :'other') = :'other' AS same, club.block_card(:'other', 'lost');
SELECT club.balance_by_card(:'third'), left(asked(format('club.balance_by_card(%L)', :'other')), 5) AS other, left(asked(format('club.balance_by_card(%L)', :'stolen')), 5) AS stolen;
-- of somebody who was merged, too
SELECT (club.merge(6, 5, 'same')).points;
SELECT club.balance_by_card(:'third'), club.customer_of(:'third', true), left(asked(format('club.balance_by_card(%L)', :'stolen')), 5) AS stolen;
SELECT left(asked(format('club.replace_card(%L)', :'third')), 5) AS replaced_already;
SELECT * FROM loyalty.verify('club');

-- what is asked by a card: 100 less 30, plus 5, less 5, of which 20 are held and 15 spent
SELECT club.balance_by_card('1234 5674'), club.balance_by_card('12345674', '2023-12-31');
SELECT points, balance FROM club.redeem_by_card('1234 5674', 30, 'cart');
SELECT points, balance FROM club.grant_points_by_card('1234 5674', 5, 'gift');
SELECT points, balance FROM club.adjust_by_card('1234 5674', -5, 'fix', 'wrong');
SELECT points, balance FROM club.hold_by_card('1234 5674', 20, 'room', until => 'infinity', reason => 'booked');
SELECT points, balance FROM club.hold_by_card('1234 5674', 10, 'seat');
SELECT points, balance FROM club.capture_by_card('1234 5674', 'room', 15);
SELECT points, balance FROM club.release_by_card('1234 5674', 'seat');
SELECT points, balance FROM club.reverse_by_card('1234 5674', 'cart', 10, 'back');
SELECT asked($$club.redeem_by_card('12345674', 66, 'cart-2')$$);
SELECT entry, kind, order_key, points, balance, reason FROM club.entries WHERE id = 1 ORDER BY entry;
-- what was begun with a card that was replaced since can be ended and taken back, but nothing else be done
SELECT (club.hold_by_card('6090000008', 5, 'bike')).balance, (club.hold_by_card('6090000008', 5, 'boat')).balance;
SELECT club.replace_card('6090000008', '12345674', 'worn');
SELECT asked($$club.redeem_by_card('6090000008', 1, 'x')$$);
SELECT asked($$club.hold_by_card('6090000008', 1, 'x')$$) ~ '^LY013' AS hold, asked($$club.grant_points_by_card('6090000008', 1, 'x')$$) ~ '^LY013' AS grant,
       asked($$club.adjust_by_card('6090000008', 1, 'x', 'x')$$) ~ '^LY013' AS adjust;
SELECT (club.capture_by_card('6090000008', 'bike')).balance, (club.release_by_card('6090000008', 'boat')).balance,
       (club.reverse_by_card('6090000008', 'bike', reference => 'back-2')).balance;
SELECT club.balance_by_card('6090000008');
-- nor with one that is blocked
SELECT club.block_card('12345674', 'stolen');
SELECT asked($$club.balance_by_card('12345674')$$);
SELECT c.name, asked(format('club.%s_by_card(''12345674'', %s)', c.name, c.arguments)) ~ '^LY012 ' AS refused
  FROM (VALUES ('redeem', '1, NULL'), ('grant_points', '1, NULL'), ('adjust', $$1, NULL, 'x'$$), ('reverse', $$'gift'$$), ('hold', '1, NULL'),
               ('capture', $$'bike'$$), ('release', $$'boat'$$)) c (name, arguments);
SELECT club.unblock_card('12345674');
-- with an outcome in place of errors, and in statements of the host
SELECT status, points, balance FROM club.try_redeem(club.customer_of('1234 5674'), 66, 'cart-3');
INSERT INTO orders (id, customer, total) VALUES (4, club.customer_of('1234 5674'), 1);
SELECT status, points, balance FROM club.try_redeem(club.customer_of('1234 5674'), 66, 'cart-3');
SELECT points FROM club.members WHERE id = club.customer_of('1234 5674');

-- who is deleted keeps the card with the points; a card of whom nobody knows is told
SELECT club.issue_card(2, '79927398762'), club.issue_card(7, '79927398770');
DELETE FROM customers WHERE id IN (2, 7);
SELECT club.customer_of('79927398762'), club.balance_by_card('79927398762'), (club.redeem_by_card('79927398762', 20, 'tea')).balance;
SELECT club.replace_card('79927398762', '79927398788'), club.issue_card(2, '79927398796');
SELECT club.customer_of('79927398770');
SELECT * FROM loyalty.verify('club');
INSERT INTO customers VALUES (7);
SELECT * FROM loyalty.verify('club');

-- rights: of those who read, of those who operate, and of those to whom one function is granted
SELECT (club.grant_points_by_card('12345674', 5, 'more')).balance;
CREATE ROLE regress_reader;
CREATE ROLE regress_till;
CREATE ROLE regress_desk;
SELECT loyalty.grant_access('club', 'regress_reader', 'read'), loyalty.grant_access('club', 'regress_desk', 'operate');
GRANT USAGE ON SCHEMA t_cards TO regress_reader, regress_till, regress_desk;
GRANT USAGE ON SCHEMA club TO regress_till;
GRANT EXECUTE ON FUNCTION club.redeem_by_card, club.customer_of TO regress_till;
SET ROLE regress_reader;
SELECT club.customer_of('12345674'), club.balance_by_card('12345674'), (SELECT count(*) FROM club.member_card WHERE customer = 1) AS cards;
SELECT asked('club.issue_card(3)'), asked($$club.redeem_by_card('12345674', 1, 'x')$$);
SELECT asked($$club.block_card('12345674', 'mine')$$), asked($$club.unblock_card('12345674')$$), asked($$club.replace_card('12345674')$$);
INSERT INTO club.member_card (card, customer) VALUES ('23456783', 3);
SET ROLE regress_till;
SELECT club.customer_of('12345674'), (club.grant_points(1, 1, 'x')).balance;
SELECT club.customer_of('12345674');
SELECT points, balance FROM club.redeem_by_card('12345674', 1, 'till');
SELECT asked($$club.balance_by_card('12345674')$$);
SELECT count(*) FROM club.member_card;
SET ROLE regress_desk;
SELECT club.issue_card(3, '23456783');
SELECT club.replace_card('23456783', '991234568', 'bent');
SELECT club.customer_of('23456783', true), club.balance_by_card('23456783');
SELECT club.block_card('991234568', 'lost'), club.unblock_card('991234568');
SELECT actor FROM club.member_card WHERE card = '991234568';
RESET ROLE;
SELECT club.block_card('991234568', 'lost');
SELECT card, status, actor = current_user AS by_owner, issued_by FROM club.member_card WHERE customer = 3 ORDER BY card;
SELECT actor FROM club.entries WHERE id = 1 AND order_key = 'till';
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA _loyalty TO regress_till;
SET ROLE regress_till;
SELECT asked($$_loyalty.issue_card('club', 3::numeric, NULL)$$), asked($$_loyalty.set_card_status('club', 'unblock_card', '991234568', 'active', NULL)$$);
RESET ROLE;
REVOKE EXECUTE ON ALL ROUTINES IN SCHEMA _loyalty FROM regress_till;
SELECT p.proname FROM pg_proc p WHERE p.pronamespace = 'club'::regnamespace AND p.proname LIKE '%card%'
   AND (has_function_privilege('public', p.oid, 'EXECUTE') OR obj_description(p.oid) IS NULL OR NOT p.prosecdef
        OR NOT coalesce(p.proconfig @> '{"search_path=pg_catalog, pg_temp"}', false));
SELECT a.attname FROM pg_attribute a WHERE a.attrelid IN ('club.member_card'::regclass, 'club.program'::regclass) AND a.attnum > 0 AND col_description(a.attrelid, a.attnum) IS NULL;
-- in an expression of the program they are out of place
CREATE FUNCTION sly(n numeric) RETURNS numeric LANGUAGE plpgsql STABLE AS $$ BEGIN PERFORM club.issue_card(3); RETURN n; END $$;
UPDATE club.earning_rule SET points = 't_cards.sly(amount)';
INSERT INTO orders (id, customer, total) VALUES (5, 1, 1);
UPDATE club.earning_rule SET points = 'amount';
SELECT * FROM loyalty.verify('club');

-- what is wrong is told
CREATE FUNCTION plant(statement text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	BEGIN
		EXECUTE statement;
		RAISE EXCEPTION USING ERRCODE = 'LO001', MESSAGE = (SELECT coalesce(json_agg(concat_ws(' | ', v.violation, v.customer, v.order_key, v.detail) ORDER BY v.violation, v.detail), '[]')
		                                                      FROM loyalty.verify('club') v);
	EXCEPTION WHEN SQLSTATE 'LO001' THEN
		RETURN QUERY SELECT * FROM json_array_elements_text(sqlerrm::json);
	END;
END $$;
SELECT plant($$UPDATE club.member_card SET card = '79927398779' WHERE card = '79927398770'$$);
SELECT plant($$UPDATE club.member_card SET card = '79927398707' WHERE card = '79927398770'$$);
SELECT plant($$ALTER TABLE club.member_card DROP CONSTRAINT card_has_8_to_19_digits; UPDATE club.member_card SET card = '7992\x' WHERE card = '79927398770'$$);
SELECT plant($$DELETE FROM club.member_card WHERE card = '79927398747'$$);
SELECT plant($$ALTER TABLE club.member_card DROP CONSTRAINT replaced_by_a_card; UPDATE club.member_card SET replaced_by = NULL WHERE card = '79927398713'$$);
SELECT plant($$ALTER TABLE club.member_card DROP CONSTRAINT replaced_by_a_card; UPDATE club.member_card SET replaced_by = '79927398770' WHERE card = '12345674'$$);
SELECT plant($$UPDATE club.member_card SET replaced_by = '79927398770' WHERE card = '6090000008'$$);
SELECT plant($$UPDATE club.member_card SET replaced_by = '79927398812' WHERE card = '79927398747'$$);
-- two that replace each other, and one that was replaced by one of these; one that replaced itself
SELECT plant($$UPDATE club.member_card SET replaced_by = '79927398713' WHERE card = '79927398747'; UPDATE club.member_card SET replaced_by = '79927398747' WHERE card = '6090000008'$$);
SELECT plant($$UPDATE club.member_card SET replaced_by = card WHERE card = '6090000008'$$);
SELECT plant($$UPDATE club.member_card SET customer = 78 WHERE card = '79927398770'$$);
SELECT plant($$INSERT INTO club.member_card (card, customer) VALUES ('79927398754', 6), ('991234576', 78)$$);
-- what the table refuses by itself
\set VERBOSITY terse
INSERT INTO club.member_card (card, customer) VALUES ('7992-7398', 6);
INSERT INTO club.member_card (card, customer, status) VALUES ('79927398754', 6, 'lost');
INSERT INTO club.member_card (card, customer, status) VALUES ('79927398754', 6, 'replaced');
\set VERBOSITY default

-- a program of an older version gets the table, its settings and its functions
CREATE TABLE was AS SELECT * FROM club.member_card WHERE customer <> 9;
DROP FUNCTION club.customer_of, club.redeem_by_card, club.issue_card;
SELECT violation, detail FROM loyalty.verify('club');
DROP TABLE club.member_card;
SELECT violation, detail FROM loyalty.verify('club');
ALTER TABLE club.program DROP COLUMN layout, DROP COLUMN card_prefix, DROP COLUMN card_length;
SELECT loyalty.upgrade_program('club');
SELECT card_prefix, card_length, layout = _loyalty.layout() AS present FROM club.program;
SELECT count(*) FROM club.member_card;
SELECT _loyalty.strangers('club');
INSERT INTO club.member_card SELECT * FROM was;
SELECT club.customer_of('12345674'), club.customer_of('79927398713', true), club.issue_card(1) ~ '^99' AS new;
SELECT * FROM loyalty.verify('club');

-- cards alone are something to lose
SELECT loyalty.create_program('plain', customers => 'customers');
SELECT plain.issue_card(1, '79927398713');
SELECT loyalty.drop_program('plain');
DROP TABLE plain.member_card;
SELECT loyalty.drop_program('plain');

-- keys of other types, and names to be quoted
CREATE TABLE people (name varchar(20) COLLATE "C" PRIMARY KEY);
INSERT INTO people VALUES ('ann'), ('Bob''s "x');
SELECT loyalty.create_program('Mein "Club''', customers => 'people');
SELECT "Mein ""Club'".issue_card('Bob''s "x', '79927398713');
SELECT "Mein ""Club'".customer_of('79927398713');
SELECT asked($$"Mein ""Club'".issue_card('Bob', '79927398721')$$);
SELECT asked($$"Mein ""Club'".customer_of('79927398721')$$);
SELECT points, balance FROM "Mein ""Club'".grant_points_by_card('79927398713', 3, 'x');
SELECT "Mein ""Club'".block_card('79927398713', 'x');
SELECT asked($$"Mein ""Club'".customer_of('79927398713')$$);
SELECT "Mein ""Club'".replace_card('79927398713', '79927398721');
SELECT "Mein ""Club'".balance_by_card('79927398721');
SELECT asked($$"Mein ""Club'".customer_of('79927398713')$$);
SELECT asked($$"Mein ""Club'".unblock_card('79927398713')$$);
SELECT * FROM loyalty.verify('Mein "Club''');
SELECT loyalty.drop_program('Mein "Club''', force => true);
CREATE DOMAIN person AS text;
CREATE TABLE persons (name person PRIMARY KEY);
INSERT INTO persons VALUES ('ann');
SELECT loyalty.create_program('domain', customers => 'persons');
SELECT domain.issue_card('ann', '79927398713');
SELECT pg_typeof(domain.customer_of('79927398713')), (domain.grant_points_by_card('79927398713', 3, 'x')).balance;
SELECT domain.replace_card('79927398713', '79927398721');
SELECT domain.balance_by_card('79927398713');
SELECT * FROM loyalty.verify('domain');
SELECT loyalty.drop_program('domain', force => true);
CREATE TABLE devices (id uuid PRIMARY KEY, serial numeric UNIQUE NOT NULL, code char(4) UNIQUE NOT NULL);
INSERT INTO devices VALUES ('11111111-2222-3333-4444-555555555555', 7.0, 'ab');
SELECT loyalty.create_program('device', customers => 'devices');
SELECT device.issue_card('11111111-2222-3333-4444-555555555555', '79927398713');
SELECT device.customer_of('79927398713'), (device.grant_points_by_card('79927398713', 3, 'x')).balance;
SELECT * FROM loyalty.verify('device');
SELECT loyalty.drop_program('device', force => true);
SELECT loyalty.create_program('device', customers => 'devices', customer_key => 'serial');
SELECT device.issue_card(7, '79927398713'), device.issue_card(7.00, '79927398713');
SELECT device.customer_of('79927398713') = 7 AS so, (device.grant_points_by_card('79927398713', 3, 'x')).balance;
SELECT * FROM loyalty.verify('device');
SELECT loyalty.drop_program('device', force => true);
SELECT loyalty.create_program('device', customers => 'devices', customer_key => 'code');
SELECT device.issue_card('ab', '79927398713');
SELECT device.customer_of('79927398713') = 'ab' AS so, (device.grant_points_by_card('79927398713', 3, 'x')).balance;
SELECT * FROM loyalty.verify('device');
SELECT loyalty.drop_program('device', force => true);

SELECT * FROM loyalty.verify('club');
SELECT loyalty.drop_program('club', force => true);
REVOKE USAGE ON SCHEMA t_cards FROM regress_reader, regress_till, regress_desk;
REVOKE EXECUTE ON ALL ROUTINES IN SCHEMA loyalty, _loyalty FROM regress_desk;
DROP ROLE regress_reader, regress_till, regress_desk;
DROP SCHEMA t_cards CASCADE;
