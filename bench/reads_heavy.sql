-- pgbench: a member with very many orders
SELECT points, tier FROM club.members WHERE customer_id = 1;
