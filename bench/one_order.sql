-- pgbench: one order of three lines, of one of :customers customers
\set customer random(1, :customers)
\set cents random(500, 15000)
BEGIN;
INSERT INTO shop.orders (customer_id, ordered_at, amount) VALUES (:customer, now(), 0) RETURNING order_id \gset
INSERT INTO shop.lines (order_id, qty, price) VALUES
  (:order_id, 1, :cents / 100.0), (:order_id, 2, :cents / 200.0), (:order_id, 3, :cents / 300.0);
COMMIT;
