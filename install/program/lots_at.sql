-- kind: function
-- read: EXECUTE
-- The same rows as the view "lots" has.
CREATE OR REPLACE FUNCTION @schema@.lots_at(customer @argument_type@, at timestamptz, known_at timestamptz DEFAULT 'infinity')
RETURNS TABLE (wallet text, available_at timestamptz, expires_at timestamptz, points numeric, state text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT w.name, nullif(l.available_at, '-infinity'), nullif(l.expires_at, 'infinity'), l.points::numeric(38, @points_scale@),
	       CASE WHEN l.points < 0 THEN 'owed' WHEN l.available_at > s.at THEN 'pending' ELSE 'available' END
	  FROM _loyalty.state_at(@settings@::regclass, $1, $2, $3) s
	 CROSS JOIN LATERAL (SELECT u.wallet, u.available_at, u.expires_at, u.points FROM loyalty.unnest(s.lots) u
	                     UNION ALL
	                     SELECT 1, '-infinity', 'infinity', s.points - coalesce(loyalty.total(s.lots), 0)) l
	  LEFT JOIN @schema@.wallet w ON w.wallet = l.wallet
	 WHERE l.expires_at > s.at AND l.points <> 0
	 ORDER BY l.wallet, l.expires_at, l.available_at
$fn$;
COMMENT ON FUNCTION @schema@.lots_at(@argument_type@, timestamptz, timestamptz) IS
'the points of a customer by when they are available and when they expire, as of a moment, by what was known at another one, or is now: what the view lots tells of now';
