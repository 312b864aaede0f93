-- pgbench: points of a customer, without a balance
\set customer 1
SELECT sum(points) FROM peer.ledger WHERE customer_id = :customer;
