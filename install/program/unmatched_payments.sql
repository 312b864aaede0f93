-- kind: view
-- read: SELECT
-- An order is that of the customer who paid, or of another key of the same account.  One that was recorded once, however
-- it stands, is there.  Of a call that was reversed in full, nothing pays for anything any more.
CREATE OR REPLACE VIEW @schema@.unmatched_payments AS
SELECT x.customer AS @key@, x.reference, x.kind, x.points, x.called_at, x.reason, x.pays_for, x.pays_table, t.relation
  FROM (SELECT l.customer, l.order_key AS reference, l.kind, l.at AS called_at, l.reason, l.pays_for, l.pays_table,
               -l.order_points - (SELECT coalesce(sum(r.points_change), 0) FROM @schema@.ledger r
                                   WHERE r.customer @eq@ l.customer AND r.tracked_table = 0 AND r.reverses = l.order_key) AS points
          FROM @schema@.ledger l
         WHERE l.tracked_table = 0 AND l.kind IN ('redemption', 'capture') AND l.pays_for IS NOT NULL) x
  JOIN @schema@.tracked_table t ON t.tracked_table = x.pays_table
 WHERE x.points > 0
   AND NOT EXISTS (SELECT FROM (SELECT x.customer
                                UNION ALL SELECT m.survivor FROM @schema@.merged m WHERE m.customer @eq@ x.customer
                                UNION ALL SELECT o.customer FROM @schema@.merged o
                                           WHERE o.survivor @eq@ coalesce((SELECT m.survivor FROM @schema@.merged m WHERE m.customer @eq@ x.customer), x.customer)) k
                    WHERE EXISTS (SELECT FROM @schema@.ledger n WHERE n.customer @eq@ k.customer AND n.tracked_table = x.pays_table AND n.order_key = x.pays_for)
                       OR EXISTS (SELECT FROM @schema@.journal n WHERE n.customer @eq@ k.customer AND n.tracked_table = x.pays_table AND n.order_key = x.pays_for));
COMMENT ON VIEW @schema@.unmatched_payments IS 'calls that pay for an order (pays_for) of which nothing is recorded for their customer: it does not count yet, is that of somebody else, or was named wrongly';
COMMENT ON COLUMN @schema@.unmatched_payments.reference IS 'names the call among those for the customer';
COMMENT ON COLUMN @schema@.unmatched_payments.kind IS 'redemption, or capture of a hold';
COMMENT ON COLUMN @schema@.unmatched_payments.points IS 'points that were spent and not reversed';
COMMENT ON COLUMN @schema@.unmatched_payments.called_at IS 'when the transaction of the call began';
COMMENT ON COLUMN @schema@.unmatched_payments.reason IS 'why, as the caller said';
