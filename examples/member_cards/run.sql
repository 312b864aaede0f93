-- A shop with member cards: points at the till, and rewards at a threshold.
--
-- A coffee roastery has two stores.  Members hold a card and get a point for each full euro, twice as many in the new store
-- at the harbour, and 25 on their birthday.  For 100 points they have a voucher over ten euros, for 150 a pound of coffee.
-- The till knows the card, and nothing else of its member.  Run this in an empty database:
-- psql -X -f examples/member_cards/run.sql
\set QUIET on
\set ON_ERROR_STOP on
SET client_min_messages = warning;
SET TimeZone = 'Europe/Berlin';
SET DateStyle = 'ISO';
CREATE EXTENSION IF NOT EXISTS loyalty;

-- What the shop has already.
CREATE SCHEMA roastery;
CREATE TABLE roastery.members (member_id int PRIMARY KEY, name text NOT NULL, born date, signed_up date NOT NULL);
CREATE TABLE roastery.receipts (receipt_no int PRIMARY KEY, member_id int REFERENCES roastery.members,
                                sold_at timestamptz NOT NULL, store text NOT NULL, total numeric(8,2) NOT NULL);
INSERT INTO roastery.members VALUES
  (1, 'Clara Mertens',  '1988-03-14', '2025-01-10'),
  (2, 'Jonas Petersen', '1999-11-02', '2025-01-20'),
  (3, 'Ayse Yildiz',    '1975-06-30', '2025-02-01');

-- The program.  Birthdays counted in 2025 only, so that this example comes out the same in every year.
SELECT loyalty.create_program('beans', customers => 'roastery.members', joined_at => 'signed_up',
                              time_zone => 'Europe/Berlin') \g /dev/null
SELECT loyalty.track_orders('beans', 'roastery.receipts', customer => 'member_id', at => 'sold_at', amount => 'total') \g /dev/null
INSERT INTO beans.earning_rule (name, points, rounding) VALUES ('a point per full euro', 'amount', 'floor');
INSERT INTO beans.earning_rule (name, multiplier, applies_when) VALUES ('twice at the harbour', '2', $$store = 'Harbour'$$);
INSERT INTO beans.date_rule (name, due, every, points, valid_from, valid_until) VALUES
  ('birthday', 'born', '1 year', '25', '2025-01-01', '2025-12-31');
INSERT INTO beans.reward (name, points, kind, value) VALUES
  ('pound of coffee', 150, 'product', NULL),
  ('ten euros',       100, 'voucher', 10.00);

\echo '-- The cards were printed before.  A number is issued once; blanks and hyphens do not matter.'
SELECT name, beans.issue_card(member_id, number) AS card
  FROM (VALUES (1, '5010 0000 0101 0'), (2, '5010 0000 0102 8'), (3, '5010 0000 0103 6')) AS printed (member_id, number)
  JOIN roastery.members USING (member_id) ORDER BY member_id;

-- Clara has 42 of 42.80 and twice 26 of 26.50, which is 94.  Jonas has 88, Ayse twice 19.
INSERT INTO roastery.receipts VALUES
  (1, 1, '2025-01-10 10:15', 'Old Town', 42.80),
  (2, 1, '2025-02-08 16:40', 'Harbour',  26.50),
  (3, 2, '2025-02-15 11:05', 'Old Town', 88.90),
  (4, 3, '2025-03-01 09:30', 'Harbour',  19.95);
\echo '-- Clara asks for the voucher, and is six points short.  The last digit of a card checks the others, so a typing error is told.'
SELECT status, detail FROM beans.try_redeem_reward_by_card('5010 0000 0101 0', 'ten euros', reference => 'till 1, 17');
SELECT status FROM beans.try_redeem_reward_by_card('5010 0000 0110 0', 'ten euros', reference => 'till 1, 18');

-- What a member has is compared with the price of each reward; what limits the number of pieces is the points, and no stock.
\echo '-- The nightly job gives what birthdays have brought: 25 points to each, as of the day.'
CALL loyalty.maintain('beans');
SELECT m.name, m.points, r.reward, r.points AS costs, r.quantity, r.limited_by
  FROM (SELECT member_id, name, points FROM roastery.members JOIN beans.members USING (member_id)) m
  CROSS JOIN LATERAL beans.rewards_for(m.member_id) r
 ORDER BY m.member_id, r.points;

-- 119 and 31 for 31.20 are 150: the threshold is reached with this very receipt, and what it gives can be spent in the same
-- transaction.  The till asks twice, since the line was bad; the reference tells that it is the same coffee.
\echo '-- Clara buys for 31.20 and goes home with a pound of coffee.'
BEGIN;
INSERT INTO roastery.receipts VALUES (5, 1, '2025-12-20 17:55', 'Old Town', 31.20);
SELECT points, balance, reward FROM beans.redeem_reward_by_card('5010 0000 0101 0', 'pound of coffee', reference => 'till 2, 5');
COMMIT;
SELECT points, balance, reward FROM beans.redeem_reward_by_card('5010 0000 0101 0', 'pound of coffee', reference => 'till 2, 5');
SELECT kind, order_key, CASE WHEN kind IN ('order', 'grant') THEN effective_at::date END AS day, points, balance
  FROM beans.entries WHERE member_id = 1 ORDER BY entry;

\echo '-- Jonas takes the voucher, and pays 6.50 with it; 13 points and 3.50 euros are left.'
SELECT points, balance, value, vouchers[1] AS code
  FROM beans.redeem_reward_by_card('5010 0000 0102 8', 'ten euros', reference => 'till 1, 88') \gset
\echo :points :balance :value
SELECT amount, balance FROM beans.redeem_voucher_by_card('5010 0000 0102 8', :'code', reference => 'till 1, 89', amount => 6.50);
SELECT status, balance, amount AS issued FROM beans.voucher_status(:'code');

\echo '-- Ayse has lost her card.  It is blocked, and the new one has what she had: 38 and 25.'
SELECT beans.block_card('5010 0000 0103 6', 'lost') \g /dev/null
SELECT beans.replace_card('5010 0000 0103 6', '5010 0000 0104 4', reason => 'lost') AS new_card;
SELECT status FROM beans.try_redeem_by_card('5010 0000 0103 6', 10, reference => 'till 1, 90');
SELECT m.name, c.points, c.lifetime_value, c.orders, c.last_order_at
  FROM beans.card_by_number('5010 0000 0104 4') c JOIN roastery.members m ON m.member_id::text = c.customer;
SELECT card, status, reason FROM beans.member_card ORDER BY card;

\echo '-- All is as it should be.'
SELECT * FROM loyalty.verify('beans');
