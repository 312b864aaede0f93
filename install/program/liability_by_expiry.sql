-- kind: view
-- read: SELECT
-- What a member owes is taken off the points that expire first.
CREATE OR REPLACE VIEW @schema@.liability_by_expiry AS
SELECT date_trunc('month', nullif(x.expires_at, 'infinity') AT TIME ZONE p.time_zone)::date AS month,
       sum(x.available)::numeric(38, @points_scale@) AS available, sum(x.pending)::numeric(38, @points_scale@) AS pending, sum(x.held)::numeric(38, @points_scale@) AS held,
       sum(x.available + x.pending + x.held)::numeric(38, @points_scale@) AS outstanding
  FROM @schema@.program p CROSS JOIN @schema@.holdings h
 CROSS JOIN LATERAL (SELECT l.expires_at, CASE WHEN l.waits THEN 0 ELSE greatest(least(l.points, sum(l.points) OVER (PARTITION BY l.waits ORDER BY l.points > 0, l.expires_at, l.n)), 0) END AS available,
                            CASE WHEN l.waits THEN l.points ELSE 0 END AS pending, 0::numeric AS held
                       FROM (SELECT u.expires_at, u.available_at > now() AS waits, u.points, row_number() OVER () AS n FROM loyalty.unnest(h.lots) u WHERE u.expires_at > now()
                             UNION ALL
                             SELECT 'infinity'::timestamptz AS expires_at, false AS waits, h.points - coalesce(loyalty.total(h.lots), 0) AS points, 0::bigint AS n) l
                     UNION ALL
                     SELECT u.expires_at, 0::numeric AS available, 0::numeric AS pending, u.points AS held FROM loyalty.unnest(h.held_lots) u
                     UNION ALL
                     SELECT 'infinity'::timestamptz AS expires_at, 0::numeric AS available, 0::numeric AS pending, h.held - coalesce(loyalty.total(h.held_lots), 0) AS held) x
 WHERE (x.available, x.pending, x.held) <> (0, 0, 0)
 GROUP BY 1;
COMMENT ON VIEW @schema@.liability_by_expiry IS 'the points that the program owes its members at this moment, by the month in which they expire: what the view liability adds up';
COMMENT ON COLUMN @schema@.liability_by_expiry.month IS 'first day of the month, in the time zone of the program, that has the first moment at which they are gone; null: never';
COMMENT ON COLUMN @schema@.liability_by_expiry.available IS 'points that can be spent now';
COMMENT ON COLUMN @schema@.liability_by_expiry.held IS 'points of open holds, which do not expire before they are given back';
COMMENT ON COLUMN @schema@.liability_by_expiry.outstanding IS 'available, pending and held points together';
