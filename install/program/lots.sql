-- kind: view
-- read: SELECT
-- Points that neither wait nor expire are what the points are more than the lots; below zero, they are owed.  Those that
-- nobody knows yet when they are available are so in the last year that there is (see wallet.c).
CREATE OR REPLACE VIEW @schema@.lots AS
SELECT x.customer AS @key@, w.name AS wallet,
       CASE WHEN date_part('year', x.available_at) >= 294276 THEN 'infinity' ELSE nullif(x.available_at, '-infinity') END AS available_at, nullif(x.expires_at, 'infinity') AS expires_at,
       sum(x.points)::numeric(38, @points_scale@) AS points, CASE WHEN sum(x.points) < 0 THEN 'owed' WHEN x.available_at > now() THEN 'pending' ELSE 'available' END AS state
  FROM (SELECT a.customer, l.wallet, l.available_at, l.expires_at, l.points FROM @schema@.account a CROSS JOIN LATERAL loyalty.unnest(a.lots) l WHERE a.lots IS NOT NULL
        UNION ALL
        SELECT a.customer, 1 AS wallet, '-infinity'::timestamptz AS available_at, 'infinity'::timestamptz AS expires_at, a.points - coalesce(loyalty.total(a.lots), 0) AS points FROM @schema@.account a
        UNION ALL
        SELECT u.account, l.wallet, l.available_at, l.expires_at, l.points FROM @schema@.unposted u CROSS JOIN LATERAL loyalty.unnest(u.lots) l WHERE u.lots IS NOT NULL
        UNION ALL
        SELECT u.account, 1 AS wallet, '-infinity'::timestamptz AS available_at, 'infinity'::timestamptz AS expires_at, u.points_change - coalesce(loyalty.total(u.lots), 0) AS points FROM @schema@.unposted u
        UNION ALL
        SELECT h.customer, l.wallet, l.available_at, l.expires_at, l.points FROM @schema@.held h CROSS JOIN LATERAL loyalty.unnest(h.lots) l WHERE h.lots IS NOT NULL AND h.until <= now()
        UNION ALL
        SELECT h.customer, 1 AS wallet, '-infinity'::timestamptz AS available_at, 'infinity'::timestamptz AS expires_at, h.points - coalesce(loyalty.total(h.lots), 0) AS points FROM @schema@.held h WHERE h.until <= now()) x
  LEFT JOIN @schema@.wallet w ON w.wallet = x.wallet
 WHERE x.expires_at > now()
 GROUP BY x.customer, w.name, x.available_at, x.expires_at
HAVING sum(x.points) <> 0;
COMMENT ON VIEW @schema@.lots IS 'the points of each customer by when they are available and when they expire, at this moment';
COMMENT ON COLUMN @schema@.lots.wallet IS 'name of the wallet that they are in';
COMMENT ON COLUMN @schema@.lots.available_at IS 'from when on they can be spent; null: at once; infinity: it is not known yet';
COMMENT ON COLUMN @schema@.lots.expires_at IS 'the first moment at which they are gone; null: never';
COMMENT ON COLUMN @schema@.lots.points IS 'so many points';
COMMENT ON COLUMN @schema@.lots.state IS 'available, pending, or owed: then they are less than nothing';
