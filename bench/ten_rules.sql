-- Ours: orders that are the sum of their lines, with ten rules, half of them per line, and
-- the tiers of the peers.
CREATE EXTENSION loyalty;
SELECT loyalty.create_program('club', customers => 'shop.customers', joined_at => 'created_at') \g /dev/null
INSERT INTO club.tier (name, rank, qualifies, multiplier) VALUES
  ('Silver', 1, 'spend >= 1000', 1.25),
  ('Gold',   2, $$spend >= 5000 AND tenure >= '5 years'$$, 1.5);
INSERT INTO club.earning_rule (name, points, applies_when, per) VALUES
  ('one',    'amount',            'true',                    'order'),
  ('big',    '50',                'amount > 500',            'order'),
  ('even',   'amount / 10',       'customer % 2 = 0',        'order'),
  ('early',  '5',                 $$at < '2022-07-01 UTC'$$, 'order'),
  ('flat',   '1',                 'true',                    'order');
SELECT loyalty.track_orders('club', 'shop.orders', customer => 'customer_id', at => 'ordered_at',
                            counts_when => $$status = 'paid'$$, lines => 'shop.lines', line_order => 'order_id',
                            line_amount => 'qty * price', backfill => false) \g /dev/null
INSERT INTO club.earning_rule (name, points, applies_when, per) VALUES
  ('pieces', 'qty',               'true',                    'line'),
  ('dear',   'price * 0.5',       'price > 100',             'line'),
  ('pair',   '2',                 'qty = 2',                 'line'),
  ('triple', 'qty * price * 0.1', 'qty >= 3',                'line'),
  ('cheap',  '1',                 'price < 20',              'line');
