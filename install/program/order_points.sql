-- kind: view
-- read: SELECT
-- The newest entry of each order that counts.  One of the journal is asked for what posting will make of it; no
-- entry of another order is read for that, but those of the same customer that are not posted.
CREATE OR REPLACE VIEW @schema@.order_points AS
SELECT e.customer AS @key@, e.tracked_table, e.order_key, e.at AS ordered_at, e.amount::numeric(38, @amount_scale@) AS amount,
       (CASE WHEN e.posted THEN e.order_points
             ELSE (SELECT f.order_points
                     FROM (SELECT coalesce((SELECT m.survivor FROM @schema@.merged m WHERE m.customer @eq@ e.customer), e.customer) AS customer OFFSET 0) k
                     LEFT JOIN @schema@.account a ON a.customer @eq@ k.customer
                    CROSS JOIN LATERAL _loyalty.accrual_of(@settings@::regclass, k.customer, e.customer, e.tracked_table, e.order_key, e.revision, e.terms,
                                                           a.spend, a.orders, a.points_earned, a.first_order_at, a.last_order_at, a.points, a.lots,
                                                           (SELECT p.reader FROM @schema@.program p), a.merged, a.purchases, a.events) f) END)::numeric(38, @points_scale@) AS points,
       e.posted, e.event
  FROM (SELECT customer, tracked_table, order_key, revision, at, terms, counts, amount, order_points, true AS posted, event FROM @schema@.ledger
        UNION ALL
        SELECT customer, tracked_table, order_key, revision, at, terms, counts, amount, NULL::numeric AS order_points, false AS posted, event FROM @schema@.journal) e
 WHERE e.counts
   AND NOT EXISTS (SELECT FROM @schema@.ledger n
                    WHERE n.customer @eq@ e.customer AND n.tracked_table = e.tracked_table AND n.order_key = e.order_key AND n.revision > e.revision)
   AND NOT EXISTS (SELECT FROM @schema@.journal n
                    WHERE n.customer @eq@ e.customer AND n.tracked_table = e.tracked_table AND n.order_key = e.order_key AND n.revision > e.revision);
COMMENT ON VIEW @schema@.order_points IS 'one row per order, or event, that counts, with the points that it is worth: join it by customer, number of the tracked table and key of the order';
