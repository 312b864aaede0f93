-- Why a tier is held, or a grade given: the parts of conditions -----------------------------
--
-- A condition is taken apart where it says AND, OR and NOT (src/config/parts.c).

CREATE FUNCTION _loyalty.explain_condition(program regclass, terms int, kind text, number int, days int, spend numeric, orders bigint, points_earned numeric, joined_at timestamptz,
                                          first_order_at timestamptz, last_order_at timestamptz, at timestamptz, reader uuid, purchases loyalty.history, events _loyalty.event_history[], customer_row jsonb)
RETURNS TABLE (part int[], condition text, holds boolean, value text, wanted text, distance numeric, changes_on date)
LANGUAGE c STABLE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'loyalty_explain_condition';
COMMENT ON FUNCTION _loyalty.explain_condition(regclass, int, text, int, int, numeric, bigint, numeric, timestamptz, timestamptz, timestamptz, timestamptz, uuid, loyalty.history, _loyalty.event_history[], jsonb) IS
'the parts of a condition of some terms, of a "tier" or among the "metric"s by its number, and how things stand with each for a customer of whom these facts are known';

CREATE TYPE loyalty.tier_explanation AS (
	tier text,
	held boolean,
	part int[],
	condition text,
	holds boolean,
	value text,
	wanted text,
	distance numeric,
	changes_on date
);
COMMENT ON TYPE loyalty.tier_explanation IS 'one part of why a customer has a tier, or has it not: result of the function explain_tier of a program';
COMMENT ON COLUMN loyalty.tier_explanation.tier IS 'the tier, from the highest on';
COMMENT ON COLUMN loyalty.tier_explanation.held IS 'is it the one that the customer has?';
COMMENT ON COLUMN loyalty.tier_explanation.part IS 'which part of the condition: {} is all of it, {1} its first part, {1,2} of that the second one';
COMMENT ON COLUMN loyalty.tier_explanation.condition IS 'SQL condition, as it is now';
COMMENT ON COLUMN loyalty.tier_explanation.holds IS 'does it hold now? null: it is unknown, or fails';
COMMENT ON COLUMN loyalty.tier_explanation.value IS 'of a comparison: what is compared, as it is now';
COMMENT ON COLUMN loyalty.tier_explanation.wanted IS 'of a comparison: with what it is compared';
COMMENT ON COLUMN loyalty.tier_explanation.distance IS 'of a comparison of numbers: how far value is from wanted now, or if it holds, on the day changes_on; of days and times, how many days are left until it holds; null: it holds, and will, or nobody knows';
COMMENT ON COLUMN loyalty.tier_explanation.changes_on IS 'the first day on which holds is otherwise if nothing happens until then; null: none of those that were looked at';

-- Whose facts are asked about, as SQL for the key of "member_facts": the one whose account has the key $1.
CREATE FUNCTION _loyalty.is_member(settings regclass, program name, customer anyelement, is_customer text, customer_type text)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM _loyalty.require_customer(settings, program, customer);
	RETURN format('f.%1$I %2$s coalesce((SELECT m.survivor FROM %3$I.merged m WHERE m.customer %4$s), $1::%5$s)',
	              (SELECT a.attname FROM pg_attribute a WHERE a.attrelid = format('%I.member_facts', program)::regclass AND a.attnum = 1),
	              _loyalty.customer_equality(program), program, is_customer, customer_type);
END
$$;
COMMENT ON FUNCTION _loyalty.is_member(regclass, name, anyelement, text, text) IS
'a condition on the view member_facts or members, called f, for the customer $1, found by the index, or the one with whom he was merged; else an error (LY005) if nobody has the key';

CREATE FUNCTION _loyalty.tier_explained(settings regclass, customer anyelement, days int)
RETURNS SETOF loyalty.tier_explanation
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	p record;
BEGIN
	SELECT * INTO p FROM _loyalty.begin_call(settings, 'explain_tier');
	PERFORM _loyalty.require_given('{days}', ARRAY[days IS NULL]);
	RETURN QUERY EXECUTE format($sql$
		SELECT t.name, t.name IS NOT DISTINCT FROM h.tier, e.part, e.condition, e.holds, e.value, e.wanted, e.distance, e.changes_on
		  FROM %1$I.member_facts f
		 CROSS JOIN LATERAL _loyalty.tier_for($2, f.terms, f.spend, f.orders, f.points_earned, f.joined_at, f.first_order_at, f.last_order_at, now(), f.reader, f.purchases, f.events, f.customer_row) h (tier)
		  JOIN (SELECT t.version, t.name, row_number() OVER (PARTITION BY t.version ORDER BY t.rank DESC)::int AS number FROM %1$I.terms_tier t) t ON t.version = f.terms
		 CROSS JOIN LATERAL _loyalty.explain_condition($2, f.terms, 'tier', t.number, $3, f.spend, f.orders, f.points_earned, f.joined_at, f.first_order_at, f.last_order_at, now(), f.reader, f.purchases, f.events, f.customer_row) e
		 WHERE %2$s ORDER BY t.number, e.part $sql$, p.program, _loyalty.is_member(settings, p.program, customer, p.is_customer, p.customer_type))
		USING customer, settings, days;
END
$$;
COMMENT ON FUNCTION _loyalty.tier_explained(regclass, anyelement, int) IS 'what the function explain_tier of a program does, for its owner';
