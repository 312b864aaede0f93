-- Ours: the same points and tiers as a program.
CREATE EXTENSION loyalty;
SELECT loyalty.create_program('club', customers => 'shop.customers', joined_at => 'created_at') \g /dev/null
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
INSERT INTO club.tier (name, rank, qualifies, multiplier) VALUES
  ('Silver', 1, 'spend >= 1000', 1.25),
  ('Gold',   2, $$spend >= 5000 AND tenure >= '5 years'$$, 1.5);
SELECT loyalty.track_orders('club', 'shop.orders', customer => 'customer_id', at => 'ordered_at', amount => 'amount',
                            counts_when => $$status = 'paid'$$, backfill => false) \g /dev/null
