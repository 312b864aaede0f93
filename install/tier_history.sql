-- Tiers over time ----------------------------------------------------------------------------
--
-- Which tiers a customer held, by the present tiers and all that is known now, and all that happened in one list.  What decides about
-- the tier is the same between two entries of orders or events, but for the time: from each of them on, the days are looked at.
-- At any moment, it is what tier_at() tells; an order that is to come counts from its own time on.

CREATE FUNCTION _loyalty.tiers_between(program regclass, terms int, spend numeric, orders bigint, points_earned numeric, joined_at timestamptz,
                                      first_order_at timestamptz, last_order_at timestamptz, since timestamptz, reader uuid, purchases loyalty.history, events _loyalty.event_history[], customer_row jsonb, until timestamptz)
RETURNS TABLE (at timestamptz, tier text)
LANGUAGE c STABLE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'loyalty_tiers_between';
COMMENT ON FUNCTION _loyalty.tiers_between(regclass, int, numeric, bigint, numeric, timestamptz, timestamptz, timestamptz, timestamptz, uuid, loyalty.history, _loyalty.event_history[], jsonb, timestamptz) IS
'the tier for these facts at a moment, and then at the beginning of each day before another moment on which it is another one';

CREATE TYPE loyalty.tier_period AS (
	tier text,
	since timestamptz,
	until timestamptz
);
COMMENT ON TYPE loyalty.tier_period IS 'how long a customer held a tier: result of the function tier_history of a program';
COMMENT ON COLUMN loyalty.tier_period.tier IS 'the tier; null: none';
COMMENT ON COLUMN loyalty.tier_period.since IS 'from when on; null: that is not known, as there is neither an order nor a time of joining';
COMMENT ON COLUMN loyalty.tier_period.until IS 'the next one is held from then on; null: it is held now';

CREATE TYPE loyalty.timeline_entry AS (
	at timestamptz,
	kind text,
	what text,
	amount numeric,
	points numeric,
	balance numeric,
	tier text,
	reason text
);
COMMENT ON TYPE loyalty.timeline_entry IS 'something that happened to a customer: result of the function timeline of a program';
COMMENT ON COLUMN loyalty.timeline_entry.at IS 'when it counts from';
COMMENT ON COLUMN loyalty.timeline_entry.kind IS 'order, event, a kind of calls such as redemption, expiry; or tier: another tier was held from then on';
COMMENT ON COLUMN loyalty.timeline_entry.what IS 'key of the order, kind and key of the event, or reference of the call';
COMMENT ON COLUMN loyalty.timeline_entry.amount IS 'what it changed of the amount of all orders';
COMMENT ON COLUMN loyalty.timeline_entry.points IS 'what it changed of the points';
COMMENT ON COLUMN loyalty.timeline_entry.balance IS 'all points afterwards, in the order in which it was recorded';
COMMENT ON COLUMN loyalty.timeline_entry.tier IS 'the tier that was held from then on; of an order the one that multiplied its points';
COMMENT ON COLUMN loyalty.timeline_entry.reason IS 'what the caller said why';

-- Entries of who was merged into the customer count from then on.  A revision changes the history of its kind by its own day,
-- less that of the revision before it.
CREATE FUNCTION _loyalty.tier_periods(settings regclass, customer anyelement)
RETURNS SETOF loyalty.tier_period
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
	p record;
	eq text;
	histories boolean;
	newest int;
BEGIN
	SELECT * INTO p FROM _loyalty.begin_call(settings, 'tier_history');
	PERFORM _loyalty.require_customer(settings, p.program, customer);
	eq := _loyalty.customer_equality(p.program);
	EXECUTE format('SELECT terms, _loyalty.uses_histories($1, terms) FROM %I.program', p.program) INTO newest, histories USING settings;
	RETURN QUERY EXECUTE format($sql$
		WITH RECURSIVE key (customer, at) AS (
			SELECT coalesce((SELECT m.survivor FROM %1$I.merged m WHERE m.customer %2$s), $1::%3$s), '-infinity'::timestamptz
			UNION ALL
			SELECT m.customer, greatest(k.at, m.at) FROM key k JOIN %1$I.merged m ON m.merged_into %4$s k.customer),
		recorded AS MATERIALIZED (
			SELECT e.*, k.at AS merged_at, first_value(e.at) OVER w AS ordered_at
			  FROM key k
			 CROSS JOIN LATERAL (SELECT l.customer, l.tracked_table, l.order_key, l.revision, l.moved, l.at, l.recorded_at, l.counts, l.amount, l.terms, l.amount_change, l.orders_change, l.points_change, l.event
			                       FROM %1$I.ledger l WHERE l.customer %4$s k.customer AND l.tracked_table > 0
			                      UNION ALL
			                     SELECT u.customer, u.tracked_table, u.order_key, u.revision, u.moved, u.at, u.recorded_at, u.counts, u.amount, u.terms, u.amount_change, u.orders_change, u.points_change, u.event
			                       FROM %1$I.unposted u WHERE u.customer %4$s k.customer AND u.tracked_table > 0) e
			WINDOW w AS (PARTITION BY e.customer, e.tracked_table, e.order_key ORDER BY e.revision DESC)),
		entry AS MATERIALIZED (
			SELECT r.*, greatest(r.merged_at, CASE WHEN r.revision = 1 AND NOT r.moved THEN r.ordered_at ELSE greatest(r.recorded_at, r.ordered_at) END) AS since, %5$s AS day FROM recorded r),
		step AS MATERIALIZED (
			SELECT e.*, lead(e.since) OVER w AS until, CASE WHEN e.day IS NOT NULL OR lag(e.day) OVER w IS NOT NULL THEN coalesce(e.day, '{}') OPERATOR(loyalty.-) coalesce(lag(e.day) OVER w, '{}') END AS change
			  FROM entry e WINDOW w AS (PARTITION BY e.customer, e.tracked_table, e.order_key ORDER BY e.revision)),
		moment (since, spend, orders, points_earned, purchases, events) AS (
			SELECT s.since, sum(sum(s.amount_change)) OVER w, sum(sum(s.orders_change)) OVER w, sum(sum(s.points_change)) OVER w, %6$s
			  FROM step s WHERE s.since <= now() GROUP BY s.since WINDOW w AS (ORDER BY s.since)),
		state AS (
			SELECT m.since, m.spend, m.orders::bigint, m.points_earned, b.first_order_at, b.last_order_at, m.purchases, m.events
			  FROM moment m
			 CROSS JOIN LATERAL (SELECT min(s.ordered_at), max(s.ordered_at) FROM step s WHERE s.counts AND s.event IS NULL AND s.since <= m.since AND (s.until > m.since OR s.until IS NULL)) b (first_order_at, last_order_at)
			UNION ALL
			SELECT coalesce(c.began_at, now()), 0, 0, 0, NULL, NULL, NULL, NULL FROM known c WHERE NOT EXISTS (SELECT FROM moment m WHERE m.since <= c.began_at OR c.began_at IS NULL)),
		known AS (SELECT c.joined_at, CASE WHEN isfinite(c.joined_at) AND c.joined_at <= now() THEN c.joined_at END AS began_at, g.reader
		            FROM %1$I.program g LEFT JOIN (SELECT c.joined_at FROM %1$I.customer c JOIN key k ON c.customer %4$s k.customer WHERE k.at = '-infinity') c ON true),
		held AS (
			SELECT t.at, t.tier, lag(t.tier) OVER (ORDER BY t.at) IS DISTINCT FROM t.tier OR row_number() OVER (ORDER BY t.at) = 1 AS begins
			  FROM (SELECT s.*, lead(s.since) OVER (ORDER BY s.since) AS until FROM state s) s
			 CROSS JOIN known k
			 CROSS JOIN LATERAL _loyalty.tiers_between($2, $3, s.spend, s.orders, s.points_earned, k.joined_at, s.first_order_at, s.last_order_at, s.since, k.reader, s.purchases, s.events, NULL, coalesce(s.until, now())) t)
		SELECT h.tier, CASE WHEN k.began_at IS NOT NULL OR EXISTS (SELECT FROM moment) THEN h.at END, lead(h.at) OVER (ORDER BY h.at) FROM held h CROSS JOIN known k WHERE h.begins ORDER BY h.at $sql$,
		p.program, p.is_customer, p.customer_type, eq,
		-- moments outside of these have no day, as in src/account/histories.c
		CASE WHEN histories THEN format($sql$ CASE WHEN r.counts AND r.ordered_at >= '4714-11-25 00:00:00+00 BC' AND r.ordered_at < '294276-12-31 00:00:00+00'
			THEN loyalty.history_of((r.ordered_at AT TIME ZONE (SELECT t.time_zone FROM %I.terms t WHERE t.version = r.terms))::date, CASE WHEN scale(r.amount) > 12 THEN round(r.amount, 12) ELSE r.amount END) END $sql$, p.program)
		     ELSE 'NULL::loyalty.history' END,
		CASE WHEN histories THEN 'loyalty.sum(loyalty.sum(s.change) FILTER (WHERE s.event IS NULL)) OVER w,
		                          _loyalty.sum_events(_loyalty.sum_events(ARRAY[ROW(s.event, s.change)::_loyalty.event_history]) FILTER (WHERE s.event IS NOT NULL AND s.change IS NOT NULL)) OVER w'
		     ELSE 'NULL::loyalty.history, NULL::_loyalty.event_history[]' END)
		USING customer, settings, newest;
END
$$;
COMMENT ON FUNCTION _loyalty.tier_periods(regclass, anyelement) IS 'what the function tier_history of a program does, for its owner';

CREATE FUNCTION _loyalty.timeline(settings regclass, customer anyelement, since timestamptz, until timestamptz)
RETURNS SETOF loyalty.timeline_entry
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
	p record;
BEGIN
	SELECT * INTO p FROM _loyalty.begin_call(settings, 'timeline');
	PERFORM _loyalty.require_customer(settings, p.program, customer);
	RETURN QUERY EXECUTE format($sql$
		WITH period AS MATERIALIZED (SELECT t.*, row_number() OVER () AS n FROM _loyalty.tier_periods($2, $1) t)
		SELECT x.at, x.kind, x.what, x.amount, x.points, x.balance, x.tier, x.reason
		  FROM (SELECT e.effective_at AS at, e.kind, concat_ws(': ', e.event, e.order_key) AS what, e.amount_change AS amount, e.points, e.balance, e.tier, e.reason, 1 AS place, e.entry
		          FROM %1$I.entries e WHERE e.%2$I %3$s coalesce((SELECT m.survivor FROM %1$I.merged m WHERE m.customer %4$s), $1::%5$s)
		        UNION ALL
		        SELECT t.since, 'tier', NULL, NULL, NULL, NULL, t.tier, NULL, 2, NULL FROM period t WHERE t.tier IS NOT NULL OR t.n > 1) x
		 WHERE (x.at >= $3 OR $3 IS NULL) AND (x.at < $4 OR $4 IS NULL)
		 ORDER BY x.at NULLS FIRST, x.place, x.entry NULLS LAST, x.what $sql$, p.program,
		(SELECT a.attname FROM pg_attribute a WHERE a.attrelid = format('%I.entries', p.program)::regclass AND a.attnum = 1), _loyalty.customer_equality(p.program), p.is_customer, p.customer_type)
		USING customer, settings, since, until;
END
$$;
COMMENT ON FUNCTION _loyalty.timeline(regclass, anyelement, timestamptz, timestamptz) IS 'what the function timeline of a program does, for its owner';
