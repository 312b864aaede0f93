-- pgbench: the same, as a call
\set customer random(1, :customers)
SELECT balance FROM club.redeem(:customer, 1, NULL);
