-- kind: view
-- read: SELECT
CREATE OR REPLACE VIEW @schema@.liability AS
SELECT count(*) FILTER (WHERE greatest(x.points, 0) + x.pending + x.held > 0) AS members, coalesce(sum(greatest(x.points, 0)), 0)::numeric(38, @points_scale@) AS available,
       coalesce(sum(x.pending), 0)::numeric(38, @points_scale@) AS pending, coalesce(sum(x.held), 0)::numeric(38, @points_scale@) AS held,
       coalesce(sum(greatest(x.points, 0) + x.pending + x.held), 0)::numeric(38, @points_scale@) AS outstanding,
       coalesce(sum(greatest(-x.points, 0)), 0)::numeric(38, @points_scale@) AS debt
  FROM (SELECT h.points - coalesce(loyalty.total(h.lots) - loyalty.available(h.lots, now()), 0) AS points, coalesce(loyalty.pending(h.lots, now()), 0) AS pending, h.held
          FROM @schema@.holdings h) x;
COMMENT ON VIEW @schema@.liability IS 'one row: the points that the program owes its members at this moment, former ones included';
COMMENT ON COLUMN @schema@.liability.members IS 'how many have points that are outstanding';
COMMENT ON COLUMN @schema@.liability.available IS 'points that can be spent now';
COMMENT ON COLUMN @schema@.liability.held IS 'points of open holds';
COMMENT ON COLUMN @schema@.liability.outstanding IS 'available, pending and held points together';
COMMENT ON COLUMN @schema@.liability.debt IS 'points that members owe the program, since they were spent and taken back by a refund, as far as they have none in other wallets that can be spent; not taken off the points that wait or are held';
