-- kind: type
CREATE TYPE @schema@.facts AS (
	spend numeric, orders bigint, points_earned numeric, tenure interval,
	first_order_at timestamptz, last_order_at timestamptz, today date, at timestamptz,
	joined_at timestamptz, purchases loyalty.history, events _loyalty.event_history[], customer_row jsonb);
COMMENT ON TYPE @schema@.facts IS 'what tiers know of a customer at a moment';
