-- A loyalty program on the CDNOW purchases, and what a manager wants to see.
\set ON_ERROR_STOP on
\pset footer off
\pset linestyle unicode
\pset border 1
SET client_min_messages = warning;
SET timezone = 'UTC';

\echo
\echo '-- the program, its rules and its tiers are rows'
CREATE EXTENSION loyalty;
SELECT loyalty.create_program('club', customers => 'shop.customers', joined_at => 'joined_on', time_zone => 'America/New_York') \g /dev/null
SELECT loyalty.track_orders('club', 'shop.orders', customer => 'customer_id', at => 'ordered_on', amount => 'amount',
                            counts_when => $$status = 'paid'$$, backfill => false) \g /dev/null
INSERT INTO club.earning_rule (name, points, applies_when) VALUES
  ('one point per dollar',  'amount',  'true'),
  ('five more per big box', '5 * cds', 'cds >= 5');
INSERT INTO club.tier (name, rank, qualifies, multiplier) VALUES
  ('Bronze',   1, 'orders >= 2',                                  1.00),
  ('Silver',   2, 'spend >= 200 AND orders >= 3',                 1.25),
  ('Gold',     3, 'spend >= 500 AND orders >= 5',                 1.50),
  ('Platinum', 4, $$spend >= 1000 AND tenure >= '1 year'$$,       2.00);
SELECT name, points, applies_when FROM club.earning_rule ORDER BY name;
SELECT name, qualifies, multiplier FROM club.tier ORDER BY rank;

\echo '-- all past orders are recorded'
SELECT loyalty.backfill('club', 'shop.orders') AS orders_recorded;

\echo '-- members by tier'
SELECT coalesce(m.tier, '(none)') AS tier, count(*) AS members, sum(m.orders) AS orders, sum(m.points) AS points,
       sum(m.lifetime_value) AS lifetime_value
  FROM club.members m LEFT JOIN club.tier t ON t.name = m.tier
 GROUP BY m.tier, t.rank ORDER BY t.rank DESC NULLS LAST;

\echo '-- the ten best customers'
SELECT customer_id, tier, points, lifetime_value, orders, average_order, last_order_at::date AS last_order
  FROM club.members ORDER BY lifetime_value DESC, customer_id LIMIT 10;

\echo '-- one customer, before a new order'
SELECT customer_id, tier, points, lifetime_value, orders FROM club.members WHERE customer_id = 42;
\echo '-- ... the customer buys for 250.00: the card is right in the same transaction'
BEGIN;
INSERT INTO shop.orders (customer_id, ordered_on, cds, amount) VALUES (42, '1998-07-01', 12, 250.00) RETURNING order_id \gset
SELECT customer_id, tier, points, lifetime_value, orders FROM club.members WHERE customer_id = 42;
COMMIT;
\echo '-- ... and the order is refunded: not a point is left of it'
UPDATE shop.orders SET status = 'refunded' WHERE order_id = :order_id;
SELECT customer_id, tier, points, lifetime_value, orders FROM club.members WHERE customer_id = 42;
SELECT entry, order_key AS "order", effective_at::date, tier, amount_change AS amount, points, balance
  FROM club.entries WHERE customer_id = 42 ORDER BY entry;

\echo '-- a customer spends points: once for each reference, however often it is asked for'
SELECT points, balance FROM club.redeem(7, 50, reference => 'cart-991');
SELECT points, balance FROM club.redeem(7, 50, reference => 'cart-991');
SELECT customer_id, tier, points, lifetime_value, orders FROM club.members WHERE customer_id = 7;

\echo '-- what is earned from now on waits for two weeks, and expires with the next year; no job has to run for that'
UPDATE club.wallet SET available_after = '14 days', expires = $$date_trunc('year', earned_on) + interval '2 years'$$;
INSERT INTO shop.orders (customer_id, ordered_on, cds, amount) VALUES (7, current_date, 2, 40.00);
SELECT available, pending, held, debt FROM club.balances(7);
SELECT points, state, expires_at IS NOT NULL AS expires FROM club.lots WHERE customer_id = 7 ORDER BY state;
\echo '-- ... and points can be given to somebody else'
SELECT points, balance FROM club.transfer(7, 42, 10, reference => 'gift-1');

\echo '-- posting moves the entries to the ledger; nothing that is read changes'
CALL loyalty.post('club');
SELECT (SELECT count(*) FROM club.journal) AS unposted, (SELECT count(*) FROM club.ledger) AS posted;
SELECT format('%s members, %s orders, lifetime value %s', count(*), sum(orders), sum(lifetime_value)) FROM club.members \g (format=unaligned tuples_only=on)
SELECT count(*) AS violations, count(*) = 0 AS healthy FROM loyalty.verify('club') \gset
\echo verify(): :violations violations
\if :healthy
\else
SELECT * FROM loyalty.verify('club');
DO $$ BEGIN RAISE EXCEPTION 'verify() found violations'; END $$;
\endif
