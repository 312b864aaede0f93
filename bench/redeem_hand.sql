-- pgbench: what an application would write of its own
\set customer random(1, :customers)
BEGIN;
UPDATE peer.balance SET points = points - 1 WHERE customer_id = :customer AND points >= 1;
INSERT INTO peer.log (customer_id, points) VALUES (:customer, -1);
COMMIT;
