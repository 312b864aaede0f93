-- kind: table
-- read: SELECT
-- What was had for the points of an entry of the ledger, which has the same customer and reference.
CREATE TABLE @schema@.reward_redemption (
	customer @column_type@ NOT NULL,
	reference text COLLATE "C" NOT NULL,
	reward text NOT NULL,
	quantity int NOT NULL,
	tier text,
	price numeric NOT NULL,
	amount numeric,
	value numeric,
	vouchers text COLLATE "C",
	member_limit int,
	limit_period interval,
	at timestamptz NOT NULL,
	reversed_at timestamptz,
	PRIMARY KEY (customer, reference)
);
COMMENT ON TABLE @schema@.reward_redemption IS 'redemptions of rewards; written by calls';
COMMENT ON COLUMN @schema@.reward_redemption.reference IS 'names the redemption among the calls for the customer';
COMMENT ON COLUMN @schema@.reward_redemption.reward IS 'name of the reward';
COMMENT ON COLUMN @schema@.reward_redemption.quantity IS 'how many pieces of it';
COMMENT ON COLUMN @schema@.reward_redemption.tier IS 'the tier that was held; null: none, or the reward has no prices for tiers';
COMMENT ON COLUMN @schema@.reward_redemption.price IS 'the points that one piece did cost';
COMMENT ON COLUMN @schema@.reward_redemption.amount IS 'the amount of the order that it was had for, if it was said';
COMMENT ON COLUMN @schema@.reward_redemption.value IS 'what all pieces are worth in money; null: a product';
COMMENT ON COLUMN @schema@.reward_redemption.vouchers IS 'reference of its vouchers in the table voucher_batch; null: it has none';
COMMENT ON COLUMN @schema@.reward_redemption.member_limit IS 'how many pieces a customer might have, then';
COMMENT ON COLUMN @schema@.reward_redemption.limit_period IS 'within what time; null: ever';
COMMENT ON COLUMN @schema@.reward_redemption.at IS 'when the transaction of the call began';
COMMENT ON COLUMN @schema@.reward_redemption.reversed_at IS 'when all of its points were taken back, and with them the pieces; null: they were not';

CREATE TRIGGER owner_only BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON @schema@.reward_redemption
	FOR EACH STATEMENT EXECUTE FUNCTION _loyalty.owner_only();
