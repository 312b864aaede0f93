-- verify(): grants by date ------------------------------------------------------------
--
-- Each grant by date is one entry of the ledger, and names its rule; its day is in the period that
-- it is noted for; and nobody got points twice for a period, or more often than the rule allowed.  Who was merged
-- into another customer may have got them before that, as well as the other one.

-- The period that a day is in, by the calendar.
CREATE FUNCTION _loyalty.period_of_day(day date, months int)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN months IS NULL THEN 'once'
	            WHEN months % 12 = 0 THEN to_char(make_date(greatest(y - y % (months / 12), 1), 1, 1), 'YYYY')
	            ELSE to_char(date_trunc('month', day) - make_interval(months => (y * 12 + extract(month FROM day)::int - 1) % months), 'YYYY-MM') END
	  FROM (SELECT extract(year FROM day)::int AS y) x
$$;
COMMENT ON FUNCTION _loyalty.period_of_day(date, int) IS 'the period of so many months that a day is in, as a rule by date names it, for verify()';

CREATE FUNCTION _loyalty.verify_date_rules(program name)
RETURNS TABLE (violation text, customer text, order_key text, detail text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	r record;
BEGIN
	FOR r IN EXECUTE format('SELECT x.name, e.name AS "column", e.expression FROM %1$I.date_rule x CROSS JOIN %1$I.program p
	                          CROSS JOIN LATERAL (VALUES (''due'', x.due), (''points'', x.points), (''for_members'', x.for_members)) e (name, expression)
	                          WHERE (x.valid_until >= (now() AT TIME ZONE p.time_zone)::date) IS NOT FALSE ORDER BY 1, 2', program)
	LOOP
		BEGIN
			PERFORM _loyalty.parse_date_rule(program, r.name, r.expression, r."column", CASE WHEN r."column" <> 'for_members' THEN 'person' END, 'pg_catalog, pg_temp', false);
		EXCEPTION WHEN OTHERS THEN
			PERFORM _loyalty.only_expression_errors(SQLSTATE, SQLERRM);
			RETURN QUERY SELECT 'date rule does not hold'::text, NULL::text, NULL::text,
				format('%s; correct it: UPDATE %I.date_rule SET %s = ''...'' WHERE name = %L', SQLERRM, program, r."column", r.name);
		END;
	END LOOP;
END
$$;
COMMENT ON FUNCTION _loyalty.verify_date_rules(name) IS 'rules by date whose expressions do not hold';

CREATE FUNCTION _loyalty.verify_date_grants(program name)
RETURNS TABLE (violation text, customer text, order_key text, detail text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY EXECUTE format($sql$
		WITH RECURSIVE given AS MATERIALIZED (
			SELECT x.*, count(*) FILTER (WHERE x.points > 0) OVER (PARTITION BY x.account, x.rule ORDER BY x.entry) AS n
			  FROM (SELECT g.*, coalesce(m.survivor, g.customer) AS person, r.name IS NOT NULL AS has_rule, _loyalty.months_of(r.every) AS months, l.entry, l.kind, l.points_change, l.at, coalesce(l.account, l.customer) AS account
			          FROM %1$I.date_grant g
			          LEFT JOIN %1$I.date_rule r ON r.name = g.rule
			          LEFT JOIN %1$I.merged m ON m.customer %2$s g.customer
			          LEFT JOIN %1$I.ledger l ON l.customer %2$s g.customer AND l.tracked_table = 0 AND l.order_key = g.reference AND l.revision = 1) x),
		-- whose account was that of whom, by a merge that is an entry of the other one
		merge AS MATERIALIZED (SELECT coalesce(l.account, l.customer) AS account, l.counterpart, l.entry FROM %1$I.ledger l WHERE l.tracked_table = 0 AND l.kind = 'merge'),
		-- UNION would ask for a type of keys that can be hashed
		had (account, other, entry, steps) AS (
			SELECT m.account, m.counterpart, m.entry, 1 FROM merge m
			UNION ALL
			SELECT h.account, m.counterpart, h.entry, h.steps + 1 FROM had h JOIN merge m ON m.account %2$s h.other WHERE h.steps < (SELECT count(*) FROM merge))
		SELECT k.violation, g.customer::text, g.reference::text, k.detail
		  FROM given g
		 CROSS JOIN LATERAL (VALUES
			(NOT g.has_rule, 'grant by date names no rule', format('rule "%%s"', g.rule)),
			(CASE WHEN g.points > 0 THEN g.kind IS DISTINCT FROM 'grant' OR g.points_change <> g.points OR (g.at AT TIME ZONE g.time_zone)::date <> g.day OR g.at > g.day::timestamp AT TIME ZONE g.time_zone
			      ELSE g.points <> 0 OR g.entry IS NOT NULL END,
			 'grant by date is not in the ledger', format('%%s points by the rule "%%s" for %%s; the ledger has %%s of %%s at %%s', g.points, g.rule, g.day, coalesce(g.kind, 'nothing'), g.points_change, g.at)),
			-- where a month is too short, the day is the first of the next one
			(g.has_rule AND g.period <> _loyalty.period_of_day(g.day, g.months) AND NOT (extract(day FROM g.day) = 1 AND g.period = _loyalty.period_of_day(g.day - 1, g.months)),
			 'grant by date is of another period', format('%%s by the rule "%%s" for %%s', g.period, g.rule, g.day)),
			(g.n > g.times, 'limit of a rule by date is exceeded', format('grant %%s by the rule "%%s", and the limit is %%s', g.n, g.rule, g.times)))
		       k (wrong, violation, detail)
		 WHERE k.wrong
		UNION ALL
		SELECT 'a date was granted twice', g.customer::text, g.reference::text, format('%%s by the rule "%%s", and it is "%%s" of the customer %%s, too', g.period, g.rule, o.reference, o.customer)
		  FROM given g JOIN given o ON o.person %2$s g.person AND o.rule = g.rule AND o.period = g.period AND NOT o.customer %2$s g.customer AND o.points > 0
		 WHERE g.points > 0
		   AND (o.account %2$s g.account AND o.entry < g.entry
		        OR EXISTS (SELECT FROM had h WHERE h.account %2$s g.account AND h.other %2$s o.account AND h.entry < g.entry))
		UNION ALL
		SELECT 'grant by date is not noted', l.customer::text, l.order_key::text, format('entry %%s of %%s points, which CALL loyalty.maintain(%%L) notes if the day is due', l.entry, l.points_change, $1)
		  FROM %1$I.ledger l JOIN %1$I.date_rule r ON starts_with(l.order_key, format('date:%%s:', r.name)) AND substr(l.order_key, length(r.name) + 7) ~ '^(once|[0-9]{4}(-[0-9]{2})?)$'
		 WHERE l.tracked_table = 0 AND l.revision = 1 AND l.kind = 'grant'
		   AND NOT EXISTS (SELECT FROM %1$I.date_grant g WHERE g.customer %2$s l.customer AND g.reference = l.order_key)
		$sql$, program, _loyalty.customer_equality(program)) USING program;
END
$$;
COMMENT ON FUNCTION _loyalty.verify_date_grants(name) IS 'grants by date that are not what the ledger, their rules and the calendar say, or were made twice';
