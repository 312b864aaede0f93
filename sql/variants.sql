-- Functions of a program that take a customer: by card, and trying.  Each does what the function of
-- its name does; expected numbers were worked out by hand.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, MDY';
CREATE SCHEMA t_variants;
CREATE TABLE t_variants.customers (id int PRIMARY KEY);
INSERT INTO t_variants.customers SELECT generate_series(1, 9);
CREATE TABLE t_variants.orders (id int PRIMARY KEY, customer int, at timestamptz, total numeric);
SELECT loyalty.create_program('club', customers => 't_variants.customers', time_zone => 'UTC');
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
INSERT INTO club.tier (name, rank, qualifies) VALUES ('Gold', 1, 'spend >= 100');
INSERT INTO club.conversion (points, amount) VALUES (1, 0.01);
SELECT loyalty.track_orders('club', 't_variants.orders', customer => 'customer', at => 'at', amount => 'total');

-- Which variants there are of each function that takes a customer.  README.md has the same table, and says why some are not there.
SELECT p.proname AS function, c.proname IS NOT NULL AS by_card, t.proname IS NOT NULL AS tries, p.provolatile = 's' AS reads
  FROM pg_proc p
  LEFT JOIN pg_proc c ON c.pronamespace = p.pronamespace AND c.proname = p.proname || '_by_card'
  LEFT JOIN pg_proc t ON t.pronamespace = p.pronamespace AND t.proname = 'try_' || p.proname
 WHERE p.pronamespace = 'club'::regnamespace AND 'customer' = ANY (p.proargnames[1:p.pronargs]) AND p.proname NOT LIKE 'try\_%' ORDER BY 1;
-- the arguments are the same, but for the card in the place of the customer, as the first one
SELECT p.proname AS not_alike, p.proargnames, v.proargnames
  FROM pg_proc p
  JOIN pg_proc v ON v.pronamespace = p.pronamespace AND v.proname IN (p.proname || '_by_card', 'try_' || p.proname, 'try_' || p.proname || '_by_card')
 WHERE p.pronamespace = 'club'::regnamespace AND 'customer' = ANY (p.proargnames[1:p.pronargs])
   AND p.proargnames[1:p.pronargs] <> v.proargnames[1:v.pronargs]
   AND array_prepend('card', array_remove(p.proargnames[1:p.pronargs], 'customer'))
       <> array_replace(array_replace(v.proargnames[1:v.pronargs], 'recipient_card', 'recipient'), 'survivor_card', 'survivor');
-- what is there by card and tries is there in both
SELECT p.proname AS not_both FROM pg_proc p
  JOIN pg_proc c ON c.pronamespace = p.pronamespace AND c.proname = p.proname || '_by_card'
  JOIN pg_proc t ON t.pronamespace = p.pronamespace AND t.proname = 'try_' || p.proname
  LEFT JOIN pg_proc b ON b.pronamespace = p.pronamespace AND b.proname = 'try_' || p.proname || '_by_card'
 WHERE p.pronamespace = 'club'::regnamespace AND (b.oid IS NULL OR b.prorettype <> t.prorettype);
-- each runs as the owner, which nobody may call who was not granted it
SELECT p.proname AS open FROM pg_proc p
 WHERE p.pronamespace = 'club'::regnamespace AND (p.proname LIKE '%\_by\_card' OR p.proname LIKE 'try\_%')
   AND (NOT p.prosecdef OR EXISTS (SELECT FROM aclexplode(p.proacl) a WHERE a.grantee = 0) OR p.proacl IS NULL OR obj_description(p.oid) IS NULL);

-- By card.  Customer 1 has 300, of an order that makes him Gold; the first card was replaced by the second.
INSERT INTO t_variants.orders VALUES (1, 1, '2026-01-01', 300);
SELECT club.issue_card(1, '79927398713'), club.issue_card(2, '12345674');
SELECT club.replace_card('79927398713', '79927398721');
CREATE FUNCTION t_variants.told(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	answer text;
BEGIN
	EXECUTE 'SELECT (' || query || ')::text' INTO answer;
	RETURN answer;
EXCEPTION WHEN OTHERS THEN
	RETURN concat_ws(': ', SQLSTATE, SQLERRM);
END $$;
-- what reads answers by either card
SELECT c, club.balances_by_card(c) = club.balances(1) AS balances, club.tier_at_by_card(c) AS tier, club.member_at_by_card(c, '2026-02-01') = club.member_at(1, '2026-02-01') AS member,
       (club.quote_by_card(c, 10.00)).points AS quote, (SELECT l.points FROM club.lots_at_by_card(c, '2026-02-01') l) AS lots
  FROM unnest('{79927398713, 7992-7398-721}'::text[]) c;
INSERT INTO club.reward (name, points, kind, value) VALUES ('mug', 40, 'product', NULL), ('ten', 100, 'voucher', 10);
SELECT c, r.* FROM unnest('{79927398713, 7992-7398-721}'::text[]) c CROSS JOIN LATERAL club.rewards_for_by_card(c) r ORDER BY 1, 2;
-- what spends does so by the new one: 2 mugs for 80, and a voucher for 100, leave 120; repeated, it is the same
SELECT t_variants.told($$(club.redeem_reward_by_card('79927398713', 'mug', 'r1', 2)).points$$);
SELECT reference, points, balance, reward, quantity FROM club.redeem_reward_by_card('79927398721', 'mug', 'r1', 2);
SELECT points, balance FROM club.redeem_reward_by_card('79927398721', 'mug', 'r1', quantity => 2);
SELECT points, balance FROM club.redeem_reward(1, 'mug', 'r1', 2);
SELECT points, balance, vouchers[1] AS code FROM club.redeem_reward_by_card('79927398721', 'ten', 'r2') \gset
SELECT :'points' AS points, :'balance' AS balance;
SELECT t_variants.told($$(club.redeem_reward_by_card('79927398721', 'cup', 'r3')).points$$);
-- a voucher for the customer of a card: 10, of which 4 are redeemed
SELECT club.issue_voucher_by_card('79927398721', 10, 'for 1', campaign => 'spring') AS bound \gset
SELECT club.issue_voucher_by_card('79927398721', 10, 'for 1', campaign => 'spring') = :'bound' AS same, club.issue_voucher(10, 'for 1', 1, campaign => 'spring') = :'bound' AS again;
SELECT t_variants.told($$club.issue_voucher_by_card('79927398713', 10, 'for 1')$$);
SELECT (club.voucher_status_by_card('79927398713', :'bound')).status, (club.voucher_status_by_card('12345674', :'bound')).status AS of_2, (club.voucher_status(:'bound', 2)).status AS the_same;
SELECT amount, balance FROM club.redeem_voucher_by_card('79927398721', :'bound', 'v1', 4);
SELECT amount, balance FROM club.redeem_voucher_by_card('79927398721', :'bound', 'v1', 4);
SELECT t_variants.told(format('club.redeem_voucher_by_card(''12345674'', %L, ''v2'', 4)', :'bound'));
SELECT t_variants.told(format('(club.redeem_voucher_by_card(''79927398713'', %L, ''v2'', 4)).amount', :'bound'));
SELECT club.block_card('12345674', 'lost');
SELECT t_variants.told($$club.balances_by_card('12345674')$$), t_variants.told($$club.redeem_voucher_by_card('12345674', 'x', 'v2', 4)$$);
SELECT club.unblock_card('12345674');
SELECT * FROM loyalty.verify('club');

-- Trying by card.  What is wrong with the card is a status, of each call and each card that it takes: the card is mistyped,
-- unknown, blocked, or replaced.  What ends something, or takes it back, takes the one that was replaced: then it is its
-- reference that is unknown.
CREATE FUNCTION t_variants.by_card(card text) RETURNS TABLE (call text, status text) LANGUAGE plpgsql AS $$
BEGIN
	FOR call, status IN VALUES ('redeem', '$1, 1, ''x'''), ('grant_points', '$1, 1, ''x'''), ('adjust', '$1, 1, ''x'', ''x'''), ('reverse', '$1, ''none'''), ('hold', '$1, 1, ''x'''),
		('capture', '$1, ''none'''), ('release', '$1, ''none'''), ('transfer', '$1, ''79927398721'', 1, ''x'''), ('transfer', '''79927398721'', $1, 1, ''x'''),
		('merge', '$1, ''79927398721'', ''x'''), ('merge', '''79927398721'', $1, ''x'''), ('redeem_reward', '$1, ''mug'', ''x'''), ('redeem_voucher', '$1, ''none'', ''x''')
	LOOP
		EXECUTE format('SELECT o.status FROM club.try_%s_by_card(%s) o', call, status) INTO status USING card;
		RETURN NEXT;
	END LOOP;
END $$;
SELECT club.block_card('12345674', 'lost');
SELECT c.what, b.status, count(*) AS calls, string_agg(b.call, ', ' ORDER BY b.call) FILTER (WHERE b.status NOT LIKE '%card%') AS others
  FROM (VALUES (1, 'mistyped', '79927398714'), (2, 'unknown', '79927398739'), (3, 'blocked', '12345674'), (4, 'replaced', '79927398713')) c (n, what, card)
 CROSS JOIN LATERAL t_variants.by_card(c.card) b GROUP BY c.n, c.what, b.status ORDER BY c.n, b.status;
SELECT club.unblock_card('12345674');
-- what is done, and refused, is as by the key.  120 are left, of which 20 are held, 15 of these captured, and taken back; 30 go
-- to customer 2: 90
SELECT status, points, balance FROM club.try_hold_by_card('79927398721', 20, 'h');
SELECT status, points, balance FROM club.try_capture_by_card('79927398713', 'h', 15);
SELECT status, points, balance FROM club.try_reverse_by_card('79927398713', 'h', reference => 'h-back');
SELECT status, points, balance FROM club.try_transfer_by_card('7992-7398-721', '12345674', 30, 'gift');
SELECT status, detail FROM club.try_redeem_by_card('79927398721', 91, 'r9');
SELECT status, message FROM club.try_redeem_by_card('79927398721', 1, 'r9', wallet => 'none');
SELECT status, message, hint FROM club.try_redeem_by_card('79927398714', 1, 'r9');
-- what is wrong by itself stays an error
SELECT t_variants.told($$club.try_redeem_by_card('79927398721', -1, 'r9')$$), t_variants.told($$club.try_redeem_by_card(NULL, 1, 'r9')$$);
-- taken back, for what is below
SELECT status, points, balance FROM club.try_reverse_by_card('79927398721', 'gift');
SELECT * FROM loyalty.verify('club');

-- Trying.  A reward: what is done, and each reason why not; then what the function itself says
CREATE FUNCTION t_variants.tried(name text, arguments text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	o record;
	answer text;
BEGIN
	EXECUTE format('SELECT status, message, detail, hint, to_jsonb(x) - ''{status,message,detail,hint}''::text[] AS done FROM club.try_%s(%s) x', name, arguments) INTO o;
	BEGIN
		EXECUTE format('SELECT to_jsonb(x) FROM club.%s(%s) x', name, arguments) INTO answer;
		RETURN concat_ws(' | ', o.status, CASE WHEN answer::jsonb <> o.done THEN 'NOT SO: ' || answer END);
	EXCEPTION WHEN OTHERS THEN
		GET STACKED DIAGNOSTICS answer = PG_EXCEPTION_DETAIL;
		RETURN concat_ws(' | ', o.status, o.message, CASE WHEN (SQLERRM, nullif(answer, '')) IS DISTINCT FROM (o.message, o.detail) THEN 'NOT SO: ' || SQLERRM END,
		                 CASE WHEN jsonb_strip_nulls(o.done) <> '{}' THEN 'NOT SO: ' || o.done::text END);
	END;
EXCEPTION WHEN OTHERS THEN
	RETURN concat_ws(' | ', 'raised ' || SQLSTATE, SQLERRM);
END $$;
-- 120 less 40, and with the reference repeated the same
SELECT status, reference, points, balance, reward, quantity, value, vouchers, message FROM club.try_redeem_reward(1, 'mug', 't1');
SELECT t_variants.tried('redeem_reward', $$1, 'mug', 't1'$$);
SELECT t_variants.tried('redeem_reward', $$1, 'mug', 't1', 2$$);
SELECT t_variants.tried('redeem_reward', $$1, 'ten', 't2'$$);	-- 80 of 100
SELECT t_variants.tried('redeem_reward', $$99, 'mug', 't2'$$);
SELECT t_variants.tried('redeem_reward', $$1, 'cup', 't2'$$);
INSERT INTO club.reward (name, points, kind, starts_at, stock, member_limit) VALUES ('late', 1, 'product', '2100-01-01', NULL, NULL), ('few', 1, 'product', NULL, 2, NULL), ('one', 1, 'product', NULL, NULL, 1);
SELECT status, message FROM club.try_redeem_reward(1, 'late', 't2');
SELECT t_variants.tried('redeem_reward', $$1, 'few', 't2', 3$$);
SELECT t_variants.tried('redeem_reward', $$1, 'one', 't2', 2$$);
SELECT t_variants.tried('redeem_reward', $$1, 'mug', 't2', 0$$);	-- an argument that is wrong by itself
SELECT t_variants.tried('redeem_reward', $$1, NULL, 't2'$$);
SELECT club.balance(1);	-- what was refused has done nothing: 80
-- a voucher: 6 are left of the one that is for customer 1
SELECT status, amount, balance, message FROM club.try_redeem_voucher(:'bound', 'v3', 1, customer => 1);
SELECT t_variants.tried('redeem_voucher', format('%L, %L, 1, 1', :'bound', 'v3'));
SELECT t_variants.tried('redeem_voucher', format('%L, %L, 2, 1', :'bound', 'v3'));
SELECT t_variants.tried('redeem_voucher', format('%L, %L, 6, 1', :'bound', 'v4'));
SELECT t_variants.tried('redeem_voucher', format('%L, %L, 6, 2', :'bound', 'v4'));
SELECT t_variants.tried('redeem_voucher', format('%L, %L', :'bound', 'v4'));
SELECT t_variants.tried('redeem_voucher', format('%L, %L, 1, 99', :'bound', 'v4'));
SELECT t_variants.tried('redeem_voucher', $$'mistyped', 'v4'$$);
SELECT t_variants.tried('redeem_voucher', format('%L, %L, -1', :'code', 'v4'));
SELECT status, amount, balance FROM club.try_redeem_voucher(:'code', 'v5');
SELECT balance FROM club.void_voucher(:'bound', 'by mistake');
SELECT t_variants.tried('redeem_voucher', format('%L, %L, 1, 1', :'bound', 'v6'));
-- and in a transaction, which goes on
BEGIN;
SELECT status FROM club.try_redeem_reward(1, 'ten', 't3');
SELECT status FROM club.try_redeem_voucher(:'bound', 'v7', customer => 1);
SELECT status, balance FROM club.try_redeem_reward(1, 'mug', 't3');
COMMIT;
SELECT * FROM loyalty.verify('club');

-- Two customers who are one, by their cards: 40 and 0
SELECT points, balance FROM club.merge_by_card('79927398721', '12345674', 'm1', 'the same');
SELECT points, balance FROM club.merge_by_card('79927398721', '12345674', 'm1', 'the same');
SELECT t_variants.told($$club.merge_by_card('79927398713', '12345674', 'm2')$$);
SELECT club.balance_by_card('79927398721'), club.balance_by_card('12345674');
SELECT * FROM loyalty.verify('club');

-- Who may only make calls may make these, and who may only read may read.
CREATE ROLE regress_variants;
SELECT loyalty.grant_access('club', 'regress_variants', 'read');
SET ROLE regress_variants;
SELECT club.tier_at_by_card('12345674'), (SELECT count(*) FROM club.lots_at_by_card('12345674', '2026-02-01')) AS lots;
SELECT club.try_redeem_reward(1, 'mug', 'x');
SELECT club.redeem_reward_by_card('12345674', 'mug', 'x');
RESET ROLE;
SELECT loyalty.grant_access('club', 'regress_variants', 'operate');
SET ROLE regress_variants;
SELECT status, balance FROM club.try_redeem_reward(2, 'mug', 'x');
RESET ROLE;
DROP OWNED BY regress_variants;
DROP ROLE regress_variants;
SELECT * FROM loyalty.verify('club');
SELECT loyalty.drop_program('club', force => true);
-- with a key of another type, that is a domain over text
CREATE DOMAIN t_variants.key AS varchar(9) CHECK (VALUE <> '');
CREATE TABLE t_variants.people (id t_variants.key PRIMARY KEY);
INSERT INTO t_variants.people VALUES ('ann');
SELECT loyalty.create_program('keyed', customers => 't_variants.people');
SELECT keyed.issue_card('ann', '12345674');
SELECT (keyed.grant_points('ann', 10, 'g')).balance;
SELECT (keyed.member_at_by_card('12345674', 'infinity')).points, (SELECT l.points FROM keyed.lots_at_by_card('12345674', 'infinity') l), (keyed.balances_by_card('12345674')).available, (keyed.quote_by_card('12345674', 10)).points AS quote,
       (SELECT count(*) FROM keyed.rewards_for_by_card('12345674')) AS rewards, keyed.tier_at_by_card('12345674') AS tier;
SELECT status FROM keyed.try_redeem_reward('ann', 'none', 'x');
SELECT status FROM keyed.try_redeem_voucher('none', 'x', customer => 'ann');
SELECT loyalty.drop_program('keyed', force => true);
DROP SCHEMA t_variants CASCADE;
