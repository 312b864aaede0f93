-- The fastest we could write to fill the peers' tables from the orders of the
-- past: one sort by customer gives the running spend and leaves the ledger in the
-- order of its key, and the keys are made afterwards, with memory to spare.  To
-- walk the index and sort customer by customer is slower than to sort at once.
BEGIN;
SET LOCAL work_mem = '256MB';
SET LOCAL enable_incremental_sort = off;
SET LOCAL maintenance_work_mem = '256MB';
ALTER TABLE peer.ledger DROP CONSTRAINT ledger_pkey;
ALTER TABLE peer.balance DROP CONSTRAINT balance_pkey;
INSERT INTO peer.ledger (customer_id, order_id, revision, at, amount, orders, multiplier, points)
SELECT o.customer_id, o.order_id, 1, o.ordered_at, o.amount, 1, m.multiplier, floor(o.amount * m.multiplier)
  FROM (SELECT customer_id, order_id, ordered_at, amount,
               coalesce(sum(amount) OVER (PARTITION BY customer_id ORDER BY ordered_at, order_id
                                          ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS spend_before
          FROM shop.orders WHERE status = 'paid') o
  LEFT JOIN shop.customers c ON c.customer_id = o.customer_id
  CROSS JOIN LATERAL (SELECT peer.multiplier(o.spend_before, c.created_at, o.ordered_at) AS multiplier) m;
INSERT INTO peer.balance (customer_id, points, spend, orders, first_order_at, last_order_at)
SELECT customer_id, sum(points), sum(amount), count(*), min(at), max(at)
  FROM peer.ledger GROUP BY customer_id;
ALTER TABLE peer.ledger ADD PRIMARY KEY (customer_id, order_id, revision);
ALTER TABLE peer.balance ADD PRIMARY KEY (customer_id);
COMMIT;
