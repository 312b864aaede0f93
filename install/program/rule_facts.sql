-- kind: type
CREATE TYPE @schema@.rule_facts AS (
	spend numeric, orders bigint, points_earned numeric, tenure interval,
	first_order_at timestamptz, last_order_at timestamptz, today date, at timestamptz,
	joined_at timestamptz, purchases loyalty.history, events _loyalty.event_history[], customer_row jsonb, tier text);
COMMENT ON TYPE @schema@.rule_facts IS 'what earning rules know of a customer just before an order: what tiers do, and the tier';
