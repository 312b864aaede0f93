-- Ten rules in place of one, half of them conditional.
INSERT INTO club.earning_rule (name, points, applies_when) VALUES
  ('flat',    '1',             'true'),
  ('tenth',   'amount / 10',   'true'),
  ('hundred', 'amount * 0.01', 'true'),
  ('long',    'amount * 0.25', 'true'),
  ('big',     '50',            'amount > 500'),
  ('weekend', 'amount',        'extract(isodow FROM at) >= 6'),
  ('night',   '5',             'extract(hour FROM at) < 6'),
  ('even',    '2',             'customer % 2 = 0'),
  ('early',   '5',             $$at < '2022-07-01 UTC'$$);
