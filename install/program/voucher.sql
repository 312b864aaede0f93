-- kind: table
-- admin: SELECT
-- Who knows a code can redeem it, so nobody may list them but those who may do all.
CREATE TABLE @schema@.voucher (
	code text COLLATE "C" PRIMARY KEY,
	batch text COLLATE "C" NOT NULL,
	number int NOT NULL,
	balance numeric NOT NULL,
	entries int NOT NULL,
	UNIQUE (batch, number)
) WITH (fillfactor = 90);
COMMENT ON TABLE @schema@.voucher IS 'vouchers with their balances: the sums of their entries; written by calls';
COMMENT ON COLUMN @schema@.voucher.code IS 'the code, in capital letters and without dashes';
COMMENT ON COLUMN @schema@.voucher.batch IS 'reference in the table voucher_batch';
COMMENT ON COLUMN @schema@.voucher.number IS 'number among those that were issued together';
COMMENT ON COLUMN @schema@.voucher.balance IS 'what is left of it, valid or not';
COMMENT ON COLUMN @schema@.voucher.entries IS 'how many entries it has';

CREATE TRIGGER owner_only BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON @schema@.voucher
	FOR EACH STATEMENT EXECUTE FUNCTION _loyalty.owner_only();
