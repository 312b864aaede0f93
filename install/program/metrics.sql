-- kind: type
CREATE TYPE @schema@.metrics AS (
	spend numeric, orders bigint, points_earned numeric, tenure interval,
	first_order_at timestamptz, last_order_at timestamptz, today date, at timestamptz);
COMMENT ON TYPE @schema@.metrics IS 'what tiers know of a customer at a moment';
