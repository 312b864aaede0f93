-- kind: view
-- read: SELECT
-- What a movement took from a lot, or gave to it, expires with the lot, or at once if that has expired already.
CREATE OR REPLACE VIEW @schema@.points_flow AS
SELECT f.month, (sum(f.total) OVER w - f.total)::numeric(38, @points_scale@) AS opening,
       f.earned::numeric(38, @points_scale@) AS earned, f.refunded::numeric(38, @points_scale@) AS refunded, f.granted::numeric(38, @points_scale@) AS granted,
       f.redeemed::numeric(38, @points_scale@) AS redeemed, f.reversed::numeric(38, @points_scale@) AS reversed, f.expired::numeric(38, @points_scale@) AS expired,
       f.adjusted::numeric(38, @points_scale@) AS adjusted, (sum(f.total) OVER w)::numeric(38, @points_scale@) AS closing, f.transferred::numeric(38, @points_scale@) AS transferred
  FROM (SELECT date_trunc('month', x.moment AT TIME ZONE p.time_zone)::date AS month, sum(x.points) AS total,
               coalesce(sum(x.points) FILTER (WHERE x.movement = 'earned'), 0) AS earned, coalesce(sum(x.points) FILTER (WHERE x.movement = 'refunded'), 0) AS refunded,
               coalesce(sum(x.points) FILTER (WHERE x.movement = 'granted'), 0) AS granted, coalesce(sum(x.points) FILTER (WHERE x.movement = 'redeemed'), 0) AS redeemed,
               coalesce(sum(x.points) FILTER (WHERE x.movement = 'reversed'), 0) AS reversed, coalesce(sum(x.points) FILTER (WHERE x.movement = 'expired'), 0) AS expired,
               coalesce(sum(x.points) FILTER (WHERE x.movement = 'adjusted'), 0) AS adjusted,
               coalesce(sum(x.points) FILTER (WHERE x.movement = 'transferred' AND x.points > 0), 0) AS transferred
          FROM @schema@.movements m CROSS JOIN @schema@.program p
         CROSS JOIN LATERAL (SELECT m.counts_from AS moment, m.movement, m.points
                             UNION ALL
                             SELECT greatest(m.counts_from, l.expires_at) AS moment, 'expired'::text AS movement, -l.points AS points FROM loyalty.unnest(m.lots) l WHERE l.expires_at <= now()) x
         WHERE x.points <> 0 GROUP BY 1) f
WINDOW w AS (ORDER BY f.month);
COMMENT ON VIEW @schema@.points_flow IS
'by month, in the time zone of the program: what came to the points that are owed to members, and what went: opening, and all up to adjusted, make closing';
COMMENT ON COLUMN @schema@.points_flow.month IS 'first day of the month; one in which nothing happened has no row';
COMMENT ON COLUMN @schema@.points_flow.opening IS 'points that are owed to members before the month, less their debt';
COMMENT ON COLUMN @schema@.points_flow.earned IS 'points that orders made';
COMMENT ON COLUMN @schema@.points_flow.refunded IS 'points that refunds and changes of orders took back, below zero';
COMMENT ON COLUMN @schema@.points_flow.granted IS 'points that were given by calls';
COMMENT ON COLUMN @schema@.points_flow.redeemed IS 'points that were redeemed, or captured of a hold, below zero';
COMMENT ON COLUMN @schema@.points_flow.reversed IS 'what was taken back of redemptions, or came back of what an order was paid with, which is above zero, and of grants and adjustments';
COMMENT ON COLUMN @schema@.points_flow.expired IS 'points that expired, below zero; what came back to an expired lot did so when it came';
COMMENT ON COLUMN @schema@.points_flow.adjusted IS 'corrections, up and down';
COMMENT ON COLUMN @schema@.points_flow.closing IS 'points that are owed to members after the month, less their debt';
COMMENT ON COLUMN @schema@.points_flow.transferred IS 'points that went from one member to another, by transfers and merges, which the program owes as before: part of no sum';
