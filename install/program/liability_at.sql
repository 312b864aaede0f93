-- kind: function
-- read: EXECUTE
CREATE OR REPLACE FUNCTION @schema@.liability_at(at timestamptz, known_at timestamptz DEFAULT 'infinity', point_value numeric DEFAULT NULL)
RETURNS TABLE (members bigint, available numeric, pending numeric, held numeric, outstanding numeric, debt numeric, value numeric)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT x.members, x.available::numeric(38, @points_scale@), x.pending::numeric(38, @points_scale@), x.held::numeric(38, @points_scale@),
	       (x.available + x.pending + x.held)::numeric(38, @points_scale@), x.debt::numeric(38, @points_scale@),
	       ((x.available + x.pending + x.held) * $3)::numeric(38, @amount_scale@)
	  FROM (SELECT count(*) FILTER (WHERE greatest(s.points, 0) + s.pending + s.held > 0) AS members, coalesce(sum(greatest(s.points, 0)), 0) AS available,
	               coalesce(sum(s.pending), 0) AS pending, coalesce(sum(s.held), 0) AS held, coalesce(sum(greatest(-s.points, 0)), 0) AS debt
	          FROM (SELECT s.points - coalesce(loyalty.total(s.lots) - loyalty.available(_loyalty.redeemable_lots(s.lots, @status@), s.at), 0) AS points,
	                       coalesce(loyalty.pending(_loyalty.redeemable_lots(s.lots, @status@), s.at), 0) AS pending, s.held
	                  FROM _loyalty.states_as_of(@settings@::regclass, NULL::text, $1, $2) s) s) x
	 WHERE $1 IS NOT NULL AND $2 IS NOT NULL
$fn$;
COMMENT ON FUNCTION @schema@.liability_at(timestamptz, timestamptz, numeric) IS
'the points that the program owes its members, as of a moment, by what was known at another one, or is now: what the view liability tells of now; and what they are worth, at a value of a point';
