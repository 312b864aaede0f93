-- kind: table
-- read: SELECT
CREATE TABLE @schema@.voucher_batch (
	reference text COLLATE "C" PRIMARY KEY,
	vouchers int NOT NULL,
	amount numeric NOT NULL,
	customer @optional_type@,
	expires_at timestamptz NOT NULL,
	campaign text,
	reason text,
	actor text NOT NULL,
	issued_at timestamptz NOT NULL
);
COMMENT ON TABLE @schema@.voucher_batch IS 'vouchers that were issued together, without their codes; written by calls';
COMMENT ON COLUMN @schema@.voucher_batch.reference IS 'names the call that issued them';
COMMENT ON COLUMN @schema@.voucher_batch.vouchers IS 'how many there are';
COMMENT ON COLUMN @schema@.voucher_batch.amount IS 'what each was worth then, in the currency of the program';
COMMENT ON COLUMN @schema@.voucher_batch.customer IS 'key of the only customer who may redeem them; null: whoever has a code';
COMMENT ON COLUMN @schema@.voucher_batch.expires_at IS 'from when on they are not valid any more; infinity: they do not expire';
COMMENT ON COLUMN @schema@.voucher_batch.campaign IS 'what they were issued for; of a redemption, the name of the reward';
COMMENT ON COLUMN @schema@.voucher_batch.actor IS 'the role that called, which may be told their codes again';
COMMENT ON COLUMN @schema@.voucher_batch.issued_at IS 'when the transaction of the call began';

CREATE TRIGGER owner_only BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON @schema@.voucher_batch
	FOR EACH STATEMENT EXECUTE FUNCTION _loyalty.owner_only();
