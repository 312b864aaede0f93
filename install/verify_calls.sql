-- verify(): calls -------------------------------------------------------------------
--
-- Entries of no order: redemptions, grants, adjustments, and what takes them back.  Whether
-- an account and a member are the sum of all entries is verified with the orders; here is what
-- such an entry must be by itself, by what it takes back, and by the points before it.
CREATE FUNCTION _loyalty.verify_calls(program name)
RETURNS TABLE (violation text, customer text, order_key text, detail text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY EXECUTE format($sql$
		WITH calls AS MATERIALIZED (
			SELECT * FROM (
				SELECT l.*, sum(l.points_change) OVER (PARTITION BY l.customer ORDER BY l.entry) AS balance
				  FROM %1$I.ledger l WHERE l.customer IN (SELECT c.customer FROM %1$I.ledger c WHERE c.tracked_table = 0)) x
			 WHERE x.tracked_table = 0),
		taken_back AS (
			SELECT r.customer, r.reverses, sum(r.points_change) AS points, min(r.entry) AS entry
			  FROM calls r WHERE r.kind = 'reversal' GROUP BY r.customer, r.reverses)
		SELECT k.violation, c.customer::text, c.order_key::text, k.detail
		  FROM calls c
		  LEFT JOIN taken_back b ON b.customer %2$s c.customer AND b.reverses = c.order_key
		 CROSS JOIN LATERAL (VALUES
			(c.kind IS NULL OR c.kind NOT IN ('redemption', 'grant', 'adjustment', 'reversal'), 'call of an unknown kind', coalesce(c.kind, 'none')),
			(c.revision <> 1 OR c.counts OR c.moved OR c.terms <> 0 OR c.amount <> 0 OR c.awards <> 0 OR c.orders_change <> 0 OR c.amount_change <> 0
			 OR c.currency <> '' OR c.rate <> 1 OR c.joined_at IS NOT NULL OR c.tier IS NOT NULL OR c.multiplier <> 1
			 OR c.order_points <> c.points_change OR NOT abs(c.points_change) < 1e20 OR octet_length(c.order_key) NOT BETWEEN 1 AND 255
			 OR c.actor IS NULL OR c.at > c.recorded_at OR c.recorded_at > $1,
			 'call is not recorded as one', format('entry %%s', c.entry)),
			(CASE c.kind WHEN 'redemption' THEN c.points_change >= 0 WHEN 'grant' THEN c.points_change <= 0 ELSE c.points_change = 0 END,
			 'call changes the points the wrong way', format('%%s of %%s points', c.kind, c.points_change)),
			(c.kind = 'adjustment' AND btrim(coalesce(c.reason, '')) = '', 'adjustment has no reason', format('entry %%s', c.entry)),
			((c.kind = 'reversal') <> (c.reverses IS NOT NULL), 'reversal says not what it reverses', format('%%s of "%%s"', c.kind, c.reverses)),
			(c.kind <> 'reversal' AND b.points <> 0 AND (sign(b.points) = sign(c.points_change) OR abs(b.points) > abs(c.points_change) OR b.entry < c.entry),
			 'reversals are not of what they reverse', format('%%s of %%s points, reversed by %%s', c.kind, c.points_change, b.points)),
			(c.kind = 'reversal' AND NOT EXISTS (SELECT FROM calls o WHERE o.customer %2$s c.customer AND o.order_key = c.reverses AND o.kind <> 'reversal'),
			 'reversal of nothing', format('"%%s" is no call of the customer', c.reverses)),
			(c.points_change < 0 AND c.balance < 0, 'more points were spent than there were', format('entry %%s leaves %%s', c.entry, c.balance)))
		       k (wrong, violation, detail)
		 WHERE k.wrong $sql$, program, _loyalty.customer_equality(program)) USING _loyalty.present_limit();
END
$$;
COMMENT ON FUNCTION _loyalty.verify_calls(name) IS 'redemptions, grants, adjustments and reversals that cannot have been made';
