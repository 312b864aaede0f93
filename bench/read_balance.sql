-- pgbench: what an application would read of a peer
\set customer 1
SELECT points FROM peer.balance WHERE customer_id = :customer;
