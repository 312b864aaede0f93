-- kind: view
-- read: SELECT
-- What accounting is made of.  Holds move no points, as these are owed to the member until they are captured; and
-- what has expired is gone by the lots alone, whether an entry of time says so or not.  Status points, which nobody can spend,
-- are owed to nobody, and part of nothing here.  What goes from one customer to another is neither issued nor spent by that: both
-- sides together are nothing, but for what repays a debt, which is issued no more, as when it comes with an order.
CREATE OR REPLACE VIEW @schema@.movements AS
SELECT e.customer AS @key@,
       -- as in _loyalty.states_as_of()
       CASE WHEN e.tracked_table = 0 THEN e.at WHEN e.revision = 1 AND NOT e.moved THEN least(e.ordered_at, e.recorded_at) ELSE e.recorded_at END AS counts_from,
       CASE WHEN e.tracked_table > 0 THEN CASE WHEN e.spendable < 0 THEN 'refunded' ELSE 'earned' END
            WHEN e.is_transfer THEN 'transferred'
            WHEN e.kind IN ('redemption', 'capture') THEN 'redeemed'
            WHEN e.kind IN ('hold', 'release') THEN 'held'
            WHEN e.kind = 'grant' THEN 'granted'
            WHEN e.kind IN ('reversal', 'return') THEN 'reversed'
            ELSE 'adjusted' END AS movement,
       CASE e.kind WHEN 'hold' THEN 0 WHEN 'release' THEN 0 WHEN 'capture' THEN e.order_points ELSE e.spendable END
       -- a merge passes on open holds, too, of all keys that the customer had by then
       + CASE WHEN e.kind IN ('merge', 'merged') THEN
              (SELECT coalesce(sum(CASE h.kind WHEN 'capture' THEN h.order_points ELSE 0 END - h.points_change), 0)
                 FROM (SELECT p.customer UNION ALL SELECT unnest(a.merged) FROM @schema@.account a WHERE a.customer @eq@ p.customer) k
                 JOIN @schema@.ledger h ON h.customer @eq@ k.customer AND h.tracked_table = 0
                WHERE h.kind IN ('hold', 'capture', 'release')
                  AND (h.account IS NULL OR h.account @eq@ p.customer OR EXISTS (SELECT FROM @schema@.account a CROSS JOIN LATERAL unnest(a.merged) b (customer) WHERE a.customer @eq@ p.customer AND b.customer @eq@ h.account))) * CASE e.kind WHEN 'merge' THEN 1 ELSE -1 END
              ELSE 0 END AS points,
       e.tracked_table = 0 AND coalesce(o.kind, e.kind) NOT IN ('grant', 'adjustment', 'transfer', 'merge', 'merged') AS spends,
       e.redeemable AS lots, e.tracked_table, e.order_key, e.revision, CASE WHEN e.tracked_table > 0 THEN e.amount_change ELSE 0 END AS amount_change,
       CASE WHEN e.tracked_table > 0 AND e.event IS NULL THEN e.amount ELSE 0 END AS amount, CASE WHEN e.tracked_table > 0 THEN e.order_points - e.status_points ELSE 0 END AS order_points
  FROM (SELECT e.*, e.points_change - CASE WHEN e.lots IS NULL THEN 0 ELSE loyalty.total(e.lots) - loyalty.total(e.redeemable) END AS spendable
  FROM (SELECT e.*, CASE WHEN e.lots IS NOT NULL THEN _loyalty.redeemable_lots(e.lots, @status@) END AS redeemable,
               -- what rules of the order give into wallets of status points
               CASE WHEN e.apart IS NULL THEN 0
                    ELSE (SELECT coalesce(sum(e.apart[r.award]), 0) FROM @schema@.terms_rule r JOIN @schema@.terms_wallet w ON w.version = r.version AND w.name = r.wallet AND NOT w.redeemable WHERE r.version = e.terms) END AS status_points,
               first_value(e.at) OVER (PARTITION BY e.customer, e.recorded_for, e.tracked_table, e.order_key ORDER BY e.revision DESC) AS ordered_at
          FROM (SELECT customer, tracked_table, order_key, revision, moved, at, recorded_at, amount, amount_change, order_points, points_change, lots, terms, apart,
                       kind, event, reverses, counterpart IS NOT NULL AS is_transfer, customer AS recorded_for, counterpart FROM @schema@.ledger WHERE tracked_table >= 0 AND account IS NULL
                UNION ALL
                SELECT a.customer, l.tracked_table, l.order_key, l.revision, l.moved, l.at, l.recorded_at, l.amount, l.amount_change, l.order_points, l.points_change, l.lots, l.terms, l.apart,
                       l.kind, l.event, l.reverses, l.counterpart IS NOT NULL, l.customer, l.counterpart
                  FROM @schema@.account a CROSS JOIN LATERAL unnest(a.merged) k (customer) JOIN @schema@.ledger l ON l.customer @eq@ k.customer AND l.account @eq@ a.customer
                 WHERE a.merged IS NOT NULL AND l.tracked_table >= 0
                UNION ALL
                SELECT account, tracked_table, order_key, revision, moved, at, recorded_at, amount, amount_change, order_points, points_change, lots, terms, apart,
                       kind, event, NULL::text COLLATE "C" AS reverses, false AS is_transfer, customer, NULL AS counterpart FROM @schema@.unposted) e) e) e
 CROSS JOIN LATERAL (SELECT CASE e.kind WHEN 'merge' THEN e.counterpart ELSE e.customer END AS customer) p
  LEFT JOIN @schema@.ledger o ON o.customer @eq@ e.recorded_for AND o.tracked_table = 0 AND o.order_key = e.reverses AND o.revision = 1
UNION ALL
-- a hold that has timed out is released, whether a call has said so in the ledger or not
SELECT h.customer, h.until AS counts_from, 'held'::text AS movement, 0::numeric AS points, true AS spends, h.lots, 0 AS tracked_table, h.reference AS order_key, 2 AS revision,
       0::numeric AS amount_change, 0::numeric AS amount, 0::numeric AS order_points FROM @schema@.held h WHERE h.until <= now();
COMMENT ON VIEW @schema@.movements IS
'by how much each entry changed the points that are owed to members, with the moment from which on it counts: what the views points_flow and breakage add up. What expires is in the lots';
COMMENT ON COLUMN @schema@.movements.counts_from IS 'from when on it counts: when it was recorded, or the time of the order or call, if that is earlier';
COMMENT ON COLUMN @schema@.movements.movement IS 'earned, refunded, granted, redeemed, reversed, adjusted, transferred or held';
COMMENT ON COLUMN @schema@.movements.points IS 'by how much it changes the points that are owed: those of a hold are, until it is captured';
COMMENT ON COLUMN @schema@.movements.spends IS 'is it of a call that spends points, or takes back one that did? What is not, is issued, or taken back of that; what changes hands is both';
COMMENT ON COLUMN @schema@.movements.lots IS 'what it does to the dated points of the customer that are not held, nor status points; null: nothing';
COMMENT ON COLUMN @schema@.movements.order_key IS 'key of the order, as text; of a call, its reference';
COMMENT ON COLUMN @schema@.movements.amount IS 'what the order is worth from this revision on; of an event or a call, 0';
COMMENT ON COLUMN @schema@.movements.order_points IS 'what the order earns from this revision on, without status points; of a call, 0';
