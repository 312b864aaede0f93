-- kind: table
-- read: SELECT
-- What is in the table reward_redemption, too: whoever redeems a reward that has a stock
-- takes it from here, one after the other.
CREATE TABLE @schema@.reward_stock (
	reward text PRIMARY KEY,
	taken bigint NOT NULL
) WITH (fillfactor = 50);
COMMENT ON TABLE @schema@.reward_stock IS 'how many pieces are taken of rewards that have a stock; written by calls, and when a reward is changed';
COMMENT ON COLUMN @schema@.reward_stock.reward IS 'name of the reward';
COMMENT ON COLUMN @schema@.reward_stock.taken IS 'pieces that were redeemed, without those that were given back';

CREATE TRIGGER owner_only BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON @schema@.reward_stock
	FOR EACH STATEMENT EXECUTE FUNCTION _loyalty.owner_only();
