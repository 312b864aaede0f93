-- kind: table
-- read: SELECT
-- admin: INSERT, UPDATE, DELETE
CREATE TABLE @schema@.reward (
	name text PRIMARY KEY,
	points numeric NOT NULL,
	kind text NOT NULL DEFAULT 'product',
	value numeric,
	valid_for interval,
	stock bigint,
	member_limit int,
	limit_period interval,
	starts_at timestamptz,
	ends_at timestamptz,
	description text
);
COMMENT ON TABLE @schema@.reward IS 'rewards that customers may have for points, by calls of redeem_reward';
COMMENT ON COLUMN @schema@.reward.name IS 'name of the reward';
COMMENT ON COLUMN @schema@.reward.points IS 'what one piece costs, unless the table reward_price has a price for the tier of the customer';
COMMENT ON COLUMN @schema@.reward.kind IS 'product: a thing; amount or percent: off an order; voucher: codes that pay for orders later';
COMMENT ON COLUMN @schema@.reward.value IS 'what one piece is worth: an amount of money, or percent (10 is 10 percent); null: a product';
COMMENT ON COLUMN @schema@.reward.valid_for IS 'how long a voucher is valid; null: it does not expire';
COMMENT ON COLUMN @schema@.reward.stock IS 'how many pieces there are in all, those included that are taken; null: no limit';
COMMENT ON COLUMN @schema@.reward.member_limit IS 'how many pieces a customer may have within limit_period; null: no limit';
COMMENT ON COLUMN @schema@.reward.limit_period IS 'the time before each moment in which member_limit counts pieces; null: ever';
COMMENT ON COLUMN @schema@.reward.starts_at IS 'from when on it may be had; null: it has begun';
COMMENT ON COLUMN @schema@.reward.ends_at IS 'from when on it may not be had any more; null: it does not end';
COMMENT ON COLUMN @schema@.reward.description IS 'what is shown to customers';

CREATE TRIGGER check_values BEFORE INSERT OR UPDATE ON @schema@.reward
	FOR EACH ROW EXECUTE FUNCTION _loyalty.configuration('check_reward');
CREATE TRIGGER keep_redeemed BEFORE UPDATE OR DELETE ON @schema@.reward
	FOR EACH ROW EXECUTE FUNCTION _loyalty.configuration('keep_reward');
COMMENT ON TRIGGER keep_redeemed ON @schema@.reward IS 'refuses to delete or rename what was redeemed';
CREATE TRIGGER keep_row BEFORE TRUNCATE ON @schema@.reward
	FOR EACH STATEMENT EXECUTE FUNCTION _loyalty.configuration('keep_reward');
CREATE TRIGGER new_stock AFTER INSERT OR UPDATE OR DELETE ON @schema@.reward
	FOR EACH ROW EXECUTE FUNCTION _loyalty.configuration('follow_reward');
COMMENT ON TRIGGER new_stock ON @schema@.reward IS 'counts what is taken of the stock, and lets prices follow the reward';
