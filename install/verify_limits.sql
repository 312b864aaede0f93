-- verify(): limits of what a rule gives to a member in a period -------------------------
--
-- What rules gave by then in each period is summed up over all entries of an account by their numbers.  An
-- entry adds what it gives at its number, and takes it off again at that of the next entry of its order.

-- The moment at which the period of a time begins, as SQL.  The first one may begin before all times that there are.
CREATE FUNCTION _loyalty.period_sql(at text, limit_period text, time_zone text)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format(CASE WHEN limit_period IS NULL THEN '%4$L::timestamptz'
	                   ELSE 'CASE WHEN %1$s < %5$L::timestamptz + interval ''9600 hours'' THEN %4$L ELSE date_trunc(%2$L, %1$s, %3$L) END' END,
	              at, limit_period, time_zone, '-infinity', '4714-11-24 00:00+00 BC')
$$;
COMMENT ON FUNCTION _loyalty.period_sql(text, text, text) IS 'when the period of a limit began that a moment is in, as SQL';

-- The kind of the periods of a limit, which is the same where their length and time zone are, and what is counted.
CREATE FUNCTION _loyalty.period_kind(limit_unit text, limit_period text, time_zone text)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT concat_ws(' ', limit_unit, limit_period, time_zone) $$;
COMMENT ON FUNCTION _loyalty.period_kind(text, text, text) IS 'what tells the periods of one limit from those of another one';

-- Each entry under terms whose rules have limits, with what these rules would give and give, as SQL over the entries "x".
CREATE FUNCTION _loyalty.limited_items_sql(program name, versions int[])
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	result text;
BEGIN
	EXECUTE format($sql$
		SELECT string_agg(format('SELECT facts.*, %%1$s AS award, %%2$L::text AS rule, %%3$s::numeric AS most, %%8$s AS scale, %%9$L::boolean AS by_times, %%4$L::text AS kind, CASE WHEN facts.parts IS NOT NULL THEN (SELECT %%5$s FROM %%6$s) END AS would,
		                                 facts.rooms[%%1$s] AS room, facts.apart[%%1$s] AS gives FROM x facts WHERE facts.terms = %%7$s',
		                         g.award, r.name, g.member_limit, _loyalty.period_kind(g.limit_unit, g.limit_period, t.time_zone),
		                         _loyalty.rounded_sql(_loyalty.share_sql(g.bonus, g.given, f.factor), t.rounding, t.points_scale), f.source, t.version, t.points_scale, g.limit_unit = 'times'),
		                  ' UNION ALL ')
		  FROM %1$I.terms t CROSS JOIN LATERAL _loyalty.given_sql($1, t.version) g CROSS JOIN LATERAL _loyalty.folded_sql($1, t.version) f
		  JOIN %1$I.terms_rule r ON r.version = t.version AND r.award = g.award
		 WHERE t.version = ANY ($2) AND g.member_limit IS NOT NULL
		$sql$, program) INTO result USING program, versions;
	RETURN result;
END
$$;
COMMENT ON FUNCTION _loyalty.limited_items_sql(name, int[]) IS 'what rules with limits would give and give to each entry, as SQL for verify()';

-- The kinds of periods that rules have, with when the one of a moment began, as rows of VALUES.
CREATE FUNCTION _loyalty.limit_kinds_sql(program name, versions int[])
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	result text;
BEGIN
	EXECUTE format($sql$
		SELECT string_agg(DISTINCT format('(%%L::text, %%L::text, %%L::boolean, %%s)', r.name, _loyalty.period_kind(r.limit_unit, r.limit_period, t.time_zone), r.limit_unit = 'times', _loyalty.period_sql('m.at', r.limit_period, t.time_zone)), ', ')
		  FROM %1$I.terms t JOIN %1$I.terms_rule r ON r.version = t.version WHERE t.version = ANY ($1) AND r.member_limit IS NOT NULL
		$sql$, program) INTO result USING versions;
	RETURN result;
END
$$;
COMMENT ON FUNCTION _loyalty.limit_kinds_sql(name, int[]) IS 'the kinds of periods of rules with limits, and when each began that a moment is in, as SQL for verify()';

-- Of who was merged into another customer, or has others merged into him, what came first is not known: there, it is
-- looked alone whether an order gives no more than its room.
CREATE FUNCTION _loyalty.verify_limits(program name, versions int[], readable boolean, without_large boolean)
RETURNS TABLE (violation text, customer text, order_key text, detail text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	items CONSTANT text := _loyalty.limited_items_sql(program, versions);
	merged CONSTANT boolean := _loyalty.has_merged(program);
	eq CONSTANT text := _loyalty.customer_equality(program);
BEGIN
	IF items IS NULL THEN
		RETURN;
	END IF;
	RETURN QUERY EXECUTE format($sql$
		WITH %1$s,
		x AS MATERIALIZED (
			SELECT y.*, lead(y.entry) OVER o AS until, lead(y.recorded_at) OVER o AS until_at, count(*) FILTER (WHERE y.begins) OVER o AS stretch
			  FROM (SELECT e.*, e.terms IS DISTINCT FROM lag(e.terms) OVER p OR e.came_from IS NOT NULL AS begins, %2$s AS who FROM e WHERE e.tracked_table > 0 WINDOW p AS (PARTITION BY %2$s, e.tracked_table, e.order_key ORDER BY e.revision)) y
			WINDOW o AS (PARTITION BY y.who, y.tracked_table, y.order_key ORDER BY y.revision)),
		-- what an order has that gets another key is its own until the entry by that key
		goes_on AS MATERIALIZED (
			SELECT o.who, o.tracked_table, o.order_key, o.revision, i.entry AS ends, i.order_key AS next_key, i.revision AS next_revision
			  FROM x i JOIN x o ON o.who %6$s i.who AND o.tracked_table = i.tracked_table AND o.order_key = i.came_from AND o.revision = i.came_revision
			 WHERE i.came_from IS NOT NULL AND NOT i.came_over AND o.until_at = i.recorded_at),
		item AS MATERIALIZED (
			SELECT i.*, row_number() OVER () AS id, coalesce(g.ends, i.until) AS ends
			  FROM (%3$s) i LEFT JOIN goes_on g ON g.who %6$s i.who AND g.tracked_table = i.tracked_table AND g.order_key = i.order_key AND g.revision = i.revision),
		moved AS MATERIALIZED (
			SELECT m.customer, m.rule, k.kind, k.began, m.entry, m.id, m.kind AS own_kind, CASE WHEN k.by_times THEN sign(m.points) ELSE m.points END AS points
			  FROM (SELECT i.customer, i.rule, i.at, i.entry, i.id, i.kind, greatest(i.gives, 0) AS points FROM item i
			        UNION ALL
			        SELECT i.customer, i.rule, i.at, i.ends, NULL, NULL, - greatest(i.gives, 0) FROM item i WHERE i.ends IS NOT NULL) m
			  JOIN LATERAL (VALUES %4$s) k (rule, kind, by_times, began) ON k.rule = m.rule),
		used AS (
			SELECT u.* FROM (SELECT m.*, sum(m.points) OVER (PARTITION BY m.customer, m.rule, m.kind, m.began ORDER BY m.entry) AS total FROM moved m) u
			 WHERE u.id IS NOT NULL AND u.kind = u.own_kind),
		-- an order that got another key keeps its room
		origin AS (
			SELECT i.id, CASE WHEN o.terms = i.terms THEN o.room END AS room, m.began, coalesce(m.points, 0) AS own
			  FROM item i JOIN goes_on g ON g.who %6$s i.who AND g.tracked_table = i.tracked_table AND g.next_key = i.order_key AND g.next_revision = i.revision
			  JOIN item o ON o.who %6$s g.who AND o.tracked_table = g.tracked_table AND o.order_key = g.order_key AND o.revision = g.revision AND o.rule = i.rule
			  LEFT JOIN moved m ON m.id = o.id AND m.kind = i.kind),
		placed AS (
			SELECT i.*, u.began, u.total, lag(i.id) OVER o AS own_id, CASE WHEN lag(i.ends) OVER o = i.entry THEN lag(greatest(i.gives, 0)) OVER o ELSE 0 END AS own_points, lag(i.revision) OVER o AS own_revision
			  FROM item i JOIN used u ON u.id = i.id
			WINDOW o AS (PARTITION BY i.who, i.tracked_table, i.order_key, i.rule ORDER BY i.revision)),
		before AS (
			SELECT p.*, p.total - CASE WHEN p.by_times THEN sign(greatest(p.gives, 0)) ELSE greatest(p.gives, 0) END AS others, CASE WHEN p.by_times THEN sign(p.own_points) ELSE p.own_points END AS own, CASE WHEN origin.began = p.began THEN origin.own ELSE 0 END AS own_before,
			       -- of an order that did not count when it got its key, too
			       CASE WHEN first_value(origin.began) OVER s = p.began AND first_value(p.moves) OVER s = p.moves THEN first_value(origin.room) OVER s END AS room_before
			  FROM (SELECT n.*, m.began AS own_began, count(*) FILTER (WHERE m.began <> n.began) OVER (PARTITION BY n.who, n.tracked_table, n.order_key, n.award, n.stretch ORDER BY n.revision) AS moves
			          FROM placed n LEFT JOIN moved m ON m.id = n.own_id AND m.kind = n.kind) p
			  LEFT JOIN origin ON origin.id = p.id
			WINDOW s AS (PARTITION BY p.who, p.tracked_table, p.order_key, p.award, p.stretch ORDER BY p.revision)),
		due AS (
			SELECT b.*, first_value(b.room) OVER s AS pinned, row_number() OVER s = 1 AS is_first, trunc(greatest(b.most - b.others, 0), b.scale) AS free,
			       trunc(greatest(b.most - b.others, CASE WHEN b.own_revision = b.revision - 1 AND b.own_began = b.began THEN coalesce(b.own, 0) ELSE 0 END + b.own_before, 0), b.scale) AS now_left
			  FROM before b WHERE b.parts IS NOT NULL
			WINDOW s AS (PARTITION BY b.who, b.tracked_table, b.order_key, b.stretch, b.moves, b.award ORDER BY b.revision))
		SELECT k.violation, d.who::text, d.order_key::text,
		       format('revision %%s (entry %%s), rule "%%s": gives %%s of %%s, room %%s, left of %%s now: %%s', d.revision, d.entry, d.rule, coalesce(d.gives, 0), coalesce(d.would, 0), d.room, d.most, d.now_left)
		  FROM (SELECT y.*, least(y.room, CASE WHEN NOT y.is_first OR y.room_before IS NOT NULL THEN y.now_left END) AS may_give FROM due y) d
		 CROSS JOIN LATERAL (VALUES
			(d.room IS DISTINCT FROM d.pinned OR (d.is_first AND %5$s AND d.room IS DISTINCT FROM coalesce(d.room_before, d.free)), 'room under a limit per member is not what was left when the order began'),
			((d.gives IS NULL) <> (d.would IS NULL) OR CASE WHEN %5$s THEN d.gives <> CASE WHEN d.by_times AND d.would > 0 AND d.may_give < 1 THEN 0 WHEN d.by_times THEN d.would ELSE least(d.would, d.may_give) END
			 ELSE d.gives > d.would OR CASE WHEN d.by_times THEN d.gives > 0 AND d.room < 1 ELSE d.gives > d.room END END,
			 'points of a rule are not what its limit per member leaves')) k (wrong, violation)
		 WHERE k.wrong
		$sql$, _loyalty.entries_sql(program, readable, without_large), CASE WHEN merged THEN 'e.recorded_for' ELSE 'e.customer' END, items, _loyalty.limit_kinds_sql(program, versions),
		CASE WHEN merged THEN format('NOT d.customer %1$s ANY (SELECT m.customer FROM %2$I.merged m UNION SELECT m.survivor FROM %2$I.merged m)', eq, program) ELSE 'true' END, eq);
END
$$;
COMMENT ON FUNCTION _loyalty.verify_limits(name, int[], boolean, boolean) IS 'the part of verify() that looks at limits of rules per member';

-- What orders have of each budget, by their newest entries, is what the table "budget" says was given.
CREATE FUNCTION _loyalty.verify_budgets(program name)
RETURNS TABLE (violation text, customer text, order_key text, detail text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	asked boolean;
BEGIN
	EXECUTE format('SELECT EXISTS (SELECT FROM %1$I.budget) OR EXISTS (SELECT FROM %1$I.terms_rule WHERE budget IS NOT NULL) OR EXISTS (SELECT FROM %1$I.campaign WHERE budget IS NOT NULL)', program) INTO asked;
	IF NOT asked THEN
		RETURN;
	END IF;
	RETURN QUERY EXECUTE format($sql$
		WITH given AS (%3$s)
		SELECT CASE WHEN b.name IS NULL THEN 'budget of an earning rule is missing' ELSE 'points given out of a budget are not what orders have of it' END,
		       NULL::text, NULL::text, format('budget "%%s": %%s are given, and orders have %%s', coalesce(b.name, g.budget), coalesce(b.given::text, 'none'), trim_scale(coalesce(g.points, 0)))
		       || CASE WHEN b.name IS NULL THEN '' ELSE format('; SELECT * FROM loyalty.reconcile(%%L) counts them anew', %2$L) END
		  FROM %1$I.budget b FULL JOIN given g ON g.budget = b.name COLLATE "C"
		 WHERE b.given IS DISTINCT FROM coalesce(g.points, 0) AND (b.name IS NOT NULL OR g.points <> 0)
		UNION ALL
		SELECT 'budget of an earning rule is missing', NULL, NULL, format('earning rule "%%s": budget "%%s"; INSERT INTO %%I.budget (name, points) makes it', r.name, r.budget, %2$L)
		  FROM %1$I.earning_rule r WHERE NOT EXISTS (SELECT FROM %1$I.budget b WHERE b.name = r.budget) AND r.budget IS NOT NULL
		UNION ALL
		SELECT 'budget of a campaign is missing', NULL, NULL, format('campaign "%%s": budget "%%s"; INSERT INTO %%I.budget (name, points) makes it', c.name, c.budget, %2$L)
		  FROM %1$I.campaign c WHERE NOT EXISTS (SELECT FROM %1$I.budget b WHERE b.name = c.budget) AND c.budget IS NOT NULL
		$sql$, program, program, _loyalty.given_of_budgets_sql(program));
END
$$;
COMMENT ON FUNCTION _loyalty.verify_budgets(name) IS 'the part of verify() that looks at budgets of rules';
