-- pgbench: the points of one member of many
\set customer random(2, 100000)
SELECT club.balance(:customer);
