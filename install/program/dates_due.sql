-- kind: function
-- operate: EXECUTE
-- It is written in SQL, since PL/pgSQL has variables for what it returns, which a domain that refuses nulls would not let begin.
CREATE OR REPLACE FUNCTION @schema@.dates_due(until date DEFAULT NULL)
RETURNS TABLE (customer @key_type@, rule text, day date, points numeric)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT d.customer, d.rule, d.day, d.points FROM _loyalty.dates_due(@settings@::regclass, NULL::@keys_type@, until) d
$fn$;
REVOKE ALL ON FUNCTION @schema@.dates_due(date) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.dates_due(date) IS
'what rules of the table date_rule will give to members up to a day, as everything stands now, if their for_members holds; null: what maintain would give now';
