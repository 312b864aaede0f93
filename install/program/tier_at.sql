-- kind: function
-- read: EXECUTE
CREATE OR REPLACE FUNCTION @schema@.tier_at(customer @key_type@, at timestamptz DEFAULT now())
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	WITH e AS (SELECT * FROM @schema@.entries x WHERE x.@key@ @eq@ @argument@ AND x.effective_at <= $2),
	o AS (SELECT DISTINCT ON (tracked_table, order_key) ordered_at, counts
	        FROM e ORDER BY tracked_table, order_key, revision DESC)
	SELECT _loyalty.tier_for(@settings@::regclass, p.terms,
	                        (SELECT coalesce(sum(amount_change), 0) FROM e),
	                        (SELECT coalesce(sum(orders_change), 0) FROM e),
	                        (SELECT coalesce(sum(e.points), 0) FROM e),
	                        c.joined_at,
	                        (SELECT min(ordered_at) FROM o WHERE counts),
	                        (SELECT max(ordered_at) FROM o WHERE counts), $2)
	  FROM @schema@.customer c CROSS JOIN @schema@.program p
	 WHERE c.customer @eq@ @argument@
$fn$;
COMMENT ON FUNCTION @schema@.tier_at(@key_type@, timestamptz) IS
'tier of a customer at a moment, by what was effective then and the present tiers; null without one, and for whoever is not in the customer table';
