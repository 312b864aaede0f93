-- verify(): what refunds take -----------------------------------------------------------
--
-- What a refund is to take back of the points of an order, and is not there, is forgiven where
-- the terms of the order say so: then the order stands with these points, and the balance stops
-- at zero.  Without them its points are what it is worth, which verify_entries() looks at.  Here is
-- whether as much was forgiven as was not there: the entries of an order say by how much it is
-- worth more or less than before, and running sums what the customer has after each.
CREATE FUNCTION _loyalty.verify_shortfalls(program name, readable boolean)
RETURNS TABLE (violation text, customer text, order_key text, detail text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	forgives boolean;
	eq text := _loyalty.customer_equality(program);
	entries text := CASE WHEN readable THEN format('%I.unposted', program) ELSE format('(SELECT * FROM %I.ledger WHERE false)', program) END;
BEGIN
	EXECUTE format('SELECT EXISTS (SELECT FROM %I.terms t WHERE t.refund_shortfall = ''forgive'')', program) INTO forgives;
	IF NOT forgives THEN
		RETURN QUERY EXECUTE format($sql$
			SELECT 'points were forgiven by terms that do not forgive'::text, l.customer::text, l.order_key::text, format('entry %%s: %%s', l.entry, l.forgiven)
			  FROM %I.ledger l WHERE l.forgiven IS NOT NULL $sql$, program);
		RETURN;
	END IF;
	RETURN QUERY EXECUTE format($sql$
		WITH forgiving AS MATERIALIZED (
			SELECT e.customer FROM %1$I.ledger e JOIN %1$I.terms t ON t.version = e.terms WHERE e.tracked_table > 0 AND (t.refund_shortfall = 'forgive' OR e.forgiven IS NOT NULL)
			UNION
			SELECT e.customer FROM %2$s e JOIN %1$I.terms t ON t.version = e.terms WHERE t.refund_shortfall = 'forgive' OR e.forgiven IS NOT NULL),
		sums AS (
			SELECT e.*, coalesce(t.refund_shortfall = 'forgive', false) AS forgives,
			       sum(e.points_change) OVER w AS points_after, coalesce(loyalty.sum(e.lots) OVER w, '{}') AS lots_after
			  FROM (SELECT %4$s FROM %1$I.ledger UNION ALL SELECT %4$s FROM %2$s u) e
			  JOIN forgiving f ON f.customer %3$s e.customer
			  LEFT JOIN %1$I.terms t ON t.version = e.terms AND e.tracked_table > 0
			WINDOW w AS (PARTITION BY e.customer ORDER BY e.entry ROWS UNBOUNDED PRECEDING)),
		steps AS (
			SELECT s.*, s.order_points - coalesce(s.forgiven, 0) - lag(s.order_points - coalesce(s.forgiven, 0), 1, 0::numeric) OVER o AS worth_change,
			       coalesce(s.forgiven, 0) AS now_forgiven, coalesce(lag(s.forgiven) OVER o, 0) AS was_forgiven,
			       s.points_after - loyalty.total(s.lots_after) AS undated_after,
			       s.points_after - s.points_change - loyalty.total(s.lots_after) + coalesce(loyalty.total(s.lots), 0) AS undated_before,
			       CASE WHEN s.revision = 1 AND NOT s.moved AND isfinite(s.at) THEN least(s.at, s.recorded_at) ELSE s.recorded_at END AS moment
			  FROM sums s
			WINDOW o AS (PARTITION BY s.customer, s.tracked_table, s.order_key ORDER BY s.revision))
		SELECT k.violation, s.customer::text, s.order_key::text, k.detail
		  FROM steps s
		 CROSS JOIN LATERAL (VALUES
			(s.tracked_table <= 0 AND s.forgiven IS NOT NULL, 'points were forgiven of a call', format('entry %%s: %%s', s.entry, s.forgiven)),
			(s.tracked_table > 0 AND s.worth_change >= 0 AND s.now_forgiven <> greatest(s.was_forgiven - s.worth_change, 0),
			 'points that were forgiven came back', format('entry %%s of an order that is worth %%s more: %%s of %%s are forgiven', s.entry, s.worth_change, s.now_forgiven, s.was_forgiven)),
			(s.tracked_table > 0 AND s.worth_change < 0 AND s.now_forgiven NOT BETWEEN s.was_forgiven AND s.was_forgiven - s.worth_change,
			 'other points were forgiven than were to be taken back', format('entry %%s of an order that is worth %%s more: %%s of %%s are forgiven', s.entry, s.worth_change, s.now_forgiven, s.was_forgiven)),
			(s.now_forgiven > s.was_forgiven AND NOT s.forgives, 'points were forgiven by terms that do not forgive', format('entry %%s: %%s', s.entry, s.now_forgiven)),
			(s.now_forgiven > s.was_forgiven
			 AND greatest(s.undated_after + loyalty.available(s.lots_after, s.moment), 0) + loyalty.pending(s.lots_after, s.moment) > 0,
			 'points were forgiven though there were some', format('entry %%s forgives %%s and leaves %%s and %%s', s.entry, s.now_forgiven - s.was_forgiven, s.undated_after, s.lots_after)),
			(s.forgives AND s.undated_after < least(s.undated_before, 0), 'points are owed that were to be forgiven', format('entry %%s leaves %%s owed', s.entry, -s.undated_after)))
		       k (wrong, violation, detail)
		 WHERE k.wrong $sql$,
		program, entries, eq, 'customer, tracked_table, order_key, revision, at, recorded_at, terms, moved, entry, points_change, order_points, forgiven, lots');
END
$$;
COMMENT ON FUNCTION _loyalty.verify_shortfalls(name, boolean) IS
'orders of which other points are forgiven than were to be taken back and were not there';

