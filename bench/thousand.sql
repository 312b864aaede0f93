-- pgbench: 1,000 orders in one statement
INSERT INTO shop.orders (customer_id, ordered_at, amount)
SELECT 1 + floor(random() * 100000)::bigint, now(), round((5 + random() * 1000)::numeric, 2)
  FROM generate_series(1, 1000);
