-- verify(): what came of campaigns --------------------------------------------------------
--
-- What an order is worth with the rules of a campaign and without them is computed anew out of the parts of its newest entry, in SQL, and
-- compared with what the view "campaigns" says, which asks C code.

-- What entries under some terms are worth without what rules with limits or wallets give, rounded, and what each of these would give, by the places of "limits", and which of these count times;
-- as SQL over "facts".
CREATE FUNCTION _loyalty.worths_sql(program name, terms int, OUT free text, OUT would text, OUT limits int[], OUT by_times boolean[])
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	t record;
BEGIN
	EXECUTE format('SELECT rounding, points_scale FROM %I.terms WHERE version = $1', program) INTO t USING terms;
	free := format('(SELECT %s FROM (SELECT %s AS points OFFSET 0) AS worth)', _loyalty.rounded_sql('worth.points', t.rounding, t.points_scale), _loyalty.worth_sql(program, terms));
	SELECT format('ARRAY[%s]::numeric[]', string_agg(format('(SELECT %s FROM (SELECT %s AS points FROM %s OFFSET 0) AS worth)', _loyalty.rounded_sql('worth.points', t.rounding, t.points_scale),
	                                                        _loyalty.share_sql(g.bonus, g.given, f.factor), f.source), ', ' ORDER BY g.award)),
	       coalesce(array_agg(g.award ORDER BY g.award), '{}'), coalesce(array_agg(g.limit_unit = 'times' ORDER BY g.award), '{}')
	  INTO would, limits, by_times FROM _loyalty.given_sql(program, terms) g CROSS JOIN LATERAL _loyalty.folded_sql(program, terms) f WHERE g.apart;
END
$$;
COMMENT ON FUNCTION _loyalty.worths_sql(name, int) IS 'what an entry under a version of the terms is worth, and what its rules with limits or wallets would give, as SQL for verify()';

-- How many points more the newest entries under some terms have than without the rules of each campaign, as SQL over "entry".
CREATE FUNCTION _loyalty.responses_sql(program name, terms int)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	campaigns text;
BEGIN
	EXECUTE format('SELECT string_agg(format(''(%%L::text, %%L::int[], %%L::int[])'', c.campaign, c.awards, c.budgeted), '', '')
	                  FROM (SELECT r.campaign, coalesce(array_agg(r.award) FILTER (WHERE r.budget IS NULL), ''{}'') AS awards, coalesce(array_agg(r.award) FILTER (WHERE r.budget IS NOT NULL), ''{}'') AS budgeted FROM %I.terms_rule r
	                 WHERE r.version = $1 AND r.campaign IS NOT NULL AND NOT r.is_campaign GROUP BY 1) c', program) INTO campaigns USING terms;
	RETURN (SELECT format($sql$
		SELECT c.campaign, e.account, e.event, e.amount,
		       f.free + coalesce((SELECT sum(e.apart[l.award]) FROM unnest(%1$L::int[]) l (award)), 0) - w.free
		       - coalesce((SELECT sum(CASE WHEN l.by_times AND (w.would[l.n] <= 0 OR (e.apart[l.award] IS NOT DISTINCT FROM f.would[l.n] AND e.rooms[l.award] >= 1)) THEN w.would[l.n] WHEN l.by_times THEN 0
		                                   ELSE least(w.would[l.n], CASE WHEN e.apart[l.award] < f.would[l.n] THEN e.apart[l.award] ELSE e.rooms[l.award] END) END)
		                     FROM unnest(%1$L::int[], %6$L::boolean[]) WITH ORDINALITY l (award, by_times, n) WHERE w.would[l.n] IS NOT NULL), 0)
		       -- what budgets gave counts as they count it
		       + coalesce((SELECT sum(e.allotted[b.award]) FROM unnest(c.budgeted) b (award)), 0) AS points
		  FROM entry e CROSS JOIN (VALUES %2$s) AS c (campaign, awards, budgeted)
		 CROSS JOIN LATERAL (SELECT %3$s AS free, %4$s AS would FROM (SELECT e.parts, e.allotted, e.held_rules, e.multiplier, e.awards) AS facts) AS f
		 CROSS JOIN LATERAL (SELECT %3$s AS free, %4$s AS would
		                       FROM (SELECT ARRAY(SELECT CASE WHEN p.award <> ALL (c.awards) THEN p.part END FROM unnest(e.parts) WITH ORDINALITY p (part, award) ORDER BY p.award) AS parts,
		                                    e.allotted, e.held_rules, e.multiplier, e.awards) AS facts) AS w
		 WHERE e.terms = %5$s AND e.counts $sql$, x.limits, campaigns, x.free, coalesce(x.would, 'NULL::numeric[]'), terms, x.by_times)
	          FROM _loyalty.worths_sql(program, terms) x WHERE campaigns IS NOT NULL);
END
$$;
COMMENT ON FUNCTION _loyalty.responses_sql(name, int) IS 'what each campaign gave to orders under a version of the terms, as SQL for verify(); null if it has none';

CREATE FUNCTION _loyalty.verify_campaigns(program name, versions int[])
RETURNS TABLE (violation text, customer text, order_key text, detail text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	responses text := (SELECT string_agg(r, ' UNION ALL ') FROM unnest(versions) v CROSS JOIN LATERAL _loyalty.responses_sql(program, v) r);
BEGIN
	RETURN QUERY EXECUTE format($sql$
		SELECT 'campaign of an earning rule is missing'::text, NULL::text, NULL::text, format('earning rule "%%s": campaign "%%s"; INSERT INTO %%I.campaign (name) makes it', r.name, r.campaign, $1)
		  FROM %1$I.earning_rule r WHERE r.campaign IS NOT NULL AND NOT EXISTS (SELECT FROM %1$I.campaign c WHERE c.name = r.campaign) $sql$, program) USING program;
	IF responses IS NULL OR to_regclass(format('%I.campaigns', program)) IS NULL THEN
		RETURN;
	END IF;
	RETURN QUERY EXECUTE format($sql$
		WITH entry AS MATERIALIZED (
			SELECT DISTINCT ON (x.customer, x.tracked_table, x.order_key) x.*, coalesce(m.survivor, x.customer) AS account
			  FROM (SELECT customer, tracked_table, order_key, revision, terms, counts, amount, event, parts, allotted, held_rules, multiplier, rooms, apart, awards FROM %1$I.ledger WHERE tracked_table > 0
			        UNION ALL
			        SELECT customer, tracked_table, order_key, revision, terms, counts, amount, event, parts, allotted, held_rules, multiplier, rooms, apart, awards FROM %1$I.unposted WHERE tracked_table > 0) x
			  LEFT JOIN %1$I.merged m ON m.customer %2$s x.customer
			 ORDER BY x.customer, x.tracked_table, x.order_key, x.revision DESC),
		response AS (
			SELECT g.campaign, count(DISTINCT g.account) AS members, count(*) FILTER (WHERE g.event IS NULL) AS orders, count(*) FILTER (WHERE g.event IS NOT NULL) AS events,
			       sum(g.amount) FILTER (WHERE g.event IS NULL) AS revenue, sum(g.points) AS points
			  FROM (%3$s) g WHERE g.points <> 0 GROUP BY g.campaign)
		SELECT 'what came of a campaign is not what orders have by it'::text, NULL::text, NULL::text,
		       format('campaign "%%s": %%s members, %%s orders, %%s events, revenue %%s, points %%s; should be %%s, %%s, %%s, %%s, %%s', coalesce(c.campaign, r.campaign),
		              c.members, c.orders, c.events, c.revenue, c.points, coalesce(r.members, 0), coalesce(r.orders, 0), coalesce(r.events, 0), trim_scale(coalesce(r.revenue, 0)), trim_scale(coalesce(r.points, 0)))
		  FROM %1$I.campaigns c FULL JOIN response r ON r.campaign = c.campaign
		 WHERE (c.members, c.orders, c.events, c.points) IS DISTINCT FROM (coalesce(r.members, 0), coalesce(r.orders, 0), coalesce(r.events, 0), coalesce(r.points, 0))
		    OR c.revenue <> round(coalesce(r.revenue, 0), scale(c.revenue)) $sql$, program, _loyalty.customer_equality(program), responses);
END
$$;
COMMENT ON FUNCTION _loyalty.verify_campaigns(name, int[]) IS 'the part of verify() that looks at campaigns, and at what came of them';
