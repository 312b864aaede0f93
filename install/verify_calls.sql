-- verify(): calls -------------------------------------------------------------------
--
-- Entries of no order: redemptions, grants, adjustments and holds, and what ends or takes them
-- back.  Whether an account and a member are the sum of all entries is verified with the
-- orders; here is what such an entry must be by itself, by what it ends or takes back, and
-- by the points before it; and that the open holds are those of the ledger.
--
-- A call that takes points leaves as many as it took of less than what can be spent.  What a
-- reversal takes back is of one wallet, and where that is another than the first, it may have
-- been all that there was against a debt.

-- Points of status wallets that have not expired, or with "further" of all wallets but the first.
CREATE FUNCTION _loyalty.points_apart(lots loyalty.lots, at timestamptz, status int[], further boolean)
RETURNS numeric
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce(sum(l.points), 0) FROM loyalty.unnest(lots) l WHERE l.expires_at > at AND (l.wallet = ANY (status) OR (further AND l.wallet <> 1))
$$;
COMMENT ON FUNCTION _loyalty.points_apart(loyalty.lots, timestamptz, int[], boolean) IS 'points that are not among those that a call took from, for verify()';

CREATE FUNCTION _loyalty.verify_calls(program name, any_calls boolean)
RETURNS TABLE (violation text, customer text, order_key text, detail text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	w record;
BEGIN
	EXECUTE format('SELECT count(*) > 1 AS further, coalesce(array_agg(w.wallet) FILTER (WHERE NOT w.redeemable), ''{}'') AS status FROM %I.wallet w', program) INTO w;
	RETURN QUERY EXECUTE format($sql$
		WITH calls AS MATERIALIZED (
			SELECT x.*, lag(x.kind) OVER w AS ended_kind, lag(x.points_change) OVER w AS ended_points, lag(x.order_points) OVER w AS net_before, lag(x.until) OVER w AS ended_until,
			       lag(x.entry) OVER w AS ended_entry, x.of_account %2$s lag(x.of_account) OVER w AS same_account, lead(x.entry) OVER w IS NULL AS is_newest
			  FROM (SELECT l.*, coalesce(l.account, l.customer) AS of_account, sum(l.points_change) OVER e - coalesce(loyalty.expired(loyalty.sum(l.lots) OVER e, l.at), 0) %4$s AS balance,
			               l.points_change %5$s AS taken
				      FROM %1$I.ledger l WHERE %3$s
				    WINDOW e AS (PARTITION BY coalesce(l.account, l.customer) ORDER BY l.entry)) x
			 WHERE x.tracked_table = 0
			WINDOW w AS (PARTITION BY x.customer, x.order_key ORDER BY x.revision)),
		taken_back AS (
			SELECT r.customer, r.reverses, sum(r.points_change) AS points, min(r.entry) FILTER (WHERE r.of_account %2$s o.of_account) AS entry
			  FROM calls r LEFT JOIN calls o ON o.customer %2$s r.customer AND o.order_key = r.reverses AND o.revision = 1
			 WHERE r.kind = 'reversal' GROUP BY r.customer, r.reverses)
		SELECT k.violation, c.customer::text, c.order_key::text, k.detail
		  FROM calls c
		  LEFT JOIN taken_back b ON b.customer %2$s c.customer AND b.reverses = c.order_key
		 CROSS JOIN LATERAL (VALUES
			(c.kind IS NULL OR c.kind NOT IN ('redemption', 'grant', 'adjustment', 'reversal', 'hold', 'capture', 'release', 'transfer', 'return', 'merge', 'merged'), 'call of an unknown kind', coalesce(c.kind, 'none')),
			(c.revision <> CASE WHEN c.kind IN ('capture', 'release') THEN 2 WHEN c.kind = 'return' THEN greatest(c.revision, 2) ELSE 1 END OR c.counts OR c.moved OR c.amount <> 0
			 -- what took points from several wallets has the terms that say in which order
			 OR (c.terms <> 0) <> (c.kind IN ('redemption', 'hold', 'adjustment', 'transfer') AND c.points_change < 0
			                       AND (SELECT count(*) FROM (SELECT u.wallet FROM loyalty.unnest(c.lots) u WHERE u.points < 0
			                                                  UNION SELECT 1 WHERE c.points_change < coalesce(loyalty.total(c.lots), 0)) w) > 1)
			 OR (c.kind NOT IN ('merge', 'merged') AND (c.awards <> 0 OR c.orders_change <> 0 OR c.amount_change <> 0 OR NOT abs(c.points_change) < 1e20)) OR c.order_points <> c.points_change + coalesce(c.net_before, 0) OR (c.actor IS NULL) <> (c.kind = 'return')
			 OR c.currency <> '' OR c.rate <> 1 OR c.joined_at IS NOT NULL OR c.available_at IS NOT NULL OR c.tier IS NOT NULL OR c.multiplier <> 1
			 OR octet_length(c.order_key) NOT BETWEEN 1 AND 255
			 OR c.at > c.recorded_at OR c.recorded_at > $1 OR (c.kind = 'hold') <> (c.until IS NOT NULL) OR c.until <= c.at,
			 'call is not recorded as one', format('entry %%s', c.entry)),
			(CASE WHEN c.kind IN ('redemption', 'hold') THEN c.points_change >= 0 WHEN c.kind IN ('grant', 'release') THEN c.points_change <= 0
			      WHEN c.kind = 'return' THEN c.points_change <= 0 OR c.order_points > 0
			      WHEN c.kind = 'capture' THEN c.points_change < 0 OR c.order_points >= 0 WHEN c.kind IN ('merge', 'merged') THEN false ELSE c.points_change = 0 END,
			 'call changes the points the wrong way', format('%%s of %%s points', c.kind, c.points_change)),
			(c.kind = 'adjustment' AND btrim(coalesce(c.reason, ''), E' \t\r\n') = '', 'adjustment has no reason', format('entry %%s', c.entry)),
			(c.kind IN ('capture', 'release') AND (c.ended_kind IS DISTINCT FROM 'hold' OR (c.entry <= c.ended_entry AND c.same_account) OR (c.kind = 'capture' AND c.at >= c.ended_until)
			                                       OR (c.kind = 'release' AND c.order_points <> 0)),
			 'hold was ended as it cannot be', format('%%s of %%s points of a %%s of %%s until %%s', c.kind, c.order_points, c.ended_kind, c.ended_points, c.ended_until)),
			(c.kind IN ('transfer', 'merge', 'merged') AND c.counterpart IS NULL OR c.kind NOT IN ('transfer', 'reversal', 'merge', 'merged') AND c.counterpart IS NOT NULL
			 OR c.counterpart IS NOT NULL AND NOT EXISTS (SELECT FROM calls o WHERE o.customer %2$s c.counterpart AND o.order_key = c.order_key AND o.kind = CASE c.kind WHEN 'merge' THEN 'merged' WHEN 'merged' THEN 'merge' ELSE c.kind END
			                                                 AND (o.amount_change, o.orders_change, o.awards) = (-c.amount_change, -c.orders_change, -c.awards)
			                                                 AND o.points_change = -c.points_change AND o.counterpart %2$s c.customer AND o.reverses IS NOT DISTINCT FROM c.reverses),
			 'what one customer gives is not what the other gets', format('entry %%s: %%s of %%s points, with %%s', c.entry, c.kind, c.points_change, c.counterpart)),
			(num_nonnulls(c.pays_for, c.pays_table) = 1 OR (c.kind = 'return' AND (c.pays_for IS NULL OR coalesce(c.ended_kind, '') NOT IN ('redemption', 'capture', 'return')))
			 OR (c.pays_for IS NOT NULL AND c.kind NOT IN ('redemption', 'capture', 'return')),
			 'entry says of an order that it pays for what it cannot', format('%%s that pays for "%%s" of tracked table %%s', c.kind, c.pays_for, c.pays_table)),
			((c.kind = 'reversal') <> (c.reverses IS NOT NULL), 'only a reversal says what it reverses', format('%%s of "%%s"', c.kind, coalesce(c.reverses, ''))),
			(c.kind <> 'reversal' AND c.is_newest AND b.points <> 0 AND (sign(b.points) = sign(c.order_points) OR abs(b.points) > abs(c.order_points) OR (b.entry < c.entry AND c.kind <> 'return')),
			 'reversals exceed or precede what they reverse', format('%%s of %%s points, reversed by %%s', c.kind, c.order_points, b.points)),
			(c.kind = 'reversal' AND NOT EXISTS (SELECT FROM calls o WHERE o.customer %2$s c.customer AND o.order_key = c.reverses AND o.kind <> 'reversal'),
			 'reversal of nothing', format('"%%s" is no call of the customer', c.reverses)),
			(c.taken < 0 AND c.balance < 0 AND c.kind <> 'merge', 'more points were spent than there were', format('entry %%s leaves %%s', c.entry, c.balance)))
		       k (wrong, violation, detail)
		 WHERE k.wrong
		UNION ALL
		SELECT 'open holds are not those of the ledger', coalesce(c.customer, h.customer)::text, coalesce(c.order_key, h.reference)::text,
		       format('%%s points until %%s are held, by the ledger %%s until %%s', h.points, h.until, -c.points_change, c.until)
		  FROM (SELECT * FROM calls WHERE kind = 'hold' AND is_newest) c
		  FULL JOIN %1$I.held h ON h.recorded_for %2$s c.customer AND h.reference = c.order_key
		 WHERE (h.points, h.until) IS DISTINCT FROM (-c.points_change, c.until)
		UNION ALL
		SELECT 'account has not what is held', a.customer::text, NULL, format('held %%s of %%s, the first until %%s of %%s', a.held, coalesce(h.points, 0), a.next_release, h.until)
		  FROM %1$I.account a
		  LEFT JOIN (SELECT customer, sum(points) AS points, min(until) FILTER (WHERE isfinite(until)) AS until FROM %1$I.held GROUP BY customer) h ON h.customer %2$s a.customer
		 WHERE (a.held, a.next_release) IS DISTINCT FROM (coalesce(h.points, 0), h.until) $sql$, program, _loyalty.customer_equality(program),
		CASE WHEN any_calls THEN format('coalesce(l.account, l.customer) %s ANY (SELECT coalesce(c.account, c.customer) FROM %I.ledger c WHERE c.tracked_table = 0)', _loyalty.customer_equality(program), program) ELSE 'false' END,
		CASE WHEN w.further THEN '- _loyalty.points_apart(loyalty.sum(l.lots) OVER e, l.at, $2, coalesce(l.kind = ''reversal'', false))' END,
		CASE WHEN w.further THEN '- _loyalty.points_apart(l.lots, l.at, $2, coalesce(l.kind = ''reversal'', false))' END)
		USING _loyalty.present_limit(), w.status;
END
$$;
COMMENT ON FUNCTION _loyalty.verify_calls(name, boolean) IS
'calls that cannot have been made, if there are any calls, and open holds that are not those of the ledger';
