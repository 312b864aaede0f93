-- kind: view
-- read: SELECT
-- A hold that has timed out is given back.  Points that neither wait nor expire are in wallet 1, and below zero they are owed.
CREATE OR REPLACE VIEW @schema@.wallet_balances AS
SELECT b.customer AS @key@, b.wallet, b.name AS wallet_name, b.redeemable, b.available::numeric(38, @points_scale@) AS available, b.pending::numeric(38, @points_scale@) AS pending, b.next_expiry,
       loyalty.expiring(b.lots, now(), b.next_expiry, b.wallet)::numeric(38, @points_scale@) AS expiring
  FROM (SELECT x.customer, x.lots, w.wallet, w.name, w.redeemable,
               coalesce(loyalty.available(x.lots, now(), w.wallet), 0) + CASE w.wallet WHEN 1 THEN x.points - coalesce(loyalty.total(x.lots), 0) ELSE 0 END AS available,
               coalesce(loyalty.pending(x.lots, now(), w.wallet), 0) AS pending, loyalty.next_expiry(x.lots, now(), w.wallet) AS next_expiry
          FROM (SELECT e.customer, sum(e.points) AS points, loyalty.sum(e.lots) AS lots
                  FROM (SELECT a.customer, a.points, a.lots FROM @schema@.account a
                        UNION ALL
                        SELECT u.account, u.points_change AS points, u.lots FROM @schema@.unposted u
                        UNION ALL
                        SELECT h.customer, h.points, h.lots FROM @schema@.held h WHERE h.until <= now()) e
                 GROUP BY e.customer) x
         CROSS JOIN @schema@.wallet w) b
 WHERE b.available <> 0 OR b.pending <> 0;
COMMENT ON VIEW @schema@.wallet_balances IS 'the points of each customer in each wallet that he has any in, at this moment';
COMMENT ON COLUMN @schema@.wallet_balances.wallet IS 'number of the wallet';
COMMENT ON COLUMN @schema@.wallet_balances.wallet_name IS 'name of the wallet';
COMMENT ON COLUMN @schema@.wallet_balances.redeemable IS 'can its points be spent? false: they are status points';
COMMENT ON COLUMN @schema@.wallet_balances.available IS 'points that can be spent now, or of status points, that there are now; below zero, they are owed';
COMMENT ON COLUMN @schema@.wallet_balances.pending IS 'points that are not available yet';
COMMENT ON COLUMN @schema@.wallet_balances.next_expiry IS 'when the next points expire; null: none do';
COMMENT ON COLUMN @schema@.wallet_balances.expiring IS 'how many points expire then';
