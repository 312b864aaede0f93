-- verify(): customers who were merged into others --------------------------------------
--
-- Whoever was merged is so by an entry of the ledger, after which the account has nothing; and what is
-- recorded for him since belongs to the account of the survivor.  That what two entries pass on is the same is
-- verified with the other calls, and that an account has the sum of its entries with all others.
CREATE FUNCTION _loyalty.verify_merges(program name)
RETURNS TABLE (violation text, customer text, order_key text, detail text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY EXECUTE format($sql$
		WITH RECURSIVE merge AS MATERIALIZED (
			SELECT coalesce(l.account, l.customer) AS customer, l.counterpart, l.order_key, l.at, l.entry, coalesce(s.account, s.customer) AS merged_into
			  FROM %1$I.ledger l
			  LEFT JOIN %1$I.ledger s ON s.customer %2$s l.counterpart AND s.tracked_table = 0 AND s.order_key = l.order_key AND s.kind = 'merge'
			 WHERE l.kind = 'merged'),
		-- who was merged into whom, directly or by others
		reach (customer, survivor, steps) AS (
			SELECT m.customer, m.merged_into, 1 FROM merge m WHERE m.merged_into IS NOT NULL
			UNION ALL
			SELECT r.customer, m.merged_into, r.steps + 1 FROM reach r JOIN merge m ON m.customer %2$s r.survivor
			 WHERE m.merged_into IS NOT NULL AND r.steps < 10000),
		last AS (SELECT DISTINCT ON (r.customer) r.customer, r.survivor FROM reach r ORDER BY r.customer, r.steps DESC)
		SELECT 'merges are not those of the ledger'::text, coalesce(m.customer, e.customer)::text, coalesce(e.order_key, m.reference)::text,
		       format('merged into %%s, by the ledger into %%s; survivor %%s, should be %%s', m.merged_into, e.merged_into, m.survivor, e.survivor)
		  FROM %1$I.merged m
		  FULL JOIN (SELECT x.*, y.survivor FROM merge x LEFT JOIN last y ON y.customer %2$s x.customer) e ON e.customer %2$s m.customer
		 WHERE m.customer IS NULL OR e.customer IS NULL OR NOT coalesce(m.merged_into %2$s e.merged_into AND m.survivor %2$s e.survivor, false)
		    OR (m.reference, m.at) IS DISTINCT FROM (e.order_key, e.at)
		UNION ALL
		SELECT 'account does not say who was merged', a.customer::text, NULL,
		       format('merged into %%s, should be %%s; of others %%s, should be %%s', a.merged_into, m.merged_into, a.merged, s.merged)
		  FROM %1$I.account a
		  LEFT JOIN %1$I.merged m ON m.customer %2$s a.customer
		  LEFT JOIN (SELECT x.survivor, array_agg(x.customer ORDER BY x.customer) AS merged FROM reach x GROUP BY x.survivor) s ON s.survivor %2$s a.customer
		 WHERE (a.merged_into IS NOT NULL OR a.merged IS NOT NULL OR m.customer IS NOT NULL OR s.survivor IS NOT NULL)
		   AND ((m.customer IS NULL) <> (a.merged_into IS NULL) OR NOT coalesce(m.merged_into %2$s a.merged_into, true)
		        OR ARRAY(SELECT k FROM unnest(a.merged) k ORDER BY k)::text <> coalesce(s.merged, '{}')::text)
		UNION ALL
		SELECT 'who was merged into another customer has something', a.customer::text, NULL,
		       format('%%s points, %%s orders of %%s, %%s held', a.points, a.orders, a.spend, a.held)
		  FROM %1$I.account a
		 WHERE a.merged_into IS NOT NULL
		   AND (a.points <> 0 OR a.orders <> 0 OR a.spend <> 0 OR a.points_earned <> 0 OR a.held <> 0 OR a.next_release IS NOT NULL
		        OR a.first_order_at IS NOT NULL OR a.last_order_at IS NOT NULL OR coalesce(a.lots, '{}')::text <> '{}')
		UNION ALL
		SELECT 'entry is of an account that it cannot be of', l.customer::text, l.order_key::text, format('revision %%s (entry %%s of %%s)', l.revision, l.entry, l.account)
		  FROM %1$I.ledger l
		 WHERE l.account IS NOT NULL AND NOT EXISTS (SELECT FROM reach r WHERE r.customer %2$s l.customer AND r.survivor %2$s l.account)
		UNION ALL
		SELECT 'entry of an account came after its customer was merged', l.customer::text, l.order_key::text, format('entry %%s, and %%s merged the customer', l.entry, m.entry)
		  FROM merge m JOIN %1$I.ledger l ON (l.customer %2$s m.customer AND l.account IS NULL OR l.account %2$s m.customer) AND l.entry > m.entry
		UNION ALL
		SELECT 'hold is of an account that it cannot be of', h.recorded_for::text, h.reference::text, format('it is held for %%s', h.customer)
		  FROM %1$I.held h LEFT JOIN %1$I.merged m ON m.customer %2$s h.recorded_for
		 WHERE NOT h.customer %2$s coalesce(m.survivor, h.recorded_for) $sql$, program, _loyalty.customer_equality(program));
END
$$;
COMMENT ON FUNCTION _loyalty.verify_merges(name) IS 'customers who were merged into others, and are not what the ledger says of them';
