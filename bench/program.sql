-- Ours: the same points and tiers as the peers, as a program.
CREATE EXTENSION loyalty;
SELECT loyalty.create_program('club', customers => 'shop.customers', joined_at => 'created_at') \g /dev/null
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
INSERT INTO club.tier (name, rank, qualifies, multiplier) VALUES
  ('Silver', 1, 'spend >= 1000', 1.25),
  ('Gold',   2, $$spend >= 5000 AND tenure >= '5 years'$$, 1.5);
