-- kind: table
-- read: SELECT
-- admin: INSERT, UPDATE, DELETE
CREATE TABLE @schema@.tier (
	name text PRIMARY KEY,
	rank int NOT NULL UNIQUE,
	qualifies text NOT NULL,
	multiplier numeric NOT NULL DEFAULT 1
		CHECK (multiplier >= 0 AND multiplier < 1000000)
);
COMMENT ON TABLE @schema@.tier IS 'tiers: the one of highest rank that qualifies is held';
COMMENT ON COLUMN @schema@.tier.qualifies IS 'SQL condition over spend, orders, points_earned, tenure, joined_at, first_order_at, last_order_at, today, at, purchases, kinds of events and metrics';
COMMENT ON COLUMN @schema@.tier.multiplier IS 'multiplies the points of an order that is made while the tier is held';

CREATE TRIGGER check_values BEFORE INSERT OR UPDATE ON @schema@.tier
	FOR EACH ROW EXECUTE FUNCTION _loyalty.configuration('check_tier');
CREATE TRIGGER new_terms AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON @schema@.tier
	FOR EACH STATEMENT EXECUTE FUNCTION _loyalty.configuration('new_terms');
CREATE TRIGGER new_prices AFTER UPDATE OR DELETE ON @schema@.tier
	FOR EACH ROW EXECUTE FUNCTION _loyalty.configuration('follow_tier');
COMMENT ON TRIGGER new_prices ON @schema@.tier IS 'lets prices of rewards, and benefits, follow the tier that they are for';
