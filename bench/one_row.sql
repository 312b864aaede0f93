-- pgbench: one order of one of :customers customers
\set customer random(1, :customers)
\set cents random(500, 100000)
INSERT INTO shop.orders (customer_id, ordered_at, amount) VALUES (:customer, now(), :cents / 100.0);
