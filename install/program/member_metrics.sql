-- kind: type
CREATE TYPE @schema@.member_metrics AS (
	spend numeric, orders bigint, points_earned numeric, tenure interval,
	first_order_at timestamptz, last_order_at timestamptz, today date, at timestamptz, tier text);
COMMENT ON TYPE @schema@.member_metrics IS 'what earning rules know of a customer just before an order: what tiers do, and the tier';
