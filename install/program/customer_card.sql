-- kind: functions
-- What views read of a customer, they read for this one alone.  Grades are found with their reasons, and not again by the view
-- "ratings".
--
-- read: EXECUTE
CREATE OR REPLACE FUNCTION @schema@.card(customer @argument_type@)
RETURNS loyalty.customer_card
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan	-- to plan it takes five times as long as to run it
AS $fn$
DECLARE
	answer loyalty.customer_card;
BEGIN
	PERFORM _loyalty.require_customer(@settings@::regclass, @schema_literal@, customer);
	SELECT m.@key@::text, m.tier, ARRAY(SELECT b.benefit FROM @schema@.benefit b WHERE b.tier = m.tier ORDER BY b.benefit), r.ratings, r.why, m.joined_at, m.tenure, m.points, m.pending, m.held, m.next_expiry, m.expiring,
	       m.lifetime_value, m.orders, m.average_order, m.first_order_at, m.last_order_at,
	       loyalty.last_day(f.purchases) + (SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY g.days) FROM unnest(loyalty.gaps(f.purchases)) g (days)),
	       (SELECT coalesce(jsonb_object_agg(e.event, loyalty.times(e.history)), '{}') FROM unnest(f.events) e),
	       (SELECT to_jsonb(x.*) - @key_literal@ FROM @schema@.metrics x WHERE x.@key@ @eq@ m.@key@)
	  INTO answer
	  FROM @schema@.members m
	  JOIN @schema@.member_facts f ON f.@key@ @eq@ m.@key@
	 CROSS JOIN LATERAL (
	       SELECT coalesce(jsonb_object_agg(g.rating, g.grade) FILTER (WHERE g.is_last AND g.grade IS NOT NULL), '{}') AS ratings,
	              coalesce(array_agg(g.line ORDER BY g.rating, g.number) FILTER (WHERE g.line IS NOT NULL), '{}') AS why
	         FROM (SELECT n.rating, e.number, e.grade, e.number = max(e.number) OVER (PARTITION BY n.rating) AS is_last,
	                      CASE WHEN t.kind = 'step' AND lag(e.grade) OVER (PARTITION BY n.rating ORDER BY e.number) <> e.grade THEN format('%s %s: %s', n.rating, e.grade, t.name)
	                           WHEN t.kind = 'grade' AND e.holds AND t.name = e.grade THEN format('%s %s', n.rating, e.grade) END AS line
	                 FROM (SELECT DISTINCT t.rating FROM @schema@.terms_metric t WHERE t.version = f.terms AND t.rating IS NOT NULL) n
	                CROSS JOIN LATERAL _loyalty.explain_rating(@settings@::regclass, f.terms, n.rating, f.spend, f.orders, f.points_earned, f.joined_at, f.first_order_at, f.last_order_at, now(),
	                                                           f.reader, f.purchases, f.events, f.customer_row) e
	                 JOIN @schema@.terms_metric t ON t.version = f.terms AND t.number = e.number) g) r
 WHERE m.@key@ @eq@ coalesce((SELECT s.survivor FROM @schema@.merged s WHERE s.customer @eq@ $1::@optional_type@), $1::@optional_type@);
	RETURN answer;
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.card(@argument_type@) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.card(@argument_type@) IS
'all of a customer in one row, for whoever has him on the phone: tier, ratings and why, points, orders, when the next one is due, events and metrics; null for who is not in the customer table';

CREATE OR REPLACE FUNCTION @schema@.card_by_number(number text)
RETURNS loyalty.customer_card
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN @schema@.card(@schema@.customer_of(number, true));
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.card_by_number(text) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.card_by_number(text) IS
'all of the customer in one row whose member card has this number, or had it before it was replaced, like card';
