-- pgbench: some members by a list of keys
\set customer random(2, 90000)
SELECT points, tier FROM club.members WHERE customer_id IN (:customer, :customer + 1000, :customer + 10000);
