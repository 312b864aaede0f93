-- kind: view
-- read: SELECT
-- What the views of the liability are made of.  A hold that has timed out is given back.  Status points, which nobody can
-- spend, are none that anybody is owed.
CREATE OR REPLACE VIEW @schema@.holdings AS
SELECT x.customer AS @key@, CASE WHEN @status@ IS NULL THEN sum(x.points) ELSE sum(x.points) - coalesce(loyalty.total(loyalty.sum(x.lots)) - loyalty.total(_loyalty.redeemable_lots(loyalty.sum(x.lots), @status@)), 0) END AS points,
       CASE WHEN @status@ IS NULL THEN loyalty.sum(x.lots) ELSE _loyalty.redeemable_lots(loyalty.sum(x.lots), @status@) END AS lots, sum(x.held) AS held, loyalty.sum(x.held_lots) AS held_lots
  FROM (SELECT a.customer, a.points, a.lots, a.held, NULL::loyalty.lots AS held_lots FROM @schema@.account a
        UNION ALL
        SELECT u.account, u.points_change AS points, u.lots, 0::numeric AS held, NULL::loyalty.lots AS held_lots FROM @schema@.unposted u
        UNION ALL
        SELECT h.customer, h.points, h.lots, -h.points AS held, NULL::loyalty.lots AS held_lots FROM @schema@.held h WHERE h.until <= now()
        UNION ALL
        SELECT h.customer, 0::numeric AS points, NULL::loyalty.lots AS lots, 0::numeric AS held, h.lots AS held_lots FROM @schema@.held h WHERE h.until > now()) x
 GROUP BY x.customer;
COMMENT ON VIEW @schema@.holdings IS 'what each customer has at this moment, posted or not: all points but status points, and those that wait or expire';
COMMENT ON COLUMN @schema@.holdings.points IS 'all points but status points and those of open holds, expired ones included';
COMMENT ON COLUMN @schema@.holdings.lots IS 'those of the points that wait, expire, or are in another wallet than the first; null: there never were any';
COMMENT ON COLUMN @schema@.holdings.held IS 'points of open holds';
COMMENT ON COLUMN @schema@.holdings.held_lots IS 'those of open holds that expire when they are given back; null: none';
