-- kind: table
-- read: SELECT
-- admin: INSERT, UPDATE, DELETE
CREATE TABLE @schema@.reward_price (
	reward text,
	tier text,
	points numeric NOT NULL,
	PRIMARY KEY (reward, tier)
);
COMMENT ON TABLE @schema@.reward_price IS 'prices of rewards for members of tiers; all others pay the points of the reward';
COMMENT ON COLUMN @schema@.reward_price.reward IS 'name of the reward';
COMMENT ON COLUMN @schema@.reward_price.tier IS 'the tier that is held when the reward is redeemed';
COMMENT ON COLUMN @schema@.reward_price.points IS 'what one piece costs a member of this tier';

CREATE TRIGGER check_values BEFORE INSERT OR UPDATE ON @schema@.reward_price
	FOR EACH ROW EXECUTE FUNCTION _loyalty.configuration('check_reward_price');
