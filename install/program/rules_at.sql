-- kind: function
-- read: EXECUTE
CREATE OR REPLACE FUNCTION @schema@.rules_at(at timestamptz DEFAULT NULL)
RETURNS TABLE (terms int, name text, points text, multiplier text, applies_when text, per text, starts timestamptz, ends timestamptz, minimum_order numeric,
               every numeric, gives numeric, at_most numeric, rounding text, priority int, stacking text, stacking_group text,
               for_members text, bonus boolean, member_limit numeric, limit_unit text, limit_period text, budget text, event text, campaign text, wallet text)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT r.version, r.name, CASE WHEN r.points IS NOT NULL THEN coalesce(x.points, r.points) END, CASE WHEN r.multiplier IS NOT NULL THEN coalesce(x.points, r.multiplier) END,
	       coalesce(x.applies_when, r.applies_when), r.per, r.starts, r.ends, r.minimum_order,
	       r.every, r.gives, r.at_most, r.rounding, r.priority, r.stacking, r.stacking_group,
	       coalesce(x.for_members, r.for_members), r.bonus, r.member_limit, r.limit_unit, r.limit_period, r.budget, r.event, r.campaign, r.wallet
	  FROM (SELECT coalesce(rules_at.at, now()) AS at) m
	 -- what this transaction has changed came into force after it began
	 CROSS JOIN LATERAL (SELECT CASE WHEN m.at >= now() THEN (SELECT p.terms FROM @schema@.program p) ELSE (SELECT max(t.version) FROM @schema@.terms t WHERE t.since <= m.at) END AS version) v
	  JOIN @schema@.terms_rule r ON r.version = v.version
	  LEFT JOIN @schema@.terms_rule g ON g.version = r.version AND g.award = r.gate
	 -- with the names that columns, functions and so on have now
	  LEFT JOIN LATERAL _loyalty.present_rules(@schema_literal@, v.version) x ON x.name = r.name
	 WHERE (r.starts <= m.at) IS NOT FALSE AND (r.ends > m.at) IS NOT FALSE AND (g.starts <= m.at) IS NOT FALSE AND (g.ends > m.at) IS NOT FALSE AND NOT r.is_campaign
	 ORDER BY r.priority DESC, r.name COLLATE "C"
$fn$;
REVOKE ALL ON FUNCTION @schema@.rules_at(timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.rules_at(timestamptz) IS
'the earning rules in force at a moment, as they come after each other: for an order of that time that is recorded then, and of one in the future as planned now';
