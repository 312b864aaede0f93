-- pgbench: one member of many
\set customer random(2, 100000)
SELECT points, tier FROM club.members WHERE customer_id = :customer;
