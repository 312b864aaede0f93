-- kind: view
-- read: SELECT
-- Of points whose time is over, it is known what became of them.  Of those that never expire, it never is.
CREATE OR REPLACE VIEW @schema@.breakage AS
SELECT b.month, b.issued::numeric(38, @points_scale@) AS issued, b.redeemed::numeric(38, @points_scale@) AS redeemed, b.held::numeric(38, @points_scale@) AS held,
       b.expired::numeric(38, @points_scale@) AS expired, round(b.expired / nullif(b.redeemed + b.expired, 0), 6) AS rate,
       round(sum(b.expired) OVER w / nullif(sum(b.redeemed + b.expired) OVER w, 0), 6) AS rate_to_date
  FROM (SELECT date_trunc('month', x.expires_at AT TIME ZONE p.time_zone)::date AS month, coalesce(sum(x.points) FILTER (WHERE NOT x.spends), 0) AS issued,
               -coalesce(sum(x.points) FILTER (WHERE x.spends), 0) - sum(x.held) AS redeemed, sum(x.held) AS held, sum(x.points) AS expired
          FROM @schema@.program p
         CROSS JOIN (SELECT l.expires_at, m.spends, l.points, 0::numeric AS held FROM @schema@.movements m CROSS JOIN LATERAL loyalty.unnest(m.lots) l
                     UNION ALL
                     SELECT l.expires_at, true AS spends, 0::numeric AS points, l.points AS held FROM @schema@.holdings h CROSS JOIN LATERAL loyalty.unnest(h.held_lots) l) x
         WHERE x.expires_at <= now() GROUP BY 1) b
WINDOW w AS (ORDER BY b.month);
COMMENT ON VIEW @schema@.breakage IS 'by the month of expiry: what became of points whose time is over';
COMMENT ON COLUMN @schema@.breakage.month IS 'first day of the month, in the time zone of the program, that has the first moment at which they were gone';
COMMENT ON COLUMN @schema@.breakage.issued IS 'points that were earned or given with such a date, less what refunds took back, or repaid a debt when it came or changed hands';
COMMENT ON COLUMN @schema@.breakage.redeemed IS 'how many of them were spent, less what came back of that and repaid no debt';
COMMENT ON COLUMN @schema@.breakage.held IS 'how many of them are in open holds, so that nobody knows yet';
COMMENT ON COLUMN @schema@.breakage.expired IS 'how many of them expired';
COMMENT ON COLUMN @schema@.breakage.rate IS 'share that expired of what was spent or expired, rounded to six decimals';
COMMENT ON COLUMN @schema@.breakage.rate_to_date IS 'the same of all that expired up to the end of the month: in the last row, of all';
