-- kind: view
-- read: SELECT
-- Reads: posted state and what is not yet posted, always together.  Whoever reads all of it gets the entries of one
-- customer after the other, which are folded together.  What folding opens is named here, so that it is locked before the snapshot is taken.
CREATE OR REPLACE VIEW @schema@.unposted AS
SELECT j.customer, j.tracked_table, j.order_key, j.revision, j.at, j.recorded_at, j.terms, j.counts,
       j.amount, j.awards, j.currency, j.rate, j.joined_at, j.moved, f.tier, f.multiplier,
       coalesce(a.entries, 0) + f.number AS entry, f.order_points, f.orders_change, f.amount_change,
       f.points_change, f.spend, f.orders, f.points_earned, f.first_order_at, f.last_order_at, f.lots, j.available_at, f.forgiven
  FROM (SELECT * FROM @schema@.journal ORDER BY customer) j
  LEFT JOIN @schema@.account a ON a.customer @eq@ j.customer
 CROSS JOIN LATERAL _loyalty.accrual_of(@settings@::regclass, j.customer, j.tracked_table, j.order_key, j.revision, j.terms,
                                        a.spend, a.orders, a.points_earned, a.first_order_at, a.last_order_at, a.points, a.lots,
                                        (SELECT p.reader FROM @schema@.program p WHERE true OR EXISTS (SELECT FROM @schema@.ledger))) f
 WHERE f.number IS NOT NULL;
COMMENT ON VIEW @schema@.unposted IS 'journal entries with what posting will make of them';
