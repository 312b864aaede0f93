-- Rewards are had for points, at the price of the tier, as long as there are some and the customer
-- may have them; what is taken back in full is given back.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, MDY';
SET intervalstyle = 'postgres';
CREATE SCHEMA t_rewards;
SET search_path = t_rewards;
CREATE TABLE customers (id int PRIMARY KEY);
INSERT INTO customers SELECT i FROM generate_series(1, 9) i;
CREATE TABLE orders (id int PRIMARY KEY, customer int, at timestamptz DEFAULT '2024-01-01', total numeric(12,2));
SELECT loyalty.create_program('club', customers => 'customers', time_zone => 'Europe/Berlin');
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
INSERT INTO club.tier (name, rank, qualifies) VALUES ('Silver', 1, 'spend >= 1000'), ('Gold', 2, 'spend >= 5000');
SELECT loyalty.track_orders('club', 'orders', customer => 'customer', at => 'at', amount => 'total') \gset
CREATE FUNCTION told(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	state text; message text; detail text; hint text; result text;
BEGIN
	IF query ~ '^SELECT' THEN
		EXECUTE query INTO result;
	ELSE
		EXECUTE query;
	END IF;
	RETURN coalesce(result, 'done');
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN regexp_replace(concat_ws(' | ', state, message, nullif(detail, ''), nullif(hint, '')), '\d{4}-\d\d-\d\d [0-9:.]+\+00', 'TIME', 'g');
END $$;
-- what a redemption did
CREATE FUNCTION redeem(arguments text) RETURNS text LANGUAGE sql AS $$
	SELECT told(format('SELECT format(''entry %%s: %%s of %%s for %%s, leaves %%s%%s%%s'', entry, quantity, reward, -points, balance, '', worth '' || value, '', '' || cardinality(vouchers) || '' vouchers'')
	                      FROM club.redeem_reward(%s)', arguments))
$$;
CREATE FUNCTION take_back(arguments text) RETURNS text LANGUAGE sql AS $$
	SELECT told(format('SELECT format(''entry %%s: %%s, leaves %%s'', entry, points, balance) FROM club.reverse(%s)', arguments))
$$;
-- 700 without a tier, 2000 Silver, 6000 Gold
INSERT INTO orders (id, customer, total) VALUES (1, 1, 700), (2, 2, 2000), (3, 3, 6000);
SELECT id, tier, points FROM club.members WHERE id <= 3 ORDER BY id;

-- prices are those of the tier, and follow it
INSERT INTO club.reward (name, points, description) VALUES ('mug', 100, 'A mug with our name');
INSERT INTO club.reward_price VALUES ('mug', 'Silver', 90), ('mug', 'Gold', 80);
SELECT redeem($$1, 'mug', 'a'$$), redeem($$2, 'mug', 'a'$$), redeem($$3, 'mug', 'a', 3$$);
UPDATE club.tier SET name = 'Or' WHERE name = 'Gold';
SELECT * FROM club.reward_price ORDER BY 1, 2;
SELECT redeem($$3, 'mug', 'b'$$);
DELETE FROM club.tier WHERE name = 'Or';
SELECT * FROM club.reward_price ORDER BY 1, 2;
SELECT redeem($$3, 'mug', 'c'$$);		-- Silver, as there is no Gold
-- a repeated call has the answer that it had, at the price that it had; another one with its reference is refused
SELECT redeem($$3, 'mug', 'a', 3$$), redeem($$3, 'mug', 'b', quantity => 1$$);
SELECT redeem($$3, 'mug', 'a'$$);
SELECT redeem($$3, 'mug', 'a', 3, amount => 10$$);
INSERT INTO club.reward (name, points) VALUES ('cup', 80);
SELECT redeem($$3, 'cup', 'b'$$);
-- the reference is one of all calls for the customer
BEGIN;
SELECT points FROM club.redeem(1, 80, 'plain');
SELECT redeem($$1, 'cup', 'plain'$$);
COMMIT;
SELECT redeem($$1, 'cup', 'plain'$$), told($$SELECT club.grant_points(1, 100, 'a')$$), told($$SELECT club.redeem(1, 99, 'a')$$);
SELECT reference ~ '^[0-9a-f]{8}-[0-9a-f-]{27}$' AS is_uuid FROM club.redeem_reward(1, 'cup', NULL);
-- what the entry says
SELECT kind, order_key, points, reason FROM club.entries WHERE id = 2 AND kind <> 'order' ORDER BY entry;
SELECT redeem($$2, 'cup', 'why', reason => 'because'$$);
SELECT reason FROM club.entries WHERE id = 2 AND order_key = 'why';
SELECT customer, reference, reward, quantity, tier, price, at = reversed_at AS reversed FROM club.reward_redemption WHERE reference <> 'x' AND length(reference) < 10 ORDER BY customer, at;

-- not enough points, no such reward, not now; and no such customer
SELECT redeem($$1, 'mug', 'many', 5$$);
SELECT redeem($$1, 'cap', 'x'$$), redeem($$1, '', 'x'$$);
INSERT INTO club.reward (name, points, starts_at, ends_at) VALUES ('later', 1, '2100-01-01', NULL), ('earlier', 1, NULL, '2020-01-01'), ('now', 1, '2020-01-01', '2100-01-01');
SELECT redeem($$1, 'later', 'x'$$), redeem($$1, 'earlier', 'x'$$), redeem($$1, 'now', 'x'$$);
SELECT redeem($$99, 'mug', 'x'$$), redeem($$NULL, 'mug', 'x'$$), redeem($$1.5, 'mug', 'x'$$), redeem($$9999999999, 'mug', 'x'$$);
-- what is no quantity, amount or reference
SELECT redeem($$1, 'mug', 'y', 0$$), redeem($$1, 'mug', 'y', -1$$), redeem($$1, 'mug', 'y', NULL$$), redeem($$1, NULL, 'y'$$);
SELECT redeem($$1, 'mug', 'y', amount => -1$$), redeem($$1, 'mug', 'y', amount => 'NaN'$$), redeem($$1, 'mug', 'y', 2147483647$$), redeem($$1, 'mug', ''$$);

-- a stock: 3 pieces in all
INSERT INTO club.reward (name, points, stock) VALUES ('bag', 10, 3);
SELECT redeem($$1, 'bag', 'bag-1', 2$$), redeem($$2, 'bag', 'bag-1', 2$$), redeem($$2, 'bag', 'bag-1'$$), redeem($$3, 'bag', 'bag-1'$$);
SELECT told($$UPDATE club.reward SET stock = 2 WHERE name = 'bag'$$);
SELECT told($$UPDATE club.reward SET stock = 4 WHERE name = 'bag'$$), redeem($$3, 'bag', 'bag-1'$$), redeem($$3, 'bag', 'bag-2'$$);
-- without a limit, and then with one again
SELECT told($$UPDATE club.reward SET stock = NULL WHERE name = 'bag'$$), redeem($$3, 'bag', 'bag-2', 2$$);
SELECT told($$UPDATE club.reward SET stock = 5 WHERE name = 'bag'$$), told($$UPDATE club.reward SET stock = 6 WHERE name = 'bag'$$), redeem($$3, 'bag', 'bag-3'$$);
SELECT * FROM club.reward_stock;
-- nothing of a call that fails is left
SELECT count(*) FROM club.entries WHERE order_key = 'bag-3';

-- a limit for each customer: 2 ever, or 1 within a time, which is one of the program's time zone
INSERT INTO club.reward (name, points, member_limit, limit_period) VALUES ('trip', 10, 2, NULL), ('tea', 1, 1, '0.3 seconds'), ('month', 1, 1, '1 month');
SELECT redeem($$1, 'trip', 't1'$$), redeem($$1, 'trip', 't2', 2$$), redeem($$1, 'trip', 't2'$$), redeem($$1, 'trip', 't3'$$), redeem($$2, 'trip', 't1', 2$$);
SELECT redeem($$1, 'tea', 'tea-1'$$), redeem($$1, 'tea', 'tea-2'$$);
SELECT pg_sleep(0.4);
SELECT redeem($$1, 'tea', 'tea-2'$$);
SELECT redeem($$1, 'month', 'm'$$), redeem($$1, 'month', 'n'$$);
-- a month before noon of 31 March is noon of 29 February, and a day before it noon of 30 March, although the clock was set on
SELECT _loyalty.moved_by('2024-03-31 10:00+00', - interval '1 month', 'Europe/Berlin') AT TIME ZONE 'Europe/Berlin',
       _loyalty.moved_by('2024-03-31 10:00+00', - interval '1 day', 'Europe/Berlin') AT TIME ZONE 'Europe/Berlin', _loyalty.moved_by('2024-03-31 10:00+00', NULL, 'Europe/Berlin');

-- money off an order, no more than it comes to; a product is worth no money
INSERT INTO club.reward (name, points, kind, value) VALUES ('five off', 50, 'amount', 5), ('tenth off', 10, 'percent', 10), ('eighth off', 10, 'percent', 12.5);
SELECT redeem($$2, 'five off', 'off-1', 2$$), redeem($$2, 'five off', 'off-2', 2, 7.995$$), redeem($$2, 'five off', 'off-3', amount => 100$$);
-- 10 percent three times are 270, 243, 218.70: 81.30 off
SELECT 'WE-113' AS example, redeem($$2, 'tenth off', 'off-4', 3, 300$$), 300 - value AS to_pay FROM club.redeem_reward(2, 'tenth off', 'off-4', 3, 300);
-- 12.5 percent of 99.99 are 12.49, and of 87.50 then 10.93
SELECT redeem($$2, 'eighth off', 'off-5', 2, 99.99$$), redeem($$2, 'tenth off', 'off-6', amount => 0$$), redeem($$2, 'tenth off', 'off-7', 3, 0.05$$);
SELECT redeem($$2, 'tenth off', 'off-8'$$);
SELECT redeem($$2, 'tenth off', 'off-4', 3, 301$$);

-- taken back: in part, it stays; in full, its pieces are there again, for the stock and the customer
INSERT INTO club.reward (name, points, stock, member_limit) VALUES ('pen', 10, 1, 1);
SELECT redeem($$1, 'pen', 'pen'$$), redeem($$1, 'pen', 'pen-2'$$), redeem($$2, 'pen', 'pen-2'$$);
SELECT take_back($$1, 'pen', 4, 'pen-back-1'$$), redeem($$1, 'pen', 'pen-2'$$);
SELECT take_back($$1, 'pen', NULL, 'pen-back-2'$$), take_back($$1, 'pen', NULL, 'pen-back-2'$$), take_back($$1, 'pen', NULL, 'pen-back-3'$$);
SELECT * FROM club.reward_stock ORDER BY reward;
SELECT redeem($$1, 'pen', 'pen'$$), redeem($$1, 'pen', 'pen-2'$$), redeem($$2, 'pen', 'pen-2'$$);
SELECT take_back($$1, 'plain', NULL, 'plain-back'$$), take_back($$1, 'nothing'$$);
SELECT reference, quantity, reversed_at IS NOT NULL AS reversed FROM club.reward_redemption WHERE reward = 'pen' ORDER BY at;
SELECT * FROM loyalty.verify('club');

-- vouchers: one for each piece, which pay for orders later
INSERT INTO club.reward (name, points, kind, value, valid_for) VALUES ('ten', 100, 'voucher', 10, '1 month'), ('ever', 100, 'voucher', 1, NULL);
SELECT redeem($$3, 'ten', 'v1', 2$$), redeem($$3, 'ten', 'v1', 2$$), redeem($$3, 'ever', 'v2'$$);
SELECT a.vouchers = b.vouchers AS same, a.value, a.vouchers[1] AS first, a.vouchers[2] AS second FROM club.redeem_reward(3, 'ten', 'v1', 2) a, club.redeem_reward(3, 'ten', 'v1', 2) b \gset
SELECT s.status, s.balance, s.amount, s.campaign, s.is_bound, s.expires_at = (r.at AT TIME ZONE 'Europe/Berlin' + interval '1 month') AT TIME ZONE 'Europe/Berlin' AS in_a_month
  FROM club.voucher_status(:'first') s, club.reward_redemption r WHERE r.reference = 'v1';
SELECT expires_at FROM club.reward_redemption r JOIN club.voucher_batch b ON b.reference = r.vouchers WHERE r.reference = 'v2';
-- not taken back in full when one was used, but in part
SELECT amount, balance FROM club.redeem_voucher(:'first', 'order-9', 4);
SELECT take_back($$3, 'v1'$$), take_back($$3, 'v1', 150, 'half'$$), take_back($$3, 'v1'$$);
SELECT status, balance FROM club.voucher_status(:'first') UNION ALL SELECT status, balance FROM club.voucher_status(:'second') ORDER BY 2;
-- those of one that is taken back are void; and so is one that was void before
SELECT redeem($$3, 'ten', 'v3', 2$$);
SELECT vouchers[1] AS third, vouchers[2] AS fourth FROM club.redeem_reward(3, 'ten', 'v3', 2) \gset
SELECT amount FROM club.void_voucher(:'third', 'lost');
SELECT take_back($$3, 'v3'$$);
SELECT (club.voucher_status(:'third')).status, (club.voucher_status(:'fourth')).status;
SELECT told(format('SELECT club.redeem_voucher(%L, %L)', :'fourth', 'order-10'));
SELECT kind, amount, reason FROM club.voucher_entry WHERE code IN (replace(:'third', '-', ''), replace(:'fourth', '-', '')) ORDER BY kind, reason COLLATE "C";
-- the same whoever reverses: by a card, or trying
INSERT INTO club.reward (name, points, stock, kind, value) VALUES ('last', 1, 1, 'voucher', 1);
SELECT (club.issue_card(1, '79927398713')) IS NOT NULL AS issued;
SELECT redeem($$1, 'last', 'by-card'$$), redeem($$2, 'last', 'by-card'$$);
SELECT points FROM club.reverse_by_card('79927398713', 'by-card');
SELECT * FROM club.reward_stock WHERE reward = 'last';
SELECT redeem($$2, 'last', 'tried'$$);
SELECT status, points FROM club.try_reverse(2, 'tried');
SELECT redeem($$2, 'last', 'tried-2'$$);
SELECT amount FROM club.redeem_voucher((SELECT vouchers[1] FROM club.redeem_reward(2, 'last', 'tried-2')), 'order-11');
SELECT status, points, message, detail FROM club.try_reverse(2, 'tried-2');
SELECT * FROM club.reward_stock WHERE reward = 'last';
SELECT redeem($$3, 'ten', 'v4', 1000001$$);
-- where a program has fewer decimals by now, values are rounded down, but not to nothing
INSERT INTO club.reward (name, points, kind, value) VALUES ('one and a half', 1, 'voucher', 1.5), ('half', 1, 'voucher', 0.5), ('half off', 1, 'amount', 0.5);
UPDATE club.program SET amount_scale = 0;
SELECT redeem($$3, 'one and a half', 'v5', 2$$), redeem($$3, 'half', 'v6', 2$$), redeem($$3, 'half off', 'v7', 3$$);
UPDATE club.program SET amount_scale = 2;
DELETE FROM club.reward WHERE name = 'half';
SELECT * FROM loyalty.verify('club');

-- what a customer may have: as many as his points pay for, as there are, as his limit lets him
SELECT club.balance(2);
SELECT * FROM club.rewards_for(2);
SELECT reward, points, quantity, limited_by FROM club.rewards_for(9) WHERE points >= 100;
SELECT told('SELECT count(*) FROM club.rewards_for(99)'), told('SELECT count(*) FROM club.rewards_for(NULL)');

-- what a reward must be
CREATE FUNCTION new(columns text, list text) RETURNS text LANGUAGE sql AS $$ SELECT told(format('INSERT INTO club.reward (name, %s) VALUES (''new'', %s)', columns, list)) $$;
SELECT new('points', '0'), new('points', '-1'), new('points', '0.5'), new('points', $$'NaN'$$), new('points', '1e20'), new('points', 'NULL');
SELECT new('points, kind', $$1, 'gift'$$), new('points, kind', '1, NULL');
SELECT new('points, value', '1, 5'), new('points, kind', $$1, 'amount'$$), new('points, kind, value', $$1, 'voucher', 0$$), new('points, kind, value', $$1, 'amount', 0.001$$);
SELECT new('points, kind, value', $$1, 'percent', 101$$), new('points, kind', $$1, 'percent'$$), new('points, kind, value', $$1, 'percent', 'NaN'$$);
SELECT new('points, valid_for', $$1, '1 day'$$), new('points, kind, value, valid_for', $$1, 'voucher', 1, '-1 day'$$), new('points, kind, value, valid_for', $$1, 'voucher', 1, '1 month -29 days'$$);
SELECT new('points, limit_period', $$1, '1 day'$$), new('points, member_limit, limit_period', $$1, 1, '0'$$), new('points, member_limit', '1, 0'), new('points, stock', '1, -1');
SELECT new('points, starts_at, ends_at', $$1, '2024-01-01', '2024-01-01'$$), told($$INSERT INTO club.reward (name, points) VALUES ('', 1)$$);
SELECT told($$INSERT INTO club.reward_price VALUES ('hat', 'Silver', 1)$$), told($$INSERT INTO club.reward_price VALUES ('mug', 'Bronze', 1)$$), told($$INSERT INTO club.reward_price VALUES ('cup', 'Silver', 0)$$);
-- one that was redeemed is not deleted or renamed, but ended, as the hint says; others are, with their prices
SELECT told($$DELETE FROM club.reward WHERE name = 'pen'$$);
SELECT told($$UPDATE club.reward SET name = 'pencil' WHERE name = 'pen'$$);
SELECT told($$UPDATE club.reward SET ends_at = now() WHERE name = 'pen'$$), redeem($$3, 'pen', 'pen'$$);
SELECT told('TRUNCATE club.reward');
SELECT new('points, stock', '1, 7'), told($$INSERT INTO club.reward_price VALUES ('new', 'Silver', 2)$$), told($$UPDATE club.reward SET name = 'newer' WHERE name = 'new'$$);
SELECT (SELECT string_agg(p::text, ' ') FROM club.reward_price p WHERE reward ~ 'new'), (SELECT string_agg(s::text, ' ') FROM club.reward_stock s WHERE reward ~ 'new');
SELECT told($$DELETE FROM club.reward WHERE name = 'newer'$$);
SELECT (SELECT count(*) FROM club.reward_price p WHERE reward ~ 'new'), (SELECT count(*) FROM club.reward_stock s WHERE reward ~ 'new');
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT told($$UPDATE club.reward SET description = 'with a lid' WHERE name = 'cup'$$), told($$UPDATE club.reward SET stock = 99 WHERE name = 'cup'$$), told($$DELETE FROM club.reward WHERE name = 'later'$$);
ROLLBACK;
SELECT * FROM loyalty.verify('club');

-- rights: who reads may look, who operates may redeem, who administers may write rewards, and nobody writes what calls write
CREATE ROLE regress_reward_reader;
CREATE ROLE regress_reward_desk;
CREATE ROLE regress_reward_other;
CREATE ROLE regress_reward_keeper;
GRANT USAGE ON SCHEMA t_rewards TO regress_reward_reader, regress_reward_desk, regress_reward_other, regress_reward_keeper;
SELECT loyalty.grant_access('club', 'regress_reward_reader', 'read'), loyalty.grant_access('club', 'regress_reward_desk', 'operate'),
       loyalty.grant_access('club', 'regress_reward_other', 'operate'), loyalty.grant_access('club', 'regress_reward_keeper', 'admin');
SET ROLE regress_reward_reader;
SELECT redeem($$3, 'cup', 'reader'$$), told($$SELECT quantity FROM club.rewards_for(3) WHERE reward = 'cup'$$), told('SELECT count(*) > 1 FROM club.reward_redemption'), told('DELETE FROM club.reward');
SELECT told($$SELECT _loyalty.redeem_reward('club.program', 3, 'cup', 'x', 1, 1, NULL)$$);
SET ROLE regress_reward_desk;
SELECT redeem($$3, 'cup', 'desk'$$), redeem($$3, 'ten', 'desk-v'$$), redeem($$3, 'ten', 'desk-v'$$), told('INSERT INTO club.reward (name, points) VALUES (1, 1)');
-- codes are told again to who had them made, and to the owner
SET ROLE regress_reward_other;
SELECT redeem($$3, 'cup', 'desk'$$), redeem($$3, 'ten', 'desk-v'$$);
SET ROLE regress_reward_keeper;
SELECT told($$INSERT INTO club.reward (name, points, stock) VALUES ('hat', 1, 1)$$), told($$UPDATE club.reward SET points = 2 WHERE name = 'hat'$$), redeem($$3, 'hat', 'hat'$$), told($$UPDATE club.reward SET stock = 2 WHERE name = 'hat'$$);
SELECT told($$INSERT INTO club.reward_price VALUES ('hat', 'Silver', 5)$$), told($$UPDATE club.reward_price SET points = 6 WHERE reward = 'hat'$$), redeem($$3, 'hat', 'hat-2'$$), told($$DELETE FROM club.reward_price WHERE reward = 'hat'$$);
SELECT told('UPDATE club.reward_stock SET taken = 0'), told('UPDATE club.reward_redemption SET reversed_at = now()');
RESET ROLE;
SELECT redeem($$3, 'ten', 'desk-v'$$);
SELECT actor FROM club.entries WHERE id = 3 AND order_key IN ('desk', 'hat') ORDER BY entry;
GRANT INSERT, UPDATE, DELETE, TRUNCATE ON club.reward_stock, club.reward_redemption TO regress_reward_keeper;
SET ROLE regress_reward_keeper;
SELECT told('UPDATE club.reward_stock SET taken = 0'), told('DELETE FROM club.reward_redemption'), told('TRUNCATE club.reward_stock');
RESET ROLE;
-- an expression of the program is no place for it
CREATE FUNCTION sly(n numeric) RETURNS numeric LANGUAGE plpgsql STABLE AS $$ BEGIN PERFORM club.redeem_reward(1, 'cup', 'sly'); RETURN n; END $$;
UPDATE club.earning_rule SET points = 't_rewards.sly(amount)';
SELECT told('INSERT INTO t_rewards.orders (id, customer, total) VALUES (10, 1, 1)');
UPDATE club.earning_rule SET points = 'amount';
SELECT * FROM loyalty.verify('club');

-- whatever is wrong with a redemption or a reward is told
CREATE FUNCTION plant(statement text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	BEGIN
		SET LOCAL session_replication_role = replica;
		EXECUTE statement;
		RAISE EXCEPTION USING ERRCODE = 'LO001', MESSAGE = (SELECT coalesce(json_agg(concat_ws(': ', v.violation, v.customer, v.order_key, v.detail) ORDER BY v.violation, v.order_key, v.detail), '[]')
		                                                      FROM loyalty.verify('club') v);
	EXCEPTION WHEN SQLSTATE 'LO001' THEN
		RETURN QUERY SELECT * FROM json_array_elements_text(sqlerrm::json);
	END;
END $$;
SELECT plant($$UPDATE club.reward_redemption SET price = 99 WHERE customer = 1 AND reference = 'a'$$);
SELECT plant($$UPDATE club.reward_redemption SET reference = 'b' WHERE customer = 1 AND reference = 'a'$$);
SELECT plant($$UPDATE club.reward_redemption SET at = now() WHERE customer = 1 AND reference = 'a'$$);
SELECT plant($$UPDATE club.reward_redemption SET quantity = -1 WHERE customer = 1 AND reference = 'a'$$);
-- vouchers of a reward that was given back are void, though they had expired by then
SELECT plant($$UPDATE club.voucher_batch SET expires_at = issued_at WHERE reference IN (SELECT vouchers FROM club.reward_redemption WHERE reversed_at IS NOT NULL)$$);
SELECT plant($$UPDATE club.reward_redemption SET reversed_at = now() WHERE customer = 1 AND reference = 'a'$$);
SELECT plant($$UPDATE club.reward_redemption SET reversed_at = NULL WHERE customer = 1 AND reference = 'pen'$$);
SELECT plant($$UPDATE club.reward_redemption SET member_limit = 1 WHERE customer = 1 AND reference = 't2'$$);
SELECT plant($$UPDATE club.reward_redemption SET limit_period = NULL WHERE customer = 1 AND reference = 'tea-2'$$);
SELECT plant($$UPDATE club.reward_stock SET taken = 1 WHERE reward = 'bag'$$);
SELECT plant($$DELETE FROM club.reward_stock WHERE reward = 'bag'$$);
SELECT plant($$INSERT INTO club.reward_stock VALUES ('cup', 1)$$);
SELECT plant($$UPDATE club.reward SET stock = 4 WHERE name = 'bag'$$);
SELECT plant($$UPDATE club.reward SET name = 'sack' WHERE name = 'bag'$$);
SELECT plant($$UPDATE club.reward_price SET tier = 'Bronze' WHERE tier = 'Silver'$$);
SELECT plant($$UPDATE club.reward_price SET reward = 'jug' WHERE reward = 'mug'$$);
SELECT plant($$UPDATE club.reward_redemption SET value = 21 WHERE customer = 3 AND reference = 'v1'$$);
SELECT plant($$UPDATE club.reward_redemption SET vouchers = 'none' WHERE customer = 3 AND reference = 'v2'$$);
SELECT plant($$UPDATE club.voucher_entry SET kind = 'redemption', reference = 'r' WHERE reason ~ 'v3'$$);
-- and what mends a stock is what is told
SELECT detail ~ '; UPDATE' AS is_update FROM loyalty.verify('club');
UPDATE club.reward_stock SET taken = 1 WHERE reward = 'bag';
SELECT split_part(detail, '; ', 2) AS command FROM loyalty.verify('club') \gset
:command;
SELECT * FROM loyalty.verify('club');

-- what a program lacks is made; of a stock, what is taken is counted
DROP TABLE club.reward_stock;
DROP FUNCTION club.redeem_reward;
DROP TRIGGER new_prices ON club.tier;
SELECT violation, detail FROM loyalty.verify('club');
SELECT loyalty.upgrade_program('club');
SELECT * FROM club.reward_stock ORDER BY reward;
SELECT redeem($$3, 'cup', 'upgraded'$$);
SELECT * FROM loyalty.verify('club');
-- a program that is older than rewards
SELECT loyalty.create_program('older', customers => 'customers');
DROP TABLE older.conversion, older.reward, older.reward_price, older.reward_stock, older.reward_redemption, older.voucher_batch, older.voucher, older.voucher_entry CASCADE;
DROP FUNCTION older.quote, older.redeem_reward, older.rewards_for, older.issue_voucher, older.issue_vouchers, older.voucher_status, older.redeem_voucher, older.void_voucher;
DROP TRIGGER new_prices ON older.tier;
CREATE OR REPLACE FUNCTION older.reverse(customer numeric, reverses text, points numeric DEFAULT NULL, reference text DEFAULT NULL, reason text DEFAULT NULL)
RETURNS loyalty.receipt LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	RETURN _loyalty.reverse('older.program'::regclass, customer, reverses, points, reference, reason);
END $$;
ALTER TABLE older.program DROP COLUMN layout;
SELECT loyalty.upgrade_program('older');
SELECT _loyalty.strangers('older');
SELECT * FROM loyalty.verify('older');
SELECT loyalty.drop_program('older');

-- points with decimals, keys that are padded, and names to be quoted
CREATE TABLE "Leute" (k char(10) PRIMARY KEY);
INSERT INTO "Leute" VALUES ('ann'), ('Bob''s "x');
SELECT loyalty.create_program('Mein "Club''', customers => '"Leute"', points_scale => 2, amount_scale => 0);
INSERT INTO "Mein ""Club'".reward (name, points, kind, value, stock, member_limit) VALUES ('Ein "Ding''s"', 0.25, 'voucher', 3, 5, 4);
SELECT points FROM "Mein ""Club'".grant_points('Bob''s "x', 10, NULL);
SELECT reference, points, balance, reward, quantity, value, cardinality(vouchers) FROM "Mein ""Club'".redeem_reward('Bob''s "x', 'Ein "Ding''s"', 'A "ref''"', 2);
SELECT reference, points, balance, reward, quantity, value, cardinality(vouchers) FROM "Mein ""Club'".redeem_reward('Bob''s "x', 'Ein "Ding''s"', 'A "ref''"', 2);
SELECT told($$SELECT "Mein ""Club'".redeem_reward('Bob''s "x', 'Ein "Ding''s"', 'another', 3)$$);
SELECT reward, points, quantity, limited_by FROM "Mein ""Club'".rewards_for('Bob''s "x');
SELECT points FROM "Mein ""Club'".reverse('Bob''s "x', 'A "ref''"');
SELECT reward, points, quantity, limited_by FROM "Mein ""Club'".rewards_for('Bob''s "x');
SELECT * FROM loyalty.verify('Mein "Club''');
SELECT loyalty.drop_program('Mein "Club''', force => true);

SELECT * FROM loyalty.verify('club');
SELECT loyalty.drop_program('club', force => true);
DROP OWNED BY regress_reward_reader, regress_reward_desk, regress_reward_other, regress_reward_keeper;
DROP ROLE regress_reward_reader, regress_reward_desk, regress_reward_other, regress_reward_keeper;
DROP SCHEMA t_rewards CASCADE;
