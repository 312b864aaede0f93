-- How many points may pay for an order, what they are worth, and why they are not more; and
-- what is paid with points earns none, unless it is asked for.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';
CREATE SCHEMA t_quote;
SET search_path = t_quote;
CREATE TABLE customers (id int PRIMARY KEY);
INSERT INTO customers SELECT i FROM generate_series(1, 20) i;
CREATE TABLE orders (id int PRIMARY KEY, customer int, at timestamptz DEFAULT '2024-01-01', total numeric(12,2), topup numeric(12,2) DEFAULT 0,
                     paid_with_points numeric(12,2) DEFAULT 0);
SELECT loyalty.create_program('club', customers => 'customers', time_zone => 'UTC');
CREATE FUNCTION quote(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	q loyalty.quote;
	state text; message text; detail text; hint text;
BEGIN
	EXECUTE 'SELECT * FROM ' || query INTO q;
	RETURN format('%s points for %s, %s are left: %s', q.points, q.value, q.rest, q.limited_by);
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN concat_ws(' | ', state, message, nullif(detail, ''), nullif(hint, ''));
END $$;
-- so many points are worth so much; all other settings are the defaults, but for those that are said
CREATE FUNCTION rule(points numeric, amount numeric, settings text DEFAULT NULL, blocks boolean DEFAULT true) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM club.conversion;
	INSERT INTO club.conversion (points, amount, whole_blocks) VALUES (rule.points, rule.amount, blocks);
	IF settings IS NOT NULL THEN
		EXECUTE 'UPDATE club.conversion SET ' || settings;
	END IF;
END $$;
-- what customers have
SELECT sum((club.grant_points(c, p, 'start')).points) FROM (VALUES (1, 700), (2, 2000), (3, 10), (4, 290), (5, 49), (6, 50), (7, 1009)) v (c, p);

-- without a conversion, points pay for nothing
SELECT quote('club.quote(1, 200)');

-- examples of others, by their numbers
SELECT rule(100, 5.00);
SELECT 'WE-101' AS example, quote('club.quote(1, 200, 1000)');	-- 7 blocks of 5.00
SELECT 'WE-103' AS example, quote('club.quote(2, 200, 1050)');	-- 10 blocks, and a half that is left
SELECT rule(0, 5.00);
SELECT 'WE-105' AS example, quote('club.quote(2, 200, 1000)');
SELECT rule(100, 0);
SELECT 'WE-105' AS example, quote('club.quote(2, 200, 1000)');
SELECT rule(1, 1);
SELECT 'WE-107' AS example, quote('club.quote(2, 200, 100)');
SELECT rule(3, 4.50);
SELECT 'WE-109' AS example, quote('club.quote(3, 100)');		-- 3 blocks of the 10 points: 9, 1.50 each
SELECT rule(1, 0.1);
SELECT 'WE-115' AS example, quote('club.quote(4, 100)');		-- 290 * 0.1
SELECT rule(10, 1, 'minimum_amount = 5');
SELECT 'WE-117' AS example, quote('club.quote(5, 100)');		-- 4 blocks are 4, which is too little
SELECT 'WE-117' AS example, quote('club.quote(6, 100)');

-- each limit in turn: 100 points are 5
SELECT rule(100, 5.00);
SELECT quote('club.quote(2, 500)');						-- all 2000
SELECT quote('club.quote(2, 12)');						-- 2 blocks are 10, and 3 would be 15
SELECT quote('club.quote(2, 3)');
SELECT quote('club.quote(2, 0)');
SELECT quote('club.quote(2, 500, payable => 7)');		-- 1 block
SELECT quote('club.quote(2, 500, payable => 0)');
SELECT quote('club.quote(2, 500, 0)');
SELECT quote('club.quote(8, 500)');
SELECT rule(100, 5.00, 'maximum_points = 550');
SELECT quote('club.quote(2, 500)');						-- 5 blocks
SELECT rule(100, 5.00, 'maximum_amount = 12');
SELECT quote('club.quote(2, 500)');						-- 2 blocks
SELECT rule(100, 5.00, 'largest_share = 0.25');
SELECT quote('club.quote(2, 50)');						-- 12.50: 2 blocks
SELECT rule(100, 5.00, 'minimum_points = 300');
SELECT quote('club.quote(2, 50, 299)'), quote('club.quote(2, 50, 300)');
-- what is the narrowest of several decides
SELECT rule(100, 5.00, 'maximum_points = 1500, maximum_amount = 60, largest_share = 0.5, minimum_points = 100, minimum_amount = 5');
SELECT quote('club.quote(2, 500)'), quote('club.quote(2, 80)'), quote('club.quote(2, 80, payable => 20)'), quote('club.quote(2, 80, 150, 20)');

-- parts of a block: 3 points are 1.00, so that 1 point is 0.33, 2 are 0.66, 4 are 1.33
SELECT rule(3, 1, blocks => false);
SELECT quote('club.quote(2, 0.50)'), quote('club.quote(2, 1)'), quote('club.quote(2, 1.32)'), quote('club.quote(2, 1.33)');
SELECT quote('club.quote(3, 100)'), quote('club.quote(2, 0.32)');
-- no more points than their value takes: 1009 of 0.001 are 1.00, for which 1000 do
SELECT rule(1000, 1, blocks => false);
SELECT quote('club.quote(7, 5)'), quote('club.quote(7, 0.005)');
-- a part of a cent is worth nothing
SELECT rule(1000, 0.001, blocks => false);
SELECT quote('club.quote(2, 5)');
-- large numbers, exactly: 7 points are 0.03, of 99999999999999999999 points 14285714285714285714 blocks and 1 point
SELECT rule(7, 0.03);
SELECT (club.grant_points(9, 99999999999999999999, 'much')).points;
SELECT quote('club.quote(9, 99999999999999999999)');
SELECT rule(7, 0.03, blocks => false);
SELECT quote('club.quote(9, 99999999999999999999)');
-- a third of an order: 33.333333 of 100.01 is 33.33
SELECT rule(1, 0.01, 'largest_share = 0.3333');
SELECT quote('club.quote(9, 100.01)'), quote('club.quote(9, 3)');

-- against all numbers of points one by one: the most that is within all limits, and of those with
-- the same value the fewest
CREATE FUNCTION best(points numeric, amount numeric, blocks boolean, balance int, order_amount numeric, asked int, OUT points_out numeric, OUT value_out numeric) LANGUAGE sql AS $$
	SELECT p, v FROM (SELECT p, floor(p * amount / points * 100) / 100 AS v FROM generate_series(0, least(balance, asked)) p WHERE NOT blocks OR p % points = 0) x
	 WHERE v <= trunc(order_amount, 2) ORDER BY v DESC, p LIMIT 1
$$;
CREATE FUNCTION compare(points numeric, amount numeric, blocks boolean) RETURNS TABLE (compared bigint, differing bigint) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM rule(compare.points, compare.amount, blocks => blocks);
	RETURN QUERY SELECT count(*), count(*) FILTER (WHERE (q.points, q.value) IS DISTINCT FROM (b.points_out, b.value_out))
	  FROM (VALUES (3, 10), (5, 49), (6, 50), (4, 290)) c (customer, balance) CROSS JOIN (VALUES (0.01), (0.5), (0.99), (1), (3.337), (20), (1000)) o (amount) CROSS JOIN (VALUES (1), (7), (10), (33), (10000)) a (asked)
	 CROSS JOIN LATERAL club.quote(c.customer, o.amount, a.asked) q
	 CROSS JOIN LATERAL best(compare.points, compare.amount, blocks, c.balance, o.amount, a.asked) b;
END $$;
SELECT v.*, c.* FROM (VALUES (100, 5.00, true), (3, 1, false), (3, 4.50, true), (7, 0.03, true), (7, 0.03, false), (1, 2.50, false), (1, 2.50, true), (13, 1.999, false), (1000, 1, false)) v (points, amount, whole_blocks)
 CROSS JOIN LATERAL compare(v.points, v.amount, v.whole_blocks) c;

-- what is no amount, no number of points, no customer
SELECT quote('club.quote(NULL, 1)'), quote('club.quote(99, 1)'), quote('club.quote(1.5, 1)');
SELECT quote('club.quote(1, NULL)'), quote('club.quote(1, -1)');
SELECT quote($$club.quote(1, 'NaN')$$), quote('club.quote(1, 1e20)');
SELECT quote($$club.quote(1, 'infinity')$$) ~ '^22' AS refused;		-- which 13 does not know
SELECT quote('club.quote(1, 1, -1)'), quote($$club.quote(1, 1, payable => 'NaN')$$);
-- and no conversion
CREATE FUNCTION refused(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	state text; message text; detail text; hint text;
BEGIN
	EXECUTE statement;
	RETURN 'done';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN concat_ws(' | ', state, message, nullif(detail, ''), nullif(hint, ''));
END $$;
SELECT rule(100, 5);
SELECT refused('UPDATE club.conversion SET points = -1');
SELECT refused('UPDATE club.conversion SET points = 0.5');
SELECT refused($$UPDATE club.conversion SET points = 'NaN'$$);
SELECT refused('UPDATE club.conversion SET amount = -0.01');
SELECT refused('UPDATE club.conversion SET amount = 0.005');
SELECT refused('UPDATE club.conversion SET amount = 0.005, whole_blocks = false');
SELECT refused('UPDATE club.conversion SET amount = 1e20, whole_blocks = false');
SELECT refused('UPDATE club.conversion SET minimum_points = 0');
SELECT refused('UPDATE club.conversion SET minimum_amount = 0.001');
SELECT refused('UPDATE club.conversion SET maximum_points = 1.5');
SELECT refused('UPDATE club.conversion SET largest_share = 0');
SELECT refused('UPDATE club.conversion SET largest_share = 50');
SELECT refused($$UPDATE club.conversion SET largest_share = 'NaN'$$);
SELECT refused('UPDATE club.conversion SET minimum_points = 200, maximum_points = 100');
SELECT refused('UPDATE club.conversion SET minimum_amount = 2, maximum_amount = 1');
SELECT refused('UPDATE club.conversion SET points = NULL');
SELECT refused('INSERT INTO club.conversion (points, amount) VALUES (1, 1)');
SELECT refused('UPDATE club.conversion SET only_row = false');

-- a product may be paid with points up to a share of its price: what may be is summed up
CREATE TABLE products (product text PRIMARY KEY, points_share numeric NOT NULL);
INSERT INTO products VALUES ('book', 0), ('tea', 0.5), ('cup', 1);
CREATE TABLE cart (product text, quantity int, price numeric);
INSERT INTO cart VALUES ('book', 1, 20), ('tea', 2, 5), ('cup', 3, 3);
SELECT rule(1, 0.01);
-- of 39.00, half of the tea and the cups: 5 + 9
SELECT q.* FROM (SELECT sum(quantity * price) AS amount, sum(quantity * price * points_share) AS payable FROM cart JOIN products USING (product)) c
 CROSS JOIN LATERAL club.quote(2, c.amount, payable => c.payable) q;

-- what is paid with points does not earn.  106.25 makes 106, 3 are given, 50 spent: 59.  Then 106.00 are paid, 50 of them with points
SELECT loyalty.track_orders('club', 'orders', customer => 'customer', at => 'at', amount => 'total - topup - paid_with_points') \gset
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
SELECT rule(1, 1);
INSERT INTO orders (id, customer, total) VALUES (1, 10, 106.25);
SELECT (club.grant_points(10, 3, 'kind')).balance, (club.redeem(10, 50, 'earlier')).balance;
SELECT 'WE-119' AS example, quote('club.quote(10, 106.00, 50)');
BEGIN;
SELECT points, balance FROM club.redeem(10, 50, 'order-2');
INSERT INTO orders (id, customer, total, paid_with_points) VALUES (2, 10, 106.00, 50);
COMMIT;
SELECT 'WE-119' AS example, kind, order_key, points, balance FROM club.entries WHERE id = 10 ORDER BY entry;
SELECT points, lifetime_value FROM club.members WHERE id = 10;
-- unless a rule says so: 106 points, and still 56 for the lifetime value
UPDATE club.earning_rule SET points = 'amount + paid_with_points';
INSERT INTO orders (id, customer, total, paid_with_points) VALUES (3, 11, 106.00, 50);
SELECT points, lifetime_value FROM club.members WHERE id = 11;
UPDATE club.earning_rule SET points = 'amount';

-- an order cannot be paid with what it brings: the wallet has 10, and 50 more are bought with an order of 100
INSERT INTO club.earning_rule (name, points) VALUES ('top-up', 'topup');
UPDATE club.earning_rule SET points = '0' WHERE name = 'one';
SELECT (club.grant_points(12, 10, 'wallet')).balance;
BEGIN;
SELECT 'WE-111' AS example, quote('club.quote(12, 150)');
SELECT points, balance FROM club.redeem(12, 10, 'order-4');
INSERT INTO orders (id, customer, total, topup, paid_with_points) VALUES (4, 12, 150, 50, 10);
COMMIT;
SELECT 'WE-111' AS example, points FROM club.members WHERE id = 12;
-- points that were taken back after they were spent pay for nothing
INSERT INTO orders (id, customer, total, topup) VALUES (5, 13, 9, 9);
SELECT points FROM club.redeem(13, 9, 'all');
DELETE FROM orders WHERE id = 5;
SELECT points FROM club.members WHERE id = 13;
SELECT quote('club.quote(13, 100)');
SELECT * FROM loyalty.verify('club');

-- rights: of those that read, or may do nothing else, and of nobody else; settings are for administrators
CREATE ROLE regress_quote_reader;
CREATE ROLE regress_quote_till;
CREATE ROLE regress_quote_keeper;
GRANT USAGE ON SCHEMA t_quote TO regress_quote_reader, regress_quote_till, regress_quote_keeper;
SELECT loyalty.grant_access('club', 'regress_quote_reader', 'read'), loyalty.grant_access('club', 'regress_quote_keeper', 'admin');
GRANT USAGE ON SCHEMA club TO regress_quote_till;
SET ROLE regress_quote_till;
SELECT quote('club.quote(1, 100)');
RESET ROLE;
GRANT EXECUTE ON FUNCTION club.quote TO regress_quote_till;
SET ROLE regress_quote_till;
SELECT quote('club.quote(1, 100)'), refused('SELECT * FROM club.members'), refused('SELECT * FROM club.conversion');
SET ROLE regress_quote_reader;
SELECT quote('club.quote(1, 100)'), refused('SELECT * FROM club.conversion'), refused('UPDATE club.conversion SET amount = 2');
SELECT quote($$_loyalty.quote('club.program', 1, 1, NULL, NULL)$$);
SET ROLE regress_quote_keeper;
SELECT refused('UPDATE club.conversion SET amount = 2'), refused('UPDATE club.conversion SET amount = 2.001'), quote('club.quote(1, 100)');
SELECT refused('DELETE FROM club.conversion'), quote('club.quote(1, 100)'), refused('INSERT INTO club.conversion (points, amount) VALUES (1, 1)');
RESET ROLE;
-- who may call all functions is no owner
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA _loyalty TO regress_quote_till;
SET ROLE regress_quote_till;
SELECT quote($$_loyalty.quote('club.program', 1, 1, NULL, NULL)$$);
RESET ROLE;
REVOKE EXECUTE ON ALL ROUTINES IN SCHEMA _loyalty FROM regress_quote_till;
-- nor is a superuser who is not
SELECT refused($$ALTER SCHEMA club OWNER TO regress_quote_keeper$$), quote($$_loyalty.quote('club.program', 1, 1, NULL, NULL)$$);
SELECT refused($$ALTER SCHEMA club OWNER TO CURRENT_USER$$);

-- points with decimals, amounts without, keys of text, and names to be quoted: 0.5 points are 3, so 1.25 are 7
CREATE TABLE "Leute" (k varchar(10) PRIMARY KEY);
INSERT INTO "Leute" VALUES ('ann'), ('Bob''s "x');
SELECT loyalty.create_program('Mein "Club''', customers => '"Leute"', points_scale => 2, amount_scale => 0);
INSERT INTO "Mein ""Club'".conversion (points, amount, whole_blocks) VALUES (0.5, 3, false);
SELECT points FROM "Mein ""Club'".grant_points('Bob''s "x', 1.25, NULL);
SELECT quote($$"Mein ""Club'".quote('Bob''s "x', 100)$$), quote($$"Mein ""Club'".quote('ann', 100)$$), quote($$"Mein ""Club'".quote('bob', 100)$$);
SELECT * FROM loyalty.verify('Mein "Club''');
SELECT loyalty.drop_program('Mein "Club''', force => true);

SELECT * FROM loyalty.verify('club');
SELECT loyalty.drop_program('club', force => true);
REVOKE USAGE ON SCHEMA t_quote FROM regress_quote_reader, regress_quote_till, regress_quote_keeper;
DROP OWNED BY regress_quote_reader, regress_quote_till, regress_quote_keeper;
DROP ROLE regress_quote_reader, regress_quote_till, regress_quote_keeper;
DROP SCHEMA t_quote CASCADE;
