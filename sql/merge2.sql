-- Customers who were merged, and what was said of them before: calls that are repeated, and cards.
-- Numbers are worked out by hand, as the comments say.
SET client_min_messages = warning;
SET TimeZone = 'UTC';
CREATE SCHEMA t_merge2;
CREATE TABLE t_merge2.customers (id int PRIMARY KEY);
INSERT INTO t_merge2.customers SELECT generate_series(1, 9);
SELECT loyalty.create_program('club', customers => 't_merge2.customers', time_zone => 'UTC');
CREATE PROCEDURE t_merge2.call(query text) LANGUAGE plpgsql AS $$
DECLARE
	detail text;
	hint text;
BEGIN
	EXECUTE query;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RAISE WARNING '%: %', SQLSTATE, SQLERRM USING DETAIL = detail, HINT = hint;
END $$;
SELECT count((club.grant_points(i, 100, 'start')).points) FROM generate_series(1, 6) i;

-- A transfer of before: 100 - 20 = 80, which it answers when it is repeated, too, whoever is who by then
SELECT points, balance FROM club.transfer(1, 2, 20, 't');
SELECT points, balance FROM club.merge(1, 2, 'm1');	-- 80 and 120
SELECT points, balance FROM club.transfer(1, 2, 20, 't');
SELECT status, points, balance FROM club.try_transfer(1, 2, 20, 't');
CALL t_merge2.call($$SELECT club.transfer(1, 2, 21, 't')$$);
CALL t_merge2.call($$SELECT club.transfer(2, 1, 20, 't')$$);
CALL t_merge2.call($$SELECT club.transfer(1, 2, 20, 't-new')$$);
CALL t_merge2.call($$SELECT club.transfer(2, 2, 20, 't-new')$$);
-- who gave is merged on, or who got it
SELECT points, balance FROM club.transfer(3, 4, 10, 't');	-- 90
SELECT points, balance FROM club.merge(4, 5, 'm2');	-- 110 and 100
SELECT points, balance FROM club.merge(3, 5, 'm3');	-- 90 and 210
SELECT points, balance FROM club.transfer(3, 4, 10, 't');
SELECT * FROM loyalty.verify('club');

-- A merge is no transfer, and is not taken back, by neither of its references
CALL t_merge2.call($$SELECT club.reverse(5, 'm3')$$);
CALL t_merge2.call($$SELECT club.reverse(3, 'm3')$$);
CALL t_merge2.call($$SELECT club.reverse(1, 'm1', 10, 'r')$$);
-- nobody: whichever argument it is
CALL t_merge2.call($$SELECT club.merge(6, 999, 'm4')$$);
CALL t_merge2.call($$SELECT club.merge(999, 6, 'm4')$$);
CALL t_merge2.call($$SELECT club.transfer(6, 999, 1, 'm4')$$);
CALL t_merge2.call($$SELECT club.redeem(999, 1, 'm4')$$);

-- A card of who is merged is one of the survivor
SELECT club.issue_card(6, '79927398713'), club.issue_card(7, '12345674'), club.issue_card(8, '79927398721');
CREATE TABLE t_merge2.before AS SELECT clock_timestamp() AS at;
SELECT pg_sleep(0.01);
SELECT points, balance FROM club.merge(6, 7, 'm5');	-- 100 and 0
SELECT club.customer_of('79927398713'), club.customer_of('12345674');
SELECT id, points FROM club.members WHERE id = club.customer_of('79927398713');
-- of a moment before, each is asked by his own card: 100 and 0
SELECT club.balance_by_card('79927398713'), club.balance_by_card('79927398713', at), club.balance_by_card('12345674', at) FROM t_merge2.before;
-- it is the same card, for either key, and for nobody else
SELECT club.issue_card(7, '79927398713'), club.issue_card(6, '79927398713'), club.issue_card(6, '12345674');
CALL t_merge2.call($$SELECT club.issue_card(8, '79927398713')$$);
CALL t_merge2.call($$SELECT club.issue_card(7, '79927398721')$$);
SELECT count(*) AS cards FROM club.member_card;
-- one of either takes the place of one of the other, and not one of somebody else
CALL t_merge2.call($$SELECT club.replace_card('79927398713', '79927398721')$$);
SELECT club.replace_card('79927398713', '12345674', 'one is enough');
SELECT club.customer_of('79927398713', replaced => true);
CALL t_merge2.call($$SELECT club.issue_card(7, '79927398713')$$);	-- his, and replaced
-- merged on, it is one of the last
SELECT points, balance FROM club.merge(7, 8, 'm6');
SELECT club.customer_of('79927398713', true), club.customer_of('12345674'), club.customer_of('79927398721');
SELECT club.issue_card(8, '12345674');
SELECT points, balance FROM club.redeem_by_card('12345674', 30, 'by card');	-- 70
SELECT points, balance FROM club.redeem(6, 30, 'by card');	-- the same
SELECT card, customer, status, replaced_by FROM club.member_card ORDER BY card;
SELECT * FROM loyalty.verify('club');
-- verify() finds a successor of somebody else, and only that
SELECT club.issue_card(9, '4242424242424242');
UPDATE club.member_card SET replaced_by = '4242424242424242' WHERE card = '79927398713';
SELECT violation, customer, detail FROM loyalty.verify('club');
UPDATE club.member_card SET replaced_by = '12345674' WHERE card = '79927398713';
SELECT * FROM loyalty.verify('club');

-- Keys of text of a fixed length, and of a domain that refuses nulls
CREATE TABLE t_merge2.fixed (id char(4) PRIMARY KEY);
INSERT INTO t_merge2.fixed VALUES ('a'), ('b');
CREATE DOMAIN t_merge2.code AS text NOT NULL CHECK (VALUE <> '');
CREATE TABLE t_merge2.coded (id t_merge2.code PRIMARY KEY);
INSERT INTO t_merge2.coded VALUES ('a'), ('b');
SELECT loyalty.create_program('fixed', customers => 't_merge2.fixed', time_zone => 'UTC');
SELECT loyalty.create_program('coded', customers => 't_merge2.coded', time_zone => 'UTC');
SELECT fixed.issue_card('a', '79927398713'), coded.issue_card('a', '79927398713');
SELECT (fixed.merge('a', 'b', 'm')).points, (coded.merge('a'::t_merge2.code, 'b'::t_merge2.code, 'm')).points;
SELECT fixed.issue_card('b', '79927398713'), coded.issue_card('b', '79927398713');
SELECT fixed.customer_of('79927398713'), coded.customer_of('79927398713');
SELECT fixed.balance_by_card('79927398713'), coded.balance_by_card('79927398713');
-- as of now, both are one, whose points are 0
SELECT (fixed.member_at('a', now())).points, (coded.member_at('a'::t_merge2.code, now())).points;
SELECT * FROM loyalty.verify('fixed');
SELECT * FROM loyalty.verify('coded');
-- The key of one customer changes: once the old one is merged into the new one, the orders may follow, though points of them are spent
CREATE TABLE t_merge2.renamed (id int PRIMARY KEY);
CREATE TABLE t_merge2.bought (id int PRIMARY KEY, customer int REFERENCES t_merge2.renamed, total numeric, at timestamptz DEFAULT '2026-01-01');
INSERT INTO t_merge2.renamed VALUES (1);
SELECT loyalty.create_program('renamed', customers => 't_merge2.renamed', time_zone => 'UTC');
UPDATE renamed.program SET refund_shortfall = 'reject';
SELECT loyalty.track_orders('renamed', 't_merge2.bought', customer => 'customer', at => 'at', amount => 'total');
INSERT INTO renamed.earning_rule (name, points) VALUES ('base', 'amount');
INSERT INTO t_merge2.bought VALUES (1, 1, 10);
SELECT balance FROM renamed.grant_points(1, 7, 'gift');
SELECT balance FROM renamed.redeem(1, 12, 'cart');
INSERT INTO t_merge2.renamed VALUES (100);
UPDATE t_merge2.bought SET customer = 100;
BEGIN;
SELECT balance FROM renamed.merge(1, 100, 'new key');
UPDATE t_merge2.bought SET customer = 100;
DELETE FROM t_merge2.renamed WHERE id = 1;
COMMIT;
-- 10 + 7 - 12
SELECT id, points, orders FROM renamed.members;
SELECT * FROM loyalty.verify('renamed');
SELECT loyalty.drop_program('renamed', force => true);
SELECT loyalty.drop_program('fixed', force => true), loyalty.drop_program('coded', force => true), loyalty.drop_program('club', force => true);
DROP SCHEMA t_merge2 CASCADE;
