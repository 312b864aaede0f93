-- Keys of customers that are equal and written otherwise, as 3 and 3.0 are: they are one customer
-- wherever customers are compared.  All values are worked out by hand.
SET client_min_messages = warning;
SET TimeZone = 'UTC';
CREATE SCHEMA t_equal;
CREATE TABLE t_equal.customers (id numeric PRIMARY KEY);
INSERT INTO t_equal.customers VALUES (3), (7), (9);
CREATE TABLE t_equal.orders (id int PRIMARY KEY, customer numeric, at timestamptz DEFAULT '2026-01-01', total numeric);
SELECT loyalty.create_program('club', customers => 't_equal.customers', time_zone => 'UTC');
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
SELECT loyalty.track_orders('club', 't_equal.orders', customer => 'customer', at => 'at', amount => 'total');

-- who is merged is known by 3.0; orders of 3.0, 3 and 3.00 are the survivor's, before they are posted and afterwards: 10 + 39 + 1
INSERT INTO t_equal.orders VALUES (1, 3.0, DEFAULT, 10);
CALL loyalty.post('club');
SELECT points FROM club.merge(3, 7, 'one');
INSERT INTO t_equal.orders VALUES (2, 3, DEFAULT, 39), (3, 3.00, DEFAULT, 1);
SELECT customer, account, order_key, points_change FROM club.unposted ORDER BY order_key;	-- 39 and 1
SELECT club.balance(7.0) AS survivor, club.balance(3.000) AS merged, (SELECT available FROM club.wallet_balances WHERE id = 7) AS wallet, (SELECT available FROM club.liability) AS liability;	-- 50
SELECT * FROM loyalty.verify('club');
CALL loyalty.post('club');
SELECT club.balance(7.0) AS survivor, club.balance(3.000) AS merged, (SELECT available FROM club.wallet_balances WHERE id = 7) AS wallet, (SELECT available FROM club.liability) AS liability;	-- 50
SELECT * FROM loyalty.verify('club');

-- a statement that takes 30 of an order of 9.0 and gives 30 to one of 9 takes nothing of the customer, who owes 10: 50, of which
-- all are spent, less 40, and 30
INSERT INTO t_equal.orders VALUES (11, 9, DEFAULT, 50);
SELECT (club.redeem(9.0, 50, 'spent')).balance;
UPDATE t_equal.orders SET total = 10 WHERE id = 11;
UPDATE club.program SET refund_shortfall = 'reject';
INSERT INTO t_equal.orders VALUES (12, 9, DEFAULT, 0), (13, 9.0, DEFAULT, 30);
SELECT club.balance(9);	-- -10
UPDATE t_equal.orders SET total = 30 - total WHERE id IN (12, 13);
SELECT club.balance(9);	-- -10
SELECT * FROM loyalty.verify('club');
SELECT loyalty.drop_program('club', force => true);
DROP SCHEMA t_equal CASCADE;
