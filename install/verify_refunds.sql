-- verify(): what refunds take -----------------------------------------------------------
--
-- What a refund is to take back of the points of an order, and is not there, is forgiven where
-- the terms of the order say so: then the order stands with these points, and the balance stops
-- at zero.  Without them its points are what it is worth, which verify_entries() looks at.  Here is
-- whether as much was forgiven as was not there: the entries of an order say by how much it is
-- worth more or less than before, and running sums what the customer has after each.  An order that gets
-- another key goes on with what was forgiven by then, and is worth more or less than it was by the other one.
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
			SELECT coalesce(e.account, e.customer) AS customer FROM %1$I.ledger e JOIN %1$I.terms t ON t.version = e.terms WHERE e.tracked_table > 0 AND (t.refund_shortfall = 'forgive' OR e.forgiven IS NOT NULL)
			UNION
			SELECT coalesce(e.account, e.customer) FROM %2$s e JOIN %1$I.terms t ON t.version = e.terms WHERE t.refund_shortfall = 'forgive' OR e.forgiven IS NOT NULL),
		e AS MATERIALIZED (
			SELECT x.*
			  FROM (SELECT coalesce(account, customer) AS customer, customer AS recorded_for, %4$s FROM %1$I.ledger UNION ALL SELECT account, customer, %4$s FROM %2$s u) x
			  JOIN forgiving f ON f.customer %3$s x.customer),
		%5$s,
		sums AS (
			SELECT e.*, coalesce(t.refund_shortfall = 'forgive', false) AS forgives, coalesce(k.passed, 0) AS passed, coalesce(k.has_left, false) AS has_left,
			       coalesce(k.points - k.forgiven - k.status, 0) AS worth_there, %6$s AS status, coalesce(k.forgiven, 0) AS forgiven_there,
			       sum(e.points_change + coalesce(k.passed, 0)) OVER w AS points_after, coalesce(loyalty.sum(e.lots) OVER w, '{}') AS lots_after
			  FROM e
			  LEFT JOIN passed k ON k.customer %3$s e.customer AND k.entry = e.entry
			  LEFT JOIN %1$I.terms t ON t.version = e.terms AND e.tracked_table > 0
			WINDOW w AS (PARTITION BY e.customer ORDER BY e.entry ROWS UNBOUNDED PRECEDING)),
		steps AS (
			-- no status points are forgiven
			SELECT s.*, s.order_points - coalesce(s.forgiven, 0) - s.status - s.worth_there
			       - CASE WHEN s.has_left THEN 0 ELSE lag(s.order_points - coalesce(s.forgiven, 0) - s.status, 1, 0::numeric) OVER o END AS worth_change,
			       coalesce(s.forgiven, 0) AS now_forgiven, s.forgiven_there + CASE WHEN s.has_left THEN 0 ELSE coalesce(lag(s.forgiven) OVER o, 0) END AS was_forgiven,
			       s.points_after - loyalty.total(s.lots_after) AS undated_after,
			       s.points_after - s.points_change - s.passed - loyalty.total(s.lots_after) + coalesce(loyalty.total(s.lots), 0) AS undated_before,
			       CASE WHEN s.revision = 1 AND NOT s.moved AND isfinite(s.at) THEN least(s.at, s.recorded_at) ELSE s.recorded_at END AS moment
			  FROM sums s
			WINDOW o AS (PARTITION BY s.recorded_for, s.tracked_table, s.order_key ORDER BY s.revision))
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
			 AND greatest(s.undated_after + loyalty.available(s.lots_after, s.moment, 1), 0) + loyalty.pending(s.lots_after, s.moment, 1) > 0,
			 'points were forgiven though there were some', format('entry %%s forgives %%s and leaves %%s and %%s', s.entry, s.now_forgiven - s.was_forgiven, s.undated_after, s.lots_after)),
			(s.forgives AND s.undated_after < least(s.undated_before, 0), 'points are owed that were to be forgiven', format('entry %%s leaves %%s owed', s.entry, -s.undated_after)))
		       k (wrong, violation, detail)
		 WHERE k.wrong $sql$,
		program, entries, eq, 'tracked_table, order_key, revision, at, recorded_at, terms, moved, entry, points_change, order_points, forgiven, lots, came_from, came_revision, came_over, apart',
		_loyalty.rekeyed_sql(program, 'e'), _loyalty.status_sql(program, 'e'));
END
$$;
COMMENT ON FUNCTION _loyalty.verify_shortfalls(name, boolean) IS
'orders of which other points are forgiven than were to be taken back and were not there';

-- What comes back of points that orders were paid with.  At each entry of an order it is known what
-- was spent for it and not reversed by a call until then, and which part of the order is returned, of
-- the highest amount that it ever had: so many points must have come back by then as its
-- terms say of that part, or as had before, if that is more.  Of an order that is rerated, which
-- does not count for a microsecond, nothing comes back by that; nor of one that goes on for another key of
-- the same account.  The entries of an order are those in the account of who paid, whichever key they have, and
-- after a merge those in the account of the survivor from then on: numbered by one account after the other.
CREATE FUNCTION _loyalty.verify_paid(program name, readable boolean)
RETURNS TABLE (violation text, customer text, order_key text, detail text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	eq text := _loyalty.customer_equality(program);
	entries text := CASE WHEN readable THEN format('%I.unposted', program) ELSE format('(SELECT * FROM %I.ledger WHERE false)', program) END;
BEGIN
	RETURN QUERY EXECUTE format($sql$
		WITH RECURSIVE merge AS (
			SELECT m.customer, m.merged_into, (SELECT max(l.entry) FROM %1$I.ledger l
			                                    WHERE coalesce(l.account, l.customer) %3$s m.merged_into AND l.tracked_table = 0 AND l.kind = 'merge' AND l.order_key = m.reference AND l.counterpart %3$s m.customer) AS since
			  FROM %1$I.merged m),
		passed (customer, account, steps, since) AS (
			SELECT m.customer, m.merged_into, 1::bigint, m.since FROM merge m
			UNION ALL
			SELECT p.customer, m.merged_into, p.steps + 1, m.since FROM passed p JOIN merge m ON m.customer %3$s p.account WHERE p.steps < 10000),
		payments AS MATERIALIZED (
			SELECT l.customer, l.order_key AS reference, l.pays_table, l.pays_for, l.entry + coalesce(s.steps, 0) * 1000000000000 AS entry
			  FROM %1$I.ledger l LEFT JOIN passed s ON s.customer %3$s l.customer AND s.account %3$s l.account
			 WHERE l.tracked_table = 0 AND l.kind IN ('redemption', 'capture') AND l.pays_for IS NOT NULL),
		e AS MATERIALIZED (
			SELECT x.*, coalesce(x.account, x.customer) AS whose
			  FROM (SELECT %4$s, reverses FROM %1$I.ledger UNION ALL SELECT %4$s, NULL FROM %2$s u) x
			 WHERE (x.tracked_table, x.order_key) IN (SELECT p.pays_table, p.pays_for FROM payments p)
			    OR x.tracked_table = 0 AND x.customer %3$s ANY (SELECT p.customer FROM payments p UNION ALL SELECT l.customer FROM %1$I.ledger l WHERE l.kind = 'return')),
		calls AS MATERIALIZED (
			SELECT c.*, c.number + coalesce(s.steps, 0) * 1000000000000 AS entry
			  FROM e c LEFT JOIN passed s ON s.customer %3$s c.customer AND s.account %3$s c.whose
			 WHERE c.tracked_table = 0),
		orders AS MATERIALIZED (
			SELECT o.*, t.returns_paid_points AS returns, ('1e' || t.points_scale)::numeric AS units, ('1e-' || t.points_scale)::numeric AS unit,
			       max(o.amount) OVER (w ROWS UNBOUNDED PRECEDING) AS most, lag(o.entry) OVER w AS entry_before,
			       coalesce(lead(o.terms) OVER w <> o.terms AND lead(o.recorded_at) OVER w = o.recorded_at + interval '1 microsecond', false)
			       OR NOT o.counts AND bool_or(o.counts) OVER (PARTITION BY o.payer, o.reference, o.whose, o.recorded_at) AS is_rerated
			  FROM (SELECT x.*, p.customer AS payer, p.reference, p.entry AS paid_at, x.number + coalesce(s.steps, 0) * 1000000000000 AS entry
			          FROM payments p
			          JOIN e x ON x.tracked_table = p.pays_table AND x.order_key = p.pays_for
			          LEFT JOIN passed s ON s.customer %3$s p.customer AND s.account %3$s x.whose
			         WHERE x.tracked_table > 0 AND (x.whose %3$s p.customer OR x.number > s.since)) o
			  JOIN %1$I.terms t ON t.version = o.terms
			WINDOW w AS (PARTITION BY o.payer, o.reference ORDER BY o.entry)),
		returned AS (
			SELECT o.payer AS customer, o.reference, o.order_key, o.entry, o.units, o.unit, c.paid, c.before, c.after,
			       CASE WHEN o.returns = 'never' OR o.entry_before IS NULL OR o.is_rerated THEN 0
			            WHEN NOT o.counts OR (o.most > 0 AND o.amount <= 0) THEN c.paid
			            WHEN o.returns = 'proportional' AND o.most > 0 AND o.amount < o.most THEN div(c.paid * (o.most - o.amount) * o.units, o.most) * o.unit
			            ELSE 0 END AS due
			  FROM orders o
			 CROSS JOIN LATERAL (SELECT coalesce(-sum(c.points_change) FILTER (WHERE c.kind <> 'return' AND c.entry < o.entry), 0) AS paid,
			                            coalesce(sum(c.points_change) FILTER (WHERE c.kind = 'return' AND c.entry < coalesce(o.entry_before, 0)), 0) AS before,
			                            coalesce(sum(c.points_change) FILTER (WHERE c.kind = 'return' AND c.entry < o.entry), 0) AS after
			                       FROM calls c WHERE c.customer %3$s o.payer AND (c.order_key = o.reference OR c.reverses = o.reference)) c
			 WHERE o.entry > o.paid_at)
		SELECT 'other points came back than an order was paid with'::text, r.customer::text, r.order_key::text,
		       format('of %%s points of "%%s", %%s had come back before entry %%s, and %%s have with it, of %%s', r.paid, r.reference, r.before, r.entry, r.after, greatest(r.before, r.due))
		  FROM returned r WHERE r.after <> greatest(r.before, r.due)
		UNION ALL
		SELECT 'points came back without a refund', c.customer::text, c.order_key::text, format('entry %%s: %%s', c.entry, c.points_change)
		  FROM calls c WHERE c.kind = 'return'
		   AND NOT EXISTS (SELECT FROM orders o
		                    WHERE o.payer %3$s c.customer AND o.reference = c.order_key AND o.paid_at < c.entry AND o.entry > c.entry
		                      AND (o.tracked_table, o.order_key) = (c.pays_table, c.pays_for)) $sql$,
		program, entries, eq, 'customer, tracked_table, order_key, revision, recorded_at, terms, counts, amount, account, entry AS number, points_change, kind, pays_for, pays_table');
END
$$;
COMMENT ON FUNCTION _loyalty.verify_paid(name, boolean) IS
'points that came back, of what orders were paid with, otherwise than their terms say of what was refunded';
