-- pgbench: one member's balance and tier
\set customer 1
SELECT points, tier FROM club.members WHERE customer_id = :customer;
